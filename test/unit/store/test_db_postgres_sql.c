/* The common SQL in PostgreSQL's words: nothing here needs a server. */
#include "../test.h"

#include "store/db/db_postgres_sql.h"

static const char *plain(const char *sql, int *ret_places_n) {
  struct buf out;
  struct err err;
  buf_init_arena(&out, test_arena, 1 << 16);
  assert_int_equal(pg_sql_plain(str_of(sql), &out, ret_places_n, &err), 0);
  return buf_z(&out);
}

static const char *rows(const char *sql, const char *letters) {
  struct buf out;
  struct err err;
  enum db_type types[8];
  size_t n = strlen(letters);
  for (size_t i = 0; i < n; i++)
    types[i] = letters[i] == 'i' ? DB_I64 : letters[i] == 'd' ? DB_DOUBLE : DB_BYTES;
  buf_init_arena(&out, test_arena, 1 << 16);
  int code = pg_sql_rows(str_of(sql), types, n, &out, &err);
  return code == 0 ? buf_z(&out) : code == ERR_INTERNAL ? "refused" : "?";
}

static void placeholders_are_numbered(void **state) {
  (void)state;
  int n;
  assert_string_equal(plain("SELECT a FROM t WHERE b=? AND c IN(?,?)", &n),
                      "SELECT a FROM t WHERE b=$1 AND c IN($2,$3)");
  assert_int_equal(n, 3);
  assert_string_equal(plain("SELECT a FROM t WHERE b=? AND c=((?1>>44)) AND d=?", &n),
                      "SELECT a FROM t WHERE b=$1 AND c=(($1>>44)) AND d=$2");
  assert_int_equal(n, 2);
  assert_string_equal(plain("", &n), "");
  assert_int_equal(n, 0);
}

static void what_is_quoted_is_left_alone(void **state) {
  (void)state;
  static const char *const texts[] = {
      "SELECT '?'",      "SELECT 'it''s ?'",   "SELECT \"?\" FROM \"a\"\"?\"",
      "SELECT 1 -- ?\n", "SELECT /* ? ' */ 1", "SELECT '-- ' || 'CROSS JOIN x ON ?'",
      "SELECT 'open ?",  "SELECT /* open ? '", "SELECT 1 -- open ?",
  };
  int n;
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    assert_string_equal(plain(texts[i], &n), texts[i]);
    assert_int_equal(n, 0);
  }
  assert_string_equal(plain("SELECT '''?',?", &n), "SELECT '''?',$1");
}

static void a_cross_join_with_a_condition_is_a_join(void **state) {
  (void)state;
  int n;
  assert_string_equal(plain("SELECT 1 FROM a CROSS JOIN b ON b.x=a.x CROSS JOIN c", &n),
                      "SELECT 1 FROM a JOIN b ON b.x=a.x CROSS JOIN c");
  assert_string_equal(plain("SELECT 1 FROM a cross  join b AS bb ON b.x=?", &n),
                      "SELECT 1 FROM a JOIN b AS bb ON b.x=$1");
  assert_string_equal(
      plain("SELECT 1 FROM a CROSS JOIN (SELECT ? x FROM c CROSS JOIN d ON c.y=d.y) s ON s.x=1",
            &n),
      "SELECT 1 FROM a JOIN (SELECT $1 x FROM c JOIN d ON c.y=d.y) s ON s.x=1");
  assert_string_equal(plain("SELECT 1 FROM a CROSS JOIN b CROSS JOIN c ON c.x=b.x", &n),
                      "SELECT 1 FROM a CROSS JOIN b JOIN c ON c.x=b.x");
  assert_string_equal(plain("SELECT 1 FROM a CROSS JOIN b WHERE b.on_=1", &n),
                      "SELECT 1 FROM a CROSS JOIN b WHERE b.on_=1");
  assert_string_equal(plain("SELECT (SELECT 1 FROM a CROSS JOIN b) FROM c JOIN d ON 1=1", &n),
                      "SELECT (SELECT 1 FROM a CROSS JOIN b) FROM c JOIN d ON 1=1");
}

static void changes_of_many_rows_take_arrays(void **state) {
  (void)state;
  assert_string_equal(rows("INSERT INTO t(a,b,c) VALUES(?,?+1,')?')", "ib"),
                      "INSERT INTO t(a,b,c) SELECT asked_.asked_v1,asked_.asked_v2+1,')?' FROM "
                      "unnest($1::int8[],$2::bytea[]) AS asked_(asked_v1,asked_v2)");
  assert_string_equal(
      rows("INSERT INTO t VALUES (?,(?)) ON CONFLICT(a) DO UPDATE SET n=t.n+1", "ii"),
      "INSERT INTO t SELECT asked_.asked_v1,(asked_.asked_v2) FROM "
      "unnest($1::int8[],$2::int8[]) AS asked_(asked_v1,asked_v2) ON CONFLICT(a) DO "
      "UPDATE SET n=t.n+1");
  assert_string_equal(
      rows("INSERT INTO t VALUES(?,?,((?2>>44)::integer))", "ii"),
      "INSERT INTO t SELECT asked_.asked_v1,asked_.asked_v2,((asked_.asked_v2>>44)::"
      "integer) FROM unnest($1::int8[],$2::int8[]) AS asked_(asked_v1,asked_v2)");
  assert_string_equal(rows("UPDATE t SET a=?,b=(SELECT 1 WHERE 1=1) WHERE k=?", "di"),
                      "UPDATE t SET a=asked_.asked_v1,b=(SELECT 1 WHERE 1=1) FROM "
                      "unnest($1::float8[],$2::int8[]) AS asked_(asked_v1,asked_v2) WHERE "
                      "k=asked_.asked_v2");
  assert_string_equal(rows("DELETE FROM t WHERE a=? AND b='?'", "b"),
                      "DELETE FROM t USING unnest($1::bytea[]) AS asked_(asked_v1) WHERE "
                      "a=asked_.asked_v1 AND b='?'");
}

static void questions_of_many_rows_tell_the_row(void **state) {
  (void)state;
  assert_string_equal(
      rows("SELECT a,(SELECT max(x) FROM u) FROM t CROSS JOIN v ON v.a=t.a WHERE b=?", "i"),
      "SELECT a,(SELECT max(x) FROM u) ,asked_.asked_row FROM unnest($1::int8[]) WITH "
      "ORDINALITY AS asked_(asked_v1,asked_row) CROSS JOIN t JOIN v ON v.a=t.a WHERE "
      "b=asked_.asked_v1");
  assert_string_equal(
      rows("SELECT count(*) FROM t WHERE b=?", "i"),
      "SELECT asked_q.*,asked_.asked_row FROM unnest($1::int8[]) WITH ORDINALITY AS "
      "asked_(asked_v1,asked_row) CROSS JOIN LATERAL (SELECT count(*) FROM t WHERE "
      "b=asked_.asked_v1) AS asked_q");
  assert_non_null(strstr(rows("SELECT a FROM t WHERE b=? ORDER BY a LIMIT 1", "i"), "LATERAL"));
}

static const char *keys(const char *sql) {
  struct buf out;
  struct err err;
  int places_n = -1;
  buf_init_arena(&out, test_arena, 1 << 16);
  assert_int_equal(pg_sql_keys(str_of(sql), &out, &places_n, &err), 0);
  buf_printf(&out, " %d", places_n);
  return buf_z(&out);
}

static void keys_are_one_array(void **state) {
  (void)state;
  assert_string_equal(keys("SELECT k,'?' FROM t CROSS JOIN u ON 1=1 WHERE k=? AND a=? AND b=?"),
                      "SELECT k,'?' FROM t JOIN u ON 1=1 WHERE k=ANY($1) AND a=$2 AND b=$3 3");
  assert_string_equal(keys("SELECT k FROM t WHERE k=?"), "SELECT k FROM t WHERE k=ANY($1) 1");
  assert_string_equal(keys("SELECT k FROM t"), "SELECT k FROM t 0");
}

static void other_forms_are_refused(void **state) {
  (void)state;
  static const char *const texts[] = {
      "INSERT INTO t SELECT ? FROM u",
      "INSERT INTO t(a) VALUES(1) ON CONFLICT DO UPDATE SET a=?",
      "UPDATE t SET a=?",
      "DELETE FROM t",
      "SELECT ?",
      "WITH x AS (SELECT ?) SELECT * FROM x",
      "INSERT INTO t(a) VALUES(?,?)",
      "INSERT INTO t(a) VALUES(1)",
      "INSERT INTO t VALUES",
      "INSERT INTO t VALUES(?",
      "INSERT INTO t VALUES(?,?",
      "INSERT INTO t VALUES(",
      "DROP TABLE t WHERE a=?",
      "",
  };
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (strcmp(rows(texts[i], "i"), "refused") != 0)
      fail_msg("not refused: %s: %s", texts[i], rows(texts[i], "i"));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(placeholders_are_numbered),
      TEST(what_is_quoted_is_left_alone),
      TEST(a_cross_join_with_a_condition_is_a_join),
      TEST(changes_of_many_rows_take_arrays),
      TEST(questions_of_many_rows_tell_the_row),
      TEST(keys_are_one_array),
      TEST(other_forms_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
