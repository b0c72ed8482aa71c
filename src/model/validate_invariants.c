/*
 * The rules that the definitions write in FHIRPath.
 *
 * Those of severity error are compiled once, by type, inherited ones included. A few have an equal
 * in the walk itself, which is faster and says more; these are left out here.
 */
#include "model/fhirpath.h"
#include "model/validate_internal.h"

/* Of all compiled expressions; about a megabyte is used. */
#define PROGRAMS_MAX_BYTES ((size_t)64 << 20)
/* Of one evaluation. */
#define SCRATCH_MAX_BYTES ((size_t)16 << 20)

/* Checked by the walk: check_object and check_extra, check_extension, validate_contained_use,
 * check_local, xhtml_fault. */
static const char *const checked_elsewhere[] = {"ele-1", "ext-1", "dom-3",
                                                "ref-1", "txt-1", "txt-2"};

/* These are about contained resources, and hold where there are none: nearly everywhere. */
static const char *const about_contained[] = {"dom-2", "dom-4", "dom-5"};

struct rule {
  const struct defs_invariant *invariant;
  const struct fhirpath *program; /* NULL: its expression isn't supported */
  uint32_t element;               /* 0: on the type itself, else on this child */
  bool is_about_contained;
};

struct rules {
  struct rule *p;
  size_t n;
};

/* Written once, before the first validation. */
static struct {
  struct arena *arena;
  struct rules *by_type;
} compiled;

static bool is_one_of(struct str key, const char *const *keys, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (str_is(key, keys[i]))
      return true;
  return false;
}
#define IS_ONE_OF(key, keys) is_one_of((key), (keys), sizeof(keys) / sizeof *(keys))

/* The element of `type` that an invariant of its base `owner` is on; 0: the type itself. */
static uint32_t element_of(const struct defs_type *type, const struct defs_type *owner,
                           const struct defs_invariant *invariant) {
  struct str below = str_slice(invariant->path, owner->name.n, invariant->path.n);
  for (uint32_t i = 0; i < type->elements_n && below.n > 0; i++) {
    struct str path = defs_element(type->first_element + i)->path;
    if (str_equal(str_slice(path, type->name.n, path.n), below))
      return type->first_element + i;
  }
  return 0;
}

/* An expression on a child is compiled for the child's type where it has only one. */
static defs_type_id input_type(defs_type_id type, uint32_t element) {
  if (!element)
    return type;
  const struct defs_element *e = defs_element(element);
  return e->types_n == 1 ? defs_element_type(e->first_type)->type : 0;
}

static int compile_type(struct arena *arena, defs_type_id type, struct rules *ret_rules,
                        struct err *reterr) {
  VEC(struct rule) rules = {0};
  for (defs_type_id t = type; t; t = defs_type(t)->base) {
    const struct defs_type *owner = defs_type(t);
    for (uint32_t i = 0; i < owner->invariants_n; i++) {
      const struct defs_invariant *invariant = defs_invariant(owner->first_invariant + i);
      if (!invariant->is_error || str_is_empty(invariant->expression) ||
          IS_ONE_OF(invariant->key, checked_elsewhere))
        continue;
      struct rule rule = {.invariant = invariant,
                          .element = element_of(defs_type(type), owner, invariant),
                          .is_about_contained = IS_ONE_OF(invariant->key, about_contained)};
      struct err err;
      int code = fhirpath_compile(arena, invariant->expression, input_type(type, rule.element),
                                  &rule.program, &err);
      if (code == ERR_NO_MEMORY)
        return err_no_memory(reterr);
      if (code < 0)
        rule.program = NULL;
      struct rule *added = VEC_PUSH(arena, &rules);
      if (!added)
        return err_no_memory(reterr);
      *added = rule;
    }
  }
  *ret_rules = (struct rules){rules.p, rules.n};
  return 0;
}

int validate_init(struct err *reterr) {
  if (compiled.by_type)
    return 0;
  struct arena *arena = arena_new(PROGRAMS_MAX_BYTES);
  struct rules *by_type = arena ? ARENA_ARRAY(arena, struct rules, defs_types_count() + 1) : NULL;
  if (!by_type) {
    arena_free(arena);
    return err_no_memory(reterr);
  }
  for (size_t type = 1; type <= defs_types_count(); type++) {
    int code = compile_type(arena, (defs_type_id)type, &by_type[type], reterr);
    if (code < 0) {
      arena_free(arena);
      return code;
    }
  }
  compiled.arena = arena;
  compiled.by_type = by_type;
  return 0;
}

enum outcome { HOLDS, FAILS, UNKNOWN };

/* An expression holds when it gives true. Empty is neither: it could not be decided. */
static enum outcome evaluate(struct validator *v, const struct rule *rule,
                             const struct yyjson_val *value, defs_type_id type) {
  struct fhirpath_context context = {.resource = v->resource,
                                     .root_resource = v->container.resource};
  struct fhirpath_values values;
  struct err err;
  if (!rule->program)
    return UNKNOWN;
  arena_reset(v->scratch);
  if (fhirpath_eval(v->scratch, rule->program, value, type, &context, &values, &err) < 0 ||
      values.n != 1)
    return UNKNOWN;
  const struct fhirpath_value *result = &values.p[0];
  if (result->kind == FHIRPATH_NODE)
    return json_kind(result->node) != JSON_BOOL || json_is_true(result->node) ? HOLDS : FAILS;
  return result->kind != FHIRPATH_BOOLEAN || result->integer ? HOLDS : FAILS;
}

static void check(struct validator *v, const struct rule *rule, const struct yyjson_val *value,
                  defs_type_id type, const struct place *place) {
  enum outcome outcome = evaluate(v, rule, value, type);
  v->issues->skipped_n += outcome == UNKNOWN;
  if (outcome == FAILS)
    validate_report(v, place, ERR_INVARIANT, "%.*s (%.*s)", STR_ARG(rule->invariant->human),
                    STR_ARG(rule->invariant->key));
}

/* A rule on a child: on each of its values. */
static void check_child(struct validator *v, const struct rule *rule, defs_type_id type,
                        const struct yyjson_val *json, const struct place *place) {
  struct json_each each = json_each(json);
  while (json_next(&each)) {
    const struct defs_property *property = defs_property(type, each.name);
    if (!property || property->element != rule->element)
      continue;
    struct place child = place_of(place, defs_element(rule->element)->name);
    if (json_kind(each.value) != JSON_ARRAY) {
      check(v, rule, each.value, property->type, &child);
      continue;
    }
    struct json_each item = json_each(each.value);
    while (json_next(&item)) {
      child.index = (ssize_t)item.index;
      check(v, rule, item.value, property->type, &child);
    }
  }
}

void validate_invariants(struct validator *v, defs_type_id type, const struct yyjson_val *json,
                         const struct place *place) {
  if (!compiled.by_type) { /* no validate_init: none was decided */
    v->issues->skipped_n++;
    return;
  }
  if (!v->scratch && !(v->scratch = arena_new(SCRATCH_MAX_BYTES))) {
    v->has_no_memory = v->is_full = true;
    return;
  }
  const struct rules *rules = &compiled.by_type[type];
  bool has_contained = json_get(json, STR("contained")) != NULL;
  for (size_t i = 0; i < rules->n && !v->is_full; i++) {
    const struct rule *rule = &rules->p[i];
    if (rule->is_about_contained && !has_contained)
      continue;
    if (rule->element)
      check_child(v, rule, type, json, place);
    else
      check(v, rule, json, type, place);
  }
}
