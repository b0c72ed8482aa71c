/* What a commit leaves besides resources: written for the whole group, table by table. */
#include "store/commit/group_write.h"

#include <stdlib.h>

struct message_row {
  int64_t number, seq, status, received_us, size;
  struct str channel, sender, control_id, type, event, version_id, patient, reason, reply, raw;
};

static struct message_row message_row(const struct staged_message *staged) {
  const struct store_message *message = staged->message;
  return (struct message_row){.number = staged->number,
                              .seq = staged->seq,
                              .status = message->status,
                              .received_us = message->received_us,
                              .size = (int64_t)message->raw.n,
                              .channel = commit_text(message->channel),
                              .sender = commit_text(message->sender),
                              .control_id = commit_text(message->control_id),
                              .type = commit_text(message->type),
                              .event = commit_text(message->event),
                              .version_id = commit_text(message->version_id),
                              .patient = commit_text(message->patient),
                              .reason = commit_text(message->reason),
                              .reply = staged->prepared->reply,
                              .raw = staged->prepared->raw};
}

static int insert_messages(struct group *group, struct err *reterr) {
  size_t n = group->messages.n;
  struct message_row *rows = ARENA_ARRAY(group->arena, struct message_row, n);
  if (!rows)
    return err_no_memory(reterr);
  for (size_t i = 0; i < n; i++)
    rows[i] = message_row(&group->messages.p[i]);
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, number),      DB_COLUMN(DB_I64, rows, seq),
      DB_COLUMN(DB_I64, rows, status),      DB_COLUMN(DB_I64, rows, received_us),
      DB_COLUMN(DB_I64, rows, size),        DB_COLUMN(DB_TEXT, rows, channel),
      DB_COLUMN(DB_TEXT, rows, sender),     DB_COLUMN(DB_TEXT, rows, control_id),
      DB_COLUMN(DB_TEXT, rows, type),       DB_COLUMN(DB_TEXT, rows, event),
      DB_COLUMN(DB_TEXT, rows, version_id), DB_COLUMN(DB_TEXT, rows, patient),
      DB_COLUMN(DB_TEXT, rows, reason),     DB_COLUMN(DB_BYTES, rows, reply),
      DB_COLUMN(DB_BYTES, rows, raw),
  };
  return db_execute_rows(group->db,
                         STR("INSERT INTO message(number,seq,status,received,size,channel,sender,"
                             "control_id,type,event,version_id,patient,reason,reply,raw)"
                             " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
                         columns, sizeof columns / sizeof columns[0], n, reterr);
}

struct word_row {
  struct str word;
  int64_t number;
};

static int by_word_and_number(const void *a, const void *b) {
  const struct word_row *x = a, *y = b;
  int order = str_compare(x->word, y->word);
  return order ? order : (x->number > y->number) - (x->number < y->number);
}

static int insert_message_words(struct group *group, struct err *reterr) {
  VEC(struct word_row) rows = {0};
  for (size_t i = 0; i < group->messages.n; i++) {
    const struct staged_message *message = &group->messages.p[i];
    for (size_t w = 0; w < message->prepared->words.n; w++) {
      struct word_row *row = VEC_PUSH(group->arena, &rows);
      if (!row)
        return err_no_memory(reterr);
      *row = (struct word_row){message->prepared->words.p[w], message->number};
    }
  }
  if (rows.n > 1)
    qsort(rows.p, rows.n, sizeof *rows.p, by_word_and_number);
  const struct db_column columns[] = {DB_COLUMN(DB_TEXT, rows.p, word),
                                      DB_COLUMN(DB_I64, rows.p, number)};
  return db_execute_rows(group->db, STR("INSERT INTO message_word(word,number) VALUES(?,?)"),
                         columns, 2, rows.n, reterr);
}

struct seen_row {
  int64_t key, number;
};

static int insert_seen(struct group *group, struct err *reterr) {
  size_t n = 0;
  struct seen_row *rows = ARENA_ARRAY(group->arena, struct seen_row, group->messages.n);
  if (!rows)
    return err_no_memory(reterr);
  for (size_t i = 0; i < group->messages.n; i++) {
    const struct staged_message *message = &group->messages.p[i];
    if (message->message->status == STORE_MESSAGE_ACCEPTED)
      rows[n++] = (struct seen_row){message->prepared->seen_key, message->number};
  }
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, key),
                                      DB_COLUMN(DB_I64, rows, number)};
  return db_execute_rows(group->db, STR("INSERT INTO message_seen(key,number) VALUES(?,?)"),
                         columns, 2, n, reterr);
}

static int write_messages(struct group *group, struct err *reterr) {
  if (group->messages.n == 0)
    return 0;
  int code = insert_messages(group, reterr);
  if (code == 0)
    code = insert_message_words(group, reterr);
  return code ? code : insert_seen(group, reterr);
}

static int write_audits(struct group *group, struct err *reterr) {
  struct staged_audit *rows = group->audits.p;
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, number),         DB_COLUMN(DB_I64, rows, seq),
      DB_COLUMN(DB_TEXT, rows, audit.action),  DB_COLUMN(DB_TEXT, rows, audit.what),
      DB_COLUMN(DB_TEXT, rows, audit.outcome), DB_COLUMN(DB_TEXT, rows, audit.detail)};
  return db_execute_rows(
      group->db,
      STR("INSERT INTO audit(number,seq,action,what,outcome,detail) VALUES(?,?,?,?,?,?)"), columns,
      6, group->audits.n, reterr);
}

static int write_deliveries(struct group *group, struct err *reterr) {
  const struct staged_delivery *rows = group->deliveries.p;
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, number),        DB_COLUMN(DB_I64, rows, seq),
      DB_COLUMN(DB_I64, rows, not_before_us), DB_COLUMN(DB_TEXT, rows, destination),
      DB_COLUMN(DB_TEXT, rows, content_type), DB_COLUMN(DB_BYTES, rows, body)};
  return db_execute_rows(group->db,
                         STR("INSERT INTO delivery(number,seq,state,not_before,attempts,"
                             "destination,content_type,body) VALUES(?,?,0,?,0,?,?,?)"),
                         columns, 6, group->deliveries.n, reterr);
}

static int write_log(struct group *group, struct err *reterr) {
  const struct staged_commit *commits = group->commits.p;
  const struct db_column commit_columns[] = {DB_COLUMN(DB_I64, commits, seq),
                                             DB_COLUMN(DB_I64, commits, time_us),
                                             DB_COLUMN(DB_TEXT, commits, principal)};
  int code =
      db_execute_rows(group->db, STR("INSERT INTO commit_log(seq,time,principal) VALUES(?,?,?)"),
                      commit_columns, 3, group->commits.n, reterr);
  const struct staged_lineage *lineages = group->lineages.p;
  const struct db_column lineage_columns[] = {
      DB_COLUMN(DB_I64, lineages, message), DB_COLUMN(DB_I64, lineages, rid),
      DB_COLUMN(DB_I64, lineages, version), DB_COLUMN(DB_BYTES, lineages, bytes)};
  if (code == 0)
    code = db_execute_rows(group->db,
                           STR("INSERT INTO lineage(message,rid,version,bytes) VALUES(?,?,?,?)"
                               " ON CONFLICT DO NOTHING"),
                           lineage_columns, 4, group->lineages.n, reterr);
  const struct staged_event *events = group->events.p;
  const struct db_column event_columns[] = {
      DB_COLUMN(DB_I64, events, number),  DB_COLUMN(DB_I64, events, seq),
      DB_COLUMN(DB_I64, events, kind),    DB_COLUMN(DB_I64, events, rid),
      DB_COLUMN(DB_I64, events, version), DB_COLUMN(DB_I64, events, message),
      DB_COLUMN(DB_I64, events, type)};
  if (code == 0)
    code = db_execute_rows(
        group->db,
        STR("INSERT INTO event(number,seq,kind,rid,version,message,type) VALUES(?,?,?,?,?,?,?)"),
        event_columns, 7, group->events.n, reterr);
  return code;
}

int group_write_notes(struct group *group, struct err *reterr) {
  int code = write_messages(group, reterr);
  if (code == 0)
    code = write_log(group, reterr);
  if (code == 0)
    code = write_audits(group, reterr);
  return code ? code : write_deliveries(group, reterr);
}
