/*
 * The parameters that the store's SearchParameter resources define: put in force, numbered, and
 * their rows brought up to date by a background job. Private to src/store.
 *
 * The resources say what is wanted, the rows of `param` what the index holds (SCHEMA_PARAM_...).
 * Bringing both together can be done again at any time, so that a crash between a commit and its
 * consequences loses nothing.
 *
 * Threads: the one that has the writer. Memory: the set is the process's (model/parameters.h).
 */
#ifndef STORE_PARAMETER_SET_H
#define STORE_PARAMETER_SET_H

#include "store/body.h"
#include "store/schema.h"

/*
 * Reads the resources and puts their parameters in force. `is_writer`: also numbers new ones, and
 * makes a job for what is to be built or cleared, in a transaction of its own; `*ret_has_job` when
 * there is one to run. What a resource says that can't be a parameter (any more) is logged.
 */
int parameter_set_load(struct db *db, const struct schema *schema, const struct body_codec *codec,
                       bool is_writer, bool *ret_has_job, struct err *reterr) MUST_CHECK;

/* The job `number` has gone through all resources: what it built is ready, what it cleared is gone.
 * Inside a transaction, on the committer's thread. */
int parameter_set_job_done(struct db *db, uint64_t number, struct err *reterr) MUST_CHECK;

/* What is complete can be searched by from now on. On any thread, when that is durable and `db`
 * sees it. */
int parameter_set_publish(struct db *db, struct err *reterr) MUST_CHECK;

/* No parameter but the compiled ones is in force any more. */
void parameter_set_clear(void);

#endif
