#include "service/turns.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/hash.h"

#define STRIPES 64

struct stripe {
  pthread_mutex_t mutex;
  struct turn *first; /* those who have their turn, one per key */
};

struct turns {
  struct hash_key key;
  struct stripe stripes[STRIPES];
};

int turns_open(struct turns **ret_turns, struct err *reterr) {
  struct turns *turns = calloc(1, sizeof *turns);
  if (!turns)
    return err_no_memory(reterr);
  turns->key = hash_key_random();
  for (size_t i = 0; i < STRIPES; i++)
    pthread_mutex_init(&turns->stripes[i].mutex, NULL);
  *ret_turns = turns;
  return 0;
}

void turns_close(struct turns *turns) {
  for (size_t i = 0; turns && i < STRIPES; i++)
    pthread_mutex_destroy(&turns->stripes[i].mutex);
  free(turns);
}

bool turns_take(struct turns *turns, struct turn *turn, struct str name) {
  uint64_t key = hash_siphash(turns->key, name);
  struct stripe *stripe = &turns->stripes[key % STRIPES];
  turn->key_ = key;
  turn->next_ = turn->first_waiting_ = turn->last_waiting_ = NULL;
  pthread_mutex_lock(&stripe->mutex);
  struct turn *other = stripe->first;
  while (other && other->key_ != key)
    other = other->next_;
  if (!other) {
    turn->next_ = stripe->first;
    stripe->first = turn;
  } else if (other->last_waiting_) {
    other->last_waiting_->next_ = turn;
    other->last_waiting_ = turn;
  } else {
    other->first_waiting_ = other->last_waiting_ = turn;
  }
  pthread_mutex_unlock(&stripe->mutex);
  return other == NULL;
}

void turns_leave(struct turns *turns, struct turn *turn) {
  struct stripe *stripe = &turns->stripes[turn->key_ % STRIPES];
  pthread_mutex_lock(&stripe->mutex);
  struct turn **place = &stripe->first;
  while (*place != turn)
    place = &(*place)->next_;
  struct turn *heir = turn->first_waiting_;
  if (heir) {
    heir->first_waiting_ = heir->next_;
    heir->last_waiting_ = heir->first_waiting_ ? turn->last_waiting_ : NULL;
    heir->next_ = turn->next_;
    *place = heir;
  } else {
    *place = turn->next_;
  }
  pthread_mutex_unlock(&stripe->mutex);
  if (heir)
    heir->go(heir->what);
}
