/*
 * Where a condition's rows stand: spans of the search tables, each one index range. A span is
 * counted to judge how selective it is, and read to get candidates. Private to the search.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_SPAN_H
#define STORE_SEARCH_SPAN_H

#include "store/search_condition.h"

struct search_span {
  const struct search_test *test;
  const struct search_test *also; /* a second one on the same rows, or NULL (dates only) */
  int64_t first;
  int64_t value; /* hash, target, unit */
  int date_class;
  bool is_ordered; /* its rows come in the order of their rid */
};

struct search_spans {
  struct search_span *p;
  size_t n;
};

/* Can rows be found by this condition (not by :missing, :not, ...)? */
bool search_is_drivable(const struct search_condition *condition);

/* The spans of a condition on a parameter. Every resource that matches has a row in one of them.
 * ERR_TOO_COSTLY for too many different values. */
int search_spans_make(struct search_context *c, const struct search_condition *condition,
                      struct search_spans *ret_spans, struct err *reterr) MUST_CHECK;

/* Appends " FROM table WHERE ..." */
void search_span_add(struct db_query *query, const struct search_context *c,
                     const struct search_condition *condition, const struct search_span *span);

#endif
