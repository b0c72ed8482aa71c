/*
 * A store in a file as it is at one moment, seen in two ways: its pages, which are copied, and its
 * rows, which the copy is compared with. Private to backup*.c.
 *
 * Threads: one at a time; the rows may be read by another while nothing else is done with it.
 * Memory: own.
 */
#ifndef STORE_BACKUP_SOURCE_H
#define STORE_BACKUP_SOURCE_H

#include "store/move/backup.h"

struct backup_source;

/* Refuses what is no store of this version (ERR_NOT_FOUND, ERR_STORE). Writers are neither waited
 * for nor held up; ERR_BUSY where they leave no gap in which to begin. */
int backup_source_open(const char *path, struct backup_source **ret_source,
                       struct err *reterr) MUST_CHECK;
/* Until then the log can't be moved into the file. NULL is allowed. */
void backup_source_close(struct backup_source *source);

/* Its rows: a connection in a read transaction, borrowed. */
struct db *backup_source_rows(struct backup_source *source);

/* Its pages, into the file `name`. ERR_NO_SPACE, ERR_IO (also: broken off), ERR_STORE. */
int backup_source_copy(struct backup_source *source, const struct backup_options *options,
                       const char *name, struct err *reterr) MUST_CHECK;

#endif
