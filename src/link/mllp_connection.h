/*
 * One connection of the MLLP listener: what was read and not yet used, what is to be written. Used
 * by mllp_server.c alone, which owns the loop, the table of connections and the timeouts.
 *
 * A connection is in one of three phases, in this order, for each frame:
 *   receiving   bytes are read and fed to the parser, until a frame is whole
 *   handling    the frame is the handler's; nothing is read (the kernel's buffer fills, the sender
 *               waits)
 *   replying    the reply is being written; nothing is read, so that a peer that does not read its
 *               replies can't make us keep more than one
 *
 * Threads: the loop's. Memory: owned; buffers that a large frame has grown are given back.
 */
#ifndef LINK_MLLP_CONNECTION_H
#define LINK_MLLP_CONNECTION_H

#include "format/mllp.h"

enum mllp_phase { MLLP_RECEIVING, MLLP_HANDLING, MLLP_REPLYING };

struct mllp_connection {
  int fd;
  uint64_t id;
  enum mllp_phase phase;
  bool is_paused; /* EPOLLIN is off because something came outside `receiving` */
  uint32_t interest;
  struct mllp_parser parser;
  struct buf pending, out;
  size_t pending_at, out_at;   /* used so far */
  int64_t active_us;           /* last read or write that moved a byte */
  int64_t phase_us, frame_us;  /* when the phase, the frame being received began; 0: none */
  struct arena_budget *budget; /* of what was read and not handed out; NULL: none */
  size_t charged_bytes;        /* to it */
  char peer[64];               /* "127.0.0.1:50312", "[::1]:50312" */
};

/* `fd` is taken. NULL (and `fd` still the caller's) without memory. */
struct mllp_connection *mllp_connection_new(int fd, uint64_t id, const char *peer,
                                            size_t max_frame_bytes, int64_t now_us);
void mllp_connection_free(struct mllp_connection *connection);

/* What a step brought. */
enum mllp_step {
  MLLP_STEP_WAIT,     /* nothing to do until the next event */
  MLLP_STEP_FRAME,    /* a frame is in `*ret_content`; the phase is `handling` */
  MLLP_STEP_TOO_LONG, /* the same, but only the frame's first bytes */
  MLLP_STEP_CLOSE,    /* the peer is gone, or there is no memory, or none left of the budget */
};

/* The socket can be read; `scratch` is room for one read. `*ret_content` is borrowed until the next
 * step. */
enum mllp_step mllp_connection_read(struct mllp_connection *connection, char *scratch,
                                    size_t scratch_bytes, struct str *ret_content, int64_t now_us);

/* The reply to the frame: framed, and written as far as the socket takes it. */
enum mllp_step mllp_connection_reply(struct mllp_connection *connection, struct str reply,
                                     struct str *ret_content, int64_t now_us);

/* The socket can be written. As soon as the reply is out, the next frame that was already read is
 * given. */
enum mllp_step mllp_connection_write(struct mllp_connection *connection, struct str *ret_content,
                                     int64_t now_us);

#endif
