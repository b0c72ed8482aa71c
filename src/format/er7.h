/*
 * HL7 v2 messages in ER7 ("pipe and hat") form: bytes -> an index of slices, and back.
 *
 * Spec: HL7 v2.8 chapter 2, sections 2.5 to 2.7 (delimiters, escapes, segments), 2.10.3 (batch).
 * Invariants: the parse never changes bytes; every slice points into `message->text`, and
 * `er7_write` of an unchanged message gives the bytes back. Delimiters come from MSH (or BHS, FHS).
 * Segment ends CR, LF and CRLF are all accepted. "" (two quotes) is the explicit null of 2.5.3.4,
 * told by `er7_is_null`. Positions are 1-based as in the standard: MSH-9, PID-3(2).4.1. MSH-1 is
 * the field separator itself, MSH-2 the encoding characters. Repetition 1 and component 1 of a
 * field without either is the whole field.
 *
 * Threads: a parsed message is immutable. Memory: on the arena; texts borrow the given bytes.
 */
#ifndef FORMAT_ER7_H
#define FORMAT_ER7_H

#include "base/base.h"

struct er7_limits {
  size_t max_bytes, max_segments, max_fields; /* fields: of one segment */
};
#define ER7_LIMITS_DEFAULT                                                                         \
  ((struct er7_limits){.max_bytes = (size_t)16 << 20, .max_segments = 50000, .max_fields = 1000})

struct er7_delimiters {
  char field, component, repetition, escape, subcomponent,
      truncation; /* '\0': not defined by the sender */
};

struct er7_segment {
  struct str name;      /* "PID"; three characters */
  struct str text;      /* the whole segment without its end */
  uint32_t first_field; /* index into fields_; fields[0] is the name */
  uint32_t fields_n;    /* highest field number present */
};

struct er7_message {
  struct str text;
  struct er7_delimiters delimiters;
  const struct er7_segment *segments;
  size_t segments_n;
  const struct str *fields_;
};

/* A place in a message. Zero means "the whole above": {3, 5, 0, 0, 0} is all of field 5 of
 * segment 3. */
struct er7_place {
  uint32_t segment;                                    /* index into segments, from 0 */
  uint16_t field, repetition, component, subcomponent; /* from 1 */
};

/* `text` must be UTF-8 (see charset.h). ERR_STRUCTURE ("byte N" or "segment N") when it does not
 * start with MSH, BHS or FHS or has no usable delimiters; ERR_TOO_LONG over a limit. */
int er7_parse(struct arena *arena, struct str text, const struct er7_limits *limits,
              struct er7_message *ret_message, struct err *reterr) MUST_CHECK;

/* The same bytes as were parsed. */
void er7_write(struct buf *buf, const struct er7_message *message);

/* The n-th (from 0) segment of this name at or after index `from`; its index, or -1. */
ssize_t er7_find(const struct er7_message *message, struct str name, size_t from);

/* Raw (still escaped) text at a place; empty when not there. */
struct str er7_raw(const struct er7_message *message, struct er7_place place);
/* How many repetitions has this field (0 when empty); how many components has this repetition. */
unsigned er7_repetitions(const struct er7_message *message, uint32_t segment, unsigned field);
unsigned er7_components(const struct er7_message *message, struct er7_place place);
unsigned er7_subcomponents(const struct er7_message *message, struct er7_place place);

bool er7_is_null(struct str raw); /* is it `""`? */

/* Unescaped text. Without an escape it borrows; else on the arena. Unknown escapes are kept as they
 * are. \.br\ and the other formatting commands of 2.7.7 become line breaks where they mean one;
 * \X..\ bytes are decoded in `charset` (may be empty: UTF-8). */
struct str er7_unescape(struct arena *arena, const struct er7_message *message, struct str raw);
/* unescape(raw(place)); empty when not there or null. */
struct str er7_text(struct arena *arena, const struct er7_message *message, struct er7_place place);
/* Escapes delimiters (and CR as \.br\) for writing. */
void er7_escape(struct buf *buf, const struct er7_delimiters *delimiters, struct str text);

/* "PID-3(2).4.1" <-> place within the segment named; ret_segment_name borrows. */
void er7_place_write(struct buf *buf, const struct er7_message *message, struct er7_place place);

/* The header fields that everybody needs. Empty where absent. */
struct er7_header {
  struct str sending_application, sending_facility, receiving_application,
      receiving_facility; /* first component */
  struct str time, type, event, structure, control_id, processing_id, version, charset;
  struct str accept_ack, application_ack; /* MSH-15, -16 */
};
void er7_header(const struct er7_message *message, struct er7_header *ret_header);

/* Splits FHS/BHS .. BTS/FTS envelopes (or several messages one after the other) into single
 * messages; a text that holds one message gives one. Slices of `text`. */
int er7_split_batch(struct arena *arena, struct str text, const struct str **ret_messages,
                    size_t *ret_n, struct err *reterr) MUST_CHECK;

#endif
