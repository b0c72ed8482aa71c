/* A group: reading the state of what a commit names, checking a commit against it, staging it. */
#include "store/commit/commit.h"

#include <stdlib.h>

#include "model/parameters.h"
#include "store/work/delivery.h"
#include "store/commit/group_read.h"
#include "store/commit/group_shard.h"
#include "store/work/job_write.h"
#include "store/search/search.h"
#include "store/store_internal.h"

/* ---- What the group knows ---- */

#define GROUP_ARENA_MAX_BYTES ((size_t)2 << 30)

int group_init(struct group *group, struct err *reterr) {
  group->arena = arena_new(GROUP_ARENA_MAX_BYTES);
  group->scratch = arena_new(2 * STORE_BODY_SCRATCH_BYTES);
  group->known_words = calloc((size_t)1 << WORDS_KNOWN_BITS, sizeof(int64_t));
  group->known_counters = calloc((size_t)1 << COUNTERS_KNOWN_BITS, sizeof(int64_t));
  return group->arena && group->scratch && group->known_words && group->known_counters
             ? 0
             : err_no_memory(reterr);
}

void group_fini(struct group *group) {
  arena_free(group->arena);
  arena_free(group->scratch);
  free(group->known_words);
  free(group->known_counters);
}

void group_forget_known(struct group *group) {
  memset(group->known_words, 0, sizeof(int64_t) << WORDS_KNOWN_BITS);
  memset(group->known_counters, 0, sizeof(int64_t) << COUNTERS_KNOWN_BITS);
}

int group_begin(struct group *group, struct err *reterr) {
  struct group fresh = {
      .db = group->db,
      .schema = group->schema,
      .codec = group->codec,
      .arena = group->arena,
      .scratch = group->scratch,
      .view = group->view,
      .is_identifier = group->is_identifier,
      .parameter_type = defs_type_by_name(STR("SearchParameter")),
      .known_words = group->known_words,
      .known_counters = group->known_counters,
      .ordinal = group->ordinal,
  };
  arena_reset(group->arena);
  map_init(&fresh.slots, fresh.arena);
  map_init(&fresh.identifiers, fresh.arena);
  map_init(&fresh.seen, fresh.arena);
  map_init(&fresh.stored_messages, fresh.arena);
  map_init(&fresh.stored_holders, fresh.arena);
  fresh.live_change = ARENA_ARRAY(fresh.arena, int64_t, fresh.schema->types_n);
  fresh.version_change = ARENA_ARRAY(fresh.arena, int64_t, fresh.schema->types_n);
  *group = fresh;
  return group->live_change && group->version_change ? 0 : err_no_memory(reterr);
}

void group_continue(struct group *group, struct sequence sequence, int64_t now_us) {
  group->sequence = sequence;
  group->first_seq = sequence.seq;
  group->versions_written = sequence.versions;
  group->now_us = now_us;
}

/* ---- Messages that were seen before ---- */

static int is_same_message(struct group *group, const struct store_message *message,
                           const struct stored_message *stored, bool *ret_is_same,
                           struct err *reterr) {
  struct str raw;
  *ret_is_same = false;
  if (!str_equal(stored->sender, message->sender) ||
      !str_equal(stored->control_id, message->control_id))
    return 0;
  arena_reset(group->scratch);
  int code = group_message_raw(group, stored, group->scratch, &raw, reterr);
  if (code == 0)
    *ret_is_same = str_equal(raw, message->raw);
  return code;
}

/* Sender, control id and bytes are compared. */
static int find_stored_message(struct group *group, struct store_commit *commit,
                               struct err *reterr) {
  struct store_message *message = commit->message;
  const struct stored_messages *stored;
  int code = group_stored_messages(group, commit->prepared_->message.seen_key, &stored, reterr);
  for (size_t i = 0; code == 0 && i < stored->list.n && !message->is_duplicate; i++) {
    const struct stored_message *same = &stored->list.p[i];
    code = is_same_message(group, message, same, &message->is_duplicate, reterr);
    if (code != 0 || !message->is_duplicate)
      continue;
    message->number = same->number;
    code = group_message_reply(group, same, commit->arena, &message->stored_reply, reterr);
  }
  return code;
}

static int find_message(struct group *group, struct store_commit *commit, struct err *reterr) {
  struct store_message *message = commit->message;
  int64_t key = commit->prepared_->message.seen_key;
  const struct staged_message *staged =
      map_get(&group->seen, str_n((const char *)&key, sizeof key));
  if (!staged || !str_equal(staged->message->sender, message->sender) ||
      !str_equal(staged->message->control_id, message->control_id) ||
      !str_equal(staged->message->raw, message->raw))
    return find_stored_message(group, commit, reterr);
  message->is_duplicate = true;
  message->number = (uint64_t)staged->number;
  message->stored_reply = arena_str(commit->arena, staged->message->reply);
  return message->stored_reply.p ? 0 : err_no_memory(reterr);
}

/* ---- Conditions ---- */

/* The slots that came to hold an identifier in this group; they may have lost it again. */
struct holders {
  int64_t key[2]; /* param, hash */
  VEC(struct slot *) slots;
};

static bool holds(const struct slot *slot, int64_t param, int64_t hash) {
  for (size_t i = 0; i < slot->keys.n && slot->keys.p[i].table == KEYS_TOKEN; i++)
    if (slot->keys.p[i].param == param && slot->keys.p[i].hash == hash)
      return true;
  return false;
}

static int note_identifiers(struct group *group, struct slot *slot, struct err *reterr) {
  for (size_t i = 0; i < slot->keys.n && slot->keys.p[i].table == KEYS_TOKEN; i++) {
    const struct key *token = &slot->keys.p[i];
    if (!group->is_identifier[token->param])
      continue;
    int64_t key[2] = {token->param, token->hash};
    struct holders *holders = map_get(&group->identifiers, str_n((const char *)key, sizeof key));
    if (!holders) {
      holders = ARENA_NEW(group->arena, struct holders);
      if (!holders)
        return err_no_memory(reterr);
      memcpy(holders->key, key, sizeof key);
      if (map_set(&group->identifiers, str_n((const char *)holders->key, sizeof holders->key),
                  holders) != 0)
        return err_no_memory(reterr);
    }
    struct slot **place = VEC_PUSH(group->arena, &holders->slots);
    if (!place)
      return err_no_memory(reterr);
    *place = slot;
  }
  return 0;
}

struct matches {
  size_t n;
  bool has_wanted; /* the one that the condition names is among them */
};

static void add_match(struct matches *matches, const struct store_condition *condition,
                      struct str id) {
  matches->n++;
  matches->has_wanted |= str_equal(id, condition->id);
}

/* The state of a row's resource, if this group has touched it. */
static struct slot *slot_of_id(const struct group *group, defs_type_id type, struct str id) {
  int64_t key = schema_identity_key(group->schema, type, id);
  struct slot *slot = map_get(&group->slots, str_n((const char *)&key, sizeof key));
  while (slot && !(slot->type == type && str_equal(slot->id, id)))
    slot = slot->next;
  return slot;
}

static int match_staged(struct group *group, const struct store_condition *condition,
                        const struct identifier_key *key, struct matches *matches,
                        struct err *reterr) {
  int64_t identifier[2] = {key->param, key->hash};
  const struct holders *holders =
      map_get(&group->identifiers, str_n((const char *)identifier, sizeof identifier));
  for (size_t i = 0; holders && i < holders->slots.n; i++) {
    const struct slot *slot = holders->slots.p[i];
    bool is_repeated = false;
    for (size_t j = 0; j < i; j++)
      is_repeated |= holders->slots.p[j] == slot;
    if (is_repeated || !slot->is_dirty || slot->type != condition->type ||
        !holds(slot, key->param, key->hash))
      continue;
    struct str body;
    arena_reset(group->scratch);
    int code = group_slot_body(group, slot, group->scratch, &body, reterr);
    if (code != 0)
      return code;
    if (store_body_has_code(group->scratch, body, condition->code))
      add_match(matches, condition, slot->id);
  }
  return 0;
}

static int match_stored(struct group *group, const struct store_condition *condition,
                        const struct identifier_key *key, struct matches *matches,
                        struct err *reterr) {
  const struct stored_holders *holders;
  int code = group_stored_holders(group, key, condition->code, &holders, reterr);
  for (size_t i = 0; code == 0 && i < holders->ids.n; i++) {
    const struct slot *slot = slot_of_id(group, condition->type, holders->ids.p[i]);
    if (!slot || !slot->is_dirty) /* else match_staged knows better */
      add_match(matches, condition, holders->ids.p[i]);
  }
  return code;
}

static int match_search(struct group *group, const struct store_condition *condition,
                        struct matches *matches, bool *ret_is_refusal, struct err *reterr) {
  struct access access = ACCESS_EVERYTHING(STR("store"));
  struct store_resources found;
  int code = group_write(group, reterr); /* what is only staged can't be searched */
  if (code != 0)
    return code;
  code = search_ids(group->view, &access, group->arena, condition->search, 2, &found, reterr);
  *ret_is_refusal = code != 0; /* a search only reads: nobody else is concerned */
  for (size_t i = 0; code == 0 && i < found.n; i++)
    add_match(matches, condition, found.p[i].id);
  return code;
}

static int check_condition(struct group *group, const struct store_condition *condition,
                           bool *ret_is_refusal, struct err *reterr) {
  struct matches matches = {0};
  int code;
  if (condition->search) {
    code = match_search(group, condition, &matches, ret_is_refusal, reterr);
  } else {
    struct identifier_key key = group_identifier_key(group, condition);
    code = match_staged(group, condition, &key, &matches, reterr);
    if (code == 0)
      code = match_stored(group, condition, &key, &matches, reterr);
  }
  if (code != 0)
    return code;
  bool holds_still = str_is_empty(condition->id)
                         ? matches.n == 0
                         : matches.has_wanted && (matches.n == 1 || condition->among_others);
  if (holds_still)
    return 0;
  *ret_is_refusal = true;
  return err_set(reterr, ERR_STALE, "", "What was found when this was prepared has changed.");
}

/* ---- Checking a write ---- */

static int check_expectation(const struct store_write *write, const struct slot *slot,
                             struct err *reterr) {
  bool is_live = slot->state == SCHEMA_LIVE;
  uint32_t version = is_live ? slot->version : 0;
  switch (write->expect) {
  case STORE_ANY:
    return 0;
  case STORE_MUST_BE_NEW:
    if (!is_live)
      return 0;
    return err_set(reterr, ERR_CONFLICT, "", "There is already a resource with this id.");
  case STORE_MUST_EXIST:
    if (is_live)
      return 0;
    return err_set(reterr, ERR_NOT_FOUND, "", "There is no resource with this id.");
  case STORE_MUST_BE_VERSION:
    if (is_live && version == write->expected_version)
      return 0;
    return err_set(reterr, ERR_PRECONDITION, "", "The current version is %u, not %u.", version,
                   write->expected_version);
  case STORE_IS_STILL_VERSION:
    if (version == write->expected_version)
      return 0;
    return err_set(reterr, ERR_STALE, "", "The resource has changed since this was prepared.");
  }
  return 0;
}

static int is_unchanged(struct group *group, const struct slot *slot,
                        const struct store_write *write, const struct prepared_write *prepared,
                        bool *ret_is_unchanged, struct err *reterr) {
  if (!slot->is_body_apart && str_equal(slot->body, prepared->body)) {
    *ret_is_unchanged = true;
    return 0;
  }
  /* The same text may have been packed with another dictionary. */
  struct str old_body, new_body = write->body;
  arena_reset(group->scratch);
  int code = group_slot_body(group, slot, group->scratch, &old_body, reterr);
  if (code == 0 && str_is_empty(new_body))
    code = body_unpack(group->codec, group->scratch, prepared->body, &new_body, reterr);
  if (code == 0)
    *ret_is_unchanged = str_equal(old_body, new_body);
  return code;
}

/* What a SearchParameter may define was checked against the set that was in force then; a change of
 * the set makes it stale. The new set is in force when this group is durable. */
static int check_parameter(struct group *group, const struct store_write *write,
                           const struct prepared_write *prepared, struct err *reterr) {
  uint32_t generation = write->values.generation;
  if (write->type != group->parameter_type ||
      (!prepared->is_parameter && !parameters_have_source(write->id)))
    return 0;
  bool is_stale =
      prepared->is_parameter && generation != 0 && generation != parameters_generation();
  if (group->changes_parameters || is_stale)
    return err_set(reterr, ERR_STALE, "", "Another search parameter was just defined.");
  return 0;
}

static int check_write(struct group *group, struct store_write *write,
                       const struct prepared_write *prepared, bool *ret_is_refusal,
                       struct err *reterr) {
  struct slot *slot;
  int code = group_slot(group, prepared->named, !write->is_confirmation, &slot, reterr);
  if (code != 0)
    return code;
  if (write->is_confirmation) {
    write->effect = STORE_UNCHANGED;
    if (slot->rid != 0)
      return 0;
    *ret_is_refusal = true;
    return err_set(reterr, ERR_STALE, "", "The resource that is confirmed is not there.");
  }
  if (write->is_reindex) {
    write->effect = STORE_UNCHANGED;
    return 0;
  }
  if (slot->touched_by == group->ordinal) {
    *ret_is_refusal = true;
    return err_set(reterr, ERR_INVALID, "", "One transaction can't write a resource twice.");
  }
  slot->touched_by = group->ordinal;
  code = check_expectation(write, slot, reterr);
  if (code == 0)
    code = check_parameter(group, write, prepared, reterr);
  if (code != 0) {
    *ret_is_refusal = true;
    return code;
  }
  bool is_live = slot->state == SCHEMA_LIVE, unchanged = false;
  if (is_live && !write->is_delete)
    code = is_unchanged(group, slot, write, prepared, &unchanged, reterr);
  if (write->is_delete)
    write->effect = is_live ? STORE_DELETED : STORE_WAS_DELETED;
  else if (unchanged)
    write->effect = STORE_UNCHANGED;
  else
    write->effect = is_live ? STORE_UPDATED : STORE_CREATED;
  return code;
}

static int check(struct group *group, struct store_commit *commit, bool *ret_is_refusal,
                 struct err *reterr) {
  for (size_t i = 0; i < commit->conditions_n; i++) {
    int code = check_condition(group, &commit->conditions[i], ret_is_refusal, reterr);
    if (code != 0)
      return code;
  }
  for (size_t i = 0; i < commit->jobs_n; i++) {
    int code = job_check(group->db, &commit->jobs[i], ret_is_refusal, reterr);
    if (code != 0)
      return code;
  }
  for (size_t i = 0; i < commit->delivery_changes_n; i++) {
    int code = delivery_check(group->db, &commit->delivery_changes[i], ret_is_refusal, reterr);
    if (code != 0)
      return code;
  }
  for (size_t i = 0; i < commit->writes_n; i++) {
    int code = check_write(group, &commit->writes[i], &commit->prepared_->writes[i], ret_is_refusal,
                           reterr);
    if (code != 0) {
      commit->failed_write = i;
      return code;
    }
  }
  return 0;
}

/* ---- Staging ---- */

static int mark_dirty(struct group *group, struct slot *slot, struct err *reterr) {
  if (slot->is_dirty)
    return 0;
  struct slot **place = VEC_PUSH(group->arena, &group->dirty);
  if (!place)
    return err_no_memory(reterr);
  *place = slot;
  slot->is_dirty = true;
  group->rows_n++;
  return 0;
}

static int give_rid(struct group *group, struct slot *slot, int64_t shard, struct err *reterr) {
  if (slot->rid != 0)
    return 0;
  slot->rid = shard_rid(shard, ++group->sequence.rid);
  slot->is_new = true;
  return mark_dirty(group, slot, reterr);
}

/* A number for each resource that `from` points to, whether it is there or not. */
static int resolve_targets(struct group *group, const struct store_prepared *prepared,
                           const struct keys_made *made, const struct slot *from, uint64_t *rids,
                           struct err *reterr) {
  for (size_t i = 0; i < made->links.n; i++) {
    size_t target = made->links.p[i].target;
    if (rids[target] != 0)
      continue;
    struct slot *slot;
    int code = group_slot(group, prepared->named.p[target], false, &slot, reterr);
    if (code == 0)
      code = give_rid(group, slot, group_shard_of_target(group, slot, from), reterr);
    if (code != 0)
      return code;
    rids[target] = slot->rid;
  }
  return group_note_strays(group, prepared, made, from, rids, reterr);
}

static int keep_old_version(struct group *group, const struct slot *slot, struct err *reterr) {
  if (slot->version == 0)
    return 0;
  struct old_version *old = VEC_PUSH(group->arena, &group->versions);
  if (!old)
    return err_no_memory(reterr);
  *old = (struct old_version){(int64_t)slot->rid,   slot->version,      slot->updated_us,
                              (int64_t)slot->state, (int64_t)slot->seq, slot->body,
                              slot->is_body_apart};
  return 0;
}

static bool are_equal(struct keys a, struct keys b) {
  for (size_t i = 0; i < a.n && i < b.n; i++)
    if (keys_compare(&a.p[i], &b.p[i]) != 0)
      return false;
  return a.n == b.n;
}

static int note_words(struct group *group, const struct keys_made *made, struct err *reterr) {
  for (size_t i = 0; i < made->words.n; i++) {
    struct keys_word *word = VEC_PUSH(group->arena, &group->words);
    if (!word)
      return err_no_memory(reterr);
    *word = made->words.p[i];
  }
  return 0;
}

/* A resource that was written since has its new keys already. */
static int stage_reindex(struct group *group, const struct store_prepared *prepared,
                         const struct prepared_write *made, const struct store_write *write,
                         struct slot *slot, uint64_t *rids, struct err *reterr) {
  struct keys keys;
  if (slot->state != SCHEMA_LIVE || slot->version != write->expected_version)
    return 0;
  int code = resolve_targets(group, prepared, &made->keys, slot, rids, reterr);
  if (code == 0)
    code = keys_complete(group->arena, &made->keys, rids, &keys, reterr);
  if (code != 0 || are_equal(keys, slot->keys))
    return code;
  slot->keys = keys;
  group->rows_n += keys.n;
  group->has_written = true;
  code = mark_dirty(group, slot, reterr);
  if (code == 0)
    code = note_words(group, &made->keys, reterr);
  return code ? code : note_identifiers(group, slot, reterr);
}

static int stage_change(struct group *group, const struct store_prepared *prepared,
                        const struct prepared_write *made, struct store_write *write,
                        struct slot *slot, uint64_t *rids, struct err *reterr) {
  int64_t shard = 0;
  int code = keep_old_version(group, slot, reterr);
  if (code == 0)
    code = group_shard_of_new(group, prepared, &made->keys, slot, &shard, reterr);
  if (code == 0)
    code = give_rid(group, slot, shard, reterr);
  if (code == 0)
    code = mark_dirty(group, slot, reterr);
  if (code != 0)
    return code;
  group->live_change[schema_type_number(group->schema, slot->type)] +=
      !write->is_delete - (slot->state == SCHEMA_LIVE);
  group->version_change[schema_type_number(group->schema, slot->type)]++;
  slot->version++;
  slot->updated_us = group->sequence.time_us;
  slot->seq = group->sequence.seq;
  slot->state = write->is_delete ? SCHEMA_DELETED : SCHEMA_LIVE;
  slot->body = made->body;
  slot->is_body_apart = false;
  slot->keys = (struct keys){0};
  slot->has_content = true;
  group->sequence.versions++;
  if (write->is_delete)
    return 0;
  code = resolve_targets(group, prepared, &made->keys, slot, rids, reterr);
  if (code == 0)
    code = keys_complete(group->arena, &made->keys, rids, &slot->keys, reterr);
  if (code == 0)
    code = note_words(group, &made->keys, reterr);
  group->rows_n += slot->keys.n + 2;
  return code ? code : note_identifiers(group, slot, reterr);
}

static int note_change(struct group *group, const struct store_write *write,
                       const struct prepared_write *made, const struct slot *slot, int64_t message,
                       struct err *reterr) {
  if (made->lineage.p) {
    struct staged_lineage *lineage = VEC_PUSH(group->arena, &group->lineages);
    if (!lineage)
      return err_no_memory(reterr);
    uint32_t version = write->is_confirmation ? write->expected_version : slot->version;
    *lineage = (struct staged_lineage){message, (int64_t)slot->rid, version, made->lineage};
  }
  if (write->effect == STORE_UNCHANGED || write->effect == STORE_WAS_DELETED)
    return 0;
  struct staged_event *event = VEC_PUSH(group->arena, &group->events);
  if (!event)
    return err_no_memory(reterr);
  bool is_put = write->effect == STORE_CREATED && write->is_put;
  *event = (struct staged_event){(int64_t)++group->sequence.event,
                                 (int64_t)group->sequence.seq,
                                 is_put ? SCHEMA_EVENT_CREATED_BY_PUT : (int64_t)write->effect,
                                 (int64_t)slot->rid,
                                 slot->version,
                                 message,
                                 schema_type_number(group->schema, slot->type)};
  return 0;
}

static int stage_writes(struct group *group, struct store_commit *commit, int64_t message,
                        struct err *reterr) {
  const struct store_prepared *prepared = commit->prepared_;
  uint64_t *rids = ARENA_ARRAY(group->arena, uint64_t, prepared->named.n + 1);
  if (!rids)
    return err_no_memory(reterr);
  for (size_t i = 0; i < commit->writes_n; i++) {
    struct store_write *write = &commit->writes[i];
    struct slot *slot;
    int code = group_slot(group, prepared->writes[i].named, !write->is_confirmation, &slot, reterr);
    if (code == 0 && write->is_reindex)
      code = stage_reindex(group, prepared, &prepared->writes[i], write, slot, rids, reterr);
    else if (code == 0 && write->effect != STORE_UNCHANGED && write->effect != STORE_WAS_DELETED)
      code = stage_change(group, prepared, &prepared->writes[i], write, slot, rids, reterr);
    if (code == 0 && write->type == group->parameter_type)
      group->changes_parameters |=
          prepared->writes[i].is_parameter || parameters_have_source(write->id);
    if (code == 0)
      code = note_change(group, write, &prepared->writes[i], slot, message, reterr);
    if (code != 0)
      return code;
    write->version = write->is_confirmation ? write->expected_version : slot->version;
    write->updated_us = slot->updated_us;
  }
  return 0;
}

static int stage_message(struct group *group, struct store_commit *commit, struct err *reterr) {
  struct store_message *message = commit->message;
  struct staged_message *staged = VEC_PUSH(group->arena, &group->messages);
  struct staged_event *event = VEC_PUSH(group->arena, &group->events);
  struct staged_message *seen = ARENA_NEW(group->arena, struct staged_message);
  if (!staged || !event || !seen)
    return err_no_memory(reterr);
  message->number = ++group->sequence.message;
  *staged = (struct staged_message){message, &commit->prepared_->message, (int64_t)message->number,
                                    (int64_t)group->sequence.seq};
  *event = (struct staged_event){
      .number = (int64_t)++group->sequence.event, .seq = staged->seq, .message = staged->number};
  *seen = *staged;
  if (message->status == STORE_MESSAGE_ACCEPTED &&
      map_set(&group->seen,
              str_n((const char *)&seen->prepared->seen_key, sizeof seen->prepared->seen_key),
              seen) != 0)
    return err_no_memory(reterr);
  return 0;
}

static int stage_notes(struct group *group, const struct store_commit *commit, struct err *reterr) {
  int64_t seq = (int64_t)group->sequence.seq;
  struct staged_commit *row = VEC_PUSH(group->arena, &group->commits);
  if (!row)
    return err_no_memory(reterr);
  *row = (struct staged_commit){seq, group->sequence.time_us, commit_text(commit->principal)};
  for (size_t i = 0; i < commit->audits_n; i++) {
    const struct store_audit *given = &commit->audits[i];
    struct staged_audit *audit = VEC_PUSH(group->arena, &group->audits);
    if (!audit)
      return err_no_memory(reterr);
    *audit = (struct staged_audit){(int64_t)++group->sequence.audit,
                                   seq,
                                   {.action = commit_text(given->action),
                                    .what = commit_text(given->what),
                                    .outcome = commit_text(given->outcome),
                                    .detail = commit_text(given->detail)}};
  }
  for (size_t i = 0; i < commit->deliveries_n; i++) {
    const struct store_delivery *given = &commit->deliveries[i];
    struct staged_delivery *delivery = VEC_PUSH(group->arena, &group->deliveries);
    if (!delivery)
      return err_no_memory(reterr);
    *delivery = (struct staged_delivery){.number = (int64_t)++group->sequence.delivery,
                                         .seq = seq,
                                         .not_before_us = given->not_before_us,
                                         .destination = commit_text(given->destination),
                                         .content_type = commit_text(given->content_type)};
    int code =
        body_pack(group->codec, group->arena, BODY_OTHER, given->body, &delivery->body, reterr);
    if (code != 0)
      return code;
  }
  return 0;
}

static bool changes_anything(const struct store_commit *commit) {
  if (commit->message || commit->audits_n || commit->deliveries_n)
    return true;
  for (size_t i = 0; i < commit->writes_n; i++)
    if ((commit->writes[i].effect != STORE_UNCHANGED &&
         commit->writes[i].effect != STORE_WAS_DELETED) ||
        commit->prepared_->writes[i].lineage.p)
      return true;
  return false;
}

static int stage(struct group *group, struct store_commit *commit, struct err *reterr) {
  if (changes_anything(commit)) {
    group->sequence.seq++;
    bool is_later = group->now_us > group->sequence.time_us;
    group->sequence.time_us = is_later ? group->now_us : group->sequence.time_us + 1;
    int code = stage_notes(group, commit, reterr);
    if (code == 0 && commit->message)
      code = stage_message(group, commit, reterr);
    if (code != 0)
      return code;
  }
  for (size_t i = 0; i < commit->jobs_n; i++) {
    int code = job_apply(group->db, group->codec, group->arena, &group->sequence, &commit->jobs[i],
                         reterr);
    if (code != 0)
      return code;
    group->has_written = true;
  }
  for (size_t i = 0; i < commit->delivery_changes_n; i++) {
    int code = delivery_apply(group->db, &commit->delivery_changes[i], reterr);
    if (code != 0)
      return code;
    group->has_written = true;
  }
  if (commit->task_) {
    int code = commit->task_->run(commit->task_->what, group->db, &group->sequence, reterr);
    if (code != 0)
      return code;
    group->has_written = true;
  }
  commit->seq = group->sequence.seq;
  commit->time_us = group->sequence.time_us;
  return stage_writes(group, commit, commit->message ? (int64_t)commit->message->number : 0,
                      reterr);
}

int group_add(struct group *group, struct store_commit *commit, bool *ret_is_refusal,
              struct err *reterr) {
  *ret_is_refusal = false;
  group->ordinal++;
  if (commit->message) {
    commit->message->is_duplicate = false;
    int code = find_message(group, commit, reterr);
    if (code != 0 || commit->message->is_duplicate)
      return code;
  }
  if (commit_is_outdated(commit)) {
    int code = commit_prepare_again(group->schema, group->codec, commit, reterr);
    if (code != 0) {
      *ret_is_refusal = true;
      return code;
    }
  }
  int code = check(group, commit, ret_is_refusal, reterr);
  return code ? code : stage(group, commit, reterr);
}
