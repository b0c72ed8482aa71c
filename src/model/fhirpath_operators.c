/* The binary operators but for logic and types: FHIRPath 2.0.0, section 6. */
#include "model/fhirpath_decimal.h"
#include "model/fhirpath_quantity.h"
#include "model/fhirpath_time.h"

bool fhirpath_to_text(struct arena *arena, const struct fhirpath_value *value,
                      struct str *ret_text) {
  struct fhirpath_value v = fhirpath_computed(*value);
  switch (v.kind) {
  case FHIRPATH_NODE:
    return false;
  case FHIRPATH_BOOLEAN:
    *ret_text = v.integer ? STR("true") : STR("false");
    return true;
  case FHIRPATH_QUANTITY:
    *ret_text = v.integer == FHIRPATH_UNIT_CALENDAR
                    ? arena_printf(arena, "%.*s %.*s", STR_ARG(v.text), STR_ARG(v.unit))
                    : arena_printf(arena, "%.*s '%.*s'", STR_ARG(v.text), STR_ARG(v.unit));
    return ret_text->p != NULL;
  default:
    *ret_text = v.text;
    return true;
  }
}

int fhirpath_push_decimal(struct fhirpath_eval *e, struct fhirpath_list *out,
                          struct fhirpath_decimal value) {
  struct str text = fhirpath_decimal_text(e->arena, value);
  return text.p ? fhirpath_push_text(e, out, FHIRPATH_DECIMAL, text) : err_no_memory(e->err);
}

static int push_quantity(struct fhirpath_eval *e, struct fhirpath_decimal value,
                         const struct fhirpath_value *like, struct fhirpath_list *out) {
  struct fhirpath_value v = {
      .kind = FHIRPATH_QUANTITY, .unit = like->unit, .integer = like->integer};
  v.text = fhirpath_decimal_text(e->arena, value);
  return v.text.p ? fhirpath_push(e, out, &v) : err_no_memory(e->err);
}

/* Integers stay integers; what passes 64 bits has no value (the specification: empty). */
static int run_integers(struct fhirpath_eval *e, enum fhirpath_op op, int64_t a, int64_t b,
                        struct fhirpath_list *out) {
  int64_t result = 0;
  bool overflows = false;
  switch (op) {
  case FHIRPATH_OP_ADD:
    overflows = __builtin_add_overflow(a, b, &result);
    break;
  case FHIRPATH_OP_SUBTRACT:
    overflows = __builtin_sub_overflow(a, b, &result);
    break;
  case FHIRPATH_OP_MULTIPLY:
    overflows = __builtin_mul_overflow(a, b, &result);
    break;
  default: /* div, mod */
    overflows = b == 0 || (a == INT64_MIN && b == -1);
    if (!overflows)
      result = op == FHIRPATH_OP_DIV ? a / b : a % b;
  }
  return overflows ? 0 : fhirpath_push_integer(e, out, result);
}

static int run_decimals(struct fhirpath_eval *e, enum fhirpath_op op, struct fhirpath_decimal a,
                        struct fhirpath_decimal b, struct fhirpath_list *out) {
  struct fhirpath_decimal result, quotient;
  int64_t whole;
  switch (op) {
  case FHIRPATH_OP_SUBTRACT:
    b.integer = -b.integer;
    return fhirpath_decimal_add(a, b, &result) ? fhirpath_push_decimal(e, out, result) : 0;
  case FHIRPATH_OP_ADD:
    return fhirpath_decimal_add(a, b, &result) ? fhirpath_push_decimal(e, out, result) : 0;
  case FHIRPATH_OP_MULTIPLY:
    return fhirpath_decimal_multiply(a, b, &result) ? fhirpath_push_decimal(e, out, result) : 0;
  case FHIRPATH_OP_DIVIDE:
    return fhirpath_decimal_divide(a, b, &result) ? fhirpath_push_decimal(e, out, result) : 0;
  default:
    if (!fhirpath_decimal_divide_whole(a, b, &quotient, &result))
      return 0;
    if (op == FHIRPATH_OP_MOD)
      return fhirpath_push_decimal(e, out, fhirpath_decimal_trim(result));
    return fhirpath_decimal_to_integer(quotient, &whole) ? fhirpath_push_integer(e, out, whole) : 0;
  }
}

static int run_time_arithmetic(struct fhirpath_eval *e, const struct fhirpath_node *node,
                               const struct fhirpath_value *a, const struct fhirpath_value *b,
                               struct fhirpath_list *out) {
  struct fhirpath_time time;
  struct fhirpath_decimal amount;
  int64_t whole;
  if (b->kind != FHIRPATH_QUANTITY ||
      (node->op != FHIRPATH_OP_ADD && node->op != FHIRPATH_OP_SUBTRACT))
    return fhirpath_fail(e, node, "only a quantity of time is added to a date or time");
  if (!fhirpath_time_parse(a->text, a->kind, &time) || !fhirpath_decimal_parse(b->text, &amount))
    return 0;
  struct str unit = b->unit;
  if (b->integer == FHIRPATH_UNIT_EITHER) /* a FHIR Quantity of '1 a' is a year */
    unit = str_of(fhirpath_calendar_keyword(unit));
  if (str_starts_with(unit, STR("second")) && amount.scale > 0) {
    struct fhirpath_decimal thousand = fhirpath_decimal_from_integer(1000);
    if (!fhirpath_decimal_multiply(amount, thousand, &amount))
      return 0;
    unit = STR("ms");
  }
  if (!fhirpath_decimal_to_integer(amount, &whole))
    return 0;
  if (!fhirpath_time_add(&time, a->kind, node->op == FHIRPATH_OP_ADD ? whole : -whole, unit))
    return fhirpath_fail(e, node, "this quantity can't be added to a date or time");
  struct str text = fhirpath_time_text(e->arena, &time, a->kind);
  return text.p ? fhirpath_push_text(e, out, a->kind, text) : err_no_memory(e->err);
}

static bool is_number(enum fhirpath_kind kind) {
  return kind == FHIRPATH_INTEGER || kind == FHIRPATH_DECIMAL || kind == FHIRPATH_QUANTITY;
}

static bool is_temporal(enum fhirpath_kind kind) {
  return kind == FHIRPATH_DATE || kind == FHIRPATH_DATETIME || kind == FHIRPATH_TIME;
}

static int concatenate(struct fhirpath_eval *e, struct str a, struct str b,
                       struct fhirpath_list *out) {
  char *p = arena_alloc(e->arena, a.n + b.n + 1);
  if (!p)
    return err_no_memory(e->err);
  if (a.n)
    memcpy(p, a.p, a.n);
  if (b.n)
    memcpy(p + a.n, b.p, b.n);
  return fhirpath_push_text(e, out, FHIRPATH_STRING, str_n(p, a.n + b.n));
}

static int run_arithmetic(struct fhirpath_eval *e, const struct fhirpath_node *node,
                          struct fhirpath_values left, struct fhirpath_values right,
                          struct fhirpath_list *out) {
  if (left.n > 1 || right.n > 1)
    return fhirpath_fail(e, node, "an operator takes one item on each side");
  if (left.n == 0 || right.n == 0)
    return 0;
  struct fhirpath_value a = fhirpath_computed(left.p[0]), b = fhirpath_computed(right.p[0]);
  if (is_temporal(a.kind))
    return run_time_arithmetic(e, node, &a, &b, out);
  if (a.kind == FHIRPATH_STRING && b.kind == FHIRPATH_STRING && node->op == FHIRPATH_OP_ADD)
    return concatenate(e, a.text, b.text, out);
  if (!is_number(a.kind) || !is_number(b.kind))
    return fhirpath_fail(e, node, "this operator does not take such operands");
  if (a.kind == FHIRPATH_QUANTITY || b.kind == FHIRPATH_QUANTITY)
    return fhirpath_quantity_arithmetic(e, node, &a, &b, out);
  if (a.kind == FHIRPATH_INTEGER && b.kind == FHIRPATH_INTEGER && node->op != FHIRPATH_OP_DIVIDE)
    return run_integers(e, node->op, a.integer, b.integer, out);
  struct fhirpath_decimal x, y;
  if (!fhirpath_decimal_parse(a.text, &x) || !fhirpath_decimal_parse(b.text, &y))
    return fhirpath_fail(e, node, "a number has too many digits");
  return run_decimals(e, node->op, x, y, out);
}

static int run_concatenate(struct fhirpath_eval *e, const struct fhirpath_node *node,
                           struct fhirpath_values left, struct fhirpath_values right,
                           struct fhirpath_list *out) {
  struct str a = STR(""), b = STR("");
  if (left.n > 1 || right.n > 1)
    return fhirpath_fail(e, node, "'&' takes one item on each side");
  if ((left.n && !fhirpath_to_text(e->arena, &left.p[0], &a)) ||
      (right.n && !fhirpath_to_text(e->arena, &right.p[0], &b)))
    return fhirpath_fail(e, node, "'&' takes strings");
  return concatenate(e, a, b, out);
}

static int run_order(struct fhirpath_eval *e, const struct fhirpath_node *node,
                     struct fhirpath_values left, struct fhirpath_values right,
                     struct fhirpath_list *out) {
  if (left.n > 1 || right.n > 1)
    return fhirpath_fail(e, node, "a comparison takes one item on each side");
  if (left.n == 0 || right.n == 0)
    return 0;
  int order;
  enum fhirpath_truth known = fhirpath_order(&left.p[0], &right.p[0], &order);
  if (known == FHIRPATH_FALSE)
    return fhirpath_fail(e, node, "values of these types have no order");
  if (known == FHIRPATH_UNKNOWN)
    return 0;
  bool result = node->op == FHIRPATH_OP_LESS         ? order < 0
                : node->op == FHIRPATH_OP_LESS_EQUAL ? order <= 0
                : node->op == FHIRPATH_OP_GREATER    ? order > 0
                                                     : order >= 0;
  return fhirpath_push_boolean(e, out, result);
}

static int run_membership(struct fhirpath_eval *e, const struct fhirpath_node *node,
                          struct fhirpath_values items, struct fhirpath_values all,
                          struct fhirpath_list *out) {
  if (items.n > 1)
    return fhirpath_fail(e, node, "membership is asked of one item");
  return items.n ? fhirpath_push_boolean(e, out, fhirpath_includes(e, all, &items.p[0])) : 0;
}

int fhirpath_run_binary(struct fhirpath_eval *e, const struct fhirpath_node *node,
                        struct fhirpath_values left, struct fhirpath_values right,
                        struct fhirpath_list *out) {
  enum fhirpath_truth truth;
  switch (node->op) {
  case FHIRPATH_OP_EQUAL:
  case FHIRPATH_OP_NOT_EQUAL:
    truth = fhirpath_equal_all(e, left, right);
    if (truth == FHIRPATH_UNKNOWN)
      return 0;
    return fhirpath_push_boolean(e, out,
                                 (truth == FHIRPATH_TRUE) == (node->op == FHIRPATH_OP_EQUAL));
  case FHIRPATH_OP_EQUIVALENT:
    return fhirpath_push_boolean(e, out, fhirpath_equivalent_all(e, left, right));
  case FHIRPATH_OP_NOT_EQUIVALENT:
    return fhirpath_push_boolean(e, out, !fhirpath_equivalent_all(e, left, right));
  case FHIRPATH_OP_LESS:
  case FHIRPATH_OP_LESS_EQUAL:
  case FHIRPATH_OP_GREATER:
  case FHIRPATH_OP_GREATER_EQUAL:
    return run_order(e, node, left, right, out);
  case FHIRPATH_OP_IN:
    return run_membership(e, node, left, right, out);
  case FHIRPATH_OP_CONTAINS:
    return run_membership(e, node, right, left, out);
  case FHIRPATH_OP_UNION:
    return fhirpath_push_distinct(e, left, right, out);
  case FHIRPATH_OP_CONCATENATE:
    return run_concatenate(e, node, left, right, out);
  default:
    return run_arithmetic(e, node, left, right, out);
  }
}

int fhirpath_negate(struct fhirpath_eval *e, const struct fhirpath_node *node,
                    struct fhirpath_values values, struct fhirpath_list *out) {
  if (values.n > 1)
    return fhirpath_fail(e, node, "'-' takes one item");
  if (values.n == 0)
    return 0;
  struct fhirpath_value v = fhirpath_computed(values.p[0]);
  if (v.kind == FHIRPATH_INTEGER && v.integer != INT64_MIN)
    return fhirpath_push_integer(e, out, -v.integer);
  struct fhirpath_decimal d;
  if (!is_number(v.kind) || !fhirpath_decimal_parse(v.text, &d))
    return fhirpath_fail(e, node, "'-' takes a number");
  d.integer = -d.integer;
  return v.kind == FHIRPATH_QUANTITY ? push_quantity(e, d, &v, out)
                                     : fhirpath_push_decimal(e, out, d);
}
