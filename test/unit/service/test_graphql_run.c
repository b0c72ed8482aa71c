/* GraphQL under a restricted access, and its bounds: what is hidden is not there, by whatever way.
 */
#include "../store/search_fixture.h"

#include "service/graphql.h"

static struct graphql_response run_within(const struct access *access, const char *query,
                                          const struct graphql_bounds *bounds) {
  struct graphql_request request = {
      .query = str_of(query), .base_url = STR("http://here/fhir"), .bounds = bounds};
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  struct graphql_response response = graphql_run(view, access, test_arena, &request);
  store_view_close(view);
  return response;
}

static void assert_answer(const struct access *access, const char *query, const char *body) {
  struct graphql_response response = run_within(access, query, NULL);
  assert_str(response.body, body);
  assert_int_equal(response.status, 200);
}

static void make_patients(void) {
  put("{'resourceType':'Patient','id':'a','name':[{'family':'A'}]}");
  put("{'resourceType':'Patient','id':'b','name':[{'family':'B'}]}");
  put("{'resourceType':'Observation','id':'oa','status':'final','subject':{'reference':"
      "'Patient/a'},'focus':[{'reference':'Patient/b'}]}");
  put("{'resourceType':'Observation','id':'ob','status':'final','subject':{'reference':"
      "'Patient/b'}}");
}

static void graphql_shows_nothing_that_access_hides(void **state) {
  (void)state;
  make_patients();
  struct access all = everything();
  struct access only_a = {.principal = STR("x"), .patient_id = STR("a")};
  assert_answer(&all, "{ PatientList { id } }",
                "{\"data\":{\"PatientList\":[{\"id\":\"a\"},{\"id\":\"b\"}]}}");
  assert_answer(&only_a, "{ PatientList { id } }", "{\"data\":{\"PatientList\":[{\"id\":\"a\"}]}}");
  assert_answer(&only_a, "{ PatientConnection { count edges { resource { id } } } }",
                "{\"data\":{\"PatientConnection\":{\"count\":1,\"edges\":[{\"resource\":{\"id\":"
                "\"a\"}}]}}}");
  assert_answer(&only_a,
                "{ Observation(id: oa) { focus { reference resource(optional: true) { id } } } }",
                "{\"data\":{\"Observation\":{\"focus\":[{\"reference\":\"Patient/"
                "b\",\"resource\":null}]}}}");
  assert_answer(&only_a, "{ Patient(id: a) { ObservationList(_reference: subject) { id } } }",
                "{\"data\":{\"Patient\":{\"ObservationList\":[{\"id\":\"oa\"}]}}}");
  assert_int_equal(run_within(&only_a, "{ Patient(id: b) { id } }", NULL).status, 404);
  assert_int_equal(run_within(&only_a, "{ Observation(id: ob) { id } }", NULL).status, 404);
  assert_int_equal(
      run_within(&only_a, "{ Observation(id: oa) { focus { resource { id } } } }", NULL).status,
      404);
}

static void graphql_stops_at_each_bound(void **state) {
  (void)state;
  static const struct {
    const char *query;
    size_t offset, value;
  } cases[] = {
      {"{ PatientList { id } }", offsetof(struct graphql_bounds, resources_max), 1},
      {"{ PatientList { id } }", offsetof(struct graphql_bounds, list_max), 1},
      {"{ a: PatientList { id } b: PatientList { id } }",
       offsetof(struct graphql_bounds, searches_max), 1},
      {"{ PatientList { id } }", offsetof(struct graphql_bounds, values_max), 3},
      {"{ PatientList { id } }", offsetof(struct graphql_bounds, answer_max_bytes), 20},
      {"{ PatientList { id gender } }", offsetof(struct graphql_bounds, fields_max), 2},
  };
  make_patients();
  struct access all = everything();
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct graphql_bounds bounds = GRAPHQL_BOUNDS_DEFAULT;
    assert_int_equal(run_within(&all, cases[i].query, &bounds).status, 200);
    memcpy((char *)&bounds + cases[i].offset, &cases[i].value, sizeof cases[i].value);
    struct graphql_response response = run_within(&all, cases[i].query, &bounds);
    assert_int_equal(response.status, 403);
    assert_true(str_find(response.body, STR("\"too-costly\"")) > 0);
    assert_true(str_ends_with(response.body, STR("\"data\":null}")));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(graphql_shows_nothing_that_access_hides),
      SEARCH_TEST(graphql_stops_at_each_bound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
