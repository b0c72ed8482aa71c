/*
 * The parts of group_write (commit.h). Private to group_*.c. Threads: the committer's. Memory: the
 * group's arena.
 */
#ifndef STORE_GROUP_WRITE_H
#define STORE_GROUP_WRITE_H

#include "store/commit/commit.h"

/* The commit log, messages, lineage, events, audits, deliveries. */
int group_write_notes(struct group *group, struct err *reterr) MUST_CHECK;

/* The change of every count that the group's resources make. After the resources have their
 * `stored_keys` compared, before they are forgotten. */
int group_write_counters(struct group *group, struct err *reterr) MUST_CHECK;

#endif
