#include "store/search/search_operand.h"
#include "store/search/search_near.h"
#include "store/search/search_terminology.h"

#include "base/clock.h"
#include "base/id.h"

#include <math.h>

bool search_split_escaped(struct str *rest, char separator, struct str *ret_part) {
  if (!rest->p)
    return false;
  for (size_t i = 0; i < rest->n; i++) {
    if (rest->p[i] == '\\') {
      i++;
      continue;
    }
    if (rest->p[i] == separator) {
      *ret_part = str_slice(*rest, 0, i);
      *rest = str_n(rest->p + i + 1, rest->n - i - 1);
      return true;
    }
  }
  *ret_part = *rest;
  *rest = STR_NULL;
  return true;
}

struct str search_unescape(struct arena *arena, struct str s) {
  if (s.n == 0)
    return STR("");
  if (str_find_char(s, '\\', 0) < 0)
    return s;
  char *p = arena_alloc(arena, s.n);
  if (!p)
    return STR_NULL;
  size_t n = 0;
  for (size_t i = 0; i < s.n; i++) {
    if (s.p[i] == '\\' && i + 1 < s.n && strchr("\\,|$", s.p[i + 1]))
      i++;
    p[n++] = s.p[i];
  }
  return str_n(p, n);
}

static const struct {
  char text[3];
  enum search_prefix prefix;
} prefixes[] = {{"eq", SEARCH_EQ}, {"ne", SEARCH_NE}, {"gt", SEARCH_GT},
                {"lt", SEARCH_LT}, {"ge", SEARCH_GE}, {"le", SEARCH_LE},
                {"sa", SEARCH_SA}, {"eb", SEARCH_EB}, {"ap", SEARCH_AP}};

static enum search_prefix take_prefix(struct str *s) {
  for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
    if (str_starts_with(*s, str_of(prefixes[i].text))) {
      *s = str_slice(*s, 2, s->n);
      return prefixes[i].prefix;
    }
  return SEARCH_EQ;
}

/* What one value is parsed with. */
struct operand_context {
  struct arena *arena;
  struct str name; /* of the parameter, for errors */
  enum search_type type;
  enum search_modifier modifier;
  defs_param_id param;
  struct str reference_type, base_url;
};

/* ap: 10 % of the gap between the value and now, on both sides. */
static void widen_date(struct search_operand *o) {
  int64_t gap = clock_now_us() - o->from_us;
  int64_t margin = (gap < 0 ? -gap : gap) / 10;
  o->from_us -= margin;
  o->to_us += margin;
}

/* ap: 10 % of the value on both sides, at the least what the precision implies. */
static void widen_number(struct search_operand *o) {
  double margin = fabs(o->exact) / 10;
  o->from = fmin(o->from, o->exact - margin);
  o->to = fmax(o->to, o->exact + margin);
}

static int parse_date(const struct operand_context *c, struct str s, struct search_operand *o,
                      struct err *reterr) {
  o->prefix = take_prefix(&s);
  if (search_normal_date(s, &o->from_us, &o->to_us)) {
    if (o->prefix == SEARCH_AP)
      widen_date(o);
    return 0;
  }
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected a date such as 2013, 2013-01, 2013-01-14 or 2013-01-14T10:00:00Z "
                    "(a '+' in the zone is written %%2B), with an optional prefix eq, ne, gt, lt, "
                    "ge, le, sa, eb or ap");
}

static bool parse_number_text(struct str s, struct search_operand *o) {
  if (!search_normal_number(s, &o->from, &o->to) || !str_to_double(s, &o->exact))
    return false;
  if (o->prefix == SEARCH_AP)
    widen_number(o);
  return true;
}

static int parse_number(const struct operand_context *c, struct str s, struct search_operand *o,
                        struct err *reterr) {
  o->prefix = take_prefix(&s);
  if (parse_number_text(s, o))
    return 0;
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected a number such as 100, 5.40 or 1e2, with an optional prefix eq, ne, "
                    "gt, lt, ge, le, sa, eb or ap");
}

size_t search_split_bars(struct arena *arena, struct str s, struct str *parts, size_t max) {
  size_t n = 0;
  struct str rest = s, part;
  while (search_split_escaped(&rest, '|', &part)) {
    if (n == max)
      return max + 1;
    parts[n++] = search_unescape(arena, part);
  }
  return n;
}

static int parse_quantity(const struct operand_context *c, struct str s, struct search_operand *o,
                          struct err *reterr) {
  o->prefix = take_prefix(&s);
  struct str parts[3];
  size_t n = search_split_bars(c->arena, s, parts, 3);
  if ((n == 1 || n == 3) && parse_number_text(parts[0], o)) {
    o->has_system = n == 3 && parts[1].n > 0;
    o->system = n == 3 ? parts[1] : STR("");
    o->code = n == 3 ? parts[2] : STR("");
    o->text = parts[0];
    if (!o->has_system || o->code.n > 0)
      return 0;
  }
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected NUMBER, NUMBER|SYSTEM|CODE or NUMBER||CODE, such as "
                    "5.4|http://unitsofmeasure.org|mg, with an optional prefix eq, ne, gt, lt, ge, "
                    "le, sa, eb or ap");
}

static int parse_token(const struct operand_context *c, struct str s, struct search_operand *o,
                       struct err *reterr) {
  struct str parts[2];
  size_t n = search_split_bars(c->arena, s, parts, 2);
  if (n == 1 && parts[0].n > 0) {
    o->code = parts[0];
    return 0;
  }
  if (n == 2 && parts[0].n + parts[1].n > 0) {
    o->has_system = true;
    o->system = parts[0];
    o->code = parts[1];
    return 0;
  }
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected CODE, SYSTEM|CODE, |CODE (without a system) or SYSTEM| (any code)");
}

static int parse_string(const struct operand_context *c, struct str s, struct search_operand *o,
                        struct err *reterr) {
  o->text = search_unescape(c->arena, s);
  o->folded = search_normal_string(c->arena, o->text);
  if (o->text.n > 0 && (o->folded.n > 0 || c->modifier == SEARCH_EXACT))
    return 0;
  return err_set_at(reterr, ERR_VALUE, c->name, "expected a text with a letter or a digit in it");
}

static int parse_uri(const struct operand_context *c, struct str s, struct search_operand *o,
                     struct err *reterr) {
  o->text = search_unescape(c->arena, s);
  if (o->text.n > 0)
    return 0;
  return err_set_at(reterr, ERR_VALUE, c->name, "expected a URI");
}

static int parse_reference(const struct operand_context *c, struct str s, struct search_operand *o,
                           struct err *reterr) {
  struct str text = search_unescape(c->arena, s);
  if (c->reference_type.n > 0 && id_is_fhir_id(text)) {
    o->type = c->reference_type;
    o->id = text;
    return 0;
  }
  if (id_is_fhir_id(text)) {
    o->id = text;
    return 0;
  }
  struct search_reference reference = search_normal_reference(text, c->base_url);
  if (reference.type.n > 0 && reference.id.n > 0) {
    if (c->reference_type.n > 0 && !str_equal(c->reference_type, reference.type))
      return err_set_at(reterr, ERR_VALUE, c->name,
                        "the modifier says %.*s, the value another type",
                        STR_ARG(c->reference_type));
    if (!defs_type_by_name(reference.type))
      return err_set_at(reterr, ERR_VALUE, c->name, "there is no resource type of that name");
    o->type = reference.type;
    o->id = reference.id;
    return 0;
  }
  o->url = reference.url;
  if (o->url.n > 0 && str_find_char(o->url, ':', 0) > 0)
    return 0;
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected a reference: ID, TYPE/ID or an absolute URL");
}

static int parse_value_set(const struct operand_context *c, struct str s, struct search_operand *o,
                           struct err *reterr) {
  o->text = search_unescape(c->arena, s);
  if (str_find_char(o->text, ':', 0) > 0 || str_starts_with(o->text, STR("ValueSet/")))
    return 0;
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected the canonical URL of a value set, or ValueSet/ID");
}

static int parse_of_type(const struct operand_context *c, struct str s, struct search_operand *o,
                         struct err *reterr) {
  struct str parts[3];
  if (search_split_bars(c->arena, s, parts, 3) == 3 && parts[0].n > 0 && parts[1].n > 0 &&
      parts[2].n > 0) {
    o->has_system = true;
    o->system = parts[0];
    o->code = parts[1];
    o->text = parts[2];
    return 0;
  }
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected SYSTEM|CODE|VALUE: a coding of the identifier's type, and its value");
}

/* :above and :below: which system's hierarchy must be said. */
static int parse_concept(const struct operand_context *c, struct str s, struct search_operand *o,
                         struct err *reterr) {
  int code = parse_token(c, s, o, reterr);
  if (code || (o->system.n > 0 && o->code.n > 0))
    return code;
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected SYSTEM|CODE: the hierarchy is that of the code system");
}

/* :above and :below lead along a reference that resources of one type have to each other. */
static int parse_hierarchical(const struct operand_context *c, struct str s,
                              struct search_operand *o, struct err *reterr) {
  const struct defs_param *param = defs_param(c->param);
  int code = parse_reference(c, s, o, reterr);
  bool has_hierarchy = false;
  for (uint32_t i = 0; i < param->targets_n && code == 0; i++) {
    defs_type_id target = defs_target(param->first_target + i);
    has_hierarchy |= (o->type.n == 0 || str_equal(defs_type(target)->name, o->type)) &&
                     search_hierarchy_param(target) != 0;
  }
  if (code || (has_hierarchy && o->id.n > 0))
    return code;
  return err_set_at(reterr, ERR_NOT_SUPPORTED, c->name,
                    "leads to no local resource of a type whose resources are part of each other, "
                    "such as Location or Organization");
}

static int parse_plain(const struct operand_context *c, struct str s, struct search_operand *o,
                       struct err *reterr) {
  switch (c->type) {
  case SEARCH_DATE:
    return parse_date(c, search_unescape(c->arena, s), o, reterr);
  case SEARCH_NUMBER:
    return parse_number(c, search_unescape(c->arena, s), o, reterr);
  case SEARCH_QUANTITY:
    return parse_quantity(c, s, o, reterr);
  case SEARCH_TOKEN:
    return parse_token(c, s, o, reterr);
  case SEARCH_STRING:
    return parse_string(c, s, o, reterr);
  case SEARCH_URI:
    return parse_uri(c, s, o, reterr);
  case SEARCH_REFERENCE:
    return parse_reference(c, s, o, reterr);
  case SEARCH_SPECIAL:
    return search_near_parse(c->arena, s, c->name, o, reterr);
  case SEARCH_COMPOSITE:
    break;
  }
  return err_set_at(reterr, ERR_NOT_SUPPORTED, c->name,
                    "a parameter of this kind can't be searched for here");
}

static int parse_composite(const struct operand_context *c, struct str s, struct search_operand *o,
                           struct err *reterr) {
  const struct defs_param *param = defs_param(c->param);
  struct search_operand *parts = ARENA_ARRAY(c->arena, struct search_operand, param->components_n);
  if (!parts)
    return err_no_memory(reterr);
  struct str rest = s, part;
  size_t n = 0;
  while (search_split_escaped(&rest, '$', &part)) {
    if (n == param->components_n) {
      n++;
      break;
    }
    const struct defs_component *component = defs_component(param->first_component + (uint32_t)n);
    struct operand_context inner = *c;
    inner.param = component->param;
    inner.type = defs_param(component->param)->type;
    int code = parse_plain(&inner, part, &parts[n], reterr);
    if (code)
      return code;
    n++;
  }
  if (n != param->components_n)
    return err_set_at(reterr, ERR_VALUE, c->name, "expected %u values with a $ between them",
                      param->components_n);
  o->parts = parts;
  o->parts_n = n;
  return 0;
}

static int parse_operand(const struct operand_context *c, struct str s, struct search_operand *o,
                         struct err *reterr) {
  switch (c->modifier) {
  case SEARCH_IDENTIFIER:
    return parse_token(c, s, o, reterr);
  case SEARCH_TEXT:
    return parse_string(c, s, o, reterr);
  case SEARCH_CONTAINS:
  case SEARCH_BEGINS:
  case SEARCH_ENDS:
    return c->type == SEARCH_TOKEN ? parse_string(c, s, o, reterr) : parse_plain(c, s, o, reterr);
  case SEARCH_IN:
  case SEARCH_NOT_IN:
    return parse_value_set(c, s, o, reterr);
  case SEARCH_OF_TYPE:
    return parse_of_type(c, s, o, reterr);
  case SEARCH_ABOVE:
  case SEARCH_BELOW:
    if (c->type == SEARCH_TOKEN)
      return parse_concept(c, s, o, reterr);
    return c->type == SEARCH_REFERENCE ? parse_hierarchical(c, s, o, reterr)
                                       : parse_plain(c, s, o, reterr);
  default:
    return c->type == SEARCH_COMPOSITE ? parse_composite(c, s, o, reterr)
                                       : parse_plain(c, s, o, reterr);
  }
}

static int parse_id(const struct operand_context *c, struct str s, struct search_operand *o,
                    struct err *reterr) {
  o->id = s;
  if (id_is_fhir_id(s))
    return 0;
  return err_set_at(reterr, ERR_VALUE, c->name,
                    "expected an id: 1 to 64 letters, digits, '-' and '.'");
}

static int parse_missing(struct search_predicate *p, struct str name, struct str value,
                         struct err *reterr) {
  p->is_missing = str_is(value, "true");
  if (p->is_missing || str_is(value, "false"))
    return 0;
  return err_set_at(reterr, ERR_VALUE, name, "expected true or false");
}

int search_operands_parse(const struct search_parser *parser, struct search_predicate *predicate,
                          struct str name, struct str value, struct str reference_type,
                          struct err *reterr) {
  struct arena *arena = parser->arena;
  size_t operands_max = parser->search->limits.operands;
  if (predicate->modifier == SEARCH_MISSING)
    return parse_missing(predicate, name, value, reterr);
  if (value.n == 0)
    return err_set_at(reterr, ERR_VALUE, name, "has no value; leave it out or give it one");
  struct operand_context context = {.arena = arena,
                                    .name = name,
                                    .type = predicate->value_type,
                                    .modifier = predicate->modifier,
                                    .param = predicate->param,
                                    .reference_type = reference_type,
                                    .base_url = parser->options->base_url};
  VEC(struct search_operand) operands = {0};
  struct str rest = value, part;
  while (search_split_escaped(&rest, ',', &part)) {
    if (operands.n == operands_max)
      return err_set_at(reterr, ERR_TOO_LONG, name, "has more than %zu values", operands_max);
    struct search_operand *operand = VEC_PUSH(arena, &operands);
    if (!operand)
      return err_no_memory(reterr);
    int code = predicate->subject == SEARCH_ON_ID ? parse_id(&context, part, operand, reterr)
                                                  : parse_operand(&context, part, operand, reterr);
    if (code)
      return code;
  }
  predicate->operands = operands.p;
  predicate->operands_n = operands.n;
  return arena_is_exhausted(arena) ? err_no_memory(reterr) : 0;
}
