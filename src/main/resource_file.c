#include "main/resource_file.h"

#include "base/file.h"
#include "model/resource_xml.h"

#define FILE_BYTES_MAX ((size_t)256 << 20)

/* Is the text one value to its end? NDJSON of one line is that too. */
static bool is_one_resource(struct arena *arena, struct str text) {
  const struct yyjson_val *root = NULL;
  struct err err;
  return resource_parse(arena, text, JSON_LIMITS_DEFAULT.max_bytes, &root, &err) == 0;
}

static bool is_ndjson(struct arena *arena, struct str text) {
  ssize_t end = str_find_char(text, '\n', 0);
  bool is = end >= 0 && !is_one_resource(arena, text) &&
            is_one_resource(arena, str_slice(text, 0, (size_t)end));
  arena_reset(arena);
  return is;
}

static int each_line(struct arena *arena, struct str text, resource_file_fn *each, void *what,
                     struct err *reterr) {
  struct str rest = text, line;
  int code = 0;
  for (size_t number = 1; !code && str_split(&rest, '\n', &line); number++) {
    line = str_trim(line);
    if (str_is_empty(line))
      continue;
    code = each(what, number, line, reterr);
    arena_reset(arena);
  }
  return code;
}

int resource_file_each(struct arena *arena, const char *path, resource_file_fn *each, void *what,
                       struct err *reterr) {
  struct buf buf;
  buf_init(&buf, FILE_BYTES_MAX);
  int code = file_read(path, &buf, reterr);
  struct str text = str_trim(buf_str(&buf));
  if (!code && str_is_empty(text))
    code = err_set(reterr, ERR_REQUIRED, path, "the file is empty");
  if (!code)
    code = is_ndjson(arena, text) ? each_line(arena, text, each, what, reterr)
                                  : each(what, 0, text, reterr);
  arena_reset(arena);
  buf_fini(&buf);
  return code;
}
