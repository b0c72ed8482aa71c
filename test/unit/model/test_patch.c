#include "../test.h"

#include "model/patch.h"
#include "model/validate.h"

static const struct yyjson_val *parse(const char *json) {
  const struct yyjson_val *root = NULL;
  struct err err;
  int code = json_parse(test_arena, test_json(test_arena, json), NULL, &root, &err);
  if (code)
    print_error("%s: %s in %s\n", err.where, err.text, json);
  assert_int_equal(code, 0);
  return root;
}

static const char *written(const struct yyjson_val *json) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 24);
  json_write(&buf, json);
  for (size_t i = 0; i < buf.n; i++)
    if (buf.p[i] == '"')
      buf.p[i] = '\'';
  return buf_z(&buf);
}

static void assert_patched(enum patch_kind kind, const char *resource, const char *document,
                           const char *expected) {
  const struct yyjson_val *result = NULL;
  struct patch patch = {.kind = kind, .document = parse(document)};
  struct err err;
  int code = patch_apply(test_arena, &patch, parse(resource), &result, &err);
  if (code)
    print_error("%s: %s\n", err.where, err.text);
  assert_int_equal(code, 0);
  assert_string_equal(written(result), expected);
}

static void assert_refused(enum patch_kind kind, const char *resource, const char *document,
                           enum err_code code, const char *where) {
  const struct yyjson_val *result = NULL;
  struct patch patch = {.kind = kind, .document = parse(document)};
  struct err err;
  int found = patch_apply(test_arena, &patch, parse(resource), &result, &err);
  if (found != (int)code)
    print_error("%s\n", found ? err.text : written(result));
  assert_int_equal(found, code);
  assert_int_equal(err.code, code);
  assert_string_equal(err.where, where);
}

/* ---- JSON Patch ------------------------------------------------------------------------------ */

#define JSON(resource, document, expected) assert_patched(PATCH_JSON, resource, document, expected)
#define NOT_JSON(resource, document, code, where)                                                  \
  assert_refused(PATCH_JSON, resource, document, code, where)

static void json_patch_edits_members_and_items(void **state) {
  (void)state;
  JSON("{'a':1}", "[{'op':'add','path':'/b','value':{'c':[]}}]", "{'a':1,'b':{'c':[]}}");
  JSON("{'a':1}", "[{'op':'add','path':'/a','value':null}]", "{'a':null}");
  JSON("[1,2]", "[{'op':'add','path':'/0','value':0},{'op':'add','path':'/-','value':3}]",
       "[0,1,2,3]");
  JSON("[1,2]", "[{'op':'add','path':'/2','value':3}]", "[1,2,3]");
  JSON("{'a':1,'b':2}", "[{'op':'remove','path':'/a'}]", "{'b':2}");
  JSON("{'a':1,'b':2}", "[{'op':'replace','path':'/a','value':[1.50]}]", "{'a':[1.50],'b':2}");
  JSON("{'a':1}", "[{'op':'replace','path':'','value':{'b':2}}]", "{'b':2}");
  JSON("{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/a/c'}]", "{'a':{'b':1,'c':{'b':1}}}");
  JSON("{'a':{'b':1}}", "[{'op':'move','from':'/a/b','path':'/a'}]", "{'a':1}");
  JSON("{'a':1}", "[{'op':'move','from':'/a','path':'/a'}]", "{'a':1}");
  JSON("[1,2,3]", "[{'op':'move','from':'/0','path':'/-'}]", "[2,3,1]");
  JSON("{'a':1}", "[]", "{'a':1}");
}

static void json_pointer_escapes_are_read_in_order(void **state) {
  (void)state;
  JSON("{'a/b':1,'m~n':2,'':3,'~1':4,' ':5}",
       "[{'op':'replace','path':'/a~1b','value':0},{'op':'replace','path':'/m~0n','value':0},"
       "{'op':'replace','path':'/','value':0},{'op':'replace','path':'/~01','value':0},"
       "{'op':'test','path':'/ ','value':5}]",
       "{'a/b':0,'m~n':0,'':0,'~1':0,' ':5}");
  NOT_JSON("{}", "[{'op':'add','path':'/~2','value':0}]", ERR_VALUE, "operation[0].path");
  NOT_JSON("{}", "[{'op':'add','path':'/~','value':0}]", ERR_VALUE, "operation[0].path");
  NOT_JSON("{}", "[{'op':'add','path':'a','value':0}]", ERR_VALUE, "operation[0].path");
}

static void json_patch_refuses_what_does_not_fit(void **state) {
  (void)state;
  NOT_JSON("[1]", "[{'op':'add','path':'/2','value':0}]", ERR_UNPROCESSABLE, "operation[0].path");
  NOT_JSON("[1]", "[{'op':'add','path':'/01','value':0}]", ERR_UNPROCESSABLE, "operation[0].path");
  NOT_JSON("[1]", "[{'op':'add','path':'/+0','value':0}]", ERR_UNPROCESSABLE, "operation[0].path");
  NOT_JSON("[1]", "[{'op':'remove','path':'/-'}]", ERR_UNPROCESSABLE, "operation[0].path");
  NOT_JSON("[1]", "[{'op':'replace','path':'/-','value':1}]", ERR_UNPROCESSABLE,
           "operation[0].path");
  NOT_JSON("{'a':1}", "[{'op':'add','path':'/a/b','value':0}]", ERR_UNPROCESSABLE,
           "operation[0].path");
  NOT_JSON("{'a':1}", "[{'op':'remove','path':''}]", ERR_UNPROCESSABLE, "operation[0].path");
  NOT_JSON("{'a':{}}", "[{'op':'move','from':'/a','path':'/a/b'}]", ERR_UNPROCESSABLE,
           "operation[0].path");
  NOT_JSON("{'a':{}}", "[{'op':'move','from':'','path':'/a/b'}]", ERR_UNPROCESSABLE,
           "operation[0].path");
  NOT_JSON("{'a':1}", "[{'op':'test','path':'/a','value':1},{'op':'copy','from':'/b','path':'/c'}]",
           ERR_UNPROCESSABLE, "operation[1].from");
}

static void json_patch_refuses_what_is_no_patch(void **state) {
  (void)state;
  NOT_JSON("{}", "{}", ERR_STRUCTURE, "");
  NOT_JSON("{}", "[1]", ERR_STRUCTURE, "operation[0]");
  NOT_JSON("{}", "[{}]", ERR_REQUIRED, "operation[0].op");
  NOT_JSON("{}", "[{'op':'Add','path':'','value':1}]", ERR_VALUE, "operation[0].op");
  NOT_JSON("{}", "[{'op':'add','value':1}]", ERR_REQUIRED, "operation[0].path");
  NOT_JSON("{}", "[{'op':'add','path':1,'value':1}]", ERR_STRUCTURE, "operation[0].path");
  NOT_JSON("{}", "[{'op':'add','path':'/a'}]", ERR_REQUIRED, "operation[0].value");
  NOT_JSON("{}", "[{'op':'move','path':'/a'}]", ERR_REQUIRED, "operation[0].from");
}

static void assert_test_of(const char *a, const char *b, bool is_equal) {
  struct str patch = arena_printf(test_arena, "[{'op':'test','path':'/v','value':%s}]", b);
  struct str resource = arena_printf(test_arena, "{'v':%s}", a);
  if (is_equal)
    JSON(resource.p, patch.p, resource.p);
  else
    NOT_JSON(resource.p, patch.p, ERR_UNPROCESSABLE, "operation[0].value");
}

static void json_numbers_are_compared_by_value(void **state) {
  (void)state;
  assert_test_of("1", "1.0", true);
  assert_test_of("100", "1e2", true);
  assert_test_of("0.0015", "1.5E-3", true);
  assert_test_of("-0", "0.00", true);
  assert_test_of("0e99999999999", "0", false); /* beyond reason: its own text only */
  assert_test_of("12.50", "12.5", true);
  assert_test_of("1250e-2", "12.5", true);
  assert_test_of("0.1", "0.10000000000000000001", false);
  assert_test_of("123456789012345678901234567890", "123456789012345678901234567891", false);
  assert_test_of("1", "-1", false);
  assert_test_of("1", "10", false);
  assert_test_of("1.05", "1.5", false);
  assert_test_of("1", "'1'", false);
  assert_test_of("1e999999999999", "1e999999999999", true);
  assert_test_of("{'a':1,'b':[1,2]}", "{'b':[1.0,2],'a':1}", true);
  assert_test_of("{'a':1,'b':2}", "{'a':1,'c':2}", false);
  assert_test_of("[1,2]", "[2,1]", false);
  assert_test_of("null", "false", false);
}

static void a_patch_cannot_make_much_out_of_little(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  buf_add(&buf, STR("[{'op':'add','path':'/a','value':[1,2,3,4]}"));
  for (int i = 0; i < 40; i++)
    buf_add(&buf, STR(",{'op':'copy','from':'/a','path':'/a/-'}"));
  buf_add_char(&buf, ']');
  const struct yyjson_val *result;
  struct patch patch = {.kind = PATCH_JSON, .document = parse(buf_z(&buf))};
  struct err err;
  assert_int_equal(patch_apply(test_arena, &patch, parse("{}"), &result, &err), ERR_TOO_LONG);
  /* A long text that is copied many times. */
  buf_clear(&buf);
  buf_add(&buf, STR("[{'op':'add','path':'/a','value':['"));
  for (int i = 0; i < 10000; i++)
    buf_add(&buf, STR("0123456789"));
  buf_add(&buf, STR("']}"));
  for (int i = 0; i < 1000; i++)
    buf_add(&buf, STR(",{'op':'copy','from':'/a/0','path':'/a/-'}"));
  buf_add_char(&buf, ']');
  patch.document = parse(buf_z(&buf));
  assert_int_equal(patch_apply(test_arena, &patch, parse("{}"), &result, &err), ERR_TOO_LONG);
}

static void a_patch_cannot_nest_too_deep(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  buf_add(&buf, STR("[{'op':'add','path':'/a','value':{}}"));
  for (int i = 0; i < 200; i++)
    buf_add(&buf, STR(",{'op':'copy','from':'','path':'/b'},{'op':'move','from':'/b','path':'/a/"
                      "b'}"));
  buf_add_char(&buf, ']');
  const struct yyjson_val *result;
  struct patch patch = {.kind = PATCH_JSON, .document = parse(buf_z(&buf))};
  struct err err;
  assert_int_equal(patch_apply(test_arena, &patch, parse("{}"), &result, &err), ERR_TOO_LONG);
}

/* ---- FHIRPath Patch -------------------------------------------------------------------------- */

#define PARAMETERS(operations) "{'resourceType':'Parameters','parameter':[" operations "]}"
#define OPERATION(type, path, more)                                                                \
  "{'name':'operation','part':[{'name':'type','valueCode':'" type                                  \
  "'},{'name':'path','valueString':'" path "'}" more "]}"
#define NAME(name) ",{'name':'name','valueString':'" name "'}"
#define VALUE(value) ",{'name':'value'," value "}"
#define NUMBER(name, number) ",{'name':'" name "','valueInteger':" number "}"
#define PATH(resource, operations, expected)                                                       \
  assert_patched(PATCH_FHIRPATH, resource, PARAMETERS(operations), expected)
#define NOT_PATH(resource, operations, code, where)                                                \
  assert_refused(PATCH_FHIRPATH, resource, PARAMETERS(operations), code, where)
#define PATIENT(members) "{'resourceType':'Patient'" members "}"
#define OBSERVATION(members) "{'resourceType':'Observation'" members "}"

static void primitives_and_their_siblings_change_together(void **state) {
  (void)state;
  /* delete takes both */
  PATH(PATIENT(",'birthDate':'1970','_birthDate':{'id':'x'}"),
       OPERATION("delete", "Patient.birthDate", ""), PATIENT(""));
  /* an element may be there by its extension only */
  PATH(PATIENT(",'_birthDate':{'id':'x'}"), OPERATION("delete", "Patient.birthDate", ""),
       PATIENT(""));
  /* arrays keep in step */
  PATH(PATIENT(",'name':[{'given':['a','b','c'],'_given':[null,{'id':'x'},null]}]"),
       OPERATION("delete", "Patient.name.given[0]", ""),
       PATIENT(",'name':[{'given':['b','c'],'_given':[{'id':'x'},null]}]"));
  PATH(PATIENT(",'name':[{'given':['a','b'],'_given':[null,{'id':'x'}]}]"),
       OPERATION("delete", "Patient.name.given[1]", ""), PATIENT(",'name':[{'given':['a']}]"));
  PATH(PATIENT(",'name':[{'given':['a','b'],'_given':[null,{'id':'x'}]}]"),
       OPERATION("insert", "Patient.name.given", NUMBER("index", "1") VALUE("'valueString':'n'")),
       PATIENT(",'name':[{'given':['a','n','b'],'_given':[null,null,{'id':'x'}]}]"));
  PATH(PATIENT(",'name':[{'given':['a','b']}]"),
       OPERATION("add", "Patient.name",
                 NAME("given") VALUE("'valueString':'n','_valueString':{'id':'y'}")),
       PATIENT(",'name':[{'given':['a','b','n'],'_given':[null,null,{'id':'y'}]}]"));
  PATH(PATIENT(",'name':[{'given':['a','b'],'_given':[null,{'id':'x'}]}]"),
       OPERATION("move", "Patient.name.given", NUMBER("source", "1") NUMBER("destination", "0")),
       PATIENT(",'name':[{'given':['b','a'],'_given':[{'id':'x'},null]}]"));
  PATH(PATIENT(",'name':[{'given':['a','b'],'_given':[null,{'id':'x'}]}]"),
       OPERATION("replace", "Patient.name.given[1]", VALUE("'valueString':'n'")),
       PATIENT(",'name':[{'given':['a','n']}]"));
}

static void children_of_primitives_can_be_patched(void **state) {
  (void)state;
  PATH(PATIENT(",'birthDate':'1970'"),
       OPERATION("add", "Patient.birthDate",
                 NAME("extension") VALUE("'part':[{'name':'url','valueUri':'http://e'},{'name':"
                                         "'value','valueString':'v'}]")),
       PATIENT(",'birthDate':'1970','_birthDate':{'extension':[{'url':'http://e','valueString':"
               "'v'}]}"));
  PATH(PATIENT(",'birthDate':'1970','_birthDate':{'id':'x'}"),
       OPERATION("delete", "Patient.birthDate.id", ""), PATIENT(",'birthDate':'1970'"));
  PATH(PATIENT(",'_birthDate':{'id':'x'}"), OPERATION("delete", "Patient.birthDate.id", ""),
       PATIENT(""));
  PATH(PATIENT(",'name':[{'given':['a','b'],'_given':[{'id':'x'},{'id':'y'}]}]"),
       OPERATION("delete", "Patient.name.given[0].id", ""),
       PATIENT(",'name':[{'given':['a','b'],'_given':[null,{'id':'y'}]}]"));
  PATH(PATIENT(",'name':[{'given':['a','b']}]"),
       OPERATION("add", "Patient.name.given[1]", NAME("id") VALUE("'valueString':'x'")),
       PATIENT(",'name':[{'given':['a','b'],'_given':[null,{'id':'x'}]}]"));
}

static void choices_change_their_name_with_their_type(void **state) {
  (void)state;
  PATH(OBSERVATION(",'valueQuantity':{'value':1},'status':'final'"),
       OPERATION("replace", "Observation.value", VALUE("'valueString':'x'")),
       OBSERVATION(",'valueString':'x','status':'final'"));
  PATH(OBSERVATION(""), OPERATION("add", "Observation", NAME("value") VALUE("'valueBoolean':true")),
       OBSERVATION(",'valueBoolean':true"));
  PATH(OBSERVATION(""), OPERATION("add", "Observation", NAME("value[x]") VALUE("'valueInteger':3")),
       OBSERVATION(",'valueInteger':3"));
  NOT_PATH(OBSERVATION(",'valueInteger':3"),
           OPERATION("add", "Observation", NAME("value") VALUE("'valueBoolean':true")),
           ERR_UNPROCESSABLE, "operation[0].name");
  NOT_PATH(OBSERVATION(""), OPERATION("add", "Observation", NAME("value") VALUE("'valueUri':'x'")),
           ERR_UNPROCESSABLE, "operation[0].value");
}

static void a_value_must_be_of_the_right_type(void **state) {
  (void)state;
  NOT_PATH(PATIENT(""),
           OPERATION("add", "Patient", NAME("name") VALUE("'valueAddress':{'text':'x'}")),
           ERR_UNPROCESSABLE, "operation[0].value");
  NOT_PATH(PATIENT(""), OPERATION("add", "Patient", NAME("name") VALUE("'valueString':'x'")),
           ERR_UNPROCESSABLE, "operation[0].value");
  NOT_PATH(PATIENT(""), OPERATION("add", "Patient", NAME("nome") VALUE("'valueString':'x'")),
           ERR_UNPROCESSABLE, "operation[0].name");
  NOT_PATH(PATIENT(""), OPERATION("add", "Patient", NAME("gender")), ERR_REQUIRED,
           "operation[0].value");
  NOT_PATH(
      PATIENT(""),
      OPERATION("add", "Patient", NAME("gender") VALUE("'valueCode':'male','valueString':'male'")),
      ERR_VALUE, "operation[0].value");
  /* the open types have no xhtml: a string is taken */
  PATH(PATIENT(",'text':{'status':'generated','div':'a'}"),
       OPERATION("replace", "Patient.text.div", VALUE("'valueString':'<div/>'")),
       PATIENT(",'text':{'status':'generated','div':'<div/>'}"));
}

static void elements_without_a_type_come_in_parts(void **state) {
  (void)state;
  PATH(PATIENT(""),
       OPERATION("add", "Patient",
                 NAME("contact") VALUE("'part':[{'name':'name','valueHumanName':{'text':'n'}},"
                                       "{'name':'telecom','valueContactPoint':{'value':'1'}},"
                                       "{'name':'telecom','part':[{'name':'value','valueString':"
                                       "'2'}]},{'name':'gender','valueCode':'male'}]")),
       PATIENT(",'contact':[{'name':{'text':'n'},'telecom':[{'value':'1'},{'value':'2'}],'gender':"
               "'male'}]"));
  NOT_PATH(PATIENT(""),
           OPERATION("add", "Patient",
                     NAME("contact") VALUE("'part':[{'name':'gender','valueCode':'male'},{'name':"
                                           "'gender','valueCode':'male'}]")),
           ERR_UNPROCESSABLE, "operation[0].value");
  PATH(PATIENT(""),
       OPERATION("add", "Patient",
                 NAME("contained") VALUE("'resource':{'resourceType':'Organization','id':'o'}")),
       PATIENT(",'contained':[{'resourceType':'Organization','id':'o'}]"));
  PATH(PATIENT(",'contained':[{'resourceType':'Organization','id':'o','name':'x'}]"),
       OPERATION("replace", "Patient.contained[0].name", VALUE("'valueString':'y'")),
       PATIENT(",'contained':[{'resourceType':'Organization','id':'o','name':'y'}]"));
}

static void paths_lead_to_one_element(void **state) {
  (void)state;
  NOT_PATH(PATIENT(",'name':[{'text':'a'},{'text':'b'}]"),
           OPERATION("replace", "Patient.name", VALUE("'valueHumanName':{'text':'c'}")),
           ERR_UNPROCESSABLE, "operation[0].path");
  NOT_PATH(PATIENT(",'name':[{'text':'a'},{'text':'b'}]"), OPERATION("delete", "Patient.name", ""),
           ERR_UNPROCESSABLE, "operation[0].path");
  /* nothing to delete is no fault, nothing to replace is one */
  PATH(PATIENT(""), OPERATION("delete", "Patient.name", ""), PATIENT(""));
  NOT_PATH(PATIENT(""),
           OPERATION("replace", "Patient.name", VALUE("'valueHumanName':{'text':'c'}")),
           ERR_UNPROCESSABLE, "operation[0].path");
  PATH(PATIENT(",'name':[{'use':'usual'},{'use':'old'}]"),
       OPERATION("delete", "Patient.name.where(use=`old`)", ""),
       PATIENT(",'name':[{'use':'usual'}]"));
  /* what is computed is no element */
  NOT_PATH(PATIENT(",'birthDate':'1970'"), OPERATION("delete", "Patient.birthDate.toString()", ""),
           ERR_UNPROCESSABLE, "operation[0].path");
  NOT_PATH(PATIENT(",'managingOrganization':{'reference':'Organization/1'}"),
           OPERATION("delete", "Patient.managingOrganization.resolve()", ""), ERR_UNPROCESSABLE,
           "operation[0].path");
  NOT_PATH(PATIENT(""), OPERATION("delete", "Patient", ""), ERR_UNPROCESSABLE, "operation[0].path");
  NOT_PATH(PATIENT(""), OPERATION("delete", "Patient.(", ""), ERR_VALUE, "operation[0].path");
  NOT_PATH(PATIENT(""), OPERATION("delete", "Patient.nome", ""), ERR_VALUE, "operation[0].path");
}

static void lists_are_edited_by_index(void **state) {
  (void)state;
#define THREE PATIENT(",'name':[{'text':'a'},{'text':'b'},{'text':'c'}]")
#define NEW VALUE("'valueHumanName':{'text':'n'}")
  PATH(THREE, OPERATION("insert", "Patient.name", NUMBER("index", "3") NEW),
       PATIENT(",'name':[{'text':'a'},{'text':'b'},{'text':'c'},{'text':'n'}]"));
  PATH(PATIENT(""), OPERATION("insert", "Patient.name", NUMBER("index", "0") NEW),
       PATIENT(",'name':[{'text':'n'}]"));
  NOT_PATH(THREE, OPERATION("insert", "Patient.name", NUMBER("index", "4") NEW), ERR_UNPROCESSABLE,
           "operation[0].index");
  NOT_PATH(THREE, OPERATION("insert", "Patient.name", NUMBER("index", "-1") NEW), ERR_VALUE,
           "operation[0].index");
  NOT_PATH(THREE, OPERATION("insert", "Patient.name", NEW), ERR_REQUIRED, "operation[0].index");
  NOT_PATH(THREE, OPERATION("insert", "Patient.name[1]", NUMBER("index", "0") NEW),
           ERR_UNPROCESSABLE, "operation[0].path");
  NOT_PATH(PATIENT(",'gender':'male'"),
           OPERATION("insert", "Patient.gender", NUMBER("index", "0") VALUE("'valueCode':'male'")),
           ERR_UNPROCESSABLE, "operation[0].path");
  NOT_PATH(THREE,
           OPERATION("move", "Patient.name", NUMBER("source", "0") NUMBER("destination", "3")),
           ERR_UNPROCESSABLE, "operation[0].destination");
  NOT_PATH(THREE,
           OPERATION("move", "Patient.name", NUMBER("source", "3") NUMBER("destination", "0")),
           ERR_UNPROCESSABLE, "operation[0].source");
}

static void deletion_leaves_no_empty_element(void **state) {
  (void)state;
  PATH(PATIENT(",'contact':[{'name':{'text':'x'}}],'active':true"),
       OPERATION("delete", "Patient.contact.name.text", ""), PATIENT(",'active':true"));
  PATH(PATIENT(",'contact':[{'name':{'text':'x'}},{'gender':'male'}]"),
       OPERATION("delete", "Patient.contact[0].name.text", ""),
       PATIENT(",'contact':[{'gender':'male'}]"));
}

static void fhirpath_patch_refuses_what_is_no_patch(void **state) {
  (void)state;
  assert_refused(PATCH_FHIRPATH, PATIENT(""), "[]", ERR_STRUCTURE, "");
  assert_refused(PATCH_FHIRPATH, PATIENT(""), PATIENT(""), ERR_STRUCTURE, "");
  NOT_PATH(PATIENT(""), "{'name':'x'}", ERR_VALUE, "operation[0].name");
  NOT_PATH(PATIENT(""), OPERATION("delete", "Patient.name", "") ",{'name':'operation'}",
           ERR_REQUIRED, "operation[1].type");
  NOT_PATH(PATIENT(""), OPERATION("test", "Patient.name", ""), ERR_VALUE, "operation[0].type");
  NOT_PATH("{'resourceType':'Nobody'}", OPERATION("delete", "Patient.name", ""), ERR_UNPROCESSABLE,
           "operation[0].path");
}

/* ---- XML Patch ------------------------------------------------------------------------------- */

static int patch_with_xml(const char *resource, const char *operations,
                          const struct yyjson_val **ret_result, struct err *err) {
  struct str text = arena_printf(test_arena,
                                 "<diff xmlns='http://hl7.org/fhir' "
                                 "xmlns:p='http://hl7.org/fhir'>%s</diff>",
                                 operations);
  struct patch patch = {.kind = PATCH_XML, .xml = text};
  return patch_apply(test_arena, &patch, parse(resource), ret_result, err);
}

static void assert_xml(const char *resource, const char *operations, const char *expected) {
  const struct yyjson_val *result = NULL;
  struct err err;
  int code = patch_with_xml(resource, operations, &result, &err);
  if (code)
    print_error("%s: %s\n", err.where, err.text);
  assert_int_equal(code, 0);
  assert_string_equal(written(result), expected);
}

static void assert_xml_refused(const char *resource, const char *operations, enum err_code code,
                               const char *where) {
  const struct yyjson_val *result = NULL;
  struct err err;
  int found = patch_with_xml(resource, operations, &result, &err);
  if (found != (int)code)
    print_error("%s\n", found ? err.text : written(result));
  assert_int_equal(found, code);
  assert_string_equal(err.where, where);
}

#define NAMED PATIENT(",'name':[{'use':'official','text':'a'},{'use':'usual','text':'b'}]")

static void xml_patch_edits_the_xml_form(void **state) {
  (void)state;
  assert_xml(PATIENT(",'gender':'male'"), "<replace sel='Patient/gender/@value'>female</replace>",
             PATIENT(",'gender':'female'"));
  assert_xml(PATIENT(",'gender':'male'"), "<remove sel='/f:Patient/p:gender'/>", PATIENT(""));
  assert_xml(PATIENT(",'gender':'male'"),
             "<add sel='Patient/gender' pos='before'><active value='true'/></add>"
             "<add sel='Patient'><birthDate value='1970'/></add>",
             PATIENT(",'active':true,'gender':'male','birthDate':'1970'"));
  assert_xml(PATIENT(",'gender':'male'"), "<add sel='Patient/gender' type='@id'>x</add>",
             PATIENT(",'gender':'male','_gender':{'id':'x'}"));
  assert_xml(NAMED, "<remove sel='Patient/name[2]'/>",
             PATIENT(",'name':[{'use':'official','text':'a'}]"));
  assert_xml(NAMED, "<remove sel=\"Patient/*[use/@value='usual'][1]\"/>",
             PATIENT(",'name':[{'use':'official','text':'a'}]"));
  assert_xml(NAMED, "<replace sel='Patient/name[1]'><name><text value='c'/></name></replace>",
             PATIENT(",'name':[{'text':'c'},{'use':'usual','text':'b'}]"));
  assert_xml(PATIENT(",'id':'x','gender':'male'"), "<remove sel='Patient/id'/>",
             PATIENT(",'gender':'male'"));
  assert_xml(PATIENT(",'text':{'status':'generated','div':'<div "
                     "xmlns=\\\"http://www.w3.org/1999/xhtml\\\"><p>a<b>x</b>c</p></div>'}"),
             "<remove sel='Patient/text/h:div/h:p/h:b'/>"
             "<replace sel='Patient/text/h:div/h:p/text()[1]'>new</replace>",
             PATIENT(",'text':{'status':'generated','div':'<div "
                     "xmlns=\\'http://www.w3.org/1999/xhtml\\'><p>new</p></div>'}"));
}

static void xml_patch_refuses_what_does_not_fit(void **state) {
  (void)state;
  assert_xml_refused(NAMED, "<remove sel='Patient/name'/>", ERR_UNPROCESSABLE, "operation[0].sel");
  assert_xml_refused(NAMED, "<remove sel='Patient/name[3]'/>", ERR_UNPROCESSABLE,
                     "operation[0].sel");
  assert_xml_refused(NAMED, "<remove sel='Patient'/>", ERR_UNPROCESSABLE, "");
  assert_xml_refused(NAMED, "<add sel='Patient'><nome/></add>", ERR_UNPROCESSABLE, "Patient.nome");
  assert_xml_refused(NAMED, "<add sel='Patient'>text</add>", ERR_UNPROCESSABLE, "Patient");
  assert_xml_refused(NAMED, "<add sel='Patient' pos='before'><active/></add>", ERR_UNPROCESSABLE,
                     "");
  assert_xml_refused(NAMED, "<add sel='Patient/name[1]/use' type='@value'>old</add>",
                     ERR_UNPROCESSABLE, "operation[0].type");
  assert_xml_refused(NAMED, "<replace sel='Patient/name[1]'/>", ERR_REQUIRED, "operation[0]");
  assert_xml_refused(NAMED, "<replace sel='Patient/name[1]'><a/><b/></replace>", ERR_VALUE,
                     "operation[0]");
}

static void xml_patch_refuses_what_is_no_patch(void **state) {
  (void)state;
  static const char *const selectors[] = {"",
                                          "Patient//name",
                                          "Patient/name[0]",
                                          "q:name",
                                          "Patient/",
                                          "name[",
                                          "name[@a]",
                                          "name[@a=1]",
                                          "@a/b",
                                          "text()/b",
                                          "id(a)",
                                          "id('a')b",
                                          "name[1",
                                          "a[b/c/d/e/f/g/h/i/j='x']"};
  assert_xml_refused(NAMED, "", ERR_REQUIRED, "");
  assert_xml_refused(NAMED, "text", ERR_STRUCTURE, "operation[0]");
  assert_xml_refused(NAMED, "<move sel='Patient'/>", ERR_VALUE, "operation[0]");
  assert_xml_refused(NAMED, "<remove/>", ERR_REQUIRED, "operation[0].sel");
  assert_xml_refused(NAMED, "<remove sel='Patient/name[1]' ws='x'/>", ERR_VALUE, "operation[0].ws");
  assert_xml_refused(NAMED, "<remove sel='Patient/name[1]'><a/></remove>", ERR_VALUE,
                     "operation[0]");
  assert_xml_refused(NAMED, "<add sel='Patient' pos='first'><a/></add>", ERR_VALUE,
                     "operation[0].pos");
  for (size_t i = 0; i < sizeof selectors / sizeof *selectors; i++)
    assert_xml_refused(NAMED, arena_printf(test_arena, "<remove sel=\"%s\"/>", selectors[i]).p,
                       ERR_VALUE, "operation[0].sel");
  const struct yyjson_val *result;
  struct patch patch = {.kind = PATCH_XML, .xml = STR("<!DOCTYPE a><a/>")};
  struct err err;
  assert_int_equal(patch_apply(test_arena, &patch, parse(NAMED), &result, &err), ERR_STRUCTURE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(json_patch_edits_members_and_items),
      TEST(json_pointer_escapes_are_read_in_order),
      TEST(json_patch_refuses_what_does_not_fit),
      TEST(json_patch_refuses_what_is_no_patch),
      TEST(json_numbers_are_compared_by_value),
      TEST(a_patch_cannot_make_much_out_of_little),
      TEST(a_patch_cannot_nest_too_deep),
      TEST(primitives_and_their_siblings_change_together),
      TEST(children_of_primitives_can_be_patched),
      TEST(choices_change_their_name_with_their_type),
      TEST(a_value_must_be_of_the_right_type),
      TEST(elements_without_a_type_come_in_parts),
      TEST(paths_lead_to_one_element),
      TEST(lists_are_edited_by_index),
      TEST(deletion_leaves_no_empty_element),
      TEST(fhirpath_patch_refuses_what_is_no_patch),
      TEST(xml_patch_edits_the_xml_form),
      TEST(xml_patch_refuses_what_does_not_fit),
      TEST(xml_patch_refuses_what_is_no_patch),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
