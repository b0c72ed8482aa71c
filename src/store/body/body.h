/*
 * Packed bytes: how bodies, messages and lineage lie in the store.
 *
 *   byte 0    how the rest is packed: 0 as it is; 1 a zstd frame without dictionary; 2.. a zstd
 *             frame made with the dictionary of number (byte 0) - 1 in the table `dictionary`
 *   byte 1..  the bytes, or the frame (which tells its unpacked size)
 *
 * Spec: zstd frame format, RFC 8878.
 * A dictionary is for one kind of content. For JSON the program brings one, made from the
 * specification's examples; from its own content a store makes better ones (train.h).
 *
 * Threads: any. Contexts are kept per thread. Memory: results on the arena; packed bytes from the
 * store are not trusted (size and content are checked).
 */
#ifndef STORE_BODY_H
#define STORE_BODY_H

#include "store/db/db.h"

#define BODY_MAX_BYTES ((size_t)256 << 20) /* unpacked */

/* Kept in the files: never change a number. */
enum body_kind {
  BODY_JSON = 0,    /* resources */
  BODY_MESSAGE = 1, /* messages and replies */
  BODY_LINEAGE = 2,
  BODY_OTHER = 3, /* has no dictionary */
};
#define BODY_KINDS 4

struct body_codec;

/* Reads the dictionaries of the store; unless `is_read_only`, adds the program's own when there is
 * none (on the writer, outside a transaction). `path`: where to look for one that is met and not
 * known, because another process has added it meanwhile; NULL: nowhere. */
int body_codec_open(struct db *db, const char *path, bool is_read_only,
                    struct body_codec **ret_codec, struct err *reterr) MUST_CHECK;
void body_codec_close(struct body_codec *codec); /* NULL is allowed */
/* Forgets the bodies that it keeps unpacked (body_memo.h). */
void body_codec_trim(struct body_codec *codec);

/* Stores a dictionary that was made when there were `trained_at` pieces of that kind, durably, and
 * packs with it from then on; unless another process has stored one that makes it needless. On the
 * writer, outside a transaction. */
int body_codec_add(struct body_codec *codec, struct db *db, enum body_kind kind,
                   uint64_t trained_at, struct str dictionary, struct err *reterr) MUST_CHECK;

/* Reads what another process has added, to pack with it as well; in or outside a transaction. */
int body_codec_refresh(struct body_codec *codec, struct db *db, struct err *reterr) MUST_CHECK;
/* How many are known: as sequence.dictionaries, when none is missing. */
uint64_t body_codec_known(const struct body_codec *codec);

/* How many pieces there were when the kind's dictionary was made; 0: not from the store's content.
 */
uint64_t body_codec_trained_at(const struct body_codec *codec, enum body_kind kind);

int body_pack(const struct body_codec *codec, struct arena *arena, enum body_kind kind,
              struct str bytes, struct str *ret_packed, struct err *reterr) MUST_CHECK;

/* ERR_STORE for bytes that were not packed by this. The result is followed by a NUL that is not
 * counted. */
int body_unpack(const struct body_codec *codec, struct arena *arena, struct str packed,
                struct str *ret_bytes, struct err *reterr) MUST_CHECK;

#endif
