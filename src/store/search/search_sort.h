/*
 * What the two ways to a sorted page share: the keys of a resource and their order. Values are
 * ascending or descending, a resource without a value comes last in both, and equal ones are in the
 * order of their rid. Private to the search.
 *
 * Threads: within one running search. Memory: keys borrow from the candidate.
 */
#ifndef STORE_SEARCH_SORT_H
#define STORE_SEARCH_SORT_H

#include "store/search/search_page.h"

enum { SEARCH_SORT_TEXT_BYTES_MAX = 255 }; /* of a text key */

int search_key_compare(const struct search_key *a, const struct search_key *b);

/* The order of two rows; by (keys, rid). */
int search_sort_compare(const struct search *search, const struct search_key *a, uint64_t a_rid,
                        const struct search_key *b, uint64_t b_rid);

/* Is the key in the candidate's keys, so that the body need not be read? */
bool search_sort_is_in_keys(const struct search_sort *sort);

/* The least value of a resource for ascending, the greatest for descending order. */
int search_sort_key(struct search_context *c, const struct search_sort *sort,
                    struct search_candidate *candidate, struct search_key *ret_key,
                    struct err *reterr) MUST_CHECK;

/* Can the only sort key be followed along an index, and is that cheaper than to sort all matches?
 */
int search_walk_pays(struct search_context *c, const struct search *search,
                     const struct search_condition *conditions, bool *ret_pays,
                     struct err *reterr) MUST_CHECK;

/* The page by walking the index of the sort key. */
int search_walked_page(struct search_context *c, const struct search *search,
                       const struct search_condition *conditions, struct search_page *ret_page,
                       struct err *reterr) MUST_CHECK;

#endif
