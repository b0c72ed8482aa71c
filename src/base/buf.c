#include "base/buf.h"

#include <stdarg.h>
#include <stdlib.h>

void buf_init(struct buf *buf, size_t max_bytes) {
  *buf = (struct buf){.max_bytes = max_bytes};
}

void buf_init_arena(struct buf *buf, struct arena *arena, size_t max_bytes) {
  *buf = (struct buf){.max_bytes = max_bytes, .arena = arena};
}

void buf_fini(struct buf *buf) {
  if (!buf->arena)
    free(buf->p);
  *buf = (struct buf){.max_bytes = buf->max_bytes, .arena = buf->arena};
}

void buf_clear(struct buf *buf) {
  buf->n = 0;
  buf->overflown = false;
}

bool buf_is_overflown(const struct buf *buf) {
  return buf->overflown;
}

static bool reserve(struct buf *buf, size_t more) {
  if (buf->overflown)
    return false;
  size_t need;
  if (__builtin_add_overflow(buf->n, more, &need) || need > buf->max_bytes) {
    buf->overflown = true;
    return false;
  }
  if (need <= buf->capacity)
    return true;
  size_t capacity = buf->capacity ? buf->capacity : 256;
  while (capacity < need)
    capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
  if (capacity > buf->max_bytes)
    capacity = buf->max_bytes;
  char *p = buf->arena ? arena_grow(buf->arena, buf->p, buf->capacity, capacity)
                       : realloc(buf->p, capacity);
  if (!p) {
    buf->overflown = true;
    return false;
  }
  buf->p = p;
  buf->capacity = capacity;
  return true;
}

char *buf_extend(struct buf *buf, size_t n) {
  if (!reserve(buf, n))
    return NULL;
  char *p = buf->p + buf->n;
  buf->n += n;
  return p;
}

void buf_add(struct buf *buf, struct str s) {
  if (s.n == 0)
    return;
  char *p = buf_extend(buf, s.n);
  if (p)
    memcpy(p, s.p, s.n);
}

void buf_add_z(struct buf *buf, const char *z) {
  buf_add(buf, str_of(z));
}

void buf_add_char(struct buf *buf, char c) {
  if (buf->n < buf->capacity && !buf->overflown) {
    buf->p[buf->n++] = c;
    return;
  }
  buf_add(buf, str_n(&c, 1));
}

void buf_add_code_point(struct buf *buf, uint32_t c) {
  if (c < 0x80) {
    buf_add_char(buf, (char)c);
    return;
  }
  if (c < 0x800) {
    buf_add_char(buf, (char)(0xC0 | c >> 6));
  } else if (c < 0x10000) {
    buf_add_char(buf, (char)(0xE0 | c >> 12));
    buf_add_char(buf, (char)(0x80 | (c >> 6 & 0x3F)));
  } else {
    buf_add_char(buf, (char)(0xF0 | c >> 18));
    buf_add_char(buf, (char)(0x80 | (c >> 12 & 0x3F)));
    buf_add_char(buf, (char)(0x80 | (c >> 6 & 0x3F)));
  }
  buf_add_char(buf, (char)(0x80 | (c & 0x3F)));
}

void buf_add_u64(struct buf *buf, uint64_t value) {
  char digits[20];
  size_t i = sizeof digits;
  do
    digits[--i] = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  buf_add(buf, str_n(digits + i, sizeof digits - i));
}

void buf_add_i64(struct buf *buf, int64_t value) {
  if (value < 0)
    buf_add_char(buf, '-');
  buf_add_u64(buf, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

void buf_printf(struct buf *buf, const char *format, ...) {
  char small[512];
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(small, sizeof small, format, args);
  va_end(args);
  if (n < 0) {
    buf->overflown = true;
  } else if ((size_t)n < sizeof small) {
    buf_add(buf, str_n(small, (size_t)n));
  } else if (reserve(buf, (size_t)n + 1)) {
    vsnprintf(buf->p + buf->n, (size_t)n + 1, format, again);
    buf->n += (size_t)n;
  }
  va_end(again);
}

const char *buf_z(struct buf *buf) {
  if (!reserve(buf, 1))
    return "";
  buf->p[buf->n] = '\0';
  return buf->p;
}
