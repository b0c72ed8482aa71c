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

/* Rewrites every Reference.reference (and Bundle-internal uri in `_only_references`) for which
 * `lookup` knows a new value. The result is canonical if the input was. */
int resource_rewrite_references(struct arena *arena, const struct yyjson_val *resource,
                                struct str (*lookup)(void *what, struct str reference), void *what,
                                struct str *ret_body, struct err *reterr) MUST_CHECK;

#endif
