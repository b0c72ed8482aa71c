/*
 * The queue of what is to be sent out, and of what is to happen at a time.
 *
 * A delivery is made by a commit (store_commit.deliveries) together with what it tells of, and is
 * due from its `not_before_us` on. Senders, in any process, claim what is due:
 *
 *   WAITING --claim--> WAITING, but not due before the lease ends, and with one attempt more
 *           --DONE---> DONE         it was sent (the row stays: what carried what on)
 *           --RETRY--> WAITING      due again at `not_before_us`; after `attempts_max`: DEAD
 *           --DEAD---> DEAD         it never will be
 *           --RENEW--> WAITING      the sender still works on it
 *
 * Claims are made in write transactions, which exclude each other: one of several that ask gets it.
 * When the holder dies, the lease ends and the delivery is due again; so it may be sent twice,
 * which no queue can keep from happening, but never by two at a time that don't know of each other:
 * what the first one then says of it is refused (ERR_CONFLICT), because holder and attempt are
 * compared.
 *
 * Due ones come in the order of their `not_before_us`, those of one time in the order in which they
 * were made. A retry goes behind. Who must keep the order of a destination takes a lease (lease.h)
 * for it, claims one at a time, and lets it wait for the retry.
 *
 * A timer is a delivery to DELIVERY_TIMER "name": its body says what it is for, and nothing leaves
 * the program. Whoever acts on it says DONE in the commit of what it did, so that it happens once.
 *
 * Threads: any; the functions that take a store wait for their commit. Memory: results on the
 * caller's arena.
 */
#ifndef STORE_DELIVERY_H
#define STORE_DELIVERY_H

#include "store/work/lease.h"
#include "store/store.h"

#define DELIVERY_TIMER "timer:"
#define DELIVERY_CLAIM_MAX 1000

/* Kept in the files: never change a number. */
enum delivery_state { DELIVERY_WAITING = 0, DELIVERY_DONE = 1, DELIVERY_DEAD = 2 };

struct delivery {
  uint64_t number;
  uint64_t commit_seq; /* that made it */
  enum delivery_state state;
  struct str destination, content_type, body;
  int64_t due_us;   /* since when, or when */
  uint64_t attempt; /* of a claimed one: which this is, from 1 */
  int64_t holder;   /* process; 0: nobody has claimed it */
};
struct deliveries {
  const struct delivery *p;
  size_t n;
};

struct delivery_claim {
  struct str destination; /* exactly; empty: of any */
  size_t max;             /* at most DELIVERY_CLAIM_MAX */
  int64_t lease_us;       /* 0: LEASE_US */
};

/* What is due and nobody works on, for this process; none is an answer, no error. The attempt is
 * counted and durable when it returns. */
int delivery_claim(struct store *store, struct arena *arena, const struct delivery_claim *claim,
                   struct deliveries *ret_deliveries, struct err *reterr) MUST_CHECK;

/* When the next one is due (it may be past); INT64_MAX: none waits. So that nobody claims where
 * there is nothing. Times are the database's (`store_now_us` of store.h). */
int delivery_next_due(struct store_view *view, struct str destination, int64_t *ret_due_us,
                      struct err *reterr) MUST_CHECK;

int delivery_read(struct store_view *view, struct arena *arena, uint64_t number,
                  struct delivery *ret_delivery, struct err *reterr) MUST_CHECK;

/* ---- What became of it, as part of a commit (store_commit.delivery_changes) ---- */

enum delivery_verb { DELIVERY_IS_DONE, DELIVERY_RETRY, DELIVERY_IS_DEAD, DELIVERY_RENEW };

/* Refused: ERR_NOT_FOUND; ERR_CONFLICT: this process does not have it any more, or had it in an
 * earlier attempt. */
struct delivery_change {
  enum delivery_verb verb;
  uint64_t number, attempt;
  int64_t not_before_us; /* RETRY */
  uint64_t attempts_max; /* RETRY: 0: without end */
  int64_t lease_us;      /* RENEW; 0: LEASE_US */
  int64_t holder_;       /* the store's own */
};

/* Changes alone, durable when it returns. */
int delivery_change(struct store *store, struct delivery_change *changes, size_t n,
                    struct err *reterr) MUST_CHECK;

/* ---- Inside src/store, in a write transaction ---- */

struct db;

int delivery_check(struct db *db, const struct delivery_change *change, bool *ret_is_refusal,
                   struct err *reterr) MUST_CHECK;
/* A change that was checked. */
int delivery_apply(struct db *db, const struct delivery_change *change,
                   struct err *reterr) MUST_CHECK;
/* What this holder has claimed is due again; 0: what anybody has. */
int delivery_release_all(struct db *db, int64_t holder, struct err *reterr) MUST_CHECK;

#endif
