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

#define assert_places(url, expected) assert_ids(places(url), expected)
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

/* "A chained condition will be evaluated inside contained resources": search.html#contained. */
static void chains_lead_inside(void **state) {
  (void)state;
  put_orders();
  assert_places("MedicationRequest?medication.code=a", "r1");
  assert_places("MedicationRequest?medication.code=b", "r2"); /* r1 does not refer to its y */
  assert_places("MedicationRequest?medication:Medication.code=a,b&status=active", "r1 r2");
  assert_int_equal(run_as(&ACCESS_EVERYTHING(STR("test")),
                          "MedicationRequest?medication.code=a,b&_summary=count")
                       .total,
                   2);
  assert_places("MedicationRequest?medication.code:not=a&_sort=_id", "r2");
  assert_places("MedicationRequest?medication.manufacturer.name=maker", "r1");
  assert_places("MedicationRequest?medication._id=x", "r1 r2");
  assert_places("MedicationRequest?requester:Practitioner.family=house", "r2");
  assert_places("MedicationRequest?requester.name=house", "r2");
  assert_places("MedicationRequest?requester:Organization.name=house", "");
  assert_places("MedicationRequest?_filter=medication.code%20eq%20a", "r1");
  assert_places("MedicationRequest?_filter=not(medication.code%20eq%20a)", "r2");
  assert_places("Medication?ingredient.code=b", "m2");
  assert_places("Patient?_has:MedicationRequest:subject:medication.code=a", "p1");
  put("{'resourceType':'MedicationRequest','id':'r3','status':'active','intent':'order',"
      "'contained':[{'resourceType':'Medication','id':'x','ingredient':[{'itemReference':"
      "{'reference':'#y'}}]},{'resourceType':'Medication','id':'y','code':{'text':'n'},"
      "'manufacturer':{'reference':'Organization/o1'}}],"
      "'medicationReference':{'reference':'#x'},'subject':{'reference':'Patient/p1'}}");
  assert_places("MedicationRequest?medication.ingredient.manufacturer.name=maker", "r3");
  assert_places("Medication?ingredient.manufacturer.name=maker" INNER, "r3#x");
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
  assert_ids(walked("Medication?_count=1&_contained=both"), "m1 / m2 / r1 / r2");
  assert_ids(walked("Medication?_count=2&_contained=both"), "m1 m2 / r1 r2");
  assert_ids(walked("Medication?_count=3&_contained=both&_containedType=contained"),
             "m1 m2 r1#x / r1#y r2#x m2#z");
  assert_ids(walked("Medication?_count=1" INNER), "r1#x / r1#y / r2#x / m2#z");
  assert_ids(walked("Medication?_count=2&_contained=true"), "r1 r2 / m2");
  assert_ids(walked("Organization?_count=1&_contained=both"), "o1"); /* the border leads nowhere */
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
  assert_ids(places_as(&p2, "Medication?code=b&_contained=true"), "r2");
  assert_ids(places_as(&p2, "Medication?" INNER), "r2#x");
  assert_ids(places_as(&p2, "Medication?manufacturer.name=maker" INNER), "");
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

/* A chained condition is evaluated inside contained resources, whatever _contained says. */
static void chains_go_inside(void **state) {
  (void)state;
  put_orders();
  assert_places("MedicationRequest?medication.code=a", "r1");
  assert_places("MedicationRequest?medication:Medication.code=urn:rx%7Cb", "r2");
  assert_places("MedicationRequest?medication.code=b&subject=Patient/p1", ""); /* y is no #x */
  assert_places("MedicationRequest?requester:Practitioner.name=house", "r2");
  assert_places("MedicationRequest?medication.manufacturer.name=maker", "r1");
  assert_places("Medication?ingredient:Medication.code=b", "m2");
  assert_places("MedicationRequest?medication.code=a&_summary=count", "");
  assert_places("Patient?_has:MedicationRequest:subject:medication.code=b", "p2");
  assert_places("MedicationRequest?medication:Medication._text=a", ""); /* of its container */
  put("{'resourceType':'MedicationRequest','id':'r3','status':'active','intent':'order',"
      "'medicationReference':{'reference':'Medication/m1'},'subject':{'reference':'Patient/p2'}}");
  assert_places("MedicationRequest?medication.code=a", "r1 r3");
  assert_places("MedicationRequest?medication.code=a&_sort=-_id", "r3 r1");
  struct access p2 = {.principal = STR("p2"), .patient_id = STR("p2")}, all = everything();
  assert_ids(places_as(&p2, "MedicationRequest?medication.code=b"), "r2");
  assert_int_equal(total_of(&all, "MedicationRequest?medication.code=a&_summary=count"), 2);
  assert_places("MedicationRequest?medication.code=a&_contained=both", "r1 r3");
}

/* ---- By chance -------------------------------------------------------------------------------
 *
 * Every contained Observation also stands by itself. A search finds the same of both kinds.
 */

enum { REPORTS = 40, QUERIES = 400 };

static uint64_t seed;

static uint64_t random_below(uint64_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (seed >> 33) % n;
}

#define PICK(list) ((list)[random_below(sizeof(list) / sizeof(list)[0])])

static struct str random_observation(const char *id, int patient) {
  static const char *const members[] = {
      "'status':'final','valueQuantity':{'value':5,'unit':'mg','code':'mg',"
      "'system':'http://unitsofmeasure.org'}",
      "'status':'preliminary','valueQuantity':{'value':0.005,'code':'g',"
      "'system':'http://unitsofmeasure.org'}",
      "'status':'final','valueString':'M\xC3\xBCller-Lee'",
      "'valueQuantity':{'value':7},'effectiveDateTime':'2020-03-01'",
      "'status':'final','effectivePeriod':{'start':'2020-03-01T08:00:00Z'}",
      "'status':'amended','component':[{'code':{'coding':[{'code':'b'}]},"
      "'valueQuantity':{'value':9,'unit':'mg'}}]"};
  static const char *const codes[] = {"{'system':'urn:s','code':'a','display':'Blood sugar'}",
                                      "{'code':'a'}", "{'code':'b'},{'system':'urn:s','code':'c'}"};
  return arena_printf(test_arena,
                      "{'resourceType':'Observation','id':'%s','code':{'coding':[%s]},"
                      "'subject':{'reference':'Patient/p%d'},%s}",
                      id, PICK(codes), patient, PICK(members));
}

/* Reports d10.. of the patients p1 and p2, with 0 to 3 observations each. */
static void put_reports(void) {
  put("{'resourceType':'Patient','id':'p1','name':[{'family':'Ng'}]}");
  put("{'resourceType':'Patient','id':'p2','name':[{'family':'Meyer'}]}");
  for (int i = 10; i < 10 + REPORTS; i++) {
    struct str inside = STR("");
    for (size_t n = random_below(4), k = 0; k < n; k++) {
      struct str id = arena_printf(test_arena, "d%d-%c", i, (int)('a' + k));
      uint64_t before = seed;
      put(random_observation(id.p, 1 + i % 2).p);
      seed = before;
      struct str body = random_observation(str_slice(id, id.n - 1, id.n).p, 1 + i % 2);
      inside = arena_printf(test_arena, "%.*s%s%.*s", STR_ARG(inside), k ? "," : "", STR_ARG(body));
    }
    put(arena_printf(test_arena,
                     "{'resourceType':'DiagnosticReport','id':'d%d','status':'final','code':{"
                     "'text':'x'},'subject':{'reference':'Patient/p%d'}%s%.*s%s}",
                     i, 1 + i % 2, inside.n ? ",'contained':[" : "", STR_ARG(inside),
                     inside.n ? "]" : "")
            .p);
  }
}

static const char *random_condition(void) {
  static const char *const conditions[] = {
      "code=a",
      "code=urn:s%7Ca",
      "code:not=b",
      "code:text=blood",
      "code=urn:s%7C",
      "code=%7Ca,c",
      "status=final",
      "status:missing=true",
      "status:missing=false",
      "status:not=final,amended",
      "value-quantity=5%7Chttp://unitsofmeasure.org%7Cmg",
      "value-quantity=gt4",
      "value-quantity=7",
      "value-quantity=le0.005%7Chttp://unitsofmeasure.org%7Cg",
      "value-string=mull",
      "value-string:contains=lee",
      "value-string:exact=M%C3%BCller-Lee",
      "date=2020-03",
      "date=ge2020-03-01T08:00:00Z",
      "date=eb2020-06",
      "subject=Patient/p1",
      "patient=p2",
      "patient.family=ng",
      "subject:Patient.name:contains=eye",
      "code-value-quantity=a$gt4",
      "component-code-value-quantity=b$9",
      "_filter=code%20eq%20a%20or%20status%20eq%20amended",
      "_filter=not(code%20co%20b)%20and%20value-quantity%20ge%205",
      "combo-code=b",
      "_filter=subject.family%20eq%20ng"};
  return PICK(conditions);
}

/* "d10#a d12#b", as pages give it; `only`: of reports of the patient p1. */
static struct str expected_of(const char *conditions, bool only) {
  struct access access = everything();
  struct str all =
      found_as(&access, arena_printf(test_arena, "Observation?%s&_count=1000", conditions).p);
  struct buf buf;
  struct str id;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  while (all.n > 0 && str_split(&all, ' ', &id)) {
    if (only && (id.p[2] - '0') % 2 != 0)
      continue;
    buf_add_z(&buf, buf.n ? " " : "");
    buf_add(&buf, str_slice(id, 0, 3));
    buf_add_char(&buf, '#');
    buf_add(&buf, str_slice(id, 4, id.n));
  }
  return buf.n ? buf_str(&buf) : STR("");
}

static struct str found_inside(const struct access *access, const char *conditions,
                               unsigned count) {
  struct str cursor = STR("");
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  do {
    const char *url = arena_printf(test_arena, "Observation?%s" INNER "&_count=%u%s%.*s",
                                   conditions, count, cursor.n ? "&_cursor=" : "", STR_ARG(cursor))
                          .p;
    struct str page = places_as(access, url);
    buf_add_z(&buf, buf.n && page.n ? " " : "");
    buf_add(&buf, page);
    cursor = run_as(access, url).next_cursor;
  } while (cursor.n > 0);
  return buf.n ? buf_str(&buf) : STR("");
}

static void the_same_as_by_itself(void **state) {
  (void)state;
  seed = getenv("SEED") ? strtoull(getenv("SEED"), NULL, 10) : (uint64_t)time(NULL);
  print_message("SEED=%llu\n", (unsigned long long)seed);
  put_reports();
  struct access all = everything(), p1 = {.principal = STR("p1"), .patient_id = STR("p1")};
  for (int i = 0; i < QUERIES; i++) {
    struct str conditions = str_of(random_condition());
    if (random_below(3) == 0)
      conditions = arena_printf(test_arena, "%.*s&%s", STR_ARG(conditions), random_condition());
    bool only = random_below(2);
    struct str expected = expected_of(conditions.p, only);
    struct str found =
        found_inside(only ? &p1 : &all, conditions.p, (unsigned)(1 + random_below(60)));
    if (!str_equal(found, expected))
      fail_msg("%s%s: %s, not %s", conditions.p, only ? " of p1" : "", found.p, expected.p);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(which_are_found),
      SEARCH_TEST(chains_lead_inside),
      SEARCH_TEST(conditions_hold_for_the_same_one),
      SEARCH_TEST(links_lead_out),
      SEARCH_TEST(body_is_the_inner_one),
      SEARCH_TEST(what_stands_inside_is_no_other),
      SEARCH_TEST(pages),
      SEARCH_TEST(totals),
      SEARCH_TEST(what_access_hides),
      SEARCH_TEST(changes_are_followed),
      SEARCH_TEST(what_is_refused),
      SEARCH_TEST(chains_go_inside),
      SEARCH_TEST(the_same_as_by_itself),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
