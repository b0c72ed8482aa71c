/*
 * Background jobs that survive the process: what was asked, how far it is, what came of it.
 *
 *   WAITING -> RUNNING -> DONE | FAILED
 *   WAITING, RUNNING -> CANCELLED
 *
 * Every change of a job is part of a commit (store_commit.jobs), alone or together with what the
 * job did, so that its progress can't be ahead of its work. A change that does not fit the job's
 * state refuses the commit: a runner whose job was cancelled learns it from its next progress.
 *
 * Any process of the store may run a job. Who claims it is its holder for LEASE_US (lease.h), which
 * the process prolongs as long as it lives (process.h). A job whose holder has died can be claimed
 * by another when the lease has ended; what the first one then says of it is refused. At a clean
 * end of the process, and when an embedded file is opened again, what was running is WAITING again.
 *
 * Who runs jobs of a kind: asks for those that can be claimed, claims one, notes its progress,
 * finishes it. A finished job is kept until it expires.
 *
 * Threads: any; the functions that take a store wait for their commit. Memory: results on the
 * caller's arena.
 */
#ifndef STORE_JOB_H
#define STORE_JOB_H

#include "store/store.h"

/* Kept in the files: never change a number. */
enum job_state {
  JOB_WAITING = 1,
  JOB_RUNNING = 2,
  JOB_DONE = 3,
  JOB_FAILED = 4,
  JOB_CANCELLED = 5
};

struct job {
  uint64_t number;
  struct str kind;  /* "reindex" */
  struct str owner; /* principal that asked for it */
  enum job_state state;
  int64_t created_us, updated_us;
  int64_t expires_us;   /* 0: not while it is unfinished */
  uint64_t done, total; /* in units of the kind; total 0: not known */
  struct str progress;  /* of the kind: where to go on */
  struct str request;   /* of the kind: what is asked */
  struct str result;    /* of the kind; of a failed one too */
  int64_t holder;       /* process that runs it (process.h); 0: none */
  int64_t lease_us;     /* until when it does, by the database's clock */
};
struct jobs {
  const struct job *p;
  size_t n;
};

/* ---- Changes, as part of a commit ---- */

enum job_verb {
  JOB_CREATE,   /* kind, owner, request, total, progress; fills `number` */
  JOB_CLAIM,    /* WAITING, or RUNNING by one whose lease has ended -> RUNNING by this process;
                   progress, where it is given */
  JOB_RELEASE,  /* RUNNING by this process -> WAITING */
  JOB_PROGRESS, /* of a RUNNING one: done, total, progress */
  JOB_FINISH,   /* RUNNING -> DONE: result, expires_us */
  JOB_FAIL,     /* WAITING, RUNNING -> FAILED: result, expires_us */
  JOB_CANCEL,   /* WAITING, RUNNING -> CANCELLED: expires_us */
  JOB_DELETE,   /* in any state */
  JOB_EXPIRE,   /* some that expired before expires_us: 16, as results are large; no number */
};

/* Refused: ERR_NOT_FOUND (not there, or another's), ERR_CONFLICT (in a state that does not fit; run
 * by another process: claim, release, progress, finish, fail). */
struct job_change {
  enum job_verb verb;
  uint64_t number;
  struct str kind, request;
  struct str owner; /* JOB_CANCEL, JOB_DELETE: whose it must be; empty: anybody's */
  uint64_t done, total;
  struct str progress, result;
  int64_t expires_us;
  bool is_again; /* JOB_CLAIM, set: it had this progress already, from one who had it before */
  int64_t holder_, lease_us_; /* the store's own: this process, and for how long it holds */
};

/* One change, durable when it returns. */
int job_change(struct store *store, struct job_change *change, struct err *reterr) MUST_CHECK;

/* ---- Reading ---- */

/* Is there one that expired before that? */
int job_has_expired(struct store_view *view, int64_t before_us, bool *ret_has,
                    struct err *reterr) MUST_CHECK;

/* ERR_NOT_FOUND where there is none, it has expired, or it is another's (`owner` empty: anybody's).
 */
int job_read(struct store_view *view, struct arena *arena, uint64_t number, struct str owner,
             struct job *ret_job, struct err *reterr) MUST_CHECK;

/* WAITING and RUNNING ones, oldest first; `kind` empty: of all kinds. Request and progress are
 * filled, results are not. */
int job_unfinished(struct store_view *view, struct arena *arena, struct str kind,
                   struct jobs *ret_jobs, struct err *reterr) MUST_CHECK;

/* The oldest, at most `max` of a kind, that this process could claim now. As job_unfinished. */
int job_claimable(struct store_view *view, struct arena *arena, struct str kind, size_t max,
                  struct jobs *ret_jobs, struct err *reterr) MUST_CHECK;

/* How many jobs of a kind are kept, in any state. */
int job_count(struct store_view *view, struct str kind, uint64_t *ret_n,
              struct err *reterr) MUST_CHECK;

/* "waiting", "running", "done", "failed", "cancelled" */
struct str job_state_name(enum job_state state);

#endif
