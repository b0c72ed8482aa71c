/*
 * The statements of schema.h as a script, for who makes the tables by hand: a role that owns them,
 * while the program runs under one that may only read and write rows (docs/moving.md).
 *
 * Threads: pure. Memory: the caller's buffer.
 */
#ifndef STORE_SCHEMA_TEXT_H
#define STORE_SCHEMA_TEXT_H

#include "store/schema/schema.h"

/* Appends the script for an empty schema (psql) or an empty file (sqlite3): one transaction, all
 * tables, and the facts that a new store has. The types and parameters are added by the program
 * when it opens the store first. */
void schema_text_add(struct buf *buf, enum db_kind kind);

#endif
