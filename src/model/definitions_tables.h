/*
 * The layout of the compiled definitions: what defs/ writes and definitions.c reads. Nothing else
 * includes this file.
 *
 * Records are written as the compiler of this machine lays them out; their strings point into
 * `defs_pool_`. Index 0 of every table is an empty record. See docs/internals/definitions.md.
 */
#ifndef MODEL_DEFINITIONS_TABLES_H
#define MODEL_DEFINITIONS_TABLES_H

#include "model/definitions.h"

/* A run of another table. */
struct defs_range {
  uint32_t first;
  uint32_t n;
};

/* The properties of one type: an open-addressing table of `mask + 1` slots in `defs_slots_`, each 0
 * or 1 + the place of the property after `first_property`. */
struct defs_property_index {
  uint32_t first_property;
  uint32_t first_slot;
  uint16_t mask;
  uint16_t properties_n;
};

enum { DEFS_COMPARTMENTS_MAX = 8 };

struct defs_value_set {
  struct str url;
  struct defs_range codes; /* in defs_value_set_codes_, sorted by code, then system */
  uint32_t is_enumerable;  /* 0: any code of the right form may be in it */
};

struct defs_value_set_code {
  uint32_t code; /* offset in defs_pool_ */
  uint16_t code_n;
  uint16_t system; /* in defs_systems_ */
};

struct defs_system {
  struct str url;
  struct defs_range concepts; /* in defs_concepts_, sorted by code */
};

struct defs_concept {
  uint32_t code, display; /* offsets in defs_pool_ */
  uint16_t code_n, display_n;
};

/* A published CodeSystem or ValueSet as JSON; sorted by url, then type. */
struct defs_published {
  uint32_t url, version, text; /* offsets in defs_pool_ */
  uint32_t text_n;
  uint16_t url_n, version_n;
  uint32_t is_value_set;
};

/* Type names, sorted by name. */
struct defs_name {
  struct str name;
  uint32_t type;
};

extern const char defs_pool_[];

extern const struct defs_type defs_types_[];
extern const struct defs_name defs_type_names_[];
extern const struct defs_element defs_elements_[];
extern const struct defs_element_type defs_element_types_[];
extern const defs_type_id defs_targets_[];
extern const struct defs_property defs_properties_[];
extern const struct defs_property_index defs_property_indexes_[]; /* by type */
extern const uint16_t defs_slots_[];
extern const struct defs_invariant defs_invariants_[];

extern const struct defs_param defs_params_[];
extern const struct defs_component defs_components_[];
extern const defs_param_id defs_param_lists_[];
extern const struct defs_range defs_type_params_[];        /* by type, in defs_param_lists_ */
extern const defs_type_id defs_compartments_[];            /* their resource types, from 0 */
extern const struct defs_range defs_compartment_params_[]; /* [compartment * (types + 1) + type] */

extern const struct defs_value_set defs_value_sets_[];
extern const struct defs_value_set_code defs_value_set_codes_[];
extern const struct defs_system defs_systems_[]; /* sorted by url */
extern const struct defs_concept defs_concepts_[];
extern const struct defs_published defs_published_[];

/* Records, without the empty one at 0. */
extern const uint64_t defs_types_n_, defs_params_n_, defs_compartments_n_, defs_value_sets_n_,
    defs_systems_n_, defs_elements_n_, defs_element_types_n_, defs_targets_n_, defs_invariants_n_,
    defs_components_n_, defs_published_n_;

/* What slot a property's name starts its search at: eight bytes from each end and the length tell
 * the names of one type apart. Unaligned loads are made with memcpy. */
static inline uint32_t defs_name_hash(struct str name) {
  uint64_t head = 0, tail = 0;
  if (name.n >= 8) {
    memcpy(&head, name.p, 8);
    memcpy(&tail, name.p + name.n - 8, 8);
  } else {
    for (size_t i = 0; i < name.n; i++)
      head = head << 8 | (unsigned char)name.p[i];
  }
  uint64_t h = (head ^ (tail << 29 | tail >> 35) ^ name.n) * 0x9e3779b97f4a7c15u;
  return (uint32_t)(h >> 32);
}

#endif
