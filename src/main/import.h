/*
 * The import itself: lines go in, in order; worker threads make them ready; they are stored in the
 * order in which they came, many in one transaction.
 *
 * A line that needs what is not stored yet (a conditional reference) is tried again at the end.
 *
 * Threads: import_block and import_finish from one thread; figures from any. Memory: own.
 */
#ifndef MAIN_IMPORT_H
#define MAIN_IMPORT_H

#include "main/import_source.h"
#include "store/store.h"

struct import;

struct import_options {
  struct store *store;
  size_t threads; /* workers; at least 1 */
  bool with_invariants;
  bool is_strict;    /* stop at the first fault */
  size_t faults_max; /* printed on standard error; the others are counted */
};

int import_start(const struct import_options *options, struct import **ret_import,
                 struct err *reterr) MUST_CHECK;

/* Takes the block and its arena. Waits while too much is under way. False: it has been stopped. */
bool import_block(struct import *import, const char *path, struct arena *arena,
                  struct import_block block);

struct import_figures {
  uint64_t created, updated, unchanged, deleted, refused;
  bool is_stopped;
};
struct import_figures import_figures(struct import *import);

/* Waits for everything and frees it. An error of the store, or ERR_INVALID when a fault stopped it.
 * Faults that were skipped are no error. */
int import_finish(struct import *import, struct import_figures *ret_figures,
                  struct err *reterr) MUST_CHECK;

#endif
