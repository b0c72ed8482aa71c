#include "../test.h"

#include "flow/intake.h"
#include "flow/lineage.h"
#include "model/validate.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

struct fixture {
  char folder[64], path[128];
  struct store *store;
  struct maps *maps;
  struct intake *intake;
};

static struct fixture fixture;

static int open_fixture(void **state) {
  (void)state;
  struct err err = {0};
  snprintf(fixture.folder, sizeof fixture.folder, "/tmp/callosum-intake-XXXXXX");
  if (!mkdtemp(fixture.folder))
    return -1;
  snprintf(fixture.path, sizeof fixture.path, "%s/store.db", fixture.folder);
  struct store_options store = {.path = fixture.path};
  if (search_values_init(&err) < 0 || validate_init(&err) < 0 ||
      maps_open(NULL, &fixture.maps, &err) < 0 || store_open(&store, &fixture.store, &err) < 0) {
    fprintf(stderr, "%s: %s\n", err.where, err.text);
    return -1;
  }
  struct intake_options options = {.store = fixture.store, .maps = fixture.maps, .workers = 4};
  if (intake_open(&options, &fixture.intake, &err) < 0)
    return -1;
  test_arena = arena_new((size_t)1 << 30);
  return test_arena ? 0 : -1;
}

static int close_fixture(void **state) {
  (void)state;
  intake_close(fixture.intake);
  store_close(fixture.store);
  maps_close(fixture.maps);
  arena_free(test_arena);
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", fixture.folder);
  return system(command);
}

/* ---- Sending and waiting for the reply ---- */

struct waiting {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  unsigned left;
  char replies[64][1000];
};

static void take_reply(struct intake_message *message, struct str ack) {
  struct waiting *waiting = message->what;
  pthread_mutex_lock(&waiting->lock);
  snprintf(waiting->replies[message->what_connection], sizeof waiting->replies[0], "%.*s",
           STR_ARG(ack));
  waiting->left--;
  pthread_cond_signal(&waiting->changed);
  pthread_mutex_unlock(&waiting->lock);
}

/* Submits all texts at once and waits for all replies; each is in `waiting->replies` at its index.
 */
static void send_all(struct waiting *waiting, const char *const *texts, unsigned n) {
  *waiting = (struct waiting){.left = n};
  pthread_mutex_init(&waiting->lock, NULL);
  pthread_cond_init(&waiting->changed, NULL);
  for (unsigned i = 0; i < n; i++) {
    struct arena *arena = arena_new((size_t)256 << 20);
    assert_non_null(arena);
    struct intake_message *message = ARENA_NEW(arena, struct intake_message);
    assert_non_null(message);
    *message = (struct intake_message){.arena = arena,
                                       .bytes = arena_str(arena, str_of(texts[i])),
                                       .channel = STR("test"),
                                       .reply = take_reply,
                                       .what = waiting,
                                       .what_connection = i};
    intake_submit(fixture.intake, message);
  }
  pthread_mutex_lock(&waiting->lock);
  while (waiting->left)
    pthread_cond_wait(&waiting->changed, &waiting->lock);
  pthread_mutex_unlock(&waiting->lock);
}

static const char *send_one(const char *text) {
  static struct waiting waiting;
  send_all(&waiting, &text, 1);
  return waiting.replies[0];
}

#define assert_reply(reply, code_and_id) assert_non_null(strstr((reply), "MSA|" code_and_id))

/* ---- Looking ---- */

static struct store_view *look(void) {
  struct store_view *view;
  struct err err;
  assert_int_equal(store_view_open(fixture.store, &view, &err), 0);
  return view;
}

static const struct access everything = {.principal = {"test", 4}, .is_everything = true};

/* The one resource of a type with this identifier, as JSON; fails where there is none. */
static const struct yyjson_val *find(const char *type, const char *system, const char *value,
                                     struct store_resource *ret_resource) {
  struct store_view *view = look();
  struct err err = {0};
  struct str id = STR_NULL;
  defs_type_id type_id = defs_type_by_name(str_of(type));
  assert_int_equal(store_find_identifier(view, &everything, test_arena, type_id, str_of(system),
                                         str_of(value), &id, &err),
                   0);
  assert_int_not_equal(id.n, 0);
  assert_int_equal(store_read(view, &everything, test_arena, type_id, id, ret_resource, &err), 0);
  store_view_close(view);
  const struct yyjson_val *json;
  assert_int_equal(json_parse(test_arena, ret_resource->body, NULL, &json, &err), 0);
  return json;
}

static uint64_t count(const char *type) {
  struct store_view *view = look();
  struct err err;
  uint64_t *counts = ARENA_ARRAY(test_arena, uint64_t, defs_types_count() + 1);
  assert_int_equal(store_counts(view, &everything, counts, &err), 0);
  store_view_close(view);
  return counts[defs_type_by_name(str_of(type))];
}

static struct store_message_rows messages(const char *text) {
  struct store_view *view = look();
  struct err err;
  struct store_message_rows rows;
  struct store_message_query query = {.text = str_of(text), .count = 100};
  assert_int_equal(store_messages(view, &everything, test_arena, &query, &rows, &err), 0);
  store_view_close(view);
  return rows;
}

#define MSH(event, id) "MSH|^~\\&|HIS|MAIN|HUB|X|20260101120000||ADT^" event "|" id "|P|2.5.1\r"
static const struct yyjson_val *patient(const char *number, struct store_resource *ret_resource) {
  return find("Patient", "HIS", number, ret_resource);
}

/* ---- Tests ---- */

static void a_message_is_acknowledged_and_becomes_a_patient(void **state) {
  (void)state;
  assert_reply(send_one(MSH("A28", "M1") "PID|1||1001^^^HIS^MR||Ngata^Hana||19900102|F\r"),
               "AA|M1");
  struct store_resource resource;
  const struct yyjson_val *json = patient("1001", &resource);
  assert_str(json_get_text(json, STR("birthDate")), "1990-01-02");
  assert_int_equal(messages("M1").n, 1);
}

static void the_same_message_again_has_no_second_effect(void **state) {
  (void)state;
  const char *text = MSH("A28", "M2") "PID|1||1002^^^HIS^MR||Ngata^Hana||19900102|F\r";
  char first[1000];
  snprintf(first, sizeof first, "%s", send_one(text));
  assert_string_equal(send_one(text), first);
  struct store_resource resource;
  patient("1002", &resource);
  assert_int_equal(resource.version, 1);
  assert_int_equal(messages("M2").n, 1);
}

static void a_second_message_updates_what_it_says_and_keeps_the_rest(void **state) {
  (void)state;
  send_one(MSH("A28", "M3") "PID|1||1003^^^HIS^MR||Ngata^Hana||19900102|F|||5 Hill St^^Nelson\r");
  assert_reply(send_one(MSH("A08", "M4") "PID|1||1003^^^HIS^MR~L7^^^LAB^PI||Ngata^Hana^Mere\r"),
               "AA|M4");
  struct store_resource resource;
  const struct yyjson_val *json = patient("1003", &resource);
  assert_str(json_get_text(json, STR("birthDate")), "1990-01-02");
  assert_int_equal(json_count(json_get(json, STR("identifier"))), 2);
  assert_int_equal(json_count(json_get(json, STR("address"))), 1);
  assert_int_equal(resource.version, 2);
}

static void two_quotes_take_a_value_away(void **state) {
  (void)state;
  send_one(MSH("A28", "M5") "PID|1||1005^^^HIS^MR||Ngata^Hana||19900102|F\r");
  assert_reply(send_one(MSH("A08", "M6") "PID|1||1005^^^HIS^MR||Ngata^Hana||\"\"|F\r"), "AA|M6");
  struct store_resource resource;
  assert_null(json_get(patient("1005", &resource), STR("birthDate")));
}

static void a_message_that_changes_nothing_makes_no_version(void **state) {
  (void)state;
  send_one(MSH("A28", "M7") "PID|1||1007^^^HIS^MR||Ngata^Hana||19900102|F\r");
  assert_reply(send_one(MSH("A28", "M8") "PID|1||1007^^^HIS^MR||Ngata^Hana||19900102|F\r"),
               "AA|M8");
  struct store_resource resource;
  patient("1007", &resource);
  assert_int_equal(resource.version, 1);
}

#define ORDER(sender, type, id)                                                                    \
  "MSH|^~\\&|" sender "|MAIN|HUB|X|20260101120000||" type "|" id "|P|2.5.1\r"                      \
  "PID|1||3001^^^HIS^MR||Ngata^Hana\r"

static void an_order_and_its_result_are_one_request(void **state) {
  (void)state;
  uint64_t before = count("ServiceRequest");
  struct store_resource resource;
  assert_reply(
      send_one(ORDER("HIS", "ORM^O01", "Q1") "ORC|NW|O77^HIS\rOBR|1|O77^HIS||K^Potassium^99HIS\r"),
      "AA|Q1");
  assert_str(json_get_text(find("ServiceRequest", "HIS", "O77", &resource), STR("status")),
             "active");
  assert_reply(
      send_one(ORDER("LAB", "ORU^R01",
                     "Q2") "ORC|RE|O77^HIS|F5^LAB\r"
                           "OBR|1|O77^HIS|F5^LAB|2823-3^Potassium^LN|||||||||||||||||||||F\r"
                           "OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L|||||F\r"),
      "AA|Q2");
  assert_str(json_get_text(find("ServiceRequest", "HIS", "O77", &resource), STR("status")),
             "completed");
  assert_int_equal(count("ServiceRequest"), before + 1);
}

static void an_order_is_cancelled_without_its_details(void **state) {
  (void)state;
  struct store_resource resource;
  send_one(ORDER("HIS", "ORM^O01", "Q3") "ORC|NW|O78^HIS\rOBR|1|O78^HIS||K^Potassium^99HIS\r");
  assert_reply(send_one(ORDER("HIS", "ORM^O01", "Q4") "ORC|CA|O78^HIS\r"), "AA|Q4");
  const struct yyjson_val *json = find("ServiceRequest", "HIS", "O78", &resource);
  assert_str(json_get_text(json, STR("status")), "revoked");
  assert_non_null(json_get(json, STR("code")));
}

static void who_mentions_a_visit_does_not_reopen_it(void **state) {
  (void)state;
  struct store_resource resource;
  const char *pid = "PID|1||3002^^^HIS^MR||Ngata^Hana\r";
  struct str discharge =
      arena_printf(test_arena,
                   "%s%sPV1|1|I|M1^2^2^MAIN||||||||||||||||V9^^^HIS^VN|||||||||||||||||||||||||"
                   "20260101|20260105\r",
                   MSH("A03", "Q5"), pid);
  struct str result = arena_printf(test_arena,
                                   "MSH|^~\\&|LAB|MAIN|HUB|X|20260106||ORU^R01|Q6|P|2.5.1\r%s"
                                   "PV1|1|O|ED^^^MAIN||||||||||||||||V9^^^HIS^VN\r"
                                   "OBR|1|O79^HIS||K^Potassium^99HIS\r",
                                   pid);
  assert_reply(send_one(discharge.p), "AA|Q5");
  assert_reply(send_one(result.p), "AA|Q6");
  const struct yyjson_val *json = find("Encounter", "HIS", "V9", &resource);
  assert_str(json_get_text(json, STR("status")), "finished");
  assert_str(json_get_text(json_get(json, STR("class")), STR("code")), "IMP");
}

static void many_feeds_that_announce_one_patient_make_one(void **state) {
  (void)state;
  enum { N = 32 };
  static struct waiting waiting;
  static char texts[N][300];
  const char *list[N];
  uint64_t before = count("Patient");
  for (int i = 0; i < N; i++) {
    snprintf(texts[i], sizeof texts[i],
             MSH("A01", "R%d") "PID|1||2001^^^HIS^MR~N%d^^^FEED%d^PI||Same^Person||19900102|F\r"
                               "PV1|1|I|W2^%d^1||||||||||||||||V%d^^^HIS^VN\r",
             i, i, i, i, i);
    list[i] = texts[i];
  }
  send_all(&waiting, list, N);
  for (int i = 0; i < N; i++)
    assert_reply(waiting.replies[i], "AA|R");
  assert_int_equal(count("Patient"), before + 1);
  struct store_resource resource;
  assert_int_equal(json_count(json_get(patient("2001", &resource), STR("identifier"))), N + 1);
  /* However often a message was prepared, what it made refers to that patient. */
  struct str subject = arena_printf(test_arena, "Patient/%.*s", STR_ARG(resource.id));
  for (int i = 0; i < N; i++) {
    char visit[16];
    snprintf(visit, sizeof visit, "V%d", i);
    const struct yyjson_val *json = find("Encounter", "HIS", visit, &resource);
    assert_true(
        str_equal(json_get_text(json_get(json, STR("subject")), STR("reference")), subject));
  }
}

static const struct yyjson_val *read_reference(struct str reference) {
  struct store_view *view = look();
  struct store_resource resource;
  const struct yyjson_val *json;
  struct err err;
  assert_true(str_starts_with(reference, STR("Patient/")));
  assert_int_equal(store_read(view, &everything, test_arena, defs_type_by_name(STR("Patient")),
                              str_slice(reference, 8, 64), &resource, &err),
                   0);
  store_view_close(view);
  assert_int_equal(json_parse(test_arena, resource.body, NULL, &json, &err), 0);
  return json;
}

static struct str only_link(const struct yyjson_val *json, const char *type) {
  struct json_each link = json_each(json_get(json, STR("link")));
  assert_true(json_next(&link));
  assert_str(json_get_text(link.value, STR("type")), type);
  struct str reference = json_get_text(json_get(link.value, STR("other")), STR("reference"));
  assert_false(json_next(&link));
  return reference;
}

static void after_a_merge_the_old_number_means_the_one_that_stays(void **state) {
  (void)state;
  send_one(MSH("A28", "M10") "PID|1||3001^^^HIS^MR||Stays^Ann||19900102|F\r");
  send_one(MSH("A28", "M11") "PID|1||3002^^^HIS^MR||Goes^Ann||19900102|F\r");
  assert_reply(send_one(MSH("A40", "M12") "PID|1||3001^^^HIS^MR||Stays^Ann\rMRG|3002^^^HIS^MR\r"),
               "AA|M12");
  struct store_resource stays, by_old_number;
  const struct yyjson_val *json = patient("3001", &stays);
  patient("3002", &by_old_number);
  assert_true(str_equal(stays.id, by_old_number.id));
  const struct yyjson_val *gone = read_reference(only_link(json, "replaces"));
  assert_false(json_is_true(json_get(gone, STR("active"))));
  assert_true(str_ends_with(only_link(gone, "replaced-by"), stays.id));
  assert_reply(send_one(MSH("A08", "M13") "PID|1||3002^^^HIS^MR||Stays^Ann||19910303|F\r"),
               "AA|M13");
  assert_str(json_get_text(patient("3001", &stays), STR("birthDate")), "1991-03-03");
}

static void a_merge_that_is_told_twice_happens_once(void **state) {
  (void)state;
  send_one(MSH("A28", "M14") "PID|1||3003^^^HIS^MR||Stays^Bo||19900102|M\r");
  send_one(MSH("A28", "M15") "PID|1||3004^^^HIS^MR||Goes^Bo||19900102|M\r");
  send_one(MSH("A40", "M16") "PID|1||3003^^^HIS^MR||Stays^Bo\rMRG|3004^^^HIS^MR\r");
  struct store_resource once, twice;
  patient("3003", &once);
  assert_reply(send_one(MSH("A40", "M17") "PID|1||3003^^^HIS^MR||Stays^Bo\rMRG|3004^^^HIS^MR\r"),
               "AA|M17");
  const struct yyjson_val *json = patient("3003", &twice);
  assert_int_equal(twice.version, once.version);
  assert_null(json_get(json, STR("active")));
}

static void an_identifier_that_another_holds_stays_there(void **state) {
  (void)state;
  send_one(MSH("A28", "M18") "PID|1||3005^^^HIS^MR||One^Cy||19900102|M\r");
  send_one(MSH("A28", "M19") "PID|1||3006^^^HIS^MR||Two^Cy||19900102|M\r");
  assert_reply(send_one(MSH("A08", "M21") "PID|1||3005^^^HIS^MR~3006^^^HIS^MR||One^Cy\r"),
               "AA|M21");
  struct store_resource one, two;
  assert_int_equal(json_count(json_get(patient("3005", &one), STR("identifier"))), 1);
  patient("3006", &two);
  assert_false(str_equal(one.id, two.id));
  assert_true(str_find(messages("M21").p[0].reason, STR("belongs to another")) >= 0);
}

static void what_can_not_be_used_is_kept_and_refused(void **state) {
  (void)state;
  size_t before = messages("").n;
  assert_non_null(strstr(send_one("this is no message"), "MSA|AR"));
  assert_reply(
      send_one("MSH|^~\\&|HIS|MAIN|HUB|X|20260101||ADT^A28|M20|P|3.9\rPID|1||1^^^HIS^MR\r"),
      "AR|M20");
  assert_non_null(
      strstr(send_one("MSH|^~\\&|HIS|MAIN|HUB|X|20260101||ADT^A28||P|2.5\rPID|1||1^^^HIS^MR\r"),
             "MSA|AE"));
  assert_int_equal(messages("").n, before + 3);
  struct store_message_rows rows = messages("M20");
  assert_int_equal(rows.n, 1);
  assert_int_equal(rows.p[0].status, STORE_MESSAGE_REJECTED);
  assert_true(rows.p[0].reason.n > 0);
}

static void each_message_of_a_batch_is_committed_and_answered(void **state) {
  (void)state;
  const char *reply =
      send_one("BHS|^~\\&|HIS\r" MSH("A28", "B1") "PID|1||4001^^^HIS^MR||One^A\r" MSH(
          "A28", "B2") "PID|1||4002^^^HIS^MR||Two^B\rBTS|2\r");
  assert_reply(reply, "AA|B1");
  assert_reply(reply, "AA|B2");
  struct store_resource resource;
  patient("4001", &resource);
  patient("4002", &resource);
}

static void every_element_made_of_a_message_knows_its_field(void **state) {
  (void)state;
  send_one(MSH("A28", "M30") "PID|1||5001^^^HIS^MR||Ngata^Hana||19900102|F\r");
  struct store_view *view = look();
  struct err err;
  struct store_lineage_rows rows;
  uint64_t number = messages("M30").p[0].number;
  assert_int_equal(store_lineage_of_message(view, &everything, test_arena, number, &rows, &err), 0);
  store_view_close(view);
  bool is_found = false;
  for (size_t i = 0; i < rows.n; i++) {
    struct lineage_entries entries;
    assert_int_equal(lineage_decode(test_arena, rows.p[i].lineage, &entries, &err), 0);
    for (size_t k = 0; k < entries.n; k++)
      if (str_is(entries.p[k].element, "birthDate")) {
        assert_str(entries.p[k].segment, "PID");
        assert_int_equal(entries.p[k].source.field, 7);
        assert_true(entries.p[k].map_line > 0);
        is_found = true;
      }
  }
  assert_true(is_found);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_message_is_acknowledged_and_becomes_a_patient),
      cmocka_unit_test(the_same_message_again_has_no_second_effect),
      cmocka_unit_test(a_second_message_updates_what_it_says_and_keeps_the_rest),
      cmocka_unit_test(two_quotes_take_a_value_away),
      cmocka_unit_test(a_message_that_changes_nothing_makes_no_version),
      cmocka_unit_test(an_order_and_its_result_are_one_request),
      cmocka_unit_test(an_order_is_cancelled_without_its_details),
      cmocka_unit_test(who_mentions_a_visit_does_not_reopen_it),
      cmocka_unit_test(many_feeds_that_announce_one_patient_make_one),
      cmocka_unit_test(after_a_merge_the_old_number_means_the_one_that_stays),
      cmocka_unit_test(a_merge_that_is_told_twice_happens_once),
      cmocka_unit_test(an_identifier_that_another_holds_stays_there),
      cmocka_unit_test(what_can_not_be_used_is_kept_and_refused),
      cmocka_unit_test(each_message_of_a_batch_is_committed_and_answered),
      cmocka_unit_test(every_element_made_of_a_message_knows_its_field),
  };
  return cmocka_run_group_tests(tests, open_fixture, close_fixture);
}
