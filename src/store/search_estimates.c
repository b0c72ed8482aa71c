#include "store/search_estimates.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

enum {
  PLACES = 4096, /* a power of two */
  VALUES_MAX = 16,
  WORTH_KEEPING = 200, /* rows: what costs less is counted again */
  LIFE_US = 10 * 1000 * 1000,
};

struct place {
  uint64_t key;
  uint64_t n, limit;
  int64_t kept_at_us;
};

struct search_estimates {
  struct hash_key key;
  struct place places[PLACES];
};

struct search_estimates *search_estimates_new(void) {
  struct search_estimates *estimates = calloc(1, sizeof *estimates);
  if (estimates)
    estimates->key = hash_key_random();
  return estimates;
}

void search_estimates_free(struct search_estimates *estimates) {
  free(estimates);
}

uint64_t search_estimates_key(const struct search_estimates *estimates,
                              const struct db_query *query) {
  struct str parts[VALUES_MAX + 1];
  size_t n = query->values.n;
  if (!estimates || n > VALUES_MAX || query->is_broken)
    return 0;
  parts[0] = buf_str(&query->sql);
  for (size_t i = 0; i < n; i++) {
    const struct db_value *value = &query->values.p[i];
    bool is_number = value->type == DB_I64 || value->type == DB_DOUBLE;
    parts[i + 1] =
        is_number ? (struct str){(const char *)&value->i64, sizeof value->i64} : value->str;
  }
  return hash_siphash_parts(estimates->key, parts, n + 1);
}

bool search_estimates_find(const struct search_estimates *estimates, const struct db_query *query,
                           uint64_t limit, uint64_t *ret_n) {
  uint64_t key = search_estimates_key(estimates, query);
  if (key == 0)
    return false;
  const struct place *place = &estimates->places[key % PLACES];
  if (place->key != key || clock_monotonic_us() - place->kept_at_us > LIFE_US)
    return false;
  bool is_whole = place->n < place->limit;
  if (!is_whole && limit > place->limit)
    return false;
  *ret_n = place->n < limit ? place->n : limit;
  return true;
}

void search_estimates_keep(struct search_estimates *estimates, const struct db_query *query,
                           uint64_t limit, uint64_t n) {
  uint64_t key = n >= WORTH_KEEPING ? search_estimates_key(estimates, query) : 0;
  if (key != 0)
    estimates->places[key % PLACES] =
        (struct place){.key = key, .n = n, .limit = limit, .kept_at_us = clock_monotonic_us()};
}
