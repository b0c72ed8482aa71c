#include "store/schema/schema_tables.h"

#include <math.h>

#include "base/id.h"
#include "store/schema/fact.h"

static const struct schema_tables *tables_of(struct db *db) {
  return db_kind(db) == DB_POSTGRES ? &schema_tables_postgres : &schema_tables_sqlite;
}

static int run_all(struct db *db, const char *const *statements, struct err *reterr) {
  int code = 0;
  if (!statements)
    return err_set(reterr, ERR_STORE, "",
                   "The store says that its schema is of a version which this engine never had;"
                   " restore it from a backup.");
  for (; code == 0 && *statements; statements++)
    code = db_run(db, *statements, reterr);
  return code;
}

static int run_upgrades(struct db *db, uint32_t from_version, struct err *reterr) {
  const struct schema_tables *tables = tables_of(db);
  struct db_statement *row = NULL;
  int code = 0;
  for (uint32_t version = from_version; code == 0 && version < SCHEMA_VERSION; version++)
    code = run_all(db, tables->upgrades[version - 1], reterr);
  if (code == 0)
    code = db_prepare(db, STR("UPDATE sequence SET schema=? WHERE id=1"), &row, reterr);
  if (code == 0) {
    db_bind_i64(row, 1, SCHEMA_VERSION);
    code = db_execute(row, reterr);
    db_release(row);
  }
  if (code == 0)
    code = db_set_identity(db, (struct db_identity){SCHEMA_APPLICATION, SCHEMA_VERSION}, reterr);
  return code;
}

/* The facts of a store that is new. */
static int write_facts(struct db *db, struct err *reterr) {
  struct hash_key key = hash_key_random();
  int code = db_run(db, "INSERT INTO counter VALUES(101,0,1)", reterr);
  if (code == 0)
    code = fact_set(db, FACT_INDEX_FORM, STR(SCHEMA_INDEX_FORM), reterr);
  return code ? code : fact_set_bytes(db, FACT_KEY, str_n((const char *)&key, sizeof key), reterr);
}

/* In a write transaction: whoever comes second finds what the first has made. */
static int bring_up_to_date(struct db *db, struct err *reterr) {
  struct db_identity identity;
  int code = db_identity(db, &identity, reterr);
  if (code != 0 || identity.version >= SCHEMA_VERSION)
    return code;
  if (identity.version > 0)
    return run_upgrades(db, identity.version, reterr);
  const struct schema_tables *tables = tables_of(db);
  code = run_all(db, tables->make, reterr);
  if (code == 0)
    code = run_upgrades(db, tables->made_version, reterr);
  return code ? code : write_facts(db, reterr);
}

int schema_refuse_unfinished(struct db *db, struct err *reterr) {
  bool is_copy = false, is_backup = false;
  int code = fact_has(db, FACT_COPY, &is_copy, reterr);
  if (code == 0)
    code = fact_has(db, FACT_BACKUP, &is_backup, reterr);
  if (code == 0 && is_copy)
    code = err_set(reterr, ERR_STORE, "",
                   "This store is an unfinished copy. Run the same `callosum copy` again: it goes"
                   " on where it stopped.");
  else if (code == 0 && is_backup)
    code = err_set(reterr, ERR_STORE, "",
                   "This is a backup, not a store: `callosum restore` makes a store of it.");
  return code;
}

static int read_facts(struct db *db, struct arena *arena, struct schema *schema,
                      struct err *reterr) {
  struct str key = STR_NULL;
  int code = schema_refuse_unfinished(db, reterr);
  if (code == 0)
    code = fact_read(db, arena, FACT_KEY, &key, reterr);
  if (code == 0 && key.n != sizeof schema->key)
    code = err_set(reterr, ERR_STORE, "", "The store has lost its key; restore it from a backup.");
  if (code == 0)
    memcpy(&schema->key, key.p, sizeof schema->key);
  return code ? code : fact_has(db, FACT_SHARDS, &schema->is_sharded, reterr);
}

/* ---- Numbers of types and parameters ---- */

struct numbers {
  uint16_t *by_id; /* id of the definitions -> number */
  uint16_t *ids;   /* number -> id */
  size_t ids_n;
};

static int numbers_init(struct numbers *numbers, struct db *db, struct arena *arena,
                        const char *max_sql, size_t ids, struct err *reterr) {
  struct db_query query;
  int64_t max = 0;
  db_query_init(&query, arena);
  db_query_add(&query, max_sql);
  int code = db_query_number(db, &query, 0, &max, reterr);
  if (code != 0)
    return code;
  if (max < 0 || (uint64_t)max + ids >= UINT16_MAX) {
    err_set(reterr, ERR_STORE, "", "The store numbers too many types or parameters.");
    return ERR_STORE;
  }
  numbers->ids_n = (size_t)max + 1;
  size_t room = ids + DEFS_CUSTOM_MAX + 1; /* for new ones */
  numbers->by_id = ARENA_ARRAY(arena, uint16_t, room);
  numbers->ids = ARENA_ARRAY(arena, uint16_t, numbers->ids_n + room);
  return numbers->by_id && numbers->ids ? 0 : err_no_memory(reterr);
}

static void numbers_set(struct numbers *numbers, uint16_t id, size_t number) {
  numbers->by_id[id] = (uint16_t)number;
  numbers->ids[number] = id;
}

static int read_types(struct db *db, struct numbers *numbers, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, STR("SELECT number,name FROM type"), &statement, reterr);
  if (code != 0)
    return code;
  bool has_row;
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    defs_type_id type = defs_type_by_name(db_column_str(statement, 1));
    if (type)
      numbers_set(numbers, type, (size_t)db_column_i64(statement, 0));
  }
  db_release(statement);
  return code;
}

/* Only types that a resource can be of have numbers. */
static int add_types(struct db *db, struct numbers *numbers, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, STR("INSERT INTO type VALUES(?,?)"), &statement, reterr);
  if (code != 0)
    return code;
  for (size_t id = 1; code == 0 && id <= defs_types_count(); id++) {
    const struct defs_type *type = defs_type((defs_type_id)id);
    if (!defs_is_resource(type) || numbers->by_id[id])
      continue;
    numbers_set(numbers, (uint16_t)id, numbers->ids_n++);
    db_bind_i64(statement, 1, numbers->by_id[id]);
    db_bind_text(statement, 2, type->name);
    code = db_execute(statement, reterr);
  }
  db_release(statement);
  return code;
}

static int read_params(struct db *db, struct numbers *numbers, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, STR("SELECT number,type,code FROM param"), &statement, reterr);
  if (code != 0)
    return code;
  bool has_row;
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    defs_type_id type = defs_type_by_name(db_column_str(statement, 1));
    defs_param_id param = defs_param_by_code(type, db_column_str(statement, 2));
    if (param && param <= defs_params_count() && defs_param(param)->base == type)
      numbers_set(numbers, param, (size_t)db_column_i64(statement, 0));
  }
  db_release(statement);
  return code;
}

/* `identity` and `resource` are the index of these. Number 0 keeps them out of the search tables.
 */
static bool has_no_rows(struct str code) {
  return str_is(code, "_id") || str_is(code, "_lastUpdated");
}

static int add_params(struct db *db, struct numbers *numbers, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code =
      db_prepare(db, STR("INSERT INTO param(number,type,code) VALUES(?,?,?)"), &statement, reterr);
  if (code != 0)
    return code;
  for (size_t id = 1; code == 0 && id <= defs_params_count(); id++) {
    const struct defs_param *param = defs_param((defs_param_id)id);
    if (numbers->by_id[id] || has_no_rows(param->code))
      continue;
    numbers_set(numbers, (uint16_t)id, numbers->ids_n++);
    db_bind_i64(statement, 1, numbers->by_id[id]);
    db_bind_text(statement, 2, defs_type(param->base)->name);
    db_bind_text(statement, 3, param->code);
    code = db_execute(statement, reterr);
  }
  db_release(statement);
  return code;
}

static int adopt_params(struct db *db, const struct numbers *numbers, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, STR("SELECT number FROM param WHERE state<>0"), &statement, reterr);
  if (code != 0)
    return code;
  bool has_row, has_adopted = false;
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row)
    has_adopted |= numbers->ids[db_column_i64(statement, 0)] != 0;
  db_release(statement);
  if (code != 0 || !has_adopted)
    return code;
  code = db_prepare(db, STR("UPDATE param SET state=0,job=0,definition='' WHERE number=?"),
                    &statement, reterr);
  for (size_t number = 1; code == 0 && number < numbers->ids_n; number++)
    if (numbers->ids[number]) {
      db_bind_i64(statement, 1, (int64_t)number);
      code = db_execute(statement, reterr);
    }
  db_release(statement);
  return code ? code : fact_remove(db, FACT_INDEX_FORM, reterr);
}

/* Inside a transaction. `may_add`: give numbers to what the store does not know yet. */
static int read_numbers(struct db *db, struct arena *arena, bool may_add, struct schema *schema,
                        struct err *reterr) {
  struct numbers types = {0}, params = {0};
  int code =
      numbers_init(&types, db, arena, "SELECT max(number) FROM type", defs_types_count(), reterr);
  if (code == 0)
    code = numbers_init(&params, db, arena, "SELECT max(number) FROM param", defs_params_count(),
                        reterr);
  if (code == 0)
    code = read_types(db, &types, reterr);
  if (code == 0 && may_add)
    code = add_types(db, &types, reterr);
  if (code == 0)
    code = read_params(db, &params, reterr);
  size_t known_n = params.ids_n;
  if (code == 0 && may_add)
    code = add_params(db, &params, reterr);
  if (code == 0 && may_add && params.ids_n > known_n && known_n > 1)
    code = fact_remove(db, FACT_INDEX_FORM, reterr);
  if (code == 0 && may_add) /* what was an own parameter may have become one of the definitions */
    code = adopt_params(db, &params, reterr);
  if (code != 0)
    return code;
  schema->type_numbers = types.by_id;
  schema->types = types.ids;
  schema->types_n = types.ids_n;
  schema->param_numbers = params.by_id;
  schema->params = params.ids;
  schema->params_n = params.ids_n + DEFS_CUSTOM_MAX;
  return 0;
}

/* All of it or nothing, and one process at a time. */
int schema_open(struct db *db, struct arena *arena, struct schema *ret_schema, struct err *reterr) {
  int code = db_begin_write(db, reterr);
  if (code == 0)
    code = bring_up_to_date(db, reterr);
  if (code == 0)
    code = read_facts(db, arena, ret_schema, reterr);
  if (code == 0)
    code = read_numbers(db, arena, true, ret_schema, reterr);
  if (code == 0)
    code = db_commit(db, reterr);
  if (code != 0)
    db_rollback(db);
  return code;
}

static int read_schema(struct db *db, struct arena *arena, struct schema *schema,
                       struct err *reterr) {
  struct db_identity identity;
  int code = db_identity(db, &identity, reterr);
  if (code == 0 && identity.version == 0)
    return err_set(reterr, ERR_STORE, "", "There is no store here yet.");
  if (code == 0 && identity.version < SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "",
                   "The store was made by an older version of Callosum; `callosum serve` or"
                   " `callosum import` upgrades it when it opens it for writing.");
  if (code == 0)
    code = read_facts(db, arena, schema, reterr);
  return code ? code : read_numbers(db, arena, false, schema, reterr);
}

int schema_read(struct db *db, struct arena *arena, struct schema *ret_schema, struct err *reterr) {
  int code = db_begin_read(db, reterr);
  if (code == 0)
    code = read_schema(db, arena, ret_schema, reterr);
  db_rollback(db);
  return code;
}

/* ---- Values to keys ---- */

#define TOKEN_SYSTEM_BITS 20

/* The same bytes in another role must not give the same hash, so each role begins with its own
 * letter. */
static uint64_t hash_as(const struct schema *schema, char role, struct str a, struct str b) {
  struct str parts[3] = {{&role, 1}, a, b};
  return hash_siphash_parts(schema->key, parts, 3);
}

static uint64_t code_bits(const struct schema *schema, struct str code) {
  return hash_as(schema, 'c', code, STR_NULL) & ~(uint64_t)SCHEMA_TOKEN_SYSTEM_MASK;
}

int64_t schema_token_hash(const struct schema *schema, struct str system, struct str code) {
  uint64_t bits = 0;
  if (!str_is_empty(system)) {
    bits = hash_as(schema, 's', system, STR_NULL) & SCHEMA_TOKEN_SYSTEM_MASK;
    if (bits == 0)
      bits = 1; /* 0 says that there is no system */
  }
  return (int64_t)(code_bits(schema, code) | bits);
}

int64_t schema_token_first(const struct schema *schema, struct str code) {
  return (int64_t)code_bits(schema, code);
}

int64_t schema_token_last(const struct schema *schema, struct str code) {
  return (int64_t)(code_bits(schema, code) | SCHEMA_TOKEN_SYSTEM_MASK);
}

int64_t schema_text_hash(const struct schema *schema, struct str text) {
  return (int64_t)hash_as(schema, 't', text, STR_NULL);
}

int64_t schema_url_target(const struct schema *schema, struct str url) {
  return (int64_t)(hash_as(schema, 'u', url, STR_NULL) | (uint64_t)1 << 63);
}

int64_t schema_exact_hash(const struct schema *schema, struct str exact) {
  return (int64_t)(hash_as(schema, 'e', exact, STR_NULL) & 0x7fffffff);
}

int64_t schema_identity_key(const struct schema *schema, defs_type_id type, struct str id) {
  return (int64_t)hash_as(schema, 'i', defs_type(type)->name, id);
}

struct str schema_cut(struct str folded) {
  if (folded.n <= SCHEMA_FOLDED_MAX_BYTES)
    return folded;
  size_t n = SCHEMA_FOLDED_MAX_BYTES;
  while (n > 0 && ((unsigned char)folded.p[n] & 0xc0) == 0x80)
    n--;
  return str_n(folded.p, n);
}

int schema_date_class(int64_t lo, int64_t hi) {
  uint64_t span = (uint64_t)hi - (uint64_t)lo;
  if (lo == INT64_MIN || hi == INT64_MAX || span > (uint64_t)1 << 62)
    return SCHEMA_DATE_CLASSES - 1;
  return span <= 1 ? 0 : 64 - __builtin_clzll(span - 1);
}

int64_t schema_position_cell(double latitude, double longitude) {
  int64_t row = (int64_t)floor(latitude) + 90, column = (int64_t)floor(longitude) + 180;
  return 1 + row * 360 + (column >= 360 ? 0 : column);
}

#define ID_UUID_MARK '\1' /* not a character of a FHIR id */

static int hex_value(char c) {
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool pack_uuid(struct str id, char ret_bytes[16]) {
  if (id.n != ID_UUID_BYTES - 1)
    return false;
  size_t n = 0;
  for (size_t i = 0; i < id.n; i++) {
    if (i == 8 || i == 13 || i == 18 || i == 23) {
      if (id.p[i] != '-')
        return false;
      continue;
    }
    int high = hex_value(id.p[i]), low = hex_value(id.p[i + 1]);
    if (high < 0 || low < 0)
      return false;
    ret_bytes[n++] = (char)(high << 4 | low);
    i++;
  }
  return true;
}

struct schema_id schema_id_pack(struct str id) {
  struct schema_id packed;
  if (pack_uuid(id, packed.bytes + 1)) {
    packed.bytes[0] = ID_UUID_MARK;
    packed.n = 17;
    return packed;
  }
  packed.n = (uint8_t)(id.n < SCHEMA_ID_MAX_BYTES ? id.n : SCHEMA_ID_MAX_BYTES);
  if (packed.n)
    memcpy(packed.bytes, id.p, packed.n);
  return packed;
}

struct str schema_id_unpack(struct arena *arena, struct str packed) {
  if (packed.n != 17 || packed.p[0] != ID_UUID_MARK)
    return arena_str(arena, packed);
  static const char digits[] = "0123456789abcdef";
  char *text = arena_alloc(arena, ID_UUID_BYTES);
  if (!text)
    return STR_NULL;
  size_t n = 0;
  for (size_t i = 1; i < 17; i++) {
    if (n == 8 || n == 13 || n == 18 || n == 23)
      text[n++] = '-';
    text[n++] = digits[(unsigned char)packed.p[i] >> 4];
    text[n++] = digits[packed.p[i] & 0xf];
  }
  text[n] = '\0';
  return str_n(text, n);
}
