#include "../test.h"

#include "link/gzip.h"
#include "link/http_origin.h"
#include "link/http_server.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- A service that echoes, and one that answers later from another thread ------------------ */

static void echo(struct http_request *request) {
  struct str origin = http_request_header(request, "X-Test");
  struct http_response response = {.status = 200, .content_type = STR("text/plain")};
  response.body =
      arena_printf(request->arena, "%.*s %.*s ?%.*s x=%.*s body=%zu:%.*s", STR_ARG(request->method),
                   STR_ARG(request->path), STR_ARG(request->query), STR_ARG(origin),
                   request->body.n, STR_ARG(request->body));
  response.headers[response.headers_n++] = (struct http_header){"ETag", STR("W/\"1\"")};
  http_respond(request, &response);
}

static atomic_int late_answers;

static void *answer_late(void *what) {
  struct http_request *request = what;
  struct str wait_ms = request->query;
  uint64_t ms = 0;
  str_to_u64(wait_ms, &ms);
  if (ms > 0)
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
  struct http_response response = {.status = 201,
                                   .content_type = STR("text/plain"),
                                   .body = arena_str(request->arena, request->path)};
  atomic_fetch_add(&late_answers, 1);
  http_respond(request, &response);
  return NULL;
}

static void handle_late(struct http_request *request) {
  pthread_t thread;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  assert_int_equal(pthread_create(&thread, &attributes, answer_late, request), 0);
  pthread_attr_destroy(&attributes);
}

static struct http_server *open_server(void (*handle)(struct http_request *)) {
  struct http_server_options options = {.address = "127.0.0.1",
                                        .threads = 2,
                                        .max_body_bytes = 100000,
                                        .idle_timeout_s = 5,
                                        .handle = handle};
  struct http_server *server = NULL;
  struct err err;
  assert_int_equal(http_server_open(&options, &server, &err), 0);
  return server;
}

/* ---- A client of the simplest kind ---------------------------------------------------------- */

static int dial(const struct http_server *server) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(http_server_port(server))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval limit = {.tv_sec = 10};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
  return fd;
}

static void say(int fd, struct str text) {
  while (text.n > 0) {
    ssize_t n = send(fd, text.p, text.n, MSG_NOSIGNAL);
    if (n <= 0)
      return;
    text = str_slice(text, (size_t)n, text.n);
  }
}

static struct str hear_all(int fd) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  char piece[4096];
  ssize_t n;
  while ((n = recv(fd, piece, sizeof piece, 0)) > 0)
    buf_add(&buf, str_n(piece, (size_t)n));
  close(fd);
  return str_of(buf_z(&buf));
}

/* Sends head lines ("GET / HTTP/1.1\r\nA: b\r\n") and a body; returns the whole answer. */
static struct str talk(const struct http_server *server, const char *head, struct str body) {
  int fd = dial(server);
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  buf_add_z(&buf, head);
  if (str_find(str_of(head), STR("Host:")) < 0)
    buf_add_z(&buf, "Host: localhost\r\n");
  if (body.n > 0)
    buf_printf(&buf, "Content-Length: %zu\r\n", body.n);
  buf_add_z(&buf, "Connection: close\r\n\r\n");
  buf_add(&buf, body);
  say(fd, buf_str(&buf));
  return hear_all(fd);
}

static bool has(struct str answer, const char *z) {
  return str_find(answer, str_of(z)) >= 0;
}

static bool is_status(struct str answer, const char *status) {
  return str_starts_with(answer, STR("HTTP/1.1 ")) && str_is(str_slice(answer, 9, 3), status);
}

/* ---- Tests ---------------------------------------------------------------------------------- */

static void http_gives_method_path_query_header_body(void **state) {
  (void)state;
  struct http_server *server = open_server(echo);
  struct str answer = talk(server, "GET /a%20b/c?x=%31&y HTTP/1.1\r\nx-test: seen\r\n", STR_NULL);
  assert_true(is_status(answer, "200"));
  assert_true(has(answer, "GET /a%20b/c ?x=%31&y x=seen body=0:"));
  assert_true(has(answer, "ETag: W/\"1\""));
  answer = talk(server, "POST /p HTTP/1.1\r\n", STR("hello"));
  assert_true(has(answer, "POST /p ? x= body=5:hello"));
  answer = talk(server, "GET http://localhost/q?z HTTP/1.1\r\n", STR_NULL);
  assert_true(has(answer, "GET /q ?z x= body=0:"));
  http_server_close(server);
}

static void http_head_has_no_body(void **state) {
  (void)state;
  struct http_server *server = open_server(echo);
  struct str answer = talk(server, "HEAD /a HTTP/1.1\r\n", STR_NULL);
  assert_true(is_status(answer, "200"));
  assert_true(has(answer, "Content-Length: 20"));
  assert_true(str_ends_with(answer, STR("\r\n\r\n")));
  http_server_close(server);
}

static void http_keeps_connections_alive(void **state) {
  (void)state;
  struct http_server *server = open_server(handle_late);
  int fd = dial(server);
  say(fd, STR("GET /one HTTP/1.1\r\nHost: localhost\r\n\r\n"
              "GET /two HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  struct str answer = hear_all(fd);
  ssize_t one = str_find(answer, STR("/one")), two = str_find(answer, STR("/two"));
  assert_true(one > 0 && two > one);
  http_server_close(server);
}

static void http_refuses_long_bodies(void **state) {
  (void)state;
  struct http_server *server = open_server(echo);
  struct str answer = talk(server,
                           "POST / HTTP/1.1\r\nContent-Length: 100001\r\n"
                           "Expect: 100-continue\r\n",
                           STR_NULL);
  assert_true(is_status(answer, "413"));
  /* Without an announced length it shows only on the way. */
  int fd = dial(server);
  say(fd, STR("POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
              "Connection: close\r\n\r\n"));
  char chunk[0x4000 + 16];
  memset(chunk, 'x', sizeof chunk);
  memcpy(chunk, "4000\r\n", 6);
  memcpy(chunk + 6 + 0x4000, "\r\n", 2);
  for (int i = 0; i < 8; i++)
    say(fd, str_n(chunk, 0x4000 + 8));
  say(fd, STR("0\r\n\r\n"));
  assert_true(is_status(hear_all(fd), "413"));
  http_server_close(server);
}

static void http_unpacks_gzip_within_limits(void **state) {
  (void)state;
  struct http_server *server = open_server(echo);
  struct str packed, answer;
  struct err err;
  const char *head = "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n";
  assert_int_equal(gzip_compress(test_arena, STR("hello hello hello"), 6, &packed, &err), 0);
  answer = talk(server, head, packed);
  assert_true(has(answer, "body=17:hello hello hello"));
  answer = talk(server, head, str_slice(packed, 0, packed.n - 3));
  assert_true(is_status(answer, "400"));
  answer = talk(server, head, STR("this is not gzip"));
  assert_true(is_status(answer, "400"));
  answer = talk(server, "POST / HTTP/1.1\r\nContent-Encoding: br\r\n", STR("x"));
  assert_true(is_status(answer, "415"));
  /* A bomb: little to send, much to unpack. */
  char *zeros = arena_calloc(test_arena, 1, 5000000);
  assert_int_equal(gzip_compress(test_arena, str_n(zeros, 5000000), 9, &packed, &err), 0);
  assert_true(packed.n < 10000);
  answer = talk(server, head, packed);
  assert_true(is_status(answer, "413"));
  /* Exactly at the limit is fine. */
  assert_int_equal(gzip_compress(test_arena, str_n(zeros, 100000), 9, &packed, &err), 0);
  answer = talk(server, head, packed);
  assert_true(is_status(answer, "200"));
  http_server_close(server);
}

static void http_packs_what_is_worth_it(void **state) {
  (void)state;
  struct http_server *server = open_server(echo);
  char *text = arena_alloc(test_arena, 5000);
  memset(text, 'a', 5000);
  struct str body = str_n(text, 5000);
  struct str answer = talk(server, "POST / HTTP/1.1\r\nAccept-Encoding: br, gzip;q=0.5\r\n", body);
  assert_true(has(answer, "Content-Encoding: gzip"));
  assert_true(has(answer, "Vary: Accept-Encoding"));
  answer = talk(server, "POST / HTTP/1.1\r\nAccept-Encoding: gzip;q=0\r\n", body);
  assert_false(has(answer, "Content-Encoding: gzip"));
  answer = talk(server, "POST / HTTP/1.1\r\nAccept-Encoding: gzip\r\n", STR("short"));
  assert_false(has(answer, "Content-Encoding: gzip"));
  http_server_close(server);
}

static void http_lets_only_allowed_pages_in(void **state) {
  (void)state;
  struct http_server *server = open_server(echo);
  struct str answer = talk(server,
                           "OPTIONS /fhir HTTP/1.1\r\nOrigin: http://localhost:3000\r\n"
                           "Access-Control-Request-Method: PUT\r\n"
                           "Access-Control-Request-Headers: if-match\r\n",
                           STR_NULL);
  assert_true(is_status(answer, "204"));
  assert_true(has(answer, "Access-Control-Allow-Origin: http://localhost:3000"));
  assert_true(has(answer, "Access-Control-Allow-Headers: if-match"));
  answer = talk(server, "GET / HTTP/1.1\r\nOrigin: https://evil.example\r\n", STR_NULL);
  assert_false(has(answer, "Access-Control-Allow-Origin"));
  answer = talk(server, "POST / HTTP/1.1\r\nOrigin: https://evil.example\r\n", STR("x"));
  assert_true(is_status(answer, "403"));
  answer = talk(server, "GET / HTTP/1.1\r\nHost: rebound.example:80\r\n", STR_NULL);
  assert_true(is_status(answer, "421"));
  http_server_close(server);
}

static void http_origin_rules(void **state) {
  (void)state;
  assert_true(http_origin_is_allowed(STR("https://a.example"), STR("x"), "*"));
  assert_true(http_origin_is_allowed(STR("https://a.example"), STR("x"),
                                     "https://b.example https://a.example"));
  assert_false(
      http_origin_is_allowed(STR("https://a.example.evil"), STR("x"), "https://a.example"));
  assert_true(http_origin_is_allowed(STR("http://h:8080"), STR("h:8080"), NULL));
  assert_true(http_origin_is_allowed(STR("http://[::1]:9"), STR("h"), NULL));
  assert_false(http_origin_is_allowed(STR("null"), STR("h"), NULL));
  assert_false(http_origin_is_allowed(STR("http://127.0.0.1.evil.example"), STR("h"), NULL));
  assert_true(http_origin_is_own_host(STR("10.1.2.3:80"), NULL));
  assert_false(http_origin_is_own_host(STR("fhir.example"), NULL));
  assert_true(http_origin_is_own_host(STR("fhir.example:8080"), "fhir.example"));
}

static void http_survives_a_client_that_vanishes(void **state) {
  (void)state;
  struct http_server *server = open_server(handle_late);
  atomic_store(&late_answers, 0);
  for (int i = 0; i < 20; i++) {
    int fd = dial(server);
    say(fd, STR("GET /gone?30 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
  }
  struct str answer = talk(server, "GET /still?1 HTTP/1.1\r\n", STR_NULL);
  assert_true(has(answer, "/still"));
  http_server_close(server);
  assert_true(atomic_load(&late_answers) >= 1);
}

static void http_close_waits_for_running_requests(void **state) {
  (void)state;
  struct http_server *server = open_server(handle_late);
  int fd = dial(server);
  say(fd, STR("GET /slow?200 HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
  http_server_close(server);
  struct str answer = hear_all(fd);
  assert_true(is_status(answer, "201"));
  assert_true(has(answer, "/slow"));
}

enum { LONG_ANSWER = 32 << 20 }; /* more than the sockets' buffers take */

/* Bytes that say where they stand. */
static char byte_at(size_t at) {
  return (char)('a' + (at * 31 + at / 4099) % 26);
}

static void handle_long(struct http_request *request) {
  char *bytes = arena_alloc(request->arena, LONG_ANSWER);
  assert_non_null(bytes);
  for (size_t i = 0; i < LONG_ANSWER; i++)
    bytes[i] = byte_at(i);
  struct http_response response = {.status = 200,
                                   .content_type = STR("application/octet-stream"),
                                   .body = str_n(bytes, LONG_ANSWER)};
  http_respond(request, &response);
}

/* Reads an answer to its end; how many of the body came, all of them right. */
static size_t read_body(int fd) {
  char piece[65536], end[4] = {0};
  size_t got = 0, wrong = 0;
  ssize_t n;
  bool is_body = false;
  while ((n = recv(fd, piece, sizeof piece, 0)) > 0) {
    for (ssize_t i = 0; i < n; i++) {
      if (is_body) {
        wrong += piece[i] != byte_at(got++);
        continue;
      }
      memmove(end, end + 1, 3);
      end[3] = piece[i];
      is_body = memcmp(end, "\r\n\r\n", 4) == 0;
    }
  }
  close(fd);
  assert_int_equal(wrong, 0);
  return got;
}

static struct http_server *open_long_server(struct arena_budget *budget, size_t slowest) {
  struct http_server_options options = {.address = "127.0.0.1",
                                        .threads = 2,
                                        .idle_timeout_s = 1,
                                        .slowest_bytes_per_s = slowest,
                                        .budget = budget,
                                        .handle = handle_long};
  struct http_server *server = NULL;
  struct err err;
  assert_int_equal(http_server_open(&options, &server, &err), 0);
  return server;
}

/* Who takes a byte now and then would hold the memory of the answer for ever. */
static void http_gives_up_who_takes_a_long_answer_too_slowly(void **state) {
  (void)state;
  struct arena_budget budget = {.max_bytes = (size_t)64 << 20};
  struct http_server *server = open_long_server(&budget, 0);
  int fd = dial(server);
  say(fd, STR("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
  assert_int_equal(read_body(fd), LONG_ANSWER);
  http_server_close(server);
  assert_int_equal(budget.used_bytes, 0);

  server = open_long_server(&budget, (size_t)64 << 20);
  fd = dial(server);
  say(fd, STR("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  char piece[16384];
  assert_true(recv(fd, piece, 1, 0) == 1);
  size_t got = 0;
  assert_true(budget.used_bytes >= LONG_ANSWER);
  for (int i = 0; i < 1500 && budget.used_bytes > 0; i++) { /* 15 s */
    ssize_t n = recv(fd, piece, sizeof piece, MSG_DONTWAIT);
    got += n > 0 ? (size_t)n : 0;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
  }
  assert_int_equal(budget.used_bytes, 0);
  assert_true(got < LONG_ANSWER / 2);
  close(fd);
  http_server_close(server);
}

static void http_tells_of_a_taken_port(void **state) {
  (void)state;
  struct http_server *server = open_server(echo), *second = NULL;
  struct http_server_options options = {
      .address = "127.0.0.1", .port = http_server_port(server), .handle = echo};
  struct err err;
  assert_int_equal(http_server_open(&options, &second, &err), ERR_CONFLICT);
  assert_non_null(strstr(err.text, "in use"));
  options.address = "not an address";
  assert_int_equal(http_server_open(&options, &second, &err), ERR_VALUE);
  http_server_close(server);
}

#define CLIENTS 16
#define ROUNDS 50

static void *client_run(void *what) {
  const struct http_server *server = what;
  intptr_t bad = 0;
  int fd = dial(server);
  for (int i = 0; i < ROUNDS; i++) {
    char text[512];
    int n = snprintf(text, sizeof text, "GET /n%d?%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i,
                     i % 7 == 0);
    say(fd, str_n(text, (size_t)n));
    char want[32];
    snprintf(want, sizeof want, "\r\n\r\n/n%d", i);
    size_t have = 0;
    ssize_t got;
    do {
      got = recv(fd, text + have, sizeof text - 1 - have, 0);
      have += got > 0 ? (size_t)got : 0;
    } while (got > 0 && !str_ends_with(str_n(text, have), str_of(want)));
    bad += got <= 0;
  }
  close(fd);
  return (void *)bad;
}

static void http_answers_each_client_its_own(void **state) {
  (void)state;
  struct http_server *server = open_server(handle_late);
  pthread_t threads[CLIENTS];
  for (int i = 0; i < CLIENTS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, client_run, server), 0);
  for (int i = 0; i < CLIENTS; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    assert_null(bad);
  }
  http_server_close(server);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(http_gives_method_path_query_header_body),
      TEST(http_head_has_no_body),
      TEST(http_keeps_connections_alive),
      TEST(http_refuses_long_bodies),
      TEST(http_unpacks_gzip_within_limits),
      TEST(http_packs_what_is_worth_it),
      TEST(http_lets_only_allowed_pages_in),
      TEST(http_origin_rules),
      TEST(http_survives_a_client_that_vanishes),
      TEST(http_close_waits_for_running_requests),
      TEST(http_gives_up_who_takes_a_long_answer_too_slowly),
      TEST(http_tells_of_a_taken_port),
      TEST(http_answers_each_client_its_own),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
