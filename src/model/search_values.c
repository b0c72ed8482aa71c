/* The walk over a resource, along its type's plan. */
#include "model/search_values_plan.h"

/* Immutable once search_values_init has returned. */
static struct plan **plans;
static struct arena *plans_arena;

#define PLANS_MAX_BYTES ((size_t)256 << 20)

int search_values_init(struct err *reterr) {
  if (plans)
    return 0;
  struct arena *arena = arena_new(PLANS_MAX_BYTES);
  if (!arena)
    return err_no_memory(reterr);
  size_t n = defs_types_count();
  struct plan **built = ARENA_ARRAY(arena, struct plan *, n + 1);
  int code = built ? 0 : err_no_memory(reterr);
  for (size_t id = 1; code == 0 && id <= n; id++)
    if (defs_is_resource(defs_type((defs_type_id)id)))
      code = plan_build(arena, (defs_type_id)id, &built[id], reterr);
  if (code < 0) {
    arena_free(arena);
    return code;
  }
  plans_arena = arena;
  plans = built;
  return 0;
}

/* ---- Guards ---------------------------------------------------------------------------------- */

static bool has_extension(const struct yyjson_val *value, struct str url) {
  struct json_each each = json_each(json_get(value, STR("extension")));
  while (json_next(&each))
    if (str_equal(json_get_text(each.value, STR("url")), url))
      return true;
  return false;
}

/* The type of what `#id` names in the resource itself. */
static defs_type_id contained_type(const struct extraction *x, struct str id) {
  struct json_each each = json_each(json_get(x->resource, STR("contained")));
  while (json_next(&each))
    if (str_equal(json_get_text(each.value, STR("id")), id))
      return defs_type_by_name(json_get_text(each.value, STR("resourceType")));
  return 0;
}

static bool leads_to(const struct extraction *x, const struct yyjson_val *reference,
                     defs_type_id target) {
  struct str text = json_kind(reference) == JSON_OBJECT ? json_get_text(reference, STR("reference"))
                                                        : json_text(reference);
  defs_type_id type = 0;
  if (text.n > 1 && text.p[0] == '#')
    type = contained_type(x, str_slice(text, 1, text.n));
  else if (text.n > 0)
    type = search_reference_type(text);
  if (!type)
    type = defs_type_by_name(json_get_text(reference, STR("type")));
  return defs_type_is_a(type, target) && type != 0;
}

static bool holds(const struct extraction *x, const struct plan_guard *guard,
                  const struct yyjson_val *value, size_t index) {
  switch (guard->kind) {
  case PLAN_GUARD_MEMBER:
    return str_equal(json_get_text(value, guard->name), guard->text);
  case PLAN_GUARD_TARGET:
    return leads_to(x, value, guard->target);
  case PLAN_GUARD_EXTENSION:
    return has_extension(value, guard->text);
  case PLAN_GUARD_FIRST:
    return index == 0;
  }
  return false;
}

/* ---- The walk -------------------------------------------------------------------------------- */

static int walk(struct extraction *x, const struct plan_node *node, const struct yyjson_val *value,
                size_t index);

/* All components of one instance, or nothing: a tuple with a missing component matches no query. */
static int walk_composite(struct extraction *x, const struct plan_composite *composite,
                          const struct yyjson_val *value) {
  size_t start = x->rows.n;
  uint32_t outer = x->tuple;
  x->tuple = ++x->tuples_n;
  int code = 0;
  bool is_whole = true;
  for (const struct plan_component *part = composite->components; part && is_whole && code == 0;
       part = part->next) {
    size_t before = x->rows.n;
    code = walk(x, part->local, value, 0);
    if (code == 0)
      code = walk(x, part->from_resource, x->resource, 0);
    is_whole = x->rows.n > before;
  }
  if (!is_whole)
    x->rows.n = start;
  x->tuple = outer;
  return code;
}

static const struct plan_edge *find_edge(const struct plan_node *node, struct str name) {
  if (name.n == 0)
    return NULL;
  for (uint32_t at = plan_hash(name) & node->mask;; at = (at + 1) & node->mask) {
    const struct plan_edge *edge = node->table[at];
    if (!edge || (edge->name.n == name.n && memcmp(edge->name.p, name.p, name.n) == 0))
      return edge;
  }
}

static int walk_members(struct extraction *x, const struct plan_node *node,
                        const struct yyjson_val *value) {
  struct json_each each = json_each(value);
  while (json_next(&each)) {
    const struct plan_edge *edge = find_edge(node, each.name);
    if (!edge)
      continue;
    if (json_kind(each.value) != JSON_ARRAY) {
      int code = walk(x, edge->node, each.value, 0);
      if (code < 0)
        return code;
      continue;
    }
    struct json_each items = json_each(each.value);
    while (json_next(&items)) {
      int code = walk(x, edge->node, items.value, items.index);
      if (code < 0)
        return code;
    }
  }
  return 0;
}

static int walk(struct extraction *x, const struct plan_node *node, const struct yyjson_val *value,
                size_t index) {
  int code = 0;
  if (json_kind(value) == JSON_NULL)
    return 0;
  for (const struct plan_emit *emit = node->emits; emit && code == 0; emit = emit->next)
    code = emit->convert(x, emit, value);
  for (const struct plan_guard *guard = node->guards; guard && code == 0; guard = guard->next)
    if (holds(x, guard, value, index))
      code = walk(x, guard->node, value, index);
  for (const struct plan_composite *c = node->composites; c && code == 0; c = c->next)
    code = walk_composite(x, c, value);
  if (code == 0 && node->table && json_kind(value) == JSON_OBJECT)
    code = walk_members(x, node, value);
  return code;
}

/* ---- Expressions that are no paths ----------------------------------------------------------- */

static int convert_computed(struct extraction *x, defs_param_id param,
                            const struct fhirpath_value *v) {
  enum search_type search = defs_param(param)->type;
  if (v->kind == FHIRPATH_NODE) {
    struct plan_emit emit = {.param = param, .type = v->type};
    emit.convert = plan_converter(search, v->type);
    return emit.convert && v->node ? emit.convert(x, &emit, v->node) : 0;
  }
  if (search != SEARCH_TOKEN)
    return err_set_at(x->err, ERR_NOT_SUPPORTED, defs_param(param)->code,
                      "This search parameter computes values that can't be indexed.");
  struct search_value *row = VEC_PUSH(x->arena, &x->rows);
  if (!row)
    return err_no_memory(x->err);
  row->param = param;
  row->type = search;
  row->token.code = v->text;
  return 0;
}

static int run_general(struct extraction *x, const struct plan_general *general,
                       defs_type_id type) {
  struct fhirpath_context context = {.resource = x->resource, .now_us = 1};
  struct fhirpath_values values;
  int code =
      fhirpath_eval(x->arena, general->program, x->resource, type, &context, &values, x->err);
  if (code < 0)
    return code;
  for (size_t i = 0; code == 0 && i < values.n; i++)
    code = convert_computed(x, general->param, &values.p[i]);
  return code;
}

int search_values_extract(struct arena *arena, const struct yyjson_val *resource,
                          struct search_values *ret_values, struct err *reterr) {
  defs_type_id type = defs_type_by_name(json_get_text(resource, STR("resourceType")));
  const struct plan *plan = plans && type ? plans[type] : NULL;
  if (!plan)
    return err_set(reterr, ERR_STRUCTURE, "resourceType", "This is not an R4 resource.");
  struct extraction x = {.arena = arena, .resource = resource, .err = reterr};
  int code = walk(&x, &plan->root, resource, 0);
  for (const struct plan_general *g = plan->generals; g && code == 0; g = g->next)
    code = run_general(&x, g, type);
  if (code == 0)
    *ret_values = (struct search_values){x.rows.p, x.rows.n};
  return code;
}
