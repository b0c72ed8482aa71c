/*
 * `near`: which positions lie within a distance of a place.
 *
 *   value = latitude "|" longitude ["|" distance ["|" unit]]
 *
 * Degrees of WGS 84. The unit is km where none is named, else a length of UCUM (m, km, [mi_i]), or
 * mi or ft. Without a distance it is SEARCH_NEAR_DEFAULT_KM: who asks what is near with nothing
 * else said means a journey of less than an hour. The distance is that of the great circle on the
 * mean sphere, which is within 0.6 % of the ellipsoid's.
 *
 * A position is a row of the table `number` (schema.h): the cell of one degree by one degree that
 * it lies in, its latitude and longitude. A query looks into the cells that its circle touches,
 * over the poles and the antimeridian too. Private to the search.
 *
 * Spec: http://hl7.org/fhir/R4/location.html#search, 8.7.6.
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_NEAR_H
#define STORE_SEARCH_NEAR_H

#include "store/search/search_condition.h"

#define SEARCH_NEAR_DEFAULT_KM 50

/* The operand has the latitude in `from`, the longitude in `to`, the distance in km in `exact`.
 * ERR_VALUE with `name` as its place. */
int search_near_parse(struct arena *arena, struct str value, struct str name,
                      struct search_operand *ret_operand, struct err *reterr) MUST_CHECK;

bool search_near_fits(const struct search_operand *o, double latitude, double longitude);

int search_near_tests(struct search_context *c, struct search_condition *condition,
                      struct err *reterr) MUST_CHECK;

/* Appends " AND ..." on the columns of `number`: nothing within the distance is left out. */
void search_near_add(struct db_query *query, const struct search_operand *o);

#endif
