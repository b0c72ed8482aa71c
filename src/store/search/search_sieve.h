/*
 * Sieves: the rids that a condition has in the index, as a sorted list. A candidate that is not
 * among them (for :not and :missing=true: that is) can't match and need not be fetched. Private to
 * the planner.
 *
 * Threads: within one running search. Memory: on its arena, 8 bytes a row.
 */
#ifndef STORE_SEARCH_SIEVE_H
#define STORE_SEARCH_SIEVE_H

#include "store/search/search_collect.h"
#include "store/search/search_probe.h"

struct search_sieve {
  const struct search_condition *condition;
  const struct search_wish *wish;
  bool excludes, is_filled;
  bool is_covered; /* by the spans of another one, or of the driver, that it was joined to */
  struct search_rids rids;
};

struct search_sieves {
  struct search_sieve *p;
  size_t n;
};

/* One, still empty, for each condition of `wish` (which is borrowed) that can be one, but `driver`
 * and the probes. */
int search_sieves_init(struct search_context *c, const struct search_wish *wish,
                       const struct search_condition *driver, const struct search_probes *probes,
                       struct search_sieves *ret_sieves, struct err *reterr) MUST_CHECK;

/* `condition` was joined to the driver's spans. */
void search_sieves_cover(struct search_sieves *sieves, const struct search_condition *condition);

/* Does everything that passes satisfy `condition`? */
bool search_sieves_prove(const struct search_sieves *sieves,
                         const struct search_condition *condition);

/* Fills those that have fewer than `limit` rows; links that cost fewer than `links` steps. */
int search_sieves_fill(struct search_context *c, struct search_sieves *sieves, uint64_t limit,
                       uint64_t links, struct err *reterr) MUST_CHECK;

/* May `rid` match, as far as the filled ones tell? */
bool search_sieves_pass(const struct search_sieves *sieves, uint64_t rid);

#endif
