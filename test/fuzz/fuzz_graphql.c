/* GraphQL queries: whatever a stranger sends to $graphql. Nothing that the parser accepts holds a
 * text that is not UTF-8, or a name that is empty. */
#include "fuzz.h"

#include "format/graphql.h"

static void check_value(const struct graphql_value *value) {
  FUZZ_CHECK(str_is_utf8(value->text));
  for (size_t i = 0; i < value->n; i++) {
    if (value->kind == GRAPHQL_OBJECT)
      FUZZ_CHECK(value->fields[i].name.n > 0);
    check_value(value->kind == GRAPHQL_OBJECT ? &value->fields[i].value : &value->items[i]);
  }
}

static void check_selections(struct graphql_selections selections) {
  FUZZ_CHECK(selections.n > 0);
  for (size_t i = 0; i < selections.n; i++) {
    const struct graphql_selection *selection = &selections.p[i];
    FUZZ_CHECK(selection->kind == GRAPHQL_INLINE || selection->name.n > 0);
    FUZZ_CHECK(selection->place.line > 0 && selection->place.column > 0);
    for (size_t k = 0; k < selection->arguments_n; k++)
      check_value(&selection->arguments[k].value);
    if (selection->selections.n > 0)
      check_selections(selection->selections);
  }
}

static void one(struct arena *arena, struct str input) {
  const struct graphql_document *document;
  struct graphql_place place;
  struct err err;
  if (graphql_parse(arena, input, &GRAPHQL_LIMITS_DEFAULT, &document, &place, &err) != 0) {
    FUZZ_CHECK(place.line > 0 && place.column > 0);
    return;
  }
  FUZZ_CHECK(document->operations_n > 0);
  for (size_t i = 0; i < document->operations_n; i++)
    check_selections(document->operations[i].selections);
  for (size_t i = 0; i < document->fragments_n; i++)
    check_selections(document->fragments[i].selections);
}

FUZZ_TARGET(one, (size_t)64 << 20)
FUZZ_SEEDS(
    STR("{ Patient(id: example) { id, name @first { family } } }"),
    STR("query Q($a: [String!]! = [\"x\"], $b: Boolean) { x: PatientList(name: $a) @skip(if: "
        "$b) { ...F ... on Patient { id } ... @include(if: true) { id } } } fragment F on "
        "Patient { telecom(system: \"phone\", rank: -1.5e3) { value } }"),
    STR("mutation { PatientCreate(resource: {a: {b: [null, E, true]}}) { location } }"),
    STR("{ a(x: \"\"\"\n  a\n    b \\\"\"\"\n \"\"\", y: \"\\u00e9\\uD83D\\uDE00\\u{1F600}\") }"))
