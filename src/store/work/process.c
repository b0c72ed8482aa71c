#include "store/work/process.h"

#include <limits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "store/work/delivery.h"
#include "store/work/job_write.h"
#include "store/work/lease.h"
#include "store/work/watch.h"
#include "store/store_internal.h"

/* ---- This process ---- */

static struct str default_name(struct arena *arena) {
  char host[HOST_NAME_MAX + 1];
  if (gethostname(host, sizeof host) != 0)
    snprintf(host, sizeof host, "host");
  host[sizeof host - 1] = '\0';
  return arena_printf(arena, "%s:%ld", host, (long)getpid());
}

int process_init(struct arena *arena, const struct store_options *options,
                 struct process *ret_process, struct err *reterr) {
  struct process process = {
      .id = (int64_t)(hash_key_random().k0 >> 1) | 1,
      .name = options->process_name ? arena_str(arena, str_of(options->process_name))
                                    : default_name(arena),
      .detail = arena_printf(arena, "%s %s", CALLOSUM_VERSION,
                             options->configuration ? options->configuration : ""),
      .started_us = clock_now_us(),
  };
  if (!process.name.p || !process.detail.p)
    return err_no_memory(reterr);
  *ret_process = process;
  return 0;
}

/* ---- The beat ---- */

static int has_row(struct db *db, int64_t id, bool *ret_has_row, struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(db, STR("SELECT seen FROM process WHERE id=?"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, id);
  code = db_step(row, ret_has_row, reterr);
  db_release(row);
  return code;
}

static int insert_self(struct db *db, const struct process *process, int64_t now_us,
                       struct err *reterr) {
  struct db_statement *row = NULL;
  int code = db_prepare(
      db, STR("INSERT INTO process(id,name,started,seen,detail) VALUES(?,?,?,?,?)"), &row, reterr);
  if (code != 0)
    return code;
  db_bind_i64(row, 1, process->id);
  db_bind_text(row, 2, process->name);
  db_bind_i64(row, 3, process->started_us);
  db_bind_i64(row, 4, now_us);
  db_bind_text(row, 5, process->detail);
  code = db_execute(row, reterr);
  db_release(row);
  return code;
}

/* The row may have been taken out, if this process was not seen for long. */
static int write_self(struct db *db, const struct process *process, int64_t now_us,
                      struct err *reterr) {
  bool is_there;
  int code = has_row(db, process->id, &is_there, reterr);
  if (code == 0 && !is_there)
    return insert_self(db, process, now_us, reterr);
  if (code != 0)
    return code;
  const int64_t values[] = {now_us, process->id};
  return db_execute_i64(db, STR("UPDATE process SET seen=? WHERE id=?"), values, 2, reterr);
}

int process_beat(struct db *db, const struct process *process, int64_t lease_us,
                 int64_t *ret_now_us, struct err *reterr) {
  int code = db_now(db, ret_now_us, reterr);
  if (code == 0)
    code = write_self(db, process, *ret_now_us, reterr);
  if (code == 0)
    code = db_execute_i64(db, STR("DELETE FROM process WHERE seen<?"),
                          (const int64_t[]){*ret_now_us - PROCESS_FORGET_US}, 1, reterr);
  if (code == 0)
    code = lease_renew_all(db, process->id, lease_us, reterr);
  return code ? code : job_renew_all(db, process->id, lease_us, reterr);
}

int process_leave(struct db *db, int64_t id, struct err *reterr) {
  int code = db_execute_i64(db, STR("DELETE FROM process WHERE id=?"), &id, 1, reterr);
  if (code == 0)
    code = lease_release_all(db, id, reterr);
  if (code == 0)
    code = delivery_release_all(db, id, reterr);
  return code ? code : job_release_all(db, id, reterr);
}

size_t store_processes_alive(const struct store_processes *processes) {
  size_t n = 0;
  for (size_t i = 0; i < processes->n; i++)
    n += processes->p[i].is_alive;
  return n;
}

/* ---- Who is there ---- */

static int read_process(struct store_view *view, struct db_statement *row, struct arena *arena,
                        struct store_process *process, struct err *reterr) {
  int64_t age = store_now_us(store_of_view(view)) - db_column_i64(row, 3);
  struct str detail = arena_str(arena, db_column_str(row, 4)), version = STR_NULL;
  *process = (struct store_process){.id = db_column_i64(row, 0),
                                    .name = arena_str(arena, db_column_str(row, 1)),
                                    .started_us = db_column_i64(row, 2),
                                    .age_us = age > 0 ? age : 0};
  if (!process->name.p || !detail.p)
    return err_no_memory(reterr);
  if (str_split(&detail, ' ', &version))
    process->version = version;
  process->configuration = detail;
  process->is_this = process->id == store_process_id(store_of_view(view));
  process->is_alive = process->is_this || process->age_us <= store_lease_us(store_of_view(view));
  return 0;
}

/* Who works in the background, and is thought to live; 0: nobody. */
static int read_background_holder(struct store_view *view, int64_t *ret_holder,
                                  struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(store_view_db(view), STR("SELECT holder,until FROM lease WHERE name=?"),
                        &row, reterr);
  if (code != 0)
    return code;
  db_bind_text(row, 1, STR(WATCH_BACKGROUND));
  code = db_step(row, &has_row, reterr);
  bool is_held = has_row && db_column_i64(row, 1) > store_now_us(store_of_view(view));
  if (code == 0)
    *ret_holder = is_held ? db_column_i64(row, 0) : 0;
  db_release(row);
  return code;
}

static int read_processes(struct store_view *view, struct arena *arena,
                          struct store_processes *ret_processes, struct err *reterr) {
  struct db_statement *row = NULL;
  VEC(struct store_process) list = {0};
  bool has_row;
  int64_t background = 0;
  int code = read_background_holder(view, &background, reterr);
  if (code == 0)
    code = db_prepare(store_view_db(view),
                      STR("SELECT id,name,started,seen,detail FROM process"
                          " ORDER BY started,id LIMIT 1000"),
                      &row, reterr);
  if (code != 0)
    return code;
  while ((code = db_step(row, &has_row, reterr)) == 0 && has_row) {
    struct store_process *process = VEC_PUSH(arena, &list);
    code = process ? read_process(view, row, arena, process, reterr) : err_no_memory(reterr);
    if (code != 0)
      break;
    process->has_background = process->id == background;
  }
  db_release(row);
  if (code == 0)
    *ret_processes = (struct store_processes){list.p, list.n};
  return code;
}

static int only_this(struct store_view *view, struct arena *arena,
                     struct store_processes *ret_processes, struct err *reterr) {
  const struct process *self = store_self(store_of_view(view));
  struct store_process *process = ARENA_NEW(arena, struct store_process);
  if (!process)
    return err_no_memory(reterr);
  struct str detail = self->detail, version = STR_NULL;
  *process = (struct store_process){.id = self->id,
                                    .name = self->name,
                                    .started_us = self->started_us,
                                    .is_this = true,
                                    .is_alive = true,
                                    .has_background = true};
  if (str_split(&detail, ' ', &version))
    process->version = version;
  process->configuration = detail;
  *ret_processes = (struct store_processes){process, 1};
  return 0;
}

int store_processes(struct store_view *view, struct arena *arena,
                    struct store_processes *ret_processes, struct err *reterr) {
  return db_is_remote(store_view_db(view)) ? read_processes(view, arena, ret_processes, reterr)
                                           : only_this(view, arena, ret_processes, reterr);
}
