#include "store/work/background.h"

#include <pthread.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/work/reindex.h"
#include "store/store_internal.h"
#include "store/text/text_index.h"

enum {
  REST_MS = 1,     /* after a step */
  RETRY_MS = 5000, /* after a step that failed */
  TICK_MS = 250,   /* how often it looks whether there is text to index */
};
#define EXPIRE_EVERY_US ((int64_t)3600 * 1000000)

struct background {
  struct store *store;
  pthread_t thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool is_closing, is_woken;
  bool is_bulk, has_lease;
  struct reindex reindex;
  struct text_index text;
  int64_t expired_at_us;
};

/* False when it is time to end. `may_be_woken`: a call of background_wake ends the wait. */
static bool wait_ms(struct background *b, long ms, bool may_be_woken) {
  struct timespec until = clock_in_ms(ms);
  pthread_mutex_lock(&b->lock);
  while (!b->is_closing && !(may_be_woken && b->is_woken))
    if (pthread_cond_timedwait(&b->changed, &b->lock, &until) != 0)
      break;
  if (b->is_woken && may_be_woken) {
    b->is_woken = false;
    b->reindex.may_have_work = true;
  }
  bool goes_on = !b->is_closing;
  pthread_mutex_unlock(&b->lock);
  return goes_on;
}

static void begin(struct background *b) {
  reindex_forget(&b->reindex);
  b->text = (struct text_index){0};
}

static int expire_jobs(struct background *b, struct err *reterr) {
  int64_t now = store_now_us(b->store);
  if (now - b->expired_at_us < EXPIRE_EVERY_US)
    return 0;
  struct store_view *view;
  bool has_expired = false;
  int code = store_view_open(b->store, &view, reterr);
  if (code == 0) {
    code = job_has_expired(view, now, &has_expired, reterr);
    store_view_close(view);
  }
  if (code == 0 && !has_expired)
    b->expired_at_us = now;
  if (code != 0 || !has_expired)
    return code;
  struct job_change expire = {.verb = JOB_EXPIRE, .expires_us = now};
  return job_change(b->store, &expire, reterr);
}

/* Jobs first; texts when there is none. `*ret_wait_ms`: until the next step. */
static int step(struct background *b, long *ret_wait_ms, struct err *reterr) {
  bool has_more, had_lease = b->has_lease;
  b->has_lease = store_has_background(b->store);
  if (!b->has_lease) {
    *ret_wait_ms = TICK_MS;
    return 0;
  }
  if (!had_lease) /* another process has worked until now */
    begin(b);
  int code = reindex_step(&b->reindex, b->store, &has_more, reterr);
  *ret_wait_ms = REST_MS;
  if (code != 0 || has_more)
    return code;
  code = expire_jobs(b, reterr);
  if (code == 0 && !b->is_bulk)
    code = text_index_step(&b->text, b->store, ret_wait_ms, reterr);
  if (b->is_bulk || *ret_wait_ms < 0)
    *ret_wait_ms = TICK_MS;
  return code;
}

static void *run(void *what) {
  struct background *b = what;
  bool goes_on = true;
  while (goes_on) {
    struct err err;
    long ms = 0;
    if (step(b, &ms, &err) != 0) {
      log_warning("store", "work in the background waits: %s", err.text);
      goes_on = wait_ms(b, RETRY_MS, false);
    } else {
      goes_on = wait_ms(b, ms > 0 ? ms : REST_MS, true);
    }
  }
  return NULL;
}

int background_open(struct store *store, bool is_bulk, struct background **ret_background,
                    struct err *reterr) {
  struct background *b = calloc(1, sizeof *b);
  if (!b)
    return err_no_memory(reterr);
  pthread_mutex_init(&b->lock, NULL);
  clock_cond_init(&b->changed);
  b->store = store;
  b->is_bulk = is_bulk;
  b->reindex.may_have_work = true;
  b->expired_at_us = store_now_us(store);
  if (pthread_create(&b->thread, NULL, run, b) != 0) {
    free(b);
    return err_set(reterr, ERR_NO_MEMORY, "", "A thread of the store can't be started.");
  }
  *ret_background = b;
  return 0;
}

void background_wake(struct background *b) {
  if (!b)
    return;
  pthread_mutex_lock(&b->lock);
  b->is_woken = true;
  pthread_cond_signal(&b->changed);
  pthread_mutex_unlock(&b->lock);
}

void background_stop(struct background *b) {
  if (!b)
    return;
  pthread_mutex_lock(&b->lock);
  b->is_closing = true;
  pthread_cond_signal(&b->changed);
  pthread_mutex_unlock(&b->lock);
  pthread_join(b->thread, NULL);
}

void background_free(struct background *b) {
  if (!b)
    return;
  arena_free(b->reindex.arena);
  pthread_cond_destroy(&b->changed);
  pthread_mutex_destroy(&b->lock);
  free(b);
}
