/* A thread that reads pages of the source while those before them are written to the target. */
#include "store/move/transfer_internal.h"

#include <pthread.h>

#define PAGE_ARENA_BYTES ((size_t)2 << 30)

/* empty -> (reader) full -> (taker) lent -> (taker) empty. The reader alone resets an arena, so
 * that the end of the page before stays readable while the next is read. */
enum slot_state { SLOT_EMPTY, SLOT_FULL, SLOT_LENT };

/* Three: one is lent, one is full, and from the end of the one the next is read. */
enum { SLOTS = 3 };

struct slot {
  enum slot_state state;
  struct arena *arena;
  struct transfer_page page; /* no table: there is no more */
  int code;
  struct err err;
};

struct transfer_ahead {
  struct db *db;
  size_t table_n;
  bool has_after;
  union transfer_cell after[TRANSFER_KEY_MAX];
  struct arena *arena; /* of `after` */

  pthread_t thread;
  bool has_thread;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool is_closing;
  struct slot slots[SLOTS];
  size_t taken; /* pages that were asked for */
};

/* Waits for the slot to become empty; false: closing. */
static bool wait_for_room(struct transfer_ahead *ahead, struct slot *slot) {
  pthread_mutex_lock(&ahead->lock);
  while (slot->state != SLOT_EMPTY && !ahead->is_closing)
    pthread_cond_wait(&ahead->changed, &ahead->lock);
  bool may_fill = !ahead->is_closing;
  pthread_mutex_unlock(&ahead->lock);
  return may_fill;
}

static void hand_over(struct transfer_ahead *ahead, struct slot *slot) {
  pthread_mutex_lock(&ahead->lock);
  slot->state = SLOT_FULL;
  pthread_cond_signal(&ahead->changed);
  pthread_mutex_unlock(&ahead->lock);
}

static void *read_ahead(void *what) {
  struct transfer_ahead *ahead = what;
  size_t tables_n, table = ahead->table_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  const union transfer_cell *after = ahead->has_after ? ahead->after : NULL;
  for (size_t turn = 0;; turn = (turn + 1) % SLOTS) {
    struct slot *slot = &ahead->slots[turn];
    if (!wait_for_room(ahead, slot))
      return NULL;
    arena_reset(slot->arena);
    slot->page = (struct transfer_page){0};
    if (table < tables_n)
      slot->code = transfer_page_read(ahead->db, slot->arena, &tables[table], after, &slot->page,
                                      &slot->err);
    bool is_end = table >= tables_n || slot->code != 0;
    after = transfer_page_end(&slot->page);
    if (slot->page.is_last) {
      after = NULL;
      table++;
    }
    hand_over(ahead, slot);
    if (is_end)
      return NULL;
  }
}

static int copy_key(struct transfer_ahead *ahead, const union transfer_cell *after,
                    struct err *reterr) {
  const struct transfer_table *table = &transfer_tables(&(size_t){0})[ahead->table_n];
  ahead->has_after = true;
  memcpy(ahead->after, after, table->key_n * sizeof *after);
  for (size_t i = 0; i < table->key_n; i++)
    if (table->columns[i].type == DB_TEXT || table->columns[i].type == DB_BYTES) {
      ahead->after[i].str = arena_str(ahead->arena, after[i].str);
      if (!ahead->after[i].str.p)
        return err_no_memory(reterr);
    }
  return 0;
}

int transfer_ahead_open(struct db *db, size_t table_n, const union transfer_cell *after,
                        struct transfer_ahead **ret_ahead, struct err *reterr) {
  struct transfer_ahead *ahead = calloc(1, sizeof *ahead);
  if (!ahead)
    return err_no_memory(reterr);
  pthread_mutex_init(&ahead->lock, NULL);
  pthread_cond_init(&ahead->changed, NULL);
  ahead->db = db;
  ahead->table_n = table_n;
  ahead->arena = arena_new(PAGE_ARENA_BYTES);
  bool has_memory = ahead->arena != NULL;
  for (size_t i = 0; i < SLOTS; i++) {
    ahead->slots[i].arena = arena_new(PAGE_ARENA_BYTES);
    has_memory &= ahead->slots[i].arena != NULL;
  }
  int code = has_memory ? 0 : err_no_memory(reterr);
  if (code == 0 && after)
    code = copy_key(ahead, after, reterr);
  if (code == 0 && pthread_create(&ahead->thread, NULL, read_ahead, ahead) != 0)
    code = err_no_memory(reterr);
  ahead->has_thread = code == 0;
  if (code == 0)
    *ret_ahead = ahead;
  else
    transfer_ahead_close(ahead);
  return code;
}

void transfer_ahead_close(struct transfer_ahead *ahead) {
  if (!ahead)
    return;
  if (ahead->has_thread) {
    pthread_mutex_lock(&ahead->lock);
    ahead->is_closing = true;
    pthread_cond_signal(&ahead->changed);
    pthread_mutex_unlock(&ahead->lock);
    pthread_join(ahead->thread, NULL);
  }
  for (size_t i = 0; i < SLOTS; i++)
    arena_free(ahead->slots[i].arena);
  arena_free(ahead->arena);
  pthread_cond_destroy(&ahead->changed);
  pthread_mutex_destroy(&ahead->lock);
  free(ahead);
}

int transfer_ahead_next(struct transfer_ahead *ahead, const struct transfer_page **ret_page,
                        struct err *reterr) {
  struct slot *slot = &ahead->slots[ahead->taken % SLOTS];
  pthread_mutex_lock(&ahead->lock);
  if (ahead->taken > 0)
    ahead->slots[(ahead->taken - 1) % SLOTS].state = SLOT_EMPTY;
  pthread_cond_signal(&ahead->changed);
  while (slot->state != SLOT_FULL)
    pthread_cond_wait(&ahead->changed, &ahead->lock);
  slot->state = SLOT_LENT;
  pthread_mutex_unlock(&ahead->lock);
  ahead->taken++;
  if (slot->code != 0) {
    *reterr = slot->err;
    return slot->code;
  }
  *ret_page = slot->page.table ? &slot->page : NULL;
  return 0;
}
