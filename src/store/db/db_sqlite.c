/*
 * db.h over SQLite, in WAL mode with synchronous=FULL: a commit is durable when it returns.
 *
 * Beside PATH, without links, stand PATH-wal and PATH-shm (SQLite's own) and PATH-owner, an empty
 * file whose flock says which process owns the data. It is a file of its own because closing any
 * descriptor of the database would drop SQLite's POSIX locks on it.
 */
#include "store/db/db_driver.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define PAGE_BYTES 4096
#define BUSY_TIMEOUT_MS 10000

struct statement {
  struct db_statement base;
  sqlite3_stmt *stmt;
  int failed;                      /* the first bind that did not work */
  const struct db_column *columns; /* asked row by row; NULL: an ordinary statement */
  size_t columns_n, rows_n, row;
  bool is_asking; /* are the values of `row` bound? */
};

struct connection {
  struct db base;
  sqlite3 *handle;
  char *path;
  int owner_fd; /* -1: a reader */
  struct db_identity newest;
  uint64_t log_pages;
};

static struct connection *connection_of(struct db *db) {
  return (struct connection *)db;
}

static struct statement *statement_of(struct db_statement *statement) {
  return (struct statement *)statement;
}

/* ---- Errors ---- */

static bool is_no_space(int error) {
  return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

/* What the operating system said of the last write that failed, on the file or on its log. */
static int last_errno(sqlite3 *handle) {
  static const int pointers[] = {SQLITE_FCNTL_FILE_POINTER, SQLITE_FCNTL_JOURNAL_POINTER};
  for (size_t i = 0; i < sizeof pointers / sizeof pointers[0]; i++) {
    sqlite3_file *file = NULL;
    int error = 0;
    if (sqlite3_file_control(handle, "main", pointers[i], &file) == SQLITE_OK && file &&
        file->pMethods &&
        file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error) == SQLITE_OK && error)
      return error;
  }
  return sqlite3_system_errno(handle);
}

static enum err_code code_of_io(sqlite3 *handle) {
  int error = last_errno(handle);
  if (is_no_space(error))
    return ERR_NO_SPACE;
  return error == EROFS || error == EACCES || error == EPERM ? ERR_READ_ONLY : ERR_IO;
}

static enum err_code code_of(sqlite3 *handle, int result) {
  switch (result & 0xff) {
  case SQLITE_FULL:
    return ERR_NO_SPACE;
  case SQLITE_READONLY:
    return ERR_READ_ONLY;
  case SQLITE_NOMEM:
    return ERR_NO_MEMORY;
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return ERR_BUSY;
  case SQLITE_INTERRUPT:
    return ERR_TOO_COSTLY;
  case SQLITE_TOOBIG:
    return ERR_TOO_LONG;
  case SQLITE_IOERR:
  case SQLITE_CANTOPEN:
    return code_of_io(handle);
  default:
    return ERR_STORE;
  }
}

/* The engine asks after every so many steps of its own, about 0.1 ms, whether to go on. */
enum { ENGINE_STEPS_PER_LOOK = 5000 };

static int is_over(void *what) {
  return db_is_over(what);
}

static uint64_t status(struct db *db, int what) {
  int now = 0, most = 0;
  return sqlite3_db_status(connection_of(db)->handle, what, &now, &most, 0) == SQLITE_OK && now > 0
             ? (uint64_t)now
             : 0;
}

static struct db_pages sqlite_pages(struct db *db) {
  return (struct db_pages){.read = status(db, SQLITE_DBSTATUS_CACHE_MISS),
                           .hit = status(db, SQLITE_DBSTATUS_CACHE_HIT)};
}

static void sqlite_deadline_changed(struct db *db) {
  sqlite3_progress_handler(connection_of(db)->handle, db->deadline_us ? ENGINE_STEPS_PER_LOOK : 0,
                           db->deadline_us ? is_over : NULL, db);
}

/* SQLite's own messages name tables and columns, never values, so they may be shown. */
static int fail(struct connection *db, int result, struct err *reterr) {
  enum err_code code = code_of(db->handle, result);
  int basic = result & 0xff;
  if (basic == SQLITE_CORRUPT)
    err_set(reterr, code, "", "%s is damaged: %s. Restore it from a backup.", db->path,
            sqlite3_errmsg(db->handle));
  else if (basic == SQLITE_NOTADB)
    err_set(reterr, code, "", "%s is not a store of Callosum.", db->path);
  else if (code == ERR_TOO_COSTLY)
    err_set(reterr, code, "", "The query took too long; add a condition that is met by fewer.");
  else if (code == ERR_NO_SPACE)
    err_set(reterr, code, "", "There is no space left for %s.", db->path);
  else if (code == ERR_READ_ONLY)
    err_set(reterr, code, "", "%s or its folder can't be written.", db->path);
  else
    err_set(reterr, code, "", "%s: %s.", db->path, sqlite3_errmsg(db->handle));
  return code;
}

/* ---- A connection ---- */

static void configure_library(void) {
  /* A connection belongs to one thread at a time, and nobody reads the memory statistics, which
   * would put one lock around every allocation. */
  sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
  sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static void initialize(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, configure_library);
}

/* As SQLite follows links to find the log of a file. */
static int real_path(const char *path, char **ret_real, struct err *reterr) {
  sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
  char *real = vfs ? malloc((size_t)vfs->mxPathname + 1) : NULL;
  if (!real)
    return err_no_memory(reterr);
  if ((vfs->xFullPathname(vfs, path, vfs->mxPathname + 1, real) & 0xff) != SQLITE_OK) {
    free(real);
    return err_set(reterr, ERR_IO, "", "%s can't be opened: its name can't be followed.", path);
  }
  *ret_real = real;
  return 0;
}

static int fail_owner(const char *name, int error, struct err *reterr) {
  if (is_no_space(error))
    return err_set(reterr, ERR_NO_SPACE, "", "There is no space left for %s.", name);
  if (error == EACCES || error == EROFS || error == EPERM)
    return err_set(reterr, ERR_READ_ONLY, "", "%s can't be written: %s.", name, strerror(error));
  return err_set(reterr, ERR_IO, "", "%s can't be made: %s.", name, strerror(error));
}

int db_own_file(const char *path, int *ret_fd, char **ret_real, struct err *reterr) {
  char *real = NULL, *name = NULL;
  int fd = -1;
  initialize();
  int code = real_path(path, &real, reterr);
  if (code == 0 && !(name = sqlite3_mprintf("%s-owner", real)))
    code = err_no_memory(reterr);
  if (code == 0 && (fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600)) < 0)
    code = fail_owner(name, errno, reterr);
  if (code == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0)
    code = err_set(reterr, ERR_CONFLICT, "", "Another process has %s open.", path);
  sqlite3_free(name);
  if (code == 0) {
    *ret_fd = fd;
    *ret_real = real;
    return 0;
  }
  if (fd >= 0)
    close(fd);
  free(real);
  return code;
}

static int own_file(struct connection *db, struct err *reterr) {
  char *real = NULL;
  int code = db_own_file(db->path, &db->owner_fd, &real, reterr);
  if (code == 0)
    free(real);
  return code;
}

static int number_of(struct connection *db, const char *sql, int64_t *ret_number,
                     struct err *reterr) {
  sqlite3_stmt *stmt = NULL;
  int result = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
  if (result == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
    *ret_number = sqlite3_column_int64(stmt, 0);
  int ended = sqlite3_finalize(stmt);
  if (result == SQLITE_OK)
    result = ended;
  return result == SQLITE_OK ? 0 : fail(db, result, reterr);
}

static int sqlite_identity(struct db *base, struct db_identity *ret_identity, struct err *reterr) {
  struct connection *db = connection_of(base);
  int64_t application = 0, version = 0;
  int code = number_of(db, "PRAGMA application_id", &application, reterr);
  if (code == 0)
    code = number_of(db, "PRAGMA user_version", &version, reterr);
  if (code == 0)
    *ret_identity = (struct db_identity){(uint32_t)application, (uint32_t)version};
  return code;
}

static int sqlite_run(struct db *base, const char *sql, struct err *reterr) {
  struct connection *db = connection_of(base);
  int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
  return result == SQLITE_OK ? 0 : fail(db, result, reterr);
}

static int sqlite_set_identity(struct db *db, struct db_identity identity, struct err *reterr) {
  char sql[96];
  snprintf(sql, sizeof sql, "PRAGMA application_id=%d;PRAGMA user_version=%d",
           (int)identity.application, (int)identity.version);
  return sqlite_run(db, sql, reterr);
}

static int check_identity(struct connection *db, struct err *reterr) {
  struct db_identity found;
  int64_t tables = 0;
  int code = sqlite_identity(&db->base, &found, reterr);
  if (code == 0)
    code = number_of(db, "SELECT count(*) FROM sqlite_master", &tables, reterr);
  return code ? code : db_check_identity(found, db->newest, tables > 0, db->path, reterr);
}

static int configure(struct connection *db, const struct db_options *options, struct err *reterr) {
  size_t cache_kb = (options->cache_bytes ? options->cache_bytes : (size_t)2 << 20) / 1024;
  char sql[512];
  snprintf(sql, sizeof sql,
           "%s"
           "PRAGMA synchronous=FULL;PRAGMA cache_size=-%zu;PRAGMA mmap_size=%zu;"
           "PRAGMA temp_store=MEMORY;PRAGMA wal_autocheckpoint=0;PRAGMA "
           "journal_size_limit=134217728;PRAGMA secure_delete=OFF;"
           "PRAGMA foreign_keys=OFF;PRAGMA trusted_schema=OFF;%s",
           options->is_writer ? "PRAGMA page_size=4096;PRAGMA journal_mode=WAL;" : "", cache_kb,
           options->mmap_bytes, options->is_writer ? "" : "PRAGMA query_only=ON;");
  return sqlite_run(&db->base, sql, reterr);
}

static int note_log_pages(void *what, sqlite3 *handle, const char *name, int pages) {
  (void)handle;
  (void)name;
  ((struct connection *)what)->log_pages = (uint64_t)pages;
  return SQLITE_OK;
}

static uint64_t sqlite_log_pages(const struct db *db) {
  return ((const struct connection *)db)->log_pages;
}

static int open_handle(struct connection *db, const struct db_options *options,
                       struct err *reterr) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE;
  if (options->is_writer)
    flags |= SQLITE_OPEN_CREATE;
  int result = sqlite3_open_v2(db->path, &db->handle, flags, NULL);
  if (!db->handle)
    return err_no_memory(reterr);
  sqlite3_extended_result_codes(db->handle, 1);
  if (result != SQLITE_OK)
    return fail(db, result, reterr);
  sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
  if (options->is_writer && sqlite3_db_readonly(db->handle, "main") == 1)
    return fail(db, SQLITE_READONLY, reterr);
  int code = check_identity(db, reterr);
  if (code == 0)
    code = configure(db, options, reterr);
  if (options->is_writer) /* after wal_autocheckpoint was set, which uses the same hook */
    sqlite3_wal_hook(db->handle, note_log_pages, db);
  return code;
}

static void sqlite_close(struct db *base) {
  struct connection *db = connection_of(base);
  sqlite3_close(db->handle);
  if (db->owner_fd >= 0)
    close(db->owner_fd); /* after SQLite let go of the file */
  free(db->path);
  free(db);
}

static int sqlite_open(const struct db_options *options, struct db **ret_db, struct err *reterr) {
  initialize();
  struct connection *db = calloc(1, sizeof *db);
  if (!db)
    return err_no_memory(reterr);
  db->base.driver = &db_sqlite;
  db->owner_fd = -1;
  db->newest = options->newest;
  db->path = strdup(options->path);
  int code = db->path ? 0 : err_no_memory(reterr);
  if (code == 0 && options->is_writer)
    code = own_file(db, reterr);
  if (code == 0)
    code = open_handle(db, options, reterr);
  if (code == 0)
    *ret_db = &db->base;
  else
    db_close(&db->base);
  return code;
}

static int run_kept(struct db *db, struct str sql, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, sql, &statement, reterr);
  if (code != 0)
    return code;
  code = db_execute(statement, reterr);
  db_release(statement);
  return code;
}

static int sqlite_begin_read(struct db *db, struct err *reterr) {
  return run_kept(db, STR("BEGIN"), reterr);
}

static int sqlite_begin_write(struct db *db, struct err *reterr) {
  return run_kept(db, STR("BEGIN IMMEDIATE"), reterr);
}

static int sqlite_commit(struct db *db, struct err *reterr) {
  return run_kept(db, STR("COMMIT"), reterr);
}

static bool sqlite_is_begun(const struct db *db) {
  return !sqlite3_get_autocommit(((const struct connection *)db)->handle);
}

static void sqlite_rollback(struct db *db) {
  struct err ignored; /* what made the rollback necessary was reported */
  if (sqlite_is_begun(db) && run_kept(db, STR("ROLLBACK"), &ignored) != 0)
    sqlite3_exec(connection_of(db)->handle, "ROLLBACK", NULL, NULL, NULL);
}

static int sqlite_now(struct db *db, int64_t *ret_now_us, struct err *reterr) {
  (void)db; /* one process writes, so this machine's clock is everybody's */
  (void)reterr;
  *ret_now_us = clock_now_us();
  return 0;
}

static void sqlite_trim(struct db *db) {
  sqlite3_db_release_memory(connection_of(db)->handle);
}

static int sqlite_checkpoint(struct db *base, uint64_t *ret_left, struct err *reterr) {
  struct connection *db = connection_of(base);
  int in_log = 0, moved = 0;
  int result =
      sqlite3_wal_checkpoint_v2(db->handle, NULL, SQLITE_CHECKPOINT_PASSIVE, &in_log, &moved);
  if (result != SQLITE_OK && (result & 0xff) != SQLITE_BUSY)
    return fail(db, result, reterr);
  *ret_left = in_log > moved ? (uint64_t)(in_log - moved) : 0;
  return 0;
}

static uint64_t bytes_of_file(const char *path, const char *suffix) {
  char *name = sqlite3_mprintf("%s%s", path, suffix);
  struct stat info;
  uint64_t bytes = name && stat(name, &info) == 0 ? (uint64_t)info.st_size : 0;
  sqlite3_free(name);
  return bytes;
}

static int sqlite_size(struct db *db, struct db_size *ret_size, struct err *reterr) {
  (void)reterr;
  const char *path = connection_of(db)->path;
  *ret_size = (struct db_size){bytes_of_file(path, ""), bytes_of_file(path, "-wal")};
  return 0;
}

static int sqlite_server(struct db *db, struct arena *arena, struct db_server *ret_server,
                         struct err *reterr) {
  struct statvfs disk;
  struct str version = arena_str(arena, str_of(sqlite3_libversion()));
  if (!version.p)
    return err_no_memory(reterr);
  *ret_server = (struct db_server){.version = version};
  if (statvfs(connection_of(db)->path, &disk) == 0)
    ret_server->free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
  return 0;
}

/* ---- Statements ---- */

static int sqlite_statement_new(struct db *base, struct str sql,
                                struct db_statement **ret_statement, struct err *reterr) {
  struct connection *db = connection_of(base);
  struct statement *statement = calloc(1, sizeof *statement);
  if (!statement)
    return err_no_memory(reterr);
  int result = sqlite3_prepare_v3(db->handle, sql.p, (int)sql.n, SQLITE_PREPARE_PERSISTENT,
                                  &statement->stmt, NULL);
  if (result != SQLITE_OK) {
    free(statement);
    return fail(db, result, reterr);
  }
  *ret_statement = &statement->base;
  return 0;
}

static void sqlite_statement_clear(struct db_statement *base) {
  struct statement *statement = statement_of(base);
  sqlite3_reset(statement->stmt);
  sqlite3_clear_bindings(statement->stmt);
  statement->failed = SQLITE_OK;
  statement->columns = NULL;
}

static void sqlite_statement_free(struct db_statement *base) {
  struct statement *statement = statement_of(base);
  sqlite3_finalize(statement->stmt);
  free(statement);
}

static void note(struct statement *statement, int result) {
  if (result != SQLITE_OK && statement->failed == SQLITE_OK)
    statement->failed = result;
}

static void sqlite_bind_i64(struct db_statement *base, int place, int64_t value) {
  struct statement *statement = statement_of(base);
  note(statement, sqlite3_bind_int64(statement->stmt, place, value));
}

static void sqlite_bind_double(struct db_statement *base, int place, double value) {
  struct statement *statement = statement_of(base);
  note(statement, sqlite3_bind_double(statement->stmt, place, value));
}

static void sqlite_bind_text(struct db_statement *base, int place, struct str value) {
  struct statement *statement = statement_of(base);
  note(statement, sqlite3_bind_text64(statement->stmt, place, value.p ? value.p : "", value.n,
                                      SQLITE_STATIC, SQLITE_UTF8));
}

static void sqlite_bind_bytes(struct db_statement *base, int place, struct str value) {
  struct statement *statement = statement_of(base);
  note(statement,
       sqlite3_bind_blob64(statement->stmt, place, value.p ? value.p : "", value.n, SQLITE_STATIC));
}

static void sqlite_bind_null(struct db_statement *base, int place) {
  struct statement *statement = statement_of(base);
  note(statement, sqlite3_bind_null(statement->stmt, place));
}

static void sqlite_send(struct db_statement *statement) {
  (void)statement; /* there is nobody to be waited for */
}

static int step(struct statement *statement, bool *ret_has_row, struct err *reterr) {
  struct connection *db = connection_of(statement->base.db);
  if (statement->failed != SQLITE_OK)
    return fail(db, statement->failed, reterr);
  int result = sqlite3_step(statement->stmt);
  if (result != SQLITE_ROW && result != SQLITE_DONE)
    return fail(db, result, reterr);
  *ret_has_row = result == SQLITE_ROW;
  return 0;
}

static void bind_row(struct statement *statement, const struct db_column *columns, size_t columns_n,
                     size_t row) {
  for (size_t i = 0; i < columns_n; i++) {
    const void *at = db_column_at(&columns[i], row);
    int place = (int)i + 1;
    if (columns[i].type == DB_I64) {
      sqlite_bind_i64(&statement->base, place, *(const int64_t *)at);
    } else if (columns[i].type == DB_DOUBLE) {
      sqlite_bind_double(&statement->base, place, *(const double *)at);
    } else {
      struct str value = *(const struct str *)at;
      if (!value.p)
        sqlite_bind_null(&statement->base, place);
      else if (columns[i].type == DB_TEXT)
        sqlite_bind_text(&statement->base, place, value);
      else
        sqlite_bind_bytes(&statement->base, place, value);
    }
  }
}

/* The next answer to this row of the question, or the first to one that comes after it. */
static int step_asked(struct statement *statement, bool *ret_has_row, struct err *reterr) {
  bool has_row = false;
  int code = 0;
  while (code == 0 && !has_row && statement->row < statement->rows_n) {
    if (!statement->is_asking)
      bind_row(statement, statement->columns, statement->columns_n, statement->row);
    statement->is_asking = true;
    code = step(statement, &has_row, reterr);
    if (code == 0 && !has_row) {
      sqlite3_reset(statement->stmt);
      statement->is_asking = false;
      statement->row++;
    }
  }
  if (code == 0)
    *ret_has_row = has_row;
  return code;
}

static int sqlite_step(struct db_statement *base, bool *ret_has_row, struct err *reterr) {
  struct statement *statement = statement_of(base);
  return statement->columns ? step_asked(statement, ret_has_row, reterr)
                            : step(statement, ret_has_row, reterr);
}

static int sqlite_execute(struct db_statement *base, struct err *reterr) {
  struct statement *statement = statement_of(base);
  bool has_row = true;
  int code = 0;
  while (code == 0 && has_row)
    code = step(statement, &has_row, reterr);
  sqlite3_reset(statement->stmt);
  return code;
}

static void sqlite_reset(struct db_statement *base) {
  struct statement *statement = statement_of(base);
  sqlite3_reset(statement->stmt);
}

static int64_t sqlite_column_i64(struct db_statement *base, int column) {
  struct statement *statement = statement_of(base);
  return sqlite3_column_int64(statement->stmt, column);
}

static double sqlite_column_double(struct db_statement *base, int column) {
  struct statement *statement = statement_of(base);
  return sqlite3_column_double(statement->stmt, column);
}

static struct str sqlite_column_str(struct db_statement *base, int column) {
  struct statement *statement = statement_of(base);
  const char *p = sqlite3_column_blob(statement->stmt, column);
  return str_n(p, p ? (size_t)sqlite3_column_bytes(statement->stmt, column) : 0);
}

static bool sqlite_column_is_null(struct db_statement *base, int column) {
  struct statement *statement = statement_of(base);
  return sqlite3_column_type(statement->stmt, column) == SQLITE_NULL;
}

/* ---- Many rows at once ---- */

/* A statement that is kept and stepped once per row: within SQLite a VALUES list of many rows is
 * not faster. */
static int sqlite_execute_rows(struct db *db, struct str sql, const struct db_column *columns,
                               size_t columns_n, size_t rows_n, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, sql, &statement, reterr);
  if (!statement)
    return code;
  for (size_t row = 0; code == 0 && row < rows_n; row++) {
    bind_row(statement_of(statement), columns, columns_n, row);
    code = sqlite_execute(statement, reterr);
  }
  db_release(statement);
  return code;
}

static int sqlite_select_rows(struct db *db, struct str sql, const struct db_column *columns,
                              size_t columns_n, size_t rows_n, struct db_statement **ret_statement,
                              struct err *reterr) {
  struct db_statement *base = NULL;
  int code = db_prepare(db, sql, &base, reterr);
  if (!base)
    return code;
  struct statement *statement = statement_of(base);
  statement->columns = columns;
  statement->columns_n = columns_n;
  statement->rows_n = rows_n;
  statement->row = 0;
  statement->is_asking = false;
  *ret_statement = base;
  return 0;
}

static size_t sqlite_asked_row(const struct db_statement *statement) {
  return ((const struct statement *)statement)->row;
}

const struct db_driver db_sqlite = {
    .kind = DB_SQLITE,
    .waiting = 10,
    .open = sqlite_open,
    .close = sqlite_close,
    .run = sqlite_run,
    .identity = sqlite_identity,
    .set_identity = sqlite_set_identity,
    .begin_read = sqlite_begin_read,
    .begin_write = sqlite_begin_write,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
    .is_begun = sqlite_is_begun,
    .now = sqlite_now,
    .deadline_changed = sqlite_deadline_changed,
    .trim = sqlite_trim,
    .checkpoint = sqlite_checkpoint,
    .log_pages = sqlite_log_pages,
    .pages = sqlite_pages,
    .size = sqlite_size,
    .server = sqlite_server,
    .statement_new = sqlite_statement_new,
    .statement_clear = sqlite_statement_clear,
    .statement_free = sqlite_statement_free,
    .bind_i64 = sqlite_bind_i64,
    .bind_double = sqlite_bind_double,
    .bind_text = sqlite_bind_text,
    .bind_bytes = sqlite_bind_bytes,
    .bind_null = sqlite_bind_null,
    .send = sqlite_send,
    .step = sqlite_step,
    .execute = sqlite_execute,
    .reset = sqlite_reset,
    .column_i64 = sqlite_column_i64,
    .column_double = sqlite_column_double,
    .column_str = sqlite_column_str,
    .column_is_null = sqlite_column_is_null,
    .execute_rows = sqlite_execute_rows,
    .select_rows = sqlite_select_rows,
    .asked_row = sqlite_asked_row,
};
