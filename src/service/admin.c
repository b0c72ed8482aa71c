#include "service/admin.h"

#include "base/clock.h"
#include "flow/transaction.h"
#include "format/url.h"
#include "store/told.h"

#include <string.h>
#include <unistd.h>

#define ANSWER_MAX_BYTES ((size_t)256 << 20)

struct admin_resource {
  const char *path; /* words; "*" stands for any */
  int (*run)(struct admin_call *call, struct err *reterr);
  bool is_told_without; /* asks a store that is away for nothing */
};

static const struct admin_resource resources[] = {
    {"figures", admin_figures, .is_told_without = true},
    {"messages", admin_messages},
    {"messages/*", admin_message},
    {"persons", admin_persons},
    {"persons/*", admin_person},
    {"resources/*/*/explain", admin_explain},
    {"store", admin_store},
    {"system", admin_system, .is_told_without = true},
};

bool admin_store_is_away(struct admin_call *call) {
  if (!call->is_away)
    call->is_away = store_away_since_us(call->service->options.store) != 0;
  return call->is_away;
}

/* ---- Parameters and members ----------------------------------------------------------------- */

struct str admin_param(const struct admin_call *call, const char *name) {
  for (size_t i = 0; i < call->pairs_n; i++)
    if (str_is(call->pairs[i].name, name))
      return call->pairs[i].value;
  return STR_NULL;
}

int admin_param_number(const struct admin_call *call, const char *name, uint64_t fallback,
                       uint64_t max, uint64_t *ret_value, struct err *reterr) {
  struct str text = admin_param(call, name);
  uint64_t value = fallback;
  if (text.n > 0 && !str_to_u64(text, &value))
    return err_set(reterr, ERR_VALUE, name, "This parameter is a number.");
  *ret_value = value < max ? value : max;
  return 0;
}

void admin_member(struct json_writer *w, const char *name, struct str value) {
  if (value.n > 0)
    json_member_string(w, str_of(name), value);
}

void admin_member_instant(struct json_writer *w, const char *name, int64_t at_us) {
  char instant[CLOCK_INSTANT_BYTES];
  size_t n = clock_format_instant(at_us, instant);
  json_member_string(w, str_of(name), str_n(instant, n));
}

/* ---- What is not told ----------------------------------------------------------------------- */

/* "USER@" behind "://": its length, or 0. */
static size_t user_of_url_n(struct str rest) {
  size_t n = 0;
  for (size_t i = 0; i < rest.n && !strchr("/?& \n", rest.p[i]); i++)
    if (rest.p[i] == '@')
      n = i + 1;
  return n;
}

/* "?user=NAME" or "&user=NAME": what is left out, but for a '?' that others still need. */
static size_t user_parameter_n(struct str rest) {
  size_t n = 1;
  while (n < rest.n && !strchr("& \n", rest.p[n]))
    n++;
  return n;
}

struct str admin_without_user(struct arena *arena, struct str text) {
  struct buf kept;
  buf_init_arena(&kept, arena, text.n + 1);
  for (size_t at = 0; at < text.n;) {
    struct str before = str_n(text.p, at), rest = str_slice(text, at, text.n);
    size_t n = 0;
    if (str_ends_with(before, STR("://")))
      n = user_of_url_n(rest);
    else if (str_starts_with(rest, STR("?user=")) || str_starts_with(rest, STR("&user=")))
      n = user_parameter_n(rest);
    at += n;
    if (n > 0 && rest.p[0] == '?' && at < text.n && text.p[at] == '&') {
      buf_add_char(&kept, '?');
      at++;
    } else if (n == 0) {
      buf_add_char(&kept, text.p[at++]);
    }
  }
  return buf_is_overflown(&kept) ? STR("") : buf_str(&kept);
}

/* ---- Answers -------------------------------------------------------------------------------- */

/* `since_us`: since when it is so; 0: not known. */
static struct str error_body(struct arena *arena, const struct err *fault, int64_t since_us) {
  const struct err told = store_told(fault), *err = &told;
  struct buf buf;
  buf_init_arena(&buf, arena, 10000);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  json_key(&w, STR("error"));
  json_begin_object(&w);
  json_member_string(&w, STR("code"), str_of(err_facts(err->code)->issue_type));
  json_member_string(&w, STR("where"), str_of(err->where));
  json_member_string(&w, STR("text"), str_of(err->text));
  if (since_us)
    admin_member_instant(&w, "since", since_us);
  json_end_object(&w);
  json_end_object(&w);
  return buf_str(&buf);
}

struct str admin_error(struct arena *arena, const struct err *err) {
  return error_body(arena, err, 0);
}

static void respond(struct http_request *request, int status, struct str body) {
  struct http_response response = {
      .status = status, .content_type = STR("application/json; charset=utf-8"), .body = body};
  response.headers[response.headers_n++] = (struct http_header){"Cache-Control", STR("no-store")};
  if (status == 503)
    response.headers[response.headers_n++] =
        (struct http_header){"Retry-After", arena_printf(request->arena, "%d", STORE_AGAIN_S)};
  if (status == 405)
    response.headers[response.headers_n++] = (struct http_header){"Allow", STR("GET, HEAD")};
  http_respond(request, &response);
}

static void fail(struct service *service, struct http_request *request, const struct err *err) {
  int64_t since_us = err->code == ERR_UNAVAILABLE ? store_away_since_us(service->options.store) : 0;
  respond(request, err_facts(err->code)->http_status, error_body(request->arena, err, since_us));
}

static void run(void *what) {
  struct admin_call *call = what;
  struct err err;
  buf_init_arena(&call->buf, call->arena, ANSWER_MAX_BYTES);
  call->w = json_writer(&call->buf);
  int code = call->resource->run(call, &err);
  if (code == 0 && buf_is_overflown(&call->buf))
    code = err_no_memory(&err);
  if (code)
    fail(call->service, call->request, &err);
  else
    respond(call->request, 200, buf_str(&call->buf));
}

/* ---- Dispatch ------------------------------------------------------------------------------- */

static int split_path(struct admin_call *call, struct str path, struct err *reterr) {
  struct str word;
  while (path.n > 0 && str_split(&path, '/', &word)) {
    if (word.n == 0)
      continue;
    if (call->path_n == sizeof call->path / sizeof call->path[0])
      return err_set(reterr, ERR_NOT_FOUND, "", "There is nothing at this address.");
    int code = url_decode(call->arena, word, &call->path[call->path_n++], reterr);
    if (code)
      return code;
  }
  return 0;
}

static bool has_form(const struct admin_call *call, const char *form) {
  struct str rest = str_of(form), word;
  size_t i = 0;
  while (rest.n > 0 && str_split(&rest, '/', &word)) {
    if (i == call->path_n || (!str_is(word, "*") && !str_equal(word, call->path[i])))
      return false;
    i++;
  }
  return i == call->path_n;
}

static int prepare(struct admin_call *call, struct str path, struct err *reterr) {
  struct search_pair *pairs = NULL;
  int code = split_path(call, path, reterr);
  if (code == 0)
    code =
        transaction_search_pairs(call->arena, call->request->query, &pairs, &call->pairs_n, reterr);
  if (code)
    return code;
  call->pairs = pairs;
  for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++)
    if (has_form(call, resources[i].path))
      call->resource = &resources[i];
  if (!call->resource)
    return err_set(reterr, ERR_NOT_FOUND, "", "There is nothing at this address.");
  if (!str_is(call->request->method, "GET") && !str_is(call->request->method, "HEAD"))
    return err_set(reterr, ERR_METHOD, "", "Only GET and HEAD are possible here.");
  return 0;
}

void admin_handle(struct service *service, struct http_request *request, struct str path) {
  struct admin_call *call = ARENA_NEW(request->arena, struct admin_call);
  struct err err;
  if (!call) {
    (void)!err_no_memory(&err);
    fail(service, request, &err);
    return;
  }
  *call = (struct admin_call){.service = service,
                              .request = request,
                              .arena = request->arena,
                              .access = ACCESS_EVERYTHING(STR("anonymous"))};
  if (prepare(call, path, &err) != 0) {
    fail(service, request, &err);
    return;
  }
  call->job = (struct worker_job){.run = run, .what = call};
  /* That the store is away must be told while all who ask it wait for it. */
  bool tells_of_outage = call->resource->is_told_without && admin_store_is_away(call);
  workers_submit(tells_of_outage ? service->independent : service->workers, &call->job);
}

/* ---- Health and figures --------------------------------------------------------------------- */

void admin_health(struct service *service, struct http_request *request) {
  struct err err;
  if (store_ping(service->options.store, &err) != 0)
    fail(service, request, &err);
  else
    respond(request, 200, STR("{\"status\":\"ok\"}"));
}

static uint64_t resident_bytes(void) {
  char text[128];
  uint64_t resident = 0;
  FILE *file = fopen("/proc/self/statm", "re");
  if (!file)
    return 0;
  if (fgets(text, sizeof text, file)) {
    struct str rest = str_of(text), pages;
    for (int i = 0; i < 2; i++) /* the whole size, then what is resident */
      if (!str_split(&rest, ' ', &pages) || !str_to_u64(pages, &resident))
        resident = 0;
  }
  fclose(file);
  return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static int count_types(struct admin_call *call, uint64_t **ret_counts, struct err *reterr) {
  struct store_view *view;
  uint64_t *counts = ARENA_ARRAY(call->arena, uint64_t, defs_types_count() + 1);
  if (!counts)
    return err_no_memory(reterr);
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  code = store_counts(view, &call->access, counts, reterr);
  store_view_close(view);
  *ret_counts = counts;
  return code;
}

int admin_figures(struct admin_call *call, struct err *reterr) {
  struct json_writer *w = &call->w;
  struct store_figures figures;
  struct store_processes processes;
  uint64_t *counts = NULL;
  if (admin_store_is_away(call))
    return err_set(reterr, ERR_UNAVAILABLE, "", "The store is away.");
  int code = store_figures(call->service->options.store, &figures, reterr);
  if (code == 0)
    code = admin_processes(call, &processes, reterr);
  if (code == 0)
    code = count_types(call, &counts, reterr);
  if (code || !counts)
    return code;
  json_begin_object(w);
  json_member_string(w, STR("version"), STR(CALLOSUM_VERSION));
  json_member_int(w, STR("uptimeSeconds"),
                  (clock_monotonic_us() - call->service->started_us) / 1000000);
  json_key(w, STR("resources"));
  json_begin_object(w);
  for (size_t type = 1; type <= defs_types_count(); type++)
    if (counts[type] > 0)
      json_member_int(w, defs_type((defs_type_id)type)->name, (int64_t)counts[type]);
  json_end_object(w);
  json_member_int(w, STR("resourcesTotal"), (int64_t)figures.resources);
  json_member_int(w, STR("versions"), (int64_t)figures.versions);
  json_member_int(w, STR("messages"), (int64_t)figures.messages);
  json_member_int(w, STR("commits"), (int64_t)figures.commits);
  json_member_int(w, STR("fsyncs"), (int64_t)figures.fsyncs);
  json_member_int(w, STR("processes"), (int64_t)store_processes_alive(&processes));
  json_member_int(w, STR("queue"), (int64_t)figures.queue_length);
  json_member_int(w, STR("fileBytes"), (int64_t)figures.file_bytes);
  json_member_int(w, STR("rssBytes"), (int64_t)resident_bytes());
  json_end_object(w);
  return 0;
}
