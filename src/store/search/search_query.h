/*
 * A search as it was understood: the checked tree between the parser and the planner. Private to
 * src/store/search/search_*.c; callers see only search.h.
 *
 * Spec: FHIR R4 search, http://hl7.org/fhir/R4/search.html.
 * Threads: immutable once parsed. Memory: everything on the arena given to search_parse.
 */
#ifndef STORE_SEARCH_QUERY_H
#define STORE_SEARCH_QUERY_H

#include "model/text_query.h"
#include "store/search/search.h"

/* What a query may ask for at most, beside struct search_limits. Over a limit the parser says so;
 * nothing is cut in silence. */
enum {
  SEARCH_SORTS_MAX = 4,
  SEARCH_INCLUDES_MAX = 32,
  SEARCH_ELEMENTS_MAX = 100,
};

enum search_prefix {
  SEARCH_EQ, /* none written */
  SEARCH_NE,
  SEARCH_GT,
  SEARCH_LT,
  SEARCH_GE,
  SEARCH_LE,
  SEARCH_SA,
  SEARCH_EB,
  SEARCH_AP,
};

enum search_modifier {
  SEARCH_PLAIN,
  SEARCH_MISSING,
  SEARCH_EXACT,
  SEARCH_CONTAINS,
  SEARCH_TEXT,
  SEARCH_NOT,
  SEARCH_IN,
  SEARCH_NOT_IN,
  SEARCH_IDENTIFIER,
  SEARCH_ABOVE,
  SEARCH_BELOW,
  SEARCH_OF_TYPE,
  SEARCH_BEGINS, /* these are of _filter: a text begins, ends so, is so; another value is there */
  SEARCH_ENDS,
  SEARCH_EQUALS,
  SEARCH_UNEQUAL,
};

/* One value of an OR list. Which member counts follows from the parameter's type and modifier. */
struct search_operand {
  enum search_prefix prefix;
  bool has_system;          /* token, quantity, identifier: a '|' was written */
  struct str system, code;  /* a quantity's unit is its code */
  int64_t from_us, to_us;   /* date: half-open */
  double from, to, exact;   /* number, quantity: [from, to) by the written precision; the value */
  struct str text, folded;  /* string, :text; a uri, a value set's, an :of-type's value, a
                               quantity's number as written in `text` */
  struct str type, id, url; /* reference: a type and an id, an id alone, or a url */
  const struct search_operand *parts; /* composite: one per component */
  size_t parts_n;
};

enum search_subject {
  SEARCH_ON_PARAM,        /* an indexed parameter */
  SEARCH_ON_ID,           /* _id */
  SEARCH_ON_LAST_UPDATED, /* _lastUpdated */
  SEARCH_ON_CHAIN,        /* `param` refers to a resource that satisfies one of `targets` */
  SEARCH_ON_HAS,          /* a resource that satisfies targets[0] refers here by `param` */
  SEARCH_ON_TEXT,         /* _text, _content: `text` */
  SEARCH_ON_COMPARTMENT,  /* refers to operands[0] by a parameter of its compartment, or is it */
  SEARCH_ON_ALL,          /* all of `targets` hold for the same resource, */
  SEARCH_ON_ANY,          /* one of them does, */
  SEARCH_ON_NOT,          /* targets[0] does not */
};

/* One condition; those of a query are all to hold. */
struct search_predicate {
  enum search_subject subject;
  struct str name, value; /* as written, for whoever explains; empty where several are joined */
  defs_type_id type;      /* of the resources that it holds for; 0: any */
  defs_param_id param;
  enum search_type value_type;
  enum search_modifier modifier;
  bool is_missing;               /* SEARCH_MISSING: the value */
  bool is_open;                  /* while a _filter is parsed: the list of targets may grow */
  bool is_narrative;             /* SEARCH_ON_TEXT: only the narrative */
  const struct text_query *text; /* SEARCH_ON_TEXT */
  const struct search_operand *operands;
  size_t operands_n;
  const struct search_predicate *targets; /* chains: one per type that the link may lead to */
  size_t targets_n;
};

enum search_sort_key { SEARCH_SORT_PARAM, SEARCH_SORT_ID, SEARCH_SORT_LAST_UPDATED };

struct search_sort {
  enum search_sort_key key;
  defs_param_id param; /* of the first type; that of another one is found by its code */
  enum search_type type;
  bool is_descending;
};

struct search_include {
  bool is_reverse, is_iterate;
  defs_type_id source; /* 0: any ("*") */
  defs_param_id param; /* 0: every reference parameter of `source` */
  defs_type_id target; /* 0: any */
};

enum search_total {
  SEARCH_TOTAL_DEFAULT,
  SEARCH_TOTAL_NONE,
  SEARCH_TOTAL_ESTIMATE,
  SEARCH_TOTAL_ACCURATE
};

/* Where matches may stand: by themselves, inside another resource, or both. */
enum search_contained { SEARCH_CONTAINED_NOT, SEARCH_CONTAINED_ONLY, SEARCH_CONTAINED_BOTH };

/* A row's value for one sort key. Dates and doubles are integers of the same order. */
enum search_key_kind { SEARCH_KEY_NONE, SEARCH_KEY_NUMBER, SEARCH_KEY_TEXT };
struct search_key {
  enum search_key_kind kind;
  int64_t number;
  struct str text;
};

/* Where a page begins: behind the row with these sort keys. */
struct search_mark {
  bool is_set;
  bool is_contained; /* among those that stand inside `rid`, behind number `place`; first is 1 */
  uint32_t place;
  uint64_t rid;
  struct search_key keys[SEARCH_SORTS_MAX];
};

/* Types that are searched in together. */
struct search_types {
  const defs_type_id *p;
  size_t n; /* 0: all */
};

bool search_types_have(struct search_types types, defs_type_id type);

struct search {
  defs_type_id type; /* 0: several */
  struct search_types types;
  bool is_place_typed;      /* one type was named before the '?', not by _type */
  defs_type_id compartment; /* 0: none */
  struct str compartment_id;
  struct search_limits limits; /* none is 0 */
  const struct search_predicate *predicates;
  size_t predicates_n;
  struct search_sort sorts[SEARCH_SORTS_MAX];
  size_t sorts_n;
  struct search_include includes[SEARCH_INCLUDES_MAX];
  size_t includes_n;
  size_t count;
  bool is_count_only; /* _count=0 or _summary=count */
  enum search_total total;
  enum search_contained contained;
  bool returns_contained; /* what stands inside comes by itself, not with its container */
  enum search_summary summary;
  const struct str *elements;
  size_t elements_n;
  struct str cursor;               /* as given */
  struct search_mark mark;         /* what it says */
  const struct search_pair *pairs; /* those that were understood, in order */
  size_t pairs_n;
  uint64_t shape; /* hash of type, conditions and order: a cursor belongs to one shape */
};

#endif
