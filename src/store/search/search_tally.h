/*
 * How many rows an index range has, counted to a limit: what the planner judges by. A count is
 * remembered for as long as the search runs; those that are known to be asked for are asked
 * together where each question costs a round trip. Private to the planner.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_TALLY_H
#define STORE_SEARCH_TALLY_H

#include "store/search/search_context.h"

/* `from`: " FROM table WHERE ...". */
int search_tally(struct search_context *c, const struct db_query *from, uint64_t limit,
                 uint64_t *ret_n, struct err *reterr) MUST_CHECK;

/* search_tally will be asked for these, up to about `limit`. At most SEARCH_TALLIES_MAX. */
enum { SEARCH_TALLIES_MAX = 32 };
int search_tally_ahead(struct search_context *c, const struct db_query *froms, size_t n,
                       uint64_t limit, struct err *reterr) MUST_CHECK;

#endif
