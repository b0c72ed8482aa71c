/* db.h: which engine, and what is the same for all of them. */
#include "store/db/db_driver.h"

#include "base/clock.h"

#include <time.h>

/* ---- A connection ---- */

int db_open(const struct db_options *options, struct db **ret_db, struct err *reterr) {
  const struct db_driver *driver = db_is_url(options->path) ? &db_postgres : &db_sqlite;
  return driver->open(options, ret_db, reterr);
}

static void statement_free(struct db_statement *statement) {
  char *text = (char *)(uintptr_t)statement->text.p;
  statement->driver->statement_free(statement);
  free(text);
}

void db_close(struct db *db) {
  if (!db)
    return;
  for (size_t i = 0; i < db->kept_n; i++)
    statement_free(db->kept[i]);
  db->kept_n = 0;
  db->driver->close(db);
}

enum db_kind db_kind(const struct db *db) {
  return db->driver->kind;
}

bool db_is_remote(const struct db *db) {
  return db->driver->kind == DB_POSTGRES;
}

int db_check_identity(struct db_identity found, struct db_identity newest, bool has_tables,
                      const char *name, struct err *reterr) {
  bool is_new = found.application == 0 && found.version == 0 && !has_tables;
  if (!is_new && found.application != newest.application)
    return err_set(reterr, ERR_STORE, "", "%s is a database of another program.", name);
  if (found.version > newest.version)
    return err_set(reterr, ERR_STORE, "",
                   "%s was written by a newer Callosum (format %u, this one reads up to %u).", name,
                   found.version, newest.version);
  return 0;
}

int db_run(struct db *db, const char *sql, struct err *reterr) {
  return db->driver->run(db, sql, reterr);
}

int db_identity(struct db *db, struct db_identity *ret_identity, struct err *reterr) {
  return db->driver->identity(db, ret_identity, reterr);
}

int db_set_identity(struct db *db, struct db_identity identity, struct err *reterr) {
  return db->driver->set_identity(db, identity, reterr);
}

int db_begin_read(struct db *db, struct err *reterr) {
  return db->driver->begin_read(db, reterr);
}

int db_begin_write(struct db *db, struct err *reterr) {
  return db->driver->begin_write(db, reterr);
}

int db_commit(struct db *db, struct err *reterr) {
  return db->driver->commit(db, reterr);
}

void db_rollback(struct db *db) {
  db->driver->rollback(db);
}

bool db_is_begun(const struct db *db) {
  return db->driver->is_begun(db);
}

int db_now(struct db *db, int64_t *ret_now_us, struct err *reterr) {
  return db->driver->now(db, ret_now_us, reterr);
}

void db_trim(struct db *db) {
  db->driver->trim(db);
}

int db_checkpoint(struct db *db, uint64_t *ret_left, struct err *reterr) {
  return db->driver->checkpoint(db, ret_left, reterr);
}

uint64_t db_log_pages(const struct db *db) {
  return db->driver->log_pages(db);
}

struct db_pages db_pages(struct db *db) {
  return db->driver->pages(db);
}

int db_size(struct db *db, struct db_size *ret_size, struct err *reterr) {
  return db->driver->size(db, ret_size, reterr);
}

int db_server(struct db *db, struct arena *arena, struct db_server *ret_server,
              struct err *reterr) {
  return db->driver->server(db, arena, ret_server, reterr);
}

/* ---- The deadline ---- */

static int64_t thread_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

bool db_is_over(const struct db *db) {
  return db->deadline_us &&
         (thread_us() > db->deadline_us || clock_monotonic_us() > db->waiting_deadline_us);
}

void db_set_deadline(struct db *db, int64_t time_us) {
  int waiting = db->driver->waiting;
  int64_t longest_us = INT64_MAX / 4 / waiting;
  time_us = time_us > longest_us ? longest_us : time_us;
  db->deadline_us = time_us ? thread_us() + time_us : 0;
  db->waiting_deadline_us = clock_monotonic_us() + time_us * waiting;
  db->driver->deadline_changed(db);
}

/* ---- Where rows are ---- */

void db_set_rewrite(struct db *db, db_rewrite_fn *rewrite) {
  db->rewrite = db_is_remote(db) ? rewrite : NULL;
}

/* The text behind a driver's own mark of what kind of statement it is. */
static struct str behind_mark(struct str key) {
  if (key.n == 0 || key.p[0] != DB_KEY_MARK)
    return key;
  ssize_t end = str_find_char(key, DB_KEY_MARK, 1);
  return end < 0 ? key : str_slice(key, (size_t)end + 1, key.n);
}

/* `key` as the driver is to be given it; `buf` is the caller's to end. */
static int rewrite(const struct db *db, struct str key, struct buf *buf, struct str *ret_sql,
                   struct err *reterr) {
  enum { SQL_MAX_BYTES = 1 << 20 };
  buf_init(buf, SQL_MAX_BYTES);
  *ret_sql = key;
  if (!db->rewrite)
    return 0;
  struct str sql = behind_mark(key);
  buf_add(buf, str_n(key.p, key.n - sql.n));
  if (!db->rewrite(buf, sql))
    return err_set(reterr, ERR_INTERNAL, "", "A statement does not tell where its rows go: %.*s",
                   STR_ARG(sql));
  *ret_sql = buf_str(buf);
  return 0;
}

/* ---- Statements that are kept by their text ---- */

uint64_t db_text_hash(struct str sql) {
  uint64_t h = sql.n, word;
  for (; sql.n >= sizeof word; sql = str_n(sql.p + sizeof word, sql.n - sizeof word)) {
    memcpy(&word, sql.p, sizeof word);
    h = (h ^ word) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
  }
  for (size_t i = 0; i < sql.n; i++)
    h = (h ^ (unsigned char)sql.p[i]) * 0x9e3779b97f4a7c15u;
  return h ^ h >> 29;
}

static struct db_statement *find_kept(struct db *db, uint64_t text_hash, struct str sql) {
  for (size_t i = 0; i < db->kept_n; i++) {
    struct db_statement *statement = db->kept[i];
    if (statement->text_hash == text_hash && !statement->is_taken &&
        str_equal(statement->text, sql))
      return statement;
  }
  return NULL;
}

/* Into a free place, or that of the longest unused; where all are taken it is freed on release. */
static void keep(struct db *db, struct db_statement *statement) {
  struct db_statement **place = NULL;
  if (db->kept_n < DB_KEPT_MAX) {
    place = &db->kept[db->kept_n++];
  } else {
    for (size_t i = 0; i < DB_KEPT_MAX; i++)
      if (!db->kept[i]->is_taken && (!place || db->kept[i]->used_at < (*place)->used_at))
        place = &db->kept[i];
    if (place)
      statement_free(*place);
  }
  if (place)
    *place = statement;
  statement->is_kept = place != NULL;
}

static int prepare_new(struct db *db, uint64_t text_hash, struct str sql,
                       struct db_statement **ret_statement, struct err *reterr) {
  char *text = malloc(sql.n ? sql.n : 1);
  if (!text)
    return err_no_memory(reterr);
  memcpy(text, sql.p, sql.n);
  struct db_statement *statement = NULL;
  struct buf buf;
  struct str rewritten;
  int code = rewrite(db, str_n(text, sql.n), &buf, &rewritten, reterr);
  if (code == 0)
    code = db->driver->statement_new(db, rewritten, &statement, reterr);
  buf_fini(&buf);
  if (!statement) {
    free(text);
    return code ? code : ERR_NO_MEMORY;
  }
  statement->driver = db->driver;
  statement->db = db;
  statement->text_hash = text_hash;
  statement->text = str_n(text, sql.n);
  keep(db, statement);
  *ret_statement = statement;
  return 0;
}

int db_prepare(struct db *db, struct str sql, struct db_statement **ret_statement,
               struct err *reterr) {
  uint64_t text_hash = db_text_hash(sql);
  struct db_statement *statement = find_kept(db, text_hash, sql);
  if (!statement) {
    int code = prepare_new(db, text_hash, sql, &statement, reterr);
    if (!statement)
      return code ? code : ERR_NO_MEMORY;
  }
  statement->is_taken = true;
  statement->used_at = ++db->clock;
  *ret_statement = statement;
  return 0;
}

void db_release(struct db_statement *statement) {
  if (!statement)
    return;
  statement->driver->statement_clear(statement); /* what was borrowed must not be seen again */
  statement->is_taken = false;
  if (!statement->is_kept)
    statement_free(statement);
}

void db_bind_i64(struct db_statement *statement, int place, int64_t value) {
  statement->driver->bind_i64(statement, place, value);
}

void db_bind_double(struct db_statement *statement, int place, double value) {
  statement->driver->bind_double(statement, place, value);
}

void db_bind_text(struct db_statement *statement, int place, struct str value) {
  statement->driver->bind_text(statement, place, value);
}

void db_bind_bytes(struct db_statement *statement, int place, struct str value) {
  statement->driver->bind_bytes(statement, place, value);
}

void db_bind_null(struct db_statement *statement, int place) {
  statement->driver->bind_null(statement, place);
}

void db_send(struct db_statement *statement) {
  statement->driver->send(statement);
}

int db_step(struct db_statement *statement, bool *ret_has_row, struct err *reterr) {
  return statement->driver->step(statement, ret_has_row, reterr);
}

int db_execute(struct db_statement *statement, struct err *reterr) {
  return statement->driver->execute(statement, reterr);
}

int db_execute_i64(struct db *db, struct str sql, const int64_t *values, int values_n,
                   struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, sql, &statement, reterr);
  if (code != 0)
    return code;
  for (int i = 0; i < values_n; i++)
    db_bind_i64(statement, i + 1, values[i]);
  code = db_execute(statement, reterr);
  db_release(statement);
  return code;
}

void db_reset(struct db_statement *statement) {
  statement->driver->reset(statement);
}

int64_t db_column_i64(struct db_statement *statement, int column) {
  return statement->driver->column_i64(statement, column);
}

double db_column_double(struct db_statement *statement, int column) {
  return statement->driver->column_double(statement, column);
}

struct str db_column_str(struct db_statement *statement, int column) {
  return statement->driver->column_str(statement, column);
}

bool db_column_is_null(struct db_statement *statement, int column) {
  return statement->driver->column_is_null(statement, column);
}

/* ---- Many rows at once ---- */

int db_execute_rows(struct db *db, struct str sql, const struct db_column *columns,
                    size_t columns_n, size_t rows_n, struct err *reterr) {
  return rows_n == 0 ? 0 : db->driver->execute_rows(db, sql, columns, columns_n, rows_n, reterr);
}

int db_select_rows(struct db *db, struct str sql, const struct db_column *columns, size_t columns_n,
                   size_t rows_n, struct db_statement **ret_statement, struct err *reterr) {
  return db->driver->select_rows(db, sql, columns, columns_n, rows_n, ret_statement, reterr);
}

size_t db_asked_row(const struct db_statement *statement) {
  return statement->driver->asked_row(statement);
}
