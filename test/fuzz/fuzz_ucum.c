/*
 * A code on the first line, another on the second, a value on the third: what is a code has a
 * canonical text that is one too, of factor 1 and of the same dimension; values come back from base
 * units; converting agrees with comparing.
 */
#include "fuzz.h"

#include <math.h>

#include "model/ucum.h"

static void check_unit(const struct ucum_unit *unit, struct str code) {
  struct ucum_unit base;
  char text[UCUM_TEXT_BYTES], again[UCUM_TEXT_BYTES];
  struct str dimension = ucum_dimension_text(unit, text);
  FUZZ_CHECK(ucum_is_valid(code));
  FUZZ_CHECK(ucum_parse(dimension, &base));
  FUZZ_CHECK(ucum_is_commensurable(unit, &base));
  FUZZ_CHECK(str_equal(ucum_dimension_text(&base, again), dimension));
  FUZZ_CHECK(ucum_to_base(&base, 2) == 2);
  if (!unit->special) {
    double back = ucum_from_base(unit, ucum_to_base(unit, 3));
    FUZZ_CHECK(fabs(back - 3) < 1e-9);
  }
}

static void check_pair(const struct ucum_unit *a, const struct ucum_unit *b,
                       struct fhirpath_decimal value) {
  struct fhirpath_decimal converted;
  struct ucum_unit product, quotient;
  int order = 9, mirrored = 9;
  bool is_convertible = ucum_convert(a, b, value, &converted);
  FUZZ_CHECK(!is_convertible || ucum_is_commensurable(a, b));
  if (ucum_compare(a, value, b, value, &order)) {
    FUZZ_CHECK(ucum_compare(b, value, a, value, &mirrored));
    FUZZ_CHECK(order == -mirrored || a->special || b->special);
  }
  if (ucum_multiply(a, b, &product) && ucum_divide(&product, b, &quotient))
    FUZZ_CHECK(ucum_is_commensurable(&quotient, a));
}

static void one(struct arena *arena, struct str input) {
  struct str rest = input, first = STR_NULL, second = STR_NULL;
  struct ucum_unit a, b;
  struct ucum_canonical canonical;
  struct fhirpath_decimal value = fhirpath_decimal_from_integer(7);
  (void)arena;
  (void)str_split(&rest, '\n', &first);
  (void)str_split(&rest, '\n', &second);
  (void)fhirpath_decimal_parse(rest, &value);
  if (!ucum_parse(first, &a))
    return;
  check_unit(&a, first);
  (void)ucum_canonical(first, rest, &canonical);
  if (ucum_parse(second, &b))
    check_pair(&a, &b, value);
}

FUZZ_TARGET(one, (size_t)1 << 20)
FUZZ_SEEDS(STR("mg/dL\ng/L\n1.50"), STR("kg.m/s2{gross}\nN\n-3e5"), STR("[degF]\nCel\n98.6"),
           STR("10*3/uL\n10^9/L\n4"), STR("/(min.{x})2\n(m/s)/m\n0.1"),
           STR("[iU]2/mL\nk[IU].[CFU]\n9"), STR("B[10.nV]\ndB[uV]\n12"),
           STR("[pi].rad/360\ndeg\n12345678901234567890.5"))
