/*
 * Whole files.
 * Threads: any. Memory: the caller's buffer.
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Appends the content of a file, or of standard input for "-", to `buf`, whose maximum bounds it.
 * ERR_IO when it can't be opened or read, ERR_TOO_LONG over the maximum (or without memory); the
 * place is the path.
 */
int file_read(const char *path, struct buf *buf, struct err *reterr) MUST_CHECK;

#endif
