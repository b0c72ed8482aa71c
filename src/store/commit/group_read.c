/*
 * What a group must know of the tables: the resources that its commits name, the messages that
 * theirs may repeat, the holders of identifiers.
 *
 * Where an answer costs a round trip, `group_ask` asks for all of it before the first commit is
 * looked at, in four statements that are on their way at the same time. What turns out to be needed
 * besides (a commit that was prepared again), and everything in an embedded store, is read when it
 * is needed.
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
  "SELECT r.rid,r.type,r.id,r.state,r.version,r.updated,r.seq,r.keys,r.body"                       \
  " FROM identity i JOIN resource r ON r.rid=i.rid WHERE i.key=?"

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
  struct str packed_keys;
  int code = keep_bytes(group, db_column_str(row, 7), &packed_keys, reterr);
  if (code == 0)
    code = keys_unpack(group->arena, packed_keys, &slot->stored_keys, reterr);
  if (code == 0)
    code = keep_bytes(group, db_column_str(row, 8), &slot->body, reterr);
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
  db_bind_i64(row, 1, slot->key);
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

/* ---- Messages that were seen before ---- */

#define SEEN                                                                                       \
  "SELECT m.number,m.sender,m.control_id,m.reply,m.raw FROM message_seen s"                        \
  " JOIN message m ON m.number=s.number WHERE s.key=?"

static int keep_message(struct group *group, struct db_statement *row,
                        struct stored_messages *messages, struct err *reterr) {
  struct stored_message *message = VEC_PUSH(group->arena, &messages->list);
  if (!message)
    return err_no_memory(reterr);
  message->number = (uint64_t)db_column_i64(row, 0);
  struct str *const texts[] = {&message->sender, &message->control_id, &message->reply,
                               &message->raw};
  int code = 0;
  for (size_t i = 0; i < 4 && code == 0; i++)
    code = keep_bytes(group, db_column_str(row, (int)i + 1), texts[i], reterr);
  return code;
}

static int read_messages(struct group *group, int64_t seen_key, struct stored_messages *messages,
                         struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(group->db, STR(SEEN), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, seen_key);
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

static int keep_holder(struct group *group, struct db_statement *row,
                       struct stored_holders *holders, struct err *reterr) {
  struct stored_holder *holder = VEC_PUSH(group->arena, &holders->list);
  if (!holder)
    return err_no_memory(reterr);
  holder->id = schema_id_unpack(group->arena, db_column_str(row, 0));
  return holder->id.p ? keep_bytes(group, db_column_str(row, 1), &holder->body, reterr)
                      : err_no_memory(reterr);
}

static int read_holders(struct group *group, const struct identifier_key *key,
                        struct stored_holders *holders, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(group->db, STR(STORE_IDENTIFIER_SQL), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, key->param);
  db_bind_i64(row, 2, key->hash);
  db_bind_i64(row, 3, key->type);
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

int group_stored_holders(struct group *group, const struct identifier_key *key,
                         const struct stored_holders **ret_holders, struct err *reterr) {
  struct stored_holders *holders =
      map_get(&group->stored_holders, str_n((const char *)key, sizeof *key));
  int code = 0;
  if (!holders) {
    holders = ARENA_NEW(group->arena, struct stored_holders);
    code = holders ? read_holders(group, key, holders, reterr) : err_no_memory(reterr);
  }
  if (code == 0)
    *ret_holders = holders;
  return code;
}

/* ---- Looking ahead ---- */

struct asked_slot {
  int64_t key;
  struct slot *slot;
};
struct asked_messages {
  int64_t key;
  struct stored_messages *found;
};
struct asked_holders {
  struct identifier_key key;
  struct stored_holders *found;
};

/* What was asked, and the statements whose answers are on their way. */
struct group_question {
  VEC(struct asked_slot) briefs, wholes;
  VEC(struct asked_messages) messages;
  VEC(struct asked_holders) holders;
  struct db_column brief, whole, message, holder[3]; /* borrowed by the statements */
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
  *place = (struct asked_slot){slot->key, slot};
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
  *place = (struct asked_messages){seen_key, found};
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
  *place = (struct asked_holders){key, found};
  found->key = key;
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
  q->brief = DB_COLUMN(DB_I64, q->briefs.p, key);
  q->whole = DB_COLUMN(DB_I64, q->wholes.p, key);
  q->message = DB_COLUMN(DB_I64, q->messages.p, key);
  q->holder[0] = DB_COLUMN(DB_I64, q->holders.p, key.param);
  q->holder[1] = DB_COLUMN(DB_I64, q->holders.p, key.hash);
  q->holder[2] = DB_COLUMN(DB_I64, q->holders.p, key.type);
  if (code == 0)
    code = send(group, STR(SLOT_WHOLE), &q->whole, 1, q->wholes.n, &q->whole_rows, reterr);
  if (code == 0)
    code = send(group, STR(SLOT_BRIEF), &q->brief, 1, q->briefs.n, &q->brief_rows, reterr);
  if (code == 0)
    code = send(group, STR(SEEN), &q->message, 1, q->messages.n, &q->message_rows, reterr);
  if (code == 0)
    code =
        send(group, STR(STORE_IDENTIFIER_SQL), q->holder, 3, q->holders.n, &q->holder_rows, reterr);
  return code;
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
