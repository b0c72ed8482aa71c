#include "base/file.h"

#include <errno.h>

int file_read(const char *path, struct buf *buf, struct err *reterr) {
  bool is_stdin = strcmp(path, "-") == 0;
  FILE *file = is_stdin ? stdin : fopen(path, "rbe");
  if (!file)
    return err_set(reterr, ERR_IO, path, "Can't be opened: %s.", strerror(errno));
  char chunk[65536];
  for (size_t n; !buf_is_overflown(buf) && (n = fread(chunk, 1, sizeof chunk, file)) > 0;)
    buf_add(buf, str_n(chunk, n));
  bool has_failed = ferror(file);
  if (!is_stdin)
    fclose(file);
  if (has_failed)
    return err_set(reterr, ERR_IO, path, "Can't be read.");
  if (buf_is_overflown(buf))
    return err_set(reterr, ERR_TOO_LONG, path, "Is over %zu bytes.", buf->max_bytes);
  return 0;
}
