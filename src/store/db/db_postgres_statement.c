/* Values in, rows out. A statement takes its whole result into memory when it is answered. */
#include "store/db/db_postgres.h"

#include "store/db/db_postgres_sql.h"
#include "store/db/db_postgres_value.h"

enum {
  VALUE_MAX_BYTES = 0x3fffffff, /* what the server takes */
  SQL_MAX_BYTES = 2 << 20,
  PLACES_MAX = 65535
};

/* ---- Life ---- */

/* Room for the values of `places_n` placeholders. */
static bool make_places(struct pg_statement *statement, int places_n) {
  size_t n = places_n > 0 ? (size_t)places_n : 1;
  statement->places_n = places_n;
  statement->types = calloc(n, sizeof *statement->types);
  statement->values = calloc(n, sizeof *statement->values);
  statement->lengths = calloc(n, sizeof *statement->lengths);
  statement->numbers = calloc(n, sizeof *statement->numbers);
  return statement->types && statement->values && statement->lengths && statement->numbers;
}

/* A key with a mark is of a statement for many keys, or for many rows: that mark has the types of
 * its columns, one letter each. */
static int translate(struct str key, struct buf *ret_sql, int *ret_places_n, struct err *reterr) {
  if (key.n == 0 || key.p[0] != DB_KEY_MARK)
    return pg_sql_plain(key, ret_sql, ret_places_n, reterr);
  if (str_starts_with(key, PG_KEYS_MARK))
    return pg_sql_keys(str_slice(key, PG_KEYS_MARK.n, key.n), ret_sql, ret_places_n, reterr);
  enum db_type types[PG_COLUMNS_MAX];
  size_t n = 0;
  for (; n < PG_COLUMNS_MAX && key.p[1 + n] != DB_KEY_MARK; n++)
    types[n] = (enum db_type)(key.p[1 + n] - 'a');
  *ret_places_n = (int)n;
  return pg_sql_rows(str_slice(key, n + 2, key.n), types, n, ret_sql, reterr);
}

int pg_statement_new(struct db *db, struct str sql, struct db_statement **ret_statement,
                     struct err *reterr) {
  (void)db;
  struct buf text;
  int places_n = 0;
  buf_init(&text, SQL_MAX_BYTES);
  int code = translate(sql, &text, &places_n, reterr);
  if (code == 0 && places_n > PLACES_MAX)
    code = err_set(reterr, ERR_TOO_LONG, "", "A query has more than %d values.", PLACES_MAX);
  struct pg_statement *statement = code == 0 ? calloc(1, sizeof *statement) : NULL;
  if (statement)
    statement->sql = strdup(buf_z(&text));
  buf_fini(&text);
  if (code)
    return code;
  if (!statement || !statement->sql || !make_places(statement, places_n)) {
    if (statement)
      pg_statement_free(&statement->base);
    return err_no_memory(reterr);
  }
  statement->is_select = str_starts_with(str_of(statement->sql), STR("SELECT "));
  *ret_statement = &statement->base;
  return 0;
}

/* Forgets the answer, and that one is waited for. */
static void forget_answer(struct pg_statement *statement) {
  if (statement->is_sent && !statement->is_answered)
    pg_forget(pg_of(statement->base.db), statement);
  PQclear(statement->result);
  statement->result = NULL;
  statement->is_sent = statement->is_answered = statement->is_open = false;
  free(statement->order);
  statement->order = NULL;
}

void pg_reset(struct db_statement *base) {
  struct pg_statement *statement = pg_statement_of(base);
  forget_answer(statement);
  statement->piece_first = statement->piece_n = 0;
}

void pg_statement_clear(struct db_statement *base) {
  struct pg_statement *statement = pg_statement_of(base);
  pg_reset(base);
  statement->failed = 0;
  statement->columns = NULL;
  for (int i = 0; i < statement->places_n; i++)
    statement->values[i] = NULL;
  if (statement->arrays)
    for (int i = 0; i < statement->places_n; i++)
      buf_fini(&statement->arrays[i]);
  free(statement->arrays);
  statement->arrays = NULL;
}

void pg_statement_free(struct db_statement *base) {
  struct pg_statement *statement = pg_statement_of(base);
  if (statement->base.db)
    pg_statement_clear(base);
  free(statement->sql);
  free(statement->types);
  free(statement->values);
  free(statement->lengths);
  free(statement->numbers);
  free(statement);
}

/* ---- Values in ---- */

static bool set_value(struct db_statement *base, int place, Oid type, const char *value, size_t n) {
  struct pg_statement *statement = pg_statement_of(base);
  if (place < 1 || place > statement->places_n || n > VALUE_MAX_BYTES) {
    statement->failed = n > VALUE_MAX_BYTES ? ERR_TOO_LONG : ERR_INTERNAL;
    return false;
  }
  if (type)
    statement->types[place - 1] = type;
  statement->values[place - 1] = value;
  statement->lengths[place - 1] = (int)n;
  return true;
}

static void bind_number(struct db_statement *base, int place, Oid type, uint64_t number) {
  struct pg_statement *statement = pg_statement_of(base);
  if (!set_value(base, place, type, NULL, sizeof number))
    return;
  statement->numbers[place - 1] = number;
  statement->values[place - 1] = (const char *)&statement->numbers[place - 1];
}

void pg_bind_i64(struct db_statement *base, int place, int64_t value) {
  bind_number(base, place, PG_INT8, pg_value_of_i64(value));
}

void pg_bind_double(struct db_statement *base, int place, double value) {
  bind_number(base, place, PG_FLOAT8, pg_value_of_double(value));
}

void pg_bind_bytes(struct db_statement *base, int place, struct str value) {
  set_value(base, place, PG_BYTEA, value.p ? value.p : "", value.n);
}

/* Of the type that was bound there before, else of one that the server finds out. */
void pg_bind_null(struct db_statement *base, int place) {
  set_value(base, place, 0, NULL, 0);
}

/* ---- Sending ---- */

static int bind_failure(const struct pg_statement *statement, struct err *reterr) {
  return statement->failed == ERR_TOO_LONG
             ? err_set(reterr, ERR_TOO_LONG, "", "A value is larger than the database takes.")
             : err_set(reterr, ERR_INTERNAL, "", "A value was bound to a place that is not there.");
}

int pg_statement_queue(struct pg_statement *statement, bool wants_rows, struct err *reterr) {
  struct pg *pg = pg_of(statement->base.db);
  if (statement->failed)
    return bind_failure(statement, reterr);
  int code = pg_queue_begin(pg, reterr);
  if (code)
    return code;
  struct pg_plan *plan = pg_plan(pg, statement->sql, statement->types, statement->places_n, reterr);
  if (!plan)
    return ERR_NO_MEMORY;
  pg->has_written |= !statement->is_select;
  return pg_queue(pg, plan, statement->values, statement->lengths, wants_rows ? statement : NULL,
                  reterr);
}

static void note_unsent(struct pg_statement *statement, int code, const struct err *err) {
  statement->is_sent = statement->is_answered = true;
  statement->code = code;
  statement->err = *err;
}

/* A failure to send is the statement's answer. */
static void send_for_rows(struct pg_statement *statement) {
  struct err err;
  statement->is_sent = true;
  statement->is_answered = false;
  statement->code = 0;
  statement->row = -1;
  statement->rows_n = 0;
  int code = pg_statement_queue(statement, true, &err);
  pg_of(statement->base.db)->asked_n++;
  if (code != 0 && !statement->is_answered)
    note_unsent(statement, code, &err);
}

void pg_send(struct db_statement *base) {
  struct pg_statement *statement = pg_statement_of(base);
  if (statement->is_sent || (statement->columns && statement->asked_n == 0))
    return;
  struct err err;
  int code = statement->columns ? pg_bind_piece(statement, &err) : 0; /* the first one */
  if (code == 0)
    send_for_rows(statement);
  else
    note_unsent(statement, code, &err);
}

int pg_execute(struct db_statement *base, struct err *reterr) {
  struct pg_statement *statement = pg_statement_of(base);
  struct pg *pg = pg_of(base->db);
  if (statement->is_sent || pg->transaction != PG_WRITING) {
    bool has_row;
    int code = pg_step(base, &has_row, reterr);
    pg_reset(base);
    return code;
  }
  return pg_statement_queue(statement, false, reterr);
}

/* ---- Rows out ---- */

/* Was the session found to be lost by the first question of a read transaction? Then nothing was
 * seen of the state that the transaction was to show, and a new session may show its own. */
static bool may_ask_again(const struct pg *pg, int code) {
  return code == ERR_UNAVAILABLE && !pg->conn && pg->transaction == PG_READING && pg->asked_n == 1;
}

static int ask_again(struct pg_statement *statement, struct err *reterr) {
  struct pg *pg = pg_of(statement->base.db);
  forget_answer(statement);
  int code = pg_begin_read(&pg->base, reterr);
  if (code)
    return code;
  send_for_rows(statement);
  return pg_wait(pg, statement, reterr);
}

static int wait_for_rows(struct pg_statement *statement, struct err *reterr) {
  struct pg *pg = pg_of(statement->base.db);
  if (!statement->is_sent)
    send_for_rows(statement);
  int code = pg_wait(pg, statement, reterr);
  if (may_ask_again(pg, code))
    code = ask_again(statement, reterr);
  if (code)
    return code;
  statement->is_open = true;
  statement->row = -1;
  statement->rows_n = statement->result ? PQntuples(statement->result) : 0;
  return statement->columns ? pg_order_piece(statement, reterr) : 0;
}

/* The next piece of the question, while the one before had its last row given. */
static int next_piece(struct pg_statement *statement, struct err *reterr) {
  forget_answer(statement);
  statement->piece_first += statement->piece_n;
  statement->piece_n = 0;
  statement->row = -1;
  statement->rows_n = 0;
  if (statement->piece_first >= statement->asked_n)
    return 0;
  int code = pg_bind_piece(statement, reterr);
  return code ? code : wait_for_rows(statement, reterr);
}

int pg_step(struct db_statement *base, bool *ret_has_row, struct err *reterr) {
  struct pg_statement *statement = pg_statement_of(base);
  int code = 0;
  if (statement->columns) {
    if (statement->is_sent && !statement->is_open)
      code = wait_for_rows(statement, reterr);
    while (code == 0 && statement->row + 1 >= statement->rows_n &&
           statement->piece_first < statement->asked_n)
      code = next_piece(statement, reterr);
  } else if (!statement->is_open) {
    code = wait_for_rows(statement, reterr);
  }
  if (code)
    return code;
  *ret_has_row = statement->row + 1 < statement->rows_n;
  if (*ret_has_row)
    statement->row++;
  return 0;
}

static int row_of(const struct pg_statement *statement) {
  return statement->order ? statement->order[statement->row] : statement->row;
}

static struct str cell(const struct pg_statement *statement, int column) {
  int row = row_of(statement);
  return str_n(PQgetvalue(statement->result, row, column),
               (size_t)PQgetlength(statement->result, row, column));
}

bool pg_column_is_null(struct db_statement *base, int column) {
  struct pg_statement *statement = pg_statement_of(base);
  return PQgetisnull(statement->result, row_of(statement), column) != 0;
}

int64_t pg_column_i64(struct db_statement *base, int column) {
  struct pg_statement *statement = pg_statement_of(base);
  return pg_column_is_null(base, column)
             ? 0
             : pg_value_i64(PQftype(statement->result, column), cell(statement, column));
}

double pg_column_double(struct db_statement *base, int column) {
  struct pg_statement *statement = pg_statement_of(base);
  return pg_column_is_null(base, column)
             ? 0
             : pg_value_double(PQftype(statement->result, column), cell(statement, column));
}

struct str pg_column_str(struct db_statement *base, int column) {
  struct pg_statement *statement = pg_statement_of(base);
  if (pg_column_is_null(base, column))
    return STR_NULL;
  Oid type = PQftype(statement->result, column);
  struct str bytes = cell(statement, column);
  if (pg_value_is_bytes(type))
    return bytes;
  int n =
      type == PG_FLOAT4 || type == PG_FLOAT8 || type == PG_NUMERIC
          ? snprintf(statement->text, sizeof statement->text, "%.15g", pg_value_double(type, bytes))
          : snprintf(statement->text, sizeof statement->text, "%lld",
                     (long long)pg_value_i64(type, bytes));
  return str_n(statement->text, n > 0 ? (size_t)n : 0);
}
