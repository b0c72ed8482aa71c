#include "format/charset.h"

#include <errno.h>
#include <iconv.h>

enum charset_kind { KIND_UTF8, KIND_ASCII, KIND_LATIN1, KIND_WINDOWS_1252, KIND_UTF16, KIND_ICONV };

/* What senders write in MSH-18: table 0211 of v2.8, the DICOM and IANA spellings of the same. Keys
 * are upper case without spaces and punctuation (see `normalize`). */
static const struct charset_name {
  const char *key;
  enum charset_kind kind;
  const char *name; /* also iconv's */
} charset_names[] = {
    {"", KIND_UTF8, "UTF-8"},
    {"UNICODEUTF8", KIND_UTF8, "UTF-8"},
    {"UTF8", KIND_UTF8, "UTF-8"},
    {"ISOIR192", KIND_UTF8, "UTF-8"},
    {"UNICODE", KIND_UTF8, "UTF-8"},
    {"ASCII", KIND_ASCII, "ASCII"},
    {"USASCII", KIND_ASCII, "ASCII"},
    {"ISOIR6", KIND_ASCII, "ASCII"},
    {"ISO2022IR6", KIND_ASCII, "ASCII"},
    {"UNICODEUTF16", KIND_UTF16, "UTF-16"},
    {"UTF16", KIND_UTF16, "UTF-16"},
    {"UNICODEUTF32", KIND_ICONV, "UTF-32"},
    {"UTF32", KIND_ICONV, "UTF-32"},
    {"88591", KIND_LATIN1, "ISO-8859-1"},
    {"ISO88591", KIND_LATIN1, "ISO-8859-1"},
    {"LATIN1", KIND_LATIN1, "ISO-8859-1"},
    {"ISOIR100", KIND_LATIN1, "ISO-8859-1"},
    {"ISO2022IR100", KIND_LATIN1, "ISO-8859-1"},
    {"WINDOWS1252", KIND_WINDOWS_1252, "WINDOWS-1252"},
    {"CP1252", KIND_WINDOWS_1252, "WINDOWS-1252"},
    {"WIN1252", KIND_WINDOWS_1252, "WINDOWS-1252"},
    {"1252", KIND_WINDOWS_1252, "WINDOWS-1252"},
    {"ANSI", KIND_WINDOWS_1252, "WINDOWS-1252"},
    {"ISOIR101", KIND_ICONV, "ISO-8859-2"},
    {"ISOIR109", KIND_ICONV, "ISO-8859-3"},
    {"ISOIR110", KIND_ICONV, "ISO-8859-4"},
    {"ISOIR144", KIND_ICONV, "ISO-8859-5"},
    {"ISOIR127", KIND_ICONV, "ISO-8859-6"},
    {"ISOIR126", KIND_ICONV, "ISO-8859-7"},
    {"ISOIR138", KIND_ICONV, "ISO-8859-8"},
    {"ISOIR148", KIND_ICONV, "ISO-8859-9"},
    {"ISOIR166", KIND_ICONV, "TIS-620"},
    {"ISOIR13", KIND_ICONV, "JIS_X0201"},
    {"ISOIR14", KIND_ICONV, "ISO-2022-JP-3"},
    {"ISOIR87", KIND_ICONV, "ISO-2022-JP-3"},
    {"ISOIR159", KIND_ICONV, "ISO-2022-JP-2"},
    {"ISO2022JP", KIND_ICONV, "ISO-2022-JP-3"},
    {"SHIFTJIS", KIND_ICONV, "CP932"},
    {"SJIS", KIND_ICONV, "CP932"},
    {"EUCJP", KIND_ICONV, "EUC-JP"},
    {"GB18030", KIND_ICONV, "GB18030"},
    {"GB180302000", KIND_ICONV, "GB18030"},
    {"GB2312", KIND_ICONV, "GB18030"},
    {"GBK", KIND_ICONV, "GB18030"},
    {"KSX1001", KIND_ICONV, "EUC-KR"},
    {"EUCKR", KIND_ICONV, "EUC-KR"},
    {"CNS116431992", KIND_ICONV, "EUC-TW"},
    {"BIG5", KIND_ICONV, "BIG5"},
    {"KOI8R", KIND_ICONV, "KOI8-R"},
};

/* Families that differ by a number: {prefix of the key, prefix of iconv's name, from, to}. */
static const struct charset_family {
  const char *key_prefix, *name_prefix;
  unsigned from, to;
} charset_families[] = {
    {"8859", "ISO-8859-", 2, 16},
    {"ISO8859", "ISO-8859-", 2, 16},
    {"WINDOWS", "CP", 1250, 1258},
    {"CP", "CP", 1250, 1258},
};

#define KEY_BYTES 24

/* Upper case letters and digits only; false when it can't be a name in the table. */
static bool normalize(struct str name, char ret_key[KEY_BYTES]) {
  size_t n = 0;
  for (size_t i = 0; i < name.n; i++) {
    char c = name.p[i];
    if (c >= 'a' && c <= 'z')
      c = (char)(c - 'a' + 'A');
    bool is_kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!is_kept && !strchr(" -_/.", c))
      return false;
    if (is_kept && n == KEY_BYTES - 1)
      return false;
    if (is_kept)
      ret_key[n++] = c;
  }
  ret_key[n] = '\0';
  return true;
}

static bool find_in_family(struct arena *arena, struct str key, struct charset_name *ret_found) {
  for (size_t i = 0; i < sizeof charset_families / sizeof *charset_families; i++) {
    const struct charset_family *family = &charset_families[i];
    struct str prefix = str_of(family->key_prefix);
    uint64_t number;
    if (!str_starts_with(key, prefix) || !str_to_u64(str_slice(key, prefix.n, key.n), &number) ||
        number < family->from || number > family->to)
      continue;
    struct str name = arena_printf(arena, "%s%u", family->name_prefix, (unsigned)number);
    *ret_found = (struct charset_name){NULL, KIND_ICONV, name.p};
    return name.p != NULL;
  }
  return false;
}

static int find_name(struct arena *arena, struct str name, struct charset_name *ret_found,
                     struct err *reterr) {
  char key[KEY_BYTES];
  if (normalize(name, key)) {
    for (size_t i = 0; i < sizeof charset_names / sizeof *charset_names; i++)
      if (strcmp(charset_names[i].key, key) == 0) {
        *ret_found = charset_names[i];
        return 0;
      }
    if (find_in_family(arena, str_of(key), ret_found))
      return 0;
  }
  return err_set(reterr, ERR_VALUE, "MSH-18", "The character set '%.*s' is not known.",
                 name.n > 40 ? 40 : STR_ARG(name));
}

static int cannot_hold(const char *name, size_t at, struct err *reterr) {
  return err_set(reterr, ERR_VALUE, "MSH-18", "Byte %zu of the message is not valid in %s.", at,
                 name);
}

/* One byte to one character */

/* Windows-1252, 0x80 to 0x9F; 0: not assigned. */
static const uint16_t windows_1252_high[32] = {
    0x20AC, 0,      0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017D, 0,      0,      0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0,      0x017E, 0x0178,
};

/* Senders of "8859/1" whose bytes are in 0x80..0x9F really send Windows-1252: C1 controls have no
 * place in a message. The five bytes that 1252 leaves free are kept as C1 controls, as in WHATWG's
 * encoding standard. */
static int decode_windows_1252(struct arena *arena, struct str bytes, struct str *ret_text,
                               struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, SIZE_MAX);
  for (size_t i = 0, run; i < bytes.n; i += run) {
    for (run = 0; i + run < bytes.n && (signed char)bytes.p[i + run] >= 0; run++)
      ;
    buf_add(&buf, str_slice(bytes, i, run));
    if (i + run == bytes.n)
      break;
    unsigned c = (unsigned char)bytes.p[i + run++];
    unsigned mapped = c < 0xA0 ? windows_1252_high[c - 0x80] : c;
    buf_add_code_point(&buf, mapped ? mapped : c);
  }
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_text = buf_str(&buf);
  return 0;
}

/* Everything else */

static int decode_iconv(struct arena *arena, const char *name, struct str bytes,
                        struct str *ret_text, struct err *reterr) {
  size_t room;
  if (__builtin_mul_overflow(bytes.n, (size_t)4, &room))
    return err_no_memory(reterr);
  iconv_t converter = iconv_open("UTF-8", name);
  if ((intptr_t)converter == -1)
    return err_set(reterr, ERR_VALUE, "MSH-18", "This machine can't convert from %s.", name);
  /* iconv's prototype wants its input writable, and leaves it alone. */
  char *in = arena_alloc(arena, bytes.n), *start = arena_alloc(arena, room), *out = start;
  if (!in || !start) {
    iconv_close(converter);
    return err_no_memory(reterr);
  }
  if (bytes.n)
    memcpy(in, bytes.p, bytes.n);
  size_t in_left = bytes.n, out_left = room;
  size_t converted = iconv(converter, &in, &in_left, &out, &out_left);
  if (converted != (size_t)-1)
    converted = iconv(converter, NULL, NULL, &out, &out_left);
  iconv_close(converter);
  if (converted == (size_t)-1)
    return cannot_hold(name, bytes.n - in_left, reterr);
  *ret_text = str_n(start, (size_t)(out - start));
  return 0;
}

static size_t first_high_byte(struct str bytes) {
  size_t i = 0;
  for (uint64_t word; bytes.n - i >= sizeof word; i += sizeof word) {
    memcpy(&word, bytes.p + i, sizeof word);
    if (word & 0x8080808080808080u)
      break;
  }
  while (i < bytes.n && (signed char)bytes.p[i] >= 0)
    i++;
  return i;
}

static int decode(struct arena *arena, const struct charset_name *name, struct str bytes,
                  struct str *ret_text, struct err *reterr) {
  switch (name->kind) {
  case KIND_UTF8:
    if (!str_is_utf8(bytes))
      return err_set(reterr, ERR_VALUE, "MSH-18", "The message is not valid UTF-8.");
    *ret_text = bytes;
    return 0;
  case KIND_ASCII:
    if (first_high_byte(bytes) < bytes.n)
      return cannot_hold(name->name, first_high_byte(bytes), reterr);
    *ret_text = bytes;
    return 0;
  case KIND_LATIN1:
  case KIND_WINDOWS_1252:
    return decode_windows_1252(arena, bytes, ret_text, reterr);
  case KIND_UTF16:
  case KIND_ICONV:
    break;
  }
  return decode_iconv(arena, name->name, bytes, ret_text, reterr);
}

int charset_decode(struct arena *arena, struct str name, struct str bytes, struct str *ret_text,
                   struct err *reterr) {
  struct charset_name found;
  int code = find_name(arena, name, &found, reterr);
  return code < 0 ? code : decode(arena, &found, bytes, ret_text, reterr);
}

/* Finding the set of a message */

/* Its n-th field (from 1) of the first segment, as raw bytes; MSH-1 is the separator. */
static struct str header_field(struct str bytes, unsigned n) {
  size_t start = 0;
  while (start < bytes.n && (bytes.p[start] == '\r' || bytes.p[start] == '\n'))
    start++;
  struct str line = str_slice(bytes, start, bytes.n);
  size_t end = 0;
  while (end < line.n && line.p[end] != '\r' && line.p[end] != '\n')
    end++;
  line.n = end;
  if (line.n < 4 || !str_starts_with(line, STR("MSH")))
    return STR_NULL;
  char separator = line.p[3];
  struct str field = STR_NULL;
  for (unsigned i = 0; i < n; i++)
    if (!str_split(&line, separator, &field))
      return STR_NULL;
  return field;
}

/* MSH-18 repeats where ISO 2022 escape sequences switch between sets: the set that can switch is
 * then the one to convert from. */
static struct str name_in_header(struct str bytes) {
  struct str field = header_field(bytes, 18), encoding = header_field(bytes, 2);
  struct str first = field, repetition;
  char separator = encoding.n > 1 ? encoding.p[1] : '~';
  for (unsigned i = 0; str_split(&field, separator, &repetition); i++) {
    if (i == 0)
      first = str_trim(repetition);
    if (str_find(repetition, STR("IR87")) >= 0 || str_find(repetition, STR("IR159")) >= 0)
      return str_trim(repetition);
  }
  return first;
}

struct bom {
  struct str bytes;
  const char *name;
};

static const char *find_bom(struct str bytes, size_t *ret_bom_bytes) {
  static const struct bom boms[] = {
      {{"\xEF\xBB\xBF", 3}, "UTF-8"}, {{"\xFF\xFE", 2}, "UTF-16LE"}, {{"\xFE\xFF", 2}, "UTF-16BE"}};
  for (size_t i = 0; i < sizeof boms / sizeof *boms; i++)
    if (str_starts_with(bytes, boms[i].bytes)) {
      *ret_bom_bytes = boms[i].bytes.n;
      return boms[i].name;
    }
  *ret_bom_bytes = 0;
  return NULL;
}

/* Without a BOM, an ASCII letter beside a zero byte tells. */
static const char *find_utf16(struct str bytes) {
  if (bytes.n < 4)
    return NULL;
  const char *p = bytes.p;
  if (p[0] && !p[1] && p[2] && !p[3])
    return "UTF-16LE";
  return !p[0] && p[1] && !p[2] && p[3] ? "UTF-16BE" : NULL;
}

/* A sender that says nothing, or something that can't be. */
static int assume(struct arena *arena, struct str bytes, struct charset_result *ret_result,
                  struct err *reterr) {
  struct charset_result result = {.text = bytes, .name = "UTF-8", .assumed = true};
  if (!str_is_utf8(bytes)) {
    result.name = "WINDOWS-1252";
    int code = decode_windows_1252(arena, bytes, &result.text, reterr);
    if (code < 0)
      return code;
  }
  *ret_result = result;
  return 0;
}

int charset_to_utf8(struct arena *arena, struct str bytes, struct charset_result *ret_result,
                    struct err *reterr) {
  size_t bom_bytes;
  const char *certain = find_bom(bytes, &bom_bytes);
  if (!certain)
    certain = find_utf16(bytes);
  struct charset_name name = {0};
  struct str rest = str_slice(bytes, bom_bytes, bytes.n);
  if (certain) {
    bool is_utf8 = strcmp(certain, "UTF-8") == 0;
    name = (struct charset_name){NULL, is_utf8 ? KIND_UTF8 : KIND_ICONV, certain};
  } else {
    struct str declared = name_in_header(bytes);
    int code = find_name(arena, declared, &name, reterr);
    if (code < 0)
      return code;
    bool is_ascii = name.kind == KIND_ASCII && first_high_byte(bytes) == bytes.n;
    /* UTF-16 in MSH-18 of a message that was read as single bytes can't be. */
    if (declared.n == 0 || name.kind == KIND_UTF16 || (name.kind == KIND_ASCII && !is_ascii))
      return assume(arena, bytes, ret_result, reterr);
  }
  struct charset_result result = {.name = name.name};
  int code = decode(arena, &name, rest, &result.text, reterr);
  if (code < 0)
    return code;
  *ret_result = result;
  return 0;
}

/* ISO 2022 designations in escape sequences */

struct charset_designation {
  const char *digits; /* of the sequence after \C or \M */
  const char *name;   /* iconv's */
  bool is_high;       /* the set stands in the bytes above 0x7F (G1), else it replaces ASCII (G0) */
};

static const struct charset_designation designations[] = {
    {"2842", "ASCII", false},         {"284A", "ISO-2022-JP-3", false},
    {"2849", "ISO-2022-JP-3", false}, {"2440", "ISO-2022-JP-3", false},
    {"2442", "ISO-2022-JP-3", false}, {"242844", "ISO-2022-JP-2", false},
    {"2441", "ISO-2022-JP-2", false}, {"242843", "ISO-2022-JP-2", false},
    {"2D41", "ISO-8859-1", true},     {"2D42", "ISO-8859-2", true},
    {"2D43", "ISO-8859-3", true},     {"2D44", "ISO-8859-4", true},
    {"2D4C", "ISO-8859-5", true},     {"2D47", "ISO-8859-6", true},
    {"2D46", "ISO-8859-7", true},     {"2D48", "ISO-8859-8", true},
    {"2D4D", "ISO-8859-9", true},     {"2D54", "TIS-620", true},
    {"2D62", "ISO-8859-15", true},    {"2949", "JIS_X0201", true},
};

const struct charset_designation *charset_find_designation(struct str digits) {
  for (size_t i = 0; i < sizeof designations / sizeof *designations; i++)
    if (str_equal_ignore_case(digits, str_of(designations[i].digits)))
      return &designations[i];
  return NULL;
}

/* Characters up to U+00FF as one byte each; false when there are others. */
static bool to_bytes(struct buf *bytes, struct str text) {
  for (size_t i = 0; i < text.n; i++) {
    unsigned char c = (unsigned char)text.p[i];
    if (c < 0x80) {
      buf_add_char(bytes, (char)c);
      continue;
    }
    if (c > 0xC3 || i + 1 == text.n)
      return false;
    buf_add_char(bytes, (char)((c & 3) << 6 | (text.p[++i] & 0x3F)));
  }
  return !buf_is_overflown(bytes);
}

static void add_designation(struct buf *bytes, const char *digits) {
  buf_add_char(bytes, '\x1B');
  for (const char *d = digits; d[0] && d[1]; d += 2) {
    int low = d[1] <= '9' ? d[1] - '0' : d[1] - 'A' + 10;
    buf_add_char(bytes, (char)((d[0] - '0') << 4 | low));
  }
}

int charset_decode_designated(struct arena *arena, const struct charset_designation *designation,
                              struct str text, struct str *ret_text, struct err *reterr) {
  struct buf bytes;
  buf_init_arena(&bytes, arena, SIZE_MAX);
  if (strcmp(designation->name, "ASCII") == 0) {
    *ret_text = text;
    return 0;
  }
  if (designation->is_high) {
    if (!to_bytes(&bytes, text))
      return err_set(reterr, ERR_VALUE, "", "The text is not in %s.", designation->name);
  } else {
    add_designation(&bytes, designation->digits);
    buf_add(&bytes, text);
    buf_add(&bytes, STR("\x1B(B"));
    if (buf_is_overflown(&bytes))
      return err_no_memory(reterr);
  }
  return decode_iconv(arena, designation->name, buf_str(&bytes), ret_text, reterr);
}
