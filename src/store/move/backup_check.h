/* The manifest of a backup, and whether its content is what the manifest says. Private to
 * backup*.c; threads and memory as backup.h. */
#ifndef STORE_BACKUP_CHECK_H
#define STORE_BACKUP_CHECK_H

#include "store/move/backup.h"

/* Runs SQLite's own check over the file `name`; ERR_STORE with its first complaint. */
int backup_check_pages(const struct backup_options *options, const char *name, const char *shown,
                       struct err *reterr) MUST_CHECK;

/* Sums the file `name` up and writes the manifest into it. */
int backup_manifest_write(const struct backup_options *options, const char *name,
                          struct backup_report *report, struct err *reterr) MUST_CHECK;

/* Is the file `name` whole: its head, its pages, its rows? `shown`: its name in messages. */
int backup_check(const struct backup_options *options, const char *name, const char *shown,
                 struct backup_report *report, struct err *reterr) MUST_CHECK;

/* Runs statements on the SQLite file `name`. */
int backup_run_sql(const char *name, const char *sql, struct err *reterr) MUST_CHECK;

#endif
