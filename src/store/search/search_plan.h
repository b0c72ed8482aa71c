/*
 * The plan of a search, chosen by us and not by the database: which condition gives the candidates
 * (the most selective one that has an index), while the others are tested on each candidate's keys.
 * Candidates always come in the order of their rid, each once. Private to the search.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_PLAN_H
#define STORE_SEARCH_PLAN_H

#include "store/search/search_condition.h"
#include "store/search/search_fetch.h"

/* A source of candidates. */
struct search_source;

/* What the candidates are for. */
struct search_wish {
  struct search_types types;
  const struct search_condition *conditions;
  size_t n;
  uint64_t after;    /* rids behind this one */
  size_t count;      /* rows of the page; 0: a usual one */
  bool wants_all;    /* to be read to its end, not only for a page */
  bool reads_bodies; /* of what matches, afterwards */
  bool only_counts;  /* candidates need not be fetched where they are known to match */
};

/*
 * Chooses and opens the source, which borrows `wish`. It gives a superset of what matches:
 * search_matches decides. ERR_TOO_COSTLY, ERR_STORE, ERR_NO_MEMORY.
 */
int search_source_open(struct search_context *c, const struct search_wish *wish,
                       struct search_source **ret_source, struct err *reterr) MUST_CHECK;

/* The next candidate; `*ret_rid` 0 at the end. When few candidates match (search_source_matched is
 * not called for them), the source takes more conditions into account by itself. */
int search_source_next(struct search_source *source, uint64_t *ret_rid,
                       struct err *reterr) MUST_CHECK;

/* The same, fetched. `*ret_found` is false where search_fetch says so. */
int search_source_fetch(struct search_source *source, struct search_candidate *ret_candidate,
                        bool *ret_found, struct err *reterr) MUST_CHECK;

/* Does every candidate that it gives match, so that only access could forbid one? This may become
 * true while it is read. */
bool search_source_is_exact(const struct search_source *source);

/* The candidate given last did match. */
void search_source_matched(struct search_source *source);

/* About how many candidates a wish has at least; counts to `limit` at the most. */
int search_wish_estimate(struct search_context *c, const struct search_wish *wish, uint64_t limit,
                         uint64_t *ret_n, struct err *reterr) MUST_CHECK;

/* Live resources of `types`, whoever may see them. */
int search_types_count(struct search_context *c, struct search_types types, uint64_t *ret_n,
                       struct err *reterr) MUST_CHECK;

/* The types that a condition on `type` (0: all that are searched in) is about and of which the
 * store has a resource. */
int search_types_of(struct search_context *c, defs_type_id type, struct search_types *ret_types,
                    struct err *reterr) MUST_CHECK;

#endif
