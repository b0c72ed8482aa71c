/*
 * The HTTP/1.1 server: requests in, answers out, nothing of what they mean. Hides libmicrohttpd.
 *
 * What it does by itself: limits (size of the body, of the unpacked body, connections, idle and
 * slow senders), gzip in both directions, HEAD, CORS with its preflight, the refusal of requests
 * that a web page of a stranger's site makes a browser send (see `allow_origins`), Date,
 * Content-Length, keep-alive.
 *
 * Spec: RFC 9110, 9112; Fetch (CORS protocol). Threads: a pool of epoll threads calls `handle`,
 * which must not block: it answers at once, or later from any thread with `http_respond` (the
 * connection is suspended meanwhile). Memory: a request and its arena live until it was answered.
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
  struct str body;  /* unpacked where it came with Content-Encoding: gzip or deflate */
  void *user;       /* of the options */
};

/* Header of the request; empty when absent. Case-insensitive. Until http_respond. */
struct str http_request_header(const struct http_request *request, const char *name);

/* Does the client take a body in this content coding ("gzip")? */
bool http_request_accepts_encoding(const struct http_request *request, const char *coding);

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
};

/*
 * Answers. From any thread, exactly once per request, which must not be touched afterwards.
 * Compresses (gzip) where the client accepts it, it is worth it and the response has no
 * Content-Encoding of its own; puts in CORS headers, Date, Content-Length; drops the body for HEAD.
 * A client that has gone is no error.
 */
void http_respond(struct http_request *request, const struct http_response *response);

struct http_server_options {
  const char *address;                      /* "127.0.0.1", "::1", "0.0.0.0", "localhost" */
  uint16_t port;                            /* 0: any free one */
  unsigned threads;                         /* 0: number of cores */
  size_t max_body_bytes;                    /* as sent, and unpacked; 0: 128 MiB; over it 413 */
  size_t arena_max_bytes;                   /* of one request; 0: 1 GiB */
  struct arena_budget *budget;              /* of all requests; over it 503; NULL: none */
  unsigned max_connections, idle_timeout_s; /* 0: 1000, 60 */
  size_t slowest_bytes_per_s; /* who takes a long answer slower than this loses it; 0: 64 kB */
  /*
   * Web pages of which origins may call: "*" any, or a list separated by spaces; NULL: pages from
   * this server itself and from loopback. Others get no CORS header, and what would change
   * something is refused (403).
   */
  const char *allow_origins;
  /* A further name that clients may call this server by. While it listens on loopback only, a Host
   * header that is neither an address, nor localhost, nor this name is refused (421): else a
   * stranger's page could reach it through a name of its own (DNS rebinding). */
  const char *public_host;
  /* Makes the answer to what the server itself refuses (413, 415, 403, ...), on the request's
   * arena. NULL: text/plain. */
  void (*refuse)(struct http_request *request, const struct err *err,
                 struct http_response *ret_response);
  void (*handle)(struct http_request *request);
  void *user;
};

/* ERR_CONFLICT when the port is taken, ERR_VALUE for an address that isn't one. */
int http_server_open(const struct http_server_options *options, struct http_server **ret_server,
                     struct err *reterr) MUST_CHECK;
uint16_t http_server_port(const struct http_server *server);
/* No new connections, running requests are finished and their answers sent. */
void http_server_close(struct http_server *server);

#endif
