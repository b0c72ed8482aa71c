/*
 * Builds the compression dictionary: train FOLDER OUTPUT. FOLDER holds the specification's example
 * resources as NAME.json; OUTPUT becomes a C source. The same input gives the same output.
 */
#include "format/json.h"

#include <dirent.h>
#include <errno.h>
#include <zdict.h>

#define DICTIONARY_BYTES ((size_t)112 << 10)
#define SAMPLE_MAX_BYTES ((size_t)6 << 10)
#define SAMPLES_MAX_BYTES ((size_t)64 << 20)
#define FILE_MAX_BYTES ((size_t)2 << 20)

struct samples {
  struct arena *arena;
  struct buf bytes;
  VEC(size_t) sizes;
};

static int fail(const char *what, const char *why) {
  fprintf(stderr, "train: %s: %s\n", what, why);
  return 1;
}

/* Definitions are what the specification is made of, not what a hospital sends. */
static bool is_definition(struct str type) {
  static const char *const types[] = {
      "CapabilityStatement",
      "CodeSystem",
      "CompartmentDefinition",
      "ConceptMap",
      "GraphDefinition",
      "ImplementationGuide",
      "Library",
      "MessageDefinition",
      "NamingSystem",
      "OperationDefinition",
      "OperationOutcome",
      "Parameters",
      "SearchParameter",
      "StructureDefinition",
      "StructureMap",
      "TerminologyCapabilities",
      "TestReport",
      "TestScript",
      "ValueSet",
  };
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
    if (str_is(type, types[i]))
      return true;
  return false;
}

/* As the store keeps it, but without the narrative, which says everything again in other words. */
static int add_resource(struct samples *samples, const struct yyjson_val *resource) {
  size_t before = samples->bytes.n;
  struct json_writer w = json_writer(&samples->bytes);
  json_begin_object(&w);
  struct json_each each = json_each(resource);
  while (json_next(&each)) {
    if (str_is(each.name, "text"))
      continue;
    json_key(&w, each.name);
    json_value(&w, each.value);
  }
  json_end_object(&w);
  if (samples->bytes.n - before > SAMPLE_MAX_BYTES)
    samples->bytes.n = before + SAMPLE_MAX_BYTES;
  size_t *size = VEC_PUSH(samples->arena, &samples->sizes);
  if (!size || buf_is_overflown(&samples->bytes))
    return -1;
  *size = samples->bytes.n - before;
  return 0;
}

static int add(struct samples *samples, const struct yyjson_val *resource) {
  struct str type = json_get_text(resource, STR("resourceType"));
  if (is_definition(type))
    return 0;
  if (!str_is(type, "Bundle"))
    return add_resource(samples, resource);
  struct json_each each = json_each(json_get(resource, STR("entry")));
  while (json_next(&each)) {
    const struct yyjson_val *inner = json_get(each.value, STR("resource"));
    if (inner && add(samples, inner) != 0)
      return -1;
  }
  return 0;
}

static int add_file(struct samples *samples, const char *folder, const char *name) {
  struct arena *arena = arena_new((size_t)256 << 20);
  struct str path = arena_printf(samples->arena, "%s/%s", folder, name);
  char *text = arena ? arena_alloc(arena, FILE_MAX_BYTES + 1) : NULL;
  FILE *file = path.p && text ? fopen(path.p, "rb") : NULL;
  int result = file ? 0 : -1;
  if (file) {
    size_t n = fread(text, 1, FILE_MAX_BYTES + 1, file);
    const struct yyjson_val *root;
    struct err err;
    fclose(file);
    if (n <= FILE_MAX_BYTES && json_parse(arena, str_n(text, n), NULL, &root, &err) == 0)
      result = add(samples, root);
  }
  arena_free(arena);
  return result;
}

static int is_json(const struct dirent *entry) {
  return str_ends_with(str_of(entry->d_name), STR(".json"));
}

static int by_bytes(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name); /* alphasort would follow the locale */
}

static int write_source(const char *path, const unsigned char *bytes, size_t n) {
  FILE *file = fopen(path, "w");
  if (!file)
    return fail(path, strerror(errno));
  fputs("/* Made by train.c. */\n#include \"store/body/dictionary/dictionary.h\"\n\n"
        "const unsigned char dictionary_bytes[] = {",
        file);
  for (size_t i = 0; i < n; i++)
    fprintf(file, "%s%u,", i % 32 == 0 ? "\n" : "", bytes[i]);
  fprintf(file, "\n};\nconst size_t dictionary_n = %zu;\n", n);
  return fclose(file) == 0 ? 0 : fail(path, strerror(errno));
}

int main(int argc, char **argv) {
  if (argc != 3)
    return fail("usage", "train FOLDER OUTPUT");
  struct samples samples = {.arena = arena_new((size_t)256 << 20)};
  unsigned char *dictionary = samples.arena ? arena_alloc(samples.arena, DICTIONARY_BYTES) : NULL;
  if (!dictionary)
    return fail("memory", "none");
  buf_init_arena(&samples.bytes, samples.arena, SAMPLES_MAX_BYTES);
  struct dirent **names;
  int names_n = scandir(argv[1], &names, is_json, by_bytes);
  if (names_n < 0)
    return fail(argv[1], strerror(errno));
  for (int i = 0; i < names_n; i++) {
    const char *name = names[i]->d_name;
    ssize_t dash = str_find_char(str_of(name), '-', 0);
    if (dash > 0 && !is_definition(str_n(name, (size_t)dash)) &&
        add_file(&samples, argv[1], name) != 0)
      return fail(name, "can't be read");
    free(names[i]);
  }
  free(names);
  size_t n = ZDICT_trainFromBuffer(dictionary, DICTIONARY_BYTES, samples.bytes.p, samples.sizes.p,
                                   (unsigned)samples.sizes.n);
  if (ZDICT_isError(n))
    return fail("training", ZDICT_getErrorName(n));
  int code = write_source(argv[2], dictionary, n);
  arena_free(samples.arena);
  return code;
}
