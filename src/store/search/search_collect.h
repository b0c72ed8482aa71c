/*
 * All candidates of one condition at once, and how many there are. Private to the planner.
 *
 * Threads: within one running search. Memory: on its arena, 8 bytes a row, at most
 * SEARCH_COLLECT_MAX rows.
 */
#ifndef STORE_SEARCH_COLLECT_H
#define STORE_SEARCH_COLLECT_H

#include "store/search/search_span.h"

enum { SEARCH_COLLECT_MAX = 2000000 };

struct search_rids {
  struct arena *arena;
  uint64_t *p;
  size_t n, capacity;
};

int search_rids_add(struct search_rids *rids, uint64_t rid, struct err *reterr) MUST_CHECK;
void search_rids_sort(struct search_rids *rids); /* ascending, each once */

/* Appends the first column of the rows of `query`, to which a LIMIT is added: at most `most`. */
int search_rids_add_query(struct search_context *c, struct db_query *query, uint64_t most,
                          struct search_rids *rids, struct err *reterr) MUST_CHECK;

/* Appends every resource that may satisfy `condition`, in no order. */
int search_collect(struct search_context *c, const struct search_condition *condition,
                   struct search_rids *rids, struct err *reterr) MUST_CHECK;

/* The same from spans that are at hand; only what `probes` (NULL: none) let pass. */
struct search_probes;
int search_collect_spans(struct search_context *c, const struct search_spans *spans,
                         const struct search_probes *probes, struct search_rids *rids,
                         struct err *reterr) MUST_CHECK;

/* All of one span that has few, at most SEARCH_FEW_MAX, and their rows with them (where
 * search_fetches_with is true). `*ret_is_all` is false where it has more: then nothing is added. */
enum { SEARCH_FEW_MAX = 64 };
int search_collect_few(struct search_context *c, const struct search_span *span, bool needs_body,
                       struct search_rids *rids, bool *ret_is_all, struct err *reterr) MUST_CHECK;

/* What a chain or _has leads to: everything that may satisfy one of its targets, in order. */
int search_collect_targets(struct search_context *c, const struct search_condition *condition,
                           struct search_rids *targets, struct err *reterr) MUST_CHECK;

/* Finds all that satisfies a _has, by testing what may refer to it: each costs as much as a
 * candidate. Nothing is done a second time. */
int search_solve_has(struct search_context *c, const struct search_condition *condition,
                     struct err *reterr) MUST_CHECK;

/* These spans will be counted, each to `limit`. */
int search_count_ahead(struct search_context *c, const struct search_spans *const *spans, size_t n,
                       uint64_t limit, struct err *reterr) MUST_CHECK;

/* Rows of spans, about; counts to `limit` at the most. */
int search_count_spans(struct search_context *c, const struct search_spans *spans, uint64_t limit,
                       uint64_t *ret_n, struct err *reterr) MUST_CHECK;

/* How many rows search_collect would give, about; counts to `limit` at the most. `spans` may hold
 * those of the condition, else NULL. */
int search_count(struct search_context *c, const struct search_condition *condition,
                 const struct search_spans *spans, uint64_t limit, uint64_t *ret_n,
                 struct err *reterr) MUST_CHECK;

#endif
