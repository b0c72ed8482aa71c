#include "../test.h"

#include "base/map.h"

static void keys_are_found_replaced_and_kept_in_order(void **state) {
  (void)state;
  struct map map;
  map_init(&map, test_arena);
  assert_null(map_get(&map, STR("k0")));
  for (size_t i = 0; i < 5000; i++)
    assert_int_equal(map_set(&map, arena_printf(test_arena, "k%zu", i), &map.entries + i), 0);
  for (size_t i = 0; i < 5000; i++)
    assert_ptr_equal(map_get(&map, arena_printf(test_arena, "k%zu", i)), &map.entries + i);
  assert_null(map_get(&map, STR("k5000")));
  int other;
  assert_int_equal(map_set(&map, STR("k17"), &other), 0);
  assert_ptr_equal(map_get(&map, STR("k17")), &other);
  assert_int_equal(map.n, 5000);
  assert_str(map.entries[17].key, "k17");
}

static void a_table_without_memory_stays_as_it_was(void **state) {
  (void)state;
  struct arena *arena = arena_new(2000);
  struct map map;
  map_init(&map, arena);
  size_t n = 0;
  static char keys[200][8];
  for (; n < 200; n++) {
    snprintf(keys[n], sizeof keys[n], "k%zu", n);
    if (map_set(&map, str_of(keys[n]), keys[n]) < 0)
      break;
  }
  assert_true(n > 0 && n < 200);
  for (size_t i = 0; i < n; i++)
    assert_ptr_equal(map_get(&map, str_of(keys[i])), keys[i]);
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(keys_are_found_replaced_and_kept_in_order),
                                     TEST(a_table_without_memory_stays_as_it_was)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
