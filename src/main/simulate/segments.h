/*
 * Segments that several messages share, in the manner of the sending system.
 *
 * Spec: HL7 v2.3, 2.5.1, 2.8 chapters 2, 3, 4, 7. Threads: one owner.
 */
#ifndef MAIN_SIMULATE_SEGMENTS_H
#define MAIN_SIMULATE_SEGMENTS_H

#include "main/simulate/person.h"

/* What a message is about. */
struct occasion {
  struct chance *chance;
  struct person *person;
  enum system_id system;
  int64_t at_us;
  unsigned control;  /* number of the message */
  const char *event; /* "A01" */
};

void segment_msh(struct v2_writer *w, const struct occasion *o, const char *type, const char *event,
                 const char *structure);
void segment_evn(struct v2_writer *w, const struct occasion *o, const char *event);
void segment_pid(struct v2_writer *w, const struct occasion *o);
void segment_nk1(struct v2_writer *w, const struct occasion *o);
void segment_pv1(struct v2_writer *w, const struct occasion *o);
void segment_al1s(struct v2_writer *w, const struct occasion *o);
/* Those of the episode (`is_final`: with type F) and the chronic ones. */
void segment_dg1s(struct v2_writer *w, const struct occasion *o, bool is_final);
void segment_in1(struct v2_writer *w, const struct occasion *o);

/* A doctor as XCN: "%s^%s^%s^^^Dr^^^ALBAN". */
void put_doctor(struct v2_writer *w, unsigned field, const struct doctor *doctor);

/* "NAME^GIVEN" in the writing that the system knows. */
const char *shown_name(const struct v2_writer *w, const struct name *name);

#endif
