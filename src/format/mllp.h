/*
 * MLLP framing: <VT> content <FS><CR>, as a push parser.
 *
 * Spec: HL7 v2 Transport, Minimal Lower Layer Protocol, release 1. Tolerated: bytes between frames
 * (skipped, counted), a missing CR after FS. Threads: one owner. Memory: the parser owns its
 * buffer, up to max_bytes.
 */
#ifndef FORMAT_MLLP_H
#define FORMAT_MLLP_H

#include "base/base.h"

struct mllp_parser {
  struct buf content;
  enum { MLLP_BETWEEN, MLLP_INSIDE, MLLP_AFTER_FS, MLLP_SKIPPING } state;
  uint64_t junk_bytes;
};

void mllp_init(struct mllp_parser *parser, size_t max_bytes);
void mllp_fini(struct mllp_parser *parser);

/*
 * Feeds bytes; advances `*input` past what was used. Returns 1 when a whole frame is in
 * `*ret_content` (borrowed until the next call), 0 when more input is needed, ERR_TOO_LONG once
 * when a frame passes the limit (its first bytes are then in `*ret_content`, its rest is skipped).
 */
int mllp_feed(struct mllp_parser *parser, struct str *input, struct str *ret_content,
              struct err *reterr) MUST_CHECK;

void mllp_write(struct buf *buf, struct str content);

#endif
