/*
 * Which resource is meant: from the identifiers that a source gives to the one resource that has
 * them, or to a new one.
 *
 * A claim names a thing as its source does: identifiers in order of weight, and a key that is the
 * last resort. The first identifier that an existing resource of the type has decides; where none
 * is known, the resource whose id is derived from the key; where that one is not there either, it
 * is new and gets that id, so that the same claim made twice at once makes one resource. A patient
 * that was merged away (link.type = replaced-by) leads to the one that replaced it.
 *
 * Threads: as the view. Memory: on the arena.
 */
#ifndef IDENTITY_RESOLVE_H
#define IDENTITY_RESOLVE_H

#include "store/store.h"

struct identity_identifier {
  struct str system, value;
};

struct identity_claim {
  defs_type_id type;
  const struct identity_identifier *identifiers;
  size_t identifiers_n;
  struct str key;
  bool keeps_replaced; /* true: a patient that was merged away is itself meant (the `from` side of a
                          merge) */
};

struct identity_answer {
  struct str id;
  bool exists;      /* then: */
  uint32_t version; /* the one that was found; 0: not there, or deleted */
  struct str body;  /* canonical */
  /* Indices of the claim's identifiers that another resource holds: the first known one decided. */
  const size_t *foreign;
  size_t foreign_n;
  struct store_resource *stood; /* the patient that the identifiers led to before its replacement
                                   was followed; or NULL */
};

typedef VEC(struct store_condition) identity_conditions;

/*
 * Answers n claims, whose look-ups share a question each. What must still be so when the commit is
 * made is appended to `conditions`. An identifier that several resources hold means the only active
 * patient among them (ERR_MULTIPLE_MATCHES when there are several), or of other types the oldest.
 * Returns 0, or what the store reports.
 */
int identity_resolve(struct store_view *view, const struct access *access, struct arena *arena,
                     const struct identity_claim *claims, size_t n,
                     struct identity_answer *ret_answers, identity_conditions *conditions,
                     struct err *reterr) MUST_CHECK;

#endif
