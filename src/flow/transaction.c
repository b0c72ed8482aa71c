#include "flow/transaction_internal.h"

#include "base/id.h"
#include "format/json.h"
#include "format/url.h"
#include "model/parameters.h"
#include "model/resource.h"

#define CONTENT_MAX_BYTES ((size_t)256 << 20)

/* ---- Faults -------------------------------------------------------------------------------- */

int transaction_fail(const struct transaction_entry *entry, enum err_code code, const char *member,
                     const char *text, struct err *reterr) {
  char place[120];
  if (entry->where.n > 0)
    snprintf(place, sizeof place, "%.*s%s%s", STR_ARG(entry->where), member[0] ? "." : "", member);
  return err_set(reterr, code, entry->where.n > 0 ? place : "", "%s", text);
}

int transaction_place(const struct transaction_entry *entry, int code, struct err *reterr) {
  if (code && reterr && entry->where.n > 0) {
    const struct err below = *reterr;
    char place[2 * sizeof below.where];
    snprintf(place, sizeof place, "%.*s%s%s", STR_ARG(entry->where), below.where[0] ? ": " : "",
             below.where);
    (void)!err_set(reterr, below.code, place, "%s", below.text);
  }
  return code;
}

/* "Patient.name[0]" of the third entry is "Bundle.entry[2].resource.name[0]". */
static int adopt_issues(struct preparation *p, const struct transaction_entry *entry,
                        const struct issues *found, struct err *reterr) {
  for (size_t i = 0; i < found->list.n; i++) {
    struct err *issue = VEC_PUSH(p->arena, &p->issues->list);
    if (!issue)
      return err_no_memory(reterr);
    *issue = found->list.p[i];
    if (entry->where.n == 0)
      continue;
    const char *rest = strpbrk(found->list.p[i].where, ".[");
    char place[sizeof issue->where + 40];
    snprintf(place, sizeof place, "%.*s.resource%s", STR_ARG(entry->where), rest ? rest : "");
    (void)!err_set(issue, issue->code, place, "%s", found->list.p[i].text);
    issue->severity = found->list.p[i].severity;
  }
  p->issues->errors_n += found->errors_n;
  return 0;
}

/* ---- What an entry asks for ---------------------------------------------------------------- */

uint32_t transaction_version_of_etag(struct str etag) {
  uint64_t version;
  etag = str_trim(etag);
  if (str_starts_with(etag, STR("W/")))
    etag = str_slice(etag, 2, etag.n);
  if (etag.n > 2 && etag.p[0] == '"' && etag.p[etag.n - 1] == '"')
    etag = str_slice(etag, 1, etag.n - 2);
  return str_to_u64(etag, &version) && version <= UINT32_MAX ? (uint32_t)version : 0;
}

int transaction_search_pairs(struct arena *arena, struct str query, struct search_pair **ret_pairs,
                             size_t *ret_n, struct err *reterr) {
  struct url_pair *pairs;
  int code = url_parse_query(arena, query, &pairs, ret_n, reterr);
  if (code)
    return code;
  struct search_pair *out = ARENA_ARRAY(arena, struct search_pair, *ret_n + 1);
  if (!out)
    return err_no_memory(reterr);
  for (size_t i = 0; i < *ret_n; i++)
    out[i] = (struct search_pair){pairs[i].name, pairs[i].value};
  *ret_pairs = out;
  return 0;
}

static enum transaction_verb verb_of(struct str method) {
  if (str_is(method, "POST"))
    return TRANSACTION_CREATE;
  if (str_is(method, "PUT"))
    return TRANSACTION_UPDATE;
  if (str_is(method, "PATCH"))
    return TRANSACTION_PATCH;
  return str_is(method, "DELETE") ? TRANSACTION_DELETE : TRANSACTION_READ;
}

/* Takes the URL apart: "Patient", "Patient/1", "Patient?query". */
static int read_url(struct transaction_entry *entry, struct err *reterr) {
  struct str path = entry->url, rest, type;
  ssize_t question = str_find_char(entry->url, '?', 0);
  if (question >= 0) {
    path = str_slice(entry->url, 0, (size_t)question);
    entry->condition = str_slice(entry->url, (size_t)question + 1, entry->url.n);
    entry->is_conditional = true;
  }
  rest = path;
  str_split(&rest, '/', &type);
  entry->id = rest;
  entry->type = defs_type_by_name(type);
  if (!entry->type || !defs_is_resource(defs_type(entry->type)))
    return transaction_fail(entry, ERR_NOT_FOUND, "request.url",
                            "The URL does not begin with the name of a resource type.", reterr);
  if (rest.p && !id_is_fhir_id(rest))
    return transaction_fail(entry, ERR_VALUE, "request.url",
                            "The id in the URL is not one: 1 to 64 letters, digits, '-' and '.'.",
                            reterr);
  if (entry->is_conditional && (rest.n > 0 || entry->condition.n == 0))
    return transaction_fail(entry, ERR_VALUE, "request.url",
                            "A conditional URL has a type and at least one parameter, and no id.",
                            reterr);
  return 0;
}

static int check_resource(const struct transaction_entry *entry, struct err *reterr) {
  struct str type = json_get_text(entry->resource, STR("resourceType"));
  const struct yyjson_val *id = json_get(entry->resource, STR("id"));
  if (json_kind(entry->resource) != JSON_OBJECT || type.n == 0)
    return transaction_fail(entry, ERR_STRUCTURE, "resource",
                            "The body must be one resource: a JSON object with a resourceType.",
                            reterr);
  if (!str_equal(type, defs_type(entry->type)->name))
    return transaction_fail(entry, ERR_VALUE, "resource",
                            "The resource is not of the type in the URL.", reterr);
  if (entry->verb == TRANSACTION_UPDATE && !entry->is_conditional && json_kind(id) != JSON_STRING)
    return transaction_fail(entry, ERR_VALUE, "resource.id",
                            "The resource has no id; it must be the one in the URL.", reterr);
  if (entry->verb == TRANSACTION_UPDATE && !entry->is_conditional &&
      !str_equal(json_text(id), entry->id))
    return transaction_fail(entry, ERR_VALUE, "resource.id", "The id is not the one in the URL.",
                            reterr);
  return 0;
}

static int read_request(struct transaction_entry *entry, struct err *reterr) {
  entry->write = TRANSACTION_NO_WRITE;
  entry->verb = verb_of(entry->method);
  if (entry->verb == TRANSACTION_READ)
    return 0;
  int code = read_url(entry, reterr);
  if (code)
    return code;
  if (entry->verb == TRANSACTION_CREATE) {
    if (entry->is_conditional || entry->id.n > 0)
      return transaction_fail(entry, ERR_VALUE, "request.url",
                              "POST goes to the type; its condition is in ifNoneExist.", reterr);
    entry->is_conditional = entry->if_none_exist.n > 0;
    entry->condition = entry->if_none_exist;
    ssize_t question = str_find_char(entry->condition, '?', 0);
    if (question >= 0) /* some clients send the whole URL */
      entry->condition = str_slice(entry->condition, (size_t)question + 1, entry->condition.n);
  } else if (!entry->is_conditional && entry->id.n == 0) {
    return transaction_fail(entry, ERR_VALUE, "request.url",
                            "PUT, PATCH and DELETE need an id or a condition in the URL.", reterr);
  }
  bool has_resource = entry->verb == TRANSACTION_CREATE || entry->verb == TRANSACTION_UPDATE;
  return has_resource ? check_resource(entry, reterr) : 0;
}

/* ---- Conditions ---------------------------------------------------------------------------- */

/* A single `identifier=system|value`: looked up directly. */
static bool is_identifier_search(const struct search_pair *pairs, size_t n, struct str *ret_system,
                                 struct str *ret_value) {
  if (n != 1 || !str_is(pairs[0].name, "identifier") ||
      str_find_char(pairs[0].value, ',', 0) >= 0 || str_find_char(pairs[0].value, '\\', 0) >= 0 ||
      str_find_char(pairs[0].value, '$', 0) >= 0)
    return false;
  ssize_t bar = str_find_char(pairs[0].value, '|', 0);
  if (bar <= 0 || str_find_char(pairs[0].value, '|', (size_t)bar + 1) >= 0)
    return false;
  *ret_system = str_slice(pairs[0].value, 0, (size_t)bar);
  *ret_value = str_slice(pairs[0].value, (size_t)bar + 1, pairs[0].value.n);
  return ret_value->n > 0;
}

static int find_by_search(struct preparation *p, const struct search_pair *pairs, size_t pairs_n,
                          defs_type_id type, size_t max, const struct search **ret_search,
                          struct store_resources *ret_found, struct err *reterr) {
  struct search_options options = {.base_url = p->options->base_url};
  struct issues issues = {0};
  int code = search_parse(p->arena, type, pairs, pairs_n, &options, ret_search, &issues, reterr);
  if (code == 0)
    code = search_ids(p->view, p->options->access, p->arena, *ret_search, max, ret_found, reterr);
  return code;
}

/* What shapes the answer of a search selects nothing: such a condition would match everything. */
static bool selects(struct str name) {
  static const char *const shapes[] = {"_count",    "_sort",      "_total",         "_summary",
                                       "_elements", "_include",   "_revinclude",    "_format",
                                       "_pretty",   "_contained", "_containedType", "_cursor"};
  for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
    if (str_is(name, shapes[i]) ||
        (str_starts_with(name, str_of(shapes[i])) && name.p[strlen(shapes[i])] == ':'))
      return false;
  return true;
}

static int read_condition(struct preparation *p, struct str query, struct search_pair **ret_pairs,
                          size_t *ret_n, struct err *reterr) {
  int code = transaction_search_pairs(p->arena, query, ret_pairs, ret_n, reterr);
  for (size_t i = 0; i < *ret_n && code == 0; i++)
    if (selects((*ret_pairs)[i].name))
      return 0;
  return code ? code
              : err_set(reterr, ERR_VALUE, "",
                        "The condition names no parameter that selects anything.");
}

int transaction_find_all(struct preparation *p, defs_type_id type, struct str query, size_t max,
                         struct store_resources *ret_found, struct err *reterr) {
  struct search_pair *pairs = NULL;
  const struct search *search;
  size_t n = 0;
  int code = read_condition(p, query, &pairs, &n, reterr);
  return code ? code : find_by_search(p, pairs, n, type, max + 1, &search, ret_found, reterr);
}

int transaction_find_one(struct preparation *p, defs_type_id type, struct str query,
                         struct str *ret_id, struct err *reterr) {
  struct store_condition condition = {.type = type};
  struct search_pair *pairs = NULL;
  size_t n = 0;
  int code = read_condition(p, query, &pairs, &n, reterr);
  if (code)
    return code;
  if (is_identifier_search(pairs, n, &condition.system, &condition.code)) {
    code = store_find_identifier(p->view, p->options->access, p->arena, type, condition.system,
                                 condition.code, &condition.id, reterr);
  } else {
    struct store_resources found = {0};
    code = find_by_search(p, pairs, n, type, 2, &condition.search, &found, reterr);
    if (code == 0 && found.n > 1)
      code = err_set(reterr, ERR_MULTIPLE_MATCHES, "", "More than one resource matches.");
    if (code == 0 && found.n == 1)
      condition.id = found.p[0].id;
  }
  if (code)
    return code;
  struct store_condition *kept = VEC_PUSH(p->arena, &p->conditions);
  if (!kept)
    return err_no_memory(reterr);
  *kept = condition;
  *ret_id = condition.id;
  return 0;
}

/* ---- Which resource ------------------------------------------------------------------------ */

static int new_id(struct preparation *p, struct str *ret_id, struct err *reterr) {
  char uuid[ID_UUID_BYTES];
  id_uuid_random(uuid);
  *ret_id = arena_str(p->arena, str_n(uuid, ID_UUID_BYTES - 1));
  return ret_id->p ? 0 : err_no_memory(reterr);
}

/* An id that is the same each time this is imported. */
static int kept_id(struct preparation *p, struct transaction_entry *entry, struct err *reterr) {
  const struct yyjson_val *own = json_get(entry->resource, STR("id"));
  static const struct str scheme = {"urn:uuid:", 9};
  struct str uuid = str_slice(entry->full_url, scheme.n, entry->full_url.n);
  if (own) {
    entry->id = json_text(own);
    return id_is_fhir_id(entry->id)
               ? 0
               : transaction_fail(entry, ERR_VALUE, "resource.id",
                                  "An id has 1 to 64 letters, digits, '-' and '.'.", reterr);
  }
  if (str_starts_with(entry->full_url, scheme) && id_is_fhir_id(uuid)) {
    entry->id = uuid;
    return 0;
  }
  struct buf content;
  char derived[ID_UUID_BYTES];
  buf_init_arena(&content, p->arena, CONTENT_MAX_BYTES);
  json_write(&content, entry->resource);
  struct str parts[] = {entry->full_url, buf_str(&content)};
  id_uuid_of(parts, 2, derived);
  entry->id = arena_str(p->arena, str_n(derived, ID_UUID_BYTES - 1));
  return entry->id.p && !buf_is_overflown(&content) ? 0 : err_no_memory(reterr);
}

static int given_id(struct preparation *p, struct transaction_entry *entry, struct err *reterr) {
  return p->options->keeps_ids ? kept_id(p, entry, reterr) : new_id(p, &entry->id, reterr);
}

static int identify_create(struct preparation *p, struct transaction_entry *entry,
                           struct err *reterr) {
  if (!entry->is_conditional)
    return given_id(p, entry, reterr);
  struct str key = arena_printf(p->arena, "%.*s?%.*s", STR_ARG(defs_type(entry->type)->name),
                                STR_ARG(entry->condition));
  const struct transaction_entry *twin = map_get(&p->created_by, key);
  if (twin) {
    entry->id = twin->id;
    entry->found = twin->found;
    entry->twin = twin;
    return 0;
  }
  struct str found = STR_NULL;
  int code = transaction_find_one(p, entry->type, entry->condition, &found, reterr);
  if (code)
    return code;
  if (found.n > 0) {
    entry->id = found;
    code = store_read(p->view, p->options->access, p->arena, entry->type, found, &entry->found,
                      reterr);
  } else {
    code = given_id(p, entry, reterr);
  }
  if (code == 0 && (!key.p || map_set(&p->created_by, key, entry) != 0))
    return err_no_memory(reterr);
  return code;
}

static int identify_update(struct preparation *p, struct transaction_entry *entry,
                           struct err *reterr) {
  if (!entry->is_conditional)
    return 0;
  struct str found = STR_NULL, own = json_get_text(entry->resource, STR("id"));
  int code = transaction_find_one(p, entry->type, entry->condition, &found, reterr);
  if (code)
    return code;
  if (found.n > 0 && own.n > 0 && !str_equal(own, found))
    return transaction_fail(entry, ERR_VALUE, "resource.id",
                            "The resource that matches the condition has another id.", reterr);
  if (own.n > 0 && !id_is_fhir_id(own))
    return transaction_fail(entry, ERR_VALUE, "resource.id",
                            "An id has 1 to 64 letters, digits, '-' and '.'.", reterr);
  entry->id = found.n > 0 ? found : own;
  return entry->id.n > 0 ? 0 : new_id(p, &entry->id, reterr);
}

/* All that match, up to a limit. Each is deleted in the version that was found: where one is
 * changed meanwhile, the condition is looked at again. */
static int identify_delete(struct preparation *p, struct transaction_entry *entry,
                           struct err *reterr) {
  size_t max = p->options->deletes_max > 0 ? p->options->deletes_max : 1;
  if (!entry->is_conditional)
    return 0;
  int code = transaction_find_all(p, entry->type, entry->condition, max, &entry->matches, reterr);
  if (code == 0 && entry->matches.n > max)
    return err_set(reterr, ERR_MULTIPLE_MATCHES, "",
                   "More than %zu resources match; this server deletes that many at once at most.",
                   max);
  uint32_t version = transaction_version_of_etag(entry->if_match);
  for (size_t i = 0; code == 0 && i < entry->matches.n && entry->if_match.n > 0; i++)
    if (entry->matches.p[i].version != version)
      return err_set(reterr, ERR_PRECONDITION, "",
                     "What matches is not of the version in If-Match.");
  if (code == 0 && entry->matches.n > 0)
    entry->id = entry->matches.p[0].id;
  return code;
}

static int identify(struct preparation *p, struct transaction_entry *entry, struct err *reterr) {
  int code = read_request(entry, reterr);
  if (code)
    return code;
  switch (entry->verb) {
  case TRANSACTION_CREATE:
    return transaction_place(entry, identify_create(p, entry, reterr), reterr);
  case TRANSACTION_UPDATE:
    return transaction_place(entry, identify_update(p, entry, reterr), reterr);
  case TRANSACTION_PATCH:
    return transaction_place(entry, transaction_identify_patch(p, entry, reterr), reterr);
  case TRANSACTION_DELETE:
    return transaction_place(entry, identify_delete(p, entry, reterr), reterr);
  case TRANSACTION_READ:
    break;
  }
  return 0;
}

/* ---- What entries touch -------------------------------------------------------------------- */

static struct str *name_of(struct preparation *p, defs_type_id type, struct str id) {
  struct str *name = ARENA_NEW(p->arena, struct str);
  if (name)
    *name = arena_printf(p->arena, "%.*s/%.*s", STR_ARG(defs_type(type)->name), STR_ARG(id));
  return name && name->p ? name : NULL;
}

/* One resource is changed by one entry only. */
static int touch(struct preparation *p, struct transaction_entry *entry, struct str name,
                 struct err *reterr) {
  if (map_get(&p->touched, name))
    return transaction_fail(entry, ERR_INVALID, "request.url",
                            "Another entry of this transaction changes the same resource.", reterr);
  return map_set(&p->touched, name, entry) == 0 ? 0 : err_no_memory(reterr);
}

/* Remembers under which references this entry is known, and what it touches. */
static int register_entry(struct preparation *p, struct transaction_entry *entry,
                          struct err *reterr) {
  if (entry->verb == TRANSACTION_READ || entry->id.n == 0)
    return 0;
  struct str *target = name_of(p, entry->type, entry->id);
  if (!target)
    return err_no_memory(reterr);
  bool has_effect = entry->found.id.n == 0 && !entry->twin;
  int code = has_effect ? touch(p, entry, *target, reterr) : 0;
  for (size_t i = 1; i < entry->matches.n && code == 0; i++) {
    const struct str *other = name_of(p, entry->type, entry->matches.p[i].id);
    code = other ? touch(p, entry, *other, reterr) : err_no_memory(reterr);
  }
  if (code)
    return code;
  entry->write = has_effect ? 0 : TRANSACTION_NO_WRITE; /* its place is set when it is written */
  return transaction_link(p, entry, target, reterr);
}

/* ---- The writes ---------------------------------------------------------------------------- */

static int expect_of(const struct preparation *p, const struct transaction_entry *entry,
                     struct store_write *write, struct err *reterr) {
  bool may_be_there = entry->verb == TRANSACTION_UPDATE || p->options->keeps_ids;
  write->expect = may_be_there || write->is_delete ? STORE_ANY : STORE_MUST_BE_NEW;
  if (entry->if_match.n > 0 && entry->verb != TRANSACTION_CREATE) {
    write->expected_version = transaction_version_of_etag(entry->if_match);
    write->expect = STORE_MUST_BE_VERSION;
    if (write->expected_version == 0)
      return transaction_fail(entry, ERR_PRECONDITION, "request.ifMatch",
                              "If-Match must be a version of this server, such as W/\"3\".",
                              reterr);
  } else if (str_is(entry->if_none_match, "*") && entry->verb == TRANSACTION_UPDATE) {
    write->expect = STORE_MUST_BE_NEW;
  }
  return 0;
}

static int fill_body(struct preparation *p, struct transaction_entry *entry,
                     struct store_write *write, struct err *reterr) {
  struct validate_options options = {.with_invariants = p->options->with_invariants};
  struct issues found = {0};
  int code = transaction_relink(p, entry, reterr);
  if (code == 0)
    code = validate_resource(p->arena, entry->resource, &options, &found, reterr);
  if (code == 0 && found.list.n > 0)
    code = adopt_issues(p, entry, &found, reterr);
  if (code || p->issues->errors_n > 0)
    return code;
  code = resource_canonical(p->arena, entry->resource, write->id, &write->body, reterr);
  if (code == 0)
    code = search_values_extract(p->arena, entry->resource, &write->values, reterr);
  /* After that, so that the values tell when the set of parameters it was checked against is old.
   */
  if (code == 0 && str_is(defs_type(entry->type)->name, "SearchParameter"))
    code = parameters_check(p->arena, entry->resource, write->id, reterr);
  return transaction_place(entry, code, reterr);
}

/* A conditional delete: one write for each that matches. */
static void write_matches(struct preparation *p, const struct transaction_entry *entry) {
  for (size_t i = 0; i < entry->matches.n; i++)
    p->commit->writes[entry->write + i] =
        (struct store_write){.type = entry->type,
                             .id = entry->matches.p[i].id,
                             .is_delete = true,
                             .expect = STORE_IS_STILL_VERSION,
                             .expected_version = entry->matches.p[i].version};
  p->commit->writes_n += entry->matches.n - 1;
}

static int write_entry(struct preparation *p, struct transaction_entry *entry, struct err *reterr) {
  entry->write = p->commit->writes_n++;
  struct store_write *write = &p->commit->writes[entry->write];
  if (entry->matches.n > 0) {
    write_matches(p, entry);
    return 0;
  }
  *write = (struct store_write){.type = entry->type,
                                .id = entry->id,
                                .is_delete = entry->verb == TRANSACTION_DELETE,
                                .is_put = entry->verb == TRANSACTION_UPDATE};
  int code = entry->verb == TRANSACTION_PATCH ? transaction_apply_patch(p, entry, write, reterr)
                                              : expect_of(p, entry, write, reterr);
  if (code == 0 && !write->is_delete)
    code = fill_body(p, entry, write, reterr);
  return code;
}

static int write_entries(struct preparation *p, struct err *reterr) {
  /* DELETE, POST, then PUT and PATCH. */
  static const uint8_t phase_of[] = {[TRANSACTION_READ] = 0,
                                     [TRANSACTION_DELETE] = 1,
                                     [TRANSACTION_CREATE] = 2,
                                     [TRANSACTION_UPDATE] = 3,
                                     [TRANSACTION_PATCH] = 3};
  size_t writes_max = p->n + 1;
  for (size_t i = 0; i < p->n; i++)
    writes_max += p->entries[i].matches.n;
  p->commit->writes = ARENA_ARRAY(p->arena, struct store_write, writes_max);
  p->commit->writes_n = 0;
  if (!p->commit->writes)
    return err_no_memory(reterr);
  for (unsigned phase = 1; phase <= 3; phase++)
    for (size_t i = 0; i < p->n; i++)
      if (phase_of[p->entries[i].verb] == phase && p->entries[i].write != TRANSACTION_NO_WRITE) {
        int code = write_entry(p, &p->entries[i], reterr);
        if (code)
          return code;
      }
  for (size_t i = 0; i < p->n; i++)
    if (p->entries[i].twin)
      p->entries[i].write = p->entries[i].twin->write;
  return 0;
}

int transaction_prepare(struct arena *arena, struct store_view *view,
                        const struct transaction_options *options,
                        struct transaction_entry *entries, size_t n, struct store_commit *commit,
                        struct issues *issues, struct err *reterr) {
  struct preparation p = {.arena = arena,
                          .view = view,
                          .options = options,
                          .entries = entries,
                          .n = n,
                          .commit = commit,
                          .issues = issues};
  map_init(&p.links, arena);
  map_init(&p.touched, arena);
  map_init(&p.created_by, arena);
  for (size_t i = 0; i < n; i++) {
    int code = identify(&p, &entries[i], reterr);
    if (code == 0)
      code = register_entry(&p, &entries[i], reterr);
    if (code)
      return code;
  }
  int code = write_entries(&p, reterr);
  if (code)
    return code;
  commit->conditions = p.conditions.p;
  commit->conditions_n = p.conditions.n;
  return 0;
}
