#include "main/simulate/messages.h"

#define DAY_US ((int64_t)86400 * 1000000)

/* SIU: appointments */

/* Where an appointment stands (table 0278) and why (table 0276), by the event that tells of it. */
static const struct {
  const char *event, *status, *reason;
} appointment_states[] = {
    {"S12", "Booked", "ROUTINE^Routine appointment^HL70276"},
    {"S13", "Booked", "FOLLOWUP^A follow up visit from a previous appointment^HL70276"},
    {"S14", "Booked", "ROUTINE^Routine appointment^HL70276"},
    {"S15", "Cancelled", "ROUTINE^Routine appointment^HL70276"},
    {"S26", "Noshow", "ROUTINE^Routine appointment^HL70276"},
};

static void segment_sch(struct v2_writer *w, const struct occasion *o, const struct subject *s,
                        unsigned state) {
  const struct visit_type *type = &catalog_visit_types[s->what];
  const struct sending_system *sched = w->system;
  v2_segment(w, "SCH");
  v2_put(w, 1, "P%07u^%s^%s^ISO", s->number, sched->authority, sched->authority_oid);
  v2_put(w, 2, "F%07u^%s^%s^ISO", s->number, sched->authority, sched->authority_oid);
  v2_put(w, 6, appointment_states[state].reason);
  v2_put(w, 7, "%s^%s^99SCHED", type->code, type->name);
  v2_put(w, 8, "Normal");
  v2_put(w, 9, "%u", type->minutes);
  v2_put(w, 10, "min^minute^UCUM");
  v2_put(w, 11, "^^%u^%t^%t", type->minutes, s->until_us,
         s->until_us + (int64_t)type->minutes * 60000000);
  put_doctor(w, 16, o->person->episode.doctor ? o->person->episode.doctor : &catalog_doctors[0]);
  v2_put(w, 20, "9%03u^Desk^Front", s->number % 7);
  v2_put(w, 25, "%s^%s^HL70278", appointment_states[state].status,
         appointment_states[state].status);
}

/* S12, S13, S14, S15, S26 */
void write_appointment(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  const struct visit_type *type = &catalog_visit_types[s->what];
  unsigned state = 0, states_n = sizeof appointment_states / sizeof *appointment_states;
  while (state + 1 < states_n && strcmp(appointment_states[state].event, o->event) != 0)
    state++;
  const char *action = state == 0 ? "A" : state >= 3 ? "D" : "U"; /* table 0206 */
  segment_sch(w, o, s, state);
  if (state == 2) {
    v2_segment(w, "NTE");
    v2_put(w, 1, "1");
    v2_put(w, 3, "%s", "Please bring your list of medicines & any letters.");
  }
  segment_pid(w, o);
  v2_segment(w, "PV1");
  v2_put(w, 1, "1");
  v2_put(w, 2, "O");
  v2_put(w, 3, "%s^^^%s", type->location, w->system->facility);
  v2_segment(w, "RGS");
  v2_put(w, 1, "1");
  v2_put(w, 2, action);
  v2_segment(w, "AIL");
  v2_put(w, 1, "1");
  v2_put(w, 2, action);
  v2_put(w, 3, "%s^^^%s", type->location, w->system->facility);
  v2_put(w, 6, "%t", s->until_us);
  v2_put(w, 9, "%u", type->minutes);
  v2_put(w, 10, "min^minute^UCUM");
  v2_segment(w, "AIP");
  v2_put(w, 1, "1");
  v2_put(w, 2, action);
  put_doctor(w, 3, o->person->episode.doctor ? o->person->episode.doctor : &catalog_doctors[0]);
  v2_put(w, 6, "%t", s->until_us);
}

/* MDM^T02 */

static void write_letter_text(struct v2_writer *w, const struct occasion *o) {
  const struct episode *e = &o->person->episode;
  char text[600];
  snprintf(text, sizeof text,
           "Dear colleague,\n%s was seen in our hospital because of: %s.\nCourse: without "
           "complications; laboratory values improved.\nPlan: review in primary care in two weeks "
           "& repeat blood tests.\nWith kind regards",
           o->person->is_female ? "She" : "He",
           e->diagnosis ? e->diagnosis->name : (e->type ? e->type->name : "a check-up"));
  v2_put(w, 5, "%s", text);
}

void write_document(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  bool is_discharge = o->system == SYSTEM_HIS && o->person->episode.class == 'I';
  segment_pid(w, o);
  segment_pv1(w, o);
  v2_segment(w, "TXA");
  v2_put(w, 1, "1");
  v2_put(w, 2, is_discharge ? "DS" : "CN");
  v2_put(w, 3, "TX");
  v2_put(w, 4, "%t", o->at_us);
  if (o->person->episode.doctor)
    put_doctor(w, 5, o->person->episode.doctor);
  v2_put(w, 6, "%t", o->at_us);
  if (o->person->episode.doctor)
    put_doctor(w, 9, o->person->episode.doctor);
  v2_put(w, 12, "D%07u^%s^%s^ISO", s->number, w->system->authority, w->system->authority_oid);
  v2_put(w, 17, "AU");
  v2_put(w, 19, "AV");
  v2_segment(w, "OBX");
  v2_put(w, 1, "1");
  v2_put(w, 2, "TX");
  v2_put(w, 3, is_discharge ? "18842-5^Discharge summary^LN" : "11488-4^Consult note^LN");
  write_letter_text(w, o);
  v2_put(w, 11, "F");
}

/* VXU^V04 */
void write_vaccination(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  const struct vaccine *v = &catalog_vaccines[s->what];
  const struct doctor *doctor =
      o->person->episode.doctor ? o->person->episode.doctor : &catalog_doctors[0];
  segment_pid(w, o);
  v2_segment(w, "ORC");
  v2_put(w, 1, "RE");
  v2_put(w, 3, "IM%07u^%s^%s^ISO", s->number, w->system->authority, w->system->authority_oid);
  v2_segment(w, "RXA");
  v2_put(w, 1, "0");
  v2_put(w, 2, "1");
  v2_put(w, 3, "%t", s->since_us);
  v2_put(w, 4, "%t", s->since_us);
  v2_put(w, 5, "%s^%s^CVX", v->code, v->name);
  v2_put(w, 6, "%s", v->amount);
  v2_put(w, 7, "mL^milliliter^UCUM");
  v2_put(w, 9, "00^New immunization record^NIP001");
  put_doctor(w, 10, doctor);
  v2_put(w, 15, "%s%05u", v->lot_prefix, 10000 + s->number % 80000);
  v2_put(w, 16, "%D", s->since_us + 200 * DAY_US);
  v2_put(w, 17, "%s^%s^MVX", v->maker_code, v->maker);
  v2_put(w, 20, "CP");
  v2_put(w, 21, "A");
  v2_segment(w, "RXR");
  v2_put(w, 1, "C28161^Intramuscular^NCIT");
  v2_put(w, 2, s->number % 2 ? "LD^Left deltoid^HL70163" : "RD^Right deltoid^HL70163");
}
