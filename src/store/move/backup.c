#include "store/move/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/move/backup_check.h"
#include "store/move/backup_file.h"
#include "store/move/backup_source.h"
#include "store/schema/fact.h"

#define ARENA_BYTES ((size_t)1 << 20)

/* A file that is being made: it goes, with what SQLite puts beside it, unless it got its place. */
static void drop_file(const char *name) {
  static const char *const suffixes[] = {"", "-journal", "-wal", "-shm"};
  char path[4096];
  for (size_t i = 0; name && i < sizeof suffixes / sizeof suffixes[0]; i++) {
    snprintf(path, sizeof path, "%s%s", name, suffixes[i]);
    unlink(path);
  }
}

static uint64_t bytes_of(const char *path) {
  struct stat info;
  return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static int refuse_present(const char *path, const char *advice, struct err *reterr) {
  struct stat info;
  if (lstat(path, &info) == 0)
    return err_set(reterr, ERR_CONFLICT, "", "%s is there already; %s.", path, advice);
  return errno == ENOENT ? 0 : backup_file_fail(path, "can't be made", errno, reterr);
}

/* ---- Making one ---- */

/* The pages; then what is read of them must be what the store had at the same moment. */
static int copy_store(const struct backup_options *options, const char *name,
                      struct backup_content *ret_content, struct err *reterr) {
  struct backup_source *source = NULL;
  int code = backup_source_open(options->from, &source, reterr);
  if (code == 0)
    code = backup_source_copy(source, options, name, reterr);
  if (code == 0) /* a single file, without a log beside it */
    code = backup_run_sql(name, "PRAGMA journal_mode=DELETE", reterr);
  if (code == 0)
    code = backup_file_forget(name, reterr);
  if (code == 0)
    code = backup_compare(options, backup_source_rows(source), name, ret_content, reterr);
  backup_source_close(source);
  return code;
}

static int pack(const struct backup_options *options, struct arena *arena, const char **name,
                struct err *reterr) {
  const char *packed = NULL;
  int code = backup_file_new(arena, options->to, &packed, reterr);
  if (code == 0)
    backup_tell(options, "packing", 0, 0);
  if (code == 0)
    code = backup_file_pack(*name, packed, options->is_stopped, reterr);
  if (code == 0)
    code = backup_file_forget(packed, reterr);
  if (code == 0)
    backup_tell(options, "verifying", 0, 0);
  if (code == 0)
    code = backup_file_compare(packed, *name, options->is_stopped, reterr);
  drop_file(code == 0 ? *name : packed);
  if (code == 0)
    *name = packed;
  return code;
}

int backup_make(const struct backup_options *options, struct backup_report *ret_report,
                struct err *reterr) {
  struct arena *arena = arena_new(ARENA_BYTES);
  const char *name = NULL;
  struct backup_report report = {0};
  struct backup_content *content = calloc(1, sizeof *content);
  int code =
      arena && content ? backup_file_must_exist(options->from, reterr) : err_no_memory(reterr);
  if (code == 0)
    code = refuse_present(options->to, "a backup is not overwritten", reterr);
  if (code == 0)
    code = backup_file_new(arena, options->to, &name, reterr);
  if (code == 0)
    code = copy_store(options, name, content, reterr);
  if (code == 0)
    code = backup_check_pages(options, name, options->from, reterr);
  if (code == 0)
    code = backup_manifest_write(content, name, &report, reterr);
  if (code == 0 && backup_file_is_packed_name(options->to))
    code = pack(options, arena, &name, reterr);
  report.bytes = code == 0 ? bytes_of(name) : 0;
  if (code == 0)
    code = backup_file_place(name, options->to, reterr);
  if (code == 0)
    *ret_report = report;
  else
    drop_file(name);
  free(content);
  arena_free(arena);
  return code;
}

/* ---- Looking at one ---- */

int backup_verify(const struct backup_options *options, struct backup_report *ret_report,
                  struct err *reterr) {
  struct arena *arena = arena_new(ARENA_BYTES);
  const char *unpacked = NULL;
  bool is_packed = false;
  struct backup_report report = {.bytes = bytes_of(options->from)};
  int code = arena ? backup_file_must_exist(options->from, reterr) : err_no_memory(reterr);
  if (code == 0)
    code = backup_file_is_packed(options->from, &is_packed, reterr);
  if (code == 0 && is_packed)
    code = backup_file_new(arena, options->from, &unpacked, reterr);
  if (code == 0 && is_packed)
    code = backup_file_unpack(options->from, unpacked, options->is_stopped, reterr);
  if (code == 0)
    code =
        backup_check(options, unpacked ? unpacked : options->from, options->from, &report, reterr);
  drop_file(unpacked);
  arena_free(arena);
  if (code == 0)
    *ret_report = report;
  return code;
}

/* ---- Bringing one back ---- */

static bool is_there(struct arena *arena, const char *path, const char *suffix) {
  struct stat info;
  struct str name = arena_printf(arena, "%s%s", path, suffix);
  return name.p && lstat(name.p, &info) == 0;
}

static int move_if_there(struct arena *arena, const char *path, const char *suffix, const char *to,
                         struct err *reterr) {
  if (!is_there(arena, path, suffix))
    return 0;
  struct str from = arena_printf(arena, "%s%s", path, suffix),
             target = arena_printf(arena, "%s%s", to, suffix);
  return from.p && target.p ? backup_file_rename(from.p, target.p, reterr) : err_no_memory(reterr);
}

/*
 * The new file takes the place of an old store, which is moved aside. Were the old one's log left
 * beside it, SQLite would play that into the new file: it is first moved into the old file, so that
 * this alone is the store, and both change places in one step. Where that can't be done, as the old
 * one is damaged or being read, or only its log is left, the log is moved aside before.
 */
static int replace(struct arena *arena, const char *name, const char *path,
                   struct backup_report *report, struct err *reterr) {
  struct err ignored;
  if (is_there(arena, path, "") && is_there(arena, path, "-wal") &&
      backup_run_sql(path, "PRAGMA wal_checkpoint(TRUNCATE)", &ignored) != 0)
    log_warning("backup", "%s: the log of the old store can't be moved into it", path);
  bool has_file = is_there(arena, path, "");
  if (!has_file && !is_there(arena, path, "-wal") && !is_there(arena, path, "-shm"))
    return backup_file_place(name, path, reterr);
  struct str to = arena_printf(arena, "%s.before-%lld", path, (long long)(clock_now_us() / 1000));
  int code = to.p ? move_if_there(arena, path, "-wal", to.p, reterr) : err_no_memory(reterr);
  if (code == 0)
    code = move_if_there(arena, path, "-shm", to.p, reterr);
  if (code == 0)
    code = has_file ? backup_file_replace(name, path, to.p, reterr)
                    : backup_file_place(name, path, reterr);
  if (code == 0)
    snprintf(report->moved_to, sizeof report->moved_to, "%s", to.p);
  return code;
}

static int restore(const struct backup_options *options, struct arena *arena, const char *name,
                   struct backup_report *report, struct err *reterr) {
  int code = backup_file_unpack(options->from, name, options->is_stopped, reterr);
  if (code == 0)
    code = backup_check(options, name, options->from, report, reterr);
  if (code == 0)
    code = backup_run_sql(name,
                          "DELETE FROM store WHERE name='" FACT_BACKUP
                          "';" /* and as a store has it: */
                          "PRAGMA journal_mode=WAL",
                          reterr);
  report->bytes = bytes_of(name);
  if (code == 0)
    code = replace(arena, name, options->to, report, reterr);
  return code;
}

int backup_restore(const struct backup_options *options, struct backup_report *ret_report,
                   struct err *reterr) {
  struct arena *arena = arena_new(ARENA_BYTES);
  const char *name = NULL;
  char *real = NULL; /* where links lead to, so that what is there is what is moved aside */
  int owner = -1;
  struct backup_report report = {0};
  struct backup_options to_real = *options;
  int code = arena ? backup_file_must_exist(options->from, reterr) : err_no_memory(reterr);
  if (code == 0 && !options->may_move_aside)
    code = refuse_present(options->to, "--force moves it aside", reterr);
  if (code == 0)
    code = db_own_file(options->to, &owner, &real, reterr);
  to_real.to = real;
  if (code == 0)
    code = backup_file_new(arena, real, &name, reterr);
  if (code == 0)
    code = restore(&to_real, arena, name, &report, reterr);
  if (code == 0)
    *ret_report = report;
  else
    drop_file(name);
  if (owner >= 0)
    close(owner);
  free(real);
  arena_free(arena);
  return code;
}
