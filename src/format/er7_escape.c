#include "format/charset.h"
#include "format/er7.h"

/*
 * Escape sequences, HL7 v2.8 section 2.7: between two escape characters stands what the table below
 * says. A sequence that is not in it (\Z..\ of a site, or a stray backslash) is kept as it is.
 */

struct unescape {
  const struct er7_message *message;
  struct buf out;
  struct arena *arena;
  /* The set that \C..\ or \M..\ switched to; NULL: the message's own. */
  const struct charset_designation *designation;
  size_t designated_from; /* in `out` */
};

/* Longer counts come from nobody and would let a short message grow a thousandfold. */
#define REPEAT_MAX 100

static void add_repeated(struct buf *out, char c, struct str count) {
  uint64_t n = 1;
  if (count.n && count.p[0] == '+')
    count = str_slice(count, 1, count.n);
  if (count.n && !str_to_u64(count, &n))
    n = 1;
  for (uint64_t i = 0; i < n && i < REPEAT_MAX; i++)
    buf_add_char(out, c);
}

/* \.br\ and its kin, 2.7.7. Returns false for an unknown one. */
static bool add_formatting(struct buf *out, struct str command) {
  struct str name = str_slice(command, 0, 3), rest = str_slice(command, 3, command.n);
  if (str_equal_ignore_case(name, STR(".br")) || str_equal_ignore_case(name, STR(".ce")))
    buf_add_char(out, '\n');
  else if (str_equal_ignore_case(name, STR(".sp")))
    add_repeated(out, '\n', rest);
  else if (str_equal_ignore_case(name, STR(".sk")))
    add_repeated(out, ' ', str_trim(rest));
  else
    return str_equal_ignore_case(name, STR(".in")) || str_equal_ignore_case(name, STR(".ti")) ||
           str_equal_ignore_case(name, STR(".fi")) || str_equal_ignore_case(name, STR(".nf"));
  return true;
}

static bool add_hex(struct buf *bytes, struct str digits) {
  if (digits.n == 0 || digits.n % 2)
    return false;
  for (size_t i = 0; i < digits.n; i++)
    if (str_hex_digit(digits.p[i]) < 0)
      return false;
  for (size_t i = 0; i < digits.n; i += 2)
    buf_add_char(bytes, (char)(str_hex_digit(digits.p[i]) << 4 | str_hex_digit(digits.p[i + 1])));
  return true;
}

/* What the message's character set makes of the bytes of \X..\. */
static void add_in_charset(struct unescape *u, struct str bytes) {
  struct er7_header header;
  er7_header(u->message, &header);
  struct str text;
  if (str_is_utf8(bytes))
    buf_add(&u->out, bytes);
  else if (charset_decode(u->arena, header.charset, bytes, &text, NULL) == 0 ||
           charset_decode(u->arena, STR("WINDOWS-1252"), bytes, &text, NULL) == 0)
    buf_add(&u->out, text);
}

/* The content of the sequence that starts at `raw[at]` (an escape character), without the escape
 * characters; NULL when it is never closed. */
static struct str sequence_at(struct str raw, size_t at, char escape) {
  ssize_t end = str_find_char(raw, escape, at + 1);
  return end < 0 ? STR_NULL : str_slice(raw, at + 1, (size_t)end - at - 1);
}

/* A run of \X..\ sequences is one run of bytes: a character may be spread over several. Returns the
 * bytes of `raw` used, 0 when the first one is not hexadecimal. */
static size_t add_hex_run(struct unescape *u, struct str raw, size_t at) {
  char escape = u->message->delimiters.escape;
  struct buf bytes;
  buf_init_arena(&bytes, u->arena, raw.n);
  size_t from = at;
  while (at < raw.n && raw.p[at] == escape) {
    struct str sequence = sequence_at(raw, at, escape);
    if (!str_starts_with(sequence, STR("X")) ||
        !add_hex(&bytes, str_slice(sequence, 1, sequence.n)))
      break;
    at += sequence.n + 2;
  }
  if (at > from)
    add_in_charset(u, buf_str(&bytes));
  return at - from;
}

/* Ends the stretch of text in a designated set: its bytes are replaced by what they mean. */
static void end_designation(struct unescape *u) {
  if (!u->designation)
    return;
  struct str bytes = str_slice(buf_str(&u->out), u->designated_from, u->out.n), text;
  if (charset_decode_designated(u->arena, u->designation, bytes, &text, NULL) == 0) {
    u->out.n = u->designated_from;
    buf_add(&u->out, text);
  }
  u->designation = NULL;
}

/* \Cxxyy\, \Mxxyyzz\: from here on another set, ISO 2022. */
static bool switch_charset(struct unescape *u, struct str sequence) {
  const struct charset_designation *designation =
      charset_find_designation(str_slice(sequence, 1, sequence.n));
  if (!designation)
    return false;
  end_designation(u);
  u->designation = designation;
  u->designated_from = u->out.n;
  return true;
}

/* The delimiter that a letter stands for, or '\0'. Where the sender has none, the usual one. */
static char delimiter_of(const struct er7_delimiters *d, char letter) {
  switch (letter) {
  case 'F':
    return d->field;
  case 'S':
    return d->component;
  case 'R':
    return d->repetition ? d->repetition : '~';
  case 'E':
    return d->escape;
  case 'T':
    return d->subcomponent ? d->subcomponent : '&';
  case 'P':
    return d->truncation ? d->truncation : '#';
  default:
    return '\0';
  }
}

/* Writes what a sequence (other than \X..\) means. Returns false for an unknown one. */
static bool add_sequence(struct unescape *u, struct str sequence) {
  char letter = sequence.p[0];
  if (sequence.n == 1) {
    char delimiter = delimiter_of(&u->message->delimiters, letter);
    if (delimiter)
      buf_add_char(&u->out, delimiter);
    return delimiter || letter == 'H' || letter == 'N';
  }
  if (letter == '.')
    return add_formatting(&u->out, sequence);
  return (letter == 'C' || letter == 'M') && switch_charset(u, sequence);
}

/* The sequence at `raw[at]`; returns the bytes of `raw` used. */
static size_t unescape_one(struct unescape *u, struct str raw, size_t at) {
  struct str sequence = sequence_at(raw, at, u->message->delimiters.escape);
  if (!sequence.p) {
    buf_add(&u->out, str_slice(raw, at, raw.n));
    return raw.n - at;
  }
  if (str_starts_with(sequence, STR("X"))) {
    size_t used = add_hex_run(u, raw, at);
    if (used)
      return used;
  } else if (sequence.n && add_sequence(u, sequence)) {
    return sequence.n + 2;
  }
  buf_add(&u->out, str_slice(raw, at, sequence.n + 2));
  return sequence.n + 2;
}

struct str er7_unescape(struct arena *arena, const struct er7_message *message, struct str raw) {
  char escape = message->delimiters.escape;
  if (escape == '\0' || str_find_char(raw, escape, 0) < 0)
    return raw;
  struct unescape u = {.message = message, .arena = arena};
  buf_init_arena(&u.out, arena, SIZE_MAX);
  for (size_t at = 0; at < raw.n;) {
    ssize_t next = str_find_char(raw, escape, at);
    size_t plain = (next < 0 ? raw.n : (size_t)next) - at;
    buf_add(&u.out, str_slice(raw, at, plain));
    at += plain;
    if (at < raw.n)
      at += unescape_one(&u, raw, at);
  }
  end_designation(&u);
  return buf_str(&u.out);
}

struct str er7_text(struct arena *arena, const struct er7_message *message,
                    struct er7_place place) {
  struct str raw = er7_raw(message, place);
  return er7_is_null(raw) ? STR_NULL : er7_unescape(arena, message, raw);
}

/* The letter of a delimiter's escape sequence, or '\0'. */
static char letter_of(const struct er7_delimiters *d, char c) {
  if (c == d->field)
    return 'F';
  if (c == d->component)
    return 'S';
  if (c == d->repetition)
    return 'R';
  if (c == d->escape)
    return 'E';
  if (c == d->subcomponent)
    return 'T';
  return c == d->truncation ? 'P' : '\0';
}

static void add_escaped(struct buf *buf, const struct er7_delimiters *d, struct str sequence) {
  if (d->escape == '\0') {
    buf_add_char(buf, ' ');
    return;
  }
  buf_add_char(buf, d->escape);
  buf_add(buf, sequence);
  buf_add_char(buf, d->escape);
}

void er7_escape(struct buf *buf, const struct er7_delimiters *d, struct str text) {
  for (size_t i = 0; i < text.n; i++) {
    char c = text.p[i], letter = c == '\0' ? '\0' : letter_of(d, c);
    if (letter) {
      add_escaped(buf, d, str_n(&letter, 1));
    } else if (c == '\r' || c == '\n') {
      if (c == '\r' && i + 1 < text.n && text.p[i + 1] == '\n')
        i++;
      /* A sender whose delimiter is '.' can't say .br. */
      add_escaped(buf, d, letter_of(d, '.') ? STR("X0A") : STR(".br"));
    } else if (c == '\0' || c == '\x0B' || c == '\x1C') {
      /* NUL, and the two that would end an MLLP frame */
      char hex[4];
      snprintf(hex, sizeof hex, "X%02X", (unsigned)c);
      add_escaped(buf, d, str_n(hex, 3));
    } else {
      buf_add_char(buf, c);
    }
  }
}
