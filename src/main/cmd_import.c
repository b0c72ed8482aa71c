/* callosum import: resources and bundles from files, straight into the store. */
#include "main/command.h"

#include "base/clock.h"
#include "main/import.h"
#include "main/progress_line.h"
#include "model/search_values.h"
#include "model/validate.h"

#include <errno.h>
#include <getopt.h>
#include <unistd.h>

#define BLOCK_ARENA_MAX_BYTES ((size_t)4 << 30)
#define FAULTS_PRINTED 100

struct import_arguments {
  const char *store;
  uint64_t threads;
  bool is_strict, is_quiet, with_invariants;
};

/* ---- Progress ---- */

struct progress {
  struct progress_line line;
  uint64_t total_bytes, before_bytes; /* of all files, 0: not known; of those that are done */
};

static void print_duration(int64_t s) {
  fprintf(stderr, "%lld:%02lld", (long long)(s / 60), (long long)(s % 60));
}

static void show_progress(struct progress *progress, struct import *import,
                          const struct import_source *source) {
  double s;
  if (!progress_line_is_due(&progress->line, &s))
    return;
  struct import_figures figures = import_figures(import);
  uint64_t resources =
      figures.created + figures.updated + figures.unchanged + figures.deleted + figures.refused;
  uint64_t bytes = progress->before_bytes + import_source_read_bytes(source);
  if (progress->total_bytes > 0 && bytes > 0) {
    static const char full[] = "====================", empty[] = "                    ";
    double share = (double)bytes / (double)progress->total_bytes;
    int marks = share < 1 ? (int)(share * 20) : 20;
    fprintf(stderr, "%3.0f%% [%.*s%.*s] ", share * 100, marks, full, 20 - marks, empty);
  }
  fprintf(stderr, "%.1f MB  %llu resources  %.0f/s", (double)bytes / 1e6,
          (unsigned long long)resources, (double)resources / s);
  if (progress->total_bytes > 0 && bytes > 0) {
    fputs("  left ", stderr);
    print_duration((int64_t)(s * (double)(progress->total_bytes - bytes) / (double)bytes));
  }
}

/* ---- Files ---- */

static int import_one(struct import *import, const char *path, struct progress *progress,
                      struct err *reterr) {
  struct import_source *source = NULL;
  int code = import_source_open(path, &source, reterr);
  bool is_end = false;
  while (code == 0 && !is_end) {
    struct import_block block;
    struct arena *arena = arena_new(BLOCK_ARENA_MAX_BYTES);
    code =
        arena ? import_source_next(source, arena, &block, &is_end, reterr) : err_no_memory(reterr);
    if (code != 0 || is_end)
      arena_free(arena);
    else if (!import_block(import, path, arena, block))
      is_end = true; /* import_finish tells why */
    if (code == 0)
      show_progress(progress, import, source);
  }
  if (code == 0)
    progress->before_bytes += import_source_read_bytes(source);
  import_source_close(source);
  return code;
}

static uint64_t size_of_all(char **paths, int n) {
  uint64_t total = 0;
  struct err ignored; /* opening it again will tell */
  for (int i = 0; i < n; i++) {
    struct import_source *source;
    if (import_source_open(paths[i], &source, &ignored) != 0)
      return 0;
    uint64_t size = import_source_size_bytes(source);
    import_source_close(source); /* leaves standard input open */
    if (size == 0)
      return 0;
    total += size;
  }
  return total;
}

static void print_figures(const struct import_figures *figures, double s) {
  uint64_t stored = figures->created + figures->updated + figures->unchanged + figures->deleted;
  printf("%llu resources in %.2f s (%.0f/s): %llu created, %llu updated, %llu unchanged",
         (unsigned long long)stored, s, (double)stored / s, (unsigned long long)figures->created,
         (unsigned long long)figures->updated, (unsigned long long)figures->unchanged);
  if (figures->deleted)
    printf(", %llu deleted", (unsigned long long)figures->deleted);
  printf(", %llu refused\n", (unsigned long long)figures->refused);
}

/* ---- The command ---- */

static int run_with_store(struct store *store, const struct import_arguments *arguments,
                          char **paths, int paths_n) {
  struct import_options options = {.store = store,
                                   .threads = (size_t)arguments->threads,
                                   .with_invariants = arguments->with_invariants,
                                   .is_strict = arguments->is_strict,
                                   .faults_max = arguments->is_quiet ? 0 : FAULTS_PRINTED};
  struct progress progress = {.line = progress_line_start(arguments->is_quiet),
                              .total_bytes = size_of_all(paths, paths_n)};
  struct import *import;
  struct import_figures figures;
  struct err err;
  int exit_code = EXIT_OK;
  if (import_start(&options, &import, &err) != 0)
    return command_fail(&command_import, &err, EXIT_IO);
  for (int i = 0; i < paths_n && exit_code == EXIT_OK; i++)
    if (import_one(import, paths[i], &progress, &err) != 0) {
      progress_line_end(&progress.line);
      exit_code = command_fail(&command_import, &err, EXIT_IO);
    }
  int code = import_finish(import, &figures, &err);
  progress_line_end(&progress.line);
  if (code == ERR_INVALID)
    exit_code = command_fail(&command_import, &err, EXIT_FAILED);
  else if (code != 0)
    exit_code = command_fail(&command_import, &err, EXIT_IO);
  print_figures(&figures, (double)(clock_monotonic_us() - progress.line.start_us) / 1e6);
  return exit_code == EXIT_OK && figures.refused > 0 ? EXIT_FAILED : exit_code;
}

static int read_options(int argc, char **argv, struct import_arguments *arguments) {
  enum { OPTION_STRICT = 256, OPTION_INVARIANTS };
  static const struct option options[] = {{"store", required_argument, NULL, 's'},
                                          {"threads", required_argument, NULL, 't'},
                                          {"strict", no_argument, NULL, OPTION_STRICT},
                                          {"invariants", no_argument, NULL, OPTION_INVARIANTS},
                                          {"quiet", no_argument, NULL, 'q'},
                                          {NULL, 0, NULL, 0}};
  for (int c; (c = getopt_long(argc, argv, "s:t:q", options, NULL)) != -1;) {
    if (c == 's')
      arguments->store = optarg;
    else if (c == 'q')
      arguments->is_quiet = true;
    else if (c == OPTION_STRICT)
      arguments->is_strict = true;
    else if (c == OPTION_INVARIANTS)
      arguments->with_invariants = true;
    else if (c != 't')
      return command_usage_error(&command_import, "wrong options");
    else if (!str_to_u64(str_of(optarg), &arguments->threads) || arguments->threads < 1)
      return command_usage_error(&command_import, "--threads needs a number from 1");
  }
  if (optind == argc)
    return command_usage_error(&command_import, "name the files to import, or -");
  return EXIT_OK;
}

static int run_import(int argc, char **argv) {
  struct import_arguments arguments = {0};
  struct err err;
  struct store *store;
  int code = read_options(argc, argv, &arguments);
  if (code != EXIT_OK)
    return code;
  struct arena *arena = arena_new((size_t)1 << 20);
  if (!arena)
    return EXIT_IO;
  if (arguments.threads == 0) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    arguments.threads = cores > 1 ? (uint64_t)cores : 1;
  }
  struct store_options options = {.path = arguments.store ? arguments.store
                                                          : command_default_store(arena),
                                  .readers = (size_t)arguments.threads + 1,
                                  .is_bulk = true};
  if (search_values_init(&err) != 0 || validate_init(&err) != 0 ||
      store_open(&options, &store, &err) != 0) {
    code = command_fail(&command_import, &err, EXIT_IO);
  } else {
    code = run_with_store(store, &arguments, argv + optind, argc - optind);
    store_close(store);
  }
  arena_free(arena);
  return code;
}

const struct command command_import = {
    .name = "import",
    .summary = "load FHIR resources and bundles into a store, fast",
    .usage =
        "import [OPTIONS] FILE...\n\n"
        "A file holds resources or bundles one to a line (NDJSON), or one of them as JSON; plain, "
        "gzip or\nzstd; `-` is standard input. A file that is the store must not be "
        "open\nelsewhere; a PostgreSQL may be.\n\n"
        "A resource keeps its id, those in bundles too, so that the same file can be imported "
        "again: what is\nunchanged makes no new version. References between the entries of a "
        "bundle (urn:uuid:..) and\nconditional ones are resolved. Of a transaction bundle all or "
        "nothing is stored; faulty resources\nelsewhere are told with file and line, and skipped."
        "\n\n"
        "  -s, --store STORE    a file (callosum.db here, or in $XDG_STATE_HOME/callosum), or a "
        "URL\n"
        "                       (postgresql://...)\n"
        "  -t, --threads N      that make ready what is stored (one per core)\n"
        "      --invariants     check the FHIR invariants too, not only the structure\n"
        "      --strict         stop at the first fault\n"
        "  -q, --quiet          no progress, and faults are only counted\n\n"
        "Exit codes: 0 all stored, 1 some were refused, 2 wrong usage, 3 a file or the store can't "
        "be used.\n\n"
        "Example: callosum import patients.ndjson.zst",
    .run = run_import,
};
