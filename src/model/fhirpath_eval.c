/* Walks a program: see fhirpath_program.h. */
#include "model/fhirpath_program.h"

#include <stdarg.h>

#define STEPS_DEFAULT 1000000
/* Nodes nested in nodes: a path of as many steps, so this is far above what anybody writes. */
#define EVAL_DEPTH_MAX 600

int fhirpath_fail(struct fhirpath_eval *e, const struct fhirpath_node *node, const char *format,
                  ...) {
  char what[200];
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  return fhirpath_syntax_error(e->program->text, node->at, e->err, "%s", what);
}

int fhirpath_step(struct fhirpath_eval *e) {
  if (e->steps_left == 0)
    return err_set(e->err, ERR_TOO_COSTLY, "",
                   "The FHIRPath took more steps than its limit allows.");
  e->steps_left--;
  return 0;
}

/* Room for one more. What has no more than FHIRPATH_ROOM is on the stack, or nowhere yet. */
static bool grow(struct arena *arena, struct fhirpath_list *list) {
  size_t capacity = list->v.capacity < 8 ? 8 : list->v.capacity * 2;
  bool is_on_arena = list->v.capacity > FHIRPATH_ROOM;
  struct fhirpath_value *p = arena_grow(arena, is_on_arena ? list->v.p : NULL,
                                        list->v.capacity * sizeof *p, capacity * sizeof *p);
  if (!p)
    return false;
  if (!is_on_arena && list->v.n > 0)
    memcpy(p, list->v.p, list->v.n * sizeof *p);
  list->v.p = p;
  list->v.capacity = capacity;
  return true;
}

int fhirpath_push(struct fhirpath_eval *e, struct fhirpath_list *out,
                  const struct fhirpath_value *value) {
  int code = fhirpath_step(e);
  if (code < 0)
    return code;
  if (out->v.n == out->v.capacity && !grow(e->arena, out))
    return err_no_memory(e->err);
  out->v.p[out->v.n++] = *value;
  return 0;
}

int fhirpath_push_boolean(struct fhirpath_eval *e, struct fhirpath_list *out, bool value) {
  struct fhirpath_value v = {.kind = FHIRPATH_BOOLEAN, .integer = value};
  v.text = value ? STR("true") : STR("false");
  return fhirpath_push(e, out, &v);
}

int fhirpath_push_integer(struct fhirpath_eval *e, struct fhirpath_list *out, int64_t value) {
  struct fhirpath_value v = {.kind = FHIRPATH_INTEGER, .integer = value};
  v.text = arena_printf(e->arena, "%lld", (long long)value);
  return v.text.p ? fhirpath_push(e, out, &v) : err_no_memory(e->err);
}

int fhirpath_push_text(struct fhirpath_eval *e, struct fhirpath_list *out, enum fhirpath_kind kind,
                       struct str text) {
  struct fhirpath_value v = {.kind = kind, .text = text};
  return fhirpath_push(e, out, &v);
}

int fhirpath_truth(struct fhirpath_eval *e, const struct fhirpath_node *node,
                   struct fhirpath_values values, enum fhirpath_truth *ret_truth) {
  if (values.n > 1)
    return fhirpath_fail(e, node, "one item is expected here, not %zu", values.n);
  *ret_truth = FHIRPATH_UNKNOWN;
  if (values.n == 0)
    return 0;
  struct fhirpath_value v = fhirpath_computed(values.p[0]);
  *ret_truth = v.kind == FHIRPATH_BOOLEAN && !v.integer ? FHIRPATH_FALSE : FHIRPATH_TRUE;
  return 0;
}

int fhirpath_run_lambda(struct fhirpath_eval *e, const struct fhirpath_call *call, uint32_t arg,
                        const struct fhirpath_value *item, int64_t index,
                        struct fhirpath_list *out) {
  struct fhirpath_values one = {item, 1};
  struct fhirpath_frame frame = {.this_ = one, .index = index, .total = call->frame->total};
  return fhirpath_run_node(e, call->node->args[arg], one, &frame, out);
}

int fhirpath_run_argument(struct fhirpath_eval *e, const struct fhirpath_call *call, uint32_t arg,
                          struct fhirpath_list *out) {
  return fhirpath_run_node(e, call->node->args[arg], call->frame->this_, call->frame, out);
}

/* ---- Operands -------------------------------------------------------------------------------- */

static int push_all(struct fhirpath_eval *e, struct fhirpath_values values,
                    struct fhirpath_list *out) {
  for (size_t i = 0; i < values.n; i++) {
    int code = fhirpath_push(e, out, &values.p[i]);
    if (code < 0)
      return code;
  }
  return 0;
}

static int push_json(struct fhirpath_eval *e, const struct yyjson_val *node,
                     struct fhirpath_list *out) {
  if (!node)
    return push_all(e, e->input, out);
  struct fhirpath_value value = {.kind = FHIRPATH_NODE, .node = node};
  value.type = defs_type_by_name(json_get_text(node, STR("resourceType")));
  return fhirpath_push(e, out, &value);
}

static int run_constant(struct fhirpath_eval *e, const struct fhirpath_node *node,
                        struct fhirpath_list *out) {
  const struct fhirpath_context *context = e->context;
  struct str name = node->value.text;
  if (str_is(name, "context"))
    return push_all(e, e->input, out);
  if (str_is(name, "resource"))
    return push_json(e, context->resource, out);
  if (str_is(name, "rootResource"))
    return push_json(e, context->root_resource ? context->root_resource : context->resource, out);
  for (size_t i = 0; i < context->variables_n; i++)
    if (str_equal(name, context->variables[i].name))
      return push_all(e, context->variables[i].values, out);
  struct str text;
  if (str_is(name, "ucum"))
    text = STR("http://unitsofmeasure.org");
  else if (str_is(name, "sct"))
    text = STR("http://snomed.info/sct");
  else if (str_is(name, "loinc"))
    text = STR("http://loinc.org");
  else if (str_starts_with(name, STR("vs-")))
    text = arena_printf(e->arena, "http://hl7.org/fhir/ValueSet/%.*s",
                        STR_ARG(str_slice(name, 3, name.n)));
  else if (str_starts_with(name, STR("ext-")))
    text = arena_printf(e->arena, "http://hl7.org/fhir/StructureDefinition/%.*s",
                        STR_ARG(str_slice(name, 4, name.n)));
  else
    return fhirpath_fail(e, node, "the variable %%%.*s has no value", STR_ARG(name));
  return text.p ? fhirpath_push_text(e, out, FHIRPATH_STRING, text) : err_no_memory(e->err);
}

static int run_member(struct fhirpath_eval *e, const struct fhirpath_node *node,
                      struct fhirpath_values focus, struct fhirpath_list *out) {
  for (size_t i = 0; i < focus.n; i++) {
    const struct fhirpath_value *item = &focus.p[i];
    bool is_type = node->spec.type && item->kind == FHIRPATH_NODE &&
                   defs_type_is_a(item->type, node->spec.type);
    int code =
        is_type ? fhirpath_push(e, out, item) : fhirpath_member(e, item, node->value.text, out);
    if (code < 0)
      return code;
  }
  return 0;
}

static int run_indexer(struct fhirpath_eval *e, const struct fhirpath_node *node,
                       struct fhirpath_values focus, const struct fhirpath_frame *frame,
                       struct fhirpath_list *out) {
  FHIRPATH_LIST(items);
  FHIRPATH_LIST(index);
  int code = fhirpath_run_node(e, node->args[0], focus, frame, &items);
  if (code == 0)
    code = fhirpath_run_node(e, node->args[1], frame->this_, frame, &index);
  if (code < 0 || index.v.n == 0)
    return code;
  struct fhirpath_value at = fhirpath_computed(index.v.p[0]);
  if (index.v.n > 1 || at.kind != FHIRPATH_INTEGER)
    return fhirpath_fail(e, node, "an index is one integer");
  if (at.integer < 0 || (uint64_t)at.integer >= items.v.n)
    return 0;
  return fhirpath_push(e, out, &items.v.p[at.integer]);
}

static int run_call(struct fhirpath_eval *e, const struct fhirpath_node *node,
                    struct fhirpath_values focus, const struct fhirpath_frame *frame,
                    struct fhirpath_list *out) {
  struct fhirpath_call call = {.node = node, .focus = focus, .frame = frame};
  if (node->function->flags & FHIRPATH_SINGLETON) {
    if (focus.n == 0)
      return 0;
    if (focus.n > 1)
      return fhirpath_fail(e, node, "%s() takes one item, not %zu", node->function->name, focus.n);
  }
  return node->function->run(e, &call, out);
}

int fhirpath_check_as(struct fhirpath_eval *e, const struct fhirpath_node *node,
                      struct fhirpath_values values) {
  return values.n > 1 && e->program->mode != FHIRPATH_PUBLISHED
             ? fhirpath_fail(e, node, "'as' takes one item, not %zu; ofType() filters", values.n)
             : 0;
}

static int run_type_operator(struct fhirpath_eval *e, const struct fhirpath_node *node,
                             struct fhirpath_values left, struct fhirpath_list *out) {
  if (node->op == FHIRPATH_OP_IS) {
    if (left.n > 1)
      return fhirpath_fail(e, node, "'is' takes one item, not %zu", left.n);
    return left.n ? fhirpath_push_boolean(e, out, fhirpath_is(&left.p[0], node->spec)) : 0;
  }
  int code = fhirpath_check_as(e, node, left);
  for (size_t i = 0; code == 0 && i < left.n; i++)
    if (fhirpath_is_of_type(&left.p[i], node->spec))
      code = fhirpath_push(e, out, &left.p[i]);
  return code;
}

/* ---- Logic ----------------------------------------------------------------------------------- */

static enum fhirpath_truth combine(enum fhirpath_op op, enum fhirpath_truth a,
                                   enum fhirpath_truth b) {
  switch (op) {
  case FHIRPATH_OP_AND:
    if (a == FHIRPATH_FALSE || b == FHIRPATH_FALSE)
      return FHIRPATH_FALSE;
    return a == FHIRPATH_TRUE && b == FHIRPATH_TRUE ? FHIRPATH_TRUE : FHIRPATH_UNKNOWN;
  case FHIRPATH_OP_OR:
    if (a == FHIRPATH_TRUE || b == FHIRPATH_TRUE)
      return FHIRPATH_TRUE;
    return a == FHIRPATH_FALSE && b == FHIRPATH_FALSE ? FHIRPATH_FALSE : FHIRPATH_UNKNOWN;
  case FHIRPATH_OP_IMPLIES:
    if (a == FHIRPATH_FALSE || b == FHIRPATH_TRUE)
      return FHIRPATH_TRUE;
    return a == FHIRPATH_TRUE ? b : FHIRPATH_UNKNOWN;
  default: /* xor */
    if (a == FHIRPATH_UNKNOWN || b == FHIRPATH_UNKNOWN)
      return FHIRPATH_UNKNOWN;
    return a != b ? FHIRPATH_TRUE : FHIRPATH_FALSE;
  }
}

static int run_logic(struct fhirpath_eval *e, const struct fhirpath_node *node,
                     struct fhirpath_values focus, const struct fhirpath_frame *frame,
                     struct fhirpath_list *out) {
  FHIRPATH_LIST(left);
  FHIRPATH_LIST(right);
  enum fhirpath_truth a = FHIRPATH_UNKNOWN, b = FHIRPATH_UNKNOWN;
  int code = fhirpath_run_node(e, node->args[0], focus, frame, &left);
  if (code == 0)
    code = fhirpath_truth(e, node, fhirpath_all(&left), &a);
  if (code < 0)
    return code;
  /* The right side is not looked at where the left one decides. */
  if ((node->op == FHIRPATH_OP_AND && a == FHIRPATH_FALSE) ||
      (node->op == FHIRPATH_OP_OR && a == FHIRPATH_TRUE) ||
      (node->op == FHIRPATH_OP_IMPLIES && a == FHIRPATH_FALSE))
    return fhirpath_push_boolean(e, out, node->op != FHIRPATH_OP_AND);
  code = fhirpath_run_node(e, node->args[1], focus, frame, &right);
  if (code == 0)
    code = fhirpath_truth(e, node, fhirpath_all(&right), &b);
  if (code < 0)
    return code;
  enum fhirpath_truth result = combine(node->op, a, b);
  return result == FHIRPATH_UNKNOWN ? 0 : fhirpath_push_boolean(e, out, result == FHIRPATH_TRUE);
}

static int run_operator(struct fhirpath_eval *e, const struct fhirpath_node *node,
                        struct fhirpath_values focus, const struct fhirpath_frame *frame,
                        struct fhirpath_list *out) {
  FHIRPATH_LIST(left);
  FHIRPATH_LIST(right);
  int code = fhirpath_run_node(e, node->args[0], focus, frame, &left);
  if (code < 0)
    return code;
  switch (node->op) {
  case FHIRPATH_OP_IS:
  case FHIRPATH_OP_AS:
    return run_type_operator(e, node, fhirpath_all(&left), out);
  case FHIRPATH_OP_NEGATE:
    return fhirpath_negate(e, node, fhirpath_all(&left), out);
  case FHIRPATH_OP_PLUS:
    return push_all(e, fhirpath_all(&left), out);
  case FHIRPATH_OP_DOT:
    return fhirpath_run_node(e, node->args[1], fhirpath_all(&left), frame, out);
  default:
    code = fhirpath_run_node(e, node->args[1], focus, frame, &right);
    return code < 0 ? code
                    : fhirpath_run_binary(e, node, fhirpath_all(&left), fhirpath_all(&right), out);
  }
}

static int dispatch(struct fhirpath_eval *e, const struct fhirpath_node *node,
                    struct fhirpath_values focus, const struct fhirpath_frame *frame,
                    struct fhirpath_list *out) {
  switch (node->op) {
  case FHIRPATH_OP_EMPTY:
    return 0;
  case FHIRPATH_OP_LITERAL:
    return fhirpath_push(e, out, &node->value);
  case FHIRPATH_OP_THIS:
    return push_all(e, frame->this_, out);
  case FHIRPATH_OP_INDEX:
    return fhirpath_push_integer(e, out, frame->index);
  case FHIRPATH_OP_TOTAL:
    return frame->total ? push_all(e, *frame->total, out) : 0;
  case FHIRPATH_OP_CONSTANT:
    return run_constant(e, node, out);
  case FHIRPATH_OP_MEMBER:
    return run_member(e, node, focus, out);
  case FHIRPATH_OP_CALL:
    return run_call(e, node, focus, frame, out);
  case FHIRPATH_OP_INDEXER:
    return run_indexer(e, node, focus, frame, out);
  case FHIRPATH_OP_AND:
  case FHIRPATH_OP_OR:
  case FHIRPATH_OP_XOR:
  case FHIRPATH_OP_IMPLIES:
    return run_logic(e, node, focus, frame, out);
  default:
    return run_operator(e, node, focus, frame, out);
  }
}

int fhirpath_run_node(struct fhirpath_eval *e, uint32_t index, struct fhirpath_values focus,
                      const struct fhirpath_frame *frame, struct fhirpath_list *out) {
  int code = fhirpath_step(e);
  if (code < 0)
    return code;
  if (e->depth >= EVAL_DEPTH_MAX)
    return err_set(e->err, ERR_TOO_COSTLY, "", "The FHIRPath is nested too deeply.");
  e->depth++;
  code = dispatch(e, &e->program->nodes[index], focus, frame, out);
  e->depth--;
  return code;
}

int fhirpath_eval(struct arena *arena, const struct fhirpath *program,
                  const struct yyjson_val *input, defs_type_id type,
                  const struct fhirpath_context *context, struct fhirpath_values *ret_values,
                  struct err *reterr) {
  static const struct fhirpath_context no_context = {0};
  if (!context)
    context = &no_context;
  struct fhirpath_value root = {.kind = FHIRPATH_NODE, .type = type, .node = input};
  struct fhirpath_values all = {&root, input ? 1 : 0};
  struct fhirpath_eval e = {.arena = arena, .program = program, .context = context, .err = reterr};
  e.steps_left = context->max_steps ? context->max_steps : STEPS_DEFAULT;
  e.input = all;
  e.now_us = context->now_us;
  struct fhirpath_frame frame = {.this_ = all};
  struct fhirpath_list out = {0};
  int code = fhirpath_run_node(&e, (uint32_t)(program->nodes_n - 1), all, &frame, &out);
  if (code < 0)
    return code;
  *ret_values = fhirpath_all(&out);
  return 0;
}
