/*
 * The tables of a store as rows of plain values: read in the order of their key, page by page,
 * written as they are, and summed up so that two stores can be compared whatever engine holds them.
 * What a copy and a backup are made of (transfer.h, backup.h).
 *
 * A page is bounded by rows and by bytes, so that neither many rows nor long ones fill the memory;
 * a single row may be longer than the bound (a body has at most BODY_MAX_BYTES).
 *
 * Threads: the one that has the connection. Memory: pages on the caller's arena.
 */
#ifndef STORE_TRANSFER_TABLE_H
#define STORE_TRANSFER_TABLE_H

#include "base/hash.h"
#include "store/db/db.h"

enum { TRANSFER_COLUMNS_MAX = 16, TRANSFER_KEY_MAX = 6 };

struct transfer_column {
  const char *name;
  enum db_type type;
  bool is_of_process; /* says which process is at it: 0 in a copy */
};

struct transfer_table {
  const char *name;
  size_t key_n; /* so many of the first columns are the primary key */
  bool is_wide; /* has bytes of any length: bodies, messages */
  bool is_new;  /* has rows in a store that was only just made */
  struct transfer_column columns[TRANSFER_COLUMNS_MAX]; /* up to the first without a name */
};

/* All tables that are carried over, in the order in which that is done. */
const struct transfer_table *transfer_tables(size_t *ret_n);
/* Those that are not: they say which processes are at work. NULL ends the list. */
extern const char *const transfer_left_out[];

size_t transfer_columns_n(const struct transfer_table *table);

union transfer_cell {
  int64_t i64;
  double number;
  struct str str; /* p NULL: null */
};

struct transfer_page {
  const struct transfer_table *table;
  size_t columns_n, rows_n;
  union transfer_cell *cells; /* row after row */
  uint64_t bytes;             /* of the values */
  bool is_last;
};

/* The first cells of `page`'s last row: the key after which the next page begins. */
const union transfer_cell *transfer_page_end(const struct transfer_page *page);

/* The rows behind the key `after` (NULL: from the beginning). In a read transaction. ERR_STORE
 * where a value is missing that no row lacks. */
int transfer_page_read(struct db *db, struct arena *arena, const struct transfer_table *table,
                       const union transfer_cell *after, struct transfer_page *ret_page,
                       struct err *reterr) MUST_CHECK;

/* In a write transaction. */
int transfer_page_write(struct db *db, const struct transfer_page *page,
                        struct err *reterr) MUST_CHECK;

/* ---- Keys as text ---- */

/* A key in hexadecimal digits; empty for NULL. */
int transfer_key_write(struct buf *buf, const struct transfer_table *table,
                       const union transfer_cell *key, struct err *reterr) MUST_CHECK;
/* ERR_STORE for what was not written by it. `ret_key` has TRANSFER_KEY_MAX places. */
int transfer_key_read(struct arena *arena, const struct transfer_table *table, struct str text,
                      union transfer_cell *ret_key, struct err *reterr) MUST_CHECK;

/* ---- Sums ---- */

/*
 * A sum over the rows of a table: each row's values in one form, whatever the engine (little-endian
 * numbers, -0 as 0, bytes with their length), its SHA-256 as four numbers of 64 bits, added up. It
 * does not depend on the order of the rows, and rows that were summed apart can be added.
 */
struct transfer_sum {
  uint64_t rows, parts[4];
};
int transfer_sum_page(struct transfer_sum *sum, const struct transfer_page *page,
                      struct err *reterr) MUST_CHECK;
bool transfer_sum_equal(const struct transfer_sum *a, const struct transfer_sum *b);

/* As it is shown and kept in manifests: 32 hexadecimal digits of the SHA-256 of all of it. */
#define TRANSFER_CHECKSUM_BYTES 33
void transfer_checksum(const struct transfer_sum *sum, char ret_text[TRANSFER_CHECKSUM_BYTES]);
/* The same of any text. */
void transfer_checksum_of(struct str text, char ret_text[TRANSFER_CHECKSUM_BYTES]);

#endif
