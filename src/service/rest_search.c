/* search by GET and POST: of a type, of the system, in a compartment. */
#include "service/bundle_writer.h"

#define URL_MAX_BYTES ((size_t)1 << 20)

/* ---- The answer ----------------------------------------------------------------------------- */

static int write_rows(struct bundle_writer *b, const struct search *subset,
                      const struct search_result *result, struct err *reterr) {
  for (size_t i = 0; i < result->rows_n; i++) {
    const struct search_row *row = &result->rows[i];
    struct str body = row->resource.body;
    int code =
        subset && !row->is_include ? search_subset(b->call->arena, subset, body, &body, reterr) : 0;
    if (code)
      return code;
    if (row->is_contained)
      bundle_begin_contained(b, row->resource.type, row->resource.id, row->contained_id);
    else
      bundle_begin_entry(b, row->resource.type, row->resource.id);
    if (row->is_contained) /* it has no version of its own */
      bundle_resource_raw(b, body);
    else
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

int rest_answer_rows(struct rest_call *call, const struct search *subset, struct str self,
                     const struct search_result *result, const struct issues *warnings,
                     struct err *reterr) {
  struct bundle_writer b;
  struct str next = STR_NULL;
  if (result->next_cursor.n > 0)
    next = rest_next_url(call, self, "_cursor", result->next_cursor);
  bundle_begin(&b, call, "searchset");
  if (result->has_total)
    bundle_total(&b, result->total);
  bundle_links(&b, self, next);
  int code = write_rows(&b, subset, result, reterr);
  if (code)
    return code;
  if (warnings)
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
  rest_add_form(call, &buf);
  return buf_str(&buf);
}

struct search_limits rest_search_limits(const struct rest_call *call) {
  const struct limits *limits = &call->service->limits;
  return (struct search_limits){
      .pairs = limits->search_parameters,
      .value_bytes = limits->search_value_bytes,
      .operands = limits->search_or_values,
      .depth = limits->search_depth,
      .predicates = limits->search_predicates,
      .included = limits->search_included,
      .steps = call->is_job ? UINT64_MAX / 2 : limits->search_steps,
      .time_us = (int64_t)(call->is_job ? limits->async_search_ms : limits->search_ms) * 1000};
}

int rest_search_parse(struct rest_call *call, const struct search_pair *pairs, size_t n,
                      const struct search **ret_search, struct issues *issues, struct err *reterr) {
  struct search_limits limits = rest_search_limits(call);
  struct search_options options = {.base_url = call->base_url,
                                   .is_lenient = call->is_lenient,
                                   .compartment = call->compartment,
                                   .compartment_id = call->id,
                                   .limits = &limits,
                                   .default_count = call->service->limits.page_default,
                                   .max_count = call->service->limits.page_max};
  return search_parse(call->arena, call->type, pairs, n, &options, ret_search, issues, reterr);
}

bool rest_search_open(struct rest_call *call, const struct search_pair *pairs, size_t n,
                      const struct search **ret_search, struct issues *issues,
                      struct store_view **ret_view) {
  struct err err;
  int code = rest_search_parse(call, pairs, n, ret_search, issues, &err);
  if (code && issues->errors_n > 0) {
    rest_fail_issues(call, 0, issues);
    return false;
  }
  if (code == 0)
    code = store_view_open(call->service->options.store, ret_view, &err);
  if (code)
    rest_fail(call, &err);
  return code == 0;
}

static void search_pairs(struct rest_call *call, const struct search_pair *pairs, size_t n) {
  struct issues issues = {0};
  const struct search *search;
  struct search_result result = {0};
  struct store_view *view;
  struct err err;
  if (!rest_search_open(call, pairs, n, &search, &issues, &view))
    return;
  int code = search_run(view, &call->access, call->arena, search, &result, &err);
  store_view_close(view);
  if (code == 0)
    code = rest_answer_rows(call, search, self_url(call, search), &result, &issues, &err);
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

/* The parameters of URL and body together; _format and _pretty may stand in the body too. */
void rest_with_form(struct rest_call *call,
                    void (*run)(struct rest_call *call, const struct search_pair *pairs,
                                size_t n)) {
  struct search_pair *of_body = NULL, *all = NULL;
  size_t n = 0;
  struct str format = call->format;
  struct err err;
  int code = 0;
  if (call->body.n > 0 && !is_form(call->headers.content_type))
    code = err_set(&err, ERR_MEDIA_TYPE, "",
                   "The parameters of _search come as application/x-www-form-urlencoded.");
  if (code == 0)
    code = rest_read_pairs(call, call->body, &of_body, &n, &err);
  if (code == 0 && !str_equal(format, call->format))
    code = rest_negotiate(call->headers.accept, call->format, false, &call->media, &err);
  if (code == 0 && !(all = ARENA_ARRAY(call->arena, struct search_pair, call->pairs_n + n + 1)))
    code = err_no_memory(&err);
  if (code) {
    rest_fail(call, &err);
    return;
  }
  if (call->pairs_n > 0)
    memcpy(all, call->pairs, call->pairs_n * sizeof *all);
  if (n > 0)
    memcpy(all + call->pairs_n, of_body, n * sizeof *all);
  run(call, all, call->pairs_n + n);
}

void rest_search_form(struct rest_call *call) {
  rest_with_form(call, search_pairs);
}
