/*
 * The path of a v2 message: bytes -> tree -> FHIR -> which person -> valid? -> ONE COMMIT -> ACK.
 *
 * Threads: `intake_message` runs on a worker of its pool; the reply is given from the committer's
 * thread. A commit that has become stale is prepared again (bounded). Memory: takes the frame's
 * arena.
 */
#ifndef FLOW_INTAKE_H
#define FLOW_INTAKE_H

#include "mapping/mapping.h"
#include "store/store.h"

struct intake;

struct intake_options {
  struct store *store;
  const struct maps *maps;
  unsigned workers; /* 0: number of cores */
  int time_zone_minutes;
};

int intake_open(const struct intake_options *options, struct intake **ret_intake,
                struct err *reterr) MUST_CHECK;

struct intake_message {
  struct arena *arena; /* taken; freed after `reply` returned */
  struct str bytes;    /* as received, on the arena */
  bool too_long;
  struct str channel; /* "mllp:2575" */
  int64_t received_us;
  /* Called once, when the message and all that it caused are durable, or it was refused (and that
   * is durable), or the store failed (then a negative reply). */
  void (*reply)(struct intake_message *message, struct str ack);
  void *what;
  uint64_t what_connection;
};

void intake_submit(struct intake *intake, struct intake_message *message);
void intake_close(struct intake *intake); /* waits for what was submitted */

#endif
