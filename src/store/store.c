#include "store/store.h"

#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/background.h"
#include "store/committer.h"
#include "store/job_write.h"
#include "store/parameter_set.h"
#include "store/reindex.h"
#include "store/search_estimates.h"
#include "store/store_internal.h"

#define READERS_DEFAULT 4
#define READERS_MAX 64
#define GROUP_DEFAULT 256
#define BULK_GROUP_DEFAULT 8192
#define QUEUE_DEFAULT 8192
#define VIEW_WAIT_S 10
#define WRITER_CACHE_BYTES ((size_t)32 << 20)
#define BULK_CACHE_BYTES ((size_t)64 << 20)
#define READER_CACHE_BYTES ((size_t)24 << 20)

/* An idle view keeps its snapshot, so that the next who opens it need not take the file's locks
 * again, as long as nothing was committed since (`epoch`). */
struct store_view {
  struct store *store;
  struct db *db;
  uint64_t epoch;
  struct search_estimates *estimates;
  struct store_view *next; /* in the pool */
};

struct store {
  char *path;
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
  atomic_bool loads_parameters;
  atomic_uint_fast64_t epoch; /* grows with each durable group */

  pthread_mutex_t lock;
  pthread_cond_t has_view;
  struct store_view *idle;
};

/* ---- Life ---- */

static struct db_options db_options_of(const struct store *store, bool is_writer) {
  return (struct db_options){
      .path = store->options.path,
      .newest = {SCHEMA_APPLICATION, SCHEMA_VERSION},
      .is_writer = is_writer,
      .cache_bytes = !is_writer               ? READER_CACHE_BYTES
                     : store->options.is_bulk ? BULK_CACHE_BYTES
                                              : WRITER_CACHE_BYTES,
  };
}

static int open_views(struct store *store, struct err *reterr) {
  store->views = calloc(store->options.readers, sizeof *store->views);
  if (!store->views)
    return err_no_memory(reterr);
  struct db_options options = db_options_of(store, false);
  for (size_t i = 0; i < store->options.readers; i++) {
    struct store_view *view = &store->views[store->views_n++];
    *view = (struct store_view){
        .store = store, .estimates = search_estimates_new(), .next = store->idle};
    int code = db_open(&options, &view->db, reterr);
    if (code != 0)
      return code;
    store->idle = view;
  }
  return 0;
}

static void tell_if_sharded(struct store *store) {
  if (store->writer)
    db_set_sharded(store->writer, store->schema.is_sharded);
  for (size_t i = 0; i < store->views_n; i++)
    db_set_sharded(store->views[i].db, store->schema.is_sharded);
}

/* Snapshots of idle views would keep the log from starting over. */
static void release_idle_views(void *what) {
  struct store *store = what;
  pthread_mutex_lock(&store->lock);
  for (struct store_view *view = store->idle; view; view = view->next)
    db_rollback(view->db);
  pthread_mutex_unlock(&store->lock);
}

static void trim_idle_views(void *what) {
  struct store *store = what;
  release_idle_views(store);
  pthread_mutex_lock(&store->lock);
  for (struct store_view *view = store->idle; view; view = view->next)
    db_trim(view->db);
  pthread_mutex_unlock(&store->lock);
  body_codec_trim(store->codec);
  malloc_trim(0); /* what the arenas of a busy hour left behind */
}

/* The set of search parameters is one for the process (model/parameters.h): it is this store's. */
static _Atomic(struct store *) owner_of_parameters;

static bool own_parameters(struct store *store) {
  struct store *nobody = NULL;
  if (atomic_compare_exchange_strong(&owner_of_parameters, &nobody, store) || nobody == store)
    return true;
  log_warning("store", "another store is open; this one's own search parameters are not in force");
  return false;
}

static void disown_parameters(struct store *store) {
  if (atomic_load(&owner_of_parameters) != store)
    return;
  parameter_set_clear();
  atomic_store(&owner_of_parameters, NULL);
}

static int load_parameters(struct store *store, struct db *db, bool is_writer, struct err *reterr) {
  bool has_job;
  if (!own_parameters(store))
    return 0;
  atomic_store(&store->loads_parameters, true);
  int code = parameter_set_load(db, &store->schema, store->codec, is_writer, &has_job, reterr);
  atomic_store(&store->loads_parameters, false);
  if (code == 0 && has_job)
    background_wake(store->background);
  return code;
}

bool store_loads_parameters(const struct store *store) {
  return atomic_load(&store->loads_parameters);
}

/* What is read is of this number, or of a later one: then it is read once more. */
static int read_definitions(struct store *store, uint64_t *ret_definitions, struct err *reterr) {
  struct sequence sequence;
  int code = db_begin_read(store->writer, reterr);
  if (code == 0)
    code = sequence_read(store->writer, &sequence, reterr);
  db_rollback(store->writer);
  if (code == 0)
    *ret_definitions = sequence.definitions;
  return code;
}

static int when_parameters_change(void *what, uint64_t *ret_definitions, struct err *reterr) {
  struct store *store = what;
  int code = read_definitions(store, ret_definitions, reterr);
  return code ? code : load_parameters(store, store->writer, true, reterr);
}

struct background *store_background(struct store *store) {
  return store->background;
}

static int open_committer(struct store *store, uint64_t definitions, struct err *reterr) {
  return committer_open(
      &(struct committer_options){.store = &store->options,
                                  .db = store->writer,
                                  .schema = &store->schema,
                                  .codec = store->codec,
                                  .view = &store->writer_view,
                                  .epoch = &store->epoch,
                                  .before_checkpoint = release_idle_views,
                                  .definitions = definitions,
                                  .when_parameters_change = when_parameters_change,
                                  .when_idle = trim_idle_views,
                                  .what = store},
      &store->committer, reterr);
}

static int open_parts(struct store *store, struct err *reterr) {
  struct db_options options = db_options_of(store, true);
  int code = db_open(&options, &store->writer, reterr);
  if (code == 0)
    code = schema_open(store->writer, store->arena, &store->schema, reterr);
  if (code == 0)
    code = job_requeue(store->writer, reterr);
  if (code == 0)
    code = body_codec_open(store->writer, store->path, false, &store->codec, reterr);
  if (code == 0)
    code = open_views(store, reterr);
  tell_if_sharded(store);
  bool has_job;
  if (code == 0)
    code = reindex_check_form(store->writer, &store->schema, store->codec, &has_job, reterr);
  uint64_t definitions = 0;
  if (code == 0)
    code = read_definitions(store, &definitions, reterr);
  if (code == 0)
    code = load_parameters(store, store->writer, true, reterr);
  store->writer_view = (struct store_view){.store = store, .db = store->writer};
  if (code == 0)
    code = open_committer(store, definitions, reterr);
  return code ? code : background_open(store, store->options.is_bulk, &store->background, reterr);
}

/* No writer: the tables, their numbers and the dictionaries are taken as they are. */
static int open_for_reading(struct store *store, struct err *reterr) {
  int code = open_views(store, reterr);
  if (code != 0)
    return code;
  struct db *db = store->views[0].db;
  code = schema_read(db, store->arena, &store->schema, reterr);
  tell_if_sharded(store);
  if (code == 0)
    code = body_codec_open(db, store->path, true, &store->codec, reterr);
  return code ? code : load_parameters(store, db, false, reterr);
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
  pthread_cond_init(&store->has_view, NULL);
  store->path = strdup(options->path);
  size_t readers = or_default(options->readers, READERS_DEFAULT);
  store->options = (struct store_options){
      .path = store->path,
      .readers = readers < READERS_MAX ? readers : READERS_MAX,
      .group_max =
          or_default(options->group_max, options->is_bulk ? BULK_GROUP_DEFAULT : GROUP_DEFAULT),
      .queue_max = or_default(options->queue_max, QUEUE_DEFAULT),
      .is_bulk = options->is_bulk,
      .is_read_only = options->is_read_only,
  };
  store->arena = arena_new((size_t)16 << 20);
  int code = search_values_init(reterr); /* bodies are looked into in the background, too */
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

void store_close(struct store *store) {
  if (!store)
    return;
  background_close(store->background);
  committer_close(store->committer);
  disown_parameters(store);
  for (size_t i = 0; i < store->views_n; i++) {
    db_close(store->views[i].db);
    search_estimates_free(store->views[i].estimates);
  }
  free(store->views);
  body_codec_close(store->codec);
  terminology_cache_free(store->terminology);
  db_close(store->writer);
  arena_free(store->arena);
  free(store->path);
  pthread_cond_destroy(&store->has_view);
  pthread_mutex_destroy(&store->lock);
  free(store);
}

/* ---- Writing ---- */

int store_prepare(struct store *store, struct store_commit *commit, struct err *reterr) {
  if (store->options.is_read_only)
    return err_set(reterr, ERR_READ_ONLY, "", "The store is open for reading only.");
  return commit_prepare(&store->schema, store->codec, commit, reterr);
}

int store_prepare_packed(struct store *store, struct store_commit *commit, struct err *reterr) {
  int code = store_prepare(store, commit, reterr);
  for (size_t i = 0; code == 0 && i < commit->writes_n; i++) {
    struct store_write *write = &commit->writes[i];
    write->id = commit->prepared_->writes[i].named->id;
    write->body = write->lineage = STR_NULL;
    write->values = (struct search_values){0};
  }
  return code;
}

void store_submit(struct store *store, struct store_commit *commit) {
  commit->code = 0;
  commit->seq = 0;
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

int store_view_open(struct store *store, struct store_view **ret_view, struct err *reterr) {
  struct store_view *view = take_view(store);
  if (!view) {
    err_set(reterr, ERR_BUSY, "", "Too many readers at the same time; try again later.");
    return ERR_BUSY;
  }
  uint64_t epoch = atomic_load(&store->epoch); /* before the snapshot is taken */
  if (view->epoch != epoch || !db_is_begun(view->db)) {
    db_rollback(view->db);
    view->epoch = epoch;
    int code = db_begin_read(view->db, reterr);
    if (code != 0) {
      give_view(view);
      return code;
    }
  }
  if (store->options.is_read_only) { /* the owner may have added a dictionary */
    pthread_mutex_lock(&store->lock);
    int code = body_codec_refresh(store->codec, view->db, reterr);
    pthread_mutex_unlock(&store->lock);
    if (code != 0) {
      store_view_close(view);
      return code;
    }
  }
  *ret_view = view;
  return 0;
}

void store_view_close(struct store_view *view) {
  if (!view)
    return;
  if (view->store->options.is_read_only) /* what another process commits has no epoch here */
    db_rollback(view->db);
  give_view(view);
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
  return view->estimates;
}

struct terminology_cache *store_view_terminology(const struct store_view *view) {
  return view == &view->store->writer_view ? NULL : view->store->terminology;
}

uint64_t store_epoch(const struct store *store) {
  return atomic_load(&store->epoch);
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
