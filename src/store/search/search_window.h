/*
 * Candidates that were collected and sorted, for a page only: the other conditions that stand in
 * one range of an index each are looked up window by window, between the numbers of the first and
 * the last candidate of the window, so that no more of their rows are read than the page needs.
 * Private to the planner.
 *
 * Threads: within one running search. Memory: on its arena.
 */
#ifndef STORE_SEARCH_WINDOW_H
#define STORE_SEARCH_WINDOW_H

#include "store/search/search_collect.h"
#include "store/search/search_probe.h"

struct search_window {
  struct search_probes probes; /* those that are looked up; what is too common is dropped */
  size_t size;                 /* candidates of the next window */
  struct search_rids kept, rows;
  size_t at; /* in `kept` */
};

/* Takes what can be looked up out of `probes`, so that it stays to be tested. */
void search_window_init(struct search_context *c, struct search_probes *probes,
                        struct search_window *ret_window);

/* The next candidate of `rids` from `*at` on; 0 at the end. */
int search_window_next(struct search_context *c, struct search_window *window,
                       const struct search_rids *rids, size_t *at, uint64_t *ret_rid,
                       struct err *reterr) MUST_CHECK;

#endif
