/*
 * Facts of a store: values by name, the table `store`. There are few, and each has one meaning:
 *
 *   key             16 bytes, of all hashes; given once and never again
 *   index_form      the form of the rows in the search tables (SCHEMA_INDEX_FORM); not there: they
 *                   are to be made again
 *   shards          the store is distributed (shard.h); written once, by schema_citus.h
 *   text_watermark  decimal: up to which event the index of words goes (text_index.h)
 *   copy            an unfinished copy: how far it has come (transfer.c)
 *   backup          a backup: its manifest (backup.h)
 *
 * All functions: inside a transaction of the caller or outside; errors as db.h. Threads: the one
 * that has the connection. Memory: as each tells.
 */
#ifndef STORE_FACT_H
#define STORE_FACT_H

#include "store/db/db.h"

#define FACT_KEY "key"
#define FACT_INDEX_FORM "index_form"
#define FACT_SHARDS "shards"
#define FACT_TEXT_WATERMARK "text_watermark"
#define FACT_COPY "copy"
#define FACT_BACKUP "backup"

/* Its value, on `arena`; `.p` NULL: it is not there. */
int fact_read(struct db *db, struct arena *arena, const char *name, struct str *ret_value,
              struct err *reterr) MUST_CHECK;
/* A decimal number; 0 where it is not there; ERR_STORE where it is none. */
int fact_read_number(struct db *db, const char *name, uint64_t *ret_number,
                     struct err *reterr) MUST_CHECK;

int fact_has(struct db *db, const char *name, bool *ret_has, struct err *reterr) MUST_CHECK;
int fact_is(struct db *db, const char *name, struct str value, bool *ret_is,
            struct err *reterr) MUST_CHECK;

/* Writes it, whether or not it is there. In a write transaction. */
int fact_set(struct db *db, const char *name, struct str value, struct err *reterr) MUST_CHECK;
/* The same for what is no text: SQLite keeps apart what it compares. */
int fact_set_bytes(struct db *db, const char *name, struct str value,
                   struct err *reterr) MUST_CHECK;
int fact_set_number(struct db *db, const char *name, uint64_t number,
                    struct err *reterr) MUST_CHECK;

/* Nothing happens where it is not there. In a write transaction. */
int fact_remove(struct db *db, const char *name, struct err *reterr) MUST_CHECK;

#endif
