#include "base/nearest.h"

enum { NAME_BYTES_MAX = 64 };

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

/* Edits (insert, drop, change, swap of neighbours) from `a` to `b`; SIZE_MAX for over-long names.
 */
static size_t edit_distance(struct str a, struct str b) {
  size_t rows[3][NAME_BYTES_MAX + 1];
  if (a.n > NAME_BYTES_MAX || b.n > NAME_BYTES_MAX)
    return SIZE_MAX;
  size_t *before = rows[0], *last = rows[1], *now = rows[2];
  for (size_t j = 0; j <= b.n; j++)
    before[j] = last[j] = j;
  for (size_t i = 1; i <= a.n; i++) {
    now[0] = i;
    for (size_t j = 1; j <= b.n; j++) {
      size_t change = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
      now[j] = least(change, least(last[j], now[j - 1]) + 1);
      if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
        now[j] = least(now[j], before[j - 2] + 1);
    }
    size_t *free_row = before;
    before = last;
    last = now;
    now = free_row;
  }
  return last[b.n];
}

struct nearest nearest_to(struct str wanted) {
  return (struct nearest){.wanted = wanted, .distance_ = wanted.n / 2 + 1};
}

void nearest_consider(struct nearest *nearest, struct str candidate) {
  size_t distance = edit_distance(nearest->wanted, candidate);
  if (distance < nearest->distance_) {
    nearest->distance_ = distance;
    nearest->name = candidate;
  }
}
