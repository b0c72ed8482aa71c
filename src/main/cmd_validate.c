/* callosum validate: FHIR resources against the definitions, without a server. */
#include "base/file.h"
#include "main/command.h"
#include "model/resource_xml.h"
#include "model/validate.h"

#include <getopt.h>
#include <stdio.h>

enum { LINE_BYTES_MAX = 256 << 20 };
#define ARENA_BYTES_MAX ((size_t)2 << 30)

struct validate {
  struct validate_options options;
  struct arena *arena; /* of one resource */
  bool is_quiet;
  size_t resources, invalid;
};

static const char *severity_name(enum err_severity severity) {
  static const char *const names[] = {"fatal", "error", "warning", "information"};
  return names[severity];
}

static void print_issue(const char *file, size_t line, const struct err *issue) {
  printf("%s", file);
  if (line)
    printf(":%zu", line);
  printf(": %s: %s%s%s (%s)\n", severity_name(issue->severity), issue->where,
         issue->where[0] ? ": " : "", issue->text, err_facts(issue->code)->issue_type);
}

/* One resource; `line` is 0 when the whole file is one. */
static int check(struct validate *validate, const char *file, size_t line, struct str text,
                 struct err *reterr) {
  const struct yyjson_val *root = NULL;
  struct issues issues = {0};
  struct err err;
  validate->resources++;
  if (resource_parse(validate->arena, text, JSON_LIMITS_DEFAULT.max_bytes, &root, &err)) {
    err.severity = ERR_SEVERITY_FATAL;
    print_issue(file, line, &err);
    validate->invalid++;
    return 0;
  }
  int fault = validate_resource(validate->arena, root, &validate->options, &issues, reterr);
  if (fault)
    return fault;
  for (size_t i = 0; i < issues.list.n && !validate->is_quiet; i++)
    print_issue(file, line, &issues.list.p[i]);
  validate->invalid += issues.errors_n > 0;
  return 0;
}

/* Is the text one value to its end? NDJSON of one line is that too. */
static bool is_one_resource(struct arena *arena, struct str text) {
  const struct yyjson_val *root = NULL;
  struct err err;
  return resource_parse(arena, text, JSON_LIMITS_DEFAULT.max_bytes, &root, &err) == 0;
}

static int check_lines(struct validate *validate, const char *file, struct str text,
                       struct err *reterr) {
  struct str rest = text, line;
  int fault = 0;
  for (size_t number = 1; !fault && str_split(&rest, '\n', &line); number++) {
    line = str_trim(line);
    if (str_is_empty(line))
      continue;
    fault = check(validate, file, number, line, reterr);
    arena_reset(validate->arena);
  }
  return fault;
}

static bool has_second_line(struct str text) {
  ssize_t end = str_find_char(str_trim(text), '\n', 0);
  return end >= 0;
}

/* A file is one resource, or one to a line. */
static int check_file(struct validate *validate, const char *file, struct err *reterr) {
  struct buf buf;
  buf_init(&buf, LINE_BYTES_MAX);
  int fault = file_read(file, &buf, reterr);
  struct str text = str_trim(buf_str(&buf));
  if (!fault && str_is_empty(text))
    fault = err_set(reterr, ERR_REQUIRED, file, "the file is empty");
  if (!fault) {
    ssize_t end = str_find_char(text, '\n', 0);
    bool is_ndjson = has_second_line(text) && !is_one_resource(validate->arena, text) &&
                     is_one_resource(validate->arena, str_slice(text, 0, (size_t)end));
    arena_reset(validate->arena);
    fault = is_ndjson ? check_lines(validate, file, text, reterr)
                      : check(validate, file, 0, text, reterr);
    arena_reset(validate->arena);
  }
  buf_fini(&buf);
  return fault;
}

static int run_validate(int argc, char **argv) {
  static const struct option options[] = {{"quiet", no_argument, NULL, 'q'},
                                          {"no-invariants", no_argument, NULL, 'n'},
                                          {NULL, 0, NULL, 0}};
  struct validate validate = {.options = {.max_issues = 1000, .with_invariants = true}};
  struct err err;
  for (int c; (c = getopt_long(argc, argv, "q", options, NULL)) != -1;) {
    if (c == 'q')
      validate.is_quiet = true;
    else if (c == 'n')
      validate.options.with_invariants = false;
    else
      return command_usage_error(&command_validate, "wrong options");
  }
  if (optind == argc)
    return command_usage_error(&command_validate, "name the files to validate, or -");
  validate.arena = arena_new(ARENA_BYTES_MAX);
  if (!validate.arena)
    err_no_memory(&err);
  if (!validate.arena || validate_init(&err))
    return command_fail(&command_validate, &err, EXIT_FAILED);
  int code = EXIT_OK;
  for (int i = optind; i < argc; i++)
    if (check_file(&validate, argv[i], &err))
      code = command_fail(&command_validate, &err, EXIT_IO);
  arena_free(validate.arena);
  fprintf(stderr, "%zu resource%s, %zu invalid\n", validate.resources,
          validate.resources == 1 ? "" : "s", validate.invalid);
  return code != EXIT_OK ? code : validate.invalid ? EXIT_FAILED : EXIT_OK;
}

const struct command command_validate = {
    .name = "validate",
    .summary = "check FHIR resources against the definitions",
    .usage =
        "validate [OPTIONS] FILE...\n\n"
        "A file holds one resource (bundles too) in JSON or XML, or one to a line (NDJSON). Every "
        "fault is printed\nwith its FHIRPath. FILE can be - for standard input.\n\n"
        "  --quiet, -q        count only\n"
        "  --no-invariants    structure, types, cardinality and bindings only\n\n"
        "Exit codes: 0 all valid, 1 some are not, 2 wrong usage, 3 a file can't be read.\n\n"
        "Example: callosum convert -q admission.hl7 | callosum validate -",
    .run = run_validate,
};
