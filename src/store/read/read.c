/* Reading resources and their versions. */
#include "store/store_internal.h"

#include "base/id.h"
#include "store/db/dialect.h"

int store_rid(struct db *db, const struct schema *schema, defs_type_id type, struct str id,
              uint64_t *ret_rid, struct err *reterr) {
  struct db_statement *row = NULL;
  *ret_rid = 0;
  if (!id_is_fhir_id(id))
    return 0;
  char sql[256];
  snprintf(sql, sizeof sql, "SELECT r.rid FROM identity i%s WHERE i.key=? AND r.type=? AND r.id=?",
           DIALECT_JOIN(db_kind(db), "resource", "r", "r.rid=i.rid"));
  int code = db_prepare(db, str_of(sql), &row, reterr);
  if (code != 0)
    return code;
  struct schema_id packed = schema_id_pack(id);
  bool has_row = false;
  db_bind_i64(row, 1, schema_identity_key(schema, type, id));
  db_bind_i64(row, 2, schema_type_number(schema, type));
  db_bind_bytes(row, 3, str_n(packed.bytes, packed.n));
  code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row)
    *ret_rid = (uint64_t)db_column_i64(row, 0);
  db_release(row);
  return code;
}

/* All but the body. */
static int read_head(struct store_view *view, struct db_statement *statement, int column,
                     struct arena *arena, struct store_resource *ret_resource, struct err *reterr) {
  *ret_resource = (struct store_resource){
      .rid = (uint64_t)db_column_i64(statement, column),
      .type = schema_type(store_view_schema(view), db_column_i64(statement, column + 1)),
      .id = schema_id_unpack(arena, db_column_str(statement, column + 2)),
      .version = (uint32_t)db_column_i64(statement, column + 3),
      .updated_us = db_column_i64(statement, column + 4),
      .is_deleted = db_column_i64(statement, column + 5) != SCHEMA_LIVE,
  };
  return ret_resource->id.p ? 0 : err_no_memory(reterr);
}

int store_row_read(struct store_view *view, struct db_statement *statement, int column,
                   struct arena *arena, struct store_resource *ret_resource, struct err *reterr) {
  struct store_resource resource;
  int code = read_head(view, statement, column, arena, &resource, reterr);
  if (code == 0)
    code = body_unpack(store_view_codec(view), arena, db_column_str(statement, column + 6),
                       &resource.body, reterr);
  if (code == 0)
    *ret_resource = resource;
  return code;
}

/* The current version stands in `resource`, the others in `version`. */
int store_body_ask(struct db *db, uint64_t rid, uint32_t version, struct db_statement **ret_row,
                   struct str *ret_packed, struct err *reterr) {
  static const struct str tables[] = {
      STR("SELECT r.body FROM resource r WHERE r.rid=? AND r.version=?"),
      STR("SELECT v.body FROM version v WHERE v.rid=? AND v.version=?")};
  int code = 0;
  for (size_t i = 0; i < 2 && code == 0; i++) {
    struct db_statement *row = NULL;
    bool has_row = false;
    code = db_prepare(db, tables[i], &row, reterr);
    if (code)
      return code;
    db_bind_i64(row, 1, (int64_t)rid);
    db_bind_i64(row, 2, version);
    code = db_step(row, &has_row, reterr);
    if (code == 0 && has_row) {
      *ret_row = row;
      *ret_packed = db_column_str(row, 0);
      return 0;
    }
    db_release(row);
  }
  return code ? code : err_set(reterr, ERR_STORE, "", "A version is gone within one view.");
}

int store_body_unpack_ahead(struct store_view *view, struct db_statement *statement, int column,
                            uint64_t rid, uint32_t version, struct arena *arena,
                            struct str *ret_body, struct err *reterr) {
  struct db_statement *apart = NULL;
  struct str packed = db_column_str(statement, column);
  int code = 0;
  if (db_column_is_null(statement, column) && db_column_i64(statement, column + 1) > 0)
    code = store_body_ask(store_view_db(view), rid, version, &apart, &packed, reterr);
  if (code == 0)
    code = body_unpack(store_view_codec(view), arena, packed, ret_body, reterr);
  db_release(apart);
  return code;
}

int store_row_read_ahead(struct store_view *view, struct db_statement *statement, int column,
                         struct arena *arena, struct store_resource *ret_resource,
                         struct err *reterr) {
  struct store_resource resource;
  int code = read_head(view, statement, column, arena, &resource, reterr);
  if (code == 0)
    code = store_body_unpack_ahead(view, statement, column + 6, resource.rid, resource.version,
                                   arena, &resource.body, reterr);
  if (code == 0)
    *ret_resource = resource;
  return code;
}

static int not_found(defs_type_id type, struct str id, struct err *reterr) {
  return err_set(reterr, ERR_NOT_FOUND, "", "There is no %.*s/%.*s.",
                 STR_ARG(defs_type(type)->name), STR_ARG(id));
}

/* Begins a query on the row of one resource that access lets through; `select` tells the
 * columns, and begins with `identity i`. */
static int query_resource(struct store_view *view, const struct access *access, defs_type_id type,
                          struct str id, const char *select, struct db_query *query,
                          struct err *reterr) {
  const struct schema *schema = store_view_schema(view);
  struct store_filter filter;
  if (!id_is_fhir_id(id) || !type || !schema_type_number(schema, type))
    return not_found(type, id, reterr);
  int code = store_filter(store_view_db(view), schema, access, &filter, reterr);
  if (code != 0)
    return code;
  struct schema_id packed = schema_id_pack(id);
  struct str packed_id = arena_str(query->arena, str_n(packed.bytes, packed.n));
  if (!packed_id.p)
    return err_no_memory(reterr);
  db_query_add(query, select);
  db_query_add(query, DIALECT_JOIN(filter.kind, "resource", "r", "r.rid=i.rid"));
  db_query_add(query, " WHERE i.key=");
  db_query_i64(query, schema_identity_key(schema, type, id));
  db_query_add(query, " AND r.type=");
  db_query_i64(query, schema_type_number(schema, type));
  db_query_add(query, " AND r.id=");
  db_query_bytes(query, packed_id);
  db_query_add(query, " AND r.state<>0");
  if (filter.is_everything)
    return 0;
  db_query_add(query, " AND ");
  store_filter_add(query, &filter, "r", type);
  return 0;
}

/* Runs a query of at most one row. */
static int read_one(struct store_view *view, const struct db_query *query, struct arena *arena,
                    bool *ret_is_there, struct store_resource *ret_resource, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_query_start(store_view_db(view), query, &row, reterr);
  if (code != 0)
    return code;
  code = db_step(row, ret_is_there, reterr);
  if (code == 0 && *ret_is_there)
    code = store_row_read(view, row, 0, arena, ret_resource, reterr);
  db_release(row);
  return code;
}

static int deleted(defs_type_id type, struct str id, struct err *reterr) {
  return err_set(reterr, ERR_DELETED, "", "%.*s/%.*s was deleted.", STR_ARG(defs_type(type)->name),
                 STR_ARG(id));
}

int store_read(struct store_view *view, const struct access *access, struct arena *arena,
               defs_type_id type, struct str id, struct store_resource *ret_resource,
               struct err *reterr) {
  struct db_query query;
  bool is_there = false;
  db_query_init(&query, arena);
  int code = query_resource(view, access, type, id, "SELECT " STORE_ROW_COLUMNS " FROM identity i",
                            &query, reterr);
  if (code == 0)
    code = read_one(view, &query, arena, &is_there, ret_resource, reterr);
  if (code == 0 && !is_there)
    code = not_found(type, id, reterr);
  if (code == 0 && ret_resource->is_deleted)
    code = deleted(type, id, reterr);
  return code;
}

int store_vread(struct store_view *view, const struct access *access, struct arena *arena,
                defs_type_id type, struct str id, uint32_t version,
                struct store_resource *ret_resource, struct err *reterr) {
  struct store_resource current = {0};
  int code = store_read(view, access, arena, type, id, &current, reterr);
  bool is_there = true;
  if (code != 0 && code != ERR_DELETED)
    return code;
  if (current.version == version) {
    *ret_resource = current;
    return code;
  }
  struct db_query query;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT " STORE_OLD_ROW_COLUMNS
                       " FROM resource r CROSS JOIN version v ON v.rid=r.rid WHERE r.rid=");
  db_query_i64(&query, (int64_t)current.rid);
  db_query_add(&query, " AND v.version=");
  db_query_i64(&query, version);
  code = read_one(view, &query, arena, &is_there, ret_resource, reterr);
  if (code == 0 && !is_there)
    code = err_set(reterr, ERR_NOT_FOUND, "", "%.*s/%.*s has no version %u.",
                   STR_ARG(defs_type(type)->name), STR_ARG(id), version);
  if (code == 0 && ret_resource->is_deleted)
    code = deleted(type, id, reterr);
  return code;
}

bool store_body_has_code(struct arena *arena, struct str body, struct str code) {
  struct buf quoted;
  buf_init_arena(&quoted, arena, code.n * 6 + 64); /* the longest escape has six bytes */
  json_write_string(&quoted, code);
  return !buf_is_overflown(&quoted) && str_find(body, buf_str(&quoted)) >= 0;
}

int64_t store_ahead_bytes(size_t rows) {
  enum { ANSWER_MAX_BYTES = 64 << 20 };
  size_t most = ANSWER_MAX_BYTES / (rows + 1);
  return (int64_t)(most < STORE_AHEAD_BYTES ? most : STORE_AHEAD_BYTES);
}

#define IDENTIFIER_COLUMNS(most) "r.rid,r.version,r.id," STORE_AHEAD_BODY("r.body", most)

/* The join as DIALECT_JOIN has it, which is no constant. */
struct str store_identifier_sql(enum db_kind kind) {
#define SQL(join)                                                                                  \
  STR("SELECT " IDENTIFIER_COLUMNS(                                                                \
      "?") " FROM token t CROSS JOIN " join                                                        \
           " WHERE t.param=? AND t.first=0 AND t.hash=? AND r.type=? AND r.state=1"                \
           " ORDER BY t.rid LIMIT 108")
  return kind == DB_POSTGRES
             ? SQL("LATERAL (SELECT * FROM resource r WHERE r.rid=t.rid OFFSET 0) AS r")
             : SQL("resource r ON r.rid=t.rid");
#undef SQL
}

int store_holder_read(struct store_view *view, struct db_statement *row, struct arena *scratch,
                      struct str code, bool *ret_is_one, struct err *reterr) {
  struct str body;
  arena_reset(scratch);
  int failed = store_body_unpack_ahead(view, row, 3, (uint64_t)db_column_i64(row, 0),
                                       (uint32_t)db_column_i64(row, 1), scratch, &body, reterr);
  if (failed == 0)
    *ret_is_one = store_body_has_code(scratch, body, code);
  return failed;
}

/* The ids of the rows whose bodies have `value`. */
static int take_holders(struct store_view *view, struct db_statement *row, struct str value,
                        size_t max, struct arena *arena, struct str *ret_ids, size_t *ret_n,
                        struct err *reterr) {
  struct arena *scratch = arena_new(STORE_BODY_SCRATCH_BYTES);
  bool has_row = false, is_one = false;
  int code = scratch ? 0 : err_no_memory(reterr);
  while (code == 0 && *ret_n < max && (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    code = store_holder_read(view, row, scratch, value, &is_one, reterr);
    if (code || !is_one)
      continue;
    ret_ids[*ret_n] = schema_id_unpack(arena, db_column_str(row, 2));
    if (!ret_ids[*ret_n].p)
      code = err_no_memory(reterr);
    ++*ret_n;
  }
  arena_free(scratch);
  return code;
}

/* Of what has the same hash as an identifier, so many may be another one: far more than ever are.
 */
enum { FALSE_MATCHES_MAX = STORE_HOLDERS_LOOKED_AT - STORE_HOLDERS_MAX };

int store_find_identifiers(struct store_view *view, const struct access *access,
                           struct arena *arena, defs_type_id type, struct str system,
                           struct str value, size_t max, struct str *ret_ids, size_t *ret_n,
                           struct err *reterr) {
  const struct schema *schema = store_view_schema(view);
  struct store_filter filter;
  struct db_query query;
  struct db_statement *row = NULL;
  defs_param_id param = defs_param_by_code(type, STR("identifier"));
  *ret_n = 0;
  if (!param)
    return 0;
  int code = store_filter(store_view_db(view), schema, access, &filter, reterr);
  if (code != 0)
    return code;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT " IDENTIFIER_COLUMNS("4096") " FROM token t");
  db_query_add(&query, DIALECT_JOIN(filter.kind, "resource", "r", "r.rid=t.rid"));
  db_query_add(&query, " WHERE t.first=0 AND t.param=");
  db_query_i64(&query, schema_param_number(schema, param));
  db_query_add(&query, " AND t.hash=");
  db_query_i64(&query, schema_token_hash(schema, system, value));
  db_query_add(&query, " AND r.type=");
  db_query_i64(&query, schema_type_number(schema, type));
  db_query_add(&query, " AND r.state=1 AND ");
  store_filter_add(&query, &filter, "r", type);
  db_query_addf(&query, " LIMIT %zu", max + FALSE_MATCHES_MAX);
  code = db_query_start(store_view_db(view), &query, &row, reterr);
  if (code == 0)
    code = take_holders(view, row, value, max, arena, ret_ids, ret_n, reterr);
  db_release(row);
  return code;
}

int store_find_identifier(struct store_view *view, const struct access *access, struct arena *arena,
                          defs_type_id type, struct str system, struct str value,
                          struct str *ret_id, struct err *reterr) {
  struct str ids[2] = {0};
  size_t n = 0;
  int code = store_find_identifiers(view, access, arena, type, system, value, 2, ids, &n, reterr);
  if (code == 0 && n > 1)
    code = err_set(reterr, ERR_MULTIPLE_MATCHES, "", "More than one %.*s has this identifier.",
                   STR_ARG(defs_type(type)->name));
  *ret_id = ids[0];
  return code;
}

int store_counts(struct store_view *view, const struct access *access, uint64_t *ret_counts,
                 struct err *reterr) {
  const struct schema *schema = store_view_schema(view);
  struct store_filter filter;
  struct arena *arena = arena_new((size_t)1 << 20);
  if (!arena)
    return err_no_memory(reterr);
  struct db_query query;
  db_query_init(&query, arena);
  int code = store_filter(store_view_db(view), schema, access, &filter, reterr);
  if (code == 0 && filter.is_everything) {
    db_query_add(&query, "SELECT number,n FROM counter WHERE kind=1");
  } else if (code == 0) {
    db_query_add(&query, "SELECT r.type,count(*) FROM resource r WHERE r.state=1 AND ");
    store_filter_add(&query, &filter, "r", 0);
    db_query_add(&query, " GROUP BY r.type");
  }
  struct db_statement *row = NULL;
  memset(ret_counts, 0, (defs_types_count() + 1) * sizeof *ret_counts);
  if (code == 0)
    code = db_query_start(store_view_db(view), &query, &row, reterr);
  bool has_row = code == 0;
  while (code == 0 && has_row) {
    code = db_step(row, &has_row, reterr);
    if (code == 0 && has_row)
      ret_counts[schema_type(schema, db_column_i64(row, 0))] = (uint64_t)db_column_i64(row, 1);
  }
  db_release(row);
  arena_free(arena);
  return code;
}
