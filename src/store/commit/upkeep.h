/*
 * What is done beside the commits so that they stay fast, by a thread of its own: the log of a file
 * is moved into it (a checkpoint), so that the committer hardly ever has to; the tables of a server
 * that is being filled are looked at for better plans; compression dictionaries are made (train.h).
 * The committer says between two groups how far it has come, and adds a dictionary that is ready.
 *
 * Threads: upkeep_open, upkeep_tend and upkeep_close on one thread, or one after another.
 * Memory: upkeep_open/upkeep_close.
 */
#ifndef STORE_UPKEEP_H
#define STORE_UPKEEP_H

#include "store/body/body.h"
#include "store/db/db.h"
#include "store/schema/sequence.h"

struct upkeep;

struct upkeep_options {
  const char *path;         /* of the store; the thread has a connection of its own */
  struct db *writer;        /* the committer's */
  struct body_codec *codec; /* outlives it */
  uint64_t rid;             /* the last one there is */
  /* Called before the log is moved into the file, on the thread of either. */
  void (*before_checkpoint)(void *what);
  void *what;
};
int upkeep_open(const struct upkeep_options *options, struct upkeep **ret_upkeep,
                struct err *reterr) MUST_CHECK;
/* Lets what is under way end. NULL is allowed. */
void upkeep_close(struct upkeep *upkeep);

/* On the committer's thread, between two groups: `durable` is what the last one left. May move the
 * log itself, when the other thread can't keep up, and write a dictionary. */
void upkeep_tend(struct upkeep *upkeep, const struct sequence *durable);

#endif
