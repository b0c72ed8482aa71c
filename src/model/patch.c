#include "model/patch.h"

#include "model/patch_tree.h"

/* How many operations the patch may have. */
static size_t operations_max(const struct patch *patch) {
  size_t max = patch->kind == PATCH_JSON ? PATCH_OPERATIONS_MAX : PATCH_PATHS_MAX;
  return patch->operations_max > 0 && patch->operations_max < max ? patch->operations_max : max;
}

int patch_fault(size_t index, const char *member, enum err_code code, const char *text,
                struct err *reterr) {
  char where[80];
  snprintf(where, sizeof where, "operation[%zu]%s%s", index, member[0] ? "." : "", member);
  return err_set(reterr, code, where, "%s", text);
}

int patch_check_count(size_t n, size_t max, struct err *reterr) {
  if (n <= max)
    return 0;
  return err_set(reterr, ERR_TOO_LONG, "", "The patch may have %zu operations at most.", max);
}

int patch_apply(struct arena *arena, const struct patch *patch, const struct yyjson_val *resource,
                const struct yyjson_val **ret_resource, struct err *reterr) {
  struct patch_tree tree;
  size_t max = operations_max(patch);
  if (patch->kind == PATCH_XML)
    return patch_xml(arena, patch->xml, max, resource, ret_resource, reterr);
  int code = patch_tree_init(&tree, arena, resource, reterr);
  if (code == 0)
    code = patch->kind == PATCH_JSON ? patch_json(&tree, patch->document, max, reterr)
                                     : patch_fhirpath(&tree, patch->document, max, reterr);
  return code ? code : patch_tree_freeze(&tree, arena, ret_resource, NULL, NULL, reterr);
}

int patch_is_equal(struct arena *arena, const struct yyjson_val *a, const struct yyjson_val *b,
                   bool *ret_is_equal, struct err *reterr) {
  struct patch_tree tree, other;
  int code = patch_tree_init(&tree, arena, a, reterr);
  if (code == 0)
    code = patch_tree_init(&other, arena, b, reterr);
  if (code)
    return code;
  *ret_is_equal = patch_tree_is_equal(&tree, tree.root, other.root);
  return patch_tree_check_steps(&tree, reterr);
}
