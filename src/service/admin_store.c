/* GET /api/store: what the data lies on, and the processes that share it. */
#include "service/admin.h"

static const struct store_process *this_one(const struct store_processes *processes) {
  for (size_t i = 0; i < processes->n; i++)
    if (processes->p[i].is_this)
      return &processes->p[i];
  return NULL;
}

/* Not to be told where one of them says nothing of it. */
static void write_agreement(struct json_writer *w, const struct store_process *process,
                            const struct store_process *self) {
  if (!self || process->configuration.n == 0 || self->configuration.n == 0)
    return;
  json_member_bool(w, STR("sameConfiguration"),
                   str_equal(process->configuration, self->configuration));
}

static void write_process(struct json_writer *w, const struct store_process *process,
                          const struct store_process *self) {
  json_begin_object(w);
  json_member_string(w, STR("name"), process->name);
  json_member_string(w, STR("version"), process->version);
  admin_member_instant(w, "started", process->started_us);
  json_member_int(w, STR("seenSecondsAgo"), process->age_us / 1000000);
  json_member_bool(w, STR("isAlive"), process->is_alive);
  json_member_bool(w, STR("hasBackground"), process->has_background);
  admin_member(w, "configuration", process->configuration);
  write_agreement(w, process, self);
  json_member_bool(w, STR("isThis"), process->is_this);
  json_end_object(w);
}

void admin_write_processes(struct json_writer *w, const struct store_processes *processes) {
  const struct store_process *self = this_one(processes);
  json_key(w, STR("processes"));
  json_begin_array(w);
  for (size_t i = 0; i < processes->n; i++)
    write_process(w, &processes->p[i], self);
  json_end_array(w);
}

int admin_processes(struct admin_call *call, struct store_processes *ret_processes,
                    struct err *reterr) {
  struct store_view *view;
  int code = store_view_open(call->service->options.store, &view, reterr);
  if (code)
    return code;
  code = store_processes(view, call->arena, ret_processes, reterr);
  store_view_close(view);
  return code;
}

int admin_store(struct admin_call *call, struct err *reterr) {
  const struct store *store = call->service->options.store;
  struct json_writer *w = &call->w;
  struct store_processes processes;
  int code = admin_processes(call, &processes, reterr);
  if (code)
    return code;
  json_begin_object(w);
  json_member_string(w, STR("engine"), store_is_shared(store) ? STR("postgresql") : STR("sqlite"));
  json_member_string(w, STR("path"),
                     admin_without_user(call->arena, str_of(store_shown_path(store))));
  admin_write_processes(w, &processes);
  json_end_object(w);
  return 0;
}
