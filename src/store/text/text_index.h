/*
 * The index for _text and _content: for each word the resources that have, or had, it. It is built
 * behind the commits, from the event log, so that a commit does nothing for it; answers are exact
 * all the same, because the index only gives candidates:
 *
 *   - those that the words lead to, of what was indexed (events up to a watermark),
 *   - all that changed since,
 *   - all that could not be indexed (word ""),
 *
 * and the body decides on each (search_match.c). Rows are never taken out when a word goes: a
 * candidate too many costs a look at its body.
 *
 *   text(word, type, first, rids)   rids: varints (as in keys.h), each the distance from the one
 *       before, the first from `first`; rising. At most TEXT_BLOCK_MAX_BYTES, then the next row of
 *       the word begins.
 *   store('text_watermark')         the last event that is in it (fact.h); 0: none
 *
 * Threads: text_index_step on the background thread; reading within one view. Memory: on the
 * caller's arena.
 */
#ifndef STORE_TEXT_INDEX_H
#define STORE_TEXT_INDEX_H

#include "model/text_query.h"
#include "store/store_internal.h"

/* Longer rows would need pages of their own. */
#define TEXT_BLOCK_MAX_BYTES 900

/* ---- Building ---- */

struct text_index {
  bool is_known; /* the watermark was read */
  uint64_t watermark, seen_event;
  unsigned events_max; /* of the next step; 0: as many as usual */
  uint64_t epoch;      /* of the store, when nothing was left to do */
};

/* Indexes a few of the resources that changed, if it is time to: at once when commits pause, seldom
 * while they are many. `*ret_wait_ms`: until it should be called again; negative: nothing to do. */
int text_index_step(struct text_index *index, struct store *store, long *ret_wait_ms,
                    struct err *reterr) MUST_CHECK;

/* ---- Reading ---- */

/* What may match. */
struct text_candidates {
  bool is_all;          /* no index helps: every resource is to be looked at */
  const uint64_t *rids; /* else these, ascending, each once */
  size_t n;
};

/* Of resources of `type` (0: any). ERR_BUSY while too much that changed is not in the index yet. */
int text_candidates(struct db *db, const struct schema *schema, struct arena *arena,
                    const struct text_query *query, defs_type_id type,
                    struct text_candidates *ret_candidates, struct err *reterr) MUST_CHECK;

#endif
