/* What a field of an object gives. */
#include "service/graphql_internal.h"

/* ---- Adding to results ----------------------------------------------------------------------- */

static struct result *add_result(struct graphql_run *run, struct results *results) {
  results->is_there = true;
  results->n++;
  struct result *result = VEC_PUSH(run->arena, &run->stack);
  return result;
}

int graphql_add_leaf(struct graphql_run *run, struct results *results, struct output leaf,
                     struct err *reterr) {
  struct result *result = add_result(run, results);
  if (!result)
    return err_no_memory(reterr);
  result->leaf = leaf;
  return 0;
}

int graphql_add_text(struct graphql_run *run, struct results *results, struct str text,
                     struct err *reterr) {
  if (!text.p)
    return err_no_memory(reterr);
  return graphql_add_leaf(run, results, (struct output){.kind = OUTPUT_TEXT, .text = text}, reterr);
}

int graphql_add_object(struct graphql_run *run, struct results *results, struct object object,
                       struct err *reterr) {
  struct result *result = add_result(run, results);
  if (!result)
    return err_no_memory(reterr);
  *result = (struct result){.leaf = {.kind = OUTPUT_OBJECT}, .object = object};
  return 0;
}

/* ---- FHIRPath -------------------------------------------------------------------------------- */

int graphql_eval(struct graphql_run *run, const struct fhirpath *program,
                 const struct object *object, struct fhirpath_values *ret_values,
                 struct err *reterr) {
  const struct yyjson_val *resource = object->record ? object->record->root : object->node;
  struct fhirpath_context context = {.resource = resource, .root_resource = resource};
  int code = graphql_spend(run, reterr);
  return code ? code
              : fhirpath_eval(run->arena, program, object->node, object->type.id, &context,
                              ret_values, reterr);
}

int graphql_holds(struct graphql_run *run, const struct fhirpath *program,
                  const struct object *object, bool *ret_holds, struct err *reterr) {
  struct fhirpath_values values = {0};
  int code = graphql_eval(run, program, object, &values, reterr);
  if (code)
    return code;
  *ret_holds = values.n > 0;
  if (values.n == 1 && values.p[0].kind == FHIRPATH_BOOLEAN)
    *ret_holds = values.p[0].integer != 0;
  else if (values.n == 1 && values.p[0].kind == FHIRPATH_NODE &&
           json_kind(values.p[0].node) == JSON_BOOL)
    *ret_holds = json_is_true(values.p[0].node);
  return 0;
}

/* ---- Elements -------------------------------------------------------------------------------- */

static bool has_text(const struct graphql_run *run, const struct graphql_value *wanted,
                     const struct yyjson_val *value) {
  bool is_list = wanted->kind == GRAPHQL_LIST;
  struct str text = json_text(value);
  for (size_t i = 0; i < (is_list ? wanted->n : 1); i++) {
    const struct graphql_value *item = graphql_resolve(run, is_list ? &wanted->items[i] : wanted);
    if (item && value && json_kind(value) != JSON_NULL && str_equal(item->text, text))
      return true;
  }
  return false;
}

/* Has a sub-element the wanted value? Of several, one must. */
static bool passes(const struct graphql_run *run, const struct filter *filter,
                   const struct yyjson_val *node) {
  const struct yyjson_val *value = json_get(node, filter->property->name);
  if (json_kind(value) != JSON_ARRAY)
    return has_text(run, filter->wanted, value);
  struct json_each each = json_each(value);
  while (json_next(&each))
    if (has_text(run, filter->wanted, each.value))
      return true;
  return false;
}

static int is_selected(struct graphql_run *run, const struct plan_field *field,
                       const struct object *object, bool *ret_is_selected, struct err *reterr) {
  *ret_is_selected = true;
  for (size_t i = 0; i < field->filters.n && *ret_is_selected; i++)
    *ret_is_selected = passes(run, &field->filters.p[i], object->node);
  return *ret_is_selected && field->where
             ? graphql_holds(run, field->where, object, ret_is_selected, reterr)
             : 0;
}

/* The object that an element is; kind SCHEMA_NONE for one that is not of this specification. */
static int object_below(struct graphql_run *run, const struct plan_field *field,
                        const struct object *parent, const struct yyjson_val *node,
                        struct object *ret_object, struct err *reterr) {
  *ret_object = (struct object){.type = field->field.type, .node = node, .record = parent->record};
  if (!schema_is_interface(field->field.type))
    return 0;
  defs_type_id type = defs_type_by_name(json_get_text(node, STR("resourceType")));
  ret_object->type = type && defs_is_resource(defs_type(type))
                         ? (struct schema_type){SCHEMA_FHIR, type}
                         : SCHEMA_TYPE_NONE;
  if (str_is(field->field.name, "contained"))
    return 0;
  /* In a Bundle or in Parameters: a resource of its own. */
  struct record *record = ARENA_NEW(run->arena, struct record);
  if (!record)
    return err_no_memory(reterr);
  *record = (struct record){.type = type, .root = node};
  ret_object->record = record;
  return 0;
}

static int add_element(struct graphql_run *run, const struct plan_field *field,
                       const struct object *parent, const struct yyjson_val *node, size_t *position,
                       struct results *results, struct err *reterr) {
  struct object object;
  bool is_wanted = true;
  if (schema_is_leaf(field->field.type))
    return graphql_add_leaf(run, results, (struct output){.kind = OUTPUT_JSON, .node = node},
                            reterr);
  if (json_kind(node) != JSON_OBJECT)
    return graphql_add_leaf(run, results, (struct output){.kind = OUTPUT_NULL}, reterr);
  int code = object_below(run, field, parent, node, &object, reterr);
  if (code == 0)
    code = is_selected(run, field, &object, &is_wanted, reterr);
  if (code || !is_wanted || object.type.kind == SCHEMA_NONE)
    return code;
  size_t at = (*position)++;
  return at < field->offset || at - field->offset >= field->count
             ? 0
             : graphql_add_object(run, results, object, reterr);
}

static int add_elements(struct graphql_run *run, const struct plan_field *field,
                        const struct object *object, struct results *results, struct err *reterr) {
  const struct yyjson_val *value = json_get(object->node, field->field.name);
  size_t position = 0;
  int code = 0;
  results->is_there = value != NULL;
  if (value && json_kind(value) != JSON_ARRAY)
    return add_element(run, field, object, value, &position, results, reterr);
  struct json_each each = json_each(value);
  while (code == 0 && json_next(&each))
    code = add_element(run, field, object, each.value, &position, results, reterr);
  return code;
}

/* ---- What a Reference leads to ----------------------------------------------------------------
 */

static int is_of_type(struct graphql_run *run, const struct plan_field *field,
                      const struct object *target, bool *ret_is, struct err *reterr) {
  const struct graphql_value *type =
      graphql_argument_value(run, field->node->arguments, field->node->arguments_n, "type");
  const struct str *names;
  size_t n;
  *ret_is = !type;
  int code = type ? graphql_texts(run, type, &names, &n, reterr) : 0;
  for (size_t i = 0; type && code == 0 && i < n; i++)
    *ret_is = *ret_is || str_equal(names[i], defs_type(target->type.id)->name);
  return code;
}

static int add_target(struct graphql_run *run, const struct plan_field *field,
                      const struct object *object, struct results *results, struct err *reterr) {
  struct object target;
  bool is_wanted = false;
  const struct graphql_value *optional =
      graphql_argument_value(run, field->node->arguments, field->node->arguments_n, "optional");
  int code = graphql_follow(run, object, &target, reterr);
  if (code)
    return code;
  if (target.type.kind == SCHEMA_NONE) {
    if (optional && str_is(optional->text, "true"))
      return 0;
    return err_set(reterr, ERR_NOT_FOUND, "",
                   "A reference leads to nothing that can be read here (with optional: true it "
                   "would be left out).");
  }
  code = is_of_type(run, field, &target, &is_wanted, reterr);
  return code || !is_wanted ? code : graphql_add_object(run, results, target, reterr);
}

/* ---- A resource by its id -------------------------------------------------------------------- */

static int add_read(struct graphql_run *run, const struct plan_field *field,
                    struct results *results, struct err *reterr) {
  const struct record *record;
  const struct graphql_value *id =
      graphql_argument_value(run, field->node->arguments, field->node->arguments_n, "id");
  if (!id)
    return err_set(reterr, ERR_REQUIRED, "", "'%.*s' needs an id.", STR_ARG(field->field.name));
  int code = graphql_read_record(run, field->field.type.id, id->text, 0, &record, reterr);
  if (code == 0 && !record)
    return err_set(reterr, ERR_NOT_FOUND, "", "There is no %.*s with this id.",
                   STR_ARG(field->field.name));
  return code ? code : graphql_add_object(run, results, graphql_object_of(record), reterr);
}

int graphql_resolve_field(struct graphql_run *run, struct plan_field *field,
                          const struct object *object, struct results *results,
                          struct err *reterr) {
  switch (field->field.kind) {
  case SCHEMA_FIELD_PROPERTY:
  case SCHEMA_FIELD_SIBLING:
    return add_elements(run, field, object, results, reterr);
  case SCHEMA_FIELD_TYPENAME:
    return graphql_add_text(run, results, schema_type_name(run->arena, object->type), reterr);
  case SCHEMA_FIELD_RESOURCE:
    return add_target(run, field, object, results, reterr);
  case SCHEMA_FIELD_READ:
    return add_read(run, field, results, reterr);
  case SCHEMA_FIELD_LIST:
    return graphql_list(run, field, object, results, reterr);
  case SCHEMA_FIELD_CONNECTION:
    return graphql_connection(run, field, object, results, reterr);
  case SCHEMA_FIELD_META_SCHEMA:
    return graphql_meta_schema(run, results, reterr);
  case SCHEMA_FIELD_META_TYPE:
    return graphql_meta_type(run, field, results, reterr);
  case SCHEMA_FIELD_PLAIN:
    break;
  }
  return object->type.kind == SCHEMA_META
             ? graphql_meta_field(run, field, object, results, reterr)
             : graphql_connection_field(run, field, object, results, reterr);
}
