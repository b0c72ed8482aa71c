/*
 * The public patch tests (fhir-test-cases/r4/patch), each by its name. All pass; none is left out.
 */
#include "../test.h"

#include "base/file.h"
#include "format/xml.h"
#include "model/patch.h"
#include "model/patch_tree.h"
#include "model/resource_xml.h"

#define SUITE "../shared/data/fhir-test-cases/r4/patch/"

struct suite_case {
  const char *name;
  const struct xml_node *xml;    /* of an XML suite */
  const struct yyjson_val *json; /* of the JSON suite */
};

static const struct xml_node *child(const struct xml_node *node, const char *name) {
  for (const struct xml_node *at = node ? node->first_child : NULL; at; at = at->next)
    if (at->kind == XML_ELEMENT && (!name || str_is(at->name, name)))
      return at;
  return NULL;
}

/* Is what came out what the case wants? Prints what is not. */
static bool judge(int code, const struct err *err, const struct yyjson_val *result,
                  const struct yyjson_val *expected) {
  bool is_equal = false;
  struct err own;
  if (!expected)
    return code < 0;
  if (code < 0) {
    print_error("%s: %s\n", err->where, err->text);
    return false;
  }
  assert_int_equal(patch_is_equal(test_arena, result, expected, &is_equal, &own), 0);
  if (!is_equal) {
    struct buf buf;
    buf_init_arena(&buf, test_arena, 1 << 20);
    json_write(&buf, result);
    buf_add_char(&buf, '\n');
    json_write(&buf, expected);
    print_error("%s\n", buf_z(&buf));
  }
  return is_equal;
}

static const struct yyjson_val *resource_in(const struct xml_node *parent) {
  const struct yyjson_val *resource = NULL;
  struct err err;
  if (!child(parent, NULL))
    return NULL;
  int code = resource_from_xml_tree(test_arena, child(parent, NULL), &resource, &err);
  if (code)
    print_error("%s: %s\n", err.where, err.text);
  assert_int_equal(code, 0);
  return resource;
}

static void run_json(void **state) {
  const struct suite_case *one = *state;
  const struct yyjson_val *result = NULL;
  struct patch patch = {.kind = PATCH_JSON, .document = json_get(one->json, STR("patch"))};
  struct err err;
  int code = patch_apply(test_arena, &patch, json_get(one->json, STR("doc")), &result, &err);
  assert_true(judge(code, &err, result, json_get(one->json, STR("expected"))));
}

static void run_fhirpath(void **state) {
  const struct suite_case *one = *state;
  const struct yyjson_val *result = NULL;
  struct patch patch = {.kind = PATCH_FHIRPATH, .document = resource_in(child(one->xml, "diff"))};
  struct err err;
  int code = patch_apply(test_arena, &patch, resource_in(child(one->xml, "input")), &result, &err);
  assert_true(judge(code, &err, result, resource_in(child(one->xml, "output"))));
}

static struct str written(const struct xml_node *root) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  if (root)
    xml_write(&buf, root, true);
  return buf_str(&buf);
}

static void run_xml(void **state) {
  const struct suite_case *one = *state;
  const struct xml_node *target = child(child(one->xml, "target"), NULL);
  const struct xml_node *expected = child(child(one->xml, "patched"), NULL);
  struct xml_node *root = target ? xml_copy(test_arena, target) : NULL;
  struct err err;
  int code = patch_xml_tree(test_arena, child(one->xml, "patch"), PATCH_PATHS_MAX, &root, &err);
  bool is_right = expected ? code == 0 && str_equal(written(root), written(expected)) : code < 0;
  if (!is_right)
    print_error("%s: %s\n%.*s", code ? err.where : "", code ? err.text : "",
                STR_ARG(written(root)));
  assert_true(is_right);
}

static int open_arena(void **state) {
  return test_arena_open(state);
}

static struct str read_suite(struct arena *arena, const char *name) {
  struct str path = arena_printf(arena, "%s%s", SUITE, name);
  struct buf buf;
  struct err err;
  buf_init_arena(&buf, arena, (size_t)16 << 20);
  return file_read(path.p, &buf, &err) == 0 ? buf_str(&buf) : STR_NULL;
}

struct tests {
  VEC(struct CMUnitTest) list;
  struct arena *arena;
};

static void add_test(struct tests *tests, const char *suite, struct suite_case one,
                     CMUnitTestFunction run) {
  struct suite_case *kept = ARENA_NEW(tests->arena, struct suite_case);
  struct CMUnitTest *test = VEC_PUSH(tests->arena, &tests->list);
  if (!kept || !test)
    return;
  *kept = one;
  *test = (struct CMUnitTest){.name = arena_printf(tests->arena, "%s: %s", suite, one.name).p,
                              .test_func = run,
                              .setup_func = open_arena,
                              .teardown_func = test_arena_close,
                              .initial_state = kept};
}

static void add_json(struct tests *tests) {
  struct str text = read_suite(tests->arena, "json-patch-tests.json");
  const struct yyjson_val *root;
  struct err err;
  if (!text.p || json_parse(tests->arena, text, NULL, &root, &err) != 0)
    return;
  struct json_each each = json_each(root);
  while (json_next(&each)) {
    struct str name = arena_str(tests->arena, json_get_text(each.value, STR("comment")));
    add_test(tests, "json", (struct suite_case){.name = name.p, .json = each.value}, run_json);
  }
}

static void add_xml(struct tests *tests, const char *file, const char *suite,
                    CMUnitTestFunction run) {
  struct str text = read_suite(tests->arena, file);
  struct xml_node *root;
  struct err err;
  if (!text.p || xml_parse(tests->arena, text, NULL, &root, &err) != 0)
    return;
  for (const struct xml_node *at = child(root, "case"); at; at = at->next)
    if (at->kind == XML_ELEMENT) {
      struct str name = arena_str(tests->arena, xml_attribute_value(at, STR("name")));
      add_test(tests, suite, (struct suite_case){.name = name.p, .xml = at}, run);
    }
}

static void suite_is_there(void **state) {
  (void)state;
  skip();
}

int main(void) {
  struct tests tests = {.arena = arena_new((size_t)256 << 20)};
  if (!tests.arena)
    return 1;
  add_json(&tests);
  add_xml(&tests, "fhir-patch-tests.xml", "fhirpath", run_fhirpath);
  add_xml(&tests, "xml-patch-tests.xml", "xml", run_xml);
  if (tests.list.n == 0) {
    struct CMUnitTest *test = VEC_PUSH(tests.arena, &tests.list);
    if (test)
      *test = (struct CMUnitTest){.name = "patch suite", .test_func = suite_is_there};
  }
  int failed = _cmocka_run_group_tests("patch suite", tests.list.p, tests.list.n, NULL, NULL);
  arena_free(tests.arena);
  return failed;
}
