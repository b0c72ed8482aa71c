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

#include "store/db/db.h"

/* At the end of a subquery in EXISTS. */
static inline const char *dialect_apart(enum db_kind kind) {
  return kind == DB_POSTGRES ? " OFFSET 0" : "";
}

/*
 * Joins `table`, called `alias`, to what stands before it, row by row: " CROSS JOIN table alias ON
 * on". On tables that are still empty PostgreSQL thinks any order as good as another, and it keeps
 * the plan when they have grown; a subquery that is apart can't be asked before its row is there.
 */
#define DIALECT_JOIN(kind, table, alias, on)                                                       \
  ((kind) == DB_POSTGRES ? " CROSS JOIN LATERAL (SELECT * FROM " table " " alias " WHERE " on      \
                           " OFFSET 0) AS " alias                                                  \
                         : " CROSS JOIN " table " " alias " ON " on)
/* The same for one that need not have a row. */
#define DIALECT_LEFT_JOIN(kind, table, alias, on)                                                  \
  ((kind) == DB_POSTGRES ? " LEFT JOIN LATERAL (SELECT * FROM " table " " alias " WHERE " on       \
                           " OFFSET 0) AS " alias " ON TRUE"                                       \
                         : " LEFT JOIN " table " " alias " ON " on)

/* Behind a table: " INDEXED BY index". */
#define DIALECT_INDEXED_BY(kind, index) ((kind) == DB_POSTGRES ? "" : " INDEXED BY " index)

#endif
