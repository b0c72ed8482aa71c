#include "service/rest_async.h"

#include "base/clock.h"
#include "base/id.h"
#include "base/log.h"
#include "service/bundle_writer.h"
#include "service/rest_job.h"

#include <pthread.h>

#define KIND "async"
#define STARTED "started" /* the progress of a job that must not be run twice */
#define JOB_ARENA_BYTES ((size_t)2 << 30)
#define REQUEST_MAX_BYTES ((size_t)256 << 20)
#define THREADS_MAX 32
#define RETRY_AFTER_S 1
#define LOOK_MS 1000 /* how often a store that others share is looked through for jobs */
#define OTHERS_FIRST_US                                                                            \
  ((int64_t)2 * 1000000) /* who accepted a request is left to begin with it                        \
                          */

struct rest_async {
  struct service *service;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  uint64_t *queue; /* numbers of jobs, oldest first */
  size_t queue_n, queue_capacity;
  size_t reserved_n;
  bool is_closing, is_shared;
  bool has_looker; /* one of the threads looks for what others have left */
  unsigned threads_n;
  pthread_t threads[THREADS_MAX];
};

/* ---- The request as text -------------------------------------------------------------------- */

/* What a job keeps of its request. `key` makes its URL one that nobody can guess. */
struct request {
  struct str key, method, path, query, base_url, content_type, prefer, body;
  bool may_run_twice;
};

static const struct {
  struct str name;
  size_t offset;
} request_texts[] = {
    {STR("key"), offsetof(struct request, key)},
    {STR("method"), offsetof(struct request, method)},
    {STR("path"), offsetof(struct request, path)},
    {STR("query"), offsetof(struct request, query)},
    {STR("base"), offsetof(struct request, base_url)},
    {STR("contentType"), offsetof(struct request, content_type)},
    {STR("prefer"), offsetof(struct request, prefer)},
    {STR("body"), offsetof(struct request, body)},
};
#define REQUEST_TEXTS_N (sizeof request_texts / sizeof request_texts[0])

static int write_request(struct arena *arena, const struct request *request, struct str *ret_text,
                         struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, REQUEST_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  for (size_t i = 0; i < REQUEST_TEXTS_N; i++) {
    struct str value =
        *(const struct str *)(const void *)((const char *)request + request_texts[i].offset);
    if (!str_is_utf8(value))
      return err_set(reterr, ERR_INVALID, "", "The request is not UTF-8.");
    json_member_string(&w, request_texts[i].name, value);
  }
  json_member_bool(&w, STR("twice"), request->may_run_twice);
  json_end_object(&w);
  *ret_text = buf_str(&buf);
  return buf_is_overflown(&buf) ? err_no_memory(reterr) : 0;
}

static int read_request(struct arena *arena, struct str text, struct request *ret_request,
                        struct err *reterr) {
  const struct yyjson_val *root;
  struct json_limits limits = {.max_bytes = REQUEST_MAX_BYTES, .max_depth = 4};
  int code = json_parse(arena, text, &limits, &root, reterr);
  if (code)
    return code;
  for (size_t i = 0; i < REQUEST_TEXTS_N; i++)
    *(struct str *)(void *)((char *)ret_request + request_texts[i].offset) =
        json_get_text(root, request_texts[i].name);
  ret_request->may_run_twice = json_is_true(json_get(root, STR("twice")));
  return 0;
}

/* ---- Accepting ------------------------------------------------------------------------------ */

static bool only_reads(const struct rest_call *call) {
  return call->operation->operation[0] != '\0'
             ? !call->operation->affects_state
             : strcmp(call->operation->interaction, "transaction") != 0;
}

bool rest_async_may(const struct rest_call *call) {
  const struct rest_operation *operation = call->operation;
  if (call->is_entry || call->is_job || str_is(call->method, "HEAD"))
    return false;
  if (operation->answers_at_once)
    return false;
  return (operation->operation[0] != '\0' && !operation->affects_state) ||
         strncmp(operation->interaction, "search-", 7) == 0 ||
         strncmp(operation->interaction, "history-", 8) == 0 ||
         strcmp(operation->interaction, "transaction") == 0;
}

/* A place among those that wait or run; given up again in `forget`. */
static bool reserve(struct rest_async *async) {
  pthread_mutex_lock(&async->lock);
  bool has_room = async->reserved_n < async->service->limits.async_waiting && !async->is_closing;
  async->reserved_n += has_room;
  pthread_mutex_unlock(&async->lock);
  return has_room;
}

static void forget(struct rest_async *async) {
  pthread_mutex_lock(&async->lock);
  async->reserved_n--;
  pthread_mutex_unlock(&async->lock);
}

static int enqueue(struct rest_async *async, uint64_t number, struct err *reterr) {
  int code = 0;
  pthread_mutex_lock(&async->lock);
  if (async->queue_n == async->queue_capacity) {
    size_t capacity = async->queue_capacity ? async->queue_capacity * 2 : 64;
    uint64_t *queue = reallocarray(async->queue, capacity, sizeof *queue);
    if (queue) {
      async->queue = queue;
      async->queue_capacity = capacity;
    } else {
      code = err_no_memory(reterr);
    }
  }
  if (code == 0) {
    async->queue[async->queue_n++] = number;
    pthread_cond_signal(&async->changed);
  }
  pthread_mutex_unlock(&async->lock);
  return code;
}

/* Takes away what has expired, and refuses more than may be kept. */
static int make_room(struct rest_call *call, struct err *reterr) {
  struct store *store = call->service->options.store;
  struct job_change expire = {.verb = JOB_EXPIRE, .expires_us = store_now_us(store)};
  struct store_view *view;
  uint64_t n = 0;
  int code = job_change(store, &expire, reterr);
  if (code == 0)
    code = store_view_open(store, &view, reterr);
  if (code)
    return code;
  code = job_count(view, STR(KIND), &n, reterr);
  store_view_close(view);
  if (code == 0 && n >= call->service->limits.async_kept)
    code = err_set(reterr, ERR_BUSY, "",
                   "%llu asynchronous requests are kept with their results (limits.asyncKept);"
                   " delete some, or wait until they expire.",
                   (unsigned long long)n);
  return code;
}

static int create(struct rest_call *call, uint64_t *ret_number, char key[ID_UUID_BYTES],
                  struct err *reterr) {
  id_uuid_random(key);
  struct request request = {.key = str_of(key),
                            .method = call->method,
                            .path = call->path,
                            .query = call->query,
                            .base_url = call->base_url,
                            .content_type = call->headers.content_type,
                            .prefer = call->headers.prefer,
                            .body = call->body,
                            .may_run_twice = only_reads(call)};
  struct job_change change = {
      .verb = JOB_CREATE, .kind = STR(KIND), .owner = call->access.principal};
  int code = write_request(call->arena, &request, &change.request, reterr);
  if (code == 0)
    code = job_change(call->service->options.store, &change, reterr);
  *ret_number = change.number;
  return code;
}

void rest_async_begin(struct rest_call *call) {
  struct rest_async *async = call->service->async;
  char key[ID_UUID_BYTES];
  uint64_t number = 0;
  struct err err;
  if (!reserve(async)) {
    call->answer.retry_after_s = RETRY_AFTER_S;
    (void)!err_set(&err, ERR_BUSY, "",
                   "%llu asynchronous requests wait already (limits.asyncWaiting).",
                   (unsigned long long)call->service->limits.async_waiting);
    rest_fail(call, &err);
    return;
  }
  int code = make_room(call, &err);
  if (code == 0)
    code = create(call, &number, key, &err);
  if (code == 0)
    code = enqueue(async, number, &err);
  if (code) {
    forget(async);
    rest_fail(call, &err);
    return;
  }
  struct err accepted = {.severity = ERR_SEVERITY_INFORMATION};
  snprintf(accepted.text, sizeof accepted.text,
           "Accepted; the answer will be at the URL in Content-Location.");
  call->answer =
      (struct rest_answer){.status = 202,
                           .is_outcome = true,
                           .body = rest_outcome(call->arena, &accepted, 1),
                           .content_location = arena_printf(call->arena, "_async/%llu-%s",
                                                            (unsigned long long)number, key),
                           .retry_after_s = RETRY_AFTER_S};
  rest_finish(call);
}

/* ---- Running -------------------------------------------------------------------------------- */

/* A call that is run for a job, and who waits for it. */
struct run {
  struct rest_call call;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  bool has_ended;
};

static void run_ended(struct rest_call *call) {
  struct run *run = call->what;
  pthread_mutex_lock(&run->lock);
  run->has_ended = true;
  pthread_cond_signal(&run->ended);
  pthread_mutex_unlock(&run->lock);
}

static int run_request(struct rest_async *async, struct arena *arena, const struct job *job,
                       const struct request *request, struct run **ret_run, struct err *reterr) {
  struct run *run = ARENA_NEW(arena, struct run);
  struct search_pair *pairs = NULL;
  if (!run)
    return err_no_memory(reterr);
  pthread_mutex_init(&run->lock, NULL);
  pthread_cond_init(&run->ended, NULL);
  run->call = (struct rest_call){
      .service = async->service,
      .arena = arena,
      .access = ACCESS_EVERYTHING(job->owner),
      .base_url = request->base_url,
      .method = request->method,
      .path = request->path,
      .query = request->query,
      .headers = {.content_type = request->content_type, .prefer = request->prefer},
      .body = request->body,
      .is_job = true,
      .done = run_ended,
      .what = run};
  int code = rest_read_pairs(&run->call, request->query, &pairs, &run->call.pairs_n, reterr);
  if (code)
    return code;
  run->call.pairs = pairs;
  run->call.is_pretty = false; /* whoever fetches the result says how it looks */
  rest_run(&run->call);
  pthread_mutex_lock(&run->lock);
  while (!run->has_ended)
    pthread_cond_wait(&run->ended, &run->lock);
  pthread_mutex_unlock(&run->lock);
  pthread_cond_destroy(&run->ended);
  pthread_mutex_destroy(&run->lock);
  *ret_run = run;
  return 0;
}

static int write_result(const struct run *run, struct str *ret_result, struct err *reterr) {
  struct bundle_writer b;
  bundle_begin(&b, &run->call, "batch-response");
  bundle_answer(&b, &run->call.answer, true);
  int code = bundle_end(&b, ret_result, reterr);
  uint64_t most = run->call.service->limits.async_result_bytes;
  if (code == 0 && ret_result->n > most)
    code = err_set(reterr, ERR_TOO_LONG, "",
                   "The result has more than %llu bytes (limits.asyncResultBytes); ask for less.",
                   (unsigned long long)most);
  return code;
}

static int64_t expiry(const struct rest_async *async) {
  return store_now_us(async->service->options.store) +
         (int64_t)async->service->limits.async_hours * 3600 * 1000000;
}

/* Until then, or until it closes, which is false. */
static bool wait_a_while(struct rest_async *async) {
  struct timespec until = clock_in_ms(LOOK_MS);
  pthread_mutex_lock(&async->lock);
  while (!async->is_closing)
    if (pthread_cond_timedwait(&async->changed, &async->lock, &until) != 0)
      break;
  bool goes_on = !async->is_closing;
  pthread_mutex_unlock(&async->lock);
  return goes_on;
}

/* Trouble of the store that goes by. */
static bool is_passing(int code) {
  return code == ERR_UNAVAILABLE || code == ERR_UNCERTAIN || code == ERR_BUSY ||
         code == ERR_NO_SPACE || code == ERR_READ_ONLY;
}

/* What became of a job that runs must be said, or it would run for ever: this process lives, so
 * nobody takes it over. A change that was made after all finds the job in another state. */
static int change_surely(struct rest_async *async, struct job_change *change, struct err *reterr) {
  for (;;) {
    int code = job_change(async->service->options.store, change, reterr);
    if (!is_passing(code) || !wait_a_while(async))
      return code;
  }
}

static void fail_job(struct rest_async *async, struct arena *arena, uint64_t number,
                     const struct err *err) {
  struct err ignored;
  struct job_change change = {.verb = JOB_FAIL,
                              .number = number,
                              .result = rest_outcome(arena, err, 1),
                              .expires_us = expiry(async)};
  int code = change_surely(async, &change, &ignored);
  /* It may have been cancelled meanwhile. */
  if (code && code != ERR_NOT_FOUND && code != ERR_CONFLICT)
    log_error("async", "the failure of a job could not be noted: %s", ignored.text);
}

static int read_job(struct rest_async *async, struct arena *arena, uint64_t number,
                    struct request *request, struct job *ret_job, struct err *reterr) {
  struct store_view *view;
  int code = store_view_open(async->service->options.store, &view, reterr);
  if (code)
    return code;
  code = job_read(view, arena, number, STR_NULL, ret_job, reterr);
  store_view_close(view);
  return code ? code : read_request(arena, ret_job->request, request, reterr);
}

/* One that was begun before, by a process that has ended, is this one's to answer for. */
static int refuse_begun(struct err *reterr) {
  return err_set(reterr, ERR_INTERNAL, "",
                 "The server was stopped while it ran this request. Parts of it may have been done;"
                 " it is not run again by itself.");
}

/* Whether it was begun before is told by the claim itself: what was read earlier may be long ago.
 */
static int claim(struct rest_async *async, struct arena *arena, uint64_t number,
                 struct request *request, struct job *ret_job, bool *ret_is_begun,
                 struct err *reterr) {
  int code = read_job(async, arena, number, request, ret_job, reterr);
  struct job_change change = {.verb = JOB_CLAIM,
                              .number = number,
                              .progress = request->may_run_twice ? STR_NULL : STR(STARTED)};
  if (code == 0)
    code = job_change(async->service->options.store, &change, reterr);
  *ret_is_begun = change.is_again;
  return code;
}

enum run_end { RUN_ENDED, RUN_NOT_OURS, RUN_LATER };

/* It may have been claimed all the same: then nobody else could, as long as this process lives. */
static enum run_end give_back(struct rest_async *async, uint64_t number) {
  struct err ignored;
  struct job_change release = {.verb = JOB_RELEASE, .number = number};
  (void)!change_surely(async, &release, &ignored);
  return RUN_LATER;
}

static enum run_end run_in(struct rest_async *async, struct arena *arena, uint64_t number) {
  struct request request = {0};
  struct job job;
  struct run *run = NULL;
  struct err err;
  struct job_change finish = {.verb = JOB_FINISH, .number = number};
  bool is_begun = false;
  int code = claim(async, arena, number, &request, &job, &is_begun, &err);
  if (code == ERR_NOT_FOUND || code == ERR_CONFLICT) /* cancelled, or claimed by another */
    return RUN_NOT_OURS;
  if (is_passing(code))
    return give_back(async, number);
  if (code == 0 && is_begun)
    code = refuse_begun(&err);
  if (code == 0)
    code = run_request(async, arena, &job, &request, &run, &err);
  if (code == 0)
    code = write_result(run, &finish.result, &err);
  finish.expires_us = expiry(async);
  if (code == 0)
    code = change_surely(async, &finish, &err);
  if (code && code != ERR_NOT_FOUND && code != ERR_CONFLICT)
    fail_job(async, arena, number, &err);
  return RUN_ENDED;
}

static enum run_end run_job(struct rest_async *async, uint64_t number) {
  struct arena *arena = arena_new_within(async->service->options.budget, JOB_ARENA_BYTES);
  if (!arena) {
    log_error("async", "no memory to run a job");
    return RUN_NOT_OURS;
  }
  enum run_end end = run_in(async, arena, number);
  arena_free(arena);
  return end;
}

/* A job that another process has left behind: it waits for long, or its runner has died. 0: none.
 */
static int find_left(struct rest_async *async, uint64_t *ret_number, struct err *reterr) {
  struct store *store = async->service->options.store;
  struct arena *arena = arena_new(JOB_ARENA_BYTES);
  struct store_view *view;
  struct jobs jobs = {0};
  int code = arena ? store_view_open(store, &view, reterr) : err_no_memory(reterr);
  if (code == 0) {
    code = job_claimable(view, arena, STR(KIND), 1, &jobs, reterr);
    store_view_close(view);
  }
  bool is_left = jobs.n > 0 && (jobs.p[0].state == JOB_RUNNING ||
                                store_now_us(store) - jobs.p[0].updated_us > OTHERS_FIRST_US);
  *ret_number = is_left ? jobs.p[0].number : 0;
  arena_free(arena);
  return code;
}

static bool is_closing(struct rest_async *async) {
  pthread_mutex_lock(&async->lock);
  bool is = async->is_closing;
  pthread_mutex_unlock(&async->lock);
  return is;
}

/* The store says itself when it can't be read; then it is tried again later. */
static void run_left(struct rest_async *async) {
  uint64_t number = 0;
  struct err err;
  while (!is_closing(async) && find_left(async, &number, &err) == 0 && number)
    if (run_job(async, number) != RUN_ENDED)
      break;
}

/* Called and returns with the lock. One of the threads that wait looks, too; when it has something
 * to do, another one takes its place. */
static void wait_for_job(struct rest_async *async) {
  struct timespec until = clock_in_ms(LOOK_MS);
  if (!async->is_shared || async->has_looker) {
    pthread_cond_wait(&async->changed, &async->lock);
    return;
  }
  async->has_looker = true;
  bool is_time = pthread_cond_timedwait(&async->changed, &async->lock, &until) != 0;
  async->has_looker = false;
  pthread_cond_signal(&async->changed);
  if (!is_time)
    return;
  pthread_mutex_unlock(&async->lock);
  run_left(async);
  pthread_mutex_lock(&async->lock);
}

static void *work(void *what) {
  struct rest_async *async = what;
  pthread_mutex_lock(&async->lock);
  while (!async->is_closing) {
    if (async->queue_n == 0) {
      wait_for_job(async);
      continue;
    }
    uint64_t number = async->queue[0];
    memmove(async->queue, async->queue + 1, --async->queue_n * sizeof *async->queue);
    pthread_mutex_unlock(&async->lock);
    struct err ignored;
    /* In a store that is shared, what is left is found by looking; a file's job waits in line. */
    bool stays = run_job(async, number) == RUN_LATER && !async->is_shared &&
                 enqueue(async, number, &ignored) == 0;
    pthread_mutex_lock(&async->lock);
    async->reserved_n -= !stays;
  }
  pthread_mutex_unlock(&async->lock);
  return NULL;
}

/* ---- Opening and closing -------------------------------------------------------------------- */

/* What waits in a file is nobody else's; in a store that is shared it is found by looking. */
static int take_up_all(struct rest_async *async, struct err *reterr) {
  struct arena *arena = arena_new(JOB_ARENA_BYTES);
  struct store_view *view;
  struct jobs jobs = {0};
  if (!arena)
    return err_no_memory(reterr);
  int code = store_view_open(async->service->options.store, &view, reterr);
  if (code == 0) {
    code = job_unfinished(view, arena, STR(KIND), &jobs, reterr);
    store_view_close(view);
  }
  for (size_t i = 0; i < jobs.n && code == 0; i++) {
    async->reserved_n++;
    code = enqueue(async, jobs.p[i].number, reterr);
  }
  arena_free(arena);
  return code;
}

int rest_async_open(struct service *service, struct rest_async **ret_async, struct err *reterr) {
  struct rest_async *async = calloc(1, sizeof *async);
  if (!async)
    return err_no_memory(reterr);
  async->service = service;
  pthread_mutex_init(&async->lock, NULL);
  clock_cond_init(&async->changed);
  async->is_shared = store_is_shared(service->options.store);
  int code = async->is_shared ? 0 : take_up_all(async, reterr);
  unsigned wanted = (unsigned)service->limits.async_running;
  for (; code == 0 && async->threads_n < wanted && async->threads_n < THREADS_MAX;
       async->threads_n++)
    if (pthread_create(&async->threads[async->threads_n], NULL, work, async) != 0)
      break;
  if (code == 0 && async->threads_n == 0)
    code = err_set(reterr, ERR_NO_MEMORY, "", "No thread could be started for requests.");
  if (code) {
    rest_async_close(async);
    return code;
  }
  *ret_async = async;
  return 0;
}

void rest_async_close(struct rest_async *async) {
  if (!async)
    return;
  pthread_mutex_lock(&async->lock);
  async->is_closing = true;
  pthread_cond_broadcast(&async->changed);
  pthread_mutex_unlock(&async->lock);
  for (unsigned i = 0; i < async->threads_n; i++)
    pthread_join(async->threads[i], NULL);
  pthread_cond_destroy(&async->changed);
  pthread_mutex_destroy(&async->lock);
  free(async->queue);
  free(async);
}

/* ---- Asking for the answer ------------------------------------------------------------------ */

/* "17-<key>" -> the job, if it is the caller's. */
static int find_job(struct rest_call *call, struct job *ret_job, struct err *reterr) {
  ssize_t dash = str_find_char(call->id, '-', 0);
  struct request request = {0};
  int code = ERR_NOT_FOUND;
  if (dash >= 0)
    code = rest_job_find(call, str_slice(call->id, 0, (size_t)dash), KIND, ret_job, reterr);
  if (code == 0)
    code = read_request(call->arena, ret_job->request, &request, reterr);
  if (code == 0 && !str_equal(request.key, str_slice(call->id, (size_t)dash + 1, call->id.n)))
    code = ERR_NOT_FOUND;
  if (code == ERR_NOT_FOUND)
    (void)!err_set(reterr, ERR_NOT_FOUND, "",
                   "There is no such asynchronous request: it was cancelled, has expired, or never"
                   " was.");
  return code;
}

void rest_async_status(struct rest_call *call) {
  struct job job = {0};
  struct err err;
  int code = rest_check_parameters(call, "The status", (const char *const[]){NULL}, &err);
  if (code == 0)
    code = find_job(call, &job, &err);
  if (code) {
    rest_fail(call, &err);
    return;
  }
  if (job.state == JOB_WAITING || job.state == JOB_RUNNING) {
    call->answer.status = 202;
    call->answer.progress = job_state_name(job.state);
    call->answer.retry_after_s = RETRY_AFTER_S;
  } else {
    call->answer.status = job.state == JOB_DONE ? 200 : 500;
    call->answer.is_outcome = job.state != JOB_DONE;
    call->answer.body = job.result;
    call->answer.expires_us = job.expires_us;
  }
  rest_finish(call);
}

void rest_async_cancel(struct rest_call *call) {
  struct job job = {0};
  struct err err;
  int code = find_job(call, &job, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_job_delete(call, job.number);
}
