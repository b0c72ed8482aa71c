#include "model/fhirpath_program.h"

#include <stdarg.h>

int fhirpath_syntax_error(struct str text, size_t at, struct err *reterr, const char *format, ...) {
  char where[64], what[200];
  size_t column = 1;
  for (size_t i = 0; i < at && i < text.n; i++)
    column += ((unsigned char)text.p[i] & 0xC0) != 0x80;
  snprintf(where, sizeof where, "column %zu", column);
  va_list list;
  va_start(list, format);
  vsnprintf(what, sizeof what, format, list);
  va_end(list);
  return err_set(reterr, ERR_VALUE, where, "FHIRPath: %s", what);
}

static char peek(const struct fhirpath_lexer *lexer, size_t ahead) {
  size_t i = lexer->at + ahead;
  return i < lexer->text.n ? lexer->text.p[i] : '\0';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

static bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(char c) {
  return is_name_start(c) || is_digit(c);
}

static int skip_space(struct fhirpath_lexer *lexer, struct err *reterr) {
  for (;;) {
    char c = peek(lexer, 0);
    if (lexer->at >= lexer->text.n)
      return 0;
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
      lexer->at++;
    } else if (c == '/' && peek(lexer, 1) == '/') {
      while (lexer->at < lexer->text.n && peek(lexer, 0) != '\n' && peek(lexer, 0) != '\r')
        lexer->at++;
    } else if (c == '/' && peek(lexer, 1) == '*') {
      struct str rest = str_slice(lexer->text, lexer->at + 2, lexer->text.n);
      ssize_t end = str_find(rest, STR("*/"));
      if (end < 0)
        return fhirpath_syntax_error(lexer->text, lexer->at, reterr, "this comment has no end");
      lexer->at += (size_t)end + 4;
    } else {
      return 0;
    }
  }
}

static bool read_hex4(struct fhirpath_lexer *lexer, uint32_t *ret_value) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; i++) {
    int digit = str_hex_digit(peek(lexer, i));
    if (digit < 0)
      return false;
    value = value << 4 | (uint32_t)digit;
  }
  lexer->at += 4;
  *ret_value = value;
  return true;
}

/* \uXXXX, or a surrogate pair of two of them. */
static bool read_unicode(struct fhirpath_lexer *lexer, struct buf *buf) {
  uint32_t c, low;
  if (!read_hex4(lexer, &c))
    return false;
  if (c >= 0xD800 && c <= 0xDBFF && peek(lexer, 0) == '\\' && peek(lexer, 1) == 'u') {
    lexer->at += 2;
    if (!read_hex4(lexer, &low) || low < 0xDC00 || low > 0xDFFF)
      return false;
    c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
  }
  if (c >= 0xD800 && c <= 0xDFFF)
    return false;
  buf_add_code_point(buf, c);
  return true;
}

static bool read_escape(struct fhirpath_lexer *lexer, struct buf *buf) {
  static const char from[] = "'\"`\\/rntf", to[] = "'\"`\\/\r\n\t\f";
  char c = peek(lexer, 0);
  lexer->at++;
  if (c == 'u')
    return read_unicode(lexer, buf);
  const char *found = c ? strchr(from, c) : NULL;
  if (!found)
    return false;
  buf_add_char(buf, to[found - from]);
  return true;
}

/* What stands between two `quote`s; `lexer->at` is on the first. */
static int lex_quoted(struct fhirpath_lexer *lexer, char quote, struct str *ret_text,
                      struct err *reterr) {
  size_t start = lexer->at++;
  struct buf buf;
  buf_init_arena(&buf, lexer->arena, lexer->text.n * 4 + 16);
  while (lexer->at < lexer->text.n && peek(lexer, 0) != quote) {
    char c = peek(lexer, 0);
    size_t at = lexer->at++;
    if (c != '\\')
      buf_add_char(&buf, c);
    else if (!read_escape(lexer, &buf))
      return fhirpath_syntax_error(lexer->text, at, reterr, "unknown escape sequence");
  }
  if (lexer->at >= lexer->text.n)
    return fhirpath_syntax_error(lexer->text, start, reterr, "the closing %c is missing", quote);
  lexer->at++;
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_text = buf.n ? buf_str(&buf) : STR("");
  return 0;
}

static bool take_digits(struct fhirpath_lexer *lexer, size_t from, size_t n) {
  for (size_t i = 0; i < n; i++)
    if (!is_digit(peek(lexer, from + i)))
      return false;
  return true;
}

/* hh(:mm(:ss(.f+)?)?)? */
static void scan_time(struct fhirpath_lexer *lexer) {
  if (!take_digits(lexer, 0, 2))
    return;
  lexer->at += 2;
  for (int i = 0; i < 2 && peek(lexer, 0) == ':' && take_digits(lexer, 1, 2); i++)
    lexer->at += 3;
  if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
    lexer->at++;
    while (is_digit(peek(lexer, 0)))
      lexer->at++;
  }
}

static void scan_zone(struct fhirpath_lexer *lexer) {
  char c = peek(lexer, 0);
  if (c == 'Z')
    lexer->at++;
  else if ((c == '+' || c == '-') && take_digits(lexer, 1, 2) && peek(lexer, 3) == ':' &&
           take_digits(lexer, 4, 2))
    lexer->at += 6;
}

/* @2015, @2015-02-04T14:34:28+09:00, @T14:34; what it means is checked by the parser. */
static int lex_temporal(struct fhirpath_lexer *lexer, struct fhirpath_token *token,
                        struct err *reterr) {
  size_t start = ++lexer->at;
  token->kind = FHIRPATH_TOKEN_DATE;
  if (peek(lexer, 0) == 'T') {
    token->kind = FHIRPATH_TOKEN_TIME;
    start = ++lexer->at;
    scan_time(lexer);
  } else if (take_digits(lexer, 0, 4)) {
    lexer->at += 4;
    for (int i = 0; i < 2 && peek(lexer, 0) == '-' && take_digits(lexer, 1, 2); i++)
      lexer->at += 3;
    if (peek(lexer, 0) == 'T') {
      token->kind = FHIRPATH_TOKEN_DATETIME;
      lexer->at++;
      scan_time(lexer);
      scan_zone(lexer);
    }
  }
  token->text = str_slice(lexer->text, start, lexer->at - start);
  if (str_is_empty(token->text))
    return fhirpath_syntax_error(lexer->text, token->at, reterr,
                                 "a date, date-time or time must follow the @");
  return 0;
}

static int lex_constant(struct fhirpath_lexer *lexer, struct fhirpath_token *token,
                        struct err *reterr) {
  lexer->at++;
  token->kind = FHIRPATH_TOKEN_CONSTANT;
  char c = peek(lexer, 0);
  if (c == '\'' || c == '`' || c == '"')
    return lex_quoted(lexer, c, &token->text, reterr);
  size_t start = lexer->at;
  /* FHIR writes %vs-name and %ext-name without quotes: a hyphen belongs to these names only. */
  struct str rest = str_slice(lexer->text, start, 4);
  bool has_hyphens = str_starts_with(rest, STR("vs-")) || str_starts_with(rest, STR("ext-"));
  while (is_name(peek(lexer, 0)) ||
         (has_hyphens && peek(lexer, 0) == '-' && is_name(peek(lexer, 1))))
    lexer->at++;
  token->text = str_slice(lexer->text, start, lexer->at - start);
  return str_is_empty(token->text)
             ? fhirpath_syntax_error(lexer->text, token->at, reterr, "a name must follow the %%")
             : 0;
}

static struct str lex_name(struct fhirpath_lexer *lexer) {
  size_t start = lexer->at;
  while (is_name(peek(lexer, 0)))
    lexer->at++;
  return str_slice(lexer->text, start, lexer->at - start);
}

static struct str lex_number(struct fhirpath_lexer *lexer) {
  size_t start = lexer->at;
  while (is_digit(peek(lexer, 0)))
    lexer->at++;
  if (peek(lexer, 0) == '.' && is_digit(peek(lexer, 1))) {
    lexer->at++;
    while (is_digit(peek(lexer, 0)))
      lexer->at++;
  }
  return str_slice(lexer->text, start, lexer->at - start);
}

static int lex_symbol(struct fhirpath_lexer *lexer, struct fhirpath_token *token,
                      struct err *reterr) {
  static const char *const symbols[] = {"<=", ">=", "!=", "!~", "<", ">", "=", "~", "+", "-", "*",
                                        "/",  "&",  "|",  "(",  ")", "[", "]", "{", "}", ".", ","};
  struct str rest = str_slice(lexer->text, lexer->at, lexer->text.n);
  for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++)
    if (str_starts_with(rest, str_of(symbols[i]))) {
      token->kind = FHIRPATH_TOKEN_SYMBOL;
      token->text = str_of(symbols[i]);
      lexer->at += token->text.n;
      return 0;
    }
  return fhirpath_syntax_error(lexer->text, lexer->at, reterr, "this character is not expected");
}

int fhirpath_lex(struct fhirpath_lexer *lexer, struct fhirpath_token *ret_token,
                 struct err *reterr) {
  int code = skip_space(lexer, reterr);
  if (code < 0)
    return code;
  struct fhirpath_token token = {.kind = FHIRPATH_TOKEN_END, .at = lexer->at};
  char c = peek(lexer, 0);
  if (lexer->at >= lexer->text.n) {
    code = 0;
  } else if (is_name_start(c)) {
    token.kind = FHIRPATH_TOKEN_IDENTIFIER;
    token.text = lex_name(lexer);
  } else if (is_digit(c)) {
    token.kind = FHIRPATH_TOKEN_NUMBER;
    token.text = lex_number(lexer);
  } else if (c == '\'') {
    token.kind = FHIRPATH_TOKEN_STRING;
    code = lex_quoted(lexer, c, &token.text, reterr);
  } else if (c == '`' || c == '"') {
    token.kind = FHIRPATH_TOKEN_DELIMITED;
    code = lex_quoted(lexer, c, &token.text, reterr);
  } else if (c == '@') {
    code = lex_temporal(lexer, &token, reterr);
  } else if (c == '%') {
    code = lex_constant(lexer, &token, reterr);
  } else if (c == '$') {
    lexer->at++;
    token.kind = FHIRPATH_TOKEN_VARIABLE;
    token.text = lex_name(lexer);
  } else {
    code = lex_symbol(lexer, &token, reterr);
  }
  if (code == 0)
    *ret_token = token;
  return code;
}
