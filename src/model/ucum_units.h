/*
 * The tables of UCUM: prefixes, and units by what defines them. Only ucum*.c includes this.
 *
 * Spec: UCUM 2.1, section 4, tables 1 to 20. Threads: constants.
 */
#ifndef MODEL_UCUM_UNITS_H
#define MODEL_UCUM_UNITS_H

#include "base/base.h"

enum ucum_flag {
  UCUM_METRIC = 1,       /* takes prefixes */
  UCUM_SPECIAL = 2,      /* not on a ratio scale: a function */
  UCUM_IS_ARBITRARY = 4, /* an assay's own scale: not convertible */
};

/* What a special unit's function is; the inverse takes a value to the reference unit. */
enum ucum_function {
  UCUM_NO_FUNCTION,
  UCUM_CEL,
  UCUM_DEGF,
  UCUM_DEGRE,
  UCUM_PH,
  UCUM_LN,
  UCUM_LG,
  UCUM_2LG,
  UCUM_LD,
  UCUM_100TAN,
  UCUM_SQRT,
  UCUM_HPX,
  UCUM_HPC,
  UCUM_HPM,
  UCUM_HPQ,
};

struct ucum_row {
  const char *code;
  uint8_t flags, function;
  const char *factor; /* a decimal */
  const char *term;   /* of other units; NULL: a base unit (the first UCUM_BASES rows after 0) */
};

/* Row 0 is no unit. */
extern const struct ucum_row UCUM_ROWS[];
extern const size_t UCUM_ROWS_N;

struct ucum_prefix {
  const char *code;
  int exponent;   /* of ten */
  int64_t factor; /* times this: 1 but for the binary ones */
};
extern const struct ucum_prefix UCUM_PREFIXES[];
extern const size_t UCUM_PREFIXES_N;

/* Codes that are worth to be parsed beforehand. */
extern const char *const UCUM_COMMON[];
extern const size_t UCUM_COMMON_N;

#endif
