/*
 * What a group must know of the tables: the resources that its commits name, the messages that
 * theirs may repeat, the holders of identifiers.
 *
 * Where an answer costs a round trip, `group_ask` asks for all of it before the first commit is
 * looked at, in four statements that are on their way at the same time. What turns out to be needed
 * besides (a commit that was prepared again), and everything in an embedded store, is read when it
 * is needed.
 *
 * A group may name 100,000 resources of any size, so what is long does not come with its row: a
 * body stays in the table and is looked at there, one at a time (`is_body_apart`); so does a
 * message. Each of the four answers has 64 MB of such columns at most (store_ahead_bytes).
 */
#include "store/commit/group_read.h"

#include "store/store_internal.h"

static int keep_bytes(struct group *group, struct str bytes, struct str *ret_kept,
                      struct err *reterr) {
  *ret_kept = arena_str(group->arena, bytes);
  return ret_kept->p ? 0 : err_no_memory(reterr);
}

/* ---- Resources ---- */

#define SLOT_BRIEF                                                                                 \
  "SELECT r.rid,r.type,r.id,r.state FROM identity i JOIN resource r ON r.rid=i.rid WHERE i.key=?"
#define SLOT_WHOLE                                                                                 \
  "SELECT r.rid,r.type,r.id,r.state,r.version,r.updated,r.seq," STORE_AHEAD_BODY(                  \
      "r.keys", "?") "," STORE_AHEAD_BODY("r.body", "?") " FROM identity i JOIN resource r ON "    \
                                                         "r.rid=i.rid WHERE i.key=?"

/* Did what stands in the column, as STORE_AHEAD_BODY gives it, not come with the row? */
static bool is_apart(struct db_statement *row, int column) {
  return db_column_is_null(row, column) && db_column_i64(row, column + 1) > 0;
}

/* One value of the row that is numbered `number`, borrowed until `*ret_row` is released. */
static int ask_value(struct group *group, struct str sql, int64_t number,
                     struct db_statement **ret_row, struct str *ret_value, struct err *reterr) {
  bool has_row = false;
  int code = db_prepare(group->db, sql, ret_row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(*ret_row, 1, number);
  code = db_step(*ret_row, &has_row, reterr);
  if (code == 0 && !has_row)
    code = err_set(reterr, ERR_STORE, "", "A row is gone within one transaction.");
  if (code == 0)
    *ret_value = db_column_str(*ret_row, 0);
  return code;
}

/* The keys of the row, which stand in its column 7. */
static int take_keys(struct group *group, struct db_statement *row, struct slot *slot,
                     struct err *reterr) {
  struct db_statement *apart = NULL;
  struct str packed = db_column_str(row, 7);
  int code = 0;
  if (is_apart(row, 7))
    code = ask_value(group, STR("SELECT keys FROM resource WHERE rid=?"), (int64_t)slot->rid,
                     &apart, &packed, reterr);
  if (code == 0)
    code = keep_bytes(group, packed, &packed, reterr);
  db_release(apart);
  return code ? code : keys_unpack(group->arena, packed, &slot->stored_keys, reterr);
}

/* The row that is this resource's, of those with its key. */
static int take_row(struct group *group, struct db_statement *row, bool with_content,
                    struct slot *slot, struct err *reterr) {
  if (db_column_i64(row, 1) != schema_type_number(group->schema, slot->type) ||
      !str_equal(db_column_str(row, 2), str_n(slot->packed_id.bytes, slot->packed_id.n)))
    return 0;
  slot->rid = (uint64_t)db_column_i64(row, 0);
  slot->state = (enum schema_state)db_column_i64(row, 3);
  if (!with_content)
    return 0;
  slot->version = (uint32_t)db_column_i64(row, 4);
  slot->updated_us = db_column_i64(row, 5);
  slot->seq = (uint64_t)db_column_i64(row, 6);
  int code = take_keys(group, row, slot, reterr);
  slot->is_body_apart = is_apart(row, 9);
  if (code == 0)
    code = keep_bytes(group, db_column_str(row, 9), &slot->body, reterr);
  slot->keys = slot->stored_keys;
  slot->has_content = code == 0;
  return code;
}

static void note_read(struct slot *slot) {
  slot->is_read = true;
  slot->has_content |= slot->rid == 0; /* there is none to read */
}

static int read_slot(struct group *group, struct slot *slot, bool with_content,
                     struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(group->db, with_content ? STR(SLOT_WHOLE) : STR(SLOT_BRIEF), &row, reterr);
  if (code != 0)
    return code;
  if (with_content) {
    db_bind_i64(row, 1, STORE_AHEAD_BYTES);
    db_bind_i64(row, 2, STORE_AHEAD_BYTES);
  }
  db_bind_i64(row, with_content ? 3 : 1, slot->key);
  while (slot->rid == 0 || (with_content && !slot->has_content)) {
    code = db_step(row, &has_row, reterr);
    if (code != 0 || !has_row)
      break;
    code = take_row(group, row, with_content, slot, reterr);
    if (code != 0)
      break;
  }
  db_release(row);
  if (code == 0)
    note_read(slot);
  return code;
}

/* The slot of a resource, made when it is named for the first time; nothing is read. */
static int find_slot(struct group *group, const struct named *named, struct slot **ret_slot,
                     struct err *reterr) {
  struct str key = {(const char *)&named->key, sizeof named->key};
  struct slot *first = map_get(&group->slots, key), *slot = first;
  while (slot && !(slot->type == named->type && str_equal(slot->id, named->id)))
    slot = slot->next;
  if (!slot) {
    slot = ARENA_NEW(group->arena, struct slot);
    if (!slot)
      return err_no_memory(reterr);
    *slot = (struct slot){.key = named->key,
                          .type = named->type,
                          .packed_id = named->packed_id,
                          .id = arena_str(group->arena, named->id),
                          .next = first};
    key.p = (const char *)&slot->key;
    if (!slot->id.p || map_set(&group->slots, key, slot) != 0)
      return err_no_memory(reterr);
  }
  *ret_slot = slot;
  return 0;
}

int group_slot(struct group *group, const struct named *named, bool with_content,
               struct slot **ret_slot, struct err *reterr) {
  struct slot *slot;
  int code = find_slot(group, named, &slot, reterr);
  if (code != 0)
    return code;
  bool lacks_content = with_content && !slot->has_content && !slot->is_dirty;
  if (!slot->is_read || lacks_content)
    code = read_slot(group, slot, with_content, reterr);
  if (code == 0)
    *ret_slot = slot;
  return code;
}

int group_slot_body(struct group *group, const struct slot *slot, struct arena *arena,
                    struct str *ret_body, struct err *reterr) {
  struct db_statement *apart = NULL;
  struct str packed = slot->body;
  int code = 0;
  if (slot->is_body_apart)
    code = store_body_ask(group->db, slot->rid, slot->version, &apart, &packed, reterr);
  if (code == 0)
    code = body_unpack(group->codec, arena, packed, ret_body, reterr);
  db_release(apart);
  return code;
}

/* ---- Messages that were seen before ---- */

#define SEEN                                                                                       \
  "SELECT m.number,m.sender,m.control_id," STORE_AHEAD_BODY("m.reply", "?") "," STORE_AHEAD_BODY(  \
      "m.raw", "?") " FROM message_seen s JOIN message m ON m.number=s.number WHERE s.key=?"

static int keep_message(struct group *group, struct db_statement *row,
                        struct stored_messages *messages, struct err *reterr) {
  struct stored_message *message = VEC_PUSH(group->arena, &messages->list);
  if (!message)
    return err_no_memory(reterr);
  message->number = (uint64_t)db_column_i64(row, 0);
  static const int columns[] = {1, 2, 3, 5};
  struct str *const texts[] = {&message->sender, &message->control_id, &message->reply,
                               &message->raw};
  int code = 0;
  for (size_t i = 0; i < 4 && code == 0; i++)
    code = keep_bytes(group, db_column_str(row, columns[i]), texts[i], reterr);
  message->is_reply_apart = is_apart(row, 3);
  message->is_raw_apart = is_apart(row, 5);
  return code;
}

static int message_text(struct group *group, const struct stored_message *message, bool is_apart,
                        struct str sql, struct str packed, struct arena *arena,
                        struct str *ret_text, struct err *reterr) {
  struct db_statement *apart = NULL;
  int code = 0;
  if (is_apart)
    code = ask_value(group, sql, (int64_t)message->number, &apart, &packed, reterr);
  if (code == 0)
    code = body_unpack(group->codec, arena, packed, ret_text, reterr);
  db_release(apart);
  return code;
}

int group_message_raw(struct group *group, const struct stored_message *message,
                      struct arena *arena, struct str *ret_raw, struct err *reterr) {
  return message_text(group, message, message->is_raw_apart,
                      STR("SELECT raw FROM message WHERE number=?"), message->raw, arena, ret_raw,
                      reterr);
}

int group_message_reply(struct group *group, const struct stored_message *message,
                        struct arena *arena, struct str *ret_reply, struct err *reterr) {
  return message_text(group, message, message->is_reply_apart,
                      STR("SELECT reply FROM message WHERE number=?"), message->reply, arena,
                      ret_reply, reterr);
}

static int read_messages(struct group *group, int64_t seen_key, struct stored_messages *messages,
                         struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(group->db, STR(SEEN), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, STORE_AHEAD_BYTES);
  db_bind_i64(row, 2, STORE_AHEAD_BYTES);
  db_bind_i64(row, 3, seen_key);
  while (code == 0 && (code = db_step(row, &has_row, reterr)) == 0 && has_row)
    code = keep_message(group, row, messages, reterr);
  db_release(row);
  return code;
}

int group_stored_messages(struct group *group, int64_t seen_key,
                          const struct stored_messages **ret_messages, struct err *reterr) {
  struct stored_messages *messages =
      map_get(&group->stored_messages, str_n((const char *)&seen_key, sizeof seen_key));
  int code = 0;
  if (!messages) {
    messages = ARENA_NEW(group->arena, struct stored_messages);
    code = messages ? read_messages(group, seen_key, messages, reterr) : err_no_memory(reterr);
  }
  if (code == 0)
    *ret_messages = messages;
  return code;
}

/* ---- Holders of an identifier ---- */

/* Notes the row's id where its resource has the code; the body is not kept. */
static int keep_holder(struct group *group, struct db_statement *row,
                       struct stored_holders *holders, struct err *reterr) {
  bool is_one = false;
  int code = store_holder_read(group->view, row, group->scratch, holders->code, &is_one, reterr);
  if (code != 0 || !is_one)
    return code;
  struct str *id = VEC_PUSH(group->arena, &holders->ids);
  if (!id)
    return err_no_memory(reterr);
  *id = schema_id_unpack(group->arena, db_column_str(row, 2));
  return id->p ? 0 : err_no_memory(reterr);
}

static int read_holders(struct group *group, struct stored_holders *holders, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(group->db, store_identifier_sql(db_kind(group->db)), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, store_ahead_bytes(STORE_HOLDERS_LOOKED_AT));
  db_bind_i64(row, 2, holders->key.param);
  db_bind_i64(row, 3, holders->key.hash);
  db_bind_i64(row, 4, holders->key.type);
  while (code == 0 && (code = db_step(row, &has_row, reterr)) == 0 && has_row)
    code = keep_holder(group, row, holders, reterr);
  db_release(row);
  return code;
}

struct identifier_key group_identifier_key(const struct group *group,
                                           const struct store_condition *condition) {
  defs_param_id param = defs_param_by_code(condition->type, STR("identifier"));
  return (struct identifier_key){
      .param = schema_param_number(group->schema, param),
      .hash = schema_token_hash(group->schema, condition->system, condition->code),
      .type = schema_type_number(group->schema, condition->type)};
}

int group_stored_holders(struct group *group, const struct identifier_key *key, struct str code,
                         const struct stored_holders **ret_holders, struct err *reterr) {
  struct stored_holders *holders =
      map_get(&group->stored_holders, str_n((const char *)key, sizeof *key));
  int failed = 0;
  if (!holders || !str_equal(holders->code, code)) {
    holders = ARENA_NEW(group->arena, struct stored_holders);
    if (!holders)
      return err_no_memory(reterr);
    *holders = (struct stored_holders){.key = *key, .code = code};
    failed = read_holders(group, holders, reterr);
  }
  if (failed == 0)
    *ret_holders = holders;
  return failed;
}

/* ---- Looking ahead ---- */

struct asked_slot {
  int64_t ahead, key;
  struct slot *slot;
};
struct asked_messages {
  int64_t ahead, key;
  struct stored_messages *found;
};
struct asked_holders {
  int64_t ahead;
  struct identifier_key key;
  struct stored_holders *found;
};

/* What was asked, and the statements whose answers are on their way. */
struct group_question {
  VEC(struct asked_slot) briefs, wholes;
  VEC(struct asked_messages) messages;
  VEC(struct asked_holders) holders;
  struct db_column brief, whole[3], message[3], holder[4]; /* borrowed by the statements */
  struct db_statement *brief_rows, *whole_rows, *message_rows, *holder_rows;
};

/* A resource that is written needs its content, one that is pointed to a number only. */
static int note_named(struct group *group, const struct named *named, bool with_content,
                      struct err *reterr) {
  struct group_question *q = group->question;
  struct slot *slot;
  int code = find_slot(group, named, &slot, reterr);
  if (code != 0 || slot->is_asked || (slot->is_asked_briefly && !with_content))
    return code;
  struct asked_slot *place;
  if (with_content)
    place = VEC_PUSH(group->arena, &q->wholes);
  else
    place = VEC_PUSH(group->arena, &q->briefs);
  if (!place)
    return err_no_memory(reterr);
  *place = (struct asked_slot){.key = slot->key, .slot = slot};
  slot->is_asked = with_content;
  slot->is_asked_briefly = true;
  return 0;
}

static int note_message(struct group *group, int64_t seen_key, struct err *reterr) {
  struct str key = str_n((const char *)&seen_key, sizeof seen_key);
  if (map_get(&group->stored_messages, key))
    return 0;
  struct asked_messages *place = VEC_PUSH(group->arena, &group->question->messages);
  struct stored_messages *found = ARENA_NEW(group->arena, struct stored_messages);
  if (!place || !found)
    return err_no_memory(reterr);
  *place = (struct asked_messages){.key = seen_key, .found = found};
  found->key = seen_key;
  key.p = (const char *)&found->key;
  return map_set(&group->stored_messages, key, found) ? err_no_memory(reterr) : 0;
}

static int note_condition(struct group *group, const struct store_condition *condition,
                          struct err *reterr) {
  if (condition->search)
    return 0;
  struct identifier_key key = group_identifier_key(group, condition);
  if (map_get(&group->stored_holders, str_n((const char *)&key, sizeof key)))
    return 0;
  struct asked_holders *place = VEC_PUSH(group->arena, &group->question->holders);
  struct stored_holders *found = ARENA_NEW(group->arena, struct stored_holders);
  if (!place || !found)
    return err_no_memory(reterr);
  *place = (struct asked_holders){.key = key, .found = found};
  found->key = key;
  found->code = condition->code;
  return map_set(&group->stored_holders, str_n((const char *)&found->key, sizeof found->key), found)
             ? err_no_memory(reterr)
             : 0;
}

static int note_writes(struct group *group, const struct store_commit *commit, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < commit->writes_n; i++)
    if (!commit->writes[i].is_confirmation)
      code = note_named(group, commit->prepared_->writes[i].named, true, reterr);
  return code;
}

static int note_rest(struct group *group, const struct store_commit *commit, struct err *reterr) {
  const struct store_prepared *prepared = commit->prepared_;
  int code = 0;
  for (size_t i = 0; code == 0 && i < prepared->named.n; i++)
    code = note_named(group, prepared->named.p[i], false, reterr);
  for (size_t i = 0; code == 0 && i < commit->conditions_n; i++)
    code = note_condition(group, &commit->conditions[i], reterr);
  if (code == 0 && commit->message)
    code = note_message(group, prepared->message.seen_key, reterr);
  return code;
}

static int send(struct group *group, struct str sql, const struct db_column *columns,
                size_t columns_n, size_t rows_n, struct db_statement **ret_rows,
                struct err *reterr) {
  if (rows_n == 0)
    return 0;
  int code = db_select_rows(group->db, sql, columns, columns_n, rows_n, ret_rows, reterr);
  if (code == 0)
    db_send(*ret_rows);
  return code;
}

/* How much of a row may come with it, where there are so many. */
static void limit_rows(struct group_question *q) {
  int64_t whole = store_ahead_bytes(2 * q->wholes.n);
  int64_t message = store_ahead_bytes(2 * q->messages.n);
  int64_t holder = store_ahead_bytes(q->holders.n * STORE_HOLDERS_LOOKED_AT);
  for (size_t i = 0; i < q->wholes.n; i++)
    q->wholes.p[i].ahead = whole;
  for (size_t i = 0; i < q->messages.n; i++)
    q->messages.p[i].ahead = message;
  for (size_t i = 0; i < q->holders.n; i++)
    q->holders.p[i].ahead = holder;
}

static int send_all(struct group *group, struct group_question *q, struct err *reterr) {
  q->brief = DB_COLUMN(DB_I64, q->briefs.p, key);
  q->whole[0] = q->whole[1] = DB_COLUMN(DB_I64, q->wholes.p, ahead);
  q->whole[2] = DB_COLUMN(DB_I64, q->wholes.p, key);
  q->message[0] = q->message[1] = DB_COLUMN(DB_I64, q->messages.p, ahead);
  q->message[2] = DB_COLUMN(DB_I64, q->messages.p, key);
  q->holder[0] = DB_COLUMN(DB_I64, q->holders.p, ahead);
  q->holder[1] = DB_COLUMN(DB_I64, q->holders.p, key.param);
  q->holder[2] = DB_COLUMN(DB_I64, q->holders.p, key.hash);
  q->holder[3] = DB_COLUMN(DB_I64, q->holders.p, key.type);
  int code = send(group, STR(SLOT_WHOLE), q->whole, 3, q->wholes.n, &q->whole_rows, reterr);
  if (code == 0)
    code = send(group, STR(SLOT_BRIEF), &q->brief, 1, q->briefs.n, &q->brief_rows, reterr);
  if (code == 0)
    code = send(group, STR(SEEN), q->message, 3, q->messages.n, &q->message_rows, reterr);
  if (code == 0)
    code = send(group, store_identifier_sql(db_kind(group->db)), q->holder, 4, q->holders.n,
                &q->holder_rows, reterr);
  return code;
}

int group_ask(struct group *group, const struct store_commit *commits, struct err *reterr) {
  if (!db_is_remote(group->db))
    return 0;
  struct group_question *q = ARENA_NEW(group->arena, struct group_question);
  if (!q)
    return err_no_memory(reterr);
  group->question = q;
  int code = 0;
  for (const struct store_commit *c = commits; c && code == 0; c = c->next_)
    code = note_writes(group, c, reterr);
  for (const struct store_commit *c = commits; c && code == 0; c = c->next_)
    code = note_rest(group, c, reterr);
  limit_rows(q);
  return code ? code : send_all(group, q, reterr);
}

static int take_answer(struct group *group, struct db_statement *row, struct err *reterr) {
  const struct group_question *q = group->question;
  size_t at = db_asked_row(row);
  if (row == q->whole_rows)
    return take_row(group, row, true, q->wholes.p[at].slot, reterr);
  if (row == q->brief_rows)
    return take_row(group, row, false, q->briefs.p[at].slot, reterr);
  if (row == q->message_rows)
    return keep_message(group, row, q->messages.p[at].found, reterr);
  return keep_holder(group, row, q->holders.p[at].found, reterr);
}

static int take_answers(struct group *group, struct db_statement *row, struct err *reterr) {
  bool has_row = false;
  int code = 0;
  while (row && code == 0 && (code = db_step(row, &has_row, reterr)) == 0 && has_row)
    code = take_answer(group, row, reterr);
  return code;
}

int group_take_answers(struct group *group, struct err *reterr) {
  struct group_question *q = group->question;
  if (!q)
    return 0;
  int code = take_answers(group, q->whole_rows, reterr);
  if (code == 0)
    code = take_answers(group, q->brief_rows, reterr);
  if (code == 0)
    code = take_answers(group, q->message_rows, reterr);
  if (code == 0)
    code = take_answers(group, q->holder_rows, reterr);
  for (size_t i = 0; code == 0 && i < q->briefs.n; i++)
    note_read(q->briefs.p[i].slot);
  for (size_t i = 0; code == 0 && i < q->wholes.n; i++)
    note_read(q->wholes.p[i].slot);
  group_drop_question(group);
  return code;
}

void group_drop_question(struct group *group) {
  struct group_question *q = group->question;
  if (!q)
    return;
  db_release(q->whole_rows);
  db_release(q->brief_rows);
  db_release(q->message_rows);
  db_release(q->holder_rows);
  group->question = NULL;
}
