/*
 * A pool of threads for work that would hold up the threads of the HTTP server: parsing,
 * validating, searching.
 *
 * A job is a member of what it works on; nothing is allocated. Who submits bounds how many there
 * are (one per request).
 *
 * Threads: `workers_submit` from any thread, also from a job. Memory:
 * `workers_open`/`workers_close`.
 */
#ifndef SERVICE_WORKERS_H
#define SERVICE_WORKERS_H

#include "base/base.h"

struct workers;

struct worker_job {
  void (*run)(void *what);
  void *what;
  struct worker_job *next_;
};

/* `threads` 0: one per core. */
int workers_open(unsigned threads, struct workers **ret_workers, struct err *reterr) MUST_CHECK;

/* Runs `job->run(job->what)` on one of the threads, first come, first served. */
void workers_submit(struct workers *workers, struct worker_job *job);

/* Waits until all that was submitted has run. NULL is allowed. */
void workers_close(struct workers *workers);

#endif
