#include "../test.h"

#include "model/terminology.h"

/* ---- A store of a few resources -------------------------------------------------------------- */

static const char *const resources[] = {
    "{'resourceType':'CodeSystem','url':'http://t/animals','version':'2','name':'Animals',"
    "'content':'complete','property':[{'code':'legs','type':'integer'},{'code':'up','uri':"
    "'http://hl7.org/fhir/concept-properties#parent','type':'code'}],'concept':["
    "{'code':'animal','display':'Animal','property':[{'code':'notSelectable','valueBoolean':true}],"
    "'concept':[{'code':'cat','display':'Cat','property':[{'code':'legs','valueInteger':4}],"
    "'concept':[{'code':'lion','property':[{'code':'legs','valueInteger':4}]}]},"
    "{'code':'bird','property':[{'code':'legs','valueInteger':2},{'code':'inactive','valueBoolean':"
    "true}]}]},"
    "{'code':'griffin','property':[{'code':'up','valueCode':'lion'},{'code':'up','valueCode':"
    "'bird'}]},"
    "{'code':'stone'}]}",
    "{'resourceType':'CodeSystem','url':'http://t/circle','content':'complete','concept':["
    "{'code':'a','property':[{'code':'parent','valueCode':'b'}]},"
    "{'code':'b','property':[{'code':'parent','valueCode':'c'}]},"
    "{'code':'c','property':[{'code':'parent','valueCode':'a'}]}]}",
    "{'resourceType':'CodeSystem','url':'http://loinc.org','content':'fragment','concept':["
    "{'code':'1-8','property':[{'code':'SCALE_TYP','valueString':'Qn'}]},{'code':'2-6'}]}",
    "{'resourceType':'ValueSet','url':'http://t/cats','compose':{'include':[{'system':'http://t/"
    "animals','filter':[{'property':'concept','op':'is-a','value':'cat'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/below-cat','compose':{'include':[{'system':"
    "'http://t/animals','filter':[{'property':'concept','op':'descendent-of','value':'cat'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/not-cats','compose':{'include':[{'system':"
    "'http://t/animals','filter':[{'property':'concept','op':'is-not-a','value':'cat'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/up','compose':{'include':[{'system':'http://t/"
    "animals','filter':[{'property':'concept','op':'generalizes','value':'griffin'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/four','compose':{'include':[{'system':'http://t/"
    "animals','filter':[{'property':'legs','op':'=','value':'4'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/legs','compose':{'include':[{'system':'http://t/"
    "animals','filter':[{'property':'legs','op':'exists','value':'true'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/no-legs','compose':{'include':[{'system':'http://t/"
    "animals','filter':[{'property':'legs','op':'exists','value':'false'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/regex','compose':{'include':[{'system':'http://t/"
    "animals','filter':[{'property':'code','op':'regex','value':'.*i.*'},{'property':'code','op':"
    "'not-in','value':'griffin, animal'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/active','compose':{'inactive':false,'include':[{"
    "'system':'http://t/animals'}]}}",
    "{'resourceType':'ValueSet','url':'http://t/both','compose':{'include':[{'valueSet':['http://t/"
    "cats','http://t/regex']}]}}",
    "{'resourceType':'ValueSet','url':'http://t/sum','compose':{'include':[{'valueSet':['http://t/"
    "cats']},{'system':'http://t/other','concept':[{'code':'x','display':'X'},{'code':'lion'}]}],"
    "'exclude':[{'system':'http://t/animals','concept':[{'code':'lion'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/me','compose':{'include':[{'valueSet':['http://t/"
    "you']}]}}",
    "{'resourceType':'ValueSet','url':'http://t/you','compose':{'include':[{'valueSet':['http://t/"
    "me']}]}}",
    "{'resourceType':'ValueSet','url':'http://t/snomed','compose':{'include':[{'system':'http://"
    "snomed.info/sct','filter':[{'property':'concept','op':'is-a','value':'73211009'}]},{'system':"
    "'http://t/animals','concept':[{'code':'cat'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/not-snomed','compose':{'include':[{'system':'http:/"
    "/"
    "snomed.info/sct','concept':[{'code':'1'},{'code':'2'}]}],'exclude':[{'system':'http://"
    "snomed.info/sct','filter':[{'property':'concept','op':'is-a','value':'73211009'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/all-snomed-but-1','compose':{'include':[{'system':"
    "'http://snomed.info/sct'}],'exclude':[{'system':'http://snomed.info/sct','concept':[{'code':"
    "'1'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/loinc','compose':{'include':[{'system':'http://"
    "loinc.org','filter':[{'property':'SCALE_TYP','op':'=','value':'Qn'}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/missing','compose':{'include':[{'valueSet':['http:/"
    "/"
    "t/nowhere']}]}}",
    "{'resourceType':'ValueSet','url':'http://t/ucum','compose':{'include':[{'system':'http://"
    "unitsofmeasure.org'}]}}",
    "{'resourceType':'ValueSet','url':'http://t/broken','compose':{'include':[{'filter':[{}]}]}}",
    "{'resourceType':'ValueSet','url':'http://t/wild','compose':{'include':[{'system':'http://t/"
    "animals','filter':[{'property':'code','op':'regex','value':'(((a+)+)+)+$'}]}]}}",
};

struct world {
  struct arena *arena;
  struct terminology_cache *cache;
  struct terminology_source source;
  struct terminology *t;
  unsigned finds;
};

static int find(void *what, struct arena *arena, struct str type, struct str url,
                struct str version, const struct yyjson_val **ret_resource, struct err *reterr) {
  struct world *w = what;
  w->finds++;
  *ret_resource = NULL;
  for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++) {
    const struct yyjson_val *resource;
    int code =
        json_parse(arena, test_json(arena, resources[i]), &JSON_LIMITS_DEFAULT, &resource, reterr);
    assert_int_equal(code, 0);
    if (str_equal(json_get_text(resource, STR("resourceType")), type) &&
        str_equal(json_get_text(resource, STR("url")), url) &&
        (version.n == 0 || str_equal(json_get_text(resource, STR("version")), version)))
      *ret_resource = resource;
  }
  return 0;
}

static int setup(void **state) {
  struct world *w = calloc(1, sizeof *w);
  struct err err;
  w->arena = arena_new((size_t)64 << 20);
  w->source = (struct terminology_source){.find = find, .what = w};
  assert_int_equal(terminology_cache_new(&w->cache, &err), 0);
  assert_int_equal(terminology_open(w->cache, &w->source, 1, &w->t, &err), 0);
  *state = w;
  return 0;
}

static int teardown(void **state) {
  struct world *w = *state;
  terminology_close(w->t);
  terminology_cache_free(w->cache);
  arena_free(w->arena);
  free(w);
  return 0;
}

static enum terminology_answer has(struct world *w, const char *set, const char *system,
                                   const char *code) {
  struct terminology_coding coding = {.system = system ? str_of(system) : STR_NULL,
                                      .code = str_of(code)};
  enum terminology_answer answer;
  struct err err = {0};
  assert_int_equal(terminology_value_set_has(w->t, str_of(set), &coding, &answer, &err), 0);
  if (answer == TERMINOLOGY_UNKNOWN)
    assert_int_equal(err.code, ERR_NOT_SUPPORTED);
  return answer;
}

#define YES(set, system, code) assert_int_equal(has(w, set, system, code), TERMINOLOGY_YES)
#define NO(set, system, code) assert_int_equal(has(w, set, system, code), TERMINOLOGY_NO)
#define UNKNOWN(set, system, code) assert_int_equal(has(w, set, system, code), TERMINOLOGY_UNKNOWN)

#define ANIMALS "http://t/animals"
#define SNOMED "http://snomed.info/sct"

/* ---- Value sets ------------------------------------------------------------------------------ */

static void published_value_sets_answer(void **state) {
  struct world *w = *state;
  YES("http://hl7.org/fhir/ValueSet/observation-status", "http://hl7.org/fhir/observation-status",
      "final");
  NO("http://hl7.org/fhir/ValueSet/observation-status", "http://hl7.org/fhir/observation-status",
     "finale");
  YES("http://hl7.org/fhir/ValueSet/observation-status|4.0.1", NULL, "final");
  /* a filter (is-a) over v3-ActCode */
  YES("http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
      "http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB");
  NO("http://terminology.hl7.org/ValueSet/v3-ActEncounterCode",
     "http://terminology.hl7.org/CodeSystem/v3-ActCode", "OBSANTV");
  NO("http://terminology.hl7.org/ValueSet/v3-ActEncounterCode", "http://loinc.org", "AMB");
  UNKNOWN("http://hl7.org/fhir/ValueSet/condition-code", SNOMED, "44054006");
  YES("http://hl7.org/fhir/ValueSet/mimetypes", "urn:ietf:bcp:13", "application/fhir+json");
  NO("http://hl7.org/fhir/ValueSet/mimetypes", "urn:ietf:bcp:13", "application");
  YES("http://hl7.org/fhir/ValueSet/all-languages", "urn:ietf:bcp:47", "de-CH-1996");
  NO("http://hl7.org/fhir/ValueSet/all-languages", "urn:ietf:bcp:47", "german language");
  YES("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mm[Hg]");
  NO("http://hl7.org/fhir/ValueSet/ucum-units", "http://unitsofmeasure.org", "mmHgg");
}

static void filters_follow_the_hierarchy(void **state) {
  struct world *w = *state;
  YES("http://t/cats", ANIMALS, "cat");
  YES("http://t/cats", ANIMALS, "lion");
  YES("http://t/cats", ANIMALS, "griffin"); /* by a property that only its uri calls a parent */
  NO("http://t/cats", ANIMALS, "bird");
  NO("http://t/cats", "http://t/other", "cat");
  NO("http://t/below-cat", ANIMALS, "cat");
  YES("http://t/below-cat", ANIMALS, "lion");
  YES("http://t/not-cats", ANIMALS, "bird");
  NO("http://t/not-cats", ANIMALS, "griffin");
  YES("http://t/up", ANIMALS, "animal");
  YES("http://t/up", ANIMALS, "bird");
  NO("http://t/up", ANIMALS, "stone");
}

static void filters_look_at_properties(void **state) {
  struct world *w = *state;
  YES("http://t/four", ANIMALS, "lion");
  NO("http://t/four", ANIMALS, "bird");
  YES("http://t/legs", ANIMALS, "bird");
  NO("http://t/legs", ANIMALS, "stone");
  NO("http://t/no-legs", ANIMALS, "bird");
  YES("http://t/no-legs", ANIMALS, "stone");
  YES("http://t/regex", ANIMALS, "lion");
  NO("http://t/regex", ANIMALS, "griffin");
  NO("http://t/active", ANIMALS, "bird");
  YES("http://t/active", ANIMALS, "stone");
}

static void includes_add_up_and_imports_must_all_hold(void **state) {
  struct world *w = *state;
  YES("http://t/both", ANIMALS, "lion");
  NO("http://t/both", ANIMALS, "cat");  /* not of the second */
  NO("http://t/both", ANIMALS, "bird"); /* not of the first */
  YES("http://t/sum", ANIMALS, "cat");
  YES("http://t/sum", "http://t/other", "lion");
  NO("http://t/sum", ANIMALS, "lion");
}

static void what_is_not_loaded_is_unknown_never_no(void **state) {
  struct world *w = *state;
  UNKNOWN("http://t/snomed", SNOMED, "44054006");
  YES("http://t/snomed", ANIMALS, "cat");
  NO("http://t/snomed", ANIMALS, "stone");
  UNKNOWN("http://t/not-snomed", SNOMED, "1"); /* listed, but may be excluded */
  NO("http://t/not-snomed", SNOMED, "3");
  UNKNOWN("http://t/all-snomed-but-1", SNOMED, "3");
  NO("http://t/all-snomed-but-1", SNOMED, "1");
  UNKNOWN("http://t/missing", ANIMALS, "cat");
  YES("http://t/loinc", "http://loinc.org", "1-8");
  UNKNOWN("http://t/loinc", "http://loinc.org", "9-9");
  struct terminology_coding coding = {.system = STR(SNOMED), .code = STR("5")};
  enum terminology_answer answer;
  struct err err = {0};
  assert_int_equal(terminology_value_set_has(w->t, STR("http://t/snomed"), &coding, &answer, &err),
                   0);
  assert_non_null(strstr(err.text, SNOMED));
  assert_int_equal(terminology_system_has(w->t, &coding, &answer, &err), 0);
  assert_int_equal(answer, TERMINOLOGY_UNKNOWN);
}

static int load(struct world *w, const char *url, struct err *reterr) {
  const struct terminology_value_set *set;
  return terminology_value_set(w->t, str_of(url), &set, reterr);
}

static void what_is_wrong_is_said(void **state) {
  struct world *w = *state;
  struct err err;
  assert_int_equal(load(w, "http://t/me", &err), ERR_VALUE);
  assert_non_null(strstr(err.text, "includes itself"));
  assert_int_equal(load(w, "http://t/broken", &err), ERR_VALUE);
  assert_int_equal(load(w, "http://t/nothing", &err), ERR_NOT_FOUND);
  assert_int_equal(load(w, "http://t/cats|7", &err), ERR_NOT_FOUND);
  assert_int_equal(load(w, "", &err), ERR_NOT_FOUND);
  int code = load(w, "http://t/wild", &err);
  assert_true(code == 0 || code == ERR_TOO_COSTLY);
}

static void what_is_loaded_stays_until_the_epoch_changes(void **state) {
  struct world *w = *state;
  YES("http://t/cats", ANIMALS, "cat");
  unsigned finds = w->finds;
  YES("http://t/cats", ANIMALS, "lion");
  assert_int_equal(w->finds, finds);
  struct terminology *other, *late;
  struct err err;
  assert_int_equal(terminology_open(w->cache, &w->source, 2, &other, &err), 0);
  assert_int_equal(terminology_open(w->cache, &w->source, 1, &late, &err), 0);
  const struct terminology_value_set *set;
  assert_int_equal(terminology_value_set(other, STR("http://t/cats"), &set, &err), 0);
  assert_true(w->finds > finds);
  YES("http://t/cats", ANIMALS, "lion"); /* the old one is still there for who holds it */
  terminology_close(other);
  terminology_close(late);
}

static bool is_open(const struct terminology_value_set *set) {
  return set->opens_n > 0 || set->uncertain_why.n > 0;
}

/* How much of what the package publishes can be worked out; and nothing of it is refused. */
static void every_published_value_set_is_worked_out(void **state) {
  struct world *w = *state;
  w->source.find = NULL;
  struct terminology *t;
  struct err err = {0};
  assert_int_equal(terminology_open(w->cache, NULL, 9, &t, &err), 0);
  size_t sets = 0, open = 0, members = 0;
  struct defs_resource_text text;
  for (uint32_t i = 1; defs_published_at(i, &text); i++) {
    const struct terminology_value_set *set;
    if (!defs_published(true, text.url, &text))
      continue;
    int code = terminology_value_set(t, text.url, &set, &err);
    if (code)
      fail_msg("%.*s: %s", STR_ARG(text.url), err.text);
    sets++;
    open += is_open(set);
    members += set->members_n;
  }
  print_message("%zu value sets, %zu of them open, %zu members\n", sets, open, members);
  assert_true(sets > 1300 && open < 200 && members > 30000);
  terminology_close(t);
}

/* ---- Code systems ---------------------------------------------------------------------------- */

static enum terminology_subsumption relation(struct world *w, const char *a, const char *b) {
  enum terminology_subsumption subsumption;
  struct err err;
  assert_int_equal(
      terminology_subsumes(w->t, STR(ANIMALS), str_of(a), str_of(b), &subsumption, &err), 0);
  return subsumption;
}

static void subsumption_follows_every_parent(void **state) {
  struct world *w = *state;
  assert_int_equal(relation(w, "animal", "griffin"), TERMINOLOGY_SUBSUMES);
  assert_int_equal(relation(w, "bird", "griffin"), TERMINOLOGY_SUBSUMES);
  assert_int_equal(relation(w, "griffin", "cat"), TERMINOLOGY_SUBSUMED_BY);
  assert_int_equal(relation(w, "cat", "cat"), TERMINOLOGY_EQUIVALENT);
  assert_int_equal(relation(w, "cat", "bird"), TERMINOLOGY_NOT_SUBSUMED);
  enum terminology_subsumption subsumption;
  struct err err;
  assert_int_equal(
      terminology_subsumes(w->t, STR(ANIMALS), STR("cat"), STR("dog"), &subsumption, &err),
      ERR_CODE_INVALID);
  assert_int_equal(terminology_subsumes(w->t, STR(SNOMED), STR("1"), STR("2"), &subsumption, &err),
                   ERR_NOT_SUPPORTED);
  assert_non_null(strstr(err.text, SNOMED));
  assert_int_equal(
      terminology_subsumes(w->t, STR("http://t/circle"), STR("a"), STR("b"), &subsumption, &err),
      0);
}

static void relatives_include_the_code(void **state) {
  struct world *w = *state;
  struct terminology_codes codes;
  struct err err;
  assert_int_equal(
      terminology_relatives(w->t, STR(ANIMALS), STR("cat"), false, w->arena, &codes, &err), 0);
  assert_int_equal(codes.n, 3);
  assert_int_equal(
      terminology_relatives(w->t, STR(ANIMALS), STR("griffin"), true, w->arena, &codes, &err), 0);
  assert_int_equal(codes.n, 5);
  assert_int_equal(
      terminology_relatives(w->t, STR("http://t/circle"), STR("a"), false, w->arena, &codes, &err),
      0);
  assert_int_equal(codes.n, 3);
}

static void lookup_tells_what_a_concept_is(void **state) {
  struct world *w = *state;
  struct terminology_concept concept;
  struct err err;
  assert_int_equal(
      terminology_lookup(w->t, STR(ANIMALS "|2"), STR("animal"), w->arena, &concept, &err), 0);
  assert_true(str_is(concept.display, "Animal"));
  assert_true(str_is(concept.system_name, "Animals"));
  assert_true(concept.is_abstract);
  assert_int_equal(concept.children.n, 2);
  assert_int_equal(concept.parents.n, 0);
  assert_int_equal(
      terminology_lookup(w->t, STR(ANIMALS "|1"), STR("animal"), w->arena, &concept, &err),
      ERR_NOT_SUPPORTED);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(published_value_sets_answer, setup, teardown),
      cmocka_unit_test_setup_teardown(filters_follow_the_hierarchy, setup, teardown),
      cmocka_unit_test_setup_teardown(filters_look_at_properties, setup, teardown),
      cmocka_unit_test_setup_teardown(includes_add_up_and_imports_must_all_hold, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_not_loaded_is_unknown_never_no, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_wrong_is_said, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_loaded_stays_until_the_epoch_changes, setup,
                                      teardown),
      cmocka_unit_test_setup_teardown(every_published_value_set_is_worked_out, setup, teardown),
      cmocka_unit_test_setup_teardown(subsumption_follows_every_parent, setup, teardown),
      cmocka_unit_test_setup_teardown(relatives_include_the_code, setup, teardown),
      cmocka_unit_test_setup_teardown(lookup_tells_what_a_concept_is, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
