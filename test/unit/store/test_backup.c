/* Backups: one moment of a store, and no byte of it other than it was. */
#include "move_fixture.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "store/move/backup.h"
#include "store/move/transfer.h"

static int make(const char *to, void (*progress)(const struct backup_progress *, void *),
                struct err *err) {
  struct backup_report report;
  return backup_make(&(struct backup_options){.from = fixture_path, .to = to, .progress = progress},
                     &report, err);
}

static int restore(const char *from, const char *to, struct err *err) {
  struct backup_report report;
  return backup_restore(&(struct backup_options){.from = from, .to = to}, &report, err);
}

static bool is_equal_store(const char *path) {
  struct transfer_report report;
  struct store *store = NULL;
  struct err err;
  bool is_equal = transfer_compare(&(struct transfer_options){.from = fixture_path, .to = path},
                                   &report, &err) == 0 &&
                  report.is_equal;
  if (!is_equal || store_open(&(struct store_options){.path = path}, &store, &err) != 0)
    return false;
  store_close(store);
  return true;
}

static void remove_all_but_the_store(void) {
  struct dirent *entry;
  DIR *folder = opendir(fixture_folder);
  while (folder && (entry = readdir(folder)))
    if (strncmp(entry->d_name, strrchr(fixture_path, '/') + 1,
                strlen(strrchr(fixture_path, '/') + 1)))
      unlinkat(dirfd(folder), entry->d_name, 0);
  if (folder)
    closedir(folder);
}

/* ---- What is changed while it is copied ---- */

static uint64_t random_state;

static uint64_t next_random(void) { /* splitmix64 */
  uint64_t z = random_state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return z ^ z >> 31;
}

static void seed_random(void) {
  random_state = (uint64_t)time(NULL);
  print_message("seed %llu\n", (unsigned long long)random_state);
}

/* The file that is being made, whose name begins with `prefix`. */
static FILE *open_part(const char *prefix) {
  struct dirent *entry;
  FILE *file = NULL;
  DIR *folder = opendir(fixture_folder);
  while (!file && (entry = readdir(folder)))
    if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0)
      file = fopen(other_path(entry->d_name), "r+");
  closedir(folder);
  assert_non_null(file);
  return file;
}

static long bytes_in(FILE *file) {
  assert_int_equal(fseek(file, 0, SEEK_END), 0);
  return ftell(file);
}

static void change_byte(FILE *file, long at, int mask) {
  assert_int_equal(fseek(file, at, SEEK_SET), 0);
  int byte = fgetc(file);
  assert_int_equal(fseek(file, at, SEEK_SET), 0);
  assert_int_equal(fputc(byte ^ mask, file), byte ^ mask);
}

static bool flips_packed; /* not when it was copied, but when it was packed */

static bool is_copied(const struct backup_progress *progress) {
  return strcmp(progress->what, "comparing") == 0 && progress->done == 0;
}

static void flip_any_bit(const struct backup_progress *progress, void *what) {
  (void)what;
  bool is_packed = strcmp(progress->what, "verifying") == 0;
  if (!is_packed && (flips_packed || !is_copied(progress)))
    return;
  FILE *file = open_part(is_packed ? "copy.db.zst.part-" : "copy.db.part-"); /* any of both */
  change_byte(file, (long)(next_random() % (uint64_t)bytes_in(file)), 1 << next_random() % 8);
  assert_int_equal(fclose(file), 0);
}

static void make_with_flips(const char *to, unsigned rounds, unsigned noticed_min) {
  struct err err;
  unsigned noticed = 0;
  const char *back = other_path("back.db");
  fill();
  seed_random();
  for (unsigned i = 0; i < rounds; i++) {
    if (make(to, flip_any_bit, &err) != 0) {
      noticed++;
      assert_int_not_equal(access(to, F_OK), 0);
    } else {
      if (restore(to, back, &err) != 0)
        fail_msg("%s", err.text);
      assert_true(is_equal_store(back));
    }
    remove_all_but_the_store();
  }
  print_message("%u of %u noticed\n", noticed, rounds);
  assert_true(noticed >= noticed_min);
}

static void what_changes_while_it_is_copied_is_noticed_or_means_nothing(void **state) {
  (void)state;
  flips_packed = false;
  make_with_flips(other_path("copy.db"), 25, 1);
}

static void what_changes_when_it_was_packed_is_noticed(void **state) {
  (void)state;
  flips_packed = true;
  make_with_flips(other_path("copy.db.zst"), 10, 9); /* a frame has a bit that means nothing */
}

/* The text of an audit event, which no structure of the file depends on. */
static void change_a_value(const struct backup_progress *progress, void *what) {
  static const char value[] = "Patient/audited";
  (void)what;
  if (!is_copied(progress))
    return;
  FILE *file = open_part("copy.db.part-");
  long n = bytes_in(file), found = 0;
  char *bytes = malloc((size_t)n);
  assert_int_equal(fseek(file, 0, SEEK_SET), 0);
  assert_int_equal(fread(bytes, 1, (size_t)n, file), n);
  for (long at = 0; at + (long)sizeof value <= n; at++)
    if (memcmp(bytes + at, value, sizeof value - 1) == 0) {
      change_byte(file, at + 8, 1);
      found++;
    }
  free(bytes);
  assert_int_equal(fclose(file), 0);
  assert_true(found > 0);
}

static void a_value_that_changes_while_it_is_copied_is_noticed(void **state) {
  (void)state;
  struct err err;
  fill();
  assert_int_equal(make(other_path("copy.db"), change_a_value, &err), ERR_STORE);
  assert_non_null(strstr(err.text, "differs from the store, in the table audit"));
  assert_int_not_equal(access(other_path("copy.db"), F_OK), 0);
}

/* ---- What is changed afterwards ---- */

static void what_changes_in_a_backup_is_noticed_or_means_nothing(void **state) {
  (void)state;
  struct err err;
  unsigned noticed = 0, rounds = 60;
  const char *to = other_path("copy.db"), *back = other_path("back.db");
  fill();
  seed_random();
  if (make(to, NULL, &err) != 0)
    fail_msg("%s", err.text);
  for (unsigned i = 0; i < rounds; i++) {
    FILE *file = fopen(to, "r+");
    /* The head, and where tables and their statements are told, as often as all. */
    uint64_t within = i % 3 == 1 ? 100 : i % 3 == 2 ? 16384 : (uint64_t)bytes_in(file);
    long at = (long)(next_random() % within);
    int mask = (int)(1 + next_random() % 255);
    change_byte(file, at, mask);
    assert_int_equal(fflush(file), 0);
    if (restore(to, back, &err) != 0) {
      noticed++;
      assert_int_equal(err.code, ERR_STORE);
      assert_int_not_equal(access(back, F_OK), 0);
    } else if (!is_equal_store(back)) {
      fail_msg("byte %ld, changed by %d", at, mask);
    }
    change_byte(file, at, mask);
    assert_int_equal(fclose(file), 0);
    static const char *const suffixes[] = {"", "-wal", "-shm", "-owner"};
    for (size_t s = 0; s < sizeof suffixes / sizeof suffixes[0]; s++)
      unlink(text_of("%s%s", back, suffixes[s]));
  }
  print_message("%u of %u noticed\n", noticed, rounds);
  assert_true(noticed > 0);
}

/* ---- A restore that is killed ---- */

static int renames_left = -1;

/* In the place of the system's: the program ends before one of its calls. */
int renameat2(int from_folder, const char *from, int to_folder, const char *to,
              unsigned int flags) {
  if (renames_left >= 0 && renames_left-- == 0)
    _exit(9);
  return (int)syscall(SYS_renameat2, from_folder, from, to_folder, to, flags);
}

static void copy_file(const char *from, const char *to) {
  static char bytes[4 << 20];
  FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
  assert_true(in && out);
  size_t n = fread(bytes, 1, sizeof bytes, in);
  assert_true(n < sizeof bytes);
  assert_int_equal(fwrite(bytes, 1, n, out), n);
  assert_true(fclose(in) == 0 && fclose(out) == 0);
}

static int restore_in_child(const char *from, const char *to, int renames) {
  pid_t child = fork();
  if (child == 0) {
    struct backup_report report;
    struct err err;
    renames_left = renames;
    _exit(backup_restore(&(struct backup_options){.from = from, .to = to, .may_move_aside = true},
                         &report, &err) == 0
              ? 0
              : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  return WEXITSTATUS(status);
}

/* One more commit, by a program that ends without closing the store: it is in the log alone. */
static void commit_and_die(void) {
  pid_t child = fork();
  if (child == 0) {
    fixture_open();
    struct store_write write = write_of("Patient", "only-in-the-log", "x");
    _exit(commit(&write, 1) == 0 ? 0 : 1);
  }
  int status = 0;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* There always is a store in the place: the old one, to the last commit in its log, or the new. */
static void a_restore_that_is_killed_leaves_the_old_store_or_the_new(void **state) {
  (void)state;
  struct err err;
  const char *backup = other_path("copy.db"), *new = other_path("new.db"),
             *place = other_path("place.db");
  const char *kept = other_path("kept"), *kept_log = other_path("kept-log");
  fill();
  if (make(backup, NULL, &err) != 0 || restore(backup, new, &err) != 0)
    fail_msg("%s", err.text);
  commit_and_die();
  copy_file(fixture_path, kept);
  copy_file(text_of("%s-wal", fixture_path), kept_log);
  int killed = 0;
  for (int renames = 0; renames < 10; renames++) {
    unlink(text_of("%s-shm", place));
    copy_file(kept, place);
    copy_file(kept_log, text_of("%s-wal", place));
    int code = restore_in_child(backup, place, renames);
    assert_true(code == 0 || code == 9);
    assert_int_equal(access(place, F_OK), 0);
    struct transfer_report report;
    struct transfer_options options = {.from = place, .to = new};
    assert_int_equal(transfer_compare(&options, &report, &err), 0);
    bool is_new = report.is_equal;
    assert_true(is_new || (code == 9 && is_equal_store(place)));
    if (code == 0)
      break;
    killed++;
  }
  assert_in_range(killed, 2, 9);
}

/* ---- One moment ---- */

struct writer {
  sqlite3 *db;
  atomic_bool is_stopped;
  atomic_uint commits;
};

/* As fast as it goes: the times of the commits are no longer those of the machine's disk. */
static void *write_on(void *what) {
  struct writer *writer = what;
  while (!atomic_load(&writer->is_stopped)) {
    if (sqlite3_exec(writer->db,
                     "BEGIN IMMEDIATE;UPDATE counter SET n=n+1 WHERE kind=101;"
                     "UPDATE sequence SET time=time+1;COMMIT",
                     NULL, NULL, NULL) != SQLITE_OK)
      break;
    atomic_fetch_add(&writer->commits, 1);
  }
  return NULL;
}

static void a_backup_is_one_moment_whatever_is_written(void **state) {
  (void)state;
  struct writer writer = {0};
  struct err err;
  pthread_t thread;
  fill();
  assert_int_equal(sqlite3_open(fixture_path, &writer.db), SQLITE_OK);
  run_sql(writer.db, "PRAGMA journal_mode=WAL;PRAGMA synchronous=OFF");
  assert_int_equal(sqlite3_busy_timeout(writer.db, 10000), SQLITE_OK);
  assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
  unsigned went_on = 0;
  for (unsigned i = 0; i < 5; i++) {
    unsigned before = atomic_load(&writer.commits);
    const char *to = other_path(text_of("copy%u.db", i)), *back = other_path(text_of("b%u.db", i));
    if (make(to, NULL, &err) != 0 || restore(to, back, &err) != 0)
      fail_msg("%s", err.text);
    went_on += atomic_load(&writer.commits) > before;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(back, &db), SQLITE_OK);
    run_sql(db, "CREATE TEMP TABLE t(x CHECK(x));" /* both were written in one transaction */
                "INSERT INTO t SELECT (SELECT time FROM sequence)-"
                "(SELECT max(time) FROM commit_log)=(SELECT n FROM counter WHERE kind=101)-1");
    sqlite3_close(db);
  }
  atomic_store(&writer.is_stopped, true);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_true(went_on > 0); /* it was not held up; on a busy machine it may be late */
  sqlite3_close(writer.db);
}

#define BACKUP_TEST(function)                                                                      \
  cmocka_unit_test_setup_teardown(function, fixture_setup, move_teardown)

int main(void) {
  const struct CMUnitTest tests[] = {
      BACKUP_TEST(what_changes_while_it_is_copied_is_noticed_or_means_nothing),
      BACKUP_TEST(what_changes_when_it_was_packed_is_noticed),
      BACKUP_TEST(a_value_that_changes_while_it_is_copied_is_noticed),
      BACKUP_TEST(what_changes_in_a_backup_is_noticed_or_means_nothing),
      BACKUP_TEST(a_restore_that_is_killed_leaves_the_old_store_or_the_new),
      BACKUP_TEST(a_backup_is_one_moment_whatever_is_written),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
