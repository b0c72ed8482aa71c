/*
 * JSON: bytes -> immutable tree, and a writer. A facade over yyjson.
 *
 * Spec: RFC 8259. Stricter: UTF-8 only, no duplicate member names, depth and size limits, one
 * value, no BOM. Numbers are kept as their text (1.50 stays 1.50); `json_text` of a number gives
 * it.
 *
 * A node is a `const struct yyjson_val *`, borrowed from the arena it was parsed into. NULL is "not
 * there" and is accepted by every accessor.
 *
 * Threads: a tree is immutable and can be shared. Memory: everything is on the given arena.
 */
#ifndef FORMAT_JSON_H
#define FORMAT_JSON_H

#include "base/base.h"

#include <yyjson.h>

struct json_limits {
  size_t max_bytes; /* of the text */
  unsigned max_depth;
};
#define JSON_LIMITS_DEFAULT ((struct json_limits){.max_bytes = (size_t)64 << 20, .max_depth = 100})

/*
 * Parses `text` (copied). ERR_STRUCTURE with "line L column C" for what isn't JSON, ERR_TOO_LONG
 * over a limit, ERR_INVALID for a duplicate member name or invalid UTF-8.
 */
int json_parse(struct arena *arena, struct str text, const struct json_limits *limits,
               const struct yyjson_val **ret_root, struct err *reterr) MUST_CHECK;

enum json_kind {
  JSON_MISSING,
  JSON_NULL,
  JSON_BOOL,
  JSON_NUMBER,
  JSON_STRING,
  JSON_ARRAY,
  JSON_OBJECT
};
enum json_kind json_kind(const struct yyjson_val *v);

/* The unescaped bytes of a string, or the text of a number ("1.50"), or "true"/"false"; else empty.
 */
struct str json_text(const struct yyjson_val *v);
bool json_is_true(const struct yyjson_val *v);

/* Member of an object, or NULL. */
const struct yyjson_val *json_get(const struct yyjson_val *object, struct str name);
/* The text of a member that is a string, else empty. */
struct str json_get_text(const struct yyjson_val *object, struct str name);
/* Members, items; 0 for what is neither object nor array. */
size_t json_count(const struct yyjson_val *v);

/* Walks an object's members or an array's items (names are then empty), in order:
 *   struct json_each each = json_each(v);
 *   while (json_next(&each)) use(each.name, each.value);                       */
struct json_each {
  struct str name;
  const struct yyjson_val *value;
  size_t index; /* of the item just given */
  size_t left_;
  const struct yyjson_val *next_;
  bool is_object_, started_;
};
struct json_each json_each(const struct yyjson_val *v);
bool json_next(struct json_each *each);

/* Writes a value, minified; strings are escaped as RFC 8785 does (shortest form), numbers as they
 * were read. */
void json_write(struct buf *buf, const struct yyjson_val *v);
/* The same, indented by two spaces. */
void json_write_pretty(struct buf *buf, const struct yyjson_val *v);
/* A quoted, escaped string. */
void json_write_string(struct buf *buf, struct str s);

/*
 * Puts another text (borrowed) in place of a string's. The one exception to "immutable": only for
 * whoever made the tree, before anybody else sees it. Saves writing and parsing again where only
 * references change.
 */
void json_replace_text(const struct yyjson_val *string, struct str text);

/*
 * A writer for JSON that is made from scratch; puts the commas itself.
 *   struct json_writer w = json_writer(&buf);
 *   json_begin_object(&w); json_key(&w, STR("a")); json_string(&w, s); json_end_object(&w);
 */
struct json_writer {
  struct buf *buf;
  bool needs_comma, after_key;
};
struct json_writer json_writer(struct buf *buf);
void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, struct str name);
void json_string(struct json_writer *w, struct str s);
void json_int(struct json_writer *w, int64_t value);
void json_bool(struct json_writer *w, bool value);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, struct str json);              /* already JSON */
void json_value(struct json_writer *w, const struct yyjson_val *v); /* a parsed value */
/* key and value in one */
void json_member_string(struct json_writer *w, struct str name, struct str s);
void json_member_int(struct json_writer *w, struct str name, int64_t value);
void json_member_bool(struct json_writer *w, struct str name, bool value);

#endif
