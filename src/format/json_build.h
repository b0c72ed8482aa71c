/*
 * A JSON tree made from scratch, as `json_parse` would give it for the text, but without the text.
 *
 * The values stand one behind the other in the order of the text, as yyjson lays them out: an array
 * or object knows how many bytes it covers, so that the whole is moved without change.
 *
 * Spec: RFC 8259. Threads: one builder, one thread. Memory: on the arena; names and strings are
 * borrowed by the tree.
 */
#ifndef FORMAT_JSON_BUILD_H
#define FORMAT_JSON_BUILD_H

#include "format/json.h"

struct json_builder {
  struct arena *arena;
  struct yyjson_val *values;
  size_t n, capacity;
  size_t open;    /* index + 1 of the innermost array or object; 0 */
  unsigned depth; /* how many are open */
  enum { JSON_BUILD_FINE, JSON_BUILD_NO_MEMORY, JSON_BUILD_NOT_UTF8, JSON_BUILD_TOO_DEEP } fault;
};

struct json_builder json_builder(struct arena *arena);
/* What is built belongs in the object or array opened last. In an object, each value follows its
 * name. The caller names no member twice. */
void json_build_begin_object(struct json_builder *b);
void json_build_begin_array(struct json_builder *b);
void json_build_end(struct json_builder *b);
void json_build_name(struct json_builder *b, struct str name);
void json_build_string(struct json_builder *b, struct str s);
/* The text of a number, or true or false. */
void json_build_raw(struct json_builder *b, struct str text);
void json_build_null(struct json_builder *b);

/* The tree; the builder is then empty and can be used again. ERR_INVALID when a string is not
 * UTF-8, ERR_TOO_LONG past the depth that json_parse allows. */
int json_build_finish(struct json_builder *b, const struct yyjson_val **ret_root,
                      struct err *reterr) MUST_CHECK;

#endif
