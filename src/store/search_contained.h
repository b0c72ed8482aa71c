/*
 * _contained and _containedType: searches among the resources that others contain. Private to the
 * search.
 *
 * Spec: FHIR R4 search, http://hl7.org/fhir/R4/search.html#contained.
 *
 * The index says which resources contain one of a type (keys.h). What they contain is judged by its
 * own values, taken from the body of the container. Pages are cut between containers, so that one
 * with several matches may make a page longer than asked for.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_CONTAINED_H
#define STORE_SEARCH_CONTAINED_H

#include "store/search_page.h"

/* ERR_NOT_SUPPORTED for what can't be asked of contained resources, which nothing refers to from
 * outside: chains, _has, order, compartments. */
int search_contained_check(const struct search *search, struct err *reterr) MUST_CHECK;

/* The page of a search with _contained=true or both. ERR_TOO_COSTLY. */
int search_contained_page(struct search_context *c, const struct search *search,
                          const struct search_condition *conditions, struct search_page *ret_page,
                          struct err *reterr) MUST_CHECK;

/* How many entries all of its pages have. */
int search_contained_count(struct search_context *c, const struct search *search,
                           const struct search_condition *conditions, uint64_t *ret_n,
                           struct err *reterr) MUST_CHECK;

#endif
