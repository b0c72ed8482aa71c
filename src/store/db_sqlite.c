/*
 * db.h over SQLite, in WAL mode with synchronous=FULL: a commit is durable when it returns.
 *
 * Beside PATH stand PATH-wal and PATH-shm (SQLite's own) and PATH-owner, an empty file whose flock
 * says which process owns the data. It is a file of its own because closing any descriptor of the
 * database would drop SQLite's POSIX locks on it.
 */
#include "store/db.h"

#include "base/clock.h"

#include <time.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATEMENTS_MAX 96 /* kept prepared per connection */
#define PAGE_BYTES 4096
#define BUSY_TIMEOUT_MS 10000

struct db_statement {
  sqlite3_stmt *stmt;
  struct db *db;
  uint64_t text_hash, used_at;
  char *text;
  size_t text_n;
  int failed; /* the first bind that did not work */
  bool is_taken;
};

struct db {
  sqlite3 *handle;
  char *path;
  int owner_fd;        /* -1: a reader */
  int64_t deadline_us; /* of the thread's time; 0: none */
  int64_t waiting_deadline_us;
  struct db_identity newest;
  uint64_t clock, log_pages;
  size_t statements_n;
  struct db_statement *statements[STATEMENTS_MAX];
};

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

static int64_t thread_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

bool db_is_over(const struct db *db) {
  return db->deadline_us &&
         (thread_us() > db->deadline_us || clock_monotonic_us() > db->waiting_deadline_us);
}

static int is_over(void *what) {
  return db_is_over(what);
}

static uint64_t status(struct db *db, int what) {
  int now = 0, most = 0;
  return sqlite3_db_status(db->handle, what, &now, &most, 0) == SQLITE_OK && now > 0 ? (uint64_t)now
                                                                                     : 0;
}

struct db_pages db_pages(struct db *db) {
  return (struct db_pages){.read = status(db, SQLITE_DBSTATUS_CACHE_MISS),
                           .hit = status(db, SQLITE_DBSTATUS_CACHE_HIT)};
}

void db_set_deadline(struct db *db, int64_t time_us) {
  enum { WAITING = 10 };
  int64_t longest_us = INT64_MAX / 4 / WAITING;
  time_us = time_us > longest_us ? longest_us : time_us;
  db->deadline_us = time_us ? thread_us() + time_us : 0;
  db->waiting_deadline_us = clock_monotonic_us() + time_us * WAITING;
  sqlite3_progress_handler(db->handle, time_us ? ENGINE_STEPS_PER_LOOK : 0,
                           time_us ? is_over : NULL, db);
}

/* SQLite's own messages name tables and columns, never values, so they may be shown. */
static int fail(struct db *db, int result, struct err *reterr) {
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

static int own_file(struct db *db, struct err *reterr) {
  char *name = sqlite3_mprintf("%s-owner", db->path);
  if (!name)
    return err_no_memory(reterr);
  int code = 0;
  db->owner_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (db->owner_fd < 0) {
    if (is_no_space(errno))
      code = err_set(reterr, ERR_NO_SPACE, "", "There is no space left for %s.", name);
    else if (errno == EACCES || errno == EROFS || errno == EPERM)
      code = err_set(reterr, ERR_READ_ONLY, "", "%s can't be written: %s.", name, strerror(errno));
    else
      code = err_set(reterr, ERR_IO, "", "%s can't be made: %s.", name, strerror(errno));
  } else if (flock(db->owner_fd, LOCK_EX | LOCK_NB) != 0) {
    code = err_set(reterr, ERR_CONFLICT, "", "Another process has %s open.", db->path);
  }
  sqlite3_free(name);
  return code;
}

static int number_of(struct db *db, const char *sql, int64_t *ret_number, struct err *reterr) {
  sqlite3_stmt *stmt = NULL;
  int result = sqlite3_prepare_v2(db->handle, sql, -1, &stmt, NULL);
  if (result == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW)
    *ret_number = sqlite3_column_int64(stmt, 0);
  int ended = sqlite3_finalize(stmt);
  if (result == SQLITE_OK)
    result = ended;
  return result == SQLITE_OK ? 0 : fail(db, result, reterr);
}

int db_identity(struct db *db, struct db_identity *ret_identity, struct err *reterr) {
  int64_t application = 0, version = 0;
  int code = number_of(db, "PRAGMA application_id", &application, reterr);
  if (code == 0)
    code = number_of(db, "PRAGMA user_version", &version, reterr);
  if (code == 0)
    *ret_identity = (struct db_identity){(uint32_t)application, (uint32_t)version};
  return code;
}

int db_set_identity(struct db *db, struct db_identity identity, struct err *reterr) {
  char sql[96];
  snprintf(sql, sizeof sql, "PRAGMA application_id=%d;PRAGMA user_version=%d",
           (int)identity.application, (int)identity.version);
  return db_run(db, sql, reterr);
}

static int check_identity(struct db *db, struct err *reterr) {
  struct db_identity found;
  int64_t tables = 0;
  int code = db_identity(db, &found, reterr);
  if (code == 0)
    code = number_of(db, "SELECT count(*) FROM sqlite_master", &tables, reterr);
  if (code != 0)
    return code;
  bool is_new = found.application == 0 && found.version == 0 && tables == 0;
  if (!is_new && found.application != db->newest.application)
    return err_set(reterr, ERR_STORE, "", "%s is a database of another program.", db->path);
  if (found.version > db->newest.version)
    return err_set(reterr, ERR_STORE, "",
                   "%s was written by a newer Callosum (format %u, this one reads up to %u).",
                   db->path, found.version, db->newest.version);
  return 0;
}

static int configure(struct db *db, const struct db_options *options, struct err *reterr) {
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
  return db_run(db, sql, reterr);
}

static int note_log_pages(void *what, sqlite3 *handle, const char *name, int pages) {
  (void)handle;
  (void)name;
  ((struct db *)what)->log_pages = (uint64_t)pages;
  return SQLITE_OK;
}

uint64_t db_log_pages(const struct db *db) {
  return db->log_pages;
}

static int open_handle(struct db *db, const struct db_options *options, struct err *reterr) {
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

int db_open(const struct db_options *options, struct db **ret_db, struct err *reterr) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, configure_library);
  struct db *db = calloc(1, sizeof *db);
  if (!db)
    return err_no_memory(reterr);
  db->owner_fd = -1;
  db->newest = options->newest;
  db->path = strdup(options->path);
  int code = db->path ? 0 : err_no_memory(reterr);
  if (code == 0 && options->is_writer)
    code = own_file(db, reterr);
  if (code == 0)
    code = open_handle(db, options, reterr);
  if (code == 0)
    *ret_db = db;
  else
    db_close(db);
  return code;
}

static void statement_free(struct db_statement *statement) {
  sqlite3_finalize(statement->stmt);
  free(statement->text);
  free(statement);
}

void db_close(struct db *db) {
  if (!db)
    return;
  for (size_t i = 0; i < db->statements_n; i++)
    statement_free(db->statements[i]);
  sqlite3_close(db->handle);
  if (db->owner_fd >= 0)
    close(db->owner_fd); /* after SQLite let go of the file */
  free(db->path);
  free(db);
}

int db_run(struct db *db, const char *sql, struct err *reterr) {
  int result = sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
  return result == SQLITE_OK ? 0 : fail(db, result, reterr);
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

int db_begin_read(struct db *db, struct err *reterr) {
  return run_kept(db, STR("BEGIN"), reterr);
}

int db_begin_write(struct db *db, struct err *reterr) {
  return run_kept(db, STR("BEGIN IMMEDIATE"), reterr);
}

int db_commit(struct db *db, struct err *reterr) {
  return run_kept(db, STR("COMMIT"), reterr);
}

void db_rollback(struct db *db) {
  struct err ignored; /* what made the rollback necessary was reported */
  if (!sqlite3_get_autocommit(db->handle) && run_kept(db, STR("ROLLBACK"), &ignored) != 0)
    sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
}

bool db_is_begun(const struct db *db) {
  return !sqlite3_get_autocommit(db->handle);
}

void db_trim(struct db *db) {
  sqlite3_db_release_memory(db->handle);
}

int db_checkpoint(struct db *db, uint64_t *ret_left, struct err *reterr) {
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

int db_size(struct db *db, struct db_size *ret_size, struct err *reterr) {
  (void)reterr;
  *ret_size = (struct db_size){bytes_of_file(db->path, ""), bytes_of_file(db->path, "-wal")};
  return 0;
}

/* ---- Statements ---- */

/* Of our own texts, so it need not be keyed, but they are long: eight bytes a step. */
static uint64_t hash_of_text(struct str sql) {
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

static struct db_statement *kept(struct db *db, uint64_t text_hash, struct str sql) {
  for (size_t i = 0; i < db->statements_n; i++) {
    struct db_statement *statement = db->statements[i];
    if (statement->text_hash == text_hash && !statement->is_taken &&
        str_equal(str_n(statement->text, statement->text_n), sql))
      return statement;
  }
  return NULL;
}

/* A place among the kept statements: a free one, or that of the longest unused; NULL: all taken. */
static struct db_statement **place_to_keep(struct db *db) {
  if (db->statements_n < STATEMENTS_MAX)
    return &db->statements[db->statements_n++];
  struct db_statement **oldest = NULL;
  for (size_t i = 0; i < STATEMENTS_MAX; i++)
    if (!db->statements[i]->is_taken &&
        (!oldest || db->statements[i]->used_at < (*oldest)->used_at))
      oldest = &db->statements[i];
  if (oldest)
    statement_free(*oldest);
  return oldest;
}

int db_prepare(struct db *db, struct str sql, struct db_statement **ret_statement,
               struct err *reterr) {
  uint64_t text_hash = hash_of_text(sql);
  struct db_statement *statement = kept(db, text_hash, sql);
  if (!statement) {
    statement = calloc(1, sizeof *statement);
    char *text = malloc(sql.n ? sql.n : 1);
    if (!statement || !text) {
      free(statement);
      free(text);
      return err_no_memory(reterr);
    }
    memcpy(text, sql.p, sql.n);
    *statement =
        (struct db_statement){.db = db, .text_hash = text_hash, .text = text, .text_n = sql.n};
    int result = sqlite3_prepare_v3(db->handle, sql.p, (int)sql.n, SQLITE_PREPARE_PERSISTENT,
                                    &statement->stmt, NULL);
    if (result != SQLITE_OK) {
      int code = fail(db, result, reterr);
      statement_free(statement);
      return code;
    }
    struct db_statement **place = place_to_keep(db);
    if (place)
      *place = statement;
    else
      statement->text_hash = 0, statement->used_at = UINT64_MAX; /* freed on release */
  }
  statement->is_taken = true;
  if (statement->used_at != UINT64_MAX)
    statement->used_at = ++db->clock;
  *ret_statement = statement;
  return 0;
}

void db_release(struct db_statement *statement) {
  if (!statement)
    return;
  if (statement->used_at == UINT64_MAX) {
    statement_free(statement);
    return;
  }
  sqlite3_reset(statement->stmt);
  sqlite3_clear_bindings(statement->stmt); /* what was borrowed must not be seen again */
  statement->failed = SQLITE_OK;
  statement->is_taken = false;
}

static void note(struct db_statement *statement, int result) {
  if (result != SQLITE_OK && statement->failed == SQLITE_OK)
    statement->failed = result;
}

void db_bind_i64(struct db_statement *statement, int place, int64_t value) {
  note(statement, sqlite3_bind_int64(statement->stmt, place, value));
}

void db_bind_double(struct db_statement *statement, int place, double value) {
  note(statement, sqlite3_bind_double(statement->stmt, place, value));
}

void db_bind_text(struct db_statement *statement, int place, struct str value) {
  note(statement, sqlite3_bind_text64(statement->stmt, place, value.p ? value.p : "", value.n,
                                      SQLITE_STATIC, SQLITE_UTF8));
}

void db_bind_bytes(struct db_statement *statement, int place, struct str value) {
  note(statement,
       sqlite3_bind_blob64(statement->stmt, place, value.p ? value.p : "", value.n, SQLITE_STATIC));
}

void db_bind_null(struct db_statement *statement, int place) {
  note(statement, sqlite3_bind_null(statement->stmt, place));
}

void db_send(struct db_statement *statement) {
  (void)statement; /* there is nobody to be waited for */
}

int db_step(struct db_statement *statement, bool *ret_has_row, struct err *reterr) {
  if (statement->failed != SQLITE_OK)
    return fail(statement->db, statement->failed, reterr);
  int result = sqlite3_step(statement->stmt);
  if (result != SQLITE_ROW && result != SQLITE_DONE)
    return fail(statement->db, result, reterr);
  *ret_has_row = result == SQLITE_ROW;
  return 0;
}

int db_execute(struct db_statement *statement, struct err *reterr) {
  bool has_row = true;
  int code = 0;
  while (code == 0 && has_row)
    code = db_step(statement, &has_row, reterr);
  sqlite3_reset(statement->stmt);
  return code;
}

void db_reset(struct db_statement *statement) {
  sqlite3_reset(statement->stmt);
}

int64_t db_column_i64(struct db_statement *statement, int column) {
  return sqlite3_column_int64(statement->stmt, column);
}

double db_column_double(struct db_statement *statement, int column) {
  return sqlite3_column_double(statement->stmt, column);
}

struct str db_column_str(struct db_statement *statement, int column) {
  const char *p = sqlite3_column_blob(statement->stmt, column);
  return str_n(p, p ? (size_t)sqlite3_column_bytes(statement->stmt, column) : 0);
}

bool db_column_is_null(struct db_statement *statement, int column) {
  return sqlite3_column_type(statement->stmt, column) == SQLITE_NULL;
}

/* ---- Many rows at once ---- */

static void bind_from_column(struct db_statement *statement, int place,
                             const struct db_column *column, size_t row) {
  const void *at = (const char *)column->rows + column->stride * row + column->offset;
  switch (column->type) {
  case DB_I64:
    db_bind_i64(statement, place, *(const int64_t *)at);
    break;
  case DB_DOUBLE:
    db_bind_double(statement, place, *(const double *)at);
    break;
  case DB_TEXT:
  case DB_BYTES: {
    struct str value = *(const struct str *)at;
    if (!value.p)
      db_bind_null(statement, place);
    else if (column->type == DB_TEXT)
      db_bind_text(statement, place, value);
    else
      db_bind_bytes(statement, place, value);
    break;
  }
  }
}

/* A statement that is kept and stepped once per row: within SQLite a VALUES list of many rows is
 * not faster. */
int db_execute_rows(struct db *db, struct str sql, const struct db_column *columns,
                    size_t columns_n, size_t rows_n, struct err *reterr) {
  if (rows_n == 0)
    return 0;
  struct db_statement *statement = NULL;
  int code = db_prepare(db, sql, &statement, reterr);
  if (!statement)
    return code;
  for (size_t row = 0; code == 0 && row < rows_n; row++) {
    for (size_t i = 0; i < columns_n; i++)
      bind_from_column(statement, (int)i + 1, &columns[i], row);
    code = db_execute(statement, reterr);
  }
  db_release(statement);
  return code;
}
