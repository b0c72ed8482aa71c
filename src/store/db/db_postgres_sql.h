/*
 * The common SQL of db.h in PostgreSQL's words. Pure: text in, text out.
 *
 * Text that comes here is the program's own, never a user's; still, quotes, comments and nesting
 * are respected, because a `?` in a literal is no placeholder.
 *
 * Threads: any. Memory: `ret_sql` is the caller's buffer; NUL-terminate it with buf_z.
 */
#ifndef STORE_DB_POSTGRES_SQL_H
#define STORE_DB_POSTGRES_SQL_H

#include "store/db/db.h"

/* `?` becomes $1, $2.., `?N` $N; `a CROSS JOIN b ON` becomes `a JOIN b ON`. ERR_NO_MEMORY. */
int pg_sql_plain(struct str sql, struct buf *ret_sql, int *ret_places_n,
                 struct err *reterr) MUST_CHECK;

/* The same, but the first placeholder, in a "key=?", stands for an array: "key=ANY($1)". */
int pg_sql_keys(struct str sql, struct buf *ret_sql, int *ret_places_n,
                struct err *reterr) MUST_CHECK;

/*
 * db_execute_rows and db_select_rows: parameter n is the array of column n.
 *   INSERT INTO t VALUES(?,1)     INSERT INTO t SELECT asked.v1,1 FROM unnest($1::int8[]) AS
 * asked(v1) UPDATE t SET a=? WHERE b=?    UPDATE t SET a=asked.v1 FROM unnest(..) AS asked(v1,v2)
 * WHERE b=asked.v2 DELETE FROM t WHERE a=?       DELETE FROM t USING unnest(..) AS asked(v1) WHERE
 * a=asked.v1 SELECT a FROM t WHERE b=?     SELECT a,asked.row FROM unnest(..) WITH ORDINALITY AS
 * asked(v1,row) CROSS JOIN t WHERE b=asked.v1 (the names are longer, so that no table's column is
 * hidden). A SELECT that counts, groups, sorts or limits is asked for each row by itself (LATERAL).
 * ERR_INTERNAL: another form.
 */
int pg_sql_rows(struct str sql, const enum db_type *types, size_t types_n, struct buf *ret_sql,
                struct err *reterr) MUST_CHECK;

#endif
