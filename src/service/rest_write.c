/* create, update, delete, with and without conditions. */
#include "service/rest_write.h"

#include "format/url.h"
#include "model/resource.h"

#define ATTEMPTS_MAX 30
#define BODY_MAX_BYTES ((size_t)256 << 20)

/* ---- Preparing, committing, settling -------------------------------------------------------- */

static void prepare(struct rest_call *call);

/* Before the call ends: what comes after may be on another thread, and the call gone. */
static void leave_turn(struct rest_call *call) {
  if (call->write->has_turn)
    turns_leave(call->service->turns, &call->write->turn);
  call->write->has_turn = false;
}

static void prepare_job(void *what) {
  prepare(what);
}

static void go(void *what) {
  struct rest_call *call = what;
  call->job = (struct worker_job){.run = prepare_job, .what = call};
  workers_submit(call->service->workers, &call->job);
}

/* One turn at a time, so that no two wait for each other. */
static bool take_turn(struct rest_call *call, struct str name) {
  struct rest_write *write = call->write;
  if (write->has_turn && str_equal(write->turn_name, name))
    return true;
  leave_turn(call);
  write->turn = (struct turn){.go = go, .what = call};
  write->turn_name = name;
  write->has_turn = true;
  return turns_take(call->service->turns, &write->turn, name);
}

/* Patches of one resource wait for each other. */
static bool takes_first_turn(struct rest_call *call) {
  return take_turn(call, call->id.n > 0 ? call->id : call->query);
}

/* What others were faster with is done in turn with them the next time: many quick patches would
 * throw a large transaction back for ever. */
static bool waits_for_nobody(struct rest_call *call) {
  const struct store_commit *commit = &call->write->commit;
  return commit->failed_write >= commit->writes_n ||
         take_turn(call, commit->writes[commit->failed_write].id);
}

static void answer_write(struct rest_call *call) {
  leave_turn(call);
  call->write->answer(call);
}

static void fail(struct rest_call *call, const struct err *err) {
  leave_turn(call);
  rest_fail(call, err);
}

/* A patch whose result is not valid can't be processed (RFC 5789, 2.2), whatever the fault. */
static void fail_issues(struct rest_call *call) {
  leave_turn(call);
  rest_fail_issues(call, call->write->is_change ? 422 : 0, &call->write->issues);
}

static void settle(void *what) {
  struct rest_call *call = what;
  struct rest_write *write = call->write;
  struct err err = write->commit.err;
  if (write->commit.code == 0) {
    answer_write(call);
    return;
  }
  if (write->commit.code == ERR_STALE && ++write->attempts < ATTEMPTS_MAX) {
    if (waits_for_nobody(call))
      prepare(call);
    return;
  }
  size_t failed = write->commit.failed_write;
  for (size_t i = 0; i < write->n; i++) {
    const struct transaction_entry *entry = &write->entries[i];
    if (entry->write != failed || write->commit.writes_n == 0)
      continue;
    if (write->commit.code == ERR_CONFLICT && str_is(entry->if_none_match, "*"))
      err.code = ERR_PRECONDITION;
    if (entry->where.n > 0) {
      const struct err below = err;
      (void)!err_set_at(&err, below.code, entry->where, "%s", below.text);
    }
    break;
  }
  fail(call, &err);
}

/* On the committer's thread: others wait for it, so the rest is done elsewhere. */
static void committed(struct store_commit *commit, void *what) {
  struct rest_call *call = what;
  (void)commit;
  call->job = (struct worker_job){.run = settle, .what = call};
  workers_submit(call->service->workers, &call->job);
}

static int prepare_entries(struct rest_call *call, struct err *reterr) {
  struct rest_write *write = call->write;
  const struct limits *limits = &call->service->limits;
  struct transaction_options options = {.access = &call->access,
                                        .base_url = call->base_url,
                                        .is_transaction = write->is_transaction,
                                        .resolves_conditions =
                                            write->is_transaction || call->is_entry,
                                        .deletes_max = limits->conditional_deletes,
                                        .patch_operations_max = limits->patch_operations,
                                        .with_invariants = true};
  struct store_view *view;
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  code = transaction_prepare(call->arena, view, &options, write->entries, write->n, &write->commit,
                             &write->issues, reterr);
  store_view_close(view);
  return code;
}

static void prepare(struct rest_call *call) {
  struct rest_write *write = call->write;
  struct err err;
  write->issues = (struct issues){0};
  write->commit = (struct store_commit){.arena = call->arena,
                                        .principal = call->access.principal,
                                        .audits = &write->audit,
                                        .audits_n = 1,
                                        .done = committed,
                                        .what = call,
                                        .failed_write = SIZE_MAX};
  int code = write->read(call, &err);
  if (code == 0 && write->issues.errors_n == 0)
    code = prepare_entries(call, &err);
  if (code)
    fail(call, &err);
  else if (write->issues.errors_n > 0)
    fail_issues(call);
  else if (write->commit.writes_n == 0)
    answer_write(call);
  else
    store_submit(call->service->options.store, &write->commit);
}

void rest_write_run(struct rest_call *call) {
  if (!call->write->is_change || takes_first_turn(call))
    prepare(call);
}

/* ---- The request ---------------------------------------------------------------------------- */

/* The query of a conditional interaction, without what is about the form of the answer. */
static struct str write_condition(const struct rest_call *call) {
  struct buf buf;
  buf_init_arena(&buf, call->arena, BODY_MAX_BYTES);
  for (size_t i = 0; i < call->pairs_n; i++) {
    if (i > 0)
      buf_add_char(&buf, '&');
    url_encode(&buf, call->pairs[i].name);
    buf_add_char(&buf, '=');
    url_encode(&buf, call->pairs[i].value);
  }
  return buf_str(&buf);
}

static int read_single(struct rest_call *call, struct err *reterr) {
  struct rest_write *write = call->write;
  struct transaction_entry *entry = write->entries;
  struct str type = defs_type(call->type)->name;
  *entry = (struct transaction_entry){.method = call->method,
                                      .if_match = call->headers.if_match,
                                      .if_none_match = call->headers.if_none_match,
                                      .if_none_exist = call->headers.if_none_exist};
  if (call->id.n > 0)
    entry->url = arena_printf(call->arena, "%.*s/%.*s", STR_ARG(type), STR_ARG(call->id));
  else if (str_is(call->method, "POST"))
    entry->url = type;
  else
    entry->url =
        arena_printf(call->arena, "%.*s?%.*s", STR_ARG(type), STR_ARG(write_condition(call)));
  if (!entry->url.p)
    return err_no_memory(reterr);
  if (str_is(call->method, "PATCH"))
    return rest_read_patch(call, entry, reterr);
  if (str_is(call->method, "DELETE"))
    return 0;
  return rest_binary_is_bytes(call) ? rest_binary_read(call, &entry->resource, reterr)
                                    : rest_read_body(call, &entry->resource, reterr);
}

/* ---- The answer ----------------------------------------------------------------------------- */

static int status_of(enum store_effect effect) {
  switch (effect) {
  case STORE_CREATED:
    return 201;
  case STORE_UPDATED:
  case STORE_UNCHANGED:
    return 200;
  case STORE_DELETED:
  case STORE_WAS_DELETED:
    return 204;
  }
  return 200;
}

static struct str outcome_of(struct rest_call *call, const struct transaction_entry *entry,
                             const struct rest_answer *answer) {
  struct err issue = {.severity = ERR_SEVERITY_INFORMATION};
  snprintf(issue.text, sizeof issue.text, "%s%.*s",
           answer->status == 201   ? "Created "
           : answer->status == 204 ? "Deleted "
                                   : "Stored ",
           STR_ARG(answer->location));
  if (entry->verb == TRANSACTION_DELETE && entry->is_conditional)
    snprintf(issue.text, sizeof issue.text, "Deleted %zu of type %.*s.", entry->matches.n,
             STR_ARG(defs_type(entry->type)->name));
  return rest_outcome(call->arena, &issue, 1);
}

/* A conditional delete says how many, where it was not the one that it was most likely meant for.
 */
static bool wants_outcome(const struct rest_call *call, const struct transaction_entry *entry) {
  bool is_count = entry->verb == TRANSACTION_DELETE && entry->is_conditional &&
                  entry->matches.n != 1 && call->wanted != REST_RETURN_MINIMAL;
  return is_count || call->wanted == REST_RETURN_OUTCOME;
}

static int add_body(struct rest_call *call, const struct transaction_entry *entry, bool with_body,
                    struct str body, uint32_t version, struct rest_answer *answer,
                    struct err *reterr) {
  bool wants_resource = call->wanted == REST_RETURN_REPRESENTATION ||
                        (call->wanted == REST_RETURN_DEFAULT && with_body);
  struct buf buf;
  if (wants_outcome(call, entry)) {
    answer->body = outcome_of(call, entry, answer);
    answer->is_outcome = true;
    if (answer->status == 204)
      answer->status = 200;
    return 0;
  }
  if (!wants_resource || body.n == 0)
    return 0;
  buf_init_arena(&buf, call->arena, BODY_MAX_BYTES);
  if (!buf_extend(&buf, body.n + 100))
    return err_no_memory(reterr);
  buf.n = 0;
  resource_write(&buf, body, version, answer->last_modified_us);
  answer->body = buf_str(&buf);
  return buf_is_overflown(&buf) ? err_no_memory(reterr) : 0;
}

int rest_answer_entry(struct rest_call *call, const struct transaction_entry *entry, bool with_body,
                      struct rest_answer *ret_answer, struct err *reterr) {
  struct rest_answer answer = {.status = 204};
  struct str body = STR_NULL, id = entry->id;
  uint32_t version = 0;
  if (entry->write != TRANSACTION_NO_WRITE) {
    const struct store_write *write = &call->write->commit.writes[entry->write];
    answer.status = status_of(write->effect);
    answer.last_modified_us = write->updated_us;
    version = entry->matches.n > 1 ? 0 : write->version;
    body = write->body;
  } else if (entry->found.id.n > 0) {
    answer.status = 200;
    answer.last_modified_us = entry->found.updated_us;
    version = entry->found.version;
    body = entry->found.body;
  }
  if (version > 0) {
    answer.etag = rest_etag(call->arena, version);
    answer.location = arena_printf(call->arena, "%.*s/%.*s/_history/%u",
                                   STR_ARG(defs_type(entry->type)->name), STR_ARG(id), version);
  }
  int code = add_body(call, entry, with_body, body, version, &answer, reterr);
  *ret_answer = answer;
  return code;
}

static void answer_single(struct rest_call *call) {
  struct err err;
  int code = rest_answer_entry(call, call->write->entries, true, &call->answer, &err);
  if (call->answer.status != 201 && !call->is_entry)
    call->answer.location = STR_NULL;
  if (code)
    rest_fail(call, &err);
  else
    rest_finish(call);
}

/* "Patient/1", or the type where the id is not known yet. */
static struct str name_of(struct rest_call *call) {
  struct str type = defs_type(call->type)->name;
  struct buf buf;
  if (call->id.n == 0)
    return type;
  buf_init_arena(&buf, call->arena, type.n + call->id.n + 1);
  buf_add(&buf, type);
  buf_add_char(&buf, '/');
  buf_add(&buf, call->id);
  return buf_str(&buf);
}

void rest_write_single(struct rest_call *call, const char *action,
                       int (*read)(struct rest_call *call, struct err *reterr),
                       void (*answer)(struct rest_call *call)) {
  struct rest_write *write = ARENA_NEW(call->arena, struct rest_write);
  struct err err;
  if (write)
    write->entries = ARENA_NEW(call->arena, struct transaction_entry);
  if (!write || !write->entries) {
    (void)!err_no_memory(&err);
    rest_fail(call, &err);
    return;
  }
  write->n = 1;
  write->read = read ? read : read_single;
  write->answer = answer ? answer : answer_single;
  write->is_change = read || str_is(call->method, "PATCH");
  write->audit =
      (struct store_audit){.action = str_of(action), .what = name_of(call), .outcome = STR("0")};
  call->write = write;
  rest_write_run(call);
}

void rest_create(struct rest_call *call) {
  rest_write_single(call, "create", NULL, NULL);
}

void rest_update(struct rest_call *call) {
  rest_write_single(call, "update", NULL, NULL);
}

void rest_delete(struct rest_call *call) {
  rest_write_single(call, "delete", NULL, NULL);
}
