#include "../test.h"

#include "base/nearest.h"

static struct str nearest_of(const char *wanted) {
  static const char *const names[] = {"birthdate", "family", "gender", "given", "identifier"};
  struct nearest nearest = nearest_to(str_of(wanted));
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    nearest_consider(&nearest, str_of(names[i]));
  return nearest.name;
}

static void the_nearest_name_is_given_and_another_word_is_not(void **state) {
  (void)state;
  assert_str(nearest_of("birthdtae"), "birthdate");
  assert_str(nearest_of("famly"), "family");
  assert_str(nearest_of("identifer"), "identifier");
  assert_int_equal(nearest_of("xyzzy").n, 0);
  assert_int_equal(nearest_of("").n, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(the_nearest_name_is_given_and_another_word_is_not)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
