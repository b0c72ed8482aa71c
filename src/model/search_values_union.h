/*
 * Search parameters that are nothing but several others together: `combo-code` of an Observation
 * finds what `code` or `component-code` finds, and the definitions say so ("Observation.code |
 * Observation.component.code"). Such a parameter needs no rows of its own in the index: a search
 * by it is a search by each of its parts.
 *
 * Spec: FHIR R4 SearchParameter.expression. Threads: immutable after search_unions_init. Memory:
 * static.
 */
#ifndef MODEL_SEARCH_VALUES_UNION_H
#define MODEL_SEARCH_VALUES_UNION_H

#include "model/definitions.h"

#define SEARCH_UNION_PARTS_MAX 4

/* Finds them among the compiled parameters; cheap. Called by search_values_init. */
int search_unions_init(struct err *reterr) MUST_CHECK;

/* The parts of `param`, none of them a union itself; `*ret_n` 0 when it stands alone. Only
 * parameters of type token, quantity and composite are ever unions. */
const defs_param_id *search_union_parts(defs_param_id param, size_t *ret_n);

#endif
