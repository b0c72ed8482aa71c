/*
 * Named leases: which process of a store does what only one may do at a time (the work in the
 * background; a sender that keeps the order of one destination).
 *
 * A lease is a row (name, holder, until). It is taken, renewed and given back in write
 * transactions, which exclude each other, so that it has at most one holder. `until` is by the
 * clock of the database (db_now): those of the machines don't matter. A living process renews what
 * it holds every LEASE_RENEW_US (process.h); who finds a lease past `until` takes it over.
 *
 * Time alone does not keep two from working: a process may have been stopped for a minute and not
 * know it. So what a holder writes is checked inside the transaction that writes it
 * (`lease_is_held`); it may be late, as long as nobody else has taken over.
 *
 * An embedded file has one process: there a lease lasts until it is given back, and those of a
 * process that ended are void when the file is opened again.
 *
 * Threads: any. Memory: names are borrowed.
 */
#ifndef STORE_LEASE_H
#define STORE_LEASE_H

#include "store/store.h"

#define LEASE_US ((int64_t)30 * 1000000)
#define LEASE_RENEW_US ((int64_t)10 * 1000000)

/* Takes it for this process if it is free, or is this process's already. Another's holder is an
 * answer, no error. It is renewed until it is released, or the process ends. */
int store_lease_take(struct store *store, struct str name, bool *ret_is_held,
                     struct err *reterr) MUST_CHECK;
/* What was lost meanwhile is not touched. */
int store_lease_release(struct store *store, struct str name, struct err *reterr) MUST_CHECK;

/* ---- Inside src/store, in a write transaction ---- */

struct db;

/* When a lease (of a name, a job, a delivery) that begins now and is for `for_us` ends. */
int lease_end(struct db *db, int64_t for_us, int64_t *ret_now_us, int64_t *ret_until_us,
              struct err *reterr) MUST_CHECK;

int lease_take(struct db *db, struct str name, int64_t holder, int64_t for_us, bool *ret_is_held,
               struct err *reterr) MUST_CHECK;
int lease_is_held(struct db *db, struct str name, int64_t holder, bool *ret_is_held,
                  struct err *reterr) MUST_CHECK;
int lease_release(struct db *db, struct str name, int64_t holder, struct err *reterr) MUST_CHECK;

/* All that this holder has, for another `for_us`. */
int lease_renew_all(struct db *db, int64_t holder, int64_t for_us, struct err *reterr) MUST_CHECK;
/* All that this holder has; 0: all that there are. */
int lease_release_all(struct db *db, int64_t holder, struct err *reterr) MUST_CHECK;

#endif
