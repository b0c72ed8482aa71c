/*
 * A Pratt parser: an operand, then operators for as long as they bind tighter than the caller's.
 * Nodes are appended children first, so that the last one is the root.
 */
#include "model/fhirpath_quantity.h"
#include "model/fhirpath_regex.h"
#include "model/fhirpath_time.h"

#define PARSE_DEPTH_MAX 100
#define TEXT_MAX_BYTES 65536

struct parser {
  struct fhirpath_lexer lexer;
  struct fhirpath_token token; /* not yet taken */
  VEC(struct fhirpath_node) nodes;
  const struct fhirpath_options *options;
  unsigned depth;
  struct err *err;
};

static const struct {
  enum fhirpath_op op;
  const char *spelling;
  int power;
} BINARY[] = {
#define X(name, spelling, power) {FHIRPATH_OP_##name, spelling, power},
    FHIRPATH_BINARY_TABLE(X)
#undef X
};

static int next(struct parser *p) {
  return fhirpath_lex(&p->lexer, &p->token, p->err);
}

static int unexpected(struct parser *p, const char *expected) {
  if (p->token.kind == FHIRPATH_TOKEN_END)
    return fhirpath_syntax_error(p->lexer.text, p->token.at, p->err,
                                 "%s expected, but the expression ends here", expected);
  return fhirpath_syntax_error(p->lexer.text, p->token.at, p->err, "%s expected here", expected);
}

static bool is_symbol(const struct parser *p, const char *symbol) {
  return p->token.kind == FHIRPATH_TOKEN_SYMBOL && str_is(p->token.text, symbol);
}

static bool is_keyword(const struct parser *p, const char *keyword) {
  return p->token.kind == FHIRPATH_TOKEN_IDENTIFIER && str_is(p->token.text, keyword);
}

static int take_symbol(struct parser *p, const char *symbol, const char *expected) {
  return is_symbol(p, symbol) ? next(p) : unexpected(p, expected);
}

static int add_node(struct parser *p, const struct fhirpath_node *node, uint32_t *ret_index) {
  struct fhirpath_node *place = VEC_PUSH(p->lexer.arena, &p->nodes);
  if (!place)
    return err_no_memory(p->err);
  *place = *node;
  *ret_index = (uint32_t)(p->nodes.n - 1);
  return 0;
}

static int parse_expression(struct parser *p, int power, uint32_t *ret_index);

/* ---- Types ----------------------------------------------------------------------------------- */

/* identifier ('.' identifier)*, as written. */
static int parse_type(struct parser *p, struct fhirpath_type_spec *ret_spec) {
  struct buf name;
  buf_init_arena(&name, p->lexer.arena, 300);
  size_t at = p->token.at;
  for (;;) {
    if (p->token.kind != FHIRPATH_TOKEN_IDENTIFIER && p->token.kind != FHIRPATH_TOKEN_DELIMITED)
      return unexpected(p, "the name of a type");
    buf_add(&name, p->token.text);
    int code = next(p);
    if (code < 0)
      return code;
    if (!is_symbol(p, "."))
      break;
    buf_add_char(&name, '.');
    code = next(p);
    if (code < 0)
      return code;
  }
  if (!fhirpath_type_spec(buf_str(&name), ret_spec))
    return fhirpath_syntax_error(p->lexer.text, at, p->err, "there is no type %.*s",
                                 STR_ARG(buf_str(&name)));
  return 0;
}

/* ---- Calls ----------------------------------------------------------------------------------- */

static int parse_arguments(struct parser *p, struct fhirpath_node *call) {
  if (call->function->flags & FHIRPATH_TAKES_TYPE && !is_symbol(p, ")")) {
    call->args_n = 1; /* counted, though it is in `spec` */
    return parse_type(p, &call->spec);
  }
  while (!is_symbol(p, ")")) {
    if (call->args_n > 0) {
      int code = take_symbol(p, ",", "a comma or a closing parenthesis");
      if (code < 0)
        return code;
    }
    if (call->args_n == FHIRPATH_ARGS_MAX)
      return fhirpath_syntax_error(p->lexer.text, p->token.at, p->err, "too many arguments");
    int code = parse_expression(p, 0, &call->args[call->args_n]);
    if (code < 0)
      return code;
    call->args_n++;
  }
  return 0;
}

/* A regular expression that stands in the text is compiled now. */
static int prepare_regex(struct parser *p, struct fhirpath_node *call) {
  if (!(call->function->flags & FHIRPATH_REGEX) || call->args_n == 0)
    return 0;
  const struct fhirpath_node *pattern = &p->nodes.p[call->args[0]];
  if (pattern->op != FHIRPATH_OP_LITERAL || pattern->value.kind != FHIRPATH_STRING)
    return 0;
  struct fhirpath_regex *regex = NULL;
  int code = fhirpath_regex_compile(p->lexer.arena, pattern->value.text, &regex, p->err);
  call->compiled = regex;
  return code;
}

/* The token is the opening parenthesis. */
static int parse_call(struct parser *p, struct str name, size_t at, bool starts_path,
                      uint32_t *ret_index) {
  struct fhirpath_node call = {.op = FHIRPATH_OP_CALL, .at = at, .starts_path = starts_path};
  call.function = fhirpath_function_by_name(name);
  if (!call.function) {
    struct str nearest = fhirpath_function_nearest(name);
    return fhirpath_syntax_error(p->lexer.text, at, p->err, "there is no function %.*s()%s%.*s%s",
                                 STR_ARG(name), nearest.n ? "; did you mean " : "",
                                 STR_ARG(nearest), nearest.n ? "()?" : "");
  }
  int code = next(p);
  if (code == 0)
    code = parse_arguments(p, &call);
  if (code == 0)
    code = take_symbol(p, ")", "a closing parenthesis");
  if (code == 0)
    code = prepare_regex(p, &call);
  if (code < 0)
    return code;
  if (call.args_n < call.function->args_min || call.args_n > call.function->args_max)
    return fhirpath_syntax_error(p->lexer.text, at, p->err, "%s() takes %d to %d arguments, not %u",
                                 call.function->name, call.function->args_min,
                                 call.function->args_max, call.args_n);
  return add_node(p, &call, ret_index);
}

/* ---- Terms ----------------------------------------------------------------------------------- */

/* 4, 4.5, 4 'mg', 4 days */
static int parse_number(struct parser *p, uint32_t *ret_index) {
  struct fhirpath_node node = {.op = FHIRPATH_OP_LITERAL, .at = p->token.at};
  struct str text = p->token.text;
  bool is_decimal = str_find_char(text, '.', 0) >= 0;
  node.value.text = text;
  node.value.kind = is_decimal ? FHIRPATH_DECIMAL : FHIRPATH_INTEGER;
  int code = next(p);
  if (code < 0)
    return code;
  if (p->token.kind == FHIRPATH_TOKEN_STRING ||
      (p->token.kind == FHIRPATH_TOKEN_IDENTIFIER && fhirpath_calendar_code(p->token.text))) {
    node.value.kind = FHIRPATH_QUANTITY;
    node.value.unit = p->token.text;
    node.value.integer =
        p->token.kind == FHIRPATH_TOKEN_IDENTIFIER ? FHIRPATH_UNIT_CALENDAR : FHIRPATH_UNIT_UCUM;
    code = next(p);
    if (code < 0)
      return code;
  } else if (!is_decimal && (!str_to_i64(text, &node.value.integer) ||
                             node.value.integer > (int64_t)INT32_MAX + 1)) {
    /* 2147483648 is let through for the sake of -2147483648. */
    return fhirpath_syntax_error(p->lexer.text, node.at, p->err, "this integer is out of range");
  }
  return add_node(p, &node, ret_index);
}

static int parse_literal(struct parser *p, enum fhirpath_kind kind, uint32_t *ret_index) {
  struct fhirpath_node node = {.op = FHIRPATH_OP_LITERAL, .at = p->token.at};
  node.value.kind = kind;
  node.value.text = p->token.text;
  if (kind == FHIRPATH_DATETIME && str_ends_with(node.value.text, STR("T")))
    node.value.text.n--; /* @2015T is the date-time 2015 */
  struct fhirpath_time time;
  if (kind != FHIRPATH_STRING && !fhirpath_time_parse(p->token.text, kind, &time))
    return fhirpath_syntax_error(p->lexer.text, p->token.at, p->err,
                                 "this is not a valid date, date-time or time");
  int code = next(p);
  return code < 0 ? code : add_node(p, &node, ret_index);
}

static int parse_variable(struct parser *p, uint32_t *ret_index) {
  struct fhirpath_node node = {.at = p->token.at};
  if (str_is(p->token.text, "this"))
    node.op = FHIRPATH_OP_THIS;
  else if (str_is(p->token.text, "index"))
    node.op = FHIRPATH_OP_INDEX;
  else if (str_is(p->token.text, "total"))
    node.op = FHIRPATH_OP_TOTAL;
  else
    return fhirpath_syntax_error(p->lexer.text, p->token.at, p->err,
                                 "only $this, $index and $total are variables");
  int code = next(p);
  return code < 0 ? code : add_node(p, &node, ret_index);
}

static bool is_known_constant(const struct parser *p, struct str name) {
  static const char *const names[] = {"context", "resource", "rootResource",
                                      "ucum",    "sct",      "loinc"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (str_is(name, names[i]))
      return true;
  for (size_t i = 0; i < p->options->variables_n; i++)
    if (str_equal(name, p->options->variables[i]))
      return true;
  return str_starts_with(name, STR("vs-")) || str_starts_with(name, STR("ext-"));
}

static int parse_constant(struct parser *p, uint32_t *ret_index) {
  struct fhirpath_node node = {.op = FHIRPATH_OP_CONSTANT, .at = p->token.at};
  node.value.text = p->token.text;
  if (!is_known_constant(p, p->token.text))
    return fhirpath_syntax_error(p->lexer.text, p->token.at, p->err,
                                 "the variable %%%.*s is not known", STR_ARG(p->token.text));
  int code = next(p);
  return code < 0 ? code : add_node(p, &node, ret_index);
}

/* name or name(...) */
static int parse_invocation(struct parser *p, bool starts_path, uint32_t *ret_index) {
  struct fhirpath_node node = {.op = FHIRPATH_OP_MEMBER, .at = p->token.at};
  struct str name = p->token.text;
  if (p->token.kind != FHIRPATH_TOKEN_IDENTIFIER && p->token.kind != FHIRPATH_TOKEN_DELIMITED)
    return unexpected(p, "a name");
  int code = next(p);
  if (code < 0)
    return code;
  if (is_symbol(p, "("))
    return parse_call(p, name, node.at, starts_path, ret_index);
  node.value.text = name;
  node.starts_path = starts_path;
  if (starts_path && name.n > 0 && name.p[0] >= 'A' && name.p[0] <= 'Z')
    (void)fhirpath_type_spec(name, &node.spec);
  return add_node(p, &node, ret_index);
}

static int parse_group(struct parser *p, uint32_t *ret_index) {
  int code = next(p);
  if (code == 0)
    code = parse_expression(p, 0, ret_index);
  return code < 0 ? code : take_symbol(p, ")", "a closing parenthesis");
}

static int parse_empty(struct parser *p, uint32_t *ret_index) {
  struct fhirpath_node node = {.op = FHIRPATH_OP_EMPTY, .at = p->token.at};
  int code = next(p);
  if (code == 0)
    code = take_symbol(p, "}", "a closing brace");
  return code < 0 ? code : add_node(p, &node, ret_index);
}

static int parse_boolean(struct parser *p, uint32_t *ret_index) {
  struct fhirpath_node node = {.op = FHIRPATH_OP_LITERAL, .at = p->token.at};
  node.value.kind = FHIRPATH_BOOLEAN;
  node.value.integer = is_keyword(p, "true");
  int code = next(p);
  return code < 0 ? code : add_node(p, &node, ret_index);
}

static int parse_term(struct parser *p, uint32_t *ret_index) {
  switch (p->token.kind) {
  case FHIRPATH_TOKEN_NUMBER:
    return parse_number(p, ret_index);
  case FHIRPATH_TOKEN_STRING:
    return parse_literal(p, FHIRPATH_STRING, ret_index);
  case FHIRPATH_TOKEN_DATE:
    return parse_literal(p, FHIRPATH_DATE, ret_index);
  case FHIRPATH_TOKEN_DATETIME:
    return parse_literal(p, FHIRPATH_DATETIME, ret_index);
  case FHIRPATH_TOKEN_TIME:
    return parse_literal(p, FHIRPATH_TIME, ret_index);
  case FHIRPATH_TOKEN_VARIABLE:
    return parse_variable(p, ret_index);
  case FHIRPATH_TOKEN_CONSTANT:
    return parse_constant(p, ret_index);
  case FHIRPATH_TOKEN_IDENTIFIER:
    if (is_keyword(p, "true") || is_keyword(p, "false"))
      return parse_boolean(p, ret_index);
    return parse_invocation(p, true, ret_index);
  case FHIRPATH_TOKEN_DELIMITED:
    return parse_invocation(p, true, ret_index);
  case FHIRPATH_TOKEN_SYMBOL:
    if (is_symbol(p, "("))
      return parse_group(p, ret_index);
    if (is_symbol(p, "{"))
      return parse_empty(p, ret_index);
    break;
  case FHIRPATH_TOKEN_END:
    break;
  }
  return unexpected(p, "an operand");
}

/* term ('.' invocation | '[' expression ']')* */
static int parse_path(struct parser *p, uint32_t *ret_index) {
  uint32_t left = 0, right = 0;
  int code = parse_term(p, &left);
  while (code == 0 && (is_symbol(p, ".") || is_symbol(p, "["))) {
    bool is_indexer = is_symbol(p, "[");
    size_t at = p->token.at;
    code = next(p);
    if (code == 0)
      code = is_indexer ? parse_expression(p, 0, &right) : parse_invocation(p, false, &right);
    if (code == 0 && is_indexer)
      code = take_symbol(p, "]", "a closing bracket");
    if (code < 0)
      return code;
    struct fhirpath_node node = {.op = is_indexer ? FHIRPATH_OP_INDEXER : FHIRPATH_OP_DOT,
                                 .at = at,
                                 .args = {left, right},
                                 .args_n = 2};
    code = add_node(p, &node, &left);
  }
  if (code == 0)
    *ret_index = left;
  return code;
}

static int parse_unary(struct parser *p, uint32_t *ret_index) {
  if (!is_symbol(p, "-") && !is_symbol(p, "+"))
    return parse_path(p, ret_index);
  struct fhirpath_node node = {.op = is_symbol(p, "-") ? FHIRPATH_OP_NEGATE : FHIRPATH_OP_PLUS,
                               .at = p->token.at,
                               .args_n = 1};
  int code = next(p);
  if (code == 0)
    code = parse_expression(p, FHIRPATH_UNARY_POWER, &node.args[0]);
  return code < 0 ? code : add_node(p, &node, ret_index);
}

/* The operator that the token is, as an index into BINARY; -1 when it is none. */
static int find_operator(const struct parser *p) {
  if (p->token.kind != FHIRPATH_TOKEN_SYMBOL && p->token.kind != FHIRPATH_TOKEN_IDENTIFIER)
    return -1;
  for (size_t i = 0; i < sizeof BINARY / sizeof *BINARY; i++)
    if (str_is(p->token.text, BINARY[i].spelling))
      return (int)i;
  return -1;
}

static int parse_operators(struct parser *p, int power, uint32_t *ret_index) {
  uint32_t left = 0;
  int code = parse_unary(p, &left);
  while (code == 0) {
    int found = find_operator(p);
    if (found < 0 || BINARY[found].power <= power)
      break;
    struct fhirpath_node node = {.op = BINARY[found].op, .at = p->token.at, .args = {left}};
    code = next(p);
    if (code < 0)
      return code;
    if (node.op == FHIRPATH_OP_IS || node.op == FHIRPATH_OP_AS) {
      node.args_n = 1;
      code = parse_type(p, &node.spec);
    } else {
      node.args_n = 2;
      code = parse_expression(p, BINARY[found].power, &node.args[1]);
    }
    if (code == 0)
      code = add_node(p, &node, &left);
  }
  if (code == 0)
    *ret_index = left;
  return code;
}

/* An expression whose operators bind tighter than `power`. */
static int parse_expression(struct parser *p, int power, uint32_t *ret_index) {
  if (p->depth >= PARSE_DEPTH_MAX)
    return fhirpath_syntax_error(p->lexer.text, p->token.at, p->err,
                                 "the expression is nested too deeply");
  p->depth++;
  int code = parse_operators(p, power, ret_index);
  p->depth--;
  return code;
}

int fhirpath_compile_with(struct arena *arena, struct str text,
                          const struct fhirpath_options *options,
                          const struct fhirpath **ret_program, struct err *reterr) {
  if (text.n > TEXT_MAX_BYTES)
    return err_set(reterr, ERR_TOO_LONG, "", "The FHIRPath has %zu bytes; the limit is %d.", text.n,
                   TEXT_MAX_BYTES);
  if (!str_is_utf8(text))
    return err_set(reterr, ERR_VALUE, "", "The FHIRPath is not well-formed UTF-8.");
  struct parser p = {.lexer = {.arena = arena}, .options = options, .err = reterr};
  p.lexer.text = arena_str(arena, text);
  struct fhirpath *program = ARENA_NEW(arena, struct fhirpath);
  if (!p.lexer.text.p || !program)
    return err_no_memory(reterr);
  uint32_t root = 0;
  int code = next(&p);
  if (code == 0)
    code = parse_expression(&p, 0, &root);
  if (code == 0 && p.token.kind != FHIRPATH_TOKEN_END)
    code = unexpected(&p, "an operator");
  if (code < 0)
    return code;
  *program = (struct fhirpath){
      .text = p.lexer.text, .nodes = p.nodes.p, .nodes_n = p.nodes.n, .mode = options->mode};
  if (options->mode == FHIRPATH_STRICT)
    code = fhirpath_check(program, options->type, reterr);
  if (code == 0)
    *ret_program = program;
  return code;
}

int fhirpath_compile(struct arena *arena, struct str text, defs_type_id type,
                     const struct fhirpath **ret_program, struct err *reterr) {
  const struct fhirpath_options options = {.type = type, .mode = FHIRPATH_PUBLISHED};
  return fhirpath_compile_with(arena, text, &options, ret_program, reterr);
}

int fhirpath_compile_strict(struct arena *arena, struct str text, defs_type_id type,
                            const struct fhirpath **ret_program, struct err *reterr) {
  const struct fhirpath_options options = {.type = type, .mode = FHIRPATH_STRICT};
  return fhirpath_compile_with(arena, text, &options, ret_program, reterr);
}
