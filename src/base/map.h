/*
 * A hash table from bytes to an address, on an arena. Open addressing; keys are borrowed (keep them
 * alive as long as the table); keyed with SipHash, so that strangers can't make keys collide.
 * Threads: one writer; readers share it once it is no longer written. Iteration is in order of
 * insertion.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/arena.h"
#include "base/hash.h"

struct map_entry {
  struct str key;
  uint64_t hash;
  void *value;
};

struct map {
  struct arena *arena;
  struct hash_key key;
  struct map_entry *entries; /* in order of insertion */
  size_t n, capacity;
  uint32_t *slots; /* index into entries + 1; 0 is free */
  size_t slots_n;
};

void map_init(struct map *map, struct arena *arena);

/* The value of `key`, or NULL. */
void *map_get(const struct map *map, struct str key);

/* Sets or replaces; -1 (and nothing changed) without memory. */
int map_set(struct map *map, struct str key, void *value) __attribute__((warn_unused_result));

#endif
