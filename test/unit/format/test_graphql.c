/* GraphQL text -> tree. */
#include "../test.h"

#include "format/graphql.h"

static const struct graphql_document *parse(const char *text) {
  const struct graphql_document *document = NULL;
  struct graphql_place place;
  struct err err = {0};
  if (graphql_parse(test_arena, str_of(text), &GRAPHQL_LIMITS_DEFAULT, &document, &place, &err))
    fail_msg("%s\n%u:%u: %s", text, place.line, place.column, err.text);
  return document;
}

static const struct graphql_selection *first_field(const char *text) {
  return &parse(text)->operations[0].selections.p[0];
}

static struct str first_value(const char *text) {
  return first_field(text)->arguments[0].value.text;
}

static void assert_refused(const char *text, int code, unsigned line, unsigned column) {
  const struct graphql_document *document = NULL;
  struct graphql_place place;
  struct err err = {0};
  int found =
      graphql_parse(test_arena, str_of(text), &GRAPHQL_LIMITS_DEFAULT, &document, &place, &err);
  if (found != code || place.line != line || place.column != column)
    fail_msg("%s\nwanted %d at %u:%u, found %d at %u:%u: %s", text, code, line, column, found,
             place.line, place.column, err.text);
}

static void graphql_reads_a_whole_document(void **state) {
  (void)state;
  const struct graphql_document *d =
      parse("\xEF\xBB\xBF# a comment\n"
            "query Q($a: [String!]! = [\"x\", \"y\"], $b: Boolean) @d {\n"
            "  n: PatientList(name: $a, _count: 5) @skip(if: $b) { ...F ... on Patient { id }\n"
            "    ... @include(if: true) { id } } }\n"
            "mutation M { x }\n"
            "fragment F on Patient { id }");
  assert_int_equal(d->operations_n, 2);
  assert_int_equal(d->fragments_n, 1);
  const struct graphql_operation *q = &d->operations[0];
  assert_str(q->name, "Q");
  assert_int_equal(q->variables_n, 2);
  assert_true(q->variables[0].type.is_required && q->variables[0].type.item->is_required);
  assert_str(q->variables[0].type.item->name, "String");
  assert_int_equal(q->variables[0].value.n, 2);
  assert_false(q->variables[1].has_default);
  assert_int_equal(q->directives.n, 1);
  const struct graphql_selection *list = &q->selections.p[0];
  assert_str(list->alias, "n");
  assert_str(list->name, "PatientList");
  assert_int_equal(list->arguments_n, 2);
  assert_int_equal(list->arguments[0].value.kind, GRAPHQL_VARIABLE);
  assert_str(list->arguments[1].value.text, "5");
  assert_int_equal(list->place.line, 3);
  assert_int_equal(list->place.column, 3);
  assert_int_equal(list->selections.n, 3);
  assert_int_equal(list->selections.p[0].kind, GRAPHQL_SPREAD);
  assert_str(list->selections.p[1].name, "Patient");
  assert_true(str_is_empty(list->selections.p[2].name));
  assert_int_equal(d->operations[1].kind, GRAPHQL_MUTATION);
}

static void graphql_words_of_the_language_are_names_too(void **state) {
  (void)state;
  assert_str(first_field("{ query }")->name, "query");
  assert_str(first_field("{ on: fragment }")->name, "fragment");
  assert_str(parse("query query { a }")->operations[0].name, "query");
  assert_str(parse("{ a } fragment on1 on on { a }")->fragments[0].type, "on");
}

static void graphql_reads_every_kind_of_value(void **state) {
  (void)state;
  const struct graphql_selection *f =
      first_field("{ f(a: 1, b: -1.50e+3, c: \"s\", d: true, e: null, f: RED, g: [1, [2]], h: {x: "
                  "{y: $v}}, i: []) }");
  static const enum graphql_value_kind kinds[] = {GRAPHQL_INT,     GRAPHQL_FLOAT,  GRAPHQL_STRING,
                                                  GRAPHQL_BOOLEAN, GRAPHQL_NULL,   GRAPHQL_ENUM,
                                                  GRAPHQL_LIST,    GRAPHQL_OBJECT, GRAPHQL_LIST};
  assert_int_equal(f->arguments_n, sizeof kinds / sizeof kinds[0]);
  for (size_t i = 0; i < f->arguments_n; i++)
    assert_int_equal(f->arguments[i].value.kind, kinds[i]);
  assert_str(f->arguments[1].value.text, "-1.50e+3");
  assert_str(f->arguments[7].value.fields[0].value.fields[0].value.text, "v");
}

static void graphql_unescapes_strings(void **state) {
  (void)state;
  assert_str(first_value("{ f(a: \"\") }"), "");
  assert_str(first_value("{ f(a: \"a\\\"\\\\\\/\\b\\f\\n\\r\\t#,b\") }"), "a\"\\/\b\f\n\r\t#,b");
  assert_str(first_value("{ f(a: \"\\u00e9\\uD83D\\uDE00\\u{1F600}\\u{41}\") }"),
             "\xC3\xA9\xF0\x9F\x98\x80\xF0\x9F\x98\x80"
             "A");
  assert_refused("{ f(a: \"\\uD83D\") }", ERR_STRUCTURE, 1, 8);
  assert_refused("{ f(a: \"\\u{110000}\") }", ERR_STRUCTURE, 1, 8);
  assert_refused("{ f(a: \"\\x\") }", ERR_STRUCTURE, 1, 8);
  assert_refused("{ f(a: \"a\nb\") }", ERR_STRUCTURE, 1, 8);
}

static void graphql_block_strings_lose_their_common_indent(void **state) {
  (void)state;
  assert_str(first_value("{ f(a: \"\"\"\n    Hello,\n      World!\n\n    Yours\n  \"\"\") }"),
             "Hello,\n  World!\n\nYours");
  assert_str(first_value("{ f(a: \"\"\"one\r\n   two \\\"\"\" \"x\r  three\"\"\") }"),
             "one\n two \"\"\" \"x\nthree");
  assert_str(first_value("{ f(a: \"\"\"  \n \n\"\"\") }"), "");
  assert_str(first_value("{ f(a: \"\"\"\\n\"\"\") }"), "\\n");
  assert_int_equal(parse("{ f(a: \"\"\"\n\n\"\"\") g }")->operations[0].selections.p[1].place.line,
                   3);
}

static void graphql_refuses_what_the_grammar_does_not_have(void **state) {
  (void)state;
  assert_refused("", ERR_STRUCTURE, 1, 1);
  assert_refused("{", ERR_STRUCTURE, 1, 2);
  assert_refused("{ }", ERR_STRUCTURE, 1, 3);
  assert_refused("{ a } }", ERR_STRUCTURE, 1, 7);
  assert_refused("{ a() }", ERR_STRUCTURE, 1, 7);
  assert_refused("{ a { } }", ERR_STRUCTURE, 1, 7);
  assert_refused("{ a(b: 01) }", ERR_STRUCTURE, 1, 8);
  assert_refused("{ a(b: 1.) }", ERR_STRUCTURE, 1, 8);
  assert_refused("{ a(b: 1x) }", ERR_STRUCTURE, 1, 8);
  assert_refused("{ a(b: .5) }", ERR_STRUCTURE, 1, 8);
  assert_refused("{ a(b: 1, b: 2) }", ERR_STRUCTURE, 1, 12);
  assert_refused("query ($a: Int = $b) { a }", ERR_STRUCTURE, 1, 18);
  assert_refused("query () { a }", ERR_STRUCTURE, 1, 8);
  assert_refused("fragment on on A { a }", ERR_STRUCTURE, 1, 10);
  assert_refused("fragment F { a }", ERR_STRUCTURE, 1, 12);
  assert_refused("fragment F on A { a }", ERR_STRUCTURE, 1, 22);
  assert_refused("{ a\n  ^ }", ERR_STRUCTURE, 2, 3);
  assert_refused("{ \"a\" }", ERR_STRUCTURE, 1, 3);
  assert_refused("type A { a: Int }", ERR_NOT_SUPPORTED, 1, 1);
  assert_refused("{ \xFF }", ERR_STRUCTURE, 1, 1);
}

static void graphql_is_bounded(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  for (int i = 0; i < 60; i++)
    buf_add_z(&buf, "{a");
  assert_refused(buf_z(&buf), ERR_TOO_LONG, 1, 101);
  buf_clear(&buf);
  buf_add_z(&buf, "{a(b:");
  for (int i = 0; i < 10000; i++)
    buf_add_char(&buf, '[');
  assert_refused(buf_z(&buf), ERR_TOO_LONG, 1, 55);
  buf_clear(&buf);
  for (int i = 0; i < 20000; i++)
    buf_add_z(&buf, i ? "a " : "{a ");
  buf_add_z(&buf, "}");
  assert_int_equal(parse(buf_z(&buf))->operations[0].selections.n, 20000);
  for (int i = 0; i < 20000; i++)
    buf_add_z(&buf, "a ");
  assert_refused(buf_z(&buf), ERR_STRUCTURE, 1, 40003);
  buf_clear(&buf);
  for (int i = 0; i < 300 << 10; i++)
    buf_add_char(&buf, ' ');
  assert_refused(buf_z(&buf), ERR_TOO_LONG, 1, 1);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(graphql_reads_a_whole_document),
      TEST(graphql_words_of_the_language_are_names_too),
      TEST(graphql_reads_every_kind_of_value),
      TEST(graphql_unescapes_strings),
      TEST(graphql_block_strings_lose_their_common_indent),
      TEST(graphql_refuses_what_the_grammar_does_not_have),
      TEST(graphql_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
