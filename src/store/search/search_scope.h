/*
 * The scope of a search in a distributed store: the shards that everything it may find is on. Who
 * asks for what refers to one patient (or to an encounter, ...), or may see only one patient's
 * resources, asks that patient's shard and its strays (shard.h); any other search asks all. In a
 * store that is not distributed there is never a scope. Private to the search.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_SCOPE_H
#define STORE_SEARCH_SCOPE_H

#include "store/search/search_condition.h"

enum { SEARCH_SCOPE_MAX = 8 }; /* shards; where there are more, all are asked */
struct search_scope {
  int64_t shards[SEARCH_SCOPE_MAX]; /* each once */
  size_t n;
};

/* Finds the scope of a search whose conditions are all to hold, and puts it into each of them that
 * is about the resources searched for. Where the scope's own condition leaves few of these, what
 * would make the planner ask all shards is only tested. */
int search_scope_set(struct search_context *c, struct search_condition *conditions, size_t n,
                     struct err *reterr) MUST_CHECK;

/* Appends " AND ..." on the rows of a table with a `rid`; nothing where `scope` is NULL. */
void search_scope_add(struct db_query *query, const struct search_context *c,
                      const struct search_scope *scope);

#endif
