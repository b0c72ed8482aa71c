/* Pages: the two ways to sort agree, and a walk through the pages neither skips nor repeats while
 * others write. */
#include "search_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CONDITIONS = 2400, GROUP = 400 };

static uint64_t seed = 7;

static uint64_t random_below(uint64_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (seed >> 33) % n;
}

/* Onset: a day, a month, a period, an open period, or nothing; few different ones, so that many are
 * equal. */
static const char *onset(void) {
  static const char *const onsets[] = {
      ",'onsetDateTime':'2020-01-05'",
      ",'onsetDateTime':'2020-01'",
      ",'onsetDateTime':'2020-02-01T10:00:00Z'",
      ",'onsetPeriod':{'start':'2020-01-05','end':'2020-03-01'}",
      ",'onsetPeriod':{'start':'2019'}",
      ",'onsetString':'long ago'",
      "",
  };
  return onsets[random_below(7)];
}

static struct store_write condition(unsigned i, const char *more) {
  struct str json =
      arena_printf(test_arena,
                   "{'resourceType':'Condition','id':'c%05u','subject':{'reference':'Patient/p'},"
                   "'code':{'text':'%s'}%s%s}",
                   i, i % 3 ? "x" : "y", onset(), more);
  return put_write(json.p);
}

static void put_conditions(void) {
  for (unsigned from = 0; from < CONDITIONS; from += GROUP) {
    struct store_write *writes = ARENA_ARRAY(test_arena, struct store_write, GROUP);
    for (unsigned i = 0; i < GROUP; i++)
      writes[i] = condition(from + i, "");
    assert_int_equal(commit(writes, GROUP), 0);
  }
}

/* The ids of all pages, one after the other. */
static struct str all_pages(const char *url) {
  struct access access = everything();
  struct str cursor = STR("");
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  do {
    struct str page_url =
        arena_printf(test_arena, "%s%s%.*s", url, cursor.n ? "&_cursor=" : "", STR_ARG(cursor));
    struct search_result page = run_as(&access, page_url.p);
    for (size_t i = 0; i < page.rows_n; i++)
      buf_printf(&buf, "%.*s ", STR_ARG(page.rows[i].resource.id));
    cursor = page.next_cursor;
  } while (cursor.n);
  return arena_str(test_arena, buf_str(&buf));
}

/* With a second key the matches are sorted; ids rise with rids, so that the order is the same. */
static void walking_and_sorting_agree(void **state) {
  (void)state;
  put_conditions();
  static const char *const keys[] = {"onset-date",  "-onset-date",  "onset-info",
                                     "-onset-info", "_lastUpdated", "-_lastUpdated"};
  for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
    char walked[100], sorted[100];
    snprintf(walked, sizeof walked, "Condition?_count=37&_sort=%s", keys[i]);
    snprintf(sorted, sizeof sorted, "Condition?_count=1000&_sort=%s,_id", keys[i]);
    struct str ids = all_pages(walked);
    assert_int_equal(ids.n, CONDITIONS * 7);
    assert_true(str_equal(ids, all_pages(sorted)));
  }
  assert_true(str_equal(all_pages("Condition?_count=17&_sort=-onset-date&subject=Patient/p"),
                        all_pages("Condition?_count=900&_sort=-onset-date,_id&subject=Patient/p")));
}

/* ---- While others write ---- */

static atomic_bool is_over;

/* Changes, deletes and adds conditions that the reader does not count: those with i % 4 == 0, and
 * new ones. */
static void *write_on(void *what) {
  struct arena *arena = arena_new((size_t)1 << 30);
  const struct store_write *all = what;
  for (unsigned n = 0; !atomic_load(&is_over) && arena; n++) {
    struct store_write write = all[n % (2 * CONDITIONS / 4)];
    struct store_commit commit_now = {
        .arena = arena, .principal = STR("other"), .writes = &write, .writes_n = 1};
    struct err err;
    if (n % 3 == 2) {
      write.is_delete = true;
      write.body = STR("");
      write.values = (struct search_values){0};
    }
    if (store_commit_wait(fixture_store, &commit_now, &err))
      break;
  }
  arena_free(arena);
  return NULL;
}

static void count_ids(struct str ids, unsigned *seen) {
  struct str rest = ids, id;
  while (str_split(&rest, ' ', &id)) {
    uint64_t i;
    if (id.n == 6 && str_to_u64(str_slice(id, 1, 5), &i) && i < CONDITIONS)
      seen[i]++;
  }
}

static void pages_are_stable_while_others_write(void **state) {
  (void)state;
  static const char *const urls[] = {"Condition?_count=40", "Condition?_count=40&_sort=-onset-date",
                                     "Condition?_count=40&_sort=onset-date,_id",
                                     "Condition?_count=40&code:text=y,x"};
  struct store_write *others = ARENA_ARRAY(test_arena, struct store_write, 2 * CONDITIONS / 4);
  put_conditions();
  for (unsigned i = 0; i < CONDITIONS / 4; i++) {
    others[2 * i] = condition(4 * i, ",'recordedDate':'2021'");
    others[2 * i + 1] = condition(CONDITIONS + i, "");
  }
  pthread_t writer;
  assert_int_equal(pthread_create(&writer, NULL, write_on, others), 0);
  for (size_t u = 0; u < sizeof urls / sizeof urls[0]; u++) {
    unsigned *seen = ARENA_ARRAY(test_arena, unsigned, CONDITIONS);
    count_ids(all_pages(urls[u]), seen);
    for (unsigned i = 0; i < CONDITIONS; i++)
      if (i % 4 != 0)
        assert_int_equal(seen[i], 1);
  }
  atomic_store(&is_over, true);
  pthread_join(writer, NULL);
}

static void a_cursor_belongs_to_one_search(void **state) {
  (void)state;
  put_conditions();
  struct access access = everything();
  struct str cursor = run_as(&access, "Condition?_count=2&_sort=onset-date").next_cursor;
  struct search_pair pairs[] = {{STR("_cursor"), cursor}, {STR("_sort"), STR("-onset-date")}};
  const struct search *search;
  struct issues issues = {0};
  struct err err;
  assert_int_equal(
      search_parse(test_arena, type_of("Condition"), pairs, 2, NULL, &search, &issues, &err),
      ERR_VALUE);
  pairs[1].value = STR("onset-date");
  assert_int_equal(
      search_parse(test_arena, type_of("Condition"), pairs, 2, NULL, &search, &issues, &err), 0);
  ((char *)(uintptr_t)cursor.p)[cursor.n / 2] ^= 1;
  assert_int_equal(
      search_parse(test_arena, type_of("Condition"), pairs, 2, NULL, &search, &issues, &err),
      ERR_VALUE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      SEARCH_TEST(walking_and_sorting_agree),
      SEARCH_TEST(pages_are_stable_while_others_write),
      SEARCH_TEST(a_cursor_belongs_to_one_search),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
