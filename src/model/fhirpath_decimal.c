#include "model/fhirpath_decimal.h"

#include <math.h>

#define SCALE_MAX 36

static fhirpath_int128 power_of_ten(int n) {
  fhirpath_int128 p = 1;
  for (int i = 0; i < n; i++)
    p *= 10;
  return p;
}

static bool take_exponent(struct str s, int *ret_exponent) {
  int64_t value;
  if (s.n > 0 && s.p[0] == '+')
    s = str_slice(s, 1, s.n);
  if (!str_to_i64(s, &value) || value < -100 || value > 100)
    return false;
  *ret_exponent = (int)value;
  return true;
}

/* Moves the point so that the scale lies in 0..SCALE_MAX. */
static bool apply_scale(fhirpath_int128 integer, int scale, struct fhirpath_decimal *ret_value) {
  for (; scale < 0; scale++)
    if (__builtin_mul_overflow(integer, (fhirpath_int128)10, &integer))
      return false;
  for (; scale > SCALE_MAX; scale--) {
    if (integer % 10 != 0)
      return false;
    integer /= 10;
  }
  *ret_value = (struct fhirpath_decimal){integer, scale};
  return true;
}

bool fhirpath_decimal_parse(struct str s, struct fhirpath_decimal *ret_value) {
  bool is_negative = s.n > 0 && s.p[0] == '-';
  size_t i = is_negative || (s.n > 0 && s.p[0] == '+'), digits = 0;
  fhirpath_int128 integer = 0;
  int scale = 0, exponent = 0;
  bool in_fraction = false;
  for (; i < s.n; i++) {
    char c = s.p[i];
    if (c == '.' && !in_fraction && digits > 0 && i + 1 < s.n) {
      in_fraction = true;
      continue;
    }
    if (c < '0' || c > '9')
      break;
    if (__builtin_mul_overflow(integer, (fhirpath_int128)10, &integer) ||
        __builtin_add_overflow(integer, (fhirpath_int128)(c - '0'), &integer))
      return false;
    digits++;
    scale += in_fraction;
  }
  if (digits == 0 || (in_fraction && scale == 0))
    return false;
  if (i < s.n &&
      ((s.p[i] != 'e' && s.p[i] != 'E') || !take_exponent(str_slice(s, i + 1, s.n), &exponent)))
    return false;
  return apply_scale(is_negative ? -integer : integer, scale - exponent, ret_value);
}

struct str fhirpath_decimal_text(struct arena *arena, struct fhirpath_decimal value) {
  char digits[80];
  size_t at = sizeof digits;
  bool is_negative = value.integer < 0;
  fhirpath_int128 rest = value.integer;
  int written = 0;
  while (rest != 0 || written <= value.scale) {
    int digit = (int)(rest % 10);
    digits[--at] = (char)('0' + (digit < 0 ? -digit : digit));
    rest /= 10;
    if (++written == value.scale)
      digits[--at] = '.';
  }
  if (is_negative)
    digits[--at] = '-';
  return arena_str(arena, str_n(digits + at, sizeof digits - at));
}

struct fhirpath_decimal fhirpath_decimal_from_integer(int64_t value) {
  return (struct fhirpath_decimal){value, 0};
}

bool fhirpath_decimal_to_integer(struct fhirpath_decimal value, int64_t *ret_value) {
  fhirpath_int128 whole = value.integer / power_of_ten(value.scale);
  if (whole > INT64_MAX || whole < INT64_MIN)
    return false;
  *ret_value = (int64_t)whole;
  return true;
}

double fhirpath_decimal_to_double(struct fhirpath_decimal value) {
  return (double)value.integer / (double)power_of_ten(value.scale);
}

bool fhirpath_decimal_from_double(double value, struct fhirpath_decimal *ret_value) {
  if (!isfinite(value) || fabs(value) > 1e24)
    return false;
  char text[64];
  int n = snprintf(text, sizeof text, "%.12f", value);
  struct fhirpath_decimal d;
  if (n <= 0 || !fhirpath_decimal_parse(str_n(text, (size_t)n), &d))
    return false;
  *ret_value = fhirpath_decimal_trim(d);
  return true;
}

static bool align(struct fhirpath_decimal *a, struct fhirpath_decimal *b) {
  for (; a->scale < b->scale; a->scale++)
    if (__builtin_mul_overflow(a->integer, (fhirpath_int128)10, &a->integer))
      return false;
  for (; b->scale < a->scale; b->scale++)
    if (__builtin_mul_overflow(b->integer, (fhirpath_int128)10, &b->integer))
      return false;
  return true;
}

bool fhirpath_decimal_add(struct fhirpath_decimal a, struct fhirpath_decimal b,
                          struct fhirpath_decimal *ret_value) {
  fhirpath_int128 sum;
  if (!align(&a, &b) || __builtin_add_overflow(a.integer, b.integer, &sum))
    return false;
  *ret_value = (struct fhirpath_decimal){sum, a.scale};
  return true;
}

bool fhirpath_decimal_multiply(struct fhirpath_decimal a, struct fhirpath_decimal b,
                               struct fhirpath_decimal *ret_value) {
  fhirpath_int128 product;
  return !__builtin_mul_overflow(a.integer, b.integer, &product) &&
         apply_scale(product, a.scale + b.scale, ret_value);
}

#define QUOTIENT_SCALE 16

bool fhirpath_decimal_divide(struct fhirpath_decimal a, struct fhirpath_decimal b,
                             struct fhirpath_decimal *ret_value) {
  struct fhirpath_decimal widened;
  a = fhirpath_decimal_trim(a);
  b = fhirpath_decimal_trim(b);
  if (b.integer == 0 || !align(&a, &b) ||
      __builtin_mul_overflow(a.integer, power_of_ten(QUOTIENT_SCALE), &widened.integer))
    return false;
  widened = (struct fhirpath_decimal){widened.integer / b.integer, QUOTIENT_SCALE};
  *ret_value = fhirpath_decimal_trim(widened);
  return true;
}

bool fhirpath_decimal_divide_whole(struct fhirpath_decimal a, struct fhirpath_decimal b,
                                   struct fhirpath_decimal *ret_quotient,
                                   struct fhirpath_decimal *ret_rest) {
  if (b.integer == 0 || !align(&a, &b))
    return false;
  *ret_quotient = (struct fhirpath_decimal){a.integer / b.integer, 0};
  *ret_rest = (struct fhirpath_decimal){a.integer % b.integer, a.scale};
  return true;
}

int fhirpath_decimal_compare(struct fhirpath_decimal a, struct fhirpath_decimal b) {
  if (!align(&a, &b)) {
    double x = fhirpath_decimal_to_double(a), y = fhirpath_decimal_to_double(b);
    return (x > y) - (x < y);
  }
  return (a.integer > b.integer) - (a.integer < b.integer);
}

struct fhirpath_decimal fhirpath_decimal_round(struct fhirpath_decimal value, int scale) {
  if (scale < 0 || value.scale <= scale)
    return value;
  fhirpath_int128 unit = power_of_ten(value.scale - scale);
  fhirpath_int128 rest = value.integer % unit;
  fhirpath_int128 whole = value.integer / unit;
  if (rest >= unit - rest)
    whole++;
  else if (-rest >= unit + rest)
    whole--;
  return (struct fhirpath_decimal){whole, scale};
}

struct fhirpath_decimal fhirpath_decimal_trim(struct fhirpath_decimal value) {
  while (value.scale > 0 && value.integer % 10 == 0) {
    value.integer /= 10;
    value.scale--;
  }
  return value;
}
