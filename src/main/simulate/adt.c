#include "main/simulate/messages.h"

/* A28, A31 */
void write_add_person(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  (void)s;
  segment_pid(w, o);
  segment_nk1(w, o);
  v2_segment(w, "PV1");
  v2_put(w, 1, "1");
  v2_put(w, 2, "N");
  segment_al1s(w, o);
}

/* A01, A04, A05, A06, A08, A13 */
void write_start(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  (void)s;
  segment_pid(w, o);
  if (o->person->episode.class != 'O')
    segment_nk1(w, o);
  segment_pv1(w, o);
  segment_al1s(w, o);
  segment_dg1s(w, o, false);
  if (o->system == SYSTEM_HIS)
    segment_in1(w, o);
}

/* A02 */
void write_transfer(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  (void)s;
  segment_pid(w, o);
  segment_pv1(w, o);
}

/* A03 */
void write_discharge(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  (void)s;
  segment_pid(w, o);
  segment_pv1(w, o);
  segment_dg1s(w, o, true);
}

/* A11 */
void write_cancel(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  (void)s;
  segment_pid(w, o);
  segment_pv1(w, o);
}

/* A40: the number that was given by mistake ends in the one that stays. */
void write_merge(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  const struct sending_system *his = &sending_systems[SYSTEM_HIS];
  char prior[24];
  person_mrn(s->number, prior, sizeof prior);
  segment_pid(w, o);
  v2_segment(w, "MRG");
  v2_put(w, 1, "%s^^^%s&%s&ISO^MR", prior, his->authority, his->authority_oid);
}
