#include "store/search/search_condition.h"

#include "store/search/search_hash.h"
#include "store/search/search_match.h"
#include "store/search/search_near.h"
#include "store/search/search_quantity.h"
#include "store/search/search_terminology.h"
#include "store/search/search_text.h"

static bool is_hashed(enum search_type type) {
  return type == SEARCH_TOKEN || type == SEARCH_REFERENCE || type == SEARCH_URI;
}

static bool is_system_only(const struct search_condition *condition,
                           const struct search_operand *o) {
  return condition->type == SEARCH_TOKEN && o->has_system && o->code.n == 0 &&
         condition->predicate->modifier != SEARCH_TEXT;
}

/* The index can't tell: codes are hashes, and so are the texts beside them. */
static bool is_any_value(const struct search_condition *condition) {
  enum search_modifier modifier = condition->predicate->modifier;
  bool is_partly =
      modifier == SEARCH_CONTAINS || modifier == SEARCH_BEGINS || modifier == SEARCH_ENDS;
  return (is_partly && condition->type == SEARCH_TOKEN) ||
         (modifier == SEARCH_UNEQUAL && condition->type != SEARCH_URI);
}

static void set_system_only(const struct schema *schema, const struct search_operand *o,
                            struct search_test *test) {
  test->is_system_only = true;
  test->system = schema_token_hash(schema, o->system, STR("")) & SCHEMA_TOKEN_SYSTEM_MASK;
  test->needs_body = true;
}

/* All hashed values of an OR list make one test; `system|` and ordered values one each. */
static int make_tests(struct search_context *c, struct search_condition *condition,
                      const struct defs_param *param, struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  struct search_test *tests = ARENA_ARRAY(c->arena, struct search_test, p->operands_n + 1);
  struct search_range_list together = {.arena = c->arena};
  size_t n = 1; /* tests[0]: those that go together */
  if (!tests)
    return err_no_memory(reterr);
  for (size_t i = 0; i < p->operands_n; i++) {
    const struct search_operand *o = &p->operands[i];
    struct search_range_list own = {.arena = c->arena};
    bool is_any = is_any_value(condition);
    bool goes_together = is_hashed(condition->type) && !is_any && !is_system_only(condition, o);
    struct search_test *test = goes_together ? &tests[0] : &tests[n++];
    test->firsts = search_no_first;
    if (is_any) {
      test->is_any_value = test->needs_body = true;
      continue;
    }
    if (is_system_only(condition, o)) {
      set_system_only(c->schema, o, test);
      continue;
    }
    int code = search_hash_value(c, condition, param, condition->type, o,
                                 goes_together ? &together : &own, reterr);
    if (code)
      return code;
    if (goes_together)
      continue;
    test->operand = o;
    test->values = search_ranges_finish(&own);
    test->needs_body = condition->type == SEARCH_STRING && o->folded.n > SCHEMA_FOLDED_MAX_BYTES;
    together.is_out_of_memory |= own.is_out_of_memory;
  }
  tests[0].firsts = search_no_first;
  tests[0].needs_body = p->modifier == SEARCH_OF_TYPE;
  tests[0].values = search_ranges_finish(&together);
  bool is_empty = tests[0].values.n == 0;
  condition->tests = tests + is_empty;
  condition->tests_n = n - is_empty;
  return together.is_out_of_memory ? err_no_memory(reterr) : 0;
}

static int push_test(struct search_test_list *tests, struct search_test test, struct err *reterr) {
  struct search_test *place = VEC_PUSH(tests->arena, &tests->list);
  if (!place)
    return err_no_memory(reterr);
  *place = test;
  return 0;
}

/* A quantity: a test per unit that the query is converted to, or one for all that it names. */
static int make_quantity_test(struct search_context *c, const struct search_condition *condition,
                              const struct search_operand *o, const struct search_test *like,
                              struct search_test_list *tests, struct err *reterr) {
  struct ucum_unit unit;
  struct search_test test = *like;
  struct search_range_list values = {.arena = c->arena};
  if (search_quantity_is_ucum(o, &unit))
    return search_quantity_tests(c, condition->param, o, &unit, like, tests, reterr);
  int code = search_hash_units(c, condition, o, &values, reterr);
  test.operand = o;
  test.values = search_ranges_finish(&values);
  if (code == 0 && values.is_out_of_memory)
    return err_no_memory(reterr);
  return code ? code : push_test(tests, test, reterr);
}

static int make_quantities(struct search_context *c, struct search_condition *condition,
                           struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  struct search_test_list tests = {.arena = c->arena};
  int code = 0;
  for (size_t i = 0; i < p->operands_n && code == 0; i++)
    code = make_quantity_test(c, condition, &p->operands[i],
                              &(struct search_test){.firsts = search_no_first}, &tests, reterr);
  condition->tests = tests.list.p;
  condition->tests_n = tests.list.n;
  return code;
}

/* A composite's rows stand under its second component; the rest is checked on the body. */
static int make_composite_test(struct search_context *c, struct search_condition *condition,
                               const struct defs_param *param, const struct search_operand *o,
                               struct search_test_list *tests, struct err *reterr) {
  struct search_test made = {0}, *test = &made;
  const struct search_operand *first = &o->parts[0], *second = &o->parts[1];
  const struct defs_param *first_param = defs_param(defs_component(param->first_component)->param);
  const struct defs_param *second_param =
      defs_param(defs_component(param->first_component + 1)->param);
  struct search_range_list firsts = {.arena = c->arena}, values = {.arena = c->arena};
  test->is_any_first = condition->type == SEARCH_REFERENCE || condition->type == SEARCH_URI ||
                       first_param->type != SEARCH_TOKEN || first->code.n == 0;
  test->needs_body = test->is_any_first || o->parts_n > 2;
  if (!test->is_any_first)
    search_hash_token(c->schema, first, &firsts);
  test->firsts = search_ranges_finish(&firsts);
  test->operand = second;
  if (firsts.is_out_of_memory)
    return err_no_memory(reterr);
  if (condition->type == SEARCH_QUANTITY)
    return make_quantity_test(c, condition, second, test, tests, reterr);
  if (is_system_only(condition, second)) {
    set_system_only(c->schema, second, test);
    return push_test(tests, made, reterr);
  }
  int code =
      search_hash_value(c, condition, second_param, condition->type, second, &values, reterr);
  test->values = search_ranges_finish(&values);
  if (code == 0 && values.is_out_of_memory)
    return err_no_memory(reterr);
  return code ? code : push_test(tests, made, reterr);
}

static int make_composite(struct search_context *c, struct search_condition *condition,
                          const struct defs_param *param, struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  condition->type = defs_param(defs_component(param->first_component + 1)->param)->type;
  struct search_test_list tests = {.arena = c->arena};
  int code = 0;
  for (size_t i = 0; i < p->operands_n && !code; i++)
    code = make_composite_test(c, condition, param, &p->operands[i], &tests, reterr);
  condition->tests = tests.list.p;
  condition->tests_n = tests.list.n;
  return code;
}

static int compare_rids(const void *a, const void *b) {
  uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
  return (x > y) - (x < y);
}

/* The rids of what has this id, one at the most in each type. */
static int add_rids(struct search_context *c, const struct search_predicate *p, struct str id,
                    uint64_t *rids, size_t *n, struct err *reterr) {
  for (size_t i = 1; i <= defs_types_count(); i++) {
    defs_type_id type = (defs_type_id)i;
    if (p->type ? type != p->type
                : !defs_is_resource(defs_type(type)) || !search_types_have(c->types, type))
      continue;
    int code = store_rid(c->db, c->schema, type, id, &rids[*n], reterr);
    if (code)
      return code;
    *n += rids[*n] != 0;
  }
  return 0;
}

static int make_ids(struct search_context *c, struct search_condition *condition,
                    struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  size_t types_n = p->type ? 1 : c->types.n ? c->types.n : defs_types_count();
  uint64_t *rids = ARENA_ARRAY(c->arena, uint64_t, p->operands_n * types_n + 1);
  size_t n = 0;
  if (!rids)
    return err_no_memory(reterr);
  for (size_t i = 0; i < p->operands_n; i++) {
    int code = add_rids(c, p, p->operands[i].id, rids, &n, reterr);
    if (code)
      return code;
  }
  if (n > 1)
    qsort(rids, n, sizeof *rids, compare_rids);
  condition->rids_n = 0;
  for (size_t i = 0; i < n; i++)
    if (condition->rids_n == 0 || rids[condition->rids_n - 1] != rids[i])
      rids[condition->rids_n++] = rids[i];
  condition->rids = rids;
  return 0;
}

int search_compare_params(const void *a, const void *b) {
  return *(const uint16_t *)a - *(const uint16_t *)b;
}

/* The parameters by which what is searched for may be in the compartment. */
static int make_compartment(struct search_context *c, struct search_condition *condition,
                            struct err *reterr) {
  const struct search_operand *o = condition->predicate->operands;
  defs_type_id compartment = defs_type_by_name(o->type);
  uint64_t *rid = ARENA_NEW(c->arena, uint64_t);
  VEC(uint16_t) params = {0};
  if (!rid)
    return err_no_memory(reterr);
  for (size_t i = 1; i <= defs_types_count(); i++) {
    size_t n = 0;
    const defs_param_id *of_type = defs_compartment_params(o->type, (defs_type_id)i, &n);
    for (size_t k = 0; k < n && search_types_have(c->types, (defs_type_id)i); k++) {
      uint16_t number = schema_param_number(c->schema, of_type[k]);
      if (!number || defs_param(of_type[k])->type != SEARCH_REFERENCE)
        continue;
      uint16_t *place = VEC_PUSH(c->arena, &params);
      if (!place)
        return err_no_memory(reterr);
      *place = number;
    }
  }
  if (params.n > 1)
    qsort(params.p, params.n, sizeof *params.p, search_compare_params);
  condition->params = params.p;
  condition->params_n = params.n;
  condition->rids = rid;
  int code = store_rid(c->db, c->schema, compartment, o->id, rid, reterr);
  condition->rids_n = *rid != 0;
  return arena_is_exhausted(c->arena) ? err_no_memory(reterr) : code;
}

static int make_targets(struct search_context *c, struct search_condition *condition,
                        struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  condition->targets = ARENA_ARRAY(c->arena, struct search_condition, p->targets_n);
  if (!condition->targets)
    return err_no_memory(reterr);
  condition->targets_n = p->targets_n;
  int code = 0;
  for (size_t i = 0; i < p->targets_n && !code; i++)
    code = search_condition_make(c, &p->targets[i], &condition->targets[i], reterr);
  return code;
}

static enum keys_table table_of(enum search_type type) {
  switch (type) {
  case SEARCH_NUMBER:
  case SEARCH_SPECIAL:
    return KEYS_NUMBER;
  case SEARCH_DATE:
    return KEYS_DATE;
  case SEARCH_STRING:
    return KEYS_STRING;
  case SEARCH_REFERENCE:
    return KEYS_REFERENCE;
  case SEARCH_QUANTITY:
    return KEYS_QUANTITY;
  case SEARCH_URI:
    return KEYS_URI;
  default:
    return KEYS_TOKEN;
  }
}

/* Is it known that every resource of the type has the parameter? The rows of one may stand in
 * several tables; to have them in one suffices. */
static int find_coverage(struct search_context *c, struct search_condition *condition,
                         struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  uint64_t type = p->type ? schema_type_number(c->schema, p->type) : 0;
  int64_t all = 0, most = 0;
  struct db_query query;
  struct db_statement *row = NULL;
  bool has_row;
  if (!type || !(condition->is_negated || (p->modifier == SEARCH_MISSING && p->is_missing)))
    return 0;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT kind,n FROM counter WHERE kind=");
  db_query_i64(&query, SCHEMA_COUNTER_TYPE);
  db_query_add(&query, " AND number=");
  db_query_i64(&query, (int64_t)type);
  db_query_add(&query, " UNION ALL SELECT kind,n FROM counter WHERE kind=");
  db_query_i64(&query, SCHEMA_COUNTER_WITH_PARAM);
  db_query_add(&query, " AND number IN(");
  for (int table = KEYS_TOKEN; table < KEYS_TABLES; table++) {
    db_query_add(&query, table > KEYS_TOKEN ? "," : "");
    db_query_i64(&query, (int64_t)schema_with_param(type, (uint64_t)table, condition->param));
  }
  db_query_add(&query, ")");
  int code = db_query_start(c->db, &query, &row, reterr);
  while (code == 0 && (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    int64_t n = db_column_i64(row, 1);
    if (db_column_i64(row, 0) == SCHEMA_COUNTER_TYPE)
      all = n;
    else
      most = n > most ? n : most;
  }
  db_release(row);
  condition->has_all = code == 0 && most >= all;
  return code;
}

/* Is it known that no value of the parameter is a range? */
static int find_ranges(struct search_context *c, struct search_condition *condition,
                       struct err *reterr) {
  static const char sql[] = "SELECT (SELECT count(*) FROM counter WHERE kind=101 AND number=0 AND "
                            "n=1)*10-(SELECT count(*) FROM counter WHERE kind=101 AND n<>0 AND "
                            "number=";
  struct db_query query;
  int64_t n;
  if (condition->table != KEYS_NUMBER && condition->table != KEYS_QUANTITY)
    return 0;
  db_query_init(&query, c->arena);
  db_query_add(&query, sql);
  db_query_i64(&query, condition->param);
  db_query_add(&query, ")");
  int code = db_query_number(c->db, &query, 0, &n, reterr);
  condition->has_no_ranges = code == 0 && n == 10; /* counted from the beginning, and none */
  return code;
}

int search_condition_make(struct search_context *c, const struct search_predicate *predicate,
                          struct search_condition *ret_condition, struct err *reterr) {
  const struct defs_param *param = defs_param(predicate->param);
  struct search_condition condition = {
      .predicate = predicate,
      .cost = ARENA_NEW(c->arena, struct search_cost),
      .number = c->conditions_n++,
      .type = predicate->modifier == SEARCH_IDENTIFIER ? SEARCH_TOKEN : predicate->value_type,
      .param = predicate->param ? schema_param_number(c->schema, predicate->param) : 0,
      .is_negated = predicate->modifier == SEARCH_NOT || predicate->modifier == SEARCH_NOT_IN};
  int code = condition.cost ? 0 : err_no_memory(reterr);
  if (code)
    return code;
  switch (predicate->subject) {
  case SEARCH_ON_ID:
    code = make_ids(c, &condition, reterr);
    break;
  case SEARCH_ON_LAST_UPDATED:
    break;
  case SEARCH_ON_TEXT:
    code = search_text_make(c, &condition, reterr);
    break;
  case SEARCH_ON_COMPARTMENT:
    code = make_compartment(c, &condition, reterr);
    break;
  case SEARCH_ON_HAS:
    condition.solved = ARENA_NEW(c->arena, struct search_solved);
    code = condition.solved ? make_targets(c, &condition, reterr) : err_no_memory(reterr);
    break;
  case SEARCH_ON_CHAIN:
  case SEARCH_ON_ALL:
  case SEARCH_ON_ANY:
  case SEARCH_ON_NOT:
    code = make_targets(c, &condition, reterr);
    break;
  case SEARCH_ON_PARAM:
    if (predicate->modifier == SEARCH_MISSING)
      break;
    if (predicate->modifier == SEARCH_IN || predicate->modifier == SEARCH_NOT_IN)
      code = search_value_set_tests(c, &condition, reterr);
    else if (predicate->value_type == SEARCH_QUANTITY && predicate->modifier != SEARCH_UNEQUAL)
      code = make_quantities(c, &condition, reterr);
    else if (predicate->value_type == SEARCH_SPECIAL)
      code = search_near_tests(c, &condition, reterr);
    else if (predicate->value_type == SEARCH_COMPOSITE)
      code = make_composite(c, &condition, param, reterr);
    else
      code = make_tests(c, &condition, param, reterr);
    break;
  }
  condition.table = table_of(condition.type);
  if (!code && predicate->subject == SEARCH_ON_PARAM)
    code = find_coverage(c, &condition, reterr);
  if (!code && predicate->subject == SEARCH_ON_PARAM)
    code = find_ranges(c, &condition, reterr);
  if (!code)
    *ret_condition = condition;
  return code;
}

/* ---- What a value means ---------------------------------------------------------------------- */

/* The query's [from, to) against a row's [lo, hi). */
bool search_date_fits(const struct search_operand *o, int64_t lo, int64_t hi) {
  switch (o->prefix) {
  case SEARCH_EQ:
    return lo >= o->from_us && hi <= o->to_us;
  case SEARCH_NE:
    return lo < o->from_us || hi > o->to_us;
  case SEARCH_GT:
    return hi > o->to_us;
  case SEARCH_LT:
    return lo < o->from_us;
  case SEARCH_GE:
    return lo >= o->from_us || hi > o->to_us;
  case SEARCH_LE:
    return lo < o->from_us || hi <= o->to_us;
  case SEARCH_SA:
    return lo >= o->to_us;
  case SEARCH_EB:
    return hi <= o->from_us;
  case SEARCH_AP:
    return lo < o->to_us && hi > o->from_us;
  }
  return false;
}

/* The query's value against a row's lo..hi, which is one number except for ranges. Only eq, ne and
 * ap look at the precision in which the query was written. */
bool search_number_fits(const struct search_operand *o, double lo, double hi) {
  switch (o->prefix) {
  case SEARCH_EQ:
    return lo >= o->from && hi < o->to;
  case SEARCH_NE:
    return !(lo >= o->from && hi < o->to);
  case SEARCH_GT:
    return hi > o->exact;
  case SEARCH_LT:
    return lo < o->exact;
  case SEARCH_GE:
    return hi >= o->exact;
  case SEARCH_LE:
    return lo <= o->exact;
  case SEARCH_SA:
    return lo > o->exact;
  case SEARCH_EB:
    return hi < o->exact;
  case SEARCH_AP:
    return lo < o->to && hi >= o->from;
  }
  return false;
}
