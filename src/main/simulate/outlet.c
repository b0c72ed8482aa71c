#include "main/simulate/outlet.h"

#include "base/clock.h"
#include "format/er7.h"
#include "link/mllp_client.h"
#include "main/simulate/fhir_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>

/* Messages that wait on one connection. */
#define QUEUE_MAX 64
#define FHIR_LANES 2
#define V2_SYSTEMS_N SYSTEM_PORTAL

/* A message on its way. */
struct parcel {
  struct parcel *next;
  enum system_id system;
  unsigned person, place; /* the place-th message of this person */
  size_t n;
  char bytes[];
};

/* A connection and the thread that serves it. */
struct lane {
  struct outlet *outlet;
  pthread_t thread;
  pthread_cond_t wake; /* something to do, or room in the queue */
  struct mllp_client *mllp;
  struct fhir_client *fhir; /* one of the two */
  struct parcel *first, **end;
  unsigned queued_n;
  struct arena *arena; /* for one answer */
};

struct outlet {
  struct outlet_options options;
  pthread_mutex_t lock; /* of all below, and of the queues */
  pthread_cond_t room;
  unsigned *put_n, *done_n; /* for each person: messages taken, messages answered */
  uint64_t files_n;
  bool is_closing, has_failed;
  struct err err;
  struct outlet_result result;
  unsigned mllp_lanes_n, lanes_n, started_n;
  struct lane lanes[];
};

/* Answers */

/* Is it an acceptance? `ret_why` is what the receiver says else. */
static bool read_ack(struct lane *lane, struct str reply, struct str *ret_why) {
  struct er7_message ack;
  *ret_why = reply;
  if (er7_parse(lane->arena, reply, NULL, &ack, NULL) < 0)
    return false;
  ssize_t msa = er7_find(&ack, STR("MSA"), 0), err = er7_find(&ack, STR("ERR"), 0);
  if (msa < 0)
    return false;
  struct str code = er7_raw(&ack, (struct er7_place){(uint32_t)msa, 1, 1, 1, 0});
  struct str text = er7_text(lane->arena, &ack, (struct er7_place){(uint32_t)msa, 3, 0, 0, 0});
  if (err >= 0 && text.n == 0)
    text = er7_text(lane->arena, &ack, (struct er7_place){(uint32_t)err, 8, 0, 0, 0});
  if (text.n)
    *ret_why = text;
  return str_equal(code, STR("AA")) || str_equal(code, STR("CA"));
}

static int send_parcel(struct lane *lane, const struct parcel *parcel, bool *ret_accepted,
                       struct str *ret_why, struct err *reterr) {
  struct str bytes = str_n(parcel->bytes, parcel->n), reply;
  int code, status;
  if (lane->mllp) {
    code = mllp_client_exchange(lane->mllp, bytes, &reply, reterr);
    if (code == 0)
      *ret_accepted = read_ack(lane, reply, ret_why);
  } else {
    code = fhir_client_post(lane->fhir, bytes, &status, ret_why, reterr);
    if (code == 0)
      *ret_accepted = status >= 200 && status < 300;
  }
  return code;
}

static void count(struct outlet *outlet, const struct parcel *parcel, bool is_accepted,
                  struct str why, int64_t us) {
  struct outlet_counts *counts = &outlet->result.of_system[parcel->system];
  counts->sent++;
  counts->accepted += is_accepted;
  counts->refused += !is_accepted;
  latency_add(&counts->latency, us);
  if (!is_accepted && !counts->first_refusal[0])
    snprintf(counts->first_refusal, sizeof counts->first_refusal, "%.*s", STR_ARG(why));
}

/* Lanes */

static bool is_ready(const struct lane *lane) {
  const struct parcel *parcel = lane->first;
  return parcel && lane->outlet->done_n[parcel->person] == parcel->place;
}

static struct parcel *take_parcel(struct lane *lane) {
  struct outlet *outlet = lane->outlet;
  while (!is_ready(lane) && !outlet->has_failed && !(outlet->is_closing && !lane->first))
    pthread_cond_wait(&lane->wake, &outlet->lock);
  if (!is_ready(lane) || outlet->has_failed)
    return NULL;
  struct parcel *parcel = lane->first;
  lane->first = parcel->next;
  if (!lane->first)
    lane->end = &lane->first;
  lane->queued_n--;
  pthread_cond_signal(&outlet->room);
  return parcel;
}

static void wake_all(struct outlet *outlet) {
  for (unsigned i = 0; i < outlet->lanes_n; i++)
    pthread_cond_signal(&outlet->lanes[i].wake);
  pthread_cond_signal(&outlet->room);
}

static void finish_parcel(struct outlet *outlet, struct parcel *parcel) {
  outlet->done_n[parcel->person]++;
  for (unsigned i = 0; i < outlet->lanes_n; i++)
    if (outlet->lanes[i].first && outlet->lanes[i].first->person == parcel->person)
      pthread_cond_signal(&outlet->lanes[i].wake);
  free(parcel);
}

static void *run_lane(void *what) {
  struct lane *lane = what;
  struct outlet *outlet = lane->outlet;
  pthread_mutex_lock(&outlet->lock);
  for (struct parcel *parcel; (parcel = take_parcel(lane));) {
    pthread_mutex_unlock(&outlet->lock);
    bool is_accepted = false;
    struct str why = STR_NULL;
    struct err err;
    arena_reset(lane->arena);
    int64_t start_us = clock_monotonic_us();
    int code = send_parcel(lane, parcel, &is_accepted, &why, &err);
    int64_t us = clock_monotonic_us() - start_us;
    pthread_mutex_lock(&outlet->lock);
    if (code < 0 && !outlet->has_failed) {
      outlet->has_failed = true;
      outlet->err = err;
      wake_all(outlet);
    }
    if (code == 0)
      count(outlet, parcel, is_accepted, why, us);
    finish_parcel(outlet, parcel);
  }
  pthread_mutex_unlock(&outlet->lock);
  return NULL;
}

/* Each system has a connection of its own; where there are more, each has several, and shares its
 * persons out over them. */
static struct lane *lane_of(struct outlet *outlet, const struct hospital_message *m) {
  if (m->system == SYSTEM_PORTAL)
    return &outlet->lanes[outlet->mllp_lanes_n + m->person % FHIR_LANES];
  unsigned groups = outlet->mllp_lanes_n / V2_SYSTEMS_N;
  unsigned lane = groups <= 1 ? (unsigned)m->system % outlet->mllp_lanes_n
                              : (unsigned)m->system + V2_SYSTEMS_N * (m->person % groups);
  return &outlet->lanes[lane];
}

/* Files */

static int write_file(struct outlet *outlet, const struct hospital_message *m, struct str bytes,
                      struct err *reterr) {
  const struct message_facts *facts = &message_facts[m->kind];
  const char *folder = outlet->options.directory;
  bool is_stdout = strcmp(folder, "-") == 0;
  char path[4096] = "standard output";
  if (!is_stdout)
    snprintf(path, sizeof path, "%s/%06llu-%s-%s-%s.%s", folder,
             (unsigned long long)outlet->files_n + 1, sending_systems[m->system].application,
             facts->type, facts->event, facts->write ? "hl7" : "json");
  FILE *file = is_stdout ? stdout : fopen(path, "wb");
  if (!file)
    return err_set(reterr, ERR_IO, path, "Can't be written: %s.", strerror(errno));
  bool is_written = fwrite(bytes.p, 1, bytes.n, file) == bytes.n;
  if (is_stdout && !facts->write)
    is_written = is_written && putchar('\n') != EOF;
  if ((!is_stdout && fclose(file) != 0) || !is_written)
    return err_set(reterr, ERR_IO, path, "Can't be written: %s.", strerror(errno));
  outlet->files_n++;
  outlet->result.of_system[m->system].sent++;
  outlet->result.of_system[m->system].accepted++;
  return 1;
}

/* The life of an outlet */

static void free_outlet(struct outlet *outlet) {
  for (unsigned i = 0; i < outlet->lanes_n; i++) {
    struct lane *lane = &outlet->lanes[i];
    while (lane->first) {
      struct parcel *next = lane->first->next;
      free(lane->first);
      lane->first = next;
    }
    mllp_client_close(lane->mllp);
    fhir_client_close(lane->fhir);
    arena_free(lane->arena);
    pthread_cond_destroy(&lane->wake);
  }
  pthread_cond_destroy(&outlet->room);
  pthread_mutex_destroy(&outlet->lock);
  free(outlet->put_n);
  free(outlet->done_n);
  free(outlet);
}

static int connect_lane(struct outlet *outlet, struct lane *lane, bool is_mllp,
                        struct err *reterr) {
  const struct outlet_options *o = &outlet->options;
  lane->arena = arena_new((size_t)64 << 20);
  if (!lane->arena)
    return err_no_memory(reterr);
  return is_mllp ? mllp_client_open(o->mllp_host, o->mllp_port, o->timeout_s, &lane->mllp, reterr)
                 : fhir_client_open(o->fhir_url, o->timeout_s, &lane->fhir, reterr);
}

static int start_lanes(struct outlet *outlet, struct err *reterr) {
  for (unsigned i = 0; i < outlet->lanes_n; i++) {
    struct lane *lane = &outlet->lanes[i];
    int code = connect_lane(outlet, lane, i < outlet->mllp_lanes_n, reterr);
    if (code < 0)
      return code;
    int failed = pthread_create(&lane->thread, NULL, run_lane, lane);
    if (failed)
      return err_set(reterr, ERR_BUSY, "", "No thread for a connection: %s.", strerror(failed));
    outlet->started_n++;
  }
  return 0;
}

int outlet_open(const struct outlet_options *options, struct outlet **ret_outlet,
                struct err *reterr) {
  unsigned mllp_n = options->mllp_host ? options->connections : 0;
  unsigned lanes_n = mllp_n + (options->fhir_url ? FHIR_LANES : 0);
  struct outlet *outlet = calloc(1, sizeof *outlet + lanes_n * sizeof(struct lane));
  if (!outlet)
    return err_no_memory(reterr);
  outlet->options = *options;
  outlet->mllp_lanes_n = mllp_n;
  outlet->lanes_n = lanes_n;
  pthread_mutex_init(&outlet->lock, NULL);
  pthread_cond_init(&outlet->room, NULL);
  for (unsigned i = 0; i < lanes_n; i++) {
    outlet->lanes[i].outlet = outlet;
    outlet->lanes[i].end = &outlet->lanes[i].first;
    pthread_cond_init(&outlet->lanes[i].wake, NULL);
  }
  outlet->put_n = calloc(options->persons_n, sizeof *outlet->put_n);
  outlet->done_n = calloc(options->persons_n, sizeof *outlet->done_n);
  int code = outlet->put_n && outlet->done_n ? 0 : err_no_memory(reterr);
  const char *folder = options->directory;
  if (code == 0 && folder && strcmp(folder, "-") != 0 && mkdir(folder, 0777) < 0 && errno != EEXIST)
    code = err_set(reterr, ERR_IO, folder, "Can't be made: %s.", strerror(errno));
  if (code == 0)
    code = start_lanes(outlet, reterr);
  if (code < 0) {
    struct outlet_result unused;
    outlet_close(outlet, &unused, NULL);
    return code;
  }
  *ret_outlet = outlet;
  return 0;
}

int outlet_put(struct outlet *outlet, const struct hospital_message *message, struct str bytes,
               struct err *reterr) {
  if (outlet->options.directory)
    return write_file(outlet, message, bytes, reterr);
  bool is_fhir = message->system == SYSTEM_PORTAL;
  if (is_fhir ? !outlet->options.fhir_url : !outlet->options.mllp_host)
    return 0;
  struct parcel *parcel = malloc(sizeof *parcel + bytes.n);
  if (!parcel)
    return err_no_memory(reterr);
  *parcel = (struct parcel){.system = message->system, .person = message->person, .n = bytes.n};
  memcpy(parcel->bytes, bytes.p, bytes.n);
  struct lane *lane = lane_of(outlet, message);
  pthread_mutex_lock(&outlet->lock);
  while (lane->queued_n >= QUEUE_MAX && !outlet->has_failed)
    pthread_cond_wait(&outlet->room, &outlet->lock);
  parcel->place = outlet->put_n[message->person]++;
  *lane->end = parcel;
  lane->end = &parcel->next;
  lane->queued_n++;
  pthread_cond_signal(&lane->wake);
  bool has_failed = outlet->has_failed;
  if (has_failed && reterr)
    *reterr = outlet->err;
  pthread_mutex_unlock(&outlet->lock);
  return has_failed ? (int)outlet->err.code : 1;
}

int outlet_close(struct outlet *outlet, struct outlet_result *ret_result, struct err *reterr) {
  pthread_mutex_lock(&outlet->lock);
  outlet->is_closing = true;
  wake_all(outlet);
  pthread_mutex_unlock(&outlet->lock);
  for (unsigned i = 0; i < outlet->started_n; i++)
    pthread_join(outlet->lanes[i].thread, NULL);
  *ret_result = outlet->result;
  int code = outlet->has_failed ? (int)outlet->err.code : 0;
  if (code < 0 && reterr)
    *reterr = outlet->err;
  free_outlet(outlet);
  return code;
}
