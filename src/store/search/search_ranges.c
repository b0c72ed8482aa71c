#include "store/search/search_ranges.h"

#include <stdlib.h>

void search_range_add(struct search_range_list *ranges, int64_t from, int64_t to) {
  struct search_range *place = VEC_PUSH(ranges->arena, &ranges->list);
  if (place)
    *place = (struct search_range){from, to};
  else
    ranges->is_out_of_memory = true;
}

static int compare_ranges(const void *a, const void *b) {
  const struct search_range *x = a, *y = b;
  return (x->from > y->from) - (x->from < y->from);
}

struct search_ranges search_ranges_finish(struct search_range_list *ranges) {
  struct search_range *p = ranges->list.p;
  size_t kept = 0;
  if (ranges->list.n > 1)
    qsort(p, ranges->list.n, sizeof *p, compare_ranges);
  for (size_t i = 0; i < ranges->list.n; i++) {
    if (kept > 0 && p[i].from <= p[kept - 1].to) {
      if (p[i].to > p[kept - 1].to)
        p[kept - 1].to = p[i].to;
    } else {
      p[kept++] = p[i];
    }
  }
  return (struct search_ranges){p, kept};
}

bool search_rids_have(const uint64_t *rids, size_t n, uint64_t rid) {
  size_t from = 0, to = n;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (rids[middle] < rid)
      from = middle + 1;
    else
      to = middle;
  }
  return from < n && rids[from] == rid;
}

size_t search_ranges_at(struct search_ranges ranges, int64_t value) {
  size_t from = 0, to = ranges.n;
  while (from < to) {
    size_t middle = from + (to - from) / 2;
    if (ranges.p[middle].to < value)
      from = middle + 1;
    else
      to = middle;
  }
  return from;
}

bool search_ranges_have(struct search_ranges ranges, int64_t value) {
  size_t at = search_ranges_at(ranges, value);
  return at < ranges.n && value >= ranges.p[at].from;
}

const struct search_ranges search_no_first = {&(const struct search_range){0, 0}, 1};
