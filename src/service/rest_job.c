#include "service/rest_job.h"

int rest_job_find(struct rest_call *call, struct str number, const char *kind, struct job *ret_job,
                  struct err *reterr) {
  struct store_view *view;
  uint64_t n = 0;
  if (!str_to_u64(number, &n))
    return ERR_NOT_FOUND;
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  code = job_read(view, call->arena, n, call->access.principal, ret_job, reterr);
  store_view_close(view);
  if (code == 0 && (!str_is(ret_job->kind, kind) || ret_job->state == JOB_CANCELLED))
    code = ERR_NOT_FOUND;
  return code;
}

void rest_job_delete(struct rest_call *call, uint64_t number) {
  struct err err;
  struct job_change change = {
      .verb = JOB_DELETE, .number = number, .owner = call->access.principal};
  if (job_change(call->service->options.store, &change, &err)) {
    rest_fail(call, &err);
    return;
  }
  call->answer.status = 202;
  rest_finish(call);
}
