/*
 * Resources as a table for people: one row each, columns chosen by name or from the definitions.
 * Threads: one owner. Memory: what it keeps is on the given arena.
 */
#ifndef MAIN_QUERY_TABLE_H
#define MAIN_QUERY_TABLE_H

#include "format/json.h"
#include "model/definitions.h"

#include <stdio.h>

enum { QUERY_COLUMNS_MAX = 12 };

struct query_table {
  struct str columns[QUERY_COLUMNS_MAX]; /* "name", "subject.reference" */
  size_t columns_n;
  bool drops_empty; /* columns that the first page has nothing for */
};

/* Columns as named ("id,name,birthDate"), or with empty `names` those that tell most of `type`: its
 * id and its first summary elements. */
void query_table_init(struct query_table *table, struct str names, defs_type_id type);

/* Prints rows with aligned columns and a heading; `texts` are the resources' JSON. */
int query_table_print(struct query_table *table, struct arena *arena, const struct str *texts,
                      size_t n, bool with_heading, FILE *out, struct err *reterr) MUST_CHECK;

#endif
