/* Background jobs: their states, who may touch them, what a restart makes of them. */
#include "store_fixture.h"

#include "base/clock.h"
#include "store/work/job.h"

static uint64_t create(const char *owner) {
  struct job_change change = {.verb = JOB_CREATE,
                              .kind = STR("copy"),
                              .owner = str_of(owner),
                              .request = STR("{\"a\":1}"),
                              .total = 10};
  struct err err;
  assert_int_equal(job_change(fixture_store, &change, &err), 0);
  assert_true(change.number > 0);
  return change.number;
}

static int change(enum job_verb verb, uint64_t number) {
  struct job_change change = {.verb = verb, .number = number, .result = STR("result")};
  struct err err;
  return job_change(fixture_store, &change, &err);
}

static int read_of(uint64_t number, const char *owner, struct job *ret_job) {
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  int code = job_read(view, test_arena, number, str_of(owner), ret_job, &err);
  store_view_close(view);
  return code;
}

static size_t unfinished_n(void) {
  struct store_view *view;
  struct jobs jobs;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(job_unfinished(view, test_arena, STR("copy"), &jobs, &err), 0);
  store_view_close(view);
  return jobs.n;
}

static void job_goes_from_waiting_to_done(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  struct job job;
  assert_int_equal(read_of(number, "anna", &job), 0);
  assert_int_equal(job.state, JOB_WAITING);
  assert_true(str_is(job.request, "{\"a\":1}"));
  assert_int_equal(change(JOB_CLAIM, number), 0);
  struct job_change progress = {
      .verb = JOB_PROGRESS, .number = number, .done = 4, .total = 12, .progress = STR("rid 7")};
  struct err err;
  assert_int_equal(job_change(fixture_store, &progress, &err), 0);
  assert_int_equal(read_of(number, "", &job), 0);
  assert_int_equal(job.state, JOB_RUNNING);
  assert_int_equal(job.done, 4);
  assert_int_equal(job.total, 12);
  assert_true(str_is(job.progress, "rid 7"));
  assert_int_equal(unfinished_n(), 1);
  assert_int_equal(change(JOB_FINISH, number), 0);
  assert_int_equal(read_of(number, "anna", &job), 0);
  assert_int_equal(job.state, JOB_DONE);
  assert_true(str_is(job.result, "result"));
  assert_int_equal(unfinished_n(), 0);
}

static void job_refuses_what_its_state_does_not_allow(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  assert_int_equal(change(JOB_PROGRESS, number), ERR_CONFLICT);
  assert_int_equal(change(JOB_FINISH, number), ERR_CONFLICT);
  assert_int_equal(change(JOB_CLAIM, number), 0);
  assert_int_equal(change(JOB_CLAIM, number), ERR_CONFLICT);
  assert_int_equal(change(JOB_CANCEL, number), 0);
  assert_int_equal(change(JOB_PROGRESS, number), ERR_CONFLICT);
  assert_int_equal(change(JOB_CANCEL, number), ERR_CONFLICT);
  assert_int_equal(change(JOB_CLAIM, number + 1), ERR_NOT_FOUND);
}

static void job_that_is_given_back_waits_again(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  struct job job;
  assert_int_equal(change(JOB_RELEASE, number), ERR_CONFLICT);
  assert_int_equal(change(JOB_CLAIM, number), 0);
  assert_int_equal(read_of(number, "anna", &job), 0);
  assert_true(job.holder != 0 && job.lease_us > 0);
  assert_int_equal(change(JOB_RELEASE, number), 0);
  assert_int_equal(read_of(number, "anna", &job), 0);
  assert_int_equal(job.state, JOB_WAITING);
  assert_true(job.holder == 0);
  assert_int_equal(change(JOB_CLAIM, number), 0);
}

static void job_belongs_to_its_owner(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  struct job job;
  struct err err;
  assert_int_equal(read_of(number, "bert", &job), ERR_NOT_FOUND);
  struct job_change cancel = {.verb = JOB_CANCEL, .number = number, .owner = STR("bert")};
  assert_int_equal(job_change(fixture_store, &cancel, &err), ERR_NOT_FOUND);
  cancel.owner = STR("anna");
  assert_int_equal(job_change(fixture_store, &cancel, &err), 0);
}

static void job_that_was_running_waits_after_a_restart(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  assert_int_equal(change(JOB_CLAIM, number), 0);
  fixture_reopen();
  struct job job;
  assert_int_equal(read_of(number, "anna", &job), 0);
  assert_int_equal(job.state, JOB_WAITING);
  assert_int_equal(change(JOB_CLAIM, number), 0);
}

static void job_number_is_never_given_again(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  assert_int_equal(change(JOB_DELETE, number), 0);
  struct job job;
  assert_int_equal(read_of(number, "anna", &job), ERR_NOT_FOUND);
  fixture_reopen();
  assert_true(create("anna") > number);
}

static void job_expires(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  struct err err;
  struct job job;
  struct job_change fail = {
      .verb = JOB_FAIL, .number = number, .result = STR("no"), .expires_us = clock_now_us() - 1};
  assert_int_equal(job_change(fixture_store, &fail, &err), 0);
  assert_int_equal(read_of(number, "anna", &job), ERR_NOT_FOUND);
  struct job_change expire = {.verb = JOB_EXPIRE, .expires_us = clock_now_us()};
  assert_int_equal(job_change(fixture_store, &expire, &err), 0);
  assert_int_equal(change(JOB_DELETE, number), ERR_NOT_FOUND);
}

static void job_change_and_writes_are_one_commit(void **state) {
  (void)state;
  fixture_open();
  uint64_t number = create("anna");
  struct store_write write = write_of("Patient", "1", "x");
  struct job_change progress = {.verb = JOB_PROGRESS, .number = number};
  struct store_commit *commit = commit_of(&write, 1);
  commit->jobs = &progress;
  commit->jobs_n = 1;
  struct err err;
  struct store_resource resource;
  assert_int_equal(store_commit_wait(fixture_store, commit, &err), ERR_CONFLICT);
  assert_int_equal(read_one("Patient", "1", &resource), ERR_NOT_FOUND);
  assert_int_equal(change(JOB_CLAIM, number), 0);
  assert_int_equal(store_commit_wait(fixture_store, commit, &err), 0);
  assert_int_equal(read_one("Patient", "1", &resource), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(job_goes_from_waiting_to_done),
      STORE_TEST(job_refuses_what_its_state_does_not_allow),
      STORE_TEST(job_that_is_given_back_waits_again),
      STORE_TEST(job_belongs_to_its_owner),
      STORE_TEST(job_that_was_running_waits_after_a_restart),
      STORE_TEST(job_number_is_never_given_again),
      STORE_TEST(job_expires),
      STORE_TEST(job_change_and_writes_are_one_commit),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
