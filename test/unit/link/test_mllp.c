#include "../test.h"

#include "base/clock.h"
#include "format/mllp.h"
#include "link/mllp_client.h"
#include "link/mllp_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

static struct mllp_server *server;
static atomic_uint frames_seen, too_long_seen;

/* Replies with the content, from the loop's own thread. */
static void echo(struct mllp_frame *frame) {
  atomic_fetch_add(&frames_seen, 1);
  if (frame->too_long)
    atomic_fetch_add(&too_long_seen, 1);
  struct str reply = frame->too_long ? STR("too long") : frame->content;
  mllp_reply(frame->server, frame->connection, reply);
  arena_free(frame->arena);
}

static void *echo_later(void *what) {
  struct mllp_frame *frame = what;
  usleep(20000);
  echo(frame);
  return NULL;
}

/* Replies from another thread. */
static void hand_over(struct mllp_frame *frame) {
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, echo_later, frame), 0);
  pthread_detach(thread);
}

static void open_server(struct mllp_server_options options) {
  struct err err;
  atomic_store(&frames_seen, 0);
  atomic_store(&too_long_seen, 0);
  if (!options.handle)
    options.handle = echo;
  assert_int_equal(mllp_server_open(&options, &server, &err), 0);
}

static struct mllp_client *open_client(void) {
  struct mllp_client *client;
  struct err err = {0};
  if (mllp_client_open("127.0.0.1", mllp_server_port(server), 10, &client, &err) < 0)
    fail_msg("%s", err.text);
  return client;
}

static void assert_echo(struct mllp_client *client, struct str message) {
  struct str reply;
  struct err err = {0};
  if (mllp_client_exchange(client, message, &reply, &err) < 0)
    fail_msg("%s", err.text);
  assert_int_equal(reply.n, message.n);
  assert_memory_equal(reply.p, message.p, reply.n);
}

static int connect_raw(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(mllp_server_port(server)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  struct timeval limit = {.tv_sec = 10};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  return fd;
}

static void send_raw(int fd, struct str bytes) {
  assert_int_equal(send(fd, bytes.p, bytes.n, MSG_NOSIGNAL), bytes.n);
}

static void assert_received(int fd, struct str expected) {
  char *got = arena_alloc(test_arena, expected.n);
  size_t n = 0;
  while (n < expected.n) {
    ssize_t more = recv(fd, got + n, expected.n - n, 0);
    assert_true(more > 0);
    n += (size_t)more;
  }
  assert_memory_equal(got, expected.p, n);
}

static bool is_closed_by_server(int fd) {
  char c;
  return recv(fd, &c, 1, 0) <= 0;
}

static void mllp_client_and_server_exchange(void **state) {
  (void)state;
  open_server((struct mllp_server_options){.threads = 2});
  struct mllp_client *client = open_client();
  assert_echo(client, STR("MSH|one"));
  assert_echo(client, STR(""));
  struct str big = {arena_calloc(test_arena, 1, 3000000), 3000000};
  assert_echo(client, big);
  mllp_client_close(client);
  mllp_server_close(server);
}

static void mllp_replies_come_from_any_thread_in_order(void **state) {
  (void)state;
  open_server((struct mllp_server_options){.handle = hand_over});
  int fd = connect_raw();
  /* All at once: the second frame is given only after the first reply. */
  send_raw(fd, STR("\x0B"
                   "1\x1C\r\x0B"
                   "2\x1C\x0B"
                   "3\x1C\rjunk\x0B"
                   "4\x1C\r"));
  assert_received(fd, STR("\x0B"
                          "1\x1C\r\x0B"
                          "2\x1C\r\x0B"
                          "3\x1C\r\x0B"
                          "4\x1C\r"));
  close(fd);
  mllp_server_close(server);
}

static void mllp_half_closed_peers_get_their_reply(void **state) {
  (void)state;
  open_server((struct mllp_server_options){.handle = hand_over});
  int fd = connect_raw();
  send_raw(fd, STR("\x0B"
                   "1\x1C\r"));
  shutdown(fd, SHUT_WR);
  assert_received(fd, STR("\x0B"
                          "1\x1C\r"));
  assert_true(is_closed_by_server(fd));
  close(fd);
  mllp_server_close(server);
}

static void mllp_replies_to_peers_that_left_are_dropped(void **state) {
  (void)state;
  open_server((struct mllp_server_options){.handle = hand_over});
  for (int i = 0; i < 50; i++) {
    int fd = connect_raw();
    struct linger reset = {.l_onoff = 1};
    send_raw(fd, STR("\x0B"
                     "gone\x1C\r"));
    if (i % 2)
      setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
  }
  int fd = connect_raw(); /* likely takes a slot, and a descriptor, of one that left */
  send_raw(fd, STR("\x0B"
                   "here\x1C\r"));
  assert_received(fd, STR("\x0B"
                          "here\x1C\r"));
  close(fd);
  mllp_server_close(server);
}

static void mllp_too_long_frames_are_answered_and_skipped(void **state) {
  (void)state;
  open_server((struct mllp_server_options){.max_frame_bytes = 1000});
  struct mllp_client *client = open_client();
  struct str big = {arena_calloc(test_arena, 1, 400000), 400000}, reply;
  struct err err;
  assert_int_equal(mllp_client_exchange(client, big, &reply, &err), 0);
  assert_str(reply, "too long");
  assert_echo(client, STR("next"));
  assert_int_equal(atomic_load(&too_long_seen), 1);
  mllp_client_close(client);
  mllp_server_close(server);
}

static void mllp_unfinished_frames_and_idle_peers_are_timed_out(void **state) {
  (void)state;
  open_server((struct mllp_server_options){.frame_timeout_s = 1, .idle_timeout_s = 2});
  int slow = connect_raw(), idle = connect_raw();
  send_raw(slow, STR("\x0B"
                     "MSH|never ends"));
  int64_t start_us = clock_monotonic_us();
  assert_true(is_closed_by_server(slow));
  int64_t slow_us = clock_monotonic_us() - start_us;
  assert_true(is_closed_by_server(idle));
  int64_t idle_us = clock_monotonic_us() - start_us;
  assert_true(slow_us >= 900000 && slow_us < 8000000);
  assert_true(idle_us > slow_us && idle_us < 9000000);
  assert_int_equal(atomic_load(&frames_seen), 0);
  close(slow);
  close(idle);
  mllp_server_close(server);
}

/* A peer that sends and sends but never reads gets no further frames handled, and no memory. */
static void mllp_peers_that_do_not_read_wait(void **state) {
  (void)state;
  open_server((struct mllp_server_options){0});
  int fd = connect_raw();
  struct buf frame;
  buf_init_arena(&frame, test_arena, SIZE_MAX);
  mllp_write(&frame, str_n(arena_calloc(test_arena, 1, 1000000), 1000000));
  size_t sent = 0;
  for (int i = 0; i < 100; i++) {
    struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
    if (poll(&poll_fd, 1, 300) <= 0)
      break;
    ssize_t n =
        send(fd, frame.p + sent % frame.n, frame.n - sent % frame.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    sent += n > 0 ? (size_t)n : 0;
  }
  assert_true(sent < 60 * frame.n);
  struct mllp_client *other = open_client();
  assert_echo(other, STR("others go on"));
  mllp_client_close(other);
  close(fd);
  mllp_server_close(server);
}

static void mllp_holds_many_connections(void **state) {
  (void)state;
  enum { N = 400 };
  open_server((struct mllp_server_options){.threads = 2, .max_connections = N});
  static int fds[N];
  for (int i = 0; i < N; i++) {
    fds[i] = connect_raw();
    send_raw(fds[i], STR("\x0B"
                         "a\x1C\r"));
  }
  for (int i = N - 1; i >= 0; i--) {
    assert_received(fds[i], STR("\x0B"
                                "a\x1C\r"));
    send_raw(fds[i], STR("\x0B"
                         "b\x1C\r"));
  }
  int one_too_many = connect_raw();
  assert_true(is_closed_by_server(one_too_many));
  close(one_too_many);
  for (int i = 0; i < N; i++) {
    assert_received(fds[i], STR("\x0B"
                                "b\x1C\r"));
    close(fds[i]);
  }
  mllp_server_close(server);
}

/* When no descriptor is left, connections are refused, those that stand go on, and new ones are
 * taken again as soon as there is room. */
static void mllp_survives_without_descriptors(void **state) {
  (void)state;
  open_server((struct mllp_server_options){0});
  struct mllp_client *client = open_client();
  assert_echo(client, STR("before"));
  int refused = socket(AF_INET, SOCK_STREAM, 0);
  struct rlimit old, low;
  assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
  low = old;
  low.rlim_cur = (rlim_t)refused + 1;
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons(mllp_server_port(server)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  assert_int_equal(connect(refused, (struct sockaddr *)&address, sizeof address), 0);
  assert_true(is_closed_by_server(refused));
  assert_echo(client, STR("meanwhile"));
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
  close(refused);
  struct mllp_client *late = open_client();
  assert_echo(late, STR("after"));
  mllp_client_close(late);
  mllp_client_close(client);
  mllp_server_close(server);
}

static void mllp_a_taken_port_is_a_conflict(void **state) {
  (void)state;
  open_server((struct mllp_server_options){0});
  struct mllp_server *second;
  struct err err;
  struct mllp_server_options same = {.port = mllp_server_port(server), .handle = echo};
  assert_int_equal(mllp_server_open(&same, &second, &err), ERR_CONFLICT);
  mllp_server_close(server);
  struct mllp_client *client;
  assert_int_equal(mllp_client_open("127.0.0.1", same.port, 2, &client, &err), ERR_IO);
}

static void mllp_close_waits_for_replies(void **state) {
  (void)state;
  open_server((struct mllp_server_options){.handle = hand_over});
  int fd = connect_raw();
  send_raw(fd, STR("\x0B"
                   "last\x1C\r"));
  usleep(10000);
  mllp_server_close(server);
  if (atomic_load(&frames_seen) == 1)
    assert_received(fd, STR("\x0B"
                            "last\x1C\r"));
  assert_true(is_closed_by_server(fd));
  close(fd);
}

static void mllp_client_times_out(void **state) {
  (void)state;
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t n = sizeof address;
  assert_int_equal(bind(listener, (struct sockaddr *)&address, n), 0);
  assert_int_equal(listen(listener, 1), 0);
  assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &n), 0);
  struct mllp_client *client;
  struct str reply;
  struct err err;
  assert_int_equal(mllp_client_open("127.0.0.1", ntohs(address.sin_port), 1, &client, &err), 0);
  assert_int_equal(mllp_client_exchange(client, STR("x"), &reply, &err), ERR_TIMEOUT);
  mllp_client_close(client);
  close(listener);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(mllp_client_and_server_exchange),
      TEST(mllp_replies_come_from_any_thread_in_order),
      TEST(mllp_half_closed_peers_get_their_reply),
      TEST(mllp_replies_to_peers_that_left_are_dropped),
      TEST(mllp_too_long_frames_are_answered_and_skipped),
      TEST(mllp_unfinished_frames_and_idle_peers_are_timed_out),
      TEST(mllp_peers_that_do_not_read_wait),
      TEST(mllp_holds_many_connections),
      TEST(mllp_survives_without_descriptors),
      TEST(mllp_a_taken_port_is_a_conflict),
      TEST(mllp_close_waits_for_replies),
      TEST(mllp_client_times_out),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
