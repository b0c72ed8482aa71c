/* Keys: what a value becomes in the search tables, packing, and that the tables hold exactly the
 * keys of what is current. */
#include "store_fixture.h"

#include <math.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "store/schema/keys.h"

static struct schema schema_of_test(void) {
  static uint16_t types[UINT16_MAX], params[UINT16_MAX];
  for (unsigned i = 0; i < UINT16_MAX; i++)
    types[i] = params[i] = (uint16_t)i;
  return (struct schema){.key = {1, 2},
                         .type_numbers = types,
                         .types = types,
                         .types_n = UINT16_MAX,
                         .param_numbers = params,
                         .params = params,
                         .params_n = UINT16_MAX};
}

static size_t first_target(void *what, defs_type_id type, struct str id) {
  (void)what;
  (void)type;
  (void)id;
  return 0;
}

static struct keys_made made_of(const struct schema *schema, const struct search_value *values,
                                size_t n) {
  struct keys_made made;
  struct err err;
  assert_int_equal(keys_make(test_arena, schema, (struct search_values){.p = values, .n = n},
                             first_target, NULL, &made, &err),
                   0);
  return made;
}

static void token_hash_answers_every_form_of_query(void **state) {
  (void)state;
  struct schema schema = schema_of_test();
  int64_t both = schema_token_hash(&schema, STR("urn:a"), STR("x")),
          alone = schema_token_hash(&schema, STR(""), STR("x")),
          low = schema_token_first(&schema, STR("x")), high = schema_token_last(&schema, STR("x"));
  assert_true(low <= both && both <= high);
  assert_true(alone == low && both != alone);
  assert_int_equal(both & SCHEMA_TOKEN_SYSTEM_MASK,
                   schema_token_hash(&schema, STR("urn:a"), STR("y")) & SCHEMA_TOKEN_SYSTEM_MASK);
  int64_t other = schema_token_hash(&schema, STR("urn:a"), STR("y"));
  assert_false(low <= other && other <= high);
}

static void ids_are_packed_and_unpacked(void **state) {
  (void)state;
  static const char *const ids[] = {"1",
                                    "a-b.c",
                                    "018f428e-34f6-4707-8009-5ad742f901e7",
                                    "018F428e-34f6-4707-8009-5ad742f901e7",
                                    "018f428e-34f6-4707-8009-5ad742f901e",
                                    "018f428e034f6-4707-8009-5ad742f901e7",
                                    "g18f428e-34f6-4707-8009-5ad742f901e7"};
  for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
    struct schema_id packed = schema_id_pack(str_of(ids[i]));
    assert_int_equal(packed.n, i == 2 ? 17 : strlen(ids[i]));
    assert_str(schema_id_unpack(test_arena, str_n(packed.bytes, packed.n)), ids[i]);
  }
}

static void date_class_bounds_the_span(void **state) {
  (void)state;
  assert_int_equal(schema_date_class(0, 1), 0);
  assert_int_equal(schema_date_class(0, 2), 1);
  assert_int_equal(schema_date_class(0, 1000000), 20);
  assert_int_equal(schema_date_class(-86400000000, 0), 37);
  assert_int_equal(schema_date_class(INT64_MIN, 5), 63);
  assert_int_equal(schema_date_class(5, INT64_MAX), 63);
  assert_int_equal(schema_date_class(INT64_MIN + 1, INT64_MAX - 1), 63);
}

static void a_composite_pairs_its_components(void **state) {
  (void)state;
  struct schema schema = schema_of_test();
  struct search_value values[] = {
      {.param = 7, .type = SEARCH_TOKEN, .component = 1, .tuple = 1, .token = {.code = STR("a")}},
      {.param = 7, .type = SEARCH_TOKEN, .component = 1, .tuple = 1, .token = {.code = STR("b")}},
      {.param = 7,
       .type = SEARCH_QUANTITY,
       .component = 2,
       .tuple = 1,
       .quantity = {.from = 5, .to = 5, .system = STR("u"), .code = STR("mg"), .unit = STR("mg")}},
      {.param = 7, .type = SEARCH_TOKEN, .component = 1, .tuple = 2, .token = {.code = STR("c")}},
  };
  struct keys_made made = made_of(&schema, values, 4);
  assert_int_equal(made.keys.n, 2);
  for (size_t i = 0; i < 2; i++) {
    const struct key *key = &made.keys.p[i];
    assert_int_equal(key->table, KEYS_QUANTITY);
    assert_true(key->hash == schema_token_hash(&schema, STR("u"), STR("mg")));
    assert_true(key->first == schema_token_hash(&schema, STR(""), STR("a")) ||
                key->first == schema_token_hash(&schema, STR(""), STR("b")));
  }
}

static void keys_survive_packing(void **state) {
  (void)state;
  struct schema schema = schema_of_test();
  struct search_value values[] = {
      {.param = 1, .type = SEARCH_TOKEN, .token = {STR("s"), STR("c"), STR("Some Text")}},
      {.param = 300, .type = SEARCH_STRING, .string = {STR("Müller"), STR("muller")}},
      {.param = 300, .type = SEARCH_STRING, .string = {STR(""), STR("")}},
      {.param = 4, .type = SEARCH_DATE, .date = {-5, INT64_MAX}},
      {.param = 4, .type = SEARCH_DATE, .date = {INT64_MIN, INT64_MAX}},
      {.param = 4, .type = SEARCH_DATE, .date = {1000000, 2000000}},
      {.param = 5, .type = SEARCH_NUMBER, .number = {-0.5, INFINITY}},
      {.param = 5, .type = SEARCH_NUMBER, .number = {NAN, 1}}, /* has no place in an order */
      {.param = 6, .type = SEARCH_QUANTITY, .quantity = {1, 1, STR("u"), STR("mg"), STR("mgs")}},
      {.param = 6, .type = SEARCH_QUANTITY, .quantity = {2, 3, STR(""), STR(""), STR("")}},
      {.param = 8, .type = SEARCH_URI, .uri = STR("http://a")},
      {.param = 9, .type = SEARCH_REFERENCE, .reference = {.url = STR("http://a|1")}},
      {.param = 9,
       .type = SEARCH_REFERENCE,
       .reference = {.url = STR("#")}}, /* found by :missing */
      {.param = 1, .type = SEARCH_TOKEN, .token = {STR("s"), STR("c"), STR("Some Text")}},
  };
  struct keys_made made = made_of(&schema, values, sizeof values / sizeof values[0]);
  assert_int_equal(made.keys.n, 2 + 2 + 3 + 1 + 3 + 1 + 3);
  struct str packed;
  struct keys back;
  struct err err;
  assert_int_equal(keys_pack(test_arena, made.keys, &packed, &err), 0);
  assert_int_equal(keys_unpack(test_arena, packed, &back, &err), 0);
  assert_int_equal(back.n, made.keys.n);
  for (size_t i = 0; i < back.n; i++)
    assert_int_equal(keys_compare(&back.p[i], &made.keys.p[i]), 0);
  for (size_t n = 0; n < packed.n; n++) /* cut short it is whole keys, or an error */
    if (keys_unpack(test_arena, str_n(packed.p, n), &back, &err) == 0)
      assert_true(back.n < made.keys.n);
}

/* ---- The tables after a random history ---- */

#define RESOURCES 12
#define ROUNDS 300

static struct store_write random_write(void) {
  const char *id = arena_printf(test_arena, "%ld", random() % RESOURCES).p;
  const char *note = arena_printf(test_arena, "%ld", random()).p;
  struct store_write write = write_of("Observation", id, note);
  if (random() % 5 == 0) {
    write.is_delete = true;
    return write;
  }
  long n = random() % 4;
  for (long i = 0; i < n; i++) {
    add_identifier(&write, "urn:a", arena_printf(test_arena, "%ld", random() % 10).p);
    add_reference(&write, "subject", "Patient",
                  arena_printf(test_arena, "%ld", random() % RESOURCES).p);
    int64_t day = random() % 5;
    add_value(&write, (struct search_value){.param = defs_param_by_code(write.type, STR("date")),
                                            .type = SEARCH_DATE,
                                            .date = {day, day + 1 + random() % 3}});
  }
  return write;
}

static int64_t ask(sqlite3 *db, const char *sql) {
  sqlite3_stmt *row = NULL;
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(row), SQLITE_ROW);
  int64_t value = sqlite3_column_int64(row, 0);
  sqlite3_finalize(row);
  return value;
}

/* How many keys the resources have by their own word; each must be found in its table. */
static int64_t count_keys(sqlite3 *db) {
  static const char *const exists[KEYS_TABLES] = {
      [KEYS_TOKEN] = "SELECT count(*) FROM token WHERE param=? AND hash=? AND rid=?",
      [KEYS_DATE] = "SELECT count(*) FROM date WHERE param=? AND lo=? AND rid=? AND hi=?",
      [KEYS_REFERENCE] = "SELECT count(*) FROM reference WHERE param=? AND target=? AND rid=?",
  };
  sqlite3_stmt *rows = NULL;
  int64_t n = 0;
  struct err err;
  assert_int_equal(sqlite3_prepare_v2(db, "SELECT rid,keys FROM resource WHERE keys IS NOT NULL",
                                      -1, &rows, NULL),
                   SQLITE_OK);
  while (sqlite3_step(rows) == SQLITE_ROW) {
    struct keys keys;
    struct str packed = {sqlite3_column_blob(rows, 1), (size_t)sqlite3_column_bytes(rows, 1)};
    assert_int_equal(keys_unpack(test_arena, packed, &keys, &err), 0);
    for (size_t i = 0; i < keys.n; i++, n++) {
      sqlite3_stmt *row = NULL;
      assert_int_equal(sqlite3_prepare_v2(db, exists[keys.p[i].table], -1, &row, NULL), SQLITE_OK);
      sqlite3_bind_int64(row, 1, keys.p[i].param);
      sqlite3_bind_int64(row, 2, keys.p[i].hash);
      sqlite3_bind_int64(row, 3, sqlite3_column_int64(rows, 0));
      if (keys.p[i].table == KEYS_DATE)
        sqlite3_bind_int64(row, 4, keys.p[i].date.hi);
      assert_int_equal(sqlite3_step(row), SQLITE_ROW);
      assert_int_equal(sqlite3_column_int64(row, 0), 1);
      sqlite3_finalize(row);
    }
  }
  sqlite3_finalize(rows);
  return n;
}

static void tables_hold_exactly_the_keys_of_what_is_current(void **state) {
  (void)state;
  unsigned seed = (unsigned)clock_now_us();
  print_message("seed %u\n", seed);
  srandom(seed);
  fixture_open();
  for (unsigned i = 0; i < ROUNDS; i++) {
    struct store_write write = random_write();
    assert_int_equal(commit(&write, 1), 0);
  }
  store_close(fixture_store);
  fixture_store = NULL;
  sqlite3 *db;
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  int64_t rows = ask(db, "SELECT (SELECT count(*) FROM token)+(SELECT count(*) FROM date)"
                         "+(SELECT count(*) FROM reference)");
  assert_int_equal(rows, count_keys(db));
  assert_true(rows > 0);
  assert_int_equal(ask(db, "SELECT count(*) FROM resource WHERE state<>1 AND keys IS NOT NULL"), 0);
  assert_int_equal(ask(db, "SELECT sum(n) FROM counter WHERE kind=1"),
                   ask(db, "SELECT count(*) FROM resource WHERE state=1"));
  assert_int_equal(ask(db, "SELECT n FROM counter WHERE kind=2"),
                   ask(db, "SELECT sum(version) FROM resource"));
  assert_int_equal(ask(db, "SELECT count(*) FROM event"),
                   ask(db, "SELECT sum(version) FROM resource"));
  assert_int_equal(ask(db, "SELECT count(*) FROM version"),
                   ask(db, "SELECT sum(version-1) FROM resource WHERE version>0"));
  sqlite3_close(db);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(token_hash_answers_every_form_of_query),
      TEST(ids_are_packed_and_unpacked),
      TEST(date_class_bounds_the_span),
      TEST(a_composite_pairs_its_components),
      TEST(keys_survive_packing),
      STORE_TEST(tables_hold_exactly_the_keys_of_what_is_current),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
