#include "../test.h"

#include <math.h>

#include "base/clock.h"
#include "model/ucum.h"
#include "model/ucum_units.h"

static void canonical_is(const char *code, const char *value, double expected, const char *unit) {
  struct ucum_canonical c;
  if (!ucum_canonical(str_of(code), str_of(value), &c))
    fail_msg("%s is no unit", code);
  if (fabs(c.value - expected) > fabs(expected) * 1e-12 || !str_is(str_n(c.unit, c.unit_n), unit))
    fail_msg("%s %s is %.17g %.*s, expected %.17g %s", value, code, c.value, (int)c.unit_n, c.unit,
             expected, unit);
}

static void a_code_becomes_base_units(void **state) {
  (void)state;
  canonical_is("mg/dL", "100", 1000, "g/m3");
  canonical_is("g/L", "1.0", 1000, "g/m3");
  canonical_is("1/min", "60", 1, "/s");
  canonical_is("/min", "60", 1, "/s");
  canonical_is("Hz", "1", 1, "/s");
  canonical_is("{beats}/min", "60", 1, "/s");
  canonical_is("[in_i]", "10", 0.254, "m");
  canonical_is("kg/m2", "25", 25000, "g/m2");
  canonical_is("10*3/uL", "4.5", 4.5e12, "/m3");
  canonical_is("10^9/L", "4.5", 4.5e12, "/m3");
  canonical_is("mmol/L", "1", 6.0221367e23, "/m3");
  canonical_is("%", "50", 0.5, "1");
  canonical_is("{tablets}", "2", 2, "1");
  canonical_is("1", "2", 2, "1");
  canonical_is("mm[Hg]", "120", 120 * 133322, "g/m/s2");
  canonical_is("cm[H2O]", "1", 98066.5, "g/m/s2");
  canonical_is("dam", "1", 10, "m");
  canonical_is("KiBy", "1", 8192, "1");
  canonical_is("ug/(kg.min)", "60", 60e-6 / 1000 / 60, "/s");
  canonical_is("m/s/s", "1", 1, "m/s2");
  canonical_is("kg.m/s2{gross}", "1", 1000, "g.m/s2");
  canonical_is("m+2", "1", 1, "m2");
  canonical_is("[iU]/mL", "1", 1e6, "[iU]/m3");
  canonical_is("m[IU]", "1", 0.001, "[iU]");
  canonical_is("deg", "180", M_PI, "rad");
  canonical_is("L/min/{1.73_m2}", "60", 0.001, "m3/s");
  canonical_is("g%", "1", 1e4, "g/m3");
  canonical_is("10*", "1", 10, "1");
  canonical_is("1.5", "1", 5, "1"); /* a product */
  canonical_is("/m.s", "1", 1, "s/m");
}

static void special_units_have_functions(void **state) {
  (void)state;
  canonical_is("Cel", "37", 310.15, "K");
  canonical_is("[degF]", "98.6", 310.15, "K");
  canonical_is("[degRe]", "29.6", 310.15, "K");
  canonical_is("mCel", "1000", 274.15, "K");
  canonical_is("[pH]", "7", 6.0221367e19, "/m3");
  canonical_is("B", "2", 100, "1");
  canonical_is("dB", "20", 100, "1");
  canonical_is("Np", "1", M_E, "1");
  canonical_is("B[V]", "2", 10000, "g.m2/s2/C");
  canonical_is("bit_s", "8", 256, "1");
  canonical_is("[p'diop]", "100", atan(1), "rad");
  canonical_is("[m/s2/Hz^(1/2)]", "3", 9, "m2/s3");
  canonical_is("[hp'_C]", "2", 1e-4, "1");
}

static void what_is_no_code_is_refused(void **state) {
  (void)state;
  static const char *const bad[] = {"",        "mgg",   "MG/DL",
                                    "k[in_i]", "kmin",  "Cel/min",
                                    "Cel2",    "m/Cel", "mg//dL",
                                    "mg/",     ".m",    "m.",
                                    "(m",      "m)",    "()",
                                    "{a",      "a}",    "{a{b}}",
                                    "m 2",     "m{\n}", "0m",
                                    "0",       "m101",  "Ym99",
                                    "[in_i",   "mm Hg", "\xc2\xb5g",
                                    "/",       "-1",    "m2m",
                                    "2m",      "[foo]", "((((((((((m))))))))))"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (ucum_is_valid(str_of(bad[i])))
      fail_msg("'%s'", bad[i]);
  char longer[UCUM_CODE_MAX_BYTES + 2];
  memset(longer, '1', sizeof longer);
  assert_false(ucum_is_valid(str_n(longer, sizeof longer)));
}

static bool are_commensurable(const char *a, const char *b) {
  struct ucum_unit x, y;
  assert_true(ucum_parse(str_of(a), &x));
  assert_true(ucum_parse(str_of(b), &y));
  return ucum_is_commensurable(&x, &y);
}

static void arbitrary_units_are_like_themselves_only(void **state) {
  (void)state;
  assert_true(are_commensurable("[iU]/L", "k[IU]/mL"));
  assert_false(are_commensurable("[iU]", "[arb'U]"));
  assert_false(are_commensurable("[iU]", "1"));
  assert_false(are_commensurable("[iU]/L", "U/L"));
  assert_true(are_commensurable("[iU].[CFU]", "[CFU].[iU]"));
  assert_true(are_commensurable("[iU].[CFU]/[iU]", "[CFU]"));
  assert_false(are_commensurable("mmol", "g"));
  assert_true(are_commensurable("Cel", "[degF]"));
}

static struct fhirpath_decimal decimal(const char *text) {
  struct fhirpath_decimal d;
  assert_true(fhirpath_decimal_parse(str_of(text), &d));
  return d;
}

static const char *converted(const char *from, const char *to, const char *value) {
  struct ucum_unit x, y;
  struct fhirpath_decimal result;
  assert_true(ucum_parse(str_of(from), &x) && ucum_parse(str_of(to), &y));
  if (!ucum_convert(&x, &y, decimal(value), &result))
    return "none";
  return fhirpath_decimal_text(test_arena, fhirpath_decimal_trim(result)).p;
}

static void conversion_is_exact_where_it_can_be(void **state) {
  (void)state;
  assert_string_equal(converted("mg/dL", "g/L", "123.4"), "1.234");
  assert_string_equal(converted("[lb_av]", "kg", "1"), "0.45359237");
  assert_string_equal(converted("[in_i]", "[ft_i]", "12"), "1");
  assert_string_equal(converted("min", "h", "20"), "0.333333333333333");
  assert_string_equal(converted("Cel", "[degF]", "37"), "98.6");
  assert_string_equal(converted("[degF]", "Cel", "98.6"), "37");
  assert_string_equal(converted("deg", "circ", "90"), "0.25");
  assert_string_equal(converted("kPa", "mm[Hg]", "133.322"), "1000");
  assert_string_equal(converted("[pH]", "mol/L", "2"), "0.01");
  assert_string_equal(converted("mg", "mL", "1"), "none");
}

static int order_of(const char *a, const char *a_unit, const char *b, const char *b_unit) {
  struct ucum_unit x, y;
  int order;
  assert_true(ucum_parse(str_of(a_unit), &x) && ucum_parse(str_of(b_unit), &y));
  return ucum_compare(&x, decimal(a), &y, decimal(b), &order) ? order : 9;
}

static void comparison_is_exact(void **state) {
  (void)state;
  assert_int_equal(order_of("100", "mg/dL", "1", "g/L"), 0);
  assert_int_equal(order_of("100.00000000000000000001", "mg/dL", "1", "g/L"), 1);
  assert_int_equal(order_of("1", "[mi_us]", "5280", "[ft_us]"), 0);
  assert_int_equal(order_of("1", "m", "39.37007874015748031496063", "[in_i]"), -1);
  assert_int_equal(order_of("37", "Cel", "98.6", "[degF]"), 0);
  assert_int_equal(order_of("1", "a", "12", "mo"), 0);
  assert_int_equal(order_of("1", "g", "1", "mol"), 9);
}

static void products_and_quotients_of_units(void **state) {
  (void)state;
  struct ucum_unit cm, g, cel, result;
  char text[UCUM_TEXT_BYTES];
  assert_true(ucum_parse(STR("cm"), &cm) && ucum_parse(STR("g"), &g) &&
              ucum_parse(STR("Cel"), &cel));
  assert_true(ucum_multiply(&cm, &cm, &result));
  assert_true(str_is(ucum_dimension_text(&result, text), "m2"));
  assert_true(fabs(ucum_to_base(&result, 1) - 1e-4) < 1e-18);
  assert_true(ucum_divide(&g, &cm, &result));
  assert_true(str_is(ucum_dimension_text(&result, text), "g/m"));
  assert_true(ucum_divide(&g, &g, &result));
  assert_true(str_is(ucum_dimension_text(&result, text), "1"));
  assert_false(ucum_multiply(&cel, &cm, &result));
}

/* Every row resolves; its canonical text is a code of factor 1; with prefixes where it is metric.
 */
static void every_unit_of_the_table_is_a_code(void **state) {
  (void)state;
  for (size_t i = 1; i < UCUM_ROWS_N; i++) {
    const struct ucum_row *row = &UCUM_ROWS[i];
    struct ucum_unit unit, canonical, prefixed;
    char text[UCUM_TEXT_BYTES], milli[40];
    if (!ucum_parse(str_of(row->code), &unit))
      fail_msg("%s does not resolve", row->code);
    struct str dimension = ucum_dimension_text(&unit, text);
    assert_true(ucum_parse(dimension, &canonical));
    assert_true(ucum_is_commensurable(&unit, &canonical));
    assert_true(ucum_to_base(&canonical, 1) == 1);
    double value = 0.75, back = ucum_from_base(&unit, ucum_to_base(&unit, value));
    if (fabs(back - value) > 1e-9)
      fail_msg("%s: %g comes back as %g", row->code, value, back);
    snprintf(milli, sizeof milli, "n%s", row->code);
    if (strcmp(row->code, "10*") == 0 || strcmp(row->code, "10^") == 0)
      continue;
    if (ucum_parse(str_of(milli), &prefixed) != ((row->flags & UCUM_METRIC) != 0))
      fail_msg("%s", milli);
  }
  print_message("%zu units\n", UCUM_ROWS_N - 1);
}

static void common_codes_mean_what_their_grammar_says(void **state) {
  (void)state;
  for (size_t i = 0; i < UCUM_COMMON_N; i++) {
    struct ucum_unit a, b;
    const char *grouped = arena_printf(test_arena, "(%s)", UCUM_COMMON[i]).p;
    if (UCUM_COMMON[i][0] == '/')
      grouped = arena_printf(test_arena, "1%s", UCUM_COMMON[i]).p;
    if (!ucum_parse(str_of(UCUM_COMMON[i]), &a) || !ucum_parse(str_of(grouped), &b))
      fail_msg("%s", UCUM_COMMON[i]);
    assert_true(ucum_is_commensurable(&a, &b));
    assert_true(ucum_to_base(&a, 2.5) == ucum_to_base(&b, 2.5));
  }
}

static void equal_quantities_give_the_same_double(void **state) {
  (void)state;
  static const char *const same[][4] = {
      {"123.4", "mg/dL", "1.234", "g/L"}, {"20", "min", "1200", "s"},
      {"1", "[ft_us]", "12", "[in_us]"},  {"7", "ug/min", "0.42", "mg/h"},
      {"98.6", "[degF]", "37.0", "Cel"},  {"5.50", "mmol/L", "5500", "umol/L"},
      {"0.1", "g/dL", "1000.000", "mg/L"}};
  for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
    struct ucum_canonical a, b;
    assert_true(ucum_canonical(str_of(same[i][1]), str_of(same[i][0]), &a));
    assert_true(ucum_canonical(str_of(same[i][3]), str_of(same[i][2]), &b));
    if (a.value != b.value)
      fail_msg("%s %s: %.20g, %.20g", same[i][0], same[i][1], a.value, b.value);
  }
}

static void a_canonical_value_costs_little(void **state) {
  (void)state;
  static const char *const codes[] = {"mg/dL", "mmol/L", "kg", "mm[Hg]", "/min", "10*3/uL"};
  struct ucum_canonical c;
  double sum = 0;
  int64_t start = clock_now_us();
  for (int i = 0; i < 60000; i++) {
    assert_true(ucum_canonical(str_of(codes[i % 6]), STR("12.5"), &c));
    sum += c.value;
  }
  print_message("%.0f ns each (%g)\n", (double)(clock_now_us() - start) / 60, sum);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(a_code_becomes_base_units),
      TEST(special_units_have_functions),
      TEST(what_is_no_code_is_refused),
      TEST(arbitrary_units_are_like_themselves_only),
      TEST(conversion_is_exact_where_it_can_be),
      TEST(comparison_is_exact),
      TEST(products_and_quotients_of_units),
      TEST(every_unit_of_the_table_is_a_code),
      TEST(common_codes_mean_what_their_grammar_says),
      TEST(equal_quantities_give_the_same_double),
      TEST(a_canonical_value_costs_little),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
