/*
 * Where a group's resources go in a store that is distributed: the shard in the numbers that it
 * gives, and what is to be remembered of references from one shard to another (shard.h tells the
 * rules). In any other store all of this is 0 or nothing.
 *
 * Threads: the committer's. Memory: the group's arena.
 */
#ifndef STORE_GROUP_SHARD_H
#define STORE_GROUP_SHARD_H

#include "store/commit/commit.h"
#include "store/schema/shard.h"

/* Of a resource that is written and, if `slot` has no number yet, gets one. */
int group_shard_of_new(struct group *group, const struct store_prepared *prepared,
                       const struct keys_made *made, const struct slot *slot, int64_t *ret_shard,
                       struct err *reterr) MUST_CHECK;

/* Of a resource that is not there and that `from`, which has its number, points to. */
int64_t group_shard_of_target(const struct group *group, const struct slot *slot,
                              const struct slot *from);

/* References of `from` that lead to another shard. `rids`: by number of target. */
int group_note_strays(struct group *group, const struct store_prepared *prepared,
                      const struct keys_made *made, const struct slot *from, const uint64_t *rids,
                      struct err *reterr) MUST_CHECK;

/* Writes those that were noted. */
int group_write_strays(struct group *group, struct err *reterr) MUST_CHECK;

#endif
