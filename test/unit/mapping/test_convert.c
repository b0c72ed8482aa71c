#include "../test.h"

#include "mapping/convert.h"

struct sample {
  enum primitive primitive;
  const char *v2, *fhir; /* fhir NULL: refused; "": nothing to say */
  int zone;
};

static const struct sample samples[] = {
    {PRIMITIVE_DATE, "2023", "2023", 0},
    {PRIMITIVE_DATE, "202308", "2023-08", 0},
    {PRIMITIVE_DATE, "20230816", "2023-08-16", 0},
    {PRIMITIVE_DATE, "20230816123358-0500", "2023-08-16", 0},
    {PRIMITIVE_DATE, "2023-08-16", "2023-08-16", 0},
    {PRIMITIVE_DATE, "20230230", NULL, 0},
    {PRIMITIVE_DATE, "20240229", "2024-02-29", 0},
    {PRIMITIVE_DATE, "00000000", NULL, 0},
    {PRIMITIVE_DATE, "0000", NULL, 0},
    {PRIMITIVE_DATE, "202313", NULL, 0},
    {PRIMITIVE_DATE, "2023081", NULL, 0},
    {PRIMITIVE_DATE, "yesterday", NULL, 0},
    {PRIMITIVE_DATE, "   ", "", 0},
    {PRIMITIVE_DATE_TIME, "202308", "2023-08", 60},
    {PRIMITIVE_DATE_TIME, "2023081612", "2023-08-16T12:00:00Z", 0},
    {PRIMITIVE_DATE_TIME, "202308161233", "2023-08-16T12:33:00+01:00", 60},
    {PRIMITIVE_DATE_TIME, "20230816123358", "2023-08-16T12:33:58-03:30", -210},
    {PRIMITIVE_DATE_TIME, "20230816123358.1234+0530", "2023-08-16T12:33:58.1234+05:30", 0},
    {PRIMITIVE_DATE_TIME, "20230816123358+0000", "2023-08-16T12:33:58+00:00", 60},
    {PRIMITIVE_DATE_TIME, "2023-08-16T12:33:58Z", "2023-08-16T12:33:58+00:00", 60},
    {PRIMITIVE_DATE_TIME, "2023-0500", "2023", 0},
    {PRIMITIVE_DATE_TIME, "202308161260", NULL, 0},
    {PRIMITIVE_DATE_TIME, "202308162460", NULL, 0},
    {PRIMITIVE_DATE_TIME, "20230816123358+9900", NULL, 0},
    {PRIMITIVE_DATE_TIME, "20230816123358x", NULL, 0},
    {PRIMITIVE_INSTANT, "2023", "2023-01-01T00:00:00Z", 0},
    {PRIMITIVE_INSTANT, "20230816", "2023-08-16T00:00:00+02:00", 120},
    {PRIMITIVE_TIME, "1233", "12:33:00", 0},
    {PRIMITIVE_TIME, "123358.5", "12:33:58.5", 0},
    {PRIMITIVE_TIME, "2533", NULL, 0},
    {PRIMITIVE_TIME, "1", NULL, 0},
    {PRIMITIVE_DECIMAL, "1.50", "1.50", 0},
    {PRIMITIVE_DECIMAL, "+1.50", "1.50", 0},
    {PRIMITIVE_DECIMAL, "007", "7", 0},
    {PRIMITIVE_DECIMAL, "-0.5", "-0.5", 0},
    {PRIMITIVE_DECIMAL, "-.5", "-0.5", 0},
    {PRIMITIVE_DECIMAL, "5.", "5", 0},
    {PRIMITIVE_DECIMAL, "0", "0", 0},
    {PRIMITIVE_DECIMAL, "00.10", "0.10", 0},
    {PRIMITIVE_DECIMAL, "1,5", NULL, 0},
    {PRIMITIVE_DECIMAL, "<5", NULL, 0},
    {PRIMITIVE_DECIMAL, ".", NULL, 0},
    {PRIMITIVE_DECIMAL, "-", NULL, 0},
    {PRIMITIVE_INTEGER, "3.0", "3", 0},
    {PRIMITIVE_INTEGER, "+12", "12", 0},
    {PRIMITIVE_INTEGER, "3.5", NULL, 0},
    {PRIMITIVE_INTEGER, "2147483648", NULL, 0},
    {PRIMITIVE_POSITIVE_INT, "0", NULL, 0},
    {PRIMITIVE_UNSIGNED_INT, "0", "0", 0},
    {PRIMITIVE_UNSIGNED_INT, "-1", NULL, 0},
    {PRIMITIVE_BOOLEAN, "Y", "true", 0},
    {PRIMITIVE_BOOLEAN, "n", "false", 0},
    {PRIMITIVE_BOOLEAN, "maybe", NULL, 0},
    {PRIMITIVE_CODE, "  a  b ", "a b", 0},
    {PRIMITIVE_URI, "my system", "my%20system", 0},
    {PRIMITIVE_ID, "a_b", NULL, 0},
    {PRIMITIVE_ID, "a-b.C1", "a-b.C1", 0},
    {PRIMITIVE_STRING,
     "  caf\xC3\xA9\x01"
     "x ",
     "caf\xC3\xA9 x", 0},
    {PRIMITIVE_BASE64, "QUJ D\r\n", "QUJD", 0},
    {PRIMITIVE_BASE64, "QUJ", NULL, 0},
    {PRIMITIVE_BASE64, "QQ==", "QQ==", 0},
    {PRIMITIVE_BASE64, "Q=Q=", NULL, 0},
};

static void convert_follows_the_table(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
    const struct sample *s = &samples[i];
    struct str made = STR_NULL;
    bool is_raw = false;
    const char *fault =
        convert_text(test_arena, s->primitive, str_of(s->v2), s->zone, &made, &is_raw);
    if (!s->fhir && !fault)
      fail_msg("'%s' was taken as '%.*s'", s->v2, STR_ARG(made));
    if (s->fhir && fault)
      fail_msg("'%s' %s", s->v2, fault);
    if (s->fhir && !str_is(made, s->fhir))
      fail_msg("'%s' became '%.*s', not '%s'", s->v2, STR_ARG(made), s->fhir);
  }
}

static void numbers_and_booleans_stand_without_quotes(void **state) {
  (void)state;
  struct str made;
  bool is_raw = false;
  assert_null(convert_text(test_arena, PRIMITIVE_DECIMAL, STR("1"), 0, &made, &is_raw));
  assert_true(is_raw);
  assert_null(convert_text(test_arena, PRIMITIVE_STRING, STR("1"), 0, &made, &is_raw));
  assert_false(is_raw);
}

static void times_are_added(void **state) {
  (void)state;
  const struct {
    const char *time, *amount, *unit, *sum;
  } cases[] = {
      {"202312312330", "45", "MIN", "20240101001500"},
      {"20231231233000-0500", "1.5", "h", "20240101010000-0500"},
      {"20240228", "2", "D", "20240301000000"},
      {"20240228", "30", "", "20240228003000"},
      {"20240228", "x", "", ""},
      {"20240228", "1", "fortnight", ""},
      {"2024", "1", "D", ""},
      {"99991231", "9", "wk", ""},
      {"20240228", "1e300", "D", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    struct str sum = convert_plus(test_arena, str_of(cases[i].time), str_of(cases[i].amount),
                                  str_of(cases[i].unit));
    if (!str_is(sum, cases[i].sum))
      fail_msg("case %zu: '%.*s'", i, STR_ARG(sum));
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(convert_follows_the_table),
      TEST(times_are_added),
      TEST(numbers_and_booleans_stand_without_quotes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
