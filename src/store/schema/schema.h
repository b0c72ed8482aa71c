/*
 * The tables of the store, and how a value becomes a key in them. The statements are in
 * schema_sqlite.c and schema_postgres.c; byte layouts of the packed columns are in
 * docs/internals/storage.md.
 *
 * Numbers. `rid` (resource id) is a dense 64-bit number of one resource, given once and never
 * again, positive and rising. A type, a search parameter: a small number that belongs to this file
 * (tables `type`, `param`), because the indices of definitions.h may change with the next set of
 * definitions; `schema_type_number`, `schema_param_number` translate. A hash is a SipHash under a
 * secret key of the store, bound as a signed 64-bit integer.
 *
 * resource(rid PRIMARY KEY, type, id, version, updated, state, seq, keys, body)
 *     The current version of each resource. `id` is packed (schema_id_pack). `state`: see below; a
 *     reference to a local resource that is not there makes a row with SCHEMA_ABSENT, so that every
 *     local reference is a number. `updated`: microseconds. `seq`: the commit. `keys`: this
 *     resource's rows in the search tables, packed (keys.h): what an update must take out again,
 *     and what _sort and _include read by rid. `body`: packed (body.h).
 *     index resource_live(type, updated, rid) where state=1: all live resources of a type, in order
 *     of their last update.
 * identity(key, rid)      key = schema_identity_key(type, id). Check type and id on the row.
 * version(rid, version, updated, state, seq, body)   superseded versions only.
 *
 * Search tables (only current versions of live resources have rows; no row twice; WITHOUT ROWID,
 * the primary key is all columns in this order):
 *
 * token(param, first, hash, rid)
 *     hash = schema_token_hash(system, code): the upper 44 bits come from the code, the lower 20
 *     from the system (0 only when there is no system).
 *       system|code  hash = schema_token_hash(system, code)
 *       |code        hash = schema_token_hash("", code)
 *       code         hash BETWEEN schema_token_first(code) AND schema_token_last(code)
 *       system|      (hash & SCHEMA_TOKEN_SYSTEM_MASK) = (schema_token_hash(system, x) & MASK): a
 *                    scan of the parameter's rows; check the body
 *     One more row per different text of the value, for :text: hash = schema_text_hash(folded),
 *     with the text itself in `vocabulary`. (44 bits of identifiers of one system: about one false
 *     match in 10 million; a lookup that must be exact checks the body.)
 *     For a *reference* parameter: Reference.identifier, as system|code, for :identifier.
 *     `param` 0: the resource contains one whose type has the number `hash`, for _contained.
 * string(param, first, folded, exact, rid)
 *     folded: search_normal_string, at most SCHEMA_FOLDED_MAX_BYTES (cut at a character; when a
 *     query is longer, or :contains may lie behind the cut, check the body). exact:
 *     schema_exact_hash(as written), 31 bits, for :exact.
 * date(param, first, class, lo, hi, rid)
 *     Half-open [lo, hi) in microseconds; open ends are INT64_MIN, INT64_MAX. class =
 *     schema_date_class(lo, hi): hi - lo <= 2^class, so that a condition on `hi` bounds `lo`: for
 *     each class there is (0..SCHEMA_DATE_CLASSES-1; few are used: 10 ms, 20 second, 37 day, 42
 *     month, 45 year, 63 open), hi > x implies lo > x - 2^class.
 * number(param, first, lo, hi, rid)              lo <= value <= hi as doubles
 *     For a position (`near`): first = schema_position_cell, lo = latitude, hi = longitude.
 * quantity(param, first, unit, lo, hi, rid)
 *     unit = schema_token_hash(system, code), one row; a second row with unit =
 *     schema_token_hash("", unit text) where the unit is written differently from the code. Every
 *     `unit` of a parameter is in `vocabulary` with its text (code, or unit text): a value with no
 *     unit, or `||code`, is asked for each unit found there.
 * uri(param, hash, rid)                          hash = schema_text_hash(uri); text in `vocabulary`
 * reference(param, target, rid)
 *     target: the rid of the local resource (schema.h's `identity` finds it), or for what is not
 *     local (absolute, urn, canonical) schema_url_target(url), which is negative. A canonical with
 *     |version has two rows, with and without it. A reference to a version counts for its resource.
 * vocabulary(param, text, hash)
 *     Each different text (folded, at most SCHEMA_FOLDED_MAX_BYTES), unit or uri (as written) of a
 *     parameter, once; rows stay when the last use goes.
 *
 * `first` is 0 for the values of an ordinary parameter. A composite parameter's rows stand in the
 * table of its second component, under the composite's own param, with `first` = the first
 * component: a token's hash (token table's form), a reference's target, else schema_text_hash of
 * it. A composite with three components has a row per second component; the third is checked on the
 * body.
 *
 * stray(rid, other)
 *     In a distributed store: a resource on the shard `other` refers to `rid`, which is on another
 *     one (shard.h). Rows stay when the reference goes.
 *
 * counter(kind, number, n)
 *     1: live resources of type `number`; 2: all versions; 3: versions of type `number`.
 *     100: live resources of a type that have a row of a parameter in a table of keys.h
 *     (`schema_with_param`), or fewer: an old file began to count when it was upgraded.
 *     101: rows of `number` and `quantity` whose hi is not their lo, of one parameter; number 0 is
 *     1 in a file that has counted them from its beginning.
 *
 * event(number PRIMARY KEY, seq, kind, rid, version, message, type)
 *     One row per changed resource, in the order of the commits: the history of the system. `type`
 *     is 0 where a message is meant (kind 0); index event_type(type) where type>0: the history of
 *     one type, in the same order.
 *
 * store(name PRIMARY KEY, value): fact.h. commit_log(seq PRIMARY KEY, time, principal);
 * message(number PRIMARY KEY, ...); message_seen; message_word; lineage; audit; event; delivery;
 * dictionary: see schema_sqlite.c.
 *
 * sequence: one row, the last numbers given (sequence.h). Every INSERT gives its number itself.
 * process(id, name, started, seen, detail); lease(name, holder, until): process.h, lease.h.
 * job.holder, job.lease, delivery.holder, delivery.lease: the process that works on it (0: nobody),
 * and until when it may.
 *
 * On PostgreSQL each table has one column more, `shard`, which is last, also in every primary key:
 * so no ON CONFLICT can name columns, and what may be there already is written with an INSERT ...
 * ON CONFLICT DO NOTHING and an UPDATE.
 *
 * param(number PRIMARY KEY, type, code, state, job, definition): enum schema_param_state.
 * job: job.h. text(word, type, first, rids): text_index.h.
 *
 * Parameters of Resource (_tag, _profile, _security, _source) have one number for all types: add a
 * condition on the type. _id and _lastUpdated have no rows: `identity` and `resource` are their
 * index.
 *
 * Threads: a schema is immutable after store_open, but for the numbers of parameters that are
 * defined later. Memory: owned by the store.
 */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include "base/hash.h"
#include "model/definitions.h"
#include "store/db/db.h"

#define SCHEMA_APPLICATION 0x436c7361u /* "Clsa" */
#define SCHEMA_VERSION 3u

/* The form of the rows in the search tables: to be raised when the same body gives other rows. A
 * file with another form (or, from version 1, with none: store('index_form')) is indexed again in
 * the background. */
#define SCHEMA_INDEX_FORM "3"

/* Of a row of `param`: of the definitions; or, of a SearchParameter resource, complete, being
 * built, or to be cleared because the definition has gone. */
enum schema_param_state {
  SCHEMA_PARAM_COMPILED = 0,
  SCHEMA_PARAM_READY = 1,
  SCHEMA_PARAM_BUILDING = 2,
  SCHEMA_PARAM_LEAVING = 3
};

enum schema_state { SCHEMA_ABSENT = 0, SCHEMA_LIVE = 1, SCHEMA_DELETED = 2 };
enum schema_counter {
  SCHEMA_COUNTER_TYPE = 1,
  SCHEMA_COUNTER_VERSIONS = 2,
  SCHEMA_COUNTER_TYPE_VERSIONS = 3,
  SCHEMA_COUNTER_WITH_PARAM = 100,
  SCHEMA_COUNTER_RANGES = 101,
};
static inline uint64_t schema_with_param(uint64_t type_number, uint64_t table,
                                         uint64_t param_number) {
  return type_number << 20 | table << 16 | param_number;
}
/* Kinds of events: enum store_effect; and this for a creation by PUT. */
#define SCHEMA_EVENT_CREATED_BY_PUT 6

struct schema {
  struct hash_key key;
  bool is_sharded;              /* store('shards'): rids tell where rows are (shard.h) */
  const uint16_t *type_numbers; /* by defs_type_id; 0 for what is not a resource type */
  const defs_type_id *types;    /* by number; 0 when these definitions do not know it */
  size_t types_n;               /* numbers are below it */
  uint16_t *param_numbers;      /* by defs_param_id */
  defs_param_id *params;        /* by number */
  size_t params_n;              /* numbers are below it; for some there is no parameter (yet) */
};

/* A parameter that was defined while the store is open. On the committer's thread. */
static inline void schema_set_param(const struct schema *schema, defs_param_id param,
                                    uint16_t number) {
  __atomic_store_n(&schema->params[number], param, __ATOMIC_RELEASE);
  __atomic_store_n(&schema->param_numbers[param], number, __ATOMIC_RELEASE);
}

/* Makes the tables of a new store, or brings those of an old one up to this version (ERR_STORE:
 * foreign, newer), and reads or completes the numbers, in one write transaction: of several
 * processes that do it at once, one does, the others wait and find it done. On the writer. */
int schema_open(struct db *db, struct arena *arena, struct schema *ret_schema,
                struct err *reterr) MUST_CHECK;

/* The same on a connection that may not write: what the file does not know has number 0. ERR_STORE
 * where the file is of an older version. */
int schema_read(struct db *db, struct arena *arena, struct schema *ret_schema,
                struct err *reterr) MUST_CHECK;

/* ERR_STORE where the store is an unfinished copy or a backup (fact.h), which nobody may serve.
 * Both functions above ask it. In a transaction or outside. */
int schema_refuse_unfinished(struct db *db, struct err *reterr) MUST_CHECK;

static inline uint16_t schema_type_number(const struct schema *schema, defs_type_id type) {
  return schema->type_numbers[type];
}
static inline defs_type_id schema_type(const struct schema *schema, int64_t number) {
  return number > 0 && (uint64_t)number < schema->types_n ? schema->types[number] : 0;
}
static inline uint16_t schema_param_number(const struct schema *schema, defs_param_id param) {
  return __atomic_load_n(&schema->param_numbers[param], __ATOMIC_RELAXED);
}
static inline defs_param_id schema_param(const struct schema *schema, int64_t number) {
  return number > 0 && (uint64_t)number < schema->params_n
             ? __atomic_load_n(&schema->params[number], __ATOMIC_RELAXED)
             : 0;
}

/* ---- Values to keys ---- */

#define SCHEMA_TOKEN_SYSTEM_MASK 0xfffff
int64_t schema_token_hash(const struct schema *schema, struct str system, struct str code);
int64_t schema_token_first(const struct schema *schema, struct str code);
int64_t schema_token_last(const struct schema *schema, struct str code);
int64_t schema_text_hash(const struct schema *schema, struct str text);
int64_t schema_url_target(const struct schema *schema, struct str url);
int64_t schema_exact_hash(const struct schema *schema, struct str exact);
int64_t schema_identity_key(const struct schema *schema, defs_type_id type, struct str id);

#define SCHEMA_FOLDED_MAX_BYTES 200
struct str schema_cut(struct str folded);

#define SCHEMA_DATE_CLASSES 64
int schema_date_class(int64_t lo, int64_t hi);

/* The cell of one degree by one degree: latitude -90..90, longitude -180..180, where 180 is -180.
 * Positive; those of one latitude follow each other from west to east. */
int64_t schema_position_cell(double latitude, double longitude);

/* A FHIR id as bytes: a lower-case UUID becomes 0x01 and its 16 bytes, everything else stays. The
 * order is kept within each of both kinds. */
#define SCHEMA_ID_MAX_BYTES 64
struct schema_id {
  uint8_t n;
  char bytes[SCHEMA_ID_MAX_BYTES];
};
struct schema_id schema_id_pack(struct str id);
struct str schema_id_unpack(struct arena *arena, struct str packed); /* `.p` NULL: no memory */

#endif
