/*
 * Generations of loaded code systems and value sets, and the questions that are put to them.
 *
 * A cache has one newest generation. A handle holds the one of its epoch: the newest, a new one
 * that becomes the newest, or (for a reader that looks at an older state) one of its own. What has
 * grown too large is not given to new handles and goes with its last one.
 */
#include "model/terminology_internal.h"

#include <pthread.h>
#include <stdlib.h>

enum { SUPPLEMENTS_MAX = 16 };
#define GENERATION_MAX_BYTES ((size_t)1 << 30)
/* New handles get a new generation when one has taken this much. */
#define GENERATION_SPENT_BYTES ((size_t)256 << 20)

struct generation {
  pthread_mutex_t lock; /* of the arena and the maps */
  uint64_t epoch;
  size_t handles_n; /* under the cache's lock */
  bool is_newest;
  struct arena *arena;
  struct map systems; /* by canonical: struct code_system */
  struct map sets;    /* by canonical: struct terminology_value_set */
};

struct terminology_cache {
  pthread_mutex_t lock;
  struct generation *newest; /* NULL at first */
};

struct terminology {
  struct terminology_cache *cache;
  struct generation *generation;
  const struct terminology_source *source;
};

/* ---- Life ------------------------------------------------------------------------------------ */

static void generation_free(struct generation *generation) {
  if (!generation)
    return;
  pthread_mutex_destroy(&generation->lock);
  arena_free(generation->arena);
  free(generation);
}

static struct generation *generation_new(uint64_t epoch) {
  struct generation *generation = calloc(1, sizeof *generation);
  if (!generation)
    return NULL;
  pthread_mutex_init(&generation->lock, NULL);
  generation->epoch = epoch;
  generation->arena = arena_new(GENERATION_MAX_BYTES);
  if (!generation->arena) {
    generation_free(generation);
    return NULL;
  }
  map_init(&generation->systems, generation->arena);
  map_init(&generation->sets, generation->arena);
  return generation;
}

int terminology_cache_new(struct terminology_cache **ret_cache, struct err *reterr) {
  struct terminology_cache *cache = calloc(1, sizeof *cache);
  if (!cache)
    return err_no_memory(reterr);
  pthread_mutex_init(&cache->lock, NULL);
  *ret_cache = cache;
  return 0;
}

void terminology_cache_free(struct terminology_cache *cache) {
  if (!cache)
    return;
  generation_free(cache->newest);
  pthread_mutex_destroy(&cache->lock);
  free(cache);
}

static bool is_spent(struct generation *generation) {
  pthread_mutex_lock(&generation->lock);
  bool is = arena_used_bytes(generation->arena) > GENERATION_SPENT_BYTES;
  pthread_mutex_unlock(&generation->lock);
  return is;
}

static struct generation *own_generation(uint64_t epoch) {
  struct generation *generation = generation_new(epoch);
  if (generation)
    generation->handles_n = 1;
  return generation;
}

/* Under the cache's lock. */
static struct generation *take_generation(struct terminology_cache *cache, uint64_t epoch) {
  struct generation *newest = cache->newest;
  if (newest && newest->epoch == epoch && !is_spent(newest)) {
    newest->handles_n++;
    return newest;
  }
  struct generation *generation = own_generation(epoch);
  if (!generation)
    return NULL;
  if (newest && newest->epoch > epoch)
    return generation; /* of a reader that is late */
  if (newest) {
    newest->is_newest = false;
    if (newest->handles_n == 0)
      generation_free(newest);
  }
  generation->is_newest = true;
  cache->newest = generation;
  return generation;
}

int terminology_open(struct terminology_cache *cache, const struct terminology_source *source,
                     uint64_t epoch, struct terminology **ret_terminology, struct err *reterr) {
  struct terminology *t = calloc(1, sizeof *t);
  if (!t)
    return err_no_memory(reterr);
  *t = (struct terminology){.cache = cache, .source = source};
  if (cache) {
    pthread_mutex_lock(&cache->lock);
    t->generation = take_generation(cache, epoch);
    pthread_mutex_unlock(&cache->lock);
  } else {
    t->generation = own_generation(epoch);
  }
  if (!t->generation) {
    free(t);
    return err_no_memory(reterr);
  }
  *ret_terminology = t;
  return 0;
}

void terminology_close(struct terminology *t) {
  if (!t)
    return;
  bool is_last = true;
  if (t->cache) {
    pthread_mutex_lock(&t->cache->lock);
    is_last = --t->generation->handles_n == 0 && !t->generation->is_newest;
    pthread_mutex_unlock(&t->cache->lock);
  }
  if (is_last)
    generation_free(t->generation);
  free(t);
}

/* ---- Loading --------------------------------------------------------------------------------- */

struct str terminology_split(struct str canonical, struct str *ret_version) {
  ssize_t bar = str_find_char(canonical, '|', 0);
  *ret_version = bar < 0 ? STR("") : str_n(canonical.p + bar + 1, canonical.n - (size_t)bar - 1);
  return bar < 0 ? canonical : str_n(canonical.p, (size_t)bar);
}

static int find_published(struct arena *arena, struct str type, struct str url, struct str version,
                          const struct yyjson_val **ret_resource, struct err *reterr) {
  struct defs_resource_text text;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  *ret_resource = NULL;
  if (!defs_published(str_is(type, "ValueSet"), url, &text) ||
      (version.n > 0 && !str_equal(version, text.version)))
    return 0;
  return json_parse(arena, text.json, &limits, ret_resource, reterr);
}

/* The store's before the definitions'. */
static int find_resource(struct terminology *t, struct str type, struct str canonical,
                         const struct yyjson_val **ret_resource, struct err *reterr) {
  struct str version, url = terminology_split(canonical, &version);
  struct arena *arena = t->generation->arena;
  int code = 0;
  *ret_resource = NULL;
  if (url.n == 0)
    return 0;
  if (t->source)
    code = t->source->find(t->source->what, arena, type, url, version, ret_resource, reterr);
  if (code == 0 && !*ret_resource)
    code = find_published(arena, type, url, version, ret_resource, reterr);
  return code;
}

static int find_supplements(struct terminology *t, struct code_system *system, struct err *reterr) {
  struct arena *arena = t->generation->arena;
  if (!t->source || !t->source->find_supplements || system->content == SYSTEM_ABSENT)
    return 0;
  const struct yyjson_val **found = ARENA_ARRAY(arena, const struct yyjson_val *, SUPPLEMENTS_MAX);
  if (!found)
    return err_no_memory(reterr);
  system->supplements = found;
  return t->source->find_supplements(t->source->what, arena, system->url, found, SUPPLEMENTS_MAX,
                                     &system->supplements_n, reterr);
}

int terminology_load_system(struct terminology *t, struct str canonical,
                            const struct code_system **ret_system, struct err *reterr) {
  struct generation *generation = t->generation;
  struct code_system *known = map_get(&generation->systems, canonical);
  if (known) {
    *ret_system = known;
    return 0;
  }
  struct str key = arena_str(generation->arena, canonical);
  struct code_system *system = ARENA_NEW(generation->arena, struct code_system);
  const struct yyjson_val *resource;
  if (!system || !key.p)
    return err_no_memory(reterr);
  int code = find_resource(t, STR("CodeSystem"), key, &resource, reterr);
  if (code == 0 && resource)
    code = code_system_read(generation->arena, resource, system, reterr);
  if (code == 0 && !resource)
    *system = (struct code_system){.url = key};
  if (code == 0)
    code = find_supplements(t, system, reterr);
  if (code == 0 && map_set(&generation->systems, key, system) < 0)
    return err_no_memory(reterr);
  if (code == 0)
    *ret_system = system;
  return code;
}

static bool is_circle(const struct import *import, struct str canonical) {
  for (; import; import = import->outer)
    if (str_equal(import->canonical, canonical))
      return true;
  return false;
}

int terminology_load_set(struct terminology *t, struct str canonical, const struct import *outer,
                         const struct terminology_value_set **ret_set, struct err *reterr) {
  struct generation *generation = t->generation;
  struct terminology_value_set *known = map_get(&generation->sets, canonical);
  if (known) {
    *ret_set = known;
    return 0;
  }
  struct str key = arena_str(generation->arena, canonical);
  struct import import = {.canonical = key, .outer = outer, .depth = outer ? outer->depth + 1 : 0};
  const struct yyjson_val *resource;
  if (!key.p)
    return err_no_memory(reterr);
  if (is_circle(outer, key))
    return err_set(reterr, ERR_VALUE, "ValueSet.compose.include.valueSet",
                   "The value set %.*s includes itself.", STR_ARG(key));
  if (import.depth > TERMINOLOGY_IMPORTS_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "ValueSet.compose.include.valueSet",
                   "Value sets include each other more than %d deep.", TERMINOLOGY_IMPORTS_MAX);
  int code = find_resource(t, STR("ValueSet"), key, &resource, reterr);
  if (code == 0 && !resource)
    code = err_set(reterr, ERR_NOT_FOUND, "", "There is no value set %.*s.", STR_ARG(key));
  if (code == 0)
    code = value_set_build(t, generation->arena, resource, &import, ret_set, reterr);
  /* the map keeps what it was given; only here it is written */
  if (code == 0 && map_set(&generation->sets, key, (void *)(uintptr_t)*ret_set) < 0)
    return err_no_memory(reterr);
  return code;
}

static void lock(struct terminology *t) {
  pthread_mutex_lock(&t->generation->lock);
}

static void unlock(struct terminology *t) {
  pthread_mutex_unlock(&t->generation->lock);
}

/* ---- Value sets ------------------------------------------------------------------------------ */

int terminology_value_set(struct terminology *t, struct str canonical,
                          const struct terminology_value_set **ret_set, struct err *reterr) {
  lock(t);
  int code = terminology_load_set(t, canonical, NULL, ret_set, reterr);
  unlock(t);
  return code;
}

int terminology_value_set_of(struct terminology *t, struct arena *arena,
                             const struct yyjson_val *resource,
                             const struct terminology_value_set **ret_set, struct err *reterr) {
  struct import import = {.canonical = json_get_text(resource, STR("url"))};
  lock(t);
  int code =
      value_set_build(t, arena, resource, import.canonical.n > 0 ? &import : NULL, ret_set, reterr);
  unlock(t);
  return code;
}

static void tell_why(enum terminology_answer answer, struct str why, struct err *reterr) {
  if (answer == TERMINOLOGY_UNKNOWN)
    err_set(reterr, ERR_NOT_SUPPORTED, "", "%.*s", STR_ARG(why));
}

int terminology_value_set_has(struct terminology *t, struct str canonical,
                              const struct terminology_coding *coding,
                              enum terminology_answer *ret_answer, struct err *reterr) {
  const struct terminology_value_set *set;
  struct str why = STR_NULL;
  int code = terminology_value_set(t, canonical, &set, reterr);
  if (code)
    return code;
  *ret_answer = terminology_set_has(set, coding, &why);
  tell_why(*ret_answer, why, reterr);
  return 0;
}

/* ---- Code systems ---------------------------------------------------------------------------- */

static int load_system(struct terminology *t, struct str canonical,
                       const struct code_system **ret_system, struct err *reterr) {
  lock(t);
  int code = terminology_load_system(t, canonical, ret_system, reterr);
  unlock(t);
  return code;
}

static int not_loaded(const struct code_system *system, struct err *reterr) {
  return err_set(
      reterr, ERR_NOT_SUPPORTED, "",
      system->content == SYSTEM_FRAGMENT
          ? "Only a fragment of the code system %.*s is loaded, and the code is not in it."
          : "The code system %.*s is not loaded.",
      STR_ARG(system->url));
}

int terminology_system_has(struct terminology *t, const struct terminology_coding *coding,
                           enum terminology_answer *ret_answer, struct err *reterr) {
  const struct code_system *system;
  enum terminology_answer answer = terminology_grammar(coding->system, coding->code);
  if (answer != TERMINOLOGY_UNKNOWN) {
    *ret_answer = answer;
    return 0;
  }
  int code = load_system(t, coding->system, &system, reterr);
  if (code)
    return code;
  if (code_system_find(system, coding->code) != UINT32_MAX)
    *ret_answer = TERMINOLOGY_YES;
  else if (system->content == SYSTEM_COMPLETE)
    *ret_answer = TERMINOLOGY_NO;
  else {
    *ret_answer = TERMINOLOGY_UNKNOWN;
    (void)not_loaded(system, reterr);
  }
  return 0;
}

/* The place of a code that must be there. */
static int require(const struct code_system *system, struct str code, uint32_t *ret_at,
                   struct err *reterr) {
  *ret_at = code_system_find(system, code);
  if (*ret_at != UINT32_MAX)
    return 0;
  if (system->content != SYSTEM_COMPLETE)
    return not_loaded(system, reterr);
  return err_set(reterr, ERR_CODE_INVALID, "", "The code system %.*s has no code '%.*s'.",
                 STR_ARG(system->url), STR_ARG(str_slice(code, 0, 64)));
}

/* Everything above `from` (or below), the code itself too. */
static int mark(const struct code_system *system, struct arena *arena, uint32_t from, bool is_above,
                bool **ret_marks, struct err *reterr) {
  *ret_marks = ARENA_ARRAY(arena, bool, system->concepts_n);
  if (!*ret_marks)
    return err_no_memory(reterr);
  return code_system_mark(system, arena, from, is_above, *ret_marks, reterr);
}

static int relate(const struct code_system *system, struct arena *arena, uint32_t a, uint32_t b,
                  enum terminology_subsumption *ret_subsumption, struct err *reterr) {
  bool *above_a, *above_b;
  int code = mark(system, arena, a, true, &above_a, reterr);
  if (code == 0)
    code = mark(system, arena, b, true, &above_b, reterr);
  if (code)
    return code;
  if (a == b)
    *ret_subsumption = TERMINOLOGY_EQUIVALENT;
  else if (above_b[a])
    *ret_subsumption = TERMINOLOGY_SUBSUMES;
  else if (above_a[b])
    *ret_subsumption = TERMINOLOGY_SUBSUMED_BY;
  else
    *ret_subsumption = TERMINOLOGY_NOT_SUBSUMED;
  return 0;
}

#define SCRATCH_MAX_BYTES ((size_t)64 << 20)

int terminology_subsumes(struct terminology *t, struct str system_canonical, struct str a,
                         struct str b, enum terminology_subsumption *ret_subsumption,
                         struct err *reterr) {
  const struct code_system *system;
  uint32_t a_at, b_at;
  int code = load_system(t, system_canonical, &system, reterr);
  if (code == 0)
    code = require(system, a, &a_at, reterr);
  if (code == 0)
    code = require(system, b, &b_at, reterr);
  if (code)
    return code;
  struct arena *scratch = arena_new(SCRATCH_MAX_BYTES);
  code = scratch ? relate(system, scratch, a_at, b_at, ret_subsumption, reterr)
                 : err_no_memory(reterr);
  arena_free(scratch);
  return code;
}

int terminology_relatives(struct terminology *t, struct str system_canonical, struct str code_text,
                          bool is_above, struct arena *arena, struct terminology_codes *ret_codes,
                          struct err *reterr) {
  const struct code_system *system;
  uint32_t from;
  bool *marks;
  size_t n = 0;
  int code = load_system(t, system_canonical, &system, reterr);
  if (code == 0)
    code = require(system, code_text, &from, reterr);
  if (code == 0)
    code = mark(system, arena, from, is_above, &marks, reterr);
  if (code)
    return code;
  for (uint32_t i = 0; i < system->concepts_n; i++)
    n += marks[i];
  struct str *codes = ARENA_ARRAY(arena, struct str, n + 1);
  if (!codes)
    return err_no_memory(reterr);
  n = 0;
  for (uint32_t i = 0; i < system->concepts_n; i++)
    if (marks[i])
      codes[n++] = system->concepts[i].code;
  *ret_codes = (struct terminology_codes){codes, n};
  return 0;
}

/* ---- Concepts -------------------------------------------------------------------------------- */

static int codes_of(const struct code_system *system, struct arena *arena, struct edges edges,
                    struct terminology_codes *ret_codes, struct err *reterr) {
  struct str *codes = ARENA_ARRAY(arena, struct str, edges.n + 1u);
  if (!codes)
    return err_no_memory(reterr);
  for (uint32_t i = 0; i < edges.n; i++)
    codes[i] = system->concepts[system->edges[edges.first + i]].code;
  *ret_codes = (struct terminology_codes){codes, edges.n};
  return 0;
}

static const struct yyjson_val *find_concept(const struct yyjson_val *list, struct str code) {
  struct json_each each = json_each(list);
  while (json_next(&each)) {
    if (str_equal(json_get_text(each.value, STR("code")), code))
      return each.value;
    const struct yyjson_val *inner = find_concept(json_get(each.value, STR("concept")), code);
    if (inner)
      return inner;
  }
  return NULL;
}

static int supplements_of(const struct code_system *system, struct arena *arena, struct str code,
                          struct terminology_concept *concept, struct err *reterr) {
  const struct yyjson_val **found =
      ARENA_ARRAY(arena, const struct yyjson_val *, system->supplements_n + 1);
  if (!found)
    return err_no_memory(reterr);
  for (size_t i = 0; i < system->supplements_n; i++) {
    const struct yyjson_val *node =
        find_concept(json_get(system->supplements[i], STR("concept")), code);
    if (node)
      found[concept->supplements_n++] = node;
  }
  concept->supplements = found;
  return 0;
}

int terminology_lookup(struct terminology *t, struct str system_canonical, struct str code_text,
                       struct arena *arena, struct terminology_concept *ret_concept,
                       struct err *reterr) {
  const struct code_system *system;
  uint32_t at;
  int code = load_system(t, system_canonical, &system, reterr);
  if (code == 0)
    code = require(system, code_text, &at, reterr);
  if (code)
    return code;
  const struct concept *concept = &system->concepts[at];
  *ret_concept = (struct terminology_concept){
      .system = system->url,
      .system_version = system->version,
      .system_name = system->name,
      .code = concept->code,
      .display = concept->display,
      .definition = json_get_text(concept->node, STR("definition")),
      .is_abstract = concept->is_abstract,
      .node = concept->node,
  };
  code = codes_of(system, arena, concept->parents, &ret_concept->parents, reterr);
  if (code == 0)
    code = codes_of(system, arena, concept->children, &ret_concept->children, reterr);
  return code ? code : supplements_of(system, arena, concept->code, ret_concept, reterr);
}

/* ---- FHIRPath -------------------------------------------------------------------------------- */

static int answer_member_of(void *what, struct str value_set, struct str system, struct str code,
                            bool *ret_is_member, struct err *reterr) {
  struct terminology_coding coding = {.system = system.n > 0 ? system : STR_NULL, .code = code};
  enum terminology_answer answer;
  int fault = terminology_value_set_has(what, value_set, &coding, &answer, reterr);
  if (fault)
    return fault;
  if (answer == TERMINOLOGY_UNKNOWN)
    return ERR_NOT_SUPPORTED; /* *reterr says why */
  *ret_is_member = answer == TERMINOLOGY_YES;
  return 0;
}

static int answer_subsumes(void *what, struct str system, struct str a, struct str b,
                           bool *ret_subsumes, struct err *reterr) {
  enum terminology_subsumption subsumption;
  int code = terminology_subsumes(what, system, a, b, &subsumption, reterr);
  if (code)
    return code;
  *ret_subsumes = subsumption == TERMINOLOGY_EQUIVALENT || subsumption == TERMINOLOGY_SUBSUMES;
  return 0;
}

struct fhirpath_terminology terminology_for_fhirpath(struct terminology *t) {
  return (struct fhirpath_terminology){
      .what = t, .member_of = answer_member_of, .subsumes = answer_subsumes};
}
