/* Resources as JSON into a store, searches as URLs out of it. */
#ifndef TEST_UNIT_SEARCH_FIXTURE_H
#define TEST_UNIT_SEARCH_FIXTURE_H

#include "store_fixture.h"

#include "model/resource.h"
#include "store/search/search.h"

/* JSON as test_json takes it. */
__attribute__((unused)) static struct store_write put_write(const char *json_with_ticks) {
  struct str json = test_json(test_arena, json_with_ticks);
  const struct yyjson_val *root;
  struct err err = {0};
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  struct store_write write = {0};
  if (json_parse(test_arena, json, &limits, &root, &err))
    fail_msg("%s: %s", err.where, err.text);
  write.type = defs_type_by_name(json_get_text(root, STR("resourceType")));
  write.id = json_get_text(root, STR("id"));
  if (resource_canonical(test_arena, root, write.id, &write.body, &err) ||
      search_values_extract(test_arena, root, &write.values, &err))
    fail_msg("%s: %s", err.where, err.text);
  return write;
}

__attribute__((unused)) static void put(const char *json_with_ticks) {
  struct store_write *write = ARENA_NEW(test_arena, struct store_write);
  *write = put_write(json_with_ticks);
  assert_int_equal(commit(write, 1), 0);
}

__attribute__((unused)) static const struct search_limits *fixture_limits;

__attribute__((unused)) static int
search_parse_url(const char *url, const struct search **ret_search, struct err *err) {
  struct search_place place;
  const struct search_pair *pairs;
  struct search_options options = {.base_url = STR("http://here/fhir")};
  struct issues issues = {0};
  size_t n;
  int code = search_split_place(test_arena, str_of(url), &place, &pairs, &n, err);
  if (code)
    return code;
  options.compartment = place.compartment;
  options.limits = fixture_limits;
  options.compartment_id = place.compartment_id;
  return search_parse(test_arena, place.type, pairs, n, &options, ret_search, &issues, err);
}

__attribute__((unused)) static const struct search *search_of(const char *url) {
  const struct search *search = NULL;
  struct err err = {0};
  if (search_parse_url(url, &search, &err))
    fail_msg("%s: %s: %s", url, err.where, err.text);
  return search;
}

__attribute__((unused)) static struct search_result run_as(const struct access *access,
                                                           const char *url) {
  struct store_view *view;
  struct search_result result = {0};
  struct err err = {0};
  const struct search *search = search_of(url);
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  if (search_run(view, access, test_arena, search, &result, &err))
    fail_msg("%s: %s: %s", url, err.where, err.text);
  store_view_close(view);
  return result;
}

/* "a b c | d": ids of matches, then of includes. */
__attribute__((unused)) static struct str ids_of(struct search_result result) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  for (size_t i = 0; i < result.rows_n; i++) {
    if (i == result.matches_n)
      buf_add_z(&buf, i ? " |" : "|");
    buf_add_z(&buf, buf.n ? " " : "");
    buf_add(&buf, result.rows[i].resource.id);
  }
  return buf.n ? buf_str(&buf) : STR("");
}

__attribute__((unused)) static struct str found_as(const struct access *access, const char *url) {
  return ids_of(run_as(access, url));
}

__attribute__((unused)) static struct str found(const char *url) {
  struct access access = everything();
  return found_as(&access, url);
}

static int fixture_compare_ids(const void *a, const void *b) {
  return str_compare(*(const struct str *)a, *(const struct str *)b);
}

/* What has no other order comes in that of rids: as it was written, but in a distributed store
 * shard by shard. There, the ids of each part of a list are compared in their own order. */
__attribute__((unused)) static struct str comparable(struct str ids) {
  struct str parts = ids, part;
  struct buf buf;
  if (!fixture_is_sharded())
    return ids;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  while (str_split(&parts, '|', &part)) {
    struct str words[256], rest = str_trim(part);
    size_t n = 0;
    while (n < 256 && rest.n && str_split(&rest, ' ', &words[n]))
      n++;
    qsort(words, n, sizeof words[0], fixture_compare_ids);
    buf_add_z(&buf, buf.n ? " |" : "");
    for (size_t i = 0; i < n; i++)
      buf_printf(&buf, " %.*s", STR_ARG(words[i]));
  }
  return str_trim(buf.n ? buf_str(&buf) : STR(""));
}

#define assert_ids(found_ids, ids)                                                                 \
  assert_string_equal(arena_str(test_arena, comparable(found_ids)).p,                              \
                      arena_str(test_arena, comparable(str_of(ids))).p)
#define assert_found(url, ids) assert_ids(found(url), ids)

__attribute__((unused)) static int search_setup(void **state) {
  static bool is_ready;
  struct err err = {0};
  if (!is_ready && search_values_init(&err))
    fail_msg("%s", err.text);
  is_ready = true;
  if (fixture_setup(state))
    return -1;
  fixture_open();
  return 0;
}

#define SEARCH_TEST(function)                                                                      \
  cmocka_unit_test_setup_teardown(function, search_setup, fixture_teardown)

#endif
