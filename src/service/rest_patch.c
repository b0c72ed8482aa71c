/* patch: of a resource by its id, or of the only one that matches. */
#include "service/rest_write.h"

/* A FHIRPath Patch is a resource, so it comes in any form that resources come in. */
static int read_parameters(struct rest_call *call, struct transaction_entry *entry,
                           struct err *reterr) {
  const struct yyjson_val *resource = NULL;
  int code = rest_read_body(call, &resource, reterr);
  if (code && code != ERR_MEDIA_TYPE)
    return code;
  entry->resource = resource;
  bool is_taken =
      call->is_entry || str_is(json_get_text(resource, STR("resourceType")), "Parameters");
  if (code == 0 && is_taken)
    return 0;
  return err_set(reterr, ERR_MEDIA_TYPE, "",
                 "A patch in FHIR's own form is a Parameters resource; JSON Patch is sent as "
                 "application/json-patch+json, XML Patch as application/xml-patch+xml.");
}

static bool is_patch_type(struct str media_type) {
  return str_find(media_type, STR("patch+")) >= 0;
}

int rest_read_patch(struct rest_call *call, struct transaction_entry *entry, struct err *reterr) {
  struct rest_write *write = call->write;
  if (call->is_entry || !is_patch_type(call->headers.content_type))
    return read_parameters(call, entry, reterr);
  entry->patch = &write->patch;
  return transaction_read_patch(call->arena, call->headers.content_type, call->body, &write->patch,
                                reterr);
}

void rest_patch(struct rest_call *call) {
  rest_write_single(call, "patch", NULL, NULL);
}
