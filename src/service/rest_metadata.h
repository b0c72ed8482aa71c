/*
 * The CapabilityStatement. What it says of search is what the parser takes: every parameter, with
 * every modifier and prefix, and every include, is tried before it is claimed.
 *
 * Threads: any. Memory: on the call's arena; the last statement is kept by the service.
 */
#ifndef SERVICE_REST_METADATA_H
#define SERVICE_REST_METADATA_H

#include "format/json.h"
#include "service/rest.h"

/* Members searchInclude, searchRevInclude and searchParam of a type. */
void rest_metadata_search(struct json_writer *w, struct arena *arena, defs_type_id type);
/* Member searchParam of the whole system. */
void rest_metadata_system_search(struct json_writer *w, struct arena *arena);

/* ---- OperationDefinitions, from the table of operations (rest_definitions.c) ---- */

/* The member operation: of a type, or of the system (type 0). */
void rest_definitions_list(struct json_writer *w, struct arena *arena, struct str base_url,
                           defs_type_id type);
/* The definition "Patient-everything" as JSON; false: there is none. */
bool rest_definition(struct rest_call *call, struct str id, struct str *ret_json);

/* The statements that were made last, for the names by which the server was called. */
struct rest_metadata_cache;
struct rest_metadata_cache *rest_metadata_cache_new(void); /* NULL: no memory */
void rest_metadata_cache_free(struct rest_metadata_cache *cache);

#endif
