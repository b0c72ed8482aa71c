#include "store/work/parameter_set.h"

#include "base/log.h"
#include "model/parameters.h"
#include "store/work/job_write.h"
#include "store/work/reindex.h"

#define ARENA_MAX_BYTES ((size_t)256 << 20)

/* A row of `param` that is not of the definitions. */
struct row {
  uint16_t number;
  struct str type, code, definition;
  enum schema_param_state state;
  bool has_job; /* one that is not finished yet */
  const struct parameter *wanted;
};

struct parameter_set {
  struct arena *arena;
  const struct schema *schema;
  VEC(struct parameter) wanted;
  VEC(struct row) rows;
  bool has_written, has_job;
};

/* A set that is being read. */
struct loading {
  struct parameter_set *set;
  struct db *db;
  struct arena *arena;
  const struct schema *schema;
  const struct body_codec *codec;
  struct err *err;
};

/* ---- What is wanted ---- */

static int add_resource(struct loading *l, struct str id, struct str body) {
  const struct yyjson_val *resource;
  struct parameters parameters;
  struct err err;
  if (str_find(body, STR("\"active\"")) < 0)
    return 0;
  int code = json_parse(l->arena, body, &JSON_LIMITS_DEFAULT, &resource, &err);
  if (code == 0)
    code = parameters_read(l->arena, resource, &parameters, &err);
  if (code == ERR_NO_MEMORY)
    return err_no_memory(l->err);
  if (code != 0) {
    log_warning("store", "SearchParameter/%.*s defines nothing: %s", STR_ARG(id), err.text);
    return 0;
  }
  for (size_t i = 0; i < parameters.n; i++) {
    struct parameter *place = VEC_PUSH(l->arena, &l->set->wanted);
    if (!place)
      return err_no_memory(l->err);
    *place = parameters.p[i];
    place->source = id;
  }
  return 0;
}

/* The oldest first: of two with the same code, it is the one that counts. */
static int read_resources(struct loading *l) {
  struct db_statement *row = NULL;
  bool has_row;
  int code =
      db_prepare(l->db, STR("SELECT id,body FROM resource WHERE type=? AND state=1 ORDER BY rid"),
                 &row, l->err);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, schema_type_number(l->schema, defs_type_by_name(STR("SearchParameter"))));
  while ((code = db_step(row, &has_row, l->err)) == 0 && has_row) {
    struct str id = schema_id_unpack(l->arena, db_column_str(row, 0)), body;
    code = id.p ? body_unpack(l->codec, l->arena, db_column_str(row, 1), &body, l->err)
                : err_no_memory(l->err);
    if (code == 0)
      code = add_resource(l, id, body);
    if (code != 0)
      break;
  }
  db_release(row);
  return code;
}

/* ---- What the index holds ---- */

static const struct parameter *find_wanted(const struct loading *l, struct str type,
                                           struct str code) {
  for (size_t i = 0; i < l->set->wanted.n; i++) {
    const struct parameter *p = &l->set->wanted.p[i];
    if (p->id != 0 && str_equal(p->definition.code, code) &&
        str_equal(defs_type(p->definition.base)->name, type))
      return p;
  }
  return NULL;
}

static int add_row(struct loading *l, struct db_statement *statement) {
  int64_t number = db_column_i64(statement, 0);
  if (number <= 0 || (size_t)number >= l->schema->params_n)
    return err_set(l->err, ERR_STORE, "",
                   "Search parameters were defined too often since this process opened the store;"
                   " start it again.");
  struct row *row = VEC_PUSH(l->arena, &l->set->rows);
  if (!row)
    return err_no_memory(l->err);
  *row = (struct row){.number = (uint16_t)number,
                      .type = arena_str(l->arena, db_column_str(statement, 1)),
                      .code = arena_str(l->arena, db_column_str(statement, 2)),
                      .state = (enum schema_param_state)db_column_i64(statement, 3),
                      .definition = arena_str(l->arena, db_column_str(statement, 4)),
                      .has_job = !db_column_is_null(statement, 5)};
  if (!row->type.p || !row->code.p || !row->definition.p)
    return err_no_memory(l->err);
  row->wanted = find_wanted(l, row->type, row->code);
  return 0;
}

static int read_rows(struct loading *l) {
  struct db_statement *statement = NULL;
  bool has_row;
  int code =
      db_prepare(l->db,
                 STR("SELECT p.number,p.type,p.code,p.state,p.definition,j.number FROM param p"
                     " LEFT JOIN job j ON j.number=p.job AND j.state<3 WHERE p.state<>0"),
                 &statement, l->err);
  if (code != 0)
    return code;
  while ((code = db_step(statement, &has_row, l->err)) == 0 && has_row)
    if ((code = add_row(l, statement)) != 0)
      break;
  db_release(statement);
  return code;
}

/* ---- Bringing both together ---- */

static int write_row(struct loading *l, const struct row *row) {
  struct db_statement *statement = NULL;
  l->set->has_written = true;
  int code = db_prepare(l->db, STR("UPDATE param SET state=?,definition=?,job=0 WHERE number=?"),
                        &statement, l->err);
  if (code != 0)
    return code;
  db_bind_i64(statement, 1, row->state);
  db_bind_text(statement, 2, row->definition);
  db_bind_i64(statement, 3, row->number);
  code = db_execute(statement, l->err);
  db_release(statement);
  return code;
}

/* A change of what a row is for needs a new job; any other leaves it as it is. */
static int settle_row(struct loading *l, struct row *row) {
  enum schema_param_state state = row->state;
  struct str definition = row->definition;
  if (!row->wanted) {
    state = SCHEMA_PARAM_LEAVING;
  } else if (state == SCHEMA_PARAM_LEAVING || !str_equal(definition, row->wanted->fingerprint)) {
    state = SCHEMA_PARAM_BUILDING;
    definition = row->wanted->fingerprint;
  }
  if (state == row->state && str_equal(definition, row->definition))
    return 0;
  row->state = state;
  row->definition = definition;
  row->has_job = false;
  return write_row(l, row);
}

static int insert_row(struct loading *l, const struct parameter *wanted, uint16_t number) {
  struct row *row = VEC_PUSH(l->arena, &l->set->rows);
  if (!row)
    return err_no_memory(l->err);
  *row = (struct row){.number = number,
                      .type = defs_type(wanted->definition.base)->name,
                      .code = wanted->definition.code,
                      .definition = wanted->fingerprint,
                      .state = SCHEMA_PARAM_BUILDING,
                      .wanted = wanted};
  struct db_statement *statement = NULL;
  l->set->has_written = true;
  int code = db_prepare(
      l->db, STR("INSERT INTO param(number,type,code,state,job,definition) VALUES(?,?,?,?,0,?)"),
      &statement, l->err);
  if (code != 0)
    return code;
  db_bind_i64(statement, 1, number);
  db_bind_text(statement, 2, row->type);
  db_bind_text(statement, 3, row->code);
  db_bind_i64(statement, 4, row->state);
  db_bind_text(statement, 5, row->definition);
  code = db_execute(statement, l->err);
  db_release(statement);
  return code;
}

static int insert_rows(struct loading *l) {
  struct parameter_set *set = l->set;
  struct db_query query;
  int64_t number;
  db_query_init(&query, l->arena);
  db_query_add(&query, "SELECT max(number) FROM param");
  int code = db_query_number(l->db, &query, 0, &number, l->err);
  for (size_t i = 0; code == 0 && i < set->wanted.n; i++) {
    const struct parameter *wanted = &set->wanted.p[i];
    bool has_row = wanted->id == 0;
    for (size_t r = 0; r < set->rows.n && !has_row; r++)
      has_row = set->rows.p[r].wanted == wanted;
    if (has_row)
      continue;
    if ((size_t)++number >= l->schema->params_n)
      return err_set(l->err, ERR_STORE, "", "The store numbers too many search parameters.");
    code = insert_row(l, wanted, (uint16_t)number);
  }
  return code;
}

/* What is not ready and has no job. */
static bool needs_job(const struct row *row) {
  return row->state != SCHEMA_PARAM_READY && !row->has_job;
}

static int give_job(struct loading *l, struct row *row, uint64_t number) {
  const int64_t values[] = {(int64_t)number, row->number};
  int code = db_execute_i64(l->db, STR("UPDATE param SET job=? WHERE number=?"), values, 2, l->err);
  row->has_job = code == 0;
  return code;
}

static int make_job(struct loading *l, struct sequence *sequence) {
  struct parameter_set *set = l->set;
  struct reindex_request request = {.owner = STR(REINDEX_OWN)};
  struct job_change change;
  bool is_any = false;
  defs_type_id *types = ARENA_ARRAY(l->arena, defs_type_id, set->rows.n + 1);
  if (!types)
    return err_no_memory(l->err);
  for (size_t i = 0; i < set->rows.n; i++) {
    const struct row *row = &set->rows.p[i];
    set->has_job |= row->has_job;
    if (!needs_job(row))
      continue;
    defs_type_id type = defs_type_by_name(row->type);
    is_any |= type == 0 || defs_type(type)->is_abstract;
    types[request.types_n++] = type;
  }
  if (request.types_n == 0)
    return 0;
  if (is_any)
    request.types_n = 0;
  request.types = types;
  set->has_job = set->has_written = true;
  int code = reindex_make_change(l->db, l->arena, l->schema, &request, &change, l->err);
  if (code == 0)
    code = job_apply(l->db, l->codec, l->arena, sequence, &change, l->err);
  for (size_t i = 0; code == 0 && i < set->rows.n; i++)
    if (needs_job(&set->rows.p[i]))
      code = give_job(l, &set->rows.p[i], change.number);
  return code;
}

static int settle(struct loading *l, struct sequence *sequence) {
  int code = 0;
  for (size_t i = 0; code == 0 && i < l->set->rows.n; i++)
    code = settle_row(l, &l->set->rows.p[i]);
  if (code == 0)
    code = insert_rows(l);
  if (code == 0)
    code = make_job(l, sequence);
  if (code == 0 && l->set->has_written)
    sequence->definitions++;
  return code;
}

static struct parameter_set *set_new(const struct schema *schema) {
  struct arena *arena = arena_new(ARENA_MAX_BYTES);
  struct parameter_set *set = arena ? ARENA_NEW(arena, struct parameter_set) : NULL;
  if (!set) {
    arena_free(arena);
    return NULL;
  }
  *set = (struct parameter_set){.arena = arena, .schema = schema};
  return set;
}

void parameter_set_free(struct parameter_set *set) {
  if (set)
    arena_free(set->arena);
}

int parameter_set_read(struct db *db, const struct schema *schema, const struct body_codec *codec,
                       struct sequence *sequence, struct parameter_set **ret_set,
                       struct err *reterr) {
  struct parameter_set *set = set_new(schema);
  if (!set)
    return err_no_memory(reterr);
  struct loading l = {
      .set = set, .db = db, .arena = set->arena, .schema = schema, .codec = codec, .err = reterr};
  int code = read_resources(&l);
  if (code == 0)
    code = parameters_number((struct parameters){set->wanted.p, set->wanted.n}, reterr);
  if (code == 0)
    code = read_rows(&l);
  if (code == 0 && sequence)
    code = settle(&l, sequence);
  if (code == 0)
    *ret_set = set;
  else
    parameter_set_free(set);
  return code;
}

bool parameter_set_has_written(const struct parameter_set *set) {
  return set->has_written;
}

bool parameter_set_has_job(const struct parameter_set *set) {
  return set->has_job;
}

/* Who extracts with the new set must find its numbers: in force last. */
int parameter_set_install(const struct parameter_set *set, struct err *reterr) {
  for (size_t i = 0; i < set->rows.n; i++) {
    const struct row *row = &set->rows.p[i];
    if (!row->wanted)
      continue;
    schema_set_param(set->schema, row->wanted->id, row->number);
    parameters_set_ready(row->wanted->id, row->state == SCHEMA_PARAM_READY &&
                                              str_equal(row->definition, row->wanted->fingerprint));
  }
  return parameters_install((struct parameters){set->wanted.p, set->wanted.n}, reterr);
}

void parameter_set_clear(void) {
  struct err err;
  if (parameters_install((struct parameters){0}, &err) != 0)
    log_error("store", "search parameters stay in force: %s", err.text);
}

/* ---- When the job is done ---- */

/* Words of one parameter up to the one at `at_once`, or all where there are fewer. */
static int take_out_words(struct db *db, int64_t param, size_t at_once, bool *ret_has_more,
                          struct err *reterr) {
  struct db_statement *last = NULL, *row = NULL;
  int code = db_prepare(
      db, STR("SELECT text FROM vocabulary WHERE param=? ORDER BY text,hash LIMIT 1 OFFSET ?"),
      &last, reterr);
  if (code != 0)
    return code;
  db_bind_i64(last, 1, param);
  db_bind_i64(last, 2, (int64_t)at_once);
  code = db_step(last, ret_has_more, reterr);
  if (code == 0)
    code = db_prepare(db,
                      *ret_has_more ? STR("DELETE FROM vocabulary WHERE param=? AND text<=?")
                                    : STR("DELETE FROM vocabulary WHERE param=?"),
                      &row, reterr);
  if (code == 0) {
    db_bind_i64(row, 1, param);
    if (*ret_has_more)
      db_bind_text(row, 2, db_column_str(last, 0));
    code = db_execute(row, reterr);
  }
  db_release(row);
  db_release(last);
  return code;
}

int parameter_set_take_out_words(struct db *db, uint64_t number, size_t at_once, bool *ret_has_more,
                                 struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int64_t param = 0;
  *ret_has_more = false;
  /* One that has words; when it has none left, the next one. */
  int code = db_prepare(db,
                        STR("SELECT p.number FROM param p WHERE p.state=3 AND p.job=? AND EXISTS"
                            "(SELECT 1 FROM vocabulary v WHERE v.param=p.number) LIMIT 1"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, (int64_t)number);
  code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row)
    param = db_column_i64(row, 0);
  db_release(row);
  if (code == 0 && has_row)
    code = take_out_words(db, param, at_once, ret_has_more, reterr);
  *ret_has_more |= code == 0 && has_row;
  return code;
}

int parameter_set_job_done(struct db *db, uint64_t number, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row;
  const int64_t job = (int64_t)number;
  int code = db_execute_i64(db,
                            STR("DELETE FROM vocabulary WHERE param IN"
                                " (SELECT number FROM param WHERE state=3 AND job=?)"),
                            &job, 1, reterr);
  if (code == 0)
    code = db_execute_i64(db, STR("DELETE FROM param WHERE state=3 AND job=?"), &job, 1, reterr);
  if (code == 0)
    code = db_prepare(db, STR("SELECT number,definition FROM param WHERE state=2 AND job=?"), &row,
                      reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, job);
  /* What was extracted is the set that is in force; a row of anything else waits for another job.
   */
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct str sql = parameters_by_fingerprint(db_column_str(row, 1))
                         ? STR("UPDATE param SET state=1,job=0 WHERE number=?")
                         : STR("UPDATE param SET job=0 WHERE number=?");
    int64_t param = db_column_i64(row, 0);
    code = db_execute_i64(db, sql, &param, 1, reterr);
    if (code != 0)
      break;
  }
  db_release(row);
  return code;
}

int parameter_set_publish(struct db *db, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row;
  int code = db_prepare(db, STR("SELECT definition FROM param WHERE state=1"), &row, reterr);
  if (code != 0)
    return code;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row)
    parameters_set_ready(parameters_by_fingerprint(db_column_str(row, 0)), true);
  db_release(row);
  return code;
}
