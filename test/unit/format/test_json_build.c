#include "../test.h"

#include "format/json_build.h"

static struct str written(const struct yyjson_val *v) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 100000);
  json_write(&buf, v);
  return buf_str(&buf);
}

/* Whatever is built reads as if it had been parsed: every accessor, in every order. */
static void what_is_built_reads_like_what_is_parsed(void **state) {
  (void)state;
  struct json_builder b = json_builder(test_arena);
  struct err err;
  for (int round = 0; round < 2; round++) { /* a builder is used again */
    json_build_begin_object(&b);
    json_build_name(&b, STR("empty"));
    json_build_begin_array(&b);
    json_build_end(&b);
    json_build_name(&b, STR("list"));
    json_build_begin_array(&b);
    json_build_begin_object(&b);
    json_build_end(&b);
    json_build_begin_object(&b);
    json_build_name(&b, STR("n"));
    json_build_raw(&b, STR("1.50"));
    json_build_name(&b, STR("yes"));
    json_build_raw(&b, STR("true"));
    json_build_end(&b);
    json_build_null(&b);
    json_build_raw(&b, STR("false"));
    json_build_end(&b);
    json_build_name(&b, STR("text"));
    json_build_string(&b, STR("a \"b\"\n\xC3\xA4"));
    json_build_end(&b);
    const struct yyjson_val *v = NULL, *parsed = NULL;
    assert_int_equal(json_build_finish(&b, &v, &err), 0);
    struct str text = written(v);
    assert_str(text, "{\"empty\":[],\"list\":[{},{\"n\":1.50,\"yes\":true},null,false],"
                     "\"text\":\"a \\\"b\\\"\\n\xC3\xA4\"}");
    assert_int_equal(json_parse(test_arena, text, NULL, &parsed, &err), 0);
    assert_true(str_equal(written(parsed), text));
    assert_int_equal(json_count(v), 3);
    assert_int_equal(json_count(json_get(v, STR("list"))), 4);
    assert_int_equal(json_count(json_get(v, STR("empty"))), 0);
    assert_str(json_get_text(v, STR("text")), "a \"b\"\n\xC3\xA4");
  }
}

static void many_values_keep_their_order(void **state) {
  (void)state;
  struct json_builder b = json_builder(test_arena);
  struct err err;
  json_build_begin_array(&b);
  for (int i = 0; i < 1000; i++) {
    json_build_begin_array(&b);
    json_build_raw(&b, arena_printf(test_arena, "%d", i));
    json_build_end(&b);
  }
  json_build_end(&b);
  const struct yyjson_val *v = NULL;
  assert_int_equal(json_build_finish(&b, &v, &err), 0);
  assert_int_equal(json_count(v), 1000);
  struct json_each each = json_each(v);
  for (int i = 0; json_next(&each); i++)
    assert_true(str_equal(written(each.value), arena_printf(test_arena, "[%d]", i)));
}

static void what_a_parser_would_refuse_is_refused(void **state) {
  (void)state;
  struct json_builder b = json_builder(test_arena);
  struct err err;
  const struct yyjson_val *v = NULL;
  json_build_string(&b, STR("\xFF"));
  assert_int_equal(json_build_finish(&b, &v, &err), ERR_INVALID);
  for (unsigned depth = 100; depth <= 101; depth++) {
    for (unsigned i = 0; i < depth; i++)
      json_build_begin_array(&b);
    for (unsigned i = 0; i < depth; i++)
      json_build_end(&b);
    assert_int_equal(json_build_finish(&b, &v, &err), depth == 100 ? 0 : ERR_TOO_LONG);
  }
  struct arena *small = arena_new(3000);
  b = json_builder(small);
  json_build_begin_array(&b);
  for (int i = 0; i < 1000; i++) {
    json_build_begin_object(&b);
    json_build_end(&b);
  }
  json_build_end(&b);
  assert_int_equal(json_build_finish(&b, &v, &err), ERR_NO_MEMORY);
  arena_free(small);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(what_is_built_reads_like_what_is_parsed),
      TEST(many_values_keep_their_order),
      TEST(what_a_parser_would_refuse_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
