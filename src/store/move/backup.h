/*
 * Keeping a store that is in a file: a consistent copy made while it is served, and bringing it
 * back. (A store in PostgreSQL is kept with PostgreSQL's own tools: docs/moving.md.)
 *
 * A backup is one SQLite file, or that file packed by zstd (any zstd unpacks it), with a manifest
 * in it: the row 'backup' of the table `store`, a JSON object with format, program and schema
 * versions, the time, commit.seq, and of every table the rows and their checksum
 * (transfer_table.h). No program serves from a file that has that row.
 *
 * The pages are copied in one read transaction: writers go on meanwhile, only the log is not moved
 * into the file. Before the copy gets its name, what is read back from it is compared with the
 * store at the same moment, row by row, and goes through SQLite's integrity check; a packed one is
 * compared with what was packed. So a store that is damaged is noticed here, and so is a disk that
 * does not keep what it is given.
 *
 * Threads: any. Memory: plain data. This and db_sqlite.c are the only parts that know SQLite.
 */
#ifndef STORE_BACKUP_H
#define STORE_BACKUP_H

#include <signal.h>

#include "store/move/transfer_table.h"

struct backup_progress {
  const char *what;   /* "copying", "checking", ...: one word */
  uint64_t done, all; /* pages, or rows; all 0: not known */
};

struct backup_options {
  const char *from, *to; /* the store and the backup; or, to restore, the other way round */
  bool may_move_aside;   /* restore: a store that is there gets another name */
  const volatile sig_atomic_t *is_stopped; /* set by a signal: break off. NULL: nobody does */
  void (*progress)(const struct backup_progress *progress, void *what); /* NULL: nobody looks */
  void *what;
};

struct backup_report {
  uint64_t seq, resources, versions, messages, rows;
  uint64_t bytes;     /* of the file that was made, or verified */
  int64_t made_us;    /* when the backup was made */
  char moved_to[512]; /* restore: where the store is now that was there; or empty */
};

/* Calls `progress`, if there is one. */
static inline void backup_tell(const struct backup_options *options, const char *what,
                               uint64_t done, uint64_t all) {
  if (options->progress)
    options->progress(&(struct backup_progress){.what = what, .done = done, .all = all},
                      options->what);
}

/* ERR_CONFLICT: `to` is there. ERR_NOT_FOUND: no store. ERR_STORE: it is damaged, foreign, of
 * another version. ERR_NO_SPACE, ERR_READ_ONLY, ERR_IO (also: broken off). Nothing is left behind
 * on failure. */
int backup_make(const struct backup_options *options, struct backup_report *ret_report,
                struct err *reterr) MUST_CHECK;

/* Verifies `from` and makes a store of it. ERR_CONFLICT: `to` is there (and may not be moved
 * aside), or a process has it open. ERR_STORE: the backup is not whole. */
int backup_restore(const struct backup_options *options, struct backup_report *ret_report,
                   struct err *reterr) MUST_CHECK;

/* Verifies the backup `from`; ERR_STORE as above. A packed one is unpacked beside it meanwhile. */
int backup_verify(const struct backup_options *options, struct backup_report *ret_report,
                  struct err *reterr) MUST_CHECK;

#endif
