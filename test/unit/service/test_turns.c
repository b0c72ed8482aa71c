#include "service/turns.h"

#include <pthread.h>

#include "../test.h"

static int gone[8];
static int gone_n;

static void note(void *what) {
  gone[gone_n++] = *(int *)what;
}

static void turns_go_in_the_order_of_asking(void **state) {
  (void)state;
  static int numbers[] = {0, 1, 2, 3};
  struct turns *turns;
  struct turn all[4];
  struct err err;
  gone_n = 0;
  assert_int_equal(turns_open(&turns, &err), 0);
  for (int i = 0; i < 4; i++) {
    all[i] = (struct turn){.go = note, .what = &numbers[i]};
    assert_int_equal(turns_take(turns, &all[i], STR("a")), i == 0);
  }
  for (int i = 0; i < 4; i++) {
    assert_int_equal(gone_n, i);
    turns_leave(turns, &all[i]);
  }
  for (int i = 0; i < 3; i++)
    assert_int_equal(gone[i], i + 1);
  /* All have left: the next has its turn at once. */
  assert_true(turns_take(turns, &all[0], STR("a")));
  turns_leave(turns, &all[0]);
  turns_close(turns);
}

static void other_names_do_not_wait(void **state) {
  (void)state;
  struct turns *turns;
  struct turn all[200] = {0};
  struct err err;
  assert_int_equal(turns_open(&turns, &err), 0);
  for (size_t i = 0; i < 200; i++)
    assert_true(turns_take(turns, &all[i], arena_printf(test_arena, "name-%zu", i)));
  for (size_t i = 0; i < 200; i++)
    turns_leave(turns, &all[i]);
  turns_close(turns);
}

/* Many threads: never two at once, and all come to their turn. */
struct crowd {
  struct turns *turns;
  int inside, most, done;
};

struct visitor {
  struct crowd *crowd;
  pthread_mutex_t mutex;
  pthread_cond_t cond;
  bool may_go;
};

static void let_in(void *what) {
  struct visitor *visitor = what;
  pthread_mutex_lock(&visitor->mutex);
  visitor->may_go = true;
  pthread_cond_signal(&visitor->cond);
  pthread_mutex_unlock(&visitor->mutex);
}

static void *visit(void *what) {
  struct crowd *crowd = what;
  for (int i = 0; i < 500; i++) {
    struct visitor visitor = {
        .crowd = crowd, .mutex = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
    struct turn turn = {.go = let_in, .what = &visitor};
    if (!turns_take(crowd->turns, &turn, STR("x"))) {
      pthread_mutex_lock(&visitor.mutex);
      while (!visitor.may_go)
        pthread_cond_wait(&visitor.cond, &visitor.mutex);
      pthread_mutex_unlock(&visitor.mutex);
    }
    if (++crowd->inside > crowd->most) /* plain: whoever has the turn is alone */
      crowd->most = crowd->inside;
    crowd->done++;
    crowd->inside--;
    turns_leave(crowd->turns, &turn);
  }
  return NULL;
}

static void one_at_a_time_among_threads(void **state) {
  (void)state;
  struct crowd crowd = {0};
  struct err err;
  pthread_t threads[8];
  assert_int_equal(turns_open(&crowd.turns, &err), 0);
  for (int i = 0; i < 8; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, visit, &crowd), 0);
  for (int i = 0; i < 8; i++)
    pthread_join(threads[i], NULL);
  assert_int_equal(crowd.most, 1);
  assert_int_equal(crowd.done, 8 * 500);
  turns_close(crowd.turns);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(turns_go_in_the_order_of_asking),
      TEST(other_names_do_not_wait),
      TEST(one_at_a_time_among_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
