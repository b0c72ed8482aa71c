/* Any bytes -> character set -> ER7 -> every place, escapes, batches, an ACK. */
#include "fuzz.h"

#include "format/ack.h"
#include "format/charset.h"
#include "format/er7.h"

static bool is_inside(struct str part, struct str whole) {
  return part.n == 0 || (part.p >= whole.p && part.p + part.n <= whole.p + whole.n);
}

/* Joining the repetitions with their delimiter gives the field again, and so on downwards. */
static void check_field(struct arena *arena, const struct er7_message *m, uint32_t segment,
                        uint16_t field) {
  struct er7_place place = {segment, field, 0, 0, 0};
  struct str whole = er7_raw(m, place);
  FUZZ_CHECK(is_inside(whole, m->text));
  unsigned repetitions = er7_repetitions(m, segment, field);
  FUZZ_CHECK((repetitions == 0) == (whole.n == 0));
  size_t bytes = 0;
  for (unsigned r = 1; r <= repetitions && r < 1000; r++) {
    place.repetition = (uint16_t)r;
    place.component = place.subcomponent = 0;
    bytes += er7_raw(m, place).n + (r > 1);
    unsigned components = er7_components(m, place);
    for (unsigned c = 1; c <= components && c < 50; c++) {
      place.component = (uint16_t)c;
      place.subcomponent = 0;
      unsigned subcomponents = er7_subcomponents(m, place);
      for (unsigned s = 1; s <= subcomponents && s < 20; s++) {
        place.subcomponent = (uint16_t)s;
        struct str raw = er7_raw(m, place);
        FUZZ_CHECK(is_inside(raw, whole));
        struct str text = er7_text(arena, m, place);
        FUZZ_CHECK(arena_is_exhausted(arena) || str_is_utf8(text) || !str_is_utf8(raw));
      }
    }
  }
  FUZZ_CHECK(repetitions >= 1000 || bytes == whole.n);
}

static void check_escape(struct arena *arena, const struct er7_message *m, struct str text) {
  struct buf escaped;
  buf_init_arena(&escaped, arena, SIZE_MAX);
  er7_escape(&escaped, &m->delimiters, text);
  for (size_t i = 0; i < escaped.n; i++) {
    char c = escaped.p[i];
    FUZZ_CHECK(c != m->delimiters.field && c != m->delimiters.component && c != '\r' && c != '\n');
  }
  if (!m->delimiters.escape || memchr(text.p, '\r', text.n) || arena_is_exhausted(arena))
    return;
  struct str back = er7_unescape(arena, m, buf_str(&escaped));
  FUZZ_CHECK(arena_is_exhausted(arena) || str_equal(back, text));
}

static void check_ack(struct arena *arena, const struct er7_message *m, const struct err *err) {
  struct buf ack;
  struct er7_message parsed;
  buf_init_arena(&ack, arena, SIZE_MAX);
  ack_write(&ack, m, ACK_ERROR, err, 1, STR("1"), 0);
  struct err problem;
  FUZZ_CHECK(buf_is_overflown(&ack) ||
             er7_parse(arena, buf_str(&ack), NULL, &parsed, &problem) == 0 ||
             problem.code != ERR_STRUCTURE);
}

static void one(struct arena *arena, struct str input) {
  struct charset_result decoded;
  struct err err;
  struct er7_message m;
  const struct str *messages;
  size_t n;
  if (er7_split_batch(arena, input, &messages, &n, &err) == 0)
    for (size_t i = 0; i < n; i++)
      FUZZ_CHECK(is_inside(messages[i], input) && messages[i].n > 0);
  if (charset_to_utf8(arena, input, &decoded, &err) < 0 ||
      er7_parse(arena, decoded.text, NULL, &m, &err) < 0) {
    check_ack(arena, NULL, &err);
    return;
  }
  FUZZ_CHECK(m.segments_n > 0);
  for (uint32_t s = 0; s < m.segments_n; s++) {
    FUZZ_CHECK(m.segments[s].name.n == 3 && is_inside(m.segments[s].text, m.text));
    for (uint32_t f = 1; f <= m.segments[s].fields_n; f++)
      check_field(arena, &m, s, (uint16_t)f);
  }
  struct buf written;
  buf_init_arena(&written, arena, SIZE_MAX);
  er7_write(&written, &m);
  FUZZ_CHECK(buf_is_overflown(&written) || str_equal(buf_str(&written), decoded.text));
  if (!memchr(m.text.p, '\n', m.text.n))
    check_escape(arena, &m, m.segments[m.segments_n - 1].text);
  err_set(&err, ERR_VALUE, "PID-3(2).4", "x|y");
  check_ack(arena, &m, &err);
}

FUZZ_TARGET(one, (size_t)64 << 20)
FUZZ_SEEDS(
    STR("MSH|^~\\&|A|B|C|D|1||ADT^A01^ADT_A01|7|P|2.5.1||||||8859/1~ISO IR87\rPID|1||a^b&c~d\r"),
    STR("MSH|^~\\&#|A\r\nOBX|1|TX|||x\\F\\\\X41\\\\.br\\\\M2442\\;3\\C2D41\\y\nline||||F\r\nZZZ"),
    STR("FHS|^~\\&\rBHS|^~\\&\rMSH*!@%$*1\rPID*a!b@c\rBTS\rMSH|^~\\&|2\rFTS\r"),
    STR("\xFF\xFEM\0S\0H\0|\0^\0~\0\\\0&\0|\0"), STR("\xEF\xBB\xBFMSH|^~\\&|\"\"|\xC3\xA9"))
