/* Where an element stands: a walk over the resource that meets it by its address. So an evaluation
 * carries no paths, and who asks pays. */
#include <stdlib.h>

#include "model/fhirpath_program.h"

#define PATH_MAX_BYTES 4096
#define DEPTH_MAX 100 /* of JSON (json.h) */

struct place {
  const struct yyjson_val *node, *extra;
  defs_type_id type;
  uint32_t element;
  const struct yyjson_val *container; /* the innermost resource around it that isn't contained */
  struct str path;
};

/* Told of each element; false: stop. */
typedef bool visit_fn(void *what, const struct place *place);

struct walk {
  struct buf path;
  const struct yyjson_val *container;
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
  bool goes_on = true;
  if (node || json_kind(extra) == JSON_OBJECT) {
    const struct yyjson_val *container = w->container;
    defs_type_id type = fhirpath_type_of_node(node, property ? property->type : 0);
    if (node && defs_type(type)->kind == DEFS_KIND_RESOURCE && !str_is(name, "contained"))
      w->container = node;
    goes_on = walk_element(w, node, extra, type, property ? property->element : 0, depth);
    w->container = container;
  }
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
  const struct place place = {node, extra, type, element, w->container, buf_str(&w->path)};
  if (!w->visit(w->what, &place))
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
  struct walk w = {.visit = visit, .what = what, .container = root};
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

static bool visit_value(void *what, const struct place *place) {
  struct locating *l = what;
  found(l, place->node ? place->node : place->extra, place->path);
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

/* ---- What stands around a value -----------------------------------------------------------------
 */

struct asking {
  struct fhirpath_eval *e;
  const struct yyjson_val *wanted;
  struct place place;
  int code;
};

/* Each element met is a step, so that asking of all elements is not for nothing. */
static bool visit_asked(void *what, const struct place *place) {
  struct asking *asking = what;
  asking->code = fhirpath_step(asking->e);
  if (asking->code < 0)
    return false;
  if ((place->node ? place->node : place->extra) != asking->wanted)
    return true;
  asking->place = *place;
  return false;
}

static int find_place(struct fhirpath_eval *e, const struct fhirpath_value *value,
                      struct place *ret_place) {
  const struct yyjson_val *root =
      e->context->root_resource ? e->context->root_resource : e->context->resource;
  struct asking asking = {.e = e, .wanted = value->node ? value->node : value->extra};
  asking.place.type = value->type;
  if (!root && e->input.n)
    root = e->input.p[0].node;
  if (value->kind == FHIRPATH_NODE && asking.wanted && root)
    (void)walk_resource(e->arena, root, 0, visit_asked, &asking);
  *ret_place = asking.place;
  return asking.code;
}

int fhirpath_element_of(struct fhirpath_eval *e, const struct fhirpath_value *value,
                        uint32_t *ret_element, defs_type_id *ret_type) {
  struct place place;
  int code = find_place(e, value, &place);
  *ret_element = place.element;
  *ret_type = place.type;
  return code;
}

int fhirpath_container_of(struct fhirpath_eval *e, const struct fhirpath_value *value,
                          const struct yyjson_val **ret_container) {
  struct place place;
  int code = find_place(e, value, &place);
  *ret_container = place.container;
  return code;
}
