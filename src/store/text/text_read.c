/* Candidates for a full-text query. */
#include "store/schema/fact.h"
#include "store/store_internal.h"
#include "store/text/text_block.h"
#include "store/text/text_index.h"

enum {
  PENDING_MAX = 20000,         /* resources that changed and are not in the index yet, */
  PENDING_EVENTS_MAX = 100000, /* by so many changes */
  CANDIDATES_MAX = 1500000,    /* over it every resource is looked at */
  PAGE_ROWS = 2000,
};

struct reading {
  struct db *db;
  struct arena *arena;
  int64_t type; /* number; 0: any */
  struct err *err;
};

/* A set of resources, or of all. */
struct set {
  bool is_all;
  struct text_rids rids;
};

static struct set all(struct reading *r) {
  return (struct set){.is_all = true, .rids.arena = r->arena};
}

/* ---- Words ---- */

/* The row that the next page begins behind. */
struct position {
  bool is_set;
  struct str word;
  int64_t type, first;
};

static int note_position(struct reading *r, struct db_statement *row, struct position *position) {
  *position = (struct position){.is_set = true,
                                .word = arena_str(r->arena, db_column_str(row, 2)),
                                .type = db_column_i64(row, 3),
                                .first = db_column_i64(row, 0)};
  return position->word.p ? 0 : err_no_memory(r->err);
}

static int read_page(struct reading *r, const struct db_query *query, struct set *set,
                     struct position *position) {
  struct db_statement *row = NULL;
  bool has_row;
  size_t n = 0;
  int code = db_query_start(r->db, query, &row, r->err);
  if (code != 0)
    return code;
  position->is_set = false;
  while ((code = db_step(row, &has_row, r->err)) == 0 && has_row) {
    code =
        text_block_read(&set->rids, (uint64_t)db_column_i64(row, 0), db_column_str(row, 1), r->err);
    set->is_all = set->rids.list.n > CANDIDATES_MAX;
    if (code == 0 && ++n == PAGE_ROWS)
      code = note_position(r, row, position);
    if (code != 0 || set->is_all)
      break;
  }
  db_release(row);
  return code;
}

static void add_page_query(struct db_query *query, struct reading *r, struct str word,
                           bool is_prefix, const struct position *position) {
  db_query_add(query, "SELECT first,rids,word,type FROM text WHERE word");
  db_query_add(query, is_prefix ? ">=" : "=");
  db_query_text(query, word);
  if (is_prefix) {
    db_query_add(query, " AND word<");
    db_query_text(query, arena_printf(r->arena, "%.*s\xF4\x8F\xBF\xBF", STR_ARG(word)));
  }
  if (r->type) {
    db_query_add(query, " AND type=");
    db_query_i64(query, r->type);
  }
  if (position->is_set) {
    db_query_add(query, " AND (word,type,first)>(");
    db_query_text(query, position->word);
    db_query_add(query, ",");
    db_query_i64(query, position->type);
    db_query_add(query, ",");
    db_query_i64(query, position->first);
    db_query_add(query, ")");
  }
  db_query_addf(query, " ORDER BY word,type,first LIMIT %d", PAGE_ROWS);
}

static int read_word(struct reading *r, struct str word, bool is_prefix, struct set *ret_set) {
  struct position position = {0};
  int code;
  *ret_set = (struct set){.rids.arena = r->arena};
  do {
    struct db_query query;
    db_query_init(&query, r->arena);
    add_page_query(&query, r, word, is_prefix, &position);
    code = read_page(r, &query, ret_set, &position);
  } while (code == 0 && position.is_set && !ret_set->is_all);
  text_rids_sort(&ret_set->rids);
  return code;
}

/* ---- Sets ---- */

static void intersect(struct set *set, const struct set *with) {
  if (with->is_all)
    return;
  if (set->is_all) {
    *set = *with;
    return;
  }
  size_t kept = 0;
  for (size_t i = 0, j = 0; i < set->rids.list.n && j < with->rids.list.n;) {
    uint64_t a = set->rids.list.p[i], b = with->rids.list.p[j];
    if (a == b)
      set->rids.list.p[kept++] = a;
    i += a <= b;
    j += b <= a;
  }
  set->rids.list.n = kept;
}

static int unite(struct reading *r, struct set *set, const struct set *with) {
  set->is_all |= with->is_all;
  for (size_t i = 0; !set->is_all && i < with->rids.list.n; i++) {
    uint64_t *place = VEC_PUSH(r->arena, &set->rids.list);
    if (!place)
      return err_no_memory(r->err);
    *place = with->rids.list.p[i];
  }
  text_rids_sort(&set->rids);
  return 0;
}

static int evaluate(struct reading *r, const struct text_query *query, struct set *ret_set);

static int evaluate_phrase(struct reading *r, const struct text_query *query, struct set *ret_set) {
  *ret_set = all(r);
  for (size_t i = 0; i < query->words.n && (ret_set->is_all || ret_set->rids.list.n > 0); i++) {
    struct set one;
    int code = read_word(r, query->words.p[i], query->is_prefix && i + 1 == query->words.n, &one);
    if (code != 0)
      return code;
    intersect(ret_set, &one);
  }
  return 0;
}

static int evaluate_joined(struct reading *r, const struct text_query *query, struct set *ret_set) {
  bool is_and = query->kind == TEXT_QUERY_AND;
  struct set set = all(r);
  if (!is_and)
    set.is_all = false;
  for (const struct text_query *q = query->first; q; q = q->next) {
    struct set one;
    int code = evaluate(r, q, &one);
    if (code == 0 && is_and)
      intersect(&set, &one);
    else if (code == 0)
      code = unite(r, &set, &one);
    if (code != 0)
      return code;
  }
  *ret_set = set;
  return 0;
}

/* A superset of what matches; the depth was limited by the parser. */
static int evaluate(struct reading *r, const struct text_query *query, struct set *ret_set) {
  switch (query->kind) {
  case TEXT_QUERY_PHRASE:
    return evaluate_phrase(r, query, ret_set);
  case TEXT_QUERY_AND:
  case TEXT_QUERY_OR:
    return evaluate_joined(r, query, ret_set);
  case TEXT_QUERY_NOT:
    break;
  }
  *ret_set = all(r);
  return 0;
}

/* ---- What is not in the index ---- */

static int too_many(struct reading *r, uint64_t watermark) {
  struct db_query query;
  int64_t latest = 0;
  db_query_init(&query, r->arena);
  db_query_add(&query, "SELECT max(number) FROM event");
  int code = db_query_number(r->db, &query, 0, &latest, r->err);
  if (code != 0)
    return code;
  unsigned percent = latest > 0 ? (unsigned)(watermark * 100 / (uint64_t)latest) : 0;
  return err_set(r->err, ERR_BUSY, "",
                 "the index for texts is being built (%u %% of the changes are in it); try again"
                 " later",
                 percent);
}

static void add_pending_query(struct db_query *query, const struct reading *r, uint64_t watermark) {
  db_query_add(query, "SELECT rid FROM event WHERE kind<>0 AND number>");
  db_query_i64(query, (int64_t)watermark);
  if (r->type) {
    db_query_add(query, " AND type+0="); /* in the order of the events, not by the type's index */
    db_query_i64(query, r->type);
  }
  db_query_addf(query, " ORDER BY number LIMIT %d", PENDING_EVENTS_MAX);
}

static int add_pending(struct reading *r, struct set *set) {
  struct text_rids pending = {.arena = r->arena};
  struct db_statement *row = NULL;
  struct db_query query;
  uint64_t watermark;
  bool has_row;
  int code = fact_read_number(r->db, FACT_TEXT_WATERMARK, &watermark, r->err);
  if (code != 0)
    return code;
  db_query_init(&query, r->arena);
  add_pending_query(&query, r, watermark);
  code = db_query_start(r->db, &query, &row, r->err);
  if (code != 0)
    return code;
  while ((code = db_step(row, &has_row, r->err)) == 0 && has_row) {
    uint64_t *place = VEC_PUSH(r->arena, &pending.list);
    if (!place) {
      code = err_no_memory(r->err);
      break;
    }
    *place = (uint64_t)db_column_i64(row, 0);
  }
  db_release(row);
  bool is_cut = pending.list.n == PENDING_EVENTS_MAX;
  text_rids_sort(&pending);
  if (code == 0 && (is_cut || pending.list.n > PENDING_MAX))
    return too_many(r, watermark);
  return code ? code : unite(r, set, &(struct set){.rids = pending});
}

int text_candidates(struct db *db, const struct schema *schema, struct arena *arena,
                    const struct text_query *query, defs_type_id type,
                    struct text_candidates *ret_candidates, struct err *reterr) {
  struct reading r = {
      .db = db, .arena = arena, .type = type ? schema_type_number(schema, type) : 0, .err = reterr};
  struct set set, unread;
  int code = evaluate(&r, query, &set);
  if (code == 0 && !set.is_all) {
    code = read_word(&r, STR(""), false, &unread);
    if (code == 0)
      code = unite(&r, &set, &unread);
    if (code == 0 && !set.is_all)
      code = add_pending(&r, &set);
    text_rids_sort(&set.rids);
  }
  if (code == 0)
    *ret_candidates = (struct text_candidates){set.is_all, set.rids.list.p, set.rids.list.n};
  return code;
}
