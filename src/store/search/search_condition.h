/*
 * A predicate made ready for one store: its values as the hashes and row numbers of the search
 * tables, so that it can be looked up (search_span.c) and tested on a resource's keys
 * (search_match.c). Private to the search.
 *
 * Threads: belongs to one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_CONDITION_H
#define STORE_SEARCH_CONDITION_H

#include "store/schema/keys.h"
#include "store/search/search_context.h"
#include "store/search/search_ranges.h"

/* One value (or, for hashes, all values of an OR list) as it is found in a row. */
struct search_test {
  struct search_ranges firsts;          /* composites: the column `first` */
  bool is_any_first;                    /* the table has no such column */
  struct search_ranges values;          /* hash, target, or a quantity's unit */
  bool is_system_only;                  /* token: any code of this system */
  int64_t system;                       /* its low bits */
  const struct search_operand *operand; /* date, number, quantity, string: to be compared with */
  bool is_any_value;                    /* every row of the parameter */
  bool needs_body;                      /* a row that fits is necessary, not sufficient */
};

/* What a condition was thought to cost and what it did; search_explain tells it. */
enum search_role {
  SEARCH_ROLE_TEST,   /* each candidate is tested */
  SEARCH_ROLE_DRIVER, /* it gives the candidates */
  SEARCH_ROLE_PROBE,  /* the engine asks it for each row of the driver, */
  SEARCH_ROLE_SIEVE,  /* its rows were read to pass over candidates unseen, and it is tested */
};
struct search_cost {
  enum search_role role;
  bool has_estimate;
  uint64_t estimate, estimate_limit; /* counted to there at the most */
  uint64_t rows;                     /* of an index, read */
  uint64_t tests, passed;
};

/* All resources that satisfy a _has, once they were found from its other end. */
struct search_solved {
  bool is_known;
  const uint64_t *rids; /* ascending */
  size_t n;
};

struct search_scope;
struct search_condition {
  const struct search_predicate *predicate;
  const struct search_scope *scope; /* where all that is searched for is; NULL: anywhere */
  struct search_solved *solved;     /* of _has, else NULL */
  struct search_cost *cost;
  enum search_type type; /* of its rows: a composite's second component */
  enum keys_table table;
  uint16_t param; /* number of schema.h */
  bool is_negated;
  bool is_only_tested; /* the index is not asked: other conditions leave few (search_scope.h) */
  bool has_no_ranges;  /* number, quantity: lo is hi in all rows of the parameter */
  bool has_all;        /* every resource of the type has the parameter, so that none is without */
  const struct search_test *tests;
  size_t tests_n;
  bool is_unindexed;    /* _text, _content: any resource may match, else one of `rids` */
  const uint64_t *rids; /* _id, texts: ascending; a compartment: the resource that it is of */
  size_t rids_n;
  const uint16_t *params; /* of a compartment: by one of these a resource refers to it */
  size_t params_n;
  struct search_condition *targets; /* of chains, _has, and what joins conditions */
  size_t targets_n;
  size_t number; /* of this condition in the search, for remembering results */
};

/* ERR_TOO_COSTLY, ERR_NOT_SUPPORTED (a value set that is not known), ERR_STORE. */
int search_condition_make(struct search_context *c, const struct search_predicate *predicate,
                          struct search_condition *ret_condition, struct err *reterr) MUST_CHECK;

int search_compare_params(const void *a, const void *b); /* of `params`, for bsearch */

/* The parts of a value's meaning that the index and the evaluation share. */
bool search_date_fits(const struct search_operand *o, int64_t lo, int64_t hi);
bool search_number_fits(const struct search_operand *o, double lo, double hi);

#endif
