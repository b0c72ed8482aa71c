#include "../test.h"

#include <malloc.h>

static void an_arena_never_passes_its_cap(void **state) {
  (void)state;
  struct arena *arena = arena_new(1000);
  assert_non_null(arena_alloc(arena, 500));
  assert_null(arena_alloc(arena, 500)); /* 512 + 512 */
  assert_true(arena_is_exhausted(arena));
  assert_non_null(arena_alloc(arena, 400));
  assert_null(arena_calloc(arena, SIZE_MAX / 2, 4));
  volatile size_t too_much = SIZE_MAX; /* the compiler would refuse the constant */
  assert_null(arena_alloc(arena, too_much));
  arena_free(arena);
}

static void what_is_taken_is_aligned_and_kept_apart(void **state) {
  (void)state;
  unsigned char *before = NULL;
  for (size_t n = 1; n < 3000; n += 7) {
    unsigned char *p = arena_alloc(test_arena, n);
    assert_int_equal((uintptr_t)p % 16, 0);
    memset(p, (int)(n & 0xFF), n);
    if (before)
      assert_int_equal(before[0], (n - 7) & 0xFF);
    before = p;
  }
}

static void growing_keeps_the_content(void **state) {
  (void)state;
  size_t n = 1;
  char *p = arena_alloc(test_arena, n);
  p[0] = 'x';
  for (; n < 5000000; n *= 3) {
    p = arena_grow(test_arena, p, n, n * 3);
    memset(p + n, 'y', n * 2);
    assert_int_equal(p[0], 'x');
    assert_int_equal(p[n * 3 - 1], 'y');
    if (n % 2)
      assert_non_null(
          arena_alloc(test_arena, 1)); /* it is not the last one now: the next step must copy */
  }
  assert_null(arena_grow(test_arena, p, n, SIZE_MAX));
  assert_int_equal(p[0], 'x');
}

static char order[8];
static void note(void *what) {
  order[strlen(order)] = *(const char *)what;
}

static void clean_ups_run_last_in_first_out(void **state) {
  (void)state;
  struct arena *arena = arena_new(100000);
  static char a[] = "a", b[] = "b", c[] = "c";
  memset(order, 0, sizeof order);
  assert_int_equal(arena_on_free(arena, note, a), 0);
  assert_int_equal(arena_on_free(arena, note, b), 0);
  arena_reset(arena);
  assert_string_equal(order, "ba");
  assert_int_equal(arena_used_bytes(arena), 0);
  assert_int_equal(arena_on_free(arena, note, c), 0);
  arena_free(arena);
  assert_string_equal(order, "bac");
}

/* What a reset keeps is bounded, is given out again, and counts for the cap as before. */
static void a_reset_keeps_memory_for_the_next_use(void **state) {
  (void)state;
  enum { BLOCKS = 40, BYTES = 256 * 1024 };
  struct arena *arena = arena_new((size_t)BLOCKS * BYTES + BYTES);
  for (int round = 0; round < 3; round++) {
    unsigned char *taken[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
      taken[i] = arena_alloc(arena, BYTES - 16 * (size_t)(i % 7));
      assert_non_null(taken[i]);
      memset(taken[i], i + round, BYTES - 16 * (size_t)(i % 7));
    }
    for (int i = 0; i < BLOCKS; i++) {
      assert_int_equal(taken[i][0], (unsigned char)(i + round));
      assert_int_equal(taken[i][BYTES - 16 * (size_t)(i % 7) - 1], (unsigned char)(i + round));
    }
    assert_null(arena_alloc(arena, 2 * (size_t)BYTES));
    assert_true(arena_is_exhausted(arena));
    arena_reset(arena);
    assert_false(arena_is_exhausted(arena));
    assert_int_equal(arena_used_bytes(arena), 0);
  }
  size_t before = mallinfo2().uordblks;
  for (int i = 0; i < 20; i++) {
    assert_non_null(arena_alloc(arena, 100 * 1024));
    arena_reset(arena);
  }
  assert_int_equal(mallinfo2().uordblks, before);
  arena_free(arena);
}

static void arenas_never_pass_their_budget_together(void **state) {
  (void)state;
  struct arena_budget budget = {.max_bytes = (size_t)8 << 20};
  struct arena *a = arena_new_within(&budget, (size_t)64 << 20),
               *b = arena_new_within(arena_budget(a), (size_t)64 << 20);
  assert_int_equal(budget.used_bytes, 0); /* their first blocks are their own */
  assert_non_null(arena_alloc(a, (size_t)5 << 20));
  assert_null(arena_alloc(b, (size_t)5 << 20));
  assert_true(arena_is_exhausted(b));
  assert_non_null(arena_alloc(b, (size_t)2 << 20));
  assert_true(budget.used_bytes <= budget.max_bytes);
  while (arena_alloc(a, 64 * 1024))
    assert_true(budget.used_bytes <= budget.max_bytes);
  /* The other one can still say that there is nothing left, but no more. */
  size_t reserve = 0;
  while (arena_alloc(b, 1024))
    reserve += 1024;
  assert_true(reserve >= 32 * 1024);
  assert_true(reserve <= ((size_t)1 << 20) + 128 * 1024);
  assert_true(budget.used_bytes <= budget.max_bytes);
  arena_free(a);
  assert_non_null(arena_alloc(b, (size_t)5 << 20));
  arena_reset(b);
  assert_true(budget.used_bytes <= (size_t)2 << 20); /* what it keeps for the next use */
  arena_free(b);
  assert_int_equal(budget.used_bytes, 0);
  assert_true(arena_budget_take(NULL, SIZE_MAX));
  assert_false(arena_budget_take(&budget, SIZE_MAX));
  assert_int_equal(budget.used_bytes, 0);
}

static void vectors_grow_and_zero(void **state) {
  (void)state;
  VEC(int) v = {0};
  for (int i = 0; i < 1000; i++) {
    int *item = VEC_PUSH(test_arena, &v);
    assert_int_equal(*item, 0);
    *item = i;
  }
  for (int i = 0; i < 1000; i++)
    assert_int_equal(v.p[i], i);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(an_arena_never_passes_its_cap),
      TEST(what_is_taken_is_aligned_and_kept_apart),
      TEST(growing_keeps_the_content),
      TEST(clean_ups_run_last_in_first_out),
      TEST(vectors_grow_and_zero),
      TEST(a_reset_keeps_memory_for_the_next_use),
      TEST(arenas_never_pass_their_budget_together),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
