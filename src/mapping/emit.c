/* Trees of nodes as JSON, with the lineage of every primitive and reference. */
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
  if (!emit->path)
    return;
  buf_add_char(emit->path, '[');
  buf_add_u64(emit->path, index);
  buf_add_char(emit->path, ']');
}

static size_t path_mark(const struct emit *emit) {
  return emit->path ? emit->path->n : 0;
}

static void path_back(struct emit *emit, size_t mark) {
  if (emit->path)
    emit->path->n = mark;
}

/* What a primitive has beside its text stands under its name with this sign in front. */
static void write_sidecar_name(struct emit *emit, struct str name) {
  json_build_name(emit->json, arena_printf(emit->run->arena, "_%.*s", STR_ARG(name)));
}

static void write_members(struct emit *emit, const struct node *node);

static void write_text(struct emit *emit, const struct node *node) {
  if (node->is_raw)
    json_build_raw(emit->json, node->text);
  else
    json_build_string(emit->json, node->text);
  add_lineage(emit, node);
}

/* An element that is an object: a complex type, or what a primitive has beside its text. */
static void write_object(struct emit *emit, const struct node *node) {
  json_build_begin_object(emit->json);
  if (node->url.n) {
    json_build_name(emit->json, STR("url"));
    json_build_string(emit->json, node->url);
  }
  if (node->target) {
    json_build_name(emit->json, STR("reference"));
    json_build_string(emit->json, emit->url_of(emit->run, node->target));
    size_t mark = path_mark(emit);
    path_add(emit, STR("reference"));
    add_lineage(emit, node);
    path_back(emit, mark);
  }
  write_members(emit, node);
  json_build_end(emit->json);
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

/* The second array of a list of primitives: null for each that has a text alone. */
static void write_sidecars(struct emit *emit, const struct member *member) {
  size_t index = 0, mark = path_mark(emit);
  write_sidecar_name(emit, member->property->name);
  json_build_begin_array(emit->json);
  for (const struct node *n = member->first; n; n = n->next) {
    if (node_is_empty(n))
      continue;
    path_add_index(emit, index++);
    if (has_more_than_text(n))
      write_object(emit, n);
    else
      json_build_null(emit->json);
    path_back(emit, mark);
  }
  json_build_end(emit->json);
}

static void write_list(struct emit *emit, const struct member *member) {
  bool has_sidecar = false, is_text = is_primitive(member->first);
  uint32_t list_mark = ++emit->run->list_marks;
  size_t index = 0, mark = path_mark(emit);
  for (const struct node *n = member->first; n; n = n->next) {
    if (node_is_empty(n) || is_repeated(emit, n, list_mark))
      continue;
    if (index == 0) {
      json_build_name(emit->json, member->property->name);
      json_build_begin_array(emit->json);
    }
    path_add_index(emit, index++);
    if (!is_text)
      write_object(emit, n);
    else if (n->text.p)
      write_text(emit, n);
    else
      json_build_null(emit->json);
    has_sidecar |= is_text && has_more_than_text(n);
    path_back(emit, mark);
  }
  if (index)
    json_build_end(emit->json);
  if (has_sidecar)
    write_sidecars(emit, member);
}

static void write_single(struct emit *emit, const struct node *node) {
  struct str name = node->property->name;
  if (!is_primitive(node)) {
    json_build_name(emit->json, name);
    write_object(emit, node);
    return;
  }
  if (node->text.p) {
    json_build_name(emit->json, name);
    write_text(emit, node);
  }
  if (has_more_than_text(node)) {
    write_sidecar_name(emit, name);
    write_object(emit, node);
  }
}

/* Written already, from what the node itself knows. */
static bool is_written(const struct node *node, const struct member *member) {
  return (node->url.n && str_is(member->property->name, "url")) ||
         (node->target && str_is(member->property->name, "reference"));
}

static void write_members(struct emit *emit, const struct node *node) {
  for (const struct member *m = node->members; m; m = m->next) {
    if (!m->first || is_written(node, m))
      continue;
    size_t mark = path_mark(emit);
    path_add(emit, m->property->name);
    if (m->is_list)
      write_list(emit, m);
    else if (!node_is_empty(m->first))
      write_single(emit, m->first);
    path_back(emit, mark);
  }
}

int emit_resource(struct emit *emit, const struct node *root, const struct yyjson_val **ret_json,
                  struct err *reterr) {
  json_build_begin_object(emit->json);
  json_build_name(emit->json, STR("resourceType"));
  json_build_string(emit->json, defs_type(root->type)->name);
  write_members(emit, root);
  json_build_end(emit->json);
  return json_build_finish(emit->json, ret_json, reterr);
}
