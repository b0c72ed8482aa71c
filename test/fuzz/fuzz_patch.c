/*
 * Any document as patch of any resource, in all three forms: the first line is the resource, the
 * rest the patch. What a patch makes can be written and read again; a fault has a sentence; the
 * resource is as it was before.
 */
#include "fuzz.h"

#include "model/patch.h"

static struct str written(struct arena *arena, const struct yyjson_val *json) {
  struct buf buf;
  buf_init_arena(&buf, arena, SIZE_MAX);
  json_write(&buf, json);
  FUZZ_CHECK(!buf_is_overflown(&buf));
  return buf_str(&buf);
}

static void check_result(struct arena *arena, const struct yyjson_val *result) {
  const struct yyjson_val *again;
  struct err err;
  bool is_equal = false;
  struct str text = written(arena, result);
  struct json_limits limits = {.max_bytes = SIZE_MAX, .max_depth = 100};
  FUZZ_CHECK(json_parse(arena, text, &limits, &again, &err) == 0);
  FUZZ_CHECK(str_equal(written(arena, again), text));
  if (patch_is_equal(arena, result, again, &is_equal, &err) == 0)
    FUZZ_CHECK(is_equal);
}

static void apply(struct arena *arena, const struct yyjson_val *resource,
                  const struct patch *patch) {
  const struct yyjson_val *result = NULL;
  struct err err = {.text = ""};
  struct str before = written(arena, resource);
  int code = patch_apply(arena, patch, resource, &result, &err);
  FUZZ_CHECK(str_equal(written(arena, resource), before));
  if (code == 0) {
    check_result(arena, result);
  } else {
    FUZZ_CHECK(code == (int)err.code && err.text[0] != '\0');
    FUZZ_CHECK(str_is_utf8(str_of(err.where)) && str_is_utf8(str_of(err.text)));
  }
}

static void one(struct arena *arena, struct str input) {
  const struct yyjson_val *resource;
  struct patch patch = {.kind = PATCH_XML};
  struct str rest = input, first = STR_NULL;
  struct err err;
  str_split(&rest, '\n', &first);
  if (json_parse(arena, first, NULL, &resource, &err) < 0)
    return;
  if (rest.n > 0 && rest.p[0] == '<') {
    patch.xml = rest;
    apply(arena, resource, &patch);
  } else if (json_parse(arena, rest, NULL, &patch.document, &err) == 0) {
    patch.kind = json_kind(patch.document) == JSON_ARRAY ? PATCH_JSON : PATCH_FHIRPATH;
    apply(arena, resource, &patch);
  }
}

FUZZ_TARGET(one, (size_t)512 << 20)
FUZZ_SEEDS(
    STR("{\"a\":[1,{\"b\":\"c\"}],\"~/\":1.50}\n[{\"op\":\"add\",\"path\":\"/a/-\",\"value\":{}},"
        "{\"op\":\"copy\",\"from\":\"/a\",\"path\":\"/a/1/d\"},{\"op\":\"move\",\"from\":\"/a/0\","
        "\"path\":\"/x\"},{\"op\":\"test\",\"path\":\"/~0~1\",\"value\":15e-1},{\"op\":\"remove\","
        "\"path\":\"/x\"},{\"op\":\"replace\",\"path\":\"\",\"value\":[]}]"),
    STR("{\"resourceType\":\"Patient\",\"name\":[{\"given\":[\"a\",null,\"c\"],\"_given\":[null,{"
        "\"id\":\"x\"},null]}],\"birthDate\":\"1970\",\"contact\":[{\"name\":{\"text\":\"n\"}}]}\n"
        "{\"resourceType\":\"Parameters\",\"parameter\":[{\"name\":\"operation\",\"part\":[{"
        "\"name\":\"type\",\"valueCode\":\"insert\"},{\"name\":\"path\",\"valueString\":"
        "\"Patient.name.given\"},{\"name\":\"index\",\"valueInteger\":1},{\"name\":\"value\","
        "\"valueString\":\"b\",\"_valueString\":{\"id\":\"y\"}}]},{\"name\":\"operation\",\"part\":"
        "[{\"name\":\"type\",\"valueCode\":\"delete\"},{\"name\":\"path\",\"valueString\":"
        "\"Patient.contact.name.text\"}]},{\"name\":\"operation\",\"part\":[{\"name\":\"type\","
        "\"valueCode\":\"add\"},{\"name\":\"path\",\"valueString\":\"Patient.birthDate\"},{"
        "\"name\":\"name\",\"valueString\":\"extension\"},{\"name\":\"value\",\"part\":[{\"name\":"
        "\"url\",\"valueUri\":\"u\"},{\"name\":\"value\",\"valueCode\":\"v\"}]}]}]}"),
    STR("{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":1}}\n{\"resourceType\":"
        "\"Parameters\",\"parameter\":[{\"name\":\"operation\",\"part\":[{\"name\":\"type\","
        "\"valueCode\":\"replace\"},{\"name\":\"path\",\"valueString\":\"Observation.value\"},{"
        "\"name\":\"value\",\"valueString\":\"x\"}]},{\"name\":\"operation\",\"part\":[{\"name\":"
        "\"type\",\"valueCode\":\"move\"},{\"name\":\"path\",\"valueString\":"
        "\"Observation.category\"},{\"name\":\"source\",\"valueInteger\":1},{\"name\":"
        "\"destination\",\"valueInteger\":0}]}]}"),
    STR("{\"resourceType\":\"Patient\",\"id\":\"a\",\"name\":[{\"use\":\"usual\",\"given\":[\"a\","
        "\"b\"]}],\"text\":{\"status\":\"generated\",\"div\":\"<div "
        "xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p>x<b>y</b>z</p></div>\"}}\n<diff "
        "xmlns=\"http://hl7.org/fhir\"><add sel=\"Patient/name[use/@value='usual']/given[1]\" "
        "pos=\"before\"><given value=\"n\"/></add><replace sel=\"Patient/name/given[2]/@value\">q"
        "</replace><remove sel=\"f:Patient/f:text/h:div/h:p/h:b\"/><remove "
        "sel=\"id('x')/*/text()[1]\"/></diff>"))
