/*
 * The few places where the SQL of a read differs by engine, so that either follows the plan that it
 * was given. What the plans are is held by test_search_plan_postgres.c.
 *
 * PostgreSQL turns EXISTS into a join, or reads the inner table once into a hash table, whichever
 * it thinks is cheaper; it has no statistics that could tell. `OFFSET 0` keeps the subquery to
 * itself: it is asked with the whole key for each row that comes. SQLite does so by itself, and
 * takes an OFFSET only behind a LIMIT.
 *
 * SQLite needs to be told of an index whose last column is the hidden rowid. PostgreSQL has that
 * column in the index (schema_postgres.c), and follows ORDER BY.
 *
 * The same on both: `+column` keeps an index from being used for the column.
 *
 * Threads: pure functions. Memory: constants.
 */
#ifndef STORE_DIALECT_H
#define STORE_DIALECT_H

#include "store/db.h"

/* At the end of a subquery in EXISTS. */
static inline const char *dialect_apart(enum db_kind kind) {
  return kind == DB_POSTGRES ? " OFFSET 0" : "";
}

/* Behind a table: " INDEXED BY index". */
#define DIALECT_INDEXED_BY(kind, index) ((kind) == DB_POSTGRES ? "" : " INDEXED BY " index)

#endif
