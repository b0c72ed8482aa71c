/* A connection in a fresh place (a file, or a schema: store_fixture.h), with a table t(k PRIMARY
 * KEY, n, x, b), and short ways to use it. */
#ifndef TEST_UNIT_STORE_DB_FIXTURE_H
#define TEST_UNIT_STORE_DB_FIXTURE_H

#include "store_fixture.h"

#include "store/db.h"

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

#endif
