/*
 * Searches of a GraphQL query: PatientList, PatientConnection, and both below a resource, where
 * `_reference` names the parameter by which the found refer to it.
 *
 * The arguments are search parameters, '-' written as '_'; a list means "one of". A list gives
 * everything or fails. A connection gives a page; its tokens (first, previous, next, last) hold the
 * query and where the page begins, "OFFSET.QUERY", so that the server remembers nothing. `next`
 * goes on behind the last row that was seen, whatever was written meanwhile; `previous` and `last`
 * count.
 */
#include "service/graphql_internal.h"

#include "format/url.h"

#define PAGE_DEFAULT 50
/* Pages that are found by counting lie no farther from the beginning. */
#define OFFSET_MAX 10000
#define TOKEN_MAX_BYTES 16384

struct query {
  defs_type_id type;
  VEC(struct search_pair) pairs;
};

struct connection {
  struct query query; /* without _cursor and _count */
  VEC(const struct record *) found;
  size_t offset, page;
  bool has_total;
  uint64_t total;
  struct str cursor; /* of the next page, or empty */
};

/* ---- From arguments to a search ---------------------------------------------------------------
 */

static int add_pair(struct graphql_run *run, struct query *query, struct str name, struct str value,
                    struct err *reterr) {
  struct search_pair *pair = VEC_PUSH(run->arena, &query->pairs);
  if (!pair || !value.p)
    return err_no_memory(reterr);
  *pair = (struct search_pair){name, value};
  return 0;
}

/* Values are joined by commas; a comma inside one is escaped (search.html, 2.1.1.4.12). */
static struct str join(struct arena *arena, const struct str *texts, size_t n) {
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)1 << 20);
  for (size_t i = 0; i < n; i++) {
    if (i > 0)
      buf_add_char(&buf, ',');
    for (size_t k = 0; k < texts[i].n; k++) {
      if (texts[i].p[k] == ',')
        buf_add_char(&buf, '\\');
      buf_add_char(&buf, texts[i].p[k]);
      if (texts[i].p[k] == '\\' && k + 1 < texts[i].n)
        buf_add_char(&buf, texts[i].p[++k]);
    }
  }
  return buf_is_overflown(&buf) ? STR_NULL : buf.n ? buf_str(&buf) : STR("");
}

static int add_argument(struct graphql_run *run, struct query *query,
                        const struct schema_argument *argument, const struct graphql_value *value,
                        struct err *reterr) {
  const struct str *texts;
  size_t n;
  bool is_verbatim =
      !argument->param && (str_is(argument->name, "_sort") || str_is(argument->name, "_filter"));
  if (!argument->param && !is_verbatim)
    return 0; /* of the run, not of the search */
  int code = graphql_texts(run, value, &texts, &n, reterr);
  if (code || n == 0)
    return code;
  return add_pair(run, query, argument->param ? defs_param(argument->param)->code : argument->name,
                  is_verbatim ? texts[0] : join(run->arena, texts, n), reterr);
}

/* The parameter that `_reference` names, here or by a variable. */
static int add_reverse(struct graphql_run *run, struct query *query, const struct plan_field *field,
                       struct schema_arguments known, const struct object *object,
                       struct err *reterr) {
  const struct graphql_value *name =
      graphql_argument_value(run, field->node->arguments, field->node->arguments_n, "_reference");
  if (object->record == NULL || object->record->root != object->node || object->record->id.n == 0)
    return err_set(reterr, ERR_VALUE, "", "Nothing refers to a resource inside another one.");
  for (size_t i = 0; name && i < known.n; i++) {
    const struct defs_param *param = known.p[i].param ? defs_param(known.p[i].param) : NULL;
    if (param && param->type == SEARCH_REFERENCE &&
        (str_equal(known.p[i].name, name->text) || str_equal(param->code, name->text)))
      return add_pair(run, query, param->code,
                      arena_printf(run->arena, "%.*s/%.*s",
                                   STR_ARG(defs_type(object->record->type)->name),
                                   STR_ARG(object->record->id)),
                      reterr);
  }
  return err_set(reterr, ERR_VALUE, "", "_reference names no reference of %.*s.",
                 STR_ARG(defs_type(query->type)->name));
}

static int read_query(struct graphql_run *run, const struct plan_field *field,
                      const struct object *object, struct query *ret_query, struct err *reterr) {
  const struct graphql_selection *node = field->node;
  struct schema_arguments known;
  *ret_query = (struct query){.type = field->field.type.id};
  int code = schema_list_arguments(run->arena, &field->field, &known, reterr);
  if (code == 0 && field->field.is_reverse)
    code = add_reverse(run, ret_query, field, known, object, reterr);
  for (size_t i = 0; i < node->arguments_n && code == 0; i++) {
    const struct graphql_value *value = graphql_resolve(run, &node->arguments[i].value);
    for (size_t k = 0; k < known.n && value && code == 0; k++)
      if (str_equal(known.p[k].name, node->arguments[i].name))
        code = add_argument(run, ret_query, &known.p[k], value, reterr);
  }
  return code;
}

static int search(struct graphql_run *run, struct query query, const char *name, struct str value,
                  size_t count, struct search_result *ret_result, struct err *reterr) {
  struct search_options options = {
      .base_url = run->request->base_url, .default_count = count, .max_count = count};
  struct issues issues = {0};
  const struct search *parsed;
  if (++run->searches_n > run->bounds->searches_max)
    return err_set(reterr, ERR_TOO_COSTLY, "", "The query makes more than %zu searches.",
                   run->bounds->searches_max);
  int code = graphql_spend(run, reterr);
  if (code == 0 && name)
    code = add_pair(run, &query, str_of(name), value, reterr);
  if (code == 0)
    code = search_parse(run->arena, query.type, query.pairs.p, query.pairs.n, &options, &parsed,
                        &issues, reterr);
  return code ? code : search_run(run->view, run->access, run->arena, parsed, ret_result, reterr);
}

/* ---- Lists ----------------------------------------------------------------------------------- */

static int keep_row(struct graphql_run *run, const struct plan_field *field,
                    const struct search_row *row, const struct record **ret_record,
                    struct err *reterr) {
  bool is_wanted = true;
  int code = graphql_keep_record(run, &row->resource, ret_record, reterr);
  if (code == 0 && field->where) {
    struct object object = graphql_object_of(*ret_record);
    code = graphql_holds(run, field->where, &object, &is_wanted, reterr);
  }
  if (!is_wanted)
    *ret_record = NULL;
  return code;
}

int graphql_list(struct graphql_run *run, struct plan_field *field, const struct object *object,
                 struct results *results, struct err *reterr) {
  struct query query;
  struct search_result found = {0};
  size_t max = run->bounds->list_max, count = field->count < max ? field->count : max;
  int code = read_query(run, field, object, &query, reterr);
  results->is_there = true;
  if (code || count == 0)
    return code;
  code = search(run, query, NULL, STR_NULL, count, &found, reterr);
  if (code == 0 && found.next_cursor.n > 0 && field->count > max)
    return err_set(reterr, ERR_TOO_COSTLY, "",
                   "More than %zu resources match: narrow the query, or ask for pages by "
                   "%.*sConnection.",
                   max, STR_ARG(defs_type(query.type)->name));
  for (size_t i = 0; i < found.matches_n && code == 0; i++) {
    const struct record *record = NULL;
    code = keep_row(run, field, &found.rows[i], &record, reterr);
    if (code == 0 && record)
      code = graphql_add_object(run, results, graphql_object_of(record), reterr);
  }
  return code;
}

/* ---- Tokens ---------------------------------------------------------------------------------- */

static struct str token_of(struct graphql_run *run, const struct connection *connection,
                           size_t offset, struct str cursor) {
  struct buf buf;
  buf_init_arena(&buf, run->arena, TOKEN_MAX_BYTES);
  buf_printf(&buf, "%zu.", offset);
  for (size_t i = 0; i < connection->query.pairs.n; i++) {
    url_encode(&buf, connection->query.pairs.p[i].name);
    buf_add_char(&buf, '=');
    url_encode(&buf, connection->query.pairs.p[i].value);
    buf_add_char(&buf, '&');
  }
  buf_printf(&buf, "_count=%zu", connection->page);
  if (cursor.n > 0) {
    buf_add(&buf, STR("&_cursor="));
    url_encode(&buf, cursor);
  }
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

static int bad_token(struct err *reterr) {
  return err_set(reterr, ERR_VALUE, "", "The cursor is not one that this server has made.");
}

/* What token_of wrote; a stranger's token is checked by the search like any query. */
static int read_token(struct graphql_run *run, struct str token, struct connection *connection,
                      struct str *ret_cursor, struct err *reterr) {
  struct str rest = token, number;
  struct url_pair *pairs;
  uint64_t offset, page;
  size_t n;
  if (token.n > TOKEN_MAX_BYTES || !str_split(&rest, '.', &number) ||
      !str_to_u64(number, &offset) || offset > SIZE_MAX / 2 || !rest.p ||
      url_parse_query(run->arena, rest, &pairs, &n, reterr) != 0)
    return bad_token(reterr);
  connection->offset = (size_t)offset;
  for (size_t i = 0; i < n; i++) {
    int code = 0;
    if (str_is(pairs[i].name, "_cursor"))
      *ret_cursor = pairs[i].value;
    else if (!str_is(pairs[i].name, "_count"))
      code = add_pair(run, &connection->query, pairs[i].name, pairs[i].value, reterr);
    else if (str_to_u64(pairs[i].value, &page) && page <= run->bounds->list_max)
      connection->page = (size_t)page;
    else
      return bad_token(reterr);
    if (code)
      return code;
  }
  return 0;
}

/* ---- Connections ----------------------------------------------------------------------------- */

static int read_connection(struct graphql_run *run, const struct plan_field *field,
                           const struct object *object, struct connection *connection,
                           struct str *ret_cursor, struct err *reterr) {
  const struct graphql_selection *node = field->node;
  const struct graphql_value *token =
      graphql_argument_value(run, node->arguments, node->arguments_n, "_cursor");
  if (!token)
    token = graphql_argument_value(run, node->arguments, node->arguments_n, "cursor");
  connection->page = field->count == SIZE_MAX ? PAGE_DEFAULT : field->count;
  if (connection->page > run->bounds->list_max)
    connection->page = run->bounds->list_max;
  if (!token)
    return read_query(run, field, object, &connection->query, reterr);
  if (node->arguments_n > 1 && !(node->arguments_n == 2 && field->where))
    return err_set(reterr, ERR_VALUE, "",
                   "A cursor stands alone: it holds the query that it belongs to.");
  connection->query.type = field->field.type.id;
  return read_token(run, token->text, connection, ret_cursor, reterr);
}

/* Walks over what comes before a page that is found by counting. */
static int skip_to(struct graphql_run *run, const struct connection *connection,
                   struct str *ret_cursor, struct err *reterr) {
  size_t left = connection->offset;
  if (left > OFFSET_MAX)
    return err_set(reterr, ERR_TOO_COSTLY, "", "Pages behind %d are reached by next only.",
                   OFFSET_MAX);
  while (left > 0) {
    struct search_result found = {0};
    size_t count = left < run->bounds->list_max ? left : run->bounds->list_max;
    int code = search(run, connection->query, ret_cursor->n ? "_cursor" : NULL, *ret_cursor, count,
                      &found, reterr);
    if (code)
      return code;
    left -= count;
    *ret_cursor = found.next_cursor;
    if (found.next_cursor.n == 0)
      break;
  }
  return 0;
}

static int read_page(struct graphql_run *run, const struct plan_field *field,
                     struct connection *connection, struct str cursor, struct err *reterr) {
  struct search_result found = {0};
  bool is_past_end = false;
  int code = 0;
  if (connection->offset > 0 && cursor.n == 0) {
    code = skip_to(run, connection, &cursor, reterr);
    is_past_end = cursor.n == 0;
  }
  if (code == 0 && connection->page > 0 && !is_past_end)
    code = search(run, connection->query, cursor.n ? "_cursor" : NULL, cursor, connection->page,
                  &found, reterr);
  connection->cursor = found.next_cursor;
  for (size_t i = 0; i < found.matches_n && code == 0; i++) {
    const struct record *record = NULL;
    code = keep_row(run, field, &found.rows[i], &record, reterr);
    if (!record)
      continue;
    const struct record **place = VEC_PUSH(run->arena, &connection->found);
    if (!place)
      return err_no_memory(reterr);
    *place = record;
  }
  return code;
}

int graphql_connection(struct graphql_run *run, struct plan_field *field,
                       const struct object *object, struct results *results, struct err *reterr) {
  struct connection *connection = ARENA_NEW(run->arena, struct connection);
  struct str cursor = STR_NULL;
  if (!connection)
    return err_no_memory(reterr);
  int code = read_connection(run, field, object, connection, &cursor, reterr);
  if (code == 0)
    code = read_page(run, field, connection, cursor, reterr);
  return code ? code
              : graphql_add_object(run, results,
                                   (struct object){.type = field->field.type, .data = connection},
                                   reterr);
}

/* ---- Fields of connections and edges -----------------------------------------------------------
 */

static int count_all(struct graphql_run *run, struct connection *connection, struct err *reterr) {
  struct search_result found = {0};
  if (connection->has_total)
    return 0;
  int code = search(run, connection->query, "_summary", STR("count"), 1, &found, reterr);
  connection->has_total = code == 0;
  connection->total = found.total;
  return code;
}

static int add_number(struct graphql_run *run, struct results *results, uint64_t number,
                      struct err *reterr) {
  return graphql_add_leaf(
      run, results, (struct output){.kind = OUTPUT_NUMBER, .number = (int64_t)number}, reterr);
}

static int add_last(struct graphql_run *run, struct connection *connection, struct results *results,
                    struct err *reterr) {
  int code = count_all(run, connection, reterr);
  if (code || connection->page == 0)
    return code;
  uint64_t pages = connection->total ? (connection->total - 1) / connection->page : 0;
  uint64_t offset = pages * connection->page;
  return offset > OFFSET_MAX
             ? 0
             : graphql_add_text(run, results, token_of(run, connection, (size_t)offset, STR_NULL),
                                reterr);
}

static int add_previous(struct graphql_run *run, const struct connection *connection,
                        struct results *results, struct err *reterr) {
  size_t offset = connection->offset > connection->page ? connection->offset - connection->page : 0;
  if (connection->offset == 0 || offset > OFFSET_MAX)
    return 0;
  return graphql_add_text(run, results, token_of(run, connection, offset, STR_NULL), reterr);
}

static int add_edges(struct graphql_run *run, const struct plan_field *field,
                     const struct connection *connection, struct results *results,
                     struct err *reterr) {
  int code = 0;
  results->is_there = true;
  for (size_t i = 0; i < connection->found.n && code == 0; i++)
    code = graphql_add_object(
        run, results, (struct object){.type = field->field.type, .data = connection->found.p[i]},
        reterr);
  return code;
}

static int edge_field(struct graphql_run *run, struct str name, const struct object *edge,
                      struct results *results, struct err *reterr) {
  if (str_is(name, "mode"))
    return graphql_add_text(run, results, STR("match"), reterr);
  if (str_is(name, "resource"))
    return graphql_add_object(run, results, graphql_object_of(edge->data), reterr);
  return 0; /* score: searches don't rank */
}

int graphql_connection_field(struct graphql_run *run, const struct plan_field *field,
                             const struct object *object, struct results *results,
                             struct err *reterr) {
  struct str name = field->field.name;
  if (object->type.kind == SCHEMA_EDGE)
    return edge_field(run, name, object, results, reterr);
  struct connection *connection = (struct connection *)(uintptr_t)object->data;
  if (str_is(name, "edges"))
    return add_edges(run, field, connection, results, reterr);
  if (str_is(name, "offset"))
    return add_number(run, results, connection->offset, reterr);
  if (str_is(name, "pagesize"))
    return add_number(run, results, connection->page, reterr);
  if (str_is(name, "first"))
    return graphql_add_text(run, results, token_of(run, connection, 0, STR_NULL), reterr);
  if (str_is(name, "previous"))
    return add_previous(run, connection, results, reterr);
  if (str_is(name, "last"))
    return add_last(run, connection, results, reterr);
  if (str_is(name, "next"))
    return connection->cursor.n == 0
               ? 0
               : graphql_add_text(run, results,
                                  token_of(run, connection, connection->offset + connection->page,
                                           connection->cursor),
                                  reterr);
  int code = count_all(run, connection, reterr);
  return code ? code : add_number(run, results, connection->total, reterr);
}
