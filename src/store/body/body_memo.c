#include "store/body/body_memo.h"

#include <pthread.h>

#define LOCKS 16 /* a place belongs to lock (place % LOCKS) */
_Static_assert(BODY_MEMO_PLACES % LOCKS == 0, "each lock has as many places");

struct entry {
  size_t packed_n, bytes_n;
  char content[]; /* packed, then unpacked */
};

struct body_memo {
  pthread_mutex_t locks[LOCKS];
  struct entry *places[BODY_MEMO_PLACES];
};

int body_memo_open(struct body_memo **ret_memo, struct err *reterr) {
  struct body_memo *memo = calloc(1, sizeof *memo);
  if (!memo)
    return err_no_memory(reterr);
  for (size_t i = 0; i < LOCKS; i++)
    pthread_mutex_init(&memo->locks[i], NULL);
  *ret_memo = memo;
  return 0;
}

void body_memo_clear(struct body_memo *memo) {
  for (size_t i = 0; i < BODY_MEMO_PLACES; i++) {
    pthread_mutex_lock(&memo->locks[i % LOCKS]);
    free(memo->places[i]);
    memo->places[i] = NULL;
    pthread_mutex_unlock(&memo->locks[i % LOCKS]);
  }
}

void body_memo_close(struct body_memo *memo) {
  if (!memo)
    return;
  body_memo_clear(memo);
  for (size_t i = 0; i < LOCKS; i++)
    pthread_mutex_destroy(&memo->locks[i]);
  free(memo);
}

/* From the length and the last bytes, where compressed bodies differ most; a collision costs a
 * decompression, nothing else. */
static size_t place_of(struct str packed) {
  uint64_t words[2] = {0}, h = packed.n;
  size_t n = packed.n < sizeof words ? packed.n : sizeof words;
  memcpy(words, packed.p + packed.n - n, n);
  for (size_t i = 0; i < 2; i++) {
    h = (h ^ words[i]) * 0x9e3779b97f4a7c15u;
    h ^= h >> 32;
  }
  return (size_t)(h % BODY_MEMO_PLACES);
}

bool body_memo_find(struct body_memo *memo, struct arena *arena, struct str packed,
                    struct str *ret_bytes) {
  if (packed.n >= BODY_MEMO_MAX_BYTES)
    return false;
  size_t place = place_of(packed);
  bool is_found = false;
  pthread_mutex_lock(&memo->locks[place % LOCKS]);
  const struct entry *entry = memo->places[place];
  if (entry && str_equal(str_n(entry->content, entry->packed_n), packed)) {
    struct str bytes = arena_str(arena, str_n(entry->content + entry->packed_n, entry->bytes_n));
    is_found = bytes.p != NULL;
    if (is_found)
      *ret_bytes = bytes;
  }
  pthread_mutex_unlock(&memo->locks[place % LOCKS]);
  return is_found;
}

void body_memo_keep(struct body_memo *memo, struct str packed, struct str bytes) {
  if (packed.n >= BODY_MEMO_MAX_BYTES || bytes.n >= BODY_MEMO_MAX_BYTES - packed.n)
    return;
  struct entry *entry = malloc(sizeof *entry + packed.n + bytes.n);
  if (!entry)
    return;
  *entry = (struct entry){.packed_n = packed.n, .bytes_n = bytes.n};
  if (packed.n)
    memcpy(entry->content, packed.p, packed.n);
  if (bytes.n)
    memcpy(entry->content + packed.n, bytes.p, bytes.n);
  size_t place = place_of(packed);
  pthread_mutex_lock(&memo->locks[place % LOCKS]);
  struct entry *old = memo->places[place];
  memo->places[place] = entry;
  pthread_mutex_unlock(&memo->locks[place % LOCKS]);
  free(old);
}
