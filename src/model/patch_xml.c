/*
 * XML Patch (RFC 5261): add, replace, remove, on the XML form of a resource.
 *
 * The root of the patch may have any name (diff, patch); its operations are in its namespace or in
 * none. White space between elements means nothing in FHIR and is not in the tree, so that `ws` has
 * nothing to do there.
 */
#include "model/patch_tree.h"
#include "model/patch_xpath.h"
#include "model/resource_xml.h"

struct operation {
  struct arena *arena;
  const struct xml_node *element; /* of the patch */
  struct xml_node *document;
  size_t index, max;
  int64_t *steps_left;
  struct err *err;
};

static int fail(const struct operation *o, enum err_code code, const char *member,
                const char *text) {
  return patch_fault(o->index, member, code, text, o->err);
}

/* ---- What an operation brings ---------------------------------------------------------------- */

/* Its text, where it has nothing else. */
static int text_of(const struct operation *o, struct str *ret_text) {
  for (const struct xml_node *at = o->element->first_child; at; at = at->next)
    if (at->kind == XML_ELEMENT)
      return fail(o, ERR_VALUE, "", "The operation takes text here, no elements.");
  *ret_text = xml_text(o->arena, o->element);
  if (!ret_text->p)
    *ret_text = STR("");
  return 0;
}

/* Its only node of this kind. */
static int only_node(const struct operation *o, enum xml_kind kind, struct xml_node **ret_node) {
  const struct xml_node *found = NULL;
  for (const struct xml_node *at = o->element->first_child; at; at = at->next) {
    if (at->kind == XML_TEXT && str_trim(at->text).n == 0)
      continue;
    if (found || at->kind != kind)
      return fail(o, ERR_VALUE, "", "The operation takes one node of the kind that it replaces.");
    found = at;
  }
  if (!found)
    return fail(o, ERR_REQUIRED, "", "The operation needs a node to put in.");
  *ret_node = xml_copy(o->arena, found);
  return *ret_node ? 0 : err_no_memory(o->err);
}

/* ---- Editing --------------------------------------------------------------------------------- */

/* Adjoining texts are one node. */
static int join_texts(const struct operation *o, struct xml_node *parent) {
  struct xml_node *at = parent ? parent->first_child : NULL;
  while (at) {
    struct xml_node *next = at->next;
    --*o->steps_left;
    if (next && at->kind == XML_TEXT && next->kind == XML_TEXT) {
      struct buf buf;
      buf_init_arena(&buf, o->arena, at->text.n + next->text.n);
      buf_add(&buf, at->text);
      buf_add(&buf, next->text);
      if (buf_is_overflown(&buf))
        return err_no_memory(o->err);
      at->text = buf_str(&buf);
      xml_detach(next);
    } else {
      at = next;
    }
  }
  return 0;
}

static void remove_attribute(struct xml_node *node, const struct xml_attribute *attribute) {
  for (struct xml_attribute **at = &node->attributes; *at; at = &(*at)->next)
    if (*at == attribute) {
      *at = attribute->next;
      return;
    }
}

static void remove_declaration(struct xml_node *node, const struct xml_namespace *declaration) {
  for (struct xml_namespace **at = &node->namespaces; *at; at = &(*at)->next)
    if (*at == declaration) {
      *at = declaration->next;
      return;
    }
}

/* ---- add ------------------------------------------------------------------------------------- */

/* type="@name" */
static int add_attribute(const struct operation *o, struct xml_node *node, struct str name) {
  struct str value;
  int code = text_of(o, &value);
  if (code)
    return code;
  if (name.n == 0 || str_find_char(name, ':', 0) >= 0)
    return fail(o, ERR_VALUE, "type", "FHIR has attributes without prefix only.");
  if (xml_attribute(node, name))
    return fail(o, ERR_UNPROCESSABLE, "type", "The attribute is there already.");
  return xml_set_attribute(o->arena, node, name, value, o->err);
}

/* type="namespace::prefix" */
static int add_declaration(const struct operation *o, struct xml_node *node, struct str prefix) {
  struct xml_namespace *declaration = ARENA_NEW(o->arena, struct xml_namespace);
  if (!declaration)
    return err_no_memory(o->err);
  for (const struct xml_namespace *at = node->namespaces; at; at = at->next)
    if (str_equal(at->prefix, prefix))
      return fail(o, ERR_UNPROCESSABLE, "type", "The prefix is declared already.");
  *declaration = (struct xml_namespace){.prefix = prefix, .next = node->namespaces};
  node->namespaces = declaration;
  return prefix.n == 0 ? fail(o, ERR_VALUE, "type", "A prefix is missing.")
                       : text_of(o, &declaration->uri);
}

static int add_nodes(const struct operation *o, struct xml_node *parent, struct xml_node *before) {
  for (const struct xml_node *at = o->element->first_child; at; at = at->next) {
    struct xml_node *copy = xml_copy(o->arena, at);
    if (!copy)
      return err_no_memory(o->err);
    xml_insert(parent, copy, before);
  }
  return join_texts(o, parent);
}

static int run_add(const struct operation *o, const struct patch_target *target) {
  struct str type = xml_attribute_value(o->element, STR("type"));
  struct str pos = xml_attribute_value(o->element, STR("pos"));
  struct xml_node *node = target->node;
  if (target->attribute || target->declaration)
    return fail(o, ERR_UNPROCESSABLE, "sel", "Nothing can be added to an attribute.");
  bool is_beside = str_is(pos, "before") || str_is(pos, "after");
  if (pos.p && (type.p || (!is_beside && !str_is(pos, "prepend"))))
    return fail(o, ERR_VALUE, "pos", "pos is one of before, after, prepend, and only for nodes.");
  if (is_beside)
    return add_nodes(o, node->parent, str_is(pos, "before") ? node : node->next);
  if (node->kind != XML_ELEMENT)
    return fail(o, ERR_UNPROCESSABLE, "sel", "Only an element can have children.");
  if (str_starts_with(type, STR("@")))
    return add_attribute(o, node, str_slice(type, 1, type.n));
  if (str_starts_with(type, STR("namespace::")))
    return add_declaration(o, node, str_slice(type, 11, type.n));
  if (type.p)
    return fail(o, ERR_VALUE, "type", "type is @name or namespace::prefix.");
  return add_nodes(o, node, pos.p ? node->first_child : NULL);
}

/* ---- replace, remove ------------------------------------------------------------------------- */

static int run_replace(const struct operation *o, const struct patch_target *target) {
  struct xml_node *node = target->node, *made = NULL;
  struct str text = STR_NULL;
  if (target->attribute || target->declaration || node->kind == XML_TEXT) {
    int code = text_of(o, &text);
    if (code)
      return code;
    if (target->attribute)
      target->attribute->value = text;
    else if (target->declaration)
      target->declaration->uri = text;
    else if (text.n > 0)
      node->text = text;
    else
      xml_detach(node);
    return 0;
  }
  int code = only_node(o, node->kind, &made);
  if (code)
    return code;
  xml_insert(node->parent, made, node);
  xml_detach(node);
  return 0;
}

static int run_remove(const struct operation *o, const struct patch_target *target) {
  struct str ws = xml_attribute_value(o->element, STR("ws"));
  struct xml_node *parent = target->node->parent;
  if (ws.p && !str_is(ws, "before") && !str_is(ws, "after") && !str_is(ws, "both"))
    return fail(o, ERR_VALUE, "ws", "ws is one of before, after, both.");
  if (o->element->first_child)
    return fail(o, ERR_VALUE, "", "A removal has no content.");
  if (target->attribute) {
    remove_attribute(target->node, target->attribute);
    return 0;
  }
  if (target->declaration) {
    remove_declaration(target->node, target->declaration);
    return 0;
  }
  xml_detach(target->node);
  return join_texts(o, parent);
}

static int run(const struct operation *o) {
  static const struct {
    const char *name;
    int (*run)(const struct operation *o, const struct patch_target *target);
  } operations[] = {{"add", run_add}, {"replace", run_replace}, {"remove", run_remove}};
  struct str selector = xml_attribute_value(o->element, STR("sel"));
  struct patch_target target;
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
    if (!str_is(o->element->name, operations[i].name))
      continue;
    if (!selector.p)
      return fail(o, ERR_REQUIRED, "sel", "The operation needs a selector.");
    int code =
        patch_select(o->arena, o->element, selector, o->document, o->steps_left, &target, o->err);
    if (code) {
      const struct err below = *o->err;
      return fail(o, below.code, "sel", below.text);
    }
    return operations[i].run(o, &target);
  }
  return fail(o, ERR_VALUE, "", "An operation is one of add, replace, remove.");
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The only element of the document, which is what is left. */
static int take_root(struct xml_node *document, struct xml_node **ret_root, struct err *reterr) {
  struct xml_node *root = NULL;
  for (struct xml_node *at = document->first_child; at; at = at->next) {
    if (at->kind == XML_COMMENT)
      continue;
    if (root || at->kind != XML_ELEMENT)
      return err_set(reterr, ERR_UNPROCESSABLE, "",
                     "The patch puts something beside the root element.");
    root = at;
  }
  if (!root)
    return err_set(reterr, ERR_UNPROCESSABLE, "", "The patch removes the whole resource.");
  xml_detach(root);
  *ret_root = root;
  return 0;
}

static int run_all(struct operation *o, const struct xml_node *patch) {
  int code = 0;
  for (const struct xml_node *at = patch->first_child; at && code == 0; at = at->next) {
    if (at->kind == XML_COMMENT || (at->kind == XML_TEXT && str_trim(at->text).n == 0))
      continue;
    o->element = at;
    if (at->kind == XML_TEXT || (at->ns.n > 0 && !str_equal(at->ns, patch->ns)))
      return fail(o, ERR_STRUCTURE, "", "The root of a patch has operations and nothing else.");
    code = patch_check_count(o->index + 1, o->max, o->err);
    if (code)
      return code;
    code = run(o);
    o->index++;
  }
  if (code == 0 && o->index == 0)
    return err_set(o->err, ERR_REQUIRED, "", "The patch has no operations.");
  return code;
}

int patch_xml_tree(struct arena *arena, const struct xml_node *patch, size_t max,
                   struct xml_node **root, struct err *reterr) {
  int64_t steps_left = PATCH_STEPS_MAX;
  struct err own = {0};
  struct operation o = {.arena = arena,
                        .max = max,
                        .document = xml_new_element(arena, STR_NULL, STR_NULL),
                        .steps_left = &steps_left,
                        .err = reterr ? reterr : &own};
  if (!o.document)
    return err_no_memory(reterr);
  if (!*root)
    return err_set(reterr, ERR_UNPROCESSABLE, "", "There is nothing to patch.");
  xml_insert(o.document, *root, NULL);
  int code = run_all(&o, patch);
  return code ? code : take_root(o.document, root, reterr);
}

int patch_xml(struct arena *arena, struct str document, size_t max,
              const struct yyjson_val *resource, const struct yyjson_val **ret_resource,
              struct err *reterr) {
  struct xml_node *patch, *root;
  int code = xml_parse(arena, document, NULL, &patch, reterr);
  if (code == 0)
    code = resource_to_xml_tree(arena, resource, &root, reterr);
  if (code == 0)
    code = patch_xml_tree(arena, patch, max, &root, reterr);
  if (code)
    return code;
  code = resource_from_xml_tree(arena, root, ret_resource, reterr);
  /* What is no resource any more is the patch's fault, not that of the text. */
  if ((code == ERR_STRUCTURE || code == ERR_VALUE) && reterr)
    reterr->code = code = ERR_UNPROCESSABLE;
  return code;
}
