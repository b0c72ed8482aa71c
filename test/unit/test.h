/* What every unit test includes: cmocka with what it needs, and an arena per test. */
#ifndef TEST_UNIT_TEST_H
#define TEST_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/base.h"

#define assert_str(s, literal) assert_string_equal(arena_str(test_arena, (s)).p, (literal))

static struct arena *test_arena;

__attribute__((unused)) static int test_arena_open(void **state) {
  (void)state;
  test_arena = arena_new((size_t)1 << 30);
  return test_arena ? 0 : -1;
}

__attribute__((unused)) static int test_arena_close(void **state) {
  (void)state;
  arena_free(test_arena);
  return 0;
}

/* JSON that can be read in C: ' stands for ", and ` for '. */
__attribute__((unused)) static struct str test_json(struct arena *arena, const char *z) {
  struct str text = str_of(z);
  char *p = arena_alloc(arena, text.n + 1);
  assert_non_null(p);
  for (size_t i = 0; i < text.n; i++)
    p[i] = (char)(z[i] == '\'' ? '"' : z[i] == '`' ? '\'' : z[i]);
  return str_n(p, text.n);
}

/* A test with a fresh arena. */
#define TEST(function) cmocka_unit_test_setup_teardown(function, test_arena_open, test_arena_close)

#endif
