/* History of a resource, of a type, of the system. */
#include "store_fixture.h"

static struct store_history history_of(const struct access *access,
                                       struct store_history_query query) {
  struct store_view *view;
  struct store_history history;
  struct err err;
  query.count = query.count ? query.count : 100;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  if (store_history(view, access, test_arena, &query, &history, &err) != 0)
    fail_msg("store_history: %s", err.text);
  store_view_close(view);
  return history;
}

/* "Patient/p1:2 Patient/p1:1" */
static const char *text_of_history(struct store_history history) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  for (size_t i = 0; i < history.n; i++) {
    const struct store_resource *r = &history.rows[i].resource;
    buf_printf(&buf, "%s%.*s%.*s:%u%s", i ? " " : "",
               STR_ARG(str_slice(defs_type(r->type)->name, 0, 1)), STR_ARG(r->id), r->version,
               r->is_deleted ? "x" : "");
  }
  return buf_z(&buf);
}

static int64_t put(const char *type, const char *id, const char *note) {
  struct store_write write = write_of(type, id, note);
  write.is_put = true;
  assert_int_equal(commit(&write, 1), 0);
  return write.updated_us;
}

static int64_t drop(const char *type, const char *id) {
  struct store_write write = {.type = type_of(type), .id = str_of(id), .is_delete = true};
  assert_int_equal(commit(&write, 1), 0);
  return write.updated_us;
}

/* Six commits: their times in `at`. */
static void write_some(int64_t at[6]) {
  fixture_open();
  at[0] = put("Patient", "1", "a");
  at[1] = put("Observation", "1", "a");
  at[2] = put("Patient", "1", "b");
  at[3] = put("Patient", "2", "a");
  at[4] = drop("Patient", "1");
  at[5] = put("Patient", "1", "c");
}

static void history_is_in_the_order_of_commits(void **state) {
  (void)state;
  struct access all = everything();
  int64_t at[6];
  write_some(at);
  struct store_history h = history_of(&all, (struct store_history_query){0});
  assert_string_equal(text_of_history(h), "P1:4 P1:3x P2:1 P1:2 O1:1 P1:1");
  assert_true(h.has_total && h.total == 6 && h.next_before == 0);
  assert_true(h.rows[0].is_created && !h.rows[1].is_created && !h.rows[3].is_created);
  h = history_of(&all, (struct store_history_query){.type = type_of("Patient")});
  assert_string_equal(text_of_history(h), "P1:4 P1:3x P2:1 P1:2 P1:1");
  assert_true(h.has_total && h.total == 5);
  h = history_of(&all, (struct store_history_query){.type = type_of("Patient"), .id = STR("1")});
  assert_string_equal(text_of_history(h), "P1:4 P1:3x P1:2 P1:1");
  assert_true(h.has_total && h.total == 4 && h.rows[0].is_created && !h.rows[2].is_created);
  h = history_of(&all, (struct store_history_query){.type = type_of("Encounter")});
  assert_true(h.n == 0 && h.has_total && h.total == 0);
}

static void history_tells_post_from_put(void **state) {
  (void)state;
  struct access all = everything();
  fixture_open();
  struct store_write writes[] = {write_of("Patient", "posted", "a"),
                                 write_of("Patient", "put", "a")};
  writes[1].is_put = true;
  assert_int_equal(commit(writes, 2), 0);
  struct store_history h = history_of(&all, (struct store_history_query){0});
  assert_true(!h.rows[0].is_posted && h.rows[1].is_posted);
  struct store_history_query query = {.type = type_of("Patient"), .id = STR("posted")};
  assert_true(history_of(&all, query).rows[0].is_posted);
  query.id = STR("put");
  assert_false(history_of(&all, query).rows[0].is_posted);
}

static void history_since_a_time(void **state) {
  (void)state;
  struct access all = everything();
  int64_t at[6];
  write_some(at);
  struct store_history h = history_of(&all, (struct store_history_query){.since_us = at[3]});
  assert_string_equal(text_of_history(h), "P1:4 P1:3x P2:1");
  assert_true(h.has_total && h.total == 3);
  h = history_of(&all, (struct store_history_query){.since_us = at[3] + 1});
  assert_string_equal(text_of_history(h), "P1:4 P1:3x");
  h = history_of(&all, (struct store_history_query){.since_us = at[5] + 1});
  assert_true(h.n == 0 && h.total == 0);
  h = history_of(&all, (struct store_history_query){
                           .type = type_of("Patient"), .id = STR("1"), .since_us = at[2]});
  assert_string_equal(text_of_history(h), "P1:4 P1:3x P1:2");
  assert_true(h.has_total && h.total == 3);
}

static void history_at_a_time_is_what_was_current_then(void **state) {
  (void)state;
  struct access all = everything();
  int64_t at[6];
  write_some(at);
  static const char *const expected[] = {"P1:1",           "O1:1 P1:1",       "P1:2 O1:1",
                                         "P2:1 P1:2 O1:1", "P1:3x P2:1 O1:1", "P1:4 P2:1 O1:1"};
  for (size_t i = 0; i < 6; i++) {
    struct store_history_query query = {
        .has_period = true, .from_us = at[i], .until_us = at[i] + 1};
    assert_string_equal(text_of_history(history_of(&all, query)), expected[i]);
    query.from_us++, query.until_us++;
    if (i != 4) /* a deletion is told when it happens only */
      assert_string_equal(text_of_history(history_of(&all, query)), expected[i]);
  }
  struct store_history_query gone = {.type = type_of("Patient"),
                                     .id = STR("1"),
                                     .has_period = true,
                                     .from_us = at[4] + 1,
                                     .until_us = at[5]};
  assert_int_equal(history_of(&all, gone).n, 0);
  gone.until_us = at[5] + 1;
  assert_string_equal(text_of_history(history_of(&all, gone)), "P1:4");
  gone.from_us = at[0] + 1;
  gone.until_us = at[2];
  assert_string_equal(text_of_history(history_of(&all, gone)), "P1:1");
}

static void history_pages_stay_while_others_write(void **state) {
  (void)state;
  struct access all = everything();
  fixture_open();
  for (unsigned i = 0; i < 20; i++)
    put("Patient", text_of("p%u", i % 4), text_of("%u", i));
  const struct store_history_query queries[] = {
      {0}, {.type = type_of("Patient")}, {.type = type_of("Patient"), .id = STR("p1")}};
  for (size_t q = 0; q < 3; q++) {
    struct store_history_query query = queries[q];
    const char *whole = text_of_history(history_of(&all, query));
    struct buf paged;
    buf_init_arena(&paged, test_arena, 1 << 20);
    query.count = 3;
    do {
      struct store_history page = history_of(&all, query);
      assert_true(page.n > 0 && page.n <= 3);
      buf_printf(&paged, "%s%s", paged.n ? " " : "", text_of_history(page));
      query.before = page.next_before;
      put("Patient", "p1", text_of("later %u", (unsigned)paged.n));
    } while (query.before);
    assert_string_equal(buf_z(&paged), whole);
  }
}

static void history_shows_what_access_allows(void **state) {
  (void)state;
  fixture_open();
  put("Patient", "mine", "a");
  put("Patient", "other", "a");
  struct store_write mine = write_of("Observation", "mine", "a"),
                     other = write_of("Observation", "other", "a");
  add_reference(&mine, "subject", "Patient", "mine");
  add_reference(&mine, "patient", "Patient", "mine");
  add_reference(&other, "subject", "Patient", "other");
  struct store_write writes[] = {mine, other};
  assert_int_equal(commit(writes, 2), 0);
  struct access restricted = {.principal = STR("mine"), .patient_id = STR("mine")};
  struct store_history h = history_of(&restricted, (struct store_history_query){0});
  assert_string_equal(text_of_history(h), "Omine:1 Pmine:1");
  assert_true(h.has_total && h.total == 2);
  h = history_of(&restricted, (struct store_history_query){.type = type_of("Observation")});
  assert_string_equal(text_of_history(h), "Omine:1");
  struct access nothing = {.principal = STR("nobody")};
  assert_int_equal(history_of(&nothing, (struct store_history_query){0}).n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(history_is_in_the_order_of_commits),
      STORE_TEST(history_tells_post_from_put),
      STORE_TEST(history_since_a_time),
      STORE_TEST(history_at_a_time_is_what_was_current_then),
      STORE_TEST(history_pages_stay_while_others_write),
      STORE_TEST(history_shows_what_access_allows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
