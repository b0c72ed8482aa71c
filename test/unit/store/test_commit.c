/* Many commits at once: groups, conditions, messages. */
#include "store_fixture.h"

#include <pthread.h>

#include "store/search/search.h"

#define MANY 300

struct tally {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  size_t done_n, stored_n, stale_n, other_n;
  uint64_t last_seq;
  bool is_out_of_order;
};

static void count(struct store_commit *commit, void *what) {
  struct tally *tally = what;
  pthread_mutex_lock(&tally->lock);
  tally->done_n++;
  tally->stored_n += commit->code == 0;
  tally->stale_n += commit->code == ERR_STALE;
  tally->other_n += commit->code != 0 && commit->code != ERR_STALE;
  if (commit->code == 0) {
    tally->is_out_of_order |= commit->seq <= tally->last_seq;
    tally->last_seq = commit->seq;
  }
  pthread_cond_signal(&tally->changed);
  pthread_mutex_unlock(&tally->lock);
}

/* Submits all, each on an arena of its own, and waits for all. */
static struct tally submit_all(struct store_commit **commits, size_t n) {
  struct tally tally = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
  struct arena *arenas[MANY];
  for (size_t i = 0; i < n; i++) {
    arenas[i] = arena_new((size_t)16 << 20);
    commits[i]->arena = arenas[i];
    commits[i]->done = count;
    commits[i]->what = &tally;
    store_submit(fixture_store, commits[i]);
  }
  pthread_mutex_lock(&tally.lock);
  while (tally.done_n < n)
    pthread_cond_wait(&tally.changed, &tally.lock);
  pthread_mutex_unlock(&tally.lock);
  for (size_t i = 0; i < n; i++)
    arena_free(arenas[i]);
  return tally;
}

static void store_makes_one_patient_of_two_announcements(void **state) {
  (void)state;
  fixture_open();
  struct store_condition condition = {
      .type = type_of("Patient"), .system = STR("urn:a"), .code = STR("4711")};
  struct store_commit *commits[MANY];
  for (size_t i = 0; i < MANY; i++) {
    struct store_write *write = ARENA_NEW(test_arena, struct store_write);
    *write = write_of("Patient", text_of("p%zu", i), "4711");
    add_identifier(write, "urn:a", "4711");
    commits[i] = commit_of(write, 1);
    commits[i]->conditions = &condition;
    commits[i]->conditions_n = 1;
  }
  struct tally tally = submit_all(commits, MANY);
  assert_int_equal(tally.stored_n, 1);
  assert_int_equal(tally.stale_n, MANY - 1);

  struct store_write update = write_of("Patient", "q0", "4711");
  add_identifier(&update, "urn:a", "4711");
  struct store_condition is_there = condition;
  is_there.id = STR("p0");
  struct store_commit *late = commit_of(&update, 1);
  late->conditions = &is_there;
  late->conditions_n = 1;
  struct err err;
  assert_int_equal(store_commit_wait(fixture_store, late, &err), 0);
  /* Now two have it, so what was one match is none that can be relied on. */
  struct store_write another = write_of("Patient", "r", "x");
  struct store_commit *later = commit_of(&another, 1);
  later->conditions = &is_there;
  later->conditions_n = 1;
  assert_int_equal(store_commit_wait(fixture_store, later, &err), ERR_STALE);
}

/* A condition that is a search sees what earlier members of its own group have changed. */
static void store_holds_conditions_by_search_within_a_group(void **state) {
  (void)state;
  fixture_open();
  const struct search_pair pair = {STR("identifier"), STR("urn:a|4711")};
  const struct search_options options = {0};
  const struct search *search;
  struct issues issues = {0};
  struct err err;
  assert_int_equal(search_values_init(&err), 0); /* the search looks into the bodies */
  assert_int_equal(
      search_parse(test_arena, type_of("Patient"), &pair, 1, &options, &search, &issues, &err), 0);
  struct store_condition condition = {.type = type_of("Patient"), .search = search};
  struct store_commit *commits[MANY];
  for (size_t i = 0; i < MANY; i++) {
    struct store_write *writes = ARENA_ARRAY(test_arena, struct store_write, 2);
    /* Every other one has no condition, and another identifier. */
    const char *system = i % 2 ? "urn:a" : "urn:b";
    writes[0] = write_of("Patient", text_of("p%zu", i), "");
    writes[0].body = arena_printf(test_arena,
                                  "{\"resourceType\":\"Patient\",\"id\":\"p%zu\",\"identifier\":[{"
                                  "\"system\":\"%s\",\"value\":\"4711\"}]}",
                                  i, system);
    add_identifier(&writes[0], system, "4711");
    writes[1] = write_of("Patient", "shared", text_of("%zu", i));
    commits[i] = commit_of(writes, 2);
    commits[i]->conditions = &condition;
    commits[i]->conditions_n = i % 2;
  }
  struct tally tally = submit_all(commits, MANY);
  assert_int_equal(tally.stored_n, MANY / 2 + 1);
  assert_int_equal(tally.stale_n, MANY / 2 - 1);
  struct store_resource found;
  assert_int_equal(read_one("Patient", "shared", &found), 0);
  assert_int_equal(found.version, MANY / 2 + 1);
  struct store_figures figures;
  assert_int_equal(store_figures(fixture_store, &figures, &err), 0);
  assert_int_equal(figures.versions, 2 * (MANY / 2 + 1));
}

static void store_keeps_order_and_versions_in_a_group(void **state) {
  (void)state;
  fixture_open();
  struct store_commit *commits[MANY];
  for (size_t i = 0; i < MANY; i++) {
    struct store_write *write = ARENA_NEW(test_arena, struct store_write);
    *write = write_of("Patient", "p1", text_of("version %zu", i + 1));
    write->expect = STORE_IS_STILL_VERSION;
    write->expected_version = (uint32_t)i;
    add_identifier(write, "urn:a", text_of("%zu", i));
    commits[i] = commit_of(write, 1);
  }
  struct tally tally = submit_all(commits, MANY);
  assert_int_equal(tally.stored_n, MANY);
  assert_false(tally.is_out_of_order);
  for (size_t i = 0; i < MANY; i++)
    assert_int_equal(commits[i]->writes[0].version, i + 1);

  struct store_view *view;
  struct access access = everything();
  struct store_history versions;
  struct err err;
  struct str id;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  struct store_history_query query = {.type = type_of("Patient"), .id = STR("p1"), .count = MANY};
  assert_int_equal(store_history(view, &access, test_arena, &query, &versions, &err), 0);
  assert_int_equal(versions.n, MANY);
  for (size_t i = 0; i < MANY; i++) {
    assert_int_equal(versions.rows[i].resource.version, MANY - i);
    assert_true(
        str_find(versions.rows[i].resource.body, str_of(text_of("version %zu\"", MANY - i))) > 0);
    if (i > 0)
      assert_true(versions.rows[i].resource.updated_us < versions.rows[i - 1].resource.updated_us);
  }
  /* Only the last version's identifier is left in the index. */
  assert_int_equal(store_find_identifier(view, &access, test_arena, type_of("Patient"),
                                         STR("urn:a"), STR("7"), &id, &err),
                   0);
  assert_int_equal(id.n, 0);
  store_view_close(view);
}

static void store_refuses_one_and_keeps_its_neighbours(void **state) {
  (void)state;
  fixture_open();
  struct store_commit *commits[MANY];
  for (size_t i = 0; i < MANY; i++) {
    struct store_write *writes = ARENA_ARRAY(test_arena, struct store_write, 2);
    writes[0] = write_of("Patient", text_of("p%zu", i), "a");
    writes[1] = write_of("Patient", text_of("q%zu", i), "a");
    if (i % 3 == 0)
      writes[1].expect = STORE_MUST_EXIST;
    commits[i] = commit_of(writes, 2);
  }
  struct tally tally = submit_all(commits, MANY);
  assert_int_equal(tally.other_n, MANY / 3);
  assert_int_equal(tally.stored_n, MANY - MANY / 3);
  for (size_t i = 0; i < MANY; i++) {
    struct store_resource found;
    int expected = i % 3 == 0 ? ERR_NOT_FOUND : 0;
    assert_int_equal(commits[i]->code, expected);
    assert_int_equal(read_one("Patient", text_of("p%zu", i), &found), expected);
    assert_int_equal(read_one("Patient", text_of("q%zu", i), &found), expected);
  }
  struct store_figures figures;
  struct err err;
  assert_int_equal(store_figures(fixture_store, &figures, &err), 0);
  assert_int_equal(figures.resources, 2 * (MANY - MANY / 3));
  assert_int_equal(figures.versions, figures.resources);
  assert_true(figures.fsyncs < MANY);
}

static struct store_message *message_of(const char *control_id, const char *raw) {
  struct store_message *message = ARENA_NEW(test_arena, struct store_message);
  *message = (struct store_message){.channel = STR("mllp:2575"),
                                    .sender = STR("LAB|Main"),
                                    .control_id = str_of(control_id),
                                    .type = STR("ORU"),
                                    .event = STR("R01"),
                                    .version_id = STR("2.5"),
                                    .patient = STR("4711"),
                                    .raw = str_of(raw),
                                    .reply = arena_printf(test_arena, "ack of %s", control_id),
                                    .status = STORE_MESSAGE_ACCEPTED,
                                    .received_us = 1};
  return message;
}

static void store_does_a_repeated_message_once(void **state) {
  (void)state;
  fixture_open();
  struct store_commit *commits[MANY];
  for (size_t i = 0; i < MANY; i++) {
    struct store_write *write = ARENA_NEW(test_arena, struct store_write);
    *write = write_of("Observation", text_of("o%zu", i), "a");
    commits[i] = commit_of(write, 1);
    commits[i]->message = message_of(text_of("%zu", i % 10), text_of("MSH %zu", i % 10));
  }
  struct tally tally = submit_all(commits, MANY);
  assert_int_equal(tally.stored_n, 10 + (MANY - 10));
  for (size_t i = 10; i < MANY; i++) {
    assert_true(commits[i]->message->is_duplicate);
    assert_int_equal(commits[i]->message->number, commits[i % 10]->message->number);
  }
  fixture_reopen();
  struct store_commit *again = commit_of(NULL, 0);
  struct err err;
  again->message = message_of("3", "MSH 3");
  assert_int_equal(store_commit_wait(fixture_store, again, &err), 0);
  assert_true(again->message->is_duplicate);
  assert_str(again->message->stored_reply, "ack of 3");
  /* Another content under the same control id is another message. */
  again->message = message_of("3", "MSH 3 changed");
  assert_int_equal(store_commit_wait(fixture_store, again, &err), 0);
  assert_false(again->message->is_duplicate);
  assert_int_equal(again->message->number, 11);
  /* What was not accepted may be sent again, and is then looked at again. */
  struct store_message *refused = message_of("99", "MSH 99");
  refused->status = STORE_MESSAGE_ERROR;
  again->message = refused;
  assert_int_equal(store_commit_wait(fixture_store, again, &err), 0);
  again->message = message_of("99", "MSH 99");
  assert_int_equal(store_commit_wait(fixture_store, again, &err), 0);
  assert_false(again->message->is_duplicate);
}

static void store_lists_and_explains_messages(void **state) {
  (void)state;
  fixture_open();
  struct err err;
  struct store_write write = write_of("Patient", "p1", "a");
  write.lineage = STR("lineage one");
  struct store_commit *first = commit_of(&write, 1);
  first->message = message_of("A1", "MSH A1");
  assert_int_equal(store_commit_wait(fixture_store, first, &err), 0);
  struct store_write same = write_of("Patient", "p1", "a");
  same.lineage = STR("lineage two");
  struct store_commit *second = commit_of(&same, 1);
  second->message = message_of("A2", "MSH A2");
  assert_int_equal(store_commit_wait(fixture_store, second, &err), 0);
  assert_int_equal(same.effect, STORE_UNCHANGED);
  struct store_commit *third = commit_of(NULL, 0);
  third->message = message_of("B1", "not HL7");
  third->message->status = STORE_MESSAGE_REJECTED;
  third->message->reason = STR("no MSH");
  assert_int_equal(store_commit_wait(fixture_store, third, &err), 0);

  struct store_view *view;
  struct access access = everything();
  struct store_message_rows rows;
  struct store_message_row row;
  struct store_lineage_rows lineage;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  struct store_message_query query = {.count = 10};
  assert_int_equal(store_messages(view, &access, test_arena, &query, &rows, &err), 0);
  assert_int_equal(rows.n, 3);
  assert_int_equal(rows.p[0].number, 3);
  assert_str(rows.p[0].reason, "no MSH");
  query.text = STR("a");
  query.before_number = 2;
  assert_int_equal(store_messages(view, &access, test_arena, &query, &rows, &err), 0);
  assert_int_equal(rows.n, 1);
  assert_str(rows.p[0].control_id, "A1");
  query = (struct store_message_query){.status = STORE_MESSAGE_REJECTED, .count = 10};
  assert_int_equal(store_messages(view, &access, test_arena, &query, &rows, &err), 0);
  assert_int_equal(rows.n, 1);
  assert_int_equal(store_message_read(view, &access, test_arena, 1, &row, &err), 0);
  assert_str(row.raw, "MSH A1");
  assert_str(row.reply, "ack of A1");
  assert_int_equal(store_message_read(view, &access, test_arena, 77, &row, &err), ERR_NOT_FOUND);
  struct access own = {.principal = STR("user/p1"), .patient_id = STR("p1")};
  assert_int_equal(store_message_read(view, &own, test_arena, 1, &row, &err), ERR_NOT_FOUND);

  assert_int_equal(store_lineage_of_message(view, &access, test_arena, 2, &lineage, &err), 0);
  assert_int_equal(lineage.n, 1);
  assert_str(lineage.p[0].lineage, "lineage two");
  assert_int_equal(lineage.p[0].resource.version, 1);
  assert_true(str_find(lineage.p[0].resource.body, STR("Patient")) > 0);
  assert_int_equal(store_lineage_of_resource(view, &access, test_arena, type_of("Patient"),
                                             STR("p1"), &lineage, &err),
                   0);
  assert_int_equal(lineage.n, 2);
  assert_int_equal(lineage.p[0].message, 2);
  store_view_close(view);
}

static void store_answers_busy_when_the_queue_is_full(void **state) {
  (void)state;
  struct err err;
  struct store_options options = {.path = fixture_path, .queue_max = 4, .group_max = 1};
  assert_int_equal(store_open(&options, &fixture_store, &err), 0);
  struct store_commit *commits[MANY];
  for (size_t i = 0; i < MANY; i++) {
    struct store_write *write = ARENA_NEW(test_arena, struct store_write);
    *write = write_of("Patient", text_of("p%zu", i), "a");
    commits[i] = commit_of(write, 1);
  }
  struct tally tally = submit_all(commits, MANY);
  assert_true(tally.other_n > 0);
  for (size_t i = 0; i < MANY; i++) {
    struct store_resource found;
    assert_true(commits[i]->code == 0 || commits[i]->code == ERR_BUSY);
    assert_int_equal(read_one("Patient", text_of("p%zu", i), &found),
                     commits[i]->code ? ERR_NOT_FOUND : 0);
  }
}

/* ---- Readers beside writers ---- */

#define WRITERS 3
#define ROUNDS 60

/* Written by one thread, always in pairs: "a<n>" and "b<n>" get the same note in one commit. */
struct pair_writer {
  unsigned number, faults;
};

static bool write_pair(struct arena *arena, const struct pair_writer *writer, unsigned round) {
  struct err err;
  struct store_write writes[2] = {0};
  for (unsigned i = 0; i < 2; i++) {
    struct str id = arena_printf(arena, "%c%u", "ab"[i], writer -> number);
    writes[i] = (struct store_write){
        .type = type_of("Patient"),
        .id = id,
        .body = arena_printf(arena,
                             "{\"resourceType\":\"Patient\",\"id\":\"%.*s\",\"note\":\"round "
                             "%u, and words that make it worth while to pack them\"}",
                             STR_ARG(id), round),
    };
  }
  struct store_commit commit = {
      .arena = arena, .principal = STR("test"), .writes = writes, .writes_n = 2};
  return store_commit_wait(fixture_store, &commit, &err) == 0 && writes[0].version == round &&
         writes[1].version == round;
}

/* The round in which this half of a pair was written, by its version and by its body; 0: a fault.
 */
static unsigned round_of(struct store_view *view, struct arena *arena, char half, unsigned number) {
  struct access access = everything();
  struct store_resource found;
  struct err err;
  struct str id = arena_printf(arena, "%c%u", half, number);
  if (store_read(view, &access, arena, type_of("Patient"), id, &found, &err) != 0)
    return 0;
  struct str note = arena_printf(arena, "\"round %u,", found.version);
  return str_find(found.body, note) >= 0 ? found.version : 0;
}

static void *write_and_read(void *what) {
  struct pair_writer *writer = what;
  for (unsigned round = 1; round <= ROUNDS; round++) {
    struct arena *arena = arena_new((size_t)1 << 20);
    struct store_view *view;
    struct err err;
    bool is_right =
        write_pair(arena, writer, round) && store_view_open(fixture_store, &view, &err) == 0;
    if (is_right) {
      is_right = round_of(view, arena, 'a', writer->number) == round &&
                 round_of(view, arena, 'b', writer->number) == round;
      /* Of the others: whatever round it is, it is the same for both halves. */
      for (unsigned other = 1; other <= WRITERS && is_right; other++) {
        unsigned a = round_of(view, arena, 'a', other), b = round_of(view, arena, 'b', other);
        is_right = a == b;
      }
      store_view_close(view);
    }
    writer->faults += !is_right;
    arena_free(arena);
  }
  return NULL;
}

/* Views are kept open from one reader to the next: each must still see what was answered before it
 * was opened, and only whole commits. */
static void readers_see_what_was_answered_and_nothing_half(void **state) {
  (void)state;
  fixture_open();
  struct pair_writer writers[WRITERS];
  pthread_t threads[WRITERS];
  for (unsigned i = 0; i < WRITERS; i++) {
    writers[i] = (struct pair_writer){.number = i + 1};
    assert_int_equal(pthread_create(&threads[i], NULL, write_and_read, &writers[i]), 0);
  }
  for (unsigned i = 0; i < WRITERS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(writers[i].faults, 0);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(store_makes_one_patient_of_two_announcements),
      STORE_TEST(store_holds_conditions_by_search_within_a_group),
      STORE_TEST(store_keeps_order_and_versions_in_a_group),
      STORE_TEST(store_refuses_one_and_keeps_its_neighbours),
      STORE_TEST(store_does_a_repeated_message_once),
      STORE_TEST(store_lists_and_explains_messages),
      STORE_TEST(store_answers_busy_when_the_queue_is_full),
      STORE_TEST(readers_see_what_was_answered_and_nothing_half),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
