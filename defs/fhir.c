#include "fhir.h"

defs_type_id type_id(const struct compile *c, struct str name) {
  return (defs_type_id)get_number(&c->type_ids, name);
}

const struct yyjson_val *load_bundle(struct compile *c, const char *name) {
  return load_json(c->arena, arena_printf(c->arena, "%s/Bundle-%s.json", c->folder, name).p);
}

/* The empty records at 0. */
static void add_empty(struct compile *c) {
  (void)PUSH(c, &c->types);
  (void)PUSH(c, &c->sources);
  (void)PUSH(c, &c->elements);
  (void)PUSH(c, &c->element_types);
  (void)PUSH(c, &c->targets);
  (void)PUSH(c, &c->properties);
  (void)PUSH(c, &c->property_indexes);
  (void)PUSH(c, &c->slots);
  (void)PUSH(c, &c->invariants);
  (void)PUSH(c, &c->params);
  (void)PUSH(c, &c->components);
  (void)PUSH(c, &c->param_lists);
  (void)PUSH(c, &c->type_params);
  (void)PUSH(c, &c->value_sets);
  (void)PUSH(c, &c->value_set_codes);
  (void)PUSH(c, &c->systems);
  (void)PUSH(c, &c->concepts);
  (void)PUSH(c, &c->published);
}

static int by_name(const void *a, const void *b) {
  const struct defs_name *left = a, *right = b;
  return str_compare(left->name, right->name);
}

static void emit_type_names(struct compile *c) {
  size_t n = c->types.n - 1;
  struct defs_name *names = require_memory(ARENA_ARRAY(c->arena, struct defs_name, n));
  for (size_t i = 0; i < n; i++)
    names[i] = (struct defs_name){c->types.p[i + 1].name, (uint32_t)(i + 1)};
  qsort(names, n, sizeof *names, by_name);
  emit_table(&c->emit, "defs_type_names_", names, n, sizeof *names,
             (size_t[]){offsetof(struct defs_name, name)}, 1);
}

#define AT(type, member) offsetof(struct type, member)

static void emit_all(struct compile *c) {
  EMIT(&c->emit, "defs_types_", c->types, AT(defs_type, name), AT(defs_type, pattern));
  emit_type_names(c);
  EMIT(&c->emit, "defs_elements_", c->elements, AT(defs_element, name), AT(defs_element, path),
       AT(defs_element, value_set_url));
  EMIT_PLAIN(&c->emit, "defs_element_types_", c->element_types);
  EMIT_PLAIN(&c->emit, "defs_targets_", c->targets);
  EMIT(&c->emit, "defs_properties_", c->properties, AT(defs_property, name));
  EMIT_PLAIN(&c->emit, "defs_property_indexes_", c->property_indexes);
  EMIT_PLAIN(&c->emit, "defs_slots_", c->slots);
  EMIT(&c->emit, "defs_invariants_", c->invariants, AT(defs_invariant, key),
       AT(defs_invariant, human), AT(defs_invariant, expression), AT(defs_invariant, path));
  EMIT(&c->emit, "defs_params_", c->params, AT(defs_param, code), AT(defs_param, url),
       AT(defs_param, expression));
  EMIT(&c->emit, "defs_components_", c->components, AT(defs_component, expression));
  EMIT_PLAIN(&c->emit, "defs_param_lists_", c->param_lists);
  EMIT_PLAIN(&c->emit, "defs_type_params_", c->type_params);
  EMIT_PLAIN(&c->emit, "defs_compartments_", c->compartments);
  EMIT_PLAIN(&c->emit, "defs_compartment_params_", c->compartment_params);
  EMIT(&c->emit, "defs_value_sets_", c->value_sets, AT(defs_value_set, url));
  EMIT_PLAIN(&c->emit, "defs_value_set_codes_", c->value_set_codes);
  EMIT(&c->emit, "defs_systems_", c->systems, AT(defs_system, url));
  EMIT_PLAIN(&c->emit, "defs_concepts_", c->concepts);
  compile_published(c);
  EMIT_PLAIN(&c->emit, "defs_published_", c->published);

  emit_number(&c->emit, "defs_types_n_", c->types.n - 1);
  emit_number(&c->emit, "defs_elements_n_", c->elements.n - 1);
  emit_number(&c->emit, "defs_element_types_n_", c->element_types.n - 1);
  emit_number(&c->emit, "defs_targets_n_", c->targets.n - 1);
  emit_number(&c->emit, "defs_invariants_n_", c->invariants.n - 1);
  emit_number(&c->emit, "defs_params_n_", c->params.n - 1);
  emit_number(&c->emit, "defs_components_n_", c->components.n - 1);
  emit_number(&c->emit, "defs_compartments_n_", c->compartments.n);
  emit_number(&c->emit, "defs_value_sets_n_", c->value_sets.n - 1);
  emit_number(&c->emit, "defs_systems_n_", c->systems.n - 1);
  emit_number(&c->emit, "defs_published_n_", c->published.n - 1);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: %s FOLDER-OF-THE-PACKAGE OUT.S OUT.pool\n", argv[0]);
    return 2;
  }
  struct compile c = {.arena = tool_arena(), .folder = argv[1]};
  emit_init(&c.emit, c.arena, "defs_pool_");
  map_init(&c.type_ids, c.arena);
  map_init(&c.value_set_ids, c.arena);
  map_init(&c.code_systems, c.arena);
  map_init(&c.value_set_resources, c.arena);
  add_empty(&c);

  const struct yyjson_val *resources = load_bundle(&c, "resources");
  compile_types(&c, load_bundle(&c, "types"), resources);
  compile_params(&c, load_bundle(&c, "searchParams"));
  compile_compartments(&c, resources);
  index_terminology(&c, load_bundle(&c, "valuesets"));
  index_terminology(&c, load_bundle(&c, "v2-valuesets"));
  index_terminology(&c, load_bundle(&c, "v3-valuesets"));
  compile_terminology(&c);

  emit_all(&c);
  int code = emit_write(&c.emit, argv[2], argv[3]);
  arena_free(c.arena);
  return code < 0 ? 1 : 0;
}
