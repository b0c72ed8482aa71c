/*
 * The check of GraphQL queries against the schema: whatever parses is found valid or not, within
 * bounded work and memory, and what is not valid is said with its place.
 */
#include "fuzz.h"

#include "service/graphql_check.h"

static void check(struct arena *arena, const struct graphql_document *document,
                  struct schema_type root) {
  struct graphql_check_options options = {.root = root, .fields_max = 500, .depth_max = 20};
  const struct graphql_operation *operation = NULL;
  struct graphql_faults faults = {.list = {0}};
  struct err err = {.code = (enum err_code)0};
  int code = graphql_check(arena, document, &options, &operation, &faults, &err);
  if (code == ERR_NO_MEMORY)
    return;
  FUZZ_CHECK((code == 0) == (operation != NULL));
  FUZZ_CHECK(code == 0 || err.text[0] != '\0');
  FUZZ_CHECK(faults.list.n <= GRAPHQL_FAULTS_MAX);
  FUZZ_CHECK(code != 0 || faults.list.n == 0);
}

static void one(struct arena *arena, struct str input) {
  const struct graphql_document *document;
  struct graphql_place place;
  struct err err;
  if (graphql_parse(arena, input, &GRAPHQL_LIMITS_DEFAULT, &document, &place, &err) != 0)
    return;
  check(arena, document, (struct schema_type){SCHEMA_QUERY, 0});
  check(arena, document, schema_type_of(defs_type_by_name(STR("Patient"))));
}

FUZZ_TARGET(one, (size_t)512 << 20)
FUZZ_SEEDS(
    STR("query Q($a: [String!], $b: Boolean = true) { Patient(id: x) { ...F name(use: official, "
        "fhirpath: \"family.exists()\", _count: 1) @flatten @slice(path: \"use\") { given @first "
        "family @singleton } } PatientList(name: $a) @include(if: $b) { id } } fragment F on "
        "Patient { _birthDate { extension { url } } ... on Resource { id } }"),
    STR("{ subject: managingOrganization { resource(optional: true, type: [Organization, Patient]) "
        "{ ... on Organization { name } ... on Patient { gender } id } } link { other { reference "
        "} } ObservationList(_reference: subject, _sort: \"-date\") { valueQuantity { value } } }"),
    STR("{ PatientConnection(_cursor: \"x\") { count edges { mode resource { id } } } __schema { "
        "types { name fields { args { type { ofType { name } } } } } } __type(name: \"X\") { kind "
        "} "
        "}"),
    STR("{ a: Patient(id: 1) { ...A } a: Patient(id: 1) { ...B } } fragment A on Patient { ...B x: "
        "id } fragment B on Patient { x: id ... on Patient @skip(if: false) { y: gender } }"))
