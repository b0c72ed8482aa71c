#include "service/service.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/search_values.h"
#include "model/validate.h"
#include "service/admin.h"
#include "service/files.h"
#include "service/rest_async.h"
#include "service/rest_metadata.h"

/* The authority goes into URLs and JSON as it is. */
static bool is_plain_authority(struct str host) {
  for (size_t i = 0; i < host.n; i++) {
    char c = host.p[i];
    bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '.' || c == '-' || c == '_' || c == ':' || c == '[' || c == ']';
    if (!is_plain)
      return false;
  }
  return host.n > 0 && host.n < 256;
}

struct str service_base_url(const struct service *service, const struct http_request *request) {
  if (service->options.base_url)
    return str_of(service->options.base_url);
  struct str host = http_request_header(request, "Host");
  if (is_plain_authority(host)) {
    struct buf url; /* without printf: every request has one */
    buf_init_arena(&url, request->arena, host.n + 32);
    buf_add(&url, STR("http://"));
    buf_add(&url, host);
    buf_add(&url, STR("/fhir"));
    return buf_str(&url);
  }
  return arena_printf(request->arena, "http://%s:%u/fhir",
                      service->options.address ? service->options.address : "127.0.0.1",
                      (unsigned)http_server_port(service->http));
}

/* The rest of `path` behind `prefix`, where it ends there or goes on with '/'. */
static bool take_prefix(struct str path, struct str prefix, struct str *ret_rest) {
  if (!str_starts_with(path, prefix) || (path.n > prefix.n && path.p[prefix.n] != '/'))
    return false;
  *ret_rest = str_slice(path, prefix.n, path.n);
  return true;
}

static void handle(struct http_request *request) {
  struct service *service = request->user;
  struct str rest;
  if (take_prefix(request->path, STR("/fhir"), &rest))
    rest_handle(service, request, rest);
  else if (take_prefix(request->path, STR("/api"), &rest))
    admin_handle(service, request, rest);
  else if (str_is(request->path, "/healthz"))
    admin_health(service, request);
  else
    files_handle(service->files, request);
}

/* What the HTTP server refuses is answered in the language of the API that was called. */
static void refuse(struct http_request *request, const struct err *err,
                   struct http_response *ret_response) {
  struct str rest;
  if (take_prefix(request->path, STR("/fhir"), &rest)) {
    rest_refuse(request, err, ret_response);
  } else {
    ret_response->content_type = STR("application/json; charset=utf-8");
    ret_response->body = admin_error(request->arena, err);
  }
}

static int open_parts(struct service *service, struct err *reterr) {
  const struct service_options *options = &service->options;
  int code = search_values_init(reterr);
  if (code == 0)
    code = validate_init(reterr);
  if (code == 0)
    code = files_open(&service->files, reterr);
  if (code == 0)
    code = turns_open(&service->turns, reterr);
  if (code == 0)
    code = workers_open(options->threads, &service->workers, reterr);
  if (code == 0 && store_is_shared(options->store))
    code = workers_open(options->threads, &service->readers, reterr);
  if (code == 0)
    code = workers_open(1, &service->independent, reterr);
  if (code == 0 && !(service->metadata = rest_metadata_cache_new()))
    code = err_no_memory(reterr);
  if (code == 0)
    code = rest_async_open(service, &service->async, reterr);
  if (code)
    return code;
  struct http_server_options http = {.address = options->address,
                                     .port = options->port,
                                     .threads = options->threads,
                                     .max_body_bytes = options->max_body_bytes,
                                     .max_connections = options->max_connections,
                                     .idle_timeout_s = options->idle_timeout_s,
                                     .allow_origins = options->allow_origins,
                                     .public_host = options->public_host,
                                     .budget = options->budget,
                                     .refuse = refuse,
                                     .handle = handle,
                                     .user = service};
  return http_server_open(&http, &service->http, reterr);
}

int service_open(const struct service_options *options, struct service **ret_service,
                 struct err *reterr) {
  struct service *service = calloc(1, sizeof *service);
  if (!service)
    return err_no_memory(reterr);
  service->options = *options;
  service->limits = options->limits ? *options->limits : limits_default;
  service->started_us = clock_monotonic_us();
  service->started_at_us = clock_now_us();
  int code = open_parts(service, reterr);
  if (code) {
    service_close(service);
    return code;
  }
  *ret_service = service;
  return 0;
}

uint16_t service_port(const struct service *service) {
  return http_server_port(service->http);
}

void service_close(struct service *service) {
  if (!service)
    return;
  http_server_close(service->http);
  rest_async_close(service->async);
  rest_metadata_cache_free(service->metadata);
  workers_close(service->workers);
  workers_close(service->readers);
  workers_close(service->independent);
  files_close(service->files);
  turns_close(service->turns);
  free(service);
}
