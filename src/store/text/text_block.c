#include "store/text/text_block.h"

#include <stdlib.h>

#define VARINT_MAX_BYTES 10

static int damaged(struct err *reterr) {
  return err_set(reterr, ERR_STORE, "", "A row of the full-text index is damaged.");
}

int text_block_read(struct text_rids *rids, uint64_t first, struct str bytes, struct err *reterr) {
  uint64_t rid = first;
  for (size_t at = 0; at < bytes.n;) {
    uint64_t distance = 0;
    unsigned shift = 0;
    bool goes_on = true;
    for (; goes_on && at < bytes.n && shift < 64; shift += 7, at++) {
      distance |= (uint64_t)((unsigned char)bytes.p[at] & 0x7f) << shift;
      goes_on = (unsigned char)bytes.p[at] & 0x80;
    }
    if (goes_on || distance > INT64_MAX - rid)
      return damaged(reterr);
    rid += distance;
    uint64_t *place = VEC_PUSH(rids->arena, &rids->list);
    if (!place)
      return err_no_memory(reterr);
    *place = rid;
  }
  return 0;
}

int text_block_write(struct arena *arena, uint64_t first, const uint64_t *rids, size_t n,
                     size_t max_bytes, struct str *ret_bytes, size_t *ret_used,
                     struct err *reterr) {
  size_t room = n < max_bytes ? n * VARINT_MAX_BYTES : max_bytes + VARINT_MAX_BYTES;
  char *bytes = arena_alloc(arena, room);
  size_t at = 0, used = 0;
  if (!bytes)
    return err_no_memory(reterr);
  for (uint64_t before = first; used < n && (used == 0 || at + VARINT_MAX_BYTES <= max_bytes);
       used++) {
    uint64_t distance = rids[used] - before;
    before = rids[used];
    for (; distance >= 0x80; distance >>= 7)
      bytes[at++] = (char)(distance | 0x80);
    bytes[at++] = (char)distance;
  }
  *ret_bytes = str_n(bytes, at);
  *ret_used = used;
  return 0;
}

static int by_value(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

void text_rids_sort(struct text_rids *rids) {
  size_t kept = 0;
  bool is_sorted = true;
  for (size_t i = 1; i < rids->list.n && is_sorted; i++)
    is_sorted = rids->list.p[i - 1] < rids->list.p[i];
  if (is_sorted)
    return;
  qsort(rids->list.p, rids->list.n, sizeof *rids->list.p, by_value);
  for (size_t i = 0; i < rids->list.n; i++)
    if (kept == 0 || rids->list.p[kept - 1] != rids->list.p[i])
      rids->list.p[kept++] = rids->list.p[i];
  rids->list.n = kept;
}
