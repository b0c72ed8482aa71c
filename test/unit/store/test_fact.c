/* Facts of a store, on either engine. */
#include "db_fixture.h"

#include "store/schema/fact.h"

static int fact_setup(void **state) {
  if (db_setup(state) != 0)
    return -1;
  must(db_run(fixture_db,
              db_is_remote(fixture_db)
                  ? "CREATE TABLE store(name bytea PRIMARY KEY, value bytea NOT NULL)"
                  : "CREATE TABLE store(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
              &err));
  return 0;
}

static struct str read_fact(const char *name) {
  struct str value;
  must(fact_read(fixture_db, test_arena, name, &value, &err));
  return value;
}

static bool is_there(const char *name) {
  bool has;
  must(fact_has(fixture_db, name, &has, &err));
  return has;
}

static bool is_value(const char *name, struct str value) {
  bool is;
  must(fact_is(fixture_db, name, value, &is, &err));
  return is;
}

static void a_fact_is_what_was_set_last_until_it_is_removed(void **state) {
  (void)state;
  const struct str bytes = STR("\0\xff'\1");
  assert_null(read_fact("a").p);
  assert_false(is_there("a"));
  assert_false(is_value("a", STR("")));
  must(db_begin_write(fixture_db, &err));
  must(fact_remove(fixture_db, "a", &err));
  must(fact_set(fixture_db, "a", STR("first"), &err));
  must(fact_set(fixture_db, "a", STR("second"), &err));
  must(fact_set(fixture_db, "empty", STR(""), &err));
  must(fact_set_bytes(fixture_db, "b", bytes, &err));
  must(db_commit(fixture_db, &err));
  assert_str(read_fact("a"), "second");
  assert_true(is_value("a", STR("second")) && !is_value("a", STR("first")));
  assert_true(is_there("empty") && read_fact("empty").p && read_fact("empty").n == 0);
  assert_true(str_equal(read_fact("b"), bytes) && is_value("b", bytes));
  must(db_begin_write(fixture_db, &err));
  must(fact_remove(fixture_db, "a", &err));
  must(db_commit(fixture_db, &err));
  assert_false(is_there("a"));
  assert_true(is_there("b"));
}

static void a_number_is_read_as_it_was_set(void **state) {
  (void)state;
  uint64_t number = 7;
  must(fact_read_number(fixture_db, "n", &number, &err));
  assert_int_equal(number, 0);
  must(db_begin_write(fixture_db, &err));
  must(fact_set_number(fixture_db, "n", UINT64_MAX, &err));
  must(fact_set(fixture_db, "word", STR("12x"), &err));
  must(db_commit(fixture_db, &err));
  must(fact_read_number(fixture_db, "n", &number, &err));
  assert_true(number == UINT64_MAX);
  assert_int_equal(fact_read_number(fixture_db, "word", &number, &err), ERR_STORE);
  assert_non_null(strstr(err.text, "'word'"));
}

#define FACT_TEST(function) cmocka_unit_test_setup_teardown(function, fact_setup, db_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      FACT_TEST(a_fact_is_what_was_set_last_until_it_is_removed),
      FACT_TEST(a_number_is_read_as_it_was_set),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
