/*
 * History: of one resource from its versions, of a type and of the system from the events, which
 * stand in the order of the commits.
 */
#include "store/store_internal.h"

#include "store/dialect.h"

/* Versions or events that one call looks at, and how many it counts for a total. */
#define LOOK_MAX 100000
#define COUNT_MAX 20000

/* ---- The page, as it is being put together -------------------------------------------------- */

struct page {
  struct store_view *view;
  struct arena *arena;
  const struct store_history_query *query;
  VEC(struct store_history_row) rows;
};

/* Reads the body of a version: the current one stands in `resource`, the others in `version`. */
static int read_version(struct page *page, uint64_t rid, uint32_t version, bool is_created,
                        bool is_posted, struct err *reterr) {
  static const struct str current = STR("SELECT " STORE_ROW_COLUMNS " FROM resource r"
                                        " WHERE r.rid=? AND r.version=?");
  static const struct str old =
      STR("SELECT " STORE_OLD_ROW_COLUMNS " FROM version v CROSS JOIN resource r ON r.rid=v.rid"
          " WHERE v.rid=? AND v.version=?");
  struct store_history_row *place = VEC_PUSH(page->arena, &page->rows);
  bool is_there = false;
  if (!place)
    return err_no_memory(reterr);
  place->is_created = is_created;
  place->is_posted = is_posted;
  for (int i = 0; i < 2 && !is_there; i++) {
    struct db_statement *row = NULL;
    int code = db_prepare(store_view_db(page->view), i ? old : current, &row, reterr);
    if (code)
      return code;
    db_bind_i64(row, 1, (int64_t)rid);
    db_bind_i64(row, 2, version);
    code = db_step(row, &is_there, reterr);
    if (code == 0 && is_there)
      code = store_row_read(page->view, row, 0, page->arena, &place->resource, reterr);
    db_release(row);
    if (code)
      return code;
  }
  return is_there ? 0 : err_set(reterr, ERR_STORE, "", "A version in the history is missing.");
}

/* ---- From a time to a place in the order of the world --------------------------------------- */

/* The first event at or after `number`, and when it was; `*ret_number` 0: there is none. */
static int event_time(struct db *db, uint64_t number, uint64_t *ret_number, int64_t *ret_at_us,
                      struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(db,
                        STR("SELECT e.number,c.time FROM event e CROSS JOIN commit_log c"
                            " ON c.seq=e.seq WHERE e.number>=? ORDER BY e.number LIMIT 1"),
                        &row, reterr);
  if (code)
    return code;
  db_bind_i64(row, 1, (int64_t)number);
  code = db_step(row, &has_row, reterr);
  *ret_number = 0;
  if (code == 0 && has_row) {
    *ret_number = (uint64_t)db_column_i64(row, 0);
    *ret_at_us = db_column_i64(row, 1);
  }
  db_release(row);
  return code;
}

static int last_event(struct db *db, struct arena *arena, uint64_t *ret_number,
                      struct err *reterr) {
  struct db_query query;
  int64_t number = 0;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT max(number) FROM event");
  int code = db_query_number(db, &query, 0, &number, reterr);
  *ret_number = (uint64_t)number;
  return code;
}

/* The number of the first event at or after `at_us`; one past the last where there is none. Times
 * rise with the numbers, so a few look-ups find it. */
static int first_event_at(struct db *db, int64_t at_us, uint64_t last, uint64_t *ret_number,
                          struct err *reterr) {
  uint64_t low = 1, high = last + 1;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2, found;
    int64_t found_at_us = 0;
    int code = event_time(db, middle, &found, &found_at_us, reterr);
    if (code)
      return code;
    if (found == 0 || found_at_us >= at_us)
      high = middle;
    else
      low = found + 1;
  }
  *ret_number = low;
  return 0;
}

/* ---- A type, and the system ----------------------------------------------------------------- */

/* The events from `first` to before `end`; of those before `period`, only what was current then. */
struct span {
  uint64_t first, period, end;
};

static int find_span(struct db *db, struct arena *arena, const struct store_history_query *query,
                     struct span *ret_span, struct err *reterr) {
  struct span span = {.first = 1};
  uint64_t last;
  int code = last_event(db, arena, &last, reterr);
  span.end = last + 1;
  if (code == 0 && query->since_us > 0)
    code = first_event_at(db, query->since_us, last, &span.first, reterr);
  if (code == 0 && query->has_period)
    code = first_event_at(db, query->until_us, last, &span.end, reterr);
  if (code == 0 && query->has_period)
    code = first_event_at(db, query->from_us, last, &span.period, reterr);
  *ret_span = span;
  return code;
}

/* Columns: number, kind, rid, version, and whether access and period let it be seen. */
static void write_events_query(struct db_query *sql, const struct store_filter *filter,
                               const struct store_history_query *query, const struct span *span,
                               uint64_t before) {
  uint16_t type = query->type ? schema_type_number(filter->schema, query->type) : 0;
  bool joins = !filter->is_everything || span->period > span->first;
  db_query_add(sql, "SELECT e.number,e.kind,e.rid,e.version,");
  db_query_add(sql, "CASE WHEN ");
  store_filter_add(sql, filter, "r", query->type);
  if (span->period > span->first) {
    /* The next version was made later than the beginning of the period, or there is none. */
    db_query_add(sql, " AND (e.number>=");
    db_query_i64(sql, (int64_t)span->period);
    db_query_add(sql, " OR (e.kind<>");
    db_query_addf(sql, "%d", STORE_DELETED);
    db_query_add(sql, " AND (r.version=e.version OR coalesce("
                      "(SELECT v.updated FROM version v WHERE v.rid=e.rid AND v.version="
                      "e.version+1),r.updated)>");
    db_query_i64(sql, query->from_us);
    db_query_add(sql, ")))");
  }
  db_query_add(sql, " THEN 1 ELSE 0 END FROM event e");
  if (type)
    db_query_add(sql, DIALECT_INDEXED_BY(filter->kind, "event_type"));
  if (joins)
    db_query_add(sql, " CROSS JOIN resource r ON r.rid=e.rid");
  db_query_add(sql, " WHERE e.type>0");
  if (type) {
    db_query_add(sql, " AND e.type=");
    db_query_i64(sql, type);
  }
  db_query_add(sql, " AND e.number>=");
  db_query_i64(sql, (int64_t)span->first);
  db_query_add(sql, " AND e.number<");
  db_query_i64(sql, (int64_t)(before && before < span->end ? before : span->end));
  db_query_add(sql, " ORDER BY e.number DESC");
}

static int take_events(struct page *page, struct db_statement *row, uint64_t *ret_next_before,
                       struct err *reterr) {
  bool has_row = false;
  uint64_t last = 0;
  int code = 0;
  *ret_next_before = 0;
  for (size_t looked_at = 0; (code = db_step(row, &has_row, reterr)) == 0 && has_row; looked_at++) {
    if (page->rows.n == page->query->count || looked_at == LOOK_MAX) {
      *ret_next_before = last;
      break;
    }
    last = (uint64_t)db_column_i64(row, 0);
    if (db_column_i64(row, 4) == 0)
      continue;
    int64_t kind = db_column_i64(row, 1);
    bool is_posted = kind == STORE_CREATED && db_column_i64(row, 3) == 1;
    code = read_version(page, (uint64_t)db_column_i64(row, 2), (uint32_t)db_column_i64(row, 3),
                        kind == STORE_CREATED || kind == SCHEMA_EVENT_CREATED_BY_PUT, is_posted,
                        reterr);
    if (code)
      break;
  }
  return code;
}

/* How many the whole history has, where that is known, or soon counted; that on the first page
 * only. */
static int count_events(struct page *page, const struct store_filter *filter,
                        const struct span *span, struct store_history *history,
                        struct err *reterr) {
  const struct store_history_query *query = page->query;
  struct db *db = store_view_db(page->view);
  struct db_query sql;
  int64_t total = 0;
  db_query_init(&sql, page->arena);
  if (filter->is_everything && query->since_us <= 0 && !query->has_period) {
    db_query_add(&sql, "SELECT n FROM counter WHERE kind=");
    db_query_i64(&sql, query->type ? SCHEMA_COUNTER_TYPE_VERSIONS : SCHEMA_COUNTER_VERSIONS);
    db_query_add(&sql, " AND number=");
    db_query_i64(&sql, query->type ? schema_type_number(filter->schema, query->type) : 0);
    int code = db_query_number(db, &sql, 0, &total, reterr);
    history->has_total = true;
    history->total = (uint64_t)total;
    return code;
  }
  if (query->before)
    return 0;
  struct db_statement *row = NULL;
  bool has_row = false;
  size_t looked_at = 0;
  write_events_query(&sql, filter, query, span, 0);
  int code = db_query_start(db, &sql, &row, reterr);
  while (code == 0 && looked_at <= COUNT_MAX && (code = db_step(row, &has_row, reterr)) == 0 &&
         has_row) {
    total += db_column_i64(row, 4) != 0;
    looked_at++;
  }
  db_release(row);
  history->has_total = looked_at <= COUNT_MAX;
  history->total = (uint64_t)total;
  return code;
}

static int history_of_events(struct page *page, const struct access *access,
                             struct store_history *history, struct err *reterr) {
  struct db *db = store_view_db(page->view);
  struct store_filter filter;
  struct span span = {0};
  struct db_query sql;
  struct db_statement *row = NULL;
  int code = store_filter(db, store_view_schema(page->view), access, &filter, reterr);
  if (code == 0)
    code = find_span(db, page->arena, page->query, &span, reterr);
  if (code == 0)
    code = count_events(page, &filter, &span, history, reterr);
  if (code || page->query->count == 0)
    return code;
  db_query_init(&sql, page->arena);
  write_events_query(&sql, &filter, page->query, &span, page->query->before);
  code = db_query_start(db, &sql, &row, reterr);
  if (code == 0)
    code = take_events(page, row, &history->next_before, reterr);
  db_release(row);
  return code;
}

/* ---- One resource --------------------------------------------------------------------------- */

/* Did the version that was made at `at_us` come by POST? What an event of an old file does not say
 * is taken for it. */
static int find_posted(struct page *page, uint64_t rid, int64_t at_us, bool *ret_is_posted,
                       struct err *reterr) {
  struct db *db = store_view_db(page->view);
  struct db_statement *row = NULL;
  bool has_row = false;
  uint64_t last, first = 0;
  int64_t seq = 0;
  *ret_is_posted = true;
  int code = last_event(db, page->arena, &last, reterr);
  if (code == 0)
    code = first_event_at(db, at_us, last, &first, reterr);
  if (code == 0)
    code = db_prepare(db, STR("SELECT seq,rid,kind FROM event WHERE number>=? ORDER BY number"),
                      &row, reterr);
  if (code)
    return code;
  db_bind_i64(row, 1, (int64_t)first);
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    seq = seq ? seq : db_column_i64(row, 0);
    if (db_column_i64(row, 0) != seq)
      break;
    if (db_column_i64(row, 1) == (int64_t)rid) {
      *ret_is_posted = db_column_i64(row, 2) != SCHEMA_EVENT_CREATED_BY_PUT;
      break;
    }
  }
  db_release(row);
  return code;
}

/* A version, and when the next one took its place. */
struct made {
  uint32_t version;
  int64_t updated_us, until_us;
  bool is_deleted;
};

/* Deletions count in the period only: before it, there was nothing. */
static bool is_asked_for(const struct store_history_query *query, const struct made *made) {
  if (made->updated_us < query->since_us)
    return false;
  if (!query->has_period)
    return true;
  return made->updated_us < query->until_us &&
         (made->updated_us >= query->from_us ||
          (made->until_us > query->from_us && !made->is_deleted));
}

/* Takes one version if it belongs to the page, the newer before the older; `*ret_is_end`: no more
 * are needed, as the page is full and those behind it need not be counted. */
static int take_version(struct page *page, struct store_history *history, uint64_t rid,
                        const struct made *made, bool *ret_is_end, struct err *reterr) {
  const struct store_history_query *query = page->query;
  bool is_posted = false;
  int code = 0;
  if ((query->before && made->version >= query->before) || !is_asked_for(query, made))
    return 0;
  history->total++;
  if (page->rows.n == query->count) {
    if (query->count > 0 && history->next_before == 0)
      history->next_before = page->rows.p[page->rows.n - 1].resource.version;
    *ret_is_end = !history->has_total;
    return 0;
  }
  if (made->version == 1)
    code = find_posted(page, rid, made->updated_us, &is_posted, reterr);
  return code ? code
              : read_version(page, rid, made->version, made->version == 1, is_posted, reterr);
}

/* What was taken last, if it came right after the deletion `version`, was a creation. */
static void note_creation_after(struct page *page, uint32_t version) {
  struct store_history_row *last = page->rows.n > 0 ? &page->rows.p[page->rows.n - 1] : NULL;
  if (last && last->resource.version == version + 1)
    last->is_created = true;
}

/* The superseded versions below `below`, newest first. */
static int take_old_versions(struct page *page, struct store_history *history, uint64_t rid,
                             struct made made, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false, is_end = false;
  int code = db_prepare(store_view_db(page->view),
                        STR("SELECT version,updated,state FROM version WHERE rid=? AND version<=?"
                            " ORDER BY version DESC"),
                        &row, reterr);
  if (code)
    return code;
  /* The one at `before` tells when its predecessor was superseded. */
  uint64_t newest = page->query->before ? page->query->before : UINT32_MAX;
  db_bind_i64(row, 1, (int64_t)rid);
  db_bind_i64(row, 2, (int64_t)(newest < UINT32_MAX ? newest : UINT32_MAX));
  for (size_t looked_at = 0; !is_end && (code = db_step(row, &has_row, reterr)) == 0 && has_row;
       looked_at++) {
    if (looked_at == LOOK_MAX) {
      history->has_total = false;
      history->next_before = history->next_before ? history->next_before : made.version;
      break;
    }
    made = (struct made){.version = (uint32_t)db_column_i64(row, 0),
                         .updated_us = db_column_i64(row, 1),
                         .until_us = made.updated_us,
                         .is_deleted = db_column_i64(row, 2) != SCHEMA_LIVE};
    if (made.is_deleted)
      note_creation_after(page, made.version);
    if (made.updated_us < page->query->since_us)
      break;
    code = take_version(page, history, rid, &made, &is_end, reterr);
    if (code)
      break;
  }
  db_release(row);
  return code;
}

static int history_of_versions(struct page *page, const struct access *access,
                               struct store_history *history, struct err *reterr) {
  const struct store_history_query *query = page->query;
  bool is_filtered = query->since_us > 0 || query->has_period, is_end = false;
  struct store_resource current = {0};
  int code = store_read(page->view, access, page->arena, query->type, query->id, &current, reterr);
  if (code && code != ERR_DELETED)
    return code;
  struct made newest = {.version = current.version,
                        .updated_us = current.updated_us,
                        .until_us = INT64_MAX,
                        .is_deleted = current.is_deleted};
  history->has_total = is_filtered && query->before == 0;
  code = take_version(page, history, current.rid, &newest, &is_end, reterr);
  if (code == 0 && !is_end)
    code = take_old_versions(page, history, current.rid, newest, reterr);
  if (!is_filtered) { /* versions are numbered from 1 without a gap */
    history->has_total = true;
    history->total = current.version;
  }
  return code;
}

int store_history(struct store_view *view, const struct access *access, struct arena *arena,
                  const struct store_history_query *query, struct store_history *ret_history,
                  struct err *reterr) {
  struct page page = {.view = view, .arena = arena, .query = query};
  struct store_history history = {0};
  int code = query->id.n > 0 ? history_of_versions(&page, access, &history, reterr)
                             : history_of_events(&page, access, &history, reterr);
  history.rows = page.rows.p;
  history.n = page.rows.n;
  if (code == 0)
    *ret_history = history;
  return code;
}
