/*
 * A sorted page by walking the index that has the order: the first rows that match are the page.
 * Streams (a date's classes are one each) are merged; a resource with several values counts at its
 * first one; resources without a value follow at the end.
 */
#include "store/search/search_collect.h"
#include "store/search/search_sort.h"
#include "store/search/search_values_ahead.h"

#include <math.h>

enum {
  CHUNK_MIN = 64,
  CHUNK_MAX = 512,
  ASKED_AT_ONCE = 64,
  WALK_FEWEST = 1000, /* matches that are sorted faster than any index is walked */
};

struct entry {
  uint64_t rid;
  struct search_key key;
};

struct stream {
  int date_class;
  defs_type_id type; /* of _lastUpdated */
  struct entry last; /* read up to here */
  struct entry entries[CHUNK_MAX];
  size_t n, at, chunk;
  bool is_last; /* the chunk at hand is the last one */
};

struct walk {
  struct search_context *c;
  const struct search *search;
  const struct search_sort *sort;
  struct stream *streams;
  size_t streams_n;
  size_t looked_at, found; /* entries, and those of them that matched */
};

/* ---- Does it pay? ---------------------------------------------------------------------------- */

static bool has_index(const struct search *search) {
  const struct search_sort *sort = &search->sorts[0];
  return search->sorts_n == 1 && (sort->key == SEARCH_SORT_LAST_UPDATED ||
                                  (search->type && sort->key == SEARCH_SORT_PARAM &&
                                   (sort->type == SEARCH_DATE || sort->type == SEARCH_STRING)));
}

/* Does a condition alone leave so few that the number of all need not be asked for? The counts are
 * remembered, for the plan that compares the conditions. */
static int have_few(struct search_context *c, const struct search_condition *conditions, size_t n,
                    bool *ret_have, struct err *reterr) {
  *ret_have = false;
  for (size_t i = 0; i < n && !*ret_have && search_looks_ahead(c); i++) {
    uint64_t rows = WALK_FEWEST;
    if (!search_is_drivable(&conditions[i]))
      continue;
    int code = search_count(c, &conditions[i], NULL, WALK_FEWEST, &rows, reterr);
    if (code)
      return code;
    *ret_have = rows < WALK_FEWEST;
  }
  return 0;
}

/*
 * To sort costs all n matches; to walk costs count * T / n rows until the page is full, when the
 * matches are spread evenly over the T resources of the type.
 */
int search_walk_pays(struct search_context *c, const struct search *search,
                     const struct search_condition *conditions, bool *ret_pays,
                     struct err *reterr) {
  uint64_t all, n;
  bool are_few;
  *ret_pays = false;
  if (!has_index(search))
    return 0;
  int code = have_few(c, conditions, search->predicates_n, &are_few, reterr);
  if (code || are_few)
    return code;
  code = search_types_count(c, search->types, &all, reterr);
  if (code || all < WALK_FEWEST)
    return code;
  uint64_t limit = (uint64_t)sqrt((double)(search->count + 1) * (double)all) + 1;
  limit = limit < WALK_FEWEST ? WALK_FEWEST : limit;
  struct search_wish wish = {
      .types = search->types, .conditions = conditions, .n = search->predicates_n};
  code = search_wish_estimate(c, &wish, limit, &n, reterr);
  *ret_pays = code == 0 && n >= limit;
  return code;
}

/* ---- Streams --------------------------------------------------------------------------------- */

static bool is_text(const struct walk *w) {
  return w->sort->key == SEARCH_SORT_PARAM && w->sort->type == SEARCH_STRING;
}

static const char *column_of(const struct walk *w) {
  return w->sort->key == SEARCH_SORT_LAST_UPDATED ? "updated" : is_text(w) ? "folded" : "lo";
}

static void add_from(struct db_query *query, const struct walk *w, const struct stream *stream) {
  const struct schema *schema = w->c->schema;
  if (w->sort->key == SEARCH_SORT_LAST_UPDATED) {
    db_query_add(query, " FROM resource WHERE state=1 AND type=");
    db_query_i64(query, schema_type_number(schema, stream->type));
    return;
  }
  db_query_addf(query, " FROM %s WHERE param=", is_text(w) ? "string" : "date");
  db_query_i64(query, schema_param_number(schema, w->sort->param));
  db_query_add(query, " AND first=0");
  if (!is_text(w)) {
    db_query_add(query, " AND class=");
    db_query_i64(query, stream->date_class);
  }
}

static void add_key(struct db_query *query, const struct search_key *key) {
  if (key->kind == SEARCH_KEY_TEXT)
    db_query_text(query, key->text);
  else
    db_query_i64(query, key->number);
}

/* The rows behind `last` in the order of (key, rid). */
static void add_behind(struct db_query *query, const struct walk *w, const struct stream *stream) {
  const char *column = column_of(w), *behind = w->sort->is_descending ? "<" : ">";
  db_query_addf(query, " AND %s%s=", column, behind);
  add_key(query, &stream->last.key);
  db_query_addf(query, " AND (%s%s", column, behind);
  add_key(query, &stream->last.key);
  db_query_add(query, " OR rid>");
  db_query_i64(query, (int64_t)stream->last.rid);
  db_query_addf(query, ") ORDER BY %s%s,rid LIMIT ", column, w->sort->is_descending ? " DESC" : "");
  db_query_i64(query, (int64_t)stream->chunk);
}

static int read_entry(struct walk *w, struct db_statement *statement, struct entry *ret_entry,
                      struct err *reterr) {
  struct entry entry = {.rid = (uint64_t)db_column_i64(statement, 0)};
  entry.key.kind = is_text(w) ? SEARCH_KEY_TEXT : SEARCH_KEY_NUMBER;
  if (is_text(w))
    entry.key.text = arena_str(w->c->arena, db_column_str(statement, 1));
  else
    entry.key.number = db_column_i64(statement, 1);
  *ret_entry = entry;
  return is_text(w) && !entry.key.text.p ? err_no_memory(reterr) : 0;
}

static int ask(struct walk *w, const struct stream *stream, struct db_statement **ret_asked,
               struct err *reterr) {
  struct db_query query;
  db_query_init(&query, w->c->scratch);
  db_query_addf(&query, "SELECT rid,%s", column_of(w));
  add_from(&query, w, stream);
  add_behind(&query, w, stream);
  return db_query_start(w->c->db, &query, ret_asked, reterr);
}

static int take(struct walk *w, struct stream *stream, struct db_statement *asked,
                struct err *reterr) {
  bool has_row;
  int code;
  stream->n = stream->at = 0;
  while ((code = db_step(asked, &has_row, reterr)) == 0 && has_row && stream->n < CHUNK_MAX &&
         (code = read_entry(w, asked, &stream->entries[stream->n], reterr)) == 0)
    stream->n++;
  stream->is_last = stream->n < stream->chunk;
  if (stream->n > 0)
    stream->last = stream->entries[stream->n - 1];
  stream->chunk = stream->chunk * 2 > CHUNK_MAX ? CHUNK_MAX : stream->chunk * 2;
  return code ? code : search_spend(w->c, SEARCH_STEP_QUERY + stream->n, reterr);
}

/* Fills those of the streams from `from` on that are empty: the first one, and where each question
 * costs a round trip, those behind it together with it. */
static int fill(struct walk *w, size_t from, struct err *reterr) {
  struct db_statement *asked[ASKED_AT_ONCE] = {0};
  size_t most = search_looks_ahead(w->c) ? ASKED_AT_ONCE : 1, to = from;
  int code = 0;
  for (; to < w->streams_n && to - from < most && code == 0; to++)
    if (w->streams[to].at == w->streams[to].n && !w->streams[to].is_last)
      code = ask(w, &w->streams[to], &asked[to - from], reterr);
  for (size_t i = from; i < to && code == 0; i++)
    if (asked[i - from])
      code = take(w, &w->streams[i], asked[i - from], reterr);
  for (size_t i = from; i < to; i++)
    db_release(asked[i - from]);
  return code;
}

/* Before the first key there is. */
static struct entry start_of(const struct walk *w) {
  const struct search_mark *mark = &w->search->mark;
  bool is_descending = w->sort->is_descending;
  if (mark->is_set)
    return (struct entry){.rid = mark->rid, .key = mark->keys[0]};
  if (is_text(w))
    return (struct entry){.key = {.kind = SEARCH_KEY_TEXT,
                                  .text = is_descending ? STR("\xF4\x8F\xBF\xBF") : STR("")}};
  return (struct entry){
      .key = {.kind = SEARCH_KEY_NUMBER, .number = is_descending ? INT64_MAX : INT64_MIN}};
}

/* The classes of the parameter's dates. */
static int find_classes(struct walk *w, int *classes, struct err *reterr) {
  struct search_values_range range = {.table = "date",
                                      .column = "class",
                                      .param = schema_param_number(w->c->schema, w->sort->param),
                                      .has_first = true,
                                      .to = SCHEMA_DATE_CLASSES - 1};
  int64_t value;
  bool found = true;
  while (range.from <= range.to) {
    int code = search_next_value(w->c, &range, &value, &found, reterr);
    if (code || !found)
      return code;
    classes[w->streams_n++] = (int)value;
    range.from = value + 1;
  }
  return 0;
}

/* One stream per type for _lastUpdated, per class for dates; one for texts. */
static int count_streams(struct walk *w, int *classes, struct search_types *types,
                         struct err *reterr) {
  int code = 0;
  w->streams_n = 1;
  if (w->sort->key == SEARCH_SORT_LAST_UPDATED) {
    code = search_types_of(w->c, w->search->type, types, reterr);
    w->streams_n = types->n;
  } else if (!is_text(w)) {
    w->streams_n = 0;
    code = find_classes(w, classes, reterr);
  }
  return code;
}

static int open_streams(struct walk *w, struct err *reterr) {
  int classes[SCHEMA_DATE_CLASSES] = {0};
  struct search_types types = {0};
  int code = count_streams(w, classes, &types, reterr);
  w->streams = code ? NULL : arena_alloc(w->c->arena, (w->streams_n + 1) * sizeof *w->streams);
  if (!w->streams)
    return code ? code : err_no_memory(reterr);
  for (size_t i = 0; i < w->streams_n; i++) {
    struct stream *stream = &w->streams[i];
    stream->date_class = i < SCHEMA_DATE_CLASSES ? classes[i] : 0;
    stream->type = i < types.n ? types.p[i] : 0;
    stream->last = start_of(w);
    stream->n = stream->at = 0;
    stream->chunk = CHUNK_MIN;
    stream->is_last = false;
  }
  return 0;
}

/* The next entry of all streams; its rid is 0 at the end. */
static int next_entry(struct walk *w, struct entry *ret_entry, struct err *reterr) {
  struct stream *best = NULL;
  for (size_t i = 0; i < w->streams_n; i++) {
    struct stream *stream = &w->streams[i];
    if (stream->at == stream->n && !stream->is_last) {
      int code = fill(w, i, reterr);
      if (code)
        return code;
    }
    if (stream->at == stream->n)
      continue;
    const struct entry *a = &stream->entries[stream->at];
    const struct entry *b = best ? &best->entries[best->at] : NULL;
    if (!b || search_sort_compare(w->search, &a->key, a->rid, &b->key, b->rid) < 0)
      best = stream;
  }
  *ret_entry = best ? best->entries[best->at++] : (struct entry){0};
  return 0;
}

/* ---- The page -------------------------------------------------------------------------------- */

/* `entry` was just taken; it and what comes behind it in the streams are read together. */
static int fetch_ahead(struct walk *w, const struct entry *entry, struct err *reterr) {
  uint64_t rids[SEARCH_AHEAD_MAX] = {entry->rid};
  size_t n = 1, wanted = w->search->count + 1, most = wanted;
  if (!search_looks_ahead(w->c) || search_is_at_hand(w->c, entry->rid, false))
    return 0;
  if (w->looked_at > 0) /* as the share of those that matched tells */
    most = (wanted - w->found + 1) * w->looked_at / (w->found + 1) + 1;
  most = most < CHUNK_MIN / 4 ? CHUNK_MIN / 4 : most > SEARCH_AHEAD_MAX ? SEARCH_AHEAD_MAX : most;
  for (size_t k = 0; n < most && k < CHUNK_MAX; k++) /* of each stream in turn */
    for (size_t i = 0; n < most && i < w->streams_n; i++)
      if (w->streams[i].at + k < w->streams[i].n)
        rids[n++] = w->streams[i].entries[w->streams[i].at + k].rid;
  return search_fetch_ahead(w->c, rids, n, w->found * 2 >= w->looked_at, reterr);
}

/* Does the resource of `entry` match, and is this where it stands in the order? */
static int stands_here(struct walk *w, const struct search_condition *conditions,
                       const struct entry *entry, bool *ret_stands, struct err *reterr) {
  struct search_candidate candidate;
  struct search_key key;
  arena_reset(w->c->scratch);
  int code = fetch_ahead(w, entry, reterr);
  if (code == 0)
    code = search_fetch(w->c, entry->rid, &candidate, ret_stands, reterr);
  if (code || !*ret_stands)
    return code;
  *ret_stands = search_types_have(w->search->types, candidate.type);
  if (*ret_stands)
    code = search_sort_key(w->c, w->sort, &candidate, &key, reterr);
  if (code == 0 && *ret_stands)
    *ret_stands = search_key_compare(&key, &entry->key) == 0;
  if (code == 0 && *ret_stands)
    code =
        search_matches(w->c, conditions, w->search->predicates_n, &candidate, ret_stands, reterr);
  return code;
}

static int walk_values(struct walk *w, const struct search_condition *conditions,
                       struct search_page *page, struct err *reterr) {
  uint64_t last_rid = 0;
  int code = open_streams(w, reterr);
  while (code == 0 && page->n <= w->search->count) {
    struct entry entry;
    bool stands = false;
    code = next_entry(w, &entry, reterr);
    if (code || entry.rid == 0)
      break;
    if (entry.rid == last_rid)
      continue; /* a second row with the same key */
    last_rid = entry.rid;
    code = stands_here(w, conditions, &entry, &stands, reterr);
    w->looked_at++;
    w->found += stands;
    if (code == 0 && stands)
      page->p[page->n++] = (struct search_match){.rid = entry.rid, .keys = {entry.key}};
  }
  return code;
}

/* Resources without a value, in the order of their rid. */
static int walk_rest(struct walk *w, const struct search_condition *conditions,
                     struct search_page *page, struct err *reterr) {
  const struct search_mark *mark = &w->search->mark;
  struct search_wish wish = {
      .types = w->search->types,
      .conditions = conditions,
      .n = w->search->predicates_n,
      .after = mark->is_set && mark->keys[0].kind == SEARCH_KEY_NONE ? mark->rid : 0};
  struct search_source *source;
  int code = search_source_open(w->c, &wish, &source, reterr);
  while (code == 0 && page->n <= w->search->count) {
    struct search_candidate candidate;
    struct search_key key;
    code = search_next_match(w->c, source, &wish, &candidate, reterr);
    if (code || candidate.rid == 0)
      break;
    code = search_sort_key(w->c, w->sort, &candidate, &key, reterr);
    if (code == 0 && key.kind == SEARCH_KEY_NONE)
      page->p[page->n++] = (struct search_match){.rid = candidate.rid};
  }
  return code;
}

int search_walked_page(struct search_context *c, const struct search *search,
                       const struct search_condition *conditions, struct search_page *ret_page,
                       struct err *reterr) {
  struct walk w = {.c = c, .search = search, .sort = &search->sorts[0]};
  struct search_page page = {.p = ARENA_ARRAY(c->arena, struct search_match, search->count + 1)};
  bool is_in_rest = search->mark.is_set && search->mark.keys[0].kind == SEARCH_KEY_NONE;
  int code = 0;
  if (!page.p)
    return err_no_memory(reterr);
  if (!is_in_rest)
    code = walk_values(&w, conditions, &page, reterr);
  if (code == 0 && page.n <= search->count && w.sort->key != SEARCH_SORT_LAST_UPDATED)
    code = walk_rest(&w, conditions, &page, reterr);
  page.has_more = page.n > search->count;
  page.n -= page.has_more;
  *ret_page = page;
  return code;
}
