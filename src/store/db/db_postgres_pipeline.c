/* What was sent and is not answered yet. The socket does not block; whoever waits reads and writes
 * at the same time, so that two full buffers can't wait for each other. */
#include "store/db/db_postgres.h"

#include "base/clock.h"
#include "store/db/db_postgres_turn.h"

#include <errno.h>
#include <poll.h>

enum {
  UNFLUSHED_MAX = 256 << 10, /* bytes in libpq's buffer before we wait for the server to read */
  READS_PER_RECORD = 2,
  CANCEL_US = 5000000,        /* for the answer after a cancel */
  WRITE_ANSWER_US = 120000000 /* the longest that a write transaction waits for an answer */
};

/* ---- The queue ---- */

static struct pg_pending *push(struct pg *pg) {
  if (pg->pending_first + pg->pending_n == pg->pending_capacity) {
    if (pg->pending_first >= 64) {
      memmove(pg->pending, pg->pending + pg->pending_first, pg->pending_n * sizeof *pg->pending);
      pg->pending_first = 0;
    } else {
      size_t capacity = pg->pending_capacity ? pg->pending_capacity * 2 : 128;
      void *p = realloc(pg->pending, capacity * sizeof *pg->pending);
      if (!p)
        return NULL;
      pg->pending = p;
      pg->pending_capacity = capacity;
    }
  }
  struct pg_pending *pending = &pg->pending[pg->pending_first + pg->pending_n++];
  *pending = (struct pg_pending){0};
  return pending;
}

static void pop(struct pg *pg) {
  pg->pending_first++;
  pg->pending_n--;
  if (pg->pending_n == 0)
    pg->pending_first = 0;
}

/* Out of memory between a statement that libpq has and our note of it: the session can't be
 * understood any more. */
static int note_sent(struct pg *pg, bool is_taken, enum pg_sent kind, struct pg_plan *plan,
                     struct pg_statement *statement, struct err *reterr) {
  struct pg_pending *pending = is_taken ? push(pg) : NULL;
  if (!pending) {
    pg_lost(pg);
    return pg_error_lost(pg, reterr);
  }
  pending->kind = kind;
  pending->plan = plan;
  pending->statement = statement;
  pending->transaction = pg->transactions_n;
  pg->unsynced_n++;
  return 0;
}

int pg_note_failure(struct pg *pg, int code, const struct err *err) {
  if (pg->failed == 0) {
    pg->failed = code;
    pg->failure = *err;
  }
  return code;
}

static void answer(struct pg_statement *statement, int code, const struct err *err) {
  if (!statement)
    return;
  statement->is_answered = true;
  statement->code = code;
  if (code)
    statement->err = *err;
}

void pg_lost(struct pg *pg) {
  struct err err;
  int code = pg_error_lost(pg, &err);
  pg_note_failure(pg, code, &err);
  for (size_t i = 0; i < pg->pending_n; i++)
    answer(pg->pending[pg->pending_first + i].statement, pg->failed, &pg->failure);
  pg_disconnect(pg);
}

void pg_forget(struct pg *pg, const struct pg_statement *statement) {
  for (size_t i = 0; i < pg->pending_n; i++)
    if (pg->pending[pg->pending_first + i].statement == statement)
      pg->pending[pg->pending_first + i].statement = NULL;
}

/* ---- Sending ---- */

void pg_flush(struct pg *pg) {
  if (pg->conn && PQflush(pg->conn) == 0)
    pg->unflushed_bytes = 0;
}

/*
 * Of a record that TLS has unpacked, libpq reads as much as its buffer has room for, 8 kB at least;
 * the rest makes no socket readable, so it is read without asking the socket. A record holds 16 kB,
 * which servers from 17 on fill.
 */
static void note_rest(struct pg *pg, bool is_readable) {
  if (is_readable)
    pg->rest_n = PQsslInUse(pg->conn) || PQgssEncInUse(pg->conn) ? READS_PER_RECORD : 0;
  else if (pg->rest_n > 0)
    pg->rest_n--;
}

enum awaited { AWAIT_ANSWER, AWAIT_SENT };

/* Reads what there is and writes what can be written, waiting at most until `until_us` (0: without
 * a limit). False: the time is over. */
static bool exchange(struct pg *pg, enum awaited awaited, int64_t until_us) {
  int left = PQflush(pg->conn);
  if (left == 0)
    pg->unflushed_bytes = 0;
  if (left == 0 && awaited == AWAIT_SENT)
    return true;
  struct pollfd fd = {.fd = PQsocket(pg->conn), .events = (short)(POLLIN | (left ? POLLOUT : 0))};
  int timeout_ms = -1;
  if (until_us) {
    int64_t rest_us = until_us - clock_monotonic_us();
    if (rest_us <= 0)
      return false;
    timeout_ms = rest_us > 1000000000 ? 1000000 : (int)(rest_us / 1000) + 1;
  }
  bool may_have_rest = pg->rest_n > 0;
  int n = left < 0 ? 1 : poll(&fd, 1, may_have_rest ? 0 : timeout_ms);
  if (n < 0 && errno != EINTR) {
    pg_lost(pg);
    return true;
  }
  bool is_readable = n > 0 && (fd.revents & ~POLLOUT);
  note_rest(pg, is_readable);
  if ((left < 0 || is_readable || may_have_rest) && PQconsumeInput(pg->conn) == 0)
    pg_take_answers(pg); /* what came before the end */
  return true;
}

/* The same; while the session waits for its turn to write it looks who has it. */
static bool exchange_in_turn(struct pg *pg, enum awaited awaited, int64_t until_us) {
  int64_t look_at_us = pg_turn_look_at_us(pg);
  if (look_at_us == 0 || (until_us && until_us < look_at_us))
    return exchange(pg, awaited, until_us);
  if (!exchange(pg, awaited, look_at_us))
    pg_turn_look(pg);
  return true;
}

/* Waits until the server has read what was queued; it answers nothing before the next sync. */
static void drain(struct pg *pg) {
  while (pg->conn && pg->unflushed_bytes > UNFLUSHED_MAX) {
    if (!exchange_in_turn(pg, AWAIT_SENT, clock_monotonic_us() + WRITE_ANSWER_US)) {
      pg_lost(pg);
      return;
    }
    pg_take_answers(pg);
  }
}

static size_t bytes_of(const int *lengths, int n) {
  size_t bytes = 64;
  for (int i = 0; lengths && i < n; i++)
    bytes += (size_t)lengths[i] + 8;
  return bytes;
}

static int queue_prepare(struct pg *pg, struct pg_plan *plan, struct err *reterr) {
  bool is_taken = PQsendPrepare(pg->conn, plan->name, plan->text, plan->types_n, plan->types) == 1;
  int code = note_sent(pg, is_taken, PG_SENT_PREPARE, plan, NULL, reterr);
  if (code == 0)
    plan->session = pg->session;
  return code;
}

int pg_queue(struct pg *pg, struct pg_plan *plan, const char *const *values, const int *lengths,
             struct pg_statement *statement, struct err *reterr) {
  static const int all_binary[1] = {1};
  if (!pg->conn)
    return pg_error_lost(pg, reterr);
  int code = plan->session == pg->session ? 0 : queue_prepare(pg, plan, reterr);
  if (code)
    return code;
  int formats_small[16], *formats = formats_small;
  if (plan->types_n > (int)(sizeof formats_small / sizeof formats_small[0])) {
    formats = malloc((size_t)plan->types_n * sizeof *formats);
    if (!formats)
      return err_no_memory(reterr);
  }
  for (int i = 0; i < plan->types_n; i++)
    formats[i] = all_binary[0];
  bool is_taken =
      PQsendQueryPrepared(pg->conn, plan->name, plan->types_n, values, lengths, formats, 1) == 1;
  if (formats != formats_small)
    free(formats);
  code = note_sent(pg, is_taken, PG_SENT_EXECUTE, plan, statement, reterr);
  if (code)
    return code;
  pg->unflushed_bytes += bytes_of(lengths, plan->types_n);
  if (pg->unflushed_bytes > UNFLUSHED_MAX)
    drain(pg);
  return 0;
}

int pg_queue_text(struct pg *pg, const char *sql, struct pg_statement *statement,
                  struct err *reterr) {
  struct pg_plan *plan = pg_plan(pg, sql, NULL, 0, reterr);
  return plan ? pg_queue(pg, plan, NULL, NULL, statement, reterr) : ERR_NO_MEMORY;
}

int pg_queue_once(struct pg *pg, const char *sql) {
  struct err ignored; /* a lost session is noted */
  if (!pg->conn)
    return ERR_UNAVAILABLE;
  bool is_taken = PQsendQueryParams(pg->conn, sql, 0, NULL, NULL, NULL, NULL, 1) == 1;
  int code = note_sent(pg, is_taken, PG_SENT_EXECUTE, NULL, NULL, &ignored);
  if (code == 0)
    pg->pending[pg->pending_first + pg->pending_n - 1].transaction = 0;
  return code;
}

void pg_queue_sync(struct pg *pg) {
  struct err ignored; /* a lost session is noted */
  if (!pg->conn || pg->unsynced_n == 0)
    return;
  bool is_taken = PQpipelineSync(pg->conn) == 1;
  if (note_sent(pg, is_taken, PG_SENT_SYNC, NULL, NULL, &ignored) == 0)
    pg->unsynced_n = 0;
}

/* ---- Answers ---- */

static bool has_worked(ExecStatusType status) {
  return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY;
}

/* What was rolled back before its answer came fails nobody but who waits for it. */
static void note_failed_answer(struct pg *pg, const struct pg_pending *head,
                               const PGresult *result) {
  struct err err;
  bool is_of_now = head->transaction == pg->transactions_n;
  if (head->kind == PG_SENT_PREPARE && head->plan)
    head->plan->session = 0;
  else if (head->plan && pg_error_is_stale(result))
    pg_plan_renew(pg, head->plan);
  if (PQresultStatus(result) == PGRES_PIPELINE_ABORTED && is_of_now && pg->failed) {
    answer(head->statement, pg->failed, &pg->failure);
    return;
  }
  int code = pg_error_of_result(pg, result, &err);
  pg->is_ending |= pg_error_is_fatal(result);
  pg->is_read_only |= code == ERR_READ_ONLY;
  if (is_of_now)
    pg_note_failure(pg, code, &err);
  answer(head->statement, code, &err);
}

/* The answer to the head of the queue; owns `result`. */
static void take_answer(struct pg *pg, PGresult *result) {
  struct pg_pending *head = &pg->pending[pg->pending_first];
  ExecStatusType status = PQresultStatus(result);
  struct pg_statement *statement = head->statement;
  if (status == PGRES_PIPELINE_SYNC) {
    PQclear(result);
    pop(pg);
    return;
  }
  head->is_answered = true;
  if (has_worked(status)) {
    if (statement) {
      statement->result = result;
      answer(statement, 0, NULL);
      return;
    }
  } else {
    note_failed_answer(pg, head, result);
  }
  PQclear(result);
}

void pg_take_answers(struct pg *pg) {
  int nothing_n = 0;
  while (pg->conn && pg->pending_n && nothing_n < 3 && !PQisBusy(pg->conn)) {
    PGresult *result = PQgetResult(pg->conn);
    struct pg_pending *head = &pg->pending[pg->pending_first];
    nothing_n = result ? 0 : nothing_n + 1;
    if (result) {
      take_answer(pg, result);
    } else if (head->is_answered) {
      pop(pg);
      nothing_n = 0;
    }
  }
  if (pg->conn && (pg->is_ending || PQstatus(pg->conn) == CONNECTION_BAD))
    pg_lost(pg);
}

static bool is_awaited(const struct pg *pg, const struct pg_statement *statement) {
  return statement ? !statement->is_answered : pg->pending_n > 0;
}

/* The deadline is past: asks the server to stop, and waits a little for it to say that it has. */
static void cancel(struct pg *pg, const struct pg_statement *statement) {
  char ignored[256];
  PGcancel *asked = PQgetCancel(pg->conn);
  pg->is_cancelled = true;
  if (!asked || !PQcancel(asked, ignored, sizeof ignored)) {
    PQfreeCancel(asked);
    pg_lost(pg);
    return;
  }
  PQfreeCancel(asked);
  int64_t until_us = clock_monotonic_us() + CANCEL_US;
  while (pg->conn && is_awaited(pg, statement)) {
    if (!exchange(pg, AWAIT_ANSWER, until_us)) {
      pg_lost(pg);
      return;
    }
    pg_take_answers(pg);
  }
}

int pg_wait(struct pg *pg, struct pg_statement *statement, struct err *reterr) {
  if (is_awaited(pg, statement))
    pg_queue_sync(pg);
  bool is_writing = pg->transaction == PG_WRITING;
  int64_t until_us = 0;
  if (is_writing)
    until_us = clock_monotonic_us() + WRITE_ANSWER_US;
  else if (pg->base.deadline_us)
    until_us = pg->base.waiting_deadline_us;
  pg_take_answers(pg);
  while (pg->conn && is_awaited(pg, statement)) {
    if (exchange_in_turn(pg, AWAIT_ANSWER, until_us))
      pg_take_answers(pg);
    else if (is_writing)
      pg_lost(pg);
    else
      cancel(pg, statement), until_us = 0;
  }
  int code = statement ? statement->code : pg->failed;
  if (code && reterr)
    *reterr = statement ? statement->err : pg->failure;
  return code;
}
