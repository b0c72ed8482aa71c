/* CodeSystem, ValueSet -> the codes of required value sets, and displays. */
#include "compile.h"

/* Sets of codes while they are put together: map from "system index NUL code" would need keys made
 * anew; a sorted vector is enough, for the sets are small. */
struct code {
  struct str code;
  uint16_t system;
};
typedef VEC(struct code) codes;

uint16_t value_set_id(struct compile *c, struct str url) {
  uintptr_t known = (uintptr_t)map_get(&c->value_set_ids, url);
  if (known)
    return (uint16_t)known;
  if (c->value_sets.n > UINT16_MAX - 1)
    fail("too many value sets");
  uint16_t id = (uint16_t)c->value_sets.n;
  set(&c->value_set_ids, url, id);
  *PUSH(c, &c->value_sets) = (struct defs_value_set){.url = url};
  return id;
}

void index_terminology(struct compile *c, const struct yyjson_val *bundle) {
  struct json_each each = json_each(json_get(bundle, STR("entry")));
  while (json_next(&each)) {
    const struct yyjson_val *resource = json_get(each.value, STR("resource"));
    struct str type = json_get_text(resource, STR("resourceType"));
    struct str url = json_get_text(resource, STR("url"));
    if (str_is(type, "CodeSystem"))
      set(&c->code_systems, url, (uintptr_t)resource);
    else if (str_is(type, "ValueSet"))
      set(&c->value_set_resources, url, (uintptr_t)resource);
  }
}

void compile_terminology(struct compile *c) {
  (void)c;
}
