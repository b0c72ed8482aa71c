#include "store/work/watch.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/commit/commit.h"
#include "store/work/lease.h"
#include "store/work/reindex.h"
#include "store/store_internal.h"

enum {
  TICK_MS = 200,
  AWAY_TICK_MS = 1000, /* while the server can't be reached */
  LEASE_LOOK_TICKS = 5,
  SILENCE_US = 5000000, /* a look that takes so long has no answer */
};
#define BEAT_ARENA_MAX_BYTES ((size_t)1 << 20)

/* The commit by which this process says that it lives. One at a time. */
struct beat {
  struct arena *arena;
  struct store_commit commit;
  struct store_task task;
  /* Set inside the transaction; published when it is durable. */
  int64_t database_now_us, here_now_us;
  bool takes_background;
  int64_t sent_at_us; /* monotonic */
};

struct watch {
  struct watch_options options;
  struct db *db;
  pthread_t thread;
  bool has_thread;

  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool is_closing, is_beating;

  struct beat beat;
  atomic_bool has_background;
  atomic_int_fast64_t background_until_us; /* monotonic; a little before the lease ends */
  atomic_int_fast64_t clock_ahead_us;

  unsigned ticks;
  bool is_background_free; /* when it was looked at last */
  bool is_away;
  int64_t away_since_us;                   /* monotonic */
  atomic_int_fast64_t answered_at_us;      /* monotonic; the last good look */
  atomic_int_fast64_t shown_away_since_us; /* of the day; 0: it is not away */
};

bool watch_has_background(const struct watch *watch) {
  return watch && atomic_load(&watch->has_background) &&
         clock_monotonic_us() < atomic_load(&watch->background_until_us);
}

int64_t watch_away_since_us(const struct watch *watch) {
  int64_t since_us = watch ? atomic_load(&watch->shown_away_since_us) : 0;
  if (!watch || since_us != 0)
    return since_us;
  int64_t silent_us = clock_monotonic_us() - atomic_load(&watch->answered_at_us);
  return silent_us < SILENCE_US ? 0 : clock_now_us() - silent_us;
}

int64_t watch_clock_ahead_us(const struct watch *watch) {
  return watch ? atomic_load(&watch->clock_ahead_us) : 0;
}

bool watch_is_answered(const struct watch *watch) {
  return watch_away_since_us(watch) == 0;
}

/* ---- The beat ---- */

static int beat_inside(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  (void)sequence;
  struct watch *watch = what;
  struct beat *beat = &watch->beat;
  int64_t lease_us = store_lease_us(watch->options.store);
  beat->here_now_us = clock_now_us();
  beat->takes_background = false;
  int code = process_beat(db, watch->options.process, lease_us, &beat->database_now_us, reterr);
  if (code == 0 && store_wants_background(watch->options.store))
    code = lease_take(db, STR(WATCH_BACKGROUND), watch->options.process->id, lease_us,
                      &beat->takes_background, reterr);
  return code;
}

static void beat_done(struct store_commit *commit, void *what) {
  struct watch *watch = what;
  struct beat *beat = &watch->beat;
  if (commit->code == 0) {
    atomic_store(&watch->clock_ahead_us, beat->database_now_us - beat->here_now_us);
    atomic_store(&watch->background_until_us,
                 beat->sent_at_us + store_lease_us(watch->options.store) * 5 / 6);
    atomic_store(&watch->has_background, beat->takes_background);
  }
  pthread_mutex_lock(&watch->lock);
  watch->is_beating = false;
  pthread_cond_broadcast(&watch->changed);
  pthread_mutex_unlock(&watch->lock);
}

static void send_beat(struct watch *watch) {
  struct beat *beat = &watch->beat;
  pthread_mutex_lock(&watch->lock);
  bool is_free = !watch->is_beating;
  watch->is_beating = true;
  pthread_mutex_unlock(&watch->lock);
  if (!is_free)
    return;
  arena_reset(beat->arena);
  beat->task = (struct store_task){.run = beat_inside, .what = watch, .is_quiet = true};
  beat->commit = (struct store_commit){.arena = beat->arena,
                                       .principal = STR(""),
                                       .task_ = &beat->task,
                                       .done = beat_done,
                                       .what = watch,
                                       .is_urgent = true};
  beat->sent_at_us = clock_monotonic_us();
  watch->is_background_free = false;
  store_submit(watch->options.store, &beat->commit);
}

static void wait_for_beat(struct watch *watch) {
  pthread_mutex_lock(&watch->lock);
  while (watch->is_beating)
    pthread_cond_wait(&watch->changed, &watch->lock);
  pthread_mutex_unlock(&watch->lock);
}

static bool is_beat_due(const struct watch *watch) {
  int64_t since_us = clock_monotonic_us() - watch->beat.sent_at_us;
  int64_t third_us = store_lease_us(watch->options.store) / 3;
  bool may_take = watch->is_background_free && !watch_has_background(watch) &&
                  store_wants_background(watch->options.store);
  return since_us >= (third_us < PROCESS_BEAT_US ? third_us : PROCESS_BEAT_US) || may_take;
}

/* ---- Looking ---- */

/* Is there nobody who works in the background? */
static int look_at_lease(struct watch *watch, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(watch->db, STR("SELECT until FROM lease WHERE name=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, STR(WATCH_BACKGROUND));
  code = db_step(row, &has_row, reterr);
  if (code == 0)
    watch->is_background_free =
        !has_row || db_column_i64(row, 0) <= clock_now_us() + watch_clock_ahead_us(watch);
  db_release(row);
  return code;
}

static int look(struct watch *watch, struct err *reterr) {
  struct sequence now;
  int code = db_begin_read(watch->db, reterr);
  if (code == 0)
    code = sequence_read(watch->db, &now, reterr);
  if (code == 0)
    code = store_follow(watch->options.store, watch->db, &now, false, reterr);
  bool is_time = watch->ticks++ % LEASE_LOOK_TICKS == 0;
  if (code == 0 && is_time && watch->options.process)
    code = look_at_lease(watch, reterr);
  if (code == 0 && is_time && !watch_has_background(watch) &&
      store_wants_background(watch->options.store))
    code = reindex_follow(watch->db, reterr);
  db_rollback(watch->db);
  return code;
}

/* Said once when it goes, and once when it is back. */
static void note_result(struct watch *watch, int code, const struct err *err,
                        int64_t looked_at_us) {
  if (code != 0 && !watch->is_away) {
    log_warning("store", "the state of the store can't be read; it is tried again: %s", err->text);
    watch->away_since_us = looked_at_us;
    atomic_store(&watch->shown_away_since_us,
                 clock_now_us() - (clock_monotonic_us() - looked_at_us));
  } else if (code == 0 && watch->is_away) {
    log_info("store", "the store is there again, after %.1f s",
             (double)(clock_monotonic_us() - watch->away_since_us) / 1e6);
  }
  watch->is_away = code != 0;
  if (code == 0) {
    atomic_store(&watch->shown_away_since_us, 0);
    atomic_store(&watch->answered_at_us, clock_monotonic_us());
  }
}

static bool wait_ms(struct watch *watch, long ms) {
  struct timespec until = clock_in_ms(ms);
  pthread_mutex_lock(&watch->lock);
  while (!watch->is_closing)
    if (pthread_cond_timedwait(&watch->changed, &watch->lock, &until) != 0)
      break;
  bool goes_on = !watch->is_closing;
  pthread_mutex_unlock(&watch->lock);
  return goes_on;
}

static void *run(void *what) {
  struct watch *watch = what;
  while (wait_ms(watch, watch->is_away ? AWAY_TICK_MS : TICK_MS)) {
    struct err err;
    int64_t looked_at_us = clock_monotonic_us();
    note_result(watch, look(watch, &err), &err, looked_at_us);
    db_trim(watch->db);
    store_rest_views(watch->options.store);
    if (watch->options.process && is_beat_due(watch))
      send_beat(watch);
  }
  return NULL;
}

/* ---- Life ---- */

static int first_beat(struct watch *watch, struct err *reterr) {
  send_beat(watch);
  wait_for_beat(watch);
  if (watch->beat.commit.code != 0)
    *reterr = watch->beat.commit.err;
  return watch->beat.commit.code;
}

int watch_open(const struct watch_options *options, struct watch **ret_watch, struct err *reterr) {
  struct watch *watch = calloc(1, sizeof *watch);
  if (!watch)
    return err_no_memory(reterr);
  pthread_mutex_init(&watch->lock, NULL);
  clock_cond_init(&watch->changed);
  watch->options = *options;
  watch->beat.arena = arena_new(BEAT_ARENA_MAX_BYTES);
  int code = watch->beat.arena ? db_open(&options->db, &watch->db, reterr) : err_no_memory(reterr);
  if (code == 0 && options->process)
    code = first_beat(watch, reterr);
  watch->is_away = code != 0; /* nobody to say good-bye to, where it was not reached */
  if (code == 0)
    *ret_watch = watch;
  else
    watch_close(watch);
  return code;
}

int watch_start(struct watch *watch, struct err *reterr) {
  atomic_store(&watch->answered_at_us, clock_monotonic_us());
  watch->has_thread = pthread_create(&watch->thread, NULL, run, watch) == 0;
  return watch->has_thread
             ? 0
             : err_set(reterr, ERR_NO_MEMORY, "", "A thread of the store can't be started.");
}

static int leave_inside(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  (void)sequence;
  const struct watch *watch = what;
  return process_leave(db, watch->options.process->id, reterr);
}

static void say_good_bye(struct watch *watch) {
  struct err err;
  if (watch->is_away || !watch->options.process)
    return;
  if (store_run_task(watch->options.store, leave_inside, watch, &err) != 0)
    log_warning("store", "the end of this process was not noted: %s", err.text);
}

void watch_close(struct watch *watch) {
  if (!watch)
    return;
  pthread_mutex_lock(&watch->lock);
  watch->is_closing = true;
  pthread_cond_broadcast(&watch->changed);
  pthread_mutex_unlock(&watch->lock);
  if (watch->has_thread)
    pthread_join(watch->thread, NULL);
  wait_for_beat(watch);
  say_good_bye(watch);
  db_close(watch->db);
  arena_free(watch->beat.arena);
  pthread_cond_destroy(&watch->changed);
  pthread_mutex_destroy(&watch->lock);
  free(watch);
}
