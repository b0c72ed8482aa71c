/*
 * One person's page: the patient, what the patients that it replaced brought, and the timeline,
 * each with the system that said it.
 */
#include "service/admin.h"

#include "base/map.h"
#include "flow/lineage.h"
#include "service/persons.h"
#include "service/timeline.h"
#include "service/titles.h"
#include "store/search/search.h"

#define TIMELINE_DEFAULT 500
#define TIMELINE_MAX 5000
#define RESOURCES_MAX 20000 /* of one person that are looked at for the timeline */
#define PAGE 1000
#define PATIENTS_MAX 20  /* that one person was merged from */
#define VERSIONS_MAX 500 /* of the patient that are asked who said an identifier */
#define REST_SOURCE "FHIR API"

/* One version of the patient, and what its message said of it. */
struct said {
  const struct store_lineage_row *row;
  const struct yyjson_val *json;
  struct lineage_entries lineage;
};

struct page {
  struct admin_call *call;
  struct store_view *view;
  struct store_resource patient;
  const struct yyjson_val *json;
  struct str patients[PATIENTS_MAX]; /* ids: the person, then those that it replaced */
  size_t patients_n;
  VEC(struct timeline_entry) entries;
  VEC(struct said) said;
  size_t resources_n;
  bool has_more;
  struct map senders; /* number of a message, as bytes -> struct str * */
  struct map sources; /* those that are shown -> themselves */
  struct map places;  /* id of a Location -> its name, struct str * */
};

/* ---- Who said it ---------------------------------------------------------------------------- */

static int sender_of(struct page *page, uint64_t number, struct str *ret_sender,
                     struct err *reterr) {
  struct arena *arena = page->call->arena;
  struct str key = str_n((const char *)&number, sizeof number);
  struct str *known = map_get(&page->senders, key);
  if (!known) {
    struct store_message_row row;
    int code = store_message_read(page->view, &page->call->access, arena, number, &row, reterr);
    if (code)
      return code;
    known = ARENA_NEW(arena, struct str);
    key = arena_str(arena, key);
    if (!known || !key.p || map_set(&page->senders, key, known) != 0)
      return err_no_memory(reterr);
    *known = row.sender;
  }
  *ret_sender = *known;
  return 0;
}

/* The message and the sender of one version: `rows` are those that came from messages. */
static int source_of(struct page *page, const struct store_lineage_row *row, struct str *ret_source,
                     uint64_t *ret_message, struct err *reterr) {
  *ret_source = STR(REST_SOURCE);
  *ret_message = row ? row->message : 0;
  int code = *ret_message ? sender_of(page, *ret_message, ret_source, reterr) : 0;
  if (code == 0 && map_set(&page->sources, *ret_source, page) != 0)
    return err_no_memory(reterr);
  return code;
}

static int lineage_of(struct page *page, const struct store_resource *resource,
                      struct store_lineage_rows *ret_rows, struct err *reterr) {
  *ret_rows = (struct store_lineage_rows){0};
  return store_lineage_of_resource(page->view, &page->call->access, page->call->arena,
                                   resource->type, resource->id, ret_rows, reterr);
}

/* ---- Collecting ----------------------------------------------------------------------------- */

static int add_entry(struct page *page, const struct store_resource *resource, struct err *reterr) {
  const struct yyjson_val *json;
  struct timeline_entry entry, *added;
  int code = json_parse(page->call->arena, resource->body, NULL, &json, reterr);
  if (code || !timeline_read(resource, json, &entry))
    return code;
  added = VEC_PUSH(page->call->arena, &page->entries);
  if (!added)
    return err_no_memory(reterr);
  *added = entry;
  return 0;
}

static int collect_patient(struct page *page, struct str id, struct err *reterr) {
  struct str cursor = STR_NULL;
  do {
    struct search_result result = {0};
    struct search_everything_query query = {.compartment = page->patient.type,
                                            .id = id,
                                            .start_us = INT64_MIN,
                                            .end_us = INT64_MAX,
                                            .since_us = INT64_MIN,
                                            .count = PAGE,
                                            .cursor = cursor};
    int code = search_everything(page->view, &page->call->access, page->call->arena, &query,
                                 &result, reterr);
    if (code)
      return code;
    for (size_t i = 0; i < result.rows_n; i++)
      if ((code = add_entry(page, &result.rows[i].resource, reterr)) != 0)
        return code;
    page->resources_n += result.rows_n;
    cursor = result.next_cursor;
  } while (cursor.n > 0 && page->resources_n < RESOURCES_MAX);
  page->has_more = page->has_more || cursor.n > 0;
  return 0;
}

static bool has_patient(const struct page *page, struct str id) {
  for (size_t i = 0; i < page->patients_n; i++)
    if (str_equal(page->patients[i], id))
      return true;
  return false;
}

/* The patients that this one replaced, and those that they replaced. */
static int follow_links(struct page *page, struct err *reterr) {
  for (size_t i = 0; i < page->patients_n; i++) {
    struct store_resource resource = page->patient;
    const struct yyjson_val *json = page->json;
    struct str id;
    int code = 0;
    if (i > 0)
      code = store_read(page->view, &page->call->access, page->call->arena, page->patient.type,
                        page->patients[i], &resource, reterr);
    if (code == ERR_NOT_FOUND || code == ERR_DELETED)
      continue;
    if (code == 0 && i > 0)
      code = json_parse(page->call->arena, resource.body, NULL, &json, reterr);
    if (code)
      return code;
    for (size_t at = 0; (id = persons_next_link(json, "replaces", &at)).n > 0;)
      if (!has_patient(page, id) && page->patients_n < PATIENTS_MAX)
        page->patients[page->patients_n++] = id;
  }
  return 0;
}

/* The name of where an encounter takes place; none where it can't be read. */
static int add_place(struct page *page, struct timeline_entry *entry, struct err *reterr) {
  struct arena *arena = page->call->arena;
  struct str id = timeline_location(entry);
  struct store_resource resource;
  const struct yyjson_val *json;
  if (id.n == 0)
    return 0;
  struct str *name = map_get(&page->places, id);
  if (!name) {
    name = ARENA_NEW(arena, struct str);
    if (!name || map_set(&page->places, id, name) != 0)
      return err_no_memory(reterr);
    int code = store_read(page->view, &page->call->access, arena,
                          defs_type_by_name(STR("Location")), id, &resource, reterr);
    if (code == ERR_NOT_FOUND || code == ERR_DELETED)
      return 0;
    if (code || (code = json_parse(arena, resource.body, NULL, &json, reterr)) != 0)
      return code;
    *name = json_get_text(json, STR("name"));
  }
  entry->place = *name;
  return 0;
}

/* Only for what is shown: a look into the log for each. */
static int add_sources(struct page *page, size_t n, struct err *reterr) {
  for (size_t i = 0; i < n; i++) {
    struct timeline_entry *entry = &page->entries.p[i];
    struct store_lineage_rows rows;
    int code = lineage_of(page, entry->resource, &rows, reterr);
    if (code == 0)
      code = source_of(page, rows.n > 0 ? rows.p : NULL, &entry->source, &entry->message, reterr);
    if (code == 0)
      code = add_place(page, entry, reterr);
    if (code)
      return code;
  }
  return 0;
}

/* ---- Identifiers with who brought them ------------------------------------------------------ */

static ssize_t index_of_identifier(const struct yyjson_val *patient,
                                   const struct yyjson_val *wanted) {
  struct json_each each = json_each(json_get(patient, STR("identifier")));
  while (json_next(&each))
    if (str_equal(json_get_text(each.value, STR("system")), json_get_text(wanted, STR("system"))) &&
        str_equal(json_get_text(each.value, STR("value")), json_get_text(wanted, STR("value"))))
      return (ssize_t)each.index;
  return -1;
}

static bool says_identifier(const struct said *said, const struct yyjson_val *wanted) {
  ssize_t index = index_of_identifier(said->json, wanted);
  if (index < 0)
    return false;
  char element[40];
  snprintf(element, sizeof element, "identifier[%zu]", (size_t)index);
  for (size_t i = 0; i < said->lineage.n; i++)
    if (str_starts_with(said->lineage.p[i].element, str_of(element)))
      return true;
  return false;
}

static int add_said(struct page *page, const struct store_lineage_row *row, struct err *reterr) {
  struct said *said = VEC_PUSH(page->call->arena, &page->said);
  int code = 0;
  if (!said)
    return err_no_memory(reterr);
  *said = (struct said){.row = row};
  if (row->lineage.n > 0)
    code = lineage_decode(page->call->arena, row->lineage, &said->lineage, reterr);
  if (code == 0 && row->resource.body.n > 0)
    code = json_parse(page->call->arena, row->resource.body, NULL, &said->json, reterr);
  return code;
}

/* The newest versions that came from messages, also of patients that were merged into this one:
 * their identifiers came from there. The oldest is last. */
static int read_said(struct page *page, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < page->patients_n && code == 0; i++) {
    struct store_lineage_rows rows = {0};
    struct store_resource patient = {.type = page->patient.type, .id = page->patients[i]};
    code = lineage_of(page, &patient, &rows, reterr);
    for (size_t k = 0; k < rows.n && k < VERSIONS_MAX && code == 0; k++)
      code = add_said(page, &rows.p[k], reterr);
  }
  return code;
}

/* Every system that said it, the first one first; who wrote it over REST is all that is left where
 * no message did. */
static int write_identifier_sources(struct page *page, const struct yyjson_val *identifier,
                                    struct err *reterr) {
  struct json_writer *w = &page->call->w;
  struct map seen;
  struct str source;
  uint64_t message;
  int code = 0;
  map_init(&seen, page->call->arena);
  json_key(w, STR("sources"));
  json_begin_array(w);
  for (size_t i = page->said.n; i > 0 && code == 0; i--) {
    if (!says_identifier(&page->said.p[i - 1], identifier))
      continue;
    code = source_of(page, page->said.p[i - 1].row, &source, &message, reterr);
    if (code || map_get(&seen, source))
      continue;
    json_string(w, source);
    if (map_set(&seen, source, page) != 0)
      code = err_no_memory(reterr);
  }
  if (code == 0 && seen.n == 0 && (code = source_of(page, NULL, &source, &message, reterr)) == 0)
    json_string(w, source);
  json_end_array(w);
  return code;
}

static int write_identifiers(struct page *page, struct err *reterr) {
  struct json_writer *w = &page->call->w;
  int code = read_said(page, reterr);
  json_key(w, STR("identifiers"));
  json_begin_array(w);
  struct json_each each = json_each(json_get(page->json, STR("identifier")));
  while (code == 0 && json_next(&each)) {
    json_begin_object(w);
    persons_write_identifier(w, each.value);
    code = write_identifier_sources(page, each.value, reterr);
    json_end_object(w);
  }
  json_end_array(w);
  return code;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void write_names(struct page *page) {
  struct json_writer *w = &page->call->w;
  struct json_each each = json_each(json_get(page->json, STR("name")));
  json_key(w, STR("names"));
  json_begin_array(w);
  while (json_next(&each)) {
    json_begin_object(w);
    json_member_string(w, STR("text"), titles_name(page->call->arena, each.value));
    admin_member(w, "use", json_get_text(each.value, STR("use")));
    json_end_object(w);
  }
  json_end_array(w);
}

static void write_contact(struct page *page) {
  struct json_writer *w = &page->call->w;
  struct json_each telecom = json_each(json_get(page->json, STR("telecom")));
  json_key(w, STR("telecom"));
  json_begin_array(w);
  while (json_next(&telecom)) {
    json_begin_object(w);
    admin_member(w, "system", json_get_text(telecom.value, STR("system")));
    json_member_string(w, STR("value"), json_get_text(telecom.value, STR("value")));
    admin_member(w, "use", json_get_text(telecom.value, STR("use")));
    json_end_object(w);
  }
  json_end_array(w);
  struct json_each address = json_each(json_get(page->json, STR("address")));
  json_key(w, STR("addresses"));
  json_begin_array(w);
  while (json_next(&address))
    json_string(w, titles_address(page->call->arena, address.value));
  json_end_array(w);
}

static void write_person_details(struct page *page) {
  struct json_writer *w = &page->call->w;
  struct json_each language = json_each(json_get(page->json, STR("communication")));
  admin_member(w, "maritalStatus", titles_concept(json_get(page->json, STR("maritalStatus"))));
  if (json_next(&language))
    admin_member(w, "language", titles_concept(json_get(language.value, STR("language"))));
}

static void write_links(struct page *page) {
  static const char *const types[] = {"replaces", "replaced-by", "seealso", "refer"};
  struct json_writer *w = &page->call->w;
  json_key(w, STR("links"));
  json_begin_array(w);
  for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
    struct str id;
    for (size_t at = 0; (id = persons_next_link(page->json, types[i], &at)).n > 0;) {
      json_begin_object(w);
      json_member_string(w, STR("id"), id);
      json_member_string(w, STR("type"), str_of(types[i]));
      json_end_object(w);
    }
  }
  json_end_array(w);
}

static int write_page(struct page *page, size_t count, struct err *reterr) {
  struct json_writer *w = &page->call->w;
  size_t shown = page->entries.n < count ? page->entries.n : count;
  if (page->entries.n > 1)
    qsort(page->entries.p, page->entries.n, sizeof *page->entries.p, timeline_compare);
  int code = add_sources(page, shown, reterr);
  if (code)
    return code;
  json_begin_object(w);
  json_member_string(w, STR("id"), page->patient.id);
  json_member_int(w, STR("version"), page->patient.version);
  admin_member_instant(w, "lastUpdated", page->patient.updated_us);
  persons_write_basics(w, page->call->arena, page->json);
  write_names(page);
  write_contact(page);
  write_person_details(page);
  code = write_identifiers(page, reterr);
  write_links(page);
  json_key(w, STR("sources"));
  json_begin_array(w);
  for (size_t i = 0; i < page->sources.n; i++)
    json_string(w, page->sources.entries[i].key);
  json_end_array(w);
  json_key(w, STR("timeline"));
  json_begin_array(w);
  for (size_t i = 0; i < shown; i++)
    timeline_write(w, page->call->arena, &page->entries.p[i]);
  json_end_array(w);
  json_member_bool(w, STR("more"), page->has_more || shown < page->entries.n);
  json_end_object(w);
  return code;
}

static int read_person(struct page *page, struct err *reterr) {
  struct admin_call *call = page->call;
  int code = store_read(page->view, &call->access, call->arena, defs_type_by_name(STR("Patient")),
                        call->path[1], &page->patient, reterr);
  if (code == 0)
    code = json_parse(call->arena, page->patient.body, NULL, &page->json, reterr);
  if (code)
    return code;
  page->patients[page->patients_n++] = page->patient.id;
  code = follow_links(page, reterr);
  for (size_t i = 0; i < page->patients_n && code == 0; i++)
    code = collect_patient(page, page->patients[i], reterr);
  return code;
}

int admin_person(struct admin_call *call, struct err *reterr) {
  struct page *page = ARENA_NEW(call->arena, struct page);
  uint64_t count;
  if (!page)
    return err_no_memory(reterr);
  page->call = call;
  map_init(&page->senders, call->arena);
  map_init(&page->sources, call->arena);
  map_init(&page->places, call->arena);
  int code = admin_param_number(call, "count", TIMELINE_DEFAULT, TIMELINE_MAX, &count, reterr);
  if (code == 0)
    code = store_view_open(call->service->options.store, &page->view, reterr);
  if (code)
    return code;
  code = read_person(page, reterr);
  if (code == 0)
    code = write_page(page, (size_t)count, reterr);
  store_view_close(page->view);
  return code;
}
