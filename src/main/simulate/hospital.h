/*
 * The simulated hospital: what happens to whom and when, one message after the other, in the order
 * of simulated time.
 *
 * The same options give the same messages, byte for byte. It never ends: people come back.
 * Threads: one owner. Memory: owned, about 600 bytes a person.
 */
#ifndef MAIN_SIMULATE_HOSPITAL_H
#define MAIN_SIMULATE_HOSPITAL_H

#include "main/simulate/messages.h"

struct hospital;

struct hospital_options {
  uint64_t seed;
  unsigned persons_n;
  int64_t start_us; /* of simulated time */
};

struct hospital_message {
  enum message_kind kind;
  enum system_id system;
  unsigned person; /* 0 to persons_n - 1 */
  int64_t at_us;
};

int hospital_open(const struct hospital_options *options, struct hospital **ret_hospital,
                  struct err *reterr) MUST_CHECK;

/* Writes the next message into `buf` (cleared first): v2 with CR, or a FHIR bundle where the system
 * is the portal. ERR_NO_MEMORY. */
int hospital_next(struct hospital *hospital, struct buf *buf, struct hospital_message *ret_message,
                  struct err *reterr) MUST_CHECK;

void hospital_close(struct hospital *hospital);

#endif
