/*
 * Exact decimals: an integer times a power of ten, so that 0.1 + 0.2 is 0.3 and 1.50 keeps its
 * precision. Up to 38 digits; what needs more is reported, never rounded in silence.
 *
 * Spec: FHIRPath 2.0.0, 4.1.4 (at least 28 digits, 8 decimal places). Threads, memory: values.
 */
#ifndef MODEL_FHIRPATH_DECIMAL_H
#define MODEL_FHIRPATH_DECIMAL_H

#include "base/base.h"

__extension__ typedef __int128 fhirpath_int128; /* the only spelling that -Wpedantic accepts */

struct fhirpath_decimal {
  fhirpath_int128 integer;
  int scale; /* digits after the point, 0..36: value = integer / 10^scale */
};

/* "-1.50", "1e3". False for what isn't a number or has too many digits. */
bool fhirpath_decimal_parse(struct str text, struct fhirpath_decimal *ret_value);
struct str fhirpath_decimal_text(struct arena *arena, struct fhirpath_decimal value);
struct fhirpath_decimal fhirpath_decimal_from_integer(int64_t value);
/* False: does not fit into 64 bits; a fraction is cut off. */
bool fhirpath_decimal_to_integer(struct fhirpath_decimal value, int64_t *ret_value);
double fhirpath_decimal_to_double(struct fhirpath_decimal value);
/* To at most 12 decimal places. False when not finite or too large. */
bool fhirpath_decimal_from_double(double value, struct fhirpath_decimal *ret_value);

/* All false on overflow. */
bool fhirpath_decimal_add(struct fhirpath_decimal a, struct fhirpath_decimal b,
                          struct fhirpath_decimal *ret_value);
bool fhirpath_decimal_multiply(struct fhirpath_decimal a, struct fhirpath_decimal b,
                               struct fhirpath_decimal *ret_value);
/* To 16 decimal places, trailing zeros dropped; false also for division by zero. */
bool fhirpath_decimal_divide(struct fhirpath_decimal a, struct fhirpath_decimal b,
                             struct fhirpath_decimal *ret_value);
/* The whole quotient, cut towards zero, and what is left of `a`. */
bool fhirpath_decimal_divide_whole(struct fhirpath_decimal a, struct fhirpath_decimal b,
                                   struct fhirpath_decimal *ret_quotient,
                                   struct fhirpath_decimal *ret_rest);
/* -1, 0, 1. */
int fhirpath_decimal_compare(struct fhirpath_decimal a, struct fhirpath_decimal b);
/* With `scale` digits after the point, halves away from zero. */
struct fhirpath_decimal fhirpath_decimal_round(struct fhirpath_decimal value, int scale);
/* Without trailing zeros after the point. */
struct fhirpath_decimal fhirpath_decimal_trim(struct fhirpath_decimal value);

#endif
