#include "mapping/convert.h"

#include "base/clock.h"

#include <stdio.h>

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static size_t digits_at(struct str s, size_t from) {
  size_t n = 0;
  while (from + n < s.n && is_digit(s.p[from + n]))
    n++;
  return n;
}

static int number_at(struct str s, size_t from, size_t n) {
  int value = 0;
  for (size_t i = from; i < from + n; i++)
    value = value * 10 + (s.p[i] - '0');
  return value;
}

/* A point in time as precise as it was said. */
struct moment {
  int year, month, day, hour, minute, second; /* -1: not said */
  struct str fraction;                        /* digits after the point */
  bool has_offset;
  int offset_minutes;
};

/* "+0100", "-05:00", "Z"; false when it is something else. */
static bool parse_offset(struct str s, struct moment *m) {
  if (s.n == 0)
    return true;
  m->has_offset = true;
  if (s.n == 1 && (s.p[0] == 'Z' || s.p[0] == 'z'))
    return true;
  if (s.p[0] != '+' && s.p[0] != '-')
    return false;
  size_t n = digits_at(s, 1);
  int hours, minutes = 0;
  if (n == 4 && s.n == 5)
    minutes = number_at(s, 3, 2);
  else if (n == 2 && s.n == 6 && s.p[3] == ':' && digits_at(s, 4) == 2)
    minutes = number_at(s, 4, 2);
  else if (n != 2 || s.n != 3)
    return false;
  hours = number_at(s, 1, 2);
  if (hours > 14 || minutes > 59)
    return false;
  m->offset_minutes = (s.p[0] == '-' ? -1 : 1) * (hours * 60 + minutes);
  return true;
}

static bool is_in_calendar(const struct moment *m) {
  if (m->year < 1 || (m->month >= 0 && (m->month < 1 || m->month > 12)))
    return false;
  if (m->day >= 0 && (m->day < 1 || m->day > clock_days_in_month(m->year, m->month)))
    return false;
  return m->hour <= 23 && m->minute <= 59 && m->second <= 59;
}

/* HH[MM[SS[.S...]]] from `at` on, then the offset. */
static bool parse_time_part(struct str s, size_t at, struct moment *m) {
  int *const parts[] = {&m->hour, &m->minute, &m->second};
  for (size_t i = 0; i < 3; i++) {
    if (i && at < s.n && s.p[at] == ':')
      at++;
    if (digits_at(s, at) < 2)
      break;
    *parts[i] = number_at(s, at, 2);
    at += 2;
  }
  if (digits_at(s, at) || m->hour < 0)
    return false;
  if (m->second >= 0 && at < s.n && (s.p[at] == '.' || s.p[at] == ',')) {
    size_t n = digits_at(s, at + 1);
    m->fraction = str_slice(s, at + 1, n > 9 ? 9 : n);
    at += 1 + n;
  }
  if (m->hour == 24 && m->minute <= 0 && m->second <= 0)
    return false;
  return parse_offset(str_slice(s, at, SIZE_MAX), m);
}

/* YYYY[MM[DD[HH[MM[SS[.S...]]]]]][+/-ZZZZ]; also YYYY-MM-DD[Thh:mm:ss], which senders write. */
static bool parse_moment(struct str s, struct moment *ret_moment) {
  struct moment m = {-1, -1, -1, -1, -1, -1, STR_NULL, false, 0};
  if (digits_at(s, 0) < 4)
    return false;
  m.year = number_at(s, 0, 4);
  size_t at = 4;
  bool is_iso =
      s.n >= 10 && s.p[4] == '-' && s.p[7] == '-' && digits_at(s, 5) == 2 && digits_at(s, 8) == 2;
  if (is_iso) {
    m.month = number_at(s, 5, 2);
    m.day = number_at(s, 8, 2);
    at = 10;
    if (at < s.n && (s.p[at] == 'T' || s.p[at] == ' '))
      at++;
  } else {
    if (digits_at(s, at) >= 2) {
      m.month = number_at(s, at, 2);
      at += 2;
    }
    if (m.month >= 0 && digits_at(s, at) >= 2) {
      m.day = number_at(s, at, 2);
      at += 2;
    }
  }
  bool has_time = m.day >= 0 && digits_at(s, at) >= 2;
  if (has_time ? !parse_time_part(s, at, &m) : !parse_offset(str_slice(s, at, SIZE_MAX), &m))
    return false;
  if (!is_in_calendar(&m))
    return false;
  *ret_moment = m;
  return true;
}

/* A number with zeros in front. */
static void write_digits(struct buf *buf, int value, int digits) {
  int power = 1;
  while (--digits > 0)
    power *= 10;
  for (; power; power /= 10)
    buf_add_char(buf, (char)('0' + value / power % 10));
}

static void write_offset(struct buf *buf, const struct moment *m, int time_zone_minutes) {
  int offset = m->has_offset ? m->offset_minutes : time_zone_minutes;
  int minutes = offset < 0 ? -offset : offset;
  if (offset == 0 && !m->has_offset)
    buf_add_z(buf, "Z");
  else {
    buf_add_char(buf, offset < 0 ? '-' : '+');
    write_digits(buf, minutes / 60, 2);
    buf_add_char(buf, ':');
    write_digits(buf, minutes % 60, 2);
  }
}

static void write_clock(struct buf *buf, const struct moment *m) {
  write_digits(buf, m->hour < 0 ? 0 : m->hour, 2);
  buf_add_char(buf, ':');
  write_digits(buf, m->minute < 0 ? 0 : m->minute, 2);
  buf_add_char(buf, ':');
  write_digits(buf, m->second < 0 ? 0 : m->second, 2);
  if (m->fraction.n) {
    buf_add_char(buf, '.');
    buf_add(buf, m->fraction);
  }
}

/* The month or the day; the first where none was said. */
static void write_date_part(struct buf *buf, int part) {
  buf_add_char(buf, '-');
  write_digits(buf, part < 0 ? 1 : part, 2);
}

enum { MOMENT_BYTES_MAX = 64 };

static const char *convert_moment(struct arena *arena, enum primitive primitive, struct str text,
                                  int time_zone_minutes, struct str *ret_text) {
  struct moment m;
  if (!parse_moment(text, &m))
    return primitive == PRIMITIVE_DATE ? "is not a date" : "is not a date and time";
  struct buf buf;
  buf_init_arena(&buf, arena, MOMENT_BYTES_MAX);
  write_digits(&buf, m.year, 4);
  bool whole = primitive == PRIMITIVE_INSTANT;
  if (m.month >= 0 || whole)
    write_date_part(&buf, m.month);
  if (m.day >= 0 || whole)
    write_date_part(&buf, m.day);
  if (primitive != PRIMITIVE_DATE && (m.hour >= 0 || whole)) {
    buf_add_char(&buf, 'T');
    write_clock(&buf, &m);
    write_offset(&buf, &m, time_zone_minutes);
  }
  *ret_text = buf_str(&buf);
  return NULL;
}

static const char *convert_time(struct arena *arena, struct str text, struct str *ret_text) {
  struct moment m = {1, 1, 1, -1, -1, -1, STR_NULL, false, 0};
  if (!parse_time_part(text, 0, &m) || !is_in_calendar(&m))
    return "is not a time";
  struct buf buf;
  buf_init_arena(&buf, arena, MOMENT_BYTES_MAX);
  write_clock(&buf, &m);
  *ret_text = buf_str(&buf);
  return NULL;
}

/* Decimals keep their digits; only the signs and zeros that JSON forbids go. */
static const char *convert_decimal(struct arena *arena, struct str text, struct str *ret_text) {
  bool is_negative = text.n && text.p[0] == '-';
  size_t at = text.n && (text.p[0] == '-' || text.p[0] == '+') ? 1 : 0;
  size_t whole_n = digits_at(text, at), whole = at, fraction_n = 0, fraction;
  at += whole_n;
  fraction = at + 1;
  if (at < text.n && text.p[at] == '.') {
    fraction_n = digits_at(text, fraction);
    at = fraction + fraction_n;
  }
  if (at != text.n || whole_n + fraction_n == 0)
    return "is not a number";
  while (whole_n > 1 && text.p[whole] == '0') {
    whole++;
    whole_n--;
  }
  if (whole_n && whole + whole_n == text.n && !is_negative) {
    *ret_text = str_slice(text, whole, whole_n);
    return NULL;
  }
  *ret_text =
      arena_printf(arena, "%s%.*s%s%.*s", is_negative ? "-" : "", whole_n ? (int)whole_n : 1,
                   whole_n ? text.p + whole : "0", fraction_n ? "." : "", (int)fraction_n,
                   fraction_n ? text.p + fraction : "");
  return NULL;
}

static const char *convert_integer(struct arena *arena, enum primitive primitive, struct str text,
                                   struct str *ret_text) {
  int64_t value;
  ssize_t point = str_find_char(text, '.', 0);
  struct str digits = text;
  if (point >= 0) { /* "3.0" is an integer too */
    for (size_t i = (size_t)point + 1; i < text.n; i++)
      if (text.p[i] != '0')
        return "is not a whole number";
    digits = str_slice(text, 0, (size_t)point);
  }
  if (digits.n && digits.p[0] == '+')
    digits = str_slice(digits, 1, SIZE_MAX);
  if (!str_to_i64(digits, &value) || value > INT32_MAX || value < INT32_MIN)
    return "is not a whole number";
  if ((primitive == PRIMITIVE_POSITIVE_INT && value < 1) ||
      (primitive == PRIMITIVE_UNSIGNED_INT && value < 0))
    return "is not in range";
  *ret_text = arena_printf(arena, "%lld", (long long)value);
  return NULL;
}

static const char *convert_boolean(struct str text, struct str *ret_text) {
  static const char *const yes[] = {"Y", "YES", "TRUE", "T", "1"};
  static const char *const no[] = {"N", "NO", "FALSE", "F", "0"};
  for (size_t i = 0; i < 5; i++) {
    if (str_equal_ignore_case(text, str_of(yes[i]))) {
      *ret_text = STR("true");
      return NULL;
    }
    if (str_equal_ignore_case(text, str_of(no[i]))) {
      *ret_text = STR("false");
      return NULL;
    }
  }
  return "is neither yes nor no";
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_control(char c) {
  return (unsigned char)c < 0x20 && !is_space(c);
}

/* Strings hold no control characters but tab, CR and LF. */
static struct str without_controls(struct arena *arena, struct str text) {
  size_t i = 0;
  while (i < text.n && !is_control(text.p[i]))
    i++;
  if (i == text.n)
    return text;
  struct buf buf;
  buf_init_arena(&buf, arena, text.n);
  for (i = 0; i < text.n; i++)
    buf_add_char(&buf, is_control(text.p[i]) ? ' ' : text.p[i]);
  return str_trim(buf_str(&buf));
}

/* A code has single spaces inside and none outside. */
static struct str convert_code(struct arena *arena, struct str text) {
  bool is_clean = true;
  for (size_t i = 0; i < text.n && is_clean; i++)
    is_clean =
        !is_space(text.p[i]) || (text.p[i] == ' ' && i + 1 < text.n && !is_space(text.p[i + 1]));
  if (is_clean)
    return text;
  struct buf buf;
  buf_init_arena(&buf, arena, text.n + 1);
  for (size_t i = 0; i < text.n; i++)
    if (!is_space(text.p[i]))
      buf_add_char(&buf, text.p[i]);
    else if (buf.n && buf.p[buf.n - 1] != ' ')
      buf_add_char(&buf, ' ');
  return str_trim(buf_str(&buf));
}

/* A uri has no spaces: they are percent-encoded. */
static struct str convert_uri(struct arena *arena, struct str text) {
  size_t spaces = 0;
  for (size_t i = 0; i < text.n; i++)
    spaces += is_space(text.p[i]);
  if (!spaces)
    return text;
  struct buf buf;
  buf_init_arena(&buf, arena, text.n * 3);
  for (size_t i = 0; i < text.n; i++)
    if (is_space(text.p[i]))
      buf_printf(&buf, "%%%02X", (unsigned)(unsigned char)text.p[i]);
    else
      buf_add_char(&buf, text.p[i]);
  return buf_str(&buf);
}

static const char *convert_id(struct str text, struct str *ret_text) {
  if (text.n > 64)
    return "is too long for an id";
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (!is_digit(c) && !(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && c != '-' && c != '.')
      return "is not an id";
  }
  *ret_text = text;
  return NULL;
}

/* Base64 without the white space that senders fold it with. */
static const char *convert_base64(struct arena *arena, struct str text, struct str *ret_text) {
  struct buf buf;
  buf_init_arena(&buf, arena, text.n + 1);
  size_t padding = 0;
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i];
    if (is_space(c))
      continue;
    bool is_sign =
        is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' || c == '/';
    padding += c == '=';
    if (c != '=' && (!is_sign || padding))
      return "is not base64";
    buf_add_char(&buf, c);
  }
  if (padding > 2 || buf.n % 4)
    return "is not base64";
  *ret_text = buf_str(&buf);
  return NULL;
}

const char *convert_text(struct arena *arena, enum primitive primitive, struct str text,
                         int time_zone_minutes, struct str *ret_text, bool *ret_is_raw) {
  text = without_controls(arena, str_trim(text));
  *ret_is_raw = primitive >= PRIMITIVE_DECIMAL && primitive <= PRIMITIVE_BOOLEAN;
  *ret_text = text;
  if (str_is_empty(text))
    return NULL;
  switch (primitive) {
  case PRIMITIVE_CODE:
    *ret_text = convert_code(arena, text);
    return NULL;
  case PRIMITIVE_ID:
    return convert_id(text, ret_text);
  case PRIMITIVE_URI:
    *ret_text = convert_uri(arena, text);
    return NULL;
  case PRIMITIVE_DATE:
  case PRIMITIVE_DATE_TIME:
  case PRIMITIVE_INSTANT:
    return convert_moment(arena, primitive, text, time_zone_minutes, ret_text);
  case PRIMITIVE_TIME:
    return convert_time(arena, text, ret_text);
  case PRIMITIVE_DECIMAL:
    return convert_decimal(arena, text, ret_text);
  case PRIMITIVE_INTEGER:
  case PRIMITIVE_POSITIVE_INT:
  case PRIMITIVE_UNSIGNED_INT:
    return convert_integer(arena, primitive, text, ret_text);
  case PRIMITIVE_BOOLEAN:
    return convert_boolean(text, ret_text);
  case PRIMITIVE_BASE64:
    return convert_base64(arena, text, ret_text);
  default:
    return NULL;
  }
}

/* Seconds in a unit; 0 when it isn't known. ISO+, UCUM and what HL7 table 0259 and habit add. */
static int64_t unit_seconds(struct str unit) {
  static const struct {
    const char *name;
    int64_t seconds;
  } table[] = {{"", 60},         {"S", 1},        {"SEC", 1},      {"M", 60},
               {"MIN", 60},      {"H", 3600},     {"HR", 3600},    {"HOUR", 3600},
               {"D", 86400},     {"DAY", 86400},  {"W", 604800},   {"WK", 604800},
               {"WEEK", 604800}, {"SECOND", 1},   {"MINUTE", 60},  {"SECONDS", 1},
               {"MINUTES", 60},  {"HOURS", 3600}, {"DAYS", 86400}, {"WEEKS", 604800},
               {"MINS", 60},     {"HRS", 3600}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (str_equal_ignore_case(unit, str_of(table[i].name)))
      return table[i].seconds;
  return 0;
}

struct str convert_plus(struct arena *arena, struct str time, struct str amount, struct str unit) {
  static const double amount_max = 1e6;
  struct moment m;
  double value;
  int64_t seconds = unit_seconds(str_trim(unit));
  if (!parse_moment(str_trim(time), &m) || m.day < 0 || !seconds ||
      !str_to_double(str_trim(amount), &value) || !(value >= 0 && value <= amount_max))
    return STR_NULL;
  int64_t at = clock_from_civil((struct clock_civil){.year = m.year,
                                                     .month = m.month,
                                                     .day = m.day,
                                                     .hour = m.hour < 0 ? 0 : m.hour,
                                                     .minute = m.minute < 0 ? 0 : m.minute,
                                                     .second = m.second < 0 ? 0 : m.second});
  at += (int64_t)(value * (double)seconds) * 1000000;
  struct clock_civil c = clock_to_civil(at);
  if (c.year > 9999)
    return STR_NULL;
  struct str text = arena_printf(arena, "%04d%02d%02d%02d%02d%02d", c.year, c.month, c.day, c.hour,
                                 c.minute, c.second);
  if (!text.p || !m.has_offset)
    return text;
  int offset = m.offset_minutes < 0 ? -m.offset_minutes : m.offset_minutes;
  return arena_printf(arena, "%.*s%c%02d%02d", STR_ARG(text), m.offset_minutes < 0 ? '-' : '+',
                      offset / 60, offset % 60);
}
