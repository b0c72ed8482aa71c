/*
 * The sending systems of the simulated hospital, and a writer of v2 segments in the manner of each.
 *
 * Spec: HL7 v2.3, 2.5.1, 2.8 chapter 2. Threads: one owner. Memory: the caller's buffer. Texts are
 * UTF-8 until `v2_end`, which turns the message into what its sender speaks.
 */
#ifndef MAIN_SIMULATE_WRITER_H
#define MAIN_SIMULATE_WRITER_H

#include "format/er7.h"

enum system_id {
  SYSTEM_HIS,
  SYSTEM_LAB,
  SYSTEM_RIS,
  SYSTEM_SCHED,
  SYSTEM_PHARM,
  SYSTEM_CLINIC,
  SYSTEM_PORTAL, /* speaks FHIR */
  SYSTEMS_N
};

enum time_style {
  TIME_OFFSET,  /* 20250106143205+0000 */
  TIME_SECONDS, /* 20250106143205 */
  TIME_MINUTES, /* 202501061432 */
  TIME_MILLIS,  /* 20250106143205.120+0000 */
};

struct sending_system {
  const char *application, *facility, *version;
  const char *delimiters; /* MSH-1 and MSH-2 */
  const char *charset;    /* MSH-18; "" says nothing */
  const char *authority, *authority_oid;
  const char *number_prefix; /* of its patient numbers */
  enum time_style time_style;
  bool is_latin;                /* names in Latin letters, bytes ISO 8859-1 */
  bool has_message_structure;   /* MSH-9.3 */
  bool has_bare_authority;      /* no OID in identifiers */
  unsigned carries_mrn_percent; /* of its patients, with the HIS number beside its own */
};

extern const struct sending_system sending_systems[SYSTEMS_N];

/* As the receiver knows it: the local name of the authority, "ALBAN"; the portal's own numbers,
 * which no v2 message brings, have "urn:oid:2.999.1.7". */
void sending_system_uri(enum system_id id, char *ret_uri, size_t bytes);

struct v2_writer {
  struct buf *buf;
  const struct sending_system *system;
  struct er7_delimiters delimiters;
  unsigned field; /* of the segment being written */
  bool is_msh;
};

/* Begins a message in an empty buffer. */
void v2_begin(struct v2_writer *w, enum system_id system, struct buf *buf);

void v2_segment(struct v2_writer *w, const char *name);

/*
 * Puts a field; fields of a segment come in ascending order. In `format`, ^ ~ & stand for the
 * sender's delimiters, %s for a text (escaped; NULL is empty), %u or %07u for a number, %t for a
 * time and %D for a date (both int64_t microseconds); all else is copied. Empty parts at the end
 * are left out.
 */
void v2_put(struct v2_writer *w, unsigned field, const char *format, ...);

/* Ends the message: ISO 8859-1 where the sender speaks that. */
void v2_end(struct v2_writer *w);

#endif
