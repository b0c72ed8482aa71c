/*
 * What `callosum import` reads: a file or standard input, plain, gzip or zstd (told by its first
 * bytes), cut into blocks of whole lines.
 *
 * Spec: NDJSON; RFC 1952; RFC 8878. A text whose first line is not a whole JSON object is taken as
 * one value, however many lines it has.
 * Threads: one. Memory: a block is copied to the arena that is given.
 */
#ifndef MAIN_IMPORT_SOURCE_H
#define MAIN_IMPORT_SOURCE_H

#include "base/base.h"

#define IMPORT_LINE_MAX_BYTES ((size_t)512 << 20)

struct import_source;

/* `path` "-": standard input. ERR_IO. */
int import_source_open(const char *path, struct import_source **ret_source,
                       struct err *reterr) MUST_CHECK;
void import_source_close(struct import_source *source); /* NULL is allowed */

struct import_block {
  struct str text;
  size_t first_line; /* from 1 */
  bool is_one_value;
};
/* ERR_IO, ERR_STRUCTURE (packed bytes that aren't), ERR_TOO_LONG. At the end `*ret_is_end`. */
int import_source_next(struct import_source *source, struct arena *arena,
                       struct import_block *ret_block, bool *ret_is_end,
                       struct err *reterr) MUST_CHECK;

/* Bytes of the file that were read, and its size (0: not known). */
uint64_t import_source_read_bytes(const struct import_source *source);
uint64_t import_source_size_bytes(const struct import_source *source);

#endif
