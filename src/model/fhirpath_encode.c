/* encode, decode, escape and unescape of strings. */
#include "model/fhirpath_functions.h"

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char URL_BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char HEX[] = "0123456789abcdef";

/* ---- Bytes as letters: `bits` a letter ---------------------------------------------------------
 */

static void write_letters(struct buf *buf, struct str s, const char *letters, unsigned bits) {
  unsigned held = 0, held_n = 0;
  size_t letters_n = 0;
  for (size_t i = 0; i < s.n; i++) {
    held = (held << 8 | (unsigned char)s.p[i]) & 0xFFFF;
    for (held_n += 8; held_n >= bits; letters_n++) {
      held_n -= bits;
      buf_add_char(buf, letters[held >> held_n & ((1u << bits) - 1)]);
    }
  }
  if (held_n > 0) {
    buf_add_char(buf, letters[held << (bits - held_n) & ((1u << bits) - 1)]);
    letters_n++;
  }
  for (; bits == 6 && letters_n % 4 != 0; letters_n++)
    buf_add_char(buf, '=');
}

static bool read_letters(struct buf *buf, struct str s, const char *letters, unsigned bits) {
  unsigned held = 0, held_n = 0;
  while (bits == 6 && s.n > 0 && s.p[s.n - 1] == '=')
    s.n--;
  for (size_t i = 0; i < s.n; i++) {
    char c = bits == 4 && s.p[i] >= 'A' && s.p[i] <= 'F' ? (char)(s.p[i] + 32) : s.p[i];
    const char *found = c ? strchr(letters, c) : NULL;
    if (!found)
      return false;
    held = (held << bits | (unsigned)(found - letters)) & 0xFFFF;
    held_n += bits;
    if (held_n >= 8) {
      held_n -= 8;
      buf_add_char(buf, (char)(held >> held_n & 0xFF));
    }
  }
  return held_n < bits && str_is_utf8(buf_str(buf));
}

static bool read_format(struct str name, const char **ret_letters, unsigned *ret_bits) {
  *ret_bits = str_is(name, "hex") ? 4 : 6;
  *ret_letters = str_is(name, "hex") ? HEX : str_is(name, "base64") ? BASE64 : URL_BASE64;
  return str_is(name, "hex") || str_is(name, "base64") || str_is(name, "urlbase64");
}

/* ---- Escapes -----------------------------------------------------------------------------------
 */

static const struct {
  char plain;
  const char *html, *json;
} ESCAPES[] = {
    {'&', "&amp;", NULL},  {'<', "&lt;", NULL},  {'>', "&gt;", NULL}, {'"', "&quot;", "\\\""},
    {'\'', "&#39;", NULL}, {'\\', NULL, "\\\\"}, {'\n', NULL, "\\n"}, {'\r', NULL, "\\r"},
    {'\t', NULL, "\\t"},   {'\f', NULL, "\\f"},  {'\b', NULL, "\\b"},
};
#define ESCAPES_N (sizeof ESCAPES / sizeof *ESCAPES)

static void write_escaped(struct buf *buf, struct str s, bool is_html) {
  for (size_t i = 0; i < s.n; i++) {
    const char *escape = NULL;
    for (size_t k = 0; k < ESCAPES_N && !escape; k++)
      if (ESCAPES[k].plain == s.p[i])
        escape = is_html ? ESCAPES[k].html : ESCAPES[k].json;
    if (escape)
      buf_add_z(buf, escape);
    else
      buf_add_char(buf, s.p[i]);
  }
}

static void write_unescaped(struct buf *buf, struct str s, bool is_html) {
  while (s.n > 0) {
    size_t used = 0;
    for (size_t k = 0; k < ESCAPES_N && !used; k++) {
      const char *escape = is_html ? ESCAPES[k].html : ESCAPES[k].json;
      if (escape && str_starts_with(s, str_of(escape))) {
        buf_add_char(buf, ESCAPES[k].plain);
        used = strlen(escape);
      }
    }
    if (!used) {
      buf_add_char(buf, s.p[0]);
      used = 1;
    }
    s = str_slice(s, used, s.n);
  }
}

/* ---- Functions ---------------------------------------------------------------------------------
 */

/* The string, and the format's name; `*ret_there` false: the result is empty. */
static int read_call(struct fhirpath_eval *e, const struct fhirpath_call *call, bool *ret_there,
                     struct str *ret_text, struct str *ret_format) {
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  if (v.kind != FHIRPATH_STRING)
    return fhirpath_fail(e, call->node, "%s() takes a string", call->node->function->name);
  *ret_text = v.text;
  return fhirpath_string_argument(e, call, 0, ret_there, ret_format);
}

static int bad_format(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct str format) {
  return fhirpath_fail(e, call->node, "%s() does not know the format '%.*s'",
                       call->node->function->name, STR_ARG(format));
}

static int finish(struct fhirpath_eval *e, const struct buf *buf, struct fhirpath_list *out) {
  if (buf_is_overflown(buf))
    return err_no_memory(e->err);
  return fhirpath_push_text(e, out, FHIRPATH_STRING, buf->n ? buf_str(buf) : STR(""));
}

static int run_coding(struct fhirpath_eval *e, const struct fhirpath_call *call, bool is_decode,
                      struct fhirpath_list *out) {
  bool there = false;
  struct str text = STR_NULL, format = STR_NULL;
  const char *letters;
  unsigned bits;
  int code = read_call(e, call, &there, &text, &format);
  if (code < 0 || !there)
    return code;
  if (!read_format(format, &letters, &bits))
    return bad_format(e, call, format);
  struct buf buf;
  buf_init_arena(&buf, e->arena, text.n * 2 + 16);
  if (is_decode && !read_letters(&buf, text, letters, bits))
    return 0; /* what isn't in the format has no value */
  if (!is_decode)
    write_letters(&buf, text, letters, bits);
  return finish(e, &buf, out);
}

static int run_escaping(struct fhirpath_eval *e, const struct fhirpath_call *call, bool is_undo,
                        struct fhirpath_list *out) {
  bool there = false;
  struct str text = STR_NULL, format = STR_NULL;
  int code = read_call(e, call, &there, &text, &format);
  if (code < 0 || !there)
    return code;
  bool is_html = str_is(format, "html");
  if (!is_html && !str_is(format, "json"))
    return bad_format(e, call, format);
  struct buf buf;
  buf_init_arena(&buf, e->arena, text.n * 6 + 16);
  if (is_undo)
    write_unescaped(&buf, text, is_html);
  else
    write_escaped(&buf, text, is_html);
  return finish(e, &buf, out);
}

int fhirpath_fn_encode(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  return run_coding(e, call, false, out);
}

int fhirpath_fn_decode(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  return run_coding(e, call, true, out);
}

int fhirpath_fn_escape(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  return run_escaping(e, call, false, out);
}

int fhirpath_fn_unescape(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  return run_escaping(e, call, true, out);
}
