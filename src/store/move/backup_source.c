#include "store/move/backup_source.h"

#include <errno.h>
#include <sqlite3.h>

#include "store/move/backup_file.h"
#include "store/schema/schema.h"

#define PAGES_PER_STEP 2048
#define BUSY_TIMEOUT_MS 10000
#define CACHE_BYTES ((size_t)64 << 20)
/* To begin both transactions takes some 50 us, in which a store that is busy commits at most once
 * in ten times. */
#define BEGIN_TRIES 1000

struct backup_source {
  const char *path;
  sqlite3 *pages;
  struct db *rows;
};

static int fail(sqlite3 *handle, const char *path, int result, struct err *reterr) {
  int basic = result & 0xff;
  enum err_code code = basic == SQLITE_FULL || sqlite3_system_errno(handle) == ENOSPC ? ERR_NO_SPACE
                       : basic == SQLITE_BUSY                                         ? ERR_BUSY
                       : basic == SQLITE_IOERR || basic == SQLITE_CANTOPEN            ? ERR_IO
                                                                                      : ERR_STORE;
  return err_set(reterr, code, "", "%s: %s.", path, sqlite3_errstr(result));
}

/* ---- One moment ---- */

/* Changes when another connection has committed. */
static int data_version(struct db *db, int64_t *ret_version, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(db, STR("PRAGMA data_version"), &row, reterr);
  if (code != 0)
    return code;
  code = db_step(row, &has_row, reterr);
  if (code == 0)
    *ret_version = has_row ? db_column_i64(row, 0) : 0;
  db_release(row);
  return code;
}

static int run(struct backup_source *source, const char *sql, struct err *reterr) {
  int result = sqlite3_exec(source->pages, sql, NULL, NULL, NULL);
  return result == SQLITE_OK ? 0 : fail(source->pages, source->path, result, reterr);
}

/* The transaction of the pages begins between two looks of the other connection, the later one in
 * its own transaction. If nothing was committed between those, both see the same. */
static int begin_both(struct backup_source *source, bool *ret_is_same, struct err *reterr) {
  int64_t before = 0, after = 0;
  int code = data_version(source->rows, &before, reterr);
  if (code == 0)
    code = run(source, "BEGIN;SELECT count(*) FROM sqlite_schema", reterr);
  if (code == 0)
    code = db_begin_read(source->rows, reterr);
  if (code == 0)
    code = data_version(source->rows, &after, reterr);
  if (code == 0)
    *ret_is_same = before == after;
  return code;
}

static int begin(struct backup_source *source, struct err *reterr) {
  bool is_same = false;
  int code = begin_both(source, &is_same, reterr);
  for (int tries = 1; code == 0 && !is_same && tries < BEGIN_TRIES; tries++) {
    db_rollback(source->rows);
    code = run(source, "ROLLBACK", reterr);
    if (code == 0)
      code = begin_both(source, &is_same, reterr);
  }
  if (code == 0 && !is_same)
    code = err_set(reterr, ERR_BUSY, "", "%s is written to without any pause; try again later.",
                   source->path);
  return code;
}

/* ---- Opening ---- */

/* db_open tells what is no store, foreign, damaged or newer. */
static int open_rows(struct backup_source *source, struct err *reterr) {
  struct db_identity identity = {0};
  struct db_options options = {.path = source->path,
                               .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION},
                               .cache_bytes = CACHE_BYTES};
  int code = db_open(&options, &source->rows, reterr);
  if (code == 0)
    code = db_identity(source->rows, &identity, reterr);
  if (code == 0 && identity.version == 0)
    return err_set(reterr, ERR_NOT_FOUND, "", "There is no store in %s.", source->path);
  if (code == 0 && identity.version < SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "",
                   "%s is of format %u, which is brought up to date when `callosum serve` opens it."
                   " To keep it as it is, copy the file while no program has it open.",
                   source->path, identity.version);
  return code;
}

static int open_pages(struct backup_source *source, struct err *reterr) {
  int result = sqlite3_open_v2(source->path, &source->pages,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (result == SQLITE_OK)
    result = sqlite3_busy_timeout(source->pages, BUSY_TIMEOUT_MS);
  if (result != SQLITE_OK)
    return fail(source->pages, source->path, result, reterr);
  return run(source, "PRAGMA query_only=ON", reterr);
}

int backup_source_open(const char *path, struct backup_source **ret_source, struct err *reterr) {
  int code = backup_file_must_exist(path, reterr);
  if (code != 0)
    return code;
  struct backup_source *source = calloc(1, sizeof *source);
  if (!source)
    return err_no_memory(reterr);
  source->path = path;
  code = open_rows(source, reterr);
  if (code == 0)
    code = open_pages(source, reterr);
  if (code == 0)
    code = begin(source, reterr);
  if (code == 0)
    code = schema_refuse_unfinished(source->rows, reterr);
  if (code == 0)
    *ret_source = source;
  else
    backup_source_close(source);
  return code;
}

void backup_source_close(struct backup_source *source) {
  if (!source)
    return;
  sqlite3_close(source->pages);
  db_close(source->rows);
  free(source);
}

struct db *backup_source_rows(struct backup_source *source) {
  return source->rows;
}

/* ---- Pages ---- */

static int copy_steps(const struct backup_options *options, sqlite3_backup *backup) {
  int result = SQLITE_OK;
  while (result == SQLITE_OK) {
    if (options->is_stopped && *options->is_stopped)
      return SQLITE_INTERRUPT;
    result = sqlite3_backup_step(backup, PAGES_PER_STEP);
    uint64_t all = (uint64_t)sqlite3_backup_pagecount(backup);
    backup_tell(options, "copying", all - (uint64_t)sqlite3_backup_remaining(backup), all);
  }
  return result == SQLITE_DONE ? SQLITE_OK : result;
}

/* Between the steps the source's transaction stays open, so what is written meanwhile makes the
 * copy neither inconsistent nor begin again. The copy is made durable as a whole, or thrown away.
 */
int backup_source_copy(struct backup_source *source, const struct backup_options *options,
                       const char *name, struct err *reterr) {
  sqlite3 *to = NULL;
  int code = 0;
  int result = sqlite3_open_v2(name, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (result == SQLITE_OK)
    result = sqlite3_exec(to, "PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF", NULL, NULL, NULL);
  sqlite3_backup *backup =
      result == SQLITE_OK ? sqlite3_backup_init(to, "main", source->pages, "main") : NULL;
  if (backup) {
    result = copy_steps(options, backup);
    int ended = sqlite3_backup_finish(backup);
    result = result == SQLITE_OK ? ended : result;
  } else if (result == SQLITE_OK) {
    result = sqlite3_errcode(to);
  }
  if (result == SQLITE_INTERRUPT)
    code = backup_file_go_on(options->is_stopped, reterr);
  else if (result != SQLITE_OK)
    code = fail(to, name, result, reterr);
  sqlite3_close(to);
  return code;
}
