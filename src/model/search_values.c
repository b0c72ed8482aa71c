/* The walk over a resource, along its type's plan. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "model/parameters.h"
#include "model/search_values_plan.h"
#include "model/search_values_union.h"

/* Immutable once search_values_init has returned. */
static struct plan **plans;
static struct arena *plans_arena;
static pthread_mutex_t init_lock = PTHREAD_MUTEX_INITIALIZER;

/* The plan of a type that has other parameters than the compiled ones. */
struct custom_plan {
  struct arena *arena;
  const struct plan *plan;
  size_t users_n; /* extractions, and its place in the table */
};
static struct custom_plan **custom_plans; /* by type; under the lock */
static pthread_mutex_t custom_lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool has_custom; /* without them the lock is left alone */

#define PLANS_MAX_BYTES ((size_t)256 << 20)

static int build_plans(struct err *reterr) {
  struct arena *arena = arena_new(PLANS_MAX_BYTES);
  if (!arena)
    return err_no_memory(reterr);
  size_t n = defs_types_count();
  struct plan **built = ARENA_ARRAY(arena, struct plan *, n + 1);
  int code = built ? search_unions_init(reterr) : err_no_memory(reterr);
  for (size_t id = 1; code == 0 && id <= n; id++)
    if (defs_is_resource(defs_type((defs_type_id)id))) {
      size_t params_n;
      const defs_param_id *params = defs_params_of((defs_type_id)id, &params_n);
      code = plan_build(arena, (defs_type_id)id, params, params_n, &built[id], reterr);
    }
  if (code < 0) {
    arena_free(arena);
    return code;
  }
  plans_arena = arena;
  plans = built;
  return 0;
}

int search_values_init(struct err *reterr) {
  pthread_mutex_lock(&init_lock); /* two stores may be opened at once */
  int code = plans ? 0 : build_plans(reterr);
  pthread_mutex_unlock(&init_lock);
  return code;
}

/* ---- Plans that are exchanged ---------------------------------------------------------------- */

static void leave_plan(struct custom_plan *custom) {
  if (!custom)
    return;
  pthread_mutex_lock(&custom_lock);
  bool is_last = --custom->users_n == 0;
  pthread_mutex_unlock(&custom_lock);
  if (!is_last)
    return;
  arena_free(custom->arena);
  free(custom);
}

/* The type's plan; `*ret_custom` is to be left afterwards. */
static const struct plan *enter_plan(defs_type_id type, struct custom_plan **ret_custom) {
  *ret_custom = NULL;
  if (atomic_load_explicit(&has_custom, memory_order_acquire)) {
    pthread_mutex_lock(&custom_lock);
    *ret_custom = custom_plans[type];
    if (*ret_custom)
      (*ret_custom)->users_n++;
    pthread_mutex_unlock(&custom_lock);
  }
  return *ret_custom ? (*ret_custom)->plan : plans[type];
}

int plan_exchange(defs_type_id type, struct arena *arena, struct plan *plan, struct err *reterr) {
  struct custom_plan *custom = plan ? calloc(1, sizeof *custom) : NULL;
  pthread_mutex_lock(&custom_lock);
  if (!custom_plans)
    custom_plans = calloc(defs_types_count() + 1, sizeof(struct custom_plan *));
  bool is_ready = custom_plans && (custom || !plan);
  struct custom_plan *old = NULL;
  if (is_ready) {
    if (custom)
      *custom = (struct custom_plan){.arena = arena, .plan = plan, .users_n = 1};
    old = custom_plans[type];
    custom_plans[type] = custom;
    atomic_store_explicit(&has_custom, true, memory_order_release);
  }
  pthread_mutex_unlock(&custom_lock);
  leave_plan(old);
  if (is_ready)
    return 0;
  free(custom);
  arena_free(arena);
  return err_no_memory(reterr);
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

/* A value that stands in no element. False where the parameter's type has no such values. */
static bool fill_computed(struct arena *arena, struct str text, struct search_value *row) {
  char number[64];
  switch (row->type) {
  case SEARCH_TOKEN:
    row->token.code = text;
    return true;
  case SEARCH_STRING:
    row->string.exact = text;
    row->string.folded = search_normal_string(arena, text);
    return true;
  case SEARCH_URI:
    row->uri = text;
    return true;
  case SEARCH_DATE:
    return search_normal_date(text, &row->date.from_us, &row->date.to_us);
  case SEARCH_NUMBER:
    if (text.n == 0 || text.n >= sizeof number ||
        !search_normal_number(text, &row->number.from, &row->number.to))
      return false;
    memcpy(number, text.p, text.n);
    number[text.n] = '\0';
    row->number.from = row->number.to = strtod(number, NULL);
    return true;
  default:
    return false;
  }
}

static int convert_computed(struct extraction *x, defs_param_id param,
                            const struct fhirpath_value *v) {
  enum search_type search = defs_param(param)->type;
  if (v->kind == FHIRPATH_NODE) {
    struct plan_emit emit = {.param = param, .type = v->type};
    emit.convert = plan_converter(search, v->type);
    return emit.convert && v->node ? emit.convert(x, &emit, v->node) : 0;
  }
  struct search_value row = {.param = param, .type = search};
  if (!fill_computed(x->arena, v->text, &row))
    return err_set_at(x->err, ERR_NOT_SUPPORTED, defs_param(param)->code,
                      "This search parameter computes values that can't be indexed.");
  struct search_value *place = VEC_PUSH(x->arena, &x->rows);
  if (!place)
    return err_no_memory(x->err);
  *place = row;
  return 0;
}

/* Each write pays for it. */
#define CUSTOM_STEPS_MAX 100000

static int run_general(struct extraction *x, const struct plan_general *general,
                       defs_type_id type) {
  struct fhirpath_context context = {.resource = x->resource, .now_us = 1};
  if (general->param > defs_params_count())
    context.max_steps = CUSTOM_STEPS_MAX;
  struct fhirpath_values values;
  int code =
      fhirpath_eval(x->arena, general->program, x->resource, type, &context, &values, x->err);
  if (code < 0)
    return code;
  for (size_t i = 0; code == 0 && i < values.n; i++)
    code = convert_computed(x, general->param, &values.p[i]);
  return code;
}

/* What an administrator's expression can't be evaluated on has no values there; the resource is not
 * to blame. */
static int run_general_of(struct extraction *x, const struct plan_general *general,
                          defs_type_id type) {
  if (general->param <= defs_params_count())
    return run_general(x, general, type);
  size_t start = x->rows.n;
  struct err *err = x->err, ignored;
  x->err = &ignored;
  int code = run_general(x, general, type);
  x->err = err;
  if (code == 0)
    return 0;
  x->rows.n = start;
  return code == ERR_NO_MEMORY ? err_no_memory(err) : 0;
}

/* What `_contained` asks for: of which types the contained resources are. */
static int list_contained(struct arena *arena, const struct yyjson_val *resource,
                          struct search_values *values, struct err *reterr) {
  const struct yyjson_val *contained = json_get(resource, STR("contained"));
  if (!contained)
    return 0;
  struct json_each each = json_each(contained);
  VEC(defs_type_id) types = {0};
  while (json_next(&each)) {
    defs_type_id type = defs_type_by_name(json_get_text(each.value, STR("resourceType")));
    if (!type)
      continue;
    defs_type_id *place = VEC_PUSH(arena, &types);
    if (!place)
      return err_no_memory(reterr);
    *place = type;
  }
  values->contained = types.p;
  values->contained_n = types.n;
  return 0;
}

int search_values_extract(struct arena *arena, const struct yyjson_val *resource,
                          struct search_values *ret_values, struct err *reterr) {
  defs_type_id type = defs_type_by_name(json_get_text(resource, STR("resourceType")));
  if (!plans || !type || !plans[type])
    return err_set(reterr, ERR_STRUCTURE, "resourceType", "This is not an R4 resource.");
  struct custom_plan *custom;
  uint32_t generation = parameters_generation(); /* first: the plan may be newer, never older */
  const struct plan *plan = enter_plan(type, &custom);
  struct extraction x = {.arena = arena, .resource = resource, .err = reterr};
  int code = walk(&x, &plan->root, resource, 0);
  for (const struct plan_general *g = plan->generals; g && code == 0; g = g->next)
    code = run_general_of(&x, g, type);
  leave_plan(custom);
  if (code)
    return code;
  *ret_values = (struct search_values){.p = x.rows.p, .n = x.rows.n, .generation = generation};
  return list_contained(arena, resource, ret_values, reterr);
}
