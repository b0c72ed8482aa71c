#include "../test.h"

#include "format/json.h"

static const struct yyjson_val *parse(const char *z) {
  const struct yyjson_val *root = NULL;
  struct err err;
  assert_int_equal(json_parse(test_arena, str_of(z), NULL, &root, &err), 0);
  return root;
}

static int parse_code(const char *z) {
  const struct yyjson_val *root;
  struct err err;
  return json_parse(test_arena, str_of(z), NULL, &root, &err);
}

static void json_keeps_numbers_as_written(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1000);
  json_write(&buf, parse("{\"a\": [1.50, -0, 1e400, 12345678901234567890123]}"));
  assert_str(buf_str(&buf), "{\"a\":[1.50,-0,1e400,12345678901234567890123]}");
}

static void json_refuses_duplicate_names(void **state) {
  (void)state;
  assert_int_equal(parse_code("{\"a\":1,\"a\":2}"), ERR_INVALID);
  assert_int_equal(parse_code("{\"a\":1,\"\\u0061\":2}"), ERR_INVALID);
  struct buf buf;
  buf_init_arena(&buf, test_arena, 100000);
  buf_add_z(&buf, "{");
  for (int i = 0; i < 100; i++)
    buf_printf(&buf, "\"k%d\":1,", i);
  buf_add_z(&buf, "\"k50\":2}");
  assert_int_equal(parse_code(buf_z(&buf)), ERR_INVALID);
}

static void json_limits_depth(void **state) {
  (void)state;
  char deep[402];
  memset(deep, '[', 200);
  memset(deep + 200, ']', 200);
  deep[400] = '\0';
  assert_int_equal(parse_code(deep), ERR_TOO_LONG);
  memset(deep, '[', 99);
  memset(deep + 99, ']', 99);
  deep[198] = '\0';
  assert_int_equal(parse_code(deep), 0);
}

static void json_refuses_bad_utf8(void **state) {
  (void)state;
  assert_int_equal(parse_code("\"\xC0\x80\""), ERR_INVALID);
  assert_int_equal(parse_code("\"\xED\xA0\x80\""), ERR_INVALID);
}

static void json_says_line_and_column(void **state) {
  (void)state;
  const struct yyjson_val *root;
  struct err err;
  assert_int_equal(json_parse(test_arena, STR("{\n  \"a\": tru\n}"), NULL, &root, &err),
                   ERR_STRUCTURE);
  assert_string_equal(err.where, "line 2 column 8");
}

static void json_writes_what_it_read(void **state) {
  (void)state;
  const char *text =
      "{\"a\":{\"b\":[true,false,null,\"x\\n\\\"\\u0001\xC3\xA9\"],\"c\":{}},\"d\":[]}";
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1000);
  json_write(&buf, parse(text));
  assert_str(buf_str(&buf), text);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(json_keeps_numbers_as_written),
      TEST(json_refuses_duplicate_names),
      TEST(json_limits_depth),
      TEST(json_refuses_bad_utf8),
      TEST(json_says_line_and_column),
      TEST(json_writes_what_it_read),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
