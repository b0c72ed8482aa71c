/* Reading and editing the tree. */
#include "format/xml.h"

/* ---- Reading ----------------------------------------------------------------------------------
 */

const struct xml_attribute *xml_attribute(const struct xml_node *element, struct str name) {
  for (const struct xml_attribute *a = element->attributes; a; a = a->next)
    if (a->ns.n == 0 && str_equal(a->name, name))
      return a;
  return NULL;
}

struct str xml_attribute_value(const struct xml_node *element, struct str name) {
  const struct xml_attribute *a = xml_attribute(element, name);
  return a ? a->value : STR_NULL;
}

bool xml_namespace(const struct xml_node *element, struct str prefix, struct str *ret_uri) {
  for (const struct xml_node *node = element; node; node = node->parent)
    for (const struct xml_namespace *own = node->namespaces; own; own = own->next)
      if (str_equal(own->prefix, prefix)) {
        *ret_uri = own->uri;
        return true;
      }
  *ret_uri = str_is(prefix, "xml") ? STR("http://www.w3.org/XML/1998/namespace") : STR("");
  return prefix.n == 0 || ret_uri->n > 0;
}

static void add_text(struct buf *buf, const struct xml_node *node) {
  if (node->kind == XML_TEXT)
    buf_add(buf, node->text);
  for (const struct xml_node *child = node->first_child; child; child = child->next)
    add_text(buf, child);
}

struct str xml_text(struct arena *arena, const struct xml_node *node) {
  const struct xml_node *only = node->first_child;
  if (node->kind == XML_TEXT)
    return node->text;
  if (only && !only->next && only->kind == XML_TEXT)
    return only->text;
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)1 << 30);
  add_text(&buf, node);
  return buf_str(&buf);
}

/* ---- Editing ----------------------------------------------------------------------------------
 */

struct xml_node *xml_new_element(struct arena *arena, struct str ns, struct str name) {
  struct xml_node *node = ARENA_NEW(arena, struct xml_node);
  if (node)
    *node = (struct xml_node){.kind = XML_ELEMENT, .ns = ns, .name = name};
  return node;
}

static bool copy_attributes(struct arena *arena, const struct xml_node *from, struct xml_node *to) {
  struct xml_attribute **last = &to->attributes;
  *last = NULL;
  for (const struct xml_attribute *a = from->attributes; a; a = a->next) {
    struct xml_attribute *copy = ARENA_NEW(arena, struct xml_attribute);
    if (!copy)
      return false;
    *copy = *a;
    copy->next = NULL;
    *last = copy;
    last = &copy->next;
  }
  return true;
}

/* Depth was limited when the tree was made. */
struct xml_node *xml_copy(struct arena *arena, const struct xml_node *node) {
  struct xml_node *copy = ARENA_NEW(arena, struct xml_node);
  if (!copy)
    return NULL;
  *copy = *node;
  copy->parent = copy->previous = copy->next = copy->first_child = copy->last_child = NULL;
  if (!copy_attributes(arena, node, copy))
    return NULL;
  for (const struct xml_node *child = node->first_child; child; child = child->next) {
    struct xml_node *inner = xml_copy(arena, child);
    if (!inner)
      return NULL;
    xml_insert(copy, inner, NULL);
  }
  return copy;
}

void xml_insert(struct xml_node *parent, struct xml_node *node, struct xml_node *before) {
  struct xml_node *previous = before ? before->previous : parent->last_child;
  node->parent = parent;
  node->previous = previous;
  node->next = before;
  if (previous)
    previous->next = node;
  else
    parent->first_child = node;
  if (before)
    before->previous = node;
  else
    parent->last_child = node;
}

void xml_detach(struct xml_node *node) {
  struct xml_node *parent = node->parent;
  if (!parent)
    return;
  if (node->previous)
    node->previous->next = node->next;
  else
    parent->first_child = node->next;
  if (node->next)
    node->next->previous = node->previous;
  else
    parent->last_child = node->previous;
  node->parent = node->previous = node->next = NULL;
}

int xml_set_attribute(struct arena *arena, struct xml_node *element, struct str name,
                      struct str value, struct err *reterr) {
  struct xml_attribute **at = &element->attributes;
  while (*at && ((*at)->ns.n > 0 || !str_equal((*at)->name, name)))
    at = &(*at)->next;
  if (!*at && !(*at = ARENA_NEW(arena, struct xml_attribute)))
    return err_no_memory(reterr);
  (*at)->name = name;
  (*at)->value = value;
  return 0;
}
