/* What db.h promises, on either engine. */
#include "db_fixture.h"

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
  bool has_row;
  for (int i = 0; i < 3; i++) {
    must(db_step(select, &has_row, &err));
    assert_true(has_row);
    assert_true(db_column_i64(select, 0) == (i == 0 ? INT64_MIN : i == 1 ? INT64_MAX : -1));
    assert_true(db_column_double(select, 1) == i - 0.25);
    assert_int_equal(db_column_is_null(select, 2), i == 2);
    assert_true(str_equal(db_column_str(select, 2), i == 0 ? STR("\0\xff'\\?") : STR("")));
    assert_int_equal(db_column_i64(select, 3), i);
  }
  must(db_step(select, &has_row, &err));
  assert_false(has_row);
  db_release(select);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      DB_TEST(rows_come_back_as_they_were_bound),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
