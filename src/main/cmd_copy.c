/* callosum copy: a store from one engine to the other, and the comparison of two. */
#include "main/command.h"

#include "main/progress_line.h"
#include "store/db/db.h"
#include "store/move/transfer.h"

#include <getopt.h>
#include <signal.h>

struct copy {
  struct progress_line line;
  size_t tables_n;
};

static void show_progress(const struct transfer_progress *progress, void *what) {
  struct copy *copy = what;
  double s;
  if (!progress_line_is_due(&copy->line, &s))
    return;
  fprintf(stderr, "%s %-12s (table %zu of %zu)  %llu rows  %.1f MB  %.0f rows/s",
          progress->is_checking ? "checking" : "copying", progress->table, progress->table_n,
          copy->tables_n, (unsigned long long)progress->rows, (double)progress->bytes / 1e6,
          (double)progress->rows / s);
}

static void print_report(const struct transfer_report *report) {
  char from[TRANSFER_CHECKSUM_BYTES], to[TRANSFER_CHECKSUM_BYTES];
  printf("%-14s %12s  %-32s  %s\n", "table", "rows", "checksum", "equal");
  for (size_t i = 0; i < report->rows_n; i++) {
    const struct transfer_row *row = &report->rows[i];
    transfer_checksum(&row->from, from);
    transfer_checksum(&row->to, to);
    printf("%-14s %12llu  %s  ", row->table->name, (unsigned long long)row->from.rows, from);
    if (transfer_sum_equal(&row->from, &row->to))
      puts("yes");
    else
      printf("NO: %llu rows, %s\n", (unsigned long long)row->to.rows, to);
  }
}

static void print_figures(const struct transfer_report *report) {
  double s = (double)report->copy_us / 1e6;
  printf("%llu rows, %.1f MB copied in %.2f s (%.0f rows/s, %.1f MB/s), compared in %.2f s%s\n",
         (unsigned long long)report->copied, (double)report->bytes / 1e6, s,
         s > 0 ? (double)report->copied / s : 0, s > 0 ? (double)report->bytes / 1e6 / s : 0,
         (double)report->check_us / 1e6,
         report->is_resumed ? "; an unfinished copy was brought to its end" : "");
}

static int run(const char *from, const char *to, bool is_compare_only, bool is_quiet) {
  struct copy copy = {.line = progress_line_start(is_quiet)};
  struct transfer_options options = {
      .from = from, .to = to, .progress = show_progress, .what = &copy};
  struct transfer_report *report = calloc(1, sizeof *report);
  struct err err = {0};
  transfer_tables(&copy.tables_n);
  signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is a write that fails, like a full disk */
  int code = !report           ? err_no_memory(&err)
             : is_compare_only ? transfer_compare(&options, report, &err)
                               : transfer_copy(&options, report, &err);
  progress_line_end(&copy.line);
  bool is_compared = report && report->rows_n > 0;
  if (is_compared && (!is_quiet || !report->is_equal))
    print_report(report);
  if (code == 0 && !is_compare_only && !is_quiet)
    print_figures(report);
  int exit_code = code == 0 ? EXIT_OK : EXIT_IO;
  if (is_compared && !report->is_equal)
    exit_code = EXIT_FAILED;
  if (code != 0)
    command_fail(&command_copy, &err, exit_code);
  bool has_begun = report && (report->copied > 0 || report->is_resumed);
  if (has_begun && exit_code == EXIT_IO && code != ERR_CONFLICT)
    fputs("The same command goes on where this one stopped.\n", stderr);
  free(report);
  return exit_code;
}

static int run_copy(int argc, char **argv) {
  bool is_compare_only, is_quiet;
  int code =
      command_read_flags(&command_copy, argc, argv, "verify-only", &is_compare_only, &is_quiet);
  if (code != EXIT_OK)
    return code;
  if (argc - optind != 2)
    return command_usage_error(&command_copy, "name two stores: from where, and to where");
  return run(argv[optind], argv[optind + 1], is_compare_only, is_quiet);
}

const struct command command_copy = {
    .name = "copy",
    .summary = "move a store from one engine to the other, and compare the two",
    .usage =
        "copy [OPTIONS] FROM TO\n\n"
        "FROM and TO are files or postgresql:// URLs. Copies all rows of all tables as they are,\n"
        "then reads both stores and compares them; only then can TO be served. FROM must not be\n"
        "in use. TO is empty, or what an earlier copy of the same FROM has left when it was\n"
        "interrupted: then it goes on from there.\n"
        "Prints each table with its rows, their checksum, and whether both have the same.\n\n"
        "Options:\n"
        "      --verify-only   copy nothing, compare two stores\n"
        "  -q, --quiet         no progress; no table unless they differ\n\n"
        "Exit code: 0 both are equal, 1 they differ, 2 wrong usage, 3 a store can't be used.\n\n"
        "Examples:\n"
        "  callosum copy callosum.db postgresql://callosum@db.example/callosum\n"
        "  callosum copy postgresql:///callosum callosum.db\n"
        "  callosum copy --verify-only callosum.db postgresql:///callosum",
    .run = run_copy,
};
