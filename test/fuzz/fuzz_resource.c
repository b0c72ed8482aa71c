/*
 * Any JSON -> validation. The verdict doesn't depend on the writing: what is valid stays valid when
 * it is written out and read again; every fault has a place that begins with the resource's type.
 */
#include "fuzz.h"

#include "model/validate.h"

static size_t errors_of(struct arena *arena, const struct yyjson_val *root, bool with_invariants) {
  struct validate_options options = {.with_invariants = with_invariants};
  struct issues issues = {0};
  struct err err;
  if (validate_resource(arena, root, &options, &issues, &err) < 0)
    return SIZE_MAX;
  struct str type = json_get_text(root, STR("resourceType"));
  bool is_known = defs_is_resource(defs_type(defs_type_by_name(type)));
  for (size_t i = 0; i < issues.list.n; i++) {
    const struct err *issue = &issues.list.p[i];
    FUZZ_CHECK(issue->text[0] != '\0');
    FUZZ_CHECK(str_is_utf8(str_of(issue->where)) && str_is_utf8(str_of(issue->text)));
    if (issue->severity == ERR_SEVERITY_ERROR)
      FUZZ_CHECK(str_starts_with(str_of(issue->where), is_known ? type : STR("Resource")));
  }
  return issues.errors_n;
}

static void one(struct arena *arena, struct str input) {
  const struct yyjson_val *root, *again;
  struct err err;
  if (validate_init(&err) < 0 || json_parse(arena, input, NULL, &root, &err) < 0)
    return;
  size_t errors = errors_of(arena, root, false), with_rules = errors_of(arena, root, true);
  FUZZ_CHECK(with_rules == SIZE_MAX || errors == SIZE_MAX || with_rules >= errors);
  struct buf buf;
  buf_init_arena(&buf, arena, SIZE_MAX);
  json_write(&buf, root);
  if (buf_is_overflown(&buf) || json_parse(arena, buf_str(&buf), NULL, &again, &err) < 0)
    return;
  size_t same = errors_of(arena, again, false);
  FUZZ_CHECK(same == errors || same == SIZE_MAX || errors == SIZE_MAX);
}

FUZZ_TARGET(one, (size_t)256 << 20)
FUZZ_SEEDS(STR("{\"resourceType\":\"Patient\",\"id\":\"a\",\"text\":{\"status\":\"generated\","
               "\"div\":\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p>x</p></div>\"},"
               "\"gender\":\"male\",\"birthDate\":\"1970-01-01\",\"_birthDate\":{\"extension\":[{"
               "\"url\":\"u\",\"valueDateTime\":\"1970-01-01T00:00:00Z\"}]},\"name\":[{\"given\":["
               "\"a\",null],\"_given\":[null,{\"id\":\"x\",\"extension\":[{\"url\":\"u\","
               "\"valueCode\":\"x\"}]}]}],\"managingOrganization\":{\"reference\":\"#o\"},"
               "\"contained\":[{\"resourceType\":\"Organization\",\"id\":\"o\",\"name\":\"x\"}]}"),
           STR("{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"coding\":[{"
               "\"system\":\"http://loinc.org\",\"code\":\"1-8\"}]},\"subject\":{\"reference\":"
               "\"Patient/1\"},\"valueQuantity\":{\"value\":1.50,\"unit\":\"g\"},"
               "\"referenceRange\":[{\"low\":{\"value\":1}}]}"),
           STR("{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{\"fullUrl\":"
               "\"urn:uuid:c757873d-ec9a-4326-a141-556f43239520\",\"resource\":{\"resourceType\":"
               "\"Basic\",\"code\":{\"text\":\"x\"}},\"request\":{\"method\":\"POST\",\"url\":"
               "\"Basic\"}}]}"))
