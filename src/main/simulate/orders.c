#include "main/simulate/messages.h"

#define MINUTE_US ((int64_t)60 * 1000000)

static void placer(const struct subject *s, char ret_number[16]) {
  snprintf(ret_number, 16, "O%07u", s->number);
}

static void filler(const struct v2_writer *w, const struct subject *s, char ret_number[24]) {
  snprintf(ret_number, 24, "%.3s%07u", w->system->application, s->number);
}

/* An order number, as EI with its owner. */
static void put_order_number(struct v2_writer *w, unsigned field, const char *number,
                             enum system_id owner) {
  const struct sending_system *s = &sending_systems[owner];
  if (w->system->has_bare_authority)
    v2_put(w, field, "%s^%s", number, s->authority);
  else
    v2_put(w, field, "%s^%s^%s^ISO", number, s->authority, s->authority_oid);
}

static void segment_orc(struct v2_writer *w, const struct occasion *o, const struct subject *s,
                        const char *control, bool has_filler) {
  char number[16], own[24];
  placer(s, number);
  filler(w, s, own);
  v2_segment(w, "ORC");
  v2_put(w, 1, "%s", control);
  put_order_number(w, 2, number, SYSTEM_HIS);
  if (has_filler)
    put_order_number(w, 3, own, o->system);
  if (o->system == SYSTEM_RIS) /* required in 2.3 */
    v2_put(w, 7, "1^^^%t^^R", s->since_us);
  v2_put(w, 9, "%t", s->since_us);
  if (o->person->episode.doctor)
    put_doctor(w, 12, o->person->episode.doctor);
}

/* OML^O21 */
void write_lab_order(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  const struct panel *panel = &catalog_panels[s->what];
  char number[16];
  placer(s, number);
  segment_pid(w, o);
  segment_pv1(w, o);
  segment_orc(w, o, s, "NW", false);
  v2_segment(w, "TQ1");
  v2_put(w, 1, "1");
  v2_put(w, 7, "%t", s->since_us);
  v2_put(w, 9, o->person->episode.class == 'E' ? "S^Stat^HL70485" : "R^Routine^HL70485");
  v2_segment(w, "OBR");
  v2_put(w, 1, "1");
  put_order_number(w, 2, number, SYSTEM_HIS);
  v2_put(w, 4, "%s^%s^99ALBAN^%s^%s^LN", panel->local, panel->name, panel->loinc,
         panel->loinc_name);
  if (o->person->episode.doctor)
    put_doctor(w, 16, o->person->episode.doctor);
}

/* Results */

static double value_of(const struct occasion *o, const struct subject *s, unsigned i) {
  const struct analyte *a = &catalog_panels[s->what].analytes[i];
  const struct person *p = o->person;
  struct chance lasting = {chance_of(p->seed, s->what * 16 + i)};
  struct chance passing = {chance_of(s->number, s->what * 16 + i)};
  double value = a->mean + a->person_deviation * chance_normal(&lasting) +
                 a->deviation * chance_normal(&passing) +
                 a->effect * person_influence(p, a->influence, s->since_us);
  double floor = a->mean * 0.08;
  return value > floor ? value : floor;
}

/* Table 0078. */
static const char *flag_of(const struct analyte *a, double value) {
  double width = a->high - a->low;
  if (a->high > 0 && value > a->high)
    return value > a->high + width ? "HH" : "H";
  if (value < a->low)
    return value < a->low - width / 2 ? "LL" : "L";
  return "N";
}

static void put_range(struct v2_writer *w, const struct analyte *a) {
  char range[32];
  if (a->low > 0)
    snprintf(range, sizeof range, "%.*f-%.*f", (int)a->decimals, a->low, (int)a->decimals, a->high);
  else
    snprintf(range, sizeof range, "<%.*f", (int)a->decimals, a->high);
  v2_put(w, 7, "%s", range);
}

/* OBX-3. The laboratory has its own codes; of some it never learnt the LOINC code. */
static void put_test(struct v2_writer *w, const struct analyte *a) {
  if (a->local[0] == 'M' || a->local[0] == 'P')
    v2_put(w, 3, "%s^%s^99LABCORE", a->local, a->name);
  else
    v2_put(w, 3, "%s^%s^LN^%s^%s^99LABCORE", a->loinc, a->loinc_name, a->local, a->name);
}

static void segment_result(struct v2_writer *w, const struct occasion *o, const struct subject *s,
                           unsigned i, double value, const char *status) {
  const struct analyte *a = &catalog_panels[s->what].analytes[i];
  bool is_below = a->detection > 0 && value < a->detection;
  char text[32];
  snprintf(text, sizeof text, "%.*f", (int)a->decimals, is_below ? a->detection : value);
  v2_segment(w, "OBX");
  v2_put(w, 1, "%u", i + 1);
  v2_put(w, 2, is_below ? "SN" : "NM");
  put_test(w, a);
  if (is_below)
    v2_put(w, 5, "<^%s", text);
  else
    v2_put(w, 5, "%s", text);
  v2_put(w, 6, i % 2 ? "%s" : "%s^^UCUM", a->unit);
  put_range(w, a);
  v2_put(w, 8, "%s", flag_of(a, value));
  v2_put(w, 11, "%s", status);
  v2_put(w, 14, "%t", s->since_us);
  v2_put(w, 19, "%t", o->at_us - 4 * MINUTE_US);
}

static void write_results(struct v2_writer *w, const struct occasion *o, const struct subject *s,
                          bool is_correction) {
  const struct panel *panel = &catalog_panels[s->what];
  unsigned n = panel_analytes_n(panel), wrong = s->number % n;
  char number[16], own[24];
  placer(s, number);
  filler(w, s, own);
  segment_pid(w, o);
  segment_pv1(w, o);
  segment_orc(w, o, s, "RE", true);
  v2_segment(w, "OBR");
  v2_put(w, 1, "1");
  put_order_number(w, 2, number, SYSTEM_HIS);
  put_order_number(w, 3, own, SYSTEM_LAB);
  v2_put(w, 4, "%s^%s^LN^%s^%s^99LABCORE", panel->loinc, panel->loinc_name, panel->local,
         panel->name);
  v2_put(w, 7, "%t", s->since_us);
  if (o->person->episode.doctor)
    put_doctor(w, 16, o->person->episode.doctor);
  v2_put(w, 22, "%t", o->at_us);
  v2_put(w, 24, "LAB");
  v2_put(w, 25, is_correction ? "C" : "F");
  for (unsigned i = 0; i < n; i++) {
    double value = value_of(o, s, i);
    /* One result in thirty is wrong at first; `write_lab_correction` follows it. */
    if (s->number % 30 == 0 && i == wrong && !is_correction)
      value *= 1.6;
    segment_result(w, o, s, i, value, is_correction && i == wrong ? "C" : "F");
  }
  if (is_correction) {
    v2_segment(w, "NTE");
    v2_put(w, 1, "1");
    v2_put(w, 2, "L");
    v2_put(w, 3, "%s",
           "Corrected result: the sample was measured again.\nPlease disregard the earlier value.");
  }
  v2_segment(w, "SPM");
  v2_put(w, 1, "1");
  v2_put(w, 2, "&%s&%s", own, "LABCORE");
  v2_put(w, 4, "%s^%s^HL70487", panel->specimen, panel->specimen_name);
  v2_put(w, 17, "%t", s->since_us);
}

void write_lab_result(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  write_results(w, o, s, false);
}

void write_lab_correction(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  write_results(w, o, s, true);
}

/* Imaging */

/* ORM^O01 */
void write_imaging_order(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  const struct study *study = &catalog_studies[s->what];
  char number[16];
  placer(s, number);
  segment_pid(w, o);
  segment_pv1(w, o);
  segment_orc(w, o, s, "NW", false);
  v2_segment(w, "OBR");
  v2_put(w, 1, "1");
  put_order_number(w, 2, number, SYSTEM_HIS);
  v2_put(w, 4, "%s^%s^99ALBAN", study->code, study->name);
  if (o->person->episode.doctor)
    put_doctor(w, 16, o->person->episode.doctor);
  v2_put(w, 24, "%s", study->modality);
}

/* ORU^R01 of the radiology system: one text. */
void write_imaging_report(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  const struct study *study = &catalog_studies[s->what];
  bool is_abnormal = o->person->episode.severity > 0.45;
  char number[16], own[24];
  placer(s, number);
  filler(w, s, own);
  segment_pid(w, o);
  segment_pv1(w, o);
  segment_orc(w, o, s, "RE", true);
  v2_segment(w, "OBR");
  v2_put(w, 1, "1");
  put_order_number(w, 2, number, SYSTEM_HIS);
  put_order_number(w, 3, own, SYSTEM_RIS);
  v2_put(w, 4, "%s^%s^99RADIS", study->code, study->name);
  v2_put(w, 7, "%t", s->since_us);
  v2_put(w, 22, "%t", o->at_us);
  v2_put(w, 24, "RAD");
  v2_put(w, 25, "F");
  v2_put(w, 27, "1^^^%t^^R", s->since_us); /* required in 2.3 */
  v2_segment(w, "OBX");
  v2_put(w, 1, "1");
  v2_put(w, 2, "TX");
  v2_put(w, 3, "%s^%s^99RADIS", study->code, study->name);
  v2_put(w, 5, "%s", is_abnormal ? study->abnormal : study->normal);
  v2_put(w, 8, is_abnormal ? "A" : "N");
  v2_put(w, 11, "F");
}

/* Medication */

/* ORM^O01 with RXO */
void write_prescription(struct v2_writer *w, const struct occasion *o, const struct subject *s) {
  const struct drug *drug = &catalog_drugs[s->what];
  segment_pid(w, o);
  segment_pv1(w, o);
  segment_orc(w, o, s, "NW", true);
  v2_segment(w, "RXO");
  v2_put(w, 1, "%s^%s^RXNORM", drug->code, drug->name);
  v2_put(w, 2, "%s", drug->amount);
  v2_put(w, 4, "%s^^UCUM", drug->unit);
  v2_put(w, 5, "%s", drug->dose_form);
  v2_put(w, 7, "^%s", drug->sig);
  if (o->person->episode.doctor)
    put_doctor(w, 14, o->person->episode.doctor);
}
