/*
 * Inside the preparation of writes: what transaction*.c share.
 * Threads: as the view. Memory: on the arena.
 */
#ifndef FLOW_TRANSACTION_INTERNAL_H
#define FLOW_TRANSACTION_INTERNAL_H

#include "base/map.h"
#include "flow/transaction.h"

struct preparation {
  struct arena *arena;
  struct store_view *view;
  const struct transaction_options *options;
  struct transaction_entry *entries;
  size_t n;
  struct store_commit *commit;
  struct issues *issues;
  struct map links;      /* a reference as written -> struct str *, "Patient/1" */
  bool has_urls;         /* one of them begins with "http" */
  struct map touched;    /* "Patient/1" -> the entry that writes it */
  struct map created_by; /* "Patient?identifier=.." of If-None-Exist -> the entry that creates it */
  VEC(struct store_condition) conditions;
};

/* The fault of an entry; "Bundle.entry[3].request.url" or, for a resource alone, no place. */
int transaction_fail(const struct transaction_entry *entry, enum err_code code, const char *member,
                     const char *text, struct err *reterr);
/* Errors from below get the entry's place, where the entry is one of many. */
int transaction_place(const struct transaction_entry *entry, int code, struct err *reterr);

/* The id of the only resource that matches (empty: none does), remembered as a condition of the
 * commit. */
int transaction_find_one(struct preparation *p, defs_type_id type, struct str query,
                         struct str *ret_id, struct err *reterr) MUST_CHECK;
/* Up to `max` + 1 of those that match. */
int transaction_find_all(struct preparation *p, defs_type_id type, struct str query, size_t max,
                         struct store_resources *ret_found, struct err *reterr) MUST_CHECK;

/* Remembers that the fullUrl of the entry means `target` ("Patient/1"). */
int transaction_link(struct preparation *p, struct transaction_entry *entry, struct str *target,
                     struct err *reterr) MUST_CHECK;
/* Puts what is known in place of all links in the entry's resource. Dangling ones go to `issues`.
 */
int transaction_relink(struct preparation *p, const struct transaction_entry *entry,
                       struct err *reterr) MUST_CHECK;

/* Which resource a PATCH means; it must be there. */
int transaction_identify_patch(struct preparation *p, struct transaction_entry *entry,
                               struct err *reterr) MUST_CHECK;
/* Applies the patch to what the view holds: `entry->resource` is the result, `write` expects the
 * version that it was made from. */
int transaction_apply_patch(struct preparation *p, struct transaction_entry *entry,
                            struct store_write *write, struct err *reterr) MUST_CHECK;

#endif
