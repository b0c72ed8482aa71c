#include "model/patch.h"

#include "model/patch_tree.h"

int patch_apply(struct arena *arena, const struct patch *patch, const struct yyjson_val *resource,
                const struct yyjson_val **ret_resource, struct err *reterr) {
  struct patch_tree tree;
  if (patch->kind == PATCH_XML)
    return patch_xml(arena, patch->xml, resource, ret_resource, reterr);
  int code = patch_tree_init(&tree, arena, resource, reterr);
  if (code == 0)
    code = patch->kind == PATCH_JSON ? patch_json(&tree, patch->document, reterr)
                                     : patch_fhirpath(&tree, patch->document, reterr);
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
