/* XML Patch (RFC 5261). */
#include "model/patch_tree.h"

int patch_xml(struct arena *arena, struct str document, const struct yyjson_val *resource,
              const struct yyjson_val **ret_resource, struct err *reterr) {
  (void)arena, (void)document, (void)resource, (void)ret_resource;
  return err_set(reterr, ERR_NOT_SUPPORTED, "", "XML Patch is not supported.");
}
