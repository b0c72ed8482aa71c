/*
 * _include and _revinclude. References are read from the keys of the rows at hand; what refers back
 * is found in the table `reference`. With :iterate a row that was included is looked at as well.
 */
#include "store/search/search_collect.h"
#include "store/search/search_contained.h"
#include "store/search/search_page.h"

/* Of a page with what is included. A page's own matches end it earlier. */
#define INCLUDED_MAX_BYTES (4 * STORE_PAGE_BYTES)

enum {
  REFERRERS_AT_ONCE = 256,
  ASKED_AT_ONCE = 64, /* questions on their way; more than there are includes in a search */
};

/* Reads what was noted, in the order in which it was. */
static int add_wanted(struct search_rows *rows, struct err *reterr) {
  struct search_context *c = rows->c;
  uint64_t rids[SEARCH_AHEAD_MAX] = {0};
  size_t n = rows->wanted.n;
  for (size_t i = 0; i < n; i++)
    rids[i] = rows->wanted.p[i].rid;
  int code = search_fetch_ahead(c, rids, n, true, reterr);
  for (size_t i = 0; i < n && code == 0; i++) {
    bool added;
    code = search_rows_add(rows, rids[i], rows->wanted.p[i].type, true, &added, reterr);
    if (code == 0 && rows->list.n - rows->matches_n > c->limits.included)
      code = err_set(reterr, ERR_TOO_COSTLY, "_include",
                     "more than %zu resources would be included; ask for a smaller page with "
                     "_count",
                     c->limits.included);
    if (code == 0 && rows->bytes > INCLUDED_MAX_BYTES)
      code = err_set(reterr, ERR_TOO_COSTLY, "_include",
                     "a page with what is included would have more than %zu MB; ask for a smaller "
                     "one with _count",
                     INCLUDED_MAX_BYTES >> 20);
  }
  rows->wanted.n = 0;
  return code;
}

static int want(struct search_rows *rows, uint64_t rid, defs_type_id type, struct err *reterr) {
  struct search_wanted *place = VEC_PUSH(rows->c->arena, &rows->wanted);
  if (!place)
    return err_no_memory(reterr);
  *place = (struct search_wanted){rid, type};
  size_t most = search_looks_ahead(rows->c) ? SEARCH_AHEAD_MAX : 1;
  return rows->wanted.n >= most ? add_wanted(rows, reterr) : 0;
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
                       struct str version, struct err *reterr) {
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
  int code = search_rids_add_query(c, &query, SEARCH_COLLECT_MAX + 1, &rids, reterr);
  for (size_t i = 0; i < rids.n && code == 0; i++) {
    bool has;
    code = has_version(c, rids.p[i], version, &has, reterr);
    if (code == 0 && has)
      code = want(rows, rids.p[i], type, reterr);
  }
  return code;
}

/* What a canonical, with its version or without one, leads to. The index has only its hash. */
static int include_canonical(struct search_rows *rows, const struct search_include *include,
                             struct search_candidate *from, struct err *reterr) {
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
        code = include_url(rows, type, url, version.p ? version : STR(""), reterr);
    }
  }
  return code;
}

static int include_forward(struct search_rows *rows, const struct search_include *include,
                           struct search_candidate *from, struct err *reterr) {
  int code = 0;
  bool has_urls = false;
  for (size_t i = 0; i < from->keys.n && code == 0; i++) {
    const struct key *key = &from->keys.p[i];
    if (key->table != KEYS_REFERENCE || !asks_for(rows->c, include, from->type, key->param))
      continue;
    has_urls |= key->target < 0;
    if (key->target > 0)
      code = want(rows, (uint64_t)key->target, include->target, reterr);
  }
  if (code == 0 && has_urls)
    code = include_canonical(rows, include, from, reterr);
  return code;
}

/* `asked`: for the first of them; NULL: they have to be asked for. */
static int include_referrers(struct search_rows *rows, uint16_t param, uint64_t rid,
                             defs_type_id source, struct db_statement *asked, struct err *reterr) {
  struct search_context *c = rows->c;
  uint64_t rids[REFERRERS_AT_ONCE], after = 0;
  size_t n = REFERRERS_AT_ONCE;
  while (n == REFERRERS_AT_ONCE) {
    int code =
        asked ? 0 : search_referrers_ask(c, param, rid, after, REFERRERS_AT_ONCE, &asked, reterr);
    if (code == 0)
      code = search_referrers_take(c, asked, rids, REFERRERS_AT_ONCE, &n, reterr);
    asked = NULL;
    for (size_t i = 0; code == 0 && i < n; i++)
      code = want(rows, rids[i], source, reterr);
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

/* Does row `at` ask what refers to it by the parameter of `include`? */
static bool asks_referrers(const struct search_rows *rows, const struct search_include *include,
                           size_t at) {
  const struct search_row *row = &rows->list.p[at];
  return include->is_reverse && include->param && !row->is_contained &&
         (at < rows->matches_n || include->is_iterate) &&
         (!include->target || include->target == row->resource.type);
}

/* The questions of the next rows, on their way together. */
struct asked {
  size_t to; /* rows before it are asked about */
  size_t n, at;
  struct db_statement *p[ASKED_AT_ONCE];
};

static int ask_ahead(struct search_rows *rows, const struct search *search, size_t to,
                     struct asked *asked, struct err *reterr) {
  struct search_context *c = rows->c;
  asked->n = asked->at = 0;
  for (; asked->to < to && asked->n + search->includes_n <= ASKED_AT_ONCE; asked->to++)
    for (size_t i = 0; i < search->includes_n; i++) {
      const struct search_include *include = &search->includes[i];
      if (!search_looks_ahead(c) || !asks_referrers(rows, include, asked->to))
        continue;
      int code = search_referrers_ask(c, schema_param_number(c->schema, include->param),
                                      rows->rids.p[asked->to], 0, REFERRERS_AT_ONCE,
                                      &asked->p[asked->n], reterr);
      if (code)
        return code;
      asked->n++;
    }
  return 0;
}

static void forget(struct asked *asked) {
  while (asked->at < asked->n)
    db_release(asked->p[asked->at++]);
}

static int include_backward(struct search_rows *rows, const struct search_include *include,
                            size_t at, const struct search_candidate *to, struct asked *asked,
                            struct err *reterr) {
  const struct schema *schema = rows->c->schema;
  if (asks_referrers(rows, include, at))
    return include_referrers(rows, schema_param_number(schema, include->param), to->rid,
                             include->source, asked->at < asked->n ? asked->p[asked->at++] : NULL,
                             reterr);
  if (include->param || (include->target && include->target != to->type))
    return 0;
  int code = find_referring_params(rows, reterr);
  for (size_t i = 0; i < rows->referring.n && code == 0; i++) {
    uint16_t number = rows->referring.p[i];
    const struct defs_param *param = defs_param(schema_param(schema, number));
    if (!include->source || defs_type_is_a(include->source, param->base))
      code = include_referrers(rows, number, to->rid, include->source, NULL, reterr);
  }
  return code;
}

/* What row `at` brings with it. */
static int include_of_row(struct search_rows *rows, const struct search *search, size_t at,
                          struct asked *asked, struct err *reterr) {
  struct search_candidate row;
  bool found = false;
  arena_reset(rows->c->scratch);
  bool is_contained = rows->list.p[at].is_contained;
  int code = is_contained ? search_contained_of_row(rows->c, &rows->list.p[at], &row, reterr)
                          : search_fetch(rows->c, rows->rids.p[at], &row, &found, reterr);
  if (code == 0 && !found && !is_contained)
    code = err_set(reterr, ERR_STORE, "", "a row is gone within one view");
  for (size_t i = 0; i < search->includes_n && code == 0; i++) {
    const struct search_include *include = &search->includes[i];
    if (at >= rows->matches_n && !include->is_iterate)
      continue;
    code = include->is_reverse ? include_backward(rows, include, at, &row, asked, reterr)
                               : include_forward(rows, include, &row, reterr);
  }
  return code;
}

int search_include_rows(struct search_rows *rows, const struct search *search, struct err *reterr) {
  struct asked asked = {0};
  bool iterates = false;
  int code = 0;
  rows->matches_n = rows->list.n;
  for (size_t i = 0; i < search->includes_n; i++)
    iterates |= search->includes[i].is_iterate;
  if (search->includes_n == 0)
    return 0;
  /* Rows are added while they are walked; each is added once, so this ends. */
  for (size_t at = 0; code == 0; at++) {
    size_t to = iterates ? rows->list.n : rows->matches_n;
    if (at == to)
      code = add_wanted(rows, reterr);
    to = iterates ? rows->list.n : rows->matches_n;
    if (code || at == to)
      break;
    if (at == asked.to)
      code = ask_ahead(rows, search, to, &asked, reterr);
    if (code == 0)
      code = include_of_row(rows, search, at, &asked, reterr);
  }
  forget(&asked);
  return code;
}
