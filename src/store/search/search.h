/*
 * Search: a FHIR search URL -> a checked query -> a plan that we choose -> rows.
 *
 * Spec: FHIR R4 search, http://hl7.org/fhir/R4/search.html.
 * Threads: a parsed search is immutable. Memory: on the arena.
 */
#ifndef STORE_SEARCH_H
#define STORE_SEARCH_H

#include "model/validate.h"
#include "store/store.h"

struct search;

struct search_pair {
  struct str name, value;
}; /* of the URL, percent-decoded */

/* What a search may ask for and cost. A member that is 0 has its default, search_limits_default. */
struct search_limits {
  size_t pairs;       /* parameters in one URL: 100 */
  size_t value_bytes; /* of one parameter: 262,144 */
  size_t operands;    /* values of one OR list: 5,000 */
  size_t depth;       /* links of a chain, _has and brackets of _filter one in another: 8 */
  size_t predicates;  /* after chains without a type are spread over their target types: 400 */
  size_t included;    /* resources that _include and _revinclude add to a page: 10,000 */
  uint64_t steps;     /* work: a row of an index is 1, a resource looked at 20: 20,000,000 */
  int64_t time_us;    /* 1,000,000 */
};
extern const struct search_limits search_limits_default;

struct search_options {
  struct str base_url;             /* references that begin with it are local */
  size_t default_count, max_count; /* 0: 50, 1000 */
  bool is_lenient;                 /* unknown parameters are reported as warnings, not refused */
  defs_type_id compartment;        /* only what is in this compartment (Patient/1); 0: none */
  struct str compartment_id;
  const struct search_limits *limits; /* NULL: the defaults */
};

/* What stands before the '?': "Patient", "Patient/1/Observation", "Patient/1/" followed by "*", or
 * nothing. */
struct search_place {
  defs_type_id type; /* 0: all types */
  defs_type_id compartment;
  struct str compartment_id;
};

/* "Patient?name=a%20b&_count=5", "?_id=1", "Patient/1/Condition?..." taken apart and decoded.
 * ERR_VALUE when it does not begin with such a place, or for a broken escape; ERR_TOO_LONG. */
int search_split_place(struct arena *arena, struct str url, struct search_place *ret_place,
                       const struct search_pair **ret_pairs, size_t *ret_n,
                       struct err *reterr) MUST_CHECK;

/* `type` 0 searches in all types, or those that _type names, by the parameters that all of them
 * have. Checks every parameter; faults go to `issues` (an unknown parameter names the nearest known
 * one) and ERR_VALUE or ERR_NOT_SUPPORTED comes back. */
int search_parse(struct arena *arena, defs_type_id type, const struct search_pair *pairs,
                 size_t pairs_n, const struct search_options *options,
                 const struct search **ret_search, struct issues *issues,
                 struct err *reterr) MUST_CHECK;

enum search_summary {
  SEARCH_SUMMARY_NONE,
  SEARCH_SUMMARY_TRUE,
  SEARCH_SUMMARY_TEXT,
  SEARCH_SUMMARY_DATA,
  SEARCH_SUMMARY_COUNT,
  SEARCH_SUMMARY_FALSE
};

struct search_row {
  struct store_resource resource;
  bool is_include;
  bool is_contained; /* the body is the resource `#contained_id` that stands inside `resource` */
  struct str contained_id;
};

struct search_result {
  const struct search_row *rows; /* matches first, in order; then includes, each once */
  size_t rows_n, matches_n;
  bool has_total;
  uint64_t total;
  struct str next_cursor; /* empty: this was the last page. The next page is the same query with
                             _cursor=... */
};

int search_run(struct store_view *view, const struct access *access, struct arena *arena,
               const struct search *search, struct search_result *ret_result,
               struct err *reterr) MUST_CHECK;

/* How a search was planned, and what it cost. */
struct search_explained {
  struct str text;   /* "code=8480-6"; "any of", "all of", "not" */
  const char *role;  /* "driver", "probe", "sieve", "test" */
  bool has_estimate; /* before it ran; */
  bool is_at_least;  /* counted only so far */
  uint64_t estimate;
  uint64_t rows;                        /* of an index that were read for it */
  uint64_t tests, passed;               /* candidates */
  const struct search_explained *parts; /* of a chain: what its targets satisfy; of what joins */
  size_t parts_n;
};
struct search_explanation {
  const struct search_explained *conditions;
  size_t conditions_n;
  struct str reading, order; /* how candidates came, how they were put in order: a sentence each */
  uint64_t types_count;      /* live resources of the types searched in */
  uint64_t candidates, fetched, bodies, steps;
  int64_t time_us;
  uint64_t pages_read, pages_hit; /* of the database: from the file, and at hand */
};

/* Runs the search and tells. The result is that of search_run. */
int search_explain(struct store_view *view, const struct access *access, struct arena *arena,
                   const struct search *search, struct search_explanation *ret_explanation,
                   struct search_result *ret_result, struct err *reterr) MUST_CHECK;

/* As lines for a person. */
void search_explanation_write(struct buf *buf, const struct search_explanation *explanation);

/* Up to `max` ids that match, for conditional interactions; ERR_MULTIPLE_MATCHES is left to the
 * caller (look at n). */
int search_ids(struct store_view *view, const struct access *access, struct arena *arena,
               const struct search *search, size_t max, struct store_resources *ret_found,
               struct err *reterr) MUST_CHECK;

/* What $everything is asked for. */
struct search_everything_query {
  defs_type_id compartment; /* Patient, Encounter */
  struct str id;            /* empty: of all resources of this type */
  /* Care in [start, end): what has a date of its own in it, or no date at all. INT64_MIN,
   * INT64_MAX: open. */
  int64_t start_us, end_us;
  int64_t since_us;          /* changed then or later; INT64_MIN: all */
  const defs_type_id *types; /* only these; n 0: all */
  size_t types_n;
  size_t count;
  struct str cursor;
  const struct search_limits *limits; /* NULL: the defaults */
};

/* The resource and all in its compartment, plus what these refer to of other types. ERR_NOT_FOUND,
 * ERR_DELETED for `id`; ERR_TOO_COSTLY. */
int search_everything(struct store_view *view, const struct access *access, struct arena *arena,
                      const struct search_everything_query *query, struct search_result *ret_result,
                      struct err *reterr) MUST_CHECK;

/* What the caller needs to shape the answer. */
enum search_summary search_summary_of(const struct search *search);
/* The query again as it was understood, percent-encoded, for Bundle.link self; without _cursor. */
void search_write_url(struct buf *buf, const struct search *search);

/* A resource cut to _summary/_elements (SUBSETTED tag put in), from its canonical body. */
int search_subset(struct arena *arena, const struct search *search, struct str body,
                  struct str *ret_body, struct err *reterr) MUST_CHECK;

/* Names of the modifiers and prefixes that are implemented for a type, for the CapabilityStatement
 * and the docs. */
const char *const *search_modifiers(enum search_type type);

#endif
