/*
 * Which values a column has in an index range: found by jumping along the index from one to the
 * next. Where each question costs a round trip, the engine jumps for many of them in one, and what
 * it found stays at hand for the rest of the search. Private to the planner.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_VALUES_AHEAD_H
#define STORE_SEARCH_VALUES_AHEAD_H

#include "store/search/search_context.h"

/* The rows of `param` (with that `first`) whose `column`, the next one of the index, lies in
 * from..to. The names are constants. */
struct search_values_range {
  const char *table, *column;
  uint16_t param;
  bool has_first;
  int64_t first;
  int64_t from, to;
};

/* The least value. */
int search_next_value(struct search_context *c, const struct search_values_range *range,
                      int64_t *ret_value, bool *ret_found, struct err *reterr) MUST_CHECK;

#endif
