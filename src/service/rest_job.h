/*
 * What all URLs of background jobs share (store/work/job.h): the caller's job by its number, and
 * its end.
 *
 * Spec: FHIR R4, Asynchronous Request Patterns, http://hl7.org/fhir/R4/async.html
 * Threads: a worker's. Memory: on the call's arena.
 */
#ifndef SERVICE_REST_JOB_H
#define SERVICE_REST_JOB_H

#include "service/rest.h"
#include "store/work/job.h"

/* The caller's job of this kind. ERR_NOT_FOUND, perhaps without a text, where there is none, it is
 * another's, of another kind, or was cancelled. */
int rest_job_find(struct rest_call *call, struct str number, const char *kind, struct job *ret_job,
                  struct err *reterr) MUST_CHECK;

/* Takes the job back, with its result, and answers the call: 202. */
void rest_job_delete(struct rest_call *call, uint64_t number);

#endif
