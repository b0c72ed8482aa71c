/*
 * The web console: files that are built from web/ (TypeScript) and linked into the program.
 * Threads: immutable. Memory: static.
 */
#ifndef CONSOLE_CONSOLE_H
#define CONSOLE_CONSOLE_H

#include "base/str.h"

struct console_file {
  const char *path; /* "/app.js"; "/" is the page */
  const char *content_type;
  const char *etag; /* quoted, of the content */
  struct str bytes;
};

const struct console_file *console_files(size_t *ret_n);

#endif
