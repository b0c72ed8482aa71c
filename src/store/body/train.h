/*
 * Dictionaries made from what a store holds. Hospitals write in their own words: on the Synthea set
 * the specification's dictionary leaves 417 bytes of a body, one made from 1,000 of its own
 * resources 166.
 *
 * Threads: any, on a connection of its own. Memory: the result is on the arena.
 */
#ifndef STORE_TRAIN_H
#define STORE_TRAIN_H

#include "store/body/body.h"

/* Is it time, when there are `pieces_n` of this kind (resources or messages) and the dictionary was
 * made when there were `trained_at`? At 2,000, then each time there are 32 times as many. */
bool train_is_due(enum body_kind kind, uint64_t pieces_n, uint64_t trained_at);

/* Takes a sample and makes a dictionary: about 0.2 s. Empty when the sample is too small. */
int train_dictionary(struct db *db, const struct body_codec *codec, struct arena *arena,
                     enum body_kind kind, uint64_t pieces_n, struct str *ret_dictionary,
                     struct err *reterr) MUST_CHECK;

#endif
