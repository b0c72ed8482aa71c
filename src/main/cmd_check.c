#include "main/command.h"

#include "base/file.h"
#include "flow/config.h"
#include "format/charset.h"
#include "mapping/mapping.h"

#include <dirent.h>
#include <getopt.h>
#include <unistd.h>

#define CHECK_ARENA_BYTES ((size_t)1 << 30)
#define FIXTURE_MAX_BYTES ((size_t)64 << 20)
/* Fixtures are converted as if it were 2026-01-01T00:00:00Z, so that their result does not change.
 */
#define FIXTURE_NOW_US INT64_C(1767225600000000)

struct check {
  struct arena *arena;
  struct maps *maps;
  struct config config;
  const char *folder; /* of the fixtures */
  bool updates;
  unsigned passed, failed;
};

static int read_fixture(struct arena *arena, const char *path, struct str *ret_bytes,
                        struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, FIXTURE_MAX_BYTES);
  int code = file_read(path, &buf, reterr);
  *ret_bytes = buf_str(&buf);
  return code;
}

static int convert(struct check *check, struct str bytes, struct str *ret_bundle,
                   struct err *reterr) {
  struct charset_result charset = {0};
  struct er7_message message;
  struct mapping_result result;
  struct mapping_options options = {.now_us = FIXTURE_NOW_US,
                                    .time_zone_minutes = (int)check->config.time_zone_minutes,
                                    .source = STR("check")};
  int code = charset_to_utf8(check->arena, bytes, &charset, reterr);
  if (code == 0)
    code = er7_parse(check->arena, charset.text, NULL, &message, reterr);
  if (code == 0)
    code = mapping_run(check->arena, check->maps, &message, &options, &result, reterr);
  struct buf buf;
  buf_init_arena(&buf, check->arena, FIXTURE_MAX_BYTES);
  if (code == 0)
    code = mapping_write_bundle(&buf, &result, STR("collection"), reterr);
  *ret_bundle = buf_str(&buf);
  return code;
}

/* The path of the first difference ("entry[2].resource.status"), or an empty text. */
static struct str first_difference(struct arena *arena, const struct yyjson_val *a,
                                   const struct yyjson_val *b, struct str path) {
  enum json_kind kind = json_kind(a);
  if (kind != json_kind(b) || json_count(a) != json_count(b))
    return path;
  if (kind != JSON_OBJECT && kind != JSON_ARRAY)
    return str_equal(json_text(a), json_text(b)) ? STR_NULL : path;
  struct json_each left = json_each(a), right = json_each(b);
  while (json_next(&left) && json_next(&right)) {
    const struct yyjson_val *other = kind == JSON_OBJECT ? json_get(b, left.name) : right.value;
    struct str inner = kind == JSON_OBJECT
                           ? arena_printf(arena, "%.*s%s%.*s", STR_ARG(path), path.n ? "." : "",
                                          STR_ARG(left.name))
                           : arena_printf(arena, "%.*s[%zu]", STR_ARG(path), left.index);
    struct str found = first_difference(arena, left.value, other, inner);
    if (!str_is_empty(found))
      return found;
  }
  return STR_NULL;
}

static int write_expected(const char *path, struct arena *arena, const struct yyjson_val *bundle,
                          struct err *reterr) {
  struct buf buf;
  buf_init_arena(&buf, arena, FIXTURE_MAX_BYTES * 4);
  json_write_pretty(&buf, bundle);
  buf_add_char(&buf, '\n');
  FILE *file = fopen(path, "wbe");
  bool is_written = file && fwrite(buf.p, 1, buf.n, file) == buf.n;
  if ((file && fclose(file) != 0) || !is_written)
    return err_set(reterr, ERR_IO, path, "The file can't be written.");
  return 0;
}

static int check_fixture(struct check *check, const char *name, struct err *reterr) {
  size_t stem = strlen(name) - strlen(".hl7");
  struct str input = arena_printf(check->arena, "%s/%s", check->folder, name);
  struct str expected_path =
      arena_printf(check->arena, "%s/%.*s.fhir.json", check->folder, (int)stem, name);
  struct str bytes = STR_NULL, made = STR_NULL, text = STR_NULL;
  const struct yyjson_val *bundle = NULL, *expected = NULL;
  if (!input.p || !expected_path.p)
    return err_no_memory(reterr);
  int code = read_fixture(check->arena, input.p, &bytes, reterr);
  if (code == 0)
    code = convert(check, bytes, &made, reterr);
  if (code == 0)
    code = json_parse(check->arena, made, NULL, &bundle, reterr);
  if (code == 0 && check->updates)
    code = write_expected(expected_path.p, check->arena, bundle, reterr);
  if (code == 0 && access(expected_path.p, F_OK) != 0)
    code = err_set(reterr, ERR_IO, "",
                   "It has no expected result yet; `callosum check --update` writes it.");
  if (code == 0)
    code = read_fixture(check->arena, expected_path.p, &text, reterr);
  if (code == 0)
    code = json_parse(check->arena, text, NULL, &expected, reterr);
  if (code)
    return code;
  struct str difference = first_difference(check->arena, expected, bundle, STR(""));
  if (!str_is_empty(difference))
    return err_set_at(reterr, ERR_INVALID, difference, "The bundle is not the expected one here.");
  return 0;
}

static int is_message_file(const struct dirent *entry) {
  return str_ends_with(str_of(entry->d_name), STR(".hl7"));
}

static void check_fixtures(struct check *check) {
  struct dirent **entries = NULL;
  int n = scandir(check->folder, &entries, is_message_file, alphasort);
  for (int i = 0; i < n; i++) {
    struct err err = {0};
    if (check_fixture(check, entries[i]->d_name, &err) < 0) {
      printf("FAILED  %s: %s%s%s\n", entries[i]->d_name, err.where, err.where[0] ? ": " : "",
             err.text);
      check->failed++;
    } else {
      printf("ok      %s\n", entries[i]->d_name);
      check->passed++;
    }
    free(entries[i]);
  }
  free(entries);
}

static int run(struct check *check, const char *folder) {
  struct err err = {0};
  if (config_read(check->arena, folder, &check->config, &err) < 0 ||
      maps_open(check->config.maps, &check->maps, &err) < 0)
    return command_fail(&command_check, &err, err.code == ERR_IO ? EXIT_IO : EXIT_FAILED);
  struct str fixtures = arena_printf(check->arena, "%s/fixtures", folder);
  check->folder = fixtures.p;
  if (check->folder)
    check_fixtures(check);
  printf("The configuration and its maps are valid: %zu MLLP listener%s. Fixtures: %u passed, %u "
         "failed.\n",
         check->config.mllp_n, check->config.mllp_n == 1 ? "" : "s", check->passed, check->failed);
  maps_close(check->maps);
  return check->failed ? EXIT_FAILED : EXIT_OK;
}

static int print_settings(struct arena *arena) {
  size_t n;
  const struct config_setting *settings = config_settings(arena, &n);
  for (size_t i = 0; i < n; i++)
    printf("%s%-*s %-7s %s\n", settings[i].section, 32 - (int)strlen(settings[i].section),
           settings[i].name, settings[i].kind, settings[i].text);
  return EXIT_OK;
}

static int run_check(int argc, char **argv) {
  static const struct option options[] = {
      {"update", no_argument, NULL, 'u'}, {"settings", no_argument, NULL, 's'}, {0}};
  struct check check = {0};
  bool lists_settings = false;
  for (int option; (option = getopt_long(argc, argv, "us", options, NULL)) != -1;) {
    if (option == '?')
      return command_usage_error(&command_check, "this option is not known");
    *(option == 'u' ? &check.updates : &lists_settings) = true;
  }
  if (argc - optind > 1)
    return command_usage_error(&command_check, "name one folder");
  check.arena = arena_new(CHECK_ARENA_BYTES);
  if (!check.arena)
    return command_fail(&command_check, &(struct err){.text = "Out of memory."}, EXIT_FAILED);
  int code = lists_settings ? print_settings(check.arena)
                            : run(&check, optind < argc ? argv[optind] : "callosum.d");
  arena_free(check.arena);
  return code;
}

const struct command command_check = {
    .name = "check",
    .summary = "check a configuration folder, its maps and its fixtures",
    .usage = "check [--update] [FOLDER]\n"
             "       callosum check --settings\n\n"
             "Reads the configuration in FOLDER (callosum.d) and its maps, and converts each\n"
             "FOLDER/fixtures/NAME.hl7: the result must be FOLDER/fixtures/NAME.fhir.json. Faults\n"
             "are told with file and line. Fixtures are converted as if it were\n"
             "2026-01-01T00:00:00Z.\n\n"
             "Options:\n"
             "  --update     write the expected results from what the maps make now\n"
             "  --settings   list the settings that a configuration can have\n\n"
             "Exit code: 0 all is well, 1 a fault was found, 2 wrong usage, 3 the folder can't be "
             "read\n\n"
             "Example: callosum check --update callosum.d && git diff callosum.d",
    .run = run_check,
};
