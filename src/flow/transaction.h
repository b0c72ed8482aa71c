/*
 * FHIR writes made ready to be committed: one create, update or delete, or all of a transaction
 * bundle. The REST API and `callosum import` both come through here.
 *
 * For each entry: which resource is meant (a new id, the id of the URL, or what a condition finds),
 * references between entries resolved, valid?, canonical bytes, search values. What was found by a
 * condition becomes a condition of the commit, so that it still holds when it is made.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/http.html (3.1.0.5 update to 3.1.0.11 transaction).
 * Conditions are evaluated on what is there before the transaction; two entries with the same
 * If-None-Exist mean the same resource. Links between entries: transaction_links.c.
 *
 * Threads: as the view that it reads through. Memory: all on the arena. The trees of the entries
 * are changed (references), so that a second try begins with parsing again.
 */
#ifndef FLOW_TRANSACTION_H
#define FLOW_TRANSACTION_H

#include "model/patch.h"
#include "model/validate.h"
#include "store/search/search.h"

enum transaction_verb {
  TRANSACTION_READ, /* GET, HEAD: left to the caller, after the commit */
  TRANSACTION_DELETE,
  TRANSACTION_CREATE,
  TRANSACTION_UPDATE,
  TRANSACTION_PATCH
};

#define TRANSACTION_NO_WRITE SIZE_MAX

struct transaction_entry {
  /* What is asked; empty where absent. */
  struct str method; /* "POST" */
  struct str url;    /* relative: "Patient", "Patient/1", "Patient?identifier=s|v"; query still
                        percent-encoded */
  struct str full_url, if_match, if_none_match, if_none_exist, if_modified_since;
  const struct yyjson_val *resource; /* of a PATCH: a Binary or Parameters with the patch */
  const struct patch *patch;         /* of a PATCH; NULL: `resource` has it, or */
  /* what changes the resource in its place. It is called again where others were faster. */
  int (*edit)(struct arena *arena, const struct yyjson_val *before, const void *what,
              const struct yyjson_val **ret_after, struct err *reterr);
  const void *edit_what;
  struct str where; /* place for faults: "Bundle.entry[3]"; empty: the resource stands alone */

  /* What it came to. */
  enum transaction_verb verb;
  defs_type_id type;
  struct str id;
  struct str condition; /* its query */
  bool is_conditional;
  size_t write; /* index of commit->writes, or TRANSACTION_NO_WRITE: nothing to do */
  struct store_resources
      matches;                 /* what a conditional delete found: as many writes from `write` on */
  struct store_resource found; /* a conditional create without effect: what is already there */
  const struct transaction_entry *twin; /* an earlier entry that creates the same; shares `write` */
};

struct transaction_options {
  const struct access *access;
  struct str base_url;      /* "http://localhost:8080/fhir": references below it become relative */
  bool is_transaction;      /* urn: references must lead to an entry */
  bool resolves_conditions; /* conditional references (Patient?identifier=s|v) are resolved */
  size_t deletes_max;       /* resources that one conditional delete may delete; 0: 1 */
  size_t patch_operations_max; /* 0: PATCH_OPERATIONS_MAX */
  bool with_invariants;
  bool keeps_ids; /* a created resource keeps the id that it brings (or that of its urn:uuid, or one
                     that follows from its content), and may be there already: an import that can
                     be run again */
};

/*
 * The entries of a bundle of type batch or transaction. Faults in its structure go to `issues`;
 * ERR_NO_MEMORY, or ERR_TOO_LONG for more than 100,000 entries.
 */
int transaction_read_bundle(struct arena *arena, const struct yyjson_val *bundle,
                            struct str base_url, struct transaction_entry **ret_entries,
                            size_t *ret_n, struct issues *issues, struct err *reterr) MUST_CHECK;

/*
 * Fills writes and conditions of `commit` (nothing else of it), in the order DELETE, POST, PUT and
 * PATCH. Faults of the content go to `issues` (then look at `errors_n`, and commit nothing);
 * returned are ERR_PRECONDITION, ERR_MULTIPLE_MATCHES, ERR_NOT_FOUND, ERR_VALUE for what an entry
 * asks, with the entry's place, and what the store reports.
 */
int transaction_prepare(struct arena *arena, struct store_view *view,
                        const struct transaction_options *options,
                        struct transaction_entry *entries, size_t n, struct store_commit *commit,
                        struct issues *issues, struct err *reterr) MUST_CHECK;

/* A JSON or XML patch from its bytes. ERR_MEDIA_TYPE for what is neither; errors of json_parse. */
int transaction_read_patch(struct arena *arena, struct str media_type, struct str bytes,
                           struct patch *ret_patch, struct err *reterr) MUST_CHECK;

/* A version as If-Match and ETag have it, W/"3" or "3"; 0 when it is none. */
uint32_t transaction_version_of_etag(struct str etag);

/* "a=1&b=2" -> what search_parse takes. */
int transaction_search_pairs(struct arena *arena, struct str query, struct search_pair **ret_pairs,
                             size_t *ret_n, struct err *reterr) MUST_CHECK;

#endif
