/*
 * Which web pages may call an HTTP server, and by which names it may be called: pure decisions.
 *
 * A server on loopback without a login is still reachable by every web page that its user opens.
 * Two rules keep strangers' pages out: the Origin that a browser sends must be allowed, and the
 * Host must not be a name that somebody else controls (DNS rebinding).
 *
 * Spec: RFC 6454 (origin), Fetch (CORS protocol). Threads: pure. Memory: none.
 */
#ifndef LINK_HTTP_ORIGIN_H
#define LINK_HTTP_ORIGIN_H

#include "base/base.h"

/* The host of "host", "host:port", "[::1]:port", without brackets and port. */
struct str http_origin_host(struct str authority);

/* Is it localhost, 127.x.x.x or ::1? */
bool http_origin_is_loopback(struct str host);

/* May a page of `origin` ("https://a.example:8443") read from a server that was called as `host`
 * (the Host header)? `allowed` as in http_server_options.allow_origins. */
bool http_origin_is_allowed(struct str origin, struct str host, const char *allowed);

/* Is `host` (the Host header) an address, localhost, or `public_host` (NULL: none)? */
bool http_origin_is_own_host(struct str host, const char *public_host);

#endif
