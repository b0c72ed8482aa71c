#include "maps.h"

#include <stdlib.h>

/* ---- rows ---- */

static void types_come_from_the_definitions(void **state) {
  (void)state;
  assert_patient("  PID-24 -> multipleBirthBoolean\n"
                 "  PID-5.1 -> name.family\n"
                 "  PID-7 -> birthDate\n",
                 "PID|||||Doe||19800102|||||||||||||||||Y\r",
                 "{\"resourceType\":\"Patient\",\"multipleBirthBoolean\":true,"
                 "\"name\":[{\"family\":\"Doe\"}],\"birthDate\":\"1980-01-02\"}");
}

static void the_first_value_of_a_single_element_wins(void **state) {
  (void)state;
  assert_patient("  PID-24 -> multipleBirthBoolean\n"
                 "  PID-25 -> multipleBirthInteger\n" /* another type of the same choice */
                 "  gender = \"male\"\n"
                 "  PID-8 -> gender\n",
                 "PID||||||||female||||||||||||||||Y|2\r",
                 "{\"resourceType\":\"Patient\",\"multipleBirthBoolean\":true,\"gender\":"
                 "\"male\"}");
}

static void lists_append_and_middles_are_shared(void **state) {
  (void)state;
  assert_patient("  PID-3 -> identifier\n"
                 "      .1 -> value\n"
                 "      .5 -> type.coding.code\n"
                 "      type.coding.system = \"urn:t\"\n"
                 "  PID-5.2 -> name.given\n"
                 "  PID-5.3 -> name.given\n",
                 "PID|||1^^^^MR~2||A^B^C\r",
                 "{\"resourceType\":\"Patient\",\"identifier\":[{\"value\":\"1\",\"type\":{"
                 "\"coding\":[{\"code\":\"MR\",\"system\":\"urn:t\"}]}},{\"value\":\"2\",\"type\":"
                 "{\"coding\":[{\"system\":\"urn:t\"}]}}],\"name\":[{\"given\":[\"B\",\"C\"]}]}");
}

static void repetitions_open_the_innermost_list(void **state) {
  (void)state;
  assert_patient("  PID-11.3 -> address.city\n", "PID|||||||||||^^A~^^B\r",
                 "{\"resourceType\":\"Patient\",\"address\":[{\"city\":\"A\"},{\"city\":\"B\"}]}");
}

static void constants_alone_make_no_element(void **state) {
  (void)state;
  const char *rows = "  PID-1 -> id\n"
                     "  name\n"
                     "      use = \"official\"\n"
                     "      PID-5.1 -> family\n"
                     "  contact\n"
                     "      gender = \"other\"\n"
                     "  address if PID-8 valued\n"
                     "      PID-11 -> city\n"
                     "      use = \"home\"\n";
  assert_patient(rows, "PID|1|||||||F\r",
                 "{\"resourceType\":\"Patient\",\"id\":\"1\",\"contact\":[{\"gender\":\"other\"}],"
                 "\"address\":[{\"use\":\"home\"}]}");
}

static void extensions_stand_on_primitives_too(void **state) {
  (void)state;
  assert_patient(
      "  PID-7 -> birthDate\n"
      "  PID-7 -> birthDate.extension(\"urn:time\").valueDateTime if length(PID-7) > 8\n"
      "  name\n"
      "      PID-5.2 -> given\n"
      "      PID-5.3 -> given\n"
      "      PID-5.4 -> given.extension(\"urn:g\").valueString\n"
      "  PID-23 -> extension(\"urn:a\").valueString\n"
      "  PID-10 -> extension(\"urn:b\")\n"
      "      .1 -> extension(\"code\").valueCode\n"
      "      .2 -> extension(\"text\").valueString\n",
      "PID|||||A^B^C^D||198001020304|||x^y~z|||||||||||||Rome\r",
      "{\"resourceType\":\"Patient\",\"birthDate\":\"1980-01-02\",\"_birthDate\":{\"extension\":[{"
      "\"url\":\"urn:time\",\"valueDateTime\":\"1980-01-02T03:04:00Z\"}]},\"name\":[{\"given\":["
      "\"B\",\"C\"],\"_given\":[{\"extension\":[{\"url\":\"urn:g\",\"valueString\":\"D\"}]},null]}"
      "],\"extension\":[{\"url\":\"urn:a\",\"valueString\":\"Rome\"},{\"url\":\"urn:b\","
      "\"extension\":[{\"url\":\"code\",\"valueCode\":\"x\"},{\"url\":\"text\",\"valueString\":"
      "\"y\"}]},{\"url\":\"urn:b\",\"extension\":[{\"url\":\"code\",\"valueCode\":\"z\"}]}]}");
}

static void texts_are_computed(void **state) {
  (void)state;
  assert_patient("  PID-13 -> telecom\n"
                 "      value = \"+\" + .5 + \" \" + .6 if .6 valued\n"
                 "  name\n"
                 "      text = join(\" \", PID-5.5, PID-5.2, PID-5.1)\n"
                 "  address\n"
                 "      text = \"in \" + PID-12\n"
                 "  language = whole(PID-15)\n",
                 "PID|||||Doe^Ann||||||||^^^^49^30||a^b&c~d\r",
                 "{\"resourceType\":\"Patient\",\"telecom\":[{\"value\":\"+49 30\"}],\"name\":[{"
                 "\"text\":\"Ann Doe\"}],\"language\":\"a^b&c~d\"}");
}

static void a_field_in_join_stands_for_its_repetitions(void **state) {
  (void)state;
  assert_patient("  photo\n"
                 "      title = join(\"\\n\", PID-5, PID-7)\n"
                 "      data = base64(PID-8)\n",
                 "PID|||||a^x~b~~c||1|light w\r",
                 "{\"resourceType\":\"Patient\",\"photo\":[{\"title\":\"a\\nb\\nc\\n1\","
                 "\"data\":\"bGlnaHQgdw==\"}]}");
}

static void maps_pour_into_elements_and_values(void **state) {
  (void)state;
  assert_patient("  PID-3 -> identifier : CX[Identifier]\n"
                 "  PID-5 -> name\n"
                 "      .1 -> this : FN[HumanName]\n"
                 "      .2 -> given\n"
                 "map CX[Identifier] : Identifier\n"
                 "  .1 -> value\n"
                 "  .4 -> system : HD[uri]\n"
                 "map HD[uri] : uri\n"
                 "  this = \"urn:oid:\" + .2 if .3 = \"ISO\"\n"
                 "  .1 -> this\n"
                 "map FN[HumanName] : HumanName\n"
                 "  .1 -> family\n",
                 "PID|||1^^^N&1.2&ISO~2^^^N||Doe&van^Ann\r",
                 "{\"resourceType\":\"Patient\",\"identifier\":[{\"value\":\"1\",\"system\":"
                 "\"urn:oid:1.2\"},{\"value\":\"2\",\"system\":\"N\"}],\"name\":[{\"family\":"
                 "\"Doe\",\"given\":[\"Ann\"]}]}");
}

static void choose_and_include_and_when(void **state) {
  (void)state;
  const char *rows = "  PID-5 -> name : N\n"
                     "  include Sex\n"
                     "  when PID-8 = \"F\" and not PID-7 valued\n"
                     "      active = \"Y\"\n"
                     "map N : HumanName\n"
                     "  choose Short if .2 not valued\n"
                     "  choose Long\n"
                     "map Short : HumanName\n"
                     "  .1 -> text\n"
                     "map Long : HumanName\n"
                     "  .1 -> family\n"
                     "  .2 -> given\n"
                     "map Sex : Patient\n"
                     "  gender = \"female\" if PID-8 in (\"F\", \"f\")\n";
  assert_patient(rows, "PID|||||A~B^C|||F\r",
                 "{\"resourceType\":\"Patient\",\"name\":[{\"text\":\"A\"},{\"family\":\"B\","
                 "\"given\":[\"C\"]}],\"gender\":\"female\",\"active\":true}");
}

/* ---- conditions ---- */

static bool holds(const char *condition) {
  struct str rows = arena_printf(test_arena, "  PID-3 -> id\n  active = \"Y\" if %s\n", condition);
  struct mapping_result result =
      map_patient(rows.p, "PID|1||12~~34^x|||\"\"|1999|F\rPV1|1|I\rZZZ|a\r");
  return json_get(result.resources[0].json, STR("active")) != NULL;
}

static void conditions_hold(void **state) {
  (void)state;
  const char *const yes[] = {
      "PID-8 valued",
      "PID-9 not valued",
      "PID-6 not valued", /* "" is no value */
      "PID-3(3).2 = \"x\"",
      "PID-3.2 valued", /* in some repetition */
      "PID-3.1 = \"12\"",
      "PID-8 != \"M\"",
      "PID-8 in (\"M\", \"F\")",
      "PID-8 not in (\"M\")",
      "length(PID-7) = 4",
      "length(PID-7) >= 4 and length(PID-7) < 5",
      "count(PID-3) = 3",
      "count(PID-20) = 0",
      "PID-7 > \"1998\"",
      "PID-7 is number",
      "not PID-8 is number",
      "PID-7 starts with \"19\"",
      "MSH-9.2 = \"A01\"",
      "MSH valued",
      "ORC not valued",
      "@nobody not made",
      "this.birthDate not made",
      "this.id made",
      "PID-8 = \"M\" or PID-8 = \"F\" and PID-7 valued",
      "not (PID-8 = \"M\" or PID-7 not valued)",
      "MSH-4 = MSH-4",
  };
  const char *const no[] = {
      "PID-9 valued",  "PID-6 valued",        "ORC valued",
      "PID-8 = \"f\"", "PID-8 is number",     "length(PID-7) > 4",
      "@nobody made",  "this.birthDate made", "PID-8 = \"F\" and PID-9 valued",
  };
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
    if (!holds(yes[i]))
      fail_msg("%s", yes[i]);
  for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
    if (holds(no[i]))
      fail_msg("%s", no[i]);
}

/* ---- tables ---- */

static const char tables[] = "map C : CodeableConcept\n"
                             "  coding\n"
                             "      .1 -> code\n"
                             "      .2 -> display\n"
                             "      .3 -> system\n"
                             "table T\n"
                             "  to urn:t\n"
                             "  A -> alpha \"The first\"\n"
                             "  B -> urn:other|beta\n"
                             "  C -> none\n"
                             "  HL7* -> http://example.org/v2-*\n"
                             "table K\n"
                             "  A -> x\n"
                             "  * -> keep\n"
                             "table D\n"
                             "  * -> unknown\n";

static void assert_table(const char *row, const char *code, const char *json, bool is_noted) {
  struct str rows = arena_printf(test_arena, "  PID-5 -> name.family\n  %s\n%s", row, tables);
  struct str segment = arena_printf(test_arena, "PID|||||Doe|||||||||||%s\r", code);
  struct mapping_result result = map_patient(rows.p, segment.p);
  struct str expected = arena_printf(
      test_arena, "{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"Doe\"}]%s}", json);
  assert_str(json_of(&result, 0), expected.p);
  assert_int_equal(has_note(&result, "PID-16.1.1") || has_note(&result, "PID-16"), is_noted);
}

static void tables_translate(void **state) {
  (void)state;
  assert_table("PID-16 -> language via T", "A", ",\"language\":\"alpha\"", false);
  assert_table("PID-16 -> language via T", "a", ",\"language\":\"alpha\"", false);
  assert_table("PID-16 -> language via T", "C", "", false);
  assert_table("PID-16 -> language via T", "?", "", true);
  assert_table("PID-16 -> implicitRules via T", "HL70001",
               ",\"implicitRules\":\"http://"
               "example.org/v2-0001\"",
               false);
  assert_table("PID-16 -> language via K", "q", ",\"language\":\"q\"", false);
  assert_table("PID-16 -> language via D", "q", ",\"language\":\"unknown\"", false);
  assert_table("PID-16 -> maritalStatus via T", "A",
               ",\"maritalStatus\":{\"coding\":[{\"system\":\"urn:t\",\"code\":\"alpha\","
               "\"display\":\"The first\"}]}",
               false);
  assert_table("PID-16 -> maritalStatus : C via T", "B^Text^L",
               ",\"maritalStatus\":{\"coding\":[{\"code\":\"beta\",\"system\":\"urn:other\"},"
               "{\"system\":\"L\",\"code\":\"B\",\"display\":\"Text\"}]}",
               false);
  assert_table("PID-16 -> maritalStatus : C via T", "Q^Text^L",
               ",\"maritalStatus\":{\"coding\":[{\"code\":\"Q\",\"display\":\"Text\",\"system\":"
               "\"L\"}]}",
               true);
}

/* ---- never in silence ---- */

static void what_is_not_mapped_is_noted(void **state) {
  (void)state;
  struct mapping_result result = map_patient("  PID-3 -> identifier : CX\n"
                                             "  PID-5.1 -> name.family\n"
                                             "  PID-7 -> birthDate\n"
                                             "  PID-8 -> gender\n"
                                             "  PID-30 -> deceasedBoolean if PID-29 = \"x\"\n"
                                             "  ignore PID-1\n"
                                             "map CX : Identifier\n"
                                             "  .1 -> value\n"
                                             "  ignore .2\n",
                                             "PID|1|2|3^4^5||Doe&x||never|male~female\rZZ1|x\r");
  assert_false(has_note(&result, "PID-1"));
  assert_true(has_note(&result, "PID-2"));
  assert_true(has_note(&result, "PID-3(1).3") || has_note(&result, "PID-3.3"));
  assert_false(has_note(&result, "PID-3.2"));
  assert_true(has_note(&result, "PID-5.1"));
  assert_true(has_note(&result, "PID-7") || has_note(&result, "PID-7.1.1"));
  assert_true(has_note(&result, "PID-8(2)"));
  assert_true(has_note(&result, "ZZ1"));
}

static void two_quotes_remove_an_element(void **state) {
  (void)state;
  struct mapping_result result = map_patient(
      "  PID-5.1 -> name.family\n  PID-7 -> birthDate\n  PID-13 -> telecom\n      .1 -> value\n"
      "  PID-16 -> maritalStatus.text\n",
      "PID|||||Doe||\"\"||||||\"\"|||\"\"\r");
  assert_int_equal(result.resources[0].nulled_n, 3);
  assert_str(result.resources[0].nulled[0], "birthDate");
  assert_str(result.resources[0].nulled[1], "telecom");
  assert_str(result.resources[0].nulled[2], "maritalStatus.text");
}

static void every_element_tells_where_it_came_from(void **state) {
  (void)state;
  struct mapping_result result = map_patient(
      "  PID-3 -> identifier\n      .1 -> value\n      use = \"usual\"\n", "PID|||1~2\r");
  const struct mapping_resource *patient = &result.resources[0];
  assert_int_equal(patient->lineage_n, 4);
  assert_str(patient->lineage[0].element, "identifier[0].value");
  assert_int_equal(patient->lineage[0].source.segment, 1);
  assert_int_equal(patient->lineage[0].source.field, 3);
  assert_str(patient->lineage[2].element, "identifier[1].value");
  assert_int_equal(patient->lineage[2].source.repetition, 2);
  assert_str(patient->lineage[3].element, "identifier[1].use");
  assert_int_equal(patient->lineage[3].source.segment, UINT32_MAX);
}

/* ---- messages ---- */

static const char orders[] = "map PID[Patient] : Patient\n"
                             "  identify by identifier\n"
                             "  PID-3 -> identifier\n"
                             "      .1 -> value\n"
                             "      .4 -> system\n"
                             "map OBR[DiagnosticReport] : DiagnosticReport\n"
                             "  key OBR-3\n"
                             "  OBR-3 -> identifier.value\n"
                             "  OBR-16 -> performer : XCN\n"
                             "map OBX[Observation] : Observation\n"
                             "  key OBR-3, OBX-3, OBX-4?\n"
                             "  OBX-3 -> code.coding.code\n"
                             "  OBX-5 -> valueString\n"
                             "  OBR-3 -> identifier.value\n"
                             "map NTE[Observation] : Observation\n"
                             "  NTE-3 -> note.text\n"
                             "map SPM[Specimen] : Specimen\n"
                             "  SPM-2 -> identifier.value\n"
                             "map XCN : Practitioner\n"
                             "  key .1\n"
                             "  .1 -> identifier.value\n"
                             "message ORU\n"
                             "  for *\n"
                             "  MSH\n"
                             "  group RESULT *\n"
                             "    PID\n"
                             "        patient = PID[Patient]\n"
                             "    group ORDER *\n"
                             "      ORC\n"
                             "      OBR\n"
                             "          report = OBR[DiagnosticReport]\n"
                             "              subject = @patient\n"
                             "      group OBSERVATION *\n"
                             "        OBX\n"
                             "            observation = OBX[Observation]\n"
                             "            @report.result = @observation\n"
                             "        NTE *\n"
                             "            observation += NTE[Observation]\n"
                             "      group SPECIMEN *\n"
                             "        SPM\n"
                             "            specimen = SPM[Specimen]\n"
                             "            all @observation.specimen = @specimen\n";

static struct mapping_result run_orders(const char *segments) {
  struct err err;
  struct er7_message message;
  struct maps *maps = compile(orders, &err);
  if (!maps)
    fail_msg("%s: %s", err.where, err.text);
  assert_int_equal(arena_on_free(test_arena, (void (*)(void *))maps_close, maps), 0);
  return run_message(maps, segments, &message);
}

static size_t count_type(const struct mapping_result *result, const char *type) {
  size_t n = 0;
  for (size_t i = 0; i < result->resources_n; i++)
    n += str_is(defs_type(result->resources[i].type)->name, type);
  return n;
}

static const struct mapping_resource *nth(const struct mapping_result *result, const char *type,
                                          size_t n) {
  for (size_t i = 0; i < result->resources_n; i++)
    if (str_is(defs_type(result->resources[i].type)->name, type) && n-- == 0)
      return &result->resources[i];
  fail_msg("there is no such %s", type);
  abort(); /* not reached */
}

static struct str key_of(const char *key_rows, const char *source, const char *segments, size_t n) {
  struct err err;
  struct er7_message message;
  struct mapping_result result;
  struct mapping_options options = {.source = str_of(source)};
  struct str text = arena_printf(test_arena,
                                 "map OBR[ServiceRequest] : ServiceRequest\n%s"
                                 "  OBR-4 -> code.text\n"
                                 "message ORM\n  for *\n  MSH\n"
                                 "  OBR *\n      request = OBR[ServiceRequest]\n",
                                 key_rows);
  struct maps *maps = compile(text.p, &err);
  if (!maps)
    fail_msg("%s: %s", err.where, err.text);
  assert_int_equal(arena_on_free(test_arena, (void (*)(void *))maps_close, maps), 0);
  text = arena_printf(test_arena, "MSH|^~\\&|||||||ORM^O01|1|P|2.5\r%s", segments);
  assert_int_equal(er7_parse(test_arena, text, NULL, &message, &err), 0);
  assert_int_equal(mapping_run(test_arena, maps, &message, &options, &result, &err), 0);
  assert_true(n < result.resources_n);
  return result.resources[n].key;
}

static void a_shared_key_is_the_same_whoever_sends(void **state) {
  (void)state;
  const char *own = "  key OBR-2\n", *shared = "  shared key OBR-2\n", *text = "OBR||7||A\r";
  assert_false(str_equal(key_of(own, "HIS", text, 0), key_of(own, "LAB", text, 0)));
  assert_true(str_equal(key_of(shared, "HIS", text, 0), key_of(shared, "LAB", text, 0)));
}

static void a_further_resource_of_one_key_has_its_further_key(void **state) {
  (void)state;
  const char *rows = "  shared key OBR-2\n  further key OBR-2, OBR-4\n";
  const char *both = "OBR||7||A\rOBR||7||B\r", *turned = "OBR||7||C\rOBR||7||A\rOBR||7||B\r";
  struct str first = key_of(rows, "HIS", both, 0), second = key_of(rows, "HIS", both, 1);
  assert_false(str_equal(first, second));
  assert_true(str_equal(first, key_of(rows, "HIS", turned, 0)));
  assert_true(str_equal(second, key_of(rows, "HIS", turned, 2)));
}

static void what_gives_way_is_told_if_its_condition_holds(void **state) {
  (void)state;
  const char *rows = "  yield gender, birthDate if PID-1 = \"2\"\n  PID-8 -> gender\n";
  assert_int_equal(map_patient(rows, "PID|1|||||||male\r").resources[0].yielded_n, 0);
  struct mapping_result result = map_patient(rows, "PID|2|||||||male\r");
  assert_int_equal(result.resources[0].yielded_n, 2);
}

static void groups_keep_observations_with_their_order(void **state) {
  (void)state;
  struct mapping_result result =
      run_orders("PID|||1^^^A\rOBR|1||F1\rOBX|1||a||x\rNTE|1||n1\rNTE|2||n2"
                 "\rOBX|2||b||y\rSPM|1|S1\rOBR|2||F2\rOBX|1||a||z\r");
  assert_int_equal(count_type(&result, "DiagnosticReport"), 2);
  assert_int_equal(count_type(&result, "Observation"), 3);
  const struct yyjson_val *first = nth(&result, "DiagnosticReport", 0)->json;
  assert_int_equal(json_count(json_get(first, STR("result"))), 2);
  assert_int_equal(json_count(json_get(nth(&result, "DiagnosticReport", 1)->json, STR("result"))),
                   1);
  assert_str(json_get_text(json_get(first, STR("subject")), STR("reference")),
             arena_str(test_arena, nth(&result, "Patient", 0)->full_url).p);
  assert_int_equal(json_count(json_get(nth(&result, "Observation", 0)->json, STR("note"))), 2);
  assert_non_null(json_get(nth(&result, "Observation", 1)->json, STR("specimen")));
  assert_null(json_get(nth(&result, "Observation", 2)->json, STR("specimen")));
  struct json_each each =
      json_each(json_get(nth(&result, "Observation", 2)->json, STR("identifier")));
  assert_true(json_next(&each));
  assert_str(json_get_text(each.value, STR("value")), "F2");
}

/* The second order has neither report nor OBR of its own: those of the first are not its. */
static void one_order_does_not_see_another(void **state) {
  (void)state;
  struct mapping_result result =
      run_orders("PID|||1^^^A\rORC|RE\rOBR|1||F1\rOBX|1||a||x\rORC|RE\rOBX|1||b||y\rSPM|1|S\r");
  assert_int_equal(json_count(json_get(nth(&result, "DiagnosticReport", 0)->json, STR("result"))),
                   1);
  assert_null(json_get(nth(&result, "Observation", 0)->json, STR("specimen")));
  assert_null(json_get(nth(&result, "Observation", 1)->json, STR("identifier")));
  assert_non_null(json_get(nth(&result, "Observation", 1)->json, STR("specimen")));
}

static void names_of_a_group_beside_are_seen(void **state) {
  (void)state;
  struct err err;
  struct er7_message message;
  struct maps *maps =
      compile("map PID[Patient] : Patient\n  PID-3 -> id\n"
              "map PV1[Encounter] : Encounter\n  PV1-2 -> id\n"
              "message M\n  for *\n  MSH\n  group A *\n    group P\n      PID\n"
              "          patient = PID[Patient]\n    group V\n      PV1\n"
              "          visit = PV1[Encounter]\n              subject = @patient\n",
              &err);
  if (!maps)
    fail_msg("%s: %s", err.where, err.text);
  struct mapping_result result = run_message(maps, "PID|||1\rPV1||a\rPID|||2\rPV1||b\r", &message);
  for (size_t i = 0; i < 2; i++) {
    const struct yyjson_val *subject = json_get(nth(&result, "Encounter", i)->json, STR("subject"));
    assert_true(
        str_equal(json_get_text(subject, STR("reference")), nth(&result, "Patient", i)->full_url));
  }
  maps_close(maps);
}

static void same_identity_is_one_resource(void **state) {
  (void)state;
  struct mapping_result result =
      run_orders("PID|||1^^^A~2^^^B\rOBR|1||F1|||||||||||||7~7\rOBX|1||a||x\rOBX|2||a||y\r"
                 "PID|||2^^^B\rOBR|1||F2|||||||||||||7\r");
  assert_int_equal(count_type(&result, "Patient"), 1);
  assert_int_equal(count_type(&result, "Practitioner"), 1);
  /* Two lines with one key are two observations; which is which is known by the number. */
  assert_int_equal(count_type(&result, "Observation"), 2);
  assert_string_not_equal(arena_str(test_arena, nth(&result, "Observation", 0)->full_url).p,
                          arena_str(test_arena, nth(&result, "Observation", 1)->full_url).p);
  assert_int_equal(nth(&result, "Patient", 0)->identifiers_n, 2);
}

/* Two beds in one room, each making the room, the room making the ward: one room, one ward, nothing
 * to note. */
static void what_is_made_twice_agrees_with_itself(void **state) {
  (void)state;
  struct err err;
  struct er7_message message;
  struct maps *maps =
      compile("map Bed : Location\n  key .1, .2, .3\n  .3 -> name\n  . -> partOf : Room\n"
              "map Room : Location\n  key .1, .2\n  .2 -> name\n  . -> partOf : Ward\n"
              "map Ward : Location\n  key .1\n  .1 -> name\n"
              "map PV1[Visit] : Encounter\n  PV1-3 -> location.location : Bed\n"
              "message TEST\n  for *\n  PV1\n      visit = PV1[Visit]\n",
              &err);
  assert_non_null(maps);
  assert_int_equal(arena_on_free(test_arena, (void (*)(void *))maps_close, maps), 0);
  struct mapping_result result = run_message(maps, "PV1|||W^R^B1~W^R^B2\r", &message);
  assert_int_equal(count_type(&result, "Location"), 4);
  assert_false(has_note(&result, "PV1-3"));
}

/* Two people with the same wrongly typed number stay two. */
static void excepted_identifiers_identify_nobody(void **state) {
  (void)state;
  struct err err;
  struct er7_message message;
  struct maps *maps =
      compile("map PID[Patient] : Patient\n"
              "  identify by identifier except \"DL\", \"SS\"\n"
              "  PID-3 -> identifier\n"
              "      .1 -> value\n      .4 -> system\n      .5 -> type.coding.code\n"
              "message TEST\n  for *\n  PID *\n      patient = PID[Patient]\n",
              &err);
  assert_non_null(maps);
  assert_int_equal(arena_on_free(test_arena, (void (*)(void *))maps_close, maps), 0);
  struct mapping_result result = run_message(
      maps, "PID|||1^^^A^MR~999^^^S^SS\rPID|||2^^^A^MR~999^^^S^SS\rPID|||2^^^A^MR\r", &message);
  assert_int_equal(count_type(&result, "Patient"), 2);
  assert_int_equal(nth(&result, "Patient", 0)->identifiers_n, 1);
  assert_str(nth(&result, "Patient", 0)->identifiers[0].value, "1");
}

static void identity_is_the_same_in_the_next_message(void **state) {
  (void)state;
  struct mapping_result one = run_orders("PID|||1^^^A\rOBR|1||F1\rOBX|1||a||x\r");
  struct mapping_result two = run_orders("PID|||1^^^A\rOBR|1||F1\rOBX|1||a||changed\r");
  assert_int_equal(one.resources_n, two.resources_n);
  for (size_t i = 0; i < one.resources_n; i++)
    assert_true(str_equal(one.resources[i].full_url, two.resources[i].full_url));
}

static void segments_out_of_order_are_taken_and_noted(void **state) {
  (void)state;
  struct mapping_result result = run_orders("OBR|1||F1\rOBX|1||a||x\r");
  assert_int_equal(count_type(&result, "Observation"), 1);
  result = run_orders("PID|||1^^^A\rSPM|1|S1\rOBR|1||F1\rMSH|^~\\&|X\r");
  assert_int_equal(count_type(&result, "Specimen"), 1);
  assert_int_equal(count_type(&result, "DiagnosticReport"), 1);
}

/* The NTE after PID has no place but in an observation further on; the OBR after it comes before
 * that. */
static void a_stray_segment_does_not_tear_the_rest_apart(void **state) {
  (void)state;
  struct mapping_result result =
      run_orders("PID|||1^^^A\rNTE|1||n\rORC|RE\rOBR|1||F1\rOBX|1||a||x\r");
  assert_int_equal(count_type(&result, "Patient"), 1);
  const struct yyjson_val *report = nth(&result, "DiagnosticReport", 0)->json;
  assert_non_null(json_get(report, STR("subject")));
  assert_int_equal(json_count(json_get(report, STR("result"))), 1);
  assert_true(has_note(&result, "NTE"));
}

/* OBX has a place below PID, too, but OBR does not, and the OBX goes on from OBR: no stray. */
static void a_group_may_begin_without_its_first_segment(void **state) {
  (void)state;
  struct err err;
  struct er7_message message;
  struct maps *maps =
      compile("map PID[Patient] : Patient\n  PID-7 -> birthDate\n"
              "map OBR[Report] : DiagnosticReport\n  OBR-7 -> effectiveDateTime\n"
              "map OBX[Result] : Observation\n  OBX-5 -> valueString\n"
              "message TEST\n  for *\n"
              "  group PATIENT\n    PID\n        patient = PID[Patient]\n"
              "    group PATIENT_OBSERVATION *\n      OBX\n"
              "  group ORDER *\n    ORC\n"
              "    OBR\n        report = OBR[Report]\n"
              "    OBX *\n        one = OBX[Result]\n        @report.result = @one\n",
              &err);
  assert_non_null(maps);
  assert_int_equal(arena_on_free(test_arena, (void (*)(void *))maps_close, maps), 0);
  struct mapping_result result =
      run_message(maps, "PID|||||||20010203\rOBR|1||||||20260102\rOBX|1|ST|a||x\r", &message);
  const struct yyjson_val *report = nth(&result, "DiagnosticReport", 0)->json;
  assert_int_equal(json_count(json_get(report, STR("result"))), 1);
}

static void messages_are_chosen_and_refused(void **state) {
  (void)state;
  struct err err;
  struct er7_message message;
  struct mapping_result result;
  struct mapping_options options = {0};
  struct maps *maps =
      compile("map PID[Patient] : Patient\n  PID-7 -> birthDate\n"
              "message ADT_A01\n  for ADT^A01, ORU^*\n  needs PID\n  PID\n      p = PID[Patient]\n",
              &err);
  assert_non_null(maps);
  const struct {
    const char *text;
    int code;
  } cases[] = {
      {"MSH|^~\\&|||||||ADT^A01\rPID|1\r", 0},
      {"MSH|^~\\&|||||||ADT^A01\r", ERR_REQUIRED},
      {"MSH|^~\\&|||||||ADT^A99\rPID|1\r", ERR_UNSUPPORTED_EVENT},
      {"MSH|^~\\&|||||||ADT^A04^ADT_A01\rPID|1\r", 0},
      {"MSH|^~\\&|||||||ORU^R77\rPID|1\r", 0},
      {"MSH|^~\\&|||||||XXX^A01\rPID|1\r", ERR_UNSUPPORTED_MESSAGE},
      {"MSH|^~\\&|||||||\rPID|1\r", ERR_REQUIRED},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    assert_int_equal(er7_parse(test_arena, str_of(cases[i].text), NULL, &message, &err), 0);
    assert_int_equal(mapping_run(test_arena, maps, &message, &options, &result, &err),
                     cases[i].code);
  }
  maps_close(maps);
}

static void merges_link_the_two(void **state) {
  (void)state;
  struct err err;
  struct er7_message message;
  struct maps *maps =
      compile("map PID[Patient] : Patient\n  identify by identifier\n"
              "  PID-3 -> identifier\n      .1 -> value\n      .4 -> system\n"
              "map MRG[Patient] : Patient\n  identify by identifier\n"
              "  MRG-1 -> identifier\n      .1 -> value\n      .4 -> system\n"
              "message M\n  for *\n  MSH\n  group P *\n    PID\n        patient = PID[Patient]\n"
              "    MRG\n        prior = MRG[Patient]\n        merge @patient from @prior\n",
              &err);
  if (!maps)
    fail_msg("%s: %s", err.where, err.text);
  struct mapping_result result =
      run_message(maps, "PID|||1^^^A\rMRG|2^^^A\rPID|||3^^^A\rMRG|3^^^A\r", &message);
  assert_int_equal(result.links_n, 1); /* nobody is merged with himself */
  assert_str(result.resources[result.links[0].into].identifiers[0].value, "1");
  assert_str(result.resources[result.links[0].from].identifiers[0].value, "2");
  maps_close(maps);
}

/* ---- limits ---- */

static void maps_that_call_themselves_stop(void **state) {
  (void)state;
  struct mapping_result result = map_patient(
      "  PID-5 -> name : N\nmap N : HumanName\n  .1 -> family\n  . -> this : N\n", "PID|||||Doe\r");
  assert_true(result.notes_n > 0);
  result = map_patient("  PID-5 -> name : N\n  PID-3 -> id\nmap N : HumanName\n  choose N\n",
                       "PID|||1||Doe\r");
  assert_int_equal(result.resources_n, 1);
}

static void huge_fields_are_cut_with_a_note(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  buf_add_z(&buf, "PID|||");
  for (int i = 0; i < 60000; i++)
    buf_printf(&buf, "%d~", i);
  buf_add_char(&buf, '\r');
  struct mapping_result result =
      map_patient("  PID-3 -> identifier\n      .1 -> value\n", buf_z(&buf));
  assert_int_equal(json_count(json_get(result.resources[0].json, STR("identifier"))), 10000);
  assert_true(result.notes_n > 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(types_come_from_the_definitions),
      TEST(the_first_value_of_a_single_element_wins),
      TEST(lists_append_and_middles_are_shared),
      TEST(repetitions_open_the_innermost_list),
      TEST(constants_alone_make_no_element),
      TEST(extensions_stand_on_primitives_too),
      TEST(texts_are_computed),
      TEST(a_field_in_join_stands_for_its_repetitions),
      TEST(maps_pour_into_elements_and_values),
      TEST(choose_and_include_and_when),
      TEST(conditions_hold),
      TEST(tables_translate),
      TEST(what_is_not_mapped_is_noted),
      TEST(two_quotes_remove_an_element),
      TEST(every_element_tells_where_it_came_from),
      TEST(a_shared_key_is_the_same_whoever_sends),
      TEST(a_further_resource_of_one_key_has_its_further_key),
      TEST(what_gives_way_is_told_if_its_condition_holds),
      TEST(groups_keep_observations_with_their_order),
      TEST(one_order_does_not_see_another),
      TEST(names_of_a_group_beside_are_seen),
      TEST(same_identity_is_one_resource),
      TEST(what_is_made_twice_agrees_with_itself),
      TEST(excepted_identifiers_identify_nobody),
      TEST(identity_is_the_same_in_the_next_message),
      TEST(segments_out_of_order_are_taken_and_noted),
      TEST(a_stray_segment_does_not_tear_the_rest_apart),
      TEST(a_group_may_begin_without_its_first_segment),
      TEST(messages_are_chosen_and_refused),
      TEST(merges_link_the_two),
      TEST(maps_that_call_themselves_stop),
      TEST(huge_fields_are_cut_with_a_note),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
