#include "model/fhirpath_quantity.h"

#include <math.h>

#include "model/ucum.h"

/* ---- Units ----------------------------------------------------------------------------------- */

static const struct calendar {
  const char *keyword, *plural, *code;
  int months; /* 0: of fixed length */
} CALENDAR[] = {
    {"year", "years", "a", 12},    {"month", "months", "mo", 1},
    {"week", "weeks", "wk", 0},    {"day", "days", "d", 0},
    {"hour", "hours", "h", 0},     {"minute", "minutes", "min", 0},
    {"second", "seconds", "s", 0}, {"millisecond", "milliseconds", "ms", 0},
};
#define CALENDAR_N (sizeof CALENDAR / sizeof *CALENDAR)

static const struct calendar *calendar_by_keyword(struct str keyword) {
  for (size_t i = 0; i < CALENDAR_N; i++)
    if (str_is(keyword, CALENDAR[i].keyword) || str_is(keyword, CALENDAR[i].plural))
      return &CALENDAR[i];
  return NULL;
}

static const struct calendar *calendar_by_code(struct str code) {
  for (size_t i = 0; i < CALENDAR_N; i++)
    if (str_is(code, CALENDAR[i].code))
      return &CALENDAR[i];
  return NULL;
}

const char *fhirpath_calendar_code(struct str keyword) {
  const struct calendar *calendar = calendar_by_keyword(keyword);
  return calendar ? calendar->code : NULL;
}

const char *fhirpath_calendar_keyword(struct str code) {
  const struct calendar *calendar = calendar_by_code(code);
  return calendar ? calendar->keyword : NULL;
}

static struct str unit_of(const struct fhirpath_value *v) {
  return v->kind != FHIRPATH_QUANTITY || str_is_empty(v->unit) ? STR("1") : v->unit;
}

static enum fhirpath_unit_kind kind_of(const struct fhirpath_value *v) {
  return v->kind == FHIRPATH_QUANTITY ? (enum fhirpath_unit_kind)v->integer : FHIRPATH_UNIT_UCUM;
}

/* Months in one of the unit, where it is a calendar's year or month; else 0. With `is_loose` the
 * UCUM ones count too. */
static int months_of(const struct fhirpath_value *v, bool is_loose) {
  enum fhirpath_unit_kind kind = kind_of(v);
  const struct calendar *calendar = NULL;
  if (kind == FHIRPATH_UNIT_CALENDAR)
    calendar = calendar_by_keyword(v->unit);
  else if (kind == FHIRPATH_UNIT_EITHER || (is_loose && kind == FHIRPATH_UNIT_UCUM))
    calendar = calendar_by_code(unit_of(v));
  return calendar ? calendar->months : 0;
}

static bool parse_unit(const struct fhirpath_value *v, struct ucum_unit *ret_unit) {
  struct str unit = unit_of(v);
  if (kind_of(v) == FHIRPATH_UNIT_OTHER)
    return false;
  if (kind_of(v) == FHIRPATH_UNIT_CALENDAR)
    unit = str_of(fhirpath_calendar_code(unit));
  return ucum_parse(unit, ret_unit);
}

/* Both units as UCUM units that can be converted into each other; a pair of a calendar's years and
 * months as well, for their ratio is that of 'a' and 'mo'. */
static bool common_units(const struct fhirpath_value *a, const struct fhirpath_value *b,
                         bool is_loose, struct ucum_unit *x, struct ucum_unit *y) {
  bool a_is_calendar = kind_of(a) == FHIRPATH_UNIT_CALENDAR && months_of(a, false);
  bool b_is_calendar = kind_of(b) == FHIRPATH_UNIT_CALENDAR && months_of(b, false);
  if ((a_is_calendar && !months_of(b, is_loose)) || (b_is_calendar && !months_of(a, is_loose)))
    return false;
  return parse_unit(a, x) && parse_unit(b, y) && ucum_is_commensurable(x, y);
}

static bool is_same_unit(const struct fhirpath_value *a, const struct fhirpath_value *b) {
  return kind_of(a) == kind_of(b) && str_equal(unit_of(a), unit_of(b));
}

/* ---- Comparison ------------------------------------------------------------------------------ */

bool fhirpath_quantity_order(const struct fhirpath_value *a, const struct fhirpath_value *b,
                             int *ret_order) {
  struct fhirpath_decimal x, y;
  struct ucum_unit left, right;
  if (!fhirpath_decimal_parse(a->text, &x) || !fhirpath_decimal_parse(b->text, &y))
    return false;
  if (is_same_unit(a, b)) {
    *ret_order = fhirpath_decimal_compare(x, y);
    return true;
  }
  return common_units(a, b, false, &left, &right) && ucum_compare(&left, x, &right, y, ret_order);
}

/* What one step of the last digit is in base units. */
static double step_of(const struct ucum_unit *unit, struct fhirpath_decimal value) {
  struct ucum_unit linear = *unit;
  linear.special = 0;
  return ucum_to_base(&linear, pow(10, -value.scale));
}

bool fhirpath_quantity_equivalent(const struct fhirpath_value *a, const struct fhirpath_value *b) {
  struct fhirpath_decimal x, y;
  struct ucum_unit left, right;
  if (!fhirpath_decimal_parse(a->text, &x) || !fhirpath_decimal_parse(b->text, &y))
    return is_same_unit(a, b) && str_equal(a->text, b->text);
  x = fhirpath_decimal_trim(x);
  y = fhirpath_decimal_trim(y);
  if (!is_same_unit(a, b)) {
    if (!common_units(a, b, true, &left, &right))
      return false;
    bool left_is_coarse = step_of(&left, x) >= step_of(&right, y);
    if (left_is_coarse ? !ucum_convert(&right, &left, y, &y) : !ucum_convert(&left, &right, x, &x))
      return false;
    int coarse = left_is_coarse ? x.scale : y.scale;
    x = fhirpath_decimal_round(x, coarse);
    y = fhirpath_decimal_round(y, coarse);
  }
  int scale = x.scale < y.scale ? x.scale : y.scale;
  return fhirpath_decimal_compare(fhirpath_decimal_round(x, scale),
                                  fhirpath_decimal_round(y, scale)) == 0;
}

/* ---- Arithmetic ------------------------------------------------------------------------------ */

static int push(struct fhirpath_eval *e, struct fhirpath_decimal number, struct str unit,
                enum fhirpath_unit_kind kind, struct fhirpath_list *out) {
  struct fhirpath_value v = {.kind = FHIRPATH_QUANTITY, .unit = unit, .integer = kind};
  v.text = fhirpath_decimal_text(e->arena, number);
  return v.text.p && v.unit.p ? fhirpath_push(e, out, &v) : err_no_memory(e->err);
}

/* The result has the finer of the two units. */
static int run_sum(struct fhirpath_eval *e, const struct fhirpath_value *a,
                   const struct fhirpath_value *b, struct fhirpath_decimal x,
                   struct fhirpath_decimal y, struct fhirpath_list *out) {
  struct fhirpath_decimal sum, one = fhirpath_decimal_from_integer(1);
  const struct fhirpath_value *fine = a;
  struct ucum_unit left, right;
  int order;
  if (!is_same_unit(a, b)) {
    if (!common_units(a, b, false, &left, &right) || left.special || right.special ||
        !ucum_compare(&left, one, &right, one, &order))
      return 0;
    fine = order <= 0 ? a : b;
    if (order <= 0 ? !ucum_convert(&right, &left, y, &y) : !ucum_convert(&left, &right, x, &x))
      return 0;
  }
  return fhirpath_decimal_add(x, y, &sum) ? push(e, sum, unit_of(fine), kind_of(fine), out) : 0;
}

/* A product in a unit that has no name of its own is given in base units. */
static int push_in_base(struct fhirpath_eval *e, struct fhirpath_decimal number,
                        const struct ucum_unit *unit, struct fhirpath_list *out) {
  char text[UCUM_TEXT_BYTES];
  struct str code = ucum_dimension_text(unit, text);
  struct ucum_unit base;
  if (!ucum_parse(code, &base) || !ucum_convert(unit, &base, number, &number))
    return 0;
  return push(e, fhirpath_decimal_trim(number), arena_str(e->arena, code), FHIRPATH_UNIT_UCUM, out);
}

static bool is_one(const struct fhirpath_value *v) {
  return str_is(unit_of(v), "1");
}

static int run_product(struct fhirpath_eval *e, const struct fhirpath_value *a,
                       const struct fhirpath_value *b, struct fhirpath_decimal x,
                       struct fhirpath_decimal y, struct fhirpath_list *out) {
  struct fhirpath_decimal product;
  struct ucum_unit left, right, unit;
  if (!fhirpath_decimal_multiply(x, y, &product))
    return 0;
  if (is_one(a) || is_one(b)) {
    const struct fhirpath_value *like = is_one(b) ? a : b;
    return push(e, product, unit_of(like), kind_of(like), out);
  }
  return parse_unit(a, &left) && parse_unit(b, &right) && ucum_multiply(&left, &right, &unit)
             ? push_in_base(e, product, &unit, out)
             : 0;
}

/* A code that can stand on either side of a solidus without parentheses. */
static bool is_simple(struct str code) {
  return str_find_char(code, '/', 0) < 0 && str_find_char(code, '.', 0) < 0;
}

static int run_quotient(struct fhirpath_eval *e, const struct fhirpath_value *a,
                        const struct fhirpath_value *b, struct fhirpath_decimal x,
                        struct fhirpath_decimal y, struct fhirpath_list *out) {
  struct fhirpath_decimal quotient;
  struct ucum_unit left, right, unit;
  if (is_same_unit(a, b) || is_one(b)) {
    struct str code = is_one(b) ? unit_of(a) : STR("1");
    return fhirpath_decimal_divide(x, y, &quotient)
               ? push(e, quotient, code, is_one(b) ? kind_of(a) : FHIRPATH_UNIT_UCUM, out)
               : 0;
  }
  if (common_units(a, b, false, &left, &right))
    return !left.special && !right.special && ucum_convert(&right, &left, y, &y) &&
                   fhirpath_decimal_divide(x, y, &quotient)
               ? push(e, quotient, STR("1"), FHIRPATH_UNIT_UCUM, out)
               : 0;
  if (!parse_unit(a, &left) || !parse_unit(b, &right) || !ucum_divide(&left, &right, &unit) ||
      !fhirpath_decimal_divide(x, y, &quotient))
    return 0;
  if (kind_of(a) == FHIRPATH_UNIT_CALENDAR || kind_of(b) == FHIRPATH_UNIT_CALENDAR || is_one(a) ||
      !is_simple(a->unit) || !is_simple(b->unit))
    return push_in_base(e, quotient, &unit, out);
  struct str code = arena_printf(e->arena, "%.*s/%.*s", STR_ARG(a->unit), STR_ARG(b->unit));
  return push(e, quotient, code, FHIRPATH_UNIT_UCUM, out);
}

int fhirpath_quantity_arithmetic(struct fhirpath_eval *e, const struct fhirpath_node *node,
                                 const struct fhirpath_value *a, const struct fhirpath_value *b,
                                 struct fhirpath_list *out) {
  struct fhirpath_decimal x, y;
  if (!fhirpath_decimal_parse(a->text, &x) || !fhirpath_decimal_parse(b->text, &y))
    return 0;
  switch (node->op) {
  case FHIRPATH_OP_ADD:
    return run_sum(e, a, b, x, y, out);
  case FHIRPATH_OP_SUBTRACT:
    y.integer = -y.integer;
    return run_sum(e, a, b, x, y, out);
  case FHIRPATH_OP_MULTIPLY:
    return run_product(e, a, b, x, y, out);
  case FHIRPATH_OP_DIVIDE:
    return run_quotient(e, a, b, x, y, out);
  default:
    return fhirpath_fail(e, node, "this operator does not take quantities");
  }
}

/* ---- Conversion ------------------------------------------------------------------------------ */

bool fhirpath_quantity_convert(struct arena *arena, struct fhirpath_value *value, struct str unit) {
  struct fhirpath_value target = {.kind = FHIRPATH_QUANTITY, .unit = unit};
  struct fhirpath_decimal number;
  struct ucum_unit from, to;
  if (fhirpath_calendar_code(unit))
    target.integer = FHIRPATH_UNIT_CALENDAR;
  if (is_same_unit(value, &target))
    return true;
  if (!fhirpath_decimal_parse(value->text, &number) ||
      !common_units(value, &target, false, &from, &to) ||
      !ucum_convert(&from, &to, number, &number))
    return false;
  target.text = fhirpath_decimal_text(arena, fhirpath_decimal_trim(number));
  *value = target;
  return target.text.p != NULL;
}
