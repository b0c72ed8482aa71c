#include "service/timeline.h"

#include "model/search_values.h"
#include "service/titles.h"

/* Paths lead through objects, and into the first item of arrays. */
struct timeline_row {
  const char *type, *kind;
  const char *dates[6], *ends[3];
  const char *status;
};

static const struct timeline_row rows[] = {
    {"Encounter", "encounter", {"period.start", "period.end"}, {"period.end"}, "status"},
    {"Observation",
     "result",
     {"effectiveDateTime", "effectivePeriod.start", "effectiveInstant", "issued"},
     {"effectivePeriod.end"},
     "status"},
    {"DiagnosticReport",
     "report",
     {"effectiveDateTime", "effectivePeriod.start", "issued"},
     {"effectivePeriod.end"},
     "status"},
    {"Condition",
     "problem",
     {"onsetDateTime", "onsetPeriod.start", "recordedDate"},
     {"abatementDateTime", "abatementPeriod.end"},
     "clinicalStatus"},
    {"MedicationRequest", "medication", {"authoredOn"}, {NULL}, "status"},
    {"MedicationStatement",
     "medication",
     {"effectiveDateTime", "effectivePeriod.start", "dateAsserted"},
     {"effectivePeriod.end"},
     "status"},
    {"MedicationAdministration",
     "medication",
     {"effectiveDateTime", "effectivePeriod.start"},
     {"effectivePeriod.end"},
     "status"},
    {"MedicationDispense", "medication", {"whenHandedOver", "whenPrepared"}, {NULL}, "status"},
    {"AllergyIntolerance",
     "allergy",
     {"onsetDateTime", "onsetPeriod.start", "recordedDate", "lastOccurrence"},
     {NULL},
     "clinicalStatus"},
    {"Immunization", "immunization", {"occurrenceDateTime", "recorded"}, {NULL}, "status"},
    {"Appointment",
     "appointment",
     {"start", "requestedPeriod.start", "created"},
     {"end"},
     "status"},
    {"DocumentReference", "document", {"date", "context.period.start"}, {NULL}, "status"},
    {"Composition", "document", {"date"}, {NULL}, "status"},
    {"Procedure",
     "procedure",
     {"performedDateTime", "performedPeriod.start"},
     {"performedPeriod.end"},
     "status"},
    {"ServiceRequest",
     "order",
     {"occurrenceDateTime", "occurrencePeriod.start", "authoredOn"},
     {"occurrencePeriod.end"},
     "status"},
};

static const struct yyjson_val *first(const struct yyjson_val *v) {
  struct json_each each = json_each(v);
  return json_kind(v) == JSON_ARRAY ? (json_next(&each) ? each.value : NULL) : v;
}

static const struct yyjson_val *pick(const struct yyjson_val *v, const char *path) {
  struct str rest = str_of(path), name;
  while (v && rest.n > 0 && str_split(&rest, '.', &name))
    v = first(json_get(v, name));
  return v;
}

static struct str pick_text(const struct yyjson_val *v, const char *path) {
  return json_text(pick(v, path));
}

static struct str pick_any(const struct yyjson_val *v, const char *const *paths, size_t n) {
  struct str text = STR_NULL;
  for (size_t i = 0; i < n && paths[i] && text.n == 0; i++)
    text = pick_text(v, paths[i]);
  return text;
}

static const struct timeline_row *find_row(struct str type) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
    if (str_is(type, rows[i].type))
      return &rows[i];
  return NULL;
}

bool timeline_read(const struct store_resource *resource, const struct yyjson_val *json,
                   struct timeline_entry *ret_entry) {
  const struct timeline_row *row = find_row(defs_type(resource->type)->name);
  if (!row)
    return false;
  struct timeline_entry entry = {.kind = row->kind, .resource = resource, .json = json};
  int64_t end_us;
  entry.date = pick_any(json, row->dates, sizeof row->dates / sizeof row->dates[0]);
  entry.end = pick_any(json, row->ends, sizeof row->ends / sizeof row->ends[0]);
  if (!search_normal_date(entry.date, &entry.at_us, &end_us))
    entry.at_us = INT64_MIN;
  *ret_entry = entry;
  return true;
}

int timeline_compare(const void *a, const void *b) {
  const struct timeline_entry *x = a, *y = b;
  if (x->at_us != y->at_us)
    return x->at_us < y->at_us ? 1 : -1;
  return x->resource->rid < y->resource->rid ? 1 : x->resource->rid > y->resource->rid ? -1 : 0;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void member(struct json_writer *w, const char *name, struct str value) {
  if (value.n > 0)
    json_member_string(w, str_of(name), value);
}

static struct str quantity_unit(const struct yyjson_val *quantity) {
  struct str unit = json_get_text(quantity, STR("unit"));
  return unit.n > 0 ? unit : json_get_text(quantity, STR("code"));
}

/* The value of an Observation, in whichever form it came; several components as one text. */
static void write_value(struct json_writer *w, struct arena *arena, const struct yyjson_val *json) {
  static const char *const plain[] = {"valueString",  "valueInteger", "valueDateTime",
                                      "valueBoolean", "valueTime",    "valuePeriod.start"};
  const struct yyjson_val *quantity = json_get(json, STR("valueQuantity"));
  struct json_each each = json_each(json_get(json, STR("component")));
  struct buf buf;
  if (quantity) {
    struct str value = json_text(json_get(quantity, STR("value")));
    struct str comparator = json_get_text(quantity, STR("comparator"));
    member(w, "value", arena_printf(arena, "%.*s%.*s", STR_ARG(comparator), STR_ARG(value)));
    member(w, "unit", quantity_unit(quantity));
    return;
  }
  struct str value = titles_concept(json_get(json, STR("valueCodeableConcept")));
  if (value.n == 0)
    value = pick_any(json, plain, sizeof plain / sizeof plain[0]);
  buf_init_arena(&buf, arena, 4096);
  while (value.n == 0 && json_next(&each)) {
    const struct yyjson_val *part = json_get(each.value, STR("valueQuantity"));
    buf_printf(&buf, "%s%.*s %.*s %.*s", buf.n > 0 ? ", " : "",
               STR_ARG(titles_concept(json_get(each.value, STR("code")))),
               STR_ARG(json_text(json_get(part, STR("value")))), STR_ARG(quantity_unit(part)));
  }
  member(w, "value", value.n > 0 ? value : buf_str(&buf));
}

static void write_range(struct json_writer *w, struct arena *arena, const struct yyjson_val *json) {
  struct str text = pick_text(json, "referenceRange.text");
  struct str low = json_text(pick(json, "referenceRange.low.value"));
  struct str high = json_text(pick(json, "referenceRange.high.value"));
  if (text.n == 0 && low.n > 0 && high.n > 0)
    text = arena_printf(arena, "%.*s-%.*s", STR_ARG(low), STR_ARG(high));
  else if (text.n == 0 && low.n > 0)
    text = arena_printf(arena, ">= %.*s", STR_ARG(low));
  else if (text.n == 0 && high.n > 0)
    text = arena_printf(arena, "<= %.*s", STR_ARG(high));
  member(w, "range", text);
}

/* Only what calls for a look; N and its kind are left out. */
static void write_flag(struct json_writer *w, const struct yyjson_val *json) {
  static const char *const flags[] = {"H", "L", "HH", "LL", "A", "AA"};
  struct str code = pick_text(json, "interpretation.coding.code");
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
    if (str_is(code, flags[i]))
      json_member_string(w, STR("flag"), code);
}

static struct str encounter_class(const struct yyjson_val *json) {
  struct str class = pick_text(json, "class.display");
  return class.n > 0
             ? class
             : defs_code_display(pick_text(json, "class.system"), pick_text(json, "class.code"));
}

/* The first concept among these elements that has a text. */
static struct str concept_of(const struct yyjson_val *json, const char *const *paths, size_t n) {
  struct str text = STR_NULL;
  for (size_t i = 0; i < n && text.n == 0; i++)
    text = titles_concept(pick(json, paths[i]));
  return text;
}

static const char *const encounter_concepts[] = {"serviceType", "type", "reasonCode"};
static const char *const appointment_concepts[] = {"serviceType", "reasonCode", "appointmentType"};

static struct str title_of(struct arena *arena, const struct timeline_entry *entry) {
  struct str title = STR_NULL;
  if (strcmp(entry->kind, "encounter") == 0) {
    title = encounter_class(entry->json);
    if (title.n == 0)
      title = concept_of(entry->json, encounter_concepts, 3);
  } else if (strcmp(entry->kind, "appointment") == 0 || strcmp(entry->kind, "document") == 0) {
    title = json_get_text(entry->json, STR("description"));
    if (title.n == 0)
      title = json_get_text(entry->json, STR("title"));
    if (title.n == 0 && strcmp(entry->kind, "appointment") == 0)
      title = concept_of(entry->json, appointment_concepts, 3);
  }
  return title.n > 0 ? title : titles_resource(arena, entry->json);
}

/* A line of its own per kind, where the title says too little. */
static struct str detail_of(const struct timeline_entry *entry) {
  if (strcmp(entry->kind, "encounter") == 0 && encounter_class(entry->json).n > 0)
    return concept_of(entry->json, encounter_concepts, 3);
  if (strcmp(entry->kind, "appointment") == 0)
    return json_get_text(entry->json, STR("comment"));
  static const char *const paths[] = {"location.location.display",
                                      "dosageInstruction.text",
                                      "dosage.text",
                                      "conclusion",
                                      "reasonCode.text",
                                      "comment",
                                      "note.text",
                                      "serviceProvider.display"};
  return pick_any(entry->json, paths, sizeof paths / sizeof paths[0]);
}

static struct str id_in(struct str reference, struct str prefix) {
  return str_starts_with(reference, prefix) ? str_slice(reference, prefix.n, reference.n)
                                            : STR_NULL;
}

static struct str encounter_id(const struct yyjson_val *json) {
  static const char *const paths[] = {"encounter.reference", "context.reference",
                                      "context.encounter.reference"};
  return id_in(pick_any(json, paths, 3), STR("Encounter/"));
}

/* The results of a report and its order, so that they read as one thing. */
static void write_results(struct json_writer *w, const struct yyjson_val *json) {
  struct json_each each = json_each(json_get(json, STR("result")));
  json_key(w, STR("results"));
  json_begin_array(w);
  while (json_next(&each)) {
    struct str id = id_in(json_get_text(each.value, STR("reference")), STR("Observation/"));
    if (id.n > 0)
      json_string(w, id);
  }
  json_end_array(w);
  member(w, "order", id_in(pick_text(json, "basedOn.reference"), STR("ServiceRequest/")));
}

struct str timeline_location(const struct timeline_entry *entry) {
  struct json_each each = json_each(json_get(entry->json, STR("location")));
  struct str found = STR_NULL;
  while (strcmp(entry->kind, "encounter") == 0 && json_next(&each)) {
    struct str reference = pick_text(each.value, "location.reference");
    if (found.n == 0 || str_is(json_get_text(each.value, STR("status")), "active"))
      found = id_in(reference, STR("Location/"));
    if (str_is(json_get_text(each.value, STR("status")), "active"))
      break;
  }
  return found;
}

static void write_code(struct json_writer *w, const struct yyjson_val *json) {
  static const char *const paths[] = {"code", "vaccineCode", "medicationCodeableConcept", "type"};
  const struct yyjson_val *coding = NULL;
  for (size_t i = 0; i < 4 && !coding; i++)
    coding = titles_coding(pick(json, paths[i]));
  if (!coding)
    return;
  json_key(w, STR("code"));
  json_begin_object(w);
  member(w, "system", json_get_text(coding, STR("system")));
  member(w, "code", json_get_text(coding, STR("code")));
  json_end_object(w);
}

static struct str status_of(const struct timeline_entry *entry) {
  const struct timeline_row *row = find_row(defs_type(entry->resource->type)->name);
  const struct yyjson_val *status = json_get(entry->json, str_of(row ? row->status : "status"));
  return json_kind(status) == JSON_STRING ? json_text(status)
                                          : json_get_text(titles_coding(status), STR("code"));
}

void timeline_write(struct json_writer *w, struct arena *arena,
                    const struct timeline_entry *entry) {
  json_begin_object(w);
  json_member_string(w, STR("kind"), str_of(entry->kind));
  json_member_string(w, STR("type"), defs_type(entry->resource->type)->name);
  json_member_string(w, STR("id"), entry->resource->id);
  json_member_int(w, STR("version"), entry->resource->version);
  member(w, "date", entry->date);
  member(w, "end", entry->end);
  member(w, "title", title_of(arena, entry));
  if (strcmp(entry->kind, "report") == 0)
    write_results(w, entry->json);
  if (strcmp(entry->kind, "encounter") == 0)
    member(w, "place", entry->place);
  if (strcmp(entry->kind, "result") == 0) {
    write_value(w, arena, entry->json);
    write_range(w, arena, entry->json);
    write_flag(w, entry->json);
  }
  member(w, "status", status_of(entry));
  member(w, "detail", detail_of(entry));
  write_code(w, entry->json);
  member(w, "encounter", encounter_id(entry->json));
  member(w, "source", entry->source);
  if (entry->message)
    json_member_int(w, STR("message"), (int64_t)entry->message);
  json_end_object(w);
}
