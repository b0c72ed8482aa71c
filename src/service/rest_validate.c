/*
 * $validate: would this resource be accepted, as such or as create, update or delete?
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/resource-operation-validate.html. The answer is 200 with an
 * OperationOutcome whether the resource is valid or not; another status says that it was not looked
 * at.
 */
#include "service/rest_parameters.h"
#include "service/rest_write.h"

#include "model/validate.h"

#define BASE_PROFILE "http://hl7.org/fhir/StructureDefinition/"

struct validation {
  struct rest_call *call;
  const struct yyjson_val *resource; /* NULL: none was sent */
  struct str mode, profile;
  struct issues issues;
};

/* ---- The request ----------------------------------------------------------------------------- */

static int read_parameters(struct validation *v, const struct yyjson_val *parameters,
                           struct err *reterr) {
  struct json_each each = json_each(json_get(parameters, STR("parameter")));
  while (json_next(&each)) {
    struct str name = json_get_text(each.value, STR("name"));
    if (str_is(name, "resource"))
      v->resource = json_get(each.value, STR("resource"));
    else if (str_is(name, "mode"))
      v->mode = rest_parameter_text(each.value);
    else if (str_is(name, "profile"))
      v->profile = rest_parameter_text(each.value);
    else if (!v->call->is_lenient)
      return err_set(reterr, ERR_NOT_SUPPORTED, "Parameters.parameter",
                     "$validate has the parameters resource, mode and profile, not '%.*s'.",
                     STR_ARG(str_slice(name, 0, 60)));
  }
  return 0;
}

static int read_request(struct validation *v, struct err *reterr) {
  static const char *const known[] = {"mode", "profile", NULL};
  struct rest_call *call = v->call;
  const struct yyjson_val *body = NULL;
  int code = rest_check_parameters(call, "$validate", known, reterr);
  for (size_t i = 0; i < call->pairs_n && code == 0; i++) {
    if (str_is(call->pairs[i].name, "mode"))
      v->mode = call->pairs[i].value;
    else if (str_is(call->pairs[i].name, "profile"))
      v->profile = call->pairs[i].value;
  }
  bool has_body = call->is_entry ? call->resource != NULL : call->body.n > 0;
  if (code || !has_body)
    return code;
  code = rest_read_body(call, &body, reterr);
  bool is_parameters = str_is(json_get_text(body, STR("resourceType")), "Parameters");
  if (code)
    return code;
  /* What is sent for validation as Parameters is inside of Parameters. */
  if (is_parameters)
    return read_parameters(v, body, reterr);
  v->resource = body;
  return 0;
}

static int check_request(struct validation *v, struct err *reterr) {
  static const char *const modes[] = {"", "create", "update", "delete"};
  bool is_known = false;
  for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++)
    is_known = is_known || str_is(v->mode, modes[i]);
  if (!is_known)
    return err_set(reterr, ERR_VALUE, "", "mode is one of create, update, delete.");
  if ((str_is(v->mode, "update") || str_is(v->mode, "delete")) && v->call->id.n == 0)
    return err_set(reterr, ERR_VALUE, "",
                   "The modes update and delete are for one resource: [type]/[id]/$validate.");
  struct str type = defs_type(v->call->type)->name, base = STR(BASE_PROFILE);
  bool is_base = str_starts_with(v->profile, base) &&
                 (str_equal(str_slice(v->profile, base.n, v->profile.n), type) ||
                  str_is(str_slice(v->profile, base.n, v->profile.n), "Resource") ||
                  str_is(str_slice(v->profile, base.n, v->profile.n), "DomainResource"));
  if (v->profile.n > 0 && !is_base)
    return err_set(reterr, ERR_NOT_SUPPORTED, "",
                   "Validation against a profile is not supported; only against the base "
                   "specification.");
  return 0;
}

/* ---- What is found --------------------------------------------------------------------------- */

static int report(struct validation *v, enum err_severity severity, enum err_code code,
                  const char *where, const char *text, struct err *reterr) {
  struct err *issue = VEC_PUSH(v->call->arena, &v->issues.list);
  if (!issue)
    return err_no_memory(reterr);
  (void)!err_set(issue, code ? code : ERR_INVALID, where, "%s", text);
  issue->code = code;
  issue->severity = severity;
  v->issues.errors_n += severity <= ERR_SEVERITY_ERROR;
  return 0;
}

/* The resource that an instance-level call is about. `*ret_code`: 0, ERR_NOT_FOUND, ERR_DELETED. */
static int read_stored(struct validation *v, struct store_resource *ret_stored, int *ret_code,
                       struct err *reterr) {
  struct rest_call *call = v->call;
  struct store_view *view;
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  *ret_code =
      store_read(view, &call->access, call->arena, call->type, call->id, ret_stored, reterr);
  store_view_close(view);
  return *ret_code == 0 || *ret_code == ERR_NOT_FOUND || *ret_code == ERR_DELETED ? 0 : *ret_code;
}

static int validate_delete(struct validation *v, struct err *reterr) {
  struct store_resource stored;
  int found, code = read_stored(v, &stored, &found, reterr);
  if (code || found == 0)
    return code;
  return report(v, ERR_SEVERITY_ERROR, (enum err_code)found, "",
                found == ERR_DELETED ? "The resource is deleted already."
                                     : "There is no such resource.",
                reterr);
}

/* A version in the content tells what it was made from. */
static int validate_update(struct validation *v, struct err *reterr) {
  struct store_resource stored;
  struct str version = json_get_text(json_get(v->resource, STR("meta")), STR("versionId"));
  const struct yyjson_val *id = json_get(v->resource, STR("id"));
  uint64_t number;
  int found, code = read_stored(v, &stored, &found, reterr);
  if (code == 0 && !str_equal(json_text(id), v->call->id))
    code = report(v, ERR_SEVERITY_ERROR, ERR_VALUE, "",
                  id ? "The id of the resource is not the one in the URL."
                     : "An update needs the id in the resource.",
                  reterr);
  if (code == 0 && found == 0 && version.n > 0 &&
      (!str_to_u64(version, &number) || number != stored.version))
    code = report(v, ERR_SEVERITY_WARNING, ERR_CONFLICT, "",
                  "The resource was made from a version that is not the current one.", reterr);
  if (code == 0 && found)
    code = report(v, ERR_SEVERITY_INFORMATION, 0, "",
                  "There is no such resource; an update would create it.", reterr);
  return code;
}

static int validate_content(struct validation *v, struct err *reterr) {
  struct rest_call *call = v->call;
  struct validate_options options = {.with_invariants = true};
  struct str type = json_get_text(v->resource, STR("resourceType"));
  if (!str_equal(type, defs_type(call->type)->name)) {
    int code = report(v, ERR_SEVERITY_ERROR, ERR_VALUE, "",
                      "The resource is not of the type in the URL.", reterr);
    if (code)
      return code;
  }
  return validate_resource(call->arena, v->resource, &options, &v->issues, reterr);
}

/* Without content, an instance-level call is about what is stored. */
static int need_content(struct validation *v, struct err *reterr) {
  struct store_resource stored;
  int found, code;
  if (v->resource)
    return 0;
  if (v->call->id.n == 0 || v->mode.n > 0)
    return err_set(reterr, ERR_REQUIRED, "", "There is no resource to validate.");
  code = read_stored(v, &stored, &found, reterr);
  if (code || found)
    return code ? code : found;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  limits.max_bytes = (size_t)256 << 20;
  return json_parse(v->call->arena, stored.body, &limits, &v->resource, reterr);
}

static int validate(struct validation *v, struct err *reterr) {
  int code = read_request(v, reterr);
  if (code == 0)
    code = check_request(v, reterr);
  if (code)
    return code;
  if (str_is(v->mode, "delete"))
    return validate_delete(v, reterr);
  code = need_content(v, reterr);
  if (code == 0)
    code = validate_content(v, reterr);
  if (code == 0 && str_is(v->mode, "update"))
    code = validate_update(v, reterr);
  return code;
}

void rest_validate(struct rest_call *call) {
  struct validation v = {.call = call};
  struct err err;
  int code = validate(&v, &err);
  if (code == 0 && v.issues.list.n == 0)
    code = report(&v, ERR_SEVERITY_INFORMATION, 0, "", "No fault was found.", &err);
  if (code) {
    rest_fail(call, &err);
    return;
  }
  call->answer.status = 200;
  call->answer.body = rest_outcome(call->arena, v.issues.list.p, v.issues.list.n);
  rest_finish(call);
}
