#include "store/search/search_collect.h"

#include "store/search/search_contained.h"
#include "store/search/search_match.h"
#include "store/search/search_plan.h"
#include "store/search/search_probe.h"
#include "store/search/search_scope.h"
#include "store/search/search_tally.h"

/* ---- Lists of rids --------------------------------------------------------------------------- */

int search_rids_add(struct search_rids *rids, uint64_t rid, struct err *reterr) {
  if (rids->n >= SEARCH_COLLECT_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "",
                   "more than %d resources would have to be looked at; add a condition that is met "
                   "by fewer",
                   SEARCH_COLLECT_MAX);
  uint64_t *place =
      vec_push(rids->arena, (void **)&rids->p, &rids->n, &rids->capacity, sizeof *rids->p);
  if (!place)
    return err_no_memory(reterr);
  *place = rid;
  return 0;
}

static int compare_rids(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* Rids are dense numbers, so that many of them are sorted fastest as a set of bits, from which they
 * come out in order and each once. False without memory for it. */
static bool sort_by_bits(struct search_rids *rids, uint64_t least, uint64_t words) {
  uint64_t *bits = calloc(words, sizeof *bits);
  if (!bits)
    return false;
  for (size_t i = 0; i < rids->n; i++)
    bits[(rids->p[i] - least) / 64] |= (uint64_t)1 << ((rids->p[i] - least) % 64);
  rids->n = 0;
  for (uint64_t w = 0; w < words; w++)
    for (uint64_t word = bits[w]; word; word &= word - 1)
      rids->p[rids->n++] = least + w * 64 + (uint64_t)__builtin_ctzll(word);
  free(bits);
  return true;
}

void search_rids_sort(struct search_rids *rids) {
  enum { BITS_FEWEST = 64, WORDS_MAX = 1 << 20 };
  bool is_sorted = true;
  uint64_t least = UINT64_MAX, greatest = 0;
  for (size_t i = 0; i < rids->n; i++) {
    is_sorted &= i == 0 || rids->p[i - 1] < rids->p[i];
    least = rids->p[i] < least ? rids->p[i] : least;
    greatest = rids->p[i] > greatest ? rids->p[i] : greatest;
  }
  if (is_sorted)
    return;
  uint64_t words = (greatest - least) / 64 + 1;
  if (rids->n >= BITS_FEWEST && words <= rids->n * 16 && words <= WORDS_MAX &&
      sort_by_bits(rids, least, words))
    return;
  qsort(rids->p, rids->n, sizeof *rids->p, compare_rids);
  size_t kept = 0;
  for (size_t i = 0; i < rids->n; i++)
    if (kept == 0 || rids->p[kept - 1] != rids->p[i])
      rids->p[kept++] = rids->p[i];
  rids->n = kept;
}

/* Sends the question; no more is answered than the search may take, as an engine elsewhere is
 * waited for until the answer is here as a whole. */
static int ask(struct search_context *c, struct db_query *query, uint64_t most,
               struct db_statement **ret_asked, struct err *reterr) {
  uint64_t steps = c->limits.steps > c->steps ? c->limits.steps - c->steps : 0;
  most = most > SEARCH_COLLECT_MAX + 1 ? SEARCH_COLLECT_MAX + 1 : most;
  db_query_add(query, " LIMIT ");
  db_query_i64(query, (int64_t)(most > steps + 1 ? steps + 1 : most));
  return db_query_start(c->db, query, ret_asked, reterr);
}

static int take(struct search_context *c, struct db_statement *asked, struct search_rids *rids,
                struct err *reterr) {
  bool has_row;
  int code;
  size_t before = rids->n;
  while ((code = db_step(asked, &has_row, reterr)) == 0 && has_row)
    if ((code = search_rids_add(rids, (uint64_t)db_column_i64(asked, 0), reterr)) != 0)
      break;
  return code ? code : search_spend(c, SEARCH_STEP_QUERY + rids->n - before, reterr);
}

int search_rids_add_query(struct search_context *c, struct db_query *query, uint64_t most,
                          struct search_rids *rids, struct err *reterr) {
  struct db_statement *asked = NULL;
  int code = ask(c, query, most, &asked, reterr);
  if (code == 0)
    code = take(c, asked, rids, reterr);
  db_release(asked);
  return code;
}

/* A few targets at once; of each only so many that their answers together are bounded. */
enum { TARGETS_AT_ONCE = 32, ROWS_OF_TARGET = 65536 };

/* All of one that has more. */
static int add_all_referring(struct search_context *c, uint16_t param, uint64_t target,
                             struct search_rids *rids, struct err *reterr) {
  uint64_t after = 0;
  int code = 0;
  for (size_t n = ROWS_OF_TARGET; code == 0 && n == ROWS_OF_TARGET;) {
    struct db_statement *asked = NULL;
    size_t before = rids->n;
    code = search_referrers_ask(c, param, target, after, ROWS_OF_TARGET, &asked, reterr);
    if (code == 0)
      code = take(c, asked, rids, reterr);
    db_release(asked);
    n = rids->n - before;
    after = n ? rids->p[rids->n - 1] : 0;
  }
  return code;
}

static int add_referring_some(struct search_context *c, uint16_t param, const uint64_t *targets,
                              size_t n, struct search_rids *rids, struct err *reterr) {
  const int64_t number = param, most = ROWS_OF_TARGET;
  struct db_column columns[] = {{.type = DB_I64, .rows = &number},
                                {.type = DB_I64, .rows = targets, .stride = sizeof *targets},
                                {.type = DB_I64, .rows = &most}};
  struct db_statement *asked = NULL;
  uint64_t counts[TARGETS_AT_ONCE] = {0};
  bool has_row;
  size_t before = rids->n;
  int code = db_select_rows(
      c->db, STR("SELECT rid FROM reference WHERE param=? AND target=? ORDER BY rid LIMIT ?"),
      columns, 3, n, &asked, reterr);
  while (code == 0 && (code = db_step(asked, &has_row, reterr)) == 0 && has_row) {
    counts[db_asked_row(asked)]++;
    code = search_rids_add(rids, (uint64_t)db_column_i64(asked, 0), reterr);
  }
  db_release(asked);
  if (code == 0)
    code = search_spend(c, SEARCH_STEP_QUERY + rids->n - before, reterr);
  for (size_t i = 0; i < n && code == 0; i++)
    if (counts[i] == ROWS_OF_TARGET) /* what came of it comes again: each counts once */
      code = add_all_referring(c, param, targets[i], rids, reterr);
  return code;
}

static int add_referring(struct search_context *c, uint16_t param, const uint64_t *targets,
                         size_t n, struct search_rids *rids, struct err *reterr) {
  size_t at_once = search_looks_ahead(c) ? TARGETS_AT_ONCE : 1;
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i += at_once)
    code =
        add_referring_some(c, param, &targets[i], n - i < at_once ? n - i : at_once, rids, reterr);
  return code;
}

/* ---- _lastUpdated ---------------------------------------------------------------------------- */

/* The instants from..to, both included, that satisfy `o`; `ne` is not one interval. */
static void instants(const struct search_operand *o, int64_t *ret_from, int64_t *ret_to) {
  *ret_from = INT64_MIN;
  *ret_to = INT64_MAX;
  switch (o->prefix) {
  case SEARCH_EQ:
  case SEARCH_AP:
    *ret_from = o->from_us;
    *ret_to = o->to_us - 1;
    break;
  case SEARCH_GT:
  case SEARCH_SA:
    *ret_from = o->to_us;
    break;
  case SEARCH_GE:
    *ret_from = o->from_us;
    break;
  case SEARCH_LT:
  case SEARCH_EB:
    *ret_to = o->from_us - 1;
    break;
  case SEARCH_LE:
    *ret_to = o->to_us - 1;
    break;
  case SEARCH_NE:
    break; /* all: the test decides */
  }
}

static void add_updated(struct db_query *query, const struct search_context *c,
                        const struct search_scope *scope, defs_type_id type,
                        const struct search_operand *o) {
  int64_t from, to;
  instants(o, &from, &to);
  db_query_add(query, " FROM resource WHERE state=1 AND type=");
  db_query_i64(query, schema_type_number(c->schema, type));
  db_query_add(query, " AND updated>=");
  db_query_i64(query, from);
  db_query_add(query, " AND updated<=");
  db_query_i64(query, to);
  search_scope_add(query, c, scope);
}

/* ---- Counting -------------------------------------------------------------------------------- */

/* The counts of spans from `from` on, asked together. */
static int count_ahead(struct search_context *c, const struct search_spans *spans, size_t from,
                       uint64_t limit, struct err *reterr) {
  struct db_query froms[SEARCH_TALLIES_MAX];
  size_t n = 0;
  for (; n < SEARCH_TALLIES_MAX && from + n < spans->n && search_looks_ahead(c); n++) {
    db_query_init(&froms[n], c->arena);
    search_span_add_rough(&froms[n], c, &spans->p[from + n]);
  }
  return search_tally_ahead(c, froms, n, limit, reterr);
}

int search_count_ahead(struct search_context *c, const struct search_spans *const *spans, size_t n,
                       uint64_t limit, struct err *reterr) {
  struct db_query froms[SEARCH_TALLIES_MAX];
  size_t froms_n = 0;
  for (size_t i = 0; i < n && search_looks_ahead(c); i++)
    for (size_t k = 0; k < spans[i]->n && froms_n < SEARCH_TALLIES_MAX; k++) {
      db_query_init(&froms[froms_n], c->arena);
      search_span_add_rough(&froms[froms_n++], c, &spans[i]->p[k]);
    }
  return search_tally_ahead(c, froms, froms_n, limit, reterr);
}

int search_count_spans(struct search_context *c, const struct search_spans *spans, uint64_t limit,
                       uint64_t *ret_n, struct err *reterr) {
  int code = 0;
  uint64_t sum = 0, n = 0;
  for (size_t i = 0; i < spans->n && code == 0 && sum < limit; i++) {
    struct db_query from;
    if (i % SEARCH_TALLIES_MAX == 0)
      code = count_ahead(c, spans, i, limit - sum, reterr);
    if (code)
      return code;
    db_query_init(&from, c->arena);
    search_span_add_rough(&from, c, &spans->p[i]);
    code = search_tally(c, &from, limit - sum, &n, reterr);
    sum += code ? 0 : n;
  }
  *ret_n = sum;
  return code;
}

static int count_updated(struct search_context *c, const struct search_condition *condition,
                         uint64_t limit, uint64_t *ret_n, struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  struct search_types types;
  uint64_t sum = 0, n = 0;
  int code = search_types_of(c, p->type, &types, reterr);
  for (size_t t = 0; t < types.n && code == 0; t++)
    for (size_t i = 0; i < p->operands_n && code == 0 && sum < limit; i++) {
      struct db_query from;
      db_query_init(&from, c->arena);
      add_updated(&from, c, condition->scope, types.p[t], &p->operands[i]);
      code = search_tally(c, &from, limit - sum, &n, reterr);
      sum += code ? 0 : n;
    }
  *ret_n = sum;
  return code;
}

/* What joins others has at most as many as its smallest (all), or as all of them together. */
static int count_joined(struct search_context *c, const struct search_condition *condition,
                        uint64_t limit, uint64_t *ret_n, struct err *reterr) {
  bool is_any = condition->predicate->subject == SEARCH_ON_ANY;
  uint64_t sum = is_any ? 0 : limit;
  int code = 0;
  for (size_t i = 0; i < condition->targets_n && code == 0 && (sum < limit || !is_any); i++) {
    uint64_t n = limit;
    if (search_is_drivable(&condition->targets[i]))
      code = search_count(c, &condition->targets[i], NULL, is_any ? limit - sum : sum, &n, reterr);
    sum = is_any ? sum + n : n < sum ? n : sum;
  }
  *ret_n = sum < limit ? sum : limit;
  return code;
}

/* Rows that refer to one of a few of the targets, and from these how many to all of them. */
static int count_links(struct search_context *c, const struct search_condition *condition,
                       const struct search_rids *targets, uint64_t limit, uint64_t *ret_n,
                       struct err *reterr) {
  enum { SAMPLE = 8 };
  struct db_query froms[SAMPLE] = {0}; /* for the eyes of gcc -O1 -fsanitize */
  uint64_t sum = 0, n = 0;
  size_t looked_at = 0, froms_n = 0, step = targets->n / SAMPLE + 1;
  for (size_t i = 0; i < targets->n; i += step) {
    struct db_query *from = &froms[froms_n++];
    db_query_init(from, c->arena);
    db_query_add(from, " FROM reference WHERE param=");
    db_query_i64(from, condition->param);
    db_query_add(from, " AND target=");
    db_query_i64(from, (int64_t)targets->p[i]);
  }
  int code = search_tally_ahead(c, froms, froms_n, limit, reterr);
  for (; looked_at < froms_n && sum < limit && code == 0; looked_at++) {
    code = search_tally(c, &froms[looked_at], limit - sum, &n, reterr);
    sum += code ? 0 : n;
  }
  *ret_n = looked_at ? sum * targets->n / looked_at : 0;
  return code;
}

/* Chains with few targets are counted; for many their share of all targets is taken. */
static int count_chain(struct search_context *c, const struct search_condition *condition,
                       uint64_t limit, uint64_t *ret_n, struct err *reterr) {
  enum { FEW = 200 };
  uint64_t sum = 0;
  struct search_rids few = {.arena = c->arena};
  for (size_t i = 0; i < condition->targets_n && sum < limit; i++) {
    const struct search_condition *target = &condition->targets[i];
    uint64_t n, of_all = 0, all = 0;
    int code = search_count(c, target, NULL, FEW, &n, reterr);
    if (code == 0 && n < FEW) {
      code = search_collect(c, target, &few, reterr);
    } else if (code == 0) {
      defs_type_id from = condition->predicate->type, to = target->predicate->type;
      struct search_types from_types = {&from, from != 0}, to_types = {&to, to != 0};
      code = search_types_count(c, to_types, &of_all, reterr);
      if (code == 0)
        code = search_types_count(c, from_types, &all, reterr);
      sum += of_all ? n * all / of_all : n;
    }
    if (code)
      return code;
  }
  search_rids_sort(&few);
  uint64_t n = 0, inside = 0, contained = (uint64_t)search_contained_target(c);
  struct search_rids one = {.p = &contained, .n = 1}; /* all that leads to a contained resource */
  int code = few.n ? count_links(c, condition, &few, limit, &n, reterr) : 0;
  if (code == 0)
    code = count_links(c, condition, &one, limit, &inside, reterr);
  *ret_n = sum + n + inside;
  return code;
}

static int count(struct search_context *c, const struct search_condition *condition,
                 const struct search_spans *spans, uint64_t limit, uint64_t *ret_n,
                 struct err *reterr) {
  switch (condition->predicate->subject) {
  case SEARCH_ON_ID:
  case SEARCH_ON_TEXT:
    *ret_n = condition->is_unindexed ? limit : condition->rids_n;
    return 0;
  case SEARCH_ON_LAST_UPDATED:
    return count_updated(c, condition, limit, ret_n, reterr);
  case SEARCH_ON_CHAIN:
    return count_chain(c, condition, limit, ret_n, reterr);
  case SEARCH_ON_HAS:
    if (!condition->solved->is_known)
      return search_count(c, &condition->targets[0], NULL, limit, ret_n, reterr);
    *ret_n = condition->solved->n;
    return 0;
  case SEARCH_ON_ALL:
    return count_joined(c, condition, limit, ret_n, reterr);
  case SEARCH_ON_ANY:
    if (!search_has_spans(condition))
      return count_joined(c, condition, limit, ret_n, reterr);
    break;
  case SEARCH_ON_NOT:
    *ret_n = limit;
    return 0;
  case SEARCH_ON_COMPARTMENT:
  case SEARCH_ON_PARAM:
    break;
  }
  struct search_spans own = {0};
  int code = spans ? 0 : search_spans_make(c, condition, &own, reterr);
  return code ? code : search_count_spans(c, spans ? spans : &own, limit, ret_n, reterr);
}

int search_count(struct search_context *c, const struct search_condition *condition,
                 const struct search_spans *spans, uint64_t limit, uint64_t *ret_n,
                 struct err *reterr) {
  int code = count(c, condition, spans, limit, ret_n, reterr);
  if (code == 0 && limit >= condition->cost->estimate_limit) {
    condition->cost->has_estimate = true;
    condition->cost->estimate = *ret_n;
    condition->cost->estimate_limit = limit;
  }
  return code;
}

/* ---- Collecting ------------------------------------------------------------------------------ */

/* Each answer may be as long as the search may take. */
enum { SPANS_AT_ONCE = 8 };

static int ask_span(struct search_context *c, const struct search_span *span,
                    const struct search_probes *probes, uint64_t most,
                    struct db_statement **ret_asked, struct err *reterr) {
  struct db_query query;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT rid");
  search_span_add(&query, c, span);
  search_probes_add(&query, c, probes, search_span_table(span));
  return ask(c, &query, most, ret_asked, reterr);
}

static int collect_some(struct search_context *c, const struct search_span *spans, size_t n,
                        const struct search_probes *probes, struct search_rids *rids,
                        struct err *reterr) {
  struct db_statement *asked[SPANS_AT_ONCE] = {0};
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i++)
    code = ask_span(c, &spans[i], probes, SEARCH_COLLECT_MAX + 1 - rids->n, &asked[i], reterr);
  for (size_t i = 0; i < n && code == 0; i++) {
    size_t before = rids->n;
    code = take(c, asked[i], rids, reterr);
    spans[i].condition->cost->rows += rids->n - before;
  }
  for (size_t i = 0; i < n; i++)
    db_release(asked[i]);
  return code;
}

int search_collect_spans(struct search_context *c, const struct search_spans *spans,
                         const struct search_probes *probes, struct search_rids *rids,
                         struct err *reterr) {
  size_t at_once = search_looks_ahead(c) ? SPANS_AT_ONCE : 1;
  int code = 0;
  for (size_t i = 0; code == 0 && i < spans->n; i += at_once)
    code = collect_some(c, &spans->p[i], spans->n - i < at_once ? spans->n - i : at_once, probes,
                        rids, reterr);
  return code;
}

int search_collect_few(struct search_context *c, const struct search_span *span, bool needs_body,
                       struct search_rids *rids, bool *ret_is_all, struct err *reterr) {
  uint64_t few[SEARCH_FEW_MAX + 1];
  struct db_query query;
  size_t n = 0;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT rid");
  search_span_add(&query, c, span);
  db_query_add(&query, " LIMIT ");
  db_query_i64(&query, SEARCH_FEW_MAX + 1);
  int code = search_fetch_with(c, &query, SEARCH_FEW_MAX + 1, needs_body, few, &n, reterr);
  if (code == 0)
    code = search_spend(c, SEARCH_STEP_QUERY + n, reterr);
  *ret_is_all = n <= SEARCH_FEW_MAX;
  for (size_t i = 0; i < n && code == 0 && *ret_is_all; i++)
    code = search_rids_add(rids, few[i], reterr);
  span->condition->cost->rows += *ret_is_all ? n : 0;
  return code;
}

static int collect_own_spans(struct search_context *c, const struct search_condition *condition,
                             struct search_rids *rids, struct err *reterr) {
  struct search_spans spans;
  int code = search_spans_make(c, condition, &spans, reterr);
  return code ? code : search_collect_spans(c, &spans, NULL, rids, reterr);
}

static int collect_updated(struct search_context *c, const struct search_condition *condition,
                           struct search_rids *rids, struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  struct search_types types;
  int code = search_types_of(c, p->type, &types, reterr);
  for (size_t t = 0; t < types.n && code == 0; t++)
    for (size_t i = 0; i < p->operands_n && code == 0; i++) {
      struct db_query query;
      db_query_init(&query, c->arena);
      db_query_add(&query, "SELECT rid");
      add_updated(&query, c, condition->scope, types.p[t], &p->operands[i]);
      code = search_rids_add_query(c, &query, SEARCH_COLLECT_MAX + 1, rids, reterr);
    }
  return code;
}

int search_collect_targets(struct search_context *c, const struct search_condition *condition,
                           struct search_rids *targets, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < condition->targets_n && code == 0; i++)
    code = search_collect(c, &condition->targets[i], targets, reterr);
  search_rids_sort(targets);
  return code;
}

/* What refers to the targets, and what leads to a contained resource. */
static int collect_chain(struct search_context *c, const struct search_condition *condition,
                         struct search_rids *rids, struct err *reterr) {
  struct search_rids targets = {.arena = c->arena};
  uint64_t contained = (uint64_t)search_contained_target(c);
  int code = search_collect_targets(c, condition, &targets, reterr);
  if (code == 0)
    code = add_referring(c, condition->param, targets.p, targets.n, rids, reterr);
  if (code == 0)
    code = add_referring(c, condition->param, &contained, 1, rids, reterr);
  condition->cost->rows += rids->n;
  return code;
}

/* Adds what the source `rid` of _has refers to, if it satisfies the condition there. */
static int add_of_source(struct search_context *c, const struct search_condition *condition,
                         uint64_t rid, struct search_rids *rids, struct err *reterr) {
  struct search_candidate source;
  bool is = false;
  arena_reset(c->scratch);
  int code = search_fetch(c, rid, &source, &is, reterr);
  if (code == 0 && is)
    code = search_matches(c, condition->targets, 1, &source, &is, reterr);
  if (code || !is)
    return code;
  struct keys keys = search_keys_of(source.keys, KEYS_REFERENCE, condition->param);
  for (size_t k = 0; k < keys.n && code == 0; k++)
    if (keys.p[k].target > 0)
      code = search_rids_add(rids, (uint64_t)keys.p[k].target, reterr);
  return code;
}

int search_solve_has(struct search_context *c, const struct search_condition *condition,
                     struct err *reterr) {
  struct search_rids sources = {.arena = c->arena}, rids = {.arena = c->arena};
  if (condition->solved->is_known)
    return 0;
  int code = search_collect_targets(c, condition, &sources, reterr);
  for (size_t i = 0; i < sources.n && code == 0; i++) {
    if (i % SEARCH_AHEAD_MAX == 0)
      code = search_fetch_ahead(c, &sources.p[i], sources.n - i, false, reterr);
    if (code)
      break;
    code = add_of_source(c, condition, sources.p[i], &rids, reterr);
  }
  search_rids_sort(&rids);
  condition->cost->rows += sources.n;
  if (code == 0)
    *condition->solved = (struct search_solved){.is_known = true, .rids = rids.p, .n = rids.n};
  return code;
}

static int collect_has(struct search_context *c, const struct search_condition *condition,
                       struct search_rids *rids, struct err *reterr) {
  int code = search_solve_has(c, condition, reterr);
  for (size_t i = 0; code == 0 && i < condition->solved->n; i++)
    code = search_rids_add(rids, condition->solved->rids[i], reterr);
  return code;
}

/* All that one of them has; or what the one has that has fewest, where all are to hold. */
static int collect_joined(struct search_context *c, const struct search_condition *condition,
                          struct search_rids *rids, struct err *reterr) {
  bool is_any = condition->predicate->subject == SEARCH_ON_ANY;
  const struct search_condition *least = NULL;
  uint64_t least_n = SEARCH_COLLECT_MAX;
  int code = 0;
  for (size_t i = 0; i < condition->targets_n && code == 0; i++) {
    const struct search_condition *target = &condition->targets[i];
    uint64_t n = 0;
    if (is_any) {
      code = search_collect(c, target, rids, reterr);
    } else if (search_is_drivable(target)) {
      code = search_count(c, target, NULL, least_n, &n, reterr);
      least = !least || n < least_n ? target : least;
      least_n = n < least_n ? n : least_n;
    }
  }
  return code || is_any || !least ? code : search_collect(c, least, rids, reterr);
}

int search_collect(struct search_context *c, const struct search_condition *condition,
                   struct search_rids *rids, struct err *reterr) {
  int code = 0;
  switch (condition->predicate->subject) {
  case SEARCH_ON_ID:
  case SEARCH_ON_TEXT:
    for (size_t i = 0; i < condition->rids_n && code == 0; i++)
      code = search_rids_add(rids, condition->rids[i], reterr);
    return code;
  case SEARCH_ON_LAST_UPDATED:
    return collect_updated(c, condition, rids, reterr);
  case SEARCH_ON_CHAIN:
    return collect_chain(c, condition, rids, reterr);
  case SEARCH_ON_HAS:
    return collect_has(c, condition, rids, reterr);
  case SEARCH_ON_ALL:
    return collect_joined(c, condition, rids, reterr);
  case SEARCH_ON_ANY:
    if (!search_has_spans(condition))
      return collect_joined(c, condition, rids, reterr);
    break;
  case SEARCH_ON_NOT: /* is not drivable */
  case SEARCH_ON_COMPARTMENT:
  case SEARCH_ON_PARAM:
    break;
  }
  return collect_own_spans(c, condition, rids, reterr);
}
