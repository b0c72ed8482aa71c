/*
 * Where the messages of `simulate` go: MLLP and FHIR connections, or files.
 *
 * Order: the messages of one person leave one after the other, each after the answer to the one
 * before, whichever systems send them and on whichever connections; one system's messages for a
 * person always take the same connection. Persons do not wait for each other.
 *
 * Threads: `outlet_put` and `outlet_close` from one thread; one thread for each connection inside.
 * Memory: owned.
 */
#ifndef MAIN_SIMULATE_OUTLET_H
#define MAIN_SIMULATE_OUTLET_H

#include "main/latency.h"
#include "main/simulate/hospital.h"

struct outlet;

struct outlet_options {
  const char *mllp_host; /* NULL: none */
  uint16_t mllp_port;
  unsigned connections, timeout_s;
  const char *fhir_url;  /* NULL: none */
  const char *directory; /* NULL: none; "-": standard output */
  unsigned persons_n;
};

struct outlet_counts {
  uint64_t sent, accepted, refused;
  struct latency latency;
  char first_refusal[300]; /* what the receiver said; "" when there was none */
};

struct outlet_result {
  struct outlet_counts of_system[SYSTEMS_N];
};

/* Connects. ERR_IO, ERR_TIMEOUT. */
int outlet_open(const struct outlet_options *options, struct outlet **ret_outlet,
                struct err *reterr) MUST_CHECK;

/* Takes a message that this outlet is for (copied); others are passed over. Returns 1 when it was
 * taken, 0 when not; ERR_IO once a connection has failed. Waits while the queues are full. */
int outlet_put(struct outlet *outlet, const struct hospital_message *message, struct str bytes,
               struct err *reterr) MUST_CHECK;

/* Waits until everything was sent, and closes. ERR_IO when a connection had failed; the result is
 * filled in any case. */
int outlet_close(struct outlet *outlet, struct outlet_result *ret_result, struct err *reterr);

#endif
