/*
 * Units of measure: a UCUM code is parsed to what it is in base units, so that quantities in
 * different units can be compared, converted, multiplied and found.
 *
 * Spec: The Unified Code for Units of Measure 2.1 (https://ucum.org/ucum): sections 2 (grammar), 3
 * (semantics, special and arbitrary units), 4 (tables: ucum_units.c). Codes are case-sensitive
 * (c/s).
 * Threads: all values; the table of resolved units is made once, at the first call, and immutable.
 * Memory: none is allocated. A code has at most UCUM_CODE_MAX_BYTES and UCUM_DEPTH_MAX nested
 * parentheses.
 */
#ifndef MODEL_UCUM_H
#define MODEL_UCUM_H

#include "model/fhirpath_decimal.h"

#define UCUM_CODE_MAX_BYTES 200
#define UCUM_DEPTH_MAX 8
#define UCUM_BASES 7     /* m, s, g, rad, K, C, cd */
#define UCUM_ARBITRARY 3 /* different arbitrary units in one code */

/* numerator / denominator * 10^exponent * pi^pi; where that would need more than 38 digits (or the
 * factor is no such number) only `approximate`. */
struct ucum_ratio {
  fhirpath_int128 numerator, denominator;
  int16_t exponent;
  int8_t pi;
  bool is_exact;
  double approximate;
};

/* What a code means. A value v in it is factor * v in base units; with a special unit it is factor
 * * f(scale * v), where f undoes the unit's function (Cel: f(x) = x + 273.15). */
struct ucum_unit {
  struct ucum_ratio factor, scale;
  int8_t dimension[UCUM_BASES];
  uint8_t special; /* 0: none */
  struct {
    uint16_t unit; /* row of the table, ascending; 0: unused */
    int8_t exponent;
  } arbitrary[UCUM_ARBITRARY];
};

/* False: not a UCUM code. The empty code is none ("1" is the unit of what has no unit). */
bool ucum_parse(struct str code, struct ucum_unit *ret_unit);
bool ucum_is_valid(struct str code);

/* Do both measure the same? Arbitrary units ([iU]) measure only what they themselves do. */
bool ucum_is_commensurable(const struct ucum_unit *a, const struct ucum_unit *b);

/* The same text for all commensurable units, itself a code: "g/m3" for mg/dL, "1" for %. */
#define UCUM_TEXT_BYTES 160
struct str ucum_dimension_text(const struct ucum_unit *unit, char to[UCUM_TEXT_BYTES]);

/* To base units and back. NaN and infinities stay what they are. */
double ucum_to_base(const struct ucum_unit *unit, double value);
double ucum_from_base(const struct ucum_unit *unit, double value);

/* A value in `from` as a value in `to`, exactly where it can be, else to 15 digits. False: not
 * commensurable, or too large. */
bool ucum_convert(const struct ucum_unit *from, const struct ucum_unit *to,
                  struct fhirpath_decimal value, struct fhirpath_decimal *ret_value);

/* -1, 0, 1 in `*ret_order`; exact where both factors are. False: not commensurable. */
bool ucum_compare(const struct ucum_unit *a_unit, struct fhirpath_decimal a,
                  const struct ucum_unit *b_unit, struct fhirpath_decimal b, int *ret_order);

/* The unit of a product, a quotient. False: a special unit takes part, or it is out of bounds. */
bool ucum_multiply(const struct ucum_unit *a, const struct ucum_unit *b,
                   struct ucum_unit *ret_unit);
bool ucum_divide(const struct ucum_unit *a, const struct ucum_unit *b, struct ucum_unit *ret_unit);

/* A quantity in base units. `value` is a decimal as JSON writes it. False: not a code or a number.
 */
struct ucum_canonical {
  double value;
  bool is_exact; /* `exact` holds the value too */
  struct fhirpath_decimal exact;
  char unit[UCUM_TEXT_BYTES]; /* ucum_dimension_text */
  size_t unit_n;
};
bool ucum_canonical(struct str code, struct str value, struct ucum_canonical *ret_canonical);

#endif
