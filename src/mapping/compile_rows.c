#include "mapping/compile.h"

int compile_new_row(struct cursor *cursor, enum row_kind kind, uint32_t *ret_row,
                    struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  struct row *row = VEC_PUSH(maps->arena, &maps->rows);
  if (!row)
    return err_no_memory(reterr);
  row->kind = kind;
  row->file = cursor->c->file;
  row->line = cursor->line;
  *ret_row = (uint32_t)maps->rows.n - 1;
  return 0;
}

static struct row *at(struct cursor *cursor, uint32_t row) {
  return &cursor->c->maps->rows.p[row];
}

static const struct program_map *map_at(const struct cursor *cursor, uint32_t map) {
  return &cursor->c->maps->maps.p[map];
}

static bool is_resource_type(defs_type_id type) {
  const struct defs_type *facts = defs_type(type);
  return facts && defs_is_resource(facts);
}

/* May what a map makes stand where an element of this type stands? */
static bool fits(const struct maps *maps, defs_type_id made, defs_type_id wanted) {
  if (made == wanted || defs_type_is_a(wanted, made) || defs_type_is_a(made, wanted))
    return true;
  if (is_resource_type(made))
    return wanted == maps->type_reference;
  return primitive_of(made) != PRIMITIVE_NONE && primitive_of(wanted) != PRIMITIVE_NONE;
}

static int map_for(struct cursor *cursor, uint32_t row, struct err *reterr) {
  uint32_t map = 0;
  int result = compile_map_name(cursor, &map, reterr);
  if (result)
    return result;
  const struct path *path = &at(cursor, row)->path;
  if (!fits(cursor->c->maps, map_at(cursor, map)->type, path->type))
    return compile_fault(cursor, reterr, "'%.*s' makes a %.*s, but a %.*s stands here",
                         STR_ARG(map_at(cursor, map)->name),
                         STR_ARG(defs_type(map_at(cursor, map)->type)->name),
                         STR_ARG(defs_type(path->type)->name));
  at(cursor, row)->map = map;
  return 0;
}

/* SOURCE -> PATH [: MAP] [via TABLE] [if ...] */
static int copy_row(struct cursor *cursor, uint32_t row, defs_type_id type, bool has_children,
                    struct err *reterr) {
  struct path path = {0};
  uint32_t condition = 0, table = 0;
  int result = compile_path(cursor, type, &path, reterr);
  if (result)
    return result;
  at(cursor, row)->path = path;
  if (cursor_accept(cursor, ":"))
    result = map_for(cursor, row, reterr);
  if (!result && cursor_accept_word(cursor, "via"))
    result = compile_table_name(cursor, &table, reterr);
  if (!result)
    result = compile_if(cursor, type, &condition, reterr);
  if (result)
    return result;
  at(cursor, row)->table = table;
  at(cursor, row)->condition = condition;
  const struct maps *maps = cursor->c->maps;
  bool is_coded = path.type == maps->type_coding || path.type == maps->type_codeable_concept;
  if (!at(cursor, row)->map && !has_children && path.primitive == PRIMITIVE_NONE &&
      !(table && is_coded))
    return compile_fault(cursor, reterr, "a %.*s needs a map (': MAP') or rows below",
                         STR_ARG(defs_type(path.type)->name));
  if (table && path.primitive == PRIMITIVE_NONE && !is_coded)
    return compile_fault(cursor, reterr, "a table can't make a %.*s",
                         STR_ARG(defs_type(path.type)->name));
  return 0;
}

int compile_assignment(struct cursor *cursor, defs_type_id type, uint32_t row, struct err *reterr) {
  struct path path = {0};
  uint32_t expression = 0, condition = 0;
  int result = compile_path(cursor, type, &path, reterr);
  if (!result && !cursor_accept(cursor, "="))
    result =
        compile_fault(cursor, reterr, "'=' is missing at '%.*s'", STR_ARG(cursor_rest(cursor)));
  if (!result)
    result = compile_text(cursor, type, &expression, reterr);
  if (!result)
    result = compile_if(cursor, type, &condition, reterr);
  if (result)
    return result;
  const struct maps *maps = cursor->c->maps;
  bool is_reference = maps->expressions.p[expression].op == EXPRESSION_REFERENCE;
  if (is_reference ? path.type != maps->type_reference : path.primitive == PRIMITIVE_NONE)
    return compile_fault(cursor, reterr, "%s can't be put into a %.*s",
                         is_reference ? "a reference" : "a text",
                         STR_ARG(defs_type(path.type)->name));
  struct row *made = at(cursor, row);
  made->path = path;
  made->expression = expression;
  made->condition = condition;
  return 0;
}

static int make_row(struct cursor *cursor, uint32_t row, defs_type_id *ret_type,
                    struct err *reterr) {
  uint32_t map = 0, condition = 0;
  int result = compile_map_name(cursor, &map, reterr);
  if (!result && !is_resource_type(map_at(cursor, map)->type))
    result = compile_fault(cursor, reterr, "'=>' wants a map that makes a resource");
  if (!result)
    result = compile_if(cursor, map_at(cursor, map)->type, &condition, reterr);
  if (result)
    return result;
  at(cursor, row)->map = map;
  at(cursor, row)->condition = condition;
  *ret_type = map_at(cursor, map)->type;
  return 0;
}

static int source_row(struct cursor *cursor, defs_type_id type, bool has_children,
                      defs_type_id *ret_below, uint32_t *ret_row, struct err *reterr) {
  struct source source = {0};
  uint32_t row = 0;
  int result = compile_source(cursor, false, &source, reterr);
  if (result)
    return result;
  bool makes = cursor_accept(cursor, "=>");
  if (!makes && !cursor_accept(cursor, "->"))
    return compile_fault(cursor, reterr, "'->' is missing at '%.*s'", STR_ARG(cursor_rest(cursor)));
  result = compile_new_row(cursor, makes ? ROW_MAKE : ROW_COPY, &row, reterr);
  if (result)
    return result;
  at(cursor, row)->source = source;
  if (makes) {
    result = make_row(cursor, row, ret_below, reterr);
  } else {
    result = copy_row(cursor, row, type, has_children, reterr);
    *ret_below = at(cursor, row)->path.type;
  }
  *ret_row = row;
  return result;
}

static int include_row(struct cursor *cursor, defs_type_id type, uint32_t *ret_row,
                       struct err *reterr) {
  uint32_t map = 0, condition = 0;
  int result = compile_map_name(cursor, &map, reterr);
  if (!result && !fits(cursor->c->maps, map_at(cursor, map)->type, type))
    result = compile_fault(
        cursor, reterr, "'%.*s' fills a %.*s, this is a %.*s", STR_ARG(map_at(cursor, map)->name),
        STR_ARG(defs_type(map_at(cursor, map)->type)->name), STR_ARG(defs_type(type)->name));
  if (!result)
    result = compile_if(cursor, type, &condition, reterr);
  if (!result)
    result = compile_new_row(cursor, ROW_INCLUDE, ret_row, reterr);
  if (!result) {
    at(cursor, *ret_row)->map = map;
    at(cursor, *ret_row)->condition = condition;
  }
  return result;
}

static int when_row(struct cursor *cursor, defs_type_id type, uint32_t *ret_row,
                    struct err *reterr) {
  uint32_t condition = 0;
  int result = compile_condition(cursor, type, &condition, reterr);
  if (!result)
    result = cursor_expect_end(cursor, reterr);
  if (!result)
    result = compile_new_row(cursor, ROW_WHEN, ret_row, reterr);
  if (!result)
    at(cursor, *ret_row)->condition = condition;
  return result;
}

/* PATH = ..., or PATH with rows below. */
static int path_row(struct cursor *cursor, defs_type_id type, bool has_children,
                    defs_type_id *ret_below, uint32_t *ret_row, struct err *reterr) {
  uint32_t row = 0, condition = 0;
  int result = compile_new_row(cursor, has_children ? ROW_BLOCK : ROW_SET, &row, reterr);
  *ret_row = row;
  if (result)
    return result;
  if (!has_children)
    return compile_assignment(cursor, type, row, reterr);
  struct path path = {0};
  result = compile_path(cursor, type, &path, reterr);
  if (!result && cursor_peek(cursor) == '=') {
    at(cursor, row)->kind = ROW_SET;
    return compile_fault(cursor, reterr, "nothing can stand below a row with '='");
  }
  if (!result)
    result = compile_if(cursor, path.type, &condition, reterr);
  if (result)
    return result;
  at(cursor, row)->path = path;
  at(cursor, row)->condition = condition;
  *ret_below = path.type;
  return 0;
}

static int one_row(struct compiler *c, const struct text_rows *rows, uint32_t i, defs_type_id type,
                   struct err *reterr) {
  const struct text_row *text = &rows->list.p[i];
  struct cursor cursor = {.c = c, .text = text->text, .line = text->line};
  bool has_children = text->end > i + 1;
  defs_type_id below = type;
  uint32_t row = 0;
  int result;
  if (cursor_accept_word(&cursor, "include"))
    result = include_row(&cursor, type, &row, reterr);
  else if (cursor_accept_word(&cursor, "when"))
    result = when_row(&cursor, type, &row, reterr);
  else if (is_source_next(&cursor))
    result = source_row(&cursor, type, has_children, &below, &row, reterr);
  else
    result = path_row(&cursor, type, has_children, &below, &row, reterr);
  if (!result)
    result = compile_rows(c, rows, i + 1, text->end, below, reterr);
  if (!result)
    c->maps->rows.p[row].end = (uint32_t)c->maps->rows.n;
  return result;
}

int compile_rows(struct compiler *c, const struct text_rows *rows, uint32_t first, uint32_t end,
                 defs_type_id type, struct err *reterr) {
  int result = 0;
  for (uint32_t i = first; !result && i < end; i = rows->list.p[i].end)
    result = one_row(c, rows, i, type, reterr);
  return result;
}
