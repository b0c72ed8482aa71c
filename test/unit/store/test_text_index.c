/* Full-text search equals a scan, whatever of it is indexed already, and also while resources
 * change. */
#include "search_fixture.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "model/text_query.h"
#include "store/schema/fact.h"
#include "store/text/text_block.h"
#include "store/text/text_index.h"

enum { PEOPLE = 60, ROUNDS = 120 };

static const char *const words[] = {"alpha",        "beta",  "gamma", "delta", "alphabet", "bet",
                                    "M\xc3\xbcnch", "x-ray", "17",    "a1",    "gam",      "omega"};
#define WORDS_N (sizeof words / sizeof words[0])

static const char *any_word(void) {
  return words[(size_t)rand() % WORDS_N];
}

struct person {
  bool is_there;
  struct str body;
};
static struct person people[PEOPLE];

static void change_someone(void) {
  size_t i = (size_t)rand() % PEOPLE;
  const char *id = arena_printf(test_arena, "p%02zu", i).p;
  struct store_write write = {.type = type_of("Patient"), .id = str_of(id), .is_delete = true};
  if (rand() % 4) {
    write = put_write(arena_printf(test_arena,
                                   "{'resourceType':'Patient','id':'%s','text':{'status':"
                                   "'generated','div':'<div>%s <i>%s</i></div>'},'name':[{"
                                   "'family':'%s %s','given':['%s']}]}",
                                   id, any_word(), any_word(), any_word(), any_word(), any_word())
                          .p);
  }
  assert_int_equal(commit(&write, 1), 0);
  people[i] = (struct person){!write.is_delete, write.body};
}

static struct str any_query(unsigned depth) {
  int kind = rand() % (depth ? 7 : 3);
  struct str left = STR_NULL, right = STR_NULL;
  if (kind >= 3)
    left = any_query(depth - 1);
  if (kind == 4 || kind == 5)
    right = any_query(depth - 1);
  switch (kind) {
  case 0:
    return str_of(any_word());
  case 1:
    return arena_printf(test_arena, "\"%s %s\"", any_word(), any_word());
  case 2:
    return arena_printf(test_arena, "%.2s*", words[(size_t)rand() % 6]);
  case 3:
    return arena_printf(test_arena, "-%.*s", STR_ARG(left));
  case 4:
    return arena_printf(test_arena, "(%.*s OR %.*s)", STR_ARG(left), STR_ARG(right));
  case 5:
    return arena_printf(test_arena, "(%.*s %.*s)", STR_ARG(left), STR_ARG(right));
  default:
    return arena_printf(test_arena, "NOT (%.*s)", STR_ARG(left));
  }
}

static const char *scan(struct str text, enum text_part part) {
  const struct text_query *query;
  struct err err;
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  assert_int_equal(text_query_parse(test_arena, text, &query, &err), 0);
  for (size_t i = 0; i < PEOPLE; i++) {
    const struct yyjson_val *root;
    struct text_words its_words;
    if (!people[i].is_there)
      continue;
    assert_int_equal(json_parse(test_arena, people[i].body, &JSON_LIMITS_DEFAULT, &root, &err), 0);
    assert_int_equal(text_words_of_resource(test_arena, root, part, &its_words, &err), 0);
    if (text_query_matches(query, its_words))
      buf_add(&buf, arena_printf(test_arena, "p%02zu ", i));
  }
  return arena_str(test_arena, buf_str(&buf)).p;
}

static const char *found_by(const char *param, struct str query) {
  struct buf url;
  buf_init_arena(&url, test_arena, (size_t)1 << 20);
  buf_add_z(&url, "Patient?_sort=_id&_count=1000&");
  buf_add_z(&url, param);
  buf_add_char(&url, '=');
  for (size_t i = 0; i < query.n; i++)
    buf_add(&url, arena_printf(test_arena, "%%%02x", (unsigned char)query.p[i]));
  struct search_result result =
      run_as(&ACCESS_EVERYTHING(STR("test")), arena_str(test_arena, buf_str(&url)).p);
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  for (size_t i = 0; i < result.rows_n; i++)
    buf_add(&buf, arena_printf(test_arena, "%.*s ", STR_ARG(result.rows[i].resource.id)));
  return arena_str(test_arena, buf_str(&buf)).p;
}

static int64_t watermark(void) {
  struct store_view *view;
  struct err err;
  uint64_t number;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(fact_read_number(store_view_db(view), FACT_TEXT_WATERMARK, &number, &err), 0);
  store_view_close(view);
  return (int64_t)number;
}

static void wait_until_indexed(void) {
  for (unsigned i = 0; i < 1000; i++) {
    if (sql_number("SELECT max(number) FROM event") == watermark())
      return;
    usleep(10000);
  }
  fail_msg("the index was not built");
}

static void search_equals_a_scan_while_resources_change(void **state) {
  (void)state;
  unsigned seed = (unsigned)time(NULL);
  print_message("seed %u\n", seed);
  srand(seed);
  memset(people, 0, sizeof people);
  fixture_open();
  for (unsigned round = 0; round < ROUNDS; round++) {
    for (int n = rand() % 8; n >= 0; n--)
      change_someone();
    if (round % 30 == 29)
      wait_until_indexed();
    if (round % 50 == 49)
      fixture_reopen();
    struct str query = any_query(2);
    bool is_narrative = rand() % 2;
    const char *wanted = scan(query, is_narrative ? TEXT_NARRATIVE : TEXT_CONTENT);
    const char *found = found_by(is_narrative ? "_text" : "_content", query);
    if (strcmp(wanted, found) != 0)
      fail_msg("%.*s: wanted %s, found %s", STR_ARG(query), wanted, found);
  }
}

static void index_alone_narrows_down(void **state) {
  (void)state;
  fixture_open();
  for (unsigned i = 0; i < 300; i++)
    put(arena_printf(test_arena, "{'resourceType':'Patient','id':'%u','name':[{'family':'F%u'}]}",
                     i, i % 100)
            .p);
  wait_until_indexed();
  struct store_view *view;
  struct err err;
  const struct text_query *query;
  struct text_candidates candidates;
  assert_int_equal(text_query_parse(test_arena, STR("f17"), &query, &err), 0);
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(text_candidates(store_view_db(view), store_view_schema(view), test_arena, query,
                                   type_of("Patient"), &candidates, &err),
                   0);
  assert_false(candidates.is_all);
  assert_int_equal(candidates.n, 3);
  assert_int_equal(text_candidates(store_view_db(view), store_view_schema(view), test_arena, query,
                                   type_of("Observation"), &candidates, &err),
                   0);
  assert_int_equal(candidates.n, 0);
  store_view_close(view);
}

/* As one that stood still after it had looked, while another had the lease and gave it back. */
static void builder_that_was_overtaken_writes_nothing(void **state) {
  (void)state;
  struct text_index late = {.is_known = true, .events_max = 1};
  struct err err;
  long wait_ms;
  fixture_open();
  for (unsigned i = 0; i < 3; i++)
    put(arena_printf(test_arena, "{'resourceType':'Patient','id':'%u'}", i).p);
  wait_until_indexed();
  int64_t before = watermark();
  assert_int_equal(text_index_step(&late, fixture_store, &wait_ms, &err), 0);
  assert_int_equal(watermark(), before);
  assert_false(late.is_known); /* it looks again */
  assert_int_equal(text_index_step(&late, fixture_store, &wait_ms, &err), 0);
  assert_int_equal(late.watermark, before);
}

static void block_gives_back_what_was_packed(void **state) {
  (void)state;
  uint64_t rids[2000], rid = 5;
  struct err err;
  for (size_t i = 0; i < 2000; i++) {
    rids[i] = rid;
    rid += 1 + (uint64_t)(rand() % 3 ? rand() % 9 : rand());
  }
  struct text_rids read = {.arena = test_arena};
  for (size_t at = 0, used; at < 2000; at += used) {
    struct str bytes;
    assert_int_equal(text_block_write(test_arena, rids[at], rids + at, 2000 - at,
                                      TEXT_BLOCK_MAX_BYTES, &bytes, &used, &err),
                     0);
    assert_true(bytes.n <= TEXT_BLOCK_MAX_BYTES && used > 0);
    assert_int_equal(text_block_read(&read, rids[at], bytes, &err), 0);
  }
  assert_int_equal(read.list.n, 2000);
  assert_memory_equal(read.list.p, rids, sizeof rids);
  assert_int_equal(text_block_read(&read, 0, STR("\xff\xff"), &err), ERR_STORE);
  assert_int_equal(text_block_read(&read, 0, STR("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), &err),
                   ERR_STORE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(search_equals_a_scan_while_resources_change),
      STORE_TEST(index_alone_narrows_down),
      STORE_TEST(builder_that_was_overtaken_writes_nothing),
      STORE_TEST(block_gives_back_what_was_packed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
