/* Many look-ups in one question: what a message names is found in two round trips, not in two for
 * each of its resources. */
#include "store/store_internal.h"

#include "base/id.h"
#include "store/db/dialect.h"

/* ---- By id ---- */

struct read_row {
  int64_t key, type;
  struct str packed_id;
};

static int fill_row(struct store_view *view, struct arena *arena, const struct store_name *name,
                    struct read_row *row, struct err *reterr) {
  const struct schema *schema = store_view_schema(view);
  if (!name->type || !id_is_fhir_id(name->id)) {
    *row = (struct read_row){.type = -1, .packed_id = STR("")}; /* there is none */
    return 0;
  }
  struct schema_id packed = schema_id_pack(name->id);
  *row = (struct read_row){.key = schema_identity_key(schema, name->type, name->id),
                           .type = schema_type_number(schema, name->type),
                           .packed_id = arena_str(arena, str_n(packed.bytes, packed.n))};
  return row->packed_id.p ? 0 : err_no_memory(reterr);
}

static int read_rows(struct store_view *view, struct arena *arena, const struct read_row *rows,
                     size_t n, struct store_resource *ret_resources, struct err *reterr) {
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, key), DB_COLUMN(DB_I64, rows, type),
                                      DB_COLUMN(DB_BYTES, rows, packed_id)};
  struct db_statement *found = NULL;
  char sql[512];
  snprintf(sql, sizeof sql,
           "SELECT " STORE_AHEAD_COLUMNS " FROM identity i%s WHERE i.key=? AND r.type=? AND r.id=?"
           " AND r.state<>0 LIMIT 1",
           DIALECT_JOIN(db_kind(store_view_db(view)), "resource", "r", "r.rid=i.rid"));
  int code = db_select_rows(store_view_db(view), str_of(sql), columns, 3, n, &found, reterr);
  if (code != 0)
    return code;
  bool has_row = false;
  while ((code = db_step(found, &has_row, reterr)) == 0 && has_row)
    if ((code = store_row_read_ahead(view, found, 0, arena, &ret_resources[db_asked_row(found)],
                                     reterr)) != 0)
      break;
  db_release(found);
  return code;
}

/* Where not everything may be seen, each is asked for with the filter. */
static int read_each(struct store_view *view, const struct access *access, struct arena *arena,
                     const struct store_name *names, size_t n, struct store_resource *ret_resources,
                     struct err *reterr) {
  for (size_t i = 0; i < n; i++) {
    int code =
        store_read(view, access, arena, names[i].type, names[i].id, &ret_resources[i], reterr);
    if (code != 0 && code != ERR_NOT_FOUND && code != ERR_DELETED)
      return code;
  }
  return 0;
}

int store_read_many(struct store_view *view, const struct access *access, struct arena *arena,
                    const struct store_name *names, size_t n, struct store_resource *ret_resources,
                    struct err *reterr) {
  struct store_filter filter;
  struct read_row *rows = ARENA_ARRAY(arena, struct read_row, n + 1);
  if (!rows)
    return err_no_memory(reterr);
  memset(ret_resources, 0, n * sizeof *ret_resources);
  int code = store_filter(store_view_db(view), store_view_schema(view), access, &filter, reterr);
  if (code == 0 && !filter.is_everything)
    return read_each(view, access, arena, names, n, ret_resources, reterr);
  for (size_t i = 0; i < n && code == 0; i++)
    code = fill_row(view, arena, &names[i], &rows[i], reterr);
  for (size_t i = 0; i < n && code == 0; i += STORE_AHEAD_ROWS)
    code = read_rows(view, arena, rows + i, n - i < STORE_AHEAD_ROWS ? n - i : STORE_AHEAD_ROWS,
                     ret_resources + i, reterr);
  return code;
}

/* What has one id under several types: the statement stays the same, the arrays are longer. */
int store_rids(struct db *db, const struct schema *schema, const defs_type_id *types, size_t n,
               struct str id, uint64_t *ret_rids, struct err *reterr) {
  enum { AT_ONCE = 64 };
  struct read_row rows[AT_ONCE];
  char sql[320];
  memset(ret_rids, 0, n * sizeof *ret_rids);
  if (n == 0 || !id_is_fhir_id(id))
    return 0;
  if (n == 1)
    return store_rid(db, schema, types[0], id, ret_rids, reterr);
  struct schema_id packed = schema_id_pack(id);
  snprintf(sql, sizeof sql,
           "SELECT r.rid FROM identity i%s WHERE i.key=? AND r.type=? AND r.id=? LIMIT 1",
           DIALECT_JOIN(db_kind(db), "resource", "r", "r.rid=i.rid"));
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, key), DB_COLUMN(DB_I64, rows, type),
                                      DB_COLUMN(DB_BYTES, rows, packed_id)};
  int code = 0;
  for (size_t first = 0; first < n && code == 0; first += AT_ONCE) {
    struct db_statement *found = NULL;
    size_t rows_n = n - first < AT_ONCE ? n - first : AT_ONCE;
    bool has_row = false;
    for (size_t i = 0; i < rows_n; i++)
      rows[i] = (struct read_row){.key = schema_identity_key(schema, types[first + i], id),
                                  .type = schema_type_number(schema, types[first + i]),
                                  .packed_id = str_n(packed.bytes, packed.n)};
    code = db_select_rows(db, str_of(sql), columns, 3, rows_n, &found, reterr);
    while (code == 0 && (code = db_step(found, &has_row, reterr)) == 0 && has_row)
      ret_rids[first + db_asked_row(found)] = (uint64_t)db_column_i64(found, 0);
    db_release(found);
  }
  return code;
}

/* ---- By identifier ---- */

struct holder_row {
  int64_t ahead, param, hash, type;
};

static int add_holder(struct store_view *view, struct arena *arena, struct arena *scratch,
                      struct db_statement *row, const struct store_identifier *identifier,
                      struct store_holders *holders, struct err *reterr) {
  bool is_one = false;
  if (holders->n == STORE_HOLDERS_MAX)
    return 0;
  int code = store_holder_read(view, row, scratch, identifier->value, &is_one, reterr);
  if (code || !is_one)
    return code;
  struct str id = schema_id_unpack(arena, db_column_str(row, 2));
  if (!id.p)
    return err_no_memory(reterr);
  holders->ids[holders->n++] = id;
  return 0;
}

static int find_rows(struct store_view *view, struct arena *arena,
                     const struct store_identifier *identifiers, const struct holder_row *rows,
                     size_t n, struct store_holders *ret_holders, struct err *reterr) {
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, ahead),
                                      DB_COLUMN(DB_I64, rows, param), DB_COLUMN(DB_I64, rows, hash),
                                      DB_COLUMN(DB_I64, rows, type)};
  struct db *db = store_view_db(view);
  struct db_statement *found = NULL;
  struct arena *scratch = arena_new(STORE_BODY_SCRATCH_BYTES);
  bool has_row = false;
  int code = scratch ? 0 : err_no_memory(reterr);
  if (code == 0)
    code = db_select_rows(db, store_identifier_sql(db_kind(db)), columns, 4, n, &found, reterr);
  while (code == 0 && (code = db_step(found, &has_row, reterr)) == 0 && has_row) {
    size_t at = db_asked_row(found);
    code = add_holder(view, arena, scratch, found, &identifiers[at], &ret_holders[at], reterr);
  }
  db_release(found);
  arena_free(scratch);
  return code;
}

static int find_each(struct store_view *view, const struct access *access, struct arena *arena,
                     const struct store_identifier *identifiers, size_t n,
                     struct store_holders *ret_holders, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i++)
    code = store_find_identifiers(view, access, arena, identifiers[i].type, identifiers[i].system,
                                  identifiers[i].value, STORE_HOLDERS_MAX, ret_holders[i].ids,
                                  &ret_holders[i].n, reterr);
  return code;
}

int store_find_many(struct store_view *view, const struct access *access, struct arena *arena,
                    const struct store_identifier *identifiers, size_t n,
                    struct store_holders *ret_holders, struct err *reterr) {
  const struct schema *schema = store_view_schema(view);
  struct store_filter filter;
  struct holder_row *rows = ARENA_ARRAY(arena, struct holder_row, n + 1);
  if (!rows)
    return err_no_memory(reterr);
  memset(ret_holders, 0, n * sizeof *ret_holders);
  int code = store_filter(store_view_db(view), schema, access, &filter, reterr);
  if (code == 0 && !filter.is_everything)
    return find_each(view, access, arena, identifiers, n, ret_holders, reterr);
  for (size_t i = 0; i < n && code == 0; i++) {
    defs_param_id param = defs_param_by_code(identifiers[i].type, STR("identifier"));
    rows[i] = (struct holder_row){
        .ahead = store_ahead_bytes(n * STORE_HOLDERS_LOOKED_AT),
        .param = param ? schema_param_number(schema, param) : -1, /* no such parameter: no rows */
        .hash = schema_token_hash(schema, identifiers[i].system, identifiers[i].value),
        .type = schema_type_number(schema, identifiers[i].type)};
  }
  return code || n == 0 ? code : find_rows(view, arena, identifiers, rows, n, ret_holders, reterr);
}
