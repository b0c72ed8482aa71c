#include "service/rest_parameters.h"

#include "service/rest_write.h"

int rest_parameters_read(struct rest_call *call, const struct yyjson_val **ret_list,
                         struct err *reterr) {
  const struct yyjson_val *body;
  int code = rest_read_body(call, &body, reterr);
  if (code)
    return code;
  if (!str_is(json_get_text(body, STR("resourceType")), "Parameters"))
    return err_set(reterr, ERR_STRUCTURE, "", "The body of an operation is a Parameters resource.");
  *ret_list = json_get(body, STR("parameter"));
  return 0;
}

const struct yyjson_val *rest_parameter_find(const struct yyjson_val *list, const char *name) {
  struct json_each each = json_each(list);
  while (json_next(&each))
    if (str_is(json_get_text(each.value, STR("name")), name))
      return each.value;
  return NULL;
}

const struct yyjson_val *rest_parameter_value(const struct yyjson_val *parameter) {
  struct json_each each = json_each(parameter);
  while (json_next(&each))
    if (str_starts_with(each.name, STR("value")) || str_is(each.name, "resource"))
      return each.value;
  return NULL;
}

struct str rest_parameter_text(const struct yyjson_val *parameter) {
  const struct yyjson_val *value = rest_parameter_value(parameter);
  switch (json_kind(value)) {
  case JSON_STRING:
  case JSON_NUMBER:
  case JSON_BOOL:
    return json_text(value);
  default:
    return STR_NULL;
  }
}

void rest_parameters_begin(struct json_writer *w) {
  json_begin_object(w);
  json_member_string(w, STR("resourceType"), STR("Parameters"));
  json_key(w, STR("parameter"));
  json_begin_array(w);
}

void rest_parameters_end(struct json_writer *w) {
  json_end_array(w);
  json_end_object(w);
}

void rest_parameter_write(struct json_writer *w, const char *name, const char *type,
                          struct str text) {
  json_begin_object(w);
  json_member_string(w, STR("name"), str_of(name));
  json_member_string(w, str_of(type), text);
  json_end_object(w);
}
