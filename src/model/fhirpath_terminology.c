/* What FHIR asks about codes: memberOf, subsumes, subsumedBy
 * (http://hl7.org/fhir/R4/fhirpath.html#functions). Who evaluates may hand in a terminology;
 * without one only the codes that the definitions list are known. What isn't known is an error,
 * never no. */
#include "model/fhirpath_functions.h"

struct asking {
  struct fhirpath_eval *e;
  const struct fhirpath_call *call;
  struct str url;
  uint16_t value_set;
};

static int fail_terminology(struct fhirpath_eval *e, const struct fhirpath_call *call, int code,
                            const struct err *err) {
  if (code == ERR_NO_MEMORY || code == ERR_STORE)
    return err_set(e->err, (enum err_code)code, "", "%s", err->text);
  return fhirpath_fail(e, call->node, "%s(): %s", call->node->function->name, err->text);
}

/* ---- memberOf -------------------------------------------------------------------------------- */

static int coding_is_member(struct asking *a, struct str system, struct str code,
                            bool *ret_is_member) {
  const struct fhirpath_terminology *terminology = a->e->context->terminology;
  struct err err = {0};
  *ret_is_member = false;
  int fault = fhirpath_step(a->e);
  if (fault < 0 || str_is_empty(code))
    return fault;
  if (terminology && terminology->member_of) {
    fault = terminology->member_of(terminology->what, a->url, system, code, ret_is_member, &err);
    return fault < 0 ? fail_terminology(a->e, a->call, fault, &err) : 0;
  }
  *ret_is_member = defs_value_set_has(a->value_set, system, code);
  return 0;
}

static int value_is_member(struct asking *a, const struct fhirpath_value *v, bool *ret_is_member) {
  *ret_is_member = false;
  if (v->kind == FHIRPATH_STRING)
    return coding_is_member(a, STR_NULL, v->text, ret_is_member);
  if (v->kind != FHIRPATH_NODE)
    return 0;
  int code = coding_is_member(a, json_get_text(v->node, STR("system")),
                              json_get_text(v->node, STR("code")), ret_is_member);
  struct json_each codings = json_each(json_get(v->node, STR("coding")));
  while (code == 0 && !*ret_is_member && json_next(&codings))
    code = coding_is_member(a, json_get_text(codings.value, STR("system")),
                            json_get_text(codings.value, STR("code")), ret_is_member);
  return code;
}

int fhirpath_fn_memberOf(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  bool there = false, is_member = false;
  struct asking a = {.e = e, .call = call};
  int code = fhirpath_string_argument(e, call, 0, &there, &a.url);
  if (code < 0 || !there)
    return code;
  if (!e->context->terminology || !e->context->terminology->member_of) {
    ssize_t bar = str_find_char(a.url, '|', 0);
    a.value_set = defs_value_set_by_url(bar < 0 ? a.url : str_slice(a.url, 0, (size_t)bar));
    if (!a.value_set || !defs_value_set_is_enumerable(a.value_set))
      return fhirpath_fail(e, call->node, "the codes of the value set %.*s are not known",
                           STR_ARG(a.url));
  }
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  code = value_is_member(&a, &v, &is_member);
  return code < 0 ? code : fhirpath_push_boolean(e, out, is_member);
}

/* ---- subsumes -------------------------------------------------------------------------------- */

/* The i-th Coding of a Coding or CodeableConcept; NULL past the end. */
static const struct yyjson_val *coding_at(const struct yyjson_val *node, size_t i) {
  const struct yyjson_val *codings = json_get(node, STR("coding"));
  if (!codings)
    return i == 0 && json_get(node, STR("code")) ? node : NULL;
  struct json_each each = json_each(codings);
  while (json_next(&each))
    if (each.index == i)
      return each.value;
  return NULL;
}

static int coding_subsumes(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           const struct yyjson_val *above, const struct yyjson_val *below,
                           bool *ret_subsumes) {
  const struct fhirpath_terminology *terminology = e->context->terminology;
  struct str system = json_get_text(above, STR("system"));
  struct str a = json_get_text(above, STR("code")), b = json_get_text(below, STR("code"));
  struct err err = {0};
  *ret_subsumes = false;
  int code = fhirpath_step(e);
  if (code < 0 || !str_equal(system, json_get_text(below, STR("system"))))
    return code;
  if (str_equal(a, b)) {
    *ret_subsumes = a.n > 0;
    return 0;
  }
  if (!terminology || !terminology->subsumes)
    return fhirpath_fail(e, call->node, "the hierarchy of the code system %.*s is not known",
                         STR_ARG(system));
  code = terminology->subsumes(terminology->what, system, a, b, ret_subsumes, &err);
  return code < 0 ? fail_terminology(e, call, code, &err) : 0;
}

static int run_subsumption(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           bool is_reversed, struct fhirpath_list *out) {
  struct fhirpath_value other = {0};
  const struct yyjson_val *above = call->focus.p[0].node, *below, *x, *y;
  bool there = false, subsumes = false;
  int code = fhirpath_one_argument(e, call, 0, &there, &other);
  if (code < 0 || !there)
    return code;
  below = other.node;
  if (json_kind(above) != JSON_OBJECT || json_kind(below) != JSON_OBJECT)
    return fhirpath_fail(e, call->node, "%s() takes Codings or CodeableConcepts",
                         call->node->function->name);
  if (is_reversed) {
    above = other.node;
    below = call->focus.p[0].node;
  }
  for (size_t i = 0; code == 0 && !subsumes && (x = coding_at(above, i)); i++)
    for (size_t k = 0; code == 0 && !subsumes && (y = coding_at(below, k)); k++)
      code = coding_subsumes(e, call, x, y, &subsumes);
  return code < 0 ? code : fhirpath_push_boolean(e, out, subsumes);
}

int fhirpath_fn_subsumes(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  return run_subsumption(e, call, false, out);
}

int fhirpath_fn_subsumedBy(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  return run_subsumption(e, call, true, out);
}
