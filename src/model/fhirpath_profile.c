/* What FHIR asks about definitions: conformsTo, slice, elementDefinition, checkModifiers
 * (http://hl7.org/fhir/R4/fhirpath.html#functions). Profiles are known to who evaluates, if to
 * anybody. */
#include "model/fhirpath_functions.h"

static const struct str CORE = {"http://hl7.org/fhir/StructureDefinition/", 40};

static int fail_profile(struct fhirpath_eval *e, const struct fhirpath_call *call, int code,
                        const struct err *err) {
  if (code == ERR_NO_MEMORY || code == ERR_STORE)
    return err_set(e->err, (enum err_code)code, "", "%s", err->text);
  return fhirpath_fail(e, call->node, "%s(): %s", call->node->function->name, err->text);
}

int fhirpath_fn_conformsTo(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  const struct fhirpath_profiles *profiles = e->context->profiles;
  const struct fhirpath_value *v = &call->focus.p[0];
  bool there = false, conforms = false;
  struct str url = STR_NULL;
  struct err err = {0};
  int code = fhirpath_string_argument(e, call, 0, &there, &url);
  if (code < 0 || !there)
    return code;
  struct fhirpath_type_spec spec = {.system = FHIRPATH_NODE};
  if (str_starts_with(url, CORE))
    spec.type = defs_type_by_name(str_slice(url, CORE.n, url.n));
  if (spec.type)
    return fhirpath_push_boolean(e, out, fhirpath_is(v, spec));
  if (!profiles || !profiles->conforms_to)
    return fhirpath_fail(e, call->node, "the profile %.*s is not known", STR_ARG(url));
  code = profiles->conforms_to(profiles->what, v->node, v->type, url, &conforms, &err);
  return code < 0 ? fail_profile(e, call, code, &err) : fhirpath_push_boolean(e, out, conforms);
}

/* A profile or a slice that isn't known has no elements. */
int fhirpath_fn_slice(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  const struct fhirpath_profiles *profiles = e->context->profiles;
  bool has_url = false, has_name = false;
  struct str url = STR_NULL, name = STR_NULL;
  struct err err = {0};
  int code = fhirpath_string_argument(e, call, 0, &has_url, &url);
  if (code == 0)
    code = fhirpath_string_argument(e, call, 1, &has_name, &name);
  if (code < 0 || !has_url || !has_name || !profiles || !profiles->is_in_slice)
    return code;
  for (size_t i = 0; code == 0 && i < call->focus.n; i++) {
    const struct fhirpath_value *v = &call->focus.p[i];
    bool is_in = false;
    code = profiles->is_in_slice(profiles->what, v->node, v->type, url, name, &is_in, &err);
    if (code == ERR_NOT_FOUND)
      return 0;
    if (code < 0)
      return fail_profile(e, call, code, &err);
    if (is_in)
      code = fhirpath_push(e, out, v);
  }
  return code;
}

static bool is_named(struct fhirpath_values urls, struct str url) {
  for (size_t i = 0; i < urls.n; i++)
    if (str_equal(fhirpath_computed(urls.p[i]).text, url))
      return true;
  return false;
}

/* Hands on what it is called on, if that has no other modifier extensions than the named ones. */
int fhirpath_fn_checkModifiers(struct fhirpath_eval *e, const struct fhirpath_call *call,
                               struct fhirpath_list *out) {
  struct fhirpath_list urls = {0};
  int code = 0;
  for (uint32_t i = 0; code == 0 && i < call->node->args_n; i++)
    code = fhirpath_run_argument(e, call, i, &urls);
  for (size_t i = 0; code == 0 && i < call->focus.n; i++) {
    struct json_each each = json_each(json_get(call->focus.p[i].node, STR("modifierExtension")));
    while (json_next(&each)) {
      struct str url = json_get_text(each.value, STR("url"));
      if (fhirpath_step(e) < 0 || !is_named(fhirpath_all(&urls), url))
        return fhirpath_fail(e, call->node, "the modifier extension %.*s is not expected",
                             STR_ARG(url));
    }
    code = fhirpath_push(e, out, &call->focus.p[i]);
  }
  return code;
}

/* ---- elementDefinition ----------------------------------------------------------------------- */

static void write_types(struct json_writer *w, const struct defs_element *element) {
  json_key(w, STR("type"));
  json_begin_array(w);
  for (uint32_t i = 0; i < element->types_n; i++) {
    const struct defs_element_type *t = defs_element_type(element->first_type + i);
    json_begin_object(w);
    json_member_string(w, STR("code"), defs_type(t->type)->name);
    if (t->targets_n > 0) {
      json_key(w, STR("targetProfile"));
      json_begin_array(w);
      for (uint32_t k = 0; k < t->targets_n; k++) {
        struct str name = defs_type(defs_target(t->first_target + k))->name;
        char url[120];
        int n = snprintf(url, sizeof url, "%s%.*s", CORE.p, STR_ARG(name));
        json_string(w, str_n(url, n > 0 && n < (int)sizeof url ? (size_t)n : 0));
      }
      json_end_array(w);
    }
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_binding(struct json_writer *w, const struct defs_element *element) {
  static const char *const strengths[] = {"", "example", "preferred", "extensible", "required"};
  json_key(w, STR("binding"));
  json_begin_object(w);
  json_member_string(w, STR("strength"), str_of(strengths[element->binding]));
  if (element->value_set_url.n)
    json_member_string(w, STR("valueSet"), element->value_set_url);
  json_end_object(w);
}

static void write_element(struct json_writer *w, const struct defs_element *element) {
  char max[16] = "*";
  if (element->max != DEFS_MANY)
    snprintf(max, sizeof max, "%u", element->max);
  json_begin_object(w);
  json_member_string(w, STR("id"), element->path);
  json_member_string(w, STR("path"), element->path);
  json_member_int(w, STR("min"), element->min);
  json_member_string(w, STR("max"), str_of(max));
  if (element->types_n > 0)
    write_types(w, element);
  json_member_bool(w, STR("isModifier"), element->is_modifier);
  json_member_bool(w, STR("isSummary"), element->is_summary);
  if (element->binding != DEFS_BINDING_NONE)
    write_binding(w, element);
  json_end_object(w);
}

static void write_root(struct json_writer *w, struct str type) {
  json_begin_object(w);
  json_member_string(w, STR("id"), type);
  json_member_string(w, STR("path"), type);
  json_member_int(w, STR("min"), 0);
  json_member_string(w, STR("max"), STR("*"));
  json_end_object(w);
}

int fhirpath_fn_elementDefinition(struct fhirpath_eval *e, const struct fhirpath_call *call,
                                  struct fhirpath_list *out) {
  struct fhirpath_value value = {.kind = FHIRPATH_NODE};
  value.type = defs_type_by_name(STR("ElementDefinition"));
  int code = 0;
  for (size_t i = 0; code == 0 && i < call->focus.n; i++) {
    struct buf buf;
    uint32_t element = 0;
    defs_type_id type = 0;
    code = fhirpath_element_of(e, &call->focus.p[i], &element, &type);
    if (code < 0 || call->focus.p[i].kind != FHIRPATH_NODE || (!element && !type))
      continue;
    buf_init_arena(&buf, e->arena, 65536);
    struct json_writer w = json_writer(&buf);
    if (element)
      write_element(&w, defs_element(element));
    else
      write_root(&w, defs_type(type)->name);
    code = buf_is_overflown(&buf) ? err_no_memory(e->err)
                                  : json_parse(e->arena, buf_str(&buf), NULL, &value.node, e->err);
    if (code == 0)
      code = fhirpath_push(e, out, &value);
  }
  return code;
}
