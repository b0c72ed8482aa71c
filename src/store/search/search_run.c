/* A checked search -> its page of rows: candidates from the plan, tested, counted, read. */
#include "store/search/search_collect.h"
#include "store/search/search_contained.h"
#include "store/search/search_cursor.h"
#include "store/search/search_page.h"
#include "store/search/search_scope.h"

enum {
  CHEAP_TOTAL_MAX = 10000, /* candidates that _total=estimate looks at */
};

static int make_conditions(struct search_context *c, const struct search *search,
                           struct search_condition **ret_conditions, struct err *reterr) {
  size_t n = search->predicates_n;
  struct search_condition *conditions = ARENA_ARRAY(c->arena, struct search_condition, n + 1);
  if (!conditions)
    return err_no_memory(reterr);
  for (size_t i = 0; i < n; i++) {
    int code = search_condition_make(c, &search->predicates[i], &conditions[i], reterr);
    if (code)
      return code;
  }
  *ret_conditions = conditions;
  return search_scope_set(c, conditions, n, reterr);
}

static struct search_wish wish_of(const struct search *search,
                                  const struct search_condition *conditions, bool wants_all) {
  return (struct search_wish){.types = search->types,
                              .conditions = conditions,
                              .n = search->predicates_n,
                              .count = search->count,
                              .wants_all = wants_all};
}

int search_next_match(struct search_context *c, struct search_source *source,
                      const struct search_wish *wish, struct search_candidate *ret_candidate,
                      struct err *reterr) {
  for (;;) {
    bool found, matches;
    arena_reset(c->scratch);
    int code = search_source_fetch(source, ret_candidate, &found, reterr);
    if (code || ret_candidate->rid == 0)
      return code;
    if (!found || !search_types_have(wish->types, ret_candidate->type))
      continue;
    code = search_matches(c, wish->conditions, wish->n, ret_candidate, &matches, reterr);
    if (code == 0 && matches)
      search_source_matched(source);
    if (code || matches)
      return code;
  }
}

/* ---- Pages in the order of rids -------------------------------------------------------------- */

static int unsorted_page(struct search_context *c, const struct search *search,
                         const struct search_condition *conditions, struct search_page *ret_page,
                         struct err *reterr) {
  struct search_wish wish = wish_of(search, conditions, false);
  wish.after = search->mark.is_set ? search->mark.rid : 0;
  wish.reads_bodies = true;
  struct search_page page = {.p = ARENA_ARRAY(c->arena, struct search_match, search->count + 1)};
  struct search_source *source;
  if (!page.p)
    return err_no_memory(reterr);
  int code = search_source_open(c, &wish, &source, reterr);
  while (code == 0 && page.n <= search->count) {
    struct search_candidate candidate;
    code = search_next_match(c, source, &wish, &candidate, reterr);
    if (code || candidate.rid == 0)
      break;
    page.p[page.n++].rid = candidate.rid;
  }
  page.has_more = page.n > search->count;
  page.n -= page.has_more;
  *ret_page = page;
  return code;
}

/* ---- Totals ---------------------------------------------------------------------------------- */

/* Counts matches; stops after `max_candidates` (0: never). */
static int count_matches(struct search_context *c, const struct search *search,
                         const struct search_condition *conditions, uint64_t max_candidates,
                         uint64_t *ret_matches, bool *ret_is_all, struct err *reterr) {
  struct search_wish wish = wish_of(search, conditions, max_candidates == 0);
  wish.only_counts = true;
  struct search_source *source;
  uint64_t matches = 0;
  *ret_is_all = false;
  int code = search_source_open(c, &wish, &source, reterr);
  while (code == 0 && (max_candidates == 0 || matches < max_candidates)) {
    struct search_candidate candidate = {0};
    if (c->filter.is_everything && search_source_is_exact(source))
      code = search_source_next(source, &candidate.rid, reterr);
    else
      code = search_next_match(c, source, &wish, &candidate, reterr);
    if (code == 0 && candidate.rid == 0) {
      *ret_is_all = true;
      break;
    }
    matches++;
  }
  *ret_matches = matches;
  return code;
}

/* No conditions and nothing hidden: the store has counted already. */
static bool is_whole_type(const struct search_context *c, const struct search *search) {
  return search->predicates_n == 0 && search->contained == SEARCH_CONTAINED_NOT &&
         c->filter.is_everything;
}

/* Are the rows of the only condition exactly the matches, so that no resource need be looked at? */
static bool rows_are_matches(const struct search_context *c, const struct search *search,
                             const struct search_condition *condition) {
  const struct search_predicate *p = search->predicates;
  if (search->predicates_n != 1 || !c->filter.is_everything || p->subject != SEARCH_ON_PARAM ||
      !search_is_drivable(condition) || defs_param(p->param)->base != search->type)
    return false;
  return !condition->is_negated && search_spans_are_exact(condition);
}

static int count_rows(struct search_context *c, const struct search_condition *condition,
                      uint64_t *ret_n, struct err *reterr) {
  struct search_spans spans;
  struct search_rids rids = {.arena = c->arena};
  int code = search_spans_make(c, condition, &spans, reterr);
  if (code)
    return code;
  if (spans.n == 1 && spans.p[0].is_ordered) /* a resource has one row in it */
    return search_count(c, condition, &spans, INT64_MAX, ret_n, reterr);
  code = search_collect_spans(c, &spans, NULL, &rids, reterr);
  search_rids_sort(&rids);
  *ret_n = rids.n;
  return code;
}

static int total_accurate(struct search_context *c, const struct search *search,
                          const struct search_condition *conditions, uint64_t *ret_total,
                          struct err *reterr) {
  bool is_all;
  if (is_whole_type(c, search))
    return search_types_count(c, search->types, ret_total, reterr);
  if (rows_are_matches(c, search, conditions))
    return count_rows(c, conditions, ret_total, reterr);
  return count_matches(c, search, conditions, 0, ret_total, &is_all, reterr);
}

static int total_estimate(struct search_context *c, const struct search *search,
                          const struct search_condition *conditions, uint64_t *ret_total,
                          struct err *reterr) {
  bool is_all;
  uint64_t candidates;
  if (is_whole_type(c, search))
    return search_types_count(c, search->types, ret_total, reterr);
  int code = count_matches(c, search, conditions, CHEAP_TOTAL_MAX, ret_total, &is_all, reterr);
  if (code || is_all || !c->filter.is_everything)
    return code; /* what is hidden must not shine through an estimate */
  struct search_wish wish = wish_of(search, conditions, true);
  code = search_wish_estimate(c, &wish, INT64_MAX, &candidates, reterr);
  if (candidates > *ret_total)
    *ret_total = candidates;
  return code;
}

/* Of both kinds of matches, as far as they are asked for. */
static int total_of(struct search_context *c, const struct search *search,
                    const struct search_condition *conditions, uint64_t *ret_total,
                    struct err *reterr) {
  bool is_estimate = search->total == SEARCH_TOTAL_ESTIMATE && !search->is_count_only;
  uint64_t contained = 0;
  int code = 0;
  *ret_total = 0;
  if (search->contained != SEARCH_CONTAINED_ONLY)
    code = is_estimate ? total_estimate(c, search, conditions, ret_total, reterr)
                       : total_accurate(c, search, conditions, ret_total, reterr);
  if (code == 0 && search->contained != SEARCH_CONTAINED_NOT)
    code = search_contained_count(c, search, conditions, is_estimate ? CHEAP_TOTAL_MAX : 0,
                                  &contained, reterr);
  *ret_total += contained;
  return code;
}

/* The matches of a page: those that stand by themselves, then those inside others. */
struct found {
  struct search_page page;
  struct search_inner_page inner;
};

/*
 * Without _total: what is known at no cost, that is when the first page is the only one, or when
 * there is no condition.
 */
static int set_total(struct search_context *c, const struct search *search,
                     const struct search_condition *conditions, const struct found *found,
                     struct search_result *result, struct err *reterr) {
  bool is_whole = found && !found->page.has_more && !found->inner.has_more && !search->mark.is_set;
  result->has_total = true;
  if (is_whole) {
    result->total = found->page.n + found->inner.n;
    result->has_total = search->total != SEARCH_TOTAL_NONE;
    return 0;
  }
  if (search->total == SEARCH_TOTAL_ACCURATE || search->total == SEARCH_TOTAL_ESTIMATE ||
      search->is_count_only)
    return total_of(c, search, conditions, &result->total, reterr);
  result->has_total = search->total != SEARCH_TOTAL_NONE && is_whole_type(c, search);
  return result->has_total ? search_types_count(c, search->types, &result->total, reterr) : 0;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

void search_rows_init(struct search_rows *rows, struct search_context *c) {
  *rows = (struct search_rows){.c = c};
  map_init(&rows->seen, c->arena);
}

static int add_row(struct search_rows *rows, const struct search_row *row, struct err *reterr) {
  struct search_row *place = VEC_PUSH(rows->c->arena, &rows->list);
  uint64_t *rid = VEC_PUSH(rows->c->arena, &rows->rids);
  if (!place || !rid)
    return err_no_memory(reterr);
  *place = *row;
  *rid = row->resource.rid;
  return 0;
}

int search_rows_add(struct search_rows *rows, uint64_t rid, defs_type_id type, bool is_include,
                    bool *ret_added, struct err *reterr) {
  struct search_context *c = rows->c;
  struct search_row row = {.is_include = is_include};
  uint64_t *key = arena_alloc(c->arena, sizeof *key);
  if (!key)
    return err_no_memory(reterr);
  *key = rid;
  *ret_added = false;
  struct str name = str_n((const char *)key, sizeof *key);
  if (map_get(&rows->seen, name))
    return 0;
  bool found;
  int code = search_fetch_row(c, rid, c->arena, &row.resource, &found, reterr);
  if (code || !found || (type && row.resource.type != type))
    return code;
  if (map_set(&rows->seen, name, key))
    return err_no_memory(reterr);
  *ret_added = true;
  rows->bytes += row.resource.body.n;
  return add_row(rows, &row, reterr);
}

/* ---- The calls ------------------------------------------------------------------------------- */

static int find_page(struct search_context *c, const struct search *search,
                     const struct search_condition *conditions, struct found *found,
                     struct err *reterr) {
  int code = 0;
  if (search->contained != SEARCH_CONTAINED_ONLY && !search->mark.is_contained)
    code = search->sorts_n ? search_sorted_page(c, search, conditions, &found->page, reterr)
                           : unsorted_page(c, search, conditions, &found->page, reterr);
  if (code || search->contained == SEARCH_CONTAINED_NOT || found->page.has_more)
    return code;
  return search_contained_page(c, search, conditions, search->count - found->page.n, &found->inner,
                               reterr);
}

/* Behind the last row of the page. */
static struct search_mark mark_of(const struct found *found) {
  struct search_mark mark = {.is_set = true};
  if (found->page.has_more) {
    const struct search_match *last = &found->page.p[found->page.n - 1];
    mark.rid = last->rid;
    memcpy(mark.keys, last->keys, sizeof mark.keys);
    return mark;
  }
  mark.is_contained = true; /* from their begin, where the others have filled the page */
  if (found->inner.n > 0) {
    mark.rid = found->inner.p[found->inner.n - 1].rid;
    mark.place = found->inner.p[found->inner.n - 1].place;
  }
  return mark;
}

static int set_cursor(struct search_context *c, const struct search *search,
                      const struct found *found, struct search_result *result, struct err *reterr) {
  result->next_cursor = STR("");
  if ((!found->page.has_more && !found->inner.has_more) || found->page.n + found->inner.n == 0)
    return 0;
  struct search_mark mark = mark_of(found);
  result->next_cursor = search_cursor_write(c->arena, &mark, search->sorts_n, search->shape);
  return result->next_cursor.p ? 0 : err_no_memory(reterr);
}

/* The rows from `from` on are read next. */
static int read_ahead(struct search_context *c, const struct search_page *page, size_t from,
                      struct err *reterr) {
  uint64_t rids[SEARCH_AHEAD_MAX];
  size_t n = 0;
  while (n < SEARCH_AHEAD_MAX && from + n < page->n) {
    rids[n] = page->p[from + n].rid;
    n++;
  }
  return search_fetch_ahead(c, rids, n, true, reterr);
}

/* Reads what was found; where that is more bytes than a page may have, the page ends there. */
static int add_matches(struct search_rows *rows, struct found *found, struct err *reterr) {
  int code = 0;
  bool added;
  for (size_t i = 0; i < found->page.n && code == 0; i++) {
    if (i % SEARCH_AHEAD_MAX == 0)
      code = read_ahead(rows->c, &found->page, i, reterr);
    if (code == 0)
      code = search_rows_add(rows, found->page.p[i].rid, 0, false, &added, reterr);
    if (rows->bytes >= STORE_PAGE_BYTES && (i + 1 < found->page.n || found->inner.n > 0)) {
      found->page.n = i + 1;
      found->page.has_more = true;
      return code;
    }
  }
  for (size_t i = 0; i < found->inner.n && code == 0; i++) {
    const struct search_inner *inner = &found->inner.p[i];
    code = inner->row.is_contained ? add_row(rows, &inner->row, reterr)
                                   : search_rows_add(rows, inner->rid, 0, false, &added, reterr);
    if (rows->bytes >= STORE_PAGE_BYTES && i + 1 < found->inner.n) {
      found->inner.n = i + 1;
      found->inner.has_more = true;
    }
  }
  return code;
}

static int run(struct search_context *c, const struct search *search,
               const struct search_condition *conditions, struct search_result *ret_result,
               struct err *reterr) {
  struct found found = {0};
  struct search_rows rows;
  struct search_result result = {.next_cursor = STR("")};
  int code = 0;
  if (search->is_count_only) {
    code = set_total(c, search, conditions, NULL, &result, reterr);
    *ret_result = result;
    return code;
  }
  code = find_page(c, search, conditions, &found, reterr);
  if (code == 0)
    code = set_total(c, search, conditions, &found, &result, reterr);
  search_rows_init(&rows, c);
  if (code == 0)
    code = add_matches(&rows, &found, reterr);
  if (code == 0)
    code = set_cursor(c, search, &found, &result, reterr);
  result.matches_n = rows.list.n;
  if (code == 0)
    code = search_include_rows(&rows, search, reterr);
  result.rows = rows.list.p;
  result.rows_n = rows.list.n;
  *ret_result = result;
  return code;
}

int search_run_in(struct search_context *c, const struct search *search,
                  struct search_condition **ret_conditions, struct search_result *ret_result,
                  struct err *reterr) {
  int code = make_conditions(c, search, ret_conditions, reterr);
  return code ? code : run(c, search, *ret_conditions, ret_result, reterr);
}

int search_run(struct store_view *view, const struct access *access, struct arena *arena,
               const struct search *search, struct search_result *ret_result, struct err *reterr) {
  struct search_context c;
  int code = search_context_init(&c, view, access, arena, &search->limits, reterr);
  struct search_condition *conditions;
  c.types = search->types;
  if (code == 0)
    code = search_run_in(&c, search, &conditions, ret_result, reterr);
  search_context_fini(&c);
  return code;
}

/* A hash in the index may, very rarely, stand for another value. Who acts on a single match (and
 * would write to the wrong record) gets it checked on the body. */
static int is_exact(struct search_context *c, const struct search *search,
                    struct search_candidate *candidate, bool *ret_is, struct err *reterr) {
  *ret_is = true;
  for (size_t i = 0; i < search->predicates_n && *ret_is; i++) {
    const struct search_predicate *p = &search->predicates[i];
    if (p->subject != SEARCH_ON_PARAM || p->modifier == SEARCH_MISSING || search_is_of_hierarchy(p))
      continue;
    int code = search_fetch_values(c, candidate, reterr);
    if (code)
      return code;
    *ret_is = search_values_match(c->scratch, c->terminology, p, candidate->values);
  }
  return 0;
}

static int find_ids(struct search_context *c, const struct search *search, size_t max,
                    struct store_resources *ret_found, struct err *reterr) {
  struct search_condition *conditions = NULL;
  struct search_source *source;
  struct store_resource *found = ARENA_ARRAY(c->arena, struct store_resource, max + 1);
  if (!found)
    return err_no_memory(reterr);
  if (search->contained != SEARCH_CONTAINED_NOT)
    return err_set(reterr, ERR_NOT_SUPPORTED, "_contained",
                   "A condition is about resources that stand by themselves.");
  int code = make_conditions(c, search, &conditions, reterr);
  if (code)
    return code;
  struct search_wish wish = wish_of(search, conditions, false);
  wish.reads_bodies = true;
  code = search_source_open(c, &wish, &source, reterr);
  size_t n = 0;
  while (code == 0 && n < max) {
    struct search_candidate candidate;
    bool is;
    code = search_next_match(c, source, &wish, &candidate, reterr);
    if (code || candidate.rid == 0)
      break;
    code = is_exact(c, search, &candidate, &is, reterr);
    if (code == 0 && is)
      code = search_fetch_row(c, candidate.rid, c->arena, &found[n], &is, reterr);
    n += code == 0 && is;
  }
  *ret_found = (struct store_resources){found, n};
  return code;
}

int search_ids(struct store_view *view, const struct access *access, struct arena *arena,
               const struct search *search, size_t max, struct store_resources *ret_found,
               struct err *reterr) {
  struct search_context c;
  int code = search_context_init(&c, view, access, arena, &search->limits, reterr);
  c.types = search->types;
  if (code == 0)
    code = find_ids(&c, search, max, ret_found, reterr);
  search_context_fini(&c);
  return code;
}
