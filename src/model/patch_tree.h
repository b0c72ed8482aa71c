/*
 * Inside patch: a JSON tree that can be changed.
 *
 * Invariants: no path from the root is longer than a JSON text may be deep; what was added since
 * the tree was made stays below the limits of patch.h; a member's name is there once.
 *
 * Spec: RFC 8259, RFC 6902 (equality). Threads: one. Memory: on the arena; texts are borrowed from
 * the trees it was made from.
 */
#ifndef MODEL_PATCH_TREE_H
#define MODEL_PATCH_TREE_H

#include "format/xml.h"
#include "model/patch.h"

struct patch_node {
  enum json_kind kind;
  struct str name; /* as member of an object */
  struct str text; /* of a string, number or boolean */
  struct patch_node *parent;
  struct patch_node **items; /* of an array or object */
  size_t n, capacity;
};

struct patch_tree {
  struct arena *arena;
  struct patch_node *root;
  int64_t growth_nodes, growth_bytes; /* made since it was thawed */
  int64_t steps_left;
};

/* A tree of its own from a parsed one. What is there already is no growth, however much it is. */
int patch_tree_init(struct patch_tree *tree, struct arena *arena, const struct yyjson_val *json,
                    struct err *reterr) MUST_CHECK;

/* A new node, not yet in the tree: from parsed JSON, as a copy, or empty. */
int patch_tree_thaw(struct patch_tree *tree, const struct yyjson_val *json,
                    struct patch_node **ret_node, struct err *reterr) MUST_CHECK;
int patch_tree_copy(struct patch_tree *tree, const struct patch_node *node,
                    struct patch_node **ret_node, struct err *reterr) MUST_CHECK;
int patch_tree_make(struct patch_tree *tree, enum json_kind kind, struct patch_node **ret_node,
                    struct err *reterr) MUST_CHECK;

/* Puts `node` in before the item `at` (n: at the end). ERR_TOO_LONG when it gets too deep. */
int patch_tree_insert(struct patch_tree *tree, struct patch_node *parent, size_t at,
                      struct patch_node *node, struct err *reterr) MUST_CHECK;
/* Takes the item `at` out and returns it. */
struct patch_node *patch_tree_take_out(struct patch_tree *tree, struct patch_node *parent,
                                       size_t at);
/* Puts `node` in the place of the item `at` (and under its name). */
int patch_tree_replace(struct patch_tree *tree, struct patch_node *parent, size_t at,
                       struct patch_node *node, struct err *reterr) MUST_CHECK;
/* Makes `node` the root. */
int patch_tree_replace_root(struct patch_tree *tree, struct patch_node *node,
                            struct err *reterr) MUST_CHECK;

/* Where the member stands; -1: there is none. */
ssize_t patch_tree_find(struct patch_tree *tree, const struct patch_node *object, struct str name);
struct patch_node *patch_tree_member(struct patch_tree *tree, const struct patch_node *object,
                                     struct str name);
/* Where `node` stands in its parent. */
size_t patch_tree_position(struct patch_tree *tree, const struct patch_node *node);

/* False also when the steps ran out: look at steps_left. */
bool patch_tree_is_equal(struct patch_tree *tree, const struct patch_node *a,
                         const struct patch_node *b);

/* ERR_TOO_COSTLY when the steps ran out. */
int patch_tree_check_steps(const struct patch_tree *tree, struct err *reterr) MUST_CHECK;

/*
 * The tree as everybody else reads it, on `arena`. `ret_nodes` (may be NULL): the node of each
 * value, by its distance from the root in values.
 */
int patch_tree_freeze(struct patch_tree *tree, struct arena *arena,
                      const struct yyjson_val **ret_json, struct patch_node ***ret_nodes,
                      size_t *ret_n, struct err *reterr) MUST_CHECK;

/* ---- The three forms (each changes the tree, or makes a new one) -------------------------------
 */

/* Says that `text` is wrong with the operation at `index`, or with its `member` (""); returns
 * `code`. */
int patch_fault(size_t index, const char *member, enum err_code code, const char *text,
                struct err *reterr);
/* ERR_TOO_LONG for more operations than `max`. */
int patch_check_count(size_t n, size_t max, struct err *reterr) MUST_CHECK;
int patch_json(struct patch_tree *tree, const struct yyjson_val *document, size_t max,
               struct err *reterr) MUST_CHECK;
int patch_fhirpath(struct patch_tree *tree, const struct yyjson_val *document, size_t max,
                   struct err *reterr) MUST_CHECK;
/* XML Patch on any tree: `*root` before and after. */
int patch_xml_tree(struct arena *arena, const struct xml_node *patch, size_t max,
                   struct xml_node **root, struct err *reterr) MUST_CHECK;
int patch_xml(struct arena *arena, struct str document, size_t max,
              const struct yyjson_val *resource, const struct yyjson_val **ret_resource,
              struct err *reterr) MUST_CHECK;

#endif
