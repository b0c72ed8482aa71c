/* The manifest of a backup, and whether its content is what the manifest says. Private to
 * backup*.c; threads and memory as backup.h. */
#ifndef STORE_BACKUP_CHECK_H
#define STORE_BACKUP_CHECK_H

#include "store/move/backup.h"
#include "store/move/transfer.h"

/* What is in a store, in the file of which it is: the statements that made its tables, and their
 * rows. */
struct backup_content {
  uint64_t seq;                             /* of the last commit */
  char statements[TRANSFER_CHECKSUM_BYTES]; /* of the table sqlite_schema */
  struct transfer_sum tables[TRANSFER_TABLES_MAX];
};

/* Reads the rows of a store and of the file `name`, its copy, and gives what is in both; ERR_STORE
 * where they differ. `from` is in a read transaction. */
int backup_compare(const struct backup_options *options, struct db *from, const char *name,
                   struct backup_content *ret_content, struct err *reterr) MUST_CHECK;

/* Runs SQLite's own check over the file `name`; ERR_STORE with its first complaint. */
int backup_check_pages(const struct backup_options *options, const char *name, const char *shown,
                       struct err *reterr) MUST_CHECK;

/* Writes the manifest into the file `name`. */
int backup_manifest_write(const struct backup_content *content, const char *name,
                          struct backup_report *report, struct err *reterr) MUST_CHECK;

/* Is the file `name` whole: its head, its pages, its manifest, its rows? `shown`: its name in
 * messages. */
int backup_check(const struct backup_options *options, const char *name, const char *shown,
                 struct backup_report *report, struct err *reterr) MUST_CHECK;

/* Runs statements on the SQLite file `name`. */
int backup_run_sql(const char *name, const char *sql, struct err *reterr) MUST_CHECK;

#endif
