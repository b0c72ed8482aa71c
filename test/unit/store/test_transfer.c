/* Moving a store: what is carried over, that it is all, and that it comes once. */
#include "move_fixture.h"

#include <sys/wait.h>

#include "store/schema/schema_tables.h"
#include "store/move/transfer.h"

/* ---- The table of the tables ---- */

static sqlite3 *open_empty_schema(void) {
  sqlite3 *db = NULL;
  assert_int_equal(sqlite3_open(":memory:", &db), SQLITE_OK);
  for (const char *const *sql = schema_tables_sqlite.make; *sql; sql++)
    run_sql(db, *sql);
  for (uint32_t v = schema_tables_sqlite.made_version; v < SCHEMA_VERSION; v++)
    for (const char *const *sql = schema_tables_sqlite.upgrades[v - 1]; *sql; sql++)
      run_sql(db, *sql);
  return db;
}

static bool is_left_out(const char *name) {
  for (const char *const *at = transfer_left_out; *at; at++)
    if (strcmp(*at, name) == 0)
      return true;
  return false;
}

static const struct transfer_table *find_table(const char *name) {
  size_t n;
  const struct transfer_table *tables = transfer_tables(&n);
  for (size_t i = 0; i < n; i++)
    if (strcmp(tables[i].name, name) == 0)
      return &tables[i];
  return NULL;
}

static const char *sqlite_type(enum db_type type) {
  static const char *const names[] = {
      [DB_I64] = "INTEGER", [DB_DOUBLE] = "REAL", [DB_TEXT] = "TEXT", [DB_BYTES] = "BLOB"};
  return names[type];
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql) {
  sqlite3_stmt *row = NULL;
  if (sqlite3_prepare_v2(db, sql, -1, &row, NULL) != SQLITE_OK)
    fail_msg("%s: %s", sql, sqlite3_errmsg(db));
  return row;
}

static void check_columns(sqlite3 *db, const struct transfer_table *table) {
  size_t found = 0, keys = 0;
  sqlite3_stmt *row = prepare(db, text_of("SELECT name,type,pk,\"notnull\" FROM"
                                          " pragma_table_info('%s') ORDER BY cid",
                                          table->name));
  while (sqlite3_step(row) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(row, 0);
    const char *type = (const char *)sqlite3_column_text(row, 1);
    int key = sqlite3_column_int(row, 2);
    size_t at = 0;
    while (at < transfer_columns_n(table) && strcmp(table->columns[at].name, name) != 0)
      at++;
    if (at == transfer_columns_n(table))
      fail_msg("%s.%s is not carried over", table->name, name);
    if (strcmp(table->name, "store") != 0)
      assert_string_equal(sqlite_type(table->columns[at].type), type);
    if (key)
      assert_int_equal(at, key - 1);
    /* A number that may be null could not be written as a column of many rows. */
    assert_true(key || sqlite3_column_int(row, 3) || table->columns[at].type == DB_TEXT ||
                table->columns[at].type == DB_BYTES);
    keys += key != 0;
    found++;
  }
  sqlite3_finalize(row);
  assert_int_equal(found, transfer_columns_n(table));
  assert_int_equal(keys, table->key_n);
  assert_true(table->key_n <= TRANSFER_KEY_MAX);
}

static void every_column_of_every_table_is_carried_over(void **state) {
  (void)state;
  sqlite3 *db = open_empty_schema();
  size_t tables_n, found = 0;
  transfer_tables(&tables_n);
  assert_true(tables_n <= TRANSFER_TABLES_MAX);
  sqlite3_stmt *row = prepare(db, "SELECT name FROM sqlite_master WHERE type='table'"
                                  " AND name NOT LIKE 'sqlite_%'");
  while (sqlite3_step(row) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(row, 0);
    const struct transfer_table *table = find_table(name);
    if (is_left_out(name))
      continue;
    if (!table)
      fail_msg("the table %s is not carried over", name);
    check_columns(db, table);
    found++;
  }
  sqlite3_finalize(row);
  sqlite3_close(db);
  assert_int_equal(found, tables_n);
}

/* ---- Stores ---- */

static int copy(const char *from, const char *to, struct transfer_report *report, struct err *err) {
  return transfer_copy(&(struct transfer_options){.from = from, .to = to}, report, err);
}

static void copy_well(const char *from, const char *to) {
  struct transfer_report report;
  struct err err = {0};
  if (copy(from, to, &report, &err) != 0)
    fail_msg("%s", err.text);
  assert_true(report.is_equal);
  assert_int_equal(report.rows_n, (transfer_tables(&report.rows_n), report.rows_n));
}

static uint64_t rows_of(const struct transfer_report *report, const char *table) {
  for (size_t i = 0; i < report->rows_n; i++)
    if (strcmp(report->rows[i].table->name, table) == 0)
      return report->rows[i].to.rows;
  fail_msg("%s", table);
  return 0;
}

static void a_copy_has_every_row_and_answers_as_its_source(void **state) {
  (void)state;
  fill();
  const char *to = other_path("to.db"), *back = other_path("back.db");
  copy_well(fixture_path, to);
  copy_well(to, back);
  struct transfer_report report;
  struct err err;
  assert_int_equal(
      transfer_compare(&(struct transfer_options){.from = fixture_path, .to = back}, &report, &err),
      0);
  assert_true(report.is_equal);
  assert_int_equal(rows_of(&report, "resource"), 300);
  assert_int_equal(rows_of(&report, "version"), 2);
  assert_int_equal(rows_of(&report, "message"), 1);
  assert_int_equal(rows_of(&report, "audit"), 1);
  snprintf(fixture_path, sizeof fixture_path, "%s", back);
  fixture_open(); /* teardown closes it */
  struct store_resource resource;
  struct access access = everything();
  assert_int_equal(read_as(&access, "Patient", "p1", &resource), 0);
  assert_int_equal(resource.version, 2);
  assert_int_equal(read_as(&access, "Patient", "p2", &resource), ERR_DELETED);
  struct store_write next = write_of("Patient", "new", "x");
  assert_int_equal(commit(&next, 1), 0);
}

static void refuses(int expected, const char *from, const char *to, const char *text) {
  struct transfer_report report;
  struct err err = {0};
  int code = copy(from, to, &report, &err);
  if (code != expected || !strstr(err.text, text))
    fail_msg("%d: %s", code, err.text);
}

static void a_copy_goes_only_into_an_empty_place(void **state) {
  (void)state;
  fill();
  const char *to = other_path("to.db"), *other = other_path("other.db");
  refuses(ERR_NOT_FOUND, other_path("absent.db"), to, "There is no store");
  assert_int_not_equal(access(to, F_OK), 0);
  refuses(ERR_CONFLICT, fixture_path, fixture_path, "the same store");
  copy_well(fixture_path, to);
  refuses(ERR_CONFLICT, fixture_path, to, "content of its own");
  sqlite3 *db;
  assert_int_equal(sqlite3_open(other, &db), SQLITE_OK);
  run_sql(db, "CREATE TABLE t(x)");
  sqlite3_close(db);
  refuses(ERR_STORE, fixture_path, other, "another program");
  refuses(ERR_STORE, other, other_path("new.db"), "another program");
  assert_int_not_equal(access(other_path("new.db"), F_OK), 0);
  FILE *file = fopen(other_path("empty.db"), "w");
  assert_int_equal(fclose(file), 0);
  refuses(ERR_NOT_FOUND, other_path("empty.db"), other_path("new.db"), "There is no store in");
  copy_well(fixture_path, other_path("empty.db"));
}

static void make_file_of_version_1(void) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  for (const char *const *sql = schema_tables_sqlite.make; *sql; sql++)
    run_sql(db, *sql);
  run_sql(db, "INSERT INTO store VALUES('key',x'000102030405060708090a0b0c0d0e0f');"
              "INSERT INTO type VALUES(1,'Patient');"
              "INSERT INTO commit_log VALUES(1,5,'x'),(2,6,'x');"
              "INSERT INTO resource VALUES(1,1,CAST('a' AS BLOB),2,6,1,2,NULL,x'007b7d'),"
              "(2,1,CAST('b' AS BLOB),1,5,2,1,NULL,NULL);"
              "INSERT INTO version VALUES(1,1,5,1,1,x'007b7d');"
              "INSERT INTO event VALUES(1,1,1,1,1,0),(2,2,2,1,2,0);"
              "INSERT INTO audit VALUES(1,1,'create','Patient/a','0','');"
              "PRAGMA application_id=1131180897;PRAGMA user_version=1");
  sqlite3_close(db);
}

static void a_file_of_an_older_version_is_copied_when_it_was_upgraded(void **state) {
  (void)state;
  const char *to = other_path("to.db");
  make_file_of_version_1();
  refuses(ERR_STORE, fixture_path, to, "is of format 1");
  struct transfer_report report;
  struct err err;
  const struct transfer_options options = {.from = fixture_path, .to = to};
  assert_int_equal(transfer_compare(&options, &report, &err), ERR_STORE);
  fixture_open(); /* upgrades it */
  store_close(fixture_store);
  fixture_store = NULL;
  copy_well(fixture_path, to);
  assert_int_equal(transfer_compare(&options, &report, &err), 0);
  assert_true(report.is_equal);
  assert_int_equal(rows_of(&report, "resource"), 2);
  assert_int_equal(rows_of(&report, "version"), 1);
  assert_int_equal(rows_of(&report, "sequence"), 1);
}

static void a_store_in_use_is_not_copied(void **state) {
  (void)state;
  fill();
  fixture_open();
  refuses(ERR_CONFLICT, fixture_path, other_path("to.db"), "Another process");
}

/* ---- Interrupted ---- */

static size_t pages_left;

static void die_after_some_pages(const struct transfer_progress *progress, void *what) {
  bool *is_checking = what;
  if (progress->is_checking == *is_checking && pages_left-- == 0)
    _exit(9);
}

/* Ends the process, without any clean-up, when so many pages were written, or compared. True: it
 * was ended. */
static bool copy_and_die(const char *from, const char *to, bool is_checking, size_t pages) {
  pid_t child = fork();
  if (child == 0) {
    struct transfer_report report;
    struct err err = {0};
    pages_left = pages;
    _exit(transfer_copy(
              &(struct transfer_options){
                  .from = from, .to = to, .progress = die_after_some_pages, .what = &is_checking},
              &report, &err) != 0);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  if (WEXITSTATUS(status) == 1)
    fail_msg("the copy failed");
  return WEXITSTATUS(status) == 9;
}

static void a_copy_that_was_killed_goes_on_where_it_stopped(void **state) {
  (void)state;
  fill();
  const char *to = other_path("to.db");
  size_t killed = 0;
  assert_true(copy_and_die(fixture_path, to, false, 0));
  struct store *store = NULL;
  struct err err = {0};
  assert_int_equal(store_open(&(struct store_options){.path = to}, &store, &err), ERR_STORE);
  assert_non_null(strstr(err.text, "unfinished copy"));
  assert_int_equal(
      store_open(&(struct store_options){.path = to, .is_read_only = true}, &store, &err),
      ERR_STORE);
  refuses(ERR_STORE, to, other_path("third.db"), "unfinished copy");
  while (killed < 100 && copy_and_die(fixture_path, to, false, killed == 0 ? 3 : 2))
    killed++;
  assert_true(killed > 5 && killed < 100);
  refuses(ERR_CONFLICT, fixture_path, to, "content of its own"); /* it is complete */
  struct transfer_report report;
  assert_int_equal(
      transfer_compare(&(struct transfer_options){.from = fixture_path, .to = to}, &report, &err),
      0);
  assert_true(report.is_equal);
}

static void a_copy_that_was_killed_while_it_was_compared_is_compared_again(void **state) {
  (void)state;
  fill();
  const char *to = other_path("to.db");
  assert_true(copy_and_die(fixture_path, to, true, 4));
  struct transfer_report report;
  struct err err = {0};
  assert_int_equal(copy(fixture_path, to, &report, &err), 0);
  assert_true(report.is_resumed && report.is_equal);
  assert_int_equal(report.copied, 0);
}

static void a_source_that_has_changed_is_not_gone_on_with(void **state) {
  (void)state;
  fill();
  const char *to = other_path("to.db");
  assert_true(copy_and_die(fixture_path, to, false, 5));
  fixture_open();
  struct store_write write = write_of("Patient", "more", "x");
  assert_int_equal(commit(&write, 1), 0);
  store_close(fixture_store);
  fixture_store = NULL;
  refuses(ERR_CONFLICT, fixture_path, to, "has changed since");
}

static void a_difference_is_found_in_any_column(void **state) {
  (void)state;
  static const char *const changes[] = {
      "UPDATE version SET body=body||x'00' WHERE rid=(SELECT max(rid) FROM version)",
      "UPDATE message SET raw=NULL",
      "UPDATE message SET reply=x''",
      "UPDATE audit SET detail='x'",
      "DELETE FROM token WHERE rid=7",
      "UPDATE resource SET updated=updated+1 WHERE rid=9",
      "UPDATE counter SET n=n+1 WHERE kind=2",
      "INSERT INTO lineage VALUES(1,1,1,x'')",
  };
  fill();
  for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
    const char *to = other_path(text_of("to%zu.db", i));
    copy_well(fixture_path, to);
    sqlite3 *db;
    assert_int_equal(sqlite3_open(to, &db), SQLITE_OK);
    run_sql(db, changes[i]);
    assert_true(sqlite3_total_changes(db) > 0);
    sqlite3_close(db);
    struct transfer_report report;
    struct err err;
    assert_int_equal(
        transfer_compare(&(struct transfer_options){.from = fixture_path, .to = to}, &report, &err),
        0);
    assert_false(report.is_equal);
    size_t different = 0;
    for (size_t t = 0; t < report.rows_n; t++)
      different += !transfer_sum_equal(&report.rows[t].from, &report.rows[t].to);
    assert_int_equal(different, 1);
  }
}

/* ---- Pages ---- */

static void long_rows_come_in_small_pages(void **state) {
  (void)state;
  fixture_open();
  for (int i = 0; i < 5; i++) {
    char *note = arena_alloc(test_arena, (5u << 20) + 1);
    for (size_t c = 0; c < 5u << 20; c++)
      note[c] = (char)('a' + (random() & 15)); /* hardly packs */
    note[5u << 20] = '\0';
    struct store_write write = write_of("Binary", text_of("b%d", i), note);
    assert_int_equal(commit(&write, 1), 0);
  }
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  const struct transfer_table *table = find_table("resource");
  const union transfer_cell *after = NULL;
  struct transfer_page page = {0};
  size_t pages = 0, rows = 0;
  while (!page.is_last) {
    if (transfer_page_read(store_view_db(view), test_arena, table, after, &page, &err) != 0)
      fail_msg("%s", err.text);
    assert_true(page.rows_n <= 3);
    rows += page.rows_n;
    pages++;
    after = transfer_page_end(&page);
  }
  store_view_close(view);
  assert_int_equal(rows, 5);
  assert_true(pages >= 2);
}

static void a_key_is_read_back_from_its_text(void **state) {
  (void)state;
  const struct transfer_table *table = find_table("quantity");
  union transfer_cell key[TRANSFER_KEY_MAX] = {{.i64 = INT64_MIN}, {.i64 = -1},       {.i64 = 0},
                                               {.number = -0.5},   {.number = 1e300}, {.i64 = 7}};
  union transfer_cell read[TRANSFER_KEY_MAX];
  struct buf text;
  struct err err;
  buf_init_arena(&text, test_arena, 1000);
  assert_int_equal(transfer_key_write(&text, table, key, &err), 0);
  assert_int_equal(transfer_key_read(test_arena, table, buf_str(&text), read, &err), 0);
  struct buf again;
  buf_init_arena(&again, test_arena, 1000);
  assert_int_equal(transfer_key_write(&again, table, read, &err), 0);
  assert_true(str_equal(buf_str(&text), buf_str(&again)));
  assert_true(read[0].i64 == INT64_MIN && read[4].number == 1e300 && read[5].i64 == 7);
  for (size_t n = 0; n < text.n; n++)
    assert_int_equal(transfer_key_read(test_arena, table, str_n(text.p, n), read, &err), ERR_STORE);
  struct str huge = STR("03ffffffffffffffff");
  assert_int_equal(transfer_key_read(test_arena, find_table("store"), huge, read, &err), ERR_STORE);
}

#define TRANSFER_TEST(function)                                                                    \
  cmocka_unit_test_setup_teardown(function, fixture_setup, move_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      TRANSFER_TEST(every_column_of_every_table_is_carried_over),
      TRANSFER_TEST(a_copy_has_every_row_and_answers_as_its_source),
      TRANSFER_TEST(a_copy_goes_only_into_an_empty_place),
      TRANSFER_TEST(a_file_of_an_older_version_is_copied_when_it_was_upgraded),
      TRANSFER_TEST(a_store_in_use_is_not_copied),
      TRANSFER_TEST(a_copy_that_was_killed_goes_on_where_it_stopped),
      TRANSFER_TEST(a_copy_that_was_killed_while_it_was_compared_is_compared_again),
      TRANSFER_TEST(a_source_that_has_changed_is_not_gone_on_with),
      TRANSFER_TEST(a_difference_is_found_in_any_column),
      TRANSFER_TEST(long_rows_come_in_small_pages),
      TRANSFER_TEST(a_key_is_read_back_from_its_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
