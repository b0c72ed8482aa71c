/* Nobody can hold up the writers of a store: who has the turn to write and says nothing is ended,
 * who works is not. The one who has it is a client that speaks to the server directly. */
#include "db_fixture.h"

#include "base/clock.h"

#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define SILENCE_US 600000
#define LOCK_CLASS 0x436c7361

static PGconn *holder;

static bool take_all(PGconn *conn) {
  bool is_good = true;
  for (PGresult *result; (result = PQgetResult(conn)); PQclear(result))
    is_good &= PQresultStatus(result) != PGRES_FATAL_ERROR;
  return is_good;
}

/* A text without placeholders, which may be several statements. */
static void ask_alone(PGconn *conn, const char *sql) {
  PGresult *result = PQexec(conn, sql);
  if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
    fail_msg("%s: %s", sql, PQerrorMessage(conn));
  PQclear(result);
}

static const char *lock_sql(void) {
  static char sql[160];
  snprintf(sql, sizeof sql,
           "SELECT pg_advisory_xact_lock(%d,(SELECT oid::bigint::int FROM pg_namespace WHERE "
           "nspname=current_schema()))",
           LOCK_CLASS);
  return sql;
}

/* Has the turn to write, in an open pipeline: nothing behind it was synced. */
static void hold_in_pipeline(void) {
  assert_int_equal(PQenterPipelineMode(holder), 1);
  assert_int_equal(PQsendQueryParams(holder, "BEGIN", 0, NULL, NULL, NULL, NULL, 0), 1);
  assert_int_equal(PQsendQueryParams(holder, lock_sql(), 0, NULL, NULL, NULL, NULL, 0), 1);
  assert_int_equal(PQflush(holder), 0);
  for (int i = 0; i < 200; i++) {
    if (number("SELECT count(*) FROM pg_locks WHERE locktype='advisory' AND granted AND "
               "classid=1131180897 AND objid=(SELECT oid FROM pg_namespace WHERE "
               "nspname=current_schema())") == 1)
      return;
    usleep(10000);
  }
  fail_msg("the lock was not taken");
}

static int turn_setup(void **state) {
  if (db_setup(state) != 0)
    return -1;
  holder = PQconnectdb(fixture_path);
  return PQstatus(holder) == CONNECTION_OK ? 0 : -1;
}

static int turn_teardown(void **state) {
  PQfinish(holder);
  return db_teardown(state);
}

#define TURN_TEST(function) cmocka_unit_test_setup_teardown(function, turn_setup, turn_teardown)

static int write_one(const char *more, int64_t k) {
  char path[800];
  struct db *db = NULL;
  snprintf(path, sizeof path, "%s%s", fixture_path, more);
  must(db_open(
      &(struct db_options){
          .path = path, .newest = {APPLICATION, 3}, .is_writer = true, .silence_us = SILENCE_US},
      &db, &err));
  int code = try_commit(db, k);
  db_close(db);
  return code;
}

/* ---- Silent ---- */

static void the_server_itself_leaves_a_silent_pipeline_alone(void **state) {
  (void)state;
  ask_alone(holder, "SET idle_in_transaction_session_timeout='200ms'");
  hold_in_pipeline();
  usleep(1000000);
  assert_int_equal(
      number("SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING(pid) WHERE "
             "l.locktype='advisory' AND l.classid=1131180897 AND a.wait_event='ClientRead' AND "
             "a.state='active' AND l.objid=(SELECT oid FROM pg_namespace WHERE "
             "nspname=current_schema())"),
      1);
}

static void who_has_the_turn_and_says_nothing_is_ended(void **state) {
  (void)state;
  hold_in_pipeline();
  int64_t began_us = clock_monotonic_us();
  assert_int_equal(write_one("", 1), 0); /* the waiting transaction itself goes on */
  int64_t took_us = clock_monotonic_us() - began_us;
  assert_true(took_us >= SILENCE_US);
  assert_true(took_us < 10000000);
  assert_int_equal(number("SELECT count(*) FROM t"), 1);
  PQpipelineSync(holder);
  while (PQstatus(holder) == CONNECTION_OK && PQconsumeInput(holder))
    usleep(10000);
  assert_int_equal(PQstatus(holder), CONNECTION_BAD);
}

/* Outside a pipeline too: a person in psql, who began and went to lunch. */
static void an_idle_transaction_that_has_the_turn_is_ended(void **state) {
  (void)state;
  ask_alone(holder, "BEGIN");
  ask_alone(holder, lock_sql());
  assert_int_equal(write_one("", 1), 0);
  assert_int_equal(number("SELECT count(*) FROM t"), 1);
}

/* What waits to be sent when the turn does not come: the buffers are full. */
static void who_has_much_to_send_does_not_wait_for_one_who_is_silent(void **state) {
  (void)state;
  enum { ROWS = 40, ROW_BYTES = 100000 };
  char *bytes = calloc(1, ROW_BYTES);
  struct db *db = NULL, *before = fixture_db;
  assert_non_null(bytes);
  must(db_open(&(struct db_options){.path = fixture_path,
                                    .newest = {APPLICATION, 3},
                                    .is_writer = true,
                                    .silence_us = SILENCE_US},
               &db, &err));
  hold_in_pipeline();
  fixture_db = db;
  must(db_begin_write(db, &err));
  for (int64_t k = 1; k <= ROWS; k++) {
    struct db_statement *insert = prepare("INSERT INTO t(k,b) VALUES(?,?)");
    db_bind_i64(insert, 1, k);
    db_bind_bytes(insert, 2, str_n(bytes, ROW_BYTES));
    must(db_execute(insert, &err));
    db_release(insert);
  }
  must(db_commit(db, &err));
  fixture_db = before;
  assert_int_equal(number("SELECT count(*) FROM t"), ROWS);
  db_close(db);
  free(bytes);
}

/* ---- Working ---- */

static atomic_bool has_committed, is_ended;

/* Many small statements, none of them synced, for four times as long as one may be silent. */
static void *work(void *what) {
  (void)what;
  for (int i = 0; i < 24 && !atomic_load(&is_ended); i++) {
    usleep(SILENCE_US / 6);
    PQsendQueryParams(holder, "SELECT 1", 0, NULL, NULL, NULL, NULL, 0);
    atomic_store(&is_ended, PQflush(holder) != 0);
  }
  PQsendQueryParams(holder, "COMMIT", 0, NULL, NULL, NULL, NULL, 0);
  PQpipelineSync(holder);
  atomic_store(&has_committed, true);
  PQflush(holder);
  return NULL;
}

static void *work_long(void *what) {
  (void)what;
  PQsendQueryParams(holder, "SELECT pg_sleep(2.5)", 0, NULL, NULL, NULL, NULL, 0);
  PQflush(holder);
  usleep(2600000);
  PQsendQueryParams(holder, "COMMIT", 0, NULL, NULL, NULL, NULL, 0);
  PQpipelineSync(holder);
  atomic_store(&has_committed, true);
  PQflush(holder);
  return NULL;
}

static void wait_for(void *(*run)(void *)) {
  pthread_t thread;
  hold_in_pipeline();
  atomic_store(&has_committed, false);
  atomic_store(&is_ended, false);
  assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
  assert_int_equal(write_one("", 1), 0);
  assert_true(atomic_load(&has_committed)); /* it was waited for */
  pthread_join(thread, NULL);
  assert_false(atomic_load(&is_ended));
  assert_true(take_all(holder));
  assert_int_equal(PQstatus(holder), CONNECTION_OK);
}

static void who_sends_now_and_then_is_not_ended(void **state) {
  (void)state;
  wait_for(work);
}

static void who_waits_for_a_long_statement_is_not_ended(void **state) {
  (void)state;
  wait_for(work_long);
}

/* Another role's session shows nothing and may not be ended: who waits gives up in time. */
static void a_session_that_may_not_be_seen_is_left_alone(void **state) {
  (void)state;
  char path[600];
  snprintf(path, sizeof path, "%s&user=postgres", fixture_path);
  PQfinish(holder);
  holder = PQconnectdb(path);
  assert_int_equal(PQstatus(holder), CONNECTION_OK);
  hold_in_pipeline();
  assert_int_equal(write_one("%20-clock_timeout%3D2500ms", 1), ERR_BUSY);
  PQsendQueryParams(holder, "COMMIT", 0, NULL, NULL, NULL, NULL, 0);
  PQpipelineSync(holder);
  PQflush(holder);
  assert_true(take_all(holder));
  assert_int_equal(PQstatus(holder), CONNECTION_OK);
  assert_int_equal(number("SELECT count(*) FROM t"), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TURN_TEST(the_server_itself_leaves_a_silent_pipeline_alone),
      TURN_TEST(who_has_the_turn_and_says_nothing_is_ended),
      TURN_TEST(an_idle_transaction_that_has_the_turn_is_ended),
      TURN_TEST(who_has_much_to_send_does_not_wait_for_one_who_is_silent),
      TURN_TEST(who_sends_now_and_then_is_not_ended),
      TURN_TEST(who_waits_for_a_long_statement_is_not_ended),
      TURN_TEST(a_session_that_may_not_be_seen_is_left_alone),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
