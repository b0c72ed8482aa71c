/* Maps of a test, given as text, and what they make of a message, as text. */
#ifndef TEST_UNIT_MAPPING_MAPS_H
#define TEST_UNIT_MAPPING_MAPS_H

#include "../test.h"

#include "mapping/files.h"

__attribute__((unused)) static const char message_head[] = "message TEST\n"
                                                           "  for *\n"
                                                           "  MSH\n"
                                                           "  PID *\n"
                                                           "      patient = PID[Patient]\n";

/* Compiles one text as the file "segments/T.map"; NULL and `*ret_err` when it has a fault. */
__attribute__((unused)) static struct maps *compile(const char *text, struct err *ret_err) {
  struct maps *maps = NULL;
  const struct embedded_map one = {"segments/T.map", text, strlen(text)};
  return maps_open_texts(&one, 1, &maps, ret_err) ? NULL : maps;
}

/* Runs `maps` on the message, with MSH put in front. */
__attribute__((unused)) static struct mapping_result
run_message(const struct maps *maps, const char *segments, struct er7_message *ret_message) {
  struct str text = arena_printf(
      test_arena, "MSH|^~\\&|APP|FAC|||20260102030405+0100||ADT^A01|1|P|2.5\r%s", segments);
  struct mapping_result result;
  struct mapping_options options = {.source = STR("test")};
  struct err err;
  assert_int_equal(er7_parse(test_arena, text, NULL, ret_message, &err), 0);
  if (mapping_run(test_arena, maps, ret_message, &options, &result, &err))
    fail_msg("%s: %s", err.where, err.text);
  return result;
}

__attribute__((unused)) static struct str json_of(const struct mapping_result *result, size_t i) {
  struct buf buf;
  buf_init_arena(&buf, test_arena, 1 << 20);
  assert_true(i < result->resources_n);
  json_write(&buf, result->resources[i].json);
  return buf_str(&buf);
}

/* What the rows of `map PID[Patient]` make of these segments: the first resource. */
__attribute__((unused)) static struct mapping_result map_patient(const char *rows,
                                                                 const char *segments) {
  struct err err;
  struct str text =
      arena_printf(test_arena, "map PID[Patient] : Patient\n%s\n%s", rows, message_head);
  struct maps *maps = compile(text.p, &err);
  if (!maps)
    fail_msg("%s: %s", err.where, err.text);
  struct er7_message message;
  struct mapping_result result = run_message(maps, segments, &message);
  assert_int_equal(arena_on_free(test_arena, (void (*)(void *))maps_close, maps), 0);
  return result;
}

#define assert_patient(rows, segments, json)                                                       \
  do {                                                                                             \
    struct mapping_result result_ = map_patient(rows, segments);                                   \
    struct str text_ = json_of(&result_, 0);                                                       \
    assert_str(text_, json);                                                                       \
  } while (0)

/* Is there a note at this place? */
__attribute__((unused)) static bool has_note(const struct mapping_result *result,
                                             const char *where) {
  for (size_t i = 0; i < result->notes_n; i++)
    if (strcmp(result->notes[i].where, where) == 0)
      return true;
  return false;
}

#endif
