/*
 * Does a resource satisfy a condition? First on its keys (schema.h), and where these can't say, on
 * the values of its body. Private to the search.
 *
 * Threads: within one running search. Memory: on its scratch arena.
 */
#ifndef STORE_SEARCH_MATCH_H
#define STORE_SEARCH_MATCH_H

#include "store/search_condition.h"

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

/* Rids of resources of `type` that refer to `target` by the parameter number `param`, in order,
 * behind `after`; at most `max`. */
int search_referrers(struct search_context *c, uint16_t param, uint64_t target, uint64_t after,
                     uint64_t *ret_rids, size_t max, size_t *ret_n, struct err *reterr) MUST_CHECK;

#endif
