/*
 * What a group reads. Private to group*.c and the committer.
 * Threads: the committer's. Memory: the group's arena.
 */
#ifndef STORE_GROUP_READ_H
#define STORE_GROUP_READ_H

#include "store/commit/commit.h"

/* ---- Ahead, for all commits at once ---- */

/*
 * Where the store is remote: sends what the commits will ask, without waiting. In the write
 * transaction, after group_begin. The answers are taken with group_take_answers, or given up with
 * group_drop_question, which is harmless at any time.
 */
int group_ask(struct group *group, const struct store_commit *commits,
              struct err *reterr) MUST_CHECK;
int group_take_answers(struct group *group, struct err *reterr) MUST_CHECK;
void group_drop_question(struct group *group);

/* ---- One by one ---- */

/* The state of a resource; `with_content`: its version, keys and body as well. */
int group_slot(struct group *group, const struct named *named, bool with_content,
               struct slot **ret_slot, struct err *reterr) MUST_CHECK;

/* The body of a slot that was read with its content, unpacked; one that did not come with the row
 * is read for it. */
int group_slot_body(struct group *group, const struct slot *slot, struct arena *arena,
                    struct str *ret_body, struct err *reterr) MUST_CHECK;

/* Accepted messages of this key that are in the tables. A hash is no proof: compare them. */
struct stored_message {
  uint64_t number;
  struct str sender, control_id;
  struct str reply, raw; /* packed; empty where they are apart: long, so not read with the rest */
  bool is_reply_apart, is_raw_apart;
};
struct stored_messages {
  int64_t key;
  VEC(struct stored_message) list;
};
int group_stored_messages(struct group *group, int64_t seen_key,
                          const struct stored_messages **ret_messages,
                          struct err *reterr) MUST_CHECK;

/* What came, and what its sender was answered. */
int group_message_raw(struct group *group, const struct stored_message *message,
                      struct arena *arena, struct str *ret_raw, struct err *reterr) MUST_CHECK;
int group_message_reply(struct group *group, const struct stored_message *message,
                        struct arena *arena, struct str *ret_reply, struct err *reterr) MUST_CHECK;

/* Live resources in the tables that have an identifier, the oldest first. */
struct identifier_key {
  int64_t param, hash, type;
};
struct stored_holders {
  struct identifier_key key;
  struct str code; /* borrowed from the condition; the key has only its hash */
  VEC(struct str) ids;
};
struct identifier_key group_identifier_key(const struct group *group,
                                           const struct store_condition *condition);
int group_stored_holders(struct group *group, const struct identifier_key *key, struct str code,
                         const struct stored_holders **ret_holders, struct err *reterr) MUST_CHECK;

#endif
