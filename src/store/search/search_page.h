/*
 * The matches of one page, in order, as row numbers; their reading, and what hangs on them.
 * Private to the search.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_PAGE_H
#define STORE_SEARCH_PAGE_H

#include "base/map.h"
#include "store/search/search_match.h"
#include "store/search/search_plan.h"

/* A match, and what it is sorted by. */
struct search_match {
  uint64_t rid;
  char *room; /* of the sorter, for the texts of its keys */
  struct search_key keys[SEARCH_SORTS_MAX];
};

struct search_page {
  struct search_match *p;
  size_t n;
  bool has_more;
};

/* The next candidate of `source` that is of `type` and satisfies `conditions`; its rid is 0 at the
 * end. It stays on the scratch arena until the next call. */
int search_next_match(struct search_context *c, struct search_source *source,
                      const struct search_wish *wish, struct search_candidate *ret_candidate,
                      struct err *reterr) MUST_CHECK;

/* The page of a search with _sort, search_sort.c. */
int search_sorted_page(struct search_context *c, const struct search *search,
                       const struct search_condition *conditions, struct search_page *ret_page,
                       struct err *reterr) MUST_CHECK;

/* search_run with a context that is made: its conditions, with what they cost, stay. */
int search_run_in(struct search_context *c, const struct search *search,
                  struct search_condition **ret_conditions, struct search_result *ret_result,
                  struct err *reterr) MUST_CHECK;

/* The rows of a result: matches, then includes; each resource once. */
struct search_rows {
  struct search_context *c;
  VEC(struct search_row) list;
  VEC(uint64_t) rids; /* of `list` */
  struct map seen;    /* by the bytes of the rid */
  VEC(uint16_t)
  referring; /* parameters by which something refers to something, once they are asked */
  bool has_referring;
  VEC(struct search_wanted) wanted; /* to be read and appended next */
  size_t bytes;                     /* of the bodies that were read */
  size_t matches_n;                 /* behind them come includes */
};

/* A resource that is to be included, if it is of `type` (0: any). */
struct search_wanted {
  uint64_t rid;
  defs_type_id type;
};

void search_rows_init(struct search_rows *rows, struct search_context *c);

/* Reads the resource `rid` with its body and appends it, unless it is there already, is not live,
 * is not of `type` (0: any), or access hides it. `*ret_added` tells. */
int search_rows_add(struct search_rows *rows, uint64_t rid, defs_type_id type, bool is_include,
                    bool *ret_added, struct err *reterr) MUST_CHECK;

/* Appends what _include and _revinclude ask for. ERR_TOO_COSTLY over the limit. */
int search_include_rows(struct search_rows *rows, const struct search *search,
                        struct err *reterr) MUST_CHECK;

#endif
