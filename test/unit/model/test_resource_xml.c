#include "model/resource_xml.h"

#include "../test.h"

#define FHIR "xmlns='http://hl7.org/fhir'"

static struct str to_json(struct str xml) {
  const struct yyjson_val *resource;
  struct err err;
  struct buf buf;
  if (resource_from_xml(test_arena, xml, NULL, &resource, &err))
    fail_msg("%s: %s", err.where, err.text);
  buf_init_arena(&buf, test_arena, 1 << 20);
  json_write(&buf, resource);
  return buf_str(&buf);
}

static struct str to_xml(struct str json, bool is_pretty) {
  const struct yyjson_val *resource;
  struct err err;
  struct buf buf;
  assert_int_equal(json_parse(test_arena, json, NULL, &resource, &err), 0);
  buf_init_arena(&buf, test_arena, 1 << 20);
  if (resource_to_xml(test_arena, resource, is_pretty, &buf, &err))
    fail_msg("%s: %s", err.where, err.text);
  return buf_str(&buf);
}

/* Both directions; `xml` without declaration. */
static void assert_same(const char *json, const char *xml) {
  struct str declaration = STR("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
  struct str written = to_xml(str_of(json), false);
  assert_true(str_starts_with(written, declaration));
  assert_str(str_slice(written, declaration.n, written.n), xml);
  assert_str(to_json(str_of(xml)), json);
}

static void assert_fault(const char *xml, const char *where, const char *part) {
  const struct yyjson_val *resource;
  struct err err;
  assert_true(resource_from_xml(test_arena, str_of(xml), NULL, &resource, &err) < 0);
  assert_string_equal(err.where, where);
  if (!strstr(err.text, part))
    fail_msg("'%s' is not in: %s", part, err.text);
}

static void elements_stand_in_the_order_of_the_definitions(void **state) {
  (void)state;
  struct str xml = to_xml(STR("{\"birthDate\":\"1974\",\"name\":[{\"given\":[\"A\",\"B\"],"
                              "\"family\":\"F\"}],\"active\":true,\"id\":\"p1\","
                              "\"resourceType\":\"Patient\",\"meta\":{\"versionId\":\"1\"}}"),
                          false);
  assert_str(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Patient "
                  "xmlns=\"http://hl7.org/fhir\"><id value=\"p1\"/><meta><versionId "
                  "value=\"1\"/></meta><active value=\"true\"/><name><family value=\"F\"/><given "
                  "value=\"A\"/><given value=\"B\"/></name><birthDate value=\"1974\"/></Patient>");
}

static void values_keep_their_text(void **state) {
  (void)state;
  assert_same("{\"resourceType\":\"Observation\",\"valueQuantity\":{\"value\":1.50,\"unit\":\"a "
              "\\\"b\\\"\\n\\t<&>\"}}",
              "<Observation xmlns=\"http://hl7.org/fhir\"><valueQuantity><value "
              "value=\"1.50\"/><unit value=\"a "
              "&quot;b&quot;&#10;&#9;&lt;&amp;&gt;\"/></valueQuantity></Observation>");
  assert_same("{\"resourceType\":\"Binary\",\"contentType\":\"text/plain\",\"data\":\"YWJj\\n "
              "ZGVm\"}",
              "<Binary xmlns=\"http://hl7.org/fhir\"><contentType value=\"text/plain\"/><data "
              "value=\"YWJj&#10; ZGVm\"/></Binary>");
}

static void primitives_have_ids_and_extensions(void **state) {
  (void)state;
  assert_same(
      "{\"resourceType\":\"Patient\",\"_active\":{\"id\":\"a\",\"extension\":[{\"id\":\"x\","
      "\"url\":\"u\",\"valueCode\":\"c\"}]},\"name\":[{\"given\":[\"A\",null,\"C\"],\"_given\":["
      "null,{\"extension\":[{\"url\":\"v\",\"valueInteger\":-1}]},{\"id\":\"g\"}]}],"
      "\"birthDate\":\"1974\",\"_birthDate\":{\"id\":\"b\"}}",
      "<Patient xmlns=\"http://hl7.org/fhir\"><active id=\"a\"><extension id=\"x\" "
      "url=\"u\"><valueCode value=\"c\"/></extension></active><name><given "
      "value=\"A\"/><given><extension url=\"v\"><valueInteger "
      "value=\"-1\"/></extension></given><given id=\"g\" value=\"C\"/></name><birthDate id=\"b\" "
      "value=\"1974\"/></Patient>");
}

static void resources_stand_in_resources(void **state) {
  (void)state;
  assert_same(
      "{\"resourceType\":\"Bundle\",\"type\":\"collection\",\"entry\":[{\"fullUrl\":\"urn:a\","
      "\"resource\":{\"resourceType\":\"Patient\",\"contained\":[{\"resourceType\":\"Patient\","
      "\"id\":\"c\"}],\"extension\":[{\"url\":\"u\",\"valueBoolean\":false}]}}]}",
      "<Bundle xmlns=\"http://hl7.org/fhir\"><type value=\"collection\"/><entry><fullUrl "
      "value=\"urn:a\"/><resource><Patient><contained><Patient><id "
      "value=\"c\"/></Patient></contained><extension url=\"u\"><valueBoolean "
      "value=\"false\"/></extension></Patient></resource></entry></Bundle>");
}

static void a_narrative_keeps_its_bytes(void **state) {
  (void)state;
  assert_same("{\"resourceType\":\"Patient\",\"text\":{\"status\":\"generated\",\"div\":\"<div "
              "xmlns='http://www.w3.org/1999/xhtml'>\\n<p  a = \\\"b\\\">&#160;é</p > <!-- c "
              "--></div >\"},\"active\":true}",
              "<Patient xmlns=\"http://hl7.org/fhir\"><text><status value=\"generated\"/><div "
              "xmlns='http://www.w3.org/1999/xhtml'>\n<p  a = \"b\">&#160;é</p > <!-- c --></div "
              "></text><active value=\"true\"/></Patient>");
}

static void a_narrative_with_prefixes_is_written_anew(void **state) {
  (void)state;
  assert_str(to_json(STR("<f:Patient xmlns:f='http://hl7.org/fhir' "
                         "xmlns:h='http://www.w3.org/1999/xhtml'><f:text><f:status "
                         "value='empty'/><h:div><h:p>a<![CDATA[<]]></h:p> "
                         "</h:div></f:text></f:Patient>")),
             "{\"resourceType\":\"Patient\",\"text\":{\"status\":\"empty\",\"div\":\"<div "
             "xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p>a&lt;</p> </div>\"}}");
}

static void what_is_not_fhir_is_refused_with_its_place(void **state) {
  (void)state;
  assert_fault("<Patient " FHIR ">\n <name><foo value='1'/></name></Patient>",
               "Patient.name[0].foo", "line 2 column 8");
  assert_fault("<Patient " FHIR "><gender value='male'/><active value='true'/></Patient>",
               "Patient.active", "wrong place");
  assert_fault("<Patient " FHIR "><active value='true'/><active value='true'/></Patient>",
               "Patient.active", "only one");
  assert_fault("<Patient " FHIR "><active value='1'/></Patient>", "Patient.active", "must be");
  assert_fault("<Patient " FHIR "><name/></Patient>", "Patient.name[0]", "empty");
  assert_fault("<Patient " FHIR "><active/></Patient>", "Patient.active", "empty");
  assert_fault("<Patient " FHIR "><birthDate value=''/></Patient>", "Patient.birthDate", "empty");
  assert_fault("<Patient " FHIR "><birthDate value='1974' foo='1'/></Patient>", "Patient.birthDate",
               "'foo'");
  assert_fault("<Patient " FHIR ">text</Patient>", "Patient", "text");
  assert_fault("<Patient " FHIR "><name xmlns='urn:x'/></Patient>", "Patient.name", "namespace");
  assert_fault("<Patient/>", "Patient", "namespace");
  assert_fault("<Foo " FHIR "/>", "Resource", "R4");
  assert_fault("<Patient " FHIR "><contained/></Patient>", "Patient.contained[0]", "exactly one");
  assert_fault("<Observation " FHIR "><valueString value='a'/><valueInteger value='1'/>"
               "</Observation>",
               "Observation.value", "two of its types");
  assert_fault("<Patient " FHIR "><text><status value='empty'/><div>a</div></text></Patient>",
               "Patient.text.div", "xhtml");
}

static void a_schema_location_comments_and_instructions_are_passed_over(void **state) {
  (void)state;
  assert_str(to_json(STR("<?xml-stylesheet href='a'?><!-- a --><Patient " FHIR
                         " xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' "
                         "xsi:schemaLocation='a b'><!-- b --><?c d?>\n<active value='true'/>"
                         "<!-- e --></Patient><!-- f -->")),
             "{\"resourceType\":\"Patient\",\"active\":true}");
}

static void what_xml_cannot_hold_is_an_error_with_its_place(void **state) {
  (void)state;
  static const struct {
    const char *json, *where;
  } cases[] = {
      {"{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"a\\u0001\"}]}",
       "Patient.name[0].family"},
      {"{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"\\uffff\"}]}",
       "Patient.name[0].family"},
      {"{\"resourceType\":\"Patient\",\"foo\":1}", "Patient.foo"},
      {"{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<div>&nbsp;</div>\"}}",
       "Patient.text.div"},
      {"{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<div/><x/>\"}}", "Patient.text.div"},
      {"{\"resourceType\":\"Patient\",\"name\":[{}]}", "Patient.name[0]"},
      {"{\"resourceType\":\"Patient\",\"text\":{\"_div\":{\"id\":\"a\"},\"div\":\"<div>a</div>\"}}",
       "Patient.text.div"},
      {"{\"resourceType\":\"Foo\"}", "Resource"},
      {"[]", "Resource"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const struct yyjson_val *resource;
    struct err err;
    struct buf buf;
    assert_int_equal(json_parse(test_arena, str_of(cases[i].json), NULL, &resource, &err), 0);
    buf_init_arena(&buf, test_arena, 1 << 20);
    assert_true(resource_to_xml(test_arena, resource, false, &buf, &err) < 0);
    assert_string_equal(err.where, cases[i].where);
  }
}

static void a_tree_has_narratives_as_nodes(void **state) {
  (void)state;
  const struct yyjson_val *resource;
  struct xml_node *root;
  struct err err;
  struct str json = STR("{\"resourceType\":\"Patient\",\"text\":{\"status\":\"empty\",\"div\":"
                        "\"<div xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p>a</p></div>\"}}");
  struct buf buf;
  assert_int_equal(json_parse(test_arena, json, NULL, &resource, &err), 0);
  assert_int_equal(resource_to_xml_tree(test_arena, resource, &root, &err), 0);
  struct xml_node *div = root->first_child->last_child;
  assert_str(div->first_child->ns, XML_NS_XHTML);
  assert_str(div->first_child->name, "p");
  assert_int_equal(resource_from_xml_tree(test_arena, root, &resource, &err), 0);
  buf_init_arena(&buf, test_arena, 1 << 20);
  json_write(&buf, resource);
  assert_true(str_equal(buf_str(&buf), json));
}

static void pretty_xml_reads_back(void **state) {
  (void)state;
  struct str json = STR("{\"resourceType\":\"Patient\",\"name\":[{\"family\":\"F\"}]}");
  struct str xml = to_xml(json, true);
  assert_str(xml, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Patient "
                  "xmlns=\"http://hl7.org/fhir\">\n  <name>\n    <family value=\"F\"/>\n  "
                  "</name>\n</Patient>\n");
  assert_true(str_equal(to_json(xml), json));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(elements_stand_in_the_order_of_the_definitions),
      TEST(values_keep_their_text),
      TEST(primitives_have_ids_and_extensions),
      TEST(resources_stand_in_resources),
      TEST(a_narrative_keeps_its_bytes),
      TEST(a_narrative_with_prefixes_is_written_anew),
      TEST(what_is_not_fhir_is_refused_with_its_place),
      TEST(a_schema_location_comments_and_instructions_are_passed_over),
      TEST(what_xml_cannot_hold_is_an_error_with_its_place),
      TEST(a_tree_has_narratives_as_nodes),
      TEST(pretty_xml_reads_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
