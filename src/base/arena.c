#include "base/arena.h"

#include <stdarg.h>
#include <stdlib.h>

#define FIRST_BLOCK_BYTES ((size_t)16 * 1024)
#define LARGEST_BLOCK_BYTES ((size_t)1024 * 1024)
/* A reset keeps so much for the next use: asking the system for the same pages again and again
 * costs more than the work that is done in them. */
#define SPARE_BYTES_MAX ((size_t)2 * 1024 * 1024)
/* Where a budget has nothing left, an answer that says so is made of these. */
#define RESERVE_BLOCK_BYTES ((size_t)16 * 1024)

struct block {
  struct block *next;
  size_t size, used, charged; /* charged: to the arena's budget */
  _Alignas(16) char bytes[];
};

struct cleanup {
  struct cleanup *next;
  void (*run)(void *);
  void *what;
};

struct arena {
  struct block *head;
  struct block *spare; /* kept by a reset; the smallest first */
  struct cleanup *cleanups;
  size_t max_bytes, used_bytes;
  char *last;
  struct arena_budget *budget;
  unsigned reserve_n; /* blocks beyond the budget */
  bool exhausted;
};

/* ---- The budget ---- */

bool arena_budget_take(struct arena_budget *budget, size_t bytes) {
  if (!budget || bytes == 0)
    return true;
  size_t used = atomic_load(&budget->used_bytes);
  do {
    if (used > budget->max_bytes || bytes > budget->max_bytes - used)
      return false;
  } while (!atomic_compare_exchange_weak(&budget->used_bytes, &used, used + bytes));
  return true;
}

void arena_budget_give(struct arena_budget *budget, size_t bytes) {
  if (budget && bytes)
    atomic_fetch_sub(&budget->used_bytes, bytes);
}

struct arena_budget *arena_budget(const struct arena *arena) {
  return arena->budget;
}

/* ---- Blocks ---- */

static struct block *block_new(size_t size, struct block *next) {
  struct block *block = malloc(sizeof *block + size);
  if (block) {
    block->next = next;
    block->size = size;
    block->used = block->charged = 0;
  }
  return block;
}

static void block_free(struct block *block, struct arena_budget *budget) {
  arena_budget_give(budget, block->charged);
  free(block);
}

/* A block of `size` bytes, or in need a smaller one that has `least`. */
static struct block *charged_block(struct arena *arena, size_t size, size_t least) {
  if (!arena->budget)
    return block_new(size, arena->head);
  if (arena_budget_take(arena->budget, size)) {
    struct block *block = block_new(size, arena->head);
    if (block)
      block->charged = size;
    else
      arena_budget_give(arena->budget, size);
    return block;
  }
  if (least > RESERVE_BLOCK_BYTES || arena->reserve_n == ARENA_RESERVE_BLOCKS)
    return NULL;
  arena->reserve_n++;
  return block_new(RESERVE_BLOCK_BYTES, arena->head);
}

struct arena *arena_new_within(struct arena_budget *budget, size_t max_bytes) {
  struct block *block = block_new(FIRST_BLOCK_BYTES, NULL);
  if (!block)
    return NULL;
  /* The arena itself lives at the start of its first block. */
  struct arena *arena = (struct arena *)(void *)block->bytes;
  block->used = (sizeof *arena + 15) & ~(size_t)15;
  *arena = (struct arena){.head = block, .max_bytes = max_bytes, .budget = budget};
  return arena;
}

struct arena *arena_new(size_t max_bytes) {
  return arena_new_within(NULL, max_bytes);
}

static void run_cleanups(struct arena *arena) {
  while (arena->cleanups) {
    struct cleanup *cleanup = arena->cleanups;
    arena->cleanups = cleanup->next;
    cleanup->run(cleanup->what);
  }
}

static void free_blocks(struct block *block, struct arena_budget *budget) {
  while (block) {
    struct block *next = block->next;
    block_free(block, budget);
    block = next;
  }
}

/* The first block holds the arena itself and stands last. The others come latest, and so mostly
 * largest, first. */
static void spare_blocks_after_first(struct arena *arena) {
  size_t spare_bytes = 0;
  for (struct block *block = arena->spare; block; block = block->next)
    spare_bytes += block->size;
  while (arena->head->next) {
    struct block *block = arena->head;
    arena->head = block->next;
    if (block->size > SPARE_BYTES_MAX - spare_bytes) {
      block_free(block, arena->budget);
      continue;
    }
    spare_bytes += block->size;
    block->used = 0;
    block->next = arena->spare;
    arena->spare = block;
  }
}

/* A spare block of at least `size` bytes, or NULL. */
static struct block *take_spare(struct arena *arena, size_t size) {
  for (struct block **link = &arena->spare; *link; link = &(*link)->next)
    if ((*link)->size >= size) {
      struct block *block = *link;
      *link = block->next;
      return block;
    }
  return NULL;
}

static struct block *next_block(struct arena *arena, size_t bytes) {
  struct block *block = take_spare(arena, bytes);
  if (block) {
    block->next = arena->head;
    return block;
  }
  size_t size =
      arena->head->size * 2 < LARGEST_BLOCK_BYTES ? arena->head->size * 2 : LARGEST_BLOCK_BYTES;
  return charged_block(arena, bytes > size ? bytes : size, bytes);
}

void arena_free(struct arena *arena) {
  if (!arena)
    return;
  run_cleanups(arena);
  struct arena_budget *budget = arena->budget;
  free_blocks(arena->spare, budget);
  free_blocks(arena->head, budget); /* the arena itself with the last one */
}

void arena_reset(struct arena *arena) {
  run_cleanups(arena);
  spare_blocks_after_first(arena);
  arena->head->used = (sizeof *arena + 15) & ~(size_t)15;
  arena->used_bytes = 0;
  arena->reserve_n = 0;
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
    block = next_block(arena, rounded);
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
