#include "format/json_build.h"

enum { FIRST_VALUES = 64, COUNT_ONE = 1 << YYJSON_TAG_BIT };

struct json_builder json_builder(struct arena *arena) {
  return (struct json_builder){.arena = arena};
}

static bool grow(struct json_builder *b) {
  size_t capacity = b->capacity ? b->capacity * 2 : FIRST_VALUES;
  struct yyjson_val *values =
      arena_grow(b->arena, b->values, b->capacity * sizeof *values, capacity * sizeof *values);
  if (!values) {
    b->fault = JSON_BUILD_NO_MEMORY;
    return false;
  }
  b->values = values;
  b->capacity = capacity;
  return true;
}

static inline struct yyjson_val *push(struct json_builder *b, uint64_t tag, size_t n) {
  if (b->n == b->capacity && !grow(b))
    return NULL;
  struct yyjson_val *v = &b->values[b->n++];
  v->tag = tag | (uint64_t)n << YYJSON_TAG_BIT;
  v->uni.str = NULL;
  return v;
}

/* A value, which its array or object counts. */
static inline struct yyjson_val *push_value(struct json_builder *b, uint64_t tag, size_t n) {
  if (b->open)
    b->values[b->open - 1].tag += COUNT_ONE;
  return push(b, tag, n);
}

/* While it is open, an array or object remembers there which one is around it. */
static void begin(struct json_builder *b, uint64_t tag) {
  struct yyjson_val *v = push_value(b, tag, 0);
  if (++b->depth > JSON_LIMITS_DEFAULT.max_depth && !b->fault)
    b->fault = JSON_BUILD_TOO_DEEP;
  if (!v)
    return;
  v->uni.ofs = b->open;
  b->open = b->n;
}

void json_build_begin_object(struct json_builder *b) {
  begin(b, YYJSON_TYPE_OBJ | YYJSON_SUBTYPE_NONE);
}

void json_build_begin_array(struct json_builder *b) {
  begin(b, YYJSON_TYPE_ARR | YYJSON_SUBTYPE_NONE);
}

void json_build_end(struct json_builder *b) {
  if (b->fault == JSON_BUILD_NO_MEMORY || !b->open)
    return;
  b->depth--;
  size_t own = b->open - 1;
  b->open = b->values[own].uni.ofs;
  b->values[own].uni.ofs = (b->n - own) * sizeof *b->values;
}

void json_build_name(struct json_builder *b, struct str name) {
  struct yyjson_val *v = push(b, YYJSON_TYPE_STR | YYJSON_SUBTYPE_NONE, name.n);
  if (v)
    v->uni.str = name.p;
}

void json_build_string(struct json_builder *b, struct str s) {
  struct yyjson_val *v = push_value(b, YYJSON_TYPE_STR | YYJSON_SUBTYPE_NONE, s.n);
  if (v)
    v->uni.str = s.p ? s.p : "";
  if (!str_is_utf8(s) && !b->fault)
    b->fault = JSON_BUILD_NOT_UTF8;
}

void json_build_raw(struct json_builder *b, struct str text) {
  if (str_equal(text, STR("true"))) {
    push_value(b, YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_TRUE, 0);
  } else if (str_equal(text, STR("false"))) {
    push_value(b, YYJSON_TYPE_BOOL | YYJSON_SUBTYPE_FALSE, 0);
  } else {
    struct yyjson_val *v = push_value(b, YYJSON_TYPE_RAW | YYJSON_SUBTYPE_NONE, text.n);
    if (v)
      v->uni.str = text.p;
  }
}

void json_build_null(struct json_builder *b) {
  push_value(b, YYJSON_TYPE_NULL | YYJSON_SUBTYPE_NONE, 0);
}

int json_build_finish(struct json_builder *b, const struct yyjson_val **ret_root,
                      struct err *reterr) {
  size_t n = b->n;
  int fault = (int)b->fault;
  b->n = b->open = b->depth = 0;
  b->fault = JSON_BUILD_FINE;
  if (fault == JSON_BUILD_NOT_UTF8)
    return err_set(reterr, ERR_INVALID, "", "A text is not valid UTF-8.");
  if (fault == JSON_BUILD_TOO_DEEP)
    return err_set(reterr, ERR_TOO_LONG, "",
                   "The JSON is nested deeper than the limit of %u levels.",
                   JSON_LIMITS_DEFAULT.max_depth);
  struct yyjson_val *tree = fault || !n ? NULL : arena_alloc(b->arena, n * sizeof *tree);
  if (!tree)
    return err_no_memory(reterr);
  memcpy(tree, b->values, n * sizeof *tree);
  *ret_root = tree;
  return 0;
}
