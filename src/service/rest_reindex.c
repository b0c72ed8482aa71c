/*
 * $reindex: resources are gone through again in the background, so that the index has what their
 * bodies say (store/work/reindex.h). Answered at once with the URL of the job, which tells how far
 * it is and can be cancelled; the store goes on with it after a restart.
 */
#include "service/rest_job.h"
#include "service/rest_parameters.h"
#include "store/work/reindex.h"

#define RETRY_AFTER_S 1

/* ---- What is asked ---- */

struct asked {
  VEC(defs_type_id) types;
  struct str url;
};

static int add_type(struct rest_call *call, struct asked *asked, defs_type_id type,
                    struct err *reterr) {
  for (size_t i = 0; i < asked->types.n; i++)
    if (asked->types.p[i] == type)
      return 0;
  defs_type_id *place = VEC_PUSH(call->arena, &asked->types);
  if (!place)
    return err_no_memory(reterr);
  *place = type;
  return 0;
}

static int add_types(struct rest_call *call, struct asked *asked, struct str names,
                     struct err *reterr) {
  struct str name;
  while (str_split(&names, ',', &name)) {
    defs_type_id type;
    int code = rest_find_type(name, &type, reterr);
    if (code == 0)
      code = add_type(call, asked, type, reterr);
    if (code)
      return code;
  }
  return 0;
}

/* The types that have the parameter with this URL. */
static int add_url(struct rest_call *call, struct asked *asked, struct str url,
                   struct err *reterr) {
  size_t before = asked->types.n;
  bool is_known = false;
  int code = 0;
  asked->url = url;
  for (size_t i = 1; code == 0 && i <= defs_types_count(); i++) {
    size_t n;
    const defs_param_id *params = defs_params_of((defs_type_id)i, &n);
    bool has = false;
    if (!defs_is_resource(defs_type((defs_type_id)i)))
      continue;
    for (size_t k = 0; k < n && !has; k++)
      has = str_equal(defs_param(params[k])->url, url);
    is_known |= has;
    if (has && (before == 0 || call->type == (defs_type_id)i))
      code = add_type(call, asked, (defs_type_id)i, reterr);
  }
  if (code == 0 && !is_known)
    code = err_set(reterr, ERR_UNPROCESSABLE, "url",
                   "No search parameter of this server has this URL.");
  return code;
}

static int read_asked(struct rest_call *call, struct asked *asked, struct err *reterr) {
  static const char *const known[] = {"type", "url", NULL};
  const struct search_pair *pairs;
  size_t n;
  int code = rest_operation_pairs(call, &pairs, &n, reterr);
  if (code == 0 && call->type)
    code = add_type(call, asked, call->type, reterr);
  for (size_t i = 0; code == 0 && i < n; i++) {
    if (str_is(pairs[i].name, "type") && !call->type)
      code = add_types(call, asked, pairs[i].value, reterr);
    else if (str_is(pairs[i].name, "url"))
      code = add_url(call, asked, pairs[i].value, reterr);
    else if (!call->is_lenient)
      code = rest_unknown_parameter(pairs[i].name, "$reindex", known + (call->type != 0), reterr);
  }
  return code;
}

static int check_resource(struct rest_call *call, struct err *reterr) {
  struct store_view *view;
  struct store_resource found;
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  code = store_read(view, &call->access, call->arena, call->type, call->id, &found, reterr);
  store_view_close(view);
  return code;
}

void rest_reindex(struct rest_call *call) {
  struct asked asked = {0};
  struct err err;
  uint64_t number = 0;
  int code = read_asked(call, &asked, &err);
  if (code == 0 && call->id.n > 0)
    code = check_resource(call, &err);
  struct reindex_request request = {.owner = call->access.principal,
                                    .types = asked.types.p,
                                    .types_n = asked.types.n,
                                    .id = call->id,
                                    .url = asked.url};
  if (code == 0)
    code = reindex_start(call->service->options.store, &request, &number, &err);
  if (code) {
    rest_fail(call, &err);
    return;
  }
  struct err accepted = {.severity = ERR_SEVERITY_INFORMATION};
  snprintf(accepted.text, sizeof accepted.text,
           "Accepted; the URL in Content-Location tells how far it is.");
  call->answer = (struct rest_answer){
      .status = 202,
      .is_outcome = true,
      .body = rest_outcome(call->arena, &accepted, 1),
      .content_location = arena_printf(call->arena, "_reindex/%llu", (unsigned long long)number),
      .retry_after_s = RETRY_AFTER_S};
  rest_finish(call);
}

/* ---- How far it is ---- */

static int find_job(struct rest_call *call, struct job *ret_job, struct err *reterr) {
  int code = rest_job_find(call, call->id, REINDEX_KIND, ret_job, reterr);
  if (code == ERR_NOT_FOUND)
    (void)!err_set(reterr, ERR_NOT_FOUND, "",
                   "There is no such $reindex: it was cancelled, has expired, or never was.");
  return code;
}

static struct str write_result(struct rest_call *call, const struct job *job) {
  struct buf buf;
  buf_init_arena(&buf, call->arena, 4096);
  struct json_writer w = json_writer(&buf);
  rest_parameters_begin(&w);
  rest_parameter_write(&w, "state", "valueCode", job_state_name(job->state));
  json_begin_object(&w);
  json_member_string(&w, STR("name"), STR("resources"));
  json_member_int(&w, STR("valueInteger"), (int64_t)job->done);
  json_end_object(&w);
  rest_parameters_end(&w);
  return buf_str(&buf);
}

void rest_reindex_status(struct rest_call *call) {
  struct job job;
  struct err err;
  if (find_job(call, &job, &err)) {
    rest_fail(call, &err);
    return;
  }
  if (job.state == JOB_WAITING || job.state == JOB_RUNNING) {
    call->answer.status = 202;
    call->answer.progress =
        arena_printf(call->arena, "%llu of %llu resources", (unsigned long long)job.done,
                     (unsigned long long)job.total);
    call->answer.retry_after_s = RETRY_AFTER_S;
  } else {
    call->answer.status = 200;
    call->answer.body = write_result(call, &job);
    call->answer.expires_us = job.expires_us;
  }
  rest_finish(call);
}

void rest_reindex_cancel(struct rest_call *call) {
  struct job job = {0};
  struct err err;
  int code = find_job(call, &job, &err);
  if (code)
    rest_fail(call, &err);
  else
    rest_job_delete(call, job.number);
}
