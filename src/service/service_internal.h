/*
 * What the files of the service share.
 * Threads: immutable after service_open, but for what has a lock of its own. Memory: the service's.
 */
#ifndef SERVICE_SERVICE_INTERNAL_H
#define SERVICE_SERVICE_INTERNAL_H

#include "service/service.h"
#include "service/turns.h"
#include "service/workers.h"

struct files;
struct rest_async;
struct rest_metadata_cache;

struct service {
  struct service_options options;
  struct limits limits;
  struct http_server *http;
  struct workers *workers;
  struct workers *readers;     /* of single resources, from a server; NULL: from a file */
  struct workers *independent; /* for what needs no store */
  struct turns *turns;         /* of patches of one resource */
  struct files *files;
  struct rest_async *async;
  struct rest_metadata_cache *metadata;
  int64_t started_us; /* monotonic */
  int64_t started_at_us;
};

/* "http://host:port/fhir": as configured, else by the name that the client called. */
struct str service_base_url(const struct service *service, const struct http_request *request);

#endif
