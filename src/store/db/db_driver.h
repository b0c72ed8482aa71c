/*
 * What an engine gives to db.h: a table of functions. db.c keeps what is the same for all: which
 * engine a path names, the deadline, and the statements that are kept by their text.
 *
 * A driver's connection begins with a `struct db`, its statement with a `struct db_statement`. The
 * promises of db.h hold for each function of the same name; the driver sees a statement only from
 * `statement_new` to `statement_free`, and between two uses `statement_clear`.
 *
 * Threads, memory: as db.h.
 */
#ifndef STORE_DB_DRIVER_H
#define STORE_DB_DRIVER_H

#include "store/db/db.h"

#define DB_KEPT_MAX 96 /* statements per connection */

/* A driver may keep statements of another kind under the same text: it puts what tells them apart
 * in front, between two of these. */
#define DB_KEY_MARK '\1'

struct db_statement {
  const struct db_driver *driver;
  struct db *db;
  uint64_t text_hash, used_at;
  struct str text; /* of its own */
  bool is_taken, is_kept;
};

struct db {
  const struct db_driver *driver;
  int64_t deadline_us;         /* of the thread's time; 0: none */
  int64_t waiting_deadline_us; /* of clock_monotonic_us */
  uint64_t clock;
  db_rewrite_fn *rewrite; /* NULL: none */
  size_t kept_n;
  struct db_statement *kept[DB_KEPT_MAX];
};

struct db_driver {
  enum db_kind kind;
  int waiting; /* how many times the deadline's time may be waited rather than worked */

  int (*open)(const struct db_options *options, struct db **ret_db, struct err *reterr);
  void (*close)(struct db *db); /* the kept statements are gone already */

  int (*run)(struct db *db, const char *sql, struct err *reterr);
  int (*identity)(struct db *db, struct db_identity *ret_identity, struct err *reterr);
  int (*set_identity)(struct db *db, struct db_identity identity, struct err *reterr);

  int (*begin_read)(struct db *db, struct err *reterr);
  int (*begin_write)(struct db *db, struct err *reterr);
  int (*commit)(struct db *db, struct err *reterr);
  void (*rollback)(struct db *db);
  bool (*is_begun)(const struct db *db);
  int (*now)(struct db *db, int64_t *ret_now_us, struct err *reterr);

  void (*deadline_changed)(struct db *db);
  void (*trim)(struct db *db);
  int (*checkpoint)(struct db *db, uint64_t *ret_left, struct err *reterr);
  uint64_t (*log_pages)(const struct db *db);
  struct db_pages (*pages)(struct db *db);
  int (*size)(struct db *db, struct db_size *ret_size, struct err *reterr);
  int (*server)(struct db *db, struct arena *arena, struct db_server *ret_server,
                struct err *reterr);

  /* Zeroed memory of the driver's own type, of which db.c fills the common part. */
  int (*statement_new)(struct db *db, struct str sql, struct db_statement **ret_statement,
                       struct err *reterr);
  void (*statement_clear)(struct db_statement *statement); /* forgets values and rows */
  void (*statement_free)(struct db_statement *statement);

  void (*bind_i64)(struct db_statement *statement, int place, int64_t value);
  void (*bind_double)(struct db_statement *statement, int place, double value);
  void (*bind_text)(struct db_statement *statement, int place, struct str value);
  void (*bind_bytes)(struct db_statement *statement, int place, struct str value);
  void (*bind_null)(struct db_statement *statement, int place);
  void (*send)(struct db_statement *statement);
  int (*step)(struct db_statement *statement, bool *ret_has_row, struct err *reterr);
  int (*execute)(struct db_statement *statement, struct err *reterr);
  void (*reset)(struct db_statement *statement);
  int64_t (*column_i64)(struct db_statement *statement, int column);
  double (*column_double)(struct db_statement *statement, int column);
  struct str (*column_str)(struct db_statement *statement, int column);
  bool (*column_is_null)(struct db_statement *statement, int column);

  int (*execute_rows)(struct db *db, struct str sql, const struct db_column *columns,
                      size_t columns_n, size_t rows_n, struct err *reterr);
  int (*select_rows)(struct db *db, struct str sql, const struct db_column *columns,
                     size_t columns_n, size_t rows_n, struct db_statement **ret_statement,
                     struct err *reterr);
  size_t (*asked_row)(const struct db_statement *statement);

  /* A prepared statement whose first placeholder, in a "key=?", is bound to all of `keys`. NULL: it
   * is asked by select_rows. */
  int (*prepare_keys)(struct db *db, struct str sql, const int64_t *keys, size_t n,
                      struct db_statement **ret_statement, struct err *reterr);
};

extern const struct db_driver db_sqlite;
extern const struct db_driver db_postgres;

/* Is this identity one that a program which reads up to `newest` can go on with? `has_tables`: is
 * there anything in the database? `name`: to be shown. */
int db_check_identity(struct db_identity found, struct db_identity newest, bool has_tables,
                      const char *name, struct err *reterr) MUST_CHECK;

/* Of a text of our own, so not keyed, but fast. */
uint64_t db_text_hash(struct str sql);

/* The member of a column in one row. */
static inline const void *db_column_at(const struct db_column *column, size_t row) {
  return (const char *)column->rows + column->stride * row + column->offset;
}

#endif
