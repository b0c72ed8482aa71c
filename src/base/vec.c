#include "base/vec.h"

void *vec_push(struct arena *arena, void **p, size_t *n, size_t *capacity, size_t item_bytes) {
  if (*n == *capacity) {
    size_t more = *capacity ? *capacity * 2 : 8, old_bytes, new_bytes;
    if (__builtin_mul_overflow(*capacity, item_bytes, &old_bytes) ||
        __builtin_mul_overflow(more, item_bytes, &new_bytes))
      return NULL;
    void *grown = arena_grow(arena, *p, old_bytes, new_bytes);
    if (!grown)
      return NULL;
    *p = grown;
    *capacity = more;
  }
  void *item = (char *)*p + *n * item_bytes;
  memset(item, 0, item_bytes);
  (*n)++;
  return item;
}
