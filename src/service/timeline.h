/*
 * The entries of a person's timeline: from resources of many types to one form.
 *
 * A table says for each type where its date, end, status and the rest are. Threads: pure.
 * Memory: on the arena; texts borrow from the resource.
 */
#ifndef SERVICE_TIMELINE_H
#define SERVICE_TIMELINE_H

#include "format/json.h"
#include "store/store.h"

struct timeline_entry {
  const char *kind; /* "result" */
  const struct store_resource *resource;
  const struct yyjson_val *json;
  struct str date, end; /* as the resource has them; may be empty */
  int64_t at_us;        /* of date, to sort by; INT64_MIN: none */
  struct str place;     /* of an encounter: the name of its location; who calls fills it in */
  struct str source;    /* "LAB|MAIN" */
  uint64_t message;     /* 0: none */
};

/* False: this type has no place in the timeline. */
bool timeline_read(const struct store_resource *resource, const struct yyjson_val *json,
                   struct timeline_entry *ret_entry);

/* The id of the Location of an encounter where it is now, or was last; empty: none. */
struct str timeline_location(const struct timeline_entry *entry);

void timeline_write(struct json_writer *w, struct arena *arena, const struct timeline_entry *entry);

/* For qsort: newest first, those without a date last. */
int timeline_compare(const void *a, const void *b);

#endif
