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

void *require_memory(void *p);
/* VEC_PUSH that ends the program without memory. `owner` has an arena. */
#define PUSH(owner, vec) ((__typeof__((vec)->p))require_memory(VEC_PUSH((owner)->arena, (vec))))
void set(struct map *map, struct str key, uintptr_t value);

struct arena *tool_arena(void);
const struct yyjson_val *load_json(struct arena *arena, const char *path);

#endif
