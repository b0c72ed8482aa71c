#include "link/gzip.h"

#include <pthread.h>
/* so that zlib does not want to write to its input */
#define ZLIB_CONST
#include <zlib.h>

#define WINDOW_BITS_GZIP (15 + 16) /* zlib: 15 is the window, 16 asks for the gzip wrapper */
#define WINDOW_BITS_ANY (15 + 32)  /* 32: gzip or zlib, whichever the header says */

/* zlib takes 32-bit sizes; larger pieces are fed in turns. */
#define PIECE_BYTES_MAX ((size_t)1 << 30)

/* ---- Compression: one deflate state per thread --------------------------------------------- */

struct packer {
  z_stream z;
  int level;
};

static pthread_key_t packer_key;
static pthread_once_t packer_once = PTHREAD_ONCE_INIT;
static bool packer_key_is_made;

static void packer_free(void *what) {
  struct packer *packer = what;
  deflateEnd(&packer->z);
  free(packer);
}

static void packer_make_key(void) {
  packer_key_is_made = pthread_key_create(&packer_key, packer_free) == 0;
}

/* This thread's packer, ready for a new body; NULL without memory. */
static struct packer *packer_get(int level) {
  pthread_once(&packer_once, packer_make_key);
  if (!packer_key_is_made)
    return NULL;
  struct packer *packer = pthread_getspecific(packer_key);
  if (packer && packer->level == level && deflateReset(&packer->z) == Z_OK)
    return packer;
  if (packer) {
    pthread_setspecific(packer_key, NULL);
    packer_free(packer);
  }
  packer = calloc(1, sizeof *packer);
  if (!packer)
    return NULL;
  packer->level = level;
  if (deflateInit2(&packer->z, level, Z_DEFLATED, WINDOW_BITS_GZIP, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    free(packer);
    return NULL;
  }
  if (pthread_setspecific(packer_key, packer) != 0) {
    packer_free(packer);
    return NULL;
  }
  return packer;
}

int gzip_compress(struct arena *arena, struct str plain, int level, struct str *ret_packed,
                  struct err *reterr) {
  if (plain.n > PIECE_BYTES_MAX)
    return err_set(reterr, ERR_TOO_LONG, "", "A body of over 1 GiB is not compressed.");
  struct packer *packer = packer_get(level);
  if (!packer)
    return err_no_memory(reterr);
  size_t room = deflateBound(&packer->z, plain.n);
  unsigned char *out = arena_alloc(arena, room);
  if (!out)
    return err_no_memory(reterr);
  packer->z.next_in = (const Bytef *)plain.p;
  packer->z.avail_in = (uInt)plain.n;
  packer->z.next_out = out;
  packer->z.avail_out = (uInt)room;
  if (deflate(&packer->z, Z_FINISH) != Z_STREAM_END)
    return err_set(reterr, ERR_INTERNAL, "", "A body could not be compressed.");
  *ret_packed = str_n((const char *)out, room - packer->z.avail_out);
  return 0;
}

/* ---- Decompression ------------------------------------------------------------------------- */

struct gzip_reader {
  z_stream z;
  bool is_between_members, has_seen_member;
};

static void reader_end(void *what) {
  inflateEnd(&((struct gzip_reader *)what)->z);
}

int gzip_reader_new(struct arena *arena, struct gzip_reader **ret_reader, struct err *reterr) {
  struct gzip_reader *reader = ARENA_NEW(arena, struct gzip_reader);
  if (!reader || inflateInit2(&reader->z, WINDOW_BITS_ANY) != Z_OK)
    return err_no_memory(reterr);
  if (arena_on_free(arena, reader_end, reader) != 0) {
    reader_end(reader);
    return err_no_memory(reterr);
  }
  reader->is_between_members = true;
  *ret_reader = reader;
  return 0;
}

/* Inflates into the room that `out` has; sets `*ret_status` to what zlib said. */
static int inflate_step(struct gzip_reader *reader, struct buf *out, int *ret_status,
                        struct err *reterr) {
  enum { STEP_BYTES = 64 * 1024 };
  size_t room = out->max_bytes - out->n < STEP_BYTES ? out->max_bytes - out->n : STEP_BYTES;
  /* At the maximum one byte of scratch tells a body that just fits from one that is too long. */
  unsigned char scratch = 0;
  unsigned char *to = room ? (unsigned char *)buf_extend(out, room) : &scratch;
  if (!to)
    return err_no_memory(reterr);
  size_t given = room ? room : 1;
  reader->z.next_out = to;
  reader->z.avail_out = (uInt)given;
  *ret_status = inflate(&reader->z, Z_NO_FLUSH);
  if (room)
    out->n -= reader->z.avail_out;
  else if (reader->z.avail_out == 0)
    return err_set(reterr, ERR_TOO_LONG, "", "The unpacked body is larger than %zu bytes.",
                   out->max_bytes);
  return 0;
}

static int feed_piece(struct gzip_reader *reader, struct str packed, struct buf *out,
                      struct err *reterr) {
  reader->z.next_in = (const Bytef *)packed.p;
  reader->z.avail_in = (uInt)packed.n;
  for (;;) {
    if (reader->z.avail_in > 0 && reader->is_between_members) {
      if (reader->has_seen_member && inflateReset(&reader->z) != Z_OK)
        return err_set(reterr, ERR_INTERNAL, "", "The unpacker could not be reset.");
      reader->is_between_members = false;
    }
    int status = Z_OK, code = inflate_step(reader, out, &status, reterr);
    if (code)
      return code;
    if (status == Z_STREAM_END) {
      reader->is_between_members = reader->has_seen_member = true;
      if (reader->z.avail_in == 0)
        return 0;
    } else if (status == Z_MEM_ERROR) {
      return err_no_memory(reterr);
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      return err_set(reterr, ERR_STRUCTURE, "", "The body is not what its Content-Encoding says.");
    } else if (reader->z.avail_in == 0 && reader->z.avail_out > 0) {
      return 0;
    }
  }
}

int gzip_reader_feed(struct gzip_reader *reader, struct str packed, struct buf *out,
                     struct err *reterr) {
  while (packed.n > 0) {
    struct str piece = str_slice(packed, 0, PIECE_BYTES_MAX);
    int code = feed_piece(reader, piece, out, reterr);
    if (code)
      return code;
    packed = str_slice(packed, piece.n, SIZE_MAX);
  }
  return 0;
}

bool gzip_reader_is_complete(const struct gzip_reader *reader) {
  return reader->is_between_members && reader->has_seen_member;
}
