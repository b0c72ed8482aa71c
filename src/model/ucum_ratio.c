#include "model/ucum_ratio.h"

#include <float.h>
#include <math.h>

#define PI 3.14159265358979323846264338327950288L

static struct ucum_ratio make(fhirpath_int128 numerator, fhirpath_int128 denominator,
                              int exponent) {
  return (struct ucum_ratio){.numerator = numerator,
                             .denominator = denominator,
                             .exponent = (int16_t)exponent,
                             .is_exact = true};
}

struct ucum_ratio ucum_ratio_of(int64_t integer, int exponent) {
  return make(integer, 1, exponent);
}

struct ucum_ratio ucum_ratio_inexact(double value) {
  return (struct ucum_ratio){.denominator = 1, .approximate = value};
}

struct ucum_ratio ucum_ratio_of_decimal(struct fhirpath_decimal value) {
  return make(value.integer, 1, -value.scale);
}

/* Far outside of what a double holds, far inside of what int16_t holds. */
#define EXPONENT_MAX 5000

static bool parse_exponent(struct str s, int *ret_exponent) {
  int64_t value = 0;
  if (s.n > 0 && s.p[0] == '+')
    s = str_slice(s, 1, s.n);
  if (!str_to_i64(s, &value))
    return false;
  *ret_exponent = value > EXPONENT_MAX    ? EXPONENT_MAX
                  : value < -EXPONENT_MAX ? -EXPONENT_MAX
                                          : (int)value;
  return true;
}

bool ucum_ratio_parse(struct str s, struct ucum_ratio *ret_ratio) {
  bool is_negative = s.n > 0 && s.p[0] == '-', in_fraction = false, is_long = false;
  fhirpath_int128 integer = 0;
  int exponent = 0, written = 0;
  size_t i = is_negative || (s.n > 0 && s.p[0] == '+'), digits = 0;
  for (; i < s.n; i++) {
    char c = s.p[i];
    if (c == '.' && !in_fraction && digits > 0 && i + 1 < s.n) {
      in_fraction = true;
      continue;
    }
    if (c < '0' || c > '9')
      break;
    if (++digits > 1000)
      return false;
    if (__builtin_mul_overflow(integer, (fhirpath_int128)10, &integer) ||
        __builtin_add_overflow(integer, (fhirpath_int128)(c - '0'), &integer))
      is_long = true;
    exponent -= in_fraction;
  }
  if (digits == 0 || s.p[i - 1] == '.')
    return false;
  if (i < s.n &&
      ((s.p[i] != 'e' && s.p[i] != 'E') || !parse_exponent(str_slice(s, i + 1, s.n), &written)))
    return false;
  double value;
  if (is_long) {
    *ret_ratio = ucum_ratio_inexact(str_to_double(s, &value) ? value : (double)NAN);
    return !isnan(ret_ratio->approximate);
  }
  *ret_ratio = make(is_negative ? -integer : integer, 1, exponent + written);
  return true;
}

/* ---- Lowest terms ---------------------------------------------------------------------------- */

static fhirpath_int128 greatest_common_divisor(fhirpath_int128 a, fhirpath_int128 b) {
  a = a < 0 ? -a : a;
  while (b != 0) {
    if (a <= INT64_MAX && b <= INT64_MAX) { /* four times as fast */
      uint64_t x = (uint64_t)a, y = (uint64_t)b;
      while (y != 0) {
        uint64_t rest = x % y;
        x = y;
        y = rest;
      }
      return x;
    }
    fhirpath_int128 rest = a % b;
    a = b;
    b = rest;
  }
  return a ? a : 1;
}

/* Takes tens out; how many. Dividing 128 bits is ten times as slow as 64. */
static int take_tens(fhirpath_int128 *a) {
  int n = 0;
  while ((*a > INT64_MAX || *a < INT64_MIN) && *a % 10 == 0) {
    *a /= 10;
    n++;
  }
  if (*a <= INT64_MAX && *a >= INT64_MIN) {
    int64_t small = (int64_t)*a;
    for (; small % 10 == 0; n++)
      small /= 10;
    *a = small;
  }
  return n;
}

static struct ucum_ratio reduced(struct ucum_ratio a) {
  if (a.numerator == 0)
    return make(0, 1, 0);
  if (a.denominator != 1) {
    fhirpath_int128 divisor = greatest_common_divisor(a.numerator, a.denominator);
    a.numerator /= divisor;
    a.denominator /= divisor;
  }
  int exponent = a.exponent + take_tens(&a.numerator);
  if (a.denominator != 1)
    exponent -= take_tens(&a.denominator);
  a.exponent = (int16_t)exponent;
  return a;
}

/* ---- Arithmetic ------------------------------------------------------------------------------ */

static bool is_small(fhirpath_int128 a) {
  return a <= INT32_MAX && a >= INT32_MIN;
}

/* The overflow check of 128 bits is a call; most factors are small. */
static bool multiply(fhirpath_int128 a, fhirpath_int128 b, fhirpath_int128 *ret_product) {
  if (is_small(a) && is_small(b)) {
    *ret_product = (int64_t)a * (int64_t)b;
    return true;
  }
  return !__builtin_mul_overflow(a, b, ret_product);
}

static bool multiply_exactly(struct ucum_ratio a, struct ucum_ratio b,
                             struct ucum_ratio *ret_product) {
  int exponent = a.exponent + b.exponent, pi = a.pi + b.pi;
  if (exponent > EXPONENT_MAX || exponent < -EXPONENT_MAX || pi > 100 || pi < -100)
    return false;
  struct ucum_ratio product = {.exponent = (int16_t)exponent, .pi = (int8_t)pi, .is_exact = true};
  if (!multiply(a.numerator, b.numerator, &product.numerator) ||
      !multiply(a.denominator, b.denominator, &product.denominator))
    return false;
  *ret_product = product;
  return true;
}

struct ucum_ratio ucum_ratio_multiply(struct ucum_ratio a, struct ucum_ratio b) {
  struct ucum_ratio product;
  if (a.is_exact && b.is_exact &&
      (multiply_exactly(a, b, &product) || multiply_exactly(reduced(a), reduced(b), &product)))
    return product;
  return ucum_ratio_inexact(ucum_ratio_double(a) * ucum_ratio_double(b));
}

struct ucum_ratio ucum_ratio_divide(struct ucum_ratio a, struct ucum_ratio b) {
  if (!b.is_exact || b.numerator == 0)
    return ucum_ratio_inexact(ucum_ratio_double(a) / ucum_ratio_double(b));
  bool is_negative = b.numerator < 0;
  struct ucum_ratio inverse = {.numerator = is_negative ? -b.denominator : b.denominator,
                               .denominator = is_negative ? -b.numerator : b.numerator,
                               .exponent = (int16_t)-b.exponent,
                               .pi = (int8_t)-b.pi,
                               .is_exact = true};
  return ucum_ratio_multiply(a, inverse);
}

/* To the exponent of the other, which is lower. */
static bool lower_exponent(struct ucum_ratio *a, int exponent) {
  for (; a->numerator != 0 && a->exponent > exponent; a->exponent--)
    if (!multiply(a->numerator, 10, &a->numerator))
      return false;
  a->exponent = (int16_t)exponent;
  return true;
}

static bool add_exactly(struct ucum_ratio a, struct ucum_ratio b, struct ucum_ratio *ret_sum) {
  fhirpath_int128 left, right;
  if (a.pi != b.pi || !lower_exponent(&a, a.exponent < b.exponent ? a.exponent : b.exponent) ||
      !lower_exponent(&b, a.exponent) || !multiply(a.numerator, b.denominator, &left) ||
      !multiply(b.numerator, a.denominator, &right) ||
      !multiply(a.denominator, b.denominator, &a.denominator) ||
      __builtin_add_overflow(left, right, &a.numerator))
    return false;
  *ret_sum = a;
  return true;
}

struct ucum_ratio ucum_ratio_add(struct ucum_ratio a, struct ucum_ratio b) {
  struct ucum_ratio sum;
  if (a.is_exact && b.is_exact &&
      (add_exactly(a, b, &sum) || add_exactly(reduced(a), reduced(b), &sum)))
    return sum;
  return ucum_ratio_inexact(ucum_ratio_double(a) + ucum_ratio_double(b));
}

/* ---- Out ------------------------------------------------------------------------------------- */

static long double power(long double base, int exponent) {
  long double result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if (exponent & 1)
      result *= base;
    base *= base;
  }
  return result;
}

/* 10^27 is the last power of ten that a long double holds exactly: dividing by it rounds once. */
double ucum_ratio_double(struct ucum_ratio a) {
  if (!a.is_exact)
    return a.approximate;
  a = reduced(a);
  long double value = (long double)a.numerator;
  if (a.denominator != 1)
    value /= (long double)a.denominator;
  if (a.exponent < 0)
    value /= power(10, -a.exponent);
  else if (a.exponent > 0)
    value *= power(10, a.exponent);
  if (a.pi < 0)
    value /= power(PI, -a.pi);
  else if (a.pi > 0)
    value *= power(PI, a.pi);
  return (double)value;
}

/* A denominator of twos and fives is a power of ten. */
static bool clear_denominator(struct ucum_ratio *a) {
  static const int other[] = {[2] = 5, [5] = 2};
  for (int prime = 2; prime <= 5; prime += 3)
    for (; a->denominator % prime == 0; a->exponent--) {
      a->denominator /= prime;
      if (a->exponent <= -EXPONENT_MAX || !multiply(a->numerator, other[prime], &a->numerator))
        return false;
    }
  return a->denominator == 1;
}

#define SCALE_MAX 36

bool ucum_ratio_decimal(struct ucum_ratio a, struct fhirpath_decimal *ret_value) {
  if (!a.is_exact || (a.pi != 0 && a.numerator != 0))
    return false;
  if (a.denominator != 1 || a.exponent > 0 || a.exponent < -SCALE_MAX) {
    a = reduced(a);
    if (!clear_denominator(&a))
      return false;
  }
  if (a.exponent < -SCALE_MAX || (a.exponent > 0 && !lower_exponent(&a, 0)))
    return false;
  *ret_value = (struct fhirpath_decimal){a.numerator, -a.exponent};
  return true;
}

/* What two inexact ways to the same value may differ by. */
#define TOLERANCE 1e-13

static int compare_doubles(double a, double b) {
  double larger = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
  if (fabs(a - b) <= larger * TOLERANCE)
    return 0;
  return (a > b) - (a < b);
}

int ucum_ratio_compare(struct ucum_ratio a, struct ucum_ratio b) {
  struct ucum_ratio difference, minus = b;
  if (a.is_exact && b.is_exact) {
    minus.numerator = -b.numerator;
    if (add_exactly(a, minus, &difference) || add_exactly(reduced(a), reduced(minus), &difference))
      return (difference.numerator > 0) - (difference.numerator < 0);
  }
  return compare_doubles(ucum_ratio_double(a), ucum_ratio_double(b));
}
