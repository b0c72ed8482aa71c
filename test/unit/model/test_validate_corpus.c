/*
 * Validates what others wrote: the example resources of the specification, and the Synthea bundles.
 * With [--invariants] and file names it prints the faults in these instead.
 */
#include "../test.h"

#include <dirent.h>
#include <zstd.h>

#include "base/clock.h"
#include "model/validate.h"

#define FILE_MAX_BYTES ((size_t)256 << 20)
#define SYNTHEA "../shared/data/synthea/synthea-r4-bundles.ndjson.zst"

struct tally {
  size_t resources, bytes, faulty;
  size_t skipped; /* invariants that were not decided */
  int64_t validate_us;
  bool with_invariants;
};

static const struct yyjson_val *parse(struct arena *arena, struct str text) {
  struct json_limits limits = {.max_bytes = FILE_MAX_BYTES, .max_depth = 100};
  const struct yyjson_val *root;
  struct err err;
  return json_parse(arena, text, &limits, &root, &err) < 0 ? NULL : root;
}

/* Returns the number of errors; prints them where `label` isn't NULL. */
static size_t validate(struct arena *arena, const struct yyjson_val *resource, const char *label,
                       struct tally *tally) {
  struct validate_options options = {.with_invariants = tally->with_invariants};
  struct issues issues = {0};
  struct err err;
  int64_t before = clock_monotonic_us();
  assert_int_equal(validate_resource(arena, resource, &options, &issues, &err), 0);
  tally->validate_us += clock_monotonic_us() - before;
  tally->skipped += issues.skipped_n;
  tally->resources++;
  tally->faulty += issues.errors_n > 0;
  for (size_t i = 0; label && i < issues.list.n; i++)
    printf("%s\t%s\t%s\n", label, issues.list.p[i].where, issues.list.p[i].text);
  if (label && issues.skipped_n > 0)
    printf("%s\t\t%zu invariants not decided\n", label, issues.skipped_n);
  return issues.errors_n;
}

static struct str read_whole(struct arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file)
    return STR_NULL;
  struct buf buf;
  buf_init_arena(&buf, arena, FILE_MAX_BYTES);
  char block[65536];
  for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0;)
    buf_add(&buf, str_n(block, n));
  fclose(file);
  return buf_str(&buf);
}

static struct str unzstd(struct arena *arena, struct str packed) {
  unsigned long long size = ZSTD_getFrameContentSize(packed.p, packed.n);
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)1 << 30);
  if (size < ((size_t)1 << 30)) {
    char *p = buf_extend(&buf, size);
    if (p && ZSTD_isError(ZSTD_decompress(p, size, packed.p, packed.n)))
      buf_clear(&buf);
    return buf_str(&buf);
  }
  ZSTD_DStream *stream = ZSTD_createDStream();
  char block[65536];
  ZSTD_inBuffer in = {packed.p, packed.n, 0};
  while (in.pos < in.size) {
    ZSTD_outBuffer out = {block, sizeof block, 0};
    if (ZSTD_isError(ZSTD_decompressStream(stream, &out, &in)))
      break;
    buf_add(&buf, str_n(block, out.pos));
  }
  ZSTD_freeDStream(stream);
  return buf_str(&buf);
}

static void validate_accepts_synthea(void **state) {
  (void)state;
  struct str packed = read_whole(test_arena, SYNTHEA);
  if (!packed.p)
    skip();
  struct str rest = unzstd(test_arena, packed), line;
  struct tally tally = {0};
  size_t entries = 0;
  struct arena *arena = arena_new((size_t)1 << 30);
  while (str_split(&rest, '\n', &line) && line.n > 0) {
    const struct yyjson_val *bundle = parse(arena, line);
    assert_non_null(bundle);
    tally.bytes += line.n;
    entries += json_count(json_get(bundle, STR("entry")));
    assert_int_equal(validate(arena, bundle, "synthea", &tally), 0);
    arena_reset(arena);
  }
  arena_free(arena);
  assert_int_equal(tally.resources, 239);
  print_message("%zu resources, %zu bytes, %.2f us each\n", entries, tally.bytes,
                (double)tally.validate_us / (double)entries);
}

/* Faults of the specification's own examples. docs/internals/definitions.md says what each is. */
static const struct {
  const char *file;
  size_t faults;
} faulty_examples[] = {
    {"ActivityDefinition-blood-tubes-supply.json", 1},
    {"ActivityDefinition-heart-valve-replacement.json", 1},
    {"DeviceMetric-example.json", 1},
    {"DeviceUseStatement-example.json", 1},
    {"EventDefinition-example.json", 1},
    {"ImplementationGuide-fhir.json", 3},
    {"MedicationRequest-medrx0301.json", 1},
    {"Observation-clinical-gender.json", 1},
    {"Questionnaire-qs1.json", 32},
    {"Questionnaire-zika-virus-exposure-assessment.json", 1},
    {"SearchParameter-codesystem-extensions-CodeSystem-author.json", 1},
    {"SearchParameter-codesystem-extensions-CodeSystem-effective.json", 1},
    {"SearchParameter-codesystem-extensions-CodeSystem-end.json", 1},
    {"SearchParameter-codesystem-extensions-CodeSystem-keyword.json", 1},
    {"SearchParameter-codesystem-extensions-CodeSystem-workflow.json", 1},
    {"SearchParameter-questionnaireresponse-extensions-QuestionnaireResponse-item-subject.json", 1},
    {"SearchParameter-valueset-extensions-ValueSet-author.json", 1},
    {"SearchParameter-valueset-extensions-ValueSet-effective.json", 1},
    {"SearchParameter-valueset-extensions-ValueSet-end.json", 1},
    {"SearchParameter-valueset-extensions-ValueSet-keyword.json", 1},
    {"SearchParameter-valueset-extensions-ValueSet-workflow.json", 1},
};

static size_t expected_faults(const char *file) {
  for (size_t i = 0; i < sizeof faulty_examples / sizeof *faulty_examples; i++)
    if (strcmp(faulty_examples[i].file, file) == 0)
      return faulty_examples[i].faults;
  return 0;
}

/* One example that is not as expected. */
static void say(const char *file, size_t faults, size_t expected) {
  print_error("%s: %zu faults, not %zu\n", file, faults, expected);
}

static void validate_accepts_the_examples_of_the_specification(void **state) {
  (void)state;
  const char *folder = getenv("FHIR_PACKAGE");
  DIR *directory = folder ? opendir(folder) : NULL;
  if (!directory) {
    skip();
    return;
  }
  struct tally tally = {0};
  size_t unexpected = 0;
  struct arena *arena = arena_new((size_t)2 << 30);
  for (struct dirent *entry; (entry = readdir(directory));) {
    struct str name = str_of(entry->d_name);
    if (!str_ends_with(name, STR(".json")) || str_find_char(name, '-', 0) < 0 ||
        !(name.p[0] >= 'A' && name.p[0] <= 'Z'))
      continue;
    struct str path = arena_printf(arena, "%s/%s", folder, entry->d_name);
    size_t faults = validate(arena, parse(arena, read_whole(arena, path.p)), NULL, &tally);
    if (faults != expected_faults(entry->d_name)) {
      say(entry->d_name, faults, expected_faults(entry->d_name));
      unexpected++;
    }
    arena_reset(arena);
  }
  closedir(directory);
  arena_free(arena);
  print_message("%zu resources, %zu with faults\n", tally.resources, tally.faulty);
  assert_true(tally.resources > 5000);
  assert_int_equal(unexpected, 0);
}

int main(int argc, char **argv) {
  if (argc > 1) {
    struct tally tally = {.with_invariants = strcmp(argv[1], "--invariants") == 0};
    struct err err;
    if (tally.with_invariants && validate_init(&err) < 0)
      return 1;
    for (int i = 1 + tally.with_invariants; i < argc; i++) {
      struct arena *arena = arena_new((size_t)2 << 30);
      const struct yyjson_val *resource = parse(arena, read_whole(arena, argv[i]));
      if (resource)
        (void)validate(arena, resource, argv[i], &tally);
      else
        printf("%s\tnot JSON\n", argv[i]);
      arena_free(arena);
    }
    printf("%zu resources, %zu with faults, %zu invariants not decided, %.1f us each\n",
           tally.resources, tally.faulty, tally.skipped,
           (double)tally.validate_us / (double)tally.resources);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      TEST(validate_accepts_synthea),
      TEST(validate_accepts_the_examples_of_the_specification),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
