#include "../test.h"

#include "flow/lanes.h"

static struct lanes *lanes;

static int open_lanes(void **state) {
  (void)state;
  lanes = lanes_new();
  return lanes ? 0 : -1;
}

static int close_lanes(void **state) {
  (void)state;
  lanes_free(lanes);
  return 0;
}

#define MESSAGE(pid) STR("MSH|^~\\&|A|B\rPID|" pid "\r")

static void one_at_a_time_and_in_order(void **state) {
  (void)state;
  struct lane_item a, b, c;
  assert_true(lanes_enter(lanes, &a, MESSAGE("1||77^^^H")));
  assert_false(lanes_enter(lanes, &b, MESSAGE("1||77^^^H")));
  assert_false(lanes_enter(lanes, &c, MESSAGE("2||77")));
  assert_ptr_equal(lanes_leave(lanes, &a), &b);
  assert_ptr_equal(lanes_leave(lanes, &b), &c);
  assert_null(lanes_leave(lanes, &c));
  assert_true(lanes_enter(lanes, &a, MESSAGE("1||77^^^H")));
  assert_null(lanes_leave(lanes, &a));
}

static void a_message_without_a_number_waits_for_nobody(void **state) {
  (void)state;
  struct lane_item a, b;
  assert_true(lanes_enter(lanes, &a, STR("MSH|^~\\&|A\rPV1|1\r")));
  assert_true(lanes_enter(lanes, &b, STR("MSH|^~\\&|A\rPV1|1\r")));
  assert_null(lanes_leave(lanes, &a));
  assert_null(lanes_leave(lanes, &b));
  assert_true(lanes_enter(lanes, &a, STR_NULL));
  assert_true(lanes_enter(lanes, &a, STR("")));
  assert_true(lanes_enter(lanes, &a, STR("MSH")));
  assert_true(lanes_enter(lanes, &a, STR("MSH|")));
  assert_true(lanes_enter(lanes, &b, STR("MSH|^~\\&|PID|1||77")));
}

static void numbers_of_one_patient_come_to_share_a_lane(void **state) {
  (void)state;
  struct lane_item a, b, c;
  assert_true(lanes_enter(lanes, &a, MESSAGE("1||first^^^H")));
  assert_null(lanes_leave(lanes, &a));
  lanes_learn(lanes, &a, STR("p1"));
  assert_true(lanes_enter(lanes, &b, STR("\xEF\xBB\xBFMSH|^~\\&|A|B\r\nPID||second^^^L\r\n")));
  assert_null(lanes_leave(lanes, &b));
  lanes_learn(lanes, &b, STR("p1"));
  assert_true(lanes_enter(lanes, &a, MESSAGE("1||first^^^H")));
  assert_false(lanes_enter(lanes, &c, MESSAGE("|second")));
  assert_ptr_equal(lanes_leave(lanes, &a), &c);
  assert_null(lanes_leave(lanes, &c));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(one_at_a_time_and_in_order, open_lanes, close_lanes),
      cmocka_unit_test_setup_teardown(a_message_without_a_number_waits_for_nobody, open_lanes,
                                      close_lanes),
      cmocka_unit_test_setup_teardown(numbers_of_one_patient_come_to_share_a_lane, open_lanes,
                                      close_lanes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
