/*
 * Matches that stand inside other resources: _contained=true and both; chains that lead there.
 * Private to the search.
 *
 * What contains a resource of a type is found by the rows of KEYS_CONTAINED_PARAM. Each resource
 * inside becomes a candidate of its own, with the values of its body, and is asked the conditions
 * of the search as any other. It is as old as its container, and as visible. All come in the order
 * of (rid of the container, place in it).
 *
 * Spec: FHIR R4 search, http://hl7.org/fhir/R4/search.html#contained.
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_CONTAINED_H
#define STORE_SEARCH_CONTAINED_H

#include "store/search/search_page.h"

/* A match: `row` is filled where the contained resource itself is asked for, else the container is
 * to be read. */
struct search_inner {
  uint64_t rid;
  uint32_t place; /* the first is 1 */
  struct search_row row;
};
struct search_inner_page {
  struct search_inner *p;
  size_t n;
  bool has_more;
};

/* The first `count` matches behind the mark of the search. */
int search_contained_page(struct search_context *c, const struct search *search,
                          const struct search_condition *conditions, size_t count,
                          struct search_inner_page *ret_page, struct err *reterr) MUST_CHECK;

/* How many there are; stops at `max` (0: never). */
int search_contained_count(struct search_context *c, const struct search *search,
                           const struct search_condition *conditions, uint64_t max, uint64_t *ret_n,
                           struct err *reterr) MUST_CHECK;

/* The target, in the index, of every reference to a contained resource. */
int64_t search_contained_target(const struct search_context *c);

/* Does what the candidate contains, or stands beside it in the same container, and is referred to
 * by the parameter of `condition`, a chain, satisfy it? */
int search_contained_chain(struct search_context *c, const struct search_condition *condition,
                           const struct search_candidate *candidate, bool *ret_matches,
                           struct err *reterr) MUST_CHECK;

/* The candidate that a row with a contained resource was, with its keys, on the scratch arena. */
int search_contained_of_row(struct search_context *c, const struct search_row *row,
                            struct search_candidate *ret_candidate, struct err *reterr) MUST_CHECK;

#endif
