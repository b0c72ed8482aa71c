/* What a client is told when the store fails, and what the log gets. */
#include "../test.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "store/told.h"

#define HOSTILE "postgresql://callosum@db.example.org/record: permission denied for table token"

static const enum err_code hidden[] = {ERR_UNAVAILABLE, ERR_UNCERTAIN, ERR_NO_SPACE,
                                       ERR_READ_ONLY,   ERR_STORE,     ERR_IO};

static struct err fault(enum err_code code, const char *text) {
  struct err err;
  err_set(&err, code, "/var/lib/record.db", "%s", text);
  return err;
}

/* ---- The log, as it is written ---- */

static int log_fd = -1, stderr_fd = -1;

static void catch_log(void) {
  char path[] = "/tmp/callosum-told-XXXXXX";
  log_fd = mkstemp(path);
  assert_true(log_fd >= 0);
  unlink(path);
  stderr_fd = dup(STDERR_FILENO);
  assert_true(dup2(log_fd, STDERR_FILENO) >= 0);
}

/* Lines since catch_log. */
static int end_log(void) {
  char bytes[16384];
  int lines = 0;
  dup2(stderr_fd, STDERR_FILENO);
  close(stderr_fd);
  ssize_t n = pread(log_fd, bytes, sizeof bytes, 0);
  close(log_fd);
  for (ssize_t i = 0; i < n; i++)
    lines += bytes[i] == '\n';
  return lines;
}

/* ---- Tests ---- */

static void failures_of_the_store_name_nothing(void **state) {
  (void)state;
  catch_log();
  for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
    struct err err = fault(hidden[i], HOSTILE), told = store_told(&err);
    assert_int_equal(told.code, hidden[i]);
    assert_string_equal(told.where, "");
    assert_null(strstr(told.text, "callosum"));
    assert_null(strstr(told.text, "example"));
    assert_null(strstr(told.text, "token"));
    assert_true(strlen(told.text) > 20);
  }
  (void)end_log();
}

static void other_errors_stay_as_they_are(void **state) {
  (void)state;
  static const enum err_code open[] = {ERR_VALUE, ERR_BUSY, ERR_TOO_COSTLY, ERR_NO_MEMORY};
  catch_log();
  for (size_t i = 0; i < sizeof open / sizeof open[0]; i++) {
    struct err err = fault(open[i], "Something to act on."), told = store_told(&err);
    assert_string_equal(told.where, err.where);
    assert_string_equal(told.text, err.text);
  }
  assert_int_equal(end_log(), 0);
}

static void the_time_to_ask_again_is_the_one_of_the_header(void **state) {
  (void)state;
  char seconds[32];
  struct err err = fault(ERR_UNAVAILABLE, HOSTILE), told = store_told(&err);
  snprintf(seconds, sizeof seconds, "in %d seconds", STORE_AGAIN_S);
  assert_non_null(strstr(told.text, seconds));
}

static void the_log_has_a_reason_once_and_not_once_per_request(void **state) {
  (void)state;
  catch_log();
  for (int i = 0; i < 200; i++) {
    struct err away = fault(ERR_UNAVAILABLE, HOSTILE), right = fault(ERR_STORE, "no right");
    (void)store_told(&away); /* the watch says it */
    (void)store_told(&right);
  }
  struct err other = fault(ERR_STORE, "another reason");
  (void)store_told(&other);
  assert_int_equal(end_log(), 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(failures_of_the_store_name_nothing),
      cmocka_unit_test(other_errors_stay_as_they_are),
      cmocka_unit_test(the_time_to_ask_again_is_the_one_of_the_header),
      cmocka_unit_test(the_log_has_a_reason_once_and_not_once_per_request),
  };
  return cmocka_run_group_tests(tests, test_arena_open, test_arena_close);
}
