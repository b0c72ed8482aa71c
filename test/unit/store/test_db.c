/* Files that can't or must not be opened, and disks that are full. */
#include "store_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int try_open(struct err *reterr) {
  struct store *store = NULL;
  int code = store_open(&(struct store_options){.path = fixture_path}, &store, reterr);
  store_close(store);
  return code;
}

/* Runs `check` in a process of its own; 0 when it says so. */
static int in_child(int (*check)(void)) {
  pid_t child = fork();
  assert_true(child >= 0);
  if (child == 0)
    _exit(check());
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_sql(const char *sql) {
  sqlite3 *db;
  assert_int_equal(sqlite3_open(fixture_path, &db), SQLITE_OK);
  assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
  sqlite3_close(db);
}

static int open_is_conflict(void) {
  struct err err;
  return try_open(&err) == ERR_CONFLICT ? 0 : 1;
}

static void store_belongs_to_one_process(void **state) {
  (void)state;
  fixture_open();
  assert_int_equal(in_child(open_is_conflict), 0);
  struct err err;
  assert_int_equal(try_open(&err), ERR_CONFLICT);
  const char *link = text_of("%s-link", fixture_path); /* by whatever name */
  assert_int_equal(symlink(fixture_path, link), 0);
  struct store *store = NULL;
  assert_int_equal(store_open(&(struct store_options){.path = link}, &store, &err), ERR_CONFLICT);
  assert_int_equal(unlink(link), 0);
  fixture_reopen();
}

static void store_refuses_what_is_not_its_own(void **state) {
  (void)state;
  struct err err;
  run_sql("CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  assert_int_equal(try_open(&err), ERR_STORE);
  assert_non_null(strstr(err.text, "another program"));
  run_sql("PRAGMA application_id=7");
  assert_int_equal(try_open(&err), ERR_STORE);
  assert_int_equal(access(arena_printf(test_arena, "%s-wal", fixture_path).p, F_OK), -1);
}

static void store_refuses_a_newer_file(void **state) {
  (void)state;
  struct err err;
  fixture_open();
  store_close(fixture_store);
  fixture_store = NULL;
  run_sql("PRAGMA user_version=999");
  assert_int_equal(try_open(&err), ERR_STORE);
  assert_non_null(strstr(err.text, "newer"));
}

static void write_file(const char *bytes, size_t n, off_t at) {
  int fd = open(fixture_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_true(fd >= 0);
  assert_int_equal(pwrite(fd, bytes, n, at), n);
  close(fd);
}

static void store_tells_a_damaged_file(void **state) {
  (void)state;
  struct err err;
  write_file("this is a text and not a database, however long it may be", 57, 0);
  assert_int_equal(try_open(&err), ERR_STORE);
  unlink(fixture_path);
  fixture_open();
  store_close(fixture_store);
  fixture_store = NULL;
  char noise[4096];
  memset(noise, 0xa5, sizeof noise);
  write_file(noise, sizeof noise, 4096);
  write_file(noise, sizeof noise, 8192);
  int code = try_open(&err);
  assert_true(code == ERR_STORE);
}

static int open_is_read_only(void) {
  struct err err;
  if (setuid(65534) != 0)
    return 2;
  return try_open(&err) == ERR_READ_ONLY ? 0 : 1;
}

static void store_refuses_a_read_only_file(void **state) {
  (void)state;
  fixture_open();
  store_close(fixture_store);
  fixture_store = NULL;
  if (getuid() != 0)
    skip();
  char owner[sizeof fixture_path + 8];
  snprintf(owner, sizeof owner, "%s-owner", fixture_path);
  assert_int_equal(chmod(fixture_folder, 0755), 0);
  assert_int_equal(chmod(fixture_path, 0444), 0);
  assert_int_equal(in_child(open_is_read_only), 0);
  /* The folder can be written, the data can't. */
  assert_int_equal(chmod(fixture_folder, 0777), 0);
  assert_int_equal(chmod(owner, 0666), 0);
  assert_int_equal(in_child(open_is_read_only), 0);
}

#define BIG_BYTES 200000

static struct store_write big_write(const char *id) {
  struct store_write write = write_of("Binary", id, "");
  char *text = arena_alloc(test_arena, BIG_BYTES + 1);
  uint64_t random = 88172645463325252u;
  for (size_t i = 0; i < BIG_BYTES; i++) {
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    text[i] = (char)('A' + random % 58);
  }
  text[BIG_BYTES] = '\0';
  write.body = arena_printf(
      test_arena, "{\"resourceType\":\"Binary\",\"id\":\"%s\",\"data\":\"%s\"}", id, text);
  return write;
}

/* Fills the disk (here: the largest size that a file may have), sees that all is refused and none
 * is lost, then makes room. */
static int survives_full_disk(void) {
  struct rlimit limit;
  struct store_resource found;
  signal(SIGXFSZ, SIG_IGN);
  fixture_open();
  struct store_write small = write_of("Patient", "p1", "before");
  if (commit(&small, 1) != 0 || getrlimit(RLIMIT_FSIZE, &limit) != 0)
    return 1;
  rlim_t was = limit.rlim_cur;
  limit.rlim_cur = 1 << 20;
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
    return 2;
  int code = 0;
  unsigned n = 0;
  for (; n < 100 && code == 0; n++) {
    struct store_write write = big_write(arena_printf(test_arena, "b%u", n).p);
    code = commit(&write, 1);
  }
  if (code != ERR_NO_SPACE)
    return 3;
  struct store_write refused = big_write("late");
  if (commit(&refused, 1) != ERR_NO_SPACE || read_one("Patient", "p1", &found) != 0 ||
      read_one("Binary", "late", &found) != ERR_NOT_FOUND)
    return 4;
  limit.rlim_cur = was;
  if (setrlimit(RLIMIT_FSIZE, &limit) != 0 || commit(&refused, 1) != 0)
    return 5;
  fixture_reopen();
  for (unsigned i = 0; i + 1 < n; i++)
    if (read_one("Binary", arena_printf(test_arena, "b%u", i).p, &found) != 0)
      return 6;
  if (read_one("Binary", "late", &found) != 0)
    return 7;
  store_close(fixture_store);
  return 0;
}

static void store_survives_a_full_disk(void **state) {
  (void)state;
  assert_int_equal(in_child(survives_full_disk), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(store_belongs_to_one_process),   STORE_TEST(store_refuses_what_is_not_its_own),
      STORE_TEST(store_refuses_a_newer_file),     STORE_TEST(store_tells_a_damaged_file),
      STORE_TEST(store_refuses_a_read_only_file), STORE_TEST(store_survives_a_full_disk),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
