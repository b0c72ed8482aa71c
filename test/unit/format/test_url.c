#include "../test.h"

#include "format/url.h"

static struct str decoded(const char *z) {
  struct str text = STR_NULL;
  struct err err;
  assert_int_equal(url_decode_query(test_arena, str_of(z), &text, &err), 0);
  return text;
}

static void url_decodes_queries(void **state) {
  (void)state;
  assert_str(decoded("a+b%20c%2B"), "a b c+");
  assert_str(decoded("%C3%a9"), "\xC3\xA9");
  struct str text;
  struct err err;
  assert_int_equal(url_decode(test_arena, STR("a+b"), &text, &err), 0);
  assert_str(text, "a+b");
}

static void url_refuses_broken_escapes(void **state) {
  (void)state;
  static const char *const broken[] = {"%", "a%2", "%zz", "%4", "%ff", "%00", "%c0%80"};
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
    struct str text;
    struct err err;
    assert_int_equal(url_decode(test_arena, str_of(broken[i]), &text, &err), ERR_VALUE);
  }
}

static void url_splits_pairs(void **state) {
  (void)state;
  struct url_pair *pairs;
  size_t n;
  struct err err;
  assert_int_equal(url_parse_query(test_arena, STR("a=1&&b&c=x%3Dy=z&=v"), &pairs, &n, &err), 0);
  assert_int_equal(n, 4);
  assert_str(pairs[0].name, "a");
  assert_str(pairs[0].value, "1");
  assert_str(pairs[1].name, "b");
  assert_int_equal(pairs[1].value.n, 0);
  assert_str(pairs[2].value, "x=y=z");
  assert_int_equal(pairs[3].name.n, 0);
}

static void url_encode_is_undone_by_decode(void **state) {
  (void)state;
  char all[255];
  for (int i = 0; i < 127; i++)
    all[i] = (char)(i + 1);
  struct buf buf;
  buf_init_arena(&buf, test_arena, 10000);
  url_encode(&buf, str_n(all, 127));
  struct str text;
  struct err err;
  assert_int_equal(url_decode_query(test_arena, buf_str(&buf), &text, &err), 0);
  assert_true(str_equal(text, str_n(all, 127)));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(url_decodes_queries),
      TEST(url_refuses_broken_escapes),
      TEST(url_splits_pairs),
      TEST(url_encode_is_undone_by_decode),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
