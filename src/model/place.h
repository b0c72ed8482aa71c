/*
 * Where a walk over a resource is: a chain on the stack of those who walk, written out only for a
 * fault. Private to src/model.
 *
 * Spec: FHIRPath as it stands in OperationOutcome.issue.expression: "Patient.name[0].given[1]".
 * Threads: pure. Memory: the caller's stack.
 */
#ifndef MODEL_PLACE_H
#define MODEL_PLACE_H

#include "base/base.h"

struct place {
  const struct place *up; /* NULL: the resource */
  struct str name;        /* of the element, without [x] */
  ssize_t index;          /* in an array, else -1 */
  unsigned depth;
};

static inline struct place place_of(const struct place *up, struct str name) {
  return (struct place){.up = up, .name = name, .index = -1, .depth = up ? up->depth + 1 : 0};
}

void place_write(struct buf *buf, const struct place *place);

#endif
