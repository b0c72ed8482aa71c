#include "emit.h"

#include "tool.h"

#include <errno.h>

#define EMIT_MAX_BYTES ((size_t)256 << 20)
/* So that a reader may look eight bytes at a time. */
#define POOL_PADDING_BYTES 16

void emit_init(struct emit *emit, struct arena *arena, const char *pool_name) {
  *emit = (struct emit){.arena = arena, .pool_name = pool_name};
  buf_init_arena(&emit->assembler, arena, EMIT_MAX_BYTES);
  buf_init_arena(&emit->pool, arena, EMIT_MAX_BYTES);
  map_init(&emit->offsets, arena);
  buf_add_z(&emit->assembler, "/* Written by defs/. */\n");
}

uint32_t emit_offset(struct emit *emit, struct str s) {
  if (str_is_empty(s))
    return 0;
  uint32_t known = get_number(&emit->offsets, s);
  if (known)
    return known - 1;
  uint32_t offset = (uint32_t)emit->pool.n; /* EMIT_MAX_BYTES fits */
  buf_add(&emit->pool, s);
  set_number(&emit->offsets, s, offset + 1);
  return offset;
}

/* What holds addresses is relocated when the program is loaded, and read-only from then on. */
static void begin(struct emit *emit, const char *name, bool has_addresses) {
  buf_printf(&emit->assembler, "  .section %s\n  .globl %s\n  .hidden %s\n  .balign 16\n%s:\n",
             has_addresses ? ".data.rel.ro, \"aw\"" : ".rodata", name, name, name);
}

static bool is_string_at(size_t at, const size_t *strings, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (strings[i] == at)
      return true;
  return false;
}

static void emit_record(struct emit *emit, const char *record, size_t size, const size_t *strings,
                        size_t strings_n) {
  size_t at = 0;
  while (at + 8 <= size) {
    if (is_string_at(at, strings, strings_n)) {
      struct str s;
      memcpy(&s, record + at, sizeof s);
      if (str_is_empty(s))
        buf_add(&emit->assembler, STR("  .quad 0, 0\n"));
      else
        buf_printf(&emit->assembler, "  .quad %s + %u, %zu\n", emit->pool_name,
                   emit_offset(emit, s), s.n);
      at += sizeof s;
      continue;
    }
    uint64_t word;
    memcpy(&word, record + at, sizeof word);
    buf_add(&emit->assembler, STR("  .quad "));
    buf_add_u64(&emit->assembler, word);
    buf_add_char(&emit->assembler, '\n');
    at += sizeof word;
  }
  for (; at < size; at++)
    buf_printf(&emit->assembler, "  .byte %u\n", (unsigned char)record[at]);
}

void emit_table(struct emit *emit, const char *name, const void *records, size_t count, size_t size,
                const size_t *strings, size_t strings_n) {
  begin(emit, name, strings_n > 0);
  /* Small records without strings go out as one run of words. */
  if (strings_n == 0)
    emit_record(emit, records, count * size, NULL, 0);
  else
    for (size_t i = 0; i < count; i++)
      emit_record(emit, (const char *)records + i * size, size, strings, strings_n);
}

void emit_number(struct emit *emit, const char *name, uint64_t value) {
  begin(emit, name, false);
  buf_printf(&emit->assembler, "  .quad %llu\n", (unsigned long long)value);
}

static int write_file(const char *path, struct str content) {
  FILE *file = fopen(path, "wb");
  bool failed = !file || fwrite(content.p, 1, content.n, file) != content.n;
  if (file && fclose(file) != 0)
    failed = true;
  if (failed)
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
  return failed ? -1 : 0;
}

int emit_write(struct emit *emit, const char *assembler_path, const char *pool_path) {
  for (int i = 0; i < POOL_PADDING_BYTES; i++)
    buf_add_char(&emit->pool, '\0');
  begin(emit, emit->pool_name, false);
  buf_printf(&emit->assembler, "  .incbin \"%s\"\n", pool_path);
  buf_add_z(&emit->assembler, "  .section .note.GNU-stack, \"\", %progbits\n");
  if (buf_is_overflown(&emit->assembler) || buf_is_overflown(&emit->pool)) {
    fprintf(stderr, "the definitions are larger than the compiler's limit\n");
    return -1;
  }
  if (write_file(pool_path, buf_str(&emit->pool)) < 0)
    return -1;
  return write_file(assembler_path, buf_str(&emit->assembler));
}
