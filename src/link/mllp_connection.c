#include "link/mllp_connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* Replies are small; a reply beyond this is a defect of the caller. */
#define REPLY_MAX_BYTES ((size_t)16 << 20)
/* Buffers above this are not kept for the next frame. */
#define KEPT_BYTES ((size_t)64 * 1024)

struct mllp_connection *mllp_connection_new(int fd, uint64_t id, const char *peer,
                                            size_t max_frame_bytes, int64_t now_us) {
  struct mllp_connection *c = calloc(1, sizeof *c);
  if (!c)
    return NULL;
  c->fd = fd;
  c->id = id;
  c->active_us = c->phase_us = now_us;
  snprintf(c->peer, sizeof c->peer, "%s", peer);
  mllp_init(&c->parser, max_frame_bytes);
  buf_init(&c->pending, SIZE_MAX);
  buf_init(&c->out, REPLY_MAX_BYTES);
  return c;
}

void mllp_connection_free(struct mllp_connection *c) {
  if (!c)
    return;
  close(c->fd);
  arena_budget_give(c->budget, c->charged_bytes);
  mllp_fini(&c->parser);
  buf_fini(&c->pending);
  buf_fini(&c->out);
  free(c);
}

static void forget(struct buf *buf) {
  if (buf->capacity > KEPT_BYTES)
    buf_fini(buf);
  buf_clear(buf);
}

static void enter(struct mllp_connection *c, enum mllp_phase phase, int64_t now_us) {
  c->phase = phase;
  c->phase_us = now_us;
}

/* Feeds the parser; whatever follows a whole frame is left in `*input`. */
static enum mllp_step feed(struct mllp_connection *c, struct str *input, struct str *ret_content,
                           int64_t now_us) {
  struct err err;
  int got = mllp_feed(&c->parser, input, ret_content, &err);
  if (got == 0) {
    bool is_inside = c->parser.state == MLLP_INSIDE || c->parser.state == MLLP_SKIPPING;
    if (!is_inside)
      c->frame_us = 0;
    else if (c->frame_us == 0)
      c->frame_us = now_us;
    return MLLP_STEP_WAIT;
  }
  /* What is left of a frame that was too long is skipped under a timeout of its own. */
  c->frame_us = 0;
  enter(c, MLLP_HANDLING, now_us);
  return got == 1 ? MLLP_STEP_FRAME : MLLP_STEP_TOO_LONG;
}

/* What is kept for a connection anyway does not count. */
static bool charge(struct mllp_connection *c) {
  size_t bytes = c->parser.content.capacity + c->pending.capacity + c->out.capacity;
  bytes = bytes > 3 * KEPT_BYTES ? bytes : 0;
  if (bytes > c->charged_bytes && !arena_budget_take(c->budget, bytes - c->charged_bytes))
    return false;
  if (bytes < c->charged_bytes)
    arena_budget_give(c->budget, c->charged_bytes - bytes);
  c->charged_bytes = bytes;
  return true;
}

enum mllp_step mllp_connection_read(struct mllp_connection *c, char *scratch, size_t scratch_bytes,
                                    struct str *ret_content, int64_t now_us) {
  ssize_t n = recv(c->fd, scratch, scratch_bytes, 0);
  if (n < 0)
    return errno == EAGAIN || errno == EINTR ? MLLP_STEP_WAIT : MLLP_STEP_CLOSE;
  if (n == 0)
    return MLLP_STEP_CLOSE;
  c->active_us = now_us;
  struct str input = str_n(scratch, (size_t)n);
  enum mllp_step step = feed(c, &input, ret_content, now_us);
  buf_add(&c->pending, input);
  return buf_is_overflown(&c->pending) || !charge(c) ? MLLP_STEP_CLOSE : step;
}

/* The reply is out: on with what was read before. */
static enum mllp_step resume(struct mllp_connection *c, struct str *ret_content, int64_t now_us) {
  forget(&c->out);
  c->out_at = 0;
  enter(c, MLLP_RECEIVING, now_us);
  struct str input = str_slice(buf_str(&c->pending), c->pending_at, c->pending.n);
  enum mllp_step step = feed(c, &input, ret_content, now_us);
  c->pending_at = c->pending.n - input.n;
  if (input.n == 0) {
    forget(&c->pending);
    c->pending_at = 0;
  }
  return charge(c) ? step : MLLP_STEP_CLOSE;
}

enum mllp_step mllp_connection_write(struct mllp_connection *c, struct str *ret_content,
                                     int64_t now_us) {
  while (c->out_at < c->out.n) {
    ssize_t n = send(c->fd, c->out.p + c->out_at, c->out.n - c->out_at, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return errno == EAGAIN ? MLLP_STEP_WAIT : MLLP_STEP_CLOSE;
    c->out_at += (size_t)n;
    c->active_us = now_us;
  }
  return resume(c, ret_content, now_us);
}

enum mllp_step mllp_connection_reply(struct mllp_connection *c, struct str reply,
                                     struct str *ret_content, int64_t now_us) {
  mllp_write(&c->out, reply);
  if (buf_is_overflown(&c->out))
    return MLLP_STEP_CLOSE;
  enter(c, MLLP_REPLYING, now_us);
  return mllp_connection_write(c, ret_content, now_us);
}
