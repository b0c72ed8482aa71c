#include "mapping/compile.h"

static struct item *item_at(struct compiler *c, uint32_t item) {
  return &c->maps->items.p[item];
}

static int new_item(struct compiler *c, uint32_t parent, uint32_t *ret_item, struct err *reterr) {
  struct item *item = VEC_PUSH(c->maps->arena, &c->maps->items);
  if (!item)
    return err_no_memory(reterr);
  item->parent = parent;
  uint32_t made = (uint32_t)c->maps->items.n - 1;
  if (parent) {
    uint32_t *link = &item_at(c, parent)->first_child, order = 1;
    for (; *link; link = &item_at(c, *link)->next)
      order++;
    *link = made;
    item_at(c, made)->order = order;
  }
  *ret_item = made;
  return 0;
}

static int name_type(struct cursor *cursor, uint32_t name, defs_type_id type, struct err *reterr) {
  struct compiler *c = cursor->c;
  if (name >= c->name_types_n) {
    size_t n = (size_t)name * 2 + 16;
    defs_type_id *grown = arena_grow(c->maps->arena, c->name_types, c->name_types_n * sizeof *grown,
                                     n * sizeof *grown);
    if (!grown)
      return err_no_memory(reterr);
    memset(grown + c->name_types_n, 0, (n - c->name_types_n) * sizeof *grown);
    c->name_types = grown;
    c->name_types_n = n;
  }
  if (c->name_types[name] && c->name_types[name] != type)
    return compile_fault(cursor, reterr, "'%.*s' is a %.*s further up",
                         STR_ARG(c->maps->names.p[name]),
                         STR_ARG(defs_type(c->name_types[name])->name));
  c->name_types[name] = type;
  return 0;
}

static int known_name(struct cursor *cursor, uint32_t *ret_name, defs_type_id *ret_type,
                      struct err *reterr) {
  if (!cursor_accept(cursor, "@"))
    return compile_fault(cursor, reterr, "a name like @patient is missing");
  int result = compile_name(cursor, ret_name, reterr);
  if (result)
    return result;
  const struct compiler *c = cursor->c;
  *ret_type = *ret_name < c->name_types_n ? c->name_types[*ret_name] : 0;
  if (!*ret_type)
    return compile_fault(cursor, reterr, "no row further up makes '@%.*s'",
                         STR_ARG(c->maps->names.p[*ret_name]));
  return 0;
}

/* name = MAP, name += MAP */
static int map_row(struct cursor *cursor, uint32_t *ret_row, defs_type_id *ret_type,
                   struct err *reterr) {
  uint32_t name = 0, map = 0, condition = 0, row = 0;
  int result = compile_name(cursor, &name, reterr);
  if (result)
    return result;
  bool adds = cursor_accept(cursor, "+=");
  if (!adds && !cursor_accept(cursor, "="))
    return compile_fault(cursor, reterr, "'=' or '+=' is missing at '%.*s'",
                         STR_ARG(cursor_rest(cursor)));
  result = compile_map_name(cursor, &map, reterr);
  if (result)
    return result;
  *ret_type = cursor->c->maps->maps.p[map].type;
  if (defs_type(*ret_type)->kind != DEFS_KIND_RESOURCE)
    return compile_fault(cursor, reterr, "a map that makes a resource is wanted here");
  result = name_type(cursor, name, *ret_type, reterr);
  if (!result)
    result = compile_if(cursor, *ret_type, &condition, reterr);
  if (!result)
    result = compile_new_row(cursor, adds ? ROW_ADD : ROW_NEW, &row, reterr);
  if (result)
    return result;
  struct row *made = &cursor->c->maps->rows.p[row];
  made->name = name;
  made->map = map;
  made->condition = condition;
  *ret_row = row;
  return 0;
}

/* @name.path = ..., all @name.path = ... */
static int other_row(struct cursor *cursor, enum row_kind kind, uint32_t *ret_row,
                     struct err *reterr) {
  uint32_t name = 0, row = 0;
  defs_type_id type = 0;
  int result = known_name(cursor, &name, &type, reterr);
  if (!result && !cursor_accept(cursor, "."))
    result = compile_fault(cursor, reterr, "a path is missing after the name");
  if (!result)
    result = compile_new_row(cursor, kind, &row, reterr);
  if (result)
    return result;
  *ret_row = row;
  cursor->c->maps->rows.p[row].name = name;
  return compile_assignment(cursor, type, row, reterr);
}

static int merge_row(struct cursor *cursor, uint32_t *ret_row, struct err *reterr) {
  uint32_t into = 0, from = 0, condition = 0, row = 0;
  defs_type_id into_type = 0, from_type = 0;
  int result = known_name(cursor, &into, &into_type, reterr);
  if (!result && !cursor_accept_word(cursor, "from"))
    result = compile_fault(cursor, reterr, "'from' is missing");
  if (!result)
    result = known_name(cursor, &from, &from_type, reterr);
  if (!result && into_type != from_type)
    result = compile_fault(cursor, reterr, "only resources of the same type merge");
  if (!result)
    result = compile_if(cursor, into_type, &condition, reterr);
  if (!result)
    result = compile_new_row(cursor, ROW_MERGE, &row, reterr);
  if (result)
    return result;
  struct row *made = &cursor->c->maps->rows.p[row];
  made->name = into;
  made->other = from;
  made->condition = condition;
  *ret_row = row;
  return 0;
}

static int segment_rows(struct compiler *c, const struct text_rows *rows, uint32_t first,
                        uint32_t end, struct err *reterr) {
  int result = 0;
  for (uint32_t i = first; !result && i < end; i = rows->list.p[i].end) {
    const struct text_row *text = &rows->list.p[i];
    struct cursor cursor = {.c = c, .text = text->text, .line = text->line};
    uint32_t row = 0;
    defs_type_id type = 0;
    if (cursor_accept_word(&cursor, "merge"))
      result = merge_row(&cursor, &row, reterr);
    else if (cursor_accept_word(&cursor, "all"))
      result = other_row(&cursor, ROW_EACH, &row, reterr);
    else if (cursor_peek(&cursor) == '@')
      result = other_row(&cursor, ROW_OTHER, &row, reterr);
    else
      result = map_row(&cursor, &row, &type, reterr);
    if (!result && text->end > i + 1) {
      if (!type)
        return compile_fault(&cursor, reterr, "nothing can stand below this row");
      result = compile_rows(c, rows, i + 1, text->end, type, reterr);
    }
    if (!result)
      c->maps->rows.p[row].end = (uint32_t)c->maps->rows.n;
  }
  return result;
}

static int structure(struct compiler *c, const struct text_rows *rows, uint32_t first, uint32_t end,
                     uint32_t parent, struct err *reterr) {
  int result = 0;
  for (uint32_t i = first; !result && i < end; i = rows->list.p[i].end) {
    const struct text_row *text = &rows->list.p[i];
    struct cursor cursor = {.c = c, .text = text->text, .line = text->line};
    if (cursor_accept_word(&cursor, "for") || cursor_accept_word(&cursor, "needs"))
      continue; /* the head of the message; see compile_message */
    bool is_group = cursor_accept_word(&cursor, "group");
    struct str name = cursor_take(&cursor, belongs_to_name);
    uint32_t item = 0;
    if (str_is_empty(name) || (!is_group && !segment_code(name)))
      return compile_fault(&cursor, reterr, "a segment or 'group NAME' is wanted here");
    result = new_item(c, parent, &item, reterr);
    if (result)
      return result;
    item_at(c, item)->name = name;
    item_at(c, item)->segment = is_group ? 0 : segment_code(name);
    item_at(c, item)->repeats = cursor_accept(&cursor, "*");
    result = cursor_expect_end(&cursor, reterr);
    if (result)
      return result;
    if (is_group) {
      result = structure(c, rows, i + 1, text->end, item, reterr);
    } else {
      item_at(c, item)->first_row = (uint32_t)c->maps->rows.n;
      result = segment_rows(c, rows, i + 1, text->end, reterr);
      item_at(c, item)->end_row = (uint32_t)c->maps->rows.n;
    }
  }
  return result;
}

static bool belongs_to_event(char c) {
  return belongs_to_name(c) || c == '*';
}

/* for ORU^R01, ADT^*, * */
static int for_row(struct cursor *cursor, uint32_t message, struct err *reterr) {
  do {
    struct str type = cursor_take(cursor, belongs_to_event), event = STR("*");
    if (cursor_accept(cursor, "^"))
      event = cursor_take(cursor, belongs_to_event);
    if (str_is_empty(type) || str_is_empty(event))
      return compile_fault(cursor, reterr, "a message type and event like ADT^A01 are missing");
    struct program_event *made = VEC_PUSH(cursor->c->maps->arena, &cursor->c->maps->events);
    if (!made)
      return err_no_memory(reterr);
    *made = (struct program_event){type, event, message};
  } while (cursor_accept(cursor, ","));
  return cursor_expect_end(cursor, reterr);
}

static int needs_row(struct cursor *cursor, uint32_t message, struct err *reterr) {
  struct program_message *made = &cursor->c->maps->messages.p[message];
  do {
    struct str name = cursor_take(cursor, belongs_to_name);
    if (!segment_code(name) || made->needs_n == sizeof made->needs / sizeof made->needs[0])
      return compile_fault(cursor, reterr, "up to eight segments are wanted here");
    made->needs[made->needs_n++] = segment_code(name);
  } while (cursor_accept(cursor, ","));
  return cursor_expect_end(cursor, reterr);
}

int compile_message(struct compiler *c, const struct text_rows *rows, uint32_t at,
                    struct err *reterr) {
  const struct text_row *head = &rows->list.p[at];
  struct cursor cursor = {.c = c, .text = head->text, .line = head->line};
  if (!cursor_accept_word(&cursor, "message"))
    return compile_fault(&cursor, reterr, "'message NAME' is wanted here");
  struct str name = cursor_take(&cursor, belongs_to_name);
  struct program_message *made = VEC_PUSH(c->maps->arena, &c->maps->messages);
  if (!made)
    return err_no_memory(reterr);
  uint32_t message = (uint32_t)c->maps->messages.n - 1, root = 0;
  *made = (struct program_message){.name = name, .file = c->file};
  if (map_get(&c->maps->messages_by_name, name))
    return compile_fault(&cursor, reterr, "there is already a message '%.*s'", STR_ARG(name));
  if (index_set(&c->maps->messages_by_name, name, message) < 0)
    return err_no_memory(reterr);
  int result = new_item(c, 0, &root, reterr);
  if (!result)
    c->maps->messages.p[message].root = root;
  for (uint32_t i = at + 1; !result && i < head->end; i = rows->list.p[i].end) {
    struct cursor row = {.c = c, .text = rows->list.p[i].text, .line = rows->list.p[i].line};
    if (cursor_accept_word(&row, "for"))
      result = for_row(&row, message, reterr);
    else if (cursor_accept_word(&row, "needs"))
      result = needs_row(&row, message, reterr);
  }
  c->map = 0;
  if (c->name_types)
    memset(c->name_types, 0, c->name_types_n * sizeof *c->name_types);
  return result ? result : structure(c, rows, at + 1, head->end, root, reterr);
}
