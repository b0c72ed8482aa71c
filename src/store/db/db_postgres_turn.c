#include "store/db/db_postgres_turn.h"

#include "base/clock.h"
#include "base/log.h"

enum {
  SILENCE_US = 15000000, /* of one who has the turn, until it is ended, if not told */
  LOOKS_PER_SILENCE = 5, /* the first one comes as late, so that a short wait costs nothing */
};

/*
 * The session that has the lock for which $1 waits. `state_change` moves with each message that the
 * server begins with, so a session with the same mark at two looks was asked nothing in between. A
 * session of another role shows nothing of that, nor does any with track_activities=off: it is not
 * silent as far as we know.
 */
#define HOLDER                                                                                     \
  "FROM pg_locks mine JOIN pg_locks held USING (locktype, database, classid, objid, objsubid) "    \
  "JOIN pg_stat_activity a ON a.pid=held.pid "                                                     \
  "WHERE locktype='advisory' AND NOT mine.granted AND held.granted AND mine.pid=$1::int"
#define MARK "a.pid::text||' '||a.backend_start::text||' '||a.state_change::text"
#define IS_SEEN "a.state_change IS NOT NULL AND a.state<>'disabled'"
#define WAITS_FOR_CLIENT "coalesce(a.wait_event_type='Client',false)"

enum look_column { LOOK_MARK, LOOK_WAITS, LOOK_BACKEND, LOOK_ROLE, LOOK_NAME, LOOK_FROM };
static const char LOOK_SQL[] =
    "SELECT CASE WHEN " IS_SEEN " THEN " MARK " ELSE '' END, " WAITS_FOR_CLIENT
    ", a.pid, a.usename, coalesce(nullif(a.application_name,''),'?'), "
    "coalesce(host(a.client_addr)||':'||a.client_port,'the server''s own machine') " HOLDER;
/* Looked at again in the same breath. */
static const char END_SQL[] = "SELECT pg_terminate_backend(a.pid) " HOLDER " AND " IS_SEEN
                              " AND " WAITS_FOR_CLIENT " AND " MARK "=$2";

static int64_t silence_us(const struct pg *pg) {
  return pg->options.silence_us ? pg->options.silence_us : SILENCE_US;
}

static bool is_waiting(const struct pg *pg) {
  const struct pg_statement *lock = pg->lock ? pg_statement_of(pg->lock) : NULL;
  return pg->conn && pg->transaction == PG_WRITING && lock && lock->is_sent && !lock->is_answered;
}

static void forget(struct pg_turn *turn) {
  turn->mark[0] = '\0';
}

static void hang_up(struct pg_turn *turn) {
  PQfinish(turn->conn);
  turn->conn = NULL;
}

void pg_turn_fini(struct pg *pg) {
  hang_up(&pg->turn);
  forget(&pg->turn);
  pg->turn.look_at_us = 0;
  pg->turn.is_told = false;
}

int64_t pg_turn_look_at_us(struct pg *pg) {
  struct pg_turn *turn = &pg->turn;
  if (!is_waiting(pg))
    pg_turn_fini(pg);
  else if (turn->look_at_us == 0)
    turn->look_at_us = clock_monotonic_us() + silence_us(pg) / LOOKS_PER_SILENCE;
  return turn->look_at_us;
}

/* The answer to a question about this session's place in the queue; NULL: none. */
static PGresult *ask(const struct pg *pg, const char *sql, const char *mark) {
  char pid[16];
  snprintf(pid, sizeof pid, "%d", PQbackendPID(pg->conn));
  const char *values[2] = {pid, mark};
  PGresult *result = PQexecParams(pg->turn.conn, sql, mark ? 2 : 1, NULL, values, NULL, NULL, 0);
  if (PQresultStatus(result) == PGRES_TUPLES_OK)
    return result;
  const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  log_warning("store", "who has the turn to write can't be looked at or ended: %s",
              words ? words : "the connection was lost");
  PQclear(result);
  return NULL;
}

static void end_silent(struct pg *pg, const PGresult *seen) {
  PGresult *result = ask(pg, END_SQL, pg->turn.mark);
  if (result && PQntuples(result) == 1 && PQgetvalue(result, 0, 0)[0] == 't')
    log_warning("store",
                "a process had the turn to write and said nothing for %.0f s while others waited: "
                "its session was ended (%s, from %s, backend %s); was it stopped, or its network?",
                (double)(clock_monotonic_us() - pg->turn.silent_since_us) / 1e6,
                PQgetvalue(seen, 0, LOOK_NAME), PQgetvalue(seen, 0, LOOK_FROM),
                PQgetvalue(seen, 0, LOOK_BACKEND));
  PQclear(result);
  forget(&pg->turn);
}

static void tell_unseen(struct pg *pg, const PGresult *seen) {
  if (!pg->turn.is_told)
    log_warning("store",
                "backend %s of the role %s has the turn to write, and can't be looked at; should "
                "it stay: SELECT pg_terminate_backend(%s), as that role or as a superuser",
                PQgetvalue(seen, 0, LOOK_BACKEND), PQgetvalue(seen, 0, LOOK_ROLE),
                PQgetvalue(seen, 0, LOOK_BACKEND));
  pg->turn.is_told = true;
}

static void note(struct pg *pg, const PGresult *seen) {
  struct pg_turn *turn = &pg->turn;
  int64_t now_us = clock_monotonic_us();
  bool has_holder = PQntuples(seen) == 1;
  const char *mark = has_holder ? PQgetvalue(seen, 0, LOOK_MARK) : "";
  if (has_holder && mark[0] == '\0')
    tell_unseen(pg, seen);
  if (mark[0] == '\0' || PQgetvalue(seen, 0, LOOK_WAITS)[0] != 't') {
    forget(turn);
  } else if (strcmp(mark, turn->mark) != 0) {
    snprintf(turn->mark, sizeof turn->mark, "%s", mark);
    turn->silent_since_us = now_us;
  } else if (now_us - turn->silent_since_us >= silence_us(pg)) {
    end_silent(pg, seen);
  }
}

void pg_turn_look(struct pg *pg) {
  struct pg_turn *turn = &pg->turn;
  turn->look_at_us = clock_monotonic_us() + silence_us(pg) / LOOKS_PER_SILENCE;
  if (!turn->conn)
    turn->conn = pg_dial(pg);
  PGresult *seen = NULL;
  if (turn->conn && PQstatus(turn->conn) == CONNECTION_OK)
    seen = ask(pg, LOOK_SQL, NULL);
  if (seen)
    note(pg, seen);
  else
    hang_up(turn);
  PQclear(seen);
}
