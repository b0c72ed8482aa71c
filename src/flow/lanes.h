/*
 * Lanes: messages of one patient are prepared and stored one after the other.
 *
 * Without them, messages of one patient that arrive together would all be prepared on the same
 * record; the first would be stored, and the others prepared again and again. A lane lets one
 * message at a time through. Lanes decide nothing: the conditions of the commit do.
 *
 * A lane is a hash of the patient's id, once a message with the same number has told it, before
 * that a hash of the number as it stands in the message (PID-3, else PID-2, else PID-4). A message
 * without any is in no lane.
 *
 * Threads: any. Memory: items are their owner's.
 */
#ifndef FLOW_LANES_H
#define FLOW_LANES_H

#include "base/base.h"

struct lanes;

/* Part of what goes through the lanes; its members are the lanes' own. */
struct lane_item {
  struct lane_item *next;
  uint32_t lane, number;
};

struct lanes *lanes_new(void); /* NULL without memory */
void lanes_free(struct lanes *lanes);

/* `text`: the message. True: it may go now. False: it waits, and a later lanes_leave gives it. */
bool lanes_enter(struct lanes *lanes, struct lane_item *item, struct str text);

/* The message was answered. The next that may go, or NULL. */
struct lane_item *lanes_leave(struct lanes *lanes, const struct lane_item *item);

/* The message was the patient's with this id: later ones with its number take the patient's own
 * lane. */
void lanes_learn(struct lanes *lanes, const struct lane_item *item, struct str patient_id);

#endif
