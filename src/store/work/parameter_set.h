/*
 * The parameters that the store's SearchParameter resources define: put in force, numbered, and
 * their rows brought up to date by a background job. Private to src/store.
 *
 * The resources say what is wanted, the rows of `param` what the index holds (SCHEMA_PARAM_...).
 * Bringing both together can be done again at any time, so that a crash between a commit and its
 * consequences loses nothing.
 *
 * Every process of a store has the set in memory. `sequence.definitions` counts its changes: who
 * changes it counts up in the same transaction, who finds another number than it knows reads it
 * again before it goes on (store_follow).
 *
 * Threads: one at a time. Memory: a set that was read is its caller's; what is in force is the
 * process's (model/parameters.h).
 */
#ifndef STORE_PARAMETER_SET_H
#define STORE_PARAMETER_SET_H

#include "store/body/body.h"
#include "store/schema/schema.h"
#include "store/schema/sequence.h"

struct parameter_set;

/*
 * Reads the resources, in the transaction that is open. `sequence`: not NULL in a write transaction
 * (the caller writes it): also numbers new parameters, makes a job for what is to be built or
 * cleared, and counts `definitions` up if there was anything to write. What a resource says that
 * can't be a parameter (any more) is logged. Nothing is in force by this.
 */
int parameter_set_read(struct db *db, const struct schema *schema, const struct body_codec *codec,
                       struct sequence *sequence, struct parameter_set **ret_set,
                       struct err *reterr) MUST_CHECK;
void parameter_set_free(struct parameter_set *set); /* NULL is allowed */

/* Has it changed rows? Is there a job to run? */
bool parameter_set_has_written(const struct parameter_set *set);
bool parameter_set_has_job(const struct parameter_set *set);

/* Puts it in force; where it was settled, when that is durable. */
int parameter_set_install(const struct parameter_set *set, struct err *reterr) MUST_CHECK;

/* Before that: takes some of the words out that the parameters had which it clears, about `at_once`
 * of them, so that no transaction takes long. `*ret_has_more`: there may be more. Inside a
 * transaction; nothing is done when the job has ended. */
int parameter_set_take_out_words(struct db *db, uint64_t number, size_t at_once, bool *ret_has_more,
                                 struct err *reterr) MUST_CHECK;

/* The job `number` has gone through all resources: what it built is ready, what it cleared is gone.
 * Inside a transaction, on the committer's thread. */
int parameter_set_job_done(struct db *db, uint64_t number, struct err *reterr) MUST_CHECK;

/* What is complete can be searched by from now on. On any thread, when that is durable and `db`
 * sees it. */
int parameter_set_publish(struct db *db, struct err *reterr) MUST_CHECK;

/* No parameter but the compiled ones is in force any more. */
void parameter_set_clear(void);

#endif
