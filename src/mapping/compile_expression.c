/*
 * Texts and conditions, by recursive descent:
 *
 *   text      = term { "+" term }
 *   term      = STRING | SOURCE | whole(SOURCE) | join(STRING, text, ...)
 *             | plus(text, text, text) | base64(text) | now() | "@" NAME
 *   condition = conjunct { "or" conjunct }
 *   conjunct  = test { "and" test }
 *   test      = "not" test | "(" condition ")" | term comparison | ...
 */
#include "mapping/compile.h"

enum { NESTING_MAX = 40 };

static int new_expression(struct cursor *cursor, enum expression_op op, uint32_t *ret_expression,
                          struct err *reterr) {
  struct maps *maps = cursor->c->maps;
  struct expression *expression = VEC_PUSH(maps->arena, &maps->expressions);
  if (!expression)
    return err_no_memory(reterr);
  expression->op = op;
  *ret_expression = (uint32_t)maps->expressions.n - 1;
  return 0;
}

static struct expression *at(struct cursor *cursor, uint32_t expression) {
  return &cursor->c->maps->expressions.p[expression];
}

static void add_child(struct cursor *cursor, uint32_t parent, uint32_t child) {
  uint32_t *link = &at(cursor, parent)->child;
  while (*link)
    link = &at(cursor, *link)->next;
  *link = child;
}

static int expect(struct cursor *cursor, const char *sign, struct err *reterr) {
  if (cursor_accept(cursor, sign))
    return 0;
  return compile_fault(cursor, reterr, "'%s' is missing at '%.*s'", sign,
                       STR_ARG(cursor_rest(cursor)));
}

static int source_call(struct cursor *cursor, enum expression_op op, uint32_t *ret_expression,
                       struct err *reterr) {
  int result = new_expression(cursor, op, ret_expression, reterr);
  if (!result)
    result = expect(cursor, "(", reterr);
  if (!result)
    result = compile_source(cursor, false, &at(cursor, *ret_expression)->source, reterr);
  return result ? result : expect(cursor, ")", reterr);
}

static int join_call(struct cursor *cursor, defs_type_id type, uint32_t *ret_expression,
                     struct err *reterr) {
  struct str separator = STR_NULL;
  int result = new_expression(cursor, EXPRESSION_JOIN, ret_expression, reterr);
  if (!result)
    result = expect(cursor, "(", reterr);
  if (!result)
    result = compile_string(cursor, &separator, reterr);
  if (result)
    return result;
  at(cursor, *ret_expression)->text = separator;
  while (!result && cursor_accept(cursor, ",")) {
    uint32_t child = 0;
    result = compile_text(cursor, type, &child, reterr);
    if (!result)
      add_child(cursor, *ret_expression, child);
  }
  return result ? result : expect(cursor, ")", reterr);
}

/* A function of `n` texts. */
static int text_call(struct cursor *cursor, enum expression_op op, int n, defs_type_id type,
                     uint32_t *ret_expression, struct err *reterr) {
  int result = new_expression(cursor, op, ret_expression, reterr);
  for (int i = 0; !result && i < n; i++) {
    uint32_t child = 0;
    result = expect(cursor, i ? "," : "(", reterr);
    if (!result)
      result = compile_text(cursor, type, &child, reterr);
    if (!result)
      add_child(cursor, *ret_expression, child);
  }
  return result ? result : expect(cursor, ")", reterr);
}

static int term(struct cursor *cursor, defs_type_id type, uint32_t *ret_expression,
                struct err *reterr) {
  int result;
  if (cursor_peek(cursor) == '"') {
    struct str text = STR_NULL;
    result = compile_string(cursor, &text, reterr);
    if (!result)
      result = new_expression(cursor, EXPRESSION_STRING, ret_expression, reterr);
    if (!result)
      at(cursor, *ret_expression)->text = text;
    return result;
  }
  if (cursor_accept(cursor, "@")) {
    uint32_t name = 0;
    result = compile_name(cursor, &name, reterr);
    if (!result)
      result = new_expression(cursor, EXPRESSION_REFERENCE, ret_expression, reterr);
    if (!result)
      at(cursor, *ret_expression)->name = name;
    return result;
  }
  if (cursor_accept_word(cursor, "whole"))
    return source_call(cursor, EXPRESSION_WHOLE, ret_expression, reterr);
  if (cursor_accept_word(cursor, "join"))
    return join_call(cursor, type, ret_expression, reterr);
  if (cursor_accept_word(cursor, "plus"))
    return text_call(cursor, EXPRESSION_PLUS, 3, type, ret_expression, reterr);
  if (cursor_accept_word(cursor, "base64"))
    return text_call(cursor, EXPRESSION_BASE64, 1, type, ret_expression, reterr);
  if (cursor_accept(cursor, "now()"))
    return new_expression(cursor, EXPRESSION_NOW, ret_expression, reterr);
  struct source source = {0};
  result = compile_source(cursor, false, &source, reterr);
  if (!result)
    result = new_expression(cursor, EXPRESSION_SOURCE, ret_expression, reterr);
  if (!result)
    at(cursor, *ret_expression)->source = source;
  return result;
}

int compile_text(struct cursor *cursor, defs_type_id type, uint32_t *ret_expression,
                 struct err *reterr) {
  uint32_t first = 0, all = 0;
  if (cursor->c->depth >= NESTING_MAX)
    return compile_fault(cursor, reterr, "the text nests too deep");
  cursor->c->depth++;
  int result = term(cursor, type, &first, reterr);
  cursor->c->depth--;
  if (result || cursor_peek(cursor) != '+') {
    if (!result)
      *ret_expression = first;
    return result;
  }
  result = new_expression(cursor, EXPRESSION_CONCAT, &all, reterr);
  if (!result)
    add_child(cursor, all, first);
  while (!result && cursor_accept(cursor, "+")) {
    uint32_t child = 0;
    result = term(cursor, type, &child, reterr);
    if (!result)
      add_child(cursor, all, child);
  }
  if (!result)
    *ret_expression = all;
  return result;
}

static bool accept_comparison(struct cursor *cursor, enum comparison *ret_comparison) {
  static const struct {
    const char *sign;
    enum comparison comparison;
  } table[] = {{"!=", IS_NOT_EQUAL}, {"<=", IS_LESS_OR_EQUAL}, {">=", IS_GREATER_OR_EQUAL},
               {"=", IS_EQUAL},      {"<", IS_LESS},           {">", IS_GREATER}};
  for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
    if (cursor_accept(cursor, table[i].sign)) {
      *ret_comparison = table[i].comparison;
      return true;
    }
  return false;
}

static bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/* length(PID-7) > 8 */
static int measure_test(struct cursor *cursor, enum expression_op op, uint32_t *ret_expression,
                        struct err *reterr) {
  int result = source_call(cursor, op, ret_expression, reterr);
  if (result)
    return result;
  struct expression *expression = at(cursor, *ret_expression);
  if (!accept_comparison(cursor, &expression->compare) ||
      !str_to_i64(cursor_take(cursor, is_digit), &expression->number))
    return compile_fault(cursor, reterr, "a comparison with a number is missing");
  return 0;
}

static int negate(struct cursor *cursor, uint32_t *expression, struct err *reterr) {
  uint32_t not_it = 0;
  int result = new_expression(cursor, EXPRESSION_NOT, &not_it, reterr);
  if (!result) {
    at(cursor, not_it)->child = *expression;
    *expression = not_it;
  }
  return result;
}

static int in_list(struct cursor *cursor, uint32_t left, uint32_t *ret_expression,
                   struct err *reterr) {
  int result = new_expression(cursor, EXPRESSION_IN, ret_expression, reterr);
  if (result)
    return result;
  add_child(cursor, *ret_expression, left);
  result = expect(cursor, "(", reterr);
  do {
    uint32_t child = 0;
    if (!result)
      result = term(cursor, 0, &child, reterr);
    if (!result)
      add_child(cursor, *ret_expression, child);
  } while (!result && cursor_accept(cursor, ","));
  return result ? result : expect(cursor, ")", reterr);
}

static int with_left(struct cursor *cursor, enum expression_op op, uint32_t left,
                     uint32_t *ret_expression, struct err *reterr) {
  int result = new_expression(cursor, op, ret_expression, reterr);
  if (!result)
    add_child(cursor, *ret_expression, left);
  return result;
}

/* What follows a text: valued, = "x", in (...), is number, starts with "x", made. */
static int test_of(struct cursor *cursor, uint32_t left, uint32_t *ret_expression,
                   struct err *reterr) {
  enum comparison compare;
  bool negated = cursor_accept_word(cursor, "not");
  int result;
  if (cursor_accept_word(cursor, "valued")) {
    if (at(cursor, left)->op != EXPRESSION_SOURCE)
      return compile_fault(cursor, reterr, "'valued' is said of a field");
    at(cursor, left)->op = EXPRESSION_VALUED;
    *ret_expression = left;
    result = 0;
  } else if (cursor_accept_word(cursor, "made")) {
    if (at(cursor, left)->op != EXPRESSION_REFERENCE)
      return compile_fault(cursor, reterr, "'made' is said of @name or this.path");
    at(cursor, left)->op = EXPRESSION_MADE_NAME;
    *ret_expression = left;
    result = 0;
  } else if (cursor_accept_word(cursor, "in")) {
    result = in_list(cursor, left, ret_expression, reterr);
  } else if (cursor_accept_word(cursor, "is")) {
    if (!cursor_accept_word(cursor, "number"))
      return compile_fault(cursor, reterr, "'is' wants 'number'");
    result = with_left(cursor, EXPRESSION_IS_NUMBER, left, ret_expression, reterr);
  } else if (cursor_accept_word(cursor, "starts")) {
    struct str prefix = STR_NULL;
    if (!cursor_accept_word(cursor, "with"))
      return compile_fault(cursor, reterr, "'starts' wants 'with \"...\"'");
    result = compile_string(cursor, &prefix, reterr);
    if (!result)
      result = with_left(cursor, EXPRESSION_STARTS, left, ret_expression, reterr);
    if (!result)
      at(cursor, *ret_expression)->text = prefix;
  } else if (!negated && accept_comparison(cursor, &compare)) {
    uint32_t right = 0;
    result = compile_text(cursor, 0, &right, reterr);
    if (!result)
      result = with_left(cursor, EXPRESSION_COMPARE, left, ret_expression, reterr);
    if (!result) {
      add_child(cursor, *ret_expression, right);
      at(cursor, *ret_expression)->compare = compare;
    }
  } else {
    return compile_fault(cursor, reterr, "a condition is missing at '%.*s'",
                         STR_ARG(cursor_rest(cursor)));
  }
  return result || !negated ? result : negate(cursor, ret_expression, reterr);
}

/* this.path made, ORC valued */
static int made_path_test(struct cursor *cursor, defs_type_id type, uint32_t *ret_expression,
                          struct err *reterr) {
  struct path path = {0};
  int result = compile_path(cursor, type, &path, reterr);
  if (result)
    return result;
  bool negated = cursor_accept_word(cursor, "not");
  if (!cursor_accept_word(cursor, "made"))
    return compile_fault(cursor, reterr, "'made' or 'not made' is missing after the path");
  result = new_expression(cursor, EXPRESSION_MADE_PATH, ret_expression, reterr);
  if (!result) {
    at(cursor, *ret_expression)->path = path;
    if (negated)
      result = negate(cursor, ret_expression, reterr);
  }
  return result;
}

static int condition_at(struct cursor *cursor, defs_type_id type, int depth,
                        uint32_t *ret_expression, struct err *reterr);

static int test(struct cursor *cursor, defs_type_id type, int depth, uint32_t *ret_expression,
                struct err *reterr) {
  if (depth > NESTING_MAX)
    return compile_fault(cursor, reterr, "the condition nests too deep");
  int result;
  if (cursor_accept_word(cursor, "not")) {
    result = test(cursor, type, depth + 1, ret_expression, reterr);
    return result ? result : negate(cursor, ret_expression, reterr);
  }
  if (cursor_accept(cursor, "(")) {
    result = condition_at(cursor, type, depth + 1, ret_expression, reterr);
    return result ? result : expect(cursor, ")", reterr);
  }
  if (cursor_accept_word(cursor, "length"))
    return measure_test(cursor, EXPRESSION_LENGTH, ret_expression, reterr);
  if (cursor_accept_word(cursor, "count"))
    return measure_test(cursor, EXPRESSION_COUNT, ret_expression, reterr);
  if (str_starts_with(cursor_rest(cursor), STR("this")))
    return made_path_test(cursor, type, ret_expression, reterr);
  uint32_t left = 0;
  char next = cursor_peek(cursor);
  if (next >= 'A' && next <= 'Z') {
    struct source source = {0};
    result = compile_source(cursor, true, &source, reterr);
    if (!result)
      result = new_expression(cursor, EXPRESSION_SOURCE, &left, reterr);
    if (!result)
      at(cursor, left)->source = source;
  } else {
    result = term(cursor, type, &left, reterr);
  }
  return result ? result : test_of(cursor, left, ret_expression, reterr);
}

/* A chain of one operator. */
static int chain(struct cursor *cursor, defs_type_id type, int depth, const char *word,
                 uint32_t *ret_expression, struct err *reterr) {
  bool is_or = word[0] == 'o';
  uint32_t first = 0, all = 0;
  int result = is_or ? chain(cursor, type, depth, "and", &first, reterr)
                     : test(cursor, type, depth, &first, reterr);
  while (!result && cursor_accept_word(cursor, word)) {
    uint32_t next = 0;
    if (!all) {
      result = new_expression(cursor, is_or ? EXPRESSION_OR : EXPRESSION_AND, &all, reterr);
      if (!result)
        add_child(cursor, all, first);
    }
    if (!result)
      result = is_or ? chain(cursor, type, depth, "and", &next, reterr)
                     : test(cursor, type, depth, &next, reterr);
    if (!result)
      add_child(cursor, all, next);
  }
  if (!result)
    *ret_expression = all ? all : first;
  return result;
}

static int condition_at(struct cursor *cursor, defs_type_id type, int depth,
                        uint32_t *ret_expression, struct err *reterr) {
  return chain(cursor, type, depth, "or", ret_expression, reterr);
}

int compile_condition(struct cursor *cursor, defs_type_id type, uint32_t *ret_expression,
                      struct err *reterr) {
  return condition_at(cursor, type, 0, ret_expression, reterr);
}

int compile_if(struct cursor *cursor, defs_type_id type, uint32_t *ret_condition,
               struct err *reterr) {
  uint32_t condition = 0;
  int result = 0;
  if (cursor_accept_word(cursor, "if"))
    result = compile_condition(cursor, type, &condition, reterr);
  if (!result)
    result = cursor_expect_end(cursor, reterr);
  if (!result)
    *ret_condition = condition;
  return result;
}
