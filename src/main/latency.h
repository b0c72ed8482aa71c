/*
 * Counts durations, and tells percentiles: for the summaries of `send` and `simulate`.
 *
 * Threads: one owner; merge when done. Memory: fixed. Error: a percentile is at most 3 % too high.
 */
#ifndef MAIN_LATENCY_H
#define MAIN_LATENCY_H

#include "base/base.h"

/* Each power of two is divided into 32 parts. */
#define LATENCY_BUCKETS (40 * 32)

struct latency {
  uint64_t counts[LATENCY_BUCKETS];
  uint64_t n;
  int64_t max_us;
};

void latency_add(struct latency *latency, int64_t us);
void latency_merge(struct latency *into, const struct latency *from);

/* The duration that `share` (0 to 1) of all stay below, in milliseconds; 0 when there are none. */
double latency_percentile_ms(const struct latency *latency, double share);

#endif
