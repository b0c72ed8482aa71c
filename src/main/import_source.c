#include "main/import_source.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "link/gzip.h"

#define PIECE_BYTES ((size_t)256 << 10)
#define BLOCK_BYTES ((size_t)192 << 10)

enum packing { PACKING_UNKNOWN, PACKING_NONE, PACKING_GZIP, PACKING_ZSTD };

struct import_source {
  const char *path;
  int fd;
  uint64_t read_bytes, size_bytes;
  enum packing packing;
  struct arena *arena; /* of the gzip reader */
  struct gzip_reader *gzip;
  ZSTD_DStream *zstd;
  bool is_frame_open, is_end; /* is_end: of the file */
  struct buf plain;
  size_t used; /* of `plain`, given out already */
  size_t line;
  bool is_one_value, is_shape_known;
  char piece[PIECE_BYTES];
};

int import_source_open(const char *path, struct import_source **ret_source, struct err *reterr) {
  struct import_source *source = calloc(1, sizeof *source);
  struct stat info;
  if (!source)
    return err_no_memory(reterr);
  source->path = path;
  source->line = 1;
  buf_init(&source->plain, IMPORT_LINE_MAX_BYTES + 2 * PIECE_BYTES);
  bool is_stdin = strcmp(path, "-") == 0;
  source->fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
  int code = 0;
  if (source->fd < 0 || fstat(source->fd, &info) != 0)
    code = err_set(reterr, ERR_IO, path, "can't be opened: %s", strerror(errno));
  else if (S_ISDIR(info.st_mode))
    code = err_set(reterr, ERR_IO, path, "is a folder; name the files in it");
  else if (S_ISREG(info.st_mode))
    source->size_bytes = (uint64_t)info.st_size;
  if (code == 0)
    *ret_source = source;
  else
    import_source_close(source);
  return code;
}

void import_source_close(struct import_source *source) {
  if (!source)
    return;
  if (source->fd > STDIN_FILENO)
    close(source->fd);
  ZSTD_freeDStream(source->zstd);
  arena_free(source->arena);
  buf_fini(&source->plain);
  free(source);
}

uint64_t import_source_read_bytes(const struct import_source *source) {
  return source->read_bytes;
}

uint64_t import_source_size_bytes(const struct import_source *source) {
  return source->size_bytes;
}

/* ---- Unpacking ---- */

static int find_packing(struct import_source *source, struct str piece, struct err *reterr) {
  source->packing = PACKING_NONE;
  if (str_starts_with(piece, STR("\x28\xb5\x2f\xfd"))) {
    source->packing = PACKING_ZSTD;
    source->zstd = ZSTD_createDStream();
    return source->zstd ? 0 : err_no_memory(reterr);
  }
  if (!str_starts_with(piece, STR("\x1f\x8b")))
    return 0;
  source->packing = PACKING_GZIP;
  source->arena = arena_new((size_t)1 << 20);
  return source->arena ? gzip_reader_new(source->arena, &source->gzip, reterr)
                       : err_no_memory(reterr);
}

static int unpack_zstd(struct import_source *source, struct str piece, struct err *reterr) {
  ZSTD_inBuffer in = {piece.p, piece.n, 0};
  bool has_more = true; /* of output that did not fit */
  while (in.pos < in.size || has_more) {
    size_t before = source->plain.n;
    char *room = buf_extend(&source->plain, PIECE_BYTES);
    if (!room)
      return err_set(reterr, ERR_TOO_LONG, source->path, "has a line of over %zu MB",
                     IMPORT_LINE_MAX_BYTES >> 20);
    ZSTD_outBuffer out = {room, PIECE_BYTES, 0};
    size_t left = ZSTD_decompressStream(source->zstd, &out, &in);
    source->plain.n = before + out.pos;
    if (ZSTD_isError(left))
      return err_set(reterr, ERR_STRUCTURE, source->path, "is not sound zstd: %s",
                     ZSTD_getErrorName(left));
    source->is_frame_open = left != 0;
    has_more = out.pos == out.size;
  }
  return 0;
}

static int unpack(struct import_source *source, struct str piece, struct err *reterr) {
  int code = source->packing == PACKING_UNKNOWN ? find_packing(source, piece, reterr) : 0;
  if (code != 0)
    return code;
  switch (source->packing) {
  case PACKING_ZSTD:
    return unpack_zstd(source, piece, reterr);
  case PACKING_GZIP:
    return gzip_reader_feed(source->gzip, piece, &source->plain, reterr);
  case PACKING_NONE:
  case PACKING_UNKNOWN:
    break;
  }
  buf_add(&source->plain, piece);
  return buf_is_overflown(&source->plain)
             ? err_set(reterr, ERR_TOO_LONG, source->path, "has a line of over %zu MB",
                       IMPORT_LINE_MAX_BYTES >> 20)
             : 0;
}

static int check_end(const struct import_source *source, struct err *reterr) {
  if ((source->packing == PACKING_ZSTD && source->is_frame_open) ||
      (source->packing == PACKING_GZIP && !gzip_reader_is_complete(source->gzip)))
    return err_set(reterr, ERR_STRUCTURE, source->path, "ends in the middle of a compressed part");
  return 0;
}

static int read_piece(struct import_source *source, struct err *reterr) {
  if (source->used > 0) { /* what was given out goes, the rest moves to the front */
    memmove(source->plain.p, source->plain.p + source->used, source->plain.n - source->used);
    source->plain.n -= source->used;
    source->used = 0;
  }
  ssize_t n;
  do
    n = read(source->fd, source->piece, sizeof source->piece);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return err_set(reterr, ERR_IO, source->path, "can't be read: %s", strerror(errno));
  if (n == 0) {
    source->is_end = true;
    return check_end(source, reterr);
  }
  source->read_bytes += (uint64_t)n;
  return unpack(source, str_n(source->piece, (size_t)n), reterr);
}

/* ---- Blocks ---- */

static struct str pending(const struct import_source *source) {
  return str_slice(buf_str(&source->plain), source->used, source->plain.n);
}

/* Decides by the first line, once it is there. */
static void find_shape(struct import_source *source) {
  struct str text = pending(source);
  while (text.n > 0 && (text.p[0] == '\n' || text.p[0] == '\r'))
    text = str_slice(text, 1, text.n);
  ssize_t end = str_find_char(text, '\n', 0);
  if (end < 0 && !source->is_end)
    return;
  struct str line = str_trim(end < 0 ? text : str_slice(text, 0, (size_t)end));
  source->is_one_value = !(str_starts_with(line, STR("{")) && str_ends_with(line, STR("}")));
  source->is_shape_known = true;
}

/* The end of the lines that make the next block: the last that fits, or the first. 0: none yet. */
static size_t block_end(const struct import_source *source, struct str text) {
  if (source->is_one_value)
    return source->is_end ? text.n : 0;
  size_t fits = text.n < BLOCK_BYTES ? text.n : BLOCK_BYTES;
  const char *last = fits ? memrchr(text.p, '\n', fits) : NULL;
  if (last)
    return (size_t)(last - text.p) + 1;
  ssize_t first = str_find_char(text, '\n', fits);
  if (first >= 0)
    return (size_t)first + 1;
  return source->is_end ? text.n : 0;
}

int import_source_next(struct import_source *source, struct arena *arena,
                       struct import_block *ret_block, bool *ret_is_end, struct err *reterr) {
  for (;;) {
    if (!source->is_shape_known)
      find_shape(source);
    struct str text = pending(source);
    bool is_full = source->is_end || (!source->is_one_value && text.n >= BLOCK_BYTES);
    size_t n = source->is_shape_known && is_full ? block_end(source, text) : 0;
    if (n > 0) {
      struct str copy = arena_str(arena, str_slice(text, 0, n));
      if (!copy.p)
        return err_no_memory(reterr);
      *ret_block = (struct import_block){copy, source->line, source->is_one_value};
      *ret_is_end = false;
      source->used += n;
      for (size_t i = 0; i < n; i++)
        source->line += copy.p[i] == '\n';
      return 0;
    }
    if (source->is_end) {
      *ret_is_end = true;
      return 0;
    }
    int code = read_piece(source, reterr);
    if (code != 0)
      return code;
  }
}
