#include "flow/intake.h"

#include "base/clock.h"
#include "base/log.h"
#include "flow/lanes.h"
#include "flow/prepare.h"
#include "format/ack.h"
#include "format/charset.h"
#include "store/told.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* How often a message is prepared again because others changed what it stands on, before the sender
 * is asked to send again. */
#define ATTEMPTS_MAX 50
#define REPLY_MAX_BYTES ((size_t)16 << 20)
#define WORKERS_MAX 64
#define ATTEMPT_MAX_BYTES ((size_t)512 << 20)

/*
 * One frame on its way. It holds one message or a batch of several; these are committed one after
 * the other, in order, and answered together.
 */
struct job {
  struct lane_item lane; /* first: lanes give items back */
  struct intake *intake;
  struct intake_message *message;
  struct str principal;
  const struct str *texts; /* of the single messages, UTF-8 */
  size_t texts_n, at;
  unsigned attempts;
  struct arena *attempt; /* of this attempt at the message at hand: its tree, what the maps made of
                            it, the commit */
  struct er7_message tree;
  struct mapping_result mapped;
  struct buf reply; /* on the frame's arena */
  struct store_commit commit;
  struct store_message row;
  struct store_audit audit;
  struct job *next;
};

struct intake {
  struct intake_options options;
  pthread_mutex_t lock;
  pthread_cond_t changed;   /* a job was queued, one has ended, or it closes */
  struct job *first, *last; /* ready to be worked on */
  struct lanes *lanes;
  size_t jobs_n; /* submitted and not yet answered */
  bool is_closing;
  unsigned workers_n;
  pthread_t workers[WORKERS_MAX];
  atomic_uint_fast64_t replies;
};

static void append(struct job **first, struct job **last, struct job *job) {
  job->next = NULL;
  if (*last)
    (*last)->next = job;
  else
    *first = job;
  *last = job;
}

static struct job *take_first(struct job **first, struct job **last) {
  struct job *job = *first;
  *first = job->next;
  if (!*first)
    *last = NULL;
  return job;
}

static void make_ready(struct intake *intake, struct job *job) {
  pthread_mutex_lock(&intake->lock);
  append(&intake->first, &intake->last, job);
  pthread_cond_signal(&intake->changed);
  pthread_mutex_unlock(&intake->lock);
}

/* Its next message is ready when its lane is free. */
static void enter_lane(struct job *job) {
  struct str text = job->texts ? job->texts[job->at] : job->message->bytes;
  if (lanes_enter(job->intake->lanes, &job->lane, text))
    make_ready(job->intake, job);
}

static void leave_lane(struct job *job) {
  struct lane_item *next = lanes_leave(job->intake->lanes, &job->lane);
  if (next)
    make_ready(job->intake, (struct job *)next);
}

/* What was committed tells whose number it was. */
static void learn_lane(struct job *job) {
  for (size_t i = 0; i < job->commit.writes_n; i++)
    if (str_is(defs_type(job->commit.writes[i].type)->name, "Patient")) {
      lanes_learn(job->intake->lanes, &job->lane, job->commit.writes[i].id);
      return;
    }
}

/* ---- Replies ---- */

/* Where there is no memory for an attempt, its refusal is on the message's own arena. */
static struct arena *arena_of(struct job *job) {
  return job->attempt ? job->attempt : job->message->arena;
}

static struct str make_ack(struct job *job, const struct er7_message *message, enum ack_code code,
                           const struct err *err) {
  struct buf buf;
  int64_t now_us = clock_now_us();
  char control_id[40];
  snprintf(control_id, sizeof control_id, "C%llX%04X", (unsigned long long)now_us,
           (unsigned)(atomic_fetch_add(&job->intake->replies, 1) & 0xFFFF));
  buf_init_arena(&buf, arena_of(job), REPLY_MAX_BYTES);
  ack_write(&buf, message, code, err, err ? 1 : 0, str_of(control_id), now_us);
  return buf_str(&buf);
}

/* Content that is not supported is rejected (AR): sending it again won't help. What is wrong in it
 * is an error (AE). */
static enum ack_code ack_code_of(enum err_code code) {
  switch (code) {
  case ERR_UNSUPPORTED_MESSAGE:
  case ERR_UNSUPPORTED_EVENT:
  case ERR_UNSUPPORTED_VERSION:
  case ERR_TOO_LONG:
  case ERR_STRUCTURE:
    return ACK_REJECT;
  default:
    return ACK_ERROR;
  }
}

static void finish(struct job *job) {
  struct intake *intake = job->intake;
  struct intake_message *message = job->message;
  if (job->texts_n > 1)
    buf_printf(&job->reply, "BTS|%zu\r", job->texts_n);
  message->reply(message, buf_str(&job->reply));
  arena_free(message->arena);
  pthread_mutex_lock(&intake->lock);
  intake->jobs_n--;
  pthread_cond_broadcast(&intake->changed);
  pthread_mutex_unlock(&intake->lock);
}

static void end_attempt(struct job *job) {
  arena_free(job->attempt);
  job->attempt = NULL;
}

/* The reply to one message is known: on to the next of the batch, or all are answered. */
static void answered(struct job *job, struct str ack) {
  buf_add(&job->reply, ack);
  end_attempt(job);
  leave_lane(job);
  job->attempts = 0;
  if (++job->at < job->texts_n)
    enter_lane(job);
  else
    finish(job);
}

/* The store did not take it: nothing is durable, so the sender keeps the message and sends it
 * again. */
static void answer_not_stored(struct job *job, const struct err *err) {
  struct er7_message message;
  struct err ignored;
  struct str text = job->texts ? job->texts[job->at] : STR_NULL;
  bool is_readable = er7_parse(arena_of(job), text, NULL, &message, &ignored) == 0;
  const struct err told = store_told(err);
  log_warning("intake", "a message on %.*s was not stored: %s", STR_ARG(job->message->channel),
              told.text);
  answered(job, make_ack(job, is_readable ? &message : NULL, ACK_ERROR, &told));
}

/* On the committer's thread. */
static void committed(struct store_commit *commit, void *what) {
  struct job *job = what;
  if (commit->code == 0) {
    learn_lane(job);
    answered(job, job->row.is_duplicate ? job->row.stored_reply : job->row.reply);
  } else if ((commit->code == ERR_STALE || commit->code == ERR_BUSY) &&
             ++job->attempts < ATTEMPTS_MAX) {
    log_debug("intake", "prepared again: %s", commit->err.text);
    end_attempt(job);
    make_ready(job->intake, job); /* still in its lane */
  } else {
    answer_not_stored(job, &commit->err);
  }
}

/* ---- Preparing ---- */

static bool is_known_version(struct str version) {
  struct str parts = version, major, minor;
  return str_split(&parts, '.', &major) && str_is(major, "2") && str_split(&parts, '.', &minor) &&
         minor.n == 1 && minor.p[0] >= '1' && minor.p[0] <= '9';
}

static int check_header(const struct er7_header *header, struct err *reterr) {
  if (str_is_empty(header->control_id))
    return err_set(reterr, ERR_REQUIRED, "MSH-10",
                   "The message has no control id, so it can't be told from others.");
  if (str_is_empty(header->type))
    return err_set(reterr, ERR_REQUIRED, "MSH-9", "The message does not say its type.");
  if (!str_is_empty(header->version) && !is_known_version(header->version))
    return err_set(reterr, ERR_UNSUPPORTED_VERSION, "MSH-12",
                   "Version '%.*s' is not one of HL7 v2 (2.1 to 2.9).", STR_ARG(header->version));
  return 0;
}

static void fill_row(struct job *job, const struct er7_message *message,
                     const struct er7_header *header) {
  struct arena *arena = job->attempt;
  struct store_message *row = &job->row;
  row->sender = arena_printf(arena, "%.*s|%.*s", STR_ARG(header->sending_application),
                             STR_ARG(header->sending_facility));
  row->control_id = header->control_id;
  row->type = header->type;
  row->event = header->event;
  row->version_id = header->version;
  job->audit.what = arena_printf(arena, "%.*s^%.*s", STR_ARG(header->type), STR_ARG(header->event));
  ssize_t pid = er7_find(message, STR("PID"), 0);
  if (pid >= 0) {
    struct er7_place id = {.segment = (uint32_t)pid, .field = 3, .repetition = 1, .component = 1};
    row->patient = er7_text(arena, message, id);
  }
}

static void commit_refusal(struct job *job, const struct er7_message *message,
                           const struct err *err) {
  struct arena *arena = job->attempt;
  enum ack_code code = ack_code_of(err->code);
  job->row.status = code == ACK_REJECT ? STORE_MESSAGE_REJECTED : STORE_MESSAGE_ERROR;
  job->row.reason = arena_printf(arena, "%s%s%s", err->where, err->where[0] ? ": " : "", err->text);
  job->row.reply = make_ack(job, message, code, err);
  job->audit.outcome = STR("4");
  job->commit.writes_n = 0;
  job->commit.conditions_n = 0;
  store_submit(job->intake->options.store, &job->commit);
}

/* Errors of the store or of memory are ours, not the sender's: they are answered, but the message
 * is not marked as faulty. */
static bool is_ours(int code) {
  return code == ERR_STORE || code == ERR_IO || code == ERR_NO_SPACE || code == ERR_READ_ONLY ||
         code == ERR_BUSY || code == ERR_TIMEOUT || code == ERR_NO_MEMORY ||
         code == ERR_UNAVAILABLE || code == ERR_UNCERTAIN;
}

static void begin_commit(struct job *job) {
  struct intake_message *message = job->message;
  job->commit = (struct store_commit){.arena = job->attempt,
                                      .principal = job->principal,
                                      .message = &job->row,
                                      .audits = &job->audit,
                                      .audits_n = 1,
                                      .done = committed,
                                      .what = job};
  job->row = (struct store_message){
      .channel = message->channel,
      .raw = job->texts_n == 1 ? message->bytes : job->texts[job->at],
      .received_us = message->received_us,
  };
  job->audit = (struct store_audit){.action = STR("message"), .outcome = STR("0")};
}

/* Bytes -> tree -> resources. A second attempt to store the message begins here: preparing puts
 * references into the resources. */
static int map_message(struct job *job, struct err *reterr) {
  struct er7_header header;
  er7_header(&job->tree, &header);
  fill_row(job, &job->tree, &header);
  int code = check_header(&header, reterr);
  if (code < 0)
    return code;
  struct mapping_options options = {
      .now_us = job->message->received_us,
      .time_zone_minutes = job->intake->options.time_zone_minutes,
      .source = job->row.sender,
  };
  return mapping_run(job->attempt, job->intake->options.maps, &job->tree, &options, &job->mapped,
                     reterr);
}

static int prepare(struct job *job, struct err *reterr) {
  struct access access = ACCESS_EVERYTHING(job->principal);
  struct prepare_input input = {.maps = job->intake->options.maps,
                                .access = &access,
                                .message = &job->tree,
                                .mapped = &job->mapped};
  struct store_view *view;
  int code = store_view_open(job->intake->options.store, &view, reterr);
  if (code < 0)
    return code;
  code = prepare_message(job->attempt, view, &input, &job->commit, &job->row.reason, reterr);
  store_view_close(view);
  return code;
}

static void run_message(struct job *job) {
  struct err err = {0};
  begin_commit(job);
  if (er7_parse(job->attempt, job->texts[job->at], NULL, &job->tree, &err) < 0) {
    commit_refusal(job, NULL, &err);
    return;
  }
  int code = map_message(job, &err);
  if (code == 0)
    code = prepare(job, &err);
  if (code < 0 && is_ours(code)) {
    answer_not_stored(job, &err);
  } else if (code < 0) {
    commit_refusal(job, &job->tree, &err);
  } else {
    job->row.status = STORE_MESSAGE_ACCEPTED;
    job->row.reply = make_ack(job, &job->tree, ACK_ACCEPT, NULL);
    store_submit(job->intake->options.store, &job->commit);
  }
}

/* Bytes -> the texts of the single messages. False: refused, and the refusal is on its way. */
static bool open_frame(struct job *job) {
  struct intake_message *message = job->message;
  struct charset_result charset;
  struct err err = {0};
  struct str *whole = ARENA_NEW(message->arena, struct str);
  if (!whole) {
    err_no_memory(&err);
    answer_not_stored(job, &err);
    return false;
  }
  *whole = message->bytes;
  job->texts = whole;
  job->texts_n = 1;
  int code = 0;
  if (message->too_long)
    code =
        err_set(&err, ERR_TOO_LONG, "",
                "The message is larger than this listener allows; only its first bytes were kept.");
  if (code == 0)
    code = charset_to_utf8(message->arena, message->bytes, &charset, &err);
  if (code == 0)
    code = er7_split_batch(message->arena, charset.text, &job->texts, &job->texts_n, &err);
  if (code == 0 && job->texts_n == 0)
    code = err_set(&err, ERR_STRUCTURE, "", "The frame holds no message.");
  if (code == 0) {
    if (job->texts_n > 1)
      buf_add(&job->reply, STR("BHS|^~\\&\r"));
    return true;
  }
  job->texts = whole;
  job->texts_n = 1;
  begin_commit(job);
  struct er7_message readable;
  struct er7_header header;
  struct err ignored;
  bool is_readable = er7_parse(job->attempt, message->bytes, NULL, &readable, &ignored) == 0;
  if (is_readable) {
    er7_header(&readable, &header);
    fill_row(job, &readable, &header);
  }
  commit_refusal(job, is_readable ? &readable : NULL, &err);
  return false;
}

static void run_job(struct job *job) {
  job->attempt = arena_new_within(arena_budget(job->message->arena), ATTEMPT_MAX_BYTES);
  if (!job->attempt) {
    struct err err;
    err_no_memory(&err);
    answer_not_stored(job, &err);
  } else if (job->texts || open_frame(job)) {
    run_message(job);
  }
}

static void *work(void *what) {
  struct intake *intake = what;
  pthread_mutex_lock(&intake->lock);
  for (;;) {
    while (!intake->first && !(intake->is_closing && intake->jobs_n == 0))
      pthread_cond_wait(&intake->changed, &intake->lock);
    if (!intake->first)
      break;
    struct job *job = take_first(&intake->first, &intake->last);
    pthread_mutex_unlock(&intake->lock);
    run_job(job);
    pthread_mutex_lock(&intake->lock);
  }
  pthread_mutex_unlock(&intake->lock);
  return NULL;
}

/* ---- Life ---- */

int intake_open(const struct intake_options *options, struct intake **ret_intake,
                struct err *reterr) {
  struct intake *intake = calloc(1, sizeof *intake);
  if (!intake)
    return err_no_memory(reterr);
  intake->options = *options;
  intake->lanes = lanes_new();
  if (!intake->lanes) {
    free(intake);
    return err_no_memory(reterr);
  }
  pthread_mutex_init(&intake->lock, NULL);
  pthread_cond_init(&intake->changed, NULL);
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned wanted = options->workers ? options->workers : cores > 0 ? (unsigned)cores : 2;
  if (wanted > WORKERS_MAX)
    wanted = WORKERS_MAX;
  for (; intake->workers_n < wanted; intake->workers_n++)
    if (pthread_create(&intake->workers[intake->workers_n], NULL, work, intake) != 0)
      break;
  if (intake->workers_n == 0) {
    intake_close(intake);
    return err_set(reterr, ERR_NO_MEMORY, "", "No thread could be started for incoming messages.");
  }
  *ret_intake = intake;
  return 0;
}

void intake_submit(struct intake *intake, struct intake_message *message) {
  struct job *job = ARENA_NEW(message->arena, struct job);
  struct str principal = arena_printf(message->arena, "channel/%.*s", STR_ARG(message->channel));
  if (!job || !principal.p) {
    /* Not even an answer fits in the arena: an empty reply makes the link drop the connection, and
     * the sender sends again. */
    message->reply(message, STR_NULL);
    arena_free(message->arena);
    return;
  }
  job->intake = intake;
  job->message = message;
  job->principal = principal;
  buf_init_arena(&job->reply, message->arena, REPLY_MAX_BYTES);
  pthread_mutex_lock(&intake->lock);
  intake->jobs_n++;
  pthread_mutex_unlock(&intake->lock);
  enter_lane(job);
}

void intake_close(struct intake *intake) {
  if (!intake)
    return;
  pthread_mutex_lock(&intake->lock);
  intake->is_closing = true;
  pthread_cond_broadcast(&intake->changed);
  pthread_mutex_unlock(&intake->lock);
  for (unsigned i = 0; i < intake->workers_n; i++)
    pthread_join(intake->workers[i], NULL);
  pthread_cond_destroy(&intake->changed);
  pthread_mutex_destroy(&intake->lock);
  lanes_free(intake->lanes);
  free(intake);
}
