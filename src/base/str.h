/*
 * A borrowed run of bytes, passed by value.
 *
 * Never NUL-terminated, never owned: it lives as long as what it points into (an arena, a message,
 * a literal). Bytes are UTF-8 unless a header says otherwise.
 *
 * Threads: values; safe anywhere. Memory: none of these functions allocates.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "base/banned.h"

struct str {
  const char *p;
  size_t n;
};

/* A literal, or an array whose size the compiler knows. */
#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
#define STR_NULL ((struct str){NULL, 0})
/* For printf: `"%.*s", STR_ARG(s)`. */
#define STR_ARG(s) (int)((s).n > INT32_MAX ? INT32_MAX : (s).n), (s).p ? (s).p : ""

static inline struct str str_of(const char *z) {
  return (struct str){z, z ? strlen(z) : 0};
}

static inline struct str str_n(const char *p, size_t n) {
  return (struct str){p, n};
}

static inline bool str_is_empty(struct str s) {
  return s.n == 0;
}

static inline bool str_equal(struct str a, struct str b) {
  return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* `str_is(s, "literal")`: compares with a NUL-terminated string. */
static inline bool str_is(struct str s, const char *z) {
  return str_equal(s, str_of(z));
}

static inline bool str_starts_with(struct str s, struct str prefix) {
  return s.n >= prefix.n && (prefix.n == 0 || memcmp(s.p, prefix.p, prefix.n) == 0);
}

static inline bool str_ends_with(struct str s, struct str suffix) {
  return s.n >= suffix.n &&
         (suffix.n == 0 || memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0);
}

/* ASCII case only. */
bool str_equal_ignore_case(struct str a, struct str b);

/* memcmp order, the shorter first where one is a prefix of the other. */
int str_compare(struct str a, struct str b);

/* Position of the first `c` at or after `from`, or -1. */
ssize_t str_find_char(struct str s, char c, size_t from);

/* Position of the first `needle`, or -1. An empty needle is found at 0. */
ssize_t str_find(struct str s, struct str needle);

/* The bytes [from, from + n), cut to what there is; empty when `from` is past the end. */
struct str str_slice(struct str s, size_t from, size_t n);

/* Without spaces, tabs, CR and LF on both sides. */
struct str str_trim(struct str s);

/*
 * Takes the part before the next `separator` off the front of `*rest` into `*ret_part`. The
 * separator is dropped. Returns false when `*rest` was used up (its `p` is then NULL). "a,,b" gives
 * "a", "", "b"; "" gives "".
 */
bool str_split(struct str *rest, char separator, struct str *ret_part);

/* Decimal digits only, no sign, no space; false when empty, not a number or over UINT64_MAX. */
bool str_to_u64(struct str s, uint64_t *ret_value);

/* As above with an optional '-'. */
bool str_to_i64(struct str s, int64_t *ret_value);

/* A decimal number with optional sign, fraction and exponent; the whole of `s` must be it. */
bool str_to_double(struct str s, double *ret_value);

/* 0..15 of a hexadecimal digit of either case, else -1. */
static inline int str_hex_digit(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Is `s` well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF)? */
bool str_is_utf8(struct str s);

#endif
