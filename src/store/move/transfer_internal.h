/* What the parts of a transfer share. Private to transfer*.c; threads and memory as transfer.h. */
#ifndef STORE_TRANSFER_INTERNAL_H
#define STORE_TRANSFER_INTERNAL_H

#include "store/move/transfer.h"

/* ---- Pages ahead of their use ---- */

/* Reads the pages of all tables, in order, one ahead of what was asked for. */
struct transfer_ahead;

/* From the key `after` (NULL: the beginning) of the table `table_n` (from 0) on. `db` is in a read
 * transaction, and used by nobody else until transfer_ahead_close. `after` is copied. */
int transfer_ahead_open(struct db *db, size_t table_n, const union transfer_cell *after,
                        struct transfer_ahead **ret_ahead, struct err *reterr) MUST_CHECK;
void transfer_ahead_close(struct transfer_ahead *ahead); /* NULL is allowed */

/* The next page, borrowed until the next call. `*ret_page` NULL: there is none. */
int transfer_ahead_next(struct transfer_ahead *ahead, const struct transfer_page **ret_page,
                        struct err *reterr) MUST_CHECK;

#endif
