/* Writing what a group has staged, table by table, rows in the order of each table's key. */
#include "store/commit/group_write.h"
#include "store/commit/group_shard.h"

#include <stdlib.h>

#include "store/store_internal.h"

/* ---- Resources ---- */

struct resource_row {
  int64_t rid, type, version, updated_us, state, seq, key;
  struct str id, keys, body;
};

static struct str or_null(struct str bytes) {
  return str_is_empty(bytes) ? STR_NULL : bytes;
}

static int fill_row(struct group *group, struct slot *slot, struct resource_row *row,
                    struct err *reterr) {
  struct str keys = STR_NULL;
  int code = keys_pack(group->arena, slot->keys, &keys, reterr);
  *row = (struct resource_row){
      .rid = (int64_t)slot->rid,
      .type = schema_type_number(group->schema, slot->type),
      .version = slot->version,
      .updated_us = slot->updated_us,
      .state = slot->state,
      .seq = (int64_t)slot->seq,
      .key = slot->key,
      .id = str_n(slot->packed_id.bytes, slot->packed_id.n),
      .keys = or_null(keys),
      .body = or_null(slot->body),
  };
  return code;
}

static int insert_resources(struct group *group, struct resource_row *rows, size_t n,
                            struct err *reterr) {
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, rid),        DB_COLUMN(DB_I64, rows, type),
      DB_COLUMN(DB_BYTES, rows, id),       DB_COLUMN(DB_I64, rows, version),
      DB_COLUMN(DB_I64, rows, updated_us), DB_COLUMN(DB_I64, rows, state),
      DB_COLUMN(DB_I64, rows, seq),        DB_COLUMN(DB_BYTES, rows, keys),
      DB_COLUMN(DB_BYTES, rows, body),
  };
  return db_execute_rows(group->db,
                         STR("INSERT INTO resource(rid,type,id,version,updated,state,seq,keys,body)"
                             " VALUES(?,?,?,?,?,?,?,?,?)"),
                         columns, sizeof columns / sizeof columns[0], n, reterr);
}

static int by_key(const void *a, const void *b) {
  int64_t x = ((const struct resource_row *)a)->key, y = ((const struct resource_row *)b)->key;
  return (x > y) - (x < y);
}

static int insert_identities(struct group *group, struct resource_row *rows, size_t n,
                             struct err *reterr) {
  if (n > 1)
    qsort(rows, n, sizeof *rows, by_key);
  const struct db_column columns[] = {DB_COLUMN(DB_I64, rows, key), DB_COLUMN(DB_I64, rows, rid)};
  return db_execute_rows(group->db, STR("INSERT INTO identity(key,rid) VALUES(?,?)"), columns, 2, n,
                         reterr);
}

static int update_resources(struct group *group, struct resource_row *rows, size_t n,
                            struct err *reterr) {
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, version), DB_COLUMN(DB_I64, rows, updated_us),
      DB_COLUMN(DB_I64, rows, state),   DB_COLUMN(DB_I64, rows, seq),
      DB_COLUMN(DB_BYTES, rows, keys),  DB_COLUMN(DB_BYTES, rows, body),
      DB_COLUMN(DB_I64, rows, rid),
  };
  return db_execute_rows(
      group->db,
      STR("UPDATE resource SET version=?,updated=?,state=?,seq=?,keys=?,body=? WHERE rid=?"),
      columns, sizeof columns / sizeof columns[0], n, reterr);
}

/* Rows whose bodies stay as they are: long ones, which were not even read. */
static int update_but_bodies(struct group *group, struct resource_row *rows, size_t n,
                             struct err *reterr) {
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, version), DB_COLUMN(DB_I64, rows, updated_us),
      DB_COLUMN(DB_I64, rows, state),   DB_COLUMN(DB_I64, rows, seq),
      DB_COLUMN(DB_BYTES, rows, keys),  DB_COLUMN(DB_I64, rows, rid),
  };
  return db_execute_rows(
      group->db, STR("UPDATE resource SET version=?,updated=?,state=?,seq=?,keys=? WHERE rid=?"),
      columns, sizeof columns / sizeof columns[0], n, reterr);
}

static int by_rid(const void *a, const void *b) {
  uint64_t x = (*(struct slot *const *)a)->rid, y = (*(struct slot *const *)b)->rid;
  return (x > y) - (x < y);
}

static int write_resources(struct group *group, struct err *reterr) {
  size_t n = group->dirty.n, new_n = 0, old_n = 0, kept_n = 0;
  struct resource_row *rows = ARENA_ARRAY(group->arena, struct resource_row, n + 1);
  struct resource_row *kept = ARENA_ARRAY(group->arena, struct resource_row, n + 1);
  if (!rows || !kept)
    return err_no_memory(reterr);
  if (n > 1)
    qsort(group->dirty.p, n, sizeof(struct slot *),
          by_rid); /* NOLINT(bugprone-sizeof-expression) */
  for (size_t i = 0; i < n; i++) {
    struct slot *slot = group->dirty.p[i];
    struct resource_row *row = slot->is_new          ? &rows[new_n++]
                               : slot->is_body_apart ? &kept[kept_n++]
                                                     : &rows[n - ++old_n];
    int code = fill_row(group, slot, row, reterr);
    if (code != 0)
      return code;
  }
  int code = update_resources(group, rows + n - old_n, old_n, reterr);
  if (code == 0)
    code = update_but_bodies(group, kept, kept_n, reterr);
  if (code == 0)
    code = insert_resources(group, rows, new_n, reterr);
  return code ? code : insert_identities(group, rows, new_n, reterr);
}

/* A long body goes from the one table to the other by itself, so that no two of them are in memory
 * at a time; before its row is written over. */
static int write_long_version(struct group *group, const struct old_version *old,
                              struct err *reterr) {
  struct db_statement *insert = NULL, *stored = NULL;
  struct str body;
  int code =
      store_body_ask(group->db, (uint64_t)old->rid, (uint32_t)old->version, &stored, &body, reterr);
  if (code == 0)
    code = db_prepare(
        group->db,
        STR("INSERT INTO version(rid,version,updated,state,seq,body) VALUES(?,?,?,?,?,?)"), &insert,
        reterr);
  if (code == 0) {
    const int64_t numbers[] = {old->rid, old->version, old->updated_us, old->state, old->seq};
    for (int i = 0; i < 5; i++)
      db_bind_i64(insert, i + 1, numbers[i]);
    db_bind_bytes(insert, 6, body);
    code = db_execute(insert, reterr);
  }
  db_release(insert);
  db_release(stored);
  return code;
}

static int write_long_versions(struct group *group, struct err *reterr) {
  size_t left = 0;
  int code = 0;
  for (size_t i = 0; i < group->versions.n && code == 0; i++) {
    if (group->versions.p[i].is_body_apart)
      code = write_long_version(group, &group->versions.p[i], reterr);
    else
      group->versions.p[left++] = group->versions.p[i];
  }
  if (code == 0)
    group->versions.n = left;
  return code;
}

static int write_versions(struct group *group, struct err *reterr) {
  const struct old_version *rows = group->versions.p;
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, rid),        DB_COLUMN(DB_I64, rows, version),
      DB_COLUMN(DB_I64, rows, updated_us), DB_COLUMN(DB_I64, rows, state),
      DB_COLUMN(DB_I64, rows, seq),        DB_COLUMN(DB_BYTES, rows, body),
  };
  return db_execute_rows(
      group->db, STR("INSERT INTO version(rid,version,updated,state,seq,body) VALUES(?,?,?,?,?,?)"),
      columns, sizeof columns / sizeof columns[0], group->versions.n, reterr);
}

/* ---- Search tables ---- */

/* What binds a key to its table: the members in the order of the primary key. */
struct key_column {
  enum db_type type;
  size_t offset;
};
#define KEY_COLUMNS_MAX 6
struct key_table {
  struct str insert, take_out;
  struct key_column columns[KEY_COLUMNS_MAX];
  size_t columns_n;
};

#define I64(member)                                                                                \
  { DB_I64, offsetof(struct key, member) }
#define DOUBLE(member)                                                                             \
  { DB_DOUBLE, offsetof(struct key, member) }
#define TEXT(member)                                                                               \
  { DB_TEXT, offsetof(struct key, member) }
static const struct key_table key_tables[KEYS_TABLES] = {
    [KEYS_TOKEN] = {STR("INSERT INTO token VALUES(?,?,?,?)"),
                    STR("DELETE FROM token WHERE param=? AND first=? AND hash=? AND rid=?"),
                    {I64(param), I64(first), I64(hash), I64(rid)},
                    4},
    [KEYS_STRING] = {STR("INSERT INTO string VALUES(?,?,?,?,?)"),
                     STR("DELETE FROM string WHERE param=? AND first=? AND folded=? AND exact=?"
                         " AND rid=?"),
                     {I64(param), I64(first), TEXT(folded), I64(exact), I64(rid)},
                     5},
    [KEYS_DATE] = {STR("INSERT INTO date VALUES(?,?,?,?,?,?)"),
                   STR("DELETE FROM date WHERE param=? AND first=? AND class=? AND lo=? AND hi=?"
                       " AND rid=?"),
                   {I64(param), I64(first), I64(date.class), I64(lo), I64(date.hi), I64(rid)},
                   6},
    [KEYS_NUMBER] = {STR("INSERT INTO number VALUES(?,?,?,?,?)"),
                     STR("DELETE FROM number WHERE param=? AND first=? AND lo=? AND hi=?"
                         " AND rid=?"),
                     {I64(param), I64(first), DOUBLE(number.from), DOUBLE(number.to), I64(rid)},
                     5},
    [KEYS_QUANTITY] = {STR("INSERT INTO quantity VALUES(?,?,?,?,?,?)"),
                       STR("DELETE FROM quantity WHERE param=? AND first=? AND unit=? AND lo=?"
                           " AND hi=? AND rid=?"),
                       {I64(param), I64(first), I64(hash), DOUBLE(number.from), DOUBLE(number.to),
                        I64(rid)},
                       6},
    [KEYS_URI] = {STR("INSERT INTO uri VALUES(?,?,?)"),
                  STR("DELETE FROM uri WHERE param=? AND hash=? AND rid=?"),
                  {I64(param), I64(hash), I64(rid)},
                  3},
    [KEYS_REFERENCE] = {STR("INSERT INTO reference VALUES(?,?,?)"),
                        STR("DELETE FROM reference WHERE param=? AND target=? AND rid=?"),
                        {I64(param), I64(target), I64(rid)},
                        3},
};

static int execute_keys(struct group *group, bool is_insert, const struct key *keys, size_t n,
                        struct err *reterr) {
  for (size_t i = 0, next; i < n; i = next) {
    for (next = i + 1; next < n && keys[next].table == keys[i].table;)
      next++;
    const struct key_table *table = &key_tables[keys[i].table];
    struct db_column columns[KEY_COLUMNS_MAX];
    for (size_t c = 0; c < table->columns_n; c++)
      columns[c] = (struct db_column){table->columns[c].type, &keys[i], table->columns[c].offset,
                                      sizeof *keys};
    int code = db_execute_rows(group->db, is_insert ? table->insert : table->take_out, columns,
                               table->columns_n, next - i, reterr);
    if (code != 0)
      return code;
  }
  return 0;
}

struct key_changes {
  struct key *added, *taken_out;
  size_t added_n, taken_out_n;
};

/* Both lists are sorted: what is only in the old one goes, what is only in the new one comes. */
static void compare_keys(const struct slot *slot, struct key_changes *changes) {
  const struct keys *old = &slot->stored_keys, *new = &slot->keys;
  size_t i = 0, j = 0;
  while (i < old->n || j < new->n) {
    int order = i == old->n ? 1 : j == new->n ? -1 : keys_compare(&old->p[i], &new->p[j]);
    struct key *place = NULL;
    if (order < 0)
      *(place = &changes->taken_out[changes->taken_out_n++]) = old->p[i++];
    else if (order > 0)
      *(place = &changes->added[changes->added_n++]) = new->p[j++];
    else
      i++, j++;
    if (place)
      place->rid = (int64_t)slot->rid;
  }
}

static int compare_for_sort(const void *a, const void *b) {
  return keys_compare(a, b);
}

static int write_keys(struct group *group, struct err *reterr) {
  size_t old_n = 1, new_n = 1;
  for (size_t i = 0; i < group->dirty.n; i++) {
    old_n += group->dirty.p[i]->stored_keys.n;
    new_n += group->dirty.p[i]->keys.n;
  }
  struct key_changes changes = {.added = arena_alloc(group->arena, new_n * sizeof(struct key)),
                                .taken_out = arena_alloc(group->arena, old_n * sizeof(struct key))};
  if (!changes.added || !changes.taken_out)
    return err_no_memory(reterr);
  for (size_t i = 0; i < group->dirty.n; i++)
    compare_keys(group->dirty.p[i], &changes);
  qsort(changes.added, changes.added_n, sizeof(struct key), compare_for_sort);
  qsort(changes.taken_out, changes.taken_out_n, sizeof(struct key), compare_for_sort);
  int code = execute_keys(group, false, changes.taken_out, changes.taken_out_n, reterr);
  if (code == 0)
    code = execute_keys(group, true, changes.added, changes.added_n, reterr);
  return code;
}

static int by_word(const void *a, const void *b) {
  const struct keys_word *x = a, *y = b;
  if (x->param != y->param)
    return x->param < y->param ? -1 : 1;
  return str_compare(x->text, y->text);
}

/* Most words of a group are old acquaintances. */
static int write_words(struct group *group, struct err *reterr) {
  struct keys_word *words = group->words.p;
  size_t n = 0;
  for (size_t i = 0; i < group->words.n; i++) {
    int64_t mark = words[i].hash ^ words[i].param << 48;
    int64_t *known =
        &group->known_words[(uint64_t)mark * 0x9e3779b97f4a7c15u >> (64 - WORDS_KNOWN_BITS)];
    if (*known != mark)
      words[n++] = words[i];
    *known = mark;
  }
  if (n > 1)
    qsort(words, n, sizeof *words, by_word);
  const struct db_column columns[] = {DB_COLUMN(DB_I64, words, param),
                                      DB_COLUMN(DB_TEXT, words, text),
                                      DB_COLUMN(DB_I64, words, hash)};
  return db_execute_rows(group->db,
                         STR("INSERT INTO vocabulary VALUES(?,?,?) ON CONFLICT DO NOTHING"),
                         columns, 3, n, reterr);
}

/* Everything is in the tables now; the slots stay as what is known of them. */
static void forget_staged(struct group *group) {
  for (size_t i = 0; i < group->dirty.n; i++) {
    struct slot *slot = group->dirty.p[i];
    slot->stored_keys = slot->keys;
    slot->is_new = slot->is_dirty = false;
  }
  group->dirty.n = group->versions.n = group->messages.n = group->lineages.n = 0;
  group->events.n = group->audits.n = group->deliveries.n = group->commits.n = group->words.n = 0;
  group->strays.n = 0;
  map_init(&group->stored_holders, group->arena); /* what was read is no longer so */
  memset(group->live_change, 0, group->schema->types_n * sizeof *group->live_change);
  memset(group->version_change, 0, group->schema->types_n * sizeof *group->version_change);
  group->versions_written = group->sequence.versions;
}

int group_write(struct group *group, struct err *reterr) {
  int code = write_long_versions(group, reterr);
  if (code == 0)
    code = write_resources(group, reterr);
  if (code == 0)
    code = write_versions(group, reterr);
  if (code == 0)
    code = write_keys(group, reterr);
  if (code == 0)
    code = write_words(group, reterr);
  if (code == 0)
    code = group_write_strays(group, reterr);
  if (code == 0)
    code = group_write_notes(group, reterr);
  if (code == 0)
    code = group_write_counters(group, reterr);
  if (code == 0)
    forget_staged(group);
  return code;
}

int group_end(struct group *group, struct err *reterr) {
  int code = group_write(group, reterr);
  if (group->changes_parameters)
    group->sequence.definitions++;
  if (code == 0 && group_has_changes(group))
    code = sequence_write(group->db, &group->sequence, reterr);
  return code;
}

bool group_has_changes(const struct group *group) {
  return group->has_written || group->sequence.seq != group->first_seq;
}
