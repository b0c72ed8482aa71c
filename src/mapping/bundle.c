#include "format/json.h"
#include "mapping/mapping.h"

/* The entry's request: create it unless there is one with its first identifier. */
static void write_request(struct json_writer *w, const struct mapping_resource *resource,
                          struct str type) {
  json_key(w, STR("request"));
  json_begin_object(w);
  json_member_string(w, STR("method"), STR("POST"));
  json_member_string(w, STR("url"), type);
  if (resource->identifiers_n) {
    struct buf query;
    buf_init(&query, (size_t)1 << 16);
    buf_add_z(&query, "identifier=");
    const struct str parts[] = {resource->identifiers[0].system, resource->identifiers[0].value};
    for (size_t p = 0; p < 2; p++) {
      if (p)
        buf_add_char(&query, '|');
      for (size_t i = 0; i < parts[p].n; i++) {
        char c = parts[p].p[i];
        bool is_plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
                        (c >= 'A' && c <= 'Z') || (c && strchr("-._~:/", c));
        if (is_plain)
          buf_add_char(&query, c);
        else
          buf_printf(&query, "%%%02X", (unsigned)(unsigned char)c);
      }
    }
    json_member_string(w, STR("ifNoneExist"), buf_str(&query));
    buf_fini(&query);
  }
  json_end_object(w);
}

/* identifier, timestamp: what the map of MSH made for the bundle itself. */
static void write_head(struct json_writer *w, const struct mapping_result *result,
                       defs_type_id bundle) {
  for (size_t i = 0; i < result->resources_n; i++) {
    if (result->resources[i].type != bundle)
      continue;
    struct json_each each = json_each(result->resources[i].json);
    while (json_next(&each)) {
      if (str_is(each.name, "resourceType") || str_is(each.name, "type") ||
          str_is(each.name, "entry"))
        continue;
      json_key(w, each.name);
      json_value(w, each.value);
    }
  }
}

int mapping_write_bundle(struct buf *buf, const struct mapping_result *result, struct str type,
                         struct err *reterr) {
  struct json_writer w = json_writer(buf);
  defs_type_id bundle = defs_type_by_name(STR("Bundle"));
  bool is_transaction = str_is(type, "transaction");
  json_begin_object(&w);
  json_member_string(&w, STR("resourceType"), STR("Bundle"));
  json_member_string(&w, STR("type"), type);
  write_head(&w, result, bundle);
  json_key(&w, STR("entry"));
  json_begin_array(&w);
  for (size_t i = 0; i < result->resources_n; i++) {
    const struct mapping_resource *resource = &result->resources[i];
    if (resource->type == bundle || (is_transaction && resource->is_transient))
      continue;
    json_begin_object(&w);
    json_member_string(&w, STR("fullUrl"), resource->full_url);
    json_key(&w, STR("resource"));
    json_value(&w, resource->json);
    if (is_transaction)
      write_request(&w, resource, defs_type(resource->type)->name);
    json_end_object(&w);
  }
  json_end_array(&w);
  json_end_object(&w);
  return buf_is_overflown(buf) ? err_no_memory(reterr) : 0;
}
