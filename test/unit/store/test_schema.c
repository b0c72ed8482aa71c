/* A file of an older version becomes one of this version when it is opened. */
#include "store_fixture.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>
#include <zstd.h>

#include "store/schema/schema_tables.h"
#include "store/search/search.h"

/* Version 1 as it was released. */
static const char TABLES_V1[] =
    "CREATE TABLE store(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE type(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE param(number INTEGER PRIMARY KEY, type TEXT NOT NULL, code TEXT NOT NULL,"
    " UNIQUE(type, code));"
    "CREATE TABLE dictionary(number INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " trained_at INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE counter(kind INTEGER, number INTEGER, n INTEGER NOT NULL,"
    " PRIMARY KEY(kind, number)) WITHOUT ROWID;"
    "CREATE TABLE commit_log(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL,"
    " principal TEXT NOT NULL);"
    "CREATE TABLE resource(rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id BLOB NOT NULL,"
    " version INTEGER NOT NULL, updated INTEGER NOT NULL, state INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, keys BLOB, body BLOB);"
    "CREATE INDEX resource_live ON resource(type, updated) WHERE state=1;"
    "CREATE TABLE identity(key INTEGER, rid INTEGER, PRIMARY KEY(key, rid)) WITHOUT ROWID;"
    "CREATE TABLE version(rid INTEGER, version INTEGER, updated INTEGER NOT NULL,"
    " state INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB, PRIMARY KEY(rid, version))"
    " WITHOUT ROWID;"
    "CREATE TABLE token(param INTEGER, first INTEGER, hash INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, first, hash, rid)) WITHOUT ROWID;"
    "CREATE TABLE string(param INTEGER, first INTEGER, folded TEXT, exact INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, first, folded, exact, rid)) WITHOUT ROWID;"
    "CREATE TABLE date(param INTEGER, first INTEGER, class INTEGER, lo INTEGER, hi INTEGER,"
    " rid INTEGER, PRIMARY KEY(param, first, class, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE number(param INTEGER, first INTEGER, lo REAL, hi REAL, rid INTEGER,"
    " PRIMARY KEY(param, first, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE quantity(param INTEGER, first INTEGER, unit INTEGER, lo REAL, hi REAL,"
    " rid INTEGER, PRIMARY KEY(param, first, unit, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE uri(param INTEGER, hash INTEGER, rid INTEGER, PRIMARY KEY(param, hash, rid))"
    " WITHOUT ROWID;"
    "CREATE TABLE reference(param INTEGER, target INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, target, rid)) WITHOUT ROWID;"
    "CREATE TABLE vocabulary(param INTEGER, text TEXT, hash INTEGER,"
    " PRIMARY KEY(param, text, hash)) WITHOUT ROWID;"
    "CREATE TABLE message(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL,"
    " status INTEGER NOT NULL, received INTEGER NOT NULL, size INTEGER NOT NULL,"
    " channel TEXT NOT NULL, sender TEXT NOT NULL, control_id TEXT NOT NULL, type TEXT NOT NULL,"
    " event TEXT NOT NULL, version_id TEXT NOT NULL, patient TEXT NOT NULL, reason TEXT NOT NULL,"
    " reply BLOB, raw BLOB);"
    "CREATE INDEX message_status ON message(status) WHERE status<>1;"
    "CREATE TABLE message_seen(key INTEGER, number INTEGER, PRIMARY KEY(key, number))"
    " WITHOUT ROWID;"
    "CREATE TABLE message_word(word TEXT, number INTEGER, PRIMARY KEY(word, number))"
    " WITHOUT ROWID;"
    "CREATE TABLE lineage(message INTEGER, rid INTEGER, version INTEGER, bytes BLOB,"
    " PRIMARY KEY(message, rid, version)) WITHOUT ROWID;"
    "CREATE INDEX lineage_resource ON lineage(rid, version);"
    "CREATE TABLE audit(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, action TEXT NOT NULL,"
    " what TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL);"
    "CREATE TABLE event(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " rid INTEGER NOT NULL, version INTEGER NOT NULL, message INTEGER NOT NULL);"
    "CREATE TABLE delivery(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL,"
    " state INTEGER NOT NULL, not_before INTEGER NOT NULL, attempts INTEGER NOT NULL,"
    " destination TEXT NOT NULL, content_type TEXT NOT NULL, body BLOB);"
    "CREATE INDEX delivery_waiting ON delivery(not_before) WHERE state=0;";

static const char *const TABLE_NAMES_V1[] = {
    "type",    "dictionary", "commit_log", "resource",     "version",
    "token",   "string",     "date",       "number",       "quantity",
    "uri",     "reference",  "message",    "message_seen", "message_word",
    "lineage", "audit",      "vocabulary", "identity",
};

static void run_sql(sqlite3 *db, const char *sql) {
  char *message = NULL;
  if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
    fail_msg("%s: %s", sql, message);
}

/* Writes the content of the store's file into one of version 1, which takes its place. */
static void become_version_1(void) {
  char old_path[sizeof fixture_path + 8];
  sqlite3 *db;
  store_close(fixture_store);
  fixture_store = NULL;
  snprintf(old_path, sizeof old_path, "%s-v1", fixture_path);
  assert_int_equal(sqlite3_open(old_path, &db), SQLITE_OK);
  run_sql(db, TABLES_V1);
  run_sql(db, text_of("ATTACH '%s' AS new", fixture_path));
  for (size_t i = 0; i < sizeof TABLE_NAMES_V1 / sizeof TABLE_NAMES_V1[0]; i++)
    run_sql(db,
            text_of("INSERT INTO %s SELECT * FROM new.%s", TABLE_NAMES_V1[i], TABLE_NAMES_V1[i]));
  run_sql(db, "INSERT INTO store SELECT * FROM new.store WHERE name<>'index_form'");
  run_sql(db, "INSERT INTO param SELECT number,type,code FROM new.param");
  run_sql(db, "INSERT INTO counter SELECT * FROM new.counter WHERE kind<3");
  run_sql(db, "INSERT INTO delivery SELECT number,seq,state,not_before,attempts,destination,"
              "content_type,body FROM new.delivery");
  run_sql(db, "INSERT INTO event SELECT number,seq,kind,rid,version,message FROM new.event");
  run_sql(db, text_of("PRAGMA application_id=%u; PRAGMA user_version=1", SCHEMA_APPLICATION));
  sqlite3_close(db);
  assert_int_equal(rename(old_path, fixture_path), 0);
}

static size_t history_of_type(const char *type, uint64_t *ret_total) {
  struct store_view *view;
  struct store_history history;
  struct access access = everything();
  struct err err;
  struct store_history_query query = {.type = type_of(type), .count = 100};
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_history(view, &access, test_arena, &query, &history, &err), 0);
  store_view_close(view);
  *ret_total = history.total;
  return history.n;
}

static void old_file_is_upgraded_with_what_it_holds(void **state) {
  (void)state;
  uint64_t total;
  fixture_open();
  for (unsigned i = 0; i < 3; i++) {
    struct store_write writes[] = {write_of("Patient", "p1", text_of("%u", i)),
                                   write_of("Observation", text_of("o%u", i), "x")};
    assert_int_equal(commit(writes, 2), 0);
  }
  become_version_1();
  fixture_open();
  assert_int_equal(history_of_type("Patient", &total), 3);
  assert_int_equal(total, 3);
  struct store_write write = write_of("Patient", "p2", "new");
  assert_int_equal(commit(&write, 1), 0);
  fixture_reopen();
  assert_int_equal(history_of_type("Patient", &total), 4);
  assert_int_equal(total, 4);
  assert_int_equal(history_of_type("Observation", &total), 3);
  struct store_resource found;
  assert_int_equal(read_one("Patient", "p1", &found), 0);
  assert_int_equal(found.version, 3);
}

/* The rows of an old file are by old rules: a job goes through its resources. */
static void index_of_an_old_file_is_made_again(void **state) {
  (void)state;
  fixture_open();
  assert_int_equal(sql_number("SELECT count(*) FROM job"), 0);
  struct store_write write = write_of("Patient", "1", "x");
  write.body = STR("{\"resourceType\":\"Patient\",\"id\":\"1\",\"active\":true}");
  assert_int_equal(commit(&write, 1), 0); /* without any value */
  assert_int_equal(sql_number("SELECT count(*) FROM token"), 0);
  become_version_1();
  fixture_open();
  for (unsigned i = 0; i < 1000 && sql_number("SELECT count(*) FROM job WHERE state=3") == 0; i++)
    usleep(10000);
  assert_int_equal(sql_number("SELECT count(*) FROM job WHERE state=3"), 1);
  assert_true(sql_number("SELECT count(*) FROM token") > 0);
  fixture_reopen();
  assert_int_equal(sql_number("SELECT count(*) FROM job"), 1);
  assert_int_equal(sql_number("SELECT version FROM resource WHERE rid=1"), 1);
}

static void old_file_is_not_read_without_being_upgraded(void **state) {
  (void)state;
  struct err err;
  fixture_open();
  become_version_1();
  struct store_options options = {.path = fixture_path, .is_read_only = true};
  assert_int_equal(store_open(&options, &fixture_store, &err), ERR_STORE);
  assert_non_null(strstr(err.text, "older version"));
}

/* ---- A file of version 2, as its program left it (test/fixtures) ---- */

static void write_fixture(void) {
  static char packed[1 << 20];
  FILE *in = fopen(FIXTURES "/store-v2.db.zst", "rb");
  assert_non_null(in);
  size_t packed_n = fread(packed, 1, sizeof packed, in);
  fclose(in);
  size_t n = (size_t)ZSTD_getFrameContentSize(packed, packed_n);
  char *bytes = malloc(n);
  assert_non_null(bytes);
  assert_int_equal(ZSTD_decompress(bytes, n, packed, packed_n), n);
  FILE *out = fopen(fixture_path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(bytes, 1, n, out), n);
  assert_int_equal(fclose(out), 0);
  free(bytes);
}

static size_t found_n(const char *type, const char *name, const char *value) {
  const struct search_pair pair = {str_of(name), str_of(value)};
  const struct search_options options = {0};
  struct access access = everything();
  const struct search *search;
  struct store_resources found;
  struct issues issues = {0};
  struct store_view *view;
  struct err err;
  assert_int_equal(
      search_parse(test_arena, type_of(type), &pair, 1, &options, &search, &issues, &err), 0);
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(search_ids(view, &access, test_arena, search, 10, &found, &err), 0);
  store_view_close(view);
  return found.n;
}

/* The row of last numbers says what stands in the tables. */
static void check_sequence(void) {
  static const char *const sources[] = {
      "rid FROM resource", "seq FROM commit_log", "number FROM message",    "number FROM event",
      "number FROM audit", "number FROM job",     "number FROM dictionary",
  };
  static const char *const columns[] = {"rid",   "seq", "message",     "event",
                                        "audit", "job", "dictionaries"};
  for (size_t i = 0; i < sizeof columns / sizeof columns[0]; i++) {
    char *end = strchr(sources[i], ' ');
    int64_t last =
        sql_number(text_of("SELECT max(%.*s)%s", (int)(end - sources[i]), sources[i], end));
    assert_true(last > 0);
    assert_int_equal(sql_number(text_of("SELECT %s FROM sequence", columns[i])), last);
  }
  assert_int_equal(sql_number("SELECT versions FROM sequence"),
                   sql_number("SELECT n FROM counter WHERE kind=2"));
  assert_int_equal(sql_number("SELECT time FROM sequence"),
                   sql_number("SELECT max(time) FROM commit_log"));
}

static void old_versions_are_there(void) {
  struct access access = everything();
  struct store_resource found;
  struct store_view *view;
  struct err err;
  assert_int_equal(read_one("Patient", "updated", &found), 0);
  assert_int_equal(found.version, 3);
  assert_int_equal(read_one("Practitioner", "gone", &found), ERR_DELETED);
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  for (uint32_t version = 1; version <= 3; version++) {
    assert_int_equal(store_vread(view, &access, test_arena, type_of("Patient"), STR("updated"),
                                 version, &found, &err),
                     0);
    assert_true(str_find(found.body, str_of(text_of("Stand %u", version))) > 0);
  }
  struct store_message_row message;
  assert_int_equal(store_message_read(view, &access, test_arena, 1, &message, &err), 0);
  assert_true(str_is(message.control_id, "v2-1") && str_starts_with(message.raw, STR("MSH|")));
  struct store_lineage_rows lineage;
  assert_int_equal(store_lineage_of_message(view, &access, test_arena, 1, &lineage, &err), 0);
  assert_true(lineage.n >= 2 && lineage.p[0].lineage.n > 0);
  store_view_close(view);
}

static void store_of_version_2_goes_on_as_it_was(void **state) {
  (void)state;
  struct db_identity identity;
  struct store_view *view;
  struct err err;
  write_fixture();
  fixture_open();
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(db_identity(store_view_db(view), &identity, &err), 0);
  assert_int_equal(identity.version, SCHEMA_VERSION);
  store_view_close(view);
  assert_int_equal(sql_number("SELECT schema FROM sequence"), SCHEMA_VERSION);
  check_sequence();
  old_versions_are_there();
  assert_int_equal(found_n("Patient", "identifier", "urn:site|4711"), 1);
  assert_int_equal(found_n("Patient", "ward", "nord"), 1); /* its own parameter is in force */
  assert_int_equal(found_n("Observation", "value-quantity", "71.5||kg"), 1);

  int64_t before = sql_number("SELECT max(number) FROM event");
  uint64_t total, more;
  size_t patients_n = history_of_type("Patient", &total);
  struct store_write write = write_of("Patient", "updated", "later");
  assert_int_equal(commit(&write, 1), 0);
  assert_int_equal(write.version, 4);
  assert_int_equal(sql_number("SELECT max(number) FROM event"), before + 1);
  assert_int_equal(sql_number("SELECT count(*) FROM event"), before + 1);
  assert_int_equal(history_of_type("Patient", &more), patients_n + 1);
  assert_int_equal(more, total + 1);
  fixture_reopen();
  check_sequence();
  assert_int_equal(found_n("Patient", "ward", "nord"), 1);
}

static int64_t number_in_file(const char *sql) {
  sqlite3 *db;
  sqlite3_stmt *row = NULL;
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &row, NULL), SQLITE_OK);
  assert_int_equal(sqlite3_step(row), SQLITE_ROW);
  int64_t number = sqlite3_column_int64(row, 0);
  sqlite3_finalize(row);
  sqlite3_close(db);
  return number;
}

/* All of it or nothing: here a table is in the way of the last steps. */
static void upgrade_that_fails_leaves_the_file_as_it_was(void **state) {
  (void)state;
  struct store_options options = {.path = fixture_path};
  struct err err;
  sqlite3 *db;
  write_fixture();
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  run_sql(db, "CREATE TABLE lease(other)");
  sqlite3_close(db);
  assert_true(store_open(&options, &fixture_store, &err) != 0);
  fixture_store = NULL;
  assert_int_equal(number_in_file("PRAGMA user_version"), 2);
  assert_int_equal(number_in_file("SELECT count(*) FROM sqlite_schema WHERE name='sequence'"), 0);
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  run_sql(db, "DROP TABLE lease");
  sqlite3_close(db);
  fixture_open();
  check_sequence();
}

/* ---- A program that is killed while it upgrades ---- */

struct steps {
  unsigned n, end_at; /* looks of the engine at what a statement is about to do; 0: no end */
};
static struct steps *steps; /* shared with the child */

static int count_step(void *what, int action, const char *a, const char *b, const char *c,
                      const char *d) {
  (void)what, (void)action, (void)a, (void)b, (void)c, (void)d;
  if (gettid() == getpid() && ++steps->n == steps->end_at) /* not those of the background */
    _exit(9);
  return SQLITE_OK;
}

static int watch_connection(sqlite3 *db, char **message, const struct sqlite3_api_routines *api) {
  (void)message, (void)api;
  return sqlite3_set_authorizer(db, count_step, NULL);
}

/* Opens the store in a process of its own, which ends without any clean-up at step `end_at`. */
static int upgrade_in_child(unsigned end_at) {
  *steps = (struct steps){.end_at = end_at};
  pid_t child = fork();
  if (child == 0) {
    struct store_options options = {.path = fixture_path};
    struct store *store = NULL;
    struct err err;
    sqlite3_auto_extension((void (*)(void))watch_connection);
    _exit(store_open(&options, &store, &err) == 0 ? 0 : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WEXITSTATUS(status);
}

static void write_fixture_again(void) {
  store_close(fixture_store);
  fixture_store = NULL;
  unlink(text_of("%s-wal", fixture_path));
  unlink(text_of("%s-shm", fixture_path));
  write_fixture();
}

static void upgrade_that_is_killed_anywhere_leaves_the_old_or_the_new(void **state) {
  (void)state;
  unsigned kills = 30, old_n = 0, new_n = 0;
  steps = mmap(NULL, sizeof *steps, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  assert_true(steps != MAP_FAILED);
  write_fixture();
  assert_int_equal(upgrade_in_child(0), 0);
  unsigned all = steps->n;
  assert_true(all > kills);
  for (unsigned i = 1; i < kills; i++) {
    write_fixture_again();
    int code = upgrade_in_child(all * i / kills);
    assert_true(code == 9 || (code == 0 && i > kills / 2)); /* it had less to do this time */
    int64_t version = number_in_file("PRAGMA user_version");
    int64_t has_sequence =
        number_in_file("SELECT count(*) FROM sqlite_schema WHERE name='sequence'");
    assert_true((version == 2 && !has_sequence) || (version == SCHEMA_VERSION && has_sequence));
    old_n += version == 2;
    new_n += version == SCHEMA_VERSION;
    fixture_open();
    check_sequence();
    assert_int_equal(found_n("Patient", "identifier", "urn:site|4711"), 1);
  }
  assert_true(old_n > 0 && new_n > 0);
  munmap(steps, sizeof *steps);
}

/* A newer program upgrades the store while this one has it open: it must not go on. */
static void store_that_was_upgraded_meanwhile_is_not_written(void **state) {
  (void)state;
  sqlite3 *db;
  struct err err;
  fixture_open();
  struct store_write write = write_of("Patient", "1", "x");
  assert_int_equal(commit(&write, 1), 0);
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  run_sql(db, "UPDATE sequence SET schema=schema+1");
  sqlite3_close(db);
  struct store_write late = write_of("Patient", "2", "x");
  assert_int_equal(store_commit_wait(fixture_store, commit_of(&late, 1), &err), ERR_STORE);
  assert_non_null(strstr(err.text, "newer Callosum"));
  assert_int_equal(sql_number("SELECT count(*) FROM resource"), 1);
}

/* ---- Both engines ---- */

struct table {
  struct str name;
  struct str columns[24];
  size_t columns_n;
};
struct tables {
  struct table list[64];
  size_t n;
};

/* The next column's definition from `*at` on, up to the comma or bracket that ends it. */
static struct str next_definition(struct str sql, size_t *at) {
  size_t begin = *at, depth = 0;
  for (; *at < sql.n; (*at)++) {
    char c = sql.p[*at];
    if (depth == 0 && (c == ',' || c == ')'))
      break;
    depth += (size_t)(c == '(') - (size_t)(c == ')');
  }
  struct str definition = str_trim(str_slice(sql, begin, *at - begin));
  bool is_last = *at >= sql.n || sql.p[*at] == ')';
  *at = is_last ? sql.n : *at + 1;
  return definition;
}

/* "CREATE TABLE name(column type ..., ..., PRIMARY KEY(...))" */
static void note_table(struct str sql, struct tables *tables) {
  static const struct str create = STR("CREATE TABLE ");
  if (!str_starts_with(sql, create))
    return;
  size_t at = create.n;
  while (sql.p[at] != '(')
    at++;
  struct table *table = &tables->list[tables->n++];
  *table = (struct table){.name = str_slice(sql, create.n, at - create.n)};
  at++;
  while (at < sql.n) {
    struct str definition = next_definition(sql, &at);
    size_t n = 0;
    while (n < definition.n && definition.p[n] != ' ' && definition.p[n] != '(')
      n++;
    struct str word = str_slice(definition, 0, n);
    if (!str_is(word, "PRIMARY") && !str_is(word, "UNIQUE"))
      table->columns[table->columns_n++] = word;
  }
}

static const struct table *find_table(const struct tables *tables, struct str name) {
  for (size_t i = 0; i < tables->n; i++)
    if (str_equal(tables->list[i].name, name))
      return &tables->list[i];
  return NULL;
}

static bool has_column(const struct table *table, struct str name) {
  for (size_t i = 0; i < table->columns_n; i++)
    if (str_equal(table->columns[i], name))
      return true;
  return false;
}

static int note_row(void *what, int n, char **values, char **names) {
  (void)n, (void)names;
  struct table *table = what;
  table->columns[table->columns_n++] = arena_str(test_arena, str_of(values[0]));
  return 0;
}

static int note_name(void *what, int n, char **values, char **names) {
  (void)n, (void)names;
  struct tables *tables = what;
  tables->list[tables->n++] = (struct table){.name = arena_str(test_arena, str_of(values[0]))};
  return 0;
}

static struct tables tables_of_sqlite(void) {
  struct tables tables = {0};
  sqlite3 *db;
  store_close(fixture_store);
  fixture_store = NULL;
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db,
                                "SELECT name FROM sqlite_schema WHERE type='table'"
                                " AND name NOT LIKE 'sqlite_%'",
                                note_name, &tables, NULL),
                   SQLITE_OK);
  for (size_t i = 0; i < tables.n; i++)
    assert_int_equal(sqlite3_exec(db,
                                  text_of("SELECT name FROM pragma_table_info('%.*s')",
                                          STR_ARG(tables.list[i].name)),
                                  note_row, &tables.list[i], NULL),
                     SQLITE_OK);
  sqlite3_close(db);
  return tables;
}

/* PostgreSQL's have `shard` last; the two that are the driver's own are not ours to compare. */
static void both_engines_have_the_same_tables(void **state) {
  (void)state;
  fixture_open();
  struct tables here = tables_of_sqlite(), there = {0};
  for (const char *const *sql = schema_tables_postgres.make; *sql; sql++)
    note_table(str_of(*sql), &there);
  size_t shared_n = 0;
  for (size_t i = 0; i < there.n; i++) {
    const struct table *table = &there.list[i], *same = find_table(&here, table->name);
    if (str_is(table->name, "callosum_identity") || str_is(table->name, "db_writer"))
      continue;
    assert_non_null(same);
    shared_n++;
    assert_true(str_is(table->columns[table->columns_n - 1], "shard"));
    assert_int_equal(table->columns_n, same->columns_n + 1);
    for (size_t c = 0; c < same->columns_n; c++)
      if (!has_column(table, same->columns[c]))
        fail_msg("%.*s.%.*s", STR_ARG(table->name), STR_ARG(same->columns[c]));
  }
  assert_int_equal(shared_n, here.n);
  assert_true(shared_n >= 28);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(old_file_is_upgraded_with_what_it_holds),
      STORE_TEST(index_of_an_old_file_is_made_again),
      STORE_TEST(old_file_is_not_read_without_being_upgraded),
      STORE_TEST(store_of_version_2_goes_on_as_it_was),
      STORE_TEST(upgrade_that_fails_leaves_the_file_as_it_was),
      STORE_TEST(upgrade_that_is_killed_anywhere_leaves_the_old_or_the_new),
      STORE_TEST(store_that_was_upgraded_meanwhile_is_not_written),
      STORE_TEST(both_engines_have_the_same_tables),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
