#include "../test.h"

#include "service/timeline.h"
#include "service/titles.h"

static const struct yyjson_val *parse(const char *z) {
  const struct yyjson_val *root = NULL;
  struct err err;
  assert_int_equal(json_parse(test_arena, str_of(z), NULL, &root, &err), 0);
  return root;
}

/* The entry of a resource as JSON; "" when it has no place in the timeline. */
static struct str written(const char *type, const char *z) {
  struct store_resource *resource = ARENA_NEW(test_arena, struct store_resource);
  struct timeline_entry entry;
  struct buf buf;
  resource->type = defs_type_by_name(str_of(type));
  resource->id = STR("1");
  resource->version = 2;
  if (!timeline_read(resource, parse(z), &entry))
    return STR("");
  buf_init_arena(&buf, test_arena, 10000);
  struct json_writer w = json_writer(&buf);
  timeline_write(&w, test_arena, &entry);
  return buf_str(&buf);
}

static bool has(struct str s, const char *z) {
  return str_find(s, str_of(z)) >= 0;
}

static void titles_of_names(void **state) {
  (void)state;
  assert_str(titles_name(test_arena, parse("{\"family\":\"Lee\",\"given\":[\"Ann\",\"B\"],"
                                           "\"prefix\":[\"Dr\"]}")),
             "Dr Ann B Lee");
  assert_str(titles_name(test_arena, parse("{\"text\":\"As written\",\"family\":\"Lee\"}")),
             "As written");
  const struct yyjson_val *names =
      parse("[{\"use\":\"old\",\"family\":\"Old\"},{\"use\":\"official\",\"family\":\"Now\"}]");
  assert_str(titles_name(test_arena, titles_best_name(names)), "Now");
  assert_int_equal(titles_name(test_arena, titles_best_name(NULL)).n, 0);
}

static void titles_of_concepts(void **state) {
  (void)state;
  assert_str(titles_concept(parse("{\"coding\":[{\"code\":\"x\"},{\"display\":\"Shown\"}]}")),
             "Shown");
  assert_str(titles_concept(parse("{\"coding\":[{\"code\":\"x\"}]}")), "x");
  assert_str(titles_concept(parse("{\"coding\":[{\"system\":"
                                  "\"http://terminology.hl7.org/CodeSystem/v3-MaritalStatus\","
                                  "\"code\":\"M\"}]}")),
             "Married");
  assert_int_equal(titles_concept(NULL).n, 0);
}

static void timeline_of_a_result(void **state) {
  (void)state;
  struct str entry = written(
      "Observation",
      "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"text\":\"Potassium\"},"
      "\"effectiveDateTime\":\"2026-02-17\",\"encounter\":{\"reference\":\"Encounter/e\"},"
      "\"valueQuantity\":{\"value\":5.90,\"comparator\":\">\",\"unit\":\"mmol/L\"},"
      "\"referenceRange\":[{\"low\":{\"value\":3.5},\"high\":{\"value\":5.1}}],"
      "\"interpretation\":[{\"coding\":[{\"code\":\"HH\"}]}]}");
  assert_true(has(entry, "\"kind\":\"result\""));
  assert_true(has(entry, "\"title\":\"Potassium\",\"value\":\">5.90\",\"unit\":\"mmol/L\","
                         "\"range\":\"3.5-5.1\",\"flag\":\"HH\",\"status\":\"final\""));
  assert_true(has(entry, "\"date\":\"2026-02-17\""));
  assert_true(has(entry, "\"encounter\":\"e\""));
}

static void timeline_of_components(void **state) {
  (void)state;
  struct str entry = written(
      "Observation",
      "{\"code\":{\"text\":\"Blood pressure\"},\"component\":["
      "{\"code\":{\"text\":\"Systolic\"},\"valueQuantity\":{\"value\":120,\"unit\":\"mmHg\"}},"
      "{\"code\":{\"text\":\"Diastolic\"},\"valueQuantity\":{\"value\":80,\"unit\":\"mmHg\"}}]}");
  assert_true(has(entry, "\"value\":\"Systolic 120 mmHg, Diastolic 80 mmHg\""));
}

static void timeline_knows_its_types_only(void **state) {
  (void)state;
  assert_int_equal(written("Patient", "{}").n, 0);
  assert_int_equal(written("Organization", "{}").n, 0);
  assert_true(has(written("Condition", "{\"clinicalStatus\":{\"coding\":[{\"code\":\"active\"}]}}"),
                  "\"status\":\"active\""));
}

static void timeline_sorts_newest_first_and_undated_last(void **state) {
  (void)state;
  struct store_resource resource = {0};
  struct timeline_entry entries[] = {{.at_us = INT64_MIN, .resource = &resource},
                                     {.at_us = 1, .resource = &resource},
                                     {.at_us = 2, .resource = &resource}};
  qsort(entries, 3, sizeof entries[0], timeline_compare);
  assert_int_equal(entries[0].at_us, 2);
  assert_int_equal(entries[2].at_us, INT64_MIN);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(titles_of_names),
      TEST(titles_of_concepts),
      TEST(timeline_of_a_result),
      TEST(timeline_of_components),
      TEST(timeline_knows_its_types_only),
      TEST(timeline_sorts_newest_first_and_undated_last),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
