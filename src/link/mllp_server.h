/*
 * The MLLP listener: frames in, replies out, in order per connection.
 *
 * Threads: one epoll loop per listener thread calls `handle` for each frame, one at a time per
 * connection: the next frame of a connection is given only after the reply to the one before (so a
 * sender's order is the store's order). `mllp_reply` may come from any thread. Memory: a frame and
 * its arena belong to the handler until mllp_reply.
 */
#ifndef LINK_MLLP_SERVER_H
#define LINK_MLLP_SERVER_H

#include "base/base.h"

struct mllp_server;

struct mllp_frame {
  struct arena
      *arena; /* the handler's from here on: it may hand it to the store; free it with arena_free */
  struct str content; /* on the arena; empty when `too_long` */
  bool too_long;      /* the frame passed the limit: only its first bytes are in `content` */
  struct str peer;    /* "127.0.0.1:50312" */
  void *user;
  uint64_t connection; /* for mllp_reply */
  struct mllp_server *server;
};

struct mllp_server_options {
  const char *address;
  uint16_t port;                            /* 0: any free one */
  unsigned threads;                         /* 0: 1 */
  size_t max_frame_bytes;                   /* 0: 16 MiB */
  unsigned max_connections, idle_timeout_s; /* 0: 1000, 3600 */
  unsigned frame_timeout_s;                 /* from the first byte of a frame to its last; 0: 60 */
  size_t arena_max_bytes;                   /* per frame; 0: 256 MiB */
  void (*handle)(struct mllp_frame *frame); /* the frame struct itself is on the arena */
  void *user;
};

int mllp_server_open(const struct mllp_server_options *options, struct mllp_server **ret_server,
                     struct err *reterr) MUST_CHECK;
uint16_t mllp_server_port(const struct mllp_server *server);
/* Sends `content` (copied) framed; silently nothing when the connection is gone. Any thread. */
void mllp_reply(struct mllp_server *server, uint64_t connection, struct str content);
void mllp_server_close(struct mllp_server *server);

#endif
