/* _filter and _list; searches over several types and in a compartment. */
#include "search_people.h"

static void operators_of_texts(void **state) {
  (void)state;
  put_people();
  assert_found("Patient?_filter=family%20eq%20MULLER", "p1");
  assert_found("Patient?_filter=family%20sw%20mul", "p1 p2");
  assert_found("Patient?_filter=family%20co%20ll", "p1 p2");
  assert_found("Patient?_filter=family%20ew%20gan", "p2");
  assert_found("Patient?_filter=given%20ne%20Anna", "p1 p2"); /* p1 is also called Maria */
  assert_found("Patient?_filter=name%20co%20%22van%20der%22", "p3");
  assert_found("Patient?_filter=name%20co%20%22berg,%20jan%22", "p3");
  assert_found("Patient?_filter=identifier%20eq%20urn:mrn%7C100", "p1");
  assert_found("Patient?_filter=identifier%20sw%2010", "p1 p2");
  assert_found("Patient?_filter=gender%20ne%20male", "p1");
}

static void operators_of_values(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Patient?_filter=birthdate%20gt%201990", "p3");
  assert_found("Patient?_filter=birthdate%20ge%201980-06", "p2 p3");
  assert_found("Patient?_filter=birthdate%20ne%201980-05-17", "p2 p3");
  assert_found("Observation?_filter=date%20po%202020-03-15", "b2");
  assert_found("Observation?_filter=date%20po%202020-03", "b1 b2");
  assert_found("Observation?_filter=date%20sa%202020-06", "b3");
  assert_found("Observation?_filter=date%20eb%202020-03-02", "b1");
  assert_found("Observation?_filter=value-quantity%20ge%20120%7C%7Cmm[Hg]", "b1 b2");
  assert_found("Observation?_filter=value-quantity%20lt%20100", "b3");
  assert_found("Observation?_filter=code-value-quantity%20eq%208480-6$gt150", "b2");
  assert_found("Patient?_filter=gender%20pr%20false", "p3");
  assert_found("Patient?_filter=gender%20pr%20true", "p1 p2");
  assert_found("Observation?_filter=subject%20re%20Patient/p1", "b1 b2");
  assert_found("Observation?_filter=subject%20ne%20Patient/p1", "b3 b4");
  assert_found("Patient?_filter=gender%20in%20http://hl7.org/fhir/ValueSet/administrative-gender",
               "p1 p2");
}

static void logic(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Patient?_filter=gender%20eq%20male%20or%20gender%20pr%20false", "p2 p3");
  assert_found("Patient?_filter=not(gender%20eq%20male)", "p1 p3");
  assert_found("Patient?_filter=not%20(gender%20eq%20male%20or%20birthdate%20eq%201999)", "p1");
  /* from left to right, and as the parentheses say */
  assert_found("Patient?_filter=birthdate%20eq%201999%20or%20gender%20eq%20male%20and%20family%20eq"
               "%20x",
               "");
  assert_found("Patient?_filter=birthdate%20eq%201999%20or%20(gender%20eq%20male%20and%20family%20"
               "eq%20x)",
               "p3");
  assert_found("Patient?_filter=family%20sw%20m&gender=male", "p2");
  assert_found("Patient?_filter=gender%20eq%20male%20or%20gender%20eq%20female&_sort=-family",
               "p2 p1");
}

static void paths(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?_filter=subject:Patient.family%20eq%20muller", "b1 b2");
  assert_found("Observation?_filter=subject.name%20co%20gan", "b3");
  assert_found("Observation?_filter=subject:Patient[gender%20eq%20female].birthdate%20lt%201990",
               "b1 b2");
  assert_found("Observation?_filter=subject[gender%20eq%20male%20or%20name%20co%20%22]x%22].name%20"
               "co%20mul",
               "b3");
  assert_found("Patient?_filter=_has:Observation:patient:code%20eq%20panel", "p3");
  assert_found("Patient?_filter=not(_has:Observation:patient:status%20eq%20final)", "p2");
}

static void faults_say_where(void **state) {
  (void)state;
  static const struct {
    const char *url, *text;
  } faults[] = {
      {"Patient?_filter=family", "expected an operator"},
      {"Patient?_filter=family%20eq", "expected a value"},
      {"Patient?_filter=family%20is%20x", "expected an operator"},
      {"Patient?_filter=(family%20eq%20x", "expected ')'"},
      {"Patient?_filter=family%20eq%20x)", "expected 'and', 'or' or the end at byte 11"},
      {"Patient?_filter=family%20eq%20%22x", "the end of the string"},
      {"Patient?_filter=family%20gt%20x", "can't be asked"},
      {"Patient?_filter=famly%20eq%20x", "did you mean 'family'"},
      {"Patient?_filter=link[name%20eq%20x", "a ']'"},
      {"Patient?_filter=birthdate%20eq%20gt2010", "expected a date"},
      {"Patient?_list=$current-problems", "made"},
  };
  for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
    struct err err = {0};
    const struct search *search;
    assert_true(search_parse_url(faults[i].url, &search, &err) != 0);
    if (i + 1 < sizeof faults / sizeof faults[0] && !strstr(err.text, faults[i].text))
      fail_msg("%s: %s", faults[i].url, err.text);
  }
}

static void lists(void **state) {
  (void)state;
  put_people();
  put("{'resourceType':'List','id':'l1','status':'current','mode':'working','entry':[{'item':{"
      "'reference':'Patient/p1'}},{'item':{'reference':'Patient/p3'}},{'item':{'reference':"
      "'Practitioner/d1'}}]}");
  assert_found("Patient?_list=l1", "p1 p3");
  assert_found("Patient?_list=l1&gender=female", "p1");
  assert_found("Practitioner?_list=l1", "d1");
  assert_found("Patient?_list=l2", "");
  assert_found("?_list=l1", "d1 p1 p3");
}

static void several_types(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("?_id=p1,b1", "p1 b1");
  assert_found("?_type=Patient,Practitioner&family=m", "p1 p2");
  assert_found("?_type=Patient,Practitioner&name=house", "d1");
  assert_found("?_type=Patient,Practitioner&gender:missing=true", "d1 p3");
  assert_found("?_type=Patient,Practitioner&_filter=gender%20pr%20false%20and%20name%20sw%20h",
               "d1");
  assert_found("?_type=Patient,Practitioner&_sort=-family&family:missing=false", "p2 p1 d1");
  assert_found("?_type=Patient,Practitioner&_filter=not(name%20sw%20h%20or%20gender%20eq%20male)",
               "p1 p3");
  assert_found("Observation?subject:Patient._filter=not(gender%20eq%20male%20or%20name%20co%20van)",
               "b1 b2");
  assert_found("?_type=Patient&gender=male", "p2");
  assert_found("?_type=Organization,Practitioner&_sort=-_lastUpdated", "d1 o1");
  struct err err = {0};
  const struct search *search;
  assert_int_equal(search_parse_url("?_type=Patient,Organization&gender=male", &search, &err),
                   ERR_NOT_SUPPORTED);
  assert_int_equal(search_parse_url("?gender=male", &search, &err), ERR_NOT_SUPPORTED);
  assert_int_equal(search_parse_url("?_type=Person,Nobody", &search, &err), ERR_VALUE);
  assert_int_equal(search_parse_url("Patient?_type=Patient", &search, &err), ERR_VALUE);
}

static void compartments(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Patient/p1/Observation", "b1 b2");
  assert_found("Patient/p1/Observation?value-quantity=gt150", "b2");
  assert_found("Patient/p1/*", "p1 p2 b1 b2"); /* p2 links to p1 */
  assert_found("Patient/p1/*?_type=Observation", "b1 b2");
  assert_found("Patient/p9/Observation", "");
  assert_found("Practitioner/d1/Patient", "p1");
  struct err err = {0};
  const struct search *search;
  assert_int_equal(search_parse_url("Patient/p1/Organization", &search, &err), ERR_NOT_SUPPORTED);
  assert_int_equal(search_parse_url("Organization/o1/Patient", &search, &err), ERR_NOT_SUPPORTED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(operators_of_texts),
      SEARCH_TEST(operators_of_values),
      SEARCH_TEST(logic),
      SEARCH_TEST(paths),
      SEARCH_TEST(faults_say_where),
      SEARCH_TEST(lists),
      SEARCH_TEST(several_types),
      SEARCH_TEST(compartments),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
