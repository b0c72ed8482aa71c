#include "store/search/search_fetch.h"

#include "format/json.h"
#include "store/body/body.h"

/* ---- One row --------------------------------------------------------------------------------- */

/* As it stands in the table: packed. */
struct row {
  uint64_t rid;
  bool is_there, has_body;
  bool is_large; /* its body is read when it is asked for, not ahead */
  int64_t type, updated_us, version;
  struct str id, keys, body;
};

/* Bodies that are read ahead: a question must not bring hundreds of documents into memory. */
#define AHEAD_BODY_MAX_BYTES "65536"

enum columns { WITHOUT_BODY, WITH_BODY, WITH_SMALL_BODY };

static void add_columns(struct db_query *query, enum columns columns) {
  static const char *const more[] = {
      [WITHOUT_BODY] = "",
      [WITH_BODY] = ",r.version,r.body",
      [WITH_SMALL_BODY] =
          ",r.version,CASE WHEN length(r.body)<=" AHEAD_BODY_MAX_BYTES " THEN r.body END",
  };
  db_query_add(query, "SELECT r.rid,r.type,r.updated,r.id,r.keys");
  db_query_add(query, more[columns]);
}

/* Live, and shown by access. '+' keeps the row from being looked for in the index of what is live.
 */
static void add_visible(struct search_context *c, struct db_query *query) {
  db_query_add(query, " AND +r.state=1 AND ");
  store_filter_add(query, &c->filter, "r", 0);
}

static void write_query(struct search_context *c, enum columns columns, struct db_query *query) {
  db_query_init(query, c->arena);
  add_columns(query, columns);
  db_query_add(query, " FROM resource r WHERE r.rid=");
  db_query_i64(query, 0);
  add_visible(c, query);
  if (c->schema->is_sharded) /* each key by itself, where its shard is */
    db_query_add(query, " LIMIT 1");
}

static struct db_query *query_for(struct search_context *c, enum columns columns) {
  struct db_query *const queries[] = {[WITHOUT_BODY] = &c->fetch,
                                      [WITH_BODY] = &c->fetch_body,
                                      [WITH_SMALL_BODY] = &c->fetch_small_body};
  struct db_query *query = queries[columns];
  if (!query->arena)
    write_query(c, columns, query);
  return query;
}

/* The current row of a statement; what it points to is gone with the next step. */
static struct row current_row(struct db_statement *statement, bool has_body) {
  struct row row = {.rid = (uint64_t)db_column_i64(statement, 0),
                    .is_there = true,
                    .has_body = has_body,
                    .type = db_column_i64(statement, 1),
                    .updated_us = db_column_i64(statement, 2),
                    .id = db_column_str(statement, 3),
                    .keys = db_column_str(statement, 4)};
  if (has_body) {
    row.version = db_column_i64(statement, 5);
    row.is_large = db_column_is_null(statement, 6);
    row.has_body = !row.is_large;
    row.body = db_column_str(statement, 6);
  }
  return row;
}

static int make_candidate(struct search_context *c, const struct row *row,
                          struct search_candidate *ret_candidate, struct err *reterr) {
  struct str keys = arena_str(c->scratch, row->keys);
  *ret_candidate = (struct search_candidate){.rid = row->rid,
                                             .type = schema_type(c->schema, row->type),
                                             .updated_us = row->updated_us,
                                             .id = schema_id_unpack(c->scratch, row->id)};
  return keys.p && ret_candidate->id.p ? keys_unpack(c->scratch, keys, &ret_candidate->keys, reterr)
                                       : err_no_memory(reterr);
}

static int make_resource(struct search_context *c, const struct row *row, struct arena *arena,
                         struct store_resource *ret_resource, struct err *reterr) {
  *ret_resource = (struct store_resource){.rid = row->rid,
                                          .type = schema_type(c->schema, row->type),
                                          .id = schema_id_unpack(arena, row->id),
                                          .version = (uint32_t)row->version,
                                          .updated_us = row->updated_us};
  return ret_resource->id.p
             ? body_unpack(store_view_codec(c->view), arena, row->body, &ret_resource->body, reterr)
             : err_no_memory(reterr);
}

/* ---- Rows at hand ---------------------------------------------------------------------------- */

enum { SLOTS = 4096, ROWS_MAX_BYTES = 128 << 20 };

struct search_at_hand {
  struct arena *arena; /* of what the rows point to */
  struct row rows[SEARCH_AT_HAND_MAX];
  size_t n;
  uint16_t slots[SLOTS]; /* 1 + place in `rows`, by the hash of the rid */
};

static size_t slot_of(uint64_t rid) {
  return (size_t)((rid * 0x9e3779b97f4a7c15u) >> 52);
}

static uint16_t *find_slot(struct search_at_hand *at_hand, uint64_t rid) {
  size_t slot = slot_of(rid);
  while (at_hand->slots[slot] && at_hand->rows[at_hand->slots[slot] - 1].rid != rid)
    slot = (slot + 1) % SLOTS;
  return &at_hand->slots[slot];
}

static const struct row *find_row(const struct search_context *c, uint64_t rid) {
  if (!c->at_hand)
    return NULL;
  uint16_t slot = *find_slot(c->at_hand, rid);
  return slot ? &c->at_hand->rows[slot - 1] : NULL;
}

static const struct row *find(const struct search_context *c, uint64_t rid, bool needs_body) {
  const struct row *row = find_row(c, rid);
  return row && (row->has_body || !row->is_there || !needs_body) ? row : NULL;
}

static void keep(struct search_at_hand *at_hand, const struct row *row) {
  uint16_t *slot = find_slot(at_hand, row->rid);
  if (!*slot)
    *slot = (uint16_t)(at_hand->n++ + 1);
  at_hand->rows[*slot - 1] = *row;
}

static bool copy(struct arena *arena, struct str *s) {
  bool is_there = s->p != NULL;
  *s = arena_str(arena, *s);
  return s->p || !is_there;
}

bool search_looks_ahead(const struct search_context *c) {
  return db_is_remote(c->db);
}

bool search_is_at_hand(const struct search_context *c, uint64_t rid, bool needs_body) {
  return find(c, rid, needs_body) != NULL;
}

static int make_at_hand(struct search_context *c, struct err *reterr) {
  if (!c->at_hand)
    c->at_hand = ARENA_NEW(c->arena, struct search_at_hand);
  if (c->at_hand && !c->at_hand->arena)
    c->at_hand->arena = arena_new(ROWS_MAX_BYTES);
  return c->at_hand && c->at_hand->arena ? 0 : err_no_memory(reterr);
}

static void drop_rows(struct search_at_hand *at_hand) {
  arena_reset(at_hand->arena);
  at_hand->n = 0;
  memset(at_hand->slots, 0, sizeof at_hand->slots);
}

static void make_room(struct search_at_hand *at_hand, size_t n) {
  if (at_hand->n + n > SEARCH_AT_HAND_MAX)
    drop_rows(at_hand);
}

/* Those of `rids` that have to be read, each once. */
static size_t missing(const struct search_context *c, const uint64_t *rids, size_t n,
                      bool needs_body, int64_t *ret_missing) {
  size_t missing_n = 0;
  for (size_t i = 0; i < n && missing_n < SEARCH_AHEAD_MAX; i++) {
    const struct row *row = find_row(c, rids[i]);
    if (!row || (needs_body && row->is_there && !row->has_body && !row->is_large))
      ret_missing[missing_n++] = (int64_t)rids[i];
  }
  return missing_n;
}

/* Keeps a row that points into an answer. False where it does not fit: then nothing is at hand, and
 * each row is read when it is needed. */
static bool keep_copy(struct search_at_hand *at_hand, struct row row) {
  if (copy(at_hand->arena, &row.id) && copy(at_hand->arena, &row.keys) &&
      copy(at_hand->arena, &row.body)) {
    keep(at_hand, &row);
    return true;
  }
  drop_rows(at_hand);
  return false;
}

/* What is not answered is not there. */
static int take_rows(struct search_at_hand *at_hand, struct db_statement *statement,
                     const int64_t *rids, size_t n, bool has_body, struct err *reterr) {
  bool has_row = true;
  int code = 0;
  for (size_t i = 0; i < n; i++)
    keep(at_hand, &(struct row){.rid = (uint64_t)rids[i]});
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row)
    if (!keep_copy(at_hand, current_row(statement, has_body)))
      return 0;
  return code;
}

int search_fetch_ahead(struct search_context *c, const uint64_t *rids, size_t n, bool needs_body,
                       struct err *reterr) {
  int64_t asked[SEARCH_AHEAD_MAX];
  struct db_statement *statement = NULL;
  size_t fewest = needs_body ? 1 : 2; /* one row is asked for as fast when it is needed */
  if (n < fewest || !search_looks_ahead(c))
    return 0;
  size_t asked_n = missing(c, rids, n, needs_body, asked);
  if (asked_n < fewest)
    return 0;
  int code = make_at_hand(c, reterr);
  if (code)
    return code;
  make_room(c->at_hand, asked_n);
  c->facts.ahead += asked_n;
  code = db_query_start_keys(c->db, query_for(c, needs_body ? WITH_SMALL_BODY : WITHOUT_BODY),
                             asked, asked_n, &statement, reterr);
  if (code == 0)
    code = take_rows(c->at_hand, statement, asked, asked_n, needs_body, reterr);
  db_release(statement);
  return code;
}

bool search_fetches_with(const struct search_context *c) {
  return search_looks_ahead(c) && !c->schema->is_sharded;
}

/* The row of each number is a question of its own within the statement, so that none is sorted and
 * a number whose row is not there is told too. */
static void write_query_with(struct search_context *c, const struct db_query *rids, bool needs_body,
                             struct db_query *query) {
  db_query_init(query, c->arena);
  add_columns(query, needs_body ? WITH_SMALL_BODY : WITHOUT_BODY);
  db_query_add(query, ",c.rid FROM (");
  db_query_append(query, rids);
  db_query_add(query, ") AS c LEFT JOIN LATERAL (SELECT * FROM resource r WHERE r.rid=c.rid");
  add_visible(c, query);
  db_query_add(query, " OFFSET 0) AS r ON TRUE");
}

int search_fetch_with(struct search_context *c, const struct db_query *rids, size_t most,
                      bool needs_body, uint64_t *ret_rids, size_t *ret_n, struct err *reterr) {
  const int rid_column = needs_body ? 7 : 5;
  struct db_statement *statement = NULL;
  struct db_query query;
  size_t n = 0;
  bool has_row, fits = true;
  int code = make_at_hand(c, reterr);
  if (code)
    return code;
  write_query_with(c, rids, needs_body, &query);
  make_room(c->at_hand, most);
  code = db_query_start(c->db, &query, &statement, reterr);
  while (code == 0 && n < most && (code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    struct row row = {.rid = (uint64_t)db_column_i64(statement, rid_column)};
    ret_rids[n++] = row.rid;
    if (!db_column_is_null(statement, 0))
      row = current_row(statement, needs_body);
    fits = fits && keep_copy(c->at_hand, row);
  }
  db_release(statement);
  c->facts.ahead += n;
  *ret_n = n;
  return code;
}

void search_fetch_fini(struct search_context *c) {
  if (c->at_hand)
    arena_free(c->at_hand->arena);
  c->at_hand = NULL;
}

/* ---- Fetching -------------------------------------------------------------------------------- */

/* Asks for one row; `*ret_row` stays until the statement is released. */
static int ask(struct search_context *c, uint64_t rid, bool needs_body,
               struct db_statement **ret_statement, struct row *ret_row, struct err *reterr) {
  struct db_query *query = query_for(c, needs_body ? WITH_BODY : WITHOUT_BODY);
  bool has_row = false;
  query->values.p[0].i64 = (int64_t)rid;
  int code = db_query_start(c->db, query, ret_statement, reterr);
  if (code == 0)
    code = db_step(*ret_statement, &has_row, reterr);
  *ret_row =
      has_row && code == 0 ? current_row(*ret_statement, needs_body) : (struct row){.rid = rid};
  return code;
}

int search_fetch(struct search_context *c, uint64_t rid, struct search_candidate *ret_candidate,
                 bool *ret_found, struct err *reterr) {
  struct db_statement *statement = NULL;
  struct row asked;
  const struct row *row = find(c, rid, false);
  c->facts.fetched++;
  int code = search_spend(c, SEARCH_STEP_FETCH, reterr);
  if (code == 0 && !row) {
    code = ask(c, rid, false, &statement, &asked, reterr);
    row = &asked;
  }
  if (code == 0)
    *ret_found = row->is_there;
  if (code == 0 && row->is_there)
    code = make_candidate(c, row, ret_candidate, reterr);
  db_release(statement);
  return code;
}

int search_fetch_row(struct search_context *c, uint64_t rid, struct arena *arena,
                     struct store_resource *ret_resource, bool *ret_found, struct err *reterr) {
  struct db_statement *statement = NULL;
  struct row asked;
  const struct row *row = find(c, rid, true);
  int code = 0;
  if (!row) {
    code = ask(c, rid, true, &statement, &asked, reterr);
    row = &asked;
  }
  if (code == 0)
    *ret_found = row->is_there;
  if (code == 0 && row->is_there)
    code = make_resource(c, row, arena, ret_resource, reterr);
  db_release(statement);
  return code;
}

int search_fetch_body(struct search_context *c, const struct search_candidate *candidate,
                      const struct yyjson_val **ret_root, struct err *reterr) {
  struct store_resource resource = {0};
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  bool found;
  c->facts.bodies++;
  int code = search_spend(c, SEARCH_STEP_BODY, reterr);
  if (code == 0)
    code = search_fetch_row(c, candidate->rid, c->scratch, &resource, &found, reterr);
  if (code == 0 && !found)
    code = err_set(reterr, ERR_STORE, "", "a row is gone within one view");
  return code ? code : json_parse(c->scratch, resource.body, &limits, ret_root, reterr);
}

int search_fetch_values(struct search_context *c, struct search_candidate *candidate,
                        struct err *reterr) {
  if (candidate->has_values)
    return 0;
  const struct yyjson_val *root = NULL;
  int code = search_fetch_body(c, candidate, &root, reterr);
  if (code == 0)
    code = search_values_extract(c->scratch, root, &candidate->values, reterr);
  candidate->has_values = code == 0;
  return code;
}

/* ---- What refers to a resource --------------------------------------------------------------- */

int search_referrers_ask(struct search_context *c, uint16_t param, uint64_t target, uint64_t after,
                         size_t max, struct db_statement **ret_asked, struct err *reterr) {
  struct db_query query;
  db_query_init(&query, c->scratch);
  db_query_add(&query, "SELECT rid FROM reference WHERE param=");
  db_query_i64(&query, param);
  db_query_add(&query, " AND target=");
  db_query_i64(&query, (int64_t)target);
  db_query_add(&query, " AND rid>");
  db_query_i64(&query, (int64_t)after);
  db_query_add(&query, " ORDER BY rid LIMIT ");
  db_query_i64(&query, (int64_t)max);
  return db_query_start(c->db, &query, ret_asked, reterr);
}

int search_referrers_take(struct search_context *c, struct db_statement *asked, uint64_t *ret_rids,
                          size_t max, size_t *ret_n, struct err *reterr) {
  size_t n = 0;
  bool has_row;
  int code;
  while ((code = db_step(asked, &has_row, reterr)) == 0 && has_row && n < max)
    ret_rids[n++] = (uint64_t)db_column_i64(asked, 0);
  db_release(asked);
  *ret_n = n;
  return code ? code : search_spend(c, SEARCH_STEP_QUERY + n, reterr);
}

int search_referrers(struct search_context *c, uint16_t param, uint64_t target, uint64_t after,
                     uint64_t *ret_rids, size_t max, size_t *ret_n, struct err *reterr) {
  struct db_statement *asked;
  int code = search_referrers_ask(c, param, target, after, max, &asked, reterr);
  return code ? code : search_referrers_take(c, asked, ret_rids, max, ret_n, reterr);
}
