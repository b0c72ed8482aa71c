/*
 * What `_text` and `_content` ask for:
 *
 *   query  = all { "OR" all }
 *   all    = one { ["AND"] one }
 *   one    = ( "NOT" | "-" ) one | "(" query ")" | '"' words '"' | word [ "*" ]
 *
 * AND, OR and NOT are in capitals; "-" stands directly before what it negates. Words are those of
 * text.h: what the user writes as one and what comes apart ("x-ray") is a phrase. "*" behind a
 * word: all that begin like it. Between quotes nothing has a meaning of its own.
 *
 * Spec: FHIR R4 search, http://hl7.org/fhir/R4/search.html#content leaves the grammar to the
 * server. Threads: immutable once parsed. Memory: on the arena.
 */
#ifndef MODEL_TEXT_QUERY_H
#define MODEL_TEXT_QUERY_H

#include "model/text.h"

enum { TEXT_QUERY_TERMS_MAX = 64, TEXT_QUERY_WORDS_MAX = 32, TEXT_QUERY_DEPTH_MAX = 32 };

enum text_query_kind { TEXT_QUERY_PHRASE, TEXT_QUERY_AND, TEXT_QUERY_OR, TEXT_QUERY_NOT };

struct text_query {
  enum text_query_kind kind;
  struct text_words words;        /* phrase: one or more, without gaps */
  bool is_prefix;                 /* phrase: the last word is the begin of one */
  const struct text_query *first; /* AND, OR, NOT: what they join */
  const struct text_query *next;  /* joined with this one */
};

/* ERR_VALUE with what is wrong; ERR_TOO_COSTLY over a limit. */
int text_query_parse(struct arena *arena, struct str text, const struct text_query **ret_query,
                     struct err *reterr) MUST_CHECK;

bool text_query_matches(const struct text_query *query, struct text_words words);

#endif
