#include "model/validate_primitive.h"

#include "base/clock.h"
#include "base/id.h"

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_alphanumeric(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* What \s means in the specification's expressions. */
static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static size_t digits_at(struct str s, size_t at) {
  size_t n = 0;
  while (at + n < s.n && is_digit(s.p[at + n]))
    n++;
  return n;
}

static bool is_integer(struct str s, int64_t least) {
  size_t sign = least < 0 && s.n > 0 && s.p[0] == '-';
  size_t n = digits_at(s, sign);
  int64_t value;
  if (n == 0 || sign + n != s.n || (n > 1 && s.p[sign] == '0') || !str_to_i64(s, &value))
    return false;
  return value >= least && value <= INT32_MAX;
}

static bool is_decimal(struct str s) {
  size_t at = s.n > 0 && s.p[0] == '-';
  size_t n = digits_at(s, at);
  if (n == 0 || (n > 1 && s.p[at] == '0'))
    return false;
  at += n;
  if (at < s.n && s.p[at] == '.') {
    n = digits_at(s, at + 1);
    if (n == 0)
      return false;
    at += 1 + n;
  }
  if (at < s.n && (s.p[at] == 'e' || s.p[at] == 'E')) {
    at++;
    at += at < s.n && (s.p[at] == '+' || s.p[at] == '-');
    n = digits_at(s, at);
    if (n == 0)
      return false;
    at += n;
  }
  return at == s.n;
}

static bool is_string(struct str s) {
  if (s.n == 0 || s.n > PRIMITIVE_STRING_MAX_BYTES)
    return false;
  for (size_t i = 0; i < s.n; i++)
    if ((unsigned char)s.p[i] < ' ' && s.p[i] != '\t' && s.p[i] != '\n' && s.p[i] != '\r')
      return false;
  return true;
}

/* No white space; no other control character either, which no URI has. */
static bool is_uri(struct str s) {
  for (size_t i = 0; i < s.n; i++)
    if ((unsigned char)s.p[i] <= ' ')
      return false;
  return s.n > 0;
}

/* Words with one white space between each two. */
static bool is_code(struct str s) {
  bool after_space = true;
  for (size_t i = 0; i < s.n; i++) {
    bool space = is_space(s.p[i]);
    if ((space && after_space) || ((unsigned char)s.p[i] < ' ' && !space))
      return false;
    after_space = space;
  }
  return !after_space;
}

static bool is_oid(struct str s) {
  struct str prefix = STR("urn:oid:");
  if (!str_starts_with(s, prefix) || s.n == prefix.n)
    return false;
  size_t at = prefix.n;
  if (s.p[at] < '0' || s.p[at] > '2' || ++at == s.n)
    return false;
  while (at < s.n) {
    size_t n = s.p[at] == '.' ? digits_at(s, at + 1) : 0;
    if (n == 0 || (n > 1 && s.p[at + 1] == '0'))
      return false;
    at += 1 + n;
  }
  return true;
}

static bool is_uuid(struct str s) {
  struct str prefix = STR("urn:uuid:");
  if (!str_starts_with(s, prefix) || s.n != prefix.n + 36)
    return false;
  for (size_t i = 0; i < 36; i++) {
    char c = s.p[prefix.n + i];
    bool wants_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (wants_dash ? c != '-' : !is_digit(c) && !(c >= 'a' && c <= 'f'))
      return false;
  }
  return true;
}

/* Groups of four, with white space between groups. */
static bool is_base64(struct str s) {
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    if (is_space(c)) {
      if (n % 4 != 0)
        return false;
      continue;
    }
    if (!is_alphanumeric(c) && c != '+' && c != '/' && c != '=')
      return false;
    n++;
  }
  return n > 0 && n % 4 == 0;
}

/* Takes `n` digits off the front of `*s`; -1 when there are none. */
static int take_digits(struct str *s, size_t n) {
  int value = 0;
  if (s->n < n)
    return -1;
  for (size_t i = 0; i < n; i++) {
    if (!is_digit(s->p[i]))
      return -1;
    value = value * 10 + (s->p[i] - '0');
  }
  *s = str_n(s->p + n, s->n - n);
  return value;
}

static bool take_char(struct str *s, char c) {
  if (s->n == 0 || s->p[0] != c)
    return false;
  *s = str_n(s->p + 1, s->n - 1);
  return true;
}

/* HH:MM:SS[.fraction] */
static bool take_time(struct str *s) {
  int hour = take_digits(s, 2);
  if (hour < 0 || hour > 23 || !take_char(s, ':'))
    return false;
  int minute = take_digits(s, 2);
  if (minute < 0 || minute > 59 || !take_char(s, ':'))
    return false;
  int second = take_digits(s, 2);
  if (second < 0 || second > 60)
    return false;
  if (!take_char(s, '.'))
    return true;
  size_t n = digits_at(*s, 0);
  *s = str_n(s->p + n, s->n - n);
  return n > 0;
}

/* Z, or an offset of at most 14 hours. */
static bool take_zone(struct str *s) {
  if (take_char(s, 'Z'))
    return true;
  if (!take_char(s, '+') && !take_char(s, '-'))
    return false;
  int hour = take_digits(s, 2);
  if (hour < 0 || !take_char(s, ':'))
    return false;
  int minute = take_digits(s, 2);
  return minute >= 0 && minute <= 59 && (hour < 14 || (hour == 14 && minute == 0));
}

static bool is_time(struct str s) {
  return take_time(&s) && s.n == 0;
}

/* YYYY[-MM[-DD[Thh:mm:ss[.f]zone]]]; a date ends before the T, an instant must reach the zone. */
static bool is_date(struct str s, bool has_time, bool is_instant) {
  int year = take_digits(&s, 4);
  if (year < 1)
    return false;
  if (s.n == 0)
    return !is_instant;
  if (!take_char(&s, '-'))
    return false;
  int month = take_digits(&s, 2);
  if (month < 1 || month > 12)
    return false;
  if (s.n == 0)
    return !is_instant;
  if (!take_char(&s, '-'))
    return false;
  int day = take_digits(&s, 2);
  if (day < 1 || day > clock_days_in_month(year, month))
    return false;
  if (s.n == 0)
    return !is_instant;
  return has_time && take_char(&s, 'T') && take_time(&s) && take_zone(&s) && s.n == 0;
}

bool primitive_is_valid(enum defs_builtin type, struct str text) {
  switch (type) {
  case DEFS_BOOLEAN:
    return str_is(text, "true") || str_is(text, "false");
  case DEFS_INTEGER:
    return is_integer(text, INT32_MIN);
  case DEFS_UNSIGNED_INT:
    return is_integer(text, 0);
  case DEFS_POSITIVE_INT:
    return is_integer(text, 1);
  case DEFS_DECIMAL:
    return is_decimal(text);
  case DEFS_STRING:
  case DEFS_MARKDOWN:
    return is_string(text);
  case DEFS_CODE:
    return is_code(text);
  case DEFS_ID:
    return id_is_fhir_id(text);
  case DEFS_URI:
  case DEFS_URL:
  case DEFS_CANONICAL:
    return is_uri(text);
  case DEFS_OID:
    return is_oid(text);
  case DEFS_UUID:
    return is_uuid(text);
  case DEFS_BASE64_BINARY:
    return is_base64(text);
  case DEFS_DATE:
    return is_date(text, false, false);
  case DEFS_DATE_TIME:
    return is_date(text, true, false);
  case DEFS_INSTANT:
    return is_date(text, true, true);
  case DEFS_TIME:
    return is_time(text);
  default:
    return false;
  }
}

const char *primitive_form(enum defs_builtin type) {
  static const char *const forms[] = {
      [DEFS_BOOLEAN] = "true or false",
      [DEFS_INTEGER] = "a whole number of 32 bits",
      [DEFS_UNSIGNED_INT] = "a whole number from 0 to 2147483647",
      [DEFS_POSITIVE_INT] = "a whole number from 1 to 2147483647",
      [DEFS_DECIMAL] = "a decimal number",
      [DEFS_STRING] = "text that is not empty, has no control characters and at most 1 MiB",
      [DEFS_MARKDOWN] = "text that is not empty, has no control characters and at most 1 MiB",
      [DEFS_CODE] = "a code: not empty, no white space at its ends, single spaces inside",
      [DEFS_ID] = "an id: 1 to 64 of the letters A-Z and a-z, digits, '-' and '.'",
      [DEFS_URI] = "a URI: not empty, without white space",
      [DEFS_URL] = "a URL: not empty, without white space",
      [DEFS_CANONICAL] = "a canonical URL: not empty, without white space",
      [DEFS_OID] = "an OID as a URI, like urn:oid:1.2.3",
      [DEFS_UUID] = "a UUID as a URI, like urn:uuid:c757873d-ec9a-4326-a141-556f43239520",
      [DEFS_BASE64_BINARY] = "base64: groups of four characters, padded with '='",
      [DEFS_DATE] = "a date that exists, written YYYY, YYYY-MM or YYYY-MM-DD",
      [DEFS_DATE_TIME] = ("a date that exists, written YYYY, YYYY-MM, YYYY-MM-DD, or with a time "
                          "with seconds and a zone: YYYY-MM-DDThh:mm:ss+zz:zz"),
      [DEFS_INSTANT] = "an instant with seconds and a zone, written YYYY-MM-DDThh:mm:ss+zz:zz",
      [DEFS_TIME] = "a time of day, written hh:mm:ss",
      [DEFS_XHTML] = "XHTML",
  };
  return type > DEFS_BUILTIN_NONE && type <= DEFS_XHTML ? forms[type] : "a value";
}
