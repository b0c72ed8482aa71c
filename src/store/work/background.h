/*
 * The store's thread for what has time: jobs that go through resources again (reindex.h) and the
 * full-text index (text_index.h). It works in small steps, each a commit like any other, and waits
 * a little after each, so that writers keep their share. Private to src/store.
 *
 * Of the processes of a store one does this at a time: the one that has the lease for it (watch.h).
 * That it still has it is checked inside each of its commits: by the job's holder, and by the
 * lease.
 *
 * Threads: as said; background_wake from any. Memory: background_open/background_close.
 */
#ifndef STORE_BACKGROUND_H
#define STORE_BACKGROUND_H

#include "store/store.h"

struct background;

/* `is_bulk`: a load that wants all there is; texts are left for the time when the store is served.
 */
int background_open(struct store *store, bool is_bulk, struct background **ret_background,
                    struct err *reterr) MUST_CHECK;
/* Ends after the step at hand, before the committer is closed; then, when nobody wakes it any more,
 * frees. NULL is allowed. */
void background_stop(struct background *background);
void background_free(struct background *background);

/* There is a job to run. */
void background_wake(struct background *background); /* NULL is allowed */

/* Of the store; NULL where it is only read. */
struct background *store_background(struct store *store);

#endif
