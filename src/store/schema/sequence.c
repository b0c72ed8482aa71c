#include "store/schema/sequence.h"

#include "store/schema/schema.h"

static int check_schema(int64_t version, struct err *reterr) {
  if (version == SCHEMA_VERSION)
    return 0;
  if (version > SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "",
                   "A newer Callosum has upgraded the store meanwhile (schema %lld, this program"
                   " knows %u): end this process and start the newer program.",
                   (long long)version, SCHEMA_VERSION);
  return err_set(reterr, ERR_STORE, "",
                 "The store's schema is %lld, not %u: it was replaced while it was open.",
                 (long long)version, SCHEMA_VERSION);
}

int sequence_ask(struct db *db, struct db_statement **ret_row, struct err *reterr) {
  int code = db_prepare(db,
                        STR("SELECT schema,time,rid,seq,message,versions,event,audit,delivery,job,"
                            "definitions,dictionaries FROM sequence WHERE id=1"),
                        ret_row, reterr);
  if (code == 0)
    db_send(*ret_row);
  return code;
}

int sequence_take(struct db_statement *row, struct sequence *ret_sequence, struct err *reterr) {
  bool has_row = false;
  int code = db_step(row, &has_row, reterr);
  if (code == 0 && !has_row)
    code = err_set(reterr, ERR_STORE, "",
                   "The store has lost its row of last numbers; restore it from a backup.");
  if (code == 0)
    code = check_schema(db_column_i64(row, 0), reterr);
  if (code == 0)
    *ret_sequence = (struct sequence){
        .time_us = db_column_i64(row, 1),
        .rid = (uint64_t)db_column_i64(row, 2),
        .seq = (uint64_t)db_column_i64(row, 3),
        .message = (uint64_t)db_column_i64(row, 4),
        .versions = (uint64_t)db_column_i64(row, 5),
        .event = (uint64_t)db_column_i64(row, 6),
        .audit = (uint64_t)db_column_i64(row, 7),
        .delivery = (uint64_t)db_column_i64(row, 8),
        .job = (uint64_t)db_column_i64(row, 9),
        .definitions = (uint64_t)db_column_i64(row, 10),
        .dictionaries = (uint64_t)db_column_i64(row, 11),
    };
  db_release(row);
  return code;
}

int sequence_read(struct db *db, struct sequence *ret_sequence, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = sequence_ask(db, &row, reterr);
  return code ? code : sequence_take(row, ret_sequence, reterr);
}

int sequence_write(struct db *db, const struct sequence *sequence, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db,
                        STR("UPDATE sequence SET time=?,rid=?,seq=?,message=?,versions=?,event=?,"
                            "audit=?,delivery=?,job=?,definitions=?,dictionaries=? WHERE id=1"),
                        &row, reterr);
  if (code != 0)
    return code;
  const uint64_t numbers[] = {(uint64_t)sequence->time_us,
                              sequence->rid,
                              sequence->seq,
                              sequence->message,
                              sequence->versions,
                              sequence->event,
                              sequence->audit,
                              sequence->delivery,
                              sequence->job,
                              sequence->definitions,
                              sequence->dictionaries};
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    db_bind_i64(row, (int)i + 1, (int64_t)numbers[i]);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}
