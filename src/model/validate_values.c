#include "model/validate_internal.h"

#include "base/id.h"

/* At least one coding of the concept must be in the value set. */
static bool has_bound_coding(const struct defs_element *element, const struct yyjson_val *concept) {
  struct json_each each = json_each(json_get(concept, STR("coding")));
  while (json_next(&each)) {
    struct str code = json_get_text(each.value, STR("code"));
    if (code.n > 0 &&
        defs_value_set_has(element->value_set, json_get_text(each.value, STR("system")), code))
      return true;
  }
  return false;
}

static void check_binding(struct validator *v, const struct defs_element *element,
                          enum defs_builtin type, const struct yyjson_val *value,
                          const struct place *place) {
  if (!defs_value_set_is_enumerable(element->value_set))
    return;
  bool is_in;
  if (type == DEFS_CODEABLE_CONCEPT) {
    is_in = has_bound_coding(element, value);
  } else {
    struct str code = json_get_text(value, STR("code"));
    is_in = code.n == 0 ||
            defs_value_set_has(element->value_set, json_get_text(value, STR("system")), code);
  }
  if (!is_in)
    validate_report(v, place, ERR_CODE_INVALID,
                    "There is no code of the value set %.*s, which is required here.",
                    STR_ARG(element->value_set_url));
}

static void list_contained(struct validator *v) {
  map_init(&v->container.contained, v->arena);
  v->container.is_listed = true;
  struct json_each each = json_each(json_get(v->container.resource, STR("contained")));
  while (json_next(&each)) {
    struct str id = json_get_text(each.value, STR("id"));
    struct contained *contained = id.n > 0 ? ARENA_NEW(v->arena, struct contained) : NULL;
    if (contained)
      contained->resource = each.value;
    if (id.n > 0 && (!contained || map_set(&v->container.contained, id, contained) < 0))
      v->has_no_memory = v->is_full = true;
  }
}

static struct contained *find_contained(struct validator *v, struct str id) {
  if (!v->container.is_listed)
    list_contained(v);
  return map_get(&v->container.contained, id);
}

/* The contained resource that "#id" means; NULL when there is none. */
static const struct yyjson_val *contained_resource(struct validator *v, struct str id) {
  const struct contained *found = find_contained(v, id);
  return found ? found->resource : NULL;
}

void validate_note_local(struct validator *v, struct str reference) {
  struct str id = str_slice(reference, 1, reference.n);
  if (id.n == 0 && v->resource != v->container.resource) /* this one leads to its container */
    id = json_get_text(v->resource, STR("id"));
  struct contained *found = find_contained(v, id);
  if (found)
    found->is_used = true;
}

void validate_contained_use(struct validator *v, const struct place *place) {
  struct place at = place_of(place, STR("contained"));
  struct json_each each = json_each(json_get(v->container.resource, STR("contained")));
  while (json_next(&each) && !v->is_full) {
    const struct contained *found = find_contained(v, json_get_text(each.value, STR("id")));
    at.index = (ssize_t)each.index;
    if (found && !found->is_used)
      validate_report(v, &at, ERR_INVARIANT,
                      "Nothing in the resource leads to this contained one (dom-3).");
  }
}

static bool is_target(const struct defs_element_type *allowed, defs_type_id type) {
  if (!allowed || allowed->targets_n == 0)
    return true;
  for (uint32_t i = 0; i < allowed->targets_n; i++)
    if (defs_type_is_a(type, defs_target(allowed->first_target + i)))
      return true;
  return false;
}

static void check_target(struct validator *v, const struct defs_element_type *allowed,
                         defs_type_id type, const struct place *place) {
  if (is_target(allowed, type))
    return;
  char names[160] = "";
  size_t n = 0;
  for (uint32_t i = 0; i < allowed->targets_n && n < sizeof names; i++)
    n += (size_t)snprintf(names + n, sizeof names - n, "%s%.*s", i ? ", " : "",
                          STR_ARG(defs_type(defs_target(allowed->first_target + i))->name));
  if (n >= sizeof names)
    snprintf(names + sizeof names - 4, 4, "...");
  validate_report(v, place, ERR_VALUE, "This leads to a %.*s; it may lead to: %s.",
                  STR_ARG(defs_type(type)->name), names);
}

/* "#id": ref-1. "#" alone is the container. */
static void check_local(struct validator *v, const struct defs_element_type *allowed,
                        struct str reference, const struct place *place) {
  struct str id = str_slice(reference, 1, reference.n);
  validate_note_local(v, reference);
  const struct yyjson_val *target = id.n == 0 ? v->container.resource : contained_resource(v, id);
  if (!target) {
    validate_report(v, place, ERR_INVARIANT,
                    "There is no contained resource with the id that this leads to (ref-1).");
    return;
  }
  defs_type_id type = defs_type_by_name(json_get_text(target, STR("resourceType")));
  if (type) /* else reported where it stands */
    check_target(v, allowed, type, place);
}

/* Has it a scheme ("http:", "urn:")? */
static bool is_absolute(struct str reference) {
  for (size_t i = 0; i < reference.n; i++) {
    char c = reference.p[i];
    if (c == ':')
      return i > 0;
    if (c == '/' || c == '?' || c == '#')
      return false;
  }
  return false;
}

/* "Patient/1", "Patient/1/_history/2", or conditional in a transaction: "Patient?identifier=..." */
static void check_relative(struct validator *v, const struct defs_element_type *allowed,
                           struct str reference, const struct place *place) {
  size_t n = 0;
  while (n < reference.n && reference.p[n] != '/' && reference.p[n] != '?')
    n++;
  defs_type_id type = defs_type_by_name(str_slice(reference, 0, n));
  struct str rest = str_slice(reference, n + 1, reference.n), id = STR_NULL, history = STR_NULL,
             version = STR_NULL;
  bool is_conditional = n < reference.n && reference.p[n] == '?';
  bool is_good = defs_is_resource(defs_type(type)) && rest.n > 0;
  if (is_good && !is_conditional) {
    (void)str_split(&rest, '/', &id);
    is_good = id_is_fhir_id(id);
    if (str_split(&rest, '/', &history))
      is_good &= str_is(history, "_history") && str_split(&rest, '/', &version) &&
                 id_is_fhir_id(version) && !rest.p;
  }
  if (!is_good)
    validate_report(v, place, ERR_VALUE,
                    "A relative reference must be a resource type, '/' and an id, like Patient/1.");
  else
    check_target(v, allowed, type, place);
}

static const struct defs_element_type *type_of(const struct defs_element *element,
                                               defs_type_id type) {
  for (uint32_t i = 0; i < element->types_n; i++)
    if (defs_element_type(element->first_type + i)->type == type)
      return defs_element_type(element->first_type + i);
  return NULL;
}

static void check_reference(struct validator *v, const struct defs_element_type *allowed,
                            const struct yyjson_val *value, const struct place *place) {
  struct str reference = json_get_text(value, STR("reference"));
  struct place at = place_of(place, STR("reference"));
  if (reference.n > 0 && reference.p[0] == '#')
    check_local(v, allowed, reference, &at);
  else if (reference.n > 0 && !is_absolute(reference))
    check_relative(v, allowed, reference, &at);
  /* A type that FHIR doesn't define is a logical model's, which may be given as a URL. */
  defs_type_id type = defs_type_by_name(json_get_text(value, STR("type")));
  at = place_of(place, STR("type"));
  if (defs_is_resource(defs_type(type)))
    check_target(v, allowed, type, &at);
}

void validate_value(struct validator *v, const struct defs_element *element, defs_type_id type,
                    const struct yyjson_val *value, const struct place *place) {
  enum defs_builtin builtin = defs_type(type)->builtin;
  const struct defs_element_type *allowed = type_of(element, type);
  if (builtin == DEFS_REFERENCE)
    check_reference(v, allowed, value, place);
  else if (element->value_set)
    check_binding(v, element, builtin, value, place);
  if (allowed && allowed->is_simple_quantity && json_get(value, STR("comparator")))
    validate_report(v, place, ERR_INVARIANT, "There must be no comparator here (sqty-1).");
}
