#include "../test.h"

#include "base/clock.h"
#include "model/search_values.h"

static void assert_folds(const char *in, const char *out) {
  assert_str(search_normal_string(test_arena, str_of(in)), out);
}

static void strings_fold_case_marks_punctuation_and_space(void **state) {
  (void)state;
  assert_folds("", "");
  assert_folds("  Peter\t James ", "peter james");
  assert_folds("O'Brien-Smith, Jr.", "obriensmith jr");
  assert_folds("M\u00fcller", "muller");
  assert_folds("Mu\u0308ller", "muller");
  assert_folds("Stra\u00dfe", "strasse");
  assert_folds("\u0130stanbul", "istanbul");
  assert_folds("\uff21\uff22\u3000\ufb01", "ab fi");
  assert_folds("\u2019\u2014", "");
  assert_folds("\u5c71\u7530", "\u5c71\u7530");
  assert_folds("A+B $5", "a+b $5");
}

static int64_t at(int year, int month, int day, int hour, int minute, int second, int us) {
  return clock_from_civil((struct clock_civil){year, month, day, hour, minute, second, us});
}

static void dates_are_ranges_of_the_written_precision(void **state) {
  (void)state;
  int64_t from, to;
  assert_true(search_normal_date(STR("2013"), &from, &to));
  assert_true(from == at(2013, 1, 1, 0, 0, 0, 0) && to == at(2014, 1, 1, 0, 0, 0, 0));
  assert_true(search_normal_date(STR("2013-12"), &from, &to));
  assert_true(from == at(2013, 12, 1, 0, 0, 0, 0) && to == at(2014, 1, 1, 0, 0, 0, 0));
  assert_true(search_normal_date(STR("2012-02-29"), &from, &to));
  assert_true(from == at(2012, 2, 29, 0, 0, 0, 0) && to == at(2012, 3, 1, 0, 0, 0, 0));
  assert_true(search_normal_date(STR("2013-01-14T10:00"), &from, &to));
  assert_true(from == at(2013, 1, 14, 10, 0, 0, 0) && to == at(2013, 1, 14, 10, 1, 0, 0));
  assert_true(search_normal_date(STR("2013-01-14T10:00:05+02:00"), &from, &to));
  assert_true(from == at(2013, 1, 14, 8, 0, 5, 0) && to == at(2013, 1, 14, 8, 0, 6, 0));
  assert_true(search_normal_date(STR("2013-01-14T10:00:05.25-05:30"), &from, &to));
  assert_true(from == at(2013, 1, 14, 15, 30, 5, 250000) &&
              to == at(2013, 1, 14, 15, 30, 5, 260000));
  assert_true(search_normal_date(STR("2013-01-14T10:00:05.123456789Z"), &from, &to));
  assert_true(from == at(2013, 1, 14, 10, 0, 5, 123456) && to == from + 1);
}

static void dates_that_are_none_are_refused(void **state) {
  (void)state;
  const char *bad[] = {"",
                       "13",
                       "0000",
                       "2013-",
                       "2013-13",
                       "2013-02-29",
                       "2013-00-01",
                       "2013-1-1",
                       "2013-01-01T",
                       "2013-01-01T24:00",
                       "2013-01-01T10",
                       "2013-01-01T10:00:00.",
                       "2013-01-01T10:00:00+1:00",
                       "2013-01-01T10:00:00+15:00",
                       "2013-01-01 10:00:00",
                       "2013-01-01T10:00:00Zx",
                       "x2013"};
  int64_t from, to;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(search_normal_date(str_of(bad[i]), &from, &to));
}

static void assert_range(const char *in, double expect_from, double expect_to) {
  double from = 0, to = 0;
  assert_true(search_normal_number(str_of(in), &from, &to));
  if (from != expect_from || to != expect_to)
    fail_msg("%s: [%.17g, %.17g)", in, from, to);
}

static void numbers_are_ranges_of_the_written_precision(void **state) {
  (void)state;
  assert_range("100", 99.5, 100.5);
  assert_range("100.00", 99.995, 100.005);
  assert_range("5.40", 5.395, 5.405);
  assert_range("1e2", 95, 105);
  assert_range("5.4e2", 535, 545);
  assert_range("-3", -3.5, -2.5);
  assert_range("0", -0.5, 0.5);
  assert_range("0.0001", 0.00005, 0.00015);
  assert_range("1.00e-3", 0.000995, 0.001005);
  double from, to;
  assert_true(search_normal_number(STR("3.14159265358979323846264338327950288"), &from, &to));
  assert_true(from < 3.1415926535897932 && to > 3.1415926535897932);
}

static void numbers_that_are_none_are_refused(void **state) {
  (void)state;
  const char *bad[] = {"",      "-",    ".",   ".5",  "5.", "1e",    "1e+",
                       "1.2.3", "0x10", "nan", "inf", "1 ", "1e999", "1e99999999999"};
  double from, to;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(search_normal_number(str_of(bad[i]), &from, &to));
}

static void assert_reference(const char *in, const char *base, const char *type, const char *id,
                             const char *version, const char *url) {
  struct search_reference r = search_normal_reference(str_of(in), str_of(base));
  assert_str(r.type, type);
  assert_str(r.id, id);
  assert_str(r.version, version);
  assert_str(r.url, url);
}

static void references_are_local_or_a_url(void **state) {
  (void)state;
  assert_reference("Patient/1", "", "Patient", "1", "", "");
  assert_reference("Patient/1/_history/2", "", "Patient", "1", "2", "");
  assert_reference("http://x/fhir/Patient/1", "http://x/fhir", "Patient", "1", "", "");
  assert_reference("http://x/fhir/Patient/1", "http://x/fhir/", "Patient", "1", "", "");
  assert_reference("http://y/fhir/Patient/1/_history/2", "http://x/fhir", "", "", "2",
                   "http://y/fhir/Patient/1");
  assert_reference("http://x/fhirPatient/1", "http://x/fhir", "", "", "", "http://x/fhirPatient/1");
  assert_reference("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "", "", "", "",
                   "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0");
  assert_reference("#a", "", "", "", "", "#a");
  assert_reference("Patient/a/b", "", "", "", "", "Patient/a/b");
  assert_reference("patient/1", "", "", "", "", "patient/1");
  assert_reference("", "", "", "", "", "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(strings_fold_case_marks_punctuation_and_space),
      TEST(dates_are_ranges_of_the_written_precision),
      TEST(dates_that_are_none_are_refused),
      TEST(numbers_are_ranges_of_the_written_precision),
      TEST(numbers_that_are_none_are_refused),
      TEST(references_are_local_or_a_url),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
