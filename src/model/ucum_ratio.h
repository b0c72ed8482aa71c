/*
 * The arithmetic of ucum_ratio: exact for as long as 38 digits do, then in floating point. Only
 * ucum*.c includes this.
 *
 * Threads, memory: values.
 */
#ifndef MODEL_UCUM_RATIO_H
#define MODEL_UCUM_RATIO_H

#include "model/ucum.h"

struct ucum_ratio ucum_ratio_of(int64_t integer, int exponent);
struct ucum_ratio ucum_ratio_inexact(double value);
struct ucum_ratio ucum_ratio_of_decimal(struct fhirpath_decimal value);
/* "-1.50", "1e3"; false for what isn't a number. More than 38 digits make it inexact. */
bool ucum_ratio_parse(struct str text, struct ucum_ratio *ret_ratio);

struct ucum_ratio ucum_ratio_multiply(struct ucum_ratio a, struct ucum_ratio b);
/* By zero: inexact, infinite or NaN. */
struct ucum_ratio ucum_ratio_divide(struct ucum_ratio a, struct ucum_ratio b);
struct ucum_ratio ucum_ratio_add(struct ucum_ratio a, struct ucum_ratio b);

/* The same double for the same number, however it was come by. */
double ucum_ratio_double(struct ucum_ratio a);
/* False: not exact, or no decimal of 38 digits. */
bool ucum_ratio_decimal(struct ucum_ratio a, struct fhirpath_decimal *ret_value);
int ucum_ratio_compare(struct ucum_ratio a, struct ucum_ratio b);

#endif
