#include "main/import.h"

#include <pthread.h>

#include "main/import_piece.h"

#define WORKERS_MAX 64
/* Blocks under way. Enough for a transaction of some thousand resources while the next is made. */
#define BLOCKS_MAX 48
#define BATCH_WRITES_MAX 200
#define ATTEMPTS_MAX 5
#define SCRATCH_ARENA_MAX_BYTES ((size_t)4 << 30)
#define LATE_ARENA_MAX_BYTES ((size_t)4 << 30)

/* Where a line stands, and the line. */
struct origin {
  const char *path;
  size_t line; /* 0: the whole file is one value */
  struct str text;
};

struct job;

/* What goes to the store in one piece. */
struct batch {
  struct store_commit commit;
  struct job *job;
  VEC(struct origin) origins;
  VEC(struct store_write) writes;
  VEC(struct store_condition) conditions;
};

struct job {
  struct import *import;
  struct arena *arena;   /* the text, and what waits to be stored */
  struct arena *scratch; /* trees and values, until everything is packed */
  const char *path;
  struct import_block block;
  uint64_t number;
  VEC(struct batch *) batches;
  size_t waiting_n; /* batches that are not stored yet */
  struct job *next;
};

/* A line that will be tried again. */
struct late {
  struct origin origin;
  char *text; /* of the origin */
  struct late *next;
};

struct import {
  struct import_options options;
  pthread_mutex_t lock;
  pthread_cond_t has_job, has_turn, has_room;
  struct job *first, *last, *finished;
  uint64_t jobs_n, turn; /* given out so far; whose turn it is to submit */
  size_t under_way_n;
  bool is_ending;
  struct import_figures figures;
  uint64_t faults_n;
  struct late *late, **late_end;
  int code; /* what stopped it */
  struct err err;
  size_t workers_n;
  pthread_t workers[WORKERS_MAX];
};

/* ---- Faults ---- */

static void stop(struct import *import, int code, const struct err *err) {
  pthread_mutex_lock(&import->lock);
  if (import->code == 0) {
    import->code = code;
    import->err = *err;
  }
  import->figures.is_stopped = true;
  pthread_cond_broadcast(&import->has_room);
  pthread_mutex_unlock(&import->lock);
}

static bool is_stopped(struct import *import) {
  pthread_mutex_lock(&import->lock);
  bool stopped = import->figures.is_stopped;
  pthread_mutex_unlock(&import->lock);
  return stopped;
}

static void print_fault(struct import *import, const struct origin *origin, const struct err *err) {
  char place[32] = "";
  if (origin->line)
    snprintf(place, sizeof place, ":%zu", origin->line);
  pthread_mutex_lock(&import->lock);
  uint64_t n = import->faults_n++;
  pthread_mutex_unlock(&import->lock);
  if (n < import->options.faults_max)
    fprintf(stderr, "%s%s: %s%s%s\n", origin->path, place, err->where, err->where[0] ? ": " : "",
            err->text);
  else if (n == import->options.faults_max)
    fprintf(stderr, "More faults are counted, but not printed.\n");
  if (import->options.is_strict)
    stop(import, ERR_INVALID, err);
}

static void refuse(struct import *import, size_t resources_n) {
  pthread_mutex_lock(&import->lock);
  import->figures.refused += resources_n;
  pthread_mutex_unlock(&import->lock);
}

static void print_issues(struct import *import, const struct origin *origin,
                         const struct import_piece *piece) {
  for (size_t i = 0; i < piece->issues.list.n; i++)
    if (piece->issues.list.p[i].severity <= ERR_SEVERITY_ERROR)
      print_fault(import, origin, &piece->issues.list.p[i]);
  if (piece->refused_n)
    refuse(import, piece->refused_n);
}

/* Could it go well once what is under way is stored? */
static bool may_be_late(int code) {
  return code == ERR_PRECONDITION || code == ERR_STALE || code == ERR_CONFLICT;
}

static bool is_of_store(int code) {
  return code == ERR_STORE || code == ERR_IO || code == ERR_NO_SPACE || code == ERR_READ_ONLY ||
         code == ERR_BUSY || code == ERR_TIMEOUT || code == ERR_NO_MEMORY;
}

static void keep_for_later(struct import *import, const struct origin *origin) {
  struct late *late = calloc(1, sizeof *late);
  char *text = malloc(origin->text.n + 1);
  struct err err;
  if (!late || !text) {
    free(late);
    free(text);
    stop(import, err_no_memory(&err), &err);
    return;
  }
  memcpy(text, origin->text.p, origin->text.n);
  late->text = text;
  late->origin = (struct origin){origin->path, origin->line, str_n(text, origin->text.n)};
  pthread_mutex_lock(&import->lock);
  *import->late_end = late;
  import->late_end = &late->next;
  pthread_mutex_unlock(&import->lock);
}

/* What to do with a line that could not be made ready or stored. */
static void fail_line(struct import *import, const struct origin *origin, int code,
                      const struct err *err) {
  if (is_of_store(code)) {
    stop(import, code, err);
  } else if (may_be_late(code)) {
    keep_for_later(import, origin);
  } else {
    refuse(import, 1);
    print_fault(import, origin, err);
  }
}

/* ---- Storing ---- */

static void count(struct import *import, const struct store_commit *commit) {
  struct import_figures *figures = &import->figures;
  uint64_t by_effect[STORE_WAS_DELETED + 1] = {0};
  for (size_t i = 0; i < commit->writes_n; i++)
    by_effect[commit->writes[i].effect]++;
  pthread_mutex_lock(&import->lock);
  figures->created += by_effect[STORE_CREATED];
  figures->updated += by_effect[STORE_UPDATED];
  figures->unchanged += by_effect[STORE_UNCHANGED];
  figures->deleted += by_effect[STORE_DELETED];
  pthread_mutex_unlock(&import->lock);
}

static void end_job(struct import *import, struct job *job) {
  pthread_mutex_lock(&import->lock);
  job->next = import->finished; /* freed by a worker: the committer has better things to do */
  import->finished = job;
  import->under_way_n--;
  pthread_cond_broadcast(&import->has_room);
  pthread_mutex_unlock(&import->lock);
}

/* On the committer's thread. */
static void stored(struct store_commit *commit, void *what) {
  struct batch *batch = what;
  struct job *job = batch->job;
  struct import *import = job->import;
  if (commit->code == 0)
    count(import, commit);
  for (size_t i = 0; commit->code != 0 && i < batch->origins.n; i++)
    fail_line(import, &batch->origins.p[i], commit->code, &commit->err);
  pthread_mutex_lock(&import->lock);
  bool is_last = --job->waiting_n == 0;
  pthread_mutex_unlock(&import->lock);
  if (is_last)
    end_job(import, job);
}

/* ---- Making ready ---- */

static struct batch *new_batch(struct job *job) {
  struct batch **place = VEC_PUSH(job->scratch, &job->batches);
  struct batch *batch = place ? ARENA_NEW(job->scratch, struct batch) : NULL;
  if (!batch)
    return NULL;
  batch->job = job;
  return *place = batch;
}

static bool writes_same(const struct batch *batch, const struct store_commit *commit) {
  for (size_t i = 0; i < commit->writes_n; i++)
    for (size_t j = 0; j < batch->writes.n; j++)
      if (batch->writes.p[j].type == commit->writes[i].type &&
          str_equal(batch->writes.p[j].id, commit->writes[i].id))
        return true;
  return false;
}

/* Bundles are a batch of their own. Resources share one, unless one comes twice. */
static int add_to_batch(struct job *job, struct batch **shared, const struct import_piece *piece,
                        const struct origin *origin) {
  const struct store_commit *commit = &piece->commit;
  if (commit->writes_n == 0)
    return 0;
  struct batch *batch = *shared;
  if (piece->is_bundle || !batch || batch->writes.n >= BATCH_WRITES_MAX ||
      writes_same(batch, commit))
    batch = new_batch(job);
  if (!batch)
    return -1;
  *shared = piece->is_bundle ? NULL : batch;
  struct origin *place = VEC_PUSH(job->scratch, &batch->origins);
  if (!place)
    return -1;
  *place = *origin;
  for (size_t i = 0; i < commit->writes_n; i++) {
    struct store_write *write = VEC_PUSH(job->scratch, &batch->writes);
    if (!write)
      return -1;
    *write = commit->writes[i];
  }
  for (size_t i = 0; i < commit->conditions_n; i++) {
    struct store_condition *condition = VEC_PUSH(job->scratch, &batch->conditions);
    if (!condition)
      return -1;
    *condition = commit->conditions[i];
  }
  return 0;
}

static int prepare_line(struct job *job, struct store_view *view, const struct origin *origin,
                        struct batch **shared) {
  struct import *import = job->import;
  struct import_piece piece = {.arena = job->scratch, .text = origin->text};
  struct err err;
  int code = import_piece_prepare(view, import->options.with_invariants, &piece, &err);
  if (code != 0) {
    fail_line(import, origin, code, &err);
    return is_of_store(code) ? -1 : 0;
  }
  print_issues(import, origin, &piece);
  if (add_to_batch(job, shared, &piece, origin) == 0)
    return 0;
  stop(import, err_no_memory(&err), &err);
  return -1;
}

static int prepare_block(struct job *job, struct store_view *view) {
  struct origin origin = {.path = job->path, .line = job->block.first_line};
  struct batch *shared = NULL;
  struct str rest = job->block.text;
  if (job->block.is_one_value) {
    origin.line = 0;
    origin.text = rest;
    return prepare_line(job, view, &origin, &shared);
  }
  for (; str_split(&rest, '\n', &origin.text); origin.line++) {
    origin.text = str_trim(origin.text);
    if (origin.text.n > 0 && prepare_line(job, view, &origin, &shared) != 0)
      return -1;
  }
  return 0;
}

/* Onto the job's arena. */
static struct batch *pack_batch(struct job *job, const struct batch *batch, struct err *reterr) {
  struct arena *arena = job->arena;
  struct batch *packed = ARENA_NEW(arena, struct batch);
  struct store_write *writes = ARENA_ARRAY(arena, struct store_write, batch->writes.n + 1);
  struct origin *origins = ARENA_ARRAY(arena, struct origin, batch->origins.n + 1);
  if (!packed || !writes || !origins) {
    (void)err_no_memory(reterr);
    return NULL;
  }
  memcpy(writes, batch->writes.p, batch->writes.n * sizeof *writes);
  memcpy(origins, batch->origins.p, batch->origins.n * sizeof *origins);
  *packed = (struct batch){.job = job};
  packed->origins.p = origins;
  packed->origins.n = batch->origins.n;
  packed->commit = (struct store_commit){.arena = arena,
                                         .principal = STR("import"),
                                         .writes = writes,
                                         .writes_n = batch->writes.n,
                                         .conditions = batch->conditions.p,
                                         .conditions_n = batch->conditions.n,
                                         .done = stored,
                                         .what = packed};
  return store_prepare_packed(job->import->options.store, &packed->commit, reterr) == 0 ? packed
                                                                                        : NULL;
}

/* One that can't be packed is told and dropped. The trees are given back, unless a condition still
 * looks at them. */
static void pack_batches(struct job *job) {
  size_t kept = 0;
  bool is_borrowed = false;
  struct batch **packed = ARENA_ARRAY(job->arena, struct batch *, job->batches.n + 1);
  for (size_t i = 0; i < job->batches.n; i++) {
    const struct batch *batch = job->batches.p[i];
    struct err err = {.code = ERR_NO_MEMORY};
    struct batch *done = packed ? pack_batch(job, batch, &err) : NULL;
    if (done) {
      packed[kept++] = done;
      is_borrowed |= done->commit.conditions_n > 0;
    }
    for (size_t j = 0; !done && j < batch->origins.n; j++)
      fail_line(job->import, &batch->origins.p[j], err.code, &err);
  }
  job->batches.p = packed;
  job->batches.n = kept;
  if (!is_borrowed) {
    arena_free(job->scratch);
    job->scratch = NULL;
  }
}

static void prepare_job(struct job *job) {
  struct import *import = job->import;
  struct store_view *view;
  struct err err;
  job->scratch = arena_new(SCRATCH_ARENA_MAX_BYTES);
  int code =
      job->scratch ? store_view_open(import->options.store, &view, &err) : err_no_memory(&err);
  if (code != 0) {
    stop(import, code, &err);
    return;
  }
  code = prepare_block(job, view);
  store_view_close(view);
  if (code == 0)
    pack_batches(job);
  else
    job->batches.n = 0;
}

/* ---- Workers ---- */

static void free_finished(struct job *job) {
  for (struct job *next; job; job = next) {
    next = job->next;
    arena_free(job->scratch);
    arena_free(job->arena); /* the job is on it */
  }
}

/* Jobs are submitted in their order, whoever was ready first. */
static void submit_in_turn(struct import *import, struct job *job) {
  pthread_mutex_lock(&import->lock);
  while (import->turn != job->number)
    pthread_cond_wait(&import->has_turn, &import->lock);
  bool is_cancelled = import->figures.is_stopped;
  pthread_mutex_unlock(&import->lock);
  size_t n = is_cancelled ? 0 : job->batches.n;
  job->waiting_n = n;
  struct batch **batches = job->batches.p; /* the job may end with the last one */
  for (size_t i = 0; i < n; i++)
    store_submit(import->options.store, &batches[i]->commit);
  if (n == 0)
    end_job(import, job);
  pthread_mutex_lock(&import->lock);
  import->turn++;
  pthread_cond_broadcast(&import->has_turn);
  pthread_mutex_unlock(&import->lock);
}

static struct job *take_job(struct import *import, struct job **ret_finished) {
  pthread_mutex_lock(&import->lock);
  while (!import->first && !import->is_ending)
    pthread_cond_wait(&import->has_job, &import->lock);
  struct job *job = import->first;
  if (job && !(import->first = job->next))
    import->last = NULL;
  *ret_finished = import->finished;
  import->finished = NULL;
  pthread_mutex_unlock(&import->lock);
  return job;
}

static void *run_worker(void *what) {
  struct import *import = what;
  struct job *job, *finished;
  while ((job = take_job(import, &finished)) != NULL) {
    free_finished(finished);
    if (!is_stopped(import))
      prepare_job(job);
    submit_in_turn(import, job);
  }
  free_finished(finished);
  return NULL;
}

/* ---- From outside ---- */

int import_start(const struct import_options *options, struct import **ret_import,
                 struct err *reterr) {
  struct import *import = calloc(1, sizeof *import);
  if (!import)
    return err_no_memory(reterr);
  import->options = *options;
  import->late_end = &import->late;
  pthread_mutex_init(&import->lock, NULL);
  pthread_cond_init(&import->has_job, NULL);
  pthread_cond_init(&import->has_turn, NULL);
  pthread_cond_init(&import->has_room, NULL);
  size_t wanted = options->threads < WORKERS_MAX ? options->threads : WORKERS_MAX;
  while (import->workers_n < wanted &&
         pthread_create(&import->workers[import->workers_n], NULL, run_worker, import) == 0)
    import->workers_n++;
  *ret_import = import;
  if (import->workers_n > 0)
    return 0;
  struct import_figures figures;
  (void)!import_finish(import, &figures, reterr);
  return err_set(reterr, ERR_NO_MEMORY, "", "No thread can be started.");
}

bool import_block(struct import *import, const char *path, struct arena *arena,
                  struct import_block block) {
  struct err err;
  struct job *job = ARENA_NEW(arena, struct job);
  if (!job) {
    arena_free(arena);
    stop(import, err_no_memory(&err), &err);
    return false;
  }
  *job = (struct job){.import = import, .arena = arena, .path = path, .block = block};
  pthread_mutex_lock(&import->lock);
  while (import->under_way_n >= BLOCKS_MAX && !import->figures.is_stopped)
    pthread_cond_wait(&import->has_room, &import->lock);
  bool is_taken = !import->figures.is_stopped;
  if (is_taken) {
    job->number = import->jobs_n++;
    import->under_way_n++;
    if (import->last)
      import->last->next = job;
    else
      import->first = job;
    import->last = job;
    pthread_cond_signal(&import->has_job);
  }
  pthread_mutex_unlock(&import->lock);
  if (!is_taken)
    arena_free(arena);
  return is_taken;
}

struct import_figures import_figures(struct import *import) {
  pthread_mutex_lock(&import->lock);
  struct import_figures figures = import->figures;
  pthread_mutex_unlock(&import->lock);
  return figures;
}

/* ---- The late ones ---- */

/* 0, or what still stands against it. */
static int store_late(struct import *import, const struct origin *origin, struct err *reterr) {
  int code = ERR_STALE;
  for (unsigned i = 0; code == ERR_STALE && i < ATTEMPTS_MAX; i++) {
    struct store_view *view;
    struct import_piece piece = {.arena = arena_new(LATE_ARENA_MAX_BYTES), .text = origin->text};
    if (!piece.arena)
      return err_no_memory(reterr);
    code = store_view_open(import->options.store, &view, reterr);
    if (code == 0) {
      code = import_piece_prepare(view, import->options.with_invariants, &piece, reterr);
      store_view_close(view);
    }
    if (code == 0 && piece.commit.writes_n > 0)
      code = store_commit_wait(import->options.store, &piece.commit, reterr);
    if (code == 0) {
      print_issues(import, origin, &piece);
      count(import, &piece.commit);
    }
    arena_free(piece.arena);
  }
  return code;
}

/* Again and again while it helps: one may need another. */
static void store_all_late(struct import *import) {
  bool has_progress = true;
  while (import->late && !import->figures.is_stopped) {
    bool is_last_try = !has_progress;
    has_progress = false;
    for (struct late **place = &import->late; *place && !import->figures.is_stopped;) {
      struct late *late = *place;
      struct err err;
      int code = store_late(import, &late->origin, &err);
      if (code != 0 && may_be_late(code) && !is_last_try) {
        place = &late->next;
        continue;
      }
      if (code != 0 && is_of_store(code)) {
        stop(import, code, &err);
      } else if (code != 0) {
        refuse(import, 1);
        print_fault(import, &late->origin, &err);
      }
      has_progress |= code == 0;
      *place = late->next;
      free(late->text);
      free(late);
    }
  }
}

int import_finish(struct import *import, struct import_figures *ret_figures, struct err *reterr) {
  pthread_mutex_lock(&import->lock);
  while (import->under_way_n > 0)
    pthread_cond_wait(&import->has_room, &import->lock);
  import->is_ending = true;
  pthread_cond_broadcast(&import->has_job);
  pthread_mutex_unlock(&import->lock);
  for (size_t i = 0; i < import->workers_n; i++)
    pthread_join(import->workers[i], NULL);
  free_finished(import->finished);
  store_all_late(import);
  for (struct late *late = import->late, *next; late; late = next) {
    next = late->next;
    free(late->text);
    free(late);
  }
  int code = import->code;
  *ret_figures = import->figures;
  if (code != 0)
    *reterr = import->err;
  pthread_cond_destroy(&import->has_room);
  pthread_cond_destroy(&import->has_turn);
  pthread_cond_destroy(&import->has_job);
  pthread_mutex_destroy(&import->lock);
  free(import);
  return code;
}
