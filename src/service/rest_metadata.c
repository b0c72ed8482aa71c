/*
 * The CapabilityStatement: from the table of operations, the definitions and what search says of
 * itself.
 */
#include "service/rest.h"

#include "base/clock.h"
#include "format/json.h"

#define STATEMENT_MAX_BYTES ((size_t)16 << 20)

static const char *search_type_name(enum search_type type) {
  static const char *const names[] = {
      [SEARCH_NUMBER] = "number",       [SEARCH_DATE] = "date",
      [SEARCH_STRING] = "string",       [SEARCH_TOKEN] = "token",
      [SEARCH_REFERENCE] = "reference", [SEARCH_COMPOSITE] = "composite",
      [SEARCH_QUANTITY] = "quantity",   [SEARCH_URI] = "uri",
      [SEARCH_SPECIAL] = "special",
  };
  return names[type];
}

/* The codes of http://hl7.org/fhir/ValueSet/type-restful-interaction and system-...; other rows are
 * ways to them. */
static bool is_interaction(const char *code, bool of_types) {
  static const char *const type_codes[] = {"read",         "vread",  "update",
                                           "patch",        "delete", "history-instance",
                                           "history-type", "create", "search-type"};
  static const char *const system_codes[] = {"transaction", "search-system", "history-system"};
  const char *const *codes = of_types ? type_codes : system_codes;
  size_t n = of_types ? sizeof type_codes / sizeof type_codes[0]
                      : sizeof system_codes / sizeof system_codes[0];
  for (size_t i = 0; i < n; i++)
    if (strcmp(codes[i], code) == 0)
      return true;
  return false;
}

/* Each interaction once, with the texts of all its rows. */
static void write_interactions(struct json_writer *w, bool of_types) {
  size_t n;
  const struct rest_operation *rows = rest_operations(&n);
  json_key(w, STR("interaction"));
  json_begin_array(w);
  for (size_t i = 0; i < n; i++) {
    bool is_first = is_interaction(rows[i].interaction, of_types);
    for (size_t k = 0; k < i && is_first; k++)
      is_first = strcmp(rows[k].interaction, rows[i].interaction) != 0;
    if (!is_first)
      continue;
    json_begin_object(w);
    json_member_string(w, STR("code"), str_of(rows[i].interaction));
    json_member_string(w, STR("documentation"), str_of(rows[i].text));
    json_end_object(w);
    if (strcmp(rows[i].interaction, "transaction") == 0) {
      json_begin_object(w);
      json_member_string(w, STR("code"), STR("batch"));
      json_end_object(w);
    }
  }
  json_end_array(w);
}

static void write_params(struct json_writer *w, defs_type_id type) {
  size_t n;
  const defs_param_id *ids = defs_params_of(type, &n);
  json_key(w, STR("searchParam"));
  json_begin_array(w);
  for (size_t i = 0; i < n; i++) {
    const struct defs_param *param = defs_param(ids[i]);
    if (param->type == SEARCH_SPECIAL)
      continue;
    json_begin_object(w);
    json_member_string(w, STR("name"), param->code);
    if (param->url.n > 0)
      json_member_string(w, STR("definition"), param->url);
    json_member_string(w, STR("type"), str_of(search_type_name(param->type)));
    json_end_object(w);
  }
  json_end_array(w);
}

/* "Patient:general-practitioner" for each reference parameter. */
static void write_includes(struct json_writer *w, struct arena *arena, defs_type_id type) {
  size_t n;
  const defs_param_id *ids = defs_params_of(type, &n);
  json_key(w, STR("searchInclude"));
  json_begin_array(w);
  json_string(w, STR("*"));
  for (size_t i = 0; i < n; i++)
    if (defs_param(ids[i])->type == SEARCH_REFERENCE)
      json_string(w, arena_printf(arena, "%.*s:%.*s", STR_ARG(defs_type(type)->name),
                                  STR_ARG(defs_param(ids[i])->code)));
  json_end_array(w);
}

static void write_operations(struct json_writer *w, struct str type) {
  size_t n;
  bool has_any = false;
  const struct rest_operation *rows = rest_operations(&n);
  for (size_t i = 0; i < n; i++) {
    if (rows[i].operation[0] == '\0' || !str_starts_with(str_of(rows[i].path), type) ||
        rows[i].path[type.n] != '/')
      continue;
    bool is_known = false;
    for (size_t k = 0; k < i; k++)
      is_known |= strcmp(rows[k].operation, rows[i].operation) == 0 &&
                  str_starts_with(str_of(rows[k].path), type);
    if (is_known)
      continue;
    if (!has_any) {
      json_key(w, STR("operation"));
      json_begin_array(w);
      has_any = true;
    }
    json_begin_object(w);
    json_member_string(w, STR("name"), str_of(rows[i].operation));
    /* The canonical URLs of R4's own operations are made so. */
    char url[160];
    snprintf(url, sizeof url, "http://hl7.org/fhir/OperationDefinition/%.*s-%s", STR_ARG(type),
             rows[i].operation);
    json_member_string(w, STR("definition"), str_of(url));
    json_member_string(w, STR("documentation"), str_of(rows[i].text));
    json_end_object(w);
  }
  if (has_any)
    json_end_array(w);
}

static void write_type(struct json_writer *w, struct arena *arena, defs_type_id type,
                       bool deletes_many) {
  struct str name = defs_type(type)->name;
  json_begin_object(w);
  json_member_string(w, STR("type"), name);
  json_member_string(
      w, STR("profile"),
      arena_printf(arena, "http://hl7.org/fhir/StructureDefinition/%.*s", STR_ARG(name)));
  write_interactions(w, true);
  json_member_string(w, STR("versioning"), STR("versioned-update"));
  json_member_bool(w, STR("readHistory"), true);
  json_member_bool(w, STR("updateCreate"), true);
  json_member_bool(w, STR("conditionalCreate"), true);
  json_member_string(w, STR("conditionalRead"), STR("full-support"));
  json_member_bool(w, STR("conditionalUpdate"), true);
  json_member_string(w, STR("conditionalDelete"), deletes_many ? STR("multiple") : STR("single"));
  json_key(w, STR("referencePolicy"));
  json_begin_array(w);
  json_string(w, STR("literal"));
  json_string(w, STR("logical"));
  json_string(w, STR("resolves"));
  json_string(w, STR("local"));
  json_end_array(w);
  write_includes(w, arena, type);
  write_params(w, type);
  write_operations(w, name);
  json_end_object(w);
}

static void write_rest(struct json_writer *w, struct arena *arena, bool deletes_many) {
  json_key(w, STR("rest"));
  json_begin_array(w);
  json_begin_object(w);
  json_member_string(w, STR("mode"), STR("server"));
  json_member_string(w, STR("documentation"),
                     STR("No login yet: listen on loopback or behind a proxy that has one."));
  json_key(w, STR("resource"));
  json_begin_array(w);
  for (size_t type = 1; type <= defs_types_count(); type++)
    if (defs_is_resource(defs_type((defs_type_id)type)))
      write_type(w, arena, (defs_type_id)type, deletes_many);
  json_end_array(w);
  write_interactions(w, false);
  json_end_object(w);
  json_end_array(w);
}

static void write_statement(struct json_writer *w, const struct rest_call *call) {
  char instant[CLOCK_INSTANT_BYTES];
  size_t instant_n = clock_format_instant(call->service->started_at_us, instant);
  json_begin_object(w);
  json_member_string(w, STR("resourceType"), STR("CapabilityStatement"));
  json_member_string(w, STR("status"), STR("active"));
  json_member_string(w, STR("date"), str_n(instant, instant_n));
  json_member_string(w, STR("kind"), STR("instance"));
  json_key(w, STR("software"));
  json_begin_object(w);
  json_member_string(w, STR("name"), STR("Callosum"));
  json_member_string(w, STR("version"), STR(CALLOSUM_VERSION));
  json_end_object(w);
  json_key(w, STR("implementation"));
  json_begin_object(w);
  json_member_string(w, STR("description"), STR("Callosum"));
  json_member_string(w, STR("url"), call->base_url);
  json_end_object(w);
  json_member_string(w, STR("fhirVersion"), STR("4.0.1"));
  json_key(w, STR("format"));
  json_begin_array(w);
  json_string(w, STR("application/fhir+json"));
  json_string(w, STR("application/fhir+xml"));
  json_string(w, STR("json"));
  json_string(w, STR("xml"));
  json_end_array(w);
  json_key(w, STR("patchFormat"));
  json_begin_array(w);
  for (struct str rest = STR(REST_PATCH_TYPES), one; rest.n > 0 && str_split(&rest, ',', &one);)
    json_string(w, str_trim(one));
  json_end_array(w);
  write_rest(w, call->arena, call->service->limits.conditional_deletes > 1);
  json_end_object(w);
}

void rest_metadata(struct rest_call *call) {
  struct buf buf;
  struct err err;
  buf_init_arena(&buf, call->arena, STATEMENT_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  write_statement(&w, call);
  if (buf_is_overflown(&buf)) {
    (void)!err_no_memory(&err);
    rest_fail(call, &err);
    return;
  }
  call->answer.status = 200;
  call->answer.body = buf_str(&buf);
  rest_finish(call);
}
