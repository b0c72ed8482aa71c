#include "base/base64.h"

#include "../test.h"

static void assert_pair(const char *bytes, const char *text) {
  struct buf buf;
  struct str back;
  struct err err;
  buf_init_arena(&buf, test_arena, 1000);
  base64_write(&buf, str_of(bytes));
  assert_string_equal(buf_z(&buf), text);
  assert_int_equal(base64_read(test_arena, str_of(text), &back, &err), 0);
  assert_str(back, bytes);
}

static void the_vectors_of_rfc_4648(void **state) {
  (void)state;
  assert_pair("", "");
  assert_pair("f", "Zg==");
  assert_pair("fo", "Zm8=");
  assert_pair("foo", "Zm9v");
  assert_pair("foob", "Zm9vYg==");
  assert_pair("fooba", "Zm9vYmE=");
  assert_pair("foobar", "Zm9vYmFy");
}

static void all_bytes_come_back(void **state) {
  (void)state;
  char bytes[256];
  for (size_t n = 0; n <= sizeof bytes; n++) {
    struct buf buf;
    struct str back = STR_NULL;
    struct err err;
    for (size_t i = 0; i < n; i++)
      bytes[i] = (char)(255 - i);
    buf_init_arena(&buf, test_arena, 1000);
    base64_write(&buf, str_n(bytes, n));
    assert_int_equal(base64_read(test_arena, buf_str(&buf), &back, &err), 0);
    assert_true(str_equal(back, str_n(bytes, n)));
  }
}

static void space_is_skipped_and_nothing_else(void **state) {
  (void)state;
  static const char *const faults[] = {"Z",
                                       "Zg",
                                       "Zg=",
                                       "Zg===",
                                       "Zh==",
                                       "Zm9=",
                                       "=",
                                       "Zg=a",
                                       "Zm9v=",
                                       "Zm9v!",
                                       "Zm-v",
                                       "====",
                                       "Z===",
                                       ("Zg=="
                                        "Zg==")};
  struct str back;
  struct err err;
  assert_int_equal(base64_read(test_arena, STR(" Zm\r\n9v\tYg = ="), &back, &err), 0);
  assert_str(back, "foob");
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    assert_int_equal(base64_read(test_arena, str_of(faults[i]), &back, &err), ERR_VALUE);
}

static void the_form_for_urls_has_no_padding(void **state) {
  static const char *const faults[] = {"Zg==", "Zm9v+/8", "Z", "Zh", "Zm 9v"};
  struct str back;
  struct err err;
  struct buf buf;
  (void)state;
  buf_init_arena(&buf, test_arena, 100);
  base64url_write(&buf, STR("\xfb\xff\xfe\x01"));
  assert_str(buf_str(&buf), "-__-AQ");
  assert_int_equal(base64url_read(test_arena, buf_str(&buf), &back, &err), 0);
  assert_str(back, "\xfb\xff\xfe\x01");
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
    assert_int_equal(base64url_read(test_arena, str_of(faults[i]), &back, &err), ERR_VALUE);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(the_vectors_of_rfc_4648),
      TEST(all_bytes_come_back),
      TEST(space_is_skipped_and_nothing_else),
      TEST(the_form_for_urls_has_no_padding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
