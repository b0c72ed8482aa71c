#include "mapping/files.h"

#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FILE_BYTES_MAX = 1 << 20, FILES_MAX = 2000 };

static const char *const folders[] = {"messages", "segments", "datatypes", "tables"};

static struct map_file *file_by_name(struct maps *maps, struct str name) {
  for (size_t i = 0; i < maps->files.n; i++)
    if (str_equal(maps->files.p[i].name, name))
      return &maps->files.p[i];
  return NULL;
}

static int add_file(struct maps *maps, struct str name, struct str text, struct err *reterr) {
  struct map_file *file = file_by_name(maps, name);
  if (!file) {
    if (maps->files.n >= FILES_MAX)
      return err_set_at(reterr, ERR_TOO_LONG, name, "there are more than %d map files", FILES_MAX);
    file = VEC_PUSH(maps->arena, &maps->files);
  }
  if (!file)
    return err_no_memory(reterr);
  file->name = name;
  file->text = text;
  return 0;
}

static int read_file(struct maps *maps, const char *path, struct str *ret_text,
                     struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, maps->arena, FILE_BYTES_MAX);
  int code = file_read(path, &buf, reterr);
  *ret_text = buf_str(&buf);
  return code;
}

static int is_map_file(const struct dirent *entry) {
  return entry->d_name[0] != '.' && str_ends_with(str_of(entry->d_name), STR(".map"));
}

static int load_folder(struct maps *maps, const char *dir, const char *folder, struct err *reterr) {
  struct str path = arena_printf(maps->arena, "%s/%s", dir, folder);
  if (!path.p)
    return err_no_memory(reterr);
  struct dirent **entries = NULL;
  int n = scandir(path.p, &entries, is_map_file, alphasort);
  if (n < 0)
    return errno == ENOENT ? 0
                           : err_set(reterr, ERR_IO, path.p, "can't be read: %s", strerror(errno));
  int result = 0;
  for (int i = 0; i < n; i++) {
    if (!result) {
      struct str name = arena_printf(maps->arena, "%s/%s", folder, entries[i]->d_name);
      struct str full = arena_printf(maps->arena, "%s/%s", dir, name.p ? name.p : "");
      struct str text = STR_NULL;
      if (!name.p || !full.p)
        result = err_no_memory(reterr);
      else if ((result = read_file(maps, full.p, &text, reterr)) == 0)
        result = add_file(maps, name, text, reterr);
    }
    free(entries[i]);
  }
  free(entries);
  return result;
}

int files_load(struct maps *maps, const struct embedded_map *texts, size_t n,
               const char *override_dir, struct err *reterr) {
  for (size_t i = 0; i < n; i++) {
    int result = add_file(maps, str_of(texts[i].name), str_n(texts[i].text, texts[i].n), reterr);
    if (result)
      return result;
  }
  if (!override_dir)
    return 0;
  struct stat st;
  if (stat(override_dir, &st) != 0 || !S_ISDIR(st.st_mode))
    return err_set(reterr, ERR_IO, override_dir, "this folder of maps can't be read");
  for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
    int result = load_folder(maps, override_dir, folders[i], reterr);
    if (result)
      return result;
  }
  return 0;
}

static int fault(const struct map_file *file, size_t line, struct err *reterr, const char *text) {
  char where[100];
  snprintf(where, sizeof where, "%.*s line %zu", STR_ARG(file->name), line);
  return err_set(reterr, ERR_STRUCTURE, where, "%s", text);
}

/* The text before a comment: a # outside strings that is first or follows a space. -1 for an open
 * string. */
static ssize_t code_length(struct str line) {
  bool in_string = false;
  for (size_t i = 0; i < line.n; i++) {
    char c = line.p[i];
    if (in_string && c == '\\')
      i++;
    else if (c == '"')
      in_string = !in_string;
    else if (c == '#' && !in_string && (i == 0 || line.p[i - 1] == ' '))
      return (ssize_t)i;
  }
  return in_string ? -1 : (ssize_t)line.n;
}

static bool is_continuation(struct str text) {
  static const char *const words[] = {"if ", "and ", "or ", "via ", ": "};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (str_starts_with(text, str_of(words[i])))
      return true;
  return false;
}

/* Fills in `end` and refuses an indentation that is neither of a row above nor deeper than the
 * last. */
static int nest(struct arena *arena, const struct map_file *file, struct text_rows *rows,
                struct err *reterr) {
  VEC(uint32_t) open = {0};
  for (uint32_t i = 0; i < rows->list.n; i++) {
    uint32_t indent = rows->list.p[i].indent, last = UINT32_MAX;
    while (open.n && rows->list.p[open.p[open.n - 1]].indent >= indent) {
      last = rows->list.p[open.p[open.n - 1]].indent;
      rows->list.p[open.p[--open.n]].end = i;
    }
    if (last != UINT32_MAX && last != indent)
      return fault(file, rows->list.p[i].line, reterr,
                   "the indentation is not that of a row above");
    uint32_t *top = VEC_PUSH(arena, &open);
    if (!top)
      return err_no_memory(reterr);
    *top = i;
  }
  while (open.n)
    rows->list.p[open.p[--open.n]].end = (uint32_t)rows->list.n;
  return 0;
}

static int cut_lines(struct arena *arena, struct map_file *file, struct err *reterr) {
  VEC(struct str) lines = {0};
  struct str rest = file->text, line;
  while (str_split(&rest, '\n', &line)) {
    struct str *item = VEC_PUSH(arena, &lines);
    if (!item)
      return err_no_memory(reterr);
    *item = line.n && line.p[line.n - 1] == '\r' ? str_n(line.p, line.n - 1) : line;
  }
  file->lines = lines.p;
  file->lines_n = lines.n;
  return 0;
}

int files_cut(struct arena *arena, struct map_file *file, struct text_rows *ret_rows,
              struct err *reterr) {
  struct text_rows rows = {0};
  if (!str_is_utf8(file->text))
    return fault(file, 1, reterr, "the file is not UTF-8");
  int result = cut_lines(arena, file, reterr);
  for (size_t i = 0; !result && i < file->lines_n; i++) {
    ssize_t n = code_length(file->lines[i]);
    if (n < 0)
      return fault(file, i + 1, reterr, "a string is not closed");
    struct str code = str_n(file->lines[i].p, (size_t)n), text = str_trim(code);
    if (str_is_empty(text))
      continue;
    if (str_find_char(code, '\t', 0) >= 0)
      return fault(file, i + 1, reterr, "a tab; indentation is made of spaces");
    uint32_t indent = (uint32_t)(text.p - code.p);
    if (rows.list.n && indent && is_continuation(text)) {
      struct text_row *above = &rows.list.p[rows.list.n - 1];
      above->text = arena_printf(arena, "%.*s %.*s", STR_ARG(above->text), STR_ARG(text));
      if (!above->text.p)
        return err_no_memory(reterr);
      continue;
    }
    struct text_row *row = VEC_PUSH(arena, &rows.list);
    if (!row)
      return err_no_memory(reterr);
    *row = (struct text_row){.text = text, .line = (uint32_t)i + 1, .indent = indent};
  }
  if (!result)
    result = nest(arena, file, &rows, reterr);
  if (!result)
    *ret_rows = rows;
  return result;
}
