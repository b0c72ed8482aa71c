/*
 * Rows of `resource` by their number: candidates with their keys, bodies, rows of a page. Where
 * each question costs a round trip, those that will be asked for are read ahead, many at once, and
 * kept at hand; else every row is read when it is asked for. Private to the search.
 *
 * Threads: within one running search. Memory: candidates are on its scratch arena; the rows at hand
 * on one of their own, at most SEARCH_AT_HAND_MAX of them.
 */
#ifndef STORE_SEARCH_FETCH_H
#define STORE_SEARCH_FETCH_H

#include "store/search/search_context.h"

enum {
  SEARCH_AHEAD_MAX = 256, /* rows in one question */
  SEARCH_AT_HAND_MAX = 1024,
};

/* A resource that may match. */
struct search_candidate {
  uint64_t rid;
  defs_type_id type;
  int64_t updated_us;
  struct str id;
  struct keys keys;
  bool is_contained, has_contained_keys; /* inside another resource: the rid is 0, `has_values` */
  bool has_values;
  struct search_values values;        /* of the body, when they were needed */
  const struct yyjson_val *container; /* is_contained: the body that it stands in */
};

/* Reads the candidate `rid` onto the scratch arena. `*ret_found` is false when it is not there, is
 * deleted, or access hides it. */
int search_fetch(struct search_context *c, uint64_t rid, struct search_candidate *ret_candidate,
                 bool *ret_found, struct err *reterr) MUST_CHECK;

/* Its body. */
int search_fetch_body(struct search_context *c, const struct search_candidate *candidate,
                      const struct yyjson_val **ret_root, struct err *reterr) MUST_CHECK;

/* The values of its body, read when first asked for. */
int search_fetch_values(struct search_context *c, struct search_candidate *candidate,
                        struct err *reterr) MUST_CHECK;

/* The row of a live resource that access shows, with its body, on `arena`. */
int search_fetch_row(struct search_context *c, uint64_t rid, struct arena *arena,
                     struct store_resource *ret_resource, bool *ret_found,
                     struct err *reterr) MUST_CHECK;

/* Should what comes next be told, or does it cost the same to ask one by one? */
bool search_looks_ahead(const struct search_context *c);

/* Is the row at hand, so that it costs no question (nor, with `needs_body`, its body)? */
bool search_is_at_hand(const struct search_context *c, uint64_t rid, bool needs_body);

/* Tells which rows the functions above will be asked for; the first SEARCH_AHEAD_MAX are read that
 * are not at hand, of bodies those that are not large. Does nothing where that saves nothing. */
int search_fetch_ahead(struct search_context *c, const uint64_t *rids, size_t n, bool needs_body,
                       struct err *reterr) MUST_CHECK;

/* Asks `rids`, a query of one column that has a LIMIT of at most `most`, and in the same question
 * for the rows of what it gives. `ret_rids` has room for `most`. Only where
 * search_fetches_with is true. */
int search_fetch_with(struct search_context *c, const struct db_query *rids, size_t most,
                      bool needs_body, uint64_t *ret_rids, size_t *ret_n,
                      struct err *reterr) MUST_CHECK;

/* Can a question for numbers bring the rows too, and does that save anything? Not where rows are
 * on shards of their own. */
bool search_fetches_with(const struct search_context *c);

/* Gives back what is at hand. */
void search_fetch_fini(struct search_context *c);

/* ---- What refers to a resource --------------------------------------------------------------- */

/* Rids that refer to `target` by the parameter number `param`, in order, behind `after`; at most
 * `max`. */
int search_referrers(struct search_context *c, uint16_t param, uint64_t target, uint64_t after,
                     uint64_t *ret_rids, size_t max, size_t *ret_n, struct err *reterr) MUST_CHECK;

/* The same in two steps, so that several may be asked before the first answer is waited for. */
int search_referrers_ask(struct search_context *c, uint16_t param, uint64_t target, uint64_t after,
                         size_t max, struct db_statement **ret_asked,
                         struct err *reterr) MUST_CHECK;
int search_referrers_take(struct search_context *c, struct db_statement *asked, uint64_t *ret_rids,
                          size_t max, size_t *ret_n, struct err *reterr) MUST_CHECK;

#endif
