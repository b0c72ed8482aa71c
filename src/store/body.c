#include "store/body.h"

#include <pthread.h>
#include <stdatomic.h>
#include <zstd.h>

#include "store/body_memo.h"
#include "store/dictionary/dictionary.h"

/* Level 1 to 3 differ by 2 % in size on small bodies and by half in time. */
#define LEVEL 1
#define DICTIONARIES_MAX 200

enum { PACK_PLAIN = 0, PACK_ZSTD = 1 }; /* + number of the dictionary */

struct body_codec {
  struct body_memo *memo;
  int highest; /* number that is taken */
  uint64_t trained_at[BODY_KINDS];
  /* By number, from 1; set once, before anything packed with it can be seen. */
  ZSTD_CDict *_Atomic compress[DICTIONARIES_MAX + 1];
  ZSTD_DDict *_Atomic decompress[DICTIONARIES_MAX + 1];
  atomic_int current[BODY_KINDS]; /* number to pack with; 0: none */
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

/* ---- Dictionaries ---- */

static int adopt(struct body_codec *codec, int64_t number, int64_t kind, uint64_t trained_at,
                 struct str bytes, struct err *reterr) {
  if (number < 1 || number > DICTIONARIES_MAX || kind < 0 || kind >= BODY_KINDS)
    return err_set(reterr, ERR_STORE, "", "The store has a dictionary of an unknown number.");
  ZSTD_CDict *compress = ZSTD_createCDict(bytes.p, bytes.n, LEVEL);
  ZSTD_DDict *decompress = ZSTD_createDDict(bytes.p, bytes.n);
  if (!compress || !decompress) {
    ZSTD_freeCDict(compress);
    ZSTD_freeDDict(decompress);
    return err_no_memory(reterr);
  }
  atomic_store(&codec->compress[number], compress);
  atomic_store(&codec->decompress[number], decompress);
  atomic_store(&codec->current[kind], (int)number); /* the latest is the best */
  codec->trained_at[kind] = trained_at;
  codec->highest = (int)number;
  return 0;
}

int body_codec_refresh(struct body_codec *codec, struct db *db, struct err *reterr) {
  struct db_statement *statement = NULL;
  int code = db_prepare(db,
                        STR("SELECT number,kind,trained_at,bytes FROM dictionary"
                            " WHERE number>? ORDER BY number"),
                        &statement, reterr);
  if (code != 0)
    return code;
  bool has_row = false;
  db_bind_i64(statement, 1, codec->highest);
  while ((code = db_step(statement, &has_row, reterr)) == 0 && has_row) {
    code = adopt(codec, db_column_i64(statement, 0), db_column_i64(statement, 1),
                 (uint64_t)db_column_i64(statement, 2), db_column_str(statement, 3), reterr);
    if (code != 0)
      break;
  }
  db_release(statement);
  return code;
}

int body_codec_add(struct body_codec *codec, struct db *db, enum body_kind kind,
                   uint64_t trained_at, struct str dictionary, struct err *reterr) {
  struct db_statement *statement = NULL;
  int number = codec->highest + 1;
  if (number > DICTIONARIES_MAX)
    return err_set(reterr, ERR_STORE, "", "The store has as many dictionaries as it can have.");
  /* One statement outside a transaction is one: durable when it returns. */
  int code = db_prepare(db, STR("INSERT INTO dictionary VALUES(?,?,?,?)"), &statement, reterr);
  if (code != 0)
    return code;
  db_bind_i64(statement, 1, number);
  db_bind_i64(statement, 2, kind);
  db_bind_i64(statement, 3, (int64_t)trained_at);
  db_bind_bytes(statement, 4, dictionary);
  code = db_execute(statement, reterr);
  db_release(statement);
  return code ? code : adopt(codec, number, kind, trained_at, dictionary, reterr);
}

uint64_t body_codec_trained_at(const struct body_codec *codec, enum body_kind kind) {
  return codec->trained_at[kind];
}

int body_codec_open(struct db *db, bool is_read_only, struct body_codec **ret_codec,
                    struct err *reterr) {
  struct body_codec *codec = calloc(1, sizeof *codec);
  if (!codec)
    return err_no_memory(reterr);
  int code = body_memo_open(&codec->memo, reterr);
  if (code == 0)
    code = body_codec_refresh(codec, db, reterr);
  if (code == 0 && codec->highest == 0 && !is_read_only)
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
  for (size_t i = 0; i <= DICTIONARIES_MAX; i++) {
    ZSTD_freeCDict(codec->compress[i]);
    ZSTD_freeDDict(codec->decompress[i]);
  }
  body_memo_close(codec->memo);
  free(codec);
}

void body_codec_trim(struct body_codec *codec) {
  body_memo_clear(codec->memo);
}

/* ---- Packing ---- */

/* The number of the dictionary is in byte 0; the frame need not repeat it. */
static size_t compress(ZSTD_CCtx *context, const ZSTD_CDict *dictionary, char *room, size_t room_n,
                       struct str bytes) {
  ZSTD_CCtx_setParameter(context, ZSTD_c_dictIDFlag, 0);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, LEVEL);
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
  int number = atomic_load(&codec->current[kind]);
  size_t n =
      compress(contexts->compress, number ? codec->compress[number] : NULL, room, room_n, bytes);
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
  if (how > PACK_ZSTD) {
    int number = how - PACK_ZSTD;
    dictionary = number <= DICTIONARIES_MAX ? codec->decompress[number] : NULL;
    if (!dictionary)
      return damaged(reterr);
  }
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
