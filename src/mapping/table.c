/* Tables of codes: compiling the rows of a `table` block, and looking codes up. */
#include "mapping/compile.h"

static bool belongs_to_code(char c) {
  return c != ' ' && c != '"' && c != '|';
}

/* A code, in quotes or not. */
static int code_text(struct cursor *cursor, struct str *ret_text, struct err *reterr) {
  if (cursor_peek(cursor) == '"')
    return compile_string(cursor, ret_text, reterr);
  *ret_text = cursor_take(cursor, belongs_to_code);
  if (str_is_empty(*ret_text))
    return compile_fault(cursor, reterr, "a code is missing at '%.*s'",
                         STR_ARG(cursor_rest(cursor)));
  return 0;
}

/* none | [SYSTEM|]CODE ["DISPLAY"] */
static int entry_of(struct cursor *cursor, struct str to, struct table_entry *ret_entry,
                    struct err *reterr) {
  struct table_entry entry = {.system = to};
  struct str text = STR_NULL;
  bool is_quoted = cursor_peek(cursor) == '"';
  int result = code_text(cursor, &text, reterr);
  if (result)
    return result;
  entry.is_none = !is_quoted && str_is(text, "none");
  entry.code = text;
  if (cursor_accept(cursor, "|")) {
    entry.system = text;
    result = code_text(cursor, &entry.code, reterr);
  }
  if (!result && cursor_peek(cursor) == '"')
    result = compile_string(cursor, &entry.display, reterr);
  if (!result)
    result = cursor_expect_end(cursor, reterr);
  if (!result)
    *ret_entry = entry;
  return result;
}

enum { FOLDED_BYTES_MAX = 128 };

/* Upper case, or as it is when too long for a table. */
static struct str fold(struct str code, char upper[FOLDED_BYTES_MAX]) {
  if (code.n > FOLDED_BYTES_MAX)
    return code;
  for (size_t i = 0; i < code.n; i++)
    upper[i] = code.p[i] >= 'a' && code.p[i] <= 'z' ? (char)(code.p[i] - 'a' + 'A') : code.p[i];
  return str_n(upper, code.n);
}

static int add_exact(struct cursor *cursor, struct program_table *table, struct str code,
                     const struct table_entry *entry, struct err *reterr) {
  struct arena *arena = cursor->c->maps->arena;
  char upper[FOLDED_BYTES_MAX];
  struct table_entry *made = ARENA_NEW(arena, struct table_entry);
  struct str folded = arena_str(arena, fold(code, upper));
  if (!made || !folded.p)
    return err_no_memory(reterr);
  *made = *entry;
  if (map_get(&table->exact, code))
    return compile_fault(cursor, reterr, "the code '%.*s' stands here twice", STR_ARG(code));
  if (map_set(&table->exact, code, made) < 0 ||
      (!map_get(&table->folded, folded) && map_set(&table->folded, folded, made) < 0))
    return err_no_memory(reterr);
  return 0;
}

static int add_pattern(struct cursor *cursor, struct program_table *table, struct str code,
                       ssize_t star, const struct table_entry *entry, struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  struct pattern *made = VEC_PUSH(maps->arena, &maps->patterns);
  if (!made)
    return err_no_memory(reterr);
  *made = (struct pattern){.before = str_slice(code, 0, (size_t)star),
                           .after = str_slice(code, (size_t)star + 1, SIZE_MAX),
                           .entry = *entry};
  uint32_t *link = &table->first_pattern;
  while (*link)
    link = &maps->patterns.p[*link].next;
  *link = (uint32_t)maps->patterns.n - 1;
  return 0;
}

static int table_row(struct cursor *cursor, uint32_t index, struct str to, struct err *reterr) {
  struct program_table *table = &cursor->c->maps->tables.p[index];
  struct table_entry entry = {0};
  struct str code = STR_NULL;
  bool is_quoted = cursor_peek(cursor) == '"';
  int result = code_text(cursor, &code, reterr);
  if (!result && !cursor_accept(cursor, "->"))
    result =
        compile_fault(cursor, reterr, "'->' is missing at '%.*s'", STR_ARG(cursor_rest(cursor)));
  if (result)
    return result;
  if (!is_quoted && str_is(code, "*")) {
    table->has_default = true;
    if (cursor_accept_word(cursor, "keep")) {
      table->default_keeps = true;
      return cursor_expect_end(cursor, reterr);
    }
    return entry_of(cursor, to, &table->fallback, reterr);
  }
  result = entry_of(cursor, to, &entry, reterr);
  if (result)
    return result;
  ssize_t star = is_quoted ? -1 : str_find_char(code, '*', 0);
  return star >= 0 ? add_pattern(cursor, table, code, star, &entry, reterr)
                   : add_exact(cursor, table, code, &entry, reterr);
}

int compile_table(struct compiler *c, const struct text_rows *rows, uint32_t at,
                  struct err *reterr) {
  const struct text_row *head = &rows->list.p[at];
  struct cursor cursor = {.c = c, .text = head->text, .line = head->line};
  cursor_accept_word(&cursor, "table");
  uint32_t table = 0;
  int result = compile_table_name(&cursor, &table, reterr);
  if (!result)
    result = cursor_expect_end(&cursor, reterr);
  struct str to = STR_NULL;
  for (uint32_t i = at + 1; !result && i < head->end; i++) {
    struct cursor row = {.c = c, .text = rows->list.p[i].text, .line = rows->list.p[i].line};
    if (rows->list.p[i].end != i + 1)
      return compile_fault(&row, reterr, "the rows of a table stand all at the same indentation");
    struct cursor ahead = row;
    if (cursor_accept_word(&ahead, "to") && cursor_peek(&ahead) != '-')
      result = code_text(&ahead, &to, reterr);
    else
      result = table_row(&row, table, to, reterr);
  }
  return result;
}

/* `text` with its star replaced. */
static struct str with_star(struct arena *arena, struct str text, struct str star) {
  ssize_t at = str_find_char(text, '*', 0);
  if (at < 0)
    return text;
  return arena_printf(arena, "%.*s%.*s%.*s", (int)at, text.p, STR_ARG(star),
                      STR_ARG(str_slice(text, (size_t)at + 1, SIZE_MAX)));
}

static bool matches(const struct pattern *pattern, struct str code) {
  return code.n >= pattern->before.n + pattern->after.n &&
         str_equal_ignore_case(str_slice(code, 0, pattern->before.n), pattern->before) &&
         str_equal_ignore_case(str_slice(code, code.n - pattern->after.n, SIZE_MAX),
                               pattern->after);
}

static enum lookup answer(const struct table_entry *entry, struct table_entry *ret_entry) {
  *ret_entry = *entry;
  return entry->is_none ? LOOKUP_NONE : LOOKUP_FOUND;
}

enum lookup table_lookup(struct arena *arena, const struct program_table *table,
                         const struct maps *maps, struct str code, struct table_entry *ret_entry) {
  char upper[FOLDED_BYTES_MAX];
  const struct table_entry *entry = map_get(&table->exact, code);
  if (!entry)
    entry = map_get(&table->folded, fold(code, upper));
  if (entry)
    return answer(entry, ret_entry);
  for (uint32_t i = table->first_pattern; i; i = maps->patterns.p[i].next) {
    const struct pattern *pattern = &maps->patterns.p[i];
    if (!matches(pattern, code))
      continue;
    struct str star =
        str_slice(code, pattern->before.n, code.n - pattern->before.n - pattern->after.n);
    *ret_entry = pattern->entry;
    ret_entry->code = with_star(arena, ret_entry->code, star);
    ret_entry->system = with_star(arena, ret_entry->system, star);
    return pattern->entry.is_none ? LOOKUP_NONE : LOOKUP_FOUND;
  }
  if (table->default_keeps) {
    *ret_entry = (struct table_entry){.code = code};
    return LOOKUP_FOUND;
  }
  return table->has_default ? answer(&table->fallback, ret_entry) : LOOKUP_UNKNOWN;
}
