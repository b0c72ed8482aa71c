#include "model/patch_tree.h"

#include "format/json_build.h"

static const unsigned DEPTH_MAX = 100; /* as JSON_LIMITS_DEFAULT */

/* ---- Making ---------------------------------------------------------------------------------- */

static int grow(struct patch_tree *tree, size_t bytes, struct err *reterr) {
  tree->growth_nodes++;
  tree->growth_bytes += (int64_t)bytes;
  if (tree->growth_nodes > PATCH_GROWTH_NODES || tree->growth_bytes > PATCH_GROWTH_BYTES)
    return err_set(reterr, ERR_TOO_LONG, "", "The patch makes the resource grow beyond the limit.");
  return 0;
}

static int make(struct patch_tree *tree, enum json_kind kind, struct str name, struct str text,
                struct patch_node **ret_node, struct err *reterr) {
  int code = grow(tree, name.n + text.n, reterr);
  struct patch_node *node = code ? NULL : ARENA_NEW(tree->arena, struct patch_node);
  if (!node)
    return code ? code : err_no_memory(reterr);
  *node = (struct patch_node){.kind = kind, .name = name, .text = text};
  *ret_node = node;
  return 0;
}

int patch_tree_make(struct patch_tree *tree, enum json_kind kind, struct patch_node **ret_node,
                    struct err *reterr) {
  return make(tree, kind, STR_NULL, STR_NULL, ret_node, reterr);
}

/* Room for `n` more items. */
static int reserve(struct patch_tree *tree, struct patch_node *node, size_t n, struct err *reterr) {
  if (node->n + n <= node->capacity)
    return 0;
  size_t capacity = node->capacity * 2 > node->n + n ? node->capacity * 2 : node->n + n;
  struct patch_node **items = (struct patch_node **)arena_grow(
      tree->arena, (void *)node->items, node->capacity * sizeof(struct patch_node *),
      capacity * sizeof(struct patch_node *));
  if (!items)
    return err_no_memory(reterr);
  node->items = items;
  node->capacity = capacity;
  return 0;
}

static int thaw(struct patch_tree *tree, const struct yyjson_val *json, struct str name,
                struct patch_node **ret_node, struct err *reterr) {
  struct patch_node *node = NULL;
  enum json_kind kind = json_kind(json);
  bool has_items = kind == JSON_ARRAY || kind == JSON_OBJECT;
  int code = make(tree, kind, name, has_items ? STR_NULL : json_text(json), &node, reterr);
  if (code == 0 && has_items)
    code = reserve(tree, node, json_count(json), reterr);
  struct json_each each = json_each(has_items ? json : NULL);
  while (code == 0 && node->n < node->capacity && json_next(&each)) {
    code = thaw(tree, each.value, each.name, &node->items[node->n], reterr);
    if (code == 0)
      node->items[node->n++]->parent = node;
  }
  if (code == 0)
    *ret_node = node;
  return code;
}

int patch_tree_init(struct patch_tree *tree, struct arena *arena, const struct yyjson_val *json,
                    struct err *reterr) {
  *tree = (struct patch_tree){.arena = arena,
                              .growth_nodes = INT64_MIN / 2,
                              .growth_bytes = INT64_MIN / 2,
                              .steps_left = PATCH_STEPS_MAX};
  int code = thaw(tree, json, STR_NULL, &tree->root, reterr);
  tree->growth_nodes = tree->growth_bytes = 0;
  return code;
}

int patch_tree_thaw(struct patch_tree *tree, const struct yyjson_val *json,
                    struct patch_node **ret_node, struct err *reterr) {
  return thaw(tree, json, STR_NULL, ret_node, reterr);
}

int patch_tree_copy(struct patch_tree *tree, const struct patch_node *node,
                    struct patch_node **ret_node, struct err *reterr) {
  struct patch_node *copy = NULL;
  int code = make(tree, node->kind, node->name, node->text, &copy, reterr);
  if (code == 0)
    code = reserve(tree, copy, node->n, reterr);
  for (size_t i = 0; i < node->n && code == 0; i++) {
    code = patch_tree_copy(tree, node->items[i], &copy->items[i], reterr);
    if (code == 0) {
      copy->items[i]->parent = copy;
      copy->n++;
    }
  }
  if (code == 0)
    *ret_node = copy;
  return code;
}

/* ---- Changing -------------------------------------------------------------------------------- */

/* How many arrays and objects stand one in the other from here down. */
static unsigned height_of(struct patch_tree *tree, const struct patch_node *node) {
  unsigned height = 0;
  tree->steps_left--;
  for (size_t i = 0; i < node->n; i++) {
    unsigned one = height_of(tree, node->items[i]);
    height = one > height ? one : height;
  }
  return height + (node->kind == JSON_ARRAY || node->kind == JSON_OBJECT ? 1 : 0);
}

/* May `node` stand below `parent`? Keeps every recursion over the tree within bounds. */
static int check_depth(struct patch_tree *tree, const struct patch_node *parent,
                       const struct patch_node *node, struct err *reterr) {
  unsigned depth = 0;
  for (const struct patch_node *up = parent; up; up = up->parent)
    depth++;
  if (depth + height_of(tree, node) > DEPTH_MAX)
    return err_set(reterr, ERR_TOO_LONG, "",
                   "The result would be nested deeper than the limit of %u levels.", DEPTH_MAX);
  return 0;
}

int patch_tree_insert(struct patch_tree *tree, struct patch_node *parent, size_t at,
                      struct patch_node *node, struct err *reterr) {
  int code = check_depth(tree, parent, node, reterr);
  if (code == 0)
    code = reserve(tree, parent, 1, reterr);
  if (code)
    return code;
  memmove((void *)(parent->items + at + 1), (const void *)(parent->items + at),
          (parent->n - at) * sizeof(struct patch_node *));
  tree->steps_left -= (int64_t)(parent->n - at) / 64;
  parent->items[at] = node;
  parent->n++;
  node->parent = parent;
  return 0;
}

struct patch_node *patch_tree_take_out(struct patch_tree *tree, struct patch_node *parent,
                                       size_t at) {
  struct patch_node *node = parent->items[at];
  parent->n--;
  memmove((void *)(parent->items + at), (const void *)(parent->items + at + 1),
          (parent->n - at) * sizeof(struct patch_node *));
  tree->steps_left -= (int64_t)(parent->n - at) / 64;
  node->parent = NULL;
  return node;
}

int patch_tree_replace(struct patch_tree *tree, struct patch_node *parent, size_t at,
                       struct patch_node *node, struct err *reterr) {
  int code = check_depth(tree, parent, node, reterr);
  if (code)
    return code;
  node->name = parent->items[at]->name;
  node->parent = parent;
  parent->items[at]->parent = NULL;
  parent->items[at] = node;
  return 0;
}

int patch_tree_replace_root(struct patch_tree *tree, struct patch_node *node, struct err *reterr) {
  int code = check_depth(tree, NULL, node, reterr);
  if (code)
    return code;
  node->parent = NULL;
  node->name = STR_NULL;
  tree->root = node;
  return 0;
}

/* ---- Finding --------------------------------------------------------------------------------- */

ssize_t patch_tree_find(struct patch_tree *tree, const struct patch_node *object, struct str name) {
  if (object->kind != JSON_OBJECT)
    return -1;
  for (size_t i = 0; i < object->n; i++)
    if (str_equal(object->items[i]->name, name)) {
      tree->steps_left -= (int64_t)i + 1;
      return (ssize_t)i;
    }
  tree->steps_left -= (int64_t)object->n + 1;
  return -1;
}

struct patch_node *patch_tree_member(struct patch_tree *tree, const struct patch_node *object,
                                     struct str name) {
  ssize_t at = patch_tree_find(tree, object, name);
  return at < 0 ? NULL : object->items[at];
}

size_t patch_tree_position(struct patch_tree *tree, const struct patch_node *node) {
  size_t at = 0;
  while (node->parent->items[at] != node)
    at++;
  tree->steps_left -= (int64_t)at / 16 + 1;
  return at;
}

int patch_tree_check_steps(const struct patch_tree *tree, struct err *reterr) {
  if (tree->steps_left >= 0)
    return 0;
  return err_set(reterr, ERR_TOO_COSTLY, "", "The patch takes more work than the limit allows.");
}

/* ---- Equality -------------------------------------------------------------------------------- */

/* A number as sign, significant digits and the power of ten of the first of them. */
struct number {
  bool is_negative, is_zero;
  struct str digits;      /* from the first to the last that is not 0; may hold the point */
  int64_t first_exponent; /* 123.4: 2; 0.05: -2 */
};

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* `text` is a number of JSON. False when its exponent is beyond all reason: it is then equal to its
 * own text only. */
static bool read_number(struct str text, struct number *ret_number) {
  struct number number = {.is_zero = true};
  size_t at = 0, first = 0, last = 0, end, point;
  if (text.n > 0 && text.p[0] == '-') {
    number.is_negative = true;
    at = 1;
  }
  for (end = at; end < text.n && (is_digit(text.p[end]) || text.p[end] == '.');)
    end++;
  for (point = at; point < end && text.p[point] != '.';)
    point++;
  for (size_t i = at; i < end; i++)
    if (text.p[i] >= '1' && text.p[i] <= '9') {
      first = number.is_zero ? i : first;
      last = i;
      number.is_zero = false;
    }
  number.digits = str_slice(text, first, last + 1 - first);
  int64_t exponent = 0;
  if (end < text.n) {
    struct str rest = str_slice(text, end + 1, text.n);
    if (rest.n > 0 && rest.p[0] == '+')
      rest = str_slice(rest, 1, rest.n);
    if (!str_to_i64(rest, &exponent) || exponent > INT32_MAX || exponent < INT32_MIN)
      return false;
  }
  number.first_exponent =
      exponent + (first < point ? (int64_t)(point - first) - 1 : -(int64_t)(first - point));
  *ret_number = number;
  return true;
}

static bool is_same_number(struct str a, struct str b) {
  struct number x, y;
  if (str_equal(a, b))
    return true;
  if (!read_number(a, &x) || !read_number(b, &y))
    return false;
  if (x.is_zero || y.is_zero)
    return x.is_zero && y.is_zero;
  if (x.is_negative != y.is_negative || x.first_exponent != y.first_exponent)
    return false;
  size_t i = 0, j = 0;
  for (;;) {
    if (i < x.digits.n && x.digits.p[i] == '.')
      i++;
    if (j < y.digits.n && y.digits.p[j] == '.')
      j++;
    if (i == x.digits.n || j == y.digits.n)
      return i == x.digits.n && j == y.digits.n;
    if (x.digits.p[i++] != y.digits.p[j++])
      return false;
  }
}

bool patch_tree_is_equal(struct patch_tree *tree, const struct patch_node *a,
                         const struct patch_node *b) {
  if (tree->steps_left-- < 0 || a->kind != b->kind || a->n != b->n)
    return false;
  if (a->kind == JSON_NUMBER)
    return is_same_number(a->text, b->text);
  if (a->kind != JSON_ARRAY && a->kind != JSON_OBJECT)
    return str_equal(a->text, b->text);
  for (size_t i = 0; i < a->n; i++) {
    const struct patch_node *other = b->items[i];
    if (a->kind == JSON_OBJECT && !str_equal(a->items[i]->name, other->name))
      other = patch_tree_member(tree, b, a->items[i]->name);
    if (!other || !patch_tree_is_equal(tree, a->items[i], other))
      return false;
  }
  return true;
}

/* ---- The result ------------------------------------------------------------------------------ */

struct freezing {
  struct json_builder builder;
  VEC(struct patch_node *) nodes;
  bool wants_nodes, has_no_memory;
};

static void note_node(struct freezing *f, struct patch_node *node) {
  while (f->wants_nodes && f->nodes.n <= f->builder.n) {
    struct patch_node **place = VEC_PUSH(f->builder.arena, &f->nodes);
    if (!place) {
      f->wants_nodes = false;
      f->has_no_memory = true;
      return;
    }
  }
  if (f->wants_nodes)
    f->nodes.p[f->builder.n] = node;
}

static void freeze(struct freezing *f, struct patch_node *node) {
  note_node(f, node);
  switch (node->kind) {
  case JSON_OBJECT:
    json_build_begin_object(&f->builder);
    for (size_t i = 0; i < node->n; i++) {
      json_build_name(&f->builder, node->items[i]->name);
      freeze(f, node->items[i]);
    }
    json_build_end(&f->builder);
    break;
  case JSON_ARRAY:
    json_build_begin_array(&f->builder);
    for (size_t i = 0; i < node->n; i++)
      freeze(f, node->items[i]);
    json_build_end(&f->builder);
    break;
  case JSON_STRING:
    json_build_string(&f->builder, node->text);
    break;
  case JSON_BOOL:
  case JSON_NUMBER:
    json_build_raw(&f->builder, node->text);
    break;
  case JSON_NULL:
  case JSON_MISSING:
    json_build_null(&f->builder);
    break;
  }
}

int patch_tree_freeze(struct patch_tree *tree, struct arena *arena,
                      const struct yyjson_val **ret_json, struct patch_node ***ret_nodes,
                      size_t *ret_n, struct err *reterr) {
  struct freezing f = {.builder = json_builder(arena), .wants_nodes = ret_nodes != NULL};
  freeze(&f, tree->root);
  size_t n = f.builder.n;
  tree->steps_left -= (int64_t)n;
  int code = f.has_no_memory ? err_no_memory(reterr) : patch_tree_check_steps(tree, reterr);
  if (code == 0)
    code = json_build_finish(&f.builder, ret_json, reterr);
  if (code == 0 && ret_nodes) {
    *ret_nodes = f.nodes.p;
    *ret_n = f.nodes.n;
  }
  return code;
}
