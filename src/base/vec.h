/*
 * A growing array on an arena. Declare `VEC(struct thing) things = {0};` as a local or a member,
 * then `VEC_PUSH(arena, &things)` gives the address of a new zeroed item, or NULL without memory.
 * Items may move when the array grows: keep indices, not addresses.
 */
#ifndef BASE_VEC_H
#define BASE_VEC_H

#include "base/arena.h"

#define VEC(type)                                                                                  \
  struct {                                                                                         \
    type *p;                                                                                       \
    size_t n, capacity;                                                                            \
  }

#define VEC_PUSH(arena, vec)                                                                       \
  ((__typeof__((vec)->p))vec_push(                                                                 \
      (arena), (void **)&(vec)->p, &(vec)->n, &(vec)->capacity,                                    \
      sizeof *(vec)->p)) /* NOLINT(bugprone-sizeof-expression): items may be addresses */

void *vec_push(struct arena *arena, void **p, size_t *n, size_t *capacity, size_t item_bytes);

#endif
