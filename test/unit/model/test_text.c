/* The text of a resource as words, and queries over them. */
#include "../test.h"

#include "model/text_query.h"

static struct text_words words_of(const char *json_with_ticks, enum text_part part) {
  struct str json = arena_str(test_arena, str_of(json_with_ticks));
  for (size_t i = 0; i < json.n; i++)
    if (json.p[i] == '`')
      ((char *)(uintptr_t)json.p)[i] = '"';
  const struct yyjson_val *root;
  struct text_words words;
  struct err err;
  if (json_parse(test_arena, json, &JSON_LIMITS_DEFAULT, &root, &err))
    fail_msg("%s: %s", err.where, err.text);
  assert_int_equal(text_words_of_resource(test_arena, root, part, &words, &err), 0);
  return words;
}

/* "a b | c": words, gaps as bars. */
static const char *join(struct text_words words) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, (size_t)1 << 20);
  for (size_t i = 0; i < words.n; i++) {
    buf_add_z(&buf, i ? " " : "");
    buf_add(&buf, words.p[i].n ? words.p[i] : STR("|"));
  }
  return arena_str(test_arena, buf_str(&buf)).p;
}

static const char *split(const char *text) {
  struct text_words words;
  struct err err;
  assert_int_equal(text_words_of_string(test_arena, str_of(text), &words, &err), 0);
  return join(words);
}

static void text_is_split_into_folded_words(void **state) {
  (void)state;
  assert_string_equal(split("Acute  x-ray, 2nd look (0.5mg)!"), "acute x ray 2nd look 0 5mg");
  assert_string_equal(split("M\xc3\xbcLLER stra\xc3\x9f"
                            "e"),
                      "muller strasse");
  assert_string_equal(split("Mu\xcc\x88ller"), "muller");
  assert_string_equal(split("\xef\xac\x81ne \xe2\x85\xa3"), "fine iv");
  assert_string_equal(split("\xce\x91\xce\x98\xce\x97\xce\x9d\xce\x91"),
                      "\xce\xb1\xce\xb8\xce\xb7\xce\xbd\xce\xb1");
  assert_string_equal(split("\xe7\x97\x85\xe9\x99\xa2 a"), "\xe7\x97\x85 \xe9\x99\xa2 a");
  assert_string_equal(split(""), "");
  assert_string_equal(split("\xff\xfe a"), "a");
  char longest[200];
  memset(longest, 'x', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  assert_int_equal(strlen(split(longest)), TEXT_WORD_MAX_BYTES);
}

static void text_of_a_resource_is_what_people_read(void **state) {
  (void)state;
  const char *json =
      "{`resourceType`:`Patient`,`id`:`secret`,`text`:{`status`:`generated`,`div`:`<div "
      "xmlns='http://"
      "www.w3.org/1999/xhtml'><p>He<b>l</b>lo</p><td title='a>b'>w&#111;rld</td><!-- no "
      "--><br/>&amp;x</div>`},"
      "`identifier`:[{`system`:`http://"
      "no`,`value`:`M-17`},{`value`:`1eaf97fa-9de6-38de-a9c4-6efe5dc574be`}],"
      "`name`:[{`family`:`Lee`,`given`:[`Ann`,null]}],`gender`:`female`,`birthDate`:`1970-01-02`,"
      "`generalPractitioner`:[{`reference`:`Practitioner/no`,`display`:`Dr. Who`}],"
      "`contained`:[{`resourceType`:`Organization`,`name`:`Ward`}]}";
  assert_string_equal(join(words_of(json, TEXT_NARRATIVE)), "hello world x");
  assert_string_equal(join(words_of(json, TEXT_CONTENT)),
                      "generated | hello world x | m 17 | lee | ann | female | dr who | ward");
}

static bool matches(const char *text, const char *query_text) {
  struct text_words words;
  const struct text_query *query;
  struct err err;
  assert_int_equal(text_words_of_string(test_arena, str_of(text), &words, &err), 0);
  if (text_query_parse(test_arena, str_of(query_text), &query, &err))
    fail_msg("%s: %s", query_text, err.text);
  return text_query_matches(query, words);
}

static void query_joins_words(void **state) {
  (void)state;
  const char *text = "acute myocardial infarction of the inferior wall";
  assert_true(matches(text, "ACUTE"));
  assert_true(matches(text, "wall acute"));
  assert_true(matches(text, "wall AND acute"));
  assert_false(matches(text, "wall chronic"));
  assert_true(matches(text, "chronic OR wall"));
  assert_true(matches(text, "chronic OR acute wall"));
  assert_false(matches(text, "chronic OR acute roof"));
  assert_true(matches(text, "(chronic OR acute) wall"));
  assert_true(matches(text, "acute -chronic"));
  assert_false(matches(text, "acute NOT wall"));
  assert_true(matches(text, "NOT (roof OR chronic)"));
  assert_true(matches(text, "NOT NOT acute"));
  assert_true(matches(text, "\"myocardial infarction\""));
  assert_false(matches(text, "\"infarction myocardial\""));
  assert_true(matches(text, "myocardial-infarction"));
  assert_true(matches(text, "myo*"));
  assert_true(matches(text, "acute-myo*"));
  assert_false(matches(text, "cardial*"));
  assert_true(matches("lower case or word", "or"));
}

static int parse(const char *text, struct err *err) {
  const struct text_query *query;
  return text_query_parse(test_arena, str_of(text), &query, err);
}

static void query_that_is_wrong_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "",    " ",   "(",     ")",    "a)",  "(a",   "\"a",       "\"\"", "*",          "-",
      "!!!", "AND", "a AND", "OR a", "NOT", "a OR", "a OR OR b", "()",   "a AND OR b", "\"!!\""};
  struct err err;
  for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
    if (parse(wrong[i], &err) != ERR_VALUE)
      fail_msg("'%s' was not refused", wrong[i]);
  char deep[4000];
  memset(deep, '(', sizeof deep - 1);
  deep[sizeof deep - 1] = '\0';
  assert_int_equal(parse(deep, &err), ERR_TOO_COSTLY);
  memset(deep, '-', sizeof deep - 1);
  assert_int_equal(parse(deep, &err), ERR_TOO_COSTLY);
  for (size_t i = 0; i + 2 < sizeof deep; i += 2)
    memcpy(deep + i, "a ", 2);
  assert_int_equal(parse(deep, &err), ERR_TOO_COSTLY);
}

static void phrase_does_not_go_across_elements(void **state) {
  (void)state;
  struct text_words words = words_of(
      "{`resourceType`:`Patient`,`name`:[{`family`:`Lee`,`given`:[`Ann May`]}]}", TEXT_CONTENT);
  const struct text_query *query;
  struct err err;
  assert_int_equal(text_query_parse(test_arena, STR("\"ann may\""), &query, &err), 0);
  assert_true(text_query_matches(query, words));
  assert_int_equal(text_query_parse(test_arena, STR("\"lee ann\""), &query, &err), 0);
  assert_false(text_query_matches(query, words));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(text_is_split_into_folded_words),
      TEST(text_of_a_resource_is_what_people_read),
      TEST(query_joins_words),
      TEST(query_that_is_wrong_is_refused),
      TEST(phrase_does_not_go_across_elements),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
