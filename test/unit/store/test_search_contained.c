/* _contained and _containedType. */
#include "search_fixture.h"

static void put_prescriptions(void) {
  put("{'resourceType':'Medication','id':'m1','code':{'coding':[{'code':'a'}]}}");
  put("{'resourceType':'Medication','id':'m2','code':{'coding':[{'code':'b'}]}}");
  put("{'resourceType':'MedicationRequest','id':'r1','status':'active','intent':'order',"
      "'subject':{'reference':'Patient/1'},'medicationReference':{'reference':'#x'},"
      "'contained':[{'resourceType':'Medication','id':'x','code':{'coding':[{'code':'a'}]}}]}");
  put("{'resourceType':'MedicationRequest','id':'r2','status':'active','intent':'order',"
      "'subject':{'reference':'Patient/1'},'medicationReference':{'reference':'#x'},"
      "'contained':[{'resourceType':'Medication','id':'x','code':{'coding':[{'code':'b'}]},"
      "'ingredient':[{'itemReference':{'reference':'#y'}}]},"
      "{'resourceType':'Medication','id':'y','code':{'coding':[{'code':'a'}]}},"
      "{'resourceType':'Organization','id':'z','name':'a'}]}");
  put("{'resourceType':'Medication','id':'m3','code':{'coding':[{'code':'a'}]}}");
}

static void containers(void **state) {
  (void)state;
  put_prescriptions();
  assert_found("Medication?code=a", "m1 m3");
  assert_found("Medication?code=a&_contained=false", "m1 m3");
  assert_found("Medication?code=a&_contained=true", "r1 r2");
  assert_found("Medication?code=a&_contained=both", "m1 r1 r2 m3");
  assert_found("Medication?code:not=a&_contained=true", "r2");
  assert_found("Medication?_id=y&_contained=true", "r2");
  assert_found("Medication?_filter=code%20eq%20a%20and%20not(_id%20eq%20y)&_contained=true", "r1");
  assert_found("Medication?_contained=true&_lastUpdated=gt2000", "");
  assert_found("Medication?code:missing=true&_contained=true", "");
  assert_found("Organization?name=a&_contained=true", "r2");
  assert_found("MedicationRequest?_contained=true", "");
}

/* Pages are cut between containers, and what is hidden is not there. */
static void pages_and_access(void **state) {
  (void)state;
  struct access nobody = {.principal = STR("nobody")};
  put_prescriptions();
  assert_found("Medication?code=a&_contained=both&_count=2", "m1 r1");
  assert_found("Medication?code=a&_contained=both&_summary=count", "");
  assert_str(found_as(&nobody, "Medication?code=a&_contained=both"), "");
  struct access access = everything();
  struct search_result counted = run_as(&access, "Medication?_contained=true&_summary=count");
  assert_int_equal(counted.total, 2);
  counted = run_as(&access, "Medication?_contained=true&_containedType=contained&_summary=count");
  assert_int_equal(counted.total, 3);
}

/* The index follows what is written. */
static void changes(void **state) {
  (void)state;
  put_prescriptions();
  put("{'resourceType':'MedicationRequest','id':'r1','status':'active','intent':'order',"
      "'subject':{'reference':'Patient/1'},'medicationReference':{'reference':'Medication/m1'}}");
  assert_found("Medication?code=a&_contained=true", "r2");
}

static void contained(void **state) {
  (void)state;
  put_prescriptions();
  struct access access = everything();
  struct search_result result =
      run_as(&access, "Medication?code=a&_contained=both&_containedType=contained");
  static const char *const expected[] = {"m1", "r1#x", "r2#y", "m3"};
  assert_int_equal(result.rows_n, 4);
  assert_int_equal(result.total, 4);
  for (size_t i = 0; i < 4; i++) {
    const struct search_row *row = &result.rows[i];
    struct str place = row->contained_id.n > 0
                           ? arena_printf(test_arena, "%.*s#%.*s", STR_ARG(row->resource.id),
                                          STR_ARG(row->contained_id))
                           : row->resource.id;
    assert_true(str_is(place, expected[i]));
  }
  assert_true(str_is(result.rows[2].resource.body,
                     "{\"resourceType\":\"Medication\",\"id\":\"y\",\"code\":{\"coding\":[{"
                     "\"code\":\"a\"}]}}"));
}

static void refused(void **state) {
  (void)state;
  static const char *const urls[] = {
      "Medication?_contained=maybe",
      "Medication?_containedType=both",
      "Medication?_contained=true&_sort=code",
      "Medication?_contained=true&manufacturer.name=a",
      "Medication?_contained=true&_has:MedicationRequest:medication:status=active",
      "Medication?_contained=true&_filter=manufacturer.name%20eq%20a",
      "Medication?_contained=true&_containedType=contained&_include=Medication:manufacturer",
      "?_contained=true",
  };
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    const struct search *search;
    struct err err = {0};
    assert_int_not_equal(search_parse_url(urls[i], &search, &err), 0);
    assert_true(err.text[0] != 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(containers), SEARCH_TEST(pages_and_access), SEARCH_TEST(changes),
      SEARCH_TEST(contained),  SEARCH_TEST(refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
