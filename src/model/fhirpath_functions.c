#include "model/fhirpath_functions.h"

#include "base/nearest.h"

static const struct fhirpath_function FUNCTIONS[] = {
#define X(name, min, max, flags) {#name, fhirpath_fn_##name, min, max, flags},
    FHIRPATH_FUNCTION_TABLE(X)
#undef X
};

const struct fhirpath_function *fhirpath_function_by_name(struct str name) {
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
    if (str_is(name, FUNCTIONS[i].name))
      return &FUNCTIONS[i];
  return NULL;
}

struct str fhirpath_function_nearest(struct str name) {
  struct nearest nearest = nearest_to(name);
  for (size_t i = 0; i < sizeof FUNCTIONS / sizeof *FUNCTIONS; i++)
    nearest_consider(&nearest, str_of(FUNCTIONS[i].name));
  return nearest.name;
}

int fhirpath_one_argument(struct fhirpath_eval *e, const struct fhirpath_call *call, uint32_t arg,
                          bool *ret_there, struct fhirpath_value *ret_value) {
  FHIRPATH_LIST(list);
  int code = fhirpath_run_argument(e, call, arg, &list);
  if (code < 0)
    return code;
  if (list.v.n > 1)
    return fhirpath_fail(e, call->node, "argument %u of %s() must be one item", arg + 1,
                         call->node->function->name);
  *ret_there = list.v.n == 1;
  if (*ret_there)
    *ret_value = fhirpath_computed(list.v.p[0]);
  return 0;
}

int fhirpath_string_argument(struct fhirpath_eval *e, const struct fhirpath_call *call,
                             uint32_t arg, bool *ret_there, struct str *ret_text) {
  struct fhirpath_value value = {0};
  int code = fhirpath_one_argument(e, call, arg, ret_there, &value);
  if (code < 0 || !*ret_there)
    return code;
  if (value.kind != FHIRPATH_STRING)
    return fhirpath_fail(e, call->node, "argument %u of %s() must be a string", arg + 1,
                         call->node->function->name);
  *ret_text = value.text;
  return 0;
}

int fhirpath_integer_argument(struct fhirpath_eval *e, const struct fhirpath_call *call,
                              uint32_t arg, bool *ret_there, int64_t *ret_value) {
  struct fhirpath_value value = {0};
  int code = fhirpath_one_argument(e, call, arg, ret_there, &value);
  if (code < 0 || !*ret_there)
    return code;
  if (value.kind != FHIRPATH_INTEGER)
    return fhirpath_fail(e, call->node, "argument %u of %s() must be an integer", arg + 1,
                         call->node->function->name);
  *ret_value = value.integer;
  return 0;
}
