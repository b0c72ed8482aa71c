/*
 * The names of conditions: parameter, modifier, chain, _has.
 *
 *   name       = code [":" modifier] ["." name]          a "." makes it a chain
 *              | "_has:" type ":" code ":" name
 */
#include "model/parameters.h"
#include "model/search_values_union.h"
#include "store/search/search_filter.h"
#include "store/search/search_operand.h"
#include "store/search/search_parser.h"
#include "store/search/search_text.h"

static const struct {
  const char *text;
  enum search_modifier modifier;
  unsigned types; /* bit per enum search_type */
} modifiers[] = {
    {"missing", SEARCH_MISSING, ~0u},
    {"exact", SEARCH_EXACT, 1u << SEARCH_STRING | 1u << SEARCH_URI},
    {"contains", SEARCH_CONTAINS, 1u << SEARCH_STRING | 1u << SEARCH_URI},
    {"text", SEARCH_TEXT, 1u << SEARCH_TOKEN},
    {"not", SEARCH_NOT, 1u << SEARCH_TOKEN},
    {"in", SEARCH_IN, 1u << SEARCH_TOKEN},
    {"not-in", SEARCH_NOT_IN, 1u << SEARCH_TOKEN},
    {"identifier", SEARCH_IDENTIFIER, 1u << SEARCH_REFERENCE},
    {"of-type", SEARCH_OF_TYPE, 1u << SEARCH_TOKEN},
    {"above", SEARCH_ABOVE, 1u << SEARCH_URI | 1u << SEARCH_TOKEN | 1u << SEARCH_REFERENCE},
    {"below", SEARCH_BELOW, 1u << SEARCH_URI | 1u << SEARCH_TOKEN | 1u << SEARCH_REFERENCE},
};

const char *const *search_modifiers(enum search_type type) {
  static const char *const of_string[] = {"missing", "exact", "contains", NULL};
  static const char *const of_token[] = {"missing", "text",  "not",     "in", "not-in",
                                         "above",   "below", "of-type", NULL};
  static const char *const of_reference[] = {"missing", "identifier", "[type]",
                                             "above",   "below",      NULL};
  static const char *const of_uri[] = {"missing", "exact", "contains", "above", "below", NULL};
  static const char *const of_others[] = {"missing", NULL};
  switch (type) {
  case SEARCH_STRING:
    return of_string;
  case SEARCH_TOKEN:
    return of_token;
  case SEARCH_REFERENCE:
    return of_reference;
  case SEARCH_URI:
    return of_uri;
  default:
    return of_others;
  }
}

/* One level of a name, taken apart. */
struct link {
  struct str whole;    /* for errors */
  struct str code;     /* "subject" */
  struct str modifier; /* "Patient", or empty */
  struct str rest;     /* "name:exact" behind the dot */
  struct str filter;   /* of _filter: what stands in brackets; `.p` NULL when nothing does */
  bool is_chain;
};

static size_t find_any(struct str name, const char *stops, size_t from) {
  while (from < name.n && !(name.p[from] && strchr(stops, name.p[from])))
    from++;
  return from;
}

static struct link take_link(struct str name) {
  struct link link = {.whole = name};
  size_t end = find_any(name, ":.[", 0);
  link.code = str_slice(name, 0, end);
  if (end < name.n && name.p[end] == ':') {
    size_t from = ++end;
    end = find_any(name, ".[", from);
    link.modifier = str_slice(name, from, end - from);
  }
  if (end < name.n && name.p[end] == '[') {
    link.filter = search_filter_bracket(name, end);
    end += link.filter.p ? link.filter.n + 2 : 0;
  }
  if (end < name.n) {
    link.is_chain = true;
    link.rest = str_slice(name, end + 1, name.n);
  }
  return link;
}

defs_type_id search_resource_type(struct str name) {
  defs_type_id type = defs_type_by_name(name);
  return type && defs_is_resource(defs_type(type)) ? type : 0;
}

static bool is_target(const struct defs_param *param, defs_type_id type) {
  for (uint32_t i = 0; i < param->targets_n; i++)
    if (defs_target(param->first_target + i) == type)
      return true;
  return param->targets_n == 0;
}

static int count_predicate(struct search_parser *parser, struct str name, struct err *reterr) {
  if (++parser->predicates_n <= parser->search->limits.predicates)
    return 0;
  return err_set_at(reterr, ERR_TOO_COSTLY, name,
                    "leads to too many kinds of resources; say which, as in subject:Patient.name");
}

/* What is behind the dot, and in _filter what stands in the brackets before it. */
static int parse_target(struct search_parser *parser, const struct link *link, defs_type_id type,
                        struct str value, unsigned depth, struct search_predicate *ret_predicate,
                        struct err *reterr) {
  if (!link->filter.p)
    return search_parse_predicate_at(parser, type, link->rest, value, depth, ret_predicate, reterr);
  struct search_predicate *both = ARENA_ARRAY(parser->arena, struct search_predicate, 2);
  if (!both)
    return err_no_memory(reterr);
  *ret_predicate = (struct search_predicate){
      .subject = SEARCH_ON_ALL, .type = type, .targets = both, .targets_n = 2};
  int code = search_filter_parse(parser, type, link->filter, depth, &both[0], reterr);
  return code ? code
              : search_parse_predicate_at(parser, type, link->rest, value, depth, &both[1], reterr);
}

/* One target predicate per type that has the parameter behind the dot and can take the value. */
static int parse_chain_targets(struct search_parser *parser, const struct link *link,
                               defs_type_id only, struct str value, unsigned depth,
                               struct search_predicate *p, struct err *reterr) {
  const struct defs_param *param = defs_param(p->param);
  VEC(struct search_predicate) targets = {0};
  struct err first = {0};
  for (size_t i = 1; i <= defs_types_count(); i++) {
    defs_type_id type = (defs_type_id)i;
    if ((only && type != only) || !defs_is_resource(defs_type(type)) || !is_target(param, type))
      continue;
    struct search_predicate target;
    struct err err = {0};
    int code = parse_target(parser, link, type, value, depth + 1, &target, &err);
    if (code == ERR_NO_MEMORY || code == ERR_TOO_COSTLY || code == ERR_BUSY) {
      *reterr = err;
      return code;
    }
    if (code) {
      /* "not a date" says more than "has no such parameter" of some other type */
      if (!first.code || (first.code == ERR_NOT_SUPPORTED && code != ERR_NOT_SUPPORTED))
        first = err;
      continue;
    }
    struct search_predicate *place = VEC_PUSH(parser->arena, &targets);
    if (!place)
      return err_no_memory(reterr);
    *place = target;
  }
  if (targets.n == 0 && first.code) {
    *reterr = first;
    return (int)first.code;
  }
  if (targets.n == 0)
    return err_set_at(reterr, ERR_VALUE, link->whole, "leads to no resource type");
  p->targets = targets.p;
  p->targets_n = targets.n;
  return 0;
}

static int parse_chain(struct search_parser *parser, const struct link *link, struct str value,
                       unsigned depth, struct search_predicate *p, struct err *reterr) {
  if (p->value_type != SEARCH_REFERENCE)
    return err_set_at(reterr, ERR_NOT_SUPPORTED, link->whole,
                      "'%.*s' is not a reference, nothing can follow its dot", STR_ARG(link->code));
  defs_type_id only = 0;
  if (link->modifier.n > 0) {
    only = search_resource_type(link->modifier);
    if (!only || !is_target(defs_param(p->param), only))
      return err_set_at(reterr, ERR_NOT_SUPPORTED, link->whole, "'%.*s' can't refer to such a type",
                        STR_ARG(link->code));
  }
  p->subject = SEARCH_ON_CHAIN;
  return parse_chain_targets(parser, link, only, value, depth, p, reterr);
}

/* `name` behind "_has:": type ":" code ":" name. */
static int parse_has(struct search_parser *parser, defs_type_id type, struct str whole,
                     struct str value, unsigned depth, struct search_predicate *p,
                     struct err *reterr) {
  struct str rest = str_slice(whole, sizeof "_has:" - 1, whole.n), source_name, code;
  if (!str_split(&rest, ':', &source_name) || !str_split(&rest, ':', &code) || rest.n == 0)
    return err_set_at(reterr, ERR_VALUE, whole,
                      "expected _has:TYPE:REFERENCE:PARAMETER, such as "
                      "_has:Observation:patient:code");
  defs_type_id source = search_resource_type(source_name);
  if (!source)
    return err_set_at(reterr, ERR_NOT_SUPPORTED, whole, "'%.*s' is not a resource type",
                      STR_ARG(str_slice(source_name, 0, 64)));
  defs_param_id param = defs_param_by_code(source, code);
  if (!param)
    return search_unknown(reterr, source, code, false);
  bool is_any = defs_type(type)->builtin == DEFS_RESOURCE;
  if (defs_param(param)->type != SEARCH_REFERENCE ||
      (!is_any && !is_target(defs_param(param), type)))
    return err_set_at(reterr, ERR_NOT_SUPPORTED, whole, "'%.*s' of %.*s does not refer to %.*s",
                      STR_ARG(code), STR_ARG(source_name), STR_ARG(defs_type(type)->name));
  struct search_predicate *target = ARENA_NEW(parser->arena, struct search_predicate);
  if (!target)
    return err_no_memory(reterr);
  *p = (struct search_predicate){.subject = SEARCH_ON_HAS,
                                 .type = is_any ? 0 : type,
                                 .param = param,
                                 .value_type = SEARCH_REFERENCE,
                                 .name = whole,
                                 .value = value,
                                 .targets = target,
                                 .targets_n = 1};
  return search_parse_predicate_at(parser, source, rest, value, depth + 1, target, reterr);
}

/* Members of a List are what it refers to as its items. */
static int parse_list(struct search_parser *parser, defs_type_id type, struct str value,
                      unsigned depth, struct search_predicate *ret_predicate, struct err *reterr) {
  if (str_starts_with(value, STR("$")))
    return err_set(reterr, ERR_NOT_SUPPORTED, "_list",
                   "lists that a server makes up ('%.*s') are not supported; name a List by its id",
                   STR_ARG(str_slice(value, 0, 40)));
  if (str_starts_with(value, STR("List/")))
    value = str_slice(value, sizeof "List/" - 1, value.n);
  return search_parse_predicate_at(parser, type, STR("_has:List:item:_id"), value, depth,
                                   ret_predicate, reterr);
}

static int set_modifier(const struct link *link, struct search_predicate *p,
                        struct str *ret_reference_type, struct err *reterr) {
  *ret_reference_type = STR("");
  if (link->modifier.n == 0)
    return 0;
  for (size_t i = 0; i < sizeof modifiers / sizeof modifiers[0]; i++)
    if (str_is(link->modifier, modifiers[i].text) && (modifiers[i].types >> p->value_type & 1) &&
        (p->subject == SEARCH_ON_PARAM || modifiers[i].modifier == SEARCH_MISSING)) {
      p->modifier = modifiers[i].modifier;
      return 0;
    }
  defs_type_id type = p->value_type == SEARCH_REFERENCE ? search_resource_type(link->modifier) : 0;
  if (type && is_target(defs_param(p->param), type)) {
    *ret_reference_type = defs_type(type)->name;
    return 0;
  }
  return err_set_at(reterr, ERR_NOT_SUPPORTED, link->whole,
                    "'%.*s' does not take the modifier ':%.*s'", STR_ARG(link->code),
                    STR_ARG(str_slice(link->modifier, 0, 32)));
}

int search_check_ready(defs_param_id param, struct str name, struct err *reterr) {
  unsigned percent;
  if (parameters_is_ready(param, &percent))
    return 0;
  return err_set_at(reterr, ERR_BUSY, name,
                    "'%.*s' was just defined and its index is being built (%u %% of the resources"
                    " are done); try again later",
                    STR_ARG(defs_param(param)->code), percent);
}

/* A parameter that is several others together has no rows of its own: one of them has the value,
 * or where something must not be there, none has. */
static int spread_over_parts(struct search_parser *parser, struct search_predicate *p,
                             struct err *reterr) {
  size_t n;
  const defs_param_id *parts = search_union_parts(p->param, &n);
  if (n == 0)
    return 0;
  struct search_predicate *targets = ARENA_ARRAY(parser->arena, struct search_predicate, n);
  if (!targets)
    return err_no_memory(reterr);
  for (size_t i = 0; i < n; i++) {
    targets[i] = *p;
    targets[i].param = parts[i];
  }
  bool is_absence = p->modifier == SEARCH_NOT || p->modifier == SEARCH_NOT_IN ||
                    (p->modifier == SEARCH_MISSING && p->is_missing);
  *p = (struct search_predicate){.subject = is_absence ? SEARCH_ON_ALL : SEARCH_ON_ANY,
                                 .type = p->type,
                                 .targets = targets,
                                 .targets_n = n};
  return 0;
}

int search_parse_predicate_at(struct search_parser *parser, defs_type_id type, struct str name,
                              struct str value, unsigned depth,
                              struct search_predicate *ret_predicate, struct err *reterr) {
  int code = count_predicate(parser, name, reterr);
  if (code)
    return code;
  size_t deepest = parser->search->limits.depth;
  if (depth > deepest)
    return err_set_at(reterr, ERR_TOO_COSTLY, name, "has more than %zu links", deepest);
  if (str_is(name, "_filter"))
    return search_filter_parse(parser, type, value, depth, ret_predicate, reterr);
  if (str_is(name, "_list"))
    return parse_list(parser, type, value, depth, ret_predicate, reterr);
  if (str_starts_with(name, STR("_has:")))
    return parse_has(parser, type, name, value, depth, ret_predicate, reterr);
  struct link link = take_link(name);
  if ((link.filter.p && (!parser->filter.operator|| !link.is_chain)) ||
      (link.is_chain && link.rest.n == 0))
    return err_set_at(reterr, ERR_VALUE, name, "expected a parameter behind the dot");
  defs_param_id param = defs_param_by_code(type, link.code);
  if (!param)
    return search_unknown(reterr, type, link.code, depth == 0);
  code = search_check_ready(param, name, reterr);
  if (code)
    return code;
  struct search_predicate p = {.type = defs_type(type)->builtin == DEFS_RESOURCE ? 0 : type,
                               .param = param,
                               .value_type = defs_param(param)->type,
                               .subject = str_is(link.code, "_id") ? SEARCH_ON_ID
                                          : str_is(link.code, "_lastUpdated")
                                              ? SEARCH_ON_LAST_UPDATED
                                              : SEARCH_ON_PARAM};
  if (search_is_text(defs_param(param)) && !link.is_chain && !parser->filter.operator) {
    code = search_text_parse(parser, name, link.modifier, value, &p, reterr);
    if (!code)
      *ret_predicate = p;
    return code;
  }
  if (p.subject == SEARCH_ON_PARAM && p.value_type != SEARCH_COMPOSITE &&
      defs_param(param)->expression.n == 0)
    return err_set_at(reterr, ERR_NOT_SUPPORTED, name, "'%.*s' is not supported",
                      STR_ARG(link.code));
  if (link.is_chain) {
    code = parse_chain(parser, &link, value, depth, &p, reterr);
  } else {
    struct str reference_type;
    code = set_modifier(&link, &p, &reference_type, reterr);
    if (!code)
      code = parser->filter.operator
                 ? search_filter_operands(parser, &p, name, reference_type, reterr)
                 : search_operands_parse(parser, &p, name, value, reference_type, reterr);
  }
  p.name = name;
  p.value = parser->filter.operator? parser->filter.value : value;
  if (!code && p.subject == SEARCH_ON_PARAM)
    code = spread_over_parts(parser, &p, reterr);
  if (!code)
    *ret_predicate = p;
  return code;
}

int search_parse_predicate(struct search_parser *parser, defs_type_id type, struct str name,
                           struct str value, struct search_predicate *ret_predicate,
                           struct err *reterr) {
  return search_parse_predicate_at(parser, type, name, value, 0, ret_predicate, reterr);
}

/* Several types, a parameter of which each has its own: one of them, each for its type. */
static int parse_each_type(struct search_parser *parser, struct str name, struct str value,
                           struct search_predicate *ret_predicate, struct err *reterr) {
  struct search_types types = parser->search->types;
  struct search_predicate *each = ARENA_ARRAY(parser->arena, struct search_predicate, types.n);
  if (!each)
    return err_no_memory(reterr);
  for (size_t i = 0; i < types.n; i++) {
    int code = search_parse_predicate_at(parser, types.p[i], name, value, 0, &each[i], reterr);
    if (code)
      return code;
  }
  *ret_predicate =
      (struct search_predicate){.subject = SEARCH_ON_ANY, .targets = each, .targets_n = types.n};
  return 0;
}

int search_parse_condition(struct search_parser *parser, struct str name, struct str value,
                           struct search_predicate *ret_predicate, struct err *reterr) {
  const struct search *search = parser->search;
  defs_type_id common = search_common_type(search);
  bool is_of_each =
      str_is(name, "_filter") || (!str_starts_with(name, STR("_has:")) && !str_is(name, "_list") &&
                                  !defs_param_by_code(common, take_link(name).code));
  if (search->type == 0 && search->types.n > 0 && is_of_each)
    return parse_each_type(parser, name, value, ret_predicate, reterr);
  return search_parse_predicate_at(parser, common, name, value, 0, ret_predicate, reterr);
}
