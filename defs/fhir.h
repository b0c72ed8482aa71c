/*
 * The compiler of the FHIR definitions: published JSON in, tables of src/model/definitions_tables.h
 * out. It stops at the first thing that it doesn't understand.
 *
 * Spec: FHIR R4 (4.0.1).
 */
#ifndef DEFS_FHIR_H
#define DEFS_FHIR_H

#include "emit.h"
#include "model/definitions_tables.h"
#include "tool.h"

/* A type while it is being compiled. */
struct source_type {
  const struct yyjson_val *definition; /* StructureDefinition */
  size_t snapshot_at;                  /* of its own element in the snapshot */
};

struct compile {
  struct arena *arena;
  const char *folder; /* the unpacked package */

  VEC(struct defs_type) types;
  VEC(struct source_type) sources; /* in step with `types` */
  struct map type_ids;
  VEC(struct defs_element) elements;
  VEC(struct defs_element_type) element_types;
  VEC(defs_type_id) targets;
  VEC(struct defs_property) properties;
  VEC(struct defs_property_index) property_indexes;
  VEC(uint16_t) slots;
  VEC(struct defs_invariant) invariants;

  VEC(struct defs_param) params;
  VEC(struct defs_component) components;
  VEC(defs_param_id) param_lists;
  VEC(struct defs_range) type_params;
  VEC(defs_type_id) compartments;
  VEC(struct defs_range) compartment_params;

  VEC(struct defs_value_set) value_sets;
  VEC(struct defs_value_set_code) value_set_codes;
  VEC(struct defs_system) systems;
  VEC(struct defs_concept) concepts;
  VEC(struct defs_published) published;

  struct map code_systems, value_set_resources; /* by url: the resource */
  struct map value_set_ids;                     /* by url: id + 0 */
  struct emit emit;
};

const struct yyjson_val *load_bundle(struct compile *c, const char *name);
defs_type_id type_id(const struct compile *c, struct str name); /* 0: unknown */
uint16_t value_set_id(struct compile *c, struct str url);       /* of a required binding */

void compile_types(struct compile *c, const struct yyjson_val *types,
                   const struct yyjson_val *resources);
void compile_params(struct compile *c, const struct yyjson_val *params);
void compile_compartments(struct compile *c, const struct yyjson_val *resources);

/* Notes the code systems and value sets of a bundle. */
void index_terminology(struct compile *c, const struct yyjson_val *bundle);
/* After compile_types: expands the required value sets and lists the codes with displays. */
void compile_terminology(struct compile *c);
/* Every code system and value set as JSON. Last, so that these long texts stand behind the pool's
 * short ones. */
void compile_published(struct compile *c);

#endif
