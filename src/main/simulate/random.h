/*
 * Repeatable chance: the same seed gives the same hospital on every machine.
 *
 * Spec: SplitMix64 (Steele, Lea and Flood, 2014); only integers and sums, no library's
 * distributions. Threads: one owner. Memory: the caller's.
 */
#ifndef MAIN_SIMULATE_RANDOM_H
#define MAIN_SIMULATE_RANDOM_H

#include "base/base.h"

struct chance {
  uint64_t state;
};

uint64_t chance_next(struct chance *chance);

/* 0 to n - 1; 0 for n = 0. */
unsigned chance_below(struct chance *chance, unsigned n);

/* from to to, both included. */
int chance_between(struct chance *chance, int from, int to);

/* True in `percent` of 100. */
bool chance_percent(struct chance *chance, unsigned percent);

/* About normal, mean 0, deviation 1, never beyond 6. */
double chance_normal(struct chance *chance);

/* One number for a pair, the same each time: what belongs to a person for good. */
uint64_t chance_of(uint64_t a, uint64_t b);

#define CHANCE_PICK(chance, array)                                                                 \
  (&(array)[chance_below((chance), sizeof(array) / sizeof *(array))])

#endif
