/*
 * The nearest known name for one that is not known, for errors that help: "did you mean
 * 'birthdate'?". Threads: pure. Memory: none.
 */
#ifndef BASE_NEAREST_H
#define BASE_NEAREST_H

#include "base/str.h"

struct nearest {
  struct str wanted, name; /* name: empty until something near was seen */
  size_t distance_;
};

/* Names that are farther from `wanted` than half of its length are another word, and never given.
 */
struct nearest nearest_to(struct str wanted);
void nearest_consider(struct nearest *nearest, struct str candidate);

#endif
