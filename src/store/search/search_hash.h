/*
 * Values of a query as the hashes and row numbers under which the tables of this store have them
 * (schema.h). Private to the search.
 *
 * Threads: belongs to one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_HASH_H
#define STORE_SEARCH_HASH_H

#include "store/search/search_condition.h"

/* Adds what `o`, a value of the type `type`, may stand for: by the modifier one hash, those of all
 * fitting words or concepts, the rids of targets. ERR_TOO_COSTLY, ERR_NOT_SUPPORTED, ERR_STORE. */
int search_hash_value(struct search_context *c, const struct search_condition *condition,
                      const struct defs_param *param, enum search_type type,
                      const struct search_operand *o, struct search_range_list *ranges,
                      struct err *reterr) MUST_CHECK;

/* The units of a quantity; without one, every unit that the parameter has. */
int search_hash_units(struct search_context *c, const struct search_condition *condition,
                      const struct search_operand *o, struct search_range_list *ranges,
                      struct err *reterr) MUST_CHECK;

/* `system|code`, `|code`, `code`. */
void search_hash_token(const struct schema *schema, const struct search_operand *o,
                       struct search_range_list *ranges);

#endif
