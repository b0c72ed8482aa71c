/* Statements that the server keeps prepared, found by text and types. A plan is prepared in the
 * pipeline together with its first execution, so it costs no round trip; the longest unused is
 * given up when there are too many. */
#include "store/db/db_postgres.h"

static bool is_same(const struct pg_plan *plan, uint64_t hash, const char *text, const Oid *types,
                    int types_n) {
  return plan->hash == hash && plan->types_n == types_n && strcmp(plan->text, text) == 0 &&
         (types_n == 0 || memcmp(plan->types, types, (size_t)types_n * sizeof *types) == 0);
}

static uint64_t hash_of(const char *text, const Oid *types, int types_n) {
  uint64_t h = db_text_hash(str_of(text));
  for (int i = 0; i < types_n; i++)
    h = (h ^ types[i]) * 0x9e3779b97f4a7c15u;
  return h;
}

static void plan_free(struct pg_plan *plan) {
  if (!plan)
    return;
  free(plan->text);
  free(plan->types);
  free(plan);
}

static bool is_in_use(const struct pg *pg, const struct pg_plan *plan) {
  for (size_t i = 0; i < pg->pending_n; i++)
    if (pg->pending[pg->pending_first + i].plan == plan)
      return true;
  return false;
}

/* Notes the name for pg_queue_drops; without memory the server keeps it until the session ends. */
static void drop_later(struct pg *pg, const struct pg_plan *plan) {
  if (plan->session != pg->session)
    return;
  if (pg->dropped_n == pg->dropped_capacity) {
    size_t capacity = pg->dropped_capacity ? pg->dropped_capacity * 2 : 16;
    void *p = realloc(pg->dropped, capacity * sizeof *pg->dropped);
    if (!p)
      return;
    pg->dropped = p;
    pg->dropped_capacity = capacity;
  }
  memcpy(pg->dropped[pg->dropped_n++], plan->name, sizeof plan->name);
}

/* Statements remember their plan as a hint only, which they look up again when it is another. */
static struct pg_plan **place_for_plan(struct pg *pg) {
  if (pg->plans_n < PG_PLANS_MAX)
    return &pg->plans[pg->plans_n++];
  struct pg_plan **oldest = NULL;
  for (size_t i = 0; i < PG_PLANS_MAX; i++)
    if ((!oldest || pg->plans[i]->used_at < (*oldest)->used_at) && !is_in_use(pg, pg->plans[i]))
      oldest = &pg->plans[i];
  if (oldest) {
    drop_later(pg, *oldest);
    plan_free(*oldest);
  }
  return oldest;
}

static void give_name(struct pg *pg, struct pg_plan *plan) {
  snprintf(plan->name, sizeof plan->name, "c%llu", (unsigned long long)++pg->names_given);
}

static struct pg_plan *plan_new(struct pg *pg, uint64_t hash, const char *text, const Oid *types,
                                int types_n) {
  struct pg_plan *plan = calloc(1, sizeof *plan);
  if (!plan)
    return NULL;
  plan->hash = hash;
  plan->text = strdup(text);
  plan->types = malloc(types_n ? (size_t)types_n * sizeof *types : 1);
  plan->types_n = types_n;
  if (!plan->text || !plan->types) {
    plan_free(plan);
    return NULL;
  }
  if (types_n)
    memcpy(plan->types, types, (size_t)types_n * sizeof *types);
  give_name(pg, plan);
  return plan;
}

void pg_plan_renew(struct pg *pg, struct pg_plan *plan) {
  drop_later(pg, plan);
  plan->session = 0;
  give_name(pg, plan);
}

struct pg_plan *pg_plan(struct pg *pg, const char *text, const Oid *types, int types_n,
                        struct err *reterr) {
  uint64_t hash = hash_of(text, types, types_n);
  for (size_t i = 0; i < pg->plans_n; i++)
    if (is_same(pg->plans[i], hash, text, types, types_n)) {
      pg->plans[i]->used_at = ++pg->base.clock;
      return pg->plans[i];
    }
  struct pg_plan *plan = plan_new(pg, hash, text, types, types_n);
  struct pg_plan **place = plan ? place_for_plan(pg) : NULL;
  if (!place) {
    plan_free(plan);
    err_no_memory(reterr);
    return NULL;
  }
  *place = plan;
  plan->used_at = ++pg->base.clock;
  return plan;
}

void pg_queue_drops(struct pg *pg) {
  char sql[40];
  for (size_t i = 0; i < pg->dropped_n; i++) {
    snprintf(sql, sizeof sql, "DEALLOCATE %s", pg->dropped[i]);
    if (pg_queue_once(pg, sql) != 0)
      break; /* the session is going, and they with it */
  }
  if (pg->dropped_n)
    pg_queue_sync(pg); /* what stands before BEGIN must not be one transaction with it */
  pg->dropped_n = 0;
}

void pg_plans_free(struct pg *pg) {
  for (size_t i = 0; i < pg->plans_n; i++)
    plan_free(pg->plans[i]);
  pg->plans_n = 0;
  free(pg->dropped);
  pg->dropped = NULL;
  pg->dropped_n = pg->dropped_capacity = 0;
}
