#include "../test.h"

static void every_code_has_its_facts(void **state) {
  (void)state;
#define X(err_name, code, http, issue, hl7, text)                                                  \
  assert_int_equal(err_facts(err_name)->http_status, http);                                        \
  assert_string_equal(err_facts(err_name)->name, #err_name);
  ERR_TABLE(X)
#undef X
  assert_string_equal(err_facts((enum err_code) - 9999)->name, "ERR_INTERNAL");
}

static void a_text_that_is_cut_ends_between_characters(void **state) {
  (void)state;
  for (size_t shift = 0; shift < 4; shift++) {
    char text[2000] = "xxxx";
    for (size_t i = shift; i + 3 < sizeof text - 4; i += 3)
      memcpy(text + i, "\xE2\x82\xAC", 4);
    struct err err;
    assert_int_equal(err_set(&err, ERR_VALUE, text, "%s", text), ERR_VALUE);
    assert_true(str_is_utf8(str_of(err.text)));
    assert_true(str_is_utf8(str_of(err.where)));
    assert_true(strlen(err.text) > sizeof err.text - 5);
  }
  assert_int_equal(err_set(NULL, ERR_VALUE, "", "x"), ERR_VALUE);
}

int main(void) {
  const struct CMUnitTest tests[] = {TEST(every_code_has_its_facts),
                                     TEST(a_text_that_is_cut_ends_between_characters)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
