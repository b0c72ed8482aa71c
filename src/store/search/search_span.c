#include "store/search/search_span.h"

#include "store/search/search_contained.h"
#include "store/search/search_near.h"
#include "store/search/search_scope.h"
#include "store/search/search_single.h"
#include "store/search/search_values_ahead.h"

enum { SPANS_MAX = 20000 };

static const char *const table_names[KEYS_TABLES] = {
    [KEYS_TOKEN] = "token",        [KEYS_STRING] = "string",     [KEYS_DATE] = "date",
    [KEYS_NUMBER] = "number",      [KEYS_QUANTITY] = "quantity", [KEYS_URI] = "uri",
    [KEYS_REFERENCE] = "reference"};

static const char *const value_columns[KEYS_TABLES] = {[KEYS_TOKEN] = "hash",
                                                       [KEYS_URI] = "hash",
                                                       [KEYS_REFERENCE] = "target",
                                                       [KEYS_QUANTITY] = "unit",
                                                       [KEYS_DATE] = "class"};

static bool has_first(enum keys_table table) {
  return table != KEYS_URI && table != KEYS_REFERENCE;
}

/* Where every resource has the parameter, :not is met only by what has another value. */
static bool has_rest(const struct search_condition *condition) {
  if (!condition->has_all || condition->predicate->value_type != SEARCH_TOKEN)
    return false;
  for (size_t i = 0; i < condition->tests_n; i++)
    if (condition->tests[i].needs_body || condition->tests[i].is_system_only)
      return false;
  return condition->tests_n <= 1;
}

bool search_is_drivable(const struct search_condition *condition) {
  const struct search_predicate *p = condition->predicate;
  bool needs_all = p->subject != SEARCH_ON_ALL;
  if (condition->is_only_tested)
    return false;
  if (condition->is_negated)
    return has_rest(condition);
  if (p->modifier == SEARCH_MISSING && p->is_missing && condition->has_all)
    return true; /* by nothing */
  if (p->subject == SEARCH_ON_NOT ||
      (p->modifier == SEARCH_MISSING && (p->is_missing || p->subject != SEARCH_ON_PARAM)))
    return false;
  if (p->subject == SEARCH_ON_TEXT)
    return !condition->is_unindexed;
  for (size_t i = 0; i < condition->targets_n; i++)
    if (search_is_drivable(&condition->targets[i]) != needs_all)
      return !needs_all;
  return needs_all;
}

bool search_has_spans(const struct search_condition *condition) {
  switch (condition->predicate->subject) {
  case SEARCH_ON_PARAM:
  case SEARCH_ON_COMPARTMENT:
    return true;
  case SEARCH_ON_ANY:
    for (size_t i = 0; i < condition->targets_n; i++)
      if (!search_is_drivable(&condition->targets[i]) || !search_has_spans(&condition->targets[i]))
        return false;
    return true;
  default:
    return false;
  }
}

bool search_spans_are_exact(const struct search_condition *condition) {
  const struct search_predicate *p = condition->predicate;
  if (p->subject == SEARCH_ON_TEXT || p->subject == SEARCH_ON_COMPARTMENT ||
      p->modifier == SEARCH_CONTAINS || p->modifier == SEARCH_ENDS || p->modifier == SEARCH_EQUALS)
    return false;
  for (size_t i = 0; i < condition->tests_n; i++)
    if (condition->tests[i].needs_body)
      return false;
  for (size_t i = 0; i < condition->targets_n; i++)
    if (!search_spans_are_exact(&condition->targets[i]))
      return false;
  return search_has_spans(condition);
}

/* ---- Which values of a column there are ------------------------------------------------------ */

struct maker {
  struct search_context *c;
  const struct search_condition *condition;
  VEC(struct search_span) spans;
  struct search_range_list existing; /* of keep_existing */
};

static void add_table(struct db_query *query, enum keys_table table, uint16_t param,
                      const char *alias) {
  db_query_addf(query, " FROM %s %s WHERE param=", table_names[table], alias);
  db_query_i64(query, param);
}

static int next_value(struct maker *m, const int64_t *first, const char *column, int64_t from,
                      int64_t to, int64_t *ret_value, bool *ret_found, struct err *reterr) {
  struct search_values_range range = {.table = table_names[m->condition->table],
                                      .column = column,
                                      .param = m->condition->param,
                                      .has_first = first != NULL,
                                      .first = first ? *first : 0,
                                      .from = from,
                                      .to = to};
  return search_next_value(m->c, &range, ret_value, ret_found, reterr);
}

/* From here on single values are looked for too, as most of a long list (a value set, say) does not
 * occur: it costs at most as many steps as there are ranges, or values in the index. */
enum { MANY_RANGES = 16 };

/* Calls `each` for every value of `column` that is in the index and in `ranges`: both are gone
 * through in order, each jumps to where the other is. */
static int each_existing(struct maker *m, const int64_t *first, const char *column,
                         struct search_ranges ranges,
                         int (*each)(struct maker *m, struct search_span span, int64_t value,
                                     struct err *reterr),
                         struct search_span span, struct err *reterr) {
  int64_t last = ranges.p[ranges.n - 1].to, value = ranges.p[0].from;
  size_t at = 0;
  while (at < ranges.n) {
    bool found;
    int code = search_spend(m->c, SEARCH_STEP_QUERY, reterr);
    if (code == 0)
      code = next_value(m, first, column, value, last, &value, &found, reterr);
    if (code || !found)
      return code;
    at = search_ranges_at(ranges, value);
    if (at < ranges.n && value >= ranges.p[at].from) {
      code = each(m, span, value, reterr);
      if (code || value == last)
        return code;
      at = search_ranges_at(ranges, ++value);
    }
    if (at < ranges.n && value < ranges.p[at].from)
      value = ranges.p[at].from;
  }
  return 0;
}

/* Calls `each` for every value of `column` that `ranges` covers; of a few ranges, one of a single
 * value is taken as there. */
static int
each_value(struct maker *m, const int64_t *first, const char *column, struct search_ranges ranges,
           int (*each)(struct maker *m, struct search_span span, int64_t value, struct err *reterr),
           struct search_span span, struct err *reterr) {
  if (ranges.n >= MANY_RANGES)
    return each_existing(m, first, column, ranges, each, span, reterr);
  for (size_t i = 0; i < ranges.n; i++) {
    int64_t value = ranges.p[i].from;
    int code = 0;
    if (ranges.p[i].to == value) {
      code = each(m, span, value, reterr);
      if (code)
        return code;
      continue;
    }
    for (bool found = true; found; value++) {
      code = next_value(m, first, column, value, ranges.p[i].to, &value, &found, reterr);
      if (code == 0 && found)
        code = each(m, span, value, reterr);
      if (code)
        return code;
      if (found && value == ranges.p[i].to)
        break;
    }
  }
  return 0;
}

static const struct search_range all_numbers = {INT64_MIN, INT64_MAX};
static const struct search_ranges any_first = {&all_numbers, 1};
static const struct search_range all_classes = {0, SCHEMA_DATE_CLASSES - 1};
static const struct search_ranges date_classes = {&all_classes, 1};

/* ---- Making spans ---------------------------------------------------------------------------- */

static struct search_span span_of(const struct search_condition *condition) {
  return (struct search_span){
      .condition = condition, .table = condition->table, .param = condition->param};
}

static int push_span(struct maker *m, struct search_span span, struct err *reterr) {
  if (m->spans.n >= SPANS_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "",
                   "a condition stands for more than %d different values", SPANS_MAX);
  struct search_span *place = VEC_PUSH(m->c->arena, &m->spans);
  if (!place)
    return err_no_memory(reterr);
  *place = span;
  return 0;
}

static int push_value(struct maker *m, struct search_span span, int64_t value, struct err *reterr) {
  span.value = value;
  span.is_ordered = m->condition->table != KEYS_QUANTITY;
  return push_span(m, span, reterr);
}

static int push_class(struct maker *m, struct search_span span, int64_t value, struct err *reterr) {
  span.date_class = (int)value;
  return push_span(m, span, reterr);
}

/* The spans of one test under one value of `first`. */
static int push_first(struct maker *m, struct search_span span, int64_t first, struct err *reterr) {
  enum keys_table table = m->condition->table;
  const int64_t *first_column = has_first(table) ? &first : NULL;
  span.first = first;
  if (span.test->is_system_only || span.test->is_any_value || table == KEYS_STRING ||
      table == KEYS_NUMBER)
    return push_span(m, span, reterr);
  if (table == KEYS_DATE)
    return each_value(m, first_column, "class", date_classes, push_class, span, reterr);
  return each_value(m, first_column, value_columns[table], span.test->values, push_value, span,
                    reterr);
}

static int push_tests(struct maker *m, struct err *reterr) {
  const struct search_condition *condition = m->condition;
  int code = 0;
  for (size_t i = 0; i < condition->tests_n && code == 0; i++) {
    struct search_span span = span_of(condition);
    span.test = &condition->tests[i];
    if (!has_first(condition->table))
      code = push_first(m, span, 0, reterr);
    else
      code = each_value(m, NULL, "first", span.test->is_any_first ? any_first : span.test->firsts,
                        push_first, span, reterr);
  }
  return code;
}

/* All rows of the parameter, for :missing; some kinds have rows in more than one table. */
static int push_param(struct maker *m, struct err *reterr) {
  int code = 0;
  for (int table = KEYS_TOKEN; table < KEYS_TABLES && code == 0; table++) {
    struct search_span span = span_of(m->condition);
    span.table = (enum keys_table)table;
    code = push_span(m, span, reterr);
  }
  return code;
}

static int push_link(struct maker *m, uint16_t param, uint64_t target, struct err *reterr) {
  struct search_span span = {.condition = m->condition,
                             .table = KEYS_REFERENCE,
                             .param = param,
                             .is_link = true,
                             .value = (int64_t)target,
                             .is_ordered = true};
  return push_span(m, span, reterr);
}

static int push_compartment(struct maker *m, struct err *reterr) {
  int code = 0;
  for (size_t i = 0; i < m->condition->params_n && m->condition->rids_n && code == 0; i++)
    code = push_link(m, m->condition->params[i], m->condition->rids[0], reterr);
  if (code == 0 && m->condition->rids_n) { /* the resource that the compartment is of */
    struct search_span itself = {
        .condition = m->condition, .value = (int64_t)m->condition->rids[0], .is_ordered = true};
    code = push_span(m, itself, reterr);
  }
  return code;
}

static int note_value(struct maker *m, struct search_span span, int64_t value, struct err *reterr) {
  (void)span;
  search_range_add(&m->existing, value, value);
  return m->existing.is_out_of_memory ? err_no_memory(reterr) : 0;
}

/* Of many ranges those values that the index has. */
static int keep_existing(struct maker *m, struct search_ranges *ranges, struct err *reterr) {
  const int64_t first = 0;
  enum keys_table table = m->condition->table;
  m->existing = (struct search_range_list){.arena = m->c->arena};
  int code = each_existing(m, has_first(table) ? &first : NULL, value_columns[table], *ranges,
                           note_value, span_of(m->condition), reterr);
  *ranges = search_ranges_finish(&m->existing);
  return code;
}

/* All values but those of the test. */
static int push_rest(struct maker *m, struct err *reterr) {
  const struct search_condition *condition = m->condition;
  struct search_span span = span_of(condition);
  struct search_ranges ranges = {0};
  if (condition->tests_n > 0)
    ranges = condition->tests[0].values;
  span.is_range = true;
  span.value = INT64_MIN;
  int code = ranges.n >= MANY_RANGES ? keep_existing(m, &ranges, reterr) : 0;
  for (size_t i = 0; i < ranges.n && code == 0; i++) {
    if (ranges.p[i].from > span.value) {
      span.value_to = ranges.p[i].from - 1;
      code = push_span(m, span, reterr);
    }
    if (ranges.p[i].to == INT64_MAX)
      return code;
    span.value = ranges.p[i].to + 1;
  }
  span.value_to = INT64_MAX;
  return code ? code : push_span(m, span, reterr);
}

static int push_condition(struct maker *m, const struct search_condition *condition,
                          struct err *reterr) {
  const struct search_predicate *p = condition->predicate;
  int code = 0;
  m->condition = condition;
  if (p->subject == SEARCH_ON_COMPARTMENT)
    return push_compartment(m, reterr);
  if (condition->is_negated)
    return push_rest(m, reterr);
  if (p->subject == SEARCH_ON_PARAM && p->modifier == SEARCH_MISSING)
    return p->is_missing ? 0 : push_param(m, reterr);
  if (p->subject == SEARCH_ON_PARAM)
    return push_tests(m, reterr);
  for (size_t i = 0; i < condition->targets_n && code == 0; i++)
    code = push_condition(m, &condition->targets[i], reterr);
  return code;
}

int search_spans_make(struct search_context *c, const struct search_condition *condition,
                      struct search_spans *ret_spans, struct err *reterr) {
  struct maker m = {.c = c};
  int code = push_condition(&m, condition, reterr);
  if (code == 0)
    *ret_spans = (struct search_spans){m.spans.p, m.spans.n};
  return code;
}

int search_spans_kept_out(struct search_context *c, const struct search_condition *condition,
                          struct search_spans *ret_spans, struct err *reterr) {
  struct maker m = {.c = c, .condition = condition};
  int code = condition->predicate->modifier == SEARCH_MISSING ? push_param(&m, reterr)
                                                              : push_tests(&m, reterr);
  if (code == 0)
    *ret_spans = (struct search_spans){m.spans.p, m.spans.n};
  return code;
}

int search_spans_of_targets(struct search_context *c, const struct search_condition *condition,
                            const uint64_t *targets, size_t n, struct search_spans *ret_spans,
                            struct err *reterr) {
  struct maker m = {.c = c, .condition = condition};
  int code = 0;
  for (size_t i = 0; i < n && code == 0; i++)
    code = push_link(&m, condition->param, targets[i], reterr);
  if (code == 0) /* what is contained may satisfy it too */
    code = push_link(&m, condition->param, (uint64_t)search_contained_target(c), reterr);
  if (code == 0)
    *ret_spans = (struct search_spans){m.spans.p, m.spans.n};
  return code;
}

static bool is_one_date(const struct search_condition *condition) {
  return condition->table == KEYS_DATE && condition->tests_n == 1 &&
         condition->predicate->subject == SEARCH_ON_PARAM &&
         condition->predicate->modifier != SEARCH_MISSING &&
         condition->predicate->value_type == SEARCH_DATE;
}

const struct search_condition *search_spans_join(struct search_spans *spans,
                                                 const struct search_condition *condition,
                                                 const struct search_condition *conditions,
                                                 size_t n) {
  const struct search_condition *also = NULL;
  if (!is_one_date(condition) || !search_is_single_valued(defs_param(condition->predicate->param)))
    return NULL;
  for (size_t i = 0; i < n && !also; i++)
    if (&conditions[i] != condition && conditions[i].param == condition->param &&
        is_one_date(&conditions[i]))
      also = &conditions[i];
  for (size_t i = 0; also && i < spans->n; i++)
    spans->p[i].also = &also->tests[0];
  return also;
}

/* ---- Spans as SQL ---------------------------------------------------------------------------- */

/* x - 2^class, not below the least number; class 63 bounds nothing. */
static int64_t minus_class(int64_t x, int date_class) {
  int64_t result;
  if (date_class >= 62 || __builtin_sub_overflow(x, (int64_t)1 << date_class, &result))
    return INT64_MIN;
  return result;
}

/* The least and greatest `lo` that rows of a class can have where search_date_fits is true. */
static struct search_range lo_bounds(const struct search_operand *o, int date_class) {
  struct search_range range = {INT64_MIN, INT64_MAX};
  int64_t a = o->from_us, b = o->to_us;
  switch (o->prefix) {
  case SEARCH_EQ:
    return (struct search_range){a, b};
  case SEARCH_NE:
    break;
  case SEARCH_GT:
    range.from = minus_class(b, date_class);
    break;
  case SEARCH_GE:
    range.from = minus_class(b, date_class);
    range.from = range.from < a ? range.from : a;
    break;
  case SEARCH_LT:
    range.to = a - 1;
    break;
  case SEARCH_LE:
    range.to = b;
    break;
  case SEARCH_SA:
    range.from = b;
    break;
  case SEARCH_EB:
    range.to = a;
    break;
  case SEARCH_AP:
    return (struct search_range){minus_class(a, date_class), b - 1};
  }
  return range;
}

static void add_either(struct db_query *query, const char *one, int64_t x, const char *other,
                       int64_t y) {
  db_query_addf(query, " AND (%s", one);
  db_query_i64(query, x);
  db_query_addf(query, " OR %s", other);
  db_query_i64(query, y);
  db_query_add(query, ")");
}

/* What search_date_fits asks beyond these bounds. */
static void add_date_rest(struct db_query *query, const struct search_operand *o) {
  int64_t a = o->from_us, b = o->to_us;
  switch (o->prefix) {
  case SEARCH_EQ:
    db_query_add(query, " AND hi<=");
    db_query_i64(query, b);
    break;
  case SEARCH_NE:
    add_either(query, "lo<", a, "hi>", b);
    break;
  case SEARCH_GT:
    db_query_add(query, " AND hi>");
    db_query_i64(query, b);
    break;
  case SEARCH_GE:
    add_either(query, "lo>=", a, "hi>", b);
    break;
  case SEARCH_LE:
    add_either(query, "lo<", a, "hi<=", b);
    break;
  case SEARCH_EB:
    db_query_add(query, " AND hi<=");
    db_query_i64(query, a);
    break;
  case SEARCH_AP:
    db_query_add(query, " AND hi>");
    db_query_i64(query, a);
    break;
  case SEARCH_LT:
  case SEARCH_SA:
    break;
  }
}

static void add_date(struct db_query *query, const struct search_span *span) {
  const struct search_operand *o = span->test->operand;
  const struct search_operand *also = span->also ? span->also->operand : NULL;
  struct search_range range = lo_bounds(o, span->date_class);
  if (also) {
    struct search_range other = lo_bounds(also, span->date_class);
    range.from = other.from > range.from ? other.from : range.from;
    range.to = other.to < range.to ? other.to : range.to;
  }
  db_query_add(query, " AND lo>=");
  db_query_i64(query, range.from);
  db_query_add(query, " AND lo<=");
  db_query_i64(query, range.to);
  add_date_rest(query, o);
  if (also)
    add_date_rest(query, also);
}

static void add_compare(struct db_query *query, const char *what, double value) {
  db_query_add(query, what);
  db_query_double(query, value);
}

/* search_number_fits in SQL. `is_rough`: `lo` for `hi`, which differ for ranges only, because the
 * index has the order of `lo`. Where there are no ranges, that is exact. */
static void add_number(struct db_query *query, const struct search_operand *o, bool is_rough) {
  switch (o->prefix) {
  case SEARCH_EQ:
    add_compare(query, " AND lo>=", o->from);
    add_compare(query, " AND lo<", o->to);
    add_compare(query, " AND hi<", o->to);
    break;
  case SEARCH_NE:
    add_compare(query, " AND (lo<", o->from);
    add_compare(query, " OR hi>=", o->to);
    db_query_add(query, ")");
    break;
  case SEARCH_GT:
    add_compare(query, is_rough ? " AND lo>" : " AND hi>", o->exact);
    break;
  case SEARCH_LT:
    add_compare(query, " AND lo<", o->exact);
    break;
  case SEARCH_GE:
    add_compare(query, is_rough ? " AND lo>=" : " AND hi>=", o->exact);
    break;
  case SEARCH_LE:
    add_compare(query, " AND lo<=", o->exact);
    break;
  case SEARCH_SA:
    add_compare(query, " AND lo>", o->exact);
    break;
  case SEARCH_EB:
    add_compare(query, " AND lo<", o->exact);
    add_compare(query, " AND hi<", o->exact);
    break;
  case SEARCH_AP:
    add_compare(query, " AND lo<", o->to);
    add_compare(query, is_rough ? " AND lo>=" : " AND hi>=", o->from);
    break;
  }
}

/* The least text behind all that begin with `prefix`. */
static struct str behind(struct arena *arena, struct str prefix) {
  return arena_printf(arena, "%.*s\xF4\x8F\xBF\xBF", STR_ARG(prefix));
}

static void add_string(struct db_query *query, const struct search_context *c,
                       enum search_modifier modifier, const struct search_operand *o) {
  struct str asked = schema_cut(o->folded);
  if (modifier == SEARCH_EXACT) {
    db_query_add(query, " AND folded=");
    db_query_text(query, asked);
    db_query_add(query, " AND exact=");
    db_query_i64(query, schema_exact_hash(c->schema, o->text));
  } else if (modifier == SEARCH_EQUALS) {
    db_query_add(query, " AND folded=");
    db_query_text(query, asked);
  } else if (modifier == SEARCH_CONTAINS || modifier == SEARCH_ENDS) {
    /* Folding dropped '%' and '_'. What was cut off may hold it: such rows are candidates. */
    db_query_add(query, " AND (folded LIKE ");
    db_query_text(query, arena_printf(c->arena, modifier == SEARCH_ENDS ? "%%%.*s" : "%%%.*s%%",
                                      STR_ARG(o->folded)));
    db_query_add(query, " OR length(folded)>=");
    db_query_i64(query, (SCHEMA_FOLDED_MAX_BYTES - 4) / 4);
    db_query_add(query, ")");
  } else {
    db_query_add(query, " AND folded>=");
    db_query_text(query, asked);
    db_query_add(query, " AND folded<");
    db_query_text(query, behind(c->arena, asked));
  }
}

static void add_span(struct db_query *query, const struct search_context *c,
                     const struct search_span *span, const char *alias, bool is_rough) {
  enum keys_table table = span->table;
  const struct search_test *test = span->test;
  if (!table) {
    db_query_add(query, " FROM resource WHERE state=1 AND rid=");
    db_query_i64(query, span->value);
    return;
  }
  add_table(query, table, span->param, alias);
  search_scope_add(query, c, span->condition->scope);
  if (span->is_link) {
    db_query_add(query, " AND target=");
    db_query_i64(query, span->value);
  }
  if (span->is_range) {
    db_query_add(query, " AND first=0 AND hash>=");
    db_query_i64(query, span->value);
    db_query_add(query, " AND hash<=");
    db_query_i64(query, span->value_to);
  }
  if (!test)
    return;
  if (has_first(table)) {
    db_query_add(query, " AND first=");
    db_query_i64(query, span->first);
  }
  if (test->is_any_value)
    return;
  if (test->is_system_only) {
    db_query_addf(query, " AND (hash & %d)=", SCHEMA_TOKEN_SYSTEM_MASK);
    db_query_i64(query, test->system);
  } else if (value_columns[table]) {
    db_query_addf(query, " AND %s=", value_columns[table]);
    db_query_i64(query, table == KEYS_DATE ? span->date_class : span->value);
  }
  if (table == KEYS_DATE)
    add_date(query, span);
  else if (span->condition->type == SEARCH_SPECIAL)
    search_near_add(query, test->operand);
  else if (table == KEYS_NUMBER || table == KEYS_QUANTITY)
    add_number(query, test->operand, is_rough || span->condition->has_no_ranges);
  else if (table == KEYS_STRING)
    add_string(query, c, span->condition->predicate->modifier, test->operand);
}

void search_span_add(struct db_query *query, const struct search_context *c,
                     const struct search_span *span) {
  add_span(query, c, span, "", false);
}

void search_span_add_rough(struct db_query *query, const struct search_context *c,
                           const struct search_span *span) {
  add_span(query, c, span, "", true);
}

void search_span_add_as(struct db_query *query, const struct search_context *c,
                        const struct search_span *span, const char *alias) {
  add_span(query, c, span, alias, false);
}

const char *search_span_table(const struct search_span *span) {
  return span->table ? table_names[span->table] : "resource";
}
