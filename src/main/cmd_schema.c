/* callosum schema: the statements that make a store's tables. */
#include "main/command.h"

#include "store/schema/schema_citus.h"
#include "store/schema/schema_text.h"

#include <getopt.h>

#define SCRIPT_MAX_BYTES ((size_t)4 << 20)

static int run_schema(int argc, char **argv) {
  static const struct option options[] = {{"postgresql", no_argument, NULL, 'p'},
                                          {"sqlite", no_argument, NULL, 's'},
                                          {"citus", no_argument, NULL, 'c'},
                                          {"shards", required_argument, NULL, 'n'},
                                          {0}};
  bool with_tables = false, with_citus = false;
  enum db_kind kind = DB_POSTGRES;
  uint64_t shards = 0;
  int option;
  while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
    if (option == 'p')
      with_tables = true;
    else if (option == 's')
      kind = DB_SQLITE;
    else if (option == 'c')
      with_citus = true;
    else if (option == 'n' && (!str_to_u64(str_of(optarg), &shards) || shards < 1 ||
                               shards > SCHEMA_CITUS_SHARDS_MAX))
      return command_usage_error(&command_schema, "--shards takes a number from 1 to %d",
                                 SCHEMA_CITUS_SHARDS_MAX);
    else if (option != 'n')
      return command_usage_error(&command_schema, "that option is not known");
  }
  if (optind < argc)
    return command_usage_error(&command_schema, "'%s' is one argument too many", argv[optind]);
  if (kind == DB_SQLITE && (with_tables || with_citus))
    return command_usage_error(&command_schema, "--sqlite stands alone");
  struct buf script;
  struct err err;
  buf_init(&script, SCRIPT_MAX_BYTES);
  if (with_tables || !with_citus)
    schema_text_add(&script, kind);
  if (with_citus)
    schema_citus_add(&script, (unsigned)shards);
  int code = buf_is_overflown(&script) ? err_no_memory(&err) : 0;
  if (code == 0 && (fwrite(script.p, 1, script.n, stdout) != script.n || fflush(stdout) != 0))
    code = err_set(&err, ERR_IO, "", "Standard output can't be written.");
  buf_fini(&script);
  return code ? command_fail(&command_schema, &err, EXIT_IO) : EXIT_OK;
}

const struct command command_schema = {
    .name = "schema",
    .summary = "print the statements that make a store's tables",
    .usage =
        "schema [--postgresql] [--citus [--shards N]]\n"
        "       callosum schema --sqlite\n\n"
        "The program makes its tables itself when it opens an empty schema or file. Where it may\n"
        "not create tables, whoever owns the schema runs this script in it, once, and grants\n"
        "SELECT, INSERT, UPDATE and DELETE on them.\n\n"
        "Options:\n"
        "      --postgresql   the tables, for psql (if nothing else is asked for)\n"
        "      --citus        what distributes the tables over several machines (docs/scale.md);\n"
        "                     with --postgresql, after the tables\n"
        "      --shards N     pieces that Citus cuts each table into (64)\n"
        "      --sqlite       the tables, for sqlite3\n\n"
        "Exit code: 0, 2 wrong usage, 3 the output can't be written.\n\n"
        "Examples:\n"
        "  callosum schema | psql -v ON_ERROR_STOP=1 -d callosum\n"
        "  callosum schema --sqlite | sqlite3 callosum.db",
    .run = run_schema,
};
