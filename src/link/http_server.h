/*
 * The HTTP/1.1 server: requests in, answers out, nothing of what they mean. Hides libmicrohttpd.
 *
 * Spec: RFC 9110, 9112. Threads: a pool of epoll threads calls `handle`, which must not block: it
 * answers at once, or later from any thread with `http_respond` (the connection is suspended
 * meanwhile). Memory: a request and its arena live until it was answered.
 */
#ifndef LINK_HTTP_SERVER_H
#define LINK_HTTP_SERVER_H

#include "base/base.h"

struct http_server;

struct http_request {
  struct arena *arena;
  struct str method,
      path;         /* path percent-decoded per segment by the service; raw here, without query */
  struct str query; /* raw, without '?' */
  struct str body;
  struct str peer; /* "127.0.0.1" */
  void *user;      /* of the options */
};

/* Header of the request; empty when absent. Case-insensitive. */
struct str http_request_header(const struct http_request *request, const char *name);

struct http_header {
  const char *name;
  struct str value;
};

struct http_response {
  int status;
  struct str content_type;
  struct http_header headers[16];
  size_t headers_n;
  struct str body; /* on the request's arena, or static; must live until the request ends */
  bool is_static;  /* body is cacheable: may be sent pre-compressed */
};

/* Answers. From any thread, exactly once per request. Compresses (gzip) where the client accepts it
 * and it is worth it; puts in CORS headers, Date, Content-Length; drops the body for HEAD. */
void http_respond(struct http_request *request, const struct http_response *response);

struct http_server_options {
  const char *address;    /* "127.0.0.1" */
  uint16_t port;          /* 0: any free one */
  unsigned threads;       /* 0: number of cores */
  size_t max_body_bytes;  /* 0: 128 MiB; over it 413 */
  size_t arena_max_bytes; /* of one request; 0: 1 GiB */
  unsigned max_connections, idle_timeout_s;
  void (*handle)(struct http_request *request);
  void *user;
};

/* ERR_CONFLICT when the port is taken. */
int http_server_open(const struct http_server_options *options, struct http_server **ret_server,
                     struct err *reterr) MUST_CHECK;
uint16_t http_server_port(const struct http_server *server);
/* No new connections, running requests are finished. */
void http_server_close(struct http_server *server);

#endif
