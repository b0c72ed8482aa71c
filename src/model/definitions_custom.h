/*
 * The search parameters that this server has beside the compiled ones, as definitions.c answers for
 * them. Their ids continue behind the compiled ids. A record, once it has an id, never changes and
 * stays for the life of the process, so that whoever has an id can use it; only the lists of a
 * type's parameters are exchanged, each as one immutable whole. Private to src/model (parameters.c
 * fills it).
 *
 * Threads: one writer (parameters.c has the lock); readers at any time, without a lock.
 * Memory: of the process; nothing is given back.
 */
#ifndef MODEL_DEFINITIONS_CUSTOM_H
#define MODEL_DEFINITIONS_CUSTOM_H

#include <stdatomic.h>

#include "model/definitions.h"

enum {
  DEFS_CUSTOM_TARGETS_MAX = 1 << 18, /* of all records together */
  DEFS_CUSTOM_COMPONENTS_MAX = 4 * DEFS_CUSTOM_MAX,
};

/* All parameters of one type, in the order of defs_params_of. */
struct defs_custom_list {
  size_t n;
  struct defs_custom_list *older; /* was in its place before; kept, somebody may be reading it */
  defs_param_id ids[];
};

/* NULL where the compiled definitions say it all. */
const struct defs_param *defs_custom_param(size_t index);
const struct defs_component *defs_custom_component(size_t index);
defs_type_id defs_custom_target(size_t index);
const struct defs_custom_list *defs_custom_list_of(defs_type_id type);

/* A record of its own, with copies of all texts; `*ret_id` is its id. ERR_UNPROCESSABLE when so
 * many were defined since the process began that no id is left. */
int defs_custom_add(const struct defs_param *param, const defs_type_id *targets,
                    const struct defs_component *components, defs_param_id *ret_id,
                    struct err *reterr) MUST_CHECK;

/* From now on these are the type's custom parameters (n may be 0). */
int defs_custom_set(defs_type_id type, const defs_param_id *ids, size_t n,
                    struct err *reterr) MUST_CHECK;

#endif
