/*
 * The committer: one thread that takes prepared commits from a queue, puts as many as wait into one
 * transaction (one fsync for all), and then answers each. Between two of them it says how far it
 * has come to upkeep.h, whose thread keeps the store fast.
 *
 * Threads: as said. Memory: a commit belongs to the committer from committer_submit until `done`.
 */
#ifndef STORE_COMMITTER_H
#define STORE_COMMITTER_H

#include <stdatomic.h>

#include "store/commit/commit.h"

struct committer;

struct committer_options {
  const struct store_options *store; /* path and limits, with defaults filled in */
  struct db *db;                     /* the writer; the committer's alone from now on */
  const struct schema *schema;
  struct body_codec *codec;
  struct store_view *view;     /* over `db` */
  atomic_uint_fast64_t *epoch; /* counted up when a group is durable, before it is answered */
  /* Called before the log is moved into the file, on the committer's or the log's thread. */
  void (*before_checkpoint)(void *what);
  /* Called at the begin of each write transaction: takes over what `now` says that other processes
   * have changed (definitions, dictionaries), before a commit is looked at. */
  int (*follow)(void *what, const struct sequence *now, struct err *reterr);
  /* Called inside the transaction when a SearchParameter that has, or had, effect was written: what
   * follows from it in the tables. */
  int (*define)(void *what, struct sequence *sequence, struct err *reterr);
  /* Called when that is durable, before it is answered: puts it in force. */
  void (*when_defined)(void *what, const struct sequence *sequence);
  /* Called on the committer's thread when nothing has come for a while: time to give memory back.
   */
  void (*when_idle)(void *what);
  void *what;
};
int committer_open(const struct committer_options *options, struct committer **ret_committer,
                   struct err *reterr) MUST_CHECK;
/* Works off what was submitted, then ends. */
void committer_close(struct committer *committer); /* NULL is allowed */

/* It will be closed soon: a group that waits for a server that is away is given up after a moment.
 */
void committer_hurry(struct committer *committer); /* NULL is allowed */

/* `commit` is prepared. A full queue answers at once with ERR_BUSY. */
void committer_submit(struct committer *committer, struct store_commit *commit);

/* Transactions that were made durable since it was opened, and commits that wait now. */
void committer_figures(struct committer *committer, uint64_t *ret_fsyncs,
                       uint64_t *ret_queue_length);
void committer_pace(struct committer *committer, struct store_pace *ret_pace);

#endif
