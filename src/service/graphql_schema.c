#include "service/graphql_schema.h"

#include "base/vec.h"

#define NAME_MAX_BYTES 200

static const char *const scalars[] = {
    "String",      "Int",   "Float",       "Boolean",   "ID",       "code",     "base64Binary",
    "canonical",   "date",  "dateTime",    "decimal",   "instant",  "markdown", "oid",
    "positiveInt", "time",  "unsignedInt", "uri",       "url",      "uuid",     "xhtml",
    "number",      "token", "reference",   "composite", "quantity", "special"};
#define SCALARS_N (sizeof scalars / sizeof scalars[0])

static const char *const enums[] = {"__TypeKind", "__DirectiveLocation"};
static const char *const metas[] = {"__Schema",     "__Type",      "__Field",
                                    "__InputValue", "__EnumValue", "__Directive"};
#define ENUMS_N (sizeof enums / sizeof enums[0])
#define METAS_N (sizeof metas / sizeof metas[0])

/* ---- Plain fields: of connections, edges and introspection ------------------------------------
 */

struct plain_field {
  enum schema_kind parent;
  uint16_t parent_id; /* of META, else 0 */
  const char *name;
  enum schema_kind kind;
  uint16_t id; /* of CONNECTION, EDGE, FHIR: that of the parent */
  bool is_list;
};

static const struct plain_field plain_fields[] = {
    {SCHEMA_CONNECTION, 0, "count", SCHEMA_SCALAR, SCHEMA_INT, false},
    {SCHEMA_CONNECTION, 0, "offset", SCHEMA_SCALAR, SCHEMA_INT, false},
    {SCHEMA_CONNECTION, 0, "pagesize", SCHEMA_SCALAR, SCHEMA_INT, false},
    {SCHEMA_CONNECTION, 0, "first", SCHEMA_SCALAR, SCHEMA_ID, false},
    {SCHEMA_CONNECTION, 0, "previous", SCHEMA_SCALAR, SCHEMA_ID, false},
    {SCHEMA_CONNECTION, 0, "next", SCHEMA_SCALAR, SCHEMA_ID, false},
    {SCHEMA_CONNECTION, 0, "last", SCHEMA_SCALAR, SCHEMA_ID, false},
    {SCHEMA_CONNECTION, 0, "edges", SCHEMA_EDGE, 0, true},
    {SCHEMA_EDGE, 0, "mode", SCHEMA_SCALAR, SCHEMA_STRING, false},
    {SCHEMA_EDGE, 0, "score", SCHEMA_SCALAR, SCHEMA_FLOAT, false},
    {SCHEMA_EDGE, 0, "resource", SCHEMA_FHIR, 0, false},
#define META(parent, name, kind, id, is_list)                                                      \
  { SCHEMA_META, SCHEMA_META_##parent, name, SCHEMA_##kind, SCHEMA_##id, is_list }
    META(SCHEMA, "description", SCALAR, STRING, false),
    META(SCHEMA, "types", META, META_TYPE, true),
    META(SCHEMA, "queryType", META, META_TYPE, false),
    META(SCHEMA, "mutationType", META, META_TYPE, false),
    META(SCHEMA, "subscriptionType", META, META_TYPE, false),
    META(SCHEMA, "directives", META, META_DIRECTIVE, true),
    META(TYPE, "kind", ENUM, TYPE_KIND, false),
    META(TYPE, "name", SCALAR, STRING, false),
    META(TYPE, "description", SCALAR, STRING, false),
    META(TYPE, "fields", META, META_FIELD, true),
    META(TYPE, "interfaces", META, META_TYPE, true),
    META(TYPE, "possibleTypes", META, META_TYPE, true),
    META(TYPE, "enumValues", META, META_ENUM_VALUE, true),
    META(TYPE, "inputFields", META, META_INPUT, true),
    META(TYPE, "ofType", META, META_TYPE, false),
    META(TYPE, "specifiedByURL", SCALAR, STRING, false),
    META(FIELD, "name", SCALAR, STRING, false),
    META(FIELD, "description", SCALAR, STRING, false),
    META(FIELD, "args", META, META_INPUT, true),
    META(FIELD, "type", META, META_TYPE, false),
    META(FIELD, "isDeprecated", SCALAR, BOOLEAN, false),
    META(FIELD, "deprecationReason", SCALAR, STRING, false),
    META(INPUT, "name", SCALAR, STRING, false),
    META(INPUT, "description", SCALAR, STRING, false),
    META(INPUT, "type", META, META_TYPE, false),
    META(INPUT, "defaultValue", SCALAR, STRING, false),
    META(INPUT, "isDeprecated", SCALAR, BOOLEAN, false),
    META(INPUT, "deprecationReason", SCALAR, STRING, false),
    META(ENUM_VALUE, "name", SCALAR, STRING, false),
    META(ENUM_VALUE, "description", SCALAR, STRING, false),
    META(ENUM_VALUE, "isDeprecated", SCALAR, BOOLEAN, false),
    META(ENUM_VALUE, "deprecationReason", SCALAR, STRING, false),
    META(DIRECTIVE, "name", SCALAR, STRING, false),
    META(DIRECTIVE, "description", SCALAR, STRING, false),
    META(DIRECTIVE, "locations", ENUM, DIRECTIVE_LOCATION, true),
    META(DIRECTIVE, "args", META, META_INPUT, true),
    META(DIRECTIVE, "isRepeatable", SCALAR, BOOLEAN, false),
#undef META
};
#define PLAIN_FIELDS_N (sizeof plain_fields / sizeof plain_fields[0])

static bool is_plain_of(const struct plain_field *row, struct schema_type parent) {
  return row->parent == parent.kind && (parent.kind != SCHEMA_META || row->parent_id == parent.id);
}

static struct schema_field plain_field(const struct plain_field *row, struct schema_type parent) {
  bool is_of_parent = row->kind == SCHEMA_EDGE || row->kind == SCHEMA_FHIR;
  return (struct schema_field){.kind = SCHEMA_FIELD_PLAIN,
                               .name = str_of(row->name),
                               .type = {row->kind, is_of_parent ? parent.id : row->id},
                               .is_list = row->is_list};
}

struct schema_names schema_enum_values(enum schema_enum id) {
  static const char *const kinds[] = {"SCALAR", "OBJECT",       "INTERFACE", "UNION",
                                      "ENUM",   "INPUT_OBJECT", "LIST",      "NON_NULL"};
  static const char *const locations[] = {
      "QUERY",
      "MUTATION",
      "SUBSCRIPTION",
      "FIELD",
      "FRAGMENT_DEFINITION",
      "FRAGMENT_SPREAD",
      "INLINE_FRAGMENT",
      "VARIABLE_DEFINITION",
      "SCHEMA",
      "SCALAR",
      "OBJECT",
      "FIELD_DEFINITION",
      "ARGUMENT_DEFINITION",
      "INTERFACE",
      "UNION",
      "ENUM",
      "ENUM_VALUE",
      "INPUT_OBJECT",
      "INPUT_FIELD_DEFINITION",
  };
  if (id == SCHEMA_TYPE_KIND)
    return (struct schema_names){kinds, sizeof kinds / sizeof kinds[0]};
  return (struct schema_names){locations, sizeof locations / sizeof locations[0]};
}

/* ---- Types ------------------------------------------------------------------------------------
 */

static bool is_resource_id(defs_type_id id) {
  return id && defs_is_resource(defs_type(id));
}

static defs_type_id resource_id(void) {
  return defs_type_by_name(STR("Resource"));
}

static struct schema_type scalar_by_name(struct str name) {
  for (size_t i = 0; i < SCALARS_N; i++)
    if (str_is(name, scalars[i]))
      return (struct schema_type){SCHEMA_SCALAR, (uint16_t)i};
  return SCHEMA_TYPE_NONE;
}

struct schema_type schema_type_of(defs_type_id type) {
  const struct defs_type *t = defs_type(type);
  if (t->kind != DEFS_KIND_PRIMITIVE)
    return (struct schema_type){SCHEMA_FHIR, type};
  switch (t->builtin) {
  case DEFS_BOOLEAN:
    return (struct schema_type){SCHEMA_SCALAR, SCHEMA_BOOLEAN};
  case DEFS_INTEGER:
    return (struct schema_type){SCHEMA_SCALAR, SCHEMA_INT};
  case DEFS_STRING:
    return (struct schema_type){SCHEMA_SCALAR, SCHEMA_STRING};
  case DEFS_ID:
    return (struct schema_type){SCHEMA_SCALAR, SCHEMA_ID};
  default:
    break;
  }
  struct schema_type found = scalar_by_name(t->name);
  return found.kind ? found : (struct schema_type){SCHEMA_SCALAR, SCHEMA_STRING};
}

/* "Patient.contact" -> "PatientContact". */
static struct str joined_name(struct arena *arena, struct str path) {
  struct buf buf;
  buf_init_arena(&buf, arena, NAME_MAX_BYTES);
  for (size_t i = 0; i < path.n; i++) {
    bool is_first = i == 0 || path.p[i - 1] == '.';
    bool is_lower = path.p[i] >= 'a' && path.p[i] <= 'z';
    if (path.p[i] != '.')
      buf_add_char(&buf, is_first && is_lower ? (char)(path.p[i] - 'a' + 'A') : path.p[i]);
  }
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

struct str schema_type_name(struct arena *arena, struct schema_type type) {
  switch (type.kind) {
  case SCHEMA_SCALAR:
    return str_of(scalars[type.id]);
  case SCHEMA_ENUM:
    return str_of(enums[type.id]);
  case SCHEMA_META:
    return str_of(metas[type.id]);
  case SCHEMA_FHIR:
    return defs_type(type.id)->kind == DEFS_KIND_BACKBONE
               ? joined_name(arena, defs_type(type.id)->name)
               : defs_type(type.id)->name;
  case SCHEMA_CONNECTION:
    return arena_printf(arena, "%.*sConnection", STR_ARG(defs_type(type.id)->name));
  case SCHEMA_EDGE:
    return arena_printf(arena, "%.*sEdge", STR_ARG(defs_type(type.id)->name));
  case SCHEMA_ELEMENT_BASE:
    return STR("ElementBase");
  case SCHEMA_QUERY:
    return STR("Query");
  case SCHEMA_NONE:
    break;
  }
  return STR("");
}

/* The resource type whose name stands before `suffix`; 0: none. */
static defs_type_id resource_before(struct str name, struct str suffix) {
  if (!str_ends_with(name, suffix))
    return 0;
  defs_type_id id = defs_type_by_name(str_slice(name, 0, name.n - suffix.n));
  return is_resource_id(id) ? id : 0;
}

static bool is_composite_id(defs_type_id id) {
  const struct defs_type *t = defs_type(id);
  if (id == resource_id())
    return true;
  return !t->is_abstract && (t->kind == DEFS_KIND_COMPLEX || t->kind == DEFS_KIND_BACKBONE ||
                             t->kind == DEFS_KIND_RESOURCE);
}

static struct schema_type backbone_by_name(struct arena *arena, struct str name) {
  for (size_t id = 1; id <= defs_types_count(); id++) {
    const struct defs_type *t = defs_type((defs_type_id)id);
    if (t->kind == DEFS_KIND_BACKBONE && name.n < t->name.n &&
        str_equal(joined_name(arena, t->name), name))
      return (struct schema_type){SCHEMA_FHIR, (uint16_t)id};
  }
  return SCHEMA_TYPE_NONE;
}

struct schema_type schema_type_by_name(struct arena *arena, struct str name) {
  struct schema_type scalar = scalar_by_name(name);
  defs_type_id id;
  if (scalar.kind)
    return scalar;
  if (str_is(name, "Query"))
    return (struct schema_type){SCHEMA_QUERY, 0};
  if (str_is(name, "ElementBase"))
    return (struct schema_type){SCHEMA_ELEMENT_BASE, 0};
  for (size_t i = 0; i < ENUMS_N; i++)
    if (str_is(name, enums[i]))
      return (struct schema_type){SCHEMA_ENUM, (uint16_t)i};
  for (size_t i = 0; i < METAS_N; i++)
    if (str_is(name, metas[i]))
      return (struct schema_type){SCHEMA_META, (uint16_t)i};
  if ((id = defs_type_by_name(name)) != 0 && defs_type(id)->kind != DEFS_KIND_BACKBONE)
    return is_composite_id(id) ? (struct schema_type){SCHEMA_FHIR, id} : SCHEMA_TYPE_NONE;
  if ((id = resource_before(name, STR("Connection"))) != 0)
    return (struct schema_type){SCHEMA_CONNECTION, id};
  if ((id = resource_before(name, STR("Edge"))) != 0)
    return (struct schema_type){SCHEMA_EDGE, id};
  return backbone_by_name(arena, name);
}

bool schema_is_leaf(struct schema_type type) {
  return type.kind == SCHEMA_SCALAR || type.kind == SCHEMA_ENUM;
}

bool schema_is_interface(struct schema_type type) {
  return type.kind == SCHEMA_FHIR && defs_type(type.id)->is_abstract;
}

bool schema_same(struct schema_type a, struct schema_type b) {
  return a.kind == b.kind && a.id == b.id;
}

bool schema_is_a(struct schema_type object, struct schema_type type) {
  return schema_same(object, type) || (schema_is_interface(type) && object.kind == SCHEMA_FHIR &&
                                       defs_type(object.id)->kind == DEFS_KIND_RESOURCE);
}

bool schema_overlaps(struct schema_type a, struct schema_type b) {
  return schema_is_a(a, b) || schema_is_a(b, a);
}

bool schema_type_at(size_t index, struct schema_type *ret_type) {
  if (index < SCALARS_N) {
    *ret_type = (struct schema_type){SCHEMA_SCALAR, (uint16_t)index};
  } else if ((index -= SCALARS_N) < ENUMS_N) {
    *ret_type = (struct schema_type){SCHEMA_ENUM, (uint16_t)index};
  } else if ((index -= ENUMS_N) < METAS_N) {
    *ret_type = (struct schema_type){SCHEMA_META, (uint16_t)index};
  } else if ((index -= METAS_N) < 2) {
    *ret_type = (struct schema_type){index == 0 ? SCHEMA_QUERY : SCHEMA_ELEMENT_BASE, 0};
  } else {
    /* Each type of FHIR has three places: itself, its connection, its edge. */
    index -= 2;
    defs_type_id id = (defs_type_id)(index / 3 + 1);
    static const enum schema_kind kinds[] = {SCHEMA_FHIR, SCHEMA_CONNECTION, SCHEMA_EDGE};
    if (index / 3 >= defs_types_count())
      return false;
    bool is_there = index % 3 == 0 ? is_composite_id(id) : is_resource_id(id);
    *ret_type = is_there ? (struct schema_type){kinds[index % 3], id} : SCHEMA_TYPE_NONE;
  }
  return true;
}

/* ---- Fields -----------------------------------------------------------------------------------
 */

/* May an element of this property be there several times? */
static bool repeats(const struct defs_property *property) {
  return defs_element(property->element)->max != 1;
}

static struct schema_field property_field(const struct defs_property *property) {
  return (struct schema_field){.kind = SCHEMA_FIELD_PROPERTY,
                               .name = property->name,
                               .type = schema_type_of(property->type),
                               .is_list = repeats(property),
                               .property = property};
}

static struct schema_field typename_field(struct str name, uint16_t scalar) {
  return (struct schema_field){
      .kind = SCHEMA_FIELD_TYPENAME, .name = name, .type = {SCHEMA_SCALAR, scalar}};
}

/* `Patient`, `PatientList`, `PatientConnection`. */
static bool find_search(struct str name, bool is_reverse, struct schema_field *ret_field) {
  defs_type_id id = 0;
  *ret_field = (struct schema_field){.name = name, .is_reverse = is_reverse};
  if (!is_reverse && is_resource_id(id = defs_type_by_name(name))) {
    ret_field->kind = SCHEMA_FIELD_READ;
    ret_field->type = (struct schema_type){SCHEMA_FHIR, id};
  } else if ((id = resource_before(name, STR("List"))) != 0) {
    ret_field->kind = SCHEMA_FIELD_LIST;
    ret_field->type = (struct schema_type){SCHEMA_FHIR, id};
    ret_field->is_list = true;
  } else if ((id = resource_before(name, STR("Connection"))) != 0) {
    ret_field->kind = SCHEMA_FIELD_CONNECTION;
    ret_field->type = (struct schema_type){SCHEMA_CONNECTION, id};
  } else {
    return false;
  }
  return true;
}

static struct schema_field element_base_field(struct str name) {
  bool is_id = str_is(name, "id");
  return (struct schema_field){.kind = SCHEMA_FIELD_PROPERTY,
                               .name = name,
                               .type = is_id ? (struct schema_type){SCHEMA_SCALAR, SCHEMA_ID}
                                             : schema_type_of(defs_type_by_name(STR("Extension"))),
                               .is_list = !is_id};
}

static bool find_sibling(defs_type_id type, struct str name, struct schema_field *ret_field) {
  if (name.n < 2 || name.p[0] != '_')
    return false;
  const struct defs_property *property = defs_property(type, str_slice(name, 1, name.n));
  if (!property || defs_type(property->type)->kind != DEFS_KIND_PRIMITIVE)
    return false;
  *ret_field = (struct schema_field){.kind = SCHEMA_FIELD_SIBLING,
                                     .name = name,
                                     .type = {SCHEMA_ELEMENT_BASE, 0},
                                     .is_list = repeats(property),
                                     .property = property};
  return true;
}

static bool find_fhir_field(defs_type_id type, struct str name, struct schema_field *ret_field) {
  const struct defs_type *t = defs_type(type);
  const struct defs_property *property = defs_property(type, name);
  if (property) {
    *ret_field = property_field(property);
    return true;
  }
  if (find_sibling(type, name, ret_field))
    return true;
  if (t->kind == DEFS_KIND_RESOURCE && str_is(name, "resourceType")) {
    *ret_field = typename_field(name, SCHEMA_CODE);
    return true;
  }
  if (t->builtin == DEFS_REFERENCE && str_is(name, "resource")) {
    *ret_field = (struct schema_field){
        .kind = SCHEMA_FIELD_RESOURCE, .name = name, .type = {SCHEMA_FHIR, resource_id()}};
    return true;
  }
  return t->kind == DEFS_KIND_RESOURCE && find_search(name, true, ret_field);
}

bool schema_find_field(struct schema_type parent, bool is_root, struct str name,
                       struct schema_field *ret_field) {
  if (str_is(name, "__typename")) {
    *ret_field = typename_field(name, SCHEMA_STRING);
    return true;
  }
  if (is_root && str_is(name, "__schema")) {
    *ret_field = (struct schema_field){
        .kind = SCHEMA_FIELD_META_SCHEMA, .name = name, .type = {SCHEMA_META, SCHEMA_META_SCHEMA}};
    return true;
  }
  if (is_root && str_is(name, "__type")) {
    *ret_field = (struct schema_field){
        .kind = SCHEMA_FIELD_META_TYPE, .name = name, .type = {SCHEMA_META, SCHEMA_META_TYPE}};
    return true;
  }
  if (parent.kind == SCHEMA_FHIR)
    return find_fhir_field(parent.id, name, ret_field);
  if (parent.kind == SCHEMA_QUERY)
    return find_search(name, false, ret_field);
  if (parent.kind == SCHEMA_ELEMENT_BASE && (str_is(name, "id") || str_is(name, "extension"))) {
    *ret_field = element_base_field(name);
    return true;
  }
  for (size_t i = 0; i < PLAIN_FIELDS_N; i++)
    if (is_plain_of(&plain_fields[i], parent) && str_is(name, plain_fields[i].name)) {
      *ret_field = plain_field(&plain_fields[i], parent);
      return true;
    }
  return false;
}

/* ---- Lists of fields --------------------------------------------------------------------------
 */

struct field_list {
  struct arena *arena;
  VEC(struct schema_field) fields;
  bool is_out_of_memory;
};

static void add_field(struct field_list *list, struct schema_field field) {
  struct schema_field *place = VEC_PUSH(list->arena, &list->fields);
  if (place)
    *place = field;
  else
    list->is_out_of_memory = true;
}

static void add_search(struct field_list *list, defs_type_id type, const char *suffix,
                       bool is_reverse) {
  struct schema_field field;
  struct str name = arena_printf(list->arena, "%.*s%s", STR_ARG(defs_type(type)->name), suffix);
  if (name.p && find_search(name, is_reverse, &field))
    add_field(list, field);
  else
    list->is_out_of_memory = true;
}

/* Has `type` a parameter that says it leads to `target`? Not those that may lead anywhere. */
static bool refers_to(defs_type_id type, defs_type_id target) {
  size_t n;
  const defs_param_id *params = defs_params_of(type, &n);
  for (size_t i = 0; i < n; i++) {
    const struct defs_param *param = defs_param(params[i]);
    for (uint32_t k = 0; k < param->targets_n && param->targets_n < 20; k++)
      if (param->type == SEARCH_REFERENCE && defs_target(param->first_target + k) == target)
        return true;
  }
  return false;
}

static void add_fhir_fields(struct field_list *list, defs_type_id type) {
  const struct defs_type *t = defs_type(type);
  size_t n;
  const struct defs_property *properties = defs_properties_of(type, &n);
  if (t->kind == DEFS_KIND_RESOURCE)
    add_field(list, typename_field(STR("resourceType"), SCHEMA_CODE));
  for (size_t i = 0; i < n; i++) {
    struct schema_field sibling;
    struct str name = arena_printf(list->arena, "_%.*s", STR_ARG(properties[i].name));
    add_field(list, property_field(&properties[i]));
    if (!str_is(properties[i].name, "id") && find_sibling(type, name, &sibling))
      add_field(list, sibling);
  }
  if (t->builtin == DEFS_REFERENCE) {
    struct schema_field resource;
    (void)find_fhir_field(type, STR("resource"), &resource);
    add_field(list, resource);
  }
  for (size_t id = 1; id <= defs_types_count() && is_resource_id(type); id++) {
    if (!is_resource_id((defs_type_id)id) || !refers_to((defs_type_id)id, type))
      continue;
    add_search(list, (defs_type_id)id, "List", true);
    add_search(list, (defs_type_id)id, "Connection", true);
  }
}

int schema_list_fields(struct arena *arena, struct schema_type parent,
                       struct schema_fields *ret_fields, struct err *reterr) {
  struct field_list list = {.arena = arena};
  if (parent.kind == SCHEMA_FHIR)
    add_fhir_fields(&list, parent.id);
  for (size_t id = 1; id <= defs_types_count() && parent.kind == SCHEMA_QUERY; id++) {
    if (!is_resource_id((defs_type_id)id))
      continue;
    add_search(&list, (defs_type_id)id, "", false);
    add_search(&list, (defs_type_id)id, "List", false);
    add_search(&list, (defs_type_id)id, "Connection", false);
  }
  if (parent.kind == SCHEMA_ELEMENT_BASE) {
    add_field(&list, element_base_field(STR("id")));
    add_field(&list, element_base_field(STR("extension")));
  }
  for (size_t i = 0; i < PLAIN_FIELDS_N; i++)
    if (is_plain_of(&plain_fields[i], parent))
      add_field(&list, plain_field(&plain_fields[i], parent));
  if (list.is_out_of_memory)
    return err_no_memory(reterr);
  *ret_fields = (struct schema_fields){list.fields.p, list.fields.n};
  return 0;
}

/* ---- Arguments --------------------------------------------------------------------------------
 */

struct argument_list {
  struct arena *arena;
  VEC(struct schema_argument) arguments;
  struct schema_argument nowhere; /* written to without memory */
  bool is_out_of_memory;
};

static struct schema_argument *add_argument(struct argument_list *list, struct str name,
                                            enum schema_scalar scalar) {
  struct schema_argument *place = VEC_PUSH(list->arena, &list->arguments);
  if (!place || !name.p) {
    list->is_out_of_memory = true;
    return place ? place : &list->nowhere;
  }
  *place = (struct schema_argument){.name = name, .type = {SCHEMA_SCALAR, (uint16_t)scalar}};
  return place;
}

static const char *scalar_of_search(enum search_type type) {
  static const char *const names[] = {
      [SEARCH_NUMBER] = "number",       [SEARCH_DATE] = "date",
      [SEARCH_STRING] = "String",       [SEARCH_TOKEN] = "token",
      [SEARCH_REFERENCE] = "reference", [SEARCH_COMPOSITE] = "composite",
      [SEARCH_QUANTITY] = "quantity",   [SEARCH_URI] = "uri",
      [SEARCH_SPECIAL] = "special",
  };
  return names[type];
}

/* "address-city" -> "address_city". */
static struct str name_of_param(struct arena *arena, struct str code) {
  struct str name = arena_str(arena, code);
  for (size_t i = 0; i < name.n && name.p; i++)
    if (name.p[i] == '-')
      ((char *)(uintptr_t)name.p)[i] = '_';
  return name;
}

static void add_params(struct argument_list *list, defs_type_id type) {
  size_t n;
  const defs_param_id *params = defs_params_of(type, &n);
  for (size_t i = 0; i < n; i++) {
    const struct defs_param *param = defs_param(params[i]);
    struct schema_argument *argument =
        add_argument(list, name_of_param(list->arena, param->code), SCHEMA_STRING);
    argument->type = scalar_by_name(str_of(scalar_of_search(param->type)));
    argument->is_list = true;
    argument->param = params[i];
  }
}

static void add_search_arguments(struct argument_list *list, const struct schema_field *field) {
  if (field->is_reverse)
    add_argument(list, STR("_reference"), SCHEMA_STRING)->is_required = true;
  add_argument(list, STR("fhirpath"), SCHEMA_STRING);
  add_argument(list, STR("_filter"), SCHEMA_STRING);
  add_params(list, field->type.id);
  add_argument(list, STR("_sort"), SCHEMA_STRING);
  add_argument(list, STR("_count"), SCHEMA_INT);
  if (field->kind == SCHEMA_FIELD_CONNECTION && !field->is_reverse) {
    add_argument(list, STR("_cursor"), SCHEMA_STRING);
    add_argument(list, STR("cursor"), SCHEMA_STRING);
  }
}

static void add_filters(struct argument_list *list, defs_type_id type) {
  size_t n;
  const struct defs_property *properties = defs_properties_of(type, &n);
  add_argument(list, STR("fhirpath"), SCHEMA_STRING);
  add_argument(list, STR("_count"), SCHEMA_INT);
  add_argument(list, STR("_offset"), SCHEMA_INT);
  for (size_t i = 0; i < n; i++) {
    if (defs_type(properties[i].type)->kind != DEFS_KIND_PRIMITIVE)
      continue;
    struct schema_argument *argument = add_argument(list, properties[i].name, SCHEMA_STRING);
    argument->type = schema_type_of(properties[i].type);
    argument->property = &properties[i];
  }
}

int schema_list_arguments(struct arena *arena, const struct schema_field *field,
                          struct schema_arguments *ret_arguments, struct err *reterr) {
  struct argument_list list = {.arena = arena};
  switch (field->kind) {
  case SCHEMA_FIELD_PROPERTY:
    if (field->type.kind == SCHEMA_FHIR)
      add_filters(&list, field->type.id);
    break;
  case SCHEMA_FIELD_RESOURCE:
    add_argument(&list, STR("optional"), SCHEMA_BOOLEAN);
    add_argument(&list, STR("type"), SCHEMA_CODE)->is_list = true;
    break;
  case SCHEMA_FIELD_READ:
    add_argument(&list, STR("id"), SCHEMA_ID)->is_required = true;
    break;
  case SCHEMA_FIELD_LIST:
  case SCHEMA_FIELD_CONNECTION:
    add_search_arguments(&list, field);
    break;
  case SCHEMA_FIELD_META_TYPE:
    add_argument(&list, STR("name"), SCHEMA_STRING)->is_required = true;
    break;
  case SCHEMA_FIELD_PLAIN:
    if (str_is(field->name, "fields") || str_is(field->name, "enumValues") ||
        str_is(field->name, "inputFields") || str_is(field->name, "args"))
      add_argument(&list, STR("includeDeprecated"), SCHEMA_BOOLEAN);
    break;
  case SCHEMA_FIELD_SIBLING:
  case SCHEMA_FIELD_TYPENAME:
  case SCHEMA_FIELD_META_SCHEMA:
    break;
  }
  if (list.is_out_of_memory)
    return err_no_memory(reterr);
  *ret_arguments = (struct schema_arguments){list.arguments.p, list.arguments.n};
  return 0;
}
