/*
 * The store alone: how fast commits that are already parsed become durable, and what they weigh.
 *
 *   bench_store BUNDLES FOLDER [bulk]   BUNDLES: transaction bundles, one per line, .zst or plain
 *   bench_store N FOLDER writers        N threads that each store one small resource after another
 *
 * Prints one line per figure, `name value unit`.
 */
#include "base/clock.h"
#include "base/map.h"
#include "model/resource.h"
#include "model/search_values.h"
#include "store/db/db.h"
#include "store/store.h"

#include <pthread.h>
#include <sys/resource.h>
#include <zstd.h>

#define FILE_MAX_BYTES ((size_t)1 << 30)

struct loaded {
  struct arena *arena;
  VEC(struct store_commit *) commits;
  size_t resources_n, values_n;
};

static int fail(const char *what, const struct err *err) {
  fprintf(stderr, "bench_store: %s%s%s\n", what, err ? ": " : "", err ? err->text : "");
  return 1;
}

static struct str read_file(struct arena *arena, const char *path) {
  FILE *file = fopen(path, "rb");
  char *packed = arena_alloc(arena, FILE_MAX_BYTES / 8);
  if (!file || !packed)
    return STR_NULL;
  size_t n = fread(packed, 1, FILE_MAX_BYTES / 8, file);
  fclose(file);
  if (!str_ends_with(str_of(path), STR(".zst")))
    return str_n(packed, n);
  unsigned long long plain_n = ZSTD_getFrameContentSize(packed, n);
  if (plain_n == ZSTD_CONTENTSIZE_UNKNOWN || plain_n > FILE_MAX_BYTES)
    plain_n = FILE_MAX_BYTES / 2;
  char *plain = arena_alloc(arena, (size_t)plain_n);
  size_t got = plain ? ZSTD_decompress(plain, (size_t)plain_n, packed, n) : 0;
  return plain && !ZSTD_isError(got) ? str_n(plain, got) : STR_NULL;
}

static struct str lookup(void *what, struct str reference) {
  const struct str *known = map_get(what, reference);
  return known ? *known : STR_NULL;
}

static int load_resource(struct loaded *loaded, const struct yyjson_val *resource, struct map *ids,
                         struct store_write *write, struct err *reterr) {
  struct arena *arena = loaded->arena;
  struct str type = json_get_text(resource, STR("resourceType"));
  write->type = defs_type_by_name(type);
  write->id = json_get_text(resource, STR("id"));
  resource_replace_references(resource, lookup, ids);
  int code = resource_canonical(arena, resource, write->id, &write->body, reterr);
  if (code == 0)
    code = search_values_extract(arena, resource, &write->values, reterr);
  loaded->values_n += write->values.n;
  return code;
}

static int load_bundle(struct loaded *loaded, struct str line, struct err *reterr) {
  struct arena *arena = loaded->arena;
  const struct yyjson_val *bundle;
  struct map ids;
  int code = json_parse(arena, line, NULL, &bundle, reterr);
  if (code != 0)
    return code;
  const struct yyjson_val *entries = json_get(bundle, STR("entry"));
  struct store_commit *commit = ARENA_NEW(arena, struct store_commit);
  struct store_write *writes = ARENA_ARRAY(arena, struct store_write, json_count(entries) + 1);
  map_init(&ids, arena);
  struct json_each each = json_each(entries);
  while (json_next(&each)) {
    const struct yyjson_val *resource = json_get(each.value, STR("resource"));
    struct str *target = ARENA_NEW(arena, struct str);
    *target =
        arena_printf(arena, "%.*s/%.*s", STR_ARG(json_get_text(resource, STR("resourceType"))),
                     STR_ARG(json_get_text(resource, STR("id"))));
    if (map_set(&ids, json_get_text(each.value, STR("fullUrl")), target) != 0)
      return err_no_memory(reterr);
  }
  *commit = (struct store_commit){.principal = STR("bench"), .writes = writes};
  each = json_each(entries);
  while (code == 0 && json_next(&each))
    code = load_resource(loaded, json_get(each.value, STR("resource")), &ids,
                         &writes[commit->writes_n++], reterr);
  loaded->resources_n += commit->writes_n;
  struct store_commit **place = VEC_PUSH(arena, &loaded->commits);
  if (place)
    *place = commit;
  return code;
}

struct progress {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  size_t done_n, failed_n;
};

static void done(struct store_commit *commit, void *what) {
  struct progress *progress = what;
  pthread_mutex_lock(&progress->lock);
  progress->done_n++;
  progress->failed_n += commit->code != 0;
  pthread_cond_signal(&progress->changed);
  pthread_mutex_unlock(&progress->lock);
  arena_free(commit->arena);
}

static double cpu_s(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void run(struct store *store, struct loaded *loaded) {
  struct progress progress = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};
  double cpu = cpu_s(), prepare_s = 0;
  int64_t start_us = clock_monotonic_us();
  for (size_t i = 0; i < loaded->commits.n; i++) {
    struct store_commit *commit = loaded->commits.p[i];
    commit->arena = arena_new((size_t)1 << 28);
    commit->done = done;
    commit->what = &progress;
    int64_t before_us = clock_monotonic_us();
    store_submit(store, commit);
    prepare_s += (double)(clock_monotonic_us() - before_us) / 1e6;
  }
  pthread_mutex_lock(&progress.lock);
  while (progress.done_n < loaded->commits.n)
    pthread_cond_wait(&progress.changed, &progress.lock);
  pthread_mutex_unlock(&progress.lock);
  double s = (double)(clock_monotonic_us() - start_us) / 1e6, n = (double)loaded->resources_n;
  printf("resources %zu\nvalues_per_resource %.1f\nfailed_commits %zu\n", loaded->resources_n,
         (double)loaded->values_n / n, progress.failed_n);
  printf("stored %.0f resources/s\nprepare %.1f us/resource\ncpu %.1f us/resource\n", n / s,
         prepare_s * 1e6 / n, (cpu_s() - cpu) * 1e6 / n);
}

/* ---- Reads by id, each in a view of its own ---- */

#define READS_N 300000

static void run_reads(struct store *store, const struct loaded *loaded) {
  struct access access = ACCESS_EVERYTHING(STR("bench"));
  struct arena *arena = arena_new((size_t)16 << 20);
  struct err err;
  size_t found_n = 0, at = 0;
  double cpu = cpu_s();
  int64_t start_us = clock_monotonic_us();
  for (size_t i = 0; i < READS_N; i++) {
    const struct store_commit *commit = loaded->commits.p[at = (at + 7) % loaded->commits.n];
    const struct store_write *write = &commit->writes[i % commit->writes_n];
    struct store_view *view;
    struct store_resource found;
    if (store_view_open(store, &view, &err) != 0)
      break;
    found_n += store_read(view, &access, arena, write->type, write->id, &found, &err) == 0;
    store_view_close(view);
    arena_reset(arena);
  }
  double s = (double)(clock_monotonic_us() - start_us) / 1e6;
  printf("read %.0f reads/s\nfound %zu of %d\nread_cpu %.2f us/read\n", READS_N / s, found_n,
         READS_N, (cpu_s() - cpu) * 1e6 / READS_N);
  arena_free(arena);
}

/* ---- Writers that wait for each commit ---- */

#define WRITERS_MAX 256
#define WRITERS_S 3

struct writer {
  struct store *store;
  size_t number, commits_n;
  int64_t until_us;
  pthread_t thread;
};

static void *run_writer(void *what) {
  struct writer *writer = what;
  struct arena *arena = arena_new((size_t)16 << 20);
  struct err err;
  while (arena && clock_monotonic_us() < writer->until_us) {
    struct store_write write = {.type = defs_type_by_name(STR("Patient"))};
    write.id = arena_printf(arena, "w%zu-%zu", writer->number, writer->commits_n);
    write.body = arena_printf(arena,
                              "{\"resourceType\":\"Patient\",\"id\":\"%.*s\",\"identifier\":[{"
                              "\"system\":\"urn:a\",\"value\":\"%zu\"}]}",
                              STR_ARG(write.id), writer->commits_n);
    struct search_value value = {.param = defs_param_by_code(write.type, STR("identifier")),
                                 .type = SEARCH_TOKEN,
                                 .token = {.system = STR("urn:a"), .code = write.id}};
    write.values = (struct search_values){.p = &value, .n = 1};
    struct store_commit commit = {
        .arena = arena, .principal = STR("bench"), .writes = &write, .writes_n = 1};
    if (store_commit_wait(writer->store, &commit, &err) != 0)
      break;
    writer->commits_n++;
    arena_reset(arena);
  }
  arena_free(arena);
  return NULL;
}

static void run_writers(struct store *store, size_t n) {
  static struct writer writers[WRITERS_MAX];
  double cpu = cpu_s();
  int64_t start_us = clock_monotonic_us();
  size_t total = 0;
  n = n < WRITERS_MAX ? n : WRITERS_MAX;
  for (size_t i = 0; i < n; i++) {
    writers[i] = (struct writer){
        .store = store, .number = i, .until_us = start_us + WRITERS_S * (int64_t)1000000};
    if (pthread_create(&writers[i].thread, NULL, run_writer, &writers[i]) != 0)
      n = i;
  }
  for (size_t i = 0; i < n; i++) {
    pthread_join(writers[i].thread, NULL);
    total += writers[i].commits_n;
  }
  double s = (double)(clock_monotonic_us() - start_us) / 1e6;
  printf("writers %zu\ncommitted %.0f commits/s\ncpu %.1f us/commit\n", n, (double)total / s,
         (cpu_s() - cpu) * 1e6 / (double)total);
}

static int load(struct loaded *loaded, const char *file, struct err *reterr) {
  struct str text = read_file(loaded->arena, file), line;
  int code = text.p ? 0 : err_set(reterr, ERR_IO, "", "%s can't be read", file);
  if (code == 0)
    code = search_values_init(reterr);
  while (code == 0 && str_split(&text, '\n', &line))
    if (line.n)
      code = load_bundle(loaded, line, reterr);
  return code;
}

int main(int argc, char **argv) {
  struct err err;
  struct store *store;
  struct store_figures figures;
  if (argc < 3)
    return fail("usage: bench_store BUNDLES FOLDER [bulk], or bench_store N FOLDER writers", NULL);
  bool is_bulk = argc > 3 && strcmp(argv[3], "bulk") == 0;
  bool has_writers = argc > 3 && strcmp(argv[3], "writers") == 0;
  uint64_t writers_n = 0;
  struct loaded loaded = {.arena = arena_new((size_t)8 << 30)};
  if (has_writers ? !str_to_u64(str_of(argv[1]), &writers_n) : load(&loaded, argv[1], &err) != 0)
    return fail(argv[1], has_writers ? NULL : &err);
  struct str path = db_is_url(argv[2]) ? str_of(argv[2])
                                       : arena_printf(loaded.arena, "%s/bench_store.db", argv[2]);
  if (store_open(&(struct store_options){.path = path.p, .is_bulk = is_bulk}, &store, &err) != 0)
    return fail(path.p, &err);
  if (has_writers)
    run_writers(store, writers_n);
  else
    run(store, &loaded), run_reads(store, &loaded);
  if (store_figures(store, &figures, &err) == 0)
    printf("fsyncs %llu\n", (unsigned long long)figures.fsyncs);
  int64_t start_us = clock_monotonic_us();
  store_close(store);
  printf("close %.2f s\n", (double)(clock_monotonic_us() - start_us) / 1e6);
  arena_free(loaded.arena);
  return 0;
}
