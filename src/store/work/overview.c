#include "store/work/overview.h"

#include "store/schema/fact.h"
#include "store/schema/sequence.h"
#include "store/store_internal.h"

static int read_counts(struct db *db, struct store_overview *overview, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(db,
                        STR("SELECT (SELECT sum(n) FROM counter WHERE kind=1),"
                            "(SELECT count(*) FROM dictionary),"
                            "(SELECT count(*) FROM job WHERE state<3),"
                            "(SELECT count(*) FROM job WHERE state=4),"
                            "(SELECT time FROM commit_log WHERE seq="
                            "(SELECT max(seq) FROM commit_log))"),
                        &row, reterr);
  if (code != 0)
    return code;
  code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row) {
    overview->resources = (uint64_t)db_column_i64(row, 0);
    overview->dictionaries = (uint64_t)db_column_i64(row, 1);
    overview->jobs_n = (uint64_t)db_column_i64(row, 2);
    overview->failed_jobs_n = (uint64_t)db_column_i64(row, 3);
    overview->committed_us = db_column_i64(row, 4);
  }
  db_release(row);
  return code;
}

static int read_job(struct db_statement *row, struct arena *arena, struct job *job,
                    struct err *reterr) {
  *job = (struct job){.number = (uint64_t)db_column_i64(row, 0),
                      .kind = arena_str(arena, db_column_str(row, 1)),
                      .state = (enum job_state)db_column_i64(row, 2),
                      .created_us = db_column_i64(row, 3),
                      .updated_us = db_column_i64(row, 4),
                      .done = (uint64_t)db_column_i64(row, 5),
                      .total = (uint64_t)db_column_i64(row, 6),
                      .holder = db_column_i64(row, 7)};
  return job->kind.p ? 0 : err_no_memory(reterr);
}

static int read_jobs(struct db *db, struct arena *arena, struct jobs *ret_jobs,
                     struct err *reterr) {
  struct db_statement *row = NULL;
  VEC(struct job) list = {0};
  bool has_row;
  int code = db_prepare(db,
                        STR("SELECT number,kind,state,created,updated,done,total,holder FROM job"
                            " WHERE state<3 ORDER BY number LIMIT ?"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, OVERVIEW_JOBS_MAX);
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct job *job = VEC_PUSH(arena, &list);
    code = job ? read_job(row, arena, job, reterr) : err_no_memory(reterr);
    if (code != 0)
      break;
  }
  db_release(row);
  if (code == 0)
    *ret_jobs = (struct jobs){list.p, list.n};
  return code;
}

int store_overview(struct store_view *view, struct arena *arena,
                   struct store_overview *ret_overview, struct err *reterr) {
  struct db *db = store_view_db(view);
  struct sequence sequence;
  struct store_overview overview = {.schema_version = SCHEMA_VERSION,
                                    .is_distributed = store_view_schema(view)->is_sharded};
  int code = db_server(db, arena, &overview.server, reterr);
  if (code == 0)
    code = db_size(db, &overview.size, reterr);
  if (code == 0)
    code = sequence_read(db, &sequence, reterr);
  if (code == 0)
    code = fact_read_number(db, FACT_TEXT_WATERMARK, &overview.events_indexed, reterr);
  if (code == 0)
    code = read_counts(db, &overview, reterr);
  if (code == 0)
    code = read_jobs(db, arena, &overview.jobs, reterr);
  if (code != 0)
    return code;
  overview.versions = sequence.versions;
  overview.messages = sequence.message;
  overview.commits = sequence.seq;
  overview.events = sequence.event;
  *ret_overview = overview;
  return 0;
}
