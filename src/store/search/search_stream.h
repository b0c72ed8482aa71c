/*
 * Rids of several spans in one order, each once: spans that are in order by themselves, read a few
 * rows at a time and merged. So the first rows of ten thousand spans cost one look at each, and no
 * statement stays open. Private to the planner.
 *
 * Threads: within one running search. Memory: on its arena, 100 bytes and the rows at hand a span.
 */
#ifndef STORE_SEARCH_STREAM_H
#define STORE_SEARCH_STREAM_H

#include "store/search/search_probe.h"

enum { SEARCH_STREAMS_MAX = 20000 };

struct search_streams;

/* Where to begin. */
struct search_begin {
  uint64_t after; /* behind this rid */
  bool reads_all; /* to the end, not only for a page */
  size_t rows_n;  /* the first so many will be fetched: a stream that is alone brings their rows */
  bool needs_body;
};

/* All spans are ordered. ERR_STORE, ERR_NO_MEMORY. */
int search_streams_open(struct search_context *c, const struct search_spans *spans,
                        const struct search_probes *probes, struct search_begin begin,
                        struct search_streams **ret_streams, struct err *reterr) MUST_CHECK;

/* Every live resource of the types, by going through `resource`. */
int search_streams_open_types(struct search_context *c, struct search_types types,
                              const struct search_probes *probes, struct search_begin begin,
                              struct search_streams **ret_streams, struct err *reterr) MUST_CHECK;

/* How many there are. */
size_t search_streams_count(const struct search_streams *streams);

/* `*ret_rid` is 0 at the end. ERR_TOO_COSTLY, ERR_STORE. */
int search_streams_next(struct search_streams *streams, uint64_t *ret_rid,
                        struct err *reterr) MUST_CHECK;

#endif
