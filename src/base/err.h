/*
 * One error structure for the whole program.
 *
 * A fallible function returns 0 or a negative `enum err_code`, and then has filled the `struct err
 * *` that it was given: where it happened and a sentence that a person can act on. One table
 * (ERR_TABLE) says what a code is as HTTP status, as FHIR issue type
 * (http://hl7.org/fhir/R4/valueset-issue-type.html), and as HL7 error condition (v2.8 table 0357),
 * so that an edge only looks it up.
 *
 * Threads: values. Memory: the text is inside the structure; nothing to free. Patient data never
 * goes into it.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include "base/str.h"

/*        name            code  HTTP  FHIR issue type   HL7 0357  text */
#define ERR_TABLE(X)                                                                               \
  X(ERR_INVALID, -1, 400, "invalid", "207", "the content is not valid")                            \
  X(ERR_STRUCTURE, -2, 400, "structure", "100", "the structure is not valid")                      \
  X(ERR_REQUIRED, -3, 422, "required", "101", "something required is missing")                     \
  X(ERR_VALUE, -4, 400, "value", "102", "a value is not valid")                                    \
  X(ERR_INVARIANT, -5, 422, "invariant", "207", "a rule does not hold")                            \
  X(ERR_CODE_INVALID, -6, 422, "code-invalid", "103", "a code is not valid")                       \
  X(ERR_NOT_SUPPORTED, -7, 400, "not-supported", "200", "this is not supported")                   \
  X(ERR_NOT_FOUND, -8, 404, "not-found", "204", "not found")                                       \
  X(ERR_DELETED, -9, 410, "deleted", "204", "deleted")                                             \
  X(ERR_TOO_LONG, -10, 413, "too-long", "207", "too large")                                        \
  X(ERR_TOO_COSTLY, -11, 403, "too-costly", "207", "too costly")                                   \
  X(ERR_MULTIPLE_MATCHES, -12, 412, "multiple-matches", "207", "more than one match")              \
  X(ERR_CONFLICT, -13, 409, "conflict", "207", "conflict")                                         \
  X(ERR_PRECONDITION, -14, 412, "conflict", "207", "a precondition does not hold")                 \
  X(ERR_STALE, -15, 409, "conflict", "207", "prepared on data that has changed")                   \
  X(ERR_DUPLICATE, -16, 409, "duplicate", "205", "already there")                                  \
  X(ERR_UNAUTHENTICATED, -17, 401, "login", "207", "not authenticated")                            \
  X(ERR_FORBIDDEN, -18, 403, "forbidden", "207", "not allowed")                                    \
  X(ERR_METHOD, -19, 405, "not-supported", "200", "this method is not allowed here")               \
  X(ERR_NOT_ACCEPTABLE, -20, 406, "not-supported", "207", "no acceptable representation")          \
  X(ERR_MEDIA_TYPE, -21, 415, "not-supported", "207", "unsupported media type")                    \
  X(ERR_UNPROCESSABLE, -22, 422, "processing", "207", "can't be processed")                        \
  X(ERR_TIMEOUT, -23, 503, "timeout", "207", "took too long")                                      \
  X(ERR_BUSY, -24, 503, "throttled", "207", "too busy")                                            \
  X(ERR_NO_SPACE, -25, 507, "no-store", "207", "no space left")                                    \
  X(ERR_READ_ONLY, -26, 503, "no-store", "207", "the store is read-only")                          \
  X(ERR_STORE, -27, 500, "no-store", "207", "the store failed")                                    \
  X(ERR_IO, -28, 500, "transient", "207", "input or output failed")                                \
  X(ERR_NO_MEMORY, -29, 503, "exception", "207", "out of memory or over its cap")                  \
  X(ERR_INTERNAL, -30, 500, "exception", "207", "internal error")                                  \
  X(ERR_UNSUPPORTED_MESSAGE, -31, 422, "not-supported", "200", "unsupported message type")         \
  X(ERR_UNSUPPORTED_EVENT, -32, 422, "not-supported", "201", "unsupported event code")             \
  X(ERR_UNSUPPORTED_VERSION, -33, 422, "not-supported", "203", "unsupported version id")           \
  X(ERR_MISDIRECTED, -34, 421, "forbidden", "207", "not the host that was asked for")              \
  X(ERR_UNAVAILABLE, -35, 503, "transient", "207", "the store can't be reached")                   \
  X(ERR_UNCERTAIN, -36, 500, "incomplete", "207", "it is not known whether it was done")

enum err_code {
#define X(name, code, http, issue, hl7, text) name = code,
  ERR_TABLE(X)
#undef X
};

enum err_severity {
  ERR_SEVERITY_FATAL,
  ERR_SEVERITY_ERROR,
  ERR_SEVERITY_WARNING,
  ERR_SEVERITY_INFORMATION
};

struct err {
  enum err_severity severity;
  enum err_code code;
  char where[120]; /* FHIRPath ("Patient.name[0].given"), v2 ("PID-3(2).4"), "line 3 column 7",
                      "byte 17"; or "" */
  char text[280];  /* a sentence */
};

/* What the table says of a code. */
struct err_facts {
  enum err_code code;
  const char *name; /* "ERR_INVALID" */
  int http_status;
  const char *issue_type; /* FHIR */
  const char *hl7_code;   /* table 0357 */
  const char *text;
};
const struct err_facts *err_facts(enum err_code code);

/*
 * Fills `*reterr` (NULL is allowed) with severity error and returns `code`, so that a function can
 * say `return err_set(reterr, ERR_VALUE, "PID-7", "'%.*s' is not a date", STR_ARG(text));`.
 * Over-long texts are cut at a UTF-8 boundary.
 */
int err_set(struct err *reterr, enum err_code code, const char *where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* `err_set` for a place that is a slice. */
int err_set_at(struct err *reterr, enum err_code code, struct str where, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The usual one: no memory, or the arena's cap or budget was reached. */
static inline int err_no_memory(struct err *reterr) {
  err_set(reterr, ERR_NO_MEMORY, "",
          "Out of memory, or the limit for one request or for all of them together was reached.");
  return ERR_NO_MEMORY;
}

#define MUST_CHECK __attribute__((warn_unused_result))

#endif
