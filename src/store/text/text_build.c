/* Building the full-text index, behind the commits. */
#include "store/text/text_index.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"
#include "store/commit/commit.h"
#include "store/schema/fact.h"
#include "store/work/lease.h"
#include "store/text/text_block.h"
#include "store/work/watch.h"

enum {
  EVENTS_MAX = 4000,   /* in one step */
  PAIRS_MAX = 1000000, /* words of resources in one step, which bounds its memory */
  ROWS_MAX = 4000,     /* written by one commit */
  LOOKUPS_MAX = 2000,  /* words whose rows are asked for at once */
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
  size_t merged_n; /* of them are in a row */
};

struct row {
  struct str word;
  int64_t type, first;
  struct str rids;
};
struct rows {
  VEC(struct row) list;
};

struct step {
  struct arena *arena, *scratch; /* scratch: of one resource, of some words */
  struct store_view *view;
  uint64_t last_event; /* that this step has seen */
  struct text_rids changed;
  struct map postings;
  VEC(struct posting *) list;
  struct rows grown, fresh; /* rows that have more now, and new ones */
  size_t pairs_n;
  struct err *err;
};

/* ---- Words of what changed ---- */

static size_t least(size_t a, size_t b) {
  return a < b ? a : b;
}

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

static int read_some_resources(struct step *s, const uint64_t *rids, size_t n) {
  struct db_statement *row = NULL;
  const struct db_column asked = {DB_I64, rids, 0, sizeof *rids};
  bool has_row = false;
  int code = db_select_rows(
      store_view_db(s->view),
      STR("SELECT " STORE_AHEAD_COLUMNS " FROM resource r WHERE r.rid=? AND r.state=1 LIMIT 1"),
      &asked, 1, n, &row, s->err);
  if (code != 0)
    return code;
  while (s->pairs_n <= PAIRS_MAX && (code = db_step(row, &has_row, s->err)) == 0 && has_row) {
    struct store_resource resource;
    arena_reset(s->scratch);
    code = store_row_read_ahead(s->view, row, 0, s->scratch, &resource, s->err);
    if (code == 0)
      code = add_resource(s, &resource);
    if (code != 0)
      break;
  }
  db_release(row);
  return code;
}

static int read_resources(struct step *s) {
  size_t n = s->changed.list.n;
  int code = 0;
  for (size_t i = 0; i < n && s->pairs_n <= PAIRS_MAX && code == 0; i += STORE_AHEAD_ROWS)
    code = read_some_resources(s, s->changed.list.p + i, least(n - i, STORE_AHEAD_ROWS));
  return code;
}

/* ---- Their rows ---- */

static int by_word(const void *a, const void *b) {
  const struct posting *x = *(struct posting *const *)a, *y = *(struct posting *const *)b;
  int order = str_compare(x->word, y->word);
  return order ? order : (x->type > y->type) - (x->type < y->type);
}

/* A word on its way into the index: the row that its next rid belongs into, and where the row
 * behind that begins. */
struct place {
  struct posting *posting;
  struct str word;
  int64_t type, rid; /* what is asked for */
  bool is_there;
  uint64_t first, end;
  struct text_rids rids;
};

/* The next words that have something left; all of them on the step's scratch. */
static int take_places(struct step *s, size_t *at, struct place **ret_places, size_t *ret_n) {
  size_t n = 0;
  arena_reset(s->scratch);
  struct place *places = ARENA_ARRAY(s->scratch, struct place, LOOKUPS_MAX);
  if (!places)
    return err_no_memory(s->err);
  for (; *at < s->list.n && n < LOOKUPS_MAX; (*at)++) {
    struct posting *posting = s->list.p[*at];
    if (posting->merged_n == posting->rids.n)
      continue;
    uint64_t rid = posting->rids.p[posting->merged_n];
    places[n++] = (struct place){.posting = posting,
                                 .word = posting->word,
                                 .type = posting->type,
                                 .rid = (int64_t)rid,
                                 .first = rid,
                                 .end = UINT64_MAX,
                                 .rids.arena = s->scratch};
  }
  *ret_places = places;
  *ret_n = n;
  return 0;
}

static int take_first(struct step *s, struct place *place, struct db_statement *row) {
  place->is_there = true;
  place->first = (uint64_t)db_column_i64(row, 0);
  return text_block_read(&place->rids, place->first, db_column_str(row, 1), s->err);
}

static int take_end(struct step *s, struct place *place, struct db_statement *row) {
  (void)s;
  place->end = (uint64_t)db_column_i64(row, 0);
  return 0;
}

static int look_up(struct step *s, struct str sql, struct place *places, size_t n,
                   int (*take)(struct step *s, struct place *place, struct db_statement *row)) {
  const struct db_column columns[] = {DB_COLUMN(DB_TEXT, places, word),
                                      DB_COLUMN(DB_I64, places, type),
                                      DB_COLUMN(DB_I64, places, rid)};
  struct db_statement *row = NULL;
  bool has_row;
  int code = db_select_rows(store_view_db(s->view), sql, columns, 3, n, &row, s->err);
  if (code != 0)
    return code;
  while ((code = db_step(row, &has_row, s->err)) == 0 && has_row)
    if ((code = take(s, &places[db_asked_row(row)], row)) != 0)
      break;
  db_release(row);
  return code;
}

static int find_places(struct step *s, struct place *places, size_t n) {
  int code = look_up(s,
                     STR("SELECT first,rids FROM text WHERE word=? AND type=? AND first<=?"
                         " ORDER BY first DESC LIMIT 1"),
                     places, n, take_first);
  return code ? code
              : look_up(s,
                        STR("SELECT first FROM text WHERE word=? AND type=? AND first>?"
                            " ORDER BY first LIMIT 1"),
                        places, n, take_end);
}

static int write_blocks(struct step *s, const struct place *place) {
  uint64_t first = place->first;
  for (size_t at = 0, used; at < place->rids.list.n; at += used) {
    bool is_there = at == 0 && place->is_there;
    struct rows *rows = is_there ? &s->grown : &s->fresh;
    struct row *row = VEC_PUSH(s->arena, &rows->list);
    if (!row)
      return err_no_memory(s->err);
    if (at > 0)
      first = place->rids.list.p[at];
    *row = (struct row){.word = place->word, .type = place->type, .first = (int64_t)first};
    int code = text_block_write(s->arena, first, place->rids.list.p + at, place->rids.list.n - at,
                                TEXT_BLOCK_MAX_BYTES, &row->rids, &used, s->err);
    if (code != 0)
      return code;
  }
  return 0;
}

/* Those of the word's rids that belong into the place. */
static int merge(struct step *s, struct place *place) {
  struct posting *posting = place->posting;
  size_t known_n = place->rids.list.n;
  for (; posting->merged_n < posting->rids.n && posting->rids.p[posting->merged_n] < place->end;
       posting->merged_n++) {
    uint64_t *rid = VEC_PUSH(place->rids.arena, &place->rids.list);
    if (!rid)
      return err_no_memory(s->err);
    *rid = posting->rids.p[posting->merged_n];
  }
  text_rids_sort(&place->rids);
  return place->rids.list.n > known_n ? write_blocks(s, place) : 0;
}

/* One row of each word. */
static int merge_round(struct step *s, bool *ret_has_more) {
  struct place *places = NULL;
  size_t n;
  *ret_has_more = false;
  for (size_t at = 0; at < s->list.n;) {
    int code = take_places(s, &at, &places, &n);
    if (code == 0 && n > 0)
      code = find_places(s, places, n);
    for (size_t i = 0; code == 0 && i < n; i++) {
      code = merge(s, &places[i]);
      *ret_has_more |= places[i].posting->merged_n < places[i].posting->rids.n;
    }
    if (code != 0)
      return code;
  }
  return 0;
}

/* Most words have all their new rids behind those that they had: one round is enough. */
static int make_rows(struct step *s) {
  bool has_more = s->list.n > 0;
  int code = 0;
  if (s->list.n > 1)
    qsort(s->list.p, s->list.n, sizeof(struct posting *), by_word);
  while (code == 0 && has_more)
    code = merge_round(s, &has_more);
  return code;
}

/* ---- Writing them ---- */

struct writing {
  const struct row *grown, *fresh;
  size_t grown_n, fresh_n;
  uint64_t begun_at;  /* the watermark from which the rows were made */
  uint64_t watermark; /* 0: not yet */
  int64_t holder;     /* who must have the lease; 0: there is none (a file) */
  bool is_lost;       /* another process works now */
};

/* The lease alone does not tell: it may have gone to another process, which worked, and come back
 * while this one stood still. What was made from the rows as they were before would undo its work,
 * which has moved the watermark. */
static int may_write(struct db *db, const struct writing *w, bool *ret_may, struct err *reterr) {
  uint64_t watermark;
  bool is_held = true;
  int code = w->holder ? lease_is_held(db, STR(WATCH_BACKGROUND), w->holder, &is_held, reterr) : 0;
  if (code == 0)
    code = fact_read_number(db, FACT_TEXT_WATERMARK, &watermark, reterr);
  if (code == 0)
    *ret_may = is_held && watermark == w->begun_at;
  return code;
}

static int write_rows(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  (void)sequence;
  struct writing *w = what;
  const struct row *rows = w->grown;
  bool may = false;
  int code = may_write(db, w, &may, reterr);
  w->is_lost = code == 0 && !may;
  if (code != 0 || w->is_lost)
    return code;
  const struct db_column grown[] = {DB_COLUMN(DB_BYTES, rows, rids), DB_COLUMN(DB_TEXT, rows, word),
                                    DB_COLUMN(DB_I64, rows, type), DB_COLUMN(DB_I64, rows, first)};
  code = db_execute_rows(db, STR("UPDATE text SET rids=? WHERE word=? AND type=? AND first=?"),
                         grown, 4, w->grown_n, reterr);
  rows = w->fresh;
  const struct db_column fresh[] = {DB_COLUMN(DB_TEXT, rows, word), DB_COLUMN(DB_I64, rows, type),
                                    DB_COLUMN(DB_I64, rows, first),
                                    DB_COLUMN(DB_BYTES, rows, rids)};
  if (code == 0)
    code = db_execute_rows(db, STR("INSERT INTO text(word,type,first,rids) VALUES(?,?,?,?)"), fresh,
                           4, w->fresh_n, reterr);
  return code || w->watermark == 0 ? code
                                   : fact_set_number(db, FACT_TEXT_WATERMARK, w->watermark, reterr);
}

/* A few rows a commit, so that writers need not wait long; the watermark comes with the last. Rows
 * without it are candidates too many, no more. */
static int commit_rows(struct step *s, struct store *store, uint64_t begun_at, bool *ret_is_lost) {
  struct writing w = {.grown = s->grown.list.p,
                      .fresh = s->fresh.list.p,
                      .begun_at = begun_at,
                      .holder = store_background_holder(store)};
  size_t grown_left = s->grown.list.n, fresh_left = s->fresh.list.n;
  do {
    w.grown_n = least(grown_left, ROWS_MAX);
    w.fresh_n = least(fresh_left, ROWS_MAX - w.grown_n);
    grown_left -= w.grown_n;
    fresh_left -= w.fresh_n;
    w.watermark = grown_left + fresh_left == 0 ? s->last_event : 0;
    int code = store_run_task(store, write_rows, &w, s->err);
    *ret_is_lost = w.is_lost;
    if (code != 0 || w.is_lost)
      return code;
    w.grown = w.grown_n ? w.grown + w.grown_n : w.grown;
    w.fresh = w.fresh_n ? w.fresh + w.fresh_n : w.fresh;
  } while (grown_left + fresh_left > 0);
  return 0;
}

/* ---- Steps ---- */

/* Is there something to do, and is it the time for it? */
static int look(struct step *s, struct text_index *index, bool *ret_is_time, long *ret_wait_ms) {
  uint64_t latest = 0;
  int code = 0;
  if (!index->is_known)
    code = fact_read_number(store_view_db(s->view), FACT_TEXT_WATERMARK, &index->watermark, s->err);
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
  bool is_lost = false;
  if (code == 0)
    code = commit_rows(s, store, index->watermark, &is_lost);
  if (code != 0 || is_lost) {
    index->is_known = false; /* what is in the tables is not for sure */
    return code;
  }
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
