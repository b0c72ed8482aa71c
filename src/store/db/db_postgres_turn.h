/*
 * Whose turn it is to write, and what to do about one who has it and says nothing.
 *
 * Write transactions take turns by a lock of the server. A process that was stopped in the middle
 * of its transaction (SIGSTOP, swapped out, a host that hangs) would keep all others waiting: the
 * server's idle_in_transaction_session_timeout ends an idle session only behind a sync, and what is
 * written is sent in pieces without one. So who waits looks, on a second connection, at who has the
 * lock. A session that waits for its client at each look, and was asked nothing in between, is
 * ended when that has lasted for db_options.silence_us; nothing of its transaction is written, and
 * its process, when it goes on, finds its connection gone. A session that works is left alone for
 * however long it takes (`lock_timeout` bounds who waits).
 *
 * Threads, memory: as db.h.
 */
#ifndef STORE_DB_POSTGRES_TURN_H
#define STORE_DB_POSTGRES_TURN_H

#include "store/db/db_postgres.h"

#define PG_LOCK_CLASS 0x436c7361u /* with the schema's oid: the lock of all write transactions */

/* While this session waits for its turn: when to look (monotonic). Else 0, and what was looked with
 * is given back. */
int64_t pg_turn_look_at_us(struct pg *pg);
/* Looks, and ends who is silent. What prevents it is no failure: the session goes on waiting. */
void pg_turn_look(struct pg *pg);
void pg_turn_fini(struct pg *pg);

#endif
