#include "../test.h"

static void overflow_sticks_and_nothing_more_is_written(void **state) {
  (void)state;
  struct buf buf;
  buf_init(&buf, 5);
  buf_add(&buf, STR("abc"));
  buf_add(&buf, STR("def"));
  assert_true(buf_is_overflown(&buf));
  buf_add_char(&buf, 'g');
  assert_str(buf_str(&buf), "abc");
  buf_clear(&buf);
  assert_false(buf_is_overflown(&buf));
  buf_add(&buf, STR("12345"));
  assert_false(buf_is_overflown(&buf));
  assert_string_equal(buf_z(&buf), ""); /* no room for the NUL */
  buf_fini(&buf);
}

static void numbers_and_formats(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 10000);
  buf_add_u64(&buf, UINT64_MAX);
  buf_add_char(&buf, ' ');
  buf_add_i64(&buf, INT64_MIN);
  buf_printf(&buf, " %s %600d", "x", 7);
  assert_true(str_starts_with(buf_str(&buf), STR("18446744073709551615 -9223372036854775808 x ")));
  assert_int_equal(buf.n, 20 + 1 + 20 + 3 + 600);
}

static void code_points_are_written_as_utf8(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 100);
  const uint32_t points[] = {0x24, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF};
  for (size_t i = 0; i < sizeof points / sizeof points[0]; i++)
    buf_add_code_point(&buf, points[i]);
  assert_str(buf_str(&buf), "$\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80"
                            "\xf4\x8f\xbf\xbf");
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(overflow_sticks_and_nothing_more_is_written),
                                     TEST(numbers_and_formats),
                                     TEST(code_points_are_written_as_utf8)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
