/* Values in one unit as values in another. */
#include <math.h>

#include "model/ucum_ratio.h"
#include "model/ucum_units.h"

/* ---- Special units: UCUM section 3.2 -----------------------------------------------------------
 */

/* What is added to a value before the factor; false for a function that adds nothing. */
static bool offset_of(uint8_t function, struct ucum_ratio *ret_offset) {
  switch (function) {
  case UCUM_CEL:
    *ret_offset = ucum_ratio_of(27315, -2);
    return true;
  case UCUM_DEGF:
    *ret_offset = ucum_ratio_of(45967, -2);
    return true;
  case UCUM_DEGRE:
    *ret_offset = ucum_ratio_of(21852, -2);
    return true;
  default:
    return false;
  }
}

/* The base of a homeopathic series. */
static double series(uint8_t function) {
  return function == UCUM_HPX   ? 10
         : function == UCUM_HPC ? 100
         : function == UCUM_HPM ? 1000
                                : 50000;
}

static double inverse(uint8_t function, double value) {
  switch (function) {
  case UCUM_PH:
    return pow(10, -value);
  case UCUM_LN:
    return exp(value);
  case UCUM_LG:
    return pow(10, value);
  case UCUM_2LG:
    return pow(10, value / 2);
  case UCUM_LD:
    return exp2(value);
  case UCUM_100TAN:
    return atan(value / 100);
  case UCUM_SQRT:
    return value * value;
  default:
    return pow(series(function), -value);
  }
}

static double forward(uint8_t function, double value) {
  switch (function) {
  case UCUM_PH:
    return -log10(value);
  case UCUM_LN:
    return log(value);
  case UCUM_LG:
    return log10(value);
  case UCUM_2LG:
    return 2 * log10(value);
  case UCUM_LD:
    return log2(value);
  case UCUM_100TAN:
    return tan(value) * 100;
  case UCUM_SQRT:
    return sqrt(value);
  default:
    return -log(value) / log(series(function));
  }
}

static struct ucum_ratio to_base(const struct ucum_unit *unit, struct ucum_ratio value) {
  struct ucum_ratio offset;
  if (unit->special) {
    value = ucum_ratio_multiply(value, unit->scale);
    value = offset_of(unit->special, &offset)
                ? ucum_ratio_add(value, offset)
                : ucum_ratio_inexact(inverse(unit->special, ucum_ratio_double(value)));
  }
  return ucum_ratio_multiply(value, unit->factor);
}

static struct ucum_ratio from_base(const struct ucum_unit *unit, struct ucum_ratio value) {
  struct ucum_ratio offset;
  value = ucum_ratio_divide(value, unit->factor);
  if (!unit->special)
    return value;
  if (offset_of(unit->special, &offset)) {
    offset.numerator = -offset.numerator;
    value = ucum_ratio_add(value, offset);
  } else {
    value = ucum_ratio_inexact(forward(unit->special, ucum_ratio_double(value)));
  }
  return ucum_ratio_divide(value, unit->scale);
}

/* ---- Values ---------------------------------------------------------------------------------- */

double ucum_to_base(const struct ucum_unit *unit, double value) {
  return ucum_ratio_double(to_base(unit, ucum_ratio_inexact(value)));
}

double ucum_from_base(const struct ucum_unit *unit, double value) {
  return ucum_ratio_double(from_base(unit, ucum_ratio_inexact(value)));
}

bool ucum_convert(const struct ucum_unit *from, const struct ucum_unit *to,
                  struct fhirpath_decimal value, struct fhirpath_decimal *ret_value) {
  if (!ucum_is_commensurable(from, to))
    return false;
  struct ucum_ratio result = from_base(to, to_base(from, ucum_ratio_of_decimal(value)));
  if (ucum_ratio_decimal(result, ret_value))
    return true;
  char text[64];
  double approximate = ucum_ratio_double(result);
  if (!isfinite(approximate))
    return false;
  int n = snprintf(text, sizeof text, "%.15g", approximate);
  return n > 0 && fhirpath_decimal_parse(str_n(text, (size_t)n), ret_value);
}

bool ucum_compare(const struct ucum_unit *a_unit, struct fhirpath_decimal a,
                  const struct ucum_unit *b_unit, struct fhirpath_decimal b, int *ret_order) {
  if (!ucum_is_commensurable(a_unit, b_unit))
    return false;
  *ret_order = ucum_ratio_compare(to_base(a_unit, ucum_ratio_of_decimal(a)),
                                  to_base(b_unit, ucum_ratio_of_decimal(b)));
  return true;
}

bool ucum_canonical(struct str code, struct str value, struct ucum_canonical *ret_canonical) {
  struct ucum_unit unit;
  struct ucum_ratio ratio;
  if (!ucum_ratio_parse(value, &ratio) || !ucum_parse(code, &unit))
    return false;
  ratio = to_base(&unit, ratio);
  ret_canonical->value = ucum_ratio_double(ratio);
  ret_canonical->is_exact = ucum_ratio_decimal(ratio, &ret_canonical->exact);
  ret_canonical->unit_n = ucum_dimension_text(&unit, ret_canonical->unit).n;
  return isfinite(ret_canonical->value);
}
