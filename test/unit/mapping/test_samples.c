/*
 * Every public sample message (../shared/data/hl7v2-samples) through the maps of the program.
 * Skipped where the folder is not there.
 */
#include "../test.h"

#include "format/charset.h"
#include "mapping/mapping.h"
#include "model/validate.h"

#include <dirent.h>
#include <stdlib.h>

static const char *folder;
static struct maps *maps;

/* From the project's root or its build folder, whichever the test was started in. */
static int open_samples(void **state) {
  (void)state;
  static const char *const places[] = {"../shared/data/hl7v2-samples",
                                       "../../shared/data/hl7v2-samples"};
  struct err err;
  for (size_t i = 0; !folder && i < 2; i++) {
    DIR *dir = opendir(places[i]);
    folder = dir ? places[i] : NULL;
    if (dir)
      closedir(dir);
  }
  return maps_open(NULL, &maps, &err) || validate_init(&err) ? -1 : 0;
}

static int close_samples(void **state) {
  (void)state;
  maps_close(maps);
  return 0;
}

static struct str read_file(const char *name) {
  struct str path = arena_printf(test_arena, "%s/%s", folder, name);
  FILE *in = fopen(path.p, "rb");
  assert_non_null(in);
  struct buf buf;
  buf_init_arena(&buf, test_arena, 16 << 20);
  char chunk[4096];
  for (size_t n; (n = fread(chunk, 1, sizeof chunk, in)) > 0;)
    buf_add(&buf, str_n(chunk, n));
  fclose(in);
  return buf_str(&buf);
}

static struct mapping_result convert(const char *name, struct str bytes, struct str source,
                                     struct er7_message *ret_message) {
  struct charset_result text;
  struct mapping_result result = {0};
  struct mapping_options options = {.source = source};
  struct err err;
  if (charset_to_utf8(test_arena, bytes, &text, &err) ||
      er7_parse(test_arena, text.text, NULL, ret_message, &err) ||
      mapping_run(test_arena, maps, ret_message, &options, &result, &err))
    fail_msg("%s: %s: %s", name, err.where, err.text);
  return result;
}

static size_t print_faults(const char *name, const struct mapping_result *result) {
  struct validate_options options = {.with_invariants = false};
  size_t errors = 0;
  for (size_t i = 0; i < result->resources_n; i++) {
    struct issues issues = {0};
    struct err err;
    if (str_is(defs_type(result->resources[i].type)->name, "Bundle")) /* a head without body */
      continue;
    assert_int_equal(
        validate_resource(test_arena, result->resources[i].json, &options, &issues, &err), 0);
    errors += issues.errors_n;
    for (size_t k = 0; k < issues.list.n && issues.errors_n; k++)
      print_message("%s: %s: %s\n", name, issues.list.p[k].where, issues.list.p[k].text);
  }
  return errors;
}

static void samples_convert_without_a_structural_fault(void **state) {
  (void)state;
  if (!folder)
    skip();
  struct dirent **entries = NULL;
  int n = scandir(folder, &entries, NULL, alphasort);
  size_t samples = 0, resources = 0, faults = 0;
  for (int i = 0; i < n; i++) {
    if (str_ends_with(str_of(entries[i]->d_name), STR(".hl7"))) {
      struct er7_message message;
      struct mapping_result result =
          convert(entries[i]->d_name, read_file(entries[i]->d_name), STR("test"), &message);
      samples++;
      resources += result.resources_n;
      faults += print_faults(entries[i]->d_name, &result);
      arena_reset(test_arena);
    }
    free(entries[i]);
  }
  free(entries);
  assert_true(samples > 100 && resources > samples);
  assert_int_equal(faults, 0);
}

/* What a message makes depends on nothing but the message: a replay finds the same resources. */
static void the_same_message_makes_the_same_resources(void **state) {
  (void)state;
  if (!folder)
    skip();
  struct er7_message message;
  struct str bytes = read_file("ORU-R01-01.hl7");
  struct mapping_result one = convert("", bytes, STR("a"), &message);
  struct mapping_result two = convert("", bytes, STR("a"), &message);
  assert_int_equal(one.resources_n, two.resources_n);
  for (size_t i = 0; i < one.resources_n; i++) {
    struct buf a, b;
    buf_init_arena(&a, test_arena, 1 << 20);
    buf_init_arena(&b, test_arena, 1 << 20);
    json_write(&a, one.resources[i].json);
    json_write(&b, two.resources[i].json);
    assert_true(str_equal(buf_str(&a), buf_str(&b)));
    assert_true(str_equal(one.resources[i].full_url, two.resources[i].full_url));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(samples_convert_without_a_structural_fault),
      TEST(the_same_message_makes_the_same_resources),
  };
  return cmocka_run_group_tests(tests, open_samples, close_samples);
}
