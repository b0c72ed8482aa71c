/* The normal forms that the index and the query share: see search_values.h. */
#include "model/search_values.h"

#include "base/clock.h"
#include "model/fhirpath_time.h"
#include "model/validate_primitive.h"

#include <math.h>
#include <utf8proc.h>

/* ---- Strings --------------------------------------------------------------------------------- */

/* What one ASCII byte becomes: itself or its lower case, ' ' for white space, 0 when dropped
 * (punctuation and control, by Unicode category; symbols such as '+' and '$' stay). */
static char fold_ascii(unsigned char c) {
  if (c >= 'A' && c <= 'Z')
    return (char)(c + 32);
  if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
    return (char)c;
  if (c == ' ' || (c >= '\t' && c <= '\r'))
    return ' ';
  if (c < 0x20 || c == 0x7f || strchr("!\"#%&'()*,-./:;?@[\\]_{}", c))
    return 0;
  return (char)c;
}

static bool is_ascii(struct str s) {
  unsigned char all = 0;
  for (size_t i = 0; i < s.n; i++)
    all |= (unsigned char)s.p[i];
  return all < 0x80;
}

static struct str fold_ascii_string(struct arena *arena, struct str s) {
  char *p = arena_alloc(arena, s.n);
  if (!p)
    return STR_NULL;
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) {
    char c = fold_ascii((unsigned char)s.p[i]);
    if (c && (c != ' ' || (n > 0 && p[n - 1] != ' ')))
      p[n++] = c;
  }
  while (n > 0 && p[n - 1] == ' ')
    n--;
  return str_n(p, n);
}

static void fold_code_point(struct buf *buf, utf8proc_int32_t c) {
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_MN:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_PC:
  case UTF8PROC_CATEGORY_PD:
  case UTF8PROC_CATEGORY_PS:
  case UTF8PROC_CATEGORY_PE:
  case UTF8PROC_CATEGORY_PI:
  case UTF8PROC_CATEGORY_PF:
  case UTF8PROC_CATEGORY_PO:
  case UTF8PROC_CATEGORY_CF:
    return;
  case UTF8PROC_CATEGORY_CC:
    if (c < '\t' || c > '\r')
      return;
    break;
  case UTF8PROC_CATEGORY_ZS:
  case UTF8PROC_CATEGORY_ZL:
  case UTF8PROC_CATEGORY_ZP:
    break;
  default: {
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
    buf_add(buf, str_n((const char *)bytes, n > 0 ? (size_t)n : 0));
    return;
  }
  }
  if (buf->n > 0 && buf->p[buf->n - 1] != ' ')
    buf_add_char(buf, ' ');
}

/* The longest decomposition of one code point is 18 code points (U+FDFA). */
#define DECOMPOSED_MAX 32

struct str search_normal_string(struct arena *arena, struct str s) {
  if (s.n == 0)
    return STR("");
  if (is_ascii(s))
    return fold_ascii_string(arena, s);
  struct buf buf;
  buf_init_arena(&buf, arena, s.n * 16 + 64);
  for (size_t i = 0; i < s.n;) {
    utf8proc_int32_t c;
    utf8proc_ssize_t used =
        utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, (utf8proc_ssize_t)(s.n - i), &c);
    if (used <= 0) {
      i++; /* not UTF-8: drop the byte */
      continue;
    }
    i += (size_t)used;
    utf8proc_int32_t parts[DECOMPOSED_MAX];
    int boundary = 0;
    utf8proc_ssize_t n = utf8proc_decompose_char(
        c, parts, DECOMPOSED_MAX, UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD,
        &boundary);
    for (utf8proc_ssize_t k = 0; k < n && k < DECOMPOSED_MAX; k++)
      fold_code_point(&buf, parts[k]);
  }
  while (buf.n > 0 && buf.p[buf.n - 1] == ' ')
    buf.n--;
  return buf.n > 0 ? buf_str(&buf) : STR("");
}

/* ---- Dates ----------------------------------------------------------------------------------- */

#define DAY_US INT64_C(86400000000)

/* How long the span is that the written precision leaves open. */
static int64_t width_us(const struct fhirpath_time *t) {
  int64_t width = 1000000;
  switch (t->precision) {
  case FHIRPATH_YEAR:
    return (clock_days_in_month(t->year, 2) + INT64_C(337)) * DAY_US;
  case FHIRPATH_MONTH:
    return clock_days_in_month(t->year, t->month) * DAY_US;
  case FHIRPATH_DAY:
    return DAY_US;
  case FHIRPATH_HOUR:
  case FHIRPATH_MINUTE:
    return INT64_C(60000000);
  case FHIRPATH_SECOND:
    return width;
  case FHIRPATH_FRACTION:
    break;
  }
  for (int i = 0; i < t->fraction_digits; i++)
    width /= 10;
  return width;
}

/* FHIRPath's date-times, but for two that FHIR doesn't write: "2013T" and an hour alone. */
bool search_normal_date(struct str s, int64_t *ret_from_us, int64_t *ret_to_us) {
  struct fhirpath_time t;
  if (!fhirpath_time_parse(s, FHIRPATH_DATETIME, &t) || t.precision == FHIRPATH_HOUR ||
      str_ends_with(s, STR("T")))
    return false;
  *ret_from_us = fhirpath_time_instant(&t);
  *ret_to_us = *ret_from_us + width_us(&t);
  return true;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* A decimal as integer * 10^exponent; `is_exact` while the integer holds all digits. */
struct decimal {
  int64_t integer;
  int exponent;
  bool is_exact, is_negative, is_scientific;
};

static bool take_char(struct str *s, char c) {
  if (s->n == 0 || s->p[0] != c)
    return false;
  *s = str_slice(*s, 1, s->n);
  return true;
}

static bool parse_exponent(struct str *s, int *ret_exponent) {
  bool is_negative = take_char(s, '-');
  if (!is_negative)
    (void)take_char(s, '+');
  int value = 0;
  if (s->n == 0)
    return false;
  for (; s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9'; *s = str_slice(*s, 1, s->n))
    value = value < 10000 ? value * 10 + (s->p[0] - '0') : value;
  *ret_exponent = is_negative ? -value : value;
  return true;
}

static bool parse_decimal(struct str s, struct decimal *ret_decimal) {
  struct decimal d = {.is_exact = true};
  d.is_negative = take_char(&s, '-');
  if (!d.is_negative)
    (void)take_char(&s, '+');
  size_t digits_n = 0;
  bool in_fraction = false;
  for (; s.n > 0; s = str_slice(s, 1, s.n)) {
    char c = s.p[0];
    if (c == '.' && !in_fraction && digits_n > 0) {
      in_fraction = true;
      if (s.n == 1 || s.p[1] < '0' || s.p[1] > '9')
        return false;
      continue;
    }
    if (c < '0' || c > '9')
      break;
    digits_n++;
    d.is_exact = d.is_exact && d.integer < INT64_C(90000000000000); /* times 10 below 2^53 */
    if (d.is_exact)
      d.integer = d.integer * 10 + (c - '0');
    d.exponent -= in_fraction;
  }
  int exponent = 0;
  if (digits_n == 0)
    return false;
  if (s.n > 0) {
    d.is_scientific = take_char(&s, 'e') || take_char(&s, 'E');
    if (!d.is_scientific || !parse_exponent(&s, &exponent) || s.n > 0)
      return false;
    /* The specification's example reads 1e2 as [95, 105): one digit finer than written. */
    if (d.exponent == 0 && d.is_exact) {
      d.integer *= 10;
      d.exponent = -1;
    }
  }
  d.exponent += exponent;
  *ret_decimal = d;
  return true;
}

/* integer * 10^exponent, correctly rounded where both are exact doubles (so that the bound of
 * "5.40" is the very double of 5.395). */
static double scale(int64_t integer, int exponent) {
  static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (exponent >= 0 && exponent <= 22)
    return (double)integer * powers[exponent];
  if (exponent < 0 && exponent >= -22)
    return (double)integer / powers[-exponent];
  return (double)integer * pow(10, exponent);
}

bool search_normal_number(struct str s, double *ret_from, double *ret_to) {
  struct decimal d;
  if (!parse_decimal(s, &d))
    return false;
  double from, to;
  if (d.is_exact) {
    int64_t integer = (d.is_negative ? -d.integer : d.integer) * 10;
    from = scale(integer - 5, d.exponent - 1);
    to = scale(integer + 5, d.exponent - 1);
  } else {
    /* More digits than a double holds: its own resolution is the precision. */
    double value;
    if (s.n > 0 && s.p[0] == '+')
      s = str_slice(s, 1, s.n);
    if (!str_to_double(s, &value))
      return false;
    double half = scale(5, d.exponent - 1);
    from = fmin(value - half, nextafter(value, -INFINITY));
    to = fmax(value + half, nextafter(value, INFINITY));
  }
  if (!isfinite(from) || !isfinite(to))
    return false;
  *ret_from = from;
  *ret_to = to;
  return true;
}

/* ---- References ------------------------------------------------------------------------------ */

static bool is_id(struct str s) {
  return primitive_is_valid(DEFS_ID, s);
}

static bool is_resource_type(struct str s) {
  defs_type_id type = defs_type_by_name(s);
  return type && defs_is_resource(defs_type(type));
}

/* Takes "/_history/VERSION" off the end. */
static struct str cut_version(struct str s, struct str *ret_version) {
  static const struct str history = {"/_history/", 10};
  size_t slash = s.n;
  while (slash > 0 && s.p[slash - 1] != '/')
    slash--;
  if (slash < history.n || !str_equal(str_slice(s, slash - history.n, history.n), history) ||
      !is_id(str_slice(s, slash, s.n)))
    return s;
  *ret_version = str_slice(s, slash, s.n);
  return str_slice(s, 0, slash - history.n);
}

struct search_reference search_normal_reference(struct str reference, struct str base_url) {
  struct search_reference result = {0};
  struct str whole = cut_version(reference, &result.version);
  struct str local = whole;
  while (base_url.n > 0 && base_url.p[base_url.n - 1] == '/')
    base_url.n--;
  if (base_url.n > 0 && local.n > base_url.n && str_starts_with(local, base_url) &&
      local.p[base_url.n] == '/')
    local = str_slice(local, base_url.n + 1, local.n);
  ssize_t slash = str_find_char(local, '/', 0);
  if (slash > 0) {
    struct str type = str_slice(local, 0, (size_t)slash);
    struct str id = str_slice(local, (size_t)slash + 1, local.n);
    if (is_resource_type(type) && is_id(id)) {
      result.type = type;
      result.id = id;
      return result;
    }
  }
  result.url = whole;
  return result;
}

defs_type_id search_reference_type(struct str reference) {
  struct str version, whole = cut_version(reference, &version);
  size_t id = whole.n;
  while (id > 0 && whole.p[id - 1] != '/')
    id--;
  if (id == 0 || !is_id(str_slice(whole, id, whole.n)))
    return 0;
  size_t type = id - 1;
  while (type > 0 && whole.p[type - 1] != '/')
    type--;
  defs_type_id found = defs_type_by_name(str_slice(whole, type, id - 1 - type));
  return found && defs_is_resource(defs_type(found)) ? found : 0;
}
