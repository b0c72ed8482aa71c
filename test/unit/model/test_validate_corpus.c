/*
 * Validates what others wrote: the example resources of the specification, and the Synthea bundles.
 * With file names as arguments it prints the faults in these instead ("-v" for each fault).
 */
#include "../test.h"

#include <dirent.h>
#include <errno.h>
#include <zstd.h>

#include "base/clock.h"
#include "model/validate.h"

#define FILE_MAX_BYTES ((size_t)256 << 20)
#define SYNTHEA "../shared/data/synthea/synthea-r4-bundles.ndjson.zst"

struct tally {
  size_t resources, bytes, faulty;
  int64_t validate_us;
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
  struct issues issues = {0};
  struct err err;
  int64_t before = clock_monotonic_us();
  assert_int_equal(validate_resource(arena, resource, NULL, &issues, &err), 0);
  tally->validate_us += clock_monotonic_us() - before;
  tally->resources++;
  tally->faulty += issues.errors_n > 0;
  for (size_t i = 0; label && i < issues.list.n; i++)
    printf("%s\t%s\t%s\n", label, issues.list.p[i].where, issues.list.p[i].text);
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

int main(int argc, char **argv) {
  if (argc > 1) {
    struct tally tally = {0};
    for (int i = 1; i < argc; i++) {
      struct arena *arena = arena_new((size_t)2 << 30);
      const struct yyjson_val *resource = parse(arena, read_whole(arena, argv[i]));
      if (resource)
        (void)validate(arena, resource, argv[i], &tally);
      else
        printf("%s\tnot JSON\n", argv[i]);
      arena_free(arena);
    }
    printf("%zu resources, %zu with faults\n", tally.resources, tally.faulty);
    return 0;
  }
  const struct CMUnitTest tests[] = {
      TEST(validate_accepts_synthea),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
