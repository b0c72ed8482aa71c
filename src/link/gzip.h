/*
 * gzip for HTTP bodies: one-shot compression, streamed and bounded decompression.
 *
 * Spec: RFC 1952, RFC 1950. Threads: pure; the compressor's state is kept per thread, because
 * setting one up costs more than compressing a small body. Memory: on the given arena.
 */
#ifndef LINK_GZIP_H
#define LINK_GZIP_H

#include "base/base.h"

/* `level` 1 (fast) to 9 (small). ERR_NO_MEMORY. */
int gzip_compress(struct arena *arena, struct str plain, int level, struct str *ret_packed,
                  struct err *reterr) MUST_CHECK;

struct gzip_reader;

/* Reads gzip (also several members one after the other) and zlib. ERR_NO_MEMORY. */
int gzip_reader_new(struct arena *arena, struct gzip_reader **ret_reader,
                    struct err *reterr) MUST_CHECK;

/* Unpacks the next piece behind what `out` holds. ERR_STRUCTURE for what isn't gzip, ERR_TOO_LONG
 * when `out` reached its maximum. After an error no more may be fed. */
int gzip_reader_feed(struct gzip_reader *reader, struct str packed, struct buf *out,
                     struct err *reterr) MUST_CHECK;

/* Did the input end where a member ends? */
bool gzip_reader_is_complete(const struct gzip_reader *reader);

#endif
