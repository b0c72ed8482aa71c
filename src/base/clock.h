/*
 * Time. Instants are microseconds since 1970-01-01T00:00:00Z, UTC, proleptic Gregorian, without
 * leap seconds. Spec: FHIR R4 datatypes (instant, dateTime),
 * http://hl7.org/fhir/R4/datatypes.html#instant
 *
 * Threads: any. Memory: values.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/str.h"

#include <pthread.h>
#include <time.h>

int64_t clock_now_us(void);       /* wall clock */
int64_t clock_monotonic_us(void); /* for durations */
/* A condition on which it can be waited until then: by a clock that nobody sets. Were it the wall
 * clock, who waits when that is set back by an hour would sleep for an hour. */
void clock_cond_init(pthread_cond_t *condition);
struct timespec clock_in_ms(long ms); /* as pthread_cond_timedwait takes it for such a one */

struct clock_civil {
  int year, month, day;     /* 1..9999, 1..12, 1..31 */
  int hour, minute, second; /* 0..23, 0..59, 0..60 */
  int microsecond;
};

int64_t clock_from_civil(struct clock_civil civil);
struct clock_civil clock_to_civil(int64_t at_us);
int clock_days_in_month(int year, int month); /* 0 for a month that isn't */

#define CLOCK_INSTANT_BYTES 28
/* "2026-11-21T08:35:06.123456Z"; returns the bytes written, without the NUL. */
size_t clock_format_instant(int64_t at_us, char ret_text[CLOCK_INSTANT_BYTES]);

#endif
