/*
 * _include and _revinclude. References are read from the keys of the rows at hand; what refers back
 * is found in the table `reference`. With :iterate a row that was included is looked at as well.
 */
#include "store/search_page.h"

enum { REFERRERS_AT_ONCE = 256 };

static bool is_reference(defs_param_id param) {
  return defs_param(param)->type == SEARCH_REFERENCE;
}

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

static int include_forward(struct search_rows *rows, const struct search_include *include,
                           size_t matches_n, const struct search_candidate *from,
                           struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < from->keys.n && code == 0; i++) {
    const struct key *key = &from->keys.p[i];
    if (key->table == KEYS_REFERENCE && key->target > 0 &&
        asks_for(rows->c, include, from->type, key->param))
      code = add_included(rows, matches_n, (uint64_t)key->target, include->target, reterr);
  }
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

static int include_backward(struct search_rows *rows, const struct search_include *include,
                            size_t matches_n, const struct search_candidate *to,
                            struct err *reterr) {
  const struct schema *schema = rows->c->schema;
  if (include->target && include->target != to->type)
    return 0;
  if (include->param)
    return include_referrers(rows, schema_param_number(schema, include->param), matches_n, to->rid,
                             include->source, reterr);
  size_t n;
  const defs_param_id *params = defs_params_of(include->source, &n);
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i++)
    if (is_reference(params[i]))
      code = include_referrers(rows, schema_param_number(schema, params[i]), matches_n, to->rid,
                               include->source, reterr);
  return code;
}

/* What row `at` brings with it. */
static int include_of_row(struct search_rows *rows, const struct search *search, size_t matches_n,
                          size_t at, struct err *reterr) {
  struct search_candidate row;
  bool found;
  arena_reset(rows->c->scratch);
  int code = search_fetch(rows->c, rows->rids.p[at], &row, &found, reterr);
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
