#include "store/commit/committer.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/commit/group_read.h"
#include "store/commit/upkeep.h"

#define GROUP_ROWS_MAX 20000u
#define BULK_ROWS_MAX 120000u
#define BULK_WAIT_MS 50
#define IDLE_MS 3000

/* How long a group is tried again while the server can't be reached; when the store is to be closed
 * meanwhile; and the pauses in between. */
#define PATIENCE_US ((int64_t)30 * 1000000)
#define CLOSING_PATIENCE_US ((int64_t)2 * 1000000)
#define FIRST_PAUSE_MS 10
#define LONGEST_PAUSE_MS 1000

/* How fast commits are now is told by the last groups, where they are not older than this. */
#define LAST_GROUPS 64
#define LAST_GROUPS_US ((int64_t)60 * 1000000)

struct durable_group {
  int64_t at_us, took_us; /* at: monotonic */
};

struct committer {
  struct committer_options options;
  struct db *db;
  struct group group;
  uint8_t *is_identifier;  /* of the group */
  struct sequence durable; /* after the last group */
  bool is_informed;        /* what is remembered of parameters and rows is of durable.definitions */
  size_t group_max, queue_max;
  bool is_bulk;
  int64_t outage_since_us; /* 0: the server can be reached, as far as is known */

  pthread_mutex_t lock;
  pthread_cond_t has_work, has_closing;
  struct store_commit *first, *last;
  size_t queue_n, queue_rows, urgent_n;
  bool is_hurried, is_closing;
  bool is_warm; /* has worked since it was idle */
  uint64_t fsyncs;
  struct durable_group last_groups[LAST_GROUPS]; /* a ring: the newest is before fsyncs */
  int64_t refused_since_us;                      /* of the day; 0: the last group was stored */
  int refusal;

  struct upkeep *upkeep;
  pthread_t thread;
  bool has_thread;
};

/* ---- The queue ---- */

static void answer(struct store_commit *commit, int code, const struct err *err) {
  commit->code = code;
  if (code != 0)
    commit->err = *err;
  commit->next_ = NULL;
  commit->prepared_ = NULL; /* it may come again with other content */
  commit->done(commit, commit->what);
}

void committer_submit(struct committer *committer, struct store_commit *commit) {
  commit->next_ = NULL;
  pthread_mutex_lock(&committer->lock);
  bool is_full = committer->queue_n >= committer->queue_max || committer->is_closing;
  if (!is_full) {
    if (committer->last)
      committer->last->next_ = commit;
    else
      committer->first = commit;
    committer->last = commit;
    committer->queue_n++;
    committer->queue_rows += commit->prepared_->rows_n;
    committer->urgent_n += commit->is_urgent;
    pthread_cond_signal(&committer->has_work);
  }
  pthread_mutex_unlock(&committer->lock);
  if (is_full) {
    struct err err;
    int code = err_set(&err, ERR_BUSY, "", "Too many changes wait to be stored; try again later.");
    answer(commit, code, &err);
  }
}

static size_t rows_max(const struct committer *committer) {
  return committer->is_bulk ? BULK_ROWS_MAX : GROUP_ROWS_MAX;
}

/* Until there is work or it closes; a while after the last work, memory is given back. */
static void wait_for_work(struct committer *committer) {
  struct timespec until = clock_in_ms(IDLE_MS);
  while (!committer->first && !committer->is_closing) {
    if (!committer->is_warm) {
      pthread_cond_wait(&committer->has_work, &committer->lock);
    } else if (pthread_cond_timedwait(&committer->has_work, &committer->lock, &until) != 0) {
      committer->is_warm = false;
      pthread_mutex_unlock(&committer->lock);
      db_trim(committer->db);
      committer->options.when_idle(committer->options.what);
      pthread_mutex_lock(&committer->lock);
    }
  }
}

/* A bulk load waits a moment for a larger group: its rows are sorted together. */
static void wait_for_more(struct committer *committer) {
  struct timespec until = clock_in_ms(BULK_WAIT_MS);
  while (!committer->is_closing && committer->urgent_n == 0 &&
         committer->queue_rows < rows_max(committer) && committer->queue_n < committer->group_max)
    if (pthread_cond_timedwait(&committer->has_work, &committer->lock, &until) != 0)
      break;
}

/* The next group, linked by next_, or NULL when it is time to end. */
static struct store_commit *take_group(struct committer *committer) {
  pthread_mutex_lock(&committer->lock);
  wait_for_work(committer);
  if (committer->is_bulk)
    wait_for_more(committer);
  struct store_commit *group = committer->first, *end = NULL;
  size_t n = 0, rows = 0;
  while (committer->first && n < committer->group_max && (n == 0 || rows < rows_max(committer))) {
    end = committer->first;
    rows += end->prepared_->rows_n;
    committer->is_warm |= !(end->task_ && end->task_->is_quiet);
    committer->urgent_n -= end->is_urgent;
    n++;
    committer->first = end->next_;
  }
  if (end)
    end->next_ = NULL;
  if (!committer->first)
    committer->last = NULL;
  committer->queue_n -= n;
  committer->queue_rows -= rows;
  pthread_mutex_unlock(&committer->lock);
  return group;
}

/* ---- A group ---- */

static void note_identifier_params(struct committer *committer) {
  const struct schema *schema = committer->group.schema;
  for (size_t i = 1; i < schema->params_n; i++)
    committer->is_identifier[i] =
        str_is(defs_param(schema_param(schema, (int64_t)i))->code, "identifier");
}

/* Checks and stages every commit; refusals are noted in them. */
static int add_all(struct committer *committer, struct store_commit *commits, struct err *reterr) {
  for (struct store_commit *commit = commits; commit; commit = commit->next_) {
    bool is_refusal = false;
    commit->code = group_add(&committer->group, commit, &is_refusal, &commit->err);
    if (commit->code != 0 && !is_refusal) {
      *reterr = commit->err;
      return commit->code;
    }
  }
  return 0;
}

static void count_fsync(struct committer *committer, int64_t begun_us) {
  int64_t now_us = clock_monotonic_us();
  pthread_mutex_lock(&committer->lock);
  committer->last_groups[committer->fsyncs++ % LAST_GROUPS] =
      (struct durable_group){now_us, now_us - begun_us};
  pthread_mutex_unlock(&committer->lock);
}

/* What is remembered may be wrong with other definitions: a parameter's words are taken out when it
 * goes, and its number is given again. */
static void inform(struct committer *committer, uint64_t definitions) {
  if (committer->is_informed && committer->durable.definitions == definitions)
    return;
  group_forget_known(&committer->group);
  note_identifier_params(committer);
  committer->is_informed = true;
}

/* Begins the transaction and asks, in one round trip where the store is remote, for the state of
 * the world as it is now, which another process may have moved on, and for what the commits need.
 */
static int ask(struct committer *committer, const struct store_commit *commits,
               struct sequence *ret_sequence, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = group_begin(&committer->group, reterr);
  if (code == 0)
    code = db_begin_write(committer->db, reterr);
  if (code == 0)
    code = sequence_ask(committer->db, &row, reterr);
  if (code == 0)
    code = group_ask(&committer->group, commits, reterr);
  if (code != 0)
    db_release(row);
  return code ? code : sequence_take(row, ret_sequence, reterr);
}

static int begin(struct committer *committer, const struct store_commit *commits,
                 struct err *reterr) {
  struct sequence sequence;
  int64_t now_us;
  int code = ask(committer, commits, &sequence, reterr);
  if (code == 0)
    code = db_now(committer->db, &now_us, reterr);
  if (code == 0)
    code = committer->options.follow(committer->options.what, &sequence, reterr);
  if (code != 0)
    return code;
  inform(committer, sequence.definitions);
  group_continue(&committer->group, sequence, now_us);
  return group_take_answers(&committer->group, reterr);
}

/* The resources are there; what they define follows from them in the same transaction. */
static int define(struct committer *committer, struct err *reterr) {
  struct group *group = &committer->group;
  if (!group->changes_parameters)
    return 0;
  int code = group_write(group, reterr);
  return code ? code : committer->options.define(committer->options.what, &group->sequence, reterr);
}

static int run_transaction(struct committer *committer, struct store_commit *commits,
                           struct err *reterr) {
  struct group *group = &committer->group;
  int64_t begun_us = clock_monotonic_us();
  int code = begin(committer, commits, reterr);
  if (code == 0)
    code = add_all(committer, commits, reterr);
  if (code == 0)
    code = define(committer, reterr);
  if (code == 0)
    code = group_end(group, reterr);
  bool has_changes = code == 0 && group_has_changes(group);
  if (has_changes)
    code = db_commit(committer->db, reterr);
  if (code != 0 || !has_changes) {
    group_drop_question(group);
    db_rollback(committer->db);
    if (code != 0)
      group_forget_known(group);
    return code;
  }
  atomic_fetch_add(committer->options.epoch, 1); /* first: who is woken by it looks at a new view */
  if (group->changes_parameters)
    committer->options.when_defined(committer->options.what, &group->sequence);
  inform(committer, group->sequence.definitions);
  committer->durable = group->sequence;
  count_fsync(committer, begun_us);
  return 0;
}

/* ---- When the server can't be reached ---- */

/* Until when a group is tried again: an outage is waited for once, not by every group that comes
 * while it lasts. */
static int64_t give_up_at_us(struct committer *committer, int64_t now_us) {
  if (committer->outage_since_us == 0)
    committer->outage_since_us = now_us;
  pthread_mutex_lock(&committer->lock);
  int64_t patience_us = committer->is_hurried ? CLOSING_PATIENCE_US : PATIENCE_US;
  pthread_mutex_unlock(&committer->lock);
  return committer->outage_since_us + patience_us;
}

static void pause_ms(struct committer *committer, long ms) {
  struct timespec until = clock_in_ms(ms);
  pthread_mutex_lock(&committer->lock);
  while (pthread_cond_timedwait(&committer->has_closing, &committer->lock, &until) == 0)
    if (committer->is_hurried)
      break;
  pthread_mutex_unlock(&committer->lock);
}

/* Runs the group as often as it must be. Nothing is kept of a try that came to nothing: the group
 * begins afresh, and what is noted in the commits is noted again. */
static int run_until_known(struct committer *committer, struct store_commit *commits,
                           struct err *reterr) {
  long wait_ms = FIRST_PAUSE_MS;
  int code;
  while ((code = run_transaction(committer, commits, reterr)) == ERR_UNAVAILABLE) {
    int64_t now_us = clock_monotonic_us();
    if (committer->outage_since_us == 0)
      log_warning("store", "changes wait for the store: %s", reterr->text);
    if (now_us + wait_ms * 1000 > give_up_at_us(committer, now_us))
      return code;
    pause_ms(committer, wait_ms);
    wait_ms = wait_ms * 2 < LONGEST_PAUSE_MS ? wait_ms * 2 : LONGEST_PAUSE_MS;
  }
  if (committer->outage_since_us != 0)
    log_info("store", "the store is back");
  committer->outage_since_us = 0;
  return code;
}

/* Trouble that every commit would meet; or that may have stored them: no second try. */
static bool is_of_the_machine(int code) {
  return code == ERR_NO_SPACE || code == ERR_READ_ONLY || code == ERR_IO || code == ERR_BUSY ||
         code == ERR_UNAVAILABLE || code == ERR_UNCERTAIN;
}

static void log_failure(int code, const struct store_commit *commits, const struct err *err) {
  size_t n = 0;
  for (; commits; commits = commits->next_)
    n++;
  if (code == ERR_UNCERTAIN)
    log_error("store",
              "IT IS NOT KNOWN whether a group of %zu changes was stored; their senders were told"
              " so: %s",
              n, err->text);
  else
    log_error("store", "a group of %zu changes was not stored: %s", n,
              code == ERR_UNAVAILABLE ? err_facts(code)->text : err->text);
}

/* For who asks whether anything is stored now. What one commit is refused for says nothing of it.
 */
static void note_state(struct committer *committer, int code) {
  if (code != 0 && !is_of_the_machine(code))
    return;
  pthread_mutex_lock(&committer->lock);
  if (code == 0)
    committer->refused_since_us = 0;
  else if (committer->refused_since_us == 0)
    committer->refused_since_us = clock_now_us();
  committer->refusal = code;
  pthread_mutex_unlock(&committer->lock);
}

static void run_group(struct committer *committer, struct store_commit *commits) {
  struct err err;
  int code = run_until_known(committer, commits, &err);
  note_state(committer, code);
  bool try_each = code != 0 && commits->next_ && !is_of_the_machine(code);
  if (code != 0 && !try_each)
    log_failure(code, commits, &err);
  for (struct store_commit *commit = commits, *next; commit; commit = next) {
    next = commit->next_;
    commit->next_ = NULL;
    if (try_each) /* one of them is the cause; it must not take the others with it */
      run_group(committer, commit);
    else if (code != 0)
      answer(commit, code, &err);
    else
      answer(commit, commit->code, &commit->err);
  }
}

/* ---- The thread ---- */

static void *run(void *what) {
  struct committer *committer = what;
  struct store_commit *group;
  while ((group = take_group(committer)) != NULL) {
    run_group(committer, group);
    upkeep_tend(committer->upkeep, &committer->durable);
  }
  return NULL;
}

/* ---- Life ---- */

static int find_identifier_params(struct committer *committer, struct err *reterr) {
  committer->is_identifier = calloc(committer->group.schema->params_n, 1);
  if (!committer->is_identifier)
    return err_no_memory(reterr);
  note_identifier_params(committer);
  committer->group.is_identifier = committer->is_identifier;
  return 0;
}

static int start_thread(struct committer *committer, struct err *reterr) {
  committer->has_thread = pthread_create(&committer->thread, NULL, run, committer) == 0;
  return committer->has_thread
             ? 0
             : err_set(reterr, ERR_NO_MEMORY, "", "A thread of the store can't be started.");
}

static int open_upkeep(struct committer *committer, struct err *reterr) {
  const struct committer_options *options = &committer->options;
  return upkeep_open(&(struct upkeep_options){.path = options->store->path,
                                              .writer = committer->db,
                                              .codec = options->codec,
                                              .rid = committer->durable.rid,
                                              .before_checkpoint = options->before_checkpoint,
                                              .what = options->what},
                     &committer->upkeep, reterr);
}

static int read_first_sequence(struct committer *committer, struct err *reterr) {
  int code = db_begin_read(committer->db, reterr);
  if (code == 0)
    code = sequence_read(committer->db, &committer->durable, reterr);
  db_rollback(committer->db);
  return code;
}

int committer_open(const struct committer_options *options, struct committer **ret_committer,
                   struct err *reterr) {
  struct committer *committer = calloc(1, sizeof *committer);
  if (!committer)
    return err_no_memory(reterr);
  pthread_mutex_init(&committer->lock, NULL);
  clock_cond_init(&committer->has_work);
  clock_cond_init(&committer->has_closing);
  committer->options = *options;
  committer->db = options->db;
  committer->group_max = options->store->group_max;
  committer->queue_max = options->store->queue_max;
  committer->is_bulk = options->store->is_bulk;
  committer->group = (struct group){
      .db = options->db, .schema = options->schema, .codec = options->codec, .view = options->view};
  int code = group_init(&committer->group, reterr);
  if (code == 0)
    code = find_identifier_params(committer, reterr);
  if (code == 0)
    code = read_first_sequence(committer, reterr);
  if (code == 0)
    code = open_upkeep(committer, reterr);
  if (code == 0)
    code = start_thread(committer, reterr);
  if (code == 0)
    *ret_committer = committer;
  else
    committer_close(committer);
  return code;
}

void committer_hurry(struct committer *committer) {
  if (!committer)
    return;
  pthread_mutex_lock(&committer->lock);
  committer->is_hurried = true;
  pthread_cond_broadcast(&committer->has_closing);
  pthread_mutex_unlock(&committer->lock);
}

void committer_close(struct committer *committer) {
  if (!committer)
    return;
  committer_hurry(committer);
  pthread_mutex_lock(&committer->lock);
  committer->is_closing = true;
  pthread_cond_broadcast(&committer->has_work);
  pthread_mutex_unlock(&committer->lock);
  if (committer->has_thread)
    pthread_join(committer->thread, NULL);
  upkeep_close(committer->upkeep);
  group_fini(&committer->group);
  free(committer->is_identifier);
  pthread_cond_destroy(&committer->has_closing);
  pthread_cond_destroy(&committer->has_work);
  pthread_mutex_destroy(&committer->lock);
  free(committer);
}

void committer_figures(struct committer *committer, uint64_t *ret_fsyncs,
                       uint64_t *ret_queue_length) {
  pthread_mutex_lock(&committer->lock);
  *ret_fsyncs = committer->fsyncs;
  *ret_queue_length = committer->queue_n;
  pthread_mutex_unlock(&committer->lock);
}

static int compare_times(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

void committer_pace(struct committer *committer, struct store_pace *ret_pace) {
  int64_t took_us[LAST_GROUPS], since_us = clock_monotonic_us() - LAST_GROUPS_US;
  size_t n = 0;
  pthread_mutex_lock(&committer->lock);
  for (size_t i = 0; i < LAST_GROUPS && i < committer->fsyncs; i++)
    if (committer->last_groups[i].at_us >= since_us)
      took_us[n++] = committer->last_groups[i].took_us;
  *ret_pace = (struct store_pace){.waiting_n = committer->queue_n,
                                  .groups_n = n,
                                  .refused_since_us = committer->refused_since_us,
                                  .refusal = committer->refusal};
  pthread_mutex_unlock(&committer->lock);
  if (n == 0)
    return;
  qsort(took_us, n, sizeof took_us[0], compare_times);
  ret_pace->median_us = took_us[n / 2];
  ret_pace->longest_us = took_us[n - 1];
}
