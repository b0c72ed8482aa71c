/* A connection in a fresh place (a file, or a schema: store_fixture.h), with a table t(k PRIMARY
 * KEY, n, x, b), and short ways to use it. */
#ifndef TEST_UNIT_STORE_DB_FIXTURE_H
#define TEST_UNIT_STORE_DB_FIXTURE_H

#include "store_fixture.h"

#include "store/db/db.h"

#define APPLICATION 7u

static struct db *fixture_db;
static struct err err;

#define must(call)                                                                                 \
  do {                                                                                             \
    if ((call) != 0)                                                                               \
      fail_msg("%s: %s", #call, err.text);                                                         \
  } while (0)

static int open_db(bool is_writer, struct db **ret_db) {
  return db_open(&(struct db_options){.path = fixture_path,
                                      .newest = {APPLICATION, 3},
                                      .is_writer = is_writer},
                 ret_db, &err);
}

static int db_setup(void **state) {
  if (fixture_setup(state) != 0)
    return -1;
  must(open_db(true, &fixture_db));
  must(db_set_identity(fixture_db, (struct db_identity){APPLICATION, 3}, &err));
  if (db_is_remote(fixture_db))
    must(db_run(fixture_db,
                "CREATE TABLE t(k bigint PRIMARY KEY, n bigint, x double precision, b bytea);"
                "CREATE TABLE db_writer(id bigint PRIMARY KEY, number bigint NOT NULL)",
                &err));
  else
    must(db_run(fixture_db, "CREATE TABLE t(k INTEGER PRIMARY KEY, n INTEGER, x REAL, b BLOB)",
                &err));
  return 0;
}

static int db_teardown(void **state) {
  db_close(fixture_db);
  fixture_db = NULL;
  return fixture_teardown(state);
}

#define DB_TEST(function) cmocka_unit_test_setup_teardown(function, db_setup, db_teardown)

__attribute__((unused)) static struct db_statement *prepare(const char *sql) {
  struct db_statement *statement = NULL;
  must(db_prepare(fixture_db, str_of(sql), &statement, &err));
  return statement;
}

__attribute__((unused)) static bool step(struct db_statement *statement) {
  bool has_row = false;
  must(db_step(statement, &has_row, &err));
  return has_row;
}

/* What a statement with one number gives. */
__attribute__((unused)) static int64_t number(const char *sql) {
  struct db_statement *statement = prepare(sql);
  int64_t value = step(statement) ? db_column_i64(statement, 0) : -1;
  db_release(statement);
  return value;
}

/* Rows with k, n=10k, x=k/2 in the open transaction. */
__attribute__((unused)) static void insert_number(int64_t k) {
  struct db_statement *insert = prepare("INSERT INTO t(k,n,x) VALUES(?,?,?)");
  db_bind_i64(insert, 1, k);
  db_bind_i64(insert, 2, k * 10);
  db_bind_double(insert, 3, (double)k / 2);
  must(db_execute(insert, &err));
  db_release(insert);
}

/* k from `first` on, committed. */
__attribute__((unused)) static void insert_numbers(int64_t first, int64_t n) {
  must(db_begin_write(fixture_db, &err));
  for (int64_t i = 0; i < n; i++)
    insert_number(first + i);
  must(db_commit(fixture_db, &err));
}

/* One row in a write transaction of `db`; what came of it. */
__attribute__((unused)) static int try_commit(struct db *db, int64_t k) {
  int code = db_begin_write(db, &err);
  struct db_statement *insert = NULL;
  if (code == 0)
    code = db_prepare(db, STR("INSERT INTO t(k) VALUES(?)"), &insert, &err);
  if (code == 0) {
    db_bind_i64(insert, 1, k);
    code = db_execute(insert, &err);
    db_release(insert);
  }
  if (code == 0)
    code = db_commit(db, &err);
  if (code != 0)
    db_rollback(db);
  return code;
}

#endif
