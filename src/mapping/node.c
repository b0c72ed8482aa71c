#include "mapping/node.h"

struct node *node_new(struct arena *arena, defs_type_id type) {
  struct node *node = ARENA_NEW(arena, struct node);
  if (node)
    node->type = type;
  return node;
}

struct member *node_member(const struct node *node, const struct defs_property *property) {
  for (struct member *m = node->members; m; m = m->next)
    if (m->property == property)
      return m;
  return NULL;
}

bool node_has_element(const struct node *node, const struct defs_property *property) {
  for (const struct member *m = node->members; m; m = m->next)
    if (m->first && m->property->element == property->element)
      return true;
  return false;
}

static struct member *member_for(struct arena *arena, struct node *node,
                                 const struct path_step *step) {
  struct member *member = node_member(node, step->property);
  if (member)
    return member;
  member = ARENA_NEW(arena, struct member);
  if (!member)
    return NULL;
  member->property = step->property;
  member->is_list = step->is_list;
  if (node->last_member)
    node->last_member->next = member;
  else
    node->members = member;
  node->last_member = member;
  return member;
}

struct node *node_append(struct arena *arena, struct node *parent, const struct path_step *step) {
  if (!step->is_list && node_has_element(parent, step->property))
    return NULL;
  struct member *member = member_for(arena, parent, step);
  struct node *node = member ? node_new(arena, step->property->type) : NULL;
  if (!node)
    return NULL;
  node->parent = parent;
  node->property = step->property;
  node->url = step->url;
  if (member->last)
    member->last->next = node;
  else
    member->first = node;
  member->last = node;
  return node;
}

struct node *node_find(const struct node *parent, const struct path_step *step) {
  const struct member *member = node_member(parent, step->property);
  struct node *node = member ? member->first : NULL;
  while (node && step->url.n && !str_equal(node->url, step->url))
    node = node->next;
  return node;
}

struct node *node_first(struct arena *arena, struct node *parent, const struct path_step *step) {
  struct node *node = node_find(parent, step);
  return node ? node : node_append(arena, parent, step);
}

void node_remove(struct node *node) {
  struct member *member = node->parent ? node_member(node->parent, node->property) : NULL;
  if (!member)
    return;
  struct node *before = NULL;
  if (member->first == node) {
    member->first = node->next;
  } else {
    for (before = member->first; before && before->next != node;)
      before = before->next;
    if (!before)
      return;
    before->next = node->next;
  }
  if (member->last == node)
    member->last = before;
  node->parent = node->next = NULL;
}

void node_mark_data(struct node *node) {
  for (; node && !node->has_data; node = node->parent)
    node->has_data = true;
}

void node_set(struct node *node, struct str text, bool is_raw, struct er7_place place,
              uint32_t row) {
  node->text = text;
  node->is_raw = is_raw;
  node->place = place;
  node->row = row;
  if (place.segment != UINT32_MAX)
    node_mark_data(node);
}

bool node_is_empty(const struct node *node) {
  if (node->text.p || node->target)
    return false;
  for (const struct member *m = node->members; m; m = m->next)
    for (const struct node *child = m->first; child; child = child->next)
      if (!node_is_empty(child))
        return false;
  return true;
}

struct str node_child_text(const struct node *node, const char *name) {
  for (const struct member *m = node->members; m; m = m->next)
    if (m->first && !m->is_list && str_is(m->property->name, name))
      return m->first->text;
  return STR_NULL;
}

bool node_equal(const struct node *a, const struct node *b) {
  if (!resource_is_same(a->target, b->target) || !str_equal(a->text, b->text) ||
      !str_equal(a->url, b->url))
    return false;
  const struct member *m = a->members, *n = b->members;
  while (m && n) {
    if (m->property != n->property)
      return false;
    const struct node *x = m->first, *y = n->first;
    for (; x && y; x = x->next, y = y->next)
      if (!node_equal(x, y))
        return false;
    if (x || y)
      return false;
    m = m->next;
    n = n->next;
  }
  return !m && !n;
}

/* So many items of a list are compared with each that comes: a bound for lists that no honest
 * message has. */
enum { MERGE_LOOKS_MAX = 500 };

/* Appends to the list `into` those items of `from` that it doesn't hold. */
static void merge_lists(struct node *parent, struct member *into, struct node *items) {
  while (items) {
    struct node *next = items->next, *known = into->first;
    unsigned looked_at = 0;
    while (known && looked_at++ < MERGE_LOOKS_MAX && !node_equal(known, items))
      known = known->next;
    if (!known || looked_at > MERGE_LOOKS_MAX) {
      items->next = NULL;
      items->parent = parent;
      if (into->last)
        into->last->next = items;
      else
        into->first = items;
      into->last = items;
    }
    items = next;
  }
}

bool node_merge(struct node *into, struct node *from) {
  bool agrees = (!from->text.p || str_equal(into->text, from->text)) &&
                (!from->target || resource_is_same(into->target, from->target));
  struct member *m = from->members;
  while (m) {
    struct member *next = m->next, *known = node_member(into, m->property);
    if (known && known->is_list) {
      merge_lists(into, known, m->first);
    } else if (!known && !node_has_element(into, m->property)) {
      m->next = NULL;
      for (struct node *n = m->first; n; n = n->next)
        n->parent = into;
      if (into->last_member)
        into->last_member->next = m;
      else
        into->members = m;
      into->last_member = m;
    } else if (known && known->first && m->first) {
      agrees &= node_merge(known->first, m->first);
    }
    m = next;
  }
  return agrees;
}
