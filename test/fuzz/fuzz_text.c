/*
 * A full-text query on the first line, a resource or plain text after it. Words are whole and
 * bounded; folding is a fixed point; a query says the opposite of its negation.
 */
#include "fuzz.h"

#include "model/text_query.h"

static void check_words(struct arena *arena, struct text_words words) {
  struct err err;
  for (size_t i = 0; i < words.n; i++) {
    struct text_words again;
    FUZZ_CHECK(words.p[i].n <= TEXT_WORD_MAX_BYTES);
    FUZZ_CHECK(str_is_utf8(words.p[i]));
    if (words.p[i].n > 0 && text_words_of_string(arena, words.p[i], &again, &err) == 0)
      FUZZ_CHECK(again.n == 1 && str_equal(again.p[0], words.p[i]));
  }
}

static void one(struct arena *arena, struct str input) {
  struct str rest = input, text = STR_NULL;
  struct err err;
  const struct yyjson_val *root;
  struct text_words words;
  const struct text_query *query;
  (void)str_split(&rest, '\n', &text);
  int code = json_parse(arena, rest, NULL, &root, &err) == 0
                 ? text_words_of_resource(arena, root, TEXT_CONTENT, &words, &err)
                 : text_words_of_string(arena, rest, &words, &err);
  if (code != 0)
    return;
  check_words(arena, words);
  if (text_query_parse(arena, text, &query, &err) != 0)
    return;
  struct text_query negation = {.kind = TEXT_QUERY_NOT, .first = query};
  FUZZ_CHECK(text_query_matches(query, words) != text_query_matches(&negation, words));
}

FUZZ_TARGET(one, (size_t)64 << 20)
FUZZ_SEEDS(
    STR("(acute OR \"chronic pain\") -x-ray myo*\nAcute M\xc3\xbcller x-ray \xe7\x97\x85 17"),
    STR("NOT (a AND b*)\n{\"resourceType\":\"Patient\",\"text\":{\"div\":\"<div>a&#98;<b>c</b>"
        "<!-- x --><p title='>'>d</p></div>\"},\"name\":[{\"family\":\"A\"}]}"))
