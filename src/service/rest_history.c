/*
 * History of an instance, of a type and of the system.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/http.html#history. `_since`, `_at` and `_count` as there;
 * `_sort` knows the order that history has anyway; `_before` belongs to `next` links. Both `_since`
 * and `_at`: what satisfies both.
 */
#include "service/bundle_writer.h"

#include "model/search_values.h"

/* ---- The query ------------------------------------------------------------------------------ */

static int refuse(struct err *reterr, const char *name, const char *wants) {
  return err_set(reterr, ERR_VALUE, name, "wants %s", wants);
}

static int read_count(const struct rest_call *call, struct str value,
                      struct store_history_query *query, struct err *reterr) {
  uint64_t count;
  if (!str_to_u64(value, &count))
    return refuse(reterr, "_count", "a whole number: the versions of one page");
  uint64_t most = call->service->limits.history_page_max;
  query->count = (size_t)(count < most ? count : most);
  return 0;
}

static int read_time(struct str value, struct store_history_query *query, bool is_at,
                     struct err *reterr) {
  int64_t from_us, until_us;
  if (!search_normal_date(value, &from_us, &until_us))
    return refuse(reterr, is_at ? "_at" : "_since",
                  "a date or a time, such as 2026-11-21 or 2026-11-21T08:30:00Z");
  if (is_at) {
    query->has_period = true;
    query->from_us = from_us;
    query->until_us = until_us;
  } else {
    query->since_us = from_us > 0 ? from_us : 0;
  }
  return 0;
}

static int read_pair(const struct rest_call *call, const struct search_pair *pair,
                     struct store_history_query *query, struct err *reterr) {
  if (str_is(pair->name, "_count"))
    return read_count(call, pair->value, query, reterr);
  if (str_is(pair->name, "_since"))
    return read_time(pair->value, query, false, reterr);
  if (str_is(pair->name, "_at"))
    return read_time(pair->value, query, true, reterr);
  if (str_is(pair->name, "_before"))
    return str_to_u64(pair->value, &query->before) && query->before > 0
               ? 0
               : refuse(reterr, "_before", "the number that a next link has");
  if (str_is(pair->name, "_sort"))
    return str_is(pair->value, "-_lastUpdated")
               ? 0
               : refuse(reterr, "_sort", "-_lastUpdated: history is newest first");
  if (str_is(pair->name, "_summary") || str_is(pair->name, "_elements") || call->is_lenient)
    return 0;
  static const char *const known[] = {"_count",   "_since",    "_at", "_sort",
                                      "_summary", "_elements", NULL};
  return rest_unknown_parameter(pair->name, "History", known, reterr);
}

static int read_history_query(const struct rest_call *call, struct store_history_query *ret_query,
                              struct err *reterr) {
  *ret_query =
      (struct store_history_query){.type = call->type,
                                   .id = call->id,
                                   .count = (size_t)call->service->limits.history_page_default};
  for (size_t i = 0; i < call->pairs_n; i++) {
    for (size_t k = 0; k < i; k++)
      if (str_equal(call->pairs[i].name, call->pairs[k].name))
        return err_set_at(reterr, ERR_VALUE, call->pairs[i].name, "is there twice");
    int code = read_pair(call, &call->pairs[i], ret_query, reterr);
    if (code)
      return code;
  }
  return 0;
}

/* ---- The answer ----------------------------------------------------------------------------- */

static int write_version(struct bundle_writer *b, const struct search *subset,
                         const struct store_history_row *row, struct err *reterr) {
  const struct store_resource *version = &row->resource;
  struct str type = defs_type(version->type)->name, body = version->body;
  int code = 0;
  bundle_begin_entry(b, version->type, version->id);
  if (subset && !version->is_deleted)
    code = search_subset(b->call->arena, subset, body, &body, reterr);
  if (code)
    return code;
  if (!version->is_deleted)
    bundle_resource(b, body, version->version, version->updated_us);
  bundle_request(b,
                 version->is_deleted ? "DELETE"
                 : row->is_posted    ? "POST"
                                     : "PUT",
                 row->is_posted ? type
                                : arena_printf(b->call->arena, "%.*s/%.*s", STR_ARG(type),
                                               STR_ARG(version->id)));
  bundle_begin_response(b, version->is_deleted ? 204 : row->is_created ? 201 : 200);
  bundle_response_version(b, version->version, version->updated_us);
  bundle_end_response(b);
  bundle_end_entry(b);
  return 0;
}

static struct str history_path(const struct rest_call *call) {
  if (!call->type)
    return STR("_history");
  struct str type = defs_type(call->type)->name;
  return call->id.n > 0
             ? arena_printf(call->arena, "%.*s/%.*s/_history", STR_ARG(type), STR_ARG(call->id))
             : arena_printf(call->arena, "%.*s/_history", STR_ARG(type));
}

static int answer_history(struct rest_call *call, const struct store_history *history,
                          const struct search *subset, struct err *reterr) {
  static const char *const of_page[] = {"_before", NULL};
  struct bundle_writer b;
  struct str self = rest_self_url(call, history_path(call), of_page), next = STR_NULL;
  if (history->next_before)
    next =
        rest_next_url(call, self, "_before",
                      arena_printf(call->arena, "%llu", (unsigned long long)history->next_before));
  int code = 0;
  bundle_begin(&b, call, "history");
  if (history->has_total)
    bundle_total(&b, history->total);
  bundle_links(&b, self, next);
  for (size_t i = 0; i < history->n && code == 0; i++)
    code = write_version(&b, subset, &history->rows[i], reterr);
  call->answer.status = 200;
  return code ? code : bundle_end(&b, &call->answer.body, reterr);
}

void rest_history(struct rest_call *call) {
  struct store_history_query query;
  struct store_view *view;
  struct store_history history = {0};
  const struct search *subset = NULL;
  struct err err;
  int code = read_history_query(call, &query, &err);
  if (code == 0)
    code = rest_subset_of(call, &subset, &err);
  if (subset && search_summary_of(subset) == SEARCH_SUMMARY_COUNT)
    query.count = 0;
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = store_history(view, &call->access, call->arena, &query, &history, &err);
    store_view_close(view);
  }
  if (code == 0)
    code = answer_history(call, &history, subset, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}
