#include "main/query_table.h"

enum { CELL_CHARS_MAX = 46, DEFAULT_COLUMNS = 7 };

static void add_column(struct query_table *table, struct str name) {
  if (table->columns_n < QUERY_COLUMNS_MAX && name.n > 0)
    table->columns[table->columns_n++] = name;
}

static bool tells_something(const struct defs_element *element) {
  static const char *const not_shown[] = {"id",   "meta",      "implicitRules", "language",
                                          "text", "contained", "extension"};
  for (size_t i = 0; i < sizeof not_shown / sizeof not_shown[0]; i++)
    if (str_is(element->name, not_shown[i]))
      return false;
  return element->is_summary;
}

void query_table_init(struct query_table *table, struct str names, defs_type_id type) {
  struct str rest = names, name;
  *table = (struct query_table){0};
  while (names.n > 0 && str_split(&rest, ',', &name))
    add_column(table, str_trim(name));
  if (table->columns_n > 0)
    return;
  table->drops_empty = true;
  add_column(table, STR("id"));
  const struct defs_type *facts = defs_type(type);
  for (uint32_t i = 0; i < facts->elements_n && table->columns_n < DEFAULT_COLUMNS; i++) {
    const struct defs_element *element = defs_element(facts->first_element + i);
    if (tells_something(element))
      add_column(table, element->name);
  }
}

/* ---- Cells ----------------------------------------------------------------------------------- */

static void write_value(struct buf *buf, const struct yyjson_val *v);

static void write_members(struct buf *buf, const struct yyjson_val *object,
                          const char *const *names) {
  size_t written = 0;
  for (; *names; names++) {
    const struct yyjson_val *member = json_get(object, str_of(*names));
    if (!member)
      continue;
    buf_add_z(buf, written++ ? " " : "");
    write_value(buf, member);
  }
}

/* The members that say most, by what the object has; the datatypes of FHIR tell themselves apart
 * by them. */
static void write_object(struct buf *buf, const struct yyjson_val *object) {
  static const char *const shapes[][4] = {
      {"text"},   {"display"}, {"reference"},    {"family", "given"}, {"value", "unit"},
      {"coding"}, {"code"},    {"start", "end"}, {"city", "country"}, {"given"},
      {"value"},  {"name"}};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    if (json_get(object, str_of(shapes[i][0]))) {
      const char *names[5] = {shapes[i][0], shapes[i][1], shapes[i][2], shapes[i][3], NULL};
      write_members(buf, object, names);
      return;
    }
  buf_add_z(buf, "{..}");
}

static void write_value(struct buf *buf, const struct yyjson_val *v) {
  if (json_kind(v) == JSON_OBJECT) {
    write_object(buf, v);
  } else if (json_kind(v) == JSON_ARRAY) {
    struct json_each each = json_each(v);
    while (json_next(&each)) {
      buf_add_z(buf, each.index ? ", " : "");
      write_value(buf, each.value);
    }
  } else {
    buf_add(buf, json_text(v));
  }
}

/* `name`, or for a choice the member that begins with it and goes on with a capital. */
static const struct yyjson_val *member(const struct yyjson_val *object, struct str name) {
  const struct yyjson_val *v = json_get(object, name);
  struct json_each each = json_each(json_kind(object) == JSON_OBJECT ? object : NULL);
  while (!v && json_next(&each))
    if (str_starts_with(each.name, name) && each.name.n > name.n && each.name.p[name.n] >= 'A' &&
        each.name.p[name.n] <= 'Z')
      v = each.value;
  return v;
}

static void write_path(struct buf *buf, const struct yyjson_val *v, struct str path) {
  struct str rest = path, name;
  if (json_kind(v) == JSON_ARRAY) {
    struct json_each each = json_each(v);
    while (json_next(&each)) {
      buf_add_z(buf, each.index ? ", " : "");
      write_path(buf, each.value, path);
    }
    return;
  }
  if (!path.p || !str_split(&rest, '.', &name)) {
    write_value(buf, v);
    return;
  }
  write_path(buf, member(v, name), rest);
}

/* Characters, as a terminal counts them roughly: one per code point. */
static size_t width_of(struct str s) {
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++)
    n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
  return n;
}

/* On one line, not wider than CELL_CHARS_MAX; control characters can't reach the terminal. */
static struct str cell_of(struct arena *arena, const struct yyjson_val *resource,
                          struct str column) {
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)1 << 20);
  write_path(&buf, resource, column);
  size_t n = 0, chars = 0;
  for (; n < buf.n; n++) {
    if (((unsigned char)buf.p[n] & 0xc0) != 0x80 && ++chars > CELL_CHARS_MAX)
      break;
    if ((unsigned char)buf.p[n] < ' ' || buf.p[n] == 0x7f)
      buf.p[n] = ' ';
  }
  return str_n(buf.p, n);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static void print_row(const struct query_table *table, const struct str *cells,
                      const size_t *widths, FILE *out) {
  for (size_t i = 0; i < table->columns_n; i++) {
    bool is_last = i + 1 == table->columns_n;
    fprintf(out, "%.*s", STR_ARG(cells[i]));
    if (!is_last)
      fprintf(out, "%*s", (int)(widths[i] - width_of(cells[i]) + 2), "");
  }
  fputc('\n', out);
}

/* Takes the columns out in which no row has anything. */
static void drop_empty_columns(struct query_table *table, struct str *cells, size_t n) {
  size_t kept = 0, columns_n = table->columns_n;
  for (size_t i = 0; i < columns_n; i++) {
    bool is_empty = true;
    for (size_t row = 0; row < n && is_empty; row++)
      is_empty = cells[row * columns_n + i].n == 0;
    if (is_empty)
      continue;
    table->columns[kept] = table->columns[i];
    for (size_t row = 0; row < n; row++)
      cells[row * columns_n + kept] = cells[row * columns_n + i];
    kept++;
  }
  for (size_t row = 1; row < n; row++)
    memmove(cells + row * kept, cells + row * columns_n, kept * sizeof *cells);
  table->columns_n = kept;
  table->drops_empty = false;
}

int query_table_print(struct query_table *table, struct arena *arena, const struct str *texts,
                      size_t n, bool with_heading, FILE *out, struct err *reterr) {
  size_t widths[QUERY_COLUMNS_MAX] = {0};
  struct str *cells = ARENA_ARRAY(arena, struct str, (n + 1) * table->columns_n);
  if (!cells)
    return err_no_memory(reterr);
  for (size_t row = 0; row < n; row++) {
    const struct yyjson_val *resource;
    int code = json_parse(arena, texts[row], NULL, &resource, reterr);
    if (code)
      return code;
    for (size_t i = 0; i < table->columns_n; i++)
      cells[row * table->columns_n + i] = cell_of(arena, resource, table->columns[i]);
  }
  if (table->drops_empty && n > 0)
    drop_empty_columns(table, cells, n);
  for (size_t i = 0; i < table->columns_n; i++) {
    widths[i] = width_of(table->columns[i]);
    for (size_t row = 0; row < n; row++) {
      size_t width = width_of(cells[row * table->columns_n + i]);
      widths[i] = width > widths[i] ? width : widths[i];
    }
  }
  if (with_heading)
    print_row(table, table->columns, widths, out);
  for (size_t row = 0; row < n; row++)
    print_row(table, cells + row * table->columns_n, widths, out);
  return 0;
}
