#include "store/move/backup_check.h"

#include <sqlite3.h>
#include <stdio.h>

#include "base/clock.h"
#include "format/json.h"
#include "store/move/backup_file.h"
#include "store/schema/fact.h"
#include "store/schema/schema.h"
#include "store/schema/sequence.h"
#include "store/move/transfer.h"

#define MANIFEST_FORM "1"
#define MANIFEST_MAX_BYTES ((size_t)1 << 20)
#define CACHE_BYTES ((size_t)64 << 20)

static int open_handle(const char *name, sqlite3 **ret_handle, struct err *reterr) {
  int result = sqlite3_open_v2(name, ret_handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
  if (result == SQLITE_OK)
    return 0;
  int code = err_set(reterr, ERR_STORE, "", "%s: %s.", name, sqlite3_errstr(result));
  sqlite3_close(*ret_handle);
  *ret_handle = NULL;
  return code;
}

int backup_run_sql(const char *name, const char *sql, struct err *reterr) {
  sqlite3 *handle = NULL;
  int code = open_handle(name, &handle, reterr);
  if (code != 0)
    return code;
  int result = sqlite3_exec(handle, sql, NULL, NULL, NULL);
  if (result != SQLITE_OK)
    code = err_set(reterr, (result & 0xff) == SQLITE_FULL ? ERR_NO_SPACE : ERR_STORE, "", "%s: %s.",
                   name, sqlite3_errmsg(handle));
  sqlite3_close(handle);
  return code;
}

static void tell(const struct backup_options *options, const char *what, uint64_t done) {
  struct backup_progress progress = {.what = what, .done = done};
  if (options->progress)
    options->progress(&progress, options->what);
}

/* ---- Pages ---- */

static int tell_steps(void *what) {
  const struct backup_options *options = what;
  tell(options, "checking", 0);
  return options->is_stopped && *options->is_stopped;
}

/* SQLite names pages, tables and row numbers, never values. */
static int complain(const char *shown, const char *complaint, struct err *reterr) {
  struct str text = str_of(complaint), line = STR_NULL, first = STR_NULL;
  while (str_is_empty(first) && str_split(&text, '\n', &line))
    if (!str_starts_with(line, STR("***")))
      first = line;
  return err_set(reterr, ERR_STORE, "", "%s is damaged: %.*s.", shown,
                 STR_ARG(str_slice(first, 0, 120)));
}

int backup_check_pages(const struct backup_options *options, const char *name, const char *shown,
                       struct err *reterr) {
  enum { STEPS_PER_LOOK = 1000000 };
  sqlite3 *handle = NULL;
  sqlite3_stmt *row = NULL;
  struct backup_options looked_at = *options;
  int code = open_handle(name, &handle, reterr);
  if (code != 0)
    return code;
  sqlite3_exec(handle, "PRAGMA cache_size=-65536;PRAGMA query_only=ON", NULL, NULL, NULL);
  sqlite3_progress_handler(handle, STEPS_PER_LOOK, tell_steps, &looked_at);
  if (sqlite3_prepare_v2(handle, "PRAGMA integrity_check(1)", -1, &row, NULL) != SQLITE_OK ||
      sqlite3_step(row) != SQLITE_ROW)
    code = complain(shown, sqlite3_errmsg(handle), reterr);
  else if (strcmp((const char *)sqlite3_column_text(row, 0), "ok") != 0)
    code = complain(shown, (const char *)sqlite3_column_text(row, 0), reterr);
  if (code != 0 && backup_file_go_on(options->is_stopped, reterr) != 0)
    code = ERR_IO;
  sqlite3_finalize(row);
  sqlite3_close(handle);
  return code;
}

/* ---- Rows ---- */

struct sums {
  const struct backup_options *options;
  uint64_t rows;
  struct transfer_sum tables[TRANSFER_TABLES_MAX];
};

static bool note_page(const struct transfer_page *page, size_t table, void *what) {
  struct sums *sums = what;
  (void)table;
  sums->rows += page->rows_n;
  tell(sums->options, "reading", sums->rows);
  return !sums->options->is_stopped || !*sums->options->is_stopped;
}

/* What is read here was checked page by page before: what now fails is in the rows. */
static int sum_up(const struct backup_options *options, const char *name, struct arena *arena,
                  struct sums *sums, struct str *ret_manifest, uint64_t *ret_seq,
                  struct err *reterr) {
  struct db *db = NULL;
  struct sequence sequence = {0};
  struct db_options db_options = {
      .path = name, .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION}, .cache_bytes = CACHE_BYTES};
  sums->options = options;
  int code = db_open(&db_options, &db, reterr);
  if (code == 0)
    code = db_begin_read(db, reterr);
  if (code == 0)
    code = fact_read(db, arena, FACT_BACKUP, ret_manifest, reterr);
  if (code == 0)
    code = sequence_read(db, &sequence, reterr);
  if (code == 0)
    code = transfer_sum_all(db, sums->tables, note_page, sums, reterr);
  db_close(db);
  *ret_seq = sequence.seq;
  return code;
}

static void report_sums(const struct sums *sums, struct backup_report *report) {
  size_t n;
  const struct transfer_table *tables = transfer_tables(&n);
  for (size_t i = 0; i < n; i++) {
    uint64_t rows = sums->tables[i].rows;
    report->rows += rows;
    if (strcmp(tables[i].name, "resource") == 0)
      report->resources = rows;
    else if (strcmp(tables[i].name, "version") == 0)
      report->versions = rows;
    else if (strcmp(tables[i].name, "message") == 0)
      report->messages = rows;
  }
}

/* ---- The manifest ---- */

static void print_manifest(struct buf *buf, const struct sums *sums, uint64_t seq,
                           int64_t made_us) {
  size_t n;
  const struct transfer_table *tables = transfer_tables(&n);
  buf_printf(buf,
             "{\"form\":" MANIFEST_FORM ",\"program\":\"" CALLOSUM_VERSION
             "\",\"schema\":%u,\"made\":%lld,\"seq\":%llu,\"tables\":{",
             SCHEMA_VERSION, (long long)made_us, (unsigned long long)seq);
  for (size_t i = 0; i < n; i++) {
    char checksum[TRANSFER_CHECKSUM_BYTES];
    transfer_checksum(&sums->tables[i], checksum);
    buf_printf(buf, "%s\"%s\":{\"rows\":%llu,\"checksum\":\"%s\"}", i ? "," : "", tables[i].name,
               (unsigned long long)sums->tables[i].rows, checksum);
  }
  buf_add(buf, STR("}}"));
}

int backup_manifest_write(const struct backup_options *options, const char *name,
                          struct backup_report *report, struct err *reterr) {
  struct arena *arena = arena_new(MANIFEST_MAX_BYTES);
  struct sums *sums = calloc(1, sizeof *sums);
  struct str manifest = STR_NULL;
  int code = arena && sums ? sum_up(options, name, arena, sums, &manifest, &report->seq, reterr)
                           : err_no_memory(reterr);
  if (code == 0) {
    struct buf sql; /* no value in it needs an escape */
    report->made_us = clock_now_us();
    report_sums(sums, report);
    buf_init_arena(&sql, arena, MANIFEST_MAX_BYTES);
    buf_add(&sql, STR("INSERT INTO store VALUES('" FACT_BACKUP "','"));
    print_manifest(&sql, sums, report->seq, report->made_us);
    buf_add(&sql, STR("')"));
    const char *text = buf_z(&sql);
    code = buf_is_overflown(&sql) ? err_no_memory(reterr) : backup_run_sql(name, text, reterr);
  }
  free(sums);
  arena_free(arena);
  return code;
}

static bool number_of(const struct yyjson_val *object, struct str name, uint64_t *ret_number) {
  return str_to_u64(json_text(json_get(object, name)), ret_number);
}

static int compare(const struct yyjson_val *manifest, const struct sums *sums, const char *shown,
                   struct err *reterr) {
  size_t n;
  const struct transfer_table *tables = transfer_tables(&n);
  const struct yyjson_val *told = json_get(manifest, STR("tables"));
  if (json_count(told) != n)
    return err_set(reterr, ERR_STORE, "", "%s is damaged: its manifest has other tables.", shown);
  for (size_t i = 0; i < n; i++) {
    char checksum[TRANSFER_CHECKSUM_BYTES];
    const struct yyjson_val *table = json_get(told, str_of(tables[i].name));
    uint64_t rows = 0;
    transfer_checksum(&sums->tables[i], checksum);
    if (!number_of(table, STR("rows"), &rows) || rows != sums->tables[i].rows)
      return err_set(reterr, ERR_STORE, "", "%s is damaged: %s has %llu rows, not %llu.", shown,
                     tables[i].name, (unsigned long long)sums->tables[i].rows,
                     (unsigned long long)rows);
    if (!str_is(json_get_text(table, STR("checksum")), checksum))
      return err_set(reterr, ERR_STORE, "",
                     "%s is damaged: the rows of %s have another checksum than when it was made.",
                     shown, tables[i].name);
  }
  return 0;
}

static int check_rows(const struct backup_options *options, const char *name, const char *shown,
                      struct arena *arena, struct sums *sums, struct backup_report *report,
                      struct err *reterr) {
  struct str text = STR_NULL;
  const struct yyjson_val *manifest = NULL;
  uint64_t form = 0, schema = 0, made = 0;
  int code = sum_up(options, name, arena, sums, &text, &report->seq, reterr);
  if (code == ERR_STORE) /* it would name the file that is only there for now */
    return err_set(reterr, ERR_STORE, "", "%s is damaged: its rows can't be read.", shown);
  if (code != 0)
    return code;
  if (!text.p)
    return err_set(reterr, ERR_STORE, "", "%s is a store, not a backup: it has no manifest.",
                   shown);
  struct err unread;
  code = json_parse(arena, text, &JSON_LIMITS_DEFAULT, &manifest, &unread);
  if (code != 0 || !number_of(manifest, STR("form"), &form) ||
      !number_of(manifest, STR("schema"), &schema) || !number_of(manifest, STR("made"), &made) ||
      !number_of(manifest, STR("seq"), &report->seq))
    return err_set(reterr, ERR_STORE, "", "%s is damaged: its manifest can't be read.", shown);
  if (form != 1 || schema != SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "", "%s was made by another version of Callosum.", shown);
  report->made_us = (int64_t)made;
  report_sums(sums, report);
  return compare(manifest, sums, shown, reterr);
}

int backup_check(const struct backup_options *options, const char *name, const char *shown,
                 struct backup_report *report, struct err *reterr) {
  struct arena *arena = arena_new(MANIFEST_MAX_BYTES * 16);
  struct sums *sums = calloc(1, sizeof *sums);
  int code = arena && sums ? backup_file_check_head(name, shown, reterr) : err_no_memory(reterr);
  if (code == 0)
    code = backup_check_pages(options, name, shown, reterr);
  if (code == 0)
    code = check_rows(options, name, shown, arena, sums, report, reterr);
  free(sums);
  arena_free(arena);
  return code;
}
