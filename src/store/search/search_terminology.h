/*
 * Conditions that stand for a set: of codes (:in, :not-in, :above, :below on tokens) or of
 * resources (:above, :below on references). Private to the search.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_TERMINOLOGY_H
#define STORE_SEARCH_TERMINOLOGY_H

#include "store/search/search_condition.h"

/* The terminology of the search's view, opened when first asked for. */
int search_terminology(struct search_context *c, struct terminology **ret_terminology,
                       struct err *reterr) MUST_CHECK;

/* The tests of :in and :not-in. ERR_NOT_FOUND, ERR_NOT_SUPPORTED (which codes there are is not
 * known), and what terminology_value_set says. */
int search_value_set_tests(struct search_context *c, struct search_condition *condition,
                           struct err *reterr) MUST_CHECK;
bool search_value_set_has(struct terminology *terminology, struct str canonical, struct str system,
                          struct str code);

/* The hashes of a concept and all above (below) it. */
int search_concept_ranges(struct search_context *c, const struct search_operand *o, bool is_above,
                          struct search_range_list *ranges, struct err *reterr) MUST_CHECK;
bool search_concept_fits(struct terminology *terminology, const struct search_operand *o,
                         bool is_above, struct str system, struct str code);

/* The parameter by which resources of a type are part of others of it; 0: none. */
defs_param_id search_hierarchy_param(defs_type_id type);
/* The resource `rid` and all above (below) it, at most 10,000 (ERR_TOO_COSTLY). */
int search_resource_ranges(struct search_context *c, defs_type_id type, uint64_t rid, bool is_above,
                           struct search_range_list *ranges, struct err *reterr) MUST_CHECK;

#endif
