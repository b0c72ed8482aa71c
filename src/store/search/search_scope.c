#include "store/search/search_scope.h"

#include "store/search/search_collect.h"
#include "store/schema/shard.h"

/* ---- Shards ---- */

/* False where there is no room: then the search has no scope. */
static bool add_shard(struct search_scope *scope, int64_t shard) {
  for (size_t i = 0; i < scope->n; i++)
    if (scope->shards[i] == shard)
      return true;
  if (scope->n == SEARCH_SCOPE_MAX)
    return false;
  scope->shards[scope->n++] = shard;
  return true;
}

/* Where what refers to `rid`, and it itself, may be. */
static int add_target(struct search_context *c, uint64_t rid, struct search_scope *scope,
                      bool *ret_fits, struct err *reterr) {
  struct db_query query;
  struct db_statement *statement;
  bool has_row;
  *ret_fits = add_shard(scope, shard_of_rid(rid));
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT other FROM stray WHERE rid=");
  db_query_i64(&query, (int64_t)rid);
  db_query_addf(&query, " LIMIT %d", SEARCH_SCOPE_MAX);
  int code = db_query_start(c->db, &query, &statement, reterr);
  if (code)
    return code;
  while (*ret_fits && (code = db_step(statement, &has_row, reterr)) == 0 && has_row)
    *ret_fits = add_shard(scope, db_column_i64(statement, 0));
  db_release(statement);
  return code;
}

/* ---- What a condition says ---- */

/* May an operand that names no type mean a resource whose references are not kept track of? */
static int means_shared(struct search_context *c, const struct defs_param *param,
                        const struct search_operand *o, bool *ret_means, struct err *reterr) {
  int code = 0;
  *ret_means = param->targets_n == 0;
  for (uint32_t i = 0; i < param->targets_n && !*ret_means && code == 0; i++) {
    defs_type_id type = defs_target(param->first_target + i);
    uint64_t rid = 0;
    if (!shard_is_personal(type))
      code = store_rid(c->db, c->schema, type, o->id, &rid, reterr);
    *ret_means = rid != 0;
  }
  return code;
}

/* Do all values name resources whose references are kept track of? */
static int are_personal(struct search_context *c, const struct search_condition *condition,
                        bool *ret_are, struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  int code = 0;
  *ret_are = true;
  for (size_t i = 0; i < p->operands_n && *ret_are && code == 0; i++) {
    const struct search_operand *o = &p->operands[i];
    bool means_other = o->url.n > 0;
    if (!means_other && o->type.n > 0)
      means_other = !shard_is_personal(defs_type_by_name(o->type));
    else if (!means_other)
      code = means_shared(c, defs_param(p->param), o, &means_other, reterr);
    *ret_are = !means_other;
  }
  return code;
}

static bool is_reference(const struct search_condition *condition) {
  const struct search_predicate *p = condition->predicate;
  return p->subject == SEARCH_ON_PARAM && p->value_type == SEARCH_REFERENCE &&
         p->modifier == SEARCH_PLAIN && condition->tests_n == 1;
}

static int scope_of_reference(struct search_context *c, const struct search_condition *condition,
                              struct search_scope *scope, bool *ret_has, struct err *reterr) {
  struct search_ranges values = condition->tests[0].values;
  int code = are_personal(c, condition, ret_has, reterr);
  for (size_t i = 0; i < values.n && *ret_has && code == 0; i++) {
    if (values.p[i].to - values.p[i].from >= SEARCH_SCOPE_MAX)
      *ret_has = false;
    for (int64_t rid = values.p[i].from; rid <= values.p[i].to && *ret_has && code == 0; rid++)
      code = add_target(c, (uint64_t)rid, scope, ret_has, reterr);
  }
  return code;
}

static int scope_of(struct search_context *c, const struct search_condition *condition,
                    struct search_scope *scope, bool *ret_has, struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  *scope = (struct search_scope){0};
  *ret_has = false;
  if (is_reference(condition))
    return scope_of_reference(c, condition, scope, ret_has, reterr);
  if (p->subject != SEARCH_ON_COMPARTMENT || condition->rids_n != 1 ||
      !shard_is_personal(defs_type_by_name(p->operands[0].type)))
    return 0;
  return add_target(c, condition->rids[0], scope, ret_has, reterr);
}

/* ---- The scope of a search ---- */

/* The smallest that access (`*ret_by` is NULL) or one of the conditions gives. */
static int find_scope(struct search_context *c, const struct search_condition *conditions, size_t n,
                      struct search_scope *best, const struct search_condition **ret_by,
                      struct err *reterr) {
  int code = 0;
  bool has = false;
  *best = (struct search_scope){0};
  *ret_by = NULL;
  if (c->filter.is_of_patient && c->filter.patient_rid)
    code = add_target(c, c->filter.patient_rid, best, &has, reterr);
  if (!has)
    best->n = 0;
  for (size_t i = 0; i < n && code == 0; i++) {
    struct search_scope scope;
    code = scope_of(c, &conditions[i], &scope, &has, reterr);
    if (code == 0 && has && scope.n > 0 && (best->n == 0 || scope.n < best->n)) {
      *best = scope;
      *ret_by = &conditions[i];
    }
  }
  return code;
}

/* Does the planner ask first which values there are: the systems of a code, the lengths of dates?
 * They can't be told for one shard without going through its rows, so it would ask all. */
static bool needs_values(const struct search_condition *condition) {
  if (condition->predicate->subject != SEARCH_ON_PARAM)
    return false;
  for (size_t i = 0; i < condition->tests_n; i++)
    for (size_t k = 0; k < condition->tests[i].values.n; k++)
      if (condition->tests[i].values.p[k].from != condition->tests[i].values.p[k].to)
        return true;
  return condition->table == KEYS_DATE;
}

/* What refers to the one resource is gone through, where it is not much. */
static int spare_others(struct search_context *c, struct search_condition *conditions, size_t n,
                        const struct search_condition *by, struct err *reterr) {
  enum { FEW = 1000 };
  uint64_t rows = 0;
  bool spares = false;
  for (size_t i = 0; i < n; i++)
    spares |= needs_values(&conditions[i]);
  if (!by || !spares)
    return 0;
  int code = search_count(c, by, NULL, FEW, &rows, reterr);
  for (size_t i = 0; i < n && code == 0 && rows < FEW; i++)
    conditions[i].is_only_tested = needs_values(&conditions[i]);
  return code;
}

static void set_scope(struct search_condition *condition, const struct search_scope *scope) {
  enum search_subject subject = condition->predicate->subject;
  condition->scope = scope;
  if (subject != SEARCH_ON_ALL && subject != SEARCH_ON_ANY && subject != SEARCH_ON_NOT)
    return; /* the targets of a chain, the sources of _has are other resources */
  for (size_t i = 0; i < condition->targets_n; i++)
    set_scope(&condition->targets[i], scope);
}

int search_scope_set(struct search_context *c, struct search_condition *conditions, size_t n,
                     struct err *reterr) {
  if (!c->schema->is_sharded)
    return 0;
  struct search_scope *scope = ARENA_NEW(c->arena, struct search_scope);
  if (!scope)
    return err_no_memory(reterr);
  const struct search_condition *by;
  int code = find_scope(c, conditions, n, scope, &by, reterr);
  for (size_t i = 0; i < n && code == 0 && scope->n > 0; i++)
    set_scope(&conditions[i], scope);
  return code ? code : spare_others(c, conditions, n, by, reterr);
}

void search_scope_add(struct db_query *query, const struct search_context *c,
                      const struct search_scope *scope) {
  if (!scope)
    return;
  if (scope->n == 1) { /* so that an index is read only where this shard's rows are */
    db_query_add(query, " AND rid>=");
    db_query_i64(query, (int64_t)shard_rid(scope->shards[0], 0));
    db_query_add(query, " AND rid<");
    db_query_i64(query, (int64_t)shard_rid(scope->shards[0] + 1, 0));
  }
  if (!db_is_remote(c->db))
    return;
  for (size_t i = 0; i < scope->n; i++) {
    db_query_add(query, i ? "," : " AND shard IN(");
    db_query_i64(query, scope->shards[i]);
  }
  db_query_add(query, ")");
}
