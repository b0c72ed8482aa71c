/* Many rows at once: each column is sent as one array, in pieces of bounded size; and many keys. */
#include "store/db/db_postgres.h"

#include "store/db/db_postgres_value.h"

enum {
  PIECE_ROWS = 16384,
  PIECE_BYTES = 4 << 20, /* a piece ends behind the row that passes this */
  ARRAY_MAX_BYTES = 0x3fffffff
};

/* The statement kept under `key` (which is ended here), with empty arrays, one a place. */
static int prepare_arrays(struct db *db, struct buf *key, struct pg_statement **ret_statement,
                          struct err *reterr) {
  struct db_statement *base = NULL;
  int code =
      buf_is_overflown(key) ? err_no_memory(reterr) : db_prepare(db, buf_str(key), &base, reterr);
  buf_fini(key);
  if (!base)
    return code;
  struct pg_statement *statement = pg_statement_of(base);
  size_t n = (size_t)statement->places_n;
  statement->arrays = calloc(n ? n : 1, sizeof *statement->arrays);
  if (!statement->arrays) {
    db_release(base);
    return err_no_memory(reterr);
  }
  for (size_t i = 0; i < n; i++)
    buf_init(&statement->arrays[i], ARRAY_MAX_BYTES);
  *ret_statement = statement;
  return 0;
}

/* The statement of `sql` for these columns, kept under a key that ordinary texts can't have. */
static int prepare_rows(struct db *db, struct str sql, const struct db_column *columns,
                        size_t columns_n, struct pg_statement **ret_statement, struct err *reterr) {
  if (columns_n == 0 || columns_n > PG_COLUMNS_MAX)
    return err_set(reterr, ERR_INTERNAL, "", "A statement for many rows has %zu columns.",
                   columns_n);
  struct buf key;
  buf_init(&key, (size_t)1 << 20);
  buf_add_char(&key, DB_KEY_MARK);
  for (size_t i = 0; i < columns_n; i++)
    buf_add_char(&key, (char)('a' + columns[i].type));
  buf_add_char(&key, DB_KEY_MARK);
  buf_add(&key, sql);
  struct pg_statement *statement = NULL;
  int code = prepare_arrays(db, &key, &statement, reterr);
  if (!statement)
    return code;
  statement->columns = columns;
  statement->columns_n = columns_n;
  *ret_statement = statement;
  return 0;
}

/* Rows [first, first + n) of a column are the value of a place. */
static int bind_array(struct pg_statement *statement, size_t place, const struct db_column *column,
                      size_t first, size_t n, struct err *reterr) {
  struct buf *array = &statement->arrays[place];
  buf_clear(array);
  if (!pg_value_array(array, column, first, n))
    return err_set(reterr, ERR_TOO_LONG, "", "A value is larger than the database takes.");
  statement->types[place] = pg_value_array_type(column->type);
  statement->values[place] = array->p;
  statement->lengths[place] = (int)array->n;
  return 0;
}

int pg_prepare_keys(struct db *db, struct str sql, const int64_t *keys, size_t n,
                    struct db_statement **ret_statement, struct err *reterr) {
  const struct db_column column = {.type = DB_I64, .rows = keys, .stride = sizeof *keys};
  struct pg_statement *statement = NULL;
  struct buf key;
  buf_init(&key, (size_t)1 << 20);
  buf_add(&key, PG_KEYS_MARK);
  buf_add(&key, sql);
  int code = prepare_arrays(db, &key, &statement, reterr);
  if (!statement)
    return code;
  code = statement->places_n < 1
             ? err_set(reterr, ERR_INTERNAL, "", "A statement for many keys has no place for them.")
             : bind_array(statement, 0, &column, 0, n, reterr);
  if (code)
    db_release(&statement->base);
  else
    *ret_statement = &statement->base;
  return code;
}

static size_t rows_of_piece(const struct pg_statement *statement) {
  size_t n = 0, bytes = 0, left = statement->asked_n - statement->piece_first;
  for (; n < left && n < PIECE_ROWS && bytes < PIECE_BYTES; n++)
    for (size_t i = 0; i < statement->columns_n; i++)
      bytes += pg_value_array_bytes(&statement->columns[i], statement->piece_first + n);
  return n;
}

int pg_bind_piece(struct pg_statement *statement, struct err *reterr) {
  statement->piece_n = rows_of_piece(statement);
  int code = 0;
  for (size_t i = 0; i < statement->columns_n && code == 0; i++)
    code = bind_array(statement, i, &statement->columns[i], statement->piece_first,
                      statement->piece_n, reterr);
  return code;
}

int pg_execute_rows(struct db *db, struct str sql, const struct db_column *columns,
                    size_t columns_n, size_t rows_n, struct err *reterr) {
  struct pg *pg = pg_of(db);
  struct pg_statement *statement = NULL;
  int code = prepare_rows(db, sql, columns, columns_n, &statement, reterr);
  if (!statement)
    return code;
  statement->asked_n = rows_n;
  while (code == 0 && statement->piece_first < rows_n) {
    code = pg_bind_piece(statement, reterr);
    if (code == 0)
      code = pg_statement_queue(statement, false, reterr);
    statement->piece_first += statement->piece_n;
  }
  if (code == 0 && pg->transaction != PG_WRITING)
    code = pg_wait(pg, NULL, reterr);
  db_release(&statement->base);
  return code;
}

int pg_select_rows(struct db *db, struct str sql, const struct db_column *columns, size_t columns_n,
                   size_t rows_n, struct db_statement **ret_statement, struct err *reterr) {
  struct pg_statement *statement = NULL;
  int code = prepare_rows(db, sql, columns, columns_n, &statement, reterr);
  if (!statement)
    return code;
  statement->asked_n = rows_n;
  statement->row = -1;
  statement->rows_n = 0;
  *ret_statement = &statement->base;
  return 0;
}

/* The number of the question's row in a row of the result: the last column. */
static int64_t ordinality(const struct pg_statement *statement, int row) {
  int column = PQnfields(statement->result) - 1;
  return pg_value_i64(PQftype(statement->result, column),
                      str_n(PQgetvalue(statement->result, row, column),
                            (size_t)PQgetlength(statement->result, row, column)));
}

/* The plan goes through the question in order, which the server does not promise, though: where it
 * does not, the rows are counted into order here. */
int pg_order_piece(struct pg_statement *statement, struct err *reterr) {
  bool is_ordered = true;
  int64_t last = 1;
  for (int i = 0; i < statement->rows_n; i++) {
    int64_t at = ordinality(statement, i);
    if (at < 1 || (uint64_t)at > statement->piece_n)
      return err_set(reterr, ERR_STORE, "", "The server answered what it was not asked.");
    is_ordered &= at >= last;
    last = at;
  }
  if (is_ordered)
    return 0;
  int *firsts = calloc(statement->piece_n + 2, sizeof *firsts);
  statement->order = calloc((size_t)statement->rows_n, sizeof *statement->order);
  if (!firsts || !statement->order) {
    free(firsts);
    return err_no_memory(reterr);
  }
  for (int i = 0; i < statement->rows_n; i++)
    firsts[ordinality(statement, i) + 1]++;
  for (size_t i = 1; i < statement->piece_n + 2; i++)
    firsts[i] += firsts[i - 1];
  for (int i = 0; i < statement->rows_n; i++)
    statement->order[firsts[ordinality(statement, i)]++] = i;
  free(firsts);
  return 0;
}

size_t pg_asked_row(const struct db_statement *base) {
  const struct pg_statement *statement = (const struct pg_statement *)base;
  int row = statement->order ? statement->order[statement->row] : statement->row;
  return statement->piece_first + (size_t)ordinality(statement, row) - 1;
}
