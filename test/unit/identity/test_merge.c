#include "../test.h"

#include "identity/merge.h"

static const struct yyjson_val *parse(struct str text) {
  const struct yyjson_val *json;
  struct err err;
  assert_int_equal(json_parse(test_arena, text, NULL, &json, &err), 0);
  return json;
}

static struct str merge(const char *type, const char *known, const char *said, const char *nulled) {
  struct str result, names[] = {nulled ? str_of(nulled) : STR_NULL};
  struct err err;
  defs_type_id type_id = defs_type_by_name(str_of(type));
  assert_int_equal(merge_resource(test_arena, type_id, parse(str_of(known)), parse(str_of(said)),
                                  names, nulled ? 1 : 0, &result, &err),
                   0);
  /* The law: the same said again changes nothing. */
  struct str again;
  assert_int_equal(merge_resource(test_arena, type_id, parse(result), parse(str_of(said)), names,
                                  nulled ? 1 : 0, &again, &err),
                   0);
  assert_true(str_equal(result, again));
  return result;
}

#define P "\"resourceType\":\"Patient\",\"id\":\"1\""
#define S "\"resourceType\":\"Patient\""

static void what_is_said_replaces_and_the_rest_stays_in_its_place(void **state) {
  (void)state;
  assert_str(
      merge("Patient",
            "{" P ",\"gender\":\"male\",\"name\":[{\"family\":\"A\"}],\"birthDate\":\"1980\"}",
            "{" S ",\"active\":true,\"name\":[{\"family\":\"B\"},{\"family\":\"C\"}]}", NULL),
      "{" P ",\"gender\":\"male\",\"name\":[{\"family\":\"B\"},{\"family\":\"C\"}],\"birthDate\":"
      "\"1980\",\"active\":true}");
}

static void a_choice_replaces_its_other_type_and_takes_its_siblings(void **state) {
  (void)state;
  assert_str(merge("Observation",
                   "{\"resourceType\":\"Observation\",\"valueString\":\"x\",\"_valueString\":{"
                   "\"id\":\"a\"},\"status\":\"final\"}",
                   "{\"resourceType\":\"Observation\",\"valueInteger\":1}", NULL),
             "{\"resourceType\":\"Observation\",\"valueInteger\":1,\"status\":\"final\"}");
  assert_str(merge("Patient", "{" P ",\"deceasedBoolean\":false}",
                   "{" S ",\"deceasedDateTime\":\"2020\"}", NULL),
             "{" P ",\"deceasedDateTime\":\"2020\"}");
}

static void what_is_nulled_goes_with_its_sibling(void **state) {
  (void)state;
  assert_str(merge("Patient",
                   "{" P
                   ",\"birthDate\":\"1980\",\"_birthDate\":{\"id\":\"a\"},\"gender\":\"male\"}",
                   "{" S "}", "birthDate"),
             "{" P ",\"gender\":\"male\"}");
  assert_str(merge("Patient", "{" P ",\"deceasedBoolean\":true}", "{" S "}", "deceased"),
             "{" P "}");
}

static void identifiers_unite_by_system_and_value(void **state) {
  (void)state;
  assert_str(merge("Patient",
                   "{" P ",\"identifier\":[{\"system\":\"a\",\"value\":\"1\"},{\"system\":\"b\","
                   "\"value\":\"1\"}]}",
                   "{" S ",\"identifier\":[{\"system\":\"b\",\"value\":\"1\",\"use\":\"old\"},{"
                   "\"system\":\"c\",\"value\":\"1\"}]}",
                   NULL),
             "{" P ",\"identifier\":[{\"system\":\"a\",\"value\":\"1\"},{\"system\":\"b\","
             "\"value\":\"1\",\"use\":\"old\"},"
             "{\"system\":\"c\",\"value\":\"1\"}]}");
}

/* Several extensions of one url are said anew together; they must not multiply. */
static void extensions_of_one_url_are_replaced_together(void **state) {
  (void)state;
  const char *known = "{" P ",\"extension\":[{\"url\":\"r\",\"valueString\":\"1\"},{\"url\":\"q\","
                      "\"valueString\":\"k\"},{\"url\":\"r\",\"valueString\":\"2\"}]}";
  const char *said = "{" S ",\"extension\":[{\"url\":\"r\",\"valueString\":\"3\"},{\"url\":\"r\","
                     "\"valueString\":\"4\"}]}";
  assert_str(
      merge("Patient", known, said, NULL),
      "{" P
      ",\"extension\":[{\"url\":\"r\",\"valueString\":\"3\"},{\"url\":\"r\",\"valueString\":\"4\"},"
      "{\"url\":\"q\",\"valueString\":\"k\"}]}");
}

static void lineage_finds_where_an_item_went(void **state) {
  (void)state;
  const char *said =
      "{" S
      ",\"identifier\":[{\"system\":\"c\",\"value\":\"1\"},{\"system\":\"a\",\"value\":\"1\"}]}";
  struct str merged =
      merge("Patient", "{" P ",\"identifier\":[{\"system\":\"a\",\"value\":\"1\"}]}", said, NULL);
  assert_int_equal(merge_item_index(parse(merged), parse(str_of(said)), STR("identifier"), 0), 1);
  assert_int_equal(merge_item_index(parse(merged), parse(str_of(said)), STR("identifier"), 1), 0);
  assert_int_equal(merge_item_index(parse(merged), parse(str_of(said)), STR("identifier"), 2), -1);
}

static void a_merged_patient_hands_its_identifiers_over(void **state) {
  (void)state;
  struct str result;
  struct err err;
  const struct yyjson_val *into =
      parse(STR("{" P ",\"identifier\":[{\"system\":\"a\",\"value\":\"1\"}]}"));
  const struct yyjson_val *from =
      parse(STR("{" P ",\"active\":true,\"identifier\":[{\"system\":\"a\",\"value\":\"1\"},{"
                "\"system\":\"a\",\"value\":\"2\",\"use\":\"usual\"}]}"));
  assert_int_equal(merge_move_identifiers(test_arena, into, from, &result, &err), 0);
  assert_str(result, "{" P ",\"identifier\":[{\"system\":\"a\",\"value\":\"1\"},{\"use\":\"old\","
                     "\"system\":\"a\",\"value\":\"2\"}]}");
  assert_int_equal(merge_patient_link(test_arena, from, STR("Patient/9"), STR("replaced-by"), true,
                                      &result, &err),
                   0);
  assert_str(result, "{" P ",\"active\":false,\"link\":[{\"other\":{\"reference\":\"Patient/"
                     "9\"},\"type\":\"replaced-by\"}]}");
  struct str again;
  assert_int_equal(merge_patient_link(test_arena, parse(result), STR("Patient/9"),
                                      STR("replaced-by"), true, &again, &err),
                   0);
  assert_true(str_equal(result, again));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_is_said_replaces_and_the_rest_stays_in_its_place),
      TEST(a_choice_replaces_its_other_type_and_takes_its_siblings),
      TEST(what_is_nulled_goes_with_its_sibling),
      TEST(identifiers_unite_by_system_and_value),
      TEST(extensions_of_one_url_are_replaced_together),
      TEST(lineage_finds_where_an_item_went),
      TEST(a_merged_patient_hands_its_identifiers_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
