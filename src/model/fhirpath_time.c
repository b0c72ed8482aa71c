#include "model/fhirpath_time.h"

#include "base/clock.h"

static bool take_digits(struct str *s, size_t n, int *ret_value) {
  if (s->n < n)
    return false;
  int value = 0;
  for (size_t i = 0; i < n; i++) {
    if (s->p[i] < '0' || s->p[i] > '9')
      return false;
    value = value * 10 + (s->p[i] - '0');
  }
  *ret_value = value;
  *s = str_slice(*s, n, s->n);
  return true;
}

static bool take_char(struct str *s, char c) {
  if (s->n == 0 || s->p[0] != c)
    return false;
  *s = str_slice(*s, 1, s->n);
  return true;
}

static bool take_fraction(struct str *s, struct fhirpath_time *t) {
  int weight = 100000, n = 0;
  while (s->n > 0 && s->p[0] >= '0' && s->p[0] <= '9') {
    t->microsecond += (s->p[0] - '0') * weight;
    weight /= 10;
    n++;
    *s = str_slice(*s, 1, s->n);
  }
  t->precision = FHIRPATH_FRACTION;
  t->fraction_digits = n < 6 ? n : 6;
  return n > 0;
}

static bool take_clock(struct str *s, struct fhirpath_time *t) {
  if (!take_digits(s, 2, &t->hour) || t->hour > 23)
    return false;
  t->precision = FHIRPATH_HOUR;
  if (!take_char(s, ':'))
    return true;
  if (!take_digits(s, 2, &t->minute) || t->minute > 59)
    return false;
  t->precision = FHIRPATH_MINUTE;
  if (!take_char(s, ':'))
    return true;
  if (!take_digits(s, 2, &t->second) || t->second > 60)
    return false;
  t->precision = FHIRPATH_SECOND;
  return !take_char(s, '.') || take_fraction(s, t);
}

static bool take_zone(struct str *s, struct fhirpath_time *t) {
  if (s->n == 0)
    return true;
  t->has_zone = true;
  t->is_utc = take_char(s, 'Z');
  if (t->is_utc)
    return true;
  int sign = take_char(s, '-') ? -1 : take_char(s, '+') ? 1 : 0;
  int hour, minute;
  if (sign == 0 || !take_digits(s, 2, &hour) || !take_char(s, ':') || !take_digits(s, 2, &minute) ||
      hour > 14 || minute > 59)
    return false;
  t->offset_minutes = sign * (hour * 60 + minute);
  return true;
}

static bool take_date(struct str *s, struct fhirpath_time *t) {
  t->precision = FHIRPATH_YEAR;
  t->month = t->day = 1;
  if (!take_digits(s, 4, &t->year) || t->year == 0)
    return false;
  if (!take_char(s, '-'))
    return true;
  t->precision = FHIRPATH_MONTH;
  if (!take_digits(s, 2, &t->month) || t->month < 1 || t->month > 12)
    return false;
  if (!take_char(s, '-'))
    return true;
  t->precision = FHIRPATH_DAY;
  return take_digits(s, 2, &t->day) && t->day >= 1 &&
         t->day <= clock_days_in_month(t->year, t->month);
}

bool fhirpath_time_parse(struct str text, enum fhirpath_kind kind, struct fhirpath_time *ret_time) {
  struct fhirpath_time t = {.year = 1970, .month = 1, .day = 1};
  if (kind == FHIRPATH_TIME) {
    if (!take_clock(&text, &t) || text.n > 0)
      return false;
    *ret_time = t;
    return true;
  }
  if (!take_date(&text, &t))
    return false;
  if (kind == FHIRPATH_DATETIME && take_char(&text, 'T') && text.n > 0 &&
      (t.precision != FHIRPATH_DAY || !take_clock(&text, &t) || !take_zone(&text, &t)))
    return false;
  if (text.n > 0)
    return false;
  *ret_time = t;
  return true;
}

int64_t fhirpath_time_instant(const struct fhirpath_time *t) {
  return clock_from_civil((struct clock_civil){t->year, t->month, t->day, t->hour, t->minute,
                                               t->second, t->microsecond}) -
         t->offset_minutes * INT64_C(60000000);
}

static struct fhirpath_time in_utc(const struct fhirpath_time *t) {
  struct clock_civil c = clock_to_civil(fhirpath_time_instant(t));
  struct fhirpath_time u = *t;
  u.year = c.year;
  u.month = c.month;
  u.day = c.day;
  u.hour = c.hour;
  u.minute = c.minute;
  return u;
}

static int compare_int(int a, int b) {
  return (a > b) - (a < b);
}

bool fhirpath_time_compare(const struct fhirpath_time *a, const struct fhirpath_time *b,
                           int *ret_order) {
  struct fhirpath_time x = *a, y = *b;
  bool both_have_clock = a->precision >= FHIRPATH_HOUR && b->precision >= FHIRPATH_HOUR;
  if (both_have_clock && a->has_zone != b->has_zone)
    return false;
  if (both_have_clock && a->has_zone) {
    x = in_utc(a);
    y = in_utc(b);
  }
  const int left[] = {x.year, x.month, x.day, x.hour, x.minute};
  const int right[] = {y.year, y.month, y.day, y.hour, y.minute};
  enum fhirpath_precision common = x.precision < y.precision ? x.precision : y.precision;
  for (int i = 0; i < 5 && i <= (int)common; i++)
    if (left[i] != right[i]) {
      *ret_order = compare_int(left[i], right[i]);
      return true;
    }
  if (common >= FHIRPATH_SECOND) {
    *ret_order = x.second != y.second ? compare_int(x.second, y.second)
                                      : compare_int(x.microsecond, y.microsecond);
    return true;
  }
  *ret_order = 0;
  return x.precision == y.precision;
}

/* ---- Arithmetic ------------------------------------------------------------------------------ */

enum unit {
  UNIT_YEAR,
  UNIT_MONTH,
  UNIT_WEEK,
  UNIT_DAY,
  UNIT_HOUR,
  UNIT_MINUTE,
  UNIT_SECOND,
  UNIT_MS
};

static bool find_unit(struct str name, enum unit *ret_unit) {
  static const struct {
    const char *name;
    enum unit unit;
  } units[] = {
      {"year", UNIT_YEAR},       {"years", UNIT_YEAR},     {"month", UNIT_MONTH},
      {"months", UNIT_MONTH},    {"week", UNIT_WEEK},      {"weeks", UNIT_WEEK},
      {"day", UNIT_DAY},         {"days", UNIT_DAY},       {"hour", UNIT_HOUR},
      {"hours", UNIT_HOUR},      {"minute", UNIT_MINUTE},  {"minutes", UNIT_MINUTE},
      {"second", UNIT_SECOND},   {"seconds", UNIT_SECOND}, {"millisecond", UNIT_MS},
      {"milliseconds", UNIT_MS}, {"s", UNIT_SECOND},       {"min", UNIT_MINUTE},
      {"h", UNIT_HOUR},          {"d", UNIT_DAY},          {"wk", UNIT_WEEK},
      {"ms", UNIT_MS},
  };
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (str_is(name, units[i].name)) {
      *ret_unit = units[i].unit;
      return true;
    }
  return false;
}

static bool add_months(struct fhirpath_time *t, int64_t months) {
  int64_t month = t->year * INT64_C(12) + (t->month - 1) + months;
  if (month < 12 || month >= 120000)
    return false;
  t->year = (int)(month / 12);
  t->month = (int)(month % 12) + 1;
  int days = clock_days_in_month(t->year, t->month);
  if (t->day > days)
    t->day = days;
  return true;
}

static bool add_microseconds(struct fhirpath_time *t, enum fhirpath_kind kind, int64_t us) {
  int64_t at = clock_from_civil((struct clock_civil){t->year, t->month, t->day, t->hour, t->minute,
                                                     t->second, t->microsecond});
  if (__builtin_add_overflow(at, us, &at))
    return false;
  if (kind == FHIRPATH_TIME) {
    at %= INT64_C(86400000000);
    if (at < 0)
      at += INT64_C(86400000000);
  }
  if (at < INT64_C(-62135596800000000) || at >= INT64_C(253402300800000000))
    return false;
  struct clock_civil c = clock_to_civil(at);
  t->year = c.year;
  t->month = c.month;
  t->day = c.day;
  t->hour = c.hour;
  t->minute = c.minute;
  t->second = c.second;
  t->microsecond = c.microsecond;
  return true;
}

/* An amount finer than the precision counts only in whole units of the precision. */
static int64_t to_precision(const struct fhirpath_time *t, int64_t us) {
  static const int64_t weight[] = {INT64_C(31536000000000),
                                   INT64_C(2592000000000),
                                   INT64_C(86400000000),
                                   INT64_C(3600000000),
                                   60000000,
                                   1000000,
                                   1};
  return us / weight[t->precision] * weight[t->precision];
}

bool fhirpath_time_add(struct fhirpath_time *t, enum fhirpath_kind kind, int64_t amount,
                       struct str unit_name) {
  static const int64_t weight[] = {
      0,       0,   INT64_C(604800000000), INT64_C(86400000000), INT64_C(3600000000), 60000000,
      1000000, 1000};
  enum unit unit;
  if (!find_unit(unit_name, &unit) || amount > INT64_C(1000000000000) ||
      amount < -INT64_C(1000000000000))
    return false;
  if (unit == UNIT_YEAR || unit == UNIT_MONTH) {
    int64_t months = unit == UNIT_YEAR ? amount * 12 : amount;
    if (t->precision == FHIRPATH_YEAR)
      months = months / 12 * 12;
    return kind != FHIRPATH_TIME && add_months(t, months);
  }
  int64_t us;
  if (__builtin_mul_overflow(amount, weight[unit], &us))
    return false;
  if (t->precision <= FHIRPATH_MONTH) {
    /* 365 and 30 days stand for a year and a month here (FHIRPath 2.0.0, 6.6.7). */
    int64_t days = us / INT64_C(86400000000);
    return add_months(t, t->precision == FHIRPATH_YEAR ? days / 365 * 12 : days / 30);
  }
  return add_microseconds(t, kind, to_precision(t, us));
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void write_clock(struct buf *buf, const struct fhirpath_time *t) {
  buf_printf(buf, "%02d", t->hour);
  if (t->precision >= FHIRPATH_MINUTE)
    buf_printf(buf, ":%02d", t->minute);
  if (t->precision >= FHIRPATH_SECOND)
    buf_printf(buf, ":%02d", t->second);
  if (t->precision == FHIRPATH_FRACTION) {
    char digits[16];
    snprintf(digits, sizeof digits, "%06d", t->microsecond);
    buf_add_char(buf, '.');
    buf_add(buf, str_n(digits, (size_t)t->fraction_digits));
  }
}

struct str fhirpath_time_text(struct arena *arena, const struct fhirpath_time *t,
                              enum fhirpath_kind kind) {
  struct buf buf;
  buf_init_arena(&buf, arena, 64);
  if (kind == FHIRPATH_TIME) {
    write_clock(&buf, t);
    return buf_str(&buf);
  }
  buf_printf(&buf, "%04d", t->year);
  if (t->precision >= FHIRPATH_MONTH)
    buf_printf(&buf, "-%02d", t->month);
  if (t->precision >= FHIRPATH_DAY)
    buf_printf(&buf, "-%02d", t->day);
  if (t->precision >= FHIRPATH_HOUR) {
    buf_add_char(&buf, 'T');
    write_clock(&buf, t);
  }
  if (t->has_zone && t->is_utc)
    buf_add_char(&buf, 'Z');
  else if (t->has_zone)
    buf_printf(&buf, "%c%02d:%02d", t->offset_minutes < 0 ? '-' : '+',
               (t->offset_minutes < 0 ? -t->offset_minutes : t->offset_minutes) / 60,
               (t->offset_minutes < 0 ? -t->offset_minutes : t->offset_minutes) % 60);
  return buf_str(&buf);
}
