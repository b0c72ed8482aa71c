/*
 * Has a resource at most one value for a search parameter? Told from the parameter's expression and
 * the cardinalities of the definitions; false where the expression is not a plain path.
 *
 * Threads: pure. Memory: none.
 */
#ifndef STORE_SEARCH_SINGLE_H
#define STORE_SEARCH_SINGLE_H

#include "model/definitions.h"

bool search_is_single_valued(const struct defs_param *param);

#endif
