#include "../test.h"

#include "format/mllp.h"

static struct mllp_parser parser;

/* Feeds `text` in pieces of `piece` bytes; the frames, each followed by '/', too long ones as "!".
 */
static struct str frames_of(struct str text, size_t piece, size_t max_bytes) {
  struct buf out;
  buf_init_arena(&out, test_arena, SIZE_MAX);
  mllp_init(&parser, max_bytes);
  for (size_t at = 0; at < text.n; at += piece) {
    struct str input = str_slice(text, at, piece), content;
    struct err err;
    int got;
    while ((got = mllp_feed(&parser, &input, &content, &err)) != 0) {
      buf_add(&out, got == 1 ? content : STR("!"));
      buf_add_char(&out, '/');
    }
    assert_int_equal(input.n, 0);
  }
  mllp_fini(&parser);
  return buf_str(&out);
}

static void mllp_finds_the_same_frames_in_pieces_of_any_size(void **state) {
  (void)state;
  static const struct {
    struct str text;
    const char *frames;
    unsigned junk;
  } cases[] = {
      {STR("\x0B"
           "one\x1C\r\x0B"
           "two\x1C\r"),
       "one/two/", 0},
      {STR("\x0B\x1C\r"), "/", 0},
      {STR("noise\x0B"
           "one\x1Cmore\x0B"
           "two\x1C\r\r\n"),
       "one/two/", 11},
      {STR("\x0B"
           "123456789012\x1C\r\x0B"
           "two\x1C\r"),
       "!/two/", 0},
      {STR("\x0B"
           "1234567890\x1C\r"),
       "1234567890/", 0},
      {STR("\x0B"
           "not ended"),
       "", 0},
      {STR("\x0BMSH1\x0BMSH2\x1C\r"), "MSH2/", 5},
      {STR("\x0BMSH1\x0Btab\x1C\r"), "MSH1\x0Btab/", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t piece = 1; piece <= cases[i].text.n; piece++) {
      assert_str(frames_of(cases[i].text, piece, 10), cases[i].frames);
      assert_int_equal(parser.junk_bytes, cases[i].junk);
    }
}

static void mllp_gives_the_first_bytes_of_a_frame_over_the_limit(void **state) {
  (void)state;
  mllp_init(&parser, 4);
  struct str input = STR("\x0B"
                         "123456\x1C\r\x0B"
                         "ok\x1C"),
             content;
  struct err err;
  assert_int_equal(mllp_feed(&parser, &input, &content, &err), ERR_TOO_LONG);
  assert_str(content, "1234");
  assert_int_equal(mllp_feed(&parser, &input, &content, &err), 1);
  assert_str(content, "ok");
  mllp_fini(&parser);
}

static void mllp_write_is_read_back(void **state) {
  (void)state;
  struct buf buf;
  buf_init_arena(&buf, test_arena, SIZE_MAX);
  mllp_write(&buf, STR("MSH|"));
  mllp_write(&buf, STR(""));
  assert_str(buf_str(&buf), "\x0BMSH|\x1C\r\x0B\x1C\r");
  assert_str(frames_of(buf_str(&buf), 3, 100), "MSH|//");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(mllp_finds_the_same_frames_in_pieces_of_any_size),
      TEST(mllp_gives_the_first_bytes_of_a_frame_over_the_limit),
      TEST(mllp_write_is_read_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
