#include "../test.h"

#include "format/v2_dictionary.h"

static void v2_dictionary_knows_fields(void **state) {
  (void)state;
  const struct v2_field *f = v2_segment_field(STR("2.5.1"), STR("PID"), 3);
  assert_non_null(f);
  assert_str(f->name, "Patient Identifier List");
  assert_str(f->data_type, "CX");
  assert_int_equal(f->max_length, 250);
  assert_true(f->is_required);
  assert_true(f->repeats);
  f = v2_segment_field(STR("2.5.1"), STR("PID"), 8);
  assert_int_equal(f->table, 1);
  assert_false(f->repeats);
  assert_null(v2_segment_field(STR("2.5"), STR("PID"), 0));
  assert_null(v2_segment_field(STR("2.5"), STR("PID"), 400));
  assert_null(v2_segment_field(STR("2.5"), STR("ZZZ"), 1));
  assert_null(v2_segment_field(STR("2.5"), STR(""), 1));
}

static struct str type_of_pid_3(const char *version) {
  return v2_segment_field(str_of(version), STR("PID"), 3)->data_type;
}

static void v2_dictionary_takes_the_nearest_version(void **state) {
  (void)state;
  assert_str(type_of_pid_3("2.1"), "CK");
  assert_str(type_of_pid_3("2.2"), "CM_PAT_ID");
  assert_str(type_of_pid_3("2.4"), "CX");
  /* versions that the dictionary doesn't hold */
  assert_str(type_of_pid_3("2.8"), "CX");
  assert_str(type_of_pid_3("2.1.5"), "CK");
  assert_str(type_of_pid_3("1.0"), "CK");
  assert_str(type_of_pid_3(""), "CX");
  assert_str(type_of_pid_3("banana"), "CX");
  assert_str(type_of_pid_3("99999999999999999999.9"), "CX");
  /* a field that came later than the sender's version */
  assert_non_null(v2_segment_field(STR("2.1"), STR("PID"), 39));
  assert_non_null(v2_segment_field(STR("2.3"), STR("SPM"), 4));
}

static void v2_dictionary_knows_components(void **state) {
  (void)state;
  const struct v2_field *c = v2_type_component(STR("2.5"), STR("CX"), 4);
  assert_str(c->name, "Assigning Authority");
  assert_str(c->data_type, "HD");
  assert_null(v2_type_component(STR("2.5"), STR("ST"), 1));
  assert_null(v2_type_component(STR("2.5"), STR("CX"), 50));
}

static void v2_dictionary_knows_names_and_tables(void **state) {
  (void)state;
  assert_str(v2_segment_name(STR("PID")), "Patient Identification");
  assert_int_equal(v2_segment_name(STR("ZZZ")).n, 0);
  assert_str(v2_table_name(1), "Administrative Sex");
  assert_str(v2_table_display(1, STR("F")), "Female");
  assert_int_equal(v2_table_display(1, STR("X")).n, 0);
  assert_int_equal(v2_table_display(9999, STR("F")).n, 0);
}

static void v2_dictionary_knows_events(void **state) {
  (void)state;
  static const char *const known[][2] = {
      {"ADT", "A01"}, {"ADT", "A08"}, {"ADT", "A40"}, {"ORU", "R01"}, {"ORM", "O01"},
      {"OML", "O21"}, {"SIU", "S12"}, {"SIU", "S26"}, {"MDM", "T02"}, {"VXU", "V04"},
      {"ACK", "A01"}, {"ADT", "A31"}, {"SIU", "S17"},
  };
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    assert_true(v2_event_is_known(str_of(known[i][0]), str_of(known[i][1])));
  assert_false(v2_event_is_known(STR("ADT"), STR("R01")));
  assert_false(v2_event_is_known(STR("ADT"), STR("")));
  assert_false(v2_event_is_known(STR(""), STR("")));
  assert_false(v2_event_is_known(STR("AD"), STR("A01")));
  assert_false(v2_event_is_known(STR("ADT_A01"), STR("A01")));
  assert_false(v2_event_is_known(STR("ACK"), STR("Z99")));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(v2_dictionary_knows_fields),     TEST(v2_dictionary_takes_the_nearest_version),
      TEST(v2_dictionary_knows_components), TEST(v2_dictionary_knows_names_and_tables),
      TEST(v2_dictionary_knows_events),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
