/*
 * SIGKILL at random moments: what was acknowledged is there, whole; what was not is there whole or
 * not at all. The child writes pairs of resources that belong together and tells the parent, over a
 * pipe, the number of each pair once it is acknowledged.
 */
#include "store_fixture.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/clock.h"

#define KILLS 12
#define WRITERS 4

struct writer {
  unsigned number, round;
  int pipe_fd;
};

static struct store_write pair_write(struct arena *arena, const char *type, uint32_t number,
                                     unsigned round) {
  struct store_write write = {.type = type_of(type)};
  write.id = arena_printf(arena, "%u", number);
  write.body = arena_printf(arena, "{\"resourceType\":\"%s\",\"id\":\"%u\",\"round\":%u}", type,
                            number, round);
  return write;
}

static void *write_pairs(void *what) {
  struct writer *writer = what;
  for (uint32_t i = 0;; i++) {
    struct arena *arena = arena_new((size_t)1 << 20);
    uint32_t number = (writer->round << 24) + (i << 4) + writer->number;
    struct store_write writes[2] = {pair_write(arena, "Patient", number, writer->round),
                                    pair_write(arena, "Observation", number, writer->round)};
    struct search_value link = {.param = defs_param_by_code(writes[1].type, STR("subject")),
                                .type = SEARCH_REFERENCE,
                                .reference = {.type = STR("Patient"), .id = writes[0].id}};
    writes[1].values = (struct search_values){.p = &link, .n = 1};
    struct store_commit commit = {
        .arena = arena, .principal = STR("crash"), .writes = writes, .writes_n = 2};
    struct err err;
    if (store_commit_wait(fixture_store, &commit, &err) != 0 ||
        write(writer->pipe_fd, &number, sizeof number) != (ssize_t)sizeof number)
      _exit(1);
    arena_free(arena);
  }
  return NULL;
}

static void run_child(unsigned round, int pipe_fd) {
  fixture_open();
  struct writer writers[WRITERS];
  pthread_t threads[WRITERS];
  for (unsigned i = 0; i < WRITERS; i++) {
    writers[i] = (struct writer){i, round, pipe_fd};
    if (pthread_create(&threads[i], NULL, write_pairs, &writers[i]) != 0)
      _exit(2);
  }
  for (unsigned i = 0; i < WRITERS; i++)
    pthread_join(threads[i], NULL);
}

/* Reads what the child acknowledged while it lived. */
static size_t collect(int pipe_fd, uint32_t *acknowledged, size_t n, size_t max) {
  uint32_t number;
  while (n < max && read(pipe_fd, &number, sizeof number) == (ssize_t)sizeof number)
    acknowledged[n++] = number;
  return n;
}

static void check_pairs(const uint32_t *acknowledged, size_t n) {
  struct access own = {.principal = STR("crash")};
  for (size_t i = 0; i < n; i++) {
    struct str id = arena_printf(test_arena, "%u", acknowledged[i]);
    struct store_resource found;
    assert_int_equal(read_one("Patient", id.p, &found), 0);
    own.patient_id = id; /* reads the reference row too */
    assert_int_equal(read_as(&own, "Observation", id.p, &found), 0);
  }
  struct store_view *view;
  struct access access = everything();
  struct err err;
  uint64_t *counts = ARENA_ARRAY(test_arena, uint64_t, defs_types_count() + 1);
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(store_counts(view, &access, counts, &err), 0);
  store_view_close(view);
  assert_int_equal(counts[type_of("Patient")], counts[type_of("Observation")]);
  assert_true(counts[type_of("Patient")] >= n);
}

static void store_keeps_what_it_acknowledged(void **state) {
  (void)state;
  static uint32_t acknowledged[1 << 20];
  size_t n = 0;
  unsigned seed = (unsigned)clock_now_us();
  print_message("seed %u\n", seed);
  srandom(seed);
  for (unsigned round = 0; round < KILLS; round++) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
      close(ends[0]);
      run_child(round, ends[1]);
      _exit(3);
    }
    close(ends[1]);
    /* On a slow machine the store takes long to open: most rounds wait until it has acknowledged.
     */
    struct pollfd pollfd = {.fd = ends[0], .events = POLLIN};
    if (round % 4 != 0)
      (void)poll(&pollfd, 1, 20000);
    usleep(20000 + (useconds_t)(random() % 100000));
    assert_int_equal(kill(child, SIGKILL), 0);
    n = collect(ends[0], acknowledged, n, sizeof acknowledged / sizeof acknowledged[0]);
    close(ends[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    fixture_open();
    check_pairs(acknowledged, n);
    store_close(fixture_store);
    fixture_store = NULL;
  }
  print_message("%zu pairs were acknowledged\n", n);
  assert_true(n >= KILLS / 2);
}

int main(void) {
  const struct CMUnitTest tests[] = {STORE_TEST(store_keeps_what_it_acknowledged)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
