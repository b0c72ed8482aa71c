/* What a search may cost at most: hostile ones end early, with an error that says what to change.
 */
#include "search_people.h"

#include "base/clock.h"

enum { OBSERVATIONS = 3000, BATCH = 500 };

/* Observations that all refer to each other's neighbours, of one patient. */
static void put_web(void) {
  static struct store_write writes[BATCH];
  put("{'resourceType':'Patient','id':'p1','name':[{'family':'Long'}]}");
  for (unsigned at = 0; at < OBSERVATIONS; at += BATCH) {
    for (unsigned i = 0; i < BATCH; i++)
      writes[i] = put_write(
          arena_printf(test_arena,
                       "{'resourceType':'Observation','id':'b%u','status':'final','code':{'coding':"
                       "[{'code':'c%u'}],'text':'number %u of many'},'subject':{'reference':"
                       "'Patient/p1'},'hasMember':[{'reference':'Observation/b%u'},{'reference':"
                       "'Observation/b%u'}]}",
                       at + i, (at + i) % 7, at + i, (at + i + 1) % OBSERVATIONS,
                       (at + i * 7) % OBSERVATIONS)
              .p);
    assert_int_equal(commit(writes, BATCH), 0);
  }
}

static struct err run_limited(struct search_limits limits, const char *url) {
  struct access access = everything();
  struct search_result result;
  struct store_view *view;
  const struct search *search;
  struct err err = {0};
  fixture_limits = &limits;
  int code = search_parse_url(url, &search, &err);
  if (code == 0) {
    assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
    code = search_run(view, &access, test_arena, search, &result, &err);
    store_view_close(view);
  }
  fixture_limits = NULL;
  err.code = (enum err_code)code;
  return err;
}

static const char *const hostile[] = {
    "Observation?code=c1&_include:iterate=*&_revinclude:iterate=*",
    "Observation?has-member.has-member.has-member.has-member.code=c1&_total=accurate",
    "Observation?_filter=not(has-member.has-member.code%20eq%20c9)&_total=accurate",
    "Observation?_filter=code%20co%20zzz",
    "Patient?_has:Observation:subject:_has:Observation:has-member:code=c1&_total=accurate",
    "Observation?_sort=code&_total=accurate",
};

static void steps_are_bounded(void **state) {
  (void)state;
  put_web();
  for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
    struct err err = run_limited((struct search_limits){.steps = 10000}, hostile[i]);
    if (err.code != ERR_TOO_COSTLY || !strstr(err.text, "add a condition"))
      fail_msg("%s: %d %s", hostile[i], err.code, err.text);
  }
}

static void time_is_bounded(void **state) {
  (void)state;
  put_web();
  for (size_t i = 0; i < sizeof hostile / sizeof hostile[0]; i++) {
    struct err err = run_limited((struct search_limits){.time_us = 1}, hostile[i]);
    assert_int_equal(err.code, ERR_TOO_COSTLY);
  }
}

static void what_is_cheap_is_not_refused(void **state) {
  (void)state;
  put_web();
  struct search_limits limits = {.steps = 5000};
  assert_int_equal(run_limited(limits, "Observation?code=c1&_count=10").code, 0);
  assert_int_equal(run_limited(limits, "Patient?name=long").code, 0);
  assert_int_equal(run_limited(limits, "Observation?status:not=final&_total=accurate").code, 0);
  assert_int_equal(run_limited(limits, "Observation?status:missing=true").code, 0);
}

static void queries_are_bounded(void **state) {
  (void)state;
  struct search_limits limits = {
      .pairs = 2, .value_bytes = 40, .operands = 3, .depth = 2, .predicates = 20};
  static const char *const urls[] = {
      "Patient?active=true&active=true&active=true",
      "Patient?name=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
      "Patient?name=a,b,c,d",
      "Observation?has-member.has-member.has-member.code=x",
      "Observation?focus.identifier=x",
  };
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    struct err err = run_limited(limits, urls[i]);
    assert_true(err.code == ERR_TOO_COSTLY || err.code == ERR_TOO_LONG);
  }
  struct buf buf;
  buf_init_arena(&buf, test_arena, 200000);
  buf_add_z(&buf, "Patient?_filter=");
  for (int i = 0; i < 2000; i++)
    buf_add_z(&buf, "(");
  buf_add_char(&buf, '\0');
  assert_int_equal(run_limited((struct search_limits){0}, buf.p).code, ERR_TOO_COSTLY);
}

static void long_lists_are_quick(void **state) {
  (void)state;
  struct buf buf;
  put_web();
  buf_init_arena(&buf, test_arena, 200000);
  buf_add_z(&buf, "Observation?code=c3");
  for (int i = 0; i < 4000; i++)
    buf_printf(&buf, ",urn:s%%7Cx%d", i);
  buf_add_char(&buf, '\0');
  assert_int_equal(run_limited((struct search_limits){.steps = 100000}, buf.p).code, 0);
}

static void explanations_tell_the_cost(void **state) {
  (void)state;
  put_web();
  struct access access = everything();
  struct search_explanation explanation;
  struct search_result result;
  struct store_view *view;
  struct err err = {0};
  const struct search *search = search_of("Observation?code=c1&subject:Patient.name=long&_count=5");
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(search_explain(view, &access, test_arena, search, &explanation, &result, &err),
                   0);
  assert_int_equal(result.matches_n, 5);
  assert_int_equal(explanation.conditions_n, 2);
  assert_int_equal(explanation.types_count, OBSERVATIONS);
  bool has_driver = false;
  for (size_t i = 0; i < 2; i++)
    has_driver |= strcmp(explanation.conditions[i].role, "driver") == 0;
  assert_true(has_driver);
  assert_int_equal(explanation.conditions[1].parts_n, 1);
  assert_true(explanation.fetched >= 5);
  struct buf buf;
  buf_init_arena(&buf, test_arena, 10000);
  search_explanation_write(&buf, &explanation);
  assert_true(str_find(buf_str(&buf), STR("code = c1")) > 0);
  bool tells_ahead = str_find(buf_str(&buf), STR("read ahead")) > 0;
  assert_int_equal(tells_ahead, fixture_is_postgres());
  access = (struct access){.principal = STR("x"), .patient_id = STR("p1")};
  assert_int_equal(search_explain(view, &access, test_arena, search, &explanation, &result, &err),
                   ERR_FORBIDDEN);
  store_view_close(view);
}

static void includes_of_every_kind(void **state) {
  (void)state;
  put_people();
  put("{'resourceType':'Questionnaire','id':'q1','url':'http://x/q','status':'active'}");
  put("{'resourceType':'QuestionnaireResponse','id':'r1','status':'completed','questionnaire':"
      "'http://x/q','subject':{'reference':'Patient/p1'}}");
  put("{'resourceType':'PlanDefinition','id':'d2','status':'active','library':['http://x/l|2']}");
  put("{'resourceType':'Library','id':'l1','status':'active','type':{'text':'x'},'url':"
      "'http://x/l','version':'1'}");
  put("{'resourceType':'Library','id':'l2','status':'active','type':{'text':'x'},'url':"
      "'http://x/l','version':'2'}");
  assert_found("QuestionnaireResponse?_include=QuestionnaireResponse:questionnaire", "r1 | q1");
  assert_found("QuestionnaireResponse?_include=*", "r1 | p1 q1");
  assert_found("PlanDefinition?_include=PlanDefinition:depends-on", "d2 | l2");
  assert_found("Patient?_id=p1&_revinclude=*", "p1 | p2 r1");
  assert_found("Patient?_id=p1&_revinclude=QuestionnaireResponse:*", "p1 | r1");
}

static void sorts_by_text(void **state) {
  (void)state;
  put_people();
  put_observations();
  assert_found("Observation?_sort=code", "b1 b2 b3 b4");
  assert_found("Observation?_sort=-code", "b4 b1 b2 b3");
  assert_found("Observation?_sort=-status,-_id", "b3 b4 b2 b1");
  assert_found("Observation?_sort=-subject,date", "b4 b3 b2 b1");
  assert_found("Patient?_sort=gender", "p1 p2 p3");
  assert_found("Patient?_sort=-gender", "p2 p1 p3");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(steps_are_bounded),
      SEARCH_TEST(time_is_bounded),
      SEARCH_TEST(what_is_cheap_is_not_refused),
      SEARCH_TEST(queries_are_bounded),
      SEARCH_TEST(long_lists_are_quick),
      SEARCH_TEST(explanations_tell_the_cost),
      SEARCH_TEST(includes_of_every_kind),
      SEARCH_TEST(sorts_by_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
