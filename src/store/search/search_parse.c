/* A search's pairs -> a checked `struct search`. */
#include "base/hash.h"
#include "store/search/search_cursor.h"
#include "store/search/search_parser.h"

enum { COUNT_DEFAULT = 50 };

static int report(struct search_parser *parser, struct issues *issues, const struct err *err) {
  struct err *place = VEC_PUSH(parser->arena, &issues->list);
  if (!place)
    return -1;
  *place = *err;
  if (err->severity <= ERR_SEVERITY_ERROR)
    issues->errors_n++;
  return 0;
}

/* The base name of a condition: what precedes ':' and '.'. */
static bool is_known(const struct search_parser *parser, struct str name) {
  size_t end = 0;
  while (end < name.n && name.p[end] != ':' && name.p[end] != '.')
    end++;
  struct str base = str_slice(name, 0, end);
  return str_is(base, "_has") || str_is(base, "_filter") || str_is(base, "_list") ||
         search_is_result_name(base) ||
         defs_param_by_code(search_common_type(parser->search), base);
}

static int keep_predicate(struct search_parser *parser, const struct search_predicate *predicate,
                          struct err *reterr) {
  if (predicate->subject == SEARCH_ON_ALL) { /* what is to hold all together already */
    int code = 0;
    for (size_t i = 0; i < predicate->targets_n && code == 0; i++)
      code = keep_predicate(parser, &predicate->targets[i], reterr);
    return code;
  }
  struct search_predicate *place = VEC_PUSH(parser->arena, &parser->predicates);
  if (!place)
    return err_no_memory(reterr);
  *place = *predicate;
  return 0;
}

static int parse_pair(struct search_parser *parser, const struct search_pair *pair,
                      struct err *reterr) {
  size_t most = parser->search->limits.value_bytes;
  if (pair->value.n > most)
    return err_set_at(reterr, ERR_TOO_LONG, pair->name, "is longer than %zu bytes", most);
  if (!str_is_utf8(pair->name) || !str_is_utf8(pair->value))
    return err_set(reterr, ERR_VALUE, "", "a parameter is not UTF-8");
  if (search_is_result_name(pair->name))
    return search_parse_result(parser, pair->name, pair->value, reterr);
  struct search_predicate predicate;
  int code = search_parse_condition(parser, pair->name, pair->value, &predicate, reterr);
  return code ? code : keep_predicate(parser, &predicate, reterr);
}

/* One pair; faults become issues. Returns 0 also then; `*ret_first` keeps the first fault. */
static int take_pair(struct search_parser *parser, const struct search_pair *pair,
                     struct issues *issues, struct err *ret_first, struct err *reterr) {
  struct err err = {0};
  int code = parse_pair(parser, pair, &err);
  if (code == ERR_NO_MEMORY)
    return err_no_memory(reterr);
  if (code) {
    bool is_warning = parser->options->is_lenient && !is_known(parser, pair->name);
    if (is_warning)
      err.severity = ERR_SEVERITY_WARNING;
    else if (!ret_first->code)
      *ret_first = err;
    return report(parser, issues, &err) ? err_no_memory(reterr) : 0;
  }
  struct search_pair *place = VEC_PUSH(parser->arena, &parser->pairs);
  if (!place)
    return err_no_memory(reterr);
  *place = *pair;
  return 0;
}

static uint64_t mix(uint64_t shape, struct str text) {
  return (shape ^ hash_fast(text)) * 0x9e3779b97f4a7c15u;
}

/* What a cursor is bound to: the types, the compartment, the conditions and the order. */
static uint64_t shape_of(const struct search *search) {
  uint64_t shape = search->type ? hash_fast(defs_type(search->type)->name) : 1;
  if (search->compartment)
    shape = mix(mix(shape, defs_type(search->compartment)->name), search->compartment_id);
  for (size_t i = 0; i < search->pairs_n; i++) {
    struct search_pair pair = search->pairs[i];
    if (search_is_result_name(pair.name) && !search_result_selects(pair.name))
      continue;
    shape = mix(mix(shape, pair.name), pair.value);
  }
  return shape;
}

/* Is there a condition that can't be asked of what stands inside another resource? Nothing refers
 * to it from outside, and texts are indexed with their container. */
static bool asks_from_outside(const struct search_predicate *p, size_t n) {
  bool asks = false;
  for (size_t i = 0; i < n && !asks; i++) {
    asks = p[i].subject == SEARCH_ON_HAS || p[i].subject == SEARCH_ON_TEXT;
    if (!asks && p[i].subject != SEARCH_ON_CHAIN) /* its targets stand by themselves */
      asks = asks_from_outside(p[i].targets, p[i].targets_n);
  }
  return asks;
}

static int check_contained(const struct search *search, struct err *reterr) {
  if (search->contained == SEARCH_CONTAINED_NOT)
    return 0;
  if (search->sorts_n > 0)
    return err_set(reterr, ERR_NOT_SUPPORTED, "_sort",
                   "is not supported with _contained; matches come as their containers were made");
  if (!asks_from_outside(search->predicates, search->predicates_n))
    return 0;
  return err_set(reterr, ERR_NOT_SUPPORTED, "_contained",
                 "_has, _text and _content can't be asked of a contained resource");
}

static int finish(struct search_parser *parser, struct issues *issues, struct err *first,
                  struct err *reterr) {
  struct search *search = parser->search;
  search->predicates = parser->predicates.p;
  search->predicates_n = parser->predicates.n;
  search->elements = parser->elements.p;
  search->elements_n = parser->elements.n;
  search->pairs = parser->pairs.p;
  search->pairs_n = parser->pairs.n;
  search->shape = shape_of(search);
  if (!first->code && check_contained(search, first) != 0)
    return report(parser, issues, first) ? err_no_memory(reterr) : 0;
  if (first->code || search->cursor.n == 0)
    return 0;
  if (search_cursor_read(parser->arena, search->cursor, search->sorts_n, search->shape,
                         &search->mark, first) == 0)
    return 0;
  return report(parser, issues, first) ? err_no_memory(reterr) : 0;
}

/* Which types, and which compartment: what every other parameter depends on. */
static int begin(struct search_parser *parser, const struct search_pair *pairs, size_t pairs_n,
                 struct err *reterr) {
  struct search_predicate predicate;
  int code = search_parse_types(parser, pairs, pairs_n, reterr);
  if (code || !parser->options->compartment)
    return code;
  code = search_parse_compartment(parser, &predicate, reterr);
  return code ? code : keep_predicate(parser, &predicate, reterr);
}

int search_parse(struct arena *arena, defs_type_id type, const struct search_pair *pairs,
                 size_t pairs_n, const struct search_options *options,
                 const struct search **ret_search, struct issues *issues, struct err *reterr) {
  struct search *search = ARENA_NEW(arena, struct search);
  if (!search)
    return err_no_memory(reterr);
  struct search_options defaults = {0};
  struct search_parser parser = {
      .arena = arena, .options = options ? options : &defaults, .search = search};
  size_t max = parser.options->max_count ? parser.options->max_count : 1000;
  search->type = type;
  search->is_place_typed = type != 0;
  search->limits = search_limits_of(parser.options->limits);
  search->count = parser.options->default_count ? parser.options->default_count : COUNT_DEFAULT;
  search->count = search->count > max ? max : search->count;
  if (pairs_n > search->limits.pairs)
    return err_set(reterr, ERR_TOO_LONG, "", "a search has at most %zu parameters",
                   search->limits.pairs);
  struct err first = {0};
  int refused = begin(&parser, pairs, pairs_n, &first);
  if (refused) {
    *reterr = first;
    return report(&parser, issues, &first) ? err_no_memory(reterr) : refused;
  }
  for (size_t i = 0; i < pairs_n; i++) {
    int code = take_pair(&parser, &pairs[i], issues, &first, reterr);
    if (code)
      return code;
  }
  int code = finish(&parser, issues, &first, reterr);
  if (code)
    return code;
  if (first.code) {
    if (reterr)
      *reterr = first;
    return (int)first.code;
  }
  *ret_search = search;
  return 0;
}

enum search_summary search_summary_of(const struct search *search) {
  return search->summary;
}
