#include "../test.h"

#include "model/search_values_union.h"

static defs_param_id observation(const char *code) {
  return defs_param_by_code(defs_type_by_name(STR("Observation")), str_of(code));
}

static void assert_parts(const char *whole, const char *one, const char *other) {
  size_t n;
  const defs_param_id *parts = search_union_parts(observation(whole), &n);
  assert_int_equal(n, 2);
  defs_param_id a = observation(one), b = observation(other);
  assert_true((parts[0] == a && parts[1] == b) || (parts[0] == b && parts[1] == a));
}

static void unions_follow_from_the_published_expressions(void **state) {
  (void)state;
  assert_parts("combo-code", "code", "component-code");
  assert_parts("combo-value-quantity", "value-quantity", "component-value-quantity");
  assert_parts("combo-value-concept", "value-concept", "component-value-concept");
  assert_parts("combo-code-value-quantity", "code-value-quantity", "component-code-value-quantity");
}

static void most_parameters_stand_alone(void **state) {
  (void)state;
  static const char *const alone[] = {"code",    "component-code", "value-quantity",
                                      "subject", "date",           "code-value-quantity"};
  for (size_t i = 0; i < sizeof alone / sizeof alone[0]; i++) {
    size_t n;
    assert_null(search_union_parts(observation(alone[i]), &n));
    assert_int_equal(n, 0);
  }
}

static void parts_have_the_same_base_and_type_and_rows(void **state) {
  (void)state;
  size_t unions_n = 0;
  for (size_t id = 1; id <= defs_params_count(); id++) {
    size_t n, inner_n;
    const struct defs_param *whole = defs_param((defs_param_id)id);
    const defs_param_id *parts = search_union_parts((defs_param_id)id, &n);
    unions_n += n > 0;
    for (size_t i = 0; i < n; i++) {
      assert_int_equal(defs_param(parts[i])->type, whole->type);
      assert_int_equal(defs_param(parts[i])->base, whole->base);
      assert_null(search_union_parts(parts[i], &inner_n));
    }
  }
  assert_true(unions_n >= 6);
}

static int setup(void **state) {
  (void)state;
  struct err err;
  return search_unions_init(&err);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(unions_follow_from_the_published_expressions),
      cmocka_unit_test(most_parameters_stand_alone),
      cmocka_unit_test(parts_have_the_same_base_and_type_and_rows),
  };
  return cmocka_run_group_tests(tests, setup, NULL);
}
