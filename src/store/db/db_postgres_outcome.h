/* What became of a commit whose answer was lost. Threads, memory: as db.h. */
#ifndef STORE_DB_POSTGRES_OUTCOME_H
#define STORE_DB_POSTGRES_OUTCOME_H

#include "store/db/db_postgres.h"
#include "store/db/db_postgres_value.h"

/* Queues the last change of a write transaction, by which it can be recognised. */
int pg_queue_writer_number(struct pg *pg, struct err *reterr) MUST_CHECK;

/* When the connection is closed: nobody will ask for its number any more. */
void pg_queue_writer_end(struct pg *pg);

/* After the session with the backend `old_pid` was lost during COMMIT: 0: it was done.
 * ERR_UNAVAILABLE: it was not, and never will be. ERR_UNCERTAIN: the server does not tell. */
int pg_ask_outcome(struct pg *pg, int old_pid, struct err *reterr) MUST_CHECK;

#endif
