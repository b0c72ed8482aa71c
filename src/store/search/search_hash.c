#include "store/search/search_hash.h"

#include "store/search/search_match.h"
#include "store/search/search_terminology.h"

/* Different hashes that one value of a query may stand for. */
enum { RANGES_MAX = 20000 };

void search_hash_token(const struct schema *schema, const struct search_operand *o,
                       struct search_range_list *ranges) {
  if (o->has_system) {
    int64_t hash = schema_token_hash(schema, o->system, o->code);
    search_range_add(ranges, hash, hash);
  } else {
    search_range_add(ranges, schema_token_first(schema, o->code),
                     schema_token_last(schema, o->code));
  }
}

/* Every word of the parameter's vocabulary that begins with `prefix`. */
static int add_words(struct search_context *c, uint16_t param, struct str prefix,
                     struct search_range_list *ranges, struct err *reterr) {
  struct db_query query;
  db_query_init(&query, c->arena);
  db_query_add(&query, "SELECT hash FROM vocabulary WHERE param=");
  db_query_i64(&query, param);
  db_query_add(&query, " AND text>=");
  db_query_text(&query, prefix);
  db_query_add(&query, " AND text<");
  db_query_text(&query, arena_printf(c->arena, "%.*s\xF4\x8F\xBF\xBF", STR_ARG(prefix)));
  struct db_statement *statement;
  int code = db_query_start(c->db, &query, &statement, reterr);
  if (code)
    return code;
  bool has_row;
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    int64_t hash = db_column_i64(statement, 0);
    if (ranges->list.n >= RANGES_MAX) {
      code = err_set(reterr, ERR_TOO_COSTLY, "", "more than %d different values begin like this",
                     RANGES_MAX);
      break;
    }
    search_range_add(ranges, hash, hash);
  }
  db_release(statement);
  return code;
}

/* Every uri of the parameter that fits: there are far fewer different ones than rows. */
static int add_fitting_words(struct search_context *c, const struct search_condition *condition,
                             const struct search_operand *o, struct search_range_list *ranges,
                             struct err *reterr) {
  struct db_statement *statement;
  bool has_row;
  int code =
      db_prepare(c->db, STR("SELECT hash,text FROM vocabulary WHERE param=?"), &statement, reterr);
  if (code)
    return code;
  db_bind_i64(statement, 1, condition->param);
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    int64_t hash = db_column_i64(statement, 0);
    if (search_uri_fits(condition->predicate->modifier, o->text, db_column_str(statement, 1)))
      search_range_add(ranges, hash, hash);
    code = search_spend(c, SEARCH_STEP_ROW, reterr);
    if (code)
      break;
  }
  db_release(statement);
  return code;
}

/* Adds the resources of this id that are of one of the types. */
static int add_targets(struct search_context *c, enum search_modifier modifier,
                       const defs_type_id *types, size_t n, struct str id,
                       struct search_range_list *ranges, struct err *reterr) {
  uint64_t *rids = ARENA_ARRAY(c->arena, uint64_t, n + 1);
  int code =
      rids ? store_rids(c->db, c->schema, types, n, id, rids, reterr) : err_no_memory(reterr);
  for (size_t i = 0; i < n && code == 0; i++) {
    if (!rids[i])
      continue;
    if (modifier == SEARCH_ABOVE || modifier == SEARCH_BELOW)
      code = search_resource_ranges(c, types[i], rids[i], modifier == SEARCH_ABOVE, ranges, reterr);
    else
      search_range_add(ranges, (int64_t)rids[i], (int64_t)rids[i]);
  }
  return code;
}

/* The types that a parameter may refer to. */
static int target_types(struct search_context *c, const struct defs_param *param,
                        defs_type_id **ret_types, size_t *ret_n, struct err *reterr) {
  size_t most = param->targets_n ? param->targets_n : defs_types_count() + 1, n = 0;
  defs_type_id *types = ARENA_ARRAY(c->arena, defs_type_id, most);
  if (!types)
    return err_no_memory(reterr);
  for (uint32_t i = 0; i < param->targets_n; i++)
    types[n++] = defs_target(param->first_target + i);
  for (size_t i = 1; param->targets_n == 0 && i <= defs_types_count(); i++)
    if (defs_is_resource(defs_type((defs_type_id)i)))
      types[n++] = (defs_type_id)i;
  *ret_types = types;
  *ret_n = n;
  return 0;
}

/* An id without a type is looked for in every type that the parameter may refer to. */
static int add_reference(struct search_context *c, enum search_modifier modifier,
                         const struct defs_param *param, const struct search_operand *o,
                         struct search_range_list *ranges, struct err *reterr) {
  if (o->url.n > 0) {
    int64_t target = schema_url_target(c->schema, o->url);
    search_range_add(ranges, target, target);
    return 0;
  }
  defs_type_id type = defs_type_by_name(o->type), *types = &type;
  size_t n = 1;
  int code = o->type.n > 0 ? 0 : target_types(c, param, &types, &n, reterr);
  return code ? code : add_targets(c, modifier, types, n, o->id, ranges, reterr);
}

static int add_above(struct search_context *c, struct str uri, struct search_range_list *ranges) {
  int64_t hash = schema_text_hash(c->schema, uri);
  search_range_add(ranges, hash, hash);
  for (size_t n = uri.n; n > 0; n--) {
    if (uri.p[n - 1] != '/')
      continue;
    for (size_t cut = n - 1; cut <= n; cut++) { /* with the slash and without it */
      hash = schema_text_hash(c->schema, str_slice(uri, 0, cut));
      search_range_add(ranges, hash, hash);
    }
  }
  return 0;
}

static int add_uri(struct search_context *c, const struct search_condition *condition,
                   const struct search_operand *o, struct search_range_list *ranges,
                   struct err *reterr) {
  switch (condition->predicate->modifier) {
  case SEARCH_BELOW:
  case SEARCH_BEGINS:
    return add_words(c, condition->param, o->text, ranges, reterr);
  case SEARCH_CONTAINS:
  case SEARCH_ENDS:
  case SEARCH_UNEQUAL:
    return add_fitting_words(c, condition, o, ranges, reterr);
  default:
    break;
  }
  if (condition->predicate->modifier == SEARCH_ABOVE)
    return add_above(c, o->text, ranges);
  int64_t hash = schema_text_hash(c->schema, o->text);
  search_range_add(ranges, hash, hash);
  return 0;
}

/* A quantity's units; every unit that occurs when the value names none. */
int search_hash_units(struct search_context *c, const struct search_condition *condition,
                      const struct search_operand *o, struct search_range_list *ranges,
                      struct err *reterr) {
  if (o->code.n == 0)
    return add_words(c, condition->param, STR(""), ranges, reterr);
  search_hash_token(c->schema, o, ranges);
  return 0;
}

/* The ranges of `o`, a value of the type `type`. */
int search_hash_value(struct search_context *c, const struct search_condition *condition,
                      const struct defs_param *param, enum search_type type,
                      const struct search_operand *o, struct search_range_list *ranges,
                      struct err *reterr) {
  switch (condition->predicate->modifier) {
  case SEARCH_TEXT:
    return add_words(c, condition->param, schema_cut(o->folded), ranges, reterr);
  case SEARCH_OF_TYPE: /* the type is told by the body */
    search_range_add(ranges, schema_token_first(c->schema, o->text),
                     schema_token_last(c->schema, o->text));
    return 0;
  case SEARCH_ABOVE:
  case SEARCH_BELOW:
    if (type == SEARCH_TOKEN)
      return search_concept_ranges(c, o, condition->predicate->modifier == SEARCH_ABOVE, ranges,
                                   reterr);
    break;
  case SEARCH_IDENTIFIER:
    search_hash_token(c->schema, o, ranges);
    return 0;
  default:
    break;
  }
  switch (type) {
  case SEARCH_TOKEN:
    search_hash_token(c->schema, o, ranges);
    return 0;
  case SEARCH_REFERENCE:
    return add_reference(c, condition->predicate->modifier, param, o, ranges, reterr);
  case SEARCH_URI:
    return add_uri(c, condition, o, ranges, reterr);
  case SEARCH_QUANTITY:
    return search_hash_units(c, condition, o, ranges, reterr);
  default:
    return 0;
  }
}
