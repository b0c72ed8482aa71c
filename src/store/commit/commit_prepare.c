#include "store/commit/commit.h"

#include "base/id.h"
#include "model/parameters.h"

struct preparing {
  struct arena *arena;
  const struct schema *schema;
  const struct body_codec *codec;
  struct store_prepared *prepared;
  VEC(struct parameter) parameters; /* that the commit defines */
};

static struct named *name_resource(struct preparing *p, defs_type_id type, struct str id) {
  int64_t key = schema_identity_key(p->schema, type, id);
  struct str key_bytes = {(const char *)&key, sizeof key};
  struct named *named = map_get(&p->prepared->by_key, key_bytes);
  if (named && named->type == type && str_equal(named->id, id))
    return named;
  /* Two with one key, which does not happen by chance, would both be named; only the first is
   * found again. */
  bool is_known = named != NULL;
  struct named **place = VEC_PUSH(p->arena, &p->prepared->named);
  named = place ? ARENA_NEW(p->arena, struct named) : NULL;
  if (!named)
    return NULL;
  *named = (struct named){.key = key,
                          .type = type,
                          .id = arena_str(p->arena, id),
                          .packed_id = schema_id_pack(id),
                          .number = p->prepared->named.n - 1};
  if (!named->id.p)
    return NULL;
  *place = named;
  key_bytes.p = (const char *)&named->key;
  if (!is_known && map_set(&p->prepared->by_key, key_bytes, named) != 0)
    return NULL;
  return named;
}

static size_t number_of_target(void *what, defs_type_id type, struct str id) {
  const struct named *named = name_resource(what, type, id);
  return named ? named->number : SIZE_MAX;
}

static int check_write(const struct preparing *p, const struct store_write *write,
                       struct err *reterr) {
  if (write->type > defs_types_count() || !schema_type_number(p->schema, write->type))
    return err_set(reterr, ERR_NOT_SUPPORTED, "", "This is not a type of resource.");
  if (!id_is_fhir_id(write->id))
    return err_set(reterr, ERR_VALUE, "Resource.id",
                   "An id is 1 to 64 letters, digits, '-' and '.'.");
  if (!write->is_delete && !write->is_confirmation && str_is_empty(write->body))
    return err_set(reterr, ERR_REQUIRED, "", "A resource needs a body.");
  return 0;
}

/* Two resources of one commit can't define the same; against those that are there already it was
 * checked before. */
static int add_parameters(struct preparing *p, struct parameters added, struct err *reterr) {
  size_t before = p->parameters.n;
  for (size_t i = 0; i < added.n; i++) {
    for (size_t j = 0; j < before; j++)
      if (parameters_meet(&added.p[i], &p->parameters.p[j]))
        return err_set(reterr, ERR_UNPROCESSABLE, "SearchParameter.code",
                       "Two resources define '%.*s'.", STR_ARG(added.p[i].definition.code));
    struct parameter *place = VEC_PUSH(p->arena, &p->parameters);
    if (!place)
      return err_no_memory(reterr);
    *place = added.p[i];
  }
  return 0;
}

/* Nearly all have no effect (the specification's own are drafts), and are not looked into. */
static int note_parameters(struct preparing *p, const struct store_write *write,
                           struct prepared_write *prepared, struct err *reterr) {
  const struct yyjson_val *resource;
  struct parameters parameters;
  struct err ignored;
  if (!str_is(defs_type(write->type)->name, "SearchParameter") ||
      str_find(write->body, STR("\"active\"")) < 0 ||
      json_parse(p->arena, write->body, &JSON_LIMITS_DEFAULT, &resource, &ignored) != 0 ||
      parameters_read(p->arena, resource, &parameters, &ignored) != 0)
    return 0;
  prepared->is_parameter = parameters.n > 0;
  return add_parameters(p, parameters, reterr);
}

static int prepare_write(struct preparing *p, const struct store_write *write,
                         struct prepared_write *prepared, struct err *reterr) {
  int code = check_write(p, write, reterr);
  if (code != 0)
    return code;
  prepared->named = name_resource(p, write->type, write->id);
  if (!prepared->named)
    return err_no_memory(reterr);
  if (!write->is_delete && !write->is_confirmation) {
    code =
        keys_make(p->arena, p->schema, write->values, number_of_target, p, &prepared->keys, reterr);
    if (code == 0 && !write->is_reindex)
      code = note_parameters(p, write, prepared, reterr);
    if (code == 0 && !write->is_reindex)
      code = body_pack(p->codec, p->arena, BODY_JSON, write->body, &prepared->body, reterr);
    p->prepared->rows_n += 3 + prepared->keys.keys.n + prepared->keys.links.n;
  }
  if (code == 0 && !str_is_empty(write->lineage))
    code = body_pack(p->codec, p->arena, BODY_LINEAGE, write->lineage, &prepared->lineage, reterr);
  return code;
}

#define WORD_MAX_BYTES 64

static int add_word(struct preparing *p, struct str text) {
  struct str part = str_slice(text, 0, WORD_MAX_BYTES);
  if (part.n == 0)
    return 0;
  char *lower = arena_alloc(p->arena, part.n);
  if (!lower)
    return -1;
  for (size_t i = 0; i < part.n; i++)
    lower[i] = part.p[i] >= 'A' && part.p[i] <= 'Z' ? (char)(part.p[i] + 32) : part.p[i];
  struct prepared_message *message = &p->prepared->message;
  for (size_t i = 0; i < message->words.n; i++)
    if (str_equal(message->words.p[i], str_n(lower, part.n)))
      return 0;
  struct str *place = VEC_PUSH(p->arena, &message->words);
  if (!place)
    return -1;
  *place = str_n(lower, part.n);
  return 0;
}

static int prepare_message(struct preparing *p, const struct store_message *message,
                           struct err *reterr) {
  struct prepared_message *prepared = &p->prepared->message;
  struct str identity[3] = {message->sender, message->control_id, message->raw};
  prepared->seen_key = (int64_t)hash_siphash_parts(p->schema->key, identity, 3);
  struct str words[5] = {message->sender, message->control_id, message->type, message->event,
                         message->patient};
  for (size_t i = 0; i < 5; i++)
    if (add_word(p, words[i]) != 0)
      return err_no_memory(reterr);
  int code = body_pack(p->codec, p->arena, BODY_MESSAGE, message->raw, &prepared->raw, reterr);
  if (code == 0)
    code = body_pack(p->codec, p->arena, BODY_MESSAGE, message->reply, &prepared->reply, reterr);
  return code;
}

int commit_prepare(const struct schema *schema, const struct body_codec *codec,
                   struct store_commit *commit, struct err *reterr) {
  struct preparing p = {.arena = commit->arena, .schema = schema, .codec = codec};
  p.prepared = ARENA_NEW(p.arena, struct store_prepared);
  if (!p.prepared)
    return err_no_memory(reterr);
  p.prepared->writes = ARENA_ARRAY(p.arena, struct prepared_write, commit->writes_n + 1);
  if (!p.prepared->writes)
    return err_no_memory(reterr);
  map_init(&p.prepared->by_key, p.arena);
  for (size_t i = 0; i < commit->writes_n; i++) {
    int code = prepare_write(&p, &commit->writes[i], &p.prepared->writes[i], reterr);
    if (code != 0) {
      commit->failed_write = i;
      return code;
    }
  }
  int code = commit->message ? prepare_message(&p, commit->message, reterr) : 0;
  if (code == 0)
    commit->prepared_ = p.prepared;
  return code;
}

#define AGAIN_ARENA_MAX_BYTES ((size_t)1 << 30)

static bool is_outdated(const struct store_write *write) {
  return !write->is_delete && !write->is_confirmation && write->values.generation != 0 &&
         write->values.generation != parameters_generation();
}

bool commit_is_outdated(const struct store_commit *commit) {
  for (size_t i = 0; i < commit->writes_n; i++)
    if (is_outdated(&commit->writes[i]))
      return true;
  return false;
}

void commit_forget_unpacked(struct store_commit *commit) {
  for (size_t i = 0; i < commit->writes_n; i++) {
    struct store_write *write = &commit->writes[i];
    write->id = commit->prepared_->writes[i].named->id;
    write->body = write->lineage = STR_NULL;
    write->values = (struct search_values){.generation = write->values.generation};
  }
}

static bool is_only_packed(struct str text, struct str packed) {
  return str_is_empty(text) && !str_is_empty(packed);
}

/* Is there nothing of it but what was packed? */
static bool is_forgotten(const struct store_commit *commit, size_t i) {
  const struct store_write *write = &commit->writes[i];
  const struct prepared_write *prepared = commit->prepared_ ? &commit->prepared_->writes[i] : NULL;
  return prepared && (is_only_packed(write->body, prepared->body) ||
                      is_only_packed(write->lineage, prepared->lineage));
}

static int unpack_write(const struct body_codec *codec, struct arena *arena,
                        const struct prepared_write *prepared, struct store_write *write,
                        struct err *reterr) {
  int code = 0;
  if (is_only_packed(write->body, prepared->body))
    code = body_unpack(codec, arena, prepared->body, &write->body, reterr);
  if (code == 0 && is_only_packed(write->lineage, prepared->lineage))
    code = body_unpack(codec, arena, prepared->lineage, &write->lineage, reterr);
  return code;
}

/* A write that may define a parameter keeps its old values: group_add refuses it, because it must
 * be checked again. */
static int extract_again(const struct body_codec *codec, struct arena *arena,
                         struct store_commit *commit, size_t i, struct err *reterr) {
  struct store_write *write = &commit->writes[i];
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  limits.max_bytes = BODY_MAX_BYTES;
  const struct yyjson_val *resource;
  bool was_forgotten = is_forgotten(commit, i);
  int code =
      was_forgotten ? unpack_write(codec, arena, &commit->prepared_->writes[i], write, reterr) : 0;
  bool is_stale = commit->prepared_ && commit->prepared_->writes[i].is_parameter;
  if (code != 0 || is_stale || str_is_empty(write->body) || !(was_forgotten || is_outdated(write)))
    return code;
  code = json_parse(arena, write->body, &limits, &resource, reterr);
  return code ? code : search_values_extract(arena, resource, &write->values, reterr);
}

static bool has_forgotten(const struct store_commit *commit) {
  for (size_t i = 0; i < commit->writes_n; i++)
    if (is_forgotten(commit, i))
      return true;
  return false;
}

int commit_prepare_again(const struct schema *schema, const struct body_codec *codec,
                         struct store_commit *commit, struct err *reterr) {
  bool is_packed = has_forgotten(commit);
  struct arena *arena = is_packed ? arena_new(AGAIN_ARENA_MAX_BYTES) : commit->arena;
  int code = arena ? 0 : err_no_memory(reterr);
  for (size_t i = 0; code == 0 && i < commit->writes_n; i++)
    code = extract_again(codec, arena, commit, i, reterr);
  if (code == 0)
    code = commit_prepare(schema, codec, commit, reterr);
  if (is_packed) {
    commit_forget_unpacked(commit);
    arena_free(arena);
  }
  return code;
}
