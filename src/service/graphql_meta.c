/* Introspection: __schema and __type (GraphQL, October 2021, section 4). */
#include "service/graphql_internal.h"

/* What a __Type object is: a named type, or a list or non-null around it. */
struct meta_type {
  struct schema_type named;
  enum { META_NAMED, META_LIST, META_NON_NULL } wrap;
};

/* What an __InputValue object is. */
struct meta_input {
  struct str name;
  struct meta_type type;
};

static int add_meta(struct graphql_run *run, struct results *results, enum schema_meta meta,
                    const void *data, struct err *reterr) {
  if (!data)
    return err_no_memory(reterr);
  return graphql_add_object(
      run, results, (struct object){.type = {SCHEMA_META, (uint16_t)meta}, .data = data}, reterr);
}

static int add_type(struct graphql_run *run, struct results *results, struct meta_type type,
                    struct err *reterr) {
  struct meta_type *place = ARENA_NEW(run->arena, struct meta_type);
  if (place)
    *place = type;
  return add_meta(run, results, SCHEMA_META_TYPE, place, reterr);
}

static int add_named(struct graphql_run *run, struct results *results, struct schema_type named,
                     struct err *reterr) {
  return add_type(run, results, (struct meta_type){named, META_NAMED}, reterr);
}

static int add_input(struct graphql_run *run, struct results *results, struct str name,
                     struct schema_type type, bool is_list, bool is_required, struct err *reterr) {
  struct meta_input *input = ARENA_NEW(run->arena, struct meta_input);
  if (input)
    *input = (struct meta_input){name,
                                 {type, is_list       ? META_LIST
                                        : is_required ? META_NON_NULL
                                                      : META_NAMED}};
  return add_meta(run, results, SCHEMA_META_INPUT, input, reterr);
}

static int add_boolean(struct graphql_run *run, struct results *results, bool value,
                       struct err *reterr) {
  return graphql_add_leaf(run, results, (struct output){.kind = OUTPUT_BOOLEAN, .number = value},
                          reterr);
}

/* ---- __Type ---------------------------------------------------------------------------------- */

static const char *kind_of(const struct meta_type *type) {
  if (type->wrap == META_LIST)
    return "LIST";
  if (type->wrap == META_NON_NULL)
    return "NON_NULL";
  if (type->named.kind == SCHEMA_SCALAR)
    return "SCALAR";
  if (type->named.kind == SCHEMA_ENUM)
    return "ENUM";
  return schema_is_interface(type->named) ? "INTERFACE" : "OBJECT";
}

static int add_fields(struct graphql_run *run, struct results *results, struct schema_type type,
                      struct err *reterr) {
  struct schema_fields fields;
  int code = schema_list_fields(run->arena, type, &fields, reterr);
  results->is_there = true;
  for (size_t i = 0; i < fields.n && code == 0; i++)
    code = add_meta(run, results, SCHEMA_META_FIELD, &fields.p[i], reterr);
  return code;
}

static int add_possible_types(struct graphql_run *run, struct results *results,
                              struct err *reterr) {
  int code = 0;
  for (size_t id = 1; id <= defs_types_count() && code == 0; id++)
    if (defs_is_resource(defs_type((defs_type_id)id)))
      code = add_named(run, results, (struct schema_type){SCHEMA_FHIR, (uint16_t)id}, reterr);
  return code;
}

static int add_interfaces(struct graphql_run *run, struct results *results, struct schema_type type,
                          struct err *reterr) {
  results->is_there = true;
  if (type.kind != SCHEMA_FHIR || !defs_is_resource(defs_type(type.id)))
    return 0;
  return add_named(run, results, schema_type_of(defs_type_by_name(STR("Resource"))), reterr);
}

static int add_enum_values(struct graphql_run *run, struct results *results, enum schema_enum id,
                           struct err *reterr) {
  struct schema_names names = schema_enum_values(id);
  int code = 0;
  for (size_t i = 0; i < names.n && code == 0; i++)
    code = add_meta(run, results, SCHEMA_META_ENUM_VALUE, names.p[i], reterr);
  return code;
}

static int type_field(struct graphql_run *run, struct str name, const struct meta_type *type,
                      struct results *results, struct err *reterr) {
  const char *kind = kind_of(type);
  bool is_object = strcmp(kind, "OBJECT") == 0, is_interface = strcmp(kind, "INTERFACE") == 0;
  if (str_is(name, "kind"))
    return graphql_add_text(run, results, str_of(kind), reterr);
  if (str_is(name, "ofType"))
    return type->wrap == META_NAMED ? 0 : add_named(run, results, type->named, reterr);
  if (type->wrap != META_NAMED)
    return 0;
  if (str_is(name, "name"))
    return graphql_add_text(run, results, schema_type_name(run->arena, type->named), reterr);
  if (str_is(name, "fields") && (is_object || is_interface))
    return add_fields(run, results, type->named, reterr);
  if (str_is(name, "interfaces") && (is_object || is_interface))
    return add_interfaces(run, results, type->named, reterr);
  if (str_is(name, "possibleTypes") && is_interface)
    return add_possible_types(run, results, reterr);
  if (str_is(name, "enumValues") && type->named.kind == SCHEMA_ENUM)
    return add_enum_values(run, results, (enum schema_enum)type->named.id, reterr);
  return 0;
}

/* ---- __Field, __InputValue, __EnumValue --------------------------------------------------------
 */

static int add_arguments(struct graphql_run *run, struct results *results,
                         const struct schema_field *field, struct err *reterr) {
  struct schema_arguments arguments;
  int code = schema_list_arguments(run->arena, field, &arguments, reterr);
  results->is_there = true;
  for (size_t i = 0; i < arguments.n && code == 0; i++) {
    const struct schema_argument *a = &arguments.p[i];
    code = add_input(run, results, a->name, a->type, a->is_list, a->is_required, reterr);
  }
  return code;
}

static int field_field(struct graphql_run *run, struct str name, const struct schema_field *field,
                       struct results *results, struct err *reterr) {
  if (str_is(name, "name"))
    return graphql_add_text(run, results, field->name, reterr);
  if (str_is(name, "description") && field->property)
    return graphql_add_text(run, results, defs_element(field->property->element)->path, reterr);
  if (str_is(name, "args"))
    return add_arguments(run, results, field, reterr);
  if (str_is(name, "type"))
    return add_type(run, results,
                    (struct meta_type){field->type, field->is_list ? META_LIST : META_NAMED},
                    reterr);
  return str_is(name, "isDeprecated") ? add_boolean(run, results, false, reterr) : 0;
}

static int input_field(struct graphql_run *run, struct str name, const struct meta_input *input,
                       struct results *results, struct err *reterr) {
  if (str_is(name, "name"))
    return graphql_add_text(run, results, input->name, reterr);
  if (str_is(name, "type"))
    return add_type(run, results, input->type, reterr);
  return str_is(name, "isDeprecated") ? add_boolean(run, results, false, reterr) : 0;
}

static int enum_value_field(struct graphql_run *run, struct str name, const char *value,
                            struct results *results, struct err *reterr) {
  if (str_is(name, "name"))
    return graphql_add_text(run, results, str_of(value), reterr);
  return str_is(name, "isDeprecated") ? add_boolean(run, results, false, reterr) : 0;
}

/* ---- __Directive ------------------------------------------------------------------------------
 */

static int add_locations(struct graphql_run *run, struct results *results, unsigned places,
                         struct err *reterr) {
  int code = graphql_add_text(run, results, STR("FIELD"), reterr);
  if (code == 0 && (places & GRAPHQL_ON_FRAGMENT))
    code = graphql_add_text(run, results, STR("FRAGMENT_SPREAD"), reterr);
  if (code == 0 && (places & GRAPHQL_ON_FRAGMENT))
    code = graphql_add_text(run, results, STR("INLINE_FRAGMENT"), reterr);
  return code;
}

static int directive_field(struct graphql_run *run, struct str name,
                           const struct graphql_directive_facts *facts, struct results *results,
                           struct err *reterr) {
  struct schema_type type = {SCHEMA_SCALAR, (uint16_t)facts->type};
  if (str_is(name, "name"))
    return graphql_add_text(run, results, str_of(facts->name), reterr);
  if (str_is(name, "description"))
    return graphql_add_text(run, results, str_of(facts->text), reterr);
  if (str_is(name, "locations"))
    return add_locations(run, results, facts->places, reterr);
  if (str_is(name, "isRepeatable"))
    return add_boolean(run, results, false, reterr);
  results->is_there = true;
  return facts->argument
             ? add_input(run, results, str_of(facts->argument), type, false, true, reterr)
             : 0;
}

/* ---- __schema, __type --------------------------------------------------------------------------
 */

static int add_all_types(struct graphql_run *run, struct results *results, struct err *reterr) {
  struct schema_type type;
  int code = 0;
  for (size_t i = 0; code == 0 && schema_type_at(i, &type); i++)
    if (type.kind != SCHEMA_NONE && (type.kind != SCHEMA_QUERY || run->root.kind == SCHEMA_QUERY))
      code = add_named(run, results, type, reterr);
  return code;
}

static int schema_field_of(struct graphql_run *run, struct str name, struct results *results,
                           struct err *reterr) {
  size_t n;
  const struct graphql_directive_facts *directives = graphql_directive_table(&n);
  int code = 0;
  if (str_is(name, "types"))
    return add_all_types(run, results, reterr);
  if (str_is(name, "queryType"))
    return add_named(run, results, run->root, reterr);
  if (str_is(name, "description"))
    return graphql_add_text(run, results, STR("FHIR R4"), reterr);
  for (size_t i = 0; i < n && code == 0 && str_is(name, "directives"); i++)
    code = add_meta(run, results, SCHEMA_META_DIRECTIVE, &directives[i], reterr);
  return code; /* neither mutations nor subscriptions */
}

int graphql_meta_schema(struct graphql_run *run, struct results *results, struct err *reterr) {
  return add_meta(run, results, SCHEMA_META_SCHEMA, run, reterr);
}

int graphql_meta_type(struct graphql_run *run, const struct plan_field *field,
                      struct results *results, struct err *reterr) {
  const struct graphql_value *name =
      graphql_argument_value(run, field->node->arguments, field->node->arguments_n, "name");
  struct schema_type type = name ? schema_type_by_name(run->arena, name->text) : SCHEMA_TYPE_NONE;
  return type.kind == SCHEMA_NONE ? 0 : add_named(run, results, type, reterr);
}

int graphql_meta_field(struct graphql_run *run, const struct plan_field *field,
                       const struct object *object, struct results *results, struct err *reterr) {
  struct str name = field->field.name;
  switch ((enum schema_meta)object->type.id) {
  case SCHEMA_META_SCHEMA:
    return schema_field_of(run, name, results, reterr);
  case SCHEMA_META_TYPE:
    return type_field(run, name, object->data, results, reterr);
  case SCHEMA_META_FIELD:
    return field_field(run, name, object->data, results, reterr);
  case SCHEMA_META_INPUT:
    return input_field(run, name, object->data, results, reterr);
  case SCHEMA_META_ENUM_VALUE:
    return enum_value_field(run, name, object->data, results, reterr);
  case SCHEMA_META_DIRECTIVE:
    return directive_field(run, name, object->data, results, reterr);
  }
  return 0;
}
