#include "store/commit/upkeep.h"

#include <pthread.h>

#include "base/log.h"
#include "store/body/train.h"
#include "store/schema/schema.h"

#define TRAINING_MAX_BYTES ((size_t)64 << 20)

/* The log, in pages of the database: from SOFT on the thread moves it into the file; when it can't
 * keep up because new pages come all the time, the committer itself moves the rest at HARD, which
 * lets the log start over. */
#define LOG_SOFT_PAGES 4000u
#define LOG_HARD_PAGES 24000u

/* A dictionary on its way: wanted by the committer, made by the thread, added by the committer. */
struct training {
  enum { TRAINING_NONE, TRAINING_WANTED, TRAINING_READY } state;
  enum body_kind kind;
  uint64_t pieces_n;
  struct arena *arena; /* of the dictionary, when it is ready */
  struct str dictionary;
  uint64_t tried_at[BODY_KINDS]; /* also when nothing came of it */
};

struct upkeep {
  struct upkeep_options options;
  struct db *db;       /* the thread's */
  uint64_t counted_at; /* the last rid when the tables were last looked at */

  pthread_mutex_t lock;
  pthread_cond_t has_work;
  bool is_closing, wants_checkpoint, is_checkpointing, wants_statistics;
  struct training training;

  pthread_t thread;
  bool has_thread;
};

/* ---- The log ---- */

static void checkpoint(struct upkeep *upkeep, struct db *db) {
  uint64_t left;
  struct err err;
  upkeep->options.before_checkpoint(upkeep->options.what);
  if (db_checkpoint(db, &left, &err) != 0)
    log_warning("store", "the log was not moved into the file: %s", err.text);
}

static void tend_log(struct upkeep *upkeep) {
  uint64_t pages = db_log_pages(upkeep->options.writer);
  if (pages < LOG_SOFT_PAGES)
    return;
  pthread_mutex_lock(&upkeep->lock);
  bool is_mine = pages >= LOG_HARD_PAGES && !upkeep->is_checkpointing;
  if (!is_mine && !upkeep->is_checkpointing) {
    upkeep->wants_checkpoint = true;
    pthread_cond_signal(&upkeep->has_work);
  }
  pthread_mutex_unlock(&upkeep->lock);
  if (is_mine)
    checkpoint(upkeep, upkeep->options.writer);
}

/* ---- Statistics ---- */

/*
 * Which index a PostgreSQL takes for a look-up depends on what it knows of the tables, and of new
 * ones it knows nothing: it may go through all resources of a type for each rid. It looks by itself
 * within minutes; in a store that is being filled that is too late.
 */
#define COUNT_FIRST_AT 64
#define COUNT_AGAIN_AFTER_TIMES 8
static const char COUNT_SQL[] =
    "ANALYZE (SKIP_LOCKED) resource, identity, version, token, string, date, number, quantity, "
    "uri, reference, vocabulary, text, event, message, message_seen, message_word, lineage";

static void tend_statistics(struct upkeep *upkeep, uint64_t rid) {
  if (!db_is_remote(upkeep->options.writer) || rid < COUNT_FIRST_AT ||
      rid / COUNT_AGAIN_AFTER_TIMES < upkeep->counted_at)
    return;
  upkeep->counted_at = rid;
  pthread_mutex_lock(&upkeep->lock);
  upkeep->wants_statistics = true;
  pthread_cond_signal(&upkeep->has_work);
  pthread_mutex_unlock(&upkeep->lock);
}

static void count(struct upkeep *upkeep) {
  struct err err;
  if (db_run(upkeep->db, COUNT_SQL, &err) != 0)
    log_warning("store", "the tables were not looked at for better plans: %s", err.text);
}

/* ---- Dictionaries ---- */

/* Is it time to make one? */
static void want_training(struct upkeep *upkeep, const struct sequence *now) {
  const uint64_t pieces_n[BODY_KINDS] = {
      [BODY_JSON] = now->rid, [BODY_MESSAGE] = now->message, [BODY_LINEAGE] = now->message};
  struct training *training = &upkeep->training;
  for (unsigned kind = 0; kind < BODY_KINDS && training->state == TRAINING_NONE; kind++) {
    uint64_t made_at = body_codec_trained_at(upkeep->options.codec, kind);
    uint64_t tried_at = training->tried_at[kind];
    if (!train_is_due(kind, pieces_n[kind], made_at > tried_at ? made_at : tried_at))
      continue;
    training->state = TRAINING_WANTED;
    training->kind = kind;
    training->pieces_n = training->tried_at[kind] = pieces_n[kind];
    pthread_cond_signal(&upkeep->has_work);
  }
}

static void add_dictionary(struct upkeep *upkeep) {
  struct training *training = &upkeep->training; /* ours as long as it is ready */
  struct err err;
  if (training->dictionary.n > 0 &&
      body_codec_add(upkeep->options.codec, upkeep->options.writer, training->kind,
                     training->pieces_n, training->dictionary, &err) != 0)
    log_warning("store", "a compression dictionary was not stored: %s", err.text);
  arena_free(training->arena);
  training->arena = NULL;
  pthread_mutex_lock(&upkeep->lock);
  training->state = TRAINING_NONE;
  pthread_mutex_unlock(&upkeep->lock);
}

static void tend_dictionaries(struct upkeep *upkeep, const struct sequence *now) {
  pthread_mutex_lock(&upkeep->lock);
  want_training(upkeep, now);
  bool is_ready = upkeep->training.state == TRAINING_READY;
  pthread_mutex_unlock(&upkeep->lock);
  if (is_ready)
    add_dictionary(upkeep);
}

static void train(struct upkeep *upkeep) {
  struct training *training = &upkeep->training; /* ours as long as it is wanted */
  struct err err;
  training->dictionary = STR_NULL;
  training->arena = arena_new(TRAINING_MAX_BYTES);
  int code = training->arena ? db_begin_read(upkeep->db, &err) : err_no_memory(&err);
  if (code == 0)
    code = train_dictionary(upkeep->db, upkeep->options.codec, training->arena, training->kind,
                            training->pieces_n, &training->dictionary, &err);
  db_rollback(upkeep->db);
  db_trim(upkeep->db); /* nothing is asked here for hours; a snapshot must not stay open */
  if (code != 0)
    log_warning("store", "a compression dictionary was not made: %s", err.text);
  pthread_mutex_lock(&upkeep->lock);
  training->state = TRAINING_READY;
  pthread_mutex_unlock(&upkeep->lock);
}

/* ---- The thread ---- */

static void *run(void *what) {
  struct upkeep *upkeep = what;
  pthread_mutex_lock(&upkeep->lock);
  while (!upkeep->is_closing) {
    bool wants_checkpoint = upkeep->wants_checkpoint;
    bool wants_training = upkeep->training.state == TRAINING_WANTED;
    bool wants_statistics = upkeep->wants_statistics;
    if (!wants_checkpoint && !wants_training && !wants_statistics) {
      pthread_cond_wait(&upkeep->has_work, &upkeep->lock);
      continue;
    }
    upkeep->wants_checkpoint = upkeep->wants_statistics = false;
    upkeep->is_checkpointing = wants_checkpoint;
    pthread_mutex_unlock(&upkeep->lock);
    if (wants_checkpoint)
      checkpoint(upkeep, upkeep->db);
    if (wants_statistics)
      count(upkeep);
    if (wants_training)
      train(upkeep);
    pthread_mutex_lock(&upkeep->lock);
    upkeep->is_checkpointing = false;
  }
  pthread_mutex_unlock(&upkeep->lock);
  return NULL;
}

void upkeep_tend(struct upkeep *upkeep, const struct sequence *durable) {
  tend_log(upkeep);
  tend_statistics(upkeep, durable->rid);
  tend_dictionaries(upkeep, durable);
}

/* ---- Life ---- */

int upkeep_open(const struct upkeep_options *options, struct upkeep **ret_upkeep,
                struct err *reterr) {
  struct upkeep *upkeep = calloc(1, sizeof *upkeep);
  if (!upkeep)
    return err_no_memory(reterr);
  pthread_mutex_init(&upkeep->lock, NULL);
  pthread_cond_init(&upkeep->has_work, NULL);
  upkeep->options = *options;
  upkeep->counted_at = options->rid;
  int code = db_open(
      &(struct db_options){.path = options->path, .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION}},
      &upkeep->db, reterr);
  if (code == 0) {
    upkeep->has_thread = pthread_create(&upkeep->thread, NULL, run, upkeep) == 0;
    if (!upkeep->has_thread)
      code = err_set(reterr, ERR_NO_MEMORY, "", "A thread of the store can't be started.");
  }
  if (code == 0)
    *ret_upkeep = upkeep;
  else
    upkeep_close(upkeep);
  return code;
}

void upkeep_close(struct upkeep *upkeep) {
  if (!upkeep)
    return;
  pthread_mutex_lock(&upkeep->lock);
  upkeep->is_closing = true;
  pthread_cond_broadcast(&upkeep->has_work);
  pthread_mutex_unlock(&upkeep->lock);
  if (upkeep->has_thread)
    pthread_join(upkeep->thread, NULL);
  db_close(upkeep->db);
  arena_free(upkeep->training.arena);
  pthread_cond_destroy(&upkeep->has_work);
  pthread_mutex_destroy(&upkeep->lock);
  free(upkeep);
}
