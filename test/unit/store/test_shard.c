/* Where rows are in a distributed store, and the statements that say so. */
#include "../test.h"

#include "store/schema/shard.h"

static const char *sharded(const char *sql) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 4096);
  if (!shard_add_sql(&buf, str_of(sql)))
    return "refused";
  return arena_printf(test_arena, "%.*s", STR_ARG(buf_str(&buf))).p;
}

static void rid_has_shard_and_serial(void **state) {
  (void)state;
  uint64_t rid = shard_rid(SHARD_MASK, ((uint64_t)1 << SHARD_RID_SHIFT) - 1);
  assert_int_equal(shard_of_rid(rid), SHARD_MASK);
  assert_true((int64_t)rid > 0); /* the greatest is no url's target (schema.h) */
  assert_int_equal(shard_of_rid(shard_rid(7, 1)), 7);
  assert_int_equal(shard_rid(0, 5), 5); /* as in a store that is not distributed */
  assert_int_equal(shard_of_key(-1), SHARD_MASK);
  assert_int_equal(shard_of_number(1023), 0);
  assert_int_equal(shard_of_number(1024), 1);
}

static void types_of_compartments_are_personal(void **state) {
  (void)state;
  static const char *const personal[] = {"Patient", "Observation", "Encounter", "Provenance"};
  static const char *const shared[] = {"Practitioner", "Organization", "Location", "ValueSet"};
  for (size_t i = 0; i < 4; i++) {
    assert_true(shard_is_personal(defs_type_by_name(str_of(personal[i]))));
    assert_false(shard_is_personal(defs_type_by_name(str_of(shared[i]))));
  }
  defs_type_id type = defs_type_by_name(STR("Observation"));
  assert_int_equal(shard_rank(type, defs_param_by_code(type, STR("subject"))), 0);
  assert_int_equal(shard_rank(type, defs_param_by_code(type, STR("performer"))), 1);
  assert_true(shard_rank(type, defs_param_by_code(type, STR("encounter"))) == SIZE_MAX);
}

static void an_equality_tells_the_shard(void **state) {
  (void)state;
  assert_string_equal(sharded("SELECT id FROM resource WHERE rid=? AND state=1"),
                      "SELECT id FROM resource WHERE (rid=? AND shard=((?1>>44)::integer)) AND "
                      "state=1");
  assert_string_equal(sharded("SELECT number FROM event e WHERE kind=? AND e.number=?"),
                      "SELECT number FROM event e WHERE kind=? AND (e.number=? AND "
                      "e.shard=((?2>>10&65535)::integer))");
  assert_string_equal(sharded("DELETE FROM uri WHERE param=? AND hash=? AND rid=?"),
                      "DELETE FROM uri WHERE param=? AND hash=? AND (rid=? AND "
                      "shard=((?3>>44)::integer))");
  assert_string_equal(sharded("UPDATE resource SET state=?,body=? WHERE rid=?"),
                      "UPDATE resource SET state=?,body=? WHERE (rid=? AND "
                      "shard=((?3>>44)::integer))");
}

static void a_join_tells_the_shard(void **state) {
  (void)state;
  assert_string_equal(
      sharded("SELECT r.rid FROM identity i CROSS JOIN resource r ON r.rid=i.rid WHERE i.key=?"),
      "SELECT r.rid FROM identity i CROSS JOIN resource r ON (r.rid=i.rid AND "
      "r.shard=((i.rid>>44)::integer)) WHERE (i.key=? AND i.shard=((?1&65535)::integer))");
  assert_string_equal(
      sharded("SELECT rid FROM token WHERE param=? AND (EXISTS(SELECT 1 FROM uri probe WHERE "
              "hash=? AND probe.rid=token.rid)) AND rid>?"),
      "SELECT rid FROM token WHERE param=? AND (EXISTS(SELECT 1 FROM uri probe WHERE hash=? AND "
      "(probe.rid=token.rid AND probe.shard=token.shard))) AND rid>?");
  assert_string_equal(sharded("SELECT (SELECT v.state FROM version v WHERE v.rid=e.rid) FROM event "
                              "e CROSS JOIN commit_log c ON c.seq=e.seq WHERE e.number<?"),
                      "SELECT (SELECT v.state FROM version v WHERE (v.rid=e.rid AND "
                      "v.shard=((e.rid>>44)::integer))) FROM event e CROSS JOIN commit_log c ON "
                      "(c.seq=e.seq AND c.shard=((e.seq>>10&65535)::integer)) WHERE e.number<?");
}

static void an_insert_fills_the_shard(void **state) {
  (void)state;
  assert_string_equal(sharded("INSERT INTO uri VALUES(?,?,?)"),
                      "INSERT INTO uri VALUES(?,?,?,((?3>>44)::integer))");
  assert_string_equal(sharded("INSERT INTO event(kind,number,rid) VALUES(0,?,?) ON CONFLICT DO "
                              "NOTHING"),
                      "INSERT INTO event(kind,number,rid,shard) VALUES(0,?,?,((?1>>10&65535)"
                      "::integer)) ON CONFLICT DO NOTHING");
  assert_string_equal(sharded("INSERT INTO identity(key,rid) VALUES(?,?)"),
                      "INSERT INTO identity(key,rid,shard) VALUES(?,?,((?1&65535)::integer))");
  assert_string_equal(sharded("INSERT INTO counter VALUES(?,?,?)"),
                      "INSERT INTO counter VALUES(?,?,?)");
  /* A row on the wrong shard would not be found: better none. */
  assert_string_equal(sharded("INSERT INTO uri SELECT 1,2,3"), "refused");
  assert_string_equal(sharded("INSERT INTO resource VALUES(?,?)"), "refused");
  assert_string_equal(sharded("INSERT INTO event(kind) VALUES(?)"), "refused");
}

static void what_tells_nothing_stays(void **state) {
  (void)state;
  static const char *const same[] = {
      "SELECT rid FROM token WHERE param=? AND hash>=? AND hash<=? AND rid>? ORDER BY rid LIMIT ?",
      "SELECT n FROM counter WHERE kind=1 AND number=?",
      "SELECT rid FROM token WHERE rid=coalesce(?,1)",
      "SELECT rid FROM token WHERE rid=?+1",
      "SELECT 'r.rid=?' FROM resource r",
      /* which of both? */
      "SELECT 1 FROM token CROSS JOIN uri ON true WHERE rid=?",
      "SELECT 1 FROM token a WHERE a.param=(SELECT 1 FROM counter a WHERE a.rid=?)",
      "",
      "'",
      "(",
      "SELECT FROM",
  };
  for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
    assert_string_equal(sharded(same[i]), same[i]);
}

static void no_room_is_told(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 60);
  assert_false(shard_add_sql(&buf, STR("SELECT id FROM resource WHERE rid=? AND state=1")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(rid_has_shard_and_serial),
      TEST(types_of_compartments_are_personal),
      TEST(an_equality_tells_the_shard),
      TEST(a_join_tells_the_shard),
      TEST(an_insert_fills_the_shard),
      TEST(what_tells_nothing_stays),
      TEST(no_room_is_told),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
