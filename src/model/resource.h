/*
 * A resource as the store keeps it: canonical bytes.
 *
 * Canonical: minified JSON, UTF-8, `resourceType`, `id`, `meta` first and the rest as the sender
 * ordered it, without meta.versionId and meta.lastUpdated (the store owns these), numbers as
 * written. A read splices them in without parsing.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef MODEL_RESOURCE_H
#define MODEL_RESOURCE_H

#include "format/json.h"
#include "model/definitions.h"

/* The canonical bytes of `resource` with this id (which replaces one it may have). */
int resource_canonical(struct arena *arena, const struct yyjson_val *resource, struct str id,
                       struct str *ret_body, struct err *reterr) MUST_CHECK;

/* Appends the canonical `body` with meta.versionId and meta.lastUpdated put in. */
void resource_write(struct buf *buf, struct str body, uint32_t version, int64_t updated_us);

/* Puts what `lookup` knows (empty: nothing) in place of every Reference.reference. In place: only
 * for whoever made the tree, before anybody else sees it; what `lookup` gives is borrowed. */
void resource_replace_references(const struct yyjson_val *resource,
                                 struct str (*lookup)(void *what, struct str reference),
                                 void *what);

#endif
