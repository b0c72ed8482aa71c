/* Elements as places in the JSON tree: found, put in, moved, replaced, deleted. */
#include "model/patch_fhirpath.h"

/* ---- Where ----------------------------------------------------------------------------------- */

/* "_name". */
static struct str sibling_name(const struct patch_tree *tree, struct str name) {
  return arena_printf(tree->arena, "_%.*s", STR_ARG(name));
}

static bool is_value(const struct patch_node *node) {
  return node && node->kind != JSON_NULL;
}

/* What stands at `index` of a member that is an array, or the member; NULL: nothing. */
static struct patch_node *at_index(struct patch_node *member, bool is_item, size_t index) {
  struct patch_node *node = member;
  if (is_item && member)
    node = member->kind == JSON_ARRAY && index < member->n ? member->items[index] : NULL;
  return is_value(node) ? node : NULL;
}

struct patch_element patch_element_at(struct patch_tree *tree, struct patch_node *any,
                                      defs_type_id type) {
  struct patch_element element = {.type = type, .node = any};
  if (!any->parent)
    return element;
  struct patch_node *member = any->parent->kind == JSON_ARRAY ? any->parent : any;
  bool is_extra = member->name.n > 1 && member->name.p[0] == '_';
  element.owner = member->parent;
  element.is_item = member != any;
  element.index = element.is_item ? patch_tree_position(tree, any) : 0;
  element.name = is_extra ? str_slice(member->name, 1, member->name.n) : member->name;
  struct patch_node *value = patch_tree_member(tree, element.owner, element.name);
  struct patch_node *extra =
      patch_tree_member(tree, element.owner, sibling_name(tree, element.name));
  element.node = at_index(value, element.is_item, element.index);
  element.extra = at_index(extra, element.is_item, element.index);
  return element;
}

/* The type of an object of the tree, from the resource that it is in down. The depth is limited. */
static defs_type_id type_of_object(struct patch_tree *tree, const struct patch_node *object) {
  const struct patch_node *says = patch_tree_member(tree, object, STR("resourceType"));
  if (says && says->kind == JSON_STRING)
    return defs_type_by_name(says->text);
  const struct patch_node *member = object;
  if (object->parent && object->parent->kind == JSON_ARRAY)
    member = object->parent;
  if (!member->parent)
    return 0;
  defs_type_id type = type_of_object(tree, member->parent);
  bool is_extra = member->name.n > 1 && member->name.p[0] == '_';
  const struct defs_property *property =
      type ? defs_property(type, str_slice(member->name, is_extra ? 1 : 0, member->name.n)) : NULL;
  return property ? property->type : 0;
}

/* ---- Lists ----------------------------------------------------------------------------------- */

/* The object that holds an element's children: of a primitive that is "_name". NULL: there is none
 * yet. */
static struct patch_node *children_of(const struct patch_element *parent) {
  return parent->node && parent->node->kind == JSON_OBJECT ? parent->node : parent->extra;
}

/* The element of `type` that is called `name` in FHIRPath ("value"), in the specification
 * ("value[x]") or in JSON ("valueQuantity"). */
static const struct defs_element *element_called(defs_type_id type_id, struct str name) {
  const struct defs_type *type = defs_type(type_id);
  if (str_ends_with(name, STR("[x]")))
    name = str_slice(name, 0, name.n - 3);
  for (uint32_t i = 0; i < type->elements_n; i++)
    if (str_equal(defs_element(type->first_element + i)->name, name))
      return defs_element(type->first_element + i);
  const struct defs_property *property = defs_property(type_id, name);
  return property ? defs_element(property->element) : NULL;
}

/* The member by which a choice is there; empty: it is not. */
static struct str chosen_member(const struct patch_node *object, defs_type_id type,
                                const struct defs_element *element) {
  for (size_t i = 0; object && i < object->n; i++) {
    struct str name = object->items[i]->name;
    if (name.n > 1 && name.p[0] == '_')
      name = str_slice(name, 1, name.n);
    const struct defs_property *property = defs_property(type, name);
    if (property && defs_element(property->element) == element)
      return name;
  }
  return STR_NULL;
}

static size_t count_of(const struct patch_node *member) {
  return !is_value(member) ? 0 : member->kind == JSON_ARRAY ? member->n : 1;
}

int patch_list_of(const struct patch_operation *o, const struct patch_element *parent,
                  struct str name, struct patch_list *ret_list) {
  struct patch_tree *tree = o->run->tree;
  struct patch_node *object = children_of(parent);
  const struct defs_element *element = parent->type ? element_called(parent->type, name) : NULL;
  if (!element)
    return patch_fail(o, ERR_UNPROCESSABLE, "name",
                      "The element that the path leads to has no element of this name.");
  struct patch_list list = {
      .parent = *parent,
      .element = element,
      .name = element->is_choice ? chosen_member(object, parent->type, element) : element->name,
      .max = element->max == DEFS_MANY ? SIZE_MAX : element->max};
  if (object && list.name.n > 0) {
    size_t values = count_of(patch_tree_member(tree, object, list.name));
    size_t extras = count_of(patch_tree_member(tree, object, sibling_name(tree, list.name)));
    list.n = values > extras ? values : extras;
  }
  *ret_list = list;
  return 0;
}

int patch_list_around(const struct patch_operation *o, const struct patch_element *item,
                      struct patch_list *ret_list) {
  struct patch_element parent = {.type = type_of_object(o->run->tree, item->owner),
                                 .node = item->owner};
  return patch_list_of(o, &parent, item->name, ret_list);
}

/* ---- Values ---------------------------------------------------------------------------------- */

/* What an operation puts in: a value, what goes with it in "_name", and the member's name. */
struct content {
  struct patch_node *node, *extra;
  struct str name;
};

static bool is_primitive(defs_type_id type) {
  return defs_type(type)->kind == DEFS_KIND_PRIMITIVE;
}

/* Under which name of JSON may a value of `type` stand? Where an element has one type, a primitive
 * of another is taken for it (a string for an id: the open types have no xhtml, for instance); the
 * result is validated anyway. */
static int name_for_type(const struct patch_operation *o, const struct patch_list *list,
                         defs_type_id type, struct str *ret_name) {
  size_t n;
  const struct defs_property *properties = defs_properties_of(list->parent.type, &n);
  for (size_t i = 0; i < n; i++) {
    if (defs_element(properties[i].element) != list->element)
      continue;
    defs_type_id wanted = properties[i].type;
    bool is_fit = type == wanted ||
                  (!list->element->is_choice &&
                   (defs_type_is_a(type, wanted) || (is_primitive(type) && is_primitive(wanted))));
    if (is_fit) {
      *ret_name = properties[i].name;
      return 0;
    }
  }
  return patch_fail(o, ERR_UNPROCESSABLE, "value",
                    "The value is not of a type that the element can have.");
}

/* valueX and _valueX of the part. */
static int convert_value(const struct patch_operation *o, const struct patch_list *list,
                         const struct yyjson_val *part, const struct defs_property *property,
                         struct content *content) {
  struct patch_tree *tree = o->run->tree;
  const struct yyjson_val *value = json_get(part, property->name);
  const struct yyjson_val *extra = json_get(part, sibling_name(tree, property->name));
  int code = name_for_type(o, list, property->type, &content->name);
  if (code == 0 && value)
    code = patch_place(o, "value", patch_tree_thaw(tree, value, &content->node, o->err));
  if (code == 0 && extra)
    code = patch_place(o, "value", patch_tree_thaw(tree, extra, &content->extra, o->err));
  return code;
}

/* The parts of an element without a type of its own, or of any complex type. */
static int convert_parts(const struct patch_operation *o, const struct patch_list *list,
                         const struct yyjson_val *parts, struct content *content) {
  const struct defs_element *element = list->element;
  defs_type_id type =
      element->types_n == 1 ? defs_element_type(element->first_type)->type : (defs_type_id)0;
  if (json_kind(parts) != JSON_ARRAY || !type || is_primitive(type) ||
      defs_type(type)->kind == DEFS_KIND_RESOURCE)
    return patch_fail(o, ERR_UNPROCESSABLE, "value",
                      "A value in parts is possible where the element has one type, not a "
                      "primitive one.");
  struct patch_element parent = {.type = type};
  int code = patch_tree_make(o->run->tree, JSON_OBJECT, &parent.node, o->err);
  struct json_each each = json_each(parts);
  while (code == 0 && json_next(&each)) {
    struct patch_list inner;
    code = patch_list_of(o, &parent, json_get_text(each.value, STR("name")), &inner);
    if (code == 0 && inner.n >= inner.max)
      code = patch_fail(o, ERR_UNPROCESSABLE, "value",
                        "The value has more of an element than there may be.");
    if (code == 0)
      code = patch_list_insert(o, &inner, inner.n, each.value);
  }
  content->node = parent.node;
  content->name = element->name;
  return patch_place(o, "value", code);
}

static int convert_resource(const struct patch_operation *o, const struct patch_list *list,
                            const struct yyjson_val *resource, struct content *content) {
  defs_type_id type = defs_type_by_name(json_get_text(resource, STR("resourceType")));
  const struct defs_element *element = list->element;
  if (!type || element->types_n != 1 ||
      !defs_type_is_a(type, defs_element_type(element->first_type)->type))
    return patch_fail(o, ERR_UNPROCESSABLE, "value", "A resource can't stand here.");
  content->name = element->name;
  return patch_place(o, "value", patch_tree_thaw(o->run->tree, resource, &content->node, o->err));
}

/* `part` is a parameter with one of value[x], part, resource. */
static int convert(const struct patch_operation *o, const struct patch_list *list,
                   const struct yyjson_val *part, struct content *ret_content) {
  static const struct str parameter = {"Parameters.parameter", 20};
  const struct defs_property *value = NULL;
  struct content content = {0};
  size_t values_n = 0;
  struct json_each each = json_each(json_kind(part) == JSON_OBJECT ? part : NULL);
  while (json_next(&each)) {
    bool is_extra = each.name.n > 1 && each.name.p[0] == '_';
    struct str name = str_slice(each.name, is_extra ? 1 : 0, each.name.n);
    const struct defs_property *property = defs_property(defs_type_by_name(parameter), name);
    bool is_choice = property && defs_element(property->element)->is_choice;
    if (is_choice && property != value)
      values_n++;
    if (is_choice)
      value = property;
  }
  const struct yyjson_val *parts = json_get(part, STR("part"));
  const struct yyjson_val *resource = json_get(part, STR("resource"));
  if (values_n + (parts ? 1 : 0) + (resource ? 1 : 0) != 1)
    return patch_fail(o, part ? ERR_VALUE : ERR_REQUIRED, "value",
                      "There must be a part 'value' with one of value[x], part, resource.");
  int code = value   ? convert_value(o, list, part, value, &content)
             : parts ? convert_parts(o, list, parts, &content)
                     : convert_resource(o, list, resource, &content);
  if (code == 0 && !content.node && !content.extra)
    code = patch_fail(o, ERR_VALUE, "value", "The value is empty.");
  *ret_content = content;
  return code;
}

/* ---- Changes to members ---------------------------------------------------------------------- */

/* The array under `name`, made where it is missing, filled with null up to `n` items. */
static int need_array(struct patch_tree *tree, struct patch_node *owner, struct str name, size_t n,
                      struct patch_node **ret_array, struct err *reterr) {
  struct patch_node *array = patch_tree_member(tree, owner, name), *item;
  int code = 0;
  if (array && array->kind != JSON_ARRAY)
    return err_set(reterr, ERR_UNPROCESSABLE, "", "What should be an array in JSON is none.");
  if (!array) {
    code = patch_tree_make(tree, JSON_ARRAY, &array, reterr);
    if (code)
      return code;
    array->name = name;
    code = patch_tree_insert(tree, owner, owner->n, array, reterr);
  }
  while (code == 0 && array->n < n) {
    code = patch_tree_make(tree, JSON_NULL, &item, reterr);
    if (code == 0)
      code = patch_tree_insert(tree, array, array->n, item, reterr);
  }
  *ret_array = array;
  return code;
}

typedef int put_in_array(struct patch_tree *tree, struct patch_node *array, size_t at,
                         struct patch_node *node, struct err *reterr);

/* What `put` makes of the array `name` and of `node` (NULL: null, and nothing at all where there is
 * no array yet) at `index`; before that the array has `n` items. */
static int put_item(struct patch_tree *tree, struct patch_node *owner, struct str name, size_t n,
                    size_t index, struct patch_node *node, put_in_array *put, struct err *reterr) {
  struct patch_node *array = NULL;
  if (!node && !patch_tree_member(tree, owner, name))
    return 0;
  int code = need_array(tree, owner, name, n, &array, reterr);
  if (code == 0 && !node)
    code = patch_tree_make(tree, JSON_NULL, &node, reterr);
  return code ? code : put(tree, array, index, node, reterr);
}

static int insert_member(struct patch_tree *tree, struct patch_node *owner, struct str name,
                         size_t at, struct patch_node *node, struct err *reterr) {
  if (!node)
    return 0;
  node->name = name;
  return patch_tree_insert(tree, owner, at < owner->n ? at : owner->n, node, reterr);
}

/* Takes a member out where it is there; says where it was. */
static size_t remove_member(struct patch_tree *tree, struct patch_node *owner, struct str name) {
  ssize_t at = patch_tree_find(tree, owner, name);
  if (at < 0)
    return owner->n;
  patch_tree_take_out(tree, owner, (size_t)at);
  return (size_t)at;
}

/* An array of nothing but null says nothing. */
static void drop_if_void(struct patch_tree *tree, struct patch_node *owner, struct str name) {
  const struct patch_node *array = patch_tree_member(tree, owner, name);
  if (!array || array->kind != JSON_ARRAY)
    return;
  tree->steps_left -= (int64_t)array->n;
  for (size_t i = 0; i < array->n; i++)
    if (array->items[i]->kind != JSON_NULL)
      return;
  remove_member(tree, owner, name);
}

static void remove_item(struct patch_tree *tree, struct patch_node *owner, struct str name,
                        size_t index) {
  struct patch_node *array = patch_tree_member(tree, owner, name);
  if (array && array->kind == JSON_ARRAY && index < array->n)
    patch_tree_take_out(tree, array, index);
}

/* The object for the children of `parent`; of a primitive, "_name" is made where it is missing. */
static int need_children(const struct patch_operation *o, const struct patch_element *parent,
                         struct patch_node **ret_object) {
  struct patch_tree *tree = o->run->tree;
  *ret_object = children_of(parent);
  if (*ret_object)
    return 0;
  int code = patch_tree_make(tree, JSON_OBJECT, ret_object, o->err);
  struct str name = sibling_name(tree, parent->name);
  if (code)
    return code;
  if (!parent->is_item)
    return insert_member(tree, parent->owner, name, SIZE_MAX, *ret_object, o->err);
  return put_item(tree, parent->owner, name, parent->index + 1, parent->index, *ret_object,
                  patch_tree_replace, o->err);
}

/* ---- Changes to elements --------------------------------------------------------------------- */

int patch_list_insert(const struct patch_operation *o, const struct patch_list *list, size_t index,
                      const struct yyjson_val *value) {
  struct patch_tree *tree = o->run->tree;
  struct patch_node *owner = NULL;
  struct content content = {0};
  int code = convert(o, list, value, &content);
  if (code == 0)
    code = need_children(o, &list->parent, &owner);
  if (code)
    return patch_place(o, "value", code);
  struct str extra_name = sibling_name(tree, content.name);
  if (list->max > 1) {
    code = put_item(tree, owner, content.name, list->n, index, content.node, patch_tree_insert,
                    o->err);
    if (code == 0)
      code = put_item(tree, owner, extra_name, list->n, index, content.extra, patch_tree_insert,
                      o->err);
  } else {
    code = insert_member(tree, owner, content.name, SIZE_MAX, content.node, o->err);
    if (code == 0)
      code = insert_member(tree, owner, extra_name, SIZE_MAX, content.extra, o->err);
  }
  return patch_place(o, "value", code);
}

int patch_list_move(const struct patch_operation *o, const struct patch_list *list, size_t source,
                    size_t destination) {
  struct patch_tree *tree = o->run->tree;
  struct patch_node *owner = children_of(&list->parent);
  struct str names[] = {list->name, sibling_name(tree, list->name)};
  int code = 0;
  for (size_t i = 0; i < 2 && code == 0; i++) {
    struct patch_node *array = patch_tree_member(tree, owner, names[i]);
    if (!array)
      continue;
    code = need_array(tree, owner, names[i], list->n, &array, o->err);
    if (code == 0)
      code = patch_tree_insert(tree, array, destination, patch_tree_take_out(tree, array, source),
                               o->err);
  }
  return patch_place(o, "path", code);
}

int patch_element_replace(const struct patch_operation *o, const struct patch_element *element,
                          const struct yyjson_val *value) {
  struct patch_tree *tree = o->run->tree;
  struct patch_node *owner = element->owner;
  struct patch_list list;
  struct content content = {0};
  int code = patch_list_around(o, element, &list);
  if (code == 0)
    code = convert(o, &list, value, &content);
  if (code)
    return code;
  struct str extra_name = sibling_name(tree, content.name);
  if (element->is_item) {
    code = put_item(tree, owner, content.name, list.n, element->index, content.node,
                    patch_tree_replace, o->err);
    if (code == 0)
      code = put_item(tree, owner, extra_name, list.n, element->index, content.extra,
                      patch_tree_replace, o->err);
    drop_if_void(tree, owner, extra_name);
  } else {
    size_t was_at = remove_member(tree, owner, element->name);
    remove_member(tree, owner, sibling_name(tree, element->name));
    code = insert_member(tree, owner, content.name, was_at, content.node, o->err);
    if (code == 0)
      code = insert_member(tree, owner, extra_name, SIZE_MAX, content.extra, o->err);
  }
  return patch_place(o, "value", code);
}

/* Takes out what "_name" holds of an element whose value stays. */
static void remove_extra(struct patch_tree *tree, const struct patch_element *element) {
  struct str name = sibling_name(tree, element->name);
  if (!element->is_item) {
    remove_member(tree, element->owner, name);
    return;
  }
  struct patch_node *array = patch_tree_member(tree, element->owner, name);
  if (array && array->kind == JSON_ARRAY && element->index < array->n) {
    array->items[element->index]->kind = JSON_NULL;
    array->items[element->index]->n = 0;
  }
  drop_if_void(tree, element->owner, name);
}

static void remove_element(struct patch_tree *tree, const struct patch_element *element) {
  struct str extra_name = sibling_name(tree, element->name);
  if (element->is_item) {
    remove_item(tree, element->owner, element->name, element->index);
    remove_item(tree, element->owner, extra_name, element->index);
    drop_if_void(tree, element->owner, extra_name);
    const struct patch_node *array = patch_tree_member(tree, element->owner, element->name);
    if (array && array->n == 0)
      remove_member(tree, element->owner, element->name);
  } else {
    remove_member(tree, element->owner, element->name);
    remove_member(tree, element->owner, extra_name);
  }
}

void patch_element_delete(const struct patch_operation *o, const struct patch_element *element) {
  struct patch_tree *tree = o->run->tree;
  struct patch_node *owner = element->owner;
  remove_element(tree, element);
  /* An element with nothing in it is none. */
  while (owner->n == 0 && owner->parent) {
    struct patch_element around = patch_element_at(tree, owner, 0);
    if (around.extra == owner && around.node)
      remove_extra(tree, &around);
    else
      remove_element(tree, &around);
    owner = around.owner;
  }
}
