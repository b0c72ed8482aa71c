/* From search parameters to plans: the paths of their expressions laid into one tree. */
#include "model/search_values_plan.h"

struct builder {
  struct arena *arena;
  struct plan *plan;
  const struct defs_param *param;          /* being laid, */
  const struct defs_component *components; /* and its components */
  size_t emits_n;                          /* of it, so far */
  bool has_empty_component;
  const struct fhirpath *program;
  struct plan_node *from_resource; /* where %resource leads; NULL outside a composite's component */
  struct err *err;
};

/* Where a path has got to. A choice leads to several places. */
#define CURSORS_MAX 96
struct cursors {
  struct plan_node *at[CURSORS_MAX];
  size_t n;
};

/* What a path compiles to: 0, an error, or NOT_A_PATH. */
#define NOT_A_PATH 1

static struct plan_node *new_node(struct builder *b, defs_type_id type, uint16_t value_set) {
  struct plan_node *node = ARENA_NEW(b->arena, struct plan_node);
  if (node) {
    node->type = type;
    node->value_set = value_set;
  }
  return node;
}

static int add_cursor(struct builder *b, struct cursors *cursors, struct plan_node *node) {
  if (!node)
    return err_no_memory(b->err);
  for (size_t i = 0; i < cursors->n; i++)
    if (cursors->at[i] == node)
      return 0;
  if (cursors->n == CURSORS_MAX)
    return NOT_A_PATH;
  cursors->at[cursors->n++] = node;
  return 0;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static struct plan_node *follow_edge(struct builder *b, struct plan_node *from,
                                     const struct defs_property *property) {
  for (struct plan_edge *edge = from->edges; edge; edge = edge->next)
    if (str_equal(edge->name, property->name))
      return edge->node;
  struct plan_edge *edge = ARENA_NEW(b->arena, struct plan_edge);
  struct plan_node *node = new_node(b, property->type, defs_element(property->element)->value_set);
  if (!edge || !node)
    return NULL;
  *edge = (struct plan_edge){.name = property->name, .node = node, .next = from->edges};
  from->edges = edge;
  from->edges_n++;
  return node;
}

static struct plan_node *follow_guard(struct builder *b, struct plan_node *from,
                                      const struct plan_guard *like) {
  for (struct plan_guard *guard = from->guards; guard; guard = guard->next)
    if (guard->kind == like->kind && guard->target == like->target &&
        str_equal(guard->name, like->name) && str_equal(guard->text, like->text))
      return guard->node;
  struct plan_guard *guard = ARENA_NEW(b->arena, struct plan_guard);
  struct plan_node *node = new_node(b, from->type, from->value_set);
  if (!guard || !node)
    return NULL;
  *guard = *like;
  guard->node = node;
  guard->next = from->guards;
  from->guards = guard;
  return node;
}

/* An element by its FHIRPath name: one property, or all that a choice has. */
static int step_member(struct builder *b, struct plan_node *from, struct str name,
                       struct cursors *out) {
  const struct defs_property *property = defs_property(from->type, name);
  if (property && str_equal(defs_element(property->element)->name, name))
    return add_cursor(b, out, follow_edge(b, from, property));
  size_t n;
  const struct defs_property *all = defs_properties_of(from->type, &n);
  for (size_t i = 0; i < n; i++)
    if (str_equal(defs_element(all[i].element)->name, name)) {
      int code = add_cursor(b, out, follow_edge(b, from, &all[i]));
      if (code != 0)
        return code;
    }
  return 0;
}

static int guard_all(struct builder *b, const struct cursors *in, const struct plan_guard *guard,
                     struct cursors *out) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < in->n; i++)
    code = add_cursor(b, out, follow_guard(b, in->at[i], guard));
  return code;
}

static const struct fhirpath_node *node_at(const struct builder *b, uint32_t index) {
  return &b->program->nodes[index];
}

static bool is_call(const struct fhirpath_node *node, const char *name) {
  return node->op == FHIRPATH_OP_CALL && strcmp(node->function->name, name) == 0;
}

static bool is_text(const struct fhirpath_node *node) {
  return node->op == FHIRPATH_OP_LITERAL && node->value.kind == FHIRPATH_STRING;
}

/* The conditions that R4's expressions use. */
static bool read_guard(const struct builder *b, const struct fhirpath_node *criterion,
                       struct plan_guard *ret_guard) {
  if (criterion->args_n == 0)
    return false;
  const struct fhirpath_node *left = node_at(b, criterion->args[0]);
  if (criterion->op == FHIRPATH_OP_IS && is_call(left, "resolve") && criterion->spec.type) {
    *ret_guard = (struct plan_guard){.kind = PLAN_GUARD_TARGET, .target = criterion->spec.type};
    return true;
  }
  if (is_call(criterion, "hasExtension") && is_text(left)) {
    *ret_guard = (struct plan_guard){.kind = PLAN_GUARD_EXTENSION, .text = left->value.text};
    return true;
  }
  if (criterion->op != FHIRPATH_OP_EQUAL || left->op != FHIRPATH_OP_MEMBER ||
      !is_text(node_at(b, criterion->args[1])))
    return false;
  *ret_guard = (struct plan_guard){.kind = PLAN_GUARD_MEMBER,
                                   .name = left->value.text,
                                   .text = node_at(b, criterion->args[1])->value.text};
  return true;
}

/* ---- Paths ----------------------------------------------------------------------------------- */

static int lay_path(struct builder *b, uint32_t index, const struct cursors *in,
                    struct cursors *out);

/* The type that `as` names. R4 writes value.as(DateTime) where it means dateTime. */
static defs_type_id type_of_spec(struct fhirpath_type_spec spec) {
  if (!spec.type && spec.system == FHIRPATH_DATETIME)
    return defs_type_by_name(STR("dateTime"));
  return spec.type;
}

/* The type itself: a canonical is no uri here, though it is derived from it (ConceptMap.source). */
static int keep_type(struct builder *b, struct fhirpath_type_spec spec, const struct cursors *in,
                     struct cursors *out) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < in->n; i++)
    if (in->at[i]->type == type_of_spec(spec))
      code = add_cursor(b, out, in->at[i]);
  return code;
}

static int lay_member(struct builder *b, const struct fhirpath_node *node, const struct cursors *in,
                      struct cursors *out) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < in->n; i++) {
    if (!node->spec.type)
      code = step_member(b, in->at[i], node->value.text, out);
    else if (defs_type_is_a(in->at[i]->type, node->spec.type))
      code = add_cursor(b, out, in->at[i]);
  }
  return code;
}

static int lay_extension(struct builder *b, struct str url, const struct cursors *in,
                         struct cursors *out) {
  struct cursors all = {.n = 0};
  struct plan_guard guard = {.kind = PLAN_GUARD_MEMBER, .name = STR("url"), .text = url};
  int code = 0;
  for (size_t i = 0; code == 0 && i < in->n; i++)
    code = step_member(b, in->at[i], STR("extension"), &all);
  return code != 0 ? code : guard_all(b, &all, &guard, out);
}

static int lay_call(struct builder *b, const struct fhirpath_node *node, const struct cursors *in,
                    struct cursors *out) {
  struct plan_guard guard;
  if (is_call(node, "as") || is_call(node, "ofType"))
    return keep_type(b, node->spec, in, out);
  if (is_call(node, "where") && read_guard(b, node_at(b, node->args[0]), &guard))
    return guard_all(b, in, &guard, out);
  if (is_call(node, "extension") && is_text(node_at(b, node->args[0])))
    return lay_extension(b, node_at(b, node->args[0])->value.text, in, out);
  return NOT_A_PATH;
}

static int lay_first(struct builder *b, const struct fhirpath_node *node, const struct cursors *in,
                     struct cursors *out) {
  const struct fhirpath_node *index = node_at(b, node->args[1]);
  struct plan_guard guard = {.kind = PLAN_GUARD_FIRST};
  struct cursors all = {.n = 0};
  if (index->op != FHIRPATH_OP_LITERAL || index->value.kind != FHIRPATH_INTEGER ||
      index->value.integer != 0)
    return NOT_A_PATH;
  int code = lay_path(b, node->args[0], in, &all);
  return code != 0 ? code : guard_all(b, &all, &guard, out);
}

static int lay_path(struct builder *b, uint32_t index, const struct cursors *in,
                    struct cursors *out) {
  const struct fhirpath_node *node = node_at(b, index);
  struct cursors middle = {.n = 0};
  int code;
  switch (node->op) {
  case FHIRPATH_OP_MEMBER:
    return lay_member(b, node, in, out);
  case FHIRPATH_OP_CALL:
    return lay_call(b, node, in, out);
  case FHIRPATH_OP_INDEXER:
    return lay_first(b, node, in, out);
  case FHIRPATH_OP_CONSTANT:
    if (!str_is(node->value.text, "resource") || !b->from_resource)
      return NOT_A_PATH;
    return add_cursor(b, out, b->from_resource);
  case FHIRPATH_OP_DOT:
    code = lay_path(b, node->args[0], in, &middle);
    return code != 0 ? code : lay_path(b, node->args[1], &middle, out);
  case FHIRPATH_OP_UNION:
    code = lay_path(b, node->args[0], in, out);
    return code != 0 ? code : lay_path(b, node->args[1], in, out);
  case FHIRPATH_OP_AS:
    code = lay_path(b, node->args[0], in, &middle);
    return code != 0 ? code : keep_type(b, node->spec, &middle, out);
  default:
    return NOT_A_PATH;
  }
}

/* ---- Parameters ------------------------------------------------------------------------------ */

static bool is_extension(const struct plan_node *node) {
  return defs_type(node->type)->builtin == DEFS_EXTENSION;
}

static int add_emit(struct builder *b, struct plan_node *node, enum search_type search,
                    defs_param_id param, uint16_t component) {
  plan_convert *convert = plan_converter(search, node->type);
  for (struct plan_emit *emit = node->emits; emit; emit = emit->next)
    if (emit->param == param && emit->component == component)
      return 0;
  b->emits_n += convert != NULL;
  if (!convert)
    return 0; /* such values have no index form (SampledData as quantity) */
  struct plan_emit *emit = ARENA_NEW(b->arena, struct plan_emit);
  if (!emit)
    return err_no_memory(b->err);
  *emit = (struct plan_emit){.convert = convert,
                             .param = param,
                             .component = component,
                             .value_set = node->value_set,
                             .type = node->type,
                             .next = node->emits};
  node->emits = emit;
  return 0;
}

/* A path that ends on an extension means the extension's value. */
static int add_emits(struct builder *b, const struct cursors *ends, enum search_type search,
                     defs_param_id param, uint16_t component) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < ends->n; i++) {
    if (!is_extension(ends->at[i])) {
      code = add_emit(b, ends->at[i], search, param, component);
      continue;
    }
    struct cursors values = {.n = 0};
    code = step_member(b, ends->at[i], STR("value"), &values);
    for (size_t k = 0; code == 0 && k < values.n; k++)
      code = add_emit(b, values.at[k], search, param, component);
  }
  return code;
}

static int lay_component(struct builder *b, uint16_t number, const struct plan_node *base,
                         defs_param_id param, struct plan_component **ret_component) {
  const struct defs_component *component = &b->components[number - 1];
  struct plan_component *c = ARENA_NEW(b->arena, struct plan_component);
  struct cursors start = {.n = 0}, ends = {.n = 0};
  if (!c || !(c->local = new_node(b, base->type, 0)) ||
      !(c->from_resource = new_node(b, b->plan->root.type, 0)))
    return err_no_memory(b->err);
  struct builder inner = {.arena = b->arena, .plan = b->plan, .param = b->param, .err = b->err};
  inner.from_resource = c->from_resource;
  start.at[start.n++] = c->local;
  int code = fhirpath_compile(b->arena, component->expression, base->type, &inner.program, b->err);
  if (code < 0)
    return code;
  code = lay_path(&inner, (uint32_t)(inner.program->nodes_n - 1), &start, &ends);
  if (code == 0)
    code = add_emits(&inner, &ends, defs_param(component->param)->type, param, number);
  if (code == NOT_A_PATH)
    return err_set_at(b->err, ERR_NOT_SUPPORTED, b->param->code,
                      "The component %.*s of this search parameter is no path.",
                      STR_ARG(component->expression));
  if (code == 0 && inner.emits_n == 0)
    b->has_empty_component = true;
  *ret_component = c;
  return code;
}

static int lay_composite(struct builder *b, struct plan_node *base, defs_param_id id) {
  struct plan_composite *composite = ARENA_NEW(b->arena, struct plan_composite);
  if (!composite)
    return err_no_memory(b->err);
  struct plan_component **last = &composite->components;
  for (uint16_t i = 0; i < b->param->components_n; i++) {
    int code = lay_component(b, (uint16_t)(i + 1), base, id, last);
    if (code != 0)
      return code;
    last = &(*last)->next;
  }
  composite->param = id;
  composite->next = base->composites;
  base->composites = composite;
  b->emits_n++;
  return 0;
}

static int add_general(struct builder *b, defs_param_id id) {
  struct plan_general *general = ARENA_NEW(b->arena, struct plan_general);
  if (!general)
    return err_no_memory(b->err);
  *general = (struct plan_general){id, b->program, b->plan->generals};
  b->plan->generals = general;
  return 0;
}

/* The store keeps id and time itself; _text, _content and _query have no expression. */
static bool is_indexed(const struct defs_param *param) {
  return param->expression.n > 0 && !str_is(param->code, "_id") &&
         !str_is(param->code, "_lastUpdated");
}

static int lay_param(struct builder *b, defs_param_id id) {
  const struct defs_param *param = b->param;
  struct cursors start = {.at = {&b->plan->root}, .n = 1}, ends = {.n = 0};
  int code = fhirpath_compile(b->arena, param->expression, b->plan->root.type, &b->program, b->err);
  if (code < 0)
    return code;
  code = lay_path(b, (uint32_t)(b->program->nodes_n - 1), &start, &ends);
  if (code == NOT_A_PATH && param->type != SEARCH_COMPOSITE)
    return add_general(b, id);
  if (code != 0)
    return code < 0 ? code
                    : err_set_at(b->err, ERR_NOT_SUPPORTED, param->code,
                                 "The expression of this composite search parameter is no path.");
  if (param->type != SEARCH_COMPOSITE)
    return add_emits(b, &ends, param->type, id, 0);
  for (size_t i = 0; code == 0 && i < ends.n; i++)
    code = lay_composite(b, ends.at[i], id);
  return code;
}

int plan_check(struct arena *arena, defs_type_id type, const struct defs_param *param,
               const struct defs_component *components, struct err *reterr) {
  struct plan *plan = ARENA_NEW(arena, struct plan);
  if (!plan)
    return err_no_memory(reterr);
  plan->root.type = type;
  struct builder b = {
      .arena = arena, .plan = plan, .param = param, .components = components, .err = reterr};
  int code = lay_param(&b, 0);
  if (code < 0)
    return code;
  if (!plan->generals && (b.emits_n == 0 || b.has_empty_component))
    return err_set_at(reterr, ERR_VALUE, param->code,
                      "The expression leads to nothing in %.*s that a parameter of this type can"
                      " be searched by.",
                      STR_ARG(defs_type(type)->name));
  return 0;
}

/* ---- The tables of edges --------------------------------------------------------------------- */

static int finish_node(struct builder *b, struct plan_node *node) {
  uint32_t slots_n = 4;
  while (slots_n < node->edges_n * 2)
    slots_n *= 2;
  if (node->edges_n) {
    node->table = ARENA_ARRAY(b->arena, const struct plan_edge *, slots_n);
    if (!node->table)
      return err_no_memory(b->err);
    node->mask = slots_n - 1;
  }
  int code = 0;
  for (struct plan_edge *edge = node->edges; code == 0 && edge; edge = edge->next) {
    uint32_t at = plan_hash(edge->name) & node->mask;
    while (node->table[at])
      at = (at + 1) & node->mask;
    node->table[at] = edge;
    code = finish_node(b, edge->node);
  }
  for (struct plan_guard *guard = node->guards; code == 0 && guard; guard = guard->next)
    code = finish_node(b, guard->node);
  for (struct plan_composite *c = node->composites; code == 0 && c; c = c->next)
    for (struct plan_component *part = c->components; code == 0 && part; part = part->next) {
      code = finish_node(b, part->local);
      if (code == 0)
        code = finish_node(b, part->from_resource);
    }
  return code;
}

int plan_build(struct arena *arena, defs_type_id type, const defs_param_id *params, size_t n,
               struct plan **ret_plan, struct err *reterr) {
  struct plan *plan = ARENA_NEW(arena, struct plan);
  if (!plan)
    return err_no_memory(reterr);
  plan->root.type = type;
  struct builder b = {.arena = arena, .plan = plan, .err = reterr};
  for (size_t i = 0; i < n; i++) {
    b.param = defs_param(params[i]);
    b.components = b.param->components_n ? defs_component(b.param->first_component) : NULL;
    int code = is_indexed(b.param) ? lay_param(&b, params[i]) : 0;
    if (code < 0)
      return code;
  }
  int code = finish_node(&b, &plan->root);
  if (code == 0)
    *ret_plan = plan;
  return code;
}
