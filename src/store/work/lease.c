#include "store/work/lease.h"

#include "store/work/process.h"
#include "store/store_internal.h"

/* ---- In a transaction ---- */

int lease_end(struct db *db, int64_t for_us, int64_t *ret_now_us, int64_t *ret_until_us,
              struct err *reterr) {
  int64_t now;
  int code = db_now(db, &now, reterr);
  if (code != 0)
    return code;
  *ret_now_us = now;
  *ret_until_us = db_is_remote(db) ? now + for_us : INT64_MAX;
  return 0;
}

struct lease {
  bool is_there;
  int64_t holder, until_us;
};

static int read_lease(struct db *db, struct str name, struct lease *ret_lease, struct err *reterr) {
  struct db_statement *row = NULL;
  struct lease lease = {0};
  int code = db_prepare(db, STR("SELECT holder,until FROM lease WHERE name=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, name);
  code = db_step(row, &lease.is_there, reterr);
  if (code == 0 && lease.is_there) {
    lease.holder = db_column_i64(row, 0);
    lease.until_us = db_column_i64(row, 1);
  }
  db_release(row);
  *ret_lease = lease;
  return code;
}

static int write_lease(struct db *db, struct str name, bool is_there, int64_t holder,
                       int64_t until_us, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db,
                        is_there ? STR("UPDATE lease SET holder=?,until=? WHERE name=?")
                                 : STR("INSERT INTO lease(holder,until,name) VALUES(?,?,?)"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, holder);
  db_bind_i64(row, 2, until_us);
  db_bind_text(row, 3, name);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

int lease_take(struct db *db, struct str name, int64_t holder, int64_t for_us, bool *ret_is_held,
               struct err *reterr) {
  struct lease lease;
  int64_t now, until;
  int code = lease_end(db, for_us, &now, &until, reterr);
  if (code == 0)
    code = read_lease(db, name, &lease, reterr);
  if (code != 0)
    return code;
  *ret_is_held = !lease.is_there || lease.holder == holder || lease.until_us <= now;
  return *ret_is_held ? write_lease(db, name, lease.is_there, holder, until, reterr) : 0;
}

int lease_is_held(struct db *db, struct str name, int64_t holder, bool *ret_is_held,
                  struct err *reterr) {
  struct lease lease;
  int code = read_lease(db, name, &lease, reterr);
  if (code == 0)
    *ret_is_held = lease.is_there && lease.holder == holder;
  return code;
}

int lease_release(struct db *db, struct str name, int64_t holder, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db, STR("DELETE FROM lease WHERE name=? AND holder=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, name);
  db_bind_i64(row, 2, holder);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

int lease_renew_all(struct db *db, int64_t holder, int64_t for_us, struct err *reterr) {
  int64_t now, until;
  int code = lease_end(db, for_us, &now, &until, reterr);
  if (code != 0)
    return code;
  const int64_t values[] = {until, holder};
  return db_execute_i64(db, STR("UPDATE lease SET until=? WHERE holder=?"), values, 2, reterr);
}

int lease_release_all(struct db *db, int64_t holder, struct err *reterr) {
  struct str sql =
      holder ? STR("DELETE FROM lease WHERE holder=?") : STR("DELETE FROM lease WHERE holder<>?");
  return db_execute_i64(db, sql, &holder, 1, reterr);
}

/* ---- As a commit ---- */

struct request {
  struct str name;
  int64_t holder, for_us;
  bool is_held;
};

static int take_inside(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  (void)sequence;
  struct request *r = what;
  return lease_take(db, r->name, r->holder, r->for_us, &r->is_held, reterr);
}

static int release_inside(void *what, struct db *db, struct sequence *sequence,
                          struct err *reterr) {
  (void)sequence;
  const struct request *r = what;
  return lease_release(db, r->name, r->holder, reterr);
}

int store_lease_take(struct store *store, struct str name, bool *ret_is_held, struct err *reterr) {
  struct request request = {
      .name = name, .holder = store_process_id(store), .for_us = store_lease_us(store)};
  int code = store_run_task(store, take_inside, &request, reterr);
  if (code == 0)
    *ret_is_held = request.is_held;
  return code;
}

int store_lease_release(struct store *store, struct str name, struct err *reterr) {
  struct request request = {.name = name, .holder = store_process_id(store)};
  return store_run_task(store, release_inside, &request, reterr);
}
