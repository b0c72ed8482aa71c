#include "store/search/search_window.h"

enum {
  WINDOW_FIRST = 128,
  WINDOW_FIRST_AHEAD = 256, /* where a question costs more than the rows */
  WINDOW_MOST = 8192,
  ROWS_PER_CANDIDATE = 8, /* a condition with more is cheaper to test than to look up */
};

static bool is_one_value(const struct search_probe *probe) {
  for (size_t i = 0; i < probe->spans.n; i++)
    if (probe->spans.p[i].is_range)
      return false;
  return !probe->excludes;
}

void search_window_init(struct search_context *c, struct search_probes *probes,
                        struct search_window *ret_window) {
  struct search_window window = {.size = search_looks_ahead(c) ? WINDOW_FIRST_AHEAD : WINDOW_FIRST,
                                 .probes = *probes};
  window.kept.arena = window.rows.arena = c->arena;
  window.probes.n = 0;
  for (size_t i = 0; i < probes->n; i++)
    if (is_one_value(&probes->p[i]))
      window.probes.p[window.probes.n++] = probes->p[i];
  probes->n = 0;
  *ret_window = window;
}

/* The rows of `probe` between two rids; `*ret_is_common`: they are more than it pays to read. */
static int read_rows(struct search_context *c, struct search_window *window,
                     const struct search_probe *probe, bool *ret_is_common, struct err *reterr) {
  const struct search_rids *kept = &window->kept;
  size_t most = kept->n * ROWS_PER_CANDIDATE;
  int code = 0;
  window->rows.n = 0;
  for (size_t i = 0; i < probe->spans.n && code == 0 && window->rows.n < most; i++) {
    struct db_query query;
    db_query_init(&query, c->arena);
    db_query_add(&query, "SELECT rid");
    search_span_add(&query, c, &probe->spans.p[i]);
    db_query_add(&query, " AND rid>=");
    db_query_i64(&query, (int64_t)kept->p[0]);
    db_query_add(&query, " AND rid<=");
    db_query_i64(&query, (int64_t)kept->p[kept->n - 1]);
    code = search_rids_add_query(c, &query, most - window->rows.n, &window->rows, reterr);
  }
  probe->condition->cost->rows += window->rows.n;
  *ret_is_common = window->rows.n >= most;
  search_rids_sort(&window->rows); /* of several spans; or of a table that is in several parts */
  return code;
}

/* Both are sorted. */
static void keep_common(struct search_rids *kept, const struct search_rids *rows) {
  size_t n = 0, j = 0;
  for (size_t i = 0; i < kept->n && j < rows->n; i++) {
    while (j < rows->n && rows->p[j] < kept->p[i])
      j++;
    if (j < rows->n && rows->p[j] == kept->p[i])
      kept->p[n++] = kept->p[i];
  }
  kept->n = n;
}

static int fill(struct search_context *c, struct search_window *window,
                const struct search_rids *rids, size_t from, size_t to, struct err *reterr) {
  int code = 0;
  window->kept.n = window->at = 0;
  for (size_t i = from; i < to && code == 0; i++)
    code = search_rids_add(&window->kept, rids->p[i], reterr);
  for (size_t i = 0; i < window->probes.n && code == 0 && window->kept.n > 0;) {
    bool is_common = false;
    code = read_rows(c, window, &window->probes.p[i], &is_common, reterr);
    if (is_common) {
      window->probes.p[i].condition->cost->role = SEARCH_ROLE_TEST;
      window->probes.p[i] = window->probes.p[--window->probes.n];
      continue;
    }
    keep_common(&window->kept, &window->rows);
    i++;
  }
  return code;
}

int search_window_next(struct search_context *c, struct search_window *window,
                       const struct search_rids *rids, size_t *at, uint64_t *ret_rid,
                       struct err *reterr) {
  while (window->at == window->kept.n && *at < rids->n) {
    size_t to = rids->n - *at < window->size ? rids->n : *at + window->size;
    int code = fill(c, window, rids, *at, to, reterr);
    if (code)
      return code;
    *at = to;
    window->size = window->size * 2 > WINDOW_MOST ? WINDOW_MOST : window->size * 2;
  }
  *ret_rid = window->at < window->kept.n ? window->kept.p[window->at++] : 0;
  return 0;
}
