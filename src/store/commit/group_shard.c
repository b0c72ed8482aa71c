#include "store/commit/group_shard.h"

#include "store/commit/group_read.h"

#include <stdlib.h>

static bool is_patient(defs_type_id type) {
  return str_is(defs_type(type)->name, "Patient");
}

/* How well a reference tells whose a resource is; less is better. */
enum { RANK_COMPARTMENT = 0, RANK_PATIENT = 1000, RANK_PERSONAL = 2000, RANK_NONE = 3000 };

static size_t rank_of(const struct group *group, defs_type_id from, int64_t param,
                      defs_type_id target) {
  if (!shard_is_personal(target))
    return RANK_NONE;
  if (!is_patient(target))
    return RANK_PERSONAL;
  size_t rank = shard_rank(from, schema_param(group->schema, param));
  return rank < RANK_PATIENT ? RANK_COMPARTMENT + rank : RANK_PATIENT;
}

/* The reference that tells it best; of equal ones the first. NULL: none does. */
static const struct named *owner_of(const struct group *group,
                                    const struct store_prepared *prepared,
                                    const struct keys_made *made, defs_type_id type) {
  const struct named *best = NULL;
  size_t best_rank = RANK_NONE;
  for (size_t i = 0; i < made->links.n; i++) {
    const struct named *target = prepared->named.p[made->links.p[i].target];
    size_t rank = rank_of(group, type, made->links.p[i].param, target->type);
    if (rank < best_rank) {
      best = target;
      best_rank = rank;
    }
  }
  return best;
}

int group_shard_of_new(struct group *group, const struct store_prepared *prepared,
                       const struct keys_made *made, const struct slot *slot, int64_t *ret_shard,
                       struct err *reterr) {
  *ret_shard = 0;
  if (!group->schema->is_sharded || slot->rid != 0)
    return 0;
  *ret_shard = shard_of_key(slot->key);
  const struct named *owner =
      is_patient(slot->type) ? NULL : owner_of(group, prepared, made, slot->type);
  if (!owner)
    return 0;
  struct slot *of_owner;
  int code = group_slot(group, owner, false, &of_owner, reterr);
  if (code == 0 && of_owner->rid != 0)
    *ret_shard = shard_of_rid(of_owner->rid);
  else if (code == 0 && is_patient(owner->type))
    *ret_shard = shard_of_key(of_owner->key);
  return code;
}

int64_t group_shard_of_target(const struct group *group, const struct slot *slot,
                              const struct slot *from) {
  if (!group->schema->is_sharded)
    return 0;
  return shard_is_personal(slot->type) && !is_patient(slot->type) ? shard_of_rid(from->rid)
                                                                  : shard_of_key(slot->key);
}

int group_note_strays(struct group *group, const struct store_prepared *prepared,
                      const struct keys_made *made, const struct slot *from, const uint64_t *rids,
                      struct err *reterr) {
  for (size_t i = 0; group->schema->is_sharded && i < made->links.n; i++) {
    size_t target = made->links.p[i].target;
    if (shard_of_rid(rids[target]) == shard_of_rid(from->rid) ||
        !shard_is_personal(prepared->named.p[target]->type))
      continue;
    struct staged_stray *stray = VEC_PUSH(group->arena, &group->strays);
    if (!stray)
      return err_no_memory(reterr);
    *stray = (struct staged_stray){(int64_t)rids[target], shard_of_rid(from->rid)};
  }
  return 0;
}

static int by_rid_and_other(const void *a, const void *b) {
  const struct staged_stray *x = a, *y = b;
  if (x->rid != y->rid)
    return x->rid < y->rid ? -1 : 1;
  return (x->other > y->other) - (x->other < y->other);
}

int group_write_strays(struct group *group, struct err *reterr) {
  const struct staged_stray *rows = group->strays.p;
  if (group->strays.n > 1)
    qsort(group->strays.p, group->strays.n, sizeof *rows, by_rid_and_other);
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, rid), DB_COLUMN(DB_I64, rows, other)};
  return db_execute_rows(group->db,
                         STR("INSERT INTO stray(rid,other) VALUES(?,?) ON CONFLICT DO NOTHING"),
                         columns, 2, group->strays.n, reterr);
}
