#include "../test.h"

#include <dirent.h>
#include <stdio.h>

#include "base/clock.h"
#include "model/search_values.h"
#include "model/search_values_plan.h"

static void assert_folds(const char *in, const char *out) {
  assert_str(search_normal_string(test_arena, str_of(in)), out);
}

static void strings_fold_case_marks_punctuation_and_space(void **state) {
  (void)state;
  assert_folds("", "");
  assert_folds("  Peter\t James ", "peter james");
  assert_folds("O'Brien-Smith, Jr.", "obriensmith jr");
  assert_folds("M\u00fcller", "muller");
  assert_folds("Mu\u0308ller", "muller");
  assert_folds("Stra\u00dfe", "strasse");
  assert_folds("\u0130stanbul", "istanbul");
  assert_folds("\uff21\uff22\u3000\ufb01", "ab fi");
  assert_folds("\u2019\u2014", "");
  assert_folds("\u5c71\u7530", "\u5c71\u7530");
  assert_folds("A+B $5", "a+b $5");
}

static int64_t at(int year, int month, int day, int hour, int minute, int second, int us) {
  return clock_from_civil((struct clock_civil){year, month, day, hour, minute, second, us});
}

static void dates_are_ranges_of_the_written_precision(void **state) {
  (void)state;
  int64_t from, to;
  assert_true(search_normal_date(STR("2013"), &from, &to));
  assert_true(from == at(2013, 1, 1, 0, 0, 0, 0) && to == at(2014, 1, 1, 0, 0, 0, 0));
  assert_true(search_normal_date(STR("2013-12"), &from, &to));
  assert_true(from == at(2013, 12, 1, 0, 0, 0, 0) && to == at(2014, 1, 1, 0, 0, 0, 0));
  assert_true(search_normal_date(STR("2012-02-29"), &from, &to));
  assert_true(from == at(2012, 2, 29, 0, 0, 0, 0) && to == at(2012, 3, 1, 0, 0, 0, 0));
  assert_true(search_normal_date(STR("2013-01-14T10:00"), &from, &to));
  assert_true(from == at(2013, 1, 14, 10, 0, 0, 0) && to == at(2013, 1, 14, 10, 1, 0, 0));
  assert_true(search_normal_date(STR("2013-01-14T10:00:05+02:00"), &from, &to));
  assert_true(from == at(2013, 1, 14, 8, 0, 5, 0) && to == at(2013, 1, 14, 8, 0, 6, 0));
  assert_true(search_normal_date(STR("2013-01-14T10:00:05.25-05:30"), &from, &to));
  assert_true(from == at(2013, 1, 14, 15, 30, 5, 250000) &&
              to == at(2013, 1, 14, 15, 30, 5, 260000));
  assert_true(search_normal_date(STR("2013-01-14T10:00:05.123456789Z"), &from, &to));
  assert_true(from == at(2013, 1, 14, 10, 0, 5, 123456) && to == from + 1);
}

static void dates_that_are_none_are_refused(void **state) {
  (void)state;
  const char *bad[] = {"",
                       "13",
                       "0000",
                       "2013-",
                       "2013-13",
                       "2013-02-29",
                       "2013-00-01",
                       "2013-1-1",
                       "2013-01-01T",
                       "2013-01-01T24:00",
                       "2013-01-01T10",
                       "2013-01-01T10:00:00.",
                       "2013-01-01T10:00:00+1:00",
                       "2013-01-01T10:00:00+15:00",
                       "2013-01-01 10:00:00",
                       "2013-01-01T10:00:00Zx",
                       "x2013"};
  int64_t from, to;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(search_normal_date(str_of(bad[i]), &from, &to));
}

static void assert_range(const char *in, double expect_from, double expect_to) {
  double from = 0, to = 0;
  assert_true(search_normal_number(str_of(in), &from, &to));
  if (from != expect_from || to != expect_to)
    fail_msg("%s: [%.17g, %.17g)", in, from, to);
}

static void numbers_are_ranges_of_the_written_precision(void **state) {
  (void)state;
  assert_range("100", 99.5, 100.5);
  assert_range("100.00", 99.995, 100.005);
  assert_range("5.40", 5.395, 5.405);
  assert_range("1e2", 95, 105);
  assert_range("5.4e2", 535, 545);
  assert_range("-3", -3.5, -2.5);
  assert_range("0", -0.5, 0.5);
  assert_range("0.0001", 0.00005, 0.00015);
  assert_range("1.00e-3", 0.000995, 0.001005);
  double from, to;
  assert_true(search_normal_number(STR("3.14159265358979323846264338327950288"), &from, &to));
  assert_true(from < 3.1415926535897932 && to > 3.1415926535897932);
}

static void numbers_that_are_none_are_refused(void **state) {
  (void)state;
  const char *bad[] = {"",      "-",    ".",   ".5",  "5.", "1e",    "1e+",
                       "1.2.3", "0x10", "nan", "inf", "1 ", "1e999", "1e99999999999"};
  double from, to;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(search_normal_number(str_of(bad[i]), &from, &to));
}

static void assert_reference(const char *in, const char *base, const char *type, const char *id,
                             const char *version, const char *url) {
  struct search_reference r = search_normal_reference(str_of(in), str_of(base));
  assert_str(r.type, type);
  assert_str(r.id, id);
  assert_str(r.version, version);
  assert_str(r.url, url);
}

static void references_are_local_or_a_url(void **state) {
  (void)state;
  assert_reference("Patient/1", "", "Patient", "1", "", "");
  assert_reference("Patient/1/_history/2", "", "Patient", "1", "2", "");
  assert_reference("http://x/fhir/Patient/1", "http://x/fhir", "Patient", "1", "", "");
  assert_reference("http://x/fhir/Patient/1", "http://x/fhir/", "Patient", "1", "", "");
  assert_reference("http://y/fhir/Patient/1/_history/2", "http://x/fhir", "", "", "2",
                   "http://y/fhir/Patient/1");
  assert_reference("http://x/fhirPatient/1", "http://x/fhir", "", "", "", "http://x/fhirPatient/1");
  assert_reference("urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0", "", "", "", "",
                   "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0");
  assert_reference("#a", "", "", "", "", "#a");
  assert_reference("Patient/a/b", "", "", "", "", "Patient/a/b");
  assert_reference("patient/1", "", "", "", "", "patient/1");
  assert_reference("", "", "", "", "", "");
}

/* ---- Extraction: each value as one line of text ------------------------------------------------
 */

static const char *text_of(const struct search_value *v) {
  struct str code = defs_param(v->param)->code;
  struct buf b;
  buf_init_arena(&b, test_arena, 10000);
  buf_add(&b, code);
  if (v->component)
    buf_printf(&b, "/%u", v->component);
  buf_add_char(&b, '=');
  switch (v->type) {
  case SEARCH_TOKEN:
    buf_printf(&b, "%.*s|%.*s|%.*s", STR_ARG(v->token.system), STR_ARG(v->token.code),
               STR_ARG(v->token.text));
    break;
  case SEARCH_REFERENCE:
    buf_printf(&b, "%.*s/%.*s %.*s %.*s|%.*s", STR_ARG(v->reference.type), STR_ARG(v->reference.id),
               STR_ARG(v->reference.url), STR_ARG(v->reference.identifier_system),
               STR_ARG(v->reference.identifier_value));
    break;
  case SEARCH_DATE:
    if (v->date.from_us != INT64_MIN)
      buf_printf(&b, "%lld", (long long)(v->date.from_us / 1000000));
    buf_add(&b, STR(".."));
    if (v->date.to_us != INT64_MAX)
      buf_printf(&b, "%lld", (long long)(v->date.to_us / 1000000));
    break;
  case SEARCH_NUMBER:
    buf_printf(&b, "%g..%g", v->number.from, v->number.to);
    break;
  case SEARCH_QUANTITY:
    buf_printf(&b, "%g..%g %.*s|%.*s|%.*s", v->quantity.from, v->quantity.to,
               STR_ARG(v->quantity.system), STR_ARG(v->quantity.code), STR_ARG(v->quantity.unit));
    break;
  case SEARCH_STRING:
    buf_printf(&b, "%.*s", STR_ARG(v->string.folded));
    break;
  case SEARCH_URI:
    buf_add(&b, v->uri);
    break;
  default:
    buf_add(&b, STR("?"));
  }
  return buf_z(&b);
}

static struct search_values extract(const char *z) {
  const struct yyjson_val *root = NULL;
  struct search_values values = {0};
  struct err err;
  assert_int_equal(search_values_init(&err), 0);
  assert_int_equal(json_parse(test_arena, str_of(z), NULL, &root, &err), 0);
  if (search_values_extract(test_arena, root, &values, &err) < 0)
    fail_msg("%s: %s", err.where, err.text);
  return values;
}

/* The values are these, in any order. */
static void assert_values(const char *resource, const char *const *expected, size_t n) {
  struct search_values values = extract(resource);
  for (size_t i = 0; i < n; i++) {
    bool found = !expected[i]; /* NULL: none is expected */
    for (size_t k = 0; k < values.n && !found; k++)
      found = strcmp(text_of(&values.p[k]), expected[i]) == 0;
    if (!found)
      for (size_t k = 0; k < values.n; k++)
        print_message("  %s\n", text_of(&values.p[k]));
    if (!found)
      fail_msg("missing: %s", expected[i]);
  }
  n -= n == 1 && !expected[0];
  if (values.n != n)
    for (size_t k = 0; k < values.n; k++)
      print_message("  %s\n", text_of(&values.p[k]));
  assert_int_equal(values.n, n);
}
#define ASSERT_VALUES(resource, ...)                                                               \
  do {                                                                                             \
    const char *const expected[] = {__VA_ARGS__};                                                  \
    assert_values((resource), expected, sizeof expected / sizeof *expected);                       \
  } while (0)

static void patient_gives_names_addresses_telecoms_and_identifiers(void **state) {
  (void)state;
  ASSERT_VALUES(
      "{\"resourceType\":\"Patient\",\"id\":\"x\",\"active\":true,"
      "\"identifier\":[{\"use\":\"usual\",\"system\":\"urn:mrn\",\"value\":\"12\",\"type\":{"
      "\"text\":\"MRN\"}}],"
      "\"name\":[{\"use\":\"official\",\"family\":\"M\u00fcller\",\"given\":[\"Jos\u00e9\",null],"
      "\"_given\":[null,{\"extension\":[]}],\"period\":{\"start\":\"2000\"}}],"
      "\"telecom\":[{\"system\":\"phone\",\"value\":\"555-1\"},{\"system\":\"email\",\"value\":"
      "\"a@b\"}],"
      "\"gender\":\"male\",\"birthDate\":\"1970-01-02\",\"deceasedDateTime\":\"1970-01-03\","
      "\"address\":[{\"use\":\"home\",\"line\":[\"1 Main St.\"],\"city\":\"Ume\u00e5\","
      "\"country\":\"SE\"}],"
      "\"managingOrganization\":{\"reference\":\"Organization/1\"},"
      "\"generalPractitioner\":[{\"identifier\":{\"system\":\"npi\",\"value\":\"9\"},\"type\":"
      "\"Practitioner\"}],"
      "\"link\":[{\"other\":{\"reference\":\"Patient/2/_history/3\"},\"type\":\"seealso\"}],"
      "\"communication\":[{\"language\":{\"coding\":[{\"system\":\"urn:ietf:bcp:47\",\"code\":"
      "\"sv\",\"display\":\"Swedish\"}],\"text\":\"svenska\"}}]}",
      "active=|true|", "identifier=urn:mrn|12|MRN", "name=muller", "name=jose", "family=muller",
      "given=jose", "phonetic=muller", "phonetic=jose", "telecom=|555-1|", "telecom=|a@b|",
      "phone=|555-1|", "email=|a@b|", "gender=http://hl7.org/fhir/administrative-gender|male|",
      "birthdate=86400..172800", "death-date=172800..259200", "deceased=|true|",
      "address=1 main st", "address=umea", "address=se", "address-city=umea", "address-country=se",
      "address-use=http://hl7.org/fhir/address-use|home|", "organization=Organization/1  |",
      "general-practitioner=Practitioner/  npi|9", "link=Patient/2  |",
      "language=urn:ietf:bcp:47|sv|Swedish", "language=||svenska");
}

static void deceased_is_false_where_it_is_not_said(void **state) {
  (void)state;
  ASSERT_VALUES("{\"resourceType\":\"Patient\"}", "deceased=|false|");
  ASSERT_VALUES("{\"resourceType\":\"Patient\",\"deceasedBoolean\":false}", "deceased=|false|");
  ASSERT_VALUES("{\"resourceType\":\"Patient\",\"deceasedBoolean\":true}", "deceased=|true|");
}

#define LOINC "{\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"8480-6\"}]}"

static void observation_gives_choices_components_and_tuples(void **state) {
  (void)state;
  ASSERT_VALUES(
      "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":" LOINC ","
      "\"subject\":{\"reference\":\"http://x.org/Patient/7\"},"
      "\"effectivePeriod\":{\"start\":\"1970-01-01T00:00:00Z\"},"
      "\"valueQuantity\":{\"value\":120.5,\"unit\":\"mmHg\",\"system\":\"ucum\",\"code\":"
      "\"mm[Hg]\"},"
      "\"component\":[{\"code\":{\"coding\":[{\"code\":\"c\"}]},\"valueCodeableConcept\":{"
      "\"coding\":[{\"code\":\"v\"}]}},{\"code\":{\"coding\":[{\"code\":\"d\"}]}}]}",
      "status=http://hl7.org/fhir/observation-status|final|", "code=http://loinc.org|8480-6|",
      "combo-code=http://loinc.org|8480-6|", "combo-code=|c|", "combo-code=|d|",
      "component-code=|c|", "component-code=|d|", "subject=/ http://x.org/Patient/7 |",
      "patient=/ http://x.org/Patient/7 |", "date=0..",
      "value-quantity=120.5..120.5 ucum|mm[Hg]|mmHg",
      "combo-value-quantity=120.5..120.5 ucum|mm[Hg]|mmHg", "component-value-concept=|v|",
      "combo-value-concept=|v|", "code-value-quantity/1=http://loinc.org|8480-6|",
      "code-value-quantity/2=120.5..120.5 ucum|mm[Hg]|mmHg",
      "combo-code-value-quantity/1=http://loinc.org|8480-6|",
      "combo-code-value-quantity/2=120.5..120.5 ucum|mm[Hg]|mmHg",
      "component-code-value-concept/1=|c|", "component-code-value-concept/2=|v|",
      "combo-code-value-concept/1=|c|", "combo-code-value-concept/2=|v|");
}

static void components_of_one_instance_share_a_tuple(void **state) {
  (void)state;
  struct search_values values =
      extract("{\"resourceType\":\"Observation\",\"code\":{\"coding\":[{\"code\":\"a\"}]},"
              "\"component\":[{\"code\":{\"coding\":[{\"code\":\"b\"},{\"code\":\"c\"}]},"
              "\"valueQuantity\":{\"value\":1}},{\"code\":{\"coding\":[{\"code\":\"d\"}]},"
              "\"valueQuantity\":{\"value\":2}}]}");
  defs_type_id observation = defs_type_by_name(STR("Observation"));
  defs_param_id param = defs_param_by_code(observation, STR("component-code-value-quantity"));
  uint32_t tuple_of[2] = {0};
  size_t rows = 0;
  for (size_t i = 0; i < values.n; i++) {
    const struct search_value *v = &values.p[i];
    assert_true((v->component != 0) == (v->tuple != 0));
    if (v->param != param)
      continue;
    rows++;
    bool is_second =
        v->type == SEARCH_QUANTITY ? v->quantity.from == 2 : str_is(v->token.code, "d");
    if (!tuple_of[is_second])
      tuple_of[is_second] = v->tuple;
    assert_int_equal(v->tuple, tuple_of[is_second]);
  }
  assert_int_equal(rows, 5);
  assert_true(tuple_of[0] != tuple_of[1]);
}

static void quantities_open_a_side_for_a_comparator_or_a_missing_end(void **state) {
  (void)state;
  ASSERT_VALUES("{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":5,\"comparator\":"
                "\">=\",\"unit\":\"g\"}}",
                "value-quantity=5..inf ||g", "combo-value-quantity=5..inf ||g");
  ASSERT_VALUES("{\"resourceType\":\"Condition\",\"onsetRange\":{\"high\":{\"value\":9,\"code\":"
                "\"a\"}}}",
                "onset-age=-inf..9 |a|");
  ASSERT_VALUES("{\"resourceType\":\"Condition\",\"onsetAge\":{\"value\":9,\"code\":\"a\"}}",
                "onset-age=9..9 |a|");
  ASSERT_VALUES("{\"resourceType\":\"Invoice\",\"totalNet\":{\"value\":9.5,\"currency\":\"EUR\"}}",
                "totalnet=9.5..9.5 urn:iso:std:iso:4217|EUR|");
}

static void choices_are_told_apart_by_their_type(void **state) {
  (void)state;
  ASSERT_VALUES("{\"resourceType\":\"ConceptMap\",\"sourceCanonical\":\"http://a|2\"}",
                "source=/ http://a|2 |", "source=/ http://a |");
  ASSERT_VALUES("{\"resourceType\":\"ConceptMap\",\"sourceUri\":\"http://a\"}",
                "source-uri=/ http://a |");
  ASSERT_VALUES("{\"resourceType\":\"Group\",\"characteristic\":[{\"code\":{\"coding\":[{\"code\":"
                "\"c\"}]},\"valueBoolean\":true}]}",
                "characteristic=|c|", "value=|true|", "characteristic-value/1=|c|",
                "characteristic-value/2=|true|");
}

static void schedules_give_their_outer_limits(void **state) {
  (void)state;
  ASSERT_VALUES("{\"resourceType\":\"ServiceRequest\",\"occurrenceTiming\":{\"event\":["
                "\"1970-01-03\",\"1970-01-02\"]}}",
                "occurrence=86400..259200");
  ASSERT_VALUES("{\"resourceType\":\"ServiceRequest\",\"occurrenceTiming\":{\"repeat\":{"
                "\"boundsPeriod\":{\"end\":\"1970-01-02\"}}}}",
                "occurrence=..172800");
  ASSERT_VALUES("{\"resourceType\":\"ServiceRequest\",\"occurrenceTiming\":{\"code\":{}}}", NULL);
}

static void references_follow_where_resolve_is(void **state) {
  (void)state;
  ASSERT_VALUES("{\"resourceType\":\"Appointment\",\"participant\":[{\"actor\":{\"reference\":"
                "\"Patient/1\"}},{\"actor\":{\"reference\":\"http://x/Location/2\"}},{\"actor\":{"
                "\"reference\":\"urn:uuid:1\",\"type\":\"Practitioner\"}},{\"actor\":{"
                "\"reference\":\"#c\"}}]}",
                "actor=Patient/1  |", "patient=Patient/1  |", "actor=/ http://x/Location/2 |",
                "location=/ http://x/Location/2 |", "actor=/ urn:uuid:1 |",
                "practitioner=/ urn:uuid:1 |", "actor=/ #contained |");
}

static void a_bundle_refers_to_its_first_resource_of_the_target_type(void **state) {
  (void)state;
  ASSERT_VALUES("{\"resourceType\":\"Bundle\",\"type\":\"document\",\"entry\":[{\"resource\":{"
                "\"resourceType\":\"Composition\",\"id\":\"c\"}},{\"resource\":{\"resourceType\":"
                "\"Composition\",\"id\":\"d\"}}]}",
                "type=http://hl7.org/fhir/bundle-type|document|", "composition=Composition/c  |");
}

static void common_parameters_leave_id_and_time_to_the_store(void **state) {
  (void)state;
  ASSERT_VALUES(
      "{\"resourceType\":\"Basic\",\"id\":\"x\",\"meta\":{\"lastUpdated\":\"2020-01-01T00:"
      "00:00Z\",\"profile\":[\"http://p\"],\"tag\":[{\"system\":\"s\",\"code\":\"t\"}],"
      "\"security\":[{\"code\":\"R\"}],\"source\":\"http://src\"}}",
      "_profile=http://p", "_tag=s|t|", "_security=|R|", "_source=http://src");
}

static void a_value_that_is_no_date_is_reported_with_its_parameter(void **state) {
  (void)state;
  const struct yyjson_val *root = NULL;
  struct search_values values;
  struct err err;
  assert_int_equal(search_values_init(&err), 0);
  assert_int_equal(json_parse(test_arena,
                              STR("{\"resourceType\":\"Patient\",\"birthDate\":\"1970-13\"}"), NULL,
                              &root, &err),
                   0);
  assert_int_equal(search_values_extract(test_arena, root, &values, &err), ERR_VALUE);
  assert_string_equal(err.where, "birthdate");
}

/* ---- All parameters of the definitions ---------------------------------------------------------
 */

static void mark(const struct plan_node *node, bool *reached) {
  for (const struct plan_emit *emit = node->emits; emit; emit = emit->next)
    reached[emit->param] = true;
  for (const struct plan_guard *guard = node->guards; guard; guard = guard->next)
    mark(guard->node, reached);
  for (const struct plan_edge *edge = node->edges; edge; edge = edge->next)
    mark(edge->node, reached);
  for (const struct plan_composite *c = node->composites; c; c = c->next)
    for (const struct plan_component *part = c->components; part; part = part->next) {
      mark(part->local, reached);
      mark(part->from_resource, reached);
    }
}

/* Kept by the store, without an expression, or of a kind that a value alone can't answer. */
static bool is_exception(const struct defs_param *param) {
  return str_is(param->code, "_id") || str_is(param->code, "_lastUpdated") ||
         str_is_empty(param->expression);
}

static void every_search_parameter_compiles_and_leads_somewhere(void **state) {
  (void)state;
  size_t pairs = 0, general = 0, exceptions = 0;
  for (defs_type_id id = 1; id <= defs_types_count(); id++) {
    struct plan *plan;
    struct err err;
    size_t n;
    if (!defs_is_resource(defs_type(id)))
      continue;
    const defs_param_id *params = defs_params_of(id, &n);
    if (plan_build(test_arena, id, params, n, &plan, &err) < 0)
      fail_msg("%s: %s", err.where, err.text);
    bool *reached = ARENA_ARRAY(test_arena, bool, defs_params_count() + 1);
    mark(&plan->root, reached);
    for (const struct plan_general *g = plan->generals; g; g = g->next, general++)
      reached[g->param] = true;
    for (size_t i = 0; i < n; i++, pairs++) {
      const struct defs_param *param = defs_param(params[i]);
      exceptions += is_exception(param);
      if (reached[params[i]] == is_exception(param))
        fail_msg("%s %s: %s", arena_str(test_arena, defs_type(id)->name).p,
                 arena_str(test_arena, param->code).p, arena_str(test_arena, param->expression).p);
    }
  }
  print_message("%zu parameters on types: %zu as paths, %zu evaluated, %zu without index form\n",
                pairs, pairs - general - exceptions, general, exceptions);
  assert_true(pairs > 2500);
  assert_int_equal(general, 1); /* Patient.deceased */
}

static struct str read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 28);
  char part[65536];
  size_t n;
  while (file && (n = fread(part, 1, sizeof part, file)) > 0)
    buf_add(&buf, str_n(part, n));
  if (file)
    fclose(file);
  return buf_str(&buf);
}

/* Every resource that the specification publishes, its own definitions included. */
static void extraction_never_fails_on_the_specifications_examples(void **state) {
  (void)state;
  const char *folder = getenv("FHIR_PACKAGE");
  DIR *dir = folder ? opendir(folder) : NULL;
  if (!dir)
    skip();
  size_t resources = 0, rows = 0;
  struct dirent *entry;
  struct err err;
  assert_int_equal(search_values_init(&err), 0);
  while ((entry = readdir(dir))) {
    char path[1024];
    const struct yyjson_val *root;
    struct search_values values;
    snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
    arena_reset(test_arena);
    if (!str_ends_with(str_of(entry->d_name), STR(".json")) ||
        json_parse(test_arena, read_file(path), NULL, &root, &err) < 0 ||
        !defs_type_by_name(json_get_text(root, STR("resourceType"))))
      continue;
    if (search_values_extract(test_arena, root, &values, &err) < 0)
      fail_msg("%s: %s: %s", entry->d_name, err.where, err.text);
    resources++;
    rows += values.n;
  }
  closedir(dir);
  print_message("%zu resources, %zu values\n", resources, rows);
  assert_true(resources > 1000);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(strings_fold_case_marks_punctuation_and_space),
      TEST(dates_are_ranges_of_the_written_precision),
      TEST(dates_that_are_none_are_refused),
      TEST(numbers_are_ranges_of_the_written_precision),
      TEST(numbers_that_are_none_are_refused),
      TEST(references_are_local_or_a_url),
      TEST(patient_gives_names_addresses_telecoms_and_identifiers),
      TEST(deceased_is_false_where_it_is_not_said),
      TEST(observation_gives_choices_components_and_tuples),
      TEST(components_of_one_instance_share_a_tuple),
      TEST(quantities_open_a_side_for_a_comparator_or_a_missing_end),
      TEST(choices_are_told_apart_by_their_type),
      TEST(schedules_give_their_outer_limits),
      TEST(references_follow_where_resolve_is),
      TEST(a_bundle_refers_to_its_first_resource_of_the_target_type),
      TEST(common_parameters_leave_id_and_time_to_the_store),
      TEST(a_value_that_is_no_date_is_reported_with_its_parameter),
      TEST(every_search_parameter_compiles_and_leads_somewhere),
      TEST(extraction_never_fails_on_the_specifications_examples),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
