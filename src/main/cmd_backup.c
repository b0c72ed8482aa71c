/* callosum backup, callosum restore: keeping a store that is in a file. */
#include "main/command.h"

#include "base/clock.h"
#include "main/progress_line.h"
#include "store/move/backup.h"
#include "store/db/db.h"

#include <getopt.h>
#include <signal.h>

static volatile sig_atomic_t is_stopped;

static void stop(int signal_number) {
  (void)signal_number;
  is_stopped = 1;
}

static void show_progress(const struct backup_progress *progress, void *what) {
  if (!progress_line_is_due(what, NULL))
    return;
  fputs(progress->what, stderr);
  if (progress->all)
    fprintf(stderr, " %3.0f%%", (double)progress->done * 100 / (double)progress->all);
  else if (progress->done)
    fprintf(stderr, " %llu rows", (unsigned long long)progress->done);
}

typedef int backup_action(const struct backup_options *options, struct backup_report *ret_report,
                          struct err *reterr);

/* What the user asked for, and what is printed of it. */
static int run_action(const struct command *command, backup_action *action,
                      struct backup_options options, const char *verb, bool is_quiet) {
  struct progress_line line = progress_line_start(is_quiet);
  struct backup_report report = {0};
  struct err err = {0};
  char made[CLOCK_INSTANT_BYTES];
  options.progress = show_progress;
  options.what = &line;
  options.is_stopped = &is_stopped;
  signal(SIGINT, stop); /* what is half made is removed */
  signal(SIGTERM, stop);
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails, like a full disk */
  int code = action(&options, &report, &err);
  progress_line_end(&line);
  if (code != 0)
    return command_fail(command, &err, code == ERR_STORE ? EXIT_FAILED : EXIT_IO);
  if (is_quiet)
    return EXIT_OK;
  size_t n = clock_format_instant(report.made_us, made);
  printf("%s: %llu resources, %llu earlier versions, %llu messages, up to commit %llu; backup of"
         " %.*s, %.1f MB, in %.2f s\n",
         verb, (unsigned long long)report.resources, (unsigned long long)report.versions,
         (unsigned long long)report.messages, (unsigned long long)report.seq, (int)n, made,
         (double)report.bytes / 1e6, (double)(clock_monotonic_us() - line.start_us) / 1e6);
  if (report.moved_to[0])
    printf("the store that was there is now %s\n", report.moved_to);
  return EXIT_OK;
}

static int refuse_url(const struct command *command, const char *tools) {
  fprintf(stderr,
          "callosum %s: a store in PostgreSQL is kept with PostgreSQL's own tools: %s"
          " (docs/moving.md tells how). `callosum copy` makes a file of it.\n",
          command->name, tools);
  return EXIT_USAGE;
}

static int run_backup(int argc, char **argv) {
  bool is_verify, is_quiet;
  int code = command_read_flags(&command_backup, argc, argv, "verify", &is_verify, &is_quiet);
  if (code != EXIT_OK)
    return code;
  if (argc - optind != (is_verify ? 1 : 2))
    return command_usage_error(&command_backup, is_verify ? "name the backup to verify"
                                                          : "name a store, and the file to make");
  for (int i = optind; i < argc; i++)
    if (db_is_url(argv[i]))
      return refuse_url(&command_backup, "pg_dump, or pg_basebackup with the archive of its log");
  if (is_verify)
    return run_action(&command_backup, backup_verify, (struct backup_options){.from = argv[optind]},
                      "whole", is_quiet);
  return run_action(&command_backup, backup_make,
                    (struct backup_options){.from = argv[optind], .to = argv[optind + 1]},
                    "backed up", is_quiet);
}

static int run_restore(int argc, char **argv) {
  bool is_forced, is_quiet;
  int code = command_read_flags(&command_restore, argc, argv, "force", &is_forced, &is_quiet);
  if (code != EXIT_OK)
    return code;
  if (argc - optind != 2)
    return command_usage_error(&command_restore, "name a backup, and the store to make of it");
  for (int i = optind; i < argc; i++)
    if (db_is_url(argv[i]))
      return refuse_url(&command_restore, "pg_restore, or a folder from pg_basebackup");
  return run_action(&command_restore, backup_restore,
                    (struct backup_options){
                        .from = argv[optind], .to = argv[optind + 1], .may_move_aside = is_forced},
                    "restored", is_quiet);
}

const struct command command_backup = {
    .name = "backup",
    .summary = "make a consistent copy of a store that is in a file, while it is served",
    .usage =
        "backup [OPTIONS] STORE FILE\n"
        "       callosum backup --verify [OPTIONS] FILE\n\n"
        "Copies the store as it is at one moment; whoever serves it goes on. The copy is read "
        "back\n"
        "and compared with the store, and says in itself what is in it. FILE appears when it is\n"
        "complete and durable; a name that ends with .zst has it packed. Nothing is "
        "overwritten.\n\n"
        "Options:\n"
        "      --verify   look at a backup: is it whole, are its rows what they were?\n"
        "  -q, --quiet    print nothing but errors\n\n"
        "Exit code: 0 done, 1 the store or the backup is damaged or of another program, 2 wrong\n"
        "usage, 3 a file can't be used.\n\n"
        "Examples:\n"
        "  callosum backup callosum.db /backup/callosum-$(date +%F).db.zst\n"
        "  callosum backup --verify /backup/callosum-2026-11-21.db.zst",
    .run = run_backup,
};

const struct command command_restore = {
    .name = "restore",
    .summary = "make a store of a backup",
    .usage =
        "restore [OPTIONS] FILE STORE\n\n"
        "Verifies all that is in the backup, then puts it in the place of STORE, which must not\n"
        "be there, nor be open in any process.\n\n"
        "Options:\n"
        "      --force   a store that is there is moved aside, to STORE.before-TIME\n"
        "  -q, --quiet   print nothing but errors\n\n"
        "Exit code: 0 done, 1 the backup is damaged or of another program, 2 wrong usage, 3 a\n"
        "file can't be used.\n\n"
        "Examples:\n"
        "  callosum restore /backup/callosum-2026-11-21.db.zst callosum.db",
    .run = run_restore,
};
