/*
 * Sets of numbers as sorted ranges: which hashes, targets or units a condition is met by. Private
 * to the search.
 *
 * Threads: pure. Memory: on the arena of the list.
 */
#ifndef STORE_SEARCH_RANGES_H
#define STORE_SEARCH_RANGES_H

#include "base/base.h"

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
/* Sorted, and joined where they meet. */
struct search_ranges search_ranges_finish(struct search_range_list *ranges);
extern const struct search_ranges search_no_first; /* `firsts` of what is no composite */

bool search_ranges_have(struct search_ranges ranges, int64_t value);
/* The place of the first range that does not end before `value`; `ranges.n`: there is none. */
size_t search_ranges_at(struct search_ranges ranges, int64_t value);

bool search_rids_have(const uint64_t *rids, size_t n, uint64_t rid); /* ascending */

#endif
