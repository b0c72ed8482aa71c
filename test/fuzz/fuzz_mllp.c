/* Any bytes in pieces of any size: the frames do not depend on the pieces. */
#include "fuzz.h"

#include "format/mllp.h"

#define MAX_BYTES 64

/* All frames of `text`, each followed by '/'. */
static struct str frames_of(struct arena *arena, struct str text, size_t piece) {
  struct mllp_parser parser;
  struct buf frames;
  buf_init_arena(&frames, arena, SIZE_MAX);
  mllp_init(&parser, MAX_BYTES);
  for (size_t at = 0; at < text.n; at += piece) {
    struct str input = str_slice(text, at, piece), content;
    struct err err;
    for (int got; (got = mllp_feed(&parser, &input, &content, &err)) != 0;) {
      FUZZ_CHECK(got == 1 || got == ERR_TOO_LONG);
      FUZZ_CHECK(got == 1 ? content.n <= MAX_BYTES : content.n == MAX_BYTES);
      buf_add(&frames, content);
      buf_add_char(&frames, '/');
    }
    FUZZ_CHECK(input.n == 0);
  }
  FUZZ_CHECK(parser.junk_bytes <= text.n);
  mllp_fini(&parser);
  return buf_str(&frames);
}

static void one(struct arena *arena, struct str input) {
  size_t piece = input.n ? (size_t)(unsigned char)input.p[0] % 7 + 1 : 1;
  struct str whole = frames_of(arena, input, input.n), pieces = frames_of(arena, input, piece);
  FUZZ_CHECK(str_equal(whole, pieces));
}

FUZZ_TARGET(one, (size_t)16 << 20)
FUZZ_SEEDS(
    STR("\x0BMSH|\x1C\r"), STR("\x0BMSH1\x0BMSH2\x1C\x0B\x1C\rjunk\x0Bx"),
    STR("\x0B"
        "0123456789012345678901234567890123456789012345678901234567890123456789\x1C\r\x0By\x1C"))
