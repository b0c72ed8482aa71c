/* Two stores, or one, summed up table by table. */
#include "store/move/transfer_internal.h"

#include "base/clock.h"

#include <pthread.h>

#define PAGE_ARENA_BYTES ((size_t)2 << 30)

int transfer_sum_all(struct db *db, struct transfer_sum *sums, transfer_on_page *on_page,
                     void *what, struct err *reterr) {
  size_t tables_n;
  const struct transfer_table *tables = transfer_tables(&tables_n);
  /* The key that a page ends with is on its arena: the next page needs another. */
  struct arena *arenas[2] = {arena_new(PAGE_ARENA_BYTES), arena_new(PAGE_ARENA_BYTES)};
  int code = arenas[0] && arenas[1] ? 0 : err_no_memory(reterr);
  for (size_t t = 0, turn = 0; code == 0 && t < tables_n; t++) {
    struct transfer_page page = {0};
    sums[t] = (struct transfer_sum){0};
    for (const union transfer_cell *after = NULL; code == 0 && !page.is_last; turn = !turn) {
      arena_reset(arenas[turn]);
      code = transfer_page_read(db, arenas[turn], &tables[t], after, &page, reterr);
      if (code == 0)
        code = transfer_sum_page(&sums[t], &page, reterr);
      if (code == 0 && on_page && !on_page(&page, t, what))
        code = err_set(reterr, ERR_IO, "", "Broken off by a signal.");
      after = code == 0 ? transfer_page_end(&page) : NULL;
    }
  }
  arena_free(arenas[0]);
  arena_free(arenas[1]);
  return code;
}

/* ---- Both sides at once ---- */

struct progress_of_both {
  const struct transfer_options *options;
  pthread_mutex_t lock;
  struct transfer_progress progress;
};

static bool note_page(const struct transfer_page *page, size_t table, void *what) {
  struct progress_of_both *both = what;
  pthread_mutex_lock(&both->lock);
  both->progress.rows += page->rows_n;
  both->progress.bytes += page->bytes;
  if (table + 1 >= both->progress.table_n) {
    both->progress.table = page->table->name;
    both->progress.table_n = table + 1;
  }
  if (both->options->progress)
    both->options->progress(&both->progress, both->options->what);
  pthread_mutex_unlock(&both->lock);
  return !both->options->is_stopped || !*both->options->is_stopped;
}

struct side {
  struct db *db;
  struct progress_of_both *both;
  struct transfer_sum sums[TRANSFER_TABLES_MAX];
  int code;
  struct err err;
};

static void *sum_side(void *what) {
  struct side *side = what;
  side->code = transfer_sum_all(side->db, side->sums, note_page, side->both, &side->err);
  return NULL;
}

static void report_sums(const struct side *from, const struct side *to,
                        struct transfer_report *report) {
  const struct transfer_table *tables = transfer_tables(&report->rows_n);
  report->is_equal = true;
  for (size_t t = 0; t < report->rows_n; t++) {
    report->rows[t] = (struct transfer_row){&tables[t], from->sums[t], to->sums[t]};
    report->is_equal &= transfer_sum_equal(&from->sums[t], &to->sums[t]);
  }
}

int transfer_sum_both(struct db *from, struct db *to, const struct transfer_options *options,
                      struct transfer_report *report, struct err *reterr) {
  struct progress_of_both both = {
      .options = options, .lock = PTHREAD_MUTEX_INITIALIZER, .progress.is_checking = true};
  struct side *sides = calloc(2, sizeof *sides);
  if (!sides)
    return err_no_memory(reterr);
  pthread_t thread;
  int64_t start_us = clock_monotonic_us();
  sides[0].db = from;
  sides[1].db = to;
  sides[0].both = sides[1].both = &both;
  bool has_thread = pthread_create(&thread, NULL, sum_side, &sides[1]) == 0;
  sum_side(&sides[0]);
  if (has_thread)
    pthread_join(thread, NULL);
  else
    sum_side(&sides[1]);
  int code = 0;
  for (size_t i = 0; i < 2 && code == 0; i++)
    if ((code = sides[i].code) != 0)
      *reterr = sides[i].err;
  if (code == 0)
    report_sums(&sides[0], &sides[1], report);
  report->check_us = clock_monotonic_us() - start_us;
  pthread_mutex_destroy(&both.lock);
  free(sides);
  return code;
}
