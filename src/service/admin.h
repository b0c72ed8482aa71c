/*
 * The administration API that the console uses: docs/admin-api.md.
 *
 * Threads: as service/service.h. Memory: on the request's arena.
 */
#ifndef SERVICE_ADMIN_H
#define SERVICE_ADMIN_H

#include "format/json.h"
#include "service/service_internal.h"
#include "store/work/process.h"

/* `path` is below /api. */
void admin_handle(struct service *service, struct http_request *request, struct str path);

/* GET /healthz. */
void admin_health(struct service *service, struct http_request *request);

/* {"error": ..}. */
struct str admin_error(struct arena *arena, const struct err *err);

/* ---- What the files of the API share -------------------------------------------------------- */

/* One request: its handler writes an object to `w`, or returns an error. */
struct admin_call {
  struct service *service;
  struct http_request *request;
  struct arena *arena;
  struct access access;
  struct str path[4]; /* decoded words of the path behind /api, the first names the thing */
  size_t path_n;
  const struct search_pair *pairs;
  size_t pairs_n;
  const struct admin_resource *resource;
  bool is_away; /* admin_store_is_away */
  struct buf buf;
  struct json_writer w;
  struct worker_job job;
};

/* The decoded value of a parameter; empty when absent. */
struct str admin_param(const struct admin_call *call, const char *name);
/* A number, `fallback` when absent, at most `max`. ERR_VALUE. */
int admin_param_number(const struct admin_call *call, const char *name, uint64_t fallback,
                       uint64_t max, uint64_t *ret_value, struct err *reterr) MUST_CHECK;

/* The URL of a database, as the store shows it, without its user; the path of a file as it is. */
struct str admin_without_user(struct arena *arena, struct str text);

/* A member that is left out where the value is empty. */
void admin_member(struct json_writer *w, const char *name, struct str value);
void admin_member_instant(struct json_writer *w, const char *name, int64_t at_us);

/* Is the store known to be away? Once true it stays so for this call, which then runs where nobody
 * may wait. */
bool admin_store_is_away(struct admin_call *call);

int admin_figures(struct admin_call *call, struct err *reterr) MUST_CHECK;
/* Those that share the store. */
int admin_processes(struct admin_call *call, struct store_processes *ret_processes,
                    struct err *reterr) MUST_CHECK;
/* Writes the member "processes". */
void admin_write_processes(struct json_writer *w, const struct store_processes *processes);

int admin_system(struct admin_call *call, struct err *reterr) MUST_CHECK;
int admin_store(struct admin_call *call, struct err *reterr) MUST_CHECK;
int admin_messages(struct admin_call *call, struct err *reterr) MUST_CHECK;
int admin_message(struct admin_call *call, struct err *reterr) MUST_CHECK;
int admin_explain(struct admin_call *call, struct err *reterr) MUST_CHECK;
int admin_persons(struct admin_call *call, struct err *reterr) MUST_CHECK;
int admin_person(struct admin_call *call, struct err *reterr) MUST_CHECK;

#endif
