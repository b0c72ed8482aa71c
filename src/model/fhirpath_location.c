/* Where an element stands: a walk over the resource that meets it by its address. So an evaluation
 * carries no paths, and who asks pays. */
#include <stdlib.h>

#include "model/fhirpath_program.h"

#define PATH_MAX_BYTES 4096
#define DEPTH_MAX 100 /* of JSON (json.h) */

/* Told of each element; false: stop. */
typedef bool visit_fn(void *what, const struct yyjson_val *node, const struct yyjson_val *extra,
                      defs_type_id type, uint32_t element, struct str path);

struct walk {
  struct buf path;
  visit_fn *visit;
  void *what;
};

static bool walk_element(struct walk *w, const struct yyjson_val *node,
                         const struct yyjson_val *extra, defs_type_id type, uint32_t element,
                         unsigned depth);

/* One item of a property; the path is put back. */
static bool walk_item(struct walk *w, struct str name, ssize_t index, const struct yyjson_val *node,
                      const struct yyjson_val *extra, const struct defs_property *property,
                      unsigned depth) {
  size_t before = w->path.n;
  buf_add_char(&w->path, '.');
  buf_add(&w->path, name);
  if (index >= 0)
    buf_printf(&w->path, "[%zd]", index);
  if (json_kind(node) == JSON_NULL)
    node = NULL;
  bool goes_on =
      (!node && json_kind(extra) != JSON_OBJECT) ||
      walk_element(w, node, extra, fhirpath_type_of_node(node, property ? property->type : 0),
                   property ? property->element : 0, depth);
  w->path.n = before;
  return goes_on;
}

static bool walk_property(struct walk *w, const struct yyjson_val *object, struct str member,
                          const struct defs_property *property, unsigned depth) {
  const struct yyjson_val *node = json_get(object, member);
  const struct yyjson_val *extra = fhirpath_sibling(object, member);
  struct str name = property ? defs_element(property->element)->name : member;
  if (json_kind(node) != JSON_ARRAY && json_kind(extra) != JSON_ARRAY)
    return walk_item(w, name, -1, node, extra, property, depth);
  struct json_each nodes = json_each(json_kind(node) == JSON_ARRAY ? node : NULL);
  struct json_each extras = json_each(json_kind(extra) == JSON_ARRAY ? extra : NULL);
  for (ssize_t i = 0;; i++) {
    bool has_node = json_next(&nodes), has_extra = json_next(&extras);
    if (!has_node && !has_extra)
      return true;
    if (!walk_item(w, name, i, has_node ? nodes.value : NULL, has_extra ? extras.value : NULL,
                   property, depth))
      return false;
  }
}

static bool walk_element(struct walk *w, const struct yyjson_val *node,
                         const struct yyjson_val *extra, defs_type_id type, uint32_t element,
                         unsigned depth) {
  if (!w->visit(w->what, node, extra, type, element, buf_str(&w->path)))
    return false;
  const struct yyjson_val *object = json_kind(node) == JSON_OBJECT ? node : extra;
  struct json_each each = json_each(json_kind(object) == JSON_OBJECT ? object : NULL);
  while (depth < DEPTH_MAX && json_next(&each)) {
    struct str name;
    if (fhirpath_property_name(object, each.name, &name) &&
        !walk_property(w, object, name, type ? defs_property(type, name) : NULL, depth + 1))
      return false;
  }
  return true;
}

static bool walk_resource(struct arena *arena, const struct yyjson_val *root, defs_type_id type,
                          visit_fn *visit, void *what) {
  struct walk w = {.visit = visit, .what = what};
  buf_init_arena(&w.path, arena, PATH_MAX_BYTES);
  type = fhirpath_type_of_node(root, type);
  buf_add(&w.path, defs_type(type)->name);
  return walk_element(&w, root, NULL, type, 0, 0);
}

/* ---- Paths of values ------------------------------------------------------------------------- */

struct wanted {
  const struct yyjson_val *node;
  size_t index; /* among the values */
};

struct locating {
  struct arena *arena;
  struct wanted *wanted; /* by address */
  size_t wanted_n, left;
  struct str *paths;
  bool has_failed;
};

static int by_address(const void *a, const void *b) {
  uintptr_t x = (uintptr_t)((const struct wanted *)a)->node;
  uintptr_t y = (uintptr_t)((const struct wanted *)b)->node;
  return (x > y) - (x < y);
}

static void found(struct locating *l, const struct yyjson_val *node, struct str path) {
  struct wanted key = {.node = node};
  struct wanted *hit = bsearch(&key, l->wanted, l->wanted_n, sizeof key, by_address);
  if (!node || !hit)
    return;
  while (hit > l->wanted && hit[-1].node == node)
    hit--;
  for (; hit < l->wanted + l->wanted_n && hit->node == node; hit++) {
    l->paths[hit->index] = arena_str(l->arena, path);
    l->has_failed |= !l->paths[hit->index].p;
    l->left--;
  }
}

static bool visit_value(void *what, const struct yyjson_val *node, const struct yyjson_val *extra,
                        defs_type_id type, uint32_t element, struct str path) {
  struct locating *l = what;
  (void)type;
  (void)element;
  found(l, node ? node : extra, path);
  return l->left > 0 && !l->has_failed;
}

int fhirpath_locate(struct arena *arena, const struct yyjson_val *root, defs_type_id type,
                    struct fhirpath_values values, struct str *ret_paths, struct err *reterr) {
  struct locating l = {.arena = arena, .paths = ret_paths};
  l.wanted = ARENA_ARRAY(arena, struct wanted, values.n + 1);
  if (!l.wanted)
    return err_no_memory(reterr);
  for (size_t i = 0; i < values.n; i++) {
    const struct fhirpath_value *v = &values.p[i];
    ret_paths[i] = STR_NULL;
    if (v->kind == FHIRPATH_NODE && (v->node || v->extra))
      l.wanted[l.wanted_n++] = (struct wanted){v->node ? v->node : v->extra, i};
  }
  l.left = l.wanted_n;
  qsort(l.wanted, l.wanted_n, sizeof *l.wanted, by_address);
  if (l.left > 0 && root)
    (void)walk_resource(arena, root, type, visit_value, &l);
  return l.has_failed ? err_no_memory(reterr) : 0;
}

/* ---- The element of a value ------------------------------------------------------------------ */

struct asking {
  const struct yyjson_val *wanted;
  uint32_t element;
  defs_type_id type;
};

static bool visit_asked(void *what, const struct yyjson_val *node, const struct yyjson_val *extra,
                        defs_type_id type, uint32_t element, struct str path) {
  struct asking *asking = what;
  (void)path;
  if ((node ? node : extra) != asking->wanted)
    return true;
  asking->element = element;
  asking->type = type;
  return false;
}

int fhirpath_element_of(struct fhirpath_eval *e, const struct fhirpath_value *value,
                        uint32_t *ret_element, defs_type_id *ret_type) {
  const struct yyjson_val *root =
      e->context->root_resource ? e->context->root_resource : e->context->resource;
  struct asking asking = {.wanted = value->node ? value->node : value->extra, .type = value->type};
  if (!root && e->input.n)
    root = e->input.p[0].node;
  if (value->kind == FHIRPATH_NODE && root)
    (void)walk_resource(e->arena, root, 0, visit_asked, &asking);
  *ret_element = asking.element;
  *ret_type = asking.type;
  return fhirpath_step(e);
}
