/* What answers are made of: OperationOutcome, resources, dates, media types. */
#include "service/rest.h"

#include "base/clock.h"
#include "model/resource.h"
#include "store/told.h"

#define ANSWER_MAX_BYTES ((size_t)512 << 20)

/* ---- Ending a call -------------------------------------------------------------------------- */

void rest_finish(struct rest_call *call) {
  if (call->answer.body.n > 0 && !call->answer.is_raw)
    rest_write_form(call);
  call->done(call);
}

static const char *severity_name(enum err_severity severity) {
  static const char *const names[] = {"fatal", "error", "warning", "information"};
  return names[severity];
}

/* Is the place an element of a resource ("Patient.name[0]"), or something else ("line 2")? */
static bool is_element(const char *where) {
  size_t n = strcspn(where, ".[");
  return n > 0 && strpbrk(where, " ?&|") == NULL && defs_type_by_name(str_n(where, n)) != 0;
}

/* The name of a parameter, as the places of faults in queries are told ("subject:Patient.name"),
 * and not "line 2 column 7". */
static bool is_parameter(const char *where) {
  return where[0] && !is_element(where) && strpbrk(where, " ,;/?&|()") == NULL;
}

static void write_place(struct json_writer *w, struct str name, struct str place) {
  json_key(w, name);
  json_begin_array(w);
  json_string(w, place);
  json_end_array(w);
}

struct str rest_outcome(struct arena *arena, const struct err *issues, size_t n) {
  struct buf buf;
  buf_init_arena(&buf, arena, ANSWER_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  json_member_string(&w, STR("resourceType"), STR("OperationOutcome"));
  json_key(&w, STR("issue"));
  json_begin_array(&w);
  for (size_t i = 0; i < n; i++) {
    const struct err told = store_told(&issues[i]), *err = &told;
    bool has_element = is_element(err->where);
    struct str text = str_of(err->text);
    if (err->where[0] && !has_element)
      text = arena_printf(arena, "%s: %s", err->where, err->text);
    json_begin_object(&w);
    json_member_string(&w, STR("severity"), str_of(severity_name(err->severity)));
    json_member_string(&w, STR("code"),
                       str_of(err->code ? err_facts(err->code)->issue_type : "informational"));
    json_member_string(&w, STR("diagnostics"), text);
    if (has_element)
      write_place(&w, STR("expression"), str_of(err->where));
    else if (is_parameter(err->where))
      write_place(&w, STR("location"), arena_printf(arena, "http.%s", err->where));
    json_end_object(&w);
  }
  json_end_array(&w);
  json_end_object(&w);
  return buf_is_overflown(&buf) ? STR("{\"resourceType\":\"OperationOutcome\",\"issue\":[{"
                                      "\"severity\":\"fatal\",\"code\":\"exception\"}]}")
                                : buf_str(&buf);
}

static void answer_outcome(struct rest_call *call, int status, const struct err *issues, size_t n) {
  struct str allow = call->answer.allow;
  bool is_away = n > 0 && issues[0].code == ERR_UNAVAILABLE;
  call->answer = (struct rest_answer){.status = status,
                                      .allow = allow,
                                      .is_outcome = true,
                                      .retry_after_s = is_away ? STORE_AGAIN_S : 0,
                                      .body = rest_outcome(call->arena, issues, n)};
  rest_finish(call);
}

void rest_fail(struct rest_call *call, const struct err *err) {
  answer_outcome(call, err_facts(err->code)->http_status, err, 1);
}

void rest_fail_issues(struct rest_call *call, int status, const struct issues *issues) {
  for (size_t i = 0; i < issues->list.n && status == 0; i++)
    if (issues->list.p[i].severity <= ERR_SEVERITY_ERROR)
      status = err_facts(issues->list.p[i].code)->http_status;
  answer_outcome(call, status ? status : 400, issues->list.p, issues->list.n);
}

/* ---- Resources ------------------------------------------------------------------------------ */

int rest_subset(struct rest_call *call, struct str body, struct str *ret_body, struct err *reterr) {
  const struct search *subset = NULL;
  int code = rest_subset_of(call, &subset, reterr);
  *ret_body = body;
  if (code || !subset)
    return code;
  if (search_summary_of(subset) == SEARCH_SUMMARY_COUNT)
    return err_set(reterr, ERR_VALUE, "_summary", "count is for searches and history only");
  return search_subset(call->arena, subset, body, ret_body, reterr);
}

int rest_answer_resource(struct rest_call *call, int status, const struct store_resource *resource,
                         struct err *reterr) {
  struct str body = STR_NULL;
  struct buf buf;
  int code = rest_subset(call, resource->body, &body, reterr);
  if (code)
    return code;
  buf_init_arena(&buf, call->arena, ANSWER_MAX_BYTES);
  /* Room at once: version and time add less than 100 bytes. */
  if (!buf_extend(&buf, body.n + 100))
    return err_no_memory(reterr);
  buf.n = 0;
  resource_write(&buf, body, resource->version, resource->updated_us);
  call->answer.status = status;
  call->answer.body = buf_str(&buf);
  call->answer.etag = rest_etag(call->arena, resource->version);
  call->answer.last_modified_us = resource->updated_us;
  return buf_is_overflown(&buf) ? err_no_memory(reterr) : 0;
}

/* ---- Dates of HTTP (RFC 9110, 5.6.7) -------------------------------------------------------- */

static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

static void add_two_digits(struct buf *buf, int value) {
  buf_add_char(buf, (char)('0' + value / 10));
  buf_add_char(buf, (char)('0' + value % 10));
}

struct str rest_http_date(struct arena *arena, int64_t at_us) {
  static const char *const days[] = {"Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"};
  struct clock_civil civil = clock_to_civil(at_us);
  int64_t day = at_us / 86400000000; /* 1970-01-01 was a Thursday */
  struct buf buf;
  /* Written by hand: every read has one, and printf would show in the profile. */
  buf_init_arena(&buf, arena, 64);
  buf_add(&buf, str_n(days[((day % 7) + 7) % 7], 3));
  buf_add(&buf, STR(", "));
  add_two_digits(&buf, civil.day);
  buf_add_char(&buf, ' ');
  buf_add(&buf, str_n(month_names + (civil.month - 1) * 3, 3));
  buf_add_char(&buf, ' ');
  add_two_digits(&buf, civil.year / 100);
  add_two_digits(&buf, civil.year % 100);
  buf_add_char(&buf, ' ');
  add_two_digits(&buf, civil.hour);
  buf_add_char(&buf, ':');
  add_two_digits(&buf, civil.minute);
  buf_add_char(&buf, ':');
  add_two_digits(&buf, civil.second);
  buf_add(&buf, STR(" GMT"));
  return buf_str(&buf);
}

struct str rest_etag(struct arena *arena, uint32_t version) {
  struct buf buf;
  buf_init_arena(&buf, arena, 16);
  buf_add(&buf, STR("W/\""));
  buf_add_u64(&buf, version);
  buf_add_char(&buf, '"');
  return buf_str(&buf);
}

static bool two_digits(struct str text, size_t at, int *ret_value) {
  uint64_t value;
  if (!str_to_u64(str_slice(text, at, 2), &value))
    return false;
  *ret_value = (int)value;
  return true;
}

/* Only the form that RFC 9110 lets anybody send: "Sun, 06 Nov 1994 08:49:37 GMT". */
bool rest_parse_http_date(struct str text, int64_t *ret_at_us) {
  struct clock_civil civil = {0};
  uint64_t year;
  text = str_trim(text);
  if (text.n != 29 || !str_ends_with(text, STR(" GMT")))
    return false;
  ssize_t month = str_find(str_of(month_names), str_slice(text, 8, 3));
  if (month < 0 || month % 3 != 0 || !str_to_u64(str_slice(text, 12, 4), &year) ||
      !two_digits(text, 5, &civil.day) || !two_digits(text, 17, &civil.hour) ||
      !two_digits(text, 20, &civil.minute) || !two_digits(text, 23, &civil.second))
    return false;
  civil.year = (int)year;
  civil.month = (int)month / 3 + 1;
  if (civil.year < 1 || civil.day < 1 || civil.day > clock_days_in_month(civil.year, civil.month))
    return false;
  *ret_at_us = clock_from_civil(civil);
  return true;
}
