/* Building the full-text index, behind the commits. */
#include "store/text_index.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "store/commit.h"
#include "store/text_block.h"

enum {
  EVENTS_MAX = 4000,   /* in one step */
  PAIRS_MAX = 1000000, /* words of resources in one step, which bounds its memory */
  ROWS_MAX = 4000,     /* written by one commit */
  MANY_EVENTS = 500,   /* since the last look: writers are busy, */
  BACKLOG = 5000,      /* then it only works when so much waits, */
  SHARE = 20,          /* and a twentieth of the time */
  PAUSE_MS = 250,
};
#define STEP_ARENA_MAX_BYTES ((size_t)1 << 30)
#define RESOURCE_ARENA_MAX_BYTES ((size_t)512 << 20)

/* A word in resources of one type. */
struct posting {
  struct str word;
  int64_t type;
  VEC(uint64_t) rids;
};

struct row {
  struct str word;
  int64_t type, first;
  struct str rids;
};

struct step {
  struct arena *arena, *scratch; /* scratch: of one resource */
  struct store_view *view;
  uint64_t last_event; /* that this step has seen */
  struct text_rids changed;
  struct map postings;
  VEC(struct posting *) list;
  VEC(struct row) rows;
  size_t pairs_n;
  struct err *err;
};

/* ---- Words of what changed ---- */

static int read_number(struct step *s, const char *sql, uint64_t *ret_number) {
  struct db_query query;
  int64_t number;
  db_query_init(&query, s->arena);
  db_query_add(&query, sql);
  int code = db_query_number(store_view_db(s->view), &query, 0, &number, s->err);
  if (code == 0)
    *ret_number = (uint64_t)number;
  return code;
}

static int read_events(struct step *s, uint64_t after, unsigned most) {
  struct db_statement *row = NULL;
  bool has_row;
  int code = db_prepare(store_view_db(s->view),
                        STR("SELECT number,rid,kind FROM event WHERE number>? ORDER BY number"
                            " LIMIT ?"),
                        &row, s->err);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, (int64_t)after);
  db_bind_i64(row, 2, most);
  s->last_event = after;
  while ((code = db_step(row, &has_row, s->err)) == 0 && has_row) {
    s->last_event = (uint64_t)db_column_i64(row, 0);
    if (db_column_i64(row, 2) == 0) /* a message */
      continue;
    uint64_t *place = VEC_PUSH(s->changed.arena, &s->changed.list);
    if (!place) {
      code = err_no_memory(s->err);
      break;
    }
    *place = (uint64_t)db_column_i64(row, 1);
  }
  db_release(row);
  text_rids_sort(&s->changed);
  return code;
}

static int add_posting(struct step *s, struct str word, int64_t type, uint64_t rid) {
  char bytes[TEXT_WORD_MAX_BYTES + sizeof type];
  memcpy(bytes, &type, sizeof type);
  if (word.n)
    memcpy(bytes + sizeof type, word.p, word.n);
  struct str key = str_n(bytes, sizeof type + word.n);
  struct posting *posting = map_get(&s->postings, key);
  if (!posting) {
    posting = ARENA_NEW(s->arena, struct posting);
    struct posting **place = VEC_PUSH(s->arena, &s->list);
    key = arena_str(s->arena, key);
    if (!posting || !place || !key.p || map_set(&s->postings, key, posting) != 0)
      return err_no_memory(s->err);
    posting->word = str_slice(key, sizeof type, word.n);
    posting->type = type;
    *place = posting;
  }
  if (posting->rids.n > 0 && posting->rids.p[posting->rids.n - 1] == rid)
    return 0;
  uint64_t *place = VEC_PUSH(s->arena, &posting->rids);
  if (!place)
    return err_no_memory(s->err);
  *place = rid;
  s->pairs_n++;
  return 0;
}

static int words_of(struct step *s, const struct store_resource *resource,
                    struct text_words *ret_words) {
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  limits.max_bytes = BODY_MAX_BYTES;
  const struct yyjson_val *json;
  int code = json_parse(s->scratch, resource->body, &limits, &json, s->err);
  return code ? code : text_words_of_resource(s->scratch, json, TEXT_CONTENT, ret_words, s->err);
}

/* What is too large, or can't be read, is a candidate for every query. */
static int add_resource(struct step *s, const struct store_resource *resource) {
  struct text_words words = {0};
  int64_t type = schema_type_number(store_view_schema(s->view), resource->type);
  int code = words_of(s, resource, &words);
  if (code != 0)
    return add_posting(s, STR(""), type, resource->rid);
  for (size_t i = 0; code == 0 && i < words.n; i++)
    if (words.p[i].n > 0)
      code = add_posting(s, words.p[i], type, resource->rid);
  return code;
}

static int read_resources(struct step *s) {
  struct db_statement *row = NULL;
  int code =
      db_prepare(store_view_db(s->view),
                 STR("SELECT " STORE_ROW_COLUMNS " FROM resource r WHERE r.rid=? AND r.state=1"),
                 &row, s->err);
  if (code != 0)
    return code;
  for (size_t i = 0; code == 0 && i < s->changed.list.n && s->pairs_n <= PAIRS_MAX; i++) {
    struct store_resource resource;
    bool has_row;
    arena_reset(s->scratch);
    db_bind_i64(row, 1, (int64_t)s->changed.list.p[i]);
    code = db_step(row, &has_row, s->err);
    if (code == 0 && has_row)
      code = store_row_read(s->view, row, 0, s->scratch, &resource, s->err);
    if (code == 0 && has_row)
      code = add_resource(s, &resource);
    db_reset(row);
  }
  db_release(row);
  return code;
}

/* ---- Their rows ---- */

static int by_word(const void *a, const void *b) {
  const struct posting *x = *(struct posting *const *)a, *y = *(struct posting *const *)b;
  int order = str_compare(x->word, y->word);
  return order ? order : (x->type > y->type) - (x->type < y->type);
}

/* The row that `rid` belongs into, and where the one behind it begins. */
struct place {
  bool is_there;
  uint64_t first, end;
  struct text_rids rids;
};

/* A row of the posting's word and type by its relation to `rid`, as `sql` says. */
static int find_row(struct step *s, struct str sql, const struct posting *posting, uint64_t rid,
                    struct db_statement **ret_row, bool *ret_has_row) {
  struct db_statement *row = NULL;
  int code = db_prepare(store_view_db(s->view), sql, &row, s->err);
  if (code != 0)
    return code;
  db_bind_text(row, 1, posting->word);
  db_bind_i64(row, 2, posting->type);
  db_bind_i64(row, 3, (int64_t)rid);
  *ret_row = row;
  return db_step(row, ret_has_row, s->err);
}

static int find_place(struct step *s, const struct posting *posting, uint64_t rid,
                      struct place *place) {
  struct db_statement *row = NULL;
  bool has_row = false;
  *place = (struct place){.first = rid, .end = UINT64_MAX, .rids.arena = s->scratch};
  int code = find_row(s,
                      STR("SELECT first,rids FROM text WHERE word=? AND type=? AND first<=?"
                          " ORDER BY first DESC LIMIT 1"),
                      posting, rid, &row, &has_row);
  if (code == 0 && has_row) {
    place->is_there = true;
    place->first = (uint64_t)db_column_i64(row, 0);
    code = text_block_read(&place->rids, place->first, db_column_str(row, 1), s->err);
  }
  db_release(row);
  row = NULL;
  if (code == 0)
    code = find_row(s,
                    STR("SELECT first FROM text WHERE word=? AND type=? AND first>?"
                        " ORDER BY first LIMIT 1"),
                    posting, rid, &row, &has_row);
  if (code == 0 && has_row)
    place->end = (uint64_t)db_column_i64(row, 0);
  db_release(row);
  return code;
}

static int write_blocks(struct step *s, const struct posting *posting, const struct place *place) {
  uint64_t first = place->first;
  for (size_t at = 0, used; at < place->rids.list.n; at += used) {
    struct row *row = VEC_PUSH(s->arena, &s->rows);
    if (!row)
      return err_no_memory(s->err);
    if (at > 0)
      first = place->rids.list.p[at];
    *row = (struct row){.word = posting->word, .type = posting->type, .first = (int64_t)first};
    int code = text_block_write(s->arena, first, place->rids.list.p + at, place->rids.list.n - at,
                                TEXT_BLOCK_MAX_BYTES, &row->rids, &used, s->err);
    if (code != 0)
      return code;
  }
  return 0;
}

static int merge_posting(struct step *s, const struct posting *posting) {
  for (size_t i = 0; i < posting->rids.n;) {
    struct place place;
    arena_reset(s->scratch);
    int code = find_place(s, posting, posting->rids.p[i], &place);
    if (code != 0)
      return code;
    size_t known_n = place.rids.list.n;
    for (; i < posting->rids.n && posting->rids.p[i] < place.end; i++) {
      uint64_t *rid = VEC_PUSH(place.rids.arena, &place.rids.list);
      if (!rid)
        return err_no_memory(s->err);
      *rid = posting->rids.p[i];
    }
    text_rids_sort(&place.rids);
    if (place.rids.list.n > known_n)
      code = write_blocks(s, posting, &place);
    if (code != 0)
      return code;
  }
  return 0;
}

static int make_rows(struct step *s) {
  int code = 0;
  if (s->list.n > 1)
    qsort(s->list.p, s->list.n, sizeof(struct posting *), by_word);
  for (size_t i = 0; code == 0 && i < s->list.n; i++)
    code = merge_posting(s, s->list.p[i]);
  return code;
}

/* ---- Writing them ---- */

struct writing {
  const struct row *rows;
  size_t n;
  uint64_t watermark; /* 0: not yet */
  struct arena *arena;
};

static int write_rows(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  (void)sequence;
  const struct writing *w = what;
  const struct row *rows = w->rows;
  const struct db_column columns[] = {DB_COLUMN(DB_TEXT, rows, word), DB_COLUMN(DB_I64, rows, type),
                                      DB_COLUMN(DB_I64, rows, first),
                                      DB_COLUMN(DB_BYTES, rows, rids)};
  int code = db_execute_rows(db,
                             STR("INSERT INTO text VALUES(?,?,?,?)"
                                 " ON CONFLICT(word,type,first) DO UPDATE SET rids=excluded.rids"),
                             columns, 4, w->n, reterr);
  if (code != 0 || w->watermark == 0)
    return code;
  struct db_statement *row = NULL;
  code = db_prepare(db,
                    STR("INSERT INTO store VALUES('text_watermark',?)"
                        " ON CONFLICT(name) DO UPDATE SET value=excluded.value"),
                    &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, (int64_t)w->watermark);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

/* A few rows a commit, so that writers need not wait long; the watermark comes with the last. Rows
 * without it are candidates too many, no more. */
static int commit_rows(struct step *s, struct store *store) {
  for (size_t at = 0; at == 0 || at < s->rows.n; at += ROWS_MAX) {
    size_t left = s->rows.n - at;
    struct writing writing = {.rows = left > 0 ? s->rows.p + at : NULL,
                              .n = left < ROWS_MAX ? left : ROWS_MAX,
                              .watermark = left <= ROWS_MAX ? s->last_event : 0};
    struct store_task task = {write_rows, &writing};
    struct store_commit commit = {.arena = s->scratch, .principal = STR(""), .task_ = &task};
    int code = store_commit_wait(store, &commit, s->err);
    if (code != 0)
      return code;
  }
  return 0;
}

/* ---- Steps ---- */

/* Is there something to do, and is it the time for it? */
static int look(struct step *s, struct text_index *index, bool *ret_is_time, long *ret_wait_ms) {
  uint64_t latest = 0;
  int code = 0;
  if (!index->is_known)
    code = read_number(s, "SELECT value FROM store WHERE name='text_watermark'", &index->watermark);
  if (code == 0)
    code = read_number(s, "SELECT max(number) FROM event", &latest);
  if (code != 0)
    return code;
  bool is_busy = index->is_known && latest > index->seen_event + MANY_EVENTS;
  index->is_known = true;
  index->seen_event = latest;
  uint64_t backlog = latest > index->watermark ? latest - index->watermark : 0;
  *ret_is_time = backlog > 0 && (!is_busy || backlog > BACKLOG);
  *ret_wait_ms = backlog == 0 ? -1 : is_busy ? PAUSE_MS : 0;
  return 0;
}

static int index_changes(struct step *s, struct text_index *index, struct store *store) {
  unsigned most = index->events_max ? index->events_max : EVENTS_MAX;
  int code = read_events(s, index->watermark, most);
  if (code == 0)
    code = read_resources(s);
  if (code == 0 && s->pairs_n > PAIRS_MAX && most > 1) { /* large ones: fewer the next time */
    index->events_max = most / 2;
    return 0;
  }
  if (code == 0)
    code = make_rows(s);
  store_view_close(s->view);
  s->view = NULL;
  if (code == 0)
    code = commit_rows(s, store);
  if (code != 0)
    return code;
  index->watermark = s->last_event;
  index->events_max = most < EVENTS_MAX / 2 ? most * 2 : EVENTS_MAX;
  return 0;
}

int text_index_step(struct text_index *index, struct store *store, long *ret_wait_ms,
                    struct err *reterr) {
  uint64_t epoch = store_epoch(store);
  *ret_wait_ms = -1;
  if (index->is_known && index->epoch == epoch + 1)
    return 0;
  struct step s = {.arena = arena_new(STEP_ARENA_MAX_BYTES),
                   .scratch = arena_new(RESOURCE_ARENA_MAX_BYTES),
                   .err = reterr};
  s.changed.arena = s.arena;
  bool is_time = false;
  int64_t began_us = clock_monotonic_us();
  int code = s.arena && s.scratch ? 0 : err_no_memory(reterr);
  if (code == 0)
    code = store_view_open(store, &s.view, reterr);
  if (code == 0) {
    map_init(&s.postings, s.arena);
    code = look(&s, index, &is_time, ret_wait_ms);
  }
  if (code == 0 && is_time)
    code = index_changes(&s, index, store);
  store_view_close(s.view);
  arena_free(s.arena);
  arena_free(s.scratch);
  if (code == 0 && is_time && *ret_wait_ms > 0)
    *ret_wait_ms += (long)((clock_monotonic_us() - began_us) / 1000) * SHARE;
  index->epoch = *ret_wait_ms < 0 ? epoch + 1 : 0; /* nothing to do until it changes */
  return code;
}
