#include "service/rest_async.h"

#include "base/id.h"
#include "base/nearest.h"
#include "format/url.h"

#define SEGMENTS_MAX 6

/* ---- From a method and a path to an operation ----------------------------------------------- */

struct path {
  struct str segments[SEGMENTS_MAX];
  size_t n;
};

/* "Patient/1/" -> two decoded segments. */
static int split_path(struct arena *arena, struct str text, struct path *ret_path,
                      struct err *reterr) {
  struct str rest = text, segment;
  *ret_path = (struct path){.n = 0};
  while (rest.n > 0 && str_split(&rest, '/', &segment)) {
    if (segment.n == 0)
      continue;
    if (ret_path->n == SEGMENTS_MAX)
      return err_set(reterr, ERR_NOT_FOUND, "", "There is nothing at this URL.");
    int code = url_decode(arena, segment, &ret_path->segments[ret_path->n++], reterr);
    if (code)
      return code;
  }
  return 0;
}

/* Does the path have the operation's form? "[type]" stands for any word that doesn't begin with '_'
 * or '$' and isn't lower case, "[id]" and "[vid]" for any that doesn't begin so. */
static bool has_form(const struct path *path, const char *form) {
  struct str rest = str_of(form), word;
  size_t i = 0;
  while (rest.n > 0 && str_split(&rest, '/', &word)) {
    if (i == path->n)
      return false;
    struct str segment = path->segments[i++];
    bool is_plain = segment.p[0] != '_' && segment.p[0] != '$';
    bool is_type = str_is(word, "[type]") || str_is(word, "[compartment]");
    if (is_type            ? !is_plain || segment.p[0] < 'A' || segment.p[0] > 'Z'
        : word.p[0] == '[' ? !is_plain
                           : !str_equal(word, segment))
      return false;
  }
  return i == path->n;
}

static const struct rest_operation *find_operation(struct rest_call *call,
                                                   const struct path *path) {
  size_t n;
  const struct rest_operation *operations = rest_operations(&n);
  struct str method = str_is(call->method, "HEAD") ? STR("GET") : call->method;
  struct buf allow;
  buf_init_arena(&allow, call->arena, 200);
  for (size_t i = 0; i < n; i++) {
    if (!has_form(path, operations[i].path))
      continue;
    if (str_is(method, operations[i].method))
      return &operations[i];
    buf_printf(&allow, "%s%s", allow.n > 0 ? ", " : "", operations[i].method);
  }
  call->answer.allow = buf_str(&allow);
  return NULL;
}

int rest_find_type(struct str name, defs_type_id *ret_type, struct err *reterr) {
  struct nearest nearest = nearest_to(name);
  *ret_type = defs_type_by_name(name);
  if (*ret_type && defs_is_resource(defs_type(*ret_type)))
    return 0;
  for (size_t type = 1; type <= defs_types_count(); type++)
    if (defs_is_resource(defs_type((defs_type_id)type)))
      nearest_consider(&nearest, defs_type((defs_type_id)type)->name);
  return err_set(reterr, ERR_NOT_FOUND, "", "'%.*s' is not a resource type of FHIR R4%s%.*s%s",
                 STR_ARG(str_slice(name, 0, 64)), nearest.name.n ? "; did you mean '" : "",
                 STR_ARG(nearest.name), nearest.name.n ? "'?" : " (names are case-sensitive).");
}

/* Reads the words of the path that the form calls by name. */
static int bind_path(struct rest_call *call, const struct path *path, struct err *reterr) {
  struct str rest = str_of(call->operation->path), word;
  for (size_t i = 0; rest.n > 0 && str_split(&rest, '/', &word); i++) {
    struct str segment = path->segments[i];
    uint64_t version;
    int code = 0;
    if (str_is(word, "[compartment]")) {
      code = rest_find_type(segment, &call->compartment, reterr);
    } else if (str_is(word, "[type]") || (word.n > 0 && word.p[0] >= 'A' && word.p[0] <= 'Z')) {
      code = rest_find_type(segment, &call->type, reterr);
    } else if (str_is(word, "[id]")) {
      call->id = segment;
      if (!id_is_fhir_id(segment))
        code = err_set(reterr, str_is(call->method, "PUT") ? ERR_VALUE : ERR_NOT_FOUND, "",
                       "The id in the URL is not one: 1 to 64 letters, digits, '-' and '.'.");
    } else if (str_is(word, "[vid]")) {
      if (!str_to_u64(segment, &version) || version == 0 || version > UINT32_MAX)
        code = err_set(reterr, ERR_NOT_FOUND, "", "There is no such version.");
      else
        call->version = (uint32_t)version;
    }
    if (code)
      return code;
  }
  return 0;
}

/* ---- Preferences ---------------------------------------------------------------------------- */

static int read_prefer(struct rest_call *call, struct err *reterr) {
  struct str rest = call->headers.prefer, one;
  while (rest.n > 0 && str_split(&rest, ',', &one)) {
    struct str part;
    while (one.n > 0 && str_split(&one, ';', &part)) {
      part = str_trim(part);
      if (str_is(part, "return=minimal"))
        call->wanted = REST_RETURN_MINIMAL;
      else if (str_is(part, "return=representation"))
        call->wanted = REST_RETURN_REPRESENTATION;
      else if (str_is(part, "return=OperationOutcome"))
        call->wanted = REST_RETURN_OUTCOME;
      else if (str_is(part, "handling=lenient"))
        call->is_lenient = true;
      else if (str_is(part, "handling=strict"))
        call->is_lenient = false;
      else if (str_is(part, "respond-async"))
        call->wants_async = true;
      else if (str_starts_with(part, STR("return=")) && !call->is_lenient)
        return err_set(reterr, ERR_VALUE, "",
                       "Prefer: return is one of minimal, representation, OperationOutcome.");
    }
  }
  return 0;
}

/* ---- Running -------------------------------------------------------------------------------- */

static void run_operation(void *what) {
  struct rest_call *call = what;
  call->operation->run(call);
}

static void begin_async(void *what) {
  rest_async_begin(what);
}

/* Nothing has the form of this path: names what it may have been meant for. */
static int nothing_here(const struct path *path, struct err *reterr) {
  size_t n;
  const struct rest_operation *operations = rest_operations(&n);
  struct str last = path->n > 0 ? path->segments[path->n - 1] : STR("");
  struct nearest nearest = nearest_to(last);
  for (size_t i = 0; i < n; i++) {
    struct str rest = str_of(operations[i].path), word;
    while (rest.n > 0 && str_split(&rest, '/', &word))
      if (word.n > 0 && word.p[0] != '[')
        nearest_consider(&nearest, word);
  }
  for (size_t type = 1; type <= defs_types_count(); type++)
    if (path->n == 1 && defs_is_resource(defs_type((defs_type_id)type)))
      nearest_consider(&nearest, defs_type((defs_type_id)type)->name);
  return err_set(reterr, ERR_NOT_FOUND, "", "There is nothing at this URL%s%.*s%s",
                 nearest.name.n ? "; did you mean '" : ".", STR_ARG(nearest.name),
                 nearest.name.n ? "'?" : "");
}

static int prepare(struct rest_call *call, struct err *reterr) {
  struct path path;
  int code = split_path(call->arena, call->path, &path, reterr);
  if (code)
    return code;
  call->operation = find_operation(call, &path);
  defs_type_id type;
  if (!call->operation && path.n > 0 && path.segments[0].p[0] >= 'A' &&
      path.segments[0].p[0] <= 'Z' && (code = rest_find_type(path.segments[0], &type, reterr)) != 0)
    return code;
  if (!call->operation && call->answer.allow.n > 0)
    return err_set(reterr, ERR_METHOD, "", "Only %.*s is possible here.",
                   STR_ARG(call->answer.allow));
  if (!call->operation)
    return nothing_here(&path, reterr);
  call->answer.allow = STR_NULL;
  return bind_path(call, &path, reterr);
}

/* On whose threads a call runs; NULL: on that of the caller. A server may keep who asks it waiting,
 * for as long as an outage takes: so nothing that asks it runs on a thread of the HTTP server, and
 * what asks nothing has threads of its own. Reading from a file takes no time. */
static struct workers *workers_of(const struct rest_call *call) {
  if (call->is_entry || call->is_job)
    return NULL;
  if (call->operation->needs_no_store)
    return call->service->independent;
  return call->operation->is_long ? call->service->workers : call->service->readers;
}

void rest_run(struct rest_call *call) {
  struct err err;
  int code = prepare(call, &err);
  if (code == 0)
    code = read_prefer(call, &err);
  if (code) {
    rest_fail(call, &err);
  } else if (call->wants_async && rest_async_may(call)) {
    call->job = (struct worker_job){.run = begin_async, .what = call};
    workers_submit(call->service->workers, &call->job);
  } else if (workers_of(call)) {
    call->job = (struct worker_job){.run = run_operation, .what = call};
    workers_submit(workers_of(call), &call->job);
  } else {
    call->operation->run(call);
  }
}

/* ---- From and to HTTP ----------------------------------------------------------------------- */

struct http_call {
  struct rest_call call;
  struct http_request *request;
};

static void add_header(struct http_response *response, const char *name, struct str value) {
  if (value.n > 0 && response->headers_n < sizeof response->headers / sizeof response->headers[0])
    response->headers[response->headers_n++] = (struct http_header){name, value};
}

static void add_url(struct rest_call *call, struct http_response *response, const char *name,
                    struct str path) {
  if (path.n > 0)
    add_header(response, name,
               arena_printf(call->arena, "%.*s/%.*s", STR_ARG(call->base_url), STR_ARG(path)));
}

static void respond(struct rest_call *call) {
  struct http_call *http = call->what;
  const struct rest_answer *answer = &call->answer;
  struct http_response response = {.status = answer->status, .body = answer->body};
  if (answer->body.n > 0)
    response.content_type = call->media.content_type;
  add_url(call, &response, "Location", answer->location);
  add_url(call, &response, "Content-Location", answer->content_location);
  add_header(&response, "ETag", answer->etag);
  if (answer->last_modified_us)
    add_header(&response, "Last-Modified", rest_http_date(call->arena, answer->last_modified_us));
  add_header(&response, "Allow", answer->allow);
  if (answer->status == 415 && str_is(call->method, "PATCH"))
    add_header(&response, "Accept-Patch", str_of(REST_PATCH_TYPES));
  if (answer->is_raw) {
    /* A page that somebody stored must not run as one of ours. */
    add_header(&response, "X-Content-Type-Options", STR("nosniff"));
    add_header(&response, "Content-Security-Policy", STR("default-src 'none'; sandbox"));
    add_header(&response, "X-Security-Context", answer->security_context);
  }
  add_header(&response, "X-Progress", answer->progress);
  if (answer->retry_after_s)
    add_header(&response, "Retry-After", arena_printf(call->arena, "%u", answer->retry_after_s));
  else if (answer->status == 503) /* nothing was done, and the same may be asked again */
    add_header(&response, "Retry-After", STR("1"));
  if (answer->expires_us)
    add_header(&response, "Expires", rest_http_date(call->arena, answer->expires_us));
  add_header(&response, "Cache-Control", STR("private, no-cache"));
  http_respond(http->request, &response);
}

static void read_headers(struct rest_call *call, const struct http_request *request) {
  call->headers = (struct rest_headers){
      .if_match = http_request_header(request, "If-Match"),
      .if_none_match = http_request_header(request, "If-None-Match"),
      .if_none_exist = http_request_header(request, "If-None-Exist"),
      .if_modified_since = http_request_header(request, "If-Modified-Since"),
      .accept = http_request_header(request, "Accept"),
      .content_type = http_request_header(request, "Content-Type"),
      .prefer = http_request_header(request, "Prefer"),
      .security_context = http_request_header(request, "X-Security-Context"),
  };
}

void rest_handle(struct service *service, struct http_request *request, struct str path) {
  struct http_call *http = ARENA_NEW(request->arena, struct http_call);
  struct err err;
  if (!http) {
    http_respond(request, &(struct http_response){.status = 503});
    return;
  }
  struct rest_call *call = &http->call;
  http->request = request;
  *call = (struct rest_call){.service = service,
                             .arena = request->arena,
                             .access = ACCESS_EVERYTHING(STR("anonymous")),
                             .base_url = service_base_url(service, request),
                             .method = request->method,
                             .path = path,
                             .query = request->query,
                             .body = request->body,
                             .media = {STR("application/fhir+json; charset=utf-8"), false},
                             .done = respond,
                             .what = http};
  read_headers(call, request);
  struct search_pair *pairs = NULL;
  int code = rest_read_pairs(call, request->query, &pairs, &call->pairs_n, &err);
  call->pairs = pairs;
  call->wants_bytes = code == 0 && rest_binary_wants_bytes(call);
  if (code == 0 && !call->wants_bytes)
    code = rest_negotiate(call->headers.accept, call->format,
                          rest_is_xml(call->headers.content_type), &call->media, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_run(call);
}

void rest_refuse(const struct http_request *request, const struct err *err,
                 struct http_response *ret_response) {
  struct rest_call call = {.arena = request->arena,
                           .media = {STR("application/fhir+json; charset=utf-8"), false},
                           .answer.body = rest_outcome(request->arena, err, 1)};
  struct err ignored;
  if (rest_negotiate(http_request_header(request, "Accept"), STR_NULL,
                     rest_is_xml(http_request_header(request, "Content-Type")), &call.media,
                     &ignored) == 0)
    rest_write_form(&call);
  ret_response->content_type = call.media.content_type;
  ret_response->body = call.answer.body;
}
