/*
 * An HTTP client for the command line: blocking, one connection that is kept alive. Hides libcurl.
 *
 * Threads: one owner. Memory: answers on the given arena.
 */
#ifndef LINK_HTTP_CLIENT_H
#define LINK_HTTP_CLIENT_H

#include "base/base.h"

struct http_client;

int http_client_open(unsigned timeout_s, struct http_client **ret_client,
                     struct err *reterr) MUST_CHECK;
void http_client_close(struct http_client *client);

struct http_exchange {
  const char *method; /* "GET" */
  const char *url;
  struct str content_type, body; /* empty: no body */
  /* results */
  int status;
  struct str answer; /* at most 1 GiB */
};

/* 0 whenever an answer came, whatever its status. ERR_IO: none came; the text says why. Redirects
 * are not followed. */
int http_client_exchange(struct http_client *client, struct arena *arena,
                         struct http_exchange *exchange, struct err *reterr) MUST_CHECK;

#endif
