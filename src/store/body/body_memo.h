/*
 * Unpacked bodies that were asked for lately, so that what is read again and again is not
 * decompressed each time: packed bytes -> bytes.
 *
 * An entry is found by the whole of its packed bytes, and unpacking depends on nothing else, so no
 * entry can be stale, whatever is committed, rolled back or deleted meanwhile. A fixed number of
 * places of bounded size, each taken by the latest that falls on it.
 *
 * Threads: any. Memory: at most BODY_MEMO_PLACES small bodies; results are copied to the arena.
 */
#ifndef STORE_BODY_MEMO_H
#define STORE_BODY_MEMO_H

#include "base/base.h"

#define BODY_MEMO_PLACES 2048
#define BODY_MEMO_MAX_BYTES                                                                        \
  ((size_t)6 << 10) /* packed and unpacked together; larger are not kept */

struct body_memo;

int body_memo_open(struct body_memo **ret_memo, struct err *reterr) MUST_CHECK;
void body_memo_close(struct body_memo *memo); /* NULL is allowed */

/* True: `*ret_bytes` is a copy on the arena, followed by a NUL that is not counted. */
bool body_memo_find(struct body_memo *memo, struct arena *arena, struct str packed,
                    struct str *ret_bytes);
/* Keeps a copy of both, or nothing when there is no memory. */
void body_memo_keep(struct body_memo *memo, struct str packed, struct str bytes);
/* Gives all memory of the entries back. */
void body_memo_clear(struct body_memo *memo);

#endif
