/*
 * The MLLP listener: frames in, replies out, in order per connection.
 *
 * Spec: HL7 v2 Transport, Minimal Lower Layer Protocol, release 1 (see format/mllp.h).
 * Threads: one epoll loop per listener thread calls `handle` for each frame, one at a time per
 * connection: the next frame of a connection is given only after the reply to the one before was
 * written (so a sender's order is the store's order), and nothing is read meanwhile. `handle` must
 * not block: it answers at once or later, with `mllp_reply`, from any thread, exactly once per
 * frame. Memory: a frame and its arena are the handler's, to free with arena_free.
 *
 * What a bad peer can do: a frame over the limit is given with its first bytes and answered; a
 * frame that does not end, replies that are not read, and silence are timed out; connections beyond
 * the limit or the last file descriptor are closed at once. None of it stops the others.
 */
#ifndef LINK_MLLP_SERVER_H
#define LINK_MLLP_SERVER_H

#include "base/base.h"

struct mllp_server;

struct mllp_frame {
  struct arena *arena; /* the handler's from here on: it may hand it to the store */
  struct str content;  /* on the arena */
  bool too_long;       /* the frame passed the limit: only its first bytes (64 KiB at most) are in
                          `content` */
  struct str peer;     /* "127.0.0.1:50312" */
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
  size_t arena_max_bytes;                   /* per frame; 0: 16 frames, at least 256 MiB */
  struct arena_budget *budget; /* of all frames; who would pass it is closed; NULL: none */
  void (*handle)(struct mllp_frame *frame); /* the frame struct itself is on the arena */
  void *user;
};

/* ERR_CONFLICT when the port is taken, ERR_IO for what else prevents it. */
int mllp_server_open(const struct mllp_server_options *options, struct mllp_server **ret_server,
                     struct err *reterr) MUST_CHECK;
uint16_t mllp_server_port(const struct mllp_server *server);
/* Sends `content` (copied) framed; silently nothing when the connection is gone. Any thread;
 * exactly once for each frame. */
void mllp_reply(struct mllp_server *server, uint64_t connection, struct str content);
/* No new connections and frames; waits until every frame that was given out has its reply, and a
 * moment for the peers to read it. */
void mllp_server_close(struct mllp_server *server);

#endif
