#include "identity/resolve.h"

#include "base/id.h"

/* How long a chain of merges is followed (A into B, B into C, ...). */
#define REPLACEMENTS_MAX 16

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

/* The first identifier that is known decides, all become conditions of the commit. `holders`: of
 * each of the claim's identifiers. */
static int take_holders(struct store_view *view, const struct access *access, struct arena *arena,
                        const struct identity_claim *claim, const struct store_holders *holders,
                        struct identity_answer *answer, identity_conditions *conditions,
                        struct err *reterr) {
  size_t *foreign = ARENA_ARRAY(arena, size_t, claim->identifiers_n + 1);
  if (!foreign)
    return err_no_memory(reterr);
  answer->foreign = foreign;
  for (size_t i = 0; i < claim->identifiers_n; i++) {
    struct str id = STR_NULL;
    int code = choose(view, access, arena, claim->type, holders[i].ids, holders[i].n, &id, reterr);
    if (code < 0)
      return code;
    struct store_condition *condition = VEC_PUSH(arena, conditions);
    if (!condition)
      return err_no_memory(reterr);
    *condition = (struct store_condition){.type = claim->type,
                                          .system = claim->identifiers[i].system,
                                          .code = claim->identifiers[i].value,
                                          .id = id,
                                          .among_others = holders[i].n > 1};
    if (str_is_empty(id))
      continue;
    if (str_is_empty(answer->id))
      answer->id = id;
    else if (!str_equal(answer->id, id))
      foreign[answer->foreign_n++] = i;
  }
  return 0;
}

/* Looks the identifiers of all claims up at once. */
static int find_by_identifiers(struct store_view *view, const struct access *access,
                               struct arena *arena, const struct identity_claim *claims, size_t n,
                               struct identity_answer *answers, identity_conditions *conditions,
                               struct err *reterr) {
  size_t all_n = 0;
  for (size_t i = 0; i < n; i++)
    all_n += claims[i].identifiers_n;
  struct store_identifier *all = ARENA_ARRAY(arena, struct store_identifier, all_n + 1);
  struct store_holders *holders = ARENA_ARRAY(arena, struct store_holders, all_n + 1);
  if (!all || !holders)
    return err_no_memory(reterr);
  all_n = 0;
  for (size_t i = 0; i < n; i++)
    for (size_t k = 0; k < claims[i].identifiers_n; k++)
      all[all_n++] = (struct store_identifier){claims[i].type, claims[i].identifiers[k].system,
                                               claims[i].identifiers[k].value};
  int code = store_find_many(view, access, arena, all, all_n, holders, reterr);
  for (size_t i = 0; i < n && code == 0; holders += claims[i++].identifiers_n)
    code = take_holders(view, access, arena, &claims[i], holders, &answers[i], conditions, reterr);
  return code;
}

/* The id that the key leads to, where no identifier has led to one. */
static int derive_id(struct arena *arena, const struct identity_claim *claim,
                     struct identity_answer *answer, struct err *reterr) {
  if (!str_is_empty(answer->id))
    return 0;
  char uuid[ID_UUID_BYTES];
  const struct str parts[] = {defs_type(claim->type)->name, claim->key};
  id_uuid_of(parts, 2, uuid);
  answer->id = arena_str(arena, str_of(uuid));
  return answer->id.p ? 0 : err_no_memory(reterr);
}

/* Reads what all claims have led to, at once. */
static int read_answers(struct store_view *view, const struct access *access, struct arena *arena,
                        const struct identity_claim *claims, size_t n,
                        struct identity_answer *answers, struct err *reterr) {
  struct store_name *names = ARENA_ARRAY(arena, struct store_name, n + 1);
  struct store_resource *found = ARENA_ARRAY(arena, struct store_resource, n + 1);
  if (!names || !found)
    return err_no_memory(reterr);
  for (size_t i = 0; i < n; i++) {
    int code = derive_id(arena, &claims[i], &answers[i], reterr);
    if (code < 0)
      return code;
    names[i] = (struct store_name){claims[i].type, answers[i].id};
  }
  int code = store_read_many(view, access, arena, names, n, found, reterr);
  for (size_t i = 0; i < n && code == 0; i++) {
    answers[i].exists = found[i].version > 0 && !found[i].is_deleted;
    answers[i].version = answers[i].exists ? found[i].version : 0;
    answers[i].body = answers[i].exists ? found[i].body : STR_NULL;
  }
  return code;
}

int identity_resolve(struct store_view *view, const struct access *access, struct arena *arena,
                     const struct identity_claim *claims, size_t n,
                     struct identity_answer *ret_answers, identity_conditions *conditions,
                     struct err *reterr) {
  memset(ret_answers, 0, n * sizeof *ret_answers);
  int code = find_by_identifiers(view, access, arena, claims, n, ret_answers, conditions, reterr);
  if (code == 0)
    code = read_answers(view, access, arena, claims, n, ret_answers, reterr);
  for (size_t i = 0; i < n && code == 0; i++)
    if (!claims[i].keeps_replaced && str_is(defs_type(claims[i].type)->name, "Patient"))
      code = follow_replacements(view, access, arena, claims[i].type, &ret_answers[i], reterr);
  return code;
}
