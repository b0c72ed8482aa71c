/*
 * How many rows a range of an index has, remembered for a few seconds. The plan of a search counts
 * up to some thousand rows for each condition, which is most of the work of a search that then
 * finds its page at once; the same codes and months are asked for again and again.
 *
 * It is for choosing only: what a client is told is never taken from here. What is not worth
 * keeping (a count that is as cheap as this memo) the caller knows.
 *
 * Threads: any; the views of a store share one memo. Memory: its own, of fixed size.
 */
#ifndef STORE_SEARCH_ESTIMATES_H
#define STORE_SEARCH_ESTIMATES_H

#include "store/db/db.h"

struct search_estimates;

/* NULL without memory: then nothing is remembered. */
struct search_estimates *search_estimates_new(void);
void search_estimates_free(struct search_estimates *estimates);

/* What names a query: of its text and its values; 0: there are too many of these, or no memo. */
uint64_t search_estimates_key(const struct search_estimates *estimates,
                              const struct db_query *query);

/* The number of rows of the query of this key, of which at most `limit` are counted. */
bool search_estimates_find(struct search_estimates *estimates, uint64_t key, uint64_t limit,
                           uint64_t *ret_n);
void search_estimates_keep(struct search_estimates *estimates, uint64_t key, uint64_t limit,
                           uint64_t n);

#endif
