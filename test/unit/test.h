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

/* A test with a fresh arena. */
#define TEST(function) cmocka_unit_test_setup_teardown(function, test_arena_open, test_arena_close)

#endif
