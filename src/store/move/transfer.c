#include "store/move/transfer.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/schema/fact.h"
#include "store/schema/schema.h"
#include "store/schema/sequence.h"
#include "store/schema/shard.h"
#include "store/move/transfer_internal.h"

#define ARENA_BYTES ((size_t)64 << 20)
#define CACHE_BYTES ((size_t)64 << 20)
#define SERVER_WAIT_US 5000000   /* until the server is reached */
#define BROKEN_TRIES 6           /* of a page whose transaction broke; db_open waits in between */
#define PROCESS_GONE_US 60000000 /* not seen for so long: six times a sign of life was due */
#define LOG_PAGES_MAX 4000       /* then the log is moved into the file */
#define SAME_STORE "The source and the target are the same store."
#define MARK_MAX_BYTES ((size_t)1 << 20)

/*
 * How far a copy has come: the row 'copy' of the target's table `store`, words with a blank between
 * them:
 *   the form of this, 1
 *   a random number, of this copy
 *   the seal of the source: its state, hashed
 *   the source's commit.seq, for the message when it has changed
 *   the table that is being copied; "-" when all were
 *   rows that were copied
 *   the last key of that table that was copied, in hexadecimal digits; none: from the beginning
 */
struct mark {
  struct str id, seal;
  uint64_t seq, rows;
  size_t table_n; /* from 0; the number of tables: all were copied */
  struct str key;
};

struct transfer {
  const struct transfer_options *options;
  struct transfer_report *report;
  struct db *from, *to;
  struct arena *arena;
  bool is_sharded; /* the source's numbers tell where rows are (shard.h), and so do the target's */
  struct mark mark;
  struct str written_mark; /* as it stands in the target */
};

/* ---- The mark ---- */

static int mark_write(const struct mark *mark, struct buf *buf, struct err *reterr) {
  size_t tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  buf_printf(buf, "1 %.*s %.*s %llu %s %llu %.*s", STR_ARG(mark->id), STR_ARG(mark->seal),
             (unsigned long long)mark->seq,
             mark->table_n < tables_n ? tables[mark->table_n].name : "-",
             (unsigned long long)mark->rows, STR_ARG(mark->key));
  return buf_is_overflown(buf) ? err_no_memory(reterr) : 0;
}

static int mark_read(struct str text, struct mark *ret_mark, struct err *reterr) {
  struct str words[7] = {0}, rest = text;
  size_t n = 0, tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  while (n < 7 && str_split(&rest, ' ', &words[n]))
    n++;
  struct mark mark = {.id = words[1], .seal = words[2], .key = words[6]};
  bool is_right = n == 7 && !rest.p && str_is(words[0], "1") && str_to_u64(words[3], &mark.seq) &&
                  str_to_u64(words[5], &mark.rows);
  while (mark.table_n < tables_n && !str_is(words[4], tables[mark.table_n].name))
    mark.table_n++;
  if (!is_right || (mark.table_n == tables_n && !str_is(words[4], "-")))
    return err_set(reterr, ERR_STORE, "",
                   "How far the copy has come can't be read; begin again with an empty target.");
  *ret_mark = mark;
  return 0;
}

/* ---- One look at a store ---- */

/* Only PostgreSQL lets several processes at one store; a file has an owner. When they were seen is
 * told by the server's clock. */
static int refuse_processes(struct db *db, struct arena *arena, const char *path,
                            struct err *reterr) {
  struct db_query query;
  char shown[256];
  int64_t n = 0;
  if (!db_is_remote(db))
    return 0;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT count(*) FROM process WHERE seen>"
                       "CAST(extract(epoch FROM clock_timestamp())*1000000 AS bigint)-");
  db_query_i64(&query, PROCESS_GONE_US);
  int code = db_query_number(db, &query, 0, &n, reterr);
  if (code == 0 && n > 0)
    code =
        err_set(reterr, ERR_CONFLICT, "",
                "%lld Callosum process%s at work on %s, or ended less than a minute ago without"
                " saying so. Stop them, then copy.",
                (long long)n, n == 1 ? " is" : "es are", db_shown_path(path, shown, sizeof shown));
  return code;
}

/* In a transaction: the state of a store as a text of 32 digits. Two states with one seal differ in
 * nothing that a commit changes; what else may differ is found when the rows are compared. */
static int seal_of(struct db *db, struct arena *arena, struct str *ret_seal, uint64_t *ret_seq,
                   struct err *reterr) {
  static const char *const sealed[] = {"store", "sequence", "param", "dictionary"};
  size_t tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  struct transfer_sum sum = {0};
  struct sequence sequence = {0};
  int code = 0;
  for (size_t t = 0; code == 0 && t < tables_n; t++) {
    bool is_sealed = false;
    for (size_t i = 0; i < sizeof sealed / sizeof sealed[0]; i++)
      is_sealed |= strcmp(sealed[i], tables[t].name) == 0;
    struct transfer_page page = {0};
    const union transfer_cell *after = NULL;
    while (code == 0 && is_sealed && !page.is_last) {
      code = transfer_page_read(db, arena, &tables[t], after, &page, reterr);
      if (code == 0)
        code = transfer_sum_page(&sum, &page, reterr);
      after = code == 0 ? transfer_page_end(&page) : NULL;
    }
  }
  if (code == 0)
    code = sequence_read(db, &sequence, reterr);
  char text[TRANSFER_CHECKSUM_BYTES];
  transfer_checksum(&sum, text);
  struct str kept = arena_str(arena, str_of(text));
  if (code == 0 && !kept.p)
    code = err_no_memory(reterr);
  if (code == 0) {
    *ret_seal = kept;
    *ret_seq = sequence.seq;
  }
  return code;
}

static int refuse_other_version(struct db *db, const char *path, struct err *reterr) {
  struct db_identity identity;
  char shown[256];
  int code = db_identity(db, &identity, reterr);
  if (code != 0)
    return code;
  db_shown_path(path, shown, sizeof shown);
  if (identity.version == 0)
    return err_set(reterr, ERR_NOT_FOUND, "", "There is no store in %s.", shown);
  if (identity.version < SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "",
                   "%s is of format %u. Start `callosum serve` with it once, which brings it up to"
                   " format %u; then copy it.",
                   shown, identity.version, SCHEMA_VERSION);
  return 0;
}

static int refuse_absent(const char *path, struct err *reterr) {
  struct stat info;
  if (db_is_url(path))
    return 0;
  if (stat(path, &info) != 0)
    return err_set(reterr, errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : ERR_IO, "",
                   "There is no store %s: %s.", path, strerror(errno));
  if (!S_ISREG(info.st_mode))
    return err_set(reterr, ERR_STORE, "", "%s is not a file.", path);
  return 0;
}

static bool is_same(const char *from, const char *to) {
  struct stat a, b;
  if (db_is_url(from) || db_is_url(to))
    return strcmp(from, to) == 0;
  return stat(from, &a) == 0 && stat(to, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Of one schema in one server, whatever the URL: when the server started, to the microsecond, and
 * its own numbers of database and schema. */
struct place {
  int64_t server, database, schema;
};

static int place_of(struct db *db, struct place *ret_place, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(
      db,
      STR("SELECT CAST(extract(epoch FROM pg_postmaster_start_time())*1000000 AS bigint),"
          "(SELECT CAST(oid AS bigint) FROM pg_database WHERE datname=current_database()),"
          "(SELECT CAST(oid AS bigint) FROM pg_namespace WHERE nspname=current_schema())"),
      &row, reterr);
  if (code != 0)
    return code;
  code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row)
    *ret_place =
        (struct place){db_column_i64(row, 0), db_column_i64(row, 1), db_column_i64(row, 2)};
  db_release(row);
  return code;
}

static int refuse_same(struct transfer *t, struct err *reterr) {
  struct place from = {0}, to = {0};
  if (!db_is_remote(t->from) || !db_is_remote(t->to))
    return 0;
  int code = place_of(t->from, &from, reterr);
  if (code == 0)
    code = place_of(t->to, &to, reterr);
  if (code == 0 && from.server == to.server && from.database == to.database &&
      from.schema == to.schema)
    code = err_set(reterr, ERR_CONFLICT, "", SAME_STORE);
  return code;
}

static struct db_options options_of(const char *path, bool is_writer) {
  return (struct db_options){.path = path,
                             .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION},
                             .is_writer = is_writer,
                             .cache_bytes = CACHE_BYTES,
                             .wait_us = SERVER_WAIT_US};
}

/* Opens a store to read all of it; in a read transaction afterwards. */
static int open_to_read(const char *path, bool is_owner, struct db **ret_db, struct err *reterr) {
  struct db_options options = options_of(path, is_owner && !db_is_url(path));
  int code = refuse_absent(path, reterr);
  if (code == 0)
    code = db_open(&options, ret_db, reterr);
  if (code == 0)
    code = refuse_other_version(*ret_db, path, reterr);
  return code ? code : db_begin_read(*ret_db, reterr);
}

/* ---- The two sides of a copy ---- */

static int open_source(struct transfer *t, struct err *reterr) {
  int code = open_to_read(t->options->from, true, &t->from, reterr);
  if (code == 0)
    code = schema_refuse_unfinished(t->from, reterr);
  if (code == 0)
    code = refuse_processes(t->from, t->arena, t->options->from, reterr);
  if (code == 0)
    code = fact_has(t->from, FACT_SHARDS, &t->is_sharded, reterr);
  return code ? code : seal_of(t->from, t->arena, &t->mark.seal, &t->mark.seq, reterr);
}

/* Inside a write transaction, so that what it finds stays so. */
static int refuse_content(struct transfer *t, struct err *reterr) {
  size_t tables_n;
  char shown[256];
  const struct transfer_table *tables = transfer_tables(&tables_n);
  int code = 0;
  for (size_t i = 0; code == 0 && i < tables_n; i++) {
    struct db_query query;
    int64_t n = 0;
    if (tables[i].is_new)
      continue;
    db_query_init(&query, t->arena);
    db_query_addf(&query, "SELECT count(*) FROM (SELECT 1 AS one FROM %s LIMIT 1) AS found",
                  tables[i].name);
    code = db_query_number(t->to, &query, 0, &n, reterr);
    if (code == 0 && n > 0)
      code = err_set(reterr, ERR_CONFLICT, "",
                     "%s has content of its own (table %s). A store is only copied into an empty"
                     " place, or into what a copy of the same store has left unfinished.",
                     db_shown_path(t->options->to, shown, sizeof shown), tables[i].name);
  }
  return code;
}

/* Numbers are carried over as they are. Those of a store that was never distributed would all lie
 * on one shard. */
static int refuse_other_numbers(struct transfer *t, struct err *reterr) {
  bool is_distributed = false;
  char shown[256];
  int code = fact_has(t->to, FACT_SHARDS, &is_distributed, reterr);
  if (code == 0 && is_distributed && !t->is_sharded)
    code = err_set(reterr, ERR_CONFLICT, "",
                   "%s is distributed over several machines; the numbers in the source do not tell"
                   " where its rows belong. Fill it with `callosum import` (docs/moving.md).",
                   db_shown_path(t->options->to, shown, sizeof shown));
  return code;
}

/* What stands in a store that was only just made gives way to what the source has. */
static int clear_target(struct transfer *t, struct err *reterr) {
  size_t tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  char sql[64];
  int code = db_run(t->to, "DELETE FROM process", reterr);
  if (code == 0)
    code = db_run(t->to, "DELETE FROM lease", reterr);
  for (size_t i = 0; code == 0 && i < tables_n; i++) {
    if (!tables[i].is_new)
      continue;
    snprintf(sql, sizeof sql, "DELETE FROM %s", tables[i].name);
    code = db_run(t->to, sql, reterr);
  }
  return code;
}

static int keep_mark(struct transfer *t, struct str text, struct err *reterr) {
  t->written_mark = arena_str(t->arena, text);
  return t->written_mark.p ? mark_read(t->written_mark, &t->mark, reterr) : err_no_memory(reterr);
}

static int begin_copy(struct transfer *t, struct err *reterr) {
  struct buf text;
  struct hash_key random = hash_key_random();
  buf_init_arena(&text, t->arena, MARK_MAX_BYTES);
  t->mark.id = arena_printf(t->arena, "%016llx", (unsigned long long)random.k0);
  int code = t->mark.id.p ? mark_write(&t->mark, &text, reterr) : err_no_memory(reterr);
  if (code == 0)
    code = db_begin_write(t->to, reterr);
  if (code == 0)
    code = refuse_content(t, reterr);
  if (code == 0)
    code = refuse_other_numbers(t, reterr);
  if (code == 0)
    code = clear_target(t, reterr);
  if (code == 0)
    code = fact_set(t->to, FACT_COPY, buf_str(&text), reterr);
  if (code == 0)
    code = db_commit(t->to, reterr);
  if (code != 0)
    db_rollback(t->to);
  return code ? code : keep_mark(t, buf_str(&text), reterr);
}

static int go_on(struct transfer *t, struct str written, struct err *reterr) {
  struct mark mark = {0};
  int code = mark_read(written, &mark, reterr);
  if (code != 0)
    return code;
  if (!str_equal(mark.seal, t->mark.seal))
    return err_set(reterr, ERR_CONFLICT, "",
                   "The target is an unfinished copy of another store, or the source has changed"
                   " since it was begun (commit %llu then, %llu now). Begin again with an empty"
                   " target.",
                   (unsigned long long)mark.seq, (unsigned long long)t->mark.seq);
  code = refuse_other_numbers(t, reterr);
  if (code != 0)
    return code;
  t->report->is_resumed = true;
  return keep_mark(t, written, reterr);
}

static int open_target(struct transfer *t, struct err *reterr) {
  struct db_options options = options_of(t->options->to, true);
  struct db_identity identity = {0};
  struct str written = STR_NULL;
  struct schema made;
  if (is_same(t->options->from, t->options->to))
    return err_set(reterr, ERR_CONFLICT, "", SAME_STORE);
  int code = db_open(&options, &t->to, reterr);
  if (code == 0)
    code = refuse_same(t, reterr);
  if (code == 0)
    code = db_identity(t->to, &identity, reterr);
  if (code == 0 && identity.version == 0)
    code = schema_open(t->to, t->arena, &made, reterr);
  else if (code == 0)
    code = refuse_other_version(t->to, t->options->to, reterr);
  if (code == 0)
    code = refuse_processes(t->to, t->arena, t->options->to, reterr);
  if (code == 0)
    code = fact_read(t->to, t->arena, FACT_COPY, &written, reterr);
  if (code != 0)
    return code;
  db_set_rewrite(t->to, t->is_sharded ? shard_add_sql : NULL);
  return written.p ? go_on(t, written, reterr) : begin_copy(t, reterr);
}

/* ---- The rows ---- */

/* In the write transaction: nobody else has gone on with this copy meanwhile. */
static int check_mark(struct transfer *t, struct arena *arena, struct err *reterr) {
  struct str written;
  int code = fact_read(t->to, arena, FACT_COPY, &written, reterr);
  if (code == 0 && !str_equal(written, t->written_mark))
    code = err_set(reterr, ERR_CONFLICT, "", "Another process works on the target.");
  return code;
}

static int write_once(struct transfer *t, const struct transfer_page *page, struct str next,
                      struct arena *arena, struct err *reterr) {
  int code = db_begin_write(t->to, reterr);
  if (code == 0)
    code = check_mark(t, arena, reterr);
  if (code == 0)
    code = transfer_page_write(t->to, page, reterr);
  if (code == 0)
    code = fact_set(t->to, FACT_COPY, next, reterr);
  if (code == 0)
    code = db_commit(t->to, reterr);
  if (code != 0)
    db_rollback(t->to);
  return code;
}

/* After a connection broke: has the page been written? */
static int was_written(struct transfer *t, struct str next, struct arena *arena, bool *ret_was,
                       struct err *reterr) {
  struct str written = STR_NULL;
  int code = db_begin_write(t->to, reterr);
  if (code == 0)
    code = fact_read(t->to, arena, FACT_COPY, &written, reterr);
  db_rollback(t->to);
  if (code == 0)
    *ret_was = str_equal(written, next);
  return code;
}

static bool is_broken(int code) {
  return code == ERR_UNAVAILABLE || code == ERR_UNCERTAIN;
}

static int write_page(struct transfer *t, const struct transfer_page *page, struct str next,
                      struct arena *arena, struct err *reterr) {
  int code = write_once(t, page, next, arena, reterr);
  for (int tries = 1; is_broken(code) && tries < BROKEN_TRIES; tries++) {
    bool was = false;
    code = was_written(t, next, arena, &was, reterr);
    if (code == 0 && was)
      return 0;
    if (code == 0)
      code = write_once(t, page, next, arena, reterr);
  }
  return code;
}

static int move_log(struct db *db, struct err *reterr) {
  uint64_t left;
  return db_log_pages(db) > LOG_PAGES_MAX ? db_checkpoint(db, &left, reterr) : 0;
}

/* Writes a page and how far that is, as one. `arenas`: what the mark points to lives until the next
 * one is written. */
static int copy_page(struct transfer *t, const struct transfer_page *page, struct arena *arena,
                     struct err *reterr) {
  size_t tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  struct mark next = t->mark;
  struct buf key, text;
  buf_init_arena(&key, arena, MARK_MAX_BYTES);
  buf_init_arena(&text, arena, MARK_MAX_BYTES);
  next.rows += page->rows_n;
  next.table_n = (size_t)(page->table - tables) + page->is_last;
  int code =
      page->is_last ? 0 : transfer_key_write(&key, page->table, transfer_page_end(page), reterr);
  next.key = buf_str(&key);
  if (code == 0)
    code = mark_write(&next, &text, reterr);
  if (code == 0)
    code = write_page(t, page, buf_str(&text), arena, reterr);
  if (code == 0)
    code = move_log(t->to, reterr);
  if (code != 0)
    return code;
  t->written_mark = buf_str(&text);
  t->report->copied += page->rows_n;
  t->report->bytes += page->bytes;
  return mark_read(t->written_mark, &t->mark, reterr);
}

static void tell(struct transfer *t, const struct transfer_page *page) {
  size_t tables_n;
  struct transfer_progress progress = {.table = page->table->name,
                                       .table_n =
                                           (size_t)(page->table - transfer_tables(&tables_n)) + 1,
                                       .rows = t->report->copied,
                                       .bytes = t->report->bytes};
  if (t->options->progress)
    t->options->progress(&progress, t->options->what);
}

static int copy_rows(struct transfer *t, struct err *reterr) {
  size_t tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  union transfer_cell after[TRANSFER_KEY_MAX];
  struct transfer_ahead *ahead = NULL;
  const struct transfer_page *page = NULL;
  int64_t start_us = clock_monotonic_us();
  if (t->mark.table_n == tables_n)
    return 0;
  struct arena *arenas[2] = {arena_new(ARENA_BYTES), arena_new(ARENA_BYTES)};
  int code = arenas[0] && arenas[1] ? 0 : err_no_memory(reterr);
  if (code == 0 && t->mark.key.n)
    code = transfer_key_read(t->arena, &tables[t->mark.table_n], t->mark.key, after, reterr);
  if (code == 0)
    code =
        transfer_ahead_open(t->from, t->mark.table_n, t->mark.key.n ? after : NULL, &ahead, reterr);
  for (size_t turn = 0; code == 0; turn = !turn) {
    code = transfer_ahead_next(ahead, &page, reterr);
    if (code != 0 || !page)
      break;
    arena_reset(arenas[turn]);
    code = copy_page(t, page, arenas[turn], reterr);
    tell(t, page);
  }
  transfer_ahead_close(ahead);
  struct str written = arena_str(t->arena, t->written_mark);
  t->written_mark = written;
  if (code == 0)
    code = written.p ? mark_read(written, &t->mark, reterr) : err_no_memory(reterr);
  arena_free(arenas[0]);
  arena_free(arenas[1]);
  t->report->copy_us = clock_monotonic_us() - start_us;
  return code;
}

/* ---- The end ---- */

/* The planner's figures and the map of what all can see, without which the first searches read
 * more than they need to. What lacks the right to it leaves it to the server. */
static void tidy(struct db *db) {
  size_t tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  struct err err;
  char sql[64];
  for (size_t i = 0; db_is_remote(db) && i < tables_n; i++) {
    snprintf(sql, sizeof sql, "VACUUM (ANALYZE) %s", tables[i].name);
    if (db_run(db, sql, &err) != 0) {
      log_warning("copy", "%s: %s", sql, err.text);
      return;
    }
  }
}

static int compare(struct transfer *t, struct err *reterr) {
  int code = db_begin_read(t->to, reterr);
  if (code == 0)
    code = transfer_sum_both(t->from, t->to, t->options, t->report, reterr);
  db_rollback(t->to);
  if (code == 0 && !t->report->is_equal)
    code = err_set(reterr, ERR_PRECONDITION, "",
                   "The copy is not equal to its source; it can't be served. Begin again with an"
                   " empty target.");
  return code;
}

static int refuse_change(struct transfer *t, struct err *reterr) {
  struct str seal;
  uint64_t seq;
  db_rollback(t->from);
  int code = db_begin_read(t->from, reterr);
  if (code == 0)
    code = seal_of(t->from, t->arena, &seal, &seq, reterr);
  if (code == 0 && !str_equal(seal, t->mark.seal))
    code = err_set(reterr, ERR_CONFLICT, "",
                   "The source was written to while it was copied (commit %llu then, %llu now)."
                   " Begin again with an empty target.",
                   (unsigned long long)t->mark.seq, (unsigned long long)seq);
  return code ? code : refuse_processes(t->from, t->arena, t->options->from, reterr);
}

/* From here on it is a store. */
static int remove_mark(struct transfer *t, struct err *reterr) {
  uint64_t left;
  int code = db_begin_write(t->to, reterr);
  if (code == 0)
    code = check_mark(t, t->arena, reterr);
  if (code == 0)
    code = fact_remove(t->to, FACT_COPY, reterr);
  if (code == 0)
    code = db_commit(t->to, reterr);
  if (code != 0) {
    db_rollback(t->to);
    return code;
  }
  return db_is_remote(t->to) ? 0 : db_checkpoint(t->to, &left, reterr);
}

static int run_copy(struct transfer *t, struct err *reterr) {
  int code = open_source(t, reterr);
  if (code == 0)
    code = open_target(t, reterr);
  if (code == 0)
    code = copy_rows(t, reterr);
  if (code == 0)
    tidy(t->to);
  if (code == 0)
    code = compare(t, reterr);
  if (code == 0)
    code = refuse_change(t, reterr);
  return code ? code : remove_mark(t, reterr);
}

int transfer_copy(const struct transfer_options *options, struct transfer_report *ret_report,
                  struct err *reterr) {
  *ret_report = (struct transfer_report){0};
  struct transfer t = {.options = options, .report = ret_report, .arena = arena_new(ARENA_BYTES)};
  int code = t.arena ? run_copy(&t, reterr) : err_no_memory(reterr);
  db_close(t.to);
  db_close(t.from);
  arena_free(t.arena);
  return code;
}

int transfer_compare(const struct transfer_options *options, struct transfer_report *ret_report,
                     struct err *reterr) {
  struct db *from = NULL, *to = NULL;
  *ret_report = (struct transfer_report){0};
  int code = open_to_read(options->from, false, &from, reterr);
  if (code == 0)
    code = open_to_read(options->to, false, &to, reterr);
  if (code == 0)
    code = transfer_sum_both(from, to, options, ret_report, reterr);
  db_close(to);
  db_close(from);
  return code;
}
