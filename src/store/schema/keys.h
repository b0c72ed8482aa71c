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
#include "store/schema/schema.h"

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

/* One row; members that its table has no column for are 0. Wide members, so that an array of keys
 * can be bound column by column; one cache line. */
struct key {
  int64_t table; /* enum keys_table */
  int64_t param; /* the number of schema.h */
  int64_t first;
  union {
    int64_t hash;   /* token, uri; quantity: its unit */
    int64_t target; /* reference */
    int64_t lo;     /* date */
  };
  union {
    struct {
      int64_t hi, class;
    } date;
    struct {
      double from, to;
    } number;          /* number, quantity; the unit is `hash` */
    struct str folded; /* string */
  };
  int64_t exact; /* string */
  int64_t rid;   /* 0 in the keys of one resource */
};

/* The parameter number of the rows in `token` that say of which types a resource contains others,
 * for _contained: their hash is the type's number. No search parameter has it. */
enum { KEYS_CONTAINED_PARAM = 0 };

struct keys {
  const struct key *p; /* in the order of keys_compare; no two alike */
  size_t n;
};

/* The order of the table's primary key, tables one after the other. */
int keys_compare(const struct key *a, const struct key *b);

/* ---- From values ---- */

/* A text that a query finds a hash by (table `vocabulary`). */
struct keys_word {
  int64_t param;
  int64_t hash;
  struct str text;
};

/*
 * The keys of a resource with these search values. Keys that point to a local resource are not in
 * `ret_made->keys` but in `links`, as their target's rid is not known yet: `keys_complete` joins
 * both.
 */
struct keys_link {
  int64_t param;
  size_t target;
};
struct keys_made {
  struct keys keys;
  VEC(struct keys_link) links;
  VEC(struct keys_word) words;
};

/* Called for each local reference; gives a number for the target, SIZE_MAX without memory. */
typedef size_t keys_target_number(void *what, defs_type_id type, struct str id);

int keys_make(struct arena *arena, const struct schema *schema, struct search_values values,
              keys_target_number *target_number, void *what, struct keys_made *ret_made,
              struct err *reterr) MUST_CHECK;

/* All keys, sorted; `rids`: by number of target. */
int keys_complete(struct arena *arena, const struct keys_made *made, const uint64_t *rids,
                  struct keys *ret_keys, struct err *reterr) MUST_CHECK;

/* ---- Packed ---- */

int keys_pack(struct arena *arena, struct keys keys, struct str *ret_packed,
              struct err *reterr) MUST_CHECK;

/* ERR_STORE for bytes that are not packed keys. Texts borrow from `packed`. */
int keys_unpack(struct arena *arena, struct str packed, struct keys *ret_keys,
                struct err *reterr) MUST_CHECK;

#endif
