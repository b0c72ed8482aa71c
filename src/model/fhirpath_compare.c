/* Equality, equivalence and order of values: FHIRPath 2.0.0, sections 6.1 and 6.2. */
#include "model/fhirpath_decimal.h"
#include "model/fhirpath_quantity.h"
#include "model/fhirpath_time.h"
#include "model/search_values.h"

/* ---- Order ----------------------------------------------------------------------------------- */

static bool is_number(enum fhirpath_kind kind) {
  return kind == FHIRPATH_INTEGER || kind == FHIRPATH_DECIMAL || kind == FHIRPATH_QUANTITY;
}

static bool is_date(enum fhirpath_kind kind) {
  return kind == FHIRPATH_DATE || kind == FHIRPATH_DATETIME;
}

static enum fhirpath_truth order_numbers(const struct fhirpath_value *a,
                                         const struct fhirpath_value *b, int *ret_order) {
  if (a->kind == FHIRPATH_INTEGER && b->kind == FHIRPATH_INTEGER) {
    *ret_order = (a->integer > b->integer) - (a->integer < b->integer);
    return FHIRPATH_TRUE;
  }
  return fhirpath_quantity_order(a, b, ret_order) ? FHIRPATH_TRUE : FHIRPATH_UNKNOWN;
}

static enum fhirpath_truth order_times(const struct fhirpath_value *a,
                                       const struct fhirpath_value *b, int *ret_order) {
  struct fhirpath_time x, y;
  if (!fhirpath_time_parse(a->text, a->kind, &x) || !fhirpath_time_parse(b->text, b->kind, &y))
    return FHIRPATH_UNKNOWN;
  return fhirpath_time_compare(&x, &y, ret_order) ? FHIRPATH_TRUE : FHIRPATH_UNKNOWN;
}

static enum fhirpath_truth order_computed(const struct fhirpath_value *x,
                                          const struct fhirpath_value *y, int *ret_order) {
  if (is_number(x->kind) && is_number(y->kind))
    return order_numbers(x, y, ret_order);
  if (x->kind == FHIRPATH_STRING && y->kind == FHIRPATH_STRING) {
    int order = str_compare(x->text, y->text);
    *ret_order = (order > 0) - (order < 0);
    return FHIRPATH_TRUE;
  }
  if ((is_date(x->kind) && is_date(y->kind)) ||
      (x->kind == FHIRPATH_TIME && y->kind == FHIRPATH_TIME))
    return order_times(x, y, ret_order);
  return FHIRPATH_FALSE;
}

enum fhirpath_truth fhirpath_order(const struct fhirpath_value *a, const struct fhirpath_value *b,
                                   int *ret_order) {
  struct fhirpath_value x = fhirpath_computed(*a), y = fhirpath_computed(*b);
  return order_computed(&x, &y, ret_order);
}

/* ---- Equality -------------------------------------------------------------------------------- */

static bool json_equal(const struct yyjson_val *a, const struct yyjson_val *b) {
  enum json_kind kind = json_kind(a);
  if (a == b)
    return true;
  if (kind != json_kind(b))
    return false;
  if (kind == JSON_NUMBER) {
    struct fhirpath_decimal x, y;
    return str_equal(json_text(a), json_text(b)) ||
           (fhirpath_decimal_parse(json_text(a), &x) && fhirpath_decimal_parse(json_text(b), &y) &&
            fhirpath_decimal_compare(x, y) == 0);
  }
  if (kind != JSON_OBJECT && kind != JSON_ARRAY)
    return str_equal(json_text(a), json_text(b));
  if (json_count(a) != json_count(b))
    return false;
  struct json_each left = json_each(a), right = json_each(b);
  while (json_next(&left) && json_next(&right)) {
    const struct yyjson_val *other = kind == JSON_OBJECT ? json_get(b, left.name) : right.value;
    if (!other || !json_equal(left.value, other))
      return false;
  }
  return true;
}

enum fhirpath_truth fhirpath_equal(struct fhirpath_eval *e, const struct fhirpath_value *a,
                                   const struct fhirpath_value *b) {
  (void)e;
  struct fhirpath_value x = fhirpath_computed(*a), y = fhirpath_computed(*b);
  if (x.kind == FHIRPATH_STRING && y.kind == FHIRPATH_STRING)
    return str_equal(x.text, y.text) ? FHIRPATH_TRUE : FHIRPATH_FALSE;
  if (x.kind == FHIRPATH_NODE && y.kind == FHIRPATH_NODE)
    return json_equal(x.node, y.node) && (x.node || json_equal(x.extra, y.extra)) ? FHIRPATH_TRUE
                                                                                  : FHIRPATH_FALSE;
  if (x.kind == FHIRPATH_BOOLEAN && y.kind == FHIRPATH_BOOLEAN)
    return x.integer == y.integer ? FHIRPATH_TRUE : FHIRPATH_FALSE;
  int order;
  enum fhirpath_truth known = order_computed(&x, &y, &order);
  if (known == FHIRPATH_FALSE) /* a date's text may stand as string on one side */
    return FHIRPATH_FALSE;
  if (known == FHIRPATH_UNKNOWN)
    return FHIRPATH_UNKNOWN;
  return order == 0 ? FHIRPATH_TRUE : FHIRPATH_FALSE;
}

enum fhirpath_truth fhirpath_equal_all(struct fhirpath_eval *e, struct fhirpath_values a,
                                       struct fhirpath_values b) {
  if (a.n == 0 || b.n == 0)
    return FHIRPATH_UNKNOWN;
  if (a.n != b.n)
    return FHIRPATH_FALSE;
  enum fhirpath_truth all = FHIRPATH_TRUE;
  for (size_t i = 0; i < a.n; i++) {
    enum fhirpath_truth one = fhirpath_equal(e, &a.p[i], &b.p[i]);
    if (one == FHIRPATH_FALSE)
      return one;
    if (one == FHIRPATH_UNKNOWN)
      all = one;
  }
  return all;
}

bool fhirpath_includes(struct fhirpath_eval *e, struct fhirpath_values values,
                       const struct fhirpath_value *value) {
  /* Comparisons count as steps; the caller's next step reports that they are used up. */
  e->steps_left -= e->steps_left < values.n ? e->steps_left : (unsigned)values.n;
  for (size_t i = 0; i < values.n && e->steps_left > 0; i++)
    if (fhirpath_equal(e, &values.p[i], value) == FHIRPATH_TRUE)
      return true;
  return false;
}

/* ---- Equivalence ----------------------------------------------------------------------------- */

static bool nodes_equivalent(struct fhirpath_eval *e, const struct fhirpath_value *a,
                             const struct fhirpath_value *b) {
  struct fhirpath_list left = {0}, right = {0};
  if (fhirpath_children(e, a, &left) < 0 || fhirpath_children(e, b, &right) < 0)
    return false;
  return left.v.n > 0 || right.v.n > 0
             ? fhirpath_equivalent_all(e, fhirpath_all(&left), fhirpath_all(&right))
             : json_equal(a->node, b->node);
}

bool fhirpath_equivalent(struct fhirpath_eval *e, const struct fhirpath_value *a,
                         const struct fhirpath_value *b) {
  struct fhirpath_value x = fhirpath_computed(*a), y = fhirpath_computed(*b);
  if (x.kind == FHIRPATH_NODE && y.kind == FHIRPATH_NODE)
    return nodes_equivalent(e, &x, &y);
  if (x.kind == FHIRPATH_STRING && y.kind == FHIRPATH_STRING)
    return str_equal(search_normal_string(e->arena, x.text),
                     search_normal_string(e->arena, y.text));
  if (is_number(x.kind) && is_number(y.kind))
    return fhirpath_quantity_equivalent(&x, &y);
  return fhirpath_equal(e, &x, &y) == FHIRPATH_TRUE;
}

/* The order does not matter, but each item is used once. */
bool fhirpath_equivalent_all(struct fhirpath_eval *e, struct fhirpath_values a,
                             struct fhirpath_values b) {
  if (a.n != b.n)
    return false;
  bool *used = ARENA_ARRAY(e->arena, bool, b.n + 1);
  if (!used)
    return false;
  for (size_t i = 0; i < a.n; i++) {
    size_t k = 0;
    while (k < b.n &&
           (used[k] || fhirpath_step(e) < 0 || !fhirpath_equivalent(e, &a.p[i], &b.p[k])))
      k++;
    if (k == b.n)
      return false;
    used[k] = true;
  }
  return true;
}
