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

void set(struct map *map, struct str key, uintptr_t value) {
  if (map_set(map, key, (void *)value) < 0)
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
