/*
 * What searches cost in a distributed store: of which parts of each table they read, as PostgreSQL
 * counts it where the tables have partitions that stand for machines (docs/scale.md).
 *
 *   bench_shards partitions N   the statements that distribute an empty store over N partitions
 *   bench_shards run URL        the searches below: rows, partitions, reads, and the least time of
 * each
 *
 * The store holds the Synthea bundles (callosum import).
 */
#include "base/clock.h"
#include "model/search_values.h"
#include "store/search/search.h"
#include "store/store_internal.h"

#include "../test/unit/store/partitions.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 40, TABLES_MAX = 32, PARTITIONS_MAX = 128 };

/* In a URL: @P a patient, @E one of its encounters, @D a practitioner, @O an organization. */
static const char *const urls[] = {
    "Patient?_id=@P",
    "Patient?identifier=@P",
    "Observation?patient=@P",
    "Observation?patient=@P&code=http://loinc.org%7C8302-2",
    "Observation?patient=@P&code=8302-2",
    "Observation?patient=@P&date=ge2010",
    "Observation?patient=@P&_sort=-date",
    "Observation?patient=@P&_lastUpdated=gt2000",
    "Observation?patient=@P&_total=accurate",
    "Observation?encounter=@E",
    "Patient/@P/Condition",
    "Encounter?patient=@P&_include=Encounter:service-provider",
    "Encounter?patient=@P&_include=Encounter:participant",
    "Encounter?patient=@P&_revinclude=Observation:encounter",
    "Encounter?participant=Practitioner/@D",
    "Encounter?service-provider=Organization/@O",
    "Encounter?patient=@P&service-provider=Organization/@O",
    "Encounter?service-provider.name=hospital&_count=20",
    "Observation?patient.birthdate=1950-01-01,1951-02-02&_count=20",
    "Observation?patient.family=Ferry&code=http://loinc.org%7C8302-2",
    "Patient?_has:Condition:patient:code=http://snomed.info/sct%7C44054006",
    "Observation?code=http://loinc.org%7C8302-2",
    "Observation?code=http://loinc.org%7C8302-2&date=ge2018-01-01&date=lt2018-03-01",
    "Observation?code=http://loinc.org%7C8302-2&_total=accurate",
    "Observation?date=ge2018-01-01&date=lt2018-02-01",
    "Observation?_sort=-date&_count=20",
    "Patient?family=fe",
    "Observation?value-quantity=gt190&_count=20",
    "Observation?status:not=final",
    "Observation?_lastUpdated=gt2000&_count=20",
    "Observation?_count=20",
};

static int fail(const struct err *err) {
  fprintf(stderr, "bench_shards: %s: %s\n", err->where, err->text);
  return 1;
}

/* ---- Reads of partitions --------------------------------------------------------------------- */

struct reads {
  struct {
    char name[48];
    int64_t n[PARTITIONS_MAX];
  } tables[TABLES_MAX];
  size_t tables_n;
};

static int64_t *reads_of(struct reads *reads, struct str table, uint64_t partition) {
  size_t i = 0;
  while (i < reads->tables_n && !str_is(table, reads->tables[i].name))
    i++;
  if (i == TABLES_MAX || partition >= PARTITIONS_MAX)
    return NULL;
  if (i == reads->tables_n)
    snprintf(reads->tables[reads->tables_n++].name, 48, "%.*s", STR_ARG(table));
  return &reads->tables[i].n[partition];
}

/* `sign` 1 or -1: what this transaction has read is added or taken off. */
static int count_reads(struct db *db, int sign, struct reads *reads, struct err *reterr) {
  struct db_statement *row;
  bool has_row;
  int code = db_prepare(db,
                        STR("SELECT CAST(relname AS bytea),coalesce(idx_scan,0)+seq_scan FROM "
                            "pg_stat_xact_user_tables WHERE schemaname=current_schema()"),
                        &row, reterr);
  if (code)
    return code;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct str rest = db_column_str(row, 0), name;
    uint64_t partition = 0;
    str_split(&rest, '_', &name);
    int64_t *place = str_to_u64(rest, &partition) ? reads_of(reads, name, partition) : NULL;
    if (place)
      *place += sign * db_column_i64(row, 1);
  }
  db_release(row);
  return code;
}

/* The partitions of the table of which most were read; all reads. */
static size_t most_partitions(const struct reads *reads, int64_t *ret_all) {
  size_t most = 0;
  *ret_all = 0;
  for (size_t i = 0; i < reads->tables_n; i++) {
    size_t n = 0;
    for (size_t k = 0; k < PARTITIONS_MAX; k++) {
      n += reads->tables[i].n[k] > 0;
      *ret_all += reads->tables[i].n[k];
    }
    most = n > most ? n : most;
  }
  return most;
}

/* ---- Searches -------------------------------------------------------------------------------- */

static int run(struct store_view *view, struct arena *arena, const char *url,
               struct search_result *ret_result, struct err *reterr) {
  struct search_place place;
  const struct search_pair *pairs;
  const struct search *search;
  struct issues issues = {0};
  struct access access = ACCESS_EVERYTHING(STR("bench"));
  size_t n;
  int code = search_split_place(arena, str_of(url), &place, &pairs, &n, reterr);
  struct search_options options = {.base_url = STR("http://here/fhir"),
                                   .compartment = code ? 0 : place.compartment,
                                   .compartment_id = code ? STR("") : place.compartment_id};
  if (code == 0)
    code = search_parse(arena, place.type, pairs, n, &options, &search, &issues, reterr);
  return code ? code : search_run(view, &access, arena, search, ret_result, reterr);
}

struct names {
  struct str patient, encounter, practitioner, organization;
};

static struct str with_names(struct arena *arena, const char *url, const struct names *names) {
  struct buf buf;
  buf_init_arena(&buf, arena, 4096);
  for (const char *c = url; *c; c++) {
    if (*c != '@')
      buf_add_char(&buf, *c);
    else
      buf_add(&buf, *++c == 'P' ? names->patient
                    : *c == 'E' ? names->encounter
                    : *c == 'D' ? names->practitioner
                                : names->organization);
  }
  return str_of(buf_z(&buf));
}

static struct str id_at(struct store_view *view, struct arena *arena, const char *url, size_t at) {
  struct search_result result;
  struct err err;
  if (run(view, arena, url, &result, &err) || result.matches_n <= at) {
    fprintf(stderr, "bench_shards: %s finds too few\n", url);
    exit(1);
  }
  return result.rows[at].resource.id;
}

static void find_names(struct store_view *view, struct arena *arena, struct names *names) {
  names->patient = id_at(view, arena, "Patient?_sort=birthdate&_count=120", 100);
  names->encounter =
      id_at(view, arena, with_names(arena, "Encounter?patient=@P&_sort=-date", names).p, 0);
  names->practitioner = id_at(view, arena, "Practitioner?_sort=family&_count=20", 10);
  names->organization = id_at(view, arena, "Organization?_sort=name&_count=20", 10);
}

static int measure(struct store *store, const char *url, const char *shown, struct err *reterr) {
  static struct reads reads;
  int64_t least_us = INT64_MAX, all = 0;
  size_t most = 0, rows = 0;
  for (size_t i = 0; i <= ROUNDS; i++) { /* the first one warms up */
    struct arena *arena = arena_new((size_t)256 << 20);
    struct store_view *view;
    struct search_result result = {0};
    reads = (struct reads){0};
    int code = store_view_open(store, &view, reterr);
    if (code)
      return code;
    code = count_reads(store_view_db(view), -1, &reads, reterr);
    int64_t before = clock_monotonic_us();
    if (code == 0)
      code = run(view, arena, url, &result, reterr);
    int64_t took_us = clock_monotonic_us() - before;
    if (i > 0 && took_us < least_us)
      least_us = took_us;
    if (code == 0)
      code = count_reads(store_view_db(view), 1, &reads, reterr);
    store_view_close(view);
    rows = result.rows_n;
    arena_free(arena);
    if (code)
      return code;
    most = most_partitions(&reads, &all);
  }
  printf("%-86s %5zu rows %3zu partitions %6lld reads %7lld us\n", shown, rows, most,
         (long long)all, (long long)least_us);
  return 0;
}

static int run_all(const char *path, struct err *reterr) {
  struct store *store;
  struct store_view *view;
  struct arena *arena = arena_new((size_t)256 << 20);
  struct names names = {0};
  struct store_options options = {.path = path, .readers = 1, .is_read_only = true};
  int code = search_values_init(reterr);
  if (code == 0)
    code = store_open(&options, &store, reterr);
  if (code == 0)
    code = store_view_open(store, &view, reterr);
  if (code)
    return code;
  find_names(view, arena, &names);
  store_view_close(view);
  for (size_t i = 0; i < sizeof urls / sizeof urls[0] && code == 0; i++)
    code = measure(store, with_names(arena, urls[i], &names).p, urls[i], reterr);
  store_close(store);
  arena_free(arena);
  return code;
}

int main(int argc, char **argv) {
  struct err err = {0};
  uint64_t n = 0;
  if (argc == 3 && strcmp(argv[1], "partitions") == 0 && str_to_u64(str_of(argv[2]), &n) && n > 0 &&
      n <= PARTITIONS_MAX) {
    struct buf buf;
    buf_init(&buf, 65536);
    partitions_add_sql(&buf, (int)n);
    puts(buf_z(&buf));
    buf_fini(&buf);
    return 0;
  }
  if (argc == 3 && strcmp(argv[1], "run") == 0)
    return run_all(argv[2], &err) ? fail(&err) : 0;
  fprintf(stderr, "bench_shards partitions N | run URL\n");
  return 2;
}
