#include "store/search_contained.h"

#include "format/json.h"

enum { RIDS_AT_ONCE = 256 };

/* ---- What may be asked ----------------------------------------------------------------------- */

static int check_predicate(const struct search_predicate *p, struct err *reterr) {
  struct str name = p->name.n > 0 ? p->name : STR("_contained");
  int code = 0;
  switch (p->subject) {
  case SEARCH_ON_ID:
  case SEARCH_ON_LAST_UPDATED:
    return 0;
  case SEARCH_ON_PARAM:
    if (p->value_type == SEARCH_REFERENCE &&
        (p->modifier == SEARCH_ABOVE || p->modifier == SEARCH_BELOW))
      break;
    return 0;
  case SEARCH_ON_ALL:
  case SEARCH_ON_ANY:
  case SEARCH_ON_NOT:
    for (size_t i = 0; i < p->targets_n && code == 0; i++)
      code = check_predicate(&p->targets[i], reterr);
    return code;
  case SEARCH_ON_CHAIN:
  case SEARCH_ON_HAS:
  case SEARCH_ON_TEXT:
  case SEARCH_ON_COMPARTMENT:
    break;
  }
  return err_set_at(reterr, ERR_NOT_SUPPORTED, name,
                    "can't be asked of contained resources (_contained)");
}

int search_contained_check(const struct search *search, struct err *reterr) {
  if (!search->contained)
    return 0;
  if (!search->type)
    return err_set(reterr, ERR_NOT_SUPPORTED, "_contained", "is for a search on one type");
  if (search->sorts_n > 0)
    return err_set(reterr, ERR_NOT_SUPPORTED, "_sort",
                   "contained resources (_contained) have no order");
  if (search->gives_contained && search->includes_n > 0)
    return err_set(reterr, ERR_NOT_SUPPORTED, "_include",
                   "and _revinclude go on from containers, not from contained resources "
                   "(_containedType)");
  int code = 0;
  for (size_t i = 0; i < search->predicates_n && code == 0; i++)
    code = check_predicate(&search->predicates[i], reterr);
  return code;
}

/* ---- One contained resource ------------------------------------------------------------------ */

struct contained {
  struct search_context *c;
  defs_type_id type;
  struct str id;
  struct search_values values;
};

static bool fits(const struct contained *x, const struct search_predicate *p);

static bool some_fit(const struct contained *x, const struct search_predicate *p, bool wanted) {
  for (size_t i = 0; i < p->targets_n; i++)
    if (fits(x, &p->targets[i]) == wanted)
      return true;
  return false;
}

static bool id_fits(const struct contained *x, const struct search_predicate *p) {
  if (p->modifier == SEARCH_MISSING)
    return (x->id.n == 0) == p->is_missing;
  for (size_t i = 0; i < p->operands_n; i++)
    if (str_equal(p->operands[i].id, x->id))
      return true;
  return false;
}

static bool fits(const struct contained *x, const struct search_predicate *p) {
  if (p->type && p->type != x->type)
    return false;
  switch (p->subject) {
  case SEARCH_ON_PARAM:
    return search_values_match(x->c->scratch, x->c->terminology, p, x->values);
  case SEARCH_ON_ID:
    return id_fits(x, p);
  case SEARCH_ON_LAST_UPDATED: /* only the container has a version */
    return p->modifier == SEARCH_MISSING && p->is_missing;
  case SEARCH_ON_ALL:
    return !some_fit(x, p, false);
  case SEARCH_ON_ANY:
    return some_fit(x, p, true);
  case SEARCH_ON_NOT:
    return !some_fit(x, p, true);
  default: /* search_contained_check */
    return false;
  }
}

static int judge(struct search_context *c, const struct search *search,
                 const struct yyjson_val *resource, bool *ret_matches, struct err *reterr) {
  struct contained x = {.c = c, .type = search->type, .id = json_get_text(resource, STR("id"))};
  *ret_matches = false;
  if (!str_equal(json_get_text(resource, STR("resourceType")), defs_type(search->type)->name))
    return 0;
  int code = search_values_extract(c->scratch, resource, &x.values, reterr);
  if (code)
    return code;
  *ret_matches = true;
  for (size_t i = 0; i < search->predicates_n && *ret_matches; i++)
    *ret_matches = fits(&x, &search->predicates[i]);
  return 0;
}

/* ---- Containers ------------------------------------------------------------------------------ */

struct matches {
  struct search_context *c;
  const struct search *search;
  VEC(struct search_match) list;
  size_t containers_n;
};

static int add_match(struct matches *m, uint64_t rid, size_t contained, struct err *reterr) {
  struct search_match *place = VEC_PUSH(m->c->arena, &m->list);
  if (!place)
    return err_no_memory(reterr);
  *place = (struct search_match){.rid = rid, .contained = contained};
  return 0;
}

/* Adds what matches in the container `rid`; once, where containers are asked for. */
static int look_into(struct matches *m, uint64_t rid, struct err *reterr) {
  struct search_context *c = m->c;
  struct search_candidate candidate;
  const struct yyjson_val *root;
  bool found;
  size_t before = m->list.n, n = 0;
  arena_reset(c->scratch);
  int code = search_fetch(c, rid, &candidate, &found, reterr);
  if (code || !found)
    return code;
  code = search_fetch_body(c, &candidate, &root, reterr);
  if (code)
    return code;
  struct json_each each = json_each(json_get(root, STR("contained")));
  while (code == 0 && json_next(&each)) {
    bool matches;
    n++;
    code = search_spend(c, SEARCH_STEP_BODY, reterr);
    if (code == 0)
      code = judge(c, m->search, each.value, &matches, reterr);
    if (code == 0 && matches && (m->search->gives_contained || m->list.n == before))
      code = add_match(m, rid, m->search->gives_contained ? n : 0, reterr);
  }
  m->containers_n += m->list.n > before;
  return code;
}

/* Resources behind `after` that contain one of the type, in order. */
static int list_containers(struct search_context *c, defs_type_id type, uint64_t after,
                           uint64_t *ret_rids, size_t *ret_n, struct err *reterr) {
  struct db_query query;
  struct db_statement *statement;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT rid FROM token WHERE param=");
  db_query_i64(&query, KEYS_CONTAINED_PARAM);
  db_query_add(&query, " AND first=0 AND hash=");
  db_query_i64(&query, (int64_t)schema_type_number(c->schema, type));
  db_query_add(&query, " AND rid>");
  db_query_i64(&query, (int64_t)after);
  db_query_add(&query, " ORDER BY rid LIMIT ");
  db_query_i64(&query, RIDS_AT_ONCE);
  int code = db_query_start(c->db, &query, &statement, reterr);
  if (code)
    return code;
  size_t n = 0;
  bool has_row;
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row && n < RIDS_AT_ONCE)
    ret_rids[n++] = (uint64_t)db_column_i64(statement, 0);
  db_release(statement);
  *ret_n = n;
  return code ? code : search_spend(c, SEARCH_STEP_QUERY + n, reterr);
}

/* All containers with a match behind `after`, up to `max`. */
static int find_contained(struct matches *m, uint64_t after, size_t max, struct err *reterr) {
  uint64_t rids[RIDS_AT_ONCE];
  size_t n = RIDS_AT_ONCE;
  while (n == RIDS_AT_ONCE && m->containers_n < max) {
    int code = list_containers(m->c, m->search->type, after, rids, &n, reterr);
    for (size_t i = 0; i < n && code == 0 && m->containers_n < max; i++)
      code = look_into(m, rids[i], reterr);
    if (code)
      return code;
    after = n ? rids[n - 1] : after;
  }
  return 0;
}

/* ---- Both ------------------------------------------------------------------------------------ */

static int compare_matches(const void *a, const void *b) {
  const struct search_match *x = a, *y = b;
  if (x->rid != y->rid)
    return x->rid < y->rid ? -1 : 1;
  return x->contained < y->contained ? -1 : x->contained > y->contained;
}

/* In order; a container that matches itself and by what it contains stands once. */
static void put_in_order(struct matches *m) {
  size_t kept = 0;
  if (m->list.n > 1)
    qsort(m->list.p, m->list.n, sizeof *m->list.p, compare_matches);
  for (size_t i = 0; i < m->list.n; i++)
    if (kept == 0 || compare_matches(&m->list.p[kept - 1], &m->list.p[i]) != 0)
      m->list.p[kept++] = m->list.p[i];
  m->list.n = kept;
}

static int find_resources(struct matches *m, const struct search_condition *conditions,
                          struct err *reterr) {
  struct search_page page;
  int code = search_unsorted_page(m->c, m->search, conditions, &page, reterr);
  size_t n = code == 0 ? page.n + page.has_more : 0; /* the one too many stands behind them */
  for (size_t i = 0; i < n && code == 0; i++)
    code = add_match(m, page.p[i].rid, 0, reterr);
  return code;
}

int search_contained_page(struct search_context *c, const struct search *search,
                          const struct search_condition *conditions, struct search_page *ret_page,
                          struct err *reterr) {
  struct matches m = {.c = c, .search = search};
  uint64_t after = search->mark.is_set ? search->mark.rid : 0;
  int code = find_contained(&m, after, search->count + 1, reterr);
  if (code == 0 && search->contained == SEARCH_CONTAINED_BOTH)
    code = find_resources(&m, conditions, reterr);
  put_in_order(&m);
  size_t n = 0, rids_n = 0;
  for (; n < m.list.n; n++) {
    rids_n += n == 0 || m.list.p[n].rid != m.list.p[n - 1].rid;
    if (rids_n > search->count)
      break;
  }
  if (n > search->count + search->limits.included)
    return err_set(reterr, ERR_TOO_COSTLY, "_containedType",
                   "more than %zu contained resources in what one page contains; ask for fewer "
                   "containers (_count)",
                   search->limits.included);
  *ret_page = (struct search_page){.p = m.list.p, .n = n, .has_more = n < m.list.n};
  return code;
}

/* Pages of the largest size, one after the other. */
int search_contained_count(struct search_context *c, const struct search *search,
                           const struct search_condition *conditions, uint64_t *ret_n,
                           struct err *reterr) {
  struct search all = *search;
  struct search_page page = {.has_more = true};
  all.count = 1000;
  all.mark = (struct search_mark){0};
  *ret_n = 0;
  while (page.has_more) {
    int code = search_contained_page(c, &all, conditions, &page, reterr);
    if (code)
      return code;
    *ret_n += page.n;
    all.mark.is_set = true;
    all.mark.rid = page.n ? page.p[page.n - 1].rid : 0;
  }
  return 0;
}
