#include "../test.h"

#include "base/clock.h"

static void assert_instant(int64_t at_us, const char *text) {
  char z[CLOCK_INSTANT_BYTES];
  assert_int_equal(clock_format_instant(at_us, z), 27);
  assert_string_equal(z, text);
}

static void known_instants(void **state) {
  (void)state;
  assert_instant(0, "1970-01-01T00:00:00.000000Z");
  assert_instant(-1, "1969-12-31T23:59:59.999999Z");
  assert_instant(INT64_C(951782400000000), "2000-02-29T00:00:00.000000Z");
  assert_instant(INT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z");
  assert_int_equal(clock_from_civil((struct clock_civil){.year = 1, .month = 1, .day = 1}),
                   INT64_C(-62135596800000000));
}

/* Each day of 10,000 years, there and back, one after the other. */
static void every_day_follows_the_one_before(void **state) {
  (void)state;
  int64_t expected = clock_from_civil((struct clock_civil){.year = 1, .month = 1, .day = 1});
  for (int year = 1; year <= 9999; year++)
    for (int month = 1; month <= 12; month++)
      for (int day = 1; day <= clock_days_in_month(year, month);
           day++, expected += INT64_C(86400000000)) {
        assert_true(clock_from_civil((struct clock_civil){
                        .year = year, .month = month, .day = day}) == expected);
        struct clock_civil c = clock_to_civil(expected);
        assert_true(c.year == year && c.month == month && c.day == day);
      }
  assert_int_equal(clock_days_in_month(1900, 2), 28);
  assert_int_equal(clock_days_in_month(2000, 2), 29);
  assert_int_equal(clock_days_in_month(2001, 13), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(known_instants), TEST(every_day_follows_the_one_before)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
