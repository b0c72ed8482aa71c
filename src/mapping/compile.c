#include "mapping/compile.h"

#include <stdio.h>
#include <stdlib.h>

enum { MAPS_BYTES_MAX = 64 << 20 };

/* ---- heads of blocks: names first, so that maps can name each other in any order ---- */

static bool is_name_char(char c) {
  return c != ' ' && c != ':';
}

static bool belongs_to_type(char c) {
  return belongs_to_name(c) || c == '.';
}

static int register_name(struct cursor *cursor, struct map *by_name, struct str name, size_t index,
                         struct err *reterr) {
  if (str_is_empty(name))
    return compile_fault(cursor, reterr, "a name is missing");
  if (map_get(by_name, name))
    return compile_fault(cursor, reterr, "'%.*s' is already there", STR_ARG(name));
  return index_set(by_name, name, (uint32_t)index) < 0 ? err_no_memory(reterr) : 0;
}

static int register_map(struct cursor *cursor, struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  struct str name = cursor_take(cursor, is_name_char);
  if (!cursor_accept(cursor, ":"))
    return compile_fault(cursor, reterr, "': TYPE' is missing after the name");
  struct str type = cursor_take(cursor, belongs_to_type);
  struct program_map *map = VEC_PUSH(maps->arena, &maps->maps);
  if (!map)
    return err_no_memory(reterr);
  *map = (struct program_map){.name = name,
                              .type = defs_type_by_name(type),
                              .segment = segment_code(str_slice(name, 0, 3)),
                              .file = cursor->c->file,
                              .line = cursor->line};
  if (name.n > 3 && name.p[3] != '[')
    map->segment = 0;
  if (!map->type)
    return compile_fault(cursor, reterr, "FHIR has no type '%.*s'", STR_ARG(type));
  map->primitive = primitive_of(map->type);
  int result = cursor_expect_end(cursor, reterr);
  return result ? result
                : register_name(cursor, &maps->maps_by_name, name, maps->maps.n - 1, reterr);
}

static int register_table(struct cursor *cursor, struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  struct str name = cursor_take(cursor, is_name_char);
  struct program_table *table = VEC_PUSH(maps->arena, &maps->tables);
  if (!table)
    return err_no_memory(reterr);
  *table = (struct program_table){.name = name, .file = cursor->c->file, .line = cursor->line};
  map_init(&table->exact, maps->arena);
  map_init(&table->folded, maps->arena);
  return register_name(cursor, &maps->tables_by_name, name, maps->tables.n - 1, reterr);
}

static int register_blocks(struct compiler *c, const struct text_rows *rows, struct err *reterr) {
  int result = 0;
  for (uint32_t i = 0; !result && i < rows->list.n; i = rows->list.p[i].end) {
    struct cursor cursor = {.c = c, .text = rows->list.p[i].text, .line = rows->list.p[i].line};
    if (rows->list.p[i].indent)
      return compile_fault(&cursor, reterr, "a block begins at the left margin");
    if (cursor_accept_word(&cursor, "map"))
      result = register_map(&cursor, reterr);
    else if (cursor_accept_word(&cursor, "table"))
      result = register_table(&cursor, reterr);
    else if (!cursor_accept_word(&cursor, "message"))
      result = compile_fault(&cursor, reterr, "a block begins with 'map', 'table' or 'message'");
  }
  return result;
}

/* ---- the body of a map ---- */

static struct program_map *map_at(struct compiler *c) {
  return &c->maps->maps.p[c->map];
}

static int key_row(struct cursor *cursor, bool is_shared, bool is_further, struct err *reterr) {
  struct compiler *c = cursor->c;
  struct maps *maps = c->maps;
  struct key *key = VEC_PUSH(maps->arena, &maps->keys);
  if (!key)
    return err_no_memory(reterr);
  uint32_t index = (uint32_t)maps->keys.n - 1, *link = &map_at(c)->first_key, n = 0;
  *key = (struct key){
      .first_part = (uint32_t)maps->key_parts.n, .is_shared = is_shared, .is_further = is_further};
  while (*link)
    link = &maps->keys.p[*link].next;
  *link = index;
  do {
    uint32_t expression = 0;
    int result = compile_text(cursor, map_at(c)->type, &expression, reterr);
    if (result)
      return result;
    struct key_part *part = VEC_PUSH(maps->arena, &maps->key_parts);
    if (!part)
      return err_no_memory(reterr);
    part->expression = expression;
    part->is_optional = cursor_accept(cursor, "?");
    n++;
  } while (cursor_accept(cursor, ","));
  maps->keys.p[index].parts_n = n;
  return cursor_expect_end(cursor, reterr);
}

static int choose_row(struct cursor *cursor, struct err *reterr) {
  struct compiler *c = cursor->c;
  uint32_t map = 0, condition = 0;
  int result = compile_map_name(cursor, &map, reterr);
  if (!result)
    result = compile_if(cursor, map_at(c)->type, &condition, reterr);
  if (!result && c->maps->maps.p[map].type != map_at(c)->type)
    result = compile_fault(cursor, reterr, "the map chosen is of another type");
  if (result)
    return result;
  struct choice *choice = VEC_PUSH(c->maps->arena, &c->maps->choices);
  if (!choice)
    return err_no_memory(reterr);
  *choice = (struct choice){map, condition, 0};
  uint32_t *link = &map_at(c)->first_choice;
  while (*link)
    link = &c->maps->choices.p[*link].next;
  *link = (uint32_t)c->maps->choices.n - 1;
  return 0;
}

static int ignore_row(struct cursor *cursor, struct err *reterr) {
  struct program_map *map = map_at(cursor->c);
  do {
    struct source source = {0};
    int result = compile_source(cursor, false, &source, reterr);
    if (result)
      return result;
    if (source.segment && source.segment != map->segment)
      return compile_fault(cursor, reterr, "this is a field of another segment");
    if (source.segment)
      map->condition_fields.bits[source.field / 64] |= UINT64_C(1) << source.field % 64;
    else
      map->components |= UINT64_C(1) << source.component;
  } while (cursor_accept(cursor, ","));
  return cursor_expect_end(cursor, reterr);
}

/* yield status, class if CONDITION */
static int yield_row(struct cursor *cursor, struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  uint32_t first = (uint32_t)maps->yields.n;
  do {
    struct str name = cursor_take(cursor, belongs_to_type);
    if (!defs_property(map_at(cursor->c)->type, name))
      return compile_fault(cursor, reterr, "there is no element '%.*s'", STR_ARG(name));
    struct yield *yield = VEC_PUSH(maps->arena, &maps->yields);
    if (!yield)
      return err_no_memory(reterr);
    *yield = (struct yield){.element = name};
  } while (cursor_accept(cursor, ","));
  uint32_t condition = 0;
  int result = compile_if(cursor, map_at(cursor->c)->type, &condition, reterr);
  for (uint32_t i = first; i < maps->yields.n; i++) {
    maps->yields.p[i].condition = condition;
    maps->yields.p[i].next = map_at(cursor->c)->first_yield;
    map_at(cursor->c)->first_yield = i;
  }
  return result;
}

/* except "SS", "DL" */
static int identify_except(struct cursor *cursor, struct program_map *map, struct err *reterr) {
  do {
    uint32_t type_code = 0;
    int result = compile_text(cursor, map->type, &type_code, reterr);
    if (!result && cursor->c->maps->expressions.p[type_code].op != EXPRESSION_STRING)
      result = compile_fault(cursor, reterr, "codes in quotes are wanted after 'except'");
    if (result)
      return result;
    cursor->c->maps->expressions.p[type_code].next = map->identify_except;
    map->identify_except = type_code;
  } while (cursor_accept(cursor, ","));
  return 0;
}

static int identify_row(struct cursor *cursor, struct err *reterr) {
  struct program_map *map = map_at(cursor->c);
  if (!cursor_accept_word(cursor, "by") || !cursor_accept_word(cursor, "identifier"))
    return compile_fault(cursor, reterr, "'identify by identifier' is what there is");
  map->identifies = true;
  int result = cursor_accept_word(cursor, "except") ? identify_except(cursor, map, reterr) : 0;
  if (result)
    return result;
  return compile_if(cursor, map->type, &map->identify_condition, reterr);
}

/* A directive, or not (then *ret_is_directive is false). */
static int directive(struct cursor *cursor, bool *ret_is_directive, struct err *reterr) {
  struct program_map *map = map_at(cursor->c);
  *ret_is_directive = true;
  bool is_shared = cursor_accept_word(cursor, "shared");
  bool is_further = cursor_accept_word(cursor, "further");
  if (cursor_accept_word(cursor, "key"))
    return key_row(cursor, is_shared, is_further, reterr);
  if (is_shared || is_further)
    return compile_fault(cursor, reterr, "'key' is wanted here");
  if (cursor_accept_word(cursor, "choose"))
    return choose_row(cursor, reterr);
  if (cursor_accept_word(cursor, "ignore"))
    return ignore_row(cursor, reterr);
  if (cursor_accept_word(cursor, "identify"))
    return identify_row(cursor, reterr);
  if (cursor_accept_word(cursor, "yield"))
    return yield_row(cursor, reterr);
  if (cursor_accept_word(cursor, "snapshot")) {
    map->is_snapshot = true;
    return cursor_expect_end(cursor, reterr);
  }
  if (cursor_accept_word(cursor, "transient")) {
    map->is_transient = true;
    return cursor_expect_end(cursor, reterr);
  }
  *ret_is_directive = false;
  return 0;
}

static int compile_map(struct compiler *c, const struct text_rows *rows, uint32_t at,
                       struct err *reterr) {
  const struct text_row *head = &rows->list.p[at];
  struct cursor cursor = {.c = c, .text = head->text, .line = head->line};
  cursor_accept_word(&cursor, "map");
  int result = compile_map_name(&cursor, &c->map, reterr);
  if (result)
    return result;
  uint32_t first = (uint32_t)c->maps->rows.n;
  map_at(c)->first_row = map_at(c)->end_row = first;
  for (uint32_t i = at + 1; !result && i < head->end; i = rows->list.p[i].end) {
    struct cursor row = {.c = c, .text = rows->list.p[i].text, .line = rows->list.p[i].line};
    bool is_directive = false;
    result = directive(&row, &is_directive, reterr);
    if (result || is_directive)
      continue;
    if (map_at(c)->first_choice)
      return compile_fault(&row, reterr, "a map holds either rows or 'choose' lines");
    result = compile_rows(c, rows, i, rows->list.p[i].end, map_at(c)->type, reterr);
  }
  map_at(c)->end_row = (uint32_t)c->maps->rows.n;
  return result;
}

static int compile_blocks(struct compiler *c, const struct text_rows *rows, struct err *reterr) {
  int result = 0;
  for (uint32_t i = 0; !result && i < rows->list.n; i = rows->list.p[i].end) {
    struct cursor cursor = {.c = c, .text = rows->list.p[i].text, .line = rows->list.p[i].line};
    if (cursor_accept_word(&cursor, "map"))
      result = compile_map(c, rows, i, reterr);
    else if (cursor_accept_word(&cursor, "table"))
      result = compile_table(c, rows, i, reterr);
    else
      result = compile_message(c, rows, i, reterr);
  }
  return result;
}

/* ---- all files ---- */

/* Index 0 of every array means "none". */
static int reserve_zero(struct maps *maps, struct err *reterr) {
#define RESERVE(vec)                                                                               \
  do {                                                                                             \
    void *none = VEC_PUSH(maps->arena, vec);                                                       \
    if (!none)                                                                                     \
      return err_no_memory(reterr);                                                                \
  } while (0)
  RESERVE(&maps->rows);
  RESERVE(&maps->steps);
  RESERVE(&maps->expressions);
  RESERVE(&maps->maps);
  RESERVE(&maps->tables);
  RESERVE(&maps->patterns);
  RESERVE(&maps->items);
  RESERVE(&maps->messages);
  RESERVE(&maps->keys);
  RESERVE(&maps->choices);
  RESERVE(&maps->yields);
  RESERVE(&maps->names);
#undef RESERVE
  static const char *const reserved[] = {"this", "parent"};
  for (uint32_t i = 0; i < 2; i++) {
    struct str *name = VEC_PUSH(maps->arena, &maps->names);
    if (!name || index_set(&maps->names_by_text, str_of(reserved[i]), i + 1) < 0)
      return err_no_memory(reterr);
    *name = str_of(reserved[i]);
  }
  return 0;
}

static int compile_files(struct maps *maps, struct err *reterr) {
  struct compiler c = {.maps = maps};
  struct text_rows *rows = ARENA_ARRAY(maps->arena, struct text_rows, maps->files.n + 1);
  if (!rows)
    return err_no_memory(reterr);
  int result = reserve_zero(maps, reterr);
  for (size_t i = 0; !result && i < maps->files.n; i++) {
    c.file = (uint16_t)i;
    result = files_cut(maps->arena, &maps->files.p[i], &rows[i], reterr);
    if (!result)
      result = register_blocks(&c, &rows[i], reterr);
  }
  for (size_t i = 0; !result && i < maps->files.n; i++) {
    c.file = (uint16_t)i;
    result = compile_blocks(&c, &rows[i], reterr);
  }
  if (!result)
    compile_measure(maps);
  return result;
}

static struct maps *new_maps(void) {
  struct arena *arena = arena_new(MAPS_BYTES_MAX);
  struct maps *maps = arena ? ARENA_NEW(arena, struct maps) : NULL;
  if (!maps) {
    arena_free(arena);
    return NULL;
  }
  maps->arena = arena;
  map_init(&maps->maps_by_name, arena);
  map_init(&maps->tables_by_name, arena);
  map_init(&maps->names_by_text, arena);
  map_init(&maps->messages_by_name, arena);
  maps->type_reference = defs_type_by_name(STR("Reference"));
  maps->type_coding = defs_type_by_name(STR("Coding"));
  maps->type_codeable_concept = defs_type_by_name(STR("CodeableConcept"));
  maps->type_bundle = defs_type_by_name(STR("Bundle"));
  return maps;
}

static int open_with(const struct embedded_map *texts, size_t n, const char *override_dir,
                     struct maps **ret_maps, struct err *reterr) {
  struct maps *maps = new_maps();
  if (!maps)
    return err_no_memory(reterr);
  int result = files_load(maps, texts, n, override_dir, reterr);
  if (!result)
    result = compile_files(maps, reterr);
  if (result)
    maps_close(maps);
  else
    *ret_maps = maps;
  return result;
}

int maps_open(const char *override_dir, struct maps **ret_maps, struct err *reterr) {
  return open_with(embedded_maps, embedded_maps_n, override_dir, ret_maps, reterr);
}

int maps_open_texts(const struct embedded_map *texts, size_t n, struct maps **ret_maps,
                    struct err *reterr) {
  return open_with(texts, n, NULL, ret_maps, reterr);
}

void maps_close(struct maps *maps) {
  if (maps)
    arena_free(maps->arena);
}

void maps_digest(const struct maps *maps, uint8_t ret_digest[HASH_SHA256_BYTES]) {
  uint8_t digest[HASH_SHA256_BYTES] = {0};
  for (size_t i = 0; i < maps->files.n; i++) {
    const struct str parts[] = {str_n((const char *)digest, sizeof digest), maps->files.p[i].name,
                                maps->files.p[i].text};
    hash_sha256_parts(parts, sizeof parts / sizeof parts[0], ret_digest);
    memcpy(digest, ret_digest, sizeof digest);
  }
  memcpy(ret_digest, digest, sizeof digest);
}

struct mapping_row maps_row(const struct maps *maps, uint32_t row) {
  if (row == 0 || row >= maps->rows.n)
    return (struct mapping_row){0};
  const struct row *found = &maps->rows.p[row];
  const struct map_file *file = &maps->files.p[found->file];
  struct str text = STR_NULL;
  if (found->line >= 1 && found->line <= file->lines_n)
    text = str_trim(file->lines[found->line - 1]);
  return (struct mapping_row){file->name, found->line, text};
}
