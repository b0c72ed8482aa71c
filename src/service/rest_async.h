/*
 * The asynchronous pattern: a request with `Prefer: respond-async` becomes a durable job (store/
 * job.h); its URL tells how far it is, and then the answer as a Bundle of type batch-response.
 *
 *   accepted (202) -> waits -> runs -> answered (200), until it expires
 *                                   -> failed (500): could not be finished, which is not the same
 *                                      as an answer that is an error
 *
 * Any process of a store tells how far it is and gives the answer. The one that accepted it begins
 * with it; when that ends in between, another takes it up (job.h says when): what only reads is run
 * again; what may have changed something is failed, and says so.
 *
 * Spec: FHIR R5, http://hl7.org/fhir/R5/async-bundle.html (docs/decisions/ says why not R4's own
 * page). Threads: own threads run the jobs. Memory: `rest_async_open`/`rest_async_close`.
 */
#ifndef SERVICE_REST_ASYNC_H
#define SERVICE_REST_ASYNC_H

#include "service/rest.h"

struct rest_async;

/* Takes up what was not finished. */
int rest_async_open(struct service *service, struct rest_async **ret_async,
                    struct err *reterr) MUST_CHECK;
/* Finishes what runs; what waits is taken up by another process, or at the next start. NULL is
 * allowed. */
void rest_async_close(struct rest_async *async);

/* Can this call be answered later? */
bool rest_async_may(const struct rest_call *call);
/* Makes it a job and answers with its URL. Waits for the commit: on a worker. */
void rest_async_begin(struct rest_call *call);

#endif
