#include "link/mllp_server.h"

#include "base/clock.h"
#include "base/log.h"
#include "link/mllp_connection.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MODULE "mllp"

/*
 * A connection id, as it goes to the handler and comes back with the reply:
 *
 *   bits 56..63  loop
 *   bits 24..55  generation: differs for each connection that a slot has held
 *   bits  0..23  slot in the loop's table
 *
 * A reply to a connection that is gone finds another generation, and is dropped.
 */
#define SLOT_BITS 24
#define GENERATION_BITS 32
#define LOOPS_MAX 64
#define SLOTS_MAX ((uint32_t)1 << SLOT_BITS)

/* What epoll gives back for the two descriptors that are no connection. */
#define LISTENER_ID UINT64_MAX
#define WAKE_ID (UINT64_MAX - 1)

#define SCRATCH_BYTES ((size_t)64 * 1024)
#define TOO_LONG_KEPT_BYTES ((size_t)64 * 1024)
#define SWEEP_MS 500
#define CLOSING_MS 20
/* How long peers get to read their last reply when the server closes. */
#define LINGER_US 2000000
#define BUSY_TIMEOUT_US ((int64_t)3600 * 1000000)

struct reply {
  struct reply *next;
  uint64_t connection;
  size_t n;
  char bytes[];
};

struct slot {
  struct mllp_connection *connection; /* NULL: free */
  uint32_t generation, next_free;
};

struct loop {
  struct mllp_server *server;
  unsigned index;
  pthread_t thread;
  bool is_running;
  int epoll_fd, wake_fd;
  int spare_fd; /* given up for a moment to refuse a connection when descriptors run out */
  bool is_accepting;
  struct slot *slots;
  uint32_t slots_n, first_free; /* SLOTS_MAX: none is free */
  pthread_mutex_t lock;         /* of the two below */
  struct reply *replies, **replies_end;
  char *scratch;
};

struct mllp_server {
  struct mllp_server_options options;
  int listen_fd;
  uint16_t port;
  unsigned loops_n;
  atomic_uint connections_n;
  atomic_size_t frames_out; /* given to the handler, not yet replied */
  atomic_bool is_closing;
  struct loop loops[];
};

/* The table of connections */

static struct mllp_connection *find_connection(const struct loop *loop, uint64_t id) {
  uint32_t slot = (uint32_t)(id & (SLOTS_MAX - 1));
  if (slot >= loop->slots_n)
    return NULL;
  struct mllp_connection *c = loop->slots[slot].connection;
  return c && c->id == id ? c : NULL;
}

static bool take_slot(struct loop *loop, uint32_t *ret_slot) {
  if (loop->first_free == SLOTS_MAX) {
    uint32_t n = loop->slots_n ? loop->slots_n * 2 : 64;
    struct slot *grown = n <= SLOTS_MAX ? realloc(loop->slots, n * sizeof *grown) : NULL;
    if (!grown)
      return false;
    for (uint32_t i = loop->slots_n; i < n; i++)
      grown[i] = (struct slot){NULL, 0, i + 1 < n ? i + 1 : SLOTS_MAX};
    loop->first_free = loop->slots_n;
    loop->slots = grown;
    loop->slots_n = n;
  }
  *ret_slot = loop->first_free;
  loop->first_free = loop->slots[*ret_slot].next_free;
  return true;
}

static uint64_t new_id(struct loop *loop, uint32_t slot) {
  uint32_t generation = ++loop->slots[slot].generation;
  return (uint64_t)loop->index << (SLOT_BITS + GENERATION_BITS) |
         (uint64_t)generation << SLOT_BITS | slot;
}

static void give_back_slot(struct loop *loop, uint32_t slot) {
  loop->slots[slot].connection = NULL;
  loop->slots[slot].next_free = loop->first_free;
  loop->first_free = slot;
}

static void drop_connection(struct loop *loop, struct mllp_connection *c, const char *why) {
  log_debug(MODULE, "%s: closed: %s", c->peer, why);
  give_back_slot(loop, (uint32_t)(c->id & (SLOTS_MAX - 1)));
  mllp_connection_free(c); /* closing the descriptor takes it out of epoll */
  atomic_fetch_sub(&loop->server->connections_n, 1);
}

/* Steps of a connection */

/* Gives a frame to the handler, whose reply comes through the queue. -1 without memory. */
static int hand_out(struct loop *loop, struct mllp_connection *c, struct str content,
                    bool is_too_long) {
  struct mllp_server *server = loop->server;
  struct arena *arena = arena_new_within(server->options.budget, server->options.arena_max_bytes);
  struct mllp_frame *frame = arena ? ARENA_NEW(arena, struct mllp_frame) : NULL;
  if (is_too_long)
    content = str_slice(content, 0, TOO_LONG_KEPT_BYTES);
  if (frame) {
    *frame = (struct mllp_frame){.arena = arena,
                                 .content = arena_str(arena, content),
                                 .too_long = is_too_long,
                                 .peer = arena_str(arena, str_of(c->peer)),
                                 .user = server->options.user,
                                 .connection = c->id,
                                 .server = server};
  }
  if (!frame || arena_is_exhausted(arena)) {
    arena_free(arena);
    return -1;
  }
  atomic_fetch_add(&server->frames_out, 1);
  server->options.handle(frame);
  return 0;
}

static void set_interest(struct loop *loop, struct mllp_connection *c) {
  uint32_t interest = 0;
  if (!c->is_paused)
    interest |= EPOLLIN;
  if (c->phase == MLLP_REPLYING)
    interest |= EPOLLOUT;
  if (interest == c->interest)
    return;
  struct epoll_event event = {.events = interest, .data.u64 = c->id};
  if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0)
    c->interest = interest;
}

/* Acts on what a step brought. The connection may be gone afterwards. */
static void after_step(struct loop *loop, struct mllp_connection *c, enum mllp_step step,
                       struct str content) {
  switch (step) {
  case MLLP_STEP_CLOSE:
    drop_connection(loop, c, "the peer closed or reset it");
    return;
  case MLLP_STEP_FRAME:
  case MLLP_STEP_TOO_LONG:
    if (hand_out(loop, c, content, step == MLLP_STEP_TOO_LONG) < 0) {
      log_error(MODULE, "%s: no memory for a frame of %zu bytes", c->peer, content.n);
      drop_connection(loop, c, "no memory");
      return;
    }
    break;
  case MLLP_STEP_WAIT:
    break;
  }
  if (c->phase == MLLP_RECEIVING)
    c->is_paused = false;
  set_interest(loop, c);
}

static void on_connection(struct loop *loop, struct mllp_connection *c, uint32_t events) {
  struct str content = STR_NULL;
  int64_t now_us = clock_monotonic_us();
  if (events & EPOLLERR || (events & EPOLLHUP && c->phase != MLLP_RECEIVING)) {
    drop_connection(loop, c, "the peer reset it");
    return;
  }
  if (c->phase == MLLP_REPLYING && events & EPOLLOUT) {
    after_step(loop, c, mllp_connection_write(c, &content, now_us), content);
    return;
  }
  if (!(events & (EPOLLIN | EPOLLHUP)))
    return;
  if (c->phase == MLLP_RECEIVING) {
    enum mllp_step step = mllp_connection_read(c, loop->scratch, SCRATCH_BYTES, &content, now_us);
    after_step(loop, c, step, content);
    return;
  }
  /* More has come while a frame is handled. Senders that wait for their reply never get here, and
   * so cost no epoll_ctl. */
  c->is_paused = true;
  set_interest(loop, c);
}

/* Replies */

void mllp_reply(struct mllp_server *server, uint64_t connection, struct str content) {
  uint64_t index = connection >> (SLOT_BITS + GENERATION_BITS);
  size_t bytes;
  struct reply *reply = NULL;
  if (index < server->loops_n && !__builtin_add_overflow(content.n, sizeof *reply, &bytes))
    reply = malloc(bytes);
  if (reply) {
    struct loop *loop = &server->loops[index];
    *reply = (struct reply){.connection = connection, .n = content.n};
    if (content.n)
      memcpy(reply->bytes, content.p, content.n);
    pthread_mutex_lock(&loop->lock);
    bool was_empty = !loop->replies;
    *loop->replies_end = reply;
    loop->replies_end = &reply->next;
    pthread_mutex_unlock(&loop->lock);
    uint64_t one = 1;
    if (was_empty && write(loop->wake_fd, &one, sizeof one) < 0)
      log_error(MODULE, "a listener thread can't be woken: %s", strerror(errno));
  } else {
    /* The sender will time out and send again. */
    log_error(MODULE, "no memory for a reply of %zu bytes", content.n);
  }
  atomic_fetch_sub(&server->frames_out, 1); /* from here on the server may be gone */
}

static void send_replies(struct loop *loop) {
  pthread_mutex_lock(&loop->lock);
  struct reply *reply = loop->replies;
  loop->replies = NULL;
  loop->replies_end = &loop->replies;
  pthread_mutex_unlock(&loop->lock);
  while (reply) {
    struct reply *next = reply->next;
    struct mllp_connection *c = find_connection(loop, reply->connection);
    if (c && c->phase == MLLP_HANDLING) {
      struct str content = STR_NULL;
      enum mllp_step step =
          mllp_connection_reply(c, str_n(reply->bytes, reply->n), &content, clock_monotonic_us());
      after_step(loop, c, step, content);
    }
    free(reply);
    reply = next;
  }
}

static void on_wake(struct loop *loop) {
  uint64_t count;
  if (read(loop->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
    log_error(MODULE, "a listener thread's wake-up failed: %s", strerror(errno));
  send_replies(loop);
}

/* Accepting */

static void name_peer(const struct sockaddr *address, socklen_t n, char *ret_name, size_t bytes) {
  char host[48] = "?", port[8] = "?";
  if (getnameinfo(address, n, host, sizeof host, port, sizeof port,
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    snprintf(ret_name, bytes, "unknown");
    return;
  }
  bool is_ipv6 = strchr(host, ':') != NULL;
  snprintf(ret_name, bytes, is_ipv6 ? "[%s]:%s" : "%s:%s", host, port);
}

/* False when the connection could not be taken in (and was closed). */
static bool add_connection(struct loop *loop, int fd, const char *peer) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  uint32_t slot;
  if (!take_slot(loop, &slot)) {
    close(fd);
    return false;
  }
  uint64_t id = new_id(loop, slot);
  struct mllp_connection *c = mllp_connection_new(
      fd, id, peer, loop->server->options.max_frame_bytes, clock_monotonic_us());
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = id};
  if (c)
    c->budget = loop->server->options.budget;
  if (c && epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) {
    c->interest = EPOLLIN;
    loop->slots[slot].connection = c;
    return true;
  }
  give_back_slot(loop, slot);
  if (c)
    mllp_connection_free(c);
  else
    close(fd);
  return false;
}

static void set_accepting(struct loop *loop, bool accepting) {
  if (accepting == loop->is_accepting)
    return;
  struct epoll_event event = {.events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = LISTENER_ID};
  if (epoll_ctl(loop->epoll_fd, accepting ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, loop->server->listen_fd,
                &event) == 0)
    loop->is_accepting = accepting;
}

/* Out of descriptors: a connection that is refused at once is better for its peer than one that
 * waits for ever, and leaving it in the queue would make epoll report it without end. */
static void refuse_one(struct loop *loop) {
  if (loop->spare_fd >= 0) {
    close(loop->spare_fd);
    int fd = accept4(loop->server->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
      close(fd);
    loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
  log_warning(MODULE, "out of file descriptors: a connection was refused");
  set_accepting(loop, false); /* until the next sweep */
}

static void accept_one(struct loop *loop) {
  struct mllp_server *server = loop->server;
  struct sockaddr_storage address;
  socklen_t n = sizeof address;
  int fd =
      accept4(server->listen_fd, (struct sockaddr *)&address, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) {
    if (errno == EMFILE || errno == ENFILE)
      refuse_one(loop);
    else if (errno == ENOBUFS || errno == ENOMEM)
      set_accepting(loop, false);
    return;
  }
  char peer[64];
  name_peer((struct sockaddr *)&address, n, peer, sizeof peer);
  if (atomic_fetch_add(&server->connections_n, 1) >= server->options.max_connections) {
    log_warning(MODULE, "%s: refused, there are %u connections already", peer,
                server->options.max_connections);
    close(fd);
  } else if (add_connection(loop, fd, peer)) {
    return;
  }
  atomic_fetch_sub(&server->connections_n, 1);
}

/* The loop */

static const char *overdue(const struct mllp_server_options *o, const struct mllp_connection *c,
                           int64_t now_us) {
  int64_t frame_us = (int64_t)o->frame_timeout_s * 1000000;
  int64_t idle_us = (int64_t)o->idle_timeout_s * 1000000;
  switch (c->phase) {
  case MLLP_HANDLING:
    return now_us - c->phase_us > BUSY_TIMEOUT_US ? "its frame got no reply" : NULL;
  case MLLP_REPLYING:
    return now_us - c->phase_us > frame_us ? "it does not read its replies" : NULL;
  case MLLP_RECEIVING:
    break;
  }
  if (c->frame_us && now_us - c->frame_us > frame_us)
    return "a frame did not end in time";
  return now_us - c->active_us > idle_us ? "idle" : NULL;
}

static void sweep(struct loop *loop) {
  int64_t now_us = clock_monotonic_us();
  set_accepting(loop, !atomic_load(&loop->server->is_closing));
  for (uint32_t i = 0; i < loop->slots_n; i++) {
    struct mllp_connection *c = loop->slots[i].connection;
    const char *why = c ? overdue(&loop->server->options, c, now_us) : NULL;
    if (!why)
      continue;
    log_info(MODULE, "%s: closed: %s", c->peer, why);
    drop_connection(loop, c, why);
  }
}

/* Closes what waits for its peer to send. Returns whether nothing is left to do. */
static bool wind_down(struct loop *loop, int64_t deadline_us) {
  set_accepting(loop, false);
  bool is_last = atomic_load(&loop->server->frames_out) == 0;
  send_replies(loop);
  bool must_go = clock_monotonic_us() > deadline_us, is_done = is_last;
  for (uint32_t i = 0; i < loop->slots_n; i++) {
    struct mllp_connection *c = loop->slots[i].connection;
    if (!c)
      continue;
    if (c->phase == MLLP_RECEIVING || (is_last && must_go))
      drop_connection(loop, c, "the server closes");
    else
      is_done = false;
  }
  return is_done;
}

static void serve_events(struct loop *loop, int timeout_ms) {
  struct epoll_event events[64];
  int n = epoll_wait(loop->epoll_fd, events, sizeof events / sizeof *events, timeout_ms);
  for (int i = 0; i < n; i++) {
    if (events[i].data.u64 == LISTENER_ID) {
      accept_one(loop);
    } else if (events[i].data.u64 == WAKE_ID) {
      on_wake(loop);
    } else {
      struct mllp_connection *c = find_connection(loop, events[i].data.u64);
      if (c)
        on_connection(loop, c, events[i].events);
    }
  }
}

static void *run_loop(void *what) {
  struct loop *loop = what;
  int64_t swept_us = clock_monotonic_us(), deadline_us = 0;
  for (;;) {
    bool is_closing = atomic_load(&loop->server->is_closing);
    serve_events(loop, is_closing ? CLOSING_MS : SWEEP_MS);
    int64_t now_us = clock_monotonic_us();
    if (is_closing) {
      if (deadline_us == 0)
        deadline_us = now_us + LINGER_US;
      if (wind_down(loop, deadline_us))
        return NULL;
    } else if (now_us - swept_us >= SWEEP_MS * 1000) {
      sweep(loop);
      swept_us = now_us;
    }
  }
}

/* Opening and closing */

static int listen_error(const char *address, uint16_t port, int error, struct err *reterr) {
  char where[80];
  snprintf(where, sizeof where, "%.60s:%u", address, port);
  if (error == EADDRINUSE)
    return err_set(reterr, ERR_CONFLICT, where, "This port is already in use.");
  return err_set(reterr, ERR_IO, where, "Can't listen here: %s.", strerror(error));
}

static int open_listener(const char *address, uint16_t port, int *ret_fd, struct err *reterr) {
  char service[8];
  snprintf(service, sizeof service, "%u", port);
  struct addrinfo hints = {
      .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  int failed = getaddrinfo(address, service, &hints, &found);
  if (failed)
    return err_set(reterr, ERR_IO, address, "This address can't be used: %s.",
                   gai_strerror(failed));
  int on = 1, error = 0;
  int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
      bind(fd, found->ai_addr, found->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0)
    error = errno;
  freeaddrinfo(found);
  if (error) {
    if (fd >= 0)
      close(fd);
    return listen_error(address, port, error, reterr);
  }
  *ret_fd = fd;
  return 0;
}

static uint16_t bound_port(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t n = sizeof address;
  char service[8];
  uint64_t port;
  if (getsockname(fd, (struct sockaddr *)&address, &n) < 0 ||
      getnameinfo((struct sockaddr *)&address, n, NULL, 0, service, sizeof service,
                  NI_NUMERICSERV) != 0 ||
      !str_to_u64(str_of(service), &port))
    return 0;
  return (uint16_t)port;
}

static void init_loop(struct mllp_server *server, unsigned index) {
  server->loops[index] = (struct loop){.server = server,
                                       .index = index,
                                       .first_free = SLOTS_MAX,
                                       .epoll_fd = -1,
                                       .wake_fd = -1,
                                       .spare_fd = -1};
  struct loop *loop = &server->loops[index];
  loop->replies_end = &loop->replies;
  pthread_mutex_init(&loop->lock, NULL);
}

static int start_loop(struct loop *loop, struct err *reterr) {
  loop->scratch = malloc(SCRATCH_BYTES);
  if (!loop->scratch)
    return err_no_memory(reterr);
  loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
  loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  loop->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE_ID};
  if (loop->epoll_fd < 0 || loop->wake_fd < 0 ||
      epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) < 0)
    return err_set(reterr, ERR_IO, "", "The MLLP listener can't be set up: %s.", strerror(errno));
  set_accepting(loop, true);
  int failed = pthread_create(&loop->thread, NULL, run_loop, loop);
  if (failed)
    return err_set(reterr, ERR_IO, "", "No thread for the MLLP listener: %s.", strerror(failed));
  loop->is_running = true;
  return 0;
}

static void free_loop(struct loop *loop) {
  for (uint32_t i = 0; i < loop->slots_n; i++)
    mllp_connection_free(loop->slots[i].connection);
  while (loop->replies) {
    struct reply *next = loop->replies->next;
    free(loop->replies);
    loop->replies = next;
  }
  const int fds[] = {loop->epoll_fd, loop->wake_fd, loop->spare_fd};
  for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
    if (fds[i] >= 0)
      close(fds[i]);
  pthread_mutex_destroy(&loop->lock);
  free(loop->slots);
  free(loop->scratch);
}

static struct mllp_server_options with_defaults(struct mllp_server_options o) {
  if (!o.address)
    o.address = "127.0.0.1";
  if (o.threads == 0)
    o.threads = 1;
  if (o.threads > LOOPS_MAX)
    o.threads = LOOPS_MAX;
  if (o.max_frame_bytes == 0)
    o.max_frame_bytes = (size_t)16 << 20;
  if (o.max_connections == 0)
    o.max_connections = 1000;
  if (o.idle_timeout_s == 0)
    o.idle_timeout_s = 3600;
  if (o.frame_timeout_s == 0)
    o.frame_timeout_s = 60;
  if (o.arena_max_bytes == 0)
    o.arena_max_bytes =
        o.max_frame_bytes > (size_t)16 << 20 ? 16 * o.max_frame_bytes : (size_t)256 << 20;
  return o;
}

int mllp_server_open(const struct mllp_server_options *options, struct mllp_server **ret_server,
                     struct err *reterr) {
  struct mllp_server_options applied = with_defaults(*options);
  struct mllp_server *server = calloc(1, sizeof *server + applied.threads * sizeof(struct loop));
  if (!server)
    return err_no_memory(reterr);
  server->options = applied;
  int code = open_listener(applied.address, applied.port, &server->listen_fd, reterr);
  if (code < 0) {
    free(server);
    return code;
  }
  server->port = bound_port(server->listen_fd);
  for (; server->loops_n < applied.threads; server->loops_n++)
    init_loop(server, server->loops_n);
  for (unsigned i = 0; i < server->loops_n && code == 0; i++)
    code = start_loop(&server->loops[i], reterr);
  if (code < 0) {
    mllp_server_close(server);
    return code;
  }
  *ret_server = server;
  return 0;
}

uint16_t mllp_server_port(const struct mllp_server *server) {
  return server->port;
}

void mllp_server_close(struct mllp_server *server) {
  if (!server)
    return;
  atomic_store(&server->is_closing, true);
  for (unsigned i = 0; i < server->loops_n; i++) {
    uint64_t one = 1;
    if (server->loops[i].is_running && write(server->loops[i].wake_fd, &one, sizeof one) < 0)
      log_error(MODULE, "a listener thread can't be woken: %s", strerror(errno));
  }
  for (unsigned i = 0; i < server->loops_n; i++) {
    if (server->loops[i].is_running)
      pthread_join(server->loops[i].thread, NULL);
    free_loop(&server->loops[i]);
  }
  close(server->listen_fd);
  free(server);
}
