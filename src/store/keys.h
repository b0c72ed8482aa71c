/*
 * The keys of one resource: its rows in the search tables (schema.h), as values and packed into the
 * column `resource.keys`. From it an update knows which rows to take out, _sort reads a resource's
 * value and _include its targets, by rid, without the body.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef STORE_KEYS_H
#define STORE_KEYS_H

#include "model/search_values.h"
#include "store/schema.h"

enum keys_table {
  KEYS_TOKEN = 1,
  KEYS_STRING,
  KEYS_DATE,
  KEYS_NUMBER,
  KEYS_QUANTITY,
  KEYS_URI,
  KEYS_REFERENCE,
  KEYS_TABLES = KEYS_REFERENCE + 1
};

/* One row; the columns of its table that are not named here are 0. */
struct key {
  uint8_t table;
  uint8_t class;  /* date */
  uint16_t param; /* the number of schema.h */
  int32_t exact;  /* string */
  int64_t first;
  union {
    int64_t hash;   /* token, uri; quantity: unit */
    int64_t target; /* reference */
    int64_t lo;     /* date */
  };
  union {
    int64_t hi; /* date */
    struct {
      double from, to;
    } number;          /* number, quantity */
    struct str folded; /* string */
  };
};

struct keys {
  const struct key *p; /* in the order of keys_compare; no two alike */
  size_t n;
};

int keys_compare(const struct key *a, const struct key *b);

/* ERR_STORE for bytes that are not packed keys. Texts borrow from `packed`. */
int keys_unpack(struct arena *arena, struct str packed, struct keys *ret_keys,
                struct err *reterr) MUST_CHECK;

#endif
