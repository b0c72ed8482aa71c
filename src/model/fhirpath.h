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

/* How closely an expression is held to the specification. */
enum fhirpath_mode {
  /* As it says. */
  FHIRPATH_EXACT,
  /* Also refuses, when compiling, a name that the types known then don't have (`name.given1` on a
   * Patient), and functions that need an order on collections that have none
   * (`children().first()`): for what a person writes. */
  FHIRPATH_STRICT,
  /* For R4's own expressions, which break the rules: `as` filters a collection, where the
   * specification has it fail on several items (dom-3). */
  FHIRPATH_PUBLISHED,
};

struct fhirpath_options {
  defs_type_id type; /* of the input; 0: unknown */
  enum fhirpath_mode mode;
  const struct str *variables; /* names that the context will define, without '%' */
  size_t variables_n;
};

/* ERR_VALUE with the column for a syntax error, or an unknown function, type or variable. */
int fhirpath_compile_with(struct arena *arena, struct str text,
                          const struct fhirpath_options *options,
                          const struct fhirpath **ret_program, struct err *reterr) MUST_CHECK;

/* The same in the mode PUBLISHED without variables. */
int fhirpath_compile(struct arena *arena, struct str text, defs_type_id type,
                     const struct fhirpath **ret_program, struct err *reterr) MUST_CHECK;

/* ... in the mode STRICT. */
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

/*
 * Who answers what the definitions alone can't. Each function returns 0 or an error, which ends the
 * evaluation; `what` is handed back to it. Any may be NULL.
 */
struct fhirpath_terminology {
  void *what;
  /* Is the code in the value set ("url" or "url|version")? An empty system: in any of its systems.
   * ERR_NOT_FOUND for a value set that isn't known. */
  int (*member_of)(void *what, struct str value_set, struct str system, struct str code,
                   bool *ret_is_member, struct err *reterr);
  /* Is `b` the same as `a` or below it? ERR_NOT_FOUND for a system that isn't known. */
  int (*subsumes)(void *what, struct str system, struct str a, struct str b, bool *ret_subsumes,
                  struct err *reterr);
};

struct fhirpath_profiles {
  void *what;
  /* ERR_NOT_FOUND for a profile that isn't known. */
  int (*conforms_to)(void *what, const struct yyjson_val *node, defs_type_id type,
                     struct str profile, bool *ret_conforms, struct err *reterr);
  /* Is the element in the slice of the profile? False also where there is no such slice. */
  int (*is_in_slice)(void *what, const struct yyjson_val *node, defs_type_id type,
                     struct str profile, struct str slice, bool *ret_is_in, struct err *reterr);
};

/* A variable of the caller: %name. */
struct fhirpath_variable {
  struct str name;
  struct fhirpath_values values;
};

/* What an evaluation may know beside its input. */
struct fhirpath_context {
  const struct yyjson_val *resource;      /* %resource */
  const struct yyjson_val *root_resource; /* %rootResource */
  /* NULL: resolve() gives contained resources, and a typed stub for any other reference. */
  const struct yyjson_val *(*resolve)(void *what, struct str reference);
  void *what;
  const struct fhirpath_terminology *terminology; /* NULL: only enumerable required value sets */
  const struct fhirpath_profiles *profiles;       /* NULL: only the types themselves */
  const struct fhirpath_variable *variables;
  size_t variables_n;
  /* trace(): NULL: nothing is said. */
  void (*trace)(void *trace_what, struct str name, struct fhirpath_values values);
  void *trace_what;
  int64_t now_us;     /* now(), today(); 0: the clock, read once */
  unsigned max_steps; /* 0: a default; over it ERR_TOO_COSTLY */
};

/* Evaluates on `input` of `type`. ERR_VALUE for a type error, ERR_TOO_COSTLY, ERR_NO_MEMORY. */
int fhirpath_eval(struct arena *arena, const struct fhirpath *program,
                  const struct yyjson_val *input, defs_type_id type,
                  const struct fhirpath_context *context, struct fhirpath_values *ret_values,
                  struct err *reterr) MUST_CHECK;

/*
 * Where the elements among `values` stand in `root` (of `type`): "Patient.name[0].given[1]", with
 * an index for what repeats. STR_NULL for computed values and for what isn't in `root`. `ret_paths`
 * has room for all values. One walk over the resource. ERR_NO_MEMORY.
 */
int fhirpath_locate(struct arena *arena, const struct yyjson_val *root, defs_type_id type,
                    struct fhirpath_values values, struct str *ret_paths,
                    struct err *reterr) MUST_CHECK;

#endif
