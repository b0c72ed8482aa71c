/*
 * The opaque text of `_cursor`: behind which row the next page begins. Private to the search.
 *
 * It names the last row by its sort keys and its rid, so that rows that come or go between two
 * pages make no other row appear twice or not at all. It is checked, and bound to the query (its
 * shape), but not secret: access is part of the query that it continues.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef STORE_SEARCH_CURSOR_H
#define STORE_SEARCH_CURSOR_H

#include "store/search/search_query.h"

/* Url-safe text; `.p` is NULL without memory. */
struct str search_cursor_write(struct arena *arena, const struct search_mark *mark, size_t keys_n,
                               uint64_t shape);

/* ERR_VALUE for what is no cursor of this shape. Texts of `*ret_mark` are on the arena. */
int search_cursor_read(struct arena *arena, struct str text, size_t keys_n, uint64_t shape,
                       struct search_mark *ret_mark, struct err *reterr) MUST_CHECK;

#endif
