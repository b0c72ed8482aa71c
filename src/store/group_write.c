/* Writing what a group has staged, table by table, rows in the order of each table's key. */
#include "store/commit.h"

#include <stdlib.h>

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
  return db_execute_rows(group->db, STR("INSERT INTO resource VALUES(?,?,?,?,?,?,?,?,?)"), columns,
                         sizeof columns / sizeof columns[0], n, reterr);
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
  return db_execute_rows(group->db, STR("INSERT INTO identity VALUES(?,?)"), columns, 2, n, reterr);
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

static int by_rid(const void *a, const void *b) {
  uint64_t x = (*(struct slot *const *)a)->rid, y = (*(struct slot *const *)b)->rid;
  return (x > y) - (x < y);
}

static int write_resources(struct group *group, struct err *reterr) {
  size_t n = group->dirty.n, new_n = 0, old_n = 0;
  struct resource_row *rows = ARENA_ARRAY(group->arena, struct resource_row, n + 1);
  if (!rows)
    return err_no_memory(reterr);
  if (n > 1)
    qsort(group->dirty.p, n, sizeof(struct slot *),
          by_rid); /* NOLINT(bugprone-sizeof-expression) */
  for (size_t i = 0; i < n; i++) {
    struct slot *slot = group->dirty.p[i];
    struct resource_row *row = slot->is_new ? &rows[new_n++] : &rows[n - ++old_n];
    int code = fill_row(group, slot, row, reterr);
    if (code != 0)
      return code;
  }
  int code = update_resources(group, rows + new_n, old_n, reterr);
  if (code == 0)
    code = insert_resources(group, rows, new_n, reterr);
  return code ? code : insert_identities(group, rows, new_n, reterr);
}

static int write_versions(struct group *group, struct err *reterr) {
  const struct old_version *rows = group->versions.p;
  const struct db_column columns[] = {
      DB_COLUMN(DB_I64, rows, rid),        DB_COLUMN(DB_I64, rows, version),
      DB_COLUMN(DB_I64, rows, updated_us), DB_COLUMN(DB_I64, rows, state),
      DB_COLUMN(DB_I64, rows, seq),        DB_COLUMN(DB_BYTES, rows, body),
  };
  return db_execute_rows(group->db, STR("INSERT INTO version VALUES(?,?,?,?,?,?)"), columns,
                         sizeof columns / sizeof columns[0], group->versions.n, reterr);
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

static int add_to_counter(struct group *group, enum schema_counter kind, size_t number,
                          int64_t change, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(group->db,
                        STR("INSERT INTO counter VALUES(?,?,?)"
                            " ON CONFLICT(kind,number) DO UPDATE SET n=n+excluded.n"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, kind);
  db_bind_i64(row, 2, (int64_t)number);
  db_bind_i64(row, 3, change);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

/* How many resources more (or less) have a parameter than before the group: what a search knows
 * "none is without" from. */
enum { PARAM_COUNTS_MAX = 8192 };
#define RANGES_MARK ((uint64_t)1 << 40)
struct param_counts {
  struct param_count {
    uint64_t number; /* schema_with_param, or a parameter under RANGES_MARK; 0: free */
    int64_t change;
  } places[PARAM_COUNTS_MAX];
  size_t n;
};

static struct param_count *param_count(struct param_counts *counts, uint64_t number) {
  size_t at = (number * 0x9e3779b97f4a7c15u >> 40) % PARAM_COUNTS_MAX;
  while (counts->places[at].number && counts->places[at].number != number)
    at = (at + 1) % PARAM_COUNTS_MAX;
  return &counts->places[at];
}

static int write_count(struct group *group, uint64_t number, int64_t change, struct err *reterr) {
  bool is_ranges = number & RANGES_MARK;
  return add_to_counter(group, is_ranges ? SCHEMA_COUNTER_RANGES : SCHEMA_COUNTER_WITH_PARAM,
                        number & ~RANGES_MARK, change, reterr);
}

static int count_one(struct group *group, struct param_counts *counts, uint64_t number,
                     int64_t change, struct err *reterr) {
  struct param_count *count = param_count(counts, number);
  if (!count->number && counts->n >= PARAM_COUNTS_MAX / 2)
    return write_count(group, number, change, reterr);
  counts->n += !count->number;
  count->number = number;
  count->change += change;
  return 0;
}

static bool is_range(const struct key *key) {
  return (key->table == KEYS_NUMBER || key->table == KEYS_QUANTITY) &&
         key->number.from < key->number.to;
}

/* Keys are in the order of table and parameter. */
static int count_params(struct group *group, struct param_counts *counts, const struct slot *slot,
                        struct keys keys, int64_t change, struct err *reterr) {
  uint16_t type = schema_type_number(group->schema, slot->type);
  int code = 0;
  for (size_t i = 0; i < keys.n && code == 0; i++) {
    const struct key *key = &keys.p[i];
    if (is_range(key))
      code = count_one(group, counts, RANGES_MARK | (uint64_t)key->param, change, reterr);
    if (i > 0 && keys.p[i - 1].param == key->param && keys.p[i - 1].table == key->table)
      continue;
    if (code == 0)
      code = count_one(group, counts,
                       schema_with_param(type, (uint64_t)key->table, (uint64_t)key->param), change,
                       reterr);
  }
  return code;
}

static int write_param_counts(struct group *group, struct err *reterr) {
  struct param_counts *counts = ARENA_NEW(group->arena, struct param_counts);
  int code = counts ? 0 : err_no_memory(reterr);
  for (size_t i = 0; i < group->dirty.n && code == 0; i++) {
    const struct slot *slot = group->dirty.p[i];
    code = count_params(group, counts, slot, slot->stored_keys, -1, reterr);
    if (code == 0)
      code = count_params(group, counts, slot, slot->keys, 1, reterr);
  }
  for (size_t i = 0; code == 0 && i < PARAM_COUNTS_MAX; i++)
    if (counts->places[i].change != 0)
      code = write_count(group, counts->places[i].number, counts->places[i].change, reterr);
  return code;
}

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
  return code ? code : write_param_counts(group, reterr);
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
    int64_t *known = &group->known_words[(uint64_t)mark * 0x9e3779b97f4a7c15u >> 50];
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

/* ---- What else a commit leaves ---- */

static void bind_texts(struct db_statement *row, int place, const struct str *texts, size_t n) {
  for (size_t i = 0; i < n; i++)
    db_bind_text(row, place + (int)i, texts[i]);
}

static int write_message_words(struct group *group, const struct staged_message *message,
                               struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(group->db, STR("INSERT INTO message_word VALUES(?,?)"), &row, reterr);
  for (size_t i = 0; code == 0 && i < message->prepared->words.n; i++) {
    db_bind_text(row, 1, message->prepared->words.p[i]);
    db_bind_i64(row, 2, message->number);
    code = db_execute(row, reterr);
  }
  db_release(row);
  if (code != 0 || message->message->status != STORE_MESSAGE_ACCEPTED)
    return code;
  code = db_prepare(group->db, STR("INSERT INTO message_seen VALUES(?,?)"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, message->prepared->seen_key);
  db_bind_i64(row, 2, message->number);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

static int write_message(struct group *group, const struct staged_message *staged,
                         struct err *reterr) {
  const struct store_message *message = staged->message;
  struct db_statement *row = NULL;
  int code = db_prepare(group->db, STR("INSERT INTO message VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, staged->number);
  db_bind_i64(row, 2, staged->seq);
  db_bind_i64(row, 3, message->status);
  db_bind_i64(row, 4, message->received_us);
  db_bind_i64(row, 5, (int64_t)message->raw.n);
  const struct str texts[] = {message->channel, message->sender, message->control_id,
                              message->type,    message->event,  message->version_id,
                              message->patient, message->reason};
  bind_texts(row, 6, texts, 8);
  db_bind_bytes(row, 14, staged->prepared->reply);
  db_bind_bytes(row, 15, staged->prepared->raw);
  code = db_execute(row, reterr);
  db_release(row);
  return code ? code : write_message_words(group, staged, reterr);
}

static int write_audits(struct group *group, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(group->db, STR("INSERT INTO audit VALUES(NULL,?,?,?,?,?)"), &row, reterr);
  if (code != 0)
    return code;
  for (size_t i = 0; code == 0 && i < group->audits.n; i++) {
    const struct store_audit *audit = group->audits.p[i].audit;
    const struct str texts[] = {audit->action, audit->what, audit->outcome, audit->detail};
    db_bind_i64(row, 1, group->audits.p[i].seq);
    bind_texts(row, 2, texts, 4);
    code = db_execute(row, reterr);
  }
  db_release(row);
  return code;
}

static int write_deliveries(struct group *group, struct err *reterr) {
  struct db_statement *row = NULL;
  int code =
      db_prepare(group->db, STR("INSERT INTO delivery VALUES(NULL,?,0,?,0,?,?,?)"), &row, reterr);
  for (size_t i = 0; code == 0 && i < group->deliveries.n; i++) {
    const struct store_delivery *delivery = group->deliveries.p[i].delivery;
    struct str body;
    code = body_pack(group->codec, group->arena, BODY_OTHER, delivery->body, &body, reterr);
    if (code != 0)
      break;
    db_bind_i64(row, 1, group->deliveries.p[i].seq);
    db_bind_i64(row, 2, delivery->not_before_us);
    db_bind_text(row, 3, delivery->destination);
    db_bind_text(row, 4, delivery->content_type);
    db_bind_bytes(row, 5, body);
    code = db_execute(row, reterr);
  }
  db_release(row);
  return code;
}

static int write_columns(struct group *group, struct err *reterr) {
  const struct staged_commit *commits = group->commits.p;
  const struct db_column commit_columns[] = {DB_COLUMN(DB_I64, commits, seq),
                                             DB_COLUMN(DB_I64, commits, time_us),
                                             DB_COLUMN(DB_TEXT, commits, principal)};
  int code = db_execute_rows(group->db, STR("INSERT INTO commit_log VALUES(?,?,?)"), commit_columns,
                             3, group->commits.n, reterr);
  const struct staged_lineage *lineages = group->lineages.p;
  const struct db_column lineage_columns[] = {
      DB_COLUMN(DB_I64, lineages, message), DB_COLUMN(DB_I64, lineages, rid),
      DB_COLUMN(DB_I64, lineages, version), DB_COLUMN(DB_BYTES, lineages, bytes)};
  if (code == 0)
    code = db_execute_rows(group->db,
                           STR("INSERT INTO lineage VALUES(?,?,?,?) ON CONFLICT DO NOTHING"),
                           lineage_columns, 4, group->lineages.n, reterr);
  const struct staged_event *events = group->events.p;
  const struct db_column event_columns[] = {
      DB_COLUMN(DB_I64, events, seq),     DB_COLUMN(DB_I64, events, kind),
      DB_COLUMN(DB_I64, events, rid),     DB_COLUMN(DB_I64, events, version),
      DB_COLUMN(DB_I64, events, message), DB_COLUMN(DB_I64, events, type)};
  if (code == 0)
    code = db_execute_rows(group->db, STR("INSERT INTO event VALUES(NULL,?,?,?,?,?,?)"),
                           event_columns, 6, group->events.n, reterr);
  return code;
}

static int write_counters(struct group *group, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < group->schema->types_n; i++) {
    if (group->live_change[i] != 0)
      code = add_to_counter(group, SCHEMA_COUNTER_TYPE, i, group->live_change[i], reterr);
    if (code == 0 && group->version_change[i] != 0)
      code =
          add_to_counter(group, SCHEMA_COUNTER_TYPE_VERSIONS, i, group->version_change[i], reterr);
  }
  if (code == 0 && group->versions_written != group->sequence.versions)
    code = add_to_counter(group, SCHEMA_COUNTER_VERSIONS, 0,
                          (int64_t)(group->sequence.versions - group->versions_written), reterr);
  return code;
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
  memset(group->live_change, 0, group->schema->types_n * sizeof *group->live_change);
  memset(group->version_change, 0, group->schema->types_n * sizeof *group->version_change);
  group->versions_written = group->sequence.versions;
}

int group_write(struct group *group, struct err *reterr) {
  int code = write_resources(group, reterr);
  if (code == 0)
    code = write_versions(group, reterr);
  if (code == 0)
    code = write_keys(group, reterr);
  if (code == 0)
    code = write_words(group, reterr);
  for (size_t i = 0; code == 0 && i < group->messages.n; i++)
    code = write_message(group, &group->messages.p[i], reterr);
  if (code == 0)
    code = write_columns(group, reterr);
  if (code == 0 && group->audits.n)
    code = write_audits(group, reterr);
  if (code == 0 && group->deliveries.n)
    code = write_deliveries(group, reterr);
  if (code == 0)
    code = write_counters(group, reterr);
  if (code == 0)
    forget_staged(group);
  return code;
}
