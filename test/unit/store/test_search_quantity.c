/* Quantities that were measured in other units than is asked for. */
#include "search_fixture.h"

#define UCUM "http://unitsofmeasure.org"
#define ASK(value, unit) "Observation?value-quantity=" value "%7C" UCUM "%7C" unit

static void put_value(const char *id, const char *value, const char *unit, const char *system,
                      const char *code) {
  put(arena_printf(test_arena,
                   "{'resourceType':'Observation','id':'%s','status':'final','code':{'coding':[{"
                   "'system':'http://loinc.org','code':'g'}]},'valueQuantity':{'value':%s,'unit':"
                   "'%s','system':'%s','code':'%s'}}",
                   id, value, unit, system, code)
          .p);
}

static void put_values(void) {
  put_value("dl", "5.4", "mg/dL", UCUM, "mg/dL");
  put_value("l", "54", "mg/l", UCUM, "mg/L");
  put_value("g", "0.0540", "g/L", UCUM, "g/L");
  put_value("high", "100", "mg/L", UCUM, "mg/L");
  put_value("other", "5.4", "mg/dL", "http://t/units", "mg/dL");
  put_value("mol", "5.4", "mmol/L", UCUM, "mmol/L");
  put_value("hot", "40", "Cel", UCUM, "Cel");
  put_value("cold", "95", "F", UCUM, "[degF]");
}

static void values_in_every_unit_of_the_dimension(void **state) {
  (void)state;
  put_values();
  assert_found(ASK("5.4", "mg/dL"), "dl l g");
  assert_found(ASK("54", "mg/L"), "dl l g");
  assert_found(ASK("gt5.4", "mg/dL"), "high");
  assert_found(ASK("ge54", "mg/L"), "dl l g high");
  assert_found(ASK("lt5.5", "mg/dL"), "dl l g");
  assert_found(ASK("lt5.4", "mg/dL"), "");
  assert_found(ASK("ne5.4", "mg/dL"), "high");
  assert_found(ASK("ap50", "mg/L"), "dl l g");
  assert_found(ASK("sa0.06", "g/L"), "high");
  assert_found(ASK("5.4", "mmol/L"), "mol");
  assert_found(ASK("40", "Cel"), "hot");
  assert_found(ASK("35", "Cel"), "cold");
  assert_found(ASK("gt100", "[degF]"), "hot");
}

/* 5.4 is anything that rounds to it, in whatever unit; 5.40 is closer. */
static void precision_is_that_of_the_query(void **state) {
  (void)state;
  put_value("a", "54.4", "mg/L", UCUM, "mg/L");
  put_value("b", "53.5", "mg/L", UCUM, "mg/L");
  put_value("c", "54.5", "mg/L", UCUM, "mg/L");
  assert_found(ASK("5.4", "mg/dL"), "a b");
  assert_found(ASK("5.44", "mg/dL"), "a");
  assert_found(ASK("5.40", "mg/dL"), "");
  assert_found(ASK("5e0", "mg/dL"), "a b c");
}

/* Half a step of such a number is less than a double can tell apart. */
static void what_has_more_digits_than_a_double_finds_itself(void **state) {
  (void)state;
  put_value("a", "66.89999999999999", "in", UCUM, "[in_i]");
  assert_found(ASK("66.89999999999999", "[in_i]"), "a");
  assert_found(ASK("66.8999999999", "[in_i]"), "");
}

static void without_a_unit_it_is_the_number_that_stands_there(void **state) {
  (void)state;
  put_values();
  assert_found("Observation?value-quantity=5.4", "dl other mol");
  assert_found("Observation?value-quantity=5.4%7C%7Cmg/dL", "dl other");
  assert_found("Observation?value-quantity=5.4%7Chttp://t/units%7Cmg/dL", "other");
  assert_found("Observation?value-quantity=5.4%7C" UCUM "%7Cnot-a-unit", "");
}

static void composites_convert_too(void **state) {
  (void)state;
  put_values();
  assert_found("Observation?code-value-quantity=g$gt99%7C" UCUM "%7Cmg/L", "high");
  assert_found("Observation?code-value-quantity=http://loinc.org%7Cg$9.9%7C" UCUM "%7Cmg/dL", "");
  assert_found("Observation?combo-code-value-quantity=http://loinc.org%7Cg$5.4%7C" UCUM "%7Cmg/dL",
               "dl l g");
  assert_found("Observation?_filter=value-quantity%20eq%205.4%7C" UCUM "%7Cmg/dL", "dl l g");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(values_in_every_unit_of_the_dimension),
      SEARCH_TEST(precision_is_that_of_the_query),
      SEARCH_TEST(what_has_more_digits_than_a_double_finds_itself),
      SEARCH_TEST(without_a_unit_it_is_the_number_that_stands_there),
      SEARCH_TEST(composites_convert_too),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
