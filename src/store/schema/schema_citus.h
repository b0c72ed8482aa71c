/*
 * The statements that distribute a store's tables over several machines with Citus, for
 * `callosum schema --citus`: to be run once, by psql, in the schema that holds the tables, before
 * the first resource. docs/scale.md says what each kind of request then costs.
 *
 * Threads: pure. Memory: the caller's buffer.
 */
#ifndef STORE_SCHEMA_CITUS_H
#define STORE_SCHEMA_CITUS_H

#include "base/base.h"

enum { SCHEMA_CITUS_SHARDS = 64, SCHEMA_CITUS_SHARDS_MAX = 8192 };

/* Appends them, with comments. `shards`: pieces that Citus cuts each table into and spreads over
 * its machines; 0: SCHEMA_CITUS_SHARDS. */
void schema_citus_add(struct buf *buf, unsigned shards);

#endif
