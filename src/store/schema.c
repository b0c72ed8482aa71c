#include "store/schema.h"

#include <math.h>

#include "base/id.h"

/*
 * The tables of version 1. What the columns mean for a search is in schema.h, the packed ones are
 * in docs/internals/storage.md. Columns that are read for every row stand before the long ones.
 * These statements don't change any more: a new file is made of them and of all upgrades, so that
 * it has the same tables as an old one.
 */
static const char TABLES[] =
    /* Facts of this file: "key" (16 bytes, of all hashes), "created" (microseconds, decimal). */
    "CREATE TABLE store(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE type(number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    "CREATE TABLE param(number INTEGER PRIMARY KEY, type TEXT NOT NULL, code TEXT NOT NULL,"
    " UNIQUE(type, code));"
    /* The compression dictionaries that bodies in this file were written with. */
    "CREATE TABLE dictionary(number INTEGER PRIMARY KEY, kind INTEGER NOT NULL,"
    " trained_at INTEGER NOT NULL, bytes BLOB NOT NULL);"
    "CREATE TABLE counter(kind INTEGER, number INTEGER, n INTEGER NOT NULL,"
    " PRIMARY KEY(kind, number)) WITHOUT ROWID;"

    /* The order of the world. */
    "CREATE TABLE commit_log(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, principal TEXT NOT "
    "NULL);"

    "CREATE TABLE resource(rid INTEGER PRIMARY KEY, type INTEGER NOT NULL, id BLOB NOT NULL,"
    " version INTEGER NOT NULL, updated INTEGER NOT NULL, state INTEGER NOT NULL,"
    " seq INTEGER NOT NULL, keys BLOB, body BLOB);"
    "CREATE INDEX resource_live ON resource(type, updated) WHERE state=1;"
    "CREATE TABLE identity(key INTEGER, rid INTEGER, PRIMARY KEY(key, rid)) WITHOUT ROWID;"
    "CREATE TABLE version(rid INTEGER, version INTEGER, updated INTEGER NOT NULL,"
    " state INTEGER NOT NULL, seq INTEGER NOT NULL, body BLOB, PRIMARY KEY(rid, version))"
    " WITHOUT ROWID;"

    "CREATE TABLE token(param INTEGER, first INTEGER, hash INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, first, hash, rid)) WITHOUT ROWID;"
    "CREATE TABLE string(param INTEGER, first INTEGER, folded TEXT, exact INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, first, folded, exact, rid)) WITHOUT ROWID;"
    "CREATE TABLE date(param INTEGER, first INTEGER, class INTEGER, lo INTEGER, hi INTEGER,"
    " rid INTEGER, PRIMARY KEY(param, first, class, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE number(param INTEGER, first INTEGER, lo REAL, hi REAL, rid INTEGER,"
    " PRIMARY KEY(param, first, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE quantity(param INTEGER, first INTEGER, unit INTEGER, lo REAL, hi REAL,"
    " rid INTEGER, PRIMARY KEY(param, first, unit, lo, hi, rid)) WITHOUT ROWID;"
    "CREATE TABLE uri(param INTEGER, hash INTEGER, rid INTEGER, PRIMARY KEY(param, hash, rid))"
    " WITHOUT ROWID;"
    "CREATE TABLE reference(param INTEGER, target INTEGER, rid INTEGER,"
    " PRIMARY KEY(param, target, rid)) WITHOUT ROWID;"
    "CREATE TABLE vocabulary(param INTEGER, text TEXT, hash INTEGER, PRIMARY KEY(param, text, "
    "hash)) WITHOUT ROWID;"

    /* status: enum store_message_status. raw, reply: packed like bodies. */
    "CREATE TABLE message(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, status INTEGER NOT "
    "NULL, received INTEGER NOT NULL, size INTEGER NOT NULL, channel TEXT NOT NULL,"
    " sender TEXT NOT NULL, control_id TEXT NOT NULL, type TEXT NOT NULL, event TEXT NOT NULL,"
    " version_id TEXT NOT NULL, patient TEXT NOT NULL, reason TEXT NOT NULL, reply BLOB, raw "
    "BLOB);"
    "CREATE INDEX message_status ON message(status) WHERE status<>1;"
    /* key: hash of sender, control id and raw bytes of an accepted message. */
    "CREATE TABLE message_seen(key INTEGER, number INTEGER, PRIMARY KEY(key, number)) WITHOUT "
    "ROWID;"
    /* The words by which a message is found: sender, control id, type, event, patient, in lower
       case. */
    "CREATE TABLE message_word(word TEXT, number INTEGER, PRIMARY KEY(word, number)) WITHOUT "
    "ROWID;"
    /* Which message led to (or confirmed) which version, and by what lineage (flow/lineage.h). */
    "CREATE TABLE lineage(message INTEGER, rid INTEGER, version INTEGER, bytes BLOB,"
    " PRIMARY KEY(message, rid, version)) WITHOUT ROWID;"
    "CREATE INDEX lineage_resource ON lineage(rid, version);"

    "CREATE TABLE audit(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, action TEXT NOT NULL,"
    " what TEXT NOT NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL);"
    /* What automation reads: one row per changed resource (kind: enum store_effect) and per message
       (kind 0). */
    "CREATE TABLE event(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " rid INTEGER NOT NULL, version INTEGER NOT NULL, message INTEGER NOT NULL);"
    /* state 0: waits until not_before. */
    "CREATE TABLE delivery(number INTEGER PRIMARY KEY, seq INTEGER NOT NULL, state INTEGER NOT "
    "NULL, not_before INTEGER NOT NULL, attempts INTEGER NOT NULL, destination TEXT NOT NULL,"
    " content_type TEXT NOT NULL, body BLOB);"
    "CREATE INDEX delivery_waiting ON delivery(not_before) WHERE state=0;";

/* What version 2 has more; each of these also fills what an old file can tell. */
static const char *const FROM_1[] = {
    /* The history of a type: the events of its resources. */
    "ALTER TABLE event ADD COLUMN type INTEGER NOT NULL DEFAULT 0;"
    "UPDATE event SET type=coalesce((SELECT r.type FROM resource r WHERE r.rid=event.rid),0)"
    " WHERE kind<>0;"
    "CREATE INDEX event_type ON event(type) WHERE type>0;"
    "INSERT INTO counter SELECT 3,type,count(*) FROM event WHERE type>0 GROUP BY type;",

    /* Background jobs (job.h): state is enum job_state; request and result are packed. A number is
       never given again. */
    "CREATE TABLE job(number INTEGER PRIMARY KEY AUTOINCREMENT, state INTEGER NOT NULL,"
    " kind TEXT NOT NULL, owner TEXT NOT NULL, created INTEGER NOT NULL, updated INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, done INTEGER NOT NULL, total INTEGER NOT NULL,"
    " progress TEXT NOT NULL, request BLOB, result BLOB);"
    "CREATE INDEX job_unfinished ON job(number) WHERE state<3;",

    /* Parameters that SearchParameter resources define: enum schema_param_state, the definition
       that the rows are of (parameters.h), the job that builds or clears its rows. */
    "ALTER TABLE param ADD COLUMN state INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE param ADD COLUMN job INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE param ADD COLUMN definition TEXT NOT NULL DEFAULT '';",

    /* The index for texts (text_index.h). */
    "CREATE TABLE text(word TEXT, type INTEGER, first INTEGER, rids BLOB NOT NULL,"
    " PRIMARY KEY(word, type, first)) WITHOUT ROWID;",

    NULL,
};

/* By the version that they lead on from, less 1. */
static const char *const *const UPGRADES[SCHEMA_VERSION - 1] = {FROM_1};

static int run_upgrades(struct db *db, uint32_t from_version, struct err *reterr) {
  int code = 0;
  for (uint32_t version = from_version; code == 0 && version < SCHEMA_VERSION; version++)
    for (const char *const *sql = UPGRADES[version - 1]; code == 0 && *sql; sql++)
      code = db_run(db, *sql, reterr);
  if (code == 0)
    code = db_set_identity(db, (struct db_identity){SCHEMA_APPLICATION, SCHEMA_VERSION}, reterr);
  return code;
}

/* An old file becomes one of this version in one transaction: all of it or nothing. */
static int upgrade_tables(struct db *db, uint32_t from_version, struct err *reterr) {
  int code = db_begin_write(db, reterr);
  if (code == 0)
    code = run_upgrades(db, from_version, reterr);
  if (code == 0)
    code = db_commit(db, reterr);
  if (code != 0)
    db_rollback(db);
  return code;
}

static int make_tables(struct db *db, struct err *reterr) {
  struct hash_key key = hash_key_random();
  struct db_statement *statement = NULL;
  int code = db_begin_write(db, reterr);
  if (code == 0)
    code = db_run(db, TABLES, reterr);
  if (code == 0)
    code = run_upgrades(db, 1, reterr);
  if (code == 0)
    code = db_run(db, "INSERT INTO counter VALUES(101,0,1)", reterr);
  if (code == 0)
    code = db_run(db, "INSERT INTO store VALUES('index_form','" SCHEMA_INDEX_FORM "')", reterr);
  if (code == 0)
    code = db_prepare(db, STR("INSERT INTO store VALUES('key',?)"), &statement, reterr);
  if (code == 0) {
    db_bind_bytes(statement, 1, str_n((const char *)&key, sizeof key));
    code = db_execute(statement, reterr);
    db_release(statement);
  }
  if (code == 0)
    code = db_commit(db, reterr);
  if (code != 0)
    db_rollback(db);
  return code;
}

static int read_key(struct db *db, struct hash_key *ret_key, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db, STR("SELECT value FROM store WHERE name='key'"), &statement, reterr);
  if (code != 0)
    return code;
  bool has_row = false;
  code = db_step(statement, &has_row, reterr);
  struct str value = code == 0 && has_row ? db_column_str(statement, 0) : STR_NULL;
  if (value.p && value.n == sizeof *ret_key)
    memcpy(ret_key, value.p, sizeof *ret_key);
  else if (code == 0)
    code = err_set(reterr, ERR_STORE, "", "The store has lost its key; restore it from a backup.");
  db_release(statement);
  return code;
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
  return code ? code : db_run(db, "DELETE FROM store WHERE name='index_form'", reterr);
}

/* `may_add`: give numbers to what the file does not know yet (in a write transaction). */
static int read_numbers(struct db *db, struct arena *arena, bool may_add, struct schema *schema,
                        struct err *reterr) {
  struct numbers types = {0}, params = {0};
  int code =
      numbers_init(&types, db, arena, "SELECT max(number) FROM type", defs_types_count(), reterr);
  if (code == 0)
    code = numbers_init(&params, db, arena, "SELECT max(number) FROM param", defs_params_count(),
                        reterr);
  if (code == 0)
    code = may_add ? db_begin_write(db, reterr) : db_begin_read(db, reterr);
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
    code = db_run(db, "DELETE FROM store WHERE name='index_form'", reterr);
  if (code == 0 && may_add) /* what was an own parameter may have become one of the definitions */
    code = adopt_params(db, &params, reterr);
  if (code == 0)
    code = db_commit(db, reterr);
  if (code != 0) {
    db_rollback(db);
    return code;
  }
  schema->type_numbers = types.by_id;
  schema->types = types.ids;
  schema->types_n = types.ids_n;
  schema->param_numbers = params.by_id;
  schema->params = params.ids;
  schema->params_n = params.ids_n + DEFS_CUSTOM_MAX;
  return 0;
}

int schema_open(struct db *db, struct arena *arena, struct schema *ret_schema, struct err *reterr) {
  struct db_identity identity;
  int code = db_identity(db, &identity, reterr);
  if (code == 0 && identity.version == 0)
    code = make_tables(db, reterr);
  else if (code == 0 && identity.version < SCHEMA_VERSION)
    code = upgrade_tables(db, identity.version, reterr);
  if (code == 0)
    code = read_key(db, &ret_schema->key, reterr);
  return code ? code : read_numbers(db, arena, true, ret_schema, reterr);
}

int schema_read(struct db *db, struct arena *arena, struct schema *ret_schema, struct err *reterr) {
  struct db_identity identity;
  int code = db_identity(db, &identity, reterr);
  if (code == 0 && identity.version == 0)
    return err_set(reterr, ERR_STORE, "", "The file holds no store yet.");
  if (code == 0 && identity.version < SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "",
                   "The store was made by an older version of Callosum; `callosum serve` or"
                   " `callosum import` upgrades it when it opens it for writing.");
  if (code == 0)
    code = read_key(db, &ret_schema->key, reterr);
  return code ? code : read_numbers(db, arena, false, ret_schema, reterr);
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
