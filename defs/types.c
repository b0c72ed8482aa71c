/* StructureDefinition -> types, elements, properties, invariants. */
#include "fhir.h"

#define PROFILE_BASE "http://hl7.org/fhir/StructureDefinition/"

/* The version of the canonical is dropped. */
static struct str without_version(struct str canonical) {
  ssize_t bar = str_find_char(canonical, '|', 0);
  return bar < 0 ? canonical : str_slice(canonical, 0, (size_t)bar);
}

static struct str after_last(struct str s, char c) {
  size_t from = s.n;
  while (from > 0 && s.p[from - 1] != c)
    from--;
  return str_slice(s, from, s.n - from);
}

static struct str before_last(struct str s, char c) {
  for (size_t i = s.n; i > 0; i--)
    if (s.p[i - 1] == c)
      return str_slice(s, 0, i - 1);
  return STR_NULL;
}

static struct json_each snapshot(const struct yyjson_val *definition) {
  const struct yyjson_val *elements =
      json_get(json_get(definition, STR("snapshot")), STR("element"));
  if (json_kind(elements) != JSON_ARRAY)
    fail("%.*s has no snapshot", STR_ARG(json_get_text(definition, STR("url"))));
  return json_each(elements);
}

static bool is_parent_of(struct str path, struct str child) {
  return child.n > path.n && child.p[path.n] == '.' && str_starts_with(child, path) &&
         str_find_char(child, '.', path.n + 1) < 0;
}

static enum defs_builtin builtin_of(struct str name) {
#define X(builtin, type)                                                                           \
  if (str_is(name, type))                                                                          \
    return builtin;
  DEFS_BUILTIN_TABLE(X)
#undef X
  return DEFS_BUILTIN_NONE;
}

static void add_type(struct compile *c, struct str name, enum defs_kind kind,
                     const struct yyjson_val *definition, size_t snapshot_at) {
  if (c->types.n > UINT16_MAX - 1)
    fail("too many types");
  set_number(&c->type_ids, name, (uint32_t)c->types.n);
  *PUSH(c, &c->types) =
      (struct defs_type){.name = name,
                         .kind = kind,
                         .builtin = builtin_of(name),
                         .is_abstract = json_is_true(json_get(definition, STR("abstract")))};
  *PUSH(c, &c->sources) = (struct source_type){definition, snapshot_at};
}

/* An element with children in the snapshot is a type of its own. */
static void add_backbones(struct compile *c, const struct yyjson_val *definition) {
  struct str previous = STR_NULL;
  struct json_each each = snapshot(definition);
  while (json_next(&each)) {
    struct str path = json_get_text(each.value, STR("path"));
    if (is_parent_of(previous, path) && !map_get(&c->type_ids, previous)) {
      add_type(c, previous, DEFS_KIND_BACKBONE, definition, each.index - 1);
      c->types.p[c->types.n - 1].is_abstract = false;
    }
    previous = path;
  }
}

static enum defs_kind kind_of(const struct yyjson_val *definition) {
  struct str kind = json_get_text(definition, STR("kind"));
  if (str_is(kind, "primitive-type"))
    return DEFS_KIND_PRIMITIVE;
  if (str_is(kind, "complex-type"))
    return DEFS_KIND_COMPLEX;
  return str_is(kind, "resource") ? DEFS_KIND_RESOURCE : DEFS_KIND_NONE;
}

/* Every type of the specification: no profile (derivation constraint), no logical model. */
static void add_types(struct compile *c, const struct yyjson_val *bundle) {
  struct json_each each = json_each(json_get(bundle, STR("entry")));
  while (json_next(&each)) {
    const struct yyjson_val *definition = json_get(each.value, STR("resource"));
    if (!str_is(json_get_text(definition, STR("resourceType")), "StructureDefinition") ||
        str_is(json_get_text(definition, STR("derivation")), "constraint") ||
        kind_of(definition) == DEFS_KIND_NONE)
      continue;
    add_type(c, json_get_text(definition, STR("type")), kind_of(definition), definition, 0);
    add_backbones(c, definition);
  }
}

static const struct yyjson_val *extension(const struct yyjson_val *element, const char *url,
                                          struct str member) {
  struct json_each each = json_each(json_get(element, STR("extension")));
  while (json_next(&each))
    if (str_is(json_get_text(each.value, STR("url")), url))
      return json_get(each.value, member);
  return NULL;
}

/* FHIRPath's own types stand where the definitions would go in circles: ids and Extension.url. */
static struct str type_code(const struct compile *c, struct str path,
                            const struct yyjson_val *type) {
  struct str code = json_get_text(type, STR("code"));
  if (!str_starts_with(code, STR("http://hl7.org/fhirpath/")))
    return code;
  struct str owner = before_last(path, '.');
  if (str_is(after_last(path, '.'), "id") &&
      c->types.p[type_id(c, owner)].kind == DEFS_KIND_RESOURCE)
    return STR("id"); /* the specification's text; its snapshot says string */
  code = json_text(extension(type, PROFILE_BASE "structuredefinition-fhir-type", STR("valueUrl")));
  return str_is_empty(code) ? STR("string") : code;
}

static void add_targets(struct compile *c, const struct yyjson_val *type,
                        struct defs_element_type *element_type) {
  element_type->first_target = (uint32_t)c->targets.n;
  struct json_each each = json_each(json_get(type, STR("targetProfile")));
  while (json_next(&each)) {
    struct str profile = json_text(each.value);
    defs_type_id target = type_id(c, after_last(profile, '/'));
    if (!target)
      fail("%.*s is the target of a reference, but not a type", STR_ARG(profile));
    if (str_is(c->types.p[target].name, "Resource")) { /* anything */
      c->targets.n = element_type->first_target;
      break;
    }
    *PUSH(c, &c->targets) = target;
  }
  element_type->targets_n = (uint16_t)(c->targets.n - element_type->first_target);
}

static bool has_simple_quantity_profile(const struct yyjson_val *type) {
  struct json_each each = json_each(json_get(type, STR("profile")));
  while (json_next(&each))
    if (str_is(json_text(each.value), PROFILE_BASE "SimpleQuantity"))
      return true;
  return false;
}

static void add_element_types(struct compile *c, const struct yyjson_val *source,
                              struct defs_element *element) {
  element->first_type = (uint32_t)c->element_types.n;
  struct str reference = json_get_text(source, STR("contentReference"));
  defs_type_id own = type_id(c, element->path);
  if (!str_is_empty(reference))
    own = type_id(c, str_slice(reference, 1, reference.n));
  if (own) {
    *PUSH(c, &c->element_types) = (struct defs_element_type){.type = own};
  } else {
    struct json_each each = json_each(json_get(source, STR("type")));
    while (json_next(&each)) {
      struct str code = type_code(c, element->path, each.value);
      struct defs_element_type type = {.type = type_id(c, code)};
      if (!type.type)
        fail("%.*s has the unknown type '%.*s'", STR_ARG(element->path), STR_ARG(code));
      add_targets(c, each.value, &type);
      type.is_simple_quantity = has_simple_quantity_profile(each.value);
      *PUSH(c, &c->element_types) = type;
    }
  }
  element->types_n = (uint16_t)(c->element_types.n - element->first_type);
  if (element->types_n == 0)
    fail("%.*s has no type", STR_ARG(element->path));
}

static enum defs_binding binding_of(struct str strength) {
  static const char *const names[] = {"", "example", "preferred", "extensible", "required"};
  for (int i = DEFS_BINDING_EXAMPLE; i <= DEFS_BINDING_REQUIRED; i++)
    if (str_is(strength, names[i]))
      return (enum defs_binding)i;
  fail("'%.*s' is not a binding strength", STR_ARG(strength));
}

static uint16_t cardinality(struct str path, struct str text) {
  uint64_t n;
  if (str_is(text, "*"))
    return DEFS_MANY;
  if (!str_to_u64(text, &n) || n >= DEFS_MANY)
    fail("%.*s: '%.*s' is not a cardinality", STR_ARG(path), STR_ARG(text));
  return (uint16_t)n;
}

static void add_element(struct compile *c, const struct yyjson_val *source) {
  struct defs_element element = {
      .path = json_get_text(source, STR("path")),
      .min =
          cardinality(json_get_text(source, STR("path")), json_text(json_get(source, STR("min")))),
      .max = cardinality(json_get_text(source, STR("path")), json_get_text(source, STR("max"))),
      .is_summary = json_is_true(json_get(source, STR("isSummary"))),
      .is_modifier = json_is_true(json_get(source, STR("isModifier")))};
  element.name = after_last(element.path, '.');
  if (str_ends_with(element.name, STR("[x]"))) {
    element.is_choice = true;
    element.name.n -= 3;
  }
  add_element_types(c, source, &element);
  const struct yyjson_val *binding = json_get(source, STR("binding"));
  if (binding) {
    element.binding = binding_of(json_get_text(binding, STR("strength")));
    element.value_set_url = without_version(json_get_text(binding, STR("valueSet")));
    if (element.binding == DEFS_BINDING_REQUIRED)
      element.value_set = value_set_id(c, element.value_set_url);
  }
  *PUSH(c, &c->elements) = element;
}

static void add_property(struct compile *c, struct str name, uint32_t element, defs_type_id type) {
  *PUSH(c, &c->properties) = (struct defs_property){.name = name, .element = element, .type = type};
}

/* valueQuantity, valueString, ... */
static void add_choice_properties(struct compile *c, uint32_t index) {
  const struct defs_element *element = &c->elements.p[index];
  for (uint32_t i = 0; i < element->types_n; i++) {
    defs_type_id type = c->element_types.p[element->first_type + i].type;
    struct str type_name = c->types.p[type].name;
    char first = type_name.p[0] >= 'a' && type_name.p[0] <= 'z' ? (char)(type_name.p[0] - 'a' + 'A')
                                                                : type_name.p[0];
    struct str name = arena_printf(c->arena, "%.*s%c%.*s", STR_ARG(element->name), first,
                                   STR_ARG(str_slice(type_name, 1, type_name.n)));
    add_property(c, name, index, type);
  }
}

static void add_slots(struct compile *c, struct defs_property_index *index) {
  uint32_t slots_n = 2;
  while (slots_n < index->properties_n * 2u)
    slots_n *= 2;
  index->mask = (uint16_t)(slots_n - 1);
  index->first_slot = (uint32_t)c->slots.n;
  for (uint32_t i = 0; i < slots_n; i++)
    *PUSH(c, &c->slots) = 0;
  for (uint16_t i = 0; i < index->properties_n; i++) {
    uint32_t at = defs_name_hash(c->properties.p[index->first_property + i].name) & index->mask;
    while (c->slots.p[index->first_slot + at])
      at = (at + 1) & index->mask;
    c->slots.p[index->first_slot + at] = (uint16_t)(i + 1);
  }
}

static void add_properties(struct compile *c, const struct defs_type *type) {
  struct defs_property_index *index = PUSH(c, &c->property_indexes);
  index->first_property = (uint32_t)c->properties.n;
  for (uint32_t i = 0; i < type->elements_n; i++) {
    uint32_t at = type->first_element + i;
    const struct defs_element *element = &c->elements.p[at];
    if (element->is_choice)
      add_choice_properties(c, at);
    else
      add_property(c, element->name, at, c->element_types.p[element->first_type].type);
  }
  index->properties_n = (uint16_t)(c->properties.n - index->first_property);
  add_slots(c, index);
}

/* Has a base of `type`, or the type itself, this invariant already? */
static bool has_invariant(const struct compile *c, const struct defs_type *type, struct str key,
                          struct str path) {
  for (const struct defs_type *t = type; t != c->types.p; t = &c->types.p[t->base])
    for (uint32_t i = 0; i < t->invariants_n; i++) {
      const struct defs_invariant *known = &c->invariants.p[t->first_invariant + i];
      if (str_equal(known->key, key) &&
          (str_equal(known->path, t->name) ? str_equal(path, type->name)
                                           : str_equal(known->path, path)))
        return true;
    }
  return false;
}

/*
 * Invariants that can't hold as they are published, with what they mean. que-7 asks whether a FHIR
 * boolean is a FHIRPath Boolean, which it never is; R5 has it as here.
 */
static const struct {
  const char *key, *published, *meant;
} errata[] = {
    {"que-7", "operator = 'exists' implies (answer is Boolean)",
     "operator = 'exists' implies (answer is boolean)"},
};

static struct str expression_of(const struct yyjson_val *constraint) {
  struct str key = json_get_text(constraint, STR("key"));
  struct str expression = json_get_text(constraint, STR("expression"));
  for (size_t i = 0; i < sizeof errata / sizeof *errata; i++)
    if (str_is(key, errata[i].key) && str_is(expression, errata[i].published))
      return str_of(errata[i].meant);
  return expression;
}

static void add_invariants_of(struct compile *c, struct defs_type *type,
                              const struct yyjson_val *element) {
  struct json_each each = json_each(json_get(element, STR("constraint")));
  struct str path = json_get_text(element, STR("path"));
  while (json_next(&each)) {
    struct str key = json_get_text(each.value, STR("key"));
    /* An inherited one is on the type of the element. */
    bool is_inherited =
        !str_equal(path, type->name) && (str_is(key, "ele-1") || str_is(key, "ext-1"));
    if (is_inherited || has_invariant(c, type, key, path))
      continue;
    *PUSH(c, &c->invariants) = (struct defs_invariant){
        .key = key,
        .human = json_get_text(each.value, STR("human")),
        .expression = expression_of(each.value),
        .is_error = str_is(json_get_text(each.value, STR("severity")), "error"),
        .path = path};
    type->invariants_n++;
  }
}

static void compile_type(struct compile *c, defs_type_id id) {
  struct defs_type *type = &c->types.p[id];
  type->first_element = (uint32_t)c->elements.n;
  struct json_each each = snapshot(c->sources.p[id].definition);
  while (json_next(&each)) {
    struct str path = json_get_text(each.value, STR("path"));
    /* A primitive's value is the JSON value itself. */
    bool is_value = type->kind == DEFS_KIND_PRIMITIVE && str_is(after_last(path, '.'), "value");
    if (is_parent_of(type->name, path) && !is_value &&
        !str_is(json_get_text(each.value, STR("max")), "0"))
      add_element(c, each.value);
  }
  type->elements_n = (uint16_t)(c->elements.n - type->first_element);
  if (type->elements_n > DEFS_ELEMENTS_MAX)
    fail("%.*s has %u elements", STR_ARG(type->name), type->elements_n);
  for (unsigned i = 0; i < type->elements_n; i++)
    if (c->elements.p[type->first_element + i].min > 0)
      type->required |= (uint64_t)1 << i;
  add_properties(c, type);
}

static void compile_pattern(struct compile *c, struct defs_type *type, defs_type_id id) {
  struct json_each each = snapshot(c->sources.p[id].definition);
  while (json_next(&each)) {
    struct json_each types = json_each(json_get(each.value, STR("type")));
    while (json_next(&types)) {
      struct str pattern =
          json_text(extension(types.value, PROFILE_BASE "regex", STR("valueString")));
      if (!str_is_empty(pattern))
        type->pattern = pattern;
    }
  }
}

static void compile_invariants(struct compile *c, defs_type_id id) {
  struct defs_type *type = &c->types.p[id];
  type->first_invariant = (uint32_t)c->invariants.n;
  struct json_each each = snapshot(c->sources.p[id].definition);
  while (json_next(&each)) {
    struct str path = json_get_text(each.value, STR("path"));
    bool is_own = str_equal(path, type->name);
    if (is_own || (is_parent_of(type->name, path) && !type_id(c, path)))
      add_invariants_of(c, type, each.value);
  }
}

static defs_type_id base_of(struct compile *c, defs_type_id id) {
  const struct source_type *source = &c->sources.p[id];
  if (c->types.p[id].kind != DEFS_KIND_BACKBONE)
    return type_id(c, after_last(json_get_text(source->definition, STR("baseDefinition")), '/'));
  struct json_each each = snapshot(source->definition);
  while (json_next(&each))
    if (each.index == source->snapshot_at) {
      struct json_each types = json_each(json_get(each.value, STR("type")));
      return json_next(&types) ? type_id(c, json_get_text(types.value, STR("code"))) : 0;
    }
  return 0;
}

/* A base's invariants must be there before those of what derives from it. */
static void compile_invariants_from_base(struct compile *c, defs_type_id id, bool *done) {
  if (id == 0 || done[id])
    return;
  done[id] = true;
  compile_invariants_from_base(c, c->types.p[id].base, done);
  compile_invariants(c, id);
}

void compile_types(struct compile *c, const struct yyjson_val *types,
                   const struct yyjson_val *resources) {
  add_types(c, types);
  add_types(c, resources);
  defs_type_id n = (defs_type_id)c->types.n;
  bool *done = require_memory(arena_calloc(c->arena, n, sizeof *done));
  for (defs_type_id id = 1; id < n; id++)
    c->types.p[id].base = base_of(c, id);
  for (defs_type_id id = 1; id < n; id++) {
    compile_type(c, id);
    if (c->types.p[id].kind == DEFS_KIND_PRIMITIVE)
      compile_pattern(c, &c->types.p[id], id);
  }
  for (defs_type_id id = 1; id < n; id++)
    compile_invariants_from_base(c, id, done);
}
