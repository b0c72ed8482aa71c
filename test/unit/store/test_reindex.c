/* Index writes: they change the index, and only of the version that they were made of. */
#include "search_fixture.h"

#include <unistd.h>

#include "store/work/parameter_set.h"
#include "store/work/reindex.h"
#include "store/store_internal.h"

static void put_family(const char *family) {
  put(arena_printf(test_arena, "{'resourceType':'Patient','id':'1','name':[{'family':'%s'}]}",
                   family)
          .p);
}

static struct store_write index_write(const char *family, uint32_t version) {
  struct store_write write =
      put_write(arena_printf(test_arena,
                             "{'resourceType':'Patient','id':'1','name':[{'family':'%s'}]}", family)
                    .p);
  write.is_reindex = true;
  write.expected_version = version;
  return write;
}

static void index_write_changes_only_the_index(void **state) {
  (void)state;
  fixture_open();
  put_family("Stored");
  struct store_write write = index_write("Indexed", 1);
  assert_int_equal(commit(&write, 1), 0);
  assert_int_equal(write.effect, STORE_UNCHANGED);
  assert_str(found("Patient?family=indexed"), "1");
  assert_str(found("Patient?family=stored"), "");
  struct store_resource resource;
  assert_int_equal(read_one("Patient", "1", &resource), 0);
  assert_int_equal(resource.version, 1);
  assert_true(str_find(resource.body, STR("Stored")) > 0);
  put_family("Again"); /* its old rows are those of the index */
  assert_str(found("Patient?family=indexed"), "");
  assert_str(found("Patient?family=again"), "1");
}

static void index_write_of_an_older_version_is_left_out(void **state) {
  (void)state;
  fixture_open();
  put_family("First");
  put_family("Second");
  struct store_write write = index_write("First", 1);
  assert_int_equal(commit(&write, 1), 0);
  assert_str(found("Patient?family=first"), "");
  assert_str(found("Patient?family=second"), "1");
  struct store_write gone = {.type = type_of("Patient"), .id = STR("1"), .is_delete = true};
  assert_int_equal(commit(&gone, 1), 0);
  write = index_write("Second", 2);
  assert_int_equal(commit(&write, 1), 0);
  write = index_write("Second", 3);
  assert_int_equal(commit(&write, 1), 0);
  assert_str(found("Patient?family=second"), "");
}

/* One group holds a write, and index writes made before it. */
static void index_write_and_write_in_one_commit(void **state) {
  (void)state;
  fixture_open();
  put_family("First");
  struct store_write writes[] = {
      put_write("{'resourceType':'Patient','id':'1','name':[{'family':'Second'}]}"),
      index_write("First", 1)};
  assert_int_equal(commit(writes, 2), 0);
  assert_str(found("Patient?family=first"), "");
  assert_str(found("Patient?family=second"), "1");
  struct store_write turned[] = {
      index_write("Wrong", 2),
      put_write("{'resourceType':'Patient','id':'1','name':[{'family':'Third'}]}")};
  assert_int_equal(commit(turned, 2), 0);
  assert_str(found("Patient?family=wrong"), "");
  assert_str(found("Patient?family=third"), "1");
}

static enum job_state state_of(uint64_t number) {
  struct store_view *view;
  struct job job = {0};
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(job_read(view, test_arena, number, STR("test"), &job, &err), 0);
  store_view_close(view);
  return job.state;
}

static void job_gives_back_what_the_bodies_say(void **state) {
  (void)state;
  fixture_open();
  put_family("Stored");
  struct store_write write = index_write("Wrong", 1);
  assert_int_equal(commit(&write, 1), 0);
  defs_type_id type = type_of("Patient");
  struct reindex_request request = {.owner = STR("test"), .types = &type, .types_n = 1};
  struct err err;
  uint64_t number;
  assert_int_equal(reindex_start(fixture_store, &request, &number, &err), 0);
  for (unsigned i = 0; i < 1000 && state_of(number) != JOB_DONE; i++)
    usleep(10000);
  assert_int_equal(state_of(number), JOB_DONE);
  assert_str(found("Patient?family=stored"), "1");
  assert_str(found("Patient?family=wrong"), "");
}

static size_t unfinished_jobs(void) {
  struct store_view *view;
  struct jobs jobs;
  struct err err;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  assert_int_equal(job_unfinished(view, test_arena, STR(REINDEX_KIND), &jobs, &err), 0);
  store_view_close(view);
  return jobs.n;
}

/* Prepared again where the end of a job came between: what is in force has changed. */
static void define(const char *code) {
  const char *json =
      arena_printf(test_arena,
                   "{'resourceType':'SearchParameter','id':'%s','url':'http://example.org/%s',"
                   "'name':'%s','status':'active','description':'?','code':'%s',"
                   "'base':['Patient'],'type':'string','expression':'Patient.name.family'}",
                   code, code, code, code)
          .p;
  struct store_write *write = ARENA_NEW(test_arena, struct store_write);
  int result = ERR_STALE;
  for (unsigned i = 0; result == ERR_STALE && i < 30; i++) {
    *write = put_write(json);
    result = commit(write, 1);
  }
  assert_int_equal(result, 0);
}

/* The end of a job is a change of the definitions, too: the next must not wait for a write. */
static void jobs_follow_each_other(void **state) {
  (void)state;
  enum { PATIENTS = 300, CODES = 5 };
  fixture_open();
  for (unsigned i = 0; i < PATIENTS; i++)
    put(arena_printf(test_arena, "{'resourceType':'Patient','id':'%u','name':[{'family':'Lee'}]}",
                     i)
            .p);
  for (unsigned i = 0; i < CODES; i++)
    define(arena_printf(test_arena, "code%u", i).p);
  for (unsigned i = 0; i < 2000 && unfinished_jobs() > 0; i++)
    usleep(10000);
  assert_int_equal(unfinished_jobs(), 0);
}

static int64_t words_of_all(void) {
  struct store_view *view;
  struct db_query query;
  struct err err;
  int64_t n = -1;
  assert_int_equal(store_view_open(fixture_store, &view, &err), 0);
  db_query_init(&query, test_arena);
  db_query_add(&query, "SELECT count(*) FROM vocabulary");
  assert_int_equal(db_query_number(store_view_db(view), &query, 0, &n, &err), 0);
  store_view_close(view);
  return n;
}

/* What a task of the committer's thread is given, and what it did. */
struct taking_out {
  uint64_t job;
  size_t at_once, most;
  int64_t slices, before;
  bool has_more;
};

static int64_t count_words(struct db *db) {
  struct db_query query;
  struct err err;
  int64_t n = -1;
  db_query_init(&query, test_arena);
  db_query_add(&query, "SELECT count(*) FROM vocabulary");
  assert_int_equal(db_query_number(db, &query, 0, &n, &err), 0);
  return n;
}

static int leave_and_take_out(void *what, struct db *db, struct sequence *sequence,
                              struct err *reterr) {
  (void)sequence;
  struct taking_out *t = what;
  const int64_t job = (int64_t)t->job;
  assert_int_equal(db_execute_i64(db,
                                  STR("UPDATE param SET state=3,job=? WHERE number IN"
                                      " (SELECT DISTINCT param FROM vocabulary)"),
                                  &job, 1, reterr),
                   0);
  t->before = count_words(db);
  do {
    int64_t had = count_words(db);
    assert_int_equal(parameter_set_take_out_words(db, t->job, t->at_once, &t->has_more, reterr), 0);
    int64_t gone = had - count_words(db);
    t->most = (size_t)gone > t->most ? (size_t)gone : t->most;
    t->slices++;
  } while (t->has_more && t->slices < 10000);
  assert_int_equal(count_words(db), 0);
  assert_int_equal(parameter_set_take_out_words(db, t->job + 1, t->at_once, &t->has_more, reterr),
                   0);
  assert_false(t->has_more);
  return err_set(reterr, ERR_PRECONDITION, "", "nothing of this stays");
}

/* A parameter's words, of which there may be millions, go in pieces, each a transaction. */
static void words_of_what_goes_are_taken_out_in_pieces(void **state) {
  (void)state;
  fixture_open();
  for (unsigned i = 0; i < 60; i++)
    put(arena_printf(test_arena,
                     "{'resourceType':'Observation','id':'%u','status':'final','code':{'text':"
                     "'word%u','coding':[{'system':'http://x.org','code':'c%u','display':"
                     "'Display %u'}]}}",
                     i, i, i, i)
            .p);
  struct taking_out t = {.job = 77, .at_once = 10};
  struct err err;
  int64_t before = words_of_all();
  assert_true(before > 100);
  assert_int_not_equal(store_run_task(fixture_store, leave_and_take_out, &t, &err), 0);
  assert_int_equal(t.before, before);
  assert_true(t.slices >= before / 11);
  assert_true(t.most <= 11);
  assert_int_equal(words_of_all(), before);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      STORE_TEST(index_write_changes_only_the_index),
      STORE_TEST(index_write_of_an_older_version_is_left_out),
      STORE_TEST(index_write_and_write_in_one_commit),
      STORE_TEST(job_gives_back_what_the_bodies_say),
      STORE_TEST(jobs_follow_each_other),
      STORE_TEST(words_of_what_goes_are_taken_out_in_pieces),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
