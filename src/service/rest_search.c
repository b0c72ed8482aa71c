/* search by GET and POST, and Patient/$everything. */
#include "service/bundle_writer.h"

#include "format/url.h"
#include "model/search_values.h"

#define URL_MAX_BYTES ((size_t)1 << 20)

/* ---- The answer ----------------------------------------------------------------------------- */

static int write_rows(struct bundle_writer *b, const struct search *search,
                      const struct search_result *result, struct err *reterr) {
  size_t elements_n = 0;
  if (search)
    search_elements_of(search, &elements_n);
  enum search_summary summary = search ? search_summary_of(search) : SEARCH_SUMMARY_NONE;
  bool is_subset =
      elements_n > 0 || (summary != SEARCH_SUMMARY_NONE && summary != SEARCH_SUMMARY_FALSE);
  for (size_t i = 0; i < result->rows_n; i++) {
    const struct search_row *row = &result->rows[i];
    struct str body = row->resource.body;
    if (is_subset && !row->is_include) {
      int code = search_subset(b->call->arena, search, body, &body, reterr);
      if (code)
        return code;
    }
    bundle_begin_entry(b, row->resource.type, row->resource.id);
    bundle_resource(b, body, row->resource.version, row->resource.updated_us);
    bundle_search_mode(b, row->is_include ? "include" : "match");
    bundle_end_entry(b);
  }
  return 0;
}

static void write_warnings(struct bundle_writer *b, const struct issues *issues) {
  if (issues->list.n == 0)
    return;
  bundle_begin_entry(b, 0, STR_NULL);
  bundle_resource_raw(b, rest_outcome(b->call->arena, issues->list.p, issues->list.n));
  bundle_search_mode(b, "outcome");
  bundle_end_entry(b);
}

/* The URL of the same query; with `cursor`, of its next page. */
static struct str page_url(struct arena *arena, struct str self, struct str cursor) {
  struct buf buf;
  buf_init_arena(&buf, arena, URL_MAX_BYTES);
  buf_add(&buf, self);
  buf_add_char(&buf, str_find_char(self, '?', 0) >= 0 ? '&' : '?');
  buf_add(&buf, STR("_cursor="));
  url_encode(&buf, cursor);
  return buf_str(&buf);
}

static int answer_rows(struct rest_call *call, const struct search *search, struct str self,
                       const struct search_result *result, const struct issues *warnings,
                       struct err *reterr) {
  struct bundle_writer b;
  struct str next = STR_NULL;
  if (result->next_cursor.n > 0)
    next = page_url(call->arena, self, result->next_cursor);
  bundle_begin(&b, call, "searchset");
  if (result->has_total)
    bundle_total(&b, result->total);
  bundle_links(&b, self, next);
  int code = write_rows(&b, search, result, reterr);
  if (code)
    return code;
  write_warnings(&b, warnings);
  call->answer.status = 200;
  return bundle_end(&b, &call->answer.body, reterr);
}

/* ---- Search --------------------------------------------------------------------------------- */

static struct str self_url(const struct rest_call *call, const struct search *search) {
  struct buf buf;
  buf_init_arena(&buf, call->arena, URL_MAX_BYTES);
  buf_add(&buf, call->base_url);
  buf_add_char(&buf, '/');
  search_write_url(&buf, search);
  return buf_str(&buf);
}

static void search_pairs(struct rest_call *call, const struct search_pair *pairs, size_t n) {
  struct search_options options = {.base_url = call->base_url,
                                   .is_lenient = call->is_lenient,
                                   .default_count = call->service->limits.page_default,
                                   .max_count = call->service->limits.page_max};
  struct issues issues = {0};
  const struct search *search;
  struct search_result result = {0};
  struct store_view *view;
  struct err err;
  int code = search_parse(call->arena, call->type, pairs, n, &options, &search, &issues, &err);
  if (code && issues.errors_n > 0) {
    rest_fail_issues(call, 0, &issues);
    return;
  }
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = search_run(view, &call->access, call->arena, search, &result, &err);
    store_view_close(view);
  }
  if (code == 0)
    code = answer_rows(call, search, self_url(call, search), &result, &issues, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}

void rest_search(struct rest_call *call) {
  search_pairs(call, call->pairs, call->pairs_n);
}

static bool is_form(struct str media_type) {
  struct str rest = media_type, name;
  str_split(&rest, ';', &name);
  return str_equal_ignore_case(str_trim(name), STR("application/x-www-form-urlencoded"));
}

/* The parameters of URL and body together. */
void rest_search_form(struct rest_call *call) {
  struct search_pair *of_body = NULL, *all;
  size_t n = 0;
  struct err err;
  int code = 0;
  if (call->body.n > 0 && !is_form(call->headers.content_type))
    code = err_set(&err, ERR_MEDIA_TYPE, "",
                   "The parameters of _search come as application/x-www-form-urlencoded.");
  if (code == 0)
    code = transaction_search_pairs(call->arena, call->body, &of_body, &n, &err);
  all = code ? NULL : ARENA_ARRAY(call->arena, struct search_pair, call->pairs_n + n + 1);
  if (!all) {
    if (code == 0)
      (void)!err_no_memory(&err);
    rest_fail(call, &err);
    return;
  }
  size_t all_n = call->pairs_n;
  if (all_n > 0)
    memcpy(all, call->pairs, all_n * sizeof *all);
  for (size_t i = 0; i < n; i++)
    if (!str_is(of_body[i].name, "_format") && !str_is(of_body[i].name, "_pretty"))
      all[all_n++] = of_body[i];
  search_pairs(call, all, all_n);
}

/* ---- $everything ---------------------------------------------------------------------------- */

struct everything_query {
  int64_t since_us;
  size_t count;
  struct str cursor;
};

static int read_everything_query(const struct rest_call *call, struct everything_query *ret_query,
                                 struct err *reterr) {
  const struct limits *limits = &call->service->limits;
  *ret_query =
      (struct everything_query){.since_us = INT64_MIN, .count = limits->everything_page_default};
  for (size_t i = 0; i < call->pairs_n; i++) {
    struct str name = call->pairs[i].name, value = call->pairs[i].value;
    uint64_t number;
    int64_t end_us;
    if (str_is(name, "_since") && search_normal_date(value, &ret_query->since_us, &end_us))
      continue;
    if (str_is(name, "_count") && str_to_u64(value, &number) && number > 0)
      ret_query->count =
          number < limits->everything_page_max ? number : limits->everything_page_max;
    else if (str_is(name, "_cursor"))
      ret_query->cursor = value;
    else if (!call->is_lenient)
      return err_set(reterr, ERR_NOT_SUPPORTED, "",
                     "$everything takes _since (a date) and _count (a number); '%.*s' with this "
                     "value is not supported.",
                     STR_ARG(str_slice(name, 0, 60)));
  }
  return 0;
}

/* Without the cursor; the order is that of the request. */
static struct str everything_url(const struct rest_call *call) {
  struct buf buf;
  buf_init_arena(&buf, call->arena, URL_MAX_BYTES);
  buf_printf(&buf, "%.*s/Patient/%.*s/$everything", STR_ARG(call->base_url), STR_ARG(call->id));
  char separator = '?';
  for (size_t i = 0; i < call->pairs_n; i++) {
    if (str_is(call->pairs[i].name, "_cursor"))
      continue;
    buf_add_char(&buf, separator);
    separator = '&';
    url_encode(&buf, call->pairs[i].name);
    buf_add_char(&buf, '=');
    url_encode(&buf, call->pairs[i].value);
  }
  return buf_str(&buf);
}

void rest_everything(struct rest_call *call) {
  struct everything_query query;
  struct search_result result = {0};
  struct issues none = {0};
  struct store_view *view;
  struct err err;
  int code = read_everything_query(call, &query, &err);
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = search_everything(view, &call->access, call->arena, call->id, query.since_us,
                             query.count, query.cursor, &result, &err);
    store_view_close(view);
  }
  if (code == 0)
    code = answer_rows(call, NULL, everything_url(call), &result, &none, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}
