/*
 * Dates, date-times and times that know how precisely they were written.
 *
 * Spec: FHIRPath 2.0.0, sections 4.1.6 to 4.1.8 (literals), 6.2 (comparison), 6.6.7 (arithmetic).
 * Threads: values. Memory: none; `fhirpath_time_text` writes to an arena.
 */
#ifndef MODEL_FHIRPATH_TIME_H
#define MODEL_FHIRPATH_TIME_H

#include "model/fhirpath.h"

enum fhirpath_precision {
  FHIRPATH_YEAR,
  FHIRPATH_MONTH,
  FHIRPATH_DAY,
  FHIRPATH_HOUR,
  FHIRPATH_MINUTE,
  FHIRPATH_SECOND,
  FHIRPATH_FRACTION, /* of a second; compared as one with FHIRPATH_SECOND */
};

struct fhirpath_time {
  int year, month, day, hour, minute, second, microsecond;
  enum fhirpath_precision precision;
  int fraction_digits;
  bool has_zone, is_utc; /* is_utc: written as Z */
  int offset_minutes;
};

/* `kind` is FHIRPATH_DATE, FHIRPATH_DATETIME or FHIRPATH_TIME. False when it isn't one. The 'T' may
 * be missing in a date-time without time. */
bool fhirpath_time_parse(struct str text, enum fhirpath_kind kind, struct fhirpath_time *ret_time);

/* The instant at which its span begins, in microseconds; UTC where it has no zone. */
int64_t fhirpath_time_instant(const struct fhirpath_time *time);

/* False when the precisions leave open which is earlier; else -1, 0, 1 in `*ret_order`. */
bool fhirpath_time_compare(const struct fhirpath_time *a, const struct fhirpath_time *b,
                           int *ret_order);

/* Adds `amount` of a calendar unit ("days", "'s'"), cut to the precision of `time`; the last day of
 * a shorter month stands for later ones. False for an unknown unit or a result outside 1..9999. */
bool fhirpath_time_add(struct fhirpath_time *time, enum fhirpath_kind kind, int64_t amount,
                       struct str unit);

struct str fhirpath_time_text(struct arena *arena, const struct fhirpath_time *time,
                              enum fhirpath_kind kind);

#endif
