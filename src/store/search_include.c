/*
 * _include and _revinclude. References are read from the keys of the rows at hand; what refers back
 * is found in the table `reference`. With :iterate a row that was included is looked at as well.
 */
#include "store/search_collect.h"
#include "store/search_contained.h"
#include "store/search_page.h"

enum { REFERRERS_AT_ONCE = 256 };

static int add_included(struct search_rows *rows, size_t matches_n, uint64_t rid, defs_type_id type,
                        struct err *reterr) {
  bool added;
  int code = search_rows_add(rows, rid, type, true, &added, reterr);
  size_t most = rows->c->limits.included;
  if (code == 0 && rows->list.n - matches_n > most)
    return err_set(reterr, ERR_TOO_COSTLY, "_include",
                   "more than %zu resources would be included; ask for a smaller page with _count",
                   most);
  return code;
}

/* Does the reference parameter number `param` belong to what `include` asks of `type`? */
static bool asks_for(const struct search_context *c, const struct search_include *include,
                     defs_type_id type, int64_t param) {
  if (include->source && include->source != type)
    return false;
  return !include->param || schema_param_number(c->schema, include->param) == param;
}

/* Is its business version `version`? Empty: any is. */
static int has_version(struct search_context *c, uint64_t rid, struct str version, bool *ret_has,
                       struct err *reterr) {
  struct search_candidate target;
  *ret_has = version.n == 0;
  int code = *ret_has ? 0 : search_fetch(c, rid, &target, ret_has, reterr);
  if (code || !*ret_has || version.n == 0)
    return code;
  defs_param_id param = defs_param_by_code(target.type, STR("version"));
  struct keys keys = {0};
  if (param)
    keys = search_keys_of(target.keys, KEYS_TOKEN, schema_param_number(c->schema, param));
  *ret_has = false;
  for (size_t i = 0; i < keys.n; i++)
    *ret_has |= keys.p[i].hash == schema_token_hash(c->schema, STR(""), version);
  return 0;
}

/* Resources of `type` whose canonical URL is `url`. */
static int include_url(struct search_rows *rows, defs_type_id type, struct str url,
                       struct str version, size_t matches_n, struct err *reterr) {
  struct search_context *c = rows->c;
  struct search_rids rids = {.arena = c->arena};
  struct db_query query;
  defs_param_id param = defs_param_by_code(type, STR("url"));
  if (!param)
    return 0;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT rid FROM uri WHERE param=");
  db_query_i64(&query, schema_param_number(c->schema, param));
  db_query_add(&query, " AND hash=");
  db_query_i64(&query, schema_text_hash(c->schema, url));
  int code = search_rids_add_query(c, &query, &rids, reterr);
  for (size_t i = 0; i < rids.n && code == 0; i++) {
    bool has;
    code = has_version(c, rids.p[i], version, &has, reterr);
    if (code == 0 && has)
      code = add_included(rows, matches_n, rids.p[i], type, reterr);
  }
  return code;
}

/* What a canonical, with its version or without one, leads to. The index has only its hash. */
static int include_canonical(struct search_rows *rows, const struct search_include *include,
                             size_t matches_n, struct search_candidate *from, struct err *reterr) {
  int code = search_fetch_values(rows->c, from, reterr);
  for (size_t i = 0; i < from->values.n && code == 0; i++) {
    const struct search_value *v = &from->values.p[i];
    if (v->type != SEARCH_REFERENCE || v->reference.url.n == 0 ||
        !asks_for(rows->c, include, from->type, schema_param_number(rows->c->schema, v->param)))
      continue;
    struct str version = v->reference.url, url;
    (void)str_split(&version, '|', &url);
    if (!version.p && i > 0 && from->values.p[i - 1].param == v->param &&
        str_starts_with(from->values.p[i - 1].reference.url, url))
      continue; /* the same value again, without its version */
    const struct defs_param *param = defs_param(v->param);
    for (uint32_t t = 0; t < param->targets_n && code == 0; t++) {
      defs_type_id type = defs_target(param->first_target + t);
      if (!include->target || include->target == type)
        code = include_url(rows, type, url, version.p ? version : STR(""), matches_n, reterr);
    }
  }
  return code;
}

static int include_forward(struct search_rows *rows, const struct search_include *include,
                           size_t matches_n, struct search_candidate *from, struct err *reterr) {
  int code = 0;
  bool has_urls = false;
  for (size_t i = 0; i < from->keys.n && code == 0; i++) {
    const struct key *key = &from->keys.p[i];
    if (key->table != KEYS_REFERENCE || !asks_for(rows->c, include, from->type, key->param))
      continue;
    has_urls |= key->target < 0;
    if (key->target > 0)
      code = add_included(rows, matches_n, (uint64_t)key->target, include->target, reterr);
  }
  if (code == 0 && has_urls)
    code = include_canonical(rows, include, matches_n, from, reterr);
  return code;
}

static int include_referrers(struct search_rows *rows, uint16_t param, size_t matches_n,
                             uint64_t rid, defs_type_id source, struct err *reterr) {
  uint64_t rids[REFERRERS_AT_ONCE], after = 0;
  size_t n = REFERRERS_AT_ONCE;
  while (n == REFERRERS_AT_ONCE) {
    int code = search_referrers(rows->c, param, rid, after, rids, REFERRERS_AT_ONCE, &n, reterr);
    for (size_t i = 0; i < n && code == 0; i++)
      code = add_included(rows, matches_n, rids[i], source, reterr);
    if (code)
      return code;
    after = n ? rids[n - 1] : after;
  }
  return 0;
}

/* The parameters by which anything refers to anything here: of some hundred, those in use. */
static int find_referring_params(struct search_rows *rows, struct err *reterr) {
  struct search_context *c = rows->c;
  int64_t param = 0;
  int code = 0;
  for (bool found = !rows->has_referring; found && code == 0;) {
    struct db_query query;
    db_query_init(&query, c->scratch);
    db_query_add(&query, "SELECT min(param) FROM reference WHERE param>");
    db_query_i64(&query, param);
    code = db_query_number(c->db, &query, -1, &param, reterr);
    found = code == 0 && param > 0;
    if (found && schema_param(c->schema, param)) {
      uint16_t *place = VEC_PUSH(c->arena, &rows->referring);
      if (!place)
        return err_no_memory(reterr);
      *place = (uint16_t)param;
    }
  }
  rows->has_referring = true;
  return code;
}

static int include_backward(struct search_rows *rows, const struct search_include *include,
                            size_t matches_n, const struct search_candidate *to,
                            struct err *reterr) {
  const struct schema *schema = rows->c->schema;
  if (include->target && include->target != to->type)
    return 0;
  if (include->param)
    return include_referrers(rows, schema_param_number(schema, include->param), matches_n, to->rid,
                             include->source, reterr);
  int code = find_referring_params(rows, reterr);
  for (size_t i = 0; i < rows->referring.n && code == 0; i++) {
    uint16_t number = rows->referring.p[i];
    const struct defs_param *param = defs_param(schema_param(schema, number));
    if (!include->source || defs_type_is_a(include->source, param->base))
      code = include_referrers(rows, number, matches_n, to->rid, include->source, reterr);
  }
  return code;
}

/* What row `at` brings with it. */
static int include_of_row(struct search_rows *rows, const struct search *search, size_t matches_n,
                          size_t at, struct err *reterr) {
  struct search_candidate row;
  bool found = false;
  arena_reset(rows->c->scratch);
  bool is_contained = rows->list.p[at].is_contained;
  int code = is_contained ? search_contained_of_row(rows->c, &rows->list.p[at], &row, reterr)
                          : search_fetch(rows->c, rows->rids.p[at], &row, &found, reterr);
  found |= is_contained; /* nothing refers to it: its rid is 0 */
  for (size_t i = 0; i < search->includes_n && code == 0 && found; i++) {
    const struct search_include *include = &search->includes[i];
    if (at >= matches_n && !include->is_iterate)
      continue;
    code = include->is_reverse ? include_backward(rows, include, matches_n, &row, reterr)
                               : include_forward(rows, include, matches_n, &row, reterr);
  }
  return code;
}

int search_include_rows(struct search_rows *rows, const struct search *search, struct err *reterr) {
  size_t matches_n = rows->list.n;
  bool iterates = false;
  for (size_t i = 0; i < search->includes_n; i++)
    iterates |= search->includes[i].is_iterate;
  if (search->includes_n == 0)
    return 0;
  /* Rows are added while they are walked; each is added once, so this ends. */
  for (size_t at = 0; at < (iterates ? rows->list.n : matches_n); at++) {
    int code = include_of_row(rows, search, matches_n, at, reterr);
    if (code)
      return code;
  }
  return 0;
}
