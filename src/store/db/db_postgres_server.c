/* What the server says of itself, for people who look after it. */
#include "store/db/db_postgres.h"

#include "base/clock.h"

/* Which of our settings and its own decide whether a commit is durable. `pg_stat_get_wal_senders`
 * gives a row for each standby to every role; what is in the rows only to some. */
static const char SERVER_SQL[] =
    "SELECT pg_is_in_recovery(), current_setting('fsync'), current_setting('full_page_writes'), "
    "current_setting('synchronous_commit'), current_setting('synchronous_standby_names')<>'', "
    "(SELECT count(*) FROM pg_stat_get_wal_senders())";

static struct str kept(struct arena *arena, const char *text) {
  return arena_str(arena, text ? str_of(text) : STR(""));
}

/* "15.14 (Debian 15.14-0+deb12u1)": the number is enough. */
static struct str version(const struct pg *pg, struct arena *arena) {
  const char *text = PQparameterStatus(pg->conn, "server_version");
  struct str rest = str_of(text ? text : ""), number = STR("");
  (void)str_split(&rest, ' ', &number);
  return arena_str(arena, number);
}

static int read_settings(struct pg *pg, struct arena *arena, struct db_server *server,
                         struct err *reterr) {
  struct db_statement *row = NULL;
  bool has_row = false;
  int code = db_prepare(&pg->base, str_of(SERVER_SQL), &row, reterr);
  if (code != 0)
    return code;
  code = db_step(row, &has_row, reterr);
  if (code == 0 && has_row) {
    server->is_standby = db_column_i64(row, 0) != 0;
    server->fsync = arena_str(arena, db_column_str(row, 1));
    server->full_page_writes = arena_str(arena, db_column_str(row, 2));
    server->synchronous_commit = arena_str(arena, db_column_str(row, 3));
    server->waits_for_standbys = db_column_i64(row, 4) != 0;
    server->standbys_n = (uint64_t)db_column_i64(row, 5);
  }
  db_release(row);
  return code;
}

/* The second question of a transaction: the first one takes BEGIN along. */
static int measure_round_trip(struct pg *pg, int64_t *ret_us, struct err *reterr) {
  int64_t one, begun_us = clock_monotonic_us();
  int code = pg_number(pg, "SELECT 1", &one, reterr);
  *ret_us = clock_monotonic_us() - begun_us;
  return code;
}

int pg_server(struct db *db, struct arena *arena, struct db_server *ret_server,
              struct err *reterr) {
  struct pg *pg = pg_of(db);
  struct db_server server = {0};
  int code = read_settings(pg, arena, &server, reterr);
  if (code == 0)
    code = measure_round_trip(pg, &server.round_trip_us, reterr);
  if (code != 0)
    return code;
  server.version = version(pg, arena);
  server.host = kept(arena, PQhost(pg->conn));
  server.port = kept(arena, PQport(pg->conn));
  server.database = kept(arena, PQdb(pg->conn));
  server.schema = kept(arena, pg->schema_name);
  server.is_encrypted = PQsslInUse(pg->conn) != 0;
  if (!server.version.p || !server.host.p || !server.port.p || !server.database.p ||
      !server.schema.p || !server.fsync.p || !server.full_page_writes.p ||
      !server.synchronous_commit.p)
    return err_no_memory(reterr);
  *ret_server = server;
  return 0;
}
