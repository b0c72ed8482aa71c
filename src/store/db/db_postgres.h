/*
 * What the files of the PostgreSQL driver share. How they work together, and why, is told in
 * docs/internals/postgresql.md.
 *
 *   db_postgres.c            transactions, and the rest of db.h's connection
 *   db_postgres_connect.c    a URL becomes a session, and a lost session a new one
 *   db_postgres_turn.c       who has the turn to write, and says nothing
 *   db_postgres_outcome.c    what became of a commit whose answer was lost
 *   db_postgres_error.c      SQLSTATE becomes an error with a sentence
 *   db_postgres_pipeline.c   what was sent and not yet answered
 *   db_postgres_plan.c       statements that the server keeps prepared
 *   db_postgres_statement.c  values in, rows out
 *   db_postgres_value.c      the binary forms of values and arrays
 *   db_postgres_rows.c       many rows at once, as arrays
 *   db_postgres_sql.c        the common SQL in PostgreSQL's words
 *   db_postgres_server.c     what the server says of itself
 *
 * Threads, memory: as db.h.
 */
#ifndef STORE_DB_POSTGRES_H
#define STORE_DB_POSTGRES_H

#include "store/db/db_driver.h"

#include <libpq-fe.h>

#define PG_COLUMNS_MAX 64         /* of many rows at once */
#define PG_KEYS_MARK STR("\1=\1") /* before the text of a statement for many keys */
#define PG_PLANS_MAX 160          /* statements that the server keeps prepared for one session */

/* A statement as the server knows it: a text and the types of its parameters. */
struct pg_plan {
  char *text;
  uint64_t hash;
  Oid *types;
  int types_n;
  char name[24];
  uint64_t session; /* in which it was prepared; 0: in none */
  uint64_t used_at;
};

/* What was sent; the answers come in the same order. */
enum pg_sent { PG_SENT_PREPARE, PG_SENT_EXECUTE, PG_SENT_SYNC };
struct pg_pending {
  enum pg_sent kind;
  bool is_answered;
  struct pg_plan *plan;
  struct pg_statement *statement; /* that waits for the rows; NULL: nobody */
  uint64_t transaction;           /* pg.transactions_n when it was sent; 0: of none */
};

/* Whom this session waits for to write, as it was seen when it last looked. */
struct pg_turn {
  int64_t look_at_us; /* monotonic; 0: it does not wait */
  PGconn *conn;       /* to look with; NULL: none */
  char mark[120];     /* of the session that waits for its client; "": none */
  int64_t silent_since_us;
  bool is_told; /* that it can't be looked at */
};

enum pg_transaction { PG_NO_TRANSACTION, PG_READING, PG_WRITING };

struct pg {
  struct db base;
  struct db_options options;
  char *path, *shown; /* shown: without the password */

  PGconn *conn; /* NULL: none */
  uint64_t session;
  uint32_t schema; /* oid of the schema that holds the tables */
  char *schema_name;

  enum pg_transaction transaction;
  uint64_t
      transactions_n; /* begun so far: a late answer to one that was rolled back is told apart */
  bool is_begin_sent; /* BEGIN goes out with the first statement */
  bool owes_rollback; /* of a read transaction that has ended: goes out with what comes next */
  bool is_cancelled;  /* by us: its deadline is past */
  int failed;         /* the first failure of this transaction, which all that follows gets */
  struct err failure;
  size_t asked_n;    /* statements of this transaction whose rows were asked for */
  bool has_written;  /* was anything but a SELECT sent in this transaction? */
  bool is_ending;    /* the server said that it closes this session */
  bool is_read_only; /* the server turned out to be: look for another one at the next begin */

  /* A queue: pending[first..first + n), what was sent and is not answered. */
  struct pg_pending *pending;
  size_t pending_first, pending_n, pending_capacity;
  size_t unsynced_n;      /* queued behind the last sync */
  size_t unflushed_bytes; /* about so many may lie in libpq's buffer */
  int rest_n;             /* so many reads may find something without the socket being readable */

  struct pg_plan *plans[PG_PLANS_MAX];
  size_t plans_n;
  uint64_t names_given;
  char (*dropped)[24]; /* names of plans that the server may forget */
  size_t dropped_n, dropped_capacity;

  struct db_statement *lock; /* of this write transaction; it answers with the server's clock */
  struct pg_turn turn;
  int64_t now_us, now_at_us; /* that clock, and our monotonic clock when it was told */
  int64_t size_at_us;
  uint64_t size_bytes;

  int64_t writer_id, writer_number, old_writer_id;
  bool is_writer_new; /* its row may not be there yet */
};

struct pg_statement {
  struct db_statement base;
  char *sql; /* in PostgreSQL's words */
  bool is_select;
  int places_n;
  Oid *types;          /* of each value; 0: not known yet */
  const char **values; /* NULL: null */
  int *lengths;
  uint64_t *numbers; /* where fixed-size values lie, in network order */
  int failed;        /* the first bind that did not work */

  bool is_sent, is_answered, is_open; /* open: its rows are being given */
  PGresult *result;
  int row, rows_n;
  int code; /* of the answer */
  struct err err;
  char text[32]; /* a number that was asked for as text */

  const struct db_column *columns; /* asked for many rows; NULL: an ordinary statement */
  size_t columns_n, asked_n, piece_first, piece_n;
  int *order;         /* rows of the result in the order of the question; NULL: as they are */
  struct buf *arrays; /* one per column; of a statement for many keys the first one is used */
};

static inline struct pg *pg_of(struct db *db) {
  return (struct pg *)db;
}
static inline struct pg_statement *pg_statement_of(struct db_statement *statement) {
  return (struct pg_statement *)statement;
}

/* ---- Errors ---- */

/* Of an answer that tells an error. */
int pg_error_of_result(const struct pg *pg, const PGresult *result, struct err *reterr);
/* Would preparing the statement again help? The tables have changed, or somebody dropped it. */
bool pg_error_is_stale(const PGresult *result);
/* Does the server close the session after this? */
bool pg_error_is_fatal(const PGresult *result);
/* Of the attempt to connect. */
int pg_error_of_connect(const struct pg *pg, const PGconn *conn, struct err *reterr);
/* The session is gone. */
int pg_error_lost(const struct pg *pg, struct err *reterr);

/* ---- Connecting ---- */

/* Is the URL one that can be used? ERR_VALUE. */
int pg_check_url(const struct pg *pg, struct err *reterr) MUST_CHECK;
/* A session, tried for `wait_us`. */
int pg_connect(struct pg *pg, int64_t wait_us, struct err *reterr) MUST_CHECK;
void pg_disconnect(struct pg *pg);
/* One more connection with the same settings, not in pipeline mode; it may have failed. NULL: no
 * memory. */
PGconn *pg_dial(const struct pg *pg);
/* May the next attempt succeed without anybody doing anything about it? */
bool pg_is_passing(int code);
/* A session that seems alive: the one there is, or a new one. */
int pg_ensure(struct pg *pg, struct err *reterr) MUST_CHECK;

/* ---- The pipeline ---- */

/* Queues one execution. `statement`: who gets the rows (NULL: nobody). */
int pg_queue(struct pg *pg, struct pg_plan *plan, const char *const *values, const int *lengths,
             struct pg_statement *statement, struct err *reterr) MUST_CHECK;
/* Queues a fixed text without parameters. */
int pg_queue_text(struct pg *pg, const char *sql, struct pg_statement *statement,
                  struct err *reterr) MUST_CHECK;
/* Queues a text that is not kept, and whose failure is nobody's. A failure to queue it is noted
 * (pg_lost) and returned. */
int pg_queue_once(struct pg *pg, const char *sql) MUST_CHECK;
void pg_queue_sync(struct pg *pg);
/* Sends what libpq takes without waiting. */
void pg_flush(struct pg *pg);
/* Waits until `statement` is answered; NULL: until everything is. The transaction's first failure.
 */
int pg_wait(struct pg *pg, struct pg_statement *statement, struct err *reterr) MUST_CHECK;
/* Takes the answers that are here, without waiting. */
void pg_take_answers(struct pg *pg);
/* Nobody wants this statement's answer any more. */
void pg_forget(struct pg *pg, const struct pg_statement *statement);
/* Takes note of a failure; the first one of a transaction stays. */
int pg_note_failure(struct pg *pg, int code, const struct err *err);
/* The session is gone: what waits is told so. */
void pg_lost(struct pg *pg);

/* ---- Plans ---- */

/* The plan for a text and types, known to the server or not. */
struct pg_plan *pg_plan(struct pg *pg, const char *text, const Oid *types, int types_n,
                        struct err *reterr) MUST_CHECK;
/* The server has the plan under its name, but can't use it any more: it gets another one. */
void pg_plan_renew(struct pg *pg, struct pg_plan *plan);
void pg_plans_free(struct pg *pg);
/* Lets the server forget the plans that were given up; between transactions. */
void pg_queue_drops(struct pg *pg);

/* ---- Statements and rows ---- */

int pg_statement_new(struct db *db, struct str sql, struct db_statement **ret_statement,
                     struct err *reterr);
void pg_statement_clear(struct db_statement *statement);
void pg_statement_free(struct db_statement *statement);
void pg_bind_i64(struct db_statement *statement, int place, int64_t value);
void pg_bind_double(struct db_statement *statement, int place, double value);
void pg_bind_bytes(struct db_statement *statement, int place, struct str value);
void pg_bind_null(struct db_statement *statement, int place);
void pg_send(struct db_statement *statement);
int pg_step(struct db_statement *statement, bool *ret_has_row, struct err *reterr);
int pg_execute(struct db_statement *statement, struct err *reterr);
void pg_reset(struct db_statement *statement);
int64_t pg_column_i64(struct db_statement *statement, int column);
double pg_column_double(struct db_statement *statement, int column);
struct str pg_column_str(struct db_statement *statement, int column);
bool pg_column_is_null(struct db_statement *statement, int column);
int pg_execute_rows(struct db *db, struct str sql, const struct db_column *columns,
                    size_t columns_n, size_t rows_n, struct err *reterr);
int pg_select_rows(struct db *db, struct str sql, const struct db_column *columns, size_t columns_n,
                   size_t rows_n, struct db_statement **ret_statement, struct err *reterr);
size_t pg_asked_row(const struct db_statement *statement);
int pg_prepare_keys(struct db *db, struct str sql, const int64_t *keys, size_t n,
                    struct db_statement **ret_statement, struct err *reterr);

/* Queues a statement with what is bound, after BEGIN if that is not out yet. */
int pg_statement_queue(struct pg_statement *statement, bool wants_rows,
                       struct err *reterr) MUST_CHECK;
/* Binds the next rows that were not asked for yet, as many as one piece takes. */
int pg_bind_piece(struct pg_statement *statement, struct err *reterr) MUST_CHECK;
/* After a piece was answered: in which order its rows are given. */
int pg_order_piece(struct pg_statement *statement, struct err *reterr) MUST_CHECK;

/* ---- Transactions ---- */

/* Queues BEGIN (and the lock) where a transaction was begun and nothing sent yet. */
int pg_queue_begin(struct pg *pg, struct err *reterr) MUST_CHECK;
int pg_begin_read(struct db *db, struct err *reterr) MUST_CHECK;
void pg_rollback(struct db *db);
/* One number by a text without parameters, outside db_prepare. */
int pg_number(struct pg *pg, const char *sql, int64_t *ret_number, struct err *reterr) MUST_CHECK;

/* ---- The server, for people ---- */

int pg_server(struct db *db, struct arena *arena, struct db_server *ret_server,
              struct err *reterr) MUST_CHECK;

#endif
