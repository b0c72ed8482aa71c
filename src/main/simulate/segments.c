#include "main/simulate/segments.h"

#include "base/clock.h"

void segment_msh(struct v2_writer *w, const struct occasion *o, const char *type, const char *event,
                 const char *structure) {
  const struct sending_system *s = w->system;
  char control[32];
  snprintf(control, sizeof control, "%s%08u", s->application, o->control);
  v2_segment(w, "MSH");
  v2_put(w, 3, "%s", s->application);
  if (s->has_bare_authority)
    v2_put(w, 4, "%s", s->facility);
  else
    v2_put(w, 4, "%s^%s^ISO", s->facility, s->authority_oid);
  v2_put(w, 5, "CALLOSUM");
  v2_put(w, 6, "ALBAN");
  v2_put(w, 7, "%t", o->at_us);
  v2_put(w, 9, "%s^%s^%s", type, event, s->has_message_structure ? structure : NULL);
  v2_put(w, 10, "%s", control);
  v2_put(w, 11, "P");
  v2_put(w, 12, "%s", s->version);
  v2_put(w, 18, "%s", s->charset);
}

void segment_evn(struct v2_writer *w, const struct occasion *o, const char *event) {
  v2_segment(w, "EVN");
  if (strcmp(w->system->version, "2.8") != 0) /* withdrawn with 2.7 */
    v2_put(w, 1, "%s", event);
  v2_put(w, 2, "%t", o->at_us);
  v2_put(w, 6, "%t", o->at_us - (int64_t)chance_between(o->chance, 0, 600) * 1000000);
}

const char *shown_name(const struct v2_writer *w, const struct name *name) {
  return w->system->is_latin ? name_latin(name) : name->own;
}

/* PID-3: the system's own number, and the HIS number where it is known. */
static void put_identifiers(struct v2_writer *w, const struct occasion *o) {
  const struct sending_system *s = w->system, *his = &sending_systems[SYSTEM_HIS];
  char own[24], mrn[24];
  person_number(o->person, o->system, own, sizeof own);
  person_number(o->person, SYSTEM_HIS, mrn, sizeof mrn);
  bool has_mrn = o->system != SYSTEM_HIS && o->person->carries_mrn[o->system];
  const char *own_type = o->system == SYSTEM_HIS ? "MR" : "PI";
  if (s->has_bare_authority && has_mrn)
    v2_put(w, 3, "%s^^^%s^%s~%s^^^%s^MR", own, s->authority, own_type, mrn, his->authority);
  else if (s->has_bare_authority)
    v2_put(w, 3, "%s^^^%s^%s", own, s->authority, own_type);
  else if (has_mrn)
    v2_put(w, 3, "%s^^^%s&%s&ISO^%s~%s^^^%s&%s&ISO^MR", own, s->authority, s->authority_oid,
           own_type, mrn, his->authority, his->authority_oid);
  else
    v2_put(w, 3, "%s^^^%s&%s&ISO^%s", own, s->authority, s->authority_oid, own_type);
}

/* PID-5. The HIS writes Latin letters beside ideographs; where it took someone for new, it has the
 * name as the emergency department heard it. */
static void put_name(struct v2_writer *w, const struct occasion *o) {
  const struct person *p = o->person;
  const char *family = shown_name(w, p->family), *given = shown_name(w, p->given);
  if (o->system == SYSTEM_HIS && p->uses_duplicate)
    v2_put(w, 5, "%s^%s^^^^^L", name_latin(p->family), name_latin(p->given));
  else if (p->culture->is_ideographic && o->system == SYSTEM_HIS)
    v2_put(w, 5, "%s^%s^^^^^L^I~%s^%s^^^^^L^A", family, given, name_latin(p->family),
           name_latin(p->given));
  else if (o->system == SYSTEM_PHARM)
    v2_put(w, 5, "%s^%s", family, given);
  else
    v2_put(w, 5, "%s^%s^^^^^L", family, given);
}

static void put_birth(struct v2_writer *w, const struct person *p) {
  struct clock_civil t = clock_to_civil(p->birth_us);
  char text[12];
  int n = snprintf(text, sizeof text, "%04d%02d%02d", t.year, t.month, t.day);
  if (p->birth_precision == BIRTH_MONTH && n > 6)
    text[6] = '\0';
  if (p->birth_precision == BIRTH_YEAR && n > 4)
    text[4] = '\0';
  v2_put(w, 7, "%s", text);
}

/* The HIS street is one text; others write it as it comes. */
static void put_address(struct v2_writer *w, const struct occasion *o) {
  const struct person *p = o->person;
  char street[64], zip[12];
  snprintf(street, sizeof street, "%u %s", p->house, catalog_streets[p->street]);
  snprintf(zip, sizeof zip, "PA%03u", 100 + p->district * 7);
  if (o->system == SYSTEM_RIS || o->system == SYSTEM_LAB)
    v2_put(w, 11, "%s^^%s", street, catalog_districts[p->district]);
  else
    v2_put(w, 11, "%s^^%s^^%s^CAN^H", street, catalog_districts[p->district], zip);
}

/* PID-13, or PID-40 from 2.7 on. */
static void put_telecom(struct v2_writer *w, const struct occasion *o) {
  const struct person *p = o->person;
  char phone[24], mail[48];
  snprintf(phone, sizeof phone, "+1 902 %03u %04u", p->phone / 10000, p->phone % 10000);
  snprintf(mail, sizeof mail, "person%u@mail.example", p->index);
  bool is_new = o->system == SYSTEM_CLINIC;
  if (o->system == SYSTEM_HIS && p->has_mail)
    v2_put(w, 13, "%s^PRN^PH~^NET^Internet^%s", phone, mail);
  else if (is_new)
    v2_put(w, 40, "^PRN^PH^^^^^^^^^%s", phone);
  else
    v2_put(w, 13, "%s^PRN^PH", phone);
}

void segment_pid(struct v2_writer *w, const struct occasion *o) {
  const struct person *p = o->person;
  v2_segment(w, "PID");
  v2_put(w, 1, "1");
  if (o->system == SYSTEM_RIS) { /* 2.3 senders still put their number there */
    char own[24];
    person_number(p, o->system, own, sizeof own);
    v2_put(w, 2, "%s", own);
  }
  put_identifiers(w, o);
  put_name(w, o);
  put_birth(w, p);
  v2_put(w, 8, p->is_female ? "F" : "M");
  if (o->system != SYSTEM_SCHED) /* the scheduler has no addresses */
    put_address(w, o);
  if (o->system != SYSTEM_LAB && o->system != SYSTEM_CLINIC)
    put_telecom(w, o);
  if (o->system == SYSTEM_HIS)
    v2_put(w, 15, "%s^%s^ISO639", p->culture->language, p->culture->language_name);
  if (o->system == SYSTEM_HIS && p->episode.visit)
    v2_put(w, 18, "ACC%07u^^^%s&%s&ISO^AN", p->episode.visit, w->system->authority,
           w->system->authority_oid);
  if (o->system == SYSTEM_CLINIC)
    put_telecom(w, o);
}

void segment_nk1(struct v2_writer *w, const struct occasion *o) {
  const struct person *p = o->person;
  v2_segment(w, "NK1");
  v2_put(w, 1, "1");
  v2_put(w, 2, "%s^%s^^^^^L", shown_name(w, p->family), shown_name(w, &p->kin_given));
  v2_put(w, 3, p->index % 3 ? "SPO^Spouse^HL70063" : "MTH^Mother^HL70063");
  v2_put(w, 5, "+1 902 %u %u^PRN^PH", 556u, 1000 + p->index % 9000);
}

void put_doctor(struct v2_writer *w, unsigned field, const struct doctor *d) {
  const struct sending_system *his = &sending_systems[SYSTEM_HIS];
  if (w->system->has_bare_authority)
    v2_put(w, field, "%s^%s^%s^^^Dr^^^%s", d->id, d->family, d->given, his->authority);
  else
    v2_put(w, field, "%s^%s^%s^^^Dr^^^%s&%s&ISO", d->id, d->family, d->given, his->authority,
           his->authority_oid);
}

void segment_pv1(struct v2_writer *w, const struct occasion *o) {
  const struct episode *e = &o->person->episode;
  const struct ward *ward = &catalog_wards[e->ward], *prior = &catalog_wards[e->prior_ward];
  char class[2] = {e->class, '\0'};
  /* The departments speak of the hospital's beds; the clinic has rooms of its own. */
  const char *facility =
      o->system == SYSTEM_CLINIC ? w->system->facility : sending_systems[SYSTEM_HIS].facility;
  v2_segment(w, "PV1");
  v2_put(w, 1, "1");
  v2_put(w, 2, "%s", class);
  if (e->class == 'O')
    v2_put(w, 3, "%s^^^%s", e->type ? e->type->location : "OPD1", facility);
  else
    v2_put(w, 3, "%s^%u^%u^%s", ward->code, e->room, e->bed, facility);
  if (e->class == 'I' && o->system == SYSTEM_HIS)
    v2_put(w, 4, e->severity > 0.5 ? "E" : "R");
  if (e->class == 'I' && e->prior_room)
    v2_put(w, 6, "%s^%u^%u^%s", prior->code, e->prior_room, 1u, facility);
  if (e->doctor && o->system != SYSTEM_SCHED)
    put_doctor(w, 7, e->doctor);
  if (e->diagnosis && o->system == SYSTEM_HIS)
    v2_put(w, 10, "%s", e->diagnosis->service);
  if (e->visit && (o->system == SYSTEM_HIS || o->system == SYSTEM_CLINIC ||
                   o->person->carries_mrn[o->system])) {
    const struct sending_system *owner =
        &sending_systems[o->system == SYSTEM_CLINIC ? SYSTEM_CLINIC : SYSTEM_HIS];
    if (w->system->has_bare_authority)
      v2_put(w, 19, "V%07u^^^%s^VN", e->visit, owner->authority);
    else
      v2_put(w, 19, "V%07u^^^%s&%s&ISO^VN", e->visit, owner->authority, owner->authority_oid);
  }
  if (o->system != SYSTEM_HIS && o->system != SYSTEM_CLINIC)
    return;
  if (e->ended_us)
    v2_put(w, 36, "01");
  if (e->started_us)
    v2_put(w, 44, "%t", e->started_us);
  if (e->ended_us)
    v2_put(w, 45, "%t", e->ended_us);
}

void segment_al1s(struct v2_writer *w, const struct occasion *o) {
  for (unsigned i = 0; i < o->person->allergies_n; i++) {
    const struct allergen *a = o->person->allergies[i];
    v2_segment(w, "AL1");
    v2_put(w, 1, "%u", i + 1);
    v2_put(w, 2, "%s^^HL70127", a->type);
    v2_put(w, 3, "%s^%s^%s", a->code, a->name, a->code[0] <= '9' ? "RXNORM" : "L");
    v2_put(w, 4, i ? "MI^Mild^HL70128" : "MO^Moderate^HL70128");
    v2_put(w, 5, "%s", a->reaction);
  }
}

static void segment_dg1(struct v2_writer *w, unsigned n, const struct diagnosis *d, int64_t at_us,
                        const char *type) {
  v2_segment(w, "DG1");
  v2_put(w, 1, "%u", n);
  v2_put(w, 3, "%s^%s^I10", d->code, d->name);
  v2_put(w, 5, "%t", at_us);
  v2_put(w, 6, "%s", type);
}

void segment_dg1s(struct v2_writer *w, const struct occasion *o, bool is_final) {
  const struct person *p = o->person;
  unsigned n = 0;
  if (p->episode.diagnosis)
    segment_dg1(w, ++n, p->episode.diagnosis, p->episode.started_us, is_final ? "F" : "A");
  for (unsigned i = 0; i < p->chronic_n; i++)
    if (p->chronic[i] != p->episode.diagnosis)
      segment_dg1(w, ++n, p->chronic[i], p->episode.started_us, "F");
}

void segment_in1(struct v2_writer *w, const struct occasion *o) {
  const struct insurer *i = &catalog_insurers[o->person->insurer];
  v2_segment(w, "IN1");
  v2_put(w, 1, "1");
  v2_put(w, 2, "%s", i->plan);
  v2_put(w, 3, "%s", i->id);
  v2_put(w, 4, "%s", i->name);
  v2_put(w, 36, "P%u", 4000000 + o->person->index * 13);
}
