#include "store/work/job_write.h"

#include "store/work/lease.h"
#include "store/work/process.h"
#include "store/store_internal.h"

#define JOB_ARENA_MAX_BYTES ((size_t)1 << 30)

static const struct str states[] = {
    [JOB_WAITING] = STR("waiting"), [JOB_RUNNING] = STR("running"),     [JOB_DONE] = STR("done"),
    [JOB_FAILED] = STR("failed"),   [JOB_CANCELLED] = STR("cancelled"),
};

struct str job_state_name(enum job_state state) {
  return states[state];
}

#define IN(state) (1u << (state))
#define UNFINISHED (IN(JOB_WAITING) | IN(JOB_RUNNING))

static const struct {
  unsigned from; /* states that it fits */
  enum job_state to;
} moves[] = {
    [JOB_CLAIM] = {IN(JOB_WAITING), JOB_RUNNING},   [JOB_PROGRESS] = {IN(JOB_RUNNING), JOB_RUNNING},
    [JOB_FINISH] = {IN(JOB_RUNNING), JOB_DONE},     [JOB_FAIL] = {UNFINISHED, JOB_FAILED},
    [JOB_CANCEL] = {UNFINISHED, JOB_CANCELLED},     [JOB_DELETE] = {~0u, JOB_CANCELLED},
    [JOB_RELEASE] = {IN(JOB_RUNNING), JOB_WAITING},
};

/* ---- Changes ---- */

static bool has_number(const struct job_change *change) {
  return change->verb != JOB_CREATE && change->verb != JOB_EXPIRE;
}

static int not_found(struct err *reterr) {
  return err_set(reterr, ERR_NOT_FOUND, "", "There is no such job.");
}

struct job_row {
  int64_t state, holder, lease_us;
  bool is_theirs;    /* of the owner that the change names */
  bool has_progress; /* that the change brings */
};

static int read_row(struct db *db, const struct job_change *change, struct job_row *ret_row,
                    struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(db, STR("SELECT state,owner,holder,lease,progress FROM job WHERE number=?"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, (int64_t)change->number);
  code = db_step(row, &has_row, reterr);
  *ret_row = (struct job_row){0};
  if (code == 0 && has_row)
    *ret_row = (struct job_row){
        .state = db_column_i64(row, 0),
        .holder = db_column_i64(row, 2),
        .lease_us = db_column_i64(row, 3),
        .is_theirs = str_is_empty(change->owner) || str_equal(change->owner, db_column_str(row, 1)),
        .has_progress = change->progress.p && str_equal(change->progress, db_column_str(row, 4))};
  db_release(row);
  return code;
}

/* One that runs can be claimed when its holder has not been heard of until its lease ended. Not by
 * the holder itself: it was only late, and the thread that runs the job is still there. */
static int is_abandoned(struct db *db, const struct job_row *row, int64_t claimer,
                        bool *ret_is_abandoned, struct err *reterr) {
  int64_t now;
  int code = db_now(db, &now, reterr);
  if (code == 0)
    *ret_is_abandoned = row->lease_us < now && row->holder != claimer;
  return code;
}

static bool is_of_holder(enum job_verb verb) {
  return verb == JOB_RELEASE || verb == JOB_PROGRESS || verb == JOB_FINISH || verb == JOB_FAIL;
}

static int in_state(int64_t state, struct err *reterr) {
  bool is_known = state >= JOB_WAITING && state <= JOB_CANCELLED;
  return err_set(reterr, ERR_CONFLICT, "", "The job is %.*s.",
                 STR_ARG(job_state_name(is_known ? (enum job_state)state : JOB_FAILED)));
}

int job_check(struct db *db, struct job_change *change, bool *ret_is_refusal, struct err *reterr) {
  struct job_row row;
  bool fits = false;
  if (!has_number(change))
    return 0;
  int code = read_row(db, change, &row, reterr);
  if (code == 0 && change->verb == JOB_CLAIM && row.state == JOB_RUNNING)
    code = is_abandoned(db, &row, change->holder_, &fits, reterr);
  if (code != 0)
    return code;
  change->is_again = change->verb == JOB_CLAIM && row.has_progress;
  fits |= row.state > 0 && row.state < 32 && (moves[change->verb].from >> row.state & 1);
  if (!row.is_theirs)
    code = not_found(reterr);
  else if (!fits)
    code = in_state(row.state, reterr);
  else if (is_of_holder(change->verb) && row.holder != 0 && row.holder != change->holder_)
    code = err_set(reterr, ERR_CONFLICT, "", "The job is run by another process.");
  *ret_is_refusal = code != 0;
  return code;
}

static struct str text_of(struct str text) {
  return text.p ? text : STR("");
}

static int create(struct db *db, const struct body_codec *codec, struct arena *arena,
                  struct sequence *sequence, struct job_change *change, struct err *reterr) {
  struct str request;
  struct db_statement *row = NULL;
  int64_t now;
  int code = body_pack(codec, arena, BODY_OTHER, text_of(change->request), &request, reterr);
  if (code == 0)
    code = db_now(db, &now, reterr);
  if (code == 0)
    code = db_prepare(db,
                      STR("INSERT INTO job(number,state,kind,owner,created,updated,expires,done,"
                          "total,progress,request) VALUES(?,?,?,?,?,?,0,0,?,?,?)"),
                      &row, reterr);
  if (code != 0)
    return code;
  change->number = ++sequence->job;
  db_bind_i64(row, 1, (int64_t)change->number);
  db_bind_i64(row, 2, JOB_WAITING);
  db_bind_text(row, 3, text_of(change->kind));
  db_bind_text(row, 4, text_of(change->owner));
  db_bind_i64(row, 5, now);
  db_bind_i64(row, 6, now);
  db_bind_i64(row, 7, (int64_t)change->total);
  db_bind_text(row, 8, text_of(change->progress));
  db_bind_bytes(row, 9, request);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

static int progress(struct db *db, const struct job_change *change, struct err *reterr) {
  struct db_statement *row = NULL;
  int64_t now;
  int code = db_now(db, &now, reterr);
  if (code == 0)
    code = db_prepare(db, STR("UPDATE job SET updated=?,done=?,total=?,progress=? WHERE number=?"),
                      &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, now);
  db_bind_i64(row, 2, (int64_t)change->done);
  db_bind_i64(row, 3, (int64_t)change->total);
  db_bind_text(row, 4, text_of(change->progress));
  db_bind_i64(row, 5, (int64_t)change->number);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

static int note_progress(struct db *db, const struct job_change *change, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db, STR("UPDATE job SET progress=? WHERE number=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, change->progress);
  db_bind_i64(row, 2, (int64_t)change->number);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

static int claim(struct db *db, const struct job_change *change, struct err *reterr) {
  int64_t now, until;
  int code = lease_end(db, change->lease_us_, &now, &until, reterr);
  if (code != 0)
    return code;
  const int64_t values[] = {JOB_RUNNING, now, change->holder_, until, (int64_t)change->number};
  code = db_execute_i64(
      db, STR("UPDATE job SET state=?,updated=?,expires=0,holder=?,lease=? WHERE number=?"), values,
      5, reterr);
  return code || !change->progress.p ? code : note_progress(db, change, reterr);
}

static int end(struct db *db, const struct body_codec *codec, struct arena *arena,
               const struct job_change *change, struct err *reterr) {
  bool has_result = change->verb != JOB_CANCEL;
  struct str result = STR_NULL;
  struct db_statement *row = NULL;
  int64_t now;
  int code = has_result
                 ? body_pack(codec, arena, BODY_OTHER, text_of(change->result), &result, reterr)
                 : 0;
  if (code == 0)
    code = db_now(db, &now, reterr);
  if (code == 0)
    code = db_prepare(
        db,
        STR("UPDATE job SET state=?,updated=?,expires=?,result=?,holder=0,lease=0 WHERE number=?"),
        &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, moves[change->verb].to);
  db_bind_i64(row, 2, now);
  db_bind_i64(row, 3, change->expires_us);
  if (result.p)
    db_bind_bytes(row, 4, result);
  else
    db_bind_null(row, 4);
  db_bind_i64(row, 5, (int64_t)change->number);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

int job_apply(struct db *db, const struct body_codec *codec, struct arena *arena,
              struct sequence *sequence, struct job_change *change, struct err *reterr) {
  int64_t number = (int64_t)change->number;
  switch (change->verb) {
  case JOB_CREATE:
    return create(db, codec, arena, sequence, change, reterr);
  case JOB_PROGRESS:
    return progress(db, change, reterr);
  case JOB_CLAIM:
    return claim(db, change, reterr);
  case JOB_FINISH:
  case JOB_FAIL:
  case JOB_CANCEL:
    return end(db, codec, arena, change, reterr);
  case JOB_RELEASE:
    return db_execute_i64(db, STR("UPDATE job SET state=1,holder=0,lease=0 WHERE number=?"),
                          &number, 1, reterr);
  case JOB_DELETE:
    return db_execute_i64(db, STR("DELETE FROM job WHERE number=?"), &number, 1, reterr);
  case JOB_EXPIRE:
    return db_execute_i64(db,
                          STR("DELETE FROM job WHERE number IN (SELECT number FROM job WHERE"
                              " expires>0 AND expires<? ORDER BY number LIMIT 16)"),
                          &change->expires_us, 1, reterr);
  }
  return err_set(reterr, ERR_INTERNAL, "", "There is no such change of a job.");
}

int job_renew_all(struct db *db, int64_t holder, int64_t for_us, struct err *reterr) {
  int64_t now, until;
  int code = lease_end(db, for_us, &now, &until, reterr);
  if (code != 0)
    return code;
  const int64_t values[] = {until, holder};
  return db_execute_i64(db, STR("UPDATE job SET lease=? WHERE state<3 AND state=2 AND holder=?"),
                        values, 2, reterr);
}

int job_release_all(struct db *db, int64_t holder, struct err *reterr) {
  static const struct str of_one =
      STR("UPDATE job SET state=1,holder=0,lease=0 WHERE state<3 AND state=2 AND holder=?");
  static const struct str of_all =
      STR("UPDATE job SET state=1,holder=0,lease=0 WHERE state<3 AND state=2");
  return db_execute_i64(db, holder ? of_one : of_all, &holder, holder ? 1 : 0, reterr);
}

int job_has_expired(struct store_view *view, int64_t before_us, bool *ret_has, struct err *reterr) {
  struct db_statement *row = NULL;
  int code =
      db_prepare(store_view_db(view),
                 STR("SELECT number FROM job WHERE expires>0 AND expires<? LIMIT 1"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, before_us);
  code = db_step(row, ret_has, reterr);
  db_release(row);
  return code;
}

int job_change(struct store *store, struct job_change *change, struct err *reterr) {
  struct arena *arena = arena_new(JOB_ARENA_MAX_BYTES);
  if (!arena)
    return err_no_memory(reterr);
  struct store_commit commit = {
      .arena = arena, .principal = text_of(change->owner), .jobs = change, .jobs_n = 1};
  int code = store_commit_wait(store, &commit, reterr);
  arena_free(arena);
  return code;
}

/* ---- Reading ---- */

#define JOB_COLUMNS                                                                                \
  "number,state,kind,owner,created,updated,expires,done,total,progress,request,holder,lease"

static int read_job(struct store_view *view, struct db_statement *row, struct arena *arena,
                    struct job *job, struct err *reterr) {
  *job = (struct job){.number = (uint64_t)db_column_i64(row, 0),
                      .state = (enum job_state)db_column_i64(row, 1),
                      .kind = arena_str(arena, db_column_str(row, 2)),
                      .owner = arena_str(arena, db_column_str(row, 3)),
                      .created_us = db_column_i64(row, 4),
                      .updated_us = db_column_i64(row, 5),
                      .expires_us = db_column_i64(row, 6),
                      .done = (uint64_t)db_column_i64(row, 7),
                      .total = (uint64_t)db_column_i64(row, 8),
                      .progress = arena_str(arena, db_column_str(row, 9)),
                      .holder = db_column_i64(row, 11),
                      .lease_us = db_column_i64(row, 12)};
  if (!job->kind.p || !job->owner.p || !job->progress.p)
    return err_no_memory(reterr);
  if (job->state < JOB_WAITING || job->state > JOB_CANCELLED)
    return err_set(reterr, ERR_STORE, "", "The store holds a job in a state that is unknown.");
  return body_unpack(store_view_codec(view), arena, db_column_str(row, 10), &job->request, reterr);
}

int job_read(struct store_view *view, struct arena *arena, uint64_t number, struct str owner,
             struct job *ret_job, struct err *reterr) {
  struct db_statement *row = NULL;
  struct job job;
  bool has_row = false;
  int code = db_prepare(store_view_db(view),
                        STR("SELECT " JOB_COLUMNS ",result FROM job WHERE number=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, number <= INT64_MAX ? (int64_t)number : -1);
  code = db_step(row, &has_row, reterr);
  if (code == 0 && !has_row)
    code = not_found(reterr);
  if (code == 0)
    code = read_job(view, row, arena, &job, reterr);
  if (code == 0 && !db_column_is_null(row, 13))
    code = body_unpack(store_view_codec(view), arena, db_column_str(row, 13), &job.result, reterr);
  db_release(row);
  if (code != 0)
    return code;
  bool has_expired = job.expires_us > 0 && job.expires_us < store_now_us(store_of_view(view));
  if (has_expired || (!str_is_empty(owner) && !str_equal(owner, job.owner)))
    return not_found(reterr);
  *ret_job = job;
  return 0;
}

static int read_jobs(struct store_view *view, struct arena *arena, const struct db_query *query,
                     struct jobs *ret_jobs, struct err *reterr) {
  struct db_statement *row = NULL;
  VEC(struct job) jobs = {0};
  bool has_row;
  int code = db_query_start(store_view_db(view), query, &row, reterr);
  if (code != 0)
    return code;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct job *job = VEC_PUSH(arena, &jobs);
    code = job ? read_job(view, row, arena, job, reterr) : err_no_memory(reterr);
    if (code != 0)
      break;
  }
  db_release(row);
  if (code == 0)
    *ret_jobs = (struct jobs){jobs.p, jobs.n};
  return code;
}

int job_unfinished(struct store_view *view, struct arena *arena, struct str kind,
                   struct jobs *ret_jobs, struct err *reterr) {
  struct db_query query;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT " JOB_COLUMNS " FROM job WHERE state<3");
  if (!str_is_empty(kind)) {
    db_query_add(&query, " AND kind=");
    db_query_text(&query, kind);
  }
  db_query_add(&query, " ORDER BY number");
  return read_jobs(view, arena, &query, ret_jobs, reterr);
}

int job_claimable(struct store_view *view, struct arena *arena, struct str kind, size_t max,
                  struct jobs *ret_jobs, struct err *reterr) {
  struct db_query query;
  db_query_init(&query, arena);
  db_query_add(&query, "SELECT " JOB_COLUMNS " FROM job WHERE state<3 AND kind=");
  db_query_text(&query, kind);
  db_query_add(&query, " AND (state=1 OR lease<");
  db_query_i64(&query, store_now_us(store_of_view(view)));
  db_query_add(&query, " AND holder<>");
  db_query_i64(&query, store_process_id(store_of_view(view)));
  db_query_add(&query, ") ORDER BY number LIMIT ");
  db_query_i64(&query, (int64_t)max);
  return read_jobs(view, arena, &query, ret_jobs, reterr);
}

int job_count(struct store_view *view, struct str kind, uint64_t *ret_n, struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code =
      db_prepare(store_view_db(view), STR("SELECT count(*) FROM job WHERE kind=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, kind);
  code = db_step(row, &has_row, reterr);
  if (code == 0)
    *ret_n = has_row ? (uint64_t)db_column_i64(row, 0) : 0;
  db_release(row);
  return code;
}
