/* Which machines a request asks in a distributed store: PostgreSQL counts which of the partitions
 * that stand for them it has read. */
#define FIXTURE_PARTITIONS 16
#include "search_fixture.h"

enum { PATIENTS = 40, OBSERVATIONS = 4 };

/* ---- What is there ---- */

static void put_patient(int number) {
  put(text_of("{'resourceType':'Patient','id':'p%d','name':[{'family':'Name%d'}],"
              "'identifier':[{'system':'urn:mrn','value':'%d'}],"
              "'managingOrganization':{'reference':'Organization/o1'}}",
              number, number, 1000 + number));
  put(text_of("{'resourceType':'Encounter','id':'e%d','status':'finished','class':{'code':'AMB'},"
              "'subject':{'reference':'Patient/p%d'}}",
              number, number));
  for (int i = 0; i < OBSERVATIONS; i++)
    put(text_of("{'resourceType':'Observation','id':'b%d-%d','status':'final',"
                "'code':{'coding':[{'system':'http://loinc.org','code':'c%d'}]},"
                "'subject':{'reference':'Patient/p%d'},'encounter':{'reference':'Encounter/e%d'},"
                "'performer':[{'reference':'Practitioner/d%d'}],"
                "'effectiveDateTime':'2020-01-%02dT00:00:00Z'}",
                number, i, i, number, number, number % 5, 1 + number % 28));
}

static void put_all(void) {
  put("{'resourceType':'Organization','id':'o1','name':'Mercy Hospital'}");
  for (int i = 0; i < 5; i++)
    put(text_of("{'resourceType':'Practitioner','id':'d%d','name':[{'family':'House'}]}", i));
  for (int i = 0; i < PATIENTS; i++)
    put_patient(i);
}

static int setup(void **state) {
  int code = search_setup(state);
  if (code == 0)
    put_all();
  return code;
}

#define FILLED(function) cmocka_unit_test_setup_teardown(function, setup, fixture_teardown)

/* ---- What was read ---- */

/* The tables with the rows of a patient, and identity. */
static const char *const tables[] = {"resource",  "token", "string",   "date",    "number",
                                     "reference", "uri",   "quantity", "identity"};
enum { TABLES = sizeof tables / sizeof tables[0], IDENTITY = TABLES - 1 };
struct reads {
  int64_t n[TABLES][FIXTURE_PARTITIONS];
};

/* How often this connection has read each partition, as far as it was not yet added to the server's
 * statistics: that happens between two transactions. */
static struct reads count_reads(struct store_view *view) {
  struct reads reads = {0};
  struct db_statement *row;
  struct err err;
  bool has_row;
  assert_int_equal(
      db_prepare(store_view_db(view),
                 STR("SELECT CAST(relname AS bytea),coalesce(idx_scan,0)+seq_scan FROM "
                     "pg_stat_xact_user_tables WHERE schemaname=current_schema()"),
                 &row, &err),
      0);
  while (db_step(row, &has_row, &err) == 0 && has_row) {
    struct str rest = db_column_str(row, 0), name;
    uint64_t partition;
    str_split(&rest, '_', &name);
    for (size_t i = 0; i < TABLES; i++)
      if (str_is(name, tables[i]) && str_to_u64(rest, &partition))
        reads.n[i][partition] = db_column_i64(row, 1);
  }
  db_release(row);
  return reads;
}

static int64_t partitions_read(const struct reads *before, const struct reads *after,
                               size_t table) {
  int64_t n = 0;
  for (size_t i = 0; i < FIXTURE_PARTITIONS; i++)
    n += after->n[table][i] > before->n[table][i];
  return n;
}

/* Of any table with rows of a patient. */
static int64_t most_partitions_read(const struct reads *before, const struct reads *after) {
  int64_t most = 0;
  for (size_t i = 0; i < IDENTITY; i++) {
    int64_t n = partitions_read(before, after, i);
    most = n > most ? n : most;
  }
  return most;
}

struct asked {
  struct str ids;
  int64_t resource, rows; /* partitions: of `resource`; of any of the tables */
};

static struct asked ask_as(const struct access *access, const char *url) {
  struct store_view *view;
  struct search_result result = {0};
  struct err err = {0};
  const struct search *search = search_of(url);
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  struct reads before = count_reads(view);
  if (search_run(view, access, test_arena, search, &result, &err))
    fail_msg("%s: %s: %s", url, err.where, err.text);
  struct reads after = count_reads(view);
  struct asked asked = {.ids = ids_of(result),
                        .resource = partitions_read(&before, &after, 0),
                        .rows = most_partitions_read(&before, &after)};
  store_view_close(view);
  return asked;
}

static struct asked ask(const char *url) {
  struct access access = everything();
  return ask_as(&access, url);
}

/* ---- Tests ---- */

static void rows_of_a_patient_are_together(void **state) {
  (void)state;
  static const char sql[] = "SELECT count(*) FROM reference r JOIN resource t ON t.rid=r.target "
                            "JOIN type n ON n.number=t.type WHERE n.name='Patient' AND %s";
  int64_t together = sql_number(text_of(sql, "r.shard=t.shard"));
  assert_true(together >= PATIENTS * (1 + OBSERVATIONS));
  assert_int_equal(sql_number(text_of(sql, "r.shard<>t.shard")), 0);
  assert_int_equal(sql_number("SELECT count(*) FROM stray"), 0);
  assert_true(sql_number("SELECT count(DISTINCT tableoid::oid) FROM resource") > 8);
}

static void a_read_asks_the_key_and_the_resource(void **state) {
  (void)state;
  struct access access = everything();
  struct store_view *view;
  struct store_resource resource;
  struct err err;
  for (int i = 0; i < 3; i++) {
    assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
    struct reads before = count_reads(view);
    struct str id = str_of(text_of("b%d-1", i));
    assert_int_equal(
        store_read(view, &access, test_arena, type_of("Observation"), id, &resource, &err), 0);
    struct reads after = count_reads(view);
    assert_int_equal(partitions_read(&before, &after, IDENTITY), 1);
    assert_int_equal(partitions_read(&before, &after, 0), 1);
    store_view_close(view);
  }
}

#define LOINC "http://loinc.org%7C"

static void a_search_about_a_patient_asks_one(void **state) {
  (void)state;
  static const char *const urls[] = {
      "Observation?patient=p7",
      "Observation?subject=Patient/p7",
      "Observation?patient=p7&code=" LOINC "c1",
      "Observation?patient=p7&code=" LOINC "c0," LOINC "c1&date=ge2020",
      "Observation?code=" LOINC "c2&date=2020-01-08&patient=p7&_sort=-date&_total=accurate",
      "Observation?patient=p7&code=c1",
      "Observation?patient=p7&code:not=" LOINC "c9",
      "Observation?patient=p7&code:not=c1&date=gt2019&_sort=date",
      "Observation?encounter=Encounter/e7",
      "Patient/p7/Observation?code=" LOINC "c1",
      "Patient/p7/Encounter",
      "Encounter/e7/Observation?status=final",
      "Observation?patient=p7&_lastUpdated=gt2000",
      "Observation?patient=p7&_include=Observation:encounter",
  };
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    struct asked asked = ask(urls[i]);
    if (asked.ids.n == 0)
      fail_msg("%s finds nothing", urls[i]);
    if (asked.rows != 1)
      fail_msg("%s: %lld of %d partitions", urls[i], (long long)asked.rows, FIXTURE_PARTITIONS);
  }
}

static void what_is_shared_is_fetched_from_its_own(void **state) {
  (void)state;
  struct asked asked = ask("Observation?patient=p7&_include=Observation:performer");
  assert_ids(asked.ids, "b7-0 b7-1 b7-2 b7-3 | d2");
  assert_in_range(asked.resource, 1, 2);
  asked = ask("Observation?patient=p7&performer.name=house");
  assert_ids(asked.ids, "b7-0 b7-1 b7-2 b7-3");
}

static void a_search_about_all_asks_all(void **state) {
  (void)state;
  assert_int_equal(ask("Observation?code=c1&_count=1000").rows, FIXTURE_PARTITIONS);
  struct asked asked = ask("Patient?identifier=urn:mrn%7C1007");
  assert_ids(asked.ids, "p7");
  assert_int_equal(asked.resource, 1); /* all are asked for the token, one for the resource */
}

static void who_may_see_a_patient_asks_one(void **state) {
  (void)state;
  struct access p7 = {.patient_id = STR("p7")};
  static const char *const urls[] = {"Observation?code=" LOINC "c1"};
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    struct asked asked = ask_as(&p7, urls[i]);
    assert_true(asked.ids.n > 0);
    if (asked.rows != 1)
      fail_msg("%s: %lld partitions", urls[i], (long long)asked.rows);
  }
}

static const char *const observation_of =
    "{'resourceType':'Observation','id':'x','status':'final','code':{'text':'x'},"
    "'subject':{'reference':'Patient/%s'},'encounter':{'reference':'Encounter/late'}}";

/* Its number is given when an observation of another patient refers to it. */
static void what_was_announced_elsewhere_is_found(void **state) {
  (void)state;
  put("{'resourceType':'Patient','id':'a'}");
  for (int i = 0; i < 20; i++) { /* some of them are on other shards than `a` */
    put(text_of("{'resourceType':'Observation','id':'x%d','status':'final','code':{'text':'x'},"
                "'subject':{'reference':'Patient/a'},'encounter':{'reference':'Encounter/e%d'}}",
                i, i));
    put(text_of("{'resourceType':'Patient','id':'b%d'}", i));
    put(text_of("{'resourceType':'Encounter','id':'e%d','status':'finished','class':{'code':'A'},"
                "'subject':{'reference':'Patient/b%d'}}",
                i, i));
    put(text_of("{'resourceType':'Observation','id':'y%d','status':'final','code':{'text':'y'},"
                "'subject':{'reference':'Patient/b%d'},'encounter':{'reference':'Encounter/e%d'}}",
                i, i, i));
  }
  assert_true(sql_number("SELECT count(*) FROM stray") > 10);
  for (int i = 0; i < 20; i++) {
    struct asked asked = ask(text_of("Encounter?patient=b%d", i));
    assert_str(asked.ids, text_of("e%d", i));
    assert_in_range(asked.rows, 1, 2);
    assert_str(found(text_of("Patient/b%d/Encounter", i)), text_of("e%d", i));
    assert_ids(found(text_of("Observation?encounter=e%d", i)), text_of("x%d y%d", i, i));
    struct access b = {.patient_id = str_of(text_of("b%d", i))};
    assert_str(found_as(&b, "Encounter?status=finished"), text_of("e%d", i));
  }
}

static void what_changes_its_patient_is_found_by_the_new_one(void **state) {
  (void)state;
  for (int i = 0; i < 10; i++)
    put(text_of("{'resourceType':'Patient','id':'p%d'}", i));
  for (int i = 0; i < 10; i++) {
    put(text_of(observation_of, text_of("p%d", i)));
    for (int k = 0; k < 10; k++)
      assert_str(found(text_of("Observation?patient=p%d", k)), k == i ? "x" : "");
  }
  assert_int_equal(sql_number("SELECT count(DISTINCT rid) FROM resource WHERE id='x'"), 1);
}

static void two_patients_share_an_appointment(void **state) {
  (void)state;
  put("{'resourceType':'Appointment','id':'x','status':'booked','participant':["
      "{'actor':{'reference':'Patient/a'},'status':'accepted'},"
      "{'actor':{'reference':'Patient/b'},'status':'accepted'},"
      "{'actor':{'reference':'Practitioner/d'},'status':'accepted'}]}");
  assert_found("Appointment?patient=a", "x");
  assert_found("Appointment?patient=b", "x");
  assert_found("Appointment?patient=a&patient=b", "x");
  assert_found("Appointment?actor=Practitioner/d", "x");
  assert_found("Patient/b/Appointment?status=booked", "x");
}

int main(void) {
  if (!fixture_is_sharded() || !fixture_is_postgres()) {
    puts("1..0 # SKIP for CALLOSUM_TEST_STORE=postgresql-sharded");
    return 77;
  }
  const struct CMUnitTest tests[] = {
      FILLED(rows_of_a_patient_are_together),
      FILLED(a_read_asks_the_key_and_the_resource),
      FILLED(a_search_about_a_patient_asks_one),
      FILLED(what_is_shared_is_fetched_from_its_own),
      FILLED(a_search_about_all_asks_all),
      FILLED(who_may_see_a_patient_asks_one),
      SEARCH_TEST(what_was_announced_elsewhere_is_found),
      SEARCH_TEST(what_changes_its_patient_is_found_by_the_new_one),
      SEARCH_TEST(two_patients_share_an_appointment),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
