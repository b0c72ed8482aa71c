#include "main/resource_file.h"

#include "main/import_source.h"

static int each_line(struct arena *arena, const struct import_block *block, resource_file_fn *each,
                     void *what, struct err *reterr) {
  struct str rest = block->text, line;
  int code = 0;
  for (size_t number = block->first_line; !code && str_split(&rest, '\n', &line); number++) {
    line = str_trim(line);
    if (str_is_empty(line))
      continue;
    code = each(what, number, line, reterr);
    arena_reset(arena);
  }
  return code;
}

/* NDJSON of one line is one resource. */
static bool is_one(const struct import_block *block) {
  return block->is_one_value ||
         (block->first_line == 1 && str_find_char(str_trim(block->text), '\n', 0) < 0);
}

struct reading {
  struct import_source *source;
  struct arena *block, *arena; /* of a block; of a resource */
  const char *path;
};

static int each_block(struct reading *r, resource_file_fn *each, void *what, struct err *reterr) {
  bool is_end = false, is_empty = true;
  for (;;) {
    struct import_block block = {0};
    int code = import_source_next(r->source, r->block, &block, &is_end, reterr);
    if (code || is_end)
      return !code && is_empty ? err_set(reterr, ERR_REQUIRED, r->path, "the file is empty") : code;
    is_empty = is_empty && str_is_empty(str_trim(block.text));
    code = is_one(&block) && !is_empty ? each(what, 0, str_trim(block.text), reterr)
                                       : each_line(r->arena, &block, each, what, reterr);
    arena_reset(r->arena);
    arena_reset(r->block);
    if (code)
      return code;
  }
}

int resource_file_each(struct arena *arena, const char *path, resource_file_fn *each, void *what,
                       struct err *reterr) {
  struct reading r = {.arena = arena, .path = path, .block = arena_new(2 * IMPORT_LINE_MAX_BYTES)};
  int code = r.block ? import_source_open(path, &r.source, reterr) : err_no_memory(reterr);
  if (!code)
    code = each_block(&r, each, what, reterr);
  import_source_close(r.source);
  arena_free(r.block);
  return code;
}
