/*
 * The public FHIRPath suite for R4, test by test, with the inputs that lie beside it. Skipped where
 * the shared data is absent. A test that we hold to be wrong stands in WRONG with the reason; one
 * of these that passes fails the run, so that the list stays true (docs/conformance/fhirpath.md).
 */
#include "../test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "format/xml.h"
#include "model/fhirpath_decimal.h"
#include "model/fhirpath_program.h"
#include "model/resource_xml.h"

#define FOLDER "../shared/data/fhir-test-cases/r4/"
#define SUITE FOLDER "fhirpath/tests-fhir-r4.xml"

static const struct {
  const char *name, *reason;
} WRONG[] = {
    {"LowBoundaryDecimal15", "-0.0034 lies between -0.00345 and -0.00335; with one digit the bound "
                             "below that is -0.1, as in "
                             "LowBoundaryNegDecimal2, not -0.0, which lies above"},
    {"HighBoundaryDecimal15",
     "0.0034 lies between 0.00335 and 0.00345; with one digit the bound above that is 0.1, as in "
     "HighBoundaryDecimal1, not 0.0, which lies below"},
    {"HighBoundaryDecimal16",
     "a path binds tighter than the sign: -(0.0034.highBoundary(1)), which is -0.1"},
    {"HighBoundaryDateTimeMillisecond1", "the last instant of the hour 08 is 08:59:59.999: "
                                         "FHIRPath allows a date-time without minutes"},
    {"HighBoundaryDateTimeMillisecond3", "the same"},
};

static const char *reason_of(struct str name) {
  for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++)
    if (str_is(name, WRONG[i].name))
      return WRONG[i].reason;
  return NULL;
}

/* ---- One test -------------------------------------------------------------------------------- */

struct one {
  struct str name, expression, invalid, mode;
  bool is_predicate;
  const struct xml_node *node;
  const struct yyjson_val *input;
};

/* One sample has its extensions behind elements that they must stand before; our reader refuses
 * that. */
static void put_extensions_in_place(struct xml_node *root) {
  static const char *const before[] = {"id",       "meta", "implicitRules",
                                       "language", "text", "contained"};
  struct xml_node *place = root->first_child, *next;
  for (size_t i = 0; i < sizeof before / sizeof *before; i++)
    while (place && (place->kind != XML_ELEMENT || str_is(place->name, before[i])))
      place = place->next;
  for (struct xml_node *c = place; c; c = next) {
    next = c->next;
    if (c != place && c->kind == XML_ELEMENT && str_is(c->name, "extension")) {
      xml_detach(c);
      xml_insert(root, c, place);
    }
  }
}

static int load_xml(struct arena *arena, struct str text, const struct yyjson_val **ret_root,
                    struct err *reterr) {
  struct xml_node *tree;
  int code = xml_parse(arena, text, NULL, &tree, reterr);
  if (code < 0)
    return code;
  put_extensions_in_place(tree);
  return resource_from_xml_tree(arena, tree, ret_root, reterr);
}

static const struct yyjson_val *load(struct arena *arena, struct str name) {
  struct buf buf;
  struct err err;
  const struct yyjson_val *root = NULL;
  const char *path = arena_printf(arena, FOLDER "%.*s", STR_ARG(name)).p;
  buf_init_arena(&buf, arena, (size_t)1 << 26);
  if (file_read(path, &buf, &err) < 0)
    fail_msg("%s: %s", path, err.text);
  int code = str_ends_with(name, STR(".xml")) ? load_xml(arena, buf_str(&buf), &root, &err)
                                              : json_parse(arena, buf_str(&buf), NULL, &root, &err);
  if (code < 0)
    fail_msg("%s: %s %s", path, err.where, err.text);
  return root;
}

static int run(const struct one *t, struct fhirpath_values *ret_values, struct err *reterr) {
  const struct fhirpath *program;
  struct fhirpath_context context = {.resource = t->input, .root_resource = t->input};
  defs_type_id type = defs_type_by_name(json_get_text(t->input, STR("resourceType")));
  bool is_strict = str_is(t->mode, "strict") || str_is(t->invalid, "semantic");
  const struct fhirpath_options options = {.type = type,
                                           .mode = is_strict ? FHIRPATH_STRICT : FHIRPATH_EXACT};
  int code = fhirpath_compile_with(test_arena, t->expression, &options, &program, reterr);
  return code < 0
             ? code
             : fhirpath_eval(test_arena, program, t->input, type, &context, ret_values, reterr);
}

/* Does a value look like what an <output> says? The types there are loose: 1 is a decimal. */
static bool is_output(const struct fhirpath_value *value, struct str type, struct str text) {
  struct fhirpath_value v = fhirpath_computed(*value);
  struct str got;
  struct fhirpath_decimal a, b;
  if (!fhirpath_to_text(test_arena, &v, &got))
    return false;
  if (str_starts_with(text, STR("@T")))
    text = str_slice(text, 2, text.n);
  else if (str_starts_with(text, STR("@")))
    text = str_slice(text, 1, text.n);
  bool is_number = v.kind == FHIRPATH_INTEGER || v.kind == FHIRPATH_DECIMAL;
  if (is_number && str_is(type, "decimal") && fhirpath_decimal_parse(got, &a) &&
      fhirpath_decimal_parse(text, &b))
    return fhirpath_decimal_compare(a, b) == 0;
  return str_equal(got, text);
}

/* NULL when it is as expected. */
static const char *fault_of(const struct one *t) {
  struct fhirpath_values values = {0};
  struct err err;
  int code = run(t, &values, &err);
  if (t->invalid.n)
    return code < 0 ? NULL : "no error";
  if (code < 0)
    return arena_printf(test_arena, "%s: %s", err.where, err.text).p;
  struct fhirpath_value predicate = {.kind = FHIRPATH_BOOLEAN, .integer = values.n > 0};
  if (t->is_predicate)
    values = (struct fhirpath_values){&predicate, 1};
  size_t n = 0;
  for (const struct xml_node *c = t->node->first_child; c; c = c->next) {
    if (c->kind != XML_ELEMENT || !str_is(c->name, "output"))
      continue;
    struct str text = xml_text(test_arena, c);
    if (n >= values.n)
      return "too few results";
    if (!is_output(&values.p[n], xml_attribute_value(c, STR("type")), text)) {
      struct str got = STR("an element");
      (void)fhirpath_to_text(test_arena, &values.p[n], &got);
      return arena_printf(test_arena, "result %zu is '%.*s', expected '%.*s'", n, STR_ARG(got),
                          STR_ARG(text))
          .p;
    }
    n++;
  }
  return n == values.n ? NULL
                       : arena_printf(test_arena, "%zu results, expected %zu", values.n, n).p;
}

/* ---- All of them ----------------------------------------------------------------------------- */

struct inputs {
  struct str names[32];
  const struct yyjson_val *roots[32];
  size_t n;
};

static const struct yyjson_val *input_of(struct inputs *inputs, struct str name) {
  if (str_is_empty(name))
    return NULL;
  for (size_t i = 0; i < inputs->n; i++)
    if (str_equal(inputs->names[i], name))
      return inputs->roots[i];
  assert_true(inputs->n < 32);
  inputs->names[inputs->n] = name;
  inputs->roots[inputs->n] = load(test_arena, name);
  return inputs->roots[inputs->n++];
}

struct tally {
  size_t passed, failed, wrong;
};

static void check(const struct one *t, struct tally *tally) {
  const char *fault = fault_of(t), *reason = reason_of(t->name);
  if (!fault && !reason) {
    tally->passed++;
  } else if (fault && reason) {
    tally->wrong++;
  } else {
    tally->failed++;
    print_error("%.*s: %.*s\n  %s\n", STR_ARG(t->name), STR_ARG(t->expression),
                fault ? fault : "passes, but is listed as wrong");
  }
}

static void run_one(const struct xml_node *node, struct inputs *inputs, struct tally *tally) {
  struct one t = {.node = node, .name = xml_attribute_value(node, STR("name"))};
  for (const struct xml_node *c = node->first_child; c; c = c->next)
    if (c->kind == XML_ELEMENT && str_is(c->name, "expression")) {
      t.expression = xml_text(test_arena, c);
      t.invalid = xml_attribute_value(c, STR("invalid"));
      t.mode = xml_attribute_value(c, STR("mode"));
    }
  if (str_is_empty(t.mode))
    t.mode = xml_attribute_value(node, STR("mode"));
  t.is_predicate = str_is(xml_attribute_value(node, STR("predicate")), "true");
  t.input = input_of(inputs, xml_attribute_value(node, STR("inputfile")));
  check(&t, tally);
}

static void the_public_suite_passes(void **state) {
  (void)state;
  struct buf buf;
  struct err err;
  struct xml_node *root;
  struct inputs inputs = {0};
  struct tally tally = {0};
  buf_init_arena(&buf, test_arena, (size_t)1 << 24);
  if (file_read(SUITE, &buf, &err) < 0) {
    print_message("skipped: " SUITE " is not here\n");
    skip();
  }
  assert_int_equal(xml_parse(test_arena, buf_str(&buf), NULL, &root, &err), 0);
  for (const struct xml_node *group = root->first_child; group; group = group->next)
    for (const struct xml_node *t = group->first_child; t; t = t->next)
      if (t->kind == XML_ELEMENT && str_is(t->name, "test"))
        run_one(t, &inputs, &tally);
  print_message("%zu passed, %zu failed, %zu held to be wrong\n", tally.passed, tally.failed,
                tally.wrong);
  assert_int_equal(tally.failed, 0);
  assert_true(tally.passed > 900);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(the_public_suite_passes)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
