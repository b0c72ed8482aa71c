#include "store/work/delivery.h"

#include "store/commit/commit.h"
#include "store/work/process.h"
#include "store/store_internal.h"

#define COLUMNS "number,seq,state,destination,content_type,not_before,attempts,holder,body"

static int read_row(const struct body_codec *codec, struct db_statement *row, struct arena *arena,
                    struct delivery *delivery, struct err *reterr) {
  *delivery = (struct delivery){.number = (uint64_t)db_column_i64(row, 0),
                                .commit_seq = (uint64_t)db_column_i64(row, 1),
                                .state = (enum delivery_state)db_column_i64(row, 2),
                                .destination = arena_str(arena, db_column_str(row, 3)),
                                .content_type = arena_str(arena, db_column_str(row, 4)),
                                .due_us = db_column_i64(row, 5),
                                .attempt = (uint64_t)db_column_i64(row, 6),
                                .holder = db_column_i64(row, 7)};
  if (!delivery->destination.p || !delivery->content_type.p)
    return err_no_memory(reterr);
  return body_unpack(codec, arena, db_column_str(row, 8), &delivery->body, reterr);
}

/* ---- Claiming ---- */

struct claiming {
  struct arena *arena;
  const struct body_codec *codec;
  const struct delivery_claim *claim;
  int64_t holder;
  VEC(struct delivery) list;
};

static int read_due(struct claiming *c, struct db *db, int64_t now_us, struct err *reterr) {
  struct db_query query;
  struct db_statement *row = NULL;
  bool has_row;
  size_t max = c->claim->max < DELIVERY_CLAIM_MAX ? c->claim->max : DELIVERY_CLAIM_MAX;
  c->list.n = 0; /* the transaction may be run again */
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT " COLUMNS " FROM delivery WHERE state=0 AND not_before<=");
  db_query_i64(&query, now_us);
  if (c->claim->destination.n > 0) {
    db_query_add(&query, " AND destination=");
    db_query_text(&query, c->claim->destination);
  }
  db_query_add(&query, " ORDER BY not_before,number LIMIT ");
  db_query_i64(&query, (int64_t)max);
  int code = db_query_start(db, &query, &row, reterr);
  if (code != 0)
    return code;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct delivery *delivery = VEC_PUSH(c->arena, &c->list);
    code = delivery ? read_row(c->codec, row, c->arena, delivery, reterr) : err_no_memory(reterr);
    if (code != 0)
      break;
    delivery->attempt++;
    delivery->holder = c->holder;
  }
  db_release(row);
  return code;
}

struct claimed_row {
  int64_t holder, until_us, not_before_us, attempt, number;
};

static int claim_inside(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  (void)sequence;
  struct claiming *c = what;
  int64_t now, lease_us = c->claim->lease_us ? c->claim->lease_us : LEASE_US;
  int code = db_now(db, &now, reterr);
  if (code == 0)
    code = read_due(c, db, now, reterr);
  if (code != 0 || c->list.n == 0)
    return code;
  struct claimed_row *rows = ARENA_ARRAY(c->arena, struct claimed_row, c->list.n);
  if (!rows)
    return err_no_memory(reterr);
  for (size_t i = 0; i < c->list.n; i++)
    rows[i] = (struct claimed_row){c->holder, now + lease_us, now + lease_us,
                                   (int64_t)c->list.p[i].attempt, (int64_t)c->list.p[i].number};
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, holder), DB_COLUMN(DB_I64, rows, until_us),
      DB_COLUMN(DB_I64, rows, not_before_us), DB_COLUMN(DB_I64, rows, attempt),
      DB_COLUMN(DB_I64, rows, number)};
  return db_execute_rows(
      db, STR("UPDATE delivery SET holder=?,lease=?,not_before=?,attempts=? WHERE number=?"),
      columns, 5, c->list.n, reterr);
}

int delivery_claim(struct store *store, struct arena *arena, const struct delivery_claim *claim,
                   struct deliveries *ret_deliveries, struct err *reterr) {
  struct claiming c = {.arena = arena,
                       .codec = store_codec(store),
                       .claim = claim,
                       .holder = store_process_id(store)};
  int code = store_run_task(store, claim_inside, &c, reterr);
  if (code == 0)
    *ret_deliveries = (struct deliveries){c.list.p, c.list.n};
  return code;
}

/* ---- Reading ---- */

int delivery_next_due(struct store_view *view, struct str destination, int64_t *ret_due_us,
                      struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false, is_of_one = destination.n > 0;
  struct str sql =
      is_of_one ? STR("SELECT not_before FROM delivery WHERE state=0 AND destination=?"
                      " ORDER BY not_before LIMIT 1")
                : STR("SELECT not_before FROM delivery WHERE state=0 ORDER BY not_before LIMIT 1");
  int code = db_prepare(store_view_db(view), sql, &row, reterr);
  if (code != 0)
    return code;
  if (is_of_one)
    db_bind_text(row, 1, destination);
  code = db_step(row, &has_row, reterr);
  if (code == 0)
    *ret_due_us = has_row ? db_column_i64(row, 0) : INT64_MAX;
  db_release(row);
  return code;
}

static int not_found(struct err *reterr) {
  return err_set(reterr, ERR_NOT_FOUND, "", "There is no such delivery.");
}

int delivery_read(struct store_view *view, struct arena *arena, uint64_t number,
                  struct delivery *ret_delivery, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(store_view_db(view), STR("SELECT " COLUMNS " FROM delivery WHERE number=?"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, number <= INT64_MAX ? (int64_t)number : -1);
  code = db_step(row, &has_row, reterr);
  if (code == 0)
    code = has_row ? read_row(store_view_codec(view), row, arena, ret_delivery, reterr)
                   : not_found(reterr);
  db_release(row);
  return code;
}

/* ---- What became of it ---- */

int delivery_check(struct db *db, const struct delivery_change *change, bool *ret_is_refusal,
                   struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(db, STR("SELECT state,holder,attempts FROM delivery WHERE number=?"), &row,
                        reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, change->number <= INT64_MAX ? (int64_t)change->number : -1);
  code = db_step(row, &has_row, reterr);
  if (code == 0) {
    if (!has_row)
      code = not_found(reterr);
    else if (db_column_i64(row, 0) != DELIVERY_WAITING ||
             db_column_i64(row, 1) != change->holder_ ||
             (uint64_t)db_column_i64(row, 2) != change->attempt)
      code = err_set(reterr, ERR_CONFLICT, "",
                     "The delivery is not in the hands of this sender any more.");
    *ret_is_refusal = code != 0;
  }
  db_release(row);
  return code;
}

static int write_state(struct db *db, const struct delivery_change *change,
                       enum delivery_state state, int64_t not_before_us, struct err *reterr) {
  const int64_t values[] = {state, not_before_us, (int64_t)change->number};
  return db_execute_i64(
      db, STR("UPDATE delivery SET state=?,not_before=?,holder=0,lease=0 WHERE number=?"), values,
      3, reterr);
}

static int renew(struct db *db, const struct delivery_change *change, int64_t now_us,
                 struct err *reterr) {
  int64_t until = now_us + (change->lease_us ? change->lease_us : LEASE_US);
  const int64_t values[] = {until, until, (int64_t)change->number};
  return db_execute_i64(db, STR("UPDATE delivery SET lease=?,not_before=? WHERE number=?"), values,
                        3, reterr);
}

int delivery_apply(struct db *db, const struct delivery_change *change, struct err *reterr) {
  int64_t now;
  int code = db_now(db, &now, reterr);
  if (code != 0)
    return code;
  switch (change->verb) {
  case DELIVERY_RENEW:
    return renew(db, change, now, reterr);
  case DELIVERY_RETRY:
    if (change->attempts_max == 0 || change->attempt < change->attempts_max)
      return write_state(db, change, DELIVERY_WAITING, change->not_before_us, reterr);
    return write_state(db, change, DELIVERY_DEAD, now, reterr);
  case DELIVERY_IS_DEAD:
    return write_state(db, change, DELIVERY_DEAD, now, reterr);
  case DELIVERY_IS_DONE:
    break;
  }
  return write_state(db, change, DELIVERY_DONE, now, reterr);
}

int delivery_change(struct store *store, struct delivery_change *changes, size_t n,
                    struct err *reterr) {
  struct arena *arena = arena_new((size_t)1 << 20);
  if (!arena)
    return err_no_memory(reterr);
  struct store_commit commit = {
      .arena = arena, .principal = STR(""), .delivery_changes = changes, .delivery_changes_n = n};
  int code = store_commit_wait(store, &commit, reterr);
  arena_free(arena);
  return code;
}

int delivery_release_all(struct db *db, int64_t holder, struct err *reterr) {
  int64_t now;
  struct str sql = holder ? STR("UPDATE delivery SET not_before=?,holder=0,lease=0"
                                " WHERE state=0 AND holder=?")
                          : STR("UPDATE delivery SET not_before=?,holder=0,lease=0"
                                " WHERE state=0 AND holder<>?");
  int code = db_now(db, &now, reterr);
  if (code != 0)
    return code;
  const int64_t values[] = {now, holder};
  return db_execute_i64(db, sql, values, 2, reterr);
}
