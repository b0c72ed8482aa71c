#include "main/command.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>

static const struct command *const commands[] = {
    &command_serve,      &command_convert,  &command_send,     &command_simulate,
    &command_query,      &command_trace,    &command_import,   &command_check,
    &command_completion, &command_fhirpath, &command_validate, &command_version,
    &command_copy,       &command_backup,   &command_restore,  &command_schema,
};

const struct command *const *command_list(size_t *ret_n) {
  *ret_n = sizeof commands / sizeof commands[0];
  return commands;
}

static const struct command *find(const char *name) {
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    if (strcmp(commands[i]->name, name) == 0)
      return commands[i];
  return NULL;
}

static int print_help(FILE *out) {
  fputs("Usage: callosum COMMAND [OPTIONS] [ARGUMENTS]\n\n"
        "One longitudinal record per person, from everything a hospital's systems "
        "say.\n\nCommands:\n",
        out);
  for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
    fprintf(out, "  %-12s%s\n", commands[i]->name, commands[i]->summary);
  fputs("\n`callosum COMMAND --help` tells the rest.\n", out);
  return out == stdout ? EXIT_OK : EXIT_USAGE;
}

int command_usage_error(const struct command *command, const char *format, ...) {
  va_list args;
  va_start(args, format);
  fprintf(stderr, "callosum %s: ", command->name);
  vfprintf(stderr, format, args);
  fprintf(stderr, "\n`callosum %s --help` tells how to call it.\n", command->name);
  va_end(args);
  return EXIT_USAGE;
}

int command_read_flags(const struct command *command, int argc, char **argv, const char *name,
                       bool *ret_is_named, bool *ret_is_quiet) {
  enum { NAMED = 256 };
  const struct option options[] = {
      {name, no_argument, NULL, NAMED}, {"quiet", no_argument, NULL, 'q'}, {0}};
  int option;
  *ret_is_named = *ret_is_quiet = false;
  while ((option = getopt_long(argc, argv, "q", options, NULL)) != -1) {
    if (option == NAMED)
      *ret_is_named = true;
    else if (option == 'q')
      *ret_is_quiet = true;
    else
      return command_usage_error(command, "that option is not known");
  }
  return EXIT_OK;
}

int command_help(const struct command *command) {
  printf("Usage: callosum %s\n", command->usage);
  return EXIT_OK;
}

int command_fail(const struct command *command, const struct err *err, int code) {
  fprintf(stderr, "callosum %s: %s%s%s\n", command->name, err->where, err->where[0] ? ": " : "",
          err->text);
  return code;
}

static int run_version(int argc, char **argv) {
  if (argc > 1)
    return command_usage_error(&command_version, "'%s' is one argument too many", argv[1]);
  puts("callosum " CALLOSUM_VERSION);
  return EXIT_OK;
}

const struct command command_version = {
    .name = "version",
    .summary = "print the version",
    .usage = "version",
    .run = run_version,
};

static int fail_unknown(const char *name) {
  fprintf(stderr, "callosum: there is no command '%s'. `callosum --help` lists them.\n", name);
  return EXIT_USAGE;
}

int main(int argc, char **argv) {
  if (argc < 2)
    return print_help(stderr);
  if (strcmp(argv[1], "help") == 0 && argc > 2) {
    const struct command *command = find(argv[2]);
    return command ? command_help(command) : fail_unknown(argv[2]);
  }
  if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
    return print_help(stdout);
  if (strcmp(argv[1], "--version") == 0)
    return run_version(0, NULL);
  const struct command *command = find(argv[1]);
  if (!command)
    return fail_unknown(argv[1]);
  for (int i = 2; i < argc; i++)
    if (strcmp(argv[i], "--help") == 0)
      return command_help(command);
  return command->run(argc - 1, argv + 1);
}
