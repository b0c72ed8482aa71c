/* $explain on a search: how it was planned, what was expected and what it really cost. */
#include "service/rest_parameters.h"

#define EXPLANATION_MAX_BYTES ((size_t)4 << 20)

static void write_number(struct json_writer *w, const char *name, uint64_t number) {
  json_begin_object(w);
  json_member_string(w, STR("name"), str_of(name));
  json_member_int(w, STR("valueDecimal"), (int64_t)number);
  json_end_object(w);
}

static void write_condition(struct json_writer *w, const struct search_explained *e) {
  json_begin_object(w);
  json_member_string(w, STR("name"), STR("condition"));
  json_key(w, STR("part"));
  json_begin_array(w);
  rest_parameter_write(w, "text", "valueString", e->text);
  rest_parameter_write(w, "role", "valueCode", str_of(e->role));
  if (e->has_estimate)
    write_number(w, e->is_at_least ? "estimateAtLeast" : "estimate", e->estimate);
  write_number(w, "rows", e->rows);
  write_number(w, "tested", e->tests);
  write_number(w, "passed", e->passed);
  for (size_t i = 0; i < e->parts_n; i++)
    write_condition(w, &e->parts[i]);
  json_end_array(w);
  json_end_object(w);
}

static void write_explanation(struct json_writer *w, struct str text,
                              const struct search_explanation *e,
                              const struct search_result *result) {
  rest_parameters_begin(w);
  rest_parameter_write(w, "text", "valueString", text);
  rest_parameter_write(w, "reading", "valueString", e->reading);
  rest_parameter_write(w, "order", "valueString", e->order);
  for (size_t i = 0; i < e->conditions_n; i++)
    write_condition(w, &e->conditions[i]);
  const struct {
    const char *name;
    uint64_t number;
  } numbers[] = {{"resourcesOfTypes", e->types_count},
                 {"candidates", e->candidates},
                 {"fetched", e->fetched},
                 {"bodiesRead", e->bodies},
                 {"steps", e->steps},
                 {"microseconds", e->time_us > 0 ? (uint64_t)e->time_us : 0},
                 {"pagesRead", e->pages_read},
                 {"pagesAtHand", e->pages_hit},
                 {"matchesOnPage", result->matches_n},
                 {"included", result->rows_n - result->matches_n}};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    write_number(w, numbers[i].name, numbers[i].number);
  if (result->has_total)
    write_number(w, "total", result->total);
  rest_parameters_end(w);
}

static int answer(struct rest_call *call, const struct search_explanation *explanation,
                  const struct search_result *result, struct err *reterr) {
  struct buf text, body;
  buf_init_arena(&text, call->arena, EXPLANATION_MAX_BYTES / 4);
  buf_init_arena(&body, call->arena, EXPLANATION_MAX_BYTES);
  search_explanation_write(&text, explanation);
  struct json_writer w = json_writer(&body);
  write_explanation(&w, buf_str(&text), explanation, result);
  if (buf_is_overflown(&text) || buf_is_overflown(&body))
    return err_set(reterr, ERR_TOO_COSTLY, "", "The explanation is longer than %zu bytes.",
                   EXPLANATION_MAX_BYTES);
  call->answer.status = 200;
  call->answer.body = buf_str(&body);
  return 0;
}

static void explain_pairs(struct rest_call *call, const struct search_pair *pairs, size_t n) {
  struct issues issues = {0};
  const struct search *search;
  struct search_explanation explanation;
  struct search_result result;
  struct store_view *view;
  struct err err;
  if (!rest_search_open(call, pairs, n, &search, &issues, &view))
    return;
  int code = search_explain(view, &call->access, call->arena, search, &explanation, &result, &err);
  store_view_close(view);
  if (code == 0)
    code = answer(call, &explanation, &result, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}

void rest_explain(struct rest_call *call) {
  if (str_is(call->method, "POST"))
    rest_with_form(call, explain_pairs);
  else
    explain_pairs(call, call->pairs, call->pairs_n);
}
