/*
 * The messages of the simulated hospital: one row of a table for each kind, and who writes it.
 *
 * Threads: one owner. Memory: the caller's buffer.
 */
#ifndef MAIN_SIMULATE_MESSAGES_H
#define MAIN_SIMULATE_MESSAGES_H

#include "main/simulate/segments.h"

/* What an event is about: an order, an appointment, a document. */
struct subject {
  unsigned number; /* of the order, appointment or document */
  unsigned what;   /* index into the catalog that fits */
  int64_t since_us;
  int64_t until_us;
};

typedef void (*message_write)(struct v2_writer *w, const struct occasion *o,
                              const struct subject *s);

/* adt.c */
void write_add_person(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_start(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_transfer(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_discharge(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_cancel(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_merge(struct v2_writer *w, const struct occasion *o, const struct subject *s);

/* orders.c */
void write_lab_order(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_lab_result(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_lab_correction(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_imaging_order(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_imaging_report(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_prescription(struct v2_writer *w, const struct occasion *o, const struct subject *s);

/* visits.c */
void write_appointment(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_document(struct v2_writer *w, const struct occasion *o, const struct subject *s);
void write_vaccination(struct v2_writer *w, const struct occasion *o, const struct subject *s);

/* fhir.c: a transaction bundle into `buf`. */
void fhir_write_home_reading(struct buf *buf, const struct occasion *o, const struct subject *s);
void fhir_write_booking(struct buf *buf, const struct occasion *o, const struct subject *s);

/*        kind               system         type   event  structure  written by */
#define MESSAGE_TABLE(X)                                                                           \
  X(MESSAGE_ADD_PERSON, SYSTEM_HIS, "ADT", "A28", "ADT_A05", write_add_person)                     \
  X(MESSAGE_UPDATE_PERSON, SYSTEM_HIS, "ADT", "A31", "ADT_A05", write_add_person)                  \
  X(MESSAGE_CLINIC_ADD, SYSTEM_CLINIC, "ADT", "A28", "ADT_A05", write_add_person)                  \
  X(MESSAGE_CLINIC_UPDATE, SYSTEM_CLINIC, "ADT", "A31", "ADT_A05", write_add_person)               \
  X(MESSAGE_ADMIT, SYSTEM_HIS, "ADT", "A01", "ADT_A01", write_start)                               \
  X(MESSAGE_REGISTER, SYSTEM_HIS, "ADT", "A04", "ADT_A01", write_start)                            \
  X(MESSAGE_CLINIC_REGISTER, SYSTEM_CLINIC, "ADT", "A04", "ADT_A01", write_start)                  \
  X(MESSAGE_PRE_ADMIT, SYSTEM_HIS, "ADT", "A05", "ADT_A05", write_start)                           \
  X(MESSAGE_TO_INPATIENT, SYSTEM_HIS, "ADT", "A06", "ADT_A06", write_start)                        \
  X(MESSAGE_CHANGE, SYSTEM_HIS, "ADT", "A08", "ADT_A01", write_start)                              \
  X(MESSAGE_TRANSFER, SYSTEM_HIS, "ADT", "A02", "ADT_A02", write_transfer)                         \
  X(MESSAGE_DISCHARGE, SYSTEM_HIS, "ADT", "A03", "ADT_A03", write_discharge)                       \
  X(MESSAGE_CLINIC_END, SYSTEM_CLINIC, "ADT", "A03", "ADT_A03", write_discharge)                   \
  X(MESSAGE_CANCEL_ADMIT, SYSTEM_HIS, "ADT", "A11", "ADT_A09", write_cancel)                       \
  X(MESSAGE_CANCEL_DISCHARGE, SYSTEM_HIS, "ADT", "A13", "ADT_A01", write_start)                    \
  X(MESSAGE_MERGE, SYSTEM_HIS, "ADT", "A40", "ADT_A39", write_merge)                               \
  X(MESSAGE_LAB_ORDER, SYSTEM_HIS, "OML", "O21", "OML_O21", write_lab_order)                       \
  X(MESSAGE_LAB_RESULT, SYSTEM_LAB, "ORU", "R01", "ORU_R01", write_lab_result)                     \
  X(MESSAGE_LAB_CORRECTION, SYSTEM_LAB, "ORU", "R01", "ORU_R01", write_lab_correction)             \
  X(MESSAGE_IMAGING_ORDER, SYSTEM_HIS, "ORM", "O01", "ORM_O01", write_imaging_order)               \
  X(MESSAGE_IMAGING_REPORT, SYSTEM_RIS, "ORU", "R01", "ORU_R01", write_imaging_report)             \
  X(MESSAGE_PRESCRIPTION, SYSTEM_PHARM, "ORM", "O01", "ORM_O01", write_prescription)               \
  X(MESSAGE_BOOK, SYSTEM_SCHED, "SIU", "S12", "SIU_S12", write_appointment)                        \
  X(MESSAGE_RESCHEDULE, SYSTEM_SCHED, "SIU", "S13", "SIU_S12", write_appointment)                  \
  X(MESSAGE_MODIFY, SYSTEM_SCHED, "SIU", "S14", "SIU_S12", write_appointment)                      \
  X(MESSAGE_CANCEL, SYSTEM_SCHED, "SIU", "S15", "SIU_S12", write_appointment)                      \
  X(MESSAGE_NO_SHOW, SYSTEM_SCHED, "SIU", "S26", "SIU_S12", write_appointment)                     \
  X(MESSAGE_LETTER, SYSTEM_HIS, "MDM", "T02", "MDM_T02", write_document)                           \
  X(MESSAGE_CLINIC_NOTE, SYSTEM_CLINIC, "MDM", "T02", "MDM_T02", write_document)                   \
  X(MESSAGE_VACCINATION, SYSTEM_CLINIC, "VXU", "V04", "VXU_V04", write_vaccination)                \
  X(MESSAGE_HOME_READING, SYSTEM_PORTAL, "Bundle", "reading", "", NULL)                            \
  X(MESSAGE_PORTAL_BOOKING, SYSTEM_PORTAL, "Bundle", "booking", "", NULL)

enum message_kind {
#define X(kind, system, type, event, structure, write) kind,
  MESSAGE_TABLE(X)
#undef X
      MESSAGE_KINDS_N
};

struct message_facts {
  enum system_id system;
  const char *type, *event, *structure;
  message_write write; /* NULL: FHIR */
};
extern const struct message_facts message_facts[MESSAGE_KINDS_N];

/* Writes a message of this kind. */
void message_compose(struct buf *buf, enum message_kind kind, const struct occasion *o,
                     const struct subject *s);

#endif
