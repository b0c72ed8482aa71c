/*
 * Writes C records as assembler, so that tables made at build time are linked in and used in place.
 *
 * A table is an array of plain C structs. It is written word by word as it lies in memory, except
 * that a string's address becomes `pool + offset` (a relocation), and the strings themselves go
 * into one pool that the assembler includes as bytes. So the layout is the C compiler's own, on the
 * machine that builds. The output depends on nothing but the input.
 *
 * Threads: one owner. Memory: on its arena.
 */
#ifndef DEFS_EMIT_H
#define DEFS_EMIT_H

#include "base/base.h"
#include "base/map.h"

struct emit {
  struct arena *arena;
  const char *pool_name; /* the symbol of the string pool */
  struct buf assembler, pool;
  struct map offsets; /* of the strings in the pool, + 1 */
};

void emit_init(struct emit *emit, struct arena *arena, const char *pool_name);

/* The place of `s` in the pool; equal strings share one. */
uint32_t emit_offset(struct emit *emit, struct str s);

/*
 * The table `name` of `count` records of `size` bytes. `strings` lists the offsets of the struct
 * str members of a record, `strings_n` of them.
 */
void emit_table(struct emit *emit, const char *name, const void *records, size_t count, size_t size,
                const size_t *strings, size_t strings_n);

/* A vector as a table; with the offsets of its records' strings, or without strings. */
#define EMIT(emit, name, vec, ...)                                                                 \
  emit_table((emit), (name), (vec).p, (vec).n, sizeof *(vec).p, (const size_t[]){__VA_ARGS__},     \
             sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t))
#define EMIT_PLAIN(emit, name, vec)                                                                \
  emit_table((emit), (name), (vec).p, (vec).n, sizeof *(vec).p, NULL, 0)

/* A constant of 64 bits. */
void emit_number(struct emit *emit, const char *name, uint64_t value);

/* Writes the two files. Returns 0, or -1 and has said why on standard error. */
int emit_write(struct emit *emit, const char *assembler_path, const char *pool_path) MUST_CHECK;

#endif
