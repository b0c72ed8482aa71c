/* A URL becomes a session, and a session that was lost a new one. */
#include "store/db/db_postgres.h"

#include "base/clock.h"
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <unistd.h>

enum {
  SERVER_VERSION_MIN = 150000,
  SETTINGS_MAX_BYTES = 8192,
  OPTIONS_MAX = 80, /* that libpq knows: some 45 */
  RETRY_MIN_US = 50000,
  RETRY_MAX_US = 1000000,
  OUTAGE_PAUSE_US = 200000,
  TURN_US = 10000000 /* longer than an attempt lasts; its end is noted */
};

/* A machine that has gone without a word must not hold the lock of all writers until the server's
 * own system notices, which takes two hours: what bounds an idle transaction does not begin before
 * the server has answered what was sent. */
#define SERVER_KEEPALIVE                                                                           \
  "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 "              \
  "-c tcp_user_timeout=30s"

/* The order of joins is the search planner's, written into the SQL, so PostgreSQL's own planner is
 * held to it and to indices: an order is that of an index where one has it (a sort of a few rows by
 * a second column stays possible), rows come as they are found, and the same statement has the same
 * plan on empty tables and on full ones, as a plan that is kept must not depend on when it was made
 * (test_search_plan_postgres.c). What the URL's `options` say comes behind, and so wins. */
#define SESSION_SETTINGS                                                                           \
  "-c plan_cache_mode=force_generic_plan -c join_collapse_limit=1 -c from_collapse_limit=1 "       \
  "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_seqscan=off -c jit=off "               \
  "-c enable_sort=off -c enable_bitmapscan=off -c enable_material=off -c enable_memoize=off "      \
  "-c max_parallel_workers_per_gather=0 -c synchronous_commit=on -c lock_timeout=45s "             \
  "-c client_min_messages=warning -c standard_conforming_strings=on " SERVER_KEEPALIVE
#define WRITER_SETTINGS " -c idle_in_transaction_session_timeout=30s"

static const struct {
  const char *name, *value;
} option_defaults[] = {
    {"connect_timeout", "5"},  {"keepalives_idle", "10"},     {"keepalives_interval", "5"},
    {"keepalives_count", "3"}, {"tcp_user_timeout", "30000"}, {"client_encoding", "UTF8"},
};

/* ---- The URL ---- */

struct options {
  const char *names[OPTIONS_MAX], *values[OPTIONS_MAX + 1];
  size_t n;
  char settings[SETTINGS_MAX_BYTES];
  char application[64]; /* PostgreSQL keeps 63 bytes */
};

static const char *option_of(const struct options *options, const char *name) {
  for (size_t i = 0; i < options->n; i++)
    if (strcmp(options->names[i], name) == 0)
      return options->values[i];
  return NULL;
}

static void set_option(struct options *options, const char *name, const char *value) {
  for (size_t i = 0; i < options->n; i++)
    if (strcmp(options->names[i], name) == 0) {
      options->values[i] = value;
      return;
    }
  if (options->n + 1 >= OPTIONS_MAX)
    return;
  options->names[options->n] = name;
  options->values[options->n++] = value;
}

/* Who it is, for people who look at the server's sessions: "callosum host:4711". */
static void name_application(char *name, size_t name_n) {
  char host[HOST_NAME_MAX + 1];
  if (gethostname(host, sizeof host) != 0)
    snprintf(host, sizeof host, "host");
  host[sizeof host - 1] = '\0';
  snprintf(name, name_n, "callosum %.40s:%ld", host, (long)getpid());
}

/* Of the URL, and of ours what it does not say. Borrows from `parsed`. */
static void gather_options(const struct pg *pg, const PQconninfoOption *parsed,
                           struct options *ret_options) {
  memset(ret_options, 0, sizeof *ret_options);
  for (; parsed->keyword; parsed++)
    if (parsed->val)
      set_option(ret_options, parsed->keyword, parsed->val);
  for (size_t i = 0; i < sizeof option_defaults / sizeof option_defaults[0]; i++)
    if (!option_of(ret_options, option_defaults[i].name))
      set_option(ret_options, option_defaults[i].name, option_defaults[i].value);
  name_application(ret_options->application, sizeof ret_options->application);
  set_option(ret_options, "fallback_application_name", ret_options->application);
  const char *theirs = option_of(ret_options, "options"), *host = option_of(ret_options, "host");
  snprintf(ret_options->settings, sizeof ret_options->settings, "%s%s %s", SESSION_SETTINGS,
           pg->options.is_writer ? WRITER_SETTINGS : "", theirs ? theirs : "");
  set_option(ret_options, "options", ret_options->settings);
  /* Of several hosts, readers too follow the one that takes writes: what was answered must be seen.
   */
  bool is_choice = pg->options.is_writer || (host && strchr(host, ','));
  if (is_choice && !option_of(ret_options, "target_session_attrs"))
    set_option(ret_options, "target_session_attrs", "read-write");
}

/* libpq's own message would show the password. */
static int wrong_url(const struct pg *pg, const char *why, struct err *reterr) {
  return err_set(reterr, ERR_VALUE, "",
                 "%s can't be used: %s. Write postgresql://USER@HOST:PORT/DATABASE; in a name or "
                 "password write @ as %%40, : as %%3A, / as %%2F.",
                 pg->shown, why);
}

static bool are_ports(const char *ports) {
  unsigned port = 0;
  for (const char *p = ports; *p; p++) {
    if (*p == ',') {
      port = 0;
      continue;
    }
    if (*p < '0' || *p > '9')
      return false;
    port = port * 10 + (unsigned)(*p - '0');
    if (port > 65535)
      return false;
  }
  return true;
}

static int check_options(const struct pg *pg, const PQconninfoOption *parsed, struct err *reterr) {
  struct options options;
  gather_options(pg, parsed, &options);
  const char *port = option_of(&options, "port"), *host = option_of(&options, "host");
  const char *theirs = NULL;
  for (; parsed->keyword; parsed++)
    if (strcmp(parsed->keyword, "options") == 0)
      theirs = parsed->val;
  if (port && !are_ports(port))
    return wrong_url(pg, "its port is no number up to 65535", reterr);
  if (host && host[0] != '/' && strchr(host, '@'))
    return wrong_url(pg, "its host has an @", reterr);
  if (theirs && strlen(theirs) > SETTINGS_MAX_BYTES / 2)
    return wrong_url(pg, "its options are too long", reterr);
  return 0;
}

/* libpq's message where it is safe to show: of a parameter, it has only the name. */
static void read_unknown_parameter(const char *message, char *why, size_t why_n) {
  static const char START[] = "invalid URI query parameter: \"";
  struct str text = str_of(message ? message : "");
  if (!str_starts_with(text, str_of(START)))
    return;
  text = str_slice(text, sizeof START - 1, text.n);
  ssize_t end = str_find_char(text, '"', 0);
  if (end > 0 && end < 64)
    snprintf(why, why_n, "there is no parameter '%.*s'", (int)end, text.p);
}

int pg_check_url(const struct pg *pg, struct err *reterr) {
  struct str path = str_of(pg->path);
  if (!str_starts_with(path, STR("postgresql://")) && !str_starts_with(path, STR("postgres://")))
    return wrong_url(pg, "it is neither the path of a file nor the URL of a PostgreSQL", reterr);
  char *message = NULL;
  PQconninfoOption *parsed = PQconninfoParse(pg->path, &message);
  char why[160] = "it is no valid URL of PostgreSQL";
  const char *parameters = strchr(pg->path, '?');
  /* Else what is taken for a name may be a part of a password. */
  if (parameters && !strchr(parameters, '@') && !strstr(parameters, "password"))
    read_unknown_parameter(message, why, sizeof why);
  PQfreemem(message);
  if (!parsed)
    return wrong_url(pg, why, reterr);
  int code = check_options(pg, parsed, reterr);
  PQconninfoFree(parsed);
  return code;
}

/* ---- One attempt ---- */

/* What the server says unasked: only that it ends the session matters. */
static void hear_notice(void *what, const PGresult *result) {
  struct pg *pg = what;
  pg->is_ending |= pg_error_is_fatal(result);
}

PGconn *pg_dial(const struct pg *pg) {
  char *message = NULL;
  PQconninfoOption *parsed = PQconninfoParse(pg->path, &message);
  PQfreemem(message);
  if (!parsed)
    return NULL;
  struct options options;
  gather_options(pg, parsed, &options);
  PGconn *conn = PQconnectdbParams(options.names, options.values, 0);
  PQconninfoFree(parsed);
  return conn;
}

/* The schema that the tables are in; there must be one. */
static int find_schema(struct pg *pg, struct err *reterr) {
  PGresult *result = PQexec(pg->conn, "SELECT oid, nspname FROM pg_catalog.pg_namespace "
                                      "WHERE nspname = pg_catalog.current_schema()");
  int code = 0;
  if (PQresultStatus(result) != PGRES_TUPLES_OK) {
    code = pg_error_of_result(pg, result, reterr);
  } else if (PQntuples(result) != 1) {
    code =
        err_set(reterr, ERR_STORE, "",
                "The schema that %s names is not there, or its use is not granted: CREATE SCHEMA, "
                "or GRANT USAGE, CREATE ON SCHEMA.",
                pg->shown);
  } else {
    uint64_t oid = 0;
    str_to_u64(str_of(PQgetvalue(result, 0, 0)), &oid);
    free(pg->schema_name);
    pg->schema = (uint32_t)oid;
    pg->schema_name = strdup(PQgetvalue(result, 0, 1));
    code = pg->schema_name ? 0 : err_no_memory(reterr);
  }
  PQclear(result);
  return code;
}

static int check_server(const struct pg *pg, struct err *reterr) {
  int version = PQserverVersion(pg->conn);
  if (version < SERVER_VERSION_MIN)
    return err_set(reterr, ERR_STORE, "",
                   "The server of %s is PostgreSQL %d; 15 or later is needed.", pg->shown,
                   version / 10000);
  return 0;
}

static int attempt(struct pg *pg, struct err *reterr) {
  PGconn *conn = pg_dial(pg);
  if (!conn)
    return err_no_memory(reterr);
  if (PQstatus(conn) != CONNECTION_OK) {
    int code = pg_error_of_connect(pg, conn, reterr);
    PQfinish(conn);
    return code;
  }
  PQsetNoticeReceiver(conn, hear_notice, pg);
  pg->conn = conn;
  pg->is_ending = false;
  pg->session++;
  int code = check_server(pg, reterr);
  if (code == 0)
    code = find_schema(pg, reterr);
  if (code == 0 && (PQsetnonblocking(conn, 1) != 0 || PQenterPipelineMode(conn) != 1))
    code = err_set(reterr, ERR_STORE, "", "%s: libpq can't work in pipeline mode.", pg->shown);
  if (code)
    pg_disconnect(pg);
  return code;
}

/* ---- Again and again ---- */

bool pg_is_passing(int code) {
  return code == ERR_UNAVAILABLE || code == ERR_BUSY || code == ERR_READ_ONLY;
}

int pg_connect(struct pg *pg, int64_t wait_us, struct err *reterr) {
  int64_t until_us = clock_monotonic_us() + wait_us, pause_us = RETRY_MIN_US;
  pg_disconnect(pg);
  for (;;) {
    int code = attempt(pg, reterr);
    int64_t rest_us = until_us - clock_monotonic_us();
    if (code == 0)
      pg->is_read_only = false;
    if (code == 0 || !pg_is_passing(code) || rest_us <= 0)
      return code;
    usleep((useconds_t)(pause_us < rest_us ? pause_us : rest_us));
    pause_us = pause_us * 2 < RETRY_MAX_US ? pause_us * 2 : RETRY_MAX_US;
  }
}

void pg_disconnect(struct pg *pg) {
  PQfinish(pg->conn);
  pg->conn = NULL;
  pg->owes_rollback = false;
  pg->pending_first = pg->pending_n = 0;
  pg->unsynced_n = pg->unflushed_bytes = 0;
  pg->rest_n = 0;
  pg->dropped_n = 0;
}

/* Did the server say good-bye while nobody listened? */
static bool is_gone(struct pg *pg) {
  while (pg->conn) {
    struct pollfd fd = {.fd = PQsocket(pg->conn), .events = POLLIN};
    if (poll(&fd, 1, 0) <= 0)
      return pg->is_ending;
    if (PQconsumeInput(pg->conn) == 0)
      return true;
    PQisBusy(pg->conn); /* parses what came */
    pg_take_answers(pg);
  }
  return true;
}

/* Is it this connection's turn to try, and for how long? The others are refused meanwhile. */
static bool may_try(struct db_outage *outage, int64_t *wait_us) {
  int_fast64_t at_us = atomic_load(&outage->again_at_us);
  if (at_us == 0)
    return true; /* no outage is known */
  int64_t now_us = clock_monotonic_us();
  *wait_us = 0;
  return now_us >= at_us &&
         atomic_compare_exchange_strong(&outage->again_at_us, &at_us, now_us + TURN_US);
}

/* The first that fails is the begin of an outage: its reason is logged, once. */
static void note_attempt(struct db_outage *outage, int code, const struct err *err) {
  int64_t again_at_us = pg_is_passing(code) ? clock_monotonic_us() + OUTAGE_PAUSE_US : 0;
  bool was_there = atomic_exchange(&outage->again_at_us, again_at_us) == 0;
  if (was_there && again_at_us)
    log_warning("store", "%s", err->text);
}

int pg_ensure(struct pg *pg, struct err *reterr) {
  if (pg->conn && !pg->is_read_only && !is_gone(pg))
    return 0;
  struct db_outage *outage = pg->options.outage;
  int64_t wait_us = pg->options.again_us ? pg->options.again_us : pg->options.wait_us;
  if (outage && !may_try(outage, &wait_us))
    return err_set(reterr, ERR_UNAVAILABLE, "", "%s can't be reached; it is tried again.",
                   pg->shown);
  int code = pg_connect(pg, wait_us, reterr);
  if (outage)
    note_attempt(outage, code, reterr);
  return code;
}
