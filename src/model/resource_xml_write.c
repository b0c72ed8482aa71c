/* From the JSON tree to XML: one walk, in the order of the definitions. */
#include "model/resource_xml.h"

/* A document may grow by its escapes, but not without bound. */
#define XML_MAX_BYTES ((size_t)1 << 30)

struct writer {
  struct arena *arena;
  struct buf *buf;
  bool is_pretty;
  unsigned depth; /* of elements */
  struct err *err;
};

/* An object, its members in the order of its type's elements. */
struct members {
  uint64_t seen; /* bit i: the type's element i is there; the rest is set where the bit is */
  const struct defs_property *property[DEFS_ELEMENTS_MAX];
  const struct yyjson_val *value[DEFS_ELEMENTS_MAX]; /* "name" */
  const struct yyjson_val *extra[DEFS_ELEMENTS_MAX]; /* "_name" */
};

static int write_resource(struct writer *w, const struct yyjson_val *resource, bool is_root);

/* ---- Faults -----------------------------------------------------------------------------------
 */

/* The places of elements around a fault are put before it on the way out. */
static int fault(struct writer *w, struct str name, enum err_code code, const char *what) {
  return err_set_at(w->err, code, name, "%s", what);
}

static int inside(struct writer *w, struct str name, ssize_t index, int code) {
  if (code == 0 || code == ERR_NO_MEMORY || !w->err)
    return code;
  struct err inner = *w->err;
  const char *dot = inner.where[0] ? "." : "";
  struct str where =
      index < 0 ? arena_printf(w->arena, "%.*s%s%s", STR_ARG(name), dot, inner.where)
                : arena_printf(w->arena, "%.*s[%zd]%s%s", STR_ARG(name), index, dot, inner.where);
  err_set_at(w->err, inner.code, where, "%s", inner.text);
  return code;
}

/* ---- Tags -------------------------------------------------------------------------------------
 */

static void begin_line(struct writer *w) {
  if (!w->is_pretty)
    return;
  buf_add_char(w->buf, '\n');
  for (unsigned i = 0; i < w->depth; i++)
    buf_add(w->buf, STR("  "));
}

static void open_tag(struct writer *w, struct str name) {
  begin_line(w);
  buf_add_char(w->buf, '<');
  buf_add(w->buf, name);
}

static void close_tag(struct writer *w, struct str name) {
  begin_line(w);
  buf_add(w->buf, STR("</"));
  buf_add(w->buf, name);
  buf_add_char(w->buf, '>');
}

static int write_attribute(struct writer *w, struct str name, const struct yyjson_val *value) {
  enum json_kind kind = json_kind(value);
  if (kind != JSON_STRING && kind != JSON_NUMBER && kind != JSON_BOOL)
    return fault(w, STR(""), ERR_STRUCTURE, "This is not a simple value, and it must be one.");
  struct str text = json_text(value);
  if (!xml_can_hold(text))
    return fault(w, STR(""), ERR_VALUE, "A text has a character that XML can't hold.");
  buf_add_char(w->buf, ' ');
  buf_add(w->buf, name);
  buf_add(w->buf, STR("=\""));
  xml_write_attribute_value(w->buf, text);
  buf_add_char(w->buf, '"');
  return 0;
}

/* ---- Narrative --------------------------------------------------------------------------------
 */

static void set_namespace(struct xml_node *node) {
  if (node->kind == XML_ELEMENT && node->ns.n == 0)
    node->ns = STR(XML_NS_XHTML);
  for (struct xml_node *child = node->first_child; child; child = child->next)
    set_namespace(child);
}

/* The bytes of the div, if they stand for themselves; else the same as written anew. */
static int write_xhtml(struct writer *w, const struct yyjson_val *value) {
  struct xml_limits limits = XML_LIMITS_DEFAULT;
  struct xml_node *root;
  struct err ignored;
  limits.xhtml_as_source = true;
  if (json_kind(value) != JSON_STRING)
    return fault(w, STR(""), ERR_STRUCTURE, "XHTML must be a string.");
  int code = xml_parse(w->arena, json_text(value), &limits, &root, &ignored);
  if (code == ERR_NO_MEMORY)
    return err_no_memory(w->err);
  if (code || !str_is(root->name, "div"))
    return fault(w, STR(""), ERR_VALUE,
                 "The XHTML is not one well-formed <div>, so it can't be written in XML.");
  set_namespace(root);
  begin_line(w);
  xml_write(w->buf, root, false);
  return 0;
}

/* ---- Objects ----------------------------------------------------------------------------------
 */

static int sort_member(struct writer *w, const struct defs_type *type, defs_type_id type_id,
                       const struct json_each *each, struct members *m) {
  bool is_extra = each->name.n > 0 && each->name.p[0] == '_';
  struct str name = is_extra ? str_slice(each->name, 1, each->name.n) : each->name;
  const struct defs_property *property = defs_property(type_id, name);
  if (!property && type->kind == DEFS_KIND_RESOURCE && str_is(each->name, "resourceType"))
    return 0;
  bool is_primitive = property && defs_type(property->type)->kind == DEFS_KIND_PRIMITIVE;
  if (!property || (is_extra && !is_primitive))
    return fault(w, each->name.n <= 40 ? each->name : STR(""), ERR_STRUCTURE,
                 "This is not a property that the definitions know here.");
  uint32_t i = property->element - type->first_element;
  if (!(m->seen >> i & 1)) {
    m->seen |= (uint64_t)1 << i;
    m->property[i] = property;
    m->value[i] = m->extra[i] = NULL;
  }
  if (m->property[i] != property)
    return fault(w, name, ERR_STRUCTURE, "This is there in two of its types; only one is allowed.");
  if (is_extra)
    m->extra[i] = each->value;
  else
    m->value[i] = each->value;
  return 0;
}

static int sort_members(struct writer *w, defs_type_id type, const struct yyjson_val *object,
                        struct members *m) {
  m->seen = 0;
  if (json_kind(object) != JSON_OBJECT || json_count(object) == 0)
    return fault(w, STR(""), ERR_STRUCTURE, "This must be an object with something in it.");
  struct json_each each = json_each(object);
  int code = 0;
  while (code == 0 && json_next(&each))
    code = sort_member(w, defs_type(type), type, &each, m);
  return code;
}

/* In XML an attribute: the id of an element, the url of an extension. */
static bool is_attribute(const struct defs_type *type, struct str name) {
  return (type->kind != DEFS_KIND_RESOURCE && str_is(name, "id")) ||
         (type->builtin == DEFS_EXTENSION && str_is(name, "url"));
}

static int write_attributes(struct writer *w, const struct defs_type *type, struct members *m) {
  for (uint64_t left = m->seen; left; left &= left - 1) {
    int i = __builtin_ctzll(left);
    struct str name = m->property[i]->name;
    if (!is_attribute(type, name))
      continue;
    if (!m->value[i] || m->extra[i])
      return fault(w, name, ERR_STRUCTURE, "An attribute of XML can't have an extension.");
    int code = write_attribute(w, name, m->value[i]);
    if (code)
      return inside(w, name, -1, code);
    m->seen &= ~((uint64_t)1 << i);
  }
  return 0;
}

static int write_members(struct writer *w, const struct members *m);

/* From after the tag's name to the end of the element. */
static int write_members(struct writer *w, const struct members *m);

/* The rest of an element behind its attributes: its children and its end. */
static int write_content(struct writer *w, struct str name, const struct members *m) {
  if (!m->seen) {
    buf_add(w->buf, STR("/>"));
    return 0;
  }
  buf_add_char(w->buf, '>');
  w->depth++;
  int code = write_members(w, m);
  w->depth--;
  close_tag(w, name);
  return code;
}

static int write_rest_of_object(struct writer *w, defs_type_id type, struct str name,
                                const struct yyjson_val *object, const struct yyjson_val *value) {
  struct members m = {.seen = 0};
  int code = object ? sort_members(w, type, object, &m) : 0;
  if (code || (code = write_attributes(w, defs_type(type), &m)) != 0)
    return code;
  if (value && (code = write_attribute(w, STR("value"), value)) != 0)
    return code;
  return write_content(w, name, &m);
}

static int write_one(struct writer *w, const struct defs_property *property,
                     const struct yyjson_val *value, const struct yyjson_val *extra) {
  const struct defs_type *type = defs_type(property->type);
  if (json_kind(value) == JSON_NULL)
    value = NULL;
  if (json_kind(extra) == JSON_NULL)
    extra = NULL;
  if (!value && !extra)
    return fault(w, STR(""), ERR_STRUCTURE, "This has neither a value nor an extension.");
  if (type->builtin == DEFS_XHTML && extra)
    return fault(w, STR(""), ERR_STRUCTURE,
                 "In XML the id of a narrative stands in its XHTML, not beside it.");
  if (type->builtin == DEFS_XHTML)
    return write_xhtml(w, value);
  open_tag(w, property->name);
  if (type->kind == DEFS_KIND_PRIMITIVE)
    return write_rest_of_object(w, property->type, property->name, extra, value);
  if (type->builtin != DEFS_RESOURCE)
    return write_rest_of_object(w, property->type, property->name, value, NULL);
  buf_add_char(w->buf, '>');
  w->depth++;
  int code = write_resource(w, value, false);
  w->depth--;
  close_tag(w, property->name);
  return code;
}

/* The item of an array that is walked in step with another. */
static const struct yyjson_val *next_item(struct json_each *each) {
  return json_next(each) ? each->value : NULL;
}

static int write_member(struct writer *w, const struct defs_property *property,
                        const struct yyjson_val *value, const struct yyjson_val *extra) {
  struct str name = defs_element(property->element)->name;
  if (json_kind(value) != JSON_ARRAY && json_kind(extra) != JSON_ARRAY)
    return inside(w, name, -1, write_one(w, property, value, extra));
  if ((value && json_kind(value) != JSON_ARRAY) || (extra && json_kind(extra) != JSON_ARRAY))
    return inside(w, name, -1,
                  fault(w, STR(""), ERR_STRUCTURE, "Only one of two members is an array."));
  size_t n = json_count(value) > json_count(extra) ? json_count(value) : json_count(extra);
  struct json_each values = json_each(value), extras = json_each(extra);
  for (size_t i = 0; i < n; i++) {
    int code = write_one(w, property, next_item(&values), next_item(&extras));
    if (code)
      return inside(w, name, (ssize_t)i, code);
  }
  return 0;
}

static int write_members(struct writer *w, const struct members *m) {
  int code = 0;
  for (uint64_t left = m->seen; left && code == 0; left &= left - 1) {
    int i = __builtin_ctzll(left);
    code = write_member(w, m->property[i], m->value[i], m->extra[i]);
  }
  return code;
}

static int write_resource(struct writer *w, const struct yyjson_val *resource, bool is_root) {
  defs_type_id type = defs_type_by_name(json_get_text(resource, STR("resourceType")));
  const struct defs_type *t = defs_type(type);
  struct members m;
  if (!defs_is_resource(t))
    return fault(w, STR(""), ERR_STRUCTURE,
                 "This must be a resource, with a resourceType that FHIR R4 defines.");
  int code = sort_members(w, type, resource, &m);
  if (code)
    return code;
  open_tag(w, t->name);
  if (is_root)
    buf_add(w->buf, STR(" xmlns=\"" XML_NS_FHIR "\""));
  return write_content(w, t->name, &m);
}

int resource_to_xml(struct arena *arena, const struct yyjson_val *resource, bool is_pretty,
                    struct buf *buf, struct err *reterr) {
  struct writer w = {.arena = arena, .buf = buf, .is_pretty = is_pretty, .err = reterr};
  buf_add(buf, STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"));
  int code = write_resource(&w, resource, true);
  if (code) {
    struct str type = json_get_text(resource, STR("resourceType"));
    return inside(&w, defs_is_resource(defs_type(defs_type_by_name(type))) ? type : STR("Resource"),
                  -1, code);
  }
  if (is_pretty)
    buf_add_char(buf, '\n');
  return buf_is_overflown(buf) ? err_no_memory(reterr) : 0;
}

int resource_to_xml_tree(struct arena *arena, const struct yyjson_val *resource,
                         struct xml_node **ret_root, struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, XML_MAX_BYTES);
  int code = resource_to_xml(arena, resource, false, &buf, reterr);
  struct xml_limits limits = {.max_bytes = XML_MAX_BYTES,
                              .max_depth = 400,
                              .max_nodes = SIZE_MAX,
                              .max_attributes = SIZE_MAX};
  return code ? code : xml_parse(arena, buf_str(&buf), &limits, ret_root, reterr);
}
