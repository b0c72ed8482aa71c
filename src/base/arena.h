/*
 * An arena: memory of one request or one message, given back in one piece.
 *
 * Invariants: nothing taken from an arena is freed by hand; what is taken is aligned to 16 bytes;
 * the sum of what is taken never passes the arena's cap; clean-ups run last in, first out, before
 * the memory goes.
 *
 * Threads: an arena belongs to one thread at a time; hand over the whole arena, never a part.
 * Memory: `arena_new` owns its blocks.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdatomic.h>

#include "base/str.h"

struct arena;

/* A new arena that gives out at most `max_bytes` in all. NULL when there is no memory. */
struct arena *arena_new(size_t max_bytes);

/*
 * Memory that many arenas have together, so that their number times their caps need not fit into
 * the machine: what would pass it is refused as if the arena's own cap was reached. A few blocks of
 * each arena don't count (the first, and ARENA_RESERVE_BLOCKS small ones when nothing is left), so
 * that a refusal can still be answered. The owner outlives its arenas; any thread.
 */
struct arena_budget {
  atomic_size_t used_bytes;
  size_t max_bytes;
};
#define ARENA_RESERVE_BLOCKS 4

/* An arena within `budget`; NULL: arena_new. */
struct arena *arena_new_within(struct arena_budget *budget, size_t max_bytes);
/* That of the arena, for others that do a part of its work; or NULL. */
struct arena_budget *arena_budget(const struct arena *arena);

/* For memory that is not an arena's. False: it would pass the budget. NULL always has room. */
bool arena_budget_take(struct arena_budget *budget, size_t bytes)
    __attribute__((warn_unused_result));
void arena_budget_give(struct arena_budget *budget, size_t bytes);

/* Runs the clean-ups, then gives back all memory. NULL is allowed. */
void arena_free(struct arena *arena);

/* Runs the clean-ups and forgets all content; keeps up to 2 MB of its memory for the next
 * use. */
void arena_reset(struct arena *arena);

/* `n` bytes, not zeroed; NULL when the cap or memory is reached. */
void *arena_alloc(struct arena *arena, size_t n)
    __attribute__((malloc, alloc_size(2), warn_unused_result));

/* `count` zeroed items of `size` bytes; NULL when the product overflows, the cap or memory is
 * reached. */
void *arena_calloc(struct arena *arena, size_t count, size_t size)
    __attribute__((warn_unused_result));

/*
 * Grows `old` (of `old_n` bytes, from this arena, or NULL) to `n` bytes; in place where it was the
 * last one taken, else copied. NULL (and `old` still valid) when the cap or memory is reached.
 */
void *arena_grow(struct arena *arena, void *old, size_t old_n, size_t n)
    __attribute__((warn_unused_result));

/* A copy of `s` followed by a NUL that is not counted; `.p` is NULL when the cap or memory is
 * reached. */
struct str arena_str(struct arena *arena, struct str s);

/* printf into the arena; `.p` is NULL when the cap or memory is reached. */
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Has any allocation been refused? Lets a builder check once at its end. */
bool arena_is_exhausted(const struct arena *arena);

/* Bytes given out so far. */
size_t arena_used_bytes(const struct arena *arena);

/* Calls `run(what)` when the arena is reset or freed. Returns 0, or -1 (nothing registered) without
 * memory. */
int arena_on_free(struct arena *arena, void (*run)(void *what), void *what)
    __attribute__((warn_unused_result));

#define ARENA_NEW(arena, type) ((type *)arena_calloc((arena), 1, sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_calloc((arena), (count), sizeof(type)))

#endif
