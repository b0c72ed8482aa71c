/*
 * Parameters resources: what an operation is asked with, and what it answers with.
 *
 * Spec: FHIR R4, http://hl7.org/fhir/R4/parameters.html, http://hl7.org/fhir/R4/operations.html
 * Threads: a worker's. Memory: on the call's arena; what is found is borrowed from the body.
 */
#ifndef SERVICE_REST_PARAMETERS_H
#define SERVICE_REST_PARAMETERS_H

#include "service/rest.h"

/* ---- Reading ---- */

/* Parameters.parameter of the body; NULL where it has none. ERR_STRUCTURE for another resource, and
 * what rest_read_body says. */
int rest_parameters_read(struct rest_call *call, const struct yyjson_val **ret_list,
                         struct err *reterr) MUST_CHECK;
/* The first of this name, or NULL. */
const struct yyjson_val *rest_parameter_find(const struct yyjson_val *list, const char *name);
/* Its value[x] or resource, or NULL. */
const struct yyjson_val *rest_parameter_value(const struct yyjson_val *parameter);
/* Its value, where that is a primitive; else STR_NULL. */
struct str rest_parameter_text(const struct yyjson_val *parameter);

/* ---- Writing ---- */

/* {"resourceType":"Parameters","parameter":[ ... ]} */
void rest_parameters_begin(struct json_writer *w);
void rest_parameters_end(struct json_writer *w);

/* {"name": NAME, "valueTYPE": TEXT}; `type` is "valueString", "valueCode", ... */
void rest_parameter_write(struct json_writer *w, const char *name, const char *type,
                          struct str text);

#endif
