#include "model/text_query.h"

struct parser {
  struct arena *arena;
  struct str text;
  size_t at;
  unsigned depth, terms_n;
  struct err *err;
};

static int parse_or(struct parser *p, struct text_query **ret_query);

/* ---- Pieces ---- */

static bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_space(struct parser *p) {
  while (p->at < p->text.n && is_space(p->text.p[p->at]))
    p->at++;
}

static bool is_at(struct parser *p, char c) {
  skip_space(p);
  return p->at < p->text.n && p->text.p[p->at] == c;
}

/* What stands there up to a space, a quote or a parenthesis. */
static struct str peek_raw(struct parser *p) {
  skip_space(p);
  size_t end = p->at;
  while (end < p->text.n && !is_space(p->text.p[end]) && !strchr("\"()", p->text.p[end]))
    end++;
  return str_slice(p->text, p->at, end - p->at);
}

static bool take_operator(struct parser *p, const char *name) {
  struct str raw = peek_raw(p);
  if (!str_is(raw, name))
    return false;
  p->at += raw.n;
  return true;
}

static struct text_query *new_query(struct parser *p, enum text_query_kind kind) {
  struct text_query *query = ARENA_NEW(p->arena, struct text_query);
  if (query)
    query->kind = kind;
  return query;
}

/* ---- Terms ---- */

static int make_phrase(struct parser *p, struct str raw, bool is_prefix,
                       struct text_query **ret_query) {
  struct text_query *query = new_query(p, TEXT_QUERY_PHRASE);
  if (!query)
    return err_no_memory(p->err);
  int code = text_words_of_string(p->arena, raw, &query->words, p->err);
  if (code != 0)
    return code;
  if (query->words.n == 0)
    return err_set(p->err, ERR_VALUE, "", "there is no word in '%.*s'",
                   STR_ARG(str_slice(raw, 0, 60)));
  if (query->words.n > TEXT_QUERY_WORDS_MAX || ++p->terms_n > TEXT_QUERY_TERMS_MAX)
    return err_set(p->err, ERR_TOO_COSTLY, "", "more than %d terms, or %d words in one of them",
                   TEXT_QUERY_TERMS_MAX, TEXT_QUERY_WORDS_MAX);
  query->is_prefix = is_prefix;
  *ret_query = query;
  return 0;
}

static int parse_quoted(struct parser *p, struct text_query **ret_query) {
  ssize_t end = str_find_char(p->text, '"', p->at + 1);
  if (end < 0)
    return err_set(p->err, ERR_VALUE, "", "a quote is not closed");
  struct str raw = str_slice(p->text, p->at + 1, (size_t)end - p->at - 1);
  p->at = (size_t)end + 1;
  return make_phrase(p, raw, false, ret_query);
}

static int parse_word(struct parser *p, struct text_query **ret_query) {
  struct str raw = peek_raw(p);
  p->at += raw.n;
  bool is_prefix = raw.n > 1 && raw.p[raw.n - 1] == '*';
  return make_phrase(p, raw, is_prefix, ret_query);
}

static int parse_not(struct parser *p, struct text_query **ret_query);

static int parse_one(struct parser *p, struct text_query **ret_query) {
  if (is_at(p, '"'))
    return parse_quoted(p, ret_query);
  if (is_at(p, ')'))
    return err_set(p->err, ERR_VALUE, "", "a parenthesis is closed that was not opened");
  if (is_at(p, '(')) {
    p->at++;
    int code = parse_or(p, ret_query);
    if (code != 0)
      return code;
    if (!is_at(p, ')'))
      return err_set(p->err, ERR_VALUE, "", "a parenthesis is not closed");
    p->at++;
    return 0;
  }
  struct str raw = peek_raw(p);
  if (raw.n == 0)
    return err_set(p->err, ERR_VALUE, "", "a word is missing at the end");
  if (str_is(raw, "AND") || str_is(raw, "OR"))
    return err_set(p->err, ERR_VALUE, "", "a word is missing before %.*s", STR_ARG(raw));
  if (str_is(raw, "NOT") || (raw.p[0] == '-' && p->at + 1 < p->text.n))
    return parse_not(p, ret_query);
  return parse_word(p, ret_query);
}

static int parse_not(struct parser *p, struct text_query **ret_query) {
  struct text_query *query = new_query(p, TEXT_QUERY_NOT), *negated = NULL;
  if (!query)
    return err_no_memory(p->err);
  if (!take_operator(p, "NOT"))
    p->at++; /* '-' */
  if (++p->depth > TEXT_QUERY_DEPTH_MAX)
    return err_set(p->err, ERR_TOO_COSTLY, "", "more than %d levels", TEXT_QUERY_DEPTH_MAX);
  int code = parse_one(p, &negated);
  p->depth--;
  query->first = negated;
  *ret_query = query;
  return code;
}

/* ---- What joins them ---- */

static bool is_at_end_of_and(struct parser *p) {
  skip_space(p);
  return p->at == p->text.n || p->text.p[p->at] == ')' || str_is(peek_raw(p), "OR");
}

/* Wraps a list of more than one. */
static int join(struct parser *p, enum text_query_kind kind, struct text_query *first,
                struct text_query **ret_query) {
  *ret_query = first;
  if (!first || !first->next)
    return 0;
  struct text_query *query = new_query(p, kind);
  if (!query)
    return err_no_memory(p->err);
  query->first = first;
  *ret_query = query;
  return 0;
}

static int parse_and(struct parser *p, struct text_query **ret_query) {
  struct text_query *first = NULL, *last = NULL, *one = NULL;
  do {
    int code = parse_one(p, &one);
    if (code != 0)
      return code;
    if (last)
      last->next = one;
    else
      first = one;
    last = one;
    if (take_operator(p, "AND") && is_at_end_of_and(p))
      return err_set(p->err, ERR_VALUE, "", "a word is missing after AND");
  } while (!is_at_end_of_and(p));
  return join(p, TEXT_QUERY_AND, first, ret_query);
}

static int parse_or(struct parser *p, struct text_query **ret_query) {
  struct text_query *first = NULL, *last = NULL, *all = NULL;
  if (++p->depth > TEXT_QUERY_DEPTH_MAX)
    return err_set(p->err, ERR_TOO_COSTLY, "", "more than %d levels", TEXT_QUERY_DEPTH_MAX);
  do {
    int code = parse_and(p, &all);
    if (code != 0)
      return code;
    if (last)
      last->next = all;
    else
      first = all;
    last = all;
  } while (take_operator(p, "OR"));
  p->depth--;
  return join(p, TEXT_QUERY_OR, first, ret_query);
}

int text_query_parse(struct arena *arena, struct str text, const struct text_query **ret_query,
                     struct err *reterr) {
  struct parser p = {.arena = arena, .text = text, .err = reterr};
  struct text_query *query = NULL;
  int code = parse_or(&p, &query);
  skip_space(&p);
  if (code == 0 && p.at < text.n)
    code = err_set(reterr, ERR_VALUE, "", "a parenthesis is closed that was not opened");
  if (code == 0)
    *ret_query = query;
  return code;
}

/* ---- Matching ---- */

static bool phrase_is_at(const struct text_query *query, const struct str *words) {
  for (size_t i = 0; i < query->words.n; i++) {
    bool is_begin = query->is_prefix && i + 1 == query->words.n;
    if (is_begin ? !str_starts_with(words[i], query->words.p[i])
                 : !str_equal(words[i], query->words.p[i]))
      return false;
  }
  return true;
}

static bool has_phrase(const struct text_query *query, struct text_words words) {
  for (size_t i = 0; i + query->words.n <= words.n; i++)
    if (phrase_is_at(query, words.p + i))
      return true;
  return false;
}

bool text_query_matches(const struct text_query *query, struct text_words words) {
  switch (query->kind) {
  case TEXT_QUERY_PHRASE:
    return has_phrase(query, words);
  case TEXT_QUERY_NOT:
    return !text_query_matches(query->first, words);
  case TEXT_QUERY_AND:
    for (const struct text_query *q = query->first; q; q = q->next)
      if (!text_query_matches(q, words))
        return false;
    return true;
  case TEXT_QUERY_OR:
    for (const struct text_query *q = query->first; q; q = q->next)
      if (text_query_matches(q, words))
        return true;
    return false;
  }
  return false;
}
