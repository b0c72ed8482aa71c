#include "base/clock.h"

static int64_t read_clock(clockid_t id) {
  struct timespec now;
  clock_gettime(id, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_now_us(void) {
  return read_clock(CLOCK_REALTIME);
}

int64_t clock_monotonic_us(void) {
  return read_clock(CLOCK_MONOTONIC);
}

void clock_cond_init(pthread_cond_t *condition) {
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(condition, &attributes);
  pthread_condattr_destroy(&attributes);
}

struct timespec clock_in_ms(long ms) {
  int64_t at_us = clock_monotonic_us() + (int64_t)ms * 1000;
  return (struct timespec){.tv_sec = at_us / 1000000, .tv_nsec = at_us % 1000000 * 1000};
}

int clock_days_in_month(int year, int month) {
  static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12)
    return 0;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return month == 2 && leap ? 29 : days[month - 1];
}

/* Days since 1970-01-01 of a civil date: years start in March, so that the leap day is the last. */
static int64_t days_from_civil(int year, int month, int day) {
  int64_t y = month <= 2 ? year - 1 : year;
  int64_t era = (y >= 0 ? y : y - 399) / 400;
  int64_t year_of_era = y - era * 400;
  int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

int64_t clock_from_civil(struct clock_civil c) {
  int64_t days = days_from_civil(c.year, c.month, c.day);
  return ((days * 24 + c.hour) * 60 + c.minute) * 60000000 + (int64_t)c.second * 1000000 +
         c.microsecond;
}

struct clock_civil clock_to_civil(int64_t at_us) {
  int64_t days = at_us / 86400000000;
  int64_t rest = at_us % 86400000000;
  if (rest < 0) {
    rest += 86400000000;
    days--;
  }
  int64_t z = days + 719468;
  int64_t era = (z >= 0 ? z : z - 146096) / 146097;
  int64_t day_of_era = z - era * 146097;
  int64_t year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  int64_t month_index = (5 * day_of_year + 2) / 153;
  int month = (int)(month_index < 10 ? month_index + 3 : month_index - 9);
  return (struct clock_civil){
      .year = (int)(year_of_era + era * 400 + (month <= 2)),
      .month = month,
      .day = (int)(day_of_year - (153 * month_index + 2) / 5 + 1),
      .hour = (int)(rest / 3600000000),
      .minute = (int)(rest / 60000000 % 60),
      .second = (int)(rest / 1000000 % 60),
      .microsecond = (int)(rest % 1000000),
  };
}

static char *put_digits(char *p, int value, int width) {
  for (int i = width - 1; i >= 0; i--) {
    p[i] = (char)('0' + value % 10);
    value /= 10;
  }
  return p + width;
}

size_t clock_format_instant(int64_t at_us, char ret_text[CLOCK_INSTANT_BYTES]) {
  struct clock_civil c = clock_to_civil(at_us);
  char *p = put_digits(ret_text, c.year, 4);
  *p++ = '-';
  p = put_digits(p, c.month, 2);
  *p++ = '-';
  p = put_digits(p, c.day, 2);
  *p++ = 'T';
  p = put_digits(p, c.hour, 2);
  *p++ = ':';
  p = put_digits(p, c.minute, 2);
  *p++ = ':';
  p = put_digits(p, c.second, 2);
  *p++ = '.';
  p = put_digits(p, c.microsecond, 6);
  *p++ = 'Z';
  *p = '\0';
  return (size_t)(p - ret_text);
}
