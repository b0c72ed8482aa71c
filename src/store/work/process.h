/*
 * The processes of a store: who is there, since when, and with what configuration.
 *
 * On a server each process that writes has a row in `process`, which it brings up to date every
 * PROCESS_BEAT_US, or three times within a shorter lease, and takes out at a clean end; the row of
 * one that has not been seen for PROCESS_FORGET_US is taken out by the others. The same beat renews
 * what the process holds: named leases (lease.h) and the jobs that it runs (job.h). An embedded
 * file has one process, and no row.
 *
 * Threads: any. Memory: results on the caller's arena.
 */
#ifndef STORE_PROCESS_H
#define STORE_PROCESS_H

#include "store/store.h"

#define PROCESS_BEAT_US ((int64_t)10 * 1000000)
#define PROCESS_FORGET_US ((int64_t)300 * 1000000)

struct store_process {
  int64_t id;               /* random, positive */
  struct str name;          /* "host:4711", or what store_options says */
  struct str version;       /* of the program */
  struct str configuration; /* a hash of what makes answers differ (store_options); may be empty */
  int64_t started_us, age_us; /* age: since it was last seen, by the database's clock */
  bool is_this;
  bool is_alive; /* was seen within its lease; what it held can be taken over when it was not */
  bool has_background; /* it does the work in the background (watch.h) */
};
struct store_processes {
  const struct store_process *p;
  size_t n;
};

#define PROCESSES_MAX 1000

/* The oldest first, at most PROCESSES_MAX; this one alone where the store is a file. Those that
 * have died are among them until they are forgotten. */
int store_processes(struct store_view *view, struct arena *arena,
                    struct store_processes *ret_processes, struct err *reterr) MUST_CHECK;

size_t store_processes_alive(const struct store_processes *processes);

/* What this process is called in `lease`, `job`, `delivery` and `process`. */
int64_t store_process_id(const struct store *store);

/* ---- Inside src/store ---- */

struct db;

struct process {
  int64_t id;
  struct str name, detail; /* detail: version, space, configuration */
  int64_t started_us;
};

/* Fills it, with a fresh id; texts on the arena. */
int process_init(struct arena *arena, const struct store_options *options,
                 struct process *ret_process, struct err *reterr) MUST_CHECK;

/* In a write transaction: this process lives, and holds on to what it has for `lease_us`.
 * `*ret_now_us`: the database's time. */
int process_beat(struct db *db, const struct process *process, int64_t lease_us,
                 int64_t *ret_now_us, struct err *reterr) MUST_CHECK;
/* In a write transaction: it ends, and what it held is free at once. */
int process_leave(struct db *db, int64_t id, struct err *reterr) MUST_CHECK;

#endif
