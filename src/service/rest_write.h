/*
 * A write on its way: parsed, prepared, submitted, answered; prepared again where others were
 * faster. What single writes (rest_write.c) and bundles (rest_bundle.c) share.
 *
 * PREPARE (worker) -> store_submit -> done (committer) -> SETTLE (worker) -> answered, or PREPARE
 * again on ERR_STALE, a bounded number of times.
 *
 * Threads: one at a time has a write, as the steps say. Memory: on the call's arena.
 */
#ifndef SERVICE_REST_WRITE_H
#define SERVICE_REST_WRITE_H

#include "service/rest.h"
#include "service/turns.h"

struct rest_write {
  struct transaction_entry *entries;
  size_t n;
  bool is_transaction;
  struct store_commit commit;
  struct issues issues;
  struct store_audit audit;
  unsigned attempts;
  /* What makes a new version from the one that is there (patch, $meta-add); takes turns: */
  bool is_change;
  struct patch patch;
  struct turn turn;
  struct str turn_name;
  bool has_turn;
  /* Parses the request and fills entries. Faults go to `issues` or `reterr`. */
  int (*read)(struct rest_call *call, struct err *reterr);
  /* Everything is durable: makes the answer and ends the call. */
  void (*answer)(struct rest_call *call);
};

/* Begins; `call->write` must have `read`, `answer` and `is_transaction`. */
void rest_write_run(struct rest_call *call);

/* A write of its own: reads the request, writes, answers. `action` is what the audit calls it.
 * `read` and `answer` may be NULL: as of create, update, delete, patch. */
void rest_write_single(struct rest_call *call, const char *action,
                       int (*read)(struct rest_call *call, struct err *reterr),
                       void (*answer)(struct rest_call *call));

/* Fills in the patch of a PATCH (rest_patch.c). */
int rest_read_patch(struct rest_call *call, struct transaction_entry *entry,
                    struct err *reterr) MUST_CHECK;

/* The resource in the body of a POST or PUT; checks its media type. */
int rest_read_body(struct rest_call *call, const struct yyjson_val **ret_resource,
                   struct err *reterr) MUST_CHECK;

/* What became of one entry. `call->wanted` decides on the body; for REST_RETURN_DEFAULT there is
 * one when `with_body`. */
int rest_answer_entry(struct rest_call *call, const struct transaction_entry *entry, bool with_body,
                      struct rest_answer *ret_answer, struct err *reterr) MUST_CHECK;

#endif
