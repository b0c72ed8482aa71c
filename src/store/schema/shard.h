/*
 * Which shard a row belongs to, in a store that is distributed over several machines: the bits
 * above SHARD_RID_SHIFT of a `rid`, and the column `shard` of PostgreSQL's tables. A distributed
 * store puts all rows with the same shard on one machine (docs/scale.md); in any other every shard
 * is 0. What is not told here is the same in both.
 *
 * A rid is shard << 44 | serial; the serial is unique by itself. The shard is the one of the
 * patient in whose compartment the resource is when its number is given (the first one, in the
 * order of the compartment's definition), else that of any patient that it refers to, else its own:
 * SHARD_MASK of its identity key, a keyed hash of type and id. A number never changes, so neither
 * does the shard.
 *
 * A reference to a resource of a patient's compartment, from another shard than that resource's,
 * has a row stray(rid of the target, other shard). So whoever looks for what refers to it asks its
 * own shard and those; no row is ever taken out.
 *
 * In the tables (shard_tables): what has a rid is where its rid says; what is found by a hash, by
 * that hash; what has a number, by blocks of 1,024 numbers, so that what is written or read
 * together is together. What is only small (types, parameters, counters, the sequence) is not
 * distributed.
 *
 * Threads: pure. Memory: none, but the caller's buffer.
 */
#ifndef STORE_SHARD_H
#define STORE_SHARD_H

#include "model/definitions.h"

enum { SHARD_BITS = 16, SHARD_RID_SHIFT = 44, SHARD_BLOCK_BITS = 10 };
#define SHARD_MASK 0xffff

static inline int64_t shard_of_rid(uint64_t rid) {
  return (int64_t)(rid >> SHARD_RID_SHIFT);
}
static inline int64_t shard_of_key(int64_t key) {
  return key & SHARD_MASK;
}
static inline int64_t shard_of_number(int64_t number) {
  return number >> SHARD_BLOCK_BITS & SHARD_MASK;
}
static inline uint64_t shard_rid(int64_t shard, uint64_t serial) {
  return (uint64_t)shard << SHARD_RID_SHIFT | serial;
}

/* May a resource of this type be in a patient's compartment (or be the patient), so that what
 * refers to it is expected on its shard? */
bool shard_is_personal(defs_type_id type);

/* The place of `param` among those by which a `type` is in a patient's compartment, from 0;
 * SIZE_MAX where it is none of them. */
size_t shard_rank(defs_type_id type, defs_param_id param);

/* ---- Tables ---- */

enum shard_rule { SHARD_BY_RID, SHARD_BY_KEY, SHARD_BY_NUMBER };
struct shard_table {
  const char *name, *column; /* the shard is computed from this column, by this rule */
  enum shard_rule rule;
  int column_place; /* in an INSERT that names no columns, from 0; -1: it names them */
  const char *why;  /* for who reads `callosum schema --citus` */
};

/* Those that are distributed; NULL name ends it. */
extern const struct shard_table shard_tables[];

/* ---- Statements ---- */

/*
 * Appends `sql`, written as db.h tells, with what says to a server where the rows are, which
 * changes no result. A placeholder that is needed twice is ?N, N its number.
 *
 *   r.rid=?                        (r.rid=? AND r.shard=((?1>>44)::integer))
 *   t.rid=r.rid                    (t.rid=r.rid AND t.shard=r.shard)
 *   INSERT INTO uri VALUES(?,?,?)  INSERT INTO uri VALUES(?,?,?,((?3>>44)::integer))
 *
 * An equality that it does not recognise stays as it is: then the server asks all shards. False for
 * an INSERT into a distributed table that it does not recognise, and where `buf` has no room.
 */
bool shard_add_sql(struct buf *buf, struct str sql) MUST_CHECK;

#endif
