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

#define MANIFEST_FORM 2
#define MANIFEST_MAX_BYTES ((size_t)1 << 20)
#define STATEMENTS_MAX_BYTES ((size_t)1 << 20)
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

/* ---- Pages ---- */

static int tell_steps(void *what) {
  const struct backup_options *options = what;
  backup_tell(options, "checking", 0, 0);
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

/* ---- What is in it ---- */

/* Where each table begins in the file is not of its content. */
static int sum_statements(struct db *db, char ret_text[TRANSFER_CHECKSUM_BYTES],
                          struct err *reterr) {
  struct db_statement *row = NULL;
  struct buf text;
  bool has_row = false;
  int code = db_prepare(db,
                        STR("SELECT type,name,tbl_name,coalesce(sql,'') FROM sqlite_schema"
                            " WHERE name NOT LIKE 'sqlite_stat%' ORDER BY name"),
                        &row, reterr);
  if (code != 0)
    return code;
  buf_init(&text, STATEMENTS_MAX_BYTES);
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row)
    for (int i = 0; i < 4; i++) {
      struct str value = db_column_str(row, i);
      buf_printf(&text, "%zu:", value.n);
      buf_add(&text, value);
    }
  db_release(row);
  if (code == 0 && buf_is_overflown(&text))
    code = err_no_memory(reterr);
  if (code == 0)
    transfer_checksum_of(buf_str(&text), ret_text);
  buf_fini(&text);
  return code;
}

static int open_rows(const char *name, struct db **ret_db, struct err *reterr) {
  struct db_options options = {
      .path = name, .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION}, .cache_bytes = CACHE_BYTES};
  int code = db_open(&options, ret_db, reterr);
  return code ? code : db_begin_read(*ret_db, reterr);
}

static int read_seq(struct db *db, uint64_t *ret_seq, struct err *reterr) {
  struct sequence sequence = {0};
  int code = sequence_read(db, &sequence, reterr);
  *ret_seq = sequence.seq;
  return code;
}

static void report_content(const struct backup_content *content, struct backup_report *report) {
  size_t n;
  const struct transfer_table *tables = transfer_tables(&n);
  report->seq = content->seq;
  for (size_t i = 0; i < n; i++) {
    uint64_t rows = content->tables[i].rows;
    report->rows += rows;
    if (strcmp(tables[i].name, "resource") == 0)
      report->resources = rows;
    else if (strcmp(tables[i].name, "version") == 0)
      report->versions = rows;
    else if (strcmp(tables[i].name, "message") == 0)
      report->messages = rows;
  }
}

/* ---- The copy, and what it was copied from ---- */

static void note_both(const struct transfer_progress *progress, void *what) {
  backup_tell(what, "comparing", progress->rows, 0);
}

static int refuse_difference(const struct transfer_report *report, bool has_same_statements,
                             struct err *reterr) {
  const char *table = has_same_statements ? NULL : "sqlite_schema";
  for (size_t i = 0; !table && i < report->rows_n; i++)
    if (!transfer_sum_equal(&report->rows[i].from, &report->rows[i].to))
      table = report->rows[i].table->name;
  return table ? err_set(reterr, ERR_STORE, "",
                         "What was copied differs from the store, in the table %s: the disk that is"
                         " written to, or the memory, changes what it is given.",
                         table)
               : 0;
}

static int compare_both(const struct backup_options *options, struct db *from, struct db *to,
                        struct transfer_report *report, struct backup_content *content,
                        struct err *reterr) {
  struct backup_options shown = *options;
  const struct transfer_options both = {
      .progress = note_both, .what = &shown, .is_stopped = options->is_stopped};
  char copied[TRANSFER_CHECKSUM_BYTES];
  int code = sum_statements(from, content->statements, reterr);
  if (code == 0)
    code = sum_statements(to, copied, reterr);
  if (code == 0)
    code = transfer_sum_both(from, to, &both, report, reterr);
  if (code == 0)
    code = refuse_difference(report, strcmp(copied, content->statements) == 0, reterr);
  for (size_t i = 0; code == 0 && i < report->rows_n; i++)
    content->tables[i] = report->rows[i].from;
  return code ? code : read_seq(from, &content->seq, reterr);
}

int backup_compare(const struct backup_options *options, struct db *from, const char *name,
                   struct backup_content *ret_content, struct err *reterr) {
  struct transfer_report *report = calloc(1, sizeof *report);
  struct db *to = NULL;
  if (!report)
    return err_no_memory(reterr);
  backup_tell(options, "comparing", 0, 0);
  int code = open_rows(name, &to, reterr);
  if (code == 0)
    code = compare_both(options, from, to, report, ret_content, reterr);
  db_close(to);
  free(report);
  return code;
}

/* ---- The manifest ---- */

/* Its end: the checksum of all that stands before it. */
#define MANIFEST_SUM ",\"sum\":\""
#define MANIFEST_SUM_BYTES (sizeof MANIFEST_SUM - 1 + TRANSFER_CHECKSUM_BYTES - 1 + 2)

static void print_manifest(struct buf *buf, const struct backup_content *content, int64_t made_us) {
  size_t n;
  char checksum[TRANSFER_CHECKSUM_BYTES];
  const struct transfer_table *tables = transfer_tables(&n);
  buf_printf(buf,
             "{\"form\":%d,\"program\":\"" CALLOSUM_VERSION
             "\",\"schema\":%u,\"made\":%lld,\"seq\":%llu,\"statements\":\"%s\",\"tables\":{",
             MANIFEST_FORM, SCHEMA_VERSION, (long long)made_us, (unsigned long long)content->seq,
             content->statements);
  for (size_t i = 0; i < n; i++) {
    transfer_checksum(&content->tables[i], checksum);
    buf_printf(buf, "%s\"%s\":{\"rows\":%llu,\"checksum\":\"%s\"}", i ? "," : "", tables[i].name,
               (unsigned long long)content->tables[i].rows, checksum);
  }
  buf_add(buf, STR("}"));
  transfer_checksum_of(buf_str(buf), checksum);
  buf_printf(buf, MANIFEST_SUM "%s\"}", checksum);
}

int backup_manifest_write(const struct backup_content *content, const char *name,
                          struct backup_report *report, struct err *reterr) {
  struct arena *arena = arena_new(MANIFEST_MAX_BYTES * 2);
  struct buf manifest, sql; /* no value in it needs an escape */
  if (!arena)
    return err_no_memory(reterr);
  report->made_us = clock_now_us();
  report_content(content, report);
  buf_init_arena(&manifest, arena, MANIFEST_MAX_BYTES);
  print_manifest(&manifest, content, report->made_us);
  buf_init_arena(&sql, arena, MANIFEST_MAX_BYTES);
  buf_printf(&sql, "INSERT INTO store VALUES('" FACT_BACKUP "','%.*s')",
             STR_ARG(buf_str(&manifest)));
  const char *text = buf_z(&sql);
  int code = buf_is_overflown(&manifest) || buf_is_overflown(&sql)
                 ? err_no_memory(reterr)
                 : backup_run_sql(name, text, reterr);
  arena_free(arena);
  return code;
}

static bool number_of(const struct yyjson_val *object, struct str name, uint64_t *ret_number) {
  return str_to_u64(json_text(json_get(object, name)), ret_number);
}

/* Is it as it was written? */
static bool has_its_sum(struct str text) {
  char checksum[TRANSFER_CHECKSUM_BYTES];
  if (text.n < MANIFEST_SUM_BYTES)
    return false;
  size_t n = text.n - MANIFEST_SUM_BYTES;
  transfer_checksum_of(str_slice(text, 0, n), checksum);
  return str_find(str_slice(text, n, text.n), str_of(checksum)) == sizeof MANIFEST_SUM - 1;
}

/* The database would name the file that is only there for now. */
static int unreadable(const char *shown, struct err *reterr) {
  return err_set(reterr, ERR_STORE, "", "%s is damaged: its rows can't be read.", shown);
}

/* `*ret_manifest` is on `arena`. */
static int read_manifest(struct db *db, const char *shown, struct arena *arena,
                         const struct yyjson_val **ret_manifest, struct backup_report *report,
                         struct err *reterr) {
  struct str text = STR_NULL;
  uint64_t form = 0, schema = 0, made = 0;
  struct err unread;
  int code = fact_read(db, arena, FACT_BACKUP, &text, reterr);
  if (code != 0)
    return code == ERR_STORE ? unreadable(shown, reterr) : code;
  if (!text.p)
    return err_set(reterr, ERR_STORE, "", "%s is a store, not a backup: it has no manifest.",
                   shown);
  if (json_parse(arena, text, &JSON_LIMITS_DEFAULT, ret_manifest, &unread) != 0 ||
      !number_of(*ret_manifest, STR("form"), &form) ||
      !number_of(*ret_manifest, STR("schema"), &schema) ||
      !number_of(*ret_manifest, STR("made"), &made))
    return err_set(reterr, ERR_STORE, "", "%s is damaged: its manifest can't be read.", shown);
  if (form != MANIFEST_FORM || schema != SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "", "%s was made by another version of Callosum.", shown);
  if (!has_its_sum(text))
    return err_set(reterr, ERR_STORE, "", "%s is damaged: its manifest was changed.", shown);
  report->made_us = (int64_t)made;
  return 0;
}

/* ---- A backup, and what it says of itself ---- */

struct reading {
  const struct backup_options *options;
  struct backup_content content;
  uint64_t rows;
};

static bool note_page(const struct transfer_page *page, size_t table, void *what) {
  struct reading *reading = what;
  (void)table;
  reading->rows += page->rows_n;
  backup_tell(reading->options, "reading", reading->rows, 0);
  return !reading->options->is_stopped || !*reading->options->is_stopped;
}

static int refuse_other_content(const struct yyjson_val *manifest,
                                const struct backup_content *content, const char *shown,
                                struct err *reterr) {
  size_t n;
  uint64_t number = 0;
  char checksum[TRANSFER_CHECKSUM_BYTES];
  const struct transfer_table *tables = transfer_tables(&n);
  const struct yyjson_val *told = json_get(manifest, STR("tables"));
  if (!str_is(json_get_text(manifest, STR("statements")), content->statements))
    return err_set(reterr, ERR_STORE, "",
                   "%s is damaged: its tables are not those that were copied.", shown);
  for (size_t i = 0; i < n; i++) {
    const struct yyjson_val *table = json_get(told, str_of(tables[i].name));
    uint64_t rows = content->tables[i].rows;
    if (!number_of(table, STR("rows"), &number) || number != rows)
      return err_set(reterr, ERR_STORE, "", "%s is damaged: %s has %llu rows, not %llu.", shown,
                     tables[i].name, (unsigned long long)rows, (unsigned long long)number);
    transfer_checksum(&content->tables[i], checksum);
    if (!str_is(json_get_text(table, STR("checksum")), checksum))
      return err_set(reterr, ERR_STORE, "",
                     "%s is damaged: the rows of %s have another checksum than when it was made.",
                     shown, tables[i].name);
  }
  return 0;
}

static int check_rows(struct reading *reading, const char *name, const char *shown,
                      struct arena *arena, struct backup_report *report, struct err *reterr) {
  const struct yyjson_val *manifest = NULL;
  struct backup_content *content = &reading->content;
  struct db *db = NULL;
  int code = open_rows(name, &db, reterr);
  bool is_open = code == 0;
  if (code == 0)
    code = read_manifest(db, shown, arena, &manifest, report, reterr);
  bool is_ours = code == 0;
  if (code == 0)
    code = sum_statements(db, content->statements, reterr);
  if (code == 0)
    code = transfer_sum_all(db, content->tables, note_page, reading, reterr);
  if (code == 0)
    code = read_seq(db, &content->seq, reterr);
  db_close(db);
  if (code == ERR_STORE && (is_ours || !is_open))
    return unreadable(shown, reterr);
  if (code != 0)
    return code;
  report_content(content, report);
  return refuse_other_content(manifest, content, shown, reterr);
}

int backup_check(const struct backup_options *options, const char *name, const char *shown,
                 struct backup_report *report, struct err *reterr) {
  struct arena *arena = arena_new(MANIFEST_MAX_BYTES * 16);
  struct reading *reading = calloc(1, sizeof *reading);
  int code = arena && reading ? backup_file_forget(name, reterr) : err_no_memory(reterr);
  if (code == 0)
    code = backup_file_check_head(name, shown, reterr);
  if (code == 0)
    code = backup_check_pages(options, name, shown, reterr);
  if (code == 0) {
    reading->options = options;
    code = check_rows(reading, name, shown, arena, report, reterr);
  }
  free(reading);
  arena_free(arena);
  return code;
}
