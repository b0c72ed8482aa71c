#include "../test.h"

#include "model/definitions.h"

static defs_type_id type(const char *name) {
  defs_type_id id = defs_type_by_name(str_of(name));
  assert_int_not_equal(id, 0);
  return id;
}

static const struct defs_property *property(const char *of, const char *name) {
  return defs_property(type(of), str_of(name));
}

static struct str type_name(defs_type_id id) {
  return defs_type(id)->name;
}

static void definitions_hold_every_type_of_r4(void **state) {
  (void)state;
  size_t resources = 0, primitives = 0;
  for (size_t id = 1; id <= defs_types_count(); id++) {
    const struct defs_type *t = defs_type((defs_type_id)id);
    assert_int_equal(defs_type_by_name(t->name), id);
    resources += defs_is_resource(t);
    primitives += t->kind == DEFS_KIND_PRIMITIVE;
  }
  assert_int_equal(resources, 146);
  assert_int_equal(primitives, 20);
  assert_int_equal(defs_type_by_name(STR("Patientt")), 0);
  assert_int_equal(defs_type_by_name(STR("")), 0);
}

static void definitions_tell_builtin_types_apart(void **state) {
  (void)state;
#define X(expected, name) assert_int_equal(defs_type(type(name))->builtin, expected);
  DEFS_BUILTIN_TABLE(X)
#undef X
  assert_int_equal(defs_type(type("Patient"))->builtin, DEFS_BUILTIN_NONE);
  for (size_t id = 1; id <= defs_types_count(); id++) {
    const struct defs_type *t = defs_type((defs_type_id)id);
    assert_int_equal(t->kind == DEFS_KIND_PRIMITIVE,
                     t->builtin != DEFS_BUILTIN_NONE && t->builtin <= DEFS_XHTML);
    for (unsigned i = 0; i < t->elements_n; i++)
      assert_int_equal(t->required >> i & 1, defs_element(t->first_element + i)->min > 0);
  }
}

static void definitions_know_bases(void **state) {
  (void)state;
  assert_true(defs_type_is_a(type("Patient"), type("DomainResource")));
  assert_true(defs_type_is_a(type("Patient"), type("Resource")));
  assert_false(defs_type_is_a(type("Bundle"), type("DomainResource")));
  assert_true(defs_type_is_a(type("Age"), type("Quantity")));
  assert_true(defs_type_is_a(type("Patient.contact"), type("BackboneElement")));
  assert_true(defs_type_is_a(type("id"), type("string")));
  assert_true(defs_type(type("DomainResource"))->is_abstract);
  assert_false(defs_type(type("Patient.contact"))->is_abstract);
  assert_int_equal(defs_type(0)->kind, DEFS_KIND_NONE);
}

static void definitions_find_properties(void **state) {
  (void)state;
  const struct defs_property *p = property("Observation", "valueQuantity");
  assert_str(type_name(p->type), "Quantity");
  const struct defs_element *e = defs_element(p->element);
  assert_str(e->path, "Observation.value[x]");
  assert_str(e->name, "value");
  assert_true(e->is_choice);
  assert_int_equal(e->types_n, 11);
  assert_null(property("Observation", "value"));
  assert_null(property("Observation", "valueMoney"));
  assert_str(type_name(property("Patient", "contact")->type), "Patient.contact");
  assert_str(type_name(property("Patient", "id")->type), "id");
  assert_str(type_name(property("Patient.contact", "id")->type), "string");
  assert_str(type_name(property("Extension", "url")->type), "uri");
  assert_str(type_name(property("Questionnaire.item", "item")->type), "Questionnaire.item");
  assert_str(type_name(property("Bundle.entry", "resource")->type), "Resource");
  assert_str(type_name(property("Timing", "repeat")->type), "Timing.repeat");
  assert_int_equal(defs_element(property("Patient", "name")->element)->max, DEFS_MANY);
  assert_int_equal(defs_element(property("Observation", "status")->element)->min, 1);
}

/* Every property that the elements say exists is found, and leads back to its element. */
static void definitions_find_all_their_properties(void **state) {
  (void)state;
  for (size_t id = 1; id <= defs_types_count(); id++) {
    size_t n;
    const struct defs_property *list = defs_properties_of((defs_type_id)id, &n);
    for (size_t i = 0; i < n; i++)
      assert_ptr_equal(defs_property((defs_type_id)id, list[i].name), &list[i]);
  }
}

static void definitions_say_where_references_lead(void **state) {
  (void)state;
  const struct defs_element *e = defs_element(property("AllergyIntolerance", "recorder")->element);
  const struct defs_element_type *t = defs_element_type(e->first_type);
  assert_str(type_name(t->type), "Reference");
  assert_int_equal(t->targets_n, 4);
  assert_str(type_name(defs_target(t->first_target)), "Practitioner");
}

static void definitions_have_patterns_and_invariants(void **state) {
  (void)state;
  assert_str(defs_type(type("id"))->pattern, "[A-Za-z0-9\\-\\.]{1,64}");
  const struct defs_type *contact = defs_type(type("Patient.contact"));
  assert_int_equal(contact->invariants_n, 1);
  assert_str(defs_invariant(contact->first_invariant)->key, "pat-1");
  assert_str(defs_invariant(contact->first_invariant)->path, "Patient.contact");
  assert_str(defs_invariant(defs_type(type("Element"))->first_invariant)->key, "ele-1");
}

static const struct defs_param *param(const char *of, const char *code) {
  defs_param_id id = defs_param_by_code(type(of), str_of(code));
  assert_int_not_equal(id, 0);
  return defs_param(id);
}

static void definitions_split_search_parameters_by_base(void **state) {
  (void)state;
  assert_str(param("Patient", "birthdate")->expression, "Patient.birthDate");
  assert_str(param("Person", "birthdate")->expression, "Person.birthDate");
  assert_str(param("Observation", "value-quantity")->expression,
             "(Observation.value as Quantity) | (Observation.value as SampledData)");
  assert_str(param("InsurancePlan", "name")->expression, "name | alias");
  assert_str(type_name(param("Patient", "_id")->base), "Resource");
  assert_str(type_name(param("Patient", "_text")->base), "DomainResource");
  assert_int_equal(defs_param_by_code(type("Bundle"), STR("_text")), 0);
  assert_int_equal(defs_param_by_code(type("Patient"), STR("nothing")), 0);
  const struct defs_param *composite = param("Observation", "code-value-quantity");
  assert_int_equal(composite->type, SEARCH_COMPOSITE);
  assert_int_equal(composite->components_n, 2);
  const struct defs_component *first = defs_component(composite->first_component);
  assert_str(defs_param(first->param)->code, "code");
  assert_int_equal(defs_params_count(), 1706);
}

static void definitions_know_compartments(void **state) {
  (void)state;
  size_t n;
  const defs_param_id *params = defs_compartment_params(STR("Patient"), type("Observation"), &n);
  assert_int_equal(n, 2);
  assert_str(defs_param(params[0])->code, "subject");
  assert_str(defs_param(params[1])->code, "performer");
  (void)defs_compartment_params(STR("Patient"), type("Organization"), &n);
  assert_int_equal(n, 0);
  (void)defs_compartment_params(STR("Nothing"), type("Observation"), &n);
  assert_int_equal(n, 0);
}

static uint16_t value_set(const char *of, const char *name) {
  uint16_t id = defs_element(property(of, name)->element)->value_set;
  assert_int_not_equal(id, 0);
  return id;
}

static void definitions_know_the_codes_of_required_value_sets(void **state) {
  (void)state;
  uint16_t gender = value_set("Patient", "gender");
  assert_true(defs_value_set_is_enumerable(gender));
  assert_true(defs_value_set_has(gender, STR(""), STR("female")));
  assert_true(
      defs_value_set_has(gender, STR("http://hl7.org/fhir/administrative-gender"), STR("other")));
  assert_false(defs_value_set_has(gender, STR("http://example.org"), STR("other")));
  assert_false(defs_value_set_has(gender, STR(""), STR("F")));
  assert_false(defs_value_set_has(gender, STR(""), STR("")));
  assert_str(defs_value_set_system(gender, STR("female")),
             "http://hl7.org/fhir/administrative-gender");
  /* nested concepts; listed concepts of a system that the definitions don't hold */
  assert_true(defs_value_set_has(value_set("Observation", "status"), STR(""), STR("corrected")));
  uint16_t units = value_set("Timing.repeat", "periodUnit");
  assert_true(defs_value_set_has(units, STR("http://unitsofmeasure.org"), STR("wk")));
  assert_false(defs_value_set_has(units, STR(""), STR("fortnight")));
  /* two systems in one set: abstract types and resource types */
  uint16_t types = value_set("ParameterDefinition", "type");
  assert_true(defs_value_set_has(types, STR(""), STR("Any")));
  assert_true(defs_value_set_has(types, STR(""), STR("Patient")));
}

static void definitions_leave_open_what_they_cannot_list(void **state) {
  (void)state;
  uint16_t mime = value_set("Attachment", "contentType");
  assert_false(defs_value_set_is_enumerable(mime));
  assert_true(defs_value_set_has(mime, STR(""), STR("text/html")));
  assert_int_equal(defs_value_set_system(mime, STR("text/html")).n, 0);
}

static void definitions_know_displays(void **state) {
  (void)state;
  assert_str(defs_code_display(STR("http://terminology.hl7.org/CodeSystem/v2-0203"), STR("MR")),
             "Medical record number");
  assert_str(defs_code_display(STR("http://terminology.hl7.org/CodeSystem/v3-ActCode"), STR("AMB")),
             "ambulatory");
  assert_int_equal(defs_code_display(STR("http://loinc.org"), STR("8867-4")).n, 0);
  assert_int_equal(defs_code_display(STR(""), STR("MR")).n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(definitions_hold_every_type_of_r4),
      TEST(definitions_tell_builtin_types_apart),
      TEST(definitions_know_bases),
      TEST(definitions_find_properties),
      TEST(definitions_find_all_their_properties),
      TEST(definitions_say_where_references_lead),
      TEST(definitions_have_patterns_and_invariants),
      TEST(definitions_split_search_parameters_by_base),
      TEST(definitions_know_compartments),
      TEST(definitions_know_the_codes_of_required_value_sets),
      TEST(definitions_leave_open_what_they_cannot_list),
      TEST(definitions_know_displays),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
