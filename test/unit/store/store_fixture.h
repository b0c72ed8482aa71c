/* A store in a fresh place, and short ways to write into it. Bodies are small; the values that the
 * tests search by are given by hand, so that nothing here depends on extraction.
 *
 * The place is a file in a new folder; where the environment has CALLOSUM_TEST_STORE=postgresql, a
 * new schema in the database that CALLOSUM_TEST_POSTGRES names (a URL; test/postgres.py makes one).
 * Without that URL the program says so and ends with 77: skipped.
 *
 * CALLOSUM_TEST_STORE=sqlite-sharded, postgresql-sharded: the same as a distributed store
 * (shard.h); on PostgreSQL its tables have partitions by `shard`, which stand for machines. */
#ifndef TEST_UNIT_STORE_FIXTURE_H
#define TEST_UNIT_STORE_FIXTURE_H

#include "../test.h"

#include <libpq-fe.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/schema/shard.h"
#include "store/store_internal.h"

#include "partitions.h"

#ifndef FIXTURE_PARTITIONS
#define FIXTURE_PARTITIONS 2
#endif

static char fixture_folder[64];
static char fixture_path[512]; /* what store_open is given: a file, or a URL */
static char fixture_schema[40];
static struct store *fixture_store;

__attribute__((unused)) static bool fixture_is_postgres(void) {
  const char *engine = getenv("CALLOSUM_TEST_STORE");
  return engine && strncmp(engine, "postgresql", 10) == 0;
}

__attribute__((unused)) static bool fixture_is_sharded(void) {
  const char *engine = getenv("CALLOSUM_TEST_STORE");
  return engine && strstr(engine, "-sharded");
}

__attribute__((constructor)) static void fixture_skip_without_server(void) {
  if (!fixture_is_postgres() || getenv("CALLOSUM_TEST_POSTGRES"))
    return;
  puts("1..0 # SKIP CALLOSUM_TEST_POSTGRES names no database (test/postgres.py run -- ...)");
  fflush(stdout);
  _exit(77);
}

static void fixture_ignore_notice(void *arg, const char *text) {
  (void)arg;
  (void)text;
}

/* A statement beside the store's own connections, as the owner of its schema. */
__attribute__((unused)) static void fixture_run_sql(const char *sql) {
  PGconn *server = PQconnectdb(getenv("CALLOSUM_TEST_POSTGRES"));
  PQsetNoticeProcessor(server, fixture_ignore_notice, NULL);
  PGresult *result = PQexec(server, sql);
  ExecStatusType status = PQresultStatus(result);
  char *fault = strdup(PQerrorMessage(server));
  PQclear(result);
  PQfinish(server);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK)
    fail_msg("%s: %s", sql, fault ? fault : "");
  free(fault);
}

static int64_t sql_number(const char *sql);

static void fixture_open_as_it_is(void) {
  struct err err;
  if (store_open(&(struct store_options){.path = fixture_path}, &fixture_store, &err) != 0)
    fail_msg("store_open: %s", err.text);
}

/* The store that was just made becomes one that is distributed. */
static void fixture_distribute(void) {
  store_close(fixture_store);
  if (fixture_is_postgres()) {
    struct buf buf;
    buf_init(&buf, 65536);
    buf_printf(&buf, "SET search_path=%s;", fixture_schema);
    partitions_add_sql(&buf, FIXTURE_PARTITIONS);
    fixture_run_sql(buf_z(&buf));
    buf_fini(&buf);
  } else {
    sqlite3 *file;
    assert_int_equal(sqlite3_open(fixture_path, &file), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(file, "INSERT INTO store VALUES('shards','65536')", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(file);
  }
}

__attribute__((unused)) static void fixture_open(void) {
  fixture_open_as_it_is();
  if (!fixture_is_sharded() || sql_number("SELECT count(*) FROM store WHERE name='shards'") > 0)
    return;
  fixture_distribute();
  fixture_open_as_it_is();
}

__attribute__((unused)) static void fixture_reopen(void) {
  store_close(fixture_store);
  fixture_open();
}

static void fixture_make_schema(void) {
  static unsigned made;
  const char *url = getenv("CALLOSUM_TEST_POSTGRES");
  char sql[80];
  snprintf(fixture_schema, sizeof fixture_schema, "t_%lx_%u", (unsigned long)getpid(), ++made);
  snprintf(fixture_path, sizeof fixture_path, "%s%coptions=-csearch_path%%3D%s", url,
           strchr(url, '?') ? '&' : '?', fixture_schema);
  snprintf(sql, sizeof sql, "CREATE SCHEMA %s", fixture_schema);
  fixture_run_sql(sql);
}

__attribute__((unused)) static int fixture_setup(void **state) {
  fixture_store = NULL;
  snprintf(fixture_folder, sizeof fixture_folder, "/tmp/callosum-store-XXXXXX");
  if (!mkdtemp(fixture_folder))
    return -1;
  if (fixture_is_postgres())
    fixture_make_schema();
  else
    snprintf(fixture_path, sizeof fixture_path, "%s/data.db", fixture_folder);
  return test_arena_open(state);
}

__attribute__((unused)) static int fixture_teardown(void **state) {
  store_close(fixture_store);
  fixture_store = NULL;
  if (fixture_is_postgres()) {
    /* A test that failed may have left a transaction open: don't wait for it. */
    char sql[120];
    snprintf(sql, sizeof sql,
             "SET lock_timeout='5s'; SET client_min_messages=warning; DROP SCHEMA %s CASCADE",
             fixture_schema);
    fixture_run_sql(sql);
  }
  static const char *const suffixes[] = {"", "-wal", "-shm", "-owner"};
  for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
    char name[160];
    snprintf(name, sizeof name, "%s/data.db%s", fixture_folder, suffixes[i]);
    unlink(name);
  }
  rmdir(fixture_folder);
  return test_arena_close(state);
}

#define text_of(...) (arena_printf(test_arena, __VA_ARGS__).p)

#define STORE_TEST(function)                                                                       \
  cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

__attribute__((unused)) static defs_type_id type_of(const char *name) {
  return defs_type_by_name(str_of(name));
}

/* {"resourceType":"Patient","id":"1","note":"..."} */
__attribute__((unused)) static struct str body_of(const char *type, const char *id,
                                                  const char *note) {
  return arena_printf(test_arena, "{\"resourceType\":\"%s\",\"id\":\"%s\",\"note\":\"%s\"}", type,
                      id, note);
}

__attribute__((unused)) static struct store_write write_of(const char *type, const char *id,
                                                           const char *note) {
  return (struct store_write){
      .type = type_of(type), .id = str_of(id), .body = body_of(type, id, note)};
}

__attribute__((unused)) static void add_value(struct store_write *write,
                                              struct search_value value) {
  struct search_value *values = ARENA_ARRAY(test_arena, struct search_value, write->values.n + 1);
  if (write->values.n)
    memcpy(values, write->values.p, write->values.n * sizeof *values);
  values[write->values.n] = value;
  write->values = (struct search_values){.p = values, .n = write->values.n + 1};
}

__attribute__((unused)) static void add_identifier(struct store_write *write, const char *system,
                                                   const char *code) {
  add_value(write,
            (struct search_value){.param = defs_param_by_code(write->type, STR("identifier")),
                                  .type = SEARCH_TOKEN,
                                  .token = {.system = str_of(system), .code = str_of(code)}});
}

__attribute__((unused)) static void add_reference(struct store_write *write, const char *param,
                                                  const char *type, const char *id) {
  add_value(write, (struct search_value){.param = defs_param_by_code(write->type, str_of(param)),
                                         .type = SEARCH_REFERENCE,
                                         .reference = {.type = str_of(type), .id = str_of(id)}});
}

__attribute__((unused)) static struct store_commit *commit_of(struct store_write *writes,
                                                              size_t n) {
  struct store_commit *commit = ARENA_NEW(test_arena, struct store_commit);
  *commit = (struct store_commit){
      .arena = test_arena, .principal = STR("test"), .writes = writes, .writes_n = n};
  return commit;
}

__attribute__((unused)) static int commit(struct store_write *writes, size_t n) {
  struct err err;
  return store_commit_wait(fixture_store, commit_of(writes, n), &err);
}

__attribute__((unused)) static struct access everything(void) {
  return ACCESS_EVERYTHING(STR("test"));
}

__attribute__((unused)) static int read_as(const struct access *access, const char *type,
                                           const char *id, struct store_resource *ret_resource) {
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  int code = store_read(view, access, test_arena, type_of(type), str_of(id), ret_resource, &err);
  store_view_close(view);
  return code;
}

__attribute__((unused)) static int read_one(const char *type, const char *id,
                                            struct store_resource *ret_resource) {
  struct access access = everything();
  return read_as(&access, type, id, ret_resource);
}

/* What a statement with one number gives. */
__attribute__((unused)) static int64_t sql_number(const char *sql) {
  struct store_view *view;
  struct db_query query;
  struct err err;
  int64_t number = 0;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  db_query_init(&query, test_arena);
  db_query_add(&query, sql);
  assert_int_equal(db_query_number(store_view_db(view), &query, 0, &number, &err), 0);
  store_view_close(view);
  return number;
}

#endif
