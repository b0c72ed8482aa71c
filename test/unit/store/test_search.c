/* Every parameter type, prefix and modifier, over a small hospital. */
#include "search_people.h"

static void tokens(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Patient?gender=female", "p1");
  assert_found("Patient?gender=female,male", "p1 p2");
  assert_found("Patient?identifier=100", "p1 p2");
  assert_found("Patient?identifier=urn:mrn%7C100", "p1");
  assert_found("Patient?identifier=%7C100", "p2");
  assert_found("Patient?identifier=urn:mrn%7C", "p1 p2");
  assert_found("Patient?identifier=urn:other%7C", "");
  assert_found("Patient?gender:not=female", "p2 p3");
  assert_found("Patient?identifier:not=urn:mrn%7C", "p3");
  assert_found("Patient?gender:missing=true", "p3");
  assert_found("Patient?gender:missing=false", "p1 p2");
  assert_found("Patient?active=true", "p1");
  assert_found("Observation?code:text=blood", "b1");
  assert_found("Observation?code:text=systolic", "b1");
  assert_found("Observation?code=8480-6", "b1 b2 b3");
  assert_found("Observation?code=http://loinc.org%7C8480-6", "b1 b2");
  assert_found("Patient?gender:in=http://hl7.org/fhir/ValueSet/administrative-gender", "p1 p2");
  assert_found("Patient?gender:not-in=http://hl7.org/fhir/ValueSet/administrative-gender", "p3");
}

static void strings(void **state) {
  (void)state;
  put_people();
  assert_found("Patient?family=mul", "p1 p2");
  assert_found("Patient?family=MULLER", "p1");
  assert_found("Patient?family:exact=Muller", "");
  assert_found("Patient?family:exact=M%C3%BCller", "p1");
  assert_found("Patient?name:contains=lliga", "p2");
  assert_found("Patient?name=van%20der", "p3");
  assert_found("Patient?given=anna&given=maria", "p1");
  assert_found("Patient?given=bob,maria", "p1 p2");
}

static void dates(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Patient?birthdate=1980", "p1 p2");
  assert_found("Patient?birthdate=1980-05-17", "p1");
  assert_found("Patient?birthdate=1980-06-02", "");
  assert_found("Patient?birthdate=ne1980-05-17", "p2 p3");
  assert_found("Patient?birthdate=gt1980-06-15", "p2 p3");
  assert_found("Patient?birthdate=sa1980-06-15", "p3");
  assert_found("Patient?birthdate=lt1980-06-01", "p1");
  assert_found("Patient?birthdate=le1980-06", "p1 p2");
  assert_found("Patient?birthdate=ge1980-06", "p2 p3");
  assert_found("Patient?birthdate=eb1980-06", "p1");
  assert_found("Patient?birthdate=ap1981", "p1 p2");
  assert_found("Patient?birthdate=ge1980-05&birthdate=lt1980-06", "p1");
  assert_found("Observation?date=2020-03-01", "b1");
  assert_found("Observation?date=gt2020-03-15", "b2 b3");
  assert_found("Observation?date=ge2025", "b3");
  assert_found("Observation?date=lt2020-03-02", "b1 b2");
  assert_found("Observation?date:missing=true", "b4");
  assert_found("Patient?_lastUpdated=gt2020&_lastUpdated=lt2100", "p1 p2 p3");
  assert_found("Patient?_lastUpdated=lt2020", "");
}

static void quantities(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?value-quantity=120", "b1");
  assert_found("Observation?value-quantity=gt120", "b2");
  assert_found("Observation?value-quantity=ge120%7Chttp://unitsofmeasure.org%7Cmm[Hg]", "b1 b2");
  assert_found("Observation?value-quantity=lt121%7C%7CmmHg", "b1");
  assert_found("Observation?value-quantity=5.4%7C%7Cmg", "b3");
  assert_found("Observation?value-quantity=5.40%7C%7Cmg", "b3");
  assert_found("Observation?value-quantity=5%7C%7Cmg", "b3");
  assert_found("Observation?value-quantity=ap100", "");
  assert_found("Observation?value-quantity=ap110", "b1");
  assert_found("Observation?value-quantity=ne120", "b2 b3");
  assert_found("Observation?value-quantity=120,5.4", "b1 b3");
  put("{'resourceType':'RiskAssessment','id':'r1','status':'final','subject':{'reference':"
      "'Patient/p1'},'prediction':[{'probabilityDecimal':0.8}]}");
  assert_found("RiskAssessment?probability=gt0.79", "r1");
  assert_found("RiskAssessment?probability=0.8", "r1");
  assert_found("RiskAssessment?probability=0.80", "r1");
  assert_found("RiskAssessment?probability=lt0.8", "");
}

static void references(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?subject=Patient/p1", "b1 b2");
  assert_found("Observation?subject=http://here/fhir/Patient/p1", "b1 b2");
  assert_found("Observation?patient=p1,p2", "b1 b2 b3");
  assert_found("Observation?subject:Patient=p2", "b3");
  assert_found("Observation?subject=Patient/nobody", "");
  assert_found("Observation?subject:identifier=urn:mrn%7C200", "b3");
  assert_found("Observation?encounter:missing=true&status=final", "b1 b2 b4");
}

static void composites(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?code-value-quantity=http://loinc.org%7C8480-6$gt150", "b2");
  assert_found("Observation?code-value-quantity=8480-6$lt150", "b1 b3");
  assert_found("Observation?component-code-value-quantity=8480-6$lt100", "b4");
  assert_found("Observation?component-code-value-quantity=8480-6$gt100", "");
  assert_found("Observation?combo-code-value-quantity=8480-6$gt100", "b1 b2");
}

/* Those that are others together, and have no rows of their own. */
static void unions(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?combo-code=8480-6", "b1 b2 b3 b4");
  assert_found("Observation?combo-code=http://loinc.org%7C8462-4,panel", "b4");
  assert_found("Observation?combo-code:not=8480-6", "");
  assert_found("Observation?combo-code:not=8462-4", "b1 b2 b3");
  assert_found("Observation?combo-code:text=systolic", "b1");
  assert_found("Observation?combo-value-quantity=lt100%7C%7Cmm[Hg]", "b4");
  assert_found("Observation?combo-value-quantity:missing=true", "");
  assert_found("Observation?combo-value-concept:missing=true", "b1 b2 b3 b4");
  assert_found("Observation?combo-value-quantity:missing=false&value-quantity:missing=true", "b4");
  assert_found("Observation?_filter=not (combo-code eq 8462-4)", "b1 b2 b3");
  assert_found("Patient?_has:Observation:subject:combo-code=8462-4", "p3");
  assert_found("Observation?_sort=combo-value-quantity&combo-code=http://loinc.org%7C8480-6",
               "b4 b1 b2");
}

static void uris(void **state) {
  (void)state;
  put("{'resourceType':'ValueSet','id':'v1','status':'active','url':'http://a.org/fhir/ValueSet/"
      "x'}");
  put("{'resourceType':'ValueSet','id':'v2','status':'active','url':'http://a.org/fhir'}");
  put("{'resourceType':'ValueSet','id':'v3','status':'active','url':'urn:oid:1.2.3'}");
  assert_found("ValueSet?url=http://a.org/fhir", "v2");
  assert_found("ValueSet?url:below=http://a.org/fhir", "v1 v2");
  assert_found("ValueSet?url:above=http://a.org/fhir/ValueSet/x/y", "v1 v2");
  assert_found("ValueSet?url=urn:oid:1.2.3,http://a.org/fhir", "v2 v3");
}

static void chains(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?subject:Patient.family=mulligan", "b3");
  assert_found("Observation?subject.name=mul", "b1 b2 b3");
  assert_found("Observation?patient.general-practitioner:Practitioner.name=house", "b1 b2");
  assert_found("Observation?patient.organization.name=mercy&status=final", "b1 b2");
  assert_found("Observation?patient.gender:not=female", "b3 b4");
  assert_found("Patient?_has:Observation:patient:code=8480-6", "p1 p2");
  assert_found("Patient?_has:Observation:patient:value-quantity=gt150", "p1");
  assert_found(
      "Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:date=2020-03-01",
      "d1");
  assert_found("Patient?_has:Observation:patient:status=final&gender=male", "");
  assert_found("Observation?patient._has:Observation:patient:status=preliminary", "b3");
}

static void ids_and_deletes(void **state) {
  (void)state;
  put_people();
  assert_found("Patient?_id=p3,p1,nobody", "p1 p3");
  assert_found("Patient?_id=o1", "");
  struct store_write gone = {.type = type_of("Patient"), .id = STR("p1"), .is_delete = true};
  assert_int_equal(commit(&gone, 1), 0);
  assert_found("Patient?_id=p3,p1", "p3");
  assert_found("Patient?gender=female", "");
  assert_found("Patient", "p2 p3");
}

static void meta_parameters(void **state) {
  (void)state;
  put("{'resourceType':'Patient','id':'p1','meta':{'tag':[{'system':'urn:t','code':'x'}],"
      "'profile':['http://p.org/one']}}");
  put("{'resourceType':'Group','id':'g1','type':'person','actual':true,"
      "'meta':{'tag':[{'system':'urn:t','code':'x'}],'source':'urn:s'}}");
  assert_found("Patient?_tag=urn:t%7Cx", "p1");
  assert_found("Group?_tag=x", "g1");
  assert_found("Patient?_profile=http://p.org/one", "p1");
  put("{'resourceType':'Patient','id':'p2','meta':{'profile':['http://p.org/one|2.0']}}");
  assert_found("Patient?_profile=http://p.org/one", "p1 p2");
  assert_found("Patient?_profile=http://p.org/one%7C2.0", "p2");
  assert_found("Patient?_profile:below=http://p.org/", "p1 p2");
  assert_found("Group?_source=urn:s", "g1");
  struct access access = everything();
  assert_int_equal(run_as(&access, "Patient?_tag=x&_total=accurate&_count=0").total, 1);
}

static void includes(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?_id=b1,b2&_include=Observation:subject", "b1 b2 | p1");
  assert_found("Observation?_id=b1&_include=Observation:subject:Group", "b1");
  assert_found("Observation?_id=b1&_include=*", "b1 | p1");
  assert_found("Observation?_id=b1&_include=Observation:subject&_include=Patient:organization",
               "b1 | p1");
  assert_found(
      "Observation?_id=b1&_include=Observation:subject&_include:iterate=Patient:organization",
      "b1 | p1 o1");
  assert_found("Patient?_id=p1&_revinclude=Observation:subject", "p1 | b1 b2");
  assert_found("Patient?_id=p1&_revinclude=Observation:*", "p1 | b1 b2");
  assert_found("Patient?_id=p2&_include:iterate=Patient:*", "p2 | p1 d1 o1");
  assert_found("Patient?_id=p1,p2&_include=Patient:link", "p1 p2");
}

static void order_and_pages(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Patient?_sort=birthdate", "p1 p2 p3");
  assert_found("Patient?_sort=-birthdate", "p3 p2 p1");
  assert_found("Patient?_sort=family", "p1 p2 p3");
  assert_found("Patient?_sort=-family", "p2 p1 p3");
  assert_found("Patient?_sort=-gender", "p2 p1 p3");
  assert_found("Observation?_sort=status,-value-quantity", "b2 b1 b4 b3");
  assert_found("Observation?_sort=-_lastUpdated", "b4 b3 b2 b1");
  assert_found("Observation?_sort=-_id", "b4 b3 b2 b1");
  assert_found("Observation?_sort=-subject", "b4 b3 b1 b2");
  static const char *const orders[] = {"", "&_sort=date", "&_sort=-status,-value-quantity",
                                       "&_sort=-_lastUpdated"};
  struct access access = everything();
  for (size_t i = 0; i < 4; i++) {
    char url[400];
    snprintf(url, sizeof url, "Observation?_count=1000%s", orders[i]);
    struct str all = found(url), pages = STR(""), cursor = STR("");
    do {
      snprintf(url, sizeof url, "Observation?_count=1%s%s%.*s", orders[i],
               cursor.n ? "&_cursor=" : "", STR_ARG(cursor));
      struct search_result page = run_as(&access, url);
      cursor = page.next_cursor;
      pages = arena_printf(test_arena, "%.*s%s%.*s", STR_ARG(pages), pages.n ? " " : "",
                           STR_ARG(ids_of(page)));
    } while (cursor.n);
    assert_str(pages, arena_str(test_arena, all).p);
  }
}

static void totals(void **state) {
  (void)state;
  put_people();
  put_observations();
  struct access access = everything();
  struct search_result r = run_as(&access, "Observation?status=final");
  assert_true(r.has_total && r.total == 3);
  r = run_as(&access, "Observation?status=final&_count=1");
  assert_false(r.has_total);
  r = run_as(&access, "Observation?status=final&_count=1&_total=accurate");
  assert_true(r.has_total && r.total == 3);
  r = run_as(&access, "Observation?status=final&date=ge2020&_count=1&_total=accurate");
  assert_true(r.has_total && r.total == 2);
  r = run_as(&access, "Observation?status=final&_count=1&_total=estimate");
  assert_true(r.has_total && r.total == 3);
  r = run_as(&access, "Observation?_count=1");
  assert_true(r.has_total && r.total == 4);
  r = run_as(&access, "Observation?status=final&_summary=count");
  assert_true(r.has_total && r.total == 3 && r.rows_n == 0);
}

static void access_is_in_the_query(void **state) {
  (void)state;
  put_people();
  put_observations();
  struct access p1 = {.principal = STR("p1"), .patient_id = STR("p1")};
  assert_ids(found_as(&p1, "Observation?code=8480-6"), "b1 b2");
  assert_ids(found_as(&p1, "Observation"), "b1 b2");
  assert_ids(found_as(&p1, "Patient"), "p1 p2"); /* p2 links to p1, so it is in its compartment */
  assert_ids(found_as(&p1, "Patient?_id=p3"), "");
  assert_ids(found_as(&p1, "Observation?_include=Observation:subject&_id=b1"), "b1 | p1");
  assert_ids(found_as(&p1, "Patient?_include=Patient:organization"), "p1 p2");
  assert_ids(found_as(&p1, "Patient?organization.name=mercy"), "");
  assert_int_equal(run_as(&p1, "Observation?_summary=count").total, 2);
  assert_int_equal(run_as(&p1, "Observation?status=final&_count=1&_total=accurate").total, 2);
  assert_int_equal(run_as(&p1, "Observation?_count=1&_total=estimate").total, 2);
  defs_type_id types[] = {type_of("Patient")};
  struct access only = {.principal = STR("x"), .types = types, .types_n = 1};
  assert_ids(found_as(&only, "Observation"), "");
  assert_ids(found_as(&only, "Patient?_revinclude=Observation:subject"), "p1 p2 p3");
}

static void everything_of_a_patient(void **state) {
  (void)state;
  put_people();
  put_observations();
  struct access access = everything();
  struct store_view *view;
  struct err err;
  struct search_result all;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  struct search_everything_query query = {.compartment = type_of("Patient"),
                                          .id = STR("p1"),
                                          .start_us = INT64_MIN,
                                          .end_us = INT64_MAX};
  assert_int_equal(search_everything(view, &access, test_arena, &query, &all, &err), 0);
  assert_ids(ids_of(all), "p1 p2 b1 b2 | o1 d1");
  assert_int_equal(all.total, 6);
  struct str pages = STR("");
  query.count = 4;
  do {
    assert_int_equal(search_everything(view, &access, test_arena, &query, &all, &err), 0);
    query.cursor = all.next_cursor;
    pages = arena_printf(test_arena, "%.*s / %.*s", STR_ARG(pages), STR_ARG(ids_of(all)));
  } while (query.cursor.n);
  assert_ids(pages, " / p1 p2 b1 b2 / | o1 d1");
  query.id = STR("nobody");
  assert_int_equal(search_everything(view, &access, test_arena, &query, &all, &err), ERR_NOT_FOUND);
  store_view_close(view);
}

/* A body that is too large to be read ahead is read when it is needed. */
static void pages_may_be_large(void **state) {
  (void)state;
  enum { DOCUMENTS = 24, DATA_BYTES = 200000 };
  char *data = arena_alloc(test_arena, DATA_BYTES + 1);
  uint64_t random = 88172645463325252u;
  assert_non_null(data);
  for (size_t i = 0; i < DATA_BYTES; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    data[i] = (char)('A' + random % 26);
  }
  data[DATA_BYTES] = '\0';
  for (unsigned i = 0; i < DOCUMENTS; i++) {
    bool is_large = i % 3 != 0;
    put(arena_printf(test_arena,
                     "{'resourceType':'Binary','id':'d%u','contentType':'a/b','data':'%s'}", i,
                     is_large ? data : "QUJD")
            .p);
  }
  struct search_result page =
      run_as(&ACCESS_EVERYTHING(STR("test")), "Binary?_count=100&_sort=_lastUpdated");
  assert_int_equal(page.rows_n, DOCUMENTS);
  for (unsigned i = 0; i < DOCUMENTS; i++) {
    size_t wanted_n = i % 3 != 0 ? DATA_BYTES : 4;
    assert_true(page.rows[i].resource.body.n > wanted_n);
    assert_true(page.rows[i].resource.body.n < wanted_n + 200);
  }
}

static void subsets_are_marked(void **state) {
  (void)state;
  struct str body =
      put_write("{'resourceType':'Patient','id':'p1','text':{'status':'generated',"
                "'div':'<div/>'},'active':true,'name':[{'family':'A','extension':[]}],"
                "'birthDate':'2000','_birthDate':{'id':'x'},"
                "'contact':[{'gender':'male'}],'link':[{'other':{'reference':"
                "'Patient/2'},'type':'seealso'}]}")
          .body;
  struct str cut;
  struct err err;
#define MARK                                                                                       \
  "\"meta\":{\"tag\":[{\"system\":\"http://terminology.hl7.org/CodeSystem/"                        \
  "v3-ObservationValue\",\"code\":\"SUBSETTED\",\"display\":\"subsetted\"}]}"
  assert_int_equal(
      search_subset(test_arena, search_of("Patient?_elements=birthDate"), body, &cut, &err), 0);
  assert_str(cut, "{\"resourceType\":\"Patient\",\"id\":\"p1\"," MARK
                  ",\"active\":true,\"birthDate\":\"2000\",\"_birthDate\":{\"id\":\"x\"},"
                  "\"link\":[{\"other\":{\"reference\":\"Patient/2\"},\"type\":\"seealso\"}]}");
  assert_int_equal(search_subset(test_arena, search_of("Patient?_summary=true"), body, &cut, &err),
                   0);
  assert_true(str_find(cut, STR("contact")) < 0);
  assert_true(str_find(cut, STR("text")) < 0);
  assert_true(str_find(cut, STR("\"family\":\"A\"}")) > 0);
  assert_int_equal(search_subset(test_arena, search_of("Patient?_summary=text"), body, &cut, &err),
                   0);
  assert_str(cut, "{\"resourceType\":\"Patient\",\"id\":\"p1\"," MARK
                  ",\"text\":{\"status\":\"generated\",\"div\":\"<div/>\"}}");
  assert_int_equal(search_subset(test_arena, search_of("Patient?_summary=data"), body, &cut, &err),
                   0);
  assert_true(str_find(cut, STR("\"contact\"")) > 0 && str_find(cut, STR("\"text\"")) < 0);
  assert_int_equal(search_subset(test_arena, search_of("Patient"), body, &cut, &err), 0);
  assert_true(str_equal(cut, body));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(tokens),
      SEARCH_TEST(strings),
      SEARCH_TEST(dates),
      SEARCH_TEST(quantities),
      SEARCH_TEST(references),
      SEARCH_TEST(composites),
      SEARCH_TEST(unions),
      SEARCH_TEST(uris),
      SEARCH_TEST(chains),
      SEARCH_TEST(ids_and_deletes),
      SEARCH_TEST(meta_parameters),
      SEARCH_TEST(includes),
      SEARCH_TEST(order_and_pages),
      SEARCH_TEST(totals),
      SEARCH_TEST(access_is_in_the_query),
      SEARCH_TEST(everything_of_a_patient),
      SEARCH_TEST(pages_may_be_large),
      SEARCH_TEST(subsets_are_marked),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
