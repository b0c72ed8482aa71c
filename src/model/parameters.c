/* The set of parameters that are in force. */
#include "model/parameters.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "model/definitions_custom.h"
#include "model/search_values_plan.h"

#define SET_MAX_BYTES ((size_t)64 << 20)
#define PLAN_MAX_BYTES ((size_t)64 << 20)

static atomic_uint generation = 1;
static atomic_bool is_ready[DEFS_CUSTOM_MAX + 1]; /* by id behind the compiled ones */
static atomic_uint percent_built;

/* The set; others than the thread that exchanges it look under the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct arena *set_arena;
static struct parameters in_force;

uint32_t parameters_generation(void) {
  return atomic_load_explicit(&generation, memory_order_acquire);
}

defs_param_id parameters_by_fingerprint(struct str fingerprint) {
  defs_param_id id = 0;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < in_force.n && !id; i++)
    if (str_equal(in_force.p[i].fingerprint, fingerprint))
      id = in_force.p[i].id;
  pthread_mutex_unlock(&lock);
  return id;
}

bool parameters_have_source(struct str id) {
  bool has = false;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; i < in_force.n && !has; i++)
    has = in_force.p[i].id != 0 && str_equal(in_force.p[i].source, id);
  pthread_mutex_unlock(&lock);
  return has;
}

static size_t index_of(defs_param_id id) {
  return id > defs_params_count() ? id - defs_params_count() : 0;
}

bool parameters_is_ready(defs_param_id id, unsigned *ret_percent) {
  size_t index = index_of(id);
  *ret_percent = atomic_load(&percent_built);
  return index == 0 || index > DEFS_CUSTOM_MAX || atomic_load(&is_ready[index]);
}

void parameters_set_ready(defs_param_id id, bool now_ready) {
  size_t index = index_of(id);
  if (index > 0 && index <= DEFS_CUSTOM_MAX)
    atomic_store(&is_ready[index], now_ready);
}

void parameters_set_percent(unsigned percent) {
  atomic_store(&percent_built, percent);
}

bool parameters_meet(const struct parameter *a, const struct parameter *b) {
  return str_equal(a->definition.code, b->definition.code) &&
         (defs_type_is_a(a->definition.base, b->definition.base) ||
          defs_type_is_a(b->definition.base, a->definition.base));
}

int parameters_check(struct arena *arena, const struct yyjson_val *resource, struct str id,
                     struct err *reterr) {
  struct parameters list;
  int code = parameters_read(arena, resource, &list, reterr);
  if (code != 0)
    return code;
  pthread_mutex_lock(&lock);
  for (size_t i = 0; code == 0 && i < list.n; i++)
    for (size_t j = 0; code == 0 && j < in_force.n; j++)
      if (in_force.p[j].id != 0 && parameters_meet(&list.p[i], &in_force.p[j]) &&
          !str_equal(in_force.p[j].source, id))
        code = err_set(reterr, ERR_UNPROCESSABLE, "SearchParameter.code",
                       "'%.*s' is defined on %.*s by SearchParameter/%.*s already.",
                       STR_ARG(list.p[i].definition.code),
                       STR_ARG(defs_type(list.p[i].definition.base)->name),
                       STR_ARG(in_force.p[j].source));
  pthread_mutex_unlock(&lock);
  return code;
}

/* ---- Exchanging the set ---- */

static bool is_taken(struct parameters list, size_t at) {
  for (size_t i = 0; i < at; i++)
    if (list.p[i].id != 0 && parameters_meet(&list.p[i], &list.p[at]))
      return true;
  return false;
}

int parameters_number(struct parameters list, struct err *reterr) {
  for (size_t i = 0; i < list.n; i++) {
    struct parameter *p = &list.p[i];
    p->id = 0;
    if (is_taken(list, i))
      continue;
    p->id = parameters_by_fingerprint(p->fingerprint);
    if (p->id)
      continue;
    int code = defs_custom_add(&p->definition, p->targets, p->components, &p->id, reterr);
    if (code != 0)
      return code;
  }
  return 0;
}

/* Copies what the set keeps of each. */
static int copy_set(struct parameters list, struct arena *arena, struct parameters *ret_copy,
                    struct err *reterr) {
  struct parameter *p = ARENA_ARRAY(arena, struct parameter, list.n + 1);
  if (!p)
    return err_no_memory(reterr);
  for (size_t i = 0; i < list.n; i++) {
    p[i] = list.p[i];
    p[i].targets = NULL;
    p[i].components = NULL;
    p[i].definition.code = arena_str(arena, list.p[i].definition.code);
    p[i].definition.url = p[i].definition.expression = STR_NULL;
    p[i].fingerprint = arena_str(arena, list.p[i].fingerprint);
    p[i].source = arena_str(arena, list.p[i].source);
    if (!p[i].definition.code.p || !p[i].fingerprint.p || !p[i].source.p)
      return err_no_memory(reterr);
  }
  *ret_copy = (struct parameters){p, list.n};
  return 0;
}

struct ids {
  VEC(defs_param_id) list;
};

static int ids_on(struct arena *arena, struct parameters set, defs_type_id type,
                  struct ids *ret_ids, struct err *reterr) {
  *ret_ids = (struct ids){0};
  for (size_t i = 0; i < set.n; i++) {
    if (set.p[i].id == 0 || !defs_type_is_a(type, set.p[i].definition.base))
      continue;
    defs_param_id *place = VEC_PUSH(arena, &ret_ids->list);
    if (!place)
      return err_no_memory(reterr);
    *place = set.p[i].id;
  }
  return 0;
}

static bool are_equal(const struct ids *a, const struct ids *b) {
  return a->list.n == b->list.n &&
         (a->list.n == 0 || memcmp(a->list.p, b->list.p, a->list.n * sizeof *a->list.p) == 0);
}

/* The type's list and plan become those of `ids`. */
static int exchange_type(struct arena *scratch, defs_type_id type, const struct ids *ids,
                         struct err *reterr) {
  size_t compiled_n, n = ids->list.n;
  int code = 0;
  if (defs_is_resource(defs_type(type))) {
    const defs_param_id *now = defs_params_of(type, &compiled_n);
    while (compiled_n > 0 && now[0] > defs_params_count())
      now++, compiled_n--;
    defs_param_id *all = ARENA_ARRAY(scratch, defs_param_id, compiled_n + n);
    struct arena *arena = n ? arena_new(PLAN_MAX_BYTES) : NULL;
    struct plan *plan = NULL;
    if (!all || (n && !arena)) {
      arena_free(arena);
      return err_no_memory(reterr);
    }
    if (n)
      memcpy(all, ids->list.p, n * sizeof *all);
    memcpy(all + n, now, compiled_n * sizeof *all);
    code = n ? plan_build(arena, type, all, compiled_n + n, &plan, reterr) : 0;
    if (code != 0) {
      arena_free(arena);
      return code;
    }
    code = plan_exchange(type, arena, plan, reterr);
  }
  return code ? code : defs_custom_set(type, ids->list.p, n, reterr);
}

/* For every type whose parameters differ between the two sets. */
static int exchange_types(struct arena *scratch, struct parameters from, struct parameters to,
                          struct err *reterr) {
  for (size_t i = 1; i <= defs_types_count(); i++) {
    defs_type_id type = (defs_type_id)i;
    struct ids before, after;
    if (defs_type(type)->kind != DEFS_KIND_RESOURCE)
      continue;
    int code = ids_on(scratch, from, type, &before, reterr);
    if (code == 0)
      code = ids_on(scratch, to, type, &after, reterr);
    if (code == 0 && !are_equal(&before, &after))
      code = exchange_type(scratch, type, &after, reterr);
    if (code != 0)
      return code;
  }
  return 0;
}

int parameters_install(struct parameters list, struct err *reterr) {
  if (list.n == 0 && in_force.n == 0)
    return 0;
  struct arena *arena = arena_new(SET_MAX_BYTES), *scratch = arena_new(SET_MAX_BYTES);
  struct parameters fresh = {0};
  int code = arena && scratch ? 0 : err_no_memory(reterr);
  if (code == 0)
    code = copy_set(list, arena, &fresh, reterr);
  if (code == 0)
    code = exchange_types(scratch, in_force, fresh, reterr);
  if (code != 0) { /* what was exchanged already goes back as far as it can */
    struct err ignored;
    if (scratch && fresh.n)
      (void)!exchange_types(scratch, fresh, in_force, &ignored);
  } else {
    pthread_mutex_lock(&lock);
    struct arena *old = set_arena;
    set_arena = arena;
    in_force = fresh;
    arena = old;
    pthread_mutex_unlock(&lock);
  }
  atomic_fetch_add_explicit(&generation, 1, memory_order_release);
  arena_free(arena);
  arena_free(scratch);
  return code;
}
