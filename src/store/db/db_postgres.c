/* db.h over PostgreSQL: the connection and its transactions. */
#include "store/db/db_postgres.h"

#include "store/db/db_postgres_outcome.h"
#include "store/db/db_postgres_turn.h"

#include "base/clock.h"
#include "base/log.h"

#define SIZE_KEPT_US 10000000 /* how old the answer of db_size may be */
#define WAIT_TOLD_US 1000000  /* a shorter wait for the server is not worth a line of the log */
#define SHOWN_MAX_BYTES 140   /* of the URL, so that a message has room for its reason */
#define EPOCH_2000_US 946684800000000

/* ---- Life ---- */

static void pg_close(struct db *db) {
  struct pg *pg = pg_of(db);
  pg_rollback(db);
  pg_queue_writer_end(pg);
  pg_turn_fini(pg);
  pg_disconnect(pg);
  pg_plans_free(pg);
  free(pg->pending);
  free(pg->path);
  free(pg->shown);
  free(pg->schema_name);
  free(pg);
}

static int count_tables(struct pg *pg, int64_t *ret_n, struct err *reterr) {
  char sql[300];
  snprintf(sql, sizeof sql,
           "SELECT count(*) FROM pg_class c WHERE relnamespace=%u AND relkind IN "
           "('r','p','v','m','f','S') AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE "
           "d.objid=c.oid AND d.deptype='e')",
           pg->schema);
  return pg_number(pg, sql, ret_n, reterr);
}

/* Another process may be making the tables: where they are seen, so is whose they are, as it is
 * asked for after them. */
static int check_identity(struct pg *pg, struct err *reterr) {
  struct db_identity found = {0};
  int64_t tables = 0;
  int code = count_tables(pg, &tables, reterr);
  if (code == 0)
    code = db_identity(&pg->base, &found, reterr);
  return code ? code : db_check_identity(found, pg->options.newest, tables > 0, pg->shown, reterr);
}

/* Who waits at the start says so: else nobody knows what is not happening. */
static int first_connect(struct pg *pg, struct err *reterr) {
  int64_t wait_us = pg->options.wait_us;
  int code = pg_connect(pg, 0, reterr);
  if (wait_us == 0 || !pg_is_passing(code))
    return code;
  if (wait_us >= WAIT_TOLD_US)
    log_warning("store", "waits up to %.0f s for the store: %s", (double)wait_us / 1e6,
                reterr->text);
  return pg_connect(pg, wait_us, reterr);
}

static int pg_open(const struct db_options *options, struct db **ret_db, struct err *reterr) {
  char shown[SHOWN_MAX_BYTES];
  struct pg *pg = calloc(1, sizeof *pg);
  if (!pg)
    return err_no_memory(reterr);
  pg->base.driver = &db_postgres;
  pg->options = *options;
  pg->path = strdup(options->path);
  pg->shown = strdup(db_shown_path(options->path, shown, sizeof shown));
  pg->options.path = pg->path;
  int code = pg->path && pg->shown ? 0 : err_no_memory(reterr);
  if (code == 0)
    code = pg_check_url(pg, reterr);
  if (code == 0)
    code = first_connect(pg, reterr);
  if (code == 0)
    code = check_identity(pg, reterr);
  if (code == 0)
    *ret_db = &pg->base;
  else
    db_close(&pg->base);
  return code;
}

/* ---- Statements of the driver's own ---- */

int pg_number(struct pg *pg, const char *sql, int64_t *ret_number, struct err *reterr) {
  struct db_statement *base = NULL;
  bool has_row = false;
  int code = db_prepare(&pg->base, str_of(sql), &base, reterr);
  if (!base)
    return code;
  code = pg_step(base, &has_row, reterr);
  if (code == 0)
    *ret_number = has_row ? pg_column_i64(base, 0) : 0;
  db_release(base);
  return code;
}

/* ---- Transactions ---- */

static int begin(struct pg *pg, enum pg_transaction transaction, struct err *reterr) {
  pg_rollback(&pg->base); /* of what was left open */
  int code = pg_ensure(pg, reterr);
  if (code)
    return code;
  pg->failed = 0;
  pg->transaction = transaction;
  pg->transactions_n++;
  pg->is_begin_sent = pg->is_cancelled = false;
  pg->asked_n = 0;
  pg->has_written = false;
  pg->now_at_us = 0;
  return 0;
}

int pg_begin_read(struct db *db, struct err *reterr) {
  return begin(pg_of(db), PG_READING, reterr);
}

static int pg_begin_write(struct db *db, struct err *reterr) {
  return begin(pg_of(db), PG_WRITING, reterr);
}

/* Outside a transaction, a failure is that of one statement and forgotten with the next; so is one
 * of a transaction that was rolled back, whose answer may still come. */
static int begin_alone(struct pg *pg, struct err *reterr) {
  int code = pg->pending_n > 0 ? 0 : pg_ensure(pg, reterr);
  if (pg->unsynced_n == 0) {
    pg->transactions_n++;
    pg->is_cancelled = false;
    pg->failed = 0;
  }
  return code;
}

/* What the end of a read transaction did not send. */
static int queue_owed(struct pg *pg, struct err *reterr) {
  if (!pg->owes_rollback)
    return 0;
  pg->owes_rollback = false;
  return pg_queue_text(pg, "ROLLBACK", NULL, reterr);
}

/* The lock of all write transactions; when it is taken, the server tells its time. */
static int queue_lock(struct pg *pg, struct err *reterr) {
  char sql[120];
  snprintf(sql, sizeof sql, "SELECT clock_timestamp() FROM pg_advisory_xact_lock(%d,%d)",
           (int)PG_LOCK_CLASS, (int)pg->schema);
  int code = db_prepare(&pg->base, str_of(sql), &pg->lock, reterr);
  if (code == 0)
    pg_send(pg->lock);
  return code;
}

int pg_queue_begin(struct pg *pg, struct err *reterr) {
  if (pg->transaction == PG_NO_TRANSACTION) {
    int code = begin_alone(pg, reterr);
    return code ? code : queue_owed(pg, reterr);
  }
  if (pg->failed) {
    *reterr = pg->failure;
    return pg->failed;
  }
  if (pg->is_begin_sent)
    return 0;
  pg->is_begin_sent = true;
  pg_queue_drops(pg);
  bool is_reading = pg->transaction == PG_READING;
  int code = queue_owed(pg, reterr);
  if (code == 0)
    code = pg_queue_text(pg,
                         is_reading ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                    : "BEGIN ISOLATION LEVEL READ COMMITTED",
                         NULL, reterr);
  if (code == 0 && !is_reading)
    code = queue_lock(pg, reterr);
  return code ? pg_note_failure(pg, code, reterr) : 0;
}

static void end(struct pg *pg) {
  pg_turn_fini(pg);
  db_release(pg->lock);
  pg->lock = NULL;
  pg->transaction = PG_NO_TRANSACTION;
  pg->is_begin_sent = false;
}

static void send_rollback(struct pg *pg) {
  struct err ignored; /* a session that can't roll back is lost, and its transaction with it */
  pg_queue_sync(pg);  /* behind a failure all is skipped until the next sync */
  if (pg_queue_text(pg, "ROLLBACK", NULL, &ignored) == 0)
    pg_queue_sync(pg);
  pg_flush(pg);
}

/*
 * Nobody waits for the answer: it is taken when the next one is. A reader does not even send it: it
 * goes out with the next question, which saves the server a turn of its own for it, or with
 * pg_trim. (A writer may not: it would be ended for idling in a transaction.)
 */
void pg_rollback(struct db *db) {
  struct pg *pg = pg_of(db);
  bool is_open = pg->transaction != PG_NO_TRANSACTION && pg->is_begin_sent && pg->conn;
  bool can_wait =
      pg->transaction == PG_READING && !pg->failed && pg->unsynced_n == 0 && !pg->options.is_writer;
  if (is_open && can_wait)
    pg->owes_rollback = true;
  else if (is_open)
    send_rollback(pg);
  end(pg);
}

/* COMMIT is sent only when the server is known to have the lock: whoever takes it later, to ask
 * what became of the transaction, then comes after it. */
static int wait_for_lock(struct pg *pg, struct err *reterr) {
  return pg->now_at_us ? 0 : pg_wait(pg, pg_statement_of(pg->lock), reterr);
}

static int pg_commit(struct db *db, struct err *reterr) {
  struct pg *pg = pg_of(db);
  if (pg->failed) {
    *reterr = pg->failure;
    return pg->failed;
  }
  if (pg->transaction != PG_WRITING || !pg->is_begin_sent || !pg->has_written) {
    pg_rollback(db); /* nothing that could be lost */
    return 0;
  }
  int pid = PQbackendPID(pg->conn);
  int code = wait_for_lock(pg, reterr);
  if (code == 0)
    code = pg_queue_writer_number(pg, reterr);
  if (code)
    return code; /* COMMIT was not sent, and will not be */
  code = pg_queue_text(pg, "COMMIT", NULL, reterr);
  if (code == 0)
    code = pg_wait(pg, NULL, reterr);
  if (code && pg->conn)
    return code;
  if (code)
    code = pg_ask_outcome(pg, pid, reterr);
  pg->is_writer_new &= code != 0;
  end(pg);
  return code;
}

static bool pg_is_begun(const struct db *db) {
  return ((const struct pg *)db)->transaction != PG_NO_TRANSACTION;
}

static int pg_now(struct db *db, int64_t *ret_now_us, struct err *reterr) {
  struct pg *pg = pg_of(db);
  if (pg->transaction != PG_WRITING) {
    *ret_now_us = clock_now_us();
    return 0;
  }
  if (!pg->now_at_us) {
    bool has_row = false;
    int code = pg_queue_begin(pg, reterr);
    if (code == 0)
      code = pg_step(pg->lock, &has_row, reterr);
    if (code)
      return code;
    pg->now_us = pg_column_i64(pg->lock, 0) + EPOCH_2000_US;
    pg->now_at_us = clock_monotonic_us();
  }
  *ret_now_us = pg->now_us + (clock_monotonic_us() - pg->now_at_us);
  return 0;
}

/* ---- The rest ---- */

/* Takes all answers of a statement outside the pipeline. */
static int take_run(struct pg *pg, struct err *reterr) {
  int code = 0;
  for (PGresult *result; (result = PQgetResult(pg->conn)); PQclear(result)) {
    ExecStatusType status = PQresultStatus(result);
    if (code == 0 && status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
        status != PGRES_EMPTY_QUERY)
      code = pg_note_failure(pg, pg_error_of_result(pg, result, reterr), reterr);
    pg->is_ending |= pg_error_is_fatal(result);
  }
  return code;
}

/* Several statements in one text go in PostgreSQL's simple protocol, outside the pipeline. */
static int pg_run(struct db *db, const char *sql, struct err *reterr) {
  struct pg *pg = pg_of(db);
  int code = pg_queue_begin(pg, reterr);
  if (code == 0)
    code = pg_wait(pg, NULL, reterr);
  if (code)
    return code;
  pg->has_written = true;
  if (PQexitPipelineMode(pg->conn) != 1 || PQsetnonblocking(pg->conn, 0) != 0 ||
      PQsendQuery(pg->conn, sql) != 1) {
    pg_lost(pg);
    return pg_error_lost(pg, reterr);
  }
  code = take_run(pg, reterr);
  if (pg->is_ending || PQstatus(pg->conn) == CONNECTION_BAD || PQsetnonblocking(pg->conn, 1) != 0 ||
      PQenterPipelineMode(pg->conn) != 1)
    pg_lost(pg);
  return code;
}

static int pg_identity(struct db *db, struct db_identity *ret_identity, struct err *reterr) {
  struct pg *pg = pg_of(db);
  char sql[160];
  int64_t there = 0, application = 0, version = 0;
  snprintf(sql, sizeof sql,
           "SELECT count(*) FROM pg_class WHERE relnamespace=%u AND relname='callosum_identity'",
           pg->schema);
  int code = pg_number(pg, sql, &there, reterr);
  if (code == 0 && there)
    code = pg_number(pg, "SELECT max(application) FROM callosum_identity", &application, reterr);
  if (code == 0 && there)
    code = pg_number(pg, "SELECT max(version) FROM callosum_identity", &version, reterr);
  if (code == 0)
    *ret_identity = (struct db_identity){(uint32_t)application, (uint32_t)version};
  return code;
}

static int pg_set_identity(struct db *db, struct db_identity identity, struct err *reterr) {
  char sql[300];
  snprintf(
      sql, sizeof sql,
      "CREATE TABLE IF NOT EXISTS callosum_identity(application bigint NOT NULL, version bigint "
      "NOT NULL); DELETE FROM callosum_identity; INSERT INTO "
      "callosum_identity(application,version) VALUES(%u,%u)",
      identity.application, identity.version);
  return pg_run(db, sql, reterr);
}

static void pg_deadline_changed(struct db *db) {
  (void)db; /* who waits looks at it */
}

/* The snapshot of what has ended; what else is kept is a few texts. */
static void pg_trim(struct db *db) {
  struct pg *pg = pg_of(db);
  if (pg->owes_rollback && pg->conn)
    send_rollback(pg);
  pg->owes_rollback = false;
}

static int pg_checkpoint(struct db *db, uint64_t *ret_left, struct err *reterr) {
  (void)db; /* the server's own business */
  (void)reterr;
  *ret_left = 0;
  return 0;
}

static uint64_t pg_log_pages(const struct db *db) {
  (void)db;
  return 0;
}

static struct db_pages pg_pages(struct db *db) {
  (void)db;
  return (struct db_pages){0, 0};
}

static int pg_size(struct db *db, struct db_size *ret_size, struct err *reterr) {
  struct pg *pg = pg_of(db);
  int64_t now_us = clock_monotonic_us(), bytes = 0;
  if (!pg->size_at_us || now_us - pg->size_at_us > SIZE_KEPT_US) {
    char sql[200];
    snprintf(sql, sizeof sql,
             "SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relnamespace=%u AND "
             "relkind IN ('r','m')",
             pg->schema);
    int code = pg_number(pg, sql, &bytes, reterr);
    if (code)
      return code;
    pg->size_bytes = (uint64_t)bytes;
    pg->size_at_us = now_us;
  }
  *ret_size = (struct db_size){.data_bytes = pg->size_bytes, .log_bytes = 0};
  return 0;
}

const struct db_driver db_postgres = {
    .kind = DB_POSTGRES,
    .waiting = 3, /* it is the server that works then */
    .open = pg_open,
    .close = pg_close,
    .run = pg_run,
    .identity = pg_identity,
    .set_identity = pg_set_identity,
    .begin_read = pg_begin_read,
    .begin_write = pg_begin_write,
    .commit = pg_commit,
    .rollback = pg_rollback,
    .is_begun = pg_is_begun,
    .now = pg_now,
    .deadline_changed = pg_deadline_changed,
    .trim = pg_trim,
    .checkpoint = pg_checkpoint,
    .log_pages = pg_log_pages,
    .pages = pg_pages,
    .size = pg_size,
    .server = pg_server,
    .statement_new = pg_statement_new,
    .statement_clear = pg_statement_clear,
    .statement_free = pg_statement_free,
    .bind_i64 = pg_bind_i64,
    .bind_double = pg_bind_double,
    .bind_text = pg_bind_bytes,
    .bind_bytes = pg_bind_bytes,
    .bind_null = pg_bind_null,
    .send = pg_send,
    .step = pg_step,
    .execute = pg_execute,
    .reset = pg_reset,
    .column_i64 = pg_column_i64,
    .column_double = pg_column_double,
    .column_str = pg_column_str,
    .column_is_null = pg_column_is_null,
    .execute_rows = pg_execute_rows,
    .select_rows = pg_select_rows,
    .asked_row = pg_asked_row,
    .prepare_keys = pg_prepare_keys,
};
