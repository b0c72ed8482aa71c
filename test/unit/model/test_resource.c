#include "../test.h"

#include "model/resource.h"

static const struct yyjson_val *parse(const char *z) {
  const struct yyjson_val *root = NULL;
  struct err err;
  assert_int_equal(json_parse(test_arena, str_of(z), NULL, &root, &err), 0);
  return root;
}

static struct str canonical(const char *z, const char *id) {
  struct str body = STR_NULL;
  struct err err;
  assert_int_equal(resource_canonical(test_arena, parse(z), str_of(id), &body, &err), 0);
  return body;
}

static void resource_puts_type_id_and_meta_first(void **state) {
  (void)state;
  assert_str(
      canonical("{ \"active\": true, \"meta\": {\"tag\": [{\"code\": \"x\"}], \"versionId\": "
                "\"7\"}, \"id\": \"old\", \"resourceType\": \"Patient\", \"gender\": "
                "\"male\" }",
                "p1"),
      "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"meta\":{\"tag\":[{\"code\":\"x\"}]},"
      "\"active\":true,\"gender\":\"male\"}");
}

static void resource_drops_what_the_store_owns_and_then_an_empty_meta(void **state) {
  (void)state;
  assert_str(
      canonical("{\"resourceType\":\"Patient\",\"meta\":{\"versionId\":\"1\",\"lastUpdated\":"
                "\"2020-01-01T00:00:00Z\"}}",
                "a"),
      "{\"resourceType\":\"Patient\",\"id\":\"a\"}");
  assert_str(canonical("{\"resourceType\":\"Patient\",\"meta\":{}}", "a"),
             "{\"resourceType\":\"Patient\",\"id\":\"a\"}");
}

static void resource_keeps_numbers_as_written(void **state) {
  (void)state;
  assert_str(canonical("{\"resourceType\":\"X\",\"v\":1.50,\"w\":1e2}", "a"),
             "{\"resourceType\":\"X\",\"id\":\"a\",\"v\":1.50,\"w\":1e2}");
}

static void resource_canonical_is_idempotent(void **state) {
  (void)state;
  struct str once = canonical("{\"resourceType\":\"X\",\"z\":\"\\u00e9\\n\\\"\",\"meta\":{"
                              "\"source\":\"s\"},\"contained\":[{\"resourceType\":\"Y\",\"id\":"
                              "\"c\",\"meta\":{\"versionId\":\"3\"}}]}",
                              "a");
  struct str twice = canonical(arena_str(test_arena, once).p, "a");
  assert_true(str_equal(once, twice));
}

static void resource_refuses_what_would_break_the_head(void **state) {
  (void)state;
  struct str body;
  struct err err;
  const struct {
    const char *json, *id;
    int code;
  } cases[] = {
      {"[]", "a", ERR_STRUCTURE},
      {"{}", "a", ERR_STRUCTURE},
      {"{\"resourceType\":\"P\\\"\"}", "a", ERR_STRUCTURE},
      {"{\"resourceType\":3}", "a", ERR_STRUCTURE},
      {"{\"resourceType\":\"P\",\"meta\":[]}", "a", ERR_STRUCTURE},
      {"{\"resourceType\":\"P\"}", "", ERR_VALUE},
      {"{\"resourceType\":\"P\"}", "a\"b", ERR_VALUE},
      {"{\"resourceType\":\"P\"}",
       "12345678901234567890123456789012345678901234567890123456789012345", ERR_VALUE},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(
        resource_canonical(test_arena, parse(cases[i].json), str_of(cases[i].id), &body, &err),
        cases[i].code);
}

static struct str written(const char *body) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 10000);
  resource_write(&buf, str_of(body), 3, INT64_C(1577836800000000));
  return buf_str(&buf);
}

static void resource_write_splices_version_and_time(void **state) {
  (void)state;
  assert_str(written("{\"resourceType\":\"X\",\"id\":\"a\"}"),
             "{\"resourceType\":\"X\",\"id\":\"a\",\"meta\":{\"versionId\":\"3\",\"lastUpdated\":"
             "\"2020-01-01T00:00:00.000000Z\"}}");
  assert_str(written("{\"resourceType\":\"X\",\"id\":\"a\",\"meta\":{\"source\":\"s\"},\"b\":1}"),
             "{\"resourceType\":\"X\",\"id\":\"a\",\"meta\":{\"versionId\":\"3\",\"lastUpdated\":"
             "\"2020-01-01T00:00:00.000000Z\",\"source\":\"s\"},\"b\":1}");
  assert_str(written("{\"resourceType\":\"X\",\"id\":\"a\",\"b\":{\"meta\":{}}}"),
             "{\"resourceType\":\"X\",\"id\":\"a\",\"meta\":{\"versionId\":\"3\",\"lastUpdated\":"
             "\"2020-01-01T00:00:00.000000Z\"},\"b\":{\"meta\":{}}}");
}

static void resource_write_undone_by_canonical(void **state) {
  (void)state;
  const char *body = "{\"resourceType\":\"X\",\"id\":\"a\",\"meta\":{\"source\":\"s\"},\"b\":1}";
  assert_str(canonical(arena_str(test_arena, written(body)).p, "a"), body);
}

static struct str lookup(void *what, struct str reference) {
  (void)what;
  return str_is(reference, "urn:uuid:1") ? STR("Patient/1") : STR_NULL;
}

static void resource_replaces_references_everywhere(void **state) {
  (void)state;
  const char *text =
      "{\"resourceType\":\"X\",\"id\":\"a\",\"subject\":{\"reference\":\"urn:uuid:1\"},"
      "\"extension\":[{\"url\":\"urn:uuid:1\",\"valueReference\":{\"reference\":"
      "\"urn:uuid:1\",\"display\":\"d\"}}],\"contained\":[{\"resourceType\":\"Y\","
      "\"performer\":[{\"reference\":\"urn:uuid:2\"},{\"reference\":\"urn:uuid:1\"}]"
      "}],\"activity\":{\"reference\":{\"reference\":\"urn:uuid:1\"}}}";
  const struct yyjson_val *tree = parse(text);
  resource_replace_references(tree, lookup, NULL);
  struct buf buf;
  buf_init_arena(&buf, test_arena, 10000);
  json_write(&buf, tree);
  assert_str(buf_str(&buf),
             "{\"resourceType\":\"X\",\"id\":\"a\",\"subject\":{\"reference\":\"Patient/1\"},"
             "\"extension\":[{\"url\":\"urn:uuid:1\",\"valueReference\":{\"reference\":"
             "\"Patient/1\",\"display\":\"d\"}}],\"contained\":[{\"resourceType\":\"Y\","
             "\"performer\":[{\"reference\":\"urn:uuid:2\"},{\"reference\":\"Patient/1\"}]"
             "}],\"activity\":{\"reference\":{\"reference\":\"Patient/1\"}}}");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(resource_puts_type_id_and_meta_first),
      TEST(resource_drops_what_the_store_owns_and_then_an_empty_meta),
      TEST(resource_keeps_numbers_as_written),
      TEST(resource_canonical_is_idempotent),
      TEST(resource_refuses_what_would_break_the_head),
      TEST(resource_write_splices_version_and_time),
      TEST(resource_write_undone_by_canonical),
      TEST(resource_replaces_references_everywhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
