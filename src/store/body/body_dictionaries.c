#include "store/body/body_dictionaries.h"

#include <pthread.h>
#include <stdatomic.h>

#include "store/schema/schema.h"
#include "store/schema/sequence.h"
#include "store/body/train.h"

struct body_dictionaries {
  char *path;           /* to ask the store for a number that is not known; NULL: not asked */
  pthread_mutex_t lock; /* of those who add */
  atomic_int highest;   /* number that is known */
  /* By kind: number to pack with (0: none), and how many pieces it was made from. */
  atomic_int current[BODY_KINDS];
  atomic_uint_fast64_t trained_at[BODY_KINDS];
  /* By number, from 1; set once. */
  ZSTD_CDict *_Atomic compress[BODY_DICTIONARIES_MAX + 1];
  ZSTD_DDict *_Atomic decompress[BODY_DICTIONARIES_MAX + 1];
};

/* Under the lock. */
static int adopt(struct body_dictionaries *d, int64_t number, int64_t kind, uint64_t trained_at,
                 struct str bytes, struct err *reterr) {
  if (number < 1 || number > BODY_DICTIONARIES_MAX || kind < 0 || kind >= BODY_KINDS)
    return err_set(reterr, ERR_STORE, "", "The store has a dictionary of an unknown number.");
  if (number <= atomic_load(&d->highest))
    return 0; /* another thread has met it meanwhile */
  ZSTD_CDict *compress = ZSTD_createCDict(bytes.p, bytes.n, BODY_LEVEL);
  ZSTD_DDict *decompress = ZSTD_createDDict(bytes.p, bytes.n);
  if (!compress || !decompress) {
    ZSTD_freeCDict(compress);
    ZSTD_freeDDict(decompress);
    return err_no_memory(reterr);
  }
  atomic_store(&d->compress[number], compress);
  atomic_store(&d->decompress[number], decompress);
  atomic_store(&d->trained_at[kind], trained_at);
  atomic_store(&d->current[kind], (int)number); /* the latest is the best */
  atomic_store(&d->highest, (int)number);
  return 0;
}

/* Under the lock, in a transaction. */
static int read_new(struct body_dictionaries *d, struct db *db, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db,
                        STR("SELECT number,kind,trained_at,bytes FROM dictionary"
                            " WHERE number>? ORDER BY number"),
                        &statement, reterr);
  if (code != 0)
    return code;
  bool has_row = false;
  db_bind_i64(statement, 1, atomic_load(&d->highest));
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    code = adopt(d, db_column_i64(statement, 0), db_column_i64(statement, 1),
                 (uint64_t)db_column_i64(statement, 2), db_column_str(statement, 3), reterr);
    if (code != 0)
      break;
  }
  db_release(statement);
  return code;
}

static int read_new_locked(struct body_dictionaries *d, struct db *db, struct err *reterr) {
  pthread_mutex_lock(&d->lock);
  int code = read_new(d, db, reterr);
  pthread_mutex_unlock(&d->lock);
  return code;
}

int body_dictionaries_refresh(struct body_dictionaries *d, struct db *db, struct err *reterr) {
  bool is_mine = !db_is_begun(db);
  int code = is_mine ? db_begin_read(db, reterr) : 0;
  if (code == 0)
    code = read_new_locked(d, db, reterr);
  if (is_mine)
    db_rollback(db);
  return code;
}

/* ---- Adding one ---- */

/* Two processes may have made one at the same time: the second is not needed. */
static bool is_wanted(const struct body_dictionaries *d, enum body_kind kind, uint64_t trained_at) {
  return atomic_load(&d->current[kind]) == 0 ||
         train_is_due(kind, trained_at, atomic_load(&d->trained_at[kind]));
}

static int insert(struct db *db, uint64_t number, enum body_kind kind, uint64_t trained_at,
                  struct str bytes, struct err *reterr) {
  struct db_statement *statement = NULL;
  if (number > BODY_DICTIONARIES_MAX)
    return err_set(reterr, ERR_STORE, "", "The store has as many dictionaries as it can have.");
  int code =
      db_prepare(db, STR("INSERT INTO dictionary(number,kind,trained_at,bytes) VALUES(?,?,?,?)"),
                 &statement, reterr);
  if (code != 0)
    return code;
  db_bind_i64(statement, 1, (int64_t)number);
  db_bind_i64(statement, 2, kind);
  db_bind_i64(statement, 3, (int64_t)trained_at);
  db_bind_bytes(statement, 4, bytes);
  code = db_execute(statement, reterr);
  db_release(statement);
  return code;
}

/* `*ret_number` 0: it was not wanted. The transaction may have to wait for others, so it is not
 * made under the lock. */
static int add(struct body_dictionaries *d, struct db *db, enum body_kind kind, uint64_t trained_at,
               struct str bytes, uint64_t *ret_number, struct err *reterr) {
  struct sequence sequence;
  int code = db_begin_write(db, reterr);
  if (code == 0)
    code = sequence_read(db, &sequence, reterr);
  if (code == 0)
    code = read_new_locked(d, db, reterr);
  if (code != 0)
    return code;
  if (!is_wanted(d, kind, trained_at)) {
    db_rollback(db);
    return 0;
  }
  code = insert(db, ++sequence.dictionaries, kind, trained_at, bytes, reterr);
  if (code == 0)
    code = sequence_write(db, &sequence, reterr);
  if (code == 0)
    code = db_commit(db, reterr);
  if (code == 0)
    *ret_number = sequence.dictionaries;
  return code;
}

int body_dictionaries_add(struct body_dictionaries *d, struct db *db, enum body_kind kind,
                          uint64_t trained_at, struct str bytes, struct err *reterr) {
  uint64_t number = 0;
  int code = add(d, db, kind, trained_at, bytes, &number, reterr);
  if (code != 0)
    db_rollback(db);
  if (code != 0 || number == 0)
    return code;
  pthread_mutex_lock(&d->lock);
  code = adopt(d, (int64_t)number, kind, trained_at, bytes, reterr);
  pthread_mutex_unlock(&d->lock);
  return code;
}

/* ---- Finding one ---- */

uint64_t body_dictionaries_trained_at(const struct body_dictionaries *d, enum body_kind kind) {
  return atomic_load(&d->trained_at[kind]);
}

uint64_t body_dictionaries_highest(const struct body_dictionaries *d) {
  return (uint64_t)atomic_load(&d->highest);
}

const ZSTD_CDict *body_dictionary_of_kind(const struct body_dictionaries *d, enum body_kind kind,
                                          int *ret_number) {
  int number = atomic_load(&d->current[kind]);
  *ret_number = number;
  return number ? atomic_load(&d->compress[number]) : NULL;
}

/* On a connection of its own: the caller's may be anywhere in a transaction that began earlier. */
static int ask_store(struct body_dictionaries *d, int number, struct err *reterr) {
  struct db *db = NULL;
  if (!d->path || number <= atomic_load(&d->highest))
    return 0;
  int code =
      db_open(&(struct db_options){.path = d->path, .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION}},
              &db, reterr);
  if (code == 0)
    code = body_dictionaries_refresh(d, db, reterr);
  db_close(db);
  return code;
}

int body_dictionary_find(struct body_dictionaries *d, int number, const ZSTD_DDict **ret_dictionary,
                         struct err *reterr) {
  bool is_number = number >= 1 && number <= BODY_DICTIONARIES_MAX;
  const ZSTD_DDict *found = is_number ? atomic_load(&d->decompress[number]) : NULL;
  if (!found && is_number) {
    int code = ask_store(d, number, reterr);
    if (code != 0)
      return code;
    found = atomic_load(&d->decompress[number]);
  }
  if (!found)
    return err_set(reterr, ERR_STORE, "", "A body in the store is damaged.");
  *ret_dictionary = found;
  return 0;
}

/* ---- Life ---- */

int body_dictionaries_open(struct db *db, const char *path,
                           struct body_dictionaries **ret_dictionaries, struct err *reterr) {
  struct body_dictionaries *d = calloc(1, sizeof *d);
  if (!d)
    return err_no_memory(reterr);
  pthread_mutex_init(&d->lock, NULL);
  d->path = path ? strdup(path) : NULL;
  int code = path && !d->path ? err_no_memory(reterr) : body_dictionaries_refresh(d, db, reterr);
  if (code == 0)
    *ret_dictionaries = d;
  else
    body_dictionaries_close(d);
  return code;
}

void body_dictionaries_close(struct body_dictionaries *d) {
  if (!d)
    return;
  for (size_t i = 0; i <= BODY_DICTIONARIES_MAX; i++) {
    ZSTD_freeCDict(d->compress[i]);
    ZSTD_freeDDict(d->decompress[i]);
  }
  pthread_mutex_destroy(&d->lock);
  free(d->path);
  free(d);
}
