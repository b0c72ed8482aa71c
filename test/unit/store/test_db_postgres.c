/* What is PostgreSQL's own: connections that break, what became of a commit, errors of the server.
 * A proxy between the driver and the server cuts connections where it is told to. */
#include "db_fixture.h"

#include "base/clock.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/un.h>

/* ---- The proxy ---- */

enum cut {
  CUT_NOTHING,
  CUT_BEFORE_COMMIT,      /* the server never sees it, and sees the end */
  CUT_AFTER_COMMIT,       /* the server does it, its answer is lost */
  CUT_CLIENT_AT_COMMIT,   /* the server never sees it, nor the end */
  CUT_CLIENT_LATE_COMMIT, /* the server sees it half a second later */
  CUT_CLIENT_LATE_BEGIN,  /* the server sees all that was sent with BEGIN half a second later */
  CUT_AND_REFUSE,         /* the server does it; nobody can connect any more */
};

static struct {
  char folder[64], path[128];
  char server[160];
  int listening;
  pthread_t thread;
  atomic_int cut, connections_n;
} proxy;

struct pair {
  int client, server;
  bool is_cut; /* the next answer of the server is the last that comes */
};

static struct sockaddr_un address_of(const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t n = strlen(path);
  if (n < sizeof address.sun_path)
    memcpy(address.sun_path, path, n + 1);
  return address;
}

static int dial_server(void) {
  struct sockaddr_un address = address_of(proxy.server);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* The text of the statement, or the name of the answer, with its NUL. */
static bool has_commit(const char *bytes, ssize_t n) {
  return n > 0 && memmem(bytes, (size_t)n, "COMMIT", sizeof "COMMIT") != NULL;
}

static bool has_begin(const char *bytes, ssize_t n) {
  return n > 0 && memmem(bytes, (size_t)n, "BEGIN ", 6) != NULL;
}

/* Bytes of the client. False: the connection ends. */
static bool pass_on(struct pair *pair, const char *bytes, ssize_t n) {
  int cut = atomic_load(&proxy.cut);
  if (cut != CUT_NOTHING &&
      (cut == CUT_CLIENT_LATE_BEGIN ? has_begin(bytes, n) : has_commit(bytes, n))) {
    if (cut != CUT_AND_REFUSE)
      atomic_store(&proxy.cut, CUT_NOTHING);
    if (cut == CUT_BEFORE_COMMIT)
      return false;
    pair->is_cut = true;
    if (cut == CUT_CLIENT_AT_COMMIT || cut == CUT_CLIENT_LATE_COMMIT ||
        cut == CUT_CLIENT_LATE_BEGIN) {
      shutdown(pair->client, SHUT_RDWR);
      usleep(cut == CUT_CLIENT_AT_COMMIT ? 3000000 : 500000);
      if (cut == CUT_CLIENT_AT_COMMIT)
        return false;
    }
  }
  return send(pair->server, bytes, (size_t)n, MSG_NOSIGNAL) == n && cut != CUT_CLIENT_LATE_BEGIN;
}

static void *carry(void *what) {
  struct pair *pair = what;
  char bytes[65536];
  for (bool goes_on = true; goes_on;) {
    struct pollfd fds[2] = {{pair->client, POLLIN, 0}, {pair->server, POLLIN, 0}};
    if (poll(fds, 2, -1) < 0)
      break;
    if (fds[0].revents && !pair->is_cut) {
      ssize_t n = recv(pair->client, bytes, sizeof bytes, 0);
      goes_on = n > 0 && pass_on(pair, bytes, n);
    }
    if (goes_on && fds[1].revents) {
      ssize_t n = recv(pair->server, bytes, sizeof bytes, 0);
      if (pair->is_cut)
        goes_on = n > 0 && !has_commit(bytes, n);
      else
        goes_on = n > 0 && send(pair->client, bytes, (size_t)n, MSG_NOSIGNAL) == n;
    }
  }
  close(pair->client);
  close(pair->server);
  free(pair);
  atomic_fetch_sub(&proxy.connections_n, 1);
  return NULL;
}

static void *serve(void *what) {
  (void)what;
  for (int client; (client = accept(proxy.listening, NULL, NULL)) >= 0;) {
    struct pair *pair = calloc(1, sizeof *pair);
    int server = atomic_load(&proxy.cut) == CUT_AND_REFUSE ? -1 : dial_server();
    pthread_t thread;
    if (pair && server >= 0) {
      *pair = (struct pair){.client = client, .server = server};
      atomic_fetch_add(&proxy.connections_n, 1);
      if (pthread_create(&thread, NULL, carry, pair) == 0) {
        pthread_detach(thread);
        continue;
      }
      atomic_fetch_sub(&proxy.connections_n, 1);
    }
    free(pair);
    close(client);
    if (server >= 0)
      close(server);
  }
  return NULL;
}

static const char *option_of_url(const char *name, char *buffer, size_t buffer_n) {
  PQconninfoOption *parsed = PQconninfoParse(getenv("CALLOSUM_TEST_POSTGRES"), NULL);
  assert_non_null(parsed);
  snprintf(buffer, buffer_n, "%s", "");
  for (const PQconninfoOption *option = parsed; option->keyword; option++)
    if (strcmp(option->keyword, name) == 0 && option->val)
      snprintf(buffer, buffer_n, "%s", option->val);
  PQconninfoFree(parsed);
  return buffer;
}

static int proxy_setup(void **state) {
  char host[96], port[16];
  if (db_setup(state) != 0)
    return -1;
  option_of_url("host", host, sizeof host);
  option_of_url("port", port, sizeof port);
  snprintf(proxy.server, sizeof proxy.server, "%s/.s.PGSQL.%s", host, port[0] ? port : "5432");
  snprintf(proxy.folder, sizeof proxy.folder, "/tmp/callosum-proxy-XXXXXX");
  if (host[0] != '/' || !mkdtemp(proxy.folder))
    return -1;
  snprintf(proxy.path, sizeof proxy.path, "%s/.s.PGSQL.%s", proxy.folder, port[0] ? port : "5432");
  struct sockaddr_un address = address_of(proxy.path);
  atomic_store(&proxy.cut, CUT_NOTHING);
  proxy.listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(proxy.listening, (struct sockaddr *)&address, sizeof address) != 0 ||
      listen(proxy.listening, 16) != 0)
    return -1;
  return pthread_create(&proxy.thread, NULL, serve, NULL);
}

static int proxy_teardown(void **state) {
  shutdown(proxy.listening, SHUT_RDWR);
  close(proxy.listening);
  pthread_join(proxy.thread, NULL);
  for (int i = 0; i < 500 && atomic_load(&proxy.connections_n) > 0; i++)
    usleep(10000);
  unlink(proxy.path);
  rmdir(proxy.folder);
  return db_teardown(state);
}

#define PROXY_TEST(function) cmocka_unit_test_setup_teardown(function, proxy_setup, proxy_teardown)

/* ---- Help ---- */

static int open_with(const char *more, bool is_writer, struct db **ret_db) {
  char path[800];
  snprintf(path, sizeof path, "%s%s", fixture_path, more);
  return db_open(&(struct db_options){.path = path,
                                      .newest = {APPLICATION, 3},
                                      .is_writer = is_writer,
                                      .wait_us = 300000,
                                      .ask_us = 2000000},
                 ret_db, &err);
}

/* A writer by way of the proxy. */
static struct db *open_by_proxy(void) {
  char more[160];
  struct db *db = NULL;
  snprintf(more, sizeof more, "&host=%s", proxy.folder);
  must(open_with(more, true, &db));
  return db;
}

static struct db *using(struct db *db) {
  struct db *before = fixture_db;
  fixture_db = db;
  return before;
}

static int64_t count_of(int64_t k) {
  struct db_statement *select = prepare("SELECT count(*) FROM t WHERE k=?");
  db_bind_i64(select, 1, k);
  int64_t n = step(select) ? db_column_i64(select, 0) : -1;
  db_release(select);
  return n;
}

static int64_t pid_of(struct db *db) {
  struct db *before = using(db);
  int64_t pid = number("SELECT pg_backend_pid()");
  using(before);
  return pid;
}

static void end_backend(int64_t pid) {
  struct db_statement *end = prepare("SELECT pg_terminate_backend(?::int)");
  db_bind_i64(end, 1, pid);
  assert_true(step(end));
  db_release(end);
  usleep(50000);
}

/* ---- What became of a commit ---- */

static void a_commit_that_the_server_did_not_see_was_not_written(void **state) {
  (void)state;
  struct db *db = open_by_proxy();
  atomic_store(&proxy.cut, CUT_BEFORE_COMMIT);
  assert_int_equal(try_commit(db, 1), ERR_UNAVAILABLE);
  assert_int_equal(count_of(1), 0);
  assert_int_equal(try_commit(db, 1), 0); /* may be run again as it was */
  assert_int_equal(count_of(1), 1);
  db_close(db);
}

static void a_commit_whose_answer_is_lost_was_written(void **state) {
  (void)state;
  struct db *db = open_by_proxy();
  atomic_store(&proxy.cut, CUT_AFTER_COMMIT);
  assert_int_equal(try_commit(db, 1), 0);
  assert_int_equal(count_of(1), 1);
  assert_int_equal(try_commit(db, 2), 0);
  assert_int_equal(count_of(2), 1);
  db_close(db);
}

static void a_commit_that_hangs_on_the_way_is_ended(void **state) {
  (void)state;
  struct db *db = open_by_proxy();
  int64_t began_us = clock_monotonic_us();
  atomic_store(&proxy.cut, CUT_CLIENT_AT_COMMIT);
  assert_int_equal(try_commit(db, 1), ERR_UNAVAILABLE);
  assert_true(clock_monotonic_us() - began_us < 2500000); /* the old session did not hold us up */
  assert_int_equal(count_of(1), 0);
  db_close(db);
}

static void come_late(enum cut cut) {
  struct db *db = open_by_proxy();
  atomic_store(&proxy.cut, cut);
  int code = try_commit(db, 1);
  usleep(1000000);
  assert_true(code == 0 || code == ERR_UNAVAILABLE);
  assert_int_equal(count_of(1), code == 0);
  db_close(db);
}

static void what_comes_late_has_no_second_outcome(void **state) {
  (void)state;
  come_late(CUT_CLIENT_LATE_COMMIT);
  must(db_run(fixture_db, "DELETE FROM t", &err));
  come_late(CUT_CLIENT_LATE_BEGIN);
}

static void a_commit_is_uncertain_when_nobody_can_be_asked(void **state) {
  (void)state;
  struct db *db = open_by_proxy();
  atomic_store(&proxy.cut, CUT_AND_REFUSE);
  int64_t began_us = clock_monotonic_us();
  assert_int_equal(try_commit(db, 1), ERR_UNCERTAIN);
  assert_true(clock_monotonic_us() - began_us >= 1900000);
  assert_int_equal(count_of(1), 1);
  assert_int_equal(try_commit(db, 2), ERR_UNAVAILABLE);
  atomic_store(&proxy.cut, CUT_NOTHING);
  assert_int_equal(try_commit(db, 2), 0);
  assert_int_equal(count_of(2), 1);
  db_close(db);
}

static void a_writers_number_does_not_stay_behind(void **state) {
  (void)state;
  struct db *db = open_by_proxy();
  for (int k = 1; k <= 3; k++)
    assert_int_equal(try_commit(db, k), 0);
  assert_int_equal(number("SELECT count(*) FROM db_writer"), 1);
  assert_int_equal(number("SELECT max(number) FROM db_writer"), 3);
  must(db_run(fixture_db, "INSERT INTO db_writer VALUES(17,4)", &err)); /* of long ago */
  assert_int_equal(try_commit(fixture_db, 4), 0);
  assert_int_equal(number("SELECT count(*) FROM db_writer"), 2);
  db_close(db);
  for (int i = 0; i < 100 && number("SELECT count(*) FROM db_writer") > 1; i++)
    usleep(20000);
  assert_int_equal(number("SELECT count(*) FROM db_writer"), 1);
}

/* ---- Sessions that end ---- */

static void an_idle_session_is_replaced(void **state) {
  (void)state;
  struct db *db = NULL;
  must(open_with("", true, &db));
  for (int i = 1; i <= 3; i++) {
    end_backend(pid_of(db));
    assert_int_equal(try_commit(db, i), 0);
  }
  end_backend(pid_of(db));
  struct db *before = using(db);
  assert_int_equal(number("SELECT count(*) FROM t"), 3); /* without a transaction too */
  using(before);
  db_close(db);
}

/* A connection whose session was ended when a row was written; if `is_answered`, when the server
 * has said so, else while that is on its way. */
static struct db *open_and_end_in_a_write(bool is_answered) {
  struct db *db = NULL;
  must(open_with("", true, &db));
  int64_t pid = pid_of(db);
  struct db *before = using(db);
  must(db_begin_write(db, &err));
  insert_number(1);
  if (is_answered)
    assert_int_equal(number("SELECT count(*) FROM t"), 1);
  using(before);
  end_backend(pid);
  return db;
}

static void a_session_that_ends_in_a_transaction_fails_it(void **state) {
  (void)state;
  struct db *db = open_and_end_in_a_write(true), *before = using(db);
  struct db_statement *select = prepare("SELECT count(*) FROM t");
  bool has_row;
  assert_int_equal(db_step(select, &has_row, &err), ERR_UNAVAILABLE);
  db_reset(select);
  assert_int_equal(db_step(select, &has_row, &err), ERR_UNAVAILABLE); /* until rolled back */
  db_release(select);
  assert_int_equal(db_commit(db, &err), ERR_UNAVAILABLE);
  db_rollback(db);
  using(before);
  assert_int_equal(try_commit(db, 2), 0);
  assert_int_equal(count_of(1), 0);
  assert_int_equal(count_of(2), 1);
  db_close(db);
}

static void a_session_that_ends_with_writes_on_their_way_has_written_nothing(void **state) {
  (void)state;
  struct db *db = open_and_end_in_a_write(false);
  assert_int_equal(db_commit(db, &err), ERR_UNAVAILABLE);
  db_rollback(db);
  assert_int_equal(count_of(1), 0);
  db_close(db);
}

static void a_read_transaction_begins_again_before_anything_was_seen(void **state) {
  (void)state;
  struct db *db = NULL;
  insert_numbers(1, 5);
  must(open_with("", false, &db));
  int64_t pid = pid_of(db);
  struct db *before = using(db);
  must(db_begin_read(db, &err));
  using(before);
  end_backend(pid);
  using(db);
  assert_int_equal(number("SELECT count(*) FROM t"), 5);
  pid = number("SELECT pg_backend_pid()");
  using(before);
  end_backend(pid);
  using(db);
  struct db_statement *select = prepare("SELECT count(*) FROM t");
  bool has_row;
  assert_int_equal(db_step(select, &has_row, &err), ERR_UNAVAILABLE); /* something was */
  db_release(select);
  db_rollback(db);
  assert_int_equal(number("SELECT count(*) FROM t"), 5);
  using(before);
  db_close(db);
}

/* ---- Writers ---- */

static void *add_many(void *what) {
  struct db *db = what;
  struct err fault;
  for (int i = 0; i < 50; i++) {
    struct db_statement *select = NULL, *insert = NULL;
    bool has_row = false;
    int code = db_begin_write(db, &fault);
    if (code == 0)
      code = db_prepare(db, STR("SELECT coalesce(max(k),0) FROM t"), &select, &fault);
    if (code == 0)
      code = db_step(select, &has_row, &fault);
    int64_t last = has_row ? db_column_i64(select, 0) : -1;
    db_release(select);
    if (code == 0)
      code = db_prepare(db, STR("INSERT INTO t(k) VALUES(?)"), &insert, &fault);
    if (code == 0) {
      db_bind_i64(insert, 1, last + 1);
      code = db_execute(insert, &fault);
      db_release(insert);
    }
    if (code == 0)
      code = db_commit(db, &fault);
    if (code != 0)
      return strdup(fault.text);
  }
  return NULL;
}

/* Each sees all that those before it wrote, so that numbers have no gap and none is given twice. */
static void writers_take_turns(void **state) {
  (void)state;
  enum { WRITERS = 4 };
  struct db *writers[WRITERS];
  pthread_t threads[WRITERS];
  for (int i = 0; i < WRITERS; i++)
    must(open_with("", true, &writers[i]));
  for (int i = 0; i < WRITERS; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, add_many, writers[i]), 0);
  for (int i = 0; i < WRITERS; i++) {
    void *fault = NULL;
    pthread_join(threads[i], &fault);
    if (fault)
      fail_msg("%s", (char *)fault);
    db_close(writers[i]);
  }
  assert_int_equal(number("SELECT count(*) FROM t"), WRITERS * 50);
  assert_int_equal(number("SELECT max(k) FROM t"), WRITERS * 50);
}

/* Both sides have more to say than their buffers take. */
static void writes_and_answers_may_be_large(void **state) {
  (void)state;
  enum { N = 3000 };
  char *bytes = arena_alloc(test_arena, 20000);
  memset(bytes, 'x', 20000);
  struct db_statement *insert =
      prepare("INSERT INTO t(k,b) VALUES(?,?) RETURNING b,b,b"); /* nobody wants these */
  must(db_begin_write(fixture_db, &err));
  for (int i = 0; i < N; i++) {
    db_bind_i64(insert, 1, i);
    db_bind_bytes(insert, 2, str_n(bytes, 20000));
    must(db_execute(insert, &err));
  }
  must(db_commit(fixture_db, &err));
  db_release(insert);
  assert_int_equal(number("SELECT sum(length(b)) FROM t"), (int64_t)N * 20000);
}

/* ---- Errors ---- */

static int open_url(const char *url) {
  struct db *db = NULL;
  int code = db_open(
      &(struct db_options){.path = url, .newest = {APPLICATION, 3}, .is_writer = true}, &db, &err);
  db_close(db);
  assert_null(strstr(err.text, "secret"));
  return code;
}

static void a_wrong_url_is_told_without_its_password(void **state) {
  (void)state;
  static const char *const urls[] = {
      "postgresql://u:secret@h:port/d",   "postgresql://u:sec@ret:secret@h/d",
      "postgresql://u:secret@h/d?what=1", "postgresql://u:secret@[::1/d",
      "postgresql://u:%zzsecret@h/d",     "postgresql://u:secret@h:99999/d",
      "postgresql://u:secr/etsecret@h/d", "postgresql://u:p/a?secret=1@h/d",
  };
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++)
    assert_int_equal(open_url(urls[i]), ERR_VALUE);
  assert_int_equal(open_url("postgresql://u:secret@/d?host=/nowhere"), ERR_UNAVAILABLE);
  assert_int_equal(open_url("postgresql://u:secret@127.0.0.1:1/d"), ERR_UNAVAILABLE);
}

static void what_the_server_refuses_is_told(void **state) {
  (void)state;
  struct db *db = NULL;
  assert_int_equal(open_with("&dbname=nowhere", true, &db), ERR_STORE);
  assert_non_null(strstr(err.text, "no such database"));
  assert_int_equal(open_with("&user=nobody_", true, &db), ERR_STORE);
  assert_non_null(strstr(err.text, "login"));
  assert_int_equal(open_with("&options=-csearch_path%3Dnowhere", true, &db), ERR_STORE);
  assert_non_null(strstr(err.text, "CREATE SCHEMA"));
  assert_int_equal(open_with("%20-cdefault_transaction_read_only%3Don", true, &db), ERR_READ_ONLY);
  struct db_statement *select = prepare("SELECT count(*) FROM pg_authid");
  bool has_row;
  assert_int_equal(db_step(select, &has_row, &err), ERR_STORE);
  assert_non_null(strstr(err.text, "right"));
  db_release(select);
}

static void the_next_host_is_tried(void **state) {
  (void)state;
  char host[96], more[200];
  struct db *db = NULL;
  snprintf(more, sizeof more, "&host=/nowhere,%s", option_of_url("host", host, sizeof host));
  must(open_with(more, true, &db));
  assert_int_equal(try_commit(db, 1), 0);
  db_close(db);
  assert_int_equal(open_with("&host=/nowhere,/nowhere_else", true, &db), ERR_UNAVAILABLE);
}

static void the_servers_limits_are_told(void **state) {
  (void)state;
  struct db *db = NULL;
  bool has_row;
  must(open_with("%20-cstatement_timeout%3D1000%20-clock_timeout%3D500", true, &db));
  struct db *before = using(db);
  struct db_statement *sleep = prepare("SELECT pg_sleep(30)");
  assert_int_equal(db_step(sleep, &has_row, &err), ERR_BUSY);
  db_reset(sleep);
  must(db_begin_write(db, &err));
  assert_int_equal(db_step(sleep, &has_row, &err), ERR_BUSY);
  db_rollback(db);
  db_release(sleep);
  using(before);
  must(db_begin_write(fixture_db, &err));
  insert_number(1);
  assert_int_equal(number("SELECT count(*) FROM t"), 1);
  assert_int_equal(try_commit(db, 2), ERR_BUSY); /* the lock of all writers */
  must(db_commit(fixture_db, &err));
  assert_int_equal(try_commit(db, 2), 0);
  db_close(db);
}

static void an_error_does_not_spoil_what_was_prepared(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++) {
    bool has_row;
    struct db_statement *wrong = prepare("SELECT nothing FROM nowhere WHERE a=?");
    struct db_statement *right = prepare("SELECT count(*) FROM t WHERE k>?");
    must(db_begin_read(fixture_db, &err));
    db_bind_i64(wrong, 1, 1);
    db_bind_i64(right, 1, 0);
    db_send(wrong);
    db_send(right); /* never gets to the server's planner: it comes behind the failure */
    assert_int_equal(db_step(right, &has_row, &err), ERR_STORE);
    assert_int_equal(db_step(wrong, &has_row, &err), ERR_STORE);
    db_release(wrong);
    db_release(right);
    db_rollback(fixture_db);
    assert_int_equal(number("SELECT count(*) FROM t"), 0);
  }
  struct db_statement *right = prepare("SELECT count(*) FROM t WHERE k>?");
  db_bind_i64(right, 1, 0);
  assert_true(step(right));
  db_release(right);
}

/* Its answer comes when the next transaction has begun already. */
static void a_failure_is_of_its_own_transaction(void **state) {
  (void)state;
  insert_numbers(1, 1);
  for (int i = 0; i < 20; i++) {
    must(db_begin_write(fixture_db, &err));
    insert_number(1); /* is refused, but nobody waits to hear it */
    db_rollback(fixture_db);
    must(db_begin_write(fixture_db, &err));
    insert_number(100 + i);
    assert_int_equal(number("SELECT count(*) FROM t"), i + 2);
    must(db_commit(fixture_db, &err));
  }
}

/* What is done alone next is none of it. */
static void a_failure_does_not_outlive_its_transaction(void **state) {
  (void)state;
  insert_numbers(1, 1);
  for (int i = 0; i < 20; i++) {
    must(db_begin_write(fixture_db, &err));
    insert_number(1);
    db_rollback(fixture_db);
    must(db_run(fixture_db, "UPDATE t SET n=1", &err));
    must(db_begin_write(fixture_db, &err));
    insert_number(1);
    bool has_row;
    struct db_statement *select = prepare("SELECT count(*) FROM t");
    assert_int_equal(db_step(select, &has_row, &err), ERR_STORE);
    db_release(select);
    db_rollback(fixture_db);
    select = prepare("SELECT 1/(max(k)-max(k)) FROM t");
    assert_int_equal(db_step(select, &has_row, &err), ERR_STORE);
    db_release(select);
    int64_t k = 100 + i;
    const struct db_column columns[] = {{DB_I64, &k, 0, sizeof k}};
    must(db_execute_rows(fixture_db, STR("INSERT INTO t(k) VALUES(?)"), columns, 1, 1, &err));
  }
  assert_int_equal(number("SELECT count(*) FROM t"), 21);
}

/* A transaction that begins by letting go of what is gone already does not suffer from that. */
static void what_is_gone_already_need_not_be_dropped(void **state) {
  (void)state;
  insert_numbers(1, 1);
  assert_int_equal(number("SELECT max(k) FROM t"), 1);
  struct db_statement *select =
      prepare("SELECT name::bytea FROM pg_prepared_statements WHERE statement LIKE 'SELECT max%'");
  assert_true(step(select));
  char sql[80];
  snprintf(sql, sizeof sql, "DEALLOCATE %.*s", STR_ARG(db_column_str(select, 0)));
  db_release(select);
  must(db_run(fixture_db, sql, &err));
  select = prepare("SELECT max(k) FROM t");
  bool has_row;
  assert_int_equal(db_step(select, &has_row, &err), ERR_STORE);
  db_release(select);
  must(db_begin_write(fixture_db, &err));
  assert_int_equal(number("SELECT max(k) FROM t"), 1);
  insert_number(2);
  must(db_commit(fixture_db, &err));
}

/* ---- Tables that are being made ---- */

struct opener {
  char path[256];
  atomic_bool is_over;
  struct err err;
  int code, opened_n;
};

static void *open_again_and_again(void *what) {
  struct opener *opener = what;
  for (bool is_last = false; opener->code == 0 && !is_last; opener->opened_n++) {
    struct db *db = NULL;
    is_last = atomic_load(&opener->is_over);
    opener->code = db_open(&(struct db_options){.path = opener->path, .newest = {APPLICATION, 3}},
                           &db, &opener->err);
    db_close(db);
  }
  return NULL;
}

/* They are seen between two looks of another process: before or after, but never as a stranger's.
 */
static void tables_that_are_being_made_are_nobody_elses(void **state) {
  (void)state;
  for (int i = 0; i < 60; i++) {
    struct opener opener = {0};
    char sql[400], name[64];
    pthread_t thread;
    snprintf(name, sizeof name, "%s_%d", fixture_schema, i);
    const char *url = getenv("CALLOSUM_TEST_POSTGRES");
    snprintf(opener.path, sizeof opener.path, "%s%coptions=-csearch_path%%3D%s", url,
             strchr(url, '?') ? '&' : '?', name);
    snprintf(sql, sizeof sql, "CREATE SCHEMA %s", name);
    must(db_run(fixture_db, sql, &err));
    assert_int_equal(pthread_create(&thread, NULL, open_again_and_again, &opener), 0);
    usleep((useconds_t)(i % 10 * 700));
    snprintf(sql, sizeof sql,
             "BEGIN;CREATE TABLE %s.t(k integer);CREATE TABLE %s.callosum_identity(application "
             "bigint, version bigint);INSERT INTO %s.callosum_identity VALUES(%u,3);COMMIT",
             name, name, name, (unsigned)APPLICATION);
    int code = db_run(fixture_db, sql, &err);
    atomic_store(&opener.is_over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    snprintf(sql, sizeof sql, "DROP SCHEMA %s CASCADE", name);
    must(db_run(fixture_db, sql, &err));
    must(code);
    if (opener.code != 0)
      fail_msg("round %d: %s", i, opener.err.text);
  }
}

/* Another process changes a table that a kept statement reads. */
static void what_was_prepared_is_prepared_again(void **state) {
  (void)state;
  struct db *db = NULL;
  insert_numbers(1, 2);
  must(open_with("", false, &db));
  struct db *before = using(db);
  struct db_statement *select = prepare("SELECT * FROM t WHERE k=?");
  bool has_row;
  db_bind_i64(select, 1, 2);
  assert_true(step(select));
  db_release(select);
  must(db_run(before, "ALTER TABLE t DROP COLUMN x", &err));
  select = prepare("SELECT * FROM t WHERE k=?");
  db_bind_i64(select, 1, 2);
  assert_int_equal(db_step(select, &has_row, &err), ERR_STORE);
  db_reset(select);
  db_bind_i64(select, 1, 2);
  assert_true(step(select));
  assert_int_equal(db_column_i64(select, 1), 20);
  db_release(select);
  must(db_run(db, "DEALLOCATE ALL", &err));
  select = prepare("SELECT * FROM t WHERE k=?");
  db_bind_i64(select, 1, 1);
  assert_int_equal(db_step(select, &has_row, &err), ERR_STORE);
  db_reset(select);
  assert_true(step(select));
  db_release(select);
  using(before);
  db_close(db);
}

static void a_transaction_that_wrote_nothing_leaves_no_number(void **state) {
  (void)state;
  must(db_begin_write(fixture_db, &err));
  assert_int_equal(number("SELECT count(*) FROM t"), 0);
  must(db_commit(fixture_db, &err));
  assert_false(db_is_begun(fixture_db));
  assert_int_equal(number("SELECT count(*) FROM db_writer"), 0);
  must(db_begin_write(fixture_db, &err));
  must(db_run(fixture_db, "INSERT INTO t(k) VALUES(1)", &err));
  must(db_commit(fixture_db, &err));
  must(db_begin_write(fixture_db, &err));
  struct db_statement *insert = prepare("INSERT INTO t(k) VALUES(2) RETURNING k");
  assert_true(step(insert));
  db_release(insert);
  must(db_commit(fixture_db, &err));
  assert_int_equal(number("SELECT sum(k) FROM t"), 3);
  assert_int_equal(number("SELECT max(number) FROM db_writer"), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      PROXY_TEST(a_commit_that_the_server_did_not_see_was_not_written),
      PROXY_TEST(a_commit_whose_answer_is_lost_was_written),
      PROXY_TEST(a_commit_that_hangs_on_the_way_is_ended),
      PROXY_TEST(what_comes_late_has_no_second_outcome),
      PROXY_TEST(a_commit_is_uncertain_when_nobody_can_be_asked),
      PROXY_TEST(a_writers_number_does_not_stay_behind),
      DB_TEST(an_idle_session_is_replaced),
      DB_TEST(a_session_that_ends_in_a_transaction_fails_it),
      DB_TEST(a_session_that_ends_with_writes_on_their_way_has_written_nothing),
      DB_TEST(a_read_transaction_begins_again_before_anything_was_seen),
      DB_TEST(writers_take_turns),
      DB_TEST(writes_and_answers_may_be_large),
      DB_TEST(a_wrong_url_is_told_without_its_password),
      DB_TEST(what_the_server_refuses_is_told),
      DB_TEST(the_next_host_is_tried),
      DB_TEST(the_servers_limits_are_told),
      DB_TEST(what_was_prepared_is_prepared_again),
      DB_TEST(a_failure_does_not_outlive_its_transaction),
      DB_TEST(tables_that_are_being_made_are_nobody_elses),
      DB_TEST(what_is_gone_already_need_not_be_dropped),
      DB_TEST(a_transaction_that_wrote_nothing_leaves_no_number),
      DB_TEST(an_error_does_not_spoil_what_was_prepared),
      DB_TEST(a_failure_is_of_its_own_transaction),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
