/*
 * The terminology as one view of the store knows it: the definitions, and the CodeSystem and
 * ValueSet resources that the view sees.
 *
 * What is loaded is shared by all views of the same state: a counter in the file rises with each
 * change of such a resource. `ValueSet/x` names the resource with this id, wherever a canonical URL
 * may stand. Of several resources with one URL the active ones go before others, then the one that
 * was changed last counts.
 *
 * These resources describe codes, not people: what they hold is not subject to access.
 *
 * Threads: a handle belongs to the view's thread. Memory: `arena` must live as long as the handle;
 * terminology_close before the view is closed.
 */
#ifndef STORE_TERMINOLOGY_H
#define STORE_TERMINOLOGY_H

#include "model/terminology.h"
#include "store/store.h"

int store_terminology_open(struct store_view *view, struct arena *arena,
                           struct terminology **ret_terminology, struct err *reterr) MUST_CHECK;

#endif
