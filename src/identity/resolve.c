#include "identity/resolve.h"

#include "base/id.h"

/* How long a chain of merges is followed (A into B, B into C, ...). */
#define REPLACEMENTS_MAX 16
/* How many resources with one identifier are looked at. */
#define HOLDERS_MAX 8

static struct str replaced_by(const struct yyjson_val *patient) {
  struct json_each link = json_each(json_get(patient, STR("link")));
  while (json_next(&link)) {
    if (!str_is(json_get_text(link.value, STR("type")), "replaced-by"))
      continue;
    struct str reference = json_get_text(json_get(link.value, STR("other")), STR("reference"));
    if (str_starts_with(reference, STR("Patient/")))
      return str_slice(reference, sizeof "Patient/" - 1, reference.n);
  }
  return STR_NULL;
}

/* Reads a resource that may be missing or deleted: neither is an error here. */
static int read_if_there(struct store_view *view, const struct access *access, struct arena *arena,
                         defs_type_id type, struct str id, struct identity_answer *answer,
                         struct err *reterr) {
  struct store_resource resource = {0};
  int code = store_read(view, access, arena, type, id, &resource, reterr);
  if (code < 0 && code != ERR_NOT_FOUND && code != ERR_DELETED)
    return code;
  answer->id = id;
  answer->exists = code == 0;
  answer->version = code == 0 ? resource.version : 0;
  answer->body = code == 0 ? resource.body : STR_NULL;
  return 0;
}

static int follow_replacements(struct store_view *view, const struct access *access,
                               struct arena *arena, defs_type_id type,
                               struct identity_answer *answer, struct err *reterr) {
  for (int hops = 0; hops < REPLACEMENTS_MAX && answer->exists; hops++) {
    const struct yyjson_val *patient;
    int code = json_parse(arena, answer->body, NULL, &patient, reterr);
    if (code < 0)
      return code;
    struct str next = replaced_by(patient);
    if (str_is_empty(next))
      return 0;
    struct identity_answer found = {0};
    code = read_if_there(view, access, arena, type, next, &found, reterr);
    if (code < 0)
      return code;
    if (!found.exists)
      return 0;
    if (!answer->stood) {
      answer->stood = ARENA_NEW(arena, struct store_resource);
      if (!answer->stood)
        return err_no_memory(reterr);
      *answer->stood = (struct store_resource){
          .type = type, .id = answer->id, .version = answer->version, .body = answer->body};
    }
    found.stood = answer->stood;
    found.foreign = answer->foreign;
    found.foreign_n = answer->foreign_n;
    *answer = found;
  }
  return 0;
}

/* Of several patients with one identifier: the only one that is active and was not merged away. Of
 * several other things, the oldest. */
static int choose(struct store_view *view, const struct access *access, struct arena *arena,
                  defs_type_id type, const struct str *ids, size_t n, struct str *ret_id,
                  struct err *reterr) {
  *ret_id = n ? ids[0] : STR_NULL;
  if (n < 2 || !str_is(defs_type(type)->name, "Patient"))
    return 0;
  size_t left = 0;
  for (size_t i = 0; i < n; i++) {
    struct identity_answer answer = {0};
    const struct yyjson_val *patient;
    int code = read_if_there(view, access, arena, type, ids[i], &answer, reterr);
    if (code == 0 && answer.exists)
      code = json_parse(arena, answer.body, NULL, &patient, reterr);
    if (code < 0)
      return code;
    const struct yyjson_val *active = answer.exists ? json_get(patient, STR("active")) : NULL;
    if (!answer.exists || !str_is_empty(replaced_by(patient)) || (active && !json_is_true(active)))
      continue;
    left++;
    *ret_id = ids[i];
  }
  if (left > 1)
    return err_set(reterr, ERR_MULTIPLE_MATCHES, "Patient.identifier",
                   "More than one active patient has this identifier, so whose message this is "
                   "can't be told.");
  return 0;
}

/* Looks every identifier up: the first that is known decides, all become conditions of the commit.
 */
static int find_by_identifiers(struct store_view *view, const struct access *access,
                               struct arena *arena, const struct identity_claim *claim,
                               struct identity_answer *answer, identity_conditions *conditions,
                               struct err *reterr) {
  size_t *foreign = ARENA_ARRAY(arena, size_t, claim->identifiers_n + 1);
  if (!foreign)
    return err_no_memory(reterr);
  answer->foreign = foreign;
  for (size_t i = 0; i < claim->identifiers_n; i++) {
    const struct identity_identifier *identifier = &claim->identifiers[i];
    struct str ids[HOLDERS_MAX], id = STR_NULL;
    size_t n = 0;
    int code = store_find_identifiers(view, access, arena, claim->type, identifier->system,
                                      identifier->value, HOLDERS_MAX, ids, &n, reterr);
    if (code == 0)
      code = choose(view, access, arena, claim->type, ids, n, &id, reterr);
    if (code < 0)
      return code;
    struct store_condition *condition = VEC_PUSH(arena, conditions);
    if (!condition)
      return err_no_memory(reterr);
    *condition = (struct store_condition){.type = claim->type,
                                          .system = identifier->system,
                                          .code = identifier->value,
                                          .id = id,
                                          .among_others = n > 1};
    if (str_is_empty(id))
      continue;
    if (str_is_empty(answer->id))
      answer->id = id;
    else if (!str_equal(answer->id, id))
      foreign[answer->foreign_n++] = i;
  }
  return 0;
}

int identity_resolve(struct store_view *view, const struct access *access, struct arena *arena,
                     const struct identity_claim *claim, struct identity_answer *ret_answer,
                     identity_conditions *conditions, struct err *reterr) {
  struct identity_answer answer = {0};
  int code = find_by_identifiers(view, access, arena, claim, &answer, conditions, reterr);
  if (code < 0)
    return code;
  if (str_is_empty(answer.id)) {
    char uuid[ID_UUID_BYTES];
    const struct str parts[] = {defs_type(claim->type)->name, claim->key};
    id_uuid_of(parts, 2, uuid);
    answer.id = arena_str(arena, str_of(uuid));
    if (!answer.id.p)
      return err_no_memory(reterr);
  }
  code = read_if_there(view, access, arena, claim->type, answer.id, &answer, reterr);
  if (code < 0)
    return code;
  if (!claim->keeps_replaced && str_is(defs_type(claim->type)->name, "Patient")) {
    code = follow_replacements(view, access, arena, claim->type, &answer, reterr);
    if (code < 0)
      return code;
  }
  *ret_answer = answer;
  return 0;
}
