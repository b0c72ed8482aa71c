#include "store/db/db_driver.h"

#include <stdarg.h>

#define SQL_MAX_BYTES ((size_t)1 << 20)

void db_query_init(struct db_query *query, struct arena *arena) {
  *query = (struct db_query){.arena = arena};
  buf_init_arena(&query->sql, arena, SQL_MAX_BYTES);
}

void db_query_add(struct db_query *query, const char *sql) {
  buf_add_z(&query->sql, sql);
}

void db_query_addf(struct db_query *query, const char *format, ...) {
  char text[512];
  va_list args;
  va_start(args, format);
  int n = vsnprintf(text, sizeof text, format, args);
  va_end(args);
  if (n < 0 || (size_t)n >= sizeof text)
    query->is_broken = true;
  else
    buf_add(&query->sql, str_n(text, (size_t)n));
}

static void add_value(struct db_query *query, struct db_value value) {
  struct db_value *place = VEC_PUSH(query->arena, &query->values);
  if (!place) {
    query->is_broken = true;
    return;
  }
  *place = value;
  buf_add_char(&query->sql, '?');
}

void db_query_i64(struct db_query *query, int64_t value) {
  add_value(query, (struct db_value){.type = DB_I64, .i64 = value});
}

void db_query_double(struct db_query *query, double value) {
  add_value(query, (struct db_value){.type = DB_DOUBLE, .number = value});
}

void db_query_text(struct db_query *query, struct str value) {
  add_value(query, (struct db_value){.type = DB_TEXT, .str = value});
}

void db_query_bytes(struct db_query *query, struct str value) {
  add_value(query, (struct db_value){.type = DB_BYTES, .str = value});
}

void db_query_append(struct db_query *query, const struct db_query *other) {
  buf_add(&query->sql, buf_str(&other->sql));
  for (size_t i = 0; i < other->values.n; i++) {
    struct db_value *place = VEC_PUSH(query->arena, &query->values);
    if (place)
      *place = other->values.p[i];
    else
      query->is_broken = true;
  }
  query->is_broken |= other->is_broken;
}

/* Those from `first` on. */
static void bind_values(const struct db_query *query, size_t first,
                        struct db_statement *statement) {
  for (size_t i = first; i < query->values.n; i++) {
    const struct db_value *value = &query->values.p[i];
    int place = (int)i + 1;
    if (value->type == DB_I64)
      db_bind_i64(statement, place, value->i64);
    else if (value->type == DB_DOUBLE)
      db_bind_double(statement, place, value->number);
    else if (value->type == DB_TEXT)
      db_bind_text(statement, place, value->str);
    else
      db_bind_bytes(statement, place, value->str);
  }
}

int db_query_start(struct db *db, const struct db_query *query, struct db_statement **ret_statement,
                   struct err *reterr) {
  if (query->is_broken || buf_is_overflown(&query->sql))
    return err_no_memory(reterr);
  struct db_statement *statement = NULL;
  int code = db_prepare(db, buf_str(&query->sql), &statement, reterr);
  if (code != 0)
    return code;
  bind_values(query, 0, statement);
  db_send(statement);
  *ret_statement = statement;
  return 0;
}

/* Every key with the values of the query, as rows of columns. */
static int select_keys(struct db *db, const struct db_query *query, const int64_t *keys, size_t n,
                       struct db_statement **ret_statement, struct err *reterr) {
  size_t columns_n = query->values.n;
  struct db_column *columns = ARENA_ARRAY(query->arena, struct db_column, columns_n);
  if (!columns)
    return err_no_memory(reterr);
  columns[0] = (struct db_column){.type = DB_I64, .rows = keys, .stride = sizeof *keys};
  for (size_t i = 1; i < columns_n; i++) {
    const struct db_value *value = &query->values.p[i];
    columns[i].type = value->type;
    columns[i].rows = value->type == DB_I64      ? (const void *)&value->i64
                      : value->type == DB_DOUBLE ? (const void *)&value->number
                                                 : (const void *)&value->str;
  }
  return db_select_rows(db, buf_str(&query->sql), columns, columns_n, n, ret_statement, reterr);
}

int db_query_start_keys(struct db *db, const struct db_query *query, const int64_t *keys, size_t n,
                        struct db_statement **ret_statement, struct err *reterr) {
  if (query->is_broken || buf_is_overflown(&query->sql))
    return err_no_memory(reterr);
  if (query->values.n == 0 || query->values.p[0].type != DB_I64)
    return err_set(reterr, ERR_INTERNAL, "", "A query by keys does not begin with one.");
  if (!db->driver->prepare_keys || db->rewrite) /* which tells where one key's rows are */
    return select_keys(db, query, keys, n, ret_statement, reterr);
  struct db_statement *statement = NULL;
  int code = db->driver->prepare_keys(db, buf_str(&query->sql), keys, n, &statement, reterr);
  if (code != 0)
    return code;
  bind_values(query, 1, statement);
  db_send(statement);
  *ret_statement = statement;
  return 0;
}

int db_query_number(struct db *db, const struct db_query *query, int64_t fallback,
                    int64_t *ret_number, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_query_start(db, query, &statement, reterr);
  if (code != 0)
    return code;
  bool has_row;
  code = db_step(statement, &has_row, reterr);
  if (code == 0)
    *ret_number =
        has_row && !db_column_is_null(statement, 0) ? db_column_i64(statement, 0) : fallback;
  db_release(statement);
  return code;
}
