#include "model/text.h"

#include <utf8proc.h>

#define DEPTH_MAX 110       /* what the JSON parser lets through, and its own root */
#define DECOMPOSED_MAX 32   /* the longest decomposition of one code point has 18 */
#define ENTITY_MAX_BYTES 12 /* "&#x0010FFFF;" */

struct splitter {
  struct arena *arena;
  VEC(struct str) words;
  char word[TEXT_WORD_MAX_BYTES];
  size_t n;
  bool is_cut; /* the word at hand goes on, but is long enough */
  bool is_out_of_memory;
};

/* ---- Words ---- */

static void add_word(struct splitter *s, struct str word) {
  struct str *place = VEC_PUSH(s->arena, &s->words);
  if (place)
    *place = word;
  else
    s->is_out_of_memory = true;
}

static void end_word(struct splitter *s) {
  if (s->n > 0) {
    struct str word = arena_str(s->arena, str_n(s->word, s->n));
    s->is_out_of_memory |= !word.p;
    if (word.p)
      add_word(s, word);
  }
  s->n = 0;
  s->is_cut = false;
}

static void add_gap(struct splitter *s) {
  end_word(s);
  if (s->words.n > 0 && s->words.p[s->words.n - 1].n > 0)
    add_word(s, STR(""));
}

static void add_bytes(struct splitter *s, const char *bytes, size_t n) {
  s->is_cut |= s->n + n > sizeof s->word;
  if (s->is_cut)
    return;
  memcpy(s->word + s->n, bytes, n);
  s->n += n;
}

/* Scripts without spaces between words, each of whose characters stands for itself. */
static bool stands_alone(utf8proc_int32_t c) {
  static const struct {
    utf8proc_int32_t from, to;
  } ranges[] = {
      {0x0e00, 0x0eff},   /* Thai, Lao */
      {0x1000, 0x109f},   /* Myanmar */
      {0x1780, 0x17ff},   /* Khmer */
      {0x3040, 0x309f},   /* Hiragana */
      {0x3400, 0x4dbf},   /* Han, extension A */
      {0x4e00, 0x9fff},   /* Han */
      {0xf900, 0xfaff},   /* Han, compatibility */
      {0x20000, 0x3ffff}, /* Han, further extensions */
  };
  for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
    if (c >= ranges[i].from && c <= ranges[i].to)
      return true;
  return false;
}

static void add_folded(struct splitter *s, utf8proc_int32_t c) {
  utf8proc_uint8_t bytes[4];
  switch (utf8proc_category(c)) {
  case UTF8PROC_CATEGORY_MN: /* a mark goes with its letter, and is dropped */
  case UTF8PROC_CATEGORY_ME:
  case UTF8PROC_CATEGORY_MC:
  case UTF8PROC_CATEGORY_CF:
    return;
  case UTF8PROC_CATEGORY_LU:
  case UTF8PROC_CATEGORY_LL:
  case UTF8PROC_CATEGORY_LT:
  case UTF8PROC_CATEGORY_LM:
  case UTF8PROC_CATEGORY_LO:
  case UTF8PROC_CATEGORY_ND:
  case UTF8PROC_CATEGORY_NL:
  case UTF8PROC_CATEGORY_NO:
    break;
  default:
    end_word(s);
    return;
  }
  bool alone = stands_alone(c);
  if (alone)
    end_word(s);
  utf8proc_ssize_t n = utf8proc_encode_char(c, bytes);
  add_bytes(s, (const char *)bytes, n > 0 ? (size_t)n : 0);
  if (alone)
    end_word(s);
}

static void add_code_point(struct splitter *s, utf8proc_int32_t c) {
  utf8proc_int32_t parts[DECOMPOSED_MAX];
  int boundary = 0;
  utf8proc_ssize_t n =
      utf8proc_decompose_char(c, parts, DECOMPOSED_MAX,
                              UTF8PROC_COMPAT | UTF8PROC_DECOMPOSE | UTF8PROC_CASEFOLD, &boundary);
  for (utf8proc_ssize_t i = 0; i < n && i < DECOMPOSED_MAX; i++)
    add_folded(s, parts[i]);
}

static void add_ascii(struct splitter *s, char c) {
  char lower = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
  if ((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9'))
    add_bytes(s, &lower, 1);
  else
    end_word(s);
}

/* Takes one character at `at`; returns how many bytes it has. */
static size_t add_character(struct splitter *s, struct str text, size_t at) {
  utf8proc_int32_t c;
  if ((unsigned char)text.p[at] < 0x80) {
    add_ascii(s, text.p[at]);
    return 1;
  }
  utf8proc_ssize_t used =
      utf8proc_iterate((const utf8proc_uint8_t *)text.p + at, (utf8proc_ssize_t)(text.n - at), &c);
  if (used <= 0) {
    end_word(s); /* not UTF-8 */
    return 1;
  }
  add_code_point(s, c);
  return (size_t)used;
}

static void add_text(struct splitter *s, struct str text) {
  add_gap(s);
  for (size_t i = 0; i < text.n;)
    i += add_character(s, text, i);
  end_word(s);
}

/* ---- Narrative ---- */

/* Elements that stand inside a word as well as around one. */
static bool is_inline(struct str tag) {
  static const char *const names[] = {"a",     "b",    "big",    "em",  "font", "i",  "s",
                                      "small", "span", "strong", "sub", "sup",  "tt", "u"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (str_is(tag, names[i]))
      return true;
  return false;
}

/* A tag or comment that begins at `at`; returns where it ends. */
static size_t skip_tag(struct splitter *s, struct str html, size_t at) {
  if (str_starts_with(str_slice(html, at, html.n), STR("<!--"))) {
    ssize_t end = str_find(str_slice(html, at, html.n), STR("-->"));
    return end < 0 ? html.n : at + (size_t)end + 3;
  }
  size_t name = at + 1 + (at + 1 < html.n && html.p[at + 1] == '/'), end = name;
  while (end < html.n &&
         ((html.p[end] >= 'a' && html.p[end] <= 'z') || (html.p[end] >= '0' && html.p[end] <= '9')))
    end++;
  if (!is_inline(str_slice(html, name, end - name)))
    end_word(s);
  for (char quote = 0; end < html.n; end++) { /* a '>' in an attribute's value does not end it */
    char c = html.p[end];
    if (quote == 0 && c == '>')
      return end + 1;
    if (quote == 0 && (c == '"' || c == '\''))
      quote = c;
    else if (c == quote)
      quote = 0;
  }
  return html.n;
}

static bool read_number_entity(struct str name, utf8proc_int32_t *ret_code_point) {
  bool is_hex = name.n > 1 && (name.p[1] == 'x' || name.p[1] == 'X');
  uint32_t code_point = 0;
  for (size_t i = is_hex ? 2 : 1; i < name.n; i++) {
    int digit = str_hex_digit(name.p[i]), base = is_hex ? 16 : 10;
    if (digit < 0 || digit >= base || code_point > 0x10ffff)
      return false;
    code_point = code_point * (uint32_t)base + (uint32_t)digit;
  }
  *ret_code_point = (utf8proc_int32_t)code_point;
  return code_point > 0 && code_point <= 0x10ffff && utf8proc_codepoint_valid(*ret_code_point);
}

/* A character by its number belongs to the word; any other entity (&amp; &nbsp; ...) ends it. */
static size_t add_entity(struct splitter *s, struct str html, size_t at) {
  ssize_t end = str_find_char(str_slice(html, at, ENTITY_MAX_BYTES), ';', 0);
  utf8proc_int32_t c;
  if (end < 0) {
    end_word(s);
    return at + 1;
  }
  struct str name = str_slice(html, at + 1, (size_t)end - 1);
  if (name.n > 1 && name.p[0] == '#' && read_number_entity(name, &c))
    add_code_point(s, c);
  else
    end_word(s);
  return at + (size_t)end + 1;
}

static void add_html(struct splitter *s, struct str html) {
  add_gap(s);
  for (size_t i = 0; i < html.n;) {
    if (html.p[i] == '<')
      i = skip_tag(s, html, i);
    else if (html.p[i] == '&')
      i = add_entity(s, html, i);
    else
      i += add_character(s, html, i);
  }
  end_word(s);
}

/* ---- The resource ---- */

static bool is_uuid(struct str s) {
  if (s.n != 36)
    return false;
  for (size_t i = 0; i < s.n; i++) {
    char c = s.p[i];
    bool is_hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (is_dash ? c != '-' : !is_hex)
      return false;
  }
  return true;
}

/* Names that machines gave; each would be five words that no other resource has. */
static bool is_machine_name(struct str s) {
  return is_uuid(s) || str_starts_with(s, STR("urn:")) || str_starts_with(s, STR("http://")) ||
         str_starts_with(s, STR("https://"));
}

static void add_value(struct splitter *s, defs_type_id type, const struct yyjson_val *value,
                      unsigned depth);

static void add_members(struct splitter *s, defs_type_id type, const struct yyjson_val *object,
                        unsigned depth) {
  bool is_reference = defs_type(type)->builtin == DEFS_REFERENCE;
  struct json_each each = json_each(object);
  while (json_next(&each)) {
    const struct defs_property *property = defs_property(type, each.name);
    if (!property || (is_reference && str_is(each.name, "reference")))
      continue; /* resourceType, _birthDate, what is not defined; where a reference leads */
    if (json_kind(each.value) != JSON_ARRAY) {
      add_value(s, property->type, each.value, depth);
      continue;
    }
    struct json_each items = json_each(each.value);
    while (json_next(&items))
      add_value(s, property->type, items.value, depth);
  }
}

static void add_value(struct splitter *s, defs_type_id type, const struct yyjson_val *value,
                      unsigned depth) {
  if (json_kind(value) == JSON_OBJECT && depth < DEPTH_MAX) {
    defs_type_id resource = defs_type_by_name(json_get_text(value, STR("resourceType")));
    add_members(s, resource ? resource : type, value, depth + 1);
    return;
  }
  if (json_kind(value) != JSON_STRING)
    return;
  enum defs_builtin builtin = defs_type(type)->builtin;
  if (builtin == DEFS_XHTML)
    add_html(s, json_text(value));
  else if (is_machine_name(json_text(value)))
    return;
  else if (builtin == DEFS_STRING || builtin == DEFS_MARKDOWN || builtin == DEFS_CODE)
    add_text(s, json_text(value));
}

static int finish(struct splitter *s, struct text_words *ret_words, struct err *reterr) {
  if (s->is_out_of_memory)
    return err_no_memory(reterr);
  *ret_words = (struct text_words){s->words.p, s->words.n};
  return 0;
}

int text_words_of_resource(struct arena *arena, const struct yyjson_val *resource,
                           enum text_part part, struct text_words *ret_words, struct err *reterr) {
  struct splitter s = {.arena = arena};
  if (part == TEXT_NARRATIVE)
    add_html(&s, json_get_text(json_get(resource, STR("text")), STR("div")));
  else
    add_value(&s, 0, resource, 0);
  return finish(&s, ret_words, reterr);
}

int text_words_of_string(struct arena *arena, struct str text, struct text_words *ret_words,
                         struct err *reterr) {
  struct splitter s = {.arena = arena};
  add_text(&s, text);
  return finish(&s, ret_words, reterr);
}
