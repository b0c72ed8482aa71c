/*
 * The statements that make the tables, one set per engine; what they mean is in schema.h. Private
 * to schema*.c. Threads: immutable. Memory: static.
 */
#ifndef STORE_SCHEMA_TABLES_H
#define STORE_SCHEMA_TABLES_H

#include "store/schema/schema.h"

/* A list of statements for db_run, each one or more; NULL ends it. */
struct schema_tables {
  uint32_t made_version;   /* of the tables that `make` makes */
  const char *const *make; /* in an empty file or schema */
  /* By the version that they lead on from, less 1. NULL where this engine never had it. */
  const char *const *upgrades[SCHEMA_VERSION - 1];
};

extern const struct schema_tables schema_tables_sqlite, schema_tables_postgres;

#endif
