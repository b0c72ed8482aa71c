#include "../test.h"

#include "service/rest.h"

static bool is_served(const char *accept, const char *format, const char *want) {
  struct str type = STR("default");
  struct err err;
  int code = rest_negotiate(str_of(accept), str_of(format), &type, &err);
  return code == 0 && str_starts_with(type, str_of(want));
}

static bool is_refused(const char *accept, const char *format) {
  struct str type;
  struct err err;
  return rest_negotiate(str_of(accept), str_of(format), &type, &err) == ERR_NOT_ACCEPTABLE;
}

static void rest_negotiates_json(void **state) {
  (void)state;
  assert_true(is_served("", "", "default"));
  assert_true(is_served("*/*", "", "default"));
  assert_true(is_served("text/html,application/xhtml+xml,*/*;q=0.8", "", "default"));
  assert_true(is_served("application/fhir+json;fhirVersion=4.0", "", "default"));
  assert_true(is_served("application/fhir+xml;q=0.5, application/json", "", "application/json"));
  assert_true(is_served("application/fhir+xml", "json", "default"));
  assert_true(is_served("", "application/fhir json", "default")); /* '+' not escaped */
}

static void rest_refuses_what_it_cannot_write(void **state) {
  (void)state;
  assert_true(is_refused("application/fhir+xml", ""));
  assert_true(is_refused("application/fhir+json;fhirVersion=3.0", ""));
  assert_true(is_refused("application/json;q=0", ""));
  assert_true(is_refused("*/*", "xml"));
  assert_true(is_refused("*/*", "html"));
}

static void rest_dates_are_those_of_http(void **state) {
  (void)state;
  int64_t at_us;
  assert_true(rest_parse_http_date(STR("Sun, 06 Nov 1994 08:49:37 GMT"), &at_us));
  assert_int_equal(at_us, INT64_C(784111777) * 1000000);
  assert_str(rest_http_date(test_arena, at_us), "Sun, 06 Nov 1994 08:49:37 GMT");
  assert_str(rest_http_date(test_arena, 0), "Thu, 01 Jan 1970 00:00:00 GMT");
  assert_false(rest_parse_http_date(STR("Sun, 31 Feb 1994 08:49:37 GMT"), &at_us));
  assert_false(rest_parse_http_date(STR("Sunday, 06-Nov-94 08:49:37 GMT"), &at_us));
  assert_false(rest_parse_http_date(STR(""), &at_us));
}

static void rest_dates_are_read_as_they_are_written(void **state) {
  (void)state;
  /* Every 1,234,567 seconds from 1970 to 2100. */
  for (int64_t s = 0; s < INT64_C(4102444800); s += 1234567) {
    int64_t back_us = -1;
    assert_true(rest_parse_http_date(rest_http_date(test_arena, s * 1000000), &back_us));
    assert_int_equal(back_us, s * 1000000);
  }
}

static void rest_etags_are_versions(void **state) {
  (void)state;
  assert_str(rest_etag(test_arena, 17), "W/\"17\"");
  assert_int_equal(transaction_version_of_etag(STR(" W/\"17\" ")), 17);
  assert_int_equal(transaction_version_of_etag(STR("\"3\"")), 3);
  assert_int_equal(transaction_version_of_etag(STR("3")), 3);
  assert_int_equal(transaction_version_of_etag(STR("W/\"x\"")), 0);
  assert_int_equal(transaction_version_of_etag(STR("W/\"99999999999\"")), 0);
  assert_int_equal(transaction_version_of_etag(STR("*")), 0);
}

static void rest_outcome_tells_elements_from_other_places(void **state) {
  (void)state;
  struct err issues[2];
  (void)!err_set(&issues[0], ERR_VALUE, "Patient.birthDate", "A \"fault\".");
  (void)!err_set(&issues[1], ERR_STRUCTURE, "line 2 column 8", "Another.");
  issues[1].severity = ERR_SEVERITY_FATAL;
  assert_str(rest_outcome(test_arena, issues, 2),
             "{\"resourceType\":\"OperationOutcome\",\"issue\":["
             "{\"severity\":\"error\",\"code\":\"value\",\"diagnostics\":\"A \\\"fault\\\".\","
             "\"expression\":[\"Patient.birthDate\"]},"
             "{\"severity\":\"fatal\",\"code\":\"structure\","
             "\"diagnostics\":\"line 2 column 8: Another.\"}]}");
}

static void rest_operations_have_forms_that_differ(void **state) {
  (void)state;
  size_t n;
  const struct rest_operation *rows = rest_operations(&n);
  for (size_t i = 0; i < n; i++) {
    assert_non_null(rows[i].run);
    assert_true(rows[i].interaction[0] || rows[i].operation[0]);
    for (size_t k = 0; k < i; k++)
      assert_false(strcmp(rows[i].method, rows[k].method) == 0 &&
                   strcmp(rows[i].path, rows[k].path) == 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(rest_negotiates_json),
      TEST(rest_refuses_what_it_cannot_write),
      TEST(rest_dates_are_those_of_http),
      TEST(rest_dates_are_read_as_they_are_written),
      TEST(rest_etags_are_versions),
      TEST(rest_outcome_tells_elements_from_other_places),
      TEST(rest_operations_have_forms_that_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
