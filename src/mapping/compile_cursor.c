#include "mapping/compile.h"

#include <stdarg.h>
#include <stdio.h>

int compile_fault(const struct cursor *cursor, struct err *reterr, const char *format, ...) {
  char where[sizeof(((struct err *)0)->where)], text[sizeof(((struct err *)0)->text)];
  snprintf(where, sizeof where, "%.*s line %u",
           STR_ARG(cursor->c->maps->files.p[cursor->c->file].name), cursor->line);
  va_list args;
  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  return err_set(reterr, ERR_STRUCTURE, where, "%s", text);
}

static void skip_spaces(struct cursor *cursor) {
  while (cursor->at < cursor->text.n && cursor->text.p[cursor->at] == ' ')
    cursor->at++;
}

bool cursor_at_end(struct cursor *cursor) {
  skip_spaces(cursor);
  return cursor->at >= cursor->text.n;
}

char cursor_peek(struct cursor *cursor) {
  return cursor_at_end(cursor) ? '\0' : cursor->text.p[cursor->at];
}

struct str cursor_rest(struct cursor *cursor) {
  skip_spaces(cursor);
  return str_slice(cursor->text, cursor->at, SIZE_MAX);
}

bool cursor_accept(struct cursor *cursor, const char *sign) {
  if (!str_starts_with(cursor_rest(cursor), str_of(sign)))
    return false;
  cursor->at += strlen(sign);
  return true;
}

bool belongs_to_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-';
}

bool cursor_accept_word(struct cursor *cursor, const char *word) {
  struct str rest = cursor_rest(cursor);
  size_t n = strlen(word);
  if (!str_starts_with(rest, str_n(word, n)) || (rest.n > n && belongs_to_name(rest.p[n])))
    return false;
  cursor->at += n;
  return true;
}

struct str cursor_take(struct cursor *cursor, bool (*belongs)(char c)) {
  skip_spaces(cursor);
  size_t from = cursor->at;
  while (cursor->at < cursor->text.n && belongs(cursor->text.p[cursor->at]))
    cursor->at++;
  return str_slice(cursor->text, from, cursor->at - from);
}

int cursor_expect_end(struct cursor *cursor, struct err *reterr) {
  if (cursor_at_end(cursor))
    return 0;
  return compile_fault(cursor, reterr, "'%.*s' is not understood here",
                       STR_ARG(cursor_rest(cursor)));
}

int compile_string(struct cursor *cursor, struct str *ret_text, struct err *reterr) {
  if (!cursor_accept(cursor, "\""))
    return compile_fault(cursor, reterr, "a text in double quotes is missing at '%.*s'",
                         STR_ARG(cursor_rest(cursor)));
  struct buf buf;
  buf_init_arena(&buf, cursor->c->maps->arena, cursor->text.n + 1);
  for (; cursor->at < cursor->text.n; cursor->at++) {
    char c = cursor->text.p[cursor->at];
    if (c == '"') {
      cursor->at++;
      *ret_text = buf_str(&buf);
      return buf_is_overflown(&buf) ? err_no_memory(reterr) : 0;
    }
    if (c == '\\' && cursor->at + 1 < cursor->text.n) {
      c = cursor->text.p[++cursor->at];
      c = c == 'n' ? '\n' : c;
    }
    buf_add_char(&buf, c);
  }
  return compile_fault(cursor, reterr, "a string is not closed");
}

static bool belongs_to_number(char c) {
  return c >= '0' && c <= '9';
}

static int number(struct cursor *cursor, uint16_t max, uint16_t *ret_number, struct err *reterr) {
  uint64_t value;
  struct str digits = cursor_take(cursor, belongs_to_number);
  if (!str_to_u64(digits, &value) || value < 1 || value > max)
    return compile_fault(cursor, reterr, "a number from 1 to %u is missing at '%.*s'", max,
                         STR_ARG(cursor_rest(cursor)));
  *ret_number = (uint16_t)value;
  return 0;
}

/* Is the very next character (no space between) this one? */
static bool accept_close(struct cursor *cursor, char c) {
  if (cursor->at >= cursor->text.n || cursor->text.p[cursor->at] != c)
    return false;
  cursor->at++;
  return true;
}

static bool digit_follows(const struct cursor *cursor) {
  return cursor->at + 1 < cursor->text.n && belongs_to_number(cursor->text.p[cursor->at + 1]);
}

static int components(struct cursor *cursor, struct source *source, struct err *reterr) {
  int result = 0;
  if (digit_follows(cursor) && accept_close(cursor, '.'))
    result = number(cursor, 63, &source->component, reterr);
  if (!result && source->component && digit_follows(cursor) && accept_close(cursor, '.'))
    result = number(cursor, 63, &source->subcomponent, reterr);
  return result;
}

static bool is_segment_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_source_next(struct cursor *cursor) {
  struct str rest = cursor_rest(cursor);
  if (rest.n && rest.p[0] == '.')
    return true;
  return rest.n >= 5 && is_segment_char(rest.p[0]) && is_segment_char(rest.p[1]) &&
         is_segment_char(rest.p[2]) && rest.p[3] == '-' && belongs_to_number(rest.p[4]);
}

int compile_source(struct cursor *cursor, bool segment_alone, struct source *ret_source,
                   struct err *reterr) {
  struct source source = {0};
  int result = 0;
  if (cursor_peek(cursor) == '.') {
    if (digit_follows(cursor))
      result = components(cursor, &source, reterr);
    else
      cursor->at++;
  } else {
    struct str name = cursor_take(cursor, is_segment_char);
    source.segment = segment_code(name);
    if (!source.segment)
      return compile_fault(cursor, reterr, "'%.*s' is not a field like PID-3 or .4",
                           STR_ARG(cursor_rest(cursor)));
    if (accept_close(cursor, '-'))
      result = number(cursor, 255, &source.field, reterr);
    else if (!segment_alone)
      return compile_fault(cursor, reterr, "'%.*s' needs a field, as %.*s-1", STR_ARG(name),
                           STR_ARG(name));
    if (!result && source.field && accept_close(cursor, '(')) {
      result = number(cursor, 9999, &source.repetition, reterr);
      if (!result && !accept_close(cursor, ')'))
        result = compile_fault(cursor, reterr, "')' is missing after the repetition");
    }
    if (!result && source.field)
      result = components(cursor, &source, reterr);
  }
  if (!result)
    *ret_source = source;
  return result;
}

uint32_t index_get(const struct map *map, struct str name) {
  const uint32_t *index = map_get(map, name);
  return index ? *index : 0;
}

int index_set(struct map *map, struct str name, uint32_t index) {
  uint32_t *kept = ARENA_NEW(map->arena, uint32_t);
  if (!kept)
    return -1;
  *kept = index;
  return map_set(map, name, kept);
}

int compile_name(struct cursor *cursor, uint32_t *ret_name, struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  struct str text = cursor_take(cursor, belongs_to_name);
  if (str_is_empty(text))
    return compile_fault(cursor, reterr, "the name of a resource is missing");
  uint32_t known = index_get(&maps->names_by_text, text);
  if (!known) {
    struct str *name = VEC_PUSH(maps->arena, &maps->names);
    if (!name)
      return err_no_memory(reterr);
    *name = text;
    known = (uint32_t)maps->names.n - 1;
    if (index_set(&maps->names_by_text, text, known) < 0)
      return err_no_memory(reterr);
  }
  *ret_name = known;
  return 0;
}

/* NAME or NAME[What] */
static struct str bracketed_name(struct cursor *cursor) {
  cursor_peek(cursor);
  size_t from = cursor->at;
  cursor_take(cursor, belongs_to_name);
  if (accept_close(cursor, '[')) {
    while (cursor->at < cursor->text.n && cursor->text.p[cursor->at] != ']')
      cursor->at++;
    accept_close(cursor, ']');
  }
  return str_slice(cursor->text, from, cursor->at - from);
}

int compile_map_name(struct cursor *cursor, uint32_t *ret_map, struct err *reterr) {
  struct str name = bracketed_name(cursor);
  uint32_t found = index_get(&cursor->c->maps->maps_by_name, name);
  if (!found)
    return compile_fault(cursor, reterr, "there is no map '%.*s'", STR_ARG(name));
  *ret_map = found;
  return 0;
}

int compile_table_name(struct cursor *cursor, uint32_t *ret_table, struct err *reterr) {
  struct str name = bracketed_name(cursor);
  uint32_t found = index_get(&cursor->c->maps->tables_by_name, name);
  if (!found)
    return compile_fault(cursor, reterr, "there is no table '%.*s'", STR_ARG(name));
  *ret_table = found;
  return 0;
}

enum primitive primitive_of(defs_type_id type) {
  static const struct {
    const char *name;
    enum primitive primitive;
  } table[] = {
      {"string", PRIMITIVE_STRING},
      {"markdown", PRIMITIVE_MARKDOWN},
      {"xhtml", PRIMITIVE_MARKDOWN},
      {"code", PRIMITIVE_CODE},
      {"id", PRIMITIVE_ID},
      {"uri", PRIMITIVE_URI},
      {"url", PRIMITIVE_URI},
      {"canonical", PRIMITIVE_URI},
      {"oid", PRIMITIVE_URI},
      {"uuid", PRIMITIVE_URI},
      {"date", PRIMITIVE_DATE},
      {"dateTime", PRIMITIVE_DATE_TIME},
      {"instant", PRIMITIVE_INSTANT},
      {"time", PRIMITIVE_TIME},
      {"decimal", PRIMITIVE_DECIMAL},
      {"integer", PRIMITIVE_INTEGER},
      {"positiveInt", PRIMITIVE_POSITIVE_INT},
      {"unsignedInt", PRIMITIVE_UNSIGNED_INT},
      {"boolean", PRIMITIVE_BOOLEAN},
      {"base64Binary", PRIMITIVE_BASE64},
  };
  const struct defs_type *facts = defs_type(type);
  if (!facts || facts->kind != DEFS_KIND_PRIMITIVE)
    return PRIMITIVE_NONE;
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (str_is(facts->name, table[i].name))
      return table[i].primitive;
  return PRIMITIVE_STRING;
}

static bool is_path_char(char c) {
  return belongs_to_name(c);
}

static int path_step(struct cursor *cursor, defs_type_id *type, struct path_step *step,
                     struct err *reterr) {
  struct str name = cursor_take(cursor, is_path_char);
  step->property = defs_property(*type, name);
  if (!step->property)
    return compile_fault(cursor, reterr, "%.*s has no element '%.*s'",
                         STR_ARG(defs_type(*type)->name), STR_ARG(name));
  step->is_list = defs_element(step->property->element)->max > 1;
  *type = step->property->type;
  step->primitive = primitive_of(*type);
  if (!str_is(name, "extension") && !str_is(name, "modifierExtension"))
    return 0;
  if (!accept_close(cursor, '('))
    return compile_fault(cursor, reterr, "an extension needs its URL: extension(\"http://...\")");
  int result = compile_string(cursor, &step->url, reterr);
  if (!result && !accept_close(cursor, ')'))
    result = compile_fault(cursor, reterr, "')' is missing after the URL");
  return result;
}

int compile_path(struct cursor *cursor, defs_type_id type, struct path *ret_path,
                 struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  struct path path = {.first_step = (uint32_t)maps->steps.n, .type = type};
  if (cursor_accept_word(cursor, "this")) {
    if (!accept_close(cursor, '.')) {
      path.primitive = primitive_of(type);
      *ret_path = path;
      return 0;
    }
  }
  do {
    struct path_step *step = VEC_PUSH(maps->arena, &maps->steps);
    if (!step)
      return err_no_memory(reterr);
    int result = path_step(cursor, &path.type, step, reterr);
    if (result)
      return result;
    path.primitive = step->primitive;
    path.has_list |= step->is_list;
    if (step->is_list)
      path.last_list = path.steps_n;
    path.steps_n++;
  } while (accept_close(cursor, '.'));
  *ret_path = path;
  return 0;
}
