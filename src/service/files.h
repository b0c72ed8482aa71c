/*
 * The console's files at the root of the server, compressed once at start, with a strict
 * Content-Security-Policy. Threads: immutable once open. Memory: `files_open`/`files_close`.
 */
#ifndef SERVICE_FILES_H
#define SERVICE_FILES_H

#include "link/http_server.h"

struct files;

int files_open(struct files **ret_files, struct err *reterr) MUST_CHECK;
void files_handle(const struct files *files, struct http_request *request);
void files_close(struct files *files);

#endif
