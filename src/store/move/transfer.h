/*
 * Moving a store: all rows of all tables from one store to another, be it in a file or in
 * PostgreSQL, and comparing two stores. Numbers, the key of the hashes, dictionaries and packed
 * bodies are carried over as they are, so that both give the same answers.
 *
 * The source is read in one read transaction. A file is owned while it is copied; a store in
 * PostgreSQL must have no process at work, and after the copy it must not have changed.
 *
 * The target has no row, or is an unfinished copy of the same state of the same source: then the
 * copy goes on where it stopped. How far it has come is a row of its table `store`, written in the
 * transaction that writes the rows, so each row comes exactly once whenever the program ends. While
 * that row is there, no program serves from it (schema_open). It goes when both stores were read
 * again, and have the same rows.
 *
 * Threads: a call may use a second thread of its own; nothing is shared between calls. Memory:
 * results are the caller's plain data.
 */
#ifndef STORE_TRANSFER_H
#define STORE_TRANSFER_H

#include <signal.h>

#include "store/move/transfer_table.h"

enum { TRANSFER_TABLES_MAX = 32 };

struct transfer_progress {
  bool is_checking;     /* else copying */
  const char *table;    /* that is worked on */
  size_t table_n;       /* which one, from 1 */
  uint64_t rows, bytes; /* since the begin of the copy or of the check, both sides together */
};

struct transfer_options {
  const char *from, *to;                                                  /* files or URLs */
  void (*progress)(const struct transfer_progress *progress, void *what); /* NULL: nobody looks.
                                                                   Called by one thread at a time */
  void *what;
  const volatile sig_atomic_t *is_stopped; /* set by a signal: break off. NULL: nobody does */
};

/* One table of both stores; in the order of transfer_tables. */
struct transfer_row {
  const struct transfer_table *table;
  struct transfer_sum from, to;
};
struct transfer_report {
  struct transfer_row rows[TRANSFER_TABLES_MAX];
  size_t rows_n;
  bool is_equal;
  bool is_resumed;           /* an unfinished copy went on */
  uint64_t copied, bytes;    /* rows, and bytes of their values, that this call has carried over */
  int64_t copy_us, check_us; /* how long it took */
};

/*
 * Copies, compares, and makes the target a store that can be served. ERR_NOT_FOUND: no source.
 * ERR_CONFLICT: one of the two is in use, the target has content of its own, or the source has
 * changed since the unfinished copy was begun. ERR_PRECONDITION: the stores differ afterwards
 * (`ret_report` is filled; the target stays unfinished). Else as db_open.
 */
int transfer_copy(const struct transfer_options *options, struct transfer_report *ret_report,
                  struct err *reterr) MUST_CHECK;

/* Compares two stores, each in one read transaction; they may be in use. That they differ is no
 * error. */
int transfer_compare(const struct transfer_options *options, struct transfer_report *ret_report,
                     struct err *reterr) MUST_CHECK;

/* For backup.h: sums both stores up, each on a thread, and fills the rows of `report`. Both in a
 * read transaction. ERR_IO: broken off. */
int transfer_sum_both(struct db *from, struct db *to, const struct transfer_options *options,
                      struct transfer_report *report, struct err *reterr) MUST_CHECK;

/* For backup.h: the sums of all tables of one store, in a read transaction. `sums` has
 * TRANSFER_TABLES_MAX places. Where `on_page` says false, it ends with ERR_IO. */
typedef bool transfer_on_page(const struct transfer_page *page, size_t table, void *what);
int transfer_sum_all(struct db *db, struct transfer_sum *sums, transfer_on_page *on_page,
                     void *what, struct err *reterr) MUST_CHECK;

#endif
