/*
 * An expression on the first line, JSON after it: compiled (also strictly), evaluated, the results
 * located and printed; the JSON's search values extracted, its canonical bytes made. Evaluation is
 * repeatable, what is printed is JSON; canonical bytes are a fixed point, also after
 * version and time were put in.
 */
#include "fuzz.h"

#include "model/fhirpath.h"
#include "model/fhirpath_text.h"
#include "model/resource.h"
#include "model/search_values.h"

static const struct str PATIENT = {
    "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"A\",\"given\":[\"B\",null],\"_given\":["
    "null,{\"extension\":[{\"url\":\"u\",\"valueString\":\"x\"}]}]}],\"birthDate\":\"1970-01-01\","
    "\"multipleBirthInteger\":2}",
    181};

static void check_output(struct arena *arena, const struct yyjson_val *root, defs_type_id type,
                         struct fhirpath_values values) {
  struct str *paths = ARENA_ARRAY(arena, struct str, values.n + 1);
  const struct yyjson_val *parsed;
  struct buf buf;
  struct err err;
  if (!paths || fhirpath_locate(arena, root, type, values, paths, &err) < 0)
    return;
  buf_init_arena(&buf, arena, SIZE_MAX);
  struct json_writer w = json_writer(&buf);
  json_begin_array(&w);
  for (size_t i = 0; i < values.n; i++) {
    FUZZ_CHECK(!paths[i].p || values.p[i].kind == FHIRPATH_NODE);
    (void)fhirpath_text(arena, &values.p[i]);
    fhirpath_write_json(&w, arena, &values.p[i]);
  }
  json_end_array(&w);
  if (!buf_is_overflown(&buf)) {
    int code = json_parse(arena, buf_str(&buf), NULL, &parsed, &err);
    FUZZ_CHECK(code == 0 || code == ERR_NO_MEMORY || code == ERR_TOO_LONG);
  }
}

static int evaluate(struct arena *arena, const struct fhirpath *program,
                    const struct yyjson_val *root, size_t *ret_n) {
  struct fhirpath_context context = {
      .resource = root, .root_resource = root, .now_us = 1, .max_steps = 5000};
  struct fhirpath_values values = {0};
  struct err err;
  defs_type_id type = defs_type_by_name(json_get_text(root, STR("resourceType")));
  int code = fhirpath_eval(arena, program, root, type, &context, &values, &err);
  *ret_n = values.n;
  if (code == 0)
    check_output(arena, root, type, values);
  return code;
}

static void check_canonical(struct arena *arena, const struct yyjson_val *root) {
  struct str body, again;
  struct err err;
  const struct yyjson_val *parsed;
  struct buf buf;
  if (resource_canonical(arena, root, STR("id-1"), &body, &err) < 0)
    return;
  buf_init_arena(&buf, arena, SIZE_MAX);
  resource_write(&buf, body, 7, 1);
  if (buf_is_overflown(&buf) || json_parse(arena, buf_str(&buf), NULL, &parsed, &err) < 0)
    return;
  FUZZ_CHECK(str_equal(json_get_text(json_get(parsed, STR("meta")), STR("versionId")), STR("7")));
  if (resource_canonical(arena, parsed, STR("id-1"), &again, &err) == 0)
    FUZZ_CHECK(str_equal(body, again));
}

static void one(struct arena *arena, struct str input) {
  struct str rest = input, expression = STR_NULL;
  struct err err;
  const struct yyjson_val *root;
  const struct fhirpath *program;
  struct search_values values;
  (void)str_split(&rest, '\n', &expression);
  if (json_parse(arena, rest.n ? rest : PATIENT, NULL, &root, &err) < 0)
    return;
  if (search_values_init(&err) == 0)
    (void)!search_values_extract(arena, root, &values, &err);
  check_canonical(arena, root);
  struct fhirpath_options strict = {.mode = FHIRPATH_STRICT};
  strict.type = defs_type_by_name(json_get_text(root, STR("resourceType")));
  (void)!fhirpath_compile_with(arena, expression, &strict, &program, &err);
  if (fhirpath_compile(arena, expression, 0, &program, &err) < 0)
    return;
  size_t n = 0, again_n = 0;
  int code = evaluate(arena, program, root, &n);
  if (code == ERR_NO_MEMORY)
    return;
  int again = evaluate(arena, program, root, &again_n);
  FUZZ_CHECK(again == ERR_NO_MEMORY || (again == code && again_n == n));
}

FUZZ_TARGET(one, (size_t)64 << 20)
FUZZ_SEEDS(STR("name.where(given.first() = 'B' and family.matches('[A-Z]+')).given[0] | 1.5 'mg'"),
           STR("iif(birthDate + 1 year > @1970-02, %resource.descendants().count(), -3.5 div 2)\n"
               "{\"resourceType\":\"Patient\",\"birthDate\":\"1970\",\"meta\":{\"tag\":[]}}"),
           STR("Observation.value.as(Quantity).value.toString() & 'x' // c\n"
               "{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":1e5},\"component\":["
               "{\"code\":{\"coding\":[{\"code\":\"a\"}]},\"valueQuantity\":{\"value\":2}}]}"),
           STR("1.5 'mg/dL' * 2 'L' + 3 'mg' - 4 days ~ 1 'wk' / 2 'm'"),
           STR("name.elementDefinition().path | descendants().distinct().intersect(children())"),
           STR("name.given.repeat(extension).aggregate($total & $this.url, '') ~ @T10:30:00.5"))
