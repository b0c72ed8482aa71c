/*
 * What callers of the server see: FHIR under /fhir, the administration API under /api, /healthz,
 * and the console at the root.
 *
 * Threads: requests are handled on the HTTP server's threads where they are short, else on a pool
 * of workers. Memory: `service_open`/`service_close`; the store and the maps are borrowed.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "flow/limits.h"
#include "link/http_server.h"
#include "mapping/mapping.h"
#include "store/store.h"

struct service;

struct service_options {
  struct store *store;
  const struct maps *maps; /* NULL: lineage is shown without the names of map files */
  const char *address;     /* to listen on; "127.0.0.1" */
  uint16_t port;           /* 0: any free one */
  const char *base_url;    /* "https://fhir.example.org/fhir"; NULL: from the Host header */
  const char *allow_origins, *public_host; /* see link/http_server.h */
  unsigned threads;                        /* of the HTTP server and of the pool; 0: one per core */
  size_t max_body_bytes;                   /* 0: see link/http_server.h; so the next */
  unsigned max_connections, idle_timeout_s;
  struct arena_budget *budget; /* memory of all requests; outlives the service; NULL: none */
  const struct limits *limits; /* NULL: limits_default */
};

/* Also compiles the search parameters and the invariants. ERR_CONFLICT when the port is taken. */
int service_open(const struct service_options *options, struct service **ret_service,
                 struct err *reterr) MUST_CHECK;
uint16_t service_port(const struct service *service);
/* Finishes the requests that run. NULL is allowed. */
void service_close(struct service *service);

#endif
