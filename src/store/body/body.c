#include "store/body/body.h"

#include <pthread.h>

#include "store/body/body_dictionaries.h"
#include "store/body/body_memo.h"
#include "store/body/dictionary/dictionary.h"

enum { PACK_PLAIN = 0, PACK_ZSTD = 1 }; /* + number of the dictionary */

struct body_codec {
  struct body_memo *memo;
  struct body_dictionaries *dictionaries;
};

/* ---- Contexts, one per thread ---- */

#define ROOM_BYTES ((size_t)64 << 10)
struct contexts {
  ZSTD_CCtx *compress;
  ZSTD_DCtx *decompress;
  char room[ROOM_BYTES]; /* where small bodies are compressed before their size is known */
};

static pthread_once_t contexts_once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key;

static void contexts_free(void *what) {
  struct contexts *contexts = what;
  ZSTD_freeCCtx(contexts->compress);
  ZSTD_freeDCtx(contexts->decompress);
  free(contexts);
}

static void contexts_make_key(void) {
  if (pthread_key_create(&contexts_key, contexts_free) != 0)
    abort(); /* a program has 1024 keys, this one uses a handful */
}

static struct contexts *contexts_get(void) {
  pthread_once(&contexts_once, contexts_make_key);
  struct contexts *contexts = pthread_getspecific(contexts_key);
  if (contexts)
    return contexts;
  contexts = malloc(sizeof *contexts);
  if (!contexts)
    return NULL;
  contexts->compress = ZSTD_createCCtx();
  contexts->decompress = ZSTD_createDCtx();
  if (!contexts->compress || !contexts->decompress ||
      pthread_setspecific(contexts_key, contexts) != 0) {
    contexts_free(contexts);
    return NULL;
  }
  return contexts;
}

/* ---- Life ---- */

int body_codec_open(struct db *db, const char *path, bool is_read_only,
                    struct body_codec **ret_codec, struct err *reterr) {
  struct body_codec *codec = calloc(1, sizeof *codec);
  if (!codec)
    return err_no_memory(reterr);
  int code = body_memo_open(&codec->memo, reterr);
  if (code == 0)
    code = body_dictionaries_open(db, path, &codec->dictionaries, reterr);
  if (code == 0 && !is_read_only && body_dictionaries_highest(codec->dictionaries) == 0)
    code = body_codec_add(codec, db, BODY_JSON, 0,
                          str_n((const char *)dictionary_bytes, dictionary_n), reterr);
  if (code == 0)
    *ret_codec = codec;
  else
    body_codec_close(codec);
  return code;
}

void body_codec_close(struct body_codec *codec) {
  if (!codec)
    return;
  body_dictionaries_close(codec->dictionaries);
  body_memo_close(codec->memo);
  free(codec);
}

int body_codec_add(struct body_codec *codec, struct db *db, enum body_kind kind,
                   uint64_t trained_at, struct str dictionary, struct err *reterr) {
  return body_dictionaries_add(codec->dictionaries, db, kind, trained_at, dictionary, reterr);
}

int body_codec_refresh(struct body_codec *codec, struct db *db, struct err *reterr) {
  return body_dictionaries_refresh(codec->dictionaries, db, reterr);
}

uint64_t body_codec_trained_at(const struct body_codec *codec, enum body_kind kind) {
  return body_dictionaries_trained_at(codec->dictionaries, kind);
}

uint64_t body_codec_known(const struct body_codec *codec) {
  return body_dictionaries_highest(codec->dictionaries);
}

void body_codec_trim(struct body_codec *codec) {
  body_memo_clear(codec->memo);
}

/* ---- Packing ---- */

/* The number of the dictionary is in byte 0; the frame need not repeat it. */
static size_t compress(ZSTD_CCtx *context, const ZSTD_CDict *dictionary, char *room, size_t room_n,
                       struct str bytes) {
  ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, BODY_LEVEL);
  ZSTD_CCtx_refCDict(context, dictionary);
  return ZSTD_compress2(context, room, room_n, bytes.p, bytes.n);
}

int body_pack(const struct body_codec *codec, struct arena *arena, enum body_kind kind,
              struct str bytes, struct str *ret_packed, struct err *reterr) {
  if (bytes.n > BODY_MAX_BYTES)
    return err_set(reterr, ERR_TOO_LONG, "", "More than %zu bytes can't be stored as one body.",
                   BODY_MAX_BYTES);
  struct contexts *contexts = contexts_get();
  if (!contexts)
    return err_no_memory(reterr);
  size_t room_n = ZSTD_compressBound(bytes.n);
  char *room = room_n <= ROOM_BYTES ? contexts->room : arena_alloc(arena, room_n);
  if (!room)
    return err_no_memory(reterr);
  int number;
  const ZSTD_CDict *dictionary = body_dictionary_of_kind(codec->dictionaries, kind, &number);
  size_t n = compress(contexts->compress, dictionary, room, room_n, bytes);
  bool is_plain = ZSTD_isError(n) || n >= bytes.n;
  struct str content = is_plain ? bytes : str_n(room, n);
  char *packed = arena_alloc(arena, content.n + 1);
  if (!packed)
    return err_no_memory(reterr);
  packed[0] = (char)(is_plain ? PACK_PLAIN : PACK_ZSTD + number);
  if (content.n)
    memcpy(packed + 1, content.p, content.n);
  *ret_packed = str_n(packed, content.n + 1);
  return 0;
}

static int damaged(struct err *reterr) {
  return err_set(reterr, ERR_STORE, "", "A body in the store is damaged.");
}

static int decompress(const struct body_codec *codec, struct arena *arena, struct str packed,
                      struct str *ret_bytes, struct err *reterr) {
  int how = (unsigned char)packed.p[0];
  struct str frame = str_slice(packed, 1, packed.n);
  const ZSTD_DDict *dictionary = NULL;
  int code = how > PACK_ZSTD
                 ? body_dictionary_find(codec->dictionaries, how - PACK_ZSTD, &dictionary, reterr)
                 : 0;
  if (code != 0)
    return code;
  unsigned long long n = ZSTD_getFrameContentSize(frame.p, frame.n);
  if (n == ZSTD_CONTENTSIZE_UNKNOWN || n == ZSTD_CONTENTSIZE_ERROR || n > BODY_MAX_BYTES)
    return damaged(reterr);
  struct contexts *contexts = contexts_get();
  char *bytes = arena_alloc(arena, (size_t)n + 1);
  if (!contexts || !bytes)
    return err_no_memory(reterr);
  size_t got = ZSTD_decompress_usingDDict(contexts->decompress, bytes, (size_t)n, frame.p, frame.n,
                                          dictionary);
  if (ZSTD_isError(got) || got != n)
    return damaged(reterr);
  bytes[got] = '\0';
  *ret_bytes = str_n(bytes, got);
  return 0;
}

int body_unpack(const struct body_codec *codec, struct arena *arena, struct str packed,
                struct str *ret_bytes, struct err *reterr) {
  if (str_is_empty(packed)) {
    *ret_bytes = STR(""); /* a column that is null */
    return 0;
  }
  if (packed.p[0] != PACK_PLAIN) {
    if (body_memo_find(codec->memo, arena, packed, ret_bytes))
      return 0;
    int code = decompress(codec, arena, packed, ret_bytes, reterr);
    if (code == 0)
      body_memo_keep(codec->memo, packed, *ret_bytes);
    return code;
  }
  struct str bytes = arena_str(arena, str_slice(packed, 1, packed.n));
  if (!bytes.p)
    return err_no_memory(reterr);
  *ret_bytes = bytes;
  return 0;
}
