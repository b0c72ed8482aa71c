/*
 * The answer of a GraphQL query while it grows: objects whose members collect values.
 *
 * It is a tree and not written at once because of FHIR's @flatten, by which the values of many
 * objects come together under one key. Threads: one. Memory: on the arena.
 */
#ifndef SERVICE_GRAPHQL_OUTPUT_H
#define SERVICE_GRAPHQL_OUTPUT_H

#include "base/map.h"
#include "format/json.h"
#include "service/graphql_schema.h"

enum output_kind {
  OUTPUT_NULL,
  OUTPUT_JSON, /* node, as it is */
  OUTPUT_TEXT,
  OUTPUT_NUMBER,
  OUTPUT_BOOLEAN, /* number 0 or 1 */
  OUTPUT_OBJECT,
};

enum output_form {
  OUTPUT_ONE,       /* a value, or null; a list where several came together */
  OUTPUT_LIST,      /* always a list */
  OUTPUT_SINGLETON, /* one value; more are an error */
};

struct output_object;

struct output {
  enum output_kind kind;
  union {
    const struct yyjson_val *node;
    struct str text;
    int64_t number;
    struct output_object *object;
  };
};

struct output_member {
  struct str key;
  enum output_form form;
  struct schema_type type; /* what is collected must be of one type */
  size_t n;                /* values: the first stands here, most members have no other */
  struct output first;
  VEC(struct output) more;
};

struct output_object {
  VEC(struct output_member *) members; /* in order */
  struct map *index;                   /* once there are many */
};

/* The member of this key, or NULL. */
struct output_member *output_find(const struct output_object *object, struct str key);

/* The member of this key: the one that is there already, or a new one. ERR_VALUE where values of
 * different types would come together. */
int output_member(struct arena *arena, struct output_object *object, struct str key,
                  enum output_form form, struct schema_type type, struct output_member **ret_member,
                  struct err *reterr) MUST_CHECK;

/* ERR_VALUE for a second value of a singleton. */
int output_add(struct arena *arena, struct output_member *member, struct output value,
               struct err *reterr) MUST_CHECK;

void output_write(struct json_writer *w, const struct output_object *object);

#endif
