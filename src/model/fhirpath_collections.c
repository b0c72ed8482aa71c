/* Functions on collections: FHIRPath 2.0.0, sections 5.1 to 5.4, 5.8, 5.9 and 7. */
#include "model/fhirpath_functions.h"
#include "model/fhirpath_set.h"

static int push_range(struct fhirpath_eval *e, struct fhirpath_values values, size_t from, size_t n,
                      struct fhirpath_list *out) {
  for (size_t i = from; i < values.n && i - from < n; i++) {
    int code = fhirpath_push(e, out, &values.p[i]);
    if (code < 0)
      return code;
  }
  return 0;
}

/* Does the first argument hold for the item? Unknown counts as no. */
static int holds(struct fhirpath_eval *e, const struct fhirpath_call *call, size_t i,
                 bool *ret_holds) {
  FHIRPATH_LIST(result);
  enum fhirpath_truth truth = FHIRPATH_UNKNOWN;
  int code = fhirpath_run_lambda(e, call, 0, &call->focus.p[i], (int64_t)i, &result);
  if (code == 0)
    code = fhirpath_truth(e, call->node, fhirpath_all(&result), &truth);
  if (code == 0)
    *ret_holds = truth == FHIRPATH_TRUE;
  return code;
}

/* ---- Existence ------------------------------------------------------------------------------- */

int fhirpath_fn_empty(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  return fhirpath_push_boolean(e, out, call->focus.n == 0);
}

int fhirpath_fn_count(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  return fhirpath_push_integer(e, out, (int64_t)call->focus.n);
}

int fhirpath_fn_exists(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  if (call->node->args_n == 0)
    return fhirpath_push_boolean(e, out, call->focus.n > 0);
  bool found = false;
  for (size_t i = 0; i < call->focus.n && !found; i++) {
    int code = holds(e, call, i, &found);
    if (code < 0)
      return code;
  }
  return fhirpath_push_boolean(e, out, found);
}

int fhirpath_fn_all(struct fhirpath_eval *e, const struct fhirpath_call *call,
                    struct fhirpath_list *out) {
  bool all = true;
  for (size_t i = 0; i < call->focus.n && all; i++) {
    int code = holds(e, call, i, &all);
    if (code < 0)
      return code;
  }
  return fhirpath_push_boolean(e, out, all);
}

/* Is there an item whose truth is `wanted`? */
static int any_is(struct fhirpath_eval *e, const struct fhirpath_call *call, bool wanted,
                  bool *ret_any) {
  *ret_any = false;
  for (size_t i = 0; i < call->focus.n && !*ret_any; i++) {
    struct fhirpath_value v = fhirpath_computed(call->focus.p[i]);
    if (v.kind != FHIRPATH_BOOLEAN)
      return fhirpath_fail(e, call->node, "%s() takes booleans", call->node->function->name);
    *ret_any = (v.integer != 0) == wanted;
  }
  return 0;
}

static int run_any(struct fhirpath_eval *e, const struct fhirpath_call *call, bool wanted,
                   bool negate, struct fhirpath_list *out) {
  bool any = false;
  int code = any_is(e, call, wanted, &any);
  return code < 0 ? code : fhirpath_push_boolean(e, out, any != negate);
}

int fhirpath_fn_allTrue(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  return run_any(e, call, false, true, out);
}

int fhirpath_fn_anyTrue(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  return run_any(e, call, true, false, out);
}

int fhirpath_fn_allFalse(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  return run_any(e, call, true, true, out);
}

int fhirpath_fn_anyFalse(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  return run_any(e, call, false, false, out);
}

int fhirpath_fn_not(struct fhirpath_eval *e, const struct fhirpath_call *call,
                    struct fhirpath_list *out) {
  enum fhirpath_truth truth = FHIRPATH_UNKNOWN;
  int code = fhirpath_truth(e, call->node, call->focus, &truth);
  if (code < 0 || truth == FHIRPATH_UNKNOWN)
    return code;
  return fhirpath_push_boolean(e, out, truth == FHIRPATH_FALSE);
}

/* ---- Sets ------------------------------------------------------------------------------------ */

/* Appends the values that are not in the set yet, and puts them there. */
static int push_unseen(struct fhirpath_set *seen, struct fhirpath_values values,
                       struct fhirpath_list *out) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < values.n; i++) {
    bool is_new = false;
    code = fhirpath_set_add(seen, &values.p[i], &is_new);
    if (code == 0 && is_new)
      code = fhirpath_push(seen->e, out, &values.p[i]);
  }
  return code;
}

int fhirpath_push_distinct(struct fhirpath_eval *e, struct fhirpath_values a,
                           struct fhirpath_values b, struct fhirpath_list *out) {
  struct fhirpath_set seen;
  fhirpath_set_init(&seen, e);
  int code = push_unseen(&seen, a, out);
  return code < 0 ? code : push_unseen(&seen, b, out);
}

static int push_is_subset(struct fhirpath_eval *e, struct fhirpath_values a,
                          struct fhirpath_values b, struct fhirpath_list *out) {
  struct fhirpath_set all;
  bool is_subset = true;
  fhirpath_set_init(&all, e);
  int code = a.n > 0 ? fhirpath_set_add_all(&all, b) : 0;
  for (size_t i = 0; code == 0 && is_subset && i < a.n; i++)
    is_subset = fhirpath_set_has(&all, &a.p[i]);
  return code < 0 ? code : fhirpath_push_boolean(e, out, is_subset);
}

int fhirpath_fn_subsetOf(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  struct fhirpath_list other = {0};
  int code = fhirpath_run_argument(e, call, 0, &other);
  return code < 0 ? code : push_is_subset(e, call->focus, fhirpath_all(&other), out);
}

int fhirpath_fn_supersetOf(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  struct fhirpath_list other = {0};
  int code = fhirpath_run_argument(e, call, 0, &other);
  return code < 0 ? code : push_is_subset(e, fhirpath_all(&other), call->focus, out);
}

static const struct fhirpath_values NONE = {0};

int fhirpath_fn_distinct(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  return fhirpath_push_distinct(e, call->focus, NONE, out);
}

int fhirpath_fn_isDistinct(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  struct fhirpath_list distinct = {0};
  int code = fhirpath_push_distinct(e, call->focus, NONE, &distinct);
  return code < 0 ? code : fhirpath_push_boolean(e, out, distinct.v.n == call->focus.n);
}

int fhirpath_fn_union(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  struct fhirpath_list other = {0};
  int code = fhirpath_run_argument(e, call, 0, &other);
  return code < 0 ? code : fhirpath_push_distinct(e, call->focus, fhirpath_all(&other), out);
}

int fhirpath_fn_combine(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  int code = push_range(e, call->focus, 0, SIZE_MAX, out);
  return code < 0 ? code : fhirpath_run_argument(e, call, 0, out);
}

/* The items that are in the argument, or that are not. */
static int push_members(struct fhirpath_eval *e, const struct fhirpath_call *call, bool wanted,
                        struct fhirpath_list *out) {
  struct fhirpath_list other = {0};
  struct fhirpath_set set;
  int code = fhirpath_run_argument(e, call, 0, &other);
  fhirpath_set_init(&set, e);
  if (code == 0)
    code = fhirpath_set_add_all(&set, fhirpath_all(&other));
  for (size_t i = 0; code == 0 && i < call->focus.n; i++)
    if (fhirpath_set_has(&set, &call->focus.p[i]) == wanted)
      code = fhirpath_push(e, out, &call->focus.p[i]);
  return code;
}

int fhirpath_fn_intersect(struct fhirpath_eval *e, const struct fhirpath_call *call,
                          struct fhirpath_list *out) {
  struct fhirpath_list common = {0};
  int code = push_members(e, call, true, &common);
  return code < 0 ? code : fhirpath_push_distinct(e, fhirpath_all(&common), NONE, out);
}

int fhirpath_fn_exclude(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  return push_members(e, call, false, out);
}

/* ---- Filters and subsets --------------------------------------------------------------------- */

int fhirpath_fn_where(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  for (size_t i = 0; i < call->focus.n; i++) {
    bool wanted = false;
    int code = holds(e, call, i, &wanted);
    if (code == 0 && wanted)
      code = fhirpath_push(e, out, &call->focus.p[i]);
    if (code < 0)
      return code;
  }
  return 0;
}

int fhirpath_fn_select(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < call->focus.n; i++)
    code = fhirpath_run_lambda(e, call, 0, &call->focus.p[i], (int64_t)i, out);
  return code;
}

/* Each round projects what the last one found; an item that was seen ends its branch. */
int fhirpath_fn_repeat(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  size_t done = out->v.n;
  struct fhirpath_list found = {0};
  struct fhirpath_set seen;
  int code = 0;
  fhirpath_set_init(&seen, e);
  for (size_t i = 0; code == 0 && i < call->focus.n; i++)
    code = fhirpath_run_lambda(e, call, 0, &call->focus.p[i], (int64_t)i, &found);
  if (code == 0)
    code = push_unseen(&seen, fhirpath_all(&found), out);
  while (code == 0 && done < out->v.n) {
    struct fhirpath_value item = out->v.p[done++];
    found.v.n = 0;
    code = fhirpath_run_lambda(e, call, 0, &item, 0, &found);
    if (code == 0)
      code = push_unseen(&seen, fhirpath_all(&found), out);
  }
  return code;
}

int fhirpath_fn_ofType(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  for (size_t i = 0; i < call->focus.n; i++)
    if (fhirpath_is_of_type(&call->focus.p[i], call->node->spec)) {
      int code = fhirpath_push(e, out, &call->focus.p[i]);
      if (code < 0)
        return code;
    }
  return 0;
}

int fhirpath_fn_as(struct fhirpath_eval *e, const struct fhirpath_call *call,
                   struct fhirpath_list *out) {
  int code = fhirpath_check_as(e, call->node, call->focus);
  return code < 0 ? code : fhirpath_fn_ofType(e, call, out);
}

int fhirpath_fn_is(struct fhirpath_eval *e, const struct fhirpath_call *call,
                   struct fhirpath_list *out) {
  return fhirpath_push_boolean(e, out, fhirpath_is(&call->focus.p[0], call->node->spec));
}

int fhirpath_fn_single(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  if (call->focus.n > 1)
    return fhirpath_fail(e, call->node, "single() found %zu items", call->focus.n);
  return push_range(e, call->focus, 0, 1, out);
}

int fhirpath_fn_first(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  return push_range(e, call->focus, 0, 1, out);
}

int fhirpath_fn_last(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  return call->focus.n ? push_range(e, call->focus, call->focus.n - 1, 1, out) : 0;
}

int fhirpath_fn_tail(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  return push_range(e, call->focus, 1, SIZE_MAX, out);
}

int fhirpath_fn_skip(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  bool there = false;
  int64_t n = 0;
  int code = fhirpath_integer_argument(e, call, 0, &there, &n);
  if (code < 0 || !there)
    return code;
  return push_range(e, call->focus, n > 0 ? (size_t)n : 0, SIZE_MAX, out);
}

int fhirpath_fn_take(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  bool there = false;
  int64_t n = 0;
  int code = fhirpath_integer_argument(e, call, 0, &there, &n);
  if (code < 0 || !there)
    return code;
  return push_range(e, call->focus, 0, n > 0 ? (size_t)n : 0, out);
}

/* ---- Trees, choice, aggregation -------------------------------------------------------------- */

int fhirpath_fn_children(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < call->focus.n; i++)
    code = fhirpath_children(e, &call->focus.p[i], out);
  return code;
}

int fhirpath_fn_descendants(struct fhirpath_eval *e, const struct fhirpath_call *call,
                            struct fhirpath_list *out) {
  size_t done = out->v.n;
  int code = fhirpath_fn_children(e, call, out);
  while (code == 0 && done < out->v.n) {
    struct fhirpath_value item = out->v.p[done++];
    code = fhirpath_children(e, &item, out);
  }
  return code;
}

/* The argument as seen by the whole collection it is called on. */
static int run_on_focus(struct fhirpath_eval *e, const struct fhirpath_call *call, uint32_t arg,
                        struct fhirpath_list *out) {
  struct fhirpath_frame frame = *call->frame;
  if (!call->node->starts_path)
    frame.this_ = call->focus;
  return fhirpath_run_node(e, call->node->args[arg], frame.this_, &frame, out);
}

int fhirpath_fn_iif(struct fhirpath_eval *e, const struct fhirpath_call *call,
                    struct fhirpath_list *out) {
  struct fhirpath_list result = {0};
  if (!call->node->starts_path && call->focus.n > 1)
    return fhirpath_fail(e, call->node, "iif() takes one item, not %zu", call->focus.n);
  int code = run_on_focus(e, call, 0, &result);
  if (code < 0)
    return code;
  struct fhirpath_value criterion = {.kind = FHIRPATH_BOOLEAN};
  if (result.v.n > 0)
    criterion = fhirpath_computed(result.v.p[0]);
  if (result.v.n > 1 || criterion.kind != FHIRPATH_BOOLEAN)
    return fhirpath_fail(e, call->node, "the criterion of iif() must be a boolean");
  uint32_t branch = criterion.integer ? 1 : 2;
  return branch < call->node->args_n ? run_on_focus(e, call, branch, out) : 0;
}

int fhirpath_fn_aggregate(struct fhirpath_eval *e, const struct fhirpath_call *call,
                          struct fhirpath_list *out) {
  struct fhirpath_list total = {0};
  int code = call->node->args_n > 1 ? fhirpath_run_argument(e, call, 1, &total) : 0;
  for (size_t i = 0; code == 0 && i < call->focus.n; i++) {
    struct fhirpath_values so_far = fhirpath_all(&total), one = {&call->focus.p[i], 1};
    struct fhirpath_frame frame = {.this_ = one, .index = (int64_t)i, .total = &so_far};
    struct fhirpath_list next = {0};
    code = fhirpath_run_node(e, call->node->args[0], one, &frame, &next);
    total = next;
  }
  return code < 0 ? code : push_range(e, fhirpath_all(&total), 0, SIZE_MAX, out);
}

/* Nothing is logged here: what passes may be a patient's. Who evaluates may look. */
int fhirpath_fn_trace(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  bool there = false;
  struct str name = STR_NULL;
  struct fhirpath_list projected = {0};
  int code = fhirpath_string_argument(e, call, 0, &there, &name);
  for (size_t i = 0; code == 0 && call->node->args_n > 1 && i < call->focus.n; i++)
    code = fhirpath_run_lambda(e, call, 1, &call->focus.p[i], (int64_t)i, &projected);
  if (code == 0 && e->context->trace)
    e->context->trace(e->context->trace_what, name,
                      call->node->args_n > 1 ? fhirpath_all(&projected) : call->focus);
  return code < 0 ? code : push_range(e, call->focus, 0, SIZE_MAX, out);
}
