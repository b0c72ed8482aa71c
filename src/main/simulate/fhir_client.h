/*
 * Posts transaction bundles to a FHIR server. Hides libcurl.
 *
 * Threads: one owner. Memory: owned; an answer is borrowed until the next call.
 */
#ifndef MAIN_SIMULATE_FHIR_CLIENT_H
#define MAIN_SIMULATE_FHIR_CLIENT_H

#include "base/base.h"

struct fhir_client;
int fhir_client_open(const char *url, unsigned timeout_s, struct fhir_client **ret_client,
                     struct err *reterr) MUST_CHECK;
int fhir_client_post(struct fhir_client *client, struct str bundle, int *ret_status,
                     struct str *ret_answer, struct err *reterr) MUST_CHECK;
void fhir_client_close(struct fhir_client *client);

#endif
