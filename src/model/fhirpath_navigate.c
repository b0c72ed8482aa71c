/* From an element to its children, with their types: choices, primitives' siblings, contained
 * resources. */
#include "model/fhirpath_quantity.h"

/* ---- Types ----------------------------------------------------------------------------------- */

/* What a value of this FHIR type computes as; FHIRPATH_NODE: it doesn't. */
static enum fhirpath_kind kind_of_type(defs_type_id id) {
  const struct defs_type *type = defs_type(id);
  switch (type->builtin) {
  case DEFS_BOOLEAN:
    return FHIRPATH_BOOLEAN;
  case DEFS_INTEGER:
  case DEFS_POSITIVE_INT:
  case DEFS_UNSIGNED_INT:
    return FHIRPATH_INTEGER;
  case DEFS_DECIMAL:
    return FHIRPATH_DECIMAL;
  case DEFS_DATE_TIME:
  case DEFS_INSTANT:
    return FHIRPATH_DATETIME;
  case DEFS_DATE:
    return FHIRPATH_DATE;
  case DEFS_TIME:
    return FHIRPATH_TIME;
  case DEFS_QUANTITY:
    return FHIRPATH_QUANTITY;
  default:
    break;
  }
  if (type->kind == DEFS_KIND_PRIMITIVE)
    return FHIRPATH_STRING;
  return type->kind == DEFS_KIND_COMPLEX && type->base ? kind_of_type(type->base) : FHIRPATH_NODE;
}

static enum fhirpath_kind system_type(struct str name) {
  static const struct {
    const char *name;
    enum fhirpath_kind kind;
  } types[] = {{"Boolean", FHIRPATH_BOOLEAN}, {"Integer", FHIRPATH_INTEGER},
               {"Decimal", FHIRPATH_DECIMAL}, {"String", FHIRPATH_STRING},
               {"Date", FHIRPATH_DATE},       {"DateTime", FHIRPATH_DATETIME},
               {"Time", FHIRPATH_TIME},       {"Quantity", FHIRPATH_QUANTITY}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++)
    if (str_is(name, types[i].name))
      return types[i].kind;
  return FHIRPATH_NODE;
}

bool fhirpath_type_spec(struct str name, struct fhirpath_type_spec *ret_spec) {
  struct fhirpath_type_spec spec = {.system = FHIRPATH_NODE};
  bool is_system = str_starts_with(name, STR("System."));
  bool is_fhir = str_starts_with(name, STR("FHIR."));
  if (is_system)
    spec.system = system_type(str_slice(name, 7, name.n));
  else
    spec.type = defs_type_by_name(is_fhir ? str_slice(name, 5, name.n) : name);
  if (!is_system && !is_fhir)
    spec.system = system_type(name);
  *ret_spec = spec;
  /* A name that System doesn't have is a type that nothing is of. */
  return is_system || spec.type != 0 || spec.system != FHIRPATH_NODE;
}

bool fhirpath_is(const struct fhirpath_value *value, struct fhirpath_type_spec spec) {
  if (value->kind != FHIRPATH_NODE)
    return spec.system == value->kind;
  return spec.type != 0 && defs_type_is_a(value->type, spec.type);
}

bool fhirpath_is_of_type(const struct fhirpath_value *value, struct fhirpath_type_spec spec) {
  if (value->kind == FHIRPATH_NODE && defs_type(value->type)->kind == DEFS_KIND_PRIMITIVE)
    return value->type == spec.type;
  return fhirpath_is(value, spec);
}

defs_type_id fhirpath_type_of_node(const struct yyjson_val *node, defs_type_id declared) {
  if (declared != 0 &&
      !(defs_type(declared)->kind == DEFS_KIND_RESOURCE && defs_type(declared)->is_abstract))
    return declared;
  struct str name = json_get_text(node, STR("resourceType"));
  defs_type_id found = str_is_empty(name) ? 0 : defs_type_by_name(name);
  return found ? found : declared;
}

/* ---- Values ---------------------------------------------------------------------------------- */

static struct fhirpath_value computed_scalar(struct fhirpath_value value, enum fhirpath_kind kind) {
  struct fhirpath_value result = {.kind = kind, .type = value.type, .text = json_text(value.node)};
  switch (kind) {
  case FHIRPATH_BOOLEAN:
    result.integer = json_is_true(value.node) ||
                     (json_kind(value.node) == JSON_STRING && str_is(result.text, "true"));
    break;
  case FHIRPATH_INTEGER:
    if (!str_to_i64(result.text, &result.integer))
      result.kind = FHIRPATH_DECIMAL;
    break;
  default:
    break;
  }
  return result;
}

/* Without a type the JSON says what it can. */
static enum fhirpath_kind kind_of_json(const struct yyjson_val *node) {
  switch (json_kind(node)) {
  case JSON_BOOL:
    return FHIRPATH_BOOLEAN;
  case JSON_NUMBER:
    return str_find_char(json_text(node), '.', 0) >= 0 ? FHIRPATH_DECIMAL : FHIRPATH_INTEGER;
  case JSON_STRING:
    return FHIRPATH_STRING;
  default:
    return FHIRPATH_NODE;
  }
}

static struct fhirpath_value computed_quantity(struct fhirpath_value value) {
  const struct yyjson_val *number = json_get(value.node, STR("value"));
  if (json_kind(number) != JSON_NUMBER || json_get(value.node, STR("comparator")))
    return value;
  struct fhirpath_value result = {
      .kind = FHIRPATH_QUANTITY, .type = value.type, .text = json_text(number)};
  result.unit = json_get_text(value.node, STR("code"));
  struct str system = json_get_text(value.node, STR("system"));
  bool is_ucum = str_is(system, "http://unitsofmeasure.org");
  if (str_is_empty(result.unit))
    result.unit = json_get_text(value.node, STR("unit"));
  else if (is_ucum && fhirpath_calendar_keyword(result.unit))
    result.integer = FHIRPATH_UNIT_EITHER;
  else if (!is_ucum && system.n > 0)
    result.integer = FHIRPATH_UNIT_OTHER;
  return result;
}

struct fhirpath_value fhirpath_computed(struct fhirpath_value value) {
  if (value.kind != FHIRPATH_NODE || !value.node)
    return value;
  enum fhirpath_kind kind = value.type ? kind_of_type(value.type) : kind_of_json(value.node);
  if (kind == FHIRPATH_NODE)
    return value;
  enum json_kind json = json_kind(value.node);
  if (kind == FHIRPATH_QUANTITY)
    return json == JSON_OBJECT ? computed_quantity(value) : value;
  if (json != JSON_STRING && json != JSON_NUMBER && json != JSON_BOOL)
    return value;
  return computed_scalar(value, kind);
}

bool fhirpath_has_value(const struct fhirpath_value *value) {
  if (value->kind != FHIRPATH_NODE)
    return true;
  enum json_kind json = json_kind(value->node);
  return json == JSON_STRING || json == JSON_NUMBER || json == JSON_BOOL;
}

/* ---- Children -------------------------------------------------------------------------------- */

static int push_child(struct fhirpath_eval *e, const struct yyjson_val *node,
                      const struct yyjson_val *extra, defs_type_id type,
                      struct fhirpath_list *out) {
  if (json_kind(node) == JSON_NULL)
    node = NULL;
  if (json_kind(extra) != JSON_OBJECT)
    extra = NULL;
  if (!node && !extra)
    return 0;
  struct fhirpath_value value = {.kind = FHIRPATH_NODE,
                                 .type = fhirpath_type_of_node(node, type),
                                 .node = node,
                                 .extra = extra};
  return fhirpath_push(e, out, &value);
}

const struct yyjson_val *fhirpath_sibling(const struct yyjson_val *object, struct str name) {
  char text[128];
  if (name.n + 1 > sizeof text)
    return NULL;
  text[0] = '_';
  memcpy(text + 1, name.p, name.n);
  return json_get(object, str_n(text, name.n + 1));
}

/* "name" and "_name" in one walk over the members. */
static void find_pair(const struct yyjson_val *object, struct str name,
                      const struct yyjson_val **ret_node, const struct yyjson_val **ret_extra) {
  yyjson_obj_iter iter;
  yyjson_val *key;
  union {
    const struct yyjson_val *in;
    yyjson_val *out; /* the iterator takes no const, but changes nothing */
  } members = {.in = object};
  if (!yyjson_obj_iter_init(members.out, &iter))
    return;
  while ((key = yyjson_obj_iter_next(&iter))) {
    const char *p = yyjson_get_str(key);
    size_t n = yyjson_get_len(key);
    if (n == name.n && memcmp(p, name.p, n) == 0)
      *ret_node = yyjson_obj_iter_get_val(key);
    else if (n == name.n + 1 && p[0] == '_' && memcmp(p + 1, name.p, name.n) == 0)
      *ret_extra = yyjson_obj_iter_get_val(key);
  }
}

/* The values of one JSON property, with what its sibling says of each. */
static int push_property(struct fhirpath_eval *e, const struct yyjson_val *object, struct str name,
                         defs_type_id type, struct fhirpath_list *out) {
  const struct yyjson_val *node = NULL, *extra = NULL;
  if (type == 0 || defs_type(type)->kind == DEFS_KIND_PRIMITIVE)
    find_pair(object, name, &node, &extra);
  else
    node = json_get(object, name);
  if (json_kind(node) != JSON_ARRAY && json_kind(extra) != JSON_ARRAY)
    return push_child(e, node, extra, type, out);
  struct json_each nodes = json_each(json_kind(node) == JSON_ARRAY ? node : NULL);
  struct json_each extras = json_each(json_kind(extra) == JSON_ARRAY ? extra : NULL);
  for (;;) {
    bool has_node = json_next(&nodes), has_extra = json_next(&extras);
    if (!has_node && !has_extra)
      return 0;
    int code =
        push_child(e, has_node ? nodes.value : NULL, has_extra ? extras.value : NULL, type, out);
    if (code < 0)
      return code;
  }
}

/* The object that holds an element's children: of a primitive that is its sibling. */
static const struct yyjson_val *object_of(const struct fhirpath_value *parent,
                                          defs_type_id *ret_type) {
  if (parent->kind != FHIRPATH_NODE)
    return NULL;
  *ret_type = parent->type;
  return json_kind(parent->node) == JSON_OBJECT ? parent->node : parent->extra;
}

bool fhirpath_property_name(const struct yyjson_val *object, struct str member,
                            struct str *ret_name) {
  if (member.n > 1 && member.p[0] == '_') {
    *ret_name = str_slice(member, 1, member.n);
    return json_get(object, *ret_name) == NULL;
  }
  *ret_name = member;
  return !str_equal(member, STR("resourceType"));
}

/* value[x]: the one member whose property belongs to the element `name`. */
static int push_choice(struct fhirpath_eval *e, const struct yyjson_val *object, defs_type_id type,
                       struct str name, struct fhirpath_list *out) {
  struct json_each each = json_each(object);
  while (json_next(&each)) {
    struct str member;
    if (!fhirpath_property_name(object, each.name, &member) || !str_starts_with(member, name))
      continue;
    const struct defs_property *property = defs_property(type, member);
    if (property && defs_element(property->element)->is_choice &&
        str_equal(defs_element(property->element)->name, name)) {
      int code = push_property(e, object, member, property->type, out);
      if (code < 0)
        return code;
    }
  }
  return 0;
}

int fhirpath_member(struct fhirpath_eval *e, const struct fhirpath_value *parent, struct str name,
                    struct fhirpath_list *out) {
  defs_type_id type = 0;
  const struct yyjson_val *object = object_of(parent, &type);
  int code = fhirpath_step(e);
  if (code < 0 || !object)
    return code;
  if (type == 0)
    return push_property(e, object, name, 0, out);
  const struct defs_property *property = defs_property(type, name);
  if (!property)
    return push_choice(e, object, type, name, out);
  if (!str_equal(defs_element(property->element)->name, name))
    return 0; /* valueQuantity is no name in FHIRPath */
  return push_property(e, object, name, property->type, out);
}

int fhirpath_children(struct fhirpath_eval *e, const struct fhirpath_value *parent,
                      struct fhirpath_list *out) {
  defs_type_id type = 0;
  const struct yyjson_val *object = object_of(parent, &type);
  struct json_each each = json_each(object);
  while (json_next(&each)) {
    struct str name;
    int code = fhirpath_step(e);
    if (code < 0)
      return code;
    if (!fhirpath_property_name(object, each.name, &name))
      continue;
    const struct defs_property *property = type ? defs_property(type, name) : NULL;
    if (type && !property)
      continue;
    code = push_property(e, object, name, property ? property->type : 0, out);
    if (code < 0)
      return code;
  }
  return 0;
}

int fhirpath_extensions(struct fhirpath_eval *e, const struct fhirpath_value *parent,
                        struct str url, struct fhirpath_list *out) {
  defs_type_id type = 0;
  const struct yyjson_val *object = object_of(parent, &type);
  struct json_each each = json_each(json_get(object, STR("extension")));
  while (json_next(&each)) {
    int code = fhirpath_step(e);
    if (code < 0)
      return code;
    if (!str_equal(json_get_text(each.value, STR("url")), url))
      continue;
    code = push_child(e, each.value, NULL, defs_type_by_name(STR("Extension")), out);
    if (code < 0)
      return code;
  }
  return 0;
}
