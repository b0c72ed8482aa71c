#include "tool.h"

#include <errno.h>
#include <stdarg.h>

#define ARENA_MAX_BYTES ((size_t)4 << 30)
#define FILE_MAX_BYTES ((size_t)256 << 20)

_Noreturn void fail(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("definitions: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  exit(1);
}

void *require_memory(void *p) {
  if (!p)
    fail("out of memory");
  return p;
}

void push(struct arena *arena, void **p, size_t *n, size_t *capacity, size_t item_bytes) {
  (void)require_memory(vec_push(arena, p, n, capacity, item_bytes));
}

void set_number(struct map *map, struct str key, uint32_t value) {
  uint32_t *stored = require_memory(ARENA_NEW(map->arena, uint32_t));
  *stored = value;
  if (map_set(map, key, stored) < 0)
    fail("out of memory");
}

uint32_t get_number(const struct map *map, struct str key) {
  const uint32_t *stored = map_get(map, key);
  return stored ? *stored : 0;
}

void set_value(struct map *map, struct str key, const struct yyjson_val *value) {
  union {
    const struct yyjson_val *in;
    void *out;
  } u = {value};
  if (map_set(map, key, u.out) < 0)
    fail("out of memory");
}

struct arena *tool_arena(void) {
  return require_memory(arena_new(ARENA_MAX_BYTES));
}

static struct str read_file(struct arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END) != 0)
    fail("%s: %s", path, strerror(errno));
  long size = ftell(file);
  if (size < 0 || (size_t)size > FILE_MAX_BYTES)
    fail("%s: too large", path);
  rewind(file);
  char *p = require_memory(arena_alloc(arena, (size_t)size + 1));
  if (fread(p, 1, (size_t)size, file) != (size_t)size)
    fail("%s: can't be read", path);
  fclose(file);
  return str_n(p, (size_t)size);
}

const struct yyjson_val *load_json(struct arena *arena, const char *path) {
  struct json_limits limits = {.max_bytes = FILE_MAX_BYTES, .max_depth = 100};
  const struct yyjson_val *root;
  struct err err;
  if (json_parse(arena, read_file(arena, path), &limits, &root, &err) < 0)
    fail("%s: %s: %s", path, err.where, err.text);
  return root;
}
