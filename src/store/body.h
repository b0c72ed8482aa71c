/*
 * Packed bytes: how bodies, messages and lineage lie in the store.
 *
 *   byte 0    how the rest is packed: 0 as it is; 1 a zstd frame without dictionary; 2.. a zstd
 *             frame made with the dictionary of number (byte 0) - 1 in the table `dictionary`
 *   byte 1..  the bytes, or the frame (which tells its unpacked size)
 *
 * Spec: zstd frame format, RFC 8878.
 * Threads: a codec is immutable after body_codec_open; contexts are kept per thread. Memory:
 * results on the arena; packed bytes from the store are not trusted (size and content are checked).
 */
#ifndef STORE_BODY_H
#define STORE_BODY_H

#include "store/db.h"

#define BODY_MAX_BYTES ((size_t)256 << 20) /* unpacked */

struct body_codec;

/* Reads the dictionaries of the file; unless `is_read_only`, adds the program's own when it is not
 * among them (on the writer, outside a transaction). */
int body_codec_open(struct db *db, bool is_read_only, struct body_codec **ret_codec,
                    struct err *reterr) MUST_CHECK;
void body_codec_close(struct body_codec *codec); /* NULL is allowed */

enum body_kind {
  BODY_JSON, /* what the dictionary was made from */
  BODY_OTHER,
};
int body_pack(const struct body_codec *codec, struct arena *arena, enum body_kind kind,
              struct str bytes, struct str *ret_packed, struct err *reterr) MUST_CHECK;

/* ERR_STORE for bytes that were not packed by this. The result is followed by a NUL that is not
 * counted. */
int body_unpack(const struct body_codec *codec, struct arena *arena, struct str packed,
                struct str *ret_bytes, struct err *reterr) MUST_CHECK;

#endif
