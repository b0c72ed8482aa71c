/*
 * One line of an import (a resource, or a bundle) made ready to be stored.
 *
 * A resource keeps its id, and so do the entries of bundles, so that a second run over the same
 * input finds everything unchanged; what has no id gets one from its fullUrl or its content.
 * transaction bundles are stored whole or not at all; of other bundles each entry stands alone.
 *
 * Threads: as the store. Memory: on the arena of the piece.
 */
#ifndef MAIN_IMPORT_PIECE_H
#define MAIN_IMPORT_PIECE_H

#include "flow/transaction.h"

struct import_piece {
  struct arena *arena;
  struct str text; /* lives as long as the arena */
  /* results */
  struct store_commit commit; /* writes and conditions */
  struct issues issues;       /* what was left out, and warnings */
  bool is_bundle, is_transaction;
  size_t resources_n, refused_n; /* in it; left out */
};

/*
 * 0 also when something was left out (`issues`); an error when nothing of the piece can be stored:
 * what is wrong with it, ERR_PRECONDITION (a conditional reference leads nowhere yet), or what the
 * store reports.
 */
int import_piece_prepare(struct store_view *view, bool with_invariants, struct import_piece *piece,
                         struct err *reterr) MUST_CHECK;

#endif
