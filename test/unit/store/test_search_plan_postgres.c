/*
 * PostgreSQL follows the plan that the search prints: for every statement that searches, history,
 * reads and lists send, whatever the tables hold (nothing, rows that nobody has counted, rows that
 * ANALYZE has), it goes through indices in the order written, and sorts only what an index has
 * brought nearly into order.
 *
 * The statements are taken from a connection that has answered such questions, so that none is
 * forgotten, and asked of PostgreSQL again with EXPLAIN.
 */
#include "search_fixture.h"

#include "store/db/db_driver.h"
#include "store/db/db_postgres.h"
#include "store/db/db_postgres_sql.h"

enum { TEXTS_MAX = 400, BATCH = 500 };

/* ---- What is stored, and what is asked ------------------------------------------------------- */

static void fill(size_t observations) {
  for (size_t at = 0; at < observations; at += BATCH) {
    struct store_write *writes = ARENA_ARRAY(test_arena, struct store_write, BATCH + 20);
    size_t n = 0;
    for (size_t i = 0; at == 0 && i < 20; i++)
      writes[n++] = put_write(
          text_of("{'resourceType':'Patient','id':'p%zu','gender':'%s','name':[{'family':'F%zu'}],"
                  "'birthDate':'19%02zu-01-02','identifier':[{'system':'urn:mrn','value':'%zu'}]}",
                  i, i % 2 ? "male" : "female", i, i, i));
    for (size_t i = at; i < at + BATCH; i++)
      writes[n++] = put_write(text_of(
          "{'resourceType':'Observation','id':'o%zu','status':'%s','code':{'coding':[{'system':"
          "'http://loinc.org','code':'c%zu'}],'text':'note %zu'},'subject':{'reference':"
          "'Patient/p%zu'},'effectiveDateTime':'201%zu-0%zu-1%zuT08:00:00Z','valueQuantity':{"
          "'value':%zu,'unit':'mg','system':'http://unitsofmeasure.org','code':'mg'}}",
          i, i % 97 ? "final" : "amended", i % 40, i % 7, i % 20, i % 10, i % 9 + 1, i % 10,
          i % 300));
    assert_int_equal(commit(writes, n), 0);
  }
}

static const char *const urls[] = {
    "Patient?_id=p7",
    "Patient?identifier=urn:mrn%7C7",
    "Patient?identifier=7",
    "Patient?identifier=urn:mrn%7C",
    "Patient?family=f1",
    "Patient?family:exact=F1",
    "Patient?family:contains=1",
    "Patient?birthdate=1907-01-02",
    "Patient?birthdate=ne1907-01-02&_total=accurate",
    "Observation?code=c7",
    "Observation?code=c7&_total=accurate",
    "Observation?code:text=note",
    "Observation?patient=p7&code=c7",
    "Observation?patient=p7,p8&code=http://loinc.org%7Cc7,http://loinc.org%7Cc8",
    "Observation?code=c7&date=ge2012-03-01&date=lt2012-05-01",
    "Observation?date=2012-03&_total=accurate",
    "Observation?date=ap2012&code=c7&_sort=date",
    "Observation?code=c7&status:not=final&_total=accurate",
    "Observation?value-quantity=gt290&_total=accurate",
    "Observation?value-quantity=7%7C%7Cmg",
    "Observation?code-value-quantity=c7$gt200",
    "Observation?status:missing=true",
    "Observation?encounter:missing=false",
    "Observation?encounter:missing=true&_total=accurate",
    "Observation?subject:Patient.gender=female",
    "Observation?subject:Patient.gender=female&_total=accurate",
    "Patient?_has:Observation:patient:code=c7",
    "Patient?_has:Observation:patient:code=c7&gender=male",
    "Observation?_filter=code%20eq%20c7%20and%20not(status%20eq%20final)",
    "Observation?_sort=-date",
    "Observation?_sort=date&_count=5",
    "Patient?_sort=family",
    "Observation?_sort=-_lastUpdated",
    "?_lastUpdated=ge2020&_sort=_lastUpdated",
    "Observation?_sort=code&patient=p7",
    "Observation?_sort=subject&code=c7",
    "Patient/p7/Observation?date=ge2015",
    "Observation",
    "Patient?_summary=count&gender=male",
    "?_type=Patient,Observation&_lastUpdated=gt2020",
    "Observation?code=c7&_include=Observation:subject",
    "Patient?_revinclude=Observation:subject&_count=3",
    "Patient?_revinclude=*&_count=3",
    "Observation?_contained=true&code=c7",
};

/* ---- The statements -------------------------------------------------------------------------- */

static char *texts[TEXTS_MAX]; /* as PREPARE takes them */
static size_t texts_n;

/* A statement for many keys is kept behind a mark; one for many rows under a key: a control byte,
 * its columns' types, the byte. */
static int translate(struct str kept, struct buf *sql) {
  struct err err;
  int places;
  if (kept.n == 0 || (unsigned char)kept.p[0] >= ' ')
    return pg_sql_plain(kept, sql, &places, &err);
  if (str_starts_with(kept, PG_KEYS_MARK))
    return pg_sql_keys(str_slice(kept, PG_KEYS_MARK.n, kept.n), sql, &places, &err);
  ssize_t end = str_find_char(kept, kept.p[0], 1);
  enum db_type types[PG_COLUMNS_MAX];
  size_t types_n = 0;
  for (ssize_t i = 1; i < end; i++)
    types[types_n++] = (enum db_type)(kept.p[i] - 'a');
  return pg_sql_rows(str_slice(kept, (size_t)end + 1, kept.n), types, types_n, sql, &err);
}

static void note_texts(struct store_view *view) {
  const struct db *db = store_view_db(view);
  for (size_t i = 0; i < db->kept_n; i++) {
    struct buf sql;
    buf_init(&sql, (size_t)1 << 16);
    bool is_known = translate(db->kept[i]->text, &sql) != 0;
    for (size_t k = 0; k < texts_n && !is_known; k++)
      is_known = strcmp(texts[k], sql.p) == 0;
    if (!is_known) {
      assert_true(texts_n < TEXTS_MAX);
      texts[texts_n++] = strdup(sql.p);
    }
    buf_fini(&sql);
  }
}

static void ask(const struct access *access, const char *url) {
  struct store_view *view;
  struct search_result result;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  if (search_run(view, access, test_arena, search_of(url), &result, &err))
    fail_msg("%s: %s", url, err.text);
  note_texts(view);
  store_view_close(view);
}

static void ask_history(struct store_history_query query) {
  struct access one = {.principal = STR("one"), .patient_id = STR("p7")}, all = everything();
  struct store_history history;
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_history(view, &all, test_arena, &query, &history, &err), 0);
  if (query.id.n == 0)
    assert_int_equal(store_history(view, &one, test_arena, &query, &history, &err), 0);
  note_texts(view);
  store_view_close(view);
}

static void ask_others(void) {
  struct access all = everything();
  struct store_message_query query = {.count = 10, .text = STR("adt")};
  struct store_message_rows messages;
  struct store_lineage_rows lineage;
  struct store_resource resource;
  struct store_view *view;
  struct str id;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_messages(view, &all, test_arena, &query, &messages, &err), 0);
  query = (struct store_message_query){.count = 10, .status = STORE_MESSAGE_ACCEPTED};
  assert_int_equal(store_messages(view, &all, test_arena, &query, &messages, &err), 0);
  query.status = STORE_MESSAGE_ACCEPTED + 1;
  assert_int_equal(store_messages(view, &all, test_arena, &query, &messages, &err), 0);
  assert_int_equal(store_lineage_of_message(view, &all, test_arena, 1, &lineage, &err), 0);
  assert_int_equal(store_lineage_of_resource(view, &all, test_arena, type_of("Patient"), STR("p7"),
                                             &lineage, &err),
                   0);
  assert_int_equal(store_find_identifier(view, &all, test_arena, type_of("Patient"), STR("urn:mrn"),
                                         STR("7"), &id, &err),
                   0);
  assert_int_equal(
      store_read(view, &all, test_arena, type_of("Patient"), STR("p7"), &resource, &err), 0);
  note_texts(view);
  store_view_close(view);
}

static void ask_all(void) {
  static const char *const of_one[] = {"Observation?code=c7", "Observation?_sort=-date",
                                       "Patient?_revinclude=Observation:subject"};
  struct access all = everything(), one = {.principal = STR("one"), .patient_id = STR("p7")};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
    ask(&all, urls[i]);
  for (size_t i = 0; i < sizeof of_one / sizeof of_one[0]; i++)
    ask(&one, of_one[i]);
  ask_history((struct store_history_query){.count = 10});
  ask_history((struct store_history_query){.count = 10, .type = type_of("Patient")});
  ask_history((struct store_history_query){.count = 10, .since_us = 1});
  ask_history(
      (struct store_history_query){.count = 10, .type = type_of("Patient"), .id = STR("p7")});
  ask_others();
}

/* ---- Their plans ----------------------------------------------------------------------------- */

static struct str explain(struct db *db, const char *sql) {
  static unsigned n;
  struct db_statement *row;
  struct err err;
  struct buf plan;
  bool has_row;
  size_t places = 0;
  for (const char *p = sql; (p = strchr(p, '$')); p++) {
    size_t place = strtoul(p + 1, NULL, 10);
    places = place > places ? place : places;
  }
  struct str nulls = STR("");
  for (size_t i = 0; i < places; i++)
    nulls = arena_printf(test_arena, "%.*s%sNULL", STR_ARG(nulls), i ? "," : "");
  if (db_run(db, text_of("PREPARE x%u AS %s", ++n, sql), &err))
    fail_msg("%s: %s", sql, err.text);
  const char *asked = places ? text_of("EXPLAIN (COSTS OFF) EXECUTE x%u(%.*s)", n, STR_ARG(nulls))
                             : text_of("EXPLAIN (COSTS OFF) EXECUTE x%u", n);
  if (db_prepare(db, str_of(asked), &row, &err))
    fail_msg("%s: %s", sql, err.text);
  buf_init_arena(&plan, test_arena, (size_t)1 << 20);
  int code;
  while ((code = db_step(row, &has_row, &err)) == 0 && has_row) {
    buf_add(&plan, db_column_str(row, 0));
    buf_add_char(&plan, '\n');
  }
  if (code)
    fail_msg("%s: %s", asked, err.text);
  db_release(row);
  return buf_str(&plan);
}

static bool has(struct str text, const char *part) {
  return str_find(text, str_of(part)) >= 0;
}

/* Small tables of the store itself, of which all is read: no index would tell less. */
static bool is_of_small_table(struct str line) {
  static const char *const tables[] = {
      "counter", "store",      "param",   "type",  "sequence",
      "job",     "dictionary", "process", "lease", "callosum_identity",
      "pg_"};
  bool is = false;
  for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
    is |= has(line, text_of(" on %s", tables[i]));
  return is;
}

/* These orders no index has: of a few numbers that were found, or of the texts' index. */
static bool may_sort(const char *sql) {
  return strstr(sql, "FROM message_word") || strstr(sql, "FROM uri u") ||
         strstr(sql, "FROM reference u") || strstr(sql, "FROM text");
}

static bool is_as_meant(const char *sql, struct str plan) {
  static const char *const wrong[] = {"Hash Join",   "Merge Join",     "Bitmap",
                                      "Materialize", "hashed SubPlan", "Memoize"};
  struct str rest = plan, line, next, before = STR("");
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    if (has(plan, wrong[i]))
      return false;
  while (str_split(&rest, '\n', &line)) {
    struct str peek = rest;
    bool is_scan = has(line, "Index Scan") || has(line, "Index Only Scan");
    bool is_sort = has(line, "Sort") && !has(line, "Sort Key") && !has(line, "Incremental Sort");
    bool has_next = str_split(&peek, '\n', &next);
    /* of the least or greatest number there is, which a later server asks without a condition */
    bool is_end = is_scan && has(before, "Limit") && has(plan, "InitPlan");
    before = line;
    if ((has(line, "Seq Scan") && !is_of_small_table(line)) || (is_sort && !may_sort(sql)) ||
        (is_scan && !is_end && !is_of_small_table(line) && !(has_next && has(next, "Index Cond"))))
      return false;
  }
  return true;
}

/* The table that a join is written to begin with is the one that it begins with. */
static bool is_in_order(const char *sql, struct str plan) {
  static const char *const firsts[][2] = {{"FROM token t CROSS JOIN", " on token t"},
                                          {"FROM identity i CROSS JOIN", " on identity i"},
                                          {"FROM event e CROSS JOIN", " on event e"},
                                          {"FROM version v CROSS JOIN", " on version v"},
                                          {"FROM lineage l CROSS JOIN", " on lineage l"},
                                          {"FROM uri u CROSS JOIN", " on uri u"},
                                          {"FROM (SELECT rid FROM token", " on token"},
                                          {"FROM (SELECT rid FROM date", " on date"},
                                          {"FROM (SELECT rid FROM reference", " on reference"}};
  for (size_t i = 0; i < sizeof firsts / sizeof firsts[0]; i++) {
    if (!strstr(sql, firsts[i][0]))
      continue;
    ssize_t first = str_find(plan, str_of(firsts[i][1])), joined = str_find(plan, STR(" r\n"));
    if (first < 0 || (joined >= 0 && joined < first))
      return false;
  }
  return true;
}

static void check_all(void) {
  struct db_options options = {.path = fixture_path,
                               .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION}};
  struct db *db;
  struct err err;
  size_t wrong = 0;
  assert_int_equal(db_open(&options, &db, &err), 0);
  assert_int_equal(db_begin_read(db, &err), 0);
  assert_true(texts_n > 60);
  for (size_t i = 0; i < texts_n; i++) {
    struct str plan = explain(db, texts[i]);
    if (is_as_meant(texts[i], plan) && is_in_order(texts[i], plan))
      continue;
    print_error("%s\n%.*s\n", texts[i], STR_ARG(plan));
    wrong++;
  }
  db_rollback(db);
  db_close(db);
  assert_int_equal(wrong, 0);
}

static void skip_elsewhere(void) {
  if (!fixture_is_postgres() || fixture_is_sharded())
    skip();
}

static void rows_that_were_counted(void **state) {
  (void)state;
  skip_elsewhere();
  fill(3000);
  fixture_run_sql(text_of("SET search_path=%s; ANALYZE", fixture_schema));
  ask_all();
  check_all();
}

static void rows_that_nobody_has_counted(void **state) {
  (void)state;
  skip_elsewhere();
  fill(3000);
  ask_all();
  check_all();
}

static void empty_tables(void **state) {
  (void)state;
  skip_elsewhere();
  check_all();
}

static void empty_tables_that_were_counted(void **state) {
  (void)state;
  skip_elsewhere();
  fixture_run_sql(text_of("SET search_path=%s; ANALYZE", fixture_schema));
  check_all();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(rows_that_were_counted),
      SEARCH_TEST(rows_that_nobody_has_counted),
      SEARCH_TEST(empty_tables),
      SEARCH_TEST(empty_tables_that_were_counted),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  while (texts_n > 0)
    free(texts[--texts_n]);
  return failed;
}
