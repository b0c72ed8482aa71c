/*
 * Code systems and value sets that strangers wrote: an array of resources that refer to each other,
 * of which the first value set is worked out. A member that is certain is in the set; what is below
 * a code has the code above it.
 */
#include "fuzz.h"

#include "model/terminology.h"

static int find(void *what, struct arena *arena, struct str type, struct str url,
                struct str version, const struct yyjson_val **ret_resource, struct err *reterr) {
  (void)arena;
  (void)reterr;
  struct json_each each = json_each(what);
  *ret_resource = NULL;
  while (json_next(&each) && !*ret_resource)
    if (str_equal(json_get_text(each.value, STR("resourceType")), type) &&
        str_equal(json_get_text(each.value, STR("url")), url) &&
        (version.n == 0 || str_equal(json_get_text(each.value, STR("version")), version)))
      *ret_resource = each.value;
  return 0;
}

static void check_set(const struct terminology_value_set *set) {
  for (size_t i = 0; i < set->members_n; i++) {
    const struct terminology_member *m = &set->members[i];
    struct terminology_coding coding = {.system = m->system.p ? m->system : STR(""),
                                        .code = m->code};
    enum terminology_answer answer = terminology_set_has(set, &coding, NULL);
    FUZZ_CHECK(answer != TERMINOLOGY_NO && (!m->is_certain || answer == TERMINOLOGY_YES));
  }
}

static void check_system(struct arena *arena, struct terminology *t,
                         const struct yyjson_val *resource) {
  struct str url = json_get_text(resource, STR("url"));
  const struct yyjson_val *first = NULL;
  struct json_each each = json_each(json_get(resource, STR("concept")));
  struct terminology_codes codes;
  struct err err;
  if (json_next(&each))
    first = each.value;
  struct str code = json_get_text(first, STR("code"));
  if (terminology_relatives(t, url, code, false, arena, &codes, &err) != 0)
    return;
  for (size_t i = 0; i < codes.n && i < 20; i++) {
    enum terminology_subsumption subsumption;
    if (terminology_subsumes(t, url, code, codes.p[i], &subsumption, &err) == 0)
      FUZZ_CHECK(subsumption == TERMINOLOGY_SUBSUMES || subsumption == TERMINOLOGY_EQUIVALENT);
  }
}

static void one(struct arena *arena, struct str input) {
  const struct yyjson_val *root;
  struct json_limits limits = {.max_bytes = 1 << 16, .max_depth = 100};
  struct terminology *t;
  struct err err;
  if (json_parse(arena, input, &limits, &root, &err) != 0)
    return;
  struct terminology_source source = {.find = find, .what = (void *)(uintptr_t)root};
  if (terminology_open(NULL, &source, 0, &t, &err) != 0)
    return;
  struct json_each each = json_each(root);
  while (json_next(&each)) {
    const struct terminology_value_set *set;
    if (str_is(json_get_text(each.value, STR("resourceType")), "CodeSystem"))
      check_system(arena, t, each.value);
    else if (terminology_value_set_of(t, arena, each.value, &set, &err) == 0)
      check_set(set);
  }
  terminology_close(t);
}

#define SYSTEM                                                                                     \
  "{\"resourceType\":\"CodeSystem\",\"url\":\"s\",\"content\":\"complete\",\"concept\":[{\"code\"" \
  ":\"a\",\"concept\":[{\"code\":\"b\",\"property\":[{\"code\":\"parent\",\"valueCode\":\"c\"}]}"  \
  "]},{\"code\":\"c\"}]}"

FUZZ_TARGET(one, (size_t)256 << 20)
FUZZ_SEEDS(STR("[" SYSTEM ",{\"resourceType\":\"ValueSet\",\"url\":\"v\",\"compose\":{\"include\":["
               "{\"system\":\"s\",\"filter\":[{\"property\":\"concept\",\"op\":\"is-a\",\"value\":"
               "\"a\"}]}],\"exclude\":[{\"system\":\"s\",\"concept\":[{\"code\":\"b\"}]}]}}]"),
           STR("[" SYSTEM ",{\"resourceType\":\"ValueSet\",\"url\":\"v\",\"compose\":{\"include\":["
               "{\"valueSet\":[\"w\",\"v\"]},{\"system\":\"s\",\"filter\":[{\"property\":\"code\","
               "\"op\":\"regex\",\"value\":\"(a|b)*\"}]}]}},{\"resourceType\":\"ValueSet\",\"url\":"
               "\"w\",\"compose\":{\"include\":[{\"system\":\"http://snomed.info/sct\"}],"
               "\"exclude\":[{\"valueSet\":[\"v\"]}]}}]"))
