#include "../test.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "format/json.h"
#include "model/fhirpath.h"
#include "model/validate.h"
#include "model/validate_primitive.h"

static struct issues validate_with(const char *json, const struct validate_options *options) {
  const struct yyjson_val *root = NULL;
  struct issues issues = {0};
  struct err err;
  assert_int_equal(json_parse(test_arena, test_json(test_arena, json), NULL, &root, &err), 0);
  assert_int_equal(validate_resource(test_arena, root, options, &issues, &err), 0);
  return issues;
}

static void assert_valid(const char *json) {
  struct issues issues = validate_with(json, NULL);
  for (size_t i = 0; i < issues.list.n; i++)
    print_error("%s: %s\n", issues.list.p[i].where, issues.list.p[i].text);
  assert_int_equal(issues.list.n, 0);
  assert_int_equal(issues.errors_n, 0);
}

/* Exactly one fault, of this kind at this place. */
static void assert_fault(const char *json, enum err_code code, const char *where) {
  struct issues issues = validate_with(json, NULL);
  for (size_t i = 0; issues.list.n != 1 && i < issues.list.n; i++)
    print_error("%s: %s\n", issues.list.p[i].where, issues.list.p[i].text);
  assert_int_equal(issues.errors_n, 1);
  assert_int_equal(issues.list.n, 1);
  assert_string_equal(issues.list.p[0].where, where);
  assert_int_equal(issues.list.p[0].code, code);
  assert_int_equal(issues.list.p[0].severity, ERR_SEVERITY_ERROR);
}

#define PATIENT(members) "{'resourceType':'Patient'," members "}"
#define OBSERVATION(members)                                                                       \
  "{'resourceType':'Observation','status':'final','code':{'text':'x'}," members "}"

static void validate_accepts_what_is_right(void **state) {
  (void)state;
  assert_valid("{'resourceType':'Patient'}");
  assert_valid(PATIENT("'id':'a','active':true,'gender':'female','birthDate':'1970-02-28',"
                       "'name':[{'family':'F','given':['A','B']}],'multipleBirthInteger':-2,"
                       "'contact':[{'relationship':[{'text':'x'}]}]"));
  assert_valid(OBSERVATION("'valueQuantity':{'value':1.50,'unit':'g','comparator':'<'}"));
  assert_valid("{'resourceType':'Bundle','type':'batch','entry':[{'resource':{'resourceType':"
               "'Patient','id':'1'},'request':{'method':'PUT','url':'Patient/1'}}]}");
  assert_valid("{'resourceType':'Parameters','parameter':[{'name':'a','resource':{'resourceType':"
               "'Binary','contentType':'text/plain'},'part':[{'name':'b','valueMoney':{"
               "'currency':'EUR'}}]}]}");
}

static void validate_refuses_what_is_no_resource(void **state) {
  (void)state;
  assert_fault("[]", ERR_STRUCTURE, "Resource");
  assert_fault("{}", ERR_STRUCTURE, "Resource");
  assert_fault("{'resourceType':1}", ERR_STRUCTURE, "Resource");
  assert_fault("{'resourceType':'Foo'}", ERR_STRUCTURE, "Resource");
  assert_fault("{'resourceType':'HumanName','family':'x'}", ERR_STRUCTURE, "Resource");
  assert_fault("{'resourceType':'DomainResource'}", ERR_STRUCTURE, "Resource");
  assert_fault("{'resourceType':'Bundle','type':'batch','entry':[{'resource':{'id':'a'}}]}",
               ERR_STRUCTURE, "Bundle.entry[0].resource");
}

static void validate_refuses_unknown_properties(void **state) {
  (void)state;
  assert_fault(PATIENT("'colour':'red'"), ERR_STRUCTURE, "Patient");
  assert_fault(PATIENT("'':1"), ERR_STRUCTURE, "Patient");
  assert_fault(PATIENT("'_':{}"), ERR_STRUCTURE, "Patient");
  assert_fault(PATIENT("'_name':[{}]"), ERR_STRUCTURE, "Patient");
  assert_fault(PATIENT("'name':[{'resourceType':'x','family':'y'}]"), ERR_STRUCTURE,
               "Patient.name[0]");
  assert_fault(PATIENT("'deceased':true"), ERR_STRUCTURE, "Patient");
  assert_fault(PATIENT("'contact':[{'birthDate':'1970','gender':'male'}]"), ERR_STRUCTURE,
               "Patient.contact[0]");
  struct issues issues = validate_with(PATIENT("'<script>':1"), NULL);
  assert_null(strstr(issues.list.p[0].text, "script"));
}

static void validate_checks_json_types(void **state) {
  (void)state;
  assert_fault(PATIENT("'active':'true'"), ERR_STRUCTURE, "Patient.active");
  assert_fault(PATIENT("'birthDate':1970"), ERR_STRUCTURE, "Patient.birthDate");
  assert_fault(PATIENT("'active':null"), ERR_STRUCTURE, "Patient.active");
  assert_fault(PATIENT("'active':{'a':1}"), ERR_STRUCTURE, "Patient.active");
  assert_fault(PATIENT("'name':{'family':'x'}"), ERR_STRUCTURE, "Patient.name");
  assert_fault(PATIENT("'birthDate':['1970']"), ERR_STRUCTURE, "Patient.birthDate");
  assert_fault(PATIENT("'name':['x']"), ERR_STRUCTURE, "Patient.name[0]");
  assert_fault(PATIENT("'maritalStatus':[{'text':'x'}]"), ERR_STRUCTURE, "Patient.maritalStatus");
  assert_fault(PATIENT("'name':[null]"), ERR_STRUCTURE, "Patient.name[0]");
  assert_fault(OBSERVATION("'valueInteger':1.0"), ERR_VALUE, "Observation.value");
  assert_fault(OBSERVATION("'valueQuantity':{'value':'1'}"), ERR_STRUCTURE,
               "Observation.value.value");
}

static void validate_refuses_empty_things(void **state) {
  (void)state;
  assert_fault(PATIENT("'name':[]"), ERR_STRUCTURE, "Patient.name");
  assert_fault(PATIENT("'name':[{}]"), ERR_STRUCTURE, "Patient.name[0]");
  assert_fault(PATIENT("'name':[{'family':''}]"), ERR_VALUE, "Patient.name[0].family");
  assert_fault(PATIENT("'name':[{'id':'a'}]"), ERR_INVARIANT, "Patient.name[0]");
  assert_fault(PATIENT("'name':[{'_given':[]}]"), ERR_STRUCTURE, "Patient.name[0].given");
}

static void validate_checks_cardinality(void **state) {
  (void)state;
  assert_fault("{'resourceType':'Observation','code':{'text':'x'}}", ERR_REQUIRED,
               "Observation.status");
  assert_fault(PATIENT("'communication':[{'preferred':true}]"), ERR_REQUIRED,
               "Patient.communication[0].language");
  assert_fault(PATIENT("'link':[{'type':'refer'}]"), ERR_REQUIRED, "Patient.link[0].other");
  /* a value may be missing where an extension says why */
  assert_valid("{'resourceType':'Observation','_status':{'extension':[{'url':'u','valueCode':"
               "'unknown'}]},'code':{'text':'x'}}");
  struct issues issues = validate_with("{'resourceType':'Observation','id':'a'}", NULL);
  assert_int_equal(issues.errors_n, 2);
  assert_fault("{'resourceType':'SampledData'}", ERR_STRUCTURE, "Resource");
}

static void validate_allows_one_type_of_a_choice(void **state) {
  (void)state;
  assert_fault(PATIENT("'deceasedBoolean':true,'deceasedDateTime':'2020'"), ERR_STRUCTURE,
               "Patient.deceased");
  assert_fault(PATIENT("'deceasedBoolean':true,'_deceasedDateTime':{'extension':[{'url':'u',"
                       "'valueString':'x'}]}"),
               ERR_STRUCTURE, "Patient.deceased");
  assert_valid(PATIENT("'deceasedBoolean':true,'_deceasedBoolean':{'id':'x'}"));
}

static void validate_reads_what_stands_beside_primitives(void **state) {
  (void)state;
#define EXTENSION "{'extension':[{'url':'u','valueString':'x'}]}"
  assert_valid(PATIENT("'birthDate':'1970','_birthDate':{'id':'a'}"));
  assert_valid(PATIENT("'_birthDate':" EXTENSION));
  assert_valid(PATIENT("'name':[{'given':['A',null],'_given':[null," EXTENSION "]}]"));
  assert_valid(PATIENT("'name':[{'_given':[" EXTENSION "]}]"));
  assert_fault(PATIENT("'name':[{'given':['A',null],'_given':[" EXTENSION ",null]}]"),
               ERR_STRUCTURE, "Patient.name[0].given[1]");
  assert_fault(PATIENT("'name':[{'given':['A',null]}]"), ERR_STRUCTURE, "Patient.name[0].given[1]");
  assert_fault(PATIENT("'name':[{'_given':[null," EXTENSION "]}]"), ERR_STRUCTURE,
               "Patient.name[0].given[0]");
  assert_fault(PATIENT("'name':[{'given':['A'],'_given':{'id':'a'}}]"), ERR_STRUCTURE,
               "Patient.name[0].given");
  assert_fault(PATIENT("'_birthDate':{'id':'a'}"), ERR_INVARIANT, "Patient.birthDate");
  assert_fault(PATIENT("'_birthDate':'x'"), ERR_STRUCTURE, "Patient.birthDate");
  assert_fault(PATIENT("'_birthDate':null"), ERR_STRUCTURE, "Patient.birthDate");
  assert_fault(PATIENT("'birthDate':'1970','_birthDate':{'value':'a'}"), ERR_STRUCTURE,
               "Patient.birthDate");
  assert_fault(PATIENT("'_birthDate':{'extension':[{'valueString':'x'}]}"), ERR_REQUIRED,
               "Patient.birthDate.extension[0].url");
}

static void validate_checks_extensions(void **state) {
  (void)state;
  assert_valid(PATIENT("'extension':[{'url':'u','extension':[{'url':'v','valueCode':'x'}]}]"));
  assert_fault(PATIENT("'extension':[{'url':'u'}]"), ERR_INVARIANT, "Patient.extension[0]");
  assert_fault(PATIENT("'extension':[{'url':'u','valueCode':'x','extension':[{'url':'v',"
                       "'valueCode':'x'}]}]"),
               ERR_INVARIANT, "Patient.extension[0]");
  assert_fault(PATIENT("'extension':[{'valueCode':'x'}]"), ERR_REQUIRED,
               "Patient.extension[0].url");
  assert_fault(PATIENT("'extension':[{'url':'u','valueCode':'x','valueString':'x'}]"),
               ERR_STRUCTURE, "Patient.extension[0].value");
}

static void validate_checks_required_bindings(void **state) {
  (void)state;
  assert_fault(PATIENT("'gender':'F'"), ERR_CODE_INVALID, "Patient.gender");
  assert_fault(PATIENT("'telecom':[{'system':'telepathy'}]"), ERR_CODE_INVALID,
               "Patient.telecom[0].system");
  /* a CodeableConcept needs one coding of the set */
#define ALLERGY(status)                                                                            \
  "{'resourceType':'AllergyIntolerance','patient':{'reference':'Patient/1'},"                      \
  "'clinicalStatus':{" status "}}"
#define SYSTEM "'system':'http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical'"
  assert_valid(ALLERGY("'coding':[{'code':'x','system':'urn:x'},{" SYSTEM ",'code':'active'}]"));
  assert_fault(ALLERGY("'coding':[{" SYSTEM ",'code':'gone'}]"), ERR_CODE_INVALID,
               "AllergyIntolerance.clinicalStatus");
  assert_fault(ALLERGY("'coding':[{'system':'urn:x','code':'active'}]"), ERR_CODE_INVALID,
               "AllergyIntolerance.clinicalStatus");
  assert_fault(ALLERGY("'text':'active'"), ERR_CODE_INVALID, "AllergyIntolerance.clinicalStatus");
  /* the message doesn't carry what the sender wrote */
  struct issues issues = validate_with(PATIENT("'gender':'secret'"), NULL);
  assert_null(strstr(issues.list.p[0].text, "secret"));
}

static void validate_checks_targets_of_references(void **state) {
  (void)state;
#define MANAGING(reference) PATIENT("'managingOrganization':{" reference "}")
  assert_valid(MANAGING("'reference':'Organization/1'"));
  assert_valid(MANAGING("'reference':'Organization/1/_history/2'"));
  assert_valid(MANAGING("'reference':'Organization?identifier=a|b/c'"));
  assert_valid(MANAGING("'reference':'urn:uuid:c757873d-ec9a-4326-a141-556f43239520'"));
  assert_valid(MANAGING("'reference':'http://example.org/fhir/Anything/1'"));
  assert_valid(MANAGING("'type':'Organization','identifier':{'value':'1'}"));
  assert_valid(MANAGING("'display':'x'"));
  assert_fault(MANAGING("'reference':'Patient/1'"), ERR_VALUE,
               "Patient.managingOrganization.reference");
  assert_fault(MANAGING("'type':'Patient','identifier':{'value':'1'}"), ERR_VALUE,
               "Patient.managingOrganization.type");
  static const char *const bad[] = {"1",
                                    "/Organization/1",
                                    "Organization",
                                    "Organization/",
                                    "organization/1",
                                    "Organization/a_b",
                                    "Organization/1/2",
                                    "Organization/1/_history",
                                    "Org/1",
                                    "Organization/1/_history/",
                                    "Organization/1/_history/1/"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_fault(arena_printf(test_arena, MANAGING("'reference':'%s'"), bad[i]).p, ERR_VALUE,
                 "Patient.managingOrganization.reference");
  /* Reference(Any) */
  assert_valid("{'resourceType':'List','status':'current','mode':'working','entry':[{'item':{"
               "'reference':'Patient/1'}}]}");
}

static void validate_looks_into_contained_resources(void **state) {
  (void)state;
#define CONTAINED "'contained':[{'resourceType':'Organization','id':'o','name':'x'}]"
  assert_valid(PATIENT(CONTAINED ",'managingOrganization':{'reference':'#o'}"));
  assert_fault(PATIENT(CONTAINED ",'managingOrganization':{'reference':'#p'}"), ERR_INVARIANT,
               "Patient.managingOrganization.reference");
  assert_fault(PATIENT(CONTAINED ",'link':[{'type':'refer','other':{'reference':'#o'}}]"),
               ERR_VALUE, "Patient.link[0].other.reference");
  assert_fault(PATIENT("'contained':[{'resourceType':'Organization','id':'o','nme':'x'}]"),
               ERR_STRUCTURE, "Patient.contained[0]");
  /* "#" is the container; a contained resource may lead to another one */
  assert_valid(PATIENT("'contained':[{'resourceType':'Provenance','id':'p','recorded':"
                       "'2020-01-01T00:00:00Z','target':[{'reference':'#'}],'agent':[{'who':{"
                       "'reference':'#o'}}]},{'resourceType':'Organization','id':'o'}]"));
  /* each entry of a bundle has its own */
  assert_fault("{'resourceType':'Bundle','type':'collection','entry':[{'resource':" PATIENT(
                   CONTAINED) "},{'resource':" MANAGING("'reference':'#o'") "}]}",
               ERR_INVARIANT, "Bundle.entry[1].resource.managingOrganization.reference");
}

static void validate_refuses_comparators_of_simple_quantities(void **state) {
  (void)state;
  assert_fault(OBSERVATION("'referenceRange':[{'low':{'value':1,'comparator':'<'}}]"),
               ERR_INVARIANT, "Observation.referenceRange[0].low");
}

static void validate_refuses_active_narratives(void **state) {
  (void)state;
#define TEXT(div) PATIENT("'text':{'status':'generated','div':'" div "'}")
#define DIV "<div xmlns=\\'http://www.w3.org/1999/xhtml\\'>"
  assert_valid(TEXT(DIV "<p class=\\'a\\'>x &lt; y<br/><img src=\\'#a\\'/></p><!-- c --></div>"));
  assert_valid(TEXT(DIV "<a href=\\'http://example.org\\'>x</a><a href=\\'p?a:b\\'>y</a></div>"));
  static const char *const bad[] = {
      "x",
      "<p>x</p>",
      "<div>x",
      "<div>x</p>",
      "<div></div>",
      "<div> <p> </p></div>",
      "<div>x</div><div>y</div>",
      "<div>x</div>y",
      "<div><script>x</script></div>",
      "<div><iframe src=\\'x\\'/>x</div>",
      "<div onclick=\\'x\\'>x</div>",
      "<div ONCLICK=\\'x\\'>x</div>",
      "<div><a href=\\'javascript:x\\'>x</a></div>",
      "<div><a href=\\' JavaScript:x\\'>x</a></div>",
      "<div><a href=\\'java\\nscript:x\\'>x</a></div>",
      "<div><a href=\\'&#106;avascript:x\\'>x</a></div>",
      "<div><a href=x>x</a></div>",
      "<div><a href=\\'x>x</a></div>",
      "<div class>x</div>",
      "<div",
      "<div><!-- x</div>",
      "<!DOCTYPE html><div>x</div>",
      "<?xml version=\\'1.0\\'?><div>x</div>",
      "<div><![CDATA[x]]></div>",
      "<DIV>x</DIV>",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_fault(arena_printf(test_arena, TEXT("%s"), bad[i]).p, ERR_INVALID, "Patient.text.div");
}

static void validate_stops_at_the_limit_of_issues(void **state) {
  (void)state;
  struct validate_options options = {.max_issues = 3};
  struct issues issues =
      validate_with(PATIENT("'a':1,'b':1,'c':1,'d':1,'e':1,'active':0"), &options);
  assert_int_equal(issues.errors_n, 3);
  assert_int_equal(issues.list.n, 4);
  assert_int_equal(issues.list.p[3].severity, ERR_SEVERITY_INFORMATION);
}

static void validate_limits_depth(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  buf_add_z(&buf, "{'resourceType':'Questionnaire','status':'draft'");
  for (int i = 0; i < 150; i++)
    buf_add_z(&buf, ",'item':[{'linkId':'a','type':'group'");
  for (int i = 0; i < 150; i++)
    buf_add_z(&buf, "}]");
  buf_add_z(&buf, "}");
  struct json_limits limits = {.max_bytes = 1 << 20, .max_depth = 1000};
  const struct yyjson_val *root;
  struct issues issues = {0};
  struct err err;
  assert_int_equal(json_parse(test_arena, test_json(test_arena, buf_z(&buf)), &limits, &root, &err),
                   0);
  assert_int_equal(validate_resource(test_arena, root, NULL, &issues, &err), 0);
  assert_int_equal(issues.errors_n, 1);
  assert_int_equal(issues.list.p[0].code, ERR_TOO_LONG);
}

static void validate_reports_a_full_arena(void **state) {
  (void)state;
  const struct yyjson_val *root;
  struct err err;
  assert_int_equal(
      json_parse(test_arena, STR("{\"resourceType\":\"Patient\",\"a\":1}"), NULL, &root, &err), 0);
  struct arena *small = arena_new(64);
  struct issues issues = {0};
  assert_int_equal(validate_resource(small, root, NULL, &issues, &err), ERR_NO_MEMORY);
  arena_free(small);
}

static void assert_rule(const char *json, const char *key, const char *where) {
  struct validate_options options = {.with_invariants = true};
  struct issues issues = validate_with(json, &options);
  for (size_t i = 0; issues.list.n != (key ? 1 : 0) && i < issues.list.n; i++)
    print_error("%s: %s\n", issues.list.p[i].where, issues.list.p[i].text);
  assert_int_equal(issues.errors_n, key ? 1 : 0);
  if (!key)
    return;
  assert_string_equal(issues.list.p[0].where, where);
  assert_int_equal(issues.list.p[0].code, ERR_INVARIANT);
  assert_non_null(strstr(issues.list.p[0].text, key));
}

static void validate_evaluates_invariants(void **state) {
  (void)state;
  struct err err;
  assert_int_equal(validate_init(&err), 0);
  assert_rule(OBSERVATION("'valueString':'x'"), NULL, NULL);
  assert_rule(OBSERVATION("'valueString':'x','dataAbsentReason':{'text':'x'}"), "obs-6",
              "Observation");
  assert_rule(PATIENT("'contact':[{'gender':'male'}]"), "pat-1", "Patient.contact[0]");
  assert_rule(PATIENT("'name':[{'period':{'start':'2021','end':'2020'}}]"), "per-1",
              "Patient.name[0].period");
  /* inherited from DomainResource */
  assert_rule(PATIENT("'contained':[{'resourceType':'Basic','id':'a','code':{'text':'x'},"
                      "'meta':{'versionId':'1'}}],'extension':[{'url':'u','valueReference':{"
                      "'reference':'#a'}}]"),
              "dom-4", "Patient");
  /* dom-3: led to by a reference or a URI, or leading to the container */
#define BASIC(id, more) "{'resourceType':'Basic','id':'" id "','code':{'text':'x'}" more "}"
#define LEADS(type, value) ",'extension':[{'url':'u','value" type "':" value "}]"
  assert_rule(PATIENT("'contained':[" BASIC("a", "") "]"), "dom-3", "Patient.contained[0]");
  assert_rule(PATIENT("'contained':[" BASIC("a", "") "," BASIC("b", "") "]" LEADS("Uri", "'#a'")),
              "dom-3", "Patient.contained[1]");
  assert_rule(PATIENT("'contained':[" BASIC("a", LEADS("Reference", "{'reference':'#'}")) "]"),
              NULL, NULL);
  assert_rule(PATIENT("'contained':[" BASIC("a", LEADS("Canonical", "'#b'")) "," BASIC(
                  "b", LEADS("Url", "'#a'")) "]"),
              NULL, NULL);
  /* a contained bundle's entries have "#id"s of their own */
  assert_rule("{'resourceType':'List','status':'current','mode':'working','contained':[" BASIC(
                  "a", "") ",{'resourceType':'Bundle','id':'b','type':'collection','entry':[{"
                           "'resource':" PATIENT("'contained':[" BASIC("a", "") "]" LEADS(
                               "Uri", "'#a'")) "}]}],'entry':[{'item':{'reference':'#a'}},"
                                               "{'item':{'reference':'#b'}}]}",
              NULL, NULL);
  /* on a child, and on a child of several types */
  assert_rule("{'resourceType':'Organization','name':'x','address':[{'text':'a'},{'use':'home'}]}",
              "org-2", "Organization.address[1]");
#define RISK(range)                                                                                \
  "{'resourceType':'RiskAssessment','status':'final','subject':{'display':'x'},"                   \
  "'prediction':[{'probabilityRange':{'low':{'value':1,'system':'" range "','code':'%'}}}]}"
  assert_rule(RISK("http://unitsofmeasure.org"), NULL, NULL);
  assert_rule(RISK("urn:x"), "ras-1", "RiskAssessment.prediction[0].probability");
  /* %resource is the entry's resource */
  assert_rule("{'resourceType':'Bundle','type':'collection','entry':[{'resource':" OBSERVATION(
                  "'valueString':'x','dataAbsentReason':{'text':'x'}") "}]}",
              "obs-6", "Bundle.entry[0].resource");
}

static void validate_compiles_every_invariant(void **state) {
  (void)state;
  for (size_t id = 1; id <= defs_types_count(); id++) {
    const struct defs_type *type = defs_type((defs_type_id)id);
    for (uint32_t i = 0; i < type->invariants_n; i++) {
      const struct defs_invariant *invariant = defs_invariant(type->first_invariant + i);
      const struct fhirpath *program;
      struct err err;
      if (invariant->expression.n > 0 &&
          fhirpath_compile(test_arena, invariant->expression, (defs_type_id)id, &program, &err) < 0)
        fail_msg("%.*s: %s", STR_ARG(invariant->key), err.text);
    }
  }
}

/* Without a decision nothing is refused, and that is said. */
static void validate_counts_invariants_that_were_not_decided(void **state) {
  (void)state;
  struct err err;
  assert_int_equal(validate_init(&err), 0);
  struct validate_options options = {.with_invariants = true};
  struct issues issues =
      validate_with(PATIENT("'name':[{'period':{'start':'2020-05-01','end':'2020'}}]"), &options);
  assert_int_equal(issues.errors_n, 0);
  assert_int_equal(issues.skipped_n, 1);
}

static uint64_t random_state = 42;
static uint32_t random_below(uint32_t n) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 33) % n;
}

/* A good value with up to three characters changed, put in or left out. */
static struct str mutate(struct str seed, char *text, size_t size) {
  static const char alphabet[] = "0123456789-+:.TZzeE/= \t\nabcfurnoid#\x01\xC3\xA9";
  size_t n = seed.n;
  memcpy(text, seed.p, n);
  for (uint32_t changes = random_below(4); changes > 0; changes--) {
    char c = alphabet[random_below(sizeof alphabet - 1)];
    size_t at = random_below((uint32_t)n + 1);
    uint32_t how = random_below(3);
    if (how == 0 && at < n) {
      text[at] = c;
    } else if (how == 1 && n + 1 < size) {
      memmove(text + at + 1, text + at, n - at);
      text[at] = c;
      n++;
    } else if (at < n) {
      memmove(text + at, text + at + 1, n - at - 1);
      n--;
    }
  }
  return str_n(text, n);
}

/* Where the check is stricter than the expression on purpose: see validate_primitive.h. */
static bool is_stricter(enum defs_builtin type, struct str text) {
  bool has_control = text.n == 0;
  for (size_t i = 0; i < text.n; i++)
    has_control |= (unsigned char)text.p[i] < ' ' && !strchr("\t\n\r", text.p[i]);
  bool is_day = type == DEFS_DATE || type == DEFS_DATE_TIME || type == DEFS_INSTANT;
  bool is_whole = type == DEFS_INTEGER || type == DEFS_UNSIGNED_INT || type == DEFS_POSITIVE_INT;
  return has_control || (is_day && text.n >= 10 && text.p[8] >= '2') || (is_whole && text.n > 9);
}

static void primitives_agree_with_the_published_expressions(void **state) {
  (void)state;
  static const struct {
    const char *type, *seed;
  } seeds[] = {
      {"boolean", "true"},
      {"integer", "-2147"},
      {"unsignedInt", "105"},
      {"positiveInt", "150"},
      {"decimal", "-10.50e+3"},
      {"string", "a b"},
      {"markdown", "a b"},
      {"code", "a b c"},
      {"id", "a-B.1"},
      {"uri", "urn:oid:1.2"},
      {"url", "http://a/b"},
      {"canonical", "http://a/b"},
      {"oid", "urn:oid:1.20.30"},
      {"uuid", "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
      {"base64Binary", "abcd EF+/\nab=="},
      {"date", "2019-11-21"},
      {"dateTime", "2019-11-21T10:20:30.5+01:00"},
      {"instant", "2019-11-21T10:20:30.5-14:00"},
      {"time", "10:20:60.25"},
  };
  print_message("seed %llu\n", (unsigned long long)random_state);
  for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
    const struct defs_type *type = defs_type(defs_type_by_name(str_of(seeds[i].type)));
    assert_true(primitive_is_valid(type->builtin, str_of(seeds[i].seed)));
    int error, agreed = 0;
    PCRE2_SIZE at;
    pcre2_code *code =
        pcre2_compile((PCRE2_SPTR)type->pattern.p, type->pattern.n,
                      PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY, &error, &at, NULL);
    assert_non_null(code);
    pcre2_match_data *match = pcre2_match_data_create_from_pattern(code, NULL);
    for (int k = 0; k < 20000; k++) {
      char text[100];
      struct str s = mutate(str_of(seeds[i].seed), text, sizeof text);
      bool expected = pcre2_match(code, (PCRE2_SPTR)s.p, s.n, 0, 0, match, NULL) >= 0;
      bool valid = primitive_is_valid(type->builtin, s);
      if (expected != valid && !(expected && is_stricter(type->builtin, s)))
        fail_msg("%s: '%.*s': expected %d", seeds[i].type, STR_ARG(s), expected);
      agreed += valid;
    }
    assert_true(agreed > 100);
    pcre2_match_data_free(match);
    pcre2_code_free(code);
  }
}

static void primitives_have_the_limits_of_the_text(void **state) {
  (void)state;
  assert_true(primitive_is_valid(DEFS_DATE, STR("2020-02-29")));
  assert_false(primitive_is_valid(DEFS_DATE, STR("2021-02-29")));
  assert_false(primitive_is_valid(DEFS_DATE_TIME, STR("2021-04-31T00:00:00Z")));
  assert_true(primitive_is_valid(DEFS_INTEGER, STR("-2147483648")));
  assert_false(primitive_is_valid(DEFS_INTEGER, STR("2147483648")));
  assert_false(primitive_is_valid(DEFS_INTEGER, STR("99999999999999999999")));
  assert_false(primitive_is_valid(DEFS_POSITIVE_INT, STR("0")));
  assert_false(primitive_is_valid(DEFS_UNSIGNED_INT, STR("-1")));
  assert_false(primitive_is_valid(DEFS_STRING, STR("a\x01")));
  assert_false(primitive_is_valid(DEFS_URI, STR("")));
  assert_false(primitive_is_valid(DEFS_CODE, STR("")));
  assert_false(primitive_is_valid(
      DEFS_ID, STR("12345678901234567890123456789012345678901234567890123456789012345")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(validate_accepts_what_is_right),
      TEST(validate_refuses_what_is_no_resource),
      TEST(validate_refuses_unknown_properties),
      TEST(validate_checks_json_types),
      TEST(validate_refuses_empty_things),
      TEST(validate_checks_cardinality),
      TEST(validate_allows_one_type_of_a_choice),
      TEST(validate_reads_what_stands_beside_primitives),
      TEST(validate_checks_extensions),
      TEST(validate_checks_required_bindings),
      TEST(validate_checks_targets_of_references),
      TEST(validate_looks_into_contained_resources),
      TEST(validate_refuses_comparators_of_simple_quantities),
      TEST(validate_refuses_active_narratives),
      TEST(validate_stops_at_the_limit_of_issues),
      TEST(validate_limits_depth),
      TEST(validate_reports_a_full_arena),
      TEST(validate_evaluates_invariants),
      TEST(validate_compiles_every_invariant),
      TEST(validate_counts_invariants_that_were_not_decided),
      TEST(primitives_agree_with_the_published_expressions),
      TEST(primitives_have_the_limits_of_the_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
