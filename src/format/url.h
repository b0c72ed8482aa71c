/*
 * URLs: percent-coding and query strings.
 *
 * Spec: RFC 3986; application/x-www-form-urlencoded (WHATWG URL) for queries: '+' is a space.
 * Threads: pure. Memory: results borrow the input where nothing had to be decoded, else on the
 * arena.
 */
#ifndef FORMAT_URL_H
#define FORMAT_URL_H

#include "base/base.h"

/* Decodes %XX. ERR_VALUE for a broken escape, for what is not UTF-8 afterwards, and for a NUL. */
int url_decode(struct arena *arena, struct str text, struct str *ret_text,
               struct err *reterr) MUST_CHECK;

/* The same for a name or a value of a query, where '+' is a space. */
int url_decode_query(struct arena *arena, struct str text, struct str *ret_text,
                     struct err *reterr) MUST_CHECK;

/* Appends `text` with all but A-Z a-z 0-9 - . _ ~ escaped. */
void url_encode(struct buf *buf, struct str text);

struct url_pair {
  struct str name, value; /* decoded */
};

/* "a=1&b=x%20y" -> pairs, in order; empty pieces ("&&") are skipped. ERR_TOO_LONG for more than
 * 1,000. */
int url_parse_query(struct arena *arena, struct str query, struct url_pair **ret_pairs,
                    size_t *ret_n, struct err *reterr) MUST_CHECK;

#endif
