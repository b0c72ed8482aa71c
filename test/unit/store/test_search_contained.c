/* _contained and _containedType: what is found inside other resources. */
#include "search_fixture.h"

static void put_orders(void) {
  put("{'resourceType':'Organization','id':'o1','name':'Maker'}");
  put("{'resourceType':'Patient','id':'p1','name':[{'family':'Ng'}]}");
  put("{'resourceType':'Patient','id':'p2'}");
  put("{'resourceType':'Medication','id':'m1','code':{'coding':[{'system':'urn:rx','code':'a'}]}}");
  put("{'resourceType':'MedicationRequest','id':'r1','status':'active','intent':'order',"
      "'contained':[{'resourceType':'Medication','id':'x','code':{'coding':[{'system':'urn:rx',"
      "'code':'a','display':'Aspirin'}]},'manufacturer':{'reference':'Organization/o1'}},"
      "{'resourceType':'Medication','id':'y','code':{'coding':[{'code':'a'},{'code':'b'}]}}],"
      "'medicationReference':{'reference':'#x'},'subject':{'reference':'Patient/p1'}}");
  put("{'resourceType':'MedicationRequest','id':'r2','status':'active','intent':'order',"
      "'contained':[{'resourceType':'Practitioner','id':'d','name':[{'family':'House'}]},"
      "{'resourceType':'Medication','id':'x','status':'active','code':{'coding':[{'system':"
      "'urn:rx','code':'b'}]}}],'medicationReference':{'reference':'#x'},"
      "'requester':{'reference':'#d'},'subject':{'reference':'Patient/p2'}}");
  put("{'resourceType':'Medication','id':'m2','code':{'coding':[{'system':'urn:rx','code':'b'}]},"
      "'contained':[{'resourceType':'Medication','id':'z','code':{'coding':[{'system':'urn:rx',"
      "'code':'b'}]}}],'ingredient':[{'itemReference':{'reference':'#z'}}]}");
}

/* "r1#x m1": containers and fragments, of matches and then of includes. */
static struct str places_as(const struct access *access, const char *url) {
  struct search_result result = run_as(access, url);
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  for (size_t i = 0; i < result.rows_n; i++) {
    const struct search_row *row = &result.rows[i];
    buf_add_z(&buf, i == 0 ? "" : i == result.matches_n ? " | " : " ");
    buf_add(&buf, row->resource.id);
    buf_add_z(&buf, row->is_contained ? "#" : "");
    buf_add(&buf, row->contained_id);
  }
  return buf.n ? buf_str(&buf) : STR("");
}

static struct str places(const char *url) {
  struct access access = everything();
  return places_as(&access, url);
}

#define assert_places(url, expected) assert_str(places(url), expected)
#define INNER "&_contained=true&_containedType=contained"

static void which_are_found(void **state) {
  (void)state;
  put_orders();
  assert_places("Medication?code=a", "m1");
  assert_places("Medication?code=a&_contained=false", "m1");
  assert_places("Medication?code=a&_contained=true", "r1");
  assert_places("Medication?code=a&_contained=both", "m1 r1");
  assert_places("Medication?code=a" INNER, "r1#x r1#y");
  assert_places("Medication?code=b" INNER, "r1#y r2#x m2#z");
  assert_places("Medication?code=a&_contained=both&_containedType=contained", "m1 r1#x r1#y");
  assert_places("Medication?code=b&_contained=true&_containedType=container", "r1 r2 m2");
  /* m2 matches by itself: once */
  assert_places("Medication?code=b&_contained=both", "m2 r1 r2");
  assert_places("Medication?code=b&_contained=both&_containedType=contained", "m2 r1#y r2#x m2#z");
  assert_places("Medication?_contained=true", "r1 r2 m2");
  assert_places("Practitioner?family=house" INNER, "r2#d");
  assert_places("Patient?_contained=true", "");
  assert_places("Organization?_contained=both", "o1");
}

static void conditions_hold_for_the_same_one(void **state) {
  (void)state;
  put_orders();
  assert_places("Medication?code=urn:rx%7Ca&code=b" INNER, ""); /* x has the one, y the other */
  assert_places("Medication?code=a&code=b" INNER, "r1#y");
  assert_places("Medication?code:not=b" INNER, "r1#x");
  assert_places("Medication?code=urn:rx%7C" INNER, "r1#x r2#x m2#z");
  assert_places("Medication?code:text=aspi" INNER, "r1#x");
  assert_places("Medication?status:missing=false" INNER, "r2#x");
  assert_places("Medication?status:missing=true&_contained=true", "r1 m2");
  assert_places("Medication?_id=x,z" INNER, "r1#x r2#x m2#z");
  assert_places("Medication?_filter=code%20eq%20a%20and%20not(code%20eq%20b)" INNER, "r1#x");
  assert_places("Medication?_lastUpdated=ge2000" INNER, "r1#x r1#y r2#x m2#z");
  assert_places("?_type=Medication,Practitioner&_contained=true&_containedType=contained",
                "r1#x r1#y r2#d r2#x m2#z");
  assert_places("?_id=d&_contained=true&_containedType=contained", "r2#d");
}

static void links_lead_out(void **state) {
  (void)state;
  put_orders();
  assert_places("Medication?manufacturer=Organization/o1" INNER, "r1#x");
  assert_places("Medication?manufacturer.name=maker" INNER, "r1#x");
  assert_places("Medication?manufacturer.name=other" INNER, "");
  assert_places("Medication?code=a&_include=Medication:manufacturer" INNER, "r1#x r1#y | o1");
  assert_places("Medication?code=a&_contained=true&_include=MedicationRequest:subject", "r1 | p1");
  assert_places("Medication?code=a&_contained=true&_include=Medication:manufacturer", "r1");
}

static void body_is_the_inner_one(void **state) {
  (void)state;
  put_orders();
  struct access access = everything();
  struct search_result result = run_as(&access, "Practitioner?family=house" INNER);
  assert_int_equal(result.rows_n, 1);
  assert_str(result.rows[0].resource.body,
             "{\"resourceType\":\"Practitioner\",\"id\":\"d\",\"name\":[{\"family\":\"House\"}]}");
  assert_true(result.rows[0].resource.type == defs_type_by_name(STR("MedicationRequest")));
}

/* Chains, compartments and includes go on from what stands inside. */
static void what_stands_inside_is_no_other(void **state) {
  (void)state;
  put_orders();
  assert_places("MedicationRequest?_contained=true", "");
  assert_places("Medication?code:missing=true&_contained=true", "");
  assert_places("Medication?manufacturer:missing=false" INNER, "r1#x");
  assert_places("Medication?_filter=code%20eq%20b%20and%20not(_id%20eq%20y)&_contained=true",
                "r2 m2");
  assert_places("Medication?code=a&_contained=true&_revinclude=Medication:ingredient", "r1");
  put("{'resourceType':'Provenance','id':'v1','recorded':'2020-01-01T00:00:00Z','target':[{"
      "'reference':'#c'}],'agent':[{'who':{'reference':'Patient/p1'}}],'contained':[{"
      "'resourceType':'Condition','id':'c','subject':{'reference':'Patient/p1'}},{'resourceType':"
      "'Condition','id':'e','subject':{'reference':'Patient/p2'}}]}");
  assert_places("Patient/p1/Condition?_contained=true&_containedType=contained", "v1#c");
  assert_places("Condition?subject:Patient.name=ng" INNER, "v1#c");
}

/* All pages, one after the other. */
static struct str walked(const char *url) {
  struct buf buf;
  struct str cursor = STR("");
  struct access access = everything();
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  for (size_t page = 0; page < 20; page++) {
    struct str next =
        cursor.n ? arena_printf(test_arena, "%s&_cursor=%.*s", url, STR_ARG(cursor)) : str_of(url);
    struct str found = places(next.p);
    buf_add_z(&buf, page ? " / " : "");
    buf_add(&buf, found);
    cursor = run_as(&access, next.p).next_cursor;
    if (cursor.n == 0)
      return buf_str(&buf);
  }
  return STR("without end");
}

static void pages(void **state) {
  (void)state;
  put_orders();
  assert_str(walked("Medication?_count=1&_contained=both"), "m1 / m2 / r1 / r2");
  assert_str(walked("Medication?_count=2&_contained=both"), "m1 m2 / r1 r2");
  assert_str(walked("Medication?_count=3&_contained=both&_containedType=contained"),
             "m1 m2 r1#x / r1#y r2#x m2#z");
  assert_str(walked("Medication?_count=1" INNER), "r1#x / r1#y / r2#x / m2#z");
  assert_str(walked("Medication?_count=2&_contained=true"), "r1 r2 / m2");
  assert_str(walked("Organization?_count=1&_contained=both"), "o1"); /* the border leads nowhere */
}

static uint64_t total_of(const struct access *access, const char *url) {
  struct search_result result = run_as(access, url);
  assert_true(result.has_total);
  return result.total;
}

static void totals(void **state) {
  (void)state;
  put_orders();
  struct access access = everything();
  assert_int_equal(total_of(&access, "Medication?code=b" INNER), 3);
  assert_int_equal(total_of(&access, "Medication?_summary=count&_contained=both"), 4);
  assert_int_equal(total_of(&access, "Medication?_count=1&_total=accurate" INNER), 4);
  assert_int_equal(total_of(&access, "Medication?_count=1&_total=estimate&_contained=both"), 4);
  assert_false(run_as(&access, "Medication?_count=1&_contained=both").has_total);
}

static void what_access_hides(void **state) {
  (void)state;
  put_orders();
  struct access p2 = {.principal = STR("p2"), .patient_id = STR("p2")};
  assert_str(places_as(&p2, "Medication?code=b&_contained=true"), "r2");
  assert_str(places_as(&p2, "Medication?" INNER), "r2#x");
  assert_str(places_as(&p2, "Medication?manufacturer.name=maker" INNER), "");
  assert_int_equal(total_of(&p2, "Medication?_summary=count&_contained=both"), 1);
}

static void changes_are_followed(void **state) {
  (void)state;
  put_orders();
  put("{'resourceType':'MedicationRequest','id':'r2','status':'active','intent':'order',"
      "'medicationCodeableConcept':{'text':'x'},'subject':{'reference':'Patient/p2'}}");
  assert_places("Practitioner?_contained=true", "");
  assert_places("Medication?_contained=true", "r1 m2");
}

static void what_is_refused(void **state) {
  (void)state;
  static const char *const refused[] = {
      "Medication?_contained=yes",
      "Medication?_containedType=x",
      "Medication?_contained=true&_sort=code",
      "Medication?_contained=true&_has:MedicationRequest:medication:status=active",
      "Medication?_contained=both&_text=x",
      "Medication?_contained=both&_filter=not(_has:MedicationRequest:medication:status%20eq%20x)",
  };
  for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
    struct err err = {0};
    const struct search *search;
    if (search_parse_url(refused[i], &search, &err) == 0 || err.text[0] == 0)
      fail_msg("%s", refused[i]);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(which_are_found),
      SEARCH_TEST(conditions_hold_for_the_same_one),
      SEARCH_TEST(links_lead_out),
      SEARCH_TEST(body_is_the_inner_one),
      SEARCH_TEST(what_stands_inside_is_no_other),
      SEARCH_TEST(pages),
      SEARCH_TEST(totals),
      SEARCH_TEST(what_access_hides),
      SEARCH_TEST(changes_are_followed),
      SEARCH_TEST(what_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
