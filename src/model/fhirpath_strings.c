/* Functions on strings: FHIRPath 2.0.0, section 5.6. Positions and lengths count code points. */
#include <utf8proc.h>

#include "model/fhirpath_functions.h"
#include "model/fhirpath_regex.h"

/* The string that the function is called on. */
static int string_focus(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct str *ret_text) {
  struct fhirpath_value v = fhirpath_computed(call->focus.p[0]);
  if (v.kind != FHIRPATH_STRING && !(v.kind != FHIRPATH_NODE && call->focus.p[0].node))
    return fhirpath_fail(e, call->node, "%s() takes a string", call->node->function->name);
  *ret_text = v.text;
  return 0;
}

/* The string and a string argument; `*ret_there` false: the result is empty. */
static int two_strings(struct fhirpath_eval *e, const struct fhirpath_call *call, bool *ret_there,
                       struct str *ret_text, struct str *ret_argument) {
  int code = string_focus(e, call, ret_text);
  return code < 0 ? code : fhirpath_string_argument(e, call, 0, ret_there, ret_argument);
}

static int push_string(struct fhirpath_eval *e, struct str text, struct fhirpath_list *out) {
  return fhirpath_push_text(e, out, FHIRPATH_STRING, text.n ? text : STR(""));
}

/* ---- Positions ------------------------------------------------------------------------------- */

static bool starts_code_point(char c) {
  return ((unsigned char)c & 0xC0) != 0x80;
}

static int64_t count_code_points(struct str s) {
  int64_t n = 0;
  for (size_t i = 0; i < s.n; i++)
    n += starts_code_point(s.p[i]);
  return n;
}

/* The byte at which code point `index` starts; s.n when there are fewer. */
static size_t byte_of(struct str s, int64_t index) {
  for (size_t i = 0; i < s.n; i++)
    if (starts_code_point(s.p[i]) && index-- == 0)
      return i;
  return s.n;
}

int fhirpath_fn_length(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       struct fhirpath_list *out) {
  struct str s = STR_NULL;
  int code = string_focus(e, call, &s);
  return code < 0 ? code : fhirpath_push_integer(e, out, count_code_points(s));
}

int fhirpath_fn_indexOf(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  bool there = false;
  struct str s = STR_NULL, part = STR_NULL;
  int code = two_strings(e, call, &there, &s, &part);
  if (code < 0 || !there)
    return code;
  ssize_t at = str_find(s, part);
  return fhirpath_push_integer(e, out,
                               at < 0 ? -1 : count_code_points(str_slice(s, 0, (size_t)at)));
}

int fhirpath_fn_substring(struct fhirpath_eval *e, const struct fhirpath_call *call,
                          struct fhirpath_list *out) {
  bool there = false, has_length = false;
  int64_t start = 0, length = INT64_MAX;
  struct str s = STR_NULL;
  int code = string_focus(e, call, &s);
  if (code == 0)
    code = fhirpath_integer_argument(e, call, 0, &there, &start);
  if (code == 0 && call->node->args_n > 1)
    code = fhirpath_integer_argument(e, call, 1, &has_length, &length);
  if (code < 0 || !there || start < 0 || start >= count_code_points(s))
    return code;
  s = str_slice(s, byte_of(s, start), s.n);
  if (has_length)
    s = str_slice(s, 0, length > 0 ? byte_of(s, length) : 0);
  return push_string(e, s, out);
}

int fhirpath_fn_startsWith(struct fhirpath_eval *e, const struct fhirpath_call *call,
                           struct fhirpath_list *out) {
  bool there = false;
  struct str s = STR_NULL, part = STR_NULL;
  int code = two_strings(e, call, &there, &s, &part);
  return code < 0 || !there ? code : fhirpath_push_boolean(e, out, str_starts_with(s, part));
}

int fhirpath_fn_endsWith(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  bool there = false;
  struct str s = STR_NULL, part = STR_NULL;
  int code = two_strings(e, call, &there, &s, &part);
  return code < 0 || !there ? code : fhirpath_push_boolean(e, out, str_ends_with(s, part));
}

int fhirpath_fn_contains(struct fhirpath_eval *e, const struct fhirpath_call *call,
                         struct fhirpath_list *out) {
  bool there = false;
  struct str s = STR_NULL, part = STR_NULL;
  int code = two_strings(e, call, &there, &s, &part);
  return code < 0 || !there ? code : fhirpath_push_boolean(e, out, str_find(s, part) >= 0);
}

/* ---- Changed copies -------------------------------------------------------------------------- */

static int change_case(struct fhirpath_eval *e, const struct fhirpath_call *call,
                       utf8proc_int32_t (*change)(utf8proc_int32_t), struct fhirpath_list *out) {
  struct str s = STR_NULL;
  int code = string_focus(e, call, &s);
  if (code < 0)
    return code;
  struct buf buf;
  buf_init_arena(&buf, e->arena, s.n * 4 + 16);
  for (size_t i = 0; i < s.n;) {
    utf8proc_int32_t c;
    utf8proc_uint8_t bytes[4];
    utf8proc_ssize_t used =
        utf8proc_iterate((const utf8proc_uint8_t *)s.p + i, (utf8proc_ssize_t)(s.n - i), &c);
    if (used <= 0)
      return fhirpath_fail(e, call->node, "the string is not UTF-8");
    i += (size_t)used;
    utf8proc_ssize_t n = utf8proc_encode_char(change(c), bytes);
    buf_add(&buf, str_n((const char *)bytes, n > 0 ? (size_t)n : 0));
  }
  return buf_is_overflown(&buf) ? err_no_memory(e->err) : push_string(e, buf_str(&buf), out);
}

int fhirpath_fn_upper(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  return change_case(e, call, utf8proc_toupper, out);
}

int fhirpath_fn_lower(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  return change_case(e, call, utf8proc_tolower, out);
}

int fhirpath_fn_trim(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  struct str s = STR_NULL;
  int code = string_focus(e, call, &s);
  return code < 0 ? code : push_string(e, str_trim(s), out);
}

#define REPLACED_MAX_BYTES ((size_t)16 << 20)

int fhirpath_fn_replace(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  bool there = false, has_new = false;
  struct str s = STR_NULL, old = STR_NULL, new = STR_NULL;
  int code = two_strings(e, call, &there, &s, &old);
  if (code == 0)
    code = fhirpath_string_argument(e, call, 1, &has_new, &new);
  if (code < 0 || !there || !has_new)
    return code;
  struct buf buf;
  buf_init_arena(&buf, e->arena, REPLACED_MAX_BYTES);
  size_t at = 0;
  while (at < s.n) {
    struct str rest = str_slice(s, at, s.n);
    ssize_t found = old.n ? str_find(rest, old) : 0;
    if (found < 0)
      break;
    buf_add(&buf, str_slice(rest, 0, (size_t)found));
    buf_add(&buf, new);
    at += (size_t)found + old.n;
    if (old.n == 0) { /* between all code points */
      size_t n = byte_of(rest, 1);
      buf_add(&buf, str_slice(rest, 0, n));
      at += n;
    }
  }
  buf_add(&buf, str_slice(s, at, s.n));
  if (old.n == 0)
    buf_add(&buf, new);
  return buf_is_overflown(&buf) ? err_no_memory(e->err) : push_string(e, buf_str(&buf), out);
}

int fhirpath_fn_toChars(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  struct str s = STR_NULL;
  int code = string_focus(e, call, &s);
  while (code == 0 && s.n > 0) {
    size_t n = byte_of(s, 1);
    code = push_string(e, str_slice(s, 0, n), out);
    s = str_slice(s, n, s.n);
  }
  return code;
}

int fhirpath_fn_split(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      struct fhirpath_list *out) {
  bool there = false;
  struct str s = STR_NULL, separator = STR_NULL;
  int code = two_strings(e, call, &there, &s, &separator);
  if (code < 0 || !there)
    return code;
  if (separator.n == 0)
    return fhirpath_fn_toChars(e, call, out);
  for (;;) {
    ssize_t at = str_find(s, separator);
    code = push_string(e, at < 0 ? s : str_slice(s, 0, (size_t)at), out);
    if (code < 0 || at < 0)
      return code;
    s = str_slice(s, (size_t)at + separator.n, s.n);
  }
}

int fhirpath_fn_join(struct fhirpath_eval *e, const struct fhirpath_call *call,
                     struct fhirpath_list *out) {
  bool there = false;
  struct str separator = STR("");
  if (call->node->args_n > 0) {
    int code = fhirpath_string_argument(e, call, 0, &there, &separator);
    if (code < 0)
      return code;
  }
  if (call->focus.n == 0)
    return 0;
  struct buf buf;
  buf_init_arena(&buf, e->arena, REPLACED_MAX_BYTES);
  for (size_t i = 0; i < call->focus.n; i++) {
    struct fhirpath_value v = fhirpath_computed(call->focus.p[i]);
    if (v.kind != FHIRPATH_STRING)
      return fhirpath_fail(e, call->node, "join() takes strings");
    if (i > 0)
      buf_add(&buf, separator);
    buf_add(&buf, v.text);
  }
  return buf_is_overflown(&buf) ? err_no_memory(e->err) : push_string(e, buf_str(&buf), out);
}

/* ---- Regular expressions --------------------------------------------------------------------- */

/* The expression compiled with the program, or compiled now where it is computed. */
static int find_regex(struct fhirpath_eval *e, const struct fhirpath_call *call,
                      const struct fhirpath_regex **ret_regex) {
  *ret_regex = call->node->compiled;
  if (*ret_regex)
    return 0;
  bool there = false;
  struct str pattern;
  struct fhirpath_regex *regex;
  int code = fhirpath_string_argument(e, call, 0, &there, &pattern);
  if (code < 0 || !there)
    return code;
  code = fhirpath_regex_compile(e->arena, pattern, &regex, e->err);
  if (code == 0)
    *ret_regex = regex;
  return code;
}

static int run_matches(struct fhirpath_eval *e, const struct fhirpath_call *call, bool is_full,
                       struct fhirpath_list *out) {
  const struct fhirpath_regex *regex = NULL;
  struct str s = STR_NULL;
  bool matches = false;
  int code = string_focus(e, call, &s);
  if (code == 0)
    code = find_regex(e, call, &regex);
  if (code < 0 || !regex)
    return code;
  code = fhirpath_regex_match(regex, s, is_full, &matches, e->err);
  return code < 0 ? code : fhirpath_push_boolean(e, out, matches);
}

int fhirpath_fn_matches(struct fhirpath_eval *e, const struct fhirpath_call *call,
                        struct fhirpath_list *out) {
  return run_matches(e, call, false, out);
}

int fhirpath_fn_matchesFull(struct fhirpath_eval *e, const struct fhirpath_call *call,
                            struct fhirpath_list *out) {
  return run_matches(e, call, true, out);
}

int fhirpath_fn_replaceMatches(struct fhirpath_eval *e, const struct fhirpath_call *call,
                               struct fhirpath_list *out) {
  const struct fhirpath_regex *regex = NULL;
  struct str s = STR_NULL, substitution = STR_NULL, result = STR_NULL;
  bool there = false;
  int code = string_focus(e, call, &s);
  if (code == 0)
    code = find_regex(e, call, &regex);
  if (code == 0)
    code = fhirpath_string_argument(e, call, 1, &there, &substitution);
  if (code < 0 || !regex || !there)
    return code;
  code = fhirpath_regex_replace(e->arena, regex, s, substitution, &result, e->err);
  return code < 0 ? code : push_string(e, result, out);
}
