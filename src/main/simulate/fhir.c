#include "main/simulate/messages.h"

#include "base/clock.h"
#include "base/id.h"
#include "format/json.h"

/*
 * What the patients' portal sends: transaction bundles. The patient is named by the HIS number and
 * made where the receiver does not have it.
 */

static void write_instant(struct json_writer *w, struct str name, int64_t at_us) {
  char text[CLOCK_INSTANT_BYTES];
  size_t n = clock_format_instant(at_us, text);
  json_member_string(w, name, str_n(text, n));
}

static void write_identifier(struct json_writer *w, enum system_id system, const char *value) {
  char uri[40];
  sending_system_uri(system, uri, sizeof uri);
  json_begin_object(w);
  json_member_string(w, STR("system"), str_of(uri));
  json_member_string(w, STR("value"), str_of(value));
  json_end_object(w);
}

static void write_coding(struct json_writer *w, const char *system, const char *code,
                         const char *display) {
  json_begin_object(w);
  json_key(w, STR("coding"));
  json_begin_array(w);
  json_begin_object(w);
  json_member_string(w, STR("system"), str_of(system));
  json_member_string(w, STR("code"), str_of(code));
  json_member_string(w, STR("display"), str_of(display));
  json_end_object(w);
  json_end_array(w);
  json_end_object(w);
}

static void patient_urn(const struct occasion *o, char ret_urn[64]) {
  char uuid[ID_UUID_BYTES];
  const struct str parts[] = {STR("patient"), str_n((const char *)&o->person->seed, 8)};
  id_uuid_of(parts, 2, uuid);
  snprintf(ret_urn, 64, "urn:uuid:%s", uuid);
}

static void write_reference(struct json_writer *w, struct str name, const char *reference) {
  json_key(w, name);
  json_begin_object(w);
  json_member_string(w, STR("reference"), str_of(reference));
  json_end_object(w);
}

static void write_request(struct json_writer *w, const char *method, const char *url,
                          const char *if_none_exist) {
  json_key(w, STR("request"));
  json_begin_object(w);
  json_member_string(w, STR("method"), str_of(method));
  json_member_string(w, STR("url"), str_of(url));
  if (if_none_exist)
    json_member_string(w, STR("ifNoneExist"), str_of(if_none_exist));
  json_end_object(w);
}

static void write_birth_date(struct json_writer *w, const struct person *p) {
  static const size_t lengths[] = {[BIRTH_DAY] = 10, [BIRTH_MONTH] = 7, [BIRTH_YEAR] = 4};
  char text[CLOCK_INSTANT_BYTES];
  clock_format_instant(p->birth_us, text);
  json_member_string(w, STR("birthDate"), str_n(text, lengths[p->birth_precision]));
}

static void write_patient_entry(struct json_writer *w, const struct occasion *o) {
  const struct person *p = o->person;
  char urn[64], mrn[24], uri[40], search[96];
  patient_urn(o, urn);
  person_mrn(p->mrn, mrn, sizeof mrn);
  sending_system_uri(SYSTEM_HIS, uri, sizeof uri);
  snprintf(search, sizeof search, "identifier=%s|%s", uri, mrn);
  json_begin_object(w);
  json_member_string(w, STR("fullUrl"), str_of(urn));
  json_key(w, STR("resource"));
  json_begin_object(w);
  json_member_string(w, STR("resourceType"), STR("Patient"));
  json_key(w, STR("identifier"));
  json_begin_array(w);
  write_identifier(w, SYSTEM_HIS, mrn);
  json_end_array(w);
  json_key(w, STR("name"));
  json_begin_array(w);
  json_begin_object(w);
  json_member_string(w, STR("family"), str_of(p->family->own));
  json_key(w, STR("given"));
  json_begin_array(w);
  json_string(w, str_of(p->given->own));
  json_end_array(w);
  json_end_object(w);
  json_end_array(w);
  json_member_string(w, STR("gender"), p->is_female ? STR("female") : STR("male"));
  write_birth_date(w, p);
  json_end_object(w);
  write_request(w, "POST", "Patient", search);
  json_end_object(w);
}

static struct json_writer begin_transaction(struct buf *buf, const struct occasion *o) {
  struct json_writer w = json_writer(buf);
  json_begin_object(&w);
  json_member_string(&w, STR("resourceType"), STR("Bundle"));
  json_member_string(&w, STR("type"), STR("transaction"));
  json_key(&w, STR("entry"));
  json_begin_array(&w);
  write_patient_entry(&w, o);
  return w;
}

static void end_transaction(struct json_writer *w) {
  json_end_array(w);
  json_end_object(w);
}

static void write_quantity(struct json_writer *w, int tenths, const char *unit) {
  char number[16];
  int n = snprintf(number, sizeof number, "%d.%d", tenths / 10, tenths % 10);
  json_key(w, STR("valueQuantity"));
  json_begin_object(w);
  json_key(w, STR("value"));
  json_raw(w, str_n(number, (size_t)n));
  json_member_string(w, STR("unit"), str_of(unit));
  json_member_string(w, STR("system"), STR("http://unitsofmeasure.org"));
  json_member_string(w, STR("code"), str_of(unit));
  json_end_object(w);
}

static void write_component(struct json_writer *w, const char *code, const char *name, int value) {
  json_begin_object(w);
  json_key(w, STR("code"));
  write_coding(w, "http://loinc.org", code, name);
  write_quantity(w, value * 10, "mm[Hg]");
  json_end_object(w);
}

static void write_reading(struct json_writer *w, const struct occasion *o) {
  bool is_diabetic = person_influence(o->person, INFLUENCE_DIABETES, o->at_us) > 0;
  json_key(w, STR("code"));
  if (is_diabetic) {
    double value = 5.2 + chance_normal(o->chance) * 0.7 +
                   6.0 * person_influence(o->person, INFLUENCE_DIABETES, o->at_us);
    write_coding(w, "http://loinc.org", "15074-8", "Glucose [Moles/volume] in Blood");
    write_quantity(w, (int)(value * 10), "mmol/L");
    return;
  }
  int systolic = 128 + (int)(o->person->seed % 25) + (int)(chance_normal(o->chance) * 6);
  write_coding(w, "http://loinc.org", "85354-9", "Blood pressure panel with all children optional");
  json_key(w, STR("component"));
  json_begin_array(w);
  write_component(w, "8480-6", "Systolic blood pressure", systolic);
  write_component(w, "8462-4", "Diastolic blood pressure", systolic * 6 / 10 + 4);
  json_end_array(w);
}

void fhir_write_home_reading(struct buf *buf, const struct occasion *o, const struct subject *s) {
  char urn[64], value[24], uri[40], search[96];
  struct json_writer w = begin_transaction(buf, o);
  patient_urn(o, urn);
  sending_system_uri(SYSTEM_PORTAL, uri, sizeof uri);
  snprintf(value, sizeof value, "reading-%u", s->number);
  snprintf(search, sizeof search, "identifier=%s|%s", uri, value);
  json_begin_object(&w);
  json_key(&w, STR("resource"));
  json_begin_object(&w);
  json_member_string(&w, STR("resourceType"), STR("Observation"));
  json_key(&w, STR("identifier"));
  json_begin_array(&w);
  write_identifier(&w, SYSTEM_PORTAL, value);
  json_end_array(&w);
  json_member_string(&w, STR("status"), STR("final"));
  json_key(&w, STR("category"));
  json_begin_array(&w);
  write_coding(&w, "http://terminology.hl7.org/CodeSystem/observation-category", "vital-signs",
               "Vital Signs");
  json_end_array(&w);
  write_reading(&w, o);
  write_reference(&w, STR("subject"), urn);
  write_instant(&w, STR("effectiveDateTime"), o->at_us);
  json_key(&w, STR("device"));
  json_begin_object(&w);
  json_member_string(&w, STR("display"), STR("Home meter"));
  json_end_object(&w);
  json_end_object(&w);
  write_request(&w, "POST", "Observation", search);
  json_end_object(&w);
  end_transaction(&w);
}

void fhir_write_booking(struct buf *buf, const struct occasion *o, const struct subject *s) {
  const struct visit_type *type = &catalog_visit_types[s->what];
  char urn[64], value[24], uri[40], url[96];
  struct json_writer w = begin_transaction(buf, o);
  patient_urn(o, urn);
  sending_system_uri(SYSTEM_PORTAL, uri, sizeof uri);
  snprintf(value, sizeof value, "booking-%u", s->number);
  snprintf(url, sizeof url, "Appointment?identifier=%s|%s", uri, value);
  json_begin_object(&w);
  json_key(&w, STR("resource"));
  json_begin_object(&w);
  json_member_string(&w, STR("resourceType"), STR("Appointment"));
  json_key(&w, STR("identifier"));
  json_begin_array(&w);
  write_identifier(&w, SYSTEM_PORTAL, value);
  json_end_array(&w);
  json_member_string(&w, STR("status"), STR("booked"));
  json_member_string(&w, STR("description"), str_of(type->name));
  write_instant(&w, STR("start"), s->until_us);
  write_instant(&w, STR("end"), s->until_us + (int64_t)type->minutes * 60000000);
  json_member_int(&w, STR("minutesDuration"), type->minutes);
  json_key(&w, STR("participant"));
  json_begin_array(&w);
  json_begin_object(&w);
  write_reference(&w, STR("actor"), urn);
  json_member_string(&w, STR("status"), STR("accepted"));
  json_end_object(&w);
  json_end_array(&w);
  json_end_object(&w);
  write_request(&w, "PUT", url, NULL);
  json_end_object(&w);
  end_transaction(&w);
}
