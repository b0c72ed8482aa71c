#include "store/search/search_estimates.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"

enum {
  PLACES = 4096, /* a power of two */
  VALUES_MAX = 16,
  LIFE_US = 10 * 1000 * 1000,
};

struct place {
  uint64_t key;
  uint64_t n, limit;
  int64_t kept_at_us;
};

struct search_estimates {
  struct hash_key key;
  pthread_mutex_t lock; /* of the places */
  struct place places[PLACES];
};

struct search_estimates *search_estimates_new(void) {
  struct search_estimates *estimates = calloc(1, sizeof *estimates);
  if (!estimates)
    return NULL;
  estimates->key = hash_key_random();
  pthread_mutex_init(&estimates->lock, NULL);
  return estimates;
}

void search_estimates_free(struct search_estimates *estimates) {
  if (!estimates)
    return;
  pthread_mutex_destroy(&estimates->lock);
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

/* One lock for all: it is held for some nanoseconds, a few times in a search. */
static struct place look_up(struct search_estimates *estimates, uint64_t key) {
  pthread_mutex_lock(&estimates->lock);
  struct place place = estimates->places[key % PLACES];
  pthread_mutex_unlock(&estimates->lock);
  return place;
}

bool search_estimates_find(struct search_estimates *estimates, uint64_t key, uint64_t limit,
                           uint64_t *ret_n) {
  if (key == 0)
    return false;
  struct place place = look_up(estimates, key);
  if (place.key != key || clock_monotonic_us() - place.kept_at_us > LIFE_US)
    return false;
  bool is_whole = place.n < place.limit;
  if (!is_whole && limit > place.limit)
    return false;
  *ret_n = place.n < limit ? place.n : limit;
  return true;
}

void search_estimates_keep(struct search_estimates *estimates, uint64_t key, uint64_t limit,
                           uint64_t n) {
  if (key == 0)
    return;
  struct place place = {.key = key, .n = n, .limit = limit, .kept_at_us = clock_monotonic_us()};
  pthread_mutex_lock(&estimates->lock);
  estimates->places[key % PLACES] = place;
  pthread_mutex_unlock(&estimates->lock);
}
