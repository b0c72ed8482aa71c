/*
 * $everything: a patient (or an encounter, or all of them), what is in the compartment, and what
 * these refer to of types that are in no such compartment (practitioners, organizations,
 * medications, ...), in this order; within each in the order of the rid. The whole set is known on
 * every page, so that nothing comes twice.
 */
#include "store/search/search_collect.h"
#include "store/search/search_cursor.h"
#include "store/search/search_page.h"

enum { EVERYTHING_COUNT_DEFAULT = 1000 };

enum section { SECTION_FOCUS, SECTION_COMPARTMENT, SECTION_SHARED, SECTIONS };

struct everything {
  struct search_context *c;
  const struct search_everything_query *query;
  struct str compartment; /* "Patient" */
  struct search_rids sections[SECTIONS];
  struct map seen; /* by the bytes of the rid */
};

static bool is_of_compartment(struct str compartment, defs_type_id type) {
  size_t n;
  (void)defs_compartment_params(compartment, type, &n);
  return n > 0 || str_equal(defs_type(type)->name, compartment);
}

/* First time seen? */
static int note(struct everything *e, uint64_t rid, bool *ret_is_new, struct err *reterr) {
  uint64_t *key = arena_alloc(e->c->arena, sizeof *key);
  if (!key)
    return err_no_memory(reterr);
  *key = rid;
  struct str name = str_n((const char *)key, sizeof *key);
  *ret_is_new = !map_get(&e->seen, name);
  return *ret_is_new && map_set(&e->seen, name, key) ? err_no_memory(reterr) : 0;
}

/* Does the care that a resource tells of fall into the dates that were asked for? What has no date
 * is not left out, and one date in them is enough. */
static bool has_date_in_range(const struct everything *e,
                              const struct search_candidate *candidate) {
  const struct search_everything_query *query = e->query;
  bool has_date = false;
  if (query->start_us == INT64_MIN && query->end_us == INT64_MAX)
    return true;
  for (size_t i = 0; i < candidate->keys.n; i++) {
    const struct key *key = &candidate->keys.p[i];
    if (key->table != KEYS_DATE)
      continue;
    if (key->lo < query->end_us && key->date.hi > query->start_us)
      return true;
    has_date = true;
  }
  return !has_date;
}

static bool is_type_wanted(const struct everything *e, defs_type_id type) {
  bool is_wanted = e->query->types_n == 0;
  for (size_t i = 0; i < e->query->types_n && !is_wanted; i++)
    is_wanted = e->query->types[i] == type;
  return is_wanted;
}

/* What the section is about: the one resource, or all of its type. */
static int collect_focus(struct everything *e, uint64_t rid, struct search_rids *rids,
                         struct err *reterr) {
  struct db_query query;
  if (rid)
    return search_rids_add(rids, rid, reterr);
  db_query_init(&query, e->c->arena);
  db_query_add(&query, "SELECT rid FROM resource WHERE state=1 AND type=");
  db_query_i64(&query, schema_type_number(e->c->schema, e->query->compartment));
  db_query_add(&query, " ORDER BY rid");
  return search_rids_add_query(e->c, &query, SEARCH_COLLECT_MAX + 1, rids, reterr);
}

/* Everything that refers to it by one of the parameters of the compartment. */
static int collect_compartment(struct everything *e, uint64_t focus, struct search_rids *rids,
                               struct err *reterr) {
  const struct schema *schema = e->c->schema;
  struct db_query query;
  db_query_init(&query, e->c->arena);
  db_query_add(&query, "SELECT rid FROM reference WHERE target=");
  db_query_i64(&query, (int64_t)focus);
  db_query_add(&query, " AND param IN(0");
  for (size_t number = 1; number < schema->types_n; number++) {
    size_t n = 0;
    const defs_param_id *params =
        schema->types[number] ? defs_compartment_params(e->compartment, schema->types[number], &n)
                              : NULL;
    for (size_t i = 0; i < n; i++)
      if (schema_param_number(schema, params[i]))
        db_query_addf(&query, ",%u", schema_param_number(schema, params[i]));
  }
  db_query_add(&query, ")");
  return search_rids_add_query(e->c, &query, SEARCH_COLLECT_MAX + 1, rids, reterr);
}

/* Is what a resource of `section` refers to part of the record? From what is shared by many,
 * nothing leads back to a patient: an account may be that of several. */
static bool is_shared(const struct everything *e, enum section section, defs_type_id type) {
  return !is_of_compartment(e->compartment, type) &&
         (section != SECTION_SHARED || !is_of_compartment(STR("Patient"), type));
}

static int add_shared(struct everything *e, const struct search_candidate *from,
                      enum section section, struct search_rids *found, struct err *reterr) {
  for (size_t i = 0; i < from->keys.n; i++) {
    const struct key *key = &from->keys.p[i];
    struct search_candidate target;
    bool is_new, is_there = false;
    if (key->table != KEYS_REFERENCE || key->target <= 0)
      continue;
    int code = note(e, (uint64_t)key->target, &is_new, reterr);
    if (code == 0 && is_new)
      code = search_fetch(e->c, (uint64_t)key->target, &target, &is_there, reterr);
    if (code == 0 && is_there && is_shared(e, section, target.type))
      code = search_rids_add(found, (uint64_t)key->target, reterr);
    if (code)
      return code;
  }
  return 0;
}

/* Looks at `rid`: keeps it in `section` when it is visible and asked for, and follows its
 * references. */
static int visit(struct everything *e, uint64_t rid, enum section section,
                 struct search_rids *found, struct err *reterr) {
  struct search_candidate candidate;
  bool is_there;
  arena_reset(e->c->scratch);
  int code = search_fetch(e->c, rid, &candidate, &is_there, reterr);
  if (code || !is_there)
    return code;
  if (section == SECTION_COMPARTMENT && !has_date_in_range(e, &candidate))
    return 0;
  if (candidate.updated_us >= e->query->since_us && is_type_wanted(e, candidate.type))
    code = search_rids_add(&e->sections[section], rid, reterr);
  return code ? code : add_shared(e, &candidate, section, found, reterr);
}

static int visit_all(struct everything *e, const struct search_rids *rids, enum section section,
                     struct search_rids *found, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < rids->n && code == 0; i++)
    code = visit(e, rids->p[i], section, found, reterr);
  return code;
}

/* `rid` 0: all of the type. */
static int gather(struct everything *e, uint64_t rid, struct err *reterr) {
  struct arena *arena = e->c->arena;
  struct search_rids focus = {.arena = arena}, members = {.arena = arena},
                     others = {.arena = arena}, shared = {.arena = arena};
  bool is_new;
  int code = collect_focus(e, rid, &focus, reterr);
  for (size_t i = 0; i < focus.n && code == 0; i++) {
    code = note(e, focus.p[i], &is_new, reterr);
    if (code == 0)
      code = collect_compartment(e, focus.p[i], &members, reterr);
  }
  search_rids_sort(&members);
  for (size_t i = 0; i < members.n && code == 0; i++) {
    code = note(e, members.p[i], &is_new, reterr);
    if (code == 0 && is_new)
      code = search_rids_add(&others, members.p[i], reterr);
  }
  if (code == 0)
    code = visit_all(e, &focus, SECTION_FOCUS, &shared, reterr);
  if (code == 0)
    code = visit_all(e, &others, SECTION_COMPARTMENT, &shared, reterr);
  /* Shared ones lead to more: a practitioner's organization. Each is found once, so this ends. */
  if (code == 0)
    code = visit_all(e, &shared, SECTION_SHARED, &shared, reterr);
  search_rids_sort(&e->sections[SECTION_SHARED]);
  return code;
}

/* Is (section, rid) behind the mark? */
static bool is_behind(const struct search_mark *mark, enum section section, uint64_t rid) {
  if (!mark->is_set || (int64_t)section != mark->keys[0].number)
    return !mark->is_set || (int64_t)section > mark->keys[0].number;
  return rid > mark->rid;
}

static int read_page(struct everything *e, const struct search_mark *mark, uint64_t shape,
                     size_t count, struct search_result *ret_result, struct err *reterr) {
  struct search_result result = {.has_total = true, .next_cursor = STR("")};
  struct search_mark last = {.is_set = true};
  struct search_rows rows;
  int code = 0;
  search_rows_init(&rows, e->c);
  for (enum section section = 0; section < SECTIONS && code == 0; section++) {
    const struct search_rids *rids = &e->sections[section];
    result.total += rids->n;
    for (size_t i = 0; i < rids->n && code == 0; i++) {
      bool added;
      if (!is_behind(mark, section, rids->p[i]))
        continue;
      if (rows.list.n == count || rows.bytes >= STORE_PAGE_BYTES) {
        result.next_cursor = search_cursor_write(e->c->arena, &last, 1, shape);
        code = result.next_cursor.p ? 0 : err_no_memory(reterr);
        break;
      }
      code = search_rows_add(&rows, rids->p[i], 0, section == SECTION_SHARED, &added, reterr);
      last.rid = rids->p[i];
      last.keys[0] = (struct search_key){.kind = SEARCH_KEY_NUMBER, .number = section};
      result.matches_n += code == 0 && added && section != SECTION_SHARED;
    }
  }
  result.rows = rows.list.p;
  result.rows_n = rows.list.n;
  *ret_result = result;
  return code;
}

/* What a cursor is bound to. */
static uint64_t shape_of(const struct search_everything_query *query, uint64_t rid) {
  uint64_t parts[] = {rid, query->compartment, (uint64_t)query->since_us, (uint64_t)query->start_us,
                      (uint64_t)query->end_us};
  uint64_t shape = 0;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    shape = (shape ^ parts[i]) * 0x9e3779b97f4a7c15u;
  for (size_t i = 0; i < query->types_n; i++)
    shape = (shape ^ query->types[i]) * 0x9e3779b97f4a7c15u;
  return shape;
}

static int run(struct search_context *c, const struct search_everything_query *query,
               struct search_result *ret_result, struct err *reterr) {
  struct everything e = {
      .c = c, .query = query, .compartment = defs_type(query->compartment)->name};
  struct search_mark mark = {0};
  struct store_resource focus = {0};
  int code = query->id.n > 0 ? store_read(c->view, c->access, c->arena, query->compartment,
                                          query->id, &focus, reterr)
                             : 0;
  if (code)
    return code;
  uint64_t shape = shape_of(query, focus.rid);
  if (query->cursor.n > 0)
    code = search_cursor_read(c->arena, query->cursor, 1, shape, &mark, reterr);
  map_init(&e.seen, c->arena);
  for (size_t i = 0; i < SECTIONS; i++)
    e.sections[i].arena = c->arena;
  if (code == 0)
    code = gather(&e, focus.rid, reterr);
  if (code == 0)
    code = read_page(&e, &mark, shape, query->count ? query->count : EVERYTHING_COUNT_DEFAULT,
                     ret_result, reterr);
  return code;
}

int search_everything(struct store_view *view, const struct access *access, struct arena *arena,
                      const struct search_everything_query *query, struct search_result *ret_result,
                      struct err *reterr) {
  struct search_context c;
  int code = search_context_init(&c, view, access, arena, query->limits, reterr);
  if (code == 0)
    code = run(&c, query, ret_result, reterr);
  search_context_fini(&c);
  return code;
}
