/*
 * A predicate made ready for one store: its values as the hashes and row numbers of the search
 * tables, so that it can be looked up (search_span.c) and tested on a resource's keys
 * (search_match.c). Private to the search.
 *
 * Threads: belongs to one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_CONDITION_H
#define STORE_SEARCH_CONDITION_H

#include "base/map.h"
#include "store/keys.h"
#include "store/search_query.h"
#include "store/store_internal.h"
#include "store/terminology.h"

/* Numbers from..to, both included. */
struct search_range {
  int64_t from, to;
};
struct search_ranges {
  const struct search_range *p; /* ascending, apart */
  size_t n;
};

/* Ranges while they are collected; in any order, and they may overlap. */
struct search_range_list {
  struct arena *arena;
  VEC(struct search_range) list;
  bool is_out_of_memory;
};
void search_range_add(struct search_range_list *ranges, int64_t from, int64_t to);
struct search_ranges search_ranges_finish(struct search_range_list *ranges);
extern const struct search_ranges search_no_first; /* `firsts` of what is no composite */

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

struct search_condition {
  const struct search_predicate *predicate;
  struct search_solved *solved; /* of _has, else NULL */
  struct search_cost *cost;
  enum search_type type; /* of its rows: a composite's second component */
  enum keys_table table;
  uint16_t param; /* number of schema.h */
  bool is_negated;
  bool has_no_ranges; /* number, quantity: lo is hi in all rows of the parameter */
  bool has_all;       /* every resource of the type has the parameter, so that none is without */
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

/* What was done in all, and how. */
enum search_order {
  SEARCH_ORDER_RID,    /* candidates come in order */
  SEARCH_ORDER_SORTED, /* all matches passed by, the best were kept */
  SEARCH_ORDER_WALKED, /* along the index of the sort key */
};
enum search_reading {
  SEARCH_READING_NONE,
  SEARCH_READING_TYPES,     /* all resources of the types, one after the other */
  SEARCH_READING_STREAMS,   /* index ranges that are in order, merged */
  SEARCH_READING_COLLECTED, /* all rows first, then sorted */
};
struct search_facts {
  enum search_order order;
  enum search_reading reading; /* of the source opened first, the page's */
  uint64_t ranges;             /* merged */
  uint64_t candidates, fetched, bodies;
};

/* What one running search works with. */
struct search_context {
  struct store_view *view;
  struct db *db;
  const struct schema *schema;
  const struct access *access;
  struct store_filter filter;
  struct arena *arena;   /* what lives as long as the result */
  struct arena *scratch; /* of one candidate */
  struct db_query fetch; /* a row by rid: values.p[0] */
  struct search_memo *memo;
  struct map learned; /* the texts of hashes that were sorted by, by the bytes of the hash */
  struct terminology *terminology; /* NULL until a condition needs it (search_terminology.h) */
  size_t conditions_n;
  struct search_limits limits;
  struct search_types types; /* that are searched in */
  struct search_facts facts;
  uint64_t steps; /* spent */
};

/* `access` is compiled into every row that this context fetches. `limits` NULL: the defaults. */
int search_context_init(struct search_context *c, struct store_view *view,
                        const struct access *access, struct arena *arena,
                        const struct search_limits *limits, struct err *reterr) MUST_CHECK;
void search_context_fini(struct search_context *c);

/* What work costs, in steps of about 0.1 us: rows of an index, resources fetched by their number,
 * bodies read. Every loop whose length the data decides spends. ERR_TOO_COSTLY when the search has
 * had its share of steps or time. */
enum {
  SEARCH_STEP_ROW = 1,
  SEARCH_STEP_QUERY = 10,
  SEARCH_STEP_FETCH = 20,
  SEARCH_STEP_BODY = 100
};
int search_spend(struct search_context *c, uint64_t steps, struct err *reterr) MUST_CHECK;

/* ERR_TOO_COSTLY, ERR_NOT_SUPPORTED (a value set that is not known), ERR_STORE. */
int search_condition_make(struct search_context *c, const struct search_predicate *predicate,
                          struct search_condition *ret_condition, struct err *reterr) MUST_CHECK;

int search_compare_params(const void *a, const void *b);             /* of `params`, for bsearch */
bool search_rids_have(const uint64_t *rids, size_t n, uint64_t rid); /* ascending */
bool search_ranges_have(struct search_ranges ranges, int64_t value);
/* The place of the first range that does not end before `value`; `ranges.n`: there is none. */
size_t search_ranges_at(struct search_ranges ranges, int64_t value);

/* The parts of a value's meaning that the index and the evaluation share. */
bool search_date_fits(const struct search_operand *o, int64_t lo, int64_t hi);
bool search_number_fits(const struct search_operand *o, double lo, double hi);

#endif
