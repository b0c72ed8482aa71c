/* What became of a commit whose answer was lost.
 *
 * Each write transaction raises, as its last change, the number of its connection in the table
 * db_writer(id, number). When the connection breaks after COMMIT was sent, a new one takes the lock
 * that all write transactions take (so the old transaction has ended, one way or the other) and
 * reads the number: it tells. */
#include "store/db/db_postgres_outcome.h"

#include "base/clock.h"
#include "store/db/db_postgres_turn.h"

#include <sys/random.h>

enum {
  ASK_US = 30000000,            /* how long the server may take to come back, if not told */
  ID_SECONDS_SHIFT = 29,        /* an id is the second in which it was made, then random bits */
  ID_RENEWED_AFTER = 86400,     /* seconds */
  ID_FORGOTTEN_AFTER = 2592000, /* seconds: rows of writers that ended without saying so */
};

static int64_t id_at(int64_t seconds) {
  return seconds << ID_SECONDS_SHIFT;
}

#define FORGET_WRITERS "DELETE FROM db_writer WHERE id=$1 OR id<$2"

/* Ids are renewed every day, so that a row that is much older is nobody's: by the server's clock,
 * as the rows are of processes whose own clocks may differ. */
static int renew_id(struct pg *pg, struct err *reterr) {
  int64_t now_us;
  int code = db_now(&pg->base, &now_us, reterr);
  if (code)
    return code;
  int64_t seconds = now_us / 1000000;
  if (pg->writer_id && pg->writer_id >= id_at(seconds - ID_RENEWED_AFTER))
    return 0;
  uint32_t random;
  if (getrandom(&random, sizeof random, 0) != sizeof random)
    return err_set(reterr, ERR_INTERNAL, "", "The system gives no random numbers.");
  pg->old_writer_id = pg->writer_id;
  pg->writer_id = id_at(seconds) | (random & ((1u << ID_SECONDS_SHIFT) - 1));
  pg->writer_number = 0;
  pg->is_writer_new = true;
  return 0;
}

static int queue_with_ids(struct pg *pg, const char *sql, int64_t a, int64_t b,
                          struct pg_statement *statement, struct err *reterr) {
  static const Oid types[2] = {PG_INT8, PG_INT8};
  uint64_t numbers[2] = {pg_value_of_i64(a), pg_value_of_i64(b)};
  const char *values[2] = {(const char *)&numbers[0], (const char *)&numbers[1]};
  static const int lengths[2] = {8, 8};
  struct pg_plan *plan = pg_plan(pg, sql, types, 2, reterr);
  return plan ? pg_queue(pg, plan, values, lengths, statement, reterr) : ERR_NO_MEMORY;
}

int pg_queue_writer_number(struct pg *pg, struct err *reterr) {
  int code = renew_id(pg, reterr);
  if (code == 0 && pg->is_writer_new)
    code = queue_with_ids(pg, FORGET_WRITERS, pg->old_writer_id,
                          pg->writer_id - id_at(ID_FORGOTTEN_AFTER), NULL, reterr);
  if (code == 0)
    code =
        queue_with_ids(pg,
                       "INSERT INTO db_writer(id,number) VALUES($1,$2) ON CONFLICT ON CONSTRAINT "
                       "db_writer_pkey DO UPDATE SET number=excluded.number",
                       pg->writer_id, ++pg->writer_number, NULL, reterr);
  return code;
}

/* The old session's backend may still wait for a COMMIT that is lost: where it holds the lock, it
 * is ended. (The number of a process that is not ours any more holds no lock of ours.) */
static int end_old_backend(struct pg *pg, int old_pid, struct err *reterr) {
  char sql[400];
  int64_t ended;
  snprintf(
      sql, sizeof sql,
      "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype='advisory' AND "
      "granted AND database=(SELECT oid FROM pg_database WHERE datname=current_database()) AND "
      "classid=%u AND objid=%u AND objsubid=2 AND pid=%d",
      PG_LOCK_CLASS, pg->schema, old_pid);
  return pg_number(pg, sql, &ended, reterr);
}

/* A backend that is ended while its COMMIT waits for a synchronous standby has committed, though no
 * standby may have it: were the server lost now, what we call written would be too. So something is
 * written behind it: the COMMIT of that waits for the standby to have everything before it. */
static int wait_for_standby(struct pg *pg, struct err *reterr) {
  int code = queue_with_ids(pg, "UPDATE db_writer SET number=$2 WHERE id=$1", pg->writer_id,
                            pg->writer_number, NULL, reterr);
  if (code == 0)
    code = pg_queue_text(pg, "COMMIT", NULL, reterr);
  if (code == 0)
    code = pg_wait(pg, NULL, reterr);
  if (code == 0) {
    pg->transaction = PG_NO_TRANSACTION;
    pg->is_begin_sent = false;
  }
  return code;
}

static int read_number(struct pg *pg, int64_t *ret_number, struct err *reterr) {
  char sql[120];
  snprintf(sql, sizeof sql, "SELECT coalesce(max(number),0) FROM db_writer WHERE id=%lld",
           (long long)pg->writer_id);
  pg->transaction = PG_WRITING;
  pg->is_begin_sent = false;
  int code = pg_queue_begin(pg, reterr);
  if (code == 0)
    code = pg_number(pg, sql, ret_number, reterr);
  if (code == 0 && *ret_number == pg->writer_number)
    code = wait_for_standby(pg, reterr);
  pg_rollback(&pg->base);
  return code;
}

static int ask(struct pg *pg, int old_pid, int64_t wait_us, int64_t *ret_number,
               struct err *reterr) {
  pg_rollback(&pg->base); /* nothing is sent: the session is gone */
  pg->failed = 0;
  int code = pg_connect(pg, wait_us, reterr);
  if (code == 0)
    code = end_old_backend(pg, old_pid, reterr);
  if (code == 0)
    code = read_number(pg, ret_number, reterr);
  pg->failed = 0;
  return code;
}

int pg_ask_outcome(struct pg *pg, int old_pid, struct err *reterr) {
  int64_t wait_us = pg->options.ask_us ? pg->options.ask_us : ASK_US, number = 0;
  int64_t until_us = clock_monotonic_us() + wait_us;
  int code;
  do {
    code = ask(pg, old_pid, wait_us, &number, reterr);
    wait_us = until_us - clock_monotonic_us();
  } while (pg_is_passing(code) && wait_us > 0);
  if (code) {
    struct err why = *reterr;
    return err_set(reterr, ERR_UNCERTAIN, "",
                   "The connection was lost during a commit, and it could not be asked whether it "
                   "was done: %s",
                   why.text);
  }
  if (number == pg->writer_number)
    return 0;
  return err_set(reterr, ERR_UNAVAILABLE, "",
                 "The connection to %s was lost during a commit; nothing of it was written.",
                 pg->shown);
}

void pg_queue_writer_end(struct pg *pg) {
  struct err ignored; /* what stays is taken out by another writer, a month later */
  if (pg->writer_id && pg->conn &&
      queue_with_ids(pg, FORGET_WRITERS, pg->writer_id, 0, NULL, &ignored) == 0) {
    pg_queue_sync(pg);
    pg_flush(pg);
  }
}
