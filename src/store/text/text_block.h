/*
 * One row's list of resources in the table `text`: rids as varints, each the distance from the one
 * before it. Private to src/store. Threads: pure. Memory: on the arena.
 */
#ifndef STORE_TEXT_BLOCK_H
#define STORE_TEXT_BLOCK_H

#include "base/base.h"

struct text_rids {
  struct arena *arena;
  VEC(uint64_t) list;
};

/* Appends what a row holds. ERR_STORE for bytes that are no such list. */
int text_block_read(struct text_rids *rids, uint64_t first, struct str bytes,
                    struct err *reterr) MUST_CHECK;

/* Packs as many of `rids` (rising, all >= first) as go into `max_bytes`; `*ret_used` of them, at
 * least one. */
int text_block_write(struct arena *arena, uint64_t first, const uint64_t *rids, size_t n,
                     size_t max_bytes, struct str *ret_bytes, size_t *ret_used,
                     struct err *reterr) MUST_CHECK;

/* Ascending, each once. */
void text_rids_sort(struct text_rids *rids);

#endif
