#include "store/search/search_probe.h"

#include "store/db/dialect.h"

enum { SPANS_MOST = 2 };

static bool is_candidate(const struct search_condition *condition) {
  const struct search_predicate *p = condition->predicate;
  bool is_hashed = condition->table == KEYS_TOKEN || condition->table == KEYS_URI ||
                   condition->table == KEYS_REFERENCE;
  if (condition->is_only_tested || p->subject != SEARCH_ON_PARAM || p->modifier == SEARCH_MISSING ||
      !is_hashed || condition->tests_n != 1 || condition->tests[0].values.n > SPANS_MOST)
    return false;
  const struct search_test *test = &condition->tests[0];
  return !test->is_any_value && !test->is_system_only && !test->is_any_first &&
         !(condition->is_negated && test->needs_body);
}

int search_probes_make(struct search_context *c, const struct search_wish *wish,
                       const struct search_condition *driver, struct search_probes *ret_probes,
                       struct err *reterr) {
  struct search_probes probes = {.p = ARENA_ARRAY(c->arena, struct search_probe, wish->n + 1)};
  int code = probes.p ? 0 : err_no_memory(reterr);
  for (size_t i = 0; i < wish->n && code == 0; i++) {
    const struct search_condition *condition = &wish->conditions[i];
    struct search_probe probe = {.condition = condition, .excludes = condition->is_negated};
    if (condition == driver || !is_candidate(condition))
      continue;
    code = probe.excludes ? search_spans_kept_out(c, condition, &probe.spans, reterr)
                          : search_spans_make(c, condition, &probe.spans, reterr);
    if (code == 0 && probe.spans.n > 0 && probe.spans.n <= SPANS_MOST) {
      probes.p[probes.n++] = probe;
      condition->cost->role = SEARCH_ROLE_PROBE;
    }
  }
  *ret_probes = probes;
  return code;
}

static void add_probe(struct db_query *query, const struct search_context *c,
                      const struct search_probe *probe, const char *table) {
  db_query_add(query, probe->excludes ? " AND NOT (" : " AND (");
  for (size_t i = 0; i < probe->spans.n; i++) {
    db_query_add(query, i ? " OR EXISTS(SELECT 1" : "EXISTS(SELECT 1");
    search_span_add_as(query, c, &probe->spans.p[i], "probe");
    db_query_addf(query, " AND probe.rid=%s.rid%s)", table, dialect_apart(db_kind(c->db)));
  }
  db_query_add(query, ")");
}

void search_probes_add(struct db_query *query, const struct search_context *c,
                       const struct search_probes *probes, const char *table) {
  for (size_t i = 0; probes && i < probes->n; i++)
    add_probe(query, c, &probes->p[i], table);
}

bool search_probes_have(const struct search_probes *probes,
                        const struct search_condition *condition) {
  for (size_t i = 0; i < probes->n; i++)
    if (probes->p[i].condition == condition)
      return true;
  return false;
}
