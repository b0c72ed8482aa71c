/* Several processes on one store, played by several handles: leases, claims, the event log. What
 * needs a second writer runs on PostgreSQL alone; the rest on either engine. */
#include "store_fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "store/work/delivery.h"
#include "store/read/event_log.h"
#include "store/work/job.h"
#include "store/work/lease.h"
#include "store/work/process.h"

#define SHORT_LEASE_US ((int64_t)600 * 1000)

static struct store *open_other(int64_t lease_us) {
  struct store *store;
  struct err err;
  struct store_options options = {
      .path = fixture_path, .lease_us = lease_us, .configuration = "abc", .process_name = "other"};
  if (store_open(&options, &store, &err) != 0)
    fail_msg("store_open: %s", err.text);
  return store;
}

/* The fixture's store with a short lease. */
static void open_short(void) {
  fixture_store = open_other(SHORT_LEASE_US);
}

static bool needs_server(void) {
  if (fixture_is_postgres())
    return false;
  skip();
  return true;
}

/* ---- Leases ---- */

/* Leases by the names of holders, as processes that live and die would use them. */
struct lease_call {
  int64_t holder, for_us;
  bool is_held;
  enum { TAKE, RENEW, RELEASE, ASK } verb;
};

static int call_inside(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  (void)sequence;
  struct lease_call *call = what;
  switch (call->verb) {
  case TAKE:
    return lease_take(db, STR("l"), call->holder, call->for_us, &call->is_held, reterr);
  case RENEW:
    return lease_renew_all(db, call->holder, call->for_us, reterr);
  case RELEASE:
    return lease_release(db, STR("l"), call->holder, reterr);
  case ASK:
    break;
  }
  return lease_is_held(db, STR("l"), call->holder, &call->is_held, reterr);
}

static bool lease(int verb, int64_t holder, int64_t for_us) {
  struct lease_call call = {.holder = holder, .for_us = for_us};
  struct err err;
  call.verb = (__typeof__(call.verb))verb;
  assert_int_equal(store_run_task(fixture_store, call_inside, &call, &err), 0);
  return call.is_held;
}

static void lease_has_one_holder(void **state) {
  (void)state;
  fixture_open();
  assert_true(lease(TAKE, 1, LEASE_US));
  assert_true(lease(TAKE, 1, LEASE_US));
  assert_false(lease(TAKE, 2, LEASE_US));
  assert_true(lease(ASK, 1, 0));
  assert_false(lease(ASK, 2, 0));
  lease(RELEASE, 2, 0); /* not its own */
  assert_true(lease(ASK, 1, 0));
  lease(RELEASE, 1, 0);
  assert_false(lease(ASK, 1, 0));
  assert_true(lease(TAKE, 2, LEASE_US));
}

static void lease_that_ended_is_taken_over_and_the_holder_learns_it(void **state) {
  (void)state;
  if (needs_server()) /* the holder of a file's lease is there as long as the file is open */
    return;
  fixture_open();
  assert_true(lease(TAKE, 1, 300000));
  lease(RENEW, 1, 300000);
  assert_false(lease(TAKE, 2, LEASE_US));
  usleep(350000);
  assert_true(lease(ASK, 1, 0)); /* late, but nobody else has it */
  assert_true(lease(TAKE, 2, LEASE_US));
  assert_false(lease(ASK, 1, 0));
  lease(RENEW, 1, LEASE_US);
  assert_false(lease(TAKE, 1, LEASE_US));
}

static void lease_of_a_process_is_renewed_as_long_as_it_lives(void **state) {
  (void)state;
  if (needs_server())
    return;
  open_short();
  struct store *other = open_other(SHORT_LEASE_US);
  struct err err;
  bool is_held = false;
  assert_int_equal(store_lease_take(fixture_store, STR("sender"), &is_held, &err), 0);
  assert_true(is_held);
  for (unsigned i = 0; i < 4; i++) {
    usleep(SHORT_LEASE_US / 2);
    assert_int_equal(store_lease_take(other, STR("sender"), &is_held, &err), 0);
    assert_false(is_held);
  }
  store_close(fixture_store); /* a clean end gives it back at once */
  fixture_store = other;
  assert_int_equal(store_lease_take(other, STR("sender"), &is_held, &err), 0);
  assert_true(is_held);
}

/* ---- Jobs ---- */

static uint64_t make_job(struct store *store) {
  struct job_change change = {
      .verb = JOB_CREATE, .kind = STR("copy"), .owner = STR("anna"), .request = STR("{}")};
  struct err err;
  assert_int_equal(job_change(store, &change, &err), 0);
  return change.number;
}

static int change_job(struct store *store, enum job_verb verb, uint64_t number) {
  struct job_change change = {.verb = verb, .number = number, .progress = STR("p")};
  struct err err;
  return job_change(store, &change, &err);
}

static size_t claimable_n(struct store *store) {
  struct store_view *view;
  struct jobs jobs;
  struct err err;
  assert_int_equal(store_view_open(store, &view, &err), 0);
  assert_int_equal(job_claimable(view, test_arena, STR("copy"), 10, &jobs, &err), 0);
  store_view_close(view);
  return jobs.n;
}

static void job_is_claimed_by_one_process(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  struct store *other = open_other(0);
  uint64_t number = make_job(fixture_store);
  assert_int_equal(claimable_n(other), 1);
  assert_int_equal(change_job(other, JOB_CLAIM, number), 0);
  assert_int_equal(claimable_n(fixture_store), 0);
  assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), ERR_CONFLICT);
  assert_int_equal(change_job(fixture_store, JOB_PROGRESS, number), ERR_CONFLICT);
  assert_int_equal(change_job(fixture_store, JOB_FINISH, number), ERR_CONFLICT);
  assert_int_equal(change_job(fixture_store, JOB_FAIL, number), ERR_CONFLICT);
  assert_int_equal(change_job(other, JOB_PROGRESS, number), 0);
  store_close(other); /* it waits again */
  assert_int_equal(claimable_n(fixture_store), 1);
  assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), 0);
  assert_int_equal(change_job(fixture_store, JOB_FINISH, number), 0);
}

/* Who claims learns what it has to know in the transaction of the claim: what it read before may be
 * from before another one's turn. */
static void job_that_was_begun_before_is_told_to_who_claims_it(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  struct store *other = open_other(0);
  uint64_t number = make_job(fixture_store);
  struct job_change claim = {.verb = JOB_CLAIM, .number = number, .progress = STR("started")};
  struct err err;
  assert_int_equal(job_change(other, &claim, &err), 0);
  assert_false(claim.is_again);
  store_close(other);
  assert_int_equal(job_change(fixture_store, &claim, &err), 0);
  assert_true(claim.is_again);
}

/* As another process would leave the row. */
static void set_job(uint64_t number, const char *what) {
  char sql[200];
  snprintf(sql, sizeof sql, "UPDATE %s.job SET %s WHERE number=%llu", fixture_schema, what,
           (unsigned long long)number);
  fixture_run_sql(sql);
}

/* It was late, but its thread still runs the job: no other thread of it may. */
static void job_is_not_claimed_again_by_its_own_process(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  uint64_t number = make_job(fixture_store);
  assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), 0);
  set_job(number, "lease=1");
  assert_int_equal(claimable_n(fixture_store), 0);
  assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), ERR_CONFLICT);
  assert_int_equal(change_job(fixture_store, JOB_FINISH, number), 0);
}

/* The rows say that another process, which nobody hears of any more, runs it. */
static void job_of_a_dead_process_is_taken_over(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  uint64_t number = make_job(fixture_store);
  assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), 0);
  set_job(number, "holder=7");
  assert_int_equal(claimable_n(fixture_store), 0);
  assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), ERR_CONFLICT);
  set_job(number, "lease=1");
  assert_int_equal(claimable_n(fixture_store), 1);
  assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), 0);
  assert_int_equal(change_job(fixture_store, JOB_FINISH, number), 0);
}

static void job_of_a_living_process_is_not(void **state) {
  (void)state;
  if (needs_server())
    return;
  open_short();
  struct store *other = open_other(SHORT_LEASE_US);
  uint64_t number = make_job(other);
  assert_int_equal(change_job(other, JOB_CLAIM, number), 0);
  for (unsigned i = 0; i < 4; i++) {
    usleep(SHORT_LEASE_US / 2);
    assert_int_equal(claimable_n(fixture_store), 0);
    assert_int_equal(change_job(fixture_store, JOB_CLAIM, number), ERR_CONFLICT);
  }
  assert_int_equal(change_job(other, JOB_FINISH, number), 0);
  store_close(other);
}

/* ---- Deliveries and timers ---- */

static void make_delivery(struct store *store, const char *destination, const char *body,
                          int64_t not_before_us) {
  struct store_delivery delivery = {.destination = str_of(destination),
                                    .content_type = STR("text/plain"),
                                    .body = str_of(body),
                                    .not_before_us = not_before_us};
  struct store_commit *made = commit_of(NULL, 0);
  struct err err;
  made->deliveries = &delivery;
  made->deliveries_n = 1;
  assert_int_equal(store_commit_wait(store, made, &err), 0);
}

static struct deliveries claim(struct store *store, const char *destination, size_t max,
                               int64_t lease_us) {
  struct delivery_claim claim = {
      .destination = str_of(destination), .max = max, .lease_us = lease_us};
  struct deliveries deliveries;
  struct err err;
  assert_int_equal(delivery_claim(store, test_arena, &claim, &deliveries, &err), 0);
  return deliveries;
}

static int say(struct store *store, enum delivery_verb verb, const struct delivery *delivery) {
  struct delivery_change change = {
      .verb = verb, .number = delivery->number, .attempt = delivery->attempt};
  struct err err;
  return delivery_change(store, &change, 1, &err);
}

static enum delivery_state state_of(uint64_t number) {
  struct store_view *view;
  struct delivery delivery;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(delivery_read(view, test_arena, number, &delivery, &err), 0);
  store_view_close(view);
  return delivery.state;
}

static void delivery_comes_once_and_in_order(void **state) {
  (void)state;
  fixture_open();
  make_delivery(fixture_store, "lab", "first", 0);
  make_delivery(fixture_store, "his", "other", 0);
  make_delivery(fixture_store, "lab", "second", 0);
  struct deliveries due = claim(fixture_store, "lab", 10, 0);
  assert_int_equal(due.n, 2);
  assert_true(str_is(due.p[0].body, "first") && str_is(due.p[1].body, "second"));
  assert_int_equal(due.p[0].attempt, 1);
  assert_true(due.p[0].commit_seq > 0);
  assert_int_equal(claim(fixture_store, "lab", 10, 0).n, 0);
  assert_int_equal(claim(fixture_store, "", 10, 0).n, 1);
  assert_int_equal(say(fixture_store, DELIVERY_IS_DONE, &due.p[0]), 0);
  assert_int_equal(say(fixture_store, DELIVERY_IS_DONE, &due.p[0]), ERR_CONFLICT);
  assert_int_equal(say(fixture_store, DELIVERY_IS_DEAD, &due.p[1]), 0);
  assert_int_equal(state_of(due.p[0].number), DELIVERY_DONE);
  assert_int_equal(state_of(due.p[1].number), DELIVERY_DEAD);
  struct delivery none = {.number = 999, .attempt = 1};
  assert_int_equal(say(fixture_store, DELIVERY_IS_DONE, &none), ERR_NOT_FOUND);
}

static void delivery_is_tried_again_until_it_is_dead(void **state) {
  (void)state;
  fixture_open();
  make_delivery(fixture_store, "lab", "x", 0);
  struct err err;
  uint64_t number = 0;
  for (unsigned attempt = 1; attempt <= 3; attempt++) {
    struct deliveries due = claim(fixture_store, "lab", 1, 0);
    assert_int_equal(due.n, 1);
    assert_int_equal(due.p[0].attempt, attempt);
    number = due.p[0].number;
    struct delivery_change retry = {.verb = DELIVERY_RETRY,
                                    .number = number,
                                    .attempt = attempt,
                                    .not_before_us = clock_now_us() + 100000,
                                    .attempts_max = 3};
    assert_int_equal(delivery_change(fixture_store, &retry, 1, &err), 0);
    assert_int_equal(claim(fixture_store, "lab", 1, 0).n, 0); /* not yet due */
    usleep(150000);
  }
  assert_int_equal(claim(fixture_store, "lab", 1, 0).n, 0);
  assert_int_equal(state_of(number), DELIVERY_DEAD);
}

static void delivery_of_a_dead_sender_is_taken_over(void **state) {
  (void)state;
  fixture_open();
  make_delivery(fixture_store, "lab", "x", 0);
  struct deliveries first = claim(fixture_store, "lab", 1, 200000);
  assert_int_equal(first.n, 1);
  assert_int_equal(say(fixture_store, DELIVERY_RENEW, &first.p[0]), 0);
  assert_int_equal(claim(fixture_store, "lab", 1, 0).n, 0);
  struct delivery_change renew = {
      .verb = DELIVERY_RENEW, .number = first.p[0].number, .attempt = 1, .lease_us = 1};
  struct err err;
  assert_int_equal(delivery_change(fixture_store, &renew, 1, &err), 0);
  usleep(20000);
  struct deliveries second = claim(fixture_store, "lab", 1, 0);
  assert_int_equal(second.n, 1);
  assert_int_equal(second.p[0].attempt, 2);
  /* The first one comes back from where it was, and is told. */
  assert_int_equal(say(fixture_store, DELIVERY_IS_DONE, &first.p[0]), ERR_CONFLICT);
  assert_int_equal(say(fixture_store, DELIVERY_IS_DONE, &second.p[0]), 0);
}

static void delivery_that_was_claimed_is_due_after_a_restart(void **state) {
  (void)state;
  fixture_open();
  make_delivery(fixture_store, "lab", "x", 0);
  assert_int_equal(claim(fixture_store, "lab", 1, 0).n, 1);
  fixture_reopen();
  assert_int_equal(claim(fixture_store, "lab", 1, 0).n, 1);
}

static void timer_is_due_at_its_time_and_acts_once(void **state) {
  (void)state;
  fixture_open();
  int64_t at = clock_now_us() + 300000;
  make_delivery(fixture_store, DELIVERY_TIMER "late", "appointment 17", at);
  struct store_view *view;
  struct err err;
  int64_t due_us;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(delivery_next_due(view, STR(DELIVERY_TIMER "late"), &due_us, &err), 0);
  assert_true(due_us == at);
  assert_int_equal(delivery_next_due(view, STR(DELIVERY_TIMER "other"), &due_us, &err), 0);
  assert_true(due_us == INT64_MAX);
  store_view_close(view);
  assert_int_equal(claim(fixture_store, DELIVERY_TIMER "late", 1, 0).n, 0);
  usleep(350000);
  struct deliveries due = claim(fixture_store, DELIVERY_TIMER "late", 1, 0);
  assert_int_equal(due.n, 1);
  /* What it does, and that it was done, are one commit; a second time nothing of it is done. */
  struct delivery_change done = {
      .verb = DELIVERY_IS_DONE, .number = due.p[0].number, .attempt = due.p[0].attempt};
  for (unsigned round = 0; round < 2; round++) {
    struct store_write write = write_of("Basic", round == 0 ? "a" : "b", "x");
    struct store_commit *acted = commit_of(&write, 1);
    acted->delivery_changes = &done;
    acted->delivery_changes_n = 1;
    assert_int_equal(store_commit_wait(fixture_store, acted, &err), round == 0 ? 0 : ERR_CONFLICT);
  }
  struct store_resource resource;
  assert_int_equal(read_one("Basic", "a", &resource), 0);
  assert_int_equal(read_one("Basic", "b", &resource), ERR_NOT_FOUND);
}

enum { DELIVERIES = 120 };

struct sender {
  struct store *store;
  pthread_t thread;
  unsigned sent[DELIVERIES]; /* by body */
};

static void *send_all(void *what) {
  struct sender *sender = what;
  struct arena *arena = arena_new((size_t)16 << 20);
  for (size_t n = 1; n > 0;) {
    struct delivery_claim claim = {.max = 7};
    struct deliveries due = {0};
    struct err err;
    arena_reset(arena);
    if (delivery_claim(sender->store, arena, &claim, &due, &err) != 0)
      break;
    n = due.n;
    for (size_t i = 0; i < n; i++) {
      struct delivery_change done = {
          .verb = DELIVERY_IS_DONE, .number = due.p[i].number, .attempt = due.p[i].attempt};
      uint64_t body;
      if (str_to_u64(due.p[i].body, &body) && delivery_change(sender->store, &done, 1, &err) == 0)
        sender->sent[body]++;
    }
  }
  arena_free(arena);
  return NULL;
}

static void deliveries_are_shared_among_processes_each_once(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  struct sender senders[3] = {{.store = fixture_store}, {.store = open_other(0)}, {.store = NULL}};
  senders[2].store = open_other(0);
  for (unsigned i = 0; i < DELIVERIES; i++)
    make_delivery(senders[i % 3].store, i % 2 ? "lab" : "his", text_of("%u", i), 0);
  for (unsigned i = 0; i < 3; i++)
    assert_int_equal(pthread_create(&senders[i].thread, NULL, send_all, &senders[i]), 0);
  for (unsigned i = 0; i < 3; i++)
    pthread_join(senders[i].thread, NULL);
  for (unsigned i = 0; i < DELIVERIES; i++)
    assert_int_equal(senders[0].sent[i] + senders[1].sent[i] + senders[2].sent[i], 1);
  store_close(senders[1].store);
  store_close(senders[2].store);
}

/* ---- The event log ---- */

enum { WRITES = 100 };

struct writer {
  struct store *store;
  unsigned number;
  pthread_t thread;
  atomic_uint *running_n;
};

static void *write_many(void *what) {
  struct writer *writer = what;
  struct arena *arena = arena_new((size_t)16 << 20);
  for (unsigned i = 0; i < WRITES; i++) {
    struct err err;
    arena_reset(arena);
    struct str id = arena_printf(arena, "w%u-%u", writer->number, i);
    struct store_write write = {
        .type = type_of("Basic"),
        .id = id,
        .body = arena_printf(arena, "{\"resourceType\":\"Basic\",\"id\":\"%s\"}", id.p)};
    struct store_commit commit = {
        .arena = arena, .principal = STR("test"), .writes = &write, .writes_n = 1};
    if (store_commit_wait(writer->store, &commit, &err) != 0)
      break;
  }
  arena_free(arena);
  atomic_fetch_sub(writer->running_n, 1);
  return NULL;
}

/* Reads what is new, and counts what it has seen of each writer: the numbers have no gap, so that
 * what was passed over could not come later. */
static uint64_t follow(struct store *reader, uint64_t after, unsigned *seen_n) {
  struct access access = everything();
  struct store_events events;
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(reader, &view, &err), 0);
  assert_int_equal(store_events(view, &access, test_arena, after, 50, &events, &err), 0);
  store_view_close(view);
  for (size_t i = 0; i < events.n; i++) {
    assert_int_equal(events.p[i].number, ++after);
    assert_int_equal(events.p[i].kind, STORE_EVENT_CREATED);
    assert_true(events.p[i].type == type_of("Basic") && events.p[i].version == 1);
    assert_true(str_starts_with(events.p[i].id, STR("w")));
  }
  assert_int_equal(events.last, after);
  *seen_n += (unsigned)events.n;
  return after;
}

static void event_log_skips_nothing_while_others_write(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  atomic_uint running_n = 4;
  struct store *other = open_other(0), *reader = open_other(0);
  struct writer writers[4];
  for (unsigned i = 0; i < 4; i++) {
    writers[i] = (struct writer){
        .store = i % 2 ? other : fixture_store, .number = i, .running_n = &running_n};
    assert_int_equal(pthread_create(&writers[i].thread, NULL, write_many, &writers[i]), 0);
  }
  unsigned seen_n = 0;
  uint64_t after = 0;
  while (atomic_load(&running_n) > 0)
    after = follow(reader, after, &seen_n);
  for (unsigned i = 0; i < 4; i++)
    pthread_join(writers[i].thread, NULL);
  for (uint64_t before = UINT64_MAX; before != after;) {
    before = after;
    after = follow(reader, after, &seen_n);
  }
  assert_int_equal(seen_n, 4 * WRITES);
  store_close(other);
  store_close(reader);
}

static void event_log_tells_changes_messages_and_what_access_hides(void **state) {
  (void)state;
  fixture_open();
  struct store_write write = write_of("Patient", "1", "a");
  assert_int_equal(commit(&write, 1), 0);
  write = write_of("Patient", "1", "b");
  assert_int_equal(commit(&write, 1), 0);
  struct store_message message = {.raw = STR("MSH|"), .status = STORE_MESSAGE_REJECTED};
  struct store_commit *received = commit_of(NULL, 0);
  received->message = &message;
  struct err err;
  assert_int_equal(store_commit_wait(fixture_store, received, &err), 0);
  write = (struct store_write){.type = type_of("Patient"), .id = STR("1"), .is_delete = true};
  assert_int_equal(commit(&write, 1), 0);
  struct store_view *view;
  struct store_events events;
  struct access access = everything();
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_events(view, &access, test_arena, 0, 100, &events, &err), 0);
  assert_int_equal(events.n, 4);
  assert_int_equal(events.p[0].kind, STORE_EVENT_CREATED);
  assert_int_equal(events.p[1].kind, STORE_EVENT_UPDATED);
  assert_int_equal(events.p[1].version, 2);
  assert_int_equal(events.p[2].kind, STORE_EVENT_MESSAGE);
  assert_int_equal(events.p[2].message, 1);
  assert_int_equal(events.p[3].kind, STORE_EVENT_DELETED);
  assert_true(str_is(events.p[3].id, "1"));
  assert_int_equal(store_events(view, &access, test_arena, 2, 1, &events, &err), 0);
  assert_int_equal(events.n, 1);
  assert_int_equal(events.last, 3);
  /* Who may see Observations alone sees none of these, and need not look at them again. */
  defs_type_id type = type_of("Observation");
  struct access narrow = {.principal = STR("narrow"), .types = &type, .types_n = 1};
  assert_int_equal(store_events(view, &narrow, test_arena, 0, 100, &events, &err), 0);
  assert_int_equal(events.n, 0);
  assert_int_equal(events.last, 4);
  store_view_close(view);
}

/* ---- Who is there ---- */

static struct store_processes processes_of(struct store *store) {
  struct store_processes processes;
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(store, &view, &err), 0);
  assert_int_equal(store_processes(view, test_arena, &processes, &err), 0);
  store_view_close(view);
  return processes;
}

static void processes_are_listed_while_they_live(void **state) {
  (void)state;
  fixture_open();
  struct store_processes list = processes_of(fixture_store);
  assert_int_equal(list.n, 1);
  assert_true(list.p[0].is_this && list.p[0].version.n > 0 && list.p[0].configuration.n == 0);
  assert_true(list.p[0].id == store_process_id(fixture_store));
  if (!fixture_is_postgres())
    return;
  struct store *other = open_other(0);
  list = processes_of(fixture_store);
  assert_int_equal(list.n, 2);
  assert_true(str_is(list.p[1].name, "other") && str_is(list.p[1].configuration, "abc"));
  assert_true(!list.p[1].is_this && list.p[1].age_us < 60 * INT64_C(1000000));
  store_close(other);
  assert_int_equal(processes_of(fixture_store).n, 1);
}

/* ---- What one does, the others see at once ---- */

static void commit_of_one_is_seen_by_the_next_view_of_another(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  struct store *other = open_other(0);
  for (unsigned i = 1; i <= 100; i++) {
    struct store_write write = write_of("Basic", "same", text_of("%u", i));
    struct access access = everything();
    struct store_resource resource;
    struct store_view *view;
    struct err err;
    struct store *from = i % 2 ? fixture_store : other, *to = i % 2 ? other : fixture_store;
    assert_int_equal(store_commit_wait(from, commit_of(&write, 1), &err), 0);
    assert_int_equal(write.version, i);
    assert_int_equal(store_view_open(to, &view, &err), 0);
    assert_int_equal(
        store_read(view, &access, test_arena, type_of("Basic"), STR("same"), &resource, &err), 0);
    assert_int_equal(resource.version, i);
    store_view_close(view);
  }
  store_close(other);
}

static uint64_t idle_transactions(PGconn *server) {
  PGresult *result =
      PQexec(server, "SELECT count(*) FROM pg_stat_activity WHERE datname=current_database()"
                     " AND state LIKE 'idle in transaction%' AND query NOT LIKE '%sequence%'");
  uint64_t n = 0;
  assert_true(str_to_u64(str_of(PQgetvalue(result, 0, 0)), &n));
  PQclear(result);
  return n;
}

/* A view that nobody has holds no transaction on the server, which could not tidy up behind it: not
 * at once, as that goes out with the next question, but soon. */
static void idle_views_hold_nothing_open(void **state) {
  (void)state;
  if (needs_server())
    return;
  fixture_open();
  struct store_view *views[3];
  struct access access = everything();
  struct store_resource resource;
  struct err err;
  for (unsigned i = 0; i < 3; i++) {
    assert_int_equal(store_view_open(fixture_store, &views[i], &err), 0);
    assert_int_equal(
        store_read(views[i], &access, test_arena, type_of("Basic"), STR("none"), &resource, &err),
        ERR_NOT_FOUND);
  }
  PGconn *server = PQconnectdb(fixture_path);
  uint64_t before = idle_transactions(server), after = before;
  for (unsigned i = 0; i < 3; i++)
    store_view_close(views[i]);
  for (unsigned i = 0; i < 100 && after > 0; i++) {
    usleep(50000);
    after = idle_transactions(server);
  }
  PQfinish(server);
  assert_true(before >= 3);
  assert_int_equal(after, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(lease_has_one_holder),
      STORE_TEST(lease_that_ended_is_taken_over_and_the_holder_learns_it),
      STORE_TEST(lease_of_a_process_is_renewed_as_long_as_it_lives),
      STORE_TEST(job_is_claimed_by_one_process),
      STORE_TEST(job_that_was_begun_before_is_told_to_who_claims_it),
      STORE_TEST(job_is_not_claimed_again_by_its_own_process),
      STORE_TEST(job_of_a_dead_process_is_taken_over),
      STORE_TEST(job_of_a_living_process_is_not),
      STORE_TEST(delivery_comes_once_and_in_order),
      STORE_TEST(delivery_is_tried_again_until_it_is_dead),
      STORE_TEST(delivery_of_a_dead_sender_is_taken_over),
      STORE_TEST(delivery_that_was_claimed_is_due_after_a_restart),
      STORE_TEST(timer_is_due_at_its_time_and_acts_once),
      STORE_TEST(deliveries_are_shared_among_processes_each_once),
      STORE_TEST(event_log_skips_nothing_while_others_write),
      STORE_TEST(event_log_tells_changes_messages_and_what_access_hides),
      STORE_TEST(processes_are_listed_while_they_live),
      STORE_TEST(commit_of_one_is_seen_by_the_next_view_of_another),
      STORE_TEST(idle_views_hold_nothing_open),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
