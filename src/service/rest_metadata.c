/*
 * The CapabilityStatement: from the table of operations, the definitions, the limits, and what the
 * parser of searches takes.
 */
#include "service/rest_metadata.h"

#include "base/clock.h"
#include "base/hash.h"
#include "model/parameters.h"

#include <pthread.h>

#define STATEMENT_MAX_BYTES ((size_t)32 << 20)

/* ---- Interactions --------------------------------------------------------------------------- */

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

static void write_words(struct json_writer *w, const char *name, const char *const *words) {
  json_key(w, str_of(name));
  json_begin_array(w);
  for (; *words; words++)
    json_string(w, str_of(*words));
  json_end_array(w);
}

/* ---- Types ---------------------------------------------------------------------------------- */

static void write_type(struct json_writer *w, struct rest_call *call, defs_type_id type) {
  /* References are kept as they are: neither resolved nor enforced. */
  static const char *const reference_policy[] = {"literal", "logical", NULL};
  struct str name = defs_type(type)->name;
  bool deletes_several = call->service->limits.conditional_deletes > 1;
  json_begin_object(w);
  json_member_string(w, STR("type"), name);
  json_member_string(
      w, STR("profile"),
      arena_printf(call->arena, "http://hl7.org/fhir/StructureDefinition/%.*s", STR_ARG(name)));
  write_interactions(w, true);
  json_member_string(w, STR("versioning"), STR("versioned-update"));
  json_member_bool(w, STR("readHistory"), true);
  json_member_bool(w, STR("updateCreate"), true);
  json_member_bool(w, STR("conditionalCreate"), true);
  json_member_string(w, STR("conditionalRead"), STR("full-support"));
  json_member_bool(w, STR("conditionalUpdate"), true);
  json_member_string(w, STR("conditionalDelete"),
                     deletes_several ? STR("multiple") : STR("single"));
  write_words(w, "referencePolicy", reference_policy);
  rest_metadata_search(w, call->arena, type);
  rest_definitions_list(w, call->arena, call->base_url, type);
  json_end_object(w);
}

/* ---- The system ----------------------------------------------------------------------------- */

static void write_security(struct json_writer *w) {
  json_key(w, STR("security"));
  json_begin_object(w);
  json_member_bool(w, STR("cors"), true);
  json_member_string(w, STR("description"),
                     STR("There is no login: listen on loopback, or behind a proxy that has one."));
  json_end_object(w);
}

/* The compartments that the definitions know, by the URLs of their definitions. */
static void write_compartments(struct json_writer *w, struct arena *arena) {
  json_key(w, STR("compartment"));
  json_begin_array(w);
  for (size_t i = 1; i <= defs_types_count(); i++) {
    struct str name = defs_type((defs_type_id)i)->name;
    bool has_any = false;
    for (size_t type = 1; type <= defs_types_count() && !has_any; type++) {
      size_t n;
      (void)defs_compartment_params(name, (defs_type_id)type, &n);
      has_any = n > 0;
    }
    if (has_any)
      json_string(w, arena_printf(arena, "http://hl7.org/fhir/CompartmentDefinition/%c%.*s",
                                  name.p[0] - 'A' + 'a', STR_ARG(str_slice(name, 1, name.n))));
  }
  json_end_array(w);
}

static void write_rest(struct json_writer *w, struct rest_call *call) {
  json_key(w, STR("rest"));
  json_begin_array(w);
  json_begin_object(w);
  json_member_string(w, STR("mode"), STR("server"));
  write_security(w);
  json_key(w, STR("resource"));
  json_begin_array(w);
  for (size_t type = 1; type <= defs_types_count(); type++)
    if (defs_is_resource(defs_type((defs_type_id)type)))
      write_type(w, call, (defs_type_id)type);
  json_end_array(w);
  write_interactions(w, false);
  rest_metadata_system_search(w, call->arena);
  rest_definitions_list(w, call->arena, call->base_url, 0);
  write_compartments(w, call->arena);
  json_end_object(w);
  json_end_array(w);
}

/* What both kinds of statements begin with. */
static void write_head(struct json_writer *w, struct rest_call *call, const char *type,
                       const char *path) {
  char instant[CLOCK_INSTANT_BYTES];
  size_t instant_n = clock_format_instant(call->service->started_at_us, instant);
  json_begin_object(w);
  json_member_string(w, STR("resourceType"), str_of(type));
  json_member_string(w, STR("id"), STR("callosum"));
  json_member_string(w, STR("url"),
                     arena_printf(call->arena, "%.*s/%s", STR_ARG(call->base_url), path));
  json_member_string(w, STR("version"), STR(CALLOSUM_VERSION));
  json_member_string(w, STR("name"), STR("Callosum"));
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
}

static void write_statement(struct json_writer *w, struct rest_call *call) {
  write_head(w, call, "CapabilityStatement", "metadata");
  json_member_string(w, STR("fhirVersion"), STR("4.0.1"));
  write_words(w, "format", rest_formats());
  write_words(w, "patchFormat", rest_patch_formats());
  write_rest(w, call);
  json_end_object(w);
}

/* The parameters of $expand, as its row has them. */
static void write_expansion(struct json_writer *w) {
  size_t n, i = 0;
  const struct rest_operation *rows = rest_operations(&n);
  while (i < n && strcmp(rows[i].operation, "expand") != 0)
    i++;
  if (i == n || !rows[i].parameters)
    return;
  json_key(w, STR("expansion"));
  json_begin_object(w);
  json_key(w, STR("parameter"));
  json_begin_array(w);
  for (const struct rest_parameter *parameter = rows[i].parameters; parameter->name; parameter++) {
    if (parameter->is_out)
      continue;
    json_begin_object(w);
    json_member_string(w, STR("name"), str_of(parameter->name));
    json_end_object(w);
  }
  json_end_array(w);
  json_end_object(w);
}

static int make_terminology_statement(struct rest_call *call, struct str *ret_json,
                                      struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, call->arena, STATEMENT_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  write_head(&w, call, "TerminologyCapabilities", "metadata?mode=terminology");
  write_expansion(&w);
  json_key(&w, STR("validateCode"));
  json_begin_object(&w);
  json_member_bool(&w, STR("translations"), false);
  json_end_object(&w);
  json_end_object(&w);
  *ret_json = buf_str(&buf);
  return buf_is_overflown(&buf) ? err_no_memory(reterr) : 0;
}

/* ---- The statements made last --------------------------------------------------------------- */

/* By the base that they name and the set of parameters: a few, so that who calls the server by
 * many names can't fill the memory. */
enum { KEPT = 4 };
struct kept {
  uint32_t generation;
  char *base_url, *json;
  size_t json_n;
};
struct rest_metadata_cache {
  pthread_mutex_t lock;
  struct kept kept[KEPT];
  size_t next;
};

struct rest_metadata_cache *rest_metadata_cache_new(void) {
  struct rest_metadata_cache *cache = calloc(1, sizeof *cache);
  if (cache)
    pthread_mutex_init(&cache->lock, NULL);
  return cache;
}

void rest_metadata_cache_free(struct rest_metadata_cache *cache) {
  if (!cache)
    return;
  for (size_t i = 0; i < KEPT; i++) {
    free(cache->kept[i].base_url);
    free(cache->kept[i].json);
  }
  pthread_mutex_destroy(&cache->lock);
  free(cache);
}

/* A copy on the call's arena; `.p` NULL: there is none. */
static struct str find_kept(struct rest_call *call, uint32_t generation) {
  struct rest_metadata_cache *cache = call->service->metadata;
  struct str json = STR_NULL;
  pthread_mutex_lock(&cache->lock);
  for (size_t i = 0; i < KEPT && !json.p; i++) {
    const struct kept *kept = &cache->kept[i];
    if (kept->json && kept->generation == generation && str_is(call->base_url, kept->base_url))
      json = arena_str(call->arena, str_n(kept->json, kept->json_n));
  }
  pthread_mutex_unlock(&cache->lock);
  return json;
}

/* Without memory it is made anew next time. */
static void keep(struct rest_call *call, uint32_t generation, struct str json) {
  struct rest_metadata_cache *cache = call->service->metadata;
  struct kept new = {.generation = generation, .json_n = json.n};
  new.base_url = strndup(call->base_url.p, call->base_url.n);
  new.json = malloc(json.n + 1);
  if (!new.base_url || !new.json) {
    free(new.base_url);
    free(new.json);
    return;
  }
  memcpy(new.json, json.p, json.n);
  pthread_mutex_lock(&cache->lock);
  struct kept old = cache->kept[cache->next];
  cache->kept[cache->next] = new;
  cache->next = (cache->next + 1) % KEPT;
  pthread_mutex_unlock(&cache->lock);
  free(old.base_url);
  free(old.json);
}

static int make_statement(struct rest_call *call, struct str *ret_json, struct err *reterr) {
  uint32_t generation = parameters_generation();
  struct buf buf;
  *ret_json = find_kept(call, generation);
  if (ret_json->p)
    return 0;
  buf_init_arena(&buf, call->arena, STATEMENT_MAX_BYTES);
  struct json_writer w = json_writer(&buf);
  write_statement(&w, call);
  if (buf_is_overflown(&buf))
    return err_no_memory(reterr);
  *ret_json = buf_str(&buf);
  keep(call, generation, *ret_json);
  return 0;
}

/* ---- The answer ----------------------------------------------------------------------------- */

static int check_query(const struct rest_call *call, bool *ret_is_of_terminology,
                       struct err *reterr) {
  static const char *const known[] = {"mode", "_summary", "_elements", NULL};
  *ret_is_of_terminology = false;
  for (size_t i = 0; i < call->pairs_n; i++) {
    struct str mode = call->pairs[i].value;
    if (!str_is(call->pairs[i].name, "mode"))
      continue;
    *ret_is_of_terminology = str_is(mode, "terminology");
    if (!*ret_is_of_terminology && !str_is(mode, "full") && !str_is(mode, "normative"))
      return err_set(reterr, ERR_VALUE, "mode", "wants full, normative or terminology");
  }
  return rest_check_parameters(call, "The statement", known, reterr);
}

/* Of the bytes, with the form: the same statement as XML is another representation. */
static struct str etag_of(struct rest_call *call, struct str json) {
  return arena_printf(call->arena, "W/\"%016llx%s\"", (unsigned long long)hash_fast(json),
                      call->media.is_xml ? "x" : "");
}

static bool has_it(const struct rest_call *call, struct str etag) {
  struct str rest = call->headers.if_none_match, one;
  while (rest.n > 0 && str_split(&rest, ',', &one))
    if (str_is(str_trim(one), "*") || str_equal(str_trim(one), etag))
      return true;
  return false;
}

void rest_metadata(struct rest_call *call) {
  struct str json = STR_NULL;
  struct err err;
  bool is_of_terminology;
  int code = check_query(call, &is_of_terminology, &err);
  if (code == 0)
    code = is_of_terminology ? make_terminology_statement(call, &json, &err)
                             : make_statement(call, &json, &err);
  if (code == 0)
    code = rest_subset(call, json, &json, &err);
  if (code) {
    rest_fail(call, &err);
    return;
  }
  call->answer.etag = etag_of(call, json);
  call->answer.last_modified_us = call->service->started_at_us;
  call->answer.status = has_it(call, call->answer.etag) ? 304 : 200;
  if (call->answer.status == 200)
    call->answer.body = json;
  rest_finish(call);
}
