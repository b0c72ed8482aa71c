#include "link/mllp_client.h"

#include "base/clock.h"
#include "format/mllp.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define REPLY_MAX_BYTES ((size_t)16 << 20)
#define READ_BYTES ((size_t)16 * 1024)

struct mllp_client {
  int fd;
  unsigned timeout_s;
  struct mllp_parser parser;
  struct buf out;
  char in[READ_BYTES];
  struct str left; /* of `in`, not yet fed */
};

/* Waits until `events` or the deadline. */
static int wait_for(int fd, short events, int64_t deadline_us, struct err *reterr) {
  for (;;) {
    int64_t left_ms = (deadline_us - clock_monotonic_us() + 999) / 1000;
    if (left_ms <= 0)
      return err_set(reterr, ERR_TIMEOUT, "", "The receiver did not answer in time.");
    struct pollfd poll_fd = {.fd = fd, .events = events};
    int n = poll(&poll_fd, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
    if (n > 0)
      return 0;
    if (n < 0 && errno != EINTR)
      return err_set(reterr, ERR_IO, "", "Waiting on the connection failed: %s.", strerror(errno));
  }
}

static int connect_one(const struct addrinfo *address, int64_t deadline_us, int *ret_fd,
                       struct err *reterr) {
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return err_set(reterr, ERR_IO, "", "No socket: %s.", strerror(errno));
  int error = connect(fd, address->ai_addr, address->ai_addrlen) < 0 ? errno : 0, code = 0;
  if (error == EINPROGRESS) {
    code = wait_for(fd, POLLOUT, deadline_us, reterr);
    socklen_t n = sizeof error;
    if (code == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
      error = errno;
  }
  if (code == 0 && error)
    code = err_set(reterr, ERR_IO, "", "Can't connect: %s.", strerror(error));
  if (code < 0) {
    close(fd);
    return code;
  }
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  *ret_fd = fd;
  return 0;
}

static int connect_any(const char *host, uint16_t port, unsigned timeout_s, int *ret_fd,
                       struct err *reterr) {
  char service[8];
  snprintf(service, sizeof service, "%u", port);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
  struct addrinfo *found = NULL;
  int failed = getaddrinfo(host, service, &hints, &found);
  if (failed)
    return err_set(reterr, ERR_IO, host, "This host can't be found: %s.", gai_strerror(failed));
  int64_t deadline_us = clock_monotonic_us() + (int64_t)timeout_s * 1000000;
  int code = ERR_IO;
  for (const struct addrinfo *address = found; address && code < 0; address = address->ai_next)
    code = connect_one(address, deadline_us, ret_fd, reterr);
  freeaddrinfo(found);
  return code;
}

int mllp_client_open(const char *host, uint16_t port, unsigned timeout_s,
                     struct mllp_client **ret_client, struct err *reterr) {
  struct mllp_client *client = calloc(1, sizeof *client);
  if (!client)
    return err_no_memory(reterr);
  client->timeout_s = timeout_s;
  int code = connect_any(host, port, timeout_s, &client->fd, reterr);
  if (code < 0) {
    free(client);
    return code;
  }
  mllp_init(&client->parser, REPLY_MAX_BYTES);
  buf_init(&client->out, SIZE_MAX);
  *ret_client = client;
  return 0;
}

static int send_all(struct mllp_client *client, int64_t deadline_us, struct err *reterr) {
  for (size_t at = 0; at < client->out.n;) {
    ssize_t n = send(client->fd, client->out.p + at, client->out.n - at, MSG_NOSIGNAL);
    if (n >= 0) {
      at += (size_t)n;
      continue;
    }
    if (errno == EINTR)
      continue;
    if (errno != EAGAIN)
      return err_set(reterr, ERR_IO, "", "Sending failed: %s.", strerror(errno));
    int code = wait_for(client->fd, POLLOUT, deadline_us, reterr);
    if (code < 0)
      return code;
  }
  return 0;
}

/* Reads more into `left`, which is used up. */
static int receive(struct mllp_client *client, int64_t deadline_us, struct err *reterr) {
  for (;;) {
    ssize_t n = recv(client->fd, client->in, sizeof client->in, 0);
    if (n > 0) {
      client->left = str_n(client->in, (size_t)n);
      return 0;
    }
    if (n == 0)
      return err_set(reterr, ERR_IO, "", "The receiver closed the connection without a reply.");
    if (errno != EAGAIN && errno != EINTR)
      return err_set(reterr, ERR_IO, "", "Receiving failed: %s.", strerror(errno));
    int code = wait_for(client->fd, POLLIN, deadline_us, reterr);
    if (code < 0)
      return code;
  }
}

int mllp_client_exchange(struct mllp_client *client, struct str message, struct str *ret_reply,
                         struct err *reterr) {
  int64_t deadline_us = clock_monotonic_us() + (int64_t)client->timeout_s * 1000000;
  buf_clear(&client->out);
  mllp_write(&client->out, message);
  if (buf_is_overflown(&client->out))
    return err_no_memory(reterr);
  int code = send_all(client, deadline_us, reterr);
  while (code == 0) {
    code = mllp_feed(&client->parser, &client->left, ret_reply, reterr);
    if (code != 0)
      break;
    code = receive(client, deadline_us, reterr);
  }
  return code < 0 ? code : 0;
}

void mllp_client_close(struct mllp_client *client) {
  if (!client)
    return;
  close(client->fd);
  mllp_fini(&client->parser);
  buf_fini(&client->out);
  free(client);
}
