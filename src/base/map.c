#include "base/map.h"

void map_init(struct map *map, struct arena *arena) {
  *map = (struct map){.arena = arena, .key = hash_key_random()};
}

static uint32_t *slot_of(const struct map *map, struct str key, uint64_t hash) {
  size_t mask = map->slots_n - 1;
  for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
    uint32_t *slot = &map->slots[i];
    if (*slot == 0)
      return slot;
    const struct map_entry *entry = &map->entries[*slot - 1];
    if (entry->hash == hash && str_equal(entry->key, key))
      return slot;
  }
}

void *map_get(const struct map *map, struct str key) {
  if (map->n == 0)
    return NULL;
  const uint32_t *slot = slot_of(map, key, hash_siphash(map->key, key));
  return *slot ? map->entries[*slot - 1].value : NULL;
}

static int grow(struct map *map) {
  size_t capacity = map->capacity ? map->capacity * 2 : 8;
  if (capacity > UINT32_MAX / 4)
    return -1;
  struct map_entry *entries = arena_grow(map->arena, map->entries, map->capacity * sizeof *entries,
                                         capacity * sizeof *entries);
  uint32_t *slots = ARENA_ARRAY(map->arena, uint32_t, capacity * 2);
  if (!entries || !slots)
    return -1;
  map->entries = entries;
  map->capacity = capacity;
  map->slots = slots;
  map->slots_n = capacity * 2;
  for (size_t i = 0; i < map->n; i++)
    *slot_of(map, entries[i].key, entries[i].hash) = (uint32_t)i + 1;
  return 0;
}

int map_set(struct map *map, struct str key, void *value) {
  if (map->n == map->capacity && grow(map) < 0)
    return -1;
  uint64_t hash = hash_siphash(map->key, key);
  uint32_t *slot = slot_of(map, key, hash);
  if (*slot == 0) {
    map->entries[map->n] = (struct map_entry){key, hash, value};
    *slot = (uint32_t)++map->n;
  } else {
    map->entries[*slot - 1].value = value;
  }
  return 0;
}
