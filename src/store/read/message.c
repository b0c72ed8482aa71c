/* Reading the message log, and lineage. Messages are not cut by patient, so only access to
 * everything shows them. */
#include "store/db/dialect.h"
#include "store/store_internal.h"

#define WORD_MAX_BYTES 64 /* of commit_prepare */
enum { NUMBERS_AT_ONCE = 256 };
#define BRIEF_COLUMNS                                                                              \
  "m.number,m.seq,m.status,m.received,m.size,m.channel,m.sender,m.control_id,m.type,m.event,"      \
  "m.version_id,m.patient,m.reason"

static int read_row(struct db_statement *row, struct arena *arena,
                    struct store_message_row *ret_row, struct err *reterr) {
  struct store_message_row message = {
      .number = (uint64_t)db_column_i64(row, 0),
      .commit_seq = (uint64_t)db_column_i64(row, 1),
      .status = (enum store_message_status)db_column_i64(row, 2),
      .received_us = db_column_i64(row, 3),
      .size_bytes = (uint64_t)db_column_i64(row, 4),
  };
  struct str *texts[] = {&message.channel, &message.sender, &message.control_id,
                         &message.type,    &message.event,  &message.version_id,
                         &message.patient, &message.reason};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    *texts[i] = arena_str(arena, db_column_str(row, 5 + (int)i));
    if (!texts[i]->p)
      return err_no_memory(reterr);
  }
  *ret_row = message;
  return 0;
}

/* ---- The list ---- */

struct list {
  struct store_view *view;
  struct arena *arena;
  const struct store_message_query *query;
  size_t count; /* rows wanted */
  VEC(struct store_message_row) rows;
};

/* Behind a condition. Spelled so that the index of the few messages that were not accepted can be
 * used. */
static void add_status(struct db_query *sql, const struct store_message_query *wanted) {
  if (wanted->status)
    db_query_addf(sql, "%s AND m.status=%d",
                  wanted->status == STORE_MESSAGE_ACCEPTED ? "" : " AND m.status<>1",
                  (int)wanted->status);
}

static int take_rows(struct list *list, struct db_statement *row, struct err *reterr) {
  bool has_row = false;
  int code = 0;
  while (list->rows.n < list->count && (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct store_message_row *place = VEC_PUSH(list->arena, &list->rows);
    code = place ? read_row(row, list->arena, place, reterr) : err_no_memory(reterr);
    if (code != 0)
      break;
  }
  return code;
}

static int list_all(struct list *list, int64_t before, struct err *reterr) {
  struct db_query sql;
  struct db_statement *row = NULL;
  db_query_init(&sql, list->arena);
  db_query_add(&sql, "SELECT " BRIEF_COLUMNS " FROM message m WHERE m.number<");
  db_query_i64(&sql, before);
  add_status(&sql, list->query);
  db_query_add(&sql, " ORDER BY m.number DESC LIMIT ");
  db_query_i64(&sql, (int64_t)list->count);
  int code = db_query_start(store_view_db(list->view), &sql, &row, reterr);
  if (code == 0)
    code = take_rows(list, row, reterr);
  db_release(row);
  return code;
}

/* The words that begin like the text; U+10FFFF is above everything that may follow. */
static int word_range(struct arena *arena, struct str text, struct str *ret_low,
                      struct str *ret_high, struct err *reterr) {
  struct buf low, high;
  text = str_slice(text, 0, WORD_MAX_BYTES);
  buf_init_arena(&low, arena, text.n + 1);
  buf_init_arena(&high, arena, text.n + 5);
  for (size_t i = 0; i < text.n; i++)
    buf_add_char(&low, text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + 32) : text.p[i]);
  buf_add(&high, buf_str(&low));
  buf_add_z(&high, "\xf4\x8f\xbf\xbf");
  if (buf_is_overflown(&low) || buf_is_overflown(&high))
    return err_no_memory(reterr);
  *ret_low = buf_str(&low);
  *ret_high = buf_str(&high);
  return 0;
}

/* Numbers of messages with such a word before `before`, the newest first. */
static int find_numbers(struct list *list, struct str low, struct str high, int64_t before,
                        int64_t *numbers, size_t most, size_t *ret_n, struct err *reterr) {
  struct db_query sql;
  struct db_statement *row = NULL;
  bool has_row = false;
  db_query_init(&sql, list->arena);
  db_query_add(&sql, "SELECT DISTINCT w.number FROM message_word w WHERE w.word>=");
  db_query_text(&sql, low);
  db_query_add(&sql, " AND w.word<");
  db_query_text(&sql, high);
  db_query_add(&sql, " AND w.number<");
  db_query_i64(&sql, before);
  db_query_add(&sql, " ORDER BY w.number DESC LIMIT ");
  db_query_i64(&sql, (int64_t)most);
  *ret_n = 0;
  int code = db_query_start(store_view_db(list->view), &sql, &row, reterr);
  while (code == 0 && *ret_n < most && (code = db_step(row, &has_row, reterr)) == 0 && has_row)
    numbers[(*ret_n)++] = db_column_i64(row, 0);
  db_release(row);
  return code;
}

static int list_found(struct list *list, int64_t before, struct err *reterr) {
  int64_t numbers[NUMBERS_AT_ONCE] = {0};
  struct str low, high;
  struct db_query sql;
  size_t n = NUMBERS_AT_ONCE;
  db_query_init(&sql, list->arena);
  db_query_add(&sql, "SELECT " BRIEF_COLUMNS " FROM message m WHERE m.number=?");
  add_status(&sql, list->query);
  db_query_add(&sql, " LIMIT 1");
  if (buf_is_overflown(&sql.sql))
    return err_no_memory(reterr);
  int code = word_range(list->arena, list->query->text, &low, &high, reterr);
  while (code == 0 && n == NUMBERS_AT_ONCE && list->rows.n < list->count) {
    struct db_column column = {.type = DB_I64, .rows = numbers, .stride = sizeof *numbers};
    struct db_statement *row = NULL;
    code = find_numbers(list, low, high, before, numbers, NUMBERS_AT_ONCE, &n, reterr);
    if (code || n == 0)
      break;
    before = numbers[n - 1];
    code =
        db_select_rows(store_view_db(list->view), buf_str(&sql.sql), &column, 1, n, &row, reterr);
    if (code == 0)
      code = take_rows(list, row, reterr);
    db_release(row);
  }
  return code;
}

int store_messages(struct store_view *view, const struct access *access, struct arena *arena,
                   const struct store_message_query *query, struct store_message_rows *ret_rows,
                   struct err *reterr) {
  struct list list = {.view = view,
                      .arena = arena,
                      .query = query,
                      .count = query->count < INT32_MAX ? query->count : INT32_MAX};
  int64_t before = query->before_number && query->before_number < INT64_MAX
                       ? (int64_t)query->before_number
                       : INT64_MAX;
  *ret_rows = (struct store_message_rows){0};
  if (!access->is_everything)
    return 0;
  int code = str_is_empty(query->text) ? list_all(&list, before, reterr)
                                       : list_found(&list, before, reterr);
  if (code == 0)
    *ret_rows = (struct store_message_rows){list.rows.p, list.rows.n};
  return code;
}

/* ---- One message ---- */

static int read_whole(struct store_view *view, struct db_statement *row, struct arena *arena,
                      struct store_message_row *ret_row, struct err *reterr) {
  const struct body_codec *codec = store_view_codec(view);
  int code = read_row(row, arena, ret_row, reterr);
  if (code == 0)
    code = body_unpack(codec, arena, db_column_str(row, 13), &ret_row->reply, reterr);
  if (code == 0)
    code = body_unpack(codec, arena, db_column_str(row, 14), &ret_row->raw, reterr);
  return code;
}

int store_message_read(struct store_view *view, const struct access *access, struct arena *arena,
                       uint64_t number, struct store_message_row *ret_row, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  if (access->is_everything && number <= INT64_MAX) {
    int code = db_prepare(store_view_db(view),
                          STR("SELECT " BRIEF_COLUMNS ",m.reply,m.raw FROM message m"
                              " WHERE m.number=?"),
                          &row, reterr);
    if (code != 0)
      return code;
    db_bind_i64(row, 1, (int64_t)number);
    code = db_step(row, &has_row, reterr);
    if (code == 0 && has_row)
      code = read_whole(view, row, arena, ret_row, reterr);
    db_release(row);
    if (code != 0 || has_row)
      return code;
  }
  return err_set(reterr, ERR_NOT_FOUND, "", "There is no message %llu.",
                 (unsigned long long)number);
}

/* ---- Lineage ---- */

/* The version that a lineage row is about is the current one or an old one: STORE_ROW_COLUMNS for
 * either. */
#define LINEAGE_COLUMNS                                                                            \
  "l.message,l.bytes,r.rid,r.type,r.id,l.version,coalesce(v.updated,r.updated),"                   \
  "coalesce(v.state,r.state),CASE WHEN v.rid IS NULL THEN r.body ELSE v.body END"

static void select_lineage(struct db_query *query, enum db_kind kind) {
  db_query_add(query, "SELECT " LINEAGE_COLUMNS " FROM lineage l");
  db_query_add(query, DIALECT_JOIN(kind, "resource", "r", "r.rid=l.rid"));
  db_query_add(query,
               DIALECT_LEFT_JOIN(kind, "version", "v", "v.rid=l.rid AND v.version=l.version"));
}

static int read_lineage(struct store_view *view, const struct db_query *query, struct arena *arena,
                        struct store_lineage_rows *ret_rows, struct err *reterr) {
  VEC(struct store_lineage_row) rows = {0};
  struct db_statement *row = NULL;
  int code = db_query_start(store_view_db(view), query, &row, reterr);
  if (code != 0)
    return code;
  bool has_row = false;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct store_lineage_row *place = VEC_PUSH(arena, &rows);
    if (!place) {
      code = err_no_memory(reterr);
      break;
    }
    place->message = (uint64_t)db_column_i64(row, 0);
    code =
        body_unpack(store_view_codec(view), arena, db_column_str(row, 1), &place->lineage, reterr);
    if (code == 0)
      code = store_row_read(view, row, 2, arena, &place->resource, reterr);
    if (code != 0)
      break;
  }
  db_release(row);
  if (code == 0)
    *ret_rows = (struct store_lineage_rows){rows.p, rows.n};
  return code;
}

int store_lineage_of_message(struct store_view *view, const struct access *access,
                             struct arena *arena, uint64_t number,
                             struct store_lineage_rows *ret_rows, struct err *reterr) {
  struct db_query query;
  *ret_rows = (struct store_lineage_rows){0};
  if (!access->is_everything)
    return 0;
  db_query_init(&query, arena);
  select_lineage(&query, db_kind(store_view_db(view)));
  db_query_add(&query, " WHERE l.message=");
  db_query_i64(&query, (int64_t)number);
  db_query_add(&query, " ORDER BY l.rid");
  return read_lineage(view, &query, arena, ret_rows, reterr);
}

int store_lineage_of_resource(struct store_view *view, const struct access *access,
                              struct arena *arena, defs_type_id type, struct str id,
                              struct store_lineage_rows *ret_rows, struct err *reterr) {
  const struct schema *schema = store_view_schema(view);
  struct store_filter filter;
  struct db_query query;
  uint64_t rid = 0;
  *ret_rows = (struct store_lineage_rows){0};
  int code = store_rid(store_view_db(view), schema, type, id, &rid, reterr);
  if (code == 0)
    code = store_filter(store_view_db(view), schema, access, &filter, reterr);
  if (code != 0 || rid == 0)
    return code;
  db_query_init(&query, arena);
  select_lineage(&query, filter.kind);
  db_query_add(&query, " WHERE l.rid=");
  db_query_i64(&query, (int64_t)rid);
  db_query_add(&query, " AND ");
  store_filter_add(&query, &filter, "r", type);
  db_query_add(&query, " ORDER BY l.version DESC,l.message DESC");
  return read_lineage(view, &query, arena, ret_rows, reterr);
}
