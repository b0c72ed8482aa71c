/*
 * Who may change a thing next, one after the other.
 *
 * A write that was prepared on a version which has changed meanwhile is prepared again. Many that
 * do so for one resource would throw each other back; in turn, each is prepared once. A turn is a
 * courtesy among those who take one, no lock: what holds is the condition in the commit.
 *
 * Threads: any. Memory: a turn is the caller's, from turns_take until turns_leave.
 */
#ifndef SERVICE_TURNS_H
#define SERVICE_TURNS_H

#include "base/base.h"

struct turns;

struct turn {
  void (*go)(void *what); /* it is your turn: called on the thread of the one before; be quick */
  void *what;
  /* the turns' own */
  uint64_t key_;
  struct turn *next_;                          /* of those who have their turn */
  struct turn *first_waiting_, *last_waiting_; /* for this one to leave */
};

int turns_open(struct turns **ret_turns, struct err *reterr) MUST_CHECK;
void turns_close(struct turns *turns);

/* For the thing that `name` stands for: true when it is your turn at once; else `turn->go` follows.
 */
bool turns_take(struct turns *turns, struct turn *turn, struct str name);
/* Hands on to the next. */
void turns_leave(struct turns *turns, struct turn *turn);

#endif
