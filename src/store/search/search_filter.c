/*
 * _filter: an expression over search parameters -> a tree of the same predicates that the other
 * parameters make, so that one planner serves both.
 *
 *   filter = term *( ( "and" / "or" ) term )          from left to right, none binds tighter
 *   term   = "not" "(" filter ")" / "(" filter ")" / path operator value
 *   path   = name [ "[" filter "]" ] [ "." path ]     a filter in brackets is on what is linked
 *   value  = JSON string / anything up to a space, or a ")" or "]" that closes what it did not open
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/search_filter.html.
 */
#include "store/search/search_filter.h"

#include "format/json.h"
#include "store/search/search_operand.h"

enum { NESTED_MAX = 32 }; /* parentheses one in another */

struct cursor {
  struct search_parser *parser;
  defs_type_id type;
  unsigned depth; /* of links, */
  unsigned nested;
  struct str text;
  size_t at;
};

/* ---- Words ----------------------------------------------------------------------------------- */

static const struct {
  const char *text;
  enum search_filter_operator operator;
} operators[] = {
    {"eq", SEARCH_FILTER_EQ}, {"ne", SEARCH_FILTER_NE}, {"co", SEARCH_FILTER_CO},
    {"sw", SEARCH_FILTER_SW}, {"ew", SEARCH_FILTER_EW}, {"gt", SEARCH_FILTER_GT},
    {"lt", SEARCH_FILTER_LT}, {"ge", SEARCH_FILTER_GE}, {"le", SEARCH_FILTER_LE},
    {"ap", SEARCH_FILTER_AP}, {"sa", SEARCH_FILTER_SA}, {"eb", SEARCH_FILTER_EB},
    {"pr", SEARCH_FILTER_PR}, {"po", SEARCH_FILTER_PO}, {"ss", SEARCH_FILTER_SS},
    {"sb", SEARCH_FILTER_SB}, {"in", SEARCH_FILTER_IN}, {"re", SEARCH_FILTER_RE},
};

static int expected(const struct cursor *c, const char *what, struct err *reterr) {
  return err_set(reterr, ERR_VALUE, "_filter", "expected %s at byte %zu", what, c->at);
}

static bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct cursor *c) {
  while (c->at < c->text.n && is_space(c->text.p[c->at]))
    c->at++;
}

static bool is_next(const struct cursor *c, char wanted) {
  return c->at < c->text.n && c->text.p[c->at] == wanted;
}

static bool take_char(struct cursor *c, char wanted) {
  skip_space(c);
  bool is = is_next(c, wanted);
  c->at += is;
  return is;
}

/* The word at hand, up to a space or a bracket. */
static struct str peek_word(struct cursor *c) {
  skip_space(c);
  size_t end = c->at;
  while (end < c->text.n && !is_space(c->text.p[end]) && !strchr("()[]\"", c->text.p[end]))
    end++;
  return str_slice(c->text, c->at, end - c->at);
}

static bool take_word(struct cursor *c, const char *word) {
  struct str next = peek_word(c);
  bool is = str_is(next, word);
  c->at += is ? next.n : 0;
  return is;
}

/* Behind the string that begins at `at` with a quotation mark; 0 when it does not end. */
static size_t string_end(struct str text, size_t at) {
  for (size_t i = at + 1; i < text.n; i++) {
    if (text.p[i] == '\\')
      i++;
    else if (text.p[i] == '"')
      return i + 1;
  }
  return 0;
}

/* Behind the bracket that closes the one at `at`; 0 when none does. */
static size_t bracket_end(struct str text, size_t at) {
  size_t open = 0;
  for (size_t i = at; i < text.n; i++) {
    if (text.p[i] == '"') {
      i = string_end(text, i);
      if (i == 0)
        return 0;
      i--;
    } else if (text.p[i] == '[') {
      open++;
    } else if (text.p[i] == ']' && --open == 0) {
      return i + 1;
    }
  }
  return 0;
}

struct str search_filter_bracket(struct str path, size_t at) {
  size_t end = bracket_end(path, at);
  return end ? str_slice(path, at + 1, end - at - 2) : STR_NULL;
}

static int take_path(struct cursor *c, struct str *ret_path, struct err *reterr) {
  skip_space(c);
  size_t from = c->at;
  while (c->at < c->text.n && !is_space(c->text.p[c->at]) && !strchr("()]\"", c->text.p[c->at])) {
    size_t end = is_next(c, '[') ? bracket_end(c->text, c->at) : c->at + 1;
    if (end == 0)
      return expected(c, "a ']' for the bracket", reterr);
    c->at = end;
  }
  *ret_path = str_slice(c->text, from, c->at - from);
  return ret_path->n ? 0 : expected(c, "a parameter", reterr);
}

static int take_operator(struct cursor *c, enum search_filter_operator *ret_operator,
                         struct err *reterr) {
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
    if (take_word(c, operators[i].text)) {
      *ret_operator = operators[i].operator;
      return 0;
    }
  return expected(c,
                  "an operator (eq, ne, co, sw, ew, gt, lt, ge, le, ap, sa, eb, pr, po, ss, sb, "
                  "in or re)",
                  reterr);
}

static int take_string(struct cursor *c, struct str *ret_value, struct err *reterr) {
  const struct yyjson_val *value;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  size_t end = string_end(c->text, c->at);
  struct err err;
  if (end == 0)
    return expected(c, "the end of the string", reterr);
  struct str array =
      arena_printf(c->parser->arena, "[%.*s]", STR_ARG(str_slice(c->text, c->at, end - c->at)));
  if (!array.p)
    return err_no_memory(reterr);
  if (json_parse(c->parser->arena, array, &limits, &value, &err))
    return expected(c, "a JSON string", reterr);
  struct json_each each = json_each(value);
  if (!json_next(&each))
    return expected(c, "a JSON string", reterr);
  *ret_value = json_text(each.value);
  c->at = end;
  return 0;
}

static int take_value(struct cursor *c, struct str *ret_value, struct err *reterr) {
  skip_space(c);
  if (is_next(c, '"'))
    return take_string(c, ret_value, reterr);
  size_t from = c->at, open = 0; /* a unit has brackets of its own: mm[Hg] */
  for (; c->at < c->text.n && !is_space(c->text.p[c->at]); c->at++) {
    char next = c->text.p[c->at];
    if ((next == ')' || next == ']') && open-- == 0)
      break;
    open += next == '(' || next == '[';
  }
  *ret_value = str_slice(c->text, from, c->at - from);
  return ret_value->n ? 0 : expected(c, "a value", reterr);
}

/* ---- Expressions ----------------------------------------------------------------------------- */

static int parse_filter(struct cursor *c, struct search_predicate *ret_predicate,
                        struct err *reterr);

static int parse_test(struct cursor *c, struct search_predicate *ret_predicate,
                      struct err *reterr) {
  struct search_parser *parser = c->parser;
  struct search_filter_test outer = parser->filter, test = {0};
  struct str path = STR("");
  int code = take_path(c, &path, reterr);
  if (code == 0)
    code = take_operator(c, &test.operator, reterr);
  if (code == 0)
    code = take_value(c, &test.value, reterr);
  if (code)
    return code;
  parser->filter = test;
  code =
      search_parse_predicate_at(parser, c->type, path, test.value, c->depth, ret_predicate, reterr);
  parser->filter = outer;
  return code;
}

static int parse_nested(struct cursor *c, struct search_predicate *ret_predicate,
                        struct err *reterr) {
  if (++c->nested > NESTED_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "_filter", "has more than %d parentheses in another",
                   NESTED_MAX);
  int code = parse_filter(c, ret_predicate, reterr);
  c->nested--;
  if (code == 0 && !take_char(c, ')'))
    return expected(c, "')'", reterr);
  return code;
}

static int parse_term(struct cursor *c, struct search_predicate *ret_predicate,
                      struct err *reterr) {
  if (take_char(c, '('))
    return parse_nested(c, ret_predicate, reterr);
  size_t before = c->at;
  if (!take_word(c, "not") || !take_char(c, '(')) {
    c->at = before; /* a parameter may be called "not" */
    return parse_test(c, ret_predicate, reterr);
  }
  struct search_predicate *inner = ARENA_NEW(c->parser->arena, struct search_predicate);
  if (!inner)
    return err_no_memory(reterr);
  int code = parse_nested(c, inner, reterr);
  if (code)
    return code;
  if (inner->subject == SEARCH_ON_PARAM && inner->value_type == SEARCH_TOKEN &&
      inner->modifier == SEARCH_PLAIN) { /* that is :not, which the planner knows more of */
    *ret_predicate = *inner;
    ret_predicate->modifier = SEARCH_NOT;
    return 0;
  }
  *ret_predicate =
      (struct search_predicate){.subject = SEARCH_ON_NOT, .targets = inner, .targets_n = 1};
  return 0;
}

/* left and right; a further one of the same kind joins the list. */
static int join(struct cursor *c, enum search_subject subject, struct search_predicate *left,
                const struct search_predicate *right, struct err *reterr) {
  struct search_predicate *both;
  size_t n = left->subject == subject && left->is_open ? left->targets_n : 1;
  both = ARENA_ARRAY(c->parser->arena, struct search_predicate, n + 1);
  if (!both)
    return err_no_memory(reterr);
  if (left->subject == subject && left->is_open)
    memcpy(both, left->targets, n * sizeof *both);
  else
    both[0] = *left;
  both[n] = *right;
  *left = (struct search_predicate){
      .subject = subject, .targets = both, .targets_n = n + 1, .is_open = true};
  return 0;
}

static int parse_filter(struct cursor *c, struct search_predicate *ret_predicate,
                        struct err *reterr) {
  struct search_predicate left, right;
  int code = parse_term(c, &left, reterr);
  while (code == 0) {
    bool is_and = take_word(c, "and");
    if (!is_and && !take_word(c, "or"))
      break;
    code = parse_term(c, &right, reterr);
    if (code == 0)
      code = join(c, is_and ? SEARCH_ON_ALL : SEARCH_ON_ANY, &left, &right, reterr);
  }
  if (code == 0) {
    left.is_open = false; /* what follows a parenthesis does not join what is in it */
    *ret_predicate = left;
  }
  return code;
}

int search_filter_parse(struct search_parser *parser, defs_type_id type, struct str text,
                        unsigned depth, struct search_predicate *ret_predicate,
                        struct err *reterr) {
  struct cursor c = {.parser = parser, .type = type, .depth = depth, .text = text};
  int code = parse_filter(&c, ret_predicate, reterr);
  skip_space(&c);
  if (code == 0 && c.at < text.n)
    return expected(&c, "'and', 'or' or the end", reterr);
  if (code == 0 && defs_is_resource(defs_type(type)))
    ret_predicate->type = type; /* "not" of it is about this type alone */
  return code;
}

/* ---- Operators ------------------------------------------------------------------------------- */

static bool is_ordered(enum search_type type) {
  return type == SEARCH_DATE || type == SEARCH_NUMBER || type == SEARCH_QUANTITY;
}

/* The modifier that does what the operator says on a parameter of this type; false: none does. */
static bool modifier_of(enum search_filter_operator operator, enum search_type type,
                        enum search_modifier *ret_modifier) {
  bool is_text = type == SEARCH_STRING || type == SEARCH_URI || type == SEARCH_TOKEN;
  *ret_modifier = SEARCH_PLAIN;
  switch (operator) {
  case SEARCH_FILTER_EQ:
    *ret_modifier = type == SEARCH_STRING ? SEARCH_EQUALS : SEARCH_PLAIN;
    return type != SEARCH_SPECIAL;
  case SEARCH_FILTER_NE:
    *ret_modifier = is_ordered(type) ? SEARCH_PLAIN : SEARCH_UNEQUAL;
    return type != SEARCH_COMPOSITE && type != SEARCH_SPECIAL;
  case SEARCH_FILTER_CO:
    *ret_modifier = SEARCH_CONTAINS;
    return is_text;
  case SEARCH_FILTER_SW:
    *ret_modifier = SEARCH_BEGINS;
    return is_text;
  case SEARCH_FILTER_EW:
    *ret_modifier = SEARCH_ENDS;
    return is_text;
  case SEARCH_FILTER_PR:
    *ret_modifier = SEARCH_MISSING;
    return true;
  case SEARCH_FILTER_PO:
    return type == SEARCH_DATE;
  case SEARCH_FILTER_SS:
  case SEARCH_FILTER_SB:
    *ret_modifier = operator== SEARCH_FILTER_SS ? SEARCH_BELOW : SEARCH_ABOVE;
    return type == SEARCH_TOKEN || type == SEARCH_URI;
  case SEARCH_FILTER_IN:
    *ret_modifier = SEARCH_IN;
    return type == SEARCH_TOKEN;
  case SEARCH_FILTER_RE:
    return type == SEARCH_REFERENCE;
  default:
    return is_ordered(type);
  }
}

static const char *text_of(enum search_filter_operator operator) {
  for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
    if (operators[i].operator== operator)
      return operators[i].text;
  return "eq";
}

/* A value is one value here: its commas do not separate. */
static struct str one_value(struct arena *arena, const char *prefix, struct str value) {
  struct buf buf;
  buf_init_arena(&buf, arena, value.n * 2 + 3);
  buf_add_z(&buf, prefix);
  for (size_t i = 0; i < value.n; i++) {
    if (value.p[i] == ',')
      buf_add_char(&buf, '\\');
    if (value.p[i] == '\\' && i + 1 < value.n)
      buf_add_char(&buf, value.p[i++]);
    buf_add_char(&buf, value.p[i]);
  }
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

int search_filter_operands(struct search_parser *parser, struct search_predicate *predicate,
                           struct str name, struct str reference_type, struct err *reterr) {
  struct search_filter_test test = parser->filter;
  enum search_type type = predicate->value_type;
  enum search_modifier modifier;
  bool is_plain = predicate->modifier == SEARCH_PLAIN;
  if (!modifier_of(test.operator, type, &modifier) ||
      (!is_plain && test.operator!= SEARCH_FILTER_EQ) ||
      (predicate->subject == SEARCH_ON_ID && test.operator!= SEARCH_FILTER_EQ &&
                                             modifier != SEARCH_MISSING))
    return err_set_at(reterr, ERR_NOT_SUPPORTED, name, "'%s' can't be asked of this parameter",
                      text_of(test.operator));
  if (is_plain)
    predicate->modifier = modifier;
  struct str value = test.value;
  if (modifier == SEARCH_MISSING && is_plain)
    value = str_is(value, "true") ? STR("false") : str_is(value, "false") ? STR("true") : value;
  else
    value = one_value(
        parser->arena,
        is_ordered(type) && test.operator!= SEARCH_FILTER_PO ? text_of(test.operator) : "", value);
  if (!value.p)
    return err_no_memory(reterr);
  int code = search_operands_parse(parser, predicate, name, value, reference_type, reterr);
  if (code == 0 && test.operator== SEARCH_FILTER_PO) {
    struct search_operand *o = ARENA_NEW(parser->arena, struct search_operand);
    if (!o)
      return err_no_memory(reterr);
    *o = predicate->operands[0];
    o->prefix = SEARCH_AP; /* two periods that overlap; nothing was widened */
    predicate->operands = o;
  }
  return code;
}
