/*
 * GraphQL: the text of a query document -> its tree.
 *
 * Executable documents only (operations and fragments); a type system definition is refused. What
 * the names mean is not known here: service/graphql_check.h checks the tree against the schema.
 *
 * Spec: GraphQL, October 2021 (and so June 2018), sections 2 and 3.10; Appendix B.
 * Threads: pure; a tree is immutable. Memory: on the arena; texts without escapes are borrowed from
 * the query.
 */
#ifndef FORMAT_GRAPHQL_H
#define FORMAT_GRAPHQL_H

#include "base/base.h"

struct graphql_limits {
  size_t max_bytes;   /* of the text */
  size_t max_tokens;  /* what the tree costs is in proportion */
  unsigned max_depth; /* of selections, of list and object values, of list types */
};
#define GRAPHQL_LIMITS_DEFAULT                                                                     \
  ((struct graphql_limits){.max_bytes = 256 << 10, .max_tokens = 30000, .max_depth = 50})

struct graphql_place {
  uint32_t line, column; /* from 1; the column counts bytes */
};

enum graphql_value_kind {
  GRAPHQL_NULL,
  GRAPHQL_VARIABLE, /* text: its name */
  GRAPHQL_INT,      /* text: as written; so FLOAT, BOOLEAN */
  GRAPHQL_FLOAT,
  GRAPHQL_BOOLEAN,
  GRAPHQL_STRING, /* text: unescaped, UTF-8 */
  GRAPHQL_ENUM,
  GRAPHQL_LIST,   /* items */
  GRAPHQL_OBJECT, /* fields */
};

struct graphql_argument;
struct graphql_value {
  enum graphql_value_kind kind;
  struct graphql_place place;
  struct str text;
  const struct graphql_value *items;
  const struct graphql_argument *fields;
  size_t n; /* of items or fields */
};

/* `name: value`, of a field, a directive or an object value. */
struct graphql_argument {
  struct str name;
  struct graphql_place place;
  struct graphql_value value;
};

struct graphql_directive {
  struct str name;
  struct graphql_place place;
  const struct graphql_argument *arguments;
  size_t arguments_n;
};

struct graphql_directives {
  const struct graphql_directive *p;
  size_t n;
};

enum graphql_selection_kind { GRAPHQL_FIELD, GRAPHQL_SPREAD, GRAPHQL_INLINE };

struct graphql_selection;
struct graphql_selections {
  const struct graphql_selection *p;
  size_t n;
};

struct graphql_selection {
  enum graphql_selection_kind kind;
  struct graphql_place place;
  struct str alias; /* of a field: the key in the answer (its name where none is written) */
  struct str name;  /* of a field; of the fragment; the type condition of an inline fragment, which
                       may be empty */
  const struct graphql_argument *arguments;
  size_t arguments_n;
  struct graphql_directives directives;
  struct graphql_selections selections; /* empty where none are written */
};

/* `[String!]!`: a name, or a list of `item`. */
struct graphql_type {
  struct str name;
  const struct graphql_type *item;
  bool is_required;
  struct graphql_place place;
};

struct graphql_variable {
  struct str name;
  struct graphql_place place;
  struct graphql_type type;
  bool has_default;
  struct graphql_value value; /* the default */
  struct graphql_directives directives;
};

enum graphql_operation_kind { GRAPHQL_QUERY, GRAPHQL_MUTATION, GRAPHQL_SUBSCRIPTION };

struct graphql_operation {
  enum graphql_operation_kind kind;
  struct str name; /* empty: anonymous */
  struct graphql_place place;
  const struct graphql_variable *variables;
  size_t variables_n;
  struct graphql_directives directives;
  struct graphql_selections selections;
};

struct graphql_fragment {
  struct str name, type; /* type: its condition */
  struct graphql_place place;
  struct graphql_directives directives;
  struct graphql_selections selections;
};

struct graphql_document {
  const struct graphql_operation *operations;
  size_t operations_n;
  const struct graphql_fragment *fragments;
  size_t fragments_n;
};

/* ERR_STRUCTURE for what isn't GraphQL, ERR_TOO_LONG over a limit, ERR_NOT_SUPPORTED for type
 * definitions; then `*ret_place` says where. */
int graphql_parse(struct arena *arena, struct str text, const struct graphql_limits *limits,
                  const struct graphql_document **ret_document, struct graphql_place *ret_place,
                  struct err *reterr) MUST_CHECK;

/* The argument of this name, or NULL. */
const struct graphql_argument *graphql_argument(const struct graphql_argument *arguments, size_t n,
                                                struct str name);
const struct graphql_directive *graphql_directive(struct graphql_directives directives,
                                                  const char *name);

#endif
