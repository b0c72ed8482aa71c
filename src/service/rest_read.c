/* read and vread. */
#include "service/rest_metadata.h"

/* Has the client this version already? (RFC 9110, 13.1.2 and 13.1.3) */
static bool is_unchanged(const struct rest_call *call, const struct store_resource *resource) {
  struct str rest = call->headers.if_none_match, one;
  int64_t since_us;
  if (rest.n > 0) {
    while (rest.n > 0 && str_split(&rest, ',', &one))
      if (str_is(str_trim(one), "*") || transaction_version_of_etag(one) == resource->version)
        return true;
    return false;
  }
  return rest_parse_http_date(call->headers.if_modified_since, &since_us) &&
         resource->updated_us / 1000000 <= since_us / 1000000;
}

static int check_query(const struct rest_call *call, struct err *reterr) {
  static const char *const known[] = {"_summary", "_elements", NULL};
  return call->pairs_n > 0 ? rest_check_parameters(call, "A read", known, reterr) : 0;
}

static void answer_read(struct rest_call *call, int code, const struct store_resource *resource,
                        struct err *err) {
  if (code == 0 && is_unchanged(call, resource)) {
    call->answer.status = 304;
    call->answer.etag = rest_etag(call->arena, resource->version);
    call->answer.last_modified_us = resource->updated_us;
    rest_finish(call);
    return;
  }
  if (code == 0)
    code = call->wants_bytes ? rest_binary_answer(call, resource, err)
                             : rest_answer_resource(call, 200, resource, err);
  if (code)
    rest_fail(call, err);
  else
    rest_finish(call);
}

void rest_read(struct rest_call *call) {
  struct store_view *view;
  struct store_resource resource;
  struct err err;
  int code = check_query(call, &err);
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = store_read(view, &call->access, call->arena, call->type, call->id, &resource, &err);
    store_view_close(view);
  }
  if (code == ERR_NOT_FOUND && call->type == defs_type_by_name(STR("OperationDefinition")) &&
      rest_definition(call, call->id, &call->answer.body)) {
    call->answer.status = 200;
    call->answer.last_modified_us = call->service->started_at_us;
    rest_finish(call);
    return;
  }
  answer_read(call, code, &resource, &err);
}

void rest_vread(struct rest_call *call) {
  struct store_view *view;
  struct store_resource resource;
  struct err err;
  int code = check_query(call, &err);
  if (code == 0)
    code = store_view_open(call->service->options.store, &view, &err);
  if (code == 0) {
    code = store_vread(view, &call->access, call->arena, call->type, call->id, call->version,
                       &resource, &err);
    store_view_close(view);
  }
  answer_read(call, code, &resource, &err);
}
