/* How precise a value is and between which bounds it lies: FHIRPath 2.0.0 with the functions that
 * its later text adds (lowBoundary, highBoundary, precision, comparable). */
#include "base/clock.h"
#include "model/fhirpath_decimal.h"
#include "model/fhirpath_functions.h"
#include "model/fhirpath_time.h"

/* The digits that a date, date-time or time has at each precision. */
static const int64_t DATE_DIGITS[] = {4, 6, 8, 10, 12, 14, 17};
static const int64_t TIME_DIGITS[] = {0, 0, 0, 2, 4, 6, 9};

static const int64_t *digits_of(enum fhirpath_kind kind) {
  return kind == FHIRPATH_TIME ? TIME_DIGITS : DATE_DIGITS;
}

/* ---- Decimals -------------------------------------------------------------------------------- */

#define DECIMAL_PLACES_MAX 28

/* The bound, cut to `places` away from the value. */
static bool bound_decimal(struct fhirpath_decimal d, bool is_high, int places,
                          struct fhirpath_decimal *ret_bound) {
  struct fhirpath_decimal half = {is_high ? 5 : -5, d.scale + 1}, bound, unit;
  if (!fhirpath_decimal_add(d, half, &bound))
    return false;
  /* Rounding a value moved by just under half a unit rounds up or down. */
  unit = (struct fhirpath_decimal){is_high ? 1 : -1, places};
  struct fhirpath_decimal rounded = fhirpath_decimal_round(bound, places);
  int order = fhirpath_decimal_compare(rounded, bound);
  if (is_high ? order < 0 : order > 0)
    if (!fhirpath_decimal_add(rounded, unit, &rounded))
      return false;
  struct fhirpath_decimal zero = {0, places}; /* widens to the places asked for */
  return fhirpath_decimal_add(rounded, zero, ret_bound);
}

static int push_decimal_bound(struct fhirpath_eval *e, const struct fhirpath_value *v, bool is_high,
                              bool has_places, int64_t places, struct fhirpath_list *out) {
  struct fhirpath_decimal d, bound;
  places = has_places ? places : 8;
  if (places < 0 || places > DECIMAL_PLACES_MAX || !fhirpath_decimal_parse(v->text, &d) ||
      !bound_decimal(d, is_high, (int)places, &bound))
    return 0;
  struct fhirpath_value result = {.kind = v->kind == FHIRPATH_QUANTITY ? FHIRPATH_QUANTITY
                                                                       : FHIRPATH_DECIMAL,
                                  .unit = v->unit,
                                  .integer = v->kind == FHIRPATH_QUANTITY ? v->integer : 0};
  result.text = fhirpath_decimal_text(e->arena, bound);
  return result.text.p ? fhirpath_push(e, out, &result) : err_no_memory(e->err);
}

/* ---- Dates and times ------------------------------------------------------------------------- */

static bool precision_of(enum fhirpath_kind kind, int64_t digits,
                         enum fhirpath_precision *ret_precision) {
  for (int i = FHIRPATH_YEAR; i <= FHIRPATH_FRACTION; i++)
    if (digits_of(kind)[i] == digits && digits > 0) {
      *ret_precision = (enum fhirpath_precision)i;
      return true;
    }
  return false;
}

static void fill(struct fhirpath_time *t, bool is_high) {
  if (t->precision < FHIRPATH_MONTH)
    t->month = is_high ? 12 : 1;
  if (t->precision < FHIRPATH_DAY)
    t->day = is_high ? clock_days_in_month(t->year, t->month) : 1;
  if (t->precision < FHIRPATH_HOUR)
    t->hour = is_high ? 23 : 0;
  if (t->precision < FHIRPATH_MINUTE)
    t->minute = is_high ? 59 : 0;
  if (t->precision < FHIRPATH_SECOND)
    t->second = is_high ? 59 : 0;
  if (t->precision < FHIRPATH_FRACTION)
    t->microsecond = is_high ? 999000 : 0;
}

static int push_time_bound(struct fhirpath_eval *e, const struct fhirpath_value *v, bool is_high,
                           bool has_digits, int64_t digits, struct fhirpath_list *out) {
  struct fhirpath_time t;
  enum fhirpath_precision precision = v->kind == FHIRPATH_DATE ? FHIRPATH_DAY : FHIRPATH_FRACTION;
  if (!fhirpath_time_parse(v->text, v->kind, &t) ||
      (has_digits && !precision_of(v->kind, digits, &precision)))
    return 0;
  fill(&t, is_high);
  t.precision = precision;
  t.fraction_digits = 3;
  /* Without a zone it may be any: the earliest clock is at +14:00, the latest at -12:00. */
  if (v->kind == FHIRPATH_DATETIME && precision >= FHIRPATH_HOUR && !t.has_zone) {
    t.has_zone = true;
    t.offset_minutes = is_high ? -12 * 60 : 14 * 60;
  }
  if (precision < FHIRPATH_HOUR)
    t.has_zone = false;
  struct str text = fhirpath_time_text(e->arena, &t, v->kind);
  return text.p ? fhirpath_push_text(e, out, v->kind, text) : err_no_memory(e->err);
}

static int run_boundary(struct fhirpath_eval *e, const struct fhirpath_call *call, bool is_high,
                        struct fhirpath_list *out) {
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  bool has_precision = false;
  int64_t precision = 0;
  if (call->node->args_n > 0) {
    int code = fhirpath_integer_argument(e, call, 0, &has_precision, &precision);
    if (code < 0)
      return code;
  }
  switch (v.kind) {
  case FHIRPATH_INTEGER:
  case FHIRPATH_DECIMAL:
  case FHIRPATH_QUANTITY:
    return push_decimal_bound(e, &v, is_high, has_precision, precision, out);
  case FHIRPATH_DATE:
  case FHIRPATH_DATETIME:
  case FHIRPATH_TIME:
    return push_time_bound(e, &v, is_high, has_precision, precision, out);
  default:
    return fhirpath_fail(e, call->node, "%s() takes a number, date or time",
                         call->node->function->name);
  }
}

int fhirpath_fn_lowBoundary(struct fhirpath_eval *e, const struct fhirpath_call *call,
                            struct fhirpath_list *out) {
  return run_boundary(e, call, false, out);
}

int fhirpath_fn_highBoundary(struct fhirpath_eval *e, const struct fhirpath_call *call,
                             struct fhirpath_list *out) {
  return run_boundary(e, call, true, out);
}

int fhirpath_fn_precision(struct fhirpath_eval *e, const struct fhirpath_call *call,
                          struct fhirpath_list *out) {
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  struct fhirpath_decimal d;
  struct fhirpath_time t;
  bool is_number = v.kind == FHIRPATH_INTEGER || v.kind == FHIRPATH_DECIMAL;
  if (is_number && fhirpath_decimal_parse(v.text, &d))
    return fhirpath_push_integer(e, out, d.scale);
  bool is_temporal =
      v.kind == FHIRPATH_DATE || v.kind == FHIRPATH_DATETIME || v.kind == FHIRPATH_TIME;
  if (is_temporal && fhirpath_time_parse(v.text, v.kind, &t))
    return fhirpath_push_integer(e, out, digits_of(v.kind)[t.precision]);
  return fhirpath_fail(e, call->node, "precision() takes a decimal, date or time");
}

int fhirpath_fn_comparable(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  bool there = false;
  struct fhirpath_value other = {0};
  int order;
  int code = fhirpath_one_argument(e, call, 0, &there, &other);
  if (code < 0 || !there)
    return code;
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  if (v.kind != FHIRPATH_QUANTITY || other.kind != FHIRPATH_QUANTITY)
    return fhirpath_fail(e, call->node, "comparable() takes quantities");
  return fhirpath_push_boolean(e, out, fhirpath_order(&v, &other, &order) == FHIRPATH_TRUE);
}
