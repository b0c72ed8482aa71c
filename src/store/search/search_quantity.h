/*
 * Quantities in units of UCUM: a query in one unit finds values in every unit that measures the
 * same. The index has values as they were written; the query is converted to each commensurable
 * unit that occurs under the parameter, which the vocabulary tells. So nothing more is stored, and
 * a number without a unit means what stands in the resource. Private to the search.
 *
 * Spec: http://hl7.org/fhir/R4/search.html#quantity; UCUM by model/ucum.h.
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_QUANTITY_H
#define STORE_SEARCH_QUANTITY_H

#include "model/ucum.h"
#include "store/search/search_condition.h"

#define SEARCH_UCUM "http://unitsofmeasure.org"

/* Has the query a unit of UCUM that can be converted? */
bool search_quantity_is_ucum(const struct search_operand *o, struct ucum_unit *ret_unit);

/* The query, in the unit `to`; false when it measures something else. Exact where decimals are; a
 * unit that runs the other way (pH) turns the prefix. */
bool search_quantity_convert(const struct search_operand *o, const struct ucum_unit *from,
                             const struct ucum_unit *to, struct search_operand *ret_operand);

struct search_test_list {
  struct arena *arena;
  VEC(struct search_test) list;
};
/* Appends a test for each unit that the parameter has and that measures what `o` measures; what
 * else a test says is taken from `like`. ERR_TOO_COSTLY. */
int search_quantity_tests(struct search_context *c, uint16_t param, const struct search_operand *o,
                          const struct ucum_unit *unit, const struct search_test *like,
                          struct search_test_list *tests, struct err *reterr) MUST_CHECK;

#endif
