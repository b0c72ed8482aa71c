#include "format/mllp.h"

/*
 * Bytes on the wire:
 *
 *   0x0B   start of a frame (VT)
 *   ...    content
 *   0x1C   end of the content (FS)
 *   0x0D   end of the frame (CR), which some senders leave out
 *
 * A sender that broke off inside a frame starts again with VT: what came before was never
 * acknowledged and is dropped. But a VT can also stand in a text that was pasted into a field, so
 * it counts as a new start only before a message header.
 */
#define VT '\x0B'
#define FS '\x1C'
#define CR '\r'

/* A buffer that a rare large frame has grown is not kept for the small ones after it. */
#define KEPT_BYTES ((size_t)64 * 1024)

void mllp_init(struct mllp_parser *parser, size_t max_bytes) {
  *parser = (struct mllp_parser){.state = MLLP_BETWEEN};
  buf_init(&parser->content, max_bytes);
}

void mllp_fini(struct mllp_parser *parser) {
  buf_fini(&parser->content);
}

static void drop(struct str *input, size_t n) {
  *input = str_slice(*input, n, input->n);
}

/* Skips to the start of a frame. */
static void feed_between(struct mllp_parser *parser, struct str *input) {
  if (parser->state == MLLP_AFTER_FS) {
    if (input->p[0] == CR)
      drop(input, 1);
    parser->state = MLLP_BETWEEN;
  }
  ssize_t start = str_find_char(*input, VT, 0);
  size_t junk = start < 0 ? input->n : (size_t)start;
  parser->junk_bytes += junk;
  drop(input, start < 0 ? junk : junk + 1);
  if (start < 0)
    return;
  parser->state = MLLP_INSIDE;
  if (parser->content.capacity > KEPT_BYTES)
    buf_fini(&parser->content);
  buf_clear(&parser->content);
}

/* The content after the last VT that stands before a header. */
static struct str after_restart(struct mllp_parser *parser) {
  struct str content = buf_str(&parser->content), rest = content;
  ssize_t vt;
  for (size_t from = 0; (vt = str_find_char(content, VT, from)) >= 0; from = (size_t)vt + 1) {
    struct str after = str_slice(content, (size_t)vt + 1, content.n);
    if (str_starts_with(after, STR("MSH")) || str_starts_with(after, STR("FHS")) ||
        str_starts_with(after, STR("BHS")))
      rest = after;
  }
  parser->junk_bytes += content.n - rest.n;
  return rest;
}

static int feed_inside(struct mllp_parser *parser, struct str *input, struct str *ret_content,
                       struct err *reterr) {
  ssize_t end = str_find_char(*input, FS, 0);
  struct str content = str_slice(*input, 0, end < 0 ? input->n : (size_t)end);
  size_t room = parser->content.max_bytes - parser->content.n;
  bool fits = content.n <= room;
  buf_add(&parser->content, fits ? content : str_slice(content, 0, room));
  if (!fits || buf_is_overflown(&parser->content)) {
    drop(input, fits ? content.n : room);
    parser->state = MLLP_SKIPPING;
    *ret_content = buf_str(&parser->content);
    return err_set(reterr, ERR_TOO_LONG, "", "The frame is larger than the limit of %zu bytes.",
                   parser->content.max_bytes);
  }
  drop(input, end < 0 ? content.n : content.n + 1);
  if (end < 0)
    return 0;
  parser->state = MLLP_AFTER_FS;
  *ret_content = after_restart(parser);
  return 1;
}

static void feed_skipping(struct mllp_parser *parser, struct str *input) {
  ssize_t end = str_find_char(*input, FS, 0);
  drop(input, end < 0 ? input->n : (size_t)end + 1);
  if (end >= 0)
    parser->state = MLLP_AFTER_FS;
}

int mllp_feed(struct mllp_parser *parser, struct str *input, struct str *ret_content,
              struct err *reterr) {
  while (input->n) {
    int got = 0;
    switch (parser->state) {
    case MLLP_BETWEEN:
    case MLLP_AFTER_FS:
      feed_between(parser, input);
      break;
    case MLLP_INSIDE:
      got = feed_inside(parser, input, ret_content, reterr);
      break;
    case MLLP_SKIPPING:
      feed_skipping(parser, input);
      break;
    }
    if (got != 0)
      return got;
  }
  return 0;
}

void mllp_write(struct buf *buf, struct str content) {
  buf_add_char(buf, VT);
  buf_add(buf, content);
  buf_add_char(buf, FS);
  buf_add_char(buf, CR);
}
