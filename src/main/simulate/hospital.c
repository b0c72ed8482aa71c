#include "main/simulate/hospital.h"

#include <stdlib.h>

#define MINUTE_US ((int64_t)60 * 1000000)
#define HOUR_US (60 * MINUTE_US)
#define DAY_US (24 * HOUR_US)

/* Not a message, but the moment when a person's next story is thought up. */
#define EVENT_NEXT_EPISODE MESSAGE_KINDS_N

struct event {
  int64_t at_us;
  uint64_t order; /* events of the same moment happen as they were planned */
  unsigned kind;  /* enum message_kind, or EVENT_NEXT_EPISODE */
  unsigned person;
  struct subject subject;
};

struct hospital {
  struct chance chance;
  unsigned persons_n;
  unsigned visits_n, orders_n, documents_n, appointments_n, controls_n;
  bool *is_clinic_patient;
  struct event *heap;
  size_t heap_n, heap_capacity;
  uint64_t planned_n;
  bool has_failed; /* no memory for an event */
  struct person persons[];
};

/* The queue of what is to come: a binary heap, the earliest first */

static bool is_before(const struct event *a, const struct event *b) {
  return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void plan_event(struct hospital *h, struct event event) {
  if (h->heap_n == h->heap_capacity) {
    size_t capacity = h->heap_capacity ? h->heap_capacity * 2 : 1024;
    struct event *grown = realloc(h->heap, capacity * sizeof *grown);
    if (!grown) {
      h->has_failed = true;
      return;
    }
    h->heap = grown;
    h->heap_capacity = capacity;
  }
  event.order = h->planned_n++;
  size_t i = h->heap_n++;
  for (; i > 0 && is_before(&event, &h->heap[(i - 1) / 2]); i = (i - 1) / 2)
    h->heap[i] = h->heap[(i - 1) / 2];
  h->heap[i] = event;
}

static struct event take_event(struct hospital *h) {
  struct event first = h->heap[0], last = h->heap[--h->heap_n];
  size_t i = 0;
  for (size_t child; (child = 2 * i + 1) < h->heap_n; i = child) {
    if (child + 1 < h->heap_n && is_before(&h->heap[child + 1], &h->heap[child]))
      child++;
    if (!is_before(&h->heap[child], &last))
      break;
    h->heap[i] = h->heap[child];
  }
  h->heap[i] = last;
  return first;
}

static void plan(struct hospital *h, const struct person *p, int64_t at_us, unsigned kind,
                 struct subject subject) {
  plan_event(h, (struct event){at_us, 0, kind, p->index, subject});
}

#define NOTHING ((struct subject){0})

/* Between `from` and `to` minutes. */
static int64_t minutes(struct hospital *h, int from, int to) {
  return chance_between(&h->chance, from, to) * MINUTE_US +
         chance_between(&h->chance, 0, 59) * 1000000;
}

/* The same day, or later, at an hour when outpatients are seen. */
static int64_t office_hour(struct hospital *h, int64_t at_us) {
  return at_us - at_us % DAY_US + chance_between(&h->chance, 8 * 12, 16 * 12) * 5 * MINUTE_US;
}

/* Orders */

static void plan_panel(struct hospital *h, const struct person *p, int64_t at_us, unsigned panel) {
  struct subject order = {.number = ++h->orders_n, .what = panel, .since_us = at_us};
  plan(h, p, at_us, MESSAGE_LAB_ORDER, order);
  int64_t result_us = at_us + minutes(h, 45, 150);
  plan(h, p, result_us, MESSAGE_LAB_RESULT, order);
  if (order.number % 30 == 0)
    plan(h, p, result_us + minutes(h, 60, 400), MESSAGE_LAB_CORRECTION, order);
}

static void plan_study(struct hospital *h, const struct person *p, int64_t at_us) {
  struct subject order = {.number = ++h->orders_n,
                          .what = chance_below(&h->chance, catalog_studies_n),
                          .since_us = at_us};
  plan(h, p, at_us, MESSAGE_IMAGING_ORDER, order);
  plan(h, p, at_us + minutes(h, 40, 300), MESSAGE_IMAGING_REPORT, order);
}

static void plan_drug(struct hospital *h, struct person *p, int64_t at_us, unsigned drug) {
  for (unsigned i = 0; i < p->drugs_n; i++)
    if (p->drugs[i] == &catalog_drugs[drug])
      return; /* they have it already */
  if (p->drugs_n < PERSON_DRUGS_MAX)
    p->drugs[p->drugs_n++] = &catalog_drugs[drug];
  struct subject order = {.number = ++h->orders_n, .what = drug, .since_us = at_us};
  plan(h, p, at_us, MESSAGE_PRESCRIPTION, order);
}

/* What is given for the illnesses that they have. */
static void plan_drugs(struct hospital *h, struct person *p, int64_t at_us) {
  for (unsigned i = 0; i < catalog_drugs_n; i++) {
    enum influence influence = catalog_drugs[i].influence;
    bool is_needed = influence != INFLUENCE_NONE && person_influence(p, influence, at_us) > 0.2;
    if (is_needed || chance_percent(&h->chance, 4))
      plan_drug(h, p, at_us + minutes(h, 5, 90), i);
  }
}

static void plan_chronic_panels(struct hospital *h, const struct person *p, int64_t at_us) {
  if (person_influence(p, INFLUENCE_DIABETES, at_us) > 0)
    plan_panel(h, p, at_us, PANEL_HBA1C);
  if (person_influence(p, INFLUENCE_LIPIDS, at_us) > 0)
    plan_panel(h, p, at_us, PANEL_LIPIDS);
  if (person_influence(p, INFLUENCE_THYROID, at_us) > 0)
    plan_panel(h, p, at_us, PANEL_THYROID);
}

/* Episodes */

static const struct doctor *doctor_for(struct hospital *h, const char *service) {
  for (int tries = 0; tries < 20; tries++) {
    const struct doctor *doctor = &catalog_doctors[chance_below(&h->chance, catalog_doctors_n)];
    if (!service || strcmp(doctor->service, service) == 0)
      return doctor;
  }
  return &catalog_doctors[0];
}

static void choose_bed(struct hospital *h, struct person *p, unsigned ward) {
  struct episode *e = &p->episode;
  e->prior_ward = e->ward;
  e->prior_room = e->room;
  e->ward = ward;
  e->room = 1 + chance_below(&h->chance, catalog_wards[ward].rooms);
  e->bed = 1 + chance_below(&h->chance, 3);
}

static struct episode *begin_episode(struct hospital *h, struct person *p, char class,
                                     int64_t at_us) {
  p->episode = (struct episode){.visit = ++h->visits_n,
                                .class = class,
                                .started_us = at_us,
                                .severity = chance_between(&h->chance, 15, 100) / 100.0};
  p->episode.doctor = doctor_for(h, NULL);
  return &p->episode;
}

static void plan_next(struct hospital *h, const struct person *p, int64_t at_us) {
  plan(h, p, at_us + chance_between(&h->chance, 12, 110) * DAY_US, EVENT_NEXT_EPISODE, NOTHING);
}

/* The emergency department did not find them, and registered them as someone new; weeks later the
 * records office merges the two. */
static void plan_duplicate(struct hospital *h, struct person *p, int64_t until_us) {
  if (p->duplicate_mrn || !chance_percent(&h->chance, 30))
    return;
  p->duplicate_mrn = p->mrn + 1;
  p->uses_duplicate = true;
  plan(h, p, until_us + chance_between(&h->chance, 2, 9) * DAY_US, MESSAGE_MERGE,
       (struct subject){.number = p->duplicate_mrn});
}

/* Returns the moment of the discharge. */
static int64_t plan_stay(struct hospital *h, struct person *p, int64_t at_us) {
  struct episode *e = &p->episode;
  int days = 1 + chance_between(&h->chance, (int)e->diagnosis->days / 2, (int)e->diagnosis->days);
  int64_t end_us = office_hour(h, at_us + days * DAY_US);
  for (int day = 0; day < days; day++) {
    int64_t morning_us = at_us + day * DAY_US + minutes(h, 20, 90);
    plan_panel(h, p, morning_us, PANEL_BLOOD_COUNT);
    if (day % 2 == 0)
      plan_panel(h, p, morning_us, PANEL_METABOLIC);
    if (e->diagnosis->is_infectious)
      plan_panel(h, p, morning_us, PANEL_CRP);
    if (day == 0 && chance_percent(&h->chance, 50))
      plan_panel(h, p, morning_us,
                 chance_percent(&h->chance, 50) ? PANEL_LIVER : PANEL_COAGULATION);
  }
  if (chance_percent(&h->chance, 70))
    plan_study(h, p, at_us + minutes(h, 60, 200));
  plan_drugs(h, p, at_us);
  for (int i = chance_between(&h->chance, 0, 2); i > 0; i--)
    plan(h, p, at_us + minutes(h, 300, days * 1440 - 200), MESSAGE_TRANSFER, NOTHING);
  if (chance_percent(&h->chance, 40))
    plan(h, p, at_us + minutes(h, 240, 700), MESSAGE_CHANGE, NOTHING);
  return end_us;
}

static void plan_inpatient(struct hospital *h, struct person *p, int64_t at_us) {
  struct episode *e = begin_episode(h, p, 'I', at_us);
  e->diagnosis = &catalog_acute[chance_below(&h->chance, catalog_acute_n)];
  e->doctor = doctor_for(h, e->diagnosis->service);
  int64_t admitted_us = at_us;
  if (chance_percent(&h->chance, 60)) {
    e->class = 'E';
    plan(h, p, at_us, MESSAGE_REGISTER, NOTHING);
    admitted_us = at_us + minutes(h, 60, 300);
    plan(h, p, admitted_us, MESSAGE_TO_INPATIENT, NOTHING);
  } else {
    if (chance_percent(&h->chance, 30)) {
      plan(h, p, at_us, MESSAGE_PRE_ADMIT, NOTHING);
      admitted_us = e->started_us = at_us + 2 * DAY_US;
    }
    plan(h, p, admitted_us, MESSAGE_ADMIT, NOTHING);
    if (chance_percent(&h->chance, 10)) {
      plan(h, p, admitted_us + minutes(h, 10, 60), MESSAGE_CANCEL_ADMIT, NOTHING);
      plan_next(h, p, admitted_us);
      return;
    }
  }
  int64_t end_us = plan_stay(h, p, admitted_us + MINUTE_US);
  plan(h, p, end_us, MESSAGE_DISCHARGE, NOTHING);
  if (chance_percent(&h->chance, 6)) {
    plan(h, p, end_us + minutes(h, 20, 120), MESSAGE_CANCEL_DISCHARGE, NOTHING);
    end_us += DAY_US;
    plan(h, p, end_us, MESSAGE_DISCHARGE, NOTHING);
  }
  plan(h, p, end_us + minutes(h, 100, 1500), MESSAGE_LETTER,
       (struct subject){.number = ++h->documents_n});
  if (e->class == 'E')
    plan_duplicate(h, p, end_us);
  plan_next(h, p, end_us + 3 * DAY_US);
}

/* The appointment before a visit. Returns the moment of the visit, or 0 when there will be none. */
static int64_t plan_appointment(struct hospital *h, const struct person *p, unsigned type,
                                int64_t at_us) {
  struct subject s = {.number = ++h->appointments_n, .what = type, .since_us = at_us};
  s.until_us = office_hour(h, at_us + chance_between(&h->chance, 4, 40) * DAY_US);
  if (p->uses_portal && chance_percent(&h->chance, 50)) {
    plan(h, p, at_us, MESSAGE_PORTAL_BOOKING, s);
    return s.until_us;
  }
  plan(h, p, at_us, MESSAGE_BOOK, s);
  if (chance_percent(&h->chance, 25)) {
    int64_t changed_us = at_us + (s.until_us - at_us) / 2;
    s.until_us = office_hour(h, s.until_us + chance_between(&h->chance, 2, 20) * DAY_US);
    plan(h, p, changed_us, MESSAGE_RESCHEDULE, s);
  }
  if (chance_percent(&h->chance, 12))
    plan(h, p, s.until_us - DAY_US - minutes(h, 1, 600), MESSAGE_MODIFY, s);
  unsigned fate = chance_below(&h->chance, 100);
  if (fate < 9)
    plan(h, p, s.until_us - minutes(h, 90, 1300), MESSAGE_CANCEL, s);
  else if (fate < 16)
    plan(h, p, s.until_us + minutes(h, 40, 90), MESSAGE_NO_SHOW, s);
  return fate < 16 ? 0 : s.until_us;
}

static void plan_home_readings(struct hospital *h, const struct person *p, int64_t from_us) {
  if (!p->uses_portal || p->chronic_n == 0)
    return;
  for (int day = 1; day <= 5; day++)
    plan(h, p, from_us + day * DAY_US + minutes(h, 0, 600), MESSAGE_HOME_READING,
         (struct subject){.number = ++h->documents_n});
}

static void plan_outpatient(struct hospital *h, struct person *p, int64_t at_us) {
  unsigned type = chance_below(&h->chance, catalog_visit_types_n);
  struct episode *e = begin_episode(h, p, 'O', at_us);
  e->type = &catalog_visit_types[type];
  if (p->chronic_n)
    e->diagnosis = p->chronic[chance_below(&h->chance, p->chronic_n)];
  int64_t visit_us = plan_appointment(h, p, type, at_us);
  if (visit_us == 0) {
    plan_next(h, p, at_us + 40 * DAY_US);
    return;
  }
  e->started_us = visit_us - 10 * MINUTE_US;
  plan(h, p, e->started_us, MESSAGE_REGISTER, NOTHING);
  plan_chronic_panels(h, p, visit_us);
  plan_panel(h, p, visit_us + MINUTE_US, PANEL_METABOLIC);
  if (chance_percent(&h->chance, 30))
    plan_study(h, p, visit_us + 5 * MINUTE_US);
  plan_drugs(h, p, visit_us);
  int64_t end_us = visit_us + minutes(h, 25, 120);
  plan(h, p, end_us, MESSAGE_DISCHARGE, NOTHING);
  if (chance_percent(&h->chance, 50))
    plan(h, p, end_us + minutes(h, 30, 2000), MESSAGE_LETTER,
         (struct subject){.number = ++h->documents_n});
  plan_home_readings(h, p, end_us);
  plan_next(h, p, end_us + 6 * DAY_US);
}

/* The clinic at the harbour: another house, with numbers of its own. */
static void plan_clinic(struct hospital *h, struct person *p, int64_t at_us) {
  struct episode *e = begin_episode(h, p, 'O', at_us);
  e->type = &catalog_visit_types[2];
  if (!h->is_clinic_patient[p->index])
    plan(h, p, at_us - MINUTE_US, MESSAGE_CLINIC_ADD, NOTHING);
  h->is_clinic_patient[p->index] = true;
  plan(h, p, at_us, MESSAGE_CLINIC_REGISTER, NOTHING);
  int64_t end_us = at_us + minutes(h, 20, 60);
  if (chance_percent(&h->chance, 60)) {
    struct subject s = {.number = ++h->orders_n,
                        .what = chance_below(&h->chance, catalog_vaccines_n),
                        .since_us = at_us + 10 * MINUTE_US};
    plan(h, p, at_us + 12 * MINUTE_US, MESSAGE_VACCINATION, s);
  }
  plan(h, p, end_us, MESSAGE_CLINIC_END, NOTHING);
  if (chance_percent(&h->chance, 50))
    plan(h, p, end_us + minutes(h, 30, 600), MESSAGE_CLINIC_NOTE,
         (struct subject){.number = ++h->documents_n});
  plan_next(h, p, end_us + DAY_US);
}

static void plan_move(struct hospital *h, struct person *p, int64_t at_us) {
  person_move(p, &h->chance);
  plan(h, p, at_us, MESSAGE_UPDATE_PERSON, NOTHING);
  if (h->is_clinic_patient[p->index] && chance_percent(&h->chance, 50))
    plan(h, p, at_us + 2 * DAY_US, MESSAGE_CLINIC_UPDATE, NOTHING);
}

static void plan_episode(struct hospital *h, struct person *p, int64_t at_us) {
  if (chance_percent(&h->chance, 10))
    plan_move(h, p, at_us - 30 * MINUTE_US);
  unsigned which = chance_below(&h->chance, 100);
  if (which < 25)
    plan_inpatient(h, p, at_us);
  else if (which < 72)
    plan_outpatient(h, p, at_us);
  else
    plan_clinic(h, p, office_hour(h, at_us + DAY_US));
}

/* What an event changes before its message is written. */
static void apply(struct hospital *h, struct person *p, const struct event *event) {
  struct episode *e = &p->episode;
  switch (event->kind) {
  case MESSAGE_ADMIT:
  case MESSAGE_PRE_ADMIT:
    choose_bed(h, p,
               strcmp(e->diagnosis->service, "SUR") == 0   ? 3
               : strcmp(e->diagnosis->service, "CAR") == 0 ? 4
                                                           : 1);
    e->prior_room = 0;
    break;
  case MESSAGE_REGISTER:
    if (e->class == 'E')
      choose_bed(h, p, 0);
    e->prior_room = 0;
    break;
  case MESSAGE_TO_INPATIENT:
    e->class = 'I';
    choose_bed(h, p, strcmp(e->diagnosis->service, "SUR") == 0 ? 3 : 2);
    break;
  case MESSAGE_TRANSFER:
    choose_bed(h, p, 1 + chance_below(&h->chance, catalog_wards_n - 1));
    break;
  case MESSAGE_CHANGE:
    e->doctor = doctor_for(h, e->diagnosis ? e->diagnosis->service : NULL);
    break;
  case MESSAGE_DISCHARGE:
  case MESSAGE_CLINIC_END:
    e->ended_us = event->at_us;
    break;
  case MESSAGE_CANCEL_DISCHARGE:
    e->ended_us = 0;
    break;
  case MESSAGE_MERGE:
    p->uses_duplicate = false;
    break;
  default:
    break;
  }
}

int hospital_open(const struct hospital_options *options, struct hospital **ret_hospital,
                  struct err *reterr) {
  size_t bytes;
  if (__builtin_mul_overflow(sizeof(struct person), (size_t)options->persons_n, &bytes))
    return err_no_memory(reterr);
  struct hospital *h = calloc(1, sizeof *h + bytes);
  bool *is_clinic_patient = calloc(options->persons_n, sizeof *is_clinic_patient);
  if (!h || !is_clinic_patient) {
    free(h);
    free(is_clinic_patient);
    return err_no_memory(reterr);
  }
  h->chance = (struct chance){chance_of(options->seed, 0xC0FFEE)};
  h->persons_n = options->persons_n;
  h->visits_n = h->orders_n = h->documents_n = person_first_number(options->seed);
  h->appointments_n = h->controls_n = person_first_number(options->seed);
  h->is_clinic_patient = is_clinic_patient;
  for (unsigned i = 0; i < h->persons_n; i++) {
    struct person *p = &h->persons[i];
    person_init(p, i, options->seed, options->start_us);
    /* Not all on the first day; the first ones soon, so that something happens at once. */
    int64_t day_us = (int64_t)chance_below(&h->chance, 2 * (i < 90 ? i + 1 : 90)) * DAY_US;
    int64_t at_us = options->start_us + day_us + minutes(h, 300, 1200);
    plan(h, p, at_us, MESSAGE_ADD_PERSON, NOTHING);
    plan(h, p, at_us + minutes(h, 20, 2000), EVENT_NEXT_EPISODE, NOTHING);
  }
  if (h->has_failed) {
    hospital_close(h);
    return err_no_memory(reterr);
  }
  *ret_hospital = h;
  return 0;
}

int hospital_next(struct hospital *h, struct buf *buf, struct hospital_message *ret_message,
                  struct err *reterr) {
  struct event event = take_event(h);
  while (event.kind == EVENT_NEXT_EPISODE) {
    plan_episode(h, &h->persons[event.person], event.at_us);
    if (h->has_failed)
      return err_no_memory(reterr);
    event = take_event(h);
  }
  struct person *p = &h->persons[event.person];
  apply(h, p, &event);
  const struct occasion occasion = {.chance = &h->chance,
                                    .person = p,
                                    .system = message_facts[event.kind].system,
                                    .at_us = event.at_us,
                                    .control = ++h->controls_n};
  message_compose(buf, (enum message_kind)event.kind, &occasion, &event.subject);
  if (buf_is_overflown(buf))
    return err_no_memory(reterr);
  *ret_message = (struct hospital_message){.kind = (enum message_kind)event.kind,
                                           .system = occasion.system,
                                           .person = event.person,
                                           .at_us = event.at_us};
  return 0;
}

void hospital_close(struct hospital *h) {
  if (!h)
    return;
  free(h->heap);
  free(h->is_clinic_patient);
  free(h);
}
