/*
 * $graphql, on the system and on an instance.
 *
 * The query comes in the URL, as the body itself (application/graphql), in a JSON body with query,
 * operationName and variables, or in Parameters. Spec: FHIR R4, http://hl7.org/fhir/R4/graphql.html
 * and OperationDefinition/Resource-graphql. The answer is JSON of GraphQL and no resource, whatever
 * the client accepts.
 */
#include "service/graphql.h"
#include "service/rest.h"

static int read_json(const struct rest_call *call, struct str text,
                     const struct yyjson_val **ret_root, struct err *reterr) {
  struct json_limits limits = {.max_bytes = (size_t)4 << 20, .max_depth = 60};
  return json_parse(call->arena, text, &limits, ret_root, reterr);
}

static int read_url(const struct rest_call *call, struct graphql_request *request,
                    struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < call->pairs_n && code == 0; i++) {
    struct str name = call->pairs[i].name, value = call->pairs[i].value;
    if (str_is(name, "query"))
      request->query = value;
    else if (str_is(name, "operationName"))
      request->operation = value;
    else if (str_is(name, "variables") && value.n > 0)
      code = read_json(call, value, &request->variables, reterr);
    else if (!str_is(name, "variables") && !str_is(name, "extensions") && !call->is_lenient)
      return err_set(reterr, ERR_NOT_SUPPORTED, "",
                     "$graphql takes query, operationName and variables, not '%.*s'.",
                     STR_ARG(str_slice(name, 0, 60)));
  }
  return code;
}

/* {"resourceType": "Parameters", "parameter": [{"name": "query", "valueString": ".."}]} */
static int read_parameters(const struct rest_call *call, const struct yyjson_val *parameters,
                           struct graphql_request *request, struct err *reterr) {
  struct json_each each = json_each(json_get(parameters, STR("parameter")));
  int code = 0;
  while (code == 0 && json_next(&each)) {
    struct str name = json_get_text(each.value, STR("name"));
    struct str value = json_get_text(each.value, STR("valueString"));
    if (str_is(name, "query"))
      request->query = value;
    else if (str_is(name, "operationName"))
      request->operation = value;
    else if (str_is(name, "variables"))
      code = read_json(call, value, &request->variables, reterr);
  }
  return code;
}

static int read_members(const struct yyjson_val *body, struct graphql_request *request,
                        struct err *reterr) {
  const struct yyjson_val *query = json_get(body, STR("query"));
  const struct yyjson_val *variables = json_get(body, STR("variables"));
  if (json_kind(body) != JSON_OBJECT || (query && json_kind(query) != JSON_STRING))
    return err_set(reterr, ERR_STRUCTURE, "",
                   "The body must be an object with query, operationName and variables.");
  if (query)
    request->query = json_text(query);
  if (json_get_text(body, STR("operationName")).n > 0)
    request->operation = json_get_text(body, STR("operationName"));
  if (variables)
    request->variables = variables;
  return 0;
}

static bool is_media_type(const struct rest_call *call, const char *wanted) {
  struct str rest = call->headers.content_type, name;
  return str_split(&rest, ';', &name) && str_equal_ignore_case(str_trim(name), str_of(wanted));
}

static int read_body(const struct rest_call *call, struct graphql_request *request,
                     struct err *reterr) {
  const struct yyjson_val *root = NULL;
  if (is_media_type(call, "application/graphql")) {
    request->query = call->body;
    return 0;
  }
  if (call->body.n == 0)
    return 0;
  if (!is_media_type(call, "application/json") && !is_media_type(call, "application/fhir+json"))
    return err_set(reterr, ERR_MEDIA_TYPE, "",
                   "The body is application/graphql, or application/json with query, "
                   "operationName and variables.");
  int code = read_json(call, call->body, &root, reterr);
  if (code)
    return code;
  return str_is(json_get_text(root, STR("resourceType")), "Parameters")
             ? read_parameters(call, root, request, reterr)
             : read_members(root, request, reterr);
}

static int read_request(const struct rest_call *call, struct graphql_request *request,
                        struct err *reterr) {
  int code = read_url(call, request, reterr);
  if (code == 0 && str_is(call->method, "POST"))
    code = read_body(call, request, reterr);
  if (code)
    return code;
  if (request->query.n == 0)
    return err_set(reterr, ERR_REQUIRED, "", "There is no query.");
  if (request->variables && json_kind(request->variables) == JSON_NULL)
    request->variables = NULL;
  if (request->variables && json_kind(request->variables) != JSON_OBJECT)
    return err_set(reterr, ERR_STRUCTURE, "", "The variables must be an object.");
  return 0;
}

static struct graphql_bounds bounds_of(const struct limits *limits) {
  return (struct graphql_bounds){.text = {.max_bytes = limits->graphql_bytes,
                                          .max_tokens = limits->graphql_tokens,
                                          .max_depth = (unsigned)limits->graphql_depth},
                                 .fields_max = limits->graphql_fields,
                                 .depth_max = (unsigned)limits->graphql_depth,
                                 .resources_max = limits->graphql_resources,
                                 .searches_max = limits->graphql_searches,
                                 .list_max = limits->graphql_list,
                                 .values_max = limits->graphql_values,
                                 .answer_max_bytes = limits->graphql_answer_bytes,
                                 .time_max_us = (int64_t)limits->graphql_ms * 1000};
}

void rest_graphql(struct rest_call *call) {
  struct graphql_bounds bounds = bounds_of(&call->service->limits);
  struct graphql_request request = {
      .type = call->type, .id = call->id, .base_url = call->base_url, .bounds = &bounds};
  struct graphql_response response;
  struct store_view *view;
  struct err err;
  if (call->is_entry || call->is_job) {
    (void)!err_set(&err, ERR_NOT_SUPPORTED, "",
                   "$graphql answers with no resource: it can't be part of a Bundle.");
    rest_fail(call, &err);
    return;
  }
  int code = read_request(call, &request, &err);
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    response = graphql_run(view, &call->access, call->arena, &request);
    store_view_close(view);
  } else {
    response = graphql_refuse(call->arena, &err);
  }
  call->media = (struct rest_media){STR("application/json; charset=utf-8"), false};
  call->answer.status = response.status;
  call->answer.body = response.body;
  rest_finish(call);
}
