#include "../test.h"

#include "base/clock.h"
#include "format/charset.h"
#include "format/er7.h"
#include "samples.h"

static struct samples samples;

static struct er7_message parse(struct str text) {
  struct er7_message message;
  struct err err = {0};
  if (er7_parse(test_arena, text, NULL, &message, &err) != 0)
    fail_msg("%s: %s", err.where, err.text);
  return message;
}

static int parse_code(struct str text, struct err *reterr) {
  struct er7_message message;
  return er7_parse(test_arena, text, NULL, &message, reterr);
}

/* "PID-3(2).4.1" of the first such segment. */
static struct er7_place place(const struct er7_message *message, const char *segment,
                              unsigned field, unsigned repetition, unsigned component,
                              unsigned subcomponent) {
  ssize_t at = er7_find(message, str_of(segment), 0);
  assert_true(at >= 0);
  return (struct er7_place){(uint32_t)at, (uint16_t)field, (uint16_t)repetition,
                            (uint16_t)component, (uint16_t)subcomponent};
}

#define RAW(message, ...) er7_raw(&(message), place(&(message), __VA_ARGS__))
#define TEXT(message, ...) er7_text(test_arena, &(message), place(&(message), __VA_ARGS__))

/* The index covers every byte: names and fields with separators between are the segment, and
 * between segments there is nothing but white space. */
static void assert_index_covers(const struct er7_message *message) {
  size_t at = 0;
  for (size_t i = 0; i < message->segments_n; i++) {
    const struct er7_segment *segment = &message->segments[i];
    size_t start = (size_t)(segment->text.p - message->text.p);
    for (; at < start; at++)
      assert_non_null(strchr(" \t\r\n", message->text.p[at]));
    const struct str *fields = message->fields_ + segment->first_field;
    const char *p = segment->text.p;
    for (uint32_t f = 0; f <= segment->fields_n; f++) {
      assert_ptr_equal(fields[f].p, p);
      p += fields[f].n;
      bool is_msh_1 = f == 1 && fields[1].n == 1 && fields[1].p == segment->text.p + 3;
      if (f < segment->fields_n && !is_msh_1 && fields[f + 1].p != p)
        assert_int_equal(*p++, message->delimiters.field);
    }
    assert_ptr_equal(p, segment->text.p + segment->text.n);
    at = start + segment->text.n;
  }
  for (; at < message->text.n; at++)
    assert_non_null(strchr(" \t\r\n", message->text.p[at]));
}

static void er7_writes_the_bytes_of_every_sample(void **state) {
  (void)state;
  if (samples_load(test_arena, &samples) == 0) {
    print_message("hl7v2-samples are absent\n");
    skip();
  }
  for (size_t i = 0; i < samples.n; i++) {
    struct charset_result decoded;
    struct err err;
    assert_int_equal(charset_to_utf8(test_arena, samples.texts[i], &decoded, &err), 0);
    struct er7_message message = parse(decoded.text);
    assert_index_covers(&message);
    struct buf buf;
    buf_init_arena(&buf, test_arena, SIZE_MAX);
    er7_write(&buf, &message);
    size_t bom_bytes = samples.texts[i].n - decoded.text.n;
    assert_true(bom_bytes == 0 || bom_bytes == 3);
    assert_int_equal(buf.n, decoded.text.n);
    assert_memory_equal(buf.p, samples.texts[i].p + bom_bytes, buf.n);
  }
  assert_true(samples.n >= 139);
}

static void er7_finds_places(void **state) {
  (void)state;
  struct er7_message m = parse(STR("MSH|^~\\&|HIS|A^1.2^ISO|||20240101||ADT^A01^ADT_A01|7|P|2.5.1\r"
                                   "PID|1||A&x^b~C^d&e&f^^z||Doe^Jo||\"\"\rOBX|1\rOBX|2||x\r"));
  assert_int_equal(m.segments_n, 4);
  assert_str(RAW(m, "MSH", 1, 0, 0, 0), "|");
  assert_str(RAW(m, "MSH", 2, 0, 0, 0), "^~\\&");
  assert_str(RAW(m, "MSH", 2, 1, 1, 1), "^~\\&");
  assert_str(RAW(m, "MSH", 2, 1, 2, 0), "");
  assert_str(RAW(m, "MSH", 3, 0, 0, 0), "HIS");
  assert_str(RAW(m, "MSH", 9, 0, 3, 0), "ADT_A01");
  assert_str(RAW(m, "MSH", 12, 1, 1, 1), "2.5.1");
  assert_str(RAW(m, "MSH", 13, 1, 1, 1), "");
  assert_str(RAW(m, "PID", 0, 0, 0, 0), "PID|1||A&x^b~C^d&e&f^^z||Doe^Jo||\"\"");
  assert_str(RAW(m, "PID", 3, 1, 0, 0), "A&x^b");
  assert_str(RAW(m, "PID", 3, 2, 0, 0), "C^d&e&f^^z");
  assert_str(RAW(m, "PID", 3, 3, 0, 0), "");
  assert_str(RAW(m, "PID", 3, 2, 2, 3), "f");
  assert_str(RAW(m, "PID", 3, 2, 2, 4), "");
  assert_str(RAW(m, "PID", 3, 0, 0, 2), "x");
  assert_str(RAW(m, "PID", 3, 2, 4, 0), "z");
  assert_str(RAW(m, "PID", 3, 2, 3, 1), "");
  assert_str(TEXT(m, "PID", 7, 0, 0, 0), "");
  assert_true(er7_is_null(RAW(m, "PID", 7, 0, 0, 0)));
  assert_int_equal(er7_repetitions(&m, 1, 3), 2);
  assert_int_equal(er7_repetitions(&m, 1, 2), 0);
  assert_int_equal(er7_repetitions(&m, 0, 2), 1);
  assert_int_equal(er7_repetitions(&m, 9, 9), 0);
  assert_int_equal(er7_components(&m, place(&m, "PID", 3, 2, 0, 0)), 4);
  assert_int_equal(er7_components(&m, place(&m, "PID", 3, 0, 0, 0)), 2);
  assert_int_equal(er7_subcomponents(&m, place(&m, "PID", 3, 2, 2, 0)), 3);
  assert_int_equal(er7_subcomponents(&m, place(&m, "MSH", 2, 1, 1, 0)), 1);
  assert_int_equal(er7_find(&m, STR("OBX"), 3), 3);
  assert_int_equal(er7_find(&m, STR("OBX"), 4), -1);
}

static void er7_takes_any_delimiters(void **state) {
  (void)state;
  struct er7_message m = parse(STR("MSH$%*!@#$HIS$$$$$$ACK$1$P$2.8\rPID$$$a%b@c*d$x!T!y!P!\r"));
  assert_str(RAW(m, "PID", 3, 1, 2, 2), "c");
  assert_str(RAW(m, "PID", 3, 2, 0, 0), "d");
  assert_str(TEXT(m, "PID", 4, 1, 1, 1), "x@y#");
  m = parse(STR("MSH|^|A\rPID|||a^b~c\\T\\\r"));
  assert_str(TEXT(m, "PID", 3, 1, 2, 1), "b~c\\T\\");
}

static void er7_takes_any_line_end(void **state) {
  (void)state;
  static const char *const texts[] = {"MSH|^~\\&|A\rPID|1|x\rZZ1|q",
                                      "MSH|^~\\&|A\nPID|1|x\nZZ1|q\n",
                                      "MSH|^~\\&|A\r\nPID|1|x\r\nZZ1|q\r\n",
                                      "\r\n MSH|^~\\&|A\r\r\n\n  PID|1|x\n \t\r\nZZ1|q\r\n  \r"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct er7_message m = parse(str_of(texts[i]));
    assert_int_equal(m.segments_n, 3);
    assert_index_covers(&m);
    assert_str(m.segments[2].name, "ZZ1");
    assert_str(RAW(m, "PID", 2, 0, 0, 0), "x");
    assert_str(RAW(m, "ZZ1", 1, 0, 0, 0), "q");
  }
}

/* Senders that do not escape line ends in a text: the fields after it keep their places. */
static void er7_keeps_line_ends_inside_a_field(void **state) {
  (void)state;
  struct er7_message m =
      parse(STR("MSH|^~\\&|A\rOBX|1|TX|||line one\nand two\r\nthe end||||||F\rNTE|1\rZAB\r"));
  assert_int_equal(m.segments_n, 4);
  assert_str(RAW(m, "OBX", 5, 0, 0, 0), "line one\nand two\r\nthe end");
  assert_str(RAW(m, "OBX", 11, 0, 0, 0), "F");
  assert_str(m.segments[3].name, "ZAB");
  assert_int_equal(m.segments[3].fields_n, 0);
  assert_index_covers(&m);
}

static void er7_unescapes(void **state) {
  (void)state;
  static const struct {
    const char *raw, *text;
  } cases[] = {
      {"a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\P\\", "a|b^c&d~e\\f#"},
      {"\\H\\bold\\N\\ x", "bold x"},
      {"a\\.br\\b\\.sp2\\c\\.sp\\d\\.ce\\e", "a\nb\n\nc\nd\ne"},
      {"\\.sp9999999\\", NULL},
      {"\\.in+4\\\\.ti-2\\\\.fi\\\\.nf\\x\\.sk3\\y", "x   y"},
      {"\\X48\\\\x49\\", "H\\x49\\"},
      {"\\X0D0A\\", "\r\n"},
      {"\\XC3\\\\XA9\\", "\xC3\xA9"},
      {"\\XE9\\", "\xC3\xA9"},
      {"\\X4\\ \\XZZ\\ \\X\\", "\\X4\\ \\XZZ\\ \\X\\"},
      {"\\Zsite\\ \\Q\\ \\.zz\\", "\\Zsite\\ \\Q\\ \\.zz\\"},
      {"open \\F", "open \\F"},
      {"\\\\", "\\\\"},
      {"C:\\dir\\file", "C:\\dir\\file"},
      {"\\M2442\\;3ED\\C2842\\ x", "\xE5\xB1\xB1\xE7\x94\xB0 x"},
      {"\\C2D46\\\xC3\xA1\\C2842\\!", "\xCE\xB1!"},
      {"plain", "plain"},
  };
  struct er7_message m = parse(STR("MSH|^~\\&#|A\r"));
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct str text = er7_unescape(test_arena, &m, str_of(cases[i].raw));
    if (cases[i].text)
      assert_str(text, cases[i].text);
    else
      assert_true(text.n <= 100);
  }
}

static void er7_escape_is_undone_by_unescape(void **state) {
  (void)state;
  struct er7_message m = parse(STR("MSH|^~\\&#|A\r"));
  static const char text[] = "a|b^c~d\\e&f#g\x0Bh\x1Ci \xC3\xA9\nz";
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1000);
  er7_escape(&buf, &m.delimiters, str_of(text));
  assert_str(buf_str(&buf),
             "a\\F\\b\\S\\c\\R\\d\\E\\e\\T\\f\\P\\g\\X0B\\h\\X1C\\i \xC3\xA9\\.br\\z");
  assert_str(er7_unescape(test_arena, &m, buf_str(&buf)), text);
}

static void er7_refuses_what_is_no_message(void **state) {
  (void)state;
  static const char *const texts[] = {"",          "   ",         "MSH",        "PID|1",
                                      "MSH|",      "MSH||A",      "MSHA^~\\&",  "MSH|^^\\&|",
                                      "MSH||~\\&", "MSH|^~\\&#!", "MSH|^ \\&|", "MSH|^~\\\\|",
                                      "MSH \r",    "MSH\r|^~",    "{\"a\":1}"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    struct err err = {0};
    assert_int_equal(parse_code(str_of(texts[i]), &err), ERR_STRUCTURE);
    assert_true(err.text[0] && err.where[0]);
  }
}

static void er7_holds_its_limits(void **state) {
  (void)state;
  struct er7_limits limits = {.max_bytes = 60, .max_segments = 3, .max_fields = 10};
  struct er7_message m;
  struct err err;
  char big[100] = "MSH|^~\\&|";
  memset(big + 9, 'x', sizeof big - 9);
  assert_int_equal(er7_parse(test_arena, str_n(big, 61), &limits, &m, &err), ERR_TOO_LONG);
  assert_int_equal(er7_parse(test_arena, str_n(big, 60), &limits, &m, &err), 0);
  assert_int_equal(er7_parse(test_arena, STR("MSH|^~\\&\rA01\rB01\rC01"), &limits, &m, &err),
                   ERR_TOO_LONG);
  assert_int_equal(er7_parse(test_arena, STR("MSH|^~\\&\rA01\rB01\r\r\r\r"), &limits, &m, &err), 0);
  assert_int_equal(er7_parse(test_arena, STR("MSH|^~\\&\rPID|||||||||||\r"), &limits, &m, &err),
                   ERR_TOO_LONG);
  assert_string_equal(err.where, "segment 2");
  assert_int_equal(er7_parse(test_arena, STR("MSH|^~\\&\rPID||||||||||\r"), &limits, &m, &err), 0);
  struct arena *small = arena_new(1000);
  struct buf many;
  buf_init_arena(&many, test_arena, 1 << 20);
  buf_add_z(&many, "MSH|^~\\&");
  for (int i = 0; i < 900; i++)
    buf_add_char(&many, '|');
  assert_int_equal(er7_parse(small, buf_str(&many), NULL, &m, &err), ERR_NO_MEMORY);
  arena_free(small);
}

static void er7_reads_the_header(void **state) {
  (void)state;
  struct er7_header header;
  struct er7_message m = parse(STR("MSH|^~\\&|LAB^1|F^2|HIS|G|20240102030405+0100||ORU^R01^ORU_R01|"
                                   "C7|P^T|2.5.1^DEU|||AL|NE||8859/1~ASCII\r"));
  er7_header(&m, &header);
  assert_str(header.sending_application, "LAB");
  assert_str(header.receiving_facility, "G");
  assert_str(header.type, "ORU");
  assert_str(header.event, "R01");
  assert_str(header.structure, "ORU_R01");
  assert_str(header.control_id, "C7");
  assert_str(header.version, "2.5.1");
  assert_str(header.accept_ack, "AL");
  assert_str(header.application_ack, "NE");
  assert_str(header.charset, "8859/1");
  m = parse(STR("MSH|^~\\&|HIS||||||ADT|1|P|2.1\rEVN|A04|2024\r"));
  er7_header(&m, &header);
  assert_str(header.event, "A04");
}

static void er7_writes_places(void **state) {
  (void)state;
  struct er7_message m = parse(STR("MSH|^~\\&|A\rPID|1\r"));
  static const struct {
    struct er7_place place;
    const char *text;
  } cases[] = {{{1, 3, 2, 4, 1}, "PID-3(2).4.1"},
               {{1, 3, 1, 4, 0}, "PID-3.4"},
               {{1, 7, 0, 0, 0}, "PID-7"},
               {{0, 9, 1, 1, 0}, "MSH-9.1"},
               {{1, 0, 0, 0, 0}, "PID"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct buf buf;
    buf_init_arena(&buf, test_arena, 100);
    er7_place_write(&buf, &m, cases[i].place);
    assert_str(buf_str(&buf), cases[i].text);
  }
}

static void er7_splits_batches(void **state) {
  (void)state;
  const struct str *messages;
  size_t n;
  struct err err;
  struct str text =
      STR("FHS|^~\\&|A\r\nBHS|^~\\&|A\rMSH|^~\\&|1\rPID|1\r\nMSH|^~\\&|2\r"
          "OBX|1|TX|||MSH is a word\rBTS|2\rBHS|^~\\&\rMSH*^~\\&*3\rBTS\rgarbage\rFTS|1\r");
  assert_int_equal(er7_split_batch(test_arena, text, &messages, &n, &err), 0);
  assert_int_equal(n, 4);
  assert_str(messages[0], "MSH|^~\\&|1\rPID|1\r\n");
  assert_str(messages[1], "MSH|^~\\&|2\rOBX|1|TX|||MSH is a word\r");
  assert_str(messages[2], "MSH*^~\\&*3\r");
  assert_str(messages[3], "garbage\r");
  assert_int_equal(er7_split_batch(test_arena, STR("MSH|^~\\&|1\rPID|1"), &messages, &n, &err), 0);
  assert_int_equal(n, 1);
  assert_int_equal(er7_split_batch(test_arena, STR("BHS|^~\\&\rBTS|0"), &messages, &n, &err), 0);
  assert_int_equal(n, 0);
}

/* At least 200,000 samples a second on a core of our own machines; asserted far lower, because a
 * test may run beside anything, under a sanitizer or valgrind. */
static void er7_parses_fast(void **state) {
  (void)state;
  if (samples_load(test_arena, &samples) == 0)
    skip();
  struct arena *arena = arena_new((size_t)64 << 20);
  int64_t start = clock_monotonic_us();
  size_t parsed = 0;
  while (clock_monotonic_us() - start < 200000)
    for (size_t i = 0; i < samples.n; i++, parsed++) {
      struct er7_message message;
      struct charset_result decoded;
      arena_reset(arena);
      assert_int_equal(charset_to_utf8(arena, samples.texts[i], &decoded, NULL), 0);
      assert_int_equal(er7_parse(arena, decoded.text, NULL, &message, NULL), 0);
    }
  double seconds = (double)(clock_monotonic_us() - start) / 1e6;
  print_message("%.0f messages/s with character set and whole field index\n",
                (double)parsed / seconds);
  assert_true((double)parsed / seconds > 2000);
  arena_free(arena);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(er7_writes_the_bytes_of_every_sample),
      TEST(er7_finds_places),
      TEST(er7_takes_any_delimiters),
      TEST(er7_takes_any_line_end),
      TEST(er7_keeps_line_ends_inside_a_field),
      TEST(er7_unescapes),
      TEST(er7_escape_is_undone_by_unescape),
      TEST(er7_refuses_what_is_no_message),
      TEST(er7_holds_its_limits),
      TEST(er7_reads_the_header),
      TEST(er7_writes_places),
      TEST(er7_splits_batches),
      TEST(er7_parses_fast),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
