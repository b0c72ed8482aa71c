/*
 * What a message says of a resource, laid over what is known.
 *
 * An HL7 v2 message that leaves a field out says nothing about it; one that sends "" says that it
 * has no value (v2.8, 2.5.3.4). So an element that the message valued replaces the known one as a
 * whole, one that it nulled goes, and all others stay, in their place. Identifiers unite by system
 * and value; extensions by url; meta by member. A choice element (value[x]) replaces the other
 * type.
 *
 * Threads: pure. Memory: on the arena.
 */
#ifndef IDENTITY_MERGE_H
#define IDENTITY_MERGE_H

#include "format/json.h"
#include "model/definitions.h"

/*
 * Writes `known` with `said` laid over it. `nulled` are names of elements of the resource
 * ("birthDate", "value" for a choice). The same `said` laid over its own result changes nothing:
 * not one byte.
 */
int merge_resource(struct arena *arena, defs_type_id type, const struct yyjson_val *known,
                   const struct yyjson_val *said, const struct str *nulled, size_t nulled_n,
                   struct str *ret_json, struct err *reterr) MUST_CHECK;

/* Adds `{"other":{"reference":reference},"type":type}` to Patient.link, unless it is there; with
 * `deactivate` also sets Patient.active to false. */
int merge_patient_link(struct arena *arena, const struct yyjson_val *patient, struct str reference,
                       struct str link_type, bool deactivate, struct str *ret_json,
                       struct err *reterr) MUST_CHECK;

#endif
