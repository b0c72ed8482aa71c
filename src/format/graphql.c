/* The parser: one function per rule of the grammar (Appendix B), one token looked ahead. */
#include "format/graphql.h"

#include "format/graphql_lexer.h"

/* Names of one list are compared each with each. */
#define PAIRS_MAX 256

struct parser {
  struct arena *arena;
  struct graphql_lexer lexer;
  struct graphql_token token; /* the one looked at */
  const struct graphql_limits *limits;
  size_t tokens_n;
  unsigned depth;
  struct err *reterr;
};

static int next(struct parser *p) {
  int code = graphql_lexer_next(&p->lexer, &p->token, p->reterr);
  if (code == 0 && ++p->tokens_n > p->limits->max_tokens)
    return err_set(p->reterr, ERR_TOO_LONG, "", "A query has at most %zu words and signs.",
                   p->limits->max_tokens);
  return code;
}

static bool at(const struct parser *p, const char *punctuator) {
  return p->token.kind == GRAPHQL_TOKEN_PUNCTUATOR && str_is(p->token.text, punctuator);
}

static bool at_name(const struct parser *p, const char *name) {
  return p->token.kind == GRAPHQL_TOKEN_NAME && str_is(p->token.text, name);
}

static int unexpected(struct parser *p, const char *wanted) {
  bool is_end = p->token.kind == GRAPHQL_TOKEN_END;
  struct str text = is_end ? STR("the end") : str_slice(p->token.text, 0, 40);
  const char *quote = is_end ? "" : "'";
  return err_set(p->reterr, ERR_STRUCTURE, "", "Expected %s, found %s%.*s%s.", wanted, quote,
                 STR_ARG(text), quote);
}

static int expect(struct parser *p, const char *punctuator, const char *wanted) {
  return at(p, punctuator) ? next(p) : unexpected(p, wanted);
}

static int take_name(struct parser *p, const char *wanted, struct str *ret_name) {
  if (p->token.kind != GRAPHQL_TOKEN_NAME)
    return unexpected(p, wanted);
  *ret_name = p->token.text;
  return next(p);
}

static int enter(struct parser *p) {
  if (++p->depth > p->limits->max_depth)
    return err_set(p->reterr, ERR_TOO_LONG, "", "A query nests at most %u levels.",
                   p->limits->max_depth);
  return 0;
}

static void leave(struct parser *p) {
  p->depth--;
}

/* ---- Values --------------------------------------------------------------------------------- */

static int take_value(struct parser *p, bool is_constant, struct graphql_value *ret_value);

static int take_list(struct parser *p, bool is_constant, struct graphql_value *value) {
  VEC(struct graphql_value) items = {0};
  int code = next(p);
  while (code == 0 && !at(p, "]")) {
    struct graphql_value item;
    code = take_value(p, is_constant, &item);
    if (code)
      break;
    struct graphql_value *place = VEC_PUSH(p->arena, &items);
    if (!place)
      return err_no_memory(p->reterr);
    *place = item;
  }
  value->kind = GRAPHQL_LIST;
  value->items = items.p;
  value->n = items.n;
  return code ? code : next(p);
}

/* `name: value`s up to `end`; no name twice. */
static int take_pairs(struct parser *p, const char *end, bool is_constant,
                      const struct graphql_argument **ret_pairs, size_t *ret_n) {
  VEC(struct graphql_argument) pairs = {0};
  int code = next(p);
  while (code == 0 && !at(p, end)) {
    struct graphql_argument pair = {.place = p->token.place};
    if ((code = take_name(p, "a name", &pair.name)) != 0)
      break;
    if (pairs.n == PAIRS_MAX)
      return err_set(p->reterr, ERR_TOO_LONG, "", "A list has at most %d arguments.", PAIRS_MAX);
    if (graphql_argument(pairs.p, pairs.n, pair.name))
      return err_set(p->reterr, ERR_STRUCTURE, "", "'%.*s' is given twice.",
                     STR_ARG(str_slice(pair.name, 0, 60)));
    if ((code = expect(p, ":", "':'")) != 0 ||
        (code = take_value(p, is_constant, &pair.value)) != 0)
      break;
    struct graphql_argument *place = VEC_PUSH(p->arena, &pairs);
    if (!place)
      return err_no_memory(p->reterr);
    *place = pair;
  }
  *ret_pairs = pairs.p;
  *ret_n = pairs.n;
  return code ? code : next(p);
}

static int take_variable_name(struct parser *p, struct str *ret_name) {
  int code = next(p);
  return code ? code : take_name(p, "the name of a variable", ret_name);
}

static enum graphql_value_kind kind_of_name(struct str name) {
  if (str_is(name, "true") || str_is(name, "false"))
    return GRAPHQL_BOOLEAN;
  return str_is(name, "null") ? GRAPHQL_NULL : GRAPHQL_ENUM;
}

static int take_scalar(struct parser *p, struct graphql_value *value) {
  value->text = p->token.text;
  switch (p->token.kind) {
  case GRAPHQL_TOKEN_NAME:
    value->kind = kind_of_name(value->text);
    return next(p);
  case GRAPHQL_TOKEN_INT:
    value->kind = GRAPHQL_INT;
    return next(p);
  case GRAPHQL_TOKEN_FLOAT:
    value->kind = GRAPHQL_FLOAT;
    return next(p);
  case GRAPHQL_TOKEN_STRING:
    value->kind = GRAPHQL_STRING;
    return next(p);
  case GRAPHQL_TOKEN_END:
  case GRAPHQL_TOKEN_PUNCTUATOR:
    break;
  }
  return unexpected(p, "a value");
}

static int take_value(struct parser *p, bool is_constant, struct graphql_value *ret_value) {
  struct graphql_value value = {.place = p->token.place};
  int code = enter(p);
  if (code)
    return code;
  if (at(p, "[")) {
    code = take_list(p, is_constant, &value);
  } else if (at(p, "{")) {
    value.kind = GRAPHQL_OBJECT;
    code = take_pairs(p, "}", is_constant, &value.fields, &value.n);
  } else if (at(p, "$") && !is_constant) {
    value.kind = GRAPHQL_VARIABLE;
    code = take_variable_name(p, &value.text);
  } else {
    code = take_scalar(p, &value);
  }
  leave(p);
  *ret_value = value;
  return code;
}

/* ---- Arguments and directives --------------------------------------------------------------- */

static int take_arguments(struct parser *p, bool is_constant,
                          const struct graphql_argument **ret_arguments, size_t *ret_n) {
  if (!at(p, "("))
    return 0;
  int code = take_pairs(p, ")", is_constant, ret_arguments, ret_n);
  if (code == 0 && *ret_n == 0)
    return err_set(p->reterr, ERR_STRUCTURE, "", "Parentheses without arguments: leave them out.");
  return code;
}

static int take_directives(struct parser *p, bool is_constant,
                           struct graphql_directives *ret_directives) {
  VEC(struct graphql_directive) directives = {0};
  int code = 0;
  while (code == 0 && at(p, "@")) {
    struct graphql_directive directive = {.place = p->token.place};
    if ((code = next(p)) != 0 || (code = take_name(p, "a directive", &directive.name)) != 0 ||
        (code = take_arguments(p, is_constant, &directive.arguments, &directive.arguments_n)) != 0)
      break;
    struct graphql_directive *place = VEC_PUSH(p->arena, &directives);
    if (!place)
      return err_no_memory(p->reterr);
    *place = directive;
  }
  *ret_directives = (struct graphql_directives){directives.p, directives.n};
  return code;
}

/* ---- Selections ----------------------------------------------------------------------------- */

static int take_selections(struct parser *p, struct graphql_selections *ret_selections);

static int take_field(struct parser *p, struct graphql_selection *field) {
  field->kind = GRAPHQL_FIELD;
  int code = take_name(p, "a field", &field->name);
  field->alias = field->name;
  if (code == 0 && at(p, ":")) {
    code = next(p);
    code = code ? code : take_name(p, "a field", &field->name);
  }
  code = code ? code : take_arguments(p, false, &field->arguments, &field->arguments_n);
  code = code ? code : take_directives(p, false, &field->directives);
  return code == 0 && at(p, "{") ? take_selections(p, &field->selections) : code;
}

/* Behind "...": a fragment's name, or an inline fragment. */
static int take_fragment_use(struct parser *p, struct graphql_selection *use) {
  int code = next(p);
  if (code)
    return code;
  if (p->token.kind == GRAPHQL_TOKEN_NAME && !at_name(p, "on")) {
    use->kind = GRAPHQL_SPREAD;
    code = take_name(p, "a fragment", &use->name);
    return code ? code : take_directives(p, false, &use->directives);
  }
  use->kind = GRAPHQL_INLINE;
  if (at_name(p, "on")) {
    code = next(p);
    code = code ? code : take_name(p, "a type", &use->name);
  }
  code = code ? code : take_directives(p, false, &use->directives);
  return code ? code : take_selections(p, &use->selections);
}

static int take_selections(struct parser *p, struct graphql_selections *ret_selections) {
  VEC(struct graphql_selection) selections = {0};
  int code = enter(p);
  code = code ? code : expect(p, "{", "'{'");
  while (code == 0 && !at(p, "}")) {
    struct graphql_selection selection = {.place = p->token.place};
    code = at(p, "...") ? take_fragment_use(p, &selection) : take_field(p, &selection);
    if (code != 0)
      break;
    struct graphql_selection *place = VEC_PUSH(p->arena, &selections);
    if (!place)
      return err_no_memory(p->reterr);
    *place = selection;
  }
  if (code)
    return code;
  if (selections.n == 0)
    return err_set(p->reterr, ERR_STRUCTURE, "", "Nothing is selected between '{' and '}'.");
  *ret_selections = (struct graphql_selections){selections.p, selections.n};
  leave(p);
  return next(p);
}

/* ---- Definitions ---------------------------------------------------------------------------- */

static int take_type(struct parser *p, struct graphql_type *ret_type) {
  struct graphql_type type = {.place = p->token.place};
  int code = enter(p);
  if (code == 0 && at(p, "[")) {
    struct graphql_type *item = ARENA_NEW(p->arena, struct graphql_type);
    if (!item)
      return err_no_memory(p->reterr);
    code = next(p);
    code = code ? code : take_type(p, item);
    code = code ? code : expect(p, "]", "']'");
    type.item = item;
  } else if (code == 0) {
    code = take_name(p, "a type", &type.name);
  }
  if (code == 0 && at(p, "!")) {
    type.is_required = true;
    code = next(p);
  }
  leave(p);
  *ret_type = type;
  return code;
}

static int take_variable(struct parser *p, struct graphql_variable *variable) {
  variable->place = p->token.place;
  if (!at(p, "$"))
    return unexpected(p, "a variable");
  int code = take_variable_name(p, &variable->name);
  code = code ? code : expect(p, ":", "':'");
  code = code ? code : take_type(p, &variable->type);
  if (code == 0 && at(p, "=")) {
    variable->has_default = true;
    code = next(p);
    code = code ? code : take_value(p, true, &variable->value);
  }
  return code ? code : take_directives(p, true, &variable->directives);
}

static int take_variables(struct parser *p, struct graphql_operation *operation) {
  VEC(struct graphql_variable) variables = {0};
  int code = next(p);
  while (code == 0 && !at(p, ")")) {
    struct graphql_variable variable = {0};
    code = take_variable(p, &variable);
    if (code != 0)
      break;
    struct graphql_variable *place = VEC_PUSH(p->arena, &variables);
    if (!place)
      return err_no_memory(p->reterr);
    *place = variable;
  }
  if (code == 0 && variables.n == 0)
    return unexpected(p, "a variable");
  operation->variables = variables.p;
  operation->variables_n = variables.n;
  return code ? code : next(p);
}

static int take_operation(struct parser *p, struct graphql_operation *operation) {
  int code = 0;
  operation->place = p->token.place;
  if (at(p, "{"))
    return take_selections(p, &operation->selections);
  operation->kind = at_name(p, "mutation")       ? GRAPHQL_MUTATION
                    : at_name(p, "subscription") ? GRAPHQL_SUBSCRIPTION
                                                 : GRAPHQL_QUERY;
  code = next(p);
  if (code == 0 && p->token.kind == GRAPHQL_TOKEN_NAME)
    code = take_name(p, "a name", &operation->name);
  if (code == 0 && at(p, "("))
    code = take_variables(p, operation);
  code = code ? code : take_directives(p, false, &operation->directives);
  return code ? code : take_selections(p, &operation->selections);
}

static int take_fragment(struct parser *p, struct graphql_fragment *fragment) {
  fragment->place = p->token.place;
  int code = next(p);
  if (code == 0 && at_name(p, "on"))
    return unexpected(p, "the fragment's name");
  code = code ? code : take_name(p, "the fragment's name", &fragment->name);
  if (code == 0 && !at_name(p, "on"))
    return unexpected(p, "'on' and a type");
  code = code ? code : next(p);
  code = code ? code : take_name(p, "a type", &fragment->type);
  code = code ? code : take_directives(p, false, &fragment->directives);
  return code ? code : take_selections(p, &fragment->selections);
}

static bool is_at_operation(const struct parser *p) {
  return at(p, "{") || at_name(p, "query") || at_name(p, "mutation") || at_name(p, "subscription");
}

static bool is_at_type_definition(const struct parser *p) {
  static const char *const words[] = {"schema",    "scalar", "type",  "interface", "union",
                                      "directive", "enum",   "input", "extend"};
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (at_name(p, words[i]))
      return true;
  return p->token.kind == GRAPHQL_TOKEN_STRING;
}

static int take_document(struct parser *p, struct graphql_document *document) {
  VEC(struct graphql_operation) operations = {0};
  VEC(struct graphql_fragment) fragments = {0};
  int code = next(p);
  while (code == 0 && p->token.kind != GRAPHQL_TOKEN_END) {
    if (is_at_operation(p)) {
      struct graphql_operation *operation = VEC_PUSH(p->arena, &operations);
      code = operation ? take_operation(p, operation) : err_no_memory(p->reterr);
    } else if (at_name(p, "fragment")) {
      struct graphql_fragment *fragment = VEC_PUSH(p->arena, &fragments);
      code = fragment ? take_fragment(p, fragment) : err_no_memory(p->reterr);
    } else if (is_at_type_definition(p)) {
      code = err_set(p->reterr, ERR_NOT_SUPPORTED, "", "A query holds no definitions of types.");
    } else {
      code = unexpected(p, "an operation or a fragment");
    }
  }
  document->operations = operations.p;
  document->operations_n = operations.n;
  document->fragments = fragments.p;
  document->fragments_n = fragments.n;
  if (code == 0 && operations.n == 0)
    return err_set(p->reterr, ERR_STRUCTURE, "", "The query has no operation.");
  return code;
}

int graphql_parse(struct arena *arena, struct str text, const struct graphql_limits *limits,
                  const struct graphql_document **ret_document, struct graphql_place *ret_place,
                  struct err *reterr) {
  *ret_place = (struct graphql_place){1, 1};
  if (text.n > limits->max_bytes || text.n > UINT32_MAX / 2)
    return err_set(reterr, ERR_TOO_LONG, "", "A query has at most %zu bytes.", limits->max_bytes);
  if (!str_is_utf8(text))
    return err_set(reterr, ERR_STRUCTURE, "", "The query is not UTF-8.");
  struct graphql_document *document = ARENA_NEW(arena, struct graphql_document);
  if (!document)
    return err_no_memory(reterr);
  struct parser parser = {
      .arena = arena, .lexer = graphql_lexer(arena, text), .limits = limits, .reterr = reterr};
  int code = take_document(&parser, document);
  if (code)
    *ret_place = parser.token.place;
  else
    *ret_document = document;
  return code;
}

const struct graphql_argument *graphql_argument(const struct graphql_argument *arguments, size_t n,
                                                struct str name) {
  for (size_t i = 0; i < n; i++)
    if (str_equal(arguments[i].name, name))
      return &arguments[i];
  return NULL;
}

const struct graphql_directive *graphql_directive(struct graphql_directives directives,
                                                  const char *name) {
  const struct graphql_directive *list = directives.p;
  for (size_t i = 0; i < directives.n; i++)
    if (str_is(directives.p[i].name, name))
      return &list[i];
  return NULL;
}
