/*
 * PostgreSQL's binary forms of values. Pure.
 * Spec: the send and receive functions of PostgreSQL 15 (src/backend/utils/adt), which are stable.
 *
 *   bool 1 byte; int2, int4, int8, oid, timestamp: network order; float4, float8: IEEE 754 in
 *   network order; bytea, text: the bytes.
 *   numeric: int16 digits, int16 weight, uint16 sign, int16 scale, then digits of base 10,000.
 *   array: int32 dimensions (1), int32 has nulls, int32 type, int32 n, int32 first index (1), then
 *   for each element int32 length (-1: null) and its bytes.
 *
 * Threads: any. Memory: borrowed.
 */
#ifndef STORE_DB_POSTGRES_VALUE_H
#define STORE_DB_POSTGRES_VALUE_H

#include "store/db/db.h"

enum pg_oid {
  PG_BOOL = 16,
  PG_BYTEA = 17,
  PG_INT8 = 20,
  PG_INT2 = 21,
  PG_INT4 = 23,
  PG_TEXT = 25,
  PG_OID = 26,
  PG_FLOAT4 = 700,
  PG_FLOAT8 = 701,
  PG_BYTEA_ARRAY = 1001,
  PG_INT8_ARRAY = 1016,
  PG_FLOAT8_ARRAY = 1022,
  PG_TIMESTAMPTZ = 1184,
  PG_NUMERIC = 1700,
};

/* As a number; of a text or bytes the number that they begin with, as SQLite does. Fractions are
 * cut, what is too large becomes the largest. */
int64_t pg_value_i64(uint32_t type, struct str bytes);
double pg_value_double(uint32_t type, struct str bytes);
bool pg_value_is_bytes(uint32_t type);

/* Into 8 bytes. */
uint64_t pg_value_of_i64(int64_t value);
uint64_t pg_value_of_double(double value);

/* Rows [first, first + n) of one column as an array. False: too long, or no memory. */
bool pg_value_array(struct buf *out, const struct db_column *column, size_t first, size_t n);
uint32_t pg_value_array_type(enum db_type type);
/* About the bytes that a row of the column needs. */
size_t pg_value_array_bytes(const struct db_column *column, size_t row);

#endif
