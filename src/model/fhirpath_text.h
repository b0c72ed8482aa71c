/*
 * The results of FHIRPath for people and for other programs.
 *
 * Threads, memory: as fhirpath.h.
 */
#ifndef MODEL_FHIRPATH_TEXT_H
#define MODEL_FHIRPATH_TEXT_H

#include "model/fhirpath.h"

/* One value on one line: a primitive as it is written, an element as minified JSON, of an element
 * without value nothing. `.p` is NULL without memory. */
struct str fhirpath_text(struct arena *arena, const struct fhirpath_value *value);

/* One value as JSON: numbers as written, quantities as {"value", "unit"}, dates as strings, what
 * has no value as null. */
void fhirpath_write_json(struct json_writer *w, struct arena *arena,
                         const struct fhirpath_value *value);

#endif
