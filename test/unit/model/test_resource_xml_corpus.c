/*
 * Every example resource of the specification goes JSON -> XML -> JSON without loss: the same
 * members, the same items in the same order, texts and numbers as they were written.
 */
#include "../test.h"

#include <dirent.h>

#include "base/file.h"
#include "model/resource_xml.h"

#define FILE_MAX_BYTES ((size_t)256 << 20)

#define CHANGED_ENDS_OF_LINES "CR or CR LF came back as LF"

/* Their narratives have lines that end with CR LF, which XML reads as LF (XML 1.0, 2.11). Each must
 * be met, and nothing else in it be lost. */
static const char *const have_cr[] = {
    "Bundle-resources.json",
    "Bundle-types.json",
    "Bundle-v2-valuesets.json",
    "Bundle-v3-valuesets.json",
    "Bundle-valuesets.json",
    "StructureDefinition-MedicationAdministration.json",
    "StructureDefinition-Practitioner.json",
};

/* Are they the same but for the ends of lines? */
static bool is_same_text(struct str a, struct str b) {
  size_t i = 0, k = 0;
  while (i < a.n && k < b.n) {
    char c = a.p[i++];
    if (c == '\r') {
      i += i < a.n && a.p[i] == '\n';
      c = '\n';
    }
    if (c != b.p[k++])
      return false;
  }
  return i == a.n && k == b.n;
}

/* Objects may have another order: in XML it is that of the definitions. `*is_exact` becomes false
 * where an end of a line changed. */
static bool is_same(const struct yyjson_val *a, const struct yyjson_val *b, bool *is_exact) {
  enum json_kind kind = json_kind(a);
  if (kind != json_kind(b) || json_count(a) != json_count(b))
    return false;
  struct json_each in_a = json_each(a), in_b = json_each(b);
  if (kind == JSON_OBJECT) {
    while (json_next(&in_a))
      if (!is_same(in_a.value, json_get(b, in_a.name), is_exact))
        return false;
    return true;
  }
  if (kind != JSON_ARRAY) {
    bool is_equal = str_equal(json_text(a), json_text(b));
    *is_exact &= is_equal;
    return is_equal || is_same_text(json_text(a), json_text(b));
  }
  while (json_next(&in_a) && json_next(&in_b))
    if (!is_same(in_a.value, in_b.value, is_exact))
      return false;
  return true;
}

/* NULL when nothing is lost, else what happened. */
static const char *round_trip(struct arena *arena, struct str json, bool is_pretty, struct err *err,
                              size_t *xml_bytes) {
  const struct yyjson_val *resource, *back;
  struct json_limits limits = {.max_bytes = FILE_MAX_BYTES, .max_depth = 100};
  struct xml_limits xml_limits = XML_LIMITS_DEFAULT;
  struct buf buf;
  *err = (struct err){.code = 0};
  if (json_parse(arena, json, &limits, &resource, err))
    return "not JSON";
  buf_init_arena(&buf, arena, FILE_MAX_BYTES);
  if (resource_to_xml(arena, resource, is_pretty, &buf, err))
    return "not written";
  *xml_bytes += buf.n;
  xml_limits.max_bytes = FILE_MAX_BYTES;
  if (resource_from_xml(arena, buf_str(&buf), &xml_limits, &back, err))
    return "not read back";
  bool is_exact = true;
  if (!is_same(resource, back, &is_exact))
    return "not the same";
  return is_exact ? NULL : CHANGED_ENDS_OF_LINES;
}

static const char *expected_fault(const char *file) {
  for (size_t i = 0; i < sizeof have_cr / sizeof *have_cr; i++)
    if (strcmp(have_cr[i], file) == 0)
      return CHANGED_ENDS_OF_LINES;
  return NULL;
}

static bool is_resource_file(struct str name) {
  return str_ends_with(name, STR(".json")) && name.p[0] >= 'A' && name.p[0] <= 'Z';
}

static void examples_go_through_xml_without_loss(void **state) {
  (void)state;
  const char *folder = getenv("FHIR_PACKAGE");
  DIR *directory = folder ? opendir(folder) : NULL;
  if (!directory) {
    skip();
    return;
  }
  size_t n = 0, lost = 0, xml_bytes = 0;
  struct arena *arena = arena_new((size_t)2 << 30);
  for (struct dirent *entry; (entry = readdir(directory)); arena_reset(arena)) {
    struct err err;
    struct buf buf;
    if (!is_resource_file(str_of(entry->d_name)))
      continue;
    buf_init_arena(&buf, arena, FILE_MAX_BYTES);
    struct str path = arena_printf(arena, "%s/%s", folder, entry->d_name);
    assert_int_equal(file_read(path.p, &buf, &err), 0);
    const char *fault = round_trip(arena, buf_str(&buf), n % 2, &err, &xml_bytes);
    const char *expected = expected_fault(entry->d_name);
    n++;
    if ((fault || expected) && (!fault || !expected || strcmp(fault, expected) != 0)) {
      print_error("%s: %s; %s: %s\n", entry->d_name, fault ? fault : "is the same now", err.where,
                  err.text);
      lost++;
    }
  }
  closedir(directory);
  arena_free(arena);
  print_message("%zu resources, %zu bytes of XML\n", n, xml_bytes);
  assert_true(n > 5000);
  assert_int_equal(lost, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(examples_go_through_xml_without_loss)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
