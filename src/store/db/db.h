/*
 * A database connection as the store sees it: the little that SQLite and PostgreSQL have in common
 * and that the store needs. Everything above this header is written once, for any engine; what
 * differs is in the drivers (db_driver.h, db_sqlite.c, db_postgres*.c) and in the statements that
 * make the tables (schema_sqlite.c, schema_postgres.c).
 *
 * SQL here is the common subset: 64-bit integer, double, and bytes (a text is bytes that are
 * compared as such, without any locale); placeholders `?`, numbered from 1 in order of appearance;
 * `WITH`, `IN`, `EXISTS`, `ON CONFLICT`, a name for each sub-select in FROM. Every INSERT gives all
 * numbers itself; none is made by the engine. `a CROSS JOIN b ON ...` joins in the order written:
 * the plan is ours on either engine. Hashes are bound as signed 64-bit integers.
 *
 * A round trip to PostgreSQL costs some 50 us, a call of SQLite less than 1: what is needed for
 * many keys is asked for at once (`db_select_rows`), what is written is sent without waiting for
 * the answer, and `db_is_remote` tells who looks ahead. A driver may hold a whole result in memory:
 * a query has a LIMIT or is otherwise bounded.
 *
 * Threads: a connection, its statements and queries belong to one thread at a time. Memory: texts
 * given to `db_bind_*` are borrowed until the statement is released; texts from `db_column_*` until
 * its next step or release.
 */
#ifndef STORE_DB_H
#define STORE_DB_H

#include <stdatomic.h>

#include "base/base.h"

struct db;
struct db_statement;

/* ---- A connection ---- */

enum db_kind { DB_SQLITE, DB_POSTGRES };

/* Does `path` name a server ("postgresql://...", "postgres://...") rather than a file? So does one
 * of another kind ("mysql://..."), which db_open refuses. */
bool db_is_url(const char *path);

/* `path` as it may be shown: without a byte of a password, also where the URL is wrong because of
 * what stands in the password unescaped; then "..." may stand for more than that. On one line. In
 * `buffer`, cut to fit. */
const char *db_shown_path(const char *path, char *buffer, size_t buffer_n);

/* Which application made the file, and the version of its schema; both 0 in a new file. */
struct db_identity {
  uint32_t application, version;
};

/* What the connections of one store tell each other: the server can't be reached, and who comes
 * next is refused at once rather than kept waiting, but for one of them at a time, which tries. */
struct db_outage {
  atomic_int_fast64_t again_at_us; /* monotonic: when it is tried next; 0: no outage is known */
};

struct db_options {
  const char *path; /* a file, or a URL of libpq: user, password, host(s), database, and with
                       options=-csearch_path=NAME the schema in it */
  struct db_identity newest; /* what this program can read: files of another application or a
                                later version are refused before anything in them is touched */
  bool is_writer;            /* SQLite: creates the file, and owns it: one process, one writer.
                                PostgreSQL: there may be many; they take turns by transaction */
  size_t cache_bytes;        /* SQLite: pages kept by this connection; 0: 2 MB */
  size_t mmap_bytes;         /* SQLite: of the file mapped for reading; 0: none */
  int64_t wait_us;           /* PostgreSQL: how long to try to reach the server; 0: one attempt */
  int64_t again_us;          /* PostgreSQL: the same, when it was lost later; 0: wait_us */
  struct db_outage *outage;  /* PostgreSQL: shared with others, outlives them; NULL: none */
  int64_t ask_us;            /* PostgreSQL: how long db_commit tries to find out what became of a
                                commit whose answer was lost; 0: 30 s */
  int64_t silence_us;        /* PostgreSQL: how long another process may have the turn to write and
                                say nothing, while we wait, until its session is ended; 0: 15 s */
};

/*
 * ERR_CONFLICT: another process owns the file. ERR_READ_ONLY, ERR_NO_SPACE, ERR_STORE (damaged, not
 * ours, newer, lacks rights), ERR_VALUE (a wrong URL), ERR_UNAVAILABLE (no server, or it refuses),
 * ERR_BUSY (it has no connection left), ERR_IO.
 *
 * A connection that breaks later is made again by the next transaction that begins on it; a
 * statement in a transaction that was open then fails with ERR_UNAVAILABLE.
 */
int db_open(const struct db_options *options, struct db **ret_db, struct err *reterr) MUST_CHECK;
void db_close(struct db *db); /* NULL is allowed */

/* SQLite: what a writer's db_open begins with. The file `path`, be it there or not, is this
 * process's own until `*ret_fd` is closed; links lead to the same owner. `*ret_real`: its name
 * without links, to be freed. ERR_CONFLICT: another process has it; else as db_open. */
int db_own_file(const char *path, int *ret_fd, char **ret_real, struct err *reterr) MUST_CHECK;

enum db_kind db_kind(const struct db *db);
bool db_is_remote(const struct db *db); /* does each answer cost a round trip? */

/* One or more statements without placeholders and without rows: schema, settings. */
int db_run(struct db *db, const char *sql, struct err *reterr) MUST_CHECK;

int db_identity(struct db *db, struct db_identity *ret_identity, struct err *reterr) MUST_CHECK;
int db_set_identity(struct db *db, struct db_identity identity, struct err *reterr) MUST_CHECK;

/*
 * A read transaction sees one state of the data. Write transactions of all processes of a store
 * exclude each other from `db_begin_write` on, and each sees what those before it committed, so
 * that what is numbered inside one is numbered in the order in which it becomes visible.
 *
 * Statements in a write transaction may be sent without waiting: that one failed is reported at the
 * latest by db_commit. After any failure inside a write transaction: `db_rollback`.
 *
 * db_commit: 0: durable. ERR_UNCERTAIN: the connection broke, and the server did not come back in
 * time to be asked what became of the transaction. Anything else: nothing of it was or will be
 * written; where that is because the connection broke, the server was asked after reconnecting
 * (ERR_UNAVAILABLE: the transaction may be run again as it was). What is written outside a write
 * transaction has no such promise: when the connection breaks it may be there or not.
 */
int db_begin_read(struct db *db, struct err *reterr) MUST_CHECK;
int db_begin_write(struct db *db, struct err *reterr) MUST_CHECK;
int db_commit(struct db *db, struct err *reterr) MUST_CHECK;
void db_rollback(struct db *db); /* also ends a read transaction; a no-op when there is none */

bool db_is_begun(const struct db *db); /* is a transaction open? */

/* The time, in microseconds: inside a write transaction the server's, which is one for all
 * processes; else, and in SQLite, this machine's. */
int db_now(struct db *db, int64_t *ret_now_us, struct err *reterr) MUST_CHECK;

/* PostgreSQL: a statement prepared from now on is sent as what `rewrite` appends to `buf` for it
 * (NULL: as it is); a false answer refuses it. SQLite: does nothing. */
typedef bool db_rewrite_fn(struct buf *buf, struct str sql);
void db_set_rewrite(struct db *db, db_rewrite_fn *rewrite);

/* When this thread has worked for so long (microseconds of its processor time; 0: never), or has
 * waited ten times as long (for PostgreSQL, which works while we wait: three times), a statement
 * that is still running is broken off with ERR_TOO_COSTLY; a read transaction then has ended.
 * For reading only. */
void db_set_deadline(struct db *db, int64_t time_us);
bool db_is_over(const struct db *db); /* is the deadline past? */

/* Gives back what only makes the next statement faster: memory; and on PostgreSQL the snapshot of a
 * read transaction that has ended, which else goes back with the next question. */
void db_trim(struct db *db);

/* Moves what was committed from the log into the file (SQLite: a passive checkpoint; it waits for
 * nobody). `ret_left`: pages still in the log. */
int db_checkpoint(struct db *db, uint64_t *ret_left, struct err *reterr) MUST_CHECK;
/* Pages in the log after this connection's last commit. */
uint64_t db_log_pages(const struct db *db);

/* Pages that this connection has taken from the file or its log, and those that it had at hand. */
struct db_pages {
  uint64_t read, hit;
};
struct db_pages db_pages(struct db *db);

/* Bytes on disk: of the data, and of the log that was not yet moved into it. */
struct db_size {
  uint64_t data_bytes, log_bytes;
};
int db_size(struct db *db, struct db_size *ret_size, struct err *reterr) MUST_CHECK;

/* What answers this connection, for people. Texts are on the arena, and empty where the engine has
 * no such thing. Who logs in as what is not in it. */
struct db_server {
  struct str version;                      /* of the engine: "15.14" */
  struct str host, port, database, schema; /* host: may be the folder of a socket */
  bool is_standby, is_encrypted;
  /* As this session has them: what they weaken is the durability of commits. */
  struct str fsync, full_page_writes, synchronous_commit;
  bool waits_for_standbys; /* are there some that a commit waits for? */
  uint64_t standbys_n;     /* that take the log from it now */
  int64_t round_trip_us;   /* of a question that costs nothing else */
  uint64_t free_bytes;     /* of the disk that a file lies on; 0: not known */
};
/* In a read transaction. */
int db_server(struct db *db, struct arena *arena, struct db_server *ret_server,
              struct err *reterr) MUST_CHECK;

/* ---- Statements ---- */

/*
 * A prepared statement for `sql`. Statements are kept per connection by their text (keep texts few:
 * bind values, do not print them into the text). Each `db_prepare` is followed by one `db_release`.
 */
int db_prepare(struct db *db, struct str sql, struct db_statement **ret_statement,
               struct err *reterr) MUST_CHECK;
void db_release(struct db_statement *statement); /* NULL is allowed */

void db_bind_i64(struct db_statement *statement, int place, int64_t value);
void db_bind_double(struct db_statement *statement, int place, double value);
void db_bind_text(struct db_statement *statement, int place, struct str value);
void db_bind_bytes(struct db_statement *statement, int place, struct str value);
void db_bind_null(struct db_statement *statement, int place);

/*
 * Sends the statement, whose values are bound, without waiting for its answer, for which the next
 * db_step waits: so several questions share one round trip. Those of one connection may be on their
 * way at the same time, also of the same text, and are then stepped, reset or released in any
 * order; what comes for one while another is waited for is kept in memory, so each is bounded. A
 * failure is reported by its own db_step. db_step sends what was not sent. SQLite: does nothing.
 */
void db_send(struct db_statement *statement);

/* The next row, if any. A failed bind is reported here too. */
int db_step(struct db_statement *statement, bool *ret_has_row, struct err *reterr) MUST_CHECK;
/* Steps to the end and makes the statement ready for the next bind. */
int db_execute(struct db_statement *statement, struct err *reterr) MUST_CHECK;
/* Prepares, executes and releases a statement whose placeholders are all integers. */
int db_execute_i64(struct db *db, struct str sql, const int64_t *values, int values_n,
                   struct err *reterr) MUST_CHECK;

/* Ready for the next bind, before the last row was seen. */
void db_reset(struct db_statement *statement);

/* Columns of the current row, from 0. */
int64_t db_column_i64(struct db_statement *statement, int column);
double db_column_double(struct db_statement *statement, int column);
struct str db_column_str(struct db_statement *statement, int column); /* text or bytes */
bool db_column_is_null(struct db_statement *statement, int column);

/* ---- Many rows at once ---- */

enum db_type { DB_I64, DB_DOUBLE, DB_TEXT, DB_BYTES };

/* One column of many rows: a member of each structure of an array, which need not be copied for it.
 * DB_TEXT and DB_BYTES: struct str (p NULL: null). */
struct db_column {
  enum db_type type;
  const void *rows;      /* may be NULL where there is no row */
  size_t offset, stride; /* of the member; of the structures */
};
#define DB_COLUMN(type, rows, member)                                                              \
  ((struct db_column){(type), (rows), offsetof(__typeof__(*(rows)), member), sizeof *(rows)})

/*
 * Runs `sql` for every row in order; it has one placeholder per column and one of the forms
 *   INSERT INTO t[(...)] VALUES(...) [ON CONFLICT ...]
 *   UPDATE t SET ... WHERE ...
 *   DELETE FROM t WHERE ...
 * so that PostgreSQL can be given all rows as arrays. No two rows may change the same row of the
 * table: the later one is refused or has no effect there. Placeholders of an INSERT stand among the
 * VALUES only.
 */
int db_execute_rows(struct db *db, struct str sql, const struct db_column *columns,
                    size_t columns_n, size_t rows_n, struct err *reterr) MUST_CHECK;

/*
 * Asks `sql`, a "SELECT ... FROM ... WHERE ..." without ORDER BY and LIMIT and with one placeholder
 * per column, for every row of `columns`: the answers come row after row; db_asked_row says for
 * which. Then `db_step` and `db_release`; `columns` are borrowed until that.
 */
int db_select_rows(struct db *db, struct str sql, const struct db_column *columns, size_t columns_n,
                   size_t rows_n, struct db_statement **ret_statement,
                   struct err *reterr) MUST_CHECK;
size_t db_asked_row(const struct db_statement *statement);

/* ---- A query that is put together ---- */

/* Text and values grow together, so that a placeholder can't lose its value:
 *   struct db_query q; db_query_init(&q, arena);
 *   db_query_add(&q, "SELECT rid FROM token WHERE param=");  db_query_i64(&q, param);        */
struct db_value {
  enum db_type type;
  union {
    int64_t i64;
    double number;
    struct str str;
  };
};
struct db_query {
  struct arena *arena;
  struct buf sql;
  VEC(struct db_value) values;
  bool is_broken; /* no memory */
};
void db_query_init(struct db_query *query, struct arena *arena);
void db_query_add(struct db_query *query, const char *sql);
void db_query_addf(struct db_query *query, const char *format, ...)
    __attribute__((format(printf, 2, 3))); /* for names and small numbers of the schema only */
/* Append `?` and its value; texts are borrowed. */
void db_query_i64(struct db_query *query, int64_t value);
void db_query_double(struct db_query *query, double value);
void db_query_text(struct db_query *query, struct str value);
void db_query_bytes(struct db_query *query, struct str value);
/* Appends another query with its values. */
void db_query_append(struct db_query *query, const struct db_query *other);

/* Prepares, binds, and sends (db_send); then `db_step` and `db_release`. */
int db_query_start(struct db *db, const struct db_query *query, struct db_statement **ret_statement,
                   struct err *reterr) MUST_CHECK;
/*
 * The same for each of `n` keys in the place of the query's first value, which stands in a "key=?".
 * The rows come in any order, so the query has the key among its columns; those of a key that is
 * given twice come once or twice. `keys` and the query are borrowed until db_release.
 */
int db_query_start_keys(struct db *db, const struct db_query *query, const int64_t *keys, size_t n,
                        struct db_statement **ret_statement, struct err *reterr) MUST_CHECK;
/* The first column of the first row as a number; `fallback` where there is no row or it is null. */
int db_query_number(struct db *db, const struct db_query *query, int64_t fallback,
                    int64_t *ret_number, struct err *reterr) MUST_CHECK;

#endif
