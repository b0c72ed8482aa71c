/*
 * Is a GraphQL document one that can run? Names, types, fields, arguments, variables, directives,
 * fragments and the merging of fields are checked against the schema before anything is read.
 *
 * The operation that is to run is checked, with the fragments that it reaches. What a fragment
 * makes of itself when it is spread is counted first, so that all later work is in proportion to
 * `fields_max`.
 *
 * Spec: GraphQL, October 2021, section 5; FHIR R4, http://hl7.org/fhir/R4/graphql.html.
 * Threads: pure. Memory: on the arena.
 */
#ifndef SERVICE_GRAPHQL_CHECK_H
#define SERVICE_GRAPHQL_CHECK_H

#include "format/graphql.h"
#include "service/graphql_schema.h"

struct graphql_fault {
  struct err err;
  struct graphql_place place; /* line 0: none */
};
struct graphql_faults {
  VEC(struct graphql_fault) list; /* at most GRAPHQL_FAULTS_MAX; more are dropped */
};
#define GRAPHQL_FAULTS_MAX 20

struct graphql_check_options {
  struct schema_type root; /* SCHEMA_QUERY, or the type of the instance */
  struct str operation;    /* to run; empty: the only one */
  size_t fields_max;       /* with fragments put in place */
  unsigned depth_max;
};

/* On a fault: its code, with `faults` filled (ERR_NO_MEMORY: maybe not). */
int graphql_check(struct arena *arena, const struct graphql_document *document,
                  const struct graphql_check_options *options,
                  const struct graphql_operation **ret_operation, struct graphql_faults *faults,
                  struct err *reterr) MUST_CHECK;

/* The fragment of this name, or NULL. */
const struct graphql_fragment *graphql_fragment(const struct graphql_document *document,
                                                struct str name);

/* Fields of one key in the answer must be the same field: the part of the check that looks at
 * fragments put in place. */
int graphql_check_merging(struct arena *arena, const struct graphql_document *document,
                          struct schema_type root, const struct graphql_operation *operation,
                          struct graphql_place *ret_place, struct err *reterr) MUST_CHECK;

/* Are the values the same, as written? */
bool graphql_same_value(const struct graphql_value *a, const struct graphql_value *b);

/* ---- Directives ------------------------------------------------------------------------------ */

enum { GRAPHQL_ON_FIELD = 1, GRAPHQL_ON_FRAGMENT = 2 };
struct graphql_directive_facts {
  const char *name;
  unsigned places;
  const char *argument, *other_argument; /* one of the two is required; NULL: none */
  enum schema_scalar type;               /* of the argument */
  const char *text;
};
const struct graphql_directive_facts *graphql_directive_table(size_t *ret_n);

/* ---- Values and the types they are for --------------------------------------------------------
 */

/* Scalars by what may stand for them. */
enum schema_class {
  SCHEMA_CLASS_TEXT,
  SCHEMA_CLASS_INT,
  SCHEMA_CLASS_NUMBER,
  SCHEMA_CLASS_BOOLEAN
};
enum schema_class schema_class_of(struct schema_type type);

/* May a value of this kind (not a list, object or variable) stand where `type` is wanted? For what
 * FHIR writes as text any scalar may, as `name(use: official)`. */
bool graphql_value_fits(enum graphql_value_kind kind, struct schema_type type);

#endif
