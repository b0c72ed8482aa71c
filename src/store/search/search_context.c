#include "store/search/search_context.h"

#include "store/search/search_fetch.h"

int search_context_init(struct search_context *c, struct store_view *view,
                        const struct access *access, struct arena *arena,
                        const struct search_limits *limits, struct err *reterr) {
  *c = (struct search_context){.view = view,
                               .db = store_view_db(view),
                               .schema = store_view_schema(view),
                               .access = access,
                               .arena = arena,
                               .limits = limits ? *limits : search_limits_default};
  db_set_deadline(c->db, c->limits.time_us);
  map_init(&c->learned, arena);
  int code = store_filter(c->db, c->schema, access, &c->filter, reterr);
  if (code)
    return code;
  c->scratch = arena_new((size_t)256 << 20);
  return c->scratch ? 0 : err_no_memory(reterr);
}

void search_context_fini(struct search_context *c) {
  db_set_deadline(c->db, 0);
  search_fetch_fini(c);
  terminology_close(c->terminology);
  c->terminology = NULL;
  arena_free(c->scratch);
  c->scratch = NULL;
}

int search_spend(struct search_context *c, uint64_t steps, struct err *reterr) {
  enum { STEPS_PER_LOOK = 4096 }; /* at the clock: 0.4 ms of work */
  uint64_t before = c->steps;
  c->steps += steps;
  if (c->steps > c->limits.steps)
    return err_set(reterr, ERR_TOO_COSTLY, "",
                   "the search would look at too much; add a condition that fewer resources meet, "
                   "or ask for less with _count, _include or _total");
  if (before / STEPS_PER_LOOK == c->steps / STEPS_PER_LOOK || !db_is_over(c->db))
    return 0;
  return err_set(reterr, ERR_TOO_COSTLY, "",
                 "the search took more than %lld ms; add a condition that fewer resources meet, or "
                 "ask for less with _count, _include or _total",
                 (long long)c->limits.time_us / 1000);
}
