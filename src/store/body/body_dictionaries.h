/*
 * The compression dictionaries of a store, in memory: the table `dictionary`, which only grows.
 * Private to body.c.
 *
 * Another process may add one at any time and pack with it. Who meets its number reads it then and
 * there, so that no reader ever fails for being late.
 *
 * Threads: any; finding one that is known takes no lock. Memory: they live until the close.
 */
#ifndef STORE_BODY_DICTIONARIES_H
#define STORE_BODY_DICTIONARIES_H

#include <zstd.h>

#include "store/body/body.h"

#define BODY_DICTIONARIES_MAX 200
/* Level 1 to 3 differ by 2 % in size on small bodies and by half in time. */
#define BODY_LEVEL 1

struct body_dictionaries;

/* As body_codec_open. */
int body_dictionaries_open(struct db *db, const char *path,
                           struct body_dictionaries **ret_dictionaries,
                           struct err *reterr) MUST_CHECK;
void body_dictionaries_close(struct body_dictionaries *dictionaries); /* NULL is allowed */

/* What is there and not yet known. In or outside a transaction. */
int body_dictionaries_refresh(struct body_dictionaries *dictionaries, struct db *db,
                              struct err *reterr) MUST_CHECK;

/* As body_codec_add. */
int body_dictionaries_add(struct body_dictionaries *dictionaries, struct db *db,
                          enum body_kind kind, uint64_t trained_at, struct str bytes,
                          struct err *reterr) MUST_CHECK;

uint64_t body_dictionaries_trained_at(const struct body_dictionaries *dictionaries,
                                      enum body_kind kind);
uint64_t body_dictionaries_highest(const struct body_dictionaries *dictionaries);

/* The one to pack with, and its number; NULL and 0: none. */
const ZSTD_CDict *body_dictionary_of_kind(const struct body_dictionaries *dictionaries,
                                          enum body_kind kind, int *ret_number);

/* The one of this number; when it is not known, the store is asked. ERR_STORE: there is none. */
int body_dictionary_find(struct body_dictionaries *dictionaries, int number,
                         const ZSTD_DDict **ret_dictionary, struct err *reterr) MUST_CHECK;

#endif
