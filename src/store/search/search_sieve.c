#include "store/search/search_sieve.h"

static bool excludes(const struct search_condition *condition) {
  const struct search_predicate *p = condition->predicate;
  return condition->is_negated || p->subject == SEARCH_ON_NOT ||
         (p->subject == SEARCH_ON_PARAM && p->modifier == SEARCH_MISSING && p->is_missing);
}

/* Whose spans are kept out. A negation below another one is not taken apart. */
static const struct search_condition *kept_out(const struct search_condition *condition) {
  const struct search_condition *target = condition->targets;
  if (condition->predicate->subject != SEARCH_ON_NOT)
    return condition;
  return !excludes(target) && search_is_drivable(target) ? target : NULL;
}

/* Links are no rows of the candidate's own; what only the body decides can't exclude. */
static bool is_sieve(const struct search_condition *condition) {
  if (condition->is_only_tested)
    return false;
  if (excludes(condition))
    return kept_out(condition) && search_spans_are_exact(kept_out(condition));
  return search_is_drivable(condition) && (search_has_spans(condition) || condition->solved);
}

int search_sieves_init(struct search_context *c, const struct search_wish *wish,
                       const struct search_condition *driver, const struct search_probes *probes,
                       struct search_sieves *ret_sieves, struct err *reterr) {
  struct search_sieves sieves = {.p = ARENA_ARRAY(c->arena, struct search_sieve, wish->n + 1)};
  if (!sieves.p)
    return err_no_memory(reterr);
  for (size_t i = 0; i < wish->n; i++) {
    const struct search_condition *condition = &wish->conditions[i];
    if (condition != driver && !search_probes_have(probes, condition) && is_sieve(condition))
      sieves.p[sieves.n++] = (struct search_sieve){.condition = condition,
                                                   .wish = wish,
                                                   .excludes = excludes(condition),
                                                   .rids = {.arena = c->arena}};
  }
  *ret_sieves = sieves;
  return 0;
}

void search_sieves_cover(struct search_sieves *sieves, const struct search_condition *condition) {
  for (size_t i = 0; i < sieves->n; i++)
    sieves->p[i].is_covered |= sieves->p[i].condition == condition;
}

bool search_sieves_prove(const struct search_sieves *sieves,
                         const struct search_condition *condition) {
  for (size_t i = 0; i < sieves->n; i++) {
    const struct search_sieve *sieve = &sieves->p[i];
    if (sieve->condition == condition)
      return sieve->is_covered ||
             (sieve->is_filled &&
              (sieve->excludes || sieve->condition->solved || search_spans_are_exact(condition)));
  }
  return false;
}

/* The resources behind a _has cost as much as candidates do, not as rows. */
static int fill_links(struct search_context *c, struct search_sieve *sieve, uint64_t limit,
                      struct err *reterr) {
  const struct search_condition *condition = sieve->condition;
  uint64_t n = 0;
  limit /= SEARCH_STEP_FETCH;
  int code = search_count(c, condition, NULL, limit, &n, reterr);
  if (code || n >= limit)
    return code;
  code = search_collect(c, condition, &sieve->rids, reterr);
  sieve->is_filled = code == 0;
  condition->cost->role = SEARCH_ROLE_SIEVE;
  return code;
}

static int fill(struct search_context *c, struct search_sieves *sieves, struct search_sieve *sieve,
                uint64_t limit, struct err *reterr) {
  if (limit == 0)
    return 0;
  struct search_spans spans;
  uint64_t n = 0;
  const struct search_condition *condition = sieve->condition;
  int code = !sieve->excludes           ? search_spans_make(c, condition, &spans, reterr)
             : condition->targets_n > 0 ? search_spans_make(c, kept_out(condition), &spans, reterr)
                                        : search_spans_kept_out(c, condition, &spans, reterr);
  const struct search_condition *joined = NULL;
  if (code == 0 && !sieve->excludes)
    joined = search_spans_join(&spans, condition, sieve->wish->conditions, sieve->wish->n);
  if (code == 0)
    code = search_count_spans(c, &spans, limit, &n, reterr);
  if (code || n >= limit)
    return code;
  code = search_collect_spans(c, &spans, NULL, &sieve->rids, reterr);
  search_sieves_cover(sieves, joined);
  search_rids_sort(&sieve->rids);
  sieve->is_filled = code == 0;
  if (condition->cost->role == SEARCH_ROLE_TEST)
    condition->cost->role = SEARCH_ROLE_SIEVE;
  return code;
}

int search_sieves_fill(struct search_context *c, struct search_sieves *sieves, uint64_t limit,
                       uint64_t links, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < sieves->n && code == 0; i++)
    if (!sieves->p[i].is_filled && !sieves->p[i].is_covered)
      code = sieves->p[i].condition->solved ? fill_links(c, &sieves->p[i], links, reterr)
                                            : fill(c, sieves, &sieves->p[i], limit, reterr);
  return code;
}

bool search_sieves_pass(const struct search_sieves *sieves, uint64_t rid) {
  for (size_t i = 0; i < sieves->n; i++)
    if (sieves->p[i].is_filled &&
        search_rids_have(sieves->p[i].rids.p, sieves->p[i].rids.n, rid) == sieves->p[i].excludes)
      return false;
  return true;
}
