#include "../test.h"

#include <stdio.h>

#include "model/fhirpath_program.h"

static const char PATIENT[] =
    "{\"resourceType\":\"Patient\",\"id\":\"p\",\"contained\":[{\"resourceType\":\"Organization\","
    "\"id\":\"o\",\"name\":\"Org\"}],"
    "\"active\":true,\"name\":[{\"use\":\"official\",\"family\":\"Chalmers\",\"given\":[\"Peter\","
    "\"James\"]},{\"use\":\"usual\",\"given\":[\"Jim\",null],\"_given\":[null,{\"extension\":[{"
    "\"url\":\"http://e\",\"valueString\":\"x\"}]}]}],"
    "\"telecom\":[{\"system\":\"phone\",\"value\":\"(03) 5555 6473\",\"rank\":1}],"
    "\"birthDate\":\"1974-12-25\",\"_birthDate\":{\"extension\":[{\"url\":\"http://time\","
    "\"valueDateTime\":\"1974-12-25T14:35:45-05:00\"}]},"
    "\"multipleBirthInteger\":2,\"managingOrganization\":{\"reference\":\"#o\"},"
    "\"generalPractitioner\":[{\"reference\":\"Practitioner/1\"},{\"reference\":\"urn:uuid:9\"}]}";

static const char OBSERVATION[] =
    "{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"coding\":[{\"system\":"
    "\"http://loinc.org\",\"code\":\"29463-7\"}]},\"valueQuantity\":{\"value\":185.0,\"unit\":"
    "\"lbs\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"[lb_av]\"}}";

static const char *const KINDS[] = {"node", "boolean",  "integer", "decimal", "string",
                                    "date", "dateTime", "time",    "quantity"};

/* The result as text: "integer:1 string:a"; "{}" for empty; "error" or "refused" (by compile). */
static const char *result_of(const char *resource, const char *expression) {
  const struct yyjson_val *root = NULL;
  const struct fhirpath *program;
  struct fhirpath_values values;
  struct err err;
  assert_int_equal(json_parse(test_arena, str_of(resource), NULL, &root, &err), 0);
  defs_type_id type = defs_type_by_name(json_get_text(root, STR("resourceType")));
  struct fhirpath_context context = {.resource = root, .root_resource = root, .now_us = 1};
  if (fhirpath_compile(test_arena, str_of(expression), type, &program, &err) < 0)
    return "refused";
  if (fhirpath_eval(test_arena, program, root, type, &context, &values, &err) < 0)
    return "error";
  struct buf buf;
  buf_init_arena(&buf, test_arena, 100000);
  for (size_t i = 0; i < values.n; i++) {
    struct fhirpath_value v = fhirpath_computed(values.p[i]);
    struct str text = STR_NULL;
    if (!fhirpath_to_text(test_arena, &v, &text))
      text = defs_type(v.type)->name;
    buf_printf(&buf, "%s%s:%.*s", i ? " " : "", KINDS[v.kind], STR_ARG(text));
  }
  return values.n ? buf_z(&buf) : "{}";
}

struct row {
  const char *expression, *result;
};

static void check(const char *resource, const struct row *rows, size_t n) {
  bool all = true;
  for (size_t i = 0; i < n; i++) {
    const char *got = result_of(resource, rows[i].expression);
    if (strcmp(got, rows[i].result) != 0) {
      print_error("%s\n  gives    %s\n  expected %s\n", rows[i].expression, got, rows[i].result);
      all = false;
    }
  }
  assert_true(all);
}
#define CHECK(resource, ...)                                                                       \
  do {                                                                                             \
    const struct row rows[] = {__VA_ARGS__};                                                       \
    check((resource), rows, sizeof rows / sizeof *rows);                                           \
  } while (0)

static void the_whole_grammar_is_parsed(void **state) {
  (void)state;
  CHECK(PATIENT, {"2 + 3 * 4", "integer:14"}, {"(2 + 3) * 4", "integer:20"},
        {"-2 + 3", "integer:1"}, {"10 div 3 mod 2", "integer:1"},
        {"1 | 2 | 1", "integer:1 integer:2"}, {"true or false and false", "boolean:true"},
        {"false implies false", "boolean:true"}, {"true xor true", "boolean:false"}, {"{}", "{}"},
        {"'a' & {} & 'b'", "string:ab"}, {"'a\\'\\\\\\u0041\\n'.length()", "integer:5"},
        {"`id`", "string:p"}, {"// c\n1 /* d */ + 1", "integer:2"},
        {"1 in (1 | 2)", "boolean:true"}, {"(1 | 2) contains 3", "boolean:false"},
        {"4 days", "quantity:4 days"}, {"4.50 'mg'", "quantity:4.50 'mg'"},
        {"@2015-02-04T14:34:28Z", "dateTime:2015-02-04T14:34:28Z"}, {"@2015T", "dateTime:2015"},
        {"@T14:34", "time:14:34"}, {"name[1].given[0]", "string:Jim"},
        {"%`vs-x`", "string:http://hl7.org/fhir/ValueSet/x"},
        {"%vs-x", "string:http://hl7.org/fhir/ValueSet/x"}, {"name.contains", "{}"},
        {"1 is Integer", "boolean:true"}, {"1 is System.Integer = true", "boolean:true"});
}

static void what_is_wrong_is_refused_when_it_is_compiled(void **state) {
  (void)state;
  CHECK(PATIENT, {"", "refused"}, {"1 +", "refused"}, {"(1", "refused"}, {"name[0", "refused"},
        {"'abc", "refused"}, {"'\\q'", "refused"}, {"/* x", "refused"}, {"@2015-13", "refused"},
        {"@T25:00", "refused"}, {"name.", "refused"}, {"1 2", "refused"}, {"foo()", "refused"},
        {"first(1)", "refused"}, {"where()", "refused"}, {"name as Nonsense", "refused"},
        {"%nothing", "refused"}, {"$that", "refused"}, {"99999999999", "refused"},
        {"'a'.matches('(')", "refused"}, {"#", "refused"});
}

static void strict_compilation_refuses_names_that_the_types_do_not_have(void **state) {
  (void)state;
  static const char *const wrong[] = {"name.given1",
                                      "Encounter.name.given",
                                      "multipleBirthInteger",
                                      "name.where(giben = 'x')",
                                      "name.first().period.begin",
                                      "(contact | name).famly",
                                      "contact.name[0].x",
                                      "children().first()",
                                      "descendants().where(id = 'x')[0]",
                                      "name.union(contact.nam)"};
  static const char *const right[] = {"name.given",
                                      "Patient.name.where(use = 'x').given",
                                      "multipleBirth",
                                      "Resource.id",
                                      "contained.anything",
                                      "name.extension('x').value.whatever",
                                      "%resource.whatever",
                                      "name.select(given | family)",
                                      "birthDate.whatever",
                                      "DomainResource.text.div",
                                      "link.other.resolve().whatever",
                                      "children().whatever",
                                      "children().select(given.first())",
                                      "name.given.combine(contact.name.given).first()",
                                      "name.sort(family).first()"};
  struct fhirpath_options strict = {.type = defs_type_by_name(STR("Patient")),
                                    .mode = FHIRPATH_STRICT};
  struct fhirpath_options exact = {.type = strict.type};
  const struct fhirpath *program;
  struct err err;
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    if (fhirpath_compile_with(test_arena, str_of(wrong[i]), &strict, &program, &err) != ERR_VALUE)
      fail_msg("%s is let through", wrong[i]);
    assert_int_equal(fhirpath_compile_with(test_arena, str_of(wrong[i]), &exact, &program, &err),
                     0);
  }
  for (size_t i = 0; i < sizeof right / sizeof *right; i++)
    if (fhirpath_compile_with(test_arena, str_of(right[i]), &strict, &program, &err) < 0)
      fail_msg("%s: %s", right[i], err.text);
}

static void an_error_names_the_column_and_the_function(void **state) {
  (void)state;
  const struct fhirpath *program;
  struct err err;
  assert_int_equal(fhirpath_compile(test_arena, STR("name.given.foo()"), 0, &program, &err),
                   ERR_VALUE);
  assert_string_equal(err.where, "column 12");
  assert_non_null(strstr(err.text, "foo()"));
}

static void paths_follow_types_choices_and_siblings(void **state) {
  (void)state;
  CHECK(PATIENT, {"Patient.name.given", "string:Peter string:James string:Jim node:string"},
        {"name.given.count()", "integer:4"}, {"Observation.id", "{}"}, {"Resource.id", "string:p"},
        {"birthDate", "date:1974-12-25"}, {"multipleBirth", "integer:2"},
        {"multipleBirthInteger", "{}"}, {"multipleBirth is integer", "boolean:true"},
        {"multipleBirth.ofType(boolean)", "{}"},
        {"birthDate.extension('http://time').value", "dateTime:1974-12-25T14:35:45-05:00"},
        {"name.given.extension.value", "string:x"},
        {"name.given.last().hasValue()", "boolean:false"},
        {"name.given.first().hasValue()", "boolean:true"},
        {"contained.ofType(Organization).name", "string:Org"}, {"children().count()", "integer:11"},
        {"descendants().where($this = 'Jim').count()", "integer:1"},
        {"name.select(given.first() | family)", "string:Peter string:Chalmers string:Jim"},
        {"active is boolean", "boolean:true"}, {"active is System.Boolean", "boolean:false"},
        {"Patient is DomainResource", "boolean:true"}, {"id.type", "{}"});
  CHECK(OBSERVATION, {"Observation.value.unit", "string:lbs"},
        {"value as Quantity", "quantity:185.0 '[lb_av]'"}, {"value.as(Period)", "{}"},
        {"value.value", "decimal:185.0"}, {"valueQuantity.value", "{}"},
        {"value = 185 '[lb_av]'", "boolean:true"}, {"value > 80 'kg'", "boolean:true"},
        {"status in ('final' | 'amended')", "boolean:true"}, {"status is code", "boolean:true"},
        {"status.as(string)", "{}"});
}

static void references_resolve_to_contained_resources_and_typed_stubs(void **state) {
  (void)state;
  CHECK(PATIENT, {"managingOrganization.resolve().name", "string:Org"},
        {"generalPractitioner.resolve().count()", "integer:1"},
        {"generalPractitioner.where(resolve() is Practitioner).reference", "string:Practitioner/1"},
        {"generalPractitioner.resolve().ofType(Patient)", "{}"}, {"%resource.id", "string:p"},
        {"%context.id", "string:p"}, {"%ucum", "string:http://unitsofmeasure.org"});
}

static void a_fragment_is_contained_in_the_entry_that_it_is_in(void **state) {
  (void)state;
  static const char BUNDLE[] =
      "{\"resourceType\":\"Bundle\",\"entry\":[{\"resource\":{\"resourceType\":\"Patient\",\"id\":"
      "\"p\","
      "\"contained\":[{\"resourceType\":\"Organization\",\"id\":\"o\",\"name\":\"One\",\"partOf\":{"
      "\"reference\":\"#q\"}},{\"resourceType\":\"Organization\",\"id\":\"q\",\"name\":\"Two\"},{"
      "\"resourceType\":\"Encounter\",\"id\":\"e\",\"subject\":{\"reference\":\"#\"}}],"
      "\"managingOrganization\":{\"reference\":\"#o\"}}},{\"resource\":{\"resourceType\":"
      "\"Patient\","
      "\"managingOrganization\":{\"reference\":\"#o\"}}}]}";
  CHECK(BUNDLE, {"entry.resource.managingOrganization.resolve().name", "string:One"},
        {"entry.resource.managingOrganization.reference.first().resolve().name", "string:One"},
        {"entry.resource.contained.partOf.resolve().name", "string:Two"},
        {"entry.resource.contained.subject.resolve().id", "string:p"});
}

static void empty_spreads_through_operators(void **state) {
  (void)state;
  CHECK(PATIENT, {"{} = 1", "{}"}, {"1 + {}", "{}"}, {"{} and false", "boolean:false"},
        {"{} and true", "{}"}, {"{} or true", "boolean:true"}, {"{}.not()", "{}"},
        {"{}.exists()", "boolean:false"}, {"{}.all($this)", "boolean:true"},
        {"{} ~ {}", "boolean:true"}, {"{} implies true", "boolean:true"},
        {"1 in {}", "boolean:false"}, {"{}.length()", "{}"}, {"name.given > 'a'", "error"},
        {"1 + 'a'", "error"}, {"1 < 'a'", "error"}, {"'a' + 1", "error"});
}

static void decimals_are_exact(void **state) {
  (void)state;
  CHECK(PATIENT, {"0.1 + 0.2 = 0.3", "boolean:true"}, {"1.50 + 1", "decimal:2.50"},
        {"1.0 = 1", "boolean:true"}, {"1.2 * 1.8", "decimal:2.16"}, {"1 / 4", "decimal:0.25"},
        {"1 / 0", "{}"}, {"1 div 0", "{}"}, {"1.234.round(2)", "decimal:1.23"},
        {"(-1.5).floor()", "integer:-2"}, {"(-1.5).ceiling()", "integer:-1"},
        {"1.999.truncate()", "integer:1"}, {"1.201 ~ 1.2", "boolean:true"},
        {"12345678901234567890.5 - 0.5", "decimal:12345678901234567890.0"},
        {"2.power(10)", "integer:1024"}, {"16.sqrt() = 4", "boolean:true"},
        {"(-5).abs()", "integer:5"}, {"(1|2|3|4).aggregate($this + $total, 0)", "integer:10"},
        {"5.5 mod 2", "decimal:1.5"}, {"'1.50'.toDecimal()", "decimal:1.50"},
        {"2147483647 + 1", "integer:2147483648"});
}

static void dates_compare_by_the_precision_that_they_have(void **state) {
  (void)state;
  CHECK(PATIENT, {"@2012 = @2012", "boolean:true"}, {"@2012 = @2012-01", "{}"},
        {"@2012 < @2013-01", "boolean:true"},
        {"@2012-01-01T10:00:00.0Z = @2012-01-01T10:00:00Z", "boolean:true"},
        {"@2012-01-01T10:00Z = @2012-01-01T11:00+01:00", "boolean:true"},
        {"@2012-01-01T10:00Z = @2012-01-01T10:00", "{}"}, {"@T10:30 < @T10:31", "boolean:true"},
        {"@2012 ~ @2012-01", "boolean:false"}, {"birthDate < today()", "boolean:false"},
        {"birthDate = @1974-12-25", "boolean:true"}, {"@2014-01-31 + 1 month", "date:2014-02-28"},
        {"@2014 + 24 months", "date:2016"}, {"@2014-03-01 - 1 day", "date:2014-02-28"},
        {"@T23:30 + 60 minutes", "time:00:30"},
        {"@2014-01-01T00:00:00.000 + 1.5 seconds", "dateTime:2014-01-01T00:00:01.500"},
        {"now() > @1969", "boolean:true"}, {"@2014 + 1 'a'", "error"});
}

static void collections_filter_split_and_combine(void **state) {
  (void)state;
  CHECK(PATIENT, {"(1|2|3).tail()", "integer:2 integer:3"}, {"(1|2|3).skip(2)", "integer:3"},
        {"(1|2|3).take(2).last()", "integer:2"},
        {"(1|2).combine(2)", "integer:1 integer:2 integer:2"},
        {"(1|2|3).intersect(2|3|4)", "integer:2 integer:3"},
        {"(1|2|3).exclude(2)", "integer:1 integer:3"}, {"(1|2).subsetOf(1|2|3)", "boolean:true"},
        {"(1|2|3).supersetOf(1|5)", "boolean:false"},
        {"(1|2).combine(1).isDistinct()", "boolean:false"},
        {"(1|2).combine(1).distinct().count()", "integer:2"}, {"(1|2).single()", "error"},
        {"(1|2|3).where($this > 1 and $index < 2)", "integer:2"},
        {"(1|2).all($this > 0)", "boolean:true"}, {"name.exists(use = 'usual')", "boolean:true"},
        {"1.repeat(iif($this < 4, $this + 1, {}))", "integer:2 integer:3 integer:4"},
        {"iif(true, 1)", "integer:1"}, {"iif({}, 1, 2)", "integer:2"},
        {"(true|false).anyTrue()", "boolean:true"}, {"(true|false).allTrue()", "boolean:false"},
        {"name.trace('x').count()", "integer:2"},
        {"name.where(given contains 'Peter').family", "string:Chalmers"},
        {"telecom.rank.toString()", "string:1"});
}

static void strings_count_code_points(void **state) {
  (void)state;
  CHECK(PATIENT, {"'\u00e9\u00e8'.length()", "integer:2"}, {"'a\u00e9b'.indexOf('b')", "integer:2"},
        {"'a\u00e9b'.substring(1, 1)", "string:\u00e9"}, {"'abc'.substring(3)", "{}"},
        {"'\u00e9'.upper()", "string:\u00c9"}, {"'a,b'.split(',')", "string:a string:b"},
        {"('a'|'b').join('-')", "string:a-b"}, {"'abab'.replace('b', 'x')", "string:axax"},
        {"'ab'.toChars().count()", "integer:2"}, {"' a '.trim()", "string:a"},
        {"'abc'.startsWith('ab') and 'abc'.endsWith('bc') and 'abc'.contains('b')", "boolean:true"},
        {"'a1'.matches('[0-9]')", "boolean:true"}, {"'a1'.matchesFull('[0-9]')", "boolean:false"},
        {"'2024-01'.replaceMatches('(\\\\d+)-(\\\\d+)', '$2/$1')", "string:01/2024"},
        {"'A\u0301' ~ 'a'", "boolean:true"}, {"'1'.toInteger()", "integer:1"},
        {"'x'.toInteger()", "{}"}, {"'yes'.toBoolean()", "boolean:true"},
        {"'2014-01'.toDate()", "date:2014-01"}, {"'4 days'.toQuantity()", "quantity:4 days"},
        {"'4 days'.convertsToInteger()", "boolean:false"});
}

static void the_later_functions_work(void **state) {
  (void)state;
  CHECK(PATIENT, {"'test'.encode('base64')", "string:dGVzdA=="},
        {"'subjects?_d'.encode('urlbase64').decode('urlbase64')", "string:subjects?_d"},
        {"'test'.encode('hex').decode('hex')", "string:test"}, {"'zz'.decode('hex')", "{}"},
        {"'a'.encode('rot13')", "error"}, {"'\"<'.escape('html')", "string:&quot;&lt;"},
        {"'\"\\n'.escape('json').unescape('json') = '\"\\n'", "boolean:true"},
        {"(3 | 1 | 2).sort()", "integer:1 integer:2 integer:3"},
        {"('a' | 'b').sort(-$this)", "string:b string:a"},
        {"name.sort(-family).first().use", "string:usual"}, {"(1 | 'a').sort()", "error"},
        {"1.type().name & Patient.type().namespace", "string:IntegerFHIR"},
        {"conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", "boolean:true"},
        {"conformsTo('http://x')", "error"}, {"1.587.lowBoundary(6)", "decimal:1.586500"},
        {"1.587.highBoundary(2)", "decimal:1.59"}, {"(-120).lowBoundary(2)", "decimal:-120.50"},
        {"@2014.highBoundary(6)", "date:2014-12"}, {"@T10:30.highBoundary()", "time:10:30:59.999"},
        {"@2014-02.highBoundary()", "date:2014-02-28"}, {"1.58700.precision()", "integer:5"},
        {"@T10:30.precision()", "integer:4"}, {"1 'cm'.comparable(1 'm')", "boolean:true"},
        {"1 'cm'.comparable(1 's')", "boolean:false"},
        {"'abc'.replaceMatches('', 'x')", "string:abc"}, {"iif('a', 1)", "error"},
        {"(1|2).iif(true, 1)", "error"});
}

static void membership_is_known_for_required_value_sets(void **state) {
  (void)state;
  CHECK(
      OBSERVATION,
      {"status.memberOf('http://hl7.org/fhir/ValueSet/observation-status')", "boolean:true"},
      {"status.memberOf('http://hl7.org/fhir/ValueSet/observation-status|4.0.1')", "boolean:true"},
      {"'x'.memberOf('http://hl7.org/fhir/ValueSet/observation-status')", "boolean:false"},
      {"code.memberOf('http://hl7.org/fhir/ValueSet/observation-status')", "boolean:false"},
      {"status.memberOf('http://nowhere')", "error"});
}

static void narratives_are_checked(void **state) {
  (void)state;
  const char *good =
      "{\"resourceType\":\"Basic\",\"text\":{\"div\":\"<div xmlns='http://www.w3.org/"
      "1999/xhtml'>a</div>\"}}";
  const char *bad = "{\"resourceType\":\"Basic\",\"text\":{\"div\":\"<div xmlns='http://www.w3.org/"
                    "1999/xhtml'><script>a</script></div>\"}}";
  CHECK(good, {"text.div.htmlChecks()", "boolean:true"});
  CHECK(bad, {"text.div.htmlChecks()", "boolean:false"});
}

static void quantities_convert_by_their_units(void **state) {
  (void)state;
  CHECK(PATIENT, {"100 'mg/dL' = 1 'g/L'", "boolean:true"}, {"1 'g' = 1 'mol'", "{}"},
        {"1 'g' != 1 'mol'", "{}"}, {"1 'g' ~ 1 'mol'", "boolean:false"},
        {"60 '/min' = 1 'Hz'", "boolean:true"}, {"37 'Cel' = 98.6 '[degF]'", "boolean:true"},
        {"1 '[in_i]' < 3 'cm'", "boolean:true"}, {"1 'cm' > 1 's'", "{}"},
        {"1 '[iU]' = 1 '[arb\\'U]'", "{}"}, {"4 'kg' ~ 4040 'g'", "boolean:true"},
        {"4.0 'kg' ~ 4040 'g'", "boolean:true"}, {"4.00 'kg' ~ 4.1 'kg'", "boolean:true"},
        {"1 'foo' = 1 'foo'", "boolean:true"}, {"1 'foo' = 1 'bar'", "{}"},
        {"1 'm' + 1 'cm'", "quantity:101 'cm'"}, {"1 'g' - 1 'mg'", "quantity:999 'mg'"},
        {"1 'g' + 1 'm'", "{}"}, {"36.6 'Cel' + 1 'Cel'", "quantity:37.6 'Cel'"},
        {"2 'cm' * 3 'm'", "quantity:0.06 'm2'"}, {"2 'N' * 3 'm'", "quantity:6000 'g.m2/s2'"},
        {"2 * 3 'mg'", "quantity:6 'mg'"}, {"3 'mg' * 2", "quantity:6 'mg'"},
        {"6 'mg' / 2", "quantity:3 'mg'"}, {"6 'g' / 2 'g'", "quantity:3 '1'"},
        {"6 'g' / 2 'mg'", "quantity:3000 '1'"}, {"6 'mg' / 2 'dL'", "quantity:3 'mg/dL'"},
        {"6 / 2 's'", "quantity:3 '/s'"}, {"6 'g' / 0 'g'", "{}"}, {"2 'Cel' * 2 'm'", "{}"},
        {"1 'mg'.toQuantity('g')", "quantity:0.001 'g'"}, {"1 'mg'.toQuantity('m')", "{}"},
        {"1 'mg'.convertsToQuantity('g')", "boolean:true"},
        {"'1 \\'mg\\''.convertsToQuantity('m')", "boolean:false"},
        {"-(4 'mg')", "quantity:-4 'mg'"}, {"1 'cm'.comparable(1 '[in_i]')", "boolean:true"},
        {"1 'cm'.comparable(1 '[s]')", "boolean:false"},
        {"(1 'm' | 100 'cm').count()", "integer:1"});
}

static void calendar_years_have_no_fixed_length(void **state) {
  (void)state;
  CHECK(PATIENT, {"12 months = 1 year", "boolean:true"}, {"1 year = 1 'a'", "{}"},
        {"1 year ~ 1 'a'", "boolean:true"}, {"1 month ~ 1 'mo'", "boolean:true"},
        {"1 year > 364 days", "{}"}, {"7 days = 1 'wk'", "boolean:true"},
        {"1 second = 1 's'", "boolean:true"}, {"24 hours = 1 day", "boolean:true"},
        {"1 year + 1 month", "quantity:13 month"}, {"1 year + 1 'a'", "{}"},
        {"1 week + 1 'd'", "quantity:8 'd'"}, {"2 years / 6 months", "quantity:4 '1'"},
        {"1 'a' = 12 'mo'", "boolean:true"});
  static const char CONDITION[] =
      "{\"resourceType\":\"Condition\",\"onsetAge\":{\"value\":3,\"unit\":\"years\",\"system\":"
      "\"http://unitsofmeasure.org\",\"code\":\"a\"}}";
  static const char SNOMED[] =
      "{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":3,\"unit\":\"g\",\"system\":"
      "\"http://snomed.info/sct\",\"code\":\"258682000\"}}";
  CHECK(SNOMED, {"value = value", "boolean:true"}, {"value = 776046000", "{}"},
        {"value > 1 'g'", "{}"}, {"value + value", "quantity:6 '258682000'"});
  CHECK(CONDITION, {"onset = 3 'a'", "boolean:true"}, {"onset = 3 years", "boolean:true"},
        {"@2020-02-29 + onset", "date:2023-02-28"}, {"onset > 35 months", "boolean:true"});
}

static const char *eval_with(const char *expression, const struct fhirpath_context *context,
                             const struct str *names, size_t names_n) {
  const struct yyjson_val *root = NULL;
  const struct fhirpath *program;
  struct fhirpath_values values;
  struct err err;
  struct fhirpath_context c = *context;
  struct fhirpath_options options = {.variables = names, .variables_n = names_n};
  struct str text = STR_NULL;
  assert_int_equal(json_parse(test_arena, str_of(PATIENT), NULL, &root, &err), 0);
  options.type = defs_type_by_name(STR("Patient"));
  c.resource = root;
  if (fhirpath_compile_with(test_arena, str_of(expression), &options, &program, &err) < 0)
    return "refused";
  if (fhirpath_eval(test_arena, program, root, options.type, &c, &values, &err) < 0)
    return "error";
  if (values.n != 1 || !fhirpath_to_text(test_arena, &values.p[0], &text))
    return "{}";
  return arena_str(test_arena, text).p;
}

static void variables_of_the_caller_are_known(void **state) {
  (void)state;
  static const struct str names[] = {{"limit", 5}, {"never", 5}};
  static const struct fhirpath_value value = {
      .kind = FHIRPATH_INTEGER, .text = {"2", 1}, .integer = 2};
  static const struct fhirpath_variable variables[] = {{{"limit", 5}, {&value, 1}}};
  struct fhirpath_context context = {.variables = variables, .variables_n = 1};
  assert_string_equal(eval_with("name.count() <= %limit", &context, names, 2), "true");
  assert_string_equal(eval_with("%`limit` + 1", &context, names, 2), "3");
  assert_string_equal(eval_with("%never", &context, names, 2), "error");
  assert_string_equal(eval_with("%other", &context, names, 2), "refused");
}

static void as_takes_one_item_but_in_published_expressions(void **state) {
  (void)state;
  struct fhirpath_context context = {.max_steps = 0};
  assert_string_equal(eval_with("name.as(HumanName)", &context, NULL, 0), "error");
  assert_string_equal(eval_with("(name as HumanName)", &context, NULL, 0), "error");
  CHECK(PATIENT, {"name.as(HumanName).count()", "integer:2"});
}

static void count_trace(void *what, struct str name, struct fhirpath_values values) {
  struct buf *buf = what;
  buf_printf(buf, "%.*s:%zu ", STR_ARG(name), values.n);
}

static void trace_is_told_and_time_stands_still(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1000);
  struct fhirpath_context context = {.trace = count_trace, .trace_what = &buf};
  assert_string_equal(
      eval_with("name.trace('names').trace('given', given).count()", &context, NULL, 0), "2");
  assert_string_equal(buf_z(&buf), "names:2 given:4 ");
  assert_string_equal(
      eval_with("now() = now() and now().toString() = (descendants() | descendants()).select("
                "now().toString()).distinct()",
                &context, NULL, 0),
      "true");
}

static int member_of(void *what, struct str value_set, struct str system, struct str code,
                     bool *ret_is_member, struct err *reterr) {
  (void)what;
  if (!str_is(value_set, "http://v"))
    return err_set(reterr, ERR_NOT_FOUND, "", "there is no such value set");
  *ret_is_member = str_is(system, "http://loinc.org") && str_is(code, "29463-7");
  return 0;
}

static int subsumes(void *what, struct str system, struct str a, struct str b, bool *ret_subsumes,
                    struct err *reterr) {
  (void)what;
  (void)system;
  (void)reterr;
  *ret_subsumes = str_starts_with(b, a);
  return 0;
}

static void codes_are_asked_of_the_terminology(void **state) {
  (void)state;
  struct fhirpath_terminology terminology = {.member_of = member_of, .subsumes = subsumes};
  struct fhirpath_context context = {.terminology = &terminology};
  const struct yyjson_val *root = NULL;
  const struct fhirpath *program;
  struct fhirpath_values values;
  struct err err;
  static const struct row rows[] = {
      {"code.memberOf('http://v')", "true"},
      {"code.coding.memberOf('http://v')", "true"},
      {"status.memberOf('http://v')", "false"},
      {"code.memberOf('http://w')", "error"},
      {"code.subsumes(component.code)", "true"},
      {"code.coding.first().subsumes(component.code.coding)", "true"},
      {"component.code.subsumes(code)", "false"},
      {"component.code.subsumedBy(code)", "true"},
      {"code.subsumes(code)", "true"},
      {"code.subsumes(method)", "false"},
      {"code.subsumes({})", "{}"},
      {"status.subsumes(code)", "error"},
  };
  assert_int_equal(
      json_parse(
          test_arena,
          STR("{\"resourceType\":\"Observation\",\"status\":\"final\",\"code\":{\"coding\":[{"
              "\"system\":\"http://loinc.org\",\"code\":\"29463-7\"}]},\"method\":{\"coding\":"
              "[{\"system\":\"http://x\",\"code\":\"29463-7\"}]},\"component\":[{\"code\":{"
              "\"coding\":[{\"system\":\"http://loinc.org\",\"code\":\"29463-7a\"}]}}]}"),
          NULL, &root, &err),
      0);
  defs_type_id type = defs_type_by_name(STR("Observation"));
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    struct str text = STR("{}");
    assert_int_equal(fhirpath_compile(test_arena, str_of(rows[i].expression), type, &program, &err),
                     0);
    if (fhirpath_eval(test_arena, program, root, type, &context, &values, &err) < 0)
      text = STR("error");
    else if (values.n == 1)
      assert_true(fhirpath_to_text(test_arena, &values.p[0], &text));
    if (!str_is(text, rows[i].result))
      fail_msg("%s gives %.*s", rows[i].expression, STR_ARG(text));
  }
}

static void definitions_are_asked(void **state) {
  (void)state;
  const char *modified =
      "{\"resourceType\":\"Patient\",\"modifierExtension\":[{\"url\":\"http://m\"}]}";
  CHECK(PATIENT, {"name.first().elementDefinition().path", "string:Patient.name"},
        {"name.given.first().elementDefinition().path", "string:HumanName.given"},
        {"birthDate.elementDefinition().max", "string:1"},
        {"elementDefinition().id", "string:Patient"},
        {"generalPractitioner.first().elementDefinition().type.targetProfile.count()", "integer:3"},
        {"active.elementDefinition().isModifier", "boolean:true"},
        {"'x'.elementDefinition()", "{}"}, {"name.slice('http://p', 's')", "{}"},
        {"name.checkModifiers().count()", "integer:2"});
  CHECK(modified, {"checkModifiers()", "error"},
        {"checkModifiers('http://m').exists()", "boolean:true"},
        {"checkModifiers('http://x', 'http://m').exists()", "boolean:true"});
}

/* Each element's path leads back to it, and to nothing else. */
static void a_location_leads_to_its_element(void **state) {
  (void)state;
  const struct yyjson_val *root = NULL;
  const struct fhirpath *program;
  struct fhirpath_values all, one;
  struct err err;
  assert_int_equal(json_parse(test_arena, str_of(PATIENT), NULL, &root, &err), 0);
  defs_type_id type = defs_type_by_name(STR("Patient"));
  assert_int_equal(
      fhirpath_compile(test_arena, STR("$this.combine(descendants())"), type, &program, &err), 0);
  assert_int_equal(fhirpath_eval(test_arena, program, root, type, NULL, &all, &err), 0);
  struct str *paths = ARENA_ARRAY(test_arena, struct str, all.n);
  assert_int_equal(fhirpath_locate(test_arena, root, type, all, paths, &err), 0);
  assert_true(all.n > 25);
  for (size_t i = 0; i < all.n; i++) {
    assert_int_equal(fhirpath_compile(test_arena, paths[i], type, &program, &err), 0);
    assert_int_equal(fhirpath_eval(test_arena, program, root, type, NULL, &one, &err), 0);
    if (one.n != 1 || one.p[0].node != all.p[i].node || one.p[0].extra != all.p[i].extra)
      fail_msg("%.*s", STR_ARG(paths[i]));
  }
}

static int eval_code(const char *expression, unsigned max_steps) {
  const struct yyjson_val *root = NULL;
  const struct fhirpath *program;
  struct fhirpath_values values;
  struct err err;
  assert_int_equal(json_parse(test_arena, str_of(PATIENT), NULL, &root, &err), 0);
  struct fhirpath_context context = {.resource = root, .max_steps = max_steps};
  int code = fhirpath_compile(test_arena, str_of(expression), 0, &program, &err);
  return code < 0 ? code : fhirpath_eval(test_arena, program, root, 0, &context, &values, &err);
}

static void costly_expressions_stop(void **state) {
  (void)state;
  assert_int_equal(eval_code("1.repeat($this + 1)", 10000), ERR_TOO_COSTLY);
  assert_int_equal(eval_code("descendants().select(%resource.descendants())", 1000),
                   ERR_TOO_COSTLY);
  assert_int_equal(eval_code("descendants().elementDefinition().count()", 400), ERR_TOO_COSTLY);
  assert_int_equal(eval_code("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!'.matches('^(a+)+$')", 0),
                   ERR_TOO_COSTLY);
  struct buf buf;
  buf_init_arena(&buf, test_arena, 100000);
  for (int i = 0; i < 5000; i++)
    buf_add(&buf, STR("a."));
  buf_add(&buf, STR("a"));
  assert_int_equal(eval_code(buf_z(&buf), 0), ERR_TOO_COSTLY);
  buf_clear(&buf);
  for (int i = 0; i < 5000; i++)
    buf_add(&buf, STR("("));
  assert_int_equal(eval_code(buf_z(&buf), 0), ERR_VALUE);
}

/* A code system may have many thousands of codes (csd-1), a questionnaire many items (que-2). */
static void distinct_strings_take_linear_work(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 24);
  buf_add(&buf, STR("{\"resourceType\":\"CodeSystem\",\"concept\":["));
  for (int i = 0; i < 20000; i++)
    buf_printf(&buf, "%s{\"code\":\"c%d\"}", i ? "," : "", i);
  buf_add(&buf, STR("]}"));
  CHECK(buf_z(&buf),
        {"concept.code.combine($this.descendants().concept.code).isDistinct()", "boolean:true"},
        {"(concept.code | concept.code).count()", "integer:20000"},
        {"concept.code.combine('c7').isDistinct()", "boolean:false"});
}

static void sets_of_many_kinds_take_linear_work(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 24);
  buf_add(&buf, STR("{\"resourceType\":\"Questionnaire\",\"item\":["));
  for (int i = 0; i < 5000; i++)
    buf_printf(&buf,
               "%s{\"linkId\":\"l%d\",\"code\":[{\"system\":\"s\",\"code\":\"c%d\"}],"
               "\"initial\":[{\"valueInteger\":%d},{\"valueDate\":\"%04d-01-01\"}]}",
               i ? "," : "", i, i, i, i % 9000 + 1000);
  buf_add(&buf, STR("]}"));
  CHECK(buf_z(&buf), {"item.code.isDistinct()", "boolean:true"},
        {"item.isDistinct()", "boolean:true"}, {"(item.code | item.code).count()", "integer:5000"},
        {"item.initial.value.distinct().count()", "integer:10000"},
        {"item.initial.value.intersect(item.initial.value).count()", "integer:10000"},
        {"item.exclude(item.skip(1)).linkId", "string:l0"}, {"item.subsetOf(item)", "boolean:true"},
        {"item.tail().supersetOf(item)", "boolean:false"}, {"repeat(item).count()", "integer:5000"},
        {"item.initial.value.ofType(integer).combine(7.0).isDistinct()", "boolean:false"});
}

static void equality_in_sets_is_that_of_the_operator(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 10000);
  buf_add(&buf, STR("("));
  for (int i = 0; i < 40; i++)
    buf_printf(&buf, "%s%d.0 | @20%02d | 'v%d'", i ? " | " : "", i, i + 10, i);
  const char *many = arena_str(test_arena, buf_str(&buf)).p;
#define WITH(rest) arena_printf(test_arena, "%s%s", many, rest).p
  const struct row rows[] = {
      {WITH(").count()"), "integer:120"},
      {WITH(" | 3 | 4.00 | 'v1' | @2012).count()"), "integer:120"},
      {WITH(" | @2012-01 | '3' | true).count()"), "integer:123"},
      {WITH(" | 7 '1' | 100 'cm' | 1 'm' | 2 'm').count()"), "integer:122"},
      {WITH(" | @2012T).count()"), "integer:120"},
      {WITH(" | @2020-01-01T10:00:00Z | @2020-01-01T11:00:00.0+01:00).count()"), "integer:121"},
  };
#undef WITH
  check(PATIENT, rows, sizeof rows / sizeof *rows);
}

/* What the definitions mark as errors must hold no function that isn't here. */
static void every_invariant_of_severity_error_compiles(void **state) {
  (void)state;
  size_t n = 0;
  for (defs_type_id id = 1; id <= defs_types_count(); id++) {
    const struct defs_type *type = defs_type(id);
    for (uint32_t i = 0; i < type->invariants_n; i++) {
      const struct defs_invariant *invariant = defs_invariant(type->first_invariant + i);
      const struct fhirpath *program;
      struct err err;
      if (!invariant->is_error || str_is_empty(invariant->expression))
        continue;
      if (fhirpath_compile(test_arena, invariant->expression, id, &program, &err) < 0)
        fail_msg("%s: %s %s", arena_str(test_arena, invariant->key).p, err.where, err.text);
      n++;
    }
  }
  print_message("%zu invariants\n", n);
  assert_true(n > 200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_whole_grammar_is_parsed),
      TEST(what_is_wrong_is_refused_when_it_is_compiled),
      TEST(strict_compilation_refuses_names_that_the_types_do_not_have),
      TEST(an_error_names_the_column_and_the_function),
      TEST(paths_follow_types_choices_and_siblings),
      TEST(references_resolve_to_contained_resources_and_typed_stubs),
      TEST(a_fragment_is_contained_in_the_entry_that_it_is_in),
      TEST(empty_spreads_through_operators),
      TEST(decimals_are_exact),
      TEST(dates_compare_by_the_precision_that_they_have),
      TEST(collections_filter_split_and_combine),
      TEST(strings_count_code_points),
      TEST(the_later_functions_work),
      TEST(membership_is_known_for_required_value_sets),
      TEST(narratives_are_checked),
      TEST(quantities_convert_by_their_units),
      TEST(calendar_years_have_no_fixed_length),
      TEST(variables_of_the_caller_are_known),
      TEST(as_takes_one_item_but_in_published_expressions),
      TEST(trace_is_told_and_time_stands_still),
      TEST(codes_are_asked_of_the_terminology),
      TEST(definitions_are_asked),
      TEST(a_location_leads_to_its_element),
      TEST(costly_expressions_stop),
      TEST(distinct_strings_take_linear_work),
      TEST(sets_of_many_kinds_take_linear_work),
      TEST(equality_in_sets_is_that_of_the_operator),
      TEST(every_invariant_of_severity_error_compiles),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
