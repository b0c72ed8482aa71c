/*
 * What the parts of the validator share: the walk (validate.c), the rules of coded values and
 * references (validate_values.c), and the invariants (validate_invariants.c).
 *
 * Threads: a validator is one call's. Memory: on its arena.
 */
#ifndef MODEL_VALIDATE_INTERNAL_H
#define MODEL_VALIDATE_INTERNAL_H

#include "base/map.h"
#include "model/place.h"
#include "model/validate.h"

/* A contained resource. */
struct contained {
  const struct yyjson_val *resource;
  bool is_used; /* something leads to it, or it leads to its container */
};

/* The contained resources of `container`, listed when the first "#id" is met. */
struct container {
  const struct yyjson_val *resource;
  struct map contained; /* id -> struct contained */
  bool is_listed;
};

struct validator {
  struct arena *arena;
  struct issues *issues;
  size_t max_issues;
  const struct yyjson_val *resource; /* the one that the walk is in */
  struct container container;        /* what "#id" leads into */
  struct arena *scratch;             /* of one evaluation of an invariant; made when first needed */
  bool with_invariants;
  bool is_full; /* no further issue is wanted */
  bool has_no_memory;
};

/* Notes a fault at `place`. Values of the resource stay out of the text: it may be logged. */
void validate_report(struct validator *v, const struct place *place, enum err_code code,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The rules for a value that is an object of a right type, where the element says more: required
 * binding, targets of a reference, no comparator. */
void validate_value(struct validator *v, const struct defs_element *element, defs_type_id type,
                    const struct yyjson_val *value, const struct place *place);

/* Notes what "#id" or "#", a reference or URI, leads to. */
void validate_note_local(struct validator *v, struct str reference);

/* dom-3, after the walk of the container: each contained resource is led to, or leads to it. */
void validate_contained_use(struct validator *v, const struct place *place);

/* The invariants of an object whose structure is right. */
void validate_invariants(struct validator *v, defs_type_id type, const struct yyjson_val *json,
                         const struct place *place);

#endif
