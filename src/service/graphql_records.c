/* Resources of a GraphQL query: each is read and parsed once. */
#include "service/graphql_internal.h"

#include "model/resource.h"

struct object graphql_object_of(const struct record *record) {
  return (struct object){
      .type = {SCHEMA_FHIR, record->type}, .node = record->root, .record = record};
}

static struct str key_of(struct graphql_run *run, defs_type_id type, struct str id,
                         uint32_t version) {
  return version
             ? arena_printf(run->arena, "%.*s/%.*s/%u", STR_ARG(defs_type(type)->name), STR_ARG(id),
                            version)
             : arena_printf(run->arena, "%.*s/%.*s", STR_ARG(defs_type(type)->name), STR_ARG(id));
}

/* Puts it into the table; without `resource`, as not there. */
static int keep(struct graphql_run *run, struct str key, const struct store_resource *resource,
                const struct record **ret_record, struct err *reterr) {
  struct json_limits limits = {.max_bytes = (size_t)256 << 20, .max_depth = 200};
  struct record *record = ARENA_NEW(run->arena, struct record);
  struct buf buf;
  if (!record || !key.p || map_set(&run->records, key, record) != 0)
    return err_no_memory(reterr);
  *ret_record = NULL;
  if (!resource)
    return 0;
  if (++run->resources_n > run->bounds->resources_max)
    return err_set(reterr, ERR_TOO_COSTLY, "", "The query reads more than %zu resources.",
                   run->bounds->resources_max);
  buf_init_arena(&buf, run->arena, resource->body.n + 200);
  resource_write(&buf, resource->body, resource->version, resource->updated_us);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  int code = json_parse(run->arena, buf_str(&buf), &limits, &record->root, reterr);
  record->type = resource->type;
  record->id = resource->id;
  *ret_record = record;
  return code;
}

int graphql_keep_record(struct graphql_run *run, const struct store_resource *resource,
                        const struct record **ret_record, struct err *reterr) {
  struct str key = key_of(run, resource->type, resource->id, 0);
  const struct record *known = key.p ? map_get(&run->records, key) : NULL;
  if (!known || !known->root)
    return keep(run, key, resource, ret_record, reterr);
  *ret_record = known;
  return 0;
}

int graphql_read_record(struct graphql_run *run, defs_type_id type, struct str id, uint32_t version,
                        const struct record **ret_record, struct err *reterr) {
  struct str key = key_of(run, type, id, version);
  const struct record *known = key.p ? map_get(&run->records, key) : NULL;
  struct store_resource resource;
  if (known) {
    *ret_record = known->root ? known : NULL;
    return 0;
  }
  int code = version ? store_vread(run->view, run->access, run->arena, type, id, version, &resource,
                                   reterr)
                     : store_read(run->view, run->access, run->arena, type, id, &resource, reterr);
  bool is_missing = code == ERR_NOT_FOUND || code == ERR_DELETED;
  if (code && !is_missing)
    return code;
  return keep(run, key, is_missing ? NULL : &resource, ret_record, reterr);
}

/* ---- References ------------------------------------------------------------------------------ */

static struct object contained(const struct record *around, struct str id) {
  struct json_each each = json_each(around ? json_get(around->root, STR("contained")) : NULL);
  while (json_next(&each)) {
    defs_type_id type = defs_type_by_name(json_get_text(each.value, STR("resourceType")));
    if (type && str_equal(json_get_text(each.value, STR("id")), id))
      return (struct object){.type = {SCHEMA_FHIR, type}, .node = each.value, .record = around};
  }
  return (struct object){.type = SCHEMA_TYPE_NONE};
}

int graphql_follow(struct graphql_run *run, const struct object *reference,
                   struct object *ret_target, struct err *reterr) {
  struct str text = json_get_text(reference->node, STR("reference"));
  const struct record *record = NULL;
  uint64_t version = 0;
  *ret_target = (struct object){.type = SCHEMA_TYPE_NONE};
  if (str_is(text, "#") && reference->record)
    *ret_target = graphql_object_of(reference->record);
  else if (str_starts_with(text, STR("#")))
    *ret_target = contained(reference->record, str_slice(text, 1, text.n));
  if (text.n == 0 || text.p[0] == '#')
    return 0;
  struct search_reference target = search_normal_reference(text, run->request->base_url);
  defs_type_id type = defs_type_by_name(target.type);
  if (!type || target.id.n == 0 || !defs_is_resource(defs_type(type)) ||
      (target.version.n > 0 && (!str_to_u64(target.version, &version) || version > UINT32_MAX)))
    return 0;
  int code = graphql_read_record(run, type, target.id, (uint32_t)version, &record, reterr);
  if (code == 0 && record)
    *ret_target = graphql_object_of(record);
  return code;
}
