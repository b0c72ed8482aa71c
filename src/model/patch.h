/*
 * Patch: a resource and a document that says what to change -> a new resource. Pure: what the
 * result is worth (valid? same id?) is for the caller to say.
 *
 * Spec: JSON Patch, RFC 6902 (pointers RFC 6901); XML Patch, RFC 5261; FHIRPath Patch, FHIR R4,
 * http://hl7.org/fhir/R4/fhirpatch.html. All or nothing: the first operation that fails is the
 * fault of the whole, with its place ("operation[3].path", counted from 0) and a sentence.
 *
 * Errors: ERR_STRUCTURE, ERR_VALUE, ERR_REQUIRED for a document that is no patch; ERR_UNPROCESSABLE
 * for a patch that does not fit this resource (a path to nothing, a test that fails); ERR_TOO_LONG,
 * ERR_TOO_COSTLY over a limit below; ERR_NO_MEMORY.
 *
 * Threads: pure. Memory: the result is on the arena and borrows from resource and document.
 */
#ifndef MODEL_PATCH_H
#define MODEL_PATCH_H

#include "format/json.h"
#include "model/definitions.h"

/* A patch may be written to make much out of little (a copy of a copy of a copy): these hold for
 * what it adds to the resource, and for the work on the way. */
#define PATCH_OPERATIONS_MAX 10000
#define PATCH_PATHS_MAX 1000 /* operations of a FHIRPath or XML Patch */
#define PATCH_GROWTH_NODES 1000000
#define PATCH_GROWTH_BYTES (64 << 20)
#define PATCH_STEPS_MAX 100000000

/*   name, media type, what it is called */
#define PATCH_KIND_TABLE(X)                                                                        \
  X(PATCH_JSON, "application/json-patch+json", "JSON Patch")                                       \
  X(PATCH_XML, "application/xml-patch+xml", "XML Patch")                                           \
  X(PATCH_FHIRPATH, "application/fhir+json", "FHIRPath Patch")

enum patch_kind {
#define X(name, media_type, text) name,
  PATCH_KIND_TABLE(X)
#undef X
};

struct patch {
  enum patch_kind kind;
  const struct yyjson_val *document; /* JSON: the array; FHIRPATH: the Parameters */
  struct str xml;                    /* XML: the text of the document */
  size_t operations_max;             /* 0: as many as the limits above allow */
};

/*
 * Applies `patch` to `resource` (which is not changed). The result may be equal to it:
 * `patch_is_equal` tells.
 */
int patch_apply(struct arena *arena, const struct patch *patch, const struct yyjson_val *resource,
                const struct yyjson_val **ret_resource, struct err *reterr) MUST_CHECK;

/* JSON equality as RFC 6902 (4.6) has it: members in any order, numbers by value (1.0 is 1). */
int patch_is_equal(struct arena *arena, const struct yyjson_val *a, const struct yyjson_val *b,
                   bool *ret_is_equal, struct err *reterr) MUST_CHECK;

#endif
