/* Trees of nodes as JSON, with the lineage of every primitive and reference. */
#include "format/json.h"
#include "mapping/run.h"

static void add_lineage(struct emit *emit, const struct node *node) {
  if (!emit->with_lineage)
    return;
  struct mapping_lineage *entry = VEC_PUSH(emit->run->arena, &emit->lineage);
  if (!entry)
    return;
  *entry = (struct mapping_lineage){.element = arena_str(emit->run->arena, buf_str(emit->path)),
                                    .source = node->place,
                                    .row = node->row};
}

static void path_add(struct emit *emit, struct str name) {
  if (!emit->path)
    return;
  if (emit->path->n)
    buf_add_char(emit->path, '.');
  buf_add(emit->path, name);
}

static void path_add_index(struct emit *emit, size_t index) {
  if (emit->path)
    buf_printf(emit->path, "[%zu]", index);
}

static size_t path_mark(const struct emit *emit) {
  return emit->path ? emit->path->n : 0;
}

static void path_back(struct emit *emit, size_t mark) {
  if (emit->path)
    emit->path->n = mark;
}

static void write_name(struct emit *emit, bool *needs_comma, struct str prefix, struct str name) {
  if (*needs_comma)
    buf_add_char(emit->buf, ',');
  *needs_comma = true;
  buf_add_char(emit->buf, '"');
  buf_add(emit->buf, prefix);
  buf_add(emit->buf, name);
  buf_add_z(emit->buf, "\":");
}

static void write_members(struct emit *emit, const struct node *node, bool needs_comma);

static void write_text(struct emit *emit, const struct node *node) {
  if (node->is_raw)
    buf_add(emit->buf, node->text);
  else
    json_write_string(emit->buf, node->text);
  add_lineage(emit, node);
}

/* An element that is an object: a complex type, or what a primitive has beside its text. */
static void write_object(struct emit *emit, const struct node *node) {
  bool needs_comma = false;
  buf_add_char(emit->buf, '{');
  if (node->url.n) {
    write_name(emit, &needs_comma, STR_NULL, STR("url"));
    json_write_string(emit->buf, node->url);
  }
  if (node->target) {
    write_name(emit, &needs_comma, STR_NULL, STR("reference"));
    json_write_string(emit->buf, emit->url_of(emit->run, node->target));
    size_t mark = path_mark(emit);
    path_add(emit, STR("reference"));
    add_lineage(emit, node);
    path_back(emit, mark);
  }
  write_members(emit, node, needs_comma);
  buf_add_char(emit->buf, '}');
}

static bool is_primitive(const struct node *node) {
  return defs_type(node->type)->kind == DEFS_KIND_PRIMITIVE;
}

static bool has_more_than_text(const struct node *node) {
  for (const struct member *m = node->members; m; m = m->next)
    for (const struct node *child = m->first; child; child = child->next)
      if (!node_is_empty(child))
        return true;
  return false;
}

/* References to one resource stand in a list once, though it may have been found under several
 * names. */
static bool is_repeated(struct emit *emit, const struct node *node, uint32_t list_mark) {
  if (!node->target || node->members)
    return false;
  struct resource *target = node->target;
  while (target->same_as)
    target = target->same_as;
  if (target->list_mark == list_mark)
    return true;
  target->list_mark = list_mark;
  (void)emit;
  return false;
}

static void write_list(struct emit *emit, const struct member *member, bool *needs_comma) {
  bool is_first = true, has_sidecar = false, is_text = is_primitive(member->first);
  uint32_t list_mark = ++emit->run->list_marks;
  size_t index = 0, mark = path_mark(emit);
  for (const struct node *n = member->first; n; n = n->next) {
    if (node_is_empty(n) || is_repeated(emit, n, list_mark))
      continue;
    if (is_first)
      write_name(emit, needs_comma, STR_NULL, member->property->name);
    buf_add_char(emit->buf, is_first ? '[' : ',');
    is_first = false;
    path_add_index(emit, index++);
    if (!is_text)
      write_object(emit, n);
    else if (n->text.p)
      write_text(emit, n);
    else
      buf_add_z(emit->buf, "null");
    has_sidecar |= is_text && has_more_than_text(n);
    path_back(emit, mark);
  }
  if (!is_first)
    buf_add_char(emit->buf, ']');
  if (!has_sidecar)
    return;
  write_name(emit, needs_comma, STR("_"), member->property->name);
  is_first = true;
  index = 0;
  for (const struct node *n = member->first; n; n = n->next) {
    if (node_is_empty(n))
      continue;
    buf_add_char(emit->buf, is_first ? '[' : ',');
    is_first = false;
    path_add_index(emit, index++);
    if (has_more_than_text(n))
      write_object(emit, n);
    else
      buf_add_z(emit->buf, "null");
    path_back(emit, mark);
  }
  buf_add_char(emit->buf, ']');
}

static void write_single(struct emit *emit, const struct node *node, bool *needs_comma) {
  if (!is_primitive(node)) {
    write_name(emit, needs_comma, STR_NULL, node->property->name);
    write_object(emit, node);
    return;
  }
  if (node->text.p) {
    write_name(emit, needs_comma, STR_NULL, node->property->name);
    write_text(emit, node);
  }
  if (has_more_than_text(node)) {
    write_name(emit, needs_comma, STR("_"), node->property->name);
    write_object(emit, node);
  }
}

static void write_members(struct emit *emit, const struct node *node, bool needs_comma) {
  for (const struct member *m = node->members; m; m = m->next) {
    if (!m->first)
      continue;
    size_t mark = path_mark(emit);
    path_add(emit, m->property->name);
    if (m->is_list)
      write_list(emit, m, &needs_comma);
    else if (!node_is_empty(m->first))
      write_single(emit, m->first, &needs_comma);
    path_back(emit, mark);
  }
}

void emit_resource(struct emit *emit, const struct node *root) {
  buf_add_z(emit->buf, "{\"resourceType\":");
  json_write_string(emit->buf, defs_type(root->type)->name);
  write_members(emit, root, true);
  buf_add_char(emit->buf, '}');
}
