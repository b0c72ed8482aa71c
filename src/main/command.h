/*
 * The commands of the program: a table from which dispatch, help and shell completion come.
 *
 * A command parses its own options with `getopt_long`, prints results on standard output, diagnosis
 * on standard error, and returns an exit code of `enum exit_code`.
 */
#ifndef MAIN_COMMAND_H
#define MAIN_COMMAND_H

#include "base/base.h"

/* Documented in docs/command-line.md. */
enum exit_code {
  EXIT_OK = 0,
  EXIT_FAILED = 1, /* it ran, and the answer is no: invalid input, messages refused, ... */
  EXIT_USAGE = 2,  /* wrong options or arguments */
  EXIT_IO = 3,     /* a file, socket or store can't be used */
};

struct command {
  const char *name;
  const char *summary;               /* one line */
  const char *usage;                 /* after "Usage: callosum "; then options, then examples */
  int (*run)(int argc, char **argv); /* argv[0] is the command's name */
};

extern const struct command command_serve, command_simulate, command_send, command_convert,
    command_fhirpath, command_validate, command_import, command_query, command_trace, command_check,
    command_completion, command_version, command_copy, command_backup, command_restore,
    command_schema;

/* All commands, in the order of the help. */
const struct command *const *command_list(size_t *ret_n);

/* Prints `message` and how to get help on standard error; returns EXIT_USAGE. */
int command_usage_error(const struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints the help of a command on standard output; returns EXIT_OK. */
int command_help(const struct command *command);

/* For a command whose options are --NAME and --quiet (-q), both without a value: reads them, then
 * `optind` is the place of the first argument. EXIT_USAGE, with a message, for any other option. */
int command_read_flags(const struct command *command, int argc, char **argv, const char *name,
                       bool *ret_is_named, bool *ret_is_quiet) MUST_CHECK;

/* Prints an err on standard error ("callosum convert: PID-7: ..."); returns `code`. */
int command_fail(const struct command *command, const struct err *err, int code);

/* The store that is meant where none is named: callosum.db in the current folder; or, where
 * XDG_STATE_HOME is set and there is none here, in its folder callosum/, which is made. */
const char *command_default_store(struct arena *arena);

#endif
