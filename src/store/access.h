/*
 * Who asks, and what policy and consent let them see. Every call of the store that reads takes one,
 * and the store compiles it into the query itself, so that totals, pages, includes and history
 * can't leak. Threads: values. Memory: borrowed by the call.
 */
#ifndef STORE_ACCESS_H
#define STORE_ACCESS_H

#include "model/definitions.h"

struct access {
  struct str principal; /* for the audit: "anonymous", "user/ann", "channel/adt" */
  bool is_everything;   /* no restriction */
  /* Where `is_everything` is false: only resources in the compartment of this patient, and only
   * these types (0: all). */
  struct str patient_id;
  const defs_type_id *types;
  size_t types_n;
};

#define ACCESS_EVERYTHING(who) ((struct access){.principal = (who), .is_everything = true})

#endif
