/* Conversions, mathematics and the clock: FHIRPath 2.0.0, sections 5.5, 5.7 and 5.9. */
#include <math.h>

#include "base/clock.h"
#include "model/fhirpath_decimal.h"
#include "model/fhirpath_functions.h"
#include "model/fhirpath_quantity.h"
#include "model/fhirpath_time.h"

/* ---- Conversions ----------------------------------------------------------------------------- */

static bool is_one_of(struct str s, const char *const *names, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (str_equal_ignore_case(s, str_of(names[i])))
      return true;
  return false;
}

static bool to_boolean(struct fhirpath_value *v) {
  static const char *const yes[] = {"true", "t", "yes", "y", "1", "1.0"};
  static const char *const no[] = {"false", "f", "no", "n", "0", "0.0"};
  if (v->kind == FHIRPATH_BOOLEAN)
    return true;
  struct fhirpath_decimal d = {0};
  bool is_yes = false, is_no = false;
  if (v->kind == FHIRPATH_STRING) {
    is_yes = is_one_of(v->text, yes, 6);
    is_no = is_one_of(v->text, no, 6);
  } else if ((v->kind == FHIRPATH_INTEGER || v->kind == FHIRPATH_DECIMAL) &&
             fhirpath_decimal_parse(v->text, &d)) {
    is_yes = fhirpath_decimal_compare(d, fhirpath_decimal_from_integer(1)) == 0;
    is_no = d.integer == 0;
  }
  *v = (struct fhirpath_value){.kind = FHIRPATH_BOOLEAN, .integer = is_yes};
  return is_yes || is_no;
}

static bool to_integer(struct fhirpath_value *v) {
  int64_t value = v->integer;
  struct str text = v->text;
  if (v->kind == FHIRPATH_INTEGER)
    return true;
  if (text.n > 1 && text.p[0] == '+')
    text = str_slice(text, 1, text.n);
  if (v->kind != FHIRPATH_BOOLEAN && (v->kind != FHIRPATH_STRING || !str_to_i64(text, &value) ||
                                      value > INT32_MAX || value < INT32_MIN))
    return false;
  if (v->kind == FHIRPATH_BOOLEAN)
    text = value ? STR("1") : STR("0");
  *v = (struct fhirpath_value){.kind = FHIRPATH_INTEGER, .integer = value, .text = text};
  return true;
}

static bool to_decimal(struct fhirpath_value *v) {
  struct fhirpath_decimal d = {0};
  struct str text = v->text;
  if (v->kind == FHIRPATH_DECIMAL)
    return true;
  if (v->kind == FHIRPATH_BOOLEAN)
    text = v->integer ? STR("1.0") : STR("0.0");
  else if (v->kind != FHIRPATH_INTEGER &&
           (v->kind != FHIRPATH_STRING || !fhirpath_decimal_parse(text, &d)))
    return false;
  *v = (struct fhirpath_value){.kind = FHIRPATH_DECIMAL, .text = text};
  return true;
}

static bool to_temporal(struct fhirpath_value *v, enum fhirpath_kind kind) {
  struct fhirpath_time time;
  if (v->kind == kind)
    return true;
  if (v->kind == FHIRPATH_DATETIME && kind == FHIRPATH_DATE) {
    ssize_t t = str_find_char(v->text, 'T', 0);
    struct str day = t < 0 ? v->text : str_slice(v->text, 0, (size_t)t);
    *v = (struct fhirpath_value){.kind = kind, .text = day};
    return true;
  }
  bool from_date = v->kind == FHIRPATH_DATE && kind == FHIRPATH_DATETIME;
  if (!from_date && (v->kind != FHIRPATH_STRING || !fhirpath_time_parse(v->text, kind, &time)))
    return false;
  *v = (struct fhirpath_value){.kind = kind, .text = v->text};
  return true;
}

/* "4", "4.5 'mg'", "4 days" */
static bool to_quantity(struct fhirpath_value *v) {
  struct fhirpath_decimal d = {0};
  struct fhirpath_value q = {.kind = FHIRPATH_QUANTITY, .text = v->text, .unit = STR("1")};
  switch (v->kind) {
  case FHIRPATH_QUANTITY:
    return true;
  case FHIRPATH_BOOLEAN:
    q.text = v->integer ? STR("1.0") : STR("0.0");
    break;
  case FHIRPATH_INTEGER:
  case FHIRPATH_DECIMAL:
    break;
  case FHIRPATH_STRING: {
    ssize_t space = str_find_char(v->text, ' ', 0);
    struct str unit = space < 0 ? STR_NULL : str_trim(str_slice(v->text, (size_t)space, v->text.n));
    q.text = space < 0 ? v->text : str_slice(v->text, 0, (size_t)space);
    bool is_quoted = unit.n >= 3 && unit.p[0] == '\'' && unit.p[unit.n - 1] == '\'';
    bool is_calendar = fhirpath_calendar_code(unit) != NULL;
    if (!fhirpath_decimal_parse(q.text, &d) || (space >= 0 && !is_quoted && !is_calendar))
      return false;
    if (space >= 0)
      q.unit = is_quoted ? str_slice(unit, 1, unit.n - 2) : unit;
    q.integer = is_calendar ? FHIRPATH_UNIT_CALENDAR : FHIRPATH_UNIT_UCUM;
    break;
  }
  default:
    return false;
  }
  *v = q;
  return true;
}

/* One target type: convert `v` in place. */
static bool convert(struct fhirpath_value *v, enum fhirpath_kind target) {
  switch (target) {
  case FHIRPATH_BOOLEAN:
    return to_boolean(v);
  case FHIRPATH_INTEGER:
    return to_integer(v);
  case FHIRPATH_DECIMAL:
    return to_decimal(v);
  case FHIRPATH_QUANTITY:
    return to_quantity(v);
  case FHIRPATH_DATE:
  case FHIRPATH_DATETIME:
  case FHIRPATH_TIME:
    return to_temporal(v, target);
  default:
    return v->kind != FHIRPATH_NODE;
  }
}

static int run_convert(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       enum fhirpath_kind target, struct fhirpath_list *out) {
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  return convert(&v, target) ? fhirpath_push(e, out, &v) : 0;
}

static int run_converts(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        enum fhirpath_kind target, struct fhirpath_list *out) {
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  return fhirpath_push_boolean(e, out, convert(&v, target));
}

#define CONVERSION(name, kind)                                                                     \
  int fhirpath_fn_to##name(struct fhirpath_eval *e, const struct fhirpath_call *call,              \
                           struct fhirpath_list *out) {                                            \
    return run_convert(e, call, kind, out);                                                        \
  }                                                                                                \
  int fhirpath_fn_convertsTo##name(struct fhirpath_eval *e, const struct fhirpath_call *call,      \
                                   struct fhirpath_list *out) {                                    \
    return run_converts(e, call, kind, out);                                                       \
  }
CONVERSION(Boolean, FHIRPATH_BOOLEAN)
CONVERSION(Integer, FHIRPATH_INTEGER)
CONVERSION(Decimal, FHIRPATH_DECIMAL)
CONVERSION(Date, FHIRPATH_DATE)
CONVERSION(DateTime, FHIRPATH_DATETIME)
CONVERSION(Time, FHIRPATH_TIME)
#undef CONVERSION

/* As a quantity, in the unit that the argument names, if there is one. `*ret_there` false: the
 * argument is empty. */
static int convert_quantity(struct fhirpath_eval *e, const struct fhirpath_call *call,
                            struct fhirpath_value *ret_value, bool *ret_there, bool *ret_converts) {
  struct str unit = STR_NULL;
  int code = 0;
  *ret_value = fhirpath_computed(call->focus.p[0]);
  *ret_converts = to_quantity(ret_value);
  *ret_there = true;
  if (call->node->args_n > 0)
    code = fhirpath_string_argument(e, call, 0, ret_there, &unit);
  if (code == 0 && call->node->args_n > 0 && *ret_there && *ret_converts)
    *ret_converts = fhirpath_quantity_convert(e->arena, ret_value, unit);
  return code;
}

int fhirpath_fn_convertsToQuantity(struct fhirpath_eval *e, const struct fhirpath_call *call,
                                   struct fhirpath_list *out) {
  struct fhirpath_value v;
  bool there = false, converts = false;
  int code = convert_quantity(e, call, &v, &there, &converts);
  return code < 0 || !there ? code : fhirpath_push_boolean(e, out, converts);
}

int fhirpath_fn_toQuantity(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  struct fhirpath_value v;
  bool there = false, converts = false;
  int code = convert_quantity(e, call, &v, &there, &converts);
  return code < 0 || !there || !converts ? code : fhirpath_push(e, out, &v);
}

int fhirpath_fn_convertsToString(struct fhirpath_eval *e, const struct fhirpath_call *call,
                                 struct fhirpath_list *out) {
  return run_converts(e, call, FHIRPATH_STRING, out);
}

int fhirpath_fn_toString(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  struct str text;
  return fhirpath_to_text(e->arena, &call->focus.p[0], &text)
             ? fhirpath_push_text(e, out, FHIRPATH_STRING, text)
             : 0;
}

/* ---- Mathematics ----------------------------------------------------------------------------- */

static int number_focus(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_value *ret_value, struct fhirpath_decimal *ret_decimal) {
  *ret_value = fhirpath_computed(call->focus.p[0]);
  bool is_number = ret_value->kind == FHIRPATH_INTEGER || ret_value->kind == FHIRPATH_DECIMAL ||
                   ret_value->kind == FHIRPATH_QUANTITY;
  if (!is_number || !fhirpath_decimal_parse(ret_value->text, ret_decimal))
    return fhirpath_fail(e, call->node, "%s() takes a number", call->node->function->name);
  return 0;
}

int fhirpath_fn_abs(struct fhirpath_eval *e, const struct fhirpath_call *call,
                    struct fhirpath_list *out) {
  struct fhirpath_value v = {0};
  struct fhirpath_decimal d = {0};
  int code = number_focus(e, call, &v, &d);
  if (code < 0 || d.integer >= 0)
    return code < 0 ? code : fhirpath_push(e, out, &v);
  v.text = str_slice(v.text, 1, v.text.n);
  v.integer = v.kind == FHIRPATH_INTEGER ? -v.integer : v.integer;
  return fhirpath_push(e, out, &v);
}

enum rounding { TRUNCATE, FLOOR, CEILING };

static int run_rounding(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        enum rounding rounding, struct fhirpath_list *out) {
  struct fhirpath_value v = {0};
  struct fhirpath_decimal d = {0}, one = fhirpath_decimal_from_integer(1), whole, rest;
  int64_t result;
  int code = number_focus(e, call, &v, &d);
  if (code < 0 || !fhirpath_decimal_divide_whole(d, one, &whole, &rest) ||
      !fhirpath_decimal_to_integer(whole, &result))
    return code;
  if (rounding == FLOOR && rest.integer < 0)
    result--;
  if (rounding == CEILING && rest.integer > 0)
    result++;
  return fhirpath_push_integer(e, out, result);
}

int fhirpath_fn_truncate(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  return run_rounding(e, call, TRUNCATE, out);
}

int fhirpath_fn_floor(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  return run_rounding(e, call, FLOOR, out);
}

int fhirpath_fn_ceiling(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  return run_rounding(e, call, CEILING, out);
}

int fhirpath_fn_round(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  struct fhirpath_value v = {0};
  struct fhirpath_decimal d = {0};
  bool there = false;
  int64_t precision = 0;
  int code = number_focus(e, call, &v, &d);
  if (code == 0 && call->node->args_n > 0)
    code = fhirpath_integer_argument(e, call, 0, &there, &precision);
  if (code < 0)
    return code;
  if (precision < 0)
    return fhirpath_fail(e, call->node, "round() takes a precision of 0 or more");
  return fhirpath_push_decimal(e, out,
                               fhirpath_decimal_round(d, precision > 36 ? 36 : (int)precision));
}

/* A result that is no number has no value. */
static int push_double(struct fhirpath_eval *e, double value, struct fhirpath_list *out) {
  struct fhirpath_decimal d = {0};
  return fhirpath_decimal_from_double(value, &d) ? fhirpath_push_decimal(e, out, d) : 0;
}

static int run_double(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      double (*function)(double), struct fhirpath_list *out) {
  struct fhirpath_value v = {0};
  struct fhirpath_decimal d = {0};
  int code = number_focus(e, call, &v, &d);
  return code < 0 ? code : push_double(e, function(fhirpath_decimal_to_double(d)), out);
}

int fhirpath_fn_exp(struct fhirpath_eval *e, const struct fhirpath_call *call,
                    struct fhirpath_list *out) {
  return run_double(e, call, exp, out);
}

int fhirpath_fn_ln(struct fhirpath_eval *e, const struct fhirpath_call *call,
                   struct fhirpath_list *out) {
  return run_double(e, call, log, out);
}

int fhirpath_fn_sqrt(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  return run_double(e, call, sqrt, out);
}

/* The number it is called on and a number argument. */
static int two_numbers(struct fhirpath_eval *e, const struct fhirpath_call *call, bool *ret_there,
                       double *ret_a, double *ret_b, bool *ret_are_integers) {
  struct fhirpath_value v = {0}, w = {0};
  struct fhirpath_decimal d = {0}, f = {0};
  int code = number_focus(e, call, &v, &d);
  if (code == 0)
    code = fhirpath_one_argument(e, call, 0, ret_there, &w);
  if (code < 0 || !*ret_there)
    return code;
  if ((w.kind != FHIRPATH_INTEGER && w.kind != FHIRPATH_DECIMAL) ||
      !fhirpath_decimal_parse(w.text, &f))
    return fhirpath_fail(e, call->node, "%s() takes a number", call->node->function->name);
  *ret_a = fhirpath_decimal_to_double(d);
  *ret_b = fhirpath_decimal_to_double(f);
  *ret_are_integers = v.kind == FHIRPATH_INTEGER && w.kind == FHIRPATH_INTEGER;
  return 0;
}

int fhirpath_fn_log(struct fhirpath_eval *e, const struct fhirpath_call *call,
                    struct fhirpath_list *out) {
  bool there = false, are_integers = false;
  double value = 0, base = 0;
  int code = two_numbers(e, call, &there, &value, &base, &are_integers);
  return code < 0 || !there ? code : push_double(e, log(value) / log(base), out);
}

int fhirpath_fn_power(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  bool there = false, are_integers = false;
  double base = 0, exponent = 0;
  int code = two_numbers(e, call, &there, &base, &exponent, &are_integers);
  if (code < 0 || !there)
    return code;
  double result = pow(base, exponent);
  if (are_integers && exponent >= 0 && fabs(result) < 9e15)
    return fhirpath_push_integer(e, out, (int64_t)result);
  return push_double(e, result, out);
}

/* ---- The clock ------------------------------------------------------------------------------- */

/* Bytes [from, from + n) of "2026-11-21T08:35:06.123456Z". */
static int push_now(struct fhirpath_eval *e, enum fhirpath_kind kind, size_t from, size_t n,
                    struct fhirpath_list *out) {
  char text[CLOCK_INSTANT_BYTES];
  if (!e->now_us) /* one evaluation has one now */
    e->now_us = clock_now_us();
  (void)clock_format_instant(e->now_us, text);
  struct str copy = arena_str(e->arena, str_n(text + from, n));
  return copy.p ? fhirpath_push_text(e, out, kind, copy) : err_no_memory(e->err);
}

int fhirpath_fn_now(struct fhirpath_eval *e, const struct fhirpath_call *call,
                    struct fhirpath_list *out) {
  (void)call;
  return push_now(e, FHIRPATH_DATETIME, 0, 27, out);
}

int fhirpath_fn_today(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  (void)call;
  return push_now(e, FHIRPATH_DATE, 0, 10, out);
}

int fhirpath_fn_timeOfDay(struct fhirpath_eval *e, const struct fhirpath_call *call,
                          struct fhirpath_list *out) {
  (void)call;
  return push_now(e, FHIRPATH_TIME, 11, 12, out);
}
