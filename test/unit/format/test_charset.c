#include "../test.h"

#include "format/charset.h"

#define HEADER(charset) "MSH|^~\\&|A|B|C|D|1||ADT^A01|1|P|2.5||||||" charset "|\rPID|"

struct fact {
  struct str bytes;
  const char *text, *name;
  bool assumed;
};

static const struct fact facts[] = {
    {STR("MSH|^~\\&\r\xC3\xA9"), "MSH|^~\\&\r\xC3\xA9", "UTF-8", true},
    {STR("MSH|^~\\&\r\xE9\x80\xFF"), "MSH|^~\\&\r\xC3\xA9\xE2\x82\xAC\xC3\xBF", "WINDOWS-1252",
     true},
    {STR("\xEF\xBB\xBF"
         "MSH|\xC3\xA9"),
     "MSH|\xC3\xA9", "UTF-8", false},
    /* a BOM wins over MSH-18 */
    {STR("\xEF\xBB\xBF" HEADER("8859/1") "\xC3\xA9"), HEADER("8859/1") "\xC3\xA9", "UTF-8", false},
    {STR(HEADER("UNICODE UTF-8") "\xC3\xA9"), HEADER("UNICODE UTF-8") "\xC3\xA9", "UTF-8", false},
    {STR(HEADER("utf8") "x"), HEADER("utf8") "x", "UTF-8", false},
    {STR(HEADER("ASCII") "x"), HEADER("ASCII") "x", "ASCII", false},
    {STR(HEADER("ASCII") "\xFC"), HEADER("ASCII") "\xC3\xBC", "WINDOWS-1252", true},
    {STR(HEADER("8859/1") "\xFC\xDF"), HEADER("8859/1") "\xC3\xBC\xC3\x9F", "ISO-8859-1", false},
    {STR(HEADER("ISO-8859-1") "\xFC"), HEADER("ISO-8859-1") "\xC3\xBC", "ISO-8859-1", false},
    {STR(HEADER("ISO_IR 100") "\xFC"), HEADER("ISO_IR 100") "\xC3\xBC", "ISO-8859-1", false},
    {STR(HEADER("8859/2") "\xB1"), HEADER("8859/2") "\xC4\x85", "ISO-8859-2", false},
    {STR(HEADER("8859/15") "\xA4"), HEADER("8859/15") "\xE2\x82\xAC", "ISO-8859-15", false},
    {STR(HEADER("8859/5") "\xD0"), HEADER("8859/5") "\xD0\xB0", "ISO-8859-5", false},
    {STR(HEADER("Windows-1252") "\x93"), HEADER("Windows-1252") "\xE2\x80\x9C", "WINDOWS-1252",
     false},
    {STR(HEADER("CP1251") "\xC0"), HEADER("CP1251") "\xD0\x90", "CP1251", false},
    {STR(HEADER("~ISO IR87") "\x1B$B;3ED\x1B(B"), HEADER("~ISO IR87") "\xE5\xB1\xB1\xE7\x94\xB0",
     "ISO-2022-JP-3", false},
    {STR(HEADER("GB 18030-2000") "\xD6\xD0"), HEADER("GB 18030-2000") "\xE4\xB8\xAD", "GB18030",
     false},
    {STR(HEADER("KS X 1001") "\xB0\xA1"), HEADER("KS X 1001") "\xEA\xB0\x80", "EUC-KR", false},
    {STR("\xFF\xFEM\0S\0H\0|\0\xAC\x20"), "MSH|\xE2\x82\xAC", "UTF-16LE", false},
    {STR("\xFE\xFF\0M\0S\0H\0|\x20\xAC"), "MSH|\xE2\x82\xAC", "UTF-16BE", false},
    {STR("M\0S\0H\0|\0\xAC\x20"), "MSH|\xE2\x82\xAC", "UTF-16LE", false},
    {STR("\0M\0S\0H\0|\x20\xAC"), "MSH|\xE2\x82\xAC", "UTF-16BE", false},
    /* the header says UTF-16, the bytes say that it isn't */
    {STR(HEADER("UNICODE UTF-16") "\xC3\xA9"), HEADER("UNICODE UTF-16") "\xC3\xA9", "UTF-8", true},
    {STR(""), "", "UTF-8", true},
    {STR("not a message \xE9"), "not a message \xC3\xA9", "WINDOWS-1252", true},
};

static void charset_follows_bom_then_header_then_bytes(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
    struct charset_result result;
    struct err err = {0};
    if (charset_to_utf8(test_arena, facts[i].bytes, &result, &err) < 0)
      fail_msg("fact %zu: %s", i, err.text);
    assert_str(result.text, facts[i].text);
    assert_string_equal(result.name, facts[i].name);
    assert_int_equal(result.assumed, facts[i].assumed);
  }
}

static void charset_refuses_what_it_cannot_hold(void **state) {
  (void)state;
  static const struct str refused[] = {
      STR(HEADER("EBCDIC") "x"),
      STR(HEADER("8859/12") "x"),
      STR(HEADER("8859/99") "x"),
      STR(HEADER("UNICODE UTF-8") "\xE9"),
      STR("\xEF\xBB\xBF"
          "MSH|\xFF"),
      STR(HEADER("GB 18030") "\xFF\xFF"),
      STR("\xFF\xFEM\0S\0H\0|\0\0\xD8"),
      STR(HEADER("a\xC3\xA9") "x"),
      STR(HEADER("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA") "x"),
  };
  for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
    struct charset_result result;
    struct err err = {0};
    assert_int_equal(charset_to_utf8(test_arena, refused[i], &result, &err), ERR_VALUE);
    assert_string_equal(err.where, "MSH-18");
  }
}

static void charset_borrows_utf8(void **state) {
  (void)state;
  struct str bytes = STR("\xEF\xBB\xBF"
                         "MSH|\xC3\xA9");
  struct charset_result result;
  assert_int_equal(charset_to_utf8(test_arena, bytes, &result, NULL), 0);
  assert_ptr_equal(result.text.p, bytes.p + 3);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(charset_follows_bom_then_header_then_bytes),
      TEST(charset_refuses_what_it_cannot_hold),
      TEST(charset_borrows_utf8),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
