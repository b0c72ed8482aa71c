#include "../test.h"

#include "store/search/search_query.h"

static struct issues issues;

static int parse(const char *url, const struct search **ret_search, struct err *err) {
  struct search_place place;
  const struct search_pair *pairs;
  size_t n;
  issues = (struct issues){0};
  int code = search_split_place(test_arena, str_of(url), &place, &pairs, &n, err);
  if (code)
    return code;
  struct search_options options = {.base_url = STR("http://here/fhir")};
  return search_parse(test_arena, place.type, pairs, n, &options, ret_search, &issues, err);
}

static const struct search *good(const char *url) {
  const struct search *search = NULL;
  struct err err = {0};
  if (parse(url, &search, &err))
    fail_msg("%s: %s: %s", url, err.where, err.text);
  return search;
}

static struct err bad(const char *url, int expected) {
  const struct search *search;
  struct err err = {0};
  assert_int_equal(parse(url, &search, &err), expected);
  assert_true(issues.errors_n > 0);
  return err;
}

static const struct search_operand *operand(const char *url, size_t i) {
  const struct search *search = good(url);
  assert_int_equal(search->predicates_n, 1);
  assert_true(search->predicates[0].operands_n > i);
  return &search->predicates[0].operands[i];
}

static void escapes_keep_separators(void **state) {
  (void)state;
  const struct search_operand *o = operand("Patient?name=a%5C,b,c%5C%5C,d%5C%7Ce", 0);
  assert_str(o[0].text, "a,b");
  assert_str(o[1].text, "c\\");
  assert_str(o[2].text, "d|e");
  o = operand("Patient?identifier=urn:x%5C%7Cy%7C1%5C$2", 0);
  assert_str(o->system, "urn:x|y");
  assert_str(o->code, "1$2");
}

static void tokens_tell_four_forms_apart(void **state) {
  (void)state;
  const struct search_operand *o = operand("Patient?identifier=a,s%7Cb,%7Cc,s%7C", 0);
  assert_false(o[0].has_system);
  assert_str(o[0].code, "a");
  assert_true(o[1].has_system);
  assert_str(o[1].system, "s");
  assert_true(o[2].has_system);
  assert_int_equal(o[2].system.n, 0);
  assert_str(o[3].system, "s");
  assert_int_equal(o[3].code.n, 0);
  bad("Patient?identifier=%7C", ERR_VALUE);
  bad("Patient?identifier=a%7Cb%7Cc", ERR_VALUE);
}

static void every_prefix_is_read(void **state) {
  (void)state;
  static const char *const texts[] = {"eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"};
  for (size_t i = 0; i < 9; i++) {
    char url[64];
    snprintf(url, sizeof url, "Patient?birthdate=%s2013-01-14", texts[i]);
    assert_int_equal(operand(url, 0)->prefix, SEARCH_EQ + i);
    snprintf(url, sizeof url, "Observation?value-quantity=%s5.4%%7C%%7Cmg", texts[i]);
    const struct search_operand *o = operand(url, 0);
    assert_int_equal(o->prefix, SEARCH_EQ + i);
    assert_str(o->code, "mg");
    assert_true(o->exact == 5.4);
    if (o->prefix == SEARCH_AP)
      assert_true(o->from < 4.87 && o->to > 5.93);
    else
      assert_true(o->from == 5.35 && o->to == 5.45);
  }
  bad("Patient?birthdate=xx2013", ERR_VALUE);
  bad("Patient?birthdate=2013-02-30", ERR_VALUE);
  bad("RiskAssessment?probability=gt", ERR_VALUE);
}

static void references_are_recognised(void **state) {
  (void)state;
  const struct search_operand *o =
      operand("Observation?subject=1,Patient/2,http://here/fhir/Patient/3,http://x/Patient/4", 0);
  assert_str(o[0].id, "1");
  assert_int_equal(o[0].type.n, 0);
  assert_str(o[1].type, "Patient");
  assert_str(o[2].id, "3");
  assert_str(o[3].url, "http://x/Patient/4");
  o = operand("Observation?subject:Patient=7", 0);
  assert_str(o->type, "Patient");
  bad("Observation?subject:Patient=Group/7", ERR_VALUE);
  bad("Observation?subject:Encounter=7", ERR_NOT_SUPPORTED);
  assert_str(operand("Observation?subject:identifier=s%7Cv", 0)->system, "s");
}

static void chains_and_has_nest(void **state) {
  (void)state;
  const struct search *s = good("Observation?subject:Patient.general-practitioner.name:exact=Ann");
  const struct search_predicate *p = &s->predicates[0];
  assert_int_equal(p->subject, SEARCH_ON_CHAIN);
  assert_int_equal(p->targets_n, 1);
  assert_int_equal(p->targets[0].subject, SEARCH_ON_CHAIN);
  assert_true(p->targets[0].targets_n >= 2); /* Organization and Practitioner have a name */
  assert_int_equal(p->targets[0].targets[0].modifier, SEARCH_EXACT);

  s = good("Patient?_has:Observation:patient:_has:Provenance:target:agent=Practitioner/1");
  p = &s->predicates[0];
  assert_int_equal(p->subject, SEARCH_ON_HAS);
  assert_int_equal(p->targets[0].subject, SEARCH_ON_HAS);
  assert_int_equal(p->targets[0].targets[0].value_type, SEARCH_REFERENCE);

  bad("Patient?name.family=x", ERR_NOT_SUPPORTED);
  bad("Patient?_has:Observation:code:status=final", ERR_NOT_SUPPORTED);
  bad("Patient?_has:Observation:patient=x", ERR_VALUE);
  bad("Patient?link.link.link.link.link.link.link.link.link.link.name=x", ERR_TOO_COSTLY);
}

static void composites_take_their_parts(void **state) {
  (void)state;
  const struct search_operand *o =
      operand("Observation?code-value-quantity=http://loinc.org%7C8480-6$gt200", 0);
  assert_int_equal(o->parts_n, 2);
  assert_str(o->parts[0].code, "8480-6");
  assert_int_equal(o->parts[1].prefix, SEARCH_GT);
  bad("Observation?code-value-quantity=8480-6", ERR_VALUE);
  bad("Observation?code-value-quantity=8480-6$1$2", ERR_VALUE);
}

static void unknown_names_lead_to_near_ones(void **state) {
  (void)state;
  struct err err = bad("Patient?birthdat=2000", ERR_NOT_SUPPORTED);
  assert_non_null(strstr(err.text, "'birthdate'"));
  err = bad("Patient?_cuont=2", ERR_NOT_SUPPORTED);
  assert_non_null(strstr(err.text, "'_count'"));
  err = bad("Patient?_sort=-famly", ERR_NOT_SUPPORTED);
  assert_non_null(strstr(err.text, "'family'"));
  err = bad("Patient?name:fuzzy=x", ERR_NOT_SUPPORTED);
  assert_non_null(strstr(err.text, ":fuzzy"));
  bad("Patient?birthdate:exact=2000", ERR_NOT_SUPPORTED);
}

static void all_faults_are_reported(void **state) {
  (void)state;
  bad("Patient?birthdate=x&nome=y&_count=z&name=", ERR_VALUE);
  assert_int_equal(issues.errors_n, 4);
}

static void lenient_search_warns_of_unknown_names_only(void **state) {
  (void)state;
  struct search_pair pairs[] = {{STR("nome"), STR("x")}, {STR("name"), STR("y")}};
  struct search_options options = {.is_lenient = true};
  const struct search *search;
  struct err err;
  issues = (struct issues){0};
  defs_type_id patient = defs_type_by_name(STR("Patient"));
  assert_int_equal(search_parse(test_arena, patient, pairs, 2, &options, &search, &issues, &err),
                   0);
  assert_int_equal(issues.list.n, 1);
  assert_int_equal(issues.list.p[0].severity, ERR_SEVERITY_WARNING);
  assert_int_equal(search->predicates_n, 1);
  pairs[1] = (struct search_pair){STR("birthdate"), STR("y")};
  assert_int_equal(search_parse(test_arena, patient, pairs, 2, &options, &search, &issues, &err),
                   ERR_VALUE);
}

static void result_parameters_are_taken(void **state) {
  (void)state;
  const struct search *s =
      good("Observation?_count=5000&_sort=-date,code&_include=Observation:subject:Patient"
           "&_include:iterate=Patient:*&_revinclude=Provenance:target&_total=accurate"
           "&_summary=data&_elements=status,Observation.code");
  assert_int_equal(s->count, 1000);
  assert_int_equal(s->sorts_n, 2);
  assert_true(s->sorts[0].is_descending);
  assert_int_equal(s->includes_n, 3);
  assert_true(s->includes[1].is_iterate && s->includes[1].param == 0);
  assert_true(s->includes[2].is_reverse);
  assert_int_equal(s->total, SEARCH_TOTAL_ACCURATE);
  assert_int_equal(s->elements_n, 2);
  assert_str(s->elements[1], "code");
  assert_true(good("Patient?_count=0")->is_count_only);
  bad("Patient?_count=1&_count=2", ERR_VALUE);
  bad("Patient?_include=Patient:name", ERR_NOT_SUPPORTED);
  bad("Patient?_cursor=abc", ERR_VALUE);
}

static void the_self_link_says_what_was_understood(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1000);
  search_write_url(&buf, good("Patient?name=a%20%26b&_count=99999&identifier=s%7C1"));
  assert_str(buf_str(&buf), "Patient?name=a%20%26b&_count=1000&identifier=s%7C1");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(escapes_keep_separators),
      TEST(tokens_tell_four_forms_apart),
      TEST(every_prefix_is_read),
      TEST(references_are_recognised),
      TEST(chains_and_has_nest),
      TEST(composites_take_their_parts),
      TEST(unknown_names_lead_to_near_ones),
      TEST(all_faults_are_reported),
      TEST(lenient_search_warns_of_unknown_names_only),
      TEST(result_parameters_are_taken),
      TEST(the_self_link_says_what_was_understood),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
