/* Searches that ask for a whole set of codes or of resources. */
#include "search_fixture.h"

#define DISEASES                                                                                   \
  "{'resourceType':'CodeSystem','id':'diseases','url':'http://t/diseases','status':'active',"      \
  "'content':'complete','concept':[{'code':'disease','concept':[{'code':'diabetes','concept':["    \
  "{'code':'type1'},{'code':'type2'}]},{'code':'flu'}]},{'code':'other'}]}"

static void put_conditions(void) {
  put(DISEASES);
  put("{'resourceType':'ValueSet','id':'vs','url':'http://t/vs/diabetes','version':'1','status':"
      "'active','compose':{'include':[{'system':'http://t/diseases','filter':[{'property':"
      "'concept','op':'is-a','value':'diabetes'}]}]}}");
  put("{'resourceType':'ValueSet','id':'whole','url':'http://t/vs/snomed','status':'active',"
      "'compose':{'include':[{'system':'http://snomed.info/sct'}],'exclude':[{'system':"
      "'http://snomed.info/sct','concept':[{'code':'2'}]}]}}");
  put("{'resourceType':'ValueSet','id':'hidden','url':'http://t/vs/hidden','status':'active',"
      "'compose':{'include':[{'system':'http://snomed.info/sct','filter':[{'property':'concept',"
      "'op':'is-a','value':'1'}]}]}}");
  put("{'resourceType':'Patient','id':'p'}");
#define CONDITION(id, system, code)                                                                \
  put("{'resourceType':'Condition','id':'" id "','subject':{'reference':'Patient/p'},'code':{"     \
      "'coding':[{'system':'" system "','code':'" code "'}]}}")
  CONDITION("c1", "http://t/diseases", "type1");
  CONDITION("c2", "http://t/diseases", "diabetes");
  CONDITION("c3", "http://t/diseases", "flu");
  CONDITION("c4", "http://t/elsewhere", "type1");
  CONDITION("c5", "http://snomed.info/sct", "1");
  CONDITION("c6", "http://snomed.info/sct", "2");
}

static void codes_in_a_value_set(void **state) {
  (void)state;
  put_conditions();
  assert_found("Condition?code:in=http://t/vs/diabetes", "c1 c2");
  assert_found("Condition?code:in=http://t/vs/diabetes%7C1", "c1 c2");
  assert_found("Condition?code:in=ValueSet/vs", "c1 c2");
  assert_found("Condition?code:not-in=ValueSet/vs", "c3 c4 c5 c6");
  assert_found("Condition?code:in=http://t/vs/snomed", "c5");
  assert_found("Condition?code:not-in=http://t/vs/snomed", "c1 c2 c3 c4 c6");
  assert_found("Condition?code:in=http://t/vs/snomed,http://t/vs/diabetes", "c1 c2 c5");
  assert_found("Patient?_has:Condition:subject:code:in=http://t/vs/diabetes", "p");
}

static void sets_follow_what_is_stored(void **state) {
  (void)state;
  put_conditions();
  assert_found("Condition?code:in=ValueSet/vs", "c1 c2");
  put("{'resourceType':'ValueSet','id':'vs','url':'http://t/vs/diabetes','status':'active',"
      "'compose':{'include':[{'system':'http://t/diseases','concept':[{'code':'flu'}]}]}}");
  assert_found("Condition?code:in=ValueSet/vs", "c3");
  assert_found("Condition?code:in=http://t/vs/diabetes", "c3");
  put("{'resourceType':'CodeSystem','id':'snomed','url':'http://snomed.info/sct','status':'active',"
      "'content':'fragment','concept':[{'code':'1','concept':[{'code':'2'}]}]}");
  assert_found("Condition?code:in=http://t/vs/hidden", "c5 c6");
}

static void above_and_below_a_concept(void **state) {
  (void)state;
  put_conditions();
  assert_found("Condition?code:below=http://t/diseases%7Cdiabetes", "c1 c2");
  assert_found("Condition?code:below=http://t/diseases%7Cdisease", "c1 c2 c3");
  assert_found("Condition?code:above=http://t/diseases%7Ctype1", "c1 c2");
  assert_found("Condition?code:above=http://t/diseases%7Cflu", "c3");
  assert_found("Condition?code:below=http://t/diseases%7Cother", "");
}

static int refused(const char *url, struct err *reterr) {
  struct store_view *view;
  struct search_result result = {0};
  struct access access = everything();
  struct err err = {0};
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  int code = search_run(view, &access, test_arena, search_of(url), &result, reterr);
  store_view_close(view);
  return code;
}

static void what_is_not_known_is_an_error(void **state) {
  (void)state;
  struct err err = {0};
  put_conditions();
  assert_int_equal(refused("Condition?code:in=http://t/vs/hidden", &err), ERR_NOT_SUPPORTED);
  assert_non_null(strstr(err.text, "http://snomed.info/sct"));
  assert_int_equal(refused("Condition?code:in=http://t/vs/nowhere", &err), ERR_NOT_FOUND);
  assert_int_equal(refused("Condition?code:below=http://loinc.org%7C1-8", &err), ERR_NOT_SUPPORTED);
  assert_non_null(strstr(err.text, "http://loinc.org"));
  assert_int_equal(refused("Condition?code:below=http://t/diseases%7Cpox", &err), ERR_CODE_INVALID);
}

static void published_value_sets_of_codes(void **state) {
  (void)state;
  put("{'resourceType':'Encounter','id':'e1','status':'finished','class':{'system':"
      "'http://terminology.hl7.org/CodeSystem/v3-ActCode','code':'IMP'}}");
  put("{'resourceType':'Encounter','id':'e2','status':'planned','class':{'system':"
      "'http://terminology.hl7.org/CodeSystem/v3-ActCode','code':'ACUTE'}}");
  assert_found("Encounter?class:below=http://terminology.hl7.org/CodeSystem/v3-ActCode%7CIMP",
               "e1 e2");
  assert_found("Encounter?class:above=http://terminology.hl7.org/CodeSystem/v3-ActCode%7CACUTE",
               "e1 e2");
  assert_found("Encounter?class:in=http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
               "e1 e2");
  assert_found("Encounter?status:in=http://hl7.org/fhir/ValueSet/encounter-status", "e1 e2");
}

/* Most of a large set does not occur. */
static void a_large_value_set(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  buf_add_z(&buf, "{'resourceType':'ValueSet','id':'large','url':'http://t/vs/large','compose':{"
                  "'include':[{'system':'http://t/n','concept':[");
  for (int i = 0; i < 10000; i++)
    buf_printf(&buf, "%s{'code':'n%d'}", i ? "," : "", i);
  buf_add_z(&buf, "]}]}}");
  put(arena_str(test_arena, buf_str(&buf)).p);
  CONDITION("c1", "http://t/n", "n17");
  CONDITION("c2", "http://t/n", "n9999");
  CONDITION("c3", "http://t/n", "n10000");
  assert_found("Condition?code:in=ValueSet/large", "c1 c2");
  assert_found("Condition?code:not-in=ValueSet/large", "c3");
}

static void identifiers_of_a_type(void **state) {
  (void)state;
#define PATIENT(id, type_system, type, value)                                                      \
  put("{'resourceType':'Patient','id':'" id "','identifier':[{'type':{'coding':[{'system':'x',"    \
      "'code':'y'},{'system':'" type_system "','code':'" type "'}]},'value':'" value "'}]}")
  PATIENT("p1", "http://v2", "MR", "12345");
  PATIENT("p2", "http://v2", "SS", "12345");
  PATIENT("p3", "http://v2", "MR", "12346");
  PATIENT("p4", "http://v3", "MR", "12345");
  assert_found("Patient?identifier:of-type=http://v2%7CMR%7C12345", "p1");
  assert_found("Patient?identifier:of-type=http://v2%7CMR%7C12345,http://v2%7CMR%7C12346", "p1 p3");
  assert_found("Patient?identifier:of-type=http://v2%7CDL%7C12345", "");
}

static void put_places(void) {
  put("{'resourceType':'Location','id':'hospital'}");
  put("{'resourceType':'Location','id':'wing','partOf':{'reference':'Location/hospital'}}");
  put("{'resourceType':'Location','id':'room','partOf':{'reference':'Location/wing'}}");
  put("{'resourceType':'Location','id':'garden'}");
  put("{'resourceType':'Location','id':'a','partOf':{'reference':'Location/b'}}");
  put("{'resourceType':'Location','id':'b','partOf':{'reference':'Location/a'}}");
#define ENCOUNTER(id, location)                                                                    \
  put("{'resourceType':'Encounter','id':'" id "','status':'finished','class':{'code':'AMB'},"      \
      "'location':[{'location':{'reference':'Location/" location "'}}]}")
  ENCOUNTER("e1", "room");
  ENCOUNTER("e2", "hospital");
  ENCOUNTER("e3", "garden");
  ENCOUNTER("e4", "a");
}

static void above_and_below_a_resource(void **state) {
  (void)state;
  put_places();
  assert_found("Encounter?location:below=Location/hospital", "e1 e2");
  assert_found("Encounter?location:below=wing", "e1");
  assert_found("Encounter?location:above=Location/room", "e1 e2");
  assert_found("Encounter?location:above=Location/wing", "e2");
  assert_found("Encounter?location:below=Location/b", "e4");
  assert_found("Location?partof:below=hospital", "wing room");
  assert_found("Encounter?location:below=Location/nowhere", "");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(codes_in_a_value_set),          SEARCH_TEST(sets_follow_what_is_stored),
      SEARCH_TEST(above_and_below_a_concept),     SEARCH_TEST(what_is_not_known_is_an_error),
      SEARCH_TEST(published_value_sets_of_codes), SEARCH_TEST(a_large_value_set),
      SEARCH_TEST(identifiers_of_a_type),         SEARCH_TEST(above_and_below_a_resource),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
