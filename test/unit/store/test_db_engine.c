/* What db.h promises, on either engine. */
#include "db_fixture.h"

#include "base/clock.h"

#include <pthread.h>

/* ---- Values ---- */

static void rows_come_back_as_they_were_bound(void **state) {
  (void)state;
  struct db_statement *insert = prepare("INSERT INTO t(k,n,x,b) VALUES(?,?,?,?)");
  must(db_begin_write(fixture_db, &err));
  for (int i = 0; i < 3; i++) {
    db_bind_i64(insert, 1, i);
    db_bind_i64(insert, 2, i == 0 ? INT64_MIN : i == 1 ? INT64_MAX : -1);
    db_bind_double(insert, 3, i - 0.25);
    if (i == 2)
      db_bind_null(insert, 4);
    else
      db_bind_bytes(insert, 4, i ? STR("") : STR("\0\xff'\\?"));
    must(db_execute(insert, &err));
  }
  must(db_commit(fixture_db, &err));
  db_release(insert);
  struct db_statement *select = prepare("SELECT n,x,b,k FROM t WHERE k>=? ORDER BY k");
  db_bind_i64(select, 1, 0);
  for (int i = 0; i < 3; i++) {
    assert_true(step(select));
    assert_true(db_column_i64(select, 0) == (i == 0 ? INT64_MIN : i == 1 ? INT64_MAX : -1));
    assert_true(db_column_double(select, 1) == i - 0.25);
    assert_int_equal(db_column_is_null(select, 2), i == 2);
    assert_true(str_equal(db_column_str(select, 2), i == 0 ? STR("\0\xff'\\?") : STR("")));
    assert_int_equal(db_column_i64(select, 3), i);
  }
  assert_false(step(select));
  db_release(select);
}

static void computed_columns_are_numbers(void **state) {
  (void)state;
  insert_numbers(1, 3);
  struct db_statement *select =
      prepare("SELECT count(*),sum(n),max(n),min(n)=10,sum(x),avg(n),"
              "CASE WHEN max(n)>? THEN 'yes' ELSE 'no' END,NULL,1.5 FROM t WHERE k<3");
  db_bind_i64(select, 1, 0);
  assert_true(step(select));
  assert_int_equal(db_column_i64(select, 0), 2);
  assert_int_equal(db_column_i64(select, 1), 30);
  assert_int_equal(db_column_i64(select, 2), 20);
  assert_int_equal(db_column_i64(select, 3), 1);
  assert_true(db_column_double(select, 4) == 1.5);
  assert_int_equal(db_column_i64(select, 5), 15);
  assert_true(db_column_double(select, 5) == 15);
  assert_str(db_column_str(select, 6), "yes");
  assert_true(db_column_is_null(select, 7));
  assert_int_equal(db_column_i64(select, 7), 0);
  assert_true(db_column_double(select, 8) == 1.5);
  assert_int_equal(db_column_i64(select, 8), 1);
  db_release(select);
}

static void values_change_their_kind_from_one_use_to_the_next(void **state) {
  (void)state;
  struct db_statement *insert = prepare("INSERT INTO t(k,n,b) VALUES(?,?,?)");
  must(db_begin_write(fixture_db, &err));
  for (int i = 0; i < 6; i++) {
    db_bind_i64(insert, 1, i);
    if (i % 2)
      db_bind_i64(insert, 2, i);
    else
      db_bind_null(insert, 2);
    if (i % 3)
      db_bind_text(insert, 3, STR("text"));
    else
      db_bind_null(insert, 3);
    must(db_execute(insert, &err));
  }
  must(db_commit(fixture_db, &err));
  db_release(insert);
  assert_int_equal(number("SELECT count(*) FROM t WHERE n IS NULL"), 3);
  assert_int_equal(number("SELECT count(*) FROM t WHERE b IS NULL"), 2);
}

/* ---- Many rows ---- */

struct row {
  int64_t k, n;
  double x;
  struct str b;
};

static struct row *rows_of(size_t n) {
  struct row *rows = ARENA_ARRAY(test_arena, struct row, n);
  for (size_t i = 0; i < n; i++)
    rows[i] = (struct row){.k = (int64_t)i + 1,
                           .n = (int64_t)i * 10,
                           .x = (double)i / 4,
                           .b = i % 7 ? arena_printf(test_arena, "b%zu", i % 100) : STR_NULL};
  return rows;
}

static void insert_rows(const struct row *rows, size_t n) {
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, k), DB_COLUMN(DB_I64, rows, n),
                                      DB_COLUMN(DB_DOUBLE, rows, x), DB_COLUMN(DB_BYTES, rows, b)};
  must(db_begin_write(fixture_db, &err));
  must(db_execute_rows(fixture_db,
                       STR("INSERT INTO t(k,n,x,b) VALUES(?,?,?,?) ON CONFLICT(k) DO NOTHING"),
                       columns, 4, n, &err));
  must(db_commit(fixture_db, &err));
}

static void many_rows_are_inserted_changed_and_deleted(void **state) {
  (void)state;
  enum { N = 40000 };
  struct row *rows = rows_of(N);
  insert_rows(rows, N);
  insert_rows(rows, 10); /* again: no effect */
  assert_int_equal(number("SELECT count(*) FROM t"), N);
  assert_int_equal(number("SELECT sum(n) FROM t"), (int64_t)N * (N - 1) * 5);
  assert_int_equal(number("SELECT count(*) FROM t WHERE b IS NULL"), (N + 6) / 7);
  const struct db_column change[] = {DB_COLUMN(DB_TEXT, rows, b), DB_COLUMN(DB_I64, rows, k)};
  for (size_t i = 0; i < N; i++)
    rows[i].b = STR("new");
  must(db_begin_write(fixture_db, &err));
  must(
      db_execute_rows(fixture_db, STR("UPDATE t SET b=?,n=n+1 WHERE k=?"), change, 2, N / 2, &err));
  must(db_execute_rows(fixture_db, STR("DELETE FROM t WHERE k=?"), &change[1], 1, N / 4, &err));
  must(db_execute_rows(fixture_db, STR("DELETE FROM t WHERE k=?"), &change[1], 1, 0, &err));
  must(db_commit(fixture_db, &err));
  assert_int_equal(number("SELECT count(*) FROM t"), N - N / 4);
  assert_int_equal(number("SELECT count(*) FROM t WHERE b='new' AND n%10=1"), N / 4);
}

static void many_questions_are_answered_in_their_order(void **state) {
  (void)state;
  enum { N = 20000, ASKED = 18000 };
  insert_rows(rows_of(N), N);
  struct row *asked = rows_of(ASKED);
  for (size_t i = 0; i < ASKED; i++) /* backwards; every third is not there; some twice */
    asked[i].k = i % 3 == 2 ? -1 : (int64_t)(ASKED - i / 2 * 2);
  const struct db_column columns[] = {DB_COLUMN(DB_I64, asked, k)};
  struct db_statement *answers = NULL;
  must(db_begin_read(fixture_db, &err));
  must(db_select_rows(fixture_db, STR("SELECT n,b FROM t WHERE k=?"), columns, 1, ASKED, &answers,
                      &err));
  for (size_t i = 0; i < ASKED; i++) {
    if (asked[i].k < 0)
      continue;
    assert_true(step(answers));
    assert_int_equal(db_asked_row(answers), i);
    assert_int_equal(db_column_i64(answers, 0), (asked[i].k - 1) * 10);
  }
  assert_false(step(answers));
  db_release(answers);
  db_rollback(fixture_db);
}

/* Questions of many rows, of more than one piece, are on their way together, and are stepped in
 * another order. */
static void many_questions_are_sent_ahead(void **state) {
  (void)state;
  enum { N = 20000, QUESTIONS = 3 };
  insert_rows(rows_of(N), N);
  struct row *asked = rows_of(N);
  const struct db_column columns[] = {DB_COLUMN(DB_I64, asked, k)};
  static const size_t asked_n[QUESTIONS] = {10, N, 0};
  struct db_statement *answers[QUESTIONS] = {0};
  must(db_begin_read(fixture_db, &err));
  for (size_t i = 0; i < QUESTIONS; i++) {
    must(db_select_rows(fixture_db, STR("SELECT n FROM t WHERE k=?"), columns, 1, asked_n[i],
                        &answers[i], &err));
    db_send(answers[i]);
  }
  for (size_t i = QUESTIONS; i-- > 0;) {
    size_t n = 0;
    for (; step(answers[i]); n++) {
      assert_int_equal(db_asked_row(answers[i]), n);
      assert_int_equal(db_column_i64(answers[i], 0), asked[n].n);
    }
    assert_int_equal(n, asked_n[i]);
    db_release(answers[i]);
  }
  must(db_select_rows(fixture_db, STR("SELECT n FROM t WHERE k=?"), columns, 1, N, &answers[0],
                      &err));
  db_send(answers[0]);
  db_release(answers[0]); /* nobody waits for it */
  db_rollback(fixture_db);
  assert_int_equal(number("SELECT count(*) FROM t"), N);
}

static void a_question_has_many_answers_or_one_of_all(void **state) {
  (void)state;
  insert_rows(rows_of(100), 100);
  struct row asked[] = {{.n = 30}, {.n = 1000}, {.n = 50}};
  const struct db_column columns[] = {DB_COLUMN(DB_I64, asked, n)};
  struct db_statement *answers = NULL;
  must(db_select_rows(fixture_db, STR("SELECT a.k FROM t a CROSS JOIN t b ON b.k=a.k WHERE a.n<?"),
                      columns, 1, 3, &answers, &err));
  size_t seen[3] = {0}, last = 0;
  while (step(answers)) {
    assert_true(db_asked_row(answers) >= last);
    last = db_asked_row(answers);
    seen[last]++;
  }
  db_release(answers);
  assert_int_equal(seen[0], 3);
  assert_int_equal(seen[1], 100);
  assert_int_equal(seen[2], 5);
  must(db_select_rows(fixture_db, STR("SELECT count(*),max(k) FROM t WHERE n<?"), columns, 1, 3,
                      &answers, &err));
  for (size_t i = 0; i < 3; i++) {
    assert_true(step(answers));
    assert_int_equal(db_asked_row(answers), i);
    assert_int_equal(db_column_i64(answers, 0), seen[i]);
  }
  assert_false(step(answers));
  db_release(answers);
  must(db_select_rows(fixture_db, STR("SELECT k FROM t WHERE n=?"), columns, 1, 0, &answers, &err));
  assert_false(step(answers));
  db_release(answers);
}

static void many_keys_are_asked_for_at_once(void **state) {
  (void)state;
  enum { N = 2000, ASKED = 900 };
  struct arena *arena = arena_new((size_t)1 << 20);
  int64_t keys[ASKED];
  bool is_seen[N + 1] = {0};
  struct db_statement *answers[2];
  struct db_query query;
  insert_rows(rows_of(N), N);
  for (size_t i = 0; i < ASKED; i++) /* backwards; some are not there */
    keys[i] = i % 9 == 8 ? -(int64_t)i : N - (int64_t)i * 2;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT k,n,'?' FROM t WHERE k=");
  db_query_i64(&query, 0);
  db_query_add(&query, " AND n<");
  db_query_i64(&query, (N - 200) * 10);
  must(db_begin_read(fixture_db, &err));
  must(db_query_start_keys(fixture_db, &query, keys, 0, &answers[1], &err));
  must(db_query_start_keys(fixture_db, &query, keys, ASKED, &answers[0], &err)); /* on their way */
  while (step(answers[0])) {
    int64_t k = db_column_i64(answers[0], 0);
    assert_true(k > 0 && k <= N - 200 && !is_seen[k]);
    assert_int_equal(db_column_i64(answers[0], 1), (k - 1) * 10);
    is_seen[k] = true;
  }
  for (size_t i = 0; i < ASKED; i++)
    if (keys[i] > 0)
      assert_int_equal(is_seen[keys[i]], (keys[i] - 1) * 10 < (N - 200) * 10);
  assert_false(step(answers[1]));
  db_release(answers[0]);
  db_release(answers[1]);
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT k FROM t");
  assert_int_equal(db_query_start_keys(fixture_db, &query, keys, 1, answers, &err), ERR_INTERNAL);
  db_rollback(fixture_db);
  arena_free(arena);
}

/* ---- Statements ---- */

static void questions_share_a_round_trip(void **state) {
  (void)state;
  enum { N = 5 };
  struct db_statement *sent[N];
  insert_numbers(1, 100);
  must(db_begin_read(fixture_db, &err));
  for (int i = 0; i < N; i++) {
    sent[i] = prepare("SELECT k FROM t WHERE k>? ORDER BY k LIMIT 3");
    db_bind_i64(sent[i], 1, i * 10);
    db_send(sent[i]);
  }
  for (int i = N - 1; i > 0; i--) {
    assert_true(step(sent[i]));
    assert_int_equal(db_column_i64(sent[i], 0), i * 10 + 1);
    assert_true(step(sent[i]));
    if (i == 3)
      db_release(sent[i]);
  }
  db_reset(sent[0]); /* never stepped */
  db_bind_i64(sent[0], 1, 40);
  assert_true(step(sent[0]));
  assert_int_equal(db_column_i64(sent[0], 0), 41);
  for (int i = 0; i < N; i++)
    if (i != 3)
      db_release(sent[i]);
  db_rollback(fixture_db);
}

static void texts_are_many(void **state) {
  (void)state;
  char sql[80];
  insert_numbers(1, 10);
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < 399; i++) {
      snprintf(sql, sizeof sql, "SELECT count(*)+%d FROM t WHERE k<?", i);
      if (i % 3 == 0)
        must(i % 2 ? db_begin_read(fixture_db, &err) : db_begin_write(fixture_db, &err));
      struct db_statement *select = prepare(sql);
      db_bind_i64(select, 1, 5);
      assert_true(step(select));
      assert_int_equal(db_column_i64(select, 0), 4 + i);
      db_release(select);
      if (i % 3 == 2)
        db_rollback(fixture_db);
    }
}

/* ---- Transactions ---- */

static void a_failure_ends_a_write_transaction(void **state) {
  (void)state;
  insert_numbers(1, 2);
  for (int round = 0; round < 3; round++) {
    must(db_begin_write(fixture_db, &err));
    struct db_statement *insert = prepare("INSERT INTO t(k) VALUES(?)");
    db_bind_i64(insert, 1, 100 + round);
    must(db_execute(insert, &err));
    db_bind_i64(insert, 1, 1);
    int code = db_execute(insert, &err); /* or later */
    if (code == 0)
      code = db_commit(fixture_db, &err);
    assert_int_equal(code, ERR_STORE);
    assert_null(strstr(err.text, "(k)=(1)"));
    db_release(insert);
    db_rollback(fixture_db);
    assert_false(db_is_begun(fixture_db));
    assert_int_equal(number("SELECT count(*) FROM t"), 2);
  }
  insert_numbers(5, 1);
  assert_int_equal(number("SELECT count(*) FROM t"), 3);
}

static void what_is_rolled_back_was_never_there(void **state) {
  (void)state;
  must(db_begin_write(fixture_db, &err));
  assert_true(db_is_begun(fixture_db));
  struct db_statement *insert = prepare("INSERT INTO t(k) VALUES(1)");
  must(db_execute(insert, &err));
  db_release(insert);
  assert_int_equal(number("SELECT count(*) FROM t"), 1);
  db_rollback(fixture_db);
  assert_int_equal(number("SELECT count(*) FROM t"), 0);
  must(db_begin_write(fixture_db, &err)); /* nothing in it */
  must(db_commit(fixture_db, &err));
  must(db_begin_read(fixture_db, &err));
  db_rollback(fixture_db);
  db_rollback(fixture_db);
}

static void a_reader_sees_one_state(void **state) {
  (void)state;
  struct db *writer = fixture_db, *reader = NULL;
  insert_numbers(1, 1);
  must(open_db(false, &reader));
  must(db_begin_read(reader, &err));
  fixture_db = reader;
  assert_int_equal(number("SELECT count(*) FROM t"), 1);
  fixture_db = writer;
  insert_numbers(2, 1);
  fixture_db = reader;
  assert_int_equal(number("SELECT count(*) FROM t"), 1);
  db_rollback(reader);
  must(db_begin_read(reader, &err));
  assert_int_equal(number("SELECT count(*) FROM t"), 2);
  db_rollback(reader);
  fixture_db = writer;
  db_close(reader);
}

static void the_clock_goes_on_in_a_write_transaction(void **state) {
  (void)state;
  int64_t outside, first, second;
  must(db_now(fixture_db, &outside, &err));
  must(db_begin_write(fixture_db, &err));
  must(db_now(fixture_db, &first, &err));
  insert_number(1);
  must(db_now(fixture_db, &second, &err));
  must(db_commit(fixture_db, &err));
  assert_true(first > outside - 60000000 && first < outside + 60000000);
  assert_true(second >= first && second < first + 10000000);
}

static void statements_run_together(void **state) {
  (void)state;
  must(db_run(fixture_db, "INSERT INTO t(k,b) VALUES(1,'a;?');INSERT INTO t(k) VALUES(2);", &err));
  must(db_begin_write(fixture_db, &err));
  insert_number(3);
  must(db_run(fixture_db, "INSERT INTO t(k) VALUES(4);DELETE FROM t WHERE k=1", &err));
  db_rollback(fixture_db);
  assert_int_equal(number("SELECT sum(k) FROM t"), 3);
  assert_int_equal(db_run(fixture_db, "INSERT INTO nowhere VALUES(1)", &err), ERR_STORE);
  must(db_begin_write(fixture_db, &err));
  assert_int_equal(db_run(fixture_db, "INSERT INTO nowhere VALUES(1)", &err), ERR_STORE);
  db_rollback(fixture_db);
  must(db_begin_write(fixture_db, &err));
  must(db_run(fixture_db, "INSERT INTO t(k) VALUES(5)", &err));
  must(db_commit(fixture_db, &err));
  assert_int_equal(number("SELECT sum(k) FROM t"), 8);
}

static void a_deadline_breaks_a_statement_off(void **state) {
  (void)state;
  insert_numbers(1, 400);
  for (int round = 0; round < 2; round++) {
    must(db_begin_read(fixture_db, &err));
    db_set_deadline(fixture_db, 50000);
    struct db_statement *select =
        prepare("SELECT count(*) FROM t a,t b,t c,t d WHERE a.n+b.n+c.n+d.n<0");
    bool has_row;
    int64_t began_us = clock_monotonic_us();
    assert_int_equal(db_step(select, &has_row, &err), ERR_TOO_COSTLY);
    assert_true(clock_monotonic_us() - began_us < 20000000);
    assert_true(db_is_over(fixture_db));
    db_release(select);
    db_set_deadline(fixture_db, 0);
    db_rollback(fixture_db);
    must(db_begin_read(fixture_db, &err));
    assert_int_equal(number("SELECT count(*) FROM t"), 400);
    db_rollback(fixture_db);
  }
}

/* ---- Identity, size, paths ---- */

static void what_another_wrote_is_refused(void **state) {
  (void)state;
  struct db *db = NULL;
  struct db_identity identity;
  must(db_identity(fixture_db, &identity, &err));
  assert_int_equal(identity.application, APPLICATION);
  assert_int_equal(identity.version, 3);
  must(db_set_identity(fixture_db, (struct db_identity){APPLICATION, 4}, &err));
  assert_int_equal(open_db(false, &db), ERR_STORE);
  assert_non_null(strstr(err.text, "newer"));
  must(db_set_identity(fixture_db, (struct db_identity){APPLICATION + 1, 1}, &err));
  assert_int_equal(open_db(false, &db), ERR_STORE);
  assert_non_null(strstr(err.text, "another program"));
  if (db_is_remote(fixture_db)) {
    must(db_run(fixture_db, "DROP TABLE callosum_identity", &err));
    assert_int_equal(open_db(true, &db), ERR_STORE);
    assert_non_null(strstr(err.text, "another program"));
    must(db_run(fixture_db, "DROP TABLE t; DROP TABLE db_writer", &err));
    must(open_db(true, &db)); /* an empty schema is a new store */
    db_close(db);
  }
}

static void the_size_is_told(void **state) {
  (void)state;
  struct db_size size;
  uint64_t left = 1;
  must(db_size(fixture_db, &size, &err));
  assert_true(size.data_bytes > 0);
  must(db_checkpoint(fixture_db, &left, &err));
  assert_int_equal(db_is_url(fixture_path), db_is_remote(fixture_db));
  assert_int_equal(db_kind(fixture_db), db_is_remote(fixture_db) ? DB_POSTGRES : DB_SQLITE);
  db_trim(fixture_db);
}

static void a_shown_path_has_no_password(void **state) {
  (void)state;
  static const char *const paths[][2] = {
      {"data/callosum.db", "data/callosum.db"},
      {"a@b:c", "a@b:c"},
      {"postgresql://u:secret@h:5432/d", "postgresql://u@h:5432/d"},
      {"postgres://u:secret@h/d?sslmode=require", "postgresql://u@h/d?sslmode=require"},
      {"postgresql://u:sec@ret@h/d", "postgresql://u@h/d"},
      {"postgresql://u:sec/ret@h/d", "postgresql://u@h/d"},
      {"postgresql://u:sec%2Fr%3Fet@h/d", "postgresql://u@h/d"},
      {"postgresql://u:secret/secret?secret@h/d?port=1", "postgresql://u@..."},
      {"postgresql://u:1/secret?host=secret@h/d", "postgresql://u@..."},
      {"postgresql://u:secret@1/secret?user=secret@h/d", "postgresql://u@..."},
      {"postgresql://u%3Asecret@h/d", "postgresql://u@h/d"},
      {"postgresql://u:secret%40h/d", "postgresql://u:..."},
      {"postgresql://u:secret/secret", "postgresql://u:..."},
      {"postgresql://u:secret,secret:1/d", "postgresql://u:..."},
      {"postgresql://u:secret@h1:1,v:secret@h2:2/d", "postgresql://u@h2:2/d"},
      {"postgresql://u:secret@[::1]:5432/d", "postgresql://u@[::1]:5432/d"},
      {"postgresql://[::1]:5432,h:1/d", "postgresql://[::1]:5432,h:1/d"},
      {"postgresql://:secret@h/d", "postgresql://@h/d"},
      {"postgresql:///d?host=/tmp&password=secret&user=u", "postgresql:///d?host=/tmp&user=u"},
      {"postgresql:///d?p%61ssword=secret&sslpassword=secret&user=u@h", "postgresql:///d?user=u@h"},
      {"postgresql://h:1/d?user=u&password=secret@secret", "postgresql://h@..."},
      {"postgresql:///d?password=secret:secret@secret&user=u", "postgresql://@..."},
      {"postgresql:///d?PASSWORD=secret&passfile=secret&sslkey=secret", "postgresql:///d"},
      {"postgresql://h/d?password=secret?secret&user=u", "postgresql://h/d?user=u"},
      {"postgresql:///?dbname=user%3Du%20password%3Dsecret", "postgresql:///?dbname=..."},
      {"postgresql:///postgresql:%2F%2Fu:secret", "postgresql://..."},
      {"host=h password = secret dbname=d", "host=h ..."},
      {"data/password/callosum.db", "data/password/callosum.db"},
      {"postgresql://h/d\n2026", "postgresql://h/d?2026"},
      {"postgresql://h1:1,h2:2/d?user=u", "postgresql://h1:1,h2:2/d?user=u"},
      {"postgresql://", "postgresql://"},
      {"postgresql:/u:secret@h/d", "postgresql:/u@h/d"},
      {"mysql://u:secret@h/d", "mysql://u@h/d"},
      {"./a://u:b@c", "./a://u:b@c"},
  };
  char buffer[256];
  for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
    assert_string_equal(db_shown_path(paths[i][0], buffer, sizeof buffer), paths[i][1]);
    assert_null(strstr(buffer, "secret"));
  }
  assert_string_equal(db_shown_path(paths[2][0], buffer, 8), "postgre");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      DB_TEST(rows_come_back_as_they_were_bound),
      DB_TEST(computed_columns_are_numbers),
      DB_TEST(values_change_their_kind_from_one_use_to_the_next),
      DB_TEST(many_rows_are_inserted_changed_and_deleted),
      DB_TEST(many_questions_are_answered_in_their_order),
      DB_TEST(many_questions_are_sent_ahead),
      DB_TEST(many_keys_are_asked_for_at_once),
      DB_TEST(a_question_has_many_answers_or_one_of_all),
      DB_TEST(questions_share_a_round_trip),
      DB_TEST(texts_are_many),
      DB_TEST(a_failure_ends_a_write_transaction),
      DB_TEST(what_is_rolled_back_was_never_there),
      DB_TEST(a_reader_sees_one_state),
      DB_TEST(the_clock_goes_on_in_a_write_transaction),
      DB_TEST(statements_run_together),
      DB_TEST(a_deadline_breaks_a_statement_off),
      DB_TEST(what_another_wrote_is_refused),
      DB_TEST(the_size_is_told),
      DB_TEST(a_shown_path_has_no_password),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
