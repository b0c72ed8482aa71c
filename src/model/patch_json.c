/* JSON Patch (RFC 6902) with JSON Pointers (RFC 6901). */
#include "model/patch_tree.h"

/* One operation while it is carried out. */
struct operation {
  struct patch_tree *tree;
  const struct yyjson_val *json;
  size_t index;
  struct err *err;
};

/* Where a pointer leads: the root (no parent), an item that is there, or the place of one that
 * could be. */
struct location {
  struct patch_node *parent; /* NULL: the root */
  struct str name;           /* of the member, where the parent is an object */
  size_t at;                 /* its place in the parent */
  bool is_there;
};

static int fail(const struct operation *o, enum err_code code, const char *member,
                const char *text) {
  (void)!patch_fault(o->index, member, code, text, o->err);
  return code;
}

/* Faults of the tree (limits) get the operation's place. */
static int place(const struct operation *o, int code) {
  if (code) {
    const struct err below = *o->err;
    (void)!fail(o, below.code, "", below.text);
  }
  return code;
}

/* ---- Pointers -------------------------------------------------------------------------------- */

/* One step of a pointer without its escapes: "~1" is "/", "~0" is "~". */
static int unescape(const struct operation *o, const char *member, struct str step,
                    struct str *ret_name) {
  *ret_name = step;
  if (str_find_char(step, '~', 0) < 0)
    return 0;
  struct buf buf;
  buf_init_arena(&buf, o->tree->arena, step.n);
  for (size_t i = 0; i < step.n; i++) {
    char next = step.p[i] == '~' && i + 1 < step.n ? step.p[i + 1] : '\0';
    if (step.p[i] != '~')
      buf_add_char(&buf, step.p[i]);
    else if (next == '0' || next == '1')
      buf_add_char(&buf, next == '0' ? '~' : '/'), i++;
    else
      return fail(o, ERR_VALUE, member, "In a JSON Pointer, '~' must be followed by 0 or 1.");
  }
  *ret_name = buf_str(&buf);
  return buf_is_overflown(&buf) ? err_no_memory(o->err) : 0;
}

/* "0", "12"; no sign, no leading zero. `-` is the place after the last. */
static int read_index(const struct operation *o, const char *member, struct str step, size_t n,
                      size_t *ret_at) {
  uint64_t at;
  if (str_is(step, "-")) {
    *ret_at = n;
    return 0;
  }
  if (!str_to_u64(step, &at) || (step.n > 1 && step.p[0] == '0'))
    return fail(o, ERR_UNPROCESSABLE, member,
                "The path goes into an array with what is neither a number nor '-'.");
  if (at > n)
    return fail(o, ERR_UNPROCESSABLE, member, "The path goes beyond the end of an array.");
  *ret_at = (size_t)at;
  return 0;
}

static int enter(const struct operation *o, const char *member, struct str step,
                 struct patch_node *parent, struct location *ret_location) {
  struct location location = {.parent = parent};
  int code = unescape(o, member, step, &location.name);
  if (code)
    return code;
  if (parent->kind == JSON_OBJECT) {
    ssize_t at = patch_tree_find(o->tree, parent, location.name);
    location.is_there = at >= 0;
    location.at = at >= 0 ? (size_t)at : parent->n;
  } else if (parent->kind == JSON_ARRAY) {
    code = read_index(o, member, location.name, parent->n, &location.at);
    location.is_there = location.at < parent->n;
  } else {
    return fail(o, ERR_UNPROCESSABLE, member,
                "The path goes through what is neither an object nor an array.");
  }
  *ret_location = location;
  return code;
}

/* The text of the member `path` or `from`. */
static int read_pointer(const struct operation *o, const char *member, struct str *ret_pointer) {
  const struct yyjson_val *v = json_get(o->json, str_of(member));
  if (json_kind(v) != JSON_STRING)
    return fail(o, v ? ERR_STRUCTURE : ERR_REQUIRED, member,
                "The operation needs this member, and it must be a string.");
  *ret_pointer = json_text(v);
  if (ret_pointer->n > 0 && ret_pointer->p[0] != '/')
    return fail(o, ERR_VALUE, member, "A JSON Pointer is empty or begins with '/'.");
  return 0;
}

/* Follows a pointer; all but its last step must be there. */
static int locate(const struct operation *o, const char *member, struct location *ret_location) {
  struct location location = {.is_there = true};
  struct str rest, step;
  int code = read_pointer(o, member, &rest);
  if (code)
    return code;
  if (rest.n > 0)
    str_split(&rest, '/', &step); /* what stands before the first '/' is empty */
  else
    rest = STR_NULL;
  while (code == 0 && str_split(&rest, '/', &step)) {
    struct patch_node *parent =
        location.parent ? location.parent->items[location.at] : o->tree->root;
    code = enter(o, member, step, parent, &location);
    if (code == 0 && rest.p && !location.is_there)
      return fail(o, ERR_UNPROCESSABLE, member,
                  "There is nothing at the part of the path before its last step.");
  }
  *ret_location = location;
  return code;
}

static int locate_existing(const struct operation *o, const char *member,
                           struct location *ret_location) {
  int code = locate(o, member, ret_location);
  if (code == 0 && !ret_location->is_there)
    return fail(o, ERR_UNPROCESSABLE, member, "There is nothing at this path.");
  return code;
}

static struct patch_node *node_at(const struct operation *o, const struct location *location) {
  return location->parent ? location->parent->items[location->at] : o->tree->root;
}

/* ---- Operations ------------------------------------------------------------------------------ */

static int value_of(const struct operation *o, struct patch_node **ret_node) {
  const struct yyjson_val *value = json_get(o->json, STR("value"));
  if (!value)
    return fail(o, ERR_REQUIRED, "value", "The operation needs a value.");
  return place(o, patch_tree_thaw(o->tree, value, ret_node, o->err));
}

static int put(const struct operation *o, const struct location *to, struct patch_node *node) {
  if (!to->parent)
    return place(o, patch_tree_replace_root(o->tree, node, o->err));
  if (to->parent->kind == JSON_OBJECT && to->is_there)
    return place(o, patch_tree_replace(o->tree, to->parent, to->at, node, o->err));
  node->name = to->parent->kind == JSON_OBJECT ? to->name : STR_NULL;
  return place(o, patch_tree_insert(o->tree, to->parent, to->at, node, o->err));
}

static int run_add(const struct operation *o) {
  struct location to = {0};
  struct patch_node *node = NULL;
  int code = locate(o, "path", &to);
  if (code == 0)
    code = value_of(o, &node);
  return code ? code : put(o, &to, node);
}

static int run_remove(const struct operation *o) {
  struct location at = {0};
  int code = locate_existing(o, "path", &at);
  if (code)
    return code;
  if (!at.parent)
    return fail(o, ERR_UNPROCESSABLE, "path", "The whole resource can't be removed by a patch.");
  patch_tree_take_out(o->tree, at.parent, at.at);
  return 0;
}

static int run_replace(const struct operation *o) {
  struct location at = {0};
  struct patch_node *node = NULL;
  int code = locate_existing(o, "path", &at);
  if (code == 0)
    code = value_of(o, &node);
  if (code)
    return code;
  return place(o, at.parent ? patch_tree_replace(o->tree, at.parent, at.at, node, o->err)
                            : patch_tree_replace_root(o->tree, node, o->err));
}

static int run_move(const struct operation *o) {
  struct location from = {0}, to = {0};
  int code = locate_existing(o, "from", &from);
  if (code)
    return code;
  struct patch_node *node = node_at(o, &from);
  struct str from_text = STR_NULL, to_text = STR_NULL;
  code = read_pointer(o, "from", &from_text);
  if (code == 0)
    code = read_pointer(o, "path", &to_text);
  if (code || str_equal(from_text, to_text))
    return code;
  if (!from.parent || (to_text.n > from_text.n && str_starts_with(to_text, from_text) &&
                       to_text.p[from_text.n] == '/'))
    return fail(o, ERR_UNPROCESSABLE, "path", "A value can't be moved into itself.");
  patch_tree_take_out(o->tree, from.parent, from.at);
  code = locate(o, "path", &to);
  return code ? code : put(o, &to, node);
}

static int run_copy(const struct operation *o) {
  struct location from = {0}, to = {0};
  struct patch_node *node = NULL;
  int code = locate_existing(o, "from", &from);
  if (code == 0)
    code = locate(o, "path", &to);
  if (code == 0)
    code = place(o, patch_tree_copy(o->tree, node_at(o, &from), &node, o->err));
  return code ? code : put(o, &to, node);
}

static int run_test(const struct operation *o) {
  struct location at = {0};
  struct patch_node *node = NULL;
  int code = locate_existing(o, "path", &at);
  if (code == 0)
    code = value_of(o, &node);
  if (code)
    return code;
  bool is_equal = patch_tree_is_equal(o->tree, node_at(o, &at), node);
  if (!is_equal && o->tree->steps_left >= 0)
    return fail(o, ERR_UNPROCESSABLE, "value",
                "The test fails: what is at the path is not equal to the value.");
  return 0;
}

static int run(const struct operation *o) {
  static const struct {
    const char *name;
    int (*run)(const struct operation *o);
  } operations[] = {{"add", run_add},   {"remove", run_remove}, {"replace", run_replace},
                    {"move", run_move}, {"copy", run_copy},     {"test", run_test}};
  if (json_kind(o->json) != JSON_OBJECT)
    return fail(o, ERR_STRUCTURE, "", "An operation must be an object.");
  struct str name = json_get_text(o->json, STR("op"));
  for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++)
    if (str_is(name, operations[i].name)) {
      int code = operations[i].run(o);
      return code ? code : place(o, patch_tree_check_steps(o->tree, o->err));
    }
  return fail(o, json_get(o->json, STR("op")) ? ERR_VALUE : ERR_REQUIRED, "op",
              "The member op must be one of add, remove, replace, move, copy, test.");
}

int patch_json(struct patch_tree *tree, const struct yyjson_val *document, size_t max,
               struct err *reterr) {
  struct err own = {0};
  struct operation o = {.tree = tree, .err = reterr ? reterr : &own};
  if (json_kind(document) != JSON_ARRAY)
    return err_set(reterr, ERR_STRUCTURE, "", "A JSON Patch must be an array of operations.");
  struct json_each each = json_each(document);
  int code = patch_check_count(json_count(document), max, reterr);
  while (code == 0 && json_next(&each)) {
    o.json = each.value;
    o.index = each.index;
    code = run(&o);
  }
  return code;
}
