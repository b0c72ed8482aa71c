#include "store/store.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/work/background.h"
#include "store/commit/committer.h"
#include "store/work/delivery.h"
#include "store/work/job_write.h"
#include "store/work/parameter_set.h"
#include "store/work/process.h"
#include "store/work/reindex.h"
#include "store/schema/shard.h"
#include "store/search/search_estimates.h"
#include "store/store_internal.h"
#include "store/work/watch.h"

#define READERS_DEFAULT 4
#define READERS_MAX 64
#define GROUP_DEFAULT 256
#define BULK_GROUP_DEFAULT 8192
#define QUEUE_DEFAULT 8192
#define VIEW_WAIT_S 10
#define SHOWN_PATH_BYTES 512
#define TASK_ARENA_MAX_BYTES ((size_t)1 << 20)
#define WRITER_CACHE_BYTES ((size_t)32 << 20)
#define BULK_CACHE_BYTES ((size_t)64 << 20)
#define SERVER_WAIT_US ((int64_t)10000000) /* at the start: both may come with the same boot */
#define READER_WAIT_US ((int64_t)2000000)  /* a request should not wait for longer */
#define READER_CACHE_BYTES ((size_t)24 << 20)

/* An idle view of a file keeps its snapshot, so that the next who opens it need not take the file's
 * locks again, as long as nothing was committed since (`epoch`). Of a server each view is a new
 * snapshot, because others commit too, and an idle one holds none, which would keep the server from
 * tidying up. */
struct store_view {
  struct store *store;
  struct db *db;
  uint64_t epoch;
  struct store_view *next; /* in the pool */
};

struct store {
  char *path, shown_path[SHOWN_PATH_BYTES];
  struct store_options options;
  struct arena *arena; /* the schema's numbers */
  struct schema schema;
  struct body_codec *codec;
  struct terminology_cache *terminology;
  struct db *writer;
  struct store_view writer_view, *views;
  size_t views_n;
  struct committer *committer;
  struct background *background;
  struct watch *watch; /* NULL for a file */
  struct process self;
  atomic_uint_fast64_t epoch; /* grows with each durable group */

  /* What this process has taken over of the state of the world, and who may change that. */
  pthread_mutex_t follow_lock;
  atomic_uint_fast64_t definitions; /* in force; UNKNOWN: none of this store */
  struct sequence seen;
  struct parameter_set *defined; /* by the transaction that is open; the committer's */

  struct db_outage outage; /* of the views */

  pthread_mutex_t lock;
  pthread_cond_t has_view;
  struct store_view *idle;
  struct search_estimates *estimates; /* of all views */
};

#define UNKNOWN UINT64_MAX

/* ---- Life ---- */

static struct db_options db_options_of(struct store *store, bool is_writer) {
  return (struct db_options){
      .path = store->options.path,
      .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION},
      .is_writer = is_writer,
      .cache_bytes = !is_writer               ? READER_CACHE_BYTES
                     : store->options.is_bulk ? BULK_CACHE_BYTES
                                              : WRITER_CACHE_BYTES,
      .wait_us = is_writer ? SERVER_WAIT_US : READER_WAIT_US,
      .outage = is_writer ? NULL : &store->outage,
      .again_us = READER_WAIT_US, /* the committer has its own patience */
  };
}

static int open_views(struct store *store, struct err *reterr) {
  store->estimates = search_estimates_new();
  store->views = calloc(store->options.readers, sizeof *store->views);
  if (!store->views)
    return err_no_memory(reterr);
  struct db_options options = db_options_of(store, false);
  for (size_t i = 0; i < store->options.readers; i++) {
    struct store_view *view = &store->views[store->views_n++];
    *view = (struct store_view){.store = store, .next = store->idle};
    int code = db_open(&options, &view->db, reterr);
    if (code != 0)
      return code;
    store->idle = view;
  }
  return 0;
}

static void tell_if_sharded(struct store *store) {
  db_rewrite_fn *rewrite = store->schema.is_sharded ? shard_add_sql : NULL;
  if (store->writer)
    db_set_rewrite(store->writer, rewrite);
  for (size_t i = 0; i < store->views_n; i++)
    db_set_rewrite(store->views[i].db, rewrite);
}

/* Snapshots of idle views would keep the log from starting over. */
static void release_idle_views(void *what) {
  struct store *store = what;
  pthread_mutex_lock(&store->lock);
  for (struct store_view *view = store->idle; view; view = view->next)
    db_rollback(view->db);
  pthread_mutex_unlock(&store->lock);
}

void store_rest_views(struct store *store) {
  pthread_mutex_lock(&store->lock);
  for (struct store_view *view = store->idle; view; view = view->next)
    db_trim(view->db);
  pthread_mutex_unlock(&store->lock);
}

static void trim_idle_views(void *what) {
  struct store *store = what;
  release_idle_views(store);
  store_rest_views(store);
  body_codec_trim(store->codec);
  malloc_trim(0); /* what the arenas of a busy hour left behind */
}

/* The set of search parameters is one for the process (model/parameters.h): it is this store's. */
static _Atomic(struct store *) owner_of_parameters;

static bool own_parameters(struct store *store) {
  struct store *nobody = NULL;
  return atomic_compare_exchange_strong(&owner_of_parameters, &nobody, store) || nobody == store;
}

static void disown_parameters(struct store *store) {
  if (atomic_load(&owner_of_parameters) != store)
    return;
  parameter_set_clear();
  atomic_store(&owner_of_parameters, NULL);
}

/* ---- What other processes change ---- */

static int load_parameters(struct store *store, struct db *db, uint64_t definitions,
                           struct err *reterr) {
  struct parameter_set *set;
  int code = parameter_set_read(db, &store->schema, store->codec, NULL, &set, reterr);
  if (code != 0)
    return code;
  code = parameter_set_install(set, reterr);
  parameter_set_free(set);
  if (code == 0)
    atomic_store(&store->definitions, definitions);
  return code;
}

/* A reader may see an older state than the one that is in force already. */
static bool is_new(uint64_t known, uint64_t number, bool is_write) {
  return known == UNKNOWN || (is_write ? number != known : number > known);
}

static int follow_definitions(struct store *store, struct db *db, uint64_t number, bool is_write,
                              struct err *reterr) {
  if (!is_new(atomic_load(&store->definitions), number, is_write) || !own_parameters(store))
    return 0;
  pthread_mutex_lock(&store->follow_lock);
  int code = 0;
  if (is_new(atomic_load(&store->definitions), number, is_write))
    code = load_parameters(store, db, number, reterr);
  bool is_hopeless = code == ERR_STORE;
  if (is_hopeless) /* it would be so the next time, too: work goes on with those in force */
    atomic_store(&store->definitions, number);
  pthread_mutex_unlock(&store->follow_lock);
  if (is_hopeless)
    log_error("store", "search parameters that were defined meanwhile are not in force here: %s",
              reterr->text);
  return is_hopeless ? 0 : code;
}

/* Only the watch's thread asks this. */
static void wake_for(struct store *store, const struct sequence *now) {
  const struct sequence *seen = &store->seen;
  if (now->seq != seen->seq || now->event != seen->event)
    atomic_fetch_add(&store->epoch, 1);
  if (now->job != seen->job || now->definitions != seen->definitions)
    background_wake(store->background);
  store->seen = *now;
}

int store_follow(struct store *store, struct db *db, const struct sequence *now, bool is_write,
                 struct err *reterr) {
  int code = 0;
  if (now->dictionaries != body_codec_known(store->codec)) /* to pack with it, too */
    code = body_codec_refresh(store->codec, db, reterr);
  if (code == 0)
    code = follow_definitions(store, db, now->definitions, is_write, reterr);
  if (code == 0 && !is_write)
    wake_for(store, now);
  return code;
}

int store_follow_definitions(struct store *store, struct db *db, const struct sequence *now,
                             struct err *reterr) {
  return follow_definitions(store, db, now->definitions, false, reterr);
}

uint64_t store_definitions(const struct store *store) {
  return atomic_load(&store->definitions);
}

static int follow_in_commit(void *what, const struct sequence *now, struct err *reterr) {
  struct store *store = what;
  return store_follow(store, store->writer, now, true, reterr);
}

static int define_in_commit(void *what, struct sequence *sequence, struct err *reterr) {
  struct store *store = what;
  parameter_set_free(store->defined); /* of a transaction that came to nothing */
  store->defined = NULL;
  return own_parameters(store) ? parameter_set_read(store->writer, &store->schema, store->codec,
                                                    sequence, &store->defined, reterr)
                               : 0;
}

static void when_defined(void *what, const struct sequence *sequence) {
  struct store *store = what;
  struct err err;
  if (!store->defined)
    return;
  pthread_mutex_lock(&store->follow_lock);
  int code = parameter_set_install(store->defined, &err);
  if (code == 0)
    atomic_store(&store->definitions, sequence->definitions);
  pthread_mutex_unlock(&store->follow_lock);
  if (code != 0)
    log_error("store", "search parameters as they are defined now are not in force yet: %s",
              err.text);
  if (parameter_set_has_job(store->defined))
    background_wake(store->background);
  parameter_set_free(store->defined);
  store->defined = NULL;
}

const struct process *store_self(const struct store *store) {
  return &store->self;
}

int64_t store_process_id(const struct store *store) {
  return store->self.id;
}

int64_t store_lease_us(const struct store *store) {
  return store->options.lease_us;
}

int64_t store_now_us(const struct store *store) {
  return clock_now_us() + watch_clock_ahead_us(store->watch);
}

bool store_wants_background(const struct store *store) {
  return !store->options.is_bulk && atomic_load(&store->definitions) != UNKNOWN;
}

bool store_has_background(const struct store *store) {
  return !db_is_remote(store->writer) || watch_has_background(store->watch);
}

int64_t store_background_holder(const struct store *store) {
  return store->watch ? store->self.id : 0;
}

struct background *store_background(struct store *store) {
  return store->background;
}

static int open_committer(struct store *store, struct err *reterr) {
  return committer_open(&(struct committer_options){.store = &store->options,
                                                    .db = store->writer,
                                                    .schema = &store->schema,
                                                    .codec = store->codec,
                                                    .view = &store->writer_view,
                                                    .epoch = &store->epoch,
                                                    .before_checkpoint = release_idle_views,
                                                    .follow = follow_in_commit,
                                                    .define = define_in_commit,
                                                    .when_defined = when_defined,
                                                    .when_idle = trim_idle_views,
                                                    .what = store},
                        &store->committer, reterr);
}

/* What the process that had the file before held is free. */
static int release_file(struct db *db, struct err *reterr) {
  int code = db_begin_write(db, reterr);
  if (code == 0)
    code = job_release_all(db, 0, reterr);
  if (code == 0)
    code = lease_release_all(db, 0, reterr);
  if (code == 0)
    code = delivery_release_all(db, 0, reterr);
  if (code == 0)
    code = db_commit(db, reterr);
  if (code != 0)
    db_rollback(db);
  return code;
}

/* In a write transaction: a program with other definitions may find something to do. */
static int settle_parameters(struct store *store, struct parameter_set **ret_set,
                             struct sequence *ret_sequence, struct err *reterr) {
  int code = sequence_read(store->writer, ret_sequence, reterr);
  if (code == 0)
    code = parameter_set_read(store->writer, &store->schema, store->codec, ret_sequence, ret_set,
                              reterr);
  return code || !parameter_set_has_written(*ret_set)
             ? code
             : sequence_write(store->writer, ret_sequence, reterr);
}

static int open_parameters(struct store *store, struct err *reterr) {
  struct parameter_set *set = NULL;
  struct sequence sequence;
  if (!own_parameters(store)) {
    log_warning("store",
                "another store is open; this one's own search parameters are not in force");
    return 0;
  }
  int code = db_begin_write(store->writer, reterr);
  if (code == 0)
    code = settle_parameters(store, &set, &sequence, reterr);
  if (code == 0)
    code = db_commit(store->writer, reterr);
  if (code != 0)
    db_rollback(store->writer);
  if (code == 0)
    code = parameter_set_install(set, reterr);
  if (code == 0)
    atomic_store(&store->definitions, sequence.definitions);
  parameter_set_free(set);
  return code;
}

static int open_watch(struct store *store, bool is_member, struct err *reterr) {
  struct watch_options options = {.store = store,
                                  .db = db_options_of(store, false),
                                  .process = is_member ? &store->self : NULL};
  return db_is_url(store->path) ? watch_open(&options, &store->watch, reterr) : 0;
}

static int open_parts(struct store *store, struct err *reterr) {
  struct db_options options = db_options_of(store, true);
  int code = db_open(&options, &store->writer, reterr);
  if (code == 0)
    code = schema_open(store->writer, store->arena, &store->schema, reterr);
  if (code == 0 && !db_is_remote(store->writer))
    code = release_file(store->writer, reterr);
  if (code == 0)
    code = body_codec_open(store->writer, store->path, false, &store->codec, reterr);
  if (code == 0)
    code = open_views(store, reterr);
  if (code == 0)
    tell_if_sharded(store);
  if (code == 0)
    code = reindex_check_form(store->writer, &store->schema, store->codec, reterr);
  if (code == 0)
    code = open_parameters(store, reterr);
  store->writer_view = (struct store_view){.store = store, .db = store->writer};
  if (code == 0)
    code = open_committer(store, reterr);
  if (code == 0)
    code = open_watch(store, true, reterr);
  if (code == 0)
    code = background_open(store, store->options.is_bulk, &store->background, reterr);
  return code || !store->watch ? code : watch_start(store->watch, reterr);
}

/* In a read transaction. */
static int read_parameters(struct store *store, struct db *db, struct err *reterr) {
  struct sequence sequence;
  int code = sequence_read(db, &sequence, reterr);
  return code ? code : follow_definitions(store, db, sequence.definitions, false, reterr);
}

/* No writer: the tables, their numbers and the dictionaries are taken as they are. */
static int open_for_reading(struct store *store, struct err *reterr) {
  int code = open_views(store, reterr);
  if (code != 0)
    return code;
  struct db *db = store->views[0].db;
  code = schema_read(db, store->arena, &store->schema, reterr);
  if (code == 0)
    tell_if_sharded(store);
  if (code == 0)
    code = body_codec_open(db, store->path, true, &store->codec, reterr);
  if (code == 0)
    code = db_begin_read(db, reterr);
  if (code == 0)
    code = read_parameters(store, db, reterr);
  db_rollback(db);
  if (code == 0)
    code = open_watch(store, false, reterr);
  return code || !store->watch ? code : watch_start(store->watch, reterr);
}

static size_t or_default(size_t value, size_t fallback) {
  return value ? value : fallback;
}

int store_open(const struct store_options *options, struct store **ret_store, struct err *reterr) {
  if (!options->path || !options->path[0] || strcmp(options->path, ":memory:") == 0)
    return err_set(reterr, ERR_VALUE, "", "A store needs a file; one in memory is not durable.");
  struct store *store = calloc(1, sizeof *store);
  if (!store)
    return err_no_memory(reterr);
  pthread_mutex_init(&store->lock, NULL);
  pthread_mutex_init(&store->follow_lock, NULL);
  clock_cond_init(&store->has_view);
  atomic_store(&store->definitions, UNKNOWN);
  store->path = strdup(options->path);
  (void)db_shown_path(options->path, store->shown_path, sizeof store->shown_path);
  size_t readers = or_default(options->readers, READERS_DEFAULT);
  store->options = (struct store_options){
      .path = store->path,
      .readers = readers < READERS_MAX ? readers : READERS_MAX,
      .group_max =
          or_default(options->group_max, options->is_bulk ? BULK_GROUP_DEFAULT : GROUP_DEFAULT),
      .queue_max = or_default(options->queue_max, QUEUE_DEFAULT),
      .is_bulk = options->is_bulk,
      .is_read_only = options->is_read_only,
      .lease_us = options->lease_us > 0 ? options->lease_us : LEASE_US,
  };
  store->arena = arena_new((size_t)16 << 20);
  int code = search_values_init(reterr); /* bodies are looked into in the background, too */
  if (code == 0 && store->arena)
    code = process_init(store->arena, options, &store->self, reterr);
  if (code == 0)
    code = !store->arena || !store->options.path ? err_no_memory(reterr)
           : options->is_read_only               ? open_for_reading(store, reterr)
                                                 : open_parts(store, reterr);
  if (code == 0)
    code = terminology_cache_new(&store->terminology, reterr);
  if (code == 0)
    *ret_store = store;
  else
    store_close(store);
  return code;
}

void store_hurry(struct store *store) {
  if (store)
    committer_hurry(store->committer);
}

void store_close(struct store *store) {
  if (!store)
    return;
  store_hurry(store);
  background_stop(store->background);
  watch_close(store->watch);
  committer_close(store->committer);
  background_free(store->background);
  disown_parameters(store);
  parameter_set_free(store->defined);
  for (size_t i = 0; i < store->views_n; i++)
    db_close(store->views[i].db);
  free(store->views);
  search_estimates_free(store->estimates);
  body_codec_close(store->codec);
  terminology_cache_free(store->terminology);
  db_close(store->writer);
  arena_free(store->arena);
  free(store->path);
  pthread_cond_destroy(&store->has_view);
  pthread_mutex_destroy(&store->follow_lock);
  pthread_mutex_destroy(&store->lock);
  free(store);
}

bool store_is_shared(const struct store *store) {
  return db_is_url(store->path);
}

const char *store_shown_path(const struct store *store) {
  return store->shown_path;
}

/* ---- Writing ---- */

int store_prepare(struct store *store, struct store_commit *commit, struct err *reterr) {
  if (store->options.is_read_only)
    return err_set(reterr, ERR_READ_ONLY, "", "The store is open for reading only.");
  return commit_prepare(&store->schema, store->codec, commit, reterr);
}

int store_prepare_packed(struct store *store, struct store_commit *commit, struct err *reterr) {
  int code = store_prepare(store, commit, reterr);
  if (code == 0)
    commit_forget_unpacked(commit);
  return code;
}

/* What the changes of jobs and deliveries are made in the name of. */
static void sign(const struct store *store, struct store_commit *commit) {
  for (size_t i = 0; i < commit->jobs_n; i++) {
    commit->jobs[i].holder_ = store->self.id;
    commit->jobs[i].lease_us_ = store->options.lease_us;
  }
  for (size_t i = 0; i < commit->delivery_changes_n; i++)
    commit->delivery_changes[i].holder_ = store->self.id;
}

void store_submit(struct store *store, struct store_commit *commit) {
  commit->code = 0;
  commit->seq = 0;
  sign(store, commit);
  int code = commit->prepared_ ? 0 : store_prepare(store, commit, &commit->err);
  if (code == 0) {
    committer_submit(store->committer, commit);
    return;
  }
  commit->code = code;
  commit->done(commit, commit->what);
}

struct waiter {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  bool is_done;
};

static void wake(struct store_commit *commit, void *what) {
  (void)commit;
  struct waiter *waiter = what;
  pthread_mutex_lock(&waiter->lock);
  waiter->is_done = true;
  pthread_cond_signal(&waiter->ended);
  pthread_mutex_unlock(&waiter->lock);
}

int store_commit_wait(struct store *store, struct store_commit *commit, struct err *reterr) {
  struct waiter waiter = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false};
  commit->done = wake;
  commit->what = &waiter;
  commit->is_urgent = true;
  store_submit(store, commit);
  pthread_mutex_lock(&waiter.lock);
  while (!waiter.is_done)
    pthread_cond_wait(&waiter.ended, &waiter.lock);
  pthread_mutex_unlock(&waiter.lock);
  commit->done = NULL;
  commit->what = NULL;
  if (commit->code != 0 && reterr)
    *reterr = commit->err;
  return commit->code;
}

int store_run_task(struct store *store,
                   int (*run)(void *what, struct db *db, struct sequence *sequence,
                              struct err *reterr),
                   void *what, struct err *reterr) {
  struct arena *arena = arena_new(TASK_ARENA_MAX_BYTES);
  if (!arena)
    return err_no_memory(reterr);
  struct store_task task = {run, what};
  struct store_commit commit = {.arena = arena, .principal = STR(""), .task_ = &task};
  int code = store_commit_wait(store, &commit, reterr);
  arena_free(arena);
  return code;
}

/* ---- Views ---- */

static struct store_view *take_view(struct store *store) {
  struct timespec until = {0};
  pthread_mutex_lock(&store->lock);
  if (!store->idle)
    until = clock_in_ms(VIEW_WAIT_S * 1000);
  while (!store->idle)
    if (pthread_cond_timedwait(&store->has_view, &store->lock, &until) != 0)
      break;
  struct store_view *view = store->idle;
  if (view)
    store->idle = view->next;
  pthread_mutex_unlock(&store->lock);
  return view;
}

static void give_view(struct store_view *view) {
  struct store *store = view->store;
  pthread_mutex_lock(&store->lock);
  view->next = store->idle;
  store->idle = view;
  pthread_cond_signal(&store->has_view);
  pthread_mutex_unlock(&store->lock);
}

/* What another process commits has no epoch here. */
static bool keeps_snapshot(const struct store_view *view) {
  return !view->store->options.is_read_only && !db_is_remote(view->db);
}

static int begin_view(struct store_view *view, struct err *reterr) {
  uint64_t epoch = atomic_load(&view->store->epoch); /* before the snapshot is taken */
  if (keeps_snapshot(view) && view->epoch == epoch && db_is_begun(view->db))
    return 0;
  db_rollback(view->db);
  view->epoch = epoch;
  return db_begin_read(view->db, reterr);
}

int store_view_open(struct store *store, struct store_view **ret_view, struct err *reterr) {
  struct store_view *view = take_view(store);
  if (!view) {
    err_set(reterr, ERR_BUSY, "", "Too many readers at the same time; try again later.");
    return ERR_BUSY;
  }
  int code = begin_view(view, reterr);
  if (code != 0) {
    give_view(view);
    return code;
  }
  *ret_view = view;
  return 0;
}

void store_view_close(struct store_view *view) {
  if (!view)
    return;
  if (!keeps_snapshot(view))
    db_rollback(view->db);
  give_view(view);
}

struct store *store_of_view(const struct store_view *view) {
  return view->store;
}

struct body_codec *store_codec(const struct store *store) {
  return store->codec;
}

struct db *store_view_db(struct store_view *view) {
  return view->db;
}

const struct schema *store_view_schema(const struct store_view *view) {
  return &view->store->schema;
}

const struct body_codec *store_view_codec(const struct store_view *view) {
  return view->store->codec;
}

struct search_estimates *store_view_estimates(const struct store_view *view) {
  return view == &view->store->writer_view ? NULL : view->store->estimates;
}

struct terminology_cache *store_view_terminology(const struct store_view *view) {
  return view == &view->store->writer_view ? NULL : view->store->terminology;
}

uint64_t store_epoch(const struct store *store) {
  return atomic_load(&store->epoch);
}

int store_ping(struct store *store, struct err *reterr) {
  if (store->watch)
    return watch_is_answered(store->watch)
               ? 0
               : err_set(reterr, ERR_UNAVAILABLE, "", "%s does not answer.", store->shown_path);
  struct store_view *view;
  struct sequence sequence;
  int code = store_view_open(store, &view, reterr);
  if (code != 0)
    return code;
  code = sequence_read(view->db, &sequence, reterr);
  store_view_close(view);
  return code;
}

int64_t store_away_since_us(const struct store *store) {
  return watch_away_since_us(store->watch);
}

void store_pace(struct store *store, struct store_pace *ret_pace) {
  *ret_pace = (struct store_pace){0};
  if (store->committer) /* a store that is only read has none */
    committer_pace(store->committer, ret_pace);
}

static int read_figures(struct db *db, struct store_figures *figures, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(db,
                        STR("SELECT (SELECT sum(n) FROM counter WHERE kind=1),"
                            "(SELECT n FROM counter WHERE kind=2 AND number=0),"
                            "(SELECT max(number) FROM message),(SELECT max(seq) FROM commit_log)"),
                        &row, reterr);
  if (code != 0)
    return code;
  code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row) {
    figures->resources = (uint64_t)db_column_i64(row, 0);
    figures->versions = (uint64_t)db_column_i64(row, 1);
    figures->messages = (uint64_t)db_column_i64(row, 2);
    figures->commits = (uint64_t)db_column_i64(row, 3);
  }
  db_release(row);
  return code;
}

int store_figures(struct store *store, struct store_figures *ret_figures, struct err *reterr) {
  struct store_figures figures = {0};
  struct db_size size = {0};
  struct store_view *view = NULL;
  int code = store_view_open(store, &view, reterr);
  if (code != 0)
    return code;
  code = read_figures(view->db, &figures, reterr);
  if (code == 0)
    code = db_size(view->db, &size, reterr);
  store_view_close(view);
  if (code != 0)
    return code;
  figures.file_bytes = size.data_bytes + size.log_bytes;
  if (store->committer) /* a store that is only read has none */
    committer_figures(store->committer, &figures.fsyncs, &figures.queue_length);
  *ret_figures = figures;
  return 0;
}
