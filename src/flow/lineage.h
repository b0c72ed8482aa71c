/*
 * The lineage of one resource version, as bytes in the store.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef FLOW_LINEAGE_H
#define FLOW_LINEAGE_H

#include "mapping/mapping.h"

struct lineage_entry {
  struct str element; /* "name[0].given[1]" */
  struct str segment; /* "PID"; empty for a constant of the map */
  struct er7_place source;
  struct str map_file; /* "PID.map" */
  uint32_t map_line;
};
struct lineage_entries {
  const struct lineage_entry *p;
  size_t n;
};

int lineage_encode(struct arena *arena, const struct maps *maps, const struct er7_message *message,
                   const struct mapping_lineage *entries, size_t n, struct str *ret_bytes,
                   struct err *reterr) MUST_CHECK;
/* ERR_STRUCTURE for bytes that are not lineage. */
int lineage_decode(struct arena *arena, struct str bytes, struct lineage_entries *ret_entries,
                   struct err *reterr) MUST_CHECK;

#endif
