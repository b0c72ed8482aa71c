#include "format/json.h"

#include "base/hash.h"

/* yyjson takes its memory from the arena: nothing is freed, the last block grows in place. */
static void *json_malloc(void *ctx, size_t n) {
  return arena_alloc(ctx, n);
}

static void *json_realloc(void *ctx, void *p, size_t old_n, size_t n) {
  return arena_grow(ctx, p, old_n, n);
}

static void json_free(void *ctx, void *p) {
  (void)ctx;
  (void)p;
}

static void find_line(struct str text, size_t at, size_t *ret_line, size_t *ret_column) {
  size_t line = 1, start = 0;
  for (size_t i = 0; i < at && i < text.n; i++)
    if (text.p[i] == '\n') {
      line++;
      start = i + 1;
    }
  *ret_line = line;
  *ret_column = at - start + 1;
}

static int parse_error(struct str text, size_t at, const char *what, struct err *reterr) {
  char where[64];
  size_t line, column;
  find_line(text, at, &line, &column);
  snprintf(where, sizeof where, "line %zu column %zu", line, column);
  return err_set(reterr, ERR_STRUCTURE, where, "This is not JSON: %s.", what);
}

/* Small objects are compared pair by pair, large ones by a table of hashes. */
#define PAIRWISE_MAX 24

static bool has_duplicate_hashed(struct arena *arena, yyjson_val *object, size_t n,
                                 bool *ret_no_memory) {
  size_t slots_n = 64;
  while (slots_n < n * 2)
    slots_n *= 2;
  yyjson_val **slots = ARENA_ARRAY(arena, yyjson_val *, slots_n);
  if (!slots) {
    *ret_no_memory = true;
    return false;
  }
  struct hash_key key = hash_key_random();
  size_t i, max;
  yyjson_val *name, *value;
  yyjson_obj_foreach(object, i, max, name, value) {
    struct str s = json_text(name);
    for (size_t at = (size_t)hash_siphash(key, s) & (slots_n - 1);; at = (at + 1) & (slots_n - 1)) {
      if (!slots[at]) {
        slots[at] = name;
        break;
      }
      if (str_equal(json_text(slots[at]), s))
        return true;
    }
  }
  return false;
}

static bool has_duplicate(struct arena *arena, yyjson_val *object, bool *ret_no_memory) {
  size_t n = yyjson_obj_size(object);
  if (n > PAIRWISE_MAX)
    return has_duplicate_hashed(arena, object, n, ret_no_memory);
  struct str names[PAIRWISE_MAX];
  size_t i, max, seen = 0;
  yyjson_val *name, *value;
  yyjson_obj_foreach(object, i, max, name, value) {
    struct str s = json_text(name);
    for (size_t k = 0; k < seen; k++)
      if (names[k].n == s.n && memcmp(names[k].p, s.p, s.n) == 0)
        return true;
    names[seen++] = s;
  }
  return false;
}

static int check_tree(struct arena *arena, yyjson_val *v, unsigned depth,
                      const struct json_limits *limits, struct err *reterr) {
  bool is_object = yyjson_is_obj(v);
  if (!is_object && !yyjson_is_arr(v))
    return 0;
  if (depth >= limits->max_depth)
    return err_set(reterr, ERR_TOO_LONG, "",
                   "The JSON is nested deeper than the limit of %u levels.", limits->max_depth);
  size_t i, max;
  yyjson_val *name, *value;
  if (is_object) {
    bool no_memory = false;
    if (has_duplicate(arena, v, &no_memory))
      return err_set(reterr, ERR_INVALID, "", "A JSON object has the same member name twice.");
    if (no_memory)
      return err_no_memory(reterr);
    yyjson_obj_foreach(v, i, max, name, value) {
      int code = check_tree(arena, value, depth + 1, limits, reterr);
      if (code < 0)
        return code;
    }
    return 0;
  }
  yyjson_arr_foreach(v, i, max, value) {
    int code = check_tree(arena, value, depth + 1, limits, reterr);
    if (code < 0)
      return code;
  }
  return 0;
}

int json_parse(struct arena *arena, struct str text, const struct json_limits *limits,
               const struct yyjson_val **ret_root, struct err *reterr) {
  struct json_limits applied = limits ? *limits : JSON_LIMITS_DEFAULT;
  if (text.n > applied.max_bytes)
    return err_set(reterr, ERR_TOO_LONG, "", "The JSON has %zu bytes; the limit is %zu.", text.n,
                   applied.max_bytes);
  if (!str_is_utf8(text))
    return err_set(reterr, ERR_INVALID, "", "The JSON is not valid UTF-8.");
  size_t padded;
  if (__builtin_add_overflow(text.n, (size_t)YYJSON_PADDING_SIZE, &padded))
    return err_no_memory(reterr);
  char *copy = arena_alloc(arena, padded);
  if (!copy)
    return err_no_memory(reterr);
  if (text.n)
    memcpy(copy, text.p, text.n);
  memset(copy + text.n, 0, YYJSON_PADDING_SIZE);
  yyjson_alc alc = {json_malloc, json_realloc, json_free, arena};
  yyjson_read_err error;
  yyjson_doc *doc =
      yyjson_read_opts(copy, text.n, YYJSON_READ_INSITU | YYJSON_READ_NUMBER_AS_RAW, &alc, &error);
  if (!doc) {
    if (error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
      return err_no_memory(reterr);
    return parse_error(text, error.pos, error.msg, reterr);
  }
  yyjson_val *root = yyjson_doc_get_root(doc);
  int code = check_tree(arena, root, 0, &applied, reterr);
  if (code < 0)
    return code;
  *ret_root = root;
  return 0;
}

/* yyjson's accessors take a non-const value that they don't change. */
static inline yyjson_val *mut(const struct yyjson_val *v) {
  union {
    const struct yyjson_val *in;
    yyjson_val *out;
  } u = {v};
  return u.out;
}

void json_replace_text(const struct yyjson_val *string, struct str text) {
  /* yyjson lets nobody write to a tree, except through the pointer that json_parse gave away as
   * const. */
  if (json_kind(string) == JSON_STRING)
    unsafe_yyjson_set_strn(mut(string), text.p, text.n);
}

enum json_kind json_kind(const struct yyjson_val *v) {
  if (!v)
    return JSON_MISSING;
  switch (yyjson_get_type(mut(v))) {
  case YYJSON_TYPE_NULL:
    return JSON_NULL;
  case YYJSON_TYPE_BOOL:
    return JSON_BOOL;
  case YYJSON_TYPE_NUM:
  case YYJSON_TYPE_RAW:
    return JSON_NUMBER;
  case YYJSON_TYPE_STR:
    return JSON_STRING;
  case YYJSON_TYPE_ARR:
    return JSON_ARRAY;
  case YYJSON_TYPE_OBJ:
    return JSON_OBJECT;
  default:
    return JSON_MISSING;
  }
}

struct str json_text(const struct yyjson_val *v) {
  switch (json_kind(v)) {
  case JSON_STRING:
    return str_n(yyjson_get_str(mut(v)), yyjson_get_len(mut(v)));
  case JSON_NUMBER:
    return yyjson_is_raw(mut(v)) ? str_n(yyjson_get_raw(mut(v)), yyjson_get_len(mut(v))) : STR_NULL;
  case JSON_BOOL:
    return yyjson_is_true(mut(v)) ? STR("true") : STR("false");
  case JSON_MISSING:
  case JSON_NULL:
  case JSON_ARRAY:
  case JSON_OBJECT:
    break;
  }
  return STR_NULL;
}

bool json_is_true(const struct yyjson_val *v) {
  return yyjson_is_true(mut(v));
}

const struct yyjson_val *json_get(const struct yyjson_val *object, struct str name) {
  return yyjson_obj_getn(mut(object), name.p, name.n);
}

struct str json_get_text(const struct yyjson_val *object, struct str name) {
  const struct yyjson_val *v = json_get(object, name);
  return json_kind(v) == JSON_STRING ? json_text(v) : STR_NULL;
}

size_t json_count(const struct yyjson_val *v) {
  switch (json_kind(v)) {
  case JSON_OBJECT:
    return yyjson_obj_size(mut(v));
  case JSON_ARRAY:
    return yyjson_arr_size(mut(v));
  default:
    return 0;
  }
}

struct json_each json_each(const struct yyjson_val *v) {
  size_t n = json_count(v);
  return (struct json_each){.left_ = n,
                            .next_ = n ? unsafe_yyjson_get_first(mut(v)) : NULL,
                            .is_object_ = yyjson_is_obj(mut(v))};
}

bool json_next(struct json_each *each) {
  if (each->left_ == 0)
    return false;
  each->index = each->started_ ? each->index + 1 : 0;
  each->started_ = true;
  const struct yyjson_val *item = each->next_;
  if (each->is_object_) {
    each->name = json_text(item);
    item++; /* a member's value follows its name */
  }
  each->value = item;
  if (--each->left_)
    each->next_ = unsafe_yyjson_get_next(mut(item));
  return true;
}

/* The length of the run at `s[from..]` that needs no escape. */
static size_t plain_run(struct str s, size_t from) {
  size_t i = from;
  while (i < s.n && (unsigned char)s.p[i] >= 0x20 && s.p[i] != '"' && s.p[i] != '\\')
    i++;
  return i - from;
}

static void write_escape(struct buf *buf, unsigned char c) {
  switch (c) {
  case '"':
    buf_add(buf, STR("\\\""));
    return;
  case '\\':
    buf_add(buf, STR("\\\\"));
    return;
  case '\b':
    buf_add(buf, STR("\\b"));
    return;
  case '\f':
    buf_add(buf, STR("\\f"));
    return;
  case '\n':
    buf_add(buf, STR("\\n"));
    return;
  case '\r':
    buf_add(buf, STR("\\r"));
    return;
  case '\t':
    buf_add(buf, STR("\\t"));
    return;
  default:
    buf_printf(buf, "\\u%04x", c);
  }
}

void json_write_string(struct buf *buf, struct str s) {
  buf_add_char(buf, '"');
  for (size_t i = 0; i < s.n;) {
    size_t run = plain_run(s, i);
    buf_add(buf, str_n(s.p + i, run));
    i += run;
    if (i < s.n)
      write_escape(buf, (unsigned char)s.p[i++]);
  }
  buf_add_char(buf, '"');
}

static void write_indent(struct buf *buf, unsigned depth) {
  buf_add_char(buf, '\n');
  for (unsigned i = 0; i < depth; i++)
    buf_add(buf, STR("  "));
}

/* Depth was checked when the value was parsed. */
static void write_value(struct buf *buf, const struct yyjson_val *v, bool is_pretty,
                        unsigned depth) {
  enum json_kind kind = json_kind(v);
  switch (kind) {
  case JSON_MISSING:
  case JSON_NULL:
    buf_add(buf, STR("null"));
    return;
  case JSON_BOOL:
  case JSON_NUMBER:
    buf_add(buf, json_text(v));
    return;
  case JSON_STRING:
    json_write_string(buf, json_text(v));
    return;
  case JSON_ARRAY:
  case JSON_OBJECT:
    break;
  }
  buf_add_char(buf, kind == JSON_OBJECT ? '{' : '[');
  struct json_each each = json_each(v);
  while (json_next(&each)) {
    if (each.index > 0)
      buf_add_char(buf, ',');
    if (is_pretty)
      write_indent(buf, depth + 1);
    if (kind == JSON_OBJECT) {
      json_write_string(buf, each.name);
      buf_add(buf, is_pretty ? STR(": ") : STR(":"));
    }
    write_value(buf, each.value, is_pretty, depth + 1);
  }
  if (is_pretty && each.started_)
    write_indent(buf, depth);
  buf_add_char(buf, kind == JSON_OBJECT ? '}' : ']');
}

void json_write(struct buf *buf, const struct yyjson_val *v) {
  write_value(buf, v, false, 0);
}

void json_write_pretty(struct buf *buf, const struct yyjson_val *v) {
  write_value(buf, v, true, 0);
}

struct json_writer json_writer(struct buf *buf) {
  return (struct json_writer){.buf = buf};
}

static void before_value(struct json_writer *w) {
  if (w->needs_comma && !w->after_key)
    buf_add_char(w->buf, ',');
  w->needs_comma = true;
  w->after_key = false;
}

void json_begin_object(struct json_writer *w) {
  before_value(w);
  buf_add_char(w->buf, '{');
  w->needs_comma = false;
}

void json_end_object(struct json_writer *w) {
  buf_add_char(w->buf, '}');
  w->needs_comma = true;
}

void json_begin_array(struct json_writer *w) {
  before_value(w);
  buf_add_char(w->buf, '[');
  w->needs_comma = false;
}

void json_end_array(struct json_writer *w) {
  buf_add_char(w->buf, ']');
  w->needs_comma = true;
}

void json_key(struct json_writer *w, struct str name) {
  if (w->needs_comma)
    buf_add_char(w->buf, ',');
  json_write_string(w->buf, name);
  buf_add_char(w->buf, ':');
  w->after_key = true;
}

void json_string(struct json_writer *w, struct str s) {
  before_value(w);
  json_write_string(w->buf, s);
}

void json_int(struct json_writer *w, int64_t value) {
  before_value(w);
  buf_add_i64(w->buf, value);
}

void json_bool(struct json_writer *w, bool value) {
  before_value(w);
  buf_add(w->buf, value ? STR("true") : STR("false"));
}

void json_null(struct json_writer *w) {
  before_value(w);
  buf_add(w->buf, STR("null"));
}

void json_raw(struct json_writer *w, struct str json) {
  before_value(w);
  buf_add(w->buf, json);
}

void json_value(struct json_writer *w, const struct yyjson_val *v) {
  before_value(w);
  json_write(w->buf, v);
}

void json_member_string(struct json_writer *w, struct str name, struct str s) {
  json_key(w, name);
  json_string(w, s);
}

void json_member_int(struct json_writer *w, struct str name, int64_t value) {
  json_key(w, name);
  json_int(w, value);
}

void json_member_bool(struct json_writer *w, struct str name, bool value) {
  json_key(w, name);
  json_bool(w, value);
}
