#include "store/move/backup_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "store/schema/schema.h"

#define PIECE_BYTES ((size_t)1 << 20)
#define PACK_LEVEL 3

int backup_file_fail(const char *path, const char *what, int error, struct err *reterr) {
  enum err_code code = error == ENOSPC || error == EDQUOT || error == EFBIG  ? ERR_NO_SPACE
                       : error == EROFS || error == EACCES || error == EPERM ? ERR_READ_ONLY
                       : error == EEXIST                                     ? ERR_CONFLICT
                       : error == ENOENT || error == ENOTDIR                 ? ERR_NOT_FOUND
                                                                             : ERR_IO;
  return err_set(reterr, code, "", "%s %s: %s.", path, what, strerror(error));
}

int backup_file_must_exist(const char *path, struct err *reterr) {
  struct stat info;
  if (stat(path, &info) != 0)
    return backup_file_fail(path, "can't be read", errno, reterr);
  return S_ISREG(info.st_mode) ? 0 : err_set(reterr, ERR_STORE, "", "%s is not a file.", path);
}

int backup_file_new(struct arena *arena, const char *path, const char **ret_name,
                    struct err *reterr) {
  struct str name = arena_printf(arena, "%s.part-XXXXXX", path);
  char *template = name.p ? arena_alloc(arena, name.n + 1) : NULL;
  if (!template)
    return err_no_memory(reterr);
  memcpy(template, name.p, name.n + 1);
  int fd = mkostemp(template, O_CLOEXEC); /* mode 0600 */
  if (fd < 0)
    return backup_file_fail(path, "can't be made", errno, reterr);
  close(fd);
  *ret_name = template;
  return 0;
}

static int sync_path(const char *path, int flags, struct err *reterr) {
  int fd = open(path, flags | O_CLOEXEC);
  int error = fd < 0 || fsync(fd) != 0 ? errno : 0;
  if (fd >= 0)
    close(fd);
  return error ? backup_file_fail(path, "can't be made durable", error, reterr) : 0;
}

int backup_file_forget(const char *name, struct err *reterr) {
  int code = sync_path(name, O_RDONLY, reterr);
  int fd = code == 0 ? open(name, O_RDONLY | O_CLOEXEC) : -1;
  if (fd >= 0) {
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); /* advice: nothing depends on it */
    close(fd);
  }
  return code;
}

int backup_file_sync_folder(const char *path, struct err *reterr) {
  char folder[4096];
  const char *end = strrchr(path, '/');
  if (end && (size_t)(end - path) >= sizeof folder)
    return backup_file_fail(path, "can't be made durable", ENAMETOOLONG, reterr);
  if (end)
    snprintf(folder, sizeof folder, "%.*s", end == path ? 1 : (int)(end - path), path);
  return sync_path(end ? folder : ".", O_RDONLY | O_DIRECTORY, reterr);
}

int backup_file_place(const char *name, const char *path, struct err *reterr) {
  int code = sync_path(name, O_RDWR, reterr);
  if (code != 0)
    return code;
  int failed = renameat2(AT_FDCWD, name, AT_FDCWD, path, RENAME_NOREPLACE);
  if (failed && (errno == EINVAL || errno == ENOSYS)) { /* not every file system knows it */
    failed = link(name, path);
    if (!failed)
      unlink(name);
  }
  if (failed && errno == EEXIST)
    return err_set(reterr, ERR_CONFLICT, "", "%s is there already; it is not overwritten.", path);
  if (failed)
    return backup_file_fail(path, "can't be made", errno, reterr);
  return backup_file_sync_folder(path, reterr);
}

int backup_file_rename(const char *from, const char *to, struct err *reterr) {
  return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0
             ? 0
             : backup_file_fail(from, "can't be moved", errno, reterr);
}

/* The new one has the name `aside` for a moment: whoever finds it there has lost nothing. */
int backup_file_replace(const char *name, const char *path, const char *aside, struct err *reterr) {
  int code = sync_path(name, O_RDWR, reterr);
  if (code == 0)
    code = backup_file_rename(name, aside, reterr);
  if (code != 0)
    return code;
  if (renameat2(AT_FDCWD, aside, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
    return backup_file_sync_folder(path, reterr);
  code = backup_file_rename(aside, name, reterr); /* not every file system knows that */
  if (code == 0)
    code = backup_file_rename(path, aside, reterr);
  return code ? code : backup_file_place(name, path, reterr);
}

bool backup_file_is_packed_name(const char *path) {
  return str_ends_with(str_of(path), STR(".zst"));
}

/* ---- Streams ---- */

int backup_file_go_on(const volatile sig_atomic_t *is_stopped, struct err *reterr) {
  return is_stopped && *is_stopped ? err_set(reterr, ERR_IO, "", "Broken off by a signal.") : 0;
}

struct streams {
  const volatile sig_atomic_t *is_stopped;
  const char *from_path, *to_path;
  int from, to;
  char *in, *out, *there; /* `there`: what is in `to` already, which is only compared; NULL: not */
  size_t in_n, out_n;     /* room */
};

static void close_streams(struct streams *s) {
  if (s->from >= 0)
    close(s->from);
  if (s->to >= 0)
    close(s->to);
  free(s->in);
  free(s->out);
  free(s->there);
}

static int open_streams(struct streams *s, const char *from, const char *to, bool is_comparing,
                        struct err *reterr) {
  *s = (struct streams){.from_path = from,
                        .to_path = to,
                        .from = open(from, O_RDONLY | O_CLOEXEC),
                        .to = -1,
                        .in = malloc(PIECE_BYTES),
                        .out = malloc(PIECE_BYTES),
                        .there = is_comparing ? malloc(PIECE_BYTES) : NULL,
                        .in_n = PIECE_BYTES,
                        .out_n = PIECE_BYTES};
  if (s->from < 0)
    return backup_file_fail(from, "can't be read", errno, reterr);
  if (!s->in || !s->out || (is_comparing && !s->there))
    return err_no_memory(reterr);
  s->to = open(to, O_CLOEXEC | (is_comparing ? O_RDONLY : O_WRONLY | O_TRUNC));
  return s->to < 0 ? backup_file_fail(to, "can't be opened", errno, reterr) : 0;
}

static int read_piece(struct streams *s, size_t *ret_n, struct err *reterr) {
  ssize_t n;
  int code = backup_file_go_on(s->is_stopped, reterr);
  if (code != 0)
    return code;
  do
    n = read(s->from, s->in, s->in_n);
  while (n < 0 && errno == EINTR);
  if (n < 0)
    return backup_file_fail(s->from_path, "can't be read", errno, reterr);
  *ret_n = (size_t)n;
  return 0;
}

static int fail_different(const struct streams *s, struct err *reterr) {
  return err_set(reterr, ERR_STORE, "",
                 "%s is not what was written: the disk, or the memory, changes what it is given.",
                 s->from_path);
}

/* As much as there is, up to `n`. */
static int read_there(struct streams *s, size_t n, size_t *ret_n, struct err *reterr) {
  size_t got = 0;
  while (got < n) {
    ssize_t part = read(s->to, s->there + got, n - got);
    if (part < 0 && errno == EINTR)
      continue;
    if (part < 0)
      return backup_file_fail(s->to_path, "can't be read", errno, reterr);
    if (part == 0)
      break;
    got += (size_t)part;
  }
  *ret_n = got;
  return 0;
}

static int compare_piece(struct streams *s, const char *p, size_t n, struct err *reterr) {
  size_t there_n = 0;
  int code = read_there(s, n, &there_n, reterr);
  if (code == 0 && (there_n != n || memcmp(p, s->there, n) != 0))
    code = fail_different(s, reterr);
  return code;
}

static int write_piece(struct streams *s, const char *p, size_t n, struct err *reterr) {
  if (s->there)
    return compare_piece(s, p, n, reterr);
  while (n > 0) {
    ssize_t written = write(s->to, p, n);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return backup_file_fail(s->to_path, "can't be written", errno, reterr);
    p += written;
    n -= (size_t)written;
  }
  return 0;
}

static int fail_zstd(const char *path, size_t result, struct err *reterr) {
  return err_set(reterr, ERR_STORE, "", "%s is damaged: zstd: %s.", path,
                 ZSTD_getErrorName(result));
}

static int pack_piece(struct streams *s, ZSTD_CCtx *context, size_t in_n, struct err *reterr) {
  ZSTD_EndDirective how = in_n == 0 ? ZSTD_e_end : ZSTD_e_continue;
  ZSTD_inBuffer in = {s->in, in_n, 0};
  size_t left = 1;
  while (how == ZSTD_e_end ? left > 0 : in.pos < in.size) {
    ZSTD_outBuffer out = {s->out, s->out_n, 0};
    left = ZSTD_compressStream2(context, &out, &in, how);
    if (ZSTD_isError(left))
      return err_set(reterr, ERR_INTERNAL, "", "zstd: %s.", ZSTD_getErrorName(left));
    int code = write_piece(s, s->out, out.pos, reterr);
    if (code != 0)
      return code;
  }
  return 0;
}

int backup_file_pack(const char *from, const char *to, const volatile sig_atomic_t *is_stopped,
                     struct err *reterr) {
  struct streams s;
  ZSTD_CCtx *context = ZSTD_createCCtx();
  int code = open_streams(&s, from, to, false, reterr);
  s.is_stopped = is_stopped;
  if (code == 0 && !context)
    code = err_no_memory(reterr);
  if (code == 0) {
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, PACK_LEVEL);
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
  }
  size_t n = 1;
  while (code == 0 && n > 0) {
    code = read_piece(&s, &n, reterr);
    if (code == 0)
      code = pack_piece(&s, context, n, reterr);
  }
  ZSTD_freeCCtx(context);
  close_streams(&s);
  return code;
}

static int unpack_piece(struct streams *s, ZSTD_DCtx *context, size_t in_n, size_t *ret_left,
                        struct err *reterr) {
  ZSTD_inBuffer in = {s->in, in_n, 0};
  bool is_full = false; /* more may come without more input */
  while (in.pos < in.size || is_full) {
    ZSTD_outBuffer out = {s->out, s->out_n, 0};
    size_t left = ZSTD_decompressStream(context, &out, &in);
    if (ZSTD_isError(left))
      return fail_zstd(s->from_path, left, reterr);
    int code = write_piece(s, s->out, out.pos, reterr);
    if (code != 0)
      return code;
    is_full = out.pos == out.size;
    *ret_left = left;
  }
  return 0;
}

static int unpack(struct streams *s, struct err *reterr) {
  ZSTD_DCtx *context = ZSTD_createDCtx();
  size_t n = 1, left = 1;
  int code = context ? 0 : err_no_memory(reterr);
  while (code == 0 && n > 0) {
    code = read_piece(s, &n, reterr);
    if (code == 0)
      code = unpack_piece(s, context, n, &left, reterr);
  }
  if (code == 0 && left > 0)
    code = err_set(reterr, ERR_STORE, "", "%s is damaged: its end is missing.", s->from_path);
  ZSTD_freeDCtx(context);
  return code;
}

static int copy_plain(struct streams *s, struct err *reterr) {
  size_t n = 1;
  int code = 0;
  while (code == 0 && n > 0) {
    code = read_piece(s, &n, reterr);
    if (code == 0)
      code = write_piece(s, s->in, n, reterr);
  }
  return code;
}

/* As much as there is of the first `n` bytes. */
static int read_head(const char *path, unsigned char *head, size_t n, size_t *ret_n,
                     struct err *reterr) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return backup_file_fail(path, "can't be read", errno, reterr);
  ssize_t got = pread(fd, head, n, 0);
  int error = errno;
  close(fd);
  if (got < 0)
    return backup_file_fail(path, "can't be read", error, reterr);
  *ret_n = (size_t)got;
  return 0;
}

int backup_file_is_packed(const char *path, bool *ret_is_packed, struct err *reterr) {
  static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
  unsigned char head[4];
  size_t n = 0;
  int code = read_head(path, head, sizeof head, &n, reterr);
  *ret_is_packed = code == 0 && n == sizeof magic && memcmp(head, magic, sizeof magic) == 0;
  return code;
}

int backup_file_unpack(const char *from, const char *to, const volatile sig_atomic_t *is_stopped,
                       struct err *reterr) {
  struct streams s;
  bool is_packed = false;
  int code = backup_file_is_packed(from, &is_packed, reterr);
  if (code != 0)
    return code;
  code = open_streams(&s, from, to, false, reterr);
  s.is_stopped = is_stopped;
  if (code == 0)
    code = is_packed ? unpack(&s, reterr) : copy_plain(&s, reterr);
  close_streams(&s);
  return code;
}

int backup_file_compare(const char *packed, const char *plain,
                        const volatile sig_atomic_t *is_stopped, struct err *reterr) {
  struct streams s;
  size_t more_n = 0;
  int code = open_streams(&s, packed, plain, true, reterr);
  s.is_stopped = is_stopped;
  if (code == 0)
    code = unpack(&s, reterr);
  if (code == 0)
    code = read_there(&s, 1, &more_n, reterr);
  if (code == 0 && more_n > 0)
    code = fail_different(&s, reterr);
  close_streams(&s);
  return code;
}

/* ---- The head of an SQLite file ---- */

static uint32_t big_endian(const unsigned char *p, size_t n) {
  uint32_t value = 0;
  for (size_t i = 0; i < n; i++)
    value = value << 8 | p[i];
  return value;
}

/* Offsets of https://www.sqlite.org/fileformat2.html section 1.3. */
int backup_file_check_head(const char *name, const char *shown, struct err *reterr) {
  enum { HEAD_BYTES = 100, PAGE_SIZE = 16, PAGES = 28, USER_VERSION = 60, APPLICATION = 68 };
  unsigned char head[HEAD_BYTES];
  struct stat info;
  size_t n = 0;
  int code = read_head(name, head, sizeof head, &n, reterr);
  if (code == 0 && stat(name, &info) != 0)
    code = backup_file_fail(name, "can't be read", errno, reterr);
  if (code != 0)
    return code;
  if (n == 0)
    return err_set(reterr, ERR_STORE, "", "%s is empty.", shown);
  if (n < HEAD_BYTES || memcmp(head, "SQLite format 3", 16) != 0)
    return err_set(reterr, ERR_STORE, "", "%s is not a backup of Callosum.", shown);
  if (big_endian(head + APPLICATION, 4) != SCHEMA_APPLICATION)
    return err_set(reterr, ERR_STORE, "", "%s is a database of another program.", shown);
  uint32_t version = big_endian(head + USER_VERSION, 4);
  if (version > SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "",
                   "%s was written by a newer Callosum (format %u, this one reads up to %u).",
                   shown, version, SCHEMA_VERSION);
  if (version < SCHEMA_VERSION)
    return err_set(reterr, ERR_STORE, "",
                   "%s was made by another version of Callosum (format %u, this one has %u), or is"
                   " damaged.",
                   shown, version, SCHEMA_VERSION);
  uint64_t page_bytes = big_endian(head + PAGE_SIZE, 2);
  page_bytes = page_bytes == 1 ? 65536 : page_bytes;
  uint64_t bytes = page_bytes * big_endian(head + PAGES, 4);
  if ((uint64_t)info.st_size < bytes)
    return err_set(reterr, ERR_STORE, "",
                   "%s is damaged: its end is missing (%llu bytes of %llu are there).", shown,
                   (unsigned long long)info.st_size, (unsigned long long)bytes);
  return 0;
}
