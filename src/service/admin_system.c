/* GET /api/system: what the program runs on and how it does, also while the store can't be reached.
 * Numbers and names of the machinery only: nothing of patients, no user of a database. */
#include "service/admin.h"

#include "base/clock.h"
#include "store/told.h"
#include "store/work/overview.h"

#define LITTLE_SPACE_BYTES ((uint64_t)1000000000)

/* What is known of the store now; `err` says why not. */
struct state {
  struct admin_call *call;
  struct store_pace pace;
  bool is_reachable;
  struct err err;
  struct store_overview overview;
  struct store_processes processes;
};

static int read_state(struct state *state) {
  struct admin_call *call = state->call;
  struct store_view *view;
  if (admin_store_is_away(call))
    return err_set(&state->err, ERR_UNAVAILABLE, "", "The store is away.");
  int code = store_view_open(call->service->options.store, &view, &state->err);
  if (code)
    return code;
  code = store_overview(view, call->arena, &state->overview, &state->err);
  if (code == 0)
    code = store_processes(view, call->arena, &state->processes, &state->err);
  store_view_close(view);
  state->is_reachable = code == 0;
  return code;
}

static struct str name_of(const struct store_processes *processes, int64_t id) {
  for (size_t i = 0; i < processes->n; i++)
    if (id && processes->p[i].id == id)
      return processes->p[i].name;
  return STR_NULL;
}

/* Milliseconds with three decimals. */
static void write_ms(struct json_writer *w, const char *name, int64_t us) {
  char text[32];
  int n =
      snprintf(text, sizeof text, "%lld.%03lld", (long long)(us / 1000), (long long)(us % 1000));
  json_key(w, str_of(name));
  json_raw(w, str_n(text, (size_t)n));
}

/* ---- What should worry somebody ------------------------------------------------------------- */

static void warn(struct json_writer *w, const char *code, struct str text) {
  json_begin_object(w);
  json_member_string(w, STR("code"), str_of(code));
  json_member_string(w, STR("text"), text);
  json_end_object(w);
}

static bool is_off(struct str setting) {
  return str_is(setting, "off");
}

static void warn_of_durability(struct json_writer *w, const struct db_server *server) {
  if (is_off(server->fsync))
    warn(w, "fsync",
         STR("fsync is off: when the server's machine fails, what was acknowledged "
             "can be lost and the database damaged."));
  if (is_off(server->full_page_writes))
    warn(w, "full-page-writes",
         STR("full_page_writes is off: when the server's machine fails, the "
             "database can be damaged."));
  if (is_off(server->synchronous_commit))
    warn(w, "synchronous-commit",
         STR("synchronous_commit is off in Callosum's sessions: when the server fails, what was "
             "acknowledged in the last moments is lost. Take it out of the store's URL."));
  bool is_weak = str_is(server->synchronous_commit, "local") ||
                 str_is(server->synchronous_commit, "remote_write");
  if (server->waits_for_standbys && is_weak)
    warn(w, "synchronous-commit",
         STR("synchronous_commit is weaker than on: what was acknowledged may be missing on a "
             "standby that takes over."));
}

static bool is_this_machine(struct str host) {
  return host.n == 0 || host.p[0] == '/' || host.p[0] == '@' || str_is(host, "localhost") ||
         str_starts_with(host, STR("127.")) || str_is(host, "::1");
}

static void warn_of_server(struct json_writer *w, const struct db_server *server) {
  if (server->is_standby)
    warn(w, "standby", STR("The server is a standby: it can be read, and takes no change."));
  if (server->waits_for_standbys && server->standbys_n == 0)
    warn(w, "no-standby",
         STR("Commits wait for a synchronous standby, and none is connected: "
             "nothing is stored until one is."));
  if (!server->is_encrypted && !is_this_machine(server->host))
    warn(w, "not-encrypted",
         STR("The connection to the server is not encrypted: put sslmode=verify-full in the "
             "store's URL."));
}

static void warn_of_processes(struct state *state) {
  struct json_writer *w = &state->call->w;
  const struct store_process *self = NULL;
  for (size_t i = 0; i < state->processes.n; i++)
    if (state->processes.p[i].is_this)
      self = &state->processes.p[i];
  for (size_t i = 0; self && i < state->processes.n; i++) {
    const struct store_process *other = &state->processes.p[i];
    if (!other->is_alive)
      continue;
    if (!str_equal(other->version, self->version))
      warn(w, "other-version",
           arena_printf(state->call->arena, "%.*s has version %.*s.", STR_ARG(other->name),
                        STR_ARG(other->version)));
    else if (other->configuration.n > 0 && self->configuration.n > 0 &&
             !str_equal(other->configuration, self->configuration))
      warn(w, "other-configuration",
           arena_printf(state->call->arena, "%.*s has other maps, limits or another time zone.",
                        STR_ARG(other->name)));
  }
}

static void warn_of_refusal(struct state *state) {
  int code = state->pace.refusal;
  const char *why = code == ERR_NO_SPACE    ? "there is no space left"
                    : code == ERR_READ_ONLY ? "the database takes none"
                    : code == ERR_BUSY      ? "the database is too busy"
                                            : "the database fails";
  if (state->pace.refused_since_us)
    warn(&state->call->w, "not-stored",
         arena_printf(state->call->arena,
                      "No change can be stored: %s. The log of Callosum says more.", why));
}

static void warn_of_disk(struct json_writer *w, const struct db_server *server) {
  if (server->free_bytes > 0 && server->free_bytes < LITTLE_SPACE_BYTES)
    warn(w, "little-space",
         STR("Less than 1 GB is free on the disk of the file: when it is full, "
             "nothing more is stored."));
}

static void write_warnings(struct state *state) {
  struct json_writer *w = &state->call->w;
  json_key(w, STR("warnings"));
  json_begin_array(w);
  if (state->is_reachable) {
    warn_of_refusal(state);
    warn_of_disk(w, &state->overview.server);
    if (store_is_shared(state->call->service->options.store)) {
      warn_of_durability(w, &state->overview.server);
      warn_of_server(w, &state->overview.server);
    }
    warn_of_processes(state);
  }
  json_end_array(w);
}

/* ---- The store ------------------------------------------------------------------------------ */

static void write_server(struct json_writer *w, const struct db_server *server) {
  json_key(w, STR("server"));
  json_begin_object(w);
  admin_member(w, "host", server->host);
  admin_member(w, "port", server->port);
  admin_member(w, "database", server->database);
  admin_member(w, "schema", server->schema);
  json_member_string(w, STR("role"), server->is_standby ? STR("standby") : STR("primary"));
  json_member_bool(w, STR("isEncrypted"), server->is_encrypted);
  json_member_int(w, STR("standbys"), (int64_t)server->standbys_n);
  json_member_bool(w, STR("waitsForStandbys"), server->waits_for_standbys);
  admin_member(w, "synchronousCommit", server->synchronous_commit);
  admin_member(w, "fsync", server->fsync);
  admin_member(w, "fullPageWrites", server->full_page_writes);
  json_end_object(w);
}

static void write_reachable(struct state *state) {
  struct json_writer *w = &state->call->w;
  const struct store_overview *overview = &state->overview;
  bool is_shared = store_is_shared(state->call->service->options.store);
  admin_member(w, "engineVersion", overview->server.version);
  json_member_int(w, STR("schemaVersion"), overview->schema_version);
  json_member_bool(w, STR("isDistributed"), overview->is_distributed);
  json_member_int(w, STR("dataBytes"), (int64_t)overview->size.data_bytes);
  if (is_shared) {
    write_ms(w, "roundTripMs", overview->server.round_trip_us);
    write_server(w, &overview->server);
  } else { /* the log of a server is not for every role to see */
    json_member_int(w, STR("logBytes"), (int64_t)overview->size.log_bytes);
    if (overview->server.free_bytes > 0)
      json_member_int(w, STR("freeBytes"), (int64_t)overview->server.free_bytes);
  }
}

static void write_store(struct state *state) {
  struct json_writer *w = &state->call->w;
  struct store *store = state->call->service->options.store;
  struct arena *arena = state->call->arena;
  int64_t since_us = store_away_since_us(store);
  json_key(w, STR("store"));
  json_begin_object(w);
  json_member_string(w, STR("engine"), store_is_shared(store) ? STR("postgresql") : STR("sqlite"));
  json_member_string(w, STR("path"), admin_without_user(arena, str_of(store_shown_path(store))));
  json_member_bool(w, STR("isReachable"), state->is_reachable);
  if (state->is_reachable) {
    write_reachable(state);
  } else {
    struct err told = store_told(&state->err);
    json_member_string(w, STR("reason"), str_of(told.text));
    if (since_us)
      admin_member_instant(w, "since", since_us);
  }
  json_end_object(w);
}

/* ---- What goes on --------------------------------------------------------------------------- */

static void write_content(struct state *state) {
  struct json_writer *w = &state->call->w;
  const struct store_overview *overview = &state->overview;
  json_key(w, STR("content"));
  json_begin_object(w);
  json_member_int(w, STR("resources"), (int64_t)overview->resources);
  json_member_int(w, STR("versions"), (int64_t)overview->versions);
  json_member_int(w, STR("messages"), (int64_t)overview->messages);
  json_member_int(w, STR("commits"), (int64_t)overview->commits);
  if (overview->committed_us)
    admin_member_instant(w, "lastCommit", overview->committed_us);
  json_end_object(w);
}

static void write_pace(struct state *state) {
  struct json_writer *w = &state->call->w;
  const struct store_pace *pace = &state->pace;
  json_key(w, STR("commits"));
  json_begin_object(w);
  json_member_int(w, STR("waiting"), (int64_t)pace->waiting_n);
  json_member_int(w, STR("measured"), (int64_t)pace->groups_n);
  if (pace->groups_n > 0) {
    write_ms(w, "medianMs", pace->median_us);
    write_ms(w, "longestMs", pace->longest_us);
  }
  if (pace->refused_since_us)
    admin_member_instant(w, "refusedSince", pace->refused_since_us);
  json_end_object(w);
}

static void write_job(struct state *state, const struct job *job) {
  struct json_writer *w = &state->call->w;
  json_begin_object(w);
  json_member_int(w, STR("number"), (int64_t)job->number);
  json_member_string(w, STR("kind"), job->kind);
  json_member_string(w, STR("state"), job_state_name(job->state));
  admin_member_instant(w, "created", job->created_us);
  admin_member_instant(w, "updated", job->updated_us);
  json_member_int(w, STR("done"), (int64_t)job->done);
  if (job->total > 0)
    json_member_int(w, STR("total"), (int64_t)job->total);
  admin_member(w, "process", name_of(&state->processes, job->holder));
  json_end_object(w);
}

static void write_background(struct state *state) {
  struct json_writer *w = &state->call->w;
  const struct store_overview *overview = &state->overview;
  json_key(w, STR("background"));
  json_begin_object(w);
  json_key(w, STR("words"));
  json_begin_object(w);
  json_member_int(w, STR("changes"), (int64_t)overview->events);
  json_member_int(w, STR("indexed"), (int64_t)overview->events_indexed);
  json_end_object(w);
  json_member_int(w, STR("dictionaries"), (int64_t)overview->dictionaries);
  json_member_int(w, STR("jobsUnfinished"), (int64_t)overview->jobs_n);
  json_member_int(w, STR("jobsFailed"), (int64_t)overview->failed_jobs_n);
  json_key(w, STR("jobs"));
  json_begin_array(w);
  for (size_t i = 0; i < overview->jobs.n; i++)
    write_job(state, &overview->jobs.p[i]);
  json_end_array(w);
  json_end_object(w);
}

int admin_system(struct admin_call *call, struct err *reterr) {
  struct state *state = ARENA_NEW(call->arena, struct state);
  struct json_writer *w = &call->w;
  if (!state)
    return err_no_memory(reterr);
  state->call = call;
  store_pace(call->service->options.store, &state->pace);
  int code = read_state(state);
  if (code == ERR_NO_MEMORY) {
    *reterr = state->err;
    return code;
  }
  json_begin_object(w);
  json_member_string(w, STR("version"), STR(CALLOSUM_VERSION));
  admin_member_instant(w, "now", clock_now_us());
  admin_member_instant(w, "started", call->service->started_at_us);
  write_store(state);
  write_warnings(state);
  write_pace(state);
  if (state->is_reachable) {
    write_content(state);
    write_background(state);
    admin_write_processes(w, &state->processes);
  }
  json_end_object(w);
  return 0;
}
