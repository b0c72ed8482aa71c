#include "store_fixture.h"

static void store_gives_back_what_was_written(void **state) {
  (void)state;
  fixture_open();
  struct store_write write = write_of("Patient", "p1", "first");
  assert_int_equal(commit(&write, 1), 0);
  assert_int_equal(write.effect, STORE_CREATED);
  assert_int_equal(write.version, 1);
  struct store_resource found;
  assert_int_equal(read_one("Patient", "p1", &found), 0);
  assert_str(found.body, "{\"resourceType\":\"Patient\",\"id\":\"p1\",\"note\":\"first\"}");
  assert_int_equal(found.version, 1);
  assert_true(found.updated_us == write.updated_us);
  assert_str(found.id, "p1");
  assert_int_equal(read_one("Patient", "p2", &found), ERR_NOT_FOUND);
  assert_int_equal(read_one("Observation", "p1", &found), ERR_NOT_FOUND);
}

static void store_keeps_versions_and_times_rising(void **state) {
  (void)state;
  fixture_open();
  int64_t last_us = 0;
  static const char *const notes[] = {"a", "b", "c"};
  for (unsigned i = 0; i < 3; i++) {
    struct store_write write = write_of("Patient", "p1", notes[i]);
    assert_int_equal(commit(&write, 1), 0);
    assert_int_equal(write.version, i + 1);
    assert_true(write.updated_us > last_us);
    last_us = write.updated_us;
  }
  fixture_reopen();
  struct store_write write = write_of("Patient", "p1", "d");
  assert_int_equal(commit(&write, 1), 0);
  assert_int_equal(write.version, 4);
  assert_true(write.updated_us > last_us);

  struct store_view *view;
  struct access access = everything();
  struct store_resource found;
  struct store_history versions;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(
      store_vread(view, &access, test_arena, type_of("Patient"), STR("p1"), 2, &found, &err), 0);
  assert_true(str_find(found.body, STR("\"b\"")) > 0);
  assert_int_equal(
      store_vread(view, &access, test_arena, type_of("Patient"), STR("p1"), 9, &found, &err),
      ERR_NOT_FOUND);
  struct store_history_query query = {.type = type_of("Patient"), .id = STR("p1"), .count = 2};
  assert_int_equal(store_history(view, &access, test_arena, &query, &versions, &err), 0);
  assert_int_equal(versions.total, 4);
  assert_int_equal(versions.n, 2);
  assert_int_equal(versions.rows[0].resource.version, 4);
  assert_int_equal(versions.rows[1].resource.version, 3);
  query.before = versions.next_before;
  assert_int_equal(store_history(view, &access, test_arena, &query, &versions, &err), 0);
  assert_int_equal(versions.n, 2);
  assert_int_equal(versions.rows[0].resource.version, 2);
  assert_int_equal(versions.rows[1].resource.version, 1);
  store_view_close(view);
}

static void store_makes_no_version_of_what_did_not_change(void **state) {
  (void)state;
  fixture_open();
  struct store_write first = write_of("Patient", "p1", "a"), again = first;
  assert_int_equal(commit(&first, 1), 0);
  assert_int_equal(commit(&again, 1), 0);
  assert_int_equal(again.effect, STORE_UNCHANGED);
  assert_int_equal(again.version, 1);
  assert_true(again.updated_us == first.updated_us);
}

static void store_deletes_and_revives(void **state) {
  (void)state;
  fixture_open();
  struct store_write write = write_of("Patient", "p1", "a");
  assert_int_equal(commit(&write, 1), 0);
  struct store_write remove = {.type = type_of("Patient"), .id = STR("p1"), .is_delete = true};
  assert_int_equal(commit(&remove, 1), 0);
  assert_int_equal(remove.effect, STORE_DELETED);
  assert_int_equal(remove.version, 2);
  struct store_resource found;
  assert_int_equal(read_one("Patient", "p1", &found), ERR_DELETED);
  assert_int_equal(found.version, 2);
  assert_int_equal(found.body.n, 0);
  assert_int_equal(commit(&remove, 1), 0);
  assert_int_equal(remove.effect, STORE_WAS_DELETED);
  struct store_write never = {.type = type_of("Patient"), .id = STR("never"), .is_delete = true};
  assert_int_equal(commit(&never, 1), 0);
  assert_int_equal(never.effect, STORE_WAS_DELETED);
  assert_int_equal(read_one("Patient", "never", &found), ERR_NOT_FOUND);
  assert_int_equal(commit(&write, 1), 0);
  assert_int_equal(write.effect, STORE_CREATED);
  assert_int_equal(write.version, 3);
  assert_int_equal(read_one("Patient", "p1", &found), 0);
}

static void store_holds_expectations(void **state) {
  (void)state;
  fixture_open();
  struct store_write write = write_of("Patient", "p1", "a");
  write.expect = STORE_MUST_EXIST;
  assert_int_equal(commit(&write, 1), ERR_NOT_FOUND);
  write.expect = STORE_MUST_BE_VERSION;
  write.expected_version = 1;
  assert_int_equal(commit(&write, 1), ERR_PRECONDITION);
  write.expect = STORE_IS_STILL_VERSION;
  assert_int_equal(commit(&write, 1), ERR_STALE);
  write.expected_version = 0;
  assert_int_equal(commit(&write, 1), 0);
  struct store_write next = write_of("Patient", "p1", "b");
  next.expect = STORE_MUST_BE_NEW;
  assert_int_equal(commit(&next, 1), ERR_CONFLICT);
  next.expect = STORE_IS_STILL_VERSION;
  assert_int_equal(commit(&next, 1), ERR_STALE);
  next.expected_version = 1;
  assert_int_equal(commit(&next, 1), 0);
  assert_int_equal(next.version, 2);
}

static void store_refuses_a_commit_as_a_whole(void **state) {
  (void)state;
  fixture_open();
  struct store_write writes[3] = {write_of("Patient", "p1", "a"), write_of("Patient", "p2", "a"),
                                  write_of("Patient", "p1", "b")};
  struct store_commit *refused = commit_of(writes, 3);
  struct err err;
  assert_int_equal(store_commit_wait(fixture_store, refused, &err), ERR_INVALID);
  assert_int_equal(refused->failed_write, 2);
  struct store_resource found;
  assert_int_equal(read_one("Patient", "p1", &found), ERR_NOT_FOUND);
  assert_int_equal(read_one("Patient", "p2", &found), ERR_NOT_FOUND);
  struct store_write bad = write_of("Patient", "not an id", "a");
  assert_int_equal(commit(&bad, 1), ERR_VALUE);
}

static void store_finds_identifiers(void **state) {
  (void)state;
  fixture_open();
  struct store_write one = write_of("Patient", "p1", "4711"),
                     two = write_of("Patient", "p2", "4711");
  add_identifier(&one, "urn:a", "4711");
  add_identifier(&two, "urn:b", "4711");
  assert_int_equal(commit(&one, 1), 0);
  assert_int_equal(commit(&two, 1), 0);
  struct store_view *view;
  struct access access = everything();
  struct str id;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_find_identifier(view, &access, test_arena, type_of("Patient"),
                                         STR("urn:b"), STR("4711"), &id, &err),
                   0);
  assert_str(id, "p2");
  assert_int_equal(store_find_identifier(view, &access, test_arena, type_of("Patient"),
                                         STR("urn:c"), STR("4711"), &id, &err),
                   0);
  assert_int_equal(id.n, 0);
  store_view_close(view);
  /* An update takes the old value out. */
  one = write_of("Patient", "p1", "4712");
  add_identifier(&one, "urn:a", "4712");
  assert_int_equal(commit(&one, 1), 0);
  struct store_write three = write_of("Patient", "p3", "4712");
  add_identifier(&three, "urn:a", "4712");
  assert_int_equal(commit(&three, 1), 0);
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_find_identifier(view, &access, test_arena, type_of("Patient"),
                                         STR("urn:a"), STR("4711"), &id, &err),
                   0);
  assert_int_equal(id.n, 0);
  assert_int_equal(store_find_identifier(view, &access, test_arena, type_of("Patient"),
                                         STR("urn:a"), STR("4712"), &id, &err),
                   ERR_MULTIPLE_MATCHES);
  store_view_close(view);
}

/* What many look-ups in one question find is what each finds alone, whatever may be seen. */
static void check_many(const struct access *access, bool sees_p2) {
  const struct store_name names[] = {
      {type_of("Patient"), STR("p2")},   {type_of("Patient"), STR("none")},
      {type_of("Patient"), STR("gone")}, {type_of("Patient"), STR("no id!")},
      {type_of("Patient"), STR("p1")},   {type_of("Patient"), STR("p1")}};
  const struct store_identifier identifiers[] = {{type_of("Patient"), STR("urn:a"), STR("1")},
                                                 {type_of("Patient"), STR("urn:x"), STR("1")},
                                                 {type_of("Bundle"), STR("urn:a"), STR("1")},
                                                 {type_of("Patient"), STR("urn:b"), STR("2")}};
  struct store_resource found[6];
  struct store_holders holders[4];
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_read_many(view, access, test_arena, names, 6, found, &err), 0);
  assert_int_equal(found[0].version, sees_p2 ? 2 : 0);
  assert_int_equal(found[1].version, 0);
  assert_true(found[2].version == 0 || found[2].is_deleted);
  assert_int_equal(found[3].version, 0);
  assert_str(found[4].id, "p1");
  assert_int_equal(found[5].version, 1);
  assert_true(str_equal(found[4].body, found[5].body));
  assert_int_equal(store_read_many(view, access, test_arena, names, 0, found, &err), 0);
  assert_int_equal(store_find_many(view, access, test_arena, identifiers, 4, holders, &err), 0);
  assert_int_equal(holders[0].n, sees_p2 ? 2 : 1);
  /* In the order of their numbers, which in a distributed store begin with the shard. */
  size_t of_p1 = holders[0].n == 2 && str_is(holders[0].ids[1], "p1");
  assert_true(of_p1 == 0 || fixture_is_sharded());
  assert_str(holders[0].ids[of_p1], "p1");
  assert_int_equal(holders[1].n, 0);
  assert_int_equal(holders[2].n, 0);
  assert_int_equal(holders[3].n, sees_p2 ? 1 : 0);
  store_view_close(view);
}

static void store_finds_many_at_once(void **state) {
  (void)state;
  fixture_open();
  struct store_write one = write_of("Patient", "p1", "1"), two = write_of("Patient", "p2", "2"),
                     gone = write_of("Patient", "gone", "3");
  struct store_write again = write_of("Patient", "p2", "1 2");
  add_identifier(&one, "urn:a", "1");
  add_identifier(&again, "urn:a", "1");
  add_identifier(&again, "urn:b", "2");
  assert_int_equal(commit(&one, 1), 0);
  assert_int_equal(commit(&two, 1), 0);
  again.body = STR("{\"resourceType\":\"Patient\",\"id\":\"p2\",\"note\":[\"1\",\"2\"]}");
  assert_int_equal(commit(&again, 1), 0);
  assert_int_equal(commit(&gone, 1), 0);
  struct store_write remove = {.type = type_of("Patient"), .id = STR("gone"), .is_delete = true};
  assert_int_equal(commit(&remove, 1), 0);
  struct access all = everything(), own = {.principal = STR("p1"), .patient_id = STR("p1")};
  check_many(&all, true);
  check_many(&own, false);
}

static void store_shows_a_patient_only_his_own(void **state) {
  (void)state;
  fixture_open();
  struct store_write writes[4] = {write_of("Patient", "p1", ""), write_of("Observation", "o1", ""),
                                  write_of("Observation", "o2", ""),
                                  write_of("Medication", "m1", "")};
  add_reference(&writes[1], "subject", "Patient", "p1");
  add_reference(&writes[2], "subject", "Patient", "p2");
  assert_int_equal(commit(writes, 4), 0);
  struct access own = {.principal = STR("user/p1"), .patient_id = STR("p1")};
  struct store_resource found;
  assert_int_equal(read_as(&own, "Patient", "p1", &found), 0);
  assert_int_equal(read_as(&own, "Observation", "o1", &found), 0);
  assert_int_equal(read_as(&own, "Observation", "o2", &found), ERR_NOT_FOUND);
  assert_int_equal(read_as(&own, "Medication", "m1", &found), ERR_NOT_FOUND);
  /* p2 is only pointed to: there is a row, but no resource. */
  assert_int_equal(read_one("Patient", "p2", &found), ERR_NOT_FOUND);
  defs_type_id only[] = {type_of("Patient")};
  own.types = only;
  own.types_n = 1;
  assert_int_equal(read_as(&own, "Observation", "o1", &found), ERR_NOT_FOUND);
  struct access nobody = {.principal = STR("nobody")};
  assert_int_equal(read_as(&nobody, "Patient", "p1", &found), ERR_NOT_FOUND);

  struct store_view *view;
  struct err err;
  uint64_t *counts = ARENA_ARRAY(test_arena, uint64_t, defs_types_count() + 1);
  struct access access = everything();
  own.types_n = 0;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_counts(view, &access, counts, &err), 0);
  assert_int_equal(counts[type_of("Observation")], 2);
  assert_int_equal(counts[type_of("Patient")], 1);
  assert_int_equal(store_counts(view, &own, counts, &err), 0);
  assert_int_equal(counts[type_of("Observation")], 1);
  assert_int_equal(counts[type_of("Medication")], 0);
  store_view_close(view);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(store_gives_back_what_was_written),
      STORE_TEST(store_keeps_versions_and_times_rising),
      STORE_TEST(store_makes_no_version_of_what_did_not_change),
      STORE_TEST(store_deletes_and_revives),
      STORE_TEST(store_holds_expectations),
      STORE_TEST(store_refuses_a_commit_as_a_whole),
      STORE_TEST(store_finds_identifiers),
      STORE_TEST(store_finds_many_at_once),
      STORE_TEST(store_shows_a_patient_only_his_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
