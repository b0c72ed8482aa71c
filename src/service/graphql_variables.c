/* The values of variables and arguments. */
#include "service/graphql_internal.h"

/* ---- From JSON ------------------------------------------------------------------------------- */

static bool is_integer(struct str text) {
  int64_t value;
  return str_to_i64(text, &value) && value >= INT32_MIN && value <= INT32_MAX;
}

static int wrong_type(struct str name, struct err *reterr) {
  return err_set(reterr, ERR_VALUE, "", "The variable '%.*s' has a value that is not of its type.",
                 STR_ARG(str_slice(name, 0, 60)));
}

static int read_scalar(const struct yyjson_val *json, struct str name,
                       const struct graphql_type *type, struct graphql_value *ret_value,
                       struct err *reterr) {
  struct str text = json_text(json);
  enum json_kind kind = json_kind(json);
  ret_value->text = text;
  if (kind == JSON_STRING)
    ret_value->kind = GRAPHQL_STRING;
  else if (kind == JSON_BOOL)
    ret_value->kind = GRAPHQL_BOOLEAN;
  else if (kind == JSON_NUMBER)
    ret_value->kind = is_integer(text) ? GRAPHQL_INT : GRAPHQL_FLOAT;
  else
    return wrong_type(name, reterr);
  struct schema_type scalar = schema_type_by_name(NULL, type->name);
  return graphql_value_fits(ret_value->kind, scalar) ? 0 : wrong_type(name, reterr);
}

/* By the declared type; one value stands for a list of it. */
static int read_json(struct arena *arena, const struct yyjson_val *json, struct str name,
                     const struct graphql_type *type, struct graphql_value *ret_value,
                     struct err *reterr) {
  *ret_value = (struct graphql_value){.kind = GRAPHQL_NULL};
  if (json_kind(json) == JSON_NULL)
    return type->is_required ? wrong_type(name, reterr) : 0;
  if (!type->item)
    return read_scalar(json, name, type, ret_value, reterr);
  bool is_list = json_kind(json) == JSON_ARRAY;
  size_t n = is_list ? json_count(json) : 1;
  struct graphql_value *items = ARENA_ARRAY(arena, struct graphql_value, n + 1);
  if (!items)
    return err_no_memory(reterr);
  *ret_value = (struct graphql_value){.kind = GRAPHQL_LIST, .items = items, .n = n};
  if (!is_list)
    return read_json(arena, json, name, type->item, &items[0], reterr);
  struct json_each each = json_each(json);
  while (json_next(&each)) {
    int code = read_json(arena, each.value, name, type->item, &items[each.index], reterr);
    if (code)
      return code;
  }
  return 0;
}

static int read_variable(struct graphql_run *run, const struct graphql_variable *variable,
                         struct err *reterr) {
  const struct yyjson_val *json = json_get(run->request->variables, variable->name);
  if (!json && !variable->has_default && variable->type.is_required)
    return err_set(reterr, ERR_REQUIRED, "", "The variable '%.*s' needs a value.",
                   STR_ARG(str_slice(variable->name, 0, 60)));
  if (!json && !variable->has_default)
    return 0;
  struct graphql_value *value = ARENA_NEW(run->arena, struct graphql_value);
  if (!value)
    return err_no_memory(reterr);
  *value = variable->value;
  int code = json ? read_json(run->arena, json, variable->name, &variable->type, value, reterr) : 0;
  value->place = variable->place;
  if (code == 0 && map_set(&run->variables, variable->name, value) != 0)
    return err_no_memory(reterr);
  return code;
}

int graphql_read_variables(struct graphql_run *run, struct err *reterr) {
  int code = 0;
  map_init(&run->variables, run->arena);
  for (size_t i = 0; i < run->operation->variables_n && code == 0; i++) {
    run->place = run->operation->variables[i].place;
    code = read_variable(run, &run->operation->variables[i], reterr);
  }
  return code;
}

/* ---- Of arguments ---------------------------------------------------------------------------- */

const struct graphql_value *graphql_resolve(const struct graphql_run *run,
                                            const struct graphql_value *value) {
  if (value && value->kind == GRAPHQL_VARIABLE)
    value = map_get(&run->variables, value->text);
  return value && value->kind != GRAPHQL_NULL ? value : NULL;
}

const struct graphql_value *graphql_argument_value(const struct graphql_run *run,
                                                   const struct graphql_argument *arguments,
                                                   size_t n, const char *name) {
  const struct graphql_argument *argument = graphql_argument(arguments, n, str_of(name));
  return argument ? graphql_resolve(run, &argument->value) : NULL;
}

int graphql_texts(const struct graphql_run *run, const struct graphql_value *value,
                  const struct str **ret_texts, size_t *ret_n, struct err *reterr) {
  bool is_list = value->kind == GRAPHQL_LIST;
  size_t n = is_list ? value->n : 1, texts_n = 0;
  struct str *texts = ARENA_ARRAY(run->arena, struct str, n + 1);
  if (!texts)
    return err_no_memory(reterr);
  for (size_t i = 0; i < n; i++) {
    const struct graphql_value *item = graphql_resolve(run, is_list ? &value->items[i] : value);
    if (item && item->kind != GRAPHQL_LIST && item->kind != GRAPHQL_OBJECT)
      texts[texts_n++] = item->text;
  }
  *ret_texts = texts;
  *ret_n = texts_n;
  return 0;
}
