#include "store/told.h"

#include <pthread.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"

#define LOGGED_AGAIN_US ((int64_t)60 * 1000000)

#define STR_OF_NUMBER(n) #n
#define SECONDS(n) STR_OF_NUMBER(n) " seconds"

struct told {
  enum err_code code;
  const char *text;
  bool is_logged; /* here, that is */
};

static const struct told table[] = {
    {ERR_UNAVAILABLE,
     "The store can't be reached at the moment; ask again in " SECONDS(STORE_AGAIN_S) ".", false},
    {ERR_UNCERTAIN,
     "The store was lost while this was stored, and it is not known whether it was; look before "
     "you send it again.",
     false},
    {ERR_NO_SPACE, "The store has no space left: nothing of this was stored.", true},
    {ERR_READ_ONLY, "The store is read-only at the moment: nothing of this was stored.", true},
    {ERR_STORE, "The store failed; the log of the server says why.", true},
    {ERR_IO, "The store failed; the log of the server says why.", true},
};

#define TABLE_N (sizeof table / sizeof table[0])

/* What was logged last, by row of the table. */
static struct {
  pthread_mutex_t lock;
  struct {
    uint64_t text_hash;
    int64_t at_us;
  } last[TABLE_N];
} logged = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool is_due(size_t row, const struct err *err) {
  uint64_t text_hash = hash_fast(str_of(err->text));
  int64_t now_us = clock_monotonic_us();
  pthread_mutex_lock(&logged.lock);
  bool is_due = logged.last[row].at_us == 0 || logged.last[row].text_hash != text_hash ||
                now_us - logged.last[row].at_us >= LOGGED_AGAIN_US;
  if (is_due) {
    logged.last[row].text_hash = text_hash;
    logged.last[row].at_us = now_us;
  }
  pthread_mutex_unlock(&logged.lock);
  return is_due;
}

struct err store_told(const struct err *err) {
  struct err told = *err;
  for (size_t i = 0; i < TABLE_N; i++) {
    if (table[i].code != err->code)
      continue;
    if (table[i].is_logged && is_due(i, err))
      log_error("store", "%s%s%s", err->where, err->where[0] ? ": " : "", err->text);
    err_set(&told, err->code, "", "%s", table[i].text);
  }
  return told;
}
