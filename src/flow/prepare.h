/*
 * One v2 message made ready to be committed: tree -> FHIR -> which resources -> merged -> valid ->
 * search values, lineage.
 *
 * Threads: as the view that it reads through. Memory: all on the arena.
 */
#ifndef FLOW_PREPARE_H
#define FLOW_PREPARE_H

#include "mapping/mapping.h"
#include "store/store.h"

struct prepare_input {
  const struct maps *maps;
  const struct access *access;
  const struct er7_message *message;
  const struct mapping_result *mapped; /* of that message, by those maps */
};

/*
 * Fills writes and conditions of `commit`; `*ret_notes` (one per line) says what of the message has
 * no place in the result. Errors are the message's (its map's, or a resource that is not valid: the
 * place is the resource's FHIRPath) or the store's (ERR_STORE, ERR_IO, ...).
 */
int prepare_message(struct arena *arena, struct store_view *view, const struct prepare_input *input,
                    struct store_commit *commit, struct str *ret_notes,
                    struct err *reterr) MUST_CHECK;

#endif
