/*
 * `_text` and `_content` as conditions: the index (text_index.h) gives candidates, the body
 * decides. Private to the search. Threads: within one search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_TEXT_H
#define STORE_SEARCH_TEXT_H

#include "store/search/search_match.h"
#include "store/search/search_parser.h"

/* Does the name mean one of the two? */
bool search_is_text(const struct defs_param *param);

/* `value`: queries (text_query.h), joined by commas, of which one must match. ERR_VALUE,
 * ERR_NOT_SUPPORTED (a modifier), ERR_TOO_COSTLY. */
int search_text_parse(struct search_parser *parser, struct str name, struct str modifier,
                      struct str value, struct search_predicate *p, struct err *reterr) MUST_CHECK;

/* Fills condition->rids, or says that no index helps. */
int search_text_make(struct search_context *c, struct search_condition *condition,
                     struct err *reterr) MUST_CHECK;

int search_text_matches(struct search_context *c, const struct search_condition *condition,
                        struct search_candidate *candidate, bool *ret_matches,
                        struct err *reterr) MUST_CHECK;

#endif
