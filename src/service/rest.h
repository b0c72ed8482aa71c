/*
 * The FHIR REST API: one interaction ("call") from its request to its answer.
 *
 * A call comes from HTTP or is one entry of a batch or transaction; its handler can't tell. The
 * table of operations (rest_operations.c) leads from method and path to the handler, and is what
 * the CapabilityStatement and docs/fhir.md are made from.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/http.html. Threads: one thread at a time has a call.
 * Memory: all on the call's arena.
 */
#ifndef SERVICE_REST_H
#define SERVICE_REST_H

#include "flow/transaction.h"
#include "service/service_internal.h"

/* What PATCH takes, as the header Accept-Patch has it (RFC 5789, 3.1). */
#define REST_PATCH_TYPES                                                                           \
  "application/json-patch+json, application/xml-patch+xml, application/fhir+json, "                \
  "application/fhir+xml"

enum rest_return {
  REST_RETURN_DEFAULT,
  REST_RETURN_MINIMAL,
  REST_RETURN_REPRESENTATION,
  REST_RETURN_OUTCOME
};

/* Conditions and preferences, from headers or from Bundle.entry.request. Empty where absent. */
struct rest_headers {
  struct str if_match, if_none_match, if_none_exist, if_modified_since;
  struct str accept, content_type, prefer;
  struct str security_context; /* of a Binary as bytes */
};

/* What becomes the HTTP response, or Bundle.entry.response. */
struct rest_answer {
  int status;
  struct str body;           /* a resource; empty: none */
  struct str location, etag; /* "Patient/1/_history/1" (relative), W/"1" */
  int64_t last_modified_us;  /* 0: none */
  struct str allow;          /* of a 405 */
  bool is_outcome;           /* body is an OperationOutcome */
  bool is_raw;               /* body is that of a Binary; so the next */
  struct str security_context;
  /* Of the asynchronous pattern. */
  struct str content_location; /* relative */
  struct str progress;
  unsigned retry_after_s; /* 0: none */
  int64_t expires_us;     /* 0: not said */
};

/* The media type of an answer's body. */
struct rest_media {
  struct str content_type;
  bool is_xml;
};

/* Of a request's body, unpacked. */
#define REST_BODY_MAX_BYTES ((size_t)128 << 20)

struct rest_call {
  struct service *service;
  struct arena *arena;
  struct access access;
  struct str base_url; /* "http://localhost:8080/fhir" */

  /* The request. */
  struct str method, path, query; /* path below the base, "Patient/1"; raw */
  struct rest_headers headers;
  struct str body;                   /* of HTTP; */
  const struct yyjson_val *resource; /* or, in a bundle, already parsed */
  bool is_entry;                     /* of a batch or transaction */
  bool is_job;                       /* run later, rest_async.h */

  /* What was read from it. */
  const struct rest_operation *operation;
  defs_type_id type; /* 0: all types */
  struct str id;     /* of the resource; of the compartment, where there is one */
  defs_type_id compartment;
  uint32_t version;
  const struct search_pair *pairs; /* the query without _format and _pretty */
  size_t pairs_n;
  struct str format; /* _format as asked for in the query; empty: it was not */
  enum rest_return wanted;
  bool is_lenient, is_pretty, wants_async;
  bool wants_bytes;        /* of a Binary, not the resource */
  struct rest_media media; /* of the answer; entries of bundles: JSON, whatever this says */

  struct rest_answer answer;
  void (*done)(struct rest_call *call); /* the answer is there; called once, from any thread */
  void *what;

  struct worker_job job;
  struct rest_write *write; /* of rest_write.c and rest_bundle.c */
};

/* A parameter of an operation, as OperationDefinition has it. */
struct rest_parameter {
  const char *name, *type; /* "_since", "instant"; type "": it has parts */
  const char *text;
  bool is_out, is_required;
  const char *max; /* NULL: "1" */
  const struct rest_parameter *parts;
};

struct rest_operation {
  const char *interaction; /* code of http://hl7.org/fhir/restful-interaction, or "" */
  const char *operation;   /* name of an operation ("everything"), or "" */
  const char *method;
  const char *path; /* "[type]/[id]"; other words stand for themselves */
  bool is_long;     /* runs on a worker */
  void (*run)(struct rest_call *call);
  const char *text; /* for docs and CapabilityStatement */
  /* Of operations; may be left out. */
  const struct rest_parameter *parameters; /* ends with one without name; for OperationDefinition */
  bool affects_state;
  bool needs_no_store;  /* never waits behind what does */
  bool answers_at_once; /* its answer is no resource: Prefer: respond-async has no effect */
};

const struct rest_operation *rest_operations(size_t *ret_n);

/* ERR_NOT_FOUND, with the nearest known, for what isn't the name of a resource type. */
int rest_find_type(struct str name, defs_type_id *ret_type, struct err *reterr) MUST_CHECK;

/* Runs a call; `call->done` follows. What takes long runs on a worker, but for entries and jobs. */
void rest_run(struct rest_call *call);

/* From HTTP: makes the call, runs it, responds. `path` is below /fhir. */
void rest_handle(struct service *service, struct http_request *request, struct str path);
/* The body for what the HTTP server itself refuses: an OperationOutcome as the client accepts it.
 */
void rest_refuse(const struct http_request *request, const struct err *err,
                 struct http_response *ret_response);

/* ---- The query (rest_query.c) --------------------------------------------------------------- */

/* "a=1&b=2" taken apart; `_format` and `_pretty` go to the call. */
int rest_read_pairs(struct rest_call *call, struct str query, struct search_pair **ret_pairs,
                    size_t *ret_n, struct err *reterr) MUST_CHECK;
/* ERR_NOT_SUPPORTED for a parameter that is not one of `known` (NULL-terminated), unless the client
 * asks for lenient handling. `what`: "A read", "History". */
int rest_check_parameters(const struct rest_call *call, const char *what, const char *const *known,
                          struct err *reterr) MUST_CHECK;
/* The error for one; names the nearest known. */
int rest_unknown_parameter(struct str name, const char *what, const char *const *known,
                           struct err *reterr) MUST_CHECK;
/* The URL of the same request, without the parameters `left_out`; `path` is below the base. */
struct str rest_self_url(const struct rest_call *call, struct str path,
                         const char *const *left_out);
/* Appends _format and _pretty where they were asked for. */
void rest_add_form(const struct rest_call *call, struct buf *url);
/* `self` and one parameter more. */
struct str rest_next_url(const struct rest_call *call, struct str self, const char *name,
                         struct str value);
/* What a search of this call may cost. */
struct search_limits rest_search_limits(const struct rest_call *call);
/* The query of a call, in the types or the compartment that its path names. Faults are in `issues`.
 */
int rest_search_parse(struct rest_call *call, const struct search_pair *pairs, size_t n,
                      const struct search **ret_search, struct issues *issues,
                      struct err *reterr) MUST_CHECK;
/* The same, and a view to run it in, which the caller closes. False: the call was failed. */
bool rest_search_open(struct rest_call *call, const struct search_pair *pairs, size_t n,
                      const struct search **ret_search, struct issues *issues,
                      struct store_view **ret_view);
/* Runs `run` with the parameters of URL and form together, or fails the call. */
void rest_with_form(struct rest_call *call,
                    void (*run)(struct rest_call *call, const struct search_pair *pairs, size_t n));
/* The parameters of an operation: those of the query, and those of a Parameters resource in the
 * body of a POST; of the latter, primitive values by name. */
int rest_operation_pairs(struct rest_call *call, const struct search_pair **ret_pairs,
                         size_t *ret_n, struct err *reterr) MUST_CHECK;
/* What search_subset cuts by, where the query has _summary or _elements; else NULL. */
int rest_subset_of(const struct rest_call *call, const struct search **ret_subset,
                   struct err *reterr) MUST_CHECK;

/* ---- Answers (rest_answer.c) --------------------------------------------------------------- */

/* Ends the call with what `call->answer` holds. */
void rest_finish(struct rest_call *call);
/* Ends it with an OperationOutcome of one fault; the status comes from its code. */
void rest_fail(struct rest_call *call, const struct err *err);
/* The same of several; `status` 0: that of the first error. */
void rest_fail_issues(struct rest_call *call, int status, const struct issues *issues);
/* An OperationOutcome's bytes. */
struct str rest_outcome(struct arena *arena, const struct err *issues, size_t n);
/* Puts a resource version into the answer: status, ETag, Last-Modified, and the body. */
int rest_answer_resource(struct rest_call *call, int status, const struct store_resource *resource,
                         struct err *reterr) MUST_CHECK;
/* A searchset of `result`; matches are cut by `subset` (NULL: they aren't). */
int rest_answer_rows(struct rest_call *call, const struct search *subset, struct str self,
                     const struct search_result *result, const struct issues *warnings,
                     struct err *reterr) MUST_CHECK;
/* The body cut to _summary and _elements where the query asks for it. */
int rest_subset(struct rest_call *call, struct str body, struct str *ret_body,
                struct err *reterr) MUST_CHECK;
/* W/"3". */
struct str rest_etag(struct arena *arena, uint32_t version);
/* "Tue, 15 Nov 1994 08:12:31 GMT". */
struct str rest_http_date(struct arena *arena, int64_t at_us);
bool rest_parse_http_date(struct str text, int64_t *ret_at_us);

/* ---- Forms: JSON and XML (rest_format.c) --------------------------------------------------- */

/* Which media type does the client want: of `_format` where it is there, else of Accept, by its
 * quality values. Where it leaves the choice: XML if it sent XML, else JSON. ERR_NOT_ACCEPTABLE. */
int rest_negotiate(struct str accept, struct str format, bool sent_xml,
                   struct rest_media *ret_media, struct err *reterr) MUST_CHECK;
/* Is this Content-Type one of XML? */
bool rest_is_xml(struct str content_type);
/* JSON or XML? Without Content-Type the body tells. ERR_MEDIA_TYPE for another type, charset or
 * fhirVersion. */
int rest_media_of_body(struct str content_type, struct str body, bool *ret_is_xml,
                       struct err *reterr) MUST_CHECK;
/* Puts the answer's body, which is JSON, into the form that `call->media` and `_pretty` ask for.
 * What XML can't hold (a result that is no resource) stays JSON, and `call->media` says so. */
void rest_write_form(struct rest_call *call);

/* ---- Binary as bytes (rest_binary.c) --------------------------------------------------------- */

/* Is it the read of a Binary by who accepts no form of FHIR? (No Accept at all: FHIR.) */
bool rest_binary_wants_bytes(const struct rest_call *call);
/* Puts the bytes of a version into the answer. */
int rest_binary_answer(struct rest_call *call, const struct store_resource *resource,
                       struct err *reterr) MUST_CHECK;
/* Is the body of this write the content of a Binary? */
bool rest_binary_is_bytes(struct rest_call *call);
/* The Binary that it becomes. ERR_TOO_LONG. */
int rest_binary_read(struct rest_call *call, const struct yyjson_val **ret_resource,
                     struct err *reterr) MUST_CHECK;

/* ---- Handlers ------------------------------------------------------------------------------ */

void rest_read(struct rest_call *call);
void rest_vread(struct rest_call *call);
void rest_history(struct rest_call *call);
void rest_create(struct rest_call *call);
void rest_update(struct rest_call *call);
void rest_delete(struct rest_call *call);
void rest_patch(struct rest_call *call);
void rest_meta(struct rest_call *call);
void rest_meta_add(struct rest_call *call);
void rest_meta_delete(struct rest_call *call);
void rest_validate(struct rest_call *call);
void rest_search(struct rest_call *call);
void rest_search_form(struct rest_call *call);
void rest_explain(struct rest_call *call);
void rest_everything(struct rest_call *call);
void rest_graphql(struct rest_call *call);
void rest_value_set_expand(struct rest_call *call);
void rest_value_set_validate_code(struct rest_call *call);
void rest_code_system_lookup(struct rest_call *call);
void rest_code_system_validate_code(struct rest_call *call);
void rest_code_system_subsumes(struct rest_call *call);
void rest_bundle(struct rest_call *call);
void rest_reindex(struct rest_call *call);
void rest_reindex_status(struct rest_call *call);
void rest_reindex_cancel(struct rest_call *call);
void rest_metadata(struct rest_call *call);
void rest_async_status(struct rest_call *call);
void rest_async_cancel(struct rest_call *call);

/* What the statement says of formats; end with NULL. */
const char *const *rest_formats(void);
const char *const *rest_patch_formats(void);

#endif
