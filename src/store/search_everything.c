/*
 * Patient/$everything: the patient, what is in its compartment, and what these refer to of types
 * that belong to no patient (practitioners, organizations, medications, ...), in this order; within
 * each in the order of the rid. The whole set is known on every page, so that nothing comes twice.
 */
#include "store/search_collect.h"
#include "store/search_cursor.h"
#include "store/search_page.h"

enum { EVERYTHING_COUNT_DEFAULT = 1000 };

enum section { SECTION_PATIENT, SECTION_COMPARTMENT, SECTION_SHARED, SECTIONS };

struct everything {
  struct search_context *c;
  struct search_rids sections[SECTIONS];
  struct map seen; /* by the bytes of the rid */
  int64_t since_us;
};

static bool is_of_patients(defs_type_id type) {
  size_t n;
  (void)defs_compartment_params(STR("Patient"), type, &n);
  return n > 0 || str_is(defs_type(type)->name, "Patient");
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

/* Everything that refers to the patient by one of the parameters of the compartment. */
static int collect_compartment(struct everything *e, uint64_t patient, struct search_rids *rids,
                               struct err *reterr) {
  const struct schema *schema = e->c->schema;
  struct db_query query;
  db_query_init(&query, e->c->arena);
  db_query_add(&query, "SELECT rid FROM reference WHERE target=");
  db_query_i64(&query, (int64_t)patient);
  db_query_add(&query, " AND param IN(0");
  for (size_t number = 1; number < schema->types_n; number++) {
    size_t n = 0;
    const defs_param_id *params =
        schema->types[number] ? defs_compartment_params(STR("Patient"), schema->types[number], &n)
                              : NULL;
    for (size_t i = 0; i < n; i++)
      if (schema_param_number(schema, params[i]))
        db_query_addf(&query, ",%u", schema_param_number(schema, params[i]));
  }
  db_query_add(&query, ")");
  int code = search_rids_add_query(e->c, &query, rids, reterr);
  search_rids_sort(rids);
  return code;
}

/* Adds what `from` refers to of shared types. */
static int add_shared(struct everything *e, const struct search_candidate *from,
                      struct search_rids *found, struct err *reterr) {
  for (size_t i = 0; i < from->keys.n; i++) {
    const struct key *key = &from->keys.p[i];
    struct search_candidate target;
    bool is_new, is_there;
    if (key->table != KEYS_REFERENCE || key->target <= 0)
      continue;
    int code = note(e, (uint64_t)key->target, &is_new, reterr);
    if (code == 0 && is_new)
      code = search_fetch(e->c, (uint64_t)key->target, &target, &is_there, reterr);
    if (code == 0 && is_new && is_there && !is_of_patients(target.type))
      code = search_rids_add(found, (uint64_t)key->target, reterr);
    if (code)
      return code;
  }
  return 0;
}

/* Looks at `rid`: keeps it in `section` when it is visible and new enough, and follows its
 * references. */
static int visit(struct everything *e, uint64_t rid, enum section section,
                 struct search_rids *found, struct err *reterr) {
  struct search_candidate candidate;
  bool is_there;
  arena_reset(e->c->scratch);
  int code = search_fetch(e->c, rid, &candidate, &is_there, reterr);
  if (code || !is_there)
    return code;
  if (candidate.updated_us >= e->since_us)
    code = search_rids_add(&e->sections[section], rid, reterr);
  return code ? code : add_shared(e, &candidate, found, reterr);
}

static int gather(struct everything *e, uint64_t patient, struct err *reterr) {
  struct search_rids members = {.arena = e->c->arena}, shared = {.arena = e->c->arena};
  bool is_new;
  int code = note(e, patient, &is_new, reterr);
  if (code == 0)
    code = visit(e, patient, SECTION_PATIENT, &shared, reterr);
  if (code == 0)
    code = collect_compartment(e, patient, &members, reterr);
  for (size_t i = 0; i < members.n && code == 0; i++)
    if (members.p[i] != patient)
      code = visit(e, members.p[i], SECTION_COMPARTMENT, &shared, reterr);
  /* shared ones lead to more: a practitioner's organization. Each is found once, so this ends */
  for (size_t i = 0; i < shared.n && code == 0; i++)
    code = visit(e, shared.p[i], SECTION_SHARED, &shared, reterr);
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
      if (rows.list.n == count) {
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

static int run(struct search_context *c, struct str patient_id, int64_t since_us, size_t count,
               struct str cursor, struct search_result *ret_result, struct err *reterr) {
  struct everything e = {.c = c, .since_us = since_us};
  struct search_mark mark = {0};
  struct store_resource patient;
  defs_type_id type = defs_type_by_name(STR("Patient"));
  int code = store_read(c->view, c->access, c->arena, type, patient_id, &patient, reterr);
  if (code)
    return code;
  uint64_t shape = (patient.rid ^ (uint64_t)since_us) * 0x9e3779b97f4a7c15u;
  if (cursor.n > 0)
    code = search_cursor_read(c->arena, cursor, 1, shape, &mark, reterr);
  map_init(&e.seen, c->arena);
  for (size_t i = 0; i < SECTIONS; i++)
    e.sections[i].arena = c->arena;
  if (code == 0)
    code = gather(&e, patient.rid, reterr);
  if (code == 0)
    code =
        read_page(&e, &mark, shape, count ? count : EVERYTHING_COUNT_DEFAULT, ret_result, reterr);
  return code;
}

int search_everything(struct store_view *view, const struct access *access, struct arena *arena,
                      struct str patient_id, int64_t since_us, size_t count, struct str cursor,
                      struct search_result *ret_result, struct err *reterr) {
  struct search_context c;
  int code = search_context_init(&c, view, access, arena, NULL, reterr);
  if (code == 0)
    code = run(&c, patient_id, since_us, count, cursor, ret_result, reterr);
  search_context_fini(&c);
  return code;
}
