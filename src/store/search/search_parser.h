/* What the files of the search's parser share. Private to src/store/search/search_parse*.c.
 * Threads: one parser per call. Memory: on its arena. */
#ifndef STORE_SEARCH_PARSER_H
#define STORE_SEARCH_PARSER_H

#include "store/search/search_query.h"

/* The operators of _filter. */
enum search_filter_operator {
  SEARCH_FILTER_NONE, /* not in a _filter */
  SEARCH_FILTER_EQ,
  SEARCH_FILTER_NE,
  SEARCH_FILTER_CO,
  SEARCH_FILTER_SW,
  SEARCH_FILTER_EW,
  SEARCH_FILTER_GT,
  SEARCH_FILTER_LT,
  SEARCH_FILTER_GE,
  SEARCH_FILTER_LE,
  SEARCH_FILTER_AP,
  SEARCH_FILTER_SA,
  SEARCH_FILTER_EB,
  SEARCH_FILTER_PR,
  SEARCH_FILTER_PO,
  SEARCH_FILTER_SS,
  SEARCH_FILTER_SB,
  SEARCH_FILTER_IN,
  SEARCH_FILTER_RE,
};
struct search_filter_test {
  enum search_filter_operator operator;
  struct str value;
};

struct search_parser {
  struct arena *arena;
  const struct search_options *options;
  struct search *search;            /* being filled */
  struct search_filter_test filter; /* the one being parsed */
  size_t predicates_n;              /* so far, targets of chains included */
  VEC(struct search_predicate) predicates;
  VEC(struct search_pair) pairs;
  VEC(struct str) elements;
};

/* What the caller asks for, with the defaults where it says nothing. */
struct search_limits search_limits_of(const struct search_limits *asked);

/* Takes _type, before everything else: what a parameter means depends on it. */
int search_parse_types(struct search_parser *parser, const struct search_pair *pairs,
                       size_t pairs_n, struct err *reterr) MUST_CHECK;

/* The type that parameters belong to which all of the searched types have: the only one searched
 * in, or Resource. */
defs_type_id search_common_type(const struct search *search);

/* The parameter that all of the searched types have, of one kind; 0 and `reterr` where there is
 * none. The one of the first type, where they have one each. */
defs_param_id search_common_param(const struct search *search, struct str code, struct err *reterr);

/* The condition that only what is in the compartment of `options` matches. */
int search_parse_compartment(struct search_parser *parser, struct search_predicate *ret_predicate,
                             struct err *reterr) MUST_CHECK;

/* The search parameter nearest in spelling to `name` among those of `type`, the result parameters
 * too where `with_results`; empty when none is near. */
struct str search_nearest(defs_type_id type, struct str name, bool with_results);

/* The condition `name` = `value` on what is searched in; the same on resources of `type`.
 * ERR_NOT_SUPPORTED for an unknown name or modifier, ERR_VALUE, ERR_TOO_COSTLY over a limit. */
int search_parse_condition(struct search_parser *parser, struct str name, struct str value,
                           struct search_predicate *ret_predicate, struct err *reterr) MUST_CHECK;
int search_parse_predicate(struct search_parser *parser, defs_type_id type, struct str name,
                           struct str value, struct search_predicate *ret_predicate,
                           struct err *reterr) MUST_CHECK;

int search_parse_predicate_at(struct search_parser *parser, defs_type_id type, struct str name,
                              struct str value, unsigned depth,
                              struct search_predicate *ret_predicate,
                              struct err *reterr) MUST_CHECK;

/* "Patient" -> its type; 0 for what is no resource type. */
defs_type_id search_resource_type(struct str name);

/* Is `name` (with its modifier) a result parameter: _count, _sort, _include, ...? */
bool search_is_result_name(struct str name);
/* Does it have a say in which resources there are, or in their order? */
bool search_result_selects(struct str name);
const char *const *search_result_names(void); /* ends with NULL */
/* Takes one result parameter into parser->search. */
int search_parse_result(struct search_parser *parser, struct str name, struct str value,
                        struct err *reterr) MUST_CHECK;

/* ERR_BUSY for a parameter that was just defined, of which the index knows only some resources yet.
 */
int search_check_ready(defs_param_id param, struct str name, struct err *reterr) MUST_CHECK;

/* "there is no parameter 'x' on Patient; did you mean 'y'?" as ERR_NOT_SUPPORTED. */
int search_unknown(struct err *reterr, defs_type_id type, struct str name, bool with_results);

#endif
