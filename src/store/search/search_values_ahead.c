#include "store/search/search_values_ahead.h"

#include "store/search/search_fetch.h"

enum { VALUES_MAX = 32, PLACES = 16 };

/* All values from `range.from` to the last one of them; to `range.to` where `is_last`. */
struct search_values_at_hand {
  struct values {
    struct search_values_range range; /* table NULL: a free place */
    int64_t p[VALUES_MAX];
    size_t n;
    bool is_last;
  } places[PLACES];
  size_t next;
};

/* " FROM table WHERE param=.. AND first=.." */
static void add_least(struct db_query *query, const struct search_values_range *range) {
  db_query_addf(query, "SELECT %s FROM %s WHERE param=", range->column, range->table);
  db_query_i64(query, range->param);
  if (range->has_first) {
    db_query_add(query, " AND first=");
    db_query_i64(query, range->first);
  }
}

static void add_to(struct db_query *query, const struct search_values_range *range) {
  db_query_addf(query, " AND %s<=", range->column);
  db_query_i64(query, range->to);
  db_query_addf(query, " ORDER BY %s LIMIT 1", range->column);
}

static void write_query(const struct search_context *c, const struct search_values_range *range,
                        struct db_query *query) {
  bool looks_ahead = search_looks_ahead(c);
  db_query_init(query, c->arena);
  db_query_add(query, looks_ahead ? "WITH RECURSIVE v(x) AS(SELECT(" : "");
  add_least(query, range);
  db_query_addf(query, " AND %s>=", range->column);
  db_query_i64(query, range->from);
  add_to(query, range);
  if (!looks_ahead)
    return;
  db_query_add(query, ") UNION ALL SELECT(");
  add_least(query, range);
  db_query_addf(query, " AND %s>v.x", range->column);
  add_to(query, range);
  db_query_addf(query,
                ") FROM v WHERE v.x IS NOT NULL) SELECT x FROM v WHERE x IS NOT NULL LIMIT %d",
                VALUES_MAX);
}

/* Do the values at hand tell? */
static bool find(const struct values *values, const struct search_values_range *range,
                 int64_t *ret_value, bool *ret_found) {
  const struct search_values_range *of = &values->range;
  if (of->table != range->table || of->column != range->column || of->param != range->param ||
      of->first != range->first || of->has_first != range->has_first || of->to != range->to ||
      range->from < of->from)
    return false;
  for (size_t i = 0; i < values->n; i++)
    if (values->p[i] >= range->from) {
      *ret_value = values->p[i];
      *ret_found = true;
      return true;
    }
  *ret_found = false;
  return values->is_last;
}

static int ask(struct search_context *c, const struct search_values_range *range, size_t most,
               struct values *values, struct err *reterr) {
  struct db_query query;
  struct db_statement *statement;
  bool has_row;
  values->range = *range;
  values->n = 0;
  write_query(c, range, &query);
  int code = db_query_start(c->db, &query, &statement, reterr);
  if (code)
    return code;
  while (values->n < most && (code = db_step(statement, &has_row, reterr)) == 0 && has_row)
    values->p[values->n++] = db_column_i64(statement, 0);
  db_release(statement);
  values->is_last = values->n < most;
  return code;
}

int search_next_value(struct search_context *c, const struct search_values_range *range,
                      int64_t *ret_value, bool *ret_found, struct err *reterr) {
  struct values one, *values = &one;
  size_t most = 1;
  if (search_looks_ahead(c)) {
    if (!c->values)
      c->values = ARENA_NEW(c->arena, struct search_values_at_hand);
    if (!c->values)
      return err_no_memory(reterr);
    for (size_t i = 0; i < PLACES; i++)
      if (find(&c->values->places[i], range, ret_value, ret_found))
        return 0;
    values = &c->values->places[c->values->next++ % PLACES];
    most = VALUES_MAX;
  }
  int code = ask(c, range, most, values, reterr);
  *ret_found = code == 0 && values->n > 0;
  if (*ret_found)
    *ret_value = values->p[0];
  else
    values->range.table = code ? NULL : values->range.table;
  return code;
}
