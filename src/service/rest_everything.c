/*
 * $everything of a patient, of all patients, of an encounter.
 *
 * Spec: http://hl7.org/fhir/R4/patient-operation-everything.html, encounter-operation-
 * everything.html. The answer is a Bundle of type searchset, in pages.
 */
#include "service/rest.h"

#include "format/url.h"
#include "model/search_values.h"

static int wants(struct err *reterr, struct str name, const char *what) {
  return err_set_at(reterr, ERR_VALUE, name, "wants %s", what);
}

static int read_types(struct rest_call *call, struct str value,
                      struct search_everything_query *query, struct err *reterr) {
  struct str rest = value, name;
  VEC(defs_type_id) types = {0};
  while (rest.n > 0 && str_split(&rest, ',', &name)) {
    defs_type_id *type = VEC_PUSH(call->arena, &types);
    if (!type)
      return err_no_memory(reterr);
    int code = rest_find_type(str_trim(name), type, reterr);
    if (code)
      return wants(reterr, STR("_type"), "names of resource types, separated by commas");
  }
  if (types.n == 0)
    return wants(reterr, STR("_type"), "names of resource types, separated by commas");
  query->types = types.p;
  query->types_n = types.n;
  return 0;
}

static int read_pair(struct rest_call *call, const struct search_pair *pair,
                     struct search_everything_query *query, struct err *reterr) {
  static const char *const of_patient[] = {"start",  "end",      "_since",    "_type",
                                           "_count", "_summary", "_elements", NULL};
  bool is_of_patient = str_is(defs_type(query->compartment)->name, "Patient");
  const struct limits *limits = &call->service->limits;
  struct str name = pair->name, value = pair->value;
  uint64_t count;
  int64_t from_us, until_us;
  bool is_date = search_normal_date(value, &from_us, &until_us);
  if (is_of_patient && str_is(name, "start")) {
    query->start_us = from_us;
    return is_date ? 0 : wants(reterr, name, "a date");
  }
  if (is_of_patient && str_is(name, "end")) {
    query->end_us = until_us;
    return is_date ? 0 : wants(reterr, name, "a date");
  }
  if (str_is(name, "_since")) {
    query->since_us = from_us;
    return is_date ? 0 : wants(reterr, name, "a date or a time");
  }
  if (str_is(name, "_type"))
    return read_types(call, value, query, reterr);
  if (str_is(name, "_count")) {
    if (!str_to_u64(value, &count) || count == 0)
      return wants(reterr, name, "a whole number from 1: the resources of one page");
    query->count = count < limits->everything_page_max ? count : limits->everything_page_max;
    return 0;
  }
  if (str_is(name, "_cursor")) {
    query->cursor = value;
    return 0;
  }
  if (str_is(name, "_summary") || str_is(name, "_elements") || call->is_lenient)
    return 0;
  return rest_unknown_parameter(name, "$everything", of_patient + (is_of_patient ? 0 : 2), reterr);
}

/* Puts the parameters of a body beside those of the URL, so that links say all of them. */
static int read_everything_query(struct rest_call *call, struct search_everything_query *ret_query,
                                 struct err *reterr) {
  struct search_everything_query query = {.compartment = call->type,
                                          .id = call->id,
                                          .start_us = INT64_MIN,
                                          .end_us = INT64_MAX,
                                          .since_us = INT64_MIN,
                                          .count = call->service->limits.everything_page_default};
  int code = rest_operation_pairs(call, &call->pairs, &call->pairs_n, reterr);
  for (size_t i = 0; i < call->pairs_n && code == 0; i++)
    code = read_pair(call, &call->pairs[i], &query, reterr);
  *ret_query = query;
  return code;
}

static struct str everything_path(const struct rest_call *call) {
  struct str type = defs_type(call->type)->name;
  return call->id.n > 0
             ? arena_printf(call->arena, "%.*s/%.*s/$everything", STR_ARG(type), STR_ARG(call->id))
             : arena_printf(call->arena, "%.*s/$everything", STR_ARG(type));
}

void rest_everything(struct rest_call *call) {
  static const char *const of_page[] = {"_cursor", NULL};
  struct search_everything_query query;
  struct search_limits limits = rest_search_limits(call);
  struct search_result result = {0};
  const struct search *subset = NULL;
  struct store_view *view;
  struct err err;
  int code = read_everything_query(call, &query, &err);
  query.limits = &limits;
  if (code == 0)
    code = rest_subset_of(call, &subset, &err);
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = search_everything(view, &call->access, call->arena, &query, &result, &err);
    store_view_close(view);
  }
  if (code == 0)
    code = rest_answer_rows(call, subset, rest_self_url(call, everything_path(call), of_page),
                            &result, NULL, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}
