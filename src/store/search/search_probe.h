/*
 * Probes: conditions on one hashed value, asked by the engine for every row of the driver's index
 * range, before its number is given at all. A look into another index costs 0.4 us, a candidate
 * that is fetched and then does not match 3 us. Private to the planner.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_PROBE_H
#define STORE_SEARCH_PROBE_H

#include "store/search/search_plan.h"
#include "store/search/search_span.h"

struct search_probe {
  const struct search_condition *condition;
  bool excludes;
  struct search_spans spans; /* one or two, of one value each */
};

struct search_probes {
  struct search_probe *p;
  size_t n;
};

/* One for each condition of `wish`, but the driver, that can be one. */
int search_probes_make(struct search_context *c, const struct search_wish *wish,
                       const struct search_condition *driver, struct search_probes *ret_probes,
                       struct err *reterr) MUST_CHECK;

/* Appends them as conditions on the rows of `table`; NULL: none. */
void search_probes_add(struct db_query *query, const struct search_context *c,
                       const struct search_probes *probes, const char *table);

/* Is `condition` one, so that what was given has it? Where its rows are exact, that is all. */
bool search_probes_have(const struct search_probes *probes,
                        const struct search_condition *condition);

#endif
