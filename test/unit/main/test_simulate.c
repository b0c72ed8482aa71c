#include "../test.h"

#include "base/clock.h"
#include "format/charset.h"
#include "format/json.h"
#include "format/v2_dictionary.h"
#include "main/simulate/hospital.h"

#define MESSAGES 4000

static struct hospital *open_hospital(uint64_t seed) {
  struct clock_civil start = {.year = 2025, .month = 11, .day = 3};
  struct hospital_options options = {
      .seed = seed, .persons_n = 60, .start_us = clock_from_civil(start)};
  struct hospital *hospital;
  assert_int_equal(hospital_open(&options, &hospital, NULL), 0);
  return hospital;
}

static struct hospital_message next(struct hospital *hospital, struct buf *buf) {
  struct hospital_message message;
  assert_int_equal(hospital_next(hospital, buf, &message, NULL), 0);
  return message;
}

/* What the dictionary of the message's version says of one field. */
static void check_field(const struct er7_message *m, struct str version, uint32_t segment,
                        unsigned n) {
  struct str name = m->segments[segment].name;
  const struct v2_field *field = v2_segment_field(version, name, n);
  struct str raw = er7_raw(m, (struct er7_place){segment, (uint16_t)n, 0, 0, 0});
  if (!field) {
    if (raw.n)
      fail_msg("%.*s-%u is not in %.*s", STR_ARG(name), n, STR_ARG(version));
    return;
  }
  if (field->is_required && raw.n == 0)
    fail_msg("%.*s-%u is required in %.*s", STR_ARG(name), n, STR_ARG(version));
  if (!field->repeats && er7_repetitions(m, segment, n) > 1)
    fail_msg("%.*s-%u may not repeat in %.*s", STR_ARG(name), n, STR_ARG(version));
  if (n <= 2 && segment == 0)
    return;
  unsigned components = er7_components(m, (struct er7_place){segment, (uint16_t)n, 1, 0, 0});
  bool is_composite = v2_type_component(version, field->data_type, 1) != NULL;
  if (components > 1 && is_composite && !v2_type_component(version, field->data_type, components))
    fail_msg("%.*s-%u has %u components in %.*s", STR_ARG(name), n, components, STR_ARG(version));
}

static void check_v2(struct str bytes, const struct hospital_message *message) {
  struct charset_result decoded;
  struct er7_message m;
  struct er7_header header;
  struct err err;
  if (charset_to_utf8(test_arena, bytes, &decoded, &err) < 0 ||
      er7_parse(test_arena, decoded.text, NULL, &m, &err) < 0)
    fail_msg("%s: %s", err.where, err.text);
  er7_header(&m, &header);
  assert_true(decoded.assumed == (message->system == SYSTEM_SCHED));
  assert_true(v2_event_is_known(header.type, header.event));
  assert_str(header.version, sending_systems[message->system].version);
  assert_true(message->system != SYSTEM_RIS || str_find_char(decoded.text, '?', 0) < 0);
  for (uint32_t s = 0; s < m.segments_n; s++) {
    assert_true(v2_segment_name(m.segments[s].name).n > 0);
    unsigned fields_n = m.segments[s].fields_n;
    for (unsigned n = 1; n <= fields_n || v2_segment_field(header.version, m.segments[s].name, n);
         n++)
      check_field(&m, header.version, s, n);
  }
}

static void simulate_writes_valid_messages_of_every_kind(void **state) {
  (void)state;
  struct hospital *hospital = open_hospital(7);
  unsigned seen[MESSAGE_KINDS_N] = {0};
  struct buf buf;
  buf_init(&buf, 1 << 20);
  for (int i = 0; i < MESSAGES; i++) {
    struct hospital_message message = next(hospital, &buf);
    arena_reset(test_arena);
    seen[message.kind]++;
    const struct yyjson_val *bundle;
    if (message.system == SYSTEM_PORTAL)
      assert_int_equal(json_parse(test_arena, buf_str(&buf), NULL, &bundle, NULL), 0);
    else
      check_v2(buf_str(&buf), &message);
  }
  for (unsigned kind = 0; kind < MESSAGE_KINDS_N; kind++)
    if (!seen[kind])
      fail_msg("no message of kind %u (%s^%s)", kind, message_facts[kind].type,
               message_facts[kind].event);
  buf_fini(&buf);
  hospital_close(hospital);
}

static void simulate_repeats_itself_for_the_same_seed_only(void **state) {
  (void)state;
  struct hospital *one = open_hospital(3), *same = open_hospital(3), *other = open_hospital(4);
  struct buf a, b, c;
  buf_init(&a, 1 << 20);
  buf_init(&b, 1 << 20);
  buf_init(&c, 1 << 20);
  unsigned different = 0;
  for (int i = 0; i < 500; i++) {
    next(one, &a);
    next(same, &b);
    next(other, &c);
    assert_int_equal(a.n, b.n);
    assert_memory_equal(a.p, b.p, a.n);
    different += !str_equal(buf_str(&a), buf_str(&c));
  }
  assert_true(different > 490);
  buf_fini(&a);
  buf_fini(&b);
  buf_fini(&c);
  hospital_close(one);
  hospital_close(same);
  hospital_close(other);
}

/* Simulated time goes on, a person is added before anything else is told of them, and over a few
 * months each has a story. */
static void simulate_tells_stories_in_order(void **state) {
  (void)state;
  struct hospital *hospital = open_hospital(11);
  struct buf buf;
  bool is_known[60] = {false};
  int64_t last_us = 0;
  buf_init(&buf, 1 << 20);
  for (int i = 0; i < MESSAGES; i++) {
    struct hospital_message message = next(hospital, &buf);
    assert_true(message.at_us > last_us - (int64_t)3600 * 1000000);
    last_us = message.at_us;
    assert_true(is_known[message.person] || message.kind == MESSAGE_ADD_PERSON);
    is_known[message.person] = true;
  }
  for (int i = 0; i < 60; i++)
    assert_true(is_known[i]);
  buf_fini(&buf);
  hospital_close(hospital);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(simulate_writes_valid_messages_of_every_kind),
      TEST(simulate_repeats_itself_for_the_same_seed_only),
      TEST(simulate_tells_stories_in_order),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
