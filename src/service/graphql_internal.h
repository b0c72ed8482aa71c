/*
 * What the files that run a GraphQL query share: the run, its objects, its plans.
 * Threads: one run, one thread. Memory: all on the arena of the run.
 */
#ifndef SERVICE_GRAPHQL_INTERNAL_H
#define SERVICE_GRAPHQL_INTERNAL_H

#include "model/fhirpath.h"
#include "service/graphql.h"
#include "service/graphql_check.h"
#include "service/graphql_output.h"
#include "store/search/search.h"

/* ---- Objects --------------------------------------------------------------------------------- */

/* A resource, as it was read. */
struct record {
  defs_type_id type;
  struct str id; /* empty where it has none */
  const struct yyjson_val *root;
};

/* Something that has fields. */
struct object {
  struct schema_type type;       /* never the interface */
  const struct yyjson_val *node; /* FHIR, ELEMENT_BASE */
  const struct record *record;   /* the resource around it, by which "#a" is found */
  const void *data;              /* of a connection, an edge, an object of introspection */
};

/* One value that a field gives. */
struct result {
  struct output leaf; /* kind OUTPUT_OBJECT: the object beside */
  struct object object;
};
/* What a field gives: its values, in order, on the stack of the run while the field is run. */
struct results {
  size_t from, n;
  bool is_there; /* else it is null, not an empty list */
};

/* ---- Plans ----------------------------------------------------------------------------------- */

struct plan;
struct filter {
  const struct defs_property *property;
  const struct graphql_value *wanted;
};

/* One key of the answer. */
struct plan_field {
  struct str key;
  struct schema_field field;
  VEC(const struct graphql_selection *) nodes; /* all that were merged into it */
  const struct graphql_selection *node;        /* the first, which has the arguments */
  bool is_flat, is_first, is_singleton, is_sliced;
  const struct fhirpath *slice; /* NULL when sliced: by index */
  /* Of elements and searches. */
  const struct fhirpath *where; /* the argument `fhirpath`, or NULL */
  VEC(struct filter) filters;
  size_t offset, count;
  VEC(struct plan *) below; /* one per type of object that was met */
};

/* What is to be read from an object of one type. */
struct plan {
  struct schema_type type;
  VEC(struct plan_field *) fields;
};

/* ---- The run --------------------------------------------------------------------------------- */

#define GRAPHQL_PATH_MAX 256
struct path_step {
  struct str key; /* empty: an index */
  size_t index;
};

struct graphql_run {
  struct arena *arena;
  struct store_view *view;
  const struct access *access;
  const struct graphql_request *request;
  const struct graphql_bounds *bounds;
  const struct graphql_document *document;
  const struct graphql_operation *operation;
  struct schema_type root;
  struct map variables;     /* name -> struct graphql_value */
  struct map records;       /* "Patient/1" -> struct record; one without root: not there */
  VEC(struct result) stack; /* of the fields that are being run */
  size_t resources_n, searches_n, values_n;
  int64_t deadline_us;
  /* Where it is, for errors. */
  struct graphql_place place;
  struct path_step path[GRAPHQL_PATH_MAX];
  size_t path_n;
};

/* Counts one more piece of work; ERR_TOO_COSTLY over a bound. */
int graphql_spend(struct graphql_run *run, struct err *reterr) MUST_CHECK;

/* ---- graphql_variables.c: values ------------------------------------------------------------- */

/* Reads the request's variables by what the operation declares. */
int graphql_read_variables(struct graphql_run *run, struct err *reterr) MUST_CHECK;
/* What an argument is worth; NULL where it is absent or null. */
const struct graphql_value *graphql_argument_value(const struct graphql_run *run,
                                                   const struct graphql_argument *arguments,
                                                   size_t n, const char *name);
/* A variable's value in its place; NULL where it is null. */
const struct graphql_value *graphql_resolve(const struct graphql_run *run,
                                            const struct graphql_value *value);
/* The texts of a value or of a list of values. */
int graphql_texts(const struct graphql_run *run, const struct graphql_value *value,
                  const struct str **ret_texts, size_t *ret_n, struct err *reterr) MUST_CHECK;

/* ---- graphql_plan.c -------------------------------------------------------------------------- */

int graphql_plan_root(struct graphql_run *run, const struct plan **ret_plan,
                      struct err *reterr) MUST_CHECK;
/* The plan of what stands below a field, for an object of this type. */
int graphql_plan_below(struct graphql_run *run, struct plan_field *field, struct schema_type type,
                       const struct plan **ret_plan, struct err *reterr) MUST_CHECK;

/* ---- graphql_resolve.c: what a field gives ----------------------------------------------------
 */

int graphql_resolve_field(struct graphql_run *run, struct plan_field *field,
                          const struct object *object, struct results *results,
                          struct err *reterr) MUST_CHECK;
int graphql_add_leaf(struct graphql_run *run, struct results *results, struct output leaf,
                     struct err *reterr) MUST_CHECK;
int graphql_add_text(struct graphql_run *run, struct results *results, struct str text,
                     struct err *reterr) MUST_CHECK;
int graphql_add_object(struct graphql_run *run, struct results *results, struct object object,
                       struct err *reterr) MUST_CHECK;
/* Does the FHIRPath hold for the object? */
int graphql_holds(struct graphql_run *run, const struct fhirpath *program,
                  const struct object *object, bool *ret_holds, struct err *reterr) MUST_CHECK;
int graphql_eval(struct graphql_run *run, const struct fhirpath *program,
                 const struct object *object, struct fhirpath_values *ret_values,
                 struct err *reterr) MUST_CHECK;

/* ---- graphql_records.c: resources -------------------------------------------------------------
 */

/* `*ret_record` is NULL where there is none, or none that the caller may see. */
int graphql_read_record(struct graphql_run *run, defs_type_id type, struct str id, uint32_t version,
                        const struct record **ret_record, struct err *reterr) MUST_CHECK;
/* One that a search has found. */
int graphql_keep_record(struct graphql_run *run, const struct store_resource *resource,
                        const struct record **ret_record, struct err *reterr) MUST_CHECK;
/* What a Reference leads to, `#a` included: an object of kind SCHEMA_NONE where to nothing. */
int graphql_follow(struct graphql_run *run, const struct object *reference,
                   struct object *ret_target, struct err *reterr) MUST_CHECK;
struct object graphql_object_of(const struct record *record);

/* ---- graphql_search.c -------------------------------------------------------------------------*/

int graphql_list(struct graphql_run *run, struct plan_field *field, const struct object *object,
                 struct results *results, struct err *reterr) MUST_CHECK;
int graphql_connection(struct graphql_run *run, struct plan_field *field,
                       const struct object *object, struct results *results,
                       struct err *reterr) MUST_CHECK;
/* A field of a connection or an edge. */
int graphql_connection_field(struct graphql_run *run, const struct plan_field *field,
                             const struct object *object, struct results *results,
                             struct err *reterr) MUST_CHECK;

/* ---- graphql_meta.c: introspection ------------------------------------------------------------
 */

int graphql_meta_schema(struct graphql_run *run, struct results *results,
                        struct err *reterr) MUST_CHECK;
int graphql_meta_type(struct graphql_run *run, const struct plan_field *field,
                      struct results *results, struct err *reterr) MUST_CHECK;
int graphql_meta_field(struct graphql_run *run, const struct plan_field *field,
                       const struct object *object, struct results *results,
                       struct err *reterr) MUST_CHECK;

#endif
