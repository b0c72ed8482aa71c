/* How a search was planned and what it cost, from what its conditions counted while it ran. */
#include "base/clock.h"
#include "store/search/search_fetch.h"
#include "store/search/search_page.h"

enum { TEXT_BYTES_MAX = 120 }; /* of a condition */

/* "code=8480-6"; of a link its name alone, as its parts tell the rest. */
static struct str text_of(struct arena *arena, const struct search_predicate *p) {
  switch (p->subject) {
  case SEARCH_ON_ALL:
    return STR("all of");
  case SEARCH_ON_ANY:
    return STR("any of");
  case SEARCH_ON_NOT:
    return STR("not");
  case SEARCH_ON_COMPARTMENT:
    return arena_printf(arena, "in the compartment of %.*s/%.*s", STR_ARG(p->name),
                        STR_ARG(p->value));
  default:
    break;
  }
  struct str type = p->type ? defs_type(p->type)->name : STR("any type");
  struct str value = str_slice(p->value, 0, TEXT_BYTES_MAX);
  return arena_printf(arena, "%.*s: %.*s = %.*s%s", STR_ARG(type), STR_ARG(p->name), STR_ARG(value),
                      value.n < p->value.n ? "..." : "");
}

static const char *role_of(const struct search_cost *cost) {
  static const char *const roles[] = {[SEARCH_ROLE_TEST] = "test",
                                      [SEARCH_ROLE_DRIVER] = "driver",
                                      [SEARCH_ROLE_PROBE] = "probe",
                                      [SEARCH_ROLE_SIEVE] = "sieve"};
  return roles[cost->role];
}

static int explain_all(struct arena *arena, const struct search_condition *conditions, size_t n,
                       const struct search_explained **ret_explained, struct err *reterr) {
  struct search_explained *all = ARENA_ARRAY(arena, struct search_explained, n + 1);
  int code = all ? 0 : err_no_memory(reterr);
  for (size_t i = 0; i < n && code == 0; i++) {
    const struct search_condition *condition = &conditions[i];
    const struct search_cost *cost = condition->cost;
    all[i] = (struct search_explained){.text = text_of(arena, condition->predicate),
                                       .role = role_of(cost),
                                       .has_estimate = cost->has_estimate,
                                       .is_at_least = cost->estimate >= cost->estimate_limit,
                                       .estimate = cost->estimate,
                                       .rows = cost->rows,
                                       .tests = cost->tests,
                                       .passed = cost->passed,
                                       .parts_n = condition->targets_n};
    code = explain_all(arena, condition->targets, condition->targets_n, &all[i].parts, reterr);
  }
  *ret_explained = all;
  return code;
}

static struct str reading_of(struct arena *arena, const struct search_facts *facts) {
  switch (facts->reading) {
  case SEARCH_READING_TYPES:
    return STR("all resources of the types are gone through in the order of their number");
  case SEARCH_READING_STREAMS:
    return arena_printf(arena, "%llu index ranges of the driver, each in order, are merged",
                        (unsigned long long)facts->ranges);
  case SEARCH_READING_COLLECTED:
    return STR("all numbers are collected from the index, then put in order");
  case SEARCH_READING_NONE:
    break;
  }
  return STR("no candidates were needed");
}

/* What is counted of an index is what was read, so that where rows are read ahead the numbers are
 * others than where each is read when it is needed. */
static struct str reading_with_ahead(const struct search_context *c) {
  struct str reading = reading_of(c->arena, &c->facts);
  if (!search_looks_ahead(c))
    return reading;
  return arena_printf(c->arena,
                      "%.*s; rows are read ahead, as a question costs a round trip: more of an "
                      "index than may be needed, and %llu resources",
                      STR_ARG(reading), (unsigned long long)c->facts.ahead);
}

static struct str order_of(const struct search_facts *facts, const struct search *search) {
  switch (facts->order) {
  case SEARCH_ORDER_SORTED:
    return STR("all matches are looked at, the first of the order are kept");
  case SEARCH_ORDER_WALKED:
    return STR("the index of the sort key is walked until the page is full");
  case SEARCH_ORDER_RID:
    break;
  }
  return search->is_count_only ? STR("none: only counted") : STR("as they were created");
}

static int explain(struct search_context *c, const struct search *search,
                   struct search_explanation *ret, struct search_result *ret_result,
                   struct err *reterr) {
  struct search_condition *conditions = NULL;
  struct db_pages before = db_pages(c->db);
  int64_t start_us = clock_monotonic_us();
  int code = search_run_in(c, search, &conditions, ret_result, reterr);
  if (code)
    return code;
  struct db_pages after = db_pages(c->db);
  *ret = (struct search_explanation){.conditions_n = search->predicates_n,
                                     .reading = reading_with_ahead(c),
                                     .order = order_of(&c->facts, search),
                                     .candidates = c->facts.candidates,
                                     .fetched = c->facts.fetched,
                                     .bodies = c->facts.bodies + ret_result->rows_n,
                                     .steps = c->steps,
                                     .time_us = clock_monotonic_us() - start_us,
                                     .pages_read = after.read - before.read,
                                     .pages_hit = after.hit - before.hit};
  code = explain_all(c->arena, conditions, search->predicates_n, &ret->conditions, reterr);
  if (code == 0 && c->filter.is_everything) /* else the number would say what is hidden */
    code = search_types_count(c, search->types, &ret->types_count, reterr);
  return code;
}

int search_explain(struct store_view *view, const struct access *access, struct arena *arena,
                   const struct search *search, struct search_explanation *ret_explanation,
                   struct search_result *ret_result, struct err *reterr) {
  struct search_context c;
  if (!access->is_everything)
    return err_set(reterr, ERR_FORBIDDEN, "",
                   "what a search costs says how much there is; that is for who may see all");
  int code = search_context_init(&c, view, access, arena, &search->limits, reterr);
  c.types = search->types;
  if (code == 0)
    code = explain(&c, search, ret_explanation, ret_result, reterr);
  search_context_fini(&c);
  return code;
}

/* ---- As text --------------------------------------------------------------------------------- */

static void write_condition(struct buf *buf, const struct search_explained *e, size_t depth) {
  for (size_t i = 0; i < depth; i++)
    buf_add_z(buf, "  ");
  buf_printf(buf, "%s  %.*s", e->role, STR_ARG(e->text));
  if (e->has_estimate)
    buf_printf(buf, "  estimated %s%llu", e->is_at_least ? "at least " : "",
               (unsigned long long)e->estimate);
  buf_printf(buf, "  rows %llu  passed %llu of %llu\n", (unsigned long long)e->rows,
             (unsigned long long)e->passed, (unsigned long long)e->tests);
  for (size_t i = 0; i < e->parts_n; i++)
    write_condition(buf, &e->parts[i], depth + 1);
}

void search_explanation_write(struct buf *buf, const struct search_explanation *e) {
  buf_printf(buf, "candidates: %.*s\norder: %.*s\n", STR_ARG(e->reading), STR_ARG(e->order));
  for (size_t i = 0; i < e->conditions_n; i++)
    write_condition(buf, &e->conditions[i], 1);
  buf_printf(buf,
             "of %llu resources %llu were candidates, %llu were fetched, %llu bodies read;"
             " %llu steps, %lld us, pages %llu from the file and %llu at hand\n",
             (unsigned long long)e->types_count, (unsigned long long)e->candidates,
             (unsigned long long)e->fetched, (unsigned long long)e->bodies,
             (unsigned long long)e->steps, (long long)e->time_us, (unsigned long long)e->pages_read,
             (unsigned long long)e->pages_hit);
}
