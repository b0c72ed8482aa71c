#include "../test.h"

#include "service/rest.h"

static bool is_served(const char *accept, const char *format, const char *want) {
  struct rest_media media = {.is_xml = false};
  struct err err;
  int code = rest_negotiate(str_of(accept), str_of(format), false, &media, &err);
  return code == 0 && str_starts_with(media.content_type, str_of(want)) &&
         str_ends_with(media.content_type, STR("; charset=utf-8")) &&
         media.is_xml == (str_find(str_of(want), STR("xml")) >= 0);
}

static bool is_refused(const char *accept, const char *format) {
  struct rest_media media;
  struct err err;
  return rest_negotiate(str_of(accept), str_of(format), false, &media, &err) == ERR_NOT_ACCEPTABLE;
}

static void rest_negotiates_json_and_xml(void **state) {
  (void)state;
  assert_true(is_served("", "", "application/fhir+json"));
  assert_true(is_served("*/*", "", "application/fhir+json"));
  assert_true(is_served("text/html,application/xhtml+xml,*/*;q=0.8", "", "application/fhir+json"));
  assert_true(is_served("application/fhir+json;fhirVersion=4.0", "", "application/fhir+json"));
  assert_true(is_served("application/fhir+xml", "json", "application/fhir+json"));
  assert_true(
      is_served("", "application/fhir json", "application/fhir+json")); /* '+' not escaped */
  assert_true(is_served("", "application/fhir xml", "application/fhir+xml"));
  assert_true(is_served("application/fhir+json", "xml", "application/fhir+xml"));
  assert_true(is_served("APPLICATION/FHIR+XML; charset=utf-8", "", "application/fhir+xml"));
  assert_true(is_served("application/xml", "", "application/xml"));
  assert_true(is_served("text/xml", "", "text/xml"));
  assert_true(is_served("", "text/xml", "text/xml"));
}

static void rest_gives_what_has_the_highest_quality(void **state) {
  (void)state;
  assert_true(is_served("application/fhir+xml;q=0.5, application/json", "", "application/json"));
  assert_true(is_served("application/json;q=0.5, application/fhir+xml ;Q=0.7, */*;q=0.1", "",
                        "application/fhir+xml"));
  assert_true(is_served("application/fhir+xml, application/fhir+json", "", "application/fhir+xml"));
  assert_true(is_served("application/fhir+xml, */*", "", "application/fhir+xml"));
  assert_true(is_served("application/fhir+json;q=0, */*", "", "application/fhir+xml"));
  assert_true(is_served("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "",
                        "application/fhir+json")); /* a browser */
  assert_true(is_served("application/fhir+xml;fhirVersion=3.0, application/fhir+json;q=0.1", "",
                        "application/fhir+json"));
}

static void rest_answers_xml_with_xml_unless_the_client_says_what_it_wants(void **state) {
  (void)state;
  static const struct {
    const char *accept;
    bool is_xml;
  } cases[] = {
      {"", true}, {"*/*", true}, {"application/json, */*", false}, {"application/xml", true}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct rest_media media = {.is_xml = !cases[i].is_xml};
    struct err err;
    assert_int_equal(rest_negotiate(str_of(cases[i].accept), STR_NULL, true, &media, &err), 0);
    assert_int_equal(media.is_xml, cases[i].is_xml);
  }
  assert_true(rest_is_xml(STR("text/xml; charset=utf-8")));
  assert_false(rest_is_xml(STR_NULL));
}

static void rest_refuses_what_it_cannot_write(void **state) {
  (void)state;
  assert_true(is_refused("text/turtle", ""));
  assert_true(is_refused("application/fhir+json;fhirVersion=3.0", ""));
  assert_true(is_refused("application/json;q=0", ""));
  assert_true(is_refused("application/fhir+json;q=0, application/fhir+xml;q=0, */*", ""));
  assert_true(is_refused("*/*", "html"));
  assert_true(is_refused("*/*", "ttl"));
}

static int media_of(const char *content_type, const char *body) {
  bool is_xml = false;
  struct err err;
  int code = rest_media_of_body(str_of(content_type), str_of(body), &is_xml, &err);
  return code ? code : is_xml;
}

static void rest_knows_the_form_of_a_body(void **state) {
  (void)state;
  assert_int_equal(media_of("application/fhir+xml; charset=UTF-8; fhirVersion=4.0", "{"), true);
  assert_int_equal(media_of("application/json; charset=\"utf-8\"", "<"), false);
  assert_int_equal(media_of("text/xml", ""), true);
  assert_int_equal(media_of("", " \n<a/>"), true);
  assert_int_equal(media_of("", "{}"), false);
  assert_int_equal(media_of("text/plain", "{}"), ERR_MEDIA_TYPE);
  assert_int_equal(media_of("application/fhir+xml; charset=iso-8859-1", ""), ERR_MEDIA_TYPE);
  assert_int_equal(media_of("application/fhir+json; fhirVersion=1.0", ""), ERR_MEDIA_TYPE);
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
      TEST(rest_negotiates_json_and_xml),
      TEST(rest_gives_what_has_the_highest_quality),
      TEST(rest_answers_xml_with_xml_unless_the_client_says_what_it_wants),
      TEST(rest_knows_the_form_of_a_body),
      TEST(rest_refuses_what_it_cannot_write),
      TEST(rest_dates_are_those_of_http),
      TEST(rest_dates_are_read_as_they_are_written),
      TEST(rest_etags_are_versions),
      TEST(rest_outcome_tells_elements_from_other_places),
      TEST(rest_operations_have_forms_that_differ),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
