#include "store/work/reindex.h"

#include <inttypes.h>

#include "base/log.h"
#include "model/parameters.h"
#include "store/work/background.h"
#include "store/commit/commit.h"
#include "store/schema/fact.h"
#include "store/work/job_write.h"
#include "store/work/parameter_set.h"
#include "store/work/process.h"
#include "store/store_internal.h"

enum { GROUP_RESOURCES_MAX = 128, GROUP_BODY_BYTES_MAX = 4 << 20, WORDS_AT_ONCE = 4000 };
#define GROUP_ARENA_MAX_BYTES ((size_t)1 << 30)
#define JOB_ARENA_MAX_BYTES ((size_t)16 << 20)
#define KEEP_US ((int64_t)24 * 3600 * 1000000)

/* ---- Requests ---- */

static struct str write_request(struct arena *arena, const struct reindex_request *request) {
  struct buf buf;
  buf_init_arena(&buf, arena, (size_t)1 << 20);
  struct json_writer w = json_writer(&buf);
  json_begin_object(&w);
  json_key(&w, STR("types"));
  json_begin_array(&w);
  for (size_t i = 0; i < request->types_n; i++)
    json_string(&w, defs_type(request->types[i])->name);
  json_end_array(&w);
  if (request->id.n > 0)
    json_member_string(&w, STR("id"), request->id);
  if (request->url.n > 0)
    json_member_string(&w, STR("url"), request->url);
  json_end_object(&w);
  return buf_is_overflown(&buf) ? STR_NULL : buf_str(&buf);
}

static int read_request(struct arena *arena, const struct job *job,
                        struct reindex_request *ret_request, struct err *reterr) {
  const struct yyjson_val *root;
  int code = json_parse(arena, job->request, &JSON_LIMITS_DEFAULT, &root, reterr);
  if (code != 0)
    return code;
  const struct yyjson_val *list = json_get(root, STR("types"));
  defs_type_id *types = ARENA_ARRAY(arena, defs_type_id, json_count(list) + 1);
  if (!types)
    return err_no_memory(reterr);
  *ret_request = (struct reindex_request){.owner = job->owner,
                                          .types = types,
                                          .id = json_get_text(root, STR("id")),
                                          .url = json_get_text(root, STR("url"))};
  struct json_each each = json_each(list);
  while (json_next(&each))
    types[ret_request->types_n++] = defs_type_by_name(json_text(each.value));
  return 0;
}

/* How many resources there are to go through. */
static int count_resources(struct db *db, struct arena *arena, const struct schema *schema,
                           const struct reindex_request *request, uint64_t *ret_n,
                           struct err *reterr) {
  struct db_query query;
  int64_t n = 1;
  db_query_init(&query, arena);
  db_query_addf(&query, "SELECT sum(n) FROM counter WHERE kind=%d", SCHEMA_COUNTER_TYPE);
  for (size_t i = 0; i < request->types_n; i++) {
    db_query_add(&query, i == 0 ? " AND number IN (" : ",");
    db_query_i64(&query, schema_type_number(schema, request->types[i]));
  }
  db_query_add(&query, request->types_n ? ")" : "");
  int code = request->id.n > 0 ? 0 : db_query_number(db, &query, 0, &n, reterr);
  if (code == 0)
    *ret_n = n > 0 ? (uint64_t)n : 0;
  return code;
}

int reindex_make_change(struct db *db, struct arena *arena, const struct schema *schema,
                        const struct reindex_request *request, struct job_change *ret_change,
                        struct err *reterr) {
  struct job_change change = {
      .verb = JOB_CREATE, .kind = STR(REINDEX_KIND), .owner = request->owner};
  change.request = write_request(arena, request);
  int code = change.request.p ? count_resources(db, arena, schema, request, &change.total, reterr)
                              : err_no_memory(reterr);
  if (code == 0)
    *ret_change = change;
  return code;
}

int reindex_start(struct store *store, const struct reindex_request *request, uint64_t *ret_number,
                  struct err *reterr) {
  struct arena *arena = arena_new(JOB_ARENA_MAX_BYTES);
  struct store_view *view;
  struct job_change change;
  int code = arena ? store_view_open(store, &view, reterr) : err_no_memory(reterr);
  if (code == 0) {
    code = reindex_make_change(store_view_db(view), arena, store_view_schema(view), request,
                               &change, reterr);
    store_view_close(view);
  }
  if (code == 0)
    code = job_change(store, &change, reterr);
  arena_free(arena);
  if (code != 0)
    return code;
  *ret_number = change.number;
  background_wake(store_background(store));
  return 0;
}

static int has_own_job(struct db *db, struct arena *arena, bool *ret_has, struct err *reterr) {
  struct db_query query;
  int64_t n;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT count(*) FROM job WHERE state<3 AND kind='" REINDEX_KIND
                       "' AND owner='" REINDEX_OWN "' AND progress LIKE 'form%'");
  int code = db_query_number(db, &query, 0, &n, reterr);
  *ret_has = n > 0;
  return code;
}

/* Its progress begins with "form", which says what its end means. Inside a transaction. */
static int make_form_job(struct db *db, struct arena *arena, const struct schema *schema,
                         const struct body_codec *codec, struct err *reterr) {
  struct reindex_request request = {.owner = STR(REINDEX_OWN)};
  struct sequence sequence;
  struct job_change change;
  int code = reindex_make_change(db, arena, schema, &request, &change, reterr);
  if (code != 0)
    return code;
  change.progress = STR("form");
  code = sequence_read(db, &sequence, reterr);
  if (code == 0)
    code = job_apply(db, codec, arena, &sequence, &change, reterr);
  return code ? code : sequence_write(db, &sequence, reterr);
}

/* Of several processes that open a store at once, one makes the job. */
static int ensure_form_job(struct db *db, struct arena *arena, const struct schema *schema,
                           const struct body_codec *codec, struct err *reterr) {
  bool has_job;
  int code = db_begin_write(db, reterr);
  if (code == 0)
    code = has_own_job(db, arena, &has_job, reterr);
  if (code == 0 && !has_job) {
    log_info("store", "the index is brought up to date in the background");
    code = make_form_job(db, arena, schema, codec, reterr);
  }
  if (code == 0)
    code = db_commit(db, reterr);
  if (code != 0)
    db_rollback(db);
  return code;
}

int reindex_check_form(struct db *db, const struct schema *schema, const struct body_codec *codec,
                       struct err *reterr) {
  struct arena *arena = arena_new(JOB_ARENA_MAX_BYTES);
  bool is_current = false;
  int code = arena ? fact_is(db, FACT_INDEX_FORM, STR(SCHEMA_INDEX_FORM), &is_current, reterr)
                   : err_no_memory(reterr);
  if (code == 0 && !is_current)
    code = ensure_form_job(db, arena, schema, codec, reterr);
  arena_free(arena);
  return code;
}

/* ---- The job at hand ---- */

/* "after/last" or, of a file's index, "form after/last"; without numbers at its begin. */
static void read_progress(const struct job *job, struct reindex *r, bool *ret_has_begun) {
  struct str form = STR("form"), last = job->progress, after = STR_NULL;
  r->is_form = str_starts_with(last, form);
  if (r->is_form)
    last = str_trim(str_slice(last, form.n, last.n));
  *ret_has_begun =
      str_split(&last, '/', &after) && str_to_u64(after, &r->after) && str_to_u64(last, &r->last);
}

static struct str write_progress(struct arena *arena, const struct reindex *r) {
  return arena_printf(arena, "%s%" PRIu64 "/%" PRIu64, r->is_form ? "form " : "", r->after,
                      r->last);
}

void reindex_forget(struct reindex *r) {
  arena_free(r->arena);
  *r = (struct reindex){.may_have_work = true};
}

static int begin_job(struct reindex *r, struct store_view *view, const struct job *job,
                     struct err *reterr) {
  struct db_query query;
  bool has_begun;
  int64_t last = 0;
  int code = read_request(r->arena, job, &r->request, reterr);
  if (code != 0)
    return code;
  read_progress(job, r, &has_begun);
  r->number = job->number;
  r->done = job->done;
  r->total = job->total;
  if (has_begun)
    return 0;
  db_query_init(&query, r->arena);
  db_query_add(&query, "SELECT max(rid) FROM resource");
  code = db_query_number(store_view_db(view), &query, 0, &last, reterr);
  r->after = 0;
  r->last = (uint64_t)last;
  return code;
}

/* Are the parameters that the view's state defines in force here? A job may be seen before its
 * parameter was taken over: where another process defined it, and after a job of this one, whose
 * end counts up what there is to take over, while nothing is written. So it is done here. */
static int inform(struct store *store, struct store_view *view, bool *ret_is_informed,
                  struct err *reterr) {
  struct sequence sequence;
  int code = sequence_read(store_view_db(view), &sequence, reterr);
  if (code == 0)
    code = store_follow_definitions(store, store_view_db(view), &sequence, reterr);
  if (code == 0)
    *ret_is_informed = store_definitions(store) >= sequence.definitions;
  return code;
}

enum found {
  FOUND_NOTHING,
  FOUND_LATER, /* there is one, but not yet for this process */
  FOUND_OWN,   /* this process runs it: it was stopped, or the store was away, for longer than the
                  lease, and nobody has taken it over; nor will anybody, as it is prolonged again */
  FOUND_FREE,
};

static const struct job *own_job(const struct jobs *jobs, int64_t holder) {
  for (size_t i = 0; i < jobs->n; i++)
    if (jobs->p[i].state == JOB_RUNNING && jobs->p[i].holder == holder)
      return &jobs->p[i];
  return NULL;
}

/* The one at hand, else the oldest that can be claimed. */
static int find_job(struct reindex *r, struct store *store, struct store_view *view,
                    enum found *ret_found, struct err *reterr) {
  struct jobs jobs;
  bool is_ready = false;
  *ret_found = FOUND_NOTHING;
  int code = job_unfinished(view, r->arena, STR(REINDEX_KIND), &jobs, reterr);
  if (code != 0 || jobs.n == 0)
    return code;
  *ret_found = FOUND_LATER;
  code = inform(store, view, &is_ready, reterr);
  if (code != 0 || !is_ready)
    return code;
  const struct job *own = own_job(&jobs, store_process_id(store));
  if (!own)
    code = job_claimable(view, r->arena, STR(REINDEX_KIND), 1, &jobs, reterr);
  if (code != 0 || jobs.n == 0)
    return code;
  *ret_found = own ? FOUND_OWN : FOUND_FREE;
  return begin_job(r, view, own ? own : &jobs.p[0], reterr);
}

/* What another process was quicker to claim is no error. */
static int take_job(struct reindex *r, struct store *store, struct err *reterr) {
  struct store_view *view;
  enum found found = FOUND_NOTHING;
  r->arena = arena_new(JOB_ARENA_MAX_BYTES);
  int code = r->arena ? store_view_open(store, &view, reterr) : err_no_memory(reterr);
  if (code == 0) {
    code = find_job(r, store, view, &found, reterr);
    store_view_close(view);
  }
  if (code == 0 && found == FOUND_OWN)
    return 0; /* each commit is fenced: if it is another's after all, it is refused */
  if (code == 0 && found == FOUND_FREE) {
    struct job_change claim = {.verb = JOB_CLAIM, .number = r->number};
    code = job_change(store, &claim, reterr);
    if (code == 0)
      return 0;
  }
  reindex_forget(r);
  r->may_have_work = code != 0 || found == FOUND_LATER;
  return code == ERR_CONFLICT || code == ERR_NOT_FOUND ? 0 : code;
}

/* ---- A group of resources ---- */

struct group_of {
  struct arena *arena;
  VEC(struct store_write) writes;
  uint64_t last; /* rid that was looked at */
  size_t seen_n, bytes;
  bool is_last;
};

static void add_rows_query(struct db_query *query, const struct reindex *r,
                           const struct schema *schema) {
  const struct reindex_request *request = &r->request;
  db_query_add(query, "SELECT " STORE_AHEAD_COLUMNS " FROM resource r WHERE r.rid>");
  db_query_i64(query, (int64_t)r->after);
  db_query_add(query, " AND r.rid<=");
  db_query_i64(query, (int64_t)r->last);
  for (size_t i = 0; i < request->types_n; i++) {
    db_query_add(query, i == 0 ? " AND r.type IN (" : ",");
    db_query_i64(query, schema_type_number(schema, request->types[i]));
  }
  db_query_add(query, request->types_n ? ") AND r.state=1" : " AND r.state=1");
  if (request->id.n > 0) {
    struct schema_id *id = ARENA_NEW(query->arena, struct schema_id);
    query->is_broken |= !id;
    if (id) {
      *id = schema_id_pack(request->id);
      db_query_add(query, " AND r.id=");
      db_query_bytes(query, str_n(id->bytes, id->n));
    }
  }
  db_query_addf(query, " ORDER BY r.rid LIMIT %d", GROUP_RESOURCES_MAX);
}

/* A resource that can't be read is left as it is, and said. */
static int add_resource(struct group_of *group, const struct store_resource *resource,
                        struct err *reterr) {
  struct json_limits limits = JSON_LIMITS_DEFAULT;
  limits.max_bytes = BODY_MAX_BYTES;
  const struct yyjson_val *json;
  struct search_values values;
  int code = json_parse(group->arena, resource->body, &limits, &json, reterr);
  if (code == 0)
    code = search_values_extract(group->arena, json, &values, reterr);
  if (code == ERR_NO_MEMORY)
    return code;
  if (code != 0) {
    log_warning("store", "%.*s/%.*s was not indexed again: %s",
                STR_ARG(defs_type(resource->type)->name), STR_ARG(resource->id), reterr->text);
    return 0;
  }
  struct store_write *write = VEC_PUSH(group->arena, &group->writes);
  if (!write)
    return err_no_memory(reterr);
  *write = (struct store_write){.type = resource->type,
                                .id = resource->id,
                                .is_reindex = true,
                                .body = resource->body,
                                .values = values,
                                .expected_version = resource->version};
  return 0;
}

static int read_group(const struct reindex *r, struct store *store, struct group_of *group,
                      struct err *reterr) {
  struct store_view *view;
  struct db_query query;
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = store_view_open(store, &view, reterr);
  if (code != 0)
    return code;
  db_query_init(&query, group->arena);
  add_rows_query(&query, r, store_view_schema(view));
  code = db_query_start(store_view_db(view), &query, &row, reterr);
  while (code == 0 && group->bytes < GROUP_BODY_BYTES_MAX &&
         (code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct store_resource resource;
    code = store_row_read_ahead(view, row, 0, group->arena, &resource, reterr);
    if (code != 0)
      break;
    group->last = resource.rid;
    group->seen_n++;
    group->bytes += resource.body.n;
    code = add_resource(group, &resource, reterr);
  }
  group->is_last = !has_row && group->seen_n < GROUP_RESOURCES_MAX;
  db_release(row);
  store_view_close(view);
  return code;
}

/* ---- Commits ---- */

static int finish_inside(void *what, struct db *db, struct sequence *sequence, struct err *reterr) {
  const struct reindex *r = what;
  if (!str_is(r->request.owner, REINDEX_OWN))
    return 0;
  sequence->definitions++; /* what was built can be searched by, in every process */
  int code = parameter_set_job_done(db, r->number, reterr);
  if (code == 0 && r->is_form)
    code = fact_set(db, FACT_INDEX_FORM, STR(SCHEMA_INDEX_FORM), reterr);
  return code;
}

/* What the parameters that are cleared have in the vocabulary goes in pieces, before the end. */
struct word_slice {
  uint64_t job;
  bool has_more;
};

static int take_out_inside(void *what, struct db *db, struct sequence *sequence,
                           struct err *reterr) {
  struct word_slice *slice = what;
  (void)sequence;
  return parameter_set_take_out_words(db, slice->job, WORDS_AT_ONCE, &slice->has_more, reterr);
}

static int take_out_words(const struct reindex *r, struct store *store, bool *ret_has_more,
                          struct err *reterr) {
  struct word_slice slice = {.job = r->number};
  int code = store_run_task(store, take_out_inside, &slice, reterr);
  *ret_has_more = code == 0 && slice.has_more;
  return code;
}

static int commit_group(struct reindex *r, struct store *store, struct group_of *group,
                        struct err *reterr) {
  struct reindex next = *r;
  next.after = group->last;
  next.done += group->seen_n;
  if (next.total < next.done)
    next.total = next.done;
  struct job_change changes[2] = {
      {.verb = JOB_PROGRESS,
       .number = r->number,
       .done = next.done,
       .total = group->is_last ? next.done : next.total,
       .progress = write_progress(group->arena, &next)},
      {.verb = JOB_FINISH, .number = r->number, .expires_us = store_now_us(store) + KEEP_US}};
  struct store_task task = {finish_inside, r};
  struct store_commit commit = {.arena = group->arena,
                                .principal = r->request.owner,
                                .writes = group->writes.p,
                                .writes_n = group->writes.n,
                                .jobs = changes,
                                .jobs_n = group->is_last ? 2 : 1,
                                .task_ = group->is_last ? &task : NULL};
  int code = store_commit_wait(store, &commit, reterr);
  if (code == 0)
    *r = next;
  return code;
}

static int publish(struct reindex *r, struct store *store, struct err *reterr) {
  struct store_view *view;
  int code = store_view_open(store, &view, reterr);
  if (code != 0)
    return code;
  code = parameter_set_publish(store_view_db(view), reterr);
  store_view_close(view);
  r->must_publish = code != 0;
  return code;
}

int reindex_follow(struct db *db, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(db,
                        STR("SELECT done,total FROM job WHERE state<3 AND state=2 AND"
                            " kind='" REINDEX_KIND "' AND owner='" REINDEX_OWN "'"
                            " ORDER BY number LIMIT 1"),
                        &row, reterr);
  if (code != 0)
    return code;
  code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row) {
    int64_t done = db_column_i64(row, 0), total = db_column_i64(row, 1);
    parameters_set_percent(total > 0 && done <= total ? (unsigned)(done * 100 / total) : 0);
  }
  db_release(row);
  return code;
}

/* The task of the last group touches other tables than its writes. */
int reindex_step(struct reindex *r, struct store *store, bool *ret_has_more, struct err *reterr) {
  *ret_has_more = false;
  if (r->must_publish) {
    int code = publish(r, store, reterr);
    if (code != 0)
      return code;
  }
  if (!r->number && !r->may_have_work)
    return 0;
  if (!r->number) {
    int code = take_job(r, store, reterr);
    *ret_has_more = code == 0 && r->number != 0;
    return code;
  }
  struct group_of group = {.arena = arena_new(GROUP_ARENA_MAX_BYTES), .last = r->after};
  int code = group.arena ? read_group(r, store, &group, reterr) : err_no_memory(reterr);
  if (code == 0 && group.is_last && str_is(r->request.owner, REINDEX_OWN)) {
    code = take_out_words(r, store, ret_has_more, reterr);
    if (code == 0 && *ret_has_more) { /* the end comes with another step */
      arena_free(group.arena);
      return 0;
    }
  }
  if (code == 0)
    code = commit_group(r, store, &group, reterr);
  if (code == 0 && str_is(r->request.owner, REINDEX_OWN))
    parameters_set_percent(r->total ? (unsigned)(r->done * 100 / r->total) : 100);
  bool is_over = code == 0 && group.is_last;
  arena_free(group.arena);
  if (code == ERR_CONFLICT || code == ERR_NOT_FOUND) { /* cancelled, or deleted */
    is_over = true;
    code = 0;
  }
  if (is_over) {
    reindex_forget(r);
    r->must_publish = true;
  }
  *ret_has_more = code == 0;
  return code;
}
