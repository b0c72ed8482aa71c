/*
 * What the compilers of definitions share: they run at build time, on files that we chose, so that
 * anything wrong is said on standard error and ends the program. Memory: one arena for the whole
 * run; nothing is freed.
 */
#ifndef DEFS_TOOL_H
#define DEFS_TOOL_H

#include "base/map.h"
#include "format/json.h"

/* Says what is wrong with the definitions and ends the program. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

void *require_memory(void *p) __attribute__((returns_nonnull));
/* VEC_PUSH that ends the program without memory: the address of the new item. `owner` has an arena.
 */
#define PUSH(owner, vec)                                                                           \
  (push((owner)->arena, (void **)&(vec)->p, &(vec)->n, &(vec)->capacity, sizeof *(vec)->p),        \
   &(vec)->p[(vec)->n - 1])
void push(struct arena *arena, void **p, size_t *n, size_t *capacity, size_t item_bytes);

/* Maps from names to numbers; a name that isn't there has 0. */
void set_number(struct map *map, struct str key, uint32_t value);
uint32_t get_number(const struct map *map, struct str key);
/* A map from names to values of JSON, read with map_get. */
void set_value(struct map *map, struct str key, const struct yyjson_val *value);

struct arena *tool_arena(void);
const struct yyjson_val *load_json(struct arena *arena, const char *path);

#endif
