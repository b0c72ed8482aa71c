/*
 * Inside search value extraction: for each resource type one plan, a tree of JSON member names that
 * merges the paths of all its search parameters, so that one walk over a resource serves them all.
 *
 * A node stands for one element of one FHIR type. What happens to a value that reaches it: its
 * `emits` convert it, its `composites` convert its parts as one tuple, its `guards` lead it on to
 * another node if a condition holds (where(system='phone')), its `edges` lead its members on.
 *
 * Threads: built once by search_values_init, then immutable. Memory: for the compiled parameters
 * static, for ever; the plan of a type that has others too is on an arena of its own and goes when
 * its last user has ended.
 */
#ifndef MODEL_SEARCH_VALUES_PLAN_H
#define MODEL_SEARCH_VALUES_PLAN_H

#include "model/fhirpath_program.h"
#include "model/search_values.h"

struct extraction;
struct plan_emit;

/* Appends the rows of one value. */
typedef int plan_convert(struct extraction *x, const struct plan_emit *emit,
                         const struct yyjson_val *value);

struct plan_emit {
  plan_convert *convert;
  defs_param_id param;
  uint16_t component; /* of a composite, from 1; else 0 */
  uint16_t value_set; /* of the element's required binding */
  defs_type_id type;  /* of the value */
  struct plan_emit *next;
};

enum plan_guard_kind {
  PLAN_GUARD_MEMBER,    /* where(name = 'text') */
  PLAN_GUARD_TARGET,    /* where(resolve() is Type) */
  PLAN_GUARD_EXTENSION, /* where(hasExtension('text')) */
  PLAN_GUARD_FIRST,     /* [0] */
};

struct plan_guard {
  enum plan_guard_kind kind;
  struct str name, text;
  defs_type_id target;
  struct plan_node *node;
  struct plan_guard *next;
};

struct plan_component {
  struct plan_node *local;         /* from the composite's own element */
  struct plan_node *from_resource; /* paths that begin with %resource; NULL: none */
  struct plan_component *next;
};

struct plan_composite {
  defs_param_id param;
  struct plan_component *components;
  struct plan_composite *next;
};

struct plan_edge {
  struct str name;
  struct plan_node *node;
  struct plan_edge *next;
};

struct plan_node {
  defs_type_id type;
  uint16_t value_set;
  struct plan_emit *emits;
  struct plan_guard *guards;
  struct plan_composite *composites;
  struct plan_edge *edges; /* while it is built */
  uint32_t edges_n;
  uint32_t mask; /* of the table of edges; the table is NULL where there are none */
  const struct plan_edge **table;
};

/* A parameter that is no path: evaluated by the FHIRPath evaluator. */
struct plan_general {
  defs_param_id param;
  const struct fhirpath *program;
  struct plan_general *next;
};

struct plan {
  struct plan_node root;
  struct plan_general *generals;
};

/* The extraction of one resource. */
struct extraction {
  struct arena *arena;
  const struct yyjson_val *resource;
  VEC(struct search_value) rows;
  uint32_t tuple, tuples_n;
  struct err *err;
};

/* A spread of short names; collisions only cost a comparison. */
static inline uint32_t plan_hash(struct str name) {
  return (uint32_t)name.n * 5 + (unsigned char)name.p[0] * 31u +
         (unsigned char)name.p[name.n - 1] * 7u + (unsigned char)name.p[name.n / 2] * 3u;
}

/* Builds the plan of a resource type for these parameters. ERR_NOT_SUPPORTED names a parameter that
 * can't be compiled. */
int plan_build(struct arena *arena, defs_type_id type, const defs_param_id *params, size_t n,
               struct plan **ret_plan, struct err *reterr) MUST_CHECK;

/* Would a parameter that has no id yet (its components in an array) find anything in resources of
 * `type`? ERR_VALUE, ERR_NOT_SUPPORTED. */
int plan_check(struct arena *arena, defs_type_id type, const struct defs_param *param,
               const struct defs_component *components, struct err *reterr) MUST_CHECK;

/* From now on resources of `type` are extracted by this plan, which was built on `arena`; NULL: by
 * the compiled one again. Takes the arena. */
int plan_exchange(defs_type_id type, struct arena *arena, struct plan *plan,
                  struct err *reterr) MUST_CHECK;

/* The converter for values of `type` under a parameter of type `search`; NULL: such values are not
 * indexed. */
plan_convert *plan_converter(enum search_type search, defs_type_id type);

#endif
