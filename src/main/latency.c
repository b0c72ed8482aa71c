#include "main/latency.h"

/* Values below 32 have a bucket each; above, the five bits after the highest one choose. */
static size_t bucket_of(uint64_t us) {
  if (us < 32)
    return (size_t)us;
  unsigned shift = 58 - (unsigned)__builtin_clzll(us);
  size_t bucket = (size_t)shift * 32 + (size_t)(us >> shift);
  return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The highest value in a bucket. */
static uint64_t top_of(size_t bucket) {
  if (bucket < 64)
    return bucket;
  unsigned shift = (unsigned)(bucket / 32 - 1);
  return ((uint64_t)(bucket - (size_t)shift * 32 + 1) << shift) - 1;
}

void latency_add(struct latency *latency, int64_t us) {
  latency->counts[bucket_of(us < 0 ? 0 : (uint64_t)us)]++;
  latency->n++;
  if (us > latency->max_us)
    latency->max_us = us;
}

void latency_merge(struct latency *into, const struct latency *from) {
  for (size_t i = 0; i < LATENCY_BUCKETS; i++)
    into->counts[i] += from->counts[i];
  into->n += from->n;
  if (from->max_us > into->max_us)
    into->max_us = from->max_us;
}

double latency_percentile_ms(const struct latency *latency, double share) {
  uint64_t seen = 0;
  for (size_t i = 0; i < LATENCY_BUCKETS; i++) {
    seen += latency->counts[i];
    if (latency->counts[i] && (double)seen >= share * (double)latency->n) {
      uint64_t top = top_of(i), max = (uint64_t)latency->max_us;
      return (double)(top < max ? top : max) / 1000.0;
    }
  }
  return 0;
}
