/*
 * Structural validation against the definitions: unknown properties, types, cardinality, choice,
 * primitive formats, required bindings, targets of references, empty values, and the invariants
 * that the definitions mark as errors.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/validation.html, json.html.
 * Threads: pure. Memory: on the arena.
 */
#ifndef MODEL_VALIDATE_H
#define MODEL_VALIDATE_H

#include "format/json.h"
#include "model/definitions.h"

struct issues {
  VEC(struct err) list; /* `where` is the FHIRPath of the fault */
  size_t errors_n;      /* of severity error or fatal */
  size_t skipped_n;     /* invariants that gave no answer: they refuse nothing */
};

struct validate_options {
  size_t max_issues; /* 0: 100. After the last one an informational issue says so */
  bool with_invariants;
};

/* Compiles the invariants (10 ms). Called once at start, before any validation with invariants; not
 * thread-safe. */
int validate_init(struct err *reterr) MUST_CHECK;

/*
 * Appends every fault of `resource` to `issues` (zero-initialised by the caller). Returns 0 also
 * when there are faults (look at `errors_n`); ERR_NO_MEMORY otherwise.
 */
int validate_resource(struct arena *arena, const struct yyjson_val *resource,
                      const struct validate_options *options, struct issues *issues,
                      struct err *reterr) MUST_CHECK;

#endif
