/*
 * Does a resource satisfy a condition? First on its keys (schema.h), and where these can't say, on
 * the values of its body. Private to the search.
 *
 * Threads: within one running search. Memory: on its scratch arena.
 */
#ifndef STORE_SEARCH_MATCH_H
#define STORE_SEARCH_MATCH_H

#include "store/search/search_condition.h"
#include "store/search/search_fetch.h"

/* The keys of a contained resource, made of its values when first asked for: its references lead to
 * what is in the store. */
int search_contained_keys(struct search_context *c, struct search_candidate *candidate,
                          struct err *reterr) MUST_CHECK;

/* All of `conditions`? */
int search_matches(struct search_context *c, const struct search_condition *conditions, size_t n,
                   struct search_candidate *candidate, bool *ret_matches,
                   struct err *reterr) MUST_CHECK;

/* The keys of `param` in `table`. */
struct keys search_keys_of(struct keys keys, enum keys_table table, uint16_t param);

/* The meaning of a predicate on a parameter, exactly, on the values of a body. Chains, _has, _id
 * and _lastUpdated are not its matter, nor are :above and :below of references, which need other
 * resources. `terminology` may be NULL where no condition asks for it. */
bool search_values_match(struct arena *arena, struct terminology *terminology,
                         const struct search_predicate *predicate, struct search_values values);

/* Is its meaning more than its values: :above and :below of references? */
bool search_is_of_hierarchy(const struct search_predicate *predicate);

/* A uri by the modifiers that uris take. */
bool search_uri_fits(enum search_modifier modifier, struct str asked, struct str uri);

#endif
