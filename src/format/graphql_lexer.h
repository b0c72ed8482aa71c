/*
 * The tokens of a GraphQL document. Private to src/format/graphql*.c.
 *
 * Spec: GraphQL, October 2021, section 2.1. Threads: one. Memory: unescaped strings on the arena.
 */
#ifndef FORMAT_GRAPHQL_LEXER_H
#define FORMAT_GRAPHQL_LEXER_H

#include "format/graphql.h"

enum graphql_token_kind {
  GRAPHQL_TOKEN_END,
  GRAPHQL_TOKEN_PUNCTUATOR, /* text: "{", "...", ... */
  GRAPHQL_TOKEN_NAME,
  GRAPHQL_TOKEN_INT,
  GRAPHQL_TOKEN_FLOAT,
  GRAPHQL_TOKEN_STRING, /* text: the value */
};

struct graphql_token {
  enum graphql_token_kind kind;
  struct str text;
  struct graphql_place place;
};

struct graphql_lexer {
  struct arena *arena;
  struct str text;
  size_t at, line_start;
  uint32_t line;
};

struct graphql_lexer graphql_lexer(struct arena *arena, struct str text);

/* On ERR_STRUCTURE (or no memory) `ret_token->place` says where. */
int graphql_lexer_next(struct graphql_lexer *lexer, struct graphql_token *ret_token,
                       struct err *reterr) MUST_CHECK;

#endif
