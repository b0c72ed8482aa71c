/*
 * The event log, for what follows it: automation, subscriptions, exports.
 *
 * One event per changed resource and per message, numbered in the order of the commits. A reader
 * keeps the number that it has come to and asks for what is behind it.
 *
 * No event is ever skipped. Numbers are given inside write transactions, which exclude each other
 * from their begin until they are visible (db_begin_write), in every process of the store: when a
 * reader sees number n, every number below it is visible to it too, and no number is left out. So
 * "the last number that I saw" is a place in the log, and needs no look back.
 *
 * Threads: as the view. Memory: on the caller's arena.
 */
#ifndef STORE_EVENT_LOG_H
#define STORE_EVENT_LOG_H

#include "store/store.h"

enum store_event_kind {
  STORE_EVENT_MESSAGE = 0, /* one was received; it has no resource */
  STORE_EVENT_CREATED,
  STORE_EVENT_UPDATED,
  STORE_EVENT_DELETED
};

struct store_event {
  uint64_t number, commit_seq;
  enum store_event_kind kind;
  defs_type_id type; /* of the resource, in that version */
  struct str id;
  uint32_t version;
  uint64_t message; /* that it came from; 0: none */
};

struct store_events {
  const struct store_event *p;
  size_t n;
  uint64_t last; /* to go on behind: of the last row, or of what access hides behind it */
};

#define STORE_EVENTS_MAX 10000

/* Those behind `after` (0: from the first), oldest first, `max` of them at most. */
int store_events(struct store_view *view, const struct access *access, struct arena *arena,
                 uint64_t after, size_t max, struct store_events *ret_events,
                 struct err *reterr) MUST_CHECK;

#endif
