/*
 * Files of backups: made beside their final place, appearing there whole or not at all, packed by
 * zstd (RFC 8878) or plain. Private to backup*.c.
 *
 * Threads: any. Memory: the caller's arena.
 */
#ifndef STORE_BACKUP_FILE_H
#define STORE_BACKUP_FILE_H

#include <signal.h>

#include "base/base.h"

/* Makes an empty file beside `path`, for this user alone, and gives its name. ERR_NO_SPACE,
 * ERR_READ_ONLY, ERR_IO. */
int backup_file_new(struct arena *arena, const char *path, const char **ret_name,
                    struct err *reterr) MUST_CHECK;

/* Makes `name` durable under `path`, which must not exist: ERR_CONFLICT. */
int backup_file_place(const char *name, const char *path, struct err *reterr) MUST_CHECK;

/* Another name for a file; ERR_CONFLICT where that exists. */
int backup_file_rename(const char *from, const char *to, struct err *reterr) MUST_CHECK;

/* Makes the file durable, and has the system forget what it keeps of it, as far as it does: what is
 * read from now on is what the disk has. */
int backup_file_forget(const char *name, struct err *reterr) MUST_CHECK;

/* The same where something is: that gets the name `aside`, which must not exist, in one step where
 * the file system knows how, so that there is no moment without a store. */
int backup_file_replace(const char *name, const char *path, const char *aside,
                        struct err *reterr) MUST_CHECK;

/* Makes the names in the folder of `path` durable. */
int backup_file_sync_folder(const char *path, struct err *reterr) MUST_CHECK;

/* Does the name say that it is packed (".zst")? */
bool backup_file_is_packed_name(const char *path);

/* Packs `from` into the file `to`. */
int backup_file_pack(const char *from, const char *to, const volatile sig_atomic_t *is_stopped,
                     struct err *reterr) MUST_CHECK;

/* The content of `from`, be it packed or plain, into the file `to`. ERR_STORE: damaged, or its end
 * is missing. */
int backup_file_unpack(const char *from, const char *to, const volatile sig_atomic_t *is_stopped,
                       struct err *reterr) MUST_CHECK;

/* Is the content of `packed` that of the file `plain`? ERR_STORE where it is not. */
int backup_file_compare(const char *packed, const char *plain,
                        const volatile sig_atomic_t *is_stopped, struct err *reterr) MUST_CHECK;

/* ERR_IO once the flag (which may be NULL) is set. */
int backup_file_go_on(const volatile sig_atomic_t *is_stopped, struct err *reterr) MUST_CHECK;

/* Is the file packed, by its first bytes? */
int backup_file_is_packed(const char *path, bool *ret_is_packed, struct err *reterr) MUST_CHECK;

/* Looks at the head of the SQLite file `name` before any of it is believed: ERR_STORE where it is
 * none, of another program, of another version, or shorter than it says. `shown`: its name in the
 * message. */
int backup_file_check_head(const char *name, const char *shown, struct err *reterr) MUST_CHECK;

/* ERR_NOT_FOUND, or ERR_STORE where it is not a file. */
int backup_file_must_exist(const char *path, struct err *reterr) MUST_CHECK;

/* What the operating system said, as an err. */
int backup_file_fail(const char *path, const char *what, int error, struct err *reterr) MUST_CHECK;

#endif
