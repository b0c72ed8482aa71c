#include "../test.h"

#include "format/ack.h"
#include "link/mllp_server.h"
#include "main/simulate/outlet.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#define PERSONS 40
#define MESSAGES 1500
#define REFUSED_EVERY 100

/* Of each message, in the order of its making: whose it is; MSH-10 ends with that order. */
static unsigned person_of[MESSAGES + 1];
static atomic_uint last_of[PERSONS], out_of_order, seen;
static unsigned first_control;

static unsigned control_of(const struct er7_message *message) {
  struct er7_header header;
  uint64_t number;
  er7_header(message, &header);
  size_t digits = header.control_id.n;
  while (digits && header.control_id.p[digits - 1] >= '0' && header.control_id.p[digits - 1] <= '9')
    digits--;
  assert_true(str_to_u64(str_slice(header.control_id, digits, header.control_id.n), &number));
  return (unsigned)number - first_control;
}

/* Notes the order in which messages arrive, and answers after a moment that differs. */
static void *answer(void *what) {
  struct mllp_frame *frame = what;
  struct er7_message message;
  struct buf ack;
  assert_int_equal(er7_parse(frame->arena, frame->content, NULL, &message, NULL), 0);
  unsigned control = control_of(&message), person = person_of[control];
  if (atomic_exchange(&last_of[person], control) >= control)
    atomic_fetch_add(&out_of_order, 1);
  atomic_fetch_add(&seen, 1);
  if (control % 7 == 0)
    usleep(2000);
  buf_init_arena(&ack, frame->arena, 10000);
  ack_write(&ack, &message, control % REFUSED_EVERY ? ACK_ACCEPT : ACK_ERROR, NULL, 0, STR("1"), 0);
  mllp_reply(frame->server, frame->connection, buf_str(&ack));
  arena_free(frame->arena);
  return NULL;
}

static void handle(struct mllp_frame *frame) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, answer, frame), 0);
  pthread_detach(thread);
}

static struct hospital *open_hospital(void) {
  struct hospital_options options = {.seed = 5, .persons_n = PERSONS};
  struct hospital *hospital;
  first_control = person_first_number(options.seed);
  assert_int_equal(hospital_open(&options, &hospital, NULL), 0);
  return hospital;
}

static void foresee_persons(void) {
  struct hospital *hospital = open_hospital();
  struct buf buf;
  buf_init(&buf, 1 << 20);
  for (unsigned i = 1; i <= MESSAGES; i++) {
    struct hospital_message message;
    assert_int_equal(hospital_next(hospital, &buf, &message, NULL), 0);
    person_of[i] = message.person;
  }
  buf_fini(&buf);
  hospital_close(hospital);
}

static void outlet_keeps_the_order_of_each_person(void **state) {
  (void)state;
  struct mllp_server_options server_options = {.threads = 2, .handle = handle};
  struct mllp_server *server;
  struct outlet *outlet;
  static struct outlet_result result;
  assert_int_equal(mllp_server_open(&server_options, &server, NULL), 0);
  foresee_persons();
  struct outlet_options options = {.mllp_host = "127.0.0.1",
                                   .mllp_port = mllp_server_port(server),
                                   .connections = 24,
                                   .timeout_s = 20,
                                   .persons_n = PERSONS};
  assert_int_equal(outlet_open(&options, &outlet, NULL), 0);
  struct hospital *hospital = open_hospital();
  struct buf buf;
  unsigned taken = 0, refused = 0;
  buf_init(&buf, 1 << 20);
  for (unsigned i = 1; i <= MESSAGES; i++) {
    struct hospital_message message;
    assert_int_equal(hospital_next(hospital, &buf, &message, NULL), 0);
    int code = outlet_put(outlet, &message, buf_str(&buf), NULL);
    assert_int_equal(code, message.system != SYSTEM_PORTAL);
    taken += (unsigned)code;
    refused += code == 1 && i % REFUSED_EVERY == 0;
  }
  assert_int_equal(outlet_close(outlet, &result, NULL), 0);
  uint64_t sent = 0, refused_seen = 0;
  for (unsigned i = 0; i < SYSTEMS_N; i++) {
    sent += result.of_system[i].sent;
    refused_seen += result.of_system[i].refused;
  }
  assert_int_equal(sent, taken);
  assert_int_equal(refused_seen, refused);
  assert_int_equal(atomic_load(&seen), taken);
  assert_int_equal(atomic_load(&out_of_order), 0);
  buf_fini(&buf);
  hospital_close(hospital);
  mllp_server_close(server);
}

static void outlet_tells_of_a_receiver_that_is_not_there(void **state) {
  (void)state;
  struct outlet_options options = {.mllp_host = "127.0.0.1",
                                   .mllp_port = 1,
                                   .connections = 6,
                                   .timeout_s = 2,
                                   .persons_n = PERSONS};
  struct outlet *outlet;
  struct err err;
  assert_int_equal(outlet_open(&options, &outlet, &err), ERR_IO);
}

static void close_at_once(struct mllp_frame *frame) {
  /* An empty reply is no acknowledgement: it counts as a refusal, not as a failure. */
  mllp_reply(frame->server, frame->connection, STR(""));
  arena_free(frame->arena);
}

static void outlet_takes_no_answer_for_a_refusal(void **state) {
  (void)state;
  struct mllp_server_options server_options = {.handle = close_at_once};
  struct mllp_server *server;
  struct outlet *outlet;
  static struct outlet_result result;
  assert_int_equal(mllp_server_open(&server_options, &server, NULL), 0);
  struct outlet_options options = {.mllp_host = "127.0.0.1",
                                   .mllp_port = mllp_server_port(server),
                                   .connections = 1,
                                   .timeout_s = 5,
                                   .persons_n = 1};
  assert_int_equal(outlet_open(&options, &outlet, NULL), 0);
  struct hospital_message message = {.kind = MESSAGE_ADMIT, .system = SYSTEM_HIS};
  assert_int_equal(outlet_put(outlet, &message, STR("MSH|^~\\&|A\r"), NULL), 1);
  assert_int_equal(outlet_close(outlet, &result, NULL), 0);
  assert_int_equal(result.of_system[SYSTEM_HIS].refused, 1);
  mllp_server_close(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(outlet_keeps_the_order_of_each_person),
      TEST(outlet_tells_of_a_receiver_that_is_not_there),
      TEST(outlet_takes_no_answer_for_a_refusal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
