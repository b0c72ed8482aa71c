#include "store/read/terminology.h"

#include "base/id.h"
#include "store/db/dialect.h"
#include "store/store_internal.h"

enum { CANDIDATES_MAX = 64 };

struct source {
  struct terminology_source source;
  struct store_view *view;
  struct arena *arena;
};

/* ---- Finding --------------------------------------------------------------------------------- */

/* Begins a query on live rows of `resource r` that `table` leads to. */
static void select_by(struct db_query *query, enum db_kind kind, const struct schema *schema,
                      const char *table, const char *column, defs_type_id type, const char *param,
                      int64_t value) {
  db_query_addf(query, "SELECT " STORE_AHEAD_COLUMNS " FROM %s u", table);
  db_query_add(query, DIALECT_JOIN(kind, "resource", "r", "r.rid=u.rid"));
  db_query_add(query, " WHERE u.param=");
  db_query_i64(query, schema_param_number(schema, defs_param_by_code(type, str_of(param))));
  db_query_addf(query, " AND u.%s=", column);
  db_query_i64(query, value);
  db_query_add(query, " AND r.state=1 ORDER BY r.updated DESC, r.rid DESC LIMIT ");
  db_query_i64(query, CANDIDATES_MAX);
}

/* What is looked for, and the best of it so far. */
struct wanted {
  struct arena *arena; /* of what is kept */
  struct str member;   /* "url", "supplements" */
  struct str url, version;
  const struct yyjson_val **found;
  size_t max, n;
};

static bool is_wanted(const struct wanted *wanted, const struct yyjson_val *resource) {
  struct str named = json_get_text(resource, wanted->member);
  ssize_t bar = str_find_char(named, '|', 0);
  if (!str_equal(wanted->url, bar < 0 ? named : str_slice(named, 0, (size_t)bar)))
    return false;
  return wanted->version.n == 0 ||
         str_equal(wanted->version, json_get_text(resource, STR("version")));
}

/* One that is active takes the place of one that isn't; they come with the newest first. */
static void keep(struct wanted *wanted, const struct yyjson_val *resource) {
  bool is_active = str_is(json_get_text(resource, STR("status")), "active");
  if (wanted->n < wanted->max)
    wanted->found[wanted->n++] = resource;
  else if (wanted->max == 1 && is_active &&
           !str_is(json_get_text(wanted->found[0], STR("status")), "active"))
    wanted->found[0] = resource;
}

/* Rows of `query` that are what is wanted. */
static int take_rows(struct source *s, const struct db_query *query, struct wanted *wanted,
                     struct err *reterr) {
  struct db_statement *statement;
  bool has_row;
  int code = db_query_start(store_view_db(s->view), query, &statement, reterr);
  if (code)
    return code;
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    struct store_resource resource;
    const struct yyjson_val *root;
    struct json_limits limits = JSON_LIMITS_DEFAULT;
    code = store_row_read_ahead(s->view, statement, 0, wanted->arena, &resource, reterr);
    if (code == 0)
      code = json_parse(wanted->arena, resource.body, &limits, &root, reterr);
    if (code)
      break;
    if (is_wanted(wanted, root))
      keep(wanted, root);
  }
  db_release(statement);
  return code;
}

/* "ValueSet/x": the resource with this id; empty where it is a URL. */
static struct str local_id(struct str type, struct str url) {
  if (!str_starts_with(url, type) || url.n <= type.n + 1 || url.p[type.n] != '/')
    return STR_NULL;
  struct str id = str_slice(url, type.n + 1, url.n);
  return id_is_fhir_id(id) ? id : STR_NULL;
}

static int find_local(struct source *s, struct arena *arena, defs_type_id type, struct str id,
                      const struct yyjson_val **ret_resource, struct err *reterr) {
  struct store_resource resource;
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  struct access everything = ACCESS_EVERYTHING(STR("terminology"));
  int code = store_read(s->view, &everything, arena, type, id, &resource, reterr);
  if (code == ERR_NOT_FOUND || code == ERR_DELETED)
    return 0;
  return code ? code : json_parse(arena, resource.body, &limits, ret_resource, reterr);
}

static int find(void *what, struct arena *arena, struct str type_name, struct str url,
                struct str version, const struct yyjson_val **ret_resource, struct err *reterr) {
  struct source *s = what;
  const struct schema *schema = store_view_schema(s->view);
  defs_type_id type = defs_type_by_name(type_name);
  struct str id = local_id(type_name, url);
  *ret_resource = NULL;
  if (id.p)
    return find_local(s, arena, type, id, ret_resource, reterr);
  struct wanted wanted = {.arena = arena,
                          .member = STR("url"),
                          .url = url,
                          .version = version,
                          .found = ret_resource,
                          .max = 1};
  struct db_query query;
  db_query_init(&query, s->arena);
  select_by(&query, db_kind(store_view_db(s->view)), schema, "uri", "hash", type, "url",
            schema_text_hash(schema, url));
  return take_rows(s, &query, &wanted, reterr);
}

static int find_supplements(void *what, struct arena *arena, struct str url,
                            const struct yyjson_val **ret_resources, size_t max, size_t *ret_n,
                            struct err *reterr) {
  struct source *s = what;
  const struct schema *schema = store_view_schema(s->view);
  struct wanted wanted = {
      .arena = arena, .member = STR("supplements"), .url = url, .found = ret_resources, .max = max};
  struct db_query query;
  db_query_init(&query, s->arena);
  select_by(&query, db_kind(store_view_db(s->view)), schema, "reference", "target",
            defs_type_by_name(STR("CodeSystem")), "supplements", schema_url_target(schema, url));
  int code = take_rows(s, &query, &wanted, reterr);
  *ret_n = wanted.n;
  return code;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* How often resources that hold terminology were changed in this store. */
static int read_epoch(struct source *s, uint64_t *ret_epoch, struct err *reterr) {
  const struct schema *schema = store_view_schema(s->view);
  struct db_statement *row = NULL;
  bool has_row;
  int code = db_prepare(store_view_db(s->view),
                        STR("SELECT n FROM counter WHERE kind=? AND number IN(?,?)"), &row, reterr);
  *ret_epoch = 0;
  if (code)
    return code;
  db_bind_i64(row, 1, SCHEMA_COUNTER_TYPE_VERSIONS);
  db_bind_i64(row, 2, schema_type_number(schema, defs_type_by_name(STR("CodeSystem"))));
  db_bind_i64(row, 3, schema_type_number(schema, defs_type_by_name(STR("ValueSet"))));
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row)
    *ret_epoch += (uint64_t)db_column_i64(row, 0);
  db_release(row);
  return code;
}

int store_terminology_open(struct store_view *view, struct arena *arena,
                           struct terminology **ret_terminology, struct err *reterr) {
  struct source *s = ARENA_NEW(arena, struct source);
  uint64_t epoch;
  if (!s)
    return err_no_memory(reterr);
  *s = (struct source){.source = {.find = find, .find_supplements = find_supplements, .what = s},
                       .view = view,
                       .arena = arena};
  int code = read_epoch(s, &epoch, reterr);
  return code ? code
              : terminology_open(store_view_terminology(view), &s->source, epoch, ret_terminology,
                                 reterr);
}
