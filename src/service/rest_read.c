/* read, vread and history of an instance. */
#include "service/rest.h"

#include "service/bundle_writer.h"

#define HISTORY_COUNT_DEFAULT 100
#define HISTORY_COUNT_MAX 1000

/* Has the client this version already? (RFC 9110, 13.1.2 and 13.1.3) */
static bool is_unchanged(const struct rest_call *call, const struct store_resource *resource) {
  struct str rest = call->headers.if_none_match, one;
  int64_t since_us;
  if (rest.n > 0) {
    while (rest.n > 0 && str_split(&rest, ',', &one))
      if (str_is(str_trim(one), "*") || transaction_version_of_etag(one) == resource->version)
        return true;
    return false;
  }
  return rest_parse_http_date(call->headers.if_modified_since, &since_us) &&
         resource->updated_us / 1000000 <= since_us / 1000000;
}

static void answer_read(struct rest_call *call, int code, const struct store_resource *resource,
                        struct err *err) {
  if (code == 0 && is_unchanged(call, resource)) {
    call->answer.status = 304;
    call->answer.etag = rest_etag(call->arena, resource->version);
    call->answer.last_modified_us = resource->updated_us;
    rest_finish(call);
    return;
  }
  if (code == 0)
    code = rest_answer_resource(call, 200, resource, err);
  if (code)
    rest_fail(call, err);
  else
    rest_finish(call);
}

void rest_read(struct rest_call *call) {
  struct store_view *view;
  struct store_resource resource;
  struct err err;
  int code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = store_read(view, &call->access, call->arena, call->type, call->id, &resource, &err);
    store_view_close(view);
  }
  answer_read(call, code, &resource, &err);
}

void rest_vread(struct rest_call *call) {
  struct store_view *view;
  struct store_resource resource;
  struct err err;
  int code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = store_vread(view, &call->access, call->arena, call->type, call->id, call->version,
                       &resource, &err);
    store_view_close(view);
  }
  answer_read(call, code, &resource, &err);
}

/* ---- History -------------------------------------------------------------------------------- */

struct history_query {
  size_t count;
  uint32_t before_version; /* of the parameter `_before`, which `next` links carry */
};

static int read_history_query(const struct rest_call *call, struct history_query *ret_query,
                              struct err *reterr) {
  *ret_query = (struct history_query){.count = HISTORY_COUNT_DEFAULT};
  for (size_t i = 0; i < call->pairs_n; i++) {
    struct str name = call->pairs[i].name;
    uint64_t value;
    bool is_number = str_to_u64(call->pairs[i].value, &value);
    if (str_is(name, "_count") && is_number) {
      ret_query->count = value < HISTORY_COUNT_MAX ? (size_t)value : HISTORY_COUNT_MAX;
    } else if (str_is(name, "_before") && is_number && value <= UINT32_MAX) {
      ret_query->before_version = (uint32_t)value;
    } else if (!call->is_lenient && !str_is(name, "_summary") && !str_is(name, "_elements")) {
      return err_set(reterr, ERR_NOT_SUPPORTED, "",
                     "History takes _count; '%.*s' is not supported here.",
                     STR_ARG(str_slice(name, 0, 60)));
    }
  }
  return 0;
}

static void write_history_entry(struct bundle_writer *b, const struct store_resource *version) {
  struct str type = defs_type(version->type)->name;
  bool is_first = version->version == 1;
  bundle_begin_entry(b, version->type, version->id);
  if (!version->is_deleted)
    bundle_resource(b, version->body, version->version, version->updated_us);
  bundle_request(
      b,
      version->is_deleted ? "DELETE"
      : is_first          ? "POST"
                          : "PUT",
      is_first ? type
               : arena_printf(b->call->arena, "%.*s/%.*s", STR_ARG(type), STR_ARG(version->id)));
  bundle_begin_response(b, version->is_deleted ? 204 : is_first ? 201 : 200);
  bundle_response_version(b, version->version, version->updated_us);
  bundle_end_response(b);
  bundle_end_entry(b);
}

static int answer_history(struct rest_call *call, const struct history_query *query,
                          const struct store_resources *versions, uint64_t total,
                          struct err *reterr) {
  struct bundle_writer b;
  struct str self =
      arena_printf(call->arena, "%.*s/%.*s/%.*s/_history?_count=%zu", STR_ARG(call->base_url),
                   STR_ARG(defs_type(call->type)->name), STR_ARG(call->id), query->count);
  struct str next = STR_NULL;
  if (versions->n > 0 && versions->n == query->count && versions->p[versions->n - 1].version > 1)
    next = arena_printf(call->arena, "%.*s&_before=%u", STR_ARG(self),
                        versions->p[versions->n - 1].version);
  bundle_begin(&b, call, "history");
  bundle_total(&b, total);
  bundle_links(&b, self, next);
  for (size_t i = 0; i < versions->n; i++)
    write_history_entry(&b, &versions->p[i]);
  call->answer.status = 200;
  return bundle_end(&b, &call->answer.body, reterr);
}

void rest_history(struct rest_call *call) {
  struct history_query query;
  struct store_view *view;
  struct store_resources versions = {0};
  uint64_t total = 0;
  struct err err;
  int code = read_history_query(call, &query, &err);
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = store_history(view, &call->access, call->arena, call->type, call->id, query.count,
                         query.before_version, &versions, &total, &err);
    store_view_close(view);
  }
  if (code == 0 && total == 0)
    code = err_set(&err, ERR_NOT_FOUND, "", "There is no %.*s/%.*s.",
                   STR_ARG(defs_type(call->type)->name), STR_ARG(call->id));
  if (code == 0)
    code = answer_history(call, &query, &versions, total, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}
