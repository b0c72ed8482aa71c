#include "format/graphql_lexer.h"

static bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* The byte `ahead` of the present one; 0 past the end (a NUL inside is no GraphQL either). */
static char peek(const struct graphql_lexer *lexer, size_t ahead) {
  size_t at = lexer->at + ahead;
  return at < lexer->text.n ? lexer->text.p[at] : '\0';
}

static bool is_at_end(const struct graphql_lexer *lexer) {
  return lexer->at >= lexer->text.n;
}

static void take_line_end(struct graphql_lexer *lexer) {
  lexer->at += peek(lexer, 0) == '\r' && peek(lexer, 1) == '\n' ? 2 : 1;
  lexer->line++;
  lexer->line_start = lexer->at;
}

static void skip_ignored(struct graphql_lexer *lexer) {
  while (!is_at_end(lexer)) {
    char c = peek(lexer, 0);
    if (c == '\n' || c == '\r') {
      take_line_end(lexer);
    } else if (c == ' ' || c == '\t' || c == ',') {
      lexer->at++;
    } else if (c == '#') {
      while (!is_at_end(lexer) && peek(lexer, 0) != '\n' && peek(lexer, 0) != '\r')
        lexer->at++;
    } else {
      return;
    }
  }
}

struct graphql_lexer graphql_lexer(struct arena *arena, struct str text) {
  struct graphql_lexer lexer = {.arena = arena, .text = text, .line = 1};
  if (str_starts_with(text, STR("\xEF\xBB\xBF")))
    lexer.at = lexer.line_start = 3;
  return lexer;
}

static struct str since(const struct graphql_lexer *lexer, size_t start) {
  return str_slice(lexer->text, start, lexer->at - start);
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static size_t take_digits(struct graphql_lexer *lexer) {
  size_t start = lexer->at;
  while (is_digit(peek(lexer, 0)))
    lexer->at++;
  return lexer->at - start;
}

static int bad_number(struct err *reterr) {
  return err_set(reterr, ERR_STRUCTURE, "", "This is not a number.");
}

static int take_number(struct graphql_lexer *lexer, struct graphql_token *token,
                       struct err *reterr) {
  size_t start = lexer->at;
  token->kind = GRAPHQL_TOKEN_INT;
  if (peek(lexer, 0) == '-')
    lexer->at++;
  bool has_leading_zero = peek(lexer, 0) == '0';
  size_t digits = take_digits(lexer);
  if (digits == 0 || (has_leading_zero && digits > 1))
    return bad_number(reterr);
  if (peek(lexer, 0) == '.') {
    lexer->at++;
    token->kind = GRAPHQL_TOKEN_FLOAT;
    if (take_digits(lexer) == 0)
      return bad_number(reterr);
  }
  if (peek(lexer, 0) == 'e' || peek(lexer, 0) == 'E') {
    lexer->at++;
    token->kind = GRAPHQL_TOKEN_FLOAT;
    if (peek(lexer, 0) == '+' || peek(lexer, 0) == '-')
      lexer->at++;
    if (take_digits(lexer) == 0)
      return bad_number(reterr);
  }
  if (peek(lexer, 0) == '.' || is_name_start(peek(lexer, 0)))
    return bad_number(reterr);
  token->text = since(lexer, start);
  return 0;
}

/* ---- Strings -------------------------------------------------------------------------------- */

static int bad_string(struct err *reterr, const char *why) {
  return err_set(reterr, ERR_STRUCTURE, "", "This string %s.", why);
}

/* Up to `n` hexadecimal digits; all of them where `n` is 4, else up to '}'. */
static bool take_hex(struct graphql_lexer *lexer, size_t min, size_t max, uint32_t *ret_value) {
  size_t n = 0;
  for (*ret_value = 0; n < max && str_hex_digit(peek(lexer, 0)) >= 0; n++, lexer->at++)
    *ret_value = *ret_value * 16 + (uint32_t)str_hex_digit(peek(lexer, 0));
  return n >= min;
}

/* What follows `\u`: four digits, two such for a surrogate pair, or {digits}. */
static bool take_unicode(struct graphql_lexer *lexer, uint32_t *ret_c) {
  uint32_t low;
  if (peek(lexer, 0) == '{') {
    lexer->at++;
    if (!take_hex(lexer, 1, 7, ret_c) || peek(lexer, 0) != '}')
      return false;
    lexer->at++;
    return *ret_c <= 0x10FFFF && (*ret_c < 0xD800 || *ret_c > 0xDFFF);
  }
  if (!take_hex(lexer, 4, 4, ret_c))
    return false;
  if (*ret_c >= 0xD800 && *ret_c <= 0xDBFF) {
    if (peek(lexer, 0) != '\\' || peek(lexer, 1) != 'u')
      return false;
    lexer->at += 2;
    if (!take_hex(lexer, 4, 4, &low) || low < 0xDC00 || low > 0xDFFF)
      return false;
    *ret_c = 0x10000 + ((*ret_c - 0xD800) << 10) + (low - 0xDC00);
    return true;
  }
  return *ret_c < 0xDC00 || *ret_c > 0xDFFF;
}

static bool take_escape(struct graphql_lexer *lexer, struct buf *buf) {
  static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  char c = peek(lexer, 1);
  uint32_t code_point;
  lexer->at += 2;
  if (c == 'u') {
    if (!take_unicode(lexer, &code_point))
      return false;
    buf_add_code_point(buf, code_point);
    return true;
  }
  ssize_t i = c ? str_find_char(STR(names), c, 0) : -1;
  if (i < 0)
    return false;
  buf_add_char(buf, values[i]);
  return true;
}

/* `"..."`, on one line. Only a string with escapes is copied. */
static int take_string(struct graphql_lexer *lexer, struct graphql_token *token,
                       struct err *reterr) {
  struct buf buf;
  size_t start = ++lexer->at;
  bool has_escapes = false;
  buf_init_arena(&buf, lexer->arena, lexer->text.n + 1);
  for (;;) {
    char c = peek(lexer, 0);
    if (is_at_end(lexer) || c == '\n' || c == '\r')
      return bad_string(reterr, "has no end");
    if (c == '"')
      break;
    if (c == '\\') {
      if (!has_escapes)
        buf_add(&buf, since(lexer, start));
      has_escapes = true;
      if (!take_escape(lexer, &buf))
        return bad_string(reterr, "has an escape that GraphQL does not know");
      continue;
    }
    if ((unsigned char)c < 0x20 && c != '\t')
      return bad_string(reterr, "has a control character");
    if (has_escapes)
      buf_add_char(&buf, c);
    lexer->at++;
  }
  token->text = has_escapes ? buf_str(&buf) : since(lexer, start);
  lexer->at++;
  return buf_is_overflown(&buf) ? err_no_memory(reterr) : 0;
}

static bool is_blank(struct str line) {
  for (size_t i = 0; i < line.n; i++)
    if (line.p[i] != ' ' && line.p[i] != '\t')
      return false;
  return true;
}

static size_t indent_of(struct str line) {
  size_t n = 0;
  while (n < line.n && (line.p[n] == ' ' || line.p[n] == '\t'))
    n++;
  return n;
}

/* Takes the next line off `*rest`, whatever ends it. */
static bool next_line(struct str *rest, struct str *ret_line) {
  if (!rest->p)
    return false;
  size_t n = 0;
  while (n < rest->n && rest->p[n] != '\n' && rest->p[n] != '\r')
    n++;
  *ret_line = str_slice(*rest, 0, n);
  if (n == rest->n) {
    *rest = STR_NULL;
    return true;
  }
  n += rest->p[n] == '\r' && n + 1 < rest->n && rest->p[n + 1] == '\n' ? 2 : 1;
  *rest = (struct str){rest->p + n, rest->n - n};
  return true;
}

/* BlockStringValue(): without the common indent, without blank lines at both ends. */
static struct str block_value(struct arena *arena, struct str raw) {
  struct buf buf;
  struct str rest = raw, line;
  size_t common = SIZE_MAX, first = SIZE_MAX, last = 0, i = 0;
  for (; next_line(&rest, &line); i++) {
    if (is_blank(line))
      continue;
    first = first == SIZE_MAX ? i : first;
    last = i;
    if (i > 0 && indent_of(line) < common)
      common = indent_of(line);
  }
  buf_init_arena(&buf, arena, raw.n + 1);
  rest = raw;
  for (i = 0; first != SIZE_MAX && next_line(&rest, &line); i++) {
    if (i < first || i > last)
      continue;
    if (i > first)
      buf_add_char(&buf, '\n');
    buf_add(&buf, i == 0 || common == SIZE_MAX ? line : str_slice(line, common, line.n));
  }
  return buf_is_overflown(&buf) ? STR_NULL : buf.n ? buf_str(&buf) : STR("");
}

static bool is_block_quote(const struct graphql_lexer *lexer, size_t ahead) {
  return peek(lexer, ahead) == '"' && peek(lexer, ahead + 1) == '"' &&
         peek(lexer, ahead + 2) == '"';
}

static int take_block_string(struct graphql_lexer *lexer, struct graphql_token *token,
                             struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, lexer->arena, lexer->text.n + 1);
  lexer->at += 3;
  while (!is_block_quote(lexer, 0)) {
    char c = peek(lexer, 0);
    size_t start = lexer->at;
    if (is_at_end(lexer))
      return bad_string(reterr, "has no end");
    if ((unsigned char)c < 0x20 && c != '\t' && c != '\n' && c != '\r')
      return bad_string(reterr, "has a control character");
    if (c == '\\' && is_block_quote(lexer, 1)) {
      buf_add(&buf, STR("\"\"\""));
      lexer->at += 4;
    } else if (c == '\n' || c == '\r') {
      take_line_end(lexer);
      buf_add(&buf, since(lexer, start));
    } else {
      buf_add_char(&buf, c);
      lexer->at++;
    }
  }
  lexer->at += 3;
  token->text = buf_is_overflown(&buf) ? STR_NULL : block_value(lexer->arena, buf_str(&buf));
  return token->text.p ? 0 : err_no_memory(reterr);
}

/* ---- One token ------------------------------------------------------------------------------ */

int graphql_lexer_next(struct graphql_lexer *lexer, struct graphql_token *ret_token,
                       struct err *reterr) {
  skip_ignored(lexer);
  size_t start = lexer->at;
  char c = peek(lexer, 0);
  *ret_token = (struct graphql_token){
      .kind = GRAPHQL_TOKEN_END,
      .place = {.line = lexer->line, .column = (uint32_t)(start - lexer->line_start) + 1}};
  if (is_at_end(lexer))
    return 0;
  if (is_name_start(c)) {
    while (is_name_start(peek(lexer, 0)) || is_digit(peek(lexer, 0)))
      lexer->at++;
    ret_token->kind = GRAPHQL_TOKEN_NAME;
    ret_token->text = since(lexer, start);
    return 0;
  }
  if (is_digit(c) || c == '-')
    return take_number(lexer, ret_token, reterr);
  if (c == '"') {
    ret_token->kind = GRAPHQL_TOKEN_STRING;
    return is_block_quote(lexer, 0) ? take_block_string(lexer, ret_token, reterr)
                                    : take_string(lexer, ret_token, reterr);
  }
  ret_token->kind = GRAPHQL_TOKEN_PUNCTUATOR;
  if (c == '.' && peek(lexer, 1) == '.' && peek(lexer, 2) == '.')
    lexer->at += 3;
  else if (c && str_find_char(STR("!$&():=@[]{|}"), c, 0) >= 0)
    lexer->at++;
  else
    return err_set(reterr, ERR_STRUCTURE, "", "A character that has no meaning in GraphQL.");
  ret_token->text = since(lexer, start);
  return 0;
}
