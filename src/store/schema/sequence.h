/*
 * The row of the table `sequence`: the last numbers given, and so the state of the world that every
 * process of a store agrees on. A write transaction reads it first and writes it back when it has
 * given numbers. Because write transactions exclude each other, numbers have no gap, and become
 * visible in their order.
 *
 * Threads: the one that has the connection. Memory: plain data.
 */
#ifndef STORE_SEQUENCE_H
#define STORE_SEQUENCE_H

#include "store/db/db.h"

struct sequence {
  int64_t time_us;                 /* of the last commit: the next one's is later */
  uint64_t rid, seq, message;      /* the last one given */
  uint64_t versions;               /* how many there are */
  uint64_t event, audit, delivery; /* the last one given */
  uint64_t job;                    /* the last one given; never given again */
  /* Grow when what every process keeps in memory has changed: the search parameters that
   * SearchParameter resources define, the compression dictionaries. */
  uint64_t definitions, dictionaries;
};

/* Inside a transaction. ERR_STORE where a newer program has changed the tables since this process
 * opened the store: it must not go on. */
int sequence_read(struct db *db, struct sequence *ret_sequence, struct err *reterr) MUST_CHECK;

/* The same in two steps, so that other questions can share the round trip: the statement is on its
 * way when the first returns, and is released by the second. */
int sequence_ask(struct db *db, struct db_statement **ret_row, struct err *reterr) MUST_CHECK;
int sequence_take(struct db_statement *row, struct sequence *ret_sequence,
                  struct err *reterr) MUST_CHECK;

/* Inside the write transaction in which it was read. */
int sequence_write(struct db *db, const struct sequence *sequence, struct err *reterr) MUST_CHECK;

#endif
