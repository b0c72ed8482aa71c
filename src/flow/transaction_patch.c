/* PATCH: what is there, changed as a patch says, becomes the content of an update. */
#include "base/base64.h"
#include "flow/transaction_internal.h"
#include "model/resource.h"

#define BODY_MAX_BYTES ((size_t)256 << 20)

/* ---- The patch of an entry ------------------------------------------------------------------- */

static struct str without_parameters(struct str media_type) {
  ssize_t semicolon = str_find_char(media_type, ';', 0);
  return str_trim(semicolon < 0 ? media_type : str_slice(media_type, 0, (size_t)semicolon));
}

int transaction_read_patch(struct arena *arena, struct str media_type, struct str bytes,
                           struct patch *ret_patch, struct err *reterr) {
  struct str name = without_parameters(media_type);
  if (str_equal_ignore_case(name, STR("application/xml-patch+xml"))) {
    *ret_patch = (struct patch){.kind = PATCH_XML, .xml = bytes};
    return 0;
  }
  if (!str_equal_ignore_case(name, STR("application/json-patch+json")))
    return err_set(reterr, ERR_MEDIA_TYPE, "",
                   "A patch is application/json-patch+json, application/xml-patch+xml, or a "
                   "Parameters resource.");
  *ret_patch = (struct patch){.kind = PATCH_JSON};
  return json_parse(arena, bytes, NULL, &ret_patch->document, reterr);
}

/* In a bundle, JSON and XML patches come in a Binary, a FHIRPath patch as Parameters. */
static int patch_of_entry(struct arena *arena, const struct yyjson_val *resource,
                          struct patch *ret_patch, struct err *reterr) {
  struct str type = json_get_text(resource, STR("resourceType")), bytes;
  if (str_is(type, "Parameters")) {
    *ret_patch = (struct patch){.kind = PATCH_FHIRPATH, .document = resource};
    return 0;
  }
  if (!str_is(type, "Binary"))
    return err_set(reterr, ERR_REQUIRED, "resource",
                   "A PATCH needs a Parameters resource (FHIRPath Patch), or a Binary with the "
                   "patch and its media type.");
  int code = base64_read(arena, json_get_text(resource, STR("data")), &bytes, reterr);
  return code ? code
              : transaction_read_patch(arena, json_get_text(resource, STR("contentType")), bytes,
                                       ret_patch, reterr);
}

/* ---- The resource ---------------------------------------------------------------------------- */

int transaction_identify_patch(struct preparation *p, struct transaction_entry *entry,
                               struct err *reterr) {
  if (!entry->is_conditional)
    return 0;
  int code = transaction_find_one(p, entry->type, entry->condition, &entry->id, reterr);
  if (code == 0 && entry->id.n == 0)
    return err_set(reterr, ERR_NOT_FOUND, "", "Nothing matches the condition.");
  return code;
}

/* The tree of what is there, as a read gives it: a patch may test meta.versionId. */
static int read_current(struct preparation *p, const struct transaction_entry *entry,
                        struct store_resource *ret_current, const struct yyjson_val **ret_tree,
                        struct err *reterr) {
  struct buf buf;
  int code = store_read(p->view, p->options->access, p->arena, entry->type, entry->id, ret_current,
                        reterr);
  if (code)
    return code;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  limits.max_bytes = BODY_MAX_BYTES;
  buf_init_arena(&buf, p->arena, BODY_MAX_BYTES);
  resource_write(&buf, ret_current->body, ret_current->version, ret_current->updated_us);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  return json_parse(p->arena, buf_str(&buf), &limits, ret_tree, reterr);
}

static bool is_same(struct preparation *p, const struct yyjson_val *a, const struct yyjson_val *b) {
  bool is_equal = false;
  struct err err;
  if (!a || !b)
    return a == b;
  return patch_is_equal(p->arena, a, b, &is_equal, &err) == 0 && is_equal;
}

/* Has anything but meta and narrative changed? */
static bool has_new_content(struct preparation *p, const struct yyjson_val *before,
                            const struct yyjson_val *after) {
  const struct yyjson_val *pairs[] = {before, after};
  for (size_t i = 0; i < 2; i++) {
    struct json_each each = json_each(pairs[i]);
    while (json_next(&each))
      if (!str_is(each.name, "meta") && !str_is(each.name, "text") &&
          !is_same(p, each.value, json_get(pairs[1 - i], each.name)))
        return true;
  }
  return false;
}

/*
 * "The server SHALL ensure that the narrative in a resource is not clinically unsafe after the
 * PATCH": a narrative that was generated from the data says what the data said before. It goes;
 * what a person wrote (additional) stays, and so does one that the patch itself changes.
 */
static int drop_stale_narrative(struct preparation *p, const struct yyjson_val *before,
                                const struct yyjson_val **resource, struct err *reterr) {
  const struct yyjson_val *text = json_get(*resource, STR("text"));
  struct str status = json_get_text(text, STR("status"));
  if ((!str_is(status, "generated") && !str_is(status, "extensions")) ||
      !is_same(p, text, json_get(before, STR("text"))) || !has_new_content(p, before, *resource))
    return 0;
  struct patch removal = {.kind = PATCH_JSON};
  int code = json_parse(p->arena, STR("[{\"op\":\"remove\",\"path\":\"/text\"}]"), NULL,
                        &removal.document, reterr);
  return code ? code : patch_apply(p->arena, &removal, *resource, resource, reterr);
}

static int check_result(const struct transaction_entry *entry, const struct yyjson_val *result,
                        struct err *reterr) {
  struct str type = json_get_text(result, STR("resourceType"));
  if (json_kind(result) != JSON_OBJECT || !str_equal(type, defs_type(entry->type)->name))
    return err_set(reterr, ERR_UNPROCESSABLE, "", "A patch can't change the type of a resource.");
  if (!str_equal(json_get_text(result, STR("id")), entry->id))
    return err_set(reterr, ERR_UNPROCESSABLE, "", "A patch can't change the id of a resource.");
  return 0;
}

/* What the entry makes of what is there. */
static int change(struct preparation *p, const struct transaction_entry *entry,
                  const struct yyjson_val *before, const struct yyjson_val **ret_after,
                  struct err *reterr) {
  struct patch patch = {.kind = PATCH_JSON};
  int code = 0;
  if (entry->edit)
    return entry->edit(p->arena, before, entry->edit_what, ret_after, reterr);
  if (entry->patch)
    patch = *entry->patch;
  else
    code = patch_of_entry(p->arena, entry->resource, &patch, reterr);
  patch.operations_max = p->options->patch_operations_max;
  return code ? code : patch_apply(p->arena, &patch, before, ret_after, reterr);
}

static int apply(struct preparation *p, struct transaction_entry *entry, struct store_write *write,
                 struct err *reterr) {
  struct store_resource current;
  const struct yyjson_val *before, *result = NULL;
  int code = read_current(p, entry, &current, &before, reterr);
  if (code)
    return code;
  if (entry->if_match.n > 0 && transaction_version_of_etag(entry->if_match) != current.version)
    return err_set(reterr, ERR_PRECONDITION, "", "The current version is %u, not that of If-Match.",
                   current.version);
  code = change(p, entry, before, &result, reterr);
  if (code == 0)
    code = check_result(entry, result, reterr);
  if (code == 0)
    code = drop_stale_narrative(p, before, &result, reterr);
  entry->resource = result;
  write->expect = STORE_IS_STILL_VERSION;
  write->expected_version = current.version;
  return code;
}

int transaction_apply_patch(struct preparation *p, struct transaction_entry *entry,
                            struct store_write *write, struct err *reterr) {
  return transaction_place(entry, apply(p, entry, write, reterr), reterr);
}
