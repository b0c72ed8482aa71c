/* Counting what a group has changed, and writing the changes into the table `counter`. */
#include "store/commit/group_write.h"

#include <stdlib.h>

/* A change per counter, found by kind and number: open addressing, at most half full. */
struct counter_change {
  int64_t kind, number, change; /* kind 0: free */
};
struct counter_changes {
  struct arena *arena;
  struct counter_change *places;
  size_t places_n, n; /* places_n: a power of two */
  bool is_broken;     /* no memory */
};

#define PLACES_AT_FIRST 512u

static struct counter_change *find_place(const struct counter_changes *changes, int64_t kind,
                                         int64_t number) {
  uint64_t hash = ((uint64_t)number ^ (uint64_t)kind << 56) * 0x9e3779b97f4a7c15u >> 32;
  size_t at = hash & (changes->places_n - 1);
  while (changes->places[at].kind != 0 &&
         (changes->places[at].kind != kind || changes->places[at].number != number))
    at = (at + 1) & (changes->places_n - 1);
  return &changes->places[at];
}

static bool make_room(struct counter_changes *changes) {
  struct counter_changes larger = *changes;
  larger.places_n = changes->places_n ? changes->places_n * 2 : PLACES_AT_FIRST;
  larger.places = ARENA_ARRAY(changes->arena, struct counter_change, larger.places_n);
  if (!larger.places)
    return false;
  for (size_t i = 0; i < changes->places_n; i++)
    if (changes->places[i].kind != 0)
      *find_place(&larger, changes->places[i].kind, changes->places[i].number) = changes->places[i];
  *changes = larger;
  return true;
}

static void count(struct counter_changes *changes, enum schema_counter kind, uint64_t number,
                  int64_t change) {
  if (change == 0 || changes->is_broken)
    return;
  if (changes->n * 2 >= changes->places_n && !make_room(changes)) {
    changes->is_broken = true;
    return;
  }
  struct counter_change *place = find_place(changes, kind, (int64_t)number);
  changes->n += place->kind == 0;
  place->kind = kind;
  place->number = (int64_t)number;
  place->change += change;
}

static bool is_range(const struct key *key) {
  return (key->table == KEYS_NUMBER || key->table == KEYS_QUANTITY) &&
         key->number.from < key->number.to;
}

/* How many resources more (or less) have a parameter than before the group: what a search knows
 * "none is without" from. Keys are in the order of table and parameter. */
static void count_params(struct counter_changes *changes, uint16_t type, struct keys keys,
                         int64_t change) {
  for (size_t i = 0; i < keys.n; i++) {
    const struct key *key = &keys.p[i];
    if (is_range(key))
      count(changes, SCHEMA_COUNTER_RANGES, (uint64_t)key->param, change);
    if (i == 0 || keys.p[i - 1].param != key->param || keys.p[i - 1].table != key->table)
      count(changes, SCHEMA_COUNTER_WITH_PARAM,
            schema_with_param(type, (uint64_t)key->table, (uint64_t)key->param), change);
  }
}

static void count_group(const struct group *group, struct counter_changes *changes) {
  for (size_t i = 0; i < group->dirty.n; i++) {
    const struct slot *slot = group->dirty.p[i];
    uint16_t type = schema_type_number(group->schema, slot->type);
    count_params(changes, type, slot->stored_keys, -1);
    count_params(changes, type, slot->keys, 1);
  }
  for (size_t i = 0; i < group->schema->types_n; i++) {
    count(changes, SCHEMA_COUNTER_TYPE, i, group->live_change[i]);
    count(changes, SCHEMA_COUNTER_TYPE_VERSIONS, i, group->version_change[i]);
  }
  count(changes, SCHEMA_COUNTER_VERSIONS, 0,
        (int64_t)(group->sequence.versions - group->versions_written));
}

/* ---- Writing ---- */

static int by_counter(const void *a, const void *b) {
  const struct counter_change *x = a, *y = b;
  if (x->kind != y->kind)
    return x->kind < y->kind ? -1 : 1;
  return (x->number > y->number) - (x->number < y->number);
}

/* Moves those that this process does not know to be in the table to the front; from now on it
 * does. */
static size_t take_unknown(struct group *group, struct counter_change *rows, size_t n) {
  size_t unknown_n = 0;
  for (size_t i = 0; i < n; i++) {
    int64_t mark = rows[i].number ^ rows[i].kind << 48;
    int64_t *known =
        &group->known_counters[(uint64_t)mark * 0x9e3779b97f4a7c15u >> (64 - COUNTERS_KNOWN_BITS)];
    if (*known == mark)
      continue;
    *known = mark;
    struct counter_change unknown = rows[i];
    rows[i] = rows[unknown_n];
    rows[unknown_n++] = unknown;
  }
  return unknown_n;
}

static int write_changes(struct group *group, struct counter_change *rows, size_t n,
                         struct err *reterr) {
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, change),
                                      DB_COLUMN(DB_I64, rows, kind),
                                      DB_COLUMN(DB_I64, rows, number)};
  size_t unknown_n = take_unknown(group, rows, n);
  int code = db_execute_rows(
      group->db, STR("INSERT INTO counter(kind,number,n) VALUES(?,?,0) ON CONFLICT DO NOTHING"),
      columns + 1, 2, unknown_n, reterr);
  if (n > 1)
    qsort(rows, n, sizeof *rows, by_counter);
  if (code == 0)
    code = db_execute_rows(group->db, STR("UPDATE counter SET n=n+? WHERE kind=? AND number=?"),
                           columns, 3, n, reterr);
  return code;
}

int group_write_counters(struct group *group, struct err *reterr) {
  struct counter_changes changes = {.arena = group->arena};
  size_t n = 0;
  count_group(group, &changes);
  if (changes.is_broken)
    return err_no_memory(reterr);
  for (size_t i = 0; i < changes.places_n; i++)
    if (changes.places[i].kind != 0 && changes.places[i].change != 0)
      changes.places[n++] = changes.places[i];
  return n ? write_changes(group, changes.places, n, reterr) : 0;
}
