/*
 * The watch: the thread by which a process learns what others on its store do, and they that it
 * lives. Only for a store on a server. Private to src/store.
 *
 * Five times a second it reads the row `sequence` (sequence.h) and has the store follow it: what
 * every process keeps in memory (search parameters, dictionaries) and what waits for changes (work
 * in the background). Commits don't rely on it: the committer looks at the same row inside each
 * transaction. Every ten seconds it hands the committer a beat (process.h), which also takes the
 * lease of the background's work where it is free and this process wants it.
 *
 * It survives a server that goes away: it says so once, and once when it is back.
 *
 * Threads: as said; the questions may be asked from any. Memory: watch_open/watch_close.
 */
#ifndef STORE_WATCH_H
#define STORE_WATCH_H

#include "store/db/db.h"
#include "store/work/process.h"
#include "store/store.h"

#define WATCH_BACKGROUND "background" /* the lease of what background.h does */

struct watch;

struct watch_options {
  struct store *store;
  struct db_options db;          /* of its own connection, which only reads */
  const struct process *process; /* NULL: nobody is told of this one, because it only reads */
};

/* The first beat is durable when it returns. */
int watch_open(const struct watch_options *options, struct watch **ret_watch,
               struct err *reterr) MUST_CHECK;
/* The thread begins: when all that it wakes is there. */
int watch_start(struct watch *watch, struct err *reterr) MUST_CHECK;
/* Takes the process out of the list, when the server is there. Before the committer is closed. */
void watch_close(struct watch *watch); /* NULL is allowed */

/* Is the work in the background this process's, as far as it can know without asking? What it
 * commits asks (lease_is_held). */
bool watch_has_background(const struct watch *watch);

/* Since when the server can't be reached or does not answer, by this machine's clock; 0: it does,
 * as far as the watch knows. */
int64_t watch_away_since_us(const struct watch *watch);

/* By how much the database's clock is ahead of this machine's. */
int64_t watch_clock_ahead_us(const struct watch *watch);

/* Does the server answer, as far as the watch knows? It looks five times a second; a look that
 * takes 5 s has no answer. */
bool watch_is_answered(const struct watch *watch);

#endif
