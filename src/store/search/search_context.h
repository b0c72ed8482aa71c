/*
 * What one running search works with: its view and its access, its memory, its budget, and what it
 * has done so far. Private to the search.
 *
 * Threads: belongs to one running search. Memory: on its arena, but for `scratch`: init, fini.
 */
#ifndef STORE_SEARCH_CONTEXT_H
#define STORE_SEARCH_CONTEXT_H

#include "base/map.h"
#include "store/search/search_query.h"
#include "store/store_internal.h"
#include "store/read/terminology.h"

/* What was done in all, and how. */
enum search_order {
  SEARCH_ORDER_RID,    /* candidates come in order */
  SEARCH_ORDER_SORTED, /* all matches passed by, the best were kept */
  SEARCH_ORDER_WALKED, /* along the index of the sort key */
};
enum search_reading {
  SEARCH_READING_NONE,
  SEARCH_READING_TYPES,     /* all resources of the types, one after the other */
  SEARCH_READING_STREAMS,   /* index ranges that are in order, merged */
  SEARCH_READING_COLLECTED, /* all rows first, then sorted */
};
struct search_facts {
  enum search_order order;
  enum search_reading reading; /* of the source opened first, the page's */
  uint64_t ranges;             /* merged */
  uint64_t candidates, fetched, bodies;
  uint64_t ahead; /* resources that were read before they were needed, whether they were or not */
};

/* What one running search works with. */
struct search_context {
  struct store_view *view;
  struct db *db;
  const struct schema *schema;
  const struct access *access;
  struct store_filter filter;
  struct arena *arena;   /* what lives as long as the result */
  struct arena *scratch; /* of one candidate */
  /* a row by rid: values.p[0]; written when needed */
  struct db_query fetch, fetch_body, fetch_small_body;
  struct search_values_at_hand *values; /* of search_values_ahead.h */
  const uint64_t *type_counts;          /* live resources by type, once they were read */
  struct search_at_hand *at_hand;       /* of search_fetch.h */
  VEC(struct search_tallied) tallied;   /* of search_tally.h */
  struct search_memo *memo;
  struct map learned; /* the texts of hashes that were sorted by, by the bytes of the hash */
  struct terminology *terminology; /* NULL until a condition needs it (search_terminology.h) */
  size_t conditions_n;
  struct search_limits limits;
  struct search_types types; /* that are searched in */
  struct search_facts facts;
  uint64_t steps; /* spent */
};

/* `access` is compiled into every row that this context fetches. `limits` NULL: the defaults. */
int search_context_init(struct search_context *c, struct store_view *view,
                        const struct access *access, struct arena *arena,
                        const struct search_limits *limits, struct err *reterr) MUST_CHECK;
void search_context_fini(struct search_context *c);

/* What work costs, in steps of about 0.1 us: rows of an index, resources fetched by their number,
 * bodies read. Every loop whose length the data decides spends. ERR_TOO_COSTLY when the search has
 * had its share of steps or time. */
enum {
  SEARCH_STEP_ROW = 1,
  SEARCH_STEP_QUERY = 10,
  SEARCH_STEP_FETCH = 20,
  SEARCH_STEP_BODY = 100
};
int search_spend(struct search_context *c, uint64_t steps, struct err *reterr) MUST_CHECK;

#endif
