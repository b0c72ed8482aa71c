/*
 * The life of a request ("exchange") in libmicrohttpd's callbacks:
 *
 *   on_uri        the request line is there: an arena, and the exchange in it
 *   on_request    first call, headers: refuse now, or prepare for a body
 *                 more calls, pieces of the body: collect or unpack
 *                 last call: hand it to the service; queue the answer, or suspend
 *   http_respond  any thread: makes the MHD response, wakes a suspended connection
 *   on_completed  the answer was sent, or the client has gone: the arena goes
 *
 * EXCHANGE_RECEIVING -> HANDLED (on_request) -> SUSPENDED (on_request) -> ANSWERED (http_respond);
 * HANDLED -> ANSWERED where http_respond came before the suspension. The step that finds the other
 * side done already finishes the job, so that neither waits for the other.
 */
#include "link/http_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "link/gzip.h"
#include "link/http_origin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEFAULT_BODY_BYTES ((size_t)128 << 20)
#define DEFAULT_ARENA_BYTES ((size_t)1 << 30)
/* Request line and headers, then read buffer. libmicrohttpd clears all of it for each request. */
#define CONNECTION_MEMORY_BYTES ((size_t)32 << 10)
#define COMPRESS_FROM_BYTES 1024
#define COMPRESS_LEVEL 1
#define SMALL_BODY_BYTES ((size_t)64 << 10)
#define TRIM_FROM_BYTES ((size_t)32 << 20)
#define SLOWEST_BYTES_PER_S 2048 /* a body that comes slower than this is given up */
#define SLOWEST_ANSWER_BYTES_PER_S ((size_t)64 << 10)
#define LONG_ANSWER_BYTES ((size_t)1 << 20) /* memory that a slow client must not hold for ever */
#define PIECE_BYTES ((size_t)64 << 10)
#define DRAIN_US_MAX 5000000 /* how long a closing server waits for clients to take answers */

struct http_server {
  struct http_server_options options;
  struct MHD_Daemon *daemon;
  uint16_t port;
  bool is_loopback;
  atomic_bool draining;
  atomic_size_t active;  /* exchanges from on_uri to on_completed */
  atomic_size_t handled; /* requests with the service, unanswered */
};

enum exchange_state { EXCHANGE_RECEIVING, EXCHANGE_HANDLED, EXCHANGE_SUSPENDED, EXCHANGE_ANSWERED };

struct exchange {
  struct http_request request;
  struct http_server *server;
  struct MHD_Connection *connection;
  _Atomic(enum exchange_state) state;
  bool has_begun, is_refused;
  struct err refusal; /* where is_refused: what the body will be answered with */
  struct buf body;
  size_t received_bytes; /* as sent */
  int64_t body_deadline_us;
  struct gzip_reader *unpacker;
  struct str long_answer;
  int64_t answer_deadline_us;
  struct MHD_Response *response;
  int status;
};

/* A request is the first member of its exchange. */
_Static_assert(offsetof(struct exchange, request) == 0, "an exchange is found by its request");

static const struct exchange *exchange_of(const struct http_request *request) {
  return (const struct exchange *)(const void *)request;
}

struct str http_request_header(const struct http_request *request, const char *name) {
  return str_of(
      MHD_lookup_connection_value(exchange_of(request)->connection, MHD_HEADER_KIND, name));
}

/* Is the weight of "gzip;q=0.5" above zero? */
static bool has_weight(struct str parameters) {
  struct str one;
  while (str_split(&parameters, ';', &one)) {
    one = str_trim(one);
    double q;
    if (one.n > 2 && (one.p[0] == 'q' || one.p[0] == 'Q') && one.p[1] == '=')
      return str_to_double(str_slice(one, 2, one.n), &q) && q > 0;
  }
  return true;
}

bool http_request_accepts_encoding(const struct http_request *request, const char *coding) {
  struct str rest = http_request_header(request, MHD_HTTP_HEADER_ACCEPT_ENCODING), one;
  while (rest.n > 0 && str_split(&rest, ',', &one)) {
    struct str name;
    str_split(&one, ';', &name);
    if (str_equal_ignore_case(str_trim(name), str_of(coding)))
      return has_weight(one);
  }
  return false;
}

/* ---- Answering ----------------------------------------------------------------------------- */

static void add_header(struct exchange *x, struct MHD_Response *response, const char *name,
                       struct str value) {
  struct str z = arena_str(x->request.arena, value);
  /* Refuses line ends inside: a header that a client smuggled in is not sent. */
  if (!z.p || MHD_add_response_header(response, name, z.p) != MHD_YES)
    log_warning("http", "a value for the header %s could not be sent", name);
}

static void add_cors_headers(struct exchange *x, struct MHD_Response *response) {
  const struct http_server *server = x->server;
  struct str origin = http_request_header(&x->request, MHD_HTTP_HEADER_ORIGIN);
  if (origin.n == 0)
    return;
  struct str host = http_request_header(&x->request, MHD_HTTP_HEADER_HOST);
  bool is_any = server->options.allow_origins && strcmp(server->options.allow_origins, "*") == 0;
  if (!is_any)
    add_header(x, response, MHD_HTTP_HEADER_VARY, STR("Origin"));
  if (!http_origin_is_allowed(origin, host, server->options.allow_origins))
    return;
  add_header(x, response, MHD_HTTP_HEADER_ACCESS_CONTROL_ALLOW_ORIGIN, is_any ? STR("*") : origin);
  add_header(x, response, "Access-Control-Expose-Headers",
             STR("Content-Location, ETag, Last-Modified, Location, Retry-After, X-Progress"));
}

static bool is_text(struct str content_type) {
  static const char *const texts[] = {"json", "text/", "javascript", "xml", "csv"};
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
    if (str_find(content_type, str_of(texts[i])) >= 0)
      return true;
  return false;
}

static bool has_header(const struct http_response *response, const char *name) {
  for (size_t i = 0; i < response->headers_n; i++)
    if (str_equal_ignore_case(str_of(response->headers[i].name), str_of(name)))
      return true;
  return false;
}

/* The bytes to send: compressed where that is wanted and worth it. */
static struct str pack_body(struct exchange *x, const struct http_response *response,
                            bool *ret_is_packed) {
  struct str packed;
  *ret_is_packed = false;
  if (response->body.n < COMPRESS_FROM_BYTES || str_is(x->request.method, "HEAD") ||
      !is_text(response->content_type) || has_header(response, MHD_HTTP_HEADER_CONTENT_ENCODING) ||
      !http_request_accepts_encoding(&x->request, "gzip"))
    return response->body;
  if (gzip_compress(x->request.arena, response->body, COMPRESS_LEVEL, &packed, NULL) != 0 ||
      packed.n >= response->body.n)
    return response->body;
  *ret_is_packed = true;
  return packed;
}

/* A piece of a long answer, as the client takes it. */
static ssize_t give_piece(void *cls, uint64_t at, char *room, size_t room_n) {
  const struct exchange *x = cls;
  if (clock_monotonic_us() > x->answer_deadline_us)
    return MHD_CONTENT_READER_END_WITH_ERROR;
  struct str piece = str_slice(x->long_answer, (size_t)at, room_n);
  if (piece.n)
    memcpy(room, piece.p, piece.n);
  return (ssize_t)piece.n;
}

/* libmicrohttpd gives up who takes nothing for a while, but not who takes a byte now and then. */
static struct MHD_Response *make_long_response(struct exchange *x, struct str body) {
  const struct http_server_options *options = &x->server->options;
  x->long_answer = body;
  x->answer_deadline_us = clock_monotonic_us() + (int64_t)options->idle_timeout_s * 1000000 +
                          (int64_t)(body.n / options->slowest_bytes_per_s) * 1000000;
  return MHD_create_response_from_callback(body.n, PIECE_BYTES, give_piece, x, NULL);
}

static struct MHD_Response *make_response(struct exchange *x,
                                          const struct http_response *response) {
  bool is_packed;
  struct str body = pack_body(x, response, &is_packed);
  /* libmicrohttpd only reads a persistent buffer, but takes it as not const. */
  void *bytes = (void *)(uintptr_t)body.p;
  struct MHD_Response *made =
      body.n < LONG_ANSWER_BYTES
          ? MHD_create_response_from_buffer(body.n, bytes, MHD_RESPMEM_PERSISTENT)
          : make_long_response(x, body);
  if (!made)
    return NULL;
  if (response->content_type.n > 0)
    add_header(x, made, MHD_HTTP_HEADER_CONTENT_TYPE, response->content_type);
  for (size_t i = 0; i < response->headers_n; i++)
    add_header(x, made, response->headers[i].name, response->headers[i].value);
  if (is_packed)
    add_header(x, made, MHD_HTTP_HEADER_CONTENT_ENCODING, STR("gzip"));
  if (response->body.n >= COMPRESS_FROM_BYTES && is_text(response->content_type))
    add_header(x, made, MHD_HTTP_HEADER_VARY, STR("Accept-Encoding"));
  add_header(x, made, "X-Content-Type-Options", STR("nosniff"));
  add_cors_headers(x, made);
  if (atomic_load(&x->server->draining))
    add_header(x, made, MHD_HTTP_HEADER_CONNECTION, STR("close"));
  return made;
}

void http_respond(struct http_request *request, const struct http_response *response) {
  struct exchange *x = (struct exchange *)(void *)request;
  struct http_server *server = x->server;
  struct MHD_Connection *connection = x->connection;
  x->response = make_response(x, response);
  x->status = response->status;
  /* From the exchange on, the thread that handled the request may end it; once resumed, so may the
   * connection's: `x` is not touched after either. */
  if (atomic_exchange(&x->state, EXCHANGE_ANSWERED) == EXCHANGE_SUSPENDED)
    MHD_resume_connection(connection);
  atomic_fetch_sub(&server->handled, 1);
}

static enum MHD_Result queue_answer(struct exchange *x) {
  if (!x->response)
    return MHD_NO; /* no memory for an answer: the connection is dropped */
  enum MHD_Result result = MHD_queue_response(x->connection, (unsigned)x->status, x->response);
  MHD_destroy_response(x->response);
  x->response = NULL;
  return result;
}

/* The server's own answer to what the service never sees. */
static enum MHD_Result refuse(struct exchange *x, const struct err *err) {
  struct http_response response = {.status = err_facts(err->code)->http_status,
                                   .content_type = STR("text/plain; charset=utf-8")};
  if (x->server->options.refuse) {
    x->server->options.refuse(&x->request, err, &response);
  } else {
    response.body = arena_printf(x->request.arena, "%s\n", err->text);
  }
  if (response.status == MHD_HTTP_SERVICE_UNAVAILABLE)
    response.headers[response.headers_n++] =
        (struct http_header){MHD_HTTP_HEADER_RETRY_AFTER, STR("1")};
  x->response = make_response(x, &response);
  x->status = response.status;
  atomic_store(&x->state, EXCHANGE_ANSWERED);
  return queue_answer(x);
}

static enum MHD_Result answer_preflight(struct exchange *x) {
  struct http_response response = {.status = MHD_HTTP_NO_CONTENT};
  struct str wanted = http_request_header(&x->request, "Access-Control-Request-Headers");
  response.headers[response.headers_n++] = (struct http_header){
      "Access-Control-Allow-Methods", STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")};
  response.headers[response.headers_n++] =
      (struct http_header){"Access-Control-Max-Age", STR("600")};
  if (wanted.n > 0)
    response.headers[response.headers_n++] =
        (struct http_header){"Access-Control-Allow-Headers", wanted};
  x->response = make_response(x, &response);
  x->status = response.status;
  atomic_store(&x->state, EXCHANGE_ANSWERED);
  return queue_answer(x);
}

/* Gives the request to the service; queues its answer or suspends until there is one. */
static enum MHD_Result hand_over(struct exchange *x) {
  x->request.body = buf_str(&x->body);
  atomic_store(&x->state, EXCHANGE_HANDLED);
  atomic_fetch_add(&x->server->handled, 1);
  x->server->options.handle(&x->request);
  if (atomic_load(&x->state) == EXCHANGE_ANSWERED)
    return queue_answer(x);
  struct MHD_Connection *connection = x->connection;
  MHD_suspend_connection(connection);
  enum exchange_state expected = EXCHANGE_HANDLED;
  if (!atomic_compare_exchange_strong(&x->state, &expected, EXCHANGE_SUSPENDED))
    MHD_resume_connection(connection); /* answered meanwhile */
  return MHD_YES;
}

/* ---- Receiving ----------------------------------------------------------------------------- */

static bool is_safe(struct str method) {
  return str_is(method, "GET") || str_is(method, "HEAD") || str_is(method, "OPTIONS");
}

/* The rules of link/http_origin.h. */
static int check_caller(const struct exchange *x, struct err *reterr) {
  const struct http_server_options *options = &x->server->options;
  struct str host = http_request_header(&x->request, MHD_HTTP_HEADER_HOST);
  struct str origin = http_request_header(&x->request, MHD_HTTP_HEADER_ORIGIN);
  if (x->server->is_loopback && host.n > 0 && !http_origin_is_own_host(host, options->public_host))
    return err_set(reterr, ERR_MISDIRECTED, "",
                   "This server does not answer to the name in the Host header; use localhost, or "
                   "start it with that name as its public host.");
  if (origin.n > 0 && !is_safe(x->request.method) &&
      !http_origin_is_allowed(origin, host, options->allow_origins))
    return err_set(reterr, ERR_FORBIDDEN, "",
                   "Pages of this origin may not change anything here; the server's option "
                   "--allow-origin decides that.");
  return 0;
}

static int prepare_unpacking(struct exchange *x, struct err *reterr) {
  struct str coding = http_request_header(&x->request, MHD_HTTP_HEADER_CONTENT_ENCODING);
  if (coding.n == 0 || str_equal_ignore_case(coding, STR("identity")))
    return 0;
  if (str_equal_ignore_case(coding, STR("gzip")) || str_equal_ignore_case(coding, STR("x-gzip")) ||
      str_equal_ignore_case(coding, STR("deflate")))
    return gzip_reader_new(x->request.arena, &x->unpacker, reterr);
  return err_set(reterr, ERR_MEDIA_TYPE, "",
                 "The Content-Encoding is not understood; send the body plain or as gzip.");
}

/* Content-Length; UINT64_MAX where it is no number, 0 where there is none. */
static uint64_t announced_bytes(const struct exchange *x) {
  struct str length = http_request_header(&x->request, MHD_HTTP_HEADER_CONTENT_LENGTH);
  uint64_t bytes = 0;
  return length.n == 0 || str_to_u64(length, &bytes) ? bytes : UINT64_MAX;
}

/* Bodies that come or wait have half of the budget: the other half is for the work on those that
 * are here, which else would all fail in the middle of it. */
static bool has_room(const struct exchange *x, uint64_t announced) {
  const struct arena_budget *budget = x->server->options.budget;
  return !budget || announced < SMALL_BODY_BYTES ||
         (announced <= budget->max_bytes / 2 &&
          atomic_load(&budget->used_bytes) <= budget->max_bytes / 2 - announced);
}

/* Makes room for the body. */
static int prepare_body(struct exchange *x, uint64_t announced, struct err *reterr) {
  size_t max_bytes = x->server->options.max_body_bytes;
  bool is_chunked = http_request_header(&x->request, MHD_HTTP_HEADER_TRANSFER_ENCODING).n > 0;
  if (announced > max_bytes)
    return err_set(reterr, ERR_TOO_LONG, "", "The body is larger than %zu bytes.", max_bytes);
  buf_init_arena(&x->body, x->request.arena, max_bytes);
  if (announced == 0 && !is_chunked)
    return 0;
  if (!has_room(x, announced))
    return err_no_memory(reterr);
  int code = prepare_unpacking(x, reterr);
  if (code)
    return code;
  if (announced > 0 && !x->unpacker) {
    if (!buf_extend(&x->body, (size_t)announced))
      return err_no_memory(reterr);
    x->body.n = 0;
  }
  return 0;
}

/*
 * Refuses at the headers. An answer there closes the connection, and a client that is still sending
 * loses it to the reset: so a body of reasonable size is read first, unless the client waits to
 * hear whether it may send it.
 */
static enum MHD_Result refuse_early(struct exchange *x, uint64_t announced, const struct err *err) {
  if (announced / 2 > x->server->options.max_body_bytes ||
      http_request_header(&x->request, MHD_HTTP_HEADER_EXPECT).n > 0)
    return refuse(x, err);
  x->is_refused = true;
  x->refusal = *err;
  return MHD_YES;
}

static enum MHD_Result begin(struct exchange *x, const char *method) {
  struct err err;
  uint64_t announced = announced_bytes(x);
  uint64_t max_bytes = x->server->options.max_body_bytes;
  uint64_t expected = announced < max_bytes ? announced : max_bytes;
  x->has_begun = true;
  x->body_deadline_us = clock_monotonic_us() +
                        (int64_t)x->server->options.idle_timeout_s * 1000000 +
                        (int64_t)(expected / SLOWEST_BYTES_PER_S) * 1000000;
  x->request.method = arena_str(x->request.arena, str_of(method));
  int code = check_caller(x, &err);
  if (code == 0 && str_is(x->request.method, "OPTIONS") &&
      http_request_header(&x->request, "Access-Control-Request-Method").n > 0)
    return answer_preflight(x);
  if (code == 0)
    code = prepare_body(x, announced, &err);
  if (code == 0 && atomic_load(&x->server->draining))
    code = err_set(&err, ERR_BUSY, "", "The server is being stopped.");
  return code ? refuse_early(x, announced, &err) : MHD_YES;
}

/* Takes a piece of the body. What is too long is read on for as much again, because an answer can
 * only be sent after the body; then the connection is dropped. */
static enum MHD_Result collect(struct exchange *x, struct str piece) {
  size_t max_bytes = x->server->options.max_body_bytes;
  x->received_bytes += piece.n;
  x->body_deadline_us += (int64_t)(piece.n * 1000000 / SLOWEST_BYTES_PER_S);
  if (x->received_bytes / 2 > max_bytes || clock_monotonic_us() > x->body_deadline_us)
    return MHD_NO;
  if (x->is_refused)
    return MHD_YES;
  int code = 0;
  if (x->unpacker) {
    code = gzip_reader_feed(x->unpacker, piece, &x->body, &x->refusal);
  } else {
    buf_add(&x->body, piece);
    if (buf_is_overflown(&x->body))
      code = x->received_bytes > max_bytes
                 ? err_set(&x->refusal, ERR_TOO_LONG, "", "The body is larger than %zu bytes.",
                           max_bytes)
                 : err_no_memory(&x->refusal);
  }
  x->is_refused = code != 0;
  return MHD_YES;
}

static enum MHD_Result finish_body(struct exchange *x) {
  if (!x->is_refused && x->unpacker && x->received_bytes > 0 &&
      !gzip_reader_is_complete(x->unpacker)) {
    x->is_refused = true;
    (void)!err_set(&x->refusal, ERR_STRUCTURE, "", "The compressed body ends too early.");
  }
  return x->is_refused ? refuse(x, &x->refusal) : hand_over(x);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_n, void **what) {
  struct exchange *x = *what;
  (void)cls;
  (void)url;
  (void)version;
  if (!x)
    return MHD_NO;
  x->connection = connection;
  if (!x->has_begun)
    return begin(x, method);
  if (atomic_load(&x->state) == EXCHANGE_ANSWERED)
    return queue_answer(x);
  if (*data_n == 0)
    return finish_body(x);
  enum MHD_Result result = collect(x, str_n(data, *data_n));
  *data_n = 0;
  return result;
}

/* Splits the request target; takes "http://host" off an absolute one. */
static bool split_target(struct exchange *x, struct str target) {
  target = arena_str(x->request.arena, target);
  if (!target.p)
    return false;
  if (target.n > 0 && target.p[0] != '/') {
    ssize_t authority = str_find(target, STR("://"));
    ssize_t slash = authority < 0 ? -1 : str_find_char(target, '/', (size_t)authority + 3);
    if (slash >= 0)
      target = str_slice(target, (size_t)slash, target.n);
  }
  ssize_t question = str_find_char(target, '?', 0);
  x->request.path = question < 0 ? target : str_slice(target, 0, (size_t)question);
  if (question >= 0)
    x->request.query = str_slice(target, (size_t)question + 1, target.n);
  return true;
}

/*
 * Ends libmicrohttpd's own copy of the target behind its '?'. It would take the query apart, which
 * nobody asks for, into the memory of the connection, and 0.9.75 leaves a connection without an
 * answer when several hundred parameters fill that. The bytes are the connection's read buffer,
 * which it changes in place in the next step itself.
 */
static void forget_query(const char *uri) {
  const char *question = strchr(uri, '?');
  if (!question)
    return;
  union {
    const char *read;
    char *write;
  } rest = {.read = question + 1};
  *rest.write = '\0';
}

static void *on_uri(void *cls, const char *uri, struct MHD_Connection *connection) {
  struct http_server *server = cls;
  struct arena *arena = arena_new_within(server->options.budget, server->options.arena_max_bytes);
  struct exchange *x = arena ? ARENA_NEW(arena, struct exchange) : NULL;
  if (!x) {
    arena_free(arena);
    return NULL;
  }
  x->server = server;
  x->connection = connection;
  x->request.arena = arena;
  x->request.user = server->options.user;
  if (!split_target(x, str_of(uri))) {
    arena_free(arena);
    return NULL;
  }
  forget_query(uri);
  atomic_fetch_add(&server->active, 1);
  return x;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **what,
                         enum MHD_RequestTerminationCode code) {
  struct http_server *server = cls;
  struct exchange *x = *what;
  (void)connection;
  (void)code;
  if (!x)
    return;
  *what = NULL;
  if (x->response)
    MHD_destroy_response(x->response);
  bool was_large = arena_used_bytes(x->request.arena) >= TRIM_FROM_BYTES;
  arena_free(x->request.arena);
  if (was_large)
    malloc_trim(0); /* else one huge request would be remembered in memory for ever */
  atomic_fetch_sub(&server->active, 1);
}

/* ---- Opening and closing ------------------------------------------------------------------- */

static void on_log(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

static void on_log(void *cls, const char *format, va_list args) {
  char line[300];
  (void)cls;
  vsnprintf(line, sizeof line, format, args);
  log_debug("http", "%.*s", STR_ARG(str_trim(str_of(line))));
}

static int bind_error(const struct http_server_options *options, int error, struct err *reterr) {
  if (error == EADDRINUSE)
    return err_set(reterr, ERR_CONFLICT, "",
                   "Port %u on %s is in use by another program; choose another one.",
                   (unsigned)options->port, options->address);
  return err_set(reterr, ERR_IO, "", "Can't listen on %s port %u: %s.", options->address,
                 (unsigned)options->port, strerror(error));
}

static bool is_loopback_address(const struct sockaddr *address) {
  if (address->sa_family == AF_INET)
    return (ntohl(((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr) >> 24) ==
           127;
  return address->sa_family == AF_INET6 &&
         IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
}

/* A bound, listening socket; fills the server's port. */
static int listen_on(struct http_server *server, int *ret_socket, struct err *reterr) {
  const struct http_server_options *options = &server->options;
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
  char port[8];
  snprintf(port, sizeof port, "%u", (unsigned)options->port);
  if (getaddrinfo(options->address, port, &hints, &found) != 0 || !found)
    return err_set(reterr, ERR_VALUE, "", "'%s' is not an address to listen on.", options->address);
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } bound = {0};
  socklen_t bound_n = sizeof bound;
  int one = 1, code = 0;
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
      bind(fd, found->ai_addr, found->ai_addrlen) != 0 || listen(fd, 1024) != 0 ||
      getsockname(fd, &bound.any, &bound_n) != 0)
    code = bind_error(options, errno, reterr);
  if (code == 0) {
    server->port = ntohs(bound.any.sa_family == AF_INET6 ? bound.v6.sin6_port : bound.v4.sin_port);
    server->is_loopback = is_loopback_address(found->ai_addr);
    *ret_socket = fd;
  } else if (fd >= 0) {
    close(fd);
  }
  freeaddrinfo(found);
  return code;
}

static void fill_defaults(struct http_server_options *options) {
  if (!options->address)
    options->address = "127.0.0.1";
  if (options->threads == 0) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    options->threads = cores > 0 ? (unsigned)cores : 1;
  }
  if (options->max_body_bytes == 0)
    options->max_body_bytes = DEFAULT_BODY_BYTES;
  if (options->arena_max_bytes == 0)
    options->arena_max_bytes = DEFAULT_ARENA_BYTES;
  if (options->max_connections == 0)
    options->max_connections = 1000;
  if (options->max_connections < options->threads)
    options->max_connections = options->threads;
  if (options->idle_timeout_s == 0)
    options->idle_timeout_s = 60;
  if (options->slowest_bytes_per_s == 0)
    options->slowest_bytes_per_s = SLOWEST_ANSWER_BYTES_PER_S;
}

int http_server_open(const struct http_server_options *options, struct http_server **ret_server,
                     struct err *reterr) {
  struct http_server *server = calloc(1, sizeof *server);
  if (!server)
    return err_no_memory(reterr);
  server->options = *options;
  fill_defaults(&server->options);
  int fd = -1, code = listen_on(server, &fd, reterr);
  if (code) {
    free(server);
    return code;
  }
  unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  /* A pool of one thread is no pool to libmicrohttpd. */
  unsigned pool = server->options.threads > 1 ? server->options.threads : 0;
  server->daemon = MHD_start_daemon(
      flags, 0, NULL, NULL, on_request, NULL, /* the logger first, to catch the others' faults */
      MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
      MHD_OPTION_THREAD_POOL_SIZE, pool, MHD_OPTION_CONNECTION_LIMIT,
      server->options.max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
      server->options.idle_timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY_BYTES,
      MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_uri, server,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_END);
  if (!server->daemon) {
    close(fd);
    free(server);
    return err_set(reterr, ERR_IO, "", "The HTTP server could not be started: %s.",
                   strerror(errno));
  }
  *ret_server = server;
  return 0;
}

uint16_t http_server_port(const struct http_server *server) {
  return server->port;
}

static void pause_shortly(void) {
  nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

void http_server_close(struct http_server *server) {
  if (!server)
    return;
  atomic_store(&server->draining, true);
  int listener = MHD_quiesce_daemon(server->daemon);
  /* The service must answer what it has: libmicrohttpd can't stop with suspended connections. */
  while (atomic_load(&server->handled) > 0)
    pause_shortly();
  int64_t until_us = clock_monotonic_us() + DRAIN_US_MAX;
  while (atomic_load(&server->active) > 0 && clock_monotonic_us() < until_us)
    pause_shortly();
  MHD_stop_daemon(server->daemon);
  if (listener != MHD_INVALID_SOCKET)
    close(listener);
  free(server);
}
