/*
 * The resources of a file, for commands that look at each: one (JSON or XML), or one to a line
 * (NDJSON), plain or packed as import_source.h reads it; a long file is read piece by piece.
 *
 * Threads: one. Memory: `arena` is reset after each resource.
 */
#ifndef MAIN_RESOURCE_FILE_H
#define MAIN_RESOURCE_FILE_H

#include "base/base.h"

/* `line` is 0 where the file is one resource. An error ends the walk. */
typedef int resource_file_fn(void *what, size_t line, struct str text, struct err *reterr);

/* `path` "-": standard input. Errors of import_source.h, ERR_REQUIRED for an empty file, and what
 * `each` returns. */
int resource_file_each(struct arena *arena, const char *path, resource_file_fn *each, void *what,
                       struct err *reterr) MUST_CHECK;

#endif
