/* Reading the message log, and lineage. Messages are not cut by patient, so only access to
 * everything shows them. */
#include "store/store_internal.h"

#define WORD_MAX_BYTES 64 /* of commit_prepare */
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

/* Prefix search on words; U+10FFFF is above everything that may follow. */
static int add_word_range(struct db_query *query, struct str text, struct err *reterr) {
  struct buf low, high;
  text = str_slice(text, 0, WORD_MAX_BYTES);
  buf_init_arena(&low, query->arena, text.n + 1);
  buf_init_arena(&high, query->arena, text.n + 5);
  for (size_t i = 0; i < text.n; i++)
    buf_add_char(&low, text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] + 32) : text.p[i]);
  buf_add(&high, buf_str(&low));
  buf_add_z(&high, "\xf4\x8f\xbf\xbf");
  if (buf_is_overflown(&low) || buf_is_overflown(&high))
    return err_no_memory(reterr);
  db_query_add(query, " AND m.number IN(SELECT w.number FROM message_word w WHERE w.word>=");
  db_query_text(query, buf_str(&low));
  db_query_add(query, " AND w.word<");
  db_query_text(query, buf_str(&high));
  db_query_add(query, ")");
  return 0;
}

static int build_query(const struct store_message_query *wanted, struct db_query *query,
                       struct err *reterr) {
  db_query_add(query, "SELECT " BRIEF_COLUMNS " FROM message m WHERE m.number<");
  db_query_i64(query, wanted->before_number && wanted->before_number < INT64_MAX
                          ? (int64_t)wanted->before_number
                          : INT64_MAX);
  /* Spelled so that the index of the few messages that were not accepted can be used. */
  if (wanted->status)
    db_query_addf(query, "%s AND m.status=%d",
                  wanted->status == STORE_MESSAGE_ACCEPTED ? "" : " AND m.status<>1",
                  (int)wanted->status);
  int code = str_is_empty(wanted->text) ? 0 : add_word_range(query, wanted->text, reterr);
  db_query_add(query, " ORDER BY m.number DESC LIMIT ");
  db_query_i64(query, wanted->count < INT32_MAX ? (int64_t)wanted->count : INT32_MAX);
  return code;
}

int store_messages(struct store_view *view, const struct access *access, struct arena *arena,
                   const struct store_message_query *query, struct store_message_rows *ret_rows,
                   struct err *reterr) {
  VEC(struct store_message_row) rows = {0};
  *ret_rows = (struct store_message_rows){0};
  if (!access->is_everything)
    return 0;
  struct db_query sql;
  struct db_statement *row = NULL;
  db_query_init(&sql, arena);
  int code = build_query(query, &sql, reterr);
  if (code == 0)
    code = db_query_start(store_view_db(view), &sql, &row, reterr);
  if (code != 0)
    return code;
  bool has_row = false;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct store_message_row *place = VEC_PUSH(arena, &rows);
    code = place ? read_row(row, arena, place, reterr) : err_no_memory(reterr);
    if (code != 0)
      break;
  }
  db_release(row);
  if (code == 0)
    *ret_rows = (struct store_message_rows){rows.p, rows.n};
  return code;
}

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
#define LINEAGE_FROM                                                                               \
  " FROM lineage l CROSS JOIN resource r ON r.rid=l.rid"                                           \
  " LEFT JOIN version v ON v.rid=l.rid AND v.version=l.version"

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
  db_query_add(&query, "SELECT " LINEAGE_COLUMNS LINEAGE_FROM " WHERE l.message=");
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
  db_query_add(&query, "SELECT " LINEAGE_COLUMNS LINEAGE_FROM " WHERE l.rid=");
  db_query_i64(&query, (int64_t)rid);
  db_query_add(&query, " AND ");
  store_filter_add(&query, &filter, "r", type);
  db_query_add(&query, " ORDER BY l.version DESC,l.message DESC");
  return read_lineage(view, &query, arena, ret_rows, reterr);
}
