#include "store/move/transfer_table.h"

#include "store/schema/fact.h"

#define PAGE_ROWS 4096
#define WIDE_PAGE_ROWS 1024
#define PAGE_BYTES ((uint64_t)8 << 20)
#define ROW_MAX_BYTES ((size_t)1 << 30)

/* clang-format off */
#define I(name) {#name, DB_I64, false}
#define R(name) {#name, DB_DOUBLE, false}
#define T(name) {#name, DB_TEXT, false}
#define B(name) {#name, DB_BYTES, false}
#define P(name) {#name, DB_I64, true}

/* `store.value` is a text to SQLite, which tells texts from bytes where it compares. */
static const struct transfer_table TABLES[] = {
    {"store", 1, false, true, {T(name), T(value)}},
    {"sequence", 1, false, true,
     {I(id), I(schema), I(rid), I(seq), I(time), I(message), I(versions), I(event), I(audit),
      I(delivery), I(job), I(definitions), I(dictionaries)}},
    {"type", 1, false, true, {I(number), T(name)}},
    {"param", 1, false, true, {I(number), T(type), T(code), I(state), I(job), T(definition)}},
    {"dictionary", 1, true, true, {I(number), I(kind), I(trained_at), B(bytes)}},
    {"counter", 2, false, true, {I(kind), I(number), I(n)}},
    {"commit_log", 1, false, false, {I(seq), I(time), T(principal)}},
    {"resource", 1, true, false,
     {I(rid), I(type), B(id), I(version), I(updated), I(state), I(seq), B(keys), B(body)}},
    {"identity", 2, false, false, {I(key), I(rid)}},
    {"stray", 2, false, false, {I(rid), I(other)}},
    {"version", 2, true, false, {I(rid), I(version), I(updated), I(state), I(seq), B(body)}},
    {"token", 4, false, false, {I(param), I(first), I(hash), I(rid)}},
    {"string", 5, false, false, {I(param), I(first), T(folded), I(exact), I(rid)}},
    {"date", 6, false, false, {I(param), I(first), I(class), I(lo), I(hi), I(rid)}},
    {"number", 5, false, false, {I(param), I(first), R(lo), R(hi), I(rid)}},
    {"quantity", 6, false, false, {I(param), I(first), I(unit), R(lo), R(hi), I(rid)}},
    {"uri", 3, false, false, {I(param), I(hash), I(rid)}},
    {"reference", 3, false, false, {I(param), I(target), I(rid)}},
    {"vocabulary", 3, true, false, {I(param), T(text), I(hash)}},
    {"text", 3, false, false, {T(word), I(type), I(first), B(rids)}},
    {"message", 1, true, false,
     {I(number), I(seq), I(status), I(received), I(size), T(channel), T(sender), T(control_id),
      T(type), T(event), T(version_id), T(patient), T(reason), B(reply), B(raw)}},
    {"message_seen", 2, false, false, {I(key), I(number)}},
    {"message_word", 2, false, false, {T(word), I(number)}},
    {"lineage", 3, true, false, {I(message), I(rid), I(version), B(bytes)}},
    {"audit", 1, true, false, {I(number), I(seq), T(action), T(what), T(outcome), T(detail)}},
    {"event", 1, false, false,
     {I(number), I(seq), I(kind), I(rid), I(version), I(message), I(type)}},
    {"delivery", 1, true, false,
     {I(number), I(seq), I(state), I(not_before), I(attempts), T(destination), T(content_type),
      B(body), P(holder), P(lease)}},
    {"job", 1, true, false,
     {I(number), I(state), T(kind), T(owner), I(created), I(updated), I(expires), I(done),
      I(total), T(progress), B(request), B(result), P(holder), P(lease)}},
};
/* clang-format on */
#undef I
#undef R
#undef T
#undef B
#undef P

const char *const transfer_left_out[] = {"process", "lease", "db_writer", NULL};

const struct transfer_table *transfer_tables(size_t *ret_n) {
  *ret_n = sizeof TABLES / sizeof TABLES[0];
  return TABLES;
}

size_t transfer_columns_n(const struct transfer_table *table) {
  size_t n = 0;
  while (n < TRANSFER_COLUMNS_MAX && table->columns[n].name)
    n++;
  return n;
}

static bool is_text(enum db_type type) {
  return type == DB_TEXT || type == DB_BYTES;
}

const union transfer_cell *transfer_page_end(const struct transfer_page *page) {
  return page->rows_n ? &page->cells[(page->rows_n - 1) * page->columns_n] : NULL;
}

/* ---- Statements ---- */

static void add_names(struct db_query *query, const struct transfer_table *table, size_t n) {
  for (size_t i = 0; i < n; i++)
    db_query_addf(query, "%s%s", i ? "," : "", table->columns[i].name);
}

/* (k1,k2)>(?,?): a place in the index of the primary key, on either engine. */
static void add_bound(struct db_query *query, const struct transfer_table *table, const char *sign,
                      const union transfer_cell *key) {
  db_query_add(query, "(");
  add_names(query, table, table->key_n);
  db_query_addf(query, ")%s(", sign);
  for (size_t i = 0; i < table->key_n; i++) {
    if (i)
      db_query_add(query, ",");
    if (table->columns[i].type == DB_I64)
      db_query_i64(query, key[i].i64);
    else if (table->columns[i].type == DB_DOUBLE)
      db_query_double(query, key[i].number);
    else if (table->columns[i].type == DB_TEXT)
      db_query_text(query, key[i].str);
    else
      db_query_bytes(query, key[i].str);
  }
  db_query_add(query, ")");
}

static void add_range(struct db_query *query, const struct transfer_table *table,
                      const union transfer_cell *after, const union transfer_cell *until) {
  db_query_addf(query, " FROM %s", table->name);
  if (after) {
    db_query_add(query, " WHERE ");
    add_bound(query, table, ">", after);
  }
  if (until) {
    db_query_add(query, after ? " AND " : " WHERE ");
    add_bound(query, table, "<=", until);
  }
  db_query_add(query, " ORDER BY ");
  add_names(query, table, table->key_n);
}

/* ---- Reading ---- */

static int read_cell(struct db_statement *row, struct arena *arena,
                     const struct transfer_table *table, size_t i, union transfer_cell *ret_cell,
                     struct err *reterr) {
  const struct transfer_column *column = &table->columns[i];
  *ret_cell = (union transfer_cell){.str = STR_NULL};
  bool is_null = db_column_is_null(row, (int)i);
  if (is_null && (!is_text(column->type) || i < table->key_n))
    return err_set(reterr, ERR_STORE, "", "The store is damaged: a row of %s has no %s.",
                   table->name, column->name);
  if (is_null)
    return 0;
  if (column->type == DB_I64)
    ret_cell->i64 = column->is_of_process ? 0 : db_column_i64(row, (int)i);
  else if (column->type == DB_DOUBLE)
    ret_cell->number = db_column_double(row, (int)i);
  else
    ret_cell->str = arena_str(arena, db_column_str(row, (int)i));
  return is_text(column->type) && !ret_cell->str.p ? err_no_memory(reterr) : 0;
}

static uint64_t bytes_of(const struct transfer_table *table, const union transfer_cell *cells,
                         size_t n) {
  uint64_t bytes = 0;
  for (size_t i = 0; i < n; i++)
    bytes += is_text(table->columns[i].type) ? cells[i].str.n : sizeof cells[i].i64;
  return bytes;
}

/* Rows that say what the store is, not what is in it, stay behind. */
static bool is_content(const struct transfer_table *table, const union transfer_cell *cells) {
  return table != &TABLES[0] ||
         (!str_is(cells[0].str, FACT_COPY) && !str_is(cells[0].str, FACT_BACKUP));
}

static int read_rows(struct db *db, struct arena *arena, const struct db_query *query,
                     size_t rows_max, struct transfer_page *page, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  size_t seen = 0, n = page->columns_n;
  VEC(union transfer_cell) cells = {0};
  union transfer_cell read[TRANSFER_COLUMNS_MAX] = {{0}};
  int code = db_query_start(db, query, &row, reterr);
  while (code == 0 && (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    seen++;
    for (size_t i = 0; code == 0 && i < n; i++)
      code = read_cell(row, arena, page->table, i, &read[i], reterr);
    if (code != 0 || !is_content(page->table, read))
      continue;
    for (size_t i = 0; code == 0 && i < n; i++) {
      union transfer_cell *place = VEC_PUSH(arena, &cells);
      if (place)
        *place = read[i];
      else
        code = err_no_memory(reterr);
    }
    page->bytes += bytes_of(page->table, read, n);
    page->rows_n++;
  }
  db_release(row);
  page->cells = cells.p;
  page->is_last = seen < rows_max;
  return code;
}

/*
 * Of a wide table, first the lengths: the rows of a page are those that fit, at least one, up to
 * `ret_until`. A driver may hold a whole result in memory, so it must not be asked for more.
 */
static int find_end(struct db *db, struct arena *arena, const struct transfer_table *table,
                    const union transfer_cell *after, union transfer_cell *ret_until,
                    size_t *ret_rows_n, bool *ret_is_last, struct err *reterr) {
  struct db_query query;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT ");
  add_names(&query, table, table->key_n);
  db_query_add(&query, ",0");
  for (size_t i = table->key_n; i < transfer_columns_n(table); i++)
    if (is_text(table->columns[i].type))
      db_query_addf(&query, "+coalesce(length(%s),0)", table->columns[i].name);
  add_range(&query, table, after, NULL);
  db_query_addf(&query, " LIMIT %d", WIDE_PAGE_ROWS);
  struct db_statement *row = NULL;
  bool has_row = false, is_full = false;
  size_t rows_n = 0;
  uint64_t bytes = 0;
  int code = db_query_start(db, &query, &row, reterr);
  while (code == 0 && !is_full && (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    int64_t length = db_column_i64(row, (int)table->key_n);
    union transfer_cell key[TRANSFER_KEY_MAX];
    for (size_t i = 0; code == 0 && i < table->key_n; i++)
      code = read_cell(row, arena, table, i, &key[i], reterr);
    if (code != 0)
      break;
    bytes += (length > 0 ? (uint64_t)length : 0) + bytes_of(table, key, table->key_n);
    is_full = rows_n > 0 && bytes > PAGE_BYTES;
    if (!is_full)
      memcpy(ret_until, key, sizeof key);
    rows_n += !is_full;
  }
  db_release(row);
  *ret_rows_n = rows_n;
  *ret_is_last = !is_full && rows_n < WIDE_PAGE_ROWS;
  return code;
}

int transfer_page_read(struct db *db, struct arena *arena, const struct transfer_table *table,
                       const union transfer_cell *after, struct transfer_page *ret_page,
                       struct err *reterr) {
  struct transfer_page page = {.table = table, .columns_n = transfer_columns_n(table)};
  union transfer_cell until[TRANSFER_KEY_MAX];
  size_t rows_n = 1;
  bool is_last = false;
  int code = 0;
  if (table->is_wide)
    code = find_end(db, arena, table, after, until, &rows_n, &is_last, reterr);
  struct db_query query;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT ");
  add_names(&query, table, page.columns_n);
  add_range(&query, table, after, table->is_wide ? until : NULL);
  if (!table->is_wide)
    db_query_addf(&query, " LIMIT %d", PAGE_ROWS);
  if (code == 0 && rows_n > 0)
    code = read_rows(db, arena, &query, PAGE_ROWS, &page, reterr);
  if (table->is_wide)
    page.is_last = is_last;
  if (code == 0)
    *ret_page = page;
  return code;
}

/* ---- Writing ---- */

int transfer_page_write(struct db *db, const struct transfer_page *page, struct err *reterr) {
  struct db_column columns[TRANSFER_COLUMNS_MAX];
  char sql[512];
  size_t n = 0;
  n += (size_t)snprintf(sql + n, sizeof sql - n, "INSERT INTO %s(", page->table->name);
  for (size_t i = 0; i < page->columns_n; i++) {
    columns[i] = (struct db_column){.type = page->table->columns[i].type,
                                    .rows = page->cells,
                                    .offset = i * sizeof *page->cells,
                                    .stride = page->columns_n * sizeof *page->cells};
    n += (size_t)snprintf(sql + n, sizeof sql - n, "%s%s", i ? "," : "",
                          page->table->columns[i].name);
  }
  n += (size_t)snprintf(sql + n, sizeof sql - n, ") VALUES(");
  for (size_t i = 0; i < page->columns_n; i++)
    n += (size_t)snprintf(sql + n, sizeof sql - n, i ? ",?" : "?");
  n += (size_t)snprintf(sql + n, sizeof sql - n, ")");
  return db_execute_rows(db, str_n(sql, n), columns, page->columns_n, page->rows_n, reterr);
}

/* ---- One form of a value, whatever the engine ---- */

static void add_u64(struct buf *buf, uint64_t value) {
  unsigned char bytes[8];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (unsigned char)(value >> 8 * i);
  buf_add(buf, str_n((const char *)bytes, sizeof bytes));
}

static void add_cell(struct buf *buf, enum db_type type, union transfer_cell cell) {
  uint64_t bits;
  if (type == DB_I64) {
    buf_add_char(buf, 1);
    add_u64(buf, (uint64_t)cell.i64);
  } else if (type == DB_DOUBLE) {
    double number = cell.number == 0 ? 0 : cell.number; /* SQLite keeps no sign of 0 */
    memcpy(&bits, &number, sizeof bits);
    buf_add_char(buf, 2);
    add_u64(buf, bits);
  } else if (cell.str.p) {
    buf_add_char(buf, 3);
    add_u64(buf, cell.str.n);
    buf_add(buf, cell.str);
  } else {
    buf_add_char(buf, 0);
  }
}

static bool take_u64(struct str *bytes, uint64_t *ret_value) {
  if (bytes->n < 8)
    return false;
  *ret_value = 0;
  for (size_t i = 0; i < 8; i++)
    *ret_value |= (uint64_t)(unsigned char)bytes->p[i] << 8 * i;
  *bytes = str_slice(*bytes, 8, bytes->n);
  return true;
}

static bool take_cell(struct str *bytes, enum db_type type, union transfer_cell *ret_cell) {
  static const char tags[] = {[DB_I64] = 1, [DB_DOUBLE] = 2, [DB_TEXT] = 3, [DB_BYTES] = 3};
  uint64_t value;
  if (bytes->n == 0 || bytes->p[0] != tags[type])
    return false;
  *bytes = str_slice(*bytes, 1, bytes->n);
  if (!take_u64(bytes, &value))
    return false;
  if (type == DB_I64) {
    ret_cell->i64 = (int64_t)value;
  } else if (type == DB_DOUBLE) {
    memcpy(&ret_cell->number, &value, sizeof value);
  } else {
    if (value > bytes->n)
      return false;
    ret_cell->str = str_n(bytes->p, (size_t)value);
    *bytes = str_n(bytes->p + value, bytes->n - (size_t)value);
  }
  return true;
}

/* ---- Keys as text ---- */

#define KEY_MAX_BYTES ((size_t)1 << 20)

static const char HEX[] = "0123456789abcdef";

static void add_hex(struct buf *buf, struct str bytes) {
  for (size_t i = 0; i < bytes.n; i++) {
    buf_add_char(buf, HEX[(unsigned char)bytes.p[i] >> 4]);
    buf_add_char(buf, HEX[(unsigned char)bytes.p[i] & 15]);
  }
}

int transfer_key_write(struct buf *buf, const struct transfer_table *table,
                       const union transfer_cell *key, struct err *reterr) {
  struct buf bytes;
  buf_init(&bytes, KEY_MAX_BYTES);
  for (size_t i = 0; key && i < table->key_n; i++)
    add_cell(&bytes, table->columns[i].type, key[i]);
  add_hex(buf, buf_str(&bytes));
  bool is_overflown = buf_is_overflown(&bytes) || buf_is_overflown(buf);
  buf_fini(&bytes);
  return is_overflown ? err_no_memory(reterr) : 0;
}

int transfer_key_read(struct arena *arena, const struct transfer_table *table, struct str text,
                      union transfer_cell *ret_key, struct err *reterr) {
  char *p = arena_alloc(arena, text.n / 2 + 1);
  if (!p)
    return err_no_memory(reterr);
  bool is_right = text.n % 2 == 0;
  for (size_t i = 0; is_right && i < text.n / 2; i++) {
    int high = str_hex_digit(text.p[2 * i]), low = str_hex_digit(text.p[2 * i + 1]);
    is_right = high >= 0 && low >= 0;
    p[i] = (char)(high * 16 + low);
  }
  struct str bytes = str_n(p, text.n / 2);
  for (size_t i = 0; is_right && i < table->key_n; i++)
    is_right = take_cell(&bytes, table->columns[i].type, &ret_key[i]);
  if (!is_right || bytes.n > 0)
    return err_set(reterr, ERR_STORE, "", "How far the copy has come can't be read.");
  return 0;
}

/* ---- Sums ---- */

int transfer_sum_page(struct transfer_sum *sum, const struct transfer_page *page,
                      struct err *reterr) {
  struct buf row;
  buf_init(&row, ROW_MAX_BYTES);
  for (size_t r = 0; r < page->rows_n; r++) {
    uint8_t digest[HASH_SHA256_BYTES];
    buf_clear(&row);
    for (size_t i = 0; i < page->columns_n; i++)
      add_cell(&row, page->table->columns[i].type, page->cells[r * page->columns_n + i]);
    if (buf_is_overflown(&row))
      break;
    hash_sha256(buf_str(&row), digest);
    struct str rest = str_n((const char *)digest, sizeof digest);
    for (size_t i = 0; i < 4; i++) {
      uint64_t part;
      if (take_u64(&rest, &part))
        sum->parts[i] += part;
    }
    sum->rows++;
  }
  bool is_overflown = buf_is_overflown(&row);
  buf_fini(&row);
  return is_overflown ? err_no_memory(reterr) : 0;
}

bool transfer_sum_equal(const struct transfer_sum *a, const struct transfer_sum *b) {
  return a->rows == b->rows && memcmp(a->parts, b->parts, sizeof a->parts) == 0;
}

void transfer_checksum_of(struct str text, char ret_text[TRANSFER_CHECKSUM_BYTES]) {
  uint8_t digest[HASH_SHA256_BYTES];
  hash_sha256(text, digest);
  for (size_t i = 0; i < (TRANSFER_CHECKSUM_BYTES - 1) / 2; i++) {
    ret_text[2 * i] = HEX[digest[i] >> 4];
    ret_text[2 * i + 1] = HEX[digest[i] & 15];
  }
  ret_text[TRANSFER_CHECKSUM_BYTES - 1] = '\0';
}

void transfer_checksum(const struct transfer_sum *sum, char ret_text[TRANSFER_CHECKSUM_BYTES]) {
  uint8_t bytes[5 * 8];
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t)((i < 8 ? sum->rows : sum->parts[i / 8 - 1]) >> 8 * (i % 8));
  transfer_checksum_of(str_n((const char *)bytes, sizeof bytes), ret_text);
}
