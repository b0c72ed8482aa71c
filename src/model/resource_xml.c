/* From XML to the JSON tree. */
#include "model/resource_xml.h"

#include <stdarg.h>

#include "format/json_build.h"
#include "model/place.h"
#include "model/validate_primitive.h"

enum { PLACE_MAX_BYTES = 120, NAME_MAX_BYTES = 40 };

/* A div may grow by its escapes when it can't be taken as it stands. */
#define DIV_MAX_BYTES ((size_t)256 << 20)

struct converter {
  struct arena *arena;
  struct json_builder json;
  struct str text; /* empty: faults have no line */
  struct err *err;
};

static int read_object(struct converter *c, defs_type_id type, const struct xml_node *node,
                       const struct place *place);
static int read_resource(struct converter *c, const struct xml_node *node,
                         const struct place *place);

/* ---- Faults -----------------------------------------------------------------------------------
 */

__attribute__((format(printf, 5, 6))) static int
fault(const struct converter *c, const struct xml_node *node, const struct place *place,
      enum err_code code, const char *format, ...) {
  char what[200], line[64] = "";
  struct buf where;
  va_list args;
  va_start(args, format);
  vsnprintf(what, sizeof what, format, args);
  va_end(args);
  buf_init_arena(&where, c->arena, 4096);
  place_write(&where, place);
  if (c->text.n > 0) {
    size_t at_line, column;
    xml_position(c->text, node->at, &at_line, &column);
    snprintf(line, sizeof line, " (line %zu column %zu)", at_line, column);
  }
  return err_set_at(c->err, code, str_slice(buf_str(&where), 0, PLACE_MAX_BYTES - 1), "%s%s", what,
                    line);
}

/* A name is the sender's: only a plain short one is repeated. */
static bool is_plain(struct str name) {
  for (size_t i = 0; i < name.n; i++)
    if ((name.p[i] < 'a' || name.p[i] > 'z') && (name.p[i] < 'A' || name.p[i] > 'Z') &&
        (name.p[i] < '0' || name.p[i] > '9') && name.p[i] != '-' && name.p[i] != '_')
      return false;
  return name.n > 0 && name.n <= NAME_MAX_BYTES;
}

static int unknown_element(const struct converter *c, defs_type_id type,
                           const struct xml_node *node, const struct place *up) {
  struct place place = {.up = up, .name = node->name, .index = -1};
  return fault(c, node, is_plain(node->name) ? &place : up, ERR_STRUCTURE,
               "%.*s has no such element.", STR_ARG(defs_type(type)->name));
}

/* ---- Attributes and text ----------------------------------------------------------------------
 */

static bool is_tolerated(const struct xml_attribute *a) {
  return str_is(a->ns, XML_NS_XSI) &&
         (str_is(a->name, "schemaLocation") || str_is(a->name, "noNamespaceSchemaLocation"));
}

/* Only the attributes that the type has: id of elements, url of extensions, value of primitives. */
static int check_attributes(const struct converter *c, const struct defs_type *type,
                            const struct xml_node *node, const struct place *place) {
  for (const struct xml_attribute *a = node->attributes; a; a = a->next) {
    bool has_id = type && type->kind != DEFS_KIND_RESOURCE;
    bool is_known =
        a->ns.n == 0 && ((has_id && str_is(a->name, "id")) ||
                         (type && type->builtin == DEFS_EXTENSION && str_is(a->name, "url")) ||
                         (type && type->kind == DEFS_KIND_PRIMITIVE && str_is(a->name, "value")));
    if (!is_known && !is_tolerated(a))
      return fault(c, node, place, ERR_STRUCTURE,
                   is_plain(a->name) ? "The attribute '%.*s' is not allowed here."
                                     : "There is an attribute here that is not allowed.",
                   STR_ARG(a->name));
    if (a->value.n == 0)
      return fault(c, node, place, ERR_STRUCTURE, "An attribute is empty; leave it out.");
  }
  return 0;
}

static bool is_space(struct str s) {
  for (size_t i = 0; i < s.n; i++)
    if (!strchr(" \t\r\n", s.p[i]))
      return false;
  return true;
}

/* The first element at or after `node`; text between elements is a fault. */
static int next_element(const struct converter *c, const struct xml_node *node,
                        const struct place *place, const struct xml_node **ret_next) {
  for (; node && node->kind != XML_ELEMENT; node = node->next)
    if (node->kind == XML_TEXT && !is_space(node->text))
      return fault(c, node, place, ERR_STRUCTURE, "There is text here that is in no attribute.");
  *ret_next = node;
  return 0;
}

/* ---- Values -----------------------------------------------------------------------------------
 */

static int read_value(struct converter *c, const struct defs_type *type,
                      const struct xml_node *node, const struct place *place) {
  struct str value = xml_attribute_value(node, STR("value"));
  if (!value.p) {
    json_build_null(&c->json);
    return 0;
  }
  if (type->builtin > DEFS_DECIMAL) {
    json_build_string(&c->json, value);
    return 0;
  }
  if (!primitive_is_valid(type->builtin, value))
    return fault(c, node, place, ERR_VALUE, "This must be %s.", primitive_form(type->builtin));
  json_build_raw(&c->json, value);
  return 0;
}

static bool has_element(const struct xml_node *node) {
  const struct xml_node *child = node->first_child;
  while (child && child->kind != XML_ELEMENT)
    child = child->next;
  return child != NULL;
}

/* An id or extensions: what stands in the member with '_' before its name. */
static bool has_extra(const struct xml_node *node) {
  return has_element(node) || xml_attribute(node, STR("id"));
}

static int read_extra(struct converter *c, defs_type_id type, const struct xml_node *node,
                      const struct place *place) {
  if (has_extra(node))
    return read_object(c, type, node, place);
  json_build_null(&c->json);
  return 0;
}

static struct str sibling_name(struct converter *c, struct str name) {
  char *p = arena_alloc(c->arena, name.n + 1);
  if (!p)
    return STR_NULL;
  p[0] = '_';
  memcpy(p + 1, name.p, name.n);
  return str_n(p, name.n + 1);
}

/* Elements of one name that follow each other. */
struct run {
  const struct defs_property *property;
  const struct defs_element *element;
  const struct xml_node *first;
  size_t n;
};

static const struct xml_node *next_in_run(const struct xml_node *node) {
  do
    node = node->next;
  while (node && node->kind != XML_ELEMENT);
  return node;
}

/* Calls `read` for each node of the run, in an array where the element repeats. */
static int read_each(struct converter *c, const struct run *run, const struct place *place,
                     int (*read)(struct converter *c, const struct run *run,
                                 const struct xml_node *node, const struct place *place)) {
  bool is_many = run->element->max > 1;
  struct place item = *place;
  const struct xml_node *node = run->first;
  if (is_many)
    json_build_begin_array(&c->json);
  for (size_t i = 0; i < run->n; i++, node = next_in_run(node)) {
    item.index = is_many ? (ssize_t)i : -1;
    int code = read(c, run, node, &item);
    if (code)
      return code;
  }
  if (is_many)
    json_build_end(&c->json);
  return 0;
}

static int read_one_value(struct converter *c, const struct run *run, const struct xml_node *node,
                          const struct place *place) {
  return read_value(c, defs_type(run->property->type), node, place);
}

static int read_one_extra(struct converter *c, const struct run *run, const struct xml_node *node,
                          const struct place *place) {
  return read_extra(c, run->property->type, node, place);
}

/* Checks also what neither the values nor what stands beside them would see. */
static int check_one_primitive(struct converter *c, const struct run *run,
                               const struct xml_node *node, const struct place *place) {
  const struct xml_node *child = NULL;
  int code = check_attributes(c, defs_type(run->property->type), node, place);
  if (code || (code = next_element(c, node->first_child, place, &child)) != 0)
    return code;
  return child || xml_attribute(node, STR("value"))
             ? 0
             : fault(c, node, place, ERR_STRUCTURE,
                     "This element is empty: it has neither a value nor an extension.");
}

static int read_primitives(struct converter *c, const struct run *run, const struct place *place) {
  bool any_value = false, any_extra = false;
  struct place item = *place;
  const struct xml_node *node = run->first;
  for (size_t i = 0; i < run->n; i++, node = next_in_run(node)) {
    item.index = run->element->max > 1 ? (ssize_t)i : -1;
    int code = check_one_primitive(c, run, node, &item);
    if (code)
      return code;
    any_value |= xml_attribute(node, STR("value")) != NULL;
    any_extra |= has_extra(node);
  }
  int code = 0;
  if (any_value) {
    json_build_name(&c->json, run->property->name);
    code = read_each(c, run, place, read_one_value);
  }
  if (code || !any_extra)
    return code;
  struct str sibling = sibling_name(c, run->property->name);
  if (!sibling.p)
    return err_no_memory(c->err);
  json_build_name(&c->json, sibling);
  return read_each(c, run, place, read_one_extra);
}

/* The string of Narrative.div. */
static int read_xhtml(struct converter *c, const struct xml_node *node) {
  struct str text = node->text;
  if (node->is_source) {
    text = arena_str(c->arena, text);
  } else {
    struct buf buf;
    buf_init_arena(&buf, c->arena, DIV_MAX_BYTES);
    xml_write(&buf, node, false);
    text = buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
  }
  if (!text.p)
    return err_no_memory(c->err);
  json_build_string(&c->json, text);
  return 0;
}

/* <contained><Patient>...</Patient></contained> */
static int read_inner_resource(struct converter *c, const struct xml_node *node,
                               const struct place *place) {
  const struct xml_node *resource = NULL, *rest = NULL;
  int code = check_attributes(c, NULL, node, place);
  if (code || (code = next_element(c, node->first_child, place, &resource)) != 0)
    return code;
  if (resource && (code = next_element(c, resource->next, place, &rest)) != 0)
    return code;
  if (!resource || rest)
    return fault(c, rest ? rest : node, place, ERR_STRUCTURE,
                 "There must be exactly one resource in this element.");
  return read_resource(c, resource, place);
}

static int read_one_object(struct converter *c, const struct run *run, const struct xml_node *node,
                           const struct place *place) {
  switch (defs_type(run->property->type)->builtin) {
  case DEFS_XHTML:
    return read_xhtml(c, node);
  case DEFS_RESOURCE:
    return read_inner_resource(c, node, place);
  default:
    return read_object(c, run->property->type, node, place);
  }
}

/* ---- Objects ----------------------------------------------------------------------------------
 */

static int read_run(struct converter *c, const struct run *run, const struct place *up) {
  const struct defs_type *type = defs_type(run->property->type);
  struct place place = place_of(up, run->element->name);
  if (run->n > 1 && run->element->max <= 1)
    return fault(c, next_in_run(run->first), &place, ERR_STRUCTURE,
                 "There are %zu of these; only one is allowed.", run->n);
  if (type->kind == DEFS_KIND_PRIMITIVE && type->builtin != DEFS_XHTML)
    return read_primitives(c, run, &place);
  json_build_name(&c->json, run->property->name);
  return read_each(c, run, &place, read_one_object);
}

/* What `node` begins, and that it comes after the element before it. */
static int find_run(const struct converter *c, defs_type_id type, const struct xml_node *node,
                    uint32_t last_element, const struct place *up, struct run *ret_run) {
  const struct defs_property *property = defs_property(type, node->name);
  if (!property)
    return unknown_element(c, type, node, up);
  const struct defs_element *element = defs_element(property->element);
  struct place place = place_of(up, element->name);
  bool is_xhtml = defs_type(property->type)->builtin == DEFS_XHTML;
  if (!str_is(node->ns, is_xhtml ? XML_NS_XHTML : XML_NS_FHIR))
    return fault(c, node, &place, ERR_STRUCTURE, "This element must be in the namespace %s.",
                 is_xhtml ? XML_NS_XHTML : XML_NS_FHIR);
  if (property->element == last_element)
    return fault(c, node, &place, ERR_STRUCTURE,
                 "This is there in two of its types or in two places; only one is allowed.");
  if (property->element < last_element)
    return fault(c, node, &place, ERR_STRUCTURE,
                 "This element is in the wrong place: it must stand before '%.*s'.",
                 STR_ARG(defs_element(last_element)->name));
  *ret_run = (struct run){.property = property, .element = element, .first = node};
  for (; node && str_equal(node->name, ret_run->first->name) &&
         str_equal(node->ns, ret_run->first->ns);
       node = next_in_run(node))
    ret_run->n++;
  return 0;
}

static int read_children(struct converter *c, defs_type_id type, const struct xml_node *node,
                         const struct place *place) {
  uint32_t last_element = 0;
  const struct xml_node *child = NULL;
  int code = next_element(c, node->first_child, place, &child);
  while (code == 0 && child) {
    struct run run = {.property = NULL};
    code = find_run(c, type, child, last_element, place, &run);
    if (code == 0 && run.property)
      code = read_run(c, &run, place);
    if (code || !run.property)
      break;
    last_element = run.property->element;
    /* A run ends where an element of another name begins; text in between is looked for. */
    for (size_t i = 0; i < run.n && code == 0; i++)
      code = next_element(c, child->next, place, &child);
  }
  return code;
}

static int read_object(struct converter *c, defs_type_id type, const struct xml_node *node,
                       const struct place *place) {
  const struct defs_type *t = defs_type(type);
  int code = check_attributes(c, t, node, place);
  if (code)
    return code;
  struct str id = xml_attribute_value(node, STR("id"));
  struct str url = t->builtin == DEFS_EXTENSION ? xml_attribute_value(node, STR("url")) : STR_NULL;
  if (!id.p && !url.p && !has_element(node))
    return fault(c, node, place, ERR_STRUCTURE, "This element is empty; leave it out.");
  json_build_begin_object(&c->json);
  if (id.p) {
    json_build_name(&c->json, STR("id"));
    json_build_string(&c->json, id);
  }
  if (url.p) {
    json_build_name(&c->json, STR("url"));
    json_build_string(&c->json, url);
  }
  code = read_children(c, type, node, place);
  json_build_end(&c->json);
  return code;
}

static int read_resource(struct converter *c, const struct xml_node *node,
                         const struct place *place) {
  defs_type_id type = defs_type_by_name(node->name);
  const struct defs_type *t = defs_type(type);
  if (!str_is(node->ns, XML_NS_FHIR))
    return fault(c, node, place, ERR_STRUCTURE, "A resource must be in the namespace %s.",
                 XML_NS_FHIR);
  if (!defs_is_resource(t))
    return fault(c, node, place, ERR_STRUCTURE, "This is not a resource that FHIR R4 defines.");
  int code = check_attributes(c, t, node, place);
  if (code)
    return code;
  json_build_begin_object(&c->json);
  json_build_name(&c->json, STR("resourceType"));
  json_build_string(&c->json, t->name);
  code = read_children(c, type, node, place);
  json_build_end(&c->json);
  return code;
}

static int convert(struct arena *arena, struct str text, const struct xml_node *root,
                   const struct yyjson_val **ret_resource, struct err *reterr) {
  struct converter c = {.arena = arena, .json = json_builder(arena), .text = text, .err = reterr};
  const struct defs_type *type = defs_type(defs_type_by_name(root->name));
  struct place place = {.name = defs_is_resource(type) ? type->name : STR("Resource"), .index = -1};
  int code = read_resource(&c, root, &place);
  return code ? code : json_build_finish(&c.json, ret_resource, reterr);
}

int resource_from_xml_tree(struct arena *arena, const struct xml_node *root,
                           const struct yyjson_val **ret_resource, struct err *reterr) {
  return convert(arena, STR_NULL, root, ret_resource, reterr);
}

int resource_from_xml(struct arena *arena, struct str text, const struct xml_limits *limits,
                      const struct yyjson_val **ret_resource, struct err *reterr) {
  struct xml_limits applied = limits ? *limits : XML_LIMITS_DEFAULT;
  struct xml_node *root;
  applied.xhtml_as_source = true;
  applied.keep_space = false;
  int code = xml_parse(arena, text, &applied, &root, reterr);
  return code ? code : convert(arena, text, root, ret_resource, reterr);
}

bool resource_is_xml(struct str text) {
  if (str_starts_with(text, STR("\xef\xbb\xbf")))
    text = str_slice(text, 3, text.n);
  return str_starts_with(str_trim(text), STR("<"));
}

int resource_parse(struct arena *arena, struct str text, size_t max_bytes,
                   const struct yyjson_val **ret_resource, struct err *reterr) {
  struct json_limits of_json = JSON_LIMITS_DEFAULT;
  struct xml_limits of_xml = XML_LIMITS_DEFAULT;
  of_json.max_bytes = of_xml.max_bytes = max_bytes;
  return resource_is_xml(text) ? resource_from_xml(arena, text, &of_xml, ret_resource, reterr)
                               : json_parse(arena, text, &of_json, ret_resource, reterr);
}
