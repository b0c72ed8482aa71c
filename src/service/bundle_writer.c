#include "service/bundle_writer.h"

#include "base/clock.h"
#include "base/id.h"
#include "model/resource.h"

#define BUNDLE_MAX_BYTES ((size_t)1 << 30)

static void write_instant(struct json_writer *w, int64_t at_us) {
  char instant[CLOCK_INSTANT_BYTES];
  size_t n = clock_format_instant(at_us, instant);
  json_string(w, str_n(instant, n));
}

void bundle_begin(struct bundle_writer *b, const struct rest_call *call, const char *type) {
  char id[ID_UUID_BYTES];
  *b = (struct bundle_writer){.call = call};
  buf_init_arena(&b->buf, call->arena, BUNDLE_MAX_BYTES);
  b->w = json_writer(&b->buf);
  id_uuid_random(id);
  json_begin_object(&b->w);
  json_member_string(&b->w, STR("resourceType"), STR("Bundle"));
  json_member_string(&b->w, STR("id"), str_of(id));
  json_key(&b->w, STR("meta"));
  json_begin_object(&b->w);
  json_key(&b->w, STR("lastUpdated"));
  write_instant(&b->w, clock_now_us());
  json_end_object(&b->w);
  json_member_string(&b->w, STR("type"), str_of(type));
}

void bundle_total(struct bundle_writer *b, uint64_t total) {
  json_member_int(&b->w, STR("total"), total > INT32_MAX ? INT32_MAX : (int64_t)total);
}

static void write_link(struct bundle_writer *b, const char *relation, struct str url) {
  json_begin_object(&b->w);
  json_member_string(&b->w, STR("relation"), str_of(relation));
  json_member_string(&b->w, STR("url"), url);
  json_end_object(&b->w);
}

void bundle_links(struct bundle_writer *b, struct str self, struct str next) {
  json_key(&b->w, STR("link"));
  json_begin_array(&b->w);
  write_link(b, "self", self);
  if (next.n > 0)
    write_link(b, "next", next);
  json_end_array(&b->w);
}

static void begin_entry(struct bundle_writer *b) {
  if (!b->has_entries) {
    json_key(&b->w, STR("entry"));
    json_begin_array(&b->w);
    b->has_entries = true;
  }
  json_begin_object(&b->w);
}

void bundle_begin_entry(struct bundle_writer *b, defs_type_id type, struct str id) {
  begin_entry(b);
  if (id.n == 0)
    return;
  /* Base and id hold nothing that JSON would escape. */
  json_key(&b->w, STR("fullUrl"));
  json_raw(&b->w, STR("\""));
  buf_add(&b->buf, b->call->base_url);
  buf_add_char(&b->buf, '/');
  buf_add(&b->buf, defs_type(type)->name);
  buf_add_char(&b->buf, '/');
  buf_add(&b->buf, id);
  buf_add_char(&b->buf, '"');
}

void bundle_begin_contained(struct bundle_writer *b, defs_type_id type, struct str id,
                            struct str contained_id) {
  struct str name = defs_type(type)->name;
  begin_entry(b);
  json_member_string(&b->w, STR("fullUrl"),
                     arena_printf(b->call->arena, "%.*s/%.*s/%.*s#%.*s", STR_ARG(b->call->base_url),
                                  STR_ARG(name), STR_ARG(id), STR_ARG(contained_id)));
}

void bundle_resource(struct bundle_writer *b, struct str body, uint32_t version,
                     int64_t updated_us) {
  json_key(&b->w, STR("resource"));
  json_raw(&b->w, STR_NULL);
  resource_write(&b->buf, body, version, updated_us);
}

void bundle_resource_raw(struct bundle_writer *b, struct str json) {
  json_key(&b->w, STR("resource"));
  json_raw(&b->w, json);
}

void bundle_search_mode(struct bundle_writer *b, const char *mode) {
  json_key(&b->w, STR("search"));
  json_begin_object(&b->w);
  json_member_string(&b->w, STR("mode"), str_of(mode));
  json_end_object(&b->w);
}

void bundle_request(struct bundle_writer *b, const char *method, struct str url) {
  json_key(&b->w, STR("request"));
  json_begin_object(&b->w);
  json_member_string(&b->w, STR("method"), str_of(method));
  json_member_string(&b->w, STR("url"), url);
  json_end_object(&b->w);
}

static const char *reason_of(int status) {
  static const struct {
    int status;
    const char *reason;
  } reasons[] = {{200, "OK"},
                 {201, "Created"},
                 {202, "Accepted"},
                 {204, "No Content"},
                 {304, "Not Modified"},
                 {400, "Bad Request"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {409, "Conflict"},
                 {410, "Gone"},
                 {412, "Precondition Failed"},
                 {413, "Content Too Large"},
                 {422, "Unprocessable Content"},
                 {500, "Internal Server Error"},
                 {503, "Service Unavailable"},
                 {507, "Insufficient Storage"}};
  for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
    if (reasons[i].status == status)
      return reasons[i].reason;
  return "";
}

void bundle_begin_response(struct bundle_writer *b, int status) {
  char text[60];
  int n = snprintf(text, sizeof text, "%d %s", status, reason_of(status));
  json_key(&b->w, STR("response"));
  json_begin_object(&b->w);
  json_member_string(&b->w, STR("status"), str_trim(str_n(text, n > 0 ? (size_t)n : 0)));
}

void bundle_response_location(struct bundle_writer *b, struct str location) {
  json_member_string(&b->w, STR("location"), location);
}

void bundle_response_version(struct bundle_writer *b, uint32_t version, int64_t updated_us) {
  char etag[20];
  int n = snprintf(etag, sizeof etag, "W/\"%u\"", version);
  json_member_string(&b->w, STR("etag"), str_n(etag, n > 0 ? (size_t)n : 0));
  json_key(&b->w, STR("lastModified"));
  write_instant(&b->w, updated_us);
}

void bundle_response_outcome(struct bundle_writer *b, struct str outcome) {
  json_key(&b->w, STR("outcome"));
  json_raw(&b->w, outcome);
}

void bundle_end_response(struct bundle_writer *b) {
  json_end_object(&b->w);
}

void bundle_end_entry(struct bundle_writer *b) {
  json_end_object(&b->w);
}

void bundle_answer(struct bundle_writer *b, const struct rest_answer *answer, bool is_read) {
  bundle_begin_entry(b, 0, STR_NULL);
  if (answer->body.n > 0 && !answer->is_outcome)
    bundle_resource_raw(b, answer->body);
  bundle_begin_response(b, answer->status);
  if (answer->location.n > 0 && !is_read)
    bundle_response_location(b, answer->location);
  if (transaction_version_of_etag(answer->etag) > 0)
    bundle_response_version(b, transaction_version_of_etag(answer->etag), answer->last_modified_us);
  if (answer->is_outcome)
    bundle_response_outcome(b, answer->body);
  bundle_end_response(b);
  bundle_end_entry(b);
}

int bundle_end(struct bundle_writer *b, struct str *ret_body, struct err *reterr) {
  if (b->has_entries)
    json_end_array(&b->w);
  json_end_object(&b->w);
  if (buf_is_overflown(&b->buf))
    return err_no_memory(reterr);
  *ret_body = buf_str(&b->buf);
  return 0;
}
