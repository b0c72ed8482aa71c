/*
 * Is this text a value of that primitive type?
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/datatypes.html. Each check accepts what the type's regular
 * expression accepts, but for these rules of the text around them:
 *   - string, markdown: not empty; no control character but tab, CR and LF; at most 1 MiB;
 *   - uri, url, canonical: not empty;
 *   - date, dateTime, instant: the day is one of its month;
 *   - integer, unsignedInt, positiveInt: 32 bits, signed.
 *
 * Threads: pure. Memory: none is allocated.
 */
#ifndef MODEL_VALIDATE_PRIMITIVE_H
#define MODEL_VALIDATE_PRIMITIVE_H

#include "model/definitions.h"

/* `type` is one of DEFS_BOOLEAN .. DEFS_TIME; xhtml has a check of its own. */
bool primitive_is_valid(enum defs_builtin type, struct str text);

/* What a value of `type` looks like, to be read after "This must be": "a date (YYYY, ...)". */
const char *primitive_form(enum defs_builtin type);

#define PRIMITIVE_STRING_MAX_BYTES ((size_t)1 << 20)

/*
 * Narrative.div: one well-formed div with only the HTML that FHIR allows in it (txt-1) and
 * something in it (txt-2). NULL when it is right, else a sentence that says what is wrong.
 */
const char *xhtml_fault(struct str text);

#endif
