/*
 * Base64.
 *
 * Spec: RFC 4648; section 4, with padding, and section 5 (base64url), without. Reading the former
 * also takes white space, as FHIR's base64Binary may have it; nothing else outside the alphabet,
 * and no bits that are lost.
 *
 * Threads: pure. Memory: on the arena or in the buffer.
 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* Appends the text for `bytes`. */
void base64_write(struct buf *buf, struct str bytes);

/* ERR_VALUE for what is not base64, ERR_NO_MEMORY. */
int base64_read(struct arena *arena, struct str text, struct str *ret_bytes,
                struct err *reterr) MUST_CHECK;

/* The same for what stands in a URL: '-' and '_', no padding, no white space. */
void base64url_write(struct buf *buf, struct str bytes);
int base64url_read(struct arena *arena, struct str text, struct str *ret_bytes,
                   struct err *reterr) MUST_CHECK;

#endif
