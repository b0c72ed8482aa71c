/* callosum validate: FHIR resources against the definitions, without a server. */
#include "main/command.h"
#include "main/resource_file.h"
#include "model/resource_xml.h"
#include "model/validate.h"

#include <getopt.h>
#include <stdio.h>

#define ARENA_BYTES_MAX ((size_t)2 << 30)

struct validate {
  struct validate_options options;
  struct arena *arena; /* of one resource */
  const char *file;
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
static int check(void *what, size_t line, struct str text, struct err *reterr) {
  struct validate *validate = what;
  const struct yyjson_val *root = NULL;
  struct issues issues = {0};
  struct err err;
  validate->resources++;
  if (resource_parse(validate->arena, text, JSON_LIMITS_DEFAULT.max_bytes, &root, &err)) {
    err.severity = ERR_SEVERITY_FATAL;
    print_issue(validate->file, line, &err);
    validate->invalid++;
    return 0;
  }
  int fault = validate_resource(validate->arena, root, &validate->options, &issues, reterr);
  if (fault)
    return fault;
  for (size_t i = 0; i < issues.list.n && !validate->is_quiet; i++)
    print_issue(validate->file, line, &issues.list.p[i]);
  validate->invalid += issues.errors_n > 0;
  return 0;
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
  for (int i = optind; i < argc; i++) {
    validate.file = argv[i];
    if (resource_file_each(validate.arena, argv[i], check, &validate, &err))
      code = command_fail(&command_validate, &err, EXIT_IO);
  }
  arena_free(validate.arena);
  fprintf(stderr, "%zu resource%s, %zu invalid\n", validate.resources,
          validate.resources == 1 ? "" : "s", validate.invalid);
  return code != EXIT_OK ? code : validate.invalid ? EXIT_FAILED : EXIT_OK;
}

const struct command command_validate = {
    .name = "validate",
    .summary = "check FHIR resources against the definitions",
    .usage = "validate [OPTIONS] FILE...\n\n"
             "A file holds one resource (bundles too) in JSON or XML, or one to a line (NDJSON). "
             "Every\nfault is printed with its FHIRPath. FILE can be - for standard input.\n\n"
             "  --quiet, -q        count only\n"
             "  --no-invariants    structure, types, cardinality and bindings only\n\n"
             "Exit codes: 0 all valid, 1 some are not, 2 wrong usage, 3 a file can't be read.\n\n"
             "Example: callosum convert -q admission.hl7 | callosum validate -",
    .run = run_validate,
};
