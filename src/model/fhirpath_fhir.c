/* What FHIR adds to FHIRPath: http://hl7.org/fhir/R4/fhirpath.html#functions. */
#include "model/fhirpath_functions.h"
#include "model/search_values.h"
#include "model/validate_primitive.h"

int fhirpath_fn_extension(struct fhirpath_eval *e, const struct fhirpath_call *call,
                          struct fhirpath_list *out) {
  bool there = false;
  struct str url;
  int code = fhirpath_string_argument(e, call, 0, &there, &url);
  for (size_t i = 0; code == 0 && there && i < call->focus.n; i++)
    code = fhirpath_extensions(e, &call->focus.p[i], url, out);
  return code;
}

/* Used by one R4 search parameter (QuestionnaireResponse item-subject). */
int fhirpath_fn_hasExtension(struct fhirpath_eval *e, const struct fhirpath_call *call,
                             struct fhirpath_list *out) {
  struct fhirpath_list found = {0};
  int code = fhirpath_fn_extension(e, call, &found);
  return code < 0 ? code : fhirpath_push_boolean(e, out, found.v.n > 0);
}

int fhirpath_fn_hasValue(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  return fhirpath_push_boolean(e, out, call->focus.n == 1 && fhirpath_has_value(&call->focus.p[0]));
}

int fhirpath_fn_getValue(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  return v.kind == FHIRPATH_NODE ? 0 : fhirpath_push(e, out, &v);
}

/* "#id" is a resource contained in the one that the reference is in, "#" that one itself. In a
 * Bundle or Parameters that is an entry's. */
static int find_contained(struct fhirpath_eval *e, const struct fhirpath_value *from, struct str id,
                          const struct yyjson_val **ret_node) {
  const struct yyjson_val *root =
      e->context->root_resource ? e->context->root_resource : e->context->resource;
  int code = 0;
  *ret_node = NULL;
  if (!root && e->input.n)
    root = e->input.p[0].node;
  bool holds_resources = json_get(root, STR("entry")) || json_get(root, STR("parameter"));
  if (from->kind == FHIRPATH_NODE && holds_resources)
    code = fhirpath_container_of(e, from, &root);
  if (str_is_empty(id))
    *ret_node = root;
  struct json_each each = json_each(json_get(root, STR("contained")));
  while (code == 0 && !*ret_node && json_next(&each))
    if (str_equal(json_get_text(each.value, STR("id")), id))
      *ret_node = each.value;
  return code;
}

/* The resource itself where somebody can find it, else a stub that knows only its type. */
static int resolve_one(struct fhirpath_eval *e, const struct fhirpath_value *from,
                       struct str reference, struct str declared_type, struct fhirpath_list *out) {
  struct fhirpath_value value = {.kind = FHIRPATH_NODE};
  int code = 0;
  if (reference.n > 0 && reference.p[0] == '#')
    code = find_contained(e, from, str_slice(reference, 1, reference.n), &value.node);
  else if (e->context->resolve)
    value.node = e->context->resolve(e->context->what, reference);
  if (code < 0)
    return code;
  if (value.node) {
    value.type = defs_type_by_name(json_get_text(value.node, STR("resourceType")));
    return fhirpath_push(e, out, &value);
  }
  value.type = search_reference_type(reference);
  if (!value.type)
    value.type = defs_type_by_name(declared_type);
  return value.type ? fhirpath_push(e, out, &value) : 0;
}

int fhirpath_fn_resolve(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < call->focus.n; i++) {
    const struct yyjson_val *node =
        call->focus.p[i].kind == FHIRPATH_NODE ? call->focus.p[i].node : NULL;
    if (json_kind(node) == JSON_OBJECT)
      code = resolve_one(e, &call->focus.p[i], json_get_text(node, STR("reference")),
                         json_get_text(node, STR("type")), out);
    else
      code = resolve_one(e, &call->focus.p[i], node ? json_text(node) : call->focus.p[i].text,
                         STR_NULL, out);
  }
  return code;
}

int fhirpath_fn_htmlChecks(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  bool all = true;
  for (size_t i = 0; i < call->focus.n && all; i++) {
    const struct yyjson_val *node = call->focus.p[i].node;
    all = !xhtml_fault(node ? json_text(node) : call->focus.p[i].text);
  }
  return fhirpath_push_boolean(e, out, all);
}

/* type(): an object with namespace and name. */
int fhirpath_fn_type(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  static const char *const system[] = {"",     "Boolean",  "Integer", "Decimal", "String",
                                       "Date", "DateTime", "Time",    "Quantity"};
  for (size_t i = 0; i < call->focus.n; i++) {
    const struct fhirpath_value *v = &call->focus.p[i];
    bool is_fhir = v->kind == FHIRPATH_NODE;
    struct str name = is_fhir ? defs_type(v->type)->name : str_of(system[v->kind]);
    struct str text = arena_printf(e->arena, "{\"namespace\":\"%s\",\"name\":\"%.*s\"}",
                                   is_fhir ? "FHIR" : "System", STR_ARG(name));
    struct fhirpath_value info = {.kind = FHIRPATH_NODE};
    int code =
        text.p ? json_parse(e->arena, text, NULL, &info.node, e->err) : err_no_memory(e->err);
    if (code == 0)
      code = fhirpath_push(e, out, &info);
    if (code < 0)
      return code;
  }
  return 0;
}
