/*
 * A growing buffer of bytes with a named maximum and a sticky overflow flag: write freely, check
 * once.
 *
 * Threads: one owner. Memory: on an arena when made with `buf_init_arena` (nothing to free), else
 * owned
 * (`buf_fini`). After overflow or without memory nothing more is written and `buf_is_overflown`
 * stays true.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/arena.h"

struct buf {
  char *p;
  size_t n, capacity, max_bytes;
  struct arena *arena; /* NULL: malloc */
  bool overflown;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_init_arena(struct buf *buf, struct arena *arena, size_t max_bytes);
void buf_fini(struct buf *buf); /* a no-op for an arena's buffer */

void buf_clear(struct buf *buf); /* keeps the memory, forgets the overflow */
bool buf_is_overflown(const struct buf *buf);

/* What was written so far, borrowed until the next write. */
static inline struct str buf_str(const struct buf *buf) {
  return (struct str){buf->p, buf->n};
}

/* Room for `n` more bytes; their address, or NULL on overflow. `buf->n` grows by `n`. */
char *buf_extend(struct buf *buf, size_t n);

void buf_add(struct buf *buf, struct str s);
void buf_add_z(struct buf *buf, const char *z);
void buf_add_char(struct buf *buf, char c);
/* As UTF-8. `c` is a Unicode scalar value: at most U+10FFFF, no surrogate. */
void buf_add_code_point(struct buf *buf, uint32_t c);
void buf_add_u64(struct buf *buf, uint64_t value);
void buf_add_i64(struct buf *buf, int64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes the content NUL-terminated (not counted) and returns it; "" on overflow. */
const char *buf_z(struct buf *buf);

#endif
