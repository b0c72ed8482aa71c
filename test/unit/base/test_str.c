#include "../test.h"

#include <math.h>

static void split_gives_empty_parts_and_ends(void **state) {
  (void)state;
  struct str rest = STR("a,,b"), part;
  assert_true(str_split(&rest, ',', &part));
  assert_str(part, "a");
  assert_true(str_split(&rest, ',', &part));
  assert_str(part, "");
  assert_true(str_split(&rest, ',', &part));
  assert_str(part, "b");
  assert_false(str_split(&rest, ',', &part));
  rest = STR("");
  assert_true(str_split(&rest, ',', &part));
  assert_false(str_split(&rest, ',', &part));
}

static void whole_numbers_are_checked_to_their_last_digit(void **state) {
  (void)state;
  uint64_t u;
  int64_t i;
  assert_true(str_to_u64(STR("18446744073709551615"), &u));
  assert_true(u == UINT64_MAX);
  assert_false(str_to_u64(STR("18446744073709551616"), &u));
  assert_false(str_to_u64(STR(""), &u));
  assert_false(str_to_u64(STR("+1"), &u));
  assert_false(str_to_u64(STR("1 "), &u));
  assert_true(str_to_i64(STR("-9223372036854775808"), &i));
  assert_true(i == INT64_MIN);
  assert_false(str_to_i64(STR("9223372036854775808"), &i));
  assert_false(str_to_i64(STR("-"), &i));
}

static void decimals_are_the_whole_text_or_nothing(void **state) {
  (void)state;
  double d;
  const char *good[] = {"0", "-0.5", "+3", "1e3", "1.5E-2", ".5", "5."};
  const char *bad[] = {"", "-", ".", "1e", "0x10", "inf", "nan", "1 ", "1,5", "1e999"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    assert_true(str_to_double(str_of(good[i]), &d));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(str_to_double(str_of(bad[i]), &d));
  assert_true(str_to_double(STR("1.5E-2"), &d));
  assert_true(fabs(d - 0.015) < 1e-12);
}

/* Every code point that there is passes; every way to encode one that there is not does not. */
static void utf8_is_told_from_what_is_not(void **state) {
  (void)state;
  for (uint32_t c = 0; c <= 0x10FFFF; c++) {
    char p[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    uint32_t rest = c;
    for (size_t i = n - 1; i > 0; i--, rest >>= 6)
      p[i] = (char)(0x80 | (rest & 0x3F));
    p[0] = (char)(n == 1 ? c : lead[n] | rest);
    assert_int_equal(str_is_utf8(str_n(p, n)), c < 0xD800 || c > 0xDFFF);
  }
  const char *bad[] = {"\x80",
                       "\xC0\x80",
                       "\xC1\xBF",
                       "\xE0\x9F\xBF",
                       "\xF0\x8F\xBF\xBF",
                       "\xF4\x90\x80\x80",
                       "\xF5\x80\x80\x80",
                       "\xC3",
                       "\xE2\x82",
                       "\xFF",
                       "aaaaaaaa\xC3",
                       "aaaaaaaa\xE2\x28\xA1"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(str_is_utf8(str_of(bad[i])));
}

static void slices_never_leave_their_text(void **state) {
  (void)state;
  struct str s = STR("abc");
  assert_str(str_slice(s, 1, 1), "b");
  assert_str(str_slice(s, 1, SIZE_MAX), "bc");
  assert_int_equal(str_slice(s, 3, 1).n, 0);
  assert_int_equal(str_slice(s, SIZE_MAX, SIZE_MAX).n, 0);
  assert_int_equal(str_find(s, STR("c")), 2);
  assert_int_equal(str_find(s, STR("cd")), -1);
  assert_int_equal(str_find(s, STR("")), 0);
  assert_true(str_compare(STR("a"), STR("ab")) < 0);
  assert_str(str_trim(STR(" \t a b \r\n")), "a b");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(split_gives_empty_parts_and_ends),
      TEST(whole_numbers_are_checked_to_their_last_digit),
      TEST(decimals_are_the_whole_text_or_nothing),
      TEST(utf8_is_told_from_what_is_not),
      TEST(slices_never_leave_their_text),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
