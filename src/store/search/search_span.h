/*
 * Where a condition's rows stand: spans of the search tables, each one index range. A span is
 * counted to judge how selective it is, and read to get candidates. Private to the search.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_SPAN_H
#define STORE_SEARCH_SPAN_H

#include "store/search/search_condition.h"

struct search_span {
  const struct search_condition *condition; /* whose rows they are */
  enum keys_table table;
  uint16_t param;
  bool is_link;                   /* rows of `reference` that lead to `value`; no test */
  const struct search_test *test; /* NULL: all rows of the parameter */
  const struct search_test *also; /* a second one on the same rows, or NULL (dates only) */
  int64_t first;
  int64_t value;    /* hash, target, unit, */
  int64_t value_to; /* or with is_range all from `value` to this */
  bool is_range;
  int date_class;
  bool is_ordered; /* its rows come in the order of their rid */
};

struct search_spans {
  struct search_span *p;
  size_t n;
};

/* Can rows be found by this condition (not by :missing, :not, ...)? */
bool search_is_drivable(const struct search_condition *condition);

/* Does it stand in spans: a condition on a parameter (not chains, _id, ...), a compartment, one of
 * several of these? */
bool search_has_spans(const struct search_condition *condition);

/* Are the rows of its spans exactly what matches, so that no candidate need be tested? */
bool search_spans_are_exact(const struct search_condition *condition);

/* The spans of a condition that is drivable and has them. Every resource that matches has a row in
 * one of them. ERR_TOO_COSTLY for too many different values. */
int search_spans_make(struct search_context *c, const struct search_condition *condition,
                      struct search_spans *ret_spans, struct err *reterr) MUST_CHECK;

/* Of a negated condition, or :missing=true: every resource that does not match has a row in one. */
int search_spans_kept_out(struct search_context *c, const struct search_condition *condition,
                          struct search_spans *ret_spans, struct err *reterr) MUST_CHECK;

/* One span per resource that `condition`, a chain, may lead to, and one of what leads to a
 * contained resource. */
int search_spans_of_targets(struct search_context *c, const struct search_condition *condition,
                            const uint64_t *targets, size_t n, struct search_spans *ret_spans,
                            struct err *reterr) MUST_CHECK;

/* Gives that condition, or NULL. Where a resource has one value for the parameter, another
 * condition on it is about the same row: ge and lt of one date become one range of its index. */
const struct search_condition *search_spans_join(struct search_spans *spans,
                                                 const struct search_condition *condition,
                                                 const struct search_condition *conditions,
                                                 size_t n);

/* The table that the rows of a span stand in. */
const char *search_span_table(const struct search_span *span);

/* search_span_add with another name for the table, within a query on rows of a second one. */
void search_span_add_as(struct db_query *query, const struct search_context *c,
                        const struct search_span *span, const char *alias);

/* Appends " FROM table WHERE ..." */
void search_span_add(struct db_query *query, const struct search_context *c,
                     const struct search_span *span);

/* The same for counting, where a few rows more or less do not matter: no part of it makes the
 * engine go through more rows than it counts. */
void search_span_add_rough(struct db_query *query, const struct search_context *c,
                           const struct search_span *span);

#endif
