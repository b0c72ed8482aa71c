/*
 * What the files of src/store share and nobody else may use: the inside of a view, rows by rid, the
 * condition that access puts on every query.
 *
 * Threads: a view is with one thread at a time; what takes a store, any. Memory: results on the
 * caller's arena.
 */
#ifndef STORE_INTERNAL_H
#define STORE_INTERNAL_H

#include "store/body/body.h"
#include "store/db/db.h"
#include "store/schema/keys.h"
#include "store/schema/schema.h"
#include "store/store.h"
#include "store/read/terminology.h"

/* Views that nobody has keep nothing: neither memory nor, on a server, a snapshot. */
void store_rest_views(struct store *store);

struct db *store_view_db(struct store_view *view);
const struct schema *store_view_schema(const struct store_view *view);
const struct body_codec *store_view_codec(const struct store_view *view);
/* NULL for the view of the committer: what it sees may be taken back, so nothing of it is shared.
 */
struct terminology_cache *store_view_terminology(const struct store_view *view);
/* NULL for the view of the committer. */
struct search_estimates *store_view_estimates(const struct store_view *view);

struct store *store_of_view(const struct store_view *view);
struct body_codec *store_codec(const struct store *store);

/* Grows with each group that became durable here, and soon after one of another process. What was
 * read when it was n may be out of date when it is greater; not: what was read is current when it
 * is the same. Only for "is it worth looking again". */
uint64_t store_epoch(const struct store *store);

/* What looks at many rows to answer one request, and is no search, which has its own limit, may
 * take so long (db_set_deadline): a snapshot that is held for ever keeps a server from cleaning up,
 * and a log from starting over. */
#define STORE_READ_TIME_US ((int64_t)10 * 1000000)

/* ---- One store, several processes ---- */

struct process;
struct sequence;

const struct process *store_self(const struct store *store);
int64_t store_lease_us(const struct store *store);

/* Takes over what `now` says that has changed: definitions and dictionaries are read by `db`, whose
 * transaction `now` was read in; who waits for changes is woken. `is_write`: it is the writer's
 * transaction, so that `now` is the newest state that there is. */
int store_follow(struct store *store, struct db *db, const struct sequence *now, bool is_write,
                 struct err *reterr) MUST_CHECK;

/* The part of it that is about search parameters, on any thread, by a transaction that reads. */
int store_follow_definitions(struct store *store, struct db *db, const struct sequence *now,
                             struct err *reterr) MUST_CHECK;

/* The number (sequence.definitions) of the search parameters that are in force here. */
uint64_t store_definitions(const struct store *store);

/* Does this process want to do the work in the background, if it may? And may it, as far as it
 * knows (watch.h)? */
bool store_wants_background(const struct store *store);
bool store_has_background(const struct store *store);
/* Who must have the lease of the background's work for it; 0: there is none, as for a file. */
int64_t store_background_holder(const struct store *store);

/* Runs `task` in a write transaction; it may be called again where the first came to nothing. */
int store_run_task(struct store *store,
                   int (*run)(void *what, struct db *db, struct sequence *sequence,
                              struct err *reterr),
                   void *what, struct err *reterr) MUST_CHECK;

/* The rid of a resource, live or not; 0: never heard of. */
int store_rid(struct db *db, const struct schema *schema, defs_type_id type, struct str id,
              uint64_t *ret_rid, struct err *reterr) MUST_CHECK;

/* The same for one id under each of `n` types, in one question. */
int store_rids(struct db *db, const struct schema *schema, const defs_type_id *types, size_t n,
               struct str id, uint64_t *ret_rids, struct err *reterr) MUST_CHECK;

/* ---- Access ---- */

/* `access` made ready for one view: the patient is looked up once. */
struct store_filter {
  const struct schema *schema;
  enum db_kind kind;
  bool is_everything, is_of_patient;
  uint64_t patient_rid; /* is_of_patient; 0: there is none, so nothing may be seen */
  const defs_type_id *types;
  size_t types_n;
};
int store_filter(struct db *db, const struct schema *schema, const struct access *access,
                 struct store_filter *ret_filter, struct err *reterr) MUST_CHECK;

/*
 * Appends a condition (without a leading AND) on a row of `resource` that is called `alias` in the
 * query: "TRUE" where everything may be seen. `type`: when the query is about one type only; 0:
 * any. The only place where access becomes SQL.
 */
void store_filter_add(struct db_query *query, const struct store_filter *filter, const char *alias,
                      defs_type_id type);

/* ---- Identifiers ---- */

/*
 * Rows of live resources that may have an identifier, the oldest first, at most
 * STORE_HOLDERS_LOOKED_AT of them, which is far more than ever share one: for the longest body that
 * comes with a row (store_ahead_bytes), param, hash, number of type. Columns: rid, version, id, and
 * the body as STORE_AHEAD_BODY. A hash is no proof of identity: store_holder_read looks.
 */
#define STORE_HOLDERS_LOOKED_AT 108
struct str store_identifier_sql(enum db_kind kind);

/* Is the resource of such a row one that has the identifier's code? `scratch` is reset first; it
 * takes STORE_BODY_SCRATCH_BYTES. */
int store_holder_read(struct store_view *view, struct db_statement *row, struct arena *scratch,
                      struct str code, bool *ret_is_one, struct err *reterr) MUST_CHECK;
#define STORE_BODY_SCRATCH_BYTES (BODY_MAX_BYTES * 2)

/* Does this text stand as a whole string in the canonical body? */
bool store_body_has_code(struct arena *arena, struct str body, struct str code);

/* ---- Rows ---- */

/* The columns that `store_row_read` wants, in its order, of a `resource` row called r. */
#define STORE_ROW_COLUMNS "r.rid,r.type,r.id,r.version,r.updated,r.state,r.body"
#define STORE_ROW_COLUMNS_N 7
/* The same of a superseded version: a row of `version` called v, joined to `resource r`. */
#define STORE_OLD_ROW_COLUMNS "r.rid,r.type,r.id,v.version,v.updated,v.state,v.body"

/*
 * The same where many rows come as one answer, which an engine elsewhere gives as a whole: a packed
 * body of more than STORE_AHEAD_BYTES does not come with its row (null, and its length tells that
 * there is one), store_row_read asks for it when the row is looked at. With STORE_AHEAD_ROWS rows a
 * question an answer has 16 MB of bodies at most, however large they are; where there may be more
 * rows, store_ahead_bytes says what may come with each.
 */
#define STORE_AHEAD_BYTES 65536
#define STORE_AHEAD_ROWS 256
#define STORE_AHEAD_BODY(body, most)                                                               \
  "CASE WHEN length(" body ")<=" most " THEN " body " END,coalesce(length(" body "),0)"
#define STORE_AHEAD_COLUMNS                                                                        \
  "r.rid,r.type,r.id,r.version,r.updated,r.state," STORE_AHEAD_BODY("r.body", "65536")
#define STORE_AHEAD_OLD_COLUMNS                                                                    \
  "r.rid,r.type,r.id,v.version,v.updated,v.state," STORE_AHEAD_BODY("v.body", "65536")

/* The longest body that comes with its row where an answer may have `rows` of them. */
int64_t store_ahead_bytes(size_t rows);

/* The packed body of one version, which is there: borrowed until `*ret_row` is released. */
int store_body_ask(struct db *db, uint64_t rid, uint32_t version, struct db_statement **ret_row,
                   struct str *ret_packed, struct err *reterr) MUST_CHECK;

/* The current row of `statement`, whose columns from `column` on are STORE_ROW_COLUMNS, with the
 * body unpacked, on the arena. */
int store_row_read(struct store_view *view, struct db_statement *statement, int column,
                   struct arena *arena, struct store_resource *ret_resource,
                   struct err *reterr) MUST_CHECK;
/* The same of STORE_AHEAD_COLUMNS. */
int store_row_read_ahead(struct store_view *view, struct db_statement *statement, int column,
                         struct arena *arena, struct store_resource *ret_resource,
                         struct err *reterr) MUST_CHECK;

/* `packed` and its length, as STORE_AHEAD_BODY gives them, unpacked: what did not come with the row
 * is asked for. */
int store_body_unpack_ahead(struct store_view *view, struct db_statement *statement, int column,
                            uint64_t rid, uint32_t version, struct arena *arena,
                            struct str *ret_body, struct err *reterr) MUST_CHECK;

#endif
