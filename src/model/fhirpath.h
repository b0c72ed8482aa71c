/*
 * FHIRPath: an expression compiled once to a compact program, evaluated over parsed JSON without
 * allocation outside the arena.
 *
 * Spec: FHIRPath 2.0.0 (http://hl7.org/fhirpath/N1/), FHIR R4 additions
 * (http://hl7.org/fhir/R4/fhirpath.html). Threads: a program is immutable; each evaluation has its
 * own arena. Memory: all on the given arenas.
 */
#ifndef MODEL_FHIRPATH_H
#define MODEL_FHIRPATH_H

#include "format/json.h"
#include "model/definitions.h"

struct fhirpath;

/* Compiles `text` for an input of `type` (0: unknown). ERR_VALUE with the column for a syntax error
 * or an unknown function. */
int fhirpath_compile(struct arena *arena, struct str text, defs_type_id type,
                     const struct fhirpath **ret_program, struct err *reterr) MUST_CHECK;

/* The same for what a person writes: also refuses a name that the types known at compile time don't
 * have (`name.given1` on a Patient), as strict evaluation does. The published definitions
 * themselves hold such names (cid-0), so that these are compiled without. */
int fhirpath_compile_strict(struct arena *arena, struct str text, defs_type_id type,
                            const struct fhirpath **ret_program, struct err *reterr) MUST_CHECK;

enum fhirpath_kind {
  FHIRPATH_NODE, /* an element of the resource */
  FHIRPATH_BOOLEAN,
  FHIRPATH_INTEGER,
  FHIRPATH_DECIMAL,
  FHIRPATH_STRING,
  FHIRPATH_DATE,
  FHIRPATH_DATETIME,
  FHIRPATH_TIME,
  FHIRPATH_QUANTITY,
};

struct fhirpath_value {
  enum fhirpath_kind kind;
  defs_type_id type;              /* of a node; the primitive's type for a computed value, or 0 */
  const struct yyjson_val *node;  /* FHIRPATH_NODE: the JSON value */
  const struct yyjson_val *extra; /* FHIRPATH_NODE: the "_name" sibling of a primitive, or NULL */
  struct str text;                /* computed values: as written; decimals as text */
  struct str unit;                /* quantities */
  int64_t integer;                /* integer, boolean */
};

struct fhirpath_values {
  const struct fhirpath_value *p;
  size_t n;
};

/* What resolve() may look at. May be NULL: resolve() then gives a typed stub for the reference's
 * type. */
struct fhirpath_context {
  const struct yyjson_val *resource;      /* %resource */
  const struct yyjson_val *root_resource; /* %rootResource */
  const struct yyjson_val *(*resolve)(void *what, struct str reference);
  void *what;
  int64_t now_us;
  unsigned max_steps; /* 0: a default; over it ERR_TOO_COSTLY */
};

/* Evaluates on `input` of `type`. ERR_VALUE for a type error, ERR_TOO_COSTLY, ERR_NO_MEMORY. */
int fhirpath_eval(struct arena *arena, const struct fhirpath *program,
                  const struct yyjson_val *input, defs_type_id type,
                  const struct fhirpath_context *context, struct fhirpath_values *ret_values,
                  struct err *reterr) MUST_CHECK;

#endif
