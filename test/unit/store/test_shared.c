/* Several stores on one PostgreSQL, as several processes have them: all write at the same time, and
 * what they make is what one would have made. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define STORES 3

static struct store *stores[STORES];
static char shared_path[640];

static void *open_one(void *what) {
  size_t i = (size_t)(uintptr_t)what;
  struct err err;
  int code = store_open(&(struct store_options){.path = shared_path}, &stores[i], &err);
  if (code != 0)
    fprintf(stderr, "store_open: %s\n", err.text);
  return code == 0 ? NULL : what + 1;
}

/* All at once, on a database that is empty. The first is the fixture's. */
static void open_stores(void) {
  pthread_t threads[STORES];
  snprintf(shared_path, sizeof shared_path, "%s&application_name=%s", fixture_path, fixture_schema);
  memset(stores, 0, sizeof stores);
  for (size_t i = 0; i < STORES; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, open_one, (void *)(uintptr_t)i), 0);
  bool has_failed = false;
  for (size_t i = 0; i < STORES; i++) {
    void *failure;
    assert_int_equal(pthread_join(threads[i], &failure), 0);
    has_failed |= failure != NULL;
  }
  assert_false(has_failed);
  fixture_store = stores[0];
}

static void close_stores(void) {
  for (size_t i = 1; i < STORES; i++)
    store_close(stores[i]);
}

static int commit_to(struct store *store, struct store_commit *commit) {
  struct err err;
  return store_commit_wait(store, commit, &err);
}

static void stores_open_an_empty_database_at_once(void **state) {
  (void)state;
  open_stores();
  assert_int_equal(sql_number("SELECT count(*) FROM store WHERE name='key'"), 1);
  assert_int_equal(sql_number("SELECT count(*) FROM sequence"), 1);
  assert_int_equal(sql_number("SELECT count(*) FROM dictionary"), 1);
  for (size_t i = 0; i < STORES; i++) { /* with one key: what one writes, each finds */
    struct store_write write = write_of("Patient", text_of("p%zu", i), "x");
    assert_int_equal(commit_to(stores[i], commit_of(&write, 1)), 0);
  }
  for (size_t i = 0; i < STORES; i++) {
    struct store_resource found;
    struct access access = everything();
    struct store_view *view;
    struct err err;
    assert_int_equal(store_view_open(stores[STORES - 1 - i], &view, &err), 0);
    assert_int_equal(store_read(view, &access, test_arena, type_of("Patient"),
                                str_of(text_of("p%zu", i)), &found, &err),
                     0);
    store_view_close(view);
  }
  close_stores();
}

/* What says that it is older than anything that was ever made is not touched. */
static void store_of_an_impossible_version_is_refused(void **state) {
  (void)state;
  struct store_options options = {.path = fixture_path};
  struct err err;
  fixture_open();
  store_close(fixture_store);
  fixture_store = NULL;
  fixture_run_sql(text_of("UPDATE %s.callosum_identity SET version=1", fixture_schema));
  assert_int_equal(store_open(&options, &fixture_store, &err), ERR_STORE);
  fixture_store = NULL;
}

/* ---- Everything at once ---- */

#define WRITERS 9
#define ROUNDS 60
#define IDENTIFIERS 40
#define SHARED 5

struct writer {
  size_t number;
  unsigned seed;
  struct arena *arena;
  unsigned stored_n, refused_n, uncertain_n, other_n;
  unsigned identified_n; /* conditional creates that were stored */
  unsigned updates_n;    /* of a shared resource */
  unsigned messages_n;
  pthread_t thread;
};

static struct str random_body(struct writer *w, const char *type, const char *id) {
  return arena_printf(w->arena, "{\"resourceType\":\"%s\",\"id\":\"%s\",\"note\":\"%u from %zu\"}",
                      type, id, (unsigned)rand_r(&w->seed), w->number);
}

/* "The patient with this identifier, or a new one." */
static void add_conditional_create(struct writer *w, struct store_commit *commit, unsigned round) {
  struct store_write *write = ARENA_ARRAY(w->arena, struct store_write, 1);
  struct store_condition *condition = ARENA_NEW(w->arena, struct store_condition);
  struct search_value *value = ARENA_ARRAY(w->arena, struct search_value, 1);
  const char *code = arena_printf(w->arena, "id%u", rand_r(&w->seed) % IDENTIFIERS).p;
  const char *id = arena_printf(w->arena, "c-%zu-%u", w->number, round).p;
  value[0] =
      (struct search_value){.param = defs_param_by_code(type_of("Patient"), STR("identifier")),
                            .type = SEARCH_TOKEN,
                            .token = {.system = STR("urn:a"), .code = str_of(code)}};
  write[0] = (struct store_write){
      .type = type_of("Patient"),
      .id = str_of(id),
      .body = arena_printf(w->arena, "{\"resourceType\":\"Patient\",\"id\":\"%s\",\"x\":\"%s\"}",
                           id, code),
      .values = {.p = value, .n = 1}};
  *condition = (struct store_condition){
      .type = type_of("Patient"), .system = STR("urn:a"), .code = str_of(code)};
  commit->writes = write;
  commit->writes_n = 1;
  commit->conditions = condition;
  commit->conditions_n = 1;
}

static void add_update_of_shared(struct writer *w, struct store_commit *commit) {
  struct store_write *write = ARENA_ARRAY(w->arena, struct store_write, 1);
  const char *id = arena_printf(w->arena, "shared%u", rand_r(&w->seed) % SHARED).p;
  *write = (struct store_write){
      .type = type_of("Group"), .id = str_of(id), .body = random_body(w, "Group", id)};
  commit->writes = write;
  commit->writes_n = 1;
}

static void add_message(struct writer *w, struct store_commit *commit, unsigned round) {
  struct store_message *message = ARENA_NEW(w->arena, struct store_message);
  *message =
      (struct store_message){.channel = STR("test"),
                             .sender = STR("A|B"),
                             .control_id = arena_printf(w->arena, "%zu-%u", w->number, round),
                             .type = STR("ADT"),
                             .event = STR("A01"),
                             .version_id = STR("2.5"),
                             .raw = arena_printf(w->arena, "MSH|%zu-%u", w->number, round),
                             .reply = STR("MSA|AA"),
                             .status = STORE_MESSAGE_ACCEPTED};
  commit->message = message;
}

static void note_answer(struct writer *w, const struct store_commit *commit, int code) {
  w->stored_n += code == 0;
  w->refused_n += code == ERR_STALE;
  w->uncertain_n += code == ERR_UNCERTAIN;
  w->other_n += code != 0 && code != ERR_STALE && code != ERR_UNCERTAIN;
  if (code != 0)
    return;
  w->identified_n += commit->conditions_n > 0;
  w->updates_n += commit->writes_n > 0 && commit->conditions_n == 0;
  w->messages_n += commit->message != NULL;
}

static void *write_all(void *what) {
  struct writer *w = what;
  for (unsigned round = 0; round < ROUNDS; round++) {
    static const struct store_audit audit = {STR("x"), STR("y"), STR("0"), STR("")};
    struct store_commit commit = {
        .arena = w->arena, .principal = STR("test"), .audits = &audit, .audits_n = 1};
    switch (rand_r(&w->seed) % 3) {
    case 0:
      add_conditional_create(w, &commit, round);
      break;
    case 1:
      add_update_of_shared(w, &commit);
      break;
    default:
      add_message(w, &commit, round);
    }
    struct err err;
    int code = store_commit_wait(stores[w->number % STORES], &commit, &err);
    note_answer(w, &commit, code);
    if (code != 0 && code != ERR_STALE)
      fprintf(stderr, "commit: %s\n", err.text);
  }
  return NULL;
}

static struct writer sum_of(const struct writer *writers) {
  struct writer sum = {0};
  for (size_t i = 0; i < WRITERS; i++) {
    sum.stored_n += writers[i].stored_n;
    sum.refused_n += writers[i].refused_n;
    sum.uncertain_n += writers[i].uncertain_n;
    sum.other_n += writers[i].other_n;
    sum.identified_n += writers[i].identified_n;
    sum.updates_n += writers[i].updates_n;
    sum.messages_n += writers[i].messages_n;
  }
  return sum;
}

static void start_writers(struct writer *writers) {
  for (size_t i = 0; i < WRITERS; i++) {
    writers[i] =
        (struct writer){.number = i, .seed = (unsigned)i + 1, .arena = arena_new((size_t)64 << 20)};
    assert_int_equal(pthread_create(&writers[i].thread, NULL, write_all, &writers[i]), 0);
  }
}

static struct writer join_writers(struct writer *writers) {
  for (size_t i = 0; i < WRITERS; i++)
    assert_int_equal(pthread_join(writers[i].thread, NULL), 0);
  struct writer sum = sum_of(writers);
  for (size_t i = 0; i < WRITERS; i++)
    arena_free(writers[i].arena);
  return sum;
}

/* No number is missing, none is given twice, and all that is counted is there. */
static void check_numbers(void) {
  static const char *const same[][2] = {
      {"SELECT count(*) FROM commit_log", "SELECT max(seq) FROM commit_log"},
      {"SELECT count(*) FROM event", "SELECT max(number) FROM event"},
      {"SELECT count(*) FROM message", "SELECT coalesce(max(number),0) FROM message"},
      {"SELECT count(*) FROM audit", "SELECT max(number) FROM audit"},
      {"SELECT seq FROM sequence", "SELECT max(seq) FROM commit_log"},
      {"SELECT event FROM sequence", "SELECT max(number) FROM event"},
      {"SELECT rid FROM sequence", "SELECT count(*) FROM resource"},
      {"SELECT time FROM sequence", "SELECT max(time) FROM commit_log"},
      {"SELECT versions FROM sequence", "SELECT n FROM counter WHERE kind=2"},
      {"SELECT versions FROM sequence", "SELECT sum(version) FROM resource"},
      {"SELECT count(*) FROM resource WHERE state=1", "SELECT sum(n) FROM counter WHERE kind=1"},
      {"SELECT count(*) FROM version",
       "SELECT sum(version-1) FROM resource"}, /* each version but the current one */
      {"SELECT count(*) FROM event WHERE kind<>0", "SELECT sum(version) FROM resource"},
      {"SELECT count(*) FROM commit_log a JOIN commit_log b ON b.seq=a.seq+1 WHERE b.time<=a.time",
       "SELECT 0"},
      {"SELECT count(*) FROM event a JOIN event b ON b.number=a.number+1 WHERE b.seq<a.seq",
       "SELECT 0"},
  };
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
    int64_t a = sql_number(same[i][0]), b = sql_number(same[i][1]);
    if (a != b)
      fail_msg("%s: %lld, %s: %lld", same[i][0], (long long)a, same[i][1], (long long)b);
  }
}

static int64_t count_of(const char *type) {
  return sql_number(text_of("SELECT count(*) FROM resource r JOIN type t ON t.number=r.type"
                            " WHERE t.name='%s' AND r.state=1",
                            type));
}

static void stores_write_as_one(void **state) {
  (void)state;
  struct writer writers[WRITERS];
  open_stores();
  start_writers(writers);
  struct writer sum = join_writers(writers);
  assert_int_equal(sum.other_n + sum.uncertain_n, 0);
  assert_int_equal(sum.stored_n, sql_number("SELECT count(*) FROM commit_log"));
  assert_int_equal(sum.identified_n, count_of("Patient"));
  assert_int_equal(sum.identified_n, sql_number("SELECT count(DISTINCT hash) FROM token"));
  assert_true(sum.identified_n <= IDENTIFIERS && sum.refused_n > 0);
  assert_int_equal(sum.messages_n, sql_number("SELECT count(*) FROM message"));
  assert_int_equal(sum.updates_n, sql_number("SELECT sum(version) FROM resource r JOIN type t ON"
                                             " t.number=r.type WHERE t.name='Group'"));
  check_numbers();
  close_stores();
}

/* ---- If-Match ---- */

struct racer {
  struct store *store;
  uint32_t version;
  pthread_barrier_t *start;
  struct arena *arena;
  int code;
  pthread_t thread;
};

static void *race(void *what) {
  struct racer *r = what;
  struct store_write write = {.type = type_of("Group"),
                              .id = STR("raced"),
                              .body = arena_printf(r->arena, "{\"n\":\"%p %u\"}", what, r->version),
                              .expect = STORE_MUST_BE_VERSION,
                              .expected_version = r->version};
  struct store_commit commit = {
      .arena = r->arena, .principal = STR("test"), .writes = &write, .writes_n = 1};
  struct err err;
  pthread_barrier_wait(r->start);
  r->code = store_commit_wait(r->store, &commit, &err);
  return NULL;
}

static void one_of_those_who_match_wins(void **state) {
  (void)state;
  open_stores();
  struct store_write first = write_of("Group", "raced", "x");
  assert_int_equal(commit(&first, 1), 0);
  for (uint32_t version = 1; version <= 30; version++) {
    struct racer racers[STORES];
    pthread_barrier_t start;
    unsigned won_n = 0, lost_n = 0;
    pthread_barrier_init(&start, NULL, STORES);
    for (size_t i = 0; i < STORES; i++) {
      racers[i] = (struct racer){.store = stores[i],
                                 .version = version,
                                 .start = &start,
                                 .arena = arena_new((size_t)4 << 20)};
      assert_int_equal(pthread_create(&racers[i].thread, NULL, race, &racers[i]), 0);
    }
    for (size_t i = 0; i < STORES; i++) {
      assert_int_equal(pthread_join(racers[i].thread, NULL), 0);
      won_n += racers[i].code == 0;
      lost_n += racers[i].code == ERR_PRECONDITION;
      arena_free(racers[i].arena);
    }
    pthread_barrier_destroy(&start);
    assert_int_equal(won_n, 1);
    assert_int_equal(lost_n, STORES - 1);
  }
  close_stores();
}

/* ---- Lost connections ---- */

struct breaker {
  atomic_bool is_over;
  unsigned broken_n;
  pthread_t thread;
};

static void *break_connections(void *what) {
  struct breaker *breaker = what;
  char sql[200];
  snprintf(sql, sizeof sql,
           "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name='%s'"
           " AND usename=current_user",
           fixture_schema);
  while (!atomic_load(&breaker->is_over)) {
    nanosleep(&(struct timespec){.tv_nsec = 40 * 1000 * 1000}, NULL);
    fixture_run_sql(sql);
    breaker->broken_n++;
  }
  return NULL;
}

/* Whatever breaks when: what was acknowledged is there once, what was refused is not there, and
 * what nobody knows is either. */
static void lost_connections_lose_and_double_nothing(void **state) {
  (void)state;
  struct writer writers[WRITERS];
  struct breaker breaker = {0};
  open_stores();
  assert_int_equal(pthread_create(&breaker.thread, NULL, break_connections, &breaker), 0);
  start_writers(writers);
  struct writer sum = join_writers(writers);
  atomic_store(&breaker.is_over, true);
  assert_int_equal(pthread_join(breaker.thread, NULL), 0);
  assert_true(breaker.broken_n > 0);
  assert_int_equal(sum.other_n, 0);
  nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL); /* until the last are gone */
  struct store_write last = write_of("Group", "last", "x");
  assert_int_equal(commit(&last, 1), 0);
  int64_t stored_n = sql_number("SELECT count(*) FROM commit_log") - 1;
  assert_in_range(stored_n, sum.stored_n, sum.stored_n + sum.uncertain_n);
  if (sum.uncertain_n == 0) {
    assert_int_equal(sum.messages_n, sql_number("SELECT count(*) FROM message"));
    assert_int_equal(sum.identified_n, count_of("Patient"));
  }
  check_numbers();
  close_stores();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(stores_open_an_empty_database_at_once),
      STORE_TEST(store_of_an_impossible_version_is_refused),
      STORE_TEST(stores_write_as_one),
      STORE_TEST(one_of_those_who_match_wins),
      STORE_TEST(lost_connections_lose_and_double_nothing),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
