/* What the files of the search's parser share. Private to src/store/search_parse*.c.
 * Threads: one parser per call. Memory: on its arena. */
#ifndef STORE_SEARCH_PARSER_H
#define STORE_SEARCH_PARSER_H

#include "store/search_query.h"

struct search_parser {
  struct arena *arena;
  const struct search_options *options;
  struct search *search; /* being filled */
  size_t predicates_n;   /* so far, targets of chains included */
  VEC(struct search_predicate) predicates;
  VEC(struct search_pair) pairs;
  VEC(struct str) elements;
};

/* The search parameter nearest in spelling to `name` among those of `type`, the result parameters
 * too where `with_results`; empty when none is near. */
struct str search_nearest(defs_type_id type, struct str name, bool with_results);

/* The condition `name` = `value` on resources of `type`. ERR_NOT_SUPPORTED for an unknown name or
 * modifier, ERR_VALUE, ERR_TOO_COSTLY over a limit. */
int search_parse_predicate(struct search_parser *parser, defs_type_id type, struct str name,
                           struct str value, struct search_predicate *ret_predicate,
                           struct err *reterr) MUST_CHECK;

/* Is `name` (with its modifier) a result parameter: _count, _sort, _include, ...? */
bool search_is_result_name(struct str name);
const char *const *search_result_names(void); /* ends with NULL */
/* Takes one result parameter into parser->search. */
int search_parse_result(struct search_parser *parser, struct str name, struct str value,
                        struct err *reterr) MUST_CHECK;

/* "there is no parameter 'x' on Patient; did you mean 'y'?" as ERR_NOT_SUPPORTED. */
int search_unknown(struct err *reterr, defs_type_id type, struct str name, bool with_results);

#endif
