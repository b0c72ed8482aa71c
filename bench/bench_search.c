/*
 * Searches over many small observations.
 *
 *   bench_search fill FILE N    a new store with N observations of N / 1000 patients
 *   bench_search run FILE       the searches below: median CPU time of each, median time where the
 *                               engine is another process, and what it found
 *   bench_search ask FILE URL   one search, explained
 */
#include "base/clock.h"
#include "model/resource.h"
#include "model/search_values.h"
#include "store/search/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BATCH = 1000, ROUNDS = 15, CODES = 400 };

static uint64_t seed = 1;
static bool explains; /* the first round of `ask` */

static uint64_t random_below(uint64_t n) {
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (seed >> 33) % n;
}

static int fail(const struct err *err) {
  fprintf(stderr, "bench_search: %s: %s\n", err->where, err->text);
  return 1;
}

/* ---- Filling --------------------------------------------------------------------------------- */

static struct str observation(struct arena *arena, size_t i, size_t patients) {
  uint64_t code = random_below(CODES) * random_below(CODES) / CODES; /* some are common */
  uint64_t day = random_below(3650);
  return arena_printf(
      arena,
      "{\"resourceType\":\"Observation\",\"id\":\"o%zu\",\"status\":\"%s\",\"code\":{\"coding\":[{"
      "\"system\":\"http://loinc.org\",\"code\":\"c%llu\"}]},\"subject\":{\"reference\":\"Patient/"
      "p%llu\"},\"effectiveDateTime\":\"%llu-%02llu-%02lluT08:00:00Z\",\"valueQuantity\":{"
      "\"value\":%llu,\"unit\":\"mg\",\"system\":\"http://unitsofmeasure.org\",\"code\":\"mg\"}}",
      i, random_below(1000) == 0 ? "amended" : "final", (unsigned long long)code,
      (unsigned long long)random_below(patients), (unsigned long long)(2010 + day / 365),
      (unsigned long long)(day % 365 / 31 + 1), (unsigned long long)(day % 28 + 1),
      (unsigned long long)random_below(300));
}

static struct str patient(struct arena *arena, size_t i) {
  return arena_printf(arena,
                      "{\"resourceType\":\"Patient\",\"id\":\"p%zu\",\"gender\":\"%s\",\"name\":[{"
                      "\"family\":\"F%zu\"}],\"managingOrganization\":{\"reference\":"
                      "\"Organization/org%zu\"}}",
                      i, i % 2 ? "male" : "female", i, i % 2);
}

static int make_write(struct arena *arena, struct str json, struct store_write *write,
                      struct err *reterr) {
  const struct yyjson_val *root;
  int code = json_parse(arena, json, NULL, &root, reterr);
  if (code)
    return code;
  write->type = defs_type_by_name(json_get_text(root, STR("resourceType")));
  write->id = json_get_text(root, STR("id"));
  code = resource_canonical(arena, root, write->id, &write->body, reterr);
  return code ? code : search_values_extract(arena, root, &write->values, reterr);
}

static int fill(struct store *store, size_t n, struct err *reterr) {
  size_t patients = n / 1000 + 1, all = patients + n;
  for (size_t at = 0; at < all; at += BATCH) {
    struct arena *arena = arena_new((size_t)1 << 28);
    size_t writes_n = all - at < BATCH ? all - at : BATCH;
    struct store_write *writes = ARENA_ARRAY(arena, struct store_write, BATCH);
    int code = 0;
    for (size_t i = 0; i < writes_n && code == 0; i++)
      code = make_write(arena,
                        at + i < patients ? patient(arena, at + i)
                                          : observation(arena, at + i - patients, patients),
                        &writes[i], reterr);
    struct store_commit commit = {
        .arena = arena, .principal = STR("bench"), .writes = writes, .writes_n = writes_n};
    if (code == 0)
      code = store_commit_wait(store, &commit, reterr);
    if (code)
      return code;
    arena_free(arena);
  }
  return 0;
}

/* ---- Searching ------------------------------------------------------------------------------- */

static const char *const urls[] = {
    "Patient?_id=p7",
    "Observation?code=c7",
    "Observation?patient=p7&code=c7",
    "Observation?code=c7&date=ge2012-03-01&date=lt2012-05-01",
    "Observation?code=c7&date=ge2012-03-01&date=lt2012-05-01&_total=accurate",
    "Observation?code=c7&date=2012-03-02&_sort=-date",
    "Observation?code=c7&_sort=-date&_count=20",
    "Observation?code=c7&status=final&_total=accurate",
    "Observation?code=c7&value-quantity=gt290",
    "Observation?code=c7&value-quantity=gt290&_total=accurate",
    "Observation?status:not=final",
    "Observation?status:not=final,amended",
    "Observation?status:missing=true",
    "Observation?encounter:missing=false",
    "Observation?subject:Patient.gender=female",
    "Observation?subject:Patient.gender=female&code=c350",
    "Observation?subject:Patient.organization=Organization/org1&_count=20",
    "Observation?subject:Patient.name=F7",
    "Patient?_has:Observation:patient:code=c390",
    "Patient?_has:Observation:patient:code-value-quantity=c300$gt290",
    "Observation?_filter=code%20eq%20c7%20and%20not(status%20eq%20final)",
    "Observation?_filter=code%20eq%20c390%20or%20code%20eq%20c391",
    "Observation?_sort=-date",
    "Observation?_sort=code&patient=p7",
    "Patient/p7/Observation?date=ge2015",
    "?_lastUpdated=ge2020&_sort=-_lastUpdated",
    "Observation?code=c7&_include=Observation:patient&_revinclude=Observation:subject",
};

static int64_t cpu_us(void) {
  struct timespec at;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
  return (int64_t)at.tv_sec * 1000000 + at.tv_nsec / 1000;
}

static int ask(struct store_view *view, struct arena *arena, const char *url,
               struct search_result *ret_result, struct err *reterr) {
  struct search_place place;
  const struct search_pair *pairs;
  const struct search *search;
  struct issues issues = {0};
  struct access access = ACCESS_EVERYTHING(STR("bench"));
  size_t n;
  int code = search_split_place(arena, str_of(url), &place, &pairs, &n, reterr);
  struct search_options options = {.compartment = place.compartment,
                                   .compartment_id = place.compartment_id};
  if (code == 0)
    code = search_parse(arena, place.type, pairs, n, &options, &search, &issues, reterr);
  if (code == 0 && explains) {
    struct search_explanation explanation;
    struct buf buf;
    code = search_explain(view, &access, arena, search, &explanation, ret_result, reterr);
    buf_init_arena(&buf, arena, (size_t)1 << 20);
    if (code == 0)
      search_explanation_write(&buf, &explanation);
    printf("%.*s", STR_ARG(buf_str(&buf)));
    explains = false;
    return code;
  }
  return code ? code : search_run(view, &access, arena, search, ret_result, reterr);
}

static int compare_times(const void *a, const void *b) {
  return (int)(*(const int64_t *)a - *(const int64_t *)b);
}

static void measure(struct store *store, const char *url) {
  int64_t times[ROUNDS], waits[ROUNDS];
  size_t rounds = 0;
  struct search_result result = {0};
  struct err err = {0};
  int code = 0;
  for (int64_t spent = 0; rounds < ROUNDS && spent < 2000000 && code == 0; rounds++) {
    struct arena *arena = arena_new((size_t)1 << 30);
    struct store_view *view;
    code = store_view_open(store, &view, &err);
    int64_t start = cpu_us(), begin = clock_monotonic_us();
    if (code == 0)
      code = ask(view, arena, url, &result, &err);
    times[rounds] = cpu_us() - start;
    waits[rounds] = clock_monotonic_us() - begin;
    spent += waits[rounds];
    store_view_close(view);
    arena_free(arena);
  }
  qsort(times, rounds, sizeof times[0], compare_times);
  qsort(waits, rounds, sizeof waits[0], compare_times);
  printf("%9lld us CPU %9lld us  %5zu rows", (long long)times[rounds / 2],
         (long long)waits[rounds / 2], result.rows_n);
  if (result.has_total)
    printf("  of %llu", (unsigned long long)result.total);
  printf("  %s%s%s\n", url, code ? "  " : "", code ? err.text : "");
  fflush(stdout);
}

int main(int argc, char **argv) {
  struct err err = {0};
  struct store *store;
  uint64_t n = 0;
  bool is_fill = argc == 4 && strcmp(argv[1], "fill") == 0 && str_to_u64(str_of(argv[3]), &n);
  bool is_ask = argc == 4 && strcmp(argv[1], "ask") == 0;
  if (!is_fill && !is_ask && !(argc == 3 && strcmp(argv[1], "run") == 0)) {
    fprintf(stderr, "bench_search fill FILE N | run FILE | ask FILE URL\n");
    return 2;
  }
  struct store_options options = {.path = argv[2], .readers = 1, .is_read_only = !is_fill};
  if (search_values_init(&err) || store_open(&options, &store, &err))
    return fail(&err);
  if (is_fill && fill(store, (size_t)n, &err))
    return fail(&err);
  explains = is_ask;
  if (is_ask)
    measure(store, argv[3]);
  for (size_t i = 0; i < sizeof urls / sizeof urls[0] && !is_fill && !is_ask; i++)
    measure(store, urls[i]);
  store_close(store);
  return 0;
}
