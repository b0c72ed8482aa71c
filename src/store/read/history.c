/*
 * History: of one resource from its versions, of a type and of the system from the events, which
 * stand in the order of the commits.
 */
#include "store/store_internal.h"

#include "store/db/dialect.h"

/* Versions or events that one call looks at, and how many it counts for a total. */
#define LOOK_MAX 100000
#define COUNT_MAX 20000

enum {
  VERSIONS_AT_ONCE = STORE_AHEAD_ROWS, /* read in one question */
  EVENTS_AT_ONCE = 1024,
  WAYS_MAX = 15, /* places that are looked at in one round trip */
};

/* ---- The page, as it is being put together -------------------------------------------------- */

struct page {
  struct store_view *view;
  struct arena *arena;
  const struct store_history_query *query;
  VEC(struct store_history_row) rows;
  VEC(uint64_t) places; /* of each: what `next_before` is where the page ends with it */
  size_t read_n;        /* rows that were read, and their bodies' bytes */
  size_t bytes, query_bytes;
};

/* A version, and where it stands in what is asked for. */
struct noted {
  uint64_t rid, place;
  uint32_t version;
  bool is_created, is_posted;
};

/* Notes a version; what it is will be read together with the others (read_versions). */
static int add_version(struct page *page, const struct noted *noted, struct err *reterr) {
  struct store_history_row *row = VEC_PUSH(page->arena, &page->rows);
  uint64_t *place = VEC_PUSH(page->arena, &page->places);
  if (!row || !place)
    return err_no_memory(reterr);
  *place = noted->place;
  row->is_created = noted->is_created;
  row->is_posted = noted->is_posted;
  row->resource.rid = noted->rid;
  row->resource.version = noted->version;
  return 0;
}

/* A version that was noted. */
struct wanted {
  int64_t rid, version;
};

/* A superseded version stands in `version`, the current one in `resource`: one question finds
 * either. Its columns are STORE_AHEAD_COLUMNS; it is asked with the version, then the rid. */
#define VERSION_BODY "CASE WHEN v.rid IS NULL THEN r.body ELSE v.body END"
static void write_version_query(struct db_query *sql, enum db_kind kind) {
  db_query_add(sql, "SELECT r.rid,r.type,r.id,coalesce(v.version,r.version),"
                    "coalesce(v.updated,r.updated),coalesce(v.state,r.state)," STORE_AHEAD_BODY(
                        VERSION_BODY, "65536") " FROM resource r");
  db_query_add(sql, DIALECT_LEFT_JOIN(kind, "version", "v", "v.rid=r.rid AND v.version=?"));
  db_query_add(sql, " WHERE r.rid=? LIMIT 1");
}

/* What is there of the versions that were noted from the row `page->read_n` on, in their order,
 * until the page is full of bytes. */
static int take_versions(struct page *page, struct db_statement *row, size_t n,
                         struct err *reterr) {
  size_t first = page->read_n;
  bool has_row = false;
  int code = 0;
  while (page->bytes < page->query_bytes && page->read_n < first + n &&
         (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct store_resource *place = &page->rows.p[page->read_n].resource;
    uint32_t version = place->version;
    if (db_asked_row(row) != page->read_n - first)
      break;
    code = store_row_read_ahead(page->view, row, 0, page->arena, place, reterr);
    if (code || place->version != version)
      break;
    page->bytes += place->body.n;
    page->read_n++;
  }
  bool is_missing = page->read_n < first + n && page->bytes < page->query_bytes;
  if (code == 0 && is_missing)
    code = err_set(reterr, ERR_STORE, "", "A version in the history is missing.");
  return code;
}

static int read_group(struct page *page, struct str sql, size_t n, struct err *reterr) {
  struct wanted wanted[VERSIONS_AT_ONCE];
  struct db_column columns[] = {DB_COLUMN(DB_I64, wanted, version), DB_COLUMN(DB_I64, wanted, rid)};
  struct db_statement *row = NULL;
  for (size_t i = 0; i < n; i++) {
    const struct store_resource *noted = &page->rows.p[page->read_n + i].resource;
    wanted[i] = (struct wanted){(int64_t)noted->rid, noted->version};
  }
  int code = db_select_rows(store_view_db(page->view), sql, columns, 2, n, &row, reterr);
  if (code == 0)
    code = take_versions(page, row, n, reterr);
  db_release(row);
  return code;
}

/* Reads what was noted; where that is more bytes than a page may have, the page ends there. */
static int read_versions(struct page *page, struct store_history *history, struct err *reterr) {
  struct db_query sql;
  int code = 0;
  db_query_init(&sql, page->arena);
  write_version_query(&sql, db_kind(store_view_db(page->view)));
  if (buf_is_overflown(&sql.sql))
    return err_no_memory(reterr);
  while (code == 0 && page->read_n < page->rows.n && page->bytes < page->query_bytes) {
    size_t left = page->rows.n - page->read_n;
    code = read_group(page, buf_str(&sql.sql), left < VERSIONS_AT_ONCE ? left : VERSIONS_AT_ONCE,
                      reterr);
  }
  if (code == 0 && page->read_n < page->rows.n) {
    history->next_before = page->places.p[page->read_n - 1];
    page->rows.n = page->read_n;
  }
  return code;
}

/* ---- From a time to a place in the order of the world --------------------------------------- */

/* Asks for the first event at or after `number`, and when it was. */
static int ask_event_time(struct db *db, uint64_t number, struct db_statement **ret_asked,
                          struct err *reterr) {
  char sql[256];
  snprintf(sql, sizeof sql,
           "SELECT e.number,c.time FROM event e%s WHERE e.number>=? ORDER BY e.number LIMIT 1",
           DIALECT_JOIN(db_kind(db), "commit_log", "c", "c.seq=e.seq"));
  int code = db_prepare(db, str_of(sql), ret_asked, reterr);
  if (code)
    return code;
  db_bind_i64(*ret_asked, 1, (int64_t)number);
  db_send(*ret_asked);
  return 0;
}

/* `*ret_number` 0: there is none. */
static int take_event_time(struct db_statement *asked, uint64_t *ret_number, int64_t *ret_at_us,
                           struct err *reterr) {
  bool has_row = false;
  int code = db_step(asked, &has_row, reterr);
  *ret_number = 0;
  if (code == 0 && has_row) {
    *ret_number = (uint64_t)db_column_i64(asked, 0);
    *ret_at_us = db_column_i64(asked, 1);
  }
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

/* Narrows low..high down by looking at `ways` places between them. */
static int narrow(struct db *db, int64_t at_us, size_t ways, uint64_t *low, uint64_t *high,
                  struct err *reterr) {
  struct db_statement *asked[WAYS_MAX] = {0};
  uint64_t from = *low, width = *high - *low, found;
  int64_t found_at_us = 0;
  bool is_behind = true;
  int code = 0;
  for (size_t i = 0; i < ways && code == 0; i++)
    code = ask_event_time(db, from + width * (i + 1) / (ways + 1), &asked[i], reterr);
  for (size_t i = 0; i < ways && code == 0 && is_behind; i++) {
    code = take_event_time(asked[i], &found, &found_at_us, reterr);
    is_behind = code == 0 && found != 0 && found_at_us < at_us;
    if (is_behind && found >= *low)
      *low = found + 1;
    else if (!is_behind)
      *high = from + width * (i + 1) / (ways + 1);
  }
  for (size_t i = 0; i < ways; i++)
    db_release(asked[i]);
  return code;
}

/* The number of the first event at or after `at_us`; one past the last where there is none. Times
 * rise with the numbers, so a few look-ups find it; as many at a time as a round trip is worth. */
static int first_event_at(struct db *db, int64_t at_us, uint64_t last, uint64_t *ret_number,
                          struct err *reterr) {
  uint64_t low = 1, high = last + 1;
  size_t ways = db_is_remote(db) ? WAYS_MAX : 1;
  while (low < high) {
    int code = narrow(db, at_us, ways, &low, &high, reterr);
    if (code)
      return code;
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
  db_query_add(sql, " THEN 1 ELSE 0 END AS seen FROM event e");
  if (type)
    db_query_add(sql, DIALECT_INDEXED_BY(filter->kind, "event_type"));
  if (joins)
    db_query_add(sql, DIALECT_JOIN(filter->kind, "resource", "r", "r.rid=e.rid"));
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

/* The events of a page as they are gone through. */
struct events {
  uint64_t last;    /* the one looked at last */
  size_t looked_at; /* in all */
  bool is_cut;      /* there is one more behind the page */
};

/* One piece of them; `*ret_n`: how many there were in it. */
static int take_events(struct page *page, struct db_statement *row, struct events *events,
                       size_t *ret_n, struct err *reterr) {
  bool has_row = false;
  int code = 0;
  for (*ret_n = 0; (code = db_step(row, &has_row, reterr)) == 0 && has_row; ++*ret_n) {
    events->is_cut = page->rows.n == page->query->count || events->looked_at == LOOK_MAX;
    if (events->is_cut)
      break;
    events->looked_at++;
    events->last = (uint64_t)db_column_i64(row, 0);
    if (db_column_i64(row, 4) == 0)
      continue;
    int64_t kind = db_column_i64(row, 1);
    struct noted noted = {.rid = (uint64_t)db_column_i64(row, 2),
                          .place = events->last,
                          .version = (uint32_t)db_column_i64(row, 3)};
    noted.is_created = kind == STORE_CREATED || kind == SCHEMA_EVENT_CREATED_BY_PUT;
    noted.is_posted = kind == STORE_CREATED && noted.version == 1;
    code = add_version(page, &noted, reterr);
    if (code)
      break;
  }
  return code;
}

/* Asked for in pieces, as an engine elsewhere is waited for until a piece is here as a whole. */
static int find_events(struct page *page, const struct store_filter *filter,
                       const struct span *span, uint64_t *ret_next_before, struct err *reterr) {
  struct events events = {.last = page->query->before};
  bool takes_all = filter->is_everything && span->period <= span->first;
  size_t n = 0, most = 0;
  int code = 0;
  while (code == 0 && n == most && !events.is_cut) {
    struct db_statement *row = NULL;
    struct db_query sql;
    size_t left = page->query->count - page->rows.n;
    most = takes_all && left < EVENTS_AT_ONCE ? left + 1 : EVENTS_AT_ONCE;
    db_query_init(&sql, page->arena);
    write_events_query(&sql, filter, page->query, span, events.last);
    db_query_add(&sql, " LIMIT ");
    db_query_i64(&sql, (int64_t)most);
    code = db_query_start(store_view_db(page->view), &sql, &row, reterr);
    if (code == 0)
      code = take_events(page, row, &events, &n, reterr);
    db_release(row);
  }
  *ret_next_before = events.is_cut ? events.last : 0;
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
  db_query_add(&sql, "SELECT count(*),coalesce(sum(n.seen),0) FROM (");
  write_events_query(&sql, filter, query, span, 0);
  db_query_addf(&sql, " LIMIT %d) AS n", COUNT_MAX + 1);
  int code = db_query_start(db, &sql, &row, reterr);
  if (code == 0)
    code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row) {
    history->has_total = db_column_i64(row, 0) <= COUNT_MAX;
    history->total = (uint64_t)db_column_i64(row, 1);
  }
  db_release(row);
  return code;
}

static int history_of_events(struct page *page, const struct access *access,
                             struct store_history *history, struct err *reterr) {
  struct db *db = store_view_db(page->view);
  struct store_filter filter;
  struct span span = {0};
  int code = store_filter(db, store_view_schema(page->view), access, &filter, reterr);
  if (code == 0)
    code = find_span(db, page->arena, page->query, &span, reterr);
  if (code == 0)
    code = count_events(page, &filter, &span, history, reterr);
  if (code || page->query->count == 0)
    return code;
  code = find_events(page, &filter, &span, &history->next_before, reterr);
  return code ? code : read_versions(page, history, reterr);
}

/* ---- One resource --------------------------------------------------------------------------- */

/* Some events of one commit from `*first` on, which moves behind them; `*seq`: the commit's, 0
 * until it is known. `*ret_is_done`: the resource was among them, or the commit has no more. */
static int look_for_creation(struct db *db, uint64_t rid, uint64_t *first, int64_t *seq,
                             bool *ret_is_done, bool *ret_is_posted, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int n = 0;
  int code = db_prepare(
      db, STR("SELECT number,seq,rid,kind FROM event WHERE number>=? ORDER BY number LIMIT ?"),
      &row, reterr);
  if (code)
    return code;
  db_bind_i64(row, 1, (int64_t)*first);
  db_bind_i64(row, 2, EVENTS_AT_ONCE);
  while (!*ret_is_done && (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    n++;
    *first = (uint64_t)db_column_i64(row, 0) + 1;
    *seq = *seq ? *seq : db_column_i64(row, 1);
    *ret_is_done = db_column_i64(row, 1) != *seq || db_column_i64(row, 2) == (int64_t)rid;
    if (db_column_i64(row, 1) == *seq && db_column_i64(row, 2) == (int64_t)rid)
      *ret_is_posted = db_column_i64(row, 3) != SCHEMA_EVENT_CREATED_BY_PUT;
  }
  *ret_is_done |= n < EVENTS_AT_ONCE;
  db_release(row);
  return code;
}

/* Did the version that was made at `at_us` come by POST? What an event of an old file does not say
 * is taken for it. */
static int find_posted(struct page *page, uint64_t rid, int64_t at_us, bool *ret_is_posted,
                       struct err *reterr) {
  struct db *db = store_view_db(page->view);
  uint64_t last, first = 0;
  int64_t seq = 0;
  *ret_is_posted = true;
  int code = last_event(db, page->arena, &last, reterr);
  if (code == 0)
    code = first_event_at(db, at_us, last, &first, reterr);
  bool is_done = false;
  while (code == 0 && !is_done)
    code = look_for_creation(db, rid, &first, &seq, &is_done, ret_is_posted, reterr);
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
  struct noted noted = {.rid = rid,
                        .place = made->version,
                        .version = made->version,
                        .is_created = made->version == 1};
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
    code = find_posted(page, rid, made->updated_us, &noted.is_posted, reterr);
  return code ? code : add_version(page, &noted, reterr);
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
                            " ORDER BY version DESC LIMIT ?"),
                        &row, reterr);
  if (code)
    return code;
  /* The one at `before` tells when its predecessor was superseded. */
  uint64_t newest = page->query->before ? page->query->before : UINT32_MAX;
  db_bind_i64(row, 1, (int64_t)rid);
  db_bind_i64(row, 2, (int64_t)(newest < UINT32_MAX ? newest : UINT32_MAX));
  /* Where none need be counted: those of the page, and one on either side of it. */
  bool is_counted = history->has_total || page->query->since_us > 0 || page->query->has_period;
  db_bind_i64(row, 3,
              is_counted || page->query->count > LOOK_MAX - 2 ? LOOK_MAX + 1
                                                              : (int64_t)page->query->count + 3);
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
  if (code == 0)
    code = read_versions(page, history, reterr);
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
  page.query_bytes = query->bytes ? query->bytes : STORE_PAGE_BYTES;
  db_set_deadline(store_view_db(view), STORE_READ_TIME_US);
  struct store_history history = {0};
  int code = query->id.n > 0 ? history_of_versions(&page, access, &history, reterr)
                             : history_of_events(&page, access, &history, reterr);
  db_set_deadline(store_view_db(view), 0);
  history.rows = page.rows.p;
  history.n = page.rows.n;
  if (code == 0)
    *ret_history = history;
  return code;
}
