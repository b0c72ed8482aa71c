#include "base/str.h"

#include <math.h>

static unsigned char lower(char c) {
  return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

bool str_equal_ignore_case(struct str a, struct str b) {
  if (a.n != b.n)
    return false;
  for (size_t i = 0; i < a.n; i++)
    if (lower(a.p[i]) != lower(b.p[i]))
      return false;
  return true;
}

int str_compare(struct str a, struct str b) {
  size_t n = a.n < b.n ? a.n : b.n;
  int order = n ? memcmp(a.p, b.p, n) : 0;
  if (order != 0)
    return order;
  return a.n < b.n ? -1 : a.n > b.n;
}

ssize_t str_find_char(struct str s, char c, size_t from) {
  if (from >= s.n)
    return -1;
  const char *hit = memchr(s.p + from, c, s.n - from);
  return hit ? hit - s.p : -1;
}

ssize_t str_find(struct str s, struct str needle) {
  if (needle.n == 0)
    return 0;
  if (needle.n > s.n)
    return -1;
  const char *hit = memmem(s.p, s.n, needle.p, needle.n);
  return hit ? hit - s.p : -1;
}

struct str str_slice(struct str s, size_t from, size_t n) {
  if (from >= s.n)
    return (struct str){s.p ? s.p + s.n : NULL, 0};
  size_t left = s.n - from;
  return (struct str){s.p + from, n < left ? n : left};
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s) {
  while (s.n && is_space(s.p[0])) {
    s.p++;
    s.n--;
  }
  while (s.n && is_space(s.p[s.n - 1]))
    s.n--;
  return s;
}

bool str_split(struct str *rest, char separator, struct str *ret_part) {
  if (!rest->p)
    return false;
  ssize_t at = str_find_char(*rest, separator, 0);
  if (at < 0) {
    *ret_part = *rest;
    *rest = STR_NULL;
    return true;
  }
  *ret_part = str_slice(*rest, 0, (size_t)at);
  *rest = str_n(rest->p + at + 1, rest->n - (size_t)at - 1);
  return true;
}

bool str_to_u64(struct str s, uint64_t *ret_value) {
  if (s.n == 0)
    return false;
  uint64_t value = 0;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] < '0' || s.p[i] > '9')
      return false;
    if (__builtin_mul_overflow(value, (uint64_t)10, &value) ||
        __builtin_add_overflow(value, (uint64_t)(s.p[i] - '0'), &value))
      return false;
  }
  *ret_value = value;
  return true;
}

bool str_to_i64(struct str s, int64_t *ret_value) {
  bool negative = s.n && s.p[0] == '-';
  uint64_t value;
  if (!str_to_u64(negative ? str_slice(s, 1, s.n) : s, &value))
    return false;
  if (negative) {
    if (value > (uint64_t)INT64_MAX + 1)
      return false;
    *ret_value = value == (uint64_t)INT64_MAX + 1 ? INT64_MIN : -(int64_t)value;
  } else {
    if (value > INT64_MAX)
      return false;
    *ret_value = (int64_t)value;
  }
  return true;
}

static bool has_decimal_shape(struct str s) {
  size_t i = 0, digits = 0;
  if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
    i++;
  for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
    digits++;
  if (i < s.n && s.p[i] == '.')
    for (i++; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++)
      digits++;
  if (digits == 0)
    return false;
  if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
    i++;
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+'))
      i++;
    size_t start = i;
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
      i++;
    if (i == start)
      return false;
  }
  return i == s.n;
}

bool str_to_double(struct str s, double *ret_value) {
  char z[400];
  if (s.n >= sizeof z || !has_decimal_shape(s))
    return false;
  memcpy(z, s.p, s.n);
  z[s.n] = '\0';
  double value = strtod(z, NULL);
  if (isinf(value))
    return false;
  *ret_value = value;
  return true;
}

bool str_is_utf8(struct str s) {
  const unsigned char *p = (const unsigned char *)s.p;
  size_t i = 0;
  while (i < s.n) {
    if (i + 8 <= s.n) {
      uint64_t word;
      memcpy(&word, p + i, sizeof word);
      if ((word & 0x8080808080808080u) == 0) {
        i += 8;
        continue;
      }
    }
    unsigned char c = p[i];
    if (c < 0x80) {
      i++;
      continue;
    }
    size_t more = c >= 0xC2 && c <= 0xDF   ? 1
                  : (c & 0xF0) == 0xE0     ? 2
                  : c >= 0xF0 && c <= 0xF4 ? 3
                                           : 0;
    if (more == 0 || s.n - i <= more)
      return false;
    for (size_t k = 1; k <= more; k++)
      if ((p[i + k] & 0xC0) != 0x80)
        return false;
    if ((c == 0xE0 && p[i + 1] < 0xA0) || (c == 0xED && p[i + 1] > 0x9F) ||
        (c == 0xF0 && p[i + 1] < 0x90) || (c == 0xF4 && p[i + 1] > 0x8F))
      return false;
    i += more + 1;
  }
  return true;
}
