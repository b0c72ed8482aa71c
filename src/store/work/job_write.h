/*
 * Changes of jobs inside a commit. Private to src/store.
 * Threads: the committer's. Memory: what is packed, on the arena given.
 */
#ifndef STORE_JOB_WRITE_H
#define STORE_JOB_WRITE_H

#include "store/body/body.h"
#include "store/work/job.h"
#include "store/schema/sequence.h"

/* `change->holder_` is set. Does the change fit? Reads only; fills `is_again`. A refusal
 * (`*ret_is_refusal`) concerns this commit alone. */
int job_check(struct db *db, struct job_change *change, bool *ret_is_refusal,
              struct err *reterr) MUST_CHECK;

/* Makes a change that was checked. A new job gets its number from `sequence`, which the caller
 * writes afterwards. */
int job_apply(struct db *db, const struct body_codec *codec, struct arena *arena,
              struct sequence *sequence, struct job_change *change, struct err *reterr) MUST_CHECK;

/* All that a process runs: for another `for_us`; or it waits again (0: what any process runs). In a
 * write transaction. */
int job_renew_all(struct db *db, int64_t holder, int64_t for_us, struct err *reterr) MUST_CHECK;
int job_release_all(struct db *db, int64_t holder, struct err *reterr) MUST_CHECK;

#endif
