#include "store/search/search_tally.h"

#include "store/search/search_estimates.h"
#include "store/search/search_fetch.h"

/* Above this, a count is not for choosing, but for telling. */
enum { ESTIMATE_MAX = 1000000 };
/* Rows: what costs less is counted again, unless the question costs more than the rows. */
enum { WORTH_KEEPING = 200 };

struct search_tallied {
  uint64_t key;
  uint64_t n, limit;
};

static bool recall(const struct search_context *c, uint64_t key, uint64_t limit, uint64_t *ret_n) {
  for (size_t i = 0; i < c->tallied.n && key; i++) {
    const struct search_tallied *tallied = &c->tallied.p[i];
    if (tallied->key != key || (limit > tallied->limit && tallied->n >= tallied->limit))
      continue;
    *ret_n = tallied->n < limit ? tallied->n : limit;
    return true;
  }
  return false;
}

static void remember(struct search_context *c, uint64_t key, uint64_t limit, uint64_t n) {
  if (!key)
    return;
  struct search_tallied *place = VEC_PUSH(c->arena, &c->tallied);
  if (place) /* it only saves time */
    *place = (struct search_tallied){.key = key, .n = n, .limit = limit};
}

static struct search_estimates *estimates_of(struct search_context *c, uint64_t limit) {
  return limit <= ESTIMATE_MAX ? store_view_estimates(c->view) : NULL;
}

static bool is_known(const struct search_context *c, struct search_estimates *estimates,
                     const struct db_query *from, uint64_t limit, uint64_t *ret_n) {
  uint64_t key = search_estimates_key(estimates, from);
  return recall(c, key, limit, ret_n) || search_estimates_find(estimates, key, limit, ret_n);
}

static int ask(struct search_context *c, const struct db_query *from, uint64_t limit,
               struct db_statement **ret_asked, struct err *reterr) {
  struct db_query query;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT count(*) FROM (SELECT 1");
  db_query_append(&query, from);
  db_query_add(&query, " LIMIT ");
  db_query_i64(&query, (int64_t)limit);
  db_query_add(&query, ") AS n");
  return db_query_start(c->db, &query, ret_asked, reterr);
}

static int take(struct search_context *c, const struct db_query *from, uint64_t limit,
                struct db_statement *asked, uint64_t *ret_n, struct err *reterr) {
  struct search_estimates *estimates = estimates_of(c, limit);
  bool has_row = false;
  int code = db_step(asked, &has_row, reterr);
  if (code)
    return code;
  *ret_n = has_row ? (uint64_t)db_column_i64(asked, 0) : 0;
  uint64_t key = search_estimates_key(estimates, from);
  if (*ret_n >= WORTH_KEEPING || search_looks_ahead(c))
    search_estimates_keep(estimates, key, limit, *ret_n);
  remember(c, key, limit, *ret_n);
  return 0;
}

int search_tally(struct search_context *c, const struct db_query *from, uint64_t limit,
                 uint64_t *ret_n, struct err *reterr) {
  struct search_estimates *estimates = estimates_of(c, limit);
  struct db_statement *asked = NULL;
  if (is_known(c, estimates, from, limit, ret_n))
    return 0;
  int code = ask(c, from, limit, &asked, reterr);
  if (code == 0)
    code = take(c, from, limit, asked, ret_n, reterr);
  db_release(asked);
  return code;
}

int search_tally_ahead(struct search_context *c, const struct db_query *froms, size_t n,
                       uint64_t limit, struct err *reterr) {
  struct search_estimates *estimates = estimates_of(c, limit);
  struct db_statement *asked[SEARCH_TALLIES_MAX] = {0};
  uint64_t known;
  int code = 0;
  if (n < 2 || n > SEARCH_TALLIES_MAX || !estimates || !search_looks_ahead(c))
    return 0;
  for (size_t i = 0; i < n && code == 0; i++)
    if (!is_known(c, estimates, &froms[i], limit, &known))
      code = ask(c, &froms[i], limit, &asked[i], reterr);
  for (size_t i = 0; i < n && code == 0; i++)
    if (asked[i])
      code = take(c, &froms[i], limit, asked[i], &known, reterr);
  for (size_t i = 0; i < n; i++)
    db_release(asked[i]);
  return code;
}
