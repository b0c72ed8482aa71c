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
  db_set_deadline(store_view_db(view), STORE_READ_TIME_US);
  int code = str_is_empty(query->text) ? list_all(&list, before, reterr)
                                       : list_found(&list, before, reterr);
  db_set_deadline(store_view_db(view), 0);
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

enum { LINEAGE_ROWS_MAX = 20000 };
#define LINEAGE_MAX_BYTES ((size_t)64 << 20)

/* The version that a lineage row is about is the current one or an old one: message, lineage, then
 * STORE_AHEAD_COLUMNS for either. */
#define LINEAGE_COLUMNS                                                                            \
  "l.message," STORE_AHEAD_BODY(                                                                   \
      "l.bytes",                                                                                   \
      "65536") ",r.rid,r.type,r.id,l.version,"                                                     \
               "coalesce(v.updated,r.updated),coalesce(v.state,r.state)," STORE_AHEAD_BODY(        \
                   "CASE WHEN v.rid IS NULL THEN r.body ELSE v.body END", "65536")

/* What is read in pieces: of a message by rid and version, of a resource by version and message,
 * the newest first. */
struct lineage_list {
  struct store_view *view;
  struct arena *arena;
  const struct store_filter *filter; /* of a resource */
  defs_type_id type;
  bool is_of_message;
  int64_t of;            /* number, or rid */
  int64_t first, second; /* the last row that was read */
  size_t bytes;
  VEC(struct store_lineage_row) rows;
};

static void write_lineage_query(struct db_query *query, const struct lineage_list *list) {
  enum db_kind kind = db_kind(store_view_db(list->view));
  db_query_add(query, "SELECT " LINEAGE_COLUMNS " FROM lineage l");
  db_query_add(query, DIALECT_JOIN(kind, "resource", "r", "r.rid=l.rid"));
  db_query_add(query,
               DIALECT_LEFT_JOIN(kind, "version", "v", "v.rid=l.rid AND v.version=l.version"));
  db_query_add(query, list->is_of_message ? " WHERE l.message=" : " WHERE l.rid=");
  db_query_i64(query, list->of);
  db_query_add(query,
               list->is_of_message ? " AND (l.rid,l.version)>(" : " AND (l.version,l.message)<(");
  db_query_i64(query, list->first);
  db_query_add(query, ",");
  db_query_i64(query, list->second);
  db_query_add(query, ")");
  if (list->filter) {
    db_query_add(query, " AND ");
    store_filter_add(query, list->filter, "r", list->type);
  }
  db_query_add(query, list->is_of_message ? " ORDER BY l.rid,l.version"
                                          : " ORDER BY l.version DESC,l.message DESC");
  db_query_addf(query, " LIMIT %d", STORE_AHEAD_ROWS);
}

/* Those that did not come with their row. */
static int ask_lineage_bytes(struct lineage_list *list, int64_t message, int64_t rid,
                             int64_t version, struct db_statement **ret_row, struct str *ret_packed,
                             struct err *reterr) {
  bool has_row = false;
  int code = db_prepare(store_view_db(list->view),
                        STR("SELECT bytes FROM lineage WHERE message=? AND rid=? AND version=?"),
                        ret_row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(*ret_row, 1, message);
  db_bind_i64(*ret_row, 2, rid);
  db_bind_i64(*ret_row, 3, version);
  code = db_step(*ret_row, &has_row, reterr);
  if (code == 0)
    *ret_packed = has_row ? db_column_str(*ret_row, 0) : STR_NULL;
  return code;
}

static int read_lineage_bytes(struct lineage_list *list, struct db_statement *row,
                              struct store_lineage_row *place, struct err *reterr) {
  struct db_statement *apart = NULL;
  struct str packed = db_column_str(row, 1);
  int code = 0;
  if (db_column_is_null(row, 1) && db_column_i64(row, 2) > 0)
    code = ask_lineage_bytes(list, db_column_i64(row, 0), db_column_i64(row, 3),
                             db_column_i64(row, 6), &apart, &packed, reterr);
  if (code == 0)
    code = body_unpack(store_view_codec(list->view), list->arena, packed, &place->lineage, reterr);
  db_release(apart);
  return code;
}

static bool is_full(const struct lineage_list *list) {
  return list->rows.n >= LINEAGE_ROWS_MAX || list->bytes >= LINEAGE_MAX_BYTES;
}

/* One piece of the list; `*ret_n`: how many rows there were in it. */
static int read_lineage_piece(struct lineage_list *list, struct db_statement *row, size_t *ret_n,
                              struct err *reterr) {
  bool has_row = false;
  int code = 0;
  for (*ret_n = 0; !is_full(list) && (code = db_step(row, &has_row, reterr)) == 0 && has_row;
       ++*ret_n) {
    struct store_lineage_row *place = VEC_PUSH(list->arena, &list->rows);
    if (!place)
      return err_no_memory(reterr);
    place->message = (uint64_t)db_column_i64(row, 0);
    code = read_lineage_bytes(list, row, place, reterr);
    if (code == 0)
      code = store_row_read_ahead(list->view, row, 3, list->arena, &place->resource, reterr);
    if (code != 0)
      return code;
    list->bytes += place->lineage.n + place->resource.body.n;
    list->first = list->is_of_message ? db_column_i64(row, 3) : db_column_i64(row, 6);
    list->second = list->is_of_message ? db_column_i64(row, 6) : db_column_i64(row, 0);
  }
  return code;
}

static int read_lineage(struct lineage_list *list, struct store_lineage_rows *ret_rows,
                        struct err *reterr) {
  size_t n = STORE_AHEAD_ROWS;
  int code = 0;
  db_set_deadline(store_view_db(list->view), STORE_READ_TIME_US);
  while (code == 0 && n == STORE_AHEAD_ROWS && !is_full(list)) {
    struct db_query query;
    struct db_statement *row = NULL;
    db_query_init(&query, list->arena);
    write_lineage_query(&query, list);
    code = db_query_start(store_view_db(list->view), &query, &row, reterr);
    if (code == 0)
      code = read_lineage_piece(list, row, &n, reterr);
    db_release(row);
  }
  db_set_deadline(store_view_db(list->view), 0);
  if (code == 0)
    *ret_rows = (struct store_lineage_rows){list->rows.p, list->rows.n};
  return code;
}

int store_lineage_of_message(struct store_view *view, const struct access *access,
                             struct arena *arena, uint64_t number,
                             struct store_lineage_rows *ret_rows, struct err *reterr) {
  struct lineage_list list = {.view = view,
                              .arena = arena,
                              .is_of_message = true,
                              .of = (int64_t)number,
                              .first = INT64_MIN,
                              .second = INT64_MIN};
  *ret_rows = (struct store_lineage_rows){0};
  return access->is_everything ? read_lineage(&list, ret_rows, reterr) : 0;
}

int store_lineage_of_resource(struct store_view *view, const struct access *access,
                              struct arena *arena, defs_type_id type, struct str id,
                              struct store_lineage_rows *ret_rows, struct err *reterr) {
  const struct schema *schema = store_view_schema(view);
  struct store_filter filter;
  uint64_t rid = 0;
  *ret_rows = (struct store_lineage_rows){0};
  int code = store_rid(store_view_db(view), schema, type, id, &rid, reterr);
  if (code == 0)
    code = store_filter(store_view_db(view), schema, access, &filter, reterr);
  if (code != 0 || rid == 0)
    return code;
  struct lineage_list list = {.view = view,
                              .arena = arena,
                              .filter = &filter,
                              .type = type,
                              .of = (int64_t)rid,
                              .first = INT64_MAX,
                              .second = INT64_MAX};
  return read_lineage(&list, ret_rows, reterr);
}
