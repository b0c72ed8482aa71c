/* Errors of the server: SQLSTATE becomes a code of ours and a sentence that a person can act on. A
 * server's DETAIL may tell values of a row, so it is never shown; its primary message names tables
 * and columns, but for class 22 (wrong data). What a client may read (told.h: ERR_BUSY,
 * ERR_NO_MEMORY) tells neither server nor login. Spec: PostgreSQL 15, appendix A. */
#include "store/db/db_postgres.h"

struct state_row {
  char state[6]; /* or only its class, two characters */
  enum err_code code;
  const char *text; /* @: where; #: the server's own words */
};

static const struct state_row state_table[] = {
    {"53100", ERR_NO_SPACE, "There is no space left on the server of @."},
    {"53200", ERR_NO_MEMORY, "The database server has no memory left."},
    {"53300", ERR_BUSY, "The database server has no connection left (max_connections)."},
    {"53", ERR_BUSY, "The database server lacks resources."},
    {"57P03", ERR_UNAVAILABLE, "The server of @ is starting up or shutting down."},
    {"57P01", ERR_UNAVAILABLE, "The server of @ ended the connection."},
    {"57P02", ERR_UNAVAILABLE, "The server of @ crashed and is recovering."},
    {"57P04", ERR_STORE, "The database of @ was dropped."},
    {"57P05", ERR_UNAVAILABLE, "The server of @ ended an idle connection."},
    {"25P03", ERR_UNAVAILABLE, "The server of @ ended a transaction that was idle for too long."},
    {"57014", ERR_BUSY, "The database server broke off a statement (statement_timeout)."},
    {"55P03", ERR_BUSY,
     "Another process has been writing, or holds a lock of the database, for too long."},
    {"40001", ERR_UNAVAILABLE, "A transaction on @ met another one; it may be run again."},
    {"40P01", ERR_UNAVAILABLE, "A transaction on @ met another one; it may be run again."},
    {"40003", ERR_UNAVAILABLE, "The server of @ can't tell how a statement ended."},
    {"25006", ERR_READ_ONLY, "The server of @ takes no writes: it is a standby, or set read-only."},
    {"42501", ERR_STORE, "The login of @ lacks a right: #."},
    {"28", ERR_STORE, "The server refuses the login of @: #."},
    {"3D000", ERR_STORE, "There is no such database: @: #."},
    {"3F000", ERR_STORE, "There is no such schema in @: #."},
    {"TLS", ERR_STORE, "The connection to @ can't be secured as its URL asks: #."},
    {"URL", ERR_STORE, "The URL of @ asks for what can't be: #."},
    {"08", ERR_UNAVAILABLE, "The connection to @ was lost."},
    {"22", ERR_STORE, "The server of @ refused a value."},
    {"XX001", ERR_STORE, "@ is damaged: #. Restore it from a backup."},
    {"XX002", ERR_STORE, "An index of @ is damaged: #. REINDEX may mend it."},
    {"58030", ERR_IO, "The server of @ can't read or write its files: #."},
};

static const struct state_row *row_of_state(const char *state) {
  for (size_t i = 0; i < sizeof state_table / sizeof state_table[0]; i++)
    if (strncmp(state, state_table[i].state, strlen(state_table[i].state)) == 0)
      return &state_table[i];
  return NULL;
}

/* Without the line breaks and the full stop of a message. */
static struct str words_of(const char *message) {
  struct str words = str_trim(str_of(message ? message : ""));
  ssize_t line = str_find_char(words, '\n', 0);
  if (line >= 0)
    words = str_n(words.p, (size_t)line);
  while (words.n && words.p[words.n - 1] == '.')
    words.n--;
  return words;
}

static int set_by_state(const struct pg *pg, const char *state, const char *message,
                        struct err *reterr) {
  struct str words = words_of(message);
  const struct state_row *row = row_of_state(state);
  if (!row)
    return err_set(reterr, ERR_STORE, "", "%s: %.*s (%s).", pg->shown, STR_ARG(words), state);
  struct buf text;
  buf_init(&text, 8192);
  for (const char *p = row->text; *p; p++) {
    if (*p == '@')
      buf_add_z(&text, pg->shown);
    else if (*p == '#')
      buf_add(&text, words);
    else
      buf_add_char(&text, *p);
  }
  err_set(reterr, row->code, "", "%s", buf_z(&text));
  buf_fini(&text);
  return row->code;
}

int pg_error_of_result(const struct pg *pg, const PGresult *result, struct err *reterr) {
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  if (!state) /* libpq's own, not the server's */
    return PQstatus(pg->conn) == CONNECTION_BAD
               ? pg_error_lost(pg, reterr)
               : err_set(reterr, ERR_STORE, "", "%s: %.*s.", pg->shown,
                         STR_ARG(words_of(PQresultErrorMessage(result))));
  if (strcmp(state, "57014") == 0 && pg->is_cancelled)
    return err_set(reterr, ERR_TOO_COSTLY, "",
                   "The query took too long; add a condition that is met by fewer.");
  return set_by_state(pg, state, PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), reterr);
}

bool pg_error_is_stale(const PGresult *result) {
  const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  return state && (strcmp(state, "0A000") == 0 || strcmp(state, "26000") == 0);
}

bool pg_error_is_fatal(const PGresult *result) {
  const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  return severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0);
}

int pg_error_lost(const struct pg *pg, struct err *reterr) {
  return err_set(reterr, ERR_UNAVAILABLE, "", "The connection to %s was lost.", pg->shown);
}

/* libpq tells no SQLSTATE of a failed attempt, but the server's words behind "FATAL:". */
struct words_row {
  const char *words;
  const char *state;
};

static const struct words_row words_table[] = {
    {"too many clients", "53300"},
    {"too many connections", "53300"},
    {"remaining connection slots", "53300"},
    {"starting up", "57P03"},
    {"shutting down", "57P03"},
    {"in recovery mode", "57P03"},
    {"not accepting connections", "57P03"},
    {"not yet accepting connections", "57P03"},
    {"session is read-only", "25006"},
    {"server is in hot standby mode", "25006"},
    {"permission denied for database", "42501"},
    {"authentication failed", "28P01"},
    {"no pg_hba.conf entry", "28000"},
    {"no password supplied", "28P01"},
    {"is not permitted to log in", "28000"},
    {"role \"", "28000"},
    {"database \"", "3D000"},
    {"terminating connection", "57P01"},
    /* libpq's own words, of what does not pass by waiting. */
    {"server does not support SSL", "TLS"},
    {"server doesn't support GSSAPI", "TLS"},
    {"GSSAPI encryption required", "TLS"},
    {"certificate", "TLS"},
    {"private key", "TLS"},
    {"SSL error", "TLS"},
    {"SSL support is not compiled in", "TLS"},
    {"SSL protocol version", "TLS"},
    {"channel binding", "TLS"},
    {"authentication method requirement", "28000"},
    {"unrecognized configuration parameter", "URL"},
    {"invalid value for parameter", "URL"},
    {"invalid command-line argument", "URL"},
    {"permission denied to set parameter", "URL"},
    {" value: \"", "URL"}, /* invalid sslmode value: "x" */
    {"invalid integer value", "URL"},
};

int pg_error_of_connect(const struct pg *pg, const PGconn *conn, struct err *reterr) {
  struct str all = str_trim(str_of(PQerrorMessage(conn))), line, last = all;
  while (str_split(&all, '\n', &line)) /* of several hosts the last one's answer */
    if (line.n && line.p[0] != '\t' && !str_starts_with(line, STR("DETAIL:")) &&
        !str_starts_with(line, STR("HINT:")) && !str_starts_with(line, STR("Either provide")))
      last = line;
  char words[200];
  ssize_t fatal = str_find(last, STR("FATAL:"));
  struct str shown = fatal < 0 ? last : str_trim(str_slice(last, (size_t)fatal + 6, last.n));
  snprintf(words, sizeof words, "%.*s", STR_ARG(shown));
  for (size_t i = 0; i < sizeof words_table / sizeof words_table[0]; i++)
    if (str_find(last, str_of(words_table[i].words)) >= 0)
      return set_by_state(pg, words_table[i].state, words, reterr);
  return err_set(reterr, ERR_UNAVAILABLE, "", "%s can't be reached: %.*s.", pg->shown,
                 STR_ARG(words_of(words)));
}
