/*
 * GraphQL on FHIR: a query -> its answer, read through one consistent view.
 *
 * The text is parsed (format/graphql.h), checked as a whole (graphql_check.h), and then run: a plan
 * per selection set and type (graphql_plan.h) is made when it is first needed and serves all
 * objects of that type. A resource is read and parsed once per query, however often it is referred
 * to.
 *
 * Spec: GraphQL, October 2021; FHIR R4, http://hl7.org/fhir/R4/graphql.html. As FHIR asks, the
 * first error of a run takes the place of the data.
 * Threads: one per request. Memory: on the arena.
 */
#ifndef SERVICE_GRAPHQL_H
#define SERVICE_GRAPHQL_H

#include "format/graphql.h"
#include "store/store.h"

/* What one query may cost. Over a limit the query fails and says so; nothing is cut in silence. */
struct graphql_bounds {
  struct graphql_limits text;
  size_t fields_max;    /* selected, with fragments put in place; aliases count */
  unsigned depth_max;   /* levels, with fragments put in place */
  size_t resources_max; /* read */
  size_t searches_max;  /* lists, connections, reverse references */
  size_t list_max;      /* resources of one list, or one page of a connection */
  size_t values_max;    /* fields of all objects in the answer, and FHIRPath evaluations */
  size_t answer_max_bytes;
  int64_t time_max_us;
};
#define GRAPHQL_BOUNDS_DEFAULT                                                                     \
  ((struct graphql_bounds){.text = GRAPHQL_LIMITS_DEFAULT,                                         \
                           .fields_max = 5000,                                                     \
                           .depth_max = 50,                                                        \
                           .resources_max = 10000,                                                 \
                           .searches_max = 1000,                                                   \
                           .list_max = 1000,                                                       \
                           .values_max = 2500000,                                                  \
                           .answer_max_bytes = (size_t)64 << 20,                                   \
                           .time_max_us = 10000000})

struct graphql_request {
  struct str query, operation;        /* operation: empty where there is only one */
  const struct yyjson_val *variables; /* an object, or NULL */
  defs_type_id type;                  /* of an instance, or 0: the whole system */
  struct str id;
  struct str base_url;                 /* references that begin with it are local */
  const struct graphql_bounds *bounds; /* NULL: the default */
};

struct graphql_response {
  int status;      /* of HTTP */
  struct str body; /* {"data": ..} or {"data": null, "errors": [..]} */
};

/* Never fails otherwise than by what the response says. */
struct graphql_response graphql_run(struct store_view *view, const struct access *access,
                                    struct arena *arena, const struct graphql_request *request);

/* The response to a request that could not even be read. */
struct graphql_response graphql_refuse(struct arena *arena, const struct err *err);

#endif
