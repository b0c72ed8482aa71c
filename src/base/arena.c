#include "base/arena.h"

#include <stdarg.h>
#include <stdlib.h>

#define FIRST_BLOCK_BYTES ((size_t)16 * 1024)
#define LARGEST_BLOCK_BYTES ((size_t)1024 * 1024)

struct block {
  struct block *next;
  size_t size, used;
  _Alignas(16) char bytes[];
};

struct cleanup {
  struct cleanup *next;
  void (*run)(void *);
  void *what;
};

struct arena {
  struct block *head;
  struct cleanup *cleanups;
  size_t max_bytes, used_bytes;
  char *last;
  bool exhausted;
};

static struct block *block_new(size_t size, struct block *next) {
  struct block *block = malloc(sizeof *block + size);
  if (block) {
    block->next = next;
    block->size = size;
    block->used = 0;
  }
  return block;
}

struct arena *arena_new(size_t max_bytes) {
  struct block *block = block_new(FIRST_BLOCK_BYTES, NULL);
  if (!block)
    return NULL;
  /* The arena itself lives at the start of its first block. */
  struct arena *arena = (struct arena *)(void *)block->bytes;
  block->used = (sizeof *arena + 15) & ~(size_t)15;
  *arena = (struct arena){.head = block, .max_bytes = max_bytes};
  return arena;
}

static void run_cleanups(struct arena *arena) {
  while (arena->cleanups) {
    struct cleanup *cleanup = arena->cleanups;
    arena->cleanups = cleanup->next;
    cleanup->run(cleanup->what);
  }
}

static void free_blocks_after_first(struct arena *arena) {
  while (arena->head->next) {
    struct block *next = arena->head->next;
    free(arena->head);
    arena->head = next;
  }
}

void arena_free(struct arena *arena) {
  if (!arena)
    return;
  run_cleanups(arena);
  free_blocks_after_first(arena);
  free(arena->head);
}

void arena_reset(struct arena *arena) {
  run_cleanups(arena);
  free_blocks_after_first(arena);
  arena->head->used = (sizeof *arena + 15) & ~(size_t)15;
  arena->used_bytes = 0;
  arena->last = NULL;
  arena->exhausted = false;
}

void *arena_alloc(struct arena *arena, size_t n) {
  size_t rounded;
  if (__builtin_add_overflow(n ? n : 1, (size_t)15, &rounded))
    goto exhausted;
  rounded &= ~(size_t)15;
  if (rounded > arena->max_bytes - arena->used_bytes)
    goto exhausted;
  struct block *block = arena->head;
  if (rounded > block->size - block->used) {
    size_t size = block->size * 2 < LARGEST_BLOCK_BYTES ? block->size * 2 : LARGEST_BLOCK_BYTES;
    block = block_new(rounded > size ? rounded : size, arena->head);
    if (!block)
      goto exhausted;
    arena->head = block;
  }
  char *p = block->bytes + block->used;
  block->used += rounded;
  arena->used_bytes += rounded;
  arena->last = p;
  return p;
exhausted:
  arena->exhausted = true;
  return NULL;
}

void *arena_calloc(struct arena *arena, size_t count, size_t size) {
  size_t n;
  if (__builtin_mul_overflow(count, size, &n)) {
    arena->exhausted = true;
    return NULL;
  }
  void *p = arena_alloc(arena, n);
  if (p)
    memset(p, 0, n);
  return p;
}

void *arena_grow(struct arena *arena, void *old, size_t old_n, size_t n) {
  if (old && n <= old_n)
    return old;
  struct block *block = arena->head;
  if (old && old == arena->last && n <= SIZE_MAX - 15) {
    size_t have = (old_n ? old_n + 15 : 16) & ~(size_t)15, want = (n + 15) & ~(size_t)15;
    if (want <= have)
      return old;
    if (want - have <= block->size - block->used &&
        want - have <= arena->max_bytes - arena->used_bytes) {
      block->used += want - have;
      arena->used_bytes += want - have;
      return old;
    }
  }
  void *p = arena_alloc(arena, n);
  if (p && old)
    memcpy(p, old, old_n);
  return p;
}

struct str arena_str(struct arena *arena, struct str s) {
  char *p = s.n == SIZE_MAX ? NULL : arena_alloc(arena, s.n + 1);
  if (!p)
    return STR_NULL;
  if (s.n)
    memcpy(p, s.p, s.n);
  p[s.n] = '\0';
  return str_n(p, s.n);
}

struct str arena_printf(struct arena *arena, const char *format, ...) {
  char small[256];
  va_list args, again;
  va_start(args, format);
  va_copy(again, args);
  int n = vsnprintf(small, sizeof small, format, args);
  va_end(args);
  struct str result = STR_NULL;
  if (n >= 0 && (size_t)n < sizeof small) {
    result = arena_str(arena, str_n(small, (size_t)n));
  } else if (n >= 0) {
    char *p = arena_alloc(arena, (size_t)n + 1);
    if (p) {
      vsnprintf(p, (size_t)n + 1, format, again);
      result = str_n(p, (size_t)n);
    }
  }
  va_end(again);
  return result;
}

bool arena_is_exhausted(const struct arena *arena) {
  return arena->exhausted;
}

size_t arena_used_bytes(const struct arena *arena) {
  return arena->used_bytes;
}

int arena_on_free(struct arena *arena, void (*run)(void *what), void *what) {
  struct cleanup *cleanup = arena_alloc(arena, sizeof *cleanup);
  if (!cleanup)
    return -1;
  *cleanup = (struct cleanup){arena->cleanups, run, what};
  arena->cleanups = cleanup;
  return 0;
}
